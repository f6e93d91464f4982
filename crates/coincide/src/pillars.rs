//! Pillars: groups of layers that share an attribute (a paradigm, a provider). Is their independence of each other measured, or assumed?
//!
//! ln π = ln(β/Π_g β_g) + Σ_g ln(β_g/Π_{i∈g} p_i): the gap between pillars, each taken as one layer that fails when all its members do, and the gaps within them. Each
//! part is the independence gap of a smaller table, with that table's own intervals.

use crate::analyze::{AnalyzeOptions, Group, Progress, analyze};
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::layers::LayerSet;
use crate::outcome::{Columns, JointOutcomes, TableBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One pillar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pillar {
    /// The attribute's value.
    pub name: String,
    /// Its layers.
    pub layers: Vec<String>,
    /// Rate at which all of them fail.
    pub rate: Figure,
    /// Gap within: that rate over the product of its layers' rates; 1 for a single layer.
    pub gap: Figure,
}

/// The gap split into between and within pillars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pillars {
    /// The attribute.
    pub attribute: String,
    /// Pillars.
    pub pillars: Vec<Pillar>,
    /// Independence gap of all layers, as a factor.
    pub total: Figure,
    /// Gap between pillars: β over the product of the pillars' rates.
    pub between: Figure,
    /// Whether the data bound the gap between pillars from above; else their independence is an assumption.
    pub measured: bool,
}

impl JointOutcomes {
    /// The table with groups of layers in the place of layers: a group failed when all its layers did, held when one did, and has no outcome where that is not
    /// known. Baseline and recorded orders are dropped.
    pub(crate) fn grouped(&self, groups: &[(String, LayerSet)]) -> Result<JointOutcomes> {
        let names = |list: &[crate::outcome::Factor]| list.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
        let columns = Columns {
            layers: groups.iter().map(|g| g.0.clone()).collect(),
            strata: names(self.strata()),
            clusters: names(self.clusters()),
            ..Columns::default()
        };
        let mut b = TableBuilder::new(columns)?;
        let no_order = b.order(&[]);
        for c in self.cells() {
            let mut failed = LayerSet::empty(groups.len());
            let mut observed = LayerSet::empty(groups.len());
            for (i, g) in groups.iter().enumerate() {
                let outcome = c.all_failed(g.1.words());
                if outcome == Some(true) {
                    failed.insert(i);
                }
                if outcome.is_some() {
                    observed.insert(i);
                }
            }
            let mut levels: Vec<u32> =
                c.strata().iter().enumerate().map(|(f, &l)| b.stratum_level(f, &self.strata()[f].levels[l as usize])).collect();
            levels.extend(c.clusters().iter().enumerate().map(|(f, &l)| b.cluster_level(f, &self.clusters()[f].levels[l as usize])));
            let reasons = b.reasons(&Vec::new());
            let context = b.context(c.label(), None, no_order, reasons, &levels);
            b.add_sums(context, failed.words(), observed.words(), c.n, c.w, c.w2);
        }
        Ok(b.finish())
    }
}

/// Splits the gap by an attribute; `groups` are its values with their layers, and must hold every layer once.
///
/// Fails on one group alone, on layers that are none, named twice or left out, and on pipelines that stopped early, where gaps are not identified.
///
/// ```
/// use coincide::{AnalyzeOptions, Columns, Group, Outcome::{Failed, Held}, TableBuilder, TrialRow, pillars};
/// let mut b = TableBuilder::new(Columns { layers: ["a1", "a2", "b"].map(String::from).to_vec(), ..Columns::default() })?;
/// // a1 and a2 are copies of each other; b is independent of both.
/// for t in 0..900 {
///     let (a, c) = (if t % 3 == 0 { Failed } else { Held }, if t / 3 % 3 == 0 { Failed } else { Held });
///     b.add(&TrialRow { outcomes: &[a, a, c], ..TrialRow::default() });
/// }
/// let group = |name: &str, layers: &[&str]| Group { name: name.into(), layers: layers.iter().map(|l| l.to_string()).collect() };
/// let options = AnalyzeOptions { replicates: 200, ..AnalyzeOptions::default() };
/// let p = pillars(&b.finish(), "provider", &[group("A", &["a1", "a2"]), group("B", &["b"])], &options, &|_, _, _| {})?;
/// assert!((p.pillars[0].gap.value.unwrap() - 3.0).abs() < 1e-9);
/// assert!((p.between.value.unwrap() - 1.0).abs() < 1e-9);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn pillars(table: &JointOutcomes, attribute: &str, groups: &[Group], options: &AnalyzeOptions, progress: Progress<'_>) -> Result<Pillars> {
    let k = table.layers().len();
    let sets: Vec<(String, LayerSet)> = groups
        .iter()
        .map(|g| Ok((g.name.clone(), LayerSet::of(k, &g.layers.iter().map(|l| table.layer(l)).collect::<Result<Vec<_>>>()?))))
        .collect::<Result<_>>()?;
    if sets.iter().map(|s| s.1.len()).sum::<usize>() != k || groups.iter().map(|g| g.layers.len()).sum::<usize>() != k {
        return Err(Error::Stated(format!("the pillars of `{attribute}` must hold every layer once")));
    }
    if sets.len() < 2 {
        return Err(Error::Stated(format!(
            "all layers have the same `{attribute}`, `{}`: there is nothing to compare",
            sets.first().map_or("", |s| &s.0)
        )));
    }
    if crate::design::detect(table, options.order.as_deref())?.stops_early() {
        return Err(Error::Stated("in a pipeline that stopped early the rates of later layers are not identified, and so no gap is".into()));
    }
    let plain = AnalyzeOptions { groups: Vec::new(), order: None, ..options.clone() };
    let joint =
        |groups: &[(String, LayerSet)]| -> Result<crate::estimate::Joint> { Ok(analyze(&table.grouped(groups)?, &plain, progress)?.joint.content) };
    let single = |set: &LayerSet| set.iter().map(|i| (table.layers()[i].clone(), LayerSet::of(k, &[i]))).collect::<Vec<_>>();
    let between = joint(&sets)?;
    let total = joint(&single(&LayerSet::all(k)))?;
    let list = sets
        .iter()
        .map(|(name, set)| {
            let own = joint(&single(set))?;
            let gap = if set.len() == 1 { Figure::of(1.0, "") } else { own.gap.clone() };
            Ok(Pillar { name: name.clone(), layers: set.iter().map(|i| table.layers()[i].clone()).collect(), rate: own.beta, gap })
        })
        .collect::<Result<_>>()?;
    let measured = between.gap.interval.is_some_and(|i| i.high.is_some());
    Ok(Pillars { attribute: attribute.to_owned(), pillars: list, total: total.gap, between: between.gap, measured })
}
