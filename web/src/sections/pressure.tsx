/** The worst rate when attacks differ from those tested, with marks for attackers who pick the best of n tries. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, Plot, rates, UNDER } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { intervalText, number, percent, whole } from "../numbers";
import type { Pressure as Curve } from "../results";

export function Pressure({ curve, says }: { curve: Curve; says: string | undefined }) {
  const points = curve.points;
  const smooth = points.filter((p) => p.best_of == null);
  const marks = points.filter((p) => p.best_of != null);
  const known = smooth.filter((p) => (p.worst.value ?? 0) > 0);
  const all = points.flatMap((p) => [p.worst.value, p.worst.interval?.low, p.worst.interval?.high, p.product, p.confined]);
  const floor = Math.min(...all.filter((x): x is number => x != null && x > 0));
  const draw = (width: number) =>
    Plot.plot({
      ...base(width, Math.min(360, Math.max(240, width * 0.5))),
      x: { label: "divergence from the tested attacks (nats)", ...UNDER, grid: true, tickFormat: (x: number) => number(x) },
      y: { ...rates(all, "worst rate"), labelAnchor: "top", labelOffset: undefined },
      marks: [
        Plot.areaY(smooth.filter((p) => p.worst.interval), { x: "radius", y1: (p) => Math.max(p.worst.interval.low ?? 0, floor), y2: (p) => p.worst.interval.high ?? 1, fill: COLOUR.observed, fillOpacity: 0.18 }),
        Plot.lineY(smooth.filter((p) => p.product != null), { x: "radius", y: "product", stroke: COLOUR.independent, strokeDasharray: "5 4", strokeWidth: 2 }),
        Plot.lineY(smooth.filter((p) => p.confined != null), { x: "radius", y: "confined", stroke: COLOUR.model, strokeDasharray: "2 3", strokeWidth: 2 }),
        Plot.lineY(known, { x: "radius", y: (p) => p.worst.value, stroke: COLOUR.observed, strokeWidth: 2.5 }),
        Plot.dot(known, { x: "radius", y: (p) => p.worst.value, fill: COLOUR.observed, r: 3 }),
        Plot.dot(marks, { x: "radius", y: (p) => p.worst.value ?? p.worst.interval?.high ?? NaN, symbol: "diamond", fill: COLOUR.bad, r: 6 }),
        Plot.text(marks, { x: "radius", y: (p) => p.worst.value ?? p.worst.interval?.high ?? NaN, text: (p) => `best of ${whole(p.best_of)}`, dy: 14, dx: 4, textAnchor: "start", fill: COLOUR.text }),
      ],
    });
  return (
    <Section id="pressure" title="Pressure: when attacks differ from those tested" says={says}>
      <Chart
        id="pressure"
        label={says ?? "Worst rate over attack distributions within a divergence of the tested one"}
        draw={draw}
        table={{
          columns: [{ title: "divergence (nats)", numeric: true }, { title: "" }, { title: "all layers fail", numeric: true }, { title: "from the interval's ends" }, { title: "from the product", numeric: true }, { title: "only strata shift", numeric: true }],
          rows: points.map((p) => [cell(p.radius), p.best_of == null ? "" : `best of ${whole(p.best_of)}`, cell(p.worst.value, percent), intervalText(p.worst.interval, percent), cell(p.product, percent), cell(p.confined, percent)]),
        }}
      />
      <p class="note">
        The worst rate over all attack distributions within that Kullback–Leibler divergence of the tested one. Dashed: starting from the product of the rates.
        {curve.regimes?.length ? ` Dotted: the shift can only change how often each level of ${curve.regimes.join(", ")} occurs.` : ""}
      </p>
    </Section>
  );
}

