//! The whole analysis: from a table to every section of the results.

use crate::bounds::{self, BoundMethod, Bounds, Moments};
use crate::causes::{self, Causes};
use crate::design::{self, Design};
use crate::error::{Error, Result};
use crate::estimate::{self, CURVE, ClusterSpread, CurvePoint, EXCESS_TWO, Joint, LayerRate, MissingCount, VARIANCE_RATIO, Whole, independent_curve};
use crate::false_alarm::{self, FalseAlarms};
use crate::features::{Layout, Sums};
use crate::figure::{Figure, Interval};
use crate::interval::{ENOUGH_CLUSTERS, clopper_pearson};
use crate::layers::{LayerSet, bit};
use crate::outcome::{Cell, JointOutcomes, Label};
use crate::pairs::{self, Pair};
use crate::percentile::{bca, percentile};
use crate::pieces::given;
use crate::pipeline::{self, Step};
use crate::random::Seed;
use crate::resample::Units;
use crate::sample::{ExactInterval, Missing, RateOptions, Sample, Upper};
use crate::significance::benjamini_hochberg;
use crate::together::{self, Together};
use crate::worth::{self, Contribution};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Layers up to which every pair is resampled; above, pairs get analytic intervals.
pub const RESAMPLED_PAIRS: usize = 64;

/// Choices of an analysis. The same options, table and seed give the same digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnalyzeOptions {
    /// Seed of every random number.
    pub seed: Seed,
    /// Bootstrap replicates.
    pub replicates: usize,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Interval for independent, unweighted trials.
    pub exact: ExactInterval,
    /// Order of a pipeline that stopped at the first layer that held.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<Vec<String>>,
    /// Named groups of layers whose worth is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<Group>,
}

/// A named group of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Its layers.
    pub layers: Vec<String>,
}

impl Default for AnalyzeOptions {
    fn default() -> Self {
        AnalyzeOptions { seed: Seed::default(), replicates: 2000, level: 0.95, exact: ExactInterval::default(), order: None, groups: Vec::new() }
    }
}

/// A section of the results: its version and its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Section<T> {
    /// Version of this section's layout.
    pub version: u32,
    /// The section itself.
    pub content: T,
}

impl<T> Section<T> {
    /// A section of the first version.
    pub fn new(content: T) -> Self {
        Section { version: 1, content }
    }
}

/// What the table holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataSummary {
    /// Names of the layers.
    pub layers: Vec<String>,
    /// Attack trials.
    pub attack_trials: f64,
    /// Benign trials.
    pub benign_trials: f64,
    /// Number of trials that an adaptive search chose; no rate counts them.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub adaptive_trials: f64,
    /// Attack trials on which every layer has an outcome.
    pub complete_trials: f64,
    /// Whether trials carry weights other than 1.
    pub weighted: bool,
    /// Whether repeats of separate runs were averaged over their combinations.
    pub averaged: bool,
    /// How trials were run.
    pub design: Design,
    /// Stratum columns and their number of levels.
    pub strata: Vec<ColumnSummary>,
    /// Cluster columns and their number of clusters.
    pub clusters: Vec<ColumnSummary>,
    /// The baseline column. With one, the columns are alternative pipelines run on the same attacks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline: Option<String>,
    /// Distinct rows of the table.
    pub cells: usize,
}

/// A column and how many levels it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnSummary {
    /// Name.
    pub column: String,
    /// Distinct values.
    pub levels: usize,
}

/// Everything the analysis of one table gives. A section is absent when the table has nothing for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// What the table holds.
    pub data: Section<DataSummary>,
    /// Each layer by itself.
    pub layers: Section<Vec<LayerRate>>,
    /// All layers together.
    pub joint: Section<Joint>,
    /// The co-failure curve.
    pub curve: Section<Vec<CurvePoint>>,
    /// What each layer adds to the others.
    pub contributions: Section<Vec<Contribution>>,
    /// What each named group adds to the others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub groups: Option<Section<Vec<Contribution>>>,
    /// Every two layers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs: Option<Section<Vec<Pair>>>,
    /// Dependence of the whole set in one number each.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub together: Option<Section<Together>>,
    /// How much of the gap the strata explain, and where joint failures sit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub causes: Option<Section<Causes>>,
    /// What pairs leave open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bounds: Option<Section<Bounds>>,
    /// The steps of a pipeline that stopped early.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pipeline: Option<Section<Vec<Step>>>,
    /// Everything again, among attacks that beat the baseline.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub given_baseline: Option<Section<GivenBaseline>>,
    /// Benign trials that were stopped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub false_alarms: Option<Section<FalseAlarms>>,
}

/// The stack among the attacks that beat the undefended baseline, and the baseline's share of the gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GivenBaseline {
    /// The baseline column.
    pub baseline: String,
    /// P(the baseline fails).
    pub rate: Figure,
    /// ln π over all attacks, in nats, on the trials with a baseline outcome.
    pub gap_nats: Figure,
    /// Part of it that the baseline's outcome explains: ln(Σ_s w_s Π p_is/Πp_i) over its two outcomes.
    pub explained_nats: Figure,
    /// Each layer among attacks that beat the baseline.
    pub layers: Vec<LayerRate>,
    /// All layers together among them.
    pub joint: Joint,
    /// The co-failure curve among them.
    pub curve: Vec<CurvePoint>,
    /// What each layer adds among them.
    pub contributions: Vec<Contribution>,
}

/// Called with what is being done and how much of it is done; from any thread.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// Analyses a table.
///
/// Fails with [`Error::NoTrials`] without attack rows, [`Error::NoOutcomes`] for a layer that was never observed,
/// [`Error::Order`] when a given order contradicts the rows, [`Error::UnknownLayer`] for a group's member.
///
/// ```
/// use coincide::{AnalyzeOptions, Columns, Outcome::{Failed, Held}, TableBuilder, TrialRow, analyze};
/// let columns = Columns { layers: vec!["filter".into(), "judge".into()], ..Columns::default() };
/// let mut b = TableBuilder::new(columns)?;
/// for (outcomes, n) in [([Failed, Failed], 10), ([Failed, Held], 10), ([Held, Failed], 10), ([Held, Held], 70)] {
///     (0..n).for_each(|_| b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() }));
/// }
/// let r = analyze(&b.finish(), &AnalyzeOptions { replicates: 200, ..AnalyzeOptions::default() }, &|_, _, _| {})?;
/// // β = 0.1 against 0.2 × 0.2 = 0.04.
/// assert!((r.joint.content.gap.value.unwrap() - 2.5).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn analyze(table: &JointOutcomes, options: &AnalyzeOptions, progress: Progress<'_>) -> Result<Analysis> {
    check(options)?;
    given(&(table, options));
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    if sample.len() == 0 {
        return Err(Error::NoTrials);
    }
    let names = table.layers();
    if let Some(never) = (0..names.len()).find(|&i| (0..sample.len()).all(|r| !bit(sample.observed(r), i))) {
        return Err(Error::NoOutcomes(names[never].clone()));
    }
    let design = design::detect(table, options.order.as_deref())?;
    let groups: Vec<(String, Vec<usize>)> = options
        .groups
        .iter()
        .map(|g| Ok((g.name.clone(), g.layers.iter().map(|l| table.layer(l)).collect::<Result<Vec<_>>>()?)))
        .collect::<Result<_>>()?;
    for (i, (name, members)) in groups.iter().enumerate() {
        if groups[..i].iter().any(|g| g.0 == *name) {
            return Err(Error::DuplicateName(name.clone()));
        }
        if let Some(twice) = (1..members.len()).find(|&m| members[..m].contains(&members[m])) {
            return Err(Error::DuplicateName(names[members[twice]].clone()));
        }
    }
    let benign = Sample::new(table, |c| c.label() == Label::Benign);
    let rate = RateOptions {
        level: options.level,
        exact: options.exact,
        missing: if design.stops_early() { Missing::Selected } else { Missing::AtRandom },
        upper: Upper::Plain,
    };
    let stack = Stack { table, names, options, rate, groups: &groups, progress };
    let data = DataSummary {
        layers: names.to_vec(),
        attack_trials: sample.trials(),
        // Of none the sum is −0.
        benign_trials: benign.trials() + 0.0,
        adaptive_trials: table.cells().filter(|c| c.label() == Label::Adaptive).map(|c| c.n).sum::<f64>() + 0.0,
        complete_trials: (0..sample.len()).filter(|&r| sample.complete(r)).map(|r| sample.n[r]).sum(),
        weighted: sample.weighted,
        averaged: table.averaged(),
        design: design.clone(),
        strata: columns(table, table.strata(), Cell::strata),
        clusters: columns(table, table.clusters(), Cell::clusters),
        baseline: table.columns().baseline.clone(),
        cells: table.cells().filter(|c| c.label() != Label::Adaptive).count(),
    };
    let mut analysis = match &design {
        Design::Complete | Design::Ragged => stack.analyse(data, &sample),
        Design::FixedOrder { order, .. } => {
            let order: Vec<usize> = order.iter().map(|n| table.layer(n)).collect::<Result<_>>()?;
            let mut a = stack.bounded(data, &sample);
            a.pipeline = Some(Section::new(pipeline::steps(&sample, names, &order, rate)));
            a
        }
        Design::Gated { .. } => stack.bounded(data, &sample),
        Design::RandomOrder { .. } => stack.random_order(data, &sample),
    };
    if let Some(baseline) = table.columns().baseline.as_ref().filter(|_| analysis.given_baseline.is_none()) {
        analysis
            .joint
            .content
            .cautions
            .push(format!("Nothing is shown among attacks that beat `{baseline}`: there are none, or the pipeline stopped early."));
    }
    if benign.len() > 0 {
        // Behind a target that refused, a layer was not asked about a benign prompt either.
        let censored =
            |c: Cell<'_>| c.label() == Label::Benign && c.reasons().iter().any(|(_, r)| matches!(r, crate::outcome::Reason::CensoredBy(_)));
        let selected = table.cells().any(censored);
        let rate = RateOptions { missing: if selected { Missing::Selected } else { rate.missing }, ..rate };
        analysis.false_alarms = Some(Section::new(false_alarm::analyse(names, &benign, rate)));
    }
    Ok(analysis)
}

fn check(options: &AnalyzeOptions) -> Result<()> {
    if !(options.level > 0.0 && options.level < 1.0) {
        return Err(Error::OutOfRange { what: "the confidence level", expected: "between 0 and 1", got: options.level });
    }
    if options.replicates < 100 {
        return Err(Error::OutOfRange { what: "the number of bootstrap replicates", expected: "at least 100", got: options.replicates as f64 });
    }
    Ok(())
}

fn attack(c: &Cell<'_>) -> bool {
    c.label() == Label::Attack
}

struct Stack<'a> {
    table: &'a JointOutcomes,
    names: &'a [String],
    options: &'a AnalyzeOptions,
    rate: RateOptions,
    groups: &'a [(String, Vec<usize>)],
    progress: Progress<'a>,
}

/// Columns and how many levels each has, over all trials that were not chosen by a search.
fn columns<'a>(table: &'a JointOutcomes, factors: &[crate::outcome::Factor], of: impl Fn(&Cell<'a>) -> &'a [u32]) -> Vec<ColumnSummary> {
    let mut seen: Vec<Vec<bool>> = factors.iter().map(|f| vec![false; f.levels.len()]).collect();
    // Nobody looks for levels where no search added any.
    let searched = !factors.is_empty() && table.cells().any(|c| c.label() == Label::Adaptive);
    for c in table.cells().filter(|c| searched && c.label() != Label::Adaptive) {
        of(&c).iter().zip(&mut seen).for_each(|(&l, s)| s[l as usize] = true);
    }
    let many = |s: &Vec<bool>| if searched { s.iter().filter(|x| **x).count() } else { s.len() };
    factors.iter().zip(&seen).map(|(f, s)| ColumnSummary { column: f.name.clone(), levels: many(s) }).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &f64) -> bool {
    *n == 0.0
}

/// What one replicate computes.
#[derive(serde::Serialize, serde::Deserialize)]
struct Replicate {
    whole: Vec<f64>,
    causes: Vec<f64>,
    pairs: Vec<f32>,
}

impl Stack<'_> {
    fn analyse(&self, data: DataSummary, sample: &Sample) -> Analysis {
        let k = self.names.len();
        let ragged = !sample.all_complete();
        let without_gaps = ragged.then(|| sample.subset(|r| sample.complete(r)));
        let complete = without_gaps.as_ref().unwrap_or(sample);
        let layout = Layout::new(k, ragged, k <= RESAMPLED_PAIRS);
        let units = Units::new(sample, &layout);
        let sums = units.sums();
        let columns = self.table.strata().len();
        let groupings = causes::groupings(&sample.strata, columns);
        let step = "resampling clusters";
        let done = std::sync::atomic::AtomicU64::new(0);
        let many = self.options.replicates;
        (self.progress)(step, 0, many as u64);
        let replicates = units.bootstrap(
            self.options.seed,
            many,
            |s| Replicate {
                whole: estimate::whole(s).flat(),
                causes: causes::replicate(s, &groupings),
                pairs: if layout.pairs { pairs::replicate(s) } else { Vec::new() },
            },
            |n| {
                let d = done.fetch_add(n as u64, std::sync::atomic::Ordering::Relaxed) + n as u64;
                (self.progress)(step, d, many as u64);
            },
        );
        let core = self.core(sample, complete, &units, &sums, replicates.iter().map(|r| r.whole.as_slice()).collect());
        let pair_replicates: Vec<Vec<f32>> = replicates.iter().map(|r| r.pairs.clone()).filter(|p| !p.is_empty()).collect();
        let wide = Layout::new(k, ragged, true);
        let pairs_table = if k < 2 {
            None
        } else if layout.pairs {
            let evidence = pairs::Evidence { sample, units: &units, sums: &sums, replicates: &pair_replicates };
            Some(pairs::analyse(self.names, &evidence, self.rate))
        } else {
            (self.progress)("comparing pairs", 0, 1);
            let units = Units::new(sample, &wide);
            let sums = units.sums();
            let evidence = pairs::Evidence { sample, units: &units, sums: &sums, replicates: &[] };
            let table = pairs::analyse(self.names, &evidence, self.rate);
            (self.progress)("comparing pairs", 1, 1);
            Some(table)
        };
        let causes = (columns > 0 && complete.len() > 0).then(|| {
            let list: Vec<Vec<f64>> = replicates.iter().map(|r| r.causes.clone()).collect();
            causes::analyse(
                &causes::Evidence {
                    sample: complete,
                    sums: &sums,
                    strata: self.table.strata(),
                    groupings: &groupings,
                    replicates: &list,
                    clusters: core.clusters,
                    seed: self.options.seed,
                },
                self.rate,
            )
        });
        let bounds = if k >= 2 { self.bounds(complete, &core.layers_complete, &sums) } else { None };
        let (pairs_table, causes) = adjust(pairs_table, causes);
        let given_baseline = self.given_baseline(sample);
        Analysis {
            data: Section::new(data),
            layers: Section::new(self.layer_rates(sample, attack)),
            joint: Section::new(core.joint),
            curve: Section::new(core.curve),
            contributions: Section::new(core.contributions),
            groups: (!core.groups.is_empty()).then(|| Section::new(core.groups)),
            pairs: pairs_table.map(Section::new),
            together: core.together.map(Section::new),
            causes: causes.map(Section::new),
            bounds: bounds.map(Section::new),
            pipeline: None,
            given_baseline: given_baseline.map(Section::new),
            false_alarms: None,
        }
    }

    /// Each layer over `sample`, whose cells are those that `keep` accepts.
    fn layer_rates(&self, sample: &Sample, keep: impl Fn(&Cell<'_>) -> bool) -> Vec<LayerRate> {
        let mut missing: Vec<std::collections::BTreeMap<String, f64>> = vec![Default::default(); self.names.len()];
        if !sample.all_complete() {
            for c in self.table.cells().filter(keep) {
                for (i, m) in missing.iter_mut().enumerate() {
                    if let Some(reason) = c.missing(i) {
                        *m.entry(reason.word(self.names)).or_default() += c.n;
                    }
                }
            }
        }
        missing
            .into_par_iter()
            .enumerate()
            .map(|(i, missing)| {
                let seen = |r: usize| bit(sample.observed(r), i);
                LayerRate {
                    layer: self.names[i].clone(),
                    trials: (0..sample.len()).filter(|&r| seen(r)).map(|r| sample.n[r]).sum(),
                    failed: (0..sample.len()).filter(|&r| bit(sample.failed(r), i)).map(|r| sample.n[r]).sum(),
                    rate: sample.co_failure(LayerSet::of(self.names.len(), &[i]).words(), self.rate),
                    missing: missing.into_iter().map(|(reason, trials)| MissingCount { reason, trials }).collect(),
                }
            })
            .collect()
    }

    /// Everything about the stack that does not need pairs or strata.
    fn core(&self, sample: &Sample, complete: &Sample, units: &Units<'_>, sums: &Sums<'_>, replicates: Vec<&[f64]>) -> Core {
        let k = self.names.len();
        let level = self.options.level;
        let total = sums.total();
        let whole = Whole::of(sums.layout, &total);
        let all = LayerSet::all(k);
        let layers_complete: Vec<Figure> = (0..k).into_par_iter().map(|i| complete.co_failure(LayerSet::of(k, &[i]).words(), self.rate)).collect();
        let beta = complete.proportion(|r| Some(complete.surely_failed(r, all.words())));
        let clusters = beta.factors.iter().map(|f| f.clusters).fold(f64::INFINITY, f64::min);
        let mut joint = self.joint(sample, complete, &beta);
        let flagged = beta.few_clusters() && !sample.factors.is_empty();
        let acceleration = if flagged || sample.factors.len() > 1 || beta.failed <= 0.0 {
            None
        } else {
            units.acceleration(sums, |s| Whole::of(s.layout, &s.total()).flat())
        };
        // What varies from replicate to replicate is above all which clusters with a joint failure are drawn, so it is
        // their number that the expansion of the percentiles goes by.
        let drawn = beta.factors.iter().map(|f| f.with_failure).fold(clusters, f64::min);
        let column = |at: usize| -> Vec<f64> { replicates.iter().map(|r| r[at]).collect() };
        let interval = |at: usize, value: f64| -> (Option<Interval>, Option<Interval>) {
            let mut c = column(at);
            (percentile(&mut c, drawn, level), acceleration.as_ref().and_then(|a| bca(&mut c, value, a[at], level)))
        };
        if complete.len() > 0 {
            estimate::gap_figures(&mut joint, &layers_complete, &whole, level, interval);
        }
        let p: Vec<f64> = layers_complete.iter().map(|f| f.value.unwrap_or(0.0)).collect();
        let independent = independent_curve(&p);
        let curve = (1..=k)
            .map(|m| {
                let value = whole.curve[m - 1];
                let rate = if complete.len() == 0 {
                    let (low, high) = pipeline::curve_bounds(sample, m);
                    Figure::undefined("no trial has an outcome for every layer").within(low, high)
                } else if m == k {
                    joint.beta.clone()
                } else if value <= 0.0 {
                    // β_m is at most the rate of trials on which at least m layers failed, of which there was none.
                    Figure::of(value, "").with(joint.beta.interval.map(|i| Interval { low: Some(0.0), ..i }))
                } else {
                    let (interval, bca) = interval(CURVE + m - 1, value);
                    let mut f = Figure::of(value, "").with(interval);
                    f.bca = bca;
                    if complete.len() < sample.len() {
                        let (low, high) = pipeline::curve_bounds(sample, m);
                        f = f.within(low, high);
                    }
                    f
                };
                CurvePoint { layers: m, rate, independent: independent[m] }
            })
            .collect();
        let mut contributions: Vec<Contribution> =
            (0..k).into_par_iter().map(|j| worth::contribution(sample, &self.names[j], &[j], &layers_complete, self.rate)).collect();
        if k >= 2 && complete.len() > 0 {
            let shares = worth::shapley(complete, self.options.seed, self.rate);
            contributions.iter_mut().zip(shares).for_each(|(c, s)| c.shapley = Some(s));
        }
        let groups = self
            .groups
            .iter()
            .map(|(name, members)| {
                let mut c = worth::contribution(sample, name, members, &layers_complete, self.rate);
                c.members = members.iter().map(|&i| self.names[i].clone()).collect();
                c
            })
            .collect();
        let together = (k >= 2 && complete.len() > 0).then(|| {
            let weight = total[Layout::WEIGHT];
            let at_least: f64 = (2..=k).map(|f| total[sums.layout.failures(f)]).sum();
            let constant = "every layer always failed or never failed";
            let mut t = Together {
                variance_ratio: Figure::of(whole.variance_ratio, constant)
                    .with(interval(VARIANCE_RATIO, whole.variance_ratio).0.filter(|_| whole.variance_ratio.is_finite())),
                knight_leveson: together::knight_leveson(at_least, weight, &p, sample.independent()),
                ..Together::default()
            };
            t.knight_leveson.excess = t.knight_leveson.excess.with(interval(EXCESS_TWO, whole.excess_two).0);
            together::total_correlation(complete, self.options.seed, level, &mut t);
            t
        });
        Core { joint, curve, contributions, groups, together, layers_complete, clusters }
    }

    /// β, its spread over clusters and what to be careful about.
    fn joint(&self, sample: &Sample, complete: &Sample, beta: &crate::interval::Proportion) -> Joint {
        let k = self.names.len();
        let all = LayerSet::all(k);
        let events = |r: usize| sample.surely_failed(r, all.words());
        let all_failed: f64 = (0..sample.len()).filter(|&r| events(r)).map(|r| sample.n[r]).sum();
        let mut joint = Joint { trials: sample.trials(), all_failed, beta: sample.co_failure(all.words(), self.rate), ..Joint::default() };
        if !sample.independent() && !sample.weighted {
            joint.beta_if_independent_trials = joint.beta.value.map(|_| clopper_pearson(beta.failed, beta.trials, self.options.level));
        }
        for (f, factor) in self.table.clusters().iter().enumerate() {
            let totals = beta.factors.get(f).cloned().unwrap_or_default();
            let (by_cluster, informative_size) = informative_size(complete, f, all.words(), self.options.level);
            joint.clusters.push(ClusterSpread {
                column: factor.name.clone(),
                clusters: totals.clusters,
                with_joint_failure: totals.with_failure,
                beta_by_cluster: by_cluster,
                informative_size,
            });
        }
        let few: Vec<String> = joint
            .clusters
            .iter()
            .filter(|s| all_failed > 0.0 && s.with_joint_failure < ENOUGH_CLUSTERS as f64)
            .map(|s| format!("{} of {} clusters of `{}`", s.with_joint_failure, s.clusters, s.column))
            .collect();
        if !few.is_empty() {
            joint.cautions.push(format!(
                "All {all_failed} joint failures lie in {}. Below {ENOUGH_CLUSTERS} such clusters the intervals are wide because they rest on little; in simulations of such tables those of the rate covered the truth in at least 98% and those of the factor in at least 91%.",
                few.join(" and in ")
            ));
        }
        for s in joint.clusters.iter().filter(|s| s.informative_size) {
            joint.cautions.push(format!(
                "Clusters of `{}` with more trials fail at a different rate than those with fewer: the rate per trial and the rate per cluster differ by more than two standard errors.",
                s.column
            ));
        }
        if self.table.clusters().len() > 1 {
            joint.cautions.push(
                "The cluster columns are crossed: intervals from the bootstrap err on the wide side (pigeonhole bootstrap, up to three times the variance).".into(),
            );
        }
        joint
    }

    fn bounds(&self, complete: &Sample, rates: &[Figure], sums: &Sums<'_>) -> Option<Bounds> {
        let p: Vec<f64> = rates.iter().map(|r| r.value).collect::<Option<_>>()?;
        // Pairwise-complete rates need not fit together; those of complete rows always do.
        let k = p.len();
        let weight = complete.weight();
        let both = |(i, j): (usize, usize)| {
            (0..complete.len()).filter(|&r| bit(complete.failed(r), i) && bit(complete.failed(r), j)).map(|r| complete.w[r]).sum::<f64>()
        };
        let list: Vec<(usize, usize)> = pairs::pairs(k).collect();
        let double: Vec<f64> = if sums.layout.pairs && !sums.layout.ragged {
            let total = sums.total();
            list.iter().map(|&(i, j)| sums.layout.two_by_two(&total, i, j).n11 / weight).collect()
        } else {
            list.par_iter().map(|&p| both(p) / weight).collect()
        };
        let marginals = bounds::frechet(&p);
        if k > bounds::LINEAR_PROGRAMME_LAYERS {
            let pairs = bounds::binomial_moments(&p, &double, k);
            return Some(Bounds { marginals, pairs, pairs_with_sampling_error: None, method: BoundMethod::BinomialMoments });
        }
        let mut patterns: Vec<u64> = (0..complete.len()).map(|r| complete.failed(r)[0]).collect();
        patterns.sort_unstable();
        patterns.dedup();
        patterns.truncate(4096);
        let known = |x: &f64| (*x, *x);
        let exact = Moments { single: p.iter().map(known).collect(), double: double.iter().map(known).collect(), patterns };
        // Simultaneous: every interval at 1 − α/(number of rates).
        let many = (k + double.len()) as f64;
        let wide = RateOptions { level: 1.0 - (1.0 - self.options.level) / many, ..self.rate };
        let range = |set: &[usize]| {
            let f = complete.co_failure(LayerSet::of(k, set).words(), wide);
            f.interval.and_then(|i| Some((i.low?, i.high?)))
        };
        let loose = || -> Option<Moments> {
            Some(Moments {
                single: (0..k).map(|i| range(&[i])).collect::<Option<_>>()?,
                double: pairs::pairs(k).map(|(i, j)| range(&[i, j])).collect::<Option<_>>()?,
                patterns: exact.patterns.clone(),
            })
        };
        let pairs = (k >= 3).then(|| bounds::from_pairs(&exact)).flatten();
        let pairs_with_sampling_error = (k >= 3 && pairs.is_some()).then(loose).flatten().and_then(|m| bounds::from_pairs(&m));
        Some(Bounds { marginals, pairs, pairs_with_sampling_error, method: BoundMethod::LinearProgramme })
    }

    /// The stack among attacks that beat the baseline.
    fn given_baseline(&self, sample: &Sample) -> Option<GivenBaseline> {
        let name = self.table.columns().baseline.clone()?;
        let known = sample.subset(|r| sample.baseline[r].is_some());
        let inside = sample.subset(|r| sample.baseline[r] == Some(true));
        if inside.len() == 0 {
            return None;
        }
        let k = self.names.len();
        // The same trials, told apart by the baseline's outcome; clusters are drawn as before.
        let beaten = |r: usize| known.baseline[r] == Some(true);
        let regrouped = known.regrouped(vec![vec![0], vec![1]], |r| u32::from(beaten(r)));
        let ragged = !regrouped.all_complete();
        let layout = Layout::new(k, ragged, false);
        let units = Units::new(&regrouped, &layout);
        let sums = units.sums();
        let value = causes::explained_by_groups(&sums);
        let quiet = |_: usize| {};
        let mut explained =
            units.bootstrap(self.options.seed, self.options.replicates, |s| (causes::explained_by_groups(s), estimate::whole(s).ln_gap), quiet);
        let clusters = regrouped.df() + 1.0;
        let mut first: Vec<f64> = explained.iter().map(|e| e.0).collect();
        let mut second: Vec<f64> = explained.drain(..).map(|e| e.1).collect();
        let ln_gap = estimate::whole(&sums).ln_gap;
        let level = self.options.level;
        let optional = |f: Figure, i: Option<Interval>| if f.value.is_some() { f.with(i) } else { f };
        let why = "no trial beat every layer, or some layer never failed";
        let explained_nats = optional(Figure::of(value, why), percentile(&mut first, clusters, level));
        let gap_nats = optional(Figure::of(ln_gap, why), percentile(&mut second, clusters, level));
        let rate = known.rate(self.rate, |_| true, |r| Some(beaten(r)));

        let complete = inside.subset(|r| inside.complete(r));
        let layout = Layout::new(k, !inside.all_complete(), false);
        let units = Units::new(&inside, &layout);
        let sums = units.sums();
        let replicates = units.bootstrap(self.options.seed, self.options.replicates, |s| estimate::whole(s).flat(), quiet);
        let core = self.core(&inside, &complete, &units, &sums, replicates.iter().map(Vec::as_slice).collect());
        Some(GivenBaseline {
            baseline: name,
            rate,
            gap_nats,
            explained_nats,
            layers: self.layer_rates(&inside, |c| c.label() == Label::Attack && c.baseline_failed() == Some(true)),
            joint: core.joint,
            curve: core.curve,
            contributions: core.contributions,
        })
    }

    /// A pipeline in fixed order: values where they are identified, intervals elsewhere.
    fn bounded(&self, data: DataSummary, sample: &Sample) -> Analysis {
        let k = self.names.len();
        let layers = self.layer_rates(sample, attack);
        let rates: Vec<Figure> = layers.iter().map(|l| l.rate.clone()).collect();
        let all = LayerSet::all(k);
        let beta = sample.proportion(|r| Some(sample.surely_failed(r, all.words())));
        let mut joint = self.joint(sample, sample, &beta);
        if let Some(r) = pipeline::gap_ranges(&joint.beta, &rates) {
            let why = "later layers were only asked when the earlier ones had failed, so their own rates are only known to lie in an interval";
            let open = |f: Figure| {
                if f.identified.is_some_and(|r| r.low.is_some() && r.low == r.high) { f } else { Figure { undefined: Some(why.into()), ..f } }
            };
            joint.product = open(r.product);
            joint.log10_product = open(r.log10_product);
            joint.gap = open(r.gap);
            joint.log10_gap = open(r.log10_gap);
            joint.efficiency = open(r.efficiency);
            joint.effective_layers = open(r.effective_layers);
        }
        let p_high: Vec<f64> = rates.iter().filter_map(|r| pipeline::ends(r).map(|e| e.1)).collect();
        let independent = independent_curve(&p_high);
        let curve = (1..=k)
            .map(|m| {
                let rate = if m == k {
                    joint.beta.clone()
                } else {
                    let (low, high) = pipeline::curve_bounds(sample, m);
                    Figure::between(low, high)
                };
                CurvePoint { layers: m, rate, independent: independent[m] }
            })
            .collect();
        let contribution = |name: &str, members: &[usize]| {
            let mut c = worth::contribution(sample, name, members, &rates, self.rate);
            if c.worth.value.is_none() && members.len() == 1 {
                c.worth = pipeline::worth_range(&c.conditional, &rates[members[0]]);
            } else if members.len() > 1 {
                c.members = members.iter().map(|&i| self.names[i].clone()).collect();
            }
            c
        };
        let contributions = (0..k).map(|j| contribution(&self.names[j], &[j])).collect();
        let groups: Vec<Contribution> = self.groups.iter().map(|(n, m)| contribution(n, m)).collect();
        Analysis {
            data: Section::new(data),
            layers: Section::new(layers),
            joint: Section::new(joint),
            curve: Section::new(curve),
            contributions: Section::new(contributions),
            groups: (!groups.is_empty()).then(|| Section::new(groups)),
            pairs: (k >= 2).then(|| Section::new(pipeline::pair_bounds(sample, self.names, self.rate))),
            together: None,
            causes: None,
            bounds: None,
            pipeline: None,
            given_baseline: None,
            false_alarms: None,
        }
    }

    /// A recorded random order: β_S from the trials that began with S.
    fn random_order(&self, data: DataSummary, sample: &Sample) -> Analysis {
        let k = self.names.len();
        let set = |members: &[usize]| LayerSet::of(k, members);
        let estimated = |members: &[usize]| pipeline::random_order_rate(sample, set(members).words(), self.rate);
        let mut layers = self.layer_rates(sample, attack);
        for (i, l) in layers.iter_mut().enumerate() {
            l.rate = estimated(&[i]);
        }
        let rates: Vec<Figure> = layers.iter().map(|l| l.rate.clone()).collect();
        let all = LayerSet::all(k);
        let beta = sample.proportion(|r| Some(sample.surely_failed(r, all.words())));
        let mut joint = self.joint(sample, sample, &beta);
        let imperfect = rates.iter().filter(|r| r.value.is_some_and(|p| p < 1.0)).count() as f64;
        if let Some(g) = pipeline::random_order_gap(sample, self.options.level) {
            let scaled = |i: Option<Interval>, f: &dyn Fn(f64) -> f64| i.and_then(|i| i.map(f));
            let log10 = |x: f64| x / std::f64::consts::LN_10;
            joint.product = Figure::of(g.ln_product.exp(), "");
            joint.log10_product = Figure::of(log10(g.ln_product), "");
            joint.gap = Figure::of(g.ln_gap.exp(), "").with(scaled(g.gap_interval, &f64::exp));
            joint.log10_gap = Figure::of(log10(g.ln_gap), "").with(scaled(g.gap_interval, &log10));
            joint.efficiency = Figure::of(g.efficiency, "").with(g.efficiency_interval);
            joint.effective_layers = Figure::of(imperfect * g.efficiency, "").with(scaled(g.efficiency_interval, &|x| imperfect * x));
        } else if joint.beta.value == Some(0.0) && rates.iter().all(|r| r.value.is_some()) {
            estimate::one_sided_gap(&mut joint, &rates, self.options.level);
        } else {
            for f in [
                &mut joint.product,
                &mut joint.log10_product,
                &mut joint.gap,
                &mut joint.log10_gap,
                &mut joint.efficiency,
                &mut joint.effective_layers,
            ] {
                *f = Figure::undefined("some layer never came first, or never failed when it did");
            }
        }
        let independent = independent_curve(&rates.iter().map(|r| r.value.unwrap_or(0.0)).collect::<Vec<_>>());
        let curve = (1..=k)
            .map(|m| {
                let rate = if m == k { joint.beta.clone() } else { self.random_order_curve(sample, m) };
                CurvePoint { layers: m, rate, independent: independent[m] }
            })
            .collect();
        let contribution = |name: &str, members: &[usize]| {
            let others = set(members).complement(k);
            let mut c = worth::contribution(sample, name, members, &rates, RateOptions { missing: Missing::AtRandom, ..self.rate });
            // Only trials in which the others came first say what they do together.
            let asked_last = sample.subset(|r| sample.starts_with(r, others.words()));
            if asked_last.len() > 0 {
                let from_last = worth::contribution(&asked_last, name, members, &rates, self.rate);
                c.beta_without = pipeline::random_order_rate(sample, others.words(), self.rate);
                c.conditional = from_last.conditional;
                c.worth = from_last.worth;
            } else {
                let none = || Figure::undefined("never asked last");
                (c.beta_without, c.conditional, c.worth) = (none(), none(), none());
            }
            if members.len() > 1 {
                c.members = members.iter().map(|&i| self.names[i].clone()).collect();
            }
            c
        };
        let contributions = (0..k).map(|j| contribution(&self.names[j], &[j])).collect();
        let groups: Vec<Contribution> = self.groups.iter().map(|(n, m)| contribution(n, m)).collect();
        let pairs: Vec<Pair> = pairs::pairs(k)
            .map(|(i, j)| {
                let p_both = estimated(&[i, j]);
                let lift = match (p_both.value, rates[i].value, rates[j].value) {
                    (Some(b), Some(p), Some(q)) => Figure::of(b / (p * q), "one of them never failed when asked first"),
                    _ => Figure::undefined("these two never came first together"),
                };
                let open = || Figure::undefined("not estimated from pipelines that stop early: only P(both fail) is");
                Pair {
                    a: self.names[i].clone(),
                    b: self.names[j].clone(),
                    p_both,
                    lift,
                    phi: open(),
                    phi_relative: open(),
                    odds_ratio: open(),
                    yules_q: open(),
                    tetrachoric: open(),
                    kappa: open(),
                    a_given_b: open(),
                    b_given_a: open(),
                    ..Pair::default()
                }
            })
            .collect();
        Analysis {
            data: Section::new(data),
            layers: Section::new(layers),
            joint: Section::new(joint),
            curve: Section::new(curve),
            contributions: Section::new(contributions),
            groups: (!groups.is_empty()).then(|| Section::new(groups)),
            pairs: (k >= 2).then(|| Section::new(pairs)),
            together: None,
            causes: None,
            bounds: None,
            pipeline: None,
            given_baseline: None,
            false_alarms: None,
        }
    }

    /// Mean of β_S over the subsets of size m, each from the trials that began with it.
    fn random_order_curve(&self, sample: &Sample, m: usize) -> Figure {
        let mut by_set: std::collections::BTreeMap<Vec<u16>, (f64, f64)> = Default::default();
        let mut first: Vec<Vec<u16>> = Vec::with_capacity(sample.len());
        for r in 0..sample.len() {
            let mut set = sample.orders[sample.order[r] as usize][..m].to_vec();
            set.sort_unstable();
            let members: Vec<usize> = set.iter().map(|&i| usize::from(i)).collect();
            let failed = sample.all_failed(r, LayerSet::of(sample.layers, &members).words()) == Some(true);
            let sums = by_set.entry(set.clone()).or_default();
            sums.0 += sample.w[r];
            sums.1 += if failed { sample.w[r] } else { 0.0 };
            first.push(set);
        }
        let k = sample.layers;
        let subsets: f64 = (0..m).map(|i| (k - i) as f64 / (i + 1) as f64).product();
        if (by_set.len() as f64) < subsets.round() {
            return Figure::undefined(format!("only {} of {} sets of {m} layers ever came first", by_set.len(), subsets.round()));
        }
        let value = by_set.values().map(|(w, f)| f / w).sum::<f64>() / by_set.len() as f64;
        let weight = sample.weight();
        let influence: Vec<f64> = (0..sample.len())
            .map(|r| {
                let (w, f) = by_set[&first[r]];
                let members: Vec<usize> = first[r].iter().map(|&i| usize::from(i)).collect();
                let failed = sample.all_failed(r, LayerSet::of(k, &members).words()) == Some(true);
                (f64::from(u8::from(failed)) - f / w) * weight / w / by_set.len() as f64
            })
            .collect();
        let interval = sample.linearised_interval(value, &influence, self.options.level).and_then(|i| i.map(|x| x.clamp(0.0, 1.0)));
        Figure::of(value, "").with(interval)
    }
}

struct Core {
    joint: Joint,
    curve: Vec<CurvePoint>,
    contributions: Vec<Contribution>,
    groups: Vec<Contribution>,
    together: Option<Together>,
    /// Rates on complete rows.
    layers_complete: Vec<Figure>,
    clusters: f64,
}

/// Benjamini–Hochberg over all tests shown, pairs and places together.
fn adjust(mut pairs: Option<Vec<Pair>>, mut causes: Option<Causes>) -> (Option<Vec<Pair>>, Option<Causes>) {
    let pair_values = pairs.iter().flatten().map(|p| p.p_value);
    let place_values = causes.iter().flat_map(|c| &c.places).map(|p| p.p_value);
    let adjusted = benjamini_hochberg(&pair_values.chain(place_values).collect::<Vec<_>>());
    let targets = pairs.iter_mut().flatten().map(|p| &mut p.p_adjusted);
    let targets = targets.chain(causes.iter_mut().flat_map(|c| &mut c.places).map(|p| &mut p.p_adjusted));
    targets.zip(adjusted).for_each(|(t, a)| *t = a);
    (pairs, causes)
}

/// β as the mean over clusters of one factor, and whether it differs from the mean over trials by over two standard
/// errors.
fn informative_size(sample: &Sample, factor: usize, all: &[u64], level: f64) -> (Figure, bool) {
    let mut failed = vec![0.0; sample.factors[factor]];
    let mut weight = vec![0.0; sample.factors[factor]];
    for r in 0..sample.len() {
        let c = sample.clusters_of(r)[factor] as usize;
        weight[c] += sample.w[r];
        if sample.surely_failed(r, all) {
            failed[c] += sample.w[r];
        }
    }
    let present: Vec<usize> = (0..weight.len()).filter(|&c| weight[c] > 0.0).collect();
    let n = present.len() as f64;
    if n < 2.0 {
        return (Figure::undefined("fewer than two clusters"), false);
    }
    let (total_failed, total): (f64, f64) = (failed.iter().sum(), weight.iter().sum());
    let by_trial = total_failed / total;
    let by_cluster = present.iter().map(|&c| failed[c] / weight[c]).sum::<f64>() / n;
    let sum_of_squares = |d: &dyn Fn(usize) -> f64| (present.iter().map(|&c| d(c).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    let own = |c: usize| failed[c] / weight[c] - by_cluster;
    let difference = |c: usize| (failed[c] - by_trial * weight[c]) * n / total - own(c);
    let se = sum_of_squares(&difference);
    let t = crate::special::student_quantile(0.5 + 0.5 * level, n - 1.0);
    let half = t * sum_of_squares(&own);
    let interval = Interval::new((by_cluster - half).max(0.0), (by_cluster + half).min(1.0), level, crate::figure::IntervalMethod::Linearised);
    let enough = present.iter().filter(|&&c| failed[c] > 0.0).count() >= ENOUGH_CLUSTERS;
    let even = by_cluster <= 0.0 || se <= 1e-12 * by_cluster;
    (Figure::of(by_cluster, "").with(interval.filter(|_| enough)), enough && !even && (by_trial - by_cluster).abs() > 2.0 * se)
}
