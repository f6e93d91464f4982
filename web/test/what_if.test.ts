/** The page's arithmetic against the program's answers, which `cargo test -p coincide-cli --test it reference` writes. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ModelLaw } from "../src/law/model";
import { ModesLaw } from "../src/law/modes";
import { OutcomesLaw } from "../src/law/outcomes";
import type { CoincideResults, Figure } from "../src/results";

interface Question {
  basis: "outcomes" | "model" | "modes";
  layers: string[];
  scenario?: string | null;
  prevalence?: Record<string, number>;
  /** Index on the grid, by layer. */
  thresholds?: Record<string, number>;
  want: Record<string, Figure>;
}

const folder = process.env.REFERENCE ?? "test/reference";
const TOLERANCE = 1e-9;

function near(got: number | null | undefined, want: number | null | undefined, where: string): void {
  if (want == null || got == null) return assert.equal(got ?? null, want ?? null, where);
  assert.ok(Math.abs(got - want) <= TOLERANCE * Math.max(1e-3, Math.abs(want)), `${where}: ${got} on the page, ${want} in the program`);
}

let asked = 0;
for (const file of readdirSync(folder).filter((f) => f.endsWith(".json"))) {
  const { document, questions } = JSON.parse(readFileSync(`${folder}/${file}`, "utf8")) as { document: CoincideResults; questions: Question[] };
  const w = document.what_if!.content;
  const analyze = document.provenance.analyze;
  const outcomes = w.outcomes && new OutcomesLaw(w.outcomes, analyze.level, analyze.exact);
  const model = w.model && new ModelLaw(w.model);
  const modes = w.modes && new ModesLaw(w.modes);
  test(`${file}: what the page computes is what the program computes`, () => {
    for (const [i, q] of questions.entries()) {
      const where = `${file} ${i} ${q.basis} ${q.layers.join("+")} ${q.scenario ?? "as tested"}`;
      const names = q.basis === "outcomes" ? w.outcomes!.layers.map((l) => l.layer) : q.basis === "model" ? w.model!.layers : w.modes!.techniques;
      const chosen = q.layers.map((l) => names.indexOf(l));
      let got: Record<string, Figure>;
      if (q.basis === "outcomes") {
        const scenario = w.outcomes!.scenarios?.find((s) => s.scenario.name === q.scenario);
        got = { ...outcomes!.recompute(chosen, w.outcomes!.layers.map((l) => l.columns[q.thresholds?.[l.layer] ?? l.used]!), scenario) };
      } else if (q.basis === "model") {
        got = { ...model!.recompute(chosen, w.model!.scenarios?.find((s) => s.name === q.scenario)) };
      } else {
        const moved = new Map(Object.entries(q.prevalence ?? {}).map(([m, p]) => [w.modes!.modes.indexOf(m), p]));
        got = { ...modes!.recompute(chosen, moved, w.modes!.scenarios?.find((s) => s.name === q.scenario)) };
      }
      for (const [name, want] of Object.entries(q.want)) {
        near(got[name]?.value, want.value, `${where}: ${name}`);
        // Without clusters the program draws other trials for other sets of layers, and a single layer's gap is 1 by definition.
        const drawn = want.interval?.method === "bootstrap-percentile" && (w.outcomes?.clusters ?? []).length === 0;
        if (!drawn && want.interval) {
          near(got[name]?.interval?.low, want.interval.low, `${where}: low end of ${name}`);
          near(got[name]?.interval?.high, want.interval.high, `${where}: high end of ${name}`);
        }
      }
      asked += 1;
    }
  });
}

test("enough was asked", () => assert.ok(asked >= 100, `${asked} questions`));
