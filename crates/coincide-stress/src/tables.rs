//! What a campaign leaves: `outcomes.parquet`, a row a trial and a column a layer, and `calls.parquet`, a row a call with everything but texts.

use crate::attacks::{Attacks, Query};
use crate::error::Result;
use crate::journal::{Cell, Journal};
use crate::layer::{Outcome, Unit};
use crate::search::Attacker;
use arrow_array::builder::{BinaryBuilder, Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use coincide_io::{Error, LayerDescription, OutcomesHeader, OutcomesWriter, Place, atomically};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// The table of outcomes in a campaign's folder.
pub(crate) const OUTCOMES: &str = "outcomes.parquet";

/// The word of an outcome in a wide table.
pub(crate) fn word(outcome: Outcome, columns: &[String]) -> Cow<'static, str> {
    match outcome {
        Outcome::Held => "0".into(),
        Outcome::Failed => "1".into(),
        Outcome::Error => "error".into(),
        Outcome::Abstain => "abstain".into(),
        Outcome::Unparsed => "unparsed".into(),
        Outcome::NotRun => "".into(),
        Outcome::CensoredBy(by) => format!("censored_by:{}", columns.get(usize::from(by)).map_or("", String::as_str)).into(),
    }
}

fn cannot(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> Error + '_ {
    |e| Error::Bad {
        place: Place { file: path.display().to_string(), ..Place::default() },
        what: format!("cannot be written: {e}"),
        hint: Some("free some space, then run with --resume: nothing in the journal is lost".into()),
    }
}

/// Writes both tables, each whole or not at all. Trials of which nothing is known yet are left out.
pub(crate) fn write(
    output: &Path,
    campaign: &str,
    attacks: &mut Attacks,
    searched: Option<&Attacker>,
    units: &[&Unit],
    journal: &Journal,
) -> Result<()> {
    let columns: Vec<String> = units.iter().flat_map(|u| u.columns.clone()).collect();
    let header = OutcomesHeader {
        version: 1,
        campaign: campaign.to_owned(),
        clusters: vec!["goal".into()],
        strata: attacks.varied().to_vec(),
        layers: units
            .iter()
            .flat_map(|u| {
                u.columns.iter().map(|c| LayerDescription { name: c.clone(), attributes: u.attributes.clone(), ..LayerDescription::default() })
            })
            .collect(),
        ..OutcomesHeader::default()
    };
    let unit_of: Vec<&Unit> = units.iter().flat_map(|u| std::iter::repeat_n(*u, u.columns.len())).collect();
    let (outcomes_path, calls_path) = (output.join(OUTCOMES), output.join("calls.parquet"));
    // The inner error of ours is carried around the writers' own.
    atomically(&outcomes_path, |file| {
        let texts = attacks.columns();
        let mut outcomes = OutcomesWriter::new(file, &header, &texts).map_err(cannot(&outcomes_path))?;
        atomically(&calls_path, |file| {
            let mut calls = Calls::new(file).map_err(cannot(&calls_path))?;
            let rows = |cells_of: &mut dyn FnMut(u64) -> Result<Vec<Cell>>| {
                let mut row = |q: Query| -> Result<()> {
                    let cells = cells_of(q.number)?;
                    if cells.is_empty() {
                        return Ok(());
                    }
                    let mut row: Vec<Cow<'_, str>> = q.cells.iter().map(|c| Cow::Borrowed(c.as_str())).collect();
                    row.resize(texts.len() + columns.len(), "".into());
                    for c in &cells {
                        row[texts.len() + c.column] = word(c.verdict.outcome, &columns);
                        calls.row(&q.trial, &columns[c.column], unit_of[c.column], c, &columns).map_err(cannot(&calls_path))?;
                    }
                    outcomes.row(&q.trial, row.iter().map(AsRef::as_ref)).map_err(cannot(&outcomes_path))?;
                    Ok(())
                };
                attacks.in_file_order(&mut row)?;
                searched.map_or(Ok(()), |s| s.in_order(attacks, &mut row))
            };
            journal.in_order(rows).map_err(flat)?;
            calls.finish().map_err(cannot(&calls_path))
        })?;
        outcomes.finish().map_err(cannot(&outcomes_path))
    })?;
    Ok(())
}

/// Our error as one of files, for the functions that know only those.
fn flat(e: crate::Error) -> Error {
    match e {
        crate::Error::Io(e) => e,
        other => {
            let hint = other.hint().map(str::to_owned);
            Error::Options { what: other.to_string(), hint }
        }
    }
}

/// The table of calls.
struct Calls<W: std::io::Write + Send> {
    writer: ArrowWriter<W>,
    schema: Arc<Schema>,
    trial: StringBuilder,
    words: [StringDictionaryBuilder<Int32Type>; 6],
    score: Float64Builder,
    latency: Float64Builder,
    calls: Int64Builder,
    hash: BinaryBuilder,
    rows: usize,
}

impl<W: std::io::Write + Send> Calls<W> {
    fn new(sink: W) -> std::result::Result<Self, parquet::errors::ParquetError> {
        let word = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = Arc::new(Schema::new(vec![
            Field::new("trial", DataType::Utf8, false),
            Field::new("layer", word(), false),
            Field::new("outcome", word(), true),
            Field::new("reason", word(), true),
            Field::new("detail", word(), true),
            Field::new("labels", word(), true),
            Field::new("fails", word(), true),
            Field::new("score", DataType::Float64, true),
            Field::new("seconds", DataType::Float64, true),
            Field::new("calls", DataType::Int64, true),
            Field::new("reply_sha256", DataType::Binary, true),
        ]));
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        Ok(Calls {
            writer: ArrowWriter::try_new(sink, schema.clone(), Some(properties))?,
            schema,
            trial: StringBuilder::new(),
            words: std::array::from_fn(|_| StringDictionaryBuilder::new()),
            score: Float64Builder::new(),
            latency: Float64Builder::new(),
            calls: Int64Builder::new(),
            hash: BinaryBuilder::new(),
            rows: 0,
        })
    }

    fn row(&mut self, trial: &str, layer: &str, unit: &Unit, c: &Cell, columns: &[String]) -> std::result::Result<(), parquet::errors::ParquetError> {
        let outcome = word(c.verdict.outcome, columns);
        let settled = matches!(c.verdict.outcome, Outcome::Failed | Outcome::Held);
        let fails = match unit.fails {
            crate::FailsMode::Open => Some("open"),
            crate::FailsMode::Closed => Some("closed"),
            crate::FailsMode::Unstated => None,
        };
        let labels = (!c.verdict.labels.is_empty()).then(|| c.verdict.labels.join(";"));
        self.trial.append_value(trial);
        let words = [
            Some(layer),
            settled.then_some(outcome.as_ref()),
            (!settled).then_some(outcome.as_ref()),
            c.verdict.reason.as_deref(),
            labels.as_deref(),
            fails,
        ];
        self.words.iter_mut().zip(words).for_each(|(b, w)| b.append_option(w));
        self.score.append_option(c.verdict.score);
        self.latency.append_value(c.latency as f64 / 1e6);
        self.calls.append_value(i64::from(c.calls));
        self.hash.append_option(c.reply.as_ref());
        self.rows += 1;
        if self.rows == 16_384 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::result::Result<(), parquet::errors::ParquetError> {
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(self.trial.finish())];
        arrays.extend(self.words.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef));
        arrays.push(Arc::new(self.score.finish()));
        arrays.push(Arc::new(self.latency.finish()));
        arrays.push(Arc::new(self.calls.finish()));
        arrays.push(Arc::new(self.hash.finish()));
        self.rows = 0;
        self.writer.write(&RecordBatch::try_new(self.schema.clone(), arrays)?)
    }

    fn finish(mut self) -> std::result::Result<(), parquet::errors::ParquetError> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer.close().map(drop)
    }
}
