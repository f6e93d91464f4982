/** Named values with their intervals, one line each: the shape that most of these charts have. */

import type { Figure } from "../results";
import { base, COLOUR, factors, names, Plot, rates, short } from "./plot";

export interface Dot {
  name: string;
  figure: Figure;
  /** A second value beside it: what independence promises, what was seen. */
  beside?: number | null | undefined;
  colour?: string;
  /** A limit and no estimate. */
  bound?: boolean;
}

/** Rows of dots on a logarithmic axis of rates or factors. */
export function dots(list: Dot[], width: number, label: string, kind: "rates" | "factors", mark?: { at: number; colour: string }): Element {
  const n = names(list.map((d) => d.name), width);
  const ends = (d: Dot) => [d.figure.value, d.figure.interval?.low, d.figure.interval?.high, d.beside];
  const all = [...list.flatMap(ends), mark?.at];
  const positive = all.filter((x): x is number => x != null && x > 0);
  const floor = positive.length ? Math.min(...positive) / 1.5 : 1e-3;
  const scale = kind === "rates" ? rates([...all, floor], label) : factors([...all, floor], label);
  const top = (scale.domain as number[])[1]!;
  const withEnds = list.filter((d) => d.figure.interval);
  const at = (d: Dot) => Math.max(d.figure.value ?? d.figure.interval?.high ?? floor, floor);
  return Plot.plot({
    ...base(width, (list.length > 25 ? 15 : 28) * list.length + 58),
    marginLeft: n.margin,
    x: scale,
    y: { domain: list.map((d) => d.name), label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
    marks: [
      ...(mark && mark.at > 0 ? [Plot.ruleX([mark.at], { stroke: mark.colour, strokeDasharray: "5 4", strokeWidth: 1.5 })] : []),
      Plot.ruleY(withEnds, {
        x1: (d: Dot) => Math.max(d.figure.interval!.low ?? 0, floor), x2: (d: Dot) => Math.max(d.figure.interval!.high ?? top, floor), y: "name", stroke: (d: Dot) => d.colour ?? COLOUR.observed, strokeWidth: 2, strokeOpacity: 0.5,
      }),
      Plot.dot(list.filter((d) => d.beside != null && d.beside > 0), { x: "beside", y: "name", r: 4, stroke: COLOUR.independent, strokeWidth: 2, fill: "var(--paper)" }),
      Plot.dot(list.filter((d) => (d.figure.value ?? 0) > 0 || d.figure.interval?.high != null), {
        x: at, y: "name", r: 5, symbol: (d: Dot) => (d.bound || !(d.figure.value ?? 0) ? "triangle" : "circle"), fill: (d: Dot) => d.colour ?? COLOUR.observed,
      }),
    ],
  });
}
