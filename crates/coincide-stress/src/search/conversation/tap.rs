//! TAP: a tree of prompts that is cut twice a level (Mehrotra et al. 2023, arXiv:2312.02119, algorithm 1): every leaf gets `branching` children, those that lost the goal are cut before they
//! are sent, and of the others the `width` that came nearest are kept.

use super::asker::Asker;
use super::words::{begin, feedback, task};
use super::{Line, Notes, SHOWN, Shown, Sizes, Topic, Tree};
use coincide::{Purpose, Seed};
use futures_util::future::{BoxFuture, join_all};
use rand::seq::SliceRandom;

pub(super) struct Tap {
    topic: Topic,
    sizes: Sizes,
    seed: Seed,
    level: usize,
    leaves: Vec<Leaf>,
}

struct Leaf {
    node: String,
    notes: Notes,
    near: f64,
}

impl Tap {
    pub(super) fn new(topic: Topic, sizes: Sizes, seed: Seed) -> Tap {
        let root = Leaf { node: String::new(), notes: Notes::new(task(&topic, None), begin(&topic), SHOWN), near: 0.0 };
        Tap { topic, sizes, seed, level: 0, leaves: vec![root] }
    }

    /// Keeps the leaves that came nearest; which of several that came as near is left to chance.
    fn cut(&mut self) {
        if self.leaves.len() <= self.sizes.width {
            return;
        }
        let stream = self.topic.key.bytes().fold(self.level as u64, |h, b| h.wrapping_mul(257).wrapping_add(u64::from(b)));
        self.leaves.shuffle(&mut self.seed.stream(Purpose::Search, stream | 1 << 63));
        self.leaves.sort_by(|a, b| b.near.total_cmp(&a.near));
        self.leaves.truncate(self.sizes.width);
        let place = |l: &Leaf| -> Vec<usize> { l.node.split('.').filter_map(|p| p.parse().ok()).collect() };
        self.leaves.sort_by_cached_key(place);
    }
}

/// A child of a leaf; none where the model writes no prompt, or one that lost the goal.
async fn child(topic: &Topic, of: &Leaf, branch: usize, ask: &Asker<'_>) -> Option<Option<(Leaf, Line)>> {
    let node = if of.node.is_empty() { branch.to_string() } else { format!("{}.{branch}", of.node) };
    let Some((reply, prompt)) = ask.prompt(topic, &node, &of.notes).await? else { return Some(None) };
    if !ask.on_topic(topic, &node, &prompt).await? {
        return Some(None);
    }
    let mut notes = of.notes.clone();
    notes.add(reply, String::new());
    let line = Line { node: node.clone(), prompt, history: Vec::new() };
    Some(Some((Leaf { node, notes, near: 0.0 }, line)))
}

impl Tree for Tap {
    fn wave<'a>(&'a mut self, ask: &'a Asker<'a>) -> BoxFuture<'a, Option<Vec<Line>>> {
        Box::pin(async move {
            if self.level == self.sizes.depth {
                return Some(Vec::new());
            }
            self.cut();
            self.level += 1;
            let topic = &self.topic;
            let children = self.leaves.iter().flat_map(|leaf| (1..=self.sizes.branching).map(move |b| child(topic, leaf, b, ask)));
            let grown: Vec<Option<(Leaf, Line)>> = join_all(children).await.into_iter().collect::<Option<_>>()?;
            let (leaves, lines) = grown.into_iter().flatten().unzip();
            self.leaves = leaves;
            Some(lines)
        })
    }

    fn most(&self) -> usize {
        self.leaves.len().min(self.sizes.width) * self.sizes.branching
    }

    fn learn(&mut self, i: usize, shown: Shown) {
        let leaf = &mut self.leaves[i];
        leaf.near = shown.near.unwrap_or(0.0);
        if let Some(last) = leaf.notes.exchanges.last_mut() {
            last.1 = feedback(&self.topic, &shown);
        }
    }
}
