/** What is computed again, and its summary over draws. */

import type { Figure, Interval } from "../results";

/** β, what multiplying promises, their ratio, and effective layers. */
export interface Recomputed {
  beta: Figure;
  /** Mean of β over draws, the probability to act on; none where there are no draws. */
  expected?: Figure;
  product: Figure;
  gap: Figure;
  effective_layers: Figure;
}

export const NO_GAP = "an upper bound is not compared with a product that has none";

/** A figure; a value that is no number is undefined with `why`. */
export function figure(value: number, why: string, interval?: Interval): Figure {
  return Number.isFinite(value) ? { value, ...(interval ? { interval } : {}) } : { undefined: why };
}

/** An interval whose infinite ends are open; none when an end is NaN. */
export function interval(low: number, high: number, level: number, method: Interval["method"]): Interval | undefined {
  if (Number.isNaN(low) || Number.isNaN(high)) return undefined;
  const end = (x: number) => (Number.isFinite(x) ? x : null);
  return { low: end(low), high: end(high), level, method };
}

/** The p-quantile of a sorted list, interpolated. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low === high ? low : low + (high - low) * (at - Math.floor(at));
}

/** A rate from which a layer counts as one that always fails: sums of weights end a rounding below 1. */
const ALWAYS = 1 - 1e-12;

/** One draw: β and the rates of the chosen layers. */
export interface Draw {
  beta: number;
  rates: number[];
}

/** Median and central interval over draws. */
export function overDraws(draws: Draw[], level: number, bound?: (beta: number) => number): Recomputed {
  const of = (value: (d: Draw) => number, why: string): Figure => {
    const list = Float64Array.from(draws, value);
    if (list.some(Number.isNaN)) return { undefined: why };
    list.sort();
    const tail = 0.5 * (1 - level);
    const ends = list.length > 1 ? interval(quantile(list, tail), quantile(list, 1 - tail), level, "posterior") : undefined;
    return figure(quantile(list, 0.5), why, ends);
  };
  const lnProduct = (d: Draw) => d.rates.reduce((a, p) => a + Math.log(p), 0);
  const imperfect = (d: Draw) => d.rates.filter((p) => p < ALWAYS).length;
  return {
    beta: of((d) => (bound ? bound(Math.min(1, d.beta)) : d.beta), ""),
    expected: figure(draws.reduce((a, d) => a + (bound ? bound(Math.min(1, d.beta)) : d.beta), 0) / draws.length, ""),
    product: of((d) => Math.exp(lnProduct(d)), ""),
    gap: bound ? { undefined: NO_GAP } : of((d) => Math.exp(Math.log(d.beta) - lnProduct(d)), "the product is 0"),
    effective_layers: bound
      ? { undefined: NO_GAP }
      : of((d) => (imperfect(d) * Math.log(d.beta)) / lnProduct(d), "every layer always fails, or one never does"),
  };
}
