/** How a campaign's rate settled: the estimate and the interval that may be watched, by attacks finished. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, Plot, rates, UNDER } from "../chart/plot";
import { cell } from "../chart/table";
import { percent, whole } from "../numbers";
import type { Watched, WatchedPoint } from "../results";

/** Watched limits as a figure. */
export const watched = (w: Pick<Watched, "estimate" | "low" | "high" | "confidence">) => ({
  ...(w.estimate == null ? {} : { value: w.estimate }),
  interval: { low: w.low, high: w.high, level: w.confidence, method: "anytime-valid" as const },
});

export function History({ points }: { points: WatchedPoint[] }) {
  const last = points[points.length - 1];
  if (!last || points.length < 2) return null;
  const all = points.flatMap((p) => [p.estimate, p.low, p.high]);
  const floor = Math.min(...all.filter((x) => x > 0));
  return (
    <Chart
      id="watch"
      label={`The rate after ${whole(last.trials)} attacks lies between ${percent(last.low)} and ${percent(last.high)}`}
      when={[points.length, last.trials]}
      draw={(width) =>
        Plot.plot({
          ...base(width, Math.min(320, Math.max(220, width * 0.42))),
          x: { type: "log", label: "attacks finished", ...UNDER, grid: true, tickFormat: (x: number) => whole(x), ticks: 5 },
          y: { ...rates(all, "attacks that beat every layer"), labelAnchor: "top", labelOffset: undefined },
          marks: [
            Plot.areaY(points, { x: "trials", y1: (p) => Math.max(p.low, floor), y2: "high", fill: COLOUR.observed, fillOpacity: 0.18 }),
            Plot.lineY(points.filter((p) => p.estimate > 0), { x: "trials", y: "estimate", stroke: COLOUR.observed, strokeWidth: 2.5 }),
          ],
        })
      }
      table={{
        columns: [{ title: "attacks", numeric: true }, { title: "rate", numeric: true }, { title: "low", numeric: true }, { title: "high", numeric: true }],
        rows: points.map((p) => [cell(p.trials, whole), cell(p.estimate, percent), cell(p.low, percent), cell(p.high, percent)]),
      }}
    />
  );
}
