//! Posterior predictive checks: would the model have produced what was seen?
//!
//! Every check is a rate: of one layer, of a pair, of exactly m failures, of sets of m layers, and of all failing. With effective size n*
//! (clusters make trials dependent: p̂(1 − p̂)/v̂ of the cluster-robust variance) and x = n*p̂ seen, the chance of at least x under one draw
//! is I_r(x, n* − x + 1) for the draw's rate r, the binomial tail continued to fractions; its mean over draws is the predictive
//! tail probability (Gelman, Meng and Stern 1996), without the noise of simulated replicates. The *tail is not reproduced* when
//! that of the all-fail count, on either side, is below 0.025.

use crate::estimate::curve;
use crate::layers::{LayerSet, bit, count};
use crate::model::Summary;
use crate::outcome::JointOutcomes;
use crate::pairs::pairs;
use crate::sample::Sample;
use crate::special::beta_cdf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observed rate against what the model predicts of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What is compared.
    pub what: String,
    /// The observed rate.
    pub observed: f64,
    /// Effective number of independent trials behind it.
    pub effective_trials: f64,
    /// Mean of the model's rate over its posterior draws.
    pub predicted: f64,
    /// Twice the smaller predictive tail probability, at most 1.
    pub p_value: f64,
}

/// Whether a model reproduces the count of trials on which all layers failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tail {
    /// Trials on which all layers failed.
    pub observed: f64,
    /// How many the model predicts on average.
    pub predicted: f64,
    /// Predictive probability of at least as many.
    pub at_least: f64,
    /// Predictive probability of at most as many.
    pub at_most: f64,
    /// Both are at least 0.025.
    pub reproduced: bool,
}

/// What was seen, as rates with their effective sizes.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// The all-fail count, and with every trial whose outcome is open counted as one.
    tail: Seen,
    tail_at_most: Seen,
    trials: f64,
    marginals: Vec<Option<Seen>>,
    pairs: Vec<Option<Seen>>,
    counts: Vec<Seen>,
    curve: Vec<Seen>,
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    rate: f64,
    size: f64,
}

impl Seen {
    fn of(sample: &Sample, p: &crate::interval::Proportion) -> Option<Self> {
        let size = if sample.independent() { p.trials } else { p.effective_trials() };
        (p.weight > 0.0).then(|| Seen { rate: p.estimate(), size })
    }
    /// Mean over draws of P(at least as many) and P(at most as many).
    fn tails(self, rates: impl Iterator<Item = f64>) -> (f64, f64) {
        let (x, n) = (self.size * self.rate, self.size);
        let (mut above, mut below, mut many) = (0.0, 0.0, 0.0);
        for r in rates {
            let r = r.clamp(0.0, 1.0);
            above += if x <= 0.0 { 1.0 } else { beta_cdf(r, 1.0 - r, x, n - x + 1.0) };
            below += if x >= n { 1.0 } else { 1.0 - beta_cdf(r, 1.0 - r, x + 1.0, n - x) };
            many += 1.0;
        }
        (above / many, below / many)
    }
}

/// Smallest tail probability of the all-fail count at which a model still reproduces the tail.
const TAIL: f64 = 0.025;

impl Observed {
    /// `pairs` are compared up to 64 layers; a pipeline that stopped early shows only its all-fail count unselected.
    pub(crate) fn new(table: &JointOutcomes, sample: &Sample, stops_early: bool) -> Self {
        let k = sample.layers;
        let all = LayerSet::all(k);
        // Trials of a pipeline that stopped early are determined unless an error hides an outcome; elsewhere only complete trials
        // are unselected.
        let tail = sample.proportion(|r| if stops_early { Some(sample.surely_failed(r, all.words())) } else { determined(sample, &all, r) });
        let tail_at_most =
            sample.proportion(|r| if stops_early { Some(sample.all_failed(r, all.words()) != Some(false)) } else { determined(sample, &all, r) });
        let full = !stops_early;
        let one = |i: usize| Seen::of(sample, &sample.proportion(|r| bit(sample.observed(r), i).then(|| bit(sample.failed(r), i))));
        let both = |(i, j)| Seen::of(sample, &sample.proportion(|r| determined(sample, &LayerSet::of(k, &[i, j]), r)));
        let exactly = |m: usize| Seen::of(sample, &sample.proportion(|r| sample.complete(r).then(|| count(sample.failed(r)) == m)));
        let counts: Vec<Seen> = if full { (0..=k).filter_map(exactly).collect() } else { Vec::new() };
        let complete = sample.subset(|r| sample.complete(r));
        let mut on_curve = Vec::new();
        if full && complete.len() > 0 {
            let weight = complete.weight();
            let mut shares = vec![0.0; k + 1];
            (0..complete.len()).for_each(|r| shares[count(complete.failed(r))] += complete.w[r] / weight);
            for (at, rate) in curve(&shares, k).into_iter().enumerate() {
                let share = |f: usize| crate::estimate::share_of_subsets(f, k, at + 1);
                let influence: Vec<f64> = (0..complete.len()).map(|r| share(count(complete.failed(r))) - rate).collect();
                let v = complete.linearised_variance(&influence);
                let spread = rate * (1.0 - rate);
                // A mean over sets varies less than an indicator, but rounding is no variance.
                on_curve.push(Seen { rate, size: if v > 1e-18 * spread { spread / v } else { tail.trials } });
            }
        }
        Observed {
            tail: Seen::of(sample, &tail).unwrap_or(Seen { rate: 0.0, size: 0.0 }),
            tail_at_most: Seen::of(sample, &tail_at_most).unwrap_or(Seen { rate: 0.0, size: 0.0 }),
            trials: tail.trials,
            marginals: if full { (0..k).map(one).collect() } else { Vec::new() },
            pairs: if full && k <= crate::analyze::RESAMPLED_PAIRS { pairs(k).map(both).collect() } else { Vec::new() },
            counts,
            curve: on_curve,
            names: table.layers().to_vec(),
        }
    }

    /// Whether pairs are compared.
    pub(crate) fn wants_pairs(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// Clusters' worth of joint failures: effective number of independent ones.
    pub(crate) fn joint_failures(&self) -> f64 {
        self.tail.rate * self.tail.size
    }

    /// The tail and all checks, for posterior draws of one model.
    pub(crate) fn compare(&self, draws: &[Summary]) -> (Tail, Vec<Check>) {
        let mean = |of: &dyn Fn(&Summary) -> f64| draws.iter().map(of).sum::<f64>() / draws.len() as f64;
        // Whatever open outcomes hold: at least as many as surely failed, at most as many as may have.
        let at_least = self.tail.tails(draws.iter().map(|d| d.ln_beta.exp())).0;
        let at_most = self.tail_at_most.tails(draws.iter().map(|d| d.ln_beta.exp())).1;
        let tail = Tail {
            observed: self.tail.rate * self.trials,
            predicted: self.trials * mean(&|d| d.ln_beta.exp()),
            at_least,
            at_most,
            reproduced: at_least >= TAIL && at_most >= TAIL,
        };
        let k = self.names.len();
        let mut out = Vec::new();
        let mut add = |what: String, seen: Option<Seen>, of: &dyn Fn(&Summary) -> f64| {
            let Some(seen) = seen else { return };
            let (above, below) = seen.tails(draws.iter().map(of));
            out.push(Check {
                what,
                observed: seen.rate,
                effective_trials: seen.size,
                predicted: mean(of),
                p_value: (2.0 * above.min(below)).min(1.0),
            });
        };
        for (i, seen) in self.marginals.iter().enumerate() {
            add(format!("{} fails", self.names[i]), *seen, &|d| d.marginals[i]);
        }
        for (at, ((i, j), seen)) in pairs(k).zip(&self.pairs).enumerate() {
            add(format!("{} and {} both fail", self.names[i], self.names[j]), *seen, &|d| d.pairs[at]);
        }
        for (m, seen) in self.counts.iter().enumerate() {
            add(format!("exactly {m} fail"), Some(*seen), &|d| d.counts[m]);
        }
        let curves: Vec<Vec<f64>> = draws.iter().map(Summary::curve).collect();
        for (m, seen) in self.curve.iter().enumerate().take(k.saturating_sub(1)).skip(1) {
            let (above, below) = seen.tails(curves.iter().map(|c| c[m]));
            let predicted = curves.iter().map(|c| c[m]).sum::<f64>() / curves.len() as f64;
            let what = format!("sets of {} fail, on average", m + 1);
            out.push(Check { what, observed: seen.rate, effective_trials: seen.size, predicted, p_value: (2.0 * above.min(below)).min(1.0) });
        }
        (tail, out)
    }
}

/// Whether all of `set` failed, where all of it was observed.
fn determined(sample: &Sample, set: &LayerSet, r: usize) -> Option<bool> {
    crate::layers::is_subset(set.words(), sample.observed(r)).then(|| sample.surely_failed(r, set.words()))
}
