//! Tables in which a pipeline stopped at the first layer that held: what is identified, and intervals for the rest.
//!
//! Every interval here is a bound of identification: it contains whatever the complete table would have shown.

use crate::estimate::share_of_subsets;
use crate::figure::{Figure, Interval, Range};
use crate::layers::{LayerSet, bit, count};
use crate::pairs::{Pair, pairs};
use crate::sample::{RateOptions, Sample};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step of a pipeline in fixed order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The layer asked at this step.
    pub layer: String,
    /// Trials that reached it.
    pub reached: f64,
    /// P(it fails | all earlier layers failed).
    pub rate: Figure,
    /// P(it and all earlier layers fail).
    pub prefix: Figure,
}

/// The steps of a fixed order.
pub(crate) fn steps(sample: &Sample, names: &[String], order: &[usize], options: RateOptions) -> Vec<Step> {
    let mut prefix = LayerSet::empty(sample.layers);
    order
        .iter()
        .map(|&i| {
            let before = prefix.clone();
            prefix.insert(i);
            let earlier = |r: usize| sample.all_failed(r, before.words()) == Some(true);
            let reached = sample.proportion(|r| if earlier(r) { sample.all_failed(r, prefix.words()) } else { None });
            Step {
                layer: names[i].clone(),
                reached: (0..sample.len()).filter(|&r| earlier(r)).map(|r| sample.n[r]).sum(),
                rate: if reached.weight > 0.0 {
                    Figure::of(reached.estimate(), "").with(Some(sample.interval(&reached, options)))
                } else {
                    Figure::undefined("no trial reached this layer")
                },
                prefix: sample.co_failure(prefix.words(), options),
            }
        })
        .collect()
}

/// Bounds of the mean rate at which m layers fail: open cells all held, or all failed.
pub(crate) fn curve_bounds(sample: &Sample, m: usize) -> (f64, f64) {
    let k = sample.layers;
    let (mut low, mut high) = (0.0, 0.0);
    for r in 0..sample.len() {
        let f = count(sample.failed(r));
        let open = k - count(sample.observed(r));
        low += sample.w[r] * share_of_subsets(f, k, m);
        high += sample.w[r] * share_of_subsets(f + open, k, m);
    }
    let weight = sample.weight();
    (low / weight, high / weight)
}

/// What a figure is known to be: its value twice, or its range.
pub(crate) fn ends(f: &Figure) -> Option<(f64, f64)> {
    match (f.value, f.identified) {
        (Some(v), _) => Some((v, v)),
        (None, Some(Range { low: Some(l), high: Some(h) })) => Some((l, h)),
        _ => None,
    }
}

/// Gap, efficiency and effective layers as ranges, from ranges of the rates and a value of β.
pub(crate) fn gap_ranges(beta: &Figure, rates: &[Figure]) -> Option<GapRanges> {
    let (beta_low, beta_high) = ends(beta)?;
    let rates: Vec<(f64, f64)> = rates.iter().map(ends).collect::<Option<_>>()?;
    let ln_low: f64 = rates.iter().map(|r| r.0.ln()).sum();
    let ln_high: f64 = rates.iter().map(|r| r.1.ln()).sum();
    let k = rates.len() as f64;
    // η = ln β / ln Π: smallest for the largest β and the smallest product.
    let efficiency = (beta_high.ln() / ln_low, beta_low.ln() / ln_high);
    let clean = |(a, b): (f64, f64)| (if a.is_nan() { 0.0 } else { a }, if b.is_nan() { f64::INFINITY } else { b });
    let efficiency = clean(efficiency);
    let imperfect = rates.iter().filter(|r| r.0 < 1.0).count() as f64;
    let surely = rates.iter().filter(|r| r.1 < 1.0).count() as f64;
    let range = |f: (f64, f64)| Figure::between(f.0, f.1);
    Some(GapRanges {
        product: range((ln_low.exp(), ln_high.exp())),
        log10_product: range((ln_low / std::f64::consts::LN_10, ln_high / std::f64::consts::LN_10)),
        gap: range((beta_low / ln_high.exp(), beta_high / ln_low.exp())),
        log10_gap: range(((beta_low.ln() - ln_high) / std::f64::consts::LN_10, (beta_high.ln() - ln_low) / std::f64::consts::LN_10)),
        efficiency: range(efficiency),
        effective_layers: range((surely.min(k) * efficiency.0, imperfect * efficiency.1)),
    })
}

/// Ranges of everything that is made from β and the product.
pub(crate) struct GapRanges {
    pub product: Figure,
    pub log10_product: Figure,
    pub gap: Figure,
    pub log10_gap: Figure,
    pub efficiency: Figure,
    pub effective_layers: Figure,
}

/// Range of a worth −ln c / −ln p from ranges of the conditional c and the rate p.
pub(crate) fn worth_range(conditional: &Figure, rate: &Figure) -> Figure {
    let (Some((c_low, c_high)), Some((p_low, p_high))) = (ends(conditional), ends(rate)) else {
        return Figure::undefined("neither the conditional nor the rate is bounded");
    };
    let ratio = |c: f64, p: f64| -c.ln() / -p.ln();
    let (low, high) = (ratio(c_high, p_low), ratio(c_low, p_high));
    Figure::between(if low.is_nan() { 0.0 } else { low.max(0.0) }, if high.is_nan() { f64::INFINITY } else { high })
}

/// Every pair as ranges: counts by the four ways an open trial can turn out, the measures enclosed by them.
pub(crate) fn pair_bounds(sample: &Sample, names: &[String], options: RateOptions) -> Vec<Pair> {
    let weight = sample.weight();
    let why = "some trials stopped before both layers were asked; see the bounds";
    pairs(sample.layers)
        .map(|(i, j)| {
            // [fails, holds, open] × [fails, holds, open]
            let mut n = [[0.0f64; 3]; 3];
            let state = |r: usize, l: usize| match (bit(sample.observed(r), l), bit(sample.failed(r), l)) {
                (false, _) => 2,
                (true, true) => 0,
                (true, false) => 1,
            };
            (0..sample.len()).for_each(|r| n[state(r, i)][state(r, j)] += sample.w[r] / weight);
            // Range of a cell: what is sure, plus everything that may still land there.
            let cell = |a: usize, b: usize| (n[a][b], n[a][b] + n[a][2] + n[2][b] + n[2][2]);
            let (both, only_i, only_j, neither) = (cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1));
            let open = n[2].iter().sum::<f64>() + n[0][2] + n[1][2];
            let rate = |sure: f64, maybe: f64| (sure, sure + maybe);
            let p = rate(n[0].iter().sum(), n[2].iter().sum());
            let q = rate(n[0][0] + n[1][0] + n[2][0], n[0][2] + n[1][2] + n[2][2]);
            let sd = |x: (f64, f64)| {
                let s = |x: f64| (x * (1.0 - x)).max(0.0).sqrt();
                let top = if x.0 <= 0.5 && x.1 >= 0.5 { 0.5 } else { s(x.0).max(s(x.1)) };
                (s(x.0).min(s(x.1)), top)
            };
            let (sp, sq) = (sd(p), sd(q));
            let covariance = (both.0 - p.1 * q.1, both.1 - p.0 * q.0);
            let over = |x: f64, small: f64, large: f64| if x >= 0.0 { x / small } else { x / large };
            let phi =
                ((-over(-covariance.0, sp.0 * sq.0, sp.1 * sq.1)).clamp(-1.0, 1.0), over(covariance.1, sp.0 * sq.0, sp.1 * sq.1).clamp(-1.0, 1.0));
            let phi = (if phi.0.is_nan() { -1.0 } else { phi.0 }, if phi.1.is_nan() { 1.0 } else { phi.1 });
            let quotient = |a: f64, b: f64, empty: f64| if b > 0.0 { a / b } else { empty };
            let odds = (quotient(both.0 * neither.0, only_i.1 * only_j.1, 0.0), quotient(both.1 * neither.1, only_i.0 * only_j.0, f64::INFINITY));
            let q_of = |o: f64| if o.is_finite() { (o - 1.0) / (o + 1.0) } else { 1.0 };
            let agree = (both.0 + neither.0, (both.0 + neither.0 + open).min(1.0));
            let expected = |p: f64, q: f64| p * q + (1.0 - p) * (1.0 - q);
            let corners = [expected(p.0, q.0), expected(p.0, q.1), expected(p.1, q.0), expected(p.1, q.1)];
            let (e_low, e_high) = corners.iter().fold((1.0f64, 0.0f64), |(l, h), &e| (l.min(e), h.max(e)));
            let kappa = |o: f64, e: f64| if e < 1.0 { (o - e) / (1.0 - e) } else { 1.0 };
            let share = |joint: (f64, f64), alone: (f64, f64)| {
                // joint/(joint + alone), increasing in the first and decreasing in the second.
                (quotient(joint.0, joint.0 + alone.1, 0.0), quotient(joint.1, joint.1 + alone.0, 1.0))
            };
            let b_given_a = share(both, only_i);
            let a_given_b = share(both, only_j);
            let figure = |(low, high): (f64, f64), _: &str| Figure { undefined: Some(why.into()), ..Figure::between(low, high) };
            let sure = |a: usize, b: usize| n[a][b] * weight;
            if open <= 0.0 {
                let t = crate::features::TwoByTwo { n11: sure(0, 0), n10: sure(0, 1), n01: sure(1, 0), n00: sure(1, 1) };
                return Pair {
                    both_failed: t.n11,
                    only_a_failed: t.n10,
                    only_b_failed: t.n01,
                    neither_failed: t.n00,
                    p_both: sample.co_failure(LayerSet::of(sample.layers, &[i, j]).words(), options),
                    ..crate::pairs::point(names, (i, j), t)
                };
            }
            Pair {
                a: names[i].clone(),
                b: names[j].clone(),
                both_failed: sure(0, 0),
                only_a_failed: sure(0, 1),
                only_b_failed: sure(1, 0),
                neither_failed: sure(1, 1),
                p_both: sample.co_failure(LayerSet::of(sample.layers, &[i, j]).words(), options),
                lift: figure((quotient(both.0, p.1 * q.1, 0.0), quotient(both.1, p.0 * q.0, f64::INFINITY)), ""),
                phi: figure(phi, ""),
                phi_bound: None,
                phi_relative: figure((-1.0, 1.0), ""),
                odds_ratio: figure(odds, ""),
                half_added: false,
                stratified_odds_ratio: None,
                yules_q: figure((q_of(odds.0), q_of(odds.1)), ""),
                tetrachoric: figure((if odds.0 > 1.0 { 0.0 } else { -1.0 }, if odds.1 < 1.0 { 0.0 } else { 1.0 }), ""),
                kappa: figure((kappa(agree.0, e_high).max(-1.0), kappa(agree.1, e_low).min(1.0)), ""),
                a_given_b: figure(a_given_b, ""),
                b_given_a: figure(b_given_a, ""),
                p_value: None,
                p_adjusted: None,
                test: None,
            }
        })
        .collect()
}

/// β_S under a recorded random order: among the trials whose first |S| layers are S, whether all of them failed. With an
/// order drawn independently of the trial this is unbiased (inverse probability weighting with the probability
/// that S comes first, which cancels within one S).
pub(crate) fn random_order_rate(sample: &Sample, set: &[u64], options: RateOptions) -> Figure {
    let p = sample.proportion(|r| if sample.starts_with(r, set) { sample.all_failed(r, set) } else { None });
    if p.weight <= 0.0 {
        return Figure::undefined("these layers never came first together");
    }
    Figure::of(p.estimate(), "").with(Some(sample.interval(&p, options)))
}

/// ln π and η under a recorded random order with linearised variances: ln β̂ and Σ ln p̂_i, each a mean over its own trials.
/// `None` without a joint failure, or when some layer never failed when it came first.
pub(crate) fn random_order_gap(sample: &Sample, level: f64) -> Option<RandomOrderGap> {
    let k = sample.layers;
    let weight = sample.weight();
    let all = LayerSet::all(k);
    let joint = |r: usize| sample.all_failed(r, all.words()) == Some(true);
    let beta = (0..sample.len()).filter(|&r| joint(r)).map(|r| sample.w[r]).sum::<f64>() / weight;
    let of_beta: Vec<f64> = (0..sample.len()).map(|r| f64::from(u8::from(joint(r))) / beta - 1.0).collect();
    let mut of_product = vec![0.0; sample.len()];
    let mut ln_product = 0.0;
    for i in 0..k {
        let set = LayerSet::of(k, &[i]);
        let first: Vec<usize> = (0..sample.len()).filter(|&r| sample.starts_with(r, set.words())).collect();
        let total: f64 = first.iter().map(|&r| sample.w[r]).sum();
        let p = first.iter().filter(|&&r| bit(sample.failed(r), i)).map(|&r| sample.w[r]).sum::<f64>() / total;
        ln_product += p.ln();
        for &r in &first {
            of_product[r] += (f64::from(u8::from(bit(sample.failed(r), i))) / p - 1.0) * weight / total;
        }
    }
    let (ln_gap, efficiency) = (beta.ln() - ln_product, beta.ln() / ln_product);
    if !ln_gap.is_finite() || !efficiency.is_finite() {
        return None;
    }
    let combine = |f: &dyn Fn(f64, f64) -> f64| of_beta.iter().zip(&of_product).map(|(&b, &p)| f(b, p)).collect::<Vec<f64>>();
    // d ln π = d ln β − d ln Π; dη = (d ln β − η d ln Π)/ln Π.
    Some(RandomOrderGap {
        ln_product,
        ln_gap,
        gap_interval: sample.linearised_interval(ln_gap, &combine(&|b, p| b - p), level),
        efficiency,
        efficiency_interval: sample.linearised_interval(efficiency, &combine(&|b, p| (b - efficiency * p) / ln_product), level),
    })
}

/// What [`random_order_gap`] gives.
pub(crate) struct RandomOrderGap {
    pub ln_product: f64,
    pub ln_gap: f64,
    pub gap_interval: Option<Interval>,
    pub efficiency: f64,
    pub efficiency_interval: Option<Interval>,
}
