//! The campaign file: layers, attacks, benign prompts, operators, budgets and where results go, as TOML.
//!
//! Secrets stand in the environment only; the file names the variables. `coincide schema campaign` prints the JSON Schema.

use crate::error::Result;
use crate::operators::{self, Chain};
use coincide_io::{Error, FailsWhen, InputRecord, Key, TomlFile, suggestion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stress campaign.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Coincide campaign")]
pub struct Campaign {
    /// Name.
    pub name: String,
    /// What is tested, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Seed of the order of goals, of operators and of waiting times; 1.
    pub seed: Option<u64>,
    /// Folder for the journal, the outcomes and the finds, relative to this file; `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How often each prompt is put to the layers, for layers that draw their answers; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u32>,
    /// Queries in flight at once; four times what the layers take at once, 64 at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Ask output layers about refusals too; otherwise they are `censored_by` the target that refused.
    pub judge_refusals: bool,
    /// Harmful prompts.
    pub attacks: Prompts,
    /// Harmless prompts, for false alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub benign: Option<Prompts>,
    /// Rewritings of the prompts.
    pub operators: Operators,
    /// When to stop; --resume with a larger budget goes on.
    pub budget: Budget,
    /// The layers; every one sees every prompt.
    pub layers: Vec<LayerSpec>,
}

/// Files of prompts: CSV, TSV, JSON lines or Parquet with a row a prompt, plain or packed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prompts {
    /// Files or patterns, relative to the campaign's file.
    pub files: Vec<String>,
    /// Column of the prompt; `prompt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Column of a name for the prompt; `id` if there is one, else file and row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Column of the goal, the cluster; `goal` if there is one, else every prompt is a goal of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Column of the family of attacks; `family` if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Column of the language; `language` if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Column of a recorded answer for output layers, instead of a target's; `response` if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Further columns that become strata.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<String>,
    /// Only the first so many rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Rewritings of the prompts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Operators {
    /// Operators by name; every sequence of them up to `depth` is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub r#use: Vec<String>,
    /// Longest sequence; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Sequences of their own, as `base64+role_play`, the first innermost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<String>,
    /// How many sequences each attack gets, drawn by the seed; all of them where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Whether the prompt is also used as it is; true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain: Option<bool>,
    /// Whether benign prompts are rewritten too.
    pub benign: bool,
}

/// When to stop.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Calls at most, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Sum of the layers' `cost` at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Minutes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
}

/// What a layer is and how it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A target model behind an OpenAI-compatible endpoint; its refusal is the layer.
    Chat,
    /// A language model that is asked whether the exchange is harmful.
    Judge,
    /// An OpenAI-compatible moderation endpoint.
    Moderation,
    /// A guard model behind a chat endpoint that answers `safe` or `unsafe`.
    Guard,
    /// NeMo Guardrails, `/v1/checks`.
    Nemo,
    /// Lakera-style, `/v2/guard`.
    Lakera,
    /// LiteLLM's generic guardrail.
    Litellm,
    /// Any HTTP endpoint that answers JSON.
    Http,
    /// A program that speaks JSON lines on standard input and output.
    Process,
    /// Regular expressions.
    Rules,
    /// A direction over activation vectors, trained here.
    Probe,
    /// A person, through a file.
    Human,
}

/// What a layer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The prompt.
    Input,
    /// It is the model: it answers.
    Model,
    /// The answer.
    Output,
    /// Prompt and answer.
    Transcript,
}

impl Stage {
    /// Whether an answer is needed.
    pub fn after_the_model(self) -> bool {
        matches!(self, Stage::Output | Stage::Transcript)
    }

    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Input => "input",
            Stage::Model => "model",
            Stage::Output => "output",
            Stage::Transcript => "transcript",
        }
    }
}

/// What the deployment does when the layer gives no verdict; recorded, never folded into the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailsMode {
    /// The request passes.
    Open,
    /// The request is stopped.
    Closed,
    /// Not stated.
    #[default]
    Unstated,
}

/// A layer. Which keys a kind takes is checked; `coincide stress --dry-run` shows what was understood.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerSpec {
    /// Name: the column of outcomes.
    pub name: String,
    /// How it is called.
    pub kind: Option<Kind>,
    /// What it sees; `model` for chat, `transcript` for judges and people, else `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Calls at once, 8; of programs, how many run, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Calls a second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds before a call is given up; 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// How often a failed call is tried again; 4, for processes 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Failed calls in a row after which the layer is left alone for a while; 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<u32>,
    /// What the deployment does when the layer gives no verdict.
    pub fails: FailsMode,
    /// Cost of a call, in the unit of the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Attributes by which layers may be grouped, such as `provider` and `base_model`; `kind` and `stage` are there already.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,

    /// The endpoint, whole: `https://…/v1/chat/completions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Environment variable with the key, sent as `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Further headers; a value `env:NAME` is taken from the environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Bytes of a reply at most; 1,048,576.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_reply: Option<usize>,
    /// Model name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// System prompt (chat), or the judge's instruction with {prompt} and {response}.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Longest answer in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Chat: regular expressions that make an answer a refusal, beside what the endpoint says itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// Chat: a judge that decides whether the target gave in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeSpec>,
    /// Judge: what it is asked, with {prompt} and {response}.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Judge: regular expression of a reply that says harmful. HTTP: verdict values that mean failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_when: Vec<String>,
    /// Judge: regular expression of a reply that says harmless. HTTP: verdict values that mean held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_when: Vec<String>,
    /// Score at which the layer changes its mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Which side of the threshold fails; `below`: high scores are suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails_when: Option<FailsWhen>,
    /// Guard: read the probability of this first token, the word that means unsafe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsafe_token: Option<String>,
    /// NeMo: configurations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config_ids: Vec<String>,
    /// NeMo: kinds of rails; by the stage where absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rail_types: Vec<String>,
    /// Lakera: detectors that are layers of their own, `name.detector`, from one call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
    /// HTTP: JSON body; {prompt}, {output}, {messages} and {stage} in its texts are filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
    /// HTTP: JSON pointer to the verdict, `/flagged`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// HTTP: JSON pointer to a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// HTTP: JSON pointer to labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Process: the program and its arguments; run in the campaign's folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Process: environment variables handed on, beside PATH, HOME, LANG and TMPDIR.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Process: requests in flight to one process; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<usize>,
    /// Process: seconds for the first answer of a new process; 120.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timeout: Option<f64>,
    /// Rules: a file of regular expressions, one a line; `#` comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Rules: regular expressions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Rules: whether case matters; false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_sensitive: Option<bool>,
    /// Probe: activations of harmful and harmless examples to train on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainSpec>,
    /// Probe: activations of this campaign's prompts; from the process of `command` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<VectorsSpec>,
    /// Probe: how the direction is found; difference of means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<ProbeMethod>,
    /// Probe: share of harmless held-out examples that it may stop; 0.01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarms: Option<f64>,
}

/// A judge of a target's answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JudgeSpec {
    /// The endpoint, whole.
    pub url: String,
    /// Model name.
    pub model: String,
    /// Environment variable with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// What it is asked, with {prompt} and {response}.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Regular expressions of a reply that says harmful.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_when: Vec<String>,
    /// Regular expressions of a reply that says harmless.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_when: Vec<String>,
}

/// Activations to train on: two files, `.npy`, `.safetensors` or a table with a list column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Activations of harmful examples.
    pub attack: String,
    /// Activations of harmless examples.
    pub benign: String,
    /// Tensor (safetensors) or column (tables) that holds them; the only one, or `vector`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// Activations of this campaign's prompts: a table with names of trials (or attacks) and a list column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VectorsSpec {
    /// Files.
    pub files: Vec<String>,
    /// Column of names: a trial (`id~operator`), or an attack's id; `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// List column; `vector`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// How a probe's direction is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeMethod {
    /// From the mean of harmless to the mean of harmful activations.
    #[default]
    DifferenceOfMeans,
    /// Logistic regression with a ridge.
    Logistic,
}

const COMMON: &[&str] = &["name", "kind", "stage", "concurrency", "rate", "timeout", "retries", "breaker", "fails", "cost", "attributes"];
const ENDPOINT: &[&str] = &["url", "key_env", "headers", "max_reply"];

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 12] = [
        Kind::Chat,
        Kind::Judge,
        Kind::Moderation,
        Kind::Guard,
        Kind::Nemo,
        Kind::Lakera,
        Kind::Litellm,
        Kind::Http,
        Kind::Process,
        Kind::Rules,
        Kind::Probe,
        Kind::Human,
    ];

    /// The word in files.
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Keys that a layer of this kind takes beside the common ones, and those it cannot be without.
    fn keys(self) -> (bool, &'static [&'static str], &'static [&'static str]) {
        match self {
            Kind::Chat => (true, &["model", "system", "max_tokens", "temperature", "refusals", "judge"], &["url", "model"]),
            Kind::Judge => (true, &["model", "question", "failed_when", "held_when", "max_tokens", "temperature"], &["url", "model"]),
            Kind::Moderation => (true, &["model", "threshold"], &["url"]),
            Kind::Guard => (true, &["model", "system", "unsafe_token", "threshold", "max_tokens"], &["url", "model"]),
            Kind::Nemo => (true, &["model", "config_ids", "rail_types"], &["url"]),
            Kind::Lakera => (true, &["detectors"], &["url"]),
            Kind::Litellm => (true, &[], &["url"]),
            Kind::Http => (true, &["body", "verdict", "score", "labels", "failed_when", "held_when", "threshold", "fails_when"], &["url", "body"]),
            Kind::Process => (false, &["command", "env", "in_flight", "start_timeout", "threshold", "fails_when"], &["command"]),
            Kind::Rules => (false, &["file", "patterns", "case_sensitive"], &[]),
            Kind::Probe => (false, &["train", "vectors", "command", "env", "in_flight", "start_timeout", "method", "false_alarms"], &["train"]),
            Kind::Human => (false, &[], &[]),
        }
    }
}

impl LayerSpec {
    /// The kind, once checked.
    pub fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Rules)
    }

    /// What it sees.
    pub fn stage(&self) -> Stage {
        self.stage.unwrap_or(match self.kind() {
            Kind::Chat => Stage::Model,
            Kind::Judge | Kind::Human => Stage::Transcript,
            _ => Stage::Input,
        })
    }

    /// The columns of outcomes it gives: its name, or one a detector.
    pub fn columns(&self) -> Vec<String> {
        if self.detectors.is_empty() { vec![self.name.clone()] } else { self.detectors.iter().map(|d| format!("{}.{d}", self.name)).collect() }
    }

    /// Calls at once.
    pub fn concurrency(&self) -> usize {
        match self.kind() {
            Kind::Process | Kind::Probe => self.concurrency.unwrap_or(1) * self.in_flight.unwrap_or(1),
            Kind::Rules | Kind::Human => self.concurrency.unwrap_or(64),
            _ => self.concurrency.unwrap_or(8),
        }
    }

    /// Environment variables that hold its secrets.
    pub fn secrets(&self) -> Vec<&str> {
        let headers = self.headers.values().filter_map(|v| v.strip_prefix("env:"));
        self.key_env.iter().map(String::as_str).chain(headers).chain(self.judge.iter().filter_map(|j| j.key_env.as_deref())).collect()
    }
}

/// A campaign and where it lies.
#[derive(Debug, Clone)]
pub struct CampaignFile {
    /// What it says.
    pub campaign: Campaign,
    /// The file with its hash.
    pub record: InputRecord,
    file: TomlFile,
}

impl CampaignFile {
    /// Reads a campaign. Fails with file, line and remedy on what is not one.
    pub fn read(name: &str) -> Result<CampaignFile> {
        Self::from_toml(TomlFile::read(name)?)
    }

    /// The same from bytes; relative paths are resolved from the folder of `name`.
    pub fn parse(name: &str, bytes: Vec<u8>) -> Result<CampaignFile> {
        Self::from_toml(TomlFile::new(name, bytes)?)
    }

    fn from_toml(file: TomlFile) -> Result<CampaignFile> {
        let campaign: Campaign = file.parse("campaign")?;
        let tables: toml::Table = file.parse("campaign")?;
        let out = CampaignFile { campaign, record: file.record.clone(), file };
        out.check(&tables)?;
        Ok(out)
    }

    /// A path of the campaign, from where the program runs.
    pub fn resolve(&self, path: &str) -> String {
        self.file.resolve(path)
    }

    /// The folder of results.
    pub fn output(&self) -> String {
        self.resolve(self.campaign.output.as_deref().unwrap_or("run"))
    }

    /// An error at a place of the campaign.
    pub fn wrong(&self, path: &[Key<'_>], what: impl Into<String>, hint: &str) -> Error {
        self.file.wrong(path, what, Some(hint))
    }

    /// An error about one key of a layer.
    pub fn wrong_layer(&self, layer: usize, key: &str, what: impl Into<String>, hint: &str) -> Error {
        self.wrong(&[Key::Name("layers"), Key::At(layer), Key::Name(key)], what, hint)
    }

    /// The seed.
    pub fn seed(&self) -> coincide::Seed {
        coincide::Seed(self.campaign.seed.unwrap_or(1))
    }

    /// The chains that every attack gets (or that are drawn from), without those of benign prompts.
    pub fn chains(&self) -> Result<Vec<Chain>> {
        let o = &self.campaign.operators;
        let unknown = |key: &str, i: usize, name: &str| {
            let hint = suggestion(name, "operators", operators::OPERATORS.iter().map(|o| o.name));
            self.wrong(&[Key::Name("operators"), Key::Name(key), Key::At(i)], format!("there is no operator `{name}`"), &hint)
        };
        let used = o.r#use.iter().enumerate();
        let used = used.map(|(i, n)| operators::find(n).ok_or_else(|| unknown("use", i, n))).collect::<std::result::Result<Vec<_>, _>>()?;
        let depth = o.depth.unwrap_or(1);
        let depth = depth.min(used.len());
        let mut most = 0.0;
        let mut level = 1.0;
        for d in 0..depth {
            level *= (used.len() - d) as f64;
            most += level;
        }
        if most > 1e5 {
            let hint = "state a smaller depth, fewer operators, or the chains themselves";
            return Err(self.wrong(&[Key::Name("operators"), Key::Name("depth")], format!("{most:.0} sequences are too many"), hint).into());
        }
        let mut chains = if o.plain.unwrap_or(true) { vec![Chain::default()] } else { Vec::new() };
        chains.extend(operators::compositions(&used, depth));
        for (i, text) in o.chains.iter().enumerate() {
            chains.push(Chain::parse(text).map_err(|name| unknown("chains", i, &name))?);
        }
        let mut seen = rustc_hash::FxHashSet::default();
        for chain in &chains {
            if !seen.insert(chain.name()) {
                let what = format!("the sequence `{}` is there twice", chain.name());
                return Err(self.wrong(&[Key::Name("operators")], what, "name operators and chains once each").into());
            }
        }
        if chains.is_empty() {
            return Err(self
                .wrong(&[Key::Name("operators"), Key::Name("plain")], "nothing is left to ask", "use operators, or leave plain = false out")
                .into());
        }
        Ok(chains)
    }

    fn check(&self, tables: &toml::Table) -> Result<()> {
        let c = &self.campaign;
        let bad = |path: &[Key<'_>], what: String, hint: &str| -> Result<()> { Err(self.wrong(path, what, hint).into()) };
        if c.name.trim().is_empty() {
            return bad(&[Key::Name("name")], "the campaign has no name".into(), "name = \"…\" at the top");
        }
        if c.attacks.files.is_empty() {
            return bad(&[Key::Name("attacks")], "names no attacks".into(), "[attacks] with files = [\"attacks.jsonl\"]");
        }
        if c.layers.is_empty() {
            return bad(&[Key::Name("layers")], "names no layers".into(), "[[layers]] with name = \"…\" and kind = \"…\"");
        }
        if c.repeats == Some(0) || c.window == Some(0) {
            let key = if c.repeats == Some(0) { "repeats" } else { "window" };
            return bad(&[Key::Name(key)], format!("{key} must be 1 at least"), "or leave the key out");
        }
        if let Some(x) = [c.budget.cost, c.budget.minutes].into_iter().flatten().find(|x| !(*x > 0.0 && *x <= 1e9)) {
            return bad(&[Key::Name("budget")], format!("a budget must be above 0, not {x}"), "or leave the key out");
        }
        if c.repeats.is_some_and(|n| n > 1_000_000) || c.window.is_some_and(|n| n > 1_000_000) {
            let key = if c.repeats.is_some_and(|n| n > 1_000_000) { "repeats" } else { "window" };
            return bad(&[Key::Name(key)], format!("{key} can be 1,000,000 at most"), "or leave the key out");
        }
        if c.operators.depth == Some(0) || c.operators.sample == Some(0) {
            return bad(&[Key::Name("operators")], "depth and sample must be 1 at least".into(), "or leave the key out");
        }
        if c.operators.depth.is_some() && c.operators.r#use.is_empty() {
            return bad(
                &[Key::Name("operators"), Key::Name("depth")],
                "there are no operators to compose".into(),
                "use = [\"base64\", \"role_play\"]",
            );
        }
        self.chains()?;
        let listed = tables.get("layers").and_then(toml::Value::as_array);
        for (i, l) in c.layers.iter().enumerate() {
            let at = |key: &'static str| [Key::Name("layers"), Key::At(i), Key::Name(key)];
            if l.name.trim().is_empty() || l.name.contains([':', '>', ';']) {
                return bad(&at("name"), format!("`{}` cannot be a layer's name", l.name), "a name is not empty and has no colon, semicolon or >");
            }
            let Some(kind) = l.kind else {
                let kinds = Kind::ALL.map(Kind::word).join(", ");
                return bad(&at("kind"), format!("the layer `{}` has no kind", l.name), &format!("the kinds are {kinds}"));
            };
            let (endpoint, own, needed) = kind.keys();
            let present: Vec<&str> =
                listed.and_then(|a| a.get(i)).and_then(toml::Value::as_table).map(|t| t.keys().map(String::as_str).collect()).unwrap_or_default();
            let known = || COMMON.iter().chain(if endpoint { ENDPOINT } else { &[] }).chain(own).copied();
            if let Some(key) = present.iter().find(|k| !known().any(|o| o == **k)) {
                let what = format!("`{key}` says nothing about a layer of kind {}", kind.word());
                return bad(
                    &[Key::Name("layers"), Key::At(i), Key::Name(key)],
                    what,
                    &format!("the keys of this kind are {}", known().collect::<Vec<_>>().join(", ")),
                );
            }
            if let Some(key) = needed.iter().find(|k| !present.contains(k)) {
                return bad(
                    &at("name")[..2],
                    format!("the layer `{}` of kind {} needs `{key}`", l.name, kind.word()),
                    "`coincide schema campaign` explains the key",
                );
            }
            self.check_layer(i, l, kind)?;
        }
        for (section, prompts) in [("attacks", Some(&c.attacks)), ("benign", c.benign.as_ref())] {
            let strata = prompts.map(|p| p.strata.as_slice()).unwrap_or_default();
            for (i, s) in strata.iter().enumerate() {
                let at = [Key::Name(section), Key::Name("strata"), Key::At(i)];
                if ["trial", "goal", "operator", "label", "weight"].contains(&s.as_str()) {
                    return bad(
                        &at,
                        format!("`{s}` cannot be a stratum: the table has a column of that name"),
                        "family and language can, and any other column of the prompts",
                    );
                }
                if strata[..i].contains(s) {
                    return bad(&at, format!("the stratum `{s}` is named twice"), "once is enough");
                }
            }
        }
        let human = |l: &LayerSpec| (l.kind() == Kind::Human).then(|| crate::layer::queue_name(&l.name));
        for (i, l) in c.layers.iter().enumerate() {
            if let Some(name) = human(l)
                && (name != format!("{}.csv", l.name) || name.starts_with('.') || c.layers[..i].iter().any(|o| human(o).as_ref() == Some(&name)))
            {
                let hint = "letters, digits, dash, underscore and dots inside: the queue is a file of that name";
                return bad(
                    &[Key::Name("layers"), Key::At(i), Key::Name("name")],
                    format!("`{}` cannot be the name of a person's queue", l.name),
                    hint,
                );
            }
        }
        let names: Vec<String> = c.layers.iter().flat_map(LayerSpec::columns).collect();
        let taken = ["trial", "goal", "family", "language", "operator", "label", "weight"].map(str::to_owned);
        let strata = c.attacks.strata.iter().chain(c.benign.iter().flat_map(|b| &b.strata));
        for (i, l) in c.layers.iter().enumerate() {
            if let Some(name) =
                l.columns().into_iter().find(|n| names.iter().filter(|o| *o == n).count() > 1 || taken.contains(n) || strata.clone().any(|s| s == n))
            {
                let hint = "layers, and columns of prompts, need names of their own";
                return Err(self.wrong_layer(i, "name", format!("`{name}` is there twice, or is the name of another column"), hint).into());
            }
        }
        if c.layers.iter().filter(|l| l.stage() == Stage::Model).count() > 1 && c.layers.iter().any(|l| l.stage().after_the_model()) {
            let i = c.layers.iter().rposition(|l| l.stage() == Stage::Model).unwrap_or(0);
            return Err(self
                .wrong_layer(
                    i,
                    "kind",
                    "output layers judge one target's answers, and there are several targets",
                    "one campaign a target, or no output layers",
                )
                .into());
        }
        Ok(())
    }

    fn check_layer(&self, i: usize, l: &LayerSpec, kind: Kind) -> Result<()> {
        let bad = |key: &str, what: String, hint: &str| -> Result<()> { Err(self.wrong_layer(i, key, what, hint).into()) };
        for (key, x) in [("rate", l.rate), ("timeout", l.timeout), ("start_timeout", l.start_timeout)] {
            if let Some(x) = x.filter(|x| !(x.is_finite() && *x > 0.0 && *x <= 1e6)) {
                return bad(key, format!("{key} must be above 0 and at most 1,000,000, not {x}"), "or leave the key out");
            }
        }
        if let Some(x) = l.cost.filter(|x| !(x.is_finite() && *x >= 0.0)) {
            return bad("cost", format!("a cost cannot be {x}"), "a number from 0 on");
        }
        for (key, x) in [("concurrency", l.concurrency), ("in_flight", l.in_flight)] {
            if x.is_some_and(|x| x == 0 || x > 100_000) {
                return bad(key, format!("{key} must be 1 to 100,000"), "or leave the key out");
            }
        }
        if l.rate.is_some_and(|r| r < 1e-6) {
            return bad("rate", "a rate must be one call in twelve days at least".into(), "calls a second");
        }
        for (name, value) in &l.headers {
            let lower = name.to_ascii_lowercase();
            let secret = ["authorization", "cookie", "key", "token", "secret"].iter().any(|w| lower.contains(w));
            if secret && !value.starts_with("env:") {
                return bad("headers", format!("keys never stand in files, and `{name}` looks like one"), "export it, and write \"env:NAME\" here");
            }
        }
        if l.breaker == Some(0) {
            return bad("breaker", "breaker must be 1 at least".into(), "or leave the key out");
        }
        if l.threshold.is_some_and(|x| !x.is_finite()) {
            return bad("threshold", "a threshold must be finite".into(), "a score at which the layer changes its mind");
        }
        if let Some(x) = l.false_alarms.filter(|x| !(*x > 0.0 && *x < 1.0)) {
            return bad("false_alarms", format!("a share of harmless examples cannot be {x}"), "for example 0.01");
        }
        let reserved: Option<&String> = l.attributes.keys().find(|k| *k == "kind" || *k == "stage");
        if let Some(key) = reserved.filter(|k| *k == "stage") {
            return bad("attributes", format!("`{key}` is there already"), "use another name, or the key itself");
        }
        if let Some(stage) = l.stage {
            let fits = match kind {
                Kind::Chat => stage == Stage::Model,
                Kind::Judge => stage.after_the_model(),
                _ => stage != Stage::Model,
            };
            if !fits {
                let hint = "chat is the model; judges see output or transcript; every other layer input, output or transcript";
                return bad("stage", format!("a layer of kind {} cannot have the stage {}", kind.word(), stage.word()), hint);
            }
        }
        if let Some(url) = &l.url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return bad("url", format!("`{url}` is not an address"), "the whole endpoint, for example \"http://127.0.0.1:4000/v1/chat/completions\"");
        }
        match kind {
            Kind::Http if l.verdict.is_none() && l.score.is_none() => bad(
                "body",
                format!("nothing says where the reply of `{}` holds its verdict", l.name),
                "verdict = \"/flagged\", or score = \"/score\" with threshold and fails_when",
            ),
            Kind::Http if l.verdict.is_some() && (l.threshold.is_some() || l.fails_when.is_some()) => bad(
                if l.threshold.is_some() { "threshold" } else { "fails_when" },
                "the verdict decides, so nothing is left for a threshold".into(),
                "leave out the verdict, or the threshold",
            ),
            Kind::Http if l.body.as_ref().is_some_and(|b| placeholder(b).is_some()) => {
                let name = l.body.as_ref().and_then(placeholder).unwrap_or_default();
                bad(
                    "body",
                    format!("`{{{name}}}` is nothing that can be filled in"),
                    &suggestion(&name, "places", ["prompt", "output", "messages", "stage", "trial"]),
                )
            }
            Kind::Http if l.verdict.is_some() && l.held_when.is_empty() && l.failed_when.is_empty() => bad(
                "verdict",
                "nothing says which verdicts mean held".into(),
                "held_when = [\"true\"], or failed_when = [\"false\"]; the values as text",
            ),
            Kind::Http if l.score.is_some() && l.verdict.is_none() && (l.threshold.is_none() || l.fails_when.is_none()) => bad(
                "score",
                "a score needs threshold and fails_when".into(),
                "threshold = 0.5 and fails_when = \"below\": high scores are suspicious",
            ),
            Kind::Process if l.threshold.is_some() != l.fails_when.is_some() => bad(
                if l.threshold.is_some() { "threshold" } else { "fails_when" },
                "threshold and fails_when belong together".into(),
                "give both, or neither",
            ),
            Kind::Rules if l.file.is_some() != l.patterns.is_empty() => bad(
                "patterns",
                format!("`{}` needs patterns or a file of them, one of the two", l.name),
                "patterns = [\"ignore (all|previous) instructions\"]",
            ),
            Kind::Probe if l.vectors.is_some() != l.command.is_empty() => {
                let hint = "vectors = { files = [\"activations.parquet\"] }, or command = [\"python3\", \"embed.py\"]";
                bad("vectors", format!("`{}` needs the prompts' activations from a file or a process, one of the two", l.name), hint)
            }
            Kind::Guard if l.unsafe_token.is_some() != l.threshold.is_some() => {
                bad("unsafe_token", "unsafe_token and threshold belong together".into(), "give both, or neither: then the reply's text counts")
            }
            _ => Ok(()),
        }
    }
}

/// The first `{word}` in a body that is filled by nothing.
fn placeholder(body: &serde_json::Value) -> Option<String> {
    match body {
        serde_json::Value::String(s) => s.split('{').skip(1).find_map(|rest| {
            let (name, _) = rest.split_once('}')?;
            let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let known = ["prompt", "output", "stage", "trial"].contains(&name) || s == "{messages}";
            (word && !known).then(|| name.to_owned())
        }),
        serde_json::Value::Array(a) => a.iter().find_map(placeholder),
        serde_json::Value::Object(o) => o.values().find_map(placeholder),
        _ => None,
    }
}

/// The JSON Schema of a campaign.
pub fn campaign_schema() -> serde_json::Value {
    schemars::schema_for!(Campaign).into()
}
