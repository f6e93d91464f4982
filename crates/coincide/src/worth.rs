//! What one layer adds, given all the others.
//!
//! β_{−j} = P(all but j fail); P(j fails | all others failed) = β/β_{−j}; realised worth
//! ln(β_{−j}/β)/ln(1/p_j): 1 as if independent, 0 no benefit detected, above 1 complements. Worth depends on
//! the set: of two duplicates both score 0. So also the worth of any named group, and Shapley shares of −ln β
//! (Shapley 1953), v(S) = −ln β_S.

use crate::figure::{Figure, Interval};
use crate::layers::LayerSet;
use crate::random::{Purpose, Seed};
use crate::sample::{RateOptions, Sample};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one layer, or one named group, adds to all the others.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Contribution {
    /// The layer's or group's name.
    pub name: String,
    /// Members, for a group.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub members: Vec<String>,
    /// P(all other layers fail).
    pub beta_without: Figure,
    /// P(this fails | all others failed).
    pub conditional: Figure,
    /// Realised worth.
    pub worth: Figure,
    /// Shapley share of −ln β, in nats; layers only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shapley: Option<Figure>,
}

/// Layers up to which every subset is visited; above, random orders.
const EXACT_SHAPLEY: usize = 20;
/// Random orders, each also used reversed.
const ORDERS: u64 = 128;

/// β_{−j}, conditional and worth of the set `members`; `rate` is each layer's failure rate.
pub(crate) fn contribution(sample: &Sample, name: &str, members: &[usize], rates: &[Figure], options: RateOptions) -> Contribution {
    let k = sample.layers;
    let all = LayerSet::all(k);
    let others = LayerSet::of(k, members).complement(k);
    let beta_without = sample.co_failure(others.words(), options);
    let conditional = {
        // Open: whether the others failed is not known, or they did and whether these layers did is not.
        let mut open = false;
        let p = sample.proportion(|r| match sample.all_failed(r, others.words()) {
            Some(true) => {
                let e = sample.all_failed(r, all.words());
                open |= e.is_none();
                e
            }
            others => {
                open |= others.is_none();
                None
            }
        });
        if open && options.missing == crate::sample::Missing::Selected {
            conditional_bounds(sample, others.words(), all.words())
        } else if p.weight <= 0.0 {
            Figure::undefined("no trial beat all the others")
        } else {
            Figure::of(p.estimate(), "").with(Some(sample.interval(&p, options)))
        }
    };
    let promised: f64 = members.iter().map(|&j| -rates[j].value.unwrap_or(f64::NAN).ln()).sum();
    let worth = if promised.is_nan() {
        Figure::undefined("the failure rate is only known to lie in an interval")
    } else if !promised.is_finite() {
        Figure::undefined("never failed on an attack trial, so its nominal worth is unbounded")
    } else if promised <= 0.0 {
        Figure::undefined("always failed, so its nominal worth is 0")
    } else if let Some(c) = conditional.value {
        let scaled = |c: f64| -c.ln() / promised;
        // The interval of the conditional, mapped: decreasing, so that its ends change places.
        let interval =
            conditional.interval.and_then(|i| Interval::new(scaled(i.high.unwrap_or(1.0)), scaled(i.low.unwrap_or(0.0)), i.level, i.method));
        Figure::of(scaled(c), "no trial beat every layer; only a lower bound can be given").with(interval)
    } else {
        Figure::undefined("no trial beat all the others")
    };
    Contribution { name: name.to_owned(), members: Vec::new(), beta_without, conditional, worth: positive_zero(worth), shapley: None }
}

/// −0 is 0.
fn positive_zero(mut f: Figure) -> Figure {
    f.value = f.value.map(|v| v + 0.0);
    if let Some(i) = &mut f.interval {
        i.low = i.low.map(|v| v + 0.0);
        i.high = i.high.map(|v| v + 0.0);
    }
    f
}

/// Sharp bounds of P(all | others) from trials whose answers are open: β/β_{−j} with each open trial either way.
fn conditional_bounds(sample: &Sample, others: &[u64], all: &[u64]) -> Figure {
    let (mut sure, mut open_others, mut maybe) = (0.0, 0.0, 0.0);
    let mut failed_others = 0.0;
    for r in 0..sample.len() {
        match (sample.all_failed(r, others), sample.all_failed(r, all)) {
            (Some(true), Some(true)) => sure += sample.w[r],
            (Some(true), Some(false)) => failed_others += sample.w[r],
            (Some(true), None) => maybe += sample.w[r],
            (None, Some(false)) => open_others += sample.w[r],
            (None, _) => {
                maybe += sample.w[r];
            }
            (Some(false), _) => {}
        }
    }
    // Smallest: open trials join the others' failures and not ours. Largest: they join both, or neither.
    let low = sure / (sure + failed_others + open_others + maybe);
    let high = if sure + maybe > 0.0 { (sure + maybe) / (sure + maybe + failed_others) } else { 0.0 };
    if low.is_nan() { Figure::undefined("no trial can have beaten all the others") } else { Figure::between(low, high) }
}

/// Shapley shares of −ln β over complete rows, with linearised intervals. Undefined without a joint failure.
pub(crate) fn shapley(sample: &Sample, seed: Seed, options: RateOptions) -> Vec<Figure> {
    let k = sample.layers;
    let rows = sample.subset(|r| sample.complete(r));
    let weight = rows.weight();
    let all = LayerSet::all(k);
    if (0..rows.len()).all(|r| !rows.surely_failed(r, all.words())) {
        return vec![Figure::undefined("no trial beat every layer, so −ln β is not bounded"); k];
    }
    if k <= EXACT_SHAPLEY {
        return exact_shapley(&rows, weight, options);
    }
    sampled_shapley(&rows, weight, seed, options)
}

fn exact_shapley(rows: &Sample, weight: f64, options: RateOptions) -> Vec<Figure> {
    let k = rows.layers;
    let size = 1usize << k;
    let mut beta = vec![0.0; size];
    (0..rows.len()).for_each(|r| beta[rows.failed(r)[0] as usize] += rows.w[r] / weight);
    // Sum over supersets: β_S for every S.
    for i in 0..k {
        for s in 0..size {
            if s >> i & 1 == 0 {
                beta[s] += beta[s | 1 << i];
            }
        }
    }
    beta[0] = 1.0;
    let ln_beta: Vec<f64> = beta.iter().map(|b| b.ln()).collect();
    // |S|! (k−|S|−1)! / k!
    let coefficient: Vec<f64> = (0..k).map(|s| 1.0 / (k as f64 * binomial(k - 1, s))).collect();
    (0..k)
        .into_par_iter()
        .map(|j| {
            let mut value = 0.0;
            // Influence of a row with failed set f: −Σ_{S⊆f} c_j(S)/β_S, by a sum over subsets.
            let mut influence = vec![0.0; size];
            for s in 0..size {
                let members = (s as u64).count_ones() as usize;
                let c = if s >> j & 1 == 1 { coefficient[members - 1] } else { -coefficient[members.min(k - 1)] };
                value -= c * ln_beta[s];
                influence[s] = -c / beta[s];
            }
            for i in 0..k {
                for s in 0..size {
                    if s >> i & 1 == 1 {
                        influence[s] += influence[s ^ 1 << i];
                    }
                }
            }
            let d: Vec<f64> = (0..rows.len()).map(|r| influence[rows.failed(r)[0] as usize]).collect();
            Figure::of(value, "").with(rows.linearised_interval(value, &d, options.level))
        })
        .collect()
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

fn sampled_shapley(rows: &Sample, weight: f64, seed: Seed, options: RateOptions) -> Vec<Figure> {
    let k = rows.layers;
    // Distinct failed sets and their weights.
    let mut index: FxHashMap<&[u64], usize> = FxHashMap::default();
    let mut sets: Vec<(&[u64], f64)> = Vec::new();
    let of: Vec<usize> = (0..rows.len())
        .map(|r| {
            let at = *index.entry(rows.failed(r)).or_insert_with(|| {
                sets.push((rows.failed(r), 0.0));
                sets.len() - 1
            });
            sets[at].1 += rows.w[r] / weight;
            at
        })
        .collect();
    let tasks: Vec<(Vec<f64>, Vec<Vec<f64>>)> = (0..ORDERS)
        .into_par_iter()
        .map(|o| {
            let mut order: Vec<usize> = (0..k).collect();
            order.shuffle(&mut seed.stream(Purpose::Shapley, o));
            let mut value = vec![0.0; k];
            let mut influence = vec![vec![0.0; sets.len()]; k];
            for _ in 0..2 {
                order.reverse();
                let depth: Vec<usize> = sets.iter().map(|(f, _)| order.iter().take_while(|&&i| crate::layers::bit(f, i)).count()).collect();
                let mut beta = vec![0.0; k + 1];
                depth.iter().zip(&sets).for_each(|(&d, (_, w))| beta[d] += w);
                for m in (0..k).rev() {
                    beta[m] += beta[m + 1];
                }
                for m in 0..k {
                    let j = order[m];
                    value[j] += (beta[m] / beta[m + 1]).ln();
                    for (s, &d) in depth.iter().enumerate() {
                        let inside = |m: usize| if d >= m { 1.0 / beta[m] } else { 0.0 };
                        influence[j][s] += inside(m) - inside(m + 1);
                    }
                }
            }
            (value, influence)
        })
        .collect();
    let scale = 1.0 / (2 * ORDERS) as f64;
    (0..k)
        .map(|j| {
            let value: f64 = tasks.iter().map(|t| t.0[j]).sum::<f64>() * scale;
            let by_set: Vec<f64> = (0..sets.len()).map(|s| tasks.iter().map(|t| t.1[j][s]).sum::<f64>() * scale).collect();
            let d: Vec<f64> = of.iter().map(|&s| by_set[s]).collect();
            Figure::of(value, "").with(rows.linearised_interval(value, &d, options.level))
        })
        .collect()
}
