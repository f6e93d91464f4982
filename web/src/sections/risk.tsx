/** P(system failure) under every law, with cut sets, importance and bounds. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { intervalText, number, percent, rangeText, valueText } from "../numbers";
import type { ImportanceMeasures, Risk, SystemUnder } from "../results";

const STANDING: Record<string, string> = { observed: "counted", stated: "stated", learned: "learned", copula: "copula" };

function standing(l: SystemUnder): string {
  return l.kind === "fitted" ? (l.admissible ? "holds up" : "does not hold up") : (STANDING[l.kind] ?? l.kind);
}

function colour(l: SystemUnder): string {
  if (l.kind === "observed") return COLOUR.text;
  if (l.kind === "fitted") return l.admissible ? COLOUR.model : COLOUR.independent;
  return COLOUR.observed;
}

/** The law whose importance is shown: the first model that holds up, else what is stated last, else any that has it. */
function shown(r: Risk): SystemUnder | undefined {
  const has = r.laws.filter((l) => (l.importance ?? []).length > 0);
  return has.find((l) => l.admissible === true) ?? has.filter((l) => l.kind === "stated" || l.kind === "learned").at(-1) ?? has[0];
}

const KINDS: Record<string, string> = { layer: "layer", "basic-event": "event", group: "group", cause: "cause" };

const MEANING: Record<string, string> = {
  beta: "β: the share of the failures of the member that fails least which take the whole group.",
  mgl: "β, γ, …: of the failures of the member that fails least, the share of those of at least k members that are of at least k + 1.",
  alpha: "αk: the share of failure events that take exactly k members, if all failed on their own as seldom as the one that does least.",
  "alpha-staggered": "αk: the share of the failures of the member that fails least which take exactly k members.",
};

function rank(i: ImportanceMeasures): number {
  return (i.kind === "layer" || i.kind === "basic-event" ? 0 : 2) + (i.criticality ?? 0);
}

export function RiskOfSystem({ r, says }: { r: Risk; says: Record<string, string> }) {
  const plant = r.made_of === "basic-events";
  const show = plant ? number : percent;
  const list: Dot[] = r.laws.map((l) => ({ name: l.law, figure: l.rate, beside: l.independent ?? null, colour: colour(l) }));
  const observed = r.laws.find((l) => l.kind === "observed")?.rate.value ?? 0;
  const by = shown(r);
  const cuts = r.cut_sets;
  const important = [...(by?.importance ?? [])].sort((a, b) => rank(b) - rank(a));
  const uncertain = important.some((i) => i.criticality_interval != null);
  const vesely = important.some((i) => i.fussell_vesely != null);
  return (
    <>
      <Section id="risk" title={plant ? "Risk of the fault tree" : "Risk of the system"} says={says.risk}>
        <Chart
          id="risk"
          label={says.risk ?? "P(system failure), by law"}
          draw={(width) => dots(list, width, "P(system failure)", "rates", { at: observed, colour: COLOUR.text })}
          table={{
            columns: [{ title: "law" }, { title: "what it assumes" }, { title: "P(system failure)", numeric: true }, { title: "interval" }, { title: "if independent", numeric: true }, { title: "times", numeric: true }, { title: "standing" }],
            rows: r.laws.map((l) => [l.law, l.assumes, { text: plant && l.rate.value != null ? l.rate.value.toExponential(14) : valueText(l.rate, show), raw: l.rate.value ?? "" }, intervalText(l.rate.interval, show), cell(l.independent, show), cell(l.gap), standing(l)]),
          }}
        />
        <p class="note">Filled: the rate under each law, with its interval. Open: what independent failures at the same rates would give. {plant ? <>Top gate <code>{r.structure}</code></> : <>The system fails when: <code>{r.structure}</code></>} {r.decisions > 0 && <> ({r.decisions} decisions{r.modules > 1 ? ` in ${r.modules} modules` : ""})</>}.</p>
        {r.laws.flatMap((l) => (l.notes ?? []).map((n) => <p class="note">{l.law}: {n}</p>))}
        {(r.notes ?? []).map((n) => <p class="note">{n}</p>)}
        {r.bounds && (
          <Table
            caption="What the rates leave open under any law"
            data={{
              columns: [{ title: "whoever knows only" }, { title: "can say of P(system failure)" }],
              rows: [["each layer's rate", r.bounds.marginals ? rangeText(r.bounds.marginals, percent) : "–"], ["each layer's and each pair's rate", r.bounds.pairs ? rangeText(r.bounds.pairs, percent) : "–"]],
            }}
          />
        )}
        {r.bounds?.undefined && <p class="note">{r.bounds.undefined}.</p>}
      </Section>
      {(r.learned_causes ?? []).length > 0 && (
        <Section id="common-causes" title="Learned common causes" says={says["common-causes"]}>
          {(r.learned_causes ?? []).map((c) => (
            <>
              <Table
                caption={`${c.name}: factors and shocks of ${c.layers.join(", ")}`}
                data={{
                  columns: [{ title: "" }, { title: "posterior mean", numeric: true }, { title: "interval" }],
                  rows: [
                    ...c.factors.map((f) => [f.name, valueText(f.value, number), intervalText(f.value.interval, number)]),
                    ["Q, the rate of the member that fails least", valueText(c.rate, percent), intervalText(c.rate.interval, percent)],
                    ...c.shocks.map((s) => [s.members === 1 ? "shocks of one member" : s.members === c.layers.length ? "shocks of all members" : `shocks of ${s.members} members`, valueText(s.rate, percent), intervalText(s.rate.interval, percent)]),
                  ],
                }}
              />
              <p class="note">{MEANING[c.model]} A shock's rate is the share of attacks on which some such shock happens. {number(c.trials)} trials.</p>
              <Table
                caption={`${c.name}: members that failed at once`}
                data={{ columns: [{ title: "members" }, { title: "trials", numeric: true }, { title: "expected by shocks", numeric: true }], rows: (c.failures ?? []).map((f) => [String(f.failed), number(f.observed), f.expected.toFixed(1)]) }}
              />
              {(c.notes ?? []).map((n) => <p class="note">{n}</p>)}
            </>
          ))}
        </Section>
      )}
      <Section id="cut-sets" title="Minimal cut sets" says={says["cut-sets"]}>
        {cuts.undefined ? <p class="note">They are not counted: {cuts.undefined}.</p> : (
          <>
            <Table
              caption="Sets of failures of which none may be left out, by number of members"
              data={{ columns: [{ title: "members" }, { title: "cut sets", numeric: true }], rows: [...cuts.by_order.map((o) => [String(o.order), o.count.replace(/\B(?=(\d{3})+$)/g, ",")]), ["all", cuts.total.replace(/\B(?=(\d{3})+$)/g, ",")]] }}
            />
            {cuts.listed.length > 0 && (
              <Table
                caption="The likeliest, with the rate at which all of one happen"
                data={{ columns: [{ title: "cut set" }, ...r.laws.map((l) => ({ title: plant ? "probability" : l.law, numeric: true }))], rows: cuts.listed.map((c) => [c.members.join(", "), ...c.rates.map((x) => cell(x, show))]) }}
              />
            )}
          </>
        )}
      </Section>
      {by && (
        <Section id="importance" title={`What the risk rests on (${by.law})`} says={says.importance}>
          <Table
            caption="Importance"
            data={{
              columns: [{ title: "" }, { title: "kind" }, { title: "criticality", numeric: true }, ...(uncertain ? [{ title: "interval" }] : []), ...(vesely ? [{ title: "Fussell–Vesely", numeric: true }] : []), { title: "Birnbaum", numeric: true }, { title: "if it surely fails", numeric: true }, { title: "risk achievement worth", numeric: true }, { title: "if it never fails", numeric: true }, { title: "risk reduction worth", numeric: true }],
              rows: important.map((i) => [i.of, KINDS[i.kind] ?? i.kind, cell(i.criticality, percent), ...(uncertain ? [intervalText(i.criticality_interval, percent)] : []), ...(vesely ? [cell(i.fussell_vesely, percent)] : []), cell(i.birnbaum, show), cell(i.if_failed, show), cell(i.achievement_worth), cell(i.if_held, show), i.in_every_cut_set ? "∞" : cell(i.reduction_worth)]),
            }}
          />
          <p class="note">Criticality: the share of system failures that would not be if it never failed.{vesely ? " Fussell–Vesely: the share in which some cut set that holds it has happened." : ""} What is made to fail or to hold is changed from outside; everything else stays as it is.</p>
        </Section>
      )}
    </>
  );
}
