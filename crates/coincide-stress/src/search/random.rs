//! Random sequences of operators, of every length alike.

use super::{Goal, Proposal, Search, Space, View};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

pub(super) struct Random {
    space: Space,
}

impl Random {
    pub(super) fn new(space: Space) -> Self {
        Random { space }
    }
}

/// A sequence of different operators of a length drawn evenly.
pub(super) fn chain(space: &Space, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let length = rng.random_range(1..=space.depth.min(space.operators.len()));
    let mut all: Vec<usize> = (0..space.operators.len()).collect();
    all.partial_shuffle(rng, length).0.to_vec()
}

impl Search for Random {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        Proposal { prompt: rng.random_range(0..goal.prompts), chain: chain(&self.space, rng) }
    }
    fn learn(&mut self, _: Goal, _: &Proposal, _: &View) {}
}
