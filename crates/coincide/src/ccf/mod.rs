//! Common causes: groups of layers that shocks make fail at once (Mosleh et al. 1988, NUREG/CR-4780), with factors that are stated, or [learned](learn_cause) from outcomes.
//!
//! A group of m layers has a shock for every set of its members. Q is the rate at which a member fails by the group's shocks, Q_k that of one specific shock of k members. What the usual
//! parametrisations say are the Q_k; shocks are independent with q_k = 1 − (1 − Q)^{Q_k/Q}, which keeps the rate of every member exactly Q, or, as other fault-tree tools have it, with q_k = Q_k.

mod learned;
mod shock_law;

pub use learned::{FailuresSeen, LearnedCause, LearnedFactor, ShockRate, learn_cause};
pub(crate) use learned::{Learner, learn};

use crate::error::{Error, Result};
use coincide_structure::{CauseModel, choose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A group of layers with a common cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommonCause {
    /// Name.
    pub name: String,
    /// Members.
    pub layers: Vec<String>,
    /// How the rates of shocks follow from the factors.
    pub model: CauseModel,
    /// Factors, as the model has them. Where none are given, β, MGL and α factors are learned from the outcomes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub factors: Vec<f64>,
    /// Q, the rate at which a member fails by this group's shocks, alone or with others; where it is not given, the most that every member's rate has room for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rate: Option<f64>,
    /// Binomial failure rate: the rate Q_I of a member's failure of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub independent: Option<f64>,
    /// Binomial failure rate: the rate μ of shocks that are not lethal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shocks: Option<f64>,
    /// Binomial failure rate: the chance ρ that a member fails in one of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chance: Option<f64>,
    /// Binomial failure rate: the rate ω of shocks in which all members fail.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lethal: Option<f64>,
    /// Shocks have the probability Q_k itself, as in other fault-tree tools: members then fail less often than Q where Q is not small.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rare_event_parameters: bool,
}

impl CommonCause {
    /// Whether the factors are left to the outcomes.
    ///
    /// ```
    /// use coincide::{CauseModel, CommonCause};
    /// let group = CommonCause { model: CauseModel::Alpha, ..CommonCause::of("vendor", &["a", "b"]) };
    /// assert!(group.is_learned());
    /// assert!(!CommonCause { factors: vec![0.9, 0.1], ..group }.is_learned());
    /// ```
    pub fn is_learned(&self) -> bool {
        self.factors.is_empty() && self.model.keeps_rates()
    }

    /// Checks members and numbers: at least two members and no more than [`MOST_MEMBERS`](coincide_structure::MOST_MEMBERS), each once, as many factors as the model has, all of them between 0 and 1, or none where they can be [learned](Self::is_learned).
    pub fn check(&self) -> Result<()> {
        self.checked().map_err(|e| e.within("common cause", &self.name))
    }

    fn checked(&self) -> Result<()> {
        let m = self.layers.len();
        if !(2..=coincide_structure::MOST_MEMBERS).contains(&m) {
            return Err(Error::OutOfRange { what: "the number of layers of a common cause", expected: "between 2 and 12", got: m as f64 });
        }
        if let Some(twice) = (1..m).find(|&i| self.layers[..i].contains(&self.layers[i])) {
            return Err(Error::DuplicateName(self.layers[twice].clone()));
        }
        let inside = |what: &'static str, x: f64| {
            if (0.0..=1.0).contains(&x) { Ok(()) } else { Err(Error::OutOfRange { what, expected: "between 0 and 1", got: x }) }
        };
        self.rate.map_or(Ok(()), |q| inside("the rate of a common cause", q))?;
        self.factors.iter().try_for_each(|&f| inside("a factor of a common cause", f))?;
        let needed = self.model.factors(m);
        if self.is_learned() {
            let because = "its factors are learned from the outcomes, as none are given";
            if self.rate.is_some() {
                return Err(Error::Stated(format!("{because}; so is its rate: leave out `rate`")));
            }
            if self.rare_event_parameters {
                return Err(Error::Stated(format!("{because}; `rare_event_parameters` belongs to factors that are stated")));
            }
        } else if self.factors.len() != needed {
            return Err(Error::Stated(format!("{} factors are given; this model has {needed} for {m} layers", self.factors.len())));
        }
        let own = [("independent", self.independent), ("shocks", self.shocks), ("chance", self.chance), ("lethal", self.lethal)];
        if self.model == CauseModel::BinomialFailureRate {
            if self.rate.is_some() {
                return Err(Error::Stated("the binomial failure rate says itself how often a member fails: leave out `rate`".into()));
            }
            if self.shocks.is_none() || self.chance.is_none() {
                return Err(Error::Stated("the binomial failure rate needs `shocks` and `chance`, and may have `independent` and `lethal`".into()));
            }
            own.iter().filter_map(|o| o.1).try_for_each(|x| inside("a rate of shocks", x))?;
        } else if let Some((name, _)) = own.iter().find(|o| o.1.is_some()) {
            return Err(Error::Stated(format!("`{name}` belongs to the model binomial-failure-rate alone")));
        }
        if matches!(self.model, CauseModel::Alpha | CauseModel::AlphaStaggered) && !self.is_learned() && self.factors.iter().sum::<f64>() <= 0.0 {
            return Err(Error::Stated("all factors are 0".into()));
        }
        Ok(())
    }

    /// Q_k, the rate of one specific shock of k = 1..=m members, where a member fails at rate `q` by the group's shocks.
    ///
    /// ```
    /// use coincide::{CauseModel, CommonCause};
    /// let group = CommonCause { model: CauseModel::BinomialFailureRate, independent: Some(5e-4), shocks: Some(1e-3), chance: Some(0.2), lethal: Some(1e-5),
    ///     ..CommonCause::of("power", &["a", "b", "c", "d"]) };
    /// let rates = group.shock_rates(0.0);
    /// assert!((rates[0] - 6.024e-4).abs() < 1e-12 && (rates[3] - 1.16e-5).abs() < 1e-15);
    /// ```
    pub fn shock_rates(&self, q: f64) -> Vec<f64> {
        let m = self.layers.len();
        if self.model != CauseModel::BinomialFailureRate {
            return self.model.shares(&self.factors, m).into_iter().map(|s| s * q).collect();
        }
        let [own, mu, rho, omega] = [self.independent, self.shocks, self.chance, self.lethal].map(|x| x.unwrap_or(0.0));
        (1..=m)
            .map(|k| {
                let by_chance = mu * rho.powi(k as i32) * (1.0 - rho).powi((m - k) as i32);
                by_chance + if k == 1 { own } else { 0.0 } + if k == m { omega } else { 0.0 }
            })
            .collect()
    }

    /// The probability of one specific shock of k = 1..=m members.
    pub fn shock_probabilities(&self, q: f64) -> Vec<f64> {
        self.model.probabilities(self.shock_rates(q), q, self.rare_event_parameters)
    }

    /// The rate at which a member fails by these shocks.
    pub fn implied_rate(&self, q: f64) -> f64 {
        let m = self.layers.len();
        let held: f64 = self.shock_probabilities(q).iter().enumerate().map(|(i, p)| choose(m - 1, i) * (-p).ln_1p()).sum();
        -held.exp_m1()
    }

    /// A group that has a name and members, for model and factors to be filled in.
    pub fn of(name: &str, layers: &[&str]) -> Self {
        CommonCause {
            name: name.to_owned(),
            layers: layers.iter().map(|&l| l.to_owned()).collect(),
            model: CauseModel::Beta,
            factors: vec![],
            rate: None,
            independent: None,
            shocks: None,
            chance: None,
            lethal: None,
            rare_event_parameters: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(model: CauseModel, factors: &[f64], members: &[&str]) -> CommonCause {
        CommonCause { model, factors: factors.to_vec(), ..CommonCause::of("group", members) }
    }

    /// Values computed independently.
    #[test]
    fn shock_rates_are_those_of_the_handbooks() {
        let near = |got: Vec<f64>, want: &[f64]| {
            assert_eq!(got.len(), want.len());
            got.iter().zip(want).for_each(|(g, w)| assert!((g / w - 1.0).abs() < 1e-9, "{got:?} {want:?}"));
        };
        let three = ["a", "b", "c"];
        near(group(CauseModel::Alpha, &[0.95, 0.03, 0.02], &three).shock_rates(1e-3), &[0.0008878504673, 2.803738318e-05, 5.607476636e-05]);
        near(group(CauseModel::AlphaStaggered, &[0.95, 0.03, 0.02], &three).shock_rates(1e-3), &[0.00095, 1.5e-05, 2e-05]);
        let bfr = CommonCause {
            independent: Some(5e-4),
            shocks: Some(1e-3),
            chance: Some(0.2),
            lethal: Some(1e-5),
            ..group(CauseModel::BinomialFailureRate, &[], &["a", "b", "c", "d"])
        };
        near(bfr.shock_rates(0.0), &[0.0006024, 2.56e-05, 6.4e-06, 1.16e-05]);
    }

    #[test]
    fn members_keep_their_rate() {
        for q in [1e-9, 1e-3, 0.1, 0.7, 1.0] {
            for g in [
                group(CauseModel::Beta, &[0.2], &["a", "b", "c"]),
                group(CauseModel::Mgl, &[0.3, 0.4, 0.5], &["a", "b", "c", "d"]),
                group(CauseModel::Alpha, &[0.7, 0.2, 0.1], &["a", "b", "c"]),
                group(CauseModel::AlphaStaggered, &[0.7, 0.2, 0.1], &["a", "b", "c"]),
            ] {
                g.check().unwrap();
                assert!((g.implied_rate(q) / q - 1.0).abs() < 1e-12, "{:?} {q}", g.model);
                let rare = CommonCause { rare_event_parameters: true, ..g };
                assert!(rare.implied_rate(q) <= q * (1.0 + 1e-12));
            }
        }
        // Without a common cause, independence.
        let none = group(CauseModel::Beta, &[0.0], &["a", "b"]).shock_probabilities(0.3);
        assert!((none[0] - 0.3).abs() < 1e-15 && none[1] == 0.0);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (g, says) in [
            (group(CauseModel::Beta, &[0.2], &["a"]), "between 2 and 12"),
            (group(CauseModel::Beta, &[0.2, 0.1], &["a", "b"]), "this model has 1 for 2 layers"),
            (group(CauseModel::Mgl, &[1.2], &["a", "b"]), "between 0 and 1"),
            (group(CauseModel::Beta, &[0.2], &["a", "a"]), "used twice"),
            (group(CauseModel::BinomialFailureRate, &[], &["a", "b"]), "needs `shocks`"),
            (CommonCause { lethal: Some(0.1), ..group(CauseModel::Beta, &[0.2], &["a", "b"]) }, "belongs to"),
            (group(CauseModel::Alpha, &[0.0, 0.0], &["a", "b"]), "all factors are 0"),
        ] {
            let e = g.check().unwrap_err().to_string();
            assert!(e.contains(says) && e.starts_with("common cause `group`"), "{e}");
        }
    }
}
