//! A campaign with its prompts read and its layers ready.

use crate::attacks::Attacks;
use crate::campaign::{Kind, LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use crate::layer::{Functions, Unit, attackers, units};
use crate::search::SearchName;
use coincide_io::{Key, Shard};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Under which key a journal knows its adaptive search.
pub(crate) const ADAPTIVE: &str = "adaptive search";

/// A campaign that can be planned or run.
pub struct Prepared {
    pub(crate) file: CampaignFile,
    pub(crate) attacks: Attacks,
    pub(crate) units: Vec<Unit>,
    /// The attacker's model, and the evaluator's.
    pub(crate) attackers: Vec<Unit>,
    pub(crate) output: PathBuf,
    pub(crate) shard: Option<Shard>,
    pub(crate) notes: Vec<String>,
}

impl Prepared {
    /// Reads the prompts, and makes the layers ready. Fails at the line or row of what does not hold.
    pub fn new(file: CampaignFile, shard: Option<Shard>) -> Result<Prepared> {
        Self::with_functions(file, shard, &Functions::new())
    }

    /// The same for a campaign with layers of kind `function`. What a function does is not known here: nothing notices that it is another one when a run goes on.
    pub fn with_functions(file: CampaignFile, shard: Option<Shard>, functions: &Functions) -> Result<Prepared> {
        // Queues of people, and what they answered, lie with the results.
        let output = output(&file, shard);
        let units = units(&file, &output, functions)?;
        Self::with_layers(file, shard, units)
    }

    /// The same with layers of the caller's own, whatever the file says about layers.
    pub fn with_layers(file: CampaignFile, shard: Option<Shard>, mut units: Vec<Unit>) -> Result<Prepared> {
        let attacks = Attacks::read(&file, shard)?;
        let mut first = 0;
        for u in &mut units {
            u.first = first;
            first += u.columns.len();
        }
        let mut notes = Vec::new();
        let late = units.iter().position(|u| u.stage.after_the_model());
        let target = units.iter().any(|u| u.stage == Stage::Model);
        if let Some(i) = late.filter(|_| !target && !attacks.has_responses()) {
            let what = format!("`{}` judges answers, and there is neither a target nor a column of recorded answers", units[i].name);
            return Err(file
                .wrong(
                    &[Key::Name("layers"), Key::At(i), Key::Name("stage")],
                    what,
                    "add a layer of kind chat, or a column `response` to the prompts",
                )
                .into());
        }
        if late.is_some() && !target && attacks.chain_names().iter().any(|c| c != "plain") {
            let hint = "leave the operators out, or add a target";
            return Err(file
                .wrong(&[Key::Name("operators")], "recorded answers are answers to the prompts as they are, not to rewritten ones", hint)
                .into());
        }
        if attacks.trials().0 == 0 {
            notes.push("this part of the campaign has no attacks".into());
        }
        if late.is_some() && !target && file.campaign.adaptive.is_some() {
            let hint = "leave the search out, or add a target";
            let what = "recorded answers are answers to the prompts as they are, and a search rewrites them";
            return Err(file.wrong(&[Key::Name("adaptive")], what, hint).into());
        }
        let output = output(&file, shard);
        let converses = file.campaign.adaptive.as_ref().filter(|a| a.search.unwrap_or_default().converses());
        let attackers = if converses.is_some() { attackers(&file)? } else { Vec::new() };
        let judged = late.is_some() || file.campaign.layers.iter().any(|l| l.judge.is_some());
        if converses.is_some_and(|a| a.search == Some(SearchName::Pair) && attackers.len() < 2) && !judged {
            let note = "no judge and no evaluator checks whether a prompt still asks for its goal: what gets through may be harmless";
            notes.push(note.into());
        }
        let blunt = |l: &LayerSpec| l.kind() == Kind::Chat && l.refusals.is_empty();
        if converses.is_some_and(|a| a.search == Some(SearchName::Crescendo)) && attackers.len() < 2 && file.campaign.layers.iter().any(blunt) {
            let note = "a refusal in words counts as an answer, and `crescendo` goes on from it: name patterns in `refusals`, or an evaluator";
            notes.push(note.into());
        }
        Ok(Prepared { file, attacks, units, attackers, output, shard, notes })
    }

    /// The files of prompts with their hashes.
    pub fn inputs(&self) -> Vec<coincide_io::InputRecord> {
        self.attacks.inputs.clone()
    }

    /// What must be the same for a run to go on: whatever decides which prompts are put to which layers, and what they say.
    pub(crate) fn fingerprint(&self) -> Vec<(String, String)> {
        let c = &self.file.campaign;
        let mut out = vec![
            ("campaign".to_owned(), c.name.clone()),
            ("seed".into(), self.file.seed().0.to_string()),
            ("set of prompts".into(), self.attacks.hash.clone()),
            ("set of operators".into(), serde_json::to_string(&c.operators).unwrap_or_default()),
            ("number of repeats".into(), c.repeats.unwrap_or(1).to_string()),
            ("treatment of refusals".into(), c.judge_refusals.to_string()),
            ("shard".into(), self.shard.map_or("whole".into(), |s| format!("{}/{}", s.index, s.of))),
            ("list of layers".into(), self.units.iter().flat_map(|u| u.columns.clone()).collect::<Vec<_>>().join(", ")),
        ];
        for spec in &c.layers {
            let files = spec.file.iter().chain(spec.train.iter().flat_map(|t| [&t.attack, &t.benign]));
            // A worker's script is as much the layer as the layer's settings are.
            let files = files.chain(spec.vectors.iter().flat_map(|v| &v.files)).chain(&spec.command);
            let hashes: String = files
                .filter(|f| std::path::Path::new(&self.file.resolve(f)).is_file())
                .filter_map(|f| std::fs::read(self.file.resolve(f)).ok())
                .map(|bytes| Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect::<String>())
                .collect();
            let decisive = LayerSpec {
                concurrency: None,
                rate: None,
                timeout: None,
                retries: None,
                breaker: None,
                fails: Default::default(),
                cost: None,
                attributes: Default::default(),
                url: None,
                key_env: None,
                headers: Default::default(),
                max_reply: None,
                env: Vec::new(),
                in_flight: None,
                start_timeout: None,
                judge: spec.judge.clone().map(|j| crate::JudgeSpec { url: String::new(), key_env: None, ..j }),
                ..spec.clone()
            };
            out.push((format!("layer `{}`", spec.name), serde_json::to_string(&decisive).unwrap_or_default() + &hashes));
        }
        out
    }
}

/// The folder of results: the campaign's, or one a shard beside it.
fn output(file: &CampaignFile, shard: Option<Shard>) -> PathBuf {
    let whole = file.output();
    match shard {
        None => whole.into(),
        Some(s) => format!("{}-{}-of-{}", whole.trim_end_matches('/'), s.index, s.of).into(),
    }
}
