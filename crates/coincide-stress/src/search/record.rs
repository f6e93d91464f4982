//! What a search did, as the document keeps it.

use super::attacker::{Attacker, Step, Target, Tried};
use crate::watch::{Joint, Searched};
use coincide::{Draw, Life, importance, survival};
use coincide_io::{AdaptiveLayer, AdaptiveRecord, AdaptiveSequence, ConversationDepth, Conversations, Done, SearchedCell, Transfer};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// Sequences that are told of.
const SEQUENCES: usize = 20;
/// Layers up to which every one is compared with every other.
const MATRIX: usize = 40;
/// Confidence of the curves' intervals.
const CONFIDENCE: f64 = 0.95;
/// Families that are mapped.
const MAPPED: usize = 30;

impl Attacker {
    /// What it did; `why`: why the run ended early, if it did.
    pub(crate) fn record(&self, layers: &[String], why: Option<&str>) -> AdaptiveRecord {
        let attacked: Vec<(usize, &Target)> = self.targets.iter().enumerate().filter(|(_, t)| t.tries > 0).collect();
        let longest = attacked.iter().map(|(_, t)| t.tries).max().unwrap_or(0);
        let points = (0..19).flat_map(|e| [1, 2, 5].map(|m| m * 10u64.pow(e))).take_while(|p| *p < longest);
        let points: Vec<u64> = points.chain((longest > 0).then_some(longest)).collect();
        // When something failed on a goal, and how often it was tried.
        let curve = |of: &dyn Fn(&Target) -> (Option<u64>, u64)| {
            let life = |&(g, t): &(usize, &Target)| {
                let (failed, tries) = of(t);
                (tries > 0).then(|| Life { cluster: g as u32, tries: failed.unwrap_or(tries), failed: failed.is_some() })
            };
            survival(&attacked.iter().filter_map(life).collect::<Vec<_>>(), &points, CONFIDENCE)
        };
        let first = |i: usize| {
            let earliest = |t: &&(usize, &Target)| t.1.first[i].is_some() && t.1.first[i] == t.1.first.iter().flatten().min().copied();
            attacked.iter().filter(earliest).count() as u64
        };
        let transfer = |(i, layer): (usize, &String)| {
            let beaten: Vec<&Tried> = self.tried.iter().filter(|t| t.failed.contains(i)).collect();
            let also = (0..layers.len()).map(|j| beaten.iter().filter(|t| t.failed.contains(j)).count() as u64).collect();
            Transfer { layer: layer.clone(), queries: beaten.len() as u64, also }
        };
        let transfer = if (2..=MATRIX).contains(&layers.len()) { layers.iter().enumerate().map(transfer).collect() } else { Vec::new() };
        let layers: Vec<AdaptiveLayer> = layers
            .iter()
            .enumerate()
            .map(|(i, layer)| {
                let missing = self.targets.iter().map(|t| t.tries - t.own[i].1).sum();
                AdaptiveLayer { layer: layer.clone(), first: first(i), missing, survival: curve(&|t| t.own[i]) }
            })
            .collect();
        let mut seen = Searched::default();
        self.tried.iter().for_each(|t| seen.see(t.joint));
        let watched = seen.watched(CONFIDENCE);
        // The first quarter only finds out where to draw.
        let measured = self.tried[self.tried.len() / 4..]
            .iter()
            .filter_map(|t| t.drawn.map(|d| Draw { cluster: t.target as u32, weight: d.weight, plain: d.plain, failed: t.joint.failed() }));
        AdaptiveRecord {
            search: self.name.word().to_owned(),
            sees: serde_json::to_value(self.asked.access.sees).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
            separable: self.asked.access.separable,
            depth: self.depth as u64,
            queries: Done { planned: self.asked.queries, finished: self.tried.len() as u64 },
            goals: self.targets.len() as u64,
            beaten: self.targets.iter().filter(|t| t.beaten.is_some()).count() as u64,
            undetermined: watched.undetermined,
            stack: curve(&|t| (t.beaten, t.tries)),
            layers,
            transfer,
            sequences: self.sequences(),
            watched: (watched.queries > 0).then_some(watched),
            importance: importance(measured, CONFIDENCE),
            map: self.map(),
            conversations: self.name.converses().then(|| self.conversations()),
            ended: self.stopped.then(|| {
                let own = self.tally.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                own.unwrap_or_else(|| why.unwrap_or("a layer gave no answer").to_owned())
            }),
        }
    }
    /// Sequences that beat every layer, those that did so on most goals first.
    fn sequences(&self) -> Vec<AdaptiveSequence> {
        let mut by_chain: BTreeMap<String, (FxHashSet<usize>, u64)> = BTreeMap::new();
        for t in &self.tried {
            let Step::Rewritten(chain) = &t.step else { continue };
            let entry = by_chain.entry(chain.name()).or_default();
            entry.1 += 1;
            if t.joint == Joint::Failed {
                entry.0.insert(t.target);
            }
        }
        let mut sequences: Vec<AdaptiveSequence> = by_chain
            .into_iter()
            .filter(|(_, (goals, _))| !goals.is_empty())
            .map(|(operator, (goals, queries))| AdaptiveSequence { operator, goals: goals.len() as u64, queries })
            .collect();
        sequences.sort_by(|a, b| b.goals.cmp(&a.goals).then(a.queries.cmp(&b.queries)).then_with(|| a.operator.cmp(&b.operator)));
        sequences.truncate(SEQUENCES);
        sequences
    }

    /// What was said in the conversations of a search whose prompts a model writes.
    fn conversations(&self) -> Conversations {
        let mut depths: Vec<ConversationDepth> = Vec::new();
        for t in &self.tried {
            let Step::Said(node) = &t.step else { continue };
            let depth = node.split('.').count();
            while depths.len() < depth {
                depths.push(ConversationDepth { depth: depths.len() as u64 + 1, ..ConversationDepth::default() });
            }
            let d = &mut depths[depth - 1];
            d.queries += 1;
            d.beat_all += u64::from(t.joint == Joint::Failed);
            d.first += u64::from(self.targets[t.target].beaten == Some(t.at));
        }
        let of = |n: &std::sync::atomic::AtomicU64| n.load(std::sync::atomic::Ordering::Relaxed);
        let t = &self.tally;
        Conversations { replies: of(&t.replies), unreadable: of(&t.unreadable), off_topic: of(&t.off_topic), taken_back: of(&t.taken_back), depths }
    }

    /// What was tried where.
    fn map(&self) -> Vec<SearchedCell> {
        let mut queries = vec![0u64; self.families.len()];
        self.tried.iter().for_each(|t| queries[self.targets[t.target].family] += 1);
        let mut order: Vec<usize> = (0..queries.len()).filter(|f| queries[*f] > 0).collect();
        order.sort_by_key(|&f| (std::cmp::Reverse(queries[f]), f));
        order.truncate(MAPPED);
        let mut cells: BTreeMap<(usize, &str), SearchedCell> = BTreeMap::new();
        for t in &self.tried {
            let Step::Rewritten(chain) = &t.step else { continue };
            let family = self.targets[t.target].family;
            let Some(row) = order.iter().position(|f| *f == family) else { continue };
            let operator = chain.0.last().map_or("plain", |o| o.name);
            let new = || SearchedCell { family: self.families[family].clone(), operator: operator.to_owned(), queries: 0, beat_all: 0, farthest: 0 };
            let cell = cells.entry((row, operator)).or_insert_with(new);
            cell.queries += 1;
            cell.beat_all += u64::from(t.joint == Joint::Failed);
            cell.farthest = cell.farthest.max(t.failed.len() as u64);
        }
        cells.into_values().collect()
    }
}
