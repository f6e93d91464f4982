//! Random sequences of operators, of every length alike.

use super::{Goal, Profile, Proposal, Search, Space, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) struct Random {
    even: Profile,
}

impl Random {
    pub(super) fn new(space: &Space) -> Self {
        Random { even: space.even() }
    }
}

impl Search for Random {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        Proposal { prompt: rng.random_range(0..goal.prompts), chain: self.even.draw(rng), drawn: None }
    }
    fn learn(&mut self, _: Goal, _: &Proposal, _: &View) {}
}
