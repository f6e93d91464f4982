//! A few kinds of attacks: within each, layers fail independently at rates of their own (Lazarsfeld and Henry 1968).
//!
//! P(pattern) = Σ_c w_c Π_i p_ic^{y_i}(1 − p_ic)^{1 − y_i}. Fitted by EM (Dempster, Laird and Rubin 1977), whose expected counts are the likelihood's
//! derivatives, then by its gradient. Classes have no order of their own; draws are relabelled to agree with the fit.

use super::mixture::Mixture;
use super::{Coordinate, Family, Reading, Setting, check_rates, probit};
use crate::error::{Error, Result};
use crate::likelihood::{Adjoint, Likelihood, Nodes, Workspace};
use crate::normal::LANES;
use crate::quadrature::Accuracy;
use crate::special::{normal_cdf, normal_quantile};
use rand::Rng;

/// Coordinates: logits of the shares (one more than free, so that all classes are alike), then τ_ci class by class.
#[derive(Debug)]
pub(crate) struct LatentClass {
    layers: usize,
    classes: usize,
}

/// The most classes that are tried.
pub(crate) const MOST_CLASSES: usize = 8;

impl LatentClass {
    pub(crate) fn new(s: &Setting) -> Self {
        LatentClass { layers: s.layers, classes: s.classes }
    }
    fn shares(&self, at: &[f64]) -> Vec<f64> {
        let most = at[..self.classes].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let w: Vec<f64> = at[..self.classes].iter().map(|x| (x - most).exp()).collect();
        let total: f64 = w.iter().sum();
        w.into_iter().map(|w| w / total).collect()
    }
    fn tau(&self, c: usize, i: usize) -> usize {
        self.classes + c * self.layers + i
    }
    /// Classes from the mildest to the one that most layers fail on.
    fn by_severity(&self, at: &[f64]) -> Vec<usize> {
        let severity = |c: usize| (0..self.layers).map(|i| normal_cdf(at[self.tau(c, i)])).sum::<f64>();
        let mut order: Vec<usize> = (0..self.classes).collect();
        order.sort_by(|&a, &b| severity(a).total_cmp(&severity(b)));
        order
    }

    /// Puts class `order[c]` in place c.
    fn permute(&self, at: &mut [f64], order: &[usize]) {
        let old = at.to_vec();
        for (c, &from) in order.iter().enumerate() {
            at[c] = old[from];
            (0..self.layers).for_each(|i| at[self.tau(c, i)] = old[self.tau(from, i)]);
        }
    }

    /// EM from a place, until ℓ rises by less than `tolerance` or `steps` are done. Returns the place, ℓ and the steps made.
    pub(crate) fn em(
        &self,
        data: &Likelihood<'_>,
        weight: &[f64],
        from: &[f64],
        tolerance: f64,
        steps: usize,
        space: &mut Workspace,
    ) -> (Vec<f64>, f64, usize) {
        let (k, classes) = (self.layers, self.classes);
        self.place(from, Accuracy::FIT, &mut space.nodes);
        let mut before = f64::NEG_INFINITY;
        let mut made = 0;
        for step in 0..steps {
            let value = data.value(weight, space, Nodes::plain_logs);
            made = step;
            if value - before < tolerance {
                before = value;
                break;
            }
            before = value;
            let Workspace { nodes, adjoint, .. } = &mut *space;
            let n = nodes.len;
            let total: f64 = adjoint.weight[..classes].iter().sum();
            for c in 0..classes {
                nodes.weight[c] = adjoint.weight[c] / total;
                for i in 0..k {
                    let (failed, held) = (adjoint.failed[i * n + c], adjoint.held[i * n + c]);
                    // A class without an observation of a layer keeps its rate.
                    if failed + held > 0.0 {
                        nodes.p[i * n + c] = failed / (failed + held);
                        nodes.q[i * n + c] = held / (failed + held);
                    }
                }
            }
            nodes.ln_p.clear();
            nodes.ln_q.clear();
        }
        let n = space.nodes.len;
        let mut at: Vec<f64> = space.nodes.weight[..classes].iter().map(|w| w.max(1e-300).ln()).collect();
        for c in 0..classes {
            at.extend((0..k).map(|i| {
                let (p, q) = (space.nodes.p[i * n + c], space.nodes.q[i * n + c]);
                // Beyond ±9 nothing changes any more: 1e-19.
                if p < 0.5 { normal_quantile(p).max(-9.0) } else { -normal_quantile(q).max(-9.0) }
            }));
        }
        (at, before, made)
    }
}

impl Family for LatentClass {
    fn coordinates(&self) -> Vec<Coordinate> {
        [vec![Coordinate { mean: 0.0, sd: 1.5 }; self.classes], vec![Coordinate::THRESHOLD; self.classes * self.layers]].concat()
    }
    fn free(&self) -> usize {
        self.classes - 1 + self.classes * self.layers
    }
    fn place(&self, at: &[f64], _: Accuracy, nodes: &mut Nodes) {
        nodes.resize(self.layers, self.classes);
        nodes.weight[..self.classes].copy_from_slice(&self.shares(at));
        nodes.probit.z = [vec![0.0; LANES], Vec::new()];
        probit::pad(nodes);
        probit::fill_from(nodes, |i, x, _, _| {
            x.fill(0.0);
            (0..self.classes).for_each(|c| x[c] = at[self.tau(c, i)]);
        });
    }
    fn logs(&self, nodes: &mut Nodes) {
        probit::logs(nodes);
    }
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        let total: f64 = adjoint.weight[..self.classes].iter().sum();
        for (c, share) in self.shares(at).into_iter().enumerate() {
            gradient[c] += adjoint.weight[c] - share * total;
        }
        for i in 0..self.layers {
            probit::slopes(nodes, adjoint, i);
            (0..self.classes).for_each(|c| gradient[self.tau(c, i)] += nodes.probit.slope[c]);
        }
    }
    fn start(&self, rates: &[f64], _: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
        // Classes at random severities around the layers' rates; equal ones would stay equal.
        let shares = (0..self.classes).map(|_| 0.0).collect::<Vec<f64>>();
        let tau = (0..self.classes).flat_map(|_| {
            let severity = rng.random_range(-1.5..1.5);
            rates.iter().map(|&p| normal_quantile(p) + severity + rng.random_range(-0.7..0.7)).collect::<Vec<_>>()
        });
        shares.into_iter().chain(tau.collect::<Vec<_>>()).collect()
    }
    fn canonical(&self, at: &mut [f64]) {
        self.permute(at, &self.by_severity(at));
    }
    fn align(&self, at: &mut [f64], reference: &[f64]) {
        // Which class of the draw stands where, so that the squared differences of all rates are least: dynamic programming
        // over sets of classes already placed.
        let distance = |place: usize, c: usize| -> f64 {
            let rate = |at: &[f64], c: usize, i: usize| normal_cdf(at[self.tau(c, i)]);
            (0..self.layers).map(|i| (rate(reference, place, i) - rate(at, c, i)).powi(2)).sum()
        };
        let many = 1usize << self.classes;
        let mut best = vec![(f64::INFINITY, 0usize); many];
        best[0].0 = 0.0;
        for set in 0..many {
            let place = set.count_ones() as usize;
            for c in (0..self.classes).filter(|c| set >> c & 1 == 0) {
                let total = best[set].0 + distance(place, c);
                if total < best[set | 1 << c].0 {
                    best[set | 1 << c] = (total, c);
                }
            }
        }
        let mut order = vec![0; self.classes];
        let mut set = many - 1;
        for place in (0..self.classes).rev() {
            order[place] = best[set].1;
            set &= !(1 << order[place]);
        }
        self.permute(at, &order);
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        let share = self.shares(at).into_iter().enumerate().map(|(c, value)| Reading { name: format!("share of class {}", c + 1), value });
        let rate = (0..self.classes).flat_map(|c| {
            let name = move |l: &String| format!("rate of {l} in class {}", c + 1);
            layers.iter().enumerate().map(move |(i, l)| Reading { name: name(l), value: normal_cdf(at[self.tau(c, i)]) })
        });
        share.chain(rate).collect()
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        let shares = self.shares(at);
        let mut out = Vec::new();
        for c in 0..self.classes {
            if shares[c] * trials < 0.5 {
                out.push(format!("class {} holds less than half a trial", c + 1));
                continue;
            }
            for (what, sign) in [("0", 1.0), ("1", -1.0)] {
                let there: Vec<&str> = (0..self.layers)
                    .filter(|&i| normal_cdf(sign * at[self.tau(c, i)]) * trials * shares[c] < 0.3)
                    .map(|i| layers[i].as_str())
                    .collect();
                if !there.is_empty() {
                    out.push(format!("in class {} the rate of {} goes to {what}", c + 1, there.join(", ")));
                }
            }
        }
        out
    }
    fn classes(&self) -> Option<usize> {
        Some(self.classes)
    }
}

/// Kinds of attacks with their shares, and each layer's failure rate on each kind.
///
/// Fails without classes, when a share is negative, or when a rate is not between 0 and 1. Shares are scaled to sum to 1.
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// // 1% of attacks are of a kind on which both layers nearly always fail.
/// let law = stated::latent_class(&[0.99, 0.01], &[vec![0.05, 0.05], vec![0.9, 0.9]])?;
/// let beta = law.ln_all_fail(&LayerSet::all(2)).exp();
/// assert!((beta - (0.99 * 0.0025 + 0.01 * 0.81)).abs() < 1e-15);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn latent_class(shares: &[f64], rates: &[Vec<f64>]) -> Result<Mixture> {
    super::check_length("the number of rows of rates", rates.len(), shares.len())?;
    let layers = rates.first().ok_or(Error::NoLayers)?.len();
    for r in rates {
        check_rates(r)?;
        super::check_length("the number of rates of a class", r.len(), layers)?;
    }
    if let Some(&got) = shares.iter().find(|s| !(**s >= 0.0 && s.is_finite())).or(shares.iter().all(|s| *s <= 0.0).then_some(&shares[0])) {
        return Err(Error::OutOfRange { what: "a class's share", expected: "positive", got });
    }
    Ok(Mixture::from_probabilities(layers, shares.iter().copied().zip(rates.iter().cloned())))
}
