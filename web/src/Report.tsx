/** The page of one results document, section by section; a section is there if its data is. */

import { useMemo } from "preact/hooks";
import { Prose } from "./chart/Section";
import type { Results } from "./document";
import { ModelLaw } from "./law/model";
import { ModesLaw } from "./law/modes";
import { OutcomesLaw } from "./law/outcomes";
import { Attempts } from "./sections/attempts";
import { Campaign } from "./sections/campaign";
import { AfterChecks } from "./sections/checked";
import { Claims } from "./sections/claims";
import { WhatChanged } from "./sections/comparison";
import { Curve } from "./sections/curve";
import { Alarms, DataQuality, Layers, Provenance } from "./sections/data";
import { Gap } from "./sections/gap";
import { LineageTree } from "./sections/lineage";
import { FailureMap, Modes } from "./sections/modes";
import { Models } from "./sections/models";
import { Baseline, BoundsTable, PillarTables, Pipeline, Rest, System, TogetherTable } from "./sections/more";
import { Pairs } from "./sections/pairs";
import { Patterns } from "./sections/patterns";
import { Places } from "./sections/places";
import { NextTests } from "./sections/plan";
import { Pressure } from "./sections/pressure";
import { RiskOfSystem } from "./sections/risk";
import { Scenarios } from "./sections/scenarios";
import { WhichLayers } from "./sections/selection";
import { WhichThresholds } from "./sections/thresholds";
import { type Laws, LayersWhatIf, ModesWhatIf } from "./sections/whatif";
import { Worth } from "./sections/worth";

/** What a document is about. */
export function title(r: Results): string {
  if (r.provenance.study && r.study_name) return r.study_name;
  if (r.campaign && !r.analysis) return `Campaign ${r.campaign.content.name}`;
  if (!r.analysis && r.assessment?.map) return "Which failure modes techniques share";
  if (!r.analysis && r.assessment?.risk?.content.made_of === "basic-events") return "Risk of a fault tree";
  if (!r.analysis && r.assessment?.comparison) return "What changed";
  if (!r.analysis && r.assessment?.thresholds) return "Thresholds under one budget";
  if (!r.analysis && r.assessment?.impact) return "Impact of research problems";
  return "How these layers fail together";
}

function save(r: Results): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(r, null, 2)}\n`], { type: "application/json" }));
  link.download = "results.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function Report({ r }: { r: Results }) {
  const a = r.analysis ?? undefined;
  const x = r.assessment ?? {};
  const says = r.conclusions ?? {};
  const fit = r.fit?.content;
  const w = r.what_if?.content;
  const laws = useMemo<Laws>(() => {
    const { level, exact } = r.provenance.analyze;
    return {
      outcomes: w?.outcomes ? new OutcomesLaw(w.outcomes, level, exact) : undefined,
      model: w?.model ? new ModelLaw(w.model) : undefined,
      modes: w?.modes ? new ModesLaw(w.modes) : undefined,
    };
  }, [r]);
  const answer = [...(r.campaign_answer ?? []), ...r.answer, ...(r.fit_answer ?? []), ...(r.assessment_answer ?? [])];
  return (
    <main>
      <header class="answer">
        <h1>{title(r)}</h1>
        {answer.slice(0, 3).map((s) => <p class="lead"><Prose text={s} /></p>)}
        {answer.length > 3 && <ul>{answer.slice(3).map((s) => <li><Prose text={s} /></li>)}</ul>}
        <p class="tools"><button type="button" onClick={() => save(r)}>Save the results document</button> <button type="button" onClick={() => print()}>Print</button></p>
      </header>
      {x.comparison && <WhatChanged c={x.comparison.content} d={x.drift?.content} says={says} />}
      {x.claims && <Claims argument={x.claims.content} says={says.claims} />}
      {(laws.outcomes || laws.model) && <LayersWhatIf laws={laws} trials={a?.data.content.attack_trials ?? 0} />}
      {(w?.left_out ?? []).map((why) => <p class="note">Not recomputed in this page: {why}</p>)}
      {x.checked && <AfterChecks c={x.checked.content} says={says} />}
      {a && <Gap a={a} says={says.gap} />}
      {a && <Layers a={a} says={says.layers} />}
      {x.system && !x.risk && <System s={x.system.content} says={says.system} />}
      {a?.pipeline && <Pipeline steps={a.pipeline.content} says={says.pipeline} />}
      {a && a.curve.content.length > 1 && <Curve a={a} fit={fit} says={says.curve} />}
      {a && a.contributions.content.length > 1 && <Worth id="worth" title="What each layer adds to all the others" list={a.contributions.content} says={says.worth} />}
      {a?.groups && <Worth id="groups" title="What each group adds to all the others" list={a.groups.content} says={says.groups} />}
      {x.pillars && <PillarTables list={x.pillars.content} says={says.pillars} />}
      {a?.given_baseline && <Baseline b={a.given_baseline.content} says={says.baseline} />}
      {a?.pairs && a.pairs.content.length > 0 && <Pairs list={a.pairs.content} layers={a.data.content.layers} lineage={r.lineage ?? {}} says={says.pairs} />}
      {x.lineage && <LineageTree l={x.lineage.content} says={says} />}
      {a?.together && <TogetherTable t={a.together.content} says={says.together} />}
      {laws.outcomes && <Patterns law={laws.outcomes} says={says.patterns} />}
      {a?.causes && <Places causes={a.causes.content} says={says.places} />}
      {a?.bounds && <BoundsTable b={a.bounds.content} says={says.bounds} />}
      {x.pressure && <Pressure curve={x.pressure.content} says={says.pressure} />}
      {x.attempts && <Attempts tries={x.attempts.content} says={says.attempts} />}
      {fit && <Models fit={fit} says={says.models} />}
      {x.risk && <RiskOfSystem r={x.risk.content} says={says} />}
      {x.selection && <WhichLayers s={x.selection.content} says={says} />}
      {x.thresholds && <WhichThresholds t={x.thresholds.content} says={says} />}
      {x.plan && <NextTests p={x.plan.content} says={says} />}
      {x.scenarios && <Scenarios list={x.scenarios.content} says={says.scenarios} />}
      {x.map && <FailureMap report={x.map.content} says={says.map} />}
      {laws.modes && <ModesWhatIf law={laws.modes} />}
      {x.modes && <Modes report={x.modes.content} says={says.modes} />}
      <Rest x={x} />
      {r.campaign && <Campaign record={r.campaign.content} says={says.campaign} />}
      {a?.false_alarms && <Alarms alarms={a.false_alarms.content} says={says.alarms} />}
      {a && <DataQuality a={a} r={r} says={says.data} />}
      <Provenance r={r} />
    </main>
  );
}
