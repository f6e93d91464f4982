//! Inspect logs: `.eval` archives and `.json`. <https://inspect.aisi.org.uk/eval-logs.html>, log version 2, seen with 0.3.285.
//!
//! A trial is a sample and epoch of a task, a layer is a scorer (or a key of a scorer that gives several values). The summaries of an archive say enough in most
//! cases; a sample's own file is opened where they leave out what is needed.
//!
//! * Entries are packed with Zstandard, in older logs with deflate, or not at all.
//! * A run that was killed left no header and no list of summaries, only a journal and samples; one that crashed left samples without scores.
//! * `NaN` stands bare in the JSON; `"N"` is no answer.
//! * A sample that ended in an error, or at a limit, was not finished: what its scorers say is not about a whole attempt.
//! * A retried run carries over the samples of the first: those stand in both logs.

use super::archive::Archive;
use super::control_arena;
use super::gather::{About, Cell, Gather, Row, Rule};
use super::json::{self, Want};
use super::{Tool, columns, each_source};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::{Format, Source};
use coincide::FailsWhen;
use coincide::{Progress, Reason};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The version of logs that is known.
const VERSION: i64 = 2;
/// What Inspect writes in a summary in the place of metadata that is too long for it.
const REMOVED: &str = "Key removed from summary (> 1k)";
/// Texts in summaries are cut to this many characters, and end with dots then.
const CUT_AT: usize = 1000;

/// Columns on which separate runs are joined.
const JOIN: [&str; 1] = ["sample.id"];
const RULE: Rule = Rule { fails_when: Some(FailsWhen::Below), high: "C, 1 or true" };

#[derive(Deserialize)]
struct Header {
    version: i64,
    eval: Eval,
    #[serde(default)]
    plan: Plan,
}

#[derive(Deserialize)]
struct Eval {
    task: String,
    #[serde(default)]
    task_id: String,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    solver: Option<String>,
    #[serde(default)]
    scorers: Value,
    #[serde(default)]
    dataset: Dataset,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize, Default)]
struct Dataset {
    #[serde(default)]
    samples: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    epochs: Option<u64>,
    #[serde(default)]
    limit: Option<Value>,
    #[serde(default)]
    sample_id: Option<Value>,
}

#[derive(Deserialize, Default)]
struct Plan {
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    solver: String,
}

/// A sample, or its summary.
#[derive(Deserialize)]
struct Sample {
    id: Value,
    epoch: u32,
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    scores: Option<Map<String, Value>>,
    /// Before version 0.3.
    #[serde(default)]
    score: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    limit: Option<Value>,
    /// Not in summaries.
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// Whether an archive is a log.
pub(super) fn is_archive(source: &Source) -> Result<bool> {
    let archive = Archive::open(source)?;
    Ok(archive.has("header.json") || archive.has("_journal/start.json"))
}

/// Reads the logs. Fails on logs of another version, and on damaged ones.
pub(super) fn read(sources: &[Arc<Source>], tool: Tool, options: &ReadOptions, progress: Progress<'_>) -> Result<(Gather, About)> {
    let columns = columns(options, &["sample.id"], &JOIN);
    let (mut all, runs) = each_source(sources, progress, &columns, |source, g| Log::read(source, g, tool))?;
    let arena = runs.iter().any(|r| r.arena);
    let runs = once_each(&mut all, &runs)?;
    let repeats = {
        let mut seen = FxHashSet::default();
        let at = all.columns.iter().position(|c| c == "sample.id").unwrap_or(0);
        all.rows.iter().any(|r| !seen.insert(r.context[at].clone()))
    };
    let clusters = if repeats { vec!["sample.id".to_owned()] } else { Vec::new() };
    if repeats && runs > 1 && options.layer_from.is_none() {
        all.notes.push(format!(
            "these are {runs} runs over the same samples, read as trials of their own; if each is one defence: --layer-from task --join sample.id"
        ));
    }
    if repeats && options.clusters.is_empty() && options.layer_from.is_none() {
        all.notes.push(
            "samples are repeated: rows of one `sample.id` are not independent, so it is taken as the cluster; name others with --cluster".into(),
        );
    }
    let about = About {
        tool: if arena { Tool::ControlArena } else { Tool::Inspect },
        clusters,
        strata: Vec::new(),
        ask: "Inspect takes C, 1 and true as correct",
        joined: false,
        separate: false,
        join: &JOIN,
    };
    Ok((all, about))
}

/// What a log says of itself, by [`Row::run`].
struct Run {
    arena: bool,
    task: String,
    /// What it shares with the log of a retry; a log that has none is by itself.
    task_id: String,
    created: String,
}

/// Rows of the same task, sample and epoch are one: the log that was begun last has the word. Then names that people can read.
///
/// Returns how many runs there are. Fails where logs that were begun at once contradict each other.
fn once_each(all: &mut Gather, runs: &[Run]) -> Result<usize> {
    let ids: Vec<String> =
        runs.iter().enumerate().map(|(r, run)| if run.task_id.is_empty() { format!("log {}", r + 1) } else { run.task_id.clone() }).collect();
    let mut tasks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &all.rows {
        let run = row.run as usize;
        tasks.entry(&runs[run].task).or_default().insert(&ids[run]);
    }
    let count: usize = tasks.values().map(BTreeSet::len).sum();
    let ambiguous = tasks.values().any(|t| t.len() > 1);
    let several_epochs = all.rows.iter().any(|r| r.epoch > 1);
    let mut at: FxHashMap<(&str, u32, String), usize> = FxHashMap::default();
    let (mut twice, mut scored_again) = (0u64, 0u64);
    let mut kept: Vec<Row> = Vec::with_capacity(all.rows.len());
    for mut row in std::mem::take(&mut all.rows) {
        let run = row.run as usize;
        let i = match at.entry((&ids[run], row.epoch, std::mem::take(&mut row.trial))) {
            Entry::Vacant(new) => {
                new.insert(kept.len());
                kept.push(row);
                continue;
            }
            Entry::Occupied(had) => *had.get(),
        };
        twice += 1;
        if runs[run].created == runs[kept[i].run as usize].created
            && let Some((layer, _)) = row.cells.iter().find(|c| kept[i].cells.iter().any(|k| k.0 == c.0 && k.1 != c.1))
        {
            let [a, b] = [kept[i].run, row.run].map(|r| all.run_name(r));
            return Err(Error::options(
                format!("{a} and {b} are of one run, and scorer `{}` says something else in each", all.layer_name(*layer)),
                "one of them was scored again: give the one that counts",
            ));
        }
        let (newer, older) = if runs[run].created >= runs[kept[i].run as usize].created { (row, kept[i].clone()) } else { (kept[i].clone(), row) };
        let has = newer.cells.len();
        kept[i] = newer;
        // A log that was scored again may hold other scorers alone. What a sample that ended in an error said is no answer.
        let more = older.cells.into_iter().filter(|(_, c)| *c != Cell::Missing(Reason::Error));
        for cell in more {
            if kept[i].cells[..has].iter().all(|(l, _)| *l != cell.0) {
                kept[i].cells.push(cell);
            }
        }
        scored_again += u64::from(kept[i].cells.len() > has);
    }
    for ((id, epoch, sample), i) in at {
        let task = match (count, ambiguous) {
            (1, _) => String::new(),
            (_, true) => format!("{id}/"),
            (_, false) => format!("{}/", runs[kept[i].run as usize].task),
        };
        let epoch = if several_epochs { format!("/{epoch}") } else { String::new() };
        kept[i].trial = format!("{task}{sample}{epoch}");
    }
    all.rows = kept;
    if twice > 0 {
        all.notes.push(format!("{twice} samples stand more than once, as retried runs carry them over: the log that was begun last counts"));
    }
    if scored_again > 0 {
        all.notes.push(format!("of those, {scored_again} were scored by other scorers in each log: the answers of both count"));
    }
    Ok(count)
}

struct Log<'a> {
    source: &'a Source,
    header: Header,
    arena: bool,
    solver: String,
    run: u32,
    wants_metadata: bool,
    /// Rows of samples whose summaries cut metadata that is needed.
    look_again: Vec<usize>,
    archive: Option<Archive>,
    removed: Counts,
}

#[derive(Default)]
struct Counts {
    errors: u64,
    limits: u64,
    unscored: u64,
    samples: u64,
}

impl<'a> Log<'a> {
    /// Adds a row a sample and epoch, named after the sample alone.
    fn read(source: &'a Source, g: &mut Gather, tool: Tool) -> Result<Run> {
        let builtin = |c: &String| BUILTIN.contains(&c.as_str());
        let wants_metadata = !g.columns.iter().all(builtin);
        g.known.extend(BUILTIN.iter().map(|s| (*s).to_owned()));
        let run = g.run(&source.name);
        let new = |header: Header, archive| -> Result<Log<'a>> {
            if !(1..=VERSION).contains(&header.version) {
                return Err(Error::file(
                    &source.name,
                    format!("is an Inspect log of version {}; this program reads version {VERSION}", header.version),
                )
                .hinted("use a newer coincide, or convert the log with the inspect version that wrote it"));
            }
            let steps = || header.plan.steps.iter().map(|s| s.solver.as_str()).collect::<Vec<_>>().join(" > ");
            let solver = header.eval.solver.clone().unwrap_or_else(steps);
            let arena = tool == Tool::ControlArena || control_arena::wrote(&header.eval.scorers);
            Ok(Log { source, arena, solver, run, wants_metadata, look_again: Vec::new(), archive, removed: Counts::default(), header })
        };
        let mut log = if source.format == Format::Zip {
            let mut archive = Archive::open(source)?;
            let whole = archive.has("header.json");
            let header = Self::header(source, &mut archive, if whole { "header.json" } else { "_journal/start.json" })?;
            let mut log = new(header, Some(archive))?;
            log.archive(g, whole)?;
            log
        } else {
            let mut parts: [Option<Value>; 3] = [None, None, None];
            let mut log: Option<Log<'a>> = None;
            let mut reader = source.reader()?;
            let wants = [Want::Whole(&["version"]), Want::Whole(&["eval"]), Want::Whole(&["plan"]), Want::Each(&["samples"])];
            let walked = json::walk(&mut reader, &wants, &mut |i, piece| {
                if i < 3 {
                    parts[i] = Some(json::parse(piece).map_err(|e| bad(source, "the header", &e))?);
                    return Ok(());
                }
                if log.is_none() {
                    log = Some(new(Self::header_of(source, &mut parts)?, None)?);
                }
                match &mut log {
                    Some(l) => l.sample(g, piece),
                    None => Ok(()),
                }
            });
            walked.map_err(|b| b.of(&source.name))?;
            match log {
                Some(l) => l,
                None => new(Self::header_of(source, &mut parts)?, None)?,
            }
        };
        log.look_again(g)?;
        log.notes(g);
        let Eval { task, task_id, created, .. } = log.header.eval;
        Ok(Run { arena: log.arena, task, task_id, created })
    }

    fn header(source: &Source, archive: &mut Archive, entry: &str) -> Result<Header> {
        let mut parts: [Option<Value>; 3] = [None, None, None];
        archive.walk(entry, &[Want::Whole(&["version"]), Want::Whole(&["eval"]), Want::Whole(&["plan"])], &mut |i, piece| {
            parts[i] = Some(json::parse(piece).map_err(|e| bad(source, entry, &e))?);
            Ok(())
        })?;
        Self::header_of(source, &mut parts)
    }

    fn header_of(source: &Source, parts: &mut [Option<Value>; 3]) -> Result<Header> {
        let [version, eval, plan] = parts.each_mut().map(Option::take);
        let mut map = Map::new();
        map.insert("version".into(), version.unwrap_or_default());
        map.insert("eval".into(), eval.unwrap_or_default());
        map.extend(plan.map(|p| ("plan".to_owned(), p)));
        serde_json::from_value(Value::Object(map)).map_err(|e| bad(source, "the header", &e))
    }

    /// Samples of an archive: by their summaries; what a killed run did not summarise by its own file.
    fn archive(&mut self, g: &mut Gather, whole: bool) -> Result<()> {
        let Some(mut archive) = self.archive.take() else { return Ok(()) };
        let names = archive.names();
        let mut summaries: Vec<(u64, &String)> = if archive.has("summaries.json") {
            names.iter().filter(|n| *n == "summaries.json").map(|n| (0, n)).collect()
        } else {
            names.iter().filter_map(|n| Some((n.strip_prefix("_journal/summaries/")?.strip_suffix(".json")?.parse().ok()?, n))).collect()
        };
        summaries.sort();
        if self.arena {
            // Their explanations are needed whole.
            summaries.clear();
        }
        for (_, entry) in &summaries {
            archive.walk(entry, &[Want::Each(&[])], &mut |_, piece| self.sample(g, piece))?;
        }
        if !whole || summaries.is_empty() {
            let known: FxHashSet<String> = g.rows.iter().map(entry_of).collect();
            let own: Vec<&String> = names.iter().filter(|n| n.starts_with("samples/") && n.ends_with(".json") && !known.contains(*n)).collect();
            for entry in own {
                archive.walk(entry, &[Want::Whole(&[])], &mut |_, piece| self.sample(g, piece))?;
            }
        }
        if !whole {
            g.notes.push(format!("{} was killed before it ended: what its journal holds counts", self.source.name));
        }
        self.archive = Some(archive);
        Ok(())
    }

    fn sample(&mut self, g: &mut Gather, piece: &[u8]) -> Result<()> {
        let sample: Sample = json::parse(piece).map_err(|e| bad(self.source, "a sample", &e))?;
        let id = json::cell_text(&sample.id);
        let mut metadata = Map::new();
        if self.wants_metadata
            && let Some(raw) = &sample.metadata
        {
            metadata = serde_json::from_str(raw.get()).unwrap_or_default();
            g.known.extend(metadata.keys().cloned());
        }
        let mut cut = false;
        let context = g.context(|name| {
            if let Some(text) = self.builtin(name, &id, sample.epoch) {
                return Some(text);
            }
            let Some(value) = metadata_of(&metadata, name) else {
                cut |= is_removed(&metadata, name);
                return None;
            };
            let text = json::cell_text(value);
            cut |= text == REMOVED || (text.len() >= CUT_AT && text.ends_with("..."));
            Some(text)
        });
        let mut row = Row { trial: id, run: self.run, epoch: sample.epoch, context, ..Row::default() };
        let over = match (&sample.error, &sample.limit) {
            (Some(e), _) if !e.is_null() => {
                self.removed.errors += 1;
                true
            }
            (_, Some(l)) if !l.is_null() => {
                self.removed.limits += 1;
                true
            }
            _ => false,
        };
        let scores = sample.scores.or_else(|| sample.score.filter(|s| !s.is_null()).map(|s| Map::from_iter([("score".to_owned(), s)])));
        let messages: Vec<Option<Map<String, Value>>> = sample.messages.into_iter().map(|m| m.metadata).collect();
        for (scorer, score) in scores.iter().flatten() {
            let explanation = score.get("explanation").and_then(Value::as_str).unwrap_or_default();
            let unread = || control_arena::maximum(explanation).filter(|m| control_arena::unread(*m, &messages)).map(|_| Reason::Unparsed);
            let none = if self.arena { control_arena::stand_in(explanation).or_else(unread) } else { None };
            self.answers(g, &mut row, scorer, score.get("value").unwrap_or(&Value::Null), none);
        }
        if over {
            row.cells.iter_mut().for_each(|(_, c)| *c = Cell::Missing(Reason::Error));
            if row.cells.is_empty() {
                // Every layer of the run: filled in when all are known.
                row.cells.push((UNKNOWN, Cell::Missing(Reason::Error)));
            }
        } else if row.cells.is_empty() {
            self.removed.unscored += 1;
        }
        self.removed.samples += 1;
        let at = g.rows.len();
        if cut && self.source.format == Format::Zip {
            self.look_again.push(at);
        }
        g.push(row);
        Ok(())
    }

    /// The answers of a scorer: one, or one for each key of its value.
    fn answers(&self, g: &mut Gather, row: &mut Row, name: &str, value: &Value, none: Option<Reason>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, v)| self.answers(g, row, &format!("{name}.{key}"), v, none)),
            Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| self.answers(g, row, &format!("{name}.{i}"), v, none)),
            _ => {
                let mut layer = g.layer(name, RULE);
                // A key `b` of the scorer `a`, and a scorer `a.b`.
                if row.cells.iter().any(|(l, _)| *l == layer) {
                    layer = g.layer(&format!("{name} (again)"), RULE);
                }
                let cell = match none {
                    Some(reason) => Cell::Missing(reason),
                    None => verdict(value).unwrap_or_else(|text| {
                        g.odd(layer, text);
                        Cell::Missing(Reason::Unparsed)
                    }),
                };
                row.cells.push((layer, cell));
            }
        }
    }

    fn builtin(&self, name: &str, id: &str, epoch: u32) -> Option<String> {
        let eval = &self.header.eval;
        Some(match name {
            "sample.id" => id.to_owned(),
            "sample.epoch" | "epoch" => epoch.to_string(),
            "task" => eval.task.clone(),
            "task_id" => eval.task_id.clone(),
            "run_id" => eval.run_id.clone(),
            "model" => eval.model.clone(),
            "solver" => self.solver.clone(),
            _ => return None,
        })
    }

    /// Opens the samples whose summaries leave out what is needed.
    fn look_again(&mut self, g: &mut Gather) -> Result<()> {
        let Some(mut archive) = self.archive.take() else { return Ok(()) };
        for at in std::mem::take(&mut self.look_again) {
            let entry = entry_of(&g.rows[at]);
            if !archive.has(&entry) {
                return Err(Error::file(&self.source.name, format!("lacks the entry {entry}, which its summary cuts short"))
                    .hinted("write the log again with the samples in it, or leave the column out"));
            }
            let mut whole = None;
            archive.walk(&entry, &[Want::Whole(&[])], &mut |_, piece| {
                whole = Some(json::parse::<Whole>(piece).map_err(|e| bad(self.source, &entry, &e))?);
                Ok(())
            })?;
            let Some(whole) = whole else { continue };
            for c in 0..g.columns.len() {
                if let Some(v) = metadata_of(&whole.metadata, &g.columns[c]).filter(|_| !BUILTIN.contains(&g.columns[c].as_str())) {
                    g.set_context(at, c, json::cell_text(v));
                }
            }
        }
        Ok(())
    }

    /// Fills in the layers of samples that ended early, and says how many there are.
    fn notes(&self, g: &mut Gather) {
        let layers = g.layer_count();
        for row in &mut g.rows {
            if let [(UNKNOWN, cell)] = row.cells[..] {
                row.cells = (0..layers).map(|l| (l, cell)).collect();
            }
        }
        let c = &self.removed;
        let name = &self.source.name;
        let mut said = Vec::new();
        if c.errors > 0 {
            said.push(format!("{} ended in an error", c.errors));
        }
        if c.limits > 0 {
            said.push(format!("{} at a limit", c.limits));
        }
        if c.unscored > 0 {
            said.push(format!("{} were never scored", c.unscored));
        }
        if !said.is_empty() {
            g.notes.push(format!("{name}: of {} samples {}; they have no outcomes", c.samples, said.join(", ")));
        }
        let config = &self.header.eval.config;
        let whole = [&config.limit, &config.sample_id].iter().all(|o| o.as_ref().is_none_or(Value::is_null));
        let planned = self.header.eval.dataset.samples.filter(|_| whole).unwrap_or(0).saturating_mul(config.epochs.unwrap_or(1));
        if c.samples < planned {
            g.notes.push(format!("{name} holds {} of {planned} samples: the run ended before the others", c.samples));
        }
    }
}

/// Stands for every layer until all are known.
const UNKNOWN: u16 = u16::MAX;

const BUILTIN: [&str; 8] = ["sample.id", "sample.epoch", "epoch", "task", "task_id", "run_id", "model", "solver"];

/// The entry of a row's sample, while it is named after that alone.
fn entry_of(row: &Row) -> String {
    format!("samples/{}_epoch_{}.json", row.trial, row.epoch)
}

/// Whether a summary leaves out something that has `name` in it: `a` of `a.b.c`.
fn is_removed(metadata: &Map<String, Value>, name: &str) -> bool {
    let removed = |name: &str| {
        let mut end = name.len();
        std::iter::from_fn(|| {
            end = name[..end].rfind('.')?;
            Some(&name[..end])
        })
        .any(|outer| json::member(metadata, outer).is_some_and(|v| v == REMOVED))
    };
    removed(name) || name.strip_prefix("metadata.").is_some_and(removed)
}

fn metadata_of<'m>(metadata: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    json::member(metadata, name).or_else(|| json::member(metadata, name.strip_prefix("metadata.")?))
}

/// A score's value, by Inspect's own words for it; a text that is none of them comes back.
fn verdict(value: &Value) -> std::result::Result<Cell, &str> {
    Ok(match value {
        Value::Bool(b) => Cell::Value(f64::from(u8::from(*b))),
        Value::Number(n) => n.as_f64().filter(|x| x.is_finite()).map_or(Cell::Missing(Reason::Unparsed), Cell::Value),
        Value::String(s) => match s.as_str() {
            "C" => Cell::Value(1.0),
            "I" => Cell::Value(0.0),
            "P" => Cell::Value(0.5),
            "N" => Cell::Missing(Reason::Abstain),
            "NaN" | "Infinity" | "-Infinity" | "" => Cell::Missing(Reason::Unparsed),
            other => match other.to_ascii_lowercase().as_str() {
                "true" | "yes" => Cell::Value(1.0),
                "false" | "no" => Cell::Value(0.0),
                _ => Cell::Value(other.trim().parse::<f64>().ok().filter(|x| x.is_finite()).ok_or(other)?),
            },
        },
        _ => Cell::Missing(Reason::Unparsed),
    })
}

fn bad(source: &Source, what: &str, e: &serde_json::Error) -> Error {
    Error::file(&source.name, format!("{what} is not as Inspect writes it: {e}"))
        .hinted("write the log again, or convert it with `inspect log convert`")
}
