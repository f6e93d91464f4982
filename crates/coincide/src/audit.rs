//! What passed audits are worth: P(the system is unsafe | these audits passed), by Bayes under a joint law.
//!
//! An audit *fails* when it misses an unsafe system. P(unsafe and all pass) is P(system failure and every audit fails) under the law, in which audits may share
//! failure modes with one another and with the system; a safe system passes unless an audit raises a false alarm.

use crate::error::{Error, Result};
use crate::layers::LayerSet;
use crate::model::Mixture;
use crate::structure::Structure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the false alarms of several audits hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FalseAlarmsTogether {
    /// One audit's false alarm says nothing about another's.
    #[default]
    Independent,
    /// They are raised on the same systems: the largest rate covers the others.
    Identical,
}

/// P(unsafe) before and after audits, under three laws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPosterior {
    /// P(unsafe) before.
    pub prior: f64,
    /// P(unsafe | all passed), everything that is shared included.
    pub joint: f64,
    /// The same if audits were independent of each other given that the system is unsafe.
    pub audits_independent: f64,
    /// The same with every audit's overall miss rate multiplied: what is usually written.
    pub product: f64,
    /// P(all pass | unsafe) under the joint law.
    pub all_miss: f64,
}

/// Bayes over audits. `false_alarm[a]` is the probability that an audit stops a safe system, in the order of `audits`.
///
/// Fails when an audit is part of the audited system, on rates that are none, and when nothing can pass.
///
/// ```
/// use coincide::{FalseAlarmsTogether, LayerSet, Structure, audit, stated};
/// let names = ["model", "audit 1", "audit 2"].map(String::from);
/// let law = stated::independent(&[0.1, 0.2, 0.2])?;
/// let system = Structure::all(&LayerSet::of(3, &[0]), &names);
/// let p = audit(&law, &system, &[1, 2], &[0.0, 0.0], FalseAlarmsTogether::Independent)?;
/// assert!((p.joint - 0.1 * 0.04 / (0.1 * 0.04 + 0.9)).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn audit(law: &Mixture, system: &Structure, audits: &[usize], false_alarm: &[f64], together: FalseAlarmsTogether) -> Result<AuditPosterior> {
    use crate::model::JointLaw;
    if let Some(a) = audits.iter().find(|a| system.members().contains(a)) {
        return Err(Error::Stated(format!("layer {} is part of the audited system and cannot audit it", a + 1)));
    }
    if audits.is_empty() || audits.len() != false_alarm.len() {
        return Err(Error::Stated("Bayes over audits needs at least one audit and a false-alarm rate for each".into()));
    }
    if let Some(&got) = false_alarm.iter().find(|x| !(0.0..=1.0).contains(*x)) {
        return Err(Error::OutOfRange { what: "a false-alarm rate", expected: "between 0 and 1", got });
    }
    let table = system.diagram()?;
    let (mut prior, mut missed_by_all) = (0.0, 0.0);
    let mut missed_by_each = vec![0.0; audits.len()];
    for z in 0..law.nodes() {
        let p: Vec<f64> = law.ln_fail(z).iter().map(|l| l.exp()).collect();
        let unsafe_here = law.ln_weight(z).exp() * table.given(&p);
        prior += unsafe_here;
        missed_by_all += unsafe_here * audits.iter().map(|&a| p[a]).product::<f64>();
        missed_by_each.iter_mut().zip(audits).for_each(|(m, &a)| *m += unsafe_here * p[a]);
    }
    let safe_passes = match together {
        FalseAlarmsTogether::Independent => false_alarm.iter().map(|f| 1.0 - f).product::<f64>(),
        FalseAlarmsTogether::Identical => 1.0 - false_alarm.iter().copied().fold(0.0, f64::max),
    };
    let safe = (1.0 - prior).max(0.0) * safe_passes;
    let bayes = |unsafe_and_passed: f64| {
        let p = unsafe_and_passed / (unsafe_and_passed + safe);
        if p.is_finite() { Ok(p) } else { Err(Error::Stated("under these rates nothing ever passes the audits".into())) }
    };
    let given_unsafe: f64 = missed_by_each.iter().map(|m| if prior > 0.0 { m / prior } else { 0.0 }).product();
    let overall: f64 = audits.iter().map(|&a| law.ln_all_fail(&LayerSet::of(law.layers(), &[a])).exp()).product();
    Ok(AuditPosterior {
        prior: prior.min(1.0),
        joint: bayes(missed_by_all)?,
        audits_independent: bayes(prior * given_unsafe)?,
        product: bayes(prior * overall)?,
        all_miss: if prior > 0.0 { (missed_by_all / prior).min(1.0) } else { 0.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{independent, latent_class};
    use crate::modes::ModeLaw;

    fn system(k: usize) -> Structure {
        let names: Vec<String> = (0..k).map(|i| format!("l{i}")).collect();
        Structure::all(&LayerSet::of(k, &[0]), &names)
    }

    #[test]
    fn identical_audits_are_worth_one() {
        // Both audits miss on the same systems: two classes in which they surely miss or surely catch.
        let law = latent_class(&[0.3, 0.7], &[vec![0.2, 1.0, 1.0], vec![0.05, 0.0, 0.0]]).unwrap();
        let ask = |audits: &[usize], rates: &[f64]| audit(&law, &system(3), audits, rates, FalseAlarmsTogether::Identical).unwrap();
        assert!((ask(&[1, 2], &[0.1, 0.1]).joint - ask(&[1], &[0.1]).joint).abs() < 1e-14);
        // Multiplying would promise much more.
        assert!(ask(&[1, 2], &[0.1, 0.1]).product < 0.5 * ask(&[1, 2], &[0.1, 0.1]).joint);
    }

    #[test]
    fn independent_audits_follow_the_product_rule() {
        let law = independent(&[0.05, 0.3, 0.2]).unwrap();
        let a = audit(&law, &system(3), &[1, 2], &[0.1, 0.02], FalseAlarmsTogether::Independent).unwrap();
        let want = 0.05 * 0.06 / (0.05 * 0.06 + 0.95 * 0.9 * 0.98);
        for got in [a.joint, a.audits_independent, a.product] {
            assert!((got - want).abs() < 1e-14);
        }
    }

    #[test]
    fn an_audit_that_shares_a_mode_with_the_system_equals_enumeration() {
        let (q, s, leak) = ([0.1, 0.2], [[0.6, 0.1], [0.7, 0.0], [0.2, 0.5]], [0.01, 0.05, 0.1]);
        let law = ModeLaw::new(q.to_vec(), s.iter().map(|r| r.to_vec()).collect(), leak.to_vec()).unwrap();
        let fa = [0.03, 0.2];
        let (mut unsafe_passes, mut safe_passes) = (0.0, 0.0);
        for active in 0..4 {
            let weight: f64 = (0..2).map(|j| if active >> j & 1 == 1 { q[j] } else { 1.0 - q[j] }).product();
            let fails = |i: usize| 1.0 - (1.0 - leak[i]) * (0..2).filter(|j| active >> j & 1 == 1).map(|j| 1.0 - s[i][j]).product::<f64>();
            unsafe_passes += weight * fails(0) * fails(1) * fails(2);
            safe_passes += weight * (1.0 - fails(0)) * (1.0 - fa[0]) * (1.0 - fa[1]);
        }
        let a = audit(&law.mixture(), &system(3), &[1, 2], &fa, FalseAlarmsTogether::Independent).unwrap();
        assert!((a.joint - unsafe_passes / (unsafe_passes + safe_passes)).abs() < 1e-14);
        assert!(a.joint > a.product);
        assert!(audit(&law.mixture(), &system(3), &[0], &[0.0], FalseAlarmsTogether::Independent).is_err());
    }
}
