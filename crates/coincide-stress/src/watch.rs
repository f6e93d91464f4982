//! The rate at which all layers fail, watched while the campaign runs.
//!
//! Goals are taken in the order of the run, each once all of its trials are finished, so that neither fast layers nor concurrency choose what is counted. A goal
//! counts as one unit with value x = the share of its attacks that beat every layer; the interval is the beta-binomial mixture sequence of
//! [`coincide::confidence_sequence`], which for values in [0, 1] with mean β stays a test supermartingale (the likelihood ratio (q/β)^x((1−q)/(1−β))^(1−x) is at
//! most xq/β + (1−x)(1−q)/(1−β), by the weighted arithmetic–geometric inequality, and that has mean 1). It holds at every moment at once: the run may be stopped
//! because of it. Queries of an adaptive search are watched apart: there the interval is about the running mean of a rate that changes with what the attacker has learnt. It ends at the first trial that is not settled. A trial whose missing cells leave open whether all failed counts as 0 for the lower limit and as 1 for the upper.

use coincide::{Label, confidence_sequence, running_mean_sequence};
use coincide_io::{Watched, WatchedFamily, WatchedPoint, WatchedSearch};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Whether every layer failed on a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// Every layer failed.
    Failed,
    /// Some layer held.
    Held,
    /// Missing cells leave it open.
    Open,
}

impl Joint {
    /// From whether each layer failed, which is open where it gave no outcome.
    pub(crate) fn of(failed: impl Iterator<Item = Option<bool>>) -> Joint {
        let mut joint = Joint::Failed;
        for layer in failed {
            match layer {
                Some(false) => return Joint::Held,
                Some(true) => {}
                None => joint = Joint::Open,
            }
        }
        joint
    }

    /// Whether all failed, where that is known.
    pub(crate) fn failed(self) -> Option<bool> {
        match self {
            Joint::Failed => Some(true),
            Joint::Held => Some(false),
            Joint::Open => None,
        }
    }
}

/// A finished trial, for the watch.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Place in the order of the run, from 0 without gaps.
    pub at: u64,
    /// Index of its family; none where it has none.
    pub family: Option<u16>,
    /// What it is.
    pub label: Label,
    /// What happened.
    pub joint: Joint,
    /// Whether it beat every layer and is no benign prompt.
    pub beat_all: bool,
    /// Whether nothing more will be learnt about it: every cell is settled, or some layer held.
    pub settled: bool,
    /// Whether its goal ends here.
    pub last_of_goal: bool,
}

/// Sums over goals: one unit's lower and upper value, and counts of trials.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    goals: f64,
    low: f64,
    high: f64,
    trials: u64,
    failed: u64,
    open: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Goal {
    trials: u32,
    failed: u32,
    open: u32,
}

impl Goal {
    fn see(&mut self, joint: Joint) {
        self.trials += 1;
        self.failed += u32::from(joint == Joint::Failed);
        self.open += u32::from(joint == Joint::Open);
    }
}

impl Sums {
    fn add(&mut self, g: Goal) {
        if g.trials == 0 {
            return;
        }
        let n = f64::from(g.trials);
        self.goals += 1.0;
        self.low += f64::from(g.failed) / n;
        self.high += f64::from(g.failed + g.open) / n;
        self.trials += u64::from(g.trials);
        self.failed += u64::from(g.failed);
        self.open += u64::from(g.open);
    }

    fn watched(&self, confidence: f64) -> Watched {
        let goals = self.goals.max(f64::MIN_POSITIVE);
        Watched {
            goals: self.goals as u64,
            trials: self.trials,
            joint_failures: self.failed,
            undetermined: self.open,
            estimate: (self.goals > 0.0).then_some(self.low / goals),
            low: confidence_sequence(self.low, self.goals, confidence).low.unwrap_or(0.0),
            high: confidence_sequence(self.high, self.goals, confidence).high.unwrap_or(1.0),
            confidence,
        }
    }
}

/// Queries of a search.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Searched {
    queries: u64,
    failed: u64,
    open: u64,
}

impl Searched {
    pub(crate) fn see(&mut self, joint: Joint) {
        self.queries += 1;
        self.failed += u64::from(joint == Joint::Failed);
        self.open += u64::from(joint == Joint::Open);
    }

    pub(crate) fn watched(self, confidence: f64) -> WatchedSearch {
        let (n, low, high) = (self.queries as f64, self.failed as f64, (self.failed + self.open) as f64);
        WatchedSearch {
            queries: self.queries,
            joint_failures: self.failed,
            undetermined: self.open,
            estimate: (n > 0.0).then(|| low / n),
            low: running_mean_sequence(low, n, confidence).low.unwrap_or(0.0),
            high: running_mean_sequence(high, n, confidence).high.unwrap_or(1.0),
            confidence,
        }
    }
}

/// What has been seen so far, in the order of the run.
#[derive(Debug)]
pub struct Watch {
    confidence: f64,
    next: u64,
    /// Finished out of order: as many as there are queries in flight at most.
    early: BTreeMap<u64, Seen>,
    /// A trial of the order is not settled: what comes after it would be a choice.
    stopped: bool,
    goal: Goal,
    goal_by_family: FxHashMap<u16, Goal>,
    total: Sums,
    search: Searched,
    families: Vec<(String, Sums)>,
    history: Vec<WatchedPoint>,
}

/// The history has a point whenever the trials have grown by one in so many.
const GROWTH: u64 = 20;

impl Watch {
    /// Nothing seen yet.
    pub fn new(families: &[String], confidence: f64) -> Self {
        Watch {
            confidence,
            next: 0,
            early: BTreeMap::new(),
            stopped: false,
            goal: Goal::default(),
            goal_by_family: FxHashMap::default(),
            total: Sums::default(),
            search: Searched::default(),
            families: families.iter().map(|f| (f.clone(), Sums::default())).collect(),
            history: Vec::new(),
        }
    }

    /// Takes a finished trial, in any order.
    pub fn see(&mut self, seen: Seen) {
        if self.stopped {
            return;
        }
        self.early.insert(seen.at, seen);
        while let Some(s) = self.early.remove(&self.next) {
            self.next += 1;
            if !s.settled {
                self.stopped = true;
                self.early.clear();
                return;
            }
            match s.label {
                Label::Attack => {
                    self.goal.see(s.joint);
                    if let Some(f) = s.family {
                        self.goal_by_family.entry(f).or_default().see(s.joint);
                    }
                }
                Label::Adaptive => self.search.see(s.joint),
                Label::Benign => {}
            }
            if s.last_of_goal {
                self.total.add(std::mem::take(&mut self.goal));
                self.remember();
                for (f, goal) in self.goal_by_family.drain() {
                    self.families[usize::from(f)].1.add(goal);
                }
            }
        }
    }

    fn remember(&mut self) {
        let last = self.history.last().map_or(0, |p| p.trials);
        if self.total.trials >= (last + last / GROWTH).max(last + 1) {
            let w = self.total();
            self.history.extend(w.estimate.map(|estimate| WatchedPoint { trials: w.trials, estimate, low: w.low, high: w.high }));
        }
    }

    /// How the rate stood before, oldest first.
    pub fn history(&self) -> &[WatchedPoint] {
        &self.history
    }

    /// The rate over whole goals so far, and its interval.
    pub fn total(&self) -> Watched {
        self.total.watched(self.confidence)
    }

    /// Queries of an adaptive search so far, where there are any.
    pub fn search(&self) -> Option<WatchedSearch> {
        (self.search.queries > 0).then(|| self.search.watched(self.confidence))
    }

    /// The same by family, largest first. Each interval has the stated confidence by itself.
    pub fn families(&self) -> Vec<WatchedFamily> {
        let mut list: Vec<WatchedFamily> = self
            .families
            .iter()
            .filter(|f| f.1.goals > 0.0)
            .map(|(name, sums)| WatchedFamily { family: name.clone(), watched: sums.watched(self.confidence) })
            .collect();
        list.sort_by(|a, b| b.watched.estimate.unwrap_or(0.0).total_cmp(&a.watched.estimate.unwrap_or(0.0)).then_with(|| a.family.cmp(&b.family)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: u64, label: Label, joint: Joint, last: bool) -> Seen {
        let beat_all = joint == Joint::Failed && label != Label::Benign;
        Seen { at, family: at.is_multiple_of(2).then_some(0), label, joint, beat_all, settled: true, last_of_goal: last }
    }

    #[test]
    fn the_order_of_finishing_does_not_matter() {
        let list = [
            seen(0, Label::Attack, Joint::Failed, false),
            seen(1, Label::Attack, Joint::Held, true),
            seen(2, Label::Benign, Joint::Failed, true),
            seen(3, Label::Attack, Joint::Open, false),
            seen(4, Label::Attack, Joint::Failed, true),
            seen(5, Label::Attack, Joint::Held, true),
        ];
        let run = |order: &[usize]| {
            let mut w = Watch::new(&["f".into()], 0.95);
            order.iter().for_each(|&i| w.see(list[i].clone()));
            (w.total(), w.families())
        };
        let straight = run(&[0, 1, 2, 3, 4, 5]);
        assert_eq!(straight, run(&[5, 3, 4, 1, 2, 0]));
        let total = &straight.0;
        assert_eq!((total.goals, total.trials, total.joint_failures, total.undetermined), (3, 5, 2, 1));
        // (1/2 + 1/2 + 0)/3 without the open trial.
        assert!((total.estimate.unwrap() - 1.0 / 3.0).abs() < 1e-15);
        assert!(total.low < 1.0 / 3.0 && total.high > 0.5, "{total:?}");
        assert_eq!(straight.1[0].watched.goals, 2);
        // A goal that is not finished does not count yet, nor does anything after a trial that is not settled.
        assert_eq!(run(&[0, 1, 3]).0.goals, 1);
        let mut w = Watch::new(&[], 0.95);
        let unsettled = Seen { settled: false, ..list[0].clone() };
        w.see(Seen { family: None, ..unsettled });
        list[1..].iter().for_each(|s| w.see(Seen { family: None, ..s.clone() }));
        assert_eq!(w.total().goals, 0);
    }

    #[test]
    fn a_search_is_watched_apart() {
        let mut w = Watch::new(&[], 0.95);
        w.see(Seen { family: None, ..seen(0, Label::Attack, Joint::Held, true) });
        assert!(w.search().is_none());
        for (at, joint) in [(2, Joint::Open), (1, Joint::Failed), (3, Joint::Held)] {
            w.see(Seen { family: None, ..seen(at, Label::Adaptive, joint, false) });
        }
        let s = w.search().unwrap();
        assert_eq!((s.queries, s.joint_failures, s.undetermined), (3, 1, 1));
        assert!(s.low < 1.0 / 3.0 && s.high > 2.0 / 3.0, "{s:?}");
        assert_eq!((w.total().trials, w.total().joint_failures), (1, 0));
    }
}
