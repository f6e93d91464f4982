//! Which layers to choose: the smallest P(all chosen layers fail) under limits of cost, time, joint false alarms and numbers of a kind, with what other ways to choose would have cost.
//!
//! P(all of S fail) falls with every layer and is supermodular in S, but a greedy choice has no promise (optimum 0, greedy 0.2 exists): up to 60 layers the best is searched for and proven, beyond that the report says how far
//! from it the choice can be. A choice that looks best on the trials that it was made on is flattered by them (best 3 of 12 equal layers on 300 trials: 0.033 reported, 0.058 true), so all ways to choose are judged on clusters
//! that they have not seen.

mod limits;
mod mixed;
mod search;
#[cfg(test)]
mod tests;
mod under;

use crate::analyze::AnalyzeOptions;
use crate::error::{Error, Result};
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::fit::SystemOfModel;
use crate::holdout::Folds;
use crate::interval::clopper_pearson;
use crate::layers::bit;
use crate::outcome::{JointOutcomes, Label};
use crate::patterns::Patterns;
use crate::sample::Sample;
use crate::scenario::Scenario;
use crate::structure::Structure;
use limits::{Alarms, AtMost, Limits, Stages, Sum};
use mixed::Mixed;
use schemars::JsonSchema;
use search::{Found, MOST_EXACT, Objective, best_of, best_of_mixed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use under::Under;

/// Folds of clusters on which choices are judged.
const FOLDS: usize = 5;
/// Places that the search for the choice looks at, and each of those that it is compared with, where a place is as small as a thousand nodes.
const PLACES: (u64, u64) = (100_000, 5_000);
/// Points of the frontier.
const MOST_POINTS: usize = 25;
/// Nodes of all draws of a model together.
const MOST_NODES: usize = 10_000;
/// The sum of times that pass at once within a stage.
pub const LATENCY: &str = "latency";
/// The sum of which every layer takes one.
pub const NUMBER: &str = "layers";

/// What limits a choice.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectOptions {
    /// What a choice may take of each thing that adds up over layers, by name. [`NUMBER`] is the number of layers.
    pub budgets: BTreeMap<String, f64>,
    /// What each layer takes, by layer and name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub takes: BTreeMap<String, BTreeMap<String, f64>>,
    /// The stage of each layer: of [`LATENCY`], layers of one stage take as much as the slowest of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<String, String>,
    /// The most of all benign trials on which some chosen layer may raise an alarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm: Option<f64>,
    /// At most so many of a kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_most: Vec<KindLimit>,
    /// Layers that are chosen whatever they bring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// Layers that are not to be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Judge a choice by the mean over this share of the worst posterior draws, instead of over all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<f64>,
    /// When the system fails, as an expression; layers that are not chosen count as failed. When all chosen layers fail, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// Named parts of the expression.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pillars: BTreeMap<String, String>,
    /// Scenarios beside the world as tested: a choice is judged by the worst of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<Scenario>,
}

/// At most so many layers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KindLimit {
    /// The kind, as `provider acme`.
    pub kind: String,
    /// Its layers.
    pub layers: Vec<String>,
    /// At most.
    pub many: usize,
}

/// A choice of layers, and what other ways to choose would have cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    /// What choices are judged by: what was counted, or a model's posterior mean.
    pub judged_by: String,
    /// Where only the worst draws count: their share.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worst: Option<f64>,
    /// When the system fails, where that is not when all chosen layers do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fails: Option<String>,
    /// The rate of the best choice in each scenario, the world as tested first; nothing where that is the only one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub worlds: Vec<RateInScenario>,
    /// The best choice.
    pub best: Choice,
    /// No choice that keeps to the limits is better than this.
    pub bound: f64,
    /// Whether nothing is better than the best choice, or it may be: then the bound says by how much.
    pub proven: bool,
    /// The best choice for less and less of one budget, as far as it is proven.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub frontier: Vec<Choice>,
    /// The budget along which the frontier goes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub along: Option<String>,
    /// Other ways to choose under the same limits.
    pub others: Vec<OtherChoice>,
    /// The best way on clusters that it had not seen.
    pub held_out: Figure,
    /// Layers that no limit leaves room for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unaffordable: Vec<String>,
    /// What has to be known about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// Some layers, with what they let through and take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// The layers.
    pub layers: Vec<String>,
    /// P(all of them fail), or that the system does, as choices are judged: in the worst scenario where there are several.
    pub beta: f64,
    /// What they take of each budget.
    pub takes: BTreeMap<String, f64>,
    /// Share of benign trials on which some of them raises an alarm.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub false_alarm: Option<f64>,
}

/// A rate in one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateInScenario {
    /// The scenario.
    pub scenario: String,
    /// The rate.
    pub rate: f64,
}

/// A way to choose that looks at less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OtherChoice {
    /// How it chooses.
    pub way: WayToChoose,
    /// Its choice.
    pub choice: Choice,
    /// What it believes to let through, where it believes something.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub believes: Option<f64>,
    /// P(all fail) on clusters that it had not seen.
    pub held_out: Figure,
}

/// Ways to choose layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WayToChoose {
    /// Failure rates are multiplied, as if layers failed independently.
    Independence,
    /// Layers that fail together least, whatever they let through.
    LowCorrelation,
}

/// Chooses layers by outcomes under attack, or by the posterior mean of the fitted model that comes first in `fitted` and holds up.
///
/// Fails with [`Error::NoTrials`] without complete trials, on layers that there are not, where a budget's takes are not all known, where forced layers are over a limit by themselves, and with a limit on false alarms without
/// benign trials.
///
/// ```
/// use coincide::{AnalyzeOptions, Columns, Outcome::{Failed, Held}, SelectOptions, TableBuilder, TrialRow, select};
/// let columns = Columns { layers: vec!["strong".into(), "twin".into(), "other".into()], ..Columns::default() };
/// let mut b = TableBuilder::new(columns)?;
/// // The two strongest fail on the same attacks; the weaker third on others.
/// for (outcomes, n) in [([Failed, Failed, Held], 10), ([Held, Held, Failed], 20), ([Held, Held, Held], 70)] {
///     (0..n).for_each(|_| b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() }));
/// }
/// let options = SelectOptions { budgets: [("layers".to_owned(), 2.0)].into(), ..SelectOptions::default() };
/// let s = select(&b.finish(), &[], &options, &AnalyzeOptions::default())?;
/// assert!(s.best.layers.contains(&"other".to_owned()) && s.best.beta == 0.0 && s.proven);
/// // Multiplying rates takes the two strongest, believes in 1 %, and lets through 10 %.
/// assert_eq!(s.others[0].choice.layers, ["strong", "twin"]);
/// assert!((s.others[0].believes.unwrap() - 0.01).abs() < 1e-12 && (s.others[0].choice.beta - 0.1).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn select(table: &JointOutcomes, fitted: &[SystemOfModel], options: &SelectOptions, analyze: &AnalyzeOptions) -> Result<Selection> {
    let case = Case::new(table, fitted, options, analyze)?;
    let found = case.search(&case.q.limits, case.places.0)?;
    let mut notes = Vec::new();
    if !fitted.is_empty() && case.draws.is_empty() {
        notes.push("No fitted model that has draws of its parameters holds up, so choices are judged by what was counted.".to_owned());
    }
    if !case.draws.is_empty() {
        notes.push("On unseen clusters all ways chose by what was counted on the others: the model is not fitted again for each.".to_owned());
    }
    if case.under.as_ref().is_some_and(Under::reweighs) {
        notes.push("On unseen clusters strata have the shares that they have in the table, whatever a scenario says.".to_owned());
    }
    if !found.proven {
        let why = if case.q.allowed.len() > MOST_EXACT {
            format!("more than {MOST_EXACT} layers are to be had")
        } else {
            "the search was cut short".to_owned()
        };
        notes.push(format!("Not proven: {why}. It was found by adding and exchanging layers, which alone promises nothing; the bound says how much better another choice can be at most."));
    }
    let (trials, all) = (case.trials(), case.patterns.trials());
    if trials < all * 0.999 {
        notes.push(format!("{trials:.0} of {all:.0} trials have an outcome of every layer and are what choices are judged by."));
    }
    // Chosen on some clusters, judged on the others: by each way.
    let apart = case.under.as_ref().map(Under::as_counted);
    let folds = Folds::deal(&case.patterns, FOLDS, analyze.seed);
    let chosen: Vec<Option<[Vec<usize>; 3]>> = (0..folds.folds)
        .map(|f| {
            let seen = case.counted(&folds.without(f, &case.patterns.weight));
            if seen.size() == 0 {
                return None;
            }
            let own = case.best_by(std::slice::from_ref(&seen), None, apart.as_ref(), &case.q.limits, case.places.1)?.layers;
            let [a, b] = case.others(&seen)?;
            Some([own, a.0, b.0])
        })
        .collect();
    let fails = |r: usize, layers: &[usize]| -> f64 {
        let failed = |i: usize| bit(case.patterns.failed(r), i);
        match &case.under {
            Some(u) => u.tested(&failed, layers),
            None => f64::from(u8::from(layers.iter().all(|&i| failed(i)))),
        }
    };
    let judged =
        |way: usize| held_out((&case.patterns, &case.complete), &folds, |f| chosen[f].as_ref().map(|c| c[way].as_slice()), &fails, analyze.level);
    let ways = [WayToChoose::Independence, WayToChoose::LowCorrelation];
    let mut others = Vec::new();
    for (i, (way, (layers, believes))) in ways.into_iter().zip(case.others(&case.law).into_iter().flatten()).enumerate() {
        others.push(OtherChoice { way, choice: case.choice(&layers), believes, held_out: judged(i + 1) });
    }
    let along = case.q.along();
    let fits = |j: usize| case.q.limits.allow(&case.q.forced.iter().copied().chain([j]).collect::<Vec<_>>());
    let open = case.q.allowed.iter().filter(|j| !case.q.forced.contains(j));
    Ok(Selection {
        judged_by: case.judged_by.clone(),
        worst: options.worst,
        fails: case.under.as_ref().map(|u| u.text.clone()).filter(|_| options.fails.is_some()),
        worlds: case.under.as_ref().filter(|_| !options.scenarios.is_empty()).map_or_else(Vec::new, |u| case.worlds(u, &found.layers)),
        best: case.choice(&found.layers),
        bound: found.bound,
        proven: found.proven,
        frontier: along.map_or_else(Vec::new, |at| case.frontier(&found, at)),
        along: along.map(|at| case.q.named[at].clone()),
        others,
        held_out: judged(0),
        unaffordable: open.filter(|j| !fits(**j)).map(|&j| case.names[j].clone()).collect(),
        notes,
    })
}

/// The best choice alone, and whether it is proven: what [`select`] searches for first.
///
/// Fails as [`select`].
pub fn best_choice(table: &JointOutcomes, fitted: &[SystemOfModel], options: &SelectOptions, analyze: &AnalyzeOptions) -> Result<(Choice, bool)> {
    let case = Case::new(table, fitted, options, analyze)?;
    let found = case.search(&case.q.limits, case.places.0)?;
    Ok((case.choice(&found.layers), found.proven))
}

/// Layers and what was asked for, with the law that choices are judged by.
struct Case<'a> {
    names: &'a [String],
    q: Question,
    patterns: Patterns,
    /// Patterns with an outcome of every layer that is to be had.
    complete: Vec<usize>,
    law: Mixed,
    draws: Vec<Mixed>,
    /// What choices are judged by where that is more than P(all fail).
    under: Option<Under>,
    judged_by: String,
    options: &'a SelectOptions,
    /// Places that the search for the choice looks at, and others.
    places: (u64, u64),
}

impl<'a> Case<'a> {
    fn new(table: &'a JointOutcomes, fitted: &[SystemOfModel], options: &'a SelectOptions, analyze: &AnalyzeOptions) -> Result<Self> {
        let names = table.layers();
        let k = names.len();
        if crate::design::detect(table, analyze.order.as_deref())?.stops_early() {
            let why = "later layers were not asked once an earlier one had held, so outcomes do not say how other choices of layers fail";
            return Err(Error::Stated(why.into()));
        }
        let patterns = Patterns::new(&Sample::new(table, |c| c.label() == Label::Attack));
        let q = Question::new(table, options)?;
        // What is not to be had need not have been asked.
        let complete: Vec<usize> = (0..patterns.len()).filter(|&r| q.allowed.iter().all(|&i| bit(patterns.observed(r), i))).collect();
        let model = fitted.iter().find(|m| m.admissible && !m.draws.is_empty());
        let draws: Vec<Mixed> = model.map(|m| posterior(m, k)).unwrap_or_default();
        if options.worst.is_some() && draws.len() < 2 {
            let why = "the worst draws are asked for, and there is no model that holds up: fit one, for example `factor`";
            return Err(Error::Stated(why.into()));
        }
        let judged_by = model.map_or_else(|| "observed".to_owned(), |m| m.model.clone());
        let under = if options.fails.is_none() && options.scenarios.is_empty() {
            None
        } else {
            let structure = Structure::parse(options.fails.as_deref().unwrap_or("all(*)"), names, &options.pillars)?;
            Some(Under::new(table, &structure, &options.scenarios, &q.allowed, model.is_some())?)
        };
        let mut case = Case { names, q, patterns, complete, law: Mixed::default(), draws, under, judged_by, options, places: (1, 1) };
        if case.trials() <= 0.0 {
            return Err(Error::NoTrials);
        }
        case.law = match case.draws.as_slice() {
            [] => case.counted(&case.patterns.weight),
            draws => Mixed::new(k, draws.iter().flat_map(Mixed::nodes)),
        };
        // Beyond so many layers no search ends: the first choice with its bound is what there is.
        if case.q.allowed.len() <= MOST_EXACT {
            let slower = case.under.as_ref().map_or(1, Under::slower);
            let size = (case.law.size() as u64 / 1000).max(1) * slower;
            case.places = ((PLACES.0 / size).max(1000), (PLACES.1 / size).max(100));
        }
        Ok(case)
    }

    fn trials(&self) -> f64 {
        self.complete.iter().map(|&r| self.patterns.weight[r]).sum()
    }

    /// What was counted, with other weights of the patterns.
    fn counted(&self, weight: &[f64]) -> Mixed {
        let k = self.names.len();
        // A layer that is not to be had is as good as one that always fails.
        let fails_on = |r: usize, i: usize| bit(self.patterns.failed(r), i) || !self.q.allowed.contains(&i);
        let fails = |r: usize| (0..k).map(|i| f64::from(u8::from(fails_on(r, i)))).collect::<Vec<f64>>();
        Mixed::new(k, self.complete.iter().map(|&r| (weight[r], fails(r))))
    }

    /// What choices are judged by: all draws where the worst of them count.
    fn laws(&self) -> &[Mixed] {
        if self.options.worst.is_some() { &self.draws } else { std::slice::from_ref(&self.law) }
    }

    fn search(&self, limits: &Limits, places: u64) -> Result<Found> {
        self.best_by(self.laws(), self.options.worst, self.under.as_ref(), limits, places).ok_or_else(|| self.q.too_much(self.options))
    }

    /// The best by one law, or by the worst share of several.
    fn best_by(&self, laws: &[Mixed], share: Option<f64>, under: Option<&Under>, limits: &Limits, places: u64) -> Option<Found> {
        match (share, under, laws) {
            (None, None, [law]) => best_of_mixed(law, limits, &self.q.forced, &self.q.allowed, places),
            _ => best_of(&Judged { laws, share, under }, limits, &self.q.forced, &self.q.allowed, places),
        }
    }

    fn value(&self, layers: &[usize]) -> f64 {
        Judged { laws: self.laws(), share: self.options.worst, under: self.under.as_ref() }.value(layers)
    }

    /// The rate in each scenario, as choices are judged.
    fn worlds(&self, under: &Under, layers: &[usize]) -> Vec<RateInScenario> {
        let rate = |u: &Under| Judged { laws: self.laws(), share: self.options.worst, under: Some(u) }.value(layers);
        under.apart().map(|(name, u)| RateInScenario { scenario: name.to_owned(), rate: rate(&u) }).collect()
    }

    fn choice(&self, layers: &[usize]) -> Choice {
        self.q.choice(layers, self.value(layers), self.names)
    }

    /// By each way that looks at less: its choice, and what it believes in.
    fn others(&self, law: &Mixed) -> Option<[(Vec<usize>, Option<f64>); 2]> {
        let apart_from_strata = self.under.as_ref().map(Under::as_counted);
        let by_rates = self.best_by(&[law.independent()], None, apart_from_strata.as_ref(), &self.q.limits, self.places.1)?;
        Some([(by_rates.layers, Some(by_rates.value)), (apart(law, &self.q), None)])
    }

    /// The best for less and less of a sum, as far as that is proven.
    fn frontier(&self, found: &Found, at: usize) -> Vec<Choice> {
        let mut limits = self.q.limits.clone();
        let mut found = found.clone();
        let mut out = Vec::new();
        while found.proven && out.len() < MOST_POINTS {
            let cheapest = self.thrifty(&limits, at, &found.layers);
            out.push(self.choice(&cheapest));
            limits.sums[at].most = self.less(&cheapest, at);
            match self.search(&limits, self.places.1) {
                Ok(next) if self.taken(&next.layers, at) < self.taken(&cheapest, at) => found = next,
                _ => break,
            }
        }
        out
    }

    fn taken(&self, layers: &[usize], at: usize) -> f64 {
        layers.iter().map(|&j| self.q.limits.sums[at].each[j]).sum()
    }

    /// A limit that keeps out what these layers take, rounding or not.
    fn less(&self, layers: &[usize], at: usize) -> f64 {
        self.taken(layers, at) * (1.0 - 10.0 * limits::ROUNDING)
    }

    /// Of choices that are as good, one that takes less of a sum: without layers that bring nothing, then by searching with less.
    fn thrifty(&self, limits: &Limits, at: usize, layers: &[usize]) -> Vec<usize> {
        let as_good = |a: &[usize], b: &[usize]| self.value(a) <= self.value(b) * (1.0 + 1e-12);
        let mut best = layers.to_vec();
        let mut limits = limits.clone();
        for _ in 0..MOST_POINTS {
            let without = |j: usize| best.iter().copied().filter(|o| *o != j).collect::<Vec<usize>>();
            let spare = best.iter().copied().find(|&j| limits.sums[at].each[j] > 0.0 && !self.q.forced.contains(&j) && as_good(&without(j), &best));
            if let Some(j) = spare {
                best = without(j);
                continue;
            }
            limits.sums[at].most = self.less(&best, at);
            match self.search(&limits, self.places.1) {
                Ok(next) if as_good(&next.layers, &best) && self.taken(&next.layers, at) < self.taken(&best, at) => best = next.layers,
                _ => break,
            }
        }
        best
    }
}

/// The draws of a model, as many as there is room for.
fn posterior(m: &SystemOfModel, layers: usize) -> Vec<Mixed> {
    let nodes = m.draws.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let many = (MOST_NODES / nodes).clamp(20, 400).min(m.draws.len());
    (0..many).map(|i| Mixed::new(layers, m.draws[i * m.draws.len() / many].iter().cloned())).collect()
}

/// What choices are judged by: one law, or the mean over a share of the worst of several; P(all chosen fail), or more than that.
struct Judged<'a> {
    laws: &'a [Mixed],
    share: Option<f64>,
    under: Option<&'a Under>,
}

impl Objective for Judged<'_> {
    fn value(&self, layers: &[usize]) -> f64 {
        let one = |law: &Mixed| self.under.map_or_else(|| law.value(layers), |u| u.value(law, layers));
        let mut list: Vec<f64> = self.laws.iter().map(one).collect();
        list.sort_by(|a, b| b.total_cmp(a));
        let share = self.share.unwrap_or(1.0);
        let many = ((share * list.len() as f64).ceil() as usize).clamp(1, list.len());
        list[..many].iter().sum::<f64>() / many as f64
    }
}

/// What is asked, by index.
struct Question {
    limits: Limits,
    /// Names of the sums among the limits.
    named: Vec<String>,
    forced: Vec<usize>,
    allowed: Vec<usize>,
    alarms: Option<Alarms>,
    /// Of latency, where layers say their stages.
    stages: Option<Stages>,
    /// What every layer takes of each thing that all of them say.
    takes: Vec<(String, Vec<f64>)>,
}

impl Question {
    fn new(table: &JointOutcomes, o: &SelectOptions) -> Result<Self> {
        let names = table.layers();
        let k = names.len();
        let index = |l: &String| table.layer(l);
        o.takes.keys().chain(o.stages.keys()).try_for_each(|l| index(l).map(|_| ()))?;
        let mut forced = o.forced.iter().map(index).collect::<Result<Vec<_>>>()?;
        forced.sort_unstable();
        forced.dedup();
        let without = o.without.iter().map(index).collect::<Result<Vec<_>>>()?;
        if let Some(&both) = forced.iter().find(|f| without.contains(f)) {
            return Err(Error::Stated(format!("`{}` is to be chosen and not to be had at once", names[both])));
        }
        let mut limits = Limits::default();
        let mut named = Vec::new();
        for (name, &most) in &o.budgets {
            if !(most >= 0.0 && most.is_finite()) {
                return Err(Error::OutOfRange { what: "a budget", expected: "0 or more", got: most });
            }
            let each: Vec<f64> = if name == NUMBER { vec![1.0; k] } else { takes(o, names, name, &without)? };
            if name == LATENCY && !o.stages.is_empty() {
                limits.stages = Some(Stages { stage: stages(o, names), time: each, most });
                continue;
            }
            named.push(name.clone());
            limits.sums.push(Sum { each, most });
        }
        for kind in &o.at_most {
            limits.at_most.push(AtMost { layers: kind.layers.iter().map(index).collect::<Result<_>>()?, many: kind.many });
        }
        let allowed: Vec<usize> = (0..k).filter(|j| !without.contains(j)).collect();
        let alarms = alarms(table, &allowed, o.false_alarm)?;
        if o.false_alarm.is_some() {
            limits.alarms.clone_from(&alarms);
        }
        if let Some(share) = o.worst
            && !(share > 0.0 && share <= 1.0)
        {
            return Err(Error::OutOfRange { what: "the share of the worst draws", expected: "above 0 and at most 1", got: share });
        }
        // What is known of layers is reported, whether there is a budget for it or not.
        let mut all: Vec<&String> = o.takes.values().flat_map(BTreeMap::keys).collect();
        all.sort_unstable();
        all.dedup();
        let timed = takes(o, names, LATENCY, &without).ok().filter(|_| !o.stages.is_empty());
        let stages = timed.map(|time| Stages { stage: stages(o, names), time, most: f64::INFINITY });
        let takes = all.into_iter().filter_map(|n| Some((n.clone(), takes(o, names, n, &without).ok()?))).collect();
        Ok(Question { limits, named, forced, allowed, alarms, stages, takes })
    }

    fn choice(&self, layers: &[usize], beta: f64, names: &[String]) -> Choice {
        let sum = |(name, each): &(String, Vec<f64>)| (name.clone(), layers.iter().map(|&j| each[j]).sum());
        let mut takes: BTreeMap<String, f64> = self.takes.iter().map(sum).collect();
        if let Some(s) = &self.stages {
            takes.insert(LATENCY.to_owned(), s.time(layers));
        }
        let false_alarm = self.alarms.as_ref().map(|a| a.rate(layers));
        Choice { layers: layers.iter().map(|&j| names[j].clone()).collect(), beta, takes, false_alarm }
    }

    /// The sum along which the frontier goes: cost where there is a budget of it, else the first.
    fn along(&self) -> Option<usize> {
        self.named.iter().position(|n| n == "cost").or_else(|| (!self.named.is_empty()).then_some(0))
    }

    fn too_much(&self, o: &SelectOptions) -> Error {
        if self.forced.is_empty() {
            return Error::Stated("no choice keeps to the limits, not even none".into());
        }
        Error::Stated(format!("the layers that have to be chosen ({}) are over a limit by themselves", o.forced.join(", ")))
    }
}

/// The stage of each layer, by number; a layer that says nothing is a stage of its own.
fn stages(o: &SelectOptions, names: &[String]) -> Vec<usize> {
    let mut known: Vec<&str> = o.stages.values().map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    let own = |(j, n): (usize, &String)| o.stages.get(n).and_then(|s| known.iter().position(|k| k == s)).unwrap_or(known.len() + j);
    names.iter().enumerate().map(own).collect()
}

/// What every layer takes of one thing. Fails where a layer that is to be had does not say.
fn takes(o: &SelectOptions, names: &[String], name: &str, without: &[usize]) -> Result<Vec<f64>> {
    let one = |(j, layer): (usize, &String)| match o.takes.get(layer).and_then(|t| t.get(name)) {
        Some(x) if *x >= 0.0 && x.is_finite() => Ok(*x),
        Some(x) => Err(Error::OutOfRange { what: "what a layer takes", expected: "0 or more", got: *x }),
        None if without.contains(&j) => Ok(0.0),
        None => Err(Error::Stated(format!(
            "there is a budget of `{name}`, and layer `{layer}` does not say how much it takes: write takes = {{ {name} = … }} under its [[layers]], or leave it out with --without {layer}"
        ))),
    };
    names.iter().enumerate().map(one).collect()
}

/// Alarms on complete benign trials.
fn alarms(table: &JointOutcomes, allowed: &[usize], most: Option<f64>) -> Result<Option<Alarms>> {
    let k = table.layers().len();
    if let Some(most) = most
        && !(0.0..=1.0).contains(&most)
    {
        return Err(Error::OutOfRange { what: "the limit on false alarms", expected: "between 0 and 1", got: most });
    }
    let benign = Sample::new(table, |c| c.label() == Label::Benign);
    let rows: Vec<usize> = (0..benign.len()).filter(|&r| allowed.iter().all(|&i| bit(benign.observed(r), i))).collect();
    let total: f64 = rows.iter().map(|&r| benign.w[r]).sum();
    if total <= 0.0 {
        return match most {
            Some(_) => Err(Error::Stated("false alarms are limited, and there are no benign trials with an outcome of every layer".into())),
            None => Ok(None),
        };
    }
    // A layer that stops a benign trial raises a false alarm.
    let alarm = (0..k).map(|i| rows.iter().map(|&r| !bit(benign.failed(r), i)).collect()).collect();
    Ok(Some(Alarms { weight: rows.iter().map(|&r| benign.w[r] / total).collect(), alarm, most: most.unwrap_or(1.0) }))
}

/// Layers that fail together least on average, added one by one as long as the limits have room: how diverse panels are often chosen.
fn apart(m: &Mixed, q: &Question) -> Vec<usize> {
    let correlation = |a: usize, b: usize| m.correlation(a, b);
    let mut chosen = q.forced.clone();
    loop {
        let mean = |j: usize| chosen.iter().map(|&c| correlation(c, j)).sum::<f64>() / chosen.len().max(1) as f64;
        let fits = |j: usize| q.limits.allow(&chosen.iter().copied().chain([j]).collect::<Vec<_>>());
        let open: Vec<usize> = q.allowed.iter().copied().filter(|&j| !chosen.contains(&j) && fits(j)).collect();
        let next = if chosen.is_empty() {
            // The pair that fails together least, of which one comes first.
            let pairs = open.iter().flat_map(|&a| open.iter().map(move |&b| (a, b))).filter(|p| p.0 < p.1);
            pairs.min_by(|a, b| correlation(a.0, a.1).total_cmp(&correlation(b.0, b.1))).map(|p| p.0).or_else(|| open.first().copied())
        } else {
            open.into_iter().min_by(|&a, &b| mean(a).total_cmp(&mean(b)))
        };
        match next {
            Some(j) => chosen.push(j),
            None => break,
        }
    }
    chosen.sort_unstable();
    chosen
}

/// P(all chosen layers fail) over units, each judged by what was chosen without its fold; with the interval of as many independent trials as say as much.
fn held_out<'a>(
    (patterns, complete): (&Patterns, &[usize]),
    folds: &Folds,
    chosen: impl Fn(usize) -> Option<&'a [usize]>,
    fails: &dyn Fn(usize, &[usize]) -> f64,
    level: f64,
) -> Figure {
    let mut is_complete = vec![false; patterns.len()];
    complete.iter().for_each(|&r| is_complete[r] = true);
    // Of each unit: how many are alike, its weight, and that of joint failures.
    let mut units: Vec<[f64; 3]> = Vec::new();
    for u in &folds.units {
        let Some(layers) = chosen(u.fold) else { return Figure::undefined("in some fold no choice keeps to the limits") };
        let mut sums = [u.alike, 0.0, 0.0];
        for &(r, w) in u.members.iter().filter(|m| is_complete[m.0 as usize]) {
            sums[1] += w;
            sums[2] += w * fails(r as usize, layers);
        }
        units.push(sums);
    }
    let total = |f: &dyn Fn(&[f64; 3]) -> f64| units.iter().map(|u| u[0] * f(u)).sum::<f64>();
    let (n, failed, many) = (total(&|u| u[1]), total(&|u| u[2]), total(&|_| 1.0));
    if n <= 0.0 || many < 2.0 {
        return Figure::undefined("there are too few clusters to leave some out");
    }
    let p = failed / n;
    let spread = total(&|u| (u[2] - p * u[1]).powi(2)) / (n * n) * many / (many - 1.0);
    let independent = if spread > 0.0 { p * (1.0 - p) / spread } else { n * n / total(&|u| u[1] * u[1]) };
    let size = independent.min(n);
    let interval = clopper_pearson(p * size, size, level);
    Figure::of(p, "there are no trials").with(Some(Interval { method: IntervalMethod::KornGraubard, ..interval }))
}
