//! Which trials a budget buys.
//!
//! The variance of the stratified estimate Σ W_s β̂_s after m_s more trials is Σ W_s² E\[β_s(1 − β_s)\]/(n_s + m_s). Its minimum under Σ c_s m_s ≤ budget and m_s ≥ floor is
//! n_s + m_s = t·W_s·sqrt(E\[β_s(1 − β_s)\]/c_s) wherever that is above the floor, with one t for all strata (Neyman 1934, *Journal of the Royal Statistical
//! Society* 97, 558; by the conditions of Karush, Kuhn and Tucker). Strata share a Beta prior whose mean and strength are averaged over a grid by their marginal
//! likelihood (beta-binomial), so that one without failures is taken to be like the others rather than to be safe.

use crate::special::beta_quantile;
use libm::lgamma as ln_gamma;

/// Means of the shared prior that are tried, evenly spaced in their logarithm.
const MEANS: u32 = 40;
/// Strengths of the shared prior that are tried, in trials: from strata that have nothing in common to strata that are all alike.
const STRENGTHS: u32 = 14;
const LEAST_STRENGTH: f64 = 0.5;
const MOST_STRENGTH: f64 = 1e4;
/// The largest mean that is tried.
const MOST_MEAN: f64 = 0.95;

/// What was seen in a stratum, as so many independent trials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Joint failures.
    pub failed: f64,
    /// Trials.
    pub trials: f64,
}

/// What a stratum's rate is taken to be: Beta(a, b).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Belief {
    pub a: f64,
    pub b: f64,
}

impl Belief {
    /// a/(a + b).
    pub(crate) fn mean(self) -> f64 {
        self.a / (self.a + self.b)
    }
    /// E\[β(1 − β)\] = ab/((a + b)(a + b + 1)).
    pub(crate) fn noise(self) -> f64 {
        let n = self.a + self.b;
        self.a * self.b / (n * (n + 1.0))
    }
}

/// The posterior of every stratum's rate under a prior that they share: Beta(μκ, (1 − μ)κ), κ log-uniform, μ ∝ (μ(1 − μ))^−½, both averaged over by the marginal likelihood of all
/// strata. The mixture is replaced by the Beta with its mean and variance.
pub(crate) fn beliefs(seen: &[Seen]) -> Vec<Belief> {
    let failed: f64 = seen.iter().map(|s| s.failed).sum();
    let trials: f64 = seen.iter().map(|s| s.trials).sum();
    let pooled = (failed + 0.5) / (trials + 1.0);
    let highest = seen.iter().map(|s| (s.failed + 0.5) / (s.trials + 1.0)).fold(pooled, f64::max);
    let between = |low: f64, high: f64, i: u32, many: u32| (low.ln() + (high.ln() - low.ln()) * f64::from(i) / f64::from(many - 1)).exp();
    let top = (30.0 * pooled).max(3.0 * highest).min(MOST_MEAN);
    let mut points = Vec::with_capacity((MEANS * STRENGTHS) as usize);
    for i in 0..STRENGTHS {
        let strength = between(LEAST_STRENGTH, MOST_STRENGTH, i, STRENGTHS);
        let together: f64 = seen.iter().map(|s| ln_gamma(strength + s.trials)).sum();
        for j in 0..MEANS {
            let mean = between(0.01 * pooled, top, j, MEANS);
            let (a, b) = (mean * strength, (1.0 - mean) * strength);
            let prior = 0.5 * mean.ln() - 0.5 * (-mean).ln_1p();
            let constant = ln_gamma(strength) - ln_gamma(a) - ln_gamma(b);
            let each: f64 = seen.iter().map(|s| ln_gamma(a + s.failed) + ln_gamma(b + s.trials - s.failed)).sum();
            points.push((a, b, prior + seen.len() as f64 * constant + each - together));
        }
    }
    let most = points.iter().map(|p| p.2).fold(f64::NEG_INFINITY, f64::max);
    points.iter_mut().for_each(|p| p.2 = (p.2 - most).exp());
    let all: f64 = points.iter().map(|p| p.2).sum();
    seen.iter()
        .map(|s| {
            let (mut first, mut second) = (0.0, 0.0);
            for &(a, b, weight) in &points {
                let (a, n) = (a + s.failed, a + b + s.trials);
                let mean = a / n;
                first += weight / all * mean;
                second += weight / all * mean * (a + 1.0) / (n + 1.0);
            }
            let variance = second - first * first;
            let size = first * (1.0 - first) / variance - 1.0;
            // Rounding can take the variance to 0 only where there are more trials than anybody makes.
            let size = if size.is_finite() && size > 0.0 { size } else { s.trials + 1.0 };
            Belief { a: first * size, b: (1.0 - first) * size }
        })
        .collect()
}

/// A stratum as the allocation sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stand {
    /// W_s: its share of operation.
    pub share: f64,
    /// W_s² E\[β_s(1 − β_s)\], over what one trial is worth.
    pub value: f64,
    /// Trials that there are, and one for the prior.
    pub so_far: f64,
    /// Cost of a trial.
    pub cost: f64,
}

/// Var β after some more trials in each stratum.
pub(crate) fn variance(strata: &[Stand], more: impl Fn(usize) -> f64) -> f64 {
    strata.iter().enumerate().filter(|(_, p)| p.value > 0.0).map(|(s, p)| p.value / (p.so_far + more(s))).sum()
}

/// What trials cost.
pub(crate) fn cost(strata: &[Stand], trials: &[f64]) -> f64 {
    strata.iter().zip(trials).map(|(p, m)| p.cost * m).sum()
}

/// Cost of one trial drawn in proportion to the shares.
pub(crate) fn mean_cost(strata: &[Stand]) -> f64 {
    strata.iter().map(|p| p.cost * p.share).sum()
}

/// The m_s ≥ least_s that minimise the variance under the budget, as real numbers. The budget must allow the least.
pub(crate) fn water_fill(strata: &[Stand], least: &[f64], budget: f64) -> Vec<f64> {
    let mut free: Vec<bool> = strata.iter().map(|p| p.value > 0.0).collect();
    // A stratum that is held at its least takes more than it would, so t only falls and none of them comes free again.
    loop {
        let (mut left, mut slope) = (budget, 0.0);
        for ((p, &l), &f) in strata.iter().zip(least).zip(&free) {
            if f {
                left += p.cost * p.so_far;
                slope += (p.value * p.cost).sqrt();
            } else {
                left -= p.cost * l;
            }
        }
        if slope <= 0.0 {
            return least.to_vec();
        }
        let t = left / slope;
        let m: Vec<f64> =
            strata.iter().zip(least).zip(&free).map(|((p, &l), &f)| if f { (p.value / p.cost).sqrt() * t - p.so_far } else { l }).collect();
        let mut settled = true;
        for ((f, &x), &l) in free.iter_mut().zip(&m).zip(least) {
            if *f && x < l {
                *f = false;
                settled = false;
            }
        }
        if settled {
            return m;
        }
    }
}

/// Whole trials: the water-filling rounded down, what is left to the largest remainders, and what is still left where it brings most.
fn whole(strata: &[Stand], least: &[f64], budget: f64) -> Vec<f64> {
    let exact = water_fill(strata, least, budget);
    let mut out: Vec<f64> = exact.iter().zip(least).map(|(x, l)| (x + 1e-9).floor().max(*l)).collect();
    let mut left = budget * (1.0 + 1e-12) - cost(strata, &out);
    let remainders: Vec<f64> = exact.iter().zip(&out).map(|(x, o)| x - o).collect();
    let mut order: Vec<usize> = (0..strata.len()).filter(|&s| strata[s].value > 0.0).collect();
    order.sort_by(|&a, &b| remainders[b].total_cmp(&remainders[a]).then(a.cmp(&b)));
    for &s in &order {
        if strata[s].cost <= left {
            out[s] += 1.0;
            left -= strata[s].cost;
        }
    }
    let gains: Vec<f64> = strata.iter().zip(&out).map(|(p, m)| p.value / ((p.so_far + m) * (p.so_far + m) * p.cost)).collect();
    order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]).then(a.cmp(&b)));
    for s in order {
        let more = (left / strata[s].cost).floor();
        if more >= 1.0 {
            out[s] += more;
            left -= more * strata[s].cost;
        }
    }
    out
}

/// New trials of each batch, by stratum: each batch is the best for the budget up to it, given the batches before. The floor comes first, as far as the money goes.
pub(crate) fn schedule(strata: &[Stand], floor: usize, budget: f64, batches: usize) -> Vec<Vec<f64>> {
    let round: f64 = strata.iter().filter(|p| p.value > 0.0).map(|p| p.cost).sum();
    let mut have = vec![0.0; strata.len()];
    let mut out = Vec::with_capacity(batches);
    for i in 1..=batches {
        let total = budget * i as f64 / batches as f64;
        let each = (floor as f64).min((total / round).floor());
        let raised: Vec<f64> = strata.iter().zip(&have).map(|(p, h): (&Stand, &f64)| if p.value > 0.0 { h.max(each) } else { *h }).collect();
        let least = if cost(strata, &raised) <= total { raised } else { have.clone() };
        let next = whole(strata, &least, total);
        out.push(next.iter().zip(&have).map(|(a, b)| (a - b).max(0.0)).collect());
        have = next;
    }
    out
}

/// How many trials in proportion to the shares leave this variance. `None` where no number does.
pub(crate) fn proportional_for(strata: &[Stand], target: f64) -> Option<f64> {
    let enough = |m: f64| variance(strata, |s| m * strata[s].share) <= target;
    if enough(0.0) {
        return Some(0.0);
    }
    first_that(enough, 1e-9)
}

/// The least positive number for which an increasing condition holds, to a relative precision; `None` beyond 10¹⁵.
pub(crate) fn first_that(holds: impl Fn(f64) -> bool, precision: f64) -> Option<f64> {
    let (mut low, mut high) = (0.0, 1.0);
    while !holds(high) {
        low = high;
        high *= 2.0;
        if high > 1e15 {
            return None;
        }
    }
    while high - low > precision * high {
        let mid = 0.5 * (low + high);
        if holds(mid) { high = mid } else { low = mid }
    }
    Some(high)
}

/// Ends of the interval of a rate with this mean and variance: quantiles of the Beta that has them. `None` where no Beta has.
pub(crate) fn ends(mean: f64, variance: f64, level: f64) -> Option<(f64, f64)> {
    let size = mean * (1.0 - mean) / variance - 1.0;
    let tail = 0.5 * (1.0 - level);
    let at = |p: f64| beta_quantile(p, mean * size, (1.0 - mean) * size);
    (size.is_finite() && size > 0.0).then(|| (at(tail), at(1.0 - tail)))
}

/// By which factor the rate may lie off either way: the square root of the upper over the lower end.
pub(crate) fn factor(mean: f64, variance: f64, level: f64) -> Option<f64> {
    let (low, high) = ends(mean, variance, level)?;
    (low > 0.0).then(|| (high / low).sqrt())
}
