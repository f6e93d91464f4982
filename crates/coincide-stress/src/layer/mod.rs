//! Layers that can be asked live: one trait, a file a kind.

mod answer;
mod chat;
mod endpoint;
mod function;
mod generic;
mod guard;
mod human;
mod judge;
mod lakera;
mod litellm;
mod moderation;
mod nemo;
mod probe;
mod process;
mod rules;

pub(crate) use chat::is_refusal;
pub use function::{Function, Functions};
pub use human::Human;
pub(crate) use human::queue_name;

use crate::campaign::{FailsMode, Kind, LayerSpec, Stage};
use crate::campaign_file::{CampaignFile, MODELS};
use crate::error::Result;
use coincide_io::Key;
use endpoint::{Dialect, Endpoint};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whoever made the system.
    System,
    /// The user: of a target, the attacker.
    User,
    /// The model.
    Assistant,
}

/// A message of a conversation, as chat endpoints take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Message { role, content: content.into() }
    }
}

/// What a layer is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Name of the trial.
    pub trial: &'a str,
    /// Name of the prompt before operators.
    pub attack: &'a str,
    /// What it sees.
    pub stage: Stage,
    /// What was said before, where the query is a turn of a conversation.
    pub history: &'a [Message],
    /// The prompt: the user's last message.
    pub prompt: &'a str,
    /// The answer, for output and transcript layers.
    pub output: Option<&'a str>,
}

impl Ask<'_> {
    /// Whether the prompt is as it was given, without operators.
    pub fn plain(&self) -> bool {
        self.trial.strip_prefix(self.attack).is_some_and(|rest| !rest.starts_with('~'))
    }

    /// What the user and the target said, up to the prompt, as one text: the prompt itself where nothing was said before.
    pub fn conversation(&self) -> Cow<'_, str> {
        if self.history.is_empty() {
            return self.prompt.into();
        }
        let mut out = String::new();
        for m in self.history {
            let who = if m.role == Role::Assistant { "Assistant" } else { "User" };
            out += &format!("{who}: {}\n\n", m.content);
        }
        (out + "User: " + self.prompt).into()
    }
}

/// What a layer said about one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It let the trial through.
    Failed,
    /// It stopped it.
    Held,
    /// It was asked and would not say.
    Abstain,
    /// It could not be asked, or broke.
    Error,
    /// It answered something that is no verdict.
    Unparsed,
    /// It was not asked.
    NotRun,
    /// It was not asked because the target, this column, had refused.
    CensoredBy(u16),
}

/// An outcome with what came with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// Score on the layer's own scale.
    pub score: Option<f64>,
    /// Categories, rules, detectors that spoke.
    pub labels: Vec<String>,
    /// Why there is no outcome, in words.
    pub reason: Option<String>,
}

impl Verdict {
    /// A bare outcome.
    pub fn of(outcome: Outcome) -> Self {
        Verdict { outcome, score: None, labels: Vec::new(), reason: None }
    }

    /// Held or failed.
    pub fn held(held: bool) -> Self {
        Self::of(if held { Outcome::Held } else { Outcome::Failed })
    }

    /// No outcome, for this reason.
    pub fn missing(outcome: Outcome, reason: impl Into<String>) -> Self {
        Verdict { reason: Some(reason.into()), ..Self::of(outcome) }
    }

    /// With a score.
    #[must_use]
    pub fn scored(mut self, score: Option<f64>) -> Self {
        self.score = score.filter(|s| s.is_finite());
        self
    }

    /// With labels.
    #[must_use]
    pub fn labelled(mut self, labels: Vec<String>) -> Self {
        self.labels = labels;
        self
    }
}

/// What came back from one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// A verdict a column.
    pub verdicts: Vec<Verdict>,
    /// A target's answer.
    pub output: Option<String>,
    /// The reply as it came.
    pub raw: Vec<u8>,
    /// Calls that it took: a judge's counts too.
    pub calls: u32,
}

impl Reply {
    /// A reply of one verdict.
    pub fn one(verdict: Verdict, raw: impl Into<Vec<u8>>) -> Self {
        Reply { verdicts: vec![verdict], output: None, raw: raw.into(), calls: 1 }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// What happened, in words, without secrets.
    pub why: String,
    /// Whether trying again may help.
    pub again: Again,
    /// What the cells become.
    pub outcome: Outcome,
    /// Calls that it took.
    pub calls: u32,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Again {
    /// The same call would fail the same way.
    No,
    /// Any call would: the key or the address is wrong.
    Refused,
    /// After the usual wait.
    Later,
    /// After this wait, which the endpoint asked for.
    After(Duration),
    /// At once: the call never reached the layer, and that was not its fault.
    Now,
}

impl Trouble {
    /// An error that will not go away.
    pub fn lasting(why: impl Into<String>) -> Self {
        Trouble { why: why.into(), again: Again::No, outcome: Outcome::Error, calls: 1 }
    }

    /// An error that may go away.
    pub fn passing(why: impl Into<String>) -> Self {
        Trouble { why: why.into(), again: Again::Later, outcome: Outcome::Error, calls: 1 }
    }

    /// A reply that is no verdict.
    pub fn unparsed(why: impl Into<String>) -> Self {
        Trouble { why: why.into(), again: Again::No, outcome: Outcome::Unparsed, calls: 1 }
    }
}

/// A layer that can be asked.
///
/// A call may be dropped at any time (timeouts, Ctrl-C) and must then leave nothing behind that mixes up a later one.
pub trait Layer: Send + Sync {
    /// Asks about one trial; one verdict a column.
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>>;

    /// What is on record about a trial and may have been corrected since it was asked.
    fn recorded(&self, _trial: &str) -> Option<Outcome> {
        None
    }
}

/// A layer of a campaign with everything that is known about how to call it.
pub struct Unit {
    /// Name.
    pub name: String,
    /// Its columns of outcomes.
    pub columns: Vec<String>,
    /// Index of its first column among all.
    pub first: usize,
    /// What it sees.
    pub stage: Stage,
    /// The word for its kind.
    pub kind: String,
    /// What the deployment does without a verdict.
    pub fails: FailsMode,
    /// The layer.
    pub layer: Arc<dyn Layer>,
    /// Calls at once.
    pub concurrency: usize,
    /// Calls a second.
    pub rate: Option<f64>,
    /// Longest call.
    pub timeout: Duration,
    /// Tries after the first.
    pub retries: u32,
    /// Errors in a row that open the circuit.
    pub breaker: u32,
    /// Cost of a call.
    pub cost: f64,
    /// Attributes, `kind` and `stage` among them.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// What must not be stored: values of environment variables.
    pub secrets: Vec<String>,
    /// Calls that one question takes at most: a target's judge is asked too.
    pub calls_each: u32,
    /// Whether asking is a call: looking into a person's queue is none.
    pub counts: bool,
}

impl Unit {
    /// A unit around a layer of the caller's own, with the usual settings; the first column's index is set by the run.
    pub fn new(name: &str, kind: &str, stage: Stage, layer: Arc<dyn Layer>) -> Self {
        let spec = LayerSpec { name: name.to_owned(), stage: Some(stage), ..LayerSpec::default() };
        Self::around(&spec, kind.to_owned(), layer, Vec::new(), 0)
    }

    fn around(spec: &LayerSpec, kind: String, layer: Arc<dyn Layer>, secrets: Vec<String>, first: usize) -> Self {
        let mut attributes = spec.attributes.clone();
        attributes.entry("kind".into()).or_insert(kind);
        attributes.insert("stage".into(), spec.stage().word().into());
        let local = matches!(spec.kind, Some(Kind::Process | Kind::Rules | Kind::Probe | Kind::Human | Kind::Function));
        // A process times its own answers: the first one may take longer.
        let start = if matches!(spec.kind, Some(Kind::Process | Kind::Probe)) { spec.start_timeout.unwrap_or(120.0) } else { 0.0 };
        Unit {
            name: spec.name.clone(),
            columns: spec.columns(),
            first,
            stage: spec.stage(),
            kind: attributes["kind"].clone(),
            fails: spec.fails,
            layer,
            concurrency: spec.concurrency(),
            rate: spec.rate,
            timeout: Duration::from_secs_f64(start + spec.timeout.unwrap_or(60.0)),
            retries: spec.retries.unwrap_or(if local { 0 } else { 4 }),
            breaker: spec.breaker.unwrap_or(20),
            cost: spec.cost.unwrap_or(0.0),
            attributes,
            secrets,
            calls_each: if spec.kind == Some(Kind::Human) { 0 } else { 1 + u32::from(spec.judge.is_some()) },
            counts: spec.kind != Some(Kind::Human),
        }
    }
}

/// Every layer of a campaign, ready to be asked; layers of kind `function` by name. Fails at the line of a layer whose files, patterns, program, function or
/// secrets are not there, and on a function that no layer is called like.
pub fn units(file: &CampaignFile, output: &std::path::Path, functions: &Functions) -> Result<Vec<Unit>> {
    function::check_names(file, functions)?;
    let mut out = Vec::new();
    let mut first = 0;
    for (i, spec) in file.campaign.layers.iter().enumerate() {
        let mut secrets = secrets(file, &[Key::Name("layers"), Key::At(i)], spec, &format!("layer `{}`", spec.name))?;
        // A child may say what it was given; short values are words that occur anyway.
        let usual = ["PATH", "HOME", "LANG", "TMPDIR"];
        let given = spec.env.iter().filter(|n| !usual.contains(&n.as_str())).filter_map(|n| std::env::var(n).ok());
        secrets.extend(given.filter(|v| v.len() >= 6));
        let layer = build(file, output, i, spec, functions)?;
        let unit = Unit::around(spec, spec.kind().word(), layer, secrets, first);
        first += unit.columns.len();
        out.push(unit);
    }
    Ok(out)
}

/// The values of the keys of what stands at `place` in the campaign. Fails on one that is not set.
fn secrets(file: &CampaignFile, place: &[Key<'_>], spec: &LayerSpec, whose: &str) -> Result<Vec<String>> {
    let value = |name: &str| match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => {
            let what = format!("the environment variable `{name}` of the {whose} is not set");
            let at = [place, &[Key::Name("key_env")]].concat();
            Err(file.wrong(&at, what, &format!("export {name}=… before the run; keys never stand in files")).into())
        }
    };
    spec.secrets().into_iter().map(value).collect()
}

/// The attacker's model, and the one that watches whether it keeps to its goals, where the campaign has them. Fails as layers do.
pub(crate) fn attackers(file: &CampaignFile) -> Result<Vec<Unit>> {
    let Some(spec) = file.campaign.adaptive.as_ref().and_then(|a| a.attacker.as_ref()) else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for (spec, place) in spec.models().iter().zip(MODELS) {
        let secrets = secrets(file, place, spec, &spec.name)?;
        out.push(Unit::around(spec, "attacker".into(), Arc::new(chat::Target::helper(file, place, spec)?), secrets, 0));
    }
    Ok(out)
}

fn build(file: &CampaignFile, output: &std::path::Path, i: usize, spec: &LayerSpec, functions: &Functions) -> Result<Arc<dyn Layer>> {
    let over_http =
        |dialect: Box<dyn Dialect>| -> Result<Arc<dyn Layer>> { Ok(Arc::new(endpoint::Http::new(Endpoint::new(file, i, spec)?, dialect))) };
    match spec.kind() {
        Kind::Chat => Ok(Arc::new(chat::Target::new(file, i, spec)?)),
        Kind::Judge => over_http(Box::new(judge::Judge::new(file, i, spec)?)),
        Kind::Moderation => over_http(Box::new(moderation::Moderation::new(spec))),
        Kind::Guard => over_http(Box::new(guard::Guard::new(spec))),
        Kind::Nemo => over_http(Box::new(nemo::Nemo::new(spec))),
        Kind::Lakera => over_http(Box::new(lakera::Lakera::new(spec))),
        Kind::Litellm => over_http(Box::new(litellm::Litellm)),
        Kind::Http => over_http(Box::new(generic::Generic::new(spec))),
        Kind::Process => Ok(Arc::new(process::Process::new(file, i, spec)?)),
        Kind::Rules => Ok(Arc::new(rules::Rules::new(file, i, spec)?)),
        Kind::Probe => Ok(Arc::new(probe::Probe::new(file, i, spec)?)),
        Kind::Human => Ok(Arc::new(Human::new(output, &spec.name)?)),
        Kind::Function => Ok(Arc::new(function::FunctionLayer::new(file, i, spec, functions)?)),
    }
}

/// Every reader of what endpoints, attackers' models and files of vectors say, on arbitrary bytes.
#[cfg(fuzzing)]
pub fn fuzz_replies(bytes: &[u8]) {
    let spec = |f: &dyn Fn(&mut LayerSpec)| {
        let mut spec = LayerSpec { name: "l".into(), ..LayerSpec::default() };
        f(&mut spec);
        spec
    };
    let plain = spec(&|_| {});
    let dialects: Vec<Box<dyn Dialect>> = vec![
        Box::new(moderation::Moderation::new(&plain)),
        Box::new(moderation::Moderation::new(&spec(&|s| s.threshold = Some(0.5)))),
        Box::new(guard::Guard::new(&plain)),
        Box::new(guard::Guard::new(&spec(&|s| (s.unsafe_token, s.threshold) = (Some("Yes".into()), Some(0.5))))),
        Box::new(nemo::Nemo::new(&plain)),
        Box::new(lakera::Lakera::new(&spec(&|s| s.detectors = vec!["prompt_attack".into()]))),
        Box::new(litellm::Litellm),
        Box::new(generic::Generic::new(&spec(&|s| (s.verdict, s.held_when) = (Some("/a/0".into()), vec!["true".into()])))),
    ];
    for d in dialects {
        if let Ok(reply) = d.read(bytes) {
            assert!(reply.verdicts.iter().all(|v| v.score.is_none_or(f64::is_finite)));
        }
    }
    chat::fuzz(bytes);
    crate::search::fuzz(bytes);
    process::fuzz(bytes);
    probe::fuzz(bytes);
}
