//! When the attacks to come differ from those tested: the pressure curve.
//!
//! Among all distributions of attacks within Kullback–Leibler divergence r of the tested one, all layers fail at a rate of at most
//! β*(r) = sup{b : b ln(b/β) + (1 − b) ln((1 − b)/(1 − β)) ≤ r} (Donsker–Varadhan; Ahmadi-Javid 2012 for risk measures of this kind); it reaches 1 at r = −ln β. Picking
//! the best of n draws spends at most r = ln n − (n − 1)/n (Beirami et al. 2024) and cannot exceed 1 − (1 − β)^n. A shift that can only reweigh known
//! regimes z with failure rates s_z is worst at w_z ∝ w_z exp(λ s_z).

use crate::figure::Figure;
use crate::special::logistic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest rate within KL radius `r` of a distribution with rate `beta`. 0 stays 0: what was never possible is not made possible by reweighing.
///
/// ```
/// let worst = coincide::worst_rate(6.0 / 629.0, 0.5);
/// assert!((worst - 0.21878766085733542).abs() < 1e-12);
/// assert_eq!(coincide::worst_rate(0.3, 2.0), 1.0);
/// ```
pub fn worst_rate(beta: f64, radius: f64) -> f64 {
    if beta <= 0.0 || radius <= 0.0 {
        return beta.clamp(0.0, 1.0);
    }
    if beta >= 1.0 || radius >= -beta.ln() {
        return 1.0;
    }
    // In the logit t of b, where both b and 1 − b keep their digits.
    let divergence = |t: f64| {
        let (b, c) = (logistic(t), logistic(-t));
        let part = |x: f64, of: f64| if x > 0.0 { x * (x.ln() - of) } else { 0.0 };
        part(b, beta.ln()) + part(c, (-beta).ln_1p())
    };
    let (mut low, mut high) = ((beta / (1.0 - beta)).ln(), 745.0);
    for _ in 0..120 {
        let mid = 0.5 * (low + high);
        if divergence(mid) <= radius { low = mid } else { high = mid }
    }
    logistic(0.5 * (low + high))
}

/// Largest Σ w_z s_z over reweighted regimes within KL radius `r`; weights need not be normalised, regimes without weight stay without.
pub fn worst_rate_confined(weights: &[f64], rates: &[f64], radius: f64) -> f64 {
    let total: f64 = weights.iter().sum();
    let list: Vec<(f64, f64)> = weights.iter().zip(rates).filter(|(w, _)| **w > 0.0).map(|(w, s)| (w / total, *s)).collect();
    let most = list.iter().map(|l| l.1).fold(0.0f64, f64::max);
    let at_most: f64 = list.iter().filter(|l| l.1 >= most).map(|l| l.0).sum();
    let mean: f64 = list.iter().map(|(w, s)| w * s).sum();
    if radius <= 0.0 || list.is_empty() {
        return mean;
    }
    if radius >= -at_most.ln() {
        return most;
    }
    // Tilted by λ: mean rate and divergence λ·mean − ln Σ w e^{λs}, both rising; exponents from the largest rate down, so nothing overflows.
    let tilted = |lambda: f64| {
        let (mut sum, mut first) = (0.0, 0.0);
        for (w, s) in &list {
            let e = w * (lambda * (s - most)).exp();
            sum += e;
            first += e * s;
        }
        let mean = first / sum;
        (mean, lambda * (mean - most) - sum.ln())
    };
    let (mut low, mut high) = (0.0, 1.0);
    while tilted(high).1 < radius && high < 1e300 {
        low = high;
        high *= 4.0;
    }
    for _ in 0..200 {
        let mid = 0.5 * (low + high);
        if tilted(mid).1 <= radius { low = mid } else { high = mid }
    }
    tilted(low).0.clamp(mean, most)
}

/// KL radius that picking the best of n draws spends at most: ln n − (n − 1)/n, in nats.
///
/// ```
/// assert_eq!(coincide::best_of_radius(1.0), 0.0);
/// assert!((coincide::best_of_radius(100.0) - (100f64.ln() - 0.99)).abs() < 1e-15);
/// ```
pub fn best_of_radius(n: f64) -> f64 {
    n.ln() - (n - 1.0) / n
}

/// 1 − (1 − p)^n.
pub(crate) fn any_of(p: f64, n: f64) -> f64 {
    if p >= 1.0 { 1.0 } else { -(n * (-p).ln_1p()).exp_m1() }
}

/// The most that picking the best of n draws can make of a rate: the smaller of β*(ln n − (n − 1)/n) and 1 − (1 − β)^n.
pub fn best_of(beta: f64, n: f64) -> f64 {
    worst_rate(beta, best_of_radius(n)).min(any_of(beta, n))
}

/// A point of the pressure curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PressurePoint {
    /// KL radius, in nats.
    pub radius: f64,
    /// For a point of best-of-n selection: n.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub best_of: Option<f64>,
    /// Worst rate at which all layers fail: from the estimate, and from the ends of its interval. From an estimate of 0 none follows.
    pub worst: Figure,
    /// The same starting from Πp_i; absent where the product is undefined or 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<f64>,
    /// Worst rate when the shift can only reweigh the observed strata.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confined: Option<f64>,
}

/// The pressure curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Points, by radius.
    pub points: Vec<PressurePoint>,
    /// Radius at which the estimate's curve reaches 1: −ln β.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certain_at: Option<f64>,
    /// The regimes of the confined curve: the strata's columns.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub regimes: Vec<String>,
}

/// Radii of the curve.
pub(crate) const RADII: [f64; 8] = [0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0];
/// Best-of-n marks.
pub(crate) const BEST_OF: [f64; 3] = [10.0, 100.0, 1000.0];

/// The curve of a rate with its interval. `regimes`: weights and rates of strata.
pub(crate) fn pressure(beta: &Figure, product: Option<f64>, regimes: Option<(&Vec<f64>, &Vec<f64>)>, columns: &[String]) -> Pressure {
    let point = |radius: f64, n: Option<f64>| {
        let worst = |b: f64| n.map_or_else(|| worst_rate(b, radius), |n| best_of(b, n));
        let estimate = match beta.value {
            Some(b) if b > 0.0 => Figure::of(worst(b), ""),
            Some(_) => Figure::undefined("no joint failure was seen: only the upper end of the interval can be moved"),
            None => Figure::undefined("the rate is not known"),
        };
        let interval = beta.interval.and_then(|i| i.map(worst));
        PressurePoint {
            radius,
            best_of: n,
            worst: estimate.with(interval),
            product: product.filter(|p| *p > 0.0).map(worst),
            confined: regimes.map(|(w, s)| worst_rate_confined(w, s, radius)),
        }
    };
    let mut points: Vec<PressurePoint> =
        RADII.iter().map(|&r| point(r, None)).chain(BEST_OF.iter().map(|&n| point(best_of_radius(n), Some(n)))).collect();
    points.sort_by(|a, b| a.radius.total_cmp(&b.radius));
    Pressure {
        points,
        certain_at: beta.value.filter(|b| *b > 0.0).map(|b| -b.ln()),
        regimes: if regimes.is_some() { columns.to_vec() } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agentdojo_as_computed_independently() {
        let beta = 6.0 / 629.0;
        for (r, want) in [(0.1, 0.07897955324291066), (0.5, 0.21878766085733542), (1.0, 0.35319701979953433), (2.0, 0.5755392690834001)] {
            assert!((worst_rate(beta, r) - want).abs() < 1e-8, "{r}: {}", worst_rate(beta, r));
        }
    }

    proptest! {
        /// A shift confined to regimes is never worse than any shift; both are β at radius 0; the divergence is spent exactly.
        #[test]
        fn confined_is_within_unconfined(w in proptest::collection::vec(0.01f64..1.0, 1..6), s in proptest::collection::vec(0.0f64..1.0, 6), r in 0.0f64..4.0) {
            let s = &s[..w.len()];
            let total: f64 = w.iter().sum();
            let beta: f64 = w.iter().zip(s).map(|(w, s)| w * s / total).sum();
            let (free, confined) = (worst_rate(beta, r), worst_rate_confined(&w, s, r));
            prop_assert!(confined <= free + 1e-12, "{confined} {free}");
            prop_assert!(confined >= beta - 1e-12);
            prop_assert!((worst_rate_confined(&w, s, 0.0) - beta).abs() < 1e-12 && worst_rate(beta, 0.0) == beta);
            if free < 1.0 && beta > 0.0 {
                let d = free * (free / beta).ln() + (1.0 - free) * ((1.0 - free) / (1.0 - beta)).ln();
                prop_assert!((d - r).abs() < 1e-9 * (1.0 + r));
            }
        }

        /// Two regimes, one that always fails and one that never does, are the free case.
        #[test]
        fn regimes_that_decide_everything_are_the_free_case(beta in 1e-6f64..0.9, r in 0.0f64..3.0) {
            let confined = worst_rate_confined(&[beta, 1.0 - beta], &[1.0, 0.0], r);
            prop_assert!((confined - worst_rate(beta, r)).abs() < 1e-9);
        }
    }
}
