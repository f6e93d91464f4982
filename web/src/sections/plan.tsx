/** Where to test next: new trials by stratum, what each step would bring, and what a budget can show about a claim. */

import { Chart } from "../chart/Chart";
import { base, COLOUR, names, Plot, short, UNDER } from "../chart/plot";
import { Prose, Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { localised, number, percent, valueText, whole } from "../numbers";
import type { ClaimPlan, Plan, PlannedAction, PlannedStratum } from "../results";

const SHOWN = 30;

function what(a: PlannedAction): string {
  const place = a.stratum == null ? "" : ` of ${a.stratum}`;
  if (a.kind === "run-layers") return `run ${(a.layers ?? []).join(", ")} on ${whole(a.many)} open trials${place}`;
  if (a.kind === "check-verdicts") return `check ${whole(a.many)} joint failures by hand`;
  return `${whole(a.many)} new trials${place}`;
}

/** A probability, never rounded to certainty. */
function chance(p: number): string {
  if (p > 0.995) return `more than ${percent(0.99)}`;
  if (p < 0.005) return `less than ${percent(0.01)}`;
  return percent(Math.round(100 * p) / 100);
}

/** A factor near 1 with as many digits as tell it from 1. */
const close = (x: number) => (x < 2 ? localised(x.toFixed(2)) : number(x));

const needed = (n: number | null | undefined) => (n == null ? "no number would" : whole(n));

function claimText(c: ClaimPlan): string {
  const claim = c.support.claim;
  const layers = claim.layers ?? [];
  return `β${layers.length ? `(${layers.join(", ")})` : ""} ≤ ${number(claim.at_most)} at ${percent(claim.confidence)}`;
}

function Claim({ c }: { c: ClaimPlan }) {
  return (
    <Table
      caption={`What ${whole(c.trials)} trials in proportion to the shares can show`}
      data={{
        columns: [{ title: "about the claim" }, { title: claimText(c), numeric: true }],
        rows: [
          ["verdict now", c.support.verdict],
          ["further trials needed without a joint failure", needed(c.without_failure)],
          ["further trials needed if they go on as before", needed(c.at_this_rate)],
          ["joint failures allowed among the budget's trials", c.failures_allowed == null ? "not even none is enough" : whole(c.failures_allowed)],
          ["chance of support, by what is known about β", chance(c.chance)],
          ["chance if β is half the bound", chance(c.chance_at_half)],
          ["chance if β is a tenth of the bound", chance(c.chance_at_tenth)],
        ],
      }}
    />
  );
}

export function NextTests({ p, says }: { p: Plan; says: Record<string, string> }) {
  const order = [...p.strata].sort((a, b) => b.new_trials - a.new_trials || b.share - a.share);
  const shown = order.slice(0, SHOWN);
  const column = (p.columns ?? []).join(" / ") || "stratum";
  const factor = (f: Plan["interval_factor_now"]) => valueText(f, close);
  const draw = (width: number) => {
    const n = names(shown.map((s) => s.name), width);
    return Plot.plot({
      ...base(width, 28 * shown.length + 58),
      marginLeft: n.margin,
      x: { label: "new trials (bar), in proportion to the shares (line)", ...UNDER, grid: true, tickFormat: (x: number) => whole(x), ticks: Math.max(2, Math.floor(width / 120)) },
      y: { domain: shown.map((s) => s.name), label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
      marks: [
        Plot.barX(shown, { x: "new_trials", y: "name", fill: COLOUR.observed, insetTop: 3, insetBottom: 3 }),
        Plot.tickX(shown, { x: (s: PlannedStratum) => s.share * p.new_trials, y: "name", stroke: COLOUR.independent, strokeWidth: 3 }),
        Plot.ruleX([0], { stroke: COLOUR.faint }),
      ],
    });
  };
  return (
    <Section id="plan" title="Where to test next" says={says.plan}>
      <Chart
        id="plan"
        label={says.plan ?? "New trials by stratum"}
        draw={draw}
        table={{
          columns: [{ title: column }, { title: "share", numeric: true }, { title: "cost of a trial", numeric: true }, { title: "trials so far", numeric: true }, { title: "joint failures", numeric: true }, { title: "β taken to be", numeric: true }, { title: "new trials", numeric: true }, ...p.batches.map((_, i) => ({ title: `batch ${i + 1}`, numeric: true }))],
          rows: order.map((s) => [s.name, cell(s.share, percent), cell(s.cost), cell(s.trials, whole), cell(s.joint_failures, whole), cell(s.beta, percent), cell(s.new_trials, whole), ...s.batches.map((b) => cell(b, whole))]),
        }}
      />
      <p class="note">
        {p.interval_factor_now.value == null
          ? `No interval to narrow: ${p.interval_factor_now.undefined ?? "undefined"}.`
          : `β is known to within a factor of ${factor(p.interval_factor_now)}; after these trials ${factor(p.interval_factor_planned)} is to be expected, and ${factor(p.interval_factor_proportional)} after as much spent in proportion to the shares.`}
        {order.length > SHOWN ? ` The chart shows the first ${SHOWN} of ${whole(order.length)} strata.` : ""}
      </p>
      {(p.notes ?? []).map((n) => (
        <p class="note">
          <Prose text={n} />
        </p>
      ))}
      {p.actions.length > 0 && (
        <Table
          caption="What each step would bring, as far as one batch's money goes"
          data={{
            columns: [{ title: "step" }, { title: "cost", numeric: true }, { title: "Var ln β falls by", numeric: true }, { title: "per unit of cost", numeric: true }],
            rows: p.actions.map((a) => [what(a), cell(a.cost), cell(a.reduction), cell(a.per_cost)]),
          }}
        />
      )}
      {p.claim && <Claim c={p.claim} />}
    </Section>
  );
}
