//! What somebody states: rates of layers, causes that they share, and copulas.

use super::importance::{Element, Holders, ImportanceOf, importances, of};
use super::{LawKind, RiskQuestion, SystemUnder, Together};
use crate::analyze::AnalyzeOptions;
use crate::ccf::CommonCause;
use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::fit::central;
use crate::layers::LayerSet;
use crate::random::{Purpose, Seed};
use crate::rare::{Copula, Sampling};
use crate::structure::{ROOM, Structure};
use coincide_structure::{Builder, CauseModel, Compiled, CutSets, Literal, shocks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Draws from stated distributions.
const DRAWS: usize = 4000;

/// A copula over all layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatedCopula {
    /// Gaussian or Student.
    pub family: CopulaFamily,
    /// Degrees of freedom of a Student copula.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub freedom: Option<f64>,
    /// The correlation of every pair, where it is one for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correlation: Option<f64>,
    /// The correlation matrix, row by row in the order of the layers. Where neither this nor `correlation` is given, the tetrachoric correlations of the outcomes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub matrix: Vec<Vec<f64>>,
}

/// Families of copulas with a full correlation matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopulaFamily {
    /// No more dependence far out than near.
    Gaussian,
    /// More of it far out, the more the fewer degrees of freedom.
    Student,
}

/// What is stated about layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatedSystem {
    /// How often layers fail.
    pub rates: BTreeMap<String, Distribution>,
    /// What makes groups of them fail together.
    pub common_causes: Vec<CommonCause>,
    /// Copulas.
    pub copulas: Vec<StatedCopula>,
    /// Tetrachoric correlations of the outcomes, row by row, for copulas that state none.
    pub observed_correlations: Option<Vec<f64>>,
}

/// A law, and the rate at which it makes all of a set of layers fail.
type Law<'a> = (SystemUnder, Together<'a>);

/// A group with its members by index.
struct Group<'a> {
    cause: &'a CommonCause,
    members: Vec<usize>,
    /// Of every member: Q of the other groups with a stated rate that it is in.
    others: Vec<Vec<f64>>,
}

impl Group<'_> {
    /// Q, from the rates of all layers: as stated, or the most that every member's rate has room for beside the groups whose rate is stated.
    fn rate(&self, rates: &[f64]) -> f64 {
        let room = |(&i, others): (&usize, &Vec<f64>)| 1.0 - (1.0 - rates[i]) / others.iter().map(|q| 1.0 - q).product::<f64>();
        self.cause.rate.unwrap_or_else(|| self.members.iter().zip(&self.others).map(room).fold(1.0, f64::min).max(0.0))
    }
}

/// The structure with a layer's failure made of its own and its groups' shocks.
struct Expanded<'a> {
    groups: Vec<Group<'a>>,
    layers: usize,
    /// Shocks behind the layers' own failures: group and members.
    shocks: Vec<(usize, u32)>,
    /// Whether layers in groups have a switch that keeps them from failing, behind the shocks.
    compiled: Compiled,
}

impl<'a> Expanded<'a> {
    fn new(s: &Structure, layers: usize, groups: Vec<Group<'a>>, rates: &[f64]) -> Result<Self> {
        let mut list: Vec<(usize, u32)> = Vec::new();
        for (g, group) in groups.iter().enumerate() {
            // A rate that is 0 in the middle may be more in a draw: what counts is which shocks there can be.
            let q = group.cause.shock_probabilities(group.rate(rates).max(1e-9));
            list.extend(shocks(group.members.len(), &q).into_iter().map(|(set, _)| (g, set)));
        }
        let mut b = Builder::new();
        let takes = |g: usize, set: u32, layer: usize| groups[g].members.iter().position(|&m| m == layer).is_some_and(|at| set >> at & 1 == 1);
        let mut failures: Vec<Option<Literal>> = vec![None; layers];
        let mut layer = |i: usize, b: &mut Builder| {
            *failures[i].get_or_insert_with(|| {
                let own = b.event(i);
                if !groups.iter().any(|g| g.members.contains(&i)) {
                    return own;
                }
                let mut inputs = vec![own];
                let taking = list.iter().enumerate().filter(|(_, s)| takes(s.0, s.1, i));
                inputs.extend(taking.map(|(t, _)| b.event(layers + t)));
                let fails = b.any(inputs);
                let switch = b.event(layers + list.len() + i);
                b.all([fails, switch])
            })
        };
        let top = s.build(&mut b, &mut layer);
        let compiled = b.finish(top).compile(ROOM).map_err(|e| s.too_large(&e))?;
        Ok(Expanded { layers, shocks: list, compiled, groups })
    }

    /// Probabilities of all events: a layer's own failures make up what its groups leave of its rate; switches are on.
    fn probabilities(&self, rates: &[f64]) -> Vec<f64> {
        let mut p = rates.to_vec();
        let mut held = vec![1.0; self.layers];
        let mut q = Vec::with_capacity(self.groups.len());
        for g in &self.groups {
            let own = g.cause.shock_probabilities(g.rate(rates));
            let implied = g.cause.implied_rate(g.rate(rates));
            // What other tools' shocks leave of a member's rate is left: rates are theirs then.
            let nominal = if g.cause.rare_event_parameters { g.rate(rates).max(implied) } else { implied };
            g.members.iter().for_each(|&i| held[i] *= 1.0 - nominal);
            q.push(own);
        }
        for i in 0..self.layers {
            if held[i] < 1.0 {
                // Up to rounding, groups that make up the whole rate leave nothing.
                let rest = 1.0 - (1.0 - rates[i]) / held[i];
                p[i] = if rest > 1e-14 { rest } else { 0.0 };
            }
        }
        p.extend(self.shocks.iter().map(|(g, set)| q[*g][set.count_ones() as usize - 1]));
        p.extend(std::iter::repeat_n(1.0, self.layers));
        p
    }

    /// The rate at which each layer fails by its own and by its groups' shocks.
    fn implied(&self, p: &[f64]) -> Vec<f64> {
        let own = |i: usize| {
            let by_shocks: f64 = self
                .groups
                .iter()
                .enumerate()
                .filter_map(|(g, group)| {
                    let at = group.members.iter().position(|&m| m == i)?;
                    let list = self.shocks.iter().enumerate().filter(|(_, s)| s.0 == g && s.1 >> at & 1 == 1);
                    Some(list.map(|(t, _)| (-p[self.layers + t]).ln_1p()).sum::<f64>())
                })
                .sum();
            -((-p[i]).ln_1p() + by_shocks).exp_m1()
        };
        (0..self.layers).map(own).collect()
    }

    /// P(all of these layers fail).
    fn together(&self, set: &LayerSet, p: &[f64]) -> f64 {
        // Shocks that touch the set, by the part of it that they take; the sets of layers that have failed so far.
        let members: Vec<usize> = set.iter().collect();
        let place = |i: usize| members.iter().position(|&m| m == i);
        let mut states: BTreeMap<u128, f64> = BTreeMap::from([(0, 1.0)]);
        let own = members.iter().enumerate().map(|(at, &i)| (1u128 << at, p[i]));
        let by_shocks = self.shocks.iter().enumerate().map(|(t, (g, set))| {
            let touched = self.groups[*g].members.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).filter_map(|(_, &m)| place(m));
            (touched.fold(0u128, |s, at| s | 1 << at), p[self.layers + t])
        });
        for (taken, chance) in by_shocks.chain(own).filter(|s| s.0 != 0 && s.1 > 0.0).collect::<Vec<_>>() {
            let mut next = BTreeMap::new();
            for (state, w) in states {
                *next.entry(state | taken).or_insert(0.0) += w * chance;
                *next.entry(state).or_insert(0.0) += w * (1.0 - chance);
            }
            states = next;
        }
        states.get(&((1u128 << members.len()) - 1)).copied().unwrap_or(0.0)
    }
}

/// Shocks times sets of layers up to which a cut set's rate under common causes is worked out.
const MOST_TOGETHER: usize = 200_000;

impl StatedSystem {
    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty() && self.common_causes.is_empty() && self.copulas.is_empty()
    }

    /// P(system failure) under what is stated. Layers without a stated rate have the one that was observed.
    pub(super) fn under<'a>(
        &'a self,
        q: &'a RiskQuestion<'_>,
        observed: Option<&[f64]>,
        elements: &[Element],
        holders: &Holders,
        cut_sets: &std::result::Result<CutSets, String>,
        options: &AnalyzeOptions,
    ) -> Result<Vec<Law<'a>>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let k = q.layers.len();
        for name in self.rates.keys() {
            q.layer(name)?;
        }
        let groups = || -> Result<Vec<Group<'a>>> {
            self.common_causes
                .iter()
                .map(|cause| {
                    cause.check()?;
                    let members =
                        cause.layers.iter().map(|l| q.layer(l)).collect::<Result<Vec<_>>>().map_err(|e| e.within("common cause", &cause.name))?;
                    let stated = |&&i: &&usize| -> Vec<f64> {
                        let in_it = |c: &&CommonCause| !std::ptr::eq(*c, cause) && c.layers.contains(&q.layers[i]);
                        let own = |c: &CommonCause| match c.model {
                            CauseModel::BinomialFailureRate => Some(c.implied_rate(0.0)),
                            _ => c.rate,
                        };
                        self.common_causes.iter().filter(in_it).filter_map(|c| own(c).filter(|q| *q < 1.0)).collect()
                    };
                    let others = members.iter().map(|i| stated(&i)).collect();
                    Ok(Group { cause, members, others })
                })
                .collect()
        };
        let list = groups()?;
        // A layer that only fails by shocks needs no rate.
        let by_shocks = |i: usize| {
            list.iter().any(|g| g.members.contains(&i) && (g.cause.rate.is_some() || !g.cause.model.keeps_rates() && g.cause.factors.is_empty()))
        };
        let mut stated_only = Vec::new();
        let mut rates = Vec::with_capacity(k);
        for (i, name) in q.layers.iter().enumerate() {
            rates.push(match (self.rates.get(name), observed) {
                (Some(d), _) => d.mean(),
                (None, Some(p)) => p[i],
                (None, None) if by_shocks(i) || !q.structure.members().contains(&i) => {
                    stated_only.push(i);
                    0.0
                }
                (None, None) => {
                    return Err(Error::Stated(format!(
                        "layer `{name}` has no failure rate: state it under rates, as {name} = 0.1 or {name} = {{ beta = [2, 18] }}, or give outcomes to learn it from"
                    )));
                }
            });
        }
        // Where only shocks say how often a layer fails, that is its rate.
        let raise = |rates: &mut [f64]| {
            for &i in &stated_only {
                let held: f64 =
                    list.iter().filter(|g| g.members.contains(&i)).map(|g| (1.0 - g.cause.implied_rate(g.rate(rates))).max(0.0)).product();
                rates[i] = 1.0 - held;
                for g in list.iter().filter(|g| g.members.contains(&i) && g.cause.rare_event_parameters) {
                    rates[i] = rates[i].max(g.rate(rates));
                }
            }
        };
        raise(&mut rates);
        let open = |c: &CommonCause| c.rate.is_none() && c.model != CauseModel::BinomialFailureRate;
        for (at, g) in list.iter().enumerate().filter(|g| open(g.1.cause)) {
            if let Some(other) = list[..at].iter().find(|o| open(o.cause) && o.members.iter().any(|m| g.members.contains(m))) {
                let what = format!(
                    "it shares a layer with `{}`, and neither states a rate: say with `rate` how much of the layer's failures is whose",
                    other.cause.name
                );
                return Err(Error::Stated(what).within("common cause", &g.cause.name));
            }
        }
        for i in 0..k {
            let of = |g: &&Group<'_>| g.members.contains(&i) && g.cause.model.keeps_rates();
            let held: f64 = list.iter().filter(of).map(|g| 1.0 - g.rate(&rates)).product();
            if let Some(last) = list.iter().rfind(of).filter(|_| list.iter().filter(of).count() > 1 && 1.0 - held > rates[i] * (1.0 + 1e-9)) {
                let what = format!("layer `{}` fails at {}, less often than its common causes say together ({})", q.layers[i], rates[i], 1.0 - held);
                return Err(Error::Stated(what).within("common cause", &last.cause.name));
            }
        }
        for g in &list {
            let rate = g.rate(&rates);
            if let Some(&i) = g.members.iter().find(|&&i| g.cause.model.keeps_rates() && rate > rates[i] * (1.0 + 1e-9)) {
                return Err(Error::Stated(format!(
                    "layer `{}` fails at {}, less often than the common cause says that its members do ({rate})",
                    q.layers[i], rates[i]
                ))
                .within("common cause", &g.cause.name));
            }
            if let Some(p) = g.cause.shock_rates(rate).into_iter().find(|p| *p > 1.0) {
                return Err(
                    Error::OutOfRange { what: "the probability of a shock", expected: "at most 1", got: p }.within("common cause", &g.cause.name)
                );
            }
        }
        let mut out: Vec<Law<'a>> = Vec::new();
        let source = if self.rates.is_empty() && observed.is_some() { "observed" } else { "stated" };
        let uncertain = self.rates.values().any(|d| d.variance() > 0.0);
        let draws: Vec<Vec<f64>> = if uncertain { self.draws(q, &rates, &raise, options.seed) } else { Vec::new() };
        let mut add = |name: String, assumes: String, system: Expanded<'a>, causes: bool| {
            let p = system.probabilities(&rates);
            let c = &system.compiled;
            let mut with: Vec<Element> = elements.to_vec();
            if causes {
                let switch = |i: usize| k + system.shocks.len() + i;
                let in_group = |i: usize| system.groups.iter().any(|g| g.members.contains(&i));
                for e in &mut with {
                    e.hold = e.own.iter().map(|&i| if in_group(i) { switch(i) } else { i }).collect();
                }
                for (g, group) in system.groups.iter().enumerate() {
                    let many = system.shocks.iter().enumerate().filter(|(_, s)| s.0 == g && s.1.count_ones() > 1);
                    let hold: Vec<usize> = many.map(|(t, _)| k + t).collect();
                    let fail = group.members.clone();
                    with.push(Element {
                        name: group.cause.name.clone(),
                        kind: ImportanceOf::Cause,
                        members: group.cause.layers.clone(),
                        fail,
                        hold,
                        own: vec![],
                    });
                }
            }
            let rows = &p[..c.events().min(p.len())];
            let none = Holders::none(with.len());
            let importance = importances(c, rows, &[1.0], &with, if causes { &none } else { holders });
            let top = c.probability(rows);
            let rate = match draws.as_slice() {
                [] => Figure::of(top, ""),
                draws => {
                    let n = draws.len();
                    let own: Vec<Vec<f64>> = draws.iter().map(|r| system.probabilities(r)).collect();
                    let rows: Vec<f64> = (0..c.events()).flat_map(|e| own.iter().map(move |p| p[e])).collect();
                    let mut list = c.probabilities(&rows, n);
                    let mean = list.iter().sum::<f64>() / n as f64;
                    Figure::of(mean, "").with(central(&mut list, options.level))
                }
            };
            let implied = system.implied(&p);
            // As the rate: the mean over draws.
            let alone = q.structure.diagram().ok().map(|d| match draws.as_slice() {
                [] => d.given(&implied),
                draws => draws.iter().map(|r| d.given(&system.implied(&system.probabilities(r)))).sum::<f64>() / draws.len() as f64,
            });
            let mut notes = Vec::new();
            let off: Vec<String> = (0..k)
                .filter(|&i| q.structure.members().contains(&i) && (implied[i] - rates[i]).abs() > 1e-9 * rates[i].max(1e-12))
                .map(|i| format!("`{}` at {:.3e} instead of {:.3e}", q.layers[i], implied[i], rates[i]))
                .collect();
            if causes && !off.is_empty() {
                notes.push(format!("These shocks make layers fail at a rate of their own: {}.", off.join(", ")));
            }
            let law = SystemUnder {
                law: name,
                kind: LawKind::Stated,
                assumes,
                admissible: None,
                gap: alone.and_then(|a| super::over(rate.value, a)),
                independent: alone,
                rate,
                importance,
                notes,
            };
            let together = move |set: &LayerSet| {
                let states = 1usize << set.iter().count().min(40);
                (states.saturating_mul(system.shocks.len().max(1)) <= MOST_TOGETHER).then(|| system.together(set, &p))
            };
            out.push((law, Box::new(together)));
        };
        let alone = Expanded::new(q.structure, k, Vec::new(), &rates)?;
        add(format!("independent at {source} rates"), "layers fail independently".into(), alone, false);
        if !list.is_empty() {
            let system = Expanded::new(q.structure, k, groups()?, &rates)?;
            add("stated common causes".into(), format!("shocks make groups fail together, at {source} rates"), system, true);
        }
        for c in &self.copulas {
            out.push(self.copula(c, q, &rates, elements, cut_sets, options)?);
        }
        Ok(out)
    }

    /// Rates drawn from what is stated. A rate below what a common cause takes of it is raised to that.
    fn draws(&self, q: &RiskQuestion<'_>, rates: &[f64], raise: &dyn Fn(&mut [f64]), seed: Seed) -> Vec<Vec<f64>> {
        let one = |d: usize| {
            let mut rng = seed.stream(Purpose::Beliefs, d as u64);
            let mut own = rates.to_vec();
            for (i, name) in q.layers.iter().enumerate() {
                if let Some(belief) = self.rates.get(name) {
                    own[i] = belief.draw(&mut rng);
                }
            }
            for cause in &self.common_causes {
                if let Some(least) = cause.rate.filter(|_| cause.model.keeps_rates()) {
                    for (i, name) in q.layers.iter().enumerate() {
                        if cause.layers.contains(name) {
                            own[i] = own[i].max(least);
                        }
                    }
                }
            }
            raise(&mut own);
            own
        };
        (0..DRAWS).map(one).collect()
    }

    fn copula<'a>(
        &'a self,
        c: &'a StatedCopula,
        q: &'a RiskQuestion<'_>,
        rates: &[f64],
        elements: &[Element],
        cut_sets: &std::result::Result<CutSets, String>,
        options: &AnalyzeOptions,
    ) -> Result<Law<'a>> {
        let k = q.layers.len();
        let name = match c.family {
            CopulaFamily::Gaussian => "Gaussian copula".to_owned(),
            CopulaFamily::Student => format!("Student copula ({} degrees of freedom)", c.freedom.unwrap_or(4.0)),
        };
        let named = |e: Error| e.within("copula", &name);
        let (matrix, from) = match (c.correlation, c.matrix.as_slice(), &self.observed_correlations) {
            (Some(_), [_, ..], _) => return Err(named(Error::Stated("it states a correlation and a matrix; one of the two is enough".into()))),
            (Some(r), _, _) => ((0..k * k).map(|e| if e / k == e % k { 1.0 } else { r }).collect(), format!("every pair correlates by {r}")),
            (None, rows @ [_, ..], _) => {
                if rows.len() != k || rows.iter().any(|r| r.len() != k) {
                    return Err(named(Error::Stated(format!("its matrix needs {k} rows and columns, one for each of {}", q.layers.join(", ")))));
                }
                (rows.concat(), "correlations as stated".to_owned())
            }
            (None, [], Some(seen)) => (seen.clone(), "tetrachoric correlations of the outcomes".to_owned()),
            (None, [], None) => {
                return Err(named(Error::Stated("it needs `correlation` or `matrix`, or complete pairs of outcomes to learn them from".into())));
            }
        };
        let (matrix, moved) = crate::rare::nearest_correlation(&matrix, k).map_err(named)?;
        let make = |rates: &[f64]| match c.family {
            CopulaFamily::Gaussian => Copula::gaussian(rates, &matrix),
            CopulaFamily::Student => Copula::student(rates, &matrix, c.freedom.unwrap_or(4.0)),
        };
        if c.family == CopulaFamily::Gaussian && c.freedom.is_some() {
            return Err(named(Error::Stated("degrees of freedom belong to a Student copula".into())));
        }
        let law = make(rates).map_err(named)?;
        let sampling = Sampling { seed: options.seed, ..Sampling::default() };
        let mut notes = Vec::new();
        if moved > 1e-6 {
            notes.push(format!("These correlations are no correlation matrix: the nearest one was taken, which moves one of them by {moved:.3}."));
        }
        let sets: std::result::Result<Vec<LayerSet>, String> = cut_sets
            .as_ref()
            .map_err(Clone::clone)
            .map(|sets| sets.smallest(&vec![0.5; k], crate::rare::MOST_CUT_SETS + 1).into_iter().map(|s| LayerSet::of(k, &s.events)).collect());
        let fails = |set: &LayerSet| q.structure.monotone() || q.structure.fails(set);
        let all = q.structure.as_all();
        let rate_of = |law: &Copula, sampling: &Sampling| match (&all, &sets) {
            (Some(all), _) => Ok(law.all_fail(all, sampling)),
            (None, Ok(sets)) => law.any_cut_set(sets, fails, sampling),
            (None, Err(why)) => Err(Error::Stated(why.clone())),
        };
        let (rate, importance) = match rate_of(&law, &sampling) {
            Ok(rare) => {
                let quick = Sampling { points: 127, ..sampling };
                let forced = |e: &Element, p: f64| -> Result<f64> {
                    let mut own = rates.to_vec();
                    e.own.iter().for_each(|&i| own[i] = p);
                    Ok(rate_of(&make(&own)?, &quick)?.value())
                };
                let list: Result<Vec<_>> = elements.iter().map(|e| Ok(of(e, rare.value(), [forced(e, 1.0)?, forced(e, 0.0)?], None))).collect();
                notes.push("Its interval is that of the computation; correlations and rates are taken as known.".into());
                (rare.figure(options.level), list.unwrap_or_default())
            }
            Err(why) => (Figure::undefined(why.to_string()), Vec::new()),
        };
        let alone = q.structure.given(rates).ok();
        let gap = alone.and_then(|a| super::over(rate.value, a));
        let under =
            SystemUnder { law: name, kind: LawKind::Copula, assumes: from, admissible: None, rate, independent: alone, gap, importance, notes };
        let together = move |set: &LayerSet| Some(law.all_fail(set, &Sampling { points: 127, ..sampling }).value());
        Ok((under, Box::new(together)))
    }
}
