//! garak's `report.jsonl`, seen with 0.17.1. <https://docs.garak.ai/garak/reporting>.
//!
//! A trial is an attempt and one of its outputs, a layer is a detector. 1.0 means that the detector saw the attack succeed: the layer failed.
//!
//! * Every attempt is written twice, before its detectors have run (status 1) and after (status 2).
//! * The run's threshold is not in the report (floats of the configuration are not written). It follows from the report's own counts of passes and fails.
//! * A detector that is not loaded for a probe, or could not be, is simply absent: not run. Default runs give every probe its own detectors.
//! * `null` is a detector that could not say; an output that is `null`, or whose text is, is a target that did not answer. A list of scores that is shorter than
//!   the outputs is a detector that had nothing to look for.

use super::gather::{About, Cell, Gather, Row, Rule};
use super::json::{self, bad_line};
use super::{Tool, columns, each_source};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::{Source, file_stem};
use coincide::FailsWhen;
use coincide::{Progress, Reason};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::sync::Arc;

/// garak's threshold where the report does not name it.
const THRESHOLD: f64 = 0.5;
/// Columns on which separate runs are joined.
const JOIN: [&str; 3] = ["seq", "probe_classname", "output"];
const RULE: Rule = Rule { fails_when: Some(FailsWhen::Above), high: "its score reaches the run's threshold" };
const STRATA: [&str; 2] = ["probe_classname", "intent"];
const CLUSTER: &str = "goal";

/// An entry that is no attempt.
#[derive(Deserialize)]
struct Entry {
    entry_type: String,
    #[serde(rename = "run.eval_threshold", default)]
    threshold: Option<f64>,
    #[serde(default)]
    probe: Option<String>,
    #[serde(default)]
    detector: Option<String>,
    #[serde(default)]
    fails: Option<u64>,
}

/// Whether an output holds an answer.
struct Answered(bool);

impl<'de> Deserialize<'de> for Answered {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Answered;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an output")
            }
            fn visit_unit<E>(self) -> std::result::Result<Answered, E> {
                Ok(Answered(false))
            }
            fn visit_str<E>(self, _: &str) -> std::result::Result<Answered, E> {
                Ok(Answered(true))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Answered, A::Error> {
                let (mut text, mut data) = (false, false);
                while let Some(key) = map.next_key::<String>()? {
                    let there = map.next_value::<Option<IgnoredAny>>()?.is_some();
                    text |= there && key == "text";
                    data |= there && key == "data_path";
                }
                Ok(Answered(text || data))
            }
        }
        d.deserialize_any(Look)
    }
}

#[derive(Deserialize)]
struct Attempt {
    #[serde(default)]
    uuid: String,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    status: Option<u8>,
    #[serde(default)]
    probe_classname: String,
    #[serde(default)]
    goal: Option<String>,
    #[serde(default)]
    intent: Option<String>,
    #[serde(default)]
    outputs: Vec<Answered>,
    #[serde(default)]
    detector_results: Map<String, Value>,
    #[serde(default)]
    notes: Option<Map<String, Value>>,
}

/// Reads reports. Fails on a line that is no JSON, other than a last one that was cut off.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions, progress: Progress<'_>) -> Result<(Gather, About)> {
    let columns = columns(options, &[STRATA[0], STRATA[1], CLUSTER], &JOIN);
    let (all, _) = each_source(sources, progress, &columns, |source, g| report(source, g, options))?;
    let about = About {
        tool: Tool::Garak,
        clusters: vec![CLUSTER.to_owned()],
        strata: STRATA.map(str::to_owned).to_vec(),
        ask: "",
        joined: false,
        separate: false,
        join: &JOIN,
    };
    Ok((all, about))
}

fn report(source: &Source, g: &mut Gather, options: &ReadOptions) -> Result<()> {
    g.known.extend(["probe_classname", "intent", "goal", "seq", "output"].map(str::to_owned));
    let run = g.run(&source.name);
    let mut threshold = None;
    let mut counts: Vec<Count> = Vec::new();
    let name_of = |uuid: &str| xxhash_rust::xxh3::xxh3_128(uuid.as_bytes());
    let (mut finished, mut begun): (FxHashSet<u128>, FxHashSet<u128>) = Default::default();
    let wants_notes = g.columns.iter().any(|c| !g.known.contains(c));
    json::for_each_line(source, &mut |line| {
        let head = &line.text[..line.text.len().min(400)];
        let says = |mark: &[u8]| memchr::memmem::find(head, mark).is_some();
        let is_attempt = says(br#""entry_type": "attempt""#);
        // An attempt before its detectors have run holds no results: its other copy does.
        if is_attempt
            && line.whole
            && says(br#""status": 1,"#)
            && let Some(uuid) = first_keys(line.text)
        {
            begun.insert(name_of(&uuid));
            return Ok(());
        }
        let unread = |g: &mut Gather, e: serde_json::Error| {
            if !line.whole {
                g.notes.push(format!("{}: the last line is cut off and left out", source.name));
                return Ok(());
            }
            let what = format!("is not as garak writes it (character {}): {e}", e.column());
            Err(bad_line(source, line.number, what).hinted("run garak again, or cut the line out"))
        };
        if !is_attempt {
            match json::parse::<Entry>(line.text) {
                Ok(e) => {
                    if let Some(t) = e.threshold.filter(|_| e.entry_type == "start_run setup") {
                        threshold = Some(t);
                    }
                    if let (Some(probe), Some(detector), Some(fails)) = (e.probe, e.detector, e.fails) {
                        counts.push(Count { probe, detector, fails });
                    }
                    if e.entry_type != "attempt" {
                        return Ok(());
                    }
                }
                Err(e) => return unread(g, e),
            }
        }
        let attempt: Attempt = match json::parse(line.text) {
            Ok(a) => a,
            Err(e) => return unread(g, e),
        };
        if attempt.status != Some(2) {
            begun.insert(name_of(&attempt.uuid));
            return Ok(());
        }
        if !finished.insert(name_of(&attempt.uuid)) {
            return Ok(());
        }
        rows(g, run, &attempt, wants_notes);
        Ok(())
    })?;
    let open = begun.difference(&finished).count();
    if open > 0 {
        g.notes.push(format!("{}: {open} attempts were never put to their detectors, as the run ended before; they are left out", source.name));
    }
    let cut = match threshold {
        Some(t) => t,
        None => threshold_of(source, g, &counts, options)?,
    };
    g.cut_of_run(run, cut);
    Ok(())
}

/// How many outputs of a probe a detector called a hit, by the report itself.
struct Count {
    probe: String,
    detector: String,
    fails: u64,
}

/// The threshold that the report's own counts imply: garak's usual one where it fits them, else any that does, since all of them give the same outcomes.
fn threshold_of(source: &Source, g: &mut Gather, counts: &[Count], options: &ReadOptions) -> Result<f64> {
    let at = g.columns.iter().position(|c| c == STRATA[0]).unwrap_or(0);
    let mut rows_of: FxHashMap<&str, Vec<&Row>> = FxHashMap::default();
    for row in &g.rows {
        rows_of.entry(row.context[at].as_str()).or_default().push(row);
    }
    let run = file_stem(&source.name);
    let cut_by_user = |detector: &str| {
        // Where runs are joined, layers are called after the run.
        let joined = |name: &str| options.layer_from.is_some() && (name == run || name.strip_suffix(detector).is_some_and(|n| n.ends_with(':')));
        options.thresholds.iter().any(|t| t.layer == detector || joined(&t.layer))
    };
    let (mut below, mut from) = (f64::NEG_INFINITY, f64::INFINITY);
    for c in counts.iter().filter(|c| !cut_by_user(&c.detector)) {
        let Some(layer) = g.layer_number(&c.detector) else { continue };
        let of_probe = |name: &str| name.strip_suffix(c.probe.as_str()).is_some_and(|module| module.is_empty() || module.ends_with('.'));
        let mut scores: Vec<f64> = rows_of
            .iter()
            .filter(|(name, _)| of_probe(name))
            .flat_map(|(_, rows)| rows)
            .flat_map(|r| &r.cells)
            .filter_map(|(l, cell)| match cell {
                Cell::Value(x) if *l == layer => Some(*x),
                _ => None,
            })
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let hits = c.fails as usize;
        if let Some(lowest_hit) = hits.checked_sub(1).and_then(|i| scores.get(i)) {
            from = from.min(*lowest_hit);
        }
        if let Some(highest_pass) = scores.get(hits) {
            below = below.max(*highest_pass);
        }
    }
    if below >= from {
        return Err(Error::file(&source.name, format!("counts hits that no single threshold gives: one above {below} and not above {from}"))
            .hinted("say where scores are cut: --threshold DETECTOR=VALUE for each detector"));
    }
    if below < THRESHOLD && THRESHOLD <= from {
        if counts.is_empty() && !g.rows.is_empty() {
            g.notes
                .push(format!("{}: scores are cut at {THRESHOLD}, garak's usual threshold: the run ended before it counted its hits", source.name));
        }
        return Ok(THRESHOLD);
    }
    let cut = if from.is_finite() { from } else { below.next_up() };
    g.notes.push(format!("{}: scores are cut at {cut}, which gives the hits that the run counted", source.name));
    Ok(cut)
}

/// The name of an attempt of status 1, by the keys before its parameters: they are a whole object when closed there.
fn first_keys(text: &[u8]) -> Option<String> {
    let mut short = text[..memchr::memmem::find(text, br#""probe_params""#)?].trim_ascii_end().to_vec();
    *short.last_mut().filter(|b| **b == b',')? = b'}';
    let attempt: Attempt = json::parse(&short).ok()?;
    (attempt.status == Some(1)).then_some(attempt.uuid)
}

fn rows(g: &mut Gather, run: u32, attempt: &Attempt, wants_notes: bool) {
    if wants_notes {
        g.known.extend(attempt.notes.iter().flatten().map(|(k, _)| k.clone()));
    }
    let layers: Vec<(u16, &Value)> = attempt.detector_results.iter().map(|(name, scores)| (g.layer(name, RULE), scores)).collect();
    let scores = |v: &Value| v.as_array().map_or(0, Vec::len);
    let outputs = attempt.outputs.len().max(layers.iter().map(|(_, v)| scores(v)).max().unwrap_or(0));
    for o in 0..outputs {
        let context = g.context(|name| match name {
            "probe_classname" => Some(attempt.probe_classname.clone()),
            "intent" => attempt.intent.clone(),
            "goal" => attempt.goal.clone(),
            "seq" => attempt.seq.map(|s| s.to_string()),
            "output" => Some(o.to_string()),
            other => attempt.notes.as_ref().and_then(|n| json::member(n, other)).map(json::cell_text),
        });
        let silent = attempt.outputs.get(o).is_some_and(|a| !a.0);
        let cells = layers
            .iter()
            .map(|(layer, scores)| {
                let cell = match scores.get(o) {
                    None => Cell::Missing(Reason::NotRun),
                    _ if silent => Cell::Missing(Reason::Error),
                    Some(Value::Number(n)) => n.as_f64().filter(|x| x.is_finite()).map_or(Cell::Missing(Reason::Unparsed), Cell::Value),
                    Some(Value::Bool(b)) => Cell::Value(f64::from(u8::from(*b))),
                    _ => Cell::Missing(Reason::Unparsed),
                };
                (*layer, cell)
            })
            .collect();
        g.push(Row { trial: format!("{}/{o}", attempt.uuid), run, epoch: 0, context, cells });
    }
}
