/** An adaptive search: how many queries each layer, and all of them together, withstood one attacker. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, Plot, UNDER } from "../chart/plot";
import { cell, Table } from "../chart/table";
import { intervalText, percent, whole } from "../numbers";
import { watched } from "./watch";
import type { AdaptiveRecord, Conversations, Figure, SearchedCell, Survival, Watched } from "../results";

export function Adaptive({ search, planned }: { search: AdaptiveRecord; planned: Watched }) {
  const curves: [name: string, first: number | null, curve: Survival][] = [
    ...(search.stack ? [["all layers", null, search.stack] as [string, null, Survival]] : []),
    ...search.layers.flatMap((l) => (l.survival ? [[l.layer, l.first, l.survival] as [string, number, Survival]] : [])),
  ];
  const points = curves.flatMap(([name, , c]) => c.points.map((p) => ({ name, tries: p.tries, at_risk: p.at_risk, beaten: p.beaten.value ?? 0, low: p.beaten.interval?.low ?? 0, high: p.beaten.interval?.high ?? 1, interval: p.beaten.interval })));
  const stack = points.filter((p) => p.name === "all layers");
  const single = points.filter((p) => p.name !== "all layers");
  const mean = (name: string) => {
    const own = points.filter((p) => p.name === name);
    return own.reduce((sum, p) => sum + p.beaten, 0) / Math.max(1, own.length);
  };
  // Names stand at the curves' ends, in the order in which the curves lie, and apart where they would meet.
  let above = Infinity;
  const names = curves
    .map(([name]) => ({ ...points.filter((p) => p.name === name).slice(-1)[0]!, name }))
    .filter((p) => p.tries !== undefined)
    .sort((a, b) => b.beaten - a.beaten || mean(b.name) - mean(a.name))
    .map((p) => ({ ...p, at: (above = Math.min(p.beaten, above - 0.07)) }));
  const label = `Share of goals on which ${search.search} had beaten every layer, and each, by queries on a goal`;
  return (
    <>
      <h3>Adaptive search: {search.search}</h3>
      <StaticAndAdaptive search={search} planned={planned} />
      <Chart
        id="adaptive"
        label={label}
        draw={(width) =>
          Plot.plot({
            ...base(width, Math.min(340, Math.max(240, width * 0.45))),
            marginRight: width > 500 ? 130 : 20,
            x: { type: "log", label: "queries on a goal", ...UNDER, tickFormat: (x: number) => whole(x), ticks: 5, grid: true },
            y: { domain: [0, 1], label: "goals on which it was beaten", tickFormat: (x: number) => percent(x), grid: true },
            marks: [
              Plot.areaY(stack, { x: "tries", y1: "low", y2: "high", fill: COLOUR.observed, fillOpacity: 0.18 }),
              Plot.lineY(single, { x: "tries", y: "beaten", z: "name", stroke: COLOUR.text, strokeOpacity: 0.55, strokeWidth: 1.5 }),
              Plot.lineY(stack, { x: "tries", y: "beaten", stroke: COLOUR.observed, strokeWidth: 2.5 }),
              Plot.dot(stack, { x: "tries", y: "beaten", r: 4, fill: COLOUR.observed }),
              ...(width > 500 ? [Plot.text(names, { x: "tries", y: "at", text: "name", textAnchor: "start", dx: 8, fill: (p) => (p.name === "all layers" ? COLOUR.observed : COLOUR.text) })] : []),
            ],
          })
        }
        table={{
          columns: [{ title: "beaten" }, { title: "queries", numeric: true }, { title: "goals tried so often", numeric: true }, { title: "share beaten", numeric: true }, { title: "interval" }],
          rows: points.map((p) => [p.name, cell(p.tries, whole), cell(p.at_risk, whole), cell(p.beaten, percent), intervalText(p.interval, percent)]),
        }}
      />
      <p class="note">The bold line is all layers together, with its 95% interval over goals; a goal that was never beaten counts as cut off at its last query. It is about other goals under this one search; another seed may lie outside.</p>
      <Table
        caption="How long layers withstood it"
        data={{
          columns: [{ title: "beaten" }, { title: "first to fail, on goals", numeric: true }, { title: "goals", numeric: true }, { title: "half fell within", numeric: true }],
          rows: curves.map(([name, first, c]) => [name, cell(first, whole), cell(c.failed, whole), cell(c.median.value, whole)]),
        }}
      />
      {(search.transfer ?? []).length > 0 && (
        <Table
          caption="Of the queries that beat the layer of a row, the share that also beat the layer of a column"
          data={{
            columns: [{ title: "beaten" }, { title: "queries", numeric: true }, ...(search.transfer ?? []).map((t) => ({ title: t.layer, numeric: true }))],
            rows: (search.transfer ?? []).map((t) => [t.layer, cell(t.queries, whole), ...t.also.map((n) => cell(t.queries ? n / t.queries : null, percent))]),
          }}
        />
      )}
      {(search.map ?? []).length > 1 && <ArchiveMap cells={search.map ?? []} layers={search.layers.length} />}
      {search.conversations && <Spoken said={search.conversations} turns={search.search === "crescendo"} />}
      {(search.sequences ?? []).length > 0 && (
        <Table
          caption="Sequences of operators that beat every layer"
          data={{
            columns: [{ title: "sequence" }, { title: "goals beaten", numeric: true }, { title: "queries", numeric: true }],
            rows: (search.sequences ?? []).map((s) => [s.operator, cell(s.goals, whole), cell(s.queries, whole)]),
          }}
        />
      )}
    </>
  );
}

/** What planned trials say beside what an attacker who learns finds. */
function StaticAndAdaptive({ search, planned }: { search: AdaptiveRecord; planned: Watched }) {
  const figure = (name: string, f: Figure, of: string) => [name, cell(f.value, percent), intervalText(f.interval, percent), of];
  const last = search.stack?.points.slice(-1)[0];
  const i = search.importance;
  const w = search.watched;
  return (
    <>
      <Table
        caption="How often everything failed, before and during the search"
        data={{
          columns: [{ title: "" }, { title: "estimate", numeric: true }, { title: "interval" }, { title: "out of", numeric: true }],
          rows: [
            ...(planned.trials > 0 ? [figure("planned trials, before the search", watched(planned), `${whole(planned.trials)} attacks`)] : []),
            ...(i ? [figure("under the profile, by importance sampling", i.rate, `${whole(i.draws)} queries`), figure("under the profile, its plain draws alone", i.plain_rate, `${whole(i.plain)} queries`)] : []),
            ...(last ? [figure(`some query on a goal, within ${whole(last.tries)}`, last.beaten, `${whole(search.goals)} goals`)] : []),
            ...(w ? [figure("queries of the search", watched(w), `${whole(w.queries)} queries`)] : []),
          ],
        }}
      />
      <p class="note">Planned trials, and importance sampling, give a rate under a fixed profile. The share of goals says what an attacker reaches who may try again. The share of the search's queries is the mean of a rate that moved while it learnt; its interval holds at every moment of the run, for that running mean only.</p>
    </>
  );
}

/** How deep in its conversations a search whose prompts a model wrote got through. */
function Spoken({ said, turns }: { said: Conversations; turns: boolean }) {
  const lost = [
    [said.unreadable, "had no prompt in them"],
    [said.off_topic, "were not sent because the prompt had lost its goal"],
    [said.taken_back, "were refused or stopped, and taken back"],
  ] as const;
  const words = lost.filter(([n]) => n > 0).map(([n, what]) => `${whole(n)} ${what}`);
  return (
    <>
      <Table
        caption="Queries by how far into a conversation they were made"
        data={{
          columns: [{ title: turns ? "turn" : "prompt in a row" }, { title: "queries", numeric: true }, { title: "beat everything", numeric: true }, { title: "goals that fell here first", numeric: true }],
          rows: said.depths.map((d) => [cell(d.depth, whole), cell(d.queries, whole), cell(d.beat_all, whole), cell(d.first, whole)]),
        }}
      />
      <p class="note">The attacker's model gave {whole(said.replies)} replies{words.length > 0 ? `: ${words.join(", ")}` : ""}.</p>
    </>
  );
}

/** What was tried where: family by outermost operator, darker where more layers were beaten. */
function ArchiveMap({ cells, layers }: { cells: SearchedCell[]; layers: number }) {
  const named = cells.map((c) => ({ ...c, family: c.family || "all prompts" }));
  const operators = [...new Set(named.map((c) => c.operator))].sort((a, b) => far(b) - far(a) || a.localeCompare(b));
  function far(operator: string) {
    return Math.max(...named.filter((c) => c.operator === operator).map((c) => c.farthest + Math.min(1, c.beat_all)));
  }
  const families = [...new Set(named.map((c) => c.family))];
  return (
    <>
      <Chart
        id="archive"
        label="Most layers beaten by one query, by family and outermost operator"
        draw={(width) =>
          Plot.plot({
            ...base(width, 60 + 18 * operators.length),
            marginLeft: 150,
            marginBottom: 60,
            x: { domain: families, label: null, tickRotate: families.length > 4 ? -30 : 0 },
            y: { domain: operators, label: null },
            opacity: { domain: [0, layers], range: [0, 0.5] },
            marks: [
              Plot.cell(named, { x: "family", y: "operator", fill: COLOUR.observed, fillOpacity: "farthest", inset: 0.5, stroke: COLOUR.text, strokeOpacity: 0.15 }),
              Plot.text(named, { x: "family", y: "operator", text: (c: SearchedCell) => (c.beat_all > 0 ? whole(c.beat_all) : ""), fill: COLOUR.text }),
            ],
          })
        }
        table={{
          columns: [{ title: "family" }, { title: "outermost operator" }, { title: "queries", numeric: true }, { title: "beat everything", numeric: true }, { title: "most layers beaten", numeric: true }],
          rows: named.map((c) => [c.family, c.operator, cell(c.queries, whole), cell(c.beat_all, whole), cell(c.farthest, whole)]),
        }}
      />
      <p class="note">Darker: more layers were beaten by one query. The number: queries that beat every layer. Without a frame: nothing was tried there.</p>
    </>
  );
}
