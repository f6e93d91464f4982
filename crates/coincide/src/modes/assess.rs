//! Portfolios of techniques under scenarios, from draws of a map's numbers: joint failure against the product, what each mode contributes, what to build
//! next, what passed audits are worth, and how much hangs on the unmapped mode.

use super::beliefs::{BeliefRow, Beliefs};
use super::law::{MOST_MODES, ModeLaw, shares};
use super::update::{ModeEvidence, ModeUpdate, update};
use crate::analyze::Progress;
use crate::argument::MapEvidence;
use crate::audit::{FalseAlarmsTogether, audit};
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::fit::{central, quantile};
use crate::model::Mixture;
use crate::pieces::{given, in_blocks};
use crate::random::Seed;
use crate::scenario::{Changes, Scenario};
use crate::shift::any_of;
use crate::structure::{Diagram, Structure};
use crate::what_if::{ALWAYS, ModesBasis};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a map's numbers are worked out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeOptions {
    /// Seed of every random number.
    pub seed: Seed,
    /// Draws of all numbers.
    pub draws: usize,
    /// Level of the intervals.
    pub level: f64,
}

impl Default for ModeOptions {
    fn default() -> Self {
        ModeOptions { seed: Seed::default(), draws: 2000, level: 0.95 }
    }
}

/// Techniques used together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Portfolio {
    /// Name.
    pub name: String,
    /// Techniques; all of the map where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub techniques: Vec<String>,
    /// What counts as its failure, over the techniques; all of them failing where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub system: Option<String>,
    /// Whether it is in place, so that techniques to add are ranked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_place: bool,
}

/// A question about audits that passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuestion {
    /// Name.
    pub name: String,
    /// When the system is unsafe: an expression over techniques that fail.
    pub system: String,
    /// The audits that passed: techniques of the map.
    pub passed: Vec<String>,
    /// Probability that an audit stops a safe system; 0 where it is not given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub false_alarms: BTreeMap<String, f64>,
    /// How false alarms hang together.
    #[serde(default)]
    pub false_alarms_together: FalseAlarmsTogether,
}

/// What one shared mode does to like techniques.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedMode {
    /// Number of techniques.
    pub techniques: usize,
    /// Failure rate of each, the mode included.
    pub rate: f64,
    /// Prevalences of the shared mode to show.
    pub prevalence: Vec<f64>,
    /// Susceptibility of every technique to it.
    pub susceptibility: f64,
}

/// What is asked of a map with numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModeQuestions {
    /// Portfolios.
    pub portfolios: Vec<Portfolio>,
    /// Scenarios beside the nominal one.
    pub scenarios: Vec<Scenario>,
    /// Named expressions for systems.
    pub pillars: BTreeMap<String, String>,
    /// Audits.
    pub audits: Vec<AuditQuestion>,
    /// Prevalences of the unmapped mode to show.
    pub residual: Vec<f64>,
    /// One shared mode among like techniques.
    pub shared_mode: Option<SharedMode>,
    /// Bounds to be judged: the probabilities that come with them are ignored.
    pub bounds: Vec<MapEvidence>,
}

/// What one mode contributes to a joint failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeShare {
    /// The mode.
    pub mode: String,
    /// Shapley share of ln(β/Πp_i), in nats; shares sum to the whole.
    pub shapley: Figure,
    /// Part of β that would be gone without the mode.
    pub removal: Figure,
}

/// A portfolio in one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PortfolioRisk {
    /// The portfolio.
    pub portfolio: String,
    /// Its techniques.
    pub techniques: Vec<String>,
    /// The scenario.
    pub scenario: String,
    /// Whether the rate is an upper bound over all worlds that the scenario allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
    /// Rate at which all techniques fail: median and interval over draws.
    pub beta: Figure,
    /// Its mean over draws: the probability to act on.
    pub expected: f64,
    /// Πp_i.
    pub product: Figure,
    /// β/Πp_i.
    pub gap: Figure,
    /// Effective layers.
    pub effective_layers: Figure,
    /// P(system failure) where the portfolio says what one is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub system: Option<Figure>,
    /// Mean of ln(β/Πp_i), which the Shapley shares sum to; absent where shares are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gap_nats: Option<f64>,
    /// What each mode contributes, most first, and the cascades where there are any; empty where the product is 0.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shares: Vec<ModeShare>,
}

/// A technique that could be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The portfolio in place.
    pub portfolio: String,
    /// The scenario.
    pub scenario: String,
    /// The technique.
    pub technique: String,
    /// Reduction of ln β, in nats: ln(β without / β with).
    pub reduction: Figure,
    /// Its mean over draws, by which candidates are ranked.
    pub expected: f64,
    /// What the product rule promises: ln(1/p), mean over draws.
    pub promised: f64,
    /// Share of draws in which it is the best.
    pub best: f64,
}

/// An answer about audits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditAnswer {
    /// The question.
    pub name: String,
    /// The scenario.
    pub scenario: String,
    /// The audits that passed.
    pub passed: Vec<String>,
    /// P(unsafe) before.
    pub prior: Figure,
    /// P(unsafe | they passed), what is shared included.
    pub joint: Figure,
    /// The same if audits were independent given that the system is unsafe.
    pub audits_independent: Figure,
    /// The same with overall miss rates multiplied.
    pub product: Figure,
}

/// A portfolio's rate at one prevalence of the unmapped mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResidualPoint {
    /// The portfolio.
    pub portfolio: String,
    /// Prevalence of the unmapped mode.
    pub prevalence: f64,
    /// β there.
    pub beta: Figure,
}

/// One row of what a shared mode does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SharedModeRow {
    /// Prevalence q of the mode; 0 is independence.
    pub prevalence: f64,
    /// q·Πs: a floor of the joint rate.
    pub floor: f64,
    /// Rate at which all fail.
    pub beta: f64,
    /// Πp_i.
    pub product: f64,
    /// Effective layers.
    pub effective_layers: f64,
}

/// Everything a map with numbers says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeReport {
    /// Techniques.
    pub techniques: Vec<String>,
    /// Modes, the unmapped one included.
    pub modes: Vec<String>,
    /// Beliefs about prevalences and leaks.
    pub beliefs: Vec<BeliefRow>,
    /// Beliefs about susceptibility by verdict.
    pub verdicts: Vec<BeliefRow>,
    /// Draws.
    pub draws: usize,
    /// What outcomes changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub update: Option<ModeUpdate>,
    /// Portfolios in every scenario.
    pub portfolios: Vec<PortfolioRisk>,
    /// Rates over prevalences of the unmapped mode.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub residual: Vec<ResidualPoint>,
    /// What to build next.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roadmap: Vec<Candidate>,
    /// What passed audits are worth.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub audits: Vec<AuditAnswer>,
    /// One shared mode among like techniques.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shared_mode: Option<(SharedMode, Vec<SharedModeRow>)>,
    /// Bounds that were asked about.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub bounds: Vec<MapEvidence>,
}

/// A portfolio ready to compute.
struct Ready {
    name: String,
    set: Vec<usize>,
    system: Option<Diagram>,
    in_place: bool,
}

/// A scenario as it acts on a law. Common failures become modes of their own, tries and training act on what an activation leaves to hold: all exact in
/// a noisy-OR. Only cascades act activation by activation.
pub(crate) struct Acting<'a> {
    scenario: &'a Scenario,
    prevalence: Vec<(usize, f64)>,
    changes: Changes,
    /// The cascades alone.
    cascades: Changes,
}

impl<'a> Acting<'a> {
    fn new(s: &'a Scenario, b: &Beliefs) -> Result<Self> {
        Self::of(s, &b.techniques, &b.modes)
    }
    /// The same among some techniques only.
    pub(crate) fn among(s: &'a Scenario, techniques: &[String], modes: &[String], chosen: &[usize]) -> Result<Self> {
        let mut acting = Self::of(s, techniques, modes)?;
        acting.changes = acting.changes.among(chosen);
        acting.cascades = acting.cascades.among(chosen);
        Ok(acting)
    }
    fn of(s: &'a Scenario, techniques: &[String], modes: &[String]) -> Result<Self> {
        s.check()?;
        let named = |e: Error| e.within("scenario", &s.name);
        let mut prevalence = Vec::new();
        for (mode, &q) in &s.prevalence {
            let at = modes.iter().position(|m| m == mode);
            let unknown = || named(Error::Stated(format!("no technique has the failure mode `{mode}`; the modes are {}", modes.join(", "))));
            prevalence.push((at.ok_or_else(unknown)?, q));
        }
        let changes = s.changes(techniques)?;
        let many = modes.len() + changes.common.len();
        if many > MOST_MODES {
            return Err(named(Error::Stated(format!("{many} modes and common failures; at most {MOST_MODES} can be summed over"))));
        }
        let cascades = Changes { cascades: changes.cascades.clone(), ..Changes::default() };
        Ok(Acting { scenario: s, prevalence, changes, cascades })
    }

    fn cascading(&self) -> bool {
        !self.cascades.cascades.is_empty()
    }
    fn law(&self, law: &ModeLaw) -> ModeLaw {
        let mut out = law.clone();
        self.prevalence.iter().for_each(|&(j, q)| out.prevalence[j] = q);
        if let Some(n) = self.changes.tries {
            out.leak.iter_mut().for_each(|x| *x = any_of(*x, n));
            out.susceptibility.iter_mut().flatten().for_each(|x| *x = any_of(*x, n));
        }
        self.changes.weaker.iter().for_each(|&(i, f)| out.leak[i] += (1.0 - out.leak[i]) * f);
        self.changes.compromised.iter().for_each(|&i| out.leak[i] = 1.0);
        for (members, share) in &self.changes.common {
            out.prevalence.push(*share);
            out.susceptibility.iter_mut().enumerate().for_each(|(i, s)| s.push(f64::from(u8::from(members.contains(&i)))));
        }
        out
    }
    /// The law as a mixture, cascades followed through.
    pub(crate) fn mixture(&self, law: &ModeLaw) -> Mixture {
        let law = self.law(law);
        if !self.cascading() {
            return law.mixture();
        }
        let a = law.activations();
        let mut nodes = Vec::new();
        for (z, w) in a.weight.iter().enumerate() {
            let mut p: Vec<f64> = a.fail.iter().map(|f| f[z]).collect();
            self.cascades.apply(&mut p, &mut |share, p| nodes.push((w * share, p.to_vec())));
        }
        Mixture::from_probabilities(law.techniques(), nodes.into_iter())
    }
    fn modes(&self, b: &Beliefs) -> Vec<String> {
        let common =
            |(c, _): &(Vec<usize>, f64)| format!("common failure of {}", c.iter().map(|&i| b.techniques[i].as_str()).collect::<Vec<_>>().join(", "));
        b.modes.iter().cloned().chain(self.changes.common.iter().map(common)).chain(self.cascading().then(|| "the cascades".to_owned())).collect()
    }
}

/// Draws computed at a time.
const DRAWS: usize = 64;

/// What one draw gives in one scenario.
#[derive(serde::Serialize, serde::Deserialize)]
struct Drawn {
    marginals: Vec<f64>,
    /// β and P(system failure), portfolio by portfolio.
    portfolios: Vec<(f64, Option<f64>)>,
    /// β with one technique more, for every portfolio in place and technique.
    wider: Vec<Vec<f64>>,
}

fn compute(law: &ModeLaw, acting: &Acting<'_>, portfolios: &[Ready]) -> Drawn {
    let a = law.activations();
    let k = law.techniques();
    let places = portfolios.iter().filter(|p| p.in_place).count();
    let mut d = Drawn { marginals: vec![0.0; k], portfolios: vec![(0.0, None); portfolios.len()], wider: vec![vec![0.0; k]; places] };
    let mut add = |w: f64, p: &[f64]| {
        d.marginals.iter_mut().zip(p).for_each(|(m, p)| *m += w * p);
        let mut place = 0;
        for (portfolio, sum) in portfolios.iter().zip(&mut d.portfolios) {
            let all: f64 = w * portfolio.set.iter().map(|&i| p[i]).product::<f64>();
            sum.0 += all;
            if let Some(t) = &portfolio.system {
                *sum.1.get_or_insert(0.0) += w * t.given(p);
            }
            if portfolio.in_place {
                d.wider[place].iter_mut().zip(p).for_each(|(x, p)| *x += all * p);
                place += 1;
            }
        }
    };
    let mut p = vec![0.0; k];
    for (z, &w) in a.weight.iter().enumerate().filter(|w| *w.1 > 0.0) {
        p.iter_mut().zip(&a.fail).for_each(|(p, f)| *p = f[z]);
        if acting.cascading() {
            acting.cascades.apply(&mut p.clone(), &mut |share, p| add(w * share, p));
        } else {
            add(w, &p);
        }
    }
    let bound = |x: f64| acting.scenario.bound(x.min(1.0));
    d.portfolios.iter_mut().for_each(|(b, s)| {
        *b = bound(*b);
        *s = s.map(bound);
    });
    d.wider.iter_mut().flatten().for_each(|x| *x = bound(*x));
    d
}

/// Sums of terms that all shares together may take.
const SHARE_WORK: f64 = 2e8;

/// Works a map's numbers out.
///
/// Fails on names that are none, on repeated portfolios or techniques, on numbers outside their meaning, and on structures that cannot be read.
pub fn ask_modes(
    beliefs: &Beliefs,
    verdicts: &super::CellBeliefs,
    evidence: Option<&ModeEvidence>,
    questions: &ModeQuestions,
    options: &ModeOptions,
    progress: Progress<'_>,
) -> Result<ModeAnswers> {
    if options.draws < 100 {
        return Err(Error::OutOfRange { what: "the number of draws", expected: "at least 100", got: options.draws as f64 });
    }
    let technique = |name: &String| {
        let found = beliefs.techniques.iter().position(|t| t == name);
        found.ok_or_else(|| Error::Stated(format!("there is no technique `{name}`; the techniques are {}", beliefs.techniques.join(", "))))
    };
    given(&(beliefs, evidence, questions, options));
    let mut ready: Vec<Ready> = Vec::new();
    for p in &questions.portfolios {
        let mut set: Vec<usize> = if p.techniques.is_empty() {
            (0..beliefs.techniques.len()).collect()
        } else {
            p.techniques.iter().map(technique).collect::<Result<_>>().map_err(|e| e.within("portfolio", &p.name))?
        };
        let named = set.len();
        set.sort_unstable();
        set.dedup();
        if set.len() < named || ready.iter().any(|r| r.name == p.name) {
            let why = if set.len() < named { "a technique is named twice" } else { "the name is used twice" };
            return Err(Error::Stated(why.into()).within("portfolio", &p.name));
        }
        let system = p
            .system
            .as_ref()
            .map(|s| Structure::parse(s, &beliefs.techniques, &questions.pillars)?.diagram())
            .transpose()
            .map_err(|e| e.within("portfolio", &p.name))?;
        ready.push(Ready { name: p.name.clone(), set, system, in_place: p.in_place });
    }
    let nominal = Scenario { name: "nominal".into(), ..Scenario::default() };
    let list: Vec<&Scenario> =
        std::iter::once(&nominal).chain(questions.scenarios.iter().filter(|s| s.touches_a_map() || s.radius.is_some())).collect();
    let acting: Vec<Acting<'_>> = list.iter().map(|s| Acting::new(s, beliefs)).collect::<Result<_>>()?;
    let (laws, update) = match evidence {
        None => (beliefs.draw(options.seed, options.draws), None),
        Some(e) => {
            let (laws, u) = update(beliefs, e, options.draws, options.seed, progress)?;
            (laws, Some(u))
        }
    };
    let figure = |mut list: Vec<f64>, why: &str| -> Figure {
        if list.iter().any(|x| x.is_nan()) {
            return Figure::undefined(why);
        }
        let interval = central(&mut list, options.level);
        Figure::of(quantile(&mut list, 0.5), why).with(interval)
    };
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;

    let mut report = ModeReport {
        techniques: beliefs.techniques.clone(),
        modes: beliefs.modes.clone(),
        beliefs: beliefs.rows(),
        verdicts: [("vulnerable", &verdicts.vulnerable), ("not vulnerable", &verdicts.not_vulnerable)]
            .into_iter()
            .chain(verdicts.uncertain.as_ref().map(|d| ("uncertain", d)))
            .map(|(what, d)| BeliefRow { what: what.into(), mean: d.mean(), low: d.quantile(0.05), high: d.quantile(0.95) })
            .collect(),
        draws: laws.len(),
        update,
        portfolios: Vec::new(),
        residual: Vec::new(),
        roadmap: Vec::new(),
        audits: audits(&laws, &acting, beliefs, questions, &figure)?,
        shared_mode: questions.shared_mode.as_ref().map(shared_mode).transpose()?,
        bounds: Vec::new(),
    };
    let no_gap = || Figure::undefined("an upper bound is not compared with a product that has none");
    let combinations = (ready.len() * acting.len()).max(1) as f64;
    for (step, a) in acting.iter().enumerate() {
        progress("working portfolios out", step as u64, acting.len() as u64);
        let drawn: Vec<Drawn> = in_blocks("draws of portfolios", laws.len(), DRAWS, |d| compute(&a.law(&laws[d]), a, &ready));
        let names = a.modes(beliefs);
        for (i, p) in ready.iter().enumerate() {
            let betas: Vec<f64> = drawn.iter().map(|d| d.portfolios[i].0).collect();
            let products: Vec<f64> = drawn.iter().map(|d| p.set.iter().map(|&t| d.marginals[t].ln()).sum()).collect();
            for b in questions.bounds.iter().filter(|b| b.portfolio == p.name && b.scenario == a.scenario.name && (!b.system || p.system.is_some())) {
                let value = |d: &Drawn| if b.system { d.portfolios[i].1.unwrap_or(1.0) } else { d.portfolios[i].0 };
                let within = drawn.iter().filter(|d| value(d) <= b.at_most).count();
                report.bounds.push(MapEvidence { probability: within as f64 / drawn.len() as f64, draws: drawn.len(), ..b.clone() });
            }
            let ln_gap = |(b, p): (&f64, &f64)| b.ln() - p;
            let effective = |d: &Drawn, b: f64, product: f64| b.ln() / product * p.set.iter().filter(|&&t| d.marginals[t] < ALWAYS).count() as f64;
            let cost = if a.cascading() { 8.0 * beliefs.techniques.len() as f64 } else { p.set.len() as f64 };
            let work = 3f64.powi(names.len() as i32) * cost * combinations;
            let many = ((SHARE_WORK / work) as usize).clamp(if names.len() > 12 { 1 } else { 20 }, 400).min(laws.len());
            let (shares, gap_nats) = mode_shares(&laws[..many], a, &p.set, &names, &figure, options);
            report.portfolios.push(PortfolioRisk {
                portfolio: p.name.clone(),
                techniques: p.set.iter().map(|&t| beliefs.techniques[t].clone()).collect(),
                scenario: a.scenario.name.clone(),
                bound: a.scenario.is_bound(),
                expected: mean(&betas),
                product: figure(products.iter().map(|x| x.exp()).collect(), ""),
                gap: if a.scenario.is_bound() {
                    no_gap()
                } else {
                    figure(betas.iter().zip(&products).map(ln_gap).map(f64::exp).collect(), "the product is 0")
                },
                effective_layers: if a.scenario.is_bound() {
                    no_gap()
                } else {
                    figure(drawn.iter().zip(&betas).zip(&products).map(|((d, b), q)| effective(d, *b, *q)).collect(), "every technique always fails")
                },
                system: p.system.as_ref().map(|_| figure(drawn.iter().map(|d| d.portfolios[i].1.unwrap_or(0.0)).collect(), "")),
                beta: figure(betas, ""),
                gap_nats,
                shares,
            });
        }
        roadmap(&drawn, a, &ready, beliefs, &figure, &mut report.roadmap);
    }
    progress("working portfolios out", acting.len() as u64, acting.len() as u64);
    if let Some(at) = beliefs.residual {
        for &q in &questions.residual {
            if !(0.0..=1.0).contains(&q) {
                return Err(Error::OutOfRange { what: "a prevalence of the unmapped mode", expected: "between 0 and 1", got: q });
            }
            let with = Acting { prevalence: vec![(at, q)], ..Acting::new(&nominal, beliefs)? };
            let drawn: Vec<Drawn> = in_blocks("draws of portfolios", laws.len(), DRAWS, |d| compute(&with.law(&laws[d]), &with, &ready));
            for (i, p) in ready.iter().enumerate() {
                let beta = figure(drawn.iter().map(|d| d.portfolios[i].0).collect(), "");
                report.residual.push(ResidualPoint { portfolio: p.name.clone(), prevalence: q, beta });
            }
        }
        report.residual.sort_by(|a, b| a.portfolio.cmp(&b.portfolio).then(a.prevalence.total_cmp(&b.prevalence)));
    }
    let basis = ModesBasis::new(&beliefs.techniques, &beliefs.modes, options.level, &laws, &questions.scenarios);
    Ok(ModeAnswers { report, basis })
}

/// What a map's numbers give, and draws of them to compute it again.
#[derive(Debug, Clone, PartialEq)]
pub struct ModeAnswers {
    /// The section of the results.
    pub report: ModeReport,
    /// Draws.
    pub basis: ModesBasis,
}

fn mode_shares(
    laws: &[ModeLaw],
    acting: &Acting<'_>,
    set: &[usize],
    names: &[String],
    figure: &dyn Fn(Vec<f64>, &str) -> Figure,
    options: &ModeOptions,
) -> (Vec<ModeShare>, Option<f64>) {
    let drawn: Vec<super::law::Shares> = in_blocks("draws of shares", laws.len(), DRAWS, |d| shares(&acting.law(&laws[d]), set, &acting.cascades));
    let mean = |f: &dyn Fn(&super::law::Shares) -> f64| drawn.iter().map(f).sum::<f64>() / drawn.len() as f64;
    let gap = mean(&|s| s.ln_beta - s.ln_product);
    if !gap.is_finite() {
        return (Vec::new(), None);
    }
    let mut list: Vec<(f64, ModeShare)> = (0..names.len())
        .map(|j| {
            // The mean, not the median: means of shares sum to the mean of the whole.
            let value = mean(&|s| s.shapley[j]);
            let mut v: Vec<f64> = drawn.iter().map(|s| s.shapley[j]).collect();
            let interval = if drawn.len() > 1 { central(&mut v, options.level) } else { None };
            let shapley = Figure::of(value, "").with(interval);
            let removal = figure(drawn.iter().map(|s| s.removal[j]).collect(), "nothing fails");
            (value, ModeShare { mode: names[j].clone(), shapley, removal })
        })
        .collect();
    list.sort_by(|a, b| b.0.total_cmp(&a.0));
    (list.into_iter().map(|l| l.1).collect(), Some(gap))
}

fn roadmap(drawn: &[Drawn], a: &Acting<'_>, ready: &[Ready], b: &Beliefs, figure: &dyn Fn(Vec<f64>, &str) -> Figure, out: &mut Vec<Candidate>) {
    for (place, p) in ready.iter().filter(|p| p.in_place).enumerate() {
        let index = ready.iter().position(|r| r.name == p.name).unwrap_or(0);
        let rest: Vec<usize> = (0..b.techniques.len()).filter(|t| !p.set.contains(t)).collect();
        let gain = |d: &Drawn, t: usize| {
            let (before, after) = (d.portfolios[index].0, d.wider[place][t]);
            if before <= 0.0 { 0.0 } else { before.ln() - after.max(f64::MIN_POSITIVE).ln() }
        };
        let mut wins = vec![0.0; b.techniques.len()];
        for d in drawn {
            if let Some(best) = rest.iter().max_by(|x, y| gain(d, **x).total_cmp(&gain(d, **y))) {
                wins[*best] += 1.0 / drawn.len() as f64;
            }
        }
        let mut list: Vec<Candidate> = rest
            .iter()
            .map(|&t| {
                let gains: Vec<f64> = drawn.iter().map(|d| gain(d, t)).collect();
                let promised = drawn.iter().map(|d| -d.marginals[t].max(f64::MIN_POSITIVE).ln()).sum::<f64>() / drawn.len() as f64;
                Candidate {
                    portfolio: p.name.clone(),
                    scenario: a.scenario.name.clone(),
                    technique: b.techniques[t].clone(),
                    expected: gains.iter().sum::<f64>() / gains.len() as f64,
                    reduction: figure(gains, ""),
                    promised: promised + 0.0,
                    best: wins[t],
                }
            })
            .collect();
        list.sort_by(|x, y| y.expected.total_cmp(&x.expected));
        out.extend(list);
    }
}

/// Draws that audits are worked out for.
const AUDIT_DRAWS: usize = 1000;

fn audits(
    laws: &[ModeLaw],
    acting: &[Acting<'_>],
    b: &Beliefs,
    q: &ModeQuestions,
    figure: &dyn Fn(Vec<f64>, &str) -> Figure,
) -> Result<Vec<AuditAnswer>> {
    let mut out = Vec::new();
    for question in &q.audits {
        let named = |e: Error| e.within("audit", &question.name);
        let system = Structure::parse(&question.system, &b.techniques, &q.pillars).map_err(named)?;
        let index = |name: &String| {
            let found = b.techniques.iter().position(|t| t == name);
            found.ok_or_else(|| named(Error::Stated(format!("there is no technique `{name}` among {}", b.techniques.join(", ")))))
        };
        let list: Vec<usize> = question.passed.iter().map(index).collect::<Result<_>>()?;
        if let Some(twice) = (1..list.len()).find(|&i| list[..i].contains(&list[i])) {
            return Err(named(Error::DuplicateName(question.passed[twice].clone())));
        }
        if let Some(other) = question.false_alarms.keys().find(|f| !question.passed.contains(f)) {
            return Err(named(Error::Stated(format!("a false-alarm rate is given for `{other}`, which is not among the audits that passed"))));
        }
        let rates: Vec<f64> = question.passed.iter().map(|p| question.false_alarms.get(p).copied().unwrap_or(0.0)).collect();
        for a in acting.iter().filter(|a| !a.scenario.is_bound()) {
            let drawn = laws[..laws.len().min(AUDIT_DRAWS)]
                .par_iter()
                .map(|l| audit(&a.mixture(l), &system, &list, &rates, question.false_alarms_together))
                .collect::<Result<Vec<_>>>()
                .map_err(named)?;
            let of = |f: fn(&crate::audit::AuditPosterior) -> f64| figure(drawn.iter().map(f).collect(), "");
            out.push(AuditAnswer {
                name: question.name.clone(),
                scenario: a.scenario.name.clone(),
                passed: question.passed.clone(),
                prior: of(|p| p.prior),
                joint: of(|p| p.joint),
                audits_independent: of(|p| p.audits_independent),
                product: of(|p| p.product),
            });
        }
    }
    Ok(out)
}

/// Like techniques that share one mode, each failing at the stated rate in all.
fn shared_mode(s: &SharedMode) -> Result<(SharedMode, Vec<SharedModeRow>)> {
    if s.techniques == 0 || s.techniques > crate::layers::MAX_LAYERS {
        return Err(Error::OutOfRange { what: "the number of techniques that share a mode", expected: "from 1 to 1024", got: s.techniques as f64 });
    }
    if !(s.rate > 0.0 && s.rate < 1.0) {
        return Err(Error::OutOfRange { what: "the failure rate of techniques that share a mode", expected: "above 0 and below 1", got: s.rate });
    }
    let k = s.techniques;
    let row = |&q: &f64| {
        let part = q * s.susceptibility;
        if !(0.0..=1.0).contains(&q) || part > s.rate {
            let why = format!(
                "a mode of prevalence {q} that defeats techniques with probability {} makes them fail more often than the stated rate {}",
                s.susceptibility, s.rate
            );
            return Err(Error::Stated(why));
        }
        let leak = (s.rate - part) / (1.0 - part);
        let law = ModeLaw::new(vec![q], vec![vec![s.susceptibility]; k], vec![leak; k])?;
        let ln = super::law::ln_all(&law, &(0..k).collect::<Vec<_>>());
        let product = k as f64 * s.rate.ln();
        Ok(SharedModeRow {
            prevalence: q,
            floor: q * s.susceptibility.powi(k as i32),
            beta: ln.exp(),
            product: product.exp(),
            effective_layers: k as f64 * ln / product,
        })
    };
    let rows = std::iter::once(&0.0).chain(s.prevalence.iter().filter(|q| **q != 0.0)).map(row).collect::<Result<_>>()?;
    Ok((s.clone(), rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::layers::LayerSet;
    use crate::modes::{CellBeliefs, FailureModeMap, MapCell, Vulnerability};

    fn beliefs(point: bool) -> Beliefs {
        use Vulnerability::{NotVulnerable, Vulnerable};
        let cell = |t: &str, m: &str, verdict| MapCell { technique: t.into(), mode: m.into(), verdict, source: None, support: None };
        let rows = [("a", [Vulnerable, NotVulnerable]), ("b", [Vulnerable, NotVulnerable]), ("c", [NotVulnerable, Vulnerable])];
        let cells = rows.iter().flat_map(|(t, v)| [cell(t, "x", v[0]), cell(t, "y", v[1])]).collect();
        let map = FailureModeMap::new(vec![], cells).unwrap();
        let d = |x: f64| if point { Distribution::Point(x) } else { Distribution::mean_sd(x, 0.5 * x).unwrap() };
        let verdicts = CellBeliefs { vulnerable: d(0.7), not_vulnerable: d(0.02), ..CellBeliefs::default() };
        let q = [("x".to_owned(), d(0.1)), ("y".to_owned(), d(0.05))].into();
        Beliefs::new(&map, &verdicts, &q, &[].into(), &d(0.01), &[].into(), Some(&d(0.01))).unwrap()
    }
    fn ask(b: &Beliefs, scenarios: Vec<Scenario>) -> ModeReport {
        let portfolio = |name: &str, t: &[&str]| Portfolio {
            name: name.into(),
            techniques: t.iter().map(|s| (*s).to_owned()).collect(),
            system: None,
            in_place: name == "a only",
        };
        let q = ModeQuestions {
            portfolios: vec![portfolio("a only", &["a"]), portfolio("a and b", &["a", "b"]), portfolio("a and c", &["a", "c"])],
            scenarios,
            residual: vec![0.0, 0.1],
            shared_mode: Some(SharedMode { techniques: 10, rate: 0.1, prevalence: vec![0.01, 0.05], susceptibility: 0.9 }),
            ..ModeQuestions::default()
        };
        ask_modes(b, &CellBeliefs::default(), None, &q, &ModeOptions::default(), &|_, _, _| {}).unwrap().report
    }
    fn row<'a>(r: &'a ModeReport, portfolio: &str, scenario: &str) -> &'a PortfolioRisk {
        r.portfolios.iter().find(|p| p.portfolio == portfolio && p.scenario == scenario).unwrap()
    }

    #[test]
    fn known_numbers_give_the_laws_own() {
        let b = beliefs(true);
        let law = b.mean();
        let s = Scenario { name: "deceptive".into(), prevalence: [("x".to_owned(), 0.6)].into(), ..Scenario::default() };
        let r = ask(&b, vec![s]);
        let mut shifted = law.clone();
        shifted.prevalence[0] = 0.6;
        for (scenario, law) in [("nominal", &law), ("deceptive", &shifted)] {
            let want = super::super::law::ln_all(law, &[0, 1]).exp();
            let got = row(&r, "a and b", scenario);
            assert!((got.beta.value.unwrap() / want - 1.0).abs() < 1e-12);
            assert!((got.product.value.unwrap() / (law.marginal(0) * law.marginal(1)) - 1.0).abs() < 1e-12);
            let sum: f64 = got.shares.iter().map(|s| s.shapley.value.unwrap()).sum();
            assert!((sum - got.gap_nats.unwrap()).abs() < 1e-12);
            assert!((sum - (want / law.marginal(0) / law.marginal(1)).ln()).abs() < 1e-9);
        }
        // The technique without the shared mode is worth more than the product's favourite.
        let best = r.roadmap.iter().find(|c| c.scenario == "nominal").unwrap();
        assert_eq!(best.technique, "c");
        assert!(r.residual.iter().filter(|p| p.portfolio == "a and c").map(|p| p.beta.value.unwrap()).is_sorted());
    }

    /// Common failures as modes, tries, training and compromise inside the noisy-OR are the same as acting activation by activation.
    #[test]
    fn scenarios_inside_the_law_equal_those_outside() {
        use crate::scenario::{Attacker, CommonFailure, Feedback};
        let b = beliefs(true);
        let law = b.mean();
        let name = |s: &str| vec![s.to_owned()];
        let s = Scenario {
            name: "all".into(),
            attacker: Some(Attacker { tries: 4, feedback: Feedback::PerLayer, transparent: vec![] }),
            trained_against: [("b".to_owned(), 0.3)].into(),
            common_failures: vec![CommonFailure { layers: vec!["a".into(), "c".into()], share: 0.07, ..CommonFailure::default() }],
            ..Scenario::default()
        };
        let with_compromise = Scenario { name: "more".into(), compromised: name("c"), ..s.clone() };
        let r = ask(&b, vec![s.clone(), with_compromise.clone()]);
        for s in [s, with_compromise] {
            let changes = s.changes(&b.techniques).unwrap();
            let a = law.activations();
            let all = Structure::all(&LayerSet::of(3, &[0, 1]), &b.techniques).diagram().unwrap();
            let want: f64 = a.weight.iter().enumerate().map(|(z, w)| w * changes.value(&a.fail.iter().map(|f| f[z]).collect::<Vec<_>>(), &all)).sum();
            assert!((row(&r, "a and b", &s.name).beta.value.unwrap() / want - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn ten_techniques_and_one_shared_mode() {
        let r = ask(&beliefs(false), Vec::new());
        let (_, rows) = r.shared_mode.unwrap();
        assert!((rows[0].beta / 1e-10 - 1.0).abs() < 1e-9 && (rows[0].effective_layers - 10.0).abs() < 1e-9);
        for row in &rows[1..] {
            assert!(row.beta >= row.floor && row.effective_layers < 3.0, "{row:?}");
        }
        let uncertain = row(&ask(&beliefs(false), Vec::new()), "a and b", "nominal").clone();
        let i = uncertain.beta.interval.unwrap();
        assert!(i.low.unwrap() < uncertain.expected && uncertain.expected < i.high.unwrap());
    }

    #[test]
    fn wrong_questions_are_refused() {
        let b = beliefs(true);
        let ask =
            |q: ModeQuestions| ask_modes(&b, &CellBeliefs::default(), None, &q, &ModeOptions::default(), &|_, _, _| {}).unwrap_err().to_string();
        let p = |t: &[&str]| Portfolio { name: "p".into(), techniques: t.iter().map(|s| (*s).to_owned()).collect(), system: None, in_place: false };
        assert!(ask(ModeQuestions { portfolios: vec![p(&["a", "z"])], ..Default::default() }).contains("no technique `z`"));
        assert!(ask(ModeQuestions { portfolios: vec![p(&["a", "a"])], ..Default::default() }).contains("named twice"));
        assert!(ask(ModeQuestions { portfolios: vec![p(&["a"]), p(&["b"])], ..Default::default() }).contains("used twice"));
        let s = Scenario { name: "s".into(), prevalence: [("zz".to_owned(), 0.5)].into(), ..Scenario::default() };
        assert!(ask(ModeQuestions { scenarios: vec![s], ..Default::default() }).contains("no technique has the failure mode `zz`"));
    }
}
