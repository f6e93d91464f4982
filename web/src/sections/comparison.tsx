/** What changed since an earlier table, what chance explains of it, and what a monitor has seen. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Prose, Section } from "../chart/Section";
import { Table } from "../chart/table";
import { intervalText, number, percent, pText, type Show, valueText, whole } from "../numbers";
import type { Change, Comparison, Drift, Figure, PairChange, StandardisedChange } from "../results";

const VERDICTS: Record<Change["verdict"], string> = { rose: "rose", fell: "fell", "within-noise": "within noise", undetermined: "cannot be told" };

/** A difference of rates in percentage points. */
const points: Show = (x) => (Math.abs(x) < 1e-12 ? "0" : `${x > 0 ? "+" : ""}${number(100 * x)}`);
/** A logarithm as the factor that it stands for. */
const times: Show = (x) => number(Math.exp(x));

/** A value, or the bound that there is instead. */
function bounded(f: Figure, show: Show): string {
  return f.value == null && f.identified == null && f.interval ? intervalText(f.interval, show) : valueText(f, show);
}

/** A rate, or its upper limit where no event was seen. */
function rate(f: Figure): string {
  return f.value === 0 && f.interval?.high != null ? `≤ ${percent(f.interval.high)}` : valueText(f, percent);
}

const p = (x: number | null | undefined) => ({ text: pText(x), raw: x ?? "" });
const pWords = (x: number) => (x < 0.001 ? `p ${pText(x)}` : `p = ${pText(x)}`);

const RATES = [{ title: "before", numeric: true }, { title: "interval" }, { title: "after", numeric: true }, { title: "interval" }, { title: "change in points", numeric: true }, { title: "interval" }];

function rates(c: Change, judged: number | null | undefined) {
  return [
    { text: rate(c.before), raw: c.before.value ?? "" },
    intervalText(c.before.interval, percent),
    { text: rate(c.after), raw: c.after.value ?? "" },
    intervalText(c.after.interval, percent),
    { text: valueText(c.change, points), raw: c.change.value ?? "" },
    intervalText(c.change.interval, points),
    p(judged),
    VERDICTS[c.verdict],
  ];
}

/** "1.2% before and 2.3% after, a change of +1.1 points (0.4 to 1.8)". */
function told(c: Change): string {
  const within = c.change.interval ? ` (${percent(c.change.interval.level)} interval: ${intervalText(c.change.interval, points)})` : "";
  const by = c.change.value != null ? `, a change of ${points(c.change.value)} percentage points${within}` : c.change.interval ? `, a change of ${intervalText(c.change.interval, points)} percentage points` : "";
  return `${rate(c.before)} before and ${rate(c.after)} after${by}`;
}

/** What the change comes to. */
function judged(c: Change, what: string): string {
  const test = c.p_value == null ? "" : ` (${pWords(c.p_value)})`;
  if (c.verdict === "rose") return `${what} rose by more than chance explains${test}.`;
  if (c.verdict === "fell") return `${what} fell by more than chance explains${test}.`;
  if (c.verdict === "within-noise") return `Chance explains that${test}, which is no proof that nothing changed.`;
  return `Whether ${what} changed cannot be told${c.change.undefined ? `: ${c.change.undefined}` : ""}.`;
}

function Mix({ s }: { s: StandardisedChange }) {
  const left = s.left_out ?? [];
  return (
    <p class="note">
      At the earlier mix of {s.columns.join(" and ")}: {told(s.beta)}. {judged(s.beta, "β at the earlier mix")}
      {s.mix.value == null ? "" : ` The changed mix makes ${points(s.mix.value)} points of the whole change.`}
      {left.length > 0 ? ` Of the attacks before ${percent(s.share_before)} and of those after ${percent(s.share_after)} lie in strata of both tables; ${left.join(", ")} are left out here.` : ""}
    </p>
  );
}

/** The monitor's evidence. */
function monitor(d: Drift): string {
  if (d.trials === 0) return `A monitor watches for β above ${percent(d.rate)}; it has no observation yet.`;
  const seen = `${number(d.failures)} joint failures in ${whole(d.trials)} observations`;
  const often = "however often one looks";
  return d.alarm_at != null
    ? `The monitor raised an alarm at observation ${whole(d.alarm_at)} of ${whole(d.trials)}: a β of ${percent(d.rate)} does not explain ${seen} (${pWords(d.p_value)}, ${often}).`
    : `The monitor raised no alarm: ${seen} do not show that β exceeds ${percent(d.rate)} (${pWords(d.p_value)}, ${often}).`;
}

function evidence(d: Drift): string {
  const strength = (log10: number, e: number | null | undefined) => (e != null ? number(e) : `10^${number(log10)}`);
  const highest = d.log10_highest_e < 300 ? number(10 ** d.log10_highest_e) : `10^${number(d.log10_highest_e)}`;
  return `Its mean is ${valueText(d.running_mean, percent)} (${intervalText(d.running_mean.interval, percent)} at every observation at once); its evidence against ${percent(d.rate)} is ${strength(d.log10_e, d.e_value)} now and was ${highest} at most. While β does not exceed that, the chance of an alarm is at most ${percent(1 - d.confidence)}, however long it watches.`;
}

/** Changes that chance does not explain first, then by size. */
function strongest(list: PairChange[]): PairChange[] {
  const size = (c: PairChange) => Math.abs(c.ln_odds_ratio.change.value ?? 0);
  return [...list].sort((a, b) => (a.ln_odds_ratio.p_adjusted ?? 2) - (b.ln_odds_ratio.p_adjusted ?? 2) || size(b) - size(a));
}

function factors(c: Change, mark: string) {
  return [
    { text: `${bounded(c.before, times)}${mark}`, raw: c.before.value == null ? "" : Math.exp(c.before.value) },
    { text: `${bounded(c.after, times)}${mark}`, raw: c.after.value == null ? "" : Math.exp(c.after.value) },
    { text: valueText(c.change, times), raw: c.change.value == null ? "" : Math.exp(c.change.value) },
    intervalText(c.change.interval, times),
    p(c.p_adjusted),
    VERDICTS[c.verdict],
  ];
}

function layersSentence(c: Comparison): string {
  const of = (verdict: Change["verdict"]) => c.rates.filter((l) => l.rate.verdict === verdict).map((l) => l.layer);
  const part = (verdict: Change["verdict"]) => (of(verdict).length ? [`${of(verdict).join(", ")} ${verdict}`] : []);
  const parts = [...part("rose"), ...part("fell")];
  if (!parts.length && c.rates.every((l) => l.rate.verdict === "undetermined")) return "Whether any layer's own rate changed cannot be told";
  return parts.length ? `By more than chance explains, the rate of ${parts.join(" and that of ")}` : "No layer's own rate changed by more than chance explains";
}

export function WhatChanged({ c, d, says }: { c: Comparison; d: Drift | null | undefined; says: Record<string, string> }) {
  const s = c.standardised;
  const colour = (x: Change) => (x.verdict === "rose" ? COLOUR.bad : x.verdict === "fell" ? COLOUR.good : COLOUR.observed);
  const other = (s?.left_out ?? []).length > 0;
  const beta: Dot[] = [
    { name: "before", figure: c.beta.before, colour: COLOUR.independent },
    { name: "after", figure: c.beta.after, colour: colour(c.beta) },
    ...(s && other ? [{ name: "before, strata of both", figure: s.beta.before, colour: COLOUR.independent }] : []),
    ...(s ? [{ name: other ? "after, earlier mix of these" : "after, at the earlier mix", figure: s.beta.after, colour: COLOUR.model }] : []),
  ];
  const layers: Dot[] = c.rates.map((l) => ({ name: l.layer, figure: l.rate.after, beside: l.rate.before.value, colour: colour(l.rate) }));
  const pairs = strongest(c.pairs ?? []);
  const changed = layersSentence(c);
  const betaSays = judged(c.beta, "β");
  return (
    <Section id="comparison" title="What changed" says={says.comparison}>
      <p class="note">
        β of {c.layers.length === 1 ? "one layer" : `${whole(c.layers.length)} layers`} was {told(c.beta)}.{c.beta.ratio?.value != null ? ` That is ${number(c.beta.ratio.value)} times as much (${intervalText(c.beta.ratio.interval, number)}).` : ""} {betaSays}
      </p>
      <Chart
        id="comparison"
        label={says.comparison ?? `β was ${told(c.beta)}. ${betaSays}`}
        draw={(width) => dots(beta, width, "all layers fail", "rates")}
        when={[c]}
        table={{
          columns: [{ title: "all layers fail" }, ...RATES, { title: "p", numeric: true }, { title: "verdict" }],
          rows: [["β", ...rates(c.beta, c.beta.p_value)], ...(s ? [["β at the earlier mix", ...rates(s.beta, s.beta.p_value)]] : [])],
        }}
      />
      {s && <Mix s={s} />}
      {d && (
        <p class="note">
          {monitor(d)} {d.trials > 0 ? evidence(d) : ""}
        </p>
      )}
      <Chart
        id="changed-rates"
        label={changed}
        draw={(width) => dots(layers, width, "failure rate of the layer", "rates")}
        when={[c]}
        table={{
          columns: [{ title: "layer" }, ...RATES, { title: "p adjusted", numeric: true }, { title: "verdict" }],
          rows: c.rates.map((l) => [l.layer, ...rates(l.rate, l.rate.p_adjusted)]),
        }}
      />
      <p class="note">
        {changed}. Open: before. Filled: after, with its interval; in another colour where the change is more than chance explains, after Benjamini–Hochberg over all changes here. Intervals of the two may overlap where the change is significant all the same: the table has the interval of the change.
      </p>
      <Table
        caption="Dependence before and after, as factors"
        data={{
          columns: [{ title: "" }, { title: "before", numeric: true }, { title: "after", numeric: true }, { title: "times", numeric: true }, { title: "interval" }, { title: "p adjusted", numeric: true }, { title: "verdict" }],
          rows: [["independence gap (β/Πp)", ...factors(c.ln_gap, "")], ...pairs.map((x) => [`odds ratio of ${x.a} × ${x.b}`, ...factors(x.ln_odds_ratio, x.half_added ? "*" : "")])],
        }}
      />
      <p class="note">
        1 before or after: they fail independently. Times: after over before.{pairs.some((x) => x.half_added) ? " * ½ added to each cell of a table because one was empty." : ""}
      </p>
      {c.false_alarms && (
        <Table
          caption="False alarms before and after"
          data={{ columns: [{ title: "" }, ...RATES, { title: "p adjusted", numeric: true }, { title: "verdict" }], rows: [["some layer stops a benign trial", ...rates(c.false_alarms, c.false_alarms.p_adjusted)]] }}
        />
      )}
      {(c.notes ?? []).map((n) => (
        <p class="note">
          <Prose text={n} />
        </p>
      ))}
    </Section>
  );
}
