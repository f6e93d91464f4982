/** Sections that are tables of figures. */

import { Section } from "../chart/Section";
import { cell, Table, type TableData } from "../chart/table";
import { intervalText, number, percent, rangeText, type Show, valueText } from "../numbers";
import type { Assessment, Bounds, Figure, GivenBaseline, Pillars, Step, SystemFailure, Together } from "../results";

type Row = [string, Figure, Show];

function figures(rows: Row[]): TableData {
  return {
    columns: [{ title: "" }, { title: "value", numeric: true }, { title: "interval" }],
    rows: rows.map(([name, f, show]) => [name, { text: valueText(f, show), raw: f.value ?? "" }, intervalText(f.interval, show)]),
  };
}

export function System({ s, says }: { s: SystemFailure; says: string | undefined }) {
  return (
    <Section id="system" title="System failure" says={says}>
      <Table caption="System failure" data={figures([["P(system failure)", s.rate, percent], ["if layers failed independently", s.independent, percent], ["the first over the second", s.gap, number]])} />
      <p class="note">The system fails when: <code>{s.structure}</code></p>
    </Section>
  );
}

export function PillarTables({ list, says }: { list: Pillars[]; says: string | undefined }) {
  return (
    <Section id="pillars" title="The gap between and within pillars" says={says}>
      {list.map((p) => (
        <Table
          caption={`By ${p.attribute}`}
          data={{
            columns: [{ title: "" }, { title: "layers" }, { title: "rate at which all its layers fail", numeric: true }, { title: "gap", numeric: true }, { title: "interval of the gap" }],
            rows: [
              ...p.pillars.map((g) => [`within ${g.name}`, g.layers.join(", "), cell(g.rate.value, percent), cell(g.gap.value), intervalText(g.gap.interval, number)]),
              ["between pillars", "", "", cell(p.between.value), intervalText(p.between.interval, number)],
              ["all together", "", "", cell(p.total.value), intervalText(p.total.interval, number)],
            ],
          }}
        />
      ))}
      <p class="note">The gap of all layers is the product of the gap between pillars and the gaps within them; 1 is independence.</p>
    </Section>
  );
}

export function Pipeline({ steps, says }: { steps: Step[]; says: string | undefined }) {
  return (
    <Section id="pipeline" title="The pipeline, step by step" says={says}>
      <Table
        caption="Each layer among the attacks that reached it"
        data={{
          columns: [{ title: "layer" }, { title: "reached it", numeric: true }, { title: "fails, given all before failed", numeric: true }, { title: "interval" }, { title: "all up to here fail", numeric: true }],
          rows: steps.map((s) => [s.layer, cell(s.reached), cell(s.rate.value, percent), intervalText(s.rate.interval, percent), cell(s.prefix.value, percent)]),
        }}
      />
    </Section>
  );
}

export function Baseline({ b, says }: { b: GivenBaseline; says: string | undefined }) {
  return (
    <Section id="baseline" title={`Among attacks that beat ${b.baseline}`} says={says}>
      <Table
        caption={`All layers among attacks that beat ${b.baseline}`}
        data={figures([
          [`${b.baseline} fails`, b.rate, percent], ["rate at which all layers fail then", b.joint.beta, percent], ["promised by independence", b.joint.product, percent], ["independence gap", b.joint.gap, number],
          ["effective layers", b.joint.effective_layers, number], ["ln gap over all attacks, nats", b.gap_nats, number], [`of which ${b.baseline} explains, nats`, b.explained_nats, number],
        ])}
      />
      <p class="note">An attack that never works against the undefended system beats no layer: part of what looks like shared blindness is that. This part leaves it out.</p>
    </Section>
  );
}

export function TogetherTable({ t, says }: { t: Together; says: string | undefined }) {
  return (
    <Section id="together" title="All layers at once" says={says}>
      <Table
        caption="Dependence of the whole set"
        data={figures([
          ["variance ratio (1 if independent)", t.variance_ratio, number], ["total correlation, nats", t.total_correlation, number], ["total correlation beyond chance, nats", t.total_correlation_corrected, number],
          ["share of attacks that beat two or more, beyond independence", t.knight_leveson.excess, percent],
        ])}
      />
    </Section>
  );
}

export function BoundsTable({ b, says }: { b: Bounds; says: string | undefined }) {
  return (
    <Section id="bounds" title="What pairs alone leave open" says={says}>
      <Table
        caption="β as far as it follows from less"
        data={{
          columns: [{ title: "β as far as it follows from" }, { title: "range" }],
          rows: [
            ["each layer's rate", rangeText(b.marginals, percent)],
            ...(b.pairs ? [["each layer's and each pair's rate", rangeText(b.pairs, percent)]] : []),
            ...(b.pairs_with_sampling_error ? [["the same, within their simultaneous intervals", rangeText(b.pairs_with_sampling_error, percent)]] : []),
          ],
        }}
      />
      <p class="note">Anything in these ranges fits the rates. If your only evidence is layers or pairs measured apart, this is all it says about the whole.</p>
    </Section>
  );
}

export function Rest({ x }: { x: Assessment }) {
  const feedback = x.feedback?.content ?? [];
  const impact = x.impact?.content ?? [];
  const elicited = x.elicited?.content ?? [];
  return (
    <>
      {elicited.length > 0 && (
        <Section id="elicited" title="What experts said">
          <Table
            caption="Experts and their pool"
            data={{
              columns: [{ title: "about" }, { title: "expert" }, { title: "median", numeric: true }, { title: "low", numeric: true }, { title: "high", numeric: true }],
              rows: elicited.flatMap((e) => e.elicited.experts.map((f) => [e.about, f.name, cell(f.median, percent), cell(f.low, percent), cell(f.high, percent)])),
            }}
          />
        </Section>
      )}
      {feedback.length > 0 && (
        <Section id="feedback" title="Shared feedback sources">
          <Table
            caption="What gap theory says about each source"
            data={{
              columns: [{ title: "source" }, { title: "techniques" }, { title: "failure mode" }, { title: "mass of hard contexts", numeric: true }, { title: "bias", numeric: true }, { title: "information per label, nats", numeric: true }],
              rows: feedback.map((f) => [f.source, f.techniques.join(", "), f.mode, cell(f.hard_context_mass, percent), cell(f.bias), cell(f.information_per_label)]),
            }}
          />
        </Section>
      )}
      {impact.length > 0 && (
        <Section id="impact" title="Impact of research problems">
          <Table
            caption="Scores"
            data={{
              columns: [{ title: "problem" }, { title: "score", numeric: true }, { title: "5% to 95%" }],
              rows: [...impact].sort((p, q) => q.score - p.score).map((i) => [i.problem, cell(i.score), i.distribution ? `${number(i.distribution[0])} to ${number(i.distribution[2])}` : "–"]),
            }}
          />
        </Section>
      )}
    </>
  );
}
