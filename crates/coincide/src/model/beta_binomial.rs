//! All layers rise and fall together: p_i(u) is the u-quantile of a Beta distribution with the layer's mean and a common a + b.
//!
//! With equal rates this is the beta-binomial distribution of the number of failures (Skellam 1948). u = Φ(z) with z at
//! Gauss–Legendre points. The quantiles follow each other: each starts from its neighbour's and takes a few of Newton's
//! steps. Derivatives: ∂p/∂a = −(∂F/∂a)/f at fixed u, and ∂F/∂a = ∫₀ᵖ (ln t − E ln t) f(t) dt is an integral over the same
//! nodes up to one of them, which the rule's own interpolating polynomial gives (likewise b with ln(1 − t)).

use super::independent::{never_or_always, rates as readings_of_rates};
use super::mixture::Mixture;
use super::{Coordinate, Family, Reading, Setting, check_rates, mixture};
use crate::error::{Error, Result};
use crate::likelihood::{Adjoint, Nodes};
use crate::normal::ln_normal_cdf;
use crate::quadrature::{Accuracy, Panel, normal_panel};
use crate::special::{BetaLogit, logistic, normal_cdf, normal_quantile};
use std::f64::consts::PI;

/// Coordinates: τ_i with mean Φ(τ_i), and ln(a + b).
#[derive(Debug)]
pub(crate) struct BetaBinomial {
    layers: usize,
}

/// Of ln(a + b): below, layers fail all or none; above, they do not vary.
const RANGE: std::ops::RangeInclusive<f64> = -12.0..=16.0;

impl BetaBinomial {
    pub(crate) fn new(s: &Setting) -> Self {
        BetaBinomial { layers: s.layers }
    }
    /// a + b.
    fn sum(&self, at: &[f64]) -> f64 {
        at[self.layers].clamp(*RANGE.start(), *RANGE.end()).exp()
    }
    /// a and b of a layer.
    fn shape(&self, at: &[f64], i: usize) -> (f64, f64) {
        let sum = self.sum(at);
        (sum * normal_cdf(at[i]).max(1e-300), sum * normal_cdf(-at[i]).max(1e-300))
    }
    fn panel(&self, at: &[f64], accuracy: Accuracy) -> Panel {
        // A quantile goes like u^{1/a}, which rises like exp(−e^{−zy}) around the z with 1 − Φ(z) = a: the smaller a (or b), the
        // further out and the steeper, and the narrower the strip in which it is analytic.
        let smaller = |i: usize| {
            let (a, b) = self.shape(at, i);
            a.min(b)
        };
        let own = |i: usize| 1.0 + 1.5 * (1.0 + 1.0 / smaller(i)).ln().min(12.0);
        let bandwidth = (1.0 + (0..self.layers).map(own).sum::<f64>()).sqrt();
        let furthest = (0..self.layers).map(|i| -normal_quantile(smaller(i).clamp(1e-15, 0.5))).fold(1.0, f64::max);
        normal_panel(bandwidth, PI / furthest, accuracy)
    }
}

/// The logits of the Beta quantiles at Φ(z), z ascending, each with dt/dz; far out they go with the tail's power law.
fn quantiles(a: f64, b: f64, z: &[f64], out: &mut [(f64, f64)]) {
    let beta = BetaLogit::new(a, b);
    // ln f(z) − a ln p − b ln q + ln B: the slope dt/dz.
    let slope = |z: f64, t: f64| (-0.5 * z * z - crate::normal::LN_SQRT_2PI - beta.ln_density(t)).min(700.0).exp();
    let solve = |z: f64, mut t: f64| {
        let want = ln_normal_cdf(z) - ln_normal_cdf(-z);
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for _ in 0..100 {
            let (odds, rise) = beta.ln_odds(t);
            if odds < want {
                low = low.max(t)
            } else {
                high = high.min(t)
            }
            let newton = t + (want - odds) / rise;
            let next = if newton > low && newton < high {
                newton
            } else if low.is_finite() && high.is_finite() {
                0.5 * (low + high)
            } else {
                // Twice as far as before, on the side that is still open.
                if low.is_finite() { low + 1.0 + low.abs() } else { high - 1.0 - high.abs() }
            };
            if (next - t).abs() <= 1e-12 * (1.0 + t.abs()) {
                return next;
            }
            t = next;
        }
        t
    };
    let mut last: Option<(f64, f64, f64)> = None;
    let middle = z.partition_point(|&x| x < 0.0).min(z.len() - 1);
    let start = (a / b).ln();
    for j in (0..middle).rev().chain(middle..z.len()) {
        if j == middle {
            last = None;
        }
        let guess = match last {
            None => start,
            // Trapezoidal prediction with the slope at the predicted place.
            Some((before, t, d)) => {
                let euler = t + d * (z[j] - before);
                0.5 * (euler + t + slope(z[j], euler).min(4.0 * d) * (z[j] - before))
            }
        };
        let t = solve(z[j], guess);
        let d = slope(z[j], t);
        out[j] = (t, d);
        last = Some((z[j], t, d));
    }
}

impl Family for BetaBinomial {
    fn coordinates(&self) -> Vec<Coordinate> {
        // a + b between 0.4 and 150 with 95%.
        [vec![Coordinate::THRESHOLD; self.layers], vec![Coordinate { mean: 2.0, sd: 1.5 }]].concat()
    }
    fn place(&self, at: &[f64], accuracy: Accuracy, nodes: &mut Nodes) {
        let panel = self.panel(at, accuracy);
        let used = panel.z.len();
        nodes.resize(self.layers, used);
        nodes.weight[..used].copy_from_slice(&panel.weight);
        let n = nodes.len;
        // Kept for the way back: places in `z`, logits in `x`, slopes in `hazard_p`.
        nodes.probit.z[0].clone_from(&panel.z);
        nodes.probit.x.resize(self.layers * n, 0.0);
        nodes.probit.hazard_p.resize(self.layers * n, 0.0);
        let mut own = vec![(0.0, 0.0); used];
        for i in 0..self.layers {
            let (a, b) = self.shape(at, i);
            quantiles(a, b, &panel.z, &mut own);
            for (j, &(t, d)) in own.iter().enumerate() {
                nodes.probit.x[i * n + j] = t;
                nodes.probit.hazard_p[i * n + j] = d;
                nodes.p[i * n + j] = logistic(t);
                nodes.q[i * n + j] = logistic(-t);
            }
        }
    }
    fn logs(&self, nodes: &mut Nodes) {
        let ln = |t: f64| -(if t > 0.0 { (-t).exp().ln_1p() } else { -t + t.exp().ln_1p() });
        nodes.ln_p = nodes.probit.x.iter().map(|&t| ln(t)).collect();
        nodes.ln_q = nodes.probit.x.iter().map(|&t| ln(-t)).collect();
    }
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        let panel = Panel::through(&nodes.probit.z[0]);
        let n = nodes.len;
        let many = panel.z.len();
        let (mut cumulative_a, mut cumulative_b) = (vec![0.0; many], vec![0.0; many]);
        let k = self.layers;
        for i in 0..k {
            let (a, b) = self.shape(at, i);
            let own = i * n..i * n + many;
            let (t, d) = (&nodes.probit.x[own.clone()], &nodes.probit.hazard_p[own.clone()]);
            let ln = |t: f64| if t > 0.0 { -(-t).exp().ln_1p() } else { t - t.exp().ln_1p() };
            panel.centred_integrals(|j| ln(t[j]), &mut cumulative_a);
            panel.centred_integrals(|j| ln(-t[j]), &mut cumulative_b);
            let (mut by_a, mut by_b) = (0.0, 0.0);
            for j in 0..many {
                // dt/da = −(∂F/∂a)/(dF/dt) and dF/dt = φ(z)/(dt/dz).
                let by_t = adjoint.failed[own.start + j] * nodes.q[own.start + j] - adjoint.held[own.start + j] * nodes.p[own.start + j];
                let scale = -by_t * d[j] / panel.density[j];
                by_a += scale * cumulative_a[j];
                by_b += scale * cumulative_b[j];
            }
            let sum = a + b;
            let density = (-0.5 * at[i] * at[i] - crate::normal::LN_SQRT_2PI).exp();
            gradient[i] += sum * density * (by_a - by_b);
            // Outside its range a + b stands still.
            if RANGE.contains(&at[k]) {
                gradient[k] += a * by_a + b * by_b;
            }
        }
    }
    fn start(&self, rates: &[f64], attempt: usize, _: &mut dyn rand::RngCore) -> Vec<f64> {
        rates.iter().map(|&p| normal_quantile(p)).chain([2.0 - 1.5 * attempt as f64 % 4.0]).collect()
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        let sum = self.sum(at);
        let mut out = readings_of_rates(&at[..self.layers], layers);
        out.push(Reading { name: "intraclass correlation 1/(a + b + 1)".into(), value: 1.0 / (sum + 1.0) });
        out
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        let mut out = never_or_always(&at[..self.layers], layers, trials);
        if at[self.layers] > 9.0 {
            out.push("a + b grows without end: the layers do not vary together".into());
        } else if at[self.layers] < -6.0 {
            out.push("a + b goes to 0: on each attack all layers fail or all hold".into());
        }
        out
    }
}

/// Layers with these failure rates that rise and fall together with intraclass correlation `icc` = 1/(a + b + 1).
///
/// Fails when a rate or `icc` is not between 0 and 1 (rates of exactly 0 or 1 included).
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// let law = stated::beta_binomial(&[0.1; 10], 0.1)?;
/// assert!((law.ln_all_fail(&LayerSet::all(10)).exp() / 1.69117166448e-05 - 1.0).abs() < 1e-9);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn beta_binomial(rates: &[f64], icc: f64) -> Result<Mixture> {
    check_rates(rates)?;
    if let Some(&got) = rates.iter().find(|p| !(**p > 0.0 && **p < 1.0)) {
        return Err(Error::OutOfRange { what: "a rate of a beta-binomial model", expected: "inside 0 and 1", got });
    }
    if !(icc > 0.0 && icc < 1.0) {
        return Err(Error::OutOfRange { what: "the intraclass correlation", expected: "inside 0 and 1", got: icc });
    }
    let at: Vec<f64> = rates.iter().map(|&p| normal_quantile(p)).chain([(1.0 / icc - 1.0).ln()]).collect();
    Ok(mixture(&BetaBinomial { layers: rates.len() }, &at, Accuracy::EXACT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Summary;
    use crate::random::{Purpose, Seed};

    /// Over the whole prior, where quantiles run from e^{−3000} to 1 − 1e-300.
    #[test]
    fn sums_converge_wherever_the_prior_goes() {
        let f = BetaBinomial { layers: 4 };
        for run in 0..60 {
            let mut rng = Seed(20_000 + run).stream(Purpose::Simulation, 0);
            let at: Vec<f64> = f.coordinates().iter().map(|c| c.draw(&mut rng)).collect();
            let read = |accuracy: Accuracy| {
                let mut nodes = Nodes::default();
                f.place(&at, accuracy, &mut nodes);
                Summary::of(&mut nodes, false, |n| f.logs(n))
            };
            let fine = read(Accuracy { reach: 12.0, exponent: 120.0 });
            for (accuracy, most) in [(Accuracy::DRAFT, 1e-3), (Accuracy::FIT, 2e-4), (Accuracy::REPORT, 2e-6)] {
                let off = |(x, y): (&f64, &f64)| (x / y - 1.0).abs();
                let worst = read(accuracy).counts.iter().zip(&fine.counts).map(off).fold(0.0, f64::max);
                assert!(worst < most, "{at:?} {accuracy:?}: {worst}");
            }
            assert!((fine.marginals[0] / normal_cdf(at[0]) - 1.0).abs() < 1e-6, "{at:?}");
        }
    }
}
