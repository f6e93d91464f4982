//! Intervals of a proportion: independent trials, weights, clusters and crossed clusters.
//!
//! * Independent, unweighted trials: Clopper–Pearson, \[B(α/2; x, n−x+1), B(1−α/2; x+1, n−x)\], or Jeffreys.
//! * Otherwise Korn and Graubard (1998, *Survey Methodology* 24, 193): Clopper–Pearson at the effective size
//!   n* = p̂(1−p̂)/v̂, capped at the number of trials, with x* = n* p̂ and n* shrunk by (t_{N−1}/t_{df})². v̂ is
//!   the cluster-robust variance; for crossed factors Σ_f v_f − (F−1)·v_trial, never below the largest v_f
//!   (Cameron, Gelbach and Miller 2011). At p̂ = 0 or 1, n* = min_f (ΣW_c)²/ΣW_c².
//!
//! Korn and Graubard's upper limit can *fall* when a failure is added (one more failure in another cluster
//! makes the failures look less clustered). Ours never does: it is the largest of the upper limits of the
//! table as it is, of the table with no failure at all, and of the tables in which only the 1, 2, 3, … clusters
//! with most failures keep theirs.

use crate::figure::{Interval, IntervalMethod};
use crate::special::{beta_quantile, student_quantile};

/// Clopper–Pearson interval for `x` failures in `n` independent trials; both may be fractional.
///
/// ```
/// // No failure in 100 trials: up to 1 − 0.025^(1/100).
/// let i = coincide::clopper_pearson(0.0, 100.0, 0.95);
/// assert_eq!(i.low, Some(0.0));
/// assert!((i.high.unwrap() - (1.0 - 0.025f64.powf(0.01))).abs() < 1e-12);
/// ```
pub fn clopper_pearson(x: f64, n: f64, level: f64) -> Interval {
    let tail = 0.5 * (1.0 - level);
    let low = beta_quantile(tail, x, n - x + 1.0);
    let high = beta_quantile(1.0 - tail, x + 1.0, n - x);
    Interval { low: Some(low), high: Some(high), level, method: IntervalMethod::ClopperPearson }
}

/// Jeffreys interval: equal-tailed quantiles of Beta(x + ½, n − x + ½), with the end closed at 0 or n failures.
///
/// ```
/// let i = coincide::jeffreys(3.0, 10.0, 0.95);
/// assert!(i.low.unwrap() > 0.09 && i.high.unwrap() < 0.61);
/// ```
pub fn jeffreys(x: f64, n: f64, level: f64) -> Interval {
    let tail = 0.5 * (1.0 - level);
    let low = if x <= 0.0 { 0.0 } else { beta_quantile(tail, x + 0.5, n - x + 0.5) };
    let high = if x >= n { 1.0 } else { beta_quantile(1.0 - tail, x + 0.5, n - x + 0.5) };
    Interval { low: Some(low), high: Some(high), level, method: IntervalMethod::Jeffreys }
}

/// What a factor of clusters (or the trials themselves) contributes to the variance of a proportion.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lumps {
    /// Σ_c (Σ w y)².
    pub square: f64,
    /// Σ_c (Σ w y)(Σ w).
    pub cross: f64,
}

/// A factor's clusters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FactorTotals {
    /// Clusters with weight.
    pub clusters: f64,
    /// Clusters with a failure.
    pub with_failure: f64,
    /// Σ_c W_c².
    pub squared_weight: f64,
}

/// Failures of a table, or of one in which only some clusters keep theirs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    /// Σ w y.
    pub failed: f64,
    /// Σ w² y over trials.
    pub trial_square: f64,
    /// Per factor.
    pub lumps: Vec<Lumps>,
}

/// Everything the interval of one proportion needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proportion {
    /// Σ w over the domain.
    pub weight: f64,
    /// Trials in the domain.
    pub trials: f64,
    /// Σ w² over trials of the domain.
    pub trial_weight_square: f64,
    /// Each cluster factor; the trials themselves where there is none.
    pub factors: Vec<FactorTotals>,
    /// The table as it is.
    pub all: Failures,
    /// The tables in which only the 1, 2, 3, … most-failed clusters of a factor keep their failures.
    pub thinned: Vec<Failures>,
}

impl Proportion {
    pub(crate) fn estimate(&self) -> f64 {
        (self.all.failed / self.weight).clamp(0.0, 1.0)
    }

    /// Smallest (ΣW_c)²/ΣW_c² over the factors: the effective size when nothing has failed.
    fn kish(&self) -> f64 {
        self.factors.iter().map(|f| self.weight * self.weight / f.squared_weight).fold(f64::INFINITY, f64::min)
    }

    /// Degrees of freedom: clusters − 1 of the factor with fewest.
    pub(crate) fn df(&self) -> f64 {
        (self.factors.iter().map(|f| f.clusters).fold(f64::INFINITY, f64::min) - 1.0).max(1.0)
    }

    /// Whether some factor has too few clusters with a failure for its intervals to be taken at their word.
    pub(crate) fn few_clusters(&self) -> bool {
        self.factors.iter().any(|f| f.with_failure < ENOUGH_CLUSTERS as f64)
    }

    /// Cluster-robust variance of the proportion p̂ of `failures`.
    pub(crate) fn variance(&self, failures: &Failures) -> f64 {
        let p = failures.failed / self.weight;
        let centred = |l: Lumps, all: f64| (l.square - 2.0 * p * l.cross + p * p * all).max(0.0);
        let mut sum = 0.0;
        let mut largest = 0.0f64;
        for (&lumps, factor) in failures.lumps.iter().zip(&self.factors) {
            let c = factor.clusters;
            let v = centred(lumps, factor.squared_weight) * if c > 1.0 { c / (c - 1.0) } else { 1.0 };
            sum += v;
            largest = largest.max(v);
        }
        let trial = Lumps { square: failures.trial_square, cross: failures.trial_square };
        let shared = centred(trial, self.trial_weight_square);
        let multiway = sum - (self.factors.len() as f64 - 1.0) * shared;
        multiway.max(largest) / (self.weight * self.weight)
    }

    /// Korn–Graubard interval, monotone in the failures (see the module's page).
    pub(crate) fn korn_graubard(&self, level: f64) -> Interval {
        let at = |f: &Failures| self.at(level, f.failed / self.weight, self.variance(f));
        let whole = at(&self.all);
        if self.all.failed <= 0.0 || self.all.failed >= self.weight {
            return whole;
        }
        let high = self.thinned.iter().map(at).filter_map(|i| i.high).fold(whole.high, |a, b| a.map(|a| a.max(b)));
        Interval { high, ..whole }
    }

    /// Korn–Graubard interval for the rate `p` with variance `v` in this domain. Its upper end is at least that of
    /// no failure at all.
    pub(crate) fn at(&self, level: f64, p: f64, v: f64) -> Interval {
        let tail = 0.5 * (1.0 - level);
        let p = p.clamp(0.0, 1.0);
        let none = self.kish().min(self.trials);
        let trials = (self.trials - 1.0).max(1.0);
        let shrink = if self.df() >= trials {
            1.0
        } else {
            (student_quantile(1.0 - tail, trials) / student_quantile(1.0 - tail, self.df())).powi(2)
        };
        let n = if v > 0.0 { (p * (1.0 - p) / v).min(self.trials) * shrink } else { self.trials * shrink };
        let untouched = beta_quantile(1.0 - tail, 1.0, none);
        let (low, high) = if p >= 1.0 {
            (beta_quantile(tail, none, 1.0), 1.0)
        } else if p > 0.0 {
            (beta_quantile(tail, n * p, n * (1.0 - p) + 1.0), beta_quantile(1.0 - tail, n * p + 1.0, n * (1.0 - p)).max(untouched))
        } else {
            (0.0, untouched)
        };
        Interval { low: Some(low), high: Some(high), level, method: IntervalMethod::KornGraubard }
    }
}

/// How many of the most-failed clusters are tried. Thinning can only raise the limit while about three clusters
/// dominate, so this is generous.
pub(crate) const THINNED: usize = 32;

/// Clusters with a failure that a factor needs before its intervals are taken at their word.
pub(crate) const ENOUGH_CLUSTERS: usize = 10;
