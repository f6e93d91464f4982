//! From paths and options to one joint outcome table.

use crate::batch::Table;
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::outcomes_file::{self, LayerDescription, OutcomesHeader};
use crate::roles::Roles;
use crate::source::{InputRecord, Source, open_all};
use crate::{counts, import, long, merge, wide};
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
    /// The inputs themselves.
    sources: Vec<Arc<Source>>,
}

/// Opens inputs. Logs of other tools become one table.
pub(crate) fn open(inputs: &[String], options: &ReadOptions, progress: Progress<'_>) -> Result<Opened> {
    let sources = open_all(inputs)?;
    let mut notes = Vec::new();
    if let Some(tool) = import::tool_of(&sources)? {
        // The baseline is read like a layer.
        let layers = options.layers.as_ref().map(|l| l.iter().chain(options.baseline.iter().filter(|b| !l.contains(b))).cloned().collect());
        let imported = import::gathered(&sources, tool, &ReadOptions { layers, ..options.clone() }, progress)?;
        notes.extend(imported.sentences());
        let table = Table::in_memory(sources[0].clone(), imported.batch);
        let header = imported.header;
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
        return Ok(Opened { tables, options, described: Some(header), notes, sources });
    }
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
    let tables: Vec<Table> = sources.iter().map(|s| Table::of(s.clone())).collect::<Result<_>>()?;
    let described = outcomes_file::headers(&tables)?;
    let options = outcomes_file::roles(described.as_ref(), options, &tables, &mut notes);
    Ok(Opened { tables, options, described, notes, sources })
}

/// Reads wide, long or joined tables, counts files, or logs of other tools, into one table.
///
/// Fails with the file, line and column of the first cell that is not what it has to be, and what to do about it. Memory
/// grows with distinct cells (pattern, reasons, strata, clusters); tables whose trials are named take 40 bytes a trial more
/// to find repeats, long and joined ones and logs keep every trial until the end.
pub fn load(inputs: &[String], options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    check(options)?;
    let runs_joined = options.layer_from.is_some();
    let Opened { tables, options, described, notes: told, sources } = open(inputs, options, progress)?;
    let options = &options;
    let headers: Vec<Option<counts::Header>> = tables.iter().map(counts::header).collect::<Result<_>>()?;
    let (read, records) = rayon::join(
        || -> Result<(JointOutcomes, Vec<String>)> {
            let mut notes = told;
            let table = if headers.iter().any(Option::is_some) {
                counted(&tables, &headers, options, &mut notes)?
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
            Ok((table, notes))
        },
        || import::records(&sources),
    );
    let (table, notes) = read?;
    if table.is_empty() && options.shard.is_none() {
        return Err(Error::file(&sources[0].name, "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    let inputs = records?;
    let separate_runs = runs_joined || described.as_ref().is_some_and(|h| h.separate_runs) || headers.iter().flatten().any(|h| h.separate_runs);
    let layers = described.map(|h| h.layers).or_else(|| headers.into_iter().flatten().next().map(|h| h.layers)).unwrap_or_default();
    for (i, input) in inputs.iter().enumerate() {
        if let Some(twin) = inputs[..i].iter().find(|t| t.sha256 == input.sha256) {
            return Err(Error::options(
                format!("`{}` and `{}` have the same content", twin.path, input.path),
                "name each file once: its trials would count twice",
            ));
        }
    }
    Ok(Loaded { table, inputs, notes, separate_runs, layers })
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
fn counted(tables: &[Table], headers: &[Option<counts::Header>], options: &ReadOptions, notes: &mut Vec<String>) -> Result<JointOutcomes> {
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
    merge::merge(columns, list)
}
