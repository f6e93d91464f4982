/** Which thresholds to set, what others would let through, and what all scores are worth as one. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { base, COLOUR, factors, Plot, UNDER } from "../chart/plot";
import { Prose, Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { intervalText, localised, number, percent, valueText, whole } from "../numbers";
import type { Combination, LayerThreshold, ThresholdChoice, Thresholds } from "../results";

const WAYS: Record<ThresholdChoice["way"], string> = {
  together: "chosen together",
  "in-use": "in use now",
  equal: "same false alarms for each",
  separate: "each by itself",
  combined: "combined score",
  "with-combined": "together, with combined score",
};

function rule(c: ThresholdChoice, layers: number): string {
  if (c.way === "combined") return "one score";
  if (c.need === 1) return "any layer";
  return c.need === layers ? "all layers" : `at least ${c.need}`;
}

/** A threshold with all its digits: a shortened one would be another threshold. */
function cut(l: LayerThreshold) {
  if (l.value == null) return { text: "stops nothing", raw: "" };
  return { text: l.fails_when === "below" ? `holds from ${l.value}` : `holds up to ${l.value}`, raw: l.value };
}

function WhatTheyAre({ t }: { t: Thresholds }) {
  const apart = (name: string) => cell(t.layers.find((l) => l.layer === name)?.separation);
  const inferred = t.layers.filter((l) => l.inferred && l.fails_when != null).map((l) => `${l.layer} (${l.fails_when === "below" ? "high" : "low"} scores stop)`);
  return (
    <>
      <Table
        caption="Thresholds chosen together"
        data={{
          columns: [{ title: "layer" }, { title: "threshold" }, { title: "stops of benign", numeric: true }, { title: "misses of attacks", numeric: true }, { title: "tells apart", numeric: true }],
          rows: [
            ...t.best.thresholds.map((l) => [l.layer ?? "combined score", cut(l), cell(l.false_alarm, percent), cell(l.misses, percent), apart(l.layer ?? "")]),
            ...t.layers.filter((l) => l.fails_when == null).map((l) => [l.layer, "recorded outcomes", "–", "–", apart(l.layer)]),
          ],
        }}
      />
      <p class="note">
        Chosen by {whole(t.attacks)} attacks and {whole(t.benign)} benign trials. Tells apart: how often an attack looks more suspicious to the layer than a benign trial; {localised("0.5")} is a coin.
        {inferred.length > 0 ? ` Which way scores point was inferred from attacks and benign trials: ${inferred.join(", ")}.` : ""}
      </p>
    </>
  );
}

/** What steps of the evidence are worth: P(evidence | attack) / P(evidence | benign). */
function Evidence({ c }: { c: Combination }) {
  const steps = c.likelihood_ratio.map((s) => ({ from: s.from, ratio: s.ratio ?? null }));
  const known = steps.flatMap((s) => (s.ratio != null && s.ratio > 0 ? [{ from: s.from, ratio: s.ratio }] : []));
  const turns = steps.find((s) => s.ratio == null || s.ratio >= 1);
  const never = steps.find((s) => s.ratio == null);
  const [first, last] = [known[0], known[known.length - 1]];
  const draw = (width: number) => {
    const from = first!.from;
    const to = never?.from ?? last!.from + Math.max(0.5, 0.1 * (last!.from - from));
    const y = factors(known.map((s) => s.ratio), "attacks over benign trials with such evidence");
    const [low, high] = y.domain as [number, number];
    // The score at its word, as far as the axes go.
    const word = [Math.max(from, Math.log(low)), Math.min(to, Math.log(high))].map((x) => ({ x, y: Math.exp(x) }));
    return Plot.plot({
      ...base(width, Math.min(320, Math.max(220, width * 0.42))),
      x: { domain: [from, to], label: "evidence for an attack, in nats", ...UNDER, grid: true, tickFormat: (x: number) => number(x), ticks: Math.max(2, Math.floor(width / 120)) },
      y: { ...y, labelAnchor: "top", labelOffset: undefined },
      marks: [
        Plot.ruleY([1], { stroke: COLOUR.faint }),
        ...(word[0]!.x < word[1]!.x ? [Plot.line(word, { x: "x", y: "y", stroke: COLOUR.independent, strokeDasharray: "5 4", strokeWidth: 1.5 })] : []),
        Plot.line([...known, { from: to, ratio: last!.ratio }], { x: "from", y: "ratio", curve: "step-after", stroke: COLOUR.model, strokeWidth: 2.5 }),
      ],
    });
  };
  const table = {
    columns: [{ title: "evidence from", numeric: true }, { title: "attacks over benign trials", numeric: true }],
    rows: steps.map((s) => [cell(s.from), s.ratio == null ? { text: "no benign trial seen", raw: "" } : s.ratio === 0 ? { text: "no attack seen", raw: 0 } : cell(s.ratio)]),
  };
  return (
    <>
      <p class="note">
        Combined score, in nats of evidence for an attack: {number(c.intercept)}
        {c.weights.map(({ layer, weight: w }) => (
          <>
            {` ${w < 0 ? "−" : "+"} ${number(Math.abs(w))} × `}
            <code>{layer}</code>
          </>
        ))}
        .
      </p>
      {known.length > 1 ? (
        <Chart
          id="evidence"
          label={turns ? `From an evidence of ${number(turns.from)} on, such scores are at least as common among attacks as among benign trials` : "Everywhere such scores are commoner among benign trials than among attacks"}
          draw={draw}
          when={[c]}
          table={table}
        />
      ) : (
        steps.length > 0 && <Table caption="What the evidence is worth, step by step" data={table} />
      )}
      {steps.length > 0 && (
        <p class="note">
          {turns ? `From an evidence of ${number(turns.from)} on, such scores are at least as common among attacks as among benign trials. ` : ""}
          {known.length > 1 ? "Steps: what was seen, never falling. Dashed: what the score itself says. Steps on which no attack, or no benign trial, was seen have no place on this axis; the table has them." : ""}
        </p>
      )}
    </>
  );
}

export function WhichThresholds({ t, says }: { t: Thresholds; says: Record<string, string> }) {
  const choices = [t.best, ...t.others];
  const many = t.layers.length;
  const name = (c: ThresholdChoice) => (c.need === 1 || c.way === "combined" ? WAYS[c.way] : `${WAYS[c.way]}, ${rule(c, many)}`);
  const list: Dot[] = choices.map((c, i) => ({ name: name(c), figure: c.held_out_beta, beside: c.beta.value, colour: i === 0 ? COLOUR.observed : COLOUR.independent }));
  const promised = (c: ThresholdChoice) => (c.way === "in-use" ? "–" : c.promised ? `≤ ${percent(t.budget)}` : "no");
  return (
    <Section id="thresholds" title="Which thresholds to set" says={says.thresholds}>
      <WhatTheyAre t={t} />
      {t.notes.map((n) => (
        <p class="note">
          <Prose text={n} />
        </p>
      ))}
      <h3>What other thresholds would let through</h3>
      <Chart
        id="thresholds"
        label={says.thresholds ?? "P(the stack fails) on unseen clusters, by way to choose thresholds"}
        draw={(width) => dots(list, width, "P(the stack fails)", "rates")}
        when={[t]}
        table={{
          columns: [{ title: "thresholds" }, { title: "stops a trial" }, { title: "β counted", numeric: true }, { title: "β unseen", numeric: true }, { title: "interval" }, { title: "false alarms unseen", numeric: true }, { title: "promised" }],
          rows: choices.map((c) => [
            WAYS[c.way],
            rule(c, many),
            { text: valueText(c.beta, percent), raw: c.beta.value ?? "" },
            { text: valueText(c.held_out_beta, percent), raw: c.held_out_beta.value ?? "" },
            intervalText(c.held_out_beta.interval, percent),
            { text: valueText(c.held_out_false_alarm, percent), raw: c.held_out_false_alarm.value ?? "" },
            promised(c),
          ]),
        }}
      />
      <p class="note">
        Filled: unseen, chosen on four fifths of the clusters, judged on the rest, five times over. Open: as counted, which flatters thresholds that were chosen on these trials. All but those in use keep to {percent(t.budget)} of false alarms{t.best.promised ? `; the first choice does so with ${percent(t.confidence)} confidence` : ", as counted; there are too few benign trials to promise it"}.
      </p>
      {t.combination && <Evidence c={t.combination} />}
    </Section>
  );
}
