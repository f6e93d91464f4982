//! Best-of-N: the same prompt again and again, each time with other small changes.
//!
//! Hughes et al. (2024, *Best-of-N Jailbreaking*) scramble words, change capitals and disturb characters, each with probability σ^½, σ = 0.4. Here the small changes are the operators of the
//! group `character` that draw; without any among the campaign's, all of its operators.

use super::{Goal, Proposal, Search, Space, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// √0.4.
const CHANCE: f64 = 0.632_455_532_033_675_9;

pub(super) struct BestOfN {
    small: Vec<usize>,
    depth: usize,
}

impl BestOfN {
    pub(super) fn new(space: &Space) -> Self {
        let draws = ["char_swap", "insert_punctuation", "random_capitals"];
        let small: Vec<usize> = (0..space.operators.len()).filter(|&i| draws.contains(&space.operators[i].name)).collect();
        let small = if small.is_empty() { (0..space.operators.len()).collect() } else { small };
        BestOfN { small, depth: space.depth.max(draws.len()) }
    }
}

impl Search for BestOfN {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let prompt = (goal.tries % goal.prompts as u64) as usize;
        let mut chain: Vec<usize> = self.small.iter().copied().filter(|_| rng.random_bool(CHANCE)).collect();
        chain.truncate(self.depth);
        Proposal { prompt, chain }
    }
    fn learn(&mut self, _: Goal, _: &Proposal, _: &View) {}
}
