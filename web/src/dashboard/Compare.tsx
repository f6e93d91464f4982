/** Two results documents side by side. */

import { Chart } from "../chart/Chart";
import { dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Prose, Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import type { Results } from "../document";
import { intervalText, number, percent, type Show, valueText } from "../numbers";
import type { Figure } from "../results";

interface Line {
  name: string;
  of: (r: Results) => Figure | undefined;
  show: Show;
}

const LINES: Line[] = [
  { name: "all layers fail (β)", of: (r) => r.analysis?.joint.content.beta, show: percent },
  { name: "promised by independence", of: (r) => r.analysis?.joint.content.product, show: percent },
  { name: "independence gap", of: (r) => r.analysis?.joint.content.gap, show: number },
  { name: "effective layers", of: (r) => r.analysis?.joint.content.effective_layers, show: number },
  { name: "variance ratio", of: (r) => r.analysis?.together?.content.variance_ratio, show: number },
  { name: "some layer stops a benign trial", of: (r) => r.analysis?.false_alarms?.content.any, show: percent },
];

function text(f: Figure | undefined, show: Show): string {
  return f ? `${valueText(f, show)}${f.interval ? ` (${intervalText(f.interval, show)})` : ""}` : "–";
}

export function Compare({ a, b, names }: { a: Results; b: Results; names: [string, string] }) {
  const layers = [...new Set([a, b].flatMap((r) => r.analysis?.layers.content.map((l) => l.layer) ?? []))];
  const rate = (r: Results, layer: string) => r.analysis?.layers.content.find((l) => l.layer === layer)?.rate;
  const worth = (r: Results, layer: string) => r.analysis?.contributions.content.find((c) => c.name === layer)?.worth;
  const times = (x: Figure | undefined, y: Figure | undefined) => (x?.value && y?.value ? cell(y.value / x.value) : "–");
  const betas = ([[names[0], a], [names[1], b]] as [string, Results][]).flatMap(([name, r], i) => {
    const beta = r.analysis?.joint.content.beta;
    return beta ? [{ name, figure: beta, beside: r.analysis!.joint.content.product.value, colour: i === 0 ? COLOUR.observed : COLOUR.model }] : [];
  });
  const rows = layers.flatMap((l) => {
    const one = (r: Results, name: string, colour: string) => (rate(r, l)?.value != null ? [{ name: `${l} · ${name}`, figure: rate(r, l)!, colour }] : []);
    return [...one(a, names[0], COLOUR.observed), ...one(b, names[1], COLOUR.model)];
  });
  return (
    <main>
      <h1>Side by side</h1>
      <div class="beside">
        {([a, b] as const).map((r, i) => (
          <div>
            <h2>{names[i]}</h2>
            <p>{r.provenance.inputs.map((x) => x.path.split("/").pop()).join(", ")}</p>
            {[...(r.campaign_answer ?? []), ...r.answer].slice(0, 3).map((s) => <p><Prose text={s} /></p>)}
          </div>
        ))}
      </div>
      <Section id="compare" title="Headline figures">
        {betas.length > 0 && (
          <Chart
            id="compare" label="Rate at which all layers fail in both documents" draw={(width) => dots(betas, width, "rate at which all layers fail", "rates")}
            table={{ columns: [{ title: "document" }, { title: "β", numeric: true }, { title: "interval" }], rows: betas.map((d) => [d.name, cell(d.figure.value, percent), intervalText(d.figure.interval, percent)]) }}
          />
        )}
        <Table
          caption="Figures with their intervals"
          data={{
            columns: [{ title: "" }, { title: names[0] }, { title: names[1] }, { title: "second over first", numeric: true }],
            rows: LINES.filter((l) => l.of(a) || l.of(b)).map((l) => [l.name, text(l.of(a), l.show), text(l.of(b), l.show), times(l.of(a), l.of(b))]),
          }}
        />
      </Section>
      {layers.length > 0 && (
        <Section id="compare-layers" title="Each layer">
          <Chart
            id="compare-layers" label="Failure rate of each layer in both documents" draw={(width) => dots(rows, width, "failure rate", "rates")}
            table={{
              columns: [{ title: "layer" }, { title: `rate, ${names[0]}` }, { title: `rate, ${names[1]}` }, { title: `worth, ${names[0]}` }, { title: `worth, ${names[1]}` }],
              rows: layers.map((l) => [l, text(rate(a, l), percent), text(rate(b, l), percent), text(worth(a, l), number), text(worth(b, l), number)]),
            }}
          />
        </Section>
      )}
    </main>
  );
}
