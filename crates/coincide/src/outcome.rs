//! The joint outcome table: every layer's outcome on every trial, kept as counts of distinct rows.
//!
//! A cell is a distinct (label, baseline, order, reasons, strata, clusters, failed mask, observed mask) with the
//! number of trials n, Σw and Σw². That is all any estimate needs, it is mergeable, and its size grows with
//! distinct cells, not with trials. Cells are kept in a canonical order, so that the same trials give the same
//! table whichever way they were read.

use crate::error::{Error, Result};
use crate::layers::{MAX_LAYERS, bit, count, words};
use hashbrown::HashTable;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHasher};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::Hasher;

/// Why a layer has no outcome on a trial. None of these is ever "held".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The layer was not put to this trial.
    NotRun,
    /// The pipeline stopped at this layer, which held, and never asked the later ones.
    CensoredBy(u16),
    /// The layer crashed, timed out or answered with an error.
    Error,
    /// The layer declined to judge.
    Abstain,
    /// The layer answered something that could not be read as a verdict.
    Unparsed,
}

impl Reason {
    /// The word used in files, with layer names for `censored_by`.
    pub fn word(self, layers: &[String]) -> String {
        match self {
            Reason::NotRun => "not_run".into(),
            Reason::CensoredBy(i) => format!("censored_by:{}", layers[usize::from(i)]),
            Reason::Error => "error".into(),
            Reason::Abstain => "abstain".into(),
            Reason::Unparsed => "unparsed".into(),
        }
    }
}

/// One layer's outcome on one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The layer failed: it missed the attack. On a benign trial: it let it pass.
    Failed,
    /// The layer held: it stopped the trial. On a benign trial that is a false alarm.
    Held,
    /// No outcome, and why.
    Missing(Reason),
}

/// Whether a trial is an attack, benign traffic, or was found by an adaptive search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A harmful input: every rate of failure is about these.
    Attack,
    /// Ordinary traffic: false alarms are about these.
    Benign,
    /// A harmful input that was chosen in the light of what the layers had said before. No rate is about these: how often they beat the layers says how good the search was.
    Adaptive,
}

/// A column of strata or clusters: its name and its levels, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Factor {
    /// Column name.
    pub name: String,
    /// Distinct values, ascending.
    pub levels: Vec<String>,
}

/// What the columns of a table are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Columns {
    /// Layers, in the order of the mask's bits.
    pub layers: Vec<String>,
    /// Strata: known conditions to compare within.
    pub strata: Vec<String>,
    /// Clusters: trials in one of these are not independent. Several are crossed.
    pub clusters: Vec<String>,
    /// The undefended pipeline, run on the same trials. Not a layer.
    pub baseline: Option<String>,
}

impl Columns {
    fn check(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(Error::NoLayers);
        }
        if self.layers.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers { got: self.layers.len(), most: MAX_LAYERS });
        }
        for names in [&self.layers, &self.strata, &self.clusters] {
            let mut sorted: Vec<&String> = names.iter().collect();
            sorted.sort();
            if let Some(twice) = sorted.windows(2).find(|w| w[0] == w[1]) {
                return Err(Error::DuplicateName(twice[0].clone()));
            }
        }
        Ok(())
    }
}

/// Context fields before the strata and clusters.
const LABEL: usize = 0;
const BASELINE: usize = 1;
const ORDER: usize = 2;
const REASONS: usize = 3;
const FIXED: usize = 4;

/// Missing cells of one row that are not plain `NotRun`, by layer. Stored once per distinct set.
pub type ReasonSet = Vec<(u16, Reason)>;

/// Open-addressed interning of rows of words.
#[derive(Default, Clone)]
struct Interner<T> {
    width: usize,
    rows: Vec<T>,
    table: HashTable<u32>,
}

fn hash_words<T: Copy + Into<u64>>(row: &[T]) -> u64 {
    let mut h = FxHasher::default();
    row.iter().for_each(|&x| h.write_u64(x.into()));
    // FxHash leaves its entropy in the high bits; hashbrown takes the tag from the high and the slot from the low.
    h.finish().rotate_left(26)
}

impl<T: Copy + Eq + Into<u64>> Interner<T> {
    fn new(width: usize) -> Self {
        Interner { width, rows: Vec::new(), table: HashTable::new() }
    }
    fn len(&self) -> usize {
        self.rows.len() / self.width
    }
    fn get(&self, i: u32) -> &[T] {
        &self.rows[i as usize * self.width..][..self.width]
    }
    fn intern(&mut self, row: &[T]) -> u32 {
        let (rows, width) = (&self.rows, self.width);
        let found = self.table.entry(
            hash_words(row),
            |&i| &rows[i as usize * width..][..width] == row,
            |&i| hash_words(&rows[i as usize * width..][..width]),
        );
        match found {
            hashbrown::hash_table::Entry::Occupied(e) => *e.get(),
            hashbrown::hash_table::Entry::Vacant(e) => {
                let id = (rows.len() / width) as u32;
                e.insert(id);
                self.rows.extend_from_slice(row);
                id
            }
        }
    }
    fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<T>() + self.table.capacity() * 5
    }
}

/// Builds a [`JointOutcomes`] row by row, or table by table.
///
/// ```
/// use coincide::{Columns, Label, Outcome, TableBuilder, TrialRow};
/// let columns = Columns { layers: vec!["filter".into(), "judge".into()], ..Columns::default() };
/// let mut b = TableBuilder::new(columns)?;
/// b.add(&TrialRow { outcomes: &[Outcome::Failed, Outcome::Held], ..TrialRow::default() });
/// b.add(&TrialRow { outcomes: &[Outcome::Failed, Outcome::Failed], ..TrialRow::default() });
/// let table = b.finish();
/// assert_eq!(table.attack_trials(), 2.0);
/// # Ok::<(), coincide::Error>(())
/// ```
pub struct TableBuilder {
    columns: Columns,
    levels: Vec<FxHashMap<String, u32>>, // strata, then clusters
    reasons: FxHashMap<ReasonSet, u32>,
    reason_list: Vec<ReasonSet>,
    orders: FxHashMap<Vec<u16>, u32>,
    order_list: Vec<Vec<u16>>,
    contexts: Interner<u32>,
    cells: Interner<u64>,
    sums: Vec<[f64; 3]>,
    averaged: bool,
    key: Vec<u64>,
}

impl fmt::Debug for TableBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableBuilder").field("columns", &self.columns).field("cells", &self.cells.len()).finish_non_exhaustive()
    }
}

/// One trial, as a reader hands it to [`TableBuilder::add`].
#[derive(Debug, Clone, Copy)]
pub struct TrialRow<'a> {
    /// One outcome per layer.
    pub outcomes: &'a [Outcome],
    /// One value per stratum column.
    pub strata: &'a [&'a str],
    /// One value per cluster column.
    pub clusters: &'a [&'a str],
    /// The baseline's outcome, where there is a baseline column.
    pub baseline: Outcome,
    /// Attack or benign.
    pub label: Label,
    /// Layers in the order in which they were asked, where recorded.
    pub order: &'a [u16],
    /// Weight of the trial, positive.
    pub weight: f64,
    /// Share of a trial that this row is: 1, or less where repeats of separate runs are averaged.
    pub share: f64,
}

impl Default for TrialRow<'_> {
    fn default() -> Self {
        TrialRow {
            outcomes: &[],
            strata: &[],
            clusters: &[],
            baseline: Outcome::Missing(Reason::NotRun),
            label: Label::Attack,
            order: &[],
            weight: 1.0,
            share: 1.0,
        }
    }
}

impl TableBuilder {
    /// A builder for a table with these columns. Fails without layers, with more than [`MAX_LAYERS`], or when
    /// a name is used twice.
    pub fn new(columns: Columns) -> Result<Self> {
        columns.check()?;
        let factors = columns.strata.len() + columns.clusters.len();
        let w = words(columns.layers.len());
        let mut b = TableBuilder {
            levels: vec![FxHashMap::default(); factors],
            reasons: FxHashMap::default(),
            reason_list: Vec::new(),
            orders: FxHashMap::default(),
            order_list: Vec::new(),
            contexts: Interner::new(FIXED + factors),
            cells: Interner::new(1 + 2 * w),
            sums: Vec::new(),
            averaged: false,
            key: vec![0; 1 + 2 * w],
            columns,
        };
        b.reason_id(&Vec::new());
        b.order_id(&[]);
        Ok(b)
    }

    /// The columns of the table being built.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Bytes held by the counts so far: it grows with distinct rows, not with trials.
    pub fn bytes(&self) -> usize {
        self.contexts.bytes()
            + self.cells.bytes()
            + self.sums.capacity() * 24
            + self.levels.iter().flat_map(|m| m.keys().map(|k| k.len() + 40)).sum::<usize>()
    }

    /// The id of a stratum's level.
    pub fn stratum_level(&mut self, stratum: usize, value: &str) -> u32 {
        self.level(stratum, value)
    }
    /// The id of a cluster's level.
    pub fn cluster_level(&mut self, cluster: usize, value: &str) -> u32 {
        self.level(self.columns.strata.len() + cluster, value)
    }
    fn level(&mut self, factor: usize, value: &str) -> u32 {
        let map = &mut self.levels[factor];
        if let Some(&id) = map.get(value) {
            return id;
        }
        let id = map.len() as u32;
        map.insert(value.to_owned(), id);
        id
    }
    fn reason_id(&mut self, set: &ReasonSet) -> u32 {
        intern(&mut self.reasons, &mut self.reason_list, set.clone())
    }
    fn order_id(&mut self, order: &[u16]) -> u32 {
        intern(&mut self.orders, &mut self.order_list, order.to_vec())
    }

    /// The id of a set of missing reasons.
    pub fn reasons(&mut self, set: &ReasonSet) -> u32 {
        self.reason_id(set)
    }
    /// The id of a recorded order; the empty order is id 0.
    pub fn order(&mut self, order: &[u16]) -> u32 {
        self.order_id(order)
    }

    /// The id of a context, for [`Self::add_counted`] and [`Self::add_masks`]; `levels` as returned by
    /// [`Self::stratum_level`] for every stratum and then [`Self::cluster_level`] for every cluster column.
    pub fn context(&mut self, label: Label, baseline: Option<bool>, order: u32, reasons: u32, levels: &[u32]) -> u32 {
        let mut row = [0u32; 32];
        let width = FIXED + levels.len();
        if width > row.len() {
            let mut row = vec![label as u32, baseline.map_or(2, u32::from), order, reasons];
            row.extend_from_slice(levels);
            return self.contexts.intern(&row);
        }
        row[LABEL] = label as u32;
        row[BASELINE] = baseline.map_or(2, u32::from);
        row[ORDER] = order;
        row[REASONS] = reasons;
        row[FIXED..width].copy_from_slice(levels);
        self.contexts.intern(&row[..width])
    }

    /// Adds `n` trials of unit weight with all layers observed. For tables of up to 64 layers.
    pub fn add_counted(&mut self, context: u32, failed: u64, n: u64) {
        let all = u64::MAX >> (64 - self.columns.layers.len());
        self.add_cell(context, &[failed], &[all], [n as f64; 3]);
    }

    /// Adds one trial of weight `weight` from its masks; `share` as in [`TrialRow`].
    pub fn add_masks(&mut self, context: u32, failed: &[u64], observed: &[u64], weight: f64, share: f64) {
        self.averaged |= share < 1.0;
        self.add_cell(context, failed, observed, [share, share * weight, share * weight * weight]);
    }

    /// Adds a counted cell as a counts file holds it.
    pub fn add_sums(&mut self, context: u32, failed: &[u64], observed: &[u64], n: f64, w: f64, w2: f64) {
        self.averaged |= n.fract() > 0.0;
        self.add_cell(context, failed, observed, [n, w, w2]);
    }

    fn add_cell(&mut self, context: u32, failed: &[u64], observed: &[u64], sums: [f64; 3]) {
        let w = failed.len();
        let mut key = std::mem::take(&mut self.key);
        key[0] = u64::from(context);
        key[1..=w].copy_from_slice(failed);
        key[1 + w..].copy_from_slice(observed);
        let id = self.cells.intern(&key) as usize;
        self.key = key;
        if id == self.sums.len() {
            self.sums.push([0.0; 3]);
        }
        self.sums[id].iter_mut().zip(sums).for_each(|(a, b)| *a += b);
    }

    /// Adds one trial.
    pub fn add(&mut self, row: &TrialRow<'_>) {
        let w = words(self.columns.layers.len());
        let (mut failed, mut observed) = (vec![0u64; w], vec![0u64; w]);
        let mut reasons = ReasonSet::new();
        for (i, outcome) in row.outcomes.iter().enumerate() {
            match *outcome {
                Outcome::Failed => {
                    failed[i / 64] |= 1 << (i % 64);
                    observed[i / 64] |= 1 << (i % 64);
                }
                Outcome::Held => observed[i / 64] |= 1 << (i % 64),
                Outcome::Missing(Reason::NotRun) => {}
                Outcome::Missing(r) => reasons.push((i as u16, r)),
            }
        }
        let baseline = match row.baseline {
            Outcome::Failed => Some(true),
            Outcome::Held => Some(false),
            Outcome::Missing(_) => None,
        };
        let mut levels = Vec::with_capacity(row.strata.len() + row.clusters.len());
        levels.extend(row.strata.iter().enumerate().map(|(i, v)| self.level(i, v)));
        let strata = self.columns.strata.len();
        levels.extend(row.clusters.iter().enumerate().map(|(i, v)| self.level(strata + i, v)));
        let (order, reasons) = (self.order_id(row.order), self.reason_id(&reasons));
        let context = self.context(row.label, baseline, order, reasons, &levels);
        self.add_masks(context, &failed, &observed, row.weight, row.share);
    }

    /// Adds all cells of another table. Fails when the columns differ.
    pub fn merge(&mut self, other: &JointOutcomes) -> Result<()> {
        if other.columns != self.columns {
            return Err(Error::Incompatible(difference(&self.columns, &other.columns)));
        }
        let levels: Vec<Vec<u32>> = other.factors().enumerate().map(|(f, factor)| factor.levels.iter().map(|l| self.level(f, l)).collect()).collect();
        let reasons: Vec<u32> = other.reasons.iter().map(|r| self.reason_id(r)).collect();
        let orders: Vec<u32> = other.orders.iter().map(|o| self.order_id(o)).collect();
        let width = FIXED + levels.len();
        let contexts: Vec<u32> = other
            .contexts
            .chunks_exact(width)
            .map(|row| {
                let mut row = row.to_vec();
                row[ORDER] = orders[row[ORDER] as usize];
                row[REASONS] = reasons[row[REASONS] as usize];
                for (f, map) in levels.iter().enumerate() {
                    row[FIXED + f] = map[row[FIXED + f] as usize];
                }
                self.contexts.intern(&row)
            })
            .collect();
        for i in 0..other.len() {
            self.add_cell(contexts[other.context[i] as usize], other.failed(i), other.observed(i), [other.n[i], other.w[i], other.w2[i]]);
        }
        self.averaged |= other.averaged;
        Ok(())
    }

    /// The table, its cells in canonical order.
    pub fn finish(self) -> JointOutcomes {
        let names = self.columns.strata.iter().chain(&self.columns.clusters);
        let (factors, maps): (Vec<Factor>, Vec<Vec<u32>>) = self
            .levels
            .iter()
            .zip(names)
            .map(|(levels, name)| {
                let mut sorted: Vec<(&String, u32)> = levels.iter().map(|(k, &v)| (k, v)).collect();
                sorted.sort();
                let mut map = vec![0; sorted.len()];
                sorted.iter().enumerate().for_each(|(new, &(_, old))| map[old as usize] = new as u32);
                (Factor { name: name.clone(), levels: sorted.into_iter().map(|(k, _)| k.clone()).collect() }, map)
            })
            .unzip();
        let (reasons, reason_map) = canonical(&self.reason_list);
        let (orders, order_map) = canonical(&self.order_list);
        let width = self.contexts.width;
        let mut rows: Vec<(Vec<u32>, u32)> = (0..self.contexts.len() as u32)
            .map(|i| {
                let mut row = self.contexts.get(i).to_vec();
                row[ORDER] = order_map[row[ORDER] as usize];
                row[REASONS] = reason_map[row[REASONS] as usize];
                maps.iter().enumerate().for_each(|(f, map)| row[FIXED + f] = map[row[FIXED + f] as usize]);
                (row, i)
            })
            .collect();
        rows.par_sort_unstable();
        let mut context_map = vec![0u32; rows.len()];
        rows.iter().enumerate().for_each(|(new, &(_, old))| context_map[old as usize] = new as u32);
        let mut contexts = Vec::with_capacity(rows.len() * width);
        rows.iter().for_each(|(row, _)| contexts.extend_from_slice(row));

        let w = words(self.columns.layers.len());
        let key = |i: u32| {
            let cell = self.cells.get(i);
            (context_map[cell[0] as usize], &cell[1 + w..], &cell[1..=w])
        };
        let mut index: Vec<u32> = (0..self.cells.len() as u32).collect();
        if w == 1 {
            // One word a mask: sort the keys themselves instead of looking them up at every comparison.
            let mut keyed: Vec<(u32, u64, u64, u32)> = index.par_iter().map(|&i| (key(i).0, key(i).1[0], key(i).2[0], i)).collect();
            keyed.par_sort_unstable();
            index = keyed.into_iter().map(|k| k.3).collect();
        } else {
            index.par_sort_unstable_by(|&a, &b| key(a).cmp(&key(b)));
        }
        let mut table = JointOutcomes {
            words: w,
            strata: factors[..self.columns.strata.len()].to_vec(),
            clusters: factors[self.columns.strata.len()..].to_vec(),
            columns: self.columns.clone(),
            reasons,
            orders,
            contexts,
            averaged: self.averaged,
            ..JointOutcomes::default()
        };
        for i in index {
            let (context, observed, failed) = key(i);
            table.context.push(context);
            table.observed.extend_from_slice(observed);
            table.failed.extend_from_slice(failed);
            let [n, w, w2] = self.sums[i as usize];
            table.n.push(n);
            table.w.push(w);
            table.w2.push(w2);
        }
        table
    }
}

fn intern<K: Clone + Eq + std::hash::Hash>(map: &mut FxHashMap<K, u32>, list: &mut Vec<K>, key: K) -> u32 {
    if let Some(&id) = map.get(&key) {
        return id;
    }
    let id = list.len() as u32;
    map.insert(key.clone(), id);
    list.push(key);
    id
}

/// Sorted copy of a list of distinct values and the map from old to new index.
fn canonical<T: Clone + Ord>(list: &[T]) -> (Vec<T>, Vec<u32>) {
    let mut index: Vec<usize> = (0..list.len()).collect();
    index.sort_by(|&a, &b| list[a].cmp(&list[b]));
    let mut map = vec![0; list.len()];
    index.iter().enumerate().for_each(|(new, &old)| map[old] = new as u32);
    (index.into_iter().map(|i| list[i].clone()).collect(), map)
}

fn difference(a: &Columns, b: &Columns) -> String {
    for (what, x, y) in [("layers", &a.layers, &b.layers), ("strata", &a.strata, &b.strata), ("clusters", &a.clusters, &b.clusters)] {
        if x != y {
            return format!("one has the {what} [{}], the other [{}]", x.join(", "), y.join(", "));
        }
    }
    format!("one has the baseline {:?}, the other {:?}", a.baseline, b.baseline)
}

/// The joint outcome table: what was seen, as mergeable counts. Everything Coincide says about a stack is a
/// function of it. Build one with [`TableBuilder`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JointOutcomes {
    columns: Columns,
    strata: Vec<Factor>,
    clusters: Vec<Factor>,
    reasons: Vec<ReasonSet>,
    orders: Vec<Vec<u16>>,
    contexts: Vec<u32>,
    words: usize,
    context: Vec<u32>,
    failed: Vec<u64>,
    observed: Vec<u64>,
    n: Vec<f64>,
    w: Vec<f64>,
    w2: Vec<f64>,
    averaged: bool,
}

/// One cell of the table: a distinct row and how often it was seen.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    table: &'a JointOutcomes,
    row: &'a [u32],
    /// Mask of the layers that failed.
    pub failed: &'a [u64],
    /// Mask of the layers with an outcome.
    pub observed: &'a [u64],
    /// Number of trials (fractional where repeats of separate runs were averaged).
    pub n: f64,
    /// Σ w.
    pub w: f64,
    /// Σ w².
    pub w2: f64,
}

impl<'a> Cell<'a> {
    /// Attack, benign or adaptive.
    pub fn label(&self) -> Label {
        [Label::Attack, Label::Benign, Label::Adaptive].into_iter().find(|l| self.row[LABEL] == *l as u32).unwrap_or(Label::Benign)
    }
    /// Whether the baseline failed, where it has an outcome.
    pub fn baseline_failed(&self) -> Option<bool> {
        (self.row[BASELINE] < 2).then_some(self.row[BASELINE] == 1)
    }
    /// Level indices of the strata.
    pub fn strata(&self) -> &'a [u32] {
        &self.row[FIXED..FIXED + self.table.strata.len()]
    }
    /// Level indices of the clusters.
    pub fn clusters(&self) -> &'a [u32] {
        &self.row[FIXED + self.table.strata.len()..]
    }
    /// The recorded order of the layers; empty where none was recorded.
    pub fn order(&self) -> &'a [u16] {
        &self.table.orders[self.row[ORDER] as usize]
    }
    /// Reasons of missing cells other than `NotRun`.
    pub fn reasons(&self) -> &'a [(u16, Reason)] {
        &self.table.reasons[self.row[REASONS] as usize]
    }
    /// Why layer `i` has no outcome here; `None` if it has one.
    pub fn missing(&self, i: usize) -> Option<Reason> {
        if bit(self.observed, i) {
            return None;
        }
        Some(self.reasons().iter().find(|&&(l, _)| usize::from(l) == i).map_or(Reason::NotRun, |&(_, r)| r))
    }
    /// How many layers failed.
    pub fn failures(&self) -> usize {
        count(self.failed)
    }
    /// Whether every layer has an outcome.
    pub fn complete(&self) -> bool {
        count(self.observed) == self.table.columns.layers.len()
    }
    /// Three-valued "all of the set failed": `Some(false)` as soon as one observed layer held, `Some(true)` if all
    /// were observed and failed, else `None`.
    pub fn all_failed(&self, set: &[u64]) -> Option<bool> {
        let mut open = false;
        for ((s, f), o) in set.iter().zip(self.failed).zip(self.observed) {
            if s & o & !f != 0 {
                return Some(false);
            }
            open |= s & !o != 0;
        }
        (!open).then_some(true)
    }
}

impl JointOutcomes {
    /// What the columns are.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }
    /// Names of the layers.
    pub fn layers(&self) -> &[String] {
        &self.columns.layers
    }
    /// Stratum columns with their levels.
    pub fn strata(&self) -> &[Factor] {
        &self.strata
    }
    /// Cluster columns with their levels.
    pub fn clusters(&self) -> &[Factor] {
        &self.clusters
    }
    fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.strata.iter().chain(&self.clusters)
    }
    /// Number of distinct cells.
    pub fn len(&self) -> usize {
        self.n.len()
    }
    /// Whether there is no cell at all.
    pub fn is_empty(&self) -> bool {
        self.n.is_empty()
    }
    /// Whether repeats of separate runs were averaged over their combinations.
    pub fn averaged(&self) -> bool {
        self.averaged
    }
    fn failed(&self, i: usize) -> &[u64] {
        &self.failed[i * self.words..][..self.words]
    }
    fn observed(&self, i: usize) -> &[u64] {
        &self.observed[i * self.words..][..self.words]
    }
    /// Cell `i`.
    pub fn cell(&self, i: usize) -> Cell<'_> {
        let width = FIXED + self.strata.len() + self.clusters.len();
        Cell {
            table: self,
            row: &self.contexts[self.context[i] as usize * width..][..width],
            failed: self.failed(i),
            observed: self.observed(i),
            n: self.n[i],
            w: self.w[i],
            w2: self.w2[i],
        }
    }
    /// All cells, in canonical order.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.len()).map(|i| self.cell(i))
    }
    /// Cells of attack trials.
    pub fn attacks(&self) -> impl Iterator<Item = Cell<'_>> {
        self.cells().filter(|c| c.label() == Label::Attack)
    }
    /// How many independent attacks a unit of their weight is worth: the smallest (ΣW_c)²/ΣW_c² over the cluster columns, or over the trials where there is none, by ΣW. 1 for independent trials without weights; 0 without attacks.
    pub fn worth_of_weight(&self) -> f64 {
        let attacks = || self.cells().filter(|c| c.label() == Label::Attack);
        let total: f64 = attacks().map(|c| c.w).sum();
        let mut least = total * total / attacks().map(|c| c.w2).sum::<f64>();
        for (f, factor) in self.clusters().iter().enumerate() {
            let mut sums = vec![0.0; factor.levels.len()];
            attacks().for_each(|c| sums[c.clusters()[f] as usize] += c.w);
            least = least.min(total * total / sums.iter().map(|w| w * w).sum::<f64>());
        }
        if total > 0.0 { least / total } else { 0.0 }
    }
    /// Number of attack trials.
    pub fn attack_trials(&self) -> f64 {
        self.attacks().map(|c| c.n).sum()
    }
    /// Whether any trial has a weight other than 1.
    pub fn weighted(&self) -> bool {
        self.cells().any(|c| c.w.to_bits() != c.n.to_bits() || c.w2.to_bits() != c.n.to_bits())
    }
    /// The cells for which `keep` says so, as a table with the same columns and levels.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Cell<'_>) -> bool) -> JointOutcomes {
        let mut out = JointOutcomes {
            columns: self.columns.clone(),
            strata: self.strata.clone(),
            clusters: self.clusters.clone(),
            reasons: self.reasons.clone(),
            orders: self.orders.clone(),
            contexts: self.contexts.clone(),
            words: self.words,
            averaged: self.averaged,
            ..JointOutcomes::default()
        };
        for (i, cell) in self.cells().enumerate() {
            if keep(&cell) {
                out.context.push(self.context[i]);
                out.failed.extend_from_slice(cell.failed);
                out.observed.extend_from_slice(cell.observed);
                out.n.push(cell.n);
                out.w.push(cell.w);
                out.w2.push(cell.w2);
            }
        }
        out
    }
    /// The index of a layer by name.
    pub fn layer(&self, name: &str) -> Result<usize> {
        self.columns
            .layers
            .iter()
            .position(|l| l == name)
            .ok_or_else(|| Error::UnknownLayer { name: name.to_owned(), known: self.columns.layers.join(", ") })
    }
}
