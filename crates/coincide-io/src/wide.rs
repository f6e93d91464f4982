//! Wide tables: a row a trial, a column a layer.
//!
//! Three ways of counting, chosen by what a batch holds:
//! * direct ([`crate::direct`]): all layers observed, no clusters, weights or reasons, few combinations;
//! * open addressing: the general case, a hash table of distinct cells;
//! * radix partitions: when a part has found many distinct cells, parts are merged range by range of the hash in
//!   parallel (in `merge`), instead of one after the other.
//!
//! Decoding is the bottleneck, so only the columns needed are decoded, and row groups in parallel.

use crate::batch::{Batch, Lines, Part, Table};
use crate::cell;
use crate::direct::{self, Direct};
use crate::error::{Error, Place, Result};
use crate::options::{ReadOptions, Shard};
use crate::roles::{self, FAILED, HELD, Roles};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use coincide::Progress;
use coincide::{JointOutcomes, Label, ReasonSet, TableBuilder};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads wide tables into one joint outcome table.
pub(crate) fn read(tables: &[Table], roles: &Roles, options: &ReadOptions, progress: Progress<'_>) -> Result<JointOutcomes> {
    let mut parts = Vec::new();
    for (file, table) in tables.iter().enumerate() {
        match table.row_groups() {
            Some(groups) => parts.extend((0..groups).map(|g| Part { file, row_group: Some(g) })),
            None => parts.push(Part { file, row_group: None }),
        }
    }
    // Columnar row groups are dealt out whole; text is dealt out batch by batch.
    let whole = |p: &Part| p.row_group.is_some();
    let many = parts.iter().filter(|p| whole(p)).count() > 1 || parts.len() > 1;
    let total: u64 = tables.iter().filter_map(|t| t.rows(None)).sum();
    let done = AtomicU64::new(0);
    let step = "reading trials";
    progress(step, 0, total);
    // Direct counters that no worker holds right now. Whole numbers add up the same in any order.
    let idle: Mutex<Vec<Direct>> = Mutex::new(Vec::new());
    let one = |(at, part): (usize, &Part)| -> Result<Counted> {
        let table = &tables[part.file];
        let direct = idle.lock().ok().and_then(|mut i| i.pop()).unwrap_or_default();
        let mut reader = Reader::new(table, part.file, roles, direct)?;
        let deal_parts = whole(part);
        if deal_parts && !Shard::takes(options.shard, at) {
            return Ok(reader.finish(&idle));
        }
        let mut piece = 0;
        table.read(part.row_group, &reader.indices.clone(), &mut |batch| {
            piece += 1;
            if !deal_parts && !Shard::takes(options.shard, piece - 1 + at) {
                return Ok(());
            }
            let rows = batch.rows as u64;
            reader.add(&batch)?;
            progress(step, done.fetch_add(rows, Ordering::Relaxed) + rows, total);
            Ok(())
        })?;
        Ok(reader.finish(&idle))
    };
    let counted: Vec<Counted> = if many {
        parts.par_iter().enumerate().map(one).collect::<Result<_>>()?
    } else {
        parts.iter().enumerate().map(one).collect::<Result<_>>()?
    };
    let mut trials: Vec<TrialKey> = Vec::new();
    let mut list = Vec::with_capacity(counted.len());
    for mut c in counted {
        trials.append(&mut c.trials);
        list.push(c.table);
    }
    repeated_trial(tables, roles, trials)?;
    let mut builder = TableBuilder::new(roles.columns.clone())?;
    for direct in idle.into_inner().unwrap_or_default() {
        direct.flush(&mut builder);
    }
    list.push(builder.finish());
    list.retain(|t| !t.is_empty());
    crate::merge::merge(roles.columns.clone(), list, progress)
}

struct Counted {
    table: JointOutcomes,
    trials: Vec<TrialKey>,
}

/// Enough of a trial to find a second one of the same name: 28 bytes a trial, kept only where trials are named.
struct TrialKey {
    hash: u128,
    outcomes: u32,
    file: u32,
    line: u64,
}

struct Reader<'a> {
    table: &'a Table,
    file: usize,
    roles: &'a Roles,
    indices: Vec<usize>,
    builder: TableBuilder,
    direct: Direct,
    trials: Vec<TrialKey>,
    /// For each stratum and cluster column, the level of each text seen.
    levels: Vec<FxHashMap<String, u32>>,
}

impl<'a> Reader<'a> {
    fn new(table: &'a Table, file: usize, roles: &'a Roles, direct: Direct) -> Result<Self> {
        Ok(Reader {
            table,
            file,
            roles,
            indices: roles.indices(table)?,
            builder: TableBuilder::new(roles.columns.clone())?,
            direct,
            trials: Vec::new(),
            levels: vec![FxHashMap::default(); roles.columns.strata.len() + roles.columns.clusters.len()],
        })
    }

    fn finish(self, idle: &Mutex<Vec<Direct>>) -> Counted {
        if let Ok(mut idle) = idle.lock() {
            idle.push(self.direct);
        }
        Counted { table: self.builder.finish(), trials: self.trials }
    }

    fn add(&mut self, batch: &Batch) -> Result<()> {
        let c = &self.roles.columns;
        let plain = c.clusters.is_empty()
            && c.baseline.is_none()
            && self.roles.trial.is_none()
            && self.roles.weight.is_none()
            && self.roles.label.is_none()
            && self.roles.order.is_none()
            && c.layers.len() <= direct::MOST_LAYERS
            && self.roles.cuts.iter().all(Option::is_none);
        if plain && self.direct.add(batch, c.layers.len()) {
            return Ok(());
        }
        self.add_rows(batch)
    }

    /// The general way.
    fn add_rows(&mut self, batch: &Batch) -> Result<()> {
        let roles = self.roles;
        let c = &roles.columns;
        let k = c.layers.len();
        let file = &self.table.source.name;
        let mut at = 0;
        let mut next = || {
            at += 1;
            &batch.columns[at - 1]
        };
        let words = k.div_ceil(64);
        let mut failed = vec![0u64; batch.rows * words];
        let mut observed = vec![0u64; batch.rows * words];
        let mut reasons: Vec<(u32, u16, u16)> = Vec::new();
        let mut codes = Vec::with_capacity(batch.rows);
        for (i, (layer, cut)) in c.layers.iter().zip(&roles.cuts).enumerate() {
            let column = next();
            if cut.is_none()
                && direct::binary(column.as_ref(), |r, failed_here| {
                    failed[r * words + i / 64] |= u64::from(failed_here) << (i % 64);
                    observed[r * words + i / 64] |= 1 << (i % 64);
                })
            {
                continue;
            }
            // Some cell was no outcome: what was noted so far is taken back.
            for r in 0..batch.rows {
                failed[r * words + i / 64] &= !(1 << (i % 64));
                observed[r * words + i / 64] &= !(1 << (i % 64));
            }
            outcome_codes(batch, file, layer, column, *cut, &c.layers, &mut codes)?;
            for (r, &code) in codes.iter().enumerate() {
                match code {
                    FAILED => {
                        failed[r * words + i / 64] |= 1 << (i % 64);
                        observed[r * words + i / 64] |= 1 << (i % 64);
                    }
                    HELD => observed[r * words + i / 64] |= 1 << (i % 64),
                    roles::NOT_RUN => {}
                    other => reasons.push((r as u32, i as u16, other)),
                }
            }
        }
        let mut baseline: Vec<Option<bool>> = Vec::new();
        if let Some(name) = &c.baseline {
            outcome_codes(batch, file, name, next(), roles.baseline_cut, &c.layers, &mut codes)?;
            baseline = codes.iter().map(|&code| (code <= FAILED).then_some(code == FAILED)).collect();
        }
        let mut levels = vec![0u32; batch.rows * self.levels.len()];
        let width = self.levels.len();
        for (f, name) in c.strata.iter().chain(&c.clusters).enumerate() {
            let column = next();
            let (map, builder) = (&mut self.levels[f], &mut self.builder);
            let mut empty = None;
            by_key(
                column,
                &mut |r, text| {
                    if text.is_empty() && f >= c.strata.len() {
                        empty.get_or_insert(r);
                    }
                    level(map, builder, f, roles, text)
                },
                &mut |r, l| levels[r * width + f] = l,
            )
            .map_err(|kind| {
                Error::file(file, format!("column `{name}` of type {kind} cannot name strata or clusters"))
                    .hinted("make it a column of the texts that you want to read")
            })?;
            if let Some(r) = empty {
                return Err(no_cluster(batch, file, r, name));
            }
        }
        if roles.trial.is_some() {
            let mut keys = vec![xxhash_rust::xxh3::Xxh3::new(); batch.rows];
            for _ in roles.trial.iter().chain(&roles.epoch) {
                cell::visit_texts(next().as_ref(), &mut |r, t| {
                    keys[r].update(t.as_bytes());
                    keys[r].update(&[0x1f]);
                })
                .map_err(|kind| Error::file(file, format!("a column of type {kind} cannot name trials")))?;
            }
            for (r, key) in keys.into_iter().enumerate() {
                let mask: Vec<u8> =
                    failed[r * words..][..words].iter().chain(&observed[r * words..][..words]).flat_map(|w| w.to_le_bytes()).collect();
                let line = match &batch.lines {
                    Lines::Text(l) => l[r],
                    Lines::Rows(first) => first + r as u64,
                };
                self.trials.push(TrialKey {
                    hash: key.digest128(),
                    outcomes: xxhash_rust::xxh3::xxh3_64(&mask) as u32,
                    file: self.file as u32,
                    line,
                });
            }
        } else if roles.epoch.is_some() {
            next();
        }
        let weights = roles.weight.as_ref().map(|name| weights(batch, file, name, next())).transpose()?;
        let labels = roles.label.as_ref().map(|name| labels(batch, file, name, next())).transpose()?;
        let mut orders: Option<Vec<u32>> = None;
        if let Some(name) = &roles.order {
            let mut list = Vec::with_capacity(batch.rows);
            let mut bad = None;
            let builder = &mut self.builder;
            let mut known: FxHashMap<String, u32> = FxHashMap::default();
            cell::visit_texts(next().as_ref(), &mut |r, t| {
                if let Some(&id) = known.get(t) {
                    list.push(id);
                    return;
                }
                let id = match parse_order(t, &c.layers) {
                    Ok(order) => builder.order(&order),
                    Err(layer) => {
                        bad.get_or_insert((r, layer));
                        0
                    }
                };
                known.insert(t.to_owned(), id);
                list.push(id);
            })
            .map_err(|kind| Error::file(file, format!("column `{name}` of type {kind} holds no orders")))?;
            if let Some((r, layer)) = bad {
                return Err(Error::Bad {
                    place: batch.place(file, r, Some(name)),
                    what: format!("`{layer}` is not a layer"),
                    hint: Some(format!("write the layers in the order they were asked, as {}", c.layers.join(">"))),
                });
            }
            orders = Some(list);
        }
        reasons.sort_unstable();
        let mut reasons = reasons.as_slice();
        for r in 0..batch.rows {
            let end = reasons.partition_point(|x| x.0 as usize <= r);
            let (own, rest) = reasons.split_at(end);
            reasons = rest;
            let reason_id = if own.is_empty() {
                0
            } else {
                let set: ReasonSet = own.iter().map(|&(_, layer, code)| (layer, roles::reason(code))).collect();
                self.builder.reasons(&set)
            };
            let label = labels.as_ref().map_or(Label::Attack, |l| l[r]);
            let order = orders.as_ref().map_or(0, |o| o[r]);
            let context = self.builder.context(label, baseline.get(r).copied().flatten(), order, reason_id, &levels[r * width..][..width]);
            let weight = weights.as_ref().map_or(1.0, |w| w[r]);
            self.builder.add_masks(context, &failed[r * words..][..words], &observed[r * words..][..words], weight, 1.0);
        }
        Ok(())
    }
}

/// Weights of a batch: positive numbers.
pub(crate) fn weights(batch: &Batch, file: &str, name: &str, column: &ArrayRef) -> Result<Vec<f64>> {
    let list = cell::floats(column.as_ref()).map_err(|kind| Error::file(file, format!("column `{name}` of type {kind} holds no weights")))?;
    let one = |(r, w): (usize, &Option<f64>)| match w {
        Some(w) if *w > 0.0 && *w < 1e100 => Ok(*w),
        _ => Err(Error::Bad {
            place: batch.place(file, r, Some(name)),
            what: "the weight is not a positive number".into(),
            hint: Some("leave out trials that should not count".into()),
        }),
    };
    list.iter().enumerate().map(one).collect()
}

/// Labels of a batch.
pub(crate) fn labels(batch: &Batch, file: &str, name: &str, column: &ArrayRef) -> Result<Vec<Label>> {
    let mut list = Vec::with_capacity(batch.rows);
    let mut bad = None;
    cell::visit_texts(column.as_ref(), &mut |r, t| {
        list.push(roles::label(t).unwrap_or_else(|| {
            bad.get_or_insert((r, t.to_owned()));
            Label::Attack
        }));
    })
    .map_err(|kind| Error::file(file, format!("column `{name}` of type {kind} holds no labels")))?;
    match bad {
        Some((r, text)) => Err(Error::Bad {
            place: batch.place(file, r, Some(name)),
            what: format!("`{text}` is not a label; expected attack, benign or adaptive"),
            hint: Some("if this column means something else, name the label column with --label".into()),
        }),
        None => Ok(list),
    }
}

/// That a trial has no cluster.
pub(crate) fn no_cluster(batch: &Batch, file: &str, row: usize, name: &str) -> Error {
    Error::Bad {
        place: batch.place(file, row, Some(name)),
        what: "the cluster is empty".into(),
        hint: Some("every trial needs its cluster; give trials of their own a name of their own".into()),
    }
}

/// Codes of a layer's column, with the place of what is wrong.
pub(crate) fn outcome_codes(
    batch: &Batch,
    file: &str,
    layer: &str,
    column: &ArrayRef,
    cut: Option<crate::options::Cut>,
    layers: &[String],
    out: &mut Vec<u16>,
) -> Result<()> {
    roles::codes(column.as_ref(), layer, cut, layers, out).map_err(|bad| Error::Bad {
        place: if batch.rows == 0 { Place { file: file.to_owned(), ..Place::default() } } else { batch.place(file, bad.row, Some(layer)) },
        what: bad.what,
        hint: Some(bad.hint),
    })
}

/// The level of a text, remembered per file part.
fn level(map: &mut FxHashMap<String, u32>, builder: &mut TableBuilder, factor: usize, roles: &Roles, text: &str) -> u32 {
    if let Some(&l) = map.get(text) {
        return l;
    }
    let strata = roles.columns.strata.len();
    let l = if factor < strata { builder.stratum_level(factor, text) } else { builder.cluster_level(factor - strata, text) };
    map.insert(text.to_owned(), l);
    l
}

/// Looks up each row's text once per distinct dictionary key where there is a dictionary, else once per row.
fn by_key(column: &ArrayRef, look_up: &mut dyn FnMut(usize, &str) -> u32, put: &mut dyn FnMut(usize, u32)) -> std::result::Result<(), DataType> {
    if let Some(d) = column.as_dictionary_opt::<Int32Type>()
        && let Some(texts) = d.values().as_string_opt::<i32>()
    {
        // A batch may use few of a long dictionary's values: each is looked up when it first occurs.
        let mut known: Vec<Option<u32>> = vec![None; texts.len() + 1];
        for r in 0..d.len() {
            let key = d.key(r).unwrap_or(texts.len());
            let l = match known[key] {
                Some(l) => l,
                None => {
                    let l = look_up(r, if key < texts.len() { texts.value(key) } else { "" });
                    known[key] = Some(l);
                    l
                }
            };
            put(r, l);
        }
        return Ok(());
    }
    cell::visit_texts(column.as_ref(), &mut |r, t| {
        let l = look_up(r, t);
        put(r, l);
    })
}

fn parse_order(text: &str, layers: &[String]) -> std::result::Result<Vec<u16>, String> {
    text.split(['>', ',', ';', '|'])
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(|t| layers.iter().position(|l| l == t).map(|i| i as u16).ok_or_else(|| t.to_owned()))
        .collect()
}

/// Fails if a trial occurs twice.
fn repeated_trial(tables: &[Table], roles: &Roles, mut trials: Vec<TrialKey>) -> Result<()> {
    trials.par_sort_unstable_by_key(|t| (t.hash, t.file, t.line));
    let Some(pair) = trials.windows(2).find(|w| w[0].hash == w[1].hash) else { return Ok(()) };
    let (first, second) = (&pair[0], &pair[1]);
    let Some(column) = &roles.trial else { return Ok(()) };
    let table = &tables[second.file as usize];
    let mut name = String::new();
    if let Some(index) = table.column(column) {
        let mut row = 0u64;
        table.read(None, &[index], &mut |batch| {
            for r in 0..batch.rows {
                row += 1;
                let here = match &batch.lines {
                    Lines::Text(lines) => lines[r] == second.line,
                    Lines::Rows(_) => row == second.line,
                };
                if here {
                    name = cell::texts(batch.columns[0].slice(r, 1).as_ref()).ok().and_then(|mut t| t.pop()).unwrap_or_default();
                }
            }
            Ok(())
        })?;
    }
    let columnar = table.row_groups().is_some();
    let place = Place { file: table.source.name.clone(), line: Some(second.line), row: columnar, column: Some(column.clone()) };
    let earlier = Place { file: tables[first.file as usize].source.name.clone(), line: Some(first.line), row: columnar, column: None };
    let contradiction = if first.outcomes == second.outcomes { "with the same outcomes" } else { "with different outcomes" };
    Err(Error::Bad {
        place,
        what: format!("trial `{name}` was already seen at {earlier}, {contradiction}"),
        hint: Some("a trial is one row; repeats need an `epoch` column, and runs of one layer each --layer-from and --join".into()),
    })
}
