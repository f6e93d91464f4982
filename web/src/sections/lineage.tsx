/** What layers with something in common go with, the tree of layers by joint failure, and layers that are one in truth. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, short, UNDER } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { number, percent, pText, valueText, whole } from "../numbers";
import type { Lineage, LineageEffect, TwinLayers } from "../results";

/** Joins up to here are drawn in another colour: at most a tenth of the other side's strength is left. */
const ONE_LAYER = 0.1;

interface Join {
  name: string;
  left: number;
  right: number;
  /** Where its two sides stand, from the top. */
  sides: [number, number];
  /** From where their lines come. */
  from: [number, number];
  at: number;
  distance: number | null;
  layers: number;
}

/** The tree laid out: leaves from top to bottom, and a join for every merge. */
function laidOut(l: Lineage): { order: number[]; joins: Join[]; top: number; unknown: boolean } {
  const n = l.leaves.length;
  const known = l.merges.map((m) => m.distance).filter((d): d is number => d != null);
  const unknown = known.length < l.merges.length;
  const most = Math.max(0, ...known);
  // A join without a distance stands beyond all others.
  const top = unknown ? Math.max(1, most) * 1.15 : Math.max(most, 0.1);
  const leaves = l.leaves.map((_, i) => [i]);
  for (const m of l.merges) leaves.push([...(leaves[m.left] ?? []), ...(leaves[m.right] ?? [])]);
  const order = n === 0 ? [] : leaves[leaves.length - 1]!;
  const place = new Map(order.map((leaf, row) => [leaf, row]));
  const node = l.leaves.map((_, i) => ({ y: place.get(i) ?? i, x: 0 }));
  const joins = l.merges.map((m, i) => {
    const [a, b] = [node[m.left]!, node[m.right]!];
    const at = Math.max(m.distance ?? top, a.x, b.x);
    node.push({ y: (a.y + b.y) / 2, x: at });
    return { name: `join ${i + 1}`, left: m.left, right: m.right, sides: [a.y, b.y] as [number, number], from: [a.x, b.x] as [number, number], at, distance: m.distance ?? null, layers: m.layers };
  });
  return { order, joins, top, unknown };
}

function verdict(w: TwinLayers): string {
  if (w.relation === "same") return w.sure ? "is the same layer" : "looks like the same layer";
  return w.sure ? "adds nothing to the first" : "seems to add nothing to the first";
}

const p = (e: LineageEffect) => ({ text: pText(e.p_adjusted), raw: e.p_adjusted ?? "" });
const coefficient = (e: LineageEffect) => ({ text: valueText(e.coefficient, number), raw: e.coefficient.value ?? "" });

function Attributes({ l }: { l: Lineage }) {
  const tested = l.attributes.filter((a) => a.refused == null);
  const refused = l.attributes.filter((a) => a.refused != null);
  return (
    <>
      {tested.length > 0 && (
        <>
          <Table
            caption="Layers that share an attribute against layers that do not"
            data={{
              columns: [{ title: "layers that share" }, { title: "layers", numeric: true }, { title: "pairs that share", numeric: true }, { title: "other pairs", numeric: true }, { title: "their tetrachoric r", numeric: true }, { title: "r of others", numeric: true }, { title: "difference", numeric: true }, { title: "p adjusted", numeric: true }, { title: "difference of ln odds ratio", numeric: true }, { title: "p adjusted", numeric: true }],
              rows: tested.map((a) => [a.attribute, cell(a.layers, whole), cell(a.sharing, whole), cell(a.others, whole), cell(a.r_sharing.value), cell(a.r_others.value), coefficient(a.tetrachoric), p(a.tetrachoric), coefficient(a.log_odds), p(a.log_odds)]),
            }}
          />
          <p class="note">
            Means over pairs. Two-sided p values by relabelling layers, {[...new Set(tested.map((a) => (a.exact ? `all ${whole(a.relabellings)} ways for ${a.layers} layers` : `${whole(a.relabellings)} at random for ${a.layers} layers`)))].join(", ")}: pairs of one layer are not independent. Adjusted by Benjamini–Hochberg over the attributes.
          </p>
        </>
      )}
      {refused.length > 0 && (
        <>
          <p class="note">Not tested:</p>
          <ul class="notes">
            {refused.map((a) => (
              <li>
                <code>{a.attribute}</code>: {(a.refused ?? "").replaceAll("`", "")}.
              </li>
            ))}
          </ul>
        </>
      )}
      {l.attributes.length === 0 && <p class="note">No attribute of any layer is known, such as its provider or base model: nothing can be said about what layers share.</p>}
    </>
  );
}

function AllTogether({ l }: { l: Lineage }) {
  const t = l.together;
  if (!t) return null;
  if (t.refused != null) return <p class="note">All attributes together: {t.refused}.</p>;
  const out = t.attributes.filter((a) => a.tetrachoric.coefficient.undefined != null);
  return (
    <>
      <Table
        caption="All attributes together: each with the others held as they are"
        data={{
          columns: [{ title: "attribute" }, { title: "difference of tetrachoric r", numeric: true }, { title: "p adjusted", numeric: true }, { title: "difference of ln odds ratio", numeric: true }, { title: "p adjusted", numeric: true }],
          rows: t.attributes.map((a) => [a.attribute, coefficient(a.tetrachoric), p(a.tetrachoric), coefficient(a.log_odds), p(a.log_odds)]),
        }}
      />
      <p class="note">
        Over {whole(t.pairs)} pairs of {whole(t.layers)} layers. The attributes explain {valueText(t.explained, percent)} of the variance of r between pairs; with every attribute that grows.
      </p>
      {out.map((a) => (
        <p class="note">{(a.tetrachoric.coefficient.undefined ?? "").replaceAll("`", "")}.</p>
      ))}
    </>
  );
}

export function LineageTree({ l, says }: { l: Lineage; says: Record<string, string> }) {
  const { order, joins, top, unknown } = laidOut(l);
  const n = l.leaves.length;
  const nearest = joins[0];
  const label = (node: number) => (node < n ? (l.leaves[node] ?? "") : `join ${node - n + 1}`);
  const draw = (width: number) => {
    const list = order.map((i) => l.leaves[i] ?? "");
    const room = names(list, width);
    const row = n > 60 ? 13 : n > 25 ? 17 : 24;
    const colour = (j: Join) => (j.distance != null && j.distance <= ONE_LAYER ? COLOUR.bad : COLOUR.observed);
    const lines = joins.flatMap((j) => [0, 1].map((side) => ({ x1: j.from[side]!, x2: j.at, y: j.sides[side]!, join: j })));
    return Plot.plot({
      ...base(width, row * n + 58),
      marginLeft: room.margin,
      x: { domain: [0, top * 1.03], label: "1 − φ/φmax: further right, failing together less", ...UNDER, grid: true, ticks: Math.max(2, Math.floor(width / 120)) },
      y: { domain: [n - 0.5, -0.5], label: null, tickSize: 0, ticks: list.map((_, i) => i), tickFormat: (i: number) => short(list[i] ?? "", room.letters) },
      marks: [
        ...(top > 1 ? [Plot.ruleX([1], { stroke: COLOUR.independent, strokeDasharray: "5 4", strokeWidth: 1.5 })] : []),
        Plot.ruleY(lines, { x1: "x1", x2: "x2", y: "y", stroke: (d: { join: Join }) => colour(d.join), strokeWidth: 2 }),
        Plot.ruleX(joins.filter((j) => j.distance != null), {
          x: "at", y1: (j: Join) => j.sides[0], y2: (j: Join) => j.sides[1], stroke: colour, strokeWidth: 2, title: (j: Join) => `${whole(j.layers)} layers: ${number(j.distance ?? 0)}`,
        }),
        Plot.ruleX(joins.filter((j) => j.distance == null), {
          x: "at", y1: (j: Join) => j.sides[0], y2: (j: Join) => j.sides[1], stroke: COLOUR.independent, strokeWidth: 2, strokeDasharray: "2 3", title: (j: Join) => `${whole(j.layers)} layers`,
        }),
      ],
    });
  };
  return (
    <Section id="lineage" title="Lineage: layers with something in common" says={says.lineage}>
      <Attributes l={l} />
      <AllTogether l={l} />
      {l.twins.length > 0 && (
        <>
          <Table
            caption="Layers of which one adds nothing, or nearly nothing, to the other"
            data={{
              columns: [{ title: "layers" }, { title: "both fail", numeric: true }, { title: "only the first", numeric: true }, { title: "only the second", numeric: true }, { title: "φ/φmax", numeric: true }, { title: "at least", numeric: true }, { title: "the second" }],
              rows: l.twins.map((w) => [`${w.a} × ${w.b}`, cell(w.both_failed, whole), cell(w.only_a_failed, whole), cell(w.only_b_failed, whole), cell(w.phi_relative.value), cell(w.at_least), verdict(w)]),
            }}
          />
          <p class="note">
            Where the first fails, at most a tenth of the second's strength is left. {l.one_layer.length > 0 ? `To be counted as one layer: ${l.one_layer.map((g) => g.join(", ")).join("; ")}.` : ""}
          </p>
        </>
      )}
      {joins.length > 0 && (
        <>
          <Chart
            id="lineage"
            label={`Tree of ${whole(n)} layers by joint failure${nearest?.distance != null ? `: ${label(nearest.left)} and ${label(nearest.right)} stand nearest` : ""}`}
            draw={draw}
            when={[l]}
            table={{
              columns: [{ title: "join" }, { title: "of" }, { title: "and" }, { title: "1 − φ/φmax", numeric: true }, { title: "layers", numeric: true }],
              rows: joins.map((j) => [j.name, label(j.left), label(j.right), cell(j.distance), cell(j.layers, whole)]),
            }}
          />
          <p class="note">
            A join stands at the mean of 1 − φ/φmax over the pairs of its two sides (average linkage): 0 where the rarer failure only happens with the other, 1 if independent{top > 1 ? " (dashed)" : ""}, above 1 if layers fail on different attacks. In another colour: joins at {number(ONE_LAYER)} or less.{unknown ? " Dotted joins have no distance: no layer of one side was observed beside one of the other." : ""}
          </p>
        </>
      )}
      {l.notes.map((n) => (
        <p class="note">{n}</p>
      ))}
    </Section>
  );
}
