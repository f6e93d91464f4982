//! Outcome tables that say themselves what their columns are: wide Parquet whose metadata names layers, clusters and strata, and the
//! layers' attributes. A campaign writes one, so that `coincide analyze outcomes.parquet` needs no options.
//!
//! A column a layer, as text: `1` failed, `0` held, empty not run, else the reason (`error`, `abstain`, `unparsed`, `censored_by:<layer>`).

use crate::batch::Table;
use crate::document::atomically;
use crate::error::{Error, Result};
use crate::options::{LayerFrom, ReadOptions, Threshold};
use arrow_array::builder::{StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use coincide::FailsWhen;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Key of the metadata that describes the columns.
const KEY: &str = "coincide.outcomes";

/// What a table of outcomes says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OutcomesHeader {
    /// Version of this description, 1.
    pub version: u32,
    /// The campaign that wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub campaign: String,
    /// The tool whose logs it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// A row a trial, run, repeat and layer: repeats are averaged over their combinations.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// Layers come from runs of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub separate_runs: bool,
    /// The column of weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// The column that says attack, benign or adaptive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Cluster columns.
    pub clusters: Vec<String>,
    /// Stratum columns.
    pub strata: Vec<String>,
    /// The layers, in order, with their attributes.
    pub layers: Vec<LayerDescription>,
}

/// A layer and what is known about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LayerDescription {
    /// Its name: the column.
    pub name: String,
    /// Attributes by which layers may be grouped, such as `kind` and `provider`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Its cells are scores, which fail on one side of a threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
}

/// How scores become outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Where they change their meaning.
    pub threshold: f64,
    /// Which side fails.
    pub fails_when: FailsWhen,
}

impl OutcomesHeader {
    /// The schema of a table that says itself what its columns are.
    pub(crate) fn describe(&self, schema: SchemaRef) -> Result<SchemaRef> {
        let json = serde_json::to_string(self).map_err(|e| Error::options(format!("the columns cannot be described: {e}"), "please report this"))?;
        Ok(Arc::new(schema.as_ref().clone().with_metadata([(KEY.to_owned(), json)].into())))
    }

    /// What another file says otherwise, of that which nobody asked for.
    fn differs(&self, other: &OutcomesHeader, options: &ReadOptions) -> Option<&'static str> {
        let scales = |h: &OutcomesHeader| h.layers.iter().map(|l| l.scale).collect::<Vec<_>>();
        [
            ("the column of weights", options.weight.is_none() && self.weight != other.weight),
            ("the column of labels", options.label.is_none() && self.label != other.label),
            ("the clusters", options.clusters.is_empty() && self.clusters != other.clusters),
            ("the strata", options.strata.is_empty() && self.strata != other.strata),
            ("where scores are cut", options.thresholds.is_empty() && scales(self) != scales(other)),
        ]
        .into_iter()
        .find_map(|(what, differs)| differs.then_some(what))
    }
}

/// Whether a table says itself what its columns are.
pub(crate) fn is_described(table: &Table) -> bool {
    table.metadata(KEY).is_some()
}

/// The description that the files carry. Fails on one that cannot be read, and where several files describe different layers or roles.
pub(crate) fn headers(tables: &[Table], options: &ReadOptions) -> Result<Option<OutcomesHeader>> {
    let mut first: Option<OutcomesHeader> = None;
    for table in tables {
        let Some(json) = table.metadata(KEY) else { continue };
        let header: OutcomesHeader = serde_json::from_str(json).map_err(|e| {
            Error::file(&table.source.name, format!("describes its columns, but the description cannot be read: {e}")).hinted("write the file again")
        })?;
        if header.version != 1 {
            return Err(Error::file(
                &table.source.name,
                format!("is a table of outcomes of version {}; this program reads version 1", header.version),
            )
            .hinted("use a newer coincide"));
        }
        match &mut first {
            None => first = Some(header),
            Some(f) if f.joined != header.joined => {
                let what = |joined: bool| if joined { "repeats of runs, a row a layer" } else { "a row a trial" };
                return Err(Error::file(
                    &table.source.name,
                    format!("has {}, and {} has {}", what(header.joined), tables[0].source.name, what(f.joined)),
                )
                .hinted("count each by itself with `coincide count`, and give the counts to the analysis together"));
            }
            Some(f) if f.layers.iter().map(|l| &l.name).eq(header.layers.iter().map(|l| &l.name)) => {
                if let Some(what) = f.differs(&header, options) {
                    return Err(Error::file(&table.source.name, format!("and {} say different things about {what}", tables[0].source.name))
                        .hinted("say it for both, with --weight, --label, --cluster, --stratum or --threshold"));
                }
                f.separate_runs |= header.separate_runs;
            }
            Some(f) => {
                let names = |h: &OutcomesHeader| h.layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Error::file(
                    &table.source.name,
                    format!("has the layers {}, and {} has {}", names(&header), tables[0].source.name, names(f)),
                )
                .hinted("analyse tables of one campaign together, or name the layers with --layers"));
            }
        }
    }
    Ok(first)
}

/// Options with what the file says of itself where nothing was asked.
pub(crate) fn roles(header: Option<&OutcomesHeader>, options: &ReadOptions, tables: &[Table], notes: &mut Vec<String>) -> ReadOptions {
    let mut out = options.clone();
    let Some(h) = header.filter(|_| options.layer_from.is_none()) else { return out };
    let name = &tables[0].source.name;
    let mut said = Vec::new();
    if h.joined {
        out.layer_from = Some(LayerFrom::Column("layer".into()));
        out.join = vec!["trial".into()];
    }
    for layer in &h.layers {
        if let Some(s) = layer.scale
            && !out.thresholds.iter().any(|t| t.layer == layer.name)
            && out.layers.as_ref().is_none_or(|l| l.contains(&layer.name) || out.baseline.as_ref() == Some(&layer.name))
        {
            out.thresholds.push(Threshold { layer: layer.name.clone(), value: s.threshold, fails_when: Some(s.fails_when) });
        }
    }
    if out.layers.is_none() {
        // The undefended pipeline is no layer.
        out.layers = Some(h.layers.iter().map(|l| l.name.clone()).filter(|l| out.baseline.as_ref() != Some(l)).collect());
        said.push("layers");
    }
    if out.clusters.is_empty() && !h.clusters.is_empty() {
        out.clusters.clone_from(&h.clusters);
        said.push("clusters");
    }
    if out.strata.is_empty() && !h.strata.is_empty() {
        // What the user calls a cluster is no stratum by what the file says.
        out.strata = h.strata.iter().filter(|s| !options.clusters.contains(s)).cloned().collect();
        said.push("strata");
    }
    for (role, given, has) in [("weight", &mut out.weight, &h.weight), ("label", &mut out.label, &h.label)] {
        if given.is_none() && has.is_some() {
            given.clone_from(has);
            said.push(role);
        }
    }
    if !said.is_empty() {
        let of = h.tool.as_ref().map_or_else(|| format!("campaign {}", h.campaign), |t| format!("logs of {t}"));
        notes.push(format!("{} as {name} says itself ({of})", said.join(", ")));
    }
    out
}

fn properties(header: &OutcomesHeader) -> std::result::Result<WriterProperties, parquet::errors::ParquetError> {
    let json = serde_json::to_string(header).map_err(|e| parquet::errors::ParquetError::General(e.to_string()))?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(9)?))
        .set_max_row_group_row_count(Some(1 << 20))
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), json)]))
        .build())
}

/// Writes a whole table. Fails as the disk does; nothing is left half written.
pub(crate) fn write(path: &Path, batch: &RecordBatch, header: &OutcomesHeader) -> Result<()> {
    let failed = |e: parquet::errors::ParquetError| Error::file(&path.display().to_string(), format!("cannot be written: {e}"));
    atomically(path, |file| {
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties(header).map_err(failed)?)).map_err(failed)?;
        writer.write(batch).map_err(failed)?;
        writer.close().map(drop).map_err(failed)
    })
}

/// Writes a table of outcomes row by row; memory is bounded by a row group.
pub struct OutcomesWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: Arc<Schema>,
    trials: StringBuilder,
    columns: Vec<StringDictionaryBuilder<Int32Type>>,
    rows: usize,
}

/// Rows in memory before they are handed on.
const ROWS: usize = 16_384;

impl<W: Write + Send> OutcomesWriter<W> {
    /// A writer for trials with these columns of text (strata, clusters, label) and the header's layers. Fails as the sink does.
    pub fn new(sink: W, header: &OutcomesHeader, columns: &[String]) -> std::result::Result<Self, parquet::errors::ParquetError> {
        let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let mut fields = vec![Field::new("trial", DataType::Utf8, false)];
        let names = columns.iter().chain(header.layers.iter().map(|l| &l.name));
        fields.extend(names.map(|n| Field::new(n, text(), true)));
        let schema = Arc::new(Schema::new(fields));
        let columns = (1..schema.fields().len()).map(|_| StringDictionaryBuilder::new()).collect();
        Ok(OutcomesWriter {
            writer: ArrowWriter::try_new(sink, schema.clone(), Some(properties(header)?))?,
            schema,
            trials: StringBuilder::new(),
            columns,
            rows: 0,
        })
    }

    /// Adds a trial: its texts in the order of the columns, then a cell a layer; empty texts are written as none. Fails as the sink does.
    pub fn row<'a>(&mut self, trial: &str, cells: impl IntoIterator<Item = &'a str>) -> std::result::Result<(), parquet::errors::ParquetError> {
        self.trials.append_value(trial);
        for (column, text) in self.columns.iter_mut().zip(cells) {
            column.append_option((!text.is_empty()).then_some(text));
        }
        self.rows += 1;
        if self.rows == ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::result::Result<(), parquet::errors::ParquetError> {
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(self.trials.finish())];
        arrays.extend(self.columns.iter_mut().map(|c| Arc::new(c.finish()) as ArrayRef));
        self.rows = 0;
        self.writer.write(&RecordBatch::try_new(self.schema.clone(), arrays)?)
    }

    /// Writes what is left and the file's end. Fails as the sink does.
    pub fn finish(mut self) -> std::result::Result<(), parquet::errors::ParquetError> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer.close().map(drop)
    }
}
