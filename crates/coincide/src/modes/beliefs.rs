//! What is believed about every number of a map: prevalences, susceptibilities by verdict, leaks, and a residual mode for what the map leaves out.

use super::law::ModeLaw;
use super::map::{FailureModeMap, Vulnerability};
use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::random::{Purpose, Seed};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the mode that stands for everything the map leaves out.
pub const RESIDUAL: &str = "unmapped";

/// How verdicts become numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellBeliefs {
    /// s where the verdict is "vulnerable".
    pub vulnerable: Distribution,
    /// s where it is "not vulnerable".
    pub not_vulnerable: Distribution,
    /// s where it is "uncertain"; half of each where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uncertain: Option<Distribution>,
    /// Probability that a verdict with this support is wrong, and the other one right.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub misread: BTreeMap<String, f64>,
}

impl Default for CellBeliefs {
    /// Vulnerable: Beta(3, 1.5), mean 0.67. Not vulnerable: Beta(1, 19), mean 0.05. A verdict from one source is wrong with probability 0.1, from two 0.02.
    fn default() -> Self {
        let beta = |a, b| Distribution::Betas(vec![crate::distribution::BetaPart { weight: 1.0, a, b }]);
        CellBeliefs {
            vulnerable: beta(3.0, 1.5),
            not_vulnerable: beta(1.0, 19.0),
            uncertain: None,
            misread: [("single_source".to_owned(), 0.1), ("two_sources".to_owned(), 0.02)].into(),
        }
    }
}

impl CellBeliefs {
    /// The belief about one cell.
    fn of(&self, verdict: Vulnerability, support: Option<&str>) -> Result<Distribution> {
        let mix = |share: f64| match share {
            s if s >= 1.0 => Ok(self.vulnerable.clone()),
            s if s <= 0.0 => Ok(self.not_vulnerable.clone()),
            s => Distribution::linear_pool(&[(s, self.vulnerable.clone()), (1.0 - s, self.not_vulnerable.clone())]),
        };
        let wrong = support.and_then(|s| self.misread.get(s)).copied().unwrap_or(0.0);
        match verdict {
            Vulnerability::Vulnerable => mix(1.0 - wrong),
            Vulnerability::NotVulnerable => mix(wrong),
            Vulnerability::Uncertain => self.uncertain.clone().map_or_else(|| mix(0.5), Ok),
        }
    }
}

/// A named belief, for the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeliefRow {
    /// What it is about.
    pub what: String,
    /// Mean.
    pub mean: f64,
    /// 5% quantile.
    pub low: f64,
    /// 95% quantile.
    pub high: f64,
}

/// A belief about every number of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Beliefs {
    /// Techniques.
    pub techniques: Vec<String>,
    /// Modes, the residual one last where there is one.
    pub modes: Vec<String>,
    /// Of each mode.
    pub prevalence: Vec<Distribution>,
    /// Technique by technique, mode by mode.
    pub susceptibility: Vec<Vec<Distribution>>,
    /// Of each technique.
    pub leak: Vec<Distribution>,
    /// Index of the residual mode.
    pub residual: Option<usize>,
}

impl Beliefs {
    /// Beliefs about a map. `prevalence` by mode; every mode of the map needs one, and none other is allowed. `leak` by technique, else `usual_leak`. `cells`:
    /// beliefs about single cells, before their verdicts. `residual`: prevalence of the unmapped mode, to which every technique is vulnerable.
    pub fn new(
        map: &FailureModeMap,
        verdicts: &CellBeliefs,
        prevalence: &BTreeMap<String, Distribution>,
        leak: &BTreeMap<String, Distribution>,
        usual_leak: &Distribution,
        cells: &BTreeMap<(String, String), Distribution>,
        residual: Option<&Distribution>,
    ) -> Result<Self> {
        for mode in prevalence.keys() {
            map.mode(mode)?;
        }
        for technique in leak.keys() {
            map.technique(technique)?;
        }
        for (technique, mode) in cells.keys() {
            map.technique(technique)?;
            map.mode(mode)?;
        }
        let missing: Vec<&str> = map.modes().iter().filter(|m| !prevalence.contains_key(*m)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Error::Stated(format!(
                "no prevalence is given for the failure modes {}; state one for each mode of the map",
                missing.join(", ")
            )));
        }
        let techniques: Vec<String> = map.techniques().iter().map(|t| t.name.clone()).collect();
        let mut modes = map.modes().to_vec();
        let mut q: Vec<Distribution> = modes.iter().map(|m| prevalence[m].clone()).collect();
        let mut s: Vec<Vec<Distribution>> = (0..techniques.len())
            .map(|t| {
                (0..modes.len())
                    .map(|m| match cells.get(&(techniques[t].clone(), modes[m].clone())) {
                        Some(d) => Ok(d.clone()),
                        None => verdicts.of(map.verdict(t, m), map.cell(t, m).and_then(|c| c.support.as_deref())),
                    })
                    .collect::<Result<_>>()
            })
            .collect::<Result<_>>()?;
        if let Some(r) = residual {
            if modes.iter().any(|m| m == RESIDUAL) {
                return Err(Error::DuplicateName(RESIDUAL.into()));
            }
            modes.push(RESIDUAL.into());
            q.push(r.clone());
            s.iter_mut().for_each(|row| row.push(verdicts.vulnerable.clone()));
        }
        if modes.len() > super::MOST_MODES {
            return Err(Error::Stated(format!(
                "{} failure modes with the unmapped one; at most {} can be summed over exactly: merge modes that occur together",
                modes.len(),
                super::MOST_MODES
            )));
        }
        Ok(Beliefs {
            leak: techniques.iter().map(|t| leak.get(t).unwrap_or(usual_leak).clone()).collect(),
            residual: residual.map(|_| modes.len() - 1),
            techniques,
            modes,
            prevalence: q,
            susceptibility: s,
        })
    }

    /// Draws of all numbers, independent of each other.
    pub fn draw(&self, seed: Seed, draws: usize) -> Vec<ModeLaw> {
        (0..draws as u64)
            .into_par_iter()
            .map(|d| {
                let mut rng = seed.stream(Purpose::Beliefs, d + 1);
                let mut list = |l: &[Distribution]| l.iter().map(|x| x.draw(&mut rng)).collect::<Vec<f64>>();
                let prevalence = list(&self.prevalence);
                let susceptibility = self.susceptibility.iter().map(|s| list(s)).collect();
                ModeLaw { prevalence, susceptibility, leak: list(&self.leak) }
            })
            .collect()
    }

    /// The law at all means.
    pub fn mean(&self) -> ModeLaw {
        let list = |l: &[Distribution]| l.iter().map(Distribution::mean).collect::<Vec<f64>>();
        ModeLaw { prevalence: list(&self.prevalence), susceptibility: self.susceptibility.iter().map(|s| list(s)).collect(), leak: list(&self.leak) }
    }

    /// Prevalences and leaks as rows of a table.
    pub fn rows(&self) -> Vec<BeliefRow> {
        let row = |what: String, d: &Distribution| BeliefRow { what, mean: d.mean(), low: d.quantile(0.05), high: d.quantile(0.95) };
        let mut rows: Vec<BeliefRow> = self.modes.iter().zip(&self.prevalence).map(|(m, d)| row(format!("prevalence of {m}"), d)).collect();
        let mut leaks: Vec<(String, &Distribution)> = Vec::new();
        for (t, d) in self.techniques.iter().zip(&self.leak) {
            match leaks.iter_mut().find(|l| l.1 == d) {
                Some(l) => l.0 = "leak of the other techniques".into(),
                None => leaks.push((format!("leak of {t}"), d)),
            }
        }
        if let [only] = leaks.as_mut_slice() {
            only.0 = "leak of every technique".into();
        }
        rows.extend(leaks.into_iter().map(|(what, d)| row(what, d)));
        rows
    }
}
