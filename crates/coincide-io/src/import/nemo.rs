//! NeMo Guardrails, as callers write its replies down, seen with 0.24.1: generation logs with `log.activated_rails` (or `guardrails.log` of the server's reply),
//! or replies of `/v1/checks`. <https://docs.nvidia.com/nemo/guardrails/>.
//!
//! A layer is an input, output, retrieval or tool rail; `stop` means that it held.
//!
//! * The first rail that blocks cancels those after it: they have no outcome, but were censored by it.
//! * An action that raised blocks as well, and no field of the log says so: the reply is the sentence that NeMo has for it. Error.
//! * Rails that run in parallel: one that was about to block when another did is stored with `stop` false; its decisions say `stop`. One that had not finished has no
//!   outcome.
//! * `/v1/checks` names only the rail that blocked. Where nothing blocked, every rail let it pass; which rails there are is known from the others' replies alone.
//!
//! A joint run needs a configuration for each rail: one file of replies each, joined with `--layer-from file --join id`.

use super::gather::{About, Cell, Gather, Rule};
use super::records;
use super::{Tool, columns, json};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::{Source, file_stem};
use coincide::FailsWhen;
use coincide::Reason;
use serde_json::{Map, Value};
use std::sync::Arc;

const RULE: Rule = Rule { fails_when: Some(FailsWhen::Below), high: "stop is true, or the check was blocked" };
/// Kinds of rails that judge. Dialog and generation rails write the answer.
const KINDS: [&str; 5] = ["input", "output", "retrieval", "tool_input", "tool_output"];
/// The layer of a file of checks in which nothing was ever blocked.
const CHECKS: &str = "checks";

/// The replies that stand for an action that raised, or that is not there.
fn is_internal_error(text: &str) -> bool {
    text.trim() == "I'm sorry, an internal error has occurred." || (text.starts_with("Action '") && text.trim_end().ends_with("' not found."))
}

/// What the reply says to the user, wherever it stands.
fn reply_of(inner: &Map<String, Value>) -> Option<&str> {
    match inner.get("response") {
        Some(Value::String(s)) => return Some(s),
        Some(Value::Array(list)) => return list.last()?.get("content")?.as_str(),
        _ => {}
    }
    inner.get("choices").and_then(|c| c.get(0)?.get("message")?.get("content")?.as_str()).or_else(|| inner.get("content")?.as_str())
}

/// What a record says beyond its cells.
#[derive(Clone, Copy)]
enum Kind {
    /// A log: rails that are not in it did not run.
    Log,
    /// A check that nothing blocked.
    Passed,
    /// A check that this rail blocked.
    Blocked(u16),
    /// The call ended in an error: no other rail has an outcome.
    Error,
}

/// Reads records. Fails on one that is neither a log nor a check.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions) -> Result<(Gather, About)> {
    let mut g = Gather::new(columns(options, &[], &[]));
    let mut kinds: Vec<Kind> = Vec::new();
    let (mut errors, mut modified) = (0u64, 0u64);
    let mut firsts = Vec::new();
    for source in sources {
        firsts.push(g.rows.len());
        records::for_each(source, &mut g, options, &mut |g, record| {
            let mut row = record.row;
            // The reply itself may stand beside the caller's own keys.
            let inner = ["reply", "result", "body", "generation"].iter().find_map(|k| record.map.get(*k)?.as_object()).unwrap_or(&record.map);
            let rails =
                ["log.activated_rails", "guardrails.log.activated_rails", "activated_rails"].iter().find_map(|p| json::member(inner, p)?.as_array());
            let raised = reply_of(inner).is_some_and(is_internal_error);
            errors += u64::from(raised);
            let kind = match (rails, inner.get("status").and_then(Value::as_str)) {
                _ if inner.get("error").is_some_and(|e| !e.is_null()) => {
                    errors += 1;
                    Kind::Error
                }
                (Some(rails), _) => {
                    for rail in rails {
                        let text = |key: &str| rail.get(key).and_then(Value::as_str).unwrap_or_default();
                        if !KINDS.contains(&text("type")) || text("name").is_empty() {
                            continue;
                        }
                        let layer = g.layer(text("name"), RULE);
                        let decides = rail.get("decisions").and_then(Value::as_array).is_some_and(|d| d.iter().any(|d| d == "stop"));
                        let finished = rail.get("finished_at").is_none_or(|f| !f.is_null());
                        let cell = match rail.get("stop").and_then(Value::as_bool) {
                            Some(stop) if (stop || decides) && raised => Cell::Missing(Reason::Error),
                            Some(stop) if stop || decides => Cell::Value(1.0),
                            Some(_) if finished => Cell::Value(0.0),
                            Some(_) => Cell::Missing(Reason::NotRun),
                            None => Cell::Missing(Reason::Unparsed),
                        };
                        match row.cells.iter_mut().find(|(l, _)| *l == layer) {
                            None => row.cells.push((layer, cell)),
                            // A rail that is listed twice: what stopped the text counts, then what is not known.
                            Some((_, had)) => {
                                *had = match (*had, cell) {
                                    (Cell::Value(a), Cell::Value(b)) => Cell::Value(a.max(b)),
                                    (Cell::Value(1.0), _) | (_, Cell::Value(1.0)) => Cell::Value(1.0),
                                    (Cell::Missing(m), _) | (_, Cell::Missing(m)) => Cell::Missing(m),
                                }
                            }
                        }
                    }
                    if raised { Kind::Error } else { Kind::Log }
                }
                (None, Some("blocked")) => {
                    let rail = inner.get("rail").and_then(Value::as_str).filter(|r| !r.is_empty()).unwrap_or(CHECKS);
                    let layer = g.layer(rail, RULE);
                    row.cells.push((layer, if raised { Cell::Missing(Reason::Error) } else { Cell::Value(1.0) }));
                    if raised { Kind::Error } else { Kind::Blocked(layer) }
                }
                (None, Some(status @ ("passed" | "modified"))) => {
                    modified += u64::from(status == "modified");
                    Kind::Passed
                }
                _ => {
                    return Err(Error::file(
                        &source.name,
                        format!("record {} has neither `log.activated_rails` nor the `status` of a check", record.number),
                    )
                    .hinted("ask for the log: options {\"log\": {\"activated_rails\": true}}, and write down the whole reply"));
                }
            };
            kinds.push(kind);
            g.push(row);
            Ok(())
        })?;
    }
    firsts.push(g.rows.len());
    // A file is of one configuration: what another file's rails did says nothing about it.
    for (file, source) in firsts.windows(2).zip(sources) {
        let unknown = if sources.len() > 1 { format!("{CHECKS} ({})", file_stem(&source.name)) } else { CHECKS.to_owned() };
        if complete(&mut g, &kinds, file[0], file[1], &unknown) && sources.len() > 1 {
            g.notes.push(format!(
                "{}: nothing was ever blocked, so its rails are not known: they are the layer `{unknown}`; put the replies of one configuration into one file",
                source.name
            ));
        }
    }
    g.number_repeats();
    if errors > 0 {
        g.notes.push(format!("{errors} calls ended in an error inside NeMo, which looks like a rail that blocked: they have no outcome"));
    }
    if modified > 0 {
        g.notes.push(format!("{modified} checks let a changed text pass: counted as failed"));
    }
    Ok((g, About { tool: Tool::Nemo, clusters: Vec::new(), strata: Vec::new(), ask: "", joined: true, separate: false, join: &["trial"] }))
}

/// Fills in what records of one configuration say of rails that they do not name. Returns whether no rail is known, so that `unknown` stands for all of them.
fn complete(g: &mut Gather, kinds: &[Kind], from: usize, to: usize, unknown: &str) -> bool {
    let mut rails: Vec<u16> = g.rows[from..to].iter().flat_map(|r| r.cells.iter().map(|c| c.0)).collect();
    rails.sort_unstable();
    rails.dedup();
    let nothing_known = rails.is_empty() && kinds[from..to].iter().any(|k| matches!(k, Kind::Passed));
    if nothing_known {
        rails.push(g.layer(unknown, RULE));
    }
    let mut censored = 0u64;
    for (row, kind) in g.rows[from..to].iter_mut().zip(&kinds[from..to]) {
        let by = match kind {
            Kind::Blocked(l) => Some(*l),
            Kind::Log => row.cells.iter().find(|(_, c)| *c == Cell::Value(1.0)).map(|c| c.0),
            Kind::Passed | Kind::Error => None,
        };
        let absent = rails.iter().copied().filter(|l| row.cells.iter().all(|c| c.0 != *l)).collect::<Vec<_>>();
        match (kind, by) {
            (_, Some(by)) => {
                censored += u64::from(!absent.is_empty());
                row.cells.extend(absent.into_iter().map(|l| (l, Cell::Missing(Reason::CensoredBy(by)))));
            }
            (Kind::Passed, None) => row.cells.extend(absent.into_iter().map(|l| (l, Cell::Value(0.0)))),
            (_, None) => {}
        }
    }
    if censored > 0 {
        g.notes.push(format!("in {censored} records a rail blocked and cancelled the others: a joint run needs one configuration for each rail (--layer-from file --join id)"));
    }
    nothing_known
}
