//! Draws of a failure-mode map's numbers.

use super::{MOST_DRAWS, Packed, Recomputed, over_draws};
use crate::error::Result;
use crate::modes::{Acting, ModeLaw};
use crate::scenario::Scenario;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A map with numbers, draw by draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModesBasis {
    /// The techniques.
    pub techniques: Vec<String>,
    /// The failure modes.
    pub modes: Vec<String>,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Draws that these are thinned from.
    pub of: usize,
    /// Draws.
    pub draws: usize,
    /// q: prevalence of each mode, draw by draw.
    pub prevalence: Packed,
    /// s: probability that an active mode defeats a technique; draw by draw, technique by technique.
    pub susceptibility: Packed,
    /// Probability that a technique fails without any mode, draw by draw.
    pub leak: Packed,
    /// Scenarios that the map can be put into.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scenarios: Vec<Scenario>,
}

impl ModesBasis {
    /// Thins and packs draws.
    pub(crate) fn new(techniques: &[String], modes: &[String], level: f64, laws: &[ModeLaw], scenarios: &[Scenario]) -> Self {
        let every = laws.len().div_ceil(MOST_DRAWS).max(1);
        let kept: Vec<&ModeLaw> = laws.iter().step_by(every).collect();
        let list = |of: &dyn Fn(&ModeLaw) -> Vec<f64>| Packed::F32(kept.iter().flat_map(|l| of(l)).map(|x| x as f32).collect());
        ModesBasis {
            techniques: techniques.to_vec(),
            modes: modes.to_vec(),
            level,
            of: laws.len(),
            draws: kept.len(),
            prevalence: list(&|l| l.prevalence.clone()),
            susceptibility: list(&|l| l.susceptibility.concat()),
            leak: list(&|l| l.leak.clone()),
            scenarios: scenarios.iter().filter(|s| s.touches_a_map() || s.radius.is_some()).cloned().collect(),
        }
    }

    fn laws(&self) -> Vec<ModeLaw> {
        let (m, k) = (self.modes.len(), self.techniques.len());
        let (q, s, leak) = (self.prevalence.numbers(), self.susceptibility.numbers(), self.leak.numbers());
        (0..self.draws)
            .map(|d| ModeLaw {
                prevalence: q[d * m..][..m].to_vec(),
                susceptibility: (0..k).map(|i| s[(d * k + i) * m..][..m].to_vec()).collect(),
                leak: leak[d * k..][..k].to_vec(),
            })
            .collect()
    }

    /// β, gap and effective layers of some techniques with these prevalences set, in the world as believed or in a scenario (whose prevalences win): medians
    /// and central intervals over the draws. Techniques that are not chosen are not there: nothing cascades from them.
    pub fn recompute(&self, chosen: &[usize], prevalence: &[(usize, f64)], scenario: Option<&Scenario>) -> Result<Recomputed> {
        let nominal = Scenario::default();
        let s = scenario.unwrap_or(&nominal);
        let acting = Acting::among(s, &self.techniques, &self.modes, chosen)?;
        let draws: Vec<(f64, Vec<f64>)> = self
            .laws()
            .into_iter()
            .map(|mut law| {
                prevalence.iter().for_each(|&(j, q)| law.prevalence[j] = q);
                let mixture = acting.mixture(&law);
                let (mut beta, mut rates) = (0.0, vec![0.0; chosen.len()]);
                for z in 0..mixture.nodes() {
                    let w = mixture.ln_weight(z).exp();
                    let ln = mixture.ln_fail(z);
                    beta += w * chosen.iter().map(|&i| ln[i]).sum::<f64>().exp();
                    rates.iter_mut().zip(chosen).for_each(|(r, &i)| *r += w * ln[i].exp());
                }
                (beta, rates)
            })
            .collect();
        let bound = s.is_bound().then_some(|b: f64| s.bound(b));
        Ok(over_draws(&draws, self.level, bound.as_ref().map(|b| b as &dyn Fn(f64) -> f64)))
    }
}
