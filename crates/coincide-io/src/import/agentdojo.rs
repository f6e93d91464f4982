//! AgentDojo's run files, one for each pipeline, user task, attack and injection task. <https://agentdojo.spylab.ai>, seen with 0.1.28 and 0.1.35.
//!
//! A trial is a suite, user task, injection task and attack; pipelines are alternatives on the same trials, so a pipeline is a layer. The user task and the
//! injection task are two crossed clusters.
//!
//! * `security` is true where the injection **succeeded**: the layer failed.
//! * A run that a server error or a full context ended is stored with `security` true as well: its `error` says so.
//! * A run that crashed has no `security` at all, and no `error` either.
//! * Runs without an injection are stored with `security` true. They are about usefulness, not attacks.

use super::gather::{About, Cell, Gather, Row, Rule};
use super::json;
use super::{Tool, columns, each_source};
use crate::error::Result;
use crate::options::ReadOptions;
use crate::source::Source;
use coincide::FailsWhen;
use coincide::{Progress, Reason};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Columns on which separate runs are joined.
const JOIN: [&str; 4] = ["suite", "user_task", "injection_task", "attack"];
const RULE: Rule = Rule { fails_when: Some(FailsWhen::Above), high: "security is true: the injection succeeded" };
const CLUSTERS: [&str; 2] = ["user_task", "injection_task"];

#[derive(Deserialize)]
struct Run {
    suite_name: String,
    pipeline_name: String,
    user_task_id: String,
    #[serde(default)]
    injection_task_id: Option<String>,
    #[serde(default)]
    attack_type: Option<String>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    security: Option<bool>,
}

/// Reads run files. Fails on one that is cut short or says something else.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions, progress: Progress<'_>) -> Result<(Gather, About)> {
    let columns = columns(options, &["suite", CLUSTERS[0], CLUSTERS[1], "attack"], &JOIN);
    let (mut all, ends) = each_source(sources, progress, &columns, run)?;
    let tally = |end: End| ends.iter().filter(|e| **e == end).count();
    let (harmless, errors) = (tally(End::Harmless), tally(End::Error));
    if harmless > 0 {
        all.notes.push(format!("{harmless} runs have no injection: they are left out"));
    }
    if errors > 0 {
        all.notes.push(format!("{errors} runs ended in an error, which AgentDojo stores as a success of the injection: they have no outcome"));
    }
    let about = About {
        tool: Tool::AgentDojo,
        clusters: CLUSTERS.map(str::to_owned).to_vec(),
        strata: vec!["suite".into()],
        ask: "",
        joined: true,
        separate: true,
        join: &JOIN,
    };
    Ok((all, about))
}

/// What a run file turned out to be.
#[derive(PartialEq)]
enum End {
    /// An attack that was judged, or crashed.
    Attack,
    /// No attack.
    Harmless,
    /// An attack that ended in an error.
    Error,
}

fn run(source: &Source, g: &mut Gather) -> Result<End> {
    let run: Run = json::parse_file(source, "AgentDojo run file", "run that task again with --force-rerun")?;
    let number = g.run(&source.name);
    g.known.extend(["suite", "user_task", "injection_task", "attack", "pipeline"].map(str::to_owned));
    let Some(injection) = run.injection_task_id.filter(|i| !i.is_empty()) else {
        return Ok(End::Harmless);
    };
    let attack = run.attack_type.unwrap_or_default();
    let context = g.context(|name| match name {
        "suite" => Some(run.suite_name.clone()),
        "user_task" => Some(format!("{}/{}", run.suite_name, run.user_task_id)),
        "injection_task" => Some(format!("{}/{injection}", run.suite_name)),
        "attack" => Some(attack.clone()),
        "pipeline" => Some(run.pipeline_name.clone()),
        _ => None,
    });
    let errored = run.error.is_some_and(|e| !e.is_null());
    let cell = match run.security {
        _ if errored => Cell::Missing(Reason::Error),
        Some(s) => Cell::Value(f64::from(u8::from(s))),
        // A run that crashed, or was killed, before it was judged.
        None => Cell::Missing(Reason::Error),
    };
    let layer = g.layer(&run.pipeline_name, RULE);
    let parts = [run.suite_name.as_str(), &run.user_task_id, &injection, &attack];
    let trial = parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join("/");
    g.push(Row { trial, run: number, epoch: 0, context, cells: vec![(layer, cell)] });
    Ok(if errored { End::Error } else { End::Attack })
}
