//! All layers at once.
//!
//! * Variance ratio Var(#failures)/Σp_i(1−p_i): 1 if independent.
//! * Total correlation ΣH(Y_i) − H(Y), in nats (Watanabe 1960), minus its mean when the layers' columns are permuted
//!   against each other: the plain one is far from 0 under independence (0.60 nats at 10 layers and 629 trials).
//! * Knight and Leveson's (1986) test for "at least two fail": z = (K − N·P_more)/√(N·P_more(1−P_more)), P_more = 1 − P₀ − P₁
//!   under independence; for clustered or weighted trials the bootstrap interval of K/N − P_more instead.

use crate::estimate::at_least_two;
use crate::figure::{Figure, Interval};
use crate::layers::bit;
use crate::random::{Purpose, Seed};
use crate::resample::hypergeometric;
use crate::sample::Sample;
use rand::RngCore;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Dependence of the whole set in one number each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Together {
    /// Var(number of failures) over its value under independence.
    pub variance_ratio: Figure,
    /// Total correlation as plugged in, in nats. Biased upwards.
    pub total_correlation: Figure,
    /// Mean total correlation of permuted columns, the bias to subtract.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub permutation_baseline: Option<f64>,
    /// Total correlation minus the baseline.
    pub total_correlation_corrected: Figure,
    /// Knight and Leveson's comparison.
    pub knight_leveson: KnightLeveson,
}

/// Trials with at least two failures against what independence expects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct KnightLeveson {
    /// Trials (Σw) on which at least two layers failed.
    pub at_least_two: f64,
    /// Expected if independent.
    pub expected: f64,
    /// z, for independent trials only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub z: Option<f64>,
    /// K/N − P_more.
    pub excess: Figure,
}

/// Variance ratio and Knight–Leveson are resampled by the caller; this adds the total correlation.
pub(crate) fn total_correlation(rows: &Sample, seed: Seed, level: f64, out: &mut Together) {
    let weight = rows.weight();
    let p: Vec<f64> = (0..rows.layers)
        .into_par_iter()
        .map(|i| (0..rows.len()).filter(|&r| bit(rows.failed(r), i)).map(|r| rows.w[r]).sum::<f64>() / weight)
        .collect();
    // Rows by pattern, and the probability of each row's pattern.
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.par_sort_unstable_by(|&a, &b| rows.failed(a as usize).cmp(rows.failed(b as usize)).then(a.cmp(&b)));
    let mut probability = vec![0.0; rows.len()];
    let mut joint = 0.0;
    for same in order.chunk_by(|&a, &b| rows.failed(a as usize) == rows.failed(b as usize)) {
        let p = same.iter().map(|&r| rows.w[r as usize]).sum::<f64>() / weight;
        same.iter().for_each(|&r| probability[r as usize] = p);
        joint += entropy_term(p);
    }
    let single: f64 = p.iter().map(|&p| entropy_term(p) + entropy_term(1.0 - p)).sum();
    let value = single - joint;
    // Influence of a row: Σ −ln p_i(y_i) + ln P(y) − value.
    let alone: Vec<(f64, f64)> = p.iter().map(|&p| (-p.ln(), -(1.0 - p).ln())).collect();
    let influence: Vec<f64> = (0..rows.len())
        .into_par_iter()
        .map(|r| {
            let f = rows.failed(r);
            let sum: f64 = alone.iter().enumerate().map(|(i, a)| if bit(f, i) { a.0 } else { a.1 }).sum();
            sum + probability[r].ln() - value
        })
        .collect();
    let interval = rows.linearised_interval(value, &influence, level);
    out.total_correlation = Figure::of(value, "").with(interval);
    out.total_correlation_corrected = if rows.weighted {
        Figure::undefined("trials are weighted: permuting them has no exact counterpart")
    } else {
        let baseline = permutation_baseline(rows, seed, single);
        out.permutation_baseline = Some(baseline);
        Figure::of(value - baseline, "").with(interval.and_then(|i: Interval| i.map(|x| x - baseline)))
    };
}

/// −x ln x.
fn entropy_term(x: f64) -> f64 {
    if x > 0.0 { -x * x.ln() } else { 0.0 }
}

/// Mean total correlation when each layer's column is permuted by itself. The joint counts of permuted columns are
/// drawn directly, by splitting the trials layer by layer with hypergeometric draws.
fn permutation_baseline(rows: &Sample, seed: Seed, single: f64) -> f64 {
    let n = rows.trials().round() as u64;
    let failed: Vec<u64> =
        (0..rows.layers).map(|i| (0..rows.len()).filter(|&r| bit(rows.failed(r), i)).map(|r| rows.n[r]).sum::<f64>().round() as u64).collect();
    // Cost of one permutation: draws at most n per layer; its variance falls with n.
    let permutations = (20_000_000 / (n * rows.layers as u64).max(1)).clamp(2, 200);
    let total: f64 = (0..permutations)
        .into_par_iter()
        .map(|i| single - permuted_entropy(&failed, n, &mut seed.stream(Purpose::Permutation, i)))
        .collect::<Vec<f64>>()
        .iter()
        .sum();
    total / permutations as f64
}

fn permuted_entropy(failed: &[u64], n: u64, rng: &mut impl RngCore) -> f64 {
    let mut groups = vec![n];
    for &k in failed {
        if k == 0 || k == n {
            continue;
        }
        let (mut good, mut bad) = (k, n - k);
        let mut next = Vec::with_capacity(groups.len() * 2);
        for &g in &groups {
            let x = if g == good + bad { good } else { hypergeometric(rng, good, bad, g) };
            good -= x;
            bad -= g - x;
            next.extend([x, g - x].into_iter().filter(|&c| c > 0));
        }
        groups = next;
    }
    groups.iter().map(|&g| entropy_term(g as f64 / n as f64)).sum()
}

/// z and expectation for independent trials with rates `p`.
pub(crate) fn knight_leveson(at_least: f64, weight: f64, p: &[f64], independent: bool) -> KnightLeveson {
    let more = at_least_two(p);
    let z = (at_least - weight * more) / (weight * more * (1.0 - more)).sqrt();
    KnightLeveson {
        at_least_two: at_least,
        expected: weight * more,
        z: (independent && z.is_finite()).then_some(z),
        excess: Figure::of(at_least / weight - more, ""),
    }
}
