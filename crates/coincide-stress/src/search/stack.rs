//! Stacking: beat one layer, then the next, and keep what worked.
//!
//! For each goal there is a sequence that is kept. Operators are tried at its end, by Thompson sampling of whether they bring a goal farther; one that lets the query come farther is kept. Where every
//! layer shows its verdict, farther means one more layer without losing another, so the numbers of queries that layers need add up. Where only the pipeline's block is seen nothing shows that a
//! query came farther: what is left is trying sequences, and the numbers multiply.

use super::arm::Arm;
use super::{Goal, Nearness, Profile, Proposal, Search, Space, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

/// How far the attack on one goal has come.
#[derive(Debug, Clone, Default)]
struct Kept {
    prompt: usize,
    /// The sequence that is kept.
    chain: Vec<usize>,
    /// How near it came; `None` where it was not asked yet.
    near: Option<f64>,
    /// Operators that were tried at its end.
    tried: Vec<usize>,
    /// Whether anything has shown how near a query came.
    known: bool,
}

pub(super) struct Stack {
    even: Profile,
    space: Space,
    nearness: Nearness,
    goals: FxHashMap<usize, Kept>,
    /// Whether an operator brings a goal farther.
    brings: Vec<Arm>,
}

impl Stack {
    pub(super) fn new(space: Space) -> Self {
        Stack {
            nearness: Nearness::new(space.sides.clone()),
            goals: FxHashMap::default(),
            brings: vec![Arm::NEW; space.operators.len()],
            even: space.even(),
            space,
        }
    }
}

/// Of the operators `free`, of which there is one at least, that with the largest draw.
fn promising(brings: &[Arm], free: &[usize], rng: &mut ChaCha8Rng) -> usize {
    let drawn = free.iter().map(|&o| (brings[o].draw(rng), o));
    drawn.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |d| d.1)
}

impl Search for Stack {
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal {
        let fresh = |rng: &mut ChaCha8Rng| Kept { prompt: rng.random_range(0..goal.prompts), ..Kept::default() };
        let kept = self.goals.entry(goal.number).or_insert_with(|| fresh(rng));
        let ask =
            |kept: &Kept, last: Option<usize>| Proposal { prompt: kept.prompt, chain: kept.chain.iter().copied().chain(last).collect(), drawn: None };
        if goal.tries == 0 {
            // The prompt as it is: what the layers say to that is what there is to beat.
            return ask(kept, None);
        }
        if !kept.known {
            // Nothing is shown that could be kept.
            return Proposal { prompt: rng.random_range(0..goal.prompts), chain: self.even.draw(rng), drawn: None };
        }
        let operators = self.space.operators.len();
        let free = |kept: &Kept| -> Vec<usize> { (0..operators).filter(|o| !kept.chain.contains(o) && !kept.tried.contains(o)).collect() };
        if kept.near.is_some() && (kept.chain.len() >= self.space.depth || free(kept).is_empty()) {
            // A dead end: begin again somewhere else, from as many operators as leave one to try; from none only where that may be another prompt. Every other time from anywhere: what brings
            // something alone need not be part of what brings everything.
            let most = (self.space.depth - 1).min(operators - 1);
            let length = rng.random_range(usize::from(goal.prompts == 1).min(most)..=most);
            let anywhere = rng.random_bool(0.5);
            let mut chain: Vec<usize> = Vec::with_capacity(length);
            while chain.len() < length {
                let left: Vec<usize> = (0..operators).filter(|o| !chain.contains(o)).collect();
                chain.push(if anywhere { left[rng.random_range(0..left.len())] } else { promising(&self.brings, &left, rng) });
            }
            *kept = Kept { chain, known: true, ..fresh(rng) };
        }
        if kept.near.is_none() {
            return ask(kept, None);
        }
        let next = promising(&self.brings, &free(kept), rng);
        kept.tried.push(next);
        ask(kept, Some(next))
    }

    fn learn(&mut self, goal: Goal, tried: &Proposal, view: &View) {
        let near = self.nearness.of(view);
        let Some(kept) = self.goals.get_mut(&goal.number) else { return };
        kept.known |= view.layers.iter().any(|l| l.failed.is_some());
        if !kept.known || kept.prompt != tried.prompt {
            // It was drawn where nothing is shown.
            return;
        }
        if tried.chain == kept.chain {
            kept.near = Some(near);
            return;
        }
        // What is no longer than what is kept was drawn before anything was shown.
        let (Some(before), Some((&last, rest))) = (kept.near, tried.chain.split_last()) else { return };
        if rest != kept.chain {
            return;
        }
        let farther = near > before + 1e-12;
        self.brings[last].see(f64::from(u8::from(farther)));
        if farther {
            kept.chain.clone_from(&tried.chain);
            kept.near = Some(near);
            kept.tried.clear();
        }
    }
}
