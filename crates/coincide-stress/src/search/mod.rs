//! Adaptive search: one attacker against all layers, who learns from what it is shown.
//!
//! A search proposes sequences of operators for prompts of a goal, or a model writes prompts for it (`conversation`), and is shown what its [`Access`] allows. It runs in rounds: everything of a round is proposed before anything of it is shown, and
//! shown in one order. So a run is a function of the seed and of what the layers say, however many calls are in flight, and a run that is cut off goes on by proposing the same again.

mod access;
mod arm;
mod attacker;
mod bandit;
mod best_of_n;
mod conversation;
mod importance;
mod profile;
mod rainbow;
mod random;
mod record;
mod stack;

pub use access::{Access, Answer, Sees, View};
pub(crate) use access::{Heard, Nearness};
pub(crate) use attacker::Attacker;
#[cfg(fuzzing)]
pub(crate) use conversation::fuzz;
pub(crate) use conversation::{Asker, Line, Tally};
pub use profile::Profile;

use crate::operators::Operator;
use coincide::FailsWhen;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may be searched.
#[derive(Debug, Clone)]
pub struct Space {
    /// Operators.
    pub operators: Vec<&'static Operator>,
    /// Longest sequence.
    pub depth: usize,
    /// How often the deployment sees which sequence.
    pub profile: Profile,
    /// Which scores of each layer fail, where that is known; one entry a layer.
    pub sides: Vec<Option<FailsWhen>>,
}

impl Space {
    /// Random composition: every length from 1 alike, and every operator.
    fn even(&self) -> Profile {
        Profile::even(self.operators.len(), self.depth)
    }
}

/// A goal that is under attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// Its number.
    pub number: usize,
    /// How many prompts it has.
    pub prompts: usize,
    /// Its family's number.
    pub family: usize,
    /// Queries so far.
    pub tries: u64,
}

/// What to try: a prompt of the goal, and operators by their places in the space, the first innermost.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Which of the goal's prompts.
    pub prompt: usize,
    /// Operators.
    pub chain: Vec<usize>,
    /// What its chance says, where it is known: such queries measure a rate, and a goal is not left alone once it is beaten.
    pub drawn: Option<Drawn>,
}

/// A draw with a known chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// How much likelier it is under the profile than it was here.
    pub weight: f64,
    /// Whether it came from the profile itself.
    pub plain: bool,
}

/// A way to search.
pub trait Search: Send {
    /// What to try next on a goal.
    fn propose(&mut self, goal: Goal, rng: &mut ChaCha8Rng) -> Proposal;
    /// What an attempt showed.
    fn learn(&mut self, goal: Goal, tried: &Proposal, view: &View);
}

/// The searches by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchName {
    /// Random sequences of operators: what the others are compared with.
    Random,
    /// Many small random changes of the same prompt (Hughes et al. 2024).
    BestOfN,
    /// Thompson sampling over operators (Thompson 1933).
    Bandit,
    /// One layer after the other, keeping what beat the ones before.
    #[default]
    Stack,
    /// An archive of the best sequence for each operator and family, changed little by little (Samvelyan et al. 2024, after MAP-Elites).
    Rainbow,
    /// Importance sampling: seeks failures with known chances, and so says how rare they are under the profile (Kahn and Marshall 1953; learnt by cross-entropy, Rubinstein 1999).
    Importance,
    /// A model rewrites the prompt in the light of what came of it, in conversations side by side (Chao et al. 2023, algorithm 1).
    Pair,
    /// The same as a tree, of which the best leaves are kept and those that lost their goal are cut (Mehrotra et al. 2023, algorithm 1).
    Tap,
    /// A conversation with the target that begins harmlessly, in which refused turns are taken back (Russinovich et al. 2024, algorithm 1).
    Crescendo,
}

impl SearchName {
    /// All.
    pub const ALL: [SearchName; 9] = [
        SearchName::Random,
        SearchName::BestOfN,
        SearchName::Bandit,
        SearchName::Stack,
        SearchName::Rainbow,
        SearchName::Importance,
        SearchName::Pair,
        SearchName::Tap,
        SearchName::Crescendo,
    ];

    /// The word that campaigns and the command line use.
    pub fn word(self) -> &'static str {
        match self {
            SearchName::Random => "random",
            SearchName::BestOfN => "best_of_n",
            SearchName::Bandit => "bandit",
            SearchName::Stack => "stack",
            SearchName::Rainbow => "rainbow",
            SearchName::Importance => "importance",
            SearchName::Pair => "pair",
            SearchName::Tap => "tap",
            SearchName::Crescendo => "crescendo",
        }
    }

    /// Whether a model writes its prompts.
    pub fn converses(self) -> bool {
        matches!(self, SearchName::Pair | SearchName::Tap | SearchName::Crescendo)
    }

    /// A search over operators of this kind that knows nothing yet; `None` for those whose prompts a model writes.
    pub fn start(self, space: Space) -> Option<Box<dyn Search>> {
        Some(match self {
            SearchName::Random => Box::new(random::Random::new(&space)),
            SearchName::BestOfN => Box::new(best_of_n::BestOfN::new(&space)),
            SearchName::Bandit => Box::new(bandit::Bandit::new(space)),
            SearchName::Stack => Box::new(stack::Stack::new(space)),
            SearchName::Rainbow => Box::new(rainbow::Rainbow::new(space)),
            SearchName::Importance => Box::new(importance::Importance::new(space)),
            SearchName::Pair | SearchName::Tap | SearchName::Crescendo => return None,
        })
    }
}

impl std::str::FromStr for SearchName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || SearchName::ALL.map(SearchName::word).join(", ");
        SearchName::ALL.into_iter().find(|s| s.word() == text).ok_or_else(|| format!("there is no search `{text}`; there are {}", known()))
    }
}

#[cfg(test)]
mod planted;
