//! Claims as an argument: bounds judged by evidence, combined into larger claims, with what each rests on and what would defeat it.
//!
//! A *bound* is judged by outcomes (§4.3 of the method: one-sided limits, no model) or by a map's numbers (probability over their draws). A *combination* is `all`
//! (every part must hold), `any` (one suffices) or `converging` (each part is a line of evidence for the same thing). Confidences are combined by Bonferroni,
//! 1 − Σ(1 − c), unless independence is stated; a product is then an assumption that the result names. Nothing is multiplied silently.

use crate::claims::{Claim, Judged, Support, Verdict, judge, one_sided_options, verdict};
use crate::error::{Error, Result};
use crate::figure::Interval;
use crate::outcome::JointOutcomes;
use crate::sample::ExactInterval;
use crate::scenario::{Scenario, World};
use crate::structure::Structure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How parts make a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// Every part must hold.
    All,
    /// One part suffices.
    Any,
    /// Each part is a line of evidence for the same claim.
    Converging,
}

/// What is known about the parts' errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// Nothing: bounds that hold whatever it is.
    #[default]
    Unknown,
    /// They are independent: an assumption, and marked as one.
    Independent,
    /// They rest on the same evidence: together they are wrong or right.
    SameEvidence,
}

/// Where the evidence for a bound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimKind {
    /// Recorded outcomes.
    Outcomes,
    /// The failure-mode map with its numbers.
    Map,
}

/// What is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// The rate at which these layers all fail; every layer where none is named.
    Beta(Vec<String>),
    /// The rate of system failures.
    System,
}

/// A claim as it is written down: either a bound or a combination of others.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimStatement {
    /// Name.
    pub name: String,
    /// The claim in a sentence; made from the bound where it is not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<String>,
    /// `beta<=RATE@CONFIDENCE`, `beta(LAYER,LAYER)<=…` or `system<=…`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound: Option<String>,
    /// Where the evidence comes from; outcomes where there are any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<ClaimKind>,
    /// The portfolio that a bound from the map is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub portfolio: Option<String>,
    /// The scenario in which it must hold; the nominal one where none is named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scenario: Option<String>,
    /// Take trials to be independent although clusters are recorded: an assumption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub independent_trials: bool,
    /// Judge by the upper limit that no further failure lowers, which is above the usual one where few clusters bear the failures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// How the parts combine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub combines: Option<Combine>,
    /// The parts, by name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub of: Vec<String>,
    /// Confidence asked of a combination; what the parts give where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f64>,
    /// What is known about the parts' errors.
    #[serde(default)]
    pub dependence: Dependence,
    /// What must be true besides the evidence.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub assumptions: Vec<String>,
    /// What the claim is made within.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub context: Vec<String>,
    /// What would defeat it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub defeaters: Vec<String>,
}

impl ClaimStatement {
    /// The bound: what is bounded, and the bound with its confidence.
    pub fn parsed(&self) -> Result<Option<(Quantity, Claim)>> {
        let Some(text) = &self.bound else { return Ok(None) };
        let wrong = |why: String| Error::Stated(why).within("claim", &self.name);
        if let Some(rest) = text.trim().strip_prefix("system") {
            let claim: Claim = format!("beta{rest}").parse().map_err(wrong)?;
            if !claim.layers.is_empty() {
                return Err(wrong("`system` takes no layers; write system<=1e-3@0.95".into()));
            }
            return Ok(Some((Quantity::System, claim)));
        }
        let claim: Claim = text.parse().map_err(wrong)?;
        Ok(Some((Quantity::Beta(claim.layers.clone()), claim)))
    }
}

/// What a map's numbers say about a bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapEvidence {
    /// The portfolio.
    pub portfolio: String,
    /// The scenario.
    pub scenario: String,
    /// Whether it is about the portfolio's own system failure rather than all techniques failing.
    pub system: bool,
    /// The bound.
    pub at_most: f64,
    /// Share of draws within it.
    pub probability: f64,
    /// Draws.
    pub draws: usize,
}

/// Evidence for one bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leaf {
    /// What is bounded.
    pub quantity: Quantity,
    /// Largest value that supports the claim.
    pub at_most: f64,
    /// Confidence asked for.
    pub confidence: f64,
    /// The scenario.
    pub scenario: String,
    /// Whether trials were taken to be independent although clusters are recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub independent_trials: bool,
    /// From outcomes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcomes: Option<Support>,
    /// One-sided limits if trials were independent, beside clusters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub if_independent: Option<Interval>,
    /// From a map.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub map: Option<MapEvidence>,
}

/// One claim, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimNode {
    /// The claim as it was written.
    pub statement: ClaimStatement,
    /// The verdict.
    pub verdict: Verdict,
    /// Confidence that the verdict carries; for combinations as the stated dependence gives it. Absent where it is undecidable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f64>,
    /// Confidence that was asked for: of a bound its own, of a combination the stated one, or what its parts' give.
    pub asked: f64,
    /// The evidence of a bound.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evidence: Option<Leaf>,
    /// Whether a verdict other than undecidable rests on little: see why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flagged: bool,
    /// Why this verdict, in sentences.
    pub why: Vec<String>,
}

/// An argument: every claim, and those that no other contains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Argument {
    /// All claims, in the order they were written.
    pub claims: Vec<ClaimNode>,
    /// Claims that are part of no other.
    pub top: Vec<String>,
}

impl Argument {
    /// A claim by name.
    pub fn claim(&self, name: &str) -> Option<&ClaimNode> {
        self.claims.iter().find(|c| c.statement.name == name)
    }
}

/// What claims are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// Recorded outcomes.
    pub table: Option<&'a JointOutcomes>,
    /// Outcomes read again for scenarios with other thresholds, by scenario.
    pub read_again: &'a BTreeMap<String, JointOutcomes>,
    /// The order of a pipeline that stopped early.
    pub order: Option<&'a [String]>,
    /// What counts as a system failure.
    pub system: Option<&'a Structure>,
    /// The cluster column of goals.
    pub goal: Option<&'a str>,
    /// Scenarios, the nominal one left out.
    pub scenarios: &'a [Scenario],
    /// What a map's numbers say about the bounds that are asked of it.
    pub map: &'a [MapEvidence],
    /// Interval for independent trials.
    pub exact: ExactInterval,
}

/// The order in which claims can be judged: parts first. Fails on names that are none or repeated, on claims that are neither bound nor combination or both,
/// and on cycles.
fn order(claims: &[ClaimStatement]) -> Result<Vec<usize>> {
    let at = |name: &str| claims.iter().position(|c| c.name == name);
    for (i, c) in claims.iter().enumerate() {
        let wrong = |what: String| Err(Error::Stated(what).within("claim", &c.name));
        if claims[..i].iter().any(|o| o.name == c.name) {
            return wrong("the name is used twice; claims need names of their own".into());
        }
        match (&c.bound, c.combines) {
            (Some(_), None) if c.of.is_empty() => {}
            (None, Some(_)) if !c.of.is_empty() => {}
            (None, Some(_)) => return wrong("a combination needs its parts: of = [\"…\"]".into()),
            _ => return wrong("it needs either a bound, for example \"beta<=1e-3@0.95\", or combines = \"all\" with of = [\"…\"]".into()),
        }
        if c.bound.is_some() && c.confidence.is_some() {
            return wrong("the confidence of a bound stands in the bound, after the @".into());
        }
        if c.bound.is_none() && (c.strict || c.independent_trials || c.scenario.is_some() || c.from.is_some() || c.portfolio.is_some()) {
            return wrong("strict, independent_trials, scenario, from and portfolio are said of bounds, not of combinations".into());
        }
        if let Some(unknown) = c.of.iter().find(|p| at(p).is_none()) {
            return wrong(format!(
                "there is no claim `{unknown}`; the claims are {}",
                claims.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
            ));
        }
        if let Some(twice) = (1..c.of.len()).find(|&k| c.of[..k].contains(&c.of[k])) {
            return wrong(format!("it names its part `{}` twice", c.of[twice]));
        }
        if let Some(x) = c.confidence.filter(|x| !(*x > 0.5 && *x < 1.0)) {
            return wrong(format!("a confidence must be above 0.5 and below 1, not {x}"));
        }
    }
    // Depth first with a path, so that a cycle can be shown.
    let mut done = Vec::new();
    fn visit(i: usize, claims: &[ClaimStatement], path: &mut Vec<usize>, done: &mut Vec<usize>) -> Result<()> {
        if done.contains(&i) {
            return Ok(());
        }
        if let Some(from) = path.iter().position(|&p| p == i) {
            let names: Vec<&str> = path[from..].iter().chain([&i]).map(|&p| claims[p].name.as_str()).collect();
            return Err(
                Error::Stated(format!("claims form a cycle, {}; a claim cannot support itself", names.join(" → "))).within("claim", &claims[i].name)
            );
        }
        path.push(i);
        for part in &claims[i].of {
            if let Some(p) = claims.iter().position(|c| c.name == *part) {
                visit(p, claims, path, done)?;
            }
        }
        path.pop();
        done.push(i);
        Ok(())
    }
    for i in 0..claims.len() {
        visit(i, claims, &mut Vec::new(), &mut done)?;
    }
    Ok(done)
}

/// Checks that claims can be judged: names, forms, cycles and bounds. What [`argue`] checks before it computes.
pub(crate) fn check(claims: &[ClaimStatement]) -> Result<Vec<usize>> {
    let order = order(claims)?;
    for c in claims {
        if let Some((_, claim)) = c.parsed()? {
            one_sided_options(claim.confidence, ExactInterval::default(), false).map_err(|e| e.within("claim", &c.name))?;
        }
    }
    Ok(order)
}

impl ClaimStatement {
    /// Checks a list of claims without evidence: forms, names, cycles, bounds.
    pub fn check(claims: &[ClaimStatement]) -> Result<()> {
        check(claims).map(drop)
    }
}

/// Judges claims.
///
/// Fails on claims that [`ClaimStatement::check`] refuses, on layers, scenarios and portfolios that are none, and on a bound without the evidence it asks for.
///
/// ```
/// use coincide::{ClaimStatement, Columns, Combine, Outcome::{Failed, Held}, TableBuilder, TrialRow, Verdict, Basis, argue};
/// let mut b = TableBuilder::new(Columns { layers: vec!["filter".into(), "judge".into()], ..Columns::default() })?;
/// for t in 0..2000 {
///     let filter = if t % 20 == 0 { Failed } else { Held };
///     b.add(&TrialRow { outcomes: &[filter, Held], ..TrialRow::default() });
/// }
/// let table = b.finish();
/// let basis = Basis { table: Some(&table), read_again: &Default::default(), order: None, system: None, goal: None, scenarios: &[], map: &[], exact: Default::default() };
/// let bound = |name: &str, text: &str| ClaimStatement { name: name.into(), bound: Some(text.into()), ..ClaimStatement::default() };
/// let both = ClaimStatement { name: "release".into(), combines: Some(Combine::All), of: vec!["joint".into(), "filter".into()], ..ClaimStatement::default() };
/// let a = argue(&[bound("joint", "beta<=0.005@0.99"), bound("filter", "beta(filter)<=0.1@0.99"), both], &basis)?;
/// // Two parts at 99%, nothing known about their dependence: 98%.
/// assert_eq!(a.claims[2].verdict, Verdict::Supported);
/// assert!((a.claims[2].confidence.unwrap() - 0.98).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn argue(claims: &[ClaimStatement], basis: &Basis<'_>) -> Result<Argument> {
    let order = check(claims)?;
    let mut nodes: Vec<Option<ClaimNode>> = vec![None; claims.len()];
    for i in order {
        let c = &claims[i];
        let node = match c.parsed()? {
            Some((quantity, claim)) => bound(c, quantity, claim, basis).map_err(|e| e.within("claim", &c.name))?,
            None => {
                let parts: Vec<&ClaimNode> =
                    c.of.iter().filter_map(|p| claims.iter().position(|c| c.name == *p)).filter_map(|p| nodes[p].as_ref()).collect();
                combine(c, &parts)
            }
        };
        nodes[i] = Some(node);
    }
    let top = claims.iter().filter(|c| !claims.iter().any(|o| o.of.contains(&c.name))).map(|c| c.name.clone()).collect();
    Ok(Argument { claims: nodes.into_iter().flatten().collect(), top })
}

fn bound(c: &ClaimStatement, quantity: Quantity, claim: Claim, basis: &Basis<'_>) -> Result<ClaimNode> {
    let scenario = c.scenario.clone().unwrap_or_else(|| "nominal".into());
    let from_map = c.from == Some(ClaimKind::Map) || c.from.is_none() && (basis.table.is_none() || c.portfolio.is_some());
    let mut leaf = Leaf {
        quantity,
        at_most: claim.at_most,
        confidence: claim.confidence,
        scenario,
        independent_trials: c.independent_trials,
        outcomes: None,
        if_independent: None,
        map: None,
    };
    let (verdict, why) = if from_map { by_map(c, &mut leaf, basis)? } else { by_outcomes(c, &claim, &mut leaf, basis)? };
    let confidence = (verdict != Verdict::Undecidable).then_some(claim.confidence);
    let flagged = verdict != Verdict::Undecidable && why.iter().any(|w| w.starts_with("FLAGGED"));
    Ok(ClaimNode { statement: c.clone(), verdict, confidence, asked: claim.confidence, evidence: Some(leaf), flagged, why })
}

fn by_map(c: &ClaimStatement, leaf: &mut Leaf, basis: &Basis<'_>) -> Result<(Verdict, Vec<String>)> {
    if c.strict || c.independent_trials {
        return Err(Error::Stated("strict and independent_trials are about outcomes; a claim that the map judges has neither".into()));
    }
    let system = leaf.quantity == Quantity::System;
    let same = |m: &&MapEvidence| {
        c.portfolio.as_ref() == Some(&m.portfolio)
            && m.scenario == leaf.scenario
            && m.system == system
            && m.at_most.to_bits() == leaf.at_most.to_bits()
    };
    let found = basis.map.iter().find(same).cloned();
    let Some(m) = found else {
        return Err(Error::Stated(format!(
            "there is no evidence about portfolio `{}` in scenario `{}`: the study needs a map with prevalences, that portfolio and a scenario that changes it",
            c.portfolio.as_deref().unwrap_or("(none named)"),
            leaf.scenario
        )));
    };
    let p = m.probability;
    let verdict = if p >= leaf.confidence {
        Verdict::Supported
    } else if 1.0 - p >= leaf.confidence {
        Verdict::Refuted
    } else {
        Verdict::Undecidable
    };
    let why = vec![
        format!("{:.1}% of {} draws of the map's numbers lie within the bound; {:.0}% are asked for.", 100.0 * p, m.draws, 100.0 * leaf.confidence),
        "Expert judgement, not measurement: outcomes of these techniques on tagged attacks would test it.".to_owned(),
    ];
    leaf.map = Some(m);
    Ok((verdict, why))
}

fn by_outcomes(c: &ClaimStatement, claim: &Claim, leaf: &mut Leaf, basis: &Basis<'_>) -> Result<(Verdict, Vec<String>)> {
    let nominal = Scenario { name: "nominal".into(), ..Scenario::default() };
    let scenario = match basis.scenarios.iter().find(|s| s.name == leaf.scenario) {
        Some(s) => s,
        None if leaf.scenario == "nominal" => &nominal,
        None => {
            let known: Vec<&str> = std::iter::once("nominal").chain(basis.scenarios.iter().map(|s| s.name.as_str())).collect();
            return Err(Error::Stated(format!("there is no scenario `{}`; the scenarios are {}", leaf.scenario, known.join(", "))));
        }
    };
    let table = basis
        .read_again
        .get(&leaf.scenario)
        .or(basis.table)
        .ok_or_else(|| Error::Stated("the study has no outcomes; judge it by the map with from = \"map\"".into()))?;
    let layers = table.layers();
    let system = match &leaf.quantity {
        Quantity::System => {
            basis.system.cloned().ok_or_else(|| Error::Stated("the study does not say what a system failure is: system = \"all(*)\"".into()))?
        }
        Quantity::Beta(names) => Structure::all(&crate::claims::set_of(table, names)?, layers),
    };
    let stops = crate::design::detect(table, basis.order)?.stops_early();
    let options = one_sided_options(claim.confidence, basis.exact, stops)?;
    if leaf.scenario != "nominal" && !scenario.touches_outcomes() {
        let why = format!("scenario `{}` changes nothing that outcomes record; judge the claim by the map with from = \"map\"", leaf.scenario);
        return Err(Error::Stated(why));
    }
    let mut changed = World::new(table, scenario, crate::attempts::goal_if_known(table, basis.goal)?)?;
    let clustered = !changed.sample.factors.is_empty();
    let by_goals = changed.goals(&system)?;
    let judged = |w: &World| -> Result<Judged> {
        let (low, high) = w.proportions(&system)?;
        let mut j = Judged::from(&w.sample, low, high, claim.at_most, options);
        j.limits = Interval { level: j.limits.level, ..w.limits(&system, options)? };
        (j.tested, j.refutable) = (w.tested_rate_for(claim.at_most), !w.bounded());
        // Goals already count as wide as they can, and what bounds make of a limit is the stricter limit's too.
        j.strict = j.strict.filter(|_| by_goals.is_none()).map(|s| scenario.bound(s));
        Ok(j)
    };
    if clustered && by_goals.is_none() {
        let alone = changed.without_clusters();
        if c.independent_trials {
            changed = alone;
        } else {
            leaf.if_independent = Some(judged(&alone)?.limits);
        }
    } else if c.independent_trials && by_goals.is_some() {
        return Err(Error::Stated("an attacker who tries each goal several times cannot be judged by independent trials".into()));
    }
    let mut j = judged(&changed)?;
    if c.strict {
        j.limits.high = j.strict.take().or(j.limits.high);
    }
    let mut support = judge(table, &changed.sample, &j, claim, options);
    if let Some((goal, equal, beaten)) = by_goals {
        support.unit = table.clusters()[goal].name.clone();
        (support.units, support.with_failure) = (equal, beaten);
        (support.needed_at_this_rate, support.sequence) = (None, None);
        let goals = support.spread[goal].clone();
        support.spread = vec![crate::claims::UnitSpread { with_failure: beaten, ..goals }];
    }
    let floor = changed.floor(&system)?;
    if floor > 0.0 || changed.lacks_goals() {
        // Quiet tests do not bring the rate below what the scenario itself adds, and without goals nothing would.
        support.needed_without_failure = None;
    }
    if changed.lacks_goals() {
        support.needed_at_this_rate = None;
    }
    let mut why = Vec::new();
    let percent = |x: f64| format!("{}%", significant(100.0 * x));
    let (low, high) = (support.limits.low.unwrap_or(0.0), support.limits.high.unwrap_or(1.0));
    let limits = format!(
        "one-sided limits at {}: {} and {}, against a bound of {}",
        percent(claim.confidence),
        percent(low),
        percent(high),
        percent(claim.at_most)
    );
    why.push(capital(&limits) + ".");
    why.extend(changed.notes.iter().cloned());
    let few: Vec<String> = support
        .spread
        .iter()
        .filter(|s| s.with_failure > 0.0 && s.with_failure < crate::interval::ENOUGH_CLUSTERS as f64)
        .map(|s| format!("only {} of {} clusters of `{}`", s.with_failure, s.clusters, s.column))
        .collect();
    if !few.is_empty() {
        let what =
            if support.verdict == Verdict::Undecidable { "the interval is wide because it rests on little" } else { "the verdict rests on little" };
        why.push(format!("FLAGGED: the failures lie in {}; {what}.", few.join(" and ")));
    }
    if let Some(strict) = support.strict_limit.filter(|s| support.verdict == Verdict::Supported && *s > claim.at_most) {
        why.push(format!(
            "FLAGGED: by the limit that no further failure can lower, {}, it would be undecidable; with strict = true that limit decides.",
            percent(strict)
        ));
    }
    if support.verdict == Verdict::Undecidable {
        if let Some(alone) = &leaf.if_independent {
            let v = verdict(alone, claim.at_most);
            if v != Verdict::Undecidable {
                let word = if v == Verdict::Supported { "supported" } else { "refuted" };
                let (a, b) = (alone.low.unwrap_or(0.0), alone.high.unwrap_or(1.0));
                why.push(format!(
                    "If trials were independent it would be {word} (limits {} and {}); trials of one cluster are not.",
                    percent(a),
                    percent(b)
                ));
            }
        }
        let unit = if support.unit == "trial" { "trials".to_owned() } else { format!("clusters of `{}`", support.unit) };
        match support.needed_at_this_rate {
            Some(n) => why.push(format!("If further {unit} are like these, about {} of them would decide{}.", significant(n), others(&support))),
            None if support.with_failure > 0.0 && by_goals.is_none() && !changed.lacks_goals() => {
                why.push(format!("At the rate seen no number of {unit} that can be thought of would decide: the rate is too near the bound."))
            }
            None => {}
        }
        let there = support.spread.iter().find(|s| s.column == support.unit).map_or(support.units, |s| s.clusters);
        let worth = if there - support.units > 0.5 { format!(", worth {} equal ones", significant(support.units.round())) } else { String::new() };
        let fresh = if support.with_failure > 0.0 { "fresh " } else { "" };
        match support.needed_without_failure {
            Some(n) => why.push(format!("{} {fresh}{unit} without any failure would support it; there are {}{worth}.", significant(n), significant(there))),
            None if changed.lacks_goals() => why.push(
                "An attacker with feedback from each layer needs goals that were attacked more than once: name the cluster column with goal under [outcomes].".into(),
            ),
            None if floor > 0.0 => why.push(format!("Even where every layer holds, the scenario itself makes the system fail on {} of attacks.", percent(floor))),
            None => why.push("No number of tests that can be made would support it in this scenario.".into()),
        }
    }
    if c.independent_trials && clustered {
        why.push("Trials were taken to be independent although clusters are recorded: an assumption.".into());
    }
    if scenario.is_bound() {
        why.push("The rate is an upper bound over every world that the scenario allows, so the claim can be supported but not refuted.".into());
    }
    let v = support.verdict;
    leaf.outcomes = Some(support);
    Ok((v, why))
}

fn others(s: &Support) -> String {
    let rest: Vec<String> = s.spread.iter().filter(|o| o.column != s.unit).map(|o| format!("`{}`", o.column)).collect();
    if rest.is_empty() { String::new() } else { format!(", with as many times more of {}", rest.join(" and ")) }
}

/// Two or three digits, thousands separated.
fn significant(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if x.abs() < 1000.0 {
        let digits = (if x.abs() >= 100.0 { 2.0 } else { 1.0 } - x.abs().log10().floor()).clamp(0.0, 12.0) as usize;
        let text = format!("{x:.digits$}");
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    let scale = 10f64.powf((x.abs().log10().floor() - 2.0).max(0.0));
    let text = format!("{:.0}", (x / scale).round() * scale);
    let mut out = String::new();
    for (i, ch) in text.chars().enumerate() {
        if i > 0 && (text.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(ch);
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Confidence that none of several verdicts is wrong. Parts that did not decide count too: they were looked at.
fn none_wrong(list: &[f64], dependence: Dependence) -> f64 {
    match dependence {
        Dependence::Unknown => (1.0 - list.iter().map(|c| 1.0 - c).sum::<f64>()).max(0.0),
        Dependence::Independent => list.iter().product(),
        Dependence::SameEvidence => list.iter().copied().fold(1.0, f64::min),
    }
}

fn combine(c: &ClaimStatement, parts: &[&ClaimNode]) -> ClaimNode {
    let with = |v: Verdict| -> Vec<&ClaimNode> { parts.iter().copied().filter(|p| p.verdict == v).collect() };
    let names = |list: &[&ClaimNode]| list.iter().map(|p| format!("`{}`", p.statement.name)).collect::<Vec<_>>().join(", ");
    let (supported, refuted, open) = (with(Verdict::Supported), with(Verdict::Refuted), with(Verdict::Undecidable));
    let d = c.dependence;
    let together = none_wrong(&parts.iter().map(|p| p.asked).collect::<Vec<_>>(), d);
    let mut why = Vec::new();
    let mut verdict = match c.combines {
        Some(Combine::All) | None => {
            if !refuted.is_empty() {
                why.push(format!("Every part must hold, and {} {} refuted.", names(&refuted), verb(&refuted)));
                Verdict::Refuted
            } else if open.is_empty() {
                why.push(format!("Every part holds: {}.", names(&supported)));
                Verdict::Supported
            } else {
                why.push(format!("Every part must hold, and {} {} undecidable.", names(&open), verb(&open)));
                Verdict::Undecidable
            }
        }
        Some(Combine::Any) => {
            if !supported.is_empty() {
                why.push(format!("One part suffices, and {} {} supported.", names(&supported), verb(&supported)));
                Verdict::Supported
            } else if open.is_empty() {
                why.push(format!("One part would suffice, and all are refuted: {}.", names(&refuted)));
                Verdict::Refuted
            } else {
                why.push(format!("One part would suffice; none is supported, and {} {} undecidable.", names(&open), verb(&open)));
                Verdict::Undecidable
            }
        }
        Some(Combine::Converging) => match (supported.is_empty(), refuted.is_empty()) {
            (false, false) => {
                why.push(format!(
                    "Lines of evidence contradict each other: {} for it, {} against. Find out why before anything rests on it.",
                    names(&supported),
                    names(&refuted)
                ));
                Verdict::Undecidable
            }
            (false, true) => {
                why.push(format!("Lines of evidence for it: {}; none against.", names(&supported)));
                Verdict::Supported
            }
            (true, false) => {
                why.push(format!("Lines of evidence against it: {}; none for it.", names(&refuted)));
                Verdict::Refuted
            }
            (true, true) => {
                why.push(format!("No line of evidence decides: {}.", names(&open)));
                Verdict::Undecidable
            }
        },
    };
    let asked = c.confidence.unwrap_or(together);
    let least = c.confidence.unwrap_or(0.5);
    if verdict != Verdict::Undecidable && together < least - 1e-12 {
        why.push(format!(
            "The parts together give a confidence of {together:.4}, which is below {least}; give each part {:.4} or more.",
            1.0 - (1.0 - least) / parts.len() as f64
        ));
        verdict = Verdict::Undecidable;
    }
    let confidence = (verdict != Verdict::Undecidable).then_some(together);
    if confidence.is_some() && parts.len() > 1 {
        why.push(match d {
            Dependence::Unknown => {
                "Nothing is assumed about how the parts' errors hang together: the confidence is that none of the parts' verdicts is wrong."
                    .to_owned()
            }
            Dependence::Independent => "The parts' errors are ASSUMED to be independent; the confidence rests on it.".to_owned(),
            Dependence::SameEvidence => "The parts are ASSUMED to be right or wrong together: they rest on the same evidence.".to_owned(),
        });
    }
    let flagged = parts.iter().any(|p| p.flagged && p.verdict == verdict);
    if flagged {
        let weak: Vec<&ClaimNode> = parts.iter().copied().filter(|p| p.flagged && p.verdict == verdict).collect();
        why.push(format!("FLAGGED: {} {} on little.", names(&weak), if weak.len() == 1 { "rests" } else { "rest" }));
    }
    ClaimNode { statement: c.clone(), verdict, confidence, asked, evidence: None, flagged, why }
}

fn verb(list: &[&ClaimNode]) -> &'static str {
    if list.len() == 1 { "is" } else { "are" }
}

/// Every layer by name: for claims about the whole.
impl Quantity {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Quantity::System => "the system fails".into(),
            Quantity::Beta(list) if list.is_empty() => "all layers fail together".into(),
            Quantity::Beta(list) if list.len() == 1 => format!("`{}` fails", list[0]),
            Quantity::Beta(list) => format!("{} fail together", list.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, verdict: Verdict, asked: f64) -> ClaimNode {
        let statement = ClaimStatement { name: name.into(), ..ClaimStatement::default() };
        let confidence = (verdict != Verdict::Undecidable).then_some(asked);
        ClaimNode { statement, verdict, confidence, asked, evidence: None, flagged: false, why: vec![] }
    }
    fn whole(combines: Combine, dependence: Dependence, confidence: Option<f64>) -> ClaimStatement {
        ClaimStatement { name: "whole".into(), combines: Some(combines), dependence, confidence, ..ClaimStatement::default() }
    }

    #[test]
    fn parts_combine_without_silent_products() {
        use Verdict::{Refuted, Supported, Undecidable};
        let (a, b, r, u) = (node("a", Supported, 0.98), node("b", Supported, 0.99), node("r", Refuted, 0.95), node("u", Undecidable, 0.9));
        for (combines, dependence, parts, verdict, confidence) in [
            (Combine::All, Dependence::Unknown, vec![&a, &b], Supported, Some(0.97)),
            (Combine::All, Dependence::Independent, vec![&a, &b], Supported, Some(0.98 * 0.99)),
            (Combine::All, Dependence::SameEvidence, vec![&a, &b], Supported, Some(0.98)),
            (Combine::All, Dependence::Unknown, vec![&a, &u], Undecidable, None),
            // The part that decides was picked from all: what was looked at counts.
            (Combine::All, Dependence::Unknown, vec![&a, &u, &r], Refuted, Some(0.83)),
            (Combine::Any, Dependence::Unknown, vec![&a, &u, &r], Supported, Some(0.83)),
            (Combine::Any, Dependence::Independent, vec![&a, &b], Supported, Some(0.98 * 0.99)),
            (Combine::Any, Dependence::Unknown, vec![&u, &r], Undecidable, None),
            (Combine::Any, Dependence::Unknown, vec![&r], Refuted, Some(0.95)),
            (Combine::Converging, Dependence::Unknown, vec![&a, &u], Supported, Some(0.88)),
            (Combine::Converging, Dependence::Unknown, vec![&a, &r], Undecidable, None),
            (Combine::Converging, Dependence::Unknown, vec![&u, &r], Refuted, Some(0.85)),
            // Twenty at 95% leave nothing.
            (Combine::All, Dependence::Unknown, vec![&a; 30], Undecidable, None),
        ] {
            let got = combine(&whole(combines, dependence, None), &parts);
            assert_eq!(got.verdict, verdict, "{combines:?}");
            assert!(got.confidence.zip(confidence).is_none_or(|(x, y)| (x - y).abs() < 1e-12), "{got:?} {confidence:?}");
            assert_eq!(got.confidence.is_some(), confidence.is_some());
            let assumed = got.why.iter().any(|w| w.contains("ASSUMED"));
            assert_eq!(assumed, dependence != Dependence::Unknown, "{:?}", got.why);
        }
        let short = combine(&whole(Combine::All, Dependence::Unknown, Some(0.98)), &[&a, &b]);
        assert_eq!(short.verdict, Undecidable);
        assert!(short.why.iter().any(|w| w.contains("0.9900 or more")), "{:?}", short.why);
    }

    /// Bounds that are just false, judged by tests of their own and combined with `any`: wrongly supported no more often than the confidence allows.
    #[test]
    fn any_of_many_false_claims_is_rarely_supported() {
        use crate::random::{Purpose, Seed};
        use rand::Rng;
        let (runs, parts, n, rate) = (300, 5, 150, 0.05);
        let wrong = (0..runs)
            .filter(|&run| {
                let mut rng = Seed(6).stream(Purpose::Simulation, run);
                let nodes: Vec<ClaimNode> = (0..parts)
                    .map(|i| {
                        let x = (0..n).filter(|_| rng.random_bool(rate)).count() as f64;
                        let limits = crate::interval::clopper_pearson(x, f64::from(n), 0.96);
                        node(&i.to_string(), verdict(&limits, rate - 1e-9), 0.98)
                    })
                    .collect();
                let got = combine(&whole(Combine::Any, Dependence::Unknown, Some(0.9)), &nodes.iter().collect::<Vec<_>>());
                got.verdict == Verdict::Supported
            })
            .count();
        // At most 10% of 300, and three standard errors.
        assert!(wrong <= 45, "{wrong} of {runs}");
    }

    #[test]
    fn claims_that_cannot_be_are_refused() {
        let c = |name: &str, of: &[&str]| ClaimStatement {
            name: name.into(),
            combines: Some(Combine::All),
            of: of.iter().map(|s| (*s).to_owned()).collect(),
            ..ClaimStatement::default()
        };
        let leaf = |name: &str, bound: &str| ClaimStatement { name: name.into(), bound: Some(bound.into()), ..ClaimStatement::default() };
        for (list, what) in [
            (vec![c("a", &["b"]), c("b", &["a"])], "cycle, a → b → a"),
            (vec![c("a", &["a"])], "cycle, a → a"),
            (vec![c("a", &["x"])], "no claim `x`"),
            (vec![leaf("a", "beta<=0.1@0.9"), leaf("a", "beta<=0.1@0.9")], "used twice"),
            (vec![leaf("a", "beta<=2@0.9")], "not between 0 and 1"),
            (vec![leaf("a", "beta<=0.1@0.4")], "above 0.5"),
            (vec![leaf("a", "system(x)<=0.1@0.9")], "takes no layers"),
            (vec![ClaimStatement { name: "a".into(), ..ClaimStatement::default() }], "needs either a bound"),
        ] {
            let message = ClaimStatement::check(&list).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        }
    }
}
