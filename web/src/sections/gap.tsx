/** From what multiplying promises to what was seen: how much of the distance known strata explain. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, rates } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell, type TableData } from "../chart/table";
import { intervalText, number, oneIn, percent, valueText } from "../numbers";
import type { Analysis, Explained, Figure } from "../results";

interface Step {
  name: string;
  from: number;
  to: number;
  colour: string;
  low?: number | null | undefined;
  high?: number | null | undefined;
}

/** The part of ln gap that is to be believed: unbiased where it exists, else corrected, else plugged in. */
export function best(e: Explained): Figure {
  return [e.unbiased, e.corrected].find((f) => f.value != null) ?? e.plug_in;
}

function steps(a: Analysis): Step[] {
  const j = a.joint.content;
  const product = j.product.value;
  const beta = j.beta.value;
  const out: Step[] = [];
  const observed: Step = {
    name: "observed",
    from: 0,
    to: beta ?? 0,
    colour: COLOUR.observed,
    low: j.beta.interval?.low,
    high: j.beta.interval?.high,
  };
  if (product == null || product <= 0) return [observed];
  out.push({ name: "if independent", from: 0, to: product, colour: COLOUR.independent });
  if (beta == null || beta <= 0) return [...out, observed];
  const causes = a.causes?.content.together;
  const baseline = a.given_baseline?.content;
  let at = product;
  const add = (name: string, nats: Figure) => {
    if (nats.value == null) return;
    const to = at * Math.exp(nats.value);
    const end = (x: number | null | undefined) => (x == null ? undefined : at * Math.exp(x));
    out.push({ name, from: at, to, colour: COLOUR.model, low: end(nats.interval?.low), high: end(nats.interval?.high) });
    at = to;
  };
  if (baseline) add(`explained by ${baseline.baseline}`, baseline.explained_nats);
  else if (causes) add(`explained by ${causes.columns.join(", ")}`, best(causes));
  out.push({ name: at === product ? "not explained" : "left over", from: at, to: beta, colour: COLOUR.bad });
  out.push(observed);
  return out;
}

export function Gap({ a, says }: { a: Analysis; says: string | undefined }) {
  const j = a.joint.content;
  const list = steps(a);
  const all = list.flatMap((s) => [s.from || undefined, s.to || undefined, s.low, s.high]);
  const floor = Math.min(...all.filter((x): x is number => x != null && x > 0)) / 2;
  const draw = (width: number) => {
    const n = names(list.map((s) => s.name), width);
    // Where nothing was seen the bar ends at the limit.
    const bars = list.map((s) => ({ ...s, x1: s.from > 0 ? s.from : floor, x2: s.to > 0 ? s.to : (s.high ?? floor) }));
    return Plot.plot({
      ...base(width, 46 * list.length + 50),
      marginLeft: n.margin,
      x: rates([...all, floor], "share of attacks that beat every layer"),
      y: { domain: list.map((s) => s.name), label: null, tickSize: 0, tickFormat: (x: string) => (x.length > n.letters ? `${x.slice(0, n.letters - 1)}…` : x) },
      marks: [
        Plot.barX(bars, { x1: "x1", x2: "x2", y: "name", fill: "colour", insetTop: 12, insetBottom: 12 }),
        Plot.ruleY(bars.filter((s) => s.low != null || s.high != null), {
          x1: (s: Step) => (s.low != null && s.low > 0 ? s.low : floor), x2: (s: Step) => s.high ?? 1, y: "name", stroke: COLOUR.text, strokeWidth: 1.5,
        }),
        Plot.text(bars, { x: (s: Step & { x1: number; x2: number }) => Math.max(s.x2, s.x1), y: "name", text: (s: Step) => (s.to > 0 ? oneIn(s.to) : s.high != null ? `none seen, ≤ ${oneIn(s.high)}` : "none seen"), dy: -16, textAnchor: "end", fill: COLOUR.text }),
      ],
    });
  };
  const row = (name: string, f: Figure, show: (x: number) => string) => [name, { text: valueText(f, show), raw: f.value ?? "" }, { text: intervalText(f.interval, show) }];
  const table: TableData = {
    columns: [{ title: "" }, { title: "value", numeric: true }, { title: "interval" }],
    rows: [
      row("rate at which all fail (β)", j.beta, percent),
      row("promised by independence (Πp)", j.product, percent),
      row("independence gap (β/Πp)", j.gap, number),
      row("dependence efficiency (η)", j.efficiency, number),
      row("effective layers", j.effective_layers, number),
      ...(a.causes ? [a.causes.content.together, ...(a.causes.content.alone ?? [])].map((e) => row(`explained by ${e.columns.join(" + ")}, nats`, best(e), number)) : []),
      ...(a.given_baseline ? [row(`explained by ${a.given_baseline.content.baseline}, nats`, a.given_baseline.content.explained_nats, number)] : []),
      ["attacks", cell(j.trials), ""],
      ["attacks that beat every layer", cell(j.all_failed), ""],
    ],
  };
  return (
    <Section id="gap" title="From the promise to what was seen" says={says}>
      <Chart id="gap" label={says ?? "Rate promised by independence, explained by strata, and observed"} draw={draw} table={table} />
    </Section>
  );
}
