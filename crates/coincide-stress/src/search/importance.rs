//! Importance sampling: queries are drawn where failures are, with known chances, so that they also say how rare failures are under the profile.
//!
//! The proposal is αp + (1 − α)q̂, α = 0.2: one query in five comes from the profile p itself, so that nothing weighs more than five of its queries and what q̂ does not reach is seen at all. q̂ is
//! learnt by the cross-entropy method (Rubinstein 1999; de Boer, Kroese, Mannor and Rubinstein 2005): it has the frequencies, weighted by p/q, of lengths and operators among the queries that came
//! farthest. How far is the number of layers that are seen to fail; the level rises as soon as enough queries reach it, and ends where the goal of all layers does. Families have their own frequencies as far as they
//! have seen enough, else those of all. Every proposal depends on earlier answers only, so each weight is right whatever was learnt.

use super::{Drawn, Goal, Profile, Proposal, Search, Space, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// How often the profile itself is drawn from.
const PLAIN: f64 = 0.2;
/// Equal weights that a level must be worth before anything is learnt from it.
const ENOUGH: f64 = 20.0;
/// Queries that those of all families count as beside a family's own, and operators anywhere in a sequence beside those at a place.
const POOLED: f64 = 20.0;
/// How much of the profile stays in what is learnt.
const KEPT: f64 = 0.05;
/// Queries after which what was learnt is put to use.
const EVERY: u64 = 64;

/// Weighted counts of the queries that came equally far.
#[derive(Debug, Clone)]
struct Counts {
    weight: f64,
    square: f64,
    lengths: Vec<f64>,
    /// Place × operator.
    places: Vec<Vec<f64>>,
}

impl Counts {
    fn none(p: &Profile) -> Counts {
        let places = p.places.iter().map(|o| vec![0.0; o.len()]).collect();
        Counts { weight: 0.0, square: 0.0, lengths: vec![0.0; p.lengths.len()], places }
    }

    fn see(&mut self, chain: &[usize], weight: f64) {
        self.weight += weight;
        self.square += weight * weight;
        self.lengths[chain.len()] += weight;
        chain.iter().zip(&mut self.places).for_each(|(&o, place)| place[o] += weight);
    }

    fn add(&mut self, other: &Counts) {
        self.weight += other.weight;
        self.square += other.square;
        self.lengths.iter_mut().zip(&other.lengths).for_each(|(a, b)| *a += b);
        self.places.iter_mut().flatten().zip(other.places.iter().flatten()).for_each(|(a, b)| *a += b);
    }

    /// Queries of equal weight that these are worth (Kish).
    fn worth(&self) -> f64 {
        if self.square > 0.0 { self.weight * self.weight / self.square } else { 0.0 }
    }
}

/// The frequencies of `counts`, which are worth so many queries, beside `prior`, which counts as `pooled`.
fn mixed(counts: &[f64], worth: f64, prior: &[f64], pooled: f64) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    let own = |c: f64| if total > 0.0 { c / total * worth } else { 0.0 };
    let all = pooled + if total > 0.0 { worth } else { 0.0 };
    counts.iter().zip(prior).map(|(&c, p)| (own(c) + pooled * p) / all).collect()
}

/// Weights of operators wherever they stand.
fn anywhere(places: &[Vec<f64>]) -> Vec<f64> {
    let operators = places.first().map_or(0, Vec::len);
    (0..operators).map(|o| places.iter().map(|place| place[o]).sum()).collect()
}

pub(super) struct Importance {
    profile: Profile,
    /// How often the profile has each operator, wherever it stands.
    prior: Vec<f64>,
    /// (layers seen to fail, family) → what was seen; got through: one more than all layers.
    seen: BTreeMap<(usize, usize), Counts>,
    learnt: BTreeMap<usize, Profile>,
    all: Option<Profile>,
    tries: u64,
}

impl Importance {
    pub(super) fn new(space: Space) -> Self {
        let weights = anywhere(&space.profile.places);
        let sum: f64 = weights.iter().sum();
        // No place, no operator.
        let prior = weights.iter().map(|w| if sum > 0.0 { w / sum } else { 0.0 }).collect();
        Importance { profile: space.profile, prior, seen: BTreeMap::new(), learnt: BTreeMap::new(), all: None, tries: 0 }
    }

    /// What is drawn for a family, beside the profile.
    fn proposal(&self, family: usize) -> Option<&Profile> {
        self.learnt.get(&family).or(self.all.as_ref())
    }

    /// Counts of the queries that came farthest: the highest level that enough reached.
    fn farthest(&self) -> Option<(usize, Counts)> {
        let mut sum = Counts::none(&self.profile);
        let levels: Vec<usize> = self.seen.keys().map(|k| k.0).rev().collect();
        for level in levels.chunk_by(|a, b| a == b).map(|c| c[0]) {
            // Where nothing failed there is nothing to learn.
            if level == 0 {
                return None;
            }
            self.seen.range((level, 0)..=(level, usize::MAX)).for_each(|(_, c)| sum.add(c));
            if sum.worth() >= ENOUGH {
                return Some((level, sum));
            }
        }
        None
    }

    fn learn_anew(&mut self) {
        let Some((level, sum)) = self.farthest() else { return };
        let (p, prior) = (&self.profile, &self.prior);
        let beside = |learnt: Vec<f64>, p: &[f64]| learnt.iter().zip(p).map(|(x, p)| (1.0 - KEPT) * x + KEPT * p).collect();
        let fit = |counts: &Counts, lengths: &[f64], operators: &[f64]| -> (Profile, Vec<f64>) {
            let worth = counts.worth();
            let own = mixed(&anywhere(&counts.places), worth, operators, POOLED);
            let place = |c: &Vec<f64>| mixed(c, worth * c.iter().sum::<f64>() / counts.weight.max(f64::MIN_POSITIVE), &own, POOLED);
            let places = counts.places.iter().map(|c| beside(place(c), prior)).collect();
            (Profile { lengths: beside(mixed(&counts.lengths, worth, lengths, POOLED), &p.lengths), places }, own)
        };
        let (all, operators) = fit(&sum, &p.lengths, prior);
        let mut families: BTreeMap<usize, Counts> = BTreeMap::new();
        for ((_, family), counts) in self.seen.range((level, 0)..) {
            families.entry(*family).or_insert_with(|| Counts::none(p)).add(counts);
        }
        self.learnt = families.into_iter().map(|(f, counts)| (f, fit(&counts, &all.lengths, &operators).0)).collect();
        self.all = Some(all);
    }
}

impl Search for Importance {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let prompt = rng.random_range(0..goal.prompts);
        let learnt = self.proposal(goal.family);
        let plain = rng.random_bool(PLAIN) || learnt.is_none();
        let chain = learnt.filter(|_| !plain).unwrap_or(&self.profile).draw(rng);
        let p = self.profile.probability(&chain);
        let q = learnt.map_or(p, |l| PLAIN * p + (1.0 - PLAIN) * l.probability(&chain));
        Proposal { prompt, chain, drawn: Some(Drawn { weight: p / q, plain }) }
    }

    fn learn(&mut self, goal: Goal, tried: &Proposal, view: &View) {
        let failed = view.layers.iter().filter(|l| l.failed == Some(true)).count();
        let level = if view.through == Some(true) { view.layers.len() + 1 } else { failed };
        let weight = tried.drawn.map_or(1.0, |d| d.weight);
        let profile = &self.profile;
        self.seen.entry((level, goal.family)).or_insert_with(|| Counts::none(profile)).see(&tried.chain, weight);
        self.tries += 1;
        if self.tries.is_multiple_of(EVERY) {
            self.learn_anew();
        }
    }
}
