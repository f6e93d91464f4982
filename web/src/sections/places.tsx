/** Where joint failures sit: each stratum's share of the attacks against its share of the joint failures. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, short, UNDER } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { intervalText, percent, pText, whole } from "../numbers";
import type { Causes } from "../results";

const SHOWN = 30;

export function Places({ causes, says }: { causes: Causes; says: string | undefined }) {
  const list = causes.places.map((p) => ({ ...p, name: `${p.column} = ${p.level}` }));
  const shown = list.filter((p) => p.share_of_joint_failures.value != null).slice(0, SHOWN);
  if (shown.length === 0) return null;
  const draw = (width: number) => {
    const n = names(shown.map((p) => p.name), width);
    return Plot.plot({
      ...base(width, 28 * shown.length + 58),
      marginLeft: n.margin,
      x: { domain: [0, 1], label: "share", ...UNDER, tickFormat: (x: number) => percent(x), grid: true, ticks: Math.max(2, Math.floor(width / 120)) },
      y: { domain: shown.map((p) => p.name), label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
      marks: [
        Plot.ruleY(shown.filter((p) => p.share_of_joint_failures.interval), {
          x1: (p) => p.share_of_joint_failures.interval.low ?? 0, x2: (p) => p.share_of_joint_failures.interval.high ?? 1, y: "name", stroke: COLOUR.observed, strokeWidth: 2, strokeOpacity: 0.4,
        }),
        Plot.dot(shown, { x: "share_of_trials", y: "name", r: 4, stroke: COLOUR.independent, strokeWidth: 2, fill: "var(--paper)" }),
        Plot.dot(shown, { x: (p) => p.share_of_joint_failures.value, y: "name", r: 5, fill: (p) => ((p.p_adjusted ?? 1) < 0.05 ? COLOUR.bad : COLOUR.observed) }),
      ],
    });
  };
  return (
    <Section id="places" title="Where joint failures sit" says={says}>
      <Chart
        id="places"
        label={says ?? "Shares of attacks and of joint failures by stratum"}
        draw={draw}
        table={{
          columns: [{ title: "stratum" }, { title: "attacks", numeric: true }, { title: "share of attacks", numeric: true }, { title: "of joint failures", numeric: true }, { title: "interval" }, { title: "β here", numeric: true }, { title: "gap here", numeric: true }, { title: "p adjusted", numeric: true }],
          rows: list.map((p) => [
            p.name, cell(p.trials, whole), cell(p.share_of_trials, percent), cell(p.share_of_joint_failures.value, percent), intervalText(p.share_of_joint_failures.interval, percent),
            cell(p.beta.value, percent), cell(p.gap.value), { text: pText(p.p_adjusted), raw: p.p_adjusted ?? "" },
          ]),
        }}
      />
      <p class="note">Open: the stratum's share of all attacks. Filled: its share of the attacks that beat every layer{list.length > SHOWN ? `; the first ${SHOWN} of ${whole(list.length)}` : ""}. In another colour where its rate differs significantly from elsewhere.</p>
    </Section>
  );
}
