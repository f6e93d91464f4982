//! Results that callers write down themselves, a record for each call: JSON lines, a JSON list, or one document after the other. The caller names trials.

use super::gather::{Gather, Row};
use super::json::{self, Broken};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::Source;
use serde_json::{Map, Value};

/// Where a record's trial is named, if the options do not say.
const NAMES: [&str; 5] = ["id", "trial", "prompt_id", "test_case", "test_case_id"];

/// A record and its number, from 1.
pub(super) struct Record {
    pub number: u64,
    pub map: Map<String, Value>,
}

/// Calls `f` with every record. Fails on what is no object, with its number; a last record that is cut off is left out with a note.
pub(super) fn for_each(source: &Source, g: &mut Gather, f: &mut dyn FnMut(&mut Gather, Record) -> Result<()>) -> Result<()> {
    let mut number = 0;
    let mut input = source.reader()?;
    let walked = json::for_each_value(&mut input, &mut |piece| {
        number += 1;
        match json::parse::<Value>(piece) {
            Ok(Value::Object(map)) => f(g, Record { number, map }),
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

/// Rows of records of one file: trials are the caller's.
pub(super) struct Rows {
    run: u32,
}

impl Rows {
    pub(super) fn new(source: &Source, g: &mut Gather) -> Rows {
        Rows { run: g.run(&source.name) }
    }

    /// A row without answers. Fails where the options name a key for trials that the record lacks.
    pub(super) fn row(&self, g: &mut Gather, options: &ReadOptions, source: &Source, record: &Record) -> Result<Row> {
        let named = match &options.trial {
            Some(key) => Some(json::member(&record.map, key).ok_or_else(|| {
                Error::file(&source.name, format!("record {} has no `{key}`", record.number))
                    .hinted("name the key that identifies a trial with --trial")
            })?),
            None => NAMES.iter().find_map(|n| record.map.get(*n)),
        };
        let trial = named.map(json::cell_text).filter(|t| !t.is_empty()).unwrap_or_else(|| format!("#{}", record.number));
        let plain = |v: &Value| matches!(v, Value::String(_) | Value::Number(_) | Value::Bool(_));
        g.known.extend(record.map.iter().filter(|(_, v)| plain(v)).map(|(k, _)| k.clone()));
        let context = g.context(|name| json::member(&record.map, name).map(json::cell_text));
        Ok(Row { trial, run: self.run, context, ..Row::default() })
    }
}
