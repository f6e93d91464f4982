//! One attacker: who it attacks next, what it asks, and what came of it.
//!
//! Goals take turns, a query each or a wave of a conversation; one that the attacker sees beaten is left alone. Queries go out in rounds whose size does not depend on how many calls are in flight, so that what is learnt, and with it
//! every later query, is the same in every run with the same seed and the same answers.

use super::conversation::{Shown, Sizes, Talk};
use super::{Asker, Drawn, Goal, Heard, Line, Nearness, Proposal, Search, SearchName, Sees, Space, Tally, View};
use crate::attacks::{Attacks, Query, Sent};
use crate::campaign::{Adaptive, AttackerSpec, EvaluatorSpec, Kind, LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use crate::layer::Unit;
use crate::operators::{Chain, Operator};
use crate::watch::Joint;
use coincide::FailsWhen;
use coincide::{LayerSet, Purpose, Seed};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Queries that are proposed before any of them is answered.
const ROUND: usize = 64;

/// Hands a query out, and says whether anybody still takes some.
pub(crate) type Next<'a> = &'a mut dyn FnMut(Query, Option<oneshot::Sender<Heard>>) -> Result<bool>;

/// How it goes about it.
enum Way {
    Operators(Box<dyn Search>),
    /// With a model, a conversation a goal.
    Conversations(Vec<Option<Talk>>, Sizes),
}

/// What is tried on a goal.
enum Attempt {
    Rewritten(Proposal, Chain),
    /// Which of the goal's prompts it is about, what is said, and where in its wave.
    Said {
        prompt: usize,
        line: Line,
        i: usize,
    },
}

impl Attempt {
    fn prompt(&self) -> usize {
        match self {
            Attempt::Rewritten(proposal, _) => proposal.prompt,
            Attempt::Said { prompt, .. } => *prompt,
        }
    }

    fn sent(&self) -> Sent<'_> {
        match self {
            Attempt::Rewritten(_, chain) => Sent::Rewritten(chain),
            Attempt::Said { line, .. } => Sent::Said(line),
        }
    }

    fn drawn(&self) -> Option<Drawn> {
        match self {
            Attempt::Rewritten(proposal, _) => proposal.drawn,
            Attempt::Said { .. } => None,
        }
    }
}

/// What is tried before anything of it is shown.
struct Round {
    /// The last goal that had its turn.
    last: usize,
    /// Goals, and what is tried on them.
    attempts: Vec<(usize, Attempt)>,
}

/// What came of the `i`-th prompt of a goal's wave.
struct Spoken {
    goal: usize,
    i: usize,
    view: View,
    heard: Heard,
}

/// What was tried, as it is remembered.
pub(super) enum Step {
    Rewritten(Chain),
    /// At this node of a conversation.
    Said(String),
}

pub(crate) struct Attacker {
    pub(super) asked: Adaptive,
    pub(super) name: SearchName,
    operators: Vec<&'static Operator>,
    pub(super) depth: usize,
    way: Way,
    /// What happened in its conversations.
    pub(crate) tally: Arc<Tally>,
    near: Nearness,
    /// Names of the columns.
    layers: Vec<String>,
    /// The target's column.
    model: Option<usize>,
    /// Columns that say whether harm was done, and stop nothing: the target's own judge stands in the target's.
    judges: Vec<usize>,
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

impl Target {
    fn goal(&self, number: usize) -> Goal {
        Goal { number, prompts: self.prompts.len(), family: self.family, tries: self.tries }
    }
}

/// A query that was answered.
pub(super) struct Tried {
    pub(super) target: usize,
    pub(super) prompt: usize,
    pub(super) step: Step,
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
        let of = |u: &Unit| file.campaign.layers.iter().find(|l| l.name == u.name);
        let side = |u: &Unit| of(u).and_then(|l| l.fails_when.or(suspicion(l)));
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
        let targets: Vec<Target> = targets.collect();
        let name = asked.search.unwrap_or_default();
        let spec = asked.attacker.clone().unwrap_or_default();
        let sizes = Sizes::of(name, &spec);
        let way = match name.start(Space { operators: operators.clone(), depth, profile, sides: sides.clone() }) {
            Some(search) => Way::Operators(search),
            None => Way::Conversations(targets.iter().map(|_| None).collect(), sizes),
        };
        let depth = if name.converses() { sizes.depth } else { depth };
        Ok(Attacker {
            asked: asked.clone(),
            name,
            way,
            tally: Arc::default(),
            near: Nearness::new(sides),
            layers: units.iter().flat_map(|u| u.columns.clone()).collect(),
            model: units.iter().find(|u| u.stage == Stage::Model).map(|u| u.first),
            judges: units.iter().filter(|u| u.stage.after_the_model() && of(u).is_some_and(|l| l.kind() == Kind::Judge)).map(|u| u.first).collect(),
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
    pub(crate) fn search(&mut self, attacks: &mut Attacks, ask: &Asker<'_>, next: Next<'_>) -> Result<()> {
        let mut turn = 0;
        loop {
            let left = usize::try_from(self.asked.queries).unwrap_or(usize::MAX) - self.tried.len();
            let goals = self.targets.len();
            // Every goal of a round has one query at least.
            let open: Vec<usize> = (0..goals).map(|i| (turn + i) % goals).filter(|&g| !self.targets[g].over).take(ROUND).collect();
            if open.is_empty() || left == 0 {
                return Ok(());
            }
            let Some(round) = self.round(attacks, &open, left, ask)? else {
                self.stopped = true;
                return Ok(());
            };
            turn = round.last + 1;
            let mut asked = Vec::with_capacity(round.attempts.len());
            let mut before = (goals, 0);
            for (i, (g, attempt)) in round.attempts.into_iter().enumerate() {
                let number = (self.tried.len() + i) as u64;
                // Those of a goal stand together.
                before = if before.0 == g { (g, before.1 + 1) } else { (g, 1) };
                let t = &self.targets[g];
                let query = attacks.adaptive_query(t.prompts[attempt.prompt()], attempt.sent(), number, t.tries + before.1)?;
                let (answer, answered) = oneshot::channel();
                if !next(query, Some(answer))? {
                    self.stopped = true;
                    return Ok(());
                }
                asked.push((g, attempt, answered));
            }
            let mut said = Vec::new();
            for (g, attempt, answered) in asked {
                // Not answered: the run ends, or a layer is away. Everything after this would have been another search.
                let Ok(heard) = answered.blocking_recv() else {
                    self.stopped = true;
                    return Ok(());
                };
                said.extend(self.learn(g, attempt, heard));
            }
            // Those of one wave are compared with each other: by the same scale.
            said.iter().for_each(|s| self.near.see(&s.view));
            for s in said {
                let shown = self.shown(&s.view, &s.heard);
                let Way::Conversations(talks, _) = &mut self.way else { continue };
                if self.targets[s.goal].over {
                    talks[s.goal] = None;
                } else if let Some(talk) = &mut talks[s.goal] {
                    talk.learn(s.i, shown);
                }
            }
        }
    }

    /// What to try next on the `open` goals, `left` queries at most. `None` when the attacker's model cannot be asked.
    fn round(&mut self, attacks: &mut Attacks, open: &[usize], left: usize, ask: &Asker<'_>) -> Result<Option<Round>> {
        let (targets, tried) = (&mut self.targets, self.tried.len());
        match &mut self.way {
            Way::Operators(search) => {
                let now = &open[..left.min(open.len())];
                let propose = |(i, &g): (usize, &usize)| {
                    let proposal = search.propose(targets[g].goal(g), &mut self.seed.stream(Purpose::Search, (tried + i) as u64));
                    let chain = Chain(proposal.chain.iter().map(|&o| self.operators[o]).collect());
                    (g, Attempt::Rewritten(proposal, chain))
                };
                Ok(Some(Round { last: now[now.len() - 1], attempts: now.iter().enumerate().map(propose).collect() }))
            }
            Way::Conversations(talks, sizes) => {
                let mut now: Vec<(usize, Talk)> = Vec::new();
                let mut most = 0;
                for &g in open {
                    if most >= ROUND {
                        break;
                    }
                    let begin = |attacks: &mut Attacks| -> Result<Talk> {
                        let objectives = targets[g].prompts.iter().map(|&p| attacks.prompt(p)).collect::<Result<_>>()?;
                        Ok(Talk::new(self.name, *sizes, self.seed, g, objectives))
                    };
                    let talk = talks[g].take().map_or_else(|| begin(attacks), Ok)?;
                    most += talk.most();
                    now.push((g, talk));
                }
                let waves = ask.runtime.block_on(join_all(now.iter_mut().map(|(_, talk)| talk.wave(ask))));
                let Some(waves) = waves.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
                let mut round = Round { last: now.last().map_or(0, |l| l.0), attempts: Vec::new() };
                for ((g, talk), lines) in now.into_iter().zip(waves) {
                    let t = &mut targets[g];
                    t.over |= lines.is_empty();
                    let most = self.asked.queries_per_goal.map_or(usize::MAX, |most| usize::try_from(most - t.tries).unwrap_or(usize::MAX));
                    let lines = lines.into_iter().take(most.min(left - round.attempts.len())).enumerate();
                    round.attempts.extend(lines.map(|(i, line)| (g, Attempt::Said { prompt: talk.at, line, i })));
                    talks[g] = Some(talk);
                }
                Ok(Some(round))
            }
        }
    }

    /// Counts a query, and what an operator search learns from it; what a conversation has to learn comes back.
    fn learn(&mut self, g: usize, attempt: Attempt, heard: Heard) -> Option<Spoken> {
        let answers = &heard.answers;
        let t = &mut self.targets[g];
        let goal = t.goal(g);
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
        let drawn = attempt.drawn();
        // Whoever measures goes on.
        t.over |= view.through == Some(true) && drawn.is_none() || self.asked.queries_per_goal.is_some_and(|most| t.tries >= most);
        let failed: Vec<usize> = (0..answers.len()).filter(|&i| answers[i].failed == Some(true)).collect();
        let failed = LayerSet::of(answers.len(), &failed);
        let (at, prompt) = (t.tries, attempt.prompt());
        let (step, spoken) = match attempt {
            Attempt::Said { line, i, .. } => (Step::Said(line.node), Some(Spoken { goal: g, i, view, heard })),
            Attempt::Rewritten(proposal, chain) => {
                if let Way::Operators(search) = &mut self.way {
                    search.learn(goal, &proposal, &view);
                }
                (Step::Rewritten(chain), None)
            }
        };
        self.tried.push(Tried { target: g, prompt, step, at, failed, joint, drawn });
        spoken
    }

    /// What an attacker who talks sees of a query.
    fn shown(&self, view: &View, heard: &Heard) -> Shown {
        let sees = self.asked.access.sees;
        let stops = |i: usize| Some(i) != self.model && !self.judges.contains(&i);
        let others = self.pipeline.iter().filter(|&&i| stops(i)).map(|&i| heard.answers[i].failed);
        let response = heard.response.clone().filter(|_| self.asked.access.shows_answers(others));
        let refused = heard.refused && sees != Sees::Nothing;
        let answered = response.is_some() && !refused;
        let single = view.layers.iter().any(|l| l.failed.is_some());
        let layers = self.pipeline.iter().zip(&view.layers).filter_map(|(&i, a)| {
            let score = a.score.map(|s| format!(" (score {s})")).unwrap_or_default();
            let did = match a.failed? {
                true => "let it through",
                false if answered && !stops(i) => "found that the answer does not meet the objective",
                false => "stopped it",
            };
            Some(format!("{} {did}{score}", self.layers[i]))
        });
        let layers = match view.through {
            _ if single => layers.collect::<Vec<_>>().join("; "),
            Some(true) => "it got past everything".to_owned(),
            Some(false) if answered => "the answer does not meet the objective".to_owned(),
            Some(false) => "it was stopped".to_owned(),
            None => String::new(),
        };
        Shown { response, refused, layers, near: (single || view.through.is_some()).then(|| self.near.near(view)) }
    }

    /// Calls `f` with every query that was answered, in order. Fails as `f` does.
    pub(crate) fn in_order(&self, attacks: &mut Attacks, f: &mut dyn FnMut(Query) -> Result<()>) -> Result<()> {
        self.tried.iter().enumerate().try_for_each(|(number, t)| {
            let line;
            let sent = match &t.step {
                Step::Rewritten(chain) => Sent::Rewritten(chain),
                Step::Said(node) => {
                    // What was said is written nowhere.
                    line = Line { node: node.clone(), prompt: String::new(), history: Vec::new() };
                    Sent::Said(&line)
                }
            };
            f(attacks.adaptive_query(self.targets[t.target].prompts[t.prompt], sent, number as u64, t.at)?)
        })
    }

    /// What must be the same for a search to go on, whether it was written down or left to what is usual; more queries only go on.
    pub(crate) fn identity(&self) -> String {
        let operators = self.operators.iter().map(|o| o.name.to_owned()).collect();
        // Where its model lives, and how fast it is called, decides nothing.
        let attacker = self.asked.attacker.as_ref().filter(|_| self.name.converses()).map(|a| {
            let sizes = Sizes::of(self.name, a);
            AttackerSpec {
                model: a.model.clone(),
                temperature: Some(a.temperature.unwrap_or(AttackerSpec::TEMPERATURE)),
                max_tokens: a.max_tokens,
                evaluator: a.evaluator.as_ref().map(|e| EvaluatorSpec { model: e.model.clone(), ..EvaluatorSpec::default() }),
                streams: Some(sizes.streams),
                branching: Some(sizes.branching),
                width: Some(sizes.width),
                depth: Some(sizes.depth),
                backtracks: Some(sizes.backtracks),
                ..AttackerSpec::default()
            }
        });
        let same = Adaptive { search: Some(self.name), queries: 0, operators, depth: Some(self.depth), attacker, ..self.asked.clone() };
        serde_json::to_string(&same).unwrap_or_default()
    }
}
