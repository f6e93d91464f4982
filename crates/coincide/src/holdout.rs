//! Clusters that are left out whole: dealing them into folds, scoring models on them, and averaging models by those scores.
//!
//! With clusters, a cluster is a unit; without, every trial is one, and trials of one pattern in one fold are scored together.
//! Stacking (Yao, Vehtari, Simpson and Gelman 2018, *Bayesian Analysis* 13, 917) gives models the weights under which their
//! mixture would have predicted the units best.

use crate::patterns::{Clusters, Patterns};
use crate::random::{Purpose, Seed};
use rand::seq::SliceRandom;
use rand_distr::{Binomial, Distribution};

/// What is left out together.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// Fold in which it is left out.
    pub fold: usize,
    /// Patterns with weights.
    pub members: Vec<(u32, f64)>,
    /// How many units are alike.
    pub alike: f64,
}

/// Units dealt into folds.
#[derive(Debug, Clone)]
pub(crate) struct Folds {
    pub folds: usize,
    pub units: Vec<Unit>,
}

impl Folds {
    /// Deals clusters, or single trials, evenly into at most `folds` folds.
    pub(crate) fn deal(patterns: &Patterns, folds: usize, seed: Seed) -> Self {
        let mut rng = seed.stream(Purpose::Folds, 0);
        let mut units = Vec::new();
        match &patterns.clusters {
            Clusters::Of { members, .. } => {
                let mut order: Vec<usize> = (0..members.len()).collect();
                order.shuffle(&mut rng);
                let folds = folds.min(members.len());
                units.extend(order.iter().enumerate().map(|(at, &c)| Unit { fold: at % folds.max(1), members: members[c].clone(), alike: 1.0 }));
                Folds { folds, units }
            }
            Clusters::None => {
                for r in 0..patterns.len() {
                    let mut left = patterns.weight[r].floor();
                    let rest = patterns.weight[r] - left;
                    for fold in 0..folds {
                        let share = 1.0 / (folds - fold) as f64;
                        let mut here = if share >= 1.0 { left } else { Binomial::new(left as u64, share).map_or(0.0, |b| b.sample(&mut rng) as f64) };
                        left -= here;
                        if fold == r % folds {
                            here += rest;
                        }
                        if here > 0.0 {
                            units.push(Unit { fold, members: vec![(r as u32, 1.0)], alike: here });
                        }
                    }
                }
                Folds { folds, units }
            }
        }
    }

    /// Weights of the patterns without one fold.
    pub(crate) fn without(&self, fold: usize, weight: &[f64]) -> Vec<f64> {
        let mut out = weight.to_vec();
        for u in self.units.iter().filter(|u| u.fold == fold) {
            for &(r, w) in &u.members {
                out[r as usize] -= u.alike * w;
            }
        }
        // What is left of a pattern whose every trial was left out is rounding.
        out.iter_mut().zip(weight).for_each(|(o, w)| {
            if *o < 1e-9 * w {
                *o = 0.0;
            }
        });
        out
    }

    /// The scores of units from ln P(pattern) of each.
    pub(crate) fn scores(&self, fold: usize, ln_pattern: &[f64], scores: &mut [f64]) {
        for (u, s) in self.units.iter().zip(scores).filter(|(u, _)| u.fold == fold) {
            *s = u.members.iter().map(|&(r, w)| w * ln_pattern[r as usize]).sum();
        }
    }

    /// Number of units.
    pub(crate) fn len(&self) -> f64 {
        self.units.iter().map(|u| u.alike).sum()
    }

    /// Sum over units of what `of` gives, and the standard error of that sum.
    pub(crate) fn total(&self, of: impl Fn(usize) -> f64) -> (f64, f64) {
        let n = self.len();
        let sum: f64 = self.units.iter().enumerate().map(|(i, u)| u.alike * of(i)).sum();
        let mean = sum / n;
        let square: f64 = self.units.iter().enumerate().map(|(i, u)| u.alike * (of(i) - mean).powi(2)).sum();
        (sum, if n > 1.0 { (n * square / (n - 1.0)).sqrt() } else { 0.0 })
    }
}

/// Weights of models that maximise Σ_u ln Σ_m w_m e^{score}, by EM, which never leaves the simplex.
pub(crate) fn stack(folds: &Folds, scores: &[Vec<f64>]) -> Vec<f64> {
    let many = scores.len();
    let best: Vec<f64> = (0..folds.units.len()).map(|u| scores.iter().map(|s| s[u]).fold(f64::NEG_INFINITY, f64::max)).collect();
    let ratio: Vec<Vec<f64>> = scores.iter().map(|s| s.iter().zip(&best).map(|(s, b)| (s - b).exp()).collect()).collect();
    let mut weight = vec![1.0 / many as f64; many];
    let n = folds.len();
    for _ in 0..2000 {
        let mut next = vec![0.0; many];
        for (u, unit) in folds.units.iter().enumerate() {
            let total: f64 = weight.iter().zip(&ratio).map(|(w, r)| w * r[u]).sum();
            next.iter_mut().zip(&weight).zip(&ratio).for_each(|((x, w), r)| *x += unit.alike * w * r[u] / total);
        }
        let moved = next.iter().zip(&weight).map(|(a, b)| (a / n - b).abs()).fold(0.0, f64::max);
        weight = next.into_iter().map(|x| x / n).collect();
        if moved < 1e-9 {
            break;
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacking_finds_the_mixture_that_made_the_units() {
        // Units are heads or tails; one model says 0.9, the other 0.2; the truth is 0.55 = ½·0.9 + ½·0.2.
        let units = vec![Unit { fold: 0, members: vec![], alike: 55.0 }, Unit { fold: 0, members: vec![], alike: 45.0 }];
        let folds = Folds { folds: 1, units };
        let w = stack(&folds, &[vec![0.9f64.ln(), 0.1f64.ln()], vec![0.2f64.ln(), 0.8f64.ln()]]);
        assert!((w[0] - 0.5).abs() < 1e-5, "{w:?}");
    }
}
