//! All models on one table: which reproduce what was seen, what each says β is, which predicts unseen clusters best, how far
//! those that fit disagree, and whether the answer is the data's or the model's.

use crate::analyze::{Analysis, Group, Progress, Section};
use crate::check::{Check, Observed, Tail};
use crate::claims::{Claim, ModelSupport, Support, claims, set_of};
use crate::diagnostics::{e_bfmi, mixing};
use crate::error::{Error, Result};
use crate::features::Layout;
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::fitted::{Context, Fitted};
use crate::holdout::{Folds, stack};
use crate::layers::LayerSet;
use crate::likelihood::{Likelihood, Nodes, Workspace};
use crate::model::{Choice, Kind, MOST_SETS, Mixture, Setting, Summary, choose, empirical, mixture};
use crate::optimise::{Prior, Target};
use crate::outcome::{JointOutcomes, Label};
use crate::patterns::{Clusters, Patterns};
use crate::percentile::percentile;
use crate::pieces::{given, pieces};
use crate::posterior::{Draws, Plan};
use crate::psis::leave_out;
use crate::quadrature::Accuracy;
use crate::random::Seed;
use crate::resample::Units;
use crate::sample::{ExactInterval, Sample};
use crate::structure::{Diagram, Structure};
use crate::what_if::{ModelBasis, NodeList, numbers, pack, thinned};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether parameters have the weak priors of `docs/models.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Priors {
    /// Weak priors; posterior draws.
    #[default]
    Weak,
    /// Pure maximum likelihood: no posterior; intervals come from refits.
    None,
}

/// Choices of a fit. The same options, table and seed give the same digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitOptions {
    /// Seed of every random number.
    pub seed: Seed,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Names of models, `stratified(NAME)`, or `all`.
    pub models: Vec<String>,
    /// Posterior draws of each model, over four chains.
    pub draws: usize,
    /// Weak priors or none.
    #[serde(default)]
    pub priors: Priors,
    /// Named sets of layers that may fail at once; all layers where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub common_modes: Vec<Group>,
    /// Folds of clusters for held-out scores.
    pub folds: usize,
    /// Refits to clusters drawn again.
    pub refits: usize,
    /// Claims to judge.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub claims: Vec<Claim>,
    /// Prior confidences for the conservative Bayesian bound.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub confidences: Vec<Claim>,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions {
            seed: Seed::default(),
            level: 0.95,
            models: vec!["all".into()],
            draws: 4000,
            priors: Priors::Weak,
            common_modes: Vec::new(),
            folds: 10,
            refits: 100,
            claims: Vec::new(),
            confidences: Vec::new(),
        }
    }
}

/// Everything that models say about one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fit {
    /// β without any model, to stand beside.
    pub assumption_free: Figure,
    /// Trials, or their effective number where they are weighted.
    pub trials: f64,
    /// What is left out whole: trials, or the clusters of this column.
    pub unit: String,
    /// Number of such units.
    pub units: f64,
    /// Units with a joint failure.
    pub units_with_joint_failure: f64,
    /// Folds of the held-out score.
    pub folds: usize,
    /// Why values that the data cannot test are marked as assumptions; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_identified: Option<String>,
    /// Models in the order asked for.
    pub models: Vec<FittedModel>,
    /// The model that predicts unseen units best among those that reproduce the tail and have mixed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub best: Option<String>,
    /// β averaged over models by stacking weights.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stacked: Option<Figure>,
    /// How far admissible models disagree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spread: Option<Spread>,
    /// Whose word the rate is.
    pub source: Source,
    /// Verdicts on claims.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub claims: Vec<Support>,
}

/// Whose word the rate of failing together is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Ten or more units hold a joint failure.
    Data,
    /// One to nine do.
    FewFailures,
    /// None does: below the upper limit the rate follows from the model alone.
    Model,
}

/// The smallest and the largest β among admissible models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Smallest.
    pub low: f64,
    /// Whose.
    pub low_model: String,
    /// Largest.
    pub high: f64,
    /// Whose.
    pub high_model: String,
}

/// A number of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// What it is.
    pub what: String,
    /// Value and posterior interval; `identified` is what the data alone allow.
    pub figure: Figure,
    /// The data cannot test this value: it is the model's assumption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumption: bool,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FittedModel {
    /// Name.
    pub model: String,
    /// What it assumes.
    pub assumes: String,
    /// Why it could not be fitted; then everything else is empty.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
    /// Whether it reproduces the observed tail. The first thing to read about a model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tail: Option<Tail>,
    /// Tail reproduced, search converged and chains mixed.
    pub admissible: bool,
    /// β: posterior median and interval.
    pub beta: Figure,
    /// Gap, effective layers, failure rates, co-failure curve.
    pub estimates: Vec<Estimate>,
    /// The search for the best parameters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub search: Option<Search>,
    /// Parameters: best value, posterior interval.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub parameters: Vec<Estimate>,
    /// The chains.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chains: Option<Chains>,
    /// β from fits to clusters drawn again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refits: Option<Refits>,
    /// Predictive checks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub checks: Vec<Check>,
    /// Score on units left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<HeldOut>,
    /// Why there is no held-out score.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_score: Option<String>,
    /// Leave-one-unit-out score from the posterior draws.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub psis: Option<Psis>,
    /// Weight in the stacked average.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<f64>,
}

/// How the best parameters were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// Free parameters.
    pub parameters: usize,
    /// ln likelihood at the best parameters.
    pub ln_likelihood: f64,
    /// β there.
    pub beta: f64,
    /// Whether no direction promised more.
    pub converged: bool,
    /// Largest derivative per trial.
    pub slope: f64,
    /// Starts, of each part.
    pub starts: usize,
    /// Starts that ended within 0.01 of the best; the fewest over parts.
    pub agreeing: usize,
    /// Boundary solutions: what runs away, in words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub edges: Vec<String>,
    /// Nodes of the sum, and with half the spacing.
    pub nodes: usize,
    /// As above with half the spacing; the same as above where that would not fit into memory.
    pub nodes_doubled: usize,
    /// Change of ln likelihood when the spacing is halved.
    pub change_when_doubled: f64,
    /// Numbers of latent classes tried with their held-out scores.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub classes_tried: Vec<(usize, f64)>,
}

/// Whether the chains can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chains {
    /// Chains.
    pub chains: usize,
    /// Draws kept of each.
    pub draws: usize,
    /// Largest R-hat over ln β, failure rates and pairs.
    pub r_hat: f64,
    /// Smallest bulk effective size over the same.
    pub ess_bulk: f64,
    /// Smallest tail effective size over the same.
    pub ess_tail: f64,
    /// Largest R-hat over parameters; may be large where the data do not tell parameters apart.
    pub r_hat_parameters: f64,
    /// Divergent draws.
    pub divergences: u64,
    /// Smallest energy fraction; below 0.3 tails are explored badly.
    pub e_bfmi: f64,
    /// R-hat below 1.01 and both effective sizes above 400.
    pub mixed: bool,
}

/// Fits to clusters drawn again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refits {
    /// How many.
    pub refits: usize,
    /// Percentile interval of β.
    pub beta: Interval,
    /// Its width over the posterior's, both of ln β; absent where either is open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width_ratio: Option<f64>,
    /// The widths differ by more than a factor of 1.5: the posterior takes dependent trials for independent ones, or the
    /// reverse.
    pub warning: bool,
}

/// Score on units left out in folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldOut {
    /// Σ ln P(unit | fit without its fold).
    pub score: f64,
    /// Its standard error over units.
    pub standard_error: f64,
    /// Difference from the best score.
    pub behind: f64,
    /// Standard error of the difference.
    pub behind_error: f64,
    /// Place among the models, from 1.
    pub rank: usize,
}

/// Leave-one-unit-out by Pareto-smoothed importance sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Psis {
    /// Expected log predictive density of a unit left out, summed.
    pub elpd: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Largest Pareto shape.
    pub largest_k: f64,
    /// Units whose shape is above 0.7: not to be trusted there.
    pub above: f64,
}

/// Nodes times layers up to which sums are made again with half the spacing.
const MOST_DOUBLED: usize = 2_000_000;

/// Chains of every posterior.
const CHAINS: usize = 4;
/// Draws that predictive checks and leave-one-out are made of.
const CHECKED: usize = 1000;

/// Fits models to a table.
///
/// `analysis` is that of the same table: it says how the trials were run and what the data alone allow. A model that cannot be
/// fitted is reported as such. Fails with [`Error::NoTrials`] without attack rows, on a model or layer that there is not, and
/// on options out of range.
///
/// ```
/// use coincide::{AnalyzeOptions, Columns, FitOptions, Outcome::{Failed, Held}, TableBuilder, TrialRow, analyze, fit};
/// let columns = Columns { layers: vec!["filter".into(), "judge".into(), "probe".into()], ..Columns::default() };
/// let mut b = TableBuilder::new(columns)?;
/// for (outcomes, n) in [([Failed, Failed, Failed], 12), ([Failed, Held, Held], 9), ([Held, Failed, Held], 8), ([Held, Held, Held], 171)] {
///     (0..n).for_each(|_| b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() }));
/// }
/// let table = b.finish();
/// let analysis = analyze(&table, &AnalyzeOptions { replicates: 200, ..AnalyzeOptions::default() }, &|_, _, _| {})?;
/// let options = FitOptions { models: vec!["independent".into(), "factor".into()], draws: 400, ..FitOptions::default() };
/// let fit = fit(&table, &analysis, &options, &|_, _, _| {})?.content;
/// // Twelve joint failures where independence expects a fifth of one: that model is found out.
/// assert!(!fit.models[0].tail.as_ref().unwrap().reproduced);
/// assert!(fit.models[1].tail.as_ref().unwrap().reproduced);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn fit(table: &JointOutcomes, analysis: &Analysis, options: &FitOptions, progress: Progress<'_>) -> Result<Section<Fit>> {
    fit_with_draws(table, analysis, options, None, progress).map(|f| f.fit)
}

/// Fitted models, and what follows from their draws.
#[derive(Debug, Clone)]
pub struct FitWithDraws {
    /// What models say.
    pub fit: Section<Fit>,
    /// Draws of the best model, from which rates of any set of its layers follow; `None` where no model holds up.
    pub basis: Option<ModelBasis>,
    /// What each model says about a system.
    pub system: Vec<SystemOfModel>,
}

/// What a model says about a system.
#[derive(Debug, Clone)]
pub struct SystemOfModel {
    /// Name.
    pub model: String,
    /// What it assumes.
    pub assumes: String,
    /// Tail reproduced, search converged and chains mixed.
    pub admissible: bool,
    /// P(system failure): posterior median and interval.
    pub rate: Figure,
    /// The law at the best parameters; absent where it could not be fitted.
    pub mixture: Option<Mixture>,
    /// Its nodes in some draws of the posterior.
    pub(crate) draws: Vec<NodeList>,
}

/// The same, with draws of the best model and with what each says about the failure of `system`.
///
/// Fails as [`fit`], and where the system's diagram has no room.
pub fn fit_with_draws(
    table: &JointOutcomes,
    analysis: &Analysis,
    options: &FitOptions,
    system: Option<&Structure>,
    progress: Progress<'_>,
) -> Result<FitWithDraws> {
    let choices = choose(&options.models, !table.strata().is_empty())?;
    given(&(table, options));
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    let patterns = Patterns::new(&sample);
    if patterns.len() == 0 {
        return Err(Error::NoTrials);
    }
    let k = sample.layers;
    let observed = Observed::new(table, &sample, analysis.data.content.design.stops_early());
    let sets: Vec<LayerSet> = options.claims.iter().map(|c| set_of(table, &c.layers)).collect::<Result<_>>()?;
    let (folds, data) = (Folds::deal(&patterns, options.folds, options.seed), Likelihood::new(&patterns));
    let diagram = system.map(Structure::diagram).transpose()?;
    let context = prepare(table, &patterns, &data, &folds, (&sets, diagram.as_ref()), observed.wants_pairs(), options)?;
    let stops = analysis.data.content.design.stops_early();
    let supports = claims(table, &options.claims, &options.confidences, ExactInterval::ClopperPearson, stops)?;
    let plan = context.plan;
    let layout = Layout::new(k, !sample.all_complete(), false);
    let run = Run { table, analysis, options, context, observed, units: Units::new(&sample, &layout), sample: &sample, supports };
    let total = (choices.len() * (1 + CHAINS * (plan.tune + plan.draws))) as u64;
    let done = AtomicU64::new(0);
    let tell = |n: u64| {
        let d = done.fetch_add(n, Ordering::Relaxed) + n;
        progress("fitting models", d.min(total), total);
    };
    progress("fitting models", 0, total);
    let mut results: Vec<One> = Vec::with_capacity(choices.len());
    for (i, &choice) in choices.iter().enumerate() {
        results.push(run.one(choice, &tell)?);
        done.store((i as u64 + 1) * total / choices.len() as u64, Ordering::Relaxed);
    }
    let system = if diagram.is_some() { results.iter_mut().map(One::system).collect() } else { Vec::new() };
    let nodes: Vec<(String, usize, Vec<NodeList>)> =
        results.iter_mut().map(|r| (r.report.model.clone(), r.ln_beta.len(), std::mem::take(&mut r.nodes))).collect();
    let fit = run.together(results);
    let best = nodes.into_iter().find(|n| Some(&n.0) == fit.best.as_ref() && !n.2.is_empty());
    let basis = best.map(|(model, of, draws)| {
        let of = if options.priors == Priors::Weak { of } else { 0 };
        pack(&model, table.layers(), options.level, of, draws, fit.not_identified.clone())
    });
    Ok(FitWithDraws { fit: Section::new(fit), basis, system })
}

/// Checks the options and puts together what all fits of a table share.
pub(crate) fn prepare<'a>(
    table: &JointOutcomes,
    patterns: &'a Patterns,
    data: &'a Likelihood<'a>,
    folds: &'a Folds,
    (sets, system): (&'a [LayerSet], Option<&'a Diagram>),
    pairs: bool,
    options: &FitOptions,
) -> Result<Context<'a>> {
    check(options)?;
    let common_modes = options.common_modes.iter().map(|g| Ok((g.name.clone(), set_of(table, &g.layers)?))).collect::<Result<Vec<_>>>()?;
    Ok(Context {
        patterns,
        data,
        folds,
        setting: Setting { layers: patterns.layers, common_modes, classes: 2 },
        prior: if options.priors == Priors::Weak { Prior::Weak } else { Prior::None },
        seed: options.seed,
        plan: Plan { chains: CHAINS, tune: 500, draws: options.draws.div_ceil(CHAINS) },
        sets,
        system,
        pairs,
    })
}

fn check(options: &FitOptions) -> Result<()> {
    let range = |what, expected, got: f64| Err(Error::OutOfRange { what, expected, got });
    if !(options.level > 0.0 && options.level < 1.0) {
        return range("the confidence level", "between 0 and 1", options.level);
    }
    if options.draws < 100 {
        return range("the number of posterior draws", "at least 100", options.draws as f64);
    }
    if options.folds < 2 {
        return range("the number of folds", "at least 2", options.folds as f64);
    }
    if options.refits < 20 {
        return range("the number of refits", "at least 20", options.refits as f64);
    }
    if options.common_modes.len() > MOST_SETS {
        return range("the number of common modes", "at most 8", options.common_modes.len() as f64);
    }
    Ok(())
}

struct Run<'a> {
    table: &'a JointOutcomes,
    analysis: &'a Analysis,
    options: &'a FitOptions,
    context: Context<'a>,
    observed: Observed,
    units: Units<'a>,
    sample: &'a Sample,
    /// Verdicts without models.
    supports: Vec<Support>,
}

/// A model with what its comparison with others needs.
struct One {
    report: FittedModel,
    /// Scores of units; empty where there is none.
    scores: Vec<f64>,
    /// ln β of every draw.
    ln_beta: Vec<f64>,
    /// P(claim) per claim.
    claims: Vec<f64>,
    /// Nodes of some draws; empty where there are none.
    nodes: Vec<NodeList>,
    /// P(system failure), and the law at the best parameters.
    system: (Figure, Option<Mixture>),
}

impl One {
    fn system(&mut self) -> SystemOfModel {
        let (rate, mixture) = std::mem::take(&mut self.system);
        SystemOfModel {
            model: self.report.model.clone(),
            assumes: self.report.assumes.clone(),
            admissible: self.report.admissible,
            rate,
            mixture,
            draws: self.nodes.clone(),
        }
    }
}

impl Run<'_> {
    /// Fits, draws from, checks and scores one model. Only failures that lie in the model itself are caught.
    fn one(&self, choice: Choice, tell: &(dyn Fn(u64) + Sync)) -> Result<One> {
        let mut report = FittedModel {
            model: choice.name(),
            assumes: choice.model().assumes.to_owned(),
            failed: None,
            tail: None,
            admissible: false,
            beta: Figure::default(),
            estimates: Vec::new(),
            search: None,
            parameters: Vec::new(),
            chains: None,
            refits: None,
            checks: Vec::new(),
            held_out: None,
            no_score: None,
            psis: None,
            weight: None,
        };
        let attempt = if matches!(choice.model().kind, Kind::Empirical) {
            self.observed_patterns(&mut report)
        } else {
            self.by_likelihood(choice, &mut report, tell)
        };
        match attempt {
            Ok(Parts { scores, ln_beta, claims, nodes, system }) => Ok(One { report, scores, ln_beta, claims, nodes, system }),
            Err(Error::Fit { why, .. }) => {
                report.failed = Some(why.clone());
                report.beta = Figure::undefined(why.clone());
                let system = (Figure::undefined(why), None);
                Ok(One { report, scores: Vec::new(), ln_beta: Vec::new(), claims: Vec::new(), nodes: Vec::new(), system })
            }
            Err(e) => Err(e),
        }
    }

    fn by_likelihood(&self, choice: Choice, report: &mut FittedModel, tell: &(dyn Fn(u64) + Sync)) -> Result<Parts> {
        let c = &self.context;
        let fitted = c.fit(choice, tell)?;
        let best: Vec<&[f64]> = fitted.parts.iter().map(|p| p.optimum.at.as_slice()).collect();
        let (at_best, sets_at_best) = c.read(&fitted, &fitted.shares(), &best, Accuracy::REPORT, &mut Nodes::default());
        report.search = Some(self.search(&fitted, &at_best));
        let posterior = if c.draws_are_wanted() { Some(c.draw(&fitted, tell)?) } else { None };
        let (reads, sets): (Vec<Summary>, Vec<Vec<f64>>) = match &posterior {
            Some(draws) => c.read_draws(&fitted, draws).into_iter().unzip(),
            None => (vec![at_best.clone()], vec![sets_at_best]),
        };
        if let Some(draws) = &posterior {
            report.chains = Some(chains(&fitted, draws, &reads, c.plan));
        }
        let every = reads.len().div_ceil(CHECKED);
        let checked: Vec<Summary> = reads.iter().step_by(every).cloned().collect();
        let (tail, checks) = self.observed.compare(&checked);
        let converged = report.search.as_ref().is_some_and(|s| s.converged);
        report.admissible = tail.reproduced && converged && report.chains.as_ref().is_none_or(|c| c.mixed);
        report.tail = Some(tail);
        report.checks = checks;
        report.parameters = self.parameters(&fitted, posterior.as_deref());
        if let (Some(draws), true) = (&posterior, c.folds.len() > 1.0) {
            report.psis = Some(psis(c, &fitted, draws, every));
        }
        if self.options.priors == Priors::None || !self.sample.factors.is_empty() {
            report.refits = self.refits(&fitted, &reads);
        }
        self.estimates(report, &at_best, &reads, posterior.is_some());
        let scores = fitted.scores.clone();
        if c.folds.folds < 2 {
            report.no_score = Some("there is only one cluster".into());
        } else if scores.iter().all(|s| s.is_finite()) {
            let (score, standard_error) = c.folds.total(|u| scores[u]);
            report.held_out = Some(HeldOut { score, standard_error, behind: 0.0, behind_error: 0.0, rank: 0 });
        } else {
            report.no_score = Some("it gave probability 0 to outcomes that it had not seen".into());
        }
        let scores = if report.held_out.is_some() { scores } else { Vec::new() };
        let nodes = match &posterior {
            Some(draws) => {
                let numbers = numbers(c.nodes_at(&fitted, &best).len(), c.setting.layers);
                c.nodes_of(&fitted, draws, reads.len().div_ceil(thinned(reads.len(), numbers)))
            }
            None => vec![c.nodes_at(&fitted, &best)],
        };
        let parts: Vec<(f64, Mixture)> =
            fitted.parts.iter().map(|p| (p.share, mixture(p.family.as_ref(), &p.optimum.at, Accuracy::REPORT))).collect();
        let system = (self.system(&sets, posterior.is_some()), Some(Mixture::union(&parts)));
        Ok(Parts { scores, ln_beta: reads.iter().map(|r| r.ln_beta).collect(), claims: self.claimed(&sets), nodes, system })
    }

    /// P(system failure) over draws: it stands behind the sets.
    fn system(&self, sets: &[Vec<f64>], posterior: bool) -> Figure {
        if self.context.system.is_none() {
            return Figure::default();
        }
        let mut list: Vec<f64> = sets.iter().filter_map(|s| s.last()).map(|ln| ln.exp()).collect();
        let interval = if posterior { central(&mut list, self.options.level) } else { None };
        Figure::of(quantile(&mut list, 0.5), "").with(interval)
    }

    /// The observed patterns as a model.
    fn observed_patterns(&self, report: &mut FittedModel) -> Result<Parts> {
        let why = |why: &str| Error::Fit { model: report.model.clone(), why: why.to_owned() };
        if self.analysis.data.content.design.stops_early() {
            return Err(why("the pipeline stopped early, so complete trials are selected"));
        }
        let (own, list) = self.context.empirical(CHECKED).ok_or_else(|| why("no trial has an outcome for every layer"))?;
        let (reads, sets): (Vec<Summary>, Vec<Vec<f64>>) = list.into_iter().unzip();
        let (tail, checks) = self.observed.compare(&reads);
        report.admissible = tail.reproduced;
        report.tail = Some(tail);
        report.checks = checks;
        report.no_score = Some("it gives probability 0 to patterns that it has not seen".into());
        self.estimates(report, &own, &reads, true);
        if self.observed.joint_failures() <= 0.0 {
            report.admissible = false;
            report.beta = Figure::undefined("no joint failure was seen, and the observed patterns say nothing about unseen ones");
        }
        // For the same reason it has no say in claims.
        let patterns = self.context.patterns;
        let law = empirical(patterns).map(|(complete, mut nodes)| {
            let total: f64 = complete.iter().map(|&r| patterns.weight[r]).sum();
            complete.iter().enumerate().for_each(|(z, &r)| nodes.weight[z] = patterns.weight[r] / total);
            nodes.plain_logs();
            Mixture::from_nodes(&nodes)
        });
        Ok(Parts {
            scores: Vec::new(),
            ln_beta: reads.iter().map(|r| r.ln_beta).collect(),
            claims: Vec::new(),
            nodes: Vec::new(),
            system: (self.system(&sets, true), law),
        })
    }

    /// P(each claim) over draws.
    fn claimed(&self, sets: &[Vec<f64>]) -> Vec<f64> {
        let holds = |i: usize, at_most: f64| sets.iter().filter(|s| s[i] <= at_most.ln()).count() as f64 / sets.len() as f64;
        self.options.claims.iter().enumerate().map(|(i, c)| holds(i, c.at_most)).collect()
    }

    fn search(&self, fitted: &Fitted, at_best: &Summary) -> Search {
        let c = &self.context;
        let mut space = Workspace::default();
        let names = self.table.layers();
        let mut s = Search {
            parameters: fitted.parts.iter().map(|p| p.family.free()).sum(),
            ln_likelihood: fitted.parts.iter().map(|p| p.optimum.ln_likelihood).sum(),
            beta: at_best.ln_beta.exp(),
            converged: fitted.parts.iter().all(|p| p.optimum.converged()),
            slope: fitted.parts.iter().map(|p| p.optimum.slope).fold(0.0, f64::max),
            starts: fitted.parts.first().map_or(0, |p| p.optimum.starts),
            agreeing: fitted.parts.iter().map(|p| p.optimum.agreeing).min().unwrap_or(0),
            edges: Vec::new(),
            nodes: 0,
            nodes_doubled: 0,
            change_when_doubled: 0.0,
            classes_tried: fitted.tried.clone(),
        };
        for part in &fitted.parts {
            let weight = c.patterns.within(part.stratum, &c.patterns.weight);
            let target = Target { family: part.family.as_ref(), data: c.data, weight: &weight, prior: Prior::None, accuracy: Accuracy::REPORT };
            let once = target.likelihood(&part.optimum.at, Accuracy::REPORT, &mut space);
            let used = space.nodes.used;
            s.nodes += used;
            // With many layers the doubled sums would not fit into memory.
            if used * names.len() < MOST_DOUBLED {
                s.change_when_doubled += target.likelihood(&part.optimum.at, Accuracy::REPORT.doubled(), &mut space) - once;
            }
            s.nodes_doubled += space.nodes.used;
            let within = part.stratum.map_or_else(String::new, |i| format!("{}: ", self.stratum(i)));
            s.edges.extend(part.family.edges(&part.optimum.at, names, part.share).into_iter().map(|e| within.clone() + &e));
        }
        s
    }

    /// The levels of a combination of strata.
    fn stratum(&self, index: u32) -> String {
        let levels = &self.sample.strata[index as usize];
        let one = |(f, &l): (&crate::outcome::Factor, &u32)| format!("{}={}", f.name, f.levels[l as usize]);
        self.table.strata().iter().zip(levels).map(one).collect::<Vec<_>>().join(" ")
    }

    fn parameters(&self, fitted: &Fitted, draws: Option<&[Draws]>) -> Vec<Estimate> {
        let names = self.table.layers();
        let fixed = self.analysis.data.content.design.leaves_open();
        let mut out = Vec::new();
        for (p, part) in fitted.parts.iter().enumerate() {
            let within = part.stratum.map_or_else(String::new, |i| format!("{}: ", self.stratum(i)));
            let best = part.family.readings(&part.optimum.at, names);
            let lists: Vec<Vec<f64>> = draws
                .map(|d| d[p].all().map(|at| part.family.readings(at, names).into_iter().map(|r| r.value).collect()).collect())
                .unwrap_or_default();
            for (i, r) in best.into_iter().enumerate() {
                let mut own: Vec<f64> = lists.iter().map(|l| l[i]).collect();
                let interval = central(&mut own, self.options.level);
                out.push(Estimate {
                    what: within.clone() + &r.name,
                    figure: Figure::of(r.value, "it does not exist").with(interval),
                    assumption: fixed,
                });
            }
        }
        out
    }

    /// β from fits to clusters, or trials, drawn again.
    fn refits(&self, fitted: &Fitted, reads: &[Summary]) -> Option<Refits> {
        let c = &self.context;
        let many = self.options.refits;
        let mut ln_beta: Vec<f64> = pieces("refits", many, |r| {
            let weight = c.patterns.weights_from_rows(&self.units.row_weights(self.options.seed, r));
            let shares: Vec<f64> = fitted.parts.iter().map(|p| c.patterns.within(p.stratum, &weight).iter().sum()).collect();
            if shares.iter().sum::<f64>() <= 0.0 {
                // Crossed clusters that never meet: such a draw says nothing, and opens the interval.
                return f64::NAN;
            }
            let at: Vec<Vec<f64>> = fitted.parts.iter().map(|p| c.refit(p, &weight)).collect();
            c.read(fitted, &shares, &at.iter().map(Vec::as_slice).collect::<Vec<_>>(), Accuracy::DRAW, &mut Nodes::default()).0.ln_beta
        });
        let clusters = self.units.clusters_with_rows().into_iter().fold(f64::INFINITY, f64::min);
        let interval = percentile(&mut ln_beta, clusters, self.options.level)?;
        let width = |i: Interval| Some(i.high? - i.low?);
        let posterior = central(&mut reads.iter().map(|r| r.ln_beta).collect::<Vec<_>>(), self.options.level);
        let ratio = width(interval).zip(posterior.and_then(width)).map(|(a, b)| a / b).filter(|r| r.is_finite());
        let beta = Interval {
            low: Some(interval.low.map_or(0.0, f64::exp)),
            high: Some(interval.high.map_or(1.0, f64::exp)),
            method: IntervalMethod::Refits,
            ..interval
        };
        let warning = self.options.priors == Priors::Weak && ratio.is_none_or(|r| !(1.0 / 1.5..=1.5).contains(&r));
        Some(Refits { refits: many, beta, width_ratio: ratio, warning })
    }

    /// β and what follows from it, with what the data alone allow beside what they cannot test.
    fn estimates(&self, report: &mut FittedModel, best: &Summary, reads: &[Summary], posterior: bool) {
        let level = self.options.level;
        let k = best.marginals.len();
        let a = self.analysis;
        let fixed = a.data.content.design.leaves_open();
        let value = |of: &dyn Fn(&Summary) -> f64, why: &str| {
            let mut list: Vec<f64> = reads.iter().map(of).collect();
            let interval = if posterior { central(&mut list, level) } else { None };
            let middle = if posterior { quantile(&mut list, 0.5) } else { of(best) };
            Figure::of(middle, why).with(interval)
        };
        report.beta = value(&|s| s.ln_beta.exp(), "");
        if let (false, Some(r)) = (posterior, &report.refits) {
            report.beta.interval = Some(r.beta);
        }
        report.beta.identified = a.joint.content.beta.identified;
        let mut add = |what: String, mut figure: Figure, seen: &Figure| {
            figure.identified = seen.identified;
            // The data pin a value down where they leave only one, or where none of it is missing.
            let pinned = seen.identified.is_none_or(|r| r.low.is_some() && r.low == r.high) && seen.undefined.is_none();
            report.estimates.push(Estimate { what, figure, assumption: fixed && !pinned });
        };
        let never = "a layer never fails under it";
        let ln_product = |s: &Summary| s.marginals.iter().map(|p| p.ln()).sum::<f64>();
        add("independence gap".into(), value(&|s| (s.ln_beta - ln_product(s)).exp(), never), &a.joint.content.gap);
        let imperfect = |s: &Summary| s.marginals.iter().filter(|p| **p < 1.0).count() as f64;
        add("effective layers".into(), value(&|s| imperfect(s) * s.ln_beta / ln_product(s), never), &a.joint.content.effective_layers);
        for (i, l) in a.layers.content.iter().enumerate() {
            add(format!("rate of {}", l.layer), value(&|s| s.marginals[i], ""), &l.rate);
        }
        let curves: Vec<Vec<f64>> = reads.iter().map(Summary::curve).collect();
        for m in 2..k {
            let mut list: Vec<f64> = curves.iter().map(|c| c[m - 1]).collect();
            let interval = if posterior { central(&mut list, level) } else { None };
            let middle = if posterior { quantile(&mut list, 0.5) } else { best.curve()[m - 1] };
            add(format!("sets of {m} layers all fail"), Figure::of(middle, "").with(interval), &a.curve.content[m - 1].rate);
        }
    }

    /// Whether what a model says about these layers failing together is beyond the data.
    fn assumed(&self, layers: &[String]) -> bool {
        self.analysis.data.content.design.beyond(layers)
    }

    /// Ranks, stacking, spread, source and claims.
    fn together(&self, mut list: Vec<One>) -> Fit {
        let folds = self.context.folds;
        let scored: Vec<usize> = (0..list.len()).filter(|&i| !list[i].scores.is_empty()).collect();
        if let Some(&top) = scored.iter().max_by(|&&a, &&b| score(&list[a]).total_cmp(&score(&list[b]))) {
            let mut order = scored.clone();
            order.sort_by(|&a, &b| score(&list[b]).total_cmp(&score(&list[a])));
            for (place, &i) in order.iter().enumerate() {
                let (behind, behind_error) = folds.total(|u| list[top].scores[u] - list[i].scores[u]);
                if let Some(h) = &mut list[i].report.held_out {
                    (h.behind, h.behind_error, h.rank) = (behind, behind_error, place + 1);
                }
            }
            // Models that do not hold up have no part in the average.
            let sound: Vec<usize> = scored.iter().copied().filter(|&i| list[i].report.admissible).collect();
            if !sound.is_empty() {
                let weights = stack(folds, &sound.iter().map(|&i| list[i].scores.clone()).collect::<Vec<_>>());
                sound.iter().zip(weights).for_each(|(&i, w)| list[i].report.weight = Some(w));
            }
        }
        let stacked = stacked(&list, self.options.level);
        let admissible: Vec<&FittedModel> = list.iter().map(|o| &o.report).filter(|r| r.admissible && r.search.is_some()).collect();
        let best = admissible.iter().filter_map(|r| Some((r.held_out.as_ref()?.rank, r.model.clone()))).min().map(|b| b.1);
        let by_beta = |r: &&&FittedModel| (r.beta.value.unwrap_or(f64::NAN), r.model.clone());
        let values: Vec<(f64, String)> = admissible.iter().map(|r| by_beta(&r)).filter(|v| v.0.is_finite()).collect();
        let least = values.iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let most = values.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let spread = least.zip(most).map(|(l, h)| Spread { low: l.0, low_model: l.1.clone(), high: h.0, high_model: h.1.clone() });
        let (unit, units, with) = match &self.context.patterns.clusters {
            Clusters::None => ("trial".to_owned(), self.context.patterns.trials(), self.observed.joint_failures()),
            Clusters::Of { factor, .. } => {
                let c = &self.analysis.joint.content.clusters[*factor];
                (c.column.clone(), c.clusters, c.with_joint_failure)
            }
        };
        let source = if with <= 0.0 {
            Source::Model
        } else if with < crate::interval::ENOUGH_CLUSTERS as f64 {
            Source::FewFailures
        } else {
            Source::Data
        };
        let mut supports = self.supports.clone();
        for (i, s) in supports.iter_mut().enumerate() {
            let assumption = self.assumed(&s.claim.layers);
            s.models = list
                .iter()
                .filter(|o| !o.claims.is_empty() && self.options.priors == Priors::Weak)
                .map(|o| ModelSupport { model: o.report.model.clone(), probability: o.claims[i], admissible: o.report.admissible, assumption })
                .collect();
        }
        let not_identified = self.analysis.data.content.design.leaves_open().then(|| {
            "not identified: later layers were only asked when the earlier ones had failed, so what a model says about them alone is an assumption that the data cannot test"
                .to_owned()
        });
        Fit {
            assumption_free: self.analysis.joint.content.beta.clone(),
            trials: self.context.patterns.trials(),
            unit,
            units,
            units_with_joint_failure: with,
            folds: folds.folds,
            not_identified,
            models: list.into_iter().map(|o| o.report).collect(),
            best,
            stacked,
            spread,
            source,
            claims: supports,
        }
    }
}

/// What one model gives beside its report, as [`One`] has it.
struct Parts {
    scores: Vec<f64>,
    ln_beta: Vec<f64>,
    claims: Vec<f64>,
    nodes: Vec<NodeList>,
    system: (Figure, Option<Mixture>),
}

fn score(o: &One) -> f64 {
    o.report.held_out.as_ref().map_or(f64::NEG_INFINITY, |h| h.score)
}

/// The posterior of β averaged over models by their weights.
fn stacked(list: &[One], level: f64) -> Option<Figure> {
    let mut draws: Vec<(f64, f64)> = Vec::new();
    for o in list {
        let Some(w) = o.report.weight.filter(|w| *w > 1e-4) else { continue };
        draws.extend(o.ln_beta.iter().map(|l| (*l, w / o.ln_beta.len() as f64)));
    }
    if draws.len() < 100 {
        return None;
    }
    draws.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = draws.iter().map(|d| d.1).sum();
    let at = |p: f64| {
        let mut left = p * total;
        draws
            .iter()
            .find(|d| {
                left -= d.1;
                left <= 0.0
            })
            .map_or(f64::NAN, |d| d.0.exp())
    };
    let tail = 0.5 * (1.0 - level);
    Some(Figure::of(at(0.5), "").with(Interval::new(at(tail), at(1.0 - tail), level, IntervalMethod::Posterior)))
}

/// Leave-one-unit-out over draws `every` apart.
fn psis(c: &Context<'_>, fitted: &Fitted, draws: &[Draws], every: usize) -> Psis {
    let rows = c.ln_pattern_draws(fitted, draws, every);
    let groups = c.patterns.groups();
    let left: Vec<(f64, f64, f64)> = groups
        .par_iter()
        .map(|(members, alike)| {
            let ln: Vec<f64> = rows.iter().map(|row| members.iter().map(|&(r, w)| w * row[r as usize]).sum()).collect();
            let out = leave_out(&ln);
            (out.ln_score, out.pareto_k, *alike)
        })
        .collect();
    let n: f64 = left.iter().map(|l| l.2).sum();
    let elpd: f64 = left.iter().map(|l| l.2 * l.0).sum();
    let square: f64 = left.iter().map(|l| l.2 * (l.0 - elpd / n).powi(2)).sum();
    let largest_k = left.iter().map(|l| l.1).filter(|k| k.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    Psis {
        elpd,
        standard_error: if n > 1.0 { (n * square / (n - 1.0)).sqrt() } else { 0.0 },
        largest_k: if largest_k.is_finite() { largest_k } else { 0.0 },
        above: left.iter().filter(|l| l.1 > 0.7).map(|l| l.2).sum(),
    }
}

/// Diagnostics over what does not depend on signs and labels, and over the aligned parameters.
fn chains(fitted: &Fitted, draws: &[Draws], reads: &[Summary], plan: Plan) -> Chains {
    let split = |of: &(dyn Fn(&Summary) -> f64 + Sync)| -> Vec<Vec<f64>> { reads.chunks(plan.draws).map(|c| c.iter().map(of).collect()).collect() };
    let (k, pairs) = (reads[0].marginals.len(), reads[0].pairs.len());
    let list: Vec<crate::diagnostics::Mixing> = (0..1 + k + pairs)
        .into_par_iter()
        .map(|q| {
            mixing(&match q {
                0 => split(&|s| s.ln_beta),
                q if q <= k => split(&|s| s.marginals[q - 1]),
                q => split(&|s| s.pairs[q - 1 - k]),
            })
        })
        .collect();
    let r_hat = list.iter().map(|m| m.r_hat).fold(1.0, f64::max);
    let least = |of: fn(&crate::diagnostics::Mixing) -> f64| list.iter().map(of).fold(f64::INFINITY, f64::min);
    let (ess_bulk, ess_tail) = (least(|m| m.ess_bulk), least(|m| m.ess_tail));
    let parameters = |(part, d): (&crate::fitted::Part, &Draws)| {
        (0..part.optimum.at.len())
            .into_par_iter()
            .map(|j| mixing(&d.chains.iter().map(|c| c.iter().map(|at| at[j]).collect()).collect::<Vec<Vec<f64>>>()).r_hat)
            .reduce(|| 1.0, f64::max)
    };
    let finite = |x: f64| if x.is_finite() { x } else { f64::MAX };
    Chains {
        chains: plan.chains,
        draws: plan.draws,
        r_hat: finite(r_hat),
        ess_bulk,
        ess_tail,
        r_hat_parameters: finite(fitted.parts.iter().zip(draws).map(parameters).fold(1.0, f64::max)),
        divergences: draws.iter().map(|d| d.divergences).sum(),
        e_bfmi: draws.iter().flat_map(|d| &d.energy).map(|e| e_bfmi(e)).fold(f64::INFINITY, f64::min),
        mixed: r_hat < 1.01 && ess_bulk > 400.0 && ess_tail > 400.0,
    }
}

/// The p-quantile of a list, interpolated.
pub(crate) fn quantile(list: &mut [f64], p: f64) -> f64 {
    list.sort_by(f64::total_cmp);
    let at = p * (list.len() as f64 - 1.0);
    let (low, high) = (list[at.floor() as usize], list[at.ceil() as usize]);
    // Equal ends stay themselves, infinite ones too.
    if low.to_bits() == high.to_bits() { low } else { low + (high - low) * at.fract() }
}

/// Central quantiles; `None` for fewer than two values.
pub(crate) fn central(list: &mut [f64], level: f64) -> Option<Interval> {
    if list.len() < 2 {
        return None;
    }
    let tail = 0.5 * (1.0 - level);
    Interval::new(quantile(list, tail), quantile(list, 1.0 - tail), level, IntervalMethod::Posterior)
}
