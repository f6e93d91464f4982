/** The data: each layer by itself, why outcomes are missing, false alarms, what the reader inferred; and how to compute everything again. */

import { Chart } from "../chart/Chart";
import { dots } from "../chart/dots";
import { base, COLOUR, names, Plot, rates, short, UNDER } from "../chart/plot";
import { Prose, Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { intervalText, percent, valueText, whole } from "../numbers";
import type { Analysis, FalseAlarms } from "../results";
import type { Results } from "../document";

export function Alarms({ alarms, says }: { alarms: FalseAlarms; says: string | undefined }) {
  const list = [...alarms.layers.map((l) => ({ name: l.layer, figure: l.rate })), { name: "any layer", figure: alarms.any, beside: alarms.independent.value, colour: COLOUR.bad }];
  return (
    <Section id="alarms" title="False alarms on benign traffic" says={says}>
      <Chart
        id="alarms"
        label={says ?? "Share of benign trials that each layer stopped"}
        draw={(width) => dots(list, width, "benign trials stopped", "rates")}
        table={{
          columns: [{ title: "layer" }, { title: "benign trials", numeric: true }, { title: "stopped", numeric: true }, { title: "interval" }],
          rows: [...alarms.layers.map((l) => [l.layer, cell(l.trials, whole), cell(l.rate.value, percent), intervalText(l.rate.interval, percent)]), ["any layer", cell(alarms.trials, whole), cell(alarms.any.value, percent), intervalText(alarms.any.interval, percent)], ["any, if independent", "", cell(alarms.independent.value, percent), ""]],
        }}
      />
    </Section>
  );
}

export function Layers({ a, says }: { a: Analysis; says: string | undefined }) {
  const list = a.layers.content;
  return (
    <Section id="layers" title="Each layer" says={says}>
      <Chart
        id="layers"
        label={says ?? "Failure rate of each layer"}
        draw={(width) => {
          const n = names(list.map((l) => l.layer), width);
          const at = (l: (typeof list)[0]) => l.rate.value ?? NaN;
          const all = list.flatMap((l) => [l.rate.value, l.rate.interval?.low, l.rate.interval?.high]);
          const scale = rates(all, "failure rate");
          const floor = (scale.domain as number[])[0]!;
          return Plot.plot({
            ...base(width, (list.length > 25 ? 15 : 28) * list.length + 56),
            marginLeft: n.margin,
            x: scale,
            y: { domain: list.map((l) => l.layer), label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
            marks: [
              Plot.ruleY(list.filter((l) => l.rate.interval), { x1: (l) => Math.max(l.rate.interval.low ?? 0, floor), x2: (l) => l.rate.interval.high ?? 1, y: "layer", stroke: COLOUR.observed, strokeOpacity: 0.5, strokeWidth: 2 }),
              Plot.dot(list, { x: (l) => Math.max(at(l), floor), y: "layer", r: 5, fill: COLOUR.observed }),
            ],
          });
        }}
        table={{
          columns: [{ title: "layer" }, { title: "attacks", numeric: true }, { title: "failed", numeric: true }, { title: "failure rate", numeric: true }, { title: "interval" }],
          rows: list.map((l) => [l.layer, cell(l.trials, whole), cell(l.failed, whole), { text: valueText(l.rate, percent), raw: l.rate.value ?? "" }, intervalText(l.rate.interval, percent)]),
        }}
      />
    </Section>
  );
}

export function DataQuality({ a, r, says }: { a: Analysis; r: Results; says: string | undefined }) {
  const d = a.data.content;
  const missing = a.layers.content.flatMap((l) => (l.missing ?? []).map((m) => ({ layer: l.layer, ...m })));
  const layers = [...new Set(missing.map((m) => m.layer))];
  const reasons = [...new Set(missing.map((m) => m.reason))];
  const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#f0e442"];
  return (
    <Section id="data" title="What was read" says={says}>
      <p>
        {whole(d.attack_trials)} attacks{d.benign_trials > 0 ? ` and ${whole(d.benign_trials)} benign trials` : ""} in {whole(d.cells)} distinct rows; {whole(d.layers.length)} layers.{" "}
        {d.strata.map((s) => `Stratum ${s.column} has ${whole(s.levels)} levels. `)}
        {d.clusters.map((c) => `${c.column} groups trials into ${whole(c.levels)} clusters. `)}
        {d.weighted ? "Trials are weighted." : ""}
      </p>
      {missing.length > 0 && (
        <>
          <Chart
            id="missing"
            label={`Attacks without an outcome, by layer and reason: ${reasons.join(", ")}`}
            draw={(width) => {
              const n = names(layers, width);
              return Plot.plot({
                ...base(width, (layers.length > 25 ? 15 : 26) * layers.length + 56),
                marginLeft: n.margin,
                x: { label: "attacks without an outcome", ...UNDER, grid: true, tickFormat: (x: number) => whole(x), ticks: Math.max(3, Math.floor(width / 130)) },
                y: { domain: layers, label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
                marks: [Plot.barX(missing, Plot.stackX({ x: "trials", y: "layer", fill: (m) => colours[reasons.indexOf(m.reason) % colours.length]!, title: (m) => `${m.layer}: ${whole(m.trials)} ${m.reason}` }))],
              });
            }}
            table={{ columns: [{ title: "layer" }, { title: "reason" }, { title: "attacks", numeric: true }], rows: missing.map((m) => [m.layer, m.reason, cell(m.trials, whole)]) }}
          />
          <p class="legend">{reasons.map((x, i) => <span><svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill={colours[i % colours.length]} /></svg> {x} </span>)}</p>
        </>
      )}
      {r.notes.length > 0 && <ul class="notes">{r.notes.map((n) => <li><Prose text={n} /></li>)}</ul>}
    </Section>
  );
}

export function Provenance({ r }: { r: Results }) {
  const p = r.provenance;
  const record = r.campaign && !r.analysis;
  return (
    <Section id="provenance" title="How to compute it again">
      <Table
        caption="Inputs"
        data={{ columns: [{ title: "input" }, { title: "bytes", numeric: true }, { title: "SHA-256" }], rows: p.inputs.map((i) => [i.path, cell(i.bytes, whole), i.sha256]) }}
      />
      <p>
        Coincide {r.coincide}
        {record ? "." : `, seed ${p.analyze.seed}, ${whole(p.analyze.replicates)} bootstrap replicates, ${percent(p.analyze.level)} intervals.`} {record ? "This is the record of a run; its outcomes can be analysed and verified." : (
          <>Save the document with the button above: <code>coincide verify results.json</code> computes it again from these inputs and says where anything differs.</>
        )}
      </p>
      <details>
        <summary>Everything that was asked</summary>
        <pre tabIndex={0}>{JSON.stringify({ ask: p.ask, read: p.read, analyze: p.analyze, fit: p.fit }, null, 1)}</pre>
      </details>
    </Section>
  );
}
