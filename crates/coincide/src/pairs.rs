//! Dependence of two layers: every measure a reader may ask for, with its interval and a test.
//!
//! From the 2 × 2 table n11 (both failed), n10, n01, n00 and margins p₁ ≤ p₂:
//! lift p₁₁/(p₁p₂); φ; φ/φ_max with φ_max = √(p₁(1−p₂)/(p₂(1−p₁))) for φ > 0 and |φ_min| below 0; odds ratio
//! n11·n00/(n10·n01) (½ added to each cell only where one is empty, flagged); Yule's Q = (OR−1)/(OR+1); tetrachoric r;
//! error consistency κ (Geirhos et al. 2020); P(b fails | a failed). Crude and, where there are strata,
//! Cochran–Mantel–Haenszel stratified odds ratio side by side.

use crate::features::{Sums, TwoByTwo};
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::layers::bit;
use crate::percentile::percentile;
use crate::resample::Units;
use crate::sample::{RateOptions, Sample};
use crate::significance::{fisher, score_test};
use crate::special::student_quantile;
use crate::tetrachoric::tetrachoric;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two layers together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// First layer.
    pub a: String,
    /// Second layer.
    pub b: String,
    /// Σw of trials on which both were observed and both failed.
    pub both_failed: f64,
    /// Σw where only `a` failed.
    pub only_a_failed: f64,
    /// Σw where only `b` failed.
    pub only_b_failed: f64,
    /// Σw where neither failed.
    pub neither_failed: f64,
    /// P(both fail).
    pub p_both: Figure,
    /// p_ab / (p_a p_b): 1 if independent.
    pub lift: Figure,
    /// φ, the correlation of the two outcomes.
    pub phi: Figure,
    /// The largest |φ| that these two rates allow in φ's direction.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phi_bound: Option<f64>,
    /// φ over that bound.
    pub phi_relative: Figure,
    /// Odds ratio over all trials.
    pub odds_ratio: Figure,
    /// Whether ½ was added to every cell for the odds ratio, Q and the tetrachoric r, because one was empty.
    pub half_added: bool,
    /// Cochran–Mantel–Haenszel odds ratio within strata; absent without strata.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stratified_odds_ratio: Option<Figure>,
    /// Yule's Q.
    pub yules_q: Figure,
    /// Tetrachoric correlation.
    pub tetrachoric: Figure,
    /// Error consistency κ.
    pub kappa: Figure,
    /// P(a failed | b failed).
    pub a_given_b: Figure,
    /// P(b failed | a failed).
    pub b_given_a: Figure,
    /// Two-sided p-value for independence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_value: Option<f64>,
    /// The same after Benjamini–Hochberg over all tests of the analysis.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_adjusted: Option<f64>,
    /// Which test.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test: Option<Test>,
}

/// Which test of independence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Fisher's exact test: independent, unweighted trials.
    Fisher,
    /// Score test with a (multiway) cluster-robust variance on Student's t.
    ClusterRobustScore,
}

/// Statistics of one pair, in this order; NaN where undefined.
const STATISTICS: usize = 10;
const LN_ODDS: usize = 3;
const LN_STRATIFIED_ODDS: usize = 9;

/// lift, φ, φ/φ bound, ln OR, Q, tetrachoric r, κ, P(b|a), P(a|b).
fn measures(t: TwoByTwo) -> [f64; 9] {
    let n = t.total();
    let (p, q) = t.margins();
    let p11 = t.n11 / n;
    let constant = !(p > 0.0 && p < 1.0 && q > 0.0 && q < 1.0);
    let lift = p11 / (p * q);
    let (a_given_b, b_given_a) = (p11 / q, p11 / p);
    let observed = (t.n11 + t.n00) / n;
    let expected = p * q + (1.0 - p) * (1.0 - q);
    let kappa = (observed - expected) / (1.0 - expected);
    if constant {
        return [lift, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, kappa, b_given_a, a_given_b];
    }
    let phi = phi(t);
    let odds_of = if t.has_empty_cell() { t.corrected() } else { t };
    let ln_odds = (odds_of.n11 * odds_of.n00 / (odds_of.n10 * odds_of.n01)).ln();
    let q_yule = (0.5 * ln_odds).tanh();
    [lift, phi, phi / phi_bound(p, q, phi), ln_odds, q_yule, tetrachoric(t).unwrap_or(f64::NAN), kappa, b_given_a, a_given_b]
}

fn phi(t: TwoByTwo) -> f64 {
    let denominator = (t.n11 + t.n10) * (t.n01 + t.n00) * (t.n11 + t.n01) * (t.n10 + t.n00);
    ((t.n11 * t.n00 - t.n10 * t.n01) / denominator.sqrt()).clamp(-1.0, 1.0)
}

/// The largest |φ| that margins p and q allow in the direction of φ.
fn phi_bound(p: f64, q: f64, phi: f64) -> f64 {
    let (p1, p2) = if p <= q { (p, q) } else { (q, p) };
    if phi >= 0.0 {
        (p1 * (1.0 - p2) / (p2 * (1.0 - p1))).sqrt()
    } else if p1 + p2 <= 1.0 {
        (p1 * p2 / ((1.0 - p1) * (1.0 - p2))).sqrt()
    } else {
        ((1.0 - p1) * (1.0 - p2) / (p1 * p2)).sqrt()
    }
}

/// ln of the Cochran–Mantel–Haenszel odds ratio.
fn ln_stratified_odds(sums: &Sums<'_>, i: usize, j: usize) -> f64 {
    let (mut same, mut differ) = (0.0, 0.0);
    for s in sums.strata() {
        let t = sums.layout.two_by_two(s, i, j);
        let n = t.total();
        if n > 0.0 {
            same += t.n11 * t.n00 / n;
            differ += t.n10 * t.n01 / n;
        }
    }
    if same <= 0.0 && differ > 0.0 { f64::NEG_INFINITY } else { (same / differ).ln() }
}

/// A pair's values without intervals, from its counts as shares of all trials.
pub(crate) fn point(names: &[String], at: (usize, usize), t: TwoByTwo) -> Pair {
    let values = measures(t);
    let figure = |s: usize| Figure::of(values[s], &why_undefined(names, at, t));
    let (p, q) = t.margins();
    Pair {
        a: names[at.0].clone(),
        b: names[at.1].clone(),
        lift: figure(0),
        phi: figure(1),
        phi_bound: values[1].is_finite().then(|| phi_bound(p, q, values[1])),
        phi_relative: figure(2),
        odds_ratio: exponentiate(figure(LN_ODDS)),
        yules_q: figure(4),
        tetrachoric: figure(5),
        kappa: figure(6),
        b_given_a: figure(7),
        a_given_b: figure(8),
        ..Pair::default()
    }
}

/// All pairs' statistics, pair after pair, as kept for every replicate.
pub(crate) fn replicate(sums: &Sums<'_>) -> Vec<f32> {
    let total = sums.total();
    let stratified = sums.strata().len() > 1;
    let mut out = Vec::with_capacity(sums.layout.k * (sums.layout.k - 1) / 2 * STATISTICS);
    for (i, j) in pairs(sums.layout.k) {
        out.extend(measures(sums.layout.two_by_two(&total, i, j)).map(|x| x as f32));
        out.push(if stratified { ln_stratified_odds(sums, i, j) as f32 } else { f32::NAN });
    }
    out
}

/// All (i, j) with i < j.
pub(crate) fn pairs(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(move |i| (i + 1..k).map(move |j| (i, j)))
}

/// Why a measure of two layers does not exist.
fn why_undefined(names: &[String], (i, j): (usize, usize), t: TwoByTwo) -> String {
    if t.total() <= 0.0 {
        return format!("{} and {} were never observed on the same trial", names[i], names[j]);
    }
    let (p, q) = t.margins();
    for (name, rate) in [(&names[i], p), (&names[j], q)] {
        if rate <= 0.0 {
            return format!("{name} never failed on these trials");
        }
        if rate >= 1.0 {
            return format!("{name} always failed on these trials");
        }
    }
    "the strata leave no discordant trial".into()
}

/// What the intervals of pairs are made from.
pub(crate) struct Evidence<'a> {
    pub sample: &'a Sample,
    pub units: &'a Units<'a>,
    pub sums: &'a Sums<'a>,
    /// One vector of [`replicate`] per bootstrap replicate; empty for the analytic intervals of large tables.
    pub replicates: &'a [Vec<f32>],
}

/// Every pair, with intervals and tests. `p_adjusted` is left for the caller, who knows all tests.
pub(crate) fn analyse(names: &[String], evidence: &Evidence<'_>, options: RateOptions) -> Vec<Pair> {
    let Evidence { sample, units, sums, replicates } = evidence;
    let layout = sums.layout;
    let total = sums.total();
    let list: Vec<(usize, usize)> = pairs(layout.k).collect();
    let tables: Vec<TwoByTwo> = list.iter().map(|&(i, j)| layout.two_by_two(&total, i, j)).collect();
    let stratified = sums.strata().len() > 1;
    let variances = (!sample.independent()).then(|| cluster_variances(sample, units, &list, &tables));
    let analytic = replicates.is_empty().then(|| analytic_variances(sample, units, &list, &tables));
    let base = sample.proportion(|_| Some(false));
    let limits = base.limits(options.level);
    let df = sample.df();
    let quantile = student_quantile(0.5 + 0.5 * options.level, df);
    let clusters = base.factors.iter().map(|f| f.clusters).fold(f64::INFINITY, f64::min);

    (0..list.len())
        .into_par_iter()
        .map(|p| {
            let (i, j) = list[p];
            let t = tables[p];
            let n = t.total();
            let mut pair = Pair {
                a: names[i].clone(),
                b: names[j].clone(),
                both_failed: t.n11,
                only_a_failed: t.n10,
                only_b_failed: t.n01,
                neither_failed: t.n00,
                ..Pair::default()
            };
            if n <= 0.0 {
                let none = || Figure::undefined(why_undefined(names, list[p], t));
                for f in [&mut pair.p_both, &mut pair.lift, &mut pair.phi, &mut pair.phi_relative, &mut pair.odds_ratio] {
                    *f = none();
                }
                for f in [&mut pair.yules_q, &mut pair.tetrachoric, &mut pair.kappa, &mut pair.a_given_b, &mut pair.b_given_a] {
                    *f = none();
                }
                return pair;
            }
            let values = measures(t);
            let mut column = vec![0.0f64; replicates.len()];
            let mut figure = |s: usize, value: f64| {
                let figure = Figure::of(value, &why_undefined(names, list[p], t));
                if figure.value.is_none() {
                    return figure;
                }
                if let Some(analytic) = &analytic {
                    let half = quantile * analytic[p][s].sqrt();
                    return figure.with(Interval::new(value - half, value + half, options.level, IntervalMethod::Linearised));
                }
                column.iter_mut().zip(*replicates).for_each(|(c, r)| *c = f64::from(r[p * STATISTICS + s]));
                figure.with(percentile(&mut column, clusters, options.level))
            };
            let (p_i, p_j) = t.margins();
            pair.lift = figure(0, values[0]);
            pair.phi = figure(1, values[1]);
            pair.phi_relative = figure(2, values[2]);
            pair.phi_bound = values[1].is_finite().then(|| phi_bound(p_i, p_j, values[1]));
            pair.odds_ratio = exponentiate(figure(LN_ODDS, values[LN_ODDS]));
            pair.yules_q = figure(4, values[4]);
            pair.tetrachoric = figure(5, values[5]);
            pair.kappa = figure(6, values[6]);
            pair.b_given_a = figure(7, values[7]);
            pair.a_given_b = figure(8, values[8]);
            // A rate of 0 or 1 never varies when resampled: its interval is that of a proportion, as is every exact one.
            for (f, other, own) in [(&mut pair.b_given_a, i, j), (&mut pair.a_given_b, j, i)] {
                if f.value.is_some_and(|v| sample.independent() || v <= 0.0 || v >= 1.0) {
                    let p = sample.proportion(|r| {
                        let (failed, observed) = (sample.failed(r), sample.observed(r));
                        (bit(failed, other) && bit(observed, own)).then(|| bit(failed, own))
                    });
                    f.interval = Some(sample.interval(&p, options));
                }
            }
            pair.half_added = values[LN_ODDS].is_finite() && t.has_empty_cell();
            if stratified {
                let value = ln_stratified_odds(sums, i, j);
                pair.stratified_odds_ratio = Some(if value == f64::NEG_INFINITY {
                    column.iter_mut().zip(*replicates).for_each(|(c, r)| *c = f64::from(r[p * STATISTICS + LN_STRATIFIED_ODDS]));
                    let interval = percentile(&mut column, clusters, options.level).and_then(|i| i.map(f64::exp));
                    Figure::of(0.0, "").with(interval.map(|i| Interval { low: Some(0.0), ..i }))
                } else if analytic.is_some() {
                    exponentiate(Figure::of(value, &why_undefined(names, list[p], t)))
                } else {
                    exponentiate(figure(LN_STRATIFIED_ODDS, value))
                });
            }
            let constant = !(p_i > 0.0 && p_i < 1.0 && p_j > 0.0 && p_j < 1.0);
            let (both, p_value) = match &variances {
                None => (crate::interval::clopper_pearson(t.n11, n, options.level), (!constant).then(|| fisher(t))),
                Some(v) => {
                    let score = t.n11 - n * p_i * p_j;
                    let p_value = if constant { None } else { score_test(score, v[p].score, df) };
                    let both = if layout.ragged {
                        // Both layers may have been observed in few of the clusters.
                        let p = sample.proportion(|r| {
                            let (failed, observed) = (sample.failed(r), sample.observed(r));
                            (bit(observed, i) && bit(observed, j)).then(|| bit(failed, i) && bit(failed, j))
                        });
                        sample.interval(&p, options)
                    } else {
                        limits.interval(t.n11 / n, v[p].both)
                    };
                    (both, p_value)
                }
            };
            pair.p_both = Figure::of(t.n11 / n, "").with(Some(both));
            pair.p_value = p_value;
            pair.test = p_value.map(|_| if variances.is_some() { Test::ClusterRobustScore } else { Test::Fisher });
            pair
        })
        .collect()
}

fn exponentiate(mut figure: Figure) -> Figure {
    figure.value = figure.value.map(f64::exp);
    figure.interval = figure.interval.and_then(|i| i.map(f64::exp));
    if let Some(i) = &mut figure.interval {
        // exp(−∞) = 0 is a bound like any other.
        i.low = Some(i.low.unwrap_or(0.0));
    }
    figure
}

struct PairVariance {
    /// Of the rate of failing together.
    both: f64,
    /// Of the score Σ w (y_i − p_i)(y_j − p_j).
    score: f64,
}

/// Cluster-robust (multiway) variances of each pair's joint rate and independence score.
fn cluster_variances(sample: &Sample, units: &Units<'_>, list: &[(usize, usize)], tables: &[TwoByTwo]) -> Vec<PairVariance> {
    let layout = units.layout();
    let margins: Vec<(f64, f64, f64)> = tables.iter().map(|t| (t.margins().0, t.margins().1, t.n11 / t.total())).collect();
    let combine = |own: &[f64], d: &mut [f64]| {
        for (p, &(i, j)) in list.iter().enumerate() {
            let t = layout.two_by_two(own, i, j);
            let (a, b, both) = margins[p];
            d[2 * p] = t.n11 - both * t.total();
            d[2 * p + 1] = t.n11 * (1.0 - a) * (1.0 - b) - t.n10 * (1.0 - a) * b - t.n01 * a * (1.0 - b) + t.n00 * a * b;
        }
    };
    let squares = units.squared_by_cluster(2 * list.len(), combine);
    let clusters = units.clusters_with_rows();
    // Trial level, to be taken out once per factor beyond the first; weights enter on average.
    let scale = sample.w2.iter().sum::<f64>() / sample.weight();
    tables
        .iter()
        .enumerate()
        .map(|(p, t)| {
            let (a, b, both) = margins[p];
            let n = t.total();
            let trial_both = n * both * (1.0 - both) * scale;
            let cell = |n: f64, x: f64, y: f64| n * ((x - a) * (y - b)).powi(2);
            let trial_score = (cell(t.n11, 1.0, 1.0) + cell(t.n10, 1.0, 0.0) + cell(t.n01, 0.0, 1.0) + cell(t.n00, 0.0, 0.0)) * scale;
            let multiway = |at: usize, trial: f64| {
                let each: Vec<f64> = squares.iter().zip(&clusters).map(|(s, &c)| s[at] * if c > 1.0 { c / (c - 1.0) } else { 1.0 }).collect();
                let largest = each.iter().copied().fold(0.0, f64::max);
                (each.iter().sum::<f64>() - (each.len() as f64 - 1.0) * trial).max(largest)
            };
            PairVariance { both: multiway(2 * p, trial_both) / (n * n), score: multiway(2 * p + 1, trial_score) }
        })
        .collect()
}

/// Linearised variances of the nine measures, for tables with too many layers to resample all pairs: g'Mg with the
/// gradient g in the four counts and M their second moments over clusters.
fn analytic_variances(sample: &Sample, units: &Units<'_>, list: &[(usize, usize)], tables: &[TwoByTwo]) -> Vec<[f64; 9]> {
    let layout = units.layout();
    let gradients: Vec<[[f64; 4]; 9]> = tables.par_iter().map(|&t| gradient(t)).collect();
    let dot = |g: &[f64; 4], t: TwoByTwo| g[0] * t.n11 + g[1] * t.n10 + g[2] * t.n01 + g[3] * t.n00;
    if sample.independent() {
        return tables
            .iter()
            .zip(&gradients)
            .map(|(t, g)| {
                // The measures do not change when all counts are scaled, so g·n = 0 and the mean drops out.
                g.map(|g| t.n11 * g[0] * g[0] + t.n10 * g[1] * g[1] + t.n01 * g[2] * g[2] + t.n00 * g[3] * g[3])
            })
            .collect();
    }
    let combine = |own: &[f64], d: &mut [f64]| {
        for (p, &(i, j)) in list.iter().enumerate() {
            let t = layout.two_by_two(own, i, j);
            gradients[p].iter().enumerate().for_each(|(s, g)| d[9 * p + s] = dot(g, t));
        }
    };
    let squares = units.squared_by_cluster(9 * list.len(), combine);
    // Crossed factors: the sum over factors without taking the shared part out, which is conservative.
    (0..list.len()).map(|p| std::array::from_fn(|s| squares.iter().map(|f| f[9 * p + s]).sum())).collect()
}

/// Central differences of the measures in the four counts.
fn gradient(t: TwoByTwo) -> [[f64; 4]; 9] {
    let mut out = [[0.0; 4]; 9];
    let step = 1e-5 * t.total();
    let base = if t.has_empty_cell() { t.corrected() } else { t };
    for c in 0..4 {
        let moved = |sign: f64| {
            let mut x = [base.n11, base.n10, base.n01, base.n00];
            let h = step.min(0.01 * x[c]);
            x[c] += sign * h;
            (measures(TwoByTwo { n11: x[0], n10: x[1], n01: x[2], n00: x[3] }), h)
        };
        let ((up, h), (down, _)) = (moved(1.0), moved(-1.0));
        for s in 0..9 {
            out[s][c] = if h > 0.0 { (up[s] - down[s]) / (2.0 * h) } else { 0.0 };
        }
    }
    out
}
