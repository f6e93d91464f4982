//! One model on one table: its best parameters, posterior draws, and scores on clusters it has not seen. A model within strata
//! has a part for each stratum; every other has one part.

use crate::error::{Error, Result};
use crate::holdout::Folds;
use crate::layers::LayerSet;
use crate::likelihood::{Likelihood, Nodes, Workspace};
use crate::model::{Choice, Family, Kind, LatentClass, MOST_CLASSES, Setting, Summary, empirical};
use crate::normal::ln_sum_exp;
use crate::optimise::{Effort, Optimum, Prior, Target, best_of_starts, climb, from_start};
use crate::patterns::{Clusters, Patterns};
use crate::pieces::{in_blocks, in_blocks_with, pieces};
use crate::posterior::{Draws, OfFamily, Plan, chain};
use crate::quadrature::Accuracy;
use crate::random::{Purpose, Seed};
use crate::structure::Diagram;
use crate::what_if::NodeList;
use rand_distr::{Distribution, Gamma, StandardNormal};

/// What every fit of one table shares.
pub(crate) struct Context<'a> {
    pub patterns: &'a Patterns,
    pub data: &'a Likelihood<'a>,
    pub folds: &'a Folds,
    pub setting: Setting,
    pub prior: Prior,
    pub seed: Seed,
    pub plan: Plan,
    /// Sets of layers whose rate of failing together is wanted of every draw.
    pub sets: &'a [LayerSet],
    /// A system whose rate of failure is wanted of every draw: it stands behind the sets.
    pub system: Option<&'a Diagram>,
    pub pairs: bool,
}

/// What is read off one law: its summary, and ln of the rate of every set asked for, and of the system's.
pub(crate) type Read = (Summary, Vec<f64>);

/// Starts of a search.
const STARTS: usize = 4;
/// Starts of a search for latent classes, which has many local ends.
const CLASS_STARTS: usize = 12;

/// Draws read at a time.
const READINGS: usize = 64;
/// The same where a draw takes long and there are fewer of them.
const FEW: usize = 8;

/// One stratum of a model, or all of it.
pub(crate) struct Part {
    pub share: f64,
    pub stratum: Option<u32>,
    pub family: Box<dyn Family>,
    pub optimum: Optimum,
}

/// A model at its best parameters.
pub(crate) struct Fitted {
    pub choice: Choice,
    pub parts: Vec<Part>,
    /// Score of each unit when it was left out.
    pub scores: Vec<f64>,
    /// Classes tried with their scores, for latent classes.
    pub tried: Vec<(usize, f64)>,
}

impl Fitted {
    /// The parts' shares of the trials.
    pub(crate) fn shares(&self) -> Vec<f64> {
        self.parts.iter().map(|p| p.share).collect()
    }
}

impl Context<'_> {
    /// Whether there is a posterior to draw from.
    pub(crate) fn draws_are_wanted(&self) -> bool {
        self.prior == Prior::Weak
    }

    fn target<'b>(&'b self, family: &'b dyn Family, weight: &'b [f64], accuracy: Accuracy) -> Target<'b> {
        Target { family, data: self.data, weight, prior: self.prior, accuracy }
    }

    /// Fits a model and scores it. Latent classes are fitted with two classes and more, until a further one did not predict
    /// better twice in a row. More classes are kept only where they predict better by more than the difference's standard error.
    pub(crate) fn fit(&self, choice: Choice, done: &(dyn Fn(u64) + Sync)) -> Result<Fitted> {
        let (layers, most) = (self.setting.layers, choice.model().most_layers);
        if layers > most {
            return Err(Error::Fit {
                model: choice.name(),
                why: format!("its sums over {layers} layers would take too much memory; it takes {most} at most"),
            });
        }
        match choice.model().kind {
            Kind::Likelihood(make) => {
                let fitted = self.fit_one(choice, &|| make(&self.setting));
                done(1);
                fitted
            }
            Kind::Classes => {
                let mut best: Option<Fitted> = None;
                let mut tried = Vec::new();
                let mut worse = 0;
                // More classes than patterns, or than the patterns of k layers can tell apart, say nothing.
                let k = self.setting.layers;
                let most = (0..=MOST_CLASSES).rev().find(|c| c * (k + 1) <= (1usize << k.min(20)).min(self.patterns.len() + 1)).unwrap_or(0).max(2);
                for classes in 2..=most {
                    let setting = Setting { classes, ..self.setting.clone() };
                    let make = || Box::new(LatentClass::new(&setting)) as Box<dyn Family>;
                    let fitted = self.fit_one(choice, &make)?;
                    let score = self.folds.total(|u| fitted.scores[u]).0;
                    tried.push((classes, score));
                    done(1);
                    let gain = best.as_ref().map(|b| self.folds.total(|u| fitted.scores[u] - b.scores[u]));
                    if gain.is_none_or(|(sum, error)| sum > error) {
                        best = Some(fitted);
                        worse = 0;
                    } else {
                        worse += 1;
                        if worse == 2 {
                            break;
                        }
                    }
                }
                let mut fitted =
                    best.ok_or(Error::Fit { model: choice.name(), why: "there are too few distinct patterns for two classes".into() })?;
                fitted.tried = tried;
                Ok(fitted)
            }
            Kind::Empirical => Err(Error::Fit { model: choice.name(), why: "it is not fitted by likelihood".into() }),
        }
    }

    fn fit_one(&self, choice: Choice, make: &(dyn Fn() -> Box<dyn Family> + Sync)) -> Result<Fitted> {
        // A stratum without any outcome says nothing and weighs nothing.
        let holds = |s: &u32| self.patterns.stratum.contains(s);
        let strata: Vec<Option<u32>> =
            if choice.stratified { (0..self.patterns.strata as u32).filter(holds).map(Some).collect() } else { vec![None] };
        let weights: Vec<Vec<f64>> = strata.iter().map(|&s| self.patterns.within(s, &self.patterns.weight)).collect();
        let starts = if make().classes().is_some() { CLASS_STARTS } else { STARTS };
        let mut ends = pieces("starts", strata.len() * starts, |i| {
            let family = make();
            from_start(self.target(family.as_ref(), &weights[i / starts], Accuracy::FIT), self.seed, i % starts)
        })
        .into_iter();
        let name = choice.name();
        let mut parts: Vec<Part> = Vec::with_capacity(strata.len());
        for (stratum, weight) in strata.into_iter().zip(&weights) {
            let mut optimum = best_of_starts(ends.by_ref().take(starts).collect(), &name)?;
            let family = make();
            family.canonical(&mut optimum.at);
            parts.push(Part { share: weight.iter().sum(), stratum, family, optimum });
        }
        let mut fitted = Fitted { choice, parts, scores: Vec::new(), tried: Vec::new() };
        fitted.scores = self.scores(&fitted);
        Ok(fitted)
    }

    /// Every unit's score under fits that have not seen its fold.
    fn scores(&self, fitted: &Fitted) -> Vec<f64> {
        let by_fold: Vec<Vec<f64>> = pieces("folds", self.folds.folds, |fold| {
            let seen = self.folds.without(fold, &self.patterns.weight);
            let refitted: Vec<Vec<f64>> = fitted.parts.iter().map(|p| self.refit(p, &seen)).collect();
            self.ln_patterns(fitted, &refitted)
        });
        let mut scores = vec![0.0; self.folds.units.len()];
        by_fold.iter().enumerate().for_each(|(fold, ln)| self.folds.scores(fold, ln, &mut scores));
        scores
    }

    /// A part's best place for other weights, starting from its own. A stratum without trials keeps its own place's prior mode.
    pub(crate) fn refit(&self, part: &Part, weight: &[f64]) -> Vec<f64> {
        let own = self.patterns.within(part.stratum, weight);
        if own.iter().sum::<f64>() <= 0.0 {
            return part.family.coordinates().iter().map(|c| c.mean).collect();
        }
        climb(self.target(part.family.as_ref(), &own, Accuracy::DRAFT), part.optimum.at.clone(), Effort::REFIT)
            .map_or_else(|| part.optimum.at.clone(), |o| o.at)
    }

    /// ln P(pattern) of every pattern with parts at these places.
    fn ln_patterns(&self, fitted: &Fitted, at: &[Vec<f64>]) -> Vec<f64> {
        let mut out = vec![0.0; self.patterns.len()];
        let mut space = Workspace::default();
        for (part, at) in fitted.parts.iter().zip(at) {
            let wanted: Vec<u32> =
                (0..self.patterns.len() as u32).filter(|&r| part.stratum.is_none_or(|s| self.patterns.stratum[r as usize] == s)).collect();
            part.family.place(at, Accuracy::FIT, &mut space.nodes);
            let ln = self.data.each(&wanted, &mut space, |n| part.family.logs(n));
            wanted.iter().zip(ln).for_each(|(&r, l)| out[r as usize] = l);
        }
        out
    }

    /// Posterior draws of every part; chains begin near the best place, each somewhere else.
    pub(crate) fn draw(&self, fitted: &Fitted, done: &(dyn Fn(u64) + Sync)) -> Result<Vec<Draws>> {
        let chains = self.plan.chains;
        let weights: Vec<Vec<f64>> = fitted.parts.iter().map(|p| self.patterns.within(p.stratum, &self.patterns.weight)).collect();
        let mut drawn = pieces("chains", fitted.parts.len() * chains, |i| {
            let (p, c) = (i / chains, i % chains);
            let part = &fitted.parts[p];
            let seed = Seed(self.seed.0 ^ (p as u64) << 32);
            let mut rng = seed.stream(Purpose::Chains, (1 << 32) + c as u64);
            let near = |(x, k): (&f64, &crate::model::Coordinate)| {
                let z: f64 = StandardNormal.sample(&mut rng);
                x + 0.1 * k.sd * z
            };
            let start: Vec<f64> = part.optimum.at.iter().zip(&part.family.coordinates()).map(near).collect();
            let density = OfFamily::new(self.target(part.family.as_ref(), &weights[p], Accuracy::DRAFT));
            chain(&density, &start, self.plan, seed, c, done)
        })
        .into_iter();
        let name = fitted.choice.name();
        let of = |part: &Part| {
            let mut draws = Draws::of(drawn.by_ref().take(chains), &name)?;
            draws.chains.iter_mut().flatten().for_each(|at| part.family.align(at, &part.optimum.at));
            Ok(draws)
        };
        fitted.parts.iter().map(of).collect()
    }

    /// What is reported of the model with parts at these places, mixed by `shares`: a summary, and ln β of every set asked for.
    pub(crate) fn read(&self, fitted: &Fitted, shares: &[f64], at: &[&[f64]], accuracy: Accuracy, nodes: &mut Nodes) -> Read {
        let parts: Vec<(f64, Summary, Vec<f64>)> = fitted
            .parts
            .iter()
            .zip(at)
            .zip(shares)
            .map(|((part, at), &share)| {
                part.family.place(at, accuracy, nodes);
                let (summary, sets) = self.read_nodes(nodes, |n| part.family.logs(n));
                (share, summary, sets)
            })
            .collect();
        if let [(_, summary, sets)] = &parts[..] {
            return (summary.clone(), sets.clone());
        }
        let total: f64 = parts.iter().map(|p| p.0).sum();
        let sets = (0..parts[0].2.len()).map(|s| ln_sum_exp(parts.iter().map(|p| (p.0 / total).ln() + p.2[s]))).collect();
        (Summary::union(&parts.into_iter().map(|(w, s, _)| (w, s)).collect::<Vec<_>>()), sets)
    }

    /// What is reported of placed nodes.
    fn read_nodes(&self, nodes: &mut Nodes, logs: impl Fn(&mut Nodes)) -> Read {
        let summary = Summary::of(nodes, self.pairs, &logs);
        let mut sets: Vec<f64> = self.sets.iter().map(|s| ln_all_fail(nodes, s, &logs)).collect();
        sets.extend(self.system.map(|s| s.mean_over(&nodes.p, &nodes.weight).ln()));
        (summary, sets)
    }

    /// The same for every draw, draw by draw over all chains.
    pub(crate) fn read_draws(&self, fitted: &Fitted, draws: &[Draws]) -> Vec<Read> {
        let lists: Vec<Vec<&Vec<f64>>> = draws.iter().map(|d| d.all().collect()).collect();
        let shares = fitted.shares();
        let one = |nodes: &mut Nodes, d: usize| {
            let at: Vec<&[f64]> = lists.iter().map(|l| l[d].as_slice()).collect();
            self.read(fitted, &shares, &at, Accuracy::DRAW, nodes)
        };
        in_blocks_with("readings of draws", lists[0].len(), READINGS, Nodes::default, one)
    }

    /// Nodes of draws `every` apart, all parts together.
    pub(crate) fn nodes_of(&self, fitted: &Fitted, draws: &[Draws], every: usize) -> Vec<NodeList> {
        let lists: Vec<Vec<&[f64]>> = draws.iter().map(|d| d.all().step_by(every).map(Vec::as_slice).collect()).collect();
        in_blocks("nodes of draws", lists[0].len(), FEW, |d| self.nodes_at(fitted, &lists.iter().map(|l| l[d]).collect::<Vec<_>>()))
    }

    /// Nodes with parts at these places.
    pub(crate) fn nodes_at(&self, fitted: &Fitted, at: &[&[f64]]) -> NodeList {
        let total: f64 = fitted.parts.iter().map(|p| p.share).sum();
        let mut nodes = Nodes::default();
        let mut out = NodeList::new();
        for (part, at) in fitted.parts.iter().zip(at) {
            part.family.place(at, Accuracy::REPORT, &mut nodes);
            let p = |z: usize| (0..nodes.layers).map(|i| nodes.p(i)[z]).collect();
            out.extend((0..nodes.used).map(|z| (part.share / total * nodes.weight[z], p(z))));
        }
        out
    }

    /// ln P(pattern) for draws `every` apart: one row a draw.
    pub(crate) fn ln_pattern_draws(&self, fitted: &Fitted, draws: &[Draws], every: usize) -> Vec<Vec<f64>> {
        let lists: Vec<Vec<&Vec<f64>>> = draws.iter().map(|d| d.all().step_by(every).collect()).collect();
        in_blocks("patterns under draws", lists[0].len(), FEW, |d| self.ln_patterns(fitted, &lists.iter().map(|l| l[d].clone()).collect::<Vec<_>>()))
    }

    /// The observed patterns as a law, and its Bayesian bootstrap over clusters (Rubin 1981). `None` without a complete pattern.
    pub(crate) fn empirical(&self, draws: usize) -> Option<(Summary, Vec<Read>)> {
        let (complete, nodes) = empirical(self.patterns)?;
        let read = |nodes: &mut Nodes, weight: &[f64]| {
            let total: f64 = complete.iter().map(|&r| weight[r]).sum();
            complete.iter().enumerate().for_each(|(z, &r)| nodes.weight[z] = weight[r] / total);
            self.read_nodes(nodes, Nodes::plain_logs)
        };
        let own = read(&mut nodes.clone(), &self.patterns.weight).0;
        let one = |nodes: &mut Nodes, d: usize| {
            let mut rng = self.seed.stream(Purpose::Weights, d as u64);
            let mut gamma = |shape: f64| Gamma::new(shape, 1.0).map_or(0.0, |g| g.sample(&mut rng));
            let mut weight = vec![0.0; self.patterns.len()];
            match &self.patterns.clusters {
                Clusters::None => weight.iter_mut().zip(&self.patterns.weight).for_each(|(o, &w)| *o = gamma(w)),
                Clusters::Of { members, .. } => {
                    for m in members {
                        let g = gamma(1.0);
                        m.iter().for_each(|&(r, w)| weight[r as usize] += g * w);
                    }
                }
            }
            read(nodes, &weight)
        };
        let list = in_blocks_with("weights of patterns", draws, READINGS, || nodes.clone(), one);
        Some((own, list))
    }
}

/// ln P(all of a set fail) at placed nodes.
fn ln_all_fail(nodes: &mut Nodes, set: &LayerSet, logs: impl Fn(&mut Nodes)) -> f64 {
    let n = nodes.len;
    let total: f64 = (0..n).map(|z| nodes.weight[z] * set.iter().map(|i| nodes.p[i * n + z]).product::<f64>()).sum();
    if total > 1e-290 {
        return total.ln();
    }
    if nodes.ln_p.is_empty() {
        logs(nodes);
    }
    let terms: Vec<f64> = (0..n).map(|z| nodes.weight[z].ln() + set.iter().map(|i| nodes.ln_p[i * n + z]).sum::<f64>()).collect();
    ln_sum_exp(terms.into_iter())
}
