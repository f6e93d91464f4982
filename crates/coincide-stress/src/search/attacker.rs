//! One attacker: who it attacks next, what it asks, and what came of it.
//!
//! Goals take turns, a query each; one that the attacker sees beaten is left alone. Queries go out in rounds whose size does not depend on how many calls are in flight, so that what is learnt, and with it
//! every later query, is the same in every run with the same seed and the same answers.

use super::{Answer, Goal, Proposal, Search, SearchName, Space};
use crate::attacks::{Attacks, Query};
use crate::campaign::{Adaptive, Kind, LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use crate::layer::Unit;
use crate::operators::{Chain, Operator};
use coincide::{LayerSet, Life, Purpose, Seed, survival};
use coincide_io::{AdaptiveLayer, AdaptiveRecord, AdaptiveSequence, Done, FailsWhen, Transfer};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Queries that are proposed before any of them is answered.
const ROUND: usize = 64;
/// Longest sequence, where nothing is said.
const DEPTH: usize = 3;
/// Sequences that are told of.
const SEQUENCES: usize = 20;
/// Layers up to which every one is compared with every other.
const MATRIX: usize = 40;
/// Confidence of the curves' intervals.
const CONFIDENCE: f64 = 0.95;

/// Hands a query out, and says whether anybody still takes some.
pub(crate) type Next<'a> = &'a mut dyn FnMut(Query, Option<oneshot::Sender<Vec<Answer>>>) -> Result<bool>;

pub(crate) struct Attacker {
    asked: Adaptive,
    name: SearchName,
    operators: Vec<&'static Operator>,
    depth: usize,
    search: Box<dyn Search>,
    /// Columns in the order in which a deployment asks them: before the model, the model, after it.
    pipeline: Vec<usize>,
    seed: Seed,
    targets: Vec<Target>,
    tried: Vec<Tried>,
    /// Queries that missing outcomes leave open.
    undetermined: u64,
    /// It could not go on.
    stopped: bool,
}

/// A goal.
struct Target {
    prompts: Vec<usize>,
    family: usize,
    tries: u64,
    /// The query that first beat everything.
    beaten: Option<u64>,
    /// The query that first beat each layer.
    first: Vec<Option<u64>>,
    /// The same, and all queries, counted over those on which the layer gave an outcome.
    own: Vec<(Option<u64>, u64)>,
    /// Nothing more is asked.
    over: bool,
}

/// A query that was answered.
struct Tried {
    target: usize,
    prompt: usize,
    chain: Chain,
    /// Which on its goal, from 1.
    at: u64,
    /// The layers that failed.
    failed: LayerSet,
}

impl Attacker {
    pub(crate) fn new(file: &CampaignFile, asked: &Adaptive, units: &[Unit], attacks: &mut Attacks) -> Result<Attacker> {
        let operators = file.searched(asked)?;
        let depth = asked.depth.unwrap_or(DEPTH);
        // Scores of these say how suspicious a prompt is.
        let suspicion = |l: &LayerSpec| matches!(l.kind, Some(Kind::Moderation | Kind::Guard | Kind::Probe)).then_some(FailsWhen::Below);
        let side = |u: &Unit| file.campaign.layers.iter().find(|l| l.name == u.name).and_then(|l| l.fails_when.or(suspicion(l)));
        let stage = |u: &Unit| if u.stage.after_the_model() { 2 } else { u8::from(u.stage == Stage::Model) };
        let mut columns: Vec<_> =
            units.iter().flat_map(|u| u.columns.iter().enumerate().map(move |(i, _)| (stage(u), u.first + i, side(u)))).collect();
        columns.sort_by_key(|c| (c.0, c.1));
        let pipeline: Vec<usize> = columns.iter().map(|c| c.1).collect();
        let sides: Vec<_> = columns.iter().map(|c| c.2).collect();
        let mut families: Vec<String> = Vec::new();
        let targets = attacks.attacked_goals()?;
        let targets = targets.into_iter().map(|(prompts, family)| {
            let known = families.iter().position(|f| *f == family).unwrap_or_else(|| {
                families.push(family);
                families.len() - 1
            });
            Target { prompts, family: known, tries: 0, beaten: None, first: vec![None; sides.len()], own: vec![(None, 0); sides.len()], over: false }
        });
        let targets = targets.collect();
        let name = asked.search.unwrap_or_default();
        Ok(Attacker {
            asked: asked.clone(),
            name,
            search: name.start(Space { operators: operators.clone(), depth, sides: sides.clone() }),
            operators,
            pipeline,
            depth,
            seed: file.seed(),
            targets,
            tried: Vec::new(),
            undetermined: 0,
            stopped: false,
        })
    }

    /// Attacks until the queries are spent, every goal is seen beaten, or nobody takes queries any more. Fails as `next` does.
    pub(crate) fn search(&mut self, attacks: &mut Attacks, next: Next<'_>) -> Result<()> {
        let mut turn = 0;
        loop {
            let left = usize::try_from(self.asked.queries).unwrap_or(usize::MAX) - self.tried.len();
            let goals = self.targets.len();
            let round: Vec<usize> = (0..goals).map(|i| (turn + i) % goals).filter(|&g| !self.targets[g].over).take(ROUND.min(left)).collect();
            let Some(&last) = round.last() else { return Ok(()) };
            turn = last + 1;
            let mut asked = Vec::with_capacity(round.len());
            for (i, g) in round.into_iter().enumerate() {
                let number = (self.tried.len() + i) as u64;
                let t = &self.targets[g];
                let goal = Goal { number: g, prompts: t.prompts.len(), family: t.family, tries: t.tries };
                let proposal = self.search.propose(goal, &mut self.seed.stream(Purpose::Search, number));
                let chain = Chain(proposal.chain.iter().map(|&o| self.operators[o]).collect());
                let query = attacks.adaptive_query(t.prompts[proposal.prompt], &chain, number, t.tries + 1)?;
                let (answer, answered) = oneshot::channel();
                if !next(query, Some(answer))? {
                    self.stopped = true;
                    return Ok(());
                }
                asked.push((goal, proposal, chain, answered));
            }
            for (goal, proposal, chain, answered) in asked {
                // Not answered: the run ends, or a layer is away. Everything after this would have been another search.
                let Ok(answers) = answered.blocking_recv() else {
                    self.stopped = true;
                    return Ok(());
                };
                self.learn(goal, &proposal, chain, &answers);
            }
        }
    }

    fn learn(&mut self, goal: Goal, proposal: &Proposal, chain: Chain, answers: &[Answer]) {
        let t = &mut self.targets[goal.number];
        t.tries += 1;
        let through = answers.iter().all(|a| a.failed == Some(true));
        if through {
            t.beaten.get_or_insert(t.tries);
        }
        for ((first, own), a) in t.first.iter_mut().zip(&mut t.own).zip(answers) {
            own.1 += u64::from(a.failed.is_some());
            if a.failed == Some(true) {
                first.get_or_insert(t.tries);
                own.0.get_or_insert(own.1);
            }
        }
        self.undetermined += u64::from(!through && answers.iter().all(|a| a.failed != Some(false)));
        let view = self.asked.access.view(&self.pipeline.iter().map(|&i| answers[i]).collect::<Vec<_>>());
        t.over = view.through == Some(true) || self.asked.queries_per_goal.is_some_and(|most| t.tries >= most);
        let failed: Vec<usize> = (0..answers.len()).filter(|&i| answers[i].failed == Some(true)).collect();
        let failed = LayerSet::of(answers.len(), &failed);
        self.tried.push(Tried { target: goal.number, prompt: proposal.prompt, chain, at: t.tries, failed });
        self.search.learn(goal, proposal, &view);
    }

    /// Calls `f` with every query that was answered, in order. Fails as `f` does.
    pub(crate) fn in_order(&self, attacks: &mut Attacks, f: &mut dyn FnMut(Query) -> Result<()>) -> Result<()> {
        self.tried
            .iter()
            .enumerate()
            .try_for_each(|(number, t)| f(attacks.adaptive_query(self.targets[t.target].prompts[t.prompt], &t.chain, number as u64, t.at)?))
    }

    /// What must be the same for a search to go on, whether it was written down or left to what is usual; more queries only go on.
    pub(crate) fn identity(&self) -> String {
        let operators = self.operators.iter().map(|o| o.name.to_owned()).collect();
        let same = Adaptive { search: Some(self.name), queries: 0, operators, depth: Some(self.depth), ..self.asked.clone() };
        serde_json::to_string(&same).unwrap_or_default()
    }

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
        let mut by_chain: BTreeMap<String, (FxHashSet<usize>, u64)> = BTreeMap::new();
        for t in &self.tried {
            let entry = by_chain.entry(t.chain.name()).or_default();
            entry.1 += 1;
            if t.failed.len() == layers.len() {
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
        AdaptiveRecord {
            search: self.name.word().to_owned(),
            sees: serde_json::to_value(self.asked.access.sees).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
            separable: self.asked.access.separable,
            depth: self.depth as u64,
            queries: Done { planned: self.asked.queries, finished: self.tried.len() as u64 },
            goals: self.targets.len() as u64,
            beaten: self.targets.iter().filter(|t| t.beaten.is_some()).count() as u64,
            undetermined: self.undetermined,
            stack: curve(&|t| (t.beaten, t.tries)),
            layers,
            transfer,
            sequences,
            ended: self.stopped.then(|| why.unwrap_or("a layer gave no answer").to_owned()),
        }
    }
}
