//! A person as a layer: a queue file to fill in.
//!
//! Trials are appended to `<layer>.csv` in the campaign's folder with an empty `outcome`; after the run somebody writes `failed`, `held` or `abstain` there, and
//! `coincide stress … --resume` reads it. The file holds prompts and answers, so only its owner may read it.

use super::{Ask, Layer, Outcome, Reply, Trouble, Verdict};
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const COLUMNS: [&str; 6] = ["trial", "prompt", "answer", "outcome", "comment", "answer_id"];

/// The file of a person's queue.
pub(crate) fn queue_name(layer: &str) -> String {
    let name: String = layer.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    format!("{name}.csv")
}

/// What an answer is known by, whatever a spreadsheet does to its text.
fn answer_id(output: Option<&str>) -> String {
    let digest = |o: &str| Sha256::digest(o.as_bytes()).iter().take(6).map(|b| format!("{b:02x}")).collect::<String>();
    output.map_or_else(String::new, |o| format!("h:{}", digest(o)))
}

/// A text as a cell of a spreadsheet that is not taken for a formula.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// A queue of trials for a person.
pub struct Human {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What stands in the file, by trial: the answer that was judged, and the outcome once somebody has given it.
    seen: FxHashMap<String, (String, Option<Outcome>)>,
    file: Option<csv::Writer<File>>,
    /// Where the last whole row ends: a row that a kill cut off is written over.
    end: Option<u64>,
}

impl Human {
    /// The queue of a layer in a folder of results. Fails with the line on an outcome that is none.
    pub fn new(folder: &Path, layer: &str) -> Result<Human> {
        let path = folder.join(queue_name(layer));
        let mut state = State::default();
        if std::fs::metadata(&path).is_ok_and(|m| m.len() > 0) {
            let wrong = |line: u64, what: String, hint: &str| {
                let place = coincide_io::Place { file: path.display().to_string(), line: Some(line), ..Default::default() };
                Error::from(coincide_io::Error::Bad { place, what, hint: Some(hint.into()) })
            };
            let mut reader = csv::ReaderBuilder::new()
                .flexible(true)
                .from_path(&path)
                .map_err(|e| wrong(1, format!("cannot be read: {e}"), "check its rights"))?;
            let headers = reader.headers().map_err(|e| wrong(1, format!("cannot be read: {e}"), "save it as CSV in UTF-8"))?.clone();
            let at = |name: &str| headers.iter().position(|h| h == name);
            let answer = at("answer_id");
            let (Some(trial), Some(outcome)) = (at("trial"), at("outcome")) else {
                return Err(wrong(1, "has no columns `trial` and `outcome`".into(), "keep the header as it was written"));
            };
            let rows: Vec<csv::Result<csv::StringRecord>> = reader.records().collect();
            let bytes = std::fs::read(&path).unwrap_or_default();
            // A kill cuts the last row off: inside quotes, or before its outcome.
            let open = bytes.iter().filter(|b| **b == b'"').count() % 2 == 1;
            let last = rows.len().saturating_sub(1);
            for (i, record) in rows.into_iter().enumerate() {
                let record = record
                    .map_err(|e| wrong(e.position().map_or(1, csv::Position::line), format!("cannot be read: {e}"), "save it as CSV in UTF-8"))?;
                let line = record.position().map_or(1, csv::Position::line);
                if i == last && !bytes.ends_with(b"\n") && (open || record.len() <= outcome) {
                    state.end = record.position().map(csv::Position::byte);
                    break;
                }
                let said = match record.get(outcome).unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                    "" => None,
                    "failed" | "1" => Some(Outcome::Failed),
                    "held" | "0" => Some(Outcome::Held),
                    "abstain" => Some(Outcome::Abstain),
                    other => return Err(wrong(line, format!("`{other}` is no outcome"), "write failed, held or abstain, or leave it empty")),
                };
                let judged = answer.and_then(|a| record.get(a)).unwrap_or_default().to_owned();
                state.seen.insert(record.get(trial).unwrap_or_default().to_owned(), (judged, said));
            }
        }
        Ok(Human { path, state: Mutex::new(state) })
    }

    fn queue(&self, state: &mut State, ask: &Ask<'_>) -> std::result::Result<(), csv::Error> {
        if state.file.is_none() {
            let fresh = !std::fs::metadata(&self.path).is_ok_and(|m| m.len() > 0);
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.read(true);
            let mut file = options.open(&self.path)?;
            if let Some(end) = state.end.take() {
                file.set_len(end)?;
            }
            // Somebody may have saved it without a last line end.
            let mut last = [b'\n'];
            if file.seek(SeekFrom::End(-1)).is_ok() {
                file.read_exact(&mut last)?;
            }
            if last != [b'\n'] {
                file.write_all(b"\n")?;
            }
            let mut writer = csv::Writer::from_writer(file);
            if fresh {
                writer.write_record(COLUMNS)?;
            }
            state.file = Some(writer);
        }
        if let Some(writer) = &mut state.file {
            writer.write_record([ask.trial, &cell(ask.prompt), &cell(ask.output.unwrap_or_default()), "", "", &answer_id(ask.output)])?;
            writer.flush()?;
        }
        state.seen.insert(ask.trial.to_owned(), (answer_id(ask.output), None));
        Ok(())
    }
}

impl Layer for Human {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let waiting = || Ok(Reply::one(Verdict::missing(Outcome::NotRun, "waits for a person"), Vec::new()));
        // Another answer than the one that was judged is another question.
        let same = |judged: &str| judged.is_empty() || judged == answer_id(ask.output);
        let said = match state.seen.get(ask.trial) {
            Some((judged, Some(outcome))) if same(judged) => Ok(Reply::one(Verdict::of(*outcome), Vec::new())),
            Some((judged, None)) if same(judged) => waiting(),
            _ => match self.queue(&mut state, &ask) {
                Ok(()) => waiting(),
                Err(e) => Err(Trouble::lasting(format!("the queue cannot be written: {e}"))),
            },
        };
        Box::pin(std::future::ready(said))
    }

    fn recorded(&self, trial: &str) -> Option<Outcome> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).seen.get(trial)?.1
    }
}
