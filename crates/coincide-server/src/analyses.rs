//! Analyses that run: one at a time, each with its progress, until it is done or cancelled.
//!
//! A cancelled analysis ends at its next report of progress, by unwinding: rayon hands the payload up to the call that began it. Nothing is half-written, because
//! a result is stored only when it is whole.

use crate::error::Problem;
use crate::folder::Folder;
use crate::store::Store;
use axum::http::StatusCode;
use coincide::{AnalyzeOptions, FitOptions, Seed};
use coincide_io::{Ask, Job, Part, ReadOptions, StudyFile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Semaphore, watch};

/// Analyses that may wait.
const MOST_WAITING: usize = 100;
/// Bootstrap replicates and posterior draws that may be asked for.
const MOST_REPLICATES: u32 = 100_000;

/// What to analyse.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnalysisRequest {
    /// Files with outcomes, or one study, by their names in the data folder.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 1000)))]
    pub files: Vec<String>,
    /// Fit models too.
    #[serde(default)]
    pub fit: bool,
    /// The layers' columns; inferred where none is named.
    #[serde(default)]
    pub layers: Vec<String>,
    /// Cluster columns.
    #[serde(default)]
    pub clusters: Vec<String>,
    /// Stratum columns.
    #[serde(default)]
    pub strata: Vec<String>,
    /// The column of the undefended pipeline.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Seed of every random number, 1 where none is named.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 4_294_967_295_u32))]
    pub seed: Option<u32>,
    /// Bootstrap replicates, 2,000 where nothing is said.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 100, max = 100_000))]
    pub replicates: Option<u32>,
}

/// A whole number; in JSON 2000.0 is one too.
fn whole<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    let Some(x) = Option::<f64>::deserialize(d)? else { return Ok(None) };
    let fits = x.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&x);
    if fits { Ok(Some(x as u32)) } else { Err(serde::de::Error::custom(format!("{x} is not a whole number between 0 and {}", u32::MAX))) }
}

/// How an analysis stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Another one runs first.
    Waiting,
    /// It runs.
    Running,
    /// Its result is stored.
    Done,
    /// It could not be computed.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// The server ended while it ran.
    Interrupted,
}

impl State {
    fn over(self) -> bool {
        !matches!(self, State::Waiting | State::Running)
    }
    fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Interrupted => "interrupted",
        }
    }
}

/// An analysis.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AnalysisStatus {
    /// Number.
    pub id: i64,
    /// What was asked.
    pub request: AnalysisRequest,
    /// How it stands.
    pub state: State,
    /// What is being done.
    pub step: Option<String>,
    /// How much of the step is done.
    pub done: u64,
    /// Of so much; 0 where that is not known.
    pub total: u64,
    /// The result's number, when it is done.
    pub result: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

struct Running {
    status: watch::Sender<AnalysisStatus>,
    cancel: Arc<AtomicBool>,
}

/// All analyses of this server.
pub(crate) struct Analyses {
    list: Mutex<BTreeMap<i64, Running>>,
    turn: Arc<Semaphore>,
    /// The server ended: nothing goes on.
    ended: Arc<AtomicBool>,
    store: Arc<Store>,
    folder: Folder,
}

/// Why an analysis was interrupted.
const ENDED: &str = "the server ended while it ran";

/// What a cancelled analysis unwinds with.
struct Cancelled;

impl Analyses {
    /// Takes up what earlier servers left: what was under way then was interrupted.
    pub(crate) fn new(store: Arc<Store>, folder: Folder) -> rusqlite::Result<Self> {
        let mut list = BTreeMap::new();
        for (id, state, about) in store.analyses()? {
            let Ok(mut status) = serde_json::from_str::<AnalysisStatus>(&about) else { continue };
            status.id = id;
            if ["waiting", "running"].contains(&state.as_str()) {
                status.state = State::Interrupted;
                status.error = Some(ENDED.into());
                store.note(id, State::Interrupted.word(), &serde_json::json!(status).to_string())?;
            }
            list.insert(id, Running { status: watch::Sender::new(status), cancel: Arc::default() });
        }
        Ok(Analyses { list: Mutex::new(list), turn: Arc::new(Semaphore::new(1)), ended: Arc::default(), store, folder })
    }

    /// Ends whatever is under way at its next report of progress; the next server calls what waits interrupted.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<i64, Running>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All, the newest first.
    pub(crate) fn all(&self) -> Vec<AnalysisStatus> {
        self.list().values().rev().map(|r| r.status.borrow().clone()).collect()
    }
    /// One, and how it goes on.
    pub(crate) fn follow(&self, id: i64) -> Option<watch::Receiver<AnalysisStatus>> {
        self.list().get(&id).map(|r| r.status.subscribe())
    }

    /// Stops one; `None` where there is none, and whether it was still under way.
    pub(crate) fn cancel(&self, id: i64) -> Option<bool> {
        let list = self.list();
        let r = list.get(&id)?;
        let state = r.status.borrow().state;
        if state.over() {
            return Some(false);
        }
        r.cancel.store(true, Ordering::Relaxed);
        if state == State::Waiting {
            // It has no turn in which it could notice.
            r.status.send_modify(|s| s.state = State::Cancelled);
            let now = r.status.borrow().clone();
            let _ = self.store.note(id, now.state.word(), &serde_json::json!(now).to_string());
        }
        Some(true)
    }

    /// Puts a request into the queue.
    pub(crate) fn begin(self: &Arc<Self>, request: AnalysisRequest) -> Result<AnalysisStatus, Problem> {
        let job = self.job(&request)?;
        let waiting = self.list().values().filter(|r| !r.status.borrow().state.over()).count();
        if waiting >= MOST_WAITING {
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("{waiting} analyses are waiting already")).hinted("wait, or cancel some"));
        }
        let mut status =
            AnalysisStatus { id: 0, request, state: State::Waiting, step: None, done: 0, total: 0, result: None, error: None, hint: None };
        status.id = self.store.begin(&serde_json::json!(status).to_string())?;
        let (sender, cancel) = (watch::Sender::new(status.clone()), Arc::<AtomicBool>::default());
        self.list().insert(status.id, Running { status: sender.clone(), cancel: Arc::clone(&cancel) });
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(_turn) = Arc::clone(&own.turn).acquire_owned().await else { return };
            let (store, ended) = (Arc::clone(&own.store), Arc::clone(&own.ended));
            let _ = tokio::task::spawn_blocking(move || run(&job, &sender, &cancel, &ended, &store)).await;
        });
        Ok(status)
    }

    /// The job that a request means. Everything that it reads lies inside the data folder.
    fn job(&self, r: &AnalysisRequest) -> Result<Job, Problem> {
        if r.files.is_empty() || r.files.len() > 100 {
            return Err(Problem::bad("name between one and a hundred files"));
        }
        if r.replicates.is_some_and(|n| !(100..=MOST_REPLICATES).contains(&n)) {
            return Err(Problem::bad(format!("replicates must be between 100 and {MOST_REPLICATES}")));
        }
        let mut files = Vec::new();
        for name in &r.files {
            let path = self.folder.inside(name)?;
            if !path.is_file() {
                return Err(Problem::bad(format!("`{name}` is a folder")));
            }
            files.push(path.display().to_string());
        }
        let fit = r.fit.then(FitOptions::default);
        if let [study] = files.as_slice()
            && study.ends_with(".toml")
        {
            if !(r.layers.is_empty() && r.clusters.is_empty() && r.strata.is_empty() && r.baseline.is_none()) {
                return Err(Problem::bad("a study says itself which layers, clusters, strata and baseline there are"));
            }
            let file = StudyFile::read(study).map_err(|e| with_hint(&e))?;
            let mut job = Job::whole_study(file).ok_or_else(|| Problem::bad("the study has nothing to assess"))?;
            job.ask.parts.push(Part::WhatIf);
            return self.checked(Job { fit: if r.fit { job.fit.or(fit) } else { job.fit }, ..job }, r);
        }
        if files.iter().any(|f| f.ends_with(".toml")) {
            return Err(Problem::bad("a study is analysed by itself"));
        }
        let some = |l: &Vec<String>| (!l.is_empty()).then(|| l.clone());
        let read = ReadOptions {
            layers: some(&r.layers),
            clusters: r.clusters.clone(),
            strata: r.strata.clone(),
            baseline: r.baseline.clone(),
            ..ReadOptions::default()
        };
        let mut parts = vec![Part::Analysis, Part::WhatIf];
        parts.extend(r.fit.then_some(Part::Fit));
        self.checked(Job::outcomes(files, read, AnalyzeOptions::default(), fit, Ask { parts, ..Ask::default() }), r)
    }

    fn checked(&self, mut job: Job, r: &AnalysisRequest) -> Result<Job, Problem> {
        if let Some(seed) = r.seed {
            job.analyze.seed = Seed(u64::from(seed));
        }
        if let Some(n) = r.replicates {
            job.analyze.replicates = n as usize;
        }
        if let Some(f) = &mut job.fit {
            f.seed = job.analyze.seed;
        }
        for p in job.paths() {
            if !self.folder.holds(&p) {
                return Err(Problem::bad(format!("`{p}` is not there, or lies outside the data folder")));
            }
        }
        Ok(job)
    }
}

/// Whether nothing more will happen.
pub(crate) fn over(s: &AnalysisStatus) -> bool {
    s.state.over()
}

pub(crate) fn with_hint(e: &coincide_io::Error) -> Problem {
    let p = Problem::bad(e.to_string());
    match e.hint() {
        Some(h) => p.hinted(h),
        None => p,
    }
}

fn run(job: &Job, status: &watch::Sender<AnalysisStatus>, cancel: &AtomicBool, ended: &AtomicBool, store: &Store) {
    let tell = |change: &dyn Fn(&mut AnalysisStatus)| {
        status.send_modify(change);
        let now = status.borrow().clone();
        // What cannot be noted is still told to whoever follows.
        let _ = store.note(now.id, now.state.word(), &serde_json::json!(now).to_string());
    };
    if cancel.load(Ordering::Relaxed) {
        return tell(&|s| s.state = State::Cancelled);
    }
    tell(&|s| s.state = State::Running);
    let last = Mutex::new(Instant::now());
    let progress = |step: &'static str, done: u64, total: u64| {
        if cancel.load(Ordering::Relaxed) || ended.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Cancelled));
        }
        let Ok(mut last) = last.try_lock() else { return };
        let new = status.borrow().step.as_deref() != Some(step);
        if new || last.elapsed().as_millis() > 100 {
            *last = Instant::now();
            status.send_modify(|s| (s.step, s.done, s.total) = (Some(step.to_owned()), done, total));
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| coincide_report::results(job, &progress)));
    if ended.load(Ordering::Relaxed) {
        return tell(&|s| (s.state, s.error) = (State::Interrupted, Some(ENDED.into())));
    }
    // From here on it is too late to cancel: whoever asks now is told that it is over.
    if cancel.swap(true, Ordering::Relaxed) {
        return tell(&|s| s.state = State::Cancelled);
    }
    match outcome {
        Ok(Ok(results)) => match store.put(&results) {
            Ok(id) => tell(&|s| (s.state, s.result, s.step) = (State::Done, Some(id), None)),
            Err(e) => tell(&|s| (s.state, s.error) = (State::Failed, Some(format!("the result cannot be stored: {e}")))),
        },
        Ok(Err(e)) => tell(&|s| (s.state, s.error, s.hint) = (State::Failed, Some(e.to_string()), e.hint().map(str::to_owned))),
        Err(_) => tell(&|s| (s.state, s.error) = (State::Failed, Some("the analysis broke; please report this with its input".into()))),
    }
}
