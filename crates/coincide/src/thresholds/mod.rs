//! Thresholds of all layers chosen together, under one budget for the false alarms of the whole stack.
//!
//! A stack stops a trial where at least `need` of its layers hold (one, unless asked otherwise). The attacks and half of the benign trials say how false alarms are best spread over the layers;
//! the other half says how far all thresholds may be lowered together: to the place whose upper confidence limit still keeps to the budget. That place is an order statistic of one number per
//! benign trial, so the promise is exact for independent trials (Tong, Feng and Li 2018, *Science Advances* 4, eaao1659), and Korn–Graubard's for clustered or weighted ones.
//!
//! The spread found by search takes the place of equal rates only where cross-validation says that it lets through less, by more than chance explains. What each way lets through is judged on
//! clusters that took no part in any of its choices.

mod combine;
mod ranked;
mod tail;
#[cfg(test)]
mod tests;

pub use combine::{Combination, CombinedLayer, LikelihoodStep};

use crate::analyze::{AnalyzeOptions, Progress};
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::interval::clopper_pearson;
use crate::outcome::Label;
use crate::random::{Purpose, Seed};
use crate::sample::{Missing, RateOptions, Sample, Upper};
use crate::trials::{FailsWhen, Readings, TrialIndex};
use combine::{Combined, likelihood_ratio};
use rand::Rng;
use rand::seq::SliceRandom;
use ranked::Ranked;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tail::Tail;

/// Folds in which whole clusters are left out.
const FOLDS: usize = 5;
/// Random spreads that a search starts from.
const STARTS: u64 = 6;
/// Looks at a trial that a proof may take: at the end, and in a fold.
const WORK: (u64, u64) = (300_000_000, 20_000_000);
/// Steps of a false-alarm budget that is dealt out as if layers were independent.
const GRID: usize = 100;
/// Layers up to which every "at least m of them" is tried; beyond, two of them and all.
const EVERY_RULE: usize = 6;
/// z from which on a spread is worth taking: one-sided 2.5 %.
const WORTH: f64 = 1.96;

/// What thresholds have to keep to.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdOptions {
    /// The share of all benign trials that the whole stack may stop.
    pub false_alarm: f64,
    /// Probability with which the budget is kept on benign trials like those that were seen.
    pub confidence: f64,
    /// Which scores fail, by layer; where nothing is said, the side on which attacks score differently from benign trials decides.
    pub fails_when: BTreeMap<String, FailsWhen>,
    /// Thresholds that are in use now, to compare with.
    pub in_use: BTreeMap<String, f64>,
}

impl Default for ThresholdOptions {
    fn default() -> Self {
        ThresholdOptions { false_alarm: 0.05, confidence: 0.95, fails_when: BTreeMap::new(), in_use: BTreeMap::new() }
    }
}

/// How thresholds are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdWay {
    /// All together.
    Together,
    /// Those that are in use.
    InUse,
    /// The same rate of false alarms for every layer.
    Equal,
    /// Each layer by its own scores, as if layers were independent.
    Separate,
    /// All scores as one, and a single threshold.
    Combined,
    /// All together, with the combined score as one layer more.
    WithCombined,
}

/// One layer's threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerThreshold {
    /// The layer; the combined score has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<String>,
    /// The threshold; absent where the layer should stop nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// Which side of it fails.
    pub fails_when: FailsWhen,
    /// Share of benign trials that the layer stops by itself.
    pub false_alarm: f64,
    /// Share of attacks that it misses by itself.
    pub misses: f64,
}

/// Thresholds chosen in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdChoice {
    /// How.
    pub way: ThresholdWay,
    /// How many layers have to hold for the stack to stop a trial.
    pub need: usize,
    /// Thresholds.
    pub thresholds: Vec<LayerThreshold>,
    /// P(the stack fails) as counted, on attacks that the choice was made by.
    pub beta: Figure,
    /// P(the stack stops a benign trial) as counted, partly on trials that the choice was made by.
    pub false_alarm: Figure,
    /// P(the stack fails) on clusters that took no part in the choice.
    pub held_out_beta: Figure,
    /// P(the stack stops a benign trial) on clusters that took no part in the choice.
    pub held_out_false_alarm: Figure,
    /// Whether the budget is promised at the stated confidence.
    pub promised: bool,
    /// Whether no other spread of false alarms is better on the trials it was chosen by.
    pub proven: bool,
}

/// What is known of one layer's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredLayer {
    /// Name.
    pub layer: String,
    /// Which scores fail; absent for recorded outcomes, which have no threshold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fails_when: Option<FailsWhen>,
    /// Whether that was inferred from attacks and benign trials.
    pub inferred: bool,
    /// P(an attack looks more suspicious to the layer than a benign trial), ties half: 0.5 tells nothing, 1 everything.
    pub separation: f64,
    /// Trials without a score or outcome: the layer does not stop them.
    pub missing: f64,
}

/// Thresholds, and what other ways to choose them would let through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thresholds {
    /// The budget.
    pub budget: f64,
    /// The confidence with which it is promised.
    pub confidence: f64,
    /// Attacks.
    pub attacks: f64,
    /// Benign trials.
    pub benign: f64,
    /// Layers.
    pub layers: Vec<ScoredLayer>,
    /// The choice: any layer that holds stops the trial.
    pub best: ThresholdChoice,
    /// Whether equal rates were kept, because nothing says that another spread lets through less.
    pub kept_equal: bool,
    /// Other ways and rules.
    pub others: Vec<ThresholdChoice>,
    /// The combined score, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub combination: Option<Combination>,
    /// What to know.
    pub notes: Vec<String>,
}

/// Chooses thresholds of scores under one budget for the stack's false alarms.
///
/// Fails where no layer has scores, without attacks or benign trials, where layers without thresholds stop more benign trials than the budget, and on a budget or confidence that is not between 0 and 1.
///
/// ```
/// use coincide::{AnalyzeOptions, Label, Readings, ThresholdOptions, TrialIndex, thresholds};
/// // A sharp layer and a blunt one: 200 attacks, 400 benign trials.
/// let n = 600;
/// let attack = |t: usize| t < 200;
/// let noise = |t: usize, m: usize| (t * m % 601) as f64 / 601.0;
/// let scores = |shift: f64, m: usize| (0..n).map(|t| Some(noise(t, m) + if attack(t) { shift } else { 0.0 })).collect();
/// let trials = TrialIndex {
///     layers: vec!["sharp".into(), "blunt".into()],
///     labels: (0..n).map(|t| if attack(t) { Label::Attack } else { Label::Benign }).collect(),
///     names: (0..n).map(|t| t.to_string()).collect(),
///     weights: vec![1.0; n],
///     readings: vec![Readings::Scores(scores(0.8, 7)), Readings::Scores(scores(0.05, 11))],
///     ..TrialIndex::default()
/// };
/// let t = thresholds(&trials, &ThresholdOptions { false_alarm: 0.1, ..Default::default() }, &AnalyzeOptions::default(), &|_, _, _| {})?;
/// assert!(t.best.promised && t.best.held_out_beta.value.unwrap() < 0.4);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn thresholds(trials: &TrialIndex, options: &ThresholdOptions, analyze: &AnalyzeOptions, progress: Progress<'_>) -> Result<Thresholds> {
    let p = Problem::new(trials, options, analyze)?;
    let ways = p.ways();
    let step = "choosing thresholds";
    let total = (ways.len() * (FOLDS + 1)) as u64;
    let done = std::sync::atomic::AtomicU64::new(0);
    progress(step, 0, total);
    let fold = p.dealt(FOLDS, p.seed, 0);
    let folds = fold.iter().copied().max().map_or(0, |m| m + 1);
    let tick = || progress(step, done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, total);
    let whole: Vec<Option<Fitted>> = ways
        .par_iter()
        .map(|&way| {
            let out = p.fitted(way, &p.used, folds as u64, WORK.0, false);
            tick();
            out
        })
        .collect();
    let jobs: Vec<(usize, usize)> = (0..folds).flat_map(|f| (0..ways.len()).map(move |w| (w, f))).collect();
    let in_folds: Vec<Option<Fitted>> = jobs
        .par_iter()
        .map(|&(w, f)| {
            let seen: Vec<usize> = p.used.iter().copied().filter(|&t| fold[t] != f).collect();
            // With fewer trials a promise may be out of reach: what is judged keeps to it as nearly as it can.
            let promised = whole[w].as_ref().is_some_and(|f| f.promised);
            let out = p.fitted(ways[w], &seen, f as u64, WORK.1, promised);
            tick();
            out
        })
        .collect();
    let at = |w: usize, f: usize| if f == folds { whole[w].as_ref() } else { in_folds[f * ways.len() + w].as_ref() };
    let mut choices = Vec::new();
    let mut combination = None;
    for (w, &(way, need)) in ways.iter().enumerate() {
        let Some(own) = at(w, folds) else { continue };
        let stops: Option<Vec<Option<bool>>> = (0..folds).map(|f| at(w, f)).collect::<Option<Vec<_>>>().map(|list| {
            let stopped = |t: usize| list.get(fold[t]).map(|f| f.stops(&p, t));
            (0..trials.len()).map(stopped).collect()
        });
        let held_out = |label: Label| match &stops {
            Some(s) => p.rate(label, |t| s[t]),
            None => Ok(Figure::undefined("in some fold there is too little to choose thresholds by")),
        };
        choices.push(ThresholdChoice {
            way,
            need: usize::from(need),
            thresholds: own.thresholds(&p),
            beta: p.rate(Label::Attack, |t| Some(own.stops(&p, t)))?,
            false_alarm: p.rate(Label::Benign, |t| Some(own.stops(&p, t)))?,
            held_out_beta: held_out(Label::Attack)?,
            held_out_false_alarm: held_out(Label::Benign)?,
            promised: own.promised,
            proven: own.shape.proven,
        });
        if way == ThresholdWay::Combined {
            combination = own.shape.combined.as_ref().map(|c| p.combination(c));
        }
    }
    let Some(first) = at(0, folds) else {
        return Err(Error::Stated(
            "there are too few benign trials: one half of them spreads false alarms over layers, the other sets how far".into(),
        ));
    };
    let kept_equal = first.shape.kept_equal;
    let sides = first.shape.sides.clone();
    let layers = p.layers(&sides);
    choices.extend(p.in_use(options, &sides)?);
    let mut choices = choices.into_iter();
    let Some(best) = choices.next() else { return Err(Error::NoTrials) };
    let mut notes = p.notes(&best, kept_equal, &layers);
    if trials.clusters.len() > 1 {
        notes.push(format!("Clusters are crossed: whole levels of `{}` were left out to judge.", trials.clusters[0].name));
    }
    Ok(Thresholds {
        budget: options.false_alarm,
        confidence: options.confidence,
        attacks: p.weight_of(true),
        benign: p.weight_of(false),
        layers,
        best,
        kept_equal,
        others: choices.collect(),
        combination,
        notes,
    })
}

/// A way and how many layers have to hold.
type Way = (ThresholdWay, u16);

/// Scores and labels.
struct Problem<'a> {
    trials: &'a TrialIndex,
    /// The layer of each column.
    scored: Vec<usize>,
    /// Scores as they were recorded.
    columns: Vec<Vec<Option<f64>>>,
    /// Which of them fail, where that is stated.
    stated: Vec<Option<FailsWhen>>,
    /// How many layers without thresholds stop each trial.
    base: Vec<u16>,
    /// The columns, and recorded outcomes as scores.
    features: Vec<Vec<Option<f64>>>,
    attack: Vec<bool>,
    /// Attacks and benign trials.
    used: Vec<usize>,
    independent: bool,
    options: &'a ThresholdOptions,
    rates: RateOptions,
    seed: Seed,
}

/// A score as suspicion: high where the layer holds.
fn suspicion(side: FailsWhen, score: f64) -> f64 {
    if side == FailsWhen::Below { score } else { -score }
}

/// How false alarms are spread over layers: which share of benign trials each stops, relative to the others.
#[derive(Clone)]
struct Shape {
    /// Which scores of each column fail.
    sides: Vec<FailsWhen>,
    tails: Vec<Tail>,
    rates: Vec<f64>,
    need: u16,
    combined: Option<Combined>,
    /// The combined score is a column, the last.
    extra: bool,
    /// Only the combined score counts.
    alone: bool,
    proven: bool,
    kept_equal: bool,
}

/// A spread, and how far it may go.
struct Fitted {
    shape: Shape,
    /// The stack stops a trial whose level is below this.
    level: f64,
    promised: bool,
}

impl Shape {
    /// The level from which on one layer holds at a score.
    fn layer_level(&self, i: usize, score: f64) -> f64 {
        if self.rates[i] > 0.0 { self.tails[i].at(score) / self.rates[i] } else { f64::INFINITY }
    }

    /// The level from which on the stack stops a trial.
    fn level(&self, p: &Problem<'_>, t: usize) -> f64 {
        let of = |i: usize, s: Option<f64>| s.map_or(f64::INFINITY, |s| self.layer_level(i, s));
        let evidence = || self.combined.as_ref().map(|c| c.evidence(&p.features, t));
        if self.alone {
            return of(0, evidence());
        }
        let Some(need) = usize::from(self.need).checked_sub(usize::from(p.base[t])).filter(|n| *n > 0) else { return 0.0 };
        let mut list: Vec<f64> = (0..p.columns.len()).map(|i| of(i, p.columns[i][t].map(|s| suspicion(self.sides[i], s)))).collect();
        if self.extra {
            list.push(of(p.columns.len(), evidence()));
        }
        list.sort_by(f64::total_cmp);
        list.get(need - 1).copied().unwrap_or(f64::INFINITY)
    }
}

impl Fitted {
    fn stops(&self, p: &Problem<'_>, t: usize) -> bool {
        let level = self.shape.level(p, t);
        level < self.level || level == 0.0 && !self.shape.alone && p.base[t] >= self.shape.need
    }

    /// The threshold of each column in the score's own direction.
    fn thresholds(&self, p: &Problem<'_>) -> Vec<LayerThreshold> {
        let columns = if self.shape.alone { 0 } else { p.columns.len() };
        let mut out: Vec<LayerThreshold> =
            (0..columns).map(|i| self.threshold(p, i, Some(i), &|t| p.columns[i][t].map(|s| suspicion(self.shape.sides[i], s)))).collect();
        if let Some(c) = self.shape.combined.as_ref().filter(|_| self.shape.alone || self.shape.extra) {
            out.push(self.threshold(p, columns, None, &|t| Some(c.evidence(&p.features, t))));
        }
        out
    }

    fn threshold(&self, p: &Problem<'_>, i: usize, column: Option<usize>, suspicion: &dyn Fn(usize) -> Option<f64>) -> LayerThreshold {
        let rate = self.shape.rates[i] * self.level;
        let side = column.map_or(FailsWhen::Below, |c| self.shape.sides[c]);
        let holds = |t: usize| suspicion(t).is_some_and(|s| self.shape.layer_level(i, s) < self.level);
        // Anything above the scores at which it does not hold, up to the lowest seen at which it does, is a threshold.
        let seen = |held: bool| p.used.iter().filter(move |&&t| holds(t) == held).filter_map(|&t| suspicion(t));
        let least = if rate > 0.0 { seen(false).fold(self.shape.tails[i].score(rate), f64::max) } else { f64::INFINITY };
        let next = seen(true).fold(f64::INFINITY, f64::min);
        let cut = plain_between(least, next);
        let share = |attack: bool| {
            let of = |t: &&usize| p.attack[**t] == attack;
            p.used.iter().filter(of).filter(|&&t| holds(t)).map(|&t| p.trials.weights[t]).sum::<f64>() / p.weight_of(attack)
        };
        LayerThreshold {
            layer: column.map(|c| p.trials.layers[p.scored[c]].clone()),
            value: cut.map(|c| if side == FailsWhen::Below { c } else { -c }),
            fails_when: side,
            false_alarm: share(false),
            misses: 1.0 - share(true),
        }
    }
}

/// The number with fewest digits above `least` and at most `most`.
fn plain_between(least: f64, most: f64) -> Option<f64> {
    if least == f64::INFINITY || !(least.is_finite() || most.is_finite()) {
        return None;
    }
    let least = if least.is_finite() { least } else { most - 1.0 - 0.5 * most.abs() };
    let most = if most.is_finite() { most } else { least + 1e-3 * (1.0 + least.abs()) };
    for digits in 0..17 {
        let middle = least + 0.5 * (most - least);
        for x in [middle, most, least] {
            let short: f64 = format!("{x:.digits$e}").parse().unwrap_or(most);
            if short > least && short <= most {
                return Some(short);
            }
        }
    }
    Some(most)
}

impl<'a> Problem<'a> {
    fn new(trials: &'a TrialIndex, options: &'a ThresholdOptions, analyze: &AnalyzeOptions) -> Result<Self> {
        for (what, x) in [("the budget of false alarms", options.false_alarm), ("the confidence", options.confidence)] {
            if !(x > 0.0 && x < 1.0) {
                return Err(Error::OutOfRange { what, expected: "between 0 and 1", got: x });
            }
        }
        let known = |l: &&String| !trials.layers.contains(l);
        if let Some(name) = options.fails_when.keys().chain(options.in_use.keys()).find(known) {
            return Err(Error::UnknownLayer { name: name.clone(), known: trials.layers.join(", ") });
        }
        let used: Vec<usize> = (0..trials.len()).filter(|&t| trials.labels[t] != Label::Adaptive).collect();
        let attack: Vec<bool> = trials.labels.iter().map(|l| *l == Label::Attack).collect();
        if !used.iter().any(|&t| attack[t]) {
            return Err(Error::NoTrials);
        }
        if used.iter().all(|&t| attack[t]) {
            let why = "there are no benign trials, and a threshold has to be paid for with false alarms: add rows whose label is benign";
            return Err(Error::Stated(why.into()));
        }
        trials.check()?;
        let mut p = Problem {
            trials,
            scored: Vec::new(),
            columns: Vec::new(),
            stated: Vec::new(),
            base: vec![0; trials.len()],
            features: Vec::new(),
            attack,
            used,
            independent: trials.clusters.is_empty() && trials.weights.iter().all(|w| w.to_bits() == 1.0f64.to_bits()),
            options,
            rates: RateOptions { level: analyze.level, exact: analyze.exact, missing: Missing::AtRandom, upper: Upper::Plain },
            seed: analyze.seed,
        };
        let mut recorded = Vec::new();
        for (i, readings) in trials.readings.iter().enumerate() {
            match readings {
                Readings::Outcomes(list) => {
                    p.base.iter_mut().zip(list).for_each(|(b, o)| *b += u16::from(*o == Some(false)));
                    recorded.push(list.iter().map(|o| o.map(|failed| f64::from(u8::from(!failed)))).collect());
                }
                Readings::Scores(list) => {
                    p.scored.push(i);
                    p.stated.push(options.fails_when.get(&trials.layers[i]).copied());
                    p.columns.push(list.clone());
                }
            }
        }
        if p.columns.is_empty() {
            return Err(Error::Stated("no layer has scores: recorded outcomes have no threshold to choose".into()));
        }
        p.features = p.columns.iter().cloned().chain(recorded).collect();
        let fixed: f64 = p.used.iter().filter(|&&t| !p.attack[t] && p.base[t] > 0).map(|&t| trials.weights[t]).sum();
        if fixed > options.false_alarm * p.weight_of(false) {
            let why =
                format!("layers without thresholds stop {fixed:.0} benign trials by themselves, more than the budget of {}", options.false_alarm);
            return Err(Error::Stated(why));
        }
        Ok(p)
    }

    /// Which scores of each column fail: as stated, else the side on which these attacks score differently from benign trials.
    fn sides(&self, seen: &[usize]) -> Vec<FailsWhen> {
        let inferred = |c: &Vec<Option<f64>>| if self.separation(c, seen) >= 0.5 { FailsWhen::Below } else { FailsWhen::Above };
        self.columns.iter().zip(&self.stated).map(|(c, stated)| stated.unwrap_or_else(|| inferred(c))).collect()
    }

    /// P(an attack scores higher than a benign trial), ties half.
    fn separation(&self, scores: &[Option<f64>], seen: &[usize]) -> f64 {
        let mut list: Vec<(f64, f64, bool)> = seen.iter().filter_map(|&t| Some((scores[t]?, self.trials.weights[t], self.attack[t]))).collect();
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut below, mut wins, mut at) = (0.0, 0.0, 0);
        let (mut attacks, mut benign) = (0.0, 0.0);
        while at < list.len() {
            let end = at + list[at..].partition_point(|x| x.0 <= list[at].0);
            let of = |attack: bool| list[at..end].iter().filter(|x| x.2 == attack).map(|x| x.1).sum::<f64>();
            let (a, b) = (of(true), of(false));
            wins += a * (below + 0.5 * b);
            (below, attacks, benign) = (below + b, attacks + a, benign + b);
            at = end;
        }
        if attacks > 0.0 && benign > 0.0 { wins / (attacks * benign) } else { 0.5 }
    }

    fn weight_of(&self, attack: bool) -> f64 {
        self.used.iter().filter(|&&t| self.attack[t] == attack).map(|&t| self.trials.weights[t]).sum()
    }

    fn layers(&self, sides: &[FailsWhen]) -> Vec<ScoredLayer> {
        let one = |(i, name): (usize, &String)| {
            let column = self.scored.iter().position(|&s| s == i);
            let missing = |t: &&usize| match &self.trials.readings[i] {
                Readings::Outcomes(o) => o[**t].is_none(),
                Readings::Scores(s) => s[**t].is_none(),
            };
            let as_scores: Vec<Option<f64>> = match &self.trials.readings[i] {
                Readings::Outcomes(o) => o.iter().map(|o| o.map(|failed| f64::from(u8::from(!failed)))).collect(),
                Readings::Scores(list) => {
                    let side = column.map_or(FailsWhen::Below, |c| sides[c]);
                    list.iter().map(|s| s.map(|s| suspicion(side, s))).collect()
                }
            };
            ScoredLayer {
                layer: name.clone(),
                fails_when: column.map(|c| sides[c]),
                inferred: column.is_some_and(|c| self.stated[c].is_none()),
                separation: self.separation(&as_scores, &self.used),
                missing: self.used.iter().filter(missing).fold(0.0, |sum, &t| sum + self.trials.weights[t]),
            }
        };
        self.trials.layers.iter().enumerate().map(one).collect()
    }

    /// The choice comes first.
    fn ways(&self) -> Vec<Way> {
        let (k, all) = (self.columns.len(), self.trials.layers.len() as u16);
        let mut out = vec![(ThresholdWay::Together, 1)];
        if k > 1 {
            out.extend([(ThresholdWay::Equal, 1), (ThresholdWay::Separate, 1)]);
        }
        if all > 1 {
            out.extend((2..=all).filter(|&m| usize::from(all) <= EVERY_RULE || m == 2 || m == all).map(|m| (ThresholdWay::Together, m)));
            out.extend([(ThresholdWay::Combined, 1), (ThresholdWay::WithCombined, 1)]);
        }
        out
    }

    /// Deals clusters, or single trials, into parts: of each trial, which. Crossed clusters by their first column.
    fn dealt(&self, parts: usize, seed: Seed, index: u64) -> Vec<usize> {
        let units = self.trials.clusters.first().map_or(self.trials.len(), |c| c.levels.len());
        let mut order: Vec<usize> = (0..units).collect();
        order.shuffle(&mut seed.stream(Purpose::Thresholds, index));
        // Clusters of attacks and of benign trials are dealt out each by themselves, so that every part has its share of both.
        let unit = |t: usize| self.trials.cluster.first().map_or(t, |c| c[t] as usize);
        let mut part = vec![0; units];
        for kind in [true, false] {
            let mut has = vec![false; units];
            self.used.iter().filter(|&&t| self.attack[t] == kind).for_each(|&t| has[unit(t)] = true);
            order.iter().filter(|&&u| has[u]).enumerate().for_each(|(at, &u)| part[u] = at % parts);
        }
        (0..self.trials.len()).map(|t| part[unit(t)]).collect()
    }

    /// A way's spread on some trials, and how far it may go.
    /// `cautious`: where the budget cannot be promised, stop as little as can be.
    fn fitted(&self, way: Way, seen: &[usize], index: u64, work: u64, cautious: bool) -> Option<Fitted> {
        let half = self.dealt(2, self.seed, 1000 + index);
        let (shaping, rest): (Vec<usize>, Vec<usize>) = seen.iter().copied().partition(|&t| self.attack[t] || half[t] == 0);
        let shape = self.shape(way, &shaping, index, work)?;
        let (level, promised) = self.level(&shape, &rest, cautious)?;
        Some(Fitted { shape, level, promised })
    }

    fn shape(&self, (way, need): Way, seen: &[usize], index: u64, work: u64) -> Option<Shape> {
        let combined = match way {
            ThresholdWay::Combined | ThresholdWay::WithCombined => Some(Combined::fit(&self.features, &self.trials.weights, &self.attack, seen)?),
            _ => None,
        };
        let alone = way == ThresholdWay::Combined;
        let evidence = |c: &Combined| -> Vec<Option<f64>> { (0..self.trials.len()).map(|t| Some(c.evidence(&self.features, t))).collect() };
        let sides = self.sides(seen);
        let turned = |(c, side): (&Vec<Option<f64>>, &FailsWhen)| c.iter().map(|s| s.map(|s| suspicion(*side, s))).collect();
        let mut columns: Vec<Vec<Option<f64>>> = if alone { Vec::new() } else { self.columns.iter().zip(&sides).map(turned).collect() };
        columns.extend(combined.as_ref().map(evidence));
        let tail = |c: &Vec<Option<f64>>| {
            let benign = seen.iter().filter(|&&t| !self.attack[t]);
            Tail::new(benign.filter_map(|&t| Some((c[t]?, self.trials.weights[t]))))
        };
        let tails: Vec<Tail> = columns.iter().map(tail).collect();
        let extra = way == ThresholdWay::WithCombined;
        let mut shape = Shape { sides, rates: vec![1.0; tails.len()], tails, need, combined, extra, alone, proven: false, kept_equal: false };
        if alone {
            shape.proven = true;
            return Some(shape);
        }
        if way == ThresholdWay::Equal {
            return Some(shape);
        }
        let of = |list: &dyn Fn(usize) -> f64| seen.iter().map(|&t| list(t)).collect::<Vec<f64>>();
        let scores: Vec<Vec<Option<f64>>> = columns.iter().map(|c| seen.iter().map(|&t| c[t]).collect()).collect();
        let ranked = Ranked::new(
            &scores,
            of(&|t| self.trials.weights[t]),
            seen.iter().map(|&t| !self.attack[t]).collect(),
            seen.iter().map(|&t| self.base[t]).collect(),
        );
        let most = self.options.false_alarm * ranked.benign_weight();
        let separate = separate(&ranked, self.options.false_alarm);
        let cut = if way == ThresholdWay::Separate {
            scaled(&ranked, &separate, need, most)
        } else {
            let mut starts = vec![scaled(&ranked, &vec![1.0; ranked.layers()], need, most), scaled(&ranked, &separate, need, most)];
            for s in 0..STARTS {
                let mut rng = self.seed.stream(Purpose::Thresholds, 1_000_000 + index * 1000 + s);
                let spread: Vec<f64> = (0..ranked.layers()).map(|_| -rng.random_range(f64::MIN_POSITIVE..1.0).ln()).collect();
                starts.push(scaled(&ranked, &spread, need, most));
            }
            let (found, proven) = ranked.search(&starts, need, most, work);
            shape.proven = proven;
            found.cut
        };
        let rates: Vec<f64> = (0..cut.len()).map(|i| share_at(&ranked, &scores[i], &shape.tails[i], i, cut[i])).collect();
        // A stack in which nothing may stop a benign trial says nothing about how to spread.
        if rates.iter().any(|r| *r > 0.0) {
            shape.rates = rates;
        }
        if (way, need) == (ThresholdWay::Together, 1) && columns.len() > 1 && work > 0 && !self.is_worth_it(seen, index) {
            return Some(Shape { rates: vec![1.0; shape.tails.len()], proven: false, kept_equal: true, ..shape });
        }
        Some(shape)
    }

    /// Whether the searched spread lets through less than equal rates do, on clusters that it was not searched on.
    fn is_worth_it(&self, seen: &[usize], index: u64) -> bool {
        let part = self.dealt(FOLDS, self.seed, 2000 + index);
        let mut levels: [Vec<(usize, f64)>; 2] = [Vec::new(), Vec::new()];
        for f in 0..FOLDS {
            let (out, training): (Vec<usize>, Vec<usize>) = seen.iter().copied().partition(|&t| part[t] == f);
            for (way, list) in [ThresholdWay::Together, ThresholdWay::Equal].into_iter().zip(&mut levels) {
                let Some(shape) = self.shape((way, 1), &training, index * 10 + f as u64, 0) else { return false };
                list.extend(out.iter().map(|&t| (t, shape.level(self, t))));
            }
        }
        // Each at the level at which it stops as many benign trials as it may, and at half as many more and fewer: how many attacks a benign trial is worth there.
        let cut = |list: &[(usize, f64)], share: f64| -> f64 {
            let mut benign: Vec<(usize, f64)> = list.iter().copied().filter(|x| !self.attack[x.0]).collect();
            benign.sort_by(|a, b| a.1.total_cmp(&b.1));
            let whole: f64 = benign.iter().map(|x| self.trials.weights[x.0]).sum();
            let mut left = share * self.options.false_alarm * whole * (1.0 + 1e-12);
            let end = benign.iter().find(|x| {
                left -= self.trials.weights[x.0];
                left < 0.0
            });
            end.map_or(f64::INFINITY, |x| x.1)
        };
        let of = |attack: bool| seen.iter().filter(|&&t| self.attack[t] == attack).map(|&t| self.trials.weights[t]).sum::<f64>();
        let (attacks, benign) = (of(true), of(false));
        let missed = |list: &[(usize, f64)], level: f64| -> f64 {
            list.iter().filter(|x| self.attack[x.0] && x.1 >= level).map(|x| self.trials.weights[x.0]).sum::<f64>() / attacks
        };
        let worth = |list: &[(usize, f64)]| (missed(list, cut(list, 0.5)) - missed(list, cut(list, 1.5))) / self.options.false_alarm;
        let worth = 0.5 * (worth(&levels[0]) + worth(&levels[1])).max(0.0);
        let [own, equal] = [&levels[0], &levels[1]].map(|list| cut(list, 1.0));
        // What each cluster adds to the gain: attacks by being stopped, benign trials by the level that they set.
        let mut units: BTreeMap<usize, f64> = BTreeMap::new();
        let mut gain = 0.0;
        for (a, b) in levels[0].iter().zip(&levels[1]) {
            let more = f64::from(u8::from(a.1 < own)) - f64::from(u8::from(b.1 < equal));
            let part = self.trials.weights[a.0] * if self.attack[a.0] { more / attacks } else { -worth * more / benign };
            gain += if self.attack[a.0] { part } else { 0.0 };
            let unit = self.trials.cluster.first().map_or(a.0, |c| c[a.0] as usize);
            *units.entry(unit).or_default() += part;
        }
        let spread: f64 = units.values().map(|d| d * d).sum();
        gain > WORTH * spread.sqrt() && gain > 0.0
    }

    /// The level below which the stack may stop trials, by benign trials that had no part in the spread; and whether that keeps the budget at the stated confidence.
    fn level(&self, shape: &Shape, rest: &[usize], cautious: bool) -> Option<(f64, bool)> {
        let mut list: Vec<(f64, usize)> = rest.iter().map(|&t| (shape.level(self, t), t)).collect();
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let n = list.len();
        if n == 0 {
            return None;
        }
        let one_sided = 2.0 * self.options.confidence - 1.0;
        let limit = |alarms: usize| -> f64 {
            if self.independent {
                return clopper_pearson(alarms as f64, n as f64, one_sided).high.unwrap_or(1.0);
            }
            let mut stopped = vec![None; self.trials.len()];
            list.iter().enumerate().for_each(|(at, x)| stopped[x.1] = Some(at < alarms));
            let options = RateOptions { level: one_sided, upper: Upper::NeverFalls, ..self.rates };
            let figure = self.rate_with(Label::Benign, |t| stopped[t], options).ok();
            figure.and_then(|f| f.interval).and_then(|i| i.high).unwrap_or(1.0)
        };
        let budget = self.options.false_alarm;
        let counted = || {
            let weight = |x: &(f64, usize)| self.trials.weights[x.1];
            let mut left = budget * list.iter().map(weight).sum::<f64>() * (1.0 + 1e-12);
            list.iter()
                .take_while(|x| {
                    left -= weight(x);
                    left >= 0.0
                })
                .count()
        };
        // What layers without thresholds stop is stopped at any level.
        let stuck = list.iter().take_while(|x| x.0 <= 0.0).count();
        let promised = limit(stuck) <= budget;
        let alarms = if promised {
            // The most alarms whose limit keeps to the budget.
            let (mut low, mut high) = (stuck, n);
            while low + 1 < high {
                let middle = low.midpoint(high);
                if limit(middle) <= budget { low = middle } else { high = middle }
            }
            low
        } else if cautious {
            stuck
        } else {
            counted().max(stuck)
        };
        Some((list.get(alarms).map_or(f64::INFINITY, |x| x.0), promised))
    }

    fn rate(&self, label: Label, stopped: impl Fn(usize) -> Option<bool>) -> Result<Figure> {
        self.rate_with(label, stopped, self.rates)
    }

    /// P(not stopped) of attacks, P(stopped) of benign trials.
    fn rate_with(&self, label: Label, stopped: impl Fn(usize) -> Option<bool>, options: RateOptions) -> Result<Figure> {
        let table = self.trials.table("stack", |t| (self.trials.labels[t] == label).then(|| stopped(t).map(|s| !s)).flatten())?;
        let sample = Sample::new(&table, |_| true);
        let benign = label == Label::Benign;
        Ok(sample.rate(options, |_| true, |r| Some((sample.failed[r] & 1 == 1) != benign)))
    }

    /// What thresholds in use do, where every scored layer has one.
    fn in_use(&self, options: &ThresholdOptions, sides: &[FailsWhen]) -> Result<Option<ThresholdChoice>> {
        let cuts: Option<Vec<f64>> = self.scored.iter().map(|&i| options.in_use.get(&self.trials.layers[i]).copied()).collect();
        let Some(cuts) = cuts else { return Ok(None) };
        let holds = |i: usize, t: usize| {
            let cut = suspicion(sides[i], cuts[i]);
            self.columns[i][t].is_some_and(|s| suspicion(sides[i], s) >= cut)
        };
        let stops = |t: usize| Some(self.base[t] > 0 || (0..cuts.len()).any(|i| holds(i, t)));
        let share = |i: usize, attack: bool| {
            let of = self.used.iter().filter(|&&t| self.attack[t] == attack && holds(i, t));
            of.map(|&t| self.trials.weights[t]).sum::<f64>() / self.weight_of(attack)
        };
        let (beta, false_alarm) = (self.rate(Label::Attack, stops)?, self.rate(Label::Benign, stops)?);
        let one = |i: usize| LayerThreshold {
            layer: Some(self.trials.layers[self.scored[i]].clone()),
            value: Some(cuts[i]),
            fails_when: sides[i],
            false_alarm: share(i, false),
            misses: 1.0 - share(i, true),
        };
        Ok(Some(ThresholdChoice {
            way: ThresholdWay::InUse,
            need: 1,
            thresholds: (0..cuts.len()).map(one).collect(),
            // Nothing was chosen, so every cluster is one that had no part in it.
            held_out_beta: beta.clone(),
            held_out_false_alarm: false_alarm.clone(),
            beta,
            false_alarm,
            promised: false,
            proven: false,
        }))
    }

    fn combination(&self, c: &Combined) -> Combination {
        let fixed = (0..self.trials.layers.len()).filter(|i| !self.scored.contains(i));
        let names = self.scored.iter().copied().chain(fixed).map(|i| self.trials.layers[i].clone());
        let evidence = self.used.iter().map(|&t| (c.evidence(&self.features, t), self.trials.weights[t], self.attack[t]));
        let layer = |((layer, &weight), &instead): ((String, &f64), &f64)| CombinedLayer { layer, weight, instead };
        Combination {
            intercept: c.intercept,
            weights: names.zip(&c.weights).zip(&c.means).map(layer).collect(),
            likelihood_ratio: likelihood_ratio(evidence.collect()),
        }
    }

    fn notes(&self, best: &ThresholdChoice, kept_equal: bool, layers: &[ScoredLayer]) -> Vec<String> {
        let mut out = Vec::new();
        let without: Vec<&str> =
            self.scored.iter().map(|&i| self.trials.layers[i].as_str()).filter(|l| !self.options.in_use.contains_key(*l)).collect();
        if !self.options.in_use.is_empty() && !without.is_empty() {
            out.push(format!("Thresholds in use are not compared: nothing says which that of {} is.", without.join(", ")));
        }
        if kept_equal {
            out.push("Equal false alarms of all layers were kept: left-out clusters do not show that another spread lets through less.".to_owned());
        }
        if !best.promised {
            let (b, c) = (self.options.false_alarm, self.options.confidence);
            let least = 2.0 * ((1.0 - c).ln() / (1.0 - b).ln()).ceil();
            out.push(format!(
                "There are too few benign trials to promise {b}: it takes at least {least:.0} that are independent. The budget is kept as counted."
            ));
        }
        let missing: Vec<String> = layers.iter().filter(|l| l.missing > 0.0).map(|l| format!("{} ({:.0})", l.layer, l.missing)).collect();
        if !missing.is_empty() {
            out.push(format!("Trials without a score count as not stopped by that layer: {}.", missing.join(", ")));
        }
        if !self.independent && best.promised {
            out.push("Trials are clustered or weighted: the promise rests on Korn–Graubard's limit, which is not exact.".to_owned());
        }
        out
    }
}

/// The share of benign trials above a cut, as the tail has it: between the last score that is stopped and the first that is not.
fn share_at(ranked: &Ranked, scores: &[Option<f64>], tail: &Tail, layer: usize, cut: u32) -> f64 {
    if cut == 0 {
        return 0.0;
    }
    let (mut last, mut first) = (f64::INFINITY, f64::NEG_INFINITY);
    for (s, &r) in scores.iter().zip(&ranked.rank[layer]) {
        let Some(s) = *s else { continue };
        if r < cut { last = last.min(s) } else { first = first.max(s) }
    }
    tail.at(if first.is_finite() { last.midpoint(first) } else { last })
}

/// Cuts whose rates stand to each other as `spread`, as low as the budget allows.
fn scaled(ranked: &Ranked, spread: &[f64], need: u16, most: f64) -> Vec<u32> {
    let largest = spread.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let whole = ranked.benign_weight();
    let cuts =
        |scale: f64| -> Vec<u32> { (0..ranked.layers()).map(|i| ranked.cut_at(i, (scale * spread[i] / largest * whole).min(whole))).collect() };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if ranked.judged(&cuts(middle), need).stopped <= most * (1.0 + 1e-12) { low = middle } else { high = middle }
    }
    cuts(low)
}

/// Rates of false alarms that would let through least if layers were independent: −ln(1 − budget) dealt out in steps.
fn separate(ranked: &Ranked, budget: f64) -> Vec<f64> {
    let (whole, k) = (ranked.benign_weight(), ranked.layers());
    let spent = |g: usize| -((-budget).ln_1p() * g as f64 / GRID as f64).exp_m1();
    let attacks: f64 = ranked.weight.iter().sum::<f64>() - whole;
    let misses = |i: usize, g: usize| {
        let missed = attacks - ranked.caught(i, ranked.cut_at(i, spent(g) * whole));
        ((missed + 0.5) / (attacks + 1.0)).ln()
    };
    let mut best = vec![0.0; GRID + 1];
    let mut chosen: Vec<Vec<usize>> = Vec::new();
    for i in 0..k {
        let own: Vec<f64> = (0..=GRID).map(|g| misses(i, g)).collect();
        let pick = |g: usize| (0..=g).min_by(|&a, &b| (best[g - a] + own[a]).total_cmp(&(best[g - b] + own[b]))).unwrap_or(0);
        let picked: Vec<usize> = (0..=GRID).map(pick).collect();
        best = (0..=GRID).map(|g| best[g - picked[g]] + own[picked[g]]).collect();
        chosen.push(picked);
    }
    let mut left = GRID;
    let mut rates = vec![0.0; k];
    for i in (0..k).rev() {
        let g = chosen[i][left];
        rates[i] = spent(g);
        left -= g;
    }
    rates
}
