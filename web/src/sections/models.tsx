/** Whether models reproduce what was seen, and what each says the rate is. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { intervalText, number, percent, pText, whole } from "../numbers";
import type { Fit } from "../results";

export function Models({ fit, says }: { fit: Fit; says: string | undefined }) {
  const usable = fit.models.filter((m) => m.beta.value != null);
  const list: Dot[] = [
    { name: "without a model", figure: fit.assumption_free, colour: COLOUR.text },
    ...usable.map((m) => ({ name: m.model, figure: m.beta, colour: m.admissible ? COLOUR.model : COLOUR.independent })),
    ...(fit.stacked ? [{ name: "stacked average", figure: fit.stacked, colour: COLOUR.good }] : []),
  ];
  const checks = fit.models.flatMap((m) => (m.checks ?? []).map((c) => ({ model: m.model, ...c }))).sort((a, b) => a.p_value - b.p_value).slice(0, 40);
  const seen = fit.assumption_free.value ?? 0;
  return (
    <Section id="models" title="Models, and whether they hold up" says={says}>
      <Chart
        id="models"
        label={says ?? "Rate at which all layers fail, by model"}
        draw={(width) => dots(list, width, "rate at which all layers fail", "rates", { at: seen, colour: COLOUR.text })}
        table={{
          columns: [{ title: "model" }, { title: "holds up" }, { title: "all layers fail", numeric: true }, { title: "interval" }, { title: "joint failures seen", numeric: true }, { title: "predicted", numeric: true }, { title: "P(at least as many)", numeric: true }, { title: "P(at most)", numeric: true }, { title: "held-out score behind", numeric: true }, { title: "weight", numeric: true }],
          rows: fit.models.map((m) => [
            m.model, m.failed ? `could not be fitted: ${m.failed}` : m.admissible ? "yes" : m.tail && !m.tail.reproduced ? "no: tail missed" : "no: search or chains", cell(m.beta.value, percent), intervalText(m.beta.interval, percent),
            cell(m.tail?.observed, whole), cell(m.tail?.predicted), cell(m.tail?.at_least), cell(m.tail?.at_most), cell(m.held_out?.behind), cell(m.weight),
          ]),
        }}
      />
      <p class="note">Grey models do not hold up: they miss the joint failures that were seen, or were not found or sampled well. The dashed line is the observed rate.{fit.not_identified ? ` ${fit.not_identified}.` : ""}</p>
      {checks.length > 0 && (
        <details>
          <summary>Predictive checks</summary>
          <Table
            caption="What each model predicts against what was seen, worst first"
            data={{
              columns: [{ title: "model" }, { title: "what" }, { title: "seen", numeric: true }, { title: "predicted", numeric: true }, { title: "p", numeric: true }],
              rows: checks.map((c) => [c.model, c.what, cell(c.observed, number), cell(c.predicted, number), { text: pText(c.p_value), raw: c.p_value }]),
            }}
          />
        </details>
      )}
    </Section>
  );
}
