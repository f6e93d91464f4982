/** Rates of any set of layers from posterior draws of a model: P(all of S fail) = Σ_z w_z Π_{i∈S} p_i(z). */

import type { ModelBasis, Scenario } from "../results";
import { type Draw, overDraws, type Recomputed } from "./figures";
import { unpack } from "./packed";
import { applyChanges, boundOf, changesAmong, isBound, isPlain } from "./scenario";

export class ModelLaw {
  private readonly nodes: Float64Array;
  private readonly weight: Float64Array;
  private readonly fail: Float64Array;
  constructor(readonly basis: ModelBasis) {
    this.nodes = unpack(basis.nodes);
    this.weight = unpack(basis.weight);
    this.fail = unpack(basis.fail);
  }
  /** Number of draws. */
  get draws(): number {
    return this.nodes.length;
  }

  recompute(chosen: number[], scenario?: Scenario): Recomputed {
    const k = this.basis.layers.length;
    const changes = changesAmong(scenario, this.basis.layers, chosen);
    const plain = isPlain(changes);
    const draws: Draw[] = [];
    let at = 0;
    const p = new Array<number>(chosen.length);
    for (const count of this.nodes) {
      let beta = 0;
      let total = 0;
      const rates = new Array<number>(chosen.length).fill(0);
      for (let z = at; z < at + count; z++) {
        const w = this.weight[z]!;
        total += w;
        for (let i = 0; i < chosen.length; i++) p[i] = this.fail[z * k + chosen[i]!]!;
        const add = (share: number, q: number[]) => {
          let all = w * share;
          for (let i = 0; i < q.length; i++) {
            all *= q[i]!;
            rates[i]! += w * share * q[i]!;
          }
          beta += all;
        };
        if (plain) add(1, p);
        else applyChanges(changes, p.slice(), add);
      }
      at += count;
      draws.push({ beta: beta / total, rates: rates.map((r) => r / total) });
    }
    return overDraws(draws, this.basis.level, isBound(scenario) ? (b) => boundOf(scenario!, b) : undefined);
  }
}
