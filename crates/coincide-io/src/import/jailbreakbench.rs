//! JailbreakBench artifacts: one file for each attack and model. <https://github.com/JailbreakBench/artifacts>.
//!
//! A trial is a behaviour and an attack, a layer is a model (with its defence). `jailbroken` is true where the layer failed.
//!
//! * Prompts are found for each model by itself: one behaviour is often not one text for all of them. This is said.
//! * A prompt that is `null` is an attack that gave up before it asked: no trial of the model, but stored as
//!   not jailbroken. Missing, unless `--gave-up held` says to count it as stopped.

use super::gather::{About, Cell, Gather, Row, Rule};
use super::json;
use super::{Tool, columns};
use crate::error::Result;
use crate::options::{GaveUp, ReadOptions};
use crate::source::Source;
use coincide::FailsWhen;
use coincide::{Progress, Reason};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Columns on which separate runs are joined.
const JOIN: [&str; 2] = ["behavior", "attack"];
const RULE: Rule = Rule { fails_when: Some(FailsWhen::Above), high: "jailbroken is true" };

#[derive(Deserialize)]
struct Artifact {
    parameters: Parameters,
    jailbreaks: Vec<Jailbreak>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    method: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    attack_type: Option<String>,
    #[serde(default)]
    defense: Option<String>,
}

#[derive(Deserialize)]
struct Jailbreak {
    index: Value,
    #[serde(default)]
    behavior: Option<String>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    prompt: Option<Value>,
    #[serde(default)]
    jailbroken: Option<bool>,
}

/// Reads artifacts. Fails on one that is cut short or says something else.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions, progress: Progress<'_>) -> Result<(Gather, About)> {
    let columns = columns(options, &["behavior", "category", "attack"], &JOIN);
    let mut all = Gather::new(columns);
    let mut prompts: FxHashMap<String, (String, bool)> = FxHashMap::default();
    for (i, source) in sources.iter().enumerate() {
        artifact(source, &mut all, options.gave_up, &mut prompts)?;
        progress("reading logs", i as u64 + 1, sources.len() as u64);
    }
    let differ = prompts.values().filter(|(_, differs)| *differs).count();
    if differ > 0 {
        all.notes.push(format!(
            "on {differ} of {} behaviours and attacks the models were asked different prompts: layers of one system would see the same one, so they may fail together \
             more often than this says",
            prompts.len()
        ));
    }
    // Artifacts name a behaviour once; one that does not is averaged over.
    all.number_repeats();
    let about = About {
        tool: Tool::JailbreakBench,
        clusters: vec!["behavior".into()],
        strata: vec!["attack".into()],
        ask: "",
        joined: true,
        separate: true,
        join: &JOIN,
    };
    Ok((all, about))
}

fn artifact(source: &Source, g: &mut Gather, gave_up: Option<GaveUp>, prompts: &mut FxHashMap<String, (String, bool)>) -> Result<()> {
    let artifact: Artifact = json::parse_file(source, "JailbreakBench artifact", "fetch it again")?;
    let p = artifact.parameters;
    let run = g.run(&source.name);
    g.known.extend(["behavior", "category", "attack", "method", "attack_type", "model", "defense"].map(str::to_owned));
    let name = match p.defense.as_deref().filter(|d| !d.is_empty()) {
        Some(defense) => format!("{}+{defense}", p.model),
        None => p.model.clone(),
    };
    let layer = g.layer(&name, RULE);
    let attack = match &p.attack_type {
        Some(kind) if !kind.is_empty() => format!("{}/{kind}", p.method),
        _ => p.method.clone(),
    };
    let mut gone = 0;
    for j in artifact.jailbreaks {
        let index = json::cell_text(&j.index);
        let behavior = j.behavior.clone().filter(|b| !b.is_empty()).unwrap_or_else(|| index.clone());
        let context = g.context(|c| match c {
            "behavior" => Some(behavior.clone()),
            "category" => j.category.clone(),
            "attack" => Some(attack.clone()),
            "method" => Some(p.method.clone()),
            "attack_type" => p.attack_type.clone(),
            "model" => Some(p.model.clone()),
            "defense" => p.defense.clone(),
            _ => None,
        });
        let none = j.prompt.as_ref().is_none_or(Value::is_null);
        gone += u64::from(none);
        if let Some(Value::String(prompt)) = &j.prompt {
            let seen = prompts.entry(format!("{attack}/{index}")).or_insert_with(|| (prompt.clone(), false));
            seen.1 |= seen.0 != *prompt;
        }
        let cell = match j.jailbroken {
            _ if none && gave_up != Some(GaveUp::Held) => Cell::Missing(Reason::NotRun),
            _ if none => Cell::Value(0.0),
            Some(b) => Cell::Value(f64::from(u8::from(b))),
            None => Cell::Missing(Reason::Unparsed),
        };
        g.push(Row { trial: format!("{attack}/{index}"), run, epoch: 0, context, cells: vec![(layer, cell)] });
    }
    if gone > 0 {
        let what = if gave_up == Some(GaveUp::Held) { "counted as held, as asked" } else { "not_run; --gave-up held counts them as stopped" };
        g.notes.push(format!("{}: the attack gave up on {gone} behaviours ({what})", source.name));
    }
    Ok(())
}
