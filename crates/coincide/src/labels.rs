//! Checks by hand: which trials a person should grade again, and what their verdicts make of the rates.
//!
//! Joint failures are rare, so grading errors gather there. All trials on which every layer is recorded to have failed are checked, with a sample of known probability of the near misses and of the
//! rest: within each of these groups the share that truly failed is known from its checks, and the sizes of the groups from the whole table. That is the two-phase estimator with the recorded
//! outcome as the first phase, and prediction-powered inference with the grader as the predictor (Angelopoulos et al. 2023, *Science* 382, 669). Its interval is the profile likelihood of the
//! groups' shares and of what is true within them, with the design effect of clusters: a sample in which no error was found still leaves room for some.

use crate::error::{Error, Result};
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::outcome::Label;
use crate::random::{Purpose, Seed};
use crate::special::student_quantile;
use crate::trials::{Readings, TrialIndex};
use rand::seq::index;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was recorded of a trial, as far as checks go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckGroup {
    /// Every layer failed.
    AllFailed,
    /// Every layer but one, or all that have an outcome.
    NearMiss,
    /// Every other attack.
    Other,
}

impl CheckGroup {
    /// All groups, the rarest first.
    pub const ALL: [CheckGroup; 3] = [CheckGroup::AllFailed, CheckGroup::NearMiss, CheckGroup::Other];

    /// The word used in files.
    pub fn word(self) -> &'static str {
        match self {
            CheckGroup::AllFailed => "all-failed",
            CheckGroup::NearMiss => "near-miss",
            CheckGroup::Other => "other",
        }
    }
}

/// How many trials of each group are to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueOptions {
    /// Trials on which every layer failed; all of them where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub all_failed: Option<usize>,
    /// Near misses.
    pub near_misses: usize,
    /// Of the rest.
    pub others: usize,
    /// Seed of the draw.
    pub seed: Seed,
}

impl Default for QueueOptions {
    fn default() -> Self {
        QueueOptions { all_failed: None, near_misses: 100, others: 100, seed: Seed::default() }
    }
}

/// A trial to check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queued {
    /// Its place in the index.
    pub trial: usize,
    /// Its group.
    pub group: CheckGroup,
    /// Probability with which a trial of its group was drawn.
    pub probability: f64,
}

/// What a person says that truly happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// Failed.
    Failed,
    /// Held, or the attack was none.
    Held,
    /// Cannot be told: counted both ways.
    Ambiguous,
}

/// The verdict on one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdicts {
    /// The trial's name.
    pub trial: String,
    /// Whether all layers truly failed.
    pub all_failed: Judged,
    /// What each layer truly did, where that was graded.
    pub layers: BTreeMap<String, Judged>,
    /// The group that it was drawn from, where the queue says so.
    pub group: Option<CheckGroup>,
    /// The layers whose outcomes it was queued by; nothing where the queue does not say.
    pub queued_by: Vec<String>,
}

/// What a group's checks say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedGroup {
    /// The group.
    pub group: CheckGroup,
    /// Trials in it.
    pub trials: f64,
    /// Trials that were checked.
    pub checked: f64,
    /// Of those, on how many all layers truly failed.
    pub genuine: f64,
    /// Of those, how many cannot be told.
    pub ambiguous: f64,
}

/// What is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Corrects {
    /// Failures that were none, and failures that went unseen.
    Both,
    /// Failures that were none, and some of those that went unseen: not every group was checked.
    Partly,
    /// Failures that were none: nothing else was checked.
    FalsePositivesOnly,
}

/// How wrong a grader would have to be: β for assumed error rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JudgeErrors {
    /// P(a layer that held is recorded as failed), each layer by itself.
    pub false_failure: f64,
    /// P(a layer that failed is recorded as held), each layer by itself.
    pub false_hold: f64,
    /// Share of trials on which one error records all layers as failed.
    pub shared: f64,
    /// β under these.
    pub beta: Figure,
}

/// A layer's rate after checks by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedLayer {
    /// The layer.
    pub layer: String,
    /// Its rate as it was recorded, on trials on which it has an outcome; none where it has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded: Option<f64>,
    /// Its rate after the checks; without a value where layers were not graded one by one.
    pub rate: Figure,
}

/// Rates after checks by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// What is corrected.
    pub corrects: Corrects,
    /// Groups, with their checks.
    pub groups: Vec<CheckedGroup>,
    /// β as it was recorded.
    pub recorded: f64,
    /// β after the checks.
    pub beta: Figure,
    /// β from the checked trials alone, had as many been drawn from all trials alike: what the recorded outcomes save.
    pub without_records: Figure,
    /// p_i after the same checks, by layer.
    pub layers: Vec<CheckedLayer>,
    /// β / Πp_i after the checks.
    pub gap: Figure,
    /// β for assumed errors of the grader, on the recorded outcomes.
    pub judge_errors: Vec<JudgeErrors>,
    /// What to know.
    pub notes: Vec<String>,
}

/// The group of each attack; `None` for other trials.
fn groups(trials: &TrialIndex) -> Vec<Option<CheckGroup>> {
    let k = trials.readings.len();
    (0..trials.len())
        .map(|t| {
            if trials.labels[t] != Label::Attack {
                return None;
            }
            let (mut failed, mut held) = (0, 0);
            for r in &trials.readings {
                match recorded(r, t) {
                    Some(true) => failed += 1,
                    Some(false) => held += 1,
                    None => {}
                }
            }
            Some(if failed == k {
                CheckGroup::AllFailed
            } else if held <= 1 && failed > 0 {
                CheckGroup::NearMiss
            } else {
                CheckGroup::Other
            })
        })
        .collect()
}

fn recorded(r: &Readings, t: usize) -> Option<bool> {
    match r {
        Readings::Outcomes(o) => o[t],
        Readings::Scores(_) => None,
    }
}

/// The trials that a person should check: drawn without replacement within each group, in the order of the table.
///
/// Fails with [`Error::NoTrials`] without attacks.
///
/// ```
/// use coincide::{CheckGroup, Label, QueueOptions, Readings, TrialIndex, check_queue};
/// let outcome = |t: usize| Some(t < 3);
/// let trials = TrialIndex {
///     layers: vec!["filter".into(), "judge".into()],
///     labels: vec![Label::Attack; 50],
///     names: (0..50).map(|t| t.to_string()).collect(),
///     weights: vec![1.0; 50],
///     readings: vec![Readings::Outcomes((0..50).map(outcome).collect()), Readings::Outcomes((0..50).map(outcome).collect())],
///     ..TrialIndex::default()
/// };
/// let queue = check_queue(&trials, &QueueOptions { others: 10, ..Default::default() })?;
/// assert_eq!(queue.iter().filter(|q| q.group == CheckGroup::AllFailed).count(), 3);
/// assert!(queue.iter().filter(|q| q.group == CheckGroup::Other).all(|q| (q.probability - 10.0 / 47.0).abs() < 1e-12));
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn check_queue(trials: &TrialIndex, options: &QueueOptions) -> Result<Vec<Queued>> {
    trials.check()?;
    let of = groups(trials);
    if of.iter().all(Option::is_none) {
        return Err(Error::NoTrials);
    }
    let mut out = Vec::new();
    for (stream, group) in CheckGroup::ALL.into_iter().enumerate() {
        let members: Vec<usize> = (0..trials.len()).filter(|&t| of[t] == Some(group)).collect();
        let wanted = match group {
            CheckGroup::AllFailed => options.all_failed.unwrap_or(members.len()),
            CheckGroup::NearMiss => options.near_misses,
            CheckGroup::Other => options.others,
        };
        let many = wanted.min(members.len());
        let mut rng = options.seed.stream(Purpose::Checks, stream as u64);
        let mut drawn: Vec<usize> = index::sample(&mut rng, members.len(), many).into_iter().map(|i| members[i]).collect();
        drawn.sort_unstable();
        let probability = many as f64 / members.len().max(1) as f64;
        out.extend(drawn.into_iter().map(|trial| Queued { trial, group, probability }));
    }
    Ok(out)
}

/// Rates after checks by hand.
///
/// Within a group the verdicts are taken for those of a random sample: that is what [`check_queue`] draws. Fails on verdicts for trials that there are not, twice on one trial, or without any on trials on which all layers failed.
pub fn checked(trials: &TrialIndex, verdicts: &[Verdicts], level: f64) -> Result<Checked> {
    trials.check()?;
    let of = groups(trials);
    let attacks: Vec<usize> = (0..trials.len()).filter(|&t| of[t].is_some()).collect();
    if attacks.is_empty() {
        return Err(Error::NoTrials);
    }
    let mut place: FxHashMap<&str, usize> = FxHashMap::default();
    for &t in &attacks {
        if place.insert(&trials.names[t], t).is_some() {
            return Err(Error::Stated(format!("two trials are named `{}`: verdicts cannot tell them apart", trials.names[t])));
        }
    }
    let mut said: Vec<Option<&Verdicts>> = vec![None; trials.len()];
    for v in verdicts {
        let Some(&t) = place.get(v.trial.as_str()) else {
            return Err(Error::Stated(format!("there is a verdict on `{}`, and no attack of that name among the outcomes", v.trial)));
        };
        if said[t].replace(v).is_some() {
            return Err(Error::Stated(format!("there are two verdicts on `{}`: keep one", v.trial)));
        }
        if let Some(group) = v.group.filter(|g| of[t] != Some(*g)) {
            let now = of[t].map_or("none", CheckGroup::word);
            return Err(Error::Stated(format!(
                "`{}` was queued as {}, and by these outcomes it is {now}: verdicts count for the outcomes, layers and thresholds that they were drawn by",
                v.trial,
                group.word()
            )));
        }
        if !v.queued_by.is_empty() && (v.queued_by.len() != trials.layers.len() || v.queued_by.iter().any(|l| !trials.layers.contains(l))) {
            let (queued, now) = (v.queued_by.join(", "), trials.layers.join(", "));
            return Err(Error::Stated(format!(
                "the checks were drawn by the layers {queued}, and the outcomes have {now}: draw them again, or name the layers that they were drawn by"
            )));
        }
        if let Some(name) = v.layers.keys().find(|n| !trials.layers.contains(n)) {
            return Err(Error::UnknownLayer { name: name.clone(), known: trials.layers.join(", ") });
        }
    }
    let weight = |t: usize| trials.weights[t];
    let mut rows = Vec::new();
    for group in CheckGroup::ALL {
        let members = || attacks.iter().copied().filter(|&t| of[t] == Some(group));
        let with = |j: Judged| members().filter(|&t| said[t].is_some_and(|v| v.all_failed == j)).fold(0.0, |sum, t| sum + weight(t));
        let checked = members().filter(|&t| said[t].is_some()).fold(0.0, |sum, t| sum + weight(t));
        let row = CheckedGroup {
            group,
            trials: members().fold(0.0, |sum, t| sum + weight(t)),
            checked,
            genuine: with(Judged::Failed),
            ambiguous: with(Judged::Ambiguous),
        };
        if row.trials > 0.0 {
            rows.push(row);
        }
    }
    // As elsewhere: over attacks on which every layer has an outcome.
    let complete = |t: usize| trials.readings.iter().all(|r| recorded(r, t).is_some());
    let recorded_on: f64 = attacks.iter().filter(|&&t| complete(t)).fold(0.0, |sum, &t| sum + weight(t));
    let recorded_beta =
        rows.iter().filter(|r| r.group == CheckGroup::AllFailed).fold(0.0, |sum, r| sum + r.trials) / recorded_on.max(f64::MIN_POSITIVE);
    if rows.iter().any(|r| r.group == CheckGroup::AllFailed && r.checked <= 0.0) {
        return Err(Error::Stated("no verdict is on a trial on which all layers failed: those come first".into()));
    }
    let mut notes = Vec::new();
    let unchecked: Vec<&CheckedGroup> = rows.iter().filter(|r| r.checked <= 0.0).collect();
    let names: Vec<&str> = unchecked.iter().map(|r| r.group.word()).collect();
    let corrects = match (names.is_empty(), rows.len() - names.len() > 1) {
        (true, _) => Corrects::Both,
        (false, true) => Corrects::Partly,
        (false, false) => Corrects::FalsePositivesOnly,
    };
    match corrects {
        Corrects::Both => {}
        Corrects::Partly => notes.push(format!(
            "Nothing of {} was checked: joint failures among those that were recorded as stopped are not in here.",
            names.join(" and ")
        )),
        Corrects::FalsePositivesOnly => notes.push(format!(
            "Corrected for false positives only: nothing of {} was checked, and joint failures that were recorded as stopped are not in here.",
            names.join(" and ")
        )),
    }
    let open = corrects != Corrects::Both;
    let study = Study { trials, attacks: &attacks, level };
    let group = |t: usize| of[t].map_or(0, |g| g as usize);
    let all = |t: usize| said[t].map(|v| v.all_failed);
    let beta = study.figure(&group, &all, open);
    // The same number of checks without any record: one group.
    let (sum, square) = attacks.iter().fold((0.0, 0.0), |(a, b), &t| (a + weight(t), b + weight(t) * weight(t)));
    let checks = verdicts.len() as f64 * sum * sum / (attacks.len() as f64 * square);
    let without_records = match beta.value {
        Some(b) => Figure::of(b, "there is nothing").with(Some(crate::interval::jeffreys(b * checks, checks, level))),
        None => Figure::undefined("some verdicts are ambiguous"),
    };
    let mut layers = Vec::new();
    let mut graded = Vec::new();
    for (i, name) in trials.layers.iter().enumerate() {
        let with = |y: bool| attacks.iter().filter(|&&t| recorded(&trials.readings[i], t) == Some(y)).map(|&t| weight(t)).sum::<f64>();
        let (failed, held) = (with(true), with(false));
        let as_recorded = (failed + held > 0.0).then(|| failed / (failed + held));
        let mut note = |rate: Figure| layers.push(CheckedLayer { layer: name.clone(), recorded: as_recorded, rate });
        let own = |t: usize| said[t].and_then(|v| v.layers.get(name).copied());
        let complete = attacks.iter().filter(|&&t| said[t].is_some()).all(|&t| own(t).is_some());
        if !complete || corrects == Corrects::FalsePositivesOnly {
            let why = if complete {
                "only trials on which all layers failed were checked"
            } else {
                "verdicts do not say what this layer truly did on every checked trial"
            };
            note(Figure::undefined(why));
            continue;
        }
        // What was recorded of this layer, within each group that was drawn alike.
        let stratum = |t: usize| group(t) * 3 + recorded(&trials.readings[i], t).map_or(2, usize::from);
        note(study.figure(&stratum, &own, false));
        graded.push(i);
    }
    let gap = if graded.len() < trials.layers.len() {
        Figure::undefined("the rates of single layers were not checked, and β that was checked cannot be held against rates that were not")
    } else {
        let with = |t: usize| said[t].is_some_and(|v| v.all_failed == Judged::Ambiguous || v.layers.values().any(|j| *j == Judged::Ambiguous));
        if attacks.iter().any(|&t| with(t)) {
            Figure::undefined("some verdicts are ambiguous")
        } else {
            let judged =
                |t: usize, i: Option<usize>| said[t].and_then(|v| i.map_or(Some(v.all_failed), |i| v.layers.get(&trials.layers[i]).copied()));
            study.gap(&group, &judged, &graded)
        }
    };
    Ok(Checked {
        corrects,
        recorded: recorded_beta,
        beta,
        without_records,
        layers,
        gap,
        judge_errors: judge_errors(trials, &attacks),
        groups: rows,
        notes,
    })
}

/// Attacks, and how sure to be.
struct Study<'a> {
    trials: &'a TrialIndex,
    attacks: &'a [usize],
    level: f64,
}

/// A group of trials that were drawn alike.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Drawn {
    /// Its size.
    size: f64,
    /// Checked trials.
    checked: f64,
    /// Of those: true.
    yes: f64,
}

impl Drawn {
    fn share(&self) -> f64 {
        if self.checked > 0.0 { self.yes / self.checked } else { 0.0 }
    }
}

impl Study<'_> {
    /// Groups in trials of mean weight 1, those without a check joined to the next that has one where they belong to the same draw of three.
    fn drawn(&self, group: &dyn Fn(usize) -> usize, yes: &dyn Fn(usize) -> Option<bool>) -> BTreeMap<usize, Drawn> {
        let mean = self.attacks.iter().map(|&t| self.trials.weights[t]).sum::<f64>() / self.attacks.len() as f64;
        let mut out: BTreeMap<usize, Drawn> = BTreeMap::new();
        for &t in self.attacks {
            let w = self.trials.weights[t] / mean;
            let d = out.entry(group(t)).or_default();
            d.size += w;
            if let Some(y) = yes(t) {
                d.checked += w;
                d.yes += if y { w } else { 0.0 };
            }
        }
        out
    }

    /// The share of attacks that are true; ambiguous verdicts both ways. `closed`: groups without a check count as they were recorded, not true.
    fn figure(&self, group: &dyn Fn(usize) -> usize, judged: &dyn Fn(usize) -> Option<Judged>, closed: bool) -> Figure {
        let ambiguous = self.attacks.iter().any(|&t| judged(t) == Some(Judged::Ambiguous));
        let as_if = |counts: bool| {
            let yes = |t: usize| judged(t).map(|j| j == Judged::Failed || counts && j == Judged::Ambiguous);
            self.estimate(group, &yes, closed)
        };
        let low = as_if(false);
        if !ambiguous {
            return Figure::of(low.0, "there is nothing").with(Some(low.1));
        }
        let high = as_if(true);
        Figure::between(low.0, high.0).with(Some(Interval { low: low.1.low, high: high.1.high, ..low.1 }))
    }

    fn estimate(&self, group: &dyn Fn(usize) -> usize, yes: &dyn Fn(usize) -> Option<bool>, closed: bool) -> (f64, Interval) {
        let mut drawn = self.drawn(group, yes);
        let joined = joined(&mut drawn, closed);
        let list: Vec<Drawn> = drawn.values().copied().collect();
        let total: f64 = list.iter().map(|d| d.size).sum();
        let value = list.iter().map(|d| d.size * d.share()).sum::<f64>() / total;
        let z = self.influence(&drawn, &|t| *joined.get(&group(t)).unwrap_or(&group(t)), yes, value);
        let (clustered, counted, df) = self.variances(&z);
        let effect = if counted > 0.0 {
            (clustered / counted).max(1.0)
        } else {
            self.effect_without_spread(&|t| *joined.get(&group(t)).unwrap_or(&group(t)), yes)
        };
        let tail = 0.5 * (1.0 - self.level);
        let most = student_quantile(1.0 - tail, df).powi(2) * effect;
        let (low, high) = profile(&list, value, most);
        (value, Interval { low: Some(low), high: Some(high), level: self.level, method: IntervalMethod::ProfileLikelihood })
    }

    /// What each attack moves the share by, times the number of attacks.
    fn influence(&self, drawn: &BTreeMap<usize, Drawn>, group: &dyn Fn(usize) -> usize, yes: &dyn Fn(usize) -> Option<bool>, value: f64) -> Vec<f64> {
        let one = |&t: &usize| {
            let Some(d) = drawn.get(&group(t)) else { return 0.0 };
            let own = yes(t).map_or(0.0, |y| (f64::from(u8::from(y)) - d.share()) * d.size / d.checked.max(1e-300));
            d.share() - value + own
        };
        self.attacks.iter().map(one).collect()
    }

    /// Variance of the mean of influences: by clusters (crossed ones as in [`crate::interval`]), and as the likelihood has it, where weights are counts; degrees of freedom.
    fn variances(&self, z: &[f64]) -> (f64, f64, f64) {
        let weight = |at: usize| self.trials.weights[self.attacks[at]];
        let total: f64 = (0..z.len()).map(weight).sum();
        let n = z.len() as f64;
        let counted = (0..z.len()).map(|at| weight(at) * z[at] * z[at]).sum::<f64>() / (total * n);
        let plain = (0..z.len()).map(|at| (weight(at) * z[at]).powi(2)).sum::<f64>() / (total * total);
        let mut each = Vec::new();
        let mut df = (n - 1.0).max(1.0);
        for c in &self.trials.cluster {
            let squares = squares_by(c, self.attacks, |at| weight(at) * z[at]);
            let many = squares.len() as f64;
            each.push(squares.iter().sum::<f64>() / (total * total) * if many > 1.0 { many / (many - 1.0) } else { 1.0 });
            df = df.min((many - 1.0).max(1.0));
        }
        let largest = each.iter().copied().fold(0.0, f64::max);
        let clustered = if each.is_empty() { plain } else { (each.iter().sum::<f64>() - (each.len() as f64 - 1.0) * plain).max(largest) };
        (clustered, counted, df)
    }

    /// By how many times the checks count for less than they are where all of them agree: the largest over groups of their weight over (ΣW_c)²/ΣW_c² of the factor with least.
    fn effect_without_spread(&self, group: &dyn Fn(usize) -> usize, yes: &dyn Fn(usize) -> Option<bool>) -> f64 {
        let mut of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        self.attacks.iter().filter(|&&t| yes(t).is_some()).for_each(|&t| of.entry(group(t)).or_default().push(t));
        let weight = |t: usize| self.trials.weights[t];
        let one = |members: &Vec<usize>| {
            let total: f64 = members.iter().map(|&t| weight(t)).sum();
            let by_trial: f64 = members.iter().map(|&t| weight(t).powi(2)).sum();
            let by_cluster = self.trials.cluster.iter().map(|c| squares_by(c, members, |at| weight(members[at])).iter().sum::<f64>());
            members.len() as f64 * by_cluster.fold(by_trial, f64::max) / (total * total)
        };
        of.values().map(one).fold(1.0, f64::max)
    }

    /// β / Πp_i with the interval of its logarithm.
    fn gap(&self, group: &dyn Fn(usize) -> usize, judged: &dyn Fn(usize, Option<usize>) -> Option<Judged>, layers: &[usize]) -> Figure {
        let mut ln_gap = 0.0;
        let mut z = vec![0.0; self.attacks.len()];
        for of in layers.iter().map(|&i| Some(i)).chain([None]) {
            let stratum = |t: usize| of.map_or(group(t), |i| group(t) * 3 + recorded(&self.trials.readings[i], t).map_or(2, usize::from));
            let yes = |t: usize| judged(t, of).map(|j| j == Judged::Failed);
            let mut drawn = self.drawn(&stratum, &yes);
            let joined = joined(&mut drawn, false);
            let total: f64 = drawn.values().map(|d| d.size).sum();
            let value = drawn.values().map(|d| d.size * d.share()).sum::<f64>() / total;
            if value <= 0.0 {
                return Figure::undefined(if of.is_some() { "a layer never truly failed" } else { "no joint failure is left after the checks" });
            }
            let sign = if of.is_some() { -1.0 } else { 1.0 };
            ln_gap += sign * value.ln();
            let own = self.influence(&drawn, &|t| *joined.get(&stratum(t)).unwrap_or(&stratum(t)), &yes, value);
            z.iter_mut().zip(own).for_each(|(z, o)| *z += sign * o / value);
        }
        let (variance, _, df) = self.variances(&z);
        let half = student_quantile(0.5 + 0.5 * self.level, df) * variance.sqrt();
        let interval = Interval::new((ln_gap - half).exp(), (ln_gap + half).exp(), self.level, IntervalMethod::Linearised);
        Figure::of(ln_gap.exp(), "there is nothing").with(interval)
    }
}

/// Squares of the sums over each cluster, in a fixed order: digits do not depend on a hash.
fn squares_by(cluster: &[u32], trials: &[usize], of: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    trials.iter().enumerate().for_each(|(at, &t)| *sums.entry(cluster[t]).or_default() += of(at));
    sums.into_values().map(|s| s * s).collect()
}

/// Joins groups that nobody checked to one that was: of the same draw where there is one; or, where `closed`, takes them as checked and not true. Which went where.
fn joined(drawn: &mut BTreeMap<usize, Drawn>, closed: bool) -> BTreeMap<usize, usize> {
    let mut moved = BTreeMap::new();
    let empty: Vec<usize> = drawn.iter().filter(|d| d.1.checked <= 0.0).map(|d| *d.0).collect();
    for g in empty {
        if closed {
            if let Some(d) = drawn.get_mut(&g) {
                d.checked = d.size;
            }
            continue;
        }
        let near = |&(other, d): &(&usize, &Drawn)| d.checked > 0.0 && *other / 3 == g / 3;
        let any = |&(_, d): &(&usize, &Drawn)| d.checked > 0.0;
        let to = drawn.iter().find(near).or_else(|| drawn.iter().find(any)).map(|d| *d.0);
        if let (Some(to), Some(d)) = (to, drawn.remove(&g)) {
            if let Some(t) = drawn.get_mut(&to) {
                t.size += d.size;
            }
            moved.insert(g, to);
        }
    }
    moved
}

/// Ends of the profile likelihood interval of Σ P_h θ_h: where twice the drop of the log-likelihood is `most`.
fn profile(groups: &[Drawn], value: f64, most: f64) -> (f64, f64) {
    let best = log_likelihood(groups, value);
    let out = |b: f64| 2.0 * (best - log_likelihood(groups, b)) > most;
    let end = |mut inside: f64, mut outside: f64| {
        if !out(outside) {
            return outside;
        }
        for _ in 0..60 {
            let middle = 0.5 * (inside + outside);
            if out(middle) {
                outside = middle
            } else {
                inside = middle
            }
            if (outside - inside).abs() < 1e-12 + 1e-9 * inside {
                break;
            }
        }
        inside
    };
    let tiny = 1e-15;
    let low = if value <= tiny { 0.0 } else { end(value, tiny) };
    let high = if value >= 1.0 - tiny { 1.0 } else { end(value, 1.0 - tiny) };
    (if low <= tiny { 0.0 } else { low }, if high >= 1.0 - tiny { 1.0 } else { high })
}

/// The largest log-likelihood of groups with Σ P_h θ_h = β.
///
/// With multipliers λ of Σ P_h θ_h = β and μ of Σ P_h (1 − θ_h) = 1 − β, each group's θ is the root of a quadratic and P = N/(θλ + (1 − θ)μ); βλ + (1 − β)μ = N leaves one multiplier, by which Σ P_h θ_h falls.
fn log_likelihood(groups: &[Drawn], beta: f64) -> f64 {
    let n: f64 = groups.iter().map(|g| g.size).sum();
    let at = |lambda: f64| -> Vec<(f64, f64)> {
        let mu = ((n - beta * lambda) / (1.0 - beta)).max(0.0);
        let one = |g: &Drawn| {
            let theta = share_at(g, lambda, mu);
            let p = g.size / (theta * lambda + (1.0 - theta) * mu).max(f64::MIN_POSITIVE);
            (p * theta, p * (1.0 - theta))
        };
        groups.iter().map(one).collect()
    };
    let (mut low, mut high) = (0.0, n / beta);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if at(middle).iter().map(|c| c.0).sum::<f64>() > beta {
            low = middle
        } else {
            high = middle
        }
        if high - low <= 1e-15 * high {
            break;
        }
    }
    let ln = |n: f64, p: f64| if n > 0.0 { n * p.max(f64::MIN_POSITIVE).ln() } else { 0.0 };
    let one = |(g, c): (&Drawn, &(f64, f64))| ln(g.yes, c.0) + ln(g.checked - g.yes, c.1) + ln(g.size - g.checked, c.0 + c.1);
    groups.iter().zip(&at(0.5 * (low + high))).map(one).sum()
}

/// θ of one group at given multipliers: between 0 and 1, where (yes/θ + open)μ = (no/(1 − θ) + open)λ.
fn share_at(g: &Drawn, lambda: f64, mu: f64) -> f64 {
    let (open, no) = ((g.size - g.checked).max(0.0), (g.checked - g.yes).max(0.0));
    // a θ² + b θ + c: at 0 not below 0, at 1 not above.
    let (a, b, c) = (open * (lambda - mu), mu * (open - g.yes) - lambda * (no + open), mu * g.yes);
    if c <= 0.0 && b <= 0.0 {
        return 0.0;
    }
    if no <= 0.0 && 2.0 * a + b <= 0.0 {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    if c <= 0.0 {
        // 0 is a root, and the other one is meant.
        return if a < 0.0 { (-b / a).clamp(0.0, 1.0) } else { 1.0 };
    }
    if no <= 0.0 {
        // 1 is a root, and the other one is meant: their product is c/a.
        return if a > 0.0 { (c / a).clamp(0.0, 1.0) } else { 1.0 };
    }
    let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
    // The form without cancellation.
    let theta = if b <= 0.0 { 2.0 * c / (root - b) } else { -(b + root) / (2.0 * a) };
    if theta > low && theta < high {
        return theta;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if a * middle * middle + b * middle + c > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// β on the recorded outcomes under assumed errors. Each layer's errors by themselves are undone by the inverse of its confusion matrix, exactly in expectation; a shared error adds joint failures.
fn judge_errors(trials: &TrialIndex, attacks: &[usize]) -> Vec<JudgeErrors> {
    let complete: Vec<usize> = attacks.iter().copied().filter(|&t| trials.readings.iter().all(|r| recorded(r, t).is_some())).collect();
    let total: f64 = complete.iter().map(|&t| trials.weights[t]).sum();
    let k = trials.readings.len();
    let mut failures = vec![0.0; k + 1];
    for &t in &complete {
        failures[trials.readings.iter().filter(|r| recorded(r, t) == Some(true)).count()] += trials.weights[t] / total.max(f64::MIN_POSITIVE);
    }
    let mut out = Vec::new();
    if total <= 0.0 {
        return out;
    }
    for shared in [0.0, 0.001, 0.01] {
        for (false_failure, false_hold) in [(0.0, 0.0), (0.01, 0.0), (0.05, 0.0), (0.0, 0.05), (0.01, 0.05), (0.05, 0.05)] {
            let scale = 1.0 - false_failure - false_hold;
            let (failed, held): (f64, f64) = ((1.0 - false_failure) / scale, -false_failure / scale);
            let own: f64 = failures.iter().enumerate().map(|(f, w)| w * failed.powi(f as i32) * held.powi((k - f) as i32)).sum();
            // What one error records as failed on all layers is undone like everything else.
            let beta = (own - shared * failed.powi(k as i32)) / (1.0 - shared);
            let figure = if beta > 1.0 {
                Figure::undefined("errors of this size do not fit the outcomes that were recorded")
            } else if beta > 0.0 {
                Figure::of(beta, "there is nothing")
            } else {
                Figure::undefined("errors of this size would explain every joint failure that was recorded")
            };
            out.push(JudgeErrors { false_failure, false_hold, shared, beta: figure });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;
    use rayon::prelude::*;

    /// A table whose layers all truly fail with probability β, recorded by a grader that sees some of that and more.
    struct World {
        trials: usize,
        beta: f64,
        /// P(recorded as all failed | not so), P(recorded as a near miss | not all failed).
        false_failure: f64,
        near: f64,
        /// P(recorded as a near miss | all failed), P(recorded as other | all failed).
        missed: (f64, f64),
        per_cluster: usize,
        /// Standard deviation of ln weight.
        weights: f64,
    }

    impl World {
        /// The recorded outcomes of three layers, and the truth.
        fn draw(&self, seed: u64) -> (TrialIndex, Vec<bool>) {
            let mut rng = Seed(seed).stream(Purpose::Simulation, 0);
            let n = self.trials;
            let mut truth = Vec::with_capacity(n);
            let mut held = vec![Vec::new(); 3];
            let mut of_cluster = self.beta;
            for t in 0..n {
                if self.per_cluster > 1 && t % self.per_cluster == 0 {
                    // Half of the clusters have nearly all joint failures.
                    of_cluster = if rng.random_bool(0.5) { 1.9 * self.beta } else { 0.1 * self.beta };
                }
                let y = rng.random_bool(of_cluster);
                let u: f64 = rng.random();
                let holding = match y {
                    true if u < self.missed.1 => 2,
                    true if u < self.missed.1 + self.missed.0 => 1,
                    true => 0,
                    false if u < self.false_failure => 0,
                    false if u < self.false_failure + self.near => 1,
                    false => 2,
                };
                truth.push(y);
                (0..3).for_each(|i| held[i].push(Some(i >= holding)));
            }
            let cluster: Vec<u32> = (0..n).map(|t| (t / self.per_cluster) as u32).collect();
            let levels = (0..n.div_ceil(self.per_cluster)).map(|c| c.to_string()).collect();
            let clustered = self.per_cluster > 1;
            let trials = TrialIndex {
                layers: vec!["a".into(), "b".into(), "c".into()],
                names: (0..n).map(|t| t.to_string()).collect(),
                labels: vec![Label::Attack; n],
                weights: (0..n).map(|_| (self.weights * rng.sample::<f64, _>(rand_distr::StandardNormal)).exp()).collect(),
                clusters: if clustered { vec![crate::outcome::Factor { name: "goal".into(), levels }] } else { Vec::new() },
                cluster: if clustered { vec![cluster] } else { Vec::new() },
                readings: held.into_iter().map(Readings::Outcomes).collect(),
            };
            (trials, truth)
        }
    }

    fn verdicts(trials: &TrialIndex, truth: &[bool], queue: &[Queued]) -> Vec<Verdicts> {
        let judged = |y: bool| if y { Judged::Failed } else { Judged::Held };
        let one = |q: &Queued| Verdicts {
            trial: trials.names[q.trial].clone(),
            all_failed: judged(truth[q.trial]),
            layers: trials
                .layers
                .iter()
                .zip(&trials.readings)
                .map(|(l, r)| (l.clone(), judged(truth[q.trial] || recorded(r, q.trial) == Some(true) && l != "a")))
                .collect(),
            group: Some(q.group),
            queued_by: trials.layers.clone(),
        };
        queue.iter().map(one).collect()
    }

    /// Of how many seeds the interval holds β, and its mean width beside that of as many checks of trials drawn from all alike.
    fn coverage(w: &World, seeds: u64, near_misses: usize, others: usize) -> (f64, f64, f64) {
        let one = |seed: u64| -> [f64; 3] {
            let (trials, truth) = w.draw(seed);
            let queue = check_queue(&trials, &QueueOptions { near_misses, others, seed: Seed(seed), all_failed: None }).unwrap_or_default();
            let Ok(c) = checked(&trials, &verdicts(&trials, &truth, &queue), 0.95) else { panic!("seed {seed}") };
            let wide = |f: &Figure| f.interval.map_or(1.0, |i| i.high.unwrap_or(1.0) - i.low.unwrap_or(0.0));
            [f64::from(u8::from(c.beta.interval.is_some_and(|i| i.contains(w.beta)))), wide(&c.beta), wide(&c.without_records)]
        };
        let all: Vec<[f64; 3]> = (0..seeds).into_par_iter().map(one).collect();
        let [holds, width, alone] = [0, 1, 2].map(|i| all.iter().map(|x| x[i]).sum::<f64>());
        let n = seeds as f64;
        (holds / n, width / n, alone / n)
    }

    #[test]
    #[ignore = "release mode"]
    fn slow_intervals_after_checks_cover() {
        let worlds = [
            (World { trials: 3000, beta: 0.05, false_failure: 0.03, near: 0.15, missed: (0.25, 0.15), per_cluster: 1, weights: 0.0 }, 100, 150),
            (World { trials: 3000, beta: 0.05, false_failure: 0.03, near: 0.15, missed: (0.25, 0.05), per_cluster: 1, weights: 0.0 }, 100, 150),
            (World { trials: 1000, beta: 0.2, false_failure: 0.1, near: 0.2, missed: (0.2, 0.1), per_cluster: 1, weights: 0.0 }, 80, 80),
            (World { trials: 4000, beta: 0.05, false_failure: 0.03, near: 0.15, missed: (0.25, 0.15), per_cluster: 10, weights: 0.0 }, 150, 300),
            (World { trials: 3000, beta: 0.05, false_failure: 0.03, near: 0.15, missed: (0.25, 0.15), per_cluster: 1, weights: 0.7 }, 150, 300),
        ];
        for (w, near, others) in worlds {
            let (holds, width, alone) = coverage(&w, 2000, near, others);
            println!(
                "{} trials, clusters of {}, β {}: covers {holds:.4}, width {width:.4}, checks alone {alone:.4}",
                w.trials, w.per_cluster, w.beta
            );
            assert!((holds - 0.95).abs() <= 0.015 && width < alone, "{holds} {width} {alone}");
        }
    }

    #[test]
    fn few_seeds_cover_about_as_they_say() {
        let w = World { trials: 800, beta: 0.1, false_failure: 0.05, near: 0.2, missed: (0.2, 0.1), per_cluster: 1, weights: 0.0 };
        let (holds, width, alone) = coverage(&w, 60, 60, 60);
        assert!(holds > 0.85 && width < alone, "{holds} {width} {alone}");
    }

    #[test]
    fn with_every_trial_checked_the_interval_is_that_of_a_share() {
        // One group, all checked: the likelihood ratio interval of a binomial share, by hand for 10 of 100.
        let d = Drawn { size: 100.0, checked: 100.0, yes: 10.0 };
        let most = 3.841_458_820_694_124;
        let (low, high) = profile(&[d], 0.1, most);
        let drop = |p: f64| 2.0 * (10.0 * (0.1 / p).ln() + 90.0 * (0.9 / (1.0 - p)).ln());
        assert!((drop(low) - most).abs() < 1e-4 && (drop(high) - most).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn a_sample_without_errors_leaves_room_for_some() {
        // 5 genuine joint failures; nothing found in 60 of 995 others.
        let groups = [Drawn { size: 5.0, checked: 5.0, yes: 5.0 }, Drawn { size: 995.0, checked: 60.0, yes: 0.0 }];
        let (low, high) = profile(&groups, 0.005, 3.841_458_820_694_124);
        assert!(low > 0.001 && low < 0.003 && high > 0.02 && high < 0.06, "{low} {high}");
    }

    #[test]
    fn checks_of_joint_failures_alone_correct_false_positives_only() {
        let w = World { trials: 400, beta: 0.1, false_failure: 0.1, near: 0.2, missed: (0.0, 0.0), per_cluster: 1, weights: 0.0 };
        let (trials, truth) = w.draw(1);
        let queue = check_queue(&trials, &QueueOptions { near_misses: 0, others: 0, ..QueueOptions::default() }).unwrap_or_default();
        let Ok(c) = checked(&trials, &verdicts(&trials, &truth, &queue), 0.95) else { panic!() };
        let genuine = truth.iter().filter(|y| **y).count() as f64 / 400.0;
        assert_eq!(c.corrects, Corrects::FalsePositivesOnly);
        assert!((c.beta.value.unwrap_or(0.0) - genuine).abs() < 1e-12 && c.recorded > genuine);
        assert!(c.gap.value.is_none() && c.layers.iter().all(|l| l.rate.value.is_none()));
    }

    #[test]
    fn with_all_trials_checked_everything_is_what_the_verdicts_say() {
        let w = World { trials: 300, beta: 0.2, false_failure: 0.1, near: 0.3, missed: (0.1, 0.1), per_cluster: 1, weights: 0.0 };
        let (trials, truth) = w.draw(2);
        let queue = check_queue(&trials, &QueueOptions { near_misses: 300, others: 300, ..QueueOptions::default() }).unwrap_or_default();
        let all = verdicts(&trials, &truth, &queue);
        let Ok(c) = checked(&trials, &all, 0.95) else { panic!() };
        let share = |l: &str| all.iter().filter(|v| v.layers.get(l) == Some(&Judged::Failed)).count() as f64 / 300.0;
        let beta = truth.iter().filter(|y| **y).count() as f64 / 300.0;
        assert!((c.beta.value.unwrap_or(0.0) - beta).abs() < 1e-12);
        let product: f64 = ["a", "b", "c"].iter().map(|l| share(l)).product();
        c.layers.iter().for_each(|l| assert!((l.rate.value.unwrap_or(0.0) - share(&l.layer)).abs() < 1e-12, "{}", l.layer));
        assert!((c.gap.value.unwrap_or(0.0) - beta / product).abs() < 1e-9 && c.gap.interval.is_some_and(|i| i.contains(beta / product)));
    }

    #[test]
    fn ambiguous_verdicts_count_both_ways() {
        let w = World { trials: 200, beta: 0.2, false_failure: 0.1, near: 0.3, missed: (0.0, 0.0), per_cluster: 1, weights: 0.0 };
        let (trials, truth) = w.draw(3);
        let queue = check_queue(&trials, &QueueOptions { near_misses: 300, others: 300, ..QueueOptions::default() }).unwrap_or_default();
        let mut all = verdicts(&trials, &truth, &queue);
        let turned = all.iter_mut().filter(|v| v.all_failed == Judged::Failed).take(4).map(|v| v.all_failed = Judged::Ambiguous).count();
        assert_eq!(turned, 4);
        let Ok(c) = checked(&trials, &all, 0.95) else { panic!() };
        let (low, high) = c.beta.identified.map_or((0.0, 0.0), |r| (r.low.unwrap_or(0.0), r.high.unwrap_or(0.0)));
        assert!((high - low - 4.0 / 200.0).abs() < 1e-12 && c.beta.value.is_none() && c.gap.value.is_none());
    }

    #[test]
    fn errors_of_each_layer_are_undone_by_the_inverse_of_their_matrix() {
        // Two layers, errors apart: P(recorded) = M ⊗ M P(true), exactly, over the four patterns as weights.
        let (f, g) = (0.05, 0.05);
        let truth = [0.5, 0.1, 0.1, 0.3];
        let m = |seen: bool, y: bool| match (seen, y) {
            (true, true) => 1.0 - g,
            (false, true) => g,
            (true, false) => f,
            (false, false) => 1.0 - f,
        };
        let seen = |p: usize| (0..4).map(|y| truth[y] * m(p & 1 == 1, y & 1 == 1) * m(p & 2 == 2, y & 2 == 2)).sum::<f64>();
        let trials = TrialIndex {
            layers: vec!["a".into(), "b".into()],
            labels: vec![Label::Attack; 4],
            weights: (0..4).map(seen).collect(),
            readings: vec![
                Readings::Outcomes((0..4).map(|p| Some(p & 1 == 1)).collect()),
                Readings::Outcomes((0..4).map(|p| Some(p & 2 == 2)).collect()),
            ],
            ..TrialIndex::default()
        };
        let list = judge_errors(&trials, &[0, 1, 2, 3]);
        let own = list.iter().find(|e| e.shared == 0.0 && e.false_failure == f && e.false_hold == g).and_then(|e| e.beta.value);
        assert!((own.unwrap_or(0.0) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn verdicts_that_do_not_fit_are_refused() {
        let w = World { trials: 100, beta: 0.2, false_failure: 0.1, near: 0.3, missed: (0.0, 0.0), per_cluster: 1, weights: 0.0 };
        let (trials, truth) = w.draw(3);
        let queue = check_queue(&trials, &QueueOptions::default()).unwrap_or_default();
        let all = verdicts(&trials, &truth, &queue);
        let wrong = |v: Vec<Verdicts>| checked(&trials, &v, 0.95).map(|_| ()).map_err(|e| e.to_string());
        let mut strange = all.clone();
        strange[0].trial = "nobody".into();
        assert!(wrong(strange).is_err_and(|e| e.contains("nobody")));
        let mut twice = all.clone();
        twice.push(all[0].clone());
        assert!(wrong(twice).is_err_and(|e| e.contains("two verdicts")));
        let group = groups(&trials);
        let near: Vec<Verdicts> =
            all.iter().filter(|v| v.trial.parse().is_ok_and(|t: usize| group[t] != Some(CheckGroup::AllFailed))).cloned().collect();
        assert!(wrong(near).is_err_and(|e| e.contains("come first")));
    }
}
