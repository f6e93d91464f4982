//! Counts files: the joint outcome table itself, as Parquet.
//!
//! One row per distinct cell: a nullable Int8 column per layer (1 failed, 0 held), text columns for strata and clusters,
//! then `coincide.n`, `coincide.weight`, `coincide.weight_squared`, `coincide.label`, `coincide.baseline`,
//! `coincide.reasons` (`layer=reason;…`) and `coincide.order` (`a>b>c`). Any tool can read it; the file's metadata says
//! which column is what and where the counts came from.

use crate::batch::Table;
use crate::cell;
use crate::error::{Error, Result};
use crate::load::Loaded;
use crate::outcomes_file::LayerDescription;
use crate::source::InputRecord;
use arrow_array::builder::{Int8Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use coincide::{Columns, JointOutcomes, Label, Reason, TableBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Key of the metadata that marks a counts file.
pub(crate) const KEY: &str = "coincide.counts";

const SUMS: [&str; 3] = ["coincide.n", "coincide.weight", "coincide.weight_squared"];
const WORDS: [&str; 4] = ["coincide.label", "coincide.baseline", "coincide.reasons", "coincide.order"];

/// What a counts file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub version: u32,
    pub columns: Columns,
    pub inputs: Vec<InputRecord>,
    pub notes: Vec<String>,
    /// What is known about the layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerDescription>,
    /// Layers came from runs of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub separate_runs: bool,
}

/// The record of a table that was never a file: what is hashed are its counts, which do not depend on the order of rows, but for the last digits
/// of sums of weights that are no whole numbers.
pub(crate) fn record(name: &str, table: &JointOutcomes) -> Result<InputRecord> {
    let failed = |e: arrow_schema::ArrowError| Error::file(name, format!("cannot be counted: {e}"));
    let batch = to_batch(table).map_err(failed)?;
    let mut hash = Hashed { hash: Sha256::new(), bytes: 0 };
    let mut writer = StreamWriter::try_new(&mut hash, &batch.schema()).map_err(failed)?;
    writer.write(&batch).and_then(|()| writer.finish()).map_err(failed)?;
    drop(writer);
    let sha256 = hash.hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(InputRecord { path: name.to_owned(), bytes: hash.bytes, sha256 })
}

struct Hashed {
    hash: Sha256,
    bytes: u64,
}

impl std::io::Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.hash.update(buffer);
        self.bytes += buffer.len() as u64;
        Ok(buffer.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn header_of(loaded: &Loaded) -> serde_json::Result<String> {
    serde_json::to_string(&Header {
        version: 1,
        columns: loaded.table.columns().clone(),
        inputs: loaded.inputs.clone(),
        notes: loaded.notes.clone(),
        layers: loaded.layers.clone(),
        separate_runs: loaded.separate_runs,
    })
}

/// What a counts file holds, as one batch whose schema's metadata says what its columns are: [`crate::load_batches`] reads it again.
///
/// Fails where two columns have one name.
pub fn counts_batch(loaded: &Loaded) -> Result<RecordBatch> {
    let failed = |e: &dyn std::fmt::Display| Error::options(format!("the counts cannot be put together: {e}"), "rename a column");
    let json = header_of(loaded).map_err(|e| failed(&e))?;
    let batch = to_batch(&loaded.table).map_err(|e| failed(&e))?;
    let schema = batch.schema().as_ref().clone().with_metadata([(KEY.to_owned(), json)].into());
    batch.with_schema(Arc::new(schema)).map_err(|e| failed(&e))
}

/// Writes what was loaded as a counts file; nothing is left behind if it fails.
pub fn write_counts(path: &Path, loaded: &Loaded) -> Result<()> {
    let name = path.to_string_lossy().into_owned();
    let failed = |e: &dyn std::fmt::Display| Error::file(&name, format!("cannot be written: {e}"));
    let json = header_of(loaded).map_err(|e| failed(&e))?;
    let batch = to_batch(&loaded.table).map_err(|e| failed(&e))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), json)]))
        .build();
    crate::document::atomically(path, |file| {
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(|e| failed(&e))?;
        writer.write(&batch).map_err(|e| failed(&e))?;
        writer.close().map_err(|e| failed(&e))?;
        Ok(())
    })
}

fn to_batch(table: &JointOutcomes) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
    let layers = table.layers();
    let mut outcomes: Vec<Int8Builder> = layers.iter().map(|_| Int8Builder::new()).collect();
    let factors: Vec<&coincide::Factor> = table.strata().iter().chain(table.clusters()).collect();
    let mut levels: Vec<StringBuilder> = factors.iter().map(|_| StringBuilder::new()).collect();
    let mut words: Vec<StringBuilder> = WORDS.iter().map(|_| StringBuilder::new()).collect();
    let mut sums = [const { Vec::new() }; 3];
    for cell in table.cells() {
        for (i, b) in outcomes.iter_mut().enumerate() {
            b.append_option(cell.missing(i).is_none().then(|| i8::from(cell.failed[i / 64] >> (i % 64) & 1 == 1)));
        }
        let ids = cell.strata().iter().chain(cell.clusters());
        levels.iter_mut().zip(&factors).zip(ids).for_each(|((b, f), &l)| b.append_value(&f.levels[l as usize]));
        words[0].append_value(match cell.label() {
            Label::Attack => "attack",
            Label::Benign => "benign",
            Label::Adaptive => "adaptive",
        });
        words[1].append_value(match cell.baseline_failed() {
            Some(true) => "failed",
            Some(false) => "held",
            None => "",
        });
        let reasons = cell.reasons().iter().map(|&(l, r)| format!("{}={}", layers[usize::from(l)], r.word(layers)));
        words[2].append_value(reasons.collect::<Vec<_>>().join(";"));
        words[3].append_value(cell.order().iter().map(|&l| layers[usize::from(l)].as_str()).collect::<Vec<_>>().join(">"));
        sums.iter_mut().zip([cell.n, cell.w, cell.w2]).for_each(|(s, x)| s.push(x));
    }
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut push = |name: &str, kind: DataType, array: ArrayRef| {
        fields.push(Field::new(name, kind, true));
        columns.push(array);
    };
    layers.iter().zip(&mut outcomes).for_each(|(n, b)| push(n, DataType::Int8, Arc::new(b.finish())));
    for (i, (f, b)) in factors.iter().zip(&mut levels).enumerate() {
        // A stratum may be the cluster as well: one column says both.
        if !factors[..i].iter().any(|other| other.name == f.name) {
            push(&f.name, DataType::Utf8, Arc::new(b.finish()));
        }
    }
    SUMS.iter().zip(sums).for_each(|(n, s)| push(n, DataType::Float64, Arc::new(Float64Array::from(s))));
    WORDS.iter().zip(&mut words).for_each(|(n, b)| push(n, DataType::Utf8, Arc::new(b.finish())));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The header of a counts file; `None` if the file is not one.
pub(crate) fn header(table: &Table) -> Result<Option<Header>> {
    let Some(json) = table.metadata(KEY) else { return Ok(None) };
    let header: Header = serde_json::from_str(json).map_err(|e| {
        Error::file(&table.source.name, format!("calls itself a counts file, but its description cannot be read: {e}")).hinted("count again")
    })?;
    if header.version != 1 {
        return Err(Error::file(&table.source.name, format!("is a counts file of version {}; this program reads version 1", header.version))
            .hinted("use a newer coincide"));
    }
    Ok(Some(header))
}

/// Reads the cells of a counts file.
pub(crate) fn read(table: &Table, header: &Header) -> Result<JointOutcomes> {
    let file = &table.source.name;
    let c = &header.columns;
    let layers = &c.layers;
    let factors = c.strata.len() + c.clusters.len();
    let names = layers.iter().chain(&c.strata).chain(&c.clusters).map(String::as_str).chain(SUMS).chain(WORDS);
    let damaged = |what: String| Error::file(file, what).hinted("the counts file is damaged; count again");
    let indices: Vec<usize> = names.map(|n| table.column(n).ok_or_else(|| damaged(format!("lacks the column `{n}`")))).collect::<Result<_>>()?;
    let mut builder = TableBuilder::new(c.clone())?;
    let words = layers.len().div_ceil(64);
    table.read(None, &indices, &mut |batch| {
        let (mut failed, mut observed) = (vec![0u64; batch.rows * words], vec![0u64; batch.rows * words]);
        let mut codes = Vec::new();
        for (i, layer) in layers.iter().enumerate() {
            crate::roles::codes(batch.columns[i].as_ref(), layer, None, layers, &mut codes).map_err(|b| damaged(b.what))?;
            for (r, &code) in codes.iter().enumerate().filter(|(_, c)| **c <= crate::roles::FAILED) {
                failed[r * words + i / 64] |= u64::from(code) << (i % 64);
                observed[r * words + i / 64] |= 1 << (i % 64);
            }
        }
        let text = |i: usize| cell::texts(batch.columns[i].as_ref()).map_err(|k| damaged(format!("has a column of type {k} where text belongs")));
        let levels: Vec<Vec<String>> = (0..factors).map(|f| text(layers.len() + f)).collect::<Result<_>>()?;
        let at = layers.len() + factors;
        let sums: Vec<&Float64Array> = (at..at + 3)
            .map(|i| {
                batch.columns[i]
                    .as_primitive_opt::<Float64Type>()
                    .filter(|a| a.null_count() == 0)
                    .ok_or_else(|| damaged("has sums that are not numbers".into()))
            })
            .collect::<Result<_>>()?;
        let text_columns: Vec<Vec<String>> = (0..WORDS.len()).map(|w| text(at + 3 + w)).collect::<Result<_>>()?;
        for r in 0..batch.rows {
            let [n, w, w2] = [sums[0].value(r), sums[1].value(r), sums[2].value(r)];
            if ![n, w, w2].iter().all(|x| x.is_finite() && *x > 0.0) {
                return Err(damaged(format!("has a cell with {n} trials, row {}", r + 1)));
            }
            let label = crate::roles::label(&text_columns[0][r]).ok_or_else(|| damaged(format!("has the label `{}`", text_columns[0][r])))?;
            let baseline = match text_columns[1][r].as_str() {
                "failed" => Some(true),
                "held" => Some(false),
                _ => None,
            };
            let reasons = parse_reasons(&text_columns[2][r], layers).ok_or_else(|| damaged(format!("has the reasons `{}`", text_columns[2][r])))?;
            let order: Vec<u16> = text_columns[3][r]
                .split('>')
                .filter(|t| !t.is_empty())
                .map(|t| {
                    layers.iter().position(|l| l == t).map(|i| i as u16).ok_or_else(|| damaged(format!("has the order `{}`", text_columns[3][r])))
                })
                .collect::<Result<_>>()?;
            let ids: Vec<u32> = (0..factors)
                .map(|f| {
                    if f < c.strata.len() {
                        builder.stratum_level(f, &levels[f][r])
                    } else {
                        builder.cluster_level(f - c.strata.len(), &levels[f][r])
                    }
                })
                .collect();
            let reasons = builder.reasons(&reasons);
            let order = builder.order(&order);
            let context = builder.context(label, baseline, order, reasons, &ids);
            builder.add_sums(context, &failed[r * words..][..words], &observed[r * words..][..words], n, w, w2);
        }
        Ok(())
    })?;
    Ok(builder.finish())
}

fn parse_reasons(text: &str, layers: &[String]) -> Option<Vec<(u16, Reason)>> {
    let layer = |name: &str| layers.iter().position(|l| l == name).map(|i| i as u16);
    text.split(';')
        .filter(|t| !t.is_empty())
        .map(|t| {
            // Layer names may hold `=`; reasons do not start with it, so split at the last known reason.
            let (name, word) = t.rsplit_once('=')?;
            let reason = match word {
                "not_run" => Reason::NotRun,
                "error" => Reason::Error,
                "abstain" => Reason::Abstain,
                "unparsed" => Reason::Unparsed,
                other => Reason::CensoredBy(layer(other.strip_prefix("censored_by:")?)?),
            };
            Some((layer(name)?, reason))
        })
        .collect()
}
