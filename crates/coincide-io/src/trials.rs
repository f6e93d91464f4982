//! Every trial of wide tables by itself, for what counts do not keep: scores, names and the order of rows.

use crate::batch::{Batch, Lines, Table};
use crate::cell::{self, CellValue};
use crate::error::{Error, Result};
use crate::load::{self, Opened, of_tables, open};
use crate::options::ReadOptions;
use crate::roles::{FAILED, HELD, Roles};
use crate::source::{InputRecord, Source};
use crate::{counts, import, long, wide};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use coincide::{Factor, Label, Progress, Readings, TrialIndex};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Trials and where they came from.
#[derive(Debug, Clone)]
pub struct LoadedTrials {
    /// The trials.
    pub trials: TrialIndex,
    /// What was inferred, in sentences.
    pub notes: Vec<String>,
    /// The inputs with their hashes.
    pub inputs: Vec<InputRecord>,
}

/// What is kept of a layer's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Whether it failed; scores by their thresholds.
    Outcomes,
    /// Scores where there are any, whether they have a threshold or not.
    Scores,
}

/// Reads every trial of wide tables, or of logs of other tools.
///
/// Memory grows with trials. Fails as [`crate::load`], and on counts, which do not keep trials, and on tables with a row per layer.
pub fn load_trials(inputs: &[String], options: &ReadOptions, keep: Keep, progress: Progress<'_>) -> Result<LoadedTrials> {
    let opened = open(inputs, None, &as_kept(options, keep), progress)?;
    let sources = opened.sources.clone();
    let (trials, notes) = gather(&wide_only(opened)?, keep, progress)?;
    let inputs = import::records(&sources)?;
    load::no_twins(&inputs)?;
    Ok(LoadedTrials { trials, notes, inputs })
}

/// Reads every trial of a table in memory, as [`crate::load_batches`] reads one. `name` stands for the file.
pub fn load_trial_batches(
    name: &str,
    schema: SchemaRef,
    batches: &[RecordBatch],
    options: &ReadOptions,
    keep: Keep,
    progress: Progress<'_>,
) -> Result<LoadedTrials> {
    let source = Arc::new(Source::memory(name));
    let tables = vec![Table::in_memory(source.clone(), schema, batches)?];
    let opened = of_tables(tables, vec![source], &as_kept(options, keep))?;
    let (trials, notes) = gather(&wide_only(opened)?, keep, progress)?;
    let inputs = vec![InputRecord::of(name, &fingerprint(&trials))];
    Ok(LoadedTrials { trials, notes, inputs })
}

/// Everything of trials that never were in a file, in one order.
fn fingerprint(t: &TrialIndex) -> Vec<u8> {
    let mut out = format!("{:?}{:?}{:?}{:?}", t.layers, t.names, t.labels, t.clusters).into_bytes();
    out.extend(t.weights.iter().flat_map(|w| w.to_le_bytes()));
    out.extend(t.cluster.iter().flatten().flat_map(|c| c.to_le_bytes()));
    for r in &t.readings {
        match r {
            Readings::Outcomes(o) => out.extend(o.iter().map(|o| o.map_or(2, u8::from))),
            Readings::Scores(s) => s.iter().for_each(|s| out.extend(s.map_or([0xff; 8], f64::to_le_bytes))),
        }
    }
    out
}

/// Scores are read as they are: thresholds, and the sides of them, are what is asked for.
fn as_kept(options: &ReadOptions, keep: Keep) -> ReadOptions {
    match keep {
        Keep::Outcomes => options.clone(),
        Keep::Scores => ReadOptions { thresholds: Vec::new(), fails_when: None, polarities: Vec::new(), ..options.clone() },
    }
}

fn wide_only(opened: Opened) -> Result<Opened> {
    let file = |t: &Table| t.source.name.clone();
    for t in &opened.tables {
        if counts::header(t)?.is_some() {
            return Err(Error::file(&file(t), "holds counts, which do not keep trials").hinted("give the files that it was counted from"));
        }
    }
    if opened.options.layer_from.is_some() || opened.tables.iter().any(long::is_long) {
        let name = file(&opened.tables[0]);
        return Err(Error::file(&name, "has a row for every layer of a trial; this needs a row a trial with a column for each layer")
            .hinted("turn it first: one row per trial, one column per layer"));
    }
    Ok(opened)
}

fn roles_of(opened: &Opened, keep: Keep, notes: &mut Vec<String>) -> Result<Roles> {
    match keep {
        Keep::Outcomes => Roles::wide(&opened.tables, &opened.options, notes),
        Keep::Scores => Roles::scored(&opened.tables, &opened.options, notes),
    }
}

fn gather(opened: &Opened, keep: Keep, progress: Progress<'_>) -> Result<(TrialIndex, Vec<String>)> {
    let mut notes = opened.notes.clone();
    let roles = roles_of(opened, keep, &mut notes)?;
    let mut gathered = Gathered::new(&roles, keep);
    let total: u64 = opened.tables.iter().filter_map(|t| t.rows(None)).sum();
    let step = "reading trials";
    progress(step, 0, total);
    for (number, table) in opened.tables.iter().enumerate() {
        let which = if opened.tables.len() > 1 { format!("file {}, ", number + 1) } else { String::new() };
        table.read(None, &roles.indices(table)?, &mut |batch| {
            gathered.add((&which, table), &roles, &batch, keep)?;
            progress(step, gathered.out.labels.len() as u64, total);
            Ok(())
        })?;
    }
    if gathered.out.is_empty() {
        return Err(Error::file(&opened.tables[0].source.name, "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    let trials = gathered.finish(&roles);
    if roles.trial.is_some() {
        let mut seen = FxHashSet::default();
        if let Some(name) = trials.names.iter().find(|n| !seen.insert(n.as_str())) {
            return Err(Error::file(&opened.tables[0].source.name, format!("trial `{name}` is there twice"))
                .hinted("a trial is one row; repeats need an `epoch` column"));
        }
    }
    Ok((trials, notes))
}

/// What stands beside the outcomes of some trials: the columns that are no layers, and each trial's texts in them. Columns that hold no text are left out.
pub(crate) fn texts_of(
    inputs: &[String],
    options: &ReadOptions,
    layers: &[String],
    wanted: &[usize],
    progress: Progress<'_>,
) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let opened = wide_only(open(inputs, None, options, progress)?)?;
    let roles = roles_of(&opened, Keep::Outcomes, &mut Vec::new())?;
    let own = ["trial", "group", "probability", "verdict"];
    let taken = |c: &str| layers.iter().any(|l| l == c) || own.contains(&c) || roles.trial.as_deref() == Some(c);
    let mut columns: Vec<String> = opened.tables[0].columns.iter().filter(|c| !taken(c)).cloned().collect();
    columns.retain(|c| opened.tables.iter().all(|t| t.column(c).is_some()));
    let places: FxHashMap<usize, usize> = wanted.iter().enumerate().map(|(at, &t)| (t, at)).collect();
    let mut out = vec![vec![String::new(); columns.len()]; wanted.len()];
    let mut readable = vec![true; columns.len()];
    let mut first = 0;
    for table in &opened.tables {
        let indices: Vec<usize> = columns.iter().filter_map(|c| table.column(c)).collect();
        let before = first;
        let mut row = 0;
        table.read(None, &indices, &mut |batch| {
            for (i, column) in batch.columns.iter().enumerate() {
                let read = cell::visit_texts(column.as_ref(), &mut |r, text| {
                    if let Some(&at) = places.get(&(before + row + r)) {
                        text.clone_into(&mut out[at][i]);
                    }
                });
                readable[i] &= read.is_ok();
            }
            row += batch.rows;
            first = before + row;
            Ok(())
        })?;
    }
    let keep = |list: &[String]| list.iter().zip(&readable).filter(|(_, r)| **r).map(|(t, _)| t.clone()).collect::<Vec<String>>();
    Ok((keep(&columns), out.iter().map(|r| keep(r)).collect()))
}

/// What a cell said, before it is known whether its column holds scores.
#[derive(Clone, Copy)]
enum Said {
    Nothing,
    Failed,
    Held,
    Score(f64),
}

struct Gathered {
    out: TrialIndex,
    said: Vec<Vec<Said>>,
    levels: Vec<FxHashMap<String, u32>>,
}

impl Gathered {
    fn new(roles: &Roles, keep: Keep) -> Self {
        let c = &roles.columns;
        let out = TrialIndex {
            layers: c.layers.clone(),
            clusters: c.clusters.iter().map(|n| Factor { name: n.clone(), levels: Vec::new() }).collect(),
            cluster: vec![Vec::new(); c.clusters.len()],
            readings: vec![Readings::Outcomes(Vec::new()); if keep == Keep::Outcomes { c.layers.len() } else { 0 }],
            ..TrialIndex::default()
        };
        Gathered { out, said: vec![Vec::new(); c.layers.len()], levels: vec![FxHashMap::default(); c.clusters.len()] }
    }

    /// `which`: how the file is named in the names of trials that have none, wherever it lies.
    fn add(&mut self, (which, table): (&str, &Table), roles: &Roles, batch: &Batch, keep: Keep) -> Result<()> {
        let file = &table.source.name;
        let c = &roles.columns;
        let mut columns = batch.columns.iter();
        let mut codes = Vec::new();
        for (i, layer) in c.layers.iter().enumerate() {
            let Some(column) = columns.next() else { continue };
            if keep == Keep::Outcomes {
                wide::outcome_codes(batch, file, layer, column, roles.cuts[i], &c.layers, &mut codes)?;
                let one = |&code: &u16| match code {
                    FAILED => Said::Failed,
                    HELD => Said::Held,
                    _ => Said::Nothing,
                };
                self.said[i].extend(codes.iter().map(one));
                continue;
            }
            let mut bad = None;
            let said = &mut self.said[i];
            cell::for_each(column.as_ref(), &mut |r, value| {
                said.push(match value {
                    CellValue::Failed => Said::Failed,
                    CellValue::Held => Said::Held,
                    CellValue::Number(x) if x.is_finite() => Said::Score(x),
                    CellValue::Missing(_) | CellValue::Censored(_) => Said::Nothing,
                    CellValue::Number(_) | CellValue::Other => {
                        bad.get_or_insert(r);
                        Said::Nothing
                    }
                });
            })
            .map_err(|kind| Error::file(file, format!("column `{layer}` of type {kind} holds no scores")).hinted("leave it out with --layers"))?;
            if let Some(r) = bad {
                return Err(Error::Bad {
                    place: batch.place(file, r, Some(layer)),
                    what: "is neither a score, an outcome nor a reason".into(),
                    hint: Some("correct the cell, or leave the column out with --layers".into()),
                });
            }
        }
        if c.baseline.is_some() {
            columns.next();
        }
        c.strata.iter().for_each(|_| {
            columns.next();
        });
        for (f, name) in c.clusters.iter().enumerate() {
            let Some(column) = columns.next() else { continue };
            let (levels, factor, own) = (&mut self.levels[f], &mut self.out.clusters[f], &mut self.out.cluster[f]);
            let mut empty = None;
            cell::visit_texts(column.as_ref(), &mut |r, text| {
                if text.is_empty() {
                    empty.get_or_insert(r);
                }
                let next = factor.levels.len() as u32;
                own.push(*levels.entry(text.to_owned()).or_insert_with(|| {
                    factor.levels.push(text.to_owned());
                    next
                }));
            })
            .map_err(|kind| Error::file(file, format!("column `{name}` of type {kind} cannot name clusters")))?;
            if let Some(r) = empty {
                return Err(wide::no_cluster(batch, file, r, name));
            }
        }
        let mut names: Vec<String> = match &batch.lines {
            Lines::Text(lines) => lines.iter().map(|l| format!("{which}line {l}")).collect(),
            Lines::Rows(first) => (0..batch.rows as u64).map(|r| format!("{which}row {}", first + r)).collect(),
        };
        for (at, column) in roles.trial.iter().chain(&roles.epoch).enumerate() {
            let Some(array) = columns.next() else { continue };
            if roles.trial.is_none() {
                continue;
            }
            let texts =
                cell::texts(array.as_ref()).map_err(|kind| Error::file(file, format!("column `{column}` of type {kind} cannot name trials")))?;
            names.iter_mut().zip(texts).for_each(|(n, t)| if at == 0 { *n = t } else { *n = format!("{n}, {column} {t}") });
        }
        self.out.names.append(&mut names);
        match (&roles.weight, roles.weight.as_ref().and_then(|_| columns.next())) {
            (Some(name), Some(column)) => self.out.weights.extend(wide::weights(batch, file, name, column)?),
            _ => self.out.weights.extend(std::iter::repeat_n(1.0, batch.rows)),
        }
        match (&roles.label, roles.label.as_ref().and_then(|_| columns.next())) {
            (Some(name), Some(column)) => self.out.labels.extend(wide::labels(batch, file, name, column)?),
            _ => self.out.labels.extend(std::iter::repeat_n(Label::Attack, batch.rows)),
        }
        Ok(())
    }

    fn finish(mut self, roles: &Roles) -> TrialIndex {
        let scores = |(said, cut): (&Vec<Said>, &Option<crate::options::Cut>)| {
            self.out.readings.is_empty() && (cut.is_some() || said.iter().any(|s| matches!(s, Said::Score(_))))
        };
        let scored: Vec<bool> = self.said.iter().zip(&roles.cuts).map(scores).collect();
        let one = |(said, scored): (&Vec<Said>, bool)| {
            if scored {
                let score = |s: &Said| match s {
                    Said::Nothing => None,
                    Said::Failed => Some(1.0),
                    Said::Held => Some(0.0),
                    Said::Score(x) => Some(*x),
                };
                return Readings::Scores(said.iter().map(score).collect());
            }
            let outcome = |s: &Said| match s {
                Said::Failed => Some(true),
                Said::Held => Some(false),
                Said::Nothing | Said::Score(_) => None,
            };
            Readings::Outcomes(said.iter().map(outcome).collect())
        };
        self.out.readings = self.said.iter().zip(scored).map(one).collect();
        self.out
    }
}
