//! Results of deepteam's guards, as callers write them down, seen with 1.0.10: `verdicts` of a `GuardResult`. <https://trydeepteam.com/docs/guardrails-introduction>.
//!
//! A guard held where its `safety_level` is not `safe`: deepteam itself counts borderline and uncertain as a breach.
//!
//! * A guard that raised an exception is recorded as unsafe: its `error` says so.
//! * A guard whose model said no level at all is recorded as unsafe too, without a reason: unparsed.
//! * `breached` is false where nothing was judged, and `score` is 0 for safe and unsafe alike: neither is used.
//! * No verdicts at all: the call was sampled out (`sample_rate`), and no guard ran.

use super::gather::{About, Cell, Gather, Rule};
use super::records;
use super::{Tool, columns, json};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::Source;
use coincide::FailsWhen;
use coincide::Reason;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::sync::Arc;

const RULE: Rule = Rule { fails_when: Some(FailsWhen::Above), high: "its level is safe" };

/// Reads records. Fails on one without `verdicts`, or with a verdict that has no name.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions) -> Result<(Gather, About)> {
    let mut g = Gather::new(columns(options, &[], &[]));
    let mut sampled_out = 0u64;
    for source in sources {
        records::for_each(source, &mut g, options, &mut |g, record| {
            let mut row = record.row;
            let Some(verdicts) = record.map.get("verdicts").and_then(Value::as_array) else {
                return Err(Error::file(&source.name, format!("record {} has no list `verdicts`", record.number))
                    .hinted("write down {\"id\": …, \"verdicts\": [v.model_dump() for v in result.verdicts]}"));
            };
            sampled_out += u64::from(verdicts.is_empty());
            let output = record.map.get("stage").and_then(Value::as_str) == Some("output");
            let mut seen: FxHashMap<String, u32> = FxHashMap::default();
            for v in verdicts {
                let text = |key: &str| v.get(key).map(json::cell_text).unwrap_or_default();
                let name = text("name");
                if name.is_empty() {
                    return Err(Error::file(&source.name, format!("record {} has a verdict without a name", record.number)));
                }
                // The same guard, asked about the answer, is another layer.
                let name = if output { format!("{name} (output)") } else { name };
                // Two guards of one class are two layers.
                let same = seen.entry(name.clone()).or_insert(0);
                *same += 1;
                let layer = g.layer(&if *same > 1 { format!("{name}#{same}") } else { name }, RULE);
                let silent = text("reason").is_empty();
                let level = text("safety_level");
                let cell = match level.as_str() {
                    _ if !text("error").is_empty() => Cell::Missing(Reason::Error),
                    "safe" => Cell::Value(1.0),
                    "unsafe" if silent => Cell::Missing(Reason::Unparsed),
                    "unsafe" | "borderline" | "uncertain" => Cell::Value(0.0),
                    other => {
                        g.odd(layer, other);
                        Cell::Missing(Reason::Unparsed)
                    }
                };
                row.cells.push((layer, cell));
            }
            g.push(row);
            Ok(())
        })?;
    }
    if sampled_out > 0 {
        g.notes.push(format!("{sampled_out} records have no verdicts: they were sampled out, and no guard ran; set sample_rate to 1"));
    }
    g.number_repeats();
    Ok((g, About { tool: Tool::DeepTeam, clusters: Vec::new(), strata: Vec::new(), ask: "", joined: true, separate: false, join: &["trial"] }))
}
