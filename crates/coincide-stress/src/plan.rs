//! What a campaign will do and cost, before it does.

use crate::prepared::Prepared;
use serde::Serialize;

/// The plan that `--dry-run` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Campaign.
    pub name: String,
    /// Prompts of attacks and benign ones.
    pub prompts: (usize, usize),
    /// Distinct goals of the attacks.
    pub goals: usize,
    /// Trials: prompts × sequences × repeats.
    pub trials: (u64, u64),
    /// Sequences of operators.
    pub operators: Vec<String>,
    /// Layers.
    pub layers: Vec<PlannedLayer>,
    /// Calls without retries, at most: output layers are not asked about refusals.
    pub calls: u64,
    /// Cost of them.
    pub cost: f64,
    /// Seconds that the rate limits alone take.
    pub seconds_at_least: f64,
    /// Folder of the results.
    pub output: String,
    /// Sequences that each attack gets, drawn from them; all where absent.
    pub sampled: Option<usize>,
    /// Whether the folder already holds a run.
    pub begun: bool,
    /// Things to know before the run.
    pub notes: Vec<String>,
}

/// A layer of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedLayer {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Stage.
    pub stage: String,
    /// Calls at once.
    pub concurrency: usize,
    /// Calls a second at most.
    pub rate: Option<f64>,
    /// Calls without retries.
    pub calls: u64,
    /// Their cost.
    pub cost: f64,
}

impl Prepared {
    /// What a whole run does and costs.
    pub fn plan(&self) -> Plan {
        let trials = self.attacks.trials();
        let each = trials.0 + trials.1;
        let layers: Vec<PlannedLayer> = self
            .units
            .iter()
            .map(|u| PlannedLayer {
                name: u.name.clone(),
                kind: u.kind.clone(),
                stage: u.stage.word().into(),
                concurrency: u.concurrency,
                rate: u.rate,
                calls: each * u64::from(u.calls_each),
                cost: each as f64 * f64::from(u.calls_each) * u.cost,
            })
            .collect();
        let mut notes = Vec::new();
        for spec in &self.file.campaign.layers {
            if spec.kind == Some(crate::Kind::Chat) && spec.judge.is_none() && spec.refusals.is_empty() {
                notes.push(format!(
                    "`{}` has neither a judge nor patterns of refusals: every answer that the endpoint does not call a refusal itself counts as failed",
                    spec.name
                ));
            }
        }
        notes.extend(self.notes.iter().cloned());
        Plan {
            name: self.file.campaign.name.clone(),
            prompts: self.attacks.prompts(),
            goals: self.attacks.attack_goals,
            trials,
            operators: self.attacks.chain_names(),
            calls: layers.iter().map(|l| l.calls).sum(),
            cost: layers.iter().map(|l| l.cost).sum(),
            seconds_at_least: layers.iter().filter_map(|l| l.rate.map(|r| l.calls as f64 / r)).fold(0.0, f64::max),
            sampled: self.attacks.sampled(),
            begun: self.output.join("journal.sqlite").exists(),
            output: self.output.display().to_string(),
            layers,
            notes,
        }
    }
}
