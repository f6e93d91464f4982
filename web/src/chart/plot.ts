/** What all charts share: marks from Observable Plot, colours that stay apart for colour-blind eyes (Okabe and Ito 2008), scales that fit rates. */

import * as Plot from "@observablehq/plot";
import { number, tick } from "../numbers";

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
  return { width, height, className: "plot", style: { background: "transparent", overflow: "visible" }, marginLeft: 68, marginRight: 24, marginBottom: 46 };
}

/** Marks of a logarithmic axis between two values: powers of ten, with 2 and 5 between them where those are few. */
function marks(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const step = Math.max(1, Math.ceil((to - from) / 6));
  const between = high / low < 120 ? [1, 2, 5] : [1];
  const out: number[] = [];
  for (let e = to; e >= from; e -= step) for (const x of between) out.push(x * 10 ** e);
  return out.filter((x) => x >= low && x <= high * 1.0001);
}

/** A logarithmic axis of rates. */
export function rates(values: (number | null | undefined)[], label: string): Plot.ScaleOptions {
  const list = values.filter((x): x is number => x != null && x > 0);
  const low = Math.min(1, ...list) / 1.5;
  const high = Math.min(1, Math.max(...list, low * 10) * 1.3);
  return { type: "log", domain: [low, high], label, ...UNDER, ticks: marks(low, high), tickFormat: (x: number) => tick(x), grid: true, clamp: true };
}

/** What a linear axis of names' values has in common: its label stands under it, in the middle. */
export const UNDER = { labelAnchor: "center", labelOffset: 40, labelArrow: "none" } as const;

/** A logarithmic axis of factors. */
export function factors(values: (number | null | undefined)[], label: string): Plot.ScaleOptions {
  const list = values.filter((x): x is number => x != null && x > 0);
  const low = Math.min(0.8, ...list) / 1.2;
  const high = Math.max(2, ...list) * 1.2;
  return { type: "log", domain: [low, high], label, ...UNDER, ticks: marks(low, high), tickFormat: (x: number) => number(x), grid: true, clamp: true };
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
