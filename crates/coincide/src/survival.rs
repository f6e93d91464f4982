//! How many tries something lasts: Kaplan–Meier curves whose intervals hold when lives come in clusters.
//!
//! A life is one attack on one goal (or one layer under it): it ends at the query at which it first failed, or is cut off (*censored*) at the last query that was made. With Y(u) lives that
//! were tried at least u times and d(u) that failed at try u, the share that lasts beyond t is S(t) = ∏_{u≤t} (1 − d(u)/Y(u)) (Kaplan and Meier 1958).
//!
//! Its variance comes from influence functions, ψ_i(t) = −S(t) Σ_{u≤t} (dN_i(u) − Y_i(u)h(u)) / (Y(u)(1 − h(u))) with h = d/Y, summed within clusters: v = C/(C−1) Σ_c (Σ_{i∈c} ψ_i)². For
//! lives that are clusters of their own Σψ² is Greenwood's formula exactly (cross terms of different tries cancel). The interval is Korn and Graubard's: Clopper–Pearson at the effective
//! number of lives n* = S(1−S)/v, at most the lives that are left in effect, shrunk by (t_{n−1}/t_{C−1})².

use crate::figure::{Figure, Interval, IntervalMethod};
use crate::interval::clopper_pearson;
use crate::special::student_quantile;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long one life was, in tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its cluster: lives of one cluster are not independent.
    pub cluster: u32,
    /// The try at which it failed, or the last that was made; from 1.
    pub tries: u64,
    /// Whether it failed; otherwise it was cut off.
    pub failed: bool,
}

/// A survival curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Survival {
    /// Lives.
    pub lives: u64,
    /// Clusters.
    pub clusters: u64,
    /// Lives that failed.
    pub failed: u64,
    /// The curve, where it was asked for.
    pub points: Vec<SurvivalPoint>,
    /// Tries within which half of the lives have failed; undefined where fewer have.
    pub median: Figure,
}

/// One point of a survival curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SurvivalPoint {
    /// Tries.
    pub tries: u64,
    /// Lives that were tried at least so often.
    pub at_risk: u64,
    /// Lives that had failed by then.
    pub failed: u64,
    /// P(it has failed by then), 1 − S.
    pub beaten: Figure,
}

/// Everything that points of one curve share.
struct Curve<'a> {
    lives: &'a [Life],
    /// Index of each life's cluster, and how many clusters there are.
    of: Vec<usize>,
    clusters: usize,
    steps: Vec<Step>,
    level: f64,
}

/// One try at which something failed.
struct Step {
    tries: u64,
    /// S after it.
    left: f64,
    /// 1/(Y(1 − h)): what a failure at it adds to a life's influence; infinite where nothing is left.
    own: f64,
    /// Σ h/(Y(1 − h)) up to it: what having been at risk takes away.
    risk: f64,
}

/// The curve at the tries `at` (ascending), with intervals of confidence `level`.
///
/// Points beyond the last try that anything saw are left out, unless everything had failed by then. Nothing is said of no lives: `None`.
///
/// ```
/// use coincide::{Life, survival};
/// // Ten goals: four beaten at the first query, two at the third, the others cut off after five.
/// let life = |goal: u32, tries, failed| Life { cluster: goal, tries, failed };
/// let lives: Vec<Life> = (0..10).map(|g| if g < 4 { life(g, 1, true) } else if g < 6 { life(g, 3, true) } else { life(g, 5, false) }).collect();
/// let s = survival(&lives, &[1, 2, 3, 5, 100], 0.95).unwrap();
/// let beaten: Vec<f64> = s.points.iter().map(|p| p.beaten.value.unwrap()).collect();
/// assert!((beaten[0] - 0.4).abs() < 1e-12 && (beaten[2] - 0.6).abs() < 1e-12);
/// assert_eq!((s.points.len(), s.median.value), (4, Some(3.0)));
/// ```
pub fn survival(lives: &[Life], at: &[u64], level: f64) -> Option<Survival> {
    let last = lives.iter().map(|l| l.tries).max()?;
    let curve = Curve::new(lives, level);
    let points = at
        .iter()
        .filter(|t| **t <= last || curve.steps.last().is_some_and(|s| s.left <= 0.0))
        .map(|&tries| {
            let (beaten, interval) = curve.at(tries);
            SurvivalPoint {
                tries,
                at_risk: lives.iter().filter(|l| l.tries >= tries).count() as u64,
                failed: lives.iter().filter(|l| l.failed && l.tries <= tries).count() as u64,
                beaten: Figure::of(beaten, "").with(Some(interval)),
            }
        })
        .collect();
    let failed = lives.iter().filter(|l| l.failed).count() as u64;
    Some(Survival { lives: lives.len() as u64, clusters: curve.clusters as u64, failed, points, median: curve.median() })
}

impl<'a> Curve<'a> {
    fn new(lives: &'a [Life], level: f64) -> Self {
        let mut index: FxHashMap<u32, usize> = FxHashMap::default();
        let of = lives
            .iter()
            .map(|l| {
                let next = index.len();
                *index.entry(l.cluster).or_insert(next)
            })
            .collect();
        let mut sorted: Vec<&Life> = lives.iter().collect();
        sorted.sort_by_key(|l| l.tries);
        let (mut left, mut risk, mut gone) = (1.0, 0.0, 0);
        let mut steps = Vec::new();
        for same in sorted.chunk_by(|a, b| a.tries == b.tries) {
            let at_risk = (lives.len() - gone) as f64;
            gone += same.len();
            let failed = same.iter().filter(|l| l.failed).count() as f64;
            if failed > 0.0 {
                let h = failed / at_risk;
                left *= 1.0 - h;
                let own = 1.0 / (at_risk * (1.0 - h));
                risk += h * own;
                steps.push(Step { tries: same[0].tries, left, own, risk });
            }
        }
        Curve { lives, of, clusters: index.len(), steps, level }
    }

    /// The last step up to a try.
    fn step(&self, tries: u64) -> Option<&Step> {
        self.steps.partition_point(|s| s.tries <= tries).checked_sub(1).map(|i| &self.steps[i])
    }

    /// 1 − S at a try, and its interval.
    fn at(&self, tries: u64) -> (f64, Interval) {
        let tail = 0.5 * (1.0 - self.level);
        let (n, c) = (self.lives.len() as f64, self.clusters as f64);
        // Clusters that were tried so often, in effect.
        let mut sizes = vec![0.0; self.clusters];
        // Once nothing is left, those count that were there when the last failed.
        let when = self.steps.last().filter(|s| s.left <= 0.0).map_or(tries, |s| tries.min(s.tries));
        self.lives.iter().zip(&self.of).filter(|(l, _)| l.tries >= when).for_each(|(_, &c)| sizes[c] += 1.0);
        let total: f64 = sizes.iter().sum();
        let kish = (total * total / sizes.iter().map(|s| s * s).sum::<f64>()).max(1.0);
        let untouched = clopper_pearson(0.0, kish, self.level).high.unwrap_or(1.0);
        let closed = |low: f64, high: f64| Interval { low: Some(low), high: Some(high), level: self.level, method: IntervalMethod::KornGraubard };
        let Some(step) = self.step(tries) else { return (0.0, closed(0.0, untouched)) };
        if step.left <= 0.0 {
            // Few are left at the end, and more had failed by then than before: what was known before still holds.
            let before = self.steps.iter().rev().find(|s| s.left > 0.0).and_then(|s| self.at(s.tries).1.low).unwrap_or(0.0);
            return (1.0, closed(before.max(1.0 - untouched), 1.0));
        }
        let mut sums = vec![0.0; self.clusters];
        for (life, &c) in self.lives.iter().zip(&self.of) {
            let until = self.step(tries.min(life.tries));
            let own = if life.failed && life.tries <= tries { until.map_or(0.0, |s| s.own) } else { 0.0 };
            sums[c] += own - until.map_or(0.0, |s| s.risk);
        }
        let robust = if c > 1.0 { c / (c - 1.0) } else { 1.0 };
        let variance = robust * step.left * step.left * sums.iter().map(|s| s * s).sum::<f64>();
        let beaten = 1.0 - step.left;
        let size = if variance > 0.0 { (beaten * step.left / variance).min(n) } else { kish };
        let df = (c - 1.0).max(1.0);
        let shrink = if df >= n - 1.0 { 1.0 } else { (student_quantile(1.0 - tail, n - 1.0) / student_quantile(1.0 - tail, df)).powi(2) };
        let i = clopper_pearson(size * shrink * beaten, size * shrink, self.level);
        (beaten, closed(i.low.unwrap_or(0.0), i.high.unwrap_or(1.0).max(untouched)))
    }

    /// Tries within which half have failed: where the curve reaches a half, and where the ends of its interval do.
    fn median(&self) -> Figure {
        let half = |share: &dyn Fn(f64, Interval) -> f64| {
            let reached = |s: &&Step| {
                let (beaten, interval) = self.at(s.tries);
                share(beaten, interval) >= 0.5
            };
            self.steps.iter().find(reached).map(|s| s.tries as f64)
        };
        let Some(median) = half(&|beaten, _| beaten) else { return Figure::undefined("fewer than half have failed") };
        // Before anything has failed too, few lives leave open that half might have.
        let open = |tries: u64| self.at(tries).1.high.unwrap_or(1.0) >= 0.5;
        let first = self.steps.first().map_or(1, |s| s.tries);
        let low = if first > 1 && open(1) { 1.0 } else { half(&|_, i| i.high.unwrap_or(1.0)).unwrap_or(median) };
        let high = half(&|_, i| i.low.unwrap_or(0.0)).unwrap_or(f64::INFINITY);
        Figure::of(median, "").with(Interval::new(low, high, self.level, IntervalMethod::KornGraubard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand::Rng;

    fn life(cluster: u32, tries: u64, failed: bool) -> Life {
        Life { cluster, tries, failed }
    }

    /// Freireich's trial of 6-mercaptopurine, as in every textbook: S(6) = 0.857, S(10) = 0.753, S(23) = 0.448; standard errors 0.0764, 0.0963, 0.1346.
    #[test]
    fn the_textbooks_curve() {
        let times = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35];
        let failed = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
        let lives: Vec<Life> = times.iter().zip(failed).enumerate().map(|(i, (&t, f))| life(i as u32, t, f == 1)).collect();
        let curve = Curve::new(&lives, 0.95);
        for (t, s, error) in [(6, 0.8571, 0.0764), (10, 0.7529, 0.0963), (23, 0.4482, 0.1346)] {
            let step = curve.step(t).unwrap();
            assert!((step.left - s).abs() < 1e-4, "{t}: {}", step.left);
            // Greenwood, from influences one by one.
            let greenwood: f64 = lives
                .iter()
                .map(|l| {
                    let until = curve.step(t.min(l.tries));
                    let own = if l.failed && l.tries <= t { until.map_or(0.0, |s| s.own) } else { 0.0 };
                    (step.left * (own - until.map_or(0.0, |s| s.risk))).powi(2)
                })
                .sum();
            assert!((greenwood.sqrt() - error).abs() < 1e-4, "{t}: {}", greenwood.sqrt());
        }
        let s = survival(&lives, &[5, 6, 23, 36], 0.95).unwrap();
        assert_eq!((s.lives, s.clusters, s.failed, s.points.len()), (21, 21, 9, 3));
        assert_eq!(s.points[0].beaten.value, Some(0.0));
        assert_eq!(s.median.value, Some(23.0));
        assert_eq!((s.points[1].at_risk, s.points[1].failed), (21, 3));
    }

    #[test]
    fn ends_of_curves() {
        assert!(survival(&[], &[1], 0.95).is_none());
        // All fail at once; none fails; one cluster.
        let all: Vec<Life> = (0..20).map(|c| life(c, 3, true)).collect();
        let p = &survival(&all, &[3], 0.95).unwrap().points[0].beaten;
        assert!(p.value == Some(1.0) && p.interval.unwrap().low.unwrap() > 0.8);
        for p in &survival(&all, &[3, 9], 0.95).unwrap().points {
            assert!(p.beaten.interval.unwrap().low.unwrap() > 0.8, "{p:?}");
        }
        // One life says nothing about when half have failed.
        assert_eq!(survival(&[life(0, 4, true)], &[], 0.95).unwrap().median.interval.unwrap().low, Some(1.0));
        let none: Vec<Life> = (0..20).map(|c| life(c, 3, false)).collect();
        let p = &survival(&none, &[3], 0.95).unwrap().points[0].beaten;
        assert!(p.value == Some(0.0) && p.interval.unwrap().high.unwrap() < 0.2);
        let late: Vec<Life> = (0..20).map(|c| life(c, if c < 18 { 1 } else { 3 }, true)).collect();
        let p = &survival(&late, &[1, 3, 9], 0.95).unwrap().points;
        assert_eq!(p[2].beaten.value, Some(1.0));
        assert!(p[1].beaten.interval.unwrap().low >= p[0].beaten.interval.unwrap().low && p[0].beaten.interval.unwrap().low.unwrap() > 0.6);
        let one: Vec<Life> = (0..20).map(|i| life(0, 1 + i % 5, i % 2 == 0)).collect();
        let p = &survival(&one, &[1, 4], 0.95).unwrap().points;
        assert!(p.iter().all(|p| p.beaten.interval.unwrap().high.unwrap() > 0.9), "one cluster says next to nothing: {p:?}");
    }

    /// Clusters share how hard they are; some lives are cut off early, whatever their cluster is like.
    #[test]
    #[ignore = "slow"]
    fn slow_survival_intervals_cover() {
        const RUNS: u64 = 1000;
        let at = [1, 3, 10, 30];
        for (clusters, each, censored) in [(40, 5, true), (25, 8, false), (100, 1, true)] {
            let mut hit = [0u64; 4];
            let mut truth = [0.0; 4];
            // Rates a try: 0.01 or 0.2, half each.
            for (t, n) in truth.iter_mut().zip(at) {
                *t = 1.0 - 0.5 * (0.99f64.powi(n as i32) + 0.8f64.powi(n as i32));
            }
            for run in 0..RUNS {
                let mut rng = Seed(31).stream(Purpose::Simulation, run + 10_000 * u64::from(clusters));
                let lives: Vec<Life> = (0..clusters)
                    .flat_map(|c| {
                        let rate = if rng.random_bool(0.5) { 0.01 } else { 0.2 };
                        (0..each)
                            .map(|_| {
                                let cut = if censored { rng.random_range(5..=60) } else { 40 };
                                let first = (1..=cut).find(|_| rng.random_bool(rate));
                                life(c, first.unwrap_or(cut), first.is_some())
                            })
                            .collect::<Vec<_>>()
                    })
                    .collect();
                let s = survival(&lives, &at, 0.95).unwrap();
                for ((h, p), t) in hit.iter_mut().zip(&s.points).zip(truth) {
                    *h += u64::from(p.beaten.interval.unwrap().contains(t));
                }
            }
            for (h, t) in hit.iter().zip(at) {
                let coverage = *h as f64 / RUNS as f64;
                println!("{clusters} clusters of {each}, {t} tries: {coverage}");
                assert!(coverage > 0.935, "{clusters} clusters of {each}, {t} tries: {coverage}");
            }
        }
    }
}
