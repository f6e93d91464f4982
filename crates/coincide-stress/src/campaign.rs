//! The campaign file: layers, attacks, benign prompts, operators, budgets and where results go, as TOML.
//!
//! Secrets stand in the environment only; the file names the variables. `coincide schema campaign` prints the JSON Schema.

use crate::search::{Access, SearchName};
use coincide::FailsWhen;
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
    /// An attacker who learns from the layers' answers, after all other trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<Adaptive>,
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

/// An adaptive search, over operators or with an attacker's model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adaptive {
    /// `random`, `best_of_n`, `bandit`, `stack`, `rainbow`, `importance`, or with an attacker's model `pair`, `tap`, `crescendo`; `stack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchName>,
    /// Queries over all goals; every one is put to every layer.
    pub queries: u64,
    /// Queries on one goal at most; no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries_per_goal: Option<u64>,
    /// What the attacker gets to see.
    pub access: Access,
    /// Operators to search over; those of `[operators]`, or all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<String>,
    /// With `importance`: the operational profile whose rate is estimated; random composition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileSpec>,
    /// Longest sequence; 3, or as `profile` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// With `pair`, `tap` and `crescendo`: the model that writes the prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attacker: Option<AttackerSpec>,
}

/// A model behind an OpenAI-compatible endpoint that writes an attacker's prompts, and the size of its conversations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttackerSpec {
    /// The endpoint, whole: `https://…/v1/chat/completions`.
    pub url: String,
    /// Model name.
    pub model: String,
    /// Environment variable with the key, sent as `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Further headers; a value `env:NAME` is taken from the environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Sampling temperature; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Longest reply in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Calls at once; 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Calls a second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds before a call is given up; 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// How often a failed call is tried again; 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Cost of a call, in the unit of the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// A model that says whether a prompt still asks for its goal (`tap` asks the attacker's own model where there is none; `pair` only checks where there is one), and in `crescendo` whether an answer is a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluator: Option<EvaluatorSpec>,
    /// `pair`: conversations side by side; 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<usize>,
    /// `tap`: new prompts from each that is kept; 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branching: Option<usize>,
    /// `tap`: prompts that are kept; 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Prompts one after the other: `pair` 3, `tap` 10, turns of `crescendo` 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// `crescendo`: refused turns that are taken back before it gives up; 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtracks: Option<usize>,
}

/// A model that watches an attacker's conversations; it is called as the attacker's is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluatorSpec {
    /// The endpoint, whole.
    pub url: String,
    /// Model name.
    pub model: String,
    /// Environment variable with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
}

impl AttackerSpec {
    /// The temperature where the campaign states none.
    pub(crate) const TEMPERATURE: f64 = 1.0;

    /// How its models are called: its own, and the evaluator's.
    pub(crate) fn models(&self) -> Vec<LayerSpec> {
        let own = LayerSpec {
            name: "attacker".into(),
            kind: Some(Kind::Chat),
            url: Some(self.url.clone()),
            model: Some(self.model.clone()),
            key_env: self.key_env.clone(),
            headers: self.headers.clone(),
            temperature: Some(self.temperature.unwrap_or(Self::TEMPERATURE)),
            max_tokens: self.max_tokens,
            concurrency: self.concurrency,
            rate: self.rate,
            timeout: self.timeout,
            retries: self.retries,
            cost: self.cost,
            ..LayerSpec::default()
        };
        let evaluator = self.evaluator.as_ref().map(|e| LayerSpec {
            name: "evaluator".into(),
            url: Some(e.url.clone()),
            model: Some(e.model.clone()),
            key_env: e.key_env.clone(),
            headers: BTreeMap::new(),
            temperature: Some(0.0),
            ..own.clone()
        });
        std::iter::once(own).chain(evaluator).collect()
    }
}

/// How often a deployment sees which sequences of operators; the operators of a sequence differ.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileSpec {
    /// Weights of sequences of 0, 1, 2, … operators; every length from 1 to `depth` alike.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<f64>,
    /// Weights of operators, 1 for those that are not named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operators: BTreeMap<String, f64>,
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
    /// A function of the program that runs the campaign, given by name: from Python, `coincide.stress(…, functions={…})`.
    Function,
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
    /// Calls at once, 8; of programs, how many run, 1; of functions, how many threads call it, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Calls a second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds before a call is given up; 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// How often a failed call is tried again; 4, for processes and functions 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Failed calls in a row after which the layer is left alone for a while; 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<u32>,
    /// What the deployment does when the layer gives no verdict.
    pub fails: FailsMode,
    /// Cost of a call (of a judge's too), in the unit of the budget.
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

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 13] = [
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
        Kind::Function,
    ];

    /// The word in files.
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
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
            Kind::Function => self.concurrency.unwrap_or(1),
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

/// The JSON Schema of a campaign.
pub fn campaign_schema() -> serde_json::Value {
    schemars::schema_for!(Campaign).into()
}
