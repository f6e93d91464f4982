//! Rainbow: an archive of the best sequences, one for each operator and family, and little changes of them.
//!
//! Quality-diversity search (MAP-Elites, Mouret and Clune 2015; for attacks Samvelyan et al. 2024, *Rainbow Teaming*): a proposal changes a sequence of the archive by adding, replacing, dropping
//! or moving an operator, and takes the place of the sequence in its cell if it came as near or nearer. The cell is the outermost operator and the goal's family. Here nothing needs a language model.

use super::{Goal, Nearness, Profile, Proposal, Search, Space, View};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// How often something new is tried instead of a change.
const NEW: f64 = 0.1;

pub(super) struct Rainbow {
    even: Profile,
    space: Space,
    nearness: Nearness,
    /// (family, outermost operator) → how near, and the sequence.
    archive: BTreeMap<(usize, usize), (f64, Vec<usize>)>,
}

impl Rainbow {
    pub(super) fn new(space: Space) -> Self {
        Rainbow { nearness: Nearness::new(space.sides.clone()), archive: BTreeMap::new(), even: space.even(), space }
    }

    /// A sequence of the archive: the better of two, of the goal's family if there are any.
    fn parent(&self, family: usize, rng: &mut ChaCha8Rng) -> Option<&Vec<usize>> {
        let own: Vec<_> = self.archive.range((family, 0)..=(family, usize::MAX)).map(|(_, e)| e).collect();
        let all: Vec<_> = if own.is_empty() || rng.random_bool(0.2) { self.archive.values().collect() } else { own };
        let (a, b) = (all.choose(rng)?, all.choose(rng)?);
        Some(if a.0 >= b.0 { &a.1 } else { &b.1 })
    }

    fn changed(&self, parent: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut chain = parent.to_vec();
        let free: Vec<usize> = (0..self.space.operators.len()).filter(|o| !chain.contains(o)).collect();
        let new = free.choose(rng).copied();
        match (rng.random_range(0..4), new) {
            (0 | 1, Some(o)) if chain.len() < self.space.depth => {
                let at = rng.random_range(0..=chain.len());
                chain.insert(at, o);
            }
            (2, _) if chain.len() > 1 => {
                let (from, to) = (rng.random_range(0..chain.len()), rng.random_range(0..chain.len()));
                if from == to {
                    chain.remove(from);
                } else {
                    chain.swap(from, to);
                }
            }
            (_, Some(o)) => {
                let at = rng.random_range(0..chain.len());
                chain[at] = o;
            }
            _ => {}
        }
        chain
    }
}

impl Search for Rainbow {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let prompt = rng.random_range(0..goal.prompts);
        let new = rng.random_bool(NEW);
        let chain = match self.parent(goal.family, rng).cloned() {
            Some(parent) if !new => self.changed(&parent, rng),
            _ => self.even.draw(rng),
        };
        Proposal { prompt, chain, drawn: None }
    }

    fn learn(&mut self, goal: Goal, tried: &Proposal, view: &View) {
        let (Some(&last), Some(_)) = (tried.chain.last(), view.through) else { return };
        let near = self.nearness.of(view);
        let best = self.archive.entry((goal.family, last)).or_insert_with(|| (near, tried.chain.clone()));
        if near >= best.0 {
            *best = (near, tried.chain.clone());
        }
    }
}
