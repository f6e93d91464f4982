//! The joint failure rate, what independence would promise, and the gap between them.
//!
//! β = P(all k fail); independence gap π = β/Πp_i; dependence efficiency η = ln β / ln Πp_i; effective layers
//! k_eff = η × (layers with p_i < 1); co-failure curve β_m, the mean of β_S over subsets of size m, which for
//! complete rows with f failures is Σ w C(f, m)/C(k, m) / Σ w (the hypergeometric mean); under independence
//! e_m(p)/C(k, m) with e_m the elementary symmetric polynomial.

use crate::features::{Layout, Sums};
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::special::normal_quantile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One layer by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerRate {
    /// Name.
    pub layer: String,
    /// Attack trials on which it has an outcome.
    pub trials: f64,
    /// Of those, the trials on which it failed.
    pub failed: f64,
    /// P(the layer fails on an attack).
    pub rate: Figure,
    /// Trials without an outcome, by reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<MissingCount>,
}

/// How many trials lack an outcome for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissingCount {
    /// `not_run`, `censored_by:<layer>`, `error`, `abstain` or `unparsed`.
    pub reason: String,
    /// Trials.
    pub trials: f64,
}

/// All layers failing together, against independence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Joint {
    /// Attack trials.
    pub trials: f64,
    /// Trials on which every layer failed.
    pub all_failed: f64,
    /// β.
    pub beta: Figure,
    /// Clopper–Pearson interval of β as if trials were independent; only beside clusters, for comparison.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub beta_if_independent_trials: Option<Interval>,
    /// Πp_i: what multiplying the layers' rates promises.
    pub product: Figure,
    /// log10 Πp_i, for products too small to read.
    pub log10_product: Figure,
    /// Independence gap π = β/Πp_i.
    pub gap: Figure,
    /// log10 π.
    pub log10_gap: Figure,
    /// Dependence efficiency η = ln β/ln Πp_i.
    pub efficiency: Figure,
    /// Effective layers k_eff.
    pub effective_layers: Figure,
    /// For each cluster column: how many clusters there are and how many hold a joint failure.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub clusters: Vec<ClusterSpread>,
    /// Why the intervals should be read with care: what was seen, in words. Empty when there is nothing to say.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cautions: Vec<String>,
}

/// How joint failures spread over the clusters of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterSpread {
    /// The cluster column.
    pub column: String,
    /// Clusters.
    pub clusters: f64,
    /// Clusters with a joint failure.
    pub with_joint_failure: f64,
    /// β as the plain mean over clusters instead of over trials.
    pub beta_by_cluster: Figure,
    /// Whether larger clusters fail at a different rate (a difference of over two standard errors).
    pub informative_size: bool,
}

/// One point of the co-failure curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Number of layers.
    pub layers: usize,
    /// Mean rate at which that many layers all fail.
    pub rate: Figure,
    /// The same if layers were independent. For a pipeline that stopped early: at most this.
    pub independent: f64,
}

/// Statistics of the whole stack that every bootstrap replicate computes. NaN where one does not exist.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub ln_gap: f64,
    pub efficiency: f64,
    pub effective_layers: f64,
    pub variance_ratio: f64,
    /// K/N − P_more, K the trials with at least two failures.
    pub excess_two: f64,
    pub curve: Vec<f64>,
}

impl Whole {
    pub(crate) fn of(layout: &Layout, total: &[f64]) -> Self {
        let k = layout.k;
        let weight = total[Layout::WEIGHT];
        let p: Vec<f64> = (0..k).map(|i| total[layout.marginal(i)] / weight).collect();
        let h: Vec<f64> = (0..=k).map(|f| total[layout.failures(f)] / weight).collect();
        let beta = h[k];
        let ln_product: f64 = p.iter().map(|p| p.ln()).sum();
        let imperfect = p.iter().filter(|&&p| p < 1.0).count() as f64;
        let (ln_gap, efficiency) = if beta <= 0.0 {
            (f64::NEG_INFINITY, f64::INFINITY)
        } else if ln_product < 0.0 {
            (beta.ln() - ln_product, beta.ln() / ln_product)
        } else {
            (0.0, f64::NAN)
        };
        let mean: f64 = p.iter().sum();
        let second: f64 = h.iter().enumerate().map(|(f, h)| (f * f) as f64 * h).sum();
        let binomial: f64 = p.iter().map(|p| p * (1.0 - p)).sum();
        Whole {
            ln_gap,
            efficiency,
            effective_layers: efficiency * imperfect,
            variance_ratio: (second - mean * mean) / binomial,
            excess_two: h[2.min(k + 1)..].iter().sum::<f64>() - at_least_two(&p),
            curve: curve(&h, k),
        }
    }

    /// The statistics in a fixed order, for resampling.
    pub(crate) fn flat(&self) -> Vec<f64> {
        let mut out = vec![self.ln_gap, self.efficiency, self.effective_layers, self.variance_ratio, self.excess_two];
        out.extend(&self.curve);
        out
    }
}

/// Positions in [`Whole::flat`].
pub(crate) const LN_GAP: usize = 0;
pub(crate) const EFFICIENCY: usize = 1;
pub(crate) const EFFECTIVE: usize = 2;
pub(crate) const VARIANCE_RATIO: usize = 3;
pub(crate) const EXCESS_TWO: usize = 4;
pub(crate) const CURVE: usize = 5;

/// β_m for m = 1..=k from the shares h of rows with f failures, by the recurrence of C(f, m)/C(k, m) in m.
pub(crate) fn curve(h: &[f64], k: usize) -> Vec<f64> {
    let mut out = vec![0.0; k];
    for (f, &h) in h.iter().enumerate().filter(|(_, h)| **h > 0.0) {
        let mut share = h;
        for m in 1..=f {
            share *= (f - m + 1) as f64 / (k - m + 1) as f64;
            out[m - 1] += share;
        }
    }
    out
}

/// C(f, m)/C(k, m): the share of subsets of size m that failed when f of k layers did.
pub(crate) fn share_of_subsets(f: usize, k: usize, m: usize) -> f64 {
    if m > f {
        return 0.0;
    }
    (0..m).map(|i| (f - i) as f64 / (k - i) as f64).product()
}

/// e_m(p)/C(k, m) for m = 0..=k, by the average over subsets layer by layer, which neither overflows nor cancels.
pub(crate) fn independent_curve(p: &[f64]) -> Vec<f64> {
    let mut a = vec![0.0; p.len() + 1];
    a[0] = 1.0;
    for (j, &p) in p.iter().enumerate() {
        let j = (j + 1) as f64;
        for m in (1..=j as usize).rev() {
            let share = m as f64 / j;
            a[m] = (1.0 - share) * a[m] + share * p * a[m - 1];
        }
    }
    a
}

/// P(at least two of independent layers fail), without cancellation.
pub(crate) fn at_least_two(p: &[f64]) -> f64 {
    let (mut none, mut one, mut more) = (1.0, 0.0, 0.0);
    for &p in p {
        more += one * p;
        one = one * (1.0 - p) + none * p;
        none *= 1.0 - p;
    }
    more
}

/// Point estimates and, from `intervals`, the gap, efficiency and effective layers.
pub(crate) fn gap_figures(
    joint: &mut Joint,
    rates: &[Figure],
    whole: &Whole,
    level: f64,
    intervals: impl Fn(usize, f64) -> (Option<Interval>, Option<Interval>),
) {
    let p: Vec<f64> = rates.iter().filter_map(|r| r.value).collect();
    if p.len() < rates.len() {
        return;
    }
    let ln_product: f64 = p.iter().map(|p| p.ln()).sum();
    let no_failure = never_failed(&p);
    joint.product = Figure::of(ln_product.exp(), "");
    joint.log10_product = Figure::of(ln_product / std::f64::consts::LN_10, &no_failure);
    if joint.beta.value.is_some_and(|b| b > 0.0) {
        let figure = |at: usize, value: f64, why: &str| {
            let (interval, bca) = intervals(at, value);
            let mut f = Figure::of(value, why).with(interval);
            f.bca = bca;
            f
        };
        joint.log10_gap = figure(LN_GAP, whole.ln_gap, "");
        let scale = |i: Option<Interval>, f: &dyn Fn(f64) -> f64| i.and_then(|i| i.map(f));
        joint.gap = Figure::of(whole.ln_gap.exp(), "").with(scale(joint.log10_gap.interval, &f64::exp));
        joint.gap.bca = scale(joint.log10_gap.bca, &f64::exp);
        for i in [&mut joint.gap.interval, &mut joint.gap.bca].into_iter().flatten() {
            i.low = i.low.or(Some(0.0));
        }
        let log10 = |x: f64| x / std::f64::consts::LN_10;
        joint.log10_gap.value = joint.log10_gap.value.map(log10);
        joint.log10_gap.interval = scale(joint.log10_gap.interval, &log10);
        joint.log10_gap.bca = scale(joint.log10_gap.bca, &log10);
        joint.efficiency = figure(EFFICIENCY, whole.efficiency, "every layer always failed");
        joint.effective_layers = figure(EFFECTIVE, whole.effective_layers, "every layer always failed");
        return;
    }
    one_sided_gap(joint, rates, level);
}

/// No joint failure seen: one-sided, from the upper limit of β and simultaneous lower limits of the rates.
pub(crate) fn one_sided_gap(joint: &mut Joint, rates: &[Figure], level: f64) {
    let p: Vec<f64> = rates.iter().filter_map(|r| r.value).collect();
    let ln_product: f64 = p.iter().map(|p| p.ln()).sum();
    let no_failure = never_failed(&p);
    joint.product = Figure::of(ln_product.exp(), "");
    joint.log10_product = Figure::of(ln_product / std::f64::consts::LN_10, &no_failure);
    let imperfect = p.iter().filter(|&&p| p < 1.0).count() as f64;
    let why = "no trial beat every layer; only a bound can be given";
    for f in [&mut joint.gap, &mut joint.log10_gap, &mut joint.efficiency, &mut joint.effective_layers] {
        *f = Figure::undefined(if no_failure.is_empty() { why.to_owned() } else { no_failure.clone() });
    }
    let Some(beta_high) = joint.beta.interval.and_then(|i| i.high) else { return };
    let simultaneous: Option<f64> = rates.iter().map(|r| r.interval.and_then(|i| i.low).map(|l| widen(r.value, l, level, p.len()).ln())).sum();
    let Some(ln_low) = simultaneous.filter(|l| l.is_finite()) else { return };
    let one_sided = |low: Option<f64>, high: Option<f64>| Some(Interval { low, high, level, method: IntervalMethod::OneSided });
    joint.gap.interval = one_sided(Some(0.0), Some((beta_high.ln() - ln_low).exp()));
    joint.log10_gap.interval = one_sided(None, Some((beta_high.ln() - ln_low) / std::f64::consts::LN_10));
    joint.efficiency.interval = one_sided(Some(beta_high.ln() / ln_low), None);
    joint.effective_layers.interval = one_sided(Some(imperfect * beta_high.ln() / ln_low), None);
}

/// Why a product of rates is 0; empty if it is not.
fn never_failed(p: &[f64]) -> String {
    match p.iter().filter(|&&p| p <= 0.0).count() {
        0 => String::new(),
        1 => "one layer never failed, so the product of the rates is 0".to_owned(),
        n => format!("{n} layers never failed, so the product of the rates is 0"),
    }
}

/// The lower limit of a rate made simultaneous over `many` rates, on the logarithmic normal scale.
fn widen(value: Option<f64>, low: f64, level: f64, many: usize) -> f64 {
    let Some(value) = value.filter(|&v| v > 0.0) else { return low };
    let tail = 0.5 * (1.0 - level);
    let ratio = normal_quantile(tail / many as f64) / normal_quantile(tail);
    (value.ln() + ratio * (low.ln() - value.ln())).exp()
}

/// Sums of the complete rows and the statistics of the whole stack.
pub(crate) fn whole(sums: &Sums<'_>) -> Whole {
    Whole::of(sums.layout, &sums.total())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_curve_is_the_mean_over_subsets() {
        let p = [0.1, 0.5, 0.9, 0.3];
        let curve = independent_curve(&p);
        for m in 1..=4u32 {
            let subsets: Vec<u32> = (0u32..16).filter(|s| s.count_ones() == m).collect();
            let mean: f64 =
                subsets.iter().map(|s| (0..4).filter(|i| s >> i & 1 == 1).map(|i| p[i]).product::<f64>()).sum::<f64>() / subsets.len() as f64;
            assert!((curve[m as usize] - mean).abs() < 1e-15);
        }
    }

    #[test]
    fn at_least_two_of_tiny_rates_keeps_its_digits() {
        let p = [1e-10, 2e-10];
        assert!((at_least_two(&p) / 2e-20 - 1.0).abs() < 1e-12);
    }
}
