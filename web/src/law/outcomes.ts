/**
 * Rates of any set of layers from recorded outcomes, with the intervals that `coincide analyze` gives for that set: Korn–Graubard or exact for β, cluster bootstrap
 * for gap and effective layers; in a scenario, linearised ones. The Rust code is `analyze.rs`, `estimate.rs` and `scenario.rs`.
 */

import type { ChosenScenario, Figure, Interval, OutcomesBasis } from "../results";
import { figure, interval, NO_GAP, type Recomputed } from "./figures";
import { unpack } from "./packed";
import { estimate, intervalOf, linearised, meanOf, type Rows } from "./proportion";
import { applyChanges, boundOf, changesAmong, isBound, isPlain } from "./scenario";
import { normalCdf, normalQuantile, studentQuantile } from "./special";

const NO_FAILURE = "no trial beat every layer; only a bound can be given";

/** What every bootstrap replicate holds: its weight, and the weight of each column's failures. */
interface Replicates {
  count: number;
  total: Float64Array;
  column: Float64Array;
}

export class OutcomesLaw {
  readonly rows: Rows;
  readonly columns: number;
  private readonly patterns: number;
  /** 1 where a pattern's column failed. */
  private readonly failed: Uint8Array;
  private readonly pattern: Float64Array;
  private readonly drawn: Float64Array[];
  private replicates?: Replicates;

  constructor(
    readonly basis: OutcomesBasis,
    readonly level: number,
    readonly exact: string,
  ) {
    this.columns = basis.layers.reduce((a, l) => a + l.columns.length, 0);
    const bytes = Math.ceil(this.columns / 8);
    const bits = unpack(basis.patterns);
    this.patterns = bits.length / bytes;
    this.failed = new Uint8Array(this.patterns * this.columns);
    for (let p = 0; p < this.patterns; p++)
      for (let c = 0; c < this.columns; c++) this.failed[p * this.columns + c] = (bits[p * bytes + (c >> 3)]! >> (c & 7)) & 1;
    this.pattern = unpack(basis.pattern);
    const n = unpack(basis.trials);
    const clusters = (basis.clusters ?? []).map(unpack);
    this.drawn = (basis.drawn ?? []).map(unpack);
    const sizes = clusters.map((c, f) => (this.drawn[f] ? this.drawn[f]!.length / basis.replicates : c.reduce((a, b) => Math.max(a, b), 0) + 1));
    this.rows = {
      count: n.length,
      n,
      w: basis.weight ? unpack(basis.weight) : n,
      w2: basis.squared_weight ? unpack(basis.squared_weight) : n,
      weighted: basis.weight != null,
      clusters,
      sizes,
    };
  }

  /** Weight of each distinct pattern of failure of these columns (trials where all weights are 1), heaviest first. */
  patternCounts(columns: number[]): { failed: boolean[]; trials: number }[] {
    const counts = new Map<string, { failed: boolean[]; trials: number }>();
    const keys = Array.from({ length: this.patterns }, (_, p) => columns.map((c) => this.failed[p * this.columns + c]).join(""));
    for (let r = 0; r < this.rows.count; r++) {
      const key = keys[this.pattern[r]!]!;
      const entry = counts.get(key);
      if (entry) entry.trials += this.rows.w[r]!;
      else counts.set(key, { failed: [...key].map((x) => x === "1"), trials: this.rows.w[r]! });
    }
    return [...counts.values()].sort((a, b) => b.trials - a.trials || a.failed.join().localeCompare(b.failed.join()));
  }

  /** β, gap and effective layers of the chosen layers; `column`: where each layer's outcomes are read. */
  recompute(chosen: number[], column: number[], scenario?: ChosenScenario): Recomputed {
    const names = this.basis.layers.map((l) => l.layer);
    const changes = changesAmong(scenario?.scenario, names, chosen);
    const plain = isPlain(changes);
    // A scenario that does nothing to the chosen layers leaves the world as it was tested.
    const s = plain && !scenario?.factor && !isBound(scenario?.scenario) ? undefined : scenario?.scenario;
    const rows = scenario?.factor ? this.weighted(unpack(scenario.factor)) : this.rows;
    // What happens depends on the pattern alone.
    const all = new Float64Array(this.patterns);
    const each = chosen.map(() => new Float64Array(this.patterns));
    for (let p = 0; p < this.patterns; p++) {
      const start = chosen.map((i) => this.failed[p * this.columns + column[i]!]!);
      const add = (share: number, q: number[]) => {
        let product = share;
        for (let i = 0; i < q.length; i++) {
          product *= q[i]!;
          each[i]![p]! += share * q[i]!;
        }
        all[p]! += product;
      };
      if (plain) add(1, start);
      else applyChanges(changes, start, add);
    }
    const of = (values: Float64Array) => meanOf(rows, (r) => values[this.pattern[r]!]!);
    const joint = of(all);
    const b = estimate(joint);
    const ends = intervalOf(rows, joint, this.level, this.exact, plain ? "never falls" : "plain");
    const rates = each.map(of);
    const p = rates.map(estimate);
    const lnProduct = p.reduce((a, x) => a + Math.log(x), 0);
    const product = figure(Math.exp(lnProduct), "");
    if (s && isBound(s)) {
      const bounded = { ...ends, low: boundOf(s, ends.low ?? 0), high: boundOf(s, ends.high ?? 1) };
      const beta: Figure =
        b > 0 ? figure(boundOf(s, b), "", bounded) : { undefined: "no joint failure was seen: only the upper end of the interval can be moved", interval: bounded };
      return { beta, product, gap: { undefined: NO_GAP }, effective_layers: { undefined: NO_GAP } };
    }
    const beta = figure(b, "", ends);
    if (b <= 0) return { beta, product, ...this.oneSided(rows, p, rates, ends, s === undefined) };
    const clusters = Math.min(...joint.factors.map((f) => Math.min(f.clusters, f.withFailure)));
    const imperfect = p.filter((x) => x < 1).length;
    const effective = (imperfect * Math.log(b)) / lnProduct;
    const why = "every layer always failed";
    if (!s && this.basis.replicates > 0) {
      const { lnGap, effective: draws } = this.bootstrap(all, chosen.map((i) => column[i]!));
      const gap = this.percentile(lnGap, clusters);
      return {
        beta,
        product,
        gap: figure(Math.exp(Math.log(b) - lnProduct), "", gap && exponential(gap)),
        effective_layers: figure(effective, why, this.percentile(draws, clusters)),
      };
    }
    const influence = (r: number) => {
      const q = this.pattern[r]!;
      return [all[q]! / b - 1, each.reduce((a, e, i) => a + e[q]! / p[i]! - 1, 0)] as const;
    };
    const gap = linearised(rows, Math.log(b) - lnProduct, (r) => {
      const [x, y] = influence(r);
      return x - y;
    }, this.level);
    const lnEffective = linearised(rows, Math.log(effective), (r) => {
      const [x, y] = influence(r);
      return x / Math.log(b) - y / lnProduct;
    }, this.level);
    return {
      beta,
      product,
      gap: figure(Math.exp(Math.log(b) - lnProduct), "the product is too small", gap && exponential(gap)),
      effective_layers: figure(effective, why, lnEffective && exponential(lnEffective)),
    };
  }

  private weighted(factor: Float64Array): Rows {
    const { w, w2 } = this.rows;
    return { ...this.rows, weighted: true, w: w.map((x, r) => x * factor[r]!), w2: w2.map((x, r) => x * factor[r]! * factor[r]!) };
  }

  /** No joint failure seen: bounds from the upper limit of β and simultaneous lower limits of the rates. */
  private oneSided(rows: Rows, p: number[], rates: ReturnType<typeof meanOf>[], ends: Interval, nominal: boolean): Pick<Recomputed, "gap" | "effective_layers"> {
    const never = p.filter((x) => x <= 0).length;
    const why = never === 0 ? NO_FAILURE : never === 1 ? "one layer never failed, so the product of the rates is 0" : `${never} layers never failed, so the product of the rates is 0`;
    const none = { gap: { undefined: why }, effective_layers: { undefined: why } };
    if (!nominal) return none;
    const tail = 0.5 * (1 - this.level);
    const ratio = normalQuantile(tail / p.length) / normalQuantile(tail);
    let lnLow = 0;
    rates.forEach((rate, i) => {
      const low = intervalOf(rows, rate, this.level, this.exact, p.length === 1 ? "never falls" : "plain").low!;
      lnLow += p[i]! > 0 ? Math.log(p[i]!) + ratio * (Math.log(low) - Math.log(p[i]!)) : Math.log(low);
    });
    if (!Number.isFinite(lnLow)) return none;
    const lnHigh = Math.log(ends.high!);
    const sided = (low: number | null, high: number | null): Interval => ({ low, high, level: this.level, method: "one-sided" });
    const imperfect = p.filter((x) => x < 1).length;
    return {
      gap: { undefined: why, interval: sided(0, Math.exp(lnHigh - lnLow)) },
      effective_layers: { undefined: why, interval: sided((imperfect * lnHigh) / lnLow, null) },
    };
  }

  /** ln gap and effective layers of every replicate. */
  private bootstrap(all: Float64Array, columns: number[]): { lnGap: Float64Array; effective: Float64Array } {
    const reps = (this.replicates ??= this.draw());
    const together: number[] = [];
    for (let r = 0; r < this.rows.count; r++) if (all[this.pattern[r]!]! > 0) together.push(r);
    const lnGap = new Float64Array(reps.count);
    const effective = new Float64Array(reps.count);
    for (let d = 0; d < reps.count; d++) {
      let sum = 0;
      for (const r of together) sum += this.weightIn(d, r);
      const total = reps.total[d]!;
      const beta = sum / total;
      let lnProduct = 0;
      let imperfect = 0;
      for (const c of columns) {
        const p = reps.column[d * this.columns + c]! / total;
        lnProduct += Math.log(p);
        if (p < 1) imperfect += 1;
      }
      if (beta <= 0) {
        lnGap[d] = -Infinity;
        effective[d] = Infinity;
      } else if (lnProduct < 0) {
        lnGap[d] = Math.log(beta) - lnProduct;
        effective[d] = (imperfect * Math.log(beta)) / lnProduct;
      } else {
        lnGap[d] = 0;
        effective[d] = NaN;
      }
      if (Number.isNaN(total) || total <= 0) lnGap[d] = effective[d] = NaN;
    }
    return { lnGap, effective };
  }

  /** A row's weight in a replicate. */
  private weightIn(replicate: number, row: number): number {
    const { clusters, sizes, w, n, count } = this.rows;
    if (clusters.length === 0) return (this.drawn[0]![replicate * count + row]! * w[row]!) / n[row]!;
    let weight = w[row]!;
    for (let f = 0; f < clusters.length; f++) weight *= this.drawn[f]![replicate * sizes[f]! + clusters[f]![row]!]!;
    return weight;
  }

  private draw(): Replicates {
    const count = this.basis.replicates;
    const total = new Float64Array(count);
    const column = new Float64Array(count * this.columns);
    const lists = Array.from({ length: this.patterns }, (_, p) => {
      const list: number[] = [];
      for (let c = 0; c < this.columns; c++) if (this.failed[p * this.columns + c]) list.push(c);
      return list;
    });
    for (let d = 0; d < count; d++)
      for (let r = 0; r < this.rows.count; r++) {
        const w = this.weightIn(d, r);
        if (w === 0) continue;
        total[d]! += w;
        for (const c of lists[this.pattern[r]!]!) column[d * this.columns + c]! += w;
      }
    return { count, total, column };
  }

  /** The expanded percentile interval of replicates, as `percentile.rs` has it. */
  private percentile(list: Float64Array, clusters: number): Interval | undefined {
    if (clusters < 2) return interval(-Infinity, Infinity, this.level, "bootstrap-percentile");
    const t = studentQuantile(0.5 + 0.5 * this.level, clusters - 1);
    const tail = normalCdf(-Math.sqrt(clusters / (clusters - 1)) * t);
    const end = (p: number, open: number) => {
      const sorted = Float64Array.from(list, (x) => (Number.isNaN(x) ? open : x)).sort();
      const at = p * (list.length + 1);
      const rank = Math.min(list.length, Math.max(1, open < 0 ? Math.floor(at) : Math.ceil(at)));
      return sorted[rank - 1]!;
    };
    return interval(end(tail, -Infinity), end(1 - tail, Infinity), this.level, "bootstrap-percentile");
  }
}

function exponential(i: Interval): Interval {
  return { ...i, low: i.low == null ? 0 : Math.exp(i.low), high: i.high == null ? null : Math.exp(i.high) };
}
