//! Best-of-N: the same prompt again and again, each time with other small changes.
//!
//! Hughes et al. (2024, *Best-of-N Jailbreaking*) scramble words, change capitals and disturb characters, each with probability σ^½, σ = 0.4. Here the small changes are `char_swap`,
//! `insert_punctuation` and `random_capitals`, which draw anew each time; without any of them among the campaign's operators, all of those.

use super::{Goal, Proposal, Search, Space, View};
use rand::Rng;
use rand::seq::SliceRandom;
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
        BestOfN { small, depth: space.depth }
    }
}

impl Search for BestOfN {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let prompt = (goal.tries % goal.prompts as u64) as usize;
        let mut chain: Vec<usize> = self.small.iter().copied().filter(|_| rng.random_bool(CHANCE)).collect();
        if chain.len() > self.depth {
            // Which are left out is drawn too; the order stays.
            chain.partial_shuffle(rng, self.depth);
            chain.truncate(self.depth);
            chain.sort_unstable();
        }
        Proposal { prompt, chain, drawn: None }
    }
    fn learn(&mut self, _: Goal, _: &Proposal, _: &View) {}
}
