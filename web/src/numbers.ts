/** Numbers as people read them, in the browser's language where it is German or English. The rules are those of `crates/coincide-report/src/format.rs`. */

import type { Figure, Interval, Range } from "./results";

const LANGUAGE = navigator.language.toLowerCase().startsWith("de") ? navigator.language : navigator.language.toLowerCase().startsWith("en") ? navigator.language : "en";
const cache = new Map<string, Intl.NumberFormat>();

function formatted(x: number, options: Intl.NumberFormatOptions): string {
  const key = JSON.stringify(options);
  let format = cache.get(key);
  if (!format) cache.set(key, (format = new Intl.NumberFormat(LANGUAGE, options)));
  return format.format(x);
}

function digits(x: number, many: number): string {
  const after = Math.min(12, Math.max(0, many - 1 - Math.floor(Math.log10(Math.abs(x)))));
  if (Math.abs(x - Math.round(x)) < 1e-9) return formatted(x, { maximumFractionDigits: 0 });
  return formatted(x, { minimumFractionDigits: after, maximumFractionDigits: after });
}

function power(x: number): string {
  // The exponent after rounding: 9.96e-7 is 10⁻⁶ and not "10 × 10⁻⁷".
  const exponent = Number(Math.abs(x).toExponential(1).split("e")[1]);
  const superscript = String(exponent).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]!);
  const front = x / 10 ** exponent;
  return Math.abs(front - 1) < 1e-9 ? `10${superscript}` : `${formatted(front, { maximumFractionDigits: 1 })} × 10${superscript}`;
}

/** Two or three significant digits. */
export function number(x: number): string {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size < 1e-4 || size >= 1e6) return power(x);
  if (size >= 1000) return whole(x);
  return digits(x, size >= 10 ? 3 : 2);
}

/** A whole number with separators. */
export function whole(x: number): string {
  const rounded = Math.abs(x - Math.round(x)) > 1e-9 && Math.abs(x) < 1000;
  return formatted(x, { maximumFractionDigits: rounded ? 1 : 0 });
}

/** A probability in per cent. */
export function percent(p: number): string {
  if (p === 0) return formatted(0, { style: "percent" });
  const size = Math.abs(p);
  if (size < 1e-12) return "≈ 0%";
  const x = 100 * size;
  if (x < 1e-3) return power(p);
  const many = x >= 10 ? 3 : 2;
  const after = Math.abs(x - Math.round(x)) < 1e-9 ? 0 : Math.min(12, Math.max(0, many - 1 - Math.floor(Math.log10(x))));
  return formatted(p, { style: "percent", minimumFractionDigits: after, maximumFractionDigits: after });
}

/** A round probability on an axis. */
export function tick(p: number): string {
  return p < 1e-5 ? power(p) : formatted(p, { style: "percent", maximumSignificantDigits: 2 });
}

/** "1 in 105". */
export function oneIn(p: number): string {
  if (p >= 0.5 || p <= 0) return percent(p);
  const x = 1 / p;
  if (x > 1e9) return `1 in ${power(x)}`;
  const scale = 10 ** Math.max(0, Math.floor(Math.log10(x)) - 2);
  return `1 in ${x < 10 ? formatted(x, { maximumFractionDigits: 1 }) : whole(Math.round(x / scale) * scale)}`;
}

export type Show = (x: number) => string;

function ends(low: number | null | undefined, high: number | null | undefined, show: Show): string {
  if (low == null && high == null) return "open";
  if (low == null) return `≤ ${show(high!)}`;
  if (high == null) return `≥ ${show(low)}`;
  return `${show(low)} to ${show(high)}`;
}

export function intervalText(i: Interval | null | undefined, show: Show): string {
  return i ? ends(i.low, i.high, show) : "–";
}

export function rangeText(r: Range, show: Show): string {
  return ends(r.low, r.high, show);
}

/** A value, what it lies between, or that it is undefined. */
export function valueText(f: Figure | null | undefined, show: Show): string {
  if (!f) return "–";
  if (f.value != null) return show(f.value);
  return f.identified ? `in [${rangeText(f.identified, show)}]` : "undefined";
}

/** A p-value. */
export function pText(p: number | null | undefined): string {
  return p == null ? "–" : p < 0.001 ? `< ${formatted(0.001, { maximumFractionDigits: 3 })}` : number(p);
}

const PARTS = new Intl.NumberFormat(LANGUAGE).formatToParts(12345678.5);
const POINT = PARTS.find((p) => p.type === "decimal")?.value ?? ".";
const GROUP = PARTS.find((p) => p.type === "group")?.value ?? ",";

/** A sentence of the document, whose numbers are written in English, in the browser's own. Names in backticks stay as they are. */
export function localised(sentence: string): string {
  if (POINT === "." && GROUP === ",") return sentence;
  const number = /(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?/g;
  return sentence
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replace(number, (n) => n.replace(/[.,]/g, (c) => (c === "." ? POINT : GROUP)))))
    .join("");
}

/** The same for names of charts, which show no code. */
export function plain(sentence: string): string {
  return localised(sentence).replaceAll("`", "");
}
