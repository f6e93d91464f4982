/** How the rate falls with every further layer: observed, by the best model, and if layers were independent. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, Plot, rates, UNDER } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { intervalText, percent } from "../numbers";
import type { Analysis, Figure, Fit } from "../results";

/** The best model's figure for sets of m layers. */
function modelled(fit: Fit | undefined, a: Analysis): (m: number) => Figure | undefined {
  const model = fit?.models.find((m) => m.model === fit.best);
  const k = a.layers.content.length;
  return (m) => {
    if (!model) return undefined;
    if (m === k) return model.beta;
    return model.estimates.find((e) => e.what === `sets of ${m} layers all fail`)?.figure;
  };
}

export function Curve({ a, fit, says }: { a: Analysis; fit: Fit | undefined; says: string | undefined }) {
  const of = modelled(fit, a);
  const points = a.curve.content.map((p) => ({ m: p.layers, seen: p.rate, independent: p.independent, model: of(p.layers) }));
  const known = points.filter((p) => (p.seen.value ?? 0) > 0);
  const all = points.flatMap((p) => [p.seen.value, p.seen.interval?.low, p.seen.interval?.high, p.independent, p.model?.value]);
  const floor = Math.min(...all.filter((x): x is number => x != null && x > 0));
  const band = (f: (p: (typeof points)[0]) => Figure | undefined) =>
    points.filter((p) => f(p)?.interval).map((p) => ({ m: p.m, low: Math.max(f(p)!.interval!.low ?? 0, floor / 2), high: f(p)!.interval!.high ?? 1 }));
  const seen = band((p) => p.seen);
  const model = band((p) => p.model);
  const draw = (width: number) => {
    const middle = points.filter((p) => p.independent > 0)[Math.floor(points.length * 0.55)];
    return Plot.plot({
      ...base(width, Math.min(360, Math.max(240, width * 0.5))),
      x: { label: "layers that all fail", ...UNDER, ticks: points.length <= 20 ? points.map((p) => p.m) : 10, tickFormat: (x: number) => String(x), inset: 10 },
      y: { ...rates(all, "share of attacks"), labelAnchor: "top", labelOffset: undefined },
      marks: [
        Plot.areaY(model, { x: "m", y1: "low", y2: "high", fill: COLOUR.model, fillOpacity: 0.15 }),
        Plot.areaY(seen, { x: "m", y1: "low", y2: "high", fill: COLOUR.observed, fillOpacity: 0.18 }),
        Plot.lineY(points.filter((p) => p.independent > 0), { x: "m", y: "independent", stroke: COLOUR.independent, strokeWidth: 2, strokeDasharray: "5 4" }),
        Plot.lineY(points.filter((p) => (p.model?.value ?? 0) > 0), { x: "m", y: (p) => p.model.value, stroke: COLOUR.model, strokeWidth: 2, strokeDasharray: "2 3" }),
        Plot.lineY(known, { x: "m", y: (p) => p.seen.value, stroke: COLOUR.observed, strokeWidth: 2.5 }),
        Plot.dot(known, { x: "m", y: (p) => p.seen.value, fill: COLOUR.observed, r: points.length > 30 ? 2 : 4 }),
        Plot.text(known.slice(-1), { x: "m", y: (p) => p.seen.value, text: () => "observed", dy: -12, textAnchor: "end", fill: COLOUR.observed, fontWeight: "bold" }),
        Plot.text(middle ? [middle] : [], { x: "m", y: "independent", text: () => "if independent", dx: -6, dy: 14, textAnchor: "end", fill: COLOUR.text }),
      ],
    });
  };
  return (
    <Section id="curve" title="Co-failure curve" says={says}>
      <Chart
        id="curve"
        label={says ?? "Rate at which sets of layers all fail, by their number"}
        draw={draw}
        table={{
          columns: [{ title: "layers", numeric: true }, { title: "all of them fail", numeric: true }, { title: "interval" }, ...(model.length ? [{ title: `by ${fit!.best}`, numeric: true }, { title: "its interval" }] : []), { title: "if independent", numeric: true }],
          rows: points.map((p) => [
            cell(p.m, String), cell(p.seen.value, percent), intervalText(p.seen.interval, percent),
            ...(model.length ? [cell(p.model?.value, percent), intervalText(p.model?.interval, percent)] : []),
            cell(p.independent, percent),
          ]),
        }}
      />
      {model.length > 0 && <p class="note">Dotted, with the second band: the model <code>{fit!.best}</code>, which predicts unseen attacks best.</p>}
    </Section>
  );
}
