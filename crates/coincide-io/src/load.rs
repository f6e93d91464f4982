//! From paths and options to one joint outcome table.

use crate::batch::Table;
use crate::error::{Error, Result};
use crate::import::Tool;
use crate::options::ReadOptions;
use crate::outcomes_file::{self, LayerDescription, OutcomesHeader};
use crate::roles::Roles;
use crate::source::{InputRecord, Source, open_all};
use crate::{counts, import, long, merge, wide};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use coincide::{JointOutcomes, Progress};
use std::sync::Arc;

/// A table and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The joint outcome table.
    pub table: JointOutcomes,
    /// The inputs with their hashes.
    pub inputs: Vec<InputRecord>,
    /// What was inferred or counted on the way, in sentences.
    pub notes: Vec<String>,
    /// Whether the layers came from runs of their own, joined on the trial.
    pub separate_runs: bool,
    /// What the outcomes' file itself says of its layers; empty where it says nothing.
    pub layers: Vec<LayerDescription>,
}

/// Inputs opened: tables, whatever they were before, and what is known of their columns.
pub(crate) struct Opened {
    pub tables: Vec<Table>,
    /// Options, with what the files say of themselves where nothing was asked.
    pub options: ReadOptions,
    pub described: Option<OutcomesHeader>,
    pub notes: Vec<String>,
    /// They were logs of another tool.
    logs: bool,
    /// The inputs themselves.
    pub sources: Vec<Arc<Source>>,
}

/// Opens inputs. Logs of other tools become one table.
pub(crate) fn open(inputs: &[String], tool: Option<Tool>, options: &ReadOptions, progress: Progress<'_>) -> Result<Opened> {
    let sources = open_all(inputs)?;
    if let Some(tool) = import::tool_of(&sources, tool, options)? {
        let mut notes = Vec::new();
        // The baseline is read like a layer.
        let layers = options.layers.as_ref().map(|l| l.iter().chain(options.baseline.iter().filter(|b| !l.contains(b))).cloned().collect());
        let imported = import::gathered(&sources, tool, &ReadOptions { layers, ..options.clone() }, progress)?;
        notes.extend(imported.sentences());
        let header = imported.header;
        let schema = header.describe(imported.batch.schema())?;
        let table = Table::in_memory(sources[0].clone(), schema, std::slice::from_ref(&imported.batch))?;
        // The importer has used them up; columns may have other names now.
        let rest = ReadOptions {
            strata: Vec::new(),
            clusters: Vec::new(),
            weight: None,
            label: None,
            layers: None,
            fails_when: None,
            polarities: Vec::new(),
            thresholds: Vec::new(),
            layer_from: None,
            join: Vec::new(),
            trial: None,
            ..options.clone()
        };
        let tables = vec![table];
        let options = outcomes_file::roles(Some(&header), &rest, &tables, &mut Vec::new());
        return Ok(Opened { tables, options, described: Some(header), notes, logs: true, sources });
    }
    let tables: Vec<Table> = sources.iter().map(|s| Table::of(s.clone())).collect::<Result<_>>()?;
    of_tables(tables, sources, options)
}

/// Tables that are no logs.
pub(crate) fn of_tables(tables: Vec<Table>, sources: Vec<Arc<Source>>, options: &ReadOptions) -> Result<Opened> {
    let mut notes = Vec::new();
    import::gave_up_is_of(None, options)?;
    if let Some(p) = options.polarities.first() {
        return Err(Error::options(
            format!("`{}` has no threshold, and fails-when is about scores", p.layer),
            "give the layer a threshold, or leave it out: recorded outcomes say themselves what failed",
        ));
    }
    if options.fails_when.is_some() && options.thresholds.is_empty() {
        return Err(Error::options("--fails-when is about scores: it needs a --threshold", "recorded outcomes say themselves what failed"));
    }
    let described = outcomes_file::headers(&tables, options)?;
    let options = outcomes_file::roles(described.as_ref(), options, &tables, &mut notes);
    Ok(Opened { tables, options, described, notes, logs: false, sources })
}

/// Reads wide, long or joined tables, counts files, or logs of other tools, into one table.
///
/// Fails with the file, line and column of the first cell that is not what it has to be, and what to do about it. Memory
/// grows with distinct cells (pattern, reasons, strata, clusters); tables whose trials are named take 40 bytes a trial more
/// to find repeats, long and joined ones and logs keep every trial until the end.
pub fn load(inputs: &[String], options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    load_from(inputs, None, options, progress)
}

/// Reads logs of this tool, like [`load`] does those that it recognises. Fails also where they are another's.
pub fn load_logs(inputs: &[String], tool: Tool, options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    load_from(inputs, Some(tool), options, progress)
}

/// Adds up counts files, or tables that say themselves what their columns are, as campaigns write them. Fails as [`load`], and on any other input.
pub fn load_counts(inputs: &[String], progress: Progress<'_>) -> Result<Loaded> {
    let options = ReadOptions::default();
    let opened = open(inputs, None, &options, progress)?;
    for table in &opened.tables {
        if counts::header(table)?.is_none() && !outcomes_file::is_described(table) {
            return Err(Error::file(&table.source.name, "is not a counts file").hinted("count it first: coincide count FILE -o counts.parquet"));
        }
    }
    with_records(opened, &options, progress)
}

fn load_from(inputs: &[String], tool: Option<Tool>, options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    check(options)?;
    with_records(open(inputs, tool, options, progress)?, options, progress)
}

/// What was opened as one table, with the inputs' hashes. Fails where two inputs are the same.
fn with_records(opened: Opened, options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    let sources = opened.sources.clone();
    let (read, records) = rayon::join(|| read(opened, options, progress), || import::records(&sources));
    let (mut loaded, inputs) = (read?, records?);
    no_twins(&inputs)?;
    loaded.inputs = inputs;
    Ok(loaded)
}

/// Fails where two inputs are the same.
pub(crate) fn no_twins(inputs: &[InputRecord]) -> Result<()> {
    for (i, input) in inputs.iter().enumerate() {
        if let Some(twin) = inputs[..i].iter().find(|t| t.sha256 == input.sha256) {
            return Err(Error::options(
                format!("`{}` and `{}` have the same content", twin.path, input.path),
                "name each file once: its trials would count twice",
            ));
        }
    }
    Ok(())
}

/// Reads a table that lies in memory, like the files that [`load`] reads: one with counts, or whose schema's metadata describes its columns, says itself what they are.
///
/// The batches are not copied. `name` stands for the file in errors and in the record of inputs, whose hash is that of the counts. Fails as [`load`].
pub fn load_batches(name: &str, schema: SchemaRef, batches: &[RecordBatch], options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    check(options)?;
    let source = Arc::new(Source::memory(name));
    let tables = vec![Table::in_memory(source.clone(), schema, batches)?];
    let mut loaded = read(of_tables(tables, vec![source], options)?, options, progress)?;
    loaded.inputs = vec![counts::record(name, &loaded.table)?];
    Ok(loaded)
}

/// What was opened as one table; without the inputs' hashes.
fn read(opened: Opened, asked: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    let Opened { tables, options, described, notes: told, logs, sources } = opened;
    let options = &options;
    let headers: Vec<Option<counts::Header>> = tables.iter().map(counts::header).collect::<Result<_>>()?;
    let mut notes = told;
    let table = if headers.iter().any(Option::is_some) {
        counted(&tables, &headers, options, &mut notes, progress)?
    } else if options.layer_from.is_some() || long::is_long(&tables[0]) {
        long::read(&tables, options, &mut notes, progress)?
    } else {
        if !options.join.is_empty() {
            return Err(Error::options(
                "--join needs --layer-from",
                "say where the layer's name comes from: --layer-from file or --layer-from COLUMN",
            ));
        }
        let roles = Roles::wide(&tables, options, &mut notes)?;
        wide::read(&tables, &roles, options, progress)?
    };
    if table.is_empty() && options.shard.is_none() {
        return Err(Error::file(&sources[0].name, "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    let separate_runs = asked.layer_from.is_some() && !logs
        || described.as_ref().is_some_and(|h| h.separate_runs)
        || headers.iter().flatten().any(|h| h.separate_runs);
    let layers = described.map(|h| h.layers).or_else(|| headers.into_iter().flatten().next().map(|h| h.layers)).unwrap_or_default();
    Ok(Loaded { table, inputs: Vec::new(), notes, separate_runs, layers })
}

fn check(options: &ReadOptions) -> Result<()> {
    if let Some(s) = options.shard
        && (s.of == 0 || s.index == 0 || s.index > s.of)
    {
        return Err(Error::options(format!("--shard {}/{} is not a part", s.index, s.of), "write i/n with 1 ≤ i ≤ n, for example 1/4"));
    }
    Ok(())
}

/// Counts files, added up.
fn counted(
    tables: &[Table],
    headers: &[Option<counts::Header>],
    options: &ReadOptions,
    notes: &mut Vec<String>,
    progress: Progress<'_>,
) -> Result<JointOutcomes> {
    let mut list = Vec::new();
    for (table, header) in tables.iter().zip(headers) {
        let Some(header) = header else {
            return Err(Error::file(&table.source.name, "is not a counts file, but others of the inputs are")
                .hinted("count it first: coincide count FILE -o counts.parquet"));
        };
        list.push(counts::read(table, header)?);
        notes.extend(header.notes.iter().filter(|n| !notes.contains(n)).cloned().collect::<Vec<_>>());
    }
    let columns = headers[0].as_ref().map(|h| h.columns.clone()).unwrap_or_default();
    let differs = |what: &str, given: &[String], has: &[String]| -> Result<()> {
        if given.is_empty() || given == has {
            return Ok(());
        }
        Err(Error::options(
            format!("the counts file has the {what} [{}], not [{}]", has.join(", "), given.join(", ")),
            "a counts file keeps the columns it was counted with; leave the option out, or count again",
        ))
    };
    differs("layers", options.layers.as_deref().unwrap_or_default(), &columns.layers)?;
    differs("strata", &options.strata, &columns.strata)?;
    differs("clusters", &options.clusters, &columns.clusters)?;
    differs("baseline", options.baseline.as_slice(), columns.baseline.as_slice())?;
    merge::merge(columns, list, progress)
}
