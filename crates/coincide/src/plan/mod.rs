//! Where to spend the next tests, and what they can show.
//!
//! * New trials go to the strata where they narrow β most: n_s ∝ W_s·sqrt(E\[β_s(1 − β_s)\]/c_s), trials that exist counted in (the file `allocate.rs` says how).
//! * An action (more trials of a stratum, a layer run where it was not, a person's second look at verdicts) is judged by the expected fall of Var ln β ≈ Var β/β², one step ahead, per
//!   unit of cost.
//! * A claim is judged by the exact one-sided limit after as many trials as the budget buys in proportion to the shares; the chance that they support it is the predictive
//!   probability under the Beta posterior.
//!
//! Everything is worked out exactly: no random numbers.

mod allocate;
mod claim;
#[cfg(test)]
mod tests;

use crate::causes::Grouping;
use crate::claims::{Claim, set_of};
use crate::design::{Design, detect};
use crate::error::{Error, Result};
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::layers::{LayerSet, is_subset, ones};
use crate::outcome::{JointOutcomes, Label};
use crate::sample::Sample;
use allocate::{Seen, Stand, beliefs, cost, ends, factor, mean_cost, proportional_for, schedule, variance};
pub use claim::ClaimPlan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Actions that a plan lists.
const MOST_ACTIONS: usize = 200;
/// Batches that a plan has.
const MOST_BATCHES: usize = 100;
/// Trials that a budget buys, at most.
const MOST_TRIALS: f64 = 1e12;

/// What to plan for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanOptions {
    /// The claim to work towards. The plan is about its layers; about all layers without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What can be spent, in the unit of the costs.
    pub budget: f64,
    /// Stratum columns that trials can be chosen by, crossed where there are several; the table's first where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<String>,
    /// Share of each stratum in operation, scaled to sum to 1; strata that are not named get none. The shares in the table where this is empty. Levels of crossed columns are joined by ` / `.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, f64>,
    /// Cost of a trial, all layers run.
    pub cost: f64,
    /// Cost of a trial of some strata, where it differs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub costs: BTreeMap<String, f64>,
    /// Cost of running one layer on one trial that exists, by layer; the trial's cost over the number of layers where a layer is not named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub layer_costs: BTreeMap<String, f64>,
    /// Cost of one joint failure checked by a person; checks are no action without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_cost: Option<f64>,
    /// What is believed about the share of joint failures that are genuine, as so many genuine and so many false ones seen: Beta(genuine, false).
    pub genuine: [f64; 2],
    /// New trials that every stratum gets, at least.
    pub floor: usize,
    /// Batches that the budget is spent in.
    pub batches: usize,
    /// Level of intervals; the analysis's.
    #[serde(skip)]
    pub level: f64,
    /// The order in which a pipeline asked the layers, where it is known and it stopped early; the analysis's.
    #[serde(skip)]
    pub order: Option<Vec<String>>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions {
            claim: None,
            budget: 1000.0,
            strata: Vec::new(),
            shares: BTreeMap::new(),
            cost: 1.0,
            costs: BTreeMap::new(),
            layer_costs: BTreeMap::new(),
            check_cost: None,
            genuine: [9.0, 1.0],
            floor: 20,
            batches: 4,
            level: 0.95,
            order: None,
        }
    }
}

impl PlanOptions {
    fn check(&self) -> Result<()> {
        let positive = |what: &'static str, got: f64| {
            if got > 0.0 && got.is_finite() { Ok(()) } else { Err(Error::OutOfRange { what, expected: "above 0", got }) }
        };
        positive("the budget", self.budget)?;
        positive("the cost of a trial", self.cost)?;
        self.costs.values().try_for_each(|c| positive("the cost of a trial", *c))?;
        self.layer_costs.values().try_for_each(|c| positive("the cost of a layer", *c))?;
        self.check_cost.map_or(Ok(()), |c| positive("the cost of a check", c))?;
        self.genuine.iter().try_for_each(|c| positive("what is believed about genuine joint failures", *c))?;
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::OutOfRange { what: "the level", expected: "above 0 and below 1", got: self.level });
        }
        if !(1..=MOST_BATCHES).contains(&self.batches) {
            return Err(Error::OutOfRange { what: "the number of batches", expected: "1 to 100", got: self.batches as f64 });
        }
        let least = self.costs.values().copied().fold(self.cost, f64::min);
        if self.budget / least > MOST_TRIALS {
            return Err(Error::OutOfRange { what: "the number of trials that the budget buys", expected: "at most 1e12", got: self.budget / least });
        }
        Ok(())
    }
}

/// Where to spend a budget of tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The layers whose joint failure the plan is about.
    pub layers: Vec<String>,
    /// The columns that the strata come from; empty where all attacks are one stratum.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub columns: Vec<String>,
    /// What could be spent.
    pub budget: f64,
    /// What the new trials cost.
    pub spent: f64,
    /// New trials.
    pub new_trials: u64,
    /// New trials of each batch.
    pub batches: Vec<u64>,
    /// The strata, with their new trials.
    pub strata: Vec<PlannedStratum>,
    /// β = Σ W_s β_s as the plan takes it to be: rates of strata drawn towards each other as far as they are alike, and so never 0. With the interval that new trials narrow.
    pub beta: Figure,
    /// Var ln β ≈ Var β/β² of the stratified estimate now: what actions reduce.
    pub variance: f64,
    /// Var ln of the share of joint failures that are genuine, as believed; present where checks have a cost. It stands beside the variance of ln β.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict_variance: Option<f64>,
    /// Independent trials that a trial is worth: below 1 where trials come in clusters or differ in weight.
    pub trial_worth: f64,
    /// The factor by which β may lie off either way now: the square root of the upper over the lower end of its interval.
    pub interval_factor_now: Figure,
    /// The factor to be expected after the plan.
    pub interval_factor_planned: Figure,
    /// The factor to be expected after the same money spent in proportion to the shares.
    pub interval_factor_proportional: Figure,
    /// What it would cost to narrow the interval as much by trials in proportion to the shares.
    pub proportional_cost: Figure,
    /// What can be done next, each as far as one batch's money goes: most reduction per unit of cost first.
    pub actions: Vec<PlannedAction>,
    /// What the budget can show about the claim.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claim: Option<ClaimPlan>,
    /// What has to be known about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// One stratum of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStratum {
    /// Its level; levels of several columns joined by ` / `.
    pub name: String,
    /// W_s: its share of operation.
    pub share: f64,
    /// Cost of a trial.
    pub cost: f64,
    /// Attack trials so far that say whether all layers failed.
    pub trials: f64,
    /// Of these, trials on which all layers failed.
    pub joint_failures: f64,
    /// Attack trials so far on which it is open whether all layers failed.
    pub open: f64,
    /// β_s as the plan takes it to be.
    pub beta: f64,
    /// New trials.
    pub new_trials: u64,
    /// New trials in each batch.
    pub batches: Vec<u64>,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// More trials of a stratum, every layer run.
    NewTrials,
    /// Layers run on trials where they were not, and where all others failed.
    RunLayers,
    /// Joint failures checked by a person.
    CheckVerdicts,
}

/// Something to do, and what it is expected to bring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedAction {
    /// What to do.
    pub kind: ActionKind,
    /// In which stratum; absent for checks, and where there are no strata.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stratum: Option<String>,
    /// The layers to run, where not all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub layers: Vec<String>,
    /// How many trials.
    pub many: u64,
    /// What that costs.
    pub cost: f64,
    /// Expected reduction of Var ln β.
    pub reduction: f64,
    /// The same per unit of cost.
    pub per_cost: f64,
}

/// Where to spend a budget of tests, and what they can be expected to show. To plan again after a batch, call it with the grown table, the rest of the budget, and the shares of operation: the table's own
/// are no longer those once trials were planned.
///
/// The interval is that of the stratified estimate, with E\[β_s(1 − β_s)\] under a Beta prior that the strata share; trials that came in clusters count as so many independent ones.
///
/// Fails with [`Error::NoTrials`] without attacks; on columns, levels and layers that there are not; on numbers out of their range; and where a pipeline stopped early and β of the claim's layers is beyond
/// its outcomes.
///
/// ```
/// use coincide::{Columns, Outcome::{Failed, Held}, PlanOptions, TableBuilder, TrialRow, plan};
/// let columns = Columns { layers: vec!["filter".into(), "judge".into()], strata: vec!["family".into()], ..Columns::default() };
/// let mut b = TableBuilder::new(columns)?;
/// // Common attacks are nearly always stopped; rare ones are not.
/// for (family, outcomes, n) in [("common", [Failed, Failed], 2), ("common", [Held, Held], 898), ("rare", [Failed, Failed], 20), ("rare", [Held, Failed], 80)] {
///     (0..n).for_each(|_| b.add(&TrialRow { outcomes: &outcomes, strata: &[family], ..TrialRow::default() }));
/// }
/// let p = plan(&b.finish(), &PlanOptions { budget: 2000.0, ..PlanOptions::default() })?;
/// assert_eq!(p.new_trials, 2000);
/// // A tenth of the attacks, and most of the next trials.
/// assert!(p.strata[1].name == "rare" && p.strata[1].new_trials > 1000);
/// assert!(p.interval_factor_planned.value < p.interval_factor_proportional.value);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn plan(table: &JointOutcomes, options: &PlanOptions) -> Result<Plan> {
    options.check()?;
    let case = Case::new(table, options)?;
    let money = options.budget;
    let (stands, beta) = (&case.stands, case.beta);
    let batches = schedule(stands, options.floor, money, options.batches);
    let totals: Vec<f64> = (0..stands.len()).map(|s| batches.iter().map(|b| b[s]).sum()).collect();
    let now = variance(stands, |_| 0.0);
    let planned = variance(stands, |s| totals[s]);
    let in_proportion = money / mean_cost(stands);
    let proportional = variance(stands, |s| in_proportion * stands[s].share);
    let seen = case.groups.iter().filter(|g| g.share > 0.0).map(|g| g.failed).sum::<f64>() > 0.0;
    let off = |v: f64| {
        let f = if seen { factor(beta, v, options.level) } else { None };
        f.map_or_else(
            || Figure::undefined("no joint failure was seen yet, so β has an upper limit and no lower one"),
            |f| Figure::of(f, "not finite"),
        )
    };
    let equal = proportional_for(stands, planned).map(|m| m * mean_cost(stands));
    let interval = ends(beta, now, options.level).and_then(|(l, h)| Interval::new(l, h, options.level, IntervalMethod::Posterior));
    let strata = case.groups.iter().enumerate().map(|(s, g)| PlannedStratum {
        name: g.name.clone(),
        share: g.share,
        cost: stands[s].cost,
        trials: g.trials,
        joint_failures: g.failed,
        open: g.open,
        beta: g.beta,
        new_trials: totals[s] as u64,
        batches: batches.iter().map(|b| b[s] as u64).collect(),
    });
    let mut actions = case.actions();
    let claim = options.claim.as_ref().map(|c| claim::claim_plan(&case, c)).transpose()?;
    let notes = case.notes(&actions, &totals, in_proportion);
    actions.truncate(MOST_ACTIONS);
    Ok(Plan {
        layers: case.set.iter().map(|i| table.layers()[i].clone()).collect(),
        columns: case.columns.clone(),
        budget: money,
        spent: cost(stands, &totals),
        new_trials: totals.iter().sum::<f64>() as u64,
        batches: batches.iter().map(|b| b.iter().sum::<f64>() as u64).collect(),
        strata: strata.collect(),
        beta: Figure::of(beta, "no trial").with(interval),
        variance: now / (beta * beta),
        verdict_variance: options.check_cost.map(|_| verdict_variance(options.genuine)),
        trial_worth: case.worth,
        interval_factor_now: off(now),
        interval_factor_planned: off(planned),
        interval_factor_proportional: off(proportional),
        proportional_cost: equal.map_or_else(|| Figure::undefined("no number of trials in proportion does that"), |c| Figure::of(c, "not finite")),
        actions,
        claim,
        notes,
    })
}

/// Var ln g ≈ Var g/E\[g\]² of a share g believed to be Beta(genuine, false).
fn verdict_variance([genuine, wrong]: [f64; 2]) -> f64 {
    wrong / (genuine * (genuine + wrong + 1.0))
}

/// What one stratum has shown.
#[derive(Debug, Clone, Default)]
struct Group {
    name: String,
    share: f64,
    /// Σw of its attacks.
    weight: f64,
    /// Trials that say whether all layers failed, and their Σw.
    trials: f64,
    counted: f64,
    /// Joint failures, and their Σw.
    failed: f64,
    failed_weight: f64,
    open: f64,
    beta: f64,
}

/// Trials on which the same layers are missing.
#[derive(Debug, Clone, Copy, Default)]
struct Incomplete {
    /// Some other layer held.
    held: f64,
    /// All others failed.
    open: f64,
}

/// A table, read for a plan.
struct Case<'a> {
    table: &'a JointOutcomes,
    options: &'a PlanOptions,
    sample: Sample,
    set: LayerSet,
    columns: Vec<String>,
    stops_early: bool,
    /// Stratum of each combination of strata.
    of: Vec<usize>,
    groups: Vec<Group>,
    /// By stratum and missing layers.
    incomplete: BTreeMap<(usize, Vec<u64>), Incomplete>,
    worth: f64,
    stands: Vec<Stand>,
    beta: f64,
}

impl<'a> Case<'a> {
    fn new(table: &'a JointOutcomes, options: &'a PlanOptions) -> Result<Self> {
        let sample = Sample::new(table, |c| c.label() == Label::Attack);
        if sample.len() == 0 {
            return Err(Error::NoTrials);
        }
        let named: &[String] = options.claim.as_ref().map_or(&[][..], |c| c.layers.as_slice());
        let set = set_of(table, named)?;
        let design = detect(table, options.order.as_deref())?;
        let part = set.len() < table.layers().len();
        if design.beyond(named) || part && matches!(design, Design::RandomOrder { .. }) {
            let why = "later layers were not asked once an earlier one had held, so trials like these do not say how often the claim's layers fail together";
            return Err(Error::Stated(why.into()));
        }
        let stops_early = design.stops_early();
        let at: Vec<usize> = if options.strata.is_empty() {
            (0..table.strata().len().min(1)).collect()
        } else {
            options.strata.iter().map(|name| column(table, name)).collect::<Result<_>>()?
        };
        let grouping = Grouping::new(&sample.strata, &at);
        let name = |example: usize| {
            let levels: Vec<&str> = at.iter().map(|&c| table.strata()[c].levels[sample.strata[example][c] as usize].as_str()).collect();
            if levels.is_empty() { "all attacks".to_owned() } else { levels.join(" / ") }
        };
        let mut groups: Vec<Group> = grouping.example.iter().map(|&e| Group { name: name(e), ..Group::default() }).collect();
        let mut incomplete: BTreeMap<(usize, Vec<u64>), Incomplete> = BTreeMap::new();
        for r in 0..sample.len() {
            let s = grouping.of[sample.stratum[r] as usize];
            let (g, n, w) = (&mut groups[s], sample.n[r], sample.w[r]);
            g.weight += w;
            let outcome = sample.all_failed(r, set.words());
            if outcome.is_none() {
                g.open += n;
            }
            if counts(&sample, r, &set, stops_early) {
                g.trials += n;
                g.counted += w;
                if outcome == Some(true) {
                    g.failed += n;
                    g.failed_weight += w;
                }
            } else {
                let missing: Vec<u64> = set.words().iter().zip(sample.observed(r)).map(|(s, o)| s & !o).collect();
                let cell = incomplete.entry((s, missing)).or_default();
                if outcome.is_none() { cell.open += n } else { cell.held += n }
            }
        }
        let names: Vec<&str> = groups.iter().map(|g| g.name.as_str()).collect();
        let weights: Vec<f64> = groups.iter().map(|g| g.weight).collect();
        let shares = shares(&names, &weights, &options.shares)?;
        known(&names, options.costs.keys(), "the costs")?;
        options.layer_costs.keys().try_for_each(|l| table.layer(l).map(drop))?;
        groups.iter_mut().zip(&shares).for_each(|(g, s)| g.share = *s);
        let worth = worth(&sample, &grouping, &groups, &set, stops_early);
        let seen: Vec<Seen> = groups
            .iter()
            .map(|g| {
                let trials = worth * g.trials;
                let rate = if g.counted > 0.0 { (g.failed_weight / g.counted).clamp(0.0, 1.0) } else { 0.0 };
                Seen { failed: trials * rate, trials }
            })
            .collect();
        let beliefs = beliefs(&seen);
        let stands: Vec<Stand> = groups
            .iter()
            .zip(&seen)
            .zip(&beliefs)
            .map(|((g, s), b)| Stand {
                share: g.share,
                value: g.share * g.share * b.noise() / worth,
                // The prior is worth one independent trial.
                so_far: (s.trials + 1.0) / worth,
                cost: options.costs.get(&g.name).copied().unwrap_or(options.cost),
            })
            .collect();
        groups.iter_mut().zip(&beliefs).for_each(|(g, b)| g.beta = b.mean());
        let beta = groups.iter().map(|g| g.share * g.beta).sum();
        let columns = at.iter().map(|&c| table.strata()[c].name.clone()).collect();
        Ok(Case { table, options, sample, set, columns, stops_early, of: grouping.of, groups, incomplete, worth, stands, beta })
    }

    /// Money of one batch.
    fn batch(&self) -> f64 {
        self.options.budget / self.options.batches as f64
    }

    /// How many of something one batch pays for, at most `most`; as many as the whole budget does where a batch pays for none.
    fn affordable(&self, each: f64, most: f64) -> f64 {
        let one = (self.batch() / each * (1.0 + 1e-12)).floor().min(most);
        if one >= 1.0 { one } else { (self.options.budget / each * (1.0 + 1e-12)).floor().min(most) }
    }

    /// The stratum's name, where there are strata.
    fn place(&self, s: usize) -> Option<String> {
        (!self.columns.is_empty()).then(|| self.groups[s].name.clone())
    }

    /// Fall of Var ln β by so many more trials of a stratum.
    fn fall(&self, s: usize, trials: f64) -> f64 {
        let p = &self.stands[s];
        p.value * trials / (p.so_far * (p.so_far + trials)) / (self.beta * self.beta)
    }

    /// Everything that can be done, best first.
    fn actions(&self) -> Vec<PlannedAction> {
        let mut out = Vec::new();
        let mut add = |kind: ActionKind, stratum: Option<String>, layers: Vec<String>, many: f64, each: f64, reduction: f64| {
            if many >= 1.0 && reduction.is_finite() {
                let cost = many * each;
                out.push(PlannedAction { kind, stratum, layers, many: many as u64, cost, reduction, per_cost: reduction / cost });
            }
        };
        for (s, p) in self.stands.iter().enumerate().filter(|(_, p)| p.value > 0.0) {
            let many = self.affordable(p.cost, f64::INFINITY);
            add(ActionKind::NewTrials, self.place(s), Vec::new(), many, p.cost, self.fall(s, many));
        }
        let names = self.table.layers();
        for ((s, missing), cell) in self.incomplete.iter().filter(|((s, _), c)| c.open >= 1.0 && self.stands[*s].value > 0.0) {
            let layers: Vec<String> = ones(missing).map(|i| names[i].clone()).collect();
            let usual = self.stands[*s].cost / names.len() as f64;
            let each: f64 = layers.iter().map(|l| self.options.layer_costs.get(l).copied().unwrap_or(usual)).sum();
            let many = self.affordable(each, cell.open.floor());
            // With the open ones, those on which another layer held become a whole sample again: one open trial stands for several.
            let stands_for = many * (cell.open + cell.held) / cell.open;
            add(ActionKind::RunLayers, self.place(*s), layers, many, each, self.fall(*s, stands_for));
        }
        if let Some(each) = self.options.check_cost {
            let all: f64 = self.groups.iter().map(|g| g.failed).sum();
            let many = self.affordable(each, all.floor());
            let [genuine, wrong] = self.options.genuine;
            add(ActionKind::CheckVerdicts, None, Vec::new(), many, each, verdict_variance(self.options.genuine) * many / (genuine + wrong + many));
        }
        out.sort_by(|a, b| {
            let key = |x: &PlannedAction| (x.kind, x.stratum.clone(), x.layers.clone());
            b.per_cost.total_cmp(&a.per_cost).then_with(|| key(a).cmp(&key(b)))
        });
        out
    }

    fn notes(&self, actions: &[PlannedAction], totals: &[f64], in_proportion: f64) -> Vec<String> {
        let mut out = Vec::new();
        if self.options.batches > 1 {
            out.push(
                "Later batches are only foreseen: after each batch, plan again from the grown table with what is left of the budget.".to_owned(),
            );
        }
        let differs = |(s, m): (usize, &f64)| (m - in_proportion * self.stands[s].share).abs() > 1.0 + 0.01 * m;
        if self.stands.len() > 1 && totals.iter().enumerate().any(differs) {
            let why = "Trials that are planned this way are not in proportion to operation: from then on state the shares, and weigh the strata by them wherever β is estimated.";
            out.push(why.to_owned());
        }
        let needed: f64 = self.stands.iter().filter(|p| p.value > 0.0).map(|p| p.cost * self.options.floor as f64).sum();
        if needed > self.options.budget {
            out.push(format!("The budget does not pay for {} new trials in every stratum.", self.options.floor));
        }
        let open: f64 = self.groups.iter().map(|g| g.open).sum();
        if open > 0.0 {
            let stopped = if self.stops_early { "; they are among those that nothing had stopped, so β may be higher than it looks" } else { "" };
            out.push(format!("On {open:.0} attacks it is open whether all layers failed; the plan leaves them out{stopped}."));
        }
        if self.worth < 0.999 {
            let why = "Trials come in clusters or with weights: a new one is taken to be worth as much as those that there are";
            out.push(format!("{why}, {:.2} independent trials.", self.worth));
        }
        if self.groups.iter().all(|g| g.failed <= 0.0) {
            let why = "No joint failure was seen, so nothing says where they are; the plan spreads trials nearly as operation does.";
            out.push(why.to_owned());
        }
        if let Some(first) = actions.first().filter(|a| a.kind != ActionKind::NewTrials) {
            let what = match first.kind {
                ActionKind::CheckVerdicts => "Checking joint failures by hand".to_owned(),
                _ => format!("Running {} where all other layers failed", first.layers.join(", ")),
            };
            out.push(format!("{what} brings more per unit of cost than any new trial: do it first."));
        }
        if actions.len() > MOST_ACTIONS {
            out.push(format!("Of {} actions the {MOST_ACTIONS} best are listed.", actions.len()));
        }
        out
    }
}

/// The index of a stratum column.
fn column(table: &JointOutcomes, name: &str) -> Result<usize> {
    table.strata().iter().position(|f| f.name == name).ok_or_else(|| {
        let there: Vec<&str> = table.strata().iter().map(|f| f.name.as_str()).collect();
        let known = if there.is_empty() { "the table has none".to_owned() } else { format!("the columns are {}", there.join(", ")) };
        Error::Stated(format!("there is no stratum column `{name}`; {known}"))
    })
}

/// Fails when a stratum is named that there is not.
fn known<'k>(names: &[&str], mut asked: impl Iterator<Item = &'k String>, what: &str) -> Result<()> {
    match asked.find(|k| !names.contains(&k.as_str())) {
        Some(wrong) => {
            Err(Error::Stated(format!("{what} name a stratum `{wrong}`, of which there is no attack; the strata are {}", names.join(", "))))
        }
        None => Ok(()),
    }
}

/// W_s: what was stated, or Σw of the table, scaled to sum to 1.
fn shares(names: &[&str], weights: &[f64], stated: &BTreeMap<String, f64>) -> Result<Vec<f64>> {
    known(names, stated.keys(), "the shares")?;
    if let Some(&got) = stated.values().find(|x| !(**x >= 0.0 && x.is_finite())) {
        return Err(Error::OutOfRange { what: "the share of a stratum", expected: "at least 0", got });
    }
    let raw: Vec<f64> = if stated.is_empty() { weights.to_vec() } else { names.iter().map(|n| stated.get(*n).copied().unwrap_or(0.0)).collect() };
    let total: f64 = raw.iter().sum();
    if total <= 0.0 {
        return Err(Error::Stated("the shares of the strata are all 0".into()));
    }
    Ok(raw.iter().map(|x| x / total).collect())
}

/// Whether a row says whether all of the set failed, without being selected for it: where a pipeline stops early every row that is decided, else the rows on which the whole set was run.
fn counts(sample: &Sample, row: usize, set: &LayerSet, stops_early: bool) -> bool {
    if stops_early { sample.all_failed(row, set.words()).is_some() } else { is_subset(set.words(), sample.observed(row)) }
}

/// Independent trials that one trial is worth: the variance that β would have without clusters and weights over the one that it has, within strata; where no stratum shows both outcomes, that
/// of equal clusters.
fn worth(sample: &Sample, grouping: &Grouping, groups: &[Group], set: &LayerSet, stops_early: bool) -> f64 {
    if sample.independent() {
        return 1.0;
    }
    let (mut simple, mut real, mut effective, mut trials) = (0.0, 0.0, 0.0, 0.0);
    for (s, g) in groups.iter().enumerate().filter(|(_, g)| g.trials > 0.0) {
        let own = sample.subset(|r| grouping.of[sample.stratum[r] as usize] == s && counts(sample, r, set, stops_early));
        let p = own.proportion(|r| Some(own.all_failed(r, set.words()) == Some(true)));
        let (rate, size) = (p.estimate(), p.effective_trials());
        let noise = g.share * g.share * rate * (1.0 - rate);
        if noise > 0.0 && size > 0.0 {
            simple += noise / p.trials;
            real += noise / size;
        }
        effective += size;
        trials += p.trials;
    }
    let ratio = if real > 0.0 { simple / real } else { effective / trials };
    if ratio.is_finite() { ratio.clamp(1e-6, 1.0) } else { 1.0 }
}
