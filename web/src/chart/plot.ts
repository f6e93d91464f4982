/** What all charts share: marks from Observable Plot, colours that stay apart for colour-blind eyes (Okabe and Ito 2008), scales that fit rates. */

import * as Plot from "@observablehq/plot";
import { number, percent } from "../numbers";

export { Plot };

/** Colours by meaning; the style sheet sets them for light and dark. */
export const COLOUR = {
  observed: "var(--observed)",
  model: "var(--model)",
  independent: "var(--independent)",
  good: "var(--good)",
  bad: "var(--bad)",
  faint: "var(--faint)",
  text: "var(--text)",
} as const;

/** Options that every chart has. */
export function base(width: number, height: number): Plot.PlotOptions {
  return { width, height, className: "plot", style: { background: "transparent", overflow: "visible" }, marginLeft: 56, marginRight: 24 };
}

/** Powers of ten between two rates, at most eight of them. */
function powers(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const step = Math.max(1, Math.ceil((to - from) / 6));
  const out: number[] = [];
  for (let e = to; e >= from; e -= step) out.push(10 ** e);
  return out;
}

/** A logarithmic axis of rates. */
export function rates(values: (number | null | undefined)[], label: string): Plot.ScaleOptions {
  const list = values.filter((x): x is number => x != null && x > 0);
  const low = Math.min(1, ...list) / 1.5;
  const high = Math.min(1, Math.max(...list, low * 10) * 1.3);
  const tight = high / low < 20;
  return { type: "log", domain: [low, high], label, ticks: tight ? 4 : powers(low, high).filter((x) => x >= low && x <= high), tickFormat: (x: number) => percent(x), grid: true, clamp: true };
}

/** A logarithmic axis of factors. */
export function factors(values: (number | null | undefined)[], label: string): Plot.ScaleOptions {
  const list = values.filter((x): x is number => x != null && x > 0);
  const low = Math.min(0.8, ...list) / 1.2;
  const high = Math.max(2, ...list) * 1.2;
  return { type: "log", domain: [low, high], label, ticks: powers(low, high).filter((x) => x >= low && x <= high), tickFormat: (x: number) => number(x), grid: true, clamp: true };
}

/** The beginning of a name, as long as there is room. */
export function short(name: string, letters: number): string {
  return name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
}

/** Room for names beside a chart: letters, and pixels. */
export function names(list: string[], width: number): { letters: number; margin: number } {
  const most = Math.max(8, Math.floor((width * 0.36) / 6.6));
  const letters = Math.min(most, Math.max(4, ...list.map((n) => n.length)));
  return { letters, margin: Math.ceil(letters * 6.6) + 12 };
}
