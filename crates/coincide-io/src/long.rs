//! Long tables (a row per trial and layer) and separate runs of one layer each, joined on the trial.
//!
//! Repeats that do not correspond between runs are averaged over their combinations: with outcomes {1, 0} of one layer
//! and {1, 1, 0} of another, each of the six combinations counts as a sixth of a trial. Where columns `run` and `epoch` say
//! which repeat a row belongs to, the layers of one run stay together: only repeats of different runs are combined. Memory
//! grows with the number of trials times layers.

use crate::batch::Table;
use crate::cell;
use crate::error::{Error, Place, Result};
use crate::import::unmatched;
use crate::options::{Cut, LayerFrom, ReadOptions, Shard};
use crate::roles::{self, CENSORED, FAILED, HELD, NOT_RUN};
use crate::source::file_stem;
use crate::toml_file::suggestion;
use coincide::{Columns, JointOutcomes, Label, Outcome, Progress, Reason, TableBuilder, TrialRow};
use rustc_hash::FxHashMap;
use std::cmp::Ordering;

/// Combinations of repeats that disagree, per trial, at most: they are enumerated.
const COMBINATIONS: usize = 4096;
/// Layers that a column may name, at most.
const MOST_LAYERS: usize = 4096;

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
    /// Columns that say which repeat of which run a row is, where both are there.
    repeat: Vec<usize>,
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
    /// In order of appearance.
    seen: Vec<Seen>,
    piece: u64,
}

/// One outcome of a trial.
#[derive(Clone, Copy)]
struct Seen {
    layer: u16,
    code: u16,
    /// Rows of one repeat of a run have the same; otherwise every row of a layer has its own.
    repeat: u32,
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
    if options.order_from.is_some() {
        return Err(Error::options("--order-from is about tables with a row a trial", "here every row is of one layer: leave it out"));
    }
    let clusters = roles::usual_clusters(tables, options, notes);
    let weight = role(tables, &options.weight, "weight");
    let label = role(tables, &options.label, "label");
    let mut context_names: Vec<String> = options.strata.iter().chain(&clusters).cloned().collect();
    let factors = context_names.len();
    context_names.extend(weight.iter().chain(&label).cloned());

    let mut layers: Vec<String> = options.layers.clone().unwrap_or_default();
    let known_layers = options.layers.is_some();
    // The undefended pipeline is read like a layer, and set apart at the end.
    if known_layers {
        layers.retain(|l| Some(l) != options.baseline.as_ref());
        layers.extend(options.baseline.clone());
    }
    let mut trials: FxHashMap<String, usize> = FxHashMap::default();
    let mut list: Vec<Trial> = Vec::new();
    let mut cuts: FxHashMap<String, Option<Cut>> = FxHashMap::default();
    let mut censored: Vec<(usize, usize, String)> = Vec::new();
    let mut rows_done = 0u64;
    let mut repeats: FxHashMap<String, u32> = FxHashMap::default();
    let mut runs: FxHashMap<String, Vec<u16>> = FxHashMap::default();
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
        let repeat_at = wanted.len();
        wanted.extend(&long.repeat);
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
            let contexts: Vec<Vec<String>> = (context_at..repeat_at).map(text).collect::<Result<_>>()?;
            let which: Vec<Vec<String>> = (repeat_at..wanted.len()).map(text).collect::<Result<_>>()?;
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
                        if layers.len() == MOST_LAYERS {
                            let what = format!("`{}` is layer {}; at most {MOST_LAYERS} are read", names[r], MOST_LAYERS + 1);
                            return Err(bad("layer", what, "check that this column names layers".into()));
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
                if !joined && trial.seen.iter().any(|s| usize::from(s.layer) == layer) {
                    return Err(bad(
                        column,
                        format!("trial `{shown}` already has an outcome of layer `{}`", names[r]),
                        "repeats need an `epoch` column; separate runs to be averaged need --layer-from and --join".into(),
                    ));
                }
                let repeat = match which.as_slice() {
                    [run, epoch] => {
                        let layers = runs.entry(run[r].clone()).or_default();
                        if !layers.contains(&(layer as u16)) {
                            layers.push(layer as u16);
                        }
                        let next = repeats.len() as u32;
                        *repeats.entry(format!("{}\u{1f}{}", run[r], epoch[r])).or_insert(next)
                    }
                    _ => trial.seen.len() as u32,
                };
                trial.seen.push(Seen { layer: layer as u16, code, repeat });
            }
            rows_done += batch.rows as u64;
            progress("reading trials", rows_done, 0);
            Ok(())
        })?;
    }
    for (trial, layer, by) in censored {
        let Some(i) = layers.iter().position(|l| *l == by && options.baseline.as_ref() != Some(l)) else {
            return Err(Error::Bad {
                place: list[trial].place.clone(),
                what: format!("`censored_by:{by}` names no layer"),
                hint: Some(format!("the layers are {}", layers.join(", "))),
            });
        };
        if let Some(s) = list[trial].seen.iter_mut().find(|s| usize::from(s.layer) == layer && s.code == NOT_RUN) {
            s.code = CENSORED + i as u16;
        }
    }
    if layers.is_empty() {
        return Err(Error::file(&tables[0].source.name, "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    if let Some(t) = options.thresholds.iter().find(|t| !layers.contains(&t.layer)) {
        return Err(Error::options(
            format!("--threshold names `{}`, which is not a layer", t.layer),
            suggestion(&t.layer, "layers", layers.iter().map(String::as_str)),
        ));
    }
    if let Some(name) = &options.baseline {
        baseline_last(name, &mut layers, &mut list, &mut runs)?;
    }
    let baseline = options.baseline.is_some();
    notes.push(format!("layers: {}", layers[..layers.len() - usize::from(baseline)].join(", ")));
    let groups = together(layers.len(), runs.values());
    let shape = Shape { options, clusters, join: &join, factors, weight: weight.is_some(), label: label.is_some(), joined, baseline };
    build(&layers, &list, &groups, &shape, notes)
}

/// Makes the baseline the last of the layers. Fails where no row is of it, or every one.
fn baseline_last(name: &str, layers: &mut Vec<String>, list: &mut [Trial], runs: &mut FxHashMap<String, Vec<u16>>) -> Result<()> {
    let at = layers.iter().position(|l| l == name).filter(|i| list.iter().any(|t| t.seen.iter().any(|s| usize::from(s.layer) == *i)));
    let Some(at) = at else {
        let hint = suggestion(name, "layers", layers.iter().filter(|l| *l != name).map(String::as_str));
        return Err(Error::options(format!("no row is of the baseline `{name}`"), hint));
    };
    if layers.len() == 1 {
        return Err(Error::options(format!("all rows are of the baseline `{name}`"), "a table of outcomes needs at least one layer"));
    }
    let (at, last) = (at as u16, layers.len() as u16 - 1);
    let moved = |l: u16| match l.cmp(&at) {
        Ordering::Less => l,
        Ordering::Equal => last,
        Ordering::Greater => l - 1,
    };
    for s in list.iter_mut().flat_map(|t| &mut t.seen) {
        s.layer = moved(s.layer);
        if s.code >= CENSORED {
            s.code = CENSORED + moved(s.code - CENSORED);
        }
    }
    runs.values_mut().flatten().for_each(|l| *l = moved(*l));
    let name = layers.remove(usize::from(at));
    layers.push(name);
    Ok(())
}

fn role(tables: &[Table], given: &Option<String>, name: &str) -> Option<String> {
    given.clone().or_else(|| tables.iter().all(|t| t.column(name).is_some()).then(|| name.to_owned()))
}

fn columns(table: &Table, options: &ReadOptions, join: &[String], context: &[String]) -> Result<Long> {
    let find = |name: &str| table.column(name).ok_or_else(|| roles::no_column(table, name));
    let layer = match &options.layer_from {
        None => LayerName::Column(find("layer")?),
        Some(LayerFrom::Column(c)) => LayerName::Column(find(c)?),
        Some(LayerFrom::File) => LayerName::Fixed(file_stem(&table.source.name)),
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
        repeat: match (table.column("run"), table.column("epoch")) {
            (Some(run), Some(epoch)) if options.layer_from.is_some() && !join.iter().any(|j| j == "epoch" || j == "run") => vec![run, epoch],
            _ => Vec::new(),
        },
    })
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
    /// The last of the layers is the undefended pipeline.
    baseline: bool,
}

/// Layers that stand together in some run, as the group of each layer.
fn together<'r>(layers: usize, runs: impl Iterator<Item = &'r Vec<u16>>) -> Vec<usize> {
    let mut group: Vec<usize> = (0..layers).collect();
    for run in runs {
        for pair in run.windows(2) {
            let [a, b] = [group[usize::from(pair[0])], group[usize::from(pair[1])]];
            group.iter_mut().filter(|g| **g == a.max(b)).for_each(|g| *g = a.min(b));
        }
    }
    group
}

/// Distinct answers of a group's layers on one trial, as (layer, code), with how many repeats gave them.
type Answers = Vec<(Vec<(u16, u16)>, u32)>;

/// Fails where a layer has two outcomes in one repeat.
fn answers(trial: &Trial, group: usize, groups: &[usize], layers: &[String]) -> Result<Answers> {
    let members: Vec<u16> = (0..groups.len()).filter(|&l| groups[l] == group).map(|l| l as u16).collect();
    let mut seen: Vec<Seen> = trial.seen.iter().copied().filter(|s| groups[usize::from(s.layer)] == group).collect();
    seen.sort_by_key(|s| (s.repeat, s.layer));
    if let Some(twice) = seen.windows(2).find(|w| (w[0].repeat, w[0].layer) == (w[1].repeat, w[1].layer)) {
        return Err(Error::Bad {
            place: trial.place.clone(),
            what: format!("trial `{}` has two outcomes of layer `{}` in one run and epoch", trial.name, layers[usize::from(twice[0].layer)]),
            hint: Some("number the repeats in the column `epoch`, or leave the columns `run` and `epoch` out".into()),
        });
    }
    let mut by_repeat: Vec<Vec<(u16, u16)>> = seen
        .chunk_by(|a, b| a.repeat == b.repeat)
        .map(|repeat| {
            let code = |l: u16| repeat.iter().find(|s| s.layer == l).map_or(NOT_RUN, |s| s.code);
            members.iter().map(|&l| (l, code(l))).collect()
        })
        .collect();
    let known = |codes: &[(u16, u16)]| codes.iter().any(|(_, c)| *c <= FAILED);
    // A repeat that says nothing does not count beside one that does; where none does, the first with a reason stands for all.
    if by_repeat.iter().any(|codes| known(codes)) {
        by_repeat.retain(|codes| known(codes));
    } else {
        let first = by_repeat.iter().position(|codes| codes.iter().any(|(_, c)| *c != NOT_RUN)).unwrap_or(0);
        by_repeat = by_repeat.into_iter().skip(first).take(1).collect();
    }
    let mut out: Answers = Vec::new();
    let mut at: FxHashMap<Vec<(u16, u16)>, usize> = FxHashMap::default();
    for codes in by_repeat {
        match at.get(&codes) {
            Some(&i) => out[i].1 += 1,
            None => {
                at.insert(codes.clone(), out.len());
                out.push((codes, 1));
            }
        }
    }
    Ok(out)
}

fn build(layers: &[String], trials: &[Trial], groups: &[usize], shape: &Shape<'_>, notes: &mut Vec<String>) -> Result<JointOutcomes> {
    let k = layers.len();
    let repeats = trials.iter().any(|t| {
        let mut seen = vec![false; k];
        t.seen.iter().any(|s| std::mem::replace(&mut seen[usize::from(s.layer)], true))
    });
    let mut heads: Vec<usize> = groups.to_vec();
    heads.sort_unstable();
    heads.dedup();
    let mut clusters = shape.clusters.clone();
    let own_cluster = clusters.is_empty() && (repeats || shape.join.len() > 1);
    if own_cluster {
        clusters.push(shape.join[0].clone());
        notes.push(format!("repeats of one `{}` are not independent, so it is taken as the cluster", shape.join[0]));
    }
    if repeats {
        notes.push("runs repeat trials in ways that do not correspond: outcomes are averaged over the combinations of repeats".into());
    }
    let own = k - usize::from(shape.baseline);
    let baseline = layers.get(own).cloned();
    let columns = Columns { layers: layers[..own].to_vec(), strata: shape.options.strata.clone(), clusters, baseline };
    let mut builder = TableBuilder::new(columns)?;
    let mut lacking: Vec<Vec<&str>> = vec![Vec::new(); k];
    let mut incomplete = 0u64;
    for trial in trials {
        if !Shard::takes(shape.options.shard, trial.piece as usize) {
            continue;
        }
        let mut present = vec![false; k];
        trial.seen.iter().for_each(|s| present[usize::from(s.layer)] = true);
        present.iter().zip(&mut lacking).filter(|(p, _)| !**p).for_each(|(_, names)| names.push(&trial.name));
        incomplete += u64::from(present.iter().any(|p| !p));
        let parts: Vec<Answers> = heads.iter().map(|&g| answers(trial, g, groups, layers)).collect::<Result<_>>()?;
        let parts: Vec<Answers> = parts.into_iter().filter(|a| !a.is_empty()).collect();
        let combinations = parts.iter().try_fold(1usize, |n, a| n.checked_mul(a.len()).filter(|n| *n <= COMBINATIONS));
        let Some(combinations) = combinations else {
            return Err(Error::Bad {
                place: trial.place.clone(),
                what: format!(
                    "in trial `{}` repeats of {} layers disagree in more than {COMBINATIONS} combinations, which is the most that are averaged",
                    trial.name,
                    parts.iter().filter(|a| a.len() > 1).count()
                ),
                hint: Some("if repeats correspond between runs, join on them too: --join trial,epoch".into()),
            });
        };
        let mut context: Vec<&str> = trial.context.iter().map(String::as_str).collect();
        let weight = if shape.weight { number(trial, context[shape.factors])? } else { 1.0 };
        let label = if shape.label {
            let text = context[shape.factors + usize::from(shape.weight)];
            roles::label(text).ok_or_else(|| Error::Bad {
                place: trial.place.clone(),
                what: format!("`{text}` is not a label; expected attack, benign or adaptive"),
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
        for combination in 0..combinations {
            let mut share = 1.0;
            let mut outcomes = vec![Outcome::Missing(Reason::NotRun); k];
            let mut rest = combination;
            for answers in &parts {
                let (codes, n) = &answers[rest % answers.len()];
                rest /= answers.len();
                share *= f64::from(*n) / f64::from(answers.iter().map(|a| a.1).sum::<u32>());
                for &(layer, code) in codes {
                    outcomes[usize::from(layer)] = match code {
                        FAILED => Outcome::Failed,
                        HELD => Outcome::Held,
                        other => Outcome::Missing(roles::reason(other)),
                    };
                }
            }
            builder.add(&TrialRow {
                outcomes: &outcomes[..own],
                baseline: outcomes.get(own).copied().unwrap_or(Outcome::Missing(Reason::NotRun)),
                strata: &context[..strata],
                clusters: &context[strata..],
                label,
                weight,
                share,
                ..TrialRow::default()
            });
        }
    }
    if shape.joined {
        // The importer of the logs that these rows come from may have said so already.
        notes.extend(unmatched(layers, &lacking, incomplete, trials.len()).filter(|n| !notes.contains(n)).into_iter().collect::<Vec<_>>());
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
