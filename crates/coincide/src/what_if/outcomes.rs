//! Rows of recorded outcomes, and how often each of their clusters was drawn.

use super::Packed;
use crate::analyze::{Analysis, AnalyzeOptions};
use crate::error::Result;
use crate::features::Layout;
use crate::outcome::{JointOutcomes, Label};
use crate::resample::Units;
use crate::sample::Sample;
use crate::scenario::{Scenario, World};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows that a document carries, at most.
const MOST_ROWS: usize = 100_000;
/// Counts of drawn clusters that a document carries, at most.
const MOST_COUNTS: usize = 1_000_000;
/// Additions for the rates of all layers in all replicates, at most.
const MOST_WORK: usize = 100_000_000;
/// Fewer replicates than this make no interval.
const FEWEST_REPLICATES: usize = 200;

/// The attack rows on which every layer has an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomesBasis {
    /// The layers. With several columns, a layer's threshold can be moved.
    pub layers: Vec<LayerColumns>,
    /// Distinct patterns of failure over all columns: ⌈columns/8⌉ bytes each, column i in bit i mod 8 of byte i/8.
    pub patterns: Packed,
    /// Pattern of each row.
    pub pattern: Packed,
    /// Trials of each row.
    pub trials: Packed,
    /// Σw of each row; absent where all weights are 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<Packed>,
    /// Σw² of each row; absent where all weights are 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub squared_weight: Option<Packed>,
    /// Cluster of each row, for each cluster column.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub clusters: Vec<Packed>,
    /// Bootstrap replicates.
    pub replicates: usize,
    /// How often each cluster of a cluster column, or each row where there is none, was drawn: replicate by replicate.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub drawn: Vec<Packed>,
    /// Scenarios that these rows can be put into, with the factor of every row's weight where strata are weighed again.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scenarios: Vec<ChosenScenario>,
}

/// A layer, and the columns that say whether it failed at each of its thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerColumns {
    /// Name.
    pub layer: String,
    /// Columns, one a threshold.
    pub columns: Vec<usize>,
    /// Thresholds; empty where outcomes were recorded and not scores.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub thresholds: Vec<f64>,
    /// Which of the columns the analysis used.
    pub used: usize,
}

/// A scenario as it can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChosenScenario {
    /// The scenario.
    pub scenario: Scenario,
    /// Factor of each row's weight.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub factor: Option<Packed>,
}

/// The rows behind an analysis, ready to be computed again. `columns`: which columns of the table are whose, where layers have one for each of several thresholds;
/// scenarios must then name no layer that has.
///
/// Says why not where outcomes are selected by what other layers did, or where there are too many distinct rows.
pub fn outcomes_basis(
    table: &JointOutcomes,
    columns: Option<Vec<LayerColumns>>,
    analysis: &Analysis,
    scenarios: &[Scenario],
    options: &AnalyzeOptions,
) -> Result<std::result::Result<OutcomesBasis, String>> {
    if analysis.data.content.design.stops_early() {
        return Ok(Err(
            "later layers were only asked where earlier ones had failed, so rates of other sets of layers do not follow from these outcomes".into(),
        ));
    }
    let all = Sample::new(table, |c| c.label() == Label::Attack);
    let kept: Vec<usize> = (0..all.len()).filter(|&r| all.complete(r)).collect();
    if kept.is_empty() {
        return Ok(Err("no attack has an outcome for every layer".into()));
    }
    if kept.len() > MOST_ROWS {
        return Ok(Err(format!("the table has {} distinct rows with their clusters; a page carries {MOST_ROWS} at most", kept.len())));
    }
    let mut known: FxHashMap<&[u64], u32> = FxHashMap::default();
    let mut patterns: Vec<u8> = Vec::new();
    let bytes = all.layers.div_ceil(8);
    let mut pattern = Vec::with_capacity(kept.len());
    for &r in &kept {
        let failed = all.failed(r);
        let next = known.len() as u32;
        pattern.push(f64::from(*known.entry(failed).or_insert_with(|| {
            patterns.extend((0..bytes).map(|b| (failed[b / 8] >> (8 * (b % 8)) & 0xff) as u8));
            next
        })));
    }
    let layout = Layout::new(all.layers, !all.all_complete(), false);
    let units = Units::new(&all, &layout);
    let (of, sizes) = units.clusters();
    let counts: usize = sizes.iter().sum();
    let work = kept.len() * all.layers;
    let most = (MOST_COUNTS / counts.max(1)).min(MOST_WORK / work.max(1));
    let replicates = if most < FEWEST_REPLICATES { 0 } else { options.replicates.min(most) };
    let drawn = if replicates == 0 { Vec::new() } else { units.drawn(options.seed, replicates) };
    let plain = |(i, layer): (usize, &String)| LayerColumns { layer: layer.clone(), columns: vec![i], thresholds: Vec::new(), used: 0 };
    let columns = columns.unwrap_or_else(|| table.layers().iter().enumerate().map(plain).collect());
    Ok(Ok(OutcomesBasis {
        layers: columns,
        patterns: Packed::U8(patterns),
        pattern: Packed::whole(pattern.into_iter()),
        trials: Packed::whole(kept.iter().map(|&r| all.n[r])),
        weight: all.weighted.then(|| Packed::whole(kept.iter().map(|&r| all.w[r]))),
        squared_weight: all.weighted.then(|| Packed::whole(kept.iter().map(|&r| all.w2[r]))),
        clusters: of.iter().map(|c| Packed::whole(kept.iter().map(|&r| f64::from(c[r])))).collect(),
        replicates,
        drawn: drawn.into_iter().map(|d| Packed::whole(d.into_iter().map(f64::from))).collect(),
        scenarios: chosen(table, &all, &kept, scenarios)?,
    }))
}

/// Scenarios that need nothing but these rows: no other thresholds, and no goals that are tried layer by layer.
fn chosen(table: &JointOutcomes, all: &Sample, kept: &[usize], scenarios: &[Scenario]) -> Result<Vec<ChosenScenario>> {
    let mut out = Vec::new();
    let plain = |s: &&Scenario| s.touches_outcomes() && s.thresholds.is_empty() && !s.tries_each_layer();
    for s in scenarios.iter().filter(plain) {
        let factor = if s.strata.is_empty() {
            None
        } else {
            let factors = World::factors(table, all, s)?;
            Some(Packed::F64(kept.iter().map(|&r| factors[r]).collect()))
        };
        out.push(ChosenScenario { scenario: s.clone(), factor });
    }
    Ok(out)
}

impl OutcomesBasis {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.layers.iter().map(|l| l.columns.len()).sum()
    }
    /// The distinct patterns over the columns that the analysis used, with their weight (trials where all weights are 1): heaviest first.
    pub fn pattern_counts(&self) -> Vec<(Vec<bool>, f64)> {
        let bytes = self.columns().div_ceil(8);
        let list: Vec<u8> = self.patterns.numbers().iter().map(|&x| x as u8).collect();
        let mut counts: FxHashMap<Vec<bool>, f64> = FxHashMap::default();
        for (p, n) in self.pattern.numbers().iter().zip(self.weight.as_ref().unwrap_or(&self.trials).numbers()) {
            let bits = &list[*p as usize * bytes..][..bytes];
            let failed = self.layers.iter().map(|l| l.columns[l.used]).map(|c| bits[c / 8] >> (c % 8) & 1 == 1).collect();
            *counts.entry(failed).or_default() += n;
        }
        let mut out: Vec<(Vec<bool>, f64)> = counts.into_iter().collect();
        out.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        out
    }
}
