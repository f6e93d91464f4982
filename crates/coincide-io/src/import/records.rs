//! Results that callers write down themselves, a record for each call: JSON lines, a JSON list, or one document after the other. The caller names trials.

use super::gather::{Gather, Row};
use super::json::{self, Broken};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::Source;
use serde_json::{Map, Value};

/// Where a record's trial is named, if the options do not say.
pub(super) const NAMES: [&str; 5] = ["id", "trial", "prompt_id", "test_case", "test_case_id"];

/// A record: its number, from 1, what it says, and its row, without answers.
pub(super) struct Record {
    pub number: u64,
    pub map: Map<String, Value>,
    pub row: Row,
}

/// Calls `f` with every record of a file, which is a run of its own. Fails on what is no object, with its number, and on a record that lacks the key that the
/// options name; a last record that is cut off is left out with a note.
pub(super) fn for_each(source: &Source, g: &mut Gather, options: &ReadOptions, f: &mut dyn FnMut(&mut Gather, Record) -> Result<()>) -> Result<()> {
    let run = g.run(&source.name);
    let mut number = 0;
    let mut input = source.reader()?;
    let walked = json::for_each_value(&mut input, &mut |piece| {
        number += 1;
        match json::parse::<Value>(piece) {
            Ok(Value::Object(map)) => {
                let trial = trial_of(&map, number, options, source)?;
                let plain = |v: &Value| matches!(v, Value::String(_) | Value::Number(_) | Value::Bool(_));
                g.known.extend(map.iter().filter(|(_, v)| plain(v)).map(|(k, _)| k.clone()));
                let context = g.context(|name| json::member(&map, name).map(json::cell_text));
                f(g, Record { number, map, row: Row { trial, run, context, ..Row::default() } })
            }
            Ok(_) => Err(Error::file(&source.name, format!("record {number} is not a JSON object")).hinted("write one object for each call")),
            Err(e) => Err(Error::file(&source.name, format!("record {number} is not valid JSON: {e}")).hinted("write one object for each call")),
        }
    });
    match walked {
        Err(Broken::CutShort) if number > 0 => {
            g.notes.push(format!("{}: the last record is cut off and left out", source.name));
            Ok(())
        }
        other => other.map_err(|b| b.of(&source.name)),
    }
}

/// The caller's name for a trial, else its number.
fn trial_of(map: &Map<String, Value>, number: u64, options: &ReadOptions, source: &Source) -> Result<String> {
    let named = match &options.trial {
        Some(key) => Some(json::member(map, key).ok_or_else(|| {
            Error::file(&source.name, format!("record {number} has no `{key}`")).hinted("name the key that identifies a trial with --trial")
        })?),
        None => NAMES.iter().find_map(|n| map.get(*n)),
    };
    Ok(named.map(json::cell_text).filter(|t| !t.is_empty()).unwrap_or_else(|| format!("#{number}")))
}
