//! Files of checks by hand: the queue that is written, and the verdicts that are read back from it.
//!
//! One row a trial, as JSON lines or CSV. A person fills in `verdict`, and where layers are graded one by one also `verdict.<layer>`, with failed, held or ambiguous; everything else is there to
//! decide by.

use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::rows::Rows;
use crate::source::InputRecord;
use crate::trials::{Keep, LoadedTrials, load_trials, texts_of};
use coincide::{CheckGroup, Judged, Progress, QueueOptions, Queued, Readings, Verdicts, check_queue};
use std::collections::BTreeMap;
use std::path::Path;

/// A queue as it was written.
#[derive(Debug, Clone)]
pub struct WrittenQueue {
    /// Of each group: how many trials there are, and how many are queued.
    pub groups: Vec<(CheckGroup, usize, usize)>,
    /// What was inferred about the columns.
    pub notes: Vec<String>,
}

/// Writes the trials that a person should check; as CSV where the file's name ends so, else as JSON lines.
///
/// Fails as [`load_trials`], without attacks, and where the file cannot be written.
pub fn write_queue(inputs: &[String], read: &ReadOptions, options: &QueueOptions, output: &Path, progress: Progress<'_>) -> Result<WrittenQueue> {
    if inputs.iter().any(|i| i == "-") {
        return Err(Error::options("a queue needs a file that can be read again, not standard input", "write the trials to a file first"));
    }
    let LoadedTrials { trials, notes, .. } = load_trials(inputs, read, Keep::Outcomes, progress)?;
    let queue = check_queue(&trials, options)?;
    let whole = check_queue(&trials, &QueueOptions { all_failed: None, near_misses: usize::MAX, others: usize::MAX, ..*options })?;
    let (columns, about) = texts_of(inputs, read, &trials.layers, &queue.iter().map(|q| q.trial).collect::<Vec<_>>(), progress)?;
    let mut titles: Vec<String> = ["trial", "group", "probability"].map(str::to_owned).into();
    titles.extend(columns);
    titles.extend(trials.layers.iter().map(|l| format!("recorded.{l}")));
    titles.push("verdict".into());
    titles.extend(trials.layers.iter().map(|l| format!("verdict.{l}")));
    let row = |(q, about): (&Queued, &Vec<String>)| -> Vec<String> {
        let recorded = |r: &Readings| match r {
            Readings::Outcomes(o) => o[q.trial].map_or("", |failed| if failed { "failed" } else { "held" }).to_owned(),
            Readings::Scores(_) => String::new(),
        };
        let mut cells = vec![trials.names[q.trial].clone(), q.group.word().to_owned(), format!("{}", q.probability)];
        cells.extend(about.iter().cloned());
        cells.extend(trials.readings.iter().map(recorded));
        cells.extend(std::iter::repeat_n(String::new(), trials.layers.len() + 1));
        cells
    };
    let rows: Vec<Vec<String>> = queue.iter().zip(&about).map(row).collect();
    let is_csv = output.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let bytes = if is_csv { as_csv(&titles, &rows)? } else { as_lines(&titles, &rows) };
    crate::document::write_bytes(output, &bytes)?;
    let many = |list: &[Queued], g: CheckGroup| list.iter().filter(|q| q.group == g).count();
    let groups = CheckGroup::ALL.into_iter().map(|g| (g, many(&whole, g), many(&queue, g))).collect();
    Ok(WrittenQueue { groups, notes })
}

fn as_csv(titles: &[String], rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let wrong = |e: csv::Error| Error::options(format!("the queue cannot be written: {e}"), "write it as .jsonl");
    let mut w = csv::Writer::from_writer(Vec::new());
    w.write_record(titles).map_err(wrong)?;
    rows.iter().try_for_each(|r| w.write_record(r)).map_err(wrong)?;
    w.into_inner().map_err(|e| Error::options(format!("the queue cannot be written: {e}"), "write it as .jsonl"))
}

fn as_lines(titles: &[String], rows: &[Vec<String>]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        let cell = |(title, text): (&String, &String)| {
            let number = (title == "probability").then(|| text.parse::<f64>().ok().map(serde_json::Value::from)).flatten();
            (title.clone(), number.unwrap_or_else(|| text.clone().into()))
        };
        let line: serde_json::Map<String, serde_json::Value> = titles.iter().zip(row).map(cell).collect();
        out.extend(serde_json::Value::Object(line).to_string().into_bytes());
        out.push(b'\n');
    }
    out
}

/// Verdicts that were read, and from where.
#[derive(Debug, Clone, Default)]
pub struct ReadVerdicts {
    /// One a checked trial.
    pub verdicts: Vec<Verdicts>,
    /// Rows that nobody has filled in yet.
    pub open: usize,
    /// The files.
    pub inputs: Vec<InputRecord>,
}

/// Reads verdicts from files that [`write_queue`] wrote and a person filled in.
///
/// Fails with the file and line of a word that is none, and of a trial's verdict that contradicts those of its layers.
pub fn read_verdicts(files: &[String]) -> Result<ReadVerdicts> {
    let mut out = ReadVerdicts::default();
    for rows in Rows::open(files)? {
        let layers: Vec<&str> = rows.columns().iter().filter_map(|c| c.strip_prefix("verdict.")).collect();
        let names: Vec<String> = layers.iter().map(|l| format!("verdict.{l}")).collect();
        let queued_by: Vec<String> = rows.columns().iter().filter_map(|c| c.strip_prefix("recorded.")).map(str::to_owned).collect();
        let grouped = rows.columns().iter().any(|c| c == "group");
        let mut columns = vec!["trial", "verdict"];
        columns.extend(names.iter().map(String::as_str));
        columns.extend(grouped.then_some("group"));
        rows.for_each(&columns, &mut |row| {
            let judged = |at: usize| -> Result<Option<Judged>> {
                let text = row.text(at).trim();
                match text.to_ascii_lowercase().as_str() {
                    "" | "null" => Ok(None),
                    "failed" | "true" | "1" => Ok(Some(Judged::Failed)),
                    "held" | "false" | "0" => Ok(Some(Judged::Held)),
                    "ambiguous" => Ok(Some(Judged::Ambiguous)),
                    _ => Err(Error::Bad {
                        place: row.place(columns[at]),
                        what: format!("`{text}` is not a verdict; expected failed, held or ambiguous"),
                        hint: Some("leave it empty where nobody has checked".into()),
                    }),
                }
            };
            let mut own = BTreeMap::new();
            for (i, layer) in layers.iter().enumerate() {
                if let Some(j) = judged(i + 2)? {
                    own.insert((*layer).to_owned(), j);
                }
            }
            let of_layers = whole(&own, layers.len());
            let all_failed = match (judged(1)?, of_layers) {
                (Some(said @ (Judged::Failed | Judged::Ambiguous)), Some(follows))
                    if said != follows && (own.len() == layers.len() || follows == Judged::Held) =>
                {
                    let word = |j: Judged| {
                        if j == Judged::Failed {
                            "failed"
                        } else if j == Judged::Held {
                            "held"
                        } else {
                            "ambiguous"
                        }
                    };
                    return Err(Error::Bad {
                        place: row.place("verdict"),
                        what: format!("the verdict is `{}`, and those of the layers make it `{}`", word(said), word(follows)),
                        hint: Some("`verdict` says whether all layers truly failed: correct one of the two".into()),
                    });
                }
                (Some(said), _) => said,
                (None, Some(follows)) if own.len() == layers.len() || follows == Judged::Held => follows,
                (None, _) if own.is_empty() => {
                    out.open += 1;
                    return Ok(());
                }
                (None, _) => {
                    return Err(Error::Bad {
                        place: row.place("verdict"),
                        what: "is empty, and the verdicts of the layers do not settle it".into(),
                        hint: Some("say whether all layers truly failed: failed, held or ambiguous".into()),
                    });
                }
            };
            let group = if grouped { CheckGroup::ALL.into_iter().find(|g| g.word() == row.text(columns.len() - 1).trim()) } else { None };
            out.verdicts.push(Verdicts { trial: row.text(0).to_owned(), all_failed, layers: own, group, queued_by: queued_by.clone() });
            Ok(())
        })?;
        out.inputs.push(rows.record()?);
    }
    Ok(out)
}

/// What verdicts on layers say about all of them; `None` without any.
fn whole(own: &BTreeMap<String, Judged>, layers: usize) -> Option<Judged> {
    if own.is_empty() {
        return None;
    }
    if own.values().any(|j| *j == Judged::Held) {
        return Some(Judged::Held);
    }
    Some(if own.len() == layers && own.values().all(|j| *j == Judged::Failed) { Judged::Failed } else { Judged::Ambiguous })
}
