//! One hidden difficulty with heavy tails: thresholds are multiplied by s = √(χ²_ν/ν), so that on some attacks all of them
//! come near at once (a Student copula with one factor).
//!
//! p_i(z, s) = Φ((τ_i·s + l_i·z)/√(1 − l_i²)). Nodes: the trapezoidal rule over t = ln s, whose density
//! 2(ν/2)^{ν/2}/Γ(ν/2)·e^{νt − νe^{2t}/2} is analytic and falls off on both sides, times the quadrature over z. The coordinate of a layer is the probit
//! of its rate, as in every other model, and not τ_i = T_ν⁻¹(rate): rates are well known and ν is not, and τ_i would have to
//! follow every change of ν. τ_i solves Σ_s w_s Φ(τ_i s) = rate on the rule's own nodes, so its derivatives are exact.

use super::factor::{check_loadings, loadings, runaways, settle, start, threshold};
use super::independent::{never_or_always, rates};
use super::mixture::Mixture;
use super::probit::{Loading, pad};
use super::{Coordinate, Family, Reading, Setting, check_length, check_rates, probit};
use crate::error::{Error, Result};
use crate::likelihood::{Adjoint, Nodes};
use crate::normal::{LANES, LN_SQRT_2PI, dot, ln_normal_cdf, probits};
use crate::quadrature::{Accuracy, STEEP, normal_nodes};
use statrs::function::gamma::digamma;
use std::f64::consts::{LN_2, PI, SQRT_2};

/// Coordinates: probits of the rates, angles, ln ν.
#[derive(Debug)]
pub(crate) struct Student {
    layers: usize,
}

/// ν beyond which the tails are those of the normal for every purpose.
const NORMAL: f64 = 1e4;
/// Below this ln ν the difficulty is all tail.
const LEAST_LN_NU: f64 = -2.0;

impl Student {
    pub(crate) fn new(s: &Setting) -> Self {
        Student { layers: s.layers }
    }
    fn loading(&self, at: &[f64], i: usize) -> Loading {
        Loading::new([at[self.layers + i], 0.0])
    }
    fn nu(&self, at: &[f64]) -> f64 {
        at[2 * self.layers].clamp(LEAST_LN_NU, NORMAL.ln()).exp()
    }
}

/// The nodes over s: scales, weights, and ∂ ln weight/∂ν, padded with weight 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scales {
    s: Vec<f64>,
    weight: Vec<f64>,
    by_nu: Vec<f64>,
    used: usize,
    /// τ_i with its derivatives by the probit of the rate and by ν, layer by layer.
    thresholds: Vec<[f64; 3]>,
    /// Φ(τs) and the like of one trial τ.
    work: [Vec<f64>; 5],
}

impl Scales {
    /// Places nodes for thresholds of about these sizes.
    fn place(&mut self, nu: f64, slopes: impl Iterator<Item = f64>, accuracy: Accuracy) {
        // Where the density of t has fallen to e^{−exponent}.
        let share = accuracy.exponent / nu;
        let (low, high) = (-(share.sqrt() + share), 0.5 * (2.0 * share + 2.0 * share.sqrt()).ln_1p());
        // A threshold's own bandwidth, a·s at the s that matters, stays moderate: where it is large the layer surely holds.
        let bandwidth = (1.0 + 2.0 * nu + slopes.map(|a| (a * a).min(16.0)).sum::<f64>()).sqrt();
        // Twice the exponent, because the integrand grows faster than a Gaussian off the axis and is analytic only for |Im t| < π/4.
        let exponent = 2.0 * accuracy.exponent;
        let step = (PI * SQRT_2 / (bandwidth * exponent.sqrt())).min(PI * PI / exponent);
        self.used = ((high - low) / step).ceil() as usize + 1;
        let padded = self.used.next_multiple_of(LANES);
        for v in [&mut self.s, &mut self.weight, &mut self.by_nu].into_iter().chain(&mut self.work) {
            v.clear();
            v.resize(padded, 0.0);
        }
        let ln_constant = LN_2 + 0.5 * nu * (0.5 * nu).ln() - libm::lgamma(0.5 * nu);
        for j in 0..self.used {
            let t = low + step * j as f64;
            let s = t.exp();
            self.s[j] = s;
            self.weight[j] = (ln_constant + nu * t - 0.5 * nu * s * s).exp() * step;
            self.by_nu[j] = t - 0.5 * s * s;
        }
        let total: f64 = self.weight.iter().sum();
        self.weight.iter_mut().for_each(|w| *w /= total);
        let mean = dot(&self.weight, &self.by_nu);
        self.by_nu[..self.used].iter_mut().for_each(|g| *g -= mean);
    }

    /// τ with Σ_s w_s Φ(τs) = Φ(t), and its derivatives by t and by ν.
    fn threshold(&mut self, t: f64) -> [f64; 3] {
        // Beyond 37 standard deviations Φ underflows.
        let (sign, t) = if t > 0.0 { (-1.0, (-t).max(-37.0)) } else { (1.0, t.max(-37.0)) };
        let ln_rate = ln_normal_cdf(t);
        let mut tau = t;
        let [x, p, q, hazard_p, hazard_q] = &mut self.work;
        let mut slope = 1.0;
        for _ in 0..80 {
            x.iter_mut().zip(&self.s).for_each(|(x, s)| *x = tau * s);
            probits(x, p, q, hazard_p, hazard_q);
            let rate = dot(&self.weight, p);
            slope = self.weight.iter().zip(&self.s).zip(p.iter().zip(hazard_p.iter())).map(|((w, s), (p, h))| w * s * p * h).sum::<f64>();
            let step = (ln_rate - rate.ln()) * rate / slope;
            if !step.is_finite() || step.abs() <= 1e-14 * tau.abs() {
                break;
            }
            tau += step;
        }
        let density = (-0.5 * t * t - LN_SQRT_2PI).exp();
        let by_nu: f64 = self.weight.iter().zip(&self.by_nu).zip(p.iter()).map(|((w, g), p)| w * g * p).sum();
        [sign * tau, density / slope, -sign * by_nu / slope]
    }
}

/// Places nodes for rates Φ(t) and loadings.
fn place(nodes: &mut Nodes, nu: f64, t: impl Fn(usize) -> f64, loading: impl Fn(usize) -> Loading, accuracy: Accuracy) {
    let k = nodes.layers;
    let mut probit = std::mem::take(&mut nodes.probit);
    let mut weight = std::mem::take(&mut nodes.weight);
    weight.clear();
    probit.scale.clear();
    probit.z.iter_mut().for_each(Vec::clear);
    let outer = &mut probit.scales;
    outer.place(nu, (0..k).map(|i| t(i) / loading(i).c), accuracy);
    outer.thresholds = (0..k).map(|i| outer.threshold(t(i))).collect();
    let layers: Vec<(f64, f64)> = (0..k).map(|i| (outer.thresholds[i][0] / loading(i).c, loading(i).slopes()[0])).collect();
    let smooth = layers.iter().all(|l| l.1.abs() <= STEEP);
    let [inner, _] = &mut probit.axis;
    for j in 0..outer.used {
        let s = outer.s[j];
        if j == 0 || !smooth {
            normal_nodes(layers.iter().map(|l| (l.0 * s, l.1)), accuracy, &mut inner.0, &mut inner.1);
        }
        probit.z[0].extend_from_slice(&inner.0);
        weight.extend(inner.1.iter().map(|w| w * outer.weight[j]));
        probit.scale.resize(weight.len(), s);
    }
    let tau: Vec<f64> = outer.thresholds.iter().map(|t| t[0]).collect();
    nodes.resize(k, weight.len());
    weight.resize(nodes.len, 0.0);
    nodes.weight = weight;
    nodes.probit = probit;
    pad(nodes);
    probit::fill(nodes, |i| tau[i], loading);
}

impl Family for Student {
    fn coordinates(&self) -> Vec<Coordinate> {
        let k = self.layers;
        // ν between 1.7 and 87 with 95%.
        [vec![Coordinate::THRESHOLD; k], vec![Coordinate::ANGLE; k], vec![Coordinate { mean: 2.5, sd: 1.0 }]].concat()
    }
    fn place(&self, at: &[f64], accuracy: Accuracy, nodes: &mut Nodes) {
        nodes.layers = self.layers;
        place(nodes, self.nu(at), |i| at[i], |i| self.loading(at, i), accuracy);
    }
    fn logs(&self, nodes: &mut Nodes) {
        probit::logs(nodes);
    }
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        let k = self.layers;
        let nu = self.nu(at);
        let constant = 0.5 * (0.5 * nu).ln() + 0.5 - 0.5 * digamma(0.5 * nu);
        let mut by_nu: f64 = adjoint.weight.iter().zip(&nodes.probit.scale).map(|(w, s)| w * (constant + s.ln() - 0.5 * s * s)).sum();
        for i in 0..k {
            let (tau, angle) = probit::pull_back(nodes, adjoint, i, self.loading(at, i));
            let [_, by_rate, own_by_nu] = nodes.probit.scales.thresholds[i];
            gradient[i] += tau * by_rate;
            gradient[k + i] += angle[0];
            by_nu += tau * own_by_nu;
        }
        // Outside its range ν stands still.
        if (LEAST_LN_NU..=NORMAL.ln()).contains(&at[2 * k]) {
            gradient[2 * k] += nu * by_nu;
        }
    }
    fn start(&self, rates: &[f64], attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
        let mut at = start(rates, self.layers, attempt, rng);
        at.push(2.5);
        at
    }
    fn canonical(&self, at: &mut [f64]) {
        settle(&mut at[self.layers..2 * self.layers], None);
    }
    fn align(&self, at: &mut [f64], reference: &[f64]) {
        let own = self.layers..2 * self.layers;
        settle(&mut at[own.clone()], Some(&reference[own]));
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        [rates(&at[..self.layers], layers), loadings(&list, 1, layers), vec![Reading { name: "degrees of freedom".into(), value: self.nu(at) }]]
            .concat()
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        let nu = self.nu(at);
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        let mut out = [never_or_always(&at[..self.layers], layers, trials), runaways(&list, layers)].concat();
        if nu > 500.0 {
            out.push("the degrees of freedom grow without end: the tails are those of the normal".into());
        } else if nu < 0.5 {
            out.push("the degrees of freedom go to 0".into());
        }
        out
    }
}

/// Layers with these failure rates and loadings on one hidden difficulty with Student tails of ν degrees of freedom.
///
/// Fails as [`one_factor`](crate::stated::one_factor), and when ν is not at least 0.2.
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// let all = LayerSet::all(10);
/// let heavy = stated::student_factor(&[0.1; 10], &[0.3f64.sqrt(); 10], 4.0)?;
/// let normal = stated::one_factor(&[0.1; 10], &[0.3f64.sqrt(); 10])?;
/// // Five times as likely to fail all together, with the same rates.
/// assert!(heavy.ln_all_fail(&all) - normal.ln_all_fail(&all) > 5f64.ln());
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn student_factor(failure_rates: &[f64], loads: &[f64], nu: f64) -> Result<Mixture> {
    check_rates(failure_rates)?;
    check_length("the number of loadings", loads.len(), failure_rates.len())?;
    check_loadings(loads.iter().copied())?;
    if !(nu >= 0.2 && nu.is_finite()) {
        return Err(Error::OutOfRange { what: "the degrees of freedom", expected: "at least 0.2", got: nu });
    }
    let mut nodes = Nodes { layers: failure_rates.len(), ..Nodes::default() };
    place(&mut nodes, nu, |i| threshold(failure_rates[i]), |i| Loading::new(Loading::angles([loads[i], 0.0])), Accuracy::EXACT);
    probit::logs(&mut nodes);
    Ok(Mixture::from_nodes(&nodes))
}
