//! What a campaign will do and cost, before it does.

use crate::prepared::Prepared;
use crate::search::SearchName;
use coincide_io::{Plan, PlannedLayer};

impl Prepared {
    /// What a whole run does and costs.
    pub fn plan(&self) -> Plan {
        let trials = self.attacks.trials();
        let adaptive = self.file.campaign.adaptive.as_ref().map_or(0, |a| a.queries);
        let each = trials.0 + trials.1 + adaptive;
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
        // A prompt a query at least, and a look at it where somebody looks; what is cut, refused or unreadable costs more.
        let looked_at = self.attackers.len() > 1 || self.file.campaign.adaptive.as_ref().is_some_and(|a| a.search == Some(SearchName::Tap));
        let writes = if self.attackers.is_empty() { 0 } else { adaptive * (1 + u64::from(looked_at)) };
        let mut notes = Vec::new();
        if writes > 0 {
            notes.push(format!("{writes} of the calls, at least, are the attacker's own; what it writes in vain comes on top"));
        }
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
            adaptive,
            calls: layers.iter().map(|l| l.calls).sum::<u64>() + writes,
            cost: layers.iter().map(|l| l.cost).sum::<f64>() + writes as f64 * self.attackers.first().map_or(0.0, |u| u.cost),
            seconds_at_least: layers
                .iter()
                .filter_map(|l| l.rate.map(|r| l.calls as f64 / r))
                .chain(self.attackers.first().and_then(|u| u.rate.map(|r| adaptive as f64 / r)))
                .fold(0.0, f64::max),
            sampled: self.attacks.sampled(),
            begun: self.output.join("journal.sqlite").exists(),
            output: self.output.display().to_string(),
            layers,
            notes,
        }
    }
}
