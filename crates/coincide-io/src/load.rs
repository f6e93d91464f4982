//! From paths and options to one joint outcome table.

use crate::batch::Table;
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::outcomes_file::{self, LayerDescription};
use crate::roles::Roles;
use crate::source::{InputRecord, expand};
use crate::{counts, long, merge, wide};
use coincide::{JointOutcomes, Progress};
use rayon::prelude::*;

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

/// Reads wide, long or joined tables, or counts files, into one table.
///
/// Fails with the file, line and column of the first cell that is not what it has to be, and what to do about it. Memory
/// grows with distinct cells (pattern, reasons, strata, clusters); tables whose trials are named take 40 bytes a trial more
/// to find repeats, long and joined ones keep every trial until the end.
pub fn load(inputs: &[String], options: &ReadOptions, progress: Progress<'_>) -> Result<Loaded> {
    check(options)?;
    let names = expand(inputs)?;
    let tables: Vec<Table> = names.iter().map(|n| Table::open(n)).collect::<Result<_>>()?;
    let described = outcomes_file::headers(&tables)?;
    let mut told = Vec::new();
    let options = &outcomes_file::roles(described.as_ref(), options, &tables, &mut told);
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
        || tables.par_iter().map(|t| t.source.record()).collect::<Result<Vec<InputRecord>>>(),
    );
    let (table, notes) = read?;
    if table.is_empty() && options.shard.is_none() {
        return Err(Error::file(&names[0], "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    let inputs = records?;
    let layers = described.map(|h| h.layers).or_else(|| headers.into_iter().flatten().next().map(|h| h.layers)).unwrap_or_default();
    for (i, input) in inputs.iter().enumerate() {
        if let Some(twin) = inputs[..i].iter().find(|t| t.sha256 == input.sha256) {
            return Err(Error::options(
                format!("`{}` and `{}` have the same content", twin.path, input.path),
                "name each file once: its trials would count twice",
            ));
        }
    }
    Ok(Loaded { table, inputs, notes, separate_runs: options.layer_from.is_some(), layers })
}

fn check(options: &ReadOptions) -> Result<()> {
    if let Some(s) = options.shard
        && (s.of == 0 || s.index == 0 || s.index > s.of)
    {
        return Err(Error::options(format!("--shard {}/{} is not a part", s.index, s.of), "write i/n with 1 ≤ i ≤ n, for example 1/4"));
    }
    if options.baseline.is_some() && options.layer_from.is_some() {
        return Err(Error::options(
            "--baseline cannot be used with --layer-from",
            "join the runs first with `coincide count`, the baseline as one of the layers",
        ));
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
