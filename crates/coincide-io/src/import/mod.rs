//! Logs of other tools. Each file here reads what one tool wrote and knows how that log misleads about joint outcomes; all of them give rows of answers to
//! [`gather`], which makes a table of outcomes that says itself what its columns are.
//!
//! Logs are recognised by what is in them. What a log does not say (which side of a value failed, where a score is cut) is asked of the user, in one error.

mod agentdojo;
mod archive;
mod control_arena;
mod deepteam;
mod garak;
mod gather;
mod inspect;
mod jailbreakbench;
pub(crate) mod json;
mod llm_guard;
mod nemo;
mod promptfoo;
mod pyrit;
mod records;

pub use gather::ImportedLayer;
pub(crate) use gather::unmatched;

use crate::cell::{self, CellValue};
use crate::error::{Error, Result};
use crate::options::{LayerFrom, ReadOptions};
use crate::outcomes_file::{self, OutcomesHeader};
use crate::source::{Format, InputRecord, Source, open_all};
use arrow_array::RecordBatch;
use coincide::Progress;
use gather::{About, Gather};
use json::Outline;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A tool whose logs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tool {
    /// Inspect (UK AI Security Institute), `.eval` or `.json`.
    Inspect,
    /// ControlArena: Inspect logs with monitors.
    ControlArena,
    /// garak's `report.jsonl`.
    Garak,
    /// promptfoo's JSON or JSON-lines output.
    Promptfoo,
    /// PyRIT's memory database.
    Pyrit,
    /// AgentDojo's run files.
    AgentDojo,
    /// NeMo Guardrails: generation logs or `/v1/checks` replies.
    Nemo,
    /// Results of llm-guard's scanners.
    LlmGuard,
    /// Results of deepteam's guards.
    DeepTeam,
    /// JailbreakBench artifacts.
    JailbreakBench,
}

impl Tool {
    /// All tools, in the order of the documentation.
    pub const ALL: [Tool; 10] = [
        Tool::Inspect,
        Tool::ControlArena,
        Tool::Garak,
        Tool::Promptfoo,
        Tool::Pyrit,
        Tool::AgentDojo,
        Tool::Nemo,
        Tool::LlmGuard,
        Tool::DeepTeam,
        Tool::JailbreakBench,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Inspect => "inspect",
            Tool::ControlArena => "controlarena",
            Tool::Garak => "garak",
            Tool::Promptfoo => "promptfoo",
            Tool::Pyrit => "pyrit",
            Tool::AgentDojo => "agentdojo",
            Tool::Nemo => "nemo",
            Tool::LlmGuard => "llm-guard",
            Tool::DeepTeam => "deepteam",
            Tool::JailbreakBench => "jailbreakbench",
        }
    }

    /// What one of its logs is called in a sentence.
    pub fn log(self) -> &'static str {
        match self {
            Tool::Inspect => "an Inspect log",
            Tool::ControlArena => "a ControlArena log",
            Tool::Garak => "a garak report",
            Tool::Promptfoo => "a promptfoo output",
            Tool::Pyrit => "a PyRIT database",
            Tool::AgentDojo => "an AgentDojo run file",
            Tool::Nemo => "a NeMo Guardrails log",
            Tool::LlmGuard => "results of llm-guard",
            Tool::DeepTeam => "results of deepteam guards",
            Tool::JailbreakBench => "a JailbreakBench artifact",
        }
    }

    /// Whether a log recognised as `found` can be read as this tool's.
    fn reads(self, found: Tool) -> bool {
        self == found || matches!((self, found), (Tool::ControlArena, Tool::Inspect))
    }
}

/// Logs as a table of outcomes.
#[derive(Debug)]
pub struct Imported {
    /// Whose logs they are.
    pub tool: Tool,
    /// The layers and how they were understood.
    pub layers: Vec<ImportedLayer>,
    /// Trials in the table.
    pub trials: u64,
    /// Columns by which trials are clustered, and strata.
    pub clusters: Vec<String>,
    /// Strata columns.
    pub strata: Vec<String>,
    /// Whether repeats of separate runs stand in rows of their own, to be averaged over their combinations.
    pub joined: bool,
    /// What else was inferred or counted, in sentences.
    pub notes: Vec<String>,
    /// The inputs with their hashes.
    pub inputs: Vec<InputRecord>,
    pub(crate) batch: RecordBatch,
    pub(crate) header: OutcomesHeader,
}

impl Imported {
    /// The table: a row a trial and a column a layer, or, where [`Imported::joined`], a row a trial, run, repeat and layer. Cells are texts: `1` failed, `0` held,
    /// a reason, a score where the layer has a threshold, or none where the layer was not run.
    pub fn table(&self) -> &RecordBatch {
        &self.batch
    }

    /// Writes the table as Parquet that says itself what its columns are. Fails as the disk does; nothing is left half written.
    pub fn write(&self, path: &Path) -> Result<()> {
        outcomes_file::write(path, &self.batch, &self.header)
    }

    /// Everything that was understood, in sentences.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let mut out = vec![format!("logs of {}: {} trials, {} layers", self.tool.name(), self.trials, self.layers.len())];
        for l in &self.layers {
            let missing: Vec<String> = l.missing.iter().map(|(word, n)| format!("{n} {word}")).collect();
            let missing = if missing.is_empty() { String::new() } else { format!("; missing: {}", missing.join(", ")) };
            out.push(format!("`{}` {}: {} failed, {} held{missing}", l.name, l.rule, l.failed, l.held));
        }
        out.extend(self.notes.iter().cloned());
        out
    }
}

/// Reads logs of a tool, `None`: whichever they are, by their content.
///
/// Fails where a file is no such log, or is damaged, and where the log does not say what the table needs: which columns to take as clusters is up to the
/// options, which values failed and where scores are cut is asked for.
pub fn import(inputs: &[String], tool: Option<Tool>, options: &ReadOptions, progress: Progress<'_>) -> Result<Imported> {
    let sources = open_all(inputs)?;
    let known = tool_of(&sources, tool, options)?;
    let tool = known.ok_or_else(|| Error::file(&sources[0].name, "is no log of a tool that is known"))?;
    let (imported, inputs) = rayon::join(|| gathered(&sources, tool, options, progress), || records(&sources));
    Ok(Imported { inputs: inputs?, ..imported? })
}

/// Hashes of the inputs.
pub(crate) fn records(sources: &[Arc<Source>]) -> Result<Vec<InputRecord>> {
    sources.par_iter().map(|s| s.record()).collect()
}

/// Whose logs the files are: the tool that is `said`, else the one that they are recognised as. Fails where they are another's.
pub(crate) fn tool_of(sources: &[Arc<Source>], said: Option<Tool>, options: &ReadOptions) -> Result<Option<Tool>> {
    match (said, recognised(sources, said, options)?) {
        (Some(t), Some(f)) if !t.reads(f) => {
            Err(Error::file(&sources[0].name, format!("is {}, not {}", f.log(), t.log())).hinted(format!("coincide import {}", f.name())))
        }
        (said, found) => Ok(said.or(found)),
    }
}

/// Which tool wrote the files; `None` where none is known. Fails where some are logs and others are not, or of several tools, and on what may be either.
fn recognised(sources: &[Arc<Source>], said: Option<Tool>, options: &ReadOptions) -> Result<Option<Tool>> {
    let mut first: Option<Option<Tool>> = None;
    for s in sources {
        let found = match recognise(s)? {
            Found::Log(tool) => Some(tool),
            Found::Other => None,
            Found::LikeChecks { flags, .. } if said.is_some() => (!flags || said == Some(Tool::Nemo)).then_some(Tool::Nemo),
            Found::LikeChecks { keys, flags } => {
                // Layers of a log are no keys of its records.
                let mut named = options.layers.iter().flatten().chain(options.thresholds.iter().map(|t| &t.layer)).chain(&options.baseline);
                match (named.any(|l| keys.contains(l)), flags) {
                    (true, _) => None,
                    (false, false) => Some(Tool::Nemo),
                    (false, true) => {
                        return Err(Error::file(
                            &s.name,
                            "may be replies of NeMo's checks, or a table of outcomes with columns `status` and `content`",
                        )
                        .hinted("for replies: coincide import nemo FILE -o outcomes.parquet; for a table name its layers with --layers"));
                    }
                }
            }
        };
        match first {
            None => first = Some(found),
            Some(f) if f == found => {}
            Some(f) => {
                let what = |t: Option<Tool>| t.map_or("no log of a known tool", Tool::log);
                return Err(Error::file(&s.name, format!("is {}, but {} is {}", what(found), sources[0].name, what(f)))
                    .hinted("import the logs of each tool by itself with `coincide import`, and give the tables to the analysis together"));
            }
        }
    }
    Ok(first.flatten())
}

/// What a file is, by its content.
enum Found {
    Log(Tool),
    /// As flat as a table, and with these keys of NeMo's checks; `flags`: values beside them look like outcomes.
    LikeChecks {
        keys: Vec<String>,
        flags: bool,
    },
    Other,
}

fn recognise(source: &Source) -> Result<Found> {
    let log = |is: bool, tool| Ok(if is { Found::Log(tool) } else { Found::Other });
    match source.format {
        Format::Zip => log(inspect::is_archive(source)?, Tool::Inspect),
        Format::Sqlite => log(pyrit::is_memory(source)?, Tool::Pyrit),
        Format::JsonLines | Format::JsonArray => Ok(recognise_json(&Outline::of(&source.head(1 << 20)?))),
        _ => Ok(Found::Other),
    }
}

/// Keys that a tool's documents have, with the bracket that their value begins with: a table of outcomes holds neither objects nor lists, whatever its columns are called.
const MARKS: [(Tool, &[&[&str]]); 7] = [
    (Tool::Promptfoo, &[&["evalId", "results{"], &["gradingResult{", "promptIdx"], &["failureReason", "promptIdx", "vars{"]]),
    (Tool::AgentDojo, &[&["suite_name", "user_task_id", "injection_task_id", "messages["]]),
    (Tool::JailbreakBench, &[&["parameters{", "jailbreaks["]]),
    (Tool::Inspect, &[&["version", "status", "eval{"]]),
    (Tool::LlmGuard, &[&["results_valid{"], &["is_valid", "scanners{"]]),
    (Tool::DeepTeam, &[&["verdicts["]]),
    (Tool::Nemo, &[&["activated_rails["], &["log{", "response"], &["guardrails{", "choices["]]),
];

/// The tool of a document or record.
fn recognise_json(outline: &Outline) -> Found {
    let says = |key: &str, words: &[&str]| {
        let text = outline.value(key).and_then(|v| v.strip_prefix(b"\""));
        text.is_some_and(|t| words.iter().any(|w| t.strip_prefix(w.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'"'))))
    };
    let marked = |mark: &str| match mark.strip_suffix(['{', '[']) {
        Some(key) => outline.value(key).and_then(<[u8]>::first) == mark.as_bytes().last(),
        None => outline.has(mark),
    };
    // Lines of garak's reports and replies of NeMo's checks are as flat as tables are.
    if says("entry_type", &["start_run setup"])
        || (says("entry_type", &["init", "attempt", "eval"]) && ["garak_version", "uuid", "probe"].iter().any(|k| outline.has(k)))
    {
        return Found::Log(Tool::Garak);
    }
    if says("status", &["passed", "blocked", "modified"]) && outline.has("content") {
        // A check that blocked names its rail. One that passed may stand beside the caller's own flags, which look like outcomes.
        let outcome = |(key, value): (&str, &[u8])| {
            let word = String::from_utf8_lossy(value);
            let text = word.trim_matches('"');
            let flag =
                matches!(cell::parse(text), CellValue::Failed | CellValue::Held) || matches!(text, "error" | "abstain" | "unparsed" | "not_run");
            !records::NAMES.contains(&key) && flag
        };
        if outline.value("rail").is_some_and(|v| v.first() == Some(&b'"')) {
            return Found::Log(Tool::Nemo);
        }
        return Found::LikeChecks { keys: outline.members().map(|(k, _)| k.to_owned()).collect(), flags: outline.members().any(outcome) };
    }
    let tool = MARKS.iter().find(|(_, ways)| ways.iter().any(|way| way.iter().all(|m| marked(m))));
    tool.map_or(Found::Other, |(tool, _)| Found::Log(*tool))
}

/// The logs as a table, without the hashes of the inputs.
pub(crate) fn gathered(sources: &[Arc<Source>], tool: Tool, options: &ReadOptions, progress: Progress<'_>) -> Result<Imported> {
    asked_of(tool, options)?;
    let (gather, about) = match tool {
        Tool::Inspect | Tool::ControlArena => inspect::read(sources, tool, options, progress)?,
        Tool::Garak => garak::read(sources, options, progress)?,
        Tool::Promptfoo => promptfoo::read(sources, options, progress)?,
        Tool::Pyrit => pyrit::read(sources, options, progress)?,
        Tool::AgentDojo => agentdojo::read(sources, options, progress)?,
        Tool::Nemo => nemo::read(sources, options)?,
        Tool::LlmGuard => llm_guard::read(sources, options)?,
        Tool::DeepTeam => deepteam::read(sources, options)?,
        Tool::JailbreakBench => jailbreakbench::read(sources, options, progress)?,
    };
    if gather.rows.is_empty() {
        return Err(Error::file(&sources[0].name, "has no trials").hinted("the run ended before the first one was written down; run it again"));
    }
    let (gather, about) = match &options.layer_from {
        Some(from) => (gather.join_runs(from, options, &about)?, About { joined: true, separate: true, ..about }),
        None => (gather, about),
    };
    let g = gather.finish(&about, options)?;
    Ok(Imported {
        tool: about.tool,
        layers: g.layers,
        trials: g.trials,
        clusters: g.header.clusters.clone(),
        strata: g.header.strata.clone(),
        joined: g.header.joined,
        notes: g.notes,
        inputs: Vec::new(),
        batch: g.batch,
        header: g.header,
    })
}

/// Fails on options that mean nothing for a tool's logs.
fn asked_of(tool: Tool, options: &ReadOptions) -> Result<()> {
    if options.trial.is_some() && !matches!(tool, Tool::Nemo | Tool::LlmGuard | Tool::DeepTeam) {
        return Err(Error::options(
            format!("--trial names a key of records that callers write down; {} names its trials itself", tool.log()),
            "leave it out; runs of one defence each are joined with --layer-from and --join",
        ));
    }
    gave_up_is_of(Some(tool), options)
}

/// Fails where `--gave-up` is given for what is no JailbreakBench artifact.
pub(crate) fn gave_up_is_of(tool: Option<Tool>, options: &ReadOptions) -> Result<()> {
    if options.gave_up.is_some() && tool != Some(Tool::JailbreakBench) {
        return Err(Error::options("--gave-up is about JailbreakBench artifacts, where an attack may end before it asks", "leave it out"));
    }
    Ok(())
}

/// Columns that a table of logs needs: those with a part by the options, the tool's own, and those on which its runs are joined where the user says nothing.
fn columns(options: &ReadOptions, own: &[&str], join: &[&str]) -> Vec<String> {
    let layer_from = options.layer_from.iter().filter_map(|f| match f {
        LayerFrom::Column(c) if c != SCORER => Some(c),
        _ => None,
    });
    let named = options.strata.iter().chain(&options.clusters).chain(&options.weight).chain(&options.label).chain(layer_from).chain(&options.join);
    let mut list: Vec<String> = named.cloned().collect();
    list.extend(own.iter().map(|s| (*s).to_owned()));
    if options.layer_from.is_some() && options.join.is_empty() {
        list.extend(join.iter().map(|s| (*s).to_owned()));
    }
    let mut out: Vec<String> = Vec::new();
    list.into_iter().filter(|c| c != "trial").for_each(|c| {
        if !out.contains(&c) {
            out.push(c)
        }
    });
    out
}

/// `--layer-from scorer`: the layers keep their names, and runs are joined.
const SCORER: &str = "scorer";

/// Reads every source by itself, at once, and puts the rows together in the order of the sources; with what `read` says of each.
fn each_source<T: Send>(
    sources: &[Arc<Source>],
    progress: Progress<'_>,
    columns: &[String],
    read: impl Fn(&Source, &mut Gather) -> Result<T> + Sync,
) -> Result<(Gather, Vec<T>)> {
    let done = AtomicU64::new(0);
    let parts: Vec<(Gather, T)> = sources
        .par_iter()
        .map(|s| {
            let mut g = Gather::new(columns.to_vec());
            let said = read(s, &mut g)?;
            progress("reading logs", done.fetch_add(1, Ordering::Relaxed) + 1, sources.len() as u64);
            Ok((g, said))
        })
        .collect::<Result<_>>()?;
    let mut all = Gather::new(columns.to_vec());
    let said = parts
        .into_iter()
        .map(|(part, said)| {
            all.absorb(part);
            said
        })
        .collect();
    Ok((all, said))
}
