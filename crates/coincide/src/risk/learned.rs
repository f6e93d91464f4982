//! What outcomes say about what a study leaves open: factors of common causes, and rates and correlations with which a copula's answer is worked out again.

use super::{RiskQuestion, StatedSystem};
use crate::analyze::AnalyzeOptions;
use crate::ccf::{CommonCause, LearnedCause, Learner, learn};
use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::features::{Layout, Sums};
use crate::interval::Proportion;
use crate::layers::bit;
use crate::outcome::{JointOutcomes, Label};
use crate::resample::Units;
use crate::sample::Sample;
use crate::tetrachoric::tetrachoric;
use serde::{Deserialize, Serialize};

/// What outcomes say about common causes that leave their factors open, cause by cause, and about every layer's rate.
#[derive(Default)]
pub(super) struct Learned {
    pub causes: Vec<Option<Learner>>,
    pub rates: Vec<Option<Distribution>>,
    /// For copulas: rates and tetrachoric correlations of clusters, or trials, that were drawn again.
    pub again: Vec<Again>,
}

/// Rates of all layers and correlations of all pairs.
#[derive(Serialize, Deserialize)]
pub(super) struct Again {
    pub rates: Vec<f64>,
    pub correlations: Vec<f64>,
}

impl Again {
    /// Over complete trials; where some are not complete, those count for a layer that show another too, once for each.
    fn of(sums: &Sums<'_>) -> Again {
        let (layout, total) = (sums.layout, sums.total());
        let k = layout.k;
        let mut correlations = vec![1.0; k * k];
        // Failures and trials of each layer.
        let mut seen: Vec<[f64; 2]> = (0..k).map(|i| [total[layout.marginal(i)], total[Layout::WEIGHT]]).collect();
        if layout.ragged && k > 1 {
            seen.fill([0.0, 0.0]);
        }
        for i in 0..k {
            for j in i + 1..k {
                let t = layout.two_by_two(&total, i, j);
                if layout.ragged {
                    seen[i] = [seen[i][0] + t.n11 + t.n10, seen[i][1] + t.total()];
                    seen[j] = [seen[j][0] + t.n11 + t.n01, seen[j][1] + t.total()];
                }
                let r = tetrachoric(t).unwrap_or(f64::NAN);
                (correlations[i * k + j], correlations[j * k + i]) = (r, r);
            }
        }
        Again { rates: seen.iter().map(|[failed, n]| failed / n).collect(), correlations }
    }
}

impl Learned {
    /// What is reported about them.
    pub(super) fn reports(&self) -> Vec<LearnedCause> {
        self.causes.iter().flatten().map(|l| l.report.clone()).collect()
    }
}

/// How often each layer fails, over the trials that show it.
fn rates_of(sample: &Sample) -> impl Iterator<Item = Proportion> + '_ {
    (0..sample.layers).map(|i| sample.proportion(|r| bit(sample.observed(r), i).then(|| bit(sample.failed(r), i))))
}

impl StatedSystem {
    /// Learns the factors that are left open. Fails where there are no outcomes, and where a group shares a layer with another: what would be whose cannot be told apart.
    pub(super) fn learn(&self, q: &RiskQuestion<'_>, table: Option<&JointOutcomes>, selected: bool, options: &AnalyzeOptions) -> Result<Learned> {
        let one = |(which, cause): (usize, &CommonCause)| -> Result<Option<Learner>> {
            if !cause.is_learned() {
                return Ok(None);
            }
            let named = |e: Error| e.within("common cause", &cause.name);
            let other = self.common_causes.iter().find(|o| !std::ptr::eq(*o, cause) && o.layers.iter().any(|l| cause.layers.contains(l)));
            if let Some(other) = other {
                let what = format!("it shares a layer with `{}`, so outcomes cannot say whose shocks were whose: state `factors`", other.name);
                return Err(named(Error::Stated(what)));
            }
            let table = table.ok_or_else(|| named(Error::Stated("no factors are given, and there are no outcomes to learn them from".into())))?;
            learn(table, cause, which as u64, options).map(Some)
        };
        let causes: Vec<Option<Learner>> = self.common_causes.iter().enumerate().map(one).collect::<Result<_>>()?;
        let again_wanted = !self.copulas.is_empty() && !selected;
        let Some(t) = table.filter(|_| again_wanted || causes.iter().any(Option::is_some)) else {
            return Ok(Learned { causes, ..Learned::default() });
        };
        let sample = Sample::new(t, |c| c.label() == Label::Attack);
        let seen: Vec<Proportion> = rates_of(&sample).collect();
        let mut rates = vec![None; q.layers.len()];
        if causes.iter().any(Option::is_some) {
            for (belief, p) in rates.iter_mut().zip(&seen) {
                if p.weight > 0.0 {
                    // Jeffreys' prior, and as many trials as there are independent ones.
                    let n = p.effective_trials();
                    *belief = Some(Distribution::beta(n * p.estimate() + 0.5, n * (1.0 - p.estimate()) + 0.5)?);
                }
            }
        }
        let mut again = Vec::new();
        if again_wanted {
            let layout = Layout::new(q.layers.len(), !sample.all_complete(), true);
            let units = Units::new(&sample, &layout);
            again = units.bootstrap(options.seed, super::copula::DRAWS, Again::of, |_| {});
            // What changes from draw to draw is what counts: rates over all trials of a layer may be others than over those that show two.
            let middle = Again::of(&units.sums()).rates;
            for (i, p) in seen.iter().enumerate() {
                let rate = if p.weight > 0.0 { p.estimate() } else { 0.0 };
                again.iter_mut().for_each(|a| a.rates[i] = if middle[i] > 0.0 { (rate / middle[i] * a.rates[i]).min(1.0) } else { rate });
            }
        }
        Ok(Learned { causes, rates, again })
    }
}
