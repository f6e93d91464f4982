/** Every two layers: how strongly they fail together, over all attacks and within strata. */

import { useMemo, useState } from "preact/hooks";
import { Chart } from "../chart/Chart";
import { base, names, Plot, short } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { number, percent, pText } from "../numbers";
import type { Pair } from "../results";
import { clustered } from "./cluster";

type Measure = "phi" | "tetrachoric" | "strata";

/** From −1 to 1: φ/φmax, the tetrachoric correlation, or Yule's Q of the odds ratio within strata. */
function measure(p: Pair, m: Measure): number | undefined {
  if (m === "phi") return p.phi_relative.value ?? undefined;
  if (m === "tetrachoric") return p.tetrachoric.value ?? undefined;
  const odds = p.stratified_odds_ratio?.value;
  return odds == null ? undefined : (odds - 1) / (odds + 1);
}

/** Attributes that two layers share. */
export function shared(lineage: Record<string, Record<string, string>>, a: string, b: string): string[] {
  const [x, y] = [lineage[a] ?? {}, lineage[b] ?? {}];
  return Object.keys(x).filter((key) => x[key] !== "" && x[key] === y[key] && key !== "stage");
}

export function Pairs({ list, layers, lineage, says }: { list: Pair[]; layers: string[]; lineage: Record<string, Record<string, string>>; says: string | undefined }) {
  const stratified = list.some((p) => p.stratified_odds_ratio != null);
  const [shown, show] = useState<Measure>("phi");
  const order = useMemo(() => {
    const at = new Map(layers.map((l, i) => [l, i]));
    const s = layers.map(() => new Float64Array(layers.length));
    for (const p of list) s[at.get(p.a)!]![at.get(p.b)!] = s[at.get(p.b)!]![at.get(p.a)!] = p.phi_relative.value ?? 0;
    return clustered(layers.length, (a, b) => s[a]![b]!).map((i) => layers[i]!);
  }, [list]);
  const cells = useMemo(
    () =>
      list.flatMap((p) => {
        const value = measure(p, shown);
        const one = (a: string, b: string) => ({ a, b, value, significant: (p.p_adjusted ?? 1) < 0.05, kin: shared(lineage, a, b).length > 0, pair: p });
        return [one(p.a, p.b), one(p.b, p.a)];
      }),
    [list, shown],
  );
  const anyKin = cells.some((c) => c.kin);
  const draw = (width: number) => {
    const n = names(order, width);
    const side = Math.max(5, Math.min(64, (width - n.margin - 24) / order.length));
    const labels = side >= 11;
    const height = side * order.length + (labels ? Math.min(150, n.letters * 6) : 16) + 20;
    return Plot.plot({
      ...base(Math.min(width, n.margin + 24 + side * order.length), height),
      marginLeft: n.margin,
      marginTop: 8,
      marginBottom: height - side * order.length - 8,
      padding: 0.06,
      color: { type: "diverging", domain: [-1, 1], pivot: 0, range: ["#0072b2", "#f2f2f2", "#d55e00"] },
      x: { domain: order, label: null, tickSize: 0, tickRotate: -60, ...(labels ? { tickFormat: (x: string) => short(x, n.letters) } : { ticks: [] }) },
      y: { domain: order, label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters), ...(side < 8 ? { ticks: [] } : {}) },
      marks: [
        Plot.cell(cells, { x: "a", y: "b", fill: (c) => c.value ?? NaN, title: (c) => `${c.a} × ${c.b}: ${c.value === undefined ? "undefined" : number(c.value)}` }),
        ...(side >= 34 ? [Plot.text(cells.filter((c) => c.value !== undefined), { x: "a", y: "b", text: (c) => number(c.value), fill: (c) => (c.value < -0.6 ? "#ffffff" : "#111111")})] : []),
        Plot.dot(cells.filter((c) => c.significant), { x: "a", y: "b", r: side >= 34 ? 2.5 : Math.max(1, side / 7), fill: "#111111", dy: side >= 34 ? side * 0.32 : 0 }),
        Plot.dot(cells.filter((c) => c.kin), { x: "a", y: "b", symbol: "square", r: Math.max(2, side * 0.34), stroke: "#111111", strokeWidth: 1, strokeDasharray: "2 2" }),
      ],
    });
  };
  const choice = (m: Measure, text: string) => (
    <label>
      <input type="radio" name="pair-measure" checked={shown === m} onChange={() => show(m)} /> {text}
    </label>
  );
  return (
    <Section id="pairs" title="Pairs of layers" says={says}>
      <fieldset class="choices">
        <legend>Measure</legend>
        {choice("phi", "φ/φmax, all attacks")}
        {choice("tetrachoric", "tetrachoric correlation")}
        {stratified && choice("strata", "within strata (Yule's Q)")}
      </fieldset>
      <Chart
        id="pairs"
        label={says ?? "How strongly every two layers fail together"}
        draw={draw}
        when={[shown, list]}
        table={{
          columns: [{ title: "pair" }, { title: "both fail", numeric: true }, { title: "lift", numeric: true }, { title: "φ/φmax", numeric: true }, { title: "tetrachoric", numeric: true }, { title: "odds ratio", numeric: true }, ...(stratified ? [{ title: "in strata", numeric: true }] : []), { title: "p adjusted", numeric: true }, ...(anyKin ? [{ title: "share" }] : [])],
          rows: list.map((p) => [
            `${p.a} × ${p.b}`, cell(p.p_both.value, percent), cell(p.lift.value), cell(p.phi_relative.value), cell(p.tetrachoric.value), cell(p.odds_ratio.value),
            ...(stratified ? [cell(p.stratified_odds_ratio?.value)] : []), { text: pText(p.p_adjusted), raw: p.p_adjusted ?? "" },
            ...(anyKin ? [shared(lineage, p.a, p.b).map((k) => `${k}: ${lineage[p.a]![k]}`).join("; ")] : []),
          ]),
        }}
      />
      <p class="note">
        Orange: they fail together more than independence allows; blue: less. A dot marks pairs whose dependence is significant (p adjusted &lt; 0.05){anyKin ? "; a dashed square marks layers that share an attribute such as their provider or kind" : ""}. Alike layers stand together.
      </p>
    </Section>
  );
}
