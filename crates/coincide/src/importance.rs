//! A rare rate from trials that were drawn where failures are: importance sampling, with clusters.
//!
//! Trials are drawn from a proposal q instead of the profile p whose rate is asked for, and each counts with w = p/q (Kahn and Marshall 1953). Everything is drawn on every cluster in turn, so
//! a cluster's mean x_c = Σ w y / n_c has mean β_c whatever q is, also where q was chosen in the light of earlier trials: then every term is unbiased given what came before it. The rate is
//! the mean of the x_c over clusters, its variance v = s²(x_c)/C over clusters, or s²(w y)/n where there is one cluster.
//!
//! The interval is β̂·exp(±t √v/β̂), t with C − 1 degrees of freedom: on the log scale, because sums of weights are skewed. Without a failure the upper end is
//! Clopper and Pearson's for m trials of plain sampling, m = min(n/max w, C): what p shows with rate β, a trial of q shows with rate β/max w at least, and trials of one cluster may stand or fall together.
//!
//! What q does not reach, only the part of it that is p itself can see (a *defensive* mixture, Hesterberg 1995): those trials are plain sampling, and what they say is kept beside the estimate.

use crate::figure::{Figure, Interval, IntervalMethod};
use crate::interval::clopper_pearson;
use crate::special::student_quantile;
use crate::survival::{Life, survival};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A trial that was drawn from a proposal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Its cluster.
    pub cluster: u32,
    /// p/q: how much likelier it is under the profile than it was here.
    pub weight: f64,
    /// Whether it came from the profile itself.
    pub plain: bool,
    /// Whether it failed; `None` where that is open.
    pub failed: Option<bool>,
}

/// A rate under the profile, from importance sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Importance {
    /// Trials.
    pub draws: u64,
    /// Clusters they are on.
    pub clusters: u64,
    /// Trials that failed.
    pub failures: u64,
    /// Trials that missing outcomes leave open; the interval holds either way.
    pub undetermined: u64,
    /// The rate under the profile.
    pub rate: Figure,
    /// The largest weight of a trial that failed, as a share of all failures' weights: near 1, one trial decides everything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heaviest: Option<f64>,
    /// Trials of plain sampling that one of these is worth: β̂(1 − β̂) over the variance of w y.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worth: Option<f64>,
    /// Trials that came from the profile itself.
    pub plain: u64,
    /// How many of those failed.
    pub plain_failures: u64,
    /// What those alone say: the bound on everything that the proposal does not reach.
    pub plain_rate: Figure,
}

/// Sums of one cluster.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    trials: f64,
    low: f64,
    high: f64,
    square: f64,
}

/// The rate under the profile, with an interval of confidence `level`. Nothing is said of no trials: `None`.
///
/// ```
/// use coincide::{Draw, importance};
/// // Failures are sought out: half of these trials fail, each of them 500 times likelier here than under the profile.
/// let draw = |i: u32| Draw { cluster: i % 20, weight: if i % 2 == 0 { 1.0 / 500.0 } else { 2.0 }, plain: false, failed: Some(i % 4 == 0) };
/// let i = importance((0..2000).map(draw), 0.95).unwrap();
/// assert!((i.rate.value.unwrap() - 0.25 / 500.0).abs() < 1e-12 && i.worth.unwrap() > 100.0);
/// ```
pub fn importance(draws: impl IntoIterator<Item = Draw>, level: f64) -> Option<Importance> {
    let mut by_cluster: BTreeMap<u32, Sums> = BTreeMap::new();
    let mut out = Importance {
        draws: 0,
        clusters: 0,
        failures: 0,
        undetermined: 0,
        rate: Figure::default(),
        heaviest: None,
        worth: None,
        plain: 0,
        plain_failures: 0,
        plain_rate: Figure::default(),
    };
    let (mut heaviest, mut most): (f64, f64) = (0.0, 0.0);
    let mut lives = Vec::new();
    for d in draws {
        let (low, high) = (d.failed == Some(true), d.failed != Some(false));
        out.draws += 1;
        out.failures += u64::from(low);
        out.undetermined += u64::from(d.failed.is_none());
        let s = by_cluster.entry(d.cluster).or_default();
        s.trials += 1.0;
        s.low += if low { d.weight } else { 0.0 };
        s.high += if high { d.weight } else { 0.0 };
        s.square += if high { d.weight * d.weight } else { 0.0 };
        most = most.max(d.weight);
        if low {
            heaviest = heaviest.max(d.weight);
        }
        if d.plain {
            out.plain += 1;
            out.plain_failures += u64::from(low);
            lives.push(Life { cluster: d.cluster, tries: 1, failed: high });
        }
    }
    if out.draws == 0 {
        return None;
    }
    let clusters: Vec<Sums> = by_cluster.into_values().collect();
    out.clusters = clusters.len() as u64;
    let n = out.draws as f64;
    // At least so many independent trials of plain sampling are these worth.
    let sure = n / most.max(f64::MIN_POSITIVE);
    let sure = if clusters.len() > 1 { sure.min(clusters.len() as f64) } else { sure };
    let untouched = || clopper_pearson(0.0, sure, level).high.unwrap_or(1.0);
    let low = estimate(&clusters, |s| s.low);
    let high = if out.undetermined > 0 { estimate(&clusters, |s| s.high) } else { low };
    let interval = Interval {
        low: Some(if low.0 > 0.0 { limit(low, clusters.len(), n, level, -1.0) } else { 0.0 }),
        high: Some(if high.0 > 0.0 { limit(high, clusters.len(), n, level, 1.0) } else { untouched() }.min(1.0)),
        level,
        method: IntervalMethod::ImportanceSampling,
    };
    out.rate = Figure::of(low.0, "").with(Some(interval));
    let total: f64 = clusters.iter().map(|s| s.low).sum();
    out.heaviest = (total > 0.0).then(|| heaviest / total);
    let mean = total / n;
    let variance = clusters.iter().map(|s| s.square).sum::<f64>() / n - mean * mean;
    out.worth = (total > 0.0 && out.undetermined == 0 && variance > 0.0 && mean < 1.0).then(|| mean * (1.0 - mean) / variance);
    out.plain_rate = match survival(&lives, &[1], level) {
        Some(s) => s.points.into_iter().next().map_or_else(|| Figure::undefined("no trial came from the profile itself"), |p| p.beaten),
        None => Figure::undefined("no trial came from the profile itself"),
    };
    Some(out)
}

/// The mean over clusters of the clusters' means, and its standard error.
fn estimate(clusters: &[Sums], sum: impl Fn(&Sums) -> f64) -> (f64, f64) {
    let c = clusters.len() as f64;
    let means: Vec<f64> = clusters.iter().map(|s| sum(s) / s.trials).collect();
    let mean = means.iter().sum::<f64>() / c;
    if let [only] = clusters {
        let variance = (only.square / only.trials - mean * mean).max(0.0) / (only.trials - 1.0).max(1.0);
        return (mean, variance.sqrt());
    }
    let variance = means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / (c - 1.0) / c;
    (mean, variance.sqrt())
}

/// One end: the estimate times exp(side·t·se/estimate).
fn limit((mean, error): (f64, f64), clusters: usize, trials: f64, level: f64, side: f64) -> f64 {
    let df = if clusters == 1 { trials - 1.0 } else { clusters as f64 - 1.0 };
    let t = student_quantile(0.5 * (1.0 + level), df.max(1.0));
    mean * (side * t * error / mean).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(cluster: u32, weight: f64, failed: Option<bool>) -> Draw {
        Draw { cluster, weight, plain: weight >= 1.0, failed }
    }

    #[test]
    fn what_little_says() {
        assert!(importance([], 0.95).is_none());
        // No failure: what the worst weight allows.
        let none = importance((0..1000).map(|i| draw(i % 10, if i % 2 == 0 { 5.0 } else { 0.1 }, Some(false))), 0.95).unwrap();
        let i = none.rate.interval.unwrap();
        assert_eq!((none.rate.value, i.low), (Some(0.0), Some(0.0)));
        assert_eq!(i.high, clopper_pearson(0.0, 10.0, 0.95).high);
        let alone = importance((0..1000).map(|i| draw(1, if i % 2 == 0 { 5.0 } else { 0.1 }, Some(false))), 0.95).unwrap();
        assert_eq!(alone.rate.interval.unwrap().high, clopper_pearson(0.0, 200.0, 0.95).high);
        assert!(none.worth.is_none() && none.heaviest.is_none());
        assert_eq!((none.plain, none.plain_failures), (500, 0));
        // One cluster: its own variance.
        let one = importance((0..1000).map(|i| draw(3, 0.01, Some(i % 2 == 0))), 0.95).unwrap();
        let (value, i) = (one.rate.value.unwrap(), one.rate.interval.unwrap());
        assert!((value - 0.005).abs() < 1e-12 && (i.high.unwrap() / value).ln() < 0.07, "{i:?}");
        assert!(one.plain_rate.value.is_none() && one.plain_rate.undefined.is_some());
        // What is open widens the interval on one side.
        let open = importance((0..1000).map(|i| draw(i % 50, 0.01, if i % 7 == 0 { None } else { Some(i % 2 == 0) })), 0.95).unwrap();
        let whole = importance((0..1000).map(|i| draw(i % 50, 0.01, Some(i % 7 != 0 && i % 2 == 0))), 0.95).unwrap();
        let (a, b) = (open.rate.interval.unwrap(), whole.rate.interval.unwrap());
        assert!(open.undetermined > 100 && a.low == b.low && a.high > b.high, "{a:?} {b:?}");
    }
}
