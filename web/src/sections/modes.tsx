/** The failure-mode map, and what each mode contributes to the joint failure of a portfolio. */

import { useState } from "preact/hooks";
import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, short, UNDER } from "../chart/plot";
import { dots } from "../chart/dots";
import { Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { intervalText, number, percent, valueText } from "../numbers";
import type { MapReport, ModeReport } from "../results";
import { clustered } from "./cluster";

const VERDICTS = { vulnerable: "vulnerable", not_vulnerable: "not vulnerable", uncertain: "uncertain" } as const;
const HEX = { vulnerable: "#d55e00", uncertain: "#e8c36a", not_vulnerable: "#7fb5d5" } as const;
const LETTER = { vulnerable: "V", uncertain: "?", not_vulnerable: "–" } as const;

export function FailureMap({ report, says }: { report: MapReport; says: string | undefined }) {
  const { techniques, modes } = report.map;
  const cells = report.map.cells.filter((c) => c != null);
  const rank = { vulnerable: 1, uncertain: 0.5, not_vulnerable: 0 };
  const of = (t: string, m: string) => cells.find((c) => c.technique === t && c.mode === m);
  const near = (a: string, b: string) => -modes.reduce((sum, m) => sum + Math.abs(rank[of(a, m)?.verdict ?? "uncertain"] - rank[of(b, m)?.verdict ?? "uncertain"]), 0);
  const order = clustered(techniques.length, (a, b) => near(techniques[a]!.name, techniques[b]!.name)).map((i) => techniques[i]!.name);
  const columns = report.reach.map((r) => r.mode).filter((m) => modes.includes(m));
  const draw = (width: number) => {
    const n = names(order, width);
    const side = Math.min(72, (width - n.margin - 24) / columns.length);
    const wide = Math.min(width, n.margin + 24 + side * columns.length);
    const labels = Math.min(110, 7 * Math.max(...columns.map((m) => Math.min(18, m.length))));
    const height = 34 * order.length + labels + 16;
    return Plot.plot({
      ...base(wide, height),
      marginLeft: n.margin, marginTop: 6, marginBottom: labels + 10, padding: 0.05,
      x: { domain: columns, label: null, tickSize: 0, tickRotate: -45, tickFormat: (x: string) => short(x, 18) },
      y: { domain: order, label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
      marks: [
        Plot.cell(cells, { x: "mode", y: "technique", fill: (c) => HEX[c.verdict as keyof typeof HEX], title: (c) => `${c.technique}, ${c.mode}: ${VERDICTS[c.verdict as keyof typeof VERDICTS]}` }),
        Plot.text(cells, { x: "mode", y: "technique", text: (c) => LETTER[c.verdict as keyof typeof LETTER], fill: "#111111", fontWeight: "bold" }),
      ],
    });
  };
  return (
    <Section id="map" title="Failure-mode map" says={says}>
      <Chart
        id="map"
        label={says ?? "Which failure modes defeat which techniques"}
        draw={draw}
        table={{ columns: [{ title: "technique" }, ...columns.map((title) => ({ title }))], rows: order.map((t) => [t, ...columns.map((m) => { const v = of(t, m)?.verdict; return v ? VERDICTS[v] : "–"; })]) }}
      />
      <p class="note">V: the mode defeats the technique. ?: uncertain. –: it does not. Techniques with like verdicts stand together; modes that defeat most stand first.</p>
      <details>
        <summary>Every two techniques</summary>
        <Table
          caption="Modes that defeat both techniques"
          data={{
            columns: [{ title: "pair" }, { title: "shared modes" }, { title: "perhaps shared" }, { title: "overlap", numeric: true }],
            rows: report.pairs.map((p) => [p.techniques.join(" × "), p.shared.join(", ") || "none", p.perhaps_shared.join(", ") || "none", cell(p.jaccard)]),
          }}
        />
      </details>
    </Section>
  );
}

export function Modes({ report, says }: { report: ModeReport; says: string | undefined }) {
  const nominal = report.portfolios.filter((p) => p.scenario === "nominal");
  const [name, choose] = useState(nominal[nominal.length - 1]?.portfolio ?? "");
  const chosen = nominal.find((p) => p.portfolio === name) ?? nominal[0];
  const shares = chosen?.shares ?? [];
  return (
    <Section id="modes" title="Portfolios of techniques" says={says}>
      <Chart
        id="portfolios"
        label="Rate at which all techniques of each portfolio fail, beside the product of their rates"
        draw={(width) => dots(nominal.map((p) => ({ name: p.portfolio, figure: p.beta, beside: p.product.value })), width, "all techniques fail", "rates")}
        table={{
          columns: [{ title: "portfolio" }, { title: "scenario" }, { title: "techniques" }, { title: "all fail", numeric: true }, { title: "interval" }, { title: "expected", numeric: true }, { title: "product", numeric: true }, { title: "gap", numeric: true }, { title: "effective layers", numeric: true }],
          rows: report.portfolios.map((p) => [
            p.portfolio, p.scenario, p.techniques.join(", "), { text: `${p.bound ? "≤ " : ""}${valueText(p.beta, percent)}`, raw: p.beta.value ?? "" }, intervalText(p.beta.interval, percent), cell(p.expected, percent), cell(p.product.value, percent), cell(p.gap.value), cell(p.effective_layers.value),
          ]),
        }}
      />
      <p class="note">Filled: median and interval over {number(report.draws)} draws of everything that is believed. Open: the product of the techniques' rates.</p>
      {shares.length > 0 && (
        <>
          <label class="choice">
            What each failure mode contributes to{" "}
            <select value={name} onChange={(e) => choose(e.currentTarget.value)}>
              {nominal.filter((p) => p.shares?.length).map((p) => <option>{p.portfolio}</option>)}
            </select>
          </label>
          <Chart
            id="shares"
            label={`Shares of the failure modes in the gap of ${name}: most has ${shares[0]!.mode}`}
            when={[name]}
            draw={(width) => {
              const n = names(shares.map((s) => s.mode), width);
              return Plot.plot({
                ...base(width, 26 * shares.length + 56),
                marginLeft: n.margin,
                x: { label: "share of ln gap (nats)", ...UNDER, grid: true, tickFormat: (x: number) => number(x), ticks: Math.max(3, Math.floor(width / 120)) },
                y: { domain: shares.map((s) => s.mode), label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
                marks: [
                  Plot.ruleX([0], { stroke: COLOUR.faint }),
                  Plot.barX(shares, { x: (s) => s.shapley.value ?? 0, y: "mode", fill: COLOUR.model, insetTop: 3, insetBottom: 3 }),
                  Plot.ruleY(shares.filter((s) => s.shapley.interval), { x1: (s) => s.shapley.interval.low, x2: (s) => s.shapley.interval.high, y: "mode", stroke: COLOUR.text }),
                ],
              });
            }}
            table={{
              columns: [{ title: "mode" }, { title: "share, nats", numeric: true }, { title: "interval" }, { title: "rate falls by, if it never occurred", numeric: true }],
              rows: shares.map((s) => [s.mode, cell(s.shapley.value), intervalText(s.shapley.interval, number), cell(s.removal.value, percent)]),
            }}
          />
        </>
      )}
      {(report.roadmap?.length ?? 0) > 0 && (
        <details>
          <summary>What to build next</summary>
          <Table
            caption="One technique more"
            data={{
              columns: [{ title: "to portfolio" }, { title: "scenario" }, { title: "technique" }, { title: "ln rate falls by", numeric: true }, { title: "promised by its rate", numeric: true }, { title: "P(best choice)", numeric: true }],
              rows: report.roadmap!.map((c) => [c.portfolio, c.scenario, c.technique, cell(c.reduction.value), cell(c.promised), cell(c.best, percent)]),
            }}
          />
        </details>
      )}
      {(report.audits?.length ?? 0) > 0 && (
        <details>
          <summary>What passed audits are worth</summary>
          <Table
            caption="Probability that the system is bad after its audits passed"
            data={{
              columns: [{ title: "audit" }, { title: "scenario" }, { title: "before", numeric: true }, { title: "after, jointly", numeric: true }, { title: "interval" }, { title: "if audits were independent", numeric: true }],
              rows: report.audits!.map((a) => [a.name, a.scenario, cell(a.prior.value, percent), cell(a.joint.value, percent), intervalText(a.joint.interval, percent), cell(a.audits_independent.value, percent)]),
            }}
          />
        </details>
      )}
    </Section>
  );
}
