//! Mixtures of conditionally independent layers, and everything that follows from one.
//!
//! P(pattern) = Σ_z w_z Π_i p_i(z)^{y_i} (1 − p_i(z))^{1 − y_i}, a missing layer's factor left out. All sums are of
//! positive terms in log space, so small probabilities keep their digits.

use crate::error::Result;
use crate::estimate::curve;
use crate::layers::{LayerSet, bit};
use crate::likelihood::Nodes;
use crate::normal::{dot, ln_sum_exp, vectorised};
use crate::structure::Structure;
use rand::Rng;

/// How likely patterns of failures are.
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// let law = stated::one_factor(&[0.1; 10], &[0.3f64.sqrt(); 10])?;
/// // Ten layers that each fail on 10% and share 30% of their variance: all fail on 1 in 8,600, not 1 in 10¹⁰.
/// let beta = law.ln_all_fail(&LayerSet::all(10)).exp();
/// assert!((beta / 0.000115701451151073 - 1.0).abs() < 1e-10);
/// # Ok::<(), coincide::Error>(())
/// ```
pub trait JointLaw {
    /// Number of layers.
    fn layers(&self) -> usize;
    /// ln P(exactly these of the observed layers fail and the other observed ones hold).
    fn ln_pattern(&self, failed: &LayerSet, observed: &LayerSet) -> f64;
    /// ln P(all layers of `set` fail); 0 for the empty set.
    fn ln_all_fail(&self, set: &LayerSet) -> f64 {
        self.ln_pattern(set, set)
    }
    /// P(exactly m layers fail), m = 0..=k.
    fn failure_counts(&self) -> Vec<f64>;
    /// A trial: the layers that failed.
    fn simulate(&self, rng: &mut dyn rand::RngCore) -> LayerSet;

    /// P(layer i fails).
    fn marginal(&self, layer: usize) -> f64 {
        self.ln_all_fail(&LayerSet::of(self.layers(), &[layer])).exp()
    }
    /// P(at least m layers fail).
    fn at_least(&self, m: usize) -> f64 {
        self.failure_counts()[m..].iter().rev().sum()
    }
    /// P(system failure). Fails when the structure names more layers than can be enumerated.
    fn system_failure(&self, system: &Structure) -> Result<f64> {
        system.under(self)
    }
    /// Co-failure curve: mean of β_S over the sets S of m layers, m = 1..=k.
    fn curve(&self) -> Vec<f64> {
        curve(&self.failure_counts(), self.layers())
    }
}

/// A mixture of conditionally independent layers: nodes with weights and conditional failure probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    layers: usize,
    /// ln w_z.
    ln_weight: Vec<f64>,
    /// ln p_i(z) at `z * layers + i`.
    ln_fail: Vec<f64>,
    /// ln(1 − p_i(z)).
    ln_hold: Vec<f64>,
}

impl Mixture {
    pub(crate) fn from_nodes(nodes: &Nodes) -> Self {
        let used: Vec<usize> = (0..nodes.len).filter(|&z| nodes.weight[z] > 0.0).collect();
        let by_node = |v: &[f64]| used.iter().flat_map(|&z| (0..nodes.layers).map(move |i| (i, z))).map(|(i, z)| v[i * nodes.len + z]).collect();
        Mixture {
            layers: nodes.layers,
            ln_weight: used.iter().map(|&z| nodes.weight[z].ln()).collect(),
            ln_fail: by_node(&nodes.ln_p),
            ln_hold: by_node(&nodes.ln_q),
        }
    }

    /// A mixture from its nodes: a weight and one failure probability a layer each; weights are scaled to sum to 1.
    pub(crate) fn from_probabilities(layers: usize, list: impl Iterator<Item = (f64, Vec<f64>)>) -> Self {
        let (mut ln_weight, mut ln_fail, mut ln_hold) = (Vec::new(), Vec::new(), Vec::new());
        for (w, p) in list.filter(|n| n.0 > 0.0) {
            ln_weight.push(w.ln());
            ln_fail.extend(p.iter().map(|p| p.ln()));
            ln_hold.extend(p.iter().map(|p| (-p).ln_1p()));
        }
        let total = ln_sum_exp(ln_weight.iter().copied());
        ln_weight.iter_mut().for_each(|w| *w -= total);
        Mixture { layers, ln_weight, ln_fail, ln_hold }
    }

    /// One mixture out of several with their shares.
    pub(crate) fn union(parts: &[(f64, Mixture)]) -> Self {
        let total: f64 = parts.iter().map(|p| p.0).sum();
        let mut out = Mixture { layers: parts[0].1.layers, ln_weight: vec![], ln_fail: vec![], ln_hold: vec![] };
        for (share, m) in parts {
            out.ln_weight.extend(m.ln_weight.iter().map(|w| w + (share / total).ln()));
            out.ln_fail.extend_from_slice(&m.ln_fail);
            out.ln_hold.extend_from_slice(&m.ln_hold);
        }
        out
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.ln_weight.len()
    }
    /// ln w_z.
    pub fn ln_weight(&self, node: usize) -> f64 {
        self.ln_weight[node]
    }
    /// ln P(each layer fails) at a node.
    pub fn ln_fail(&self, node: usize) -> &[f64] {
        &self.ln_fail[node * self.layers..][..self.layers]
    }
    /// ln P(each layer holds) at a node.
    pub fn ln_hold(&self, node: usize) -> &[f64] {
        &self.ln_hold[node * self.layers..][..self.layers]
    }

    /// Σ_z w_z f(p(z)): the mean of anything that follows from conditionally independent failures, such as the probability
    /// of a structure.
    ///
    /// ```
    /// // "At least one of two layers fails" under a common cause.
    /// let law = coincide::stated::one_factor(&[0.1, 0.2], &[0.6, 0.6])?;
    /// let any = law.mean(|p| 1.0 - (1.0 - p[0]) * (1.0 - p[1]));
    /// assert!(any > 0.2 && any < 0.28);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn mean(&self, f: impl Fn(&[f64]) -> f64) -> f64 {
        let mut p = vec![0.0; self.layers];
        let term = |z: usize| {
            p.iter_mut().zip(self.ln_fail(z)).for_each(|(p, l)| *p = l.exp());
            self.ln_weight[z].exp() * f(&p)
        };
        (0..self.nodes()).map(term).sum()
    }

    /// P(exactly m layers fail) at one node, in log space only as far as it must be: all terms are positive.
    fn counts_at(&self, z: usize, out: &mut Vec<f64>) {
        out.clear();
        out.push(1.0);
        for (f, h) in self.ln_fail(z).iter().zip(self.ln_hold(z)) {
            let (p, q) = (f.exp(), h.exp());
            out.push(0.0);
            for m in (1..out.len()).rev() {
                out[m] = out[m] * q + out[m - 1] * p;
            }
            out[0] *= q;
        }
    }
}

/// What checks and reports read of a law.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Summary {
    pub marginals: Vec<f64>,
    /// P(both fail), pairs in the order (0,1), (0,2), …; empty where not asked for.
    pub pairs: Vec<f64>,
    /// P(exactly m fail).
    pub counts: Vec<f64>,
    pub ln_beta: f64,
}

impl Summary {
    /// Reads a summary off nodes, a layer or pair at a time over all of them. Logarithms must be there if β underflows.
    pub(crate) fn of(nodes: &mut Nodes, pairs: bool, logs: impl Fn(&mut Nodes)) -> Self {
        let (n, k) = (nodes.len, nodes.layers);
        let mut s = Summary { marginals: Vec::with_capacity(k), pairs: Vec::new(), counts: Vec::new(), ln_beta: 0.0 };
        let mut weighted = vec![0.0; n];
        // Row m: weight times P(m of the layers so far fail) at every node.
        let mut counts = vec![0.0; (k + 1) * n];
        counts[..n].copy_from_slice(&nodes.weight);
        vectorised(
            #[inline(always)]
            || {
                for i in 0..k {
                    let (p, q) = (nodes.p(i), nodes.q(i));
                    s.marginals.push(dot(&nodes.weight, p));
                    if pairs {
                        weighted.iter_mut().zip(&nodes.weight).zip(p).for_each(|((o, w), p)| *o = w * p);
                        s.pairs.extend((i + 1..k).map(|j| dot(&weighted, nodes.p(j))));
                    }
                    for m in (0..=i).rev() {
                        let (low, high) = counts.split_at_mut((m + 1) * n);
                        let (low, high) = (&mut low[m * n..], &mut high[..n]);
                        for z in 0..n {
                            high[z] = low[z].mul_add(p[z], high[z]);
                            low[z] *= q[z];
                        }
                    }
                }
            },
        );
        s.counts = counts.chunks_exact(n).map(|c| c.iter().sum()).collect();
        let beta = s.counts[k];
        s.ln_beta = if beta > 1e-290 {
            beta.ln()
        } else {
            if nodes.ln_p.is_empty() {
                logs(nodes);
            }
            let term = |z: usize| nodes.weight[z].ln() + (0..k).map(|i| nodes.ln_p[i * n + z]).sum::<f64>();
            ln_sum_exp((0..n).map(term).collect::<Vec<_>>().into_iter())
        };
        s
    }

    /// Summaries of strata, by their shares.
    pub(crate) fn union(parts: &[(f64, Summary)]) -> Self {
        let total: f64 = parts.iter().map(|p| p.0).sum();
        let mix = |list: &dyn Fn(&Summary) -> &Vec<f64>| {
            (0..list(&parts[0].1).len()).map(|i| parts.iter().map(|(w, s)| w / total * list(s)[i]).sum()).collect()
        };
        Summary {
            marginals: mix(&|s| &s.marginals),
            pairs: mix(&|s| &s.pairs),
            counts: mix(&|s| &s.counts),
            ln_beta: ln_sum_exp(parts.iter().map(|(w, s)| (w / total).ln() + s.ln_beta)),
        }
    }

    /// Co-failure curve from the histogram, m = 1..=k.
    pub(crate) fn curve(&self) -> Vec<f64> {
        curve(&self.counts, self.marginals.len())
    }
}

impl JointLaw for Mixture {
    fn layers(&self) -> usize {
        self.layers
    }
    fn system_failure(&self, system: &Structure) -> Result<f64> {
        system.under_mixture(self)
    }
    fn ln_pattern(&self, failed: &LayerSet, observed: &LayerSet) -> f64 {
        let term = |z: usize| {
            let mut sum = self.ln_weight[z];
            for i in observed.iter() {
                sum += if bit(failed.words(), i) { self.ln_fail(z)[i] } else { self.ln_hold(z)[i] };
            }
            sum
        };
        ln_sum_exp((0..self.nodes()).map(term).collect::<Vec<_>>().into_iter()).min(0.0)
    }
    fn failure_counts(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.layers + 1];
        let mut own = Vec::with_capacity(self.layers + 1);
        for z in 0..self.nodes() {
            self.counts_at(z, &mut own);
            let w = self.ln_weight[z].exp();
            total.iter_mut().zip(&own).for_each(|(t, o)| *t += w * o);
        }
        total
    }
    fn simulate(&self, rng: &mut dyn rand::RngCore) -> LayerSet {
        let mut left: f64 = rng.random();
        let mut node = self.nodes() - 1;
        for z in 0..self.nodes() {
            left -= self.ln_weight[z].exp();
            if left < 0.0 {
                node = z;
                break;
            }
        }
        let mut set = LayerSet::empty(self.layers);
        for (i, l) in self.ln_fail(node).iter().enumerate() {
            if rng.random::<f64>() < l.exp() {
                set.insert(i);
            }
        }
        set
    }
}
