/** Survival of goals: the share that no attempt has beaten yet, by the number of attempts. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, Plot, UNDER } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { intervalText, percent, whole } from "../numbers";
import type { Attempts as Tries } from "../results";

export function Attempts({ tries, says }: { tries: Tries; says: string | undefined }) {
  const points = tries.points.filter((p) => p.rate.value != null);
  if (points.length === 0) return null;
  const draw = (width: number) =>
    Plot.plot({
      ...base(width, Math.min(320, Math.max(220, width * 0.45))),
      x: { type: "log", label: "attempts on a goal", ...UNDER, tickFormat: (x: number) => whole(x), ticks: points.length > 1 ? 5 : 1, grid: true },
      y: { domain: [0, 1], label: "goals that stand", tickFormat: (x: number) => percent(x), grid: true },
      marks: [
        Plot.areaY(points.filter((p) => p.rate.interval), { x: "attempts", y1: (p) => 1 - (p.rate.interval.high ?? 1), y2: (p) => 1 - (p.rate.interval.low ?? 0), fill: COLOUR.observed, fillOpacity: 0.18 }),
        Plot.lineY(points.filter((p) => p.if_independent != null), { x: "attempts", y: (p) => 1 - p.if_independent, stroke: COLOUR.independent, strokeWidth: 2, strokeDasharray: "5 4" }),
        Plot.lineY(points, { x: "attempts", y: (p) => 1 - p.rate.value, stroke: COLOUR.observed, strokeWidth: 2.5 }),
        Plot.dot(points, { x: "attempts", y: (p) => 1 - p.rate.value, r: 5, fill: (p) => (p.extrapolated ? "var(--paper)" : COLOUR.observed), stroke: COLOUR.observed, strokeWidth: 2 }),
      ],
    });
  return (
    <Section id="attempts" title={`Survival under many tries (${tries.goal})`} says={says}>
      <Chart
        id="attempts"
        label={says ?? "Share of goals that no attempt has beaten, by attempts"}
        draw={draw}
        table={{
          columns: [{ title: "attempts", numeric: true }, { title: "some attempt beats everything", numeric: true }, { title: "interval" }, { title: "if attempts were independent", numeric: true }, { title: "standing" }],
          rows: tries.points.map((p) => [cell(p.attempts, whole), cell(p.rate.value, percent), intervalText(p.rate.interval, percent), cell(p.if_independent, percent), p.extrapolated ? "extrapolated" : "estimate"]),
        }}
      />
      <p class="note">Open dots are extrapolated beyond the attempts that were made. Dashed: as if every attempt were on a new goal.</p>
    </Section>
  );
}
