//! Layers that fail independently: one node. What multiplying failure rates assumes.

use super::mixture::Mixture;
use super::probit::Loading;
use super::{Coordinate, Family, Reading, Setting, check_rates, probit};
use crate::error::Result;
use crate::likelihood::{Adjoint, Nodes};
use crate::normal::LANES;
use crate::quadrature::Accuracy;
use crate::special::{normal_cdf, normal_quantile};

/// Coordinates: τ_i with p_i = Φ(τ_i).
#[derive(Debug)]
pub(crate) struct Independent {
    layers: usize,
}

impl Independent {
    pub(crate) fn new(s: &Setting) -> Self {
        Independent { layers: s.layers }
    }
}

impl Family for Independent {
    fn coordinates(&self) -> Vec<Coordinate> {
        vec![Coordinate::THRESHOLD; self.layers]
    }
    fn place(&self, at: &[f64], _: Accuracy, nodes: &mut Nodes) {
        nodes.resize(self.layers, 1);
        nodes.weight[0] = 1.0;
        nodes.probit.z = [vec![0.0; LANES], Vec::new()];
        probit::pad(nodes);
        probit::fill(nodes, |i| at[i], |_| Loading::new([0.0, 0.0]));
    }
    fn logs(&self, nodes: &mut Nodes) {
        probit::logs(nodes);
    }
    fn pull_back(&self, _: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        for (i, g) in gradient.iter_mut().enumerate() {
            *g += probit::pull_back(nodes, adjoint, i, Loading::new([0.0, 0.0])).0;
        }
    }
    fn start(&self, rates: &[f64], _: usize, _: &mut dyn rand::RngCore) -> Vec<f64> {
        rates.iter().map(|&p| normal_quantile(p)).collect()
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        rates(at, layers)
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        never_or_always(at, layers, trials)
    }
}

/// The rates Φ(τ_i).
pub(crate) fn rates(tau: &[f64], layers: &[String]) -> Vec<Reading> {
    layers.iter().zip(tau).map(|(l, &t)| Reading { name: format!("rate of {l}"), value: normal_cdf(t) }).collect()
}

/// Layers whose rate lies on the edge: by it not even a third of a trial would fail, or hold, so none did.
pub(crate) fn never_or_always(tau: &[f64], layers: &[String], trials: f64) -> Vec<String> {
    let edge = |(l, &t): (&String, &f64)| {
        if normal_cdf(t) * trials < 0.3 {
            Some(format!("the rate of `{l}` goes to 0"))
        } else if normal_cdf(-t) * trials < 0.3 {
            Some(format!("the rate of `{l}` goes to 1"))
        } else {
            None
        }
    };
    layers.iter().zip(tau).filter_map(edge).collect()
}

/// Layers that fail independently with these rates.
///
/// Fails without layers or when a rate is not between 0 and 1.
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// let law = stated::independent(&[0.1, 0.2])?;
/// assert!((law.ln_all_fail(&LayerSet::all(2)).exp() - 0.02).abs() < 1e-15);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn independent(rates: &[f64]) -> Result<Mixture> {
    check_rates(rates)?;
    Ok(Mixture::from_probabilities(rates.len(), std::iter::once((1.0, rates.to_vec()))))
}
