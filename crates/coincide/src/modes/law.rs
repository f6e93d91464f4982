//! The map with numbers: a noisy-OR law over activations of failure modes.
//!
//! Mode j is active on a share q_j of attacks, independently of the others; active, it makes technique i fail with probability s_ij; without any
//! mode it fails at its leak: P(i fails | active set A) = 1 − (1 − leak_i) Π_{j∈A}(1 − s_ij) (Pearl 1988). The law is a mixture over the 2^m
//! activations, techniques independent within each.

use crate::error::{Error, Result};
use crate::model::Mixture;
use crate::scenario::Changes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Failure modes up to which activations are summed exactly.
pub const MOST_MODES: usize = 16;

/// Numbers for a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeLaw {
    /// q_j: share of attacks on which a mode is active.
    pub prevalence: Vec<f64>,
    /// s_ij, technique by technique: probability that an active mode defeats the technique.
    pub susceptibility: Vec<Vec<f64>>,
    /// Probability that a technique fails without any mode.
    pub leak: Vec<f64>,
}

/// Weights of all activations and every technique's failure probability in each.
#[derive(Debug, Clone)]
pub(crate) struct Activations {
    /// Probability of each activation; bit j of the index says whether mode j is active.
    pub weight: Vec<f64>,
    /// Failure probability, technique by technique.
    pub fail: Vec<Vec<f64>>,
}

/// Π over active modes, for every activation: `first` times the factor of each active mode.
fn doubled(first: f64, factors: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut list = vec![first];
    for (off, on) in factors {
        let n = list.len();
        list.extend_from_within(..);
        list[..n].iter_mut().for_each(|x| *x *= off);
        list[n..].iter_mut().for_each(|x| *x *= on);
    }
    list
}

impl ModeLaw {
    /// A law; fails on numbers that are no probabilities, on lists of different lengths and above [`MOST_MODES`] modes.
    ///
    /// ```
    /// use coincide::{JointLaw, LayerSet, ModeLaw};
    /// // Ten techniques that fail on 10%, a tenth of it by one shared mode.
    /// let (q, s) = (0.01, 1.0);
    /// let leak = (0.1 - q * s) / (1.0 - q * s);
    /// let law = ModeLaw::new(vec![q], vec![vec![s]; 10], vec![leak; 10])?.mixture();
    /// assert!((law.marginal(0) - 0.1).abs() < 1e-12);
    /// // Multiplying promises 1e-10; all fail whenever the mode is active.
    /// assert!(law.ln_all_fail(&LayerSet::all(10)).exp() >= 0.01);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn new(prevalence: Vec<f64>, susceptibility: Vec<Vec<f64>>, leak: Vec<f64>) -> Result<Self> {
        let m = prevalence.len();
        if m > MOST_MODES {
            return Err(Error::Stated(format!(
                "{m} failure modes; activations are summed exactly up to {MOST_MODES}: merge modes that occur together"
            )));
        }
        if leak.is_empty() || susceptibility.len() != leak.len() || susceptibility.iter().any(|s| s.len() != m) {
            return Err(Error::Stated("every technique needs one leak and one susceptibility a mode".into()));
        }
        for (what, list) in [("a prevalence", vec![&prevalence]), ("a susceptibility", susceptibility.iter().collect()), ("a leak", vec![&leak])] {
            if let Some(&got) = list.into_iter().flatten().find(|x| !(0.0..=1.0).contains(*x)) {
                return Err(Error::OutOfRange { what, expected: "between 0 and 1", got });
            }
        }
        Ok(ModeLaw { prevalence, susceptibility, leak })
    }
    /// Number of techniques.
    pub fn techniques(&self) -> usize {
        self.leak.len()
    }
    /// Number of modes.
    pub fn modes(&self) -> usize {
        self.prevalence.len()
    }
    /// P(technique i fails): 1 − (1 − leak_i) Π_j (1 − q_j s_ij).
    pub fn marginal(&self, technique: usize) -> f64 {
        let ln: f64 = self.prevalence.iter().zip(&self.susceptibility[technique]).map(|(q, s)| (-q * s).ln_1p()).sum();
        -((-self.leak[technique]).ln_1p() + ln).exp_m1()
    }
    /// Weights alone, for another prevalence.
    pub(crate) fn weights(prevalence: &[f64]) -> Vec<f64> {
        doubled(1.0, prevalence.iter().map(|q| (1.0 - q, *q)))
    }
    /// Failure probabilities in every activation.
    pub(crate) fn failures(&self, technique: usize) -> Vec<f64> {
        // Sums of logarithms: 1 − Π(1 − s) keeps its digits where all s are small.
        let mut list = vec![(-self.leak[technique]).ln_1p()];
        for s in &self.susceptibility[technique] {
            let n = list.len();
            list.extend_from_within(..);
            let step = (-s).ln_1p();
            list[n..].iter_mut().for_each(|x| *x += step);
        }
        list.iter_mut().for_each(|x| *x = -x.exp_m1());
        list
    }
    /// All activations.
    pub(crate) fn activations(&self) -> Activations {
        Activations { weight: Self::weights(&self.prevalence), fail: (0..self.techniques()).map(|i| self.failures(i)).collect() }
    }
    /// The law as a mixture over activations.
    pub fn mixture(&self) -> Mixture {
        let a = self.activations();
        Mixture::from_probabilities(self.techniques(), a.weight.iter().enumerate().map(|(z, w)| (*w, a.fail.iter().map(|f| f[z]).collect())))
    }
    /// The same law without one mode.
    #[must_use]
    pub fn without(&self, mode: usize) -> ModeLaw {
        let mut law = self.clone();
        law.prevalence[mode] = 0.0;
        law
    }
}

/// How much each mode contributes to a portfolio's joint failure.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shares {
    /// ln β.
    pub ln_beta: f64,
    /// ln Πp_i.
    pub ln_product: f64,
    /// Shapley shares of ln(β/Πp_i), mode by mode, then the cascades' where there are any: they sum to it.
    pub shapley: Vec<f64>,
    /// 1 − β without the mode / β.
    pub removal: Vec<f64>,
}

/// Shares of the modes in the joint failure of `set`.
///
/// The game: of a set S of modes it is known whether they are active, for all techniques at once; of the others each technique draws its own. With all
/// modes shared the joint rate is β, with none it is Πp_i, and marginals stay what they are throughout; ln of it is the value of S.
///
/// With cascades, failures depend on each other even where no mode is shared: what is then left between the value of no shared mode and the product is
/// the cascades' own share, the last one.
pub(crate) fn shares(law: &ModeLaw, set: &[usize], cascades: &Changes) -> Shares {
    let m = law.modes();
    let size = 1usize << m;
    let plain = cascades.cascades.is_empty();
    let involved: Vec<usize> = if plain { set.to_vec() } else { (0..law.techniques()).collect() };
    let mut value = vec![0.0; size];
    for (s, v) in value.iter_mut().enumerate() {
        let shared: Vec<usize> = (0..m).filter(|j| s >> j & 1 == 1).collect();
        let weight = ModeLaw::weights(&shared.iter().map(|&j| law.prevalence[j]).collect::<Vec<_>>());
        let fail = involved.iter().map(|&i| {
            let own: f64 = (0..m).filter(|j| s >> j & 1 == 0).map(|j| (-law.prevalence[j] * law.susceptibility[i][j]).ln_1p()).sum();
            let mut ln_hold = vec![(-law.leak[i]).ln_1p() + own];
            for &j in &shared {
                let n = ln_hold.len();
                ln_hold.extend_from_within(..);
                let step = (-law.susceptibility[i][j]).ln_1p();
                ln_hold[n..].iter_mut().for_each(|x| *x += step);
            }
            ln_hold.iter_mut().for_each(|l| *l = -l.exp_m1());
            ln_hold
        });
        *v = all_fail(weight, fail, set, cascades).ln();
    }
    let weight: Vec<f64> = (0..m).map(|s| 1.0 / (m as f64 * (0..s).map(|i| (m - 1 - i) as f64 / (i + 1) as f64).product::<f64>())).collect();
    let mut shapley: Vec<f64> = (0..m)
        .map(|j| (0..size).filter(|s| s >> j & 1 == 0).map(|s| weight[s.count_ones() as usize] * (value[s | 1 << j] - value[s])).sum())
        .collect();
    let ln_beta = value[size - 1];
    let gone = |without: f64| -(without - ln_beta).exp_m1();
    let ln_of = |law: &ModeLaw| all_fail(ModeLaw::weights(&law.prevalence), involved.iter().map(|&i| law.failures(i)), set, cascades).ln();
    let mut removal: Vec<f64> = (0..m).map(|j| gone(ln_of(&law.without(j)))).collect();
    let mut ln_product = value[0];
    if !plain {
        let alone = |i: usize| all_fail(ModeLaw::weights(&law.prevalence), involved.iter().map(|&i| law.failures(i)), &[i], cascades).ln();
        ln_product = set.iter().map(|&i| alone(i)).sum();
        shapley.push(value[0] - ln_product);
        removal.push(gone(ln_all(law, set)));
    }
    Shares { ln_beta, ln_product, shapley, removal }
}

/// P(all of `set` fail) over activations: weights, and failure probabilities of the set, or of every technique where failures cascade.
fn all_fail(mut weight: Vec<f64>, fail: impl Iterator<Item = Vec<f64>>, set: &[usize], cascades: &Changes) -> f64 {
    if cascades.cascades.is_empty() {
        fail.for_each(|p| weight.iter_mut().zip(p).for_each(|(t, p)| *t *= p));
        return weight.iter().sum();
    }
    let fail: Vec<Vec<f64>> = fail.collect();
    let mut total = 0.0;
    let mut p = vec![0.0; fail.len()];
    for (z, w) in weight.iter().enumerate() {
        p.iter_mut().zip(&fail).for_each(|(p, f)| *p = f[z]);
        cascades.apply(&mut p, &mut |share, p| total += w * share * set.iter().map(|&i| p[i]).product::<f64>());
    }
    total
}

/// ln β of a set, summed over activations.
pub(crate) fn ln_all(law: &ModeLaw, set: &[usize]) -> f64 {
    let mut total = ModeLaw::weights(&law.prevalence);
    for &i in set {
        total.iter_mut().zip(law.failures(i)).for_each(|(t, p)| *t *= p);
    }
    total.iter().sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSet;
    use crate::model::JointLaw;
    use crate::random::{Purpose, Seed};
    use rand::Rng;

    fn random(techniques: usize, modes: usize, run: u64) -> ModeLaw {
        let mut rng = Seed(4).stream(Purpose::Simulation, run);
        let mut draw = |zero: f64| if rng.random_bool(zero) { 0.0 } else { rng.random::<f64>() };
        let list = |n: usize, draw: &mut dyn FnMut(f64) -> f64| (0..n).map(|_| draw(0.2)).collect::<Vec<_>>();
        let prevalence = list(modes, &mut draw);
        let susceptibility = (0..techniques).map(|_| list(modes, &mut draw)).collect();
        ModeLaw::new(prevalence, susceptibility, (0..techniques).map(|_| 0.3 * draw(0.2)).collect()).unwrap()
    }

    /// Every mode and every outcome by hand: modes are on or off, then a technique fails by its leak or by any active mode.
    fn brute_force(law: &ModeLaw, failed: u32, within: u32) -> f64 {
        let mut total = 0.0;
        for active in 0..1u32 << law.modes() {
            let mut p = 1.0;
            for j in 0..law.modes() {
                p *= if active >> j & 1 == 1 { law.prevalence[j] } else { 1.0 - law.prevalence[j] };
            }
            for i in (0..law.techniques()).filter(|i| within >> i & 1 == 1) {
                let mut hold = 1.0 - law.leak[i];
                for j in (0..law.modes()).filter(|j| active >> j & 1 == 1) {
                    hold *= 1.0 - law.susceptibility[i][j];
                }
                p *= if failed >> i & 1 == 1 { 1.0 - hold } else { hold };
            }
            total += p;
        }
        total
    }

    #[test]
    fn enumeration_equals_a_brute_force_sum_for_eight_by_eight() {
        for run in 0..20 {
            let law = random(8, 8, run);
            let mixture = law.mixture();
            let mut rng = Seed(5).stream(Purpose::Simulation, run);
            for _ in 0..10 {
                let (within, failed) = (rng.random_range(1..256u32), rng.random_range(0..256u32));
                let failed = failed & within;
                let set = |mask: u32| LayerSet::of(8, &(0..8).filter(|i| mask >> i & 1 == 1).collect::<Vec<_>>());
                let want = brute_force(&law, failed, within);
                assert!((mixture.ln_pattern(&set(failed), &set(within)).exp() - want).abs() < 1e-12);
                let members: Vec<usize> = (0..8).filter(|i| within >> i & 1 == 1).collect();
                assert!((ln_all(&law, &members).exp() - brute_force(&law, within, within)).abs() < 1e-12);
            }
            for i in 0..8 {
                assert!((law.marginal(i) - mixture.marginal(i)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn shapley_shares_sum_to_the_gap() {
        for run in 0..30 {
            let law = random(4, 6, 100 + run);
            let s = shares(&law, &[0, 2, 3], &Changes::default());
            let want = s.ln_beta - s.ln_product;
            let product: f64 = [0, 2, 3].iter().map(|&i| law.marginal(i).ln()).sum();
            if !s.ln_beta.is_finite() {
                continue;
            }
            assert!((s.ln_product - product).abs() < 1e-12 && (s.ln_beta - ln_all(&law, &[0, 2, 3])).abs() < 1e-12);
            assert!((s.shapley.iter().sum::<f64>() - want).abs() < 1e-12 * (1.0 + want.abs()), "{s:?}");
            // A mode that is never active, or defeats fewer than two of the techniques, has no part in the gap.
            for j in 0..6 {
                let idle = law.prevalence[j] == 0.0 || [0, 2, 3].iter().filter(|&&i| law.susceptibility[i][j] > 0.0).count() < 2;
                if idle {
                    assert!(s.shapley[j].abs() < 1e-12, "{j}: {s:?}");
                }
            }
        }
    }

    #[test]
    fn cascades_have_a_share_of_their_own() {
        let law = random(4, 5, 7);
        let cascades = Changes { cascades: vec![(1, 0, 0.4), (0, 2, 0.3)], ..Changes::default() };
        let s = shares(&law, &[0, 2], &cascades);
        let a = law.activations();
        let mean = |f: &dyn Fn(&[f64]) -> f64| {
            let mut total = 0.0;
            for (z, w) in a.weight.iter().enumerate() {
                let mut p: Vec<f64> = a.fail.iter().map(|f| f[z]).collect();
                cascades.apply(&mut p, &mut |share, p| total += w * share * f(p));
            }
            total
        };
        let (beta, first, second) = (mean(&|p| p[0] * p[2]), mean(&|p| p[0]), mean(&|p| p[2]));
        assert!((s.ln_beta - beta.ln()).abs() < 1e-12 && (s.ln_product - (first * second).ln()).abs() < 1e-12);
        assert!((s.shapley.iter().sum::<f64>() - (beta / first / second).ln()).abs() < 1e-12);
        assert_eq!(s.shapley.len(), 6);
        assert!(s.shapley[5] > 0.0 && s.removal[5] > 0.0, "{s:?}");
    }

    #[test]
    fn tiny_failure_probabilities_keep_their_digits() {
        let law = ModeLaw::new(vec![1e-3], vec![vec![1e-9]; 3], vec![1e-14; 3]).unwrap();
        let active = 1e-9 + 1e-14 - 1e-23;
        let want = 1e-3 * f64::powi(active, 3) + 0.999 * 1e-42;
        assert!((ln_all(&law, &[0, 1, 2]).exp() / want - 1.0).abs() < 1e-10);
    }

    #[test]
    fn wrong_numbers_are_refused() {
        assert!(ModeLaw::new(vec![1.2], vec![vec![0.1]], vec![0.0]).is_err());
        assert!(ModeLaw::new(vec![0.2], vec![vec![0.1, 0.2]], vec![0.0]).is_err());
        assert!(ModeLaw::new(vec![0.1; 17], vec![vec![0.1; 17]], vec![0.0]).is_err());
    }
}
