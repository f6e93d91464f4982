//! Results of llm-guard's `scan_prompt` and `scan_output`, as callers write them down, seen with 0.3.16: `results_valid` (and `results_score`) by scanner, or a
//! reply of its API (`is_valid`, `scanners`). <https://llm-guard.com>.
//!
//! `valid` false means that the scanner noticed something: the layer held.
//!
//! * Scanner i+1 is given the text that scanner i cleaned: what it says is not about the same text. Only records that say `"raw": true`, or hold one scanner
//!   each, are about the attack itself; for others this is said.
//! * Results are kept by class: of two scanners of one class only the last is left, and nothing shows it.
//! * With `fail_fast`, scanners after the first that noticed something are absent: censored by it.

use super::gather::{About, Cell, Gather, Rule};
use super::records;
use super::{Tool, columns};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::Source;
use coincide::FailsWhen;
use coincide::Reason;
use serde_json::Value;
use std::sync::Arc;

const RULE: Rule = Rule { fails_when: Some(FailsWhen::Above), high: "valid is true" };

/// Reads records. Fails on one without results.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions) -> Result<(Gather, About)> {
    let mut g = Gather::new(columns(options, &[], &[]));
    let (mut chained, mut changed) = (0u64, 0u64);
    for source in sources {
        let first = g.rows.len();
        records::for_each(source, &mut g, options, &mut |g, record| {
            let mut row = record.row;
            let of = |key: &str| record.map.get(key).and_then(Value::as_object);
            let answers: Vec<(String, Cell)> = match (of("results_valid").or_else(|| of("valid")), of("scanners")) {
                (Some(valid), _) => valid
                    .iter()
                    .map(|(name, v)| (name.clone(), v.as_bool().map_or(Cell::Missing(Reason::Unparsed), |b| Cell::Value(f64::from(u8::from(b))))))
                    .collect(),
                (None, Some(_)) => {
                    return Err(Error::file(&source.name, format!("record {} has scores of scanners, but not which were valid", record.number))
                        .hinted("the API's reply does not keep verdicts; call scan_prompt and write down its results_valid"));
                }
                _ => {
                    return Err(Error::file(&source.name, format!("record {} has no `results_valid`", record.number))
                        .hinted("write down what scan_prompt returns: {\"id\": …, \"results_valid\": {…}, \"results_score\": {…}}"));
                }
            };
            if answers.len() > 1 && record.map.get("raw") != Some(&Value::Bool(true)) {
                chained += 1;
                let text = |key: &str| record.map.get(key).and_then(Value::as_str);
                let raw = ["prompt", "raw_prompt", "input", "goal"].into_iter().find_map(text);
                changed += u64::from(raw.is_some() && text("sanitized_prompt").is_some() && raw != text("sanitized_prompt"));
            }
            row.cells = answers.into_iter().map(|(name, cell)| (g.layer(&name, RULE), cell)).collect();
            g.push(row);
            Ok(())
        })?;
        stopped_early(&mut g, first);
    }
    if chained > 0 {
        let seen = if changed > 0 { format!(" (in {changed} of them the text was changed)") } else { String::new() };
        g.notes.push(format!(
            "{chained} records hold several scanners of one call{seen}: each scanner was given the text that those before it had cleaned, so their outcomes are not \
             on the same trial; call every scanner on the raw text, and write \"raw\": true"
        ));
    }
    g.number_repeats();
    Ok((g, About { tool: Tool::LlmGuard, clusters: Vec::new(), strata: Vec::new(), ask: "", joined: true, separate: false, join: &["trial"] }))
}

/// Scanners that a call did not reach, because the last one that it did reach noticed something and `fail_fast` was on.
fn stopped_early(g: &mut Gather, first: usize) {
    // Where every record holds one scanner, they are calls of their own.
    if g.rows[first..].iter().all(|r| r.cells.len() < 2) {
        return;
    }
    let mut all: Vec<u16> = g.rows[first..].iter().flat_map(|r| r.cells.iter().map(|c| c.0)).collect();
    all.sort_unstable();
    all.dedup();
    for row in &mut g.rows[first..] {
        let Some(&(last, Cell::Value(0.0))) = row.cells.last() else { continue };
        let absent: Vec<u16> = all.iter().copied().filter(|l| row.cells.iter().all(|c| c.0 != *l)).collect();
        row.cells.extend(absent.into_iter().map(|l| (l, Cell::Missing(Reason::CensoredBy(last)))));
    }
}
