/** What a scenario does to failure probabilities and rates, as `crates/coincide/src/scenario.rs` and `shift.rs` have it. */

import type { Scenario } from "../results";
import { logistic } from "./special";

/** Changes of failure probabilities, by index among the chosen layers. */
export interface Changes {
  tries?: number;
  weaker: [number, number][];
  compromised: number[];
  common: [number[], number][];
  cascades: [number, number, number][];
}

/** 1 − (1 − p)ⁿ. */
export function anyOf(p: number, n: number): number {
  return p >= 1 ? 1 : -Math.expm1(n * Math.log1p(-p));
}

/** A scenario among some layers only: what the others would do to them does not happen. */
export function changesAmong(scenario: Scenario | undefined, names: string[], chosen: number[]): Changes {
  const out: Changes = { weaker: [], compromised: [], common: [], cascades: [] };
  if (!scenario) return out;
  const place = (name: string) => chosen.indexOf(names.indexOf(name));
  const places = (list: string[] | undefined) => (list ?? []).map(place).filter((i) => i >= 0);
  for (const [name, part] of Object.entries(scenario.trained_against ?? {})) if (place(name) >= 0) out.weaker.push([place(name), part]);
  out.compromised = places(scenario.compromised);
  for (const c of scenario.common_failures ?? []) {
    const members = places(c.layers);
    if (c.share > 0 && members.length > 0) out.common.push([members, c.share]);
  }
  for (const c of scenario.cascades ?? []) if (place(c.from) >= 0 && place(c.to) >= 0) out.cascades.push([place(c.from), place(c.to), c.strength]);
  const attacker = scenario.attacker;
  if (attacker) {
    out.compromised.push(...places(attacker.transparent));
    if (attacker.feedback === "per-layer") out.tries = attacker.tries;
  }
  return out;
}

export function isPlain(c: Changes): boolean {
  return c.tries === undefined && c.weaker.length + c.compromised.length + c.common.length + c.cascades.length === 0;
}

/** Calls `f` with the weight and probabilities of every way things can go from `p`, which is changed. */
export function applyChanges(c: Changes, p: number[], f: (weight: number, p: number[]) => void): void {
  if (c.tries !== undefined) for (let i = 0; i < p.length; i++) p[i] = anyOf(p[i]!, c.tries);
  for (const [i, part] of c.weaker) p[i]! += (1 - p[i]!) * part;
  for (const i of c.compromised) p[i] = 1;
  atOnce(c, 0, 1, p, f);
}

function atOnce(c: Changes, at: number, weight: number, p: number[], f: (weight: number, p: number[]) => void): void {
  const next = c.common[at];
  if (!next) return cascade(c, 0, weight, p, f);
  const [members, share] = next;
  if (share < 1) atOnce(c, at + 1, weight * (1 - share), p, f);
  const q = p.slice();
  for (const i of members) q[i] = 1;
  atOnce(c, at + 1, weight * share, q, f);
}

export function cascade(c: Changes, at: number, weight: number, p: number[], f: (weight: number, p: number[]) => void): void {
  const next = c.cascades[at];
  if (!next) return f(weight, p);
  const [from, to, strength] = next;
  const chance = p[from]!;
  for (const [share, failed] of [[1 - chance, false], [chance, true]] as [number, boolean][]) {
    if (share > 0) {
      const q = p.slice();
      q[from] = failed ? 1 : 0;
      if (failed) q[to]! += (1 - q[to]!) * strength;
      cascade(c, at + 1, weight * share, q, f);
    }
  }
}

/** Largest rate within KL radius `radius` of a distribution with rate `beta`. */
export function worstRate(beta: number, radius: number): number {
  if (beta <= 0 || radius <= 0) return Math.min(1, Math.max(0, beta));
  if (beta >= 1 || radius >= -Math.log(beta)) return 1;
  const lnBeta = Math.log(beta);
  const lnRest = Math.log1p(-beta);
  const divergence = (t: number) => {
    const [b, c] = [logistic(t), logistic(-t)];
    const part = (x: number, of: number) => (x > 0 ? x * (Math.log(x) - of) : 0);
    return part(b, lnBeta) + part(c, lnRest);
  };
  let low = Math.log(beta / (1 - beta));
  let high = 745;
  for (let i = 0; i < 120; i++) {
    const mid = 0.5 * (low + high);
    if (divergence(mid) <= radius) low = mid;
    else high = mid;
  }
  return logistic(0.5 * (low + high));
}

/** The most that picking the best of n draws can make of a rate. */
export function bestOf(beta: number, n: number): number {
  return Math.min(worstRate(beta, Math.log(n) - (n - 1) / n), anyOf(beta, n));
}

/** Whether a scenario's rates are upper bounds. */
export function isBound(s: Scenario | undefined): boolean {
  if (!s) return false;
  return s.radius != null || (s.attacker != null && (s.attacker.feedback ?? "joint") === "joint" && s.attacker.tries > 1);
}

/** What the attacker and the radius make of a rate. */
export function boundOf(s: Scenario, beta: number): number {
  const joint = s.attacker && (s.attacker.feedback ?? "joint") === "joint";
  const tried = joint ? bestOf(beta, s.attacker!.tries) : beta;
  return s.radius == null ? tried : worstRate(tried, s.radius);
}
