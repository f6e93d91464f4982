//! A person as a layer: a queue file to fill in.
//!
//! Trials are appended to `<layer>.csv` in the campaign's folder with an empty `outcome`; after the run somebody writes `failed`, `held` or `abstain` there, and
//! `coincide stress … --resume` reads it. The file holds prompts and answers, so only its owner may read it.

use super::{Ask, Layer, Outcome, Reply, Trouble, Verdict};
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const COLUMNS: [&str; 5] = ["trial", "prompt", "answer", "outcome", "comment"];

/// A queue of trials for a person.
pub struct Human {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What stands in the file, by trial; `None` while nobody has answered.
    seen: FxHashMap<String, Option<Outcome>>,
    file: Option<csv::Writer<File>>,
}

impl Human {
    /// The queue of a layer in a folder of results. Fails with the line on an outcome that is none.
    pub fn new(folder: &Path, layer: &str) -> Result<Human> {
        let name: String = layer.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        let path = folder.join(format!("{name}.csv"));
        let mut state = State::default();
        if path.exists() {
            let wrong = |line: u64, what: String, hint: &str| {
                let place = coincide_io::Place { file: path.display().to_string(), line: Some(line), ..Default::default() };
                Error::from(coincide_io::Error::Bad { place, what, hint: Some(hint.into()) })
            };
            let mut reader = csv::Reader::from_path(&path).map_err(|e| wrong(1, format!("cannot be read: {e}"), "check its rights"))?;
            let headers = reader.headers().map_err(|e| wrong(1, format!("cannot be read: {e}"), "save it as CSV in UTF-8"))?.clone();
            let at = |name: &str| headers.iter().position(|h| h == name);
            let (Some(trial), Some(outcome)) = (at("trial"), at("outcome")) else {
                return Err(wrong(1, "has no columns `trial` and `outcome`".into(), "keep the header as it was written"));
            };
            for record in reader.records() {
                let record = record
                    .map_err(|e| wrong(e.position().map_or(1, csv::Position::line), format!("cannot be read: {e}"), "save it as CSV in UTF-8"))?;
                let line = record.position().map_or(1, csv::Position::line);
                let said = match record.get(outcome).unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                    "" => None,
                    "failed" | "1" => Some(Outcome::Failed),
                    "held" | "0" => Some(Outcome::Held),
                    "abstain" => Some(Outcome::Abstain),
                    other => return Err(wrong(line, format!("`{other}` is no outcome"), "write failed, held or abstain, or leave it empty")),
                };
                state.seen.insert(record.get(trial).unwrap_or_default().to_owned(), said);
            }
        }
        Ok(Human { path, state: Mutex::new(state) })
    }

    fn queue(&self, state: &mut State, ask: &Ask<'_>) -> std::result::Result<(), csv::Error> {
        if state.file.is_none() {
            let fresh = !self.path.exists();
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut writer = csv::Writer::from_writer(options.open(&self.path)?);
            if fresh {
                writer.write_record(COLUMNS)?;
            }
            state.file = Some(writer);
        }
        if let Some(writer) = &mut state.file {
            writer.write_record([ask.trial, ask.prompt, ask.output.unwrap_or_default(), "", ""])?;
            writer.flush()?;
        }
        state.seen.insert(ask.trial.to_owned(), None);
        Ok(())
    }
}

impl Layer for Human {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let waiting = || Ok(Reply::one(Verdict::missing(Outcome::NotRun, "waits for a person"), Vec::new()));
        let said = match state.seen.get(ask.trial) {
            Some(Some(outcome)) => Ok(Reply::one(Verdict::of(*outcome), Vec::new())),
            Some(None) => waiting(),
            None => match self.queue(&mut state, &ask) {
                Ok(()) => waiting(),
                Err(e) => Err(Trouble::lasting(format!("the queue cannot be written: {e}"))),
            },
        };
        Box::pin(std::future::ready(said))
    }
}
