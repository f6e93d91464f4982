//! Long tables (a row per trial and layer) and separate runs of one layer each, joined on the trial.
//!
//! Repeats that do not correspond between runs are averaged over their combinations: with outcomes {1, 0} of one layer
//! and {1, 1, 0} of another, each of the six combinations counts as a sixth of a trial. Memory grows with the number of
//! trials times layers.

use crate::batch::Table;
use crate::cell;
use crate::error::{Error, Place, Result};
use crate::options::{Cut, LayerFrom, ReadOptions, Shard};
use crate::roles::{self, FAILED, HELD, NOT_RUN};
use coincide::{Columns, JointOutcomes, Label, Outcome, Progress, TableBuilder, TrialRow};
use rustc_hash::FxHashMap;

/// Layers whose repeats disagree, per trial, at most: their combinations are enumerated.
const MIXED_LAYERS: usize = 12;

/// Whether a file looks long: it names a layer in each row.
pub(crate) fn is_long(table: &Table) -> bool {
    table.column("layer").is_some() && (table.column("outcome").is_some() || table.column("score").is_some())
}

/// Columns of one long file.
struct Long {
    layer: LayerName,
    value: usize,
    reason: Option<usize>,
    join: Vec<usize>,
    /// Strata, clusters, weight, label, baseline: what belongs to the trial.
    context: Vec<usize>,
}

enum LayerName {
    Column(usize),
    Fixed(String),
}

/// One trial while its rows are gathered.
struct Trial {
    name: String,
    context: Vec<String>,
    place: Place,
    /// (layer, code), in order of appearance.
    seen: Vec<(u16, u16)>,
    /// (layer, code) of outcomes that stand with a reason of their own.
    piece: u64,
}

/// Reads long files, or joins runs.
pub(crate) fn read(tables: &[Table], options: &ReadOptions, notes: &mut Vec<String>, progress: Progress<'_>) -> Result<JointOutcomes> {
    let joined = options.layer_from.is_some();
    let join: Vec<String> = if options.join.is_empty() {
        let mut key = vec![options.trial.clone().unwrap_or_else(|| "trial".into())];
        if !joined && tables.iter().all(|t| t.column("epoch").is_some()) {
            key.push("epoch".into());
        }
        key
    } else {
        options.join.clone()
    };
    let mut clusters = options.clusters.clone();
    if clusters.is_empty() && tables.iter().all(|t| t.column("goal").is_some()) {
        clusters.push("goal".into());
        notes.push("column `goal` taken as the cluster; name others with --cluster".into());
    }
    let weight = role(tables, &options.weight, "weight");
    let label = role(tables, &options.label, "label");
    let mut context_names: Vec<String> = options.strata.iter().chain(&clusters).cloned().collect();
    let factors = context_names.len();
    context_names.extend(weight.iter().chain(&label).cloned());

    let mut layers: Vec<String> = options.layers.clone().unwrap_or_default();
    let known_layers = options.layers.is_some();
    let mut trials: FxHashMap<String, usize> = FxHashMap::default();
    let mut list: Vec<Trial> = Vec::new();
    let mut cuts: FxHashMap<String, Option<Cut>> = FxHashMap::default();
    let mut censored: Vec<(usize, usize, String)> = Vec::new();
    let mut rows_done = 0u64;
    for table in tables {
        let long = columns(table, options, &join, &context_names)?;
        let file = &table.source.name;
        let mut wanted: Vec<usize> = vec![long.value];
        wanted.extend(long.reason);
        if let LayerName::Column(c) = long.layer {
            wanted.push(c);
        }
        let (join_at, context_at) = (wanted.len(), wanted.len() + long.join.len());
        wanted.extend(&long.join);
        wanted.extend(&long.context);
        table.read(None, &wanted, &mut |batch| {
            let text = |i: usize| {
                cell::texts(batch.columns[i].as_ref())
                    .map_err(|kind| Error::file(file, format!("column `{}` of type {kind} holds no text", table.columns[wanted[i]])))
            };
            let names: Vec<String> = match &long.layer {
                LayerName::Fixed(name) => vec![name.clone(); batch.rows],
                LayerName::Column(_) => text(1 + usize::from(long.reason.is_some()))?,
            };
            let values = text(0)?;
            let reasons = if long.reason.is_some() { Some(text(1)?) } else { None };
            let keys: Vec<Vec<String>> = (join_at..context_at).map(text).collect::<Result<_>>()?;
            let contexts: Vec<Vec<String>> = (context_at..wanted.len()).map(text).collect::<Result<_>>()?;
            for r in 0..batch.rows {
                let column = &table.columns[long.value];
                let bad = |column: &str, what: String, hint: String| Error::Bad { place: batch.place(file, r, Some(column)), what, hint: Some(hint) };
                let layer = match layers.iter().position(|l| *l == names[r]) {
                    Some(i) => i,
                    None if known_layers => continue,
                    None => {
                        if names[r].is_empty() {
                            return Err(bad("layer", "the layer is not named".into(), "every row needs its layer".into()));
                        }
                        layers.push(names[r].clone());
                        layers.len() - 1
                    }
                };
                let cut = match cuts.get(&names[r]) {
                    Some(c) => *c,
                    None => {
                        let c = options.cut(&names[r])?;
                        cuts.insert(names[r].clone(), c);
                        c
                    }
                };
                let key = keys.iter().map(|k| k[r].as_str()).collect::<Vec<_>>().join("\u{1f}");
                let shown = keys.iter().map(|k| k[r].as_str()).collect::<Vec<_>>().join(", ");
                if keys.iter().any(|k| k[r].is_empty()) {
                    return Err(bad(&join[0], "the trial is not named".into(), "every row needs its trial".into()));
                }
                // The reason counts where there is no outcome.
                let has_reason = reasons.as_ref().is_some_and(|x| !x[r].is_empty()) && values[r].trim().is_empty();
                let cell_text = if has_reason { reasons.as_ref().map_or("", |x| x[r].as_str()) } else { values[r].as_str() };
                let code = match cell_text.strip_prefix("censored_by:") {
                    Some(by) => {
                        // The layer that stopped the pipeline may only be named further down.
                        censored.push((list.len(), layer, by.trim().to_owned()));
                        NOT_RUN
                    }
                    None => {
                        let array = arrow_array::StringArray::from(vec![cell_text]);
                        let mut code = Vec::with_capacity(1);
                        roles::codes(&array, &names[r], cut, &layers, &mut code).map_err(|b| bad(column, b.what, b.hint))?;
                        code[0]
                    }
                };
                let context: Vec<String> = contexts.iter().map(|c| c[r].clone()).collect();
                let piece = trials.len() as u64;
                let at = *trials.entry(key).or_insert_with(|| {
                    list.push(Trial { name: shown.clone(), context: context.clone(), place: batch.place(file, r, None), seen: Vec::new(), piece });
                    list.len() - 1
                });
                if let Some(last) = censored.last_mut().filter(|_| cell_text.starts_with("censored_by:")) {
                    last.0 = at;
                }
                let trial = &mut list[at];
                if trial.context != context {
                    let c = (0..context.len()).find(|&c| trial.context[c] != context[c]).unwrap_or(0);
                    return Err(bad(
                        &context_names[c],
                        format!("trial `{shown}` has `{}` here and `{}` at {}", context[c], trial.context[c], trial.place),
                        "what belongs to the trial must be the same in all its rows".into(),
                    ));
                }
                if !joined && trial.seen.iter().any(|&(l, _)| usize::from(l) == layer) {
                    return Err(bad(
                        column,
                        format!("trial `{shown}` already has an outcome of layer `{}`", names[r]),
                        "repeats need an `epoch` column; separate runs to be averaged need --layer-from and --join".into(),
                    ));
                }
                trial.seen.push((layer as u16, code));
            }
            rows_done += batch.rows as u64;
            progress("reading trials", rows_done, 0);
            Ok(())
        })?;
    }
    for (trial, layer, by) in censored {
        let Some(i) = layers.iter().position(|l| *l == by) else {
            return Err(Error::Bad {
                place: list[trial].place.clone(),
                what: format!("`censored_by:{by}` names no layer"),
                hint: Some(format!("the layers are {}", layers.join(", "))),
            });
        };
        if let Some(s) = list[trial].seen.iter_mut().find(|s| usize::from(s.0) == layer && s.1 == NOT_RUN) {
            s.1 = 16 + i as u16;
        }
    }
    if layers.is_empty() {
        return Err(Error::file(&tables[0].source.name, "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    notes.push(format!("layers: {}", layers.join(", ")));
    build(&layers, &list, &Shape { options, clusters, join: &join, factors, weight: weight.is_some(), label: label.is_some(), joined }, notes)
}

fn role(tables: &[Table], given: &Option<String>, name: &str) -> Option<String> {
    given.clone().or_else(|| tables.iter().all(|t| t.column(name).is_some()).then(|| name.to_owned()))
}

fn columns(table: &Table, options: &ReadOptions, join: &[String], context: &[String]) -> Result<Long> {
    let find = |name: &str| table.column(name).ok_or_else(|| roles::no_column(table, name));
    let layer = match &options.layer_from {
        None => LayerName::Column(find("layer")?),
        Some(LayerFrom::Column(c)) => LayerName::Column(find(c)?),
        Some(LayerFrom::File) => LayerName::Fixed(stem(&table.source.name)),
    };
    let value = match table.column("outcome").or_else(|| table.column("score")) {
        Some(c) => c,
        None => only_outcome_column(table, options, join, context)?,
    };
    Ok(Long {
        layer,
        value,
        reason: table.column("reason"),
        join: join.iter().map(|j| find(j)).collect::<Result<_>>()?,
        context: context.iter().map(|c| find(c)).collect::<Result<_>>()?,
    })
}

/// The file's name without folder and endings.
fn stem(name: &str) -> String {
    let file = std::path::Path::new(name).file_name().map_or_else(|| name.to_owned(), |f| f.to_string_lossy().into_owned());
    let mut stem = file.as_str();
    for ending in [".gz", ".zst", ".csv", ".tsv", ".jsonl", ".parquet", ".arrow", ".feather", ".ipc"] {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    stem.to_owned()
}

/// A run without an `outcome` or `score` column must have exactly one column that holds outcomes.
fn only_outcome_column(table: &Table, options: &ReadOptions, join: &[String], context: &[String]) -> Result<usize> {
    let named = options.named_roles(&table.columns);
    let free: Vec<usize> = (0..table.columns.len())
        .filter(|&c| !join.contains(&table.columns[c]) && !context.contains(&table.columns[c]) && !named.iter().any(|(_, n)| *n == table.columns[c]))
        .collect();
    let mut pure = vec![true; free.len()];
    let mut seen = vec![false; free.len()];
    table.read(None, &free, &mut |batch| {
        for (i, column) in batch.columns.iter().enumerate() {
            let readable = cell::for_each(column.as_ref(), &mut |_, v| match v {
                cell::CellValue::Failed | cell::CellValue::Held => seen[i] = true,
                cell::CellValue::Missing(_) | cell::CellValue::Censored(_) => {}
                cell::CellValue::Number(_) | cell::CellValue::Other => pure[i] = false,
            });
            pure[i] &= readable.is_ok();
        }
        Ok(())
    })?;
    let found: Vec<usize> = (0..free.len()).filter(|&i| pure[i] && seen[i]).map(|i| free[i]).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::file(&table.source.name, "has no column `outcome` or `score`, and none that holds only outcomes")
            .hinted("rename the column of outcomes to `outcome`")),
        many => Err(Error::file(
            &table.source.name,
            format!(
                "has no column `outcome` or `score`, and {} that could be it: {}",
                many.len(),
                many.iter().map(|&c| table.columns[c].as_str()).collect::<Vec<_>>().join(", ")
            ),
        )
        .hinted("rename the column of outcomes to `outcome`")),
    }
}

struct Shape<'a> {
    options: &'a ReadOptions,
    clusters: Vec<String>,
    join: &'a [String],
    factors: usize,
    weight: bool,
    label: bool,
    joined: bool,
}

fn build(layers: &[String], trials: &[Trial], shape: &Shape<'_>, notes: &mut Vec<String>) -> Result<JointOutcomes> {
    let k = layers.len();
    let repeats = trials.iter().any(|t| {
        let mut seen = vec![false; k];
        t.seen.iter().any(|&(l, _)| std::mem::replace(&mut seen[usize::from(l)], true))
    });
    let mut clusters = shape.clusters.clone();
    let own_cluster = clusters.is_empty() && (repeats || shape.join.len() > 1);
    if own_cluster {
        clusters.push(shape.join[0].clone());
        notes.push(format!("repeats of one `{}` are not independent, so it is taken as the cluster", shape.join[0]));
    }
    if repeats {
        notes.push("runs repeat trials in ways that do not correspond: outcomes are averaged over the combinations of repeats".into());
    }
    let columns = Columns { layers: layers.to_vec(), strata: shape.options.strata.clone(), clusters, baseline: None };
    let mut builder = TableBuilder::new(columns)?;
    let mut lacking = vec![0u64; k];
    let mut unmatched = 0u64;
    for trial in trials {
        if !Shard::takes(shape.options.shard, trial.piece as usize) {
            continue;
        }
        // Per layer: failed, held, and the first reason.
        let mut counts = vec![(0u32, 0u32, NOT_RUN); k];
        let mut present = vec![false; k];
        for &(l, code) in &trial.seen {
            let c = &mut counts[usize::from(l)];
            present[usize::from(l)] = true;
            match code {
                FAILED => c.0 += 1,
                HELD => c.1 += 1,
                other if c.2 == NOT_RUN => c.2 = other,
                _ => {}
            }
        }
        present.iter().zip(&mut lacking).filter(|(p, _)| !**p).for_each(|(_, n)| *n += 1);
        unmatched += u64::from(present.iter().any(|p| !p));
        let mixed: Vec<usize> = (0..k).filter(|&i| counts[i].0 > 0 && counts[i].1 > 0).collect();
        if mixed.len() > MIXED_LAYERS {
            return Err(Error::Bad {
                place: trial.place.clone(),
                what: format!(
                    "in trial `{}` repeats of {} layers disagree; at most {MIXED_LAYERS} can be averaged over their combinations",
                    trial.name,
                    mixed.len()
                ),
                hint: Some("if repeats correspond between runs, join on them too: --join trial,epoch".into()),
            });
        }
        let mut context: Vec<&str> = trial.context.iter().map(String::as_str).collect();
        let weight = if shape.weight { number(trial, context[shape.factors])? } else { 1.0 };
        let label = if shape.label {
            let text = context[shape.factors + usize::from(shape.weight)];
            roles::label(text).ok_or_else(|| Error::Bad {
                place: trial.place.clone(),
                what: format!("`{text}` is not a label; expected attack or benign"),
                hint: None,
            })?
        } else {
            Label::Attack
        };
        context.truncate(shape.factors);
        let first = trial.name.split(", ").next().unwrap_or(&trial.name).to_owned();
        if own_cluster {
            context.push(&first);
        }
        let strata = shape.options.strata.len();
        for combination in 0..1u32 << mixed.len() {
            let mut share = 1.0;
            let outcomes: Vec<Outcome> = (0..k)
                .map(|i| {
                    let (failed, held, missing) = counts[i];
                    match mixed.iter().position(|&m| m == i) {
                        Some(bit) => {
                            let fails = combination >> bit & 1 == 1;
                            share *= f64::from(if fails { failed } else { held }) / f64::from(failed + held);
                            if fails { Outcome::Failed } else { Outcome::Held }
                        }
                        None if failed > 0 => Outcome::Failed,
                        None if held > 0 => Outcome::Held,
                        None => Outcome::Missing(roles::reason(missing)),
                    }
                })
                .collect();
            builder.add(&TrialRow {
                outcomes: &outcomes,
                strata: &context[..strata],
                clusters: &context[strata..],
                label,
                weight,
                share,
                ..TrialRow::default()
            });
        }
    }
    if shape.joined && unmatched > 0 {
        let parts: Vec<String> = layers.iter().zip(&lacking).filter(|(_, n)| **n > 0).map(|(l, n)| format!("{n} lack `{l}`")).collect();
        notes.push(format!("{unmatched} of {} trials are not in every run ({}); they count as not_run there", trials.len(), parts.join(", ")));
    }
    Ok(builder.finish())
}

fn number(trial: &Trial, text: &str) -> Result<f64> {
    text.trim().parse::<f64>().ok().filter(|w| *w > 0.0 && *w < 1e100).ok_or_else(|| Error::Bad {
        place: trial.place.clone(),
        what: format!("the weight `{text}` is not a positive number"),
        hint: Some("leave out trials that should not count".into()),
    })
}
