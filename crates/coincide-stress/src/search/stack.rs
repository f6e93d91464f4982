//! Stacking: beat one layer, then the next, and keep what worked.
//!
//! For each goal there is a sequence that is kept. Operators are tried at its end, those first that have brought something on other goals; one that lets the query come farther is kept. Where every
//! layer shows its verdict, farther means one more layer without losing another, so the numbers of queries that layers need add up. Where only the pipeline's block is seen nothing shows that a
//! query came farther: what is left is trying sequences, and the numbers multiply.

use super::profile::pick;
use super::{Goal, Nearness, Profile, Proposal, Search, Space, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

/// How far the attack on one goal has come.
#[derive(Debug, Clone, Default)]
struct Kept {
    prompt: usize,
    chain: Vec<usize>,
    /// How near the sequence came; where it was only put there to begin again, how near the prompts come as they are.
    near: f64,
    /// How near the prompt came as it was.
    plain: f64,
    /// Operators that were tried at its end.
    tried: Vec<usize>,
    /// Whether anything has shown how near it came.
    known: bool,
    /// How often it began again.
    again: usize,
}

pub(super) struct Stack {
    even: Profile,
    space: Space,
    nearness: Nearness,
    goals: FxHashMap<usize, Kept>,
    /// How often an operator brought a goal farther.
    brought: Vec<u64>,
}

impl Stack {
    pub(super) fn new(space: Space) -> Self {
        Stack {
            nearness: Nearness::new(space.sides.clone()),
            goals: FxHashMap::default(),
            brought: vec![0; space.operators.len()],
            even: space.even(),
            space,
        }
    }
}

impl Search for Stack {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let fresh = |rng: &mut ChaCha8Rng| Kept { prompt: rng.random_range(0..goal.prompts), ..Kept::default() };
        let kept = self.goals.entry(goal.number).or_insert_with(|| fresh(rng));
        if goal.tries == 0 {
            // The prompt as it is: what the layers say to that is what there is to beat.
            return Proposal { prompt: kept.prompt, chain: Vec::new(), drawn: None };
        }
        if !kept.known {
            // Nothing is shown that could be kept.
            return Proposal { prompt: rng.random_range(0..goal.prompts), chain: self.even.draw(rng), drawn: None };
        }
        let free =
            |kept: &Kept| -> Vec<usize> { (0..self.space.operators.len()).filter(|o| !kept.chain.contains(o) && !kept.tried.contains(o)).collect() };
        // Those that have brought something more often than others.
        let weight = |o: usize| 1.0 + self.brought[o] as f64;
        if kept.chain.len() >= self.space.depth || free(kept).is_empty() {
            // A dead end: begin again somewhere else, each time from one operator more, as far as that leaves one to try.
            let length = (kept.again + 1).min(self.space.depth.saturating_sub(1)).min(self.space.operators.len().saturating_sub(1));
            let mut chain: Vec<usize> = Vec::with_capacity(length);
            while chain.len() < length {
                let left: Vec<usize> = (0..self.space.operators.len()).filter(|o| !chain.contains(o)).collect();
                chain.push(pick(&left, weight, rng));
            }
            *kept = Kept { chain, near: kept.plain, plain: kept.plain, known: true, again: kept.again + 1, ..fresh(rng) };
        }
        let next = pick(&free(kept), weight, rng);
        kept.tried.push(next);
        Proposal { prompt: kept.prompt, chain: kept.chain.iter().copied().chain([next]).collect(), drawn: None }
    }

    fn learn(&mut self, goal: Goal, tried: &Proposal, view: &View) {
        let near = self.nearness.of(view);
        let shown = view.layers.iter().any(|l| l.failed.is_some());
        let Some(kept) = self.goals.get_mut(&goal.number) else { return };
        kept.known |= shown;
        if goal.tries == 0 {
            (kept.near, kept.plain) = (near, near);
            return;
        }
        // A prompt that is not the kept one was drawn where nothing is shown.
        if kept.prompt != tried.prompt || near <= kept.near + 1e-12 {
            return;
        }
        if let Some(&last) = tried.chain.last() {
            self.brought[last] += 1;
        }
        kept.chain.clone_from(&tried.chain);
        kept.near = near;
        kept.tried.clear();
    }
}
