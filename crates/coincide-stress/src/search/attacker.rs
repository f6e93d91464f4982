//! One attacker: who it attacks next, what it asks, and what came of it.
//!
//! Goals take turns, a query each; one that the attacker sees beaten is left alone. Queries go out in rounds whose size does not depend on how many calls are in flight, so that what is learnt, and with it
//! every later query, is the same in every run with the same seed and the same answers.

use super::{Answer, Drawn, Goal, Proposal, Search, SearchName, Space};
use crate::attacks::{Attacks, Query};
use crate::campaign::{Adaptive, Kind, LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use crate::layer::Unit;
use crate::operators::{Chain, Operator};
use crate::watch::Joint;
use coincide::{LayerSet, Purpose, Seed};
use coincide_io::FailsWhen;
use tokio::sync::oneshot;

/// Queries that are proposed before any of them is answered.
const ROUND: usize = 64;

/// Hands a query out, and says whether anybody still takes some.
pub(crate) type Next<'a> = &'a mut dyn FnMut(Query, Option<oneshot::Sender<Vec<Answer>>>) -> Result<bool>;

pub(crate) struct Attacker {
    pub(super) asked: Adaptive,
    pub(super) name: SearchName,
    operators: Vec<&'static Operator>,
    pub(super) depth: usize,
    search: Box<dyn Search>,
    /// Columns in the order in which a deployment asks them: before the model, the model, after it.
    pipeline: Vec<usize>,
    seed: Seed,
    /// Names of the goals' families.
    pub(super) families: Vec<String>,
    pub(super) targets: Vec<Target>,
    pub(super) tried: Vec<Tried>,
    /// It could not go on.
    pub(super) stopped: bool,
}

/// A goal.
pub(super) struct Target {
    pub(super) prompts: Vec<usize>,
    pub(super) family: usize,
    pub(super) tries: u64,
    /// The query that first beat everything.
    pub(super) beaten: Option<u64>,
    /// The query that first beat each layer.
    pub(super) first: Vec<Option<u64>>,
    /// The same, and all queries, counted over those on which the layer gave an outcome.
    pub(super) own: Vec<(Option<u64>, u64)>,
    /// Nothing more is asked.
    pub(super) over: bool,
}

/// A query that was answered.
pub(super) struct Tried {
    pub(super) target: usize,
    pub(super) prompt: usize,
    pub(super) chain: Chain,
    /// Which on its goal, from 1.
    pub(super) at: u64,
    /// The layers that failed.
    pub(super) failed: LayerSet,
    /// Whether all did.
    pub(super) joint: Joint,
    /// What its chance says.
    pub(super) drawn: Option<Drawn>,
}

impl Attacker {
    pub(crate) fn new(file: &CampaignFile, asked: &Adaptive, units: &[Unit], attacks: &mut Attacks) -> Result<Attacker> {
        let operators = file.searched(asked)?;
        let (profile, depth) = file.profile(asked, &operators)?;
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
            search: name.start(Space { operators: operators.clone(), depth, profile, sides: sides.clone() }),
            operators,
            pipeline,
            depth,
            seed: file.seed(),
            families,
            targets,
            tried: Vec::new(),
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
        let joint = Joint::of(answers.iter().map(|a| a.failed));
        if joint == Joint::Failed {
            t.beaten.get_or_insert(t.tries);
        }
        for ((first, own), a) in t.first.iter_mut().zip(&mut t.own).zip(answers) {
            own.1 += u64::from(a.failed.is_some());
            if a.failed == Some(true) {
                first.get_or_insert(t.tries);
                own.0.get_or_insert(own.1);
            }
        }
        let view = self.asked.access.view(&self.pipeline.iter().map(|&i| answers[i]).collect::<Vec<_>>());
        // Whoever measures goes on.
        t.over = view.through == Some(true) && proposal.drawn.is_none() || self.asked.queries_per_goal.is_some_and(|most| t.tries >= most);
        let failed: Vec<usize> = (0..answers.len()).filter(|&i| answers[i].failed == Some(true)).collect();
        let failed = LayerSet::of(answers.len(), &failed);
        self.tried.push(Tried { target: goal.number, prompt: proposal.prompt, chain, at: t.tries, failed, joint, drawn: proposal.drawn });
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
}
