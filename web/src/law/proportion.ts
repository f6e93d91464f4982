/** Intervals of a proportion with clusters and weights, as `crates/coincide/src/interval.rs` has them; the reasons stand there. */

import type { Interval } from "../results";
import { betaQuantile, studentQuantile } from "./special";

/** A factor of clusters, or the trials themselves. */
export interface FactorTotals {
  square: number;
  cross: number;
  /** Weight of a cluster's failures, and how many clusters have that much; most first. */
  lumps: [number, number][];
  leastWeight: number;
  clusters: number;
  withFailure: number;
  squaredWeight: number;
}

/** Everything the interval of one proportion needs. */
export interface Proportion {
  weight: number;
  trials: number;
  trialWeightSquare: number;
  leastWeight: number;
  failed: number;
  trialSquare: number;
  factors: FactorTotals[];
}

/** Rows as proportions read them. */
export interface Rows {
  count: number;
  n: Float64Array;
  w: Float64Array;
  w2: Float64Array;
  weighted: boolean;
  /** Cluster of each row, by factor. */
  clusters: Float64Array[];
  /** Clusters of each factor. */
  sizes: number[];
}

/** The sums behind the mean of a value between 0 and 1 a row. */
export function meanOf(rows: Rows, value: (row: number) => number): Proportion {
  const p: Proportion = {
    weight: 0, trials: 0, trialWeightSquare: 0, leastWeight: rows.weighted ? 0 : 1, failed: 0, trialSquare: 0, factors: [],
  };
  let events = 0;
  let heaviest = 0;
  const totals = rows.sizes.map((size) => ({ w: new Float64Array(size), x: new Float64Array(size) }));
  for (let r = 0; r < rows.count; r++) {
    const w = rows.w[r]!;
    if (w <= 0) continue;
    const n = rows.n[r]!;
    const e = value(r);
    p.weight += w;
    p.trials += n;
    p.trialWeightSquare += rows.w2[r]!;
    const failed = e * w;
    if (e > 0) {
      events += n;
      p.failed += failed;
      p.trialSquare += e * e * rows.w2[r]!;
      const mean = w / n;
      heaviest = Math.max(heaviest, mean + Math.sqrt(Math.max(n - 1, 0) * Math.max(rows.w2[r]! / n - mean * mean, 0)));
    }
    for (let f = 0; f < totals.length; f++) {
      const c = rows.clusters[f]![r]!;
      totals[f]!.w[c]! += w;
      totals[f]!.x[c]! += failed;
    }
  }
  if (totals.length === 0) {
    p.factors = [
      {
        square: p.trialSquare,
        cross: p.trialSquare,
        lumps: heaviest > 0 ? [[heaviest, p.trialSquare / (heaviest * heaviest)]] : [],
        leastWeight: p.leastWeight,
        clusters: p.trials,
        withFailure: events,
        squaredWeight: p.trialWeightSquare,
      },
    ];
    return p;
  }
  for (const t of totals) {
    const f: FactorTotals = { square: 0, cross: 0, lumps: [], leastWeight: Infinity, clusters: 0, withFailure: 0, squaredWeight: 0 };
    for (let c = 0; c < t.w.length; c++) {
      const w = t.w[c]!;
      const x = t.x[c]!;
      if (w <= 0) continue;
      f.clusters += 1;
      f.leastWeight = Math.min(f.leastWeight, w);
      f.squaredWeight += w * w;
      if (x > 0) {
        f.withFailure += 1;
        f.square += x * x;
        f.cross += x * w;
        f.lumps.push([x, 1]);
      }
    }
    f.lumps.sort((a, b) => b[0] - a[0]);
    p.factors.push(f);
  }
  return p;
}

export function estimate(p: Proportion): number {
  return Math.min(1, Math.max(0, p.failed / p.weight));
}

/** Fewest clusters of any factor. */
function fewest(p: Proportion): number {
  return Math.min(...p.factors.map((f) => f.clusters));
}

function multiway(p: Proportion, squares: number[], trial: number): number {
  const each = squares.map((s, i) => {
    const c = p.factors[i]!.clusters;
    return s * (c > 1 ? c / (c - 1) : 1);
  });
  const largest = Math.max(0, ...each);
  const sum = each.reduce((a, b) => a + b, 0) - (each.length - 1) * trial;
  return Math.max(sum, largest) / (p.weight * p.weight);
}

function variance(p: Proportion): number {
  const rate = p.failed / p.weight;
  const centred = p.factors.map((f) => Math.max(0, f.square - 2 * rate * f.cross + rate * rate * f.squaredWeight));
  const trial = Math.max(0, (1 - 2 * rate) * p.trialSquare + rate * rate * p.trialWeightSquare);
  return multiway(p, centred, trial);
}

function greedySquare(lumps: [number, number][], amount: number): number {
  let left = amount;
  let square = 0;
  for (const [size, many] of lumps) {
    const whole = Math.min(Math.floor(left / size), many);
    square += whole * size * size;
    left -= whole * size;
    if (whole < many) return square + left * left;
  }
  return square;
}

function largestVariance(p: Proportion, left: number): number {
  const rate = left / p.weight;
  const squares = p.factors.map((f) => {
    const q = Math.min(greedySquare(f.lumps, left), f.square);
    const centring = (2 * f.leastWeight) / p.weight - f.squaredWeight / (p.weight * p.weight);
    const bySize = Math.max(0, q - centring * left * left);
    return rate <= 0.5 ? Math.min(bySize, (1 - 2 * rate) * q + rate * rate * f.squaredWeight) : bySize;
  });
  const trial = rate <= 0.5 ? (1 - 2 * rate) * p.leastWeight * left + rate * rate * p.trialWeightSquare : 0;
  return multiway(p, squares, trial);
}

class Limits {
  readonly tail: number;
  readonly none: number;
  readonly shrink: number;
  readonly untouched: number;
  constructor(
    private readonly p: Proportion,
    private readonly level: number,
  ) {
    this.tail = 0.5 * (1 - level);
    const kish = Math.min(...p.factors.map((f) => (p.weight * p.weight) / f.squaredWeight));
    this.none = Math.min(kish, p.trials);
    const trials = Math.max(1, p.trials - 1);
    const df = Math.max(1, fewest(p) - 1);
    this.shrink = df >= trials ? 1 : (studentQuantile(1 - this.tail, trials) / studentQuantile(1 - this.tail, df)) ** 2;
    this.untouched = betaQuantile(1 - this.tail, 1, this.none);
  }
  private size(rate: number, v: number): number {
    return (v > 0 ? Math.min((rate * (1 - rate)) / v, this.p.trials) : this.p.trials) * this.shrink;
  }
  rough(rate: number, v: number): number {
    const n = this.size(rate, v);
    return rate + 2 * Math.sqrt((rate * (1 - rate)) / n) + 3 / n;
  }
  upper(rate: number, v: number): number {
    const n = this.size(rate, v);
    return betaQuantile(1 - this.tail, n * rate + 1, n * (1 - rate));
  }
  interval(raw: number, v: number): Interval {
    const rate = Math.min(1, Math.max(0, raw));
    let low = 0;
    let high = this.untouched;
    if (rate >= 1) {
      low = betaQuantile(this.tail, this.none, 1);
      high = 1;
    } else if (rate > 0) {
      const n = this.size(rate, v);
      low = betaQuantile(this.tail, n * rate, n * (1 - rate) + 1);
      high = Math.max(this.upper(rate, v), this.untouched);
    }
    return { low, high, level: this.level, method: "korn-graubard" };
  }
}

const STEPS = 128;

/** Largest value of a function with one peak, by golden section. */
function peak(f: (x: number) => number, from: number, to: number): number {
  const RATIO = 0.6180339887498949;
  let [low, high] = [from, to];
  let a = high - RATIO * (high - low);
  let b = low + RATIO * (high - low);
  let [fa, fb] = [f(a), f(b)];
  let best = Math.max(fa, fb);
  for (let i = 0; i < 45; i++) {
    if (fa < fb) {
      [low, a, fa] = [a, b, fb];
      b = low + RATIO * (high - low);
      fb = f(b);
    } else {
      [high, b, fb] = [b, a, fa];
      a = high - RATIO * (high - low);
      fa = f(a);
    }
    best = Math.max(best, fa, fb);
  }
  return best;
}

function neverFalling(p: Proportion, level: number): Interval {
  const limits = new Limits(p, level);
  const whole = limits.interval(p.failed / p.weight, variance(p));
  if (p.failed <= 0 || p.failed >= p.weight) return whole;
  let left: number[] = [];
  for (let i = 1; i <= STEPS; i++) left.push((i * p.weight) / p.trials);
  for (const f of p.factors) {
    let sum = 0;
    for (const [size, many] of f.lumps.slice(0, STEPS)) {
      for (let i = 1; i <= Math.floor(Math.min(many, STEPS)); i++) left.push(sum + i * size);
      sum += size * many;
      left.push(sum);
    }
  }
  left = left.filter((l) => l < p.failed);
  left.push(p.failed);
  left.sort((a, b) => a - b);
  const rough = left.map((l) => limits.rough(l / p.weight, largestVariance(p, l)));
  const enough = 0.4 * Math.max(0, ...rough);
  const upper = (l: number) => limits.upper(l / p.weight, largestVariance(p, l));
  // Equal amounts come from several clusters of one size: each is worked out once.
  const known = new Map<number, number>();
  const exact = left.map((l, i) => {
    if (rough[i]! < enough) return 0;
    let value = known.get(l);
    if (value === undefined) known.set(l, (value = upper(l)));
    return value;
  });
  let high = Math.max(whole.high ?? 1, ...exact);
  if (p.trialWeightSquare !== p.trials) {
    left.unshift(0);
    const bound = 0.9 * high;
    for (let i = 0; i < exact.length; i++) {
      if (Math.max(exact[i]!, i > 0 ? exact[i - 1]! : limits.untouched) >= bound) high = Math.max(high, peak(upper, left[i]!, left[i + 1]!));
    }
  }
  return { ...whole, high };
}

/** The interval that fits these trials. `never falls`: a further failure never lowers its upper end. */
export function intervalOf(rows: Rows, p: Proportion, level: number, exact: string, upper: "plain" | "never falls"): Interval {
  const tail = 0.5 * (1 - level);
  if (rows.clusters.length === 0 && !rows.weighted) {
    const [x, n] = [p.failed, p.trials];
    if (exact === "jeffreys") {
      const low = x <= 0 ? 0 : betaQuantile(tail, x + 0.5, n - x + 0.5);
      const high = x >= n ? 1 : betaQuantile(1 - tail, x + 0.5, n - x + 0.5);
      return { low, high, level, method: "jeffreys" };
    }
    return { low: betaQuantile(tail, x, n - x + 1), high: betaQuantile(1 - tail, x + 1, n - x), level, method: "clopper-pearson" };
  }
  return upper === "never falls" ? neverFalling(p, level) : new Limits(p, level).interval(p.failed / p.weight, variance(p));
}

/** value ± t·√variance of a per-row influence, cluster-robust. */
export function linearised(rows: Rows, value: number, influence: (row: number) => number, level: number): Interval | undefined {
  let weight = 0;
  let trials = 0;
  let trial = 0;
  const totals = rows.sizes.map((size) => ({ x: new Float64Array(size), there: new Uint8Array(size) }));
  for (let r = 0; r < rows.count; r++) {
    if (rows.w[r]! <= 0) continue;
    const d = influence(r);
    weight += rows.w[r]!;
    trials += rows.n[r]!;
    trial += rows.w2[r]! * d * d;
    totals.forEach((t, f) => {
      const c = rows.clusters[f]![r]!;
      t.x[c]! += rows.w[r]! * d;
      t.there[c] = 1;
    });
  }
  let df = trials - 1;
  let v = trial;
  if (totals.length > 0) {
    let sum = 0;
    let largest = 0;
    for (const t of totals) {
      const c = t.there.reduce((a, b) => a + b, 0);
      const own = t.x.reduce((a, x) => a + x * x, 0) * (c > 1 ? c / (c - 1) : 1);
      df = Math.min(df, c - 1);
      sum += own;
      largest = Math.max(largest, own);
    }
    v = Math.max(sum - (totals.length - 1) * trial, largest);
  }
  const half = studentQuantile(0.5 + 0.5 * level, Math.max(1, df)) * Math.sqrt(v / (weight * weight));
  return Number.isNaN(half) ? undefined : { low: value - half, high: value + half, level, method: "linearised" };
}
