//! Thompson sampling over operators and lengths.
//!
//! Every operator and every length has a Beta posterior of being part of a sequence that succeeds; a length and then the operators with the largest draws are tried (Thompson 1933). What has not
//! got through counts by how near it is seen to have come.

use super::arm::{Arm, largest};
use super::{Goal, Nearness, Proposal, Search, Space, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) struct Bandit {
    operators: Vec<Arm>,
    lengths: Vec<Arm>,
    nearness: Nearness,
}

impl Bandit {
    pub(super) fn new(space: Space) -> Self {
        let depth = space.depth.min(space.operators.len());
        Bandit { operators: vec![Arm::NEW; space.operators.len()], lengths: vec![Arm::NEW; depth], nearness: Nearness::new(space.sides) }
    }
}

impl Search for Bandit {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let length = largest(&self.lengths, 1, rng).first().map_or(1, |l| l + 1);
        Proposal { prompt: rng.random_range(0..goal.prompts), chain: largest(&self.operators, length, rng), drawn: None }
    }

    fn learn(&mut self, _: Goal, tried: &Proposal, view: &View) {
        if view.through.is_none() {
            return;
        }
        let near = self.nearness.of(view);
        tried.chain.iter().for_each(|&o| self.operators[o].see(near));
        if let Some(length) = tried.chain.len().checked_sub(1) {
            self.lengths[length].see(near);
        }
    }
}
