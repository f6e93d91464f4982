//! Shocks: what a common cause does to a group, in the parametrisations of the handbooks (Mosleh et al. 1988, NUREG/CR-4780). A group of m members has a shock for every set of them; Q is the rate at which
//! a member fails by the group's shocks, Q_k that of one specific shock of k members.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most members of a group: it has a shock for every set of them.
pub const MOST_MEMBERS: usize = 12;

/// How the rates of shocks follow from a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CauseModel {
    /// β: the share of a member's failures that take the whole group. One factor.
    Beta,
    /// Multiple Greek letters: β, γ, δ, …, the share of failures of at least k members that are of at least k + 1. One factor fewer than members.
    Mgl,
    /// α_k: the share of failure events that are of exactly k members. A factor for each number of members.
    Alpha,
    /// The same, where members are tested in turn and not together.
    AlphaStaggered,
    /// φ_k: the rate of one specific shock of k members over Q. A factor for each number of members.
    Phi,
    /// Binomial failure rate: shocks that each member fails in by chance, and lethal ones.
    BinomialFailureRate,
}

/// C(n, k), the number of sets of k out of n: 0 where k is more than n.
pub fn choose(n: usize, k: usize) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64).round()
}

impl CauseModel {
    /// Factors that a group of `m` members has.
    pub fn factors(self, m: usize) -> usize {
        match self {
            CauseModel::Beta => 1,
            CauseModel::Mgl => m - 1,
            CauseModel::Alpha | CauseModel::AlphaStaggered | CauseModel::Phi => m,
            CauseModel::BinomialFailureRate => 0,
        }
    }

    /// The probability of one specific shock of k = 1..=m members whose rates are `rates`, in a group whose members fail at rate `q`: 1 − (1 − Q)^{Q_k/Q}, with which every member of a group that
    /// [keeps rates](Self::keeps_rates) fails at exactly Q; or Q_k itself, as other fault-tree tools have it, where `as_they_are` says so.
    pub fn probabilities(self, rates: Vec<f64>, q: f64, as_they_are: bool) -> Vec<f64> {
        if as_they_are || !self.keeps_rates() {
            return rates.into_iter().map(|r| r.min(1.0)).collect();
        }
        let one = |r: f64| match r {
            r if r <= 0.0 => 0.0,
            _ if q >= 1.0 => 1.0,
            r => -((-q).ln_1p() * r / q).exp_m1(),
        };
        rates.into_iter().map(one).collect()
    }

    /// Whether the rates of shocks add up to Q for every member.
    pub fn keeps_rates(self) -> bool {
        !matches!(self, CauseModel::Phi | CauseModel::BinomialFailureRate)
    }

    /// Q_k/Q, the rate of one specific shock of k = 1..=m members over the rate Q of a member, from factors that are as many as [`Self::factors`] says. Empty for the binomial failure rate, which has no
    /// factors.
    ///
    /// ```
    /// use coincide_structure::CauseModel;
    /// // α-factors, tested together: Q_k = k α_k Q / (C(m−1, k−1) Σ j α_j).
    /// let shares = CauseModel::Alpha.shares(&[0.95, 0.03, 0.02], 3);
    /// assert!((shares[1] - 0.02803738318).abs() < 1e-10);
    /// // Every member's shocks add up to Q: one alone, two pairs, one of all.
    /// assert!((shares[0] + 2.0 * shares[1] + shares[2] - 1.0).abs() < 1e-12);
    /// ```
    pub fn shares(self, factors: &[f64], m: usize) -> Vec<f64> {
        let sets = |k: usize| choose(m - 1, k - 1);
        match self {
            CauseModel::Beta => (1..=m)
                .map(|k| {
                    if k == m {
                        factors[0]
                    } else if k == 1 {
                        1.0 - factors[0]
                    } else {
                        0.0
                    }
                })
                .collect(),
            CauseModel::Mgl => {
                // r_1 = 1, r_{m+1} = 0; the product of the first k.
                let mut product = 1.0;
                (1..=m)
                    .map(|k| {
                        product *= if k > 1 { factors[k - 2] } else { 1.0 };
                        product * (1.0 - if k < m { factors[k - 1] } else { 0.0 }) / sets(k)
                    })
                    .collect()
            }
            CauseModel::Alpha => {
                let total: f64 = factors.iter().enumerate().map(|(i, a)| (i + 1) as f64 * a).sum();
                (1..=m).map(|k| k as f64 * factors[k - 1] / (sets(k) * total)).collect()
            }
            CauseModel::AlphaStaggered => {
                let total: f64 = factors.iter().sum();
                (1..=m).map(|k| factors[k - 1] / (sets(k) * total)).collect()
            }
            CauseModel::Phi => factors.to_vec(),
            CauseModel::BinomialFailureRate => Vec::new(),
        }
    }

    /// The factors with which [`shares`](Self::shares) gives these Q_k/Q of k = 1..=m members. For β, which knows no shocks but of one member and of all, those between count as none; empty for the binomial failure
    /// rate.
    ///
    /// ```
    /// use coincide_structure::CauseModel;
    /// let shares = CauseModel::Mgl.shares(&[0.2, 0.5], 3);
    /// let factors = CauseModel::Mgl.factors_of(&shares);
    /// assert!((factors[0] - 0.2).abs() < 1e-15 && (factors[1] - 0.5).abs() < 1e-15);
    /// ```
    pub fn factors_of(self, shares: &[f64]) -> Vec<f64> {
        let m = shares.len();
        // Of a member's rate, what comes by shocks of so many members.
        let by_size = |k: usize| choose(m - 1, k - 1) * shares[k - 1];
        let from = |k: usize| (k..=m).map(by_size).sum::<f64>();
        match self {
            CauseModel::Beta => vec![shares[m - 1] / (shares[0] + shares[m - 1])],
            CauseModel::Mgl => (2..=m).map(|k| if from(k - 1) > 0.0 { from(k) / from(k - 1) } else { 0.0 }).collect(),
            CauseModel::Alpha => {
                let events = |k: usize| by_size(k) / k as f64;
                let total: f64 = (1..=m).map(events).sum();
                (1..=m).map(|k| events(k) / total).collect()
            }
            CauseModel::AlphaStaggered => (1..=m).map(|k| by_size(k) / from(1)).collect(),
            CauseModel::Phi => shares.to_vec(),
            CauseModel::BinomialFailureRate => Vec::new(),
        }
    }

    /// What the handbooks call the factors of a group of `m` members.
    pub fn factor_names(self, m: usize) -> Vec<String> {
        const GREEK: [&str; MOST_MEMBERS - 1] = ["β", "γ", "δ", "ε", "ζ", "η", "θ", "ι", "κ", "λ", "μ"];
        let numbered = |letter: &str| (1..=m).map(|k| format!("{letter}{k}")).collect();
        match self {
            CauseModel::Beta => vec!["β".to_owned()],
            CauseModel::Mgl => GREEK[..m - 1].iter().map(|g| (*g).to_owned()).collect(),
            CauseModel::Alpha | CauseModel::AlphaStaggered => numbered("α"),
            CauseModel::Phi => numbered("φ"),
            CauseModel::BinomialFailureRate => Vec::new(),
        }
    }
}

/// Every shock of a group of `m` members that happens at all, where one specific shock of k members has the probability `q[k - 1]`: its members as the bits of a number, and its probability. By size,
/// then by members.
pub fn shocks(m: usize, q: &[f64]) -> Vec<(u32, f64)> {
    let mut out: Vec<(u32, f64)> = (1..1u32 << m).map(|set| (set, q[set.count_ones() as usize - 1])).filter(|s| s.1 > 0.0).collect();
    out.sort_by_key(|s| (s.0.count_ones(), s.0));
    out
}
