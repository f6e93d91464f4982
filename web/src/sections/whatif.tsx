/** What would change: layers switched off, scenarios chosen, prevalences and thresholds moved; rates are worked out in the page. */

import { useMemo, useState } from "preact/hooks";
import { Section } from "../chart/Section";
import type { Recomputed } from "../law/figures";
import type { ModelLaw } from "../law/model";
import type { ModesLaw } from "../law/modes";
import type { OutcomesLaw } from "../law/outcomes";
import { intervalText, number, oneIn, percent, valueText, whole } from "../numbers";

/** What the page can compute. */
export interface Laws {
  outcomes?: OutcomesLaw | undefined;
  model?: ModelLaw | undefined;
  modes?: ModesLaw | undefined;
}

function Switches({ names, on, change }: { names: string[]; on: boolean[]; change: (on: boolean[]) => void }) {
  const set = (i: number) => change(on.map((x, j) => (i === j ? !x : x)));
  return (
    <fieldset class="switches">
      <legend>
        In place{" "}
        <button type="button" onClick={() => change(on.map(() => true))}>
          all
        </button>
      </legend>
      {names.map((n, i) => (
        <label>
          <input type="checkbox" checked={on[i]} onChange={() => set(i)} /> {n}
        </label>
      ))}
    </fieldset>
  );
}

function Scenarios({ names, value, change }: { names: string[]; value: string; change: (name: string) => void }) {
  if (names.length === 0) return null;
  return (
    <label class="choice">
      Scenario{" "}
      <select value={value} onChange={(e) => change(e.currentTarget.value)}>
        <option value="">as tested</option>
        {names.map((n) => (
          <option value={n}>{n}</option>
        ))}
      </select>
    </label>
  );
}

function Result({ id, got, usual, none }: { id: string; got: Recomputed | undefined; usual: Recomputed | undefined; none: string }) {
  if (!got) return <p class="result" id={id} aria-live="polite">{none}</p>;
  const line = (name: string, key: keyof Recomputed, show: (x: number) => string) => {
    const f = got[key];
    if (!f) return null;
    const before = usual?.[key]?.value;
    return (
      <div>
        <dt>{name}</dt>
        <dd data-figure={key} data-value={f.value ?? ""} data-low={f.interval?.low ?? ""} data-high={f.interval?.high ?? ""}>
          <strong>{valueText(f, show)}</strong>
          <span>{f.interval ? intervalText(f.interval, show) : ""}</span>
          {before != null && f.value != null && before !== f.value && <em>{f.value > before ? "▲" : "▼"} from {show(before)}</em>}
          {f.value == null && f.undefined && <span>{f.undefined}</span>}
        </dd>
      </div>
    );
  };
  return (
    <dl class="result" id={id} aria-live="polite">
      {line("all of them fail", "beta", (x) => (x > 0 && x < 0.5 ? `${percent(x)} (${oneIn(x)})` : percent(x)))}
      {line("mean over the draws", "expected", (x) => (x > 0 && x < 0.5 ? `${percent(x)} (${oneIn(x)})` : percent(x)))}
      {line("multiplying promises", "product", percent)}
      {line("independence gap", "gap", number)}
      {line("effective layers", "effective_layers", number)}
    </dl>
  );
}

export function LayersWhatIf({ laws, trials }: { laws: Laws; trials: number }) {
  const { outcomes, model } = laws;
  const names = outcomes ? outcomes.basis.layers.map((l) => l.layer) : model!.basis.layers;
  const [on, switchOn] = useState(names.map(() => true));
  const [basis, setBasis] = useState<"outcomes" | "model">(outcomes ? "outcomes" : "model");
  const [scenario, setScenario] = useState("");
  const usual = outcomes?.basis.layers.map((l) => l.used) ?? [];
  const [at, setAt] = useState(usual);
  const chosen = names.map((_, i) => i).filter((i) => on[i]);
  const scenarios = basis === "outcomes" ? (outcomes!.basis.scenarios ?? []).map((s) => s.scenario.name) : (model!.basis.scenarios ?? []).map((s) => s.name);
  const compute = (chosen: number[], scenario: string, at: number[]): Recomputed | undefined => {
    if (chosen.length === 0) return undefined;
    if (basis === "model") return model!.recompute(chosen, model!.basis.scenarios?.find((s) => s.name === scenario));
    const columns = outcomes!.basis.layers.map((l, i) => l.columns[at[i]!]!);
    return outcomes!.recompute(chosen, columns, outcomes!.basis.scenarios?.find((s) => s.scenario.name === scenario));
  };
  const got = useMemo(() => compute(chosen, scenario, at), [on, scenario, basis, at]);
  const usualRates = useMemo(() => compute(names.map((_, i) => i), "", usual), [basis]);
  const inside = useMemo(() => outcomes?.rows.n.reduce((a, b) => a + b, 0) ?? 0, [outcomes]);
  const dropped = Math.max(0, Math.round(trials - inside));
  const scored = outcomes?.basis.layers.map((l, i) => ({ ...l, i })).filter((l) => l.columns.length > 1) ?? [];
  return (
    <Section id="what-if" title="What if" says="Switch layers off, choose a scenario or move a threshold: the figures below are worked out here, from the data in this file.">
      <div class="panel">
        <div>
          {outcomes && model && (
            <fieldset class="choices">
              <legend>From</legend>
              <label>
                <input type="radio" name="basis" checked={basis === "outcomes"} onChange={() => (setBasis("outcomes"), setScenario(""))} /> recorded outcomes
              </label>
              <label>
                <input type="radio" name="basis" checked={basis === "model"} onChange={() => (setBasis("model"), setScenario(""))} /> the model “{model.basis.model}”
              </label>
            </fieldset>
          )}
          <Switches names={names} on={on} change={switchOn} />
          <Scenarios names={scenarios} value={scenario} change={setScenario} />
          {basis === "outcomes" &&
            scored.map((l) => (
              <label class="slider">
                Threshold of {l.layer}: <output>{number(l.thresholds![at[l.i]!]!)}</output>
                <input
                  type="range" min={0} max={l.columns.length - 1} step={1} value={at[l.i]} aria-valuetext={number(l.thresholds![at[l.i]!]!)}
                  onInput={(e) => { const to = Number(e.currentTarget.value); setAt(at.map((x, j) => (j === l.i ? to : x))); }}
                />
              </label>
            ))}
        </div>
        <Result id="what-if-result" got={got} usual={usualRates} none="No layer is in place: everything gets through." />
      </div>
      {basis === "model" && (
        <p class="note">
          Medians and central intervals over {whole(model!.draws)} {model!.basis.of > 0 ? `of ${whole(model!.basis.of)} ` : ""}posterior draws.{model!.basis.assumption ? ` ${model!.basis.assumption}.` : ""}
        </p>
      )}
      {basis === "outcomes" && (
        <p class="note">
          {dropped > 0
            ? `On the ${whole(inside)} of ${whole(inside + dropped)} attacks on which every layer has an outcome; coincide analyze --layers uses those on which the chosen layers have one.`
            : <>The same estimates and intervals as <code>coincide analyze --layers</code> gives for the layers in place{outcomes!.basis.replicates > 0 ? `, from ${whole(outcomes!.basis.replicates)} bootstrap replicates` : ""}.</>}
        </p>
      )}
    </Section>
  );
}

export function ModesWhatIf({ law }: { law: ModesLaw }) {
  const { techniques, modes } = law.basis;
  const usual = useMemo(() => law.usual(), [law]);
  const [on, switchOn] = useState(techniques.map(() => true));
  const [scenario, setScenario] = useState("");
  const [moved, move] = useState<Map<number, number>>(new Map());
  const chosen = techniques.map((_, i) => i).filter((i) => on[i]);
  const chosenScenario = law.basis.scenarios?.find((s) => s.name === scenario);
  const got = useMemo(() => (chosen.length ? law.recompute(chosen, moved, chosenScenario) : undefined), [on, scenario, moved]);
  const believed = useMemo(() => law.recompute(techniques.map((_, i) => i), new Map()), [law]);
  const fixed = (j: number) => chosenScenario?.prevalence?.[modes[j]!];
  // The slider is logarithmic: from 0.1% to everything, its left end is never.
  const toSlider = (q: number) => (q <= 0.001 ? 0 : 1 + Math.log10(q) / 3);
  const fromSlider = (x: number) => (x <= 0 ? 0 : 10 ** (3 * (x - 1)));
  return (
    <Section id="modes-what-if" title="What if failure modes were rarer or more common" says="Move a mode's prevalence, choose a scenario or leave techniques out: rates follow at once, over all draws of what is believed.">
      <div class="panel">
        <div>
          <Switches names={techniques} on={on} change={switchOn} />
          <Scenarios names={(law.basis.scenarios ?? []).map((s) => s.name)} value={scenario} change={setScenario} />
          <fieldset class="sliders">
            <legend>
              Prevalence{" "}
              <button type="button" onClick={() => move(new Map())}>
                as believed
              </button>
            </legend>
            {modes.map((m, j) => {
              const q = fixed(j) ?? moved.get(j) ?? usual[j]!;
              return (
                <label class="slider">
                  {m}: <output>{percent(q)}{moved.has(j) || fixed(j) != null ? "" : " (median)"}</output>
                  <input
                    type="range" min={0} max={1} step={0.005} value={toSlider(q)} disabled={fixed(j) != null} aria-valuetext={percent(q)}
                    onInput={(e) => move(new Map(moved).set(j, fromSlider(Number(e.currentTarget.value))))}
                  />
                </label>
              );
            })}
          </fieldset>
        </div>
        <Result id="modes-result" got={got} usual={believed} none="No technique is in place: everything gets through." />
      </div>
      <p class="note">Medians and central intervals over {whole(law.basis.draws)} of {whole(law.basis.of)} draws.</p>
    </Section>
  );
}
