//! What importers gather, and how it becomes a table: which values of a layer failed, which rows are one trial, what is missing and why.
//!
//! Memory grows with trials times layers, not with the log.

use super::Tool;
use crate::error::{Error, Result};
use crate::options::{Cut, LayerFrom, ReadOptions};
use crate::outcomes_file::{LayerDescription, OutcomesHeader, Scale};
use crate::roles::{self, FAILED};
use crate::source::file_stem;
use crate::toml_file::suggestion;
use arrow_array::builder::{StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use coincide::FailsWhen;
use coincide::Reason;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one layer said on one trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    /// A verdict as 0 or 1, or a score. Finite.
    Value(f64),
    Missing(Reason),
}

/// How a tool's values are read where the user says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Which values failed. `None`: the log does not say, so the user has to.
    pub fails_when: Option<FailsWhen>,
    /// What a value of 1 is called in the log.
    pub high: &'static str,
}

/// One row of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub trial: String,
    /// The run it comes from, by [`Gather::run`].
    pub run: u32,
    /// Which repeat of the trial in that run: rows with the same number are one look at it.
    pub epoch: u32,
    /// A text for each of [`Gather::columns`]; empty where there is none.
    pub context: Vec<String>,
    /// Answers by [`Gather::layer`].
    pub cells: Vec<(u16, Cell)>,
}

#[derive(Debug, Clone)]
struct Layer {
    name: String,
    rule: Rule,
    /// Texts that are no verdicts: how many, and the first.
    odd: (u64, String),
}

/// Rows of one or more logs of a tool.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// Names of the columns beside trial and layers.
    pub columns: Vec<String>,
    /// Every name that could have been asked for, for errors about one that is not there.
    pub known: BTreeSet<String>,
    layers: Vec<Layer>,
    index: FxHashMap<String, u16>,
    too_many: bool,
    runs: Vec<Run>,
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
    /// How many texts were too long to keep, by column; the last is for names of trials.
    shortened: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Run {
    name: String,
    /// Where the run itself cut its scores: 1 from there on, else 0. The user's thresholds go before.
    cut: Option<f64>,
}

/// What the importer knows of the whole.
pub(crate) struct About {
    pub tool: Tool,
    /// Clusters and strata where the user names none.
    pub clusters: Vec<String>,
    pub strata: Vec<String>,
    /// What has to be said where a rule leaves open what failed.
    pub ask: &'static str,
    /// Rows of different runs are one trial where their names agree.
    pub joined: bool,
    /// Layers come from runs of their own.
    pub separate: bool,
    /// Columns that name a trial in separate runs where the user names none.
    pub join: &'static [&'static str],
}

/// A layer as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLayer {
    /// Its name.
    pub name: String,
    /// Which values failed, in the log's words.
    pub rule: String,
    /// Trials on which it failed.
    pub failed: u64,
    /// Trials on which it held.
    pub held: u64,
    /// Trials without an outcome, by reason.
    pub missing: Vec<(String, u64)>,
}

/// A table out of logs.
pub(crate) struct Gathered {
    pub batch: RecordBatch,
    pub header: OutcomesHeader,
    pub layers: Vec<ImportedLayer>,
    pub trials: u64,
    pub notes: Vec<String>,
}

/// Layers that logs may name, at most; more are a mistake or malice.
const MOST_LAYERS: usize = 4096;
/// Bytes of a trial's name, or of a text of a column, that are kept as they are.
const MOST_TEXT: usize = 1 << 16;
/// Characters of a longer text that are kept, beside its hash.
const SHORT: usize = 200;
/// Columns that mean something by their name: a layer cannot have it.
const TAKEN: [&str; 9] = ["", "trial", "run", "epoch", "layer", "outcome", "weight", "label", "goal"];
/// Columns of a table with a row a trial, run, repeat and layer.
const LONG: [&str; 5] = ["trial", "run", "epoch", "layer", "outcome"];
/// Names in a sentence, at most.
const NAMED: usize = 5;

/// The first names of a list, and how many more there are.
fn some_of<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(NAMED);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// "`n` of `all` trials are not in every run", with what lacks where; nothing where nothing lacks.
pub(crate) fn unmatched(layers: &[String], lacking: &[Vec<&str>], incomplete: u64, all: usize) -> Option<String> {
    if incomplete == 0 {
        return None;
    }
    let parts: Vec<String> = layers
        .iter()
        .zip(lacking)
        .filter(|(_, l)| !l.is_empty())
        .map(|(l, names)| format!("{} lack `{l}`: {}", names.len(), some_of(names)))
        .collect();
    Some(format!("{incomplete} of {all} trials are not in every run ({}); they count as not_run there", parts.join("; ")))
}

impl Gather {
    /// A gatherer of these columns.
    pub(crate) fn new(columns: Vec<String>) -> Self {
        Gather { columns, ..Gather::default() }
    }

    /// The number of a layer; its rule is the first that was given.
    pub(crate) fn layer(&mut self, name: &str, rule: Rule) -> u16 {
        if let Some(&i) = self.index.get(name) {
            return i;
        }
        if self.layers.len() >= MOST_LAYERS {
            // No log of a real system: finishing fails.
            self.too_many = true;
            return 0;
        }
        let i = self.layers.len() as u16;
        self.layers.push(Layer { name: name.to_owned(), rule, odd: (0, String::new()) });
        self.index.insert(name.to_owned(), i);
        i
    }

    /// The number of a layer that has been seen.
    pub(crate) fn layer_number(&self, name: &str) -> Option<u16> {
        self.index.get(name).copied()
    }

    /// How many layers there are so far.
    pub(crate) fn layer_count(&self) -> u16 {
        self.layers.len() as u16
    }

    /// Remembers a text that is no verdict.
    pub(crate) fn odd(&mut self, layer: u16, text: &str) {
        let odd = &mut self.layers[usize::from(layer)].odd;
        if odd.0 == 0 {
            odd.1 = text.chars().take(40).collect();
        }
        odd.0 += 1;
    }

    /// The number of a run, for [`Row::run`]; the name stands in errors.
    pub(crate) fn run(&mut self, name: &str) -> u32 {
        self.runs.push(Run { name: name.to_owned(), cut: None });
        self.runs.len() as u32 - 1
    }

    /// Says where a run cut its scores.
    pub(crate) fn cut_of_run(&mut self, run: u32, cut: f64) {
        self.runs[run as usize].cut = Some(cut);
    }

    /// A text for each column by `find`, empty where it finds none.
    pub(crate) fn context(&self, mut find: impl FnMut(&str) -> Option<String>) -> Vec<String> {
        self.columns.iter().map(|c| find(c).unwrap_or_default()).collect()
    }

    /// Adds a row, a layer at most once in it. Very long texts are shortened, with a hash that tells them apart.
    pub(crate) fn push(&mut self, mut row: Row) {
        debug_assert!(row.cells.iter().map(|c| c.0).collect::<BTreeSet<_>>().len() == row.cells.len() || self.too_many, "{row:?}");
        self.shorten(&mut row.trial, self.columns.len());
        row.context.iter_mut().enumerate().for_each(|(c, text)| self.shorten(text, c));
        self.rows.push(row);
    }

    /// The name of a run.
    pub(crate) fn run_name(&self, run: u32) -> &str {
        self.runs.get(run as usize).map_or("the log", |r| r.name.as_str())
    }

    /// The name of a layer.
    pub(crate) fn layer_name(&self, layer: u16) -> &str {
        &self.layers[usize::from(layer)].name
    }

    /// Sets a column's text in a row, like [`Gather::push`].
    pub(crate) fn set_context(&mut self, row: usize, column: usize, mut text: String) {
        self.shorten(&mut text, column);
        self.rows[row].context[column] = text;
    }

    fn shorten(&mut self, text: &mut String, column: usize) {
        if text.len() > MOST_TEXT {
            let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
            *text = format!("{}… ({} bytes, {hash:032x})", text.chars().take(SHORT).collect::<String>(), text.len());
            self.shortened.resize(self.columns.len() + 1, 0);
            self.shortened[column] += 1;
        }
    }

    /// Numbers the repeats of a trial within a run: rows in which the same layer answers again.
    pub(crate) fn number_repeats(&mut self) {
        let mut seen: FxHashMap<(u32, &str, u16), u32> = FxHashMap::default();
        let mut epochs = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let mut epoch = 0;
            for (layer, _) in &row.cells {
                let n = seen.entry((row.run, &row.trial, *layer)).or_insert(0);
                epoch = epoch.max(*n);
                *n += 1;
            }
            epochs.push(epoch);
        }
        self.rows.iter_mut().zip(epochs).for_each(|(row, epoch)| row.epoch = epoch);
    }

    /// Adds the rows of another gatherer of the same columns.
    pub(crate) fn absorb(&mut self, other: Gather) {
        let layers: Vec<u16> = other
            .layers
            .iter()
            .map(|l| {
                let i = self.layer(&l.name, l.rule);
                let odd = &mut self.layers[usize::from(i)].odd;
                if odd.0 == 0 {
                    odd.1.clone_from(&l.odd.1);
                }
                odd.0 += l.odd.0;
                i
            })
            .collect();
        let first = self.runs.len() as u32;
        self.runs.extend(other.runs);
        self.known.extend(other.known);
        self.rows.extend(other.rows.into_iter().map(|mut row| {
            row.run += first;
            for (layer, cell) in &mut row.cells {
                *layer = layers[usize::from(*layer)];
                if let Cell::Missing(Reason::CensoredBy(by)) = cell {
                    *by = layers[usize::from(*by)];
                }
            }
            row
        }));
        self.notes.extend(other.notes);
        self.too_many |= other.too_many;
        self.shortened.resize(self.columns.len() + 1, 0);
        self.shortened.iter_mut().zip(other.shortened).for_each(|(n, m)| *n += m);
    }

    /// The same rows with separate runs joined: a layer is named after what `from` says of its run, and rows with the same `join` are one trial. Rows of one run that
    /// were trials of their own are repeats of it.
    ///
    /// Fails where a run's name or a trial's key is empty.
    pub(crate) fn join_runs(mut self, from: &LayerFrom, options: &ReadOptions, about: &About) -> Result<Gather> {
        self.columns_exist()?;
        let join = &options.join;
        let join: Vec<String> = if join.is_empty() { about.join.iter().map(|s| (*s).to_owned()).collect() } else { join.to_vec() };
        let column = |name: &String| self.columns.iter().position(|c| c == name);
        if let Some(lacks) = join.iter().find(|j| *j != "trial" && column(j).is_none()) {
            return Err(Error::options(format!("the logs have no column `{lacks}` to join on"), "name another column with --join"));
        }
        let keys: Vec<Option<usize>> = join.iter().map(column).collect();
        let named = match from {
            LayerFrom::Column(c) if c == super::SCORER => None,
            LayerFrom::Column(c) => {
                let none = || Error::options(format!("the logs have no column `{c}` to name layers after"), "name another column with --layer-from");
                Some(Some(column(c).ok_or_else(none)?))
            }
            LayerFrom::File => Some(None),
        };
        let name_of = |row: &Row| -> Option<String> {
            Some(match named? {
                Some(c) => row.context[c].clone(),
                None => file_stem(&self.runs[row.run as usize].name),
            })
        };
        let mut layers_of: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(name) = name_of(row) {
                layers_of.entry(name).or_default().extend(row.cells.iter().map(|c| c.0));
            }
        }
        let single = layers_of.values().all(|l| l.len() <= 1);
        let mut out = Gather {
            columns: self.columns.clone(),
            known: std::mem::take(&mut self.known),
            runs: self.runs.clone(),
            too_many: self.too_many,
            shortened: std::mem::take(&mut self.shortened),
            ..Gather::default()
        };
        out.notes = std::mem::take(&mut self.notes);
        if !single {
            out.notes.push("runs have several layers each, which are named run:layer; pick some with --layers".into());
        }
        let mut numbers: FxHashMap<(String, u16), u16> = FxHashMap::default();
        let mut repeats = Repeats::default();
        for row in &self.rows {
            let run = name_of(row);
            let trial: Vec<&str> = keys.iter().map(|k| k.map_or(row.trial.as_str(), |c| row.context[c].as_str())).collect();
            if trial.iter().any(|t| t.is_empty()) || run.as_ref().is_some_and(String::is_empty) {
                let (what, name) =
                    if run.as_ref().is_some_and(String::is_empty) { ("name for its layer", "--layer-from") } else { ("key to join it on", "--join") };
                return Err(Error::options(
                    format!("trial `{}` of {} has no {what}", row.trial, self.runs[row.run as usize].name),
                    format!("name another column with {name}"),
                ));
            }
            let trial = trial.join(", ");
            let mut number = |l: u16| match numbers.get(&(run.clone().unwrap_or_default(), l)) {
                Some(&n) => n,
                None => {
                    let layer = &self.layers[usize::from(l)];
                    let name = match &run {
                        Some(run) if single => run.clone(),
                        Some(run) => format!("{run}:{}", layer.name),
                        None => layer.name.clone(),
                    };
                    let n = out.layer(&name, layer.rule);
                    numbers.insert((run.clone().unwrap_or_default(), l), n);
                    n
                }
            };
            let cells = row
                .cells
                .iter()
                .map(|&(l, cell)| {
                    let n = number(l);
                    let cell = match cell {
                        Cell::Missing(Reason::CensoredBy(by)) => Cell::Missing(Reason::CensoredBy(number(by))),
                        other => other,
                    };
                    (n, cell)
                })
                .collect();
            let epoch = repeats.number(&trial, row);
            out.rows.push(Row { trial, cells, epoch, run: row.run, context: row.context.clone() });
        }
        // What differs between the runs of a trial belongs to the run: it named the layer, and is no column any more.
        let dropped: Vec<usize> = named.flatten().into_iter().filter(|&c| !join.contains(&self.columns[c])).collect();
        dropped.into_iter().for_each(|c| out.drop_column(c));
        // Neither do columns belong to the trial that nobody asked for and that differ in it.
        let asked = |c: &String| {
            let lists = [&options.strata, &options.clusters, &join];
            lists.iter().any(|l| l.contains(c)) || [&options.weight, &options.label].contains(&&Some(c.clone()))
        };
        for c in (0..out.columns.len()).rev().filter(|&c| !asked(&out.columns[c])).collect::<Vec<_>>() {
            let mut of_trial: FxHashMap<&str, &str> = FxHashMap::default();
            let mut filled = out.rows.iter().map(|r| (r.trial.as_str(), r.context[c].as_str())).filter(|(_, text)| !text.is_empty());
            if filled.any(|(trial, text)| *of_trial.entry(trial).or_insert(text) != text) {
                out.notes.push(format!("column `{}` differs within trials that were joined: it is left out", out.columns[c]));
                out.drop_column(c);
            }
        }
        Ok(out)
    }

    fn drop_column(&mut self, c: usize) {
        self.columns.remove(c);
        self.rows.iter_mut().for_each(|r| drop(r.context.remove(c)));
        if c < self.shortened.len() {
            self.shortened.remove(c);
        }
    }

    /// The table. Fails where the user has to say something: which columns exist, which values failed, where scores are cut.
    pub(crate) fn finish(mut self, about: &About, options: &ReadOptions) -> Result<Gathered> {
        self.columns_exist()?;
        if self.too_many {
            return Err(Error::options(format!("the logs name more than {MOST_LAYERS} layers"), "check that they are what they seem to be"));
        }
        let mut notes = std::mem::take(&mut self.notes);
        for (c, n) in self.shortened.iter().enumerate().filter(|(_, n)| **n > 0) {
            let what = self.columns.get(c).map_or("the names of trials".to_owned(), |c| format!("column `{c}`"));
            notes.push(format!("{n} texts in {what} are longer than {MOST_TEXT} bytes: shortened, with a hash that tells them apart"));
        }
        let kept = self.kept(options, &mut notes)?;
        self.cut_as_the_runs_did(options);
        let read = self.readings(&kept, about, options)?;
        let names: Vec<String> = kept.iter().map(|&i| self.column_of(&self.layers[i].name)).collect();
        let trials = self.trials(about, &kept, &names, &mut notes)?;
        self.fits()?;
        let roles = self.roles(about, options, trials.repeated);
        let texts = Texts { names: &names, kept: &kept, read: &read };
        let layers = texts.summary(&self.rows, &trials);
        let batch = if trials.repeated { self.long(&trials, &texts) } else { self.wide(&trials, &texts) };
        let header = OutcomesHeader {
            version: 1,
            tool: Some(about.tool.name().to_owned()),
            joined: trials.repeated,
            separate_runs: about.separate && !self.some_run_has_all(&kept),
            clusters: roles.clusters,
            strata: roles.strata,
            weight: roles.weight,
            label: roles.label,
            layers: names
                .iter()
                .zip(&read)
                .map(|(name, r)| LayerDescription { name: name.clone(), scale: r.scale(), ..LayerDescription::default() })
                .collect(),
            ..OutcomesHeader::default()
        };
        let batch = batch.map_err(|e| Error::options(format!("the table cannot be put together: {e}"), "please report this"))?;
        Ok(Gathered { batch, header, layers, trials: trials.list.len() as u64, notes })
    }

    /// Whether some run put every layer to its trials.
    fn some_run_has_all(&self, kept: &[usize]) -> bool {
        let mut has = vec![vec![false; self.layers.len()]; self.runs.len()];
        for row in &self.rows {
            row.cells.iter().for_each(|(l, _)| has[row.run as usize][usize::from(*l)] = true);
        }
        has.iter().any(|h| kept.iter().all(|&l| h[l]))
    }

    /// Scores of runs that cut them as hits and misses, except of layers that the user cuts.
    fn cut_as_the_runs_did(&mut self, options: &ReadOptions) {
        let own: Vec<bool> = self.layers.iter().map(|l| options.thresholds.iter().any(|t| t.layer == l.name)).collect();
        for row in &mut self.rows {
            let Some(cut) = self.runs.get(row.run as usize).and_then(|r| r.cut) else { continue };
            for (layer, cell) in &mut row.cells {
                if let Cell::Value(x) = cell
                    && !own[usize::from(*layer)]
                {
                    *x = f64::from(u8::from(*x >= cut));
                }
            }
        }
    }

    /// The columns with a part, as the table has them: what the user says, else what the tool's logs usually need. Columns whose names mean something in the table
    /// get another.
    fn roles(&mut self, about: &About, options: &ReadOptions, long: bool) -> Named {
        let usual =
            |list: &[String], but: &[String]| list.iter().filter(|c| self.columns.contains(c) && !but.contains(c)).cloned().collect::<Vec<_>>();
        // What the user calls a stratum is no cluster unless they say that too, and the other way round.
        let clusters = if options.clusters.is_empty() { usual(&about.clusters, &options.strata) } else { options.clusters.clone() };
        let strata = if options.strata.is_empty() { usual(&about.strata, &clusters) } else { options.strata.clone() };
        let taken: &[&str] = if long { &LONG } else { &["trial", "layer", "epoch"] };
        let role = |c: &str, role: &Option<String>, name: &str| c == name && role.as_deref() != Some(name);
        let named = |c: &String| {
            let clash = taken.contains(&c.as_str()) || role(c, &options.weight, "weight") || role(c, &options.label, "label");
            if clash && self.columns.contains(c) { format!("{c} (column)") } else { c.clone() }
        };
        let all = |list: Vec<String>| list.iter().map(named).collect();
        let (weight, label) = (options.weight.as_ref().map(named), options.label.as_ref().map(named));
        let roles = Named { clusters: all(clusters), strata: all(strata), weight, label };
        let columns = self.columns.iter().map(named).collect();
        self.columns = columns;
        roles
    }

    /// Fails where the texts of a column are more than a table can hold.
    fn fits(&self) -> Result<()> {
        let most = i32::MAX as usize;
        let whole = |c: usize| self.rows.iter().map(|r| r.context[c].len()).sum::<usize>();
        let distinct = |c: usize| self.rows.iter().map(|r| r.context[c].as_str()).collect::<FxHashSet<_>>().iter().map(|t| t.len()).sum::<usize>();
        let what = if self.rows.iter().map(|r| r.trial.len()).sum::<usize>() > most {
            Some("names of trials")
        } else {
            (0..self.columns.len()).find(|&c| whole(c) > most && distinct(c) > most).map(|c| self.columns[c].as_str())
        };
        match what {
            Some(what) => Err(Error::options(
                format!("the texts of one column ({what}) have more than {most} bytes"),
                "import the logs in parts, and give the tables to the analysis together",
            )),
            None => Ok(()),
        }
    }

    /// A layer's column: its name, unless another column has it.
    fn column_of(&self, layer: &str) -> String {
        let taken = TAKEN.contains(&layer) || self.columns.iter().any(|c| c == layer);
        if taken { format!("{layer} (layer)") } else { layer.to_owned() }
    }

    fn columns_exist(&self) -> Result<()> {
        for (c, name) in self.columns.iter().enumerate() {
            if !self.known.contains(name) && self.rows.iter().all(|r| r.context[c].is_empty()) {
                let hint = suggestion(name, "columns", self.known.iter().map(String::as_str));
                return Err(Error::options(format!("the logs have no column `{name}`"), hint));
            }
        }
        Ok(())
    }

    /// The layers to keep, in order: those asked for, or all that ever gave an outcome.
    fn kept(&self, options: &ReadOptions, notes: &mut Vec<String>) -> Result<Vec<usize>> {
        let mut answered = vec![false; self.layers.len()];
        for row in &self.rows {
            row.cells.iter().filter(|(_, c)| matches!(c, Cell::Value(_))).for_each(|(l, _)| answered[usize::from(*l)] = true);
        }
        let all = || self.layers.iter().map(|l| l.name.as_str());
        let named =
            options.layers.iter().flatten().chain(options.thresholds.iter().map(|t| &t.layer)).chain(options.polarities.iter().map(|p| &p.layer));
        for name in named {
            if !self.index.contains_key(name) {
                return Err(Error::options(format!("the logs have no layer `{name}`"), suggestion(name, "layers", all())));
            }
        }
        let kept: Vec<usize> = match &options.layers {
            Some(list) => list.iter().map(|n| usize::from(self.index[n])).collect(),
            None => (0..self.layers.len()).filter(|&i| answered[i]).collect(),
        };
        for (i, layer) in self.layers.iter().enumerate().filter(|(i, _)| !answered[*i]) {
            let why = if layer.odd.0 > 0 {
                format!("it gives texts such as `{}`, which are no verdicts", layer.odd.1)
            } else {
                "it never gave an outcome".into()
            };
            if kept.contains(&i) {
                return Err(Error::options(format!("layer `{}` has no outcomes: {why}", layer.name), "leave it out of --layers"));
            }
            notes.push(format!("`{}` is left out: {why}", layer.name));
        }
        for layer in kept.iter().map(|&i| &self.layers[i]).filter(|l| l.odd.0 > 0) {
            notes.push(format!("`{}` gave {} texts such as `{}`, which are no verdicts: unparsed", layer.name, layer.odd.0, layer.odd.1));
        }
        if kept.is_empty() {
            return Err(Error::options("the logs hold no outcome of any layer", "check that the runs were scored"));
        }
        Ok(kept)
    }

    /// How each kept layer's values are read. All questions are put in one error.
    fn readings(&self, kept: &[usize], about: &About, options: &ReadOptions) -> Result<Vec<Reading>> {
        let mut range = vec![(true, f64::INFINITY, f64::NEG_INFINITY); self.layers.len()];
        for (l, cell) in self.rows.iter().flat_map(|r| &r.cells) {
            if let Cell::Value(x) = cell {
                let (binary, low, high) = &mut range[usize::from(*l)];
                *binary &= *x == 0.0 || x.to_bits() == 1.0f64.to_bits();
                (*low, *high) = (low.min(*x), high.max(*x));
            }
        }
        let (mut open_side, mut open_cut) = (Vec::new(), Vec::new());
        let mut out = Vec::new();
        for &i in kept {
            let layer = &self.layers[i];
            let (binary, low, high) = range[i];
            let threshold = options.thresholds.iter().find(|t| t.layer == layer.name);
            let said = options.polarities.iter().find(|p| p.layer == layer.name).map(|p| p.fails_when);
            let side = threshold.and_then(|t| t.fails_when).or(said).or(options.fails_when);
            let inferred = side.is_none();
            let Some(fails_when) = side.or(layer.rule.fails_when) else {
                open_side.push(layer.name.as_str());
                continue;
            };
            let how = match threshold {
                Some(t) => How::Score(Cut { threshold: t.value, fails_when }),
                None if binary => How::Binary,
                None => {
                    open_cut.push(format!("`{}` ({low} to {high})", layer.name));
                    continue;
                }
            };
            out.push(Reading { how, fails_when, inferred, high: layer.rule.high });
        }
        let example = |names: &[&str]| names.first().map_or_else(String::new, |n| (*n).to_owned());
        if !open_side.is_empty() {
            return Err(Error::options(
                format!("nothing says which values of {} mean that the layer failed: {}", quoted(&open_side), about.ask),
                format!(
                    "add --fails-when below (a high value means that the layer held) or --fails-when above (a high value means that the attack got past it); \
                     for one layer --fails-when {}=below; or leave layers out with --layers",
                    example(&open_side)
                ),
            ));
        }
        if let Some(first) = open_cut.first() {
            let name = first.split('`').nth(1).unwrap_or_default();
            return Err(Error::options(
                format!("these layers give scores, and the log does not say where to cut them: {}", open_cut.join(", ")),
                format!(
                    "add --threshold {name}=VALUE (and --fails-when {name}=below|above where the other side failed), or leave layers out with --layers"
                ),
            ));
        }
        Ok(out)
    }

    /// Rows by trial.
    fn trials(&mut self, about: &About, kept: &[usize], names: &[String], notes: &mut Vec<String>) -> Result<Trials> {
        let mut list: Vec<Vec<u32>> = Vec::new();
        let mut at: FxHashMap<&str, usize> = FxHashMap::default();
        for (i, row) in self.rows.iter().enumerate() {
            match at.get(row.trial.as_str()) {
                Some(&t) => list[t].push(i as u32),
                None => {
                    at.insert(&row.trial, list.len());
                    list.push(vec![i as u32]);
                }
            }
        }
        let mut repeated = false;
        let mut seen = vec![u32::MAX; self.layers.len()];
        let mut lacking: Vec<Vec<u32>> = vec![Vec::new(); kept.len()];
        let mut incomplete = 0;
        for (t, rows) in list.iter().enumerate() {
            for &r in rows {
                let row = &self.rows[r as usize];
                repeated |= row.epoch > 0 && rows.len() > 1;
                for (l, _) in &row.cells {
                    repeated |= std::mem::replace(&mut seen[usize::from(*l)], t as u32) == t as u32;
                }
            }
            if rows.len() > 1 && !about.joined {
                let [a, b] = [rows[0], rows[1]].map(|r| self.runs.get(self.rows[r as usize].run as usize).map_or("the log", |r| r.name.as_str()));
                let trial = &self.rows[rows[0] as usize].trial;
                let places = if a == b { format!("twice in {a}") } else { format!("in {a} and in {b}") };
                return Err(Error::options(
                    format!("trial `{trial}` stands {places}"),
                    "give every trial a name of its own; for runs of one defence each add --layer-from and --join",
                ));
            }
            let before = incomplete;
            for (k, &l) in kept.iter().enumerate() {
                if seen[l] != t as u32 {
                    lacking[k].push(rows[0]);
                    incomplete = before + 1;
                }
            }
        }
        if about.joined && self.runs.len() > 1 {
            let named: Vec<Vec<&str>> = lacking.iter().map(|l| l.iter().map(|&r| self.rows[r as usize].trial.as_str()).collect()).collect();
            notes.extend(unmatched(names, &named, incomplete, list.len()));
        }
        // What belongs to the trial is the same in all its rows.
        for rows in list.iter().filter(|r| r.len() > 1) {
            for c in 0..self.columns.len() {
                let of = |r: &&u32| !self.rows[**r as usize].context[c].is_empty();
                let Some(&first) = rows.iter().find(of) else { continue };
                let value = self.rows[first as usize].context[c].clone();
                for &r in rows {
                    let row = &mut self.rows[r as usize];
                    if row.context[c].is_empty() {
                        row.context[c].clone_from(&value);
                    } else if row.context[c] != value {
                        let (here, trial, run) = (row.context[c].clone(), row.trial.clone(), row.run);
                        let runs = |i: u32| self.runs.get(i as usize).map(|r| r.name.clone()).unwrap_or_default();
                        return Err(Error::options(
                            format!(
                                "trial `{trial}` has the {} `{value}` in {} and `{here}` in {}",
                                self.columns[c],
                                runs(self.rows[first as usize].run),
                                runs(run)
                            ),
                            "what belongs to the trial must be the same in all runs; leave the column out, or join on it too",
                        ));
                    }
                }
            }
        }
        Ok(Trials { list, repeated })
    }

    /// A row a trial, a column a layer.
    fn wide(&self, trials: &Trials, texts: &Texts<'_>) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
        let mut name = StringBuilder::new();
        let mut context: Vec<StringDictionaryBuilder<Int32Type>> = self.columns.iter().map(|_| StringDictionaryBuilder::new()).collect();
        let mut layers: Vec<StringDictionaryBuilder<Int32Type>> = texts.names.iter().map(|_| StringDictionaryBuilder::new()).collect();
        let mut row: Vec<Option<Cell>> = Vec::new();
        for rows in &trials.list {
            let first = &self.rows[rows[0] as usize];
            name.append_value(&first.trial);
            context.iter_mut().zip(&first.context).for_each(|(b, t)| b.append_option((!t.is_empty()).then_some(t)));
            row.clear();
            row.resize(self.layers.len(), None);
            rows.iter().flat_map(|&r| &self.rows[r as usize].cells).for_each(|(l, c)| row[usize::from(*l)] = Some(*c));
            for (k, builder) in layers.iter_mut().enumerate() {
                let text = row[texts.kept[k]].map(|c| texts.cell(k, c)).unwrap_or_default();
                builder.append_option((!text.is_empty()).then_some(text));
            }
        }
        let mut columns: Vec<(String, ArrayRef)> = vec![("trial".into(), Arc::new(name.finish()))];
        columns.extend(self.columns.iter().cloned().zip(context.into_iter().map(finished)));
        columns.extend(texts.names.iter().cloned().zip(layers.into_iter().map(finished)));
        batch(columns)
    }

    /// A row a trial, run, repeat and layer.
    fn long(&self, trials: &Trials, texts: &Texts<'_>) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
        let own: Vec<String> = LONG.map(str::to_owned).to_vec();
        let mut columns: Vec<StringDictionaryBuilder<Int32Type>> = own.iter().chain(&self.columns).map(|_| StringDictionaryBuilder::new()).collect();
        for row in trials.list.iter().flatten().map(|&r| &self.rows[r as usize]) {
            for (layer, cell) in &row.cells {
                let Some(k) = texts.kept.iter().position(|&l| l == usize::from(*layer)) else { continue };
                let cell = texts.cell(k, *cell);
                let [run, epoch] = [row.run, row.epoch].map(|n| n.to_string());
                let fixed = [row.trial.as_str(), &run, &epoch, &texts.names[k], if cell.is_empty() { "not_run" } else { &cell }];
                let values = fixed.into_iter().chain(row.context.iter().map(String::as_str));
                columns.iter_mut().zip(values).for_each(|(b, t)| b.append_option((!t.is_empty()).then_some(t)));
            }
        }
        batch(own.into_iter().chain(self.columns.iter().cloned()).zip(columns.into_iter().map(finished)).collect())
    }
}

fn quoted(names: &[&str]) -> String {
    some_of(&names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>())
}

fn finished(mut b: StringDictionaryBuilder<Int32Type>) -> ArrayRef {
    Arc::new(b.finish())
}

fn batch(columns: Vec<(String, ArrayRef)>) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| match array.data_type() {
            DataType::Utf8 => Field::new(name, DataType::Utf8, false),
            other => Field::new(name, other.clone(), true),
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|c| c.1).collect())
}

/// Names of columns with a part.
struct Named {
    clusters: Vec<String>,
    strata: Vec<String>,
    weight: Option<String>,
    label: Option<String>,
}

/// Numbers what were trials of their own in a run, before they became repeats of one.
#[derive(Default)]
struct Repeats {
    number: FxHashMap<(u32, String, String, u32), u32>,
    count: FxHashMap<(u32, String), u32>,
}

impl Repeats {
    /// The number of a row's repeat among those of `trial` in its run; rows of one trial and repeat before have the same.
    fn number(&mut self, trial: &str, before: &Row) -> u32 {
        let key = (before.run, trial.to_owned(), before.trial.clone(), before.epoch);
        if let Some(&n) = self.number.get(&key) {
            return n;
        }
        let next = self.count.entry((before.run, trial.to_owned())).or_insert(0);
        let n = *next;
        *next += 1;
        self.number.insert(key, n);
        n
    }
}

struct Trials {
    /// Rows of each trial, in order of first appearance.
    list: Vec<Vec<u32>>,
    /// A layer answers twice on some trial: repeats that have to be averaged.
    repeated: bool,
}

/// How a layer's values become outcomes.
struct Reading {
    how: How,
    fails_when: FailsWhen,
    /// Nobody said which side fails.
    inferred: bool,
    high: &'static str,
}

#[derive(Clone, Copy)]
enum How {
    /// 0 and 1.
    Binary,
    /// Scores that stay scores, with a threshold.
    Score(Cut),
}

impl Reading {
    fn scale(&self) -> Option<Scale> {
        match self.how {
            How::Score(c) => Some(Scale { threshold: c.threshold, fails_when: c.fails_when }),
            _ => None,
        }
    }

    fn failed(&self, x: f64) -> bool {
        let high = match self.how {
            How::Binary => x > 0.5,
            How::Score(c) => return roles::side(x, c) == FAILED,
        };
        high == (self.fails_when == FailsWhen::Above)
    }

    fn words(&self) -> String {
        let text = match (self.how, self.fails_when) {
            (How::Binary, FailsWhen::Above) => format!("failed where {}", self.high),
            (How::Binary, FailsWhen::Below) => format!("held where {}", self.high),
            (How::Score(c), FailsWhen::Above) => format!("failed where its score is above {}", c.threshold),
            (How::Score(c), FailsWhen::Below) => format!("held where its score is {} or more", c.threshold),
        };
        if self.inferred { format!("{text} (inferred)") } else { text }
    }
}

struct Texts<'a> {
    names: &'a [String],
    /// Numbers in [`Gather::layers`].
    kept: &'a [usize],
    read: &'a [Reading],
}

impl Texts<'_> {
    /// The text of a kept layer's cell, as outcome tables have it.
    fn cell(&self, k: usize, cell: Cell) -> String {
        match cell {
            Cell::Value(x) => match self.read[k].how {
                How::Score(_) => x.to_string(),
                _ => if self.read[k].failed(x) { "1" } else { "0" }.to_owned(),
            },
            Cell::Missing(Reason::NotRun) => String::new(),
            Cell::Missing(Reason::CensoredBy(by)) => match self.kept.iter().position(|&l| l == usize::from(by)) {
                Some(by) => format!("censored_by:{}", self.names[by]),
                None => String::new(),
            },
            Cell::Missing(reason) => reason.word(&[]),
        }
    }

    fn summary(&self, rows: &[Row], trials: &Trials) -> Vec<ImportedLayer> {
        let number: FxHashMap<usize, usize> = self.kept.iter().enumerate().map(|(k, &l)| (l, k)).collect();
        let mut out: Vec<ImportedLayer> = self
            .names
            .iter()
            .zip(self.read)
            .map(|(name, r)| ImportedLayer { name: name.clone(), rule: r.words(), failed: 0, held: 0, missing: Vec::new() })
            .collect();
        let mut present = vec![0u64; self.kept.len()];
        for (l, cell) in rows.iter().flat_map(|r| &r.cells) {
            let Some(&k) = number.get(&usize::from(*l)) else { continue };
            present[k] += 1;
            match cell {
                Cell::Value(x) if self.read[k].failed(*x) => out[k].failed += 1,
                Cell::Value(_) => out[k].held += 1,
                Cell::Missing(_) => {
                    let text = self.cell(k, *cell);
                    count(&mut out[k].missing, if text.is_empty() { "not_run" } else { &text }, 1);
                }
            }
        }
        if !trials.repeated {
            out.iter_mut().zip(present).for_each(|(o, n)| count(&mut o.missing, "not_run", trials.list.len() as u64 - n));
        }
        out
    }
}

fn count(list: &mut Vec<(String, u64)>, word: &str, n: u64) {
    match list.iter_mut().find(|(w, _)| w == word) {
        Some((_, m)) => *m += n,
        None if n > 0 => list.push((word.to_owned(), n)),
        None => {}
    }
}
