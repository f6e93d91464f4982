/**
 * Rates of any set of techniques from draws of a failure-mode map's numbers: P(i fails | active set A) = 1 − (1 − leak_i) Π_{j∈A}(1 − s_ij), modes active
 * independently with their prevalences.
 */

import type { ModesBasis, Scenario } from "../results";
import { type Draw, overDraws, type Recomputed } from "./figures";
import { unpack } from "./packed";
import { anyOf, boundOf, cascade, changesAmong, isBound } from "./scenario";

/** Modes up to which all activations are summed; above, sets of techniques are, while nothing cancels. */
const FEW_MODES = 10;

interface Numbers {
  prevalence: number[];
  susceptibility: number[][];
  leak: number[];
}

export class ModesLaw {
  private readonly q: Float64Array;
  private readonly s: Float64Array;
  private readonly leak: Float64Array;
  constructor(readonly basis: ModesBasis) {
    this.q = unpack(basis.prevalence);
    this.s = unpack(basis.susceptibility);
    this.leak = unpack(basis.leak);
  }

  /** Median prevalence of each mode over the draws. */
  usual(): number[] {
    const m = this.basis.modes.length;
    return this.basis.modes.map((_, j) => {
      const list = Float64Array.from({ length: this.basis.draws }, (_, d) => this.q[d * m + j]!).sort();
      return list[Math.floor(list.length / 2)]!;
    });
  }

  recompute(chosen: number[], prevalence: Map<number, number>, scenario?: Scenario): Recomputed {
    const { techniques, modes } = this.basis;
    const m = modes.length;
    const k = techniques.length;
    const changes = changesAmong(scenario, techniques, chosen);
    const set = new Map(prevalence);
    for (const [mode, q] of Object.entries(scenario?.prevalence ?? {})) if (modes.includes(mode)) set.set(modes.indexOf(mode), q);
    const draws: Draw[] = [];
    for (let d = 0; d < this.basis.draws; d++) {
      const law: Numbers = {
        prevalence: Array.from({ length: m }, (_, j) => set.get(j) ?? this.q[d * m + j]!),
        susceptibility: chosen.map((i) => Array.from({ length: m }, (_, j) => this.s[(d * k + i) * m + j]!)),
        leak: chosen.map((i) => this.leak[d * k + i]!),
      };
      if (changes.tries !== undefined) {
        const n = changes.tries;
        law.leak = law.leak.map((x) => anyOf(x, n));
        law.susceptibility = law.susceptibility.map((row) => row.map((x) => anyOf(x, n)));
      }
      for (const [i, part] of changes.weaker) law.leak[i]! += (1 - law.leak[i]!) * part;
      for (const i of changes.compromised) law.leak[i] = 1;
      for (const [members, share] of changes.common) {
        law.prevalence.push(share);
        law.susceptibility.forEach((row, i) => row.push(members.includes(i) ? 1 : 0));
      }
      draws.push(changes.cascades.length > 0 ? byActivation(law, (p, add) => cascade(changes, 0, 1, p, add)) : plain(law));
    }
    return overDraws(draws, this.basis.level, isBound(scenario) ? (b) => boundOf(scenario!, b) : undefined);
  }
}

function plain(law: Numbers): Draw {
  if (law.prevalence.length <= FEW_MODES) return byActivation(law, (p, add) => add(1, p));
  const beta = bySubsets(law);
  if (beta < 1e-6) return byActivation(law, (p, add) => add(1, p));
  const rates = law.leak.map((leak, i) => -Math.expm1(law.prevalence.reduce((a, q, j) => a + Math.log1p(-q * law.susceptibility[i]![j]!), Math.log1p(-leak))));
  return { beta, rates };
}

/** P(all fail) by inclusion and exclusion over sets of techniques that hold. */
function bySubsets(law: Numbers): number {
  const k = law.leak.length;
  const m = law.prevalence.length;
  let total = 0;
  for (let t = 0; t < 1 << k; t++) {
    let hold = 1;
    let sign = 1;
    for (let i = 0; i < k; i++)
      if ((t >> i) & 1) {
        hold *= 1 - law.leak[i]!;
        sign = -sign;
      }
    for (let j = 0; j < m && hold > 0; j++) {
      let active = 1;
      for (let i = 0; i < k; i++) if ((t >> i) & 1) active *= 1 - law.susceptibility[i]![j]!;
      hold *= 1 - law.prevalence[j]! * (1 - active);
    }
    total += sign * hold;
  }
  return total;
}

/** Sums over all activations; `go` follows what then happens to failure probabilities. */
function byActivation(law: Numbers, go: (p: number[], add: (share: number, p: number[]) => void) => void): Draw {
  const k = law.leak.length;
  const m = law.prevalence.length;
  const rates = new Array<number>(k).fill(0);
  let beta = 0;
  const lnHold = law.susceptibility.map((row) => row.map((s) => Math.log1p(-s)));
  const p = new Array<number>(k).fill(0);
  const walk = (j: number, weight: number, hold: number[]): void => {
    if (weight <= 0) return;
    if (j === m) {
      for (let i = 0; i < k; i++) p[i] = -Math.expm1(hold[i]!);
      go(p, (share, q) => {
        let all = weight * share;
        for (let i = 0; i < k; i++) {
          rates[i]! += weight * share * q[i]!;
          all *= q[i]!;
        }
        beta += all;
      });
      return;
    }
    const q = law.prevalence[j]!;
    walk(j + 1, weight * (1 - q), hold);
    walk(j + 1, weight * q, hold.map((h, i) => h + lnHold[i]![j]!));
  };
  walk(0, 1, law.leak.map((l) => Math.log1p(-l)));
  return { beta, rates };
}
