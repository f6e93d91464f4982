//! Intervals of a proportion: independent trials, weights, clusters and crossed clusters.
//!
//! * Independent, unweighted trials: Clopper–Pearson, \[B(α/2; x, n−x+1), B(1−α/2; x+1, n−x)\], or Jeffreys.
//! * Otherwise Korn and Graubard (1998, *Survey Methodology* 24, 193): Clopper–Pearson at the effective size
//!   n* = p̂(1−p̂)/v̂, capped at the number of trials, with x* = n* p̂ and n* shrunk by (t_{N−1}/t_{df})². v̂ is
//!   the cluster-robust variance; for crossed factors Σ_f v_f − (F−1)·v_trial, never below the largest v_f
//!   (Cameron, Gelbach and Miller 2011). At p̂ = 0 or 1, n* = min_f (ΣW_c)²/ΣW_c².
//!
//! Korn and Graubard's upper limit can *fall* when a failure is added: one more failure in another cluster makes the
//! failures look less clustered, and the first failure of all ends the special case. Ours never falls: it is the largest
//! limit of any table with some of the failures taken away. That supremum needs no search. With T' of the weight of
//! failures left, Σx_c² is largest when the clusters with most failures keep theirs, so one walk over T' bounds the variance
//! of all such tables by q(T') − κT'² or (1−2p')q(T') + p'²ΣW_c², whichever is smaller; q(T') is that greedy sum of squares and κ =
//! 2·min W_c/ΣW − ΣW_c²/(ΣW)² the centring that holds for every table. Adding a failure only raises q and lengthens the walk.

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

/// A factor of clusters, or the trials themselves, as a proportion sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactorTotals {
    /// Σ_c (Σ w y)².
    pub square: f64,
    /// Σ_c (Σ w y)(Σ w).
    pub cross: f64,
    /// Failures per cluster, most first: weight of a cluster's failures, and how many clusters have that much.
    pub lumps: Vec<(f64, f64)>,
    /// Least Σw of a cluster.
    pub least_weight: f64,
    /// Clusters with weight.
    pub clusters: f64,
    /// Clusters with a failure.
    pub with_failure: f64,
    /// Σ_c W_c².
    pub squared_weight: f64,
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
    /// A weight that every trial reaches.
    pub least_weight: f64,
    /// Σ w y.
    pub failed: f64,
    /// Σ w² y.
    pub trial_square: f64,
    /// Each cluster factor; the trials themselves where there is none.
    pub factors: Vec<FactorTotals>,
}

impl Proportion {
    pub(crate) fn estimate(&self) -> f64 {
        (self.failed / self.weight).clamp(0.0, 1.0)
    }

    /// The sums of m times as many clusters on every factor, like those there are: trials grow by m to the number of crossed factors.
    pub(crate) fn grown(&self, m: f64) -> Proportion {
        let crossed = self.factors.len() as i32;
        let (trials, inside) = (m.powi(crossed), m.powi(crossed - 1));
        let factor = |f: &FactorTotals| FactorTotals {
            square: f.square * trials * inside,
            cross: f.cross * trials * inside,
            lumps: f.lumps.iter().map(|(size, many)| (size * inside, many * m)).collect(),
            least_weight: f.least_weight * inside,
            clusters: f.clusters * m,
            with_failure: f.with_failure * m,
            squared_weight: f.squared_weight * trials * inside,
        };
        Proportion {
            weight: self.weight * trials,
            trials: self.trials * trials,
            trial_weight_square: self.trial_weight_square * trials,
            least_weight: self.least_weight,
            failed: self.failed * trials,
            trial_square: self.trial_square * trials,
            factors: self.factors.iter().map(factor).collect(),
        }
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

    /// Cluster-robust variance of p̂.
    pub(crate) fn variance(&self) -> f64 {
        let p = self.failed / self.weight;
        let centred = |f: &FactorTotals| (f.square - 2.0 * p * f.cross + p * p * f.squared_weight).max(0.0);
        let trial = ((1.0 - 2.0 * p) * self.trial_square + p * p * self.trial_weight_square).max(0.0);
        self.multiway(&self.factors.iter().map(centred).collect::<Vec<_>>(), trial)
    }

    /// Effective number of independent trials: p̂(1 − p̂)/v̂, at most the trials; without or with only failures that of
    /// equal clusters.
    pub(crate) fn effective_trials(&self) -> f64 {
        let (p, v) = (self.failed / self.weight, self.variance());
        match v > 0.0 {
            true => (p * (1.0 - p) / v).min(self.trials),
            // Every cluster fails at the same rate: nothing is lost by clustering.
            false if p > 0.0 && p < 1.0 => self.trials,
            false => self.kish().min(self.trials),
        }
    }

    /// Σ_f v_f − (F−1)·v_trial, at least the largest v_f, from sums of squares.
    fn multiway(&self, squares: &[f64], trial: f64) -> f64 {
        let scaled = |(s, f): (&f64, &FactorTotals)| s * if f.clusters > 1.0 { f.clusters / (f.clusters - 1.0) } else { 1.0 };
        let each: Vec<f64> = squares.iter().zip(&self.factors).map(scaled).collect();
        let largest = each.iter().copied().fold(0.0, f64::max);
        let sum = each.iter().sum::<f64>() - (each.len() as f64 - 1.0) * trial;
        sum.max(largest) / (self.weight * self.weight)
    }

    /// The largest variance of a table in which failures of weight `left` are left.
    fn largest_variance(&self, left: f64) -> f64 {
        let p = left / self.weight;
        let squares: Vec<f64> = self
            .factors
            .iter()
            .map(|f| {
                let q = greedy_square(&f.lumps, left).min(f.square);
                // Negative where clusters differ much in size.
                let centring = 2.0 * f.least_weight / self.weight - f.squared_weight / (self.weight * self.weight);
                let by_size = (q - centring * left * left).max(0.0);
                // Σ x_c W_c ≥ Σ x_c², because a cluster's failures weigh at most what the cluster weighs.
                if p <= 0.5 { by_size.min((1.0 - 2.0 * p) * q + p * p * f.squared_weight) } else { by_size }
            })
            .collect();
        let trial = if p <= 0.5 { (1.0 - 2.0 * p) * self.least_weight * left + p * p * self.trial_weight_square } else { 0.0 };
        self.multiway(&squares, trial)
    }

    /// Korn–Graubard interval; its upper end is at least that of no failure at all.
    pub(crate) fn korn_graubard(&self, level: f64) -> Interval {
        Limits::new(self, level).interval(self.failed / self.weight, self.variance())
    }

    /// Korn–Graubard interval as it was published: with few clusters its upper end can lie below that of no failure at all.
    pub(crate) fn as_published(&self, level: f64) -> Interval {
        let (p, v) = (self.failed / self.weight, self.variance());
        let limits = Limits::new(self, level);
        let usual = limits.interval(p, v);
        if p > 0.0 && p < 1.0 { Interval { high: Some(limits.upper(p, v)), ..usual } } else { usual }
    }

    /// Korn–Graubard interval whose upper end never falls when a failure is added (see the module's page).
    pub(crate) fn never_falling(&self, level: f64) -> Interval {
        let limits = Limits::new(self, level);
        let whole = limits.interval(self.failed / self.weight, self.variance());
        if self.failed <= 0.0 || self.failed >= self.weight {
            return whole;
        }
        // Every number of failures while they are few, then every cluster's end: between those the limit is convex.
        let mut left: Vec<f64> = (1..=STEPS).map(|i| f64::from(i) * self.weight / self.trials).collect();
        for f in &self.factors {
            let mut sum = 0.0;
            for &(size, many) in f.lumps.iter().take(STEPS as usize) {
                left.extend((1..=many.min(f64::from(STEPS)) as u32).map(|i| sum + f64::from(i) * size));
                sum += size * many;
                left.push(sum);
            }
        }
        left.retain(|&l| l < self.failed);
        left.push(self.failed);
        left.sort_by(f64::total_cmp);
        // A cheap normal approximation says which tables come near the largest limit at all.
        let rough: Vec<f64> = left.iter().map(|&l| limits.rough(l / self.weight, self.largest_variance(l))).collect();
        let enough = 0.4 * rough.iter().copied().fold(0.0, f64::max);
        let upper = |l: f64| limits.upper(l / self.weight, self.largest_variance(l));
        let exact: Vec<f64> = left.iter().zip(&rough).map(|(&l, &r)| if r >= enough { upper(l) } else { 0.0 }).collect();
        let best = (0..left.len()).fold(0, |best, i| if exact[i] > exact[best] { i } else { best });
        let mut high = exact[best].max(whole.high.unwrap_or(1.0));
        if self.trial_weight_square.to_bits() != self.trials.to_bits() {
            // Weighted failures can be taken away by any amount: look closely wherever the largest limit may lie.
            left.insert(0, 0.0);
            let ends = |i: usize| exact[i].max(if i > 0 { exact[i - 1] } else { limits.untouched });
            let near = (0..exact.len()).filter(|&i| ends(i) >= 0.9 * high);
            high = near.map(|i| largest(upper, (left[i], left[i + 1]))).fold(high, f64::max);
        }
        Interval { high: Some(high), ..whole }
    }

    /// What [`Limits::interval`] needs for any rate in this domain.
    pub(crate) fn limits(&self, level: f64) -> Limits {
        Limits::new(self, level)
    }
}

/// What the limits of every table of one domain share.
pub(crate) struct Limits {
    level: f64,
    tail: f64,
    trials: f64,
    /// Effective size without a failure.
    none: f64,
    /// (t_{N−1}/t_df)².
    shrink: f64,
    /// Upper limit without a failure.
    untouched: f64,
}

impl Limits {
    fn new(p: &Proportion, level: f64) -> Self {
        let tail = 0.5 * (1.0 - level);
        let none = p.kish().min(p.trials);
        let trials = (p.trials - 1.0).max(1.0);
        let shrink = if p.df() >= trials { 1.0 } else { (student_quantile(1.0 - tail, trials) / student_quantile(1.0 - tail, p.df())).powi(2) };
        Limits { level, tail, trials: p.trials, none, shrink, untouched: beta_quantile(1.0 - tail, 1.0, none) }
    }
    /// Effective size at rate `p` with variance `v`.
    fn size(&self, p: f64, v: f64) -> f64 {
        if v > 0.0 { (p * (1.0 - p) / v).min(self.trials) * self.shrink } else { self.trials * self.shrink }
    }
    fn rough(&self, p: f64, v: f64) -> f64 {
        let n = self.size(p, v);
        p + 2.0 * (p * (1.0 - p) / n).sqrt() + 3.0 / n
    }
    fn upper(&self, p: f64, v: f64) -> f64 {
        let n = self.size(p, v);
        beta_quantile(1.0 - self.tail, n * p + 1.0, n * (1.0 - p))
    }
    /// Korn–Graubard interval for the rate `p` with variance `v`. Its upper end is at least that of no failure at all.
    pub(crate) fn interval(&self, p: f64, v: f64) -> Interval {
        let p = p.clamp(0.0, 1.0);
        let (low, high) = if p >= 1.0 {
            (beta_quantile(self.tail, self.none, 1.0), 1.0)
        } else if p > 0.0 {
            let n = self.size(p, v);
            (beta_quantile(self.tail, n * p, n * (1.0 - p) + 1.0), self.upper(p, v).max(self.untouched))
        } else {
            (0.0, self.untouched)
        };
        Interval { low: Some(low), high: Some(high), level: self.level, method: IntervalMethod::KornGraubard }
    }
}

/// Σ x² when failures of weight `left` are kept by the clusters with most of them.
fn greedy_square(lumps: &[(f64, f64)], mut left: f64) -> f64 {
    let mut square = 0.0;
    for &(size, many) in lumps {
        let whole = (left / size).floor().min(many);
        square += whole * size * size;
        left -= whole * size;
        if whole < many {
            return square + left * left;
        }
    }
    square
}

/// Largest value of a function with one peak, by golden section.
fn largest(f: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_894_9;
    let (mut a, mut b) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut fa, mut fb) = (f(a), f(b));
    let mut best = fa.max(fb);
    for _ in 0..45 {
        if fa < fb {
            (low, a, fa) = (a, b, fb);
            b = low + RATIO * (high - low);
            fb = f(b);
        } else {
            (high, b, fb) = (b, a, fa);
            a = high - RATIO * (high - low);
            fa = f(a);
        }
        best = best.max(fa).max(fb);
    }
    best
}

/// Failures taken away one by one, at most.
const STEPS: u32 = 128;

/// Clusters with a failure that a factor needs before its intervals are taken at their word.
pub(crate) const ENOUGH_CLUSTERS: usize = 10;
