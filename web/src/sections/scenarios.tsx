/** The rate in each scenario, beside what multiplying promises there. */

import { Chart } from "../chart/Chart";
import { dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell } from "../chart/table";
import { intervalText, percent, valueText } from "../numbers";
import type { ScenarioRisk } from "../results";

export function Scenarios({ list, says }: { list: ScenarioRisk[]; says: string | undefined }) {
  const nominal = list.find((s) => s.scenario === "nominal");
  const system = list.some((s) => s.system);
  const notes = [...new Set(list.flatMap((s) => s.notes ?? []))];
  return (
    <Section id="scenarios" title="Scenarios" says={says}>
      <Chart
        id="scenarios"
        label={says ?? "Rate at which all layers fail, by scenario"}
        draw={(width) =>
          dots(
            list.filter((s) => s.beta.value != null || s.beta.interval || s.beta.identified).map((s) => ({
              name: s.scenario, figure: s.beta, beside: s.product.value, colour: s.scenario === "nominal" ? COLOUR.text : COLOUR.observed, bound: s.bound ?? false,
            })),
            width, "rate at which all layers fail", "rates", { at: nominal?.beta.value ?? 0, colour: COLOUR.text },
          )
        }
        table={{
          columns: [{ title: "scenario" }, { title: "what it stands for" }, { title: "all layers fail", numeric: true }, { title: "interval" }, { title: "product", numeric: true }, { title: "gap", numeric: true }, ...(system ? [{ title: "system fails", numeric: true }] : [])],
          rows: list.map((s) => [
            s.scenario, s.about ?? "", { text: `${s.bound && s.beta.value != null ? "≤ " : ""}${valueText(s.beta, percent)}`, raw: s.beta.value ?? "" }, intervalText(s.beta.interval, percent),
            cell(s.product.value, percent), cell(s.gap.value), ...(system ? [cell(s.system?.value, percent)] : []),
          ]),
        }}
      />
      <p class="note">Filled: the rate with its interval; a triangle is an upper bound. Open: what multiplying the layers' rates promises in the same scenario. The dashed line is the world as tested.</p>
      {notes.map((n) => <p class="note">{n}</p>)}
    </Section>
  );
}
