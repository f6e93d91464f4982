//! Searches whose prompts a model writes: `pair`, `tap` and `crescendo`.
//!
//! A [`Tree`] is one such conversation about one prompt of a goal, with its branches. It says what to send next, all of it at once, as the papers do, and learns what was seen of each. Every reply of the
//! attacker's model is journalled under its place in the tree, so that a run which was cut off goes on with the same words.

mod asker;
mod crescendo;
mod pair;
mod tap;
mod words;

pub(crate) use asker::{Asker, Tally};

use super::SearchName;
use crate::campaign::AttackerSpec;
use crate::layer::{Message, Role};
use coincide::Seed;
use futures_util::future::BoxFuture;

/// The readers of what an attacker's models say.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(words::prompt_in(&text).is_none_or(|p| !p.trim().is_empty()));
    let _ = words::says_no(&text);
}

/// Exchanges that a model which rewrites one prompt is shown again.
const SHOWN: usize = 4;

/// A prompt to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Its place in the tree: `2.1` is the first child of the root's second.
    pub node: String,
    pub prompt: String,
    /// What was said to the target before.
    pub history: Vec<Message>,
}

/// What the attacker sees of a prompt that was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// How near it came, from 0 to 1; `None` where nothing is shown.
    pub near: Option<f64>,
    /// The target's answer.
    pub response: Option<String>,
    /// The target refused.
    pub refused: bool,
    /// What the layers did, in words.
    pub layers: String,
}

/// A conversation about one prompt of a goal.
pub(crate) trait Tree: Send {
    /// What to send next; nothing at the end. `None` when the attacker's model cannot be asked.
    fn wave<'a>(&'a mut self, ask: &'a Asker<'a>) -> BoxFuture<'a, Option<Vec<Line>>>;
    /// How many prompts the next wave has at most.
    fn most(&self) -> usize;
    /// What was seen of the `i`-th prompt of the last wave.
    fn learn(&mut self, i: usize, shown: Shown);
}

/// Sizes of the trees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub streams: usize,
    pub branching: usize,
    pub width: usize,
    pub depth: usize,
    pub backtracks: usize,
}

impl Sizes {
    /// As the campaign says, else as the papers do.
    pub(crate) fn of(search: SearchName, spec: &AttackerSpec) -> Sizes {
        let depth = if search == SearchName::Pair { 3 } else { 10 };
        Sizes {
            streams: spec.streams.unwrap_or(20),
            branching: spec.branching.unwrap_or(4),
            width: spec.width.unwrap_or(10),
            depth: spec.depth.unwrap_or(depth),
            backtracks: spec.backtracks.unwrap_or(10),
        }
    }
}

/// What is being talked about, and under which name its replies are journalled.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    /// Distinct for every prompt of every goal.
    pub key: String,
    /// The prompt that the goal came with.
    pub objective: String,
}

/// The conversations about one goal: its prompts one after the other.
pub(crate) struct Talk {
    search: SearchName,
    sizes: Sizes,
    seed: Seed,
    goal: usize,
    objectives: Vec<String>,
    /// Which of them it is about.
    pub at: usize,
    tree: Option<Box<dyn Tree>>,
}

impl Talk {
    pub(crate) fn new(search: SearchName, sizes: Sizes, seed: Seed, goal: usize, objectives: Vec<String>) -> Talk {
        let mut talk = Talk { search, sizes, seed, goal, objectives, at: 0, tree: None };
        talk.tree = talk.plant();
        talk
    }

    fn plant(&self) -> Option<Box<dyn Tree>> {
        let objective = self.objectives.get(self.at)?.clone();
        let topic = Topic { key: format!("{}/{}", self.goal, self.at), objective };
        match self.search {
            SearchName::Pair => Some(Box::new(pair::Pair::new(topic, self.sizes))),
            SearchName::Tap => Some(Box::new(tap::Tap::new(topic, self.sizes, self.seed))),
            SearchName::Crescendo => Some(Box::new(crescendo::Crescendo::new(topic, self.sizes))),
            _ => None,
        }
    }

    /// How many prompts the next wave has at most.
    pub(crate) fn most(&self) -> usize {
        self.tree.as_ref().map_or(0, |t| t.most())
    }

    /// What to send next; nothing when all is said. `None` when the attacker's model cannot be asked.
    pub(crate) async fn wave(&mut self, ask: &Asker<'_>) -> Option<Vec<Line>> {
        loop {
            let Some(tree) = &mut self.tree else { return Some(Vec::new()) };
            let wave = tree.wave(ask).await?;
            if !wave.is_empty() {
                return Some(wave);
            }
            self.at += 1;
            self.tree = self.plant();
        }
    }

    /// What was seen of the `i`-th prompt of the last wave.
    pub(crate) fn learn(&mut self, i: usize, shown: Shown) {
        if let Some(tree) = &mut self.tree {
            tree.learn(i, shown);
        }
    }
}

/// What was said between a search and its model.
#[derive(Debug, Clone)]
struct Notes {
    system: String,
    first: String,
    /// How many of the exchanges the model is shown again, the last ones.
    shown: usize,
    /// What the model said, and what it was told of it.
    exchanges: Vec<(String, String)>,
}

impl Notes {
    fn new(system: String, first: String, shown: usize) -> Notes {
        Notes { system, first, shown, exchanges: Vec::new() }
    }

    /// Takes down what the model said, and what it is told of it.
    fn add(&mut self, said: String, told: String) {
        self.exchanges.push((said, told));
        if self.exchanges.len() > self.shown {
            self.exchanges.remove(0);
        }
    }

    /// What the model is shown: its task, and the last exchanges.
    fn messages(&self) -> Vec<Message> {
        let mut out = vec![Message::new(Role::System, &self.system), Message::new(Role::User, &self.first)];
        for (said, told) in &self.exchanges {
            out.extend([Message::new(Role::Assistant, said), Message::new(Role::User, told)]);
        }
        out
    }
}
