//! Pareto-smoothed importance sampling (Vehtari, Simpson, Gelman, Yao and Gabry 2024, *JMLR* 25(72)): what a posterior says
//! about a cluster it has not seen, from draws that have seen it.
//!
//! Leaving a cluster out reweights draw d by 1/P(cluster | d). The largest weights are replaced by quantiles of a generalised
//! Pareto distribution fitted to them (Zhang and Stephens 2009); its shape k says whether that can be trusted: below 0.7 it can.

/// One left-out cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeftOut {
    /// ln P(cluster | all other clusters).
    pub ln_score: f64,
    /// Shape of the weights' tail.
    pub pareto_k: f64,
}

/// ln P(cluster | others) from ln P(cluster | draw).
pub(crate) fn leave_out(ln_likelihood: &[f64]) -> LeftOut {
    let n = ln_likelihood.len();
    // ln weights, largest 0.
    let least = ln_likelihood.iter().copied().fold(f64::INFINITY, f64::min);
    let mut ln_weight: Vec<f64> = ln_likelihood.iter().map(|l| least - l).collect();
    let pareto_k = smooth(&mut ln_weight, ((0.2 * n as f64).min(3.0 * (n as f64).sqrt())).ceil() as usize);
    let most = ln_weight.iter().zip(ln_likelihood).map(|(w, l)| w + l).fold(f64::NEG_INFINITY, f64::max);
    let numerator: f64 = ln_weight.iter().zip(ln_likelihood).map(|(w, l)| (w + l - most).exp()).sum();
    let top = ln_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let denominator: f64 = ln_weight.iter().map(|w| (w - top).exp()).sum();
    LeftOut { ln_score: most + numerator.ln() - top - denominator.ln(), pareto_k }
}

/// Replaces the `many` largest weights by quantiles of the Pareto distribution fitted to them; returns its shape.
fn smooth(ln_weight: &mut [f64], many: usize) -> f64 {
    let n = ln_weight.len();
    if many < 5 || many >= n {
        return f64::INFINITY;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| ln_weight[a].total_cmp(&ln_weight[b]).then(a.cmp(&b)));
    let cut = ln_weight[order[n - many - 1]].exp();
    let excess: Vec<f64> = order[n - many..].iter().map(|&i| ln_weight[i].exp() - cut).collect();
    if excess[many - 1] <= 1e-12 {
        // All weights alike: nothing to smooth.
        return 0.0;
    }
    let (k, sigma) = pareto_fit(&excess);
    for (j, &i) in order[n - many..].iter().enumerate() {
        let p = (j as f64 + 0.5) / many as f64;
        let quantile = if k.abs() < 1e-12 { -sigma * (-p).ln_1p() } else { sigma * (-k * (-p).ln_1p()).exp_m1() / k };
        // Never above the largest raw weight.
        ln_weight[i] = (cut + quantile).min(1.0).ln();
    }
    k
}

/// Shape and scale of a generalised Pareto distribution by Zhang and Stephens' empirical Bayes estimate, shrunk towards ½ for
/// small samples. `x` ascending.
fn pareto_fit(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let m = 30 + n.sqrt() as usize;
    let quarter = x[((n / 4.0 + 0.5).floor() as usize).max(1) - 1].max(1e-300);
    let largest = x[x.len() - 1];
    let shape = |b: f64| x.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / n;
    let list: Vec<(f64, f64)> = (1..=m)
        .map(|j| {
            let b = 1.0 / largest + (1.0 - (m as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quarter);
            let k = shape(b);
            (b, n * ((-b / k).ln() - k - 1.0))
        })
        .filter(|l| l.1.is_finite())
        .collect();
    let most = list.iter().map(|l| l.1).fold(f64::NEG_INFINITY, f64::max);
    let (sum, total) = list.iter().fold((0.0, 0.0), |(s, t), l| {
        let w = (l.1 - most).exp();
        (s + w * l.0, t + w)
    });
    let b = sum / total;
    let k = shape(b);
    let sigma = -k / b;
    ((n * k + 5.0) / (n + 10.0), sigma)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand::Rng;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn a_normal_mean_leaves_out_one_observation_exactly() {
        // Posterior of a mean with known variance 1 and flat prior: N(ȳ, 1/n). Without y₁ the next is N(ȳ₋₁, 1 + 1/(n−1)).
        let y = [0.3, -0.5, 1.2, 0.1, -0.9, 0.4, 2.0, -0.2];
        let n = y.len() as f64;
        let mean = y.iter().sum::<f64>() / n;
        let mut rng = Seed(4).stream(Purpose::Simulation, 0);
        let draws: Vec<f64> = (0..20_000)
            .map(|_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                mean + z / n.sqrt()
            })
            .collect();
        for y1 in y {
            let ln: Vec<f64> = draws.iter().map(|m| -0.5 * (y1 - m) * (y1 - m) - 0.5 * (2.0 * std::f64::consts::PI).ln()).collect();
            let without = (mean * n - y1) / (n - 1.0);
            let v = 1.0 + 1.0 / (n - 1.0);
            let want = -0.5 * (y1 - without).powi(2) / v - 0.5 * (2.0 * std::f64::consts::PI * v).ln();
            let got = leave_out(&ln);
            assert!((got.ln_score - want).abs() < 0.02, "{y1}: {got:?} against {want}");
            assert!(got.pareto_k < 0.7, "{got:?}");
        }
    }

    #[test]
    fn the_shape_of_a_pareto_tail_is_found() {
        for k in [0.2, 0.9] {
            let mut rng = Seed(8).stream(Purpose::Simulation, 3);
            let mut x: Vec<f64> = (0..3000).map(|_| ((1.0 - rng.random::<f64>()).powf(-k) - 1.0) / k).collect();
            x.sort_by(f64::total_cmp);
            let (shape, scale) = pareto_fit(&x);
            assert!((shape - k).abs() < 0.08 && (scale - 1.0).abs() < 0.1, "{k}: {shape} {scale}");
        }
    }
}
