/** What each layer adds: what its own failure rate promises against what it brings on top of the others. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, short, UNDER } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { intervalText, number, percent, rangeText, valueText } from "../numbers";
import type { Contribution } from "../results";

export function Worth({ id, title, list, says }: { id: string; title: string; list: Contribution[]; says: string | undefined }) {
  const known = list.filter((c) => c.worth.value != null);
  const order = [...known].sort((a, b) => b.worth.value! - a.worth.value!);
  const high = Math.max(1.5, ...known.map((c) => c.worth.value!), ...known.map((c) => Math.min(4, c.worth.interval?.high ?? 4)));
  const low = Math.min(0, ...known.map((c) => c.worth.value!), ...known.map((c) => Math.max(-1, c.worth.interval?.low ?? -1)));
  const draw = (width: number) => {
    const n = names(order.map((c) => c.name), width);
    const inside = (x: number | null | undefined, open: number) => Math.min(high, Math.max(low, x ?? open));
    return Plot.plot({
      ...base(width, (order.length > 20 ? 16 : 30) * order.length + 60),
      marginLeft: n.margin,
      x: { domain: [low, high], label: "worth: 0 no benefit detected, 1 what its rate promises", ...UNDER, grid: true, tickFormat: (x: number) => number(x), ticks: Math.max(3, Math.floor(width / 110)) },
      y: { domain: order.map((c) => c.name), label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
      marks: [
        Plot.ruleX([0], { stroke: COLOUR.faint }),
        Plot.ruleX([1], { stroke: COLOUR.independent, strokeDasharray: "5 4", strokeWidth: 2 }),
        Plot.ruleY(order.filter((c) => c.worth.interval), { x1: (c) => inside(c.worth.interval.low, low), x2: (c) => inside(c.worth.interval.high, high), y: "name", stroke: COLOUR.observed, strokeWidth: 2, strokeOpacity: 0.5 }),
        Plot.dot(order, { x: () => 1, y: "name", r: 4, stroke: COLOUR.independent, strokeWidth: 2, fill: "var(--paper)" }),
        Plot.dot(order, { x: (c) => c.worth.value, y: "name", r: 5, fill: COLOUR.observed }),
      ],
    });
  };
  return (
    <Section id={id} title={title} says={says}>
      {order.length > 0 && (
        <Chart
          id={id}
          label={says ?? "What each layer adds to all the others"}
          draw={draw}
          table={{
            columns: [{ title: "layer" }, { title: "others all fail", numeric: true }, { title: "then it too", numeric: true }, { title: "worth", numeric: true }, { title: "interval" }, { title: "Shapley share", numeric: true }],
            rows: list.map((c) => [
              c.members?.length ? `${c.name} (${c.members.join(", ")})` : c.name,
              cell(c.beta_without.value, percent), cell(c.conditional.value, percent),
              { text: valueText(c.worth, number), raw: c.worth.value ?? "" },
              c.worth.identified ? rangeText(c.worth.identified, number) : intervalText(c.worth.interval, number),
              cell(c.shapley?.value),
            ]),
          }}
        />
      )}
      <p class="note">Filled: realised worth with its interval. Open, on the dashed line: what the layer's own failure rate promises. Worth depends on the set: of two duplicates both score 0, so never drop two layers on two single worths.</p>
    </Section>
  );
}
