/** Which layers fail together, and how often: an UpSet plot (Lex et al. 2014) of joint failures. */

import { useMemo } from "preact/hooks";
import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, short } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import type { OutcomesLaw } from "../law/outcomes";
import { percent, whole } from "../numbers";

const SHOWN = 30;

export function Patterns({ law, says }: { law: OutcomesLaw; says: string | undefined }) {
  const layers = law.basis.layers.map((l) => l.layer);
  const all = useMemo(() => law.patternCounts(law.basis.layers.map((l) => l.columns[l.used]!)), [law]);
  const trials = all.reduce((a, p) => a + p.trials, 0);
  const joint = all.map((p) => ({ ...p, members: layers.filter((_, i) => p.failed[i]) })).filter((p) => p.members.length >= 2);
  if (joint.length === 0) return null;
  const shown = joint.slice(0, SHOWN).map((p, i) => ({ ...p, i: String(i) }));
  const used = layers.filter((l) => shown.some((p) => p.members.includes(l)));
  const draw = (width: number) => {
    const n = names(used, width);
    const room = Math.max(4, Math.floor((width - n.margin - 24) / 16));
    const list = shown.slice(0, room);
    const row = used.length > 20 ? 14 : 22;
    const top = 150;
    const x = { domain: list.map((p) => p.i), label: null, ticks: [], padding: 0.25 };
    const cells = list.flatMap((p) => used.map((l) => ({ i: p.i, l, on: p.members.includes(l) })));
    const lines = list.map((p) => {
      const at = p.members.map((m) => used.indexOf(m));
      return { i: p.i, from: used[Math.min(...at)]!, to: used[Math.max(...at)]! };
    });
    const full = (i: string) => (shown[Number(i)]!.members.length === layers.length ? COLOUR.bad : COLOUR.observed);
    const bars = Plot.plot({
      ...base(width, top),
      marginLeft: n.margin, marginBottom: 4, x, y: { label: "attacks", grid: true, ticks: 4, tickFormat: (v: number) => whole(v), insetTop: 14 },
      marks: [
        Plot.barY(list, { x: "i", y: "trials", fill: (p) => full(p.i), title: (p) => `${p.members.join(", ")}: ${whole(p.trials)}` }),
        ...(width / list.length > 34 ? [Plot.text(list, { x: "i", y: "trials", text: (p) => whole(p.trials), dy: -7, fill: COLOUR.text })] : []),
      ],
    });
    const matrix = Plot.plot({
      ...base(width, row * used.length + 12),
      marginLeft: n.margin, marginTop: 4, marginBottom: 6, x, y: { domain: used, label: null, tickSize: 0, tickFormat: (l: string) => short(l, n.letters), padding: 0.1 },
      marks: [
        Plot.dot(cells.filter((c) => !c.on), { x: "i", y: "l", r: row / 5.5, fill: COLOUR.faint, fillOpacity: 0.45 }),
        Plot.link(lines, { x1: "i", x2: "i", y1: "from", y2: "to", stroke: (p) => full(p.i), strokeWidth: 2 }),
        Plot.dot(cells.filter((c) => c.on), { x: "i", y: "l", r: row / 4.2, fill: (c) => full(c.i) }),
      ],
    });
    // One drawing out of two, so that it can be copied whole.
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const height = top + row * used.length + 12;
    svg.setAttribute("class", "plot");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", String(width));
    svg.setAttribute("height", String(height));
    matrix.setAttribute("y", String(top));
    svg.append(bars, matrix);
    return svg;
  };
  return (
    <Section id="patterns" title="Which layers fail together" says={says}>
      <Chart
        id="patterns"
        label={says ?? "Attacks by the set of layers that they beat"}
        draw={draw}
        when={[law]}
        table={{
          columns: [{ title: "layers that failed" }, { title: "attacks", numeric: true }, { title: "share", numeric: true }],
          rows: all.map((p) => [layers.filter((_, i) => p.failed[i]).join(", ") || "none", cell(p.trials, whole), cell(p.trials / trials, percent)]),
        }}
      />
      <p class="note">
        Each column is a set of two or more layers that failed on the same attacks and no other did; most frequent first{joint.length > SHOWN ? `, the first ${SHOWN} of ${whole(joint.length)}` : ""}. The set of all layers is in another colour.
      </p>
    </Section>
  );
}
