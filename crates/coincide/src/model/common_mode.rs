//! One hidden difficulty, and a chance that whole sets of layers fail at once.
//!
//! With probability ω_s all layers of set s fail whatever their difficulty; sets strike independently, other layers stay as in the
//! [factor model](super::factor). Nodes: 2^(number of sets) states times the quadrature. A normal difficulty alone cannot
//! give a tail that flattens; an atom can.

use super::factor::{check_loadings, loadings, runaways, settle, start, threshold};
use super::independent::{never_or_always, rates};
use super::mixture::Mixture;
use super::probit::{Loading, pad};
use super::{Coordinate, Family, Reading, Setting, check_length, check_rates, probit};
use crate::error::{Error, Result};
use crate::layers::LayerSet;
use crate::likelihood::{Adjoint, Nodes};
use crate::quadrature::Accuracy;
use crate::special::logistic;

/// The most sets; nodes double with each.
pub(crate) const MOST_SETS: usize = 8;

/// Coordinates: τ_i, angles, and for each set the logit of ω.
#[derive(Debug)]
pub(crate) struct CommonMode {
    layers: usize,
    sets: Vec<(String, LayerSet)>,
}

impl CommonMode {
    pub(crate) fn new(s: &Setting) -> Self {
        let all = || vec![("all layers".to_owned(), LayerSet::all(s.layers))];
        CommonMode { layers: s.layers, sets: if s.common_modes.is_empty() { all() } else { s.common_modes.clone() } }
    }
    fn omega(&self, at: &[f64], set: usize) -> f64 {
        logistic(at[2 * self.layers + set])
    }
    fn loading(&self, at: &[f64], i: usize) -> Loading {
        Loading::new([at[self.layers + i], 0.0])
    }
    /// Nodes of one state.
    fn block(&self, nodes: &Nodes) -> usize {
        nodes.len >> self.sets.len()
    }
    /// Whether a set that is on in this state holds the layer.
    fn struck(&self, state: usize, layer: usize) -> bool {
        self.sets.iter().enumerate().any(|(s, set)| state >> s & 1 == 1 && set.1.contains(layer))
    }
}

/// Copies the nodes once per state of the sets and makes struck layers fail.
fn strike(nodes: &mut Nodes, omega: &[f64], struck: impl Fn(usize, usize) -> bool) {
    let (n, states) = (nodes.len, 1 << omega.len());
    let share = |state: usize| -> f64 { omega.iter().enumerate().map(|(s, &o)| if state >> s & 1 == 1 { o } else { 1.0 - o }).product() };
    let base = nodes.weight.clone();
    nodes.weight = (0..states).flat_map(|state| base.iter().map(move |w| w * share(state))).collect();
    let spread = |list: &mut Vec<f64>, on: f64| {
        if list.is_empty() {
            return;
        }
        let old = std::mem::take(list);
        for (layer, row) in old.chunks_exact(n).enumerate() {
            for state in 0..states {
                if struck(state, layer) { list.extend(std::iter::repeat_n(on, n)) } else { list.extend_from_slice(row) }
            }
        }
    };
    spread(&mut nodes.p, 1.0);
    spread(&mut nodes.q, 0.0);
    spread(&mut nodes.ln_p, 0.0);
    spread(&mut nodes.ln_q, f64::NEG_INFINITY);
    nodes.len = n * states;
    nodes.used *= states;
}

impl Family for CommonMode {
    fn coordinates(&self) -> Vec<Coordinate> {
        let k = self.layers;
        // ω between 1 in 8,000 and 1 in 4 with 95%.
        let omega = Coordinate { mean: -5.0, sd: 2.0 };
        [vec![Coordinate::THRESHOLD; k], vec![Coordinate::ANGLE; k], vec![omega; self.sets.len()]].concat()
    }
    fn place(&self, at: &[f64], accuracy: Accuracy, nodes: &mut Nodes) {
        nodes.layers = self.layers;
        probit::place(nodes, 1, |i| at[i], |i| self.loading(at, i), accuracy);
        probit::fill(nodes, |i| at[i], |i| self.loading(at, i));
        let omega: Vec<f64> = (0..self.sets.len()).map(|s| self.omega(at, s)).collect();
        strike(nodes, &omega, |state, layer| self.struck(state, layer));
    }
    fn logs(&self, nodes: &mut Nodes) {
        // The arguments of Φ are those of one state.
        let (len, states) = (nodes.len, 1 << self.sets.len());
        probit::logs(nodes);
        let n = len / states;
        let spread = |list: &[f64], on: f64| -> Vec<f64> {
            let rows = list.chunks_exact(n).enumerate();
            rows.flat_map(|(i, row)| (0..states).flat_map(move |s| row.iter().map(move |&x| if self.struck(s, i) { on } else { x }))).collect()
        };
        nodes.ln_p = spread(&nodes.ln_p, 0.0);
        nodes.ln_q = spread(&nodes.ln_q, f64::NEG_INFINITY);
    }
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        let (k, n, states) = (self.layers, self.block(nodes), 1 << self.sets.len());
        for s in 0..self.sets.len() {
            let omega = self.omega(at, s);
            let on: f64 = (0..states).filter(|state| state >> s & 1 == 1).map(|state| adjoint.weight[state * n..][..n].iter().sum::<f64>()).sum();
            gradient[2 * k + s] += on - omega * adjoint.weight.iter().sum::<f64>();
        }
        // States share the probit's nodes: add up the derivatives of those in which the layer is not struck.
        let fold = |list: &[f64]| -> Vec<f64> {
            let mut out = vec![0.0; k * n];
            for i in 0..k {
                for state in (0..states).filter(|&s| !self.struck(s, i)) {
                    let from = &list[i * nodes.len + state * n..][..n];
                    out[i * n..][..n].iter_mut().zip(from).for_each(|(o, x)| *o += x);
                }
            }
            out
        };
        let folded = Adjoint { weight: Vec::new(), failed: fold(&adjoint.failed), held: fold(&adjoint.held) };
        let whole = std::mem::replace(&mut nodes.len, n);
        for i in 0..k {
            let (tau, angle) = probit::pull_back(nodes, &folded, i, self.loading(at, i));
            gradient[i] += tau;
            gradient[k + i] += angle[0];
        }
        nodes.len = whole;
    }
    fn start(&self, rates: &[f64], attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
        let mut at = start(rates, self.layers, attempt, rng);
        at.extend(self.sets.iter().map(|_| -5.0 - attempt as f64));
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
        let omega = self.sets.iter().enumerate().map(|(s, (name, _))| Reading { name: format!("common mode of {name}"), value: self.omega(at, s) });
        let mut own = rates(&at[..self.layers], layers);
        own.iter_mut().for_each(|r| r.name += " without common mode");
        [own, loadings(&list, 1, layers), omega.collect()].concat()
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        let mut out = never_or_always(&at[..self.layers], layers, trials);
        out.iter_mut().for_each(|e| *e += " without the common mode");
        out.extend(runaways(&list, layers));
        for (s, (name, _)) in self.sets.iter().enumerate() {
            if self.omega(at, s) * trials < 0.3 {
                out.push(format!("the common mode of {name} goes to 0: the data ask for none"));
            }
        }
        out
    }
}

/// One hidden difficulty as in [`one_factor`](crate::stated::one_factor), and sets of layers that all fail at once with a
/// stated probability. `rates` are those without the common modes.
///
/// Fails as [`one_factor`](crate::stated::one_factor), with more than 8 sets, or when a probability is not between 0 and 1.
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// let all = LayerSet::all(10);
/// let law = stated::factor_common_mode(&[0.1; 10], &[0.0; 10], &[(0.001, all.clone())])?;
/// // Ten independent layers at 10% would all fail on 1 in 10¹⁰; the common mode alone gives 1 in 1,000.
/// assert!((law.ln_all_fail(&all).exp() - 0.001).abs() < 1e-9);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn factor_common_mode(failure_rates: &[f64], loads: &[f64], modes: &[(f64, LayerSet)]) -> Result<Mixture> {
    check_rates(failure_rates)?;
    check_length("the number of loadings", loads.len(), failure_rates.len())?;
    check_loadings(loads.iter().copied())?;
    if modes.len() > MOST_SETS {
        return Err(Error::OutOfRange { what: "the number of common modes", expected: "at most 8", got: modes.len() as f64 });
    }
    let omega: Vec<f64> = modes.iter().map(|m| m.0).collect();
    if let Some(&got) = omega.iter().find(|o| !(0.0..=1.0).contains(*o)) {
        return Err(Error::OutOfRange { what: "the probability of a common mode", expected: "between 0 and 1", got });
    }
    let loading = |i: usize| Loading::new(Loading::angles([loads[i], 0.0]));
    let mut nodes = Nodes { layers: failure_rates.len(), ..Nodes::default() };
    probit::place(&mut nodes, 1, |i| threshold(failure_rates[i]), loading, Accuracy::EXACT);
    pad(&mut nodes);
    probit::fill(&mut nodes, |i| threshold(failure_rates[i]), loading);
    probit::logs(&mut nodes);
    strike(&mut nodes, &omega, |state, layer| modes.iter().enumerate().any(|(s, m)| state >> s & 1 == 1 && m.1.contains(layer)));
    Ok(Mixture::from_nodes(&nodes))
}
