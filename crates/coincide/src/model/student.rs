//! One hidden difficulty with heavy tails: thresholds are multiplied by s = √(χ²_ν/ν), so that on some attacks all of them
//! come near at once (a Student copula with one factor).
//!
//! p_i(z, s) = Φ((τ_i·s + l_i·z)/√(1 − l_i²)); the rate of a layer is T_ν(τ_i). Nodes: the trapezoidal rule over t = ln s, whose density
//! 2(ν/2)^{ν/2}/Γ(ν/2)·e^{νt − νe^{2t}/2} is analytic and falls off on both sides, times the quadrature over z.

use super::factor::{check_loadings, fold, loadings, runaways, start, turn};
use super::mixture::Mixture;
use super::probit::{Loading, pad};
use super::{Coordinate, Family, Reading, Setting, check_length, check_rates, probit};
use crate::error::{Error, Result};
use crate::likelihood::{Adjoint, Nodes};
use crate::quadrature::{Accuracy, normal_nodes};
use crate::special::{student_cdf, student_quantile};
use statrs::function::gamma::digamma;

/// Coordinates: τ_i, angles, ln ν.
#[derive(Debug)]
pub(crate) struct Student {
    layers: usize,
}

/// ν beyond which the tails are those of the normal for every purpose.
const NORMAL: f64 = 1e4;

impl Student {
    pub(crate) fn new(s: &Setting) -> Self {
        Student { layers: s.layers }
    }
    fn loading(&self, at: &[f64], i: usize) -> Loading {
        Loading::new([at[self.layers + i], 0.0])
    }
    fn nu(&self, at: &[f64]) -> f64 {
        at[2 * self.layers].clamp(-2.0, NORMAL.ln()).exp()
    }
}

/// Places nodes for thresholds τ and loadings.
fn place(nodes: &mut Nodes, nu: f64, tau: impl Fn(usize) -> f64, loading: impl Fn(usize) -> Loading, accuracy: Accuracy) {
    let k = nodes.layers;
    let layers: Vec<(f64, f64)> = (0..k).map(|i| (tau(i) / loading(i).c, loading(i).slopes()[0])).collect();
    // Where the density of t has fallen to e^{−exponent}.
    let share = accuracy.exponent / nu;
    let (low, high) = (-(share.sqrt() + share), 0.5 * (2.0 * share + 2.0 * share.sqrt()).ln_1p());
    // A threshold's own bandwidth, a·s at the s that matters, stays moderate: where it is large the layer surely holds.
    let bandwidth = (1.0 + 2.0 * nu + layers.iter().map(|l| (l.0 * l.0).min(16.0)).sum::<f64>()).sqrt();
    let step = (std::f64::consts::PI * std::f64::consts::SQRT_2 / (bandwidth * accuracy.exponent.sqrt())).min(std::f64::consts::PI.powi(2) / 2.0 / accuracy.exponent);
    let many = ((high - low) / step).ceil() as usize + 1;
    let mut probit = std::mem::take(&mut nodes.probit);
    let mut weight = std::mem::take(&mut nodes.weight);
    weight.clear();
    probit.scale.clear();
    probit.z.iter_mut().for_each(Vec::clear);
    let ln_constant = ln_constant(nu);
    let smooth = layers.iter().all(|l| l.1.abs() <= 8.0);
    let [inner, _] = &mut probit.axis;
    for j in 0..many {
        let t = low + step * j as f64;
        let s = t.exp();
        let density = (ln_constant + nu * t - 0.5 * nu * s * s).exp() * step;
        if j == 0 || !smooth {
            normal_nodes(layers.iter().map(|l| (l.0 * s, l.1)), accuracy, &mut inner.0, &mut inner.1);
        }
        probit.z[0].extend_from_slice(&inner.0);
        weight.extend(inner.1.iter().map(|w| w * density));
        probit.scale.resize(weight.len(), s);
    }
    let total: f64 = weight.iter().sum();
    weight.iter_mut().for_each(|w| *w /= total);
    nodes.resize(k, weight.len());
    weight.resize(nodes.len, 0.0);
    nodes.weight = weight;
    nodes.probit = probit;
    pad(nodes);
    probit::fill(nodes, tau, loading);
}

/// ln 2(ν/2)^{ν/2}/Γ(ν/2).
fn ln_constant(nu: f64) -> f64 {
    std::f64::consts::LN_2 + 0.5 * nu * (0.5 * nu).ln() - libm::lgamma(0.5 * nu)
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
        for i in 0..k {
            let (tau, angle) = probit::pull_back(nodes, adjoint, i, self.loading(at, i));
            gradient[i] += tau;
            gradient[k + i] += angle[0];
        }
        let nu = self.nu(at);
        let constant = 0.5 * (0.5 * nu).ln() + 0.5 - 0.5 * digamma(0.5 * nu);
        let by_nu: f64 = adjoint.weight.iter().zip(&nodes.probit.scale).map(|(w, s)| w * (constant + s.ln() - 0.5 * s * s)).sum();
        gradient[2 * k] += nu * by_nu;
    }
    fn start(&self, rates: &[f64], attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
        let mut at = start(rates, self.layers, attempt, rng);
        at.push(2.5);
        at
    }
    fn canonical(&self, at: &mut [f64]) {
        let angles = &mut at[self.layers..2 * self.layers];
        fold(angles);
        turn(angles, None);
    }
    fn align(&self, at: &mut [f64], reference: &[f64]) {
        let own = self.layers..2 * self.layers;
        fold(&mut at[own.clone()]);
        turn(&mut at[own.clone()], Some(&reference[own]));
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        let nu = self.nu(at);
        let rates = layers.iter().zip(at).map(|(l, &t)| Reading { name: format!("rate of {l}"), value: student_cdf(t, nu) });
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        [rates.collect(), loadings(&list, 1, layers), vec![Reading { name: "degrees of freedom".into(), value: nu }]].concat()
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        let nu = self.nu(at);
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        let edge = |(l, &t): (&String, &f64)| {
            let p = student_cdf(t, nu);
            (p * trials < 0.01).then(|| format!("the rate of `{l}` goes to 0")).or_else(|| ((1.0 - p) * trials < 0.01).then(|| format!("the rate of `{l}` goes to 1")))
        };
        let mut out: Vec<String> = layers.iter().zip(at).filter_map(edge).collect();
        out.extend(runaways(&list, layers));
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
pub fn student_factor(rates: &[f64], loads: &[f64], nu: f64) -> Result<Mixture> {
    check_rates(rates)?;
    check_length("the number of loadings", loads.len(), rates.len())?;
    check_loadings(loads.iter().copied())?;
    if !(nu >= 0.2 && nu.is_finite()) {
        return Err(Error::OutOfRange { what: "the degrees of freedom", expected: "at least 0.2", got: nu });
    }
    let threshold = |p: f64| if p <= 0.0 { -1e6 } else if p >= 1.0 { 1e6 } else if p < 0.5 { -student_quantile(1.0 - p, nu) } else { student_quantile(p, nu) };
    let tau: Vec<f64> = rates.iter().map(|&p| threshold(p)).collect();
    let mut nodes = Nodes { layers: rates.len(), ..Nodes::default() };
    place(&mut nodes, nu, |i| tau[i], |i| Loading::new(Loading::angles([loads[i], 0.0])), Accuracy::EXACT);
    probit::logs(&mut nodes);
    Ok(Mixture::from_nodes(&nodes))
}
