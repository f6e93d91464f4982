//! What somebody states: rates of layers, causes that they share, and copulas.

use super::copula::StatedCopula;
use super::expanded::{Drawn, Expanded, Group};
use super::importance::{Element, Holders, ImportanceOf, Uncertain, importances};
use super::learned::Learned;
use super::{Asked, LawKind, RiskQuestion, SystemUnder, Together};
use crate::ccf::CommonCause;
use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::fit::central;
use crate::layers::LayerSet;
use crate::random::{Purpose, Seed};
use crate::what_if::NodeList;
use coincide_structure::CauseModel;
use std::collections::BTreeMap;

/// Draws from stated distributions.
const DRAWS: usize = 4000;

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
pub(super) type Law<'a> = (SystemUnder, Together<'a>);

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
        learned: &Learned,
        asked: &Asked<'_>,
    ) -> Result<Vec<Law<'a>>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let Asked { elements, holders, options, .. } = *asked;
        let k = q.layers.len();
        for name in self.rates.keys() {
            q.layer(name)?;
        }
        let groups = || -> Result<Vec<Group>> {
            self.common_causes
                .iter()
                .enumerate()
                .map(|(at, cause)| {
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
                    let mut own = cause.clone();
                    if let Some(Some(l)) = learned.causes.get(at) {
                        own.factors = l.report.factors.iter().map(|f| f.value.value.unwrap_or(0.0)).collect();
                    }
                    Ok(Group { cause: own, members, others })
                })
                .collect()
        };
        let list = groups()?;
        // A layer that only fails by shocks needs no rate.
        let by_shocks = |i: usize| {
            list.iter().any(|g| g.members.contains(&i) && (g.cause.rate.is_some() || !g.cause.model.keeps_rates() && g.cause.factors.is_empty()))
        };
        let in_open_group = |i: usize| list.iter().any(|g| g.members.contains(&i) && g.cause.rate.is_none() && g.cause.model.keeps_rates());
        let mut stated_only = Vec::new();
        let mut rates = Vec::with_capacity(k);
        for (i, name) in q.layers.iter().enumerate() {
            rates.push(match (self.rates.get(name), observed) {
                (Some(d), _) => d.mean(),
                (None, Some(p)) => p[i],
                (None, None) if by_shocks(i) || !q.structure.members().contains(&i) && !in_open_group(i) => {
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
        for (at, g) in list.iter().enumerate().filter(|g| open(&g.1.cause)) {
            if let Some(other) = list[..at].iter().find(|o| open(&o.cause) && o.members.iter().any(|m| g.members.contains(m))) {
                let what = format!(
                    "it shares a layer with `{}`, and neither states a rate: say with `rate` how much of the layer's failures is whose",
                    other.cause.name
                );
                return Err(Error::Stated(what).within("common cause", &g.cause.name));
            }
        }
        for i in 0..k {
            let of = |g: &&Group| g.members.contains(&i) && g.cause.model.keeps_rates();
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
        let draws: Vec<Drawn> = if uncertain { self.draws(q, &rates, &raise, &Learned::default(), options.seed) } else { Vec::new() };
        let from_outcomes = learned.causes.iter().any(Option::is_some);
        let with_factors = if from_outcomes { self.draws(q, &rates, &raise, learned, options.seed) } else { Vec::new() };
        let mut add = |name: String, assumes: String, system: Expanded, causes: bool| {
            let draws = if causes && from_outcomes { &with_factors } else { &draws };
            // Members of learned groups fail as often as their posterior says.
            let mut rates = rates.clone();
            for (cause, l) in self.common_causes.iter().zip(&learned.causes).filter(|_| causes) {
                let Some(l) = l else { continue };
                for (at, layer) in cause.layers.iter().enumerate().filter(|m| !self.rates.contains_key(m.1)) {
                    let mean = l.draws.iter().map(|d| d.0[at]).sum::<f64>() / l.draws.len() as f64;
                    q.layers.iter().position(|o| o == layer).into_iter().for_each(|i| rates[i] = mean);
                }
            }
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
            let mut importance = importances(c, rows, &[1.0], &with, if causes { &none } else { holders });
            let own: Vec<NodeList> = draws.iter().map(|d| vec![(1.0, system.probabilities_of(d))]).collect();
            Uncertain::of(c, &with, &own).bound(c, &with, &mut importance, options.level);
            let top = c.probability(rows);
            let rate = match own.as_slice() {
                [] => Figure::of(top, ""),
                own => {
                    let n = own.len();
                    let rows: Vec<f64> = (0..c.events()).flat_map(|e| own.iter().map(move |p| p[0].1[e])).collect();
                    let mut list = c.probabilities(&rows, n);
                    let mean = list.iter().sum::<f64>() / n as f64;
                    Figure::of(mean, "").with(central(&mut list, options.level))
                }
            };
            let implied = system.implied(&p);
            // As the rate: the mean over draws.
            let alone = q.structure.diagram().ok().map(|d| match own.as_slice() {
                [] => d.given(&implied),
                own => own.iter().map(|n| d.given(&system.implied(&n[0].1))).sum::<f64>() / own.len() as f64,
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
                kind: if causes && from_outcomes { LawKind::Learned } else { LawKind::Stated },
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
            let name = match learned.causes.iter().flatten().count() {
                0 => "stated common causes",
                n if n == list.len() => "learned common causes",
                _ => "stated and learned common causes",
            };
            add(name.into(), format!("shocks make groups fail together, at {source} rates"), system, true);
        }
        for c in &self.copulas {
            out.push(self.copula(c, q, &rates, learned, asked)?);
        }
        Ok(out)
    }

    /// Rates drawn from what is stated or, with factors, from what was learned. A rate below what a common cause takes of it is raised to that.
    fn draws(&self, q: &RiskQuestion<'_>, rates: &[f64], raise: &dyn Fn(&mut [f64]), learned: &Learned, seed: Seed) -> Vec<Drawn> {
        let one = |d: usize| {
            let mut rng = seed.stream(Purpose::Beliefs, d as u64);
            let mut own = rates.to_vec();
            let mut factors = vec![Vec::new(); self.common_causes.len()];
            for (i, name) in q.layers.iter().enumerate() {
                if let Some(belief) = self.rates.get(name).or_else(|| learned.rates.get(i)?.as_ref()) {
                    own[i] = belief.draw(&mut rng);
                }
            }
            for (at, (cause, l)) in self.common_causes.iter().zip(&learned.causes).enumerate() {
                let Some((members, drawn)) = l.as_ref().map(|l| &l.draws[d % l.draws.len()]) else { continue };
                factors[at].clone_from(drawn);
                for (layer, rate) in cause.layers.iter().zip(members).filter(|m| !self.rates.contains_key(m.0)) {
                    q.layers.iter().position(|l| l == layer).into_iter().for_each(|i| own[i] = *rate);
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
            Drawn { rates: own, factors }
        };
        (0..DRAWS).map(one).collect()
    }
}
