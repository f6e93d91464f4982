//! What a stress campaign did, as a section of the results document. A record, not a computation: its outcomes are in the table whose hash the document has.

use coincide::{Importance, Survival};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A campaign as it stood when the run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignRecord {
    /// Name.
    pub name: String,
    /// What is tested.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<String>,
    /// Seed of the order and of the operators.
    pub seed: u64,
    /// Part of the work, `i/n`; none where it is whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shard: Option<String>,
    /// Attacks planned and finished (every cell settled).
    pub attacks: Done,
    /// Benign trials planned and finished.
    pub benign: Done,
    /// The operators' sequences in use.
    pub operators: Vec<String>,
    /// Calls, retries included.
    pub calls: u64,
    /// Sum of the layers' costs, where they have any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<f64>,
    /// Seconds of the last run.
    pub seconds: f64,
    /// The rate at which all layers fail, over whole goals, with an interval that may be watched.
    pub watched: Watched,
    /// The rate as it stood when one trial in twenty more was finished, in the order of the run.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub history: Vec<WatchedPoint>,
    /// The same by family of attacks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub families: Vec<WatchedFamily>,
    /// The layers.
    pub layers: Vec<LayerRecord>,
    /// Queries that beat every layer, kept in the local finds folder.
    pub finds: u64,
    /// What an adaptive search did; it is no part of the rates above.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adaptive: Option<AdaptiveRecord>,
    /// Why the run ended before everything was finished.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_early: Option<String>,
}

/// What an adaptive search did: one attacker against all layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdaptiveRecord {
    /// The search.
    pub search: String,
    /// How much the attacker was told: `scores`, `verdicts`, `block` or `nothing`.
    pub sees: String,
    /// Whether every layer answered by itself, or only the pipeline did.
    pub separable: bool,
    /// Longest sequence of operators; of a search whose prompts a model writes, prompts one after the other.
    pub depth: u64,
    /// Queries planned and made.
    pub queries: Done,
    /// Goals.
    pub goals: u64,
    /// Goals on which some query beat every layer.
    pub beaten: u64,
    /// Queries whose missing outcomes leave open whether they beat every layer; they count as not.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub undetermined: u64,
    /// P(some query has beaten every layer) by queries on a goal. A goal that was not beaten counts as cut off at its last query, not as held.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stack: Option<Survival>,
    /// The same for each layer by itself.
    pub layers: Vec<AdaptiveLayer>,
    /// How what beat one layer fared against the others, where there are two to forty layers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transfer: Vec<Transfer>,
    /// Sequences that beat every layer, those that did so on most goals first, twenty at most.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sequences: Vec<AdaptiveSequence>,
    /// Of all queries, those that beat every layer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watched: Option<WatchedSearch>,
    /// With `importance`: the rate under the operational profile, from the last three quarters of the queries.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub importance: Option<Importance>,
    /// What was tried where: family by outermost operator, the families with most queries first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub map: Vec<SearchedCell>,
    /// What was said, where a model wrote the prompts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub conversations: Option<Conversations>,
    /// Why the search ended before its queries were spent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// How long one layer withstood an adaptive search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdaptiveLayer {
    /// The layer.
    pub layer: String,
    /// Goals on which it was the first layer to fail, alone or with others.
    pub first: u64,
    /// Queries on which it gave no outcome; they are in no curve.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub missing: u64,
    /// P(some query has beaten it) by queries on a goal on which it gave an outcome.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub survival: Option<Survival>,
}

/// Queries that beat one layer, and how many of them beat each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// The layer.
    pub layer: String,
    /// Queries that beat it.
    pub queries: u64,
    /// How many of those beat each layer, in the layers' order.
    pub also: Vec<u64>,
}

/// The conversations of a search whose prompts a model writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Conversations {
    /// Replies of the attacker's model, without those about whether a prompt keeps to its goal.
    pub replies: u64,
    /// Those in which there was no prompt.
    pub unreadable: u64,
    /// Prompts that were not sent because they had lost their goal.
    pub off_topic: u64,
    /// Turns that were refused or stopped, and taken back.
    pub taken_back: u64,
    /// Queries by their depth: which prompt in a row it was.
    pub depths: Vec<ConversationDepth>,
}

/// Queries at one depth of the conversations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConversationDepth {
    /// From 1.
    pub depth: u64,
    /// Queries.
    pub queries: u64,
    /// Those that beat every layer.
    pub beat_all: u64,
    /// Goals that fell here first.
    pub first: u64,
}

/// The queries of a search on one family whose outermost operator was the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchedCell {
    /// The family; empty where prompts have none.
    pub family: String,
    /// The outermost operator, or `plain`.
    pub operator: String,
    /// Queries.
    pub queries: u64,
    /// How many of them beat every layer.
    pub beat_all: u64,
    /// Most layers that failed on one of them.
    pub farthest: u64,
}

/// A sequence of operators that beat every layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdaptiveSequence {
    /// The sequence.
    pub operator: String,
    /// Goals on which it beat every layer.
    pub goals: u64,
    /// Queries that were made with it.
    pub queries: u64,
}

/// How much of something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// Trials planned.
    pub planned: u64,
    /// Trials finished.
    pub finished: u64,
}

/// A rate with an interval that holds at every moment at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Watched {
    /// Goals whose attacks are all finished.
    pub goals: u64,
    /// Attacks in them.
    pub trials: u64,
    /// Attacks that beat every layer.
    pub joint_failures: u64,
    /// Attacks whose missing cells leave that open.
    pub undetermined: u64,
    /// Mean over goals of the share of its attacks that beat every layer, open ones taken as held.
    pub estimate: Option<f64>,
    /// Lower limit, open trials taken as held.
    pub low: f64,
    /// Upper limit, open trials taken as failed.
    pub high: f64,
    /// Confidence of the two limits together.
    pub confidence: f64,
}

/// Queries of an adaptive search, with an interval that holds at every moment at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchedSearch {
    /// Queries.
    pub queries: u64,
    /// Queries that beat every layer.
    pub joint_failures: u64,
    /// Queries whose missing outcomes leave that open.
    pub undetermined: u64,
    /// Share of queries that beat every layer: the running mean of a rate that changes with what the attacker has learnt, and not β.
    pub estimate: Option<f64>,
    /// Lower limit of that running mean, open queries taken as held.
    pub low: f64,
    /// Upper limit, open queries taken as failed.
    pub high: f64,
    /// Confidence of the two limits together.
    pub confidence: f64,
}

/// A moment of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchedPoint {
    /// Attacks finished, whole goals only.
    pub trials: u64,
    /// The rate so far.
    pub estimate: f64,
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
}

/// How a campaign stands while it runs: `live.json` in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignLive {
    /// Name.
    pub name: String,
    /// Trials finished.
    pub finished: u64,
    /// Trials planned.
    pub planned: u64,
    /// Calls made.
    pub calls: u64,
    /// Attacks that beat every layer.
    pub finds: u64,
    /// The rate so far.
    pub watched: Watched,
    /// Queries of an adaptive search, once there are any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub search: Option<WatchedSearch>,
    /// The rate by family, the highest first.
    pub families: Vec<WatchedFamily>,
    /// The rate as it stood before.
    pub history: Vec<WatchedPoint>,
    /// Layers that do not answer at the moment.
    pub away: Vec<String>,
    /// Whether the run has ended.
    pub ended: bool,
}

/// A family's rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchedFamily {
    /// The family.
    pub family: String,
    /// Its rate; each interval has its confidence by itself.
    #[serde(flatten)]
    pub watched: Watched,
}

/// What a layer did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerRecord {
    /// Name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What it sees.
    pub stage: String,
    /// What the deployment does without a verdict: open, closed or unstated.
    pub fails: String,
    /// Calls, retries included; a call that gives several layers counts at the first.
    pub calls: u64,
    /// Cells of attacks by word: held, failed, error, abstain, unparsed, censored.
    pub cells: std::collections::BTreeMap<String, u64>,
    /// Cells of benign prompts by word; held is a false alarm.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty", default)]
    pub benign: std::collections::BTreeMap<String, u64>,
    /// Why cells have no outcome, the commonest reasons first, five at most.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reasons: Vec<ReasonCount>,
    /// Cells that are still open.
    pub open: u64,
    /// Median, 95% and 99% quantile of the seconds of a call that gave an outcome, without waiting for its turn.
    pub latency: [Option<f64>; 3],
    /// Whether it was given up in the last run because it did not answer.
    pub given_up: bool,
    /// The file in the campaign's folder where a person answers, where the layer is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waits_in: Option<String>,
}

/// A reason and how many cells have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonCount {
    /// The reason, in words.
    pub reason: String,
    /// Cells.
    pub cells: u64,
}

/// What a campaign will do and cost, before it does: the plan that `--dry-run` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Campaign.
    pub name: String,
    /// Prompts of attacks and benign ones.
    pub prompts: (usize, usize),
    /// Distinct goals of the attacks.
    pub goals: usize,
    /// Trials: prompts × sequences × repeats.
    pub trials: (u64, u64),
    /// Sequences of operators.
    pub operators: Vec<String>,
    /// Queries of an adaptive search, each put to every layer; in `calls` too.
    pub adaptive: u64,
    /// Layers.
    pub layers: Vec<PlannedLayer>,
    /// Calls without retries, at most: output layers are not asked about refusals.
    pub calls: u64,
    /// Cost of them.
    pub cost: f64,
    /// Seconds that the rate limits alone take.
    pub seconds_at_least: f64,
    /// Folder of the results.
    pub output: String,
    /// Sequences that each attack gets, drawn from them; all where absent.
    pub sampled: Option<usize>,
    /// Whether the folder already holds a run.
    pub begun: bool,
    /// Things to know before the run.
    pub notes: Vec<String>,
}

/// A layer of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedLayer {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Stage.
    pub stage: String,
    /// Calls at once.
    pub concurrency: usize,
    /// Calls a second at most.
    pub rate: Option<f64>,
    /// Calls without retries.
    pub calls: u64,
    /// Their cost.
    pub cost: f64,
}
