//! The run: queries in the order of the campaign, a window of them in flight, every layer asked about each, every answer journalled.

use crate::attacks::Query;
use crate::call::{Called, Caller, Purse};
use crate::campaign::Stage;
use crate::error::{Error, Result};
use crate::finds::{Find, Finds, FoundReply};
use crate::journal::{Cell, Entry, Journal, Kept};
use crate::layer::{Ask, Outcome, Unit, Verdict, is_refusal};
use crate::live::LiveFile;
use crate::prepared::{ADAPTIVE, Prepared};
use crate::search::{Answer, Asker, Attacker, Heard};
use crate::stop::Stop;
use crate::tables;
use crate::watch::{Joint, Seen, Watch};
use coincide::Label;
use coincide_io::{CampaignRecord, Done, InputRecord, LayerRecord, ReasonCount, Rows, Watched, WatchedFamily, WatchedPoint, WatchedSearch};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How a run is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunOptions {
    /// Go on with a journal that is there; where there is none, begin.
    pub resume: bool,
    /// Keep all replies in the journal, not only their hashes.
    pub keep_text: bool,
    /// Ask again where a journalled call ended in an error or an unreadable reply.
    pub retry_errors: bool,
}

/// How things stand, for a display.
#[derive(Debug, Clone)]
pub struct Live {
    /// Trials finished, of this campaign's planned ones.
    pub finished: u64,
    /// Trials planned.
    pub planned: u64,
    /// Trials that were finished before this run.
    pub before: u64,
    /// Calls made, over all runs.
    pub calls: u64,
    /// Queries that beat all layers, benign ones not counted.
    pub finds: u64,
    /// The rate so far.
    pub watched: Watched,
    /// Queries of an adaptive search, once there are any.
    pub search: Option<WatchedSearch>,
    /// The rate by family, the highest first.
    pub families: Vec<WatchedFamily>,
    /// The rate as it stood before, oldest first.
    pub history: Vec<WatchedPoint>,
    /// Layers that do not answer at the moment.
    pub away: Vec<String>,
    /// Whether the run is ending and only waits for calls in flight.
    pub ending: bool,
}

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What it did.
    pub record: CampaignRecord,
    /// The prompts, the campaign, and the outcomes where there are any, with their hashes.
    pub inputs: Vec<InputRecord>,
    /// The folder of the results.
    pub output: PathBuf,
}

impl Ran {
    /// The table of outcomes.
    pub fn outcomes(&self) -> PathBuf {
        self.output.join(tables::OUTCOMES)
    }

    /// Where the document of the run belongs; whoever makes it writes it there.
    pub fn document(&self) -> PathBuf {
        self.output.join("campaign.json")
    }
}

/// Confidence of the watched intervals.
const CONFIDENCE: f64 = 0.95;
/// Entries of one commit at most.
const BATCH: usize = 4096;
/// Fewer than that, and the writer waits this long for more.
const SMALL: usize = 128;
const GATHER: Duration = Duration::from_millis(2);
/// Between two looks at a run.
const TICK: Duration = Duration::from_millis(200);

/// What the writer is told.
pub(crate) enum Message {
    Entry(Entry),
    /// A query whose every cell is settled, or that must be left for another run.
    End {
        number: u64,
        settled: bool,
        seen: Seen,
        find: Option<Box<Find>>,
    },
    /// Settled before this run.
    Known {
        seen: Seen,
        find: Option<Box<Find>>,
        number: u64,
    },
    /// Nothing more comes.
    Over,
}

/// A query and what is known of it.
struct Work {
    query: Query,
    at: u64,
    known: Vec<Cell>,
    replies: Vec<Kept>,
    /// Who wants to know what the layers said, once all have.
    asked_by: Option<oneshot::Sender<Heard>>,
}

struct Engine {
    callers: Vec<Caller>,
    /// The attacker's model, and the evaluator's.
    attackers: Vec<Caller>,
    columns: usize,
    purse: Purse,
    judge_refusals: bool,
    keep_text: bool,
    families: Vec<String>,
    to_writer: mpsc::Sender<Message>,
    runtime: tokio::runtime::Handle,
}

/// Runs a prepared campaign to its end, the end of its budget, or until it is stopped, and writes the tables. `report` is called a few times a second.
///
/// Fails when there is a journal and `resume` is not asked for, when the journal belongs to another campaign, and when the disk does not take
/// what must be written; what was journalled stays.
pub fn run(prepared: Prepared, options: RunOptions, stop: &Stop, report: &(dyn Fn(&Live) + Sync)) -> Result<Ran> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::run(format!("threads cannot be started: {e}"), "close other programs"))?;
    let ran = runtime.block_on(run_async(prepared, options, stop, report));
    // Whatever is dropped here ends its children. A function that was given up may still run; nobody waits for that long.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ran
}

async fn run_async(mut prepared: Prepared, options: RunOptions, stop: &Stop, report: &(dyn Fn(&Live) + Sync)) -> Result<Ran> {
    let began = Instant::now();
    let output = prepared.output.clone();
    std::fs::create_dir_all(&output).map_err(|e| Error::io(&output, e))?;
    let journal_path = output.join("journal.sqlite");
    let there = journal_path.exists();
    if there && !options.resume {
        let what = format!("{} already holds a run of a campaign", output.display());
        return Err(Error::run(what, "go on with --resume, or remove the folder to begin again"));
    }
    let fingerprint = prepared.fingerprint();
    let pairs: Vec<(&str, String)> = fingerprint.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    let mut journal = Journal::open(&journal_path, &pairs)?;
    Finds::under(&output).tidy();
    let live = LiveFile::new(&output, &prepared.file.campaign.name);
    let resumed = !journal.is_empty()?;
    let c = &prepared.file.campaign;
    let purse = Purse::new(c.budget.calls, c.budget.cost);
    let units = std::mem::take(&mut prepared.units);
    let mut attacker =
        prepared.file.campaign.adaptive.clone().map(|a| Attacker::new(&prepared.file, &a, &units, &mut prepared.attacks)).transpose()?;
    // What was searched for before. A search that was never begun binds nobody.
    let begun = journal.has_from(prepared.attacks.adaptive_from())? || journal.has_attacker()?;
    if attacker.is_none() && begun {
        return Err(Error::run(
            format!("{} holds a run with an adaptive search", output.display()),
            "go on with the same --adaptive and --queries, or state another `output`",
        ));
    }
    if let Some(a) = &attacker {
        let now = a.identity();
        if begun && journal.about(ADAPTIVE)?.is_some_and(|then| then != now) {
            return Err(Error::run(
                format!("{} holds a run with another adaptive search", output.display()),
                "undo the change to go on, or state another `output` for a new run; only the number of queries may change",
            ));
        }
        journal.note(ADAPTIVE, &now)?;
    }
    if begun && options.retry_errors {
        return Err(Error::run(
            "an adaptive search went on from the errors that --retry-errors would ask again",
            "leave --retry-errors out, or begin anew",
        ));
    }
    if options.retry_errors {
        let target = units.iter().position(|u| u.stage == Stage::Model).map(|i| (i, units[i].first));
        let late: Vec<usize> = units.iter().filter(|u| u.stage.after_the_model()).flat_map(|u| u.first..u.first + u.columns.len()).collect();
        journal.forget_errors(target, &late)?;
    }
    let attackers = std::mem::take(&mut prepared.attackers);
    let spent = journal.spent(units.len() + attackers.len())?;
    units.iter().chain(&attackers).zip(&spent).for_each(|(u, &calls)| purse.spent(calls, calls as f64 * u.cost));
    purse.check();
    let window = c.window.unwrap_or_else(|| (units.iter().map(|u| u.concurrency).sum::<usize>() * 4).clamp(64, 65_536));
    let seed = prepared.file.seed();
    let (to_writer, from_tasks) = mpsc::channel(BATCH);
    let columns = units.iter().map(|u| u.columns.len()).sum();
    // Whoever talks goes on from what was said.
    let keep_text = options.keep_text || !attackers.is_empty();
    let helper = units.len();
    let engine = Arc::new(Engine {
        callers: units.into_iter().enumerate().map(|(i, u)| Caller::new(u, i, seed)).collect(),
        attackers: attackers.into_iter().enumerate().map(|(i, u)| Caller::new(u, helper + i, seed)).collect(),
        columns,
        purse,
        judge_refusals: c.judge_refusals,
        keep_text,
        families: prepared.attacks.families.clone(),
        to_writer,
        runtime: tokio::runtime::Handle::current(),
    });
    engine.callers.iter().chain(&engine.attackers).zip(spent).for_each(|(c, calls)| c.calls.store(calls, Ordering::Relaxed));
    let journal = Arc::new(Mutex::new(journal));
    let (planned, planned_benign) = prepared.attacks.trials();

    let interrupt = tokio::spawn(interrupted(Arc::clone(&engine), stop.clone()));
    let signals = tokio::spawn(stop.clone().listen());
    let clock = c.budget.minutes.map(|minutes| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs_f64(minutes * 60.0)).await;
            engine.purse.end("the time of the budget is over");
        })
    });
    let (queries, mut to_ask) = mpsc::channel::<std::result::Result<Work, Message>>(256);
    let done = std::thread::scope(|scope| -> Result<Progress> {
        let producer = scope.spawn({
            let (engine, journal, attacks, output) = (Arc::clone(&engine), Arc::clone(&journal), &mut prepared.attacks, &output);
            let attacker = attacker.as_mut();
            move || produce(&engine, &journal, resumed, attacks, attacker, output, &queries)
        });
        let writer = scope.spawn({
            let (engine, journal, output) = (Arc::clone(&engine), Arc::clone(&journal), &output);
            let adaptive = prepared.file.campaign.adaptive.as_ref().map_or(0, |a| a.queries);
            let (live, planned) = (&live, planned + planned_benign + adaptive);
            let report = move |l: &Live| {
                live.show(l);
                report(l);
            };
            move || write(&engine, &journal, from_tasks, output, planned, keep_text, &report)
        });
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let in_flight = Arc::new(Semaphore::new(window));
                while let Some(work) = to_ask.recv().await {
                    match work {
                        // What was finished before still counts after the end; nothing new begins.
                        Ok(_) if engine.purse.ended() => {}
                        Ok(work) => {
                            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { break };
                            let engine = Arc::clone(&engine);
                            tokio::spawn(async move {
                                engine.ask_all(work).await;
                                drop(permit);
                            });
                        }
                        Err(message) => engine.tell(message).await,
                    }
                }
                to_ask.close();
                // Everything in flight ends before the writer does.
                drop(in_flight.acquire_many(window as u32).await);
            })
        });
        interrupt.abort();
        signals.abort();
        clock.iter().for_each(tokio::task::JoinHandle::abort);
        let produced = producer.join().unwrap_or_else(|_| Err(Error::run("the reader of prompts broke", "please report this")));
        engine.tell_over();
        let written = writer.join().unwrap_or_else(|_| Err(Error::run("the journal's writer broke", "please report this")));
        produced.and(written)
    });
    live.end();
    let done = done?;
    let journal = Arc::try_unwrap(journal).map_err(|_| Error::run("the journal is still in use", "please report this"))?;
    let journal = journal.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let units: Vec<&Unit> = engine.callers.iter().map(|c| &c.unit).collect();
    tables::write(&output, &prepared.file.campaign.name, &mut prepared.attacks, attacker.as_ref(), &units, &journal)?;
    journal.checkpoint()?;
    let record = record(&prepared, attacker.as_ref(), &engine, &journal, done, (planned, planned_benign), began.elapsed())?;
    let mut inputs = prepared.inputs();
    inputs.push(prepared.file.record.clone());
    if record.attacks.finished + record.benign.finished > 0 {
        for table in Rows::open(&[output.join(tables::OUTCOMES).display().to_string()])? {
            inputs.push(table.record()?);
        }
    }
    Ok(Ran { record, inputs, output })
}

/// First: finish what is in flight. Second: drop it, children too, and write the tables.
async fn interrupted(engine: Arc<Engine>, stop: Stop) {
    stop.pressed(1).await;
    engine.purse.end("it was interrupted");
    stop.pressed(2).await;
    engine.purse.abort.send_replace(true);
}

/// What the writer counted.
struct Progress {
    attacks: u64,
    benign: u64,
    adaptive: u64,
    finds: u64,
    watch: Watch,
}

/// Turns prompts into work; queries that are settled go straight to the writer.
fn produce(
    engine: &Engine,
    journal: &Mutex<Journal>,
    resumed: bool,
    attacks: &mut crate::attacks::Attacks,
    attacker: Option<&mut Attacker>,
    output: &Path,
    queries: &mpsc::Sender<std::result::Result<Work, Message>>,
) -> Result<()> {
    let mut at = 0;
    let mut next = |query: Query, asked_by: Option<oneshot::Sender<Heard>>| {
        at += 1;
        hand_out(engine, resumed.then_some(journal), output, queries, query, at - 1, asked_by)
    };
    let mut result = attacks.in_run_order(&mut |query| next(query, None));
    if let (Ok(()), Some(attacker)) = (&result, attacker) {
        let tally = Arc::clone(&attacker.tally);
        let (callers, purse, writer, runtime) = (&engine.attackers, &engine.purse, &engine.to_writer, &engine.runtime);
        let ask = Asker { callers, purse, journal, writer, runtime, tally: &tally };
        result = attacker.search(attacks, &ask, &mut next);
    }
    if let Err(e) = &result {
        engine.purse.end(e.to_string());
    }
    result
}

/// Hands one query out, with what the journal knows of it; whether anybody still takes some.
fn hand_out(
    engine: &Engine,
    journal: Option<&Mutex<Journal>>,
    output: &Path,
    queries: &mpsc::Sender<std::result::Result<Work, Message>>,
    query: Query,
    at: u64,
    asked_by: Option<oneshot::Sender<Heard>>,
) -> Result<bool> {
    let finds = Finds::under(output);
    let mut work = Work { query, at, known: Vec::new(), replies: Vec::new(), asked_by };
    if engine.purse.ended() && journal.is_none() {
        return Ok(false);
    }
    if let Some(journal) = journal {
        let mut journal = journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        work.known = journal.cells(work.query.number)?;
        if !work.known.is_empty() {
            work.replies = journal.replies(work.query.number)?;
        }
        // A person may have thought again.
        for caller in &engine.callers {
            let Some(said) = caller.unit.layer.recorded(&work.query.trial) else { continue };
            for cell in work.known.iter_mut().filter(|c| {
                let judged = matches!(c.verdict.outcome, Outcome::Failed | Outcome::Held | Outcome::Abstain);
                judged && c.column == caller.unit.first && c.verdict.outcome != said
            }) {
                journal.correct(work.query.number, cell.column, said)?;
                cell.verdict.outcome = said;
                finds.forget(work.query.number);
            }
        }
    }
    let outcomes = engine.outcomes(&work.known);
    let item = if outcomes.iter().all(Option::is_some) {
        let joint = joint(&outcomes);
        // Killed between the commit and the find's file.
        let find = (joint == Joint::Failed && work.query.label != Label::Benign && !finds.has(work.query.number))
            .then(|| Box::new(Find::new(&work.query, engine.found(&work.replies))));
        let seen = engine.seen(&work.query, work.at, joint, true);
        if let Some(asked_by) = work.asked_by.take() {
            // Whoever asked may have gone.
            let _ = asked_by.send(engine.heard(&work.known, &work.replies));
        }
        Err(Message::Known { seen, find, number: work.query.number })
    } else {
        Ok(work)
    };
    Ok(queries.blocking_send(item).is_ok())
}

/// The writer: gathers what has arrived, commits it, then reports it.
fn write(
    engine: &Engine,
    journal: &Mutex<Journal>,
    mut from_tasks: mpsc::Receiver<Message>,
    output: &Path,
    planned: u64,
    keep_text: bool,
    report: &(dyn Fn(&Live) + Sync),
) -> Result<Progress> {
    let finds = Finds::under(output);
    let mut progress = Progress { attacks: 0, benign: 0, adaptive: 0, finds: 0, watch: Watch::new(&engine.families, CONFIDENCE) };
    let mut before = 0;
    let mut failed = None;
    let mut batch = Vec::with_capacity(BATCH);
    let mut last = Instant::now();
    let mut over = false;
    while !over {
        gather(&engine.runtime, &mut from_tasks, &mut batch);
        let mut entries = Vec::with_capacity(batch.len());
        let mut ends = Vec::new();
        for message in batch.drain(..) {
            match message {
                Message::Entry(e) => entries.push(e),
                Message::End { number, settled, find, seen } => {
                    if settled && find.is_none() {
                        entries.push(Entry::Finished { number });
                    }
                    ends.push((number, settled, seen, find));
                }
                Message::Known { number, seen, find } => {
                    // Its replies may have been left by a kill.
                    if find.is_none() {
                        entries.push(Entry::Finished { number });
                    }
                    before += 1;
                    ends.push((number, true, seen, find));
                }
                Message::Over => over = true,
            }
        }
        if failed.is_some() {
            continue;
        }
        let settle = || -> Result<()> {
            let mut journal = journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let spent = engine.spent();
            if !entries.is_empty() || over {
                journal.commit(&entries, &spent, keep_text)?;
            }
            // A find is on disk before its replies leave the journal.
            let mut written = Vec::new();
            for (number, _, _, find) in &ends {
                if let Some(find) = find {
                    finds.write(find)?;
                    written.push(Entry::Finished { number: *number });
                }
            }
            if !written.is_empty() {
                journal.commit(&written, &spent, keep_text)?;
            }
            Ok(())
        };
        if let Err(e) = settle() {
            engine.purse.end(e.to_string());
            failed = Some(e);
            continue;
        }
        for (_, settled, seen, _) in ends {
            if settled {
                match seen.label {
                    Label::Attack => progress.attacks += 1,
                    Label::Benign => progress.benign += 1,
                    Label::Adaptive => progress.adaptive += 1,
                }
                progress.finds += u64::from(seen.beat_all);
            }
            progress.watch.see(seen);
        }
        if last.elapsed() > TICK || over {
            last = Instant::now();
            report(&Live {
                finished: progress.attacks + progress.benign + progress.adaptive,
                planned,
                before,
                calls: engine.purse.calls.load(Ordering::Relaxed),
                finds: progress.finds,
                watched: progress.watch.total(),
                search: progress.watch.search(),
                families: progress.watch.families(),
                history: progress.watch.history().to_vec(),
                away: engine.callers.iter().chain(&engine.attackers).filter(|c| c.is_away()).map(|c| c.unit.name.clone()).collect(),
                ending: engine.purse.ended(),
            });
        }
    }
    failed.map_or(Ok(progress), Err)
}

/// Waits for messages, a tick at most, and for some more where few have come: a commit costs the same for few entries as for many.
fn gather(runtime: &tokio::runtime::Handle, from: &mut mpsc::Receiver<Message>, batch: &mut Vec<Message>) {
    let waited = runtime.block_on(async { tokio::time::timeout(TICK, from.recv_many(batch, BATCH)).await });
    if waited.is_ok() && batch.len() < SMALL {
        std::thread::sleep(GATHER);
        while batch.len() < BATCH
            && let Ok(message) = from.try_recv()
        {
            batch.push(message);
        }
    }
}

/// Whether all layers failed.
fn joint(outcomes: &[Option<Outcome>]) -> Joint {
    Joint::of(outcomes.iter().map(|o| match o {
        Some(Outcome::Held | Outcome::CensoredBy(_)) => Some(false),
        Some(Outcome::Failed) => Some(true),
        _ => None,
    }))
}

impl Engine {
    /// Outcome of every column, where it is settled.
    fn outcomes(&self, cells: &[Cell]) -> Vec<Option<Outcome>> {
        let mut out = vec![None; self.columns];
        cells.iter().for_each(|c| {
            if let Some(o) = out.get_mut(c.column) {
                *o = Some(c.verdict.outcome);
            }
        });
        out
    }

    fn seen(&self, q: &Query, at: u64, joint: Joint, settled: bool) -> Seen {
        let family = self.families.iter().position(|f| *f == q.family).map(|f| f as u16);
        Seen {
            at,
            family,
            label: q.label,
            joint,
            beat_all: joint == Joint::Failed && q.label != Label::Benign,
            settled: settled || q.label == Label::Benign || joint == Joint::Held,
            last_of_goal: q.last_of_goal,
        }
    }

    /// What every layer said, for a search: whether it failed, its score, and the target's answer.
    fn heard(&self, cells: &[Cell], replies: &[Kept]) -> Heard {
        let mut out = vec![Answer::default(); self.columns];
        for c in cells {
            let failed = match c.verdict.outcome {
                Outcome::Failed => Some(true),
                Outcome::Held => Some(false),
                _ => None,
            };
            if let Some(a) = out.get_mut(c.column) {
                *a = Answer { failed, score: c.verdict.score };
            }
        }
        // Only who talks with the target listens to it.
        let target = if self.attackers.is_empty() { None } else { self.callers.iter().position(|c| c.unit.stage == Stage::Model) };
        let column = target.map(|i| self.callers[i].unit.first);
        Heard {
            answers: out,
            response: replies.iter().rev().find(|r| Some(r.unit) == target).and_then(|r| r.answer.clone()),
            refused: cells.iter().any(|c| Some(c.column) == column && is_refusal(&c.verdict)),
        }
    }

    /// Calls of every layer so far, and of the attacker's models.
    fn spent(&self) -> Vec<u64> {
        self.callers.iter().chain(&self.attackers).map(|c| c.calls.load(Ordering::Relaxed)).collect()
    }

    fn found(&self, replies: &[Kept]) -> Vec<FoundReply> {
        let one = |k: &Kept| FoundReply {
            layer: self.callers[k.unit].unit.name.clone(),
            answer: k.answer.clone(),
            reply: String::from_utf8_lossy(&k.raw).into_owned(),
        };
        replies.iter().filter(|r| r.unit < self.callers.len()).map(one).collect()
    }

    async fn tell(&self, message: Message) {
        // The writer ends only after all who tell it anything.
        let _ = self.to_writer.send(message).await;
    }

    /// Tells the writer that nothing more comes.
    fn tell_over(&self) {
        tokio::task::block_in_place(|| {
            // The writer ends only after this.
            let _ = self.to_writer.blocking_send(Message::Over);
        });
    }

    /// Puts one query to every layer: first those that need only the prompt, and the target; then those that need its answer.
    async fn ask_all(&self, work: Work) {
        let Work { query, at, mut known, mut replies, asked_by } = work;
        let mut outcomes = self.outcomes(&known);
        let settled = |outcomes: &[Option<Outcome>], u: &Unit| outcomes[u.first..u.first + u.columns.len()].iter().all(Option::is_some);
        let late = |c: &Caller| c.unit.stage.after_the_model();
        for wave in [false, true] {
            let output = if wave { self.answer(&query, &outcomes, &replies) } else { Given::Text(None) };
            let mut calls = FuturesUnordered::new();
            for (i, caller) in self.callers.iter().enumerate().filter(|(_, c)| late(c) == wave) {
                if settled(&outcomes, &caller.unit) {
                    continue;
                }
                match &output {
                    Given::Text(text) => {
                        let ask = Ask {
                            trial: &query.trial,
                            attack: &query.attack,
                            stage: caller.unit.stage,
                            history: &query.history,
                            prompt: &query.prompt,
                            output: text.as_deref(),
                        };
                        calls.push(async move { (i, caller.call(ask, query.number, &self.purse).await) });
                    }
                    Given::Never(verdict) => {
                        let u = &caller.unit;
                        let cells: Vec<Cell> = (u.first..u.first + u.columns.len())
                            .filter(|&c| outcomes[c].is_none())
                            .map(|column| Cell { column, verdict: verdict.clone(), latency: 0, calls: 0, reply: None })
                            .collect();
                        cells.iter().for_each(|c| outcomes[c.column] = Some(verdict.outcome));
                        known.extend(cells.iter().cloned());
                        self.tell(Message::Entry(Entry::Cells { number: query.number, cells, reply: None })).await;
                    }
                    Given::NotYet => {}
                }
            }
            while let Some((i, called)) = calls.next().await {
                let Some(Called { mut cells, raw, output, .. }) = called else { continue };
                // Columns that were settled before stay as they are in the journal.
                cells.retain(|c| outcomes[c.column].is_none());
                cells.iter().for_each(|c| outcomes[c.column] = Some(c.verdict.outcome));
                known.extend(cells.iter().cloned());
                let target = self.callers[i].unit.stage == Stage::Model && self.callers.iter().any(late);
                let may_be_found = query.label != Label::Benign && joint(&outcomes) != Joint::Held;
                let has_text = !raw.is_empty() || output.is_some();
                let keep = has_text && (self.keep_text || target || may_be_found);
                let reply = keep.then_some(Kept { unit: i, raw, answer: output });
                replies.extend(reply.clone());
                if !cells.is_empty() {
                    self.tell(Message::Entry(Entry::Cells { number: query.number, cells, reply })).await;
                }
            }
        }
        let joint = joint(&outcomes);
        let settled = outcomes.iter().all(Option::is_some);
        if let (Some(asked_by), true) = (asked_by, settled) {
            // Whoever asked may have gone.
            let _ = asked_by.send(self.heard(&known, &replies));
        }
        let find = (settled && joint == Joint::Failed && query.label != Label::Benign).then(|| {
            replies.sort_by_key(|r| r.unit);
            Box::new(Find::new(&query, self.found(&replies)))
        });
        let seen = self.seen(&query, at, joint, settled);
        self.tell(Message::End { number: query.number, settled, seen, find }).await;
    }

    /// What output layers judge: the recorded answer, else the target's.
    fn answer(&self, query: &Query, outcomes: &[Option<Outcome>], replies: &[Kept]) -> Given {
        if let Some(text) = &query.response {
            return Given::Text(Some(text.clone()));
        }
        let Some((i, target)) = self.callers.iter().enumerate().find(|(_, c)| c.unit.stage == Stage::Model) else {
            return Given::Never(Verdict::missing(Outcome::Error, "the prompt has no recorded answer"));
        };
        let text = replies.iter().rev().find(|r| r.unit == i).and_then(|r| r.answer.clone());
        match outcomes[target.unit.first] {
            None => Given::NotYet,
            Some(Outcome::Held) if !self.judge_refusals || text.is_none() => Given::Never(Verdict::of(Outcome::CensoredBy(target.unit.first as u16))),
            Some(Outcome::Held | Outcome::Failed) if text.is_some() => Given::Text(text),
            _ => Given::Never(Verdict::missing(Outcome::Error, "the target gave no answer")),
        }
    }
}

/// What output layers are given.
enum Given {
    /// A text; none for layers that need none.
    Text(Option<String>),
    /// They are not asked, for this reason.
    Never(Verdict),
    /// The target has not been asked yet.
    NotYet,
}

fn record(
    prepared: &Prepared,
    attacker: Option<&Attacker>,
    engine: &Engine,
    journal: &Journal,
    done: Progress,
    planned: (u64, u64),
    time: Duration,
) -> Result<CampaignRecord> {
    let c = &prepared.file.campaign;
    let mut layers = Vec::new();
    let totals = journal.totals(prepared.attacks.benign_from(), prepared.attacks.adaptive_from())?;
    for caller in &engine.callers {
        let u = &caller.unit;
        for (i, name) in u.columns.iter().enumerate() {
            let own: Vec<_> = totals.iter().filter(|t| t.0 == u.first + i).collect();
            let mut cells = [std::collections::BTreeMap::new(), std::collections::BTreeMap::new()];
            for (_, outcome, attacks, benign) in &own {
                let word = match outcome {
                    Outcome::Held => "held",
                    Outcome::Failed => "failed",
                    Outcome::Error => "error",
                    Outcome::Abstain => "abstain",
                    Outcome::Unparsed => "unparsed",
                    Outcome::CensoredBy(_) => "censored",
                    Outcome::NotRun => "not_run",
                };
                for (map, n) in cells.iter_mut().zip([attacks, benign]).filter(|x| *x.1 > 0) {
                    *map.entry(word.to_owned()).or_insert(0) += n;
                }
            }
            let [cells, benign] = cells;
            let quantiles = journal.latency(u.first + i, &[0.5, 0.95, 0.99])?;
            layers.push(LayerRecord {
                name: name.clone(),
                kind: u.kind.clone(),
                stage: u.stage.word().into(),
                fails: serde_json::to_value(u.fails).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
                calls: if i == 0 { caller.calls.load(Ordering::Relaxed) } else { 0 },
                open: (planned.0 + planned.1).saturating_sub(own.iter().map(|t| t.2 + t.3).sum()),
                cells,
                benign,
                reasons: journal
                    .reasons(u.first + i, prepared.attacks.adaptive_from())?
                    .into_iter()
                    .map(|(reason, cells)| ReasonCount { reason, cells })
                    .collect(),
                latency: [quantiles[0], quantiles[1], quantiles[2]],
                given_up: caller.given_up.load(Ordering::Relaxed),
                waits_in: (!u.counts).then(|| crate::layer::queue_name(&u.name)),
            });
        }
    }
    let why = engine.purse.why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let columns: Vec<String> = engine.callers.iter().flat_map(|c| c.unit.columns.clone()).collect();
    let adaptive = attacker.map(|a| a.record(&columns, why.as_deref()));
    let unfinished = done.attacks + done.benign < planned.0 + planned.1 || adaptive.as_ref().is_some_and(|a| a.ended.is_some());
    let costly = engine.callers.iter().chain(&engine.attackers).any(|c| c.unit.cost > 0.0);
    let searching = adaptive.as_ref().and_then(|a| a.ended.clone());
    Ok(CampaignRecord {
        name: c.name.clone(),
        about: c.about.clone(),
        seed: prepared.file.seed().0,
        shard: prepared.shard.map(|s| format!("{}/{}", s.index, s.of)),
        attacks: Done { planned: planned.0, finished: done.attacks },
        benign: Done { planned: planned.1, finished: done.benign },
        operators: prepared.attacks.chain_names(),
        calls: engine.purse.calls.load(Ordering::Relaxed),
        cost: costly.then(|| engine.purse.cost()),
        seconds: time.as_secs_f64(),
        watched: done.watch.total(),
        history: done.watch.history().to_vec(),
        families: done.watch.families(),
        finds: done.finds,
        adaptive,
        ended_early: unfinished.then(|| {
            why.or(searching).unwrap_or_else(|| {
                let away: Vec<&str> = layers.iter().filter(|l| l.given_up).map(|l| l.name.as_str()).collect();
                if away.is_empty() { "some layers wait for a person".into() } else { format!("{} gave no answer", away.join(", ")) }
            })
        }),
        layers,
    })
}
