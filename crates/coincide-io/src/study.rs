//! The study file: TOML that holds a whole assessment, with every relative path resolved from the file.

use crate::error::{Error, Result};
use crate::options::{GaveUp, LayerFrom, Polarity, ReadOptions, Threshold};
use crate::source::InputRecord;
use crate::toml_file::{Key, TomlFile, suggestion};
use coincide::{
    AnalyzeOptions, AuditQuestion, CellBeliefs, ClaimStatement, CommonCause, Distribution, Elicited, ExactInterval, Expert, FailsWhen, FitOptions,
    Group, ImpactWeights, ModeOptions, PlanOptions, Pool, Portfolio, Priors, Problem, Scenario, Seed, SharedMode, StatedCopula, StatedSystem,
    Vulnerability, elicit,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole assessment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Coincide study")]
pub struct Study {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is assessed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Recorded outcomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<OutcomesSection>,
    /// Layers with their attributes; inferred from the outcomes where none is listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerSection>,
    /// What a system failure is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemSection>,
    /// How outcomes are analysed.
    pub analysis: AnalysisSection,
    /// Models to fit; none where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitSection>,
    /// The failure-mode map with its numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modes: Option<ModesSection>,
    /// Techniques of the map that are used together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub portfolios: Vec<Portfolio>,
    /// Worlds other than the tested one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<Scenario>,
    /// Questions about audits that passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audits: Vec<AuditQuestion>,
    /// Claims to judge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimStatement>,
    /// Where the next tests go: what they cost, and how operation is divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanOptions>,
    /// Impact of research problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<ImpactSection>,
}

/// Recorded outcomes: the options of `coincide analyze` by the same names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutcomesSection {
    /// Files or patterns.
    pub files: Vec<String>,
    /// Cluster columns; several are crossed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Stratum columns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<String>,
    /// The undefended baseline's column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The column that names trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
    /// The column of weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Files with verdicts of people who checked trials, as `coincide label` writes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The column that says attack, benign or adaptive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Which scores fail, for layers that do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails_when: Option<FailsWhen>,
    /// What an attack that gave up before it asked counts as, in JailbreakBench artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gave_up: Option<GaveUp>,
    /// The order of a pipeline that stopped at the first layer that held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// The column that records each trial's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_from: Option<String>,
    /// Runs of one layer each: `file`, or the column with the layer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_from: Option<String>,
    /// Columns that identify a trial across runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,
    /// The cluster column that holds attackers' goals, for many tries; the only one where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The column that names the failure modes of each trial, for `learn` under [modes].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_tag: Option<String>,
    /// Whether mode tags were drawn as attacks come, so that they tell about prevalences.
    pub tags_are_a_sample: bool,
}

/// A layer and its attributes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerSection {
    /// Name: the column's; in a study without outcomes, a technique's.
    pub name: String,
    /// Score at which it changes its mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Which side of the threshold fails; in logs of other tools, which side of a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails_when: Option<FailsWhen>,
    /// How it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paradigm: Option<String>,
    /// Who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model it is built on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// What it was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_data: Option<String>,
    /// What it takes of things that a choice of layers has budgets for: `takes = { cost = 10, latency = 0.2 }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub takes: BTreeMap<String, f64>,
    /// The stage that it runs in: of latency, layers of one stage take as much as the slowest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Anything else by which layers may be grouped.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl LayerSection {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let own = match name {
            "paradigm" => &self.paradigm,
            "provider" => &self.provider,
            "base_model" => &self.base_model,
            "training_data" => &self.training_data,
            _ => return self.attributes.get(name).map(String::as_str),
        };
        own.as_deref()
    }
}

/// What a system failure is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemSection {
    /// An expression over layers and pillars: `all(a, b)`, `any(…)`, `at_least(2, …)`, `&`, `|`, `!`, `*` for every layer. All layers where nothing is said.
    #[serde(default = "all_layers")]
    pub fails: String,
    /// Names for parts of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub pillars: BTreeMap<String, String>,
    /// How often layers fail, where no outcomes say so or others are to be tried.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub rates: BTreeMap<String, Belief>,
    /// What makes groups of layers fail together.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub common_causes: Vec<CommonCause>,
    /// Copulas over all layers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub copulas: Vec<StatedCopula>,
}

fn all_layers() -> String {
    "all(*)".into()
}

impl SystemSection {
    /// Whether rates, causes or copulas are stated.
    pub fn states_anything(&self) -> bool {
        !(self.rates.is_empty() && self.common_causes.is_empty() && self.copulas.is_empty())
    }
}

/// How outcomes are analysed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnalysisSection {
    /// Seed of every random number; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Bootstrap replicates; 2000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicates: Option<usize>,
    /// Confidence level of intervals; 0.95.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// Interval for independent trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<ExactInterval>,
    /// Groups of layers whose worth is asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Attributes of layers by which the gap is split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub split_by: Vec<String>,
    /// Numbers of attempts on one goal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<u32>,
}

/// Models to fit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FitSection {
    /// Names; all where none is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Posterior draws of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
    /// Pure maximum likelihood.
    pub no_prior: bool,
    /// Folds for held-out scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Refits to clusters drawn again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refits: Option<usize>,
    /// Sets of layers that may fail at once.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_modes: BTreeMap<String, Vec<String>>,
}

/// A belief about a probability: a number, or one of `beta = [a, b]`, `mean` with `sd`, `quantiles`, `experts`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Belief {
    /// Known.
    Value(f64),
    /// A distribution.
    Spread(BeliefTable),
}

/// A distribution, said in one of several ways.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BeliefTable {
    /// Exponents of a Beta distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<[f64; 2]>,
    /// Mean, with `sd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Standard deviation, with `mean`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// Probability levels and the value at each, for example { "0.05" = 0.01, "0.95" = 0.2 }.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quantiles: BTreeMap<String, f64>,
    /// Experts with their quantiles, pooled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experts: Vec<Expert>,
    /// How experts are pooled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
}

impl<'de> Deserialize<'de> for Belief {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Visit;
        impl<'de> serde::de::Visitor<'de> for Visit {
            type Value = Belief;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a probability such as 0.02, or a table such as { beta = [2, 50] }, { mean = 0.02, sd = 0.01 } or { quantiles = { \"0.05\" = 0.01, \"0.95\" = 0.1 } }")
            }
            fn visit_f64<E: serde::de::Error>(self, x: f64) -> std::result::Result<Belief, E> {
                Ok(Belief::Value(x))
            }
            fn visit_i64<E: serde::de::Error>(self, x: i64) -> std::result::Result<Belief, E> {
                Ok(Belief::Value(x as f64))
            }
            fn visit_u64<E: serde::de::Error>(self, x: u64) -> std::result::Result<Belief, E> {
                Ok(Belief::Value(x as f64))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> std::result::Result<Belief, A::Error> {
                BeliefTable::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Belief::Spread)
            }
        }
        d.deserialize_any(Visit)
    }
}

impl JsonSchema for Belief {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Belief".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<BeliefTable>();
        schemars::json_schema!({
            "description": "A belief about a probability: a number, or a distribution.",
            "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, table]
        })
    }
}

impl Belief {
    /// The distribution, and what was elicited where experts were asked. Fails on a belief that is said in no way or in two, and on numbers that do not fit.
    pub fn distribution(&self) -> coincide::Result<(Distribution, Option<Elicited>)> {
        let t = match self {
            Belief::Value(x) => return Ok((Distribution::point(*x)?, None)),
            Belief::Spread(t) => t,
        };
        let ways = [t.beta.is_some(), t.mean.is_some() || t.sd.is_some(), !t.quantiles.is_empty(), !t.experts.is_empty()];
        if ways.iter().filter(|w| **w).count() != 1 || t.pool.is_some() && t.experts.is_empty() {
            return Err(coincide::Error::Stated(
                "a belief is said in one way: beta = [a, b], mean with sd, quantiles, or experts (with pool = \"linear\" or \"log\")".into(),
            ));
        }
        if let Some([a, b]) = t.beta {
            return Ok((Distribution::beta(a, b)?, None));
        }
        if let (Some(mean), Some(sd)) = (t.mean, t.sd) {
            return Ok((Distribution::mean_sd(mean, sd)?, None));
        }
        if t.mean.is_some() || t.sd.is_some() {
            return Err(coincide::Error::Stated("mean and sd go together".into()));
        }
        if !t.quantiles.is_empty() {
            let one = Expert { name: "stated".into(), quantiles: t.quantiles.clone(), weight: 1.0 };
            let e = elicit(&[one], Pool::Linear)?;
            return Ok((e.linear, None));
        }
        let e = elicit(&t.experts, t.pool.unwrap_or_default())?;
        Ok((e.used().clone(), Some(e)))
    }
}

/// How verdicts become susceptibilities.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SusceptibilitySection {
    /// Where the verdict is "vulnerable"; Beta(3, 1.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerable: Option<Belief>,
    /// Where it is "not vulnerable"; Beta(1, 19).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_vulnerable: Option<Belief>,
    /// Where it is "uncertain"; half of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<Belief>,
    /// Probability that a verdict with this support is wrong; single_source 0.1, two_sources 0.02.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misread: Option<BTreeMap<String, f64>>,
}

/// A cell of the map that is added or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellSection {
    /// The technique.
    pub technique: String,
    /// The failure mode.
    pub mode: String,
    /// The verdict; not needed where `susceptibility` is given for a cell that the map has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Vulnerability>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// How well it is supported.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub support: Option<String>,
    /// Belief about this cell alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub susceptibility: Option<Belief>,
}

/// A feedback source that several techniques are trained on: gap theory, and the failure mode that it implies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackSection {
    /// Name of the source.
    pub source: String,
    /// Techniques trained on it.
    pub techniques: Vec<String>,
    /// Mass α of contexts in which the feedback is biased: prevalence of the failure mode.
    pub hard_context_mass: Belief,
    /// Bias ε of the feedback there, below one half.
    pub bias: f64,
    /// Separation γ of the aims that it cannot tell apart; 1.
    #[serde(default = "one")]
    pub separation: f64,
    /// Numbers of labels for which the least gap is shown.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub labels: Vec<f64>,
    /// Target gap η for which the number of oracle queries is shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_gap: Option<f64>,
    /// True-positive rate of the oracle; 1.
    #[serde(default = "one")]
    pub true_positive_rate: f64,
}

fn one() -> f64 {
    1.0
}

/// The failure-mode map with its numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModesSection {
    /// Maps, merged: CSV files, or `dung-mai-2025`, the published one; that one where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<String>,
    /// Cells added or changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellSection>,
    /// Share of attacks, tasks or contexts on which each mode is active.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub prevalence: BTreeMap<String, Belief>,
    /// How verdicts become susceptibilities.
    pub susceptibility: SusceptibilitySection,
    /// Probability that a technique fails without any mode; Beta(1, 49).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<Belief>,
    /// The same for single techniques.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub leaks: BTreeMap<String, Belief>,
    /// Prevalence of what the map leaves out; Beta(1, 99). 0 leaves the unmapped mode out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmapped: Option<Belief>,
    /// Prevalences of the unmapped mode for which rates are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmapped_shown: Option<Vec<f64>>,
    /// Feedback sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<FeedbackSection>,
    /// What one shared mode does to like techniques.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_mode: Option<SharedMode>,
    /// Learn from the study's outcomes, whose layers must be techniques.
    pub learn: bool,
    /// Draws of all numbers; 2000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
}

/// Impact of research problems.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImpactSection {
    /// Weights.
    pub weights: ImpactWeights,
    /// Problems.
    pub problems: Vec<Problem>,
}

/// A study and where it lies.
#[derive(Debug, Clone)]
pub struct StudyFile {
    /// What it says.
    pub study: Study,
    /// The file, as it was named, with its hash.
    pub record: InputRecord,
    file: TomlFile,
}

impl StudyFile {
    /// Reads a study. Fails with file, line and remedy on text that is not TOML, on unknown keys and wrong types, and on what [`Study`] says twice or
    /// contradicts.
    pub fn read(name: &str) -> Result<StudyFile> {
        Self::from_toml(TomlFile::read(name)?)
    }

    /// The same from bytes; relative paths are resolved from the folder of `name`.
    pub fn parse(name: &str, bytes: Vec<u8>) -> Result<StudyFile> {
        Self::from_toml(TomlFile::new(name, bytes)?)
    }

    fn from_toml(file: TomlFile) -> Result<StudyFile> {
        let study: Study = file.parse("study")?;
        let file = StudyFile { study, record: file.record.clone(), file };
        file.check()?;
        Ok(file)
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.record.path
    }

    /// A path of the study, from where the program runs.
    pub fn resolve(&self, path: &str) -> String {
        self.file.resolve(path)
    }

    fn line(&self, path: &[Key<'_>]) -> Option<u64> {
        self.file.line(path)
    }

    /// An error at a place of the study.
    pub(crate) fn wrong(&self, path: &[Key<'_>], what: impl Into<String>, hint: Option<&str>) -> Error {
        self.file.wrong(path, what, hint)
    }

    /// An error of the mathematics, at the place of the study that it is about.
    pub fn locate(&self, error: coincide::Error) -> Error {
        let s = &self.study;
        let (section, at, hint): (&[Key<'_>], Option<usize>, &str) = match &error {
            coincide::Error::In { what: "claim", name, .. } => {
                // A name used twice is wrong where it comes again.
                (
                    &[Key::Name("claims")],
                    s.claims.iter().rposition(|c| c.name == *name),
                    "mend the claim; `coincide schema study` lists what a claim may say",
                )
            }
            coincide::Error::In { what: "scenario", name, .. } => {
                (&[Key::Name("scenarios")], s.scenarios.iter().position(|c| c.name == *name), "mend the scenario, or leave the key out")
            }
            coincide::Error::In { what: "audit", name, .. } => (
                &[Key::Name("audits")],
                s.audits.iter().position(|c| c.name == *name),
                "an audit is a technique of the map that is no part of the audited system",
            ),
            coincide::Error::In { what: "portfolio", name, .. } => (
                &[Key::Name("portfolios")],
                s.portfolios.iter().rposition(|c| c.name == *name),
                "name each technique of the map once, and each portfolio differently",
            ),
            coincide::Error::In { what: "problem", name, .. } => {
                let at = s.impact.as_ref().and_then(|i| i.problems.iter().position(|p| p.name == *name));
                (&[Key::Name("impact"), Key::Name("problems")], at, "scores run from 0 to 10; ranges are [least, most] or [least, likeliest, most]")
            }
            coincide::Error::In { what: "common cause", name, .. } => (
                &[Key::Name("system"), Key::Name("common_causes")],
                s.system.as_ref().and_then(|s| s.common_causes.iter().position(|c| c.name == *name)),
                "a common cause has layers, a model and its factors: `coincide schema study` lists them",
            ),
            coincide::Error::In { what: "copula", .. } => {
                (&[Key::Name("system"), Key::Name("copulas")], None, "family = \"gaussian\" with correlation = 0.3, or a matrix")
            }
            coincide::Error::Structure { .. } => (&[Key::Name("system")], None, "an expression is, for example, all(a, b) | at_least(2, c, d, e)"),
            coincide::Error::UnknownModel { .. } | coincide::Error::NoStrata(_) | coincide::Error::Fit { .. } => {
                (&[Key::Name("fit"), Key::Name("models")], None, "leave models out for all of them")
            }
            coincide::Error::UnknownLayer { .. } | coincide::Error::DuplicateName(_) => {
                (&[Key::Name("analysis"), Key::Name("groups")], None, "groups are of layers by name, each once")
            }
            coincide::Error::Order(_) => {
                (&[Key::Name("outcomes"), Key::Name("order")], None, "the order in which layers were asked, or leave it out")
            }
            coincide::Error::OutOfRange { what, .. } => {
                let words: [(&str, &[Key<'_>]); 7] = [
                    ("level", &[Key::Name("analysis"), Key::Name("level")]),
                    ("replicates", &[Key::Name("analysis"), Key::Name("replicates")]),
                    ("attempts", &[Key::Name("analysis"), Key::Name("attempts")]),
                    ("folds", &[Key::Name("fit"), Key::Name("folds")]),
                    ("refits", &[Key::Name("fit"), Key::Name("refits")]),
                    ("posterior", &[Key::Name("fit"), Key::Name("draws")]),
                    ("draws", &[Key::Name("modes"), Key::Name("draws")]),
                ];
                let found = words.iter().find(|(w, path)| what.contains(w) && self.line(path).is_some());
                (found.map_or(&[] as &[Key<'_>], |f| f.1), None, "change the number, or leave the key out for the usual one")
            }
            coincide::Error::Stated(text) if text.contains("failure rate: state it") => (&[Key::Name("system")], None, "[system.rates]"),
            coincide::Error::Stated(text) if text.contains("goal") => {
                (&[Key::Name("outcomes"), Key::Name("goal")], None, "goal = \"…\": one of the cluster columns")
            }
            _ => (&[], None, ""),
        };
        let mut path = section.to_vec();
        path.extend(at.map(Key::At));
        if let (coincide::Error::Structure { text, .. }, Some(system)) = (&error, &s.system) {
            let pillar = system.pillars.iter().find(|p| p.1 == text && *text != system.fails);
            match pillar {
                Some((name, _)) => path.extend([Key::Name("pillars"), Key::Name(name)]),
                None => path.push(Key::Name("fails")),
            }
        }
        self.wrong(&path, error.to_string(), (!hint.is_empty()).then_some(hint))
    }

    /// What can be checked before anything is read.
    fn check(&self) -> Result<()> {
        let s = &self.study;
        for (i, l) in s.layers.iter().enumerate() {
            let at = [Key::Name("layers"), Key::At(i), Key::Name("name")];
            if l.name.is_empty() {
                return Err(self.wrong(&at[..2], "a layer has no name", Some("name = \"…\": the column of its outcomes")));
            }
            if s.layers[..i].iter().any(|o| o.name == l.name) {
                return Err(self.wrong(&at, format!("the layer `{}` is named twice", l.name), Some("keep one of the two")));
            }
            if let Some(x) = l.threshold.filter(|x| !x.is_finite()) {
                return Err(self.wrong(&[at[0], at[1], Key::Name("threshold")], format!("a threshold must be finite, not {x}"), None));
            }
        }
        if let Some(o) = &s.outcomes
            && o.files.is_empty()
        {
            return Err(self.wrong(&[Key::Name("outcomes")], "names no files", Some("files = [\"outcomes.csv\"]")));
        }
        if s.outcomes.as_ref().is_some_and(|o| o.mode_tag.is_some()) && !s.modes.as_ref().is_some_and(|m| m.learn) {
            let hint = "learn = true under [modes]; as a condition to compare within, name the column under strata";
            return Err(self.wrong(
                &[Key::Name("outcomes"), Key::Name("mode_tag")],
                "mode tags are there for a map to learn from, and none does",
                Some(hint),
            ));
        }
        if s.outcomes.as_ref().is_some_and(|o| o.tags_are_a_sample && o.mode_tag.is_none()) {
            return Err(self.wrong(
                &[Key::Name("outcomes"), Key::Name("tags_are_a_sample")],
                "there are no tags",
                Some("name their column: mode_tag = \"…\""),
            ));
        }
        for (i, c) in s.scenarios.iter().enumerate() {
            let at = [Key::Name("scenarios"), Key::At(i), Key::Name("name")];
            if c.name.is_empty() || c.name == "nominal" || s.scenarios[..i].iter().any(|o| o.name == c.name) {
                return Err(self.wrong(
                    &at,
                    format!("a scenario needs a name of its own, not `{}`", c.name),
                    Some("`nominal` is the world as tested"),
                ));
            }
            c.check().map_err(|e| self.locate(e))?;
        }
        for (i, p) in s.portfolios.iter().enumerate() {
            if s.portfolios[..i].iter().any(|o| o.name == p.name) {
                return Err(self.wrong(
                    &[Key::Name("portfolios"), Key::At(i), Key::Name("name")],
                    format!("the portfolio `{}` is named twice", p.name),
                    Some("give each a name of its own"),
                ));
            }
        }
        ClaimStatement::check(&s.claims).map_err(|e| self.locate(e))?;
        if let Some(i) =
            s.claims.iter().position(|c| c.scenario.as_ref().is_some_and(|n| n != "nominal" && !s.scenarios.iter().any(|o| o.name == *n)))
        {
            let name = s.claims[i].scenario.as_deref().unwrap_or_default();
            let known = s.scenarios.iter().map(|c| c.name.as_str()).chain(["nominal"]);
            let hint = suggestion(name, "scenarios", known);
            return Err(self.wrong(&[Key::Name("claims"), Key::At(i), Key::Name("scenario")], format!("there is no scenario `{name}`"), Some(&hint)));
        }
        if let Some(system) = &s.system {
            for c in &system.common_causes {
                c.check().map_err(|e| self.locate(e))?;
            }
            for (layer, b) in &system.rates {
                let hint = "a probability between 0 and 1, or a distribution: { beta = [2, 18] }";
                let at = [Key::Name("system"), Key::Name("rates"), Key::Name(layer)];
                b.distribution().map_err(|e| self.wrong(&at, e.to_string(), Some(hint)))?;
            }
        }
        self.check_beliefs()
    }

    /// What is stated about layers beside their outcomes.
    pub fn stated_system(&self) -> coincide::Result<StatedSystem> {
        let Some(s) = &self.study.system else { return Ok(StatedSystem::default()) };
        let rates = s.rates.iter().map(|(layer, b)| Ok((layer.clone(), b.distribution()?.0))).collect::<coincide::Result<_>>()?;
        Ok(StatedSystem { rates, common_causes: s.common_causes.clone(), copulas: s.copulas.clone(), observed_correlations: None })
    }

    /// Every belief is one, and at its place.
    fn check_beliefs(&self) -> Result<()> {
        let Some(m) = &self.study.modes else { return Ok(()) };
        let root = Key::Name("modes");
        let hint = "a probability between 0 and 1, or a distribution: { beta = [2, 50] }, { mean = 0.02, sd = 0.01 }, { quantiles = { \"0.05\" = 0.01, \"0.95\" = 0.1 } }";
        let ask = |path: &[Key<'_>], b: &Belief| b.distribution().map(drop).map_err(|e| self.wrong(path, e.to_string(), Some(hint)));
        for (mode, b) in &m.prevalence {
            ask(&[root, Key::Name("prevalence"), Key::Name(mode)], b)?;
        }
        for (technique, b) in &m.leaks {
            ask(&[root, Key::Name("leaks"), Key::Name(technique)], b)?;
        }
        let s = &m.susceptibility;
        for (name, b) in [("vulnerable", &s.vulnerable), ("not_vulnerable", &s.not_vulnerable), ("uncertain", &s.uncertain)] {
            if let Some(b) = b {
                ask(&[root, Key::Name("susceptibility"), Key::Name(name)], b)?;
            }
        }
        for (name, &x) in s.misread.iter().flatten() {
            if !(0.0..=1.0).contains(&x) {
                let path = [root, Key::Name("susceptibility"), Key::Name("misread"), Key::Name(name)];
                return Err(self.wrong(&path, format!("the probability that a verdict is wrong must be between 0 and 1, not {x}"), None));
            }
        }
        for (name, b) in [("leak", &m.leak), ("unmapped", &m.unmapped)] {
            if let Some(b) = b {
                ask(&[root, Key::Name(name)], b)?;
            }
        }
        for (i, c) in m.cells.iter().enumerate() {
            if let Some(b) = &c.susceptibility {
                ask(&[root, Key::Name("cells"), Key::At(i), Key::Name("susceptibility")], b)?;
            }
        }
        for (i, f) in m.feedback.iter().enumerate() {
            ask(&[root, Key::Name("feedback"), Key::At(i), Key::Name("hard_context_mass")], &f.hard_context_mass)?;
        }
        Ok(())
    }

    /// Files with outcomes, from where the program runs.
    pub fn files(&self) -> Vec<String> {
        self.study.outcomes.iter().flat_map(|o| &o.files).map(|f| self.resolve(f)).collect()
    }

    /// How the outcomes are read.
    pub fn read_options(&self) -> ReadOptions {
        let s = &self.study;
        let o = s.outcomes.clone().unwrap_or_default();
        let mut strata = o.strata;
        strata.extend(o.mode_tag.filter(|t| !strata.contains(t)));
        ReadOptions {
            layers: (!s.layers.is_empty()).then(|| s.layers.iter().map(|l| l.name.clone()).collect()),
            thresholds: s
                .layers
                .iter()
                .filter_map(|l| l.threshold.map(|value| Threshold { layer: l.name.clone(), value, fails_when: l.fails_when }))
                .collect(),
            fails_when: o.fails_when,
            polarities: s
                .layers
                .iter()
                .filter(|l| l.threshold.is_none())
                .filter_map(|l| Some(Polarity { layer: l.name.clone(), fails_when: l.fails_when? }))
                .collect(),
            gave_up: o.gave_up,
            strata,
            clusters: o.clusters,
            baseline: o.baseline,
            trial: o.trial,
            weight: o.weight,
            label: o.label,
            order_from: o.order_from,
            layer_from: o.layer_from.map(|f| if f == "file" { LayerFrom::File } else { LayerFrom::Column(f) }),
            join: o.join,
            shard: None,
        }
    }

    /// How they are analysed.
    pub fn analyze_options(&self) -> AnalyzeOptions {
        let (a, usual) = (&self.study.analysis, AnalyzeOptions::default());
        let order = self.study.outcomes.as_ref().map(|o| o.order.clone()).filter(|o| !o.is_empty());
        AnalyzeOptions {
            seed: a.seed.map_or(usual.seed, Seed),
            replicates: a.replicates.unwrap_or(usual.replicates),
            level: a.level.unwrap_or(usual.level),
            exact: a.interval.unwrap_or(usual.exact),
            order,
            groups: a.groups.iter().map(|(name, layers)| Group { name: name.clone(), layers: layers.clone() }).collect(),
        }
    }

    /// Files with verdicts, relative to the study.
    pub fn label_files(&self) -> Vec<String> {
        self.study.outcomes.iter().flat_map(|o| &o.labels).map(|f| self.resolve(f)).collect()
    }

    /// How models are fitted, where the study asks for them.
    pub fn fit_options(&self) -> Option<FitOptions> {
        let (f, usual, a) = (self.study.fit.as_ref()?, FitOptions::default(), self.analyze_options());
        Some(FitOptions {
            seed: a.seed,
            level: a.level,
            models: if f.models.is_empty() { usual.models } else { f.models.clone() },
            draws: f.draws.unwrap_or(usual.draws),
            priors: if f.no_prior { Priors::None } else { Priors::Weak },
            common_modes: f.common_modes.iter().map(|(name, layers)| Group { name: name.clone(), layers: layers.clone() }).collect(),
            folds: f.folds.unwrap_or(usual.folds),
            refits: f.refits.unwrap_or(usual.refits),
            ..usual
        })
    }

    /// How the map's numbers are worked out.
    pub fn mode_options(&self) -> ModeOptions {
        let (a, usual) = (self.analyze_options(), ModeOptions::default());
        let draws = self.study.modes.as_ref().and_then(|m| m.draws).unwrap_or(usual.draws);
        ModeOptions { seed: a.seed, level: a.level, draws }
    }

    /// How verdicts become susceptibilities.
    pub fn cell_beliefs(&self) -> coincide::Result<CellBeliefs> {
        let usual = CellBeliefs::default();
        let Some(m) = &self.study.modes else { return Ok(usual) };
        let s = &m.susceptibility;
        let read = |b: &Option<Belief>| b.as_ref().map(|b| b.distribution().map(|d| d.0)).transpose();
        Ok(CellBeliefs {
            vulnerable: read(&s.vulnerable)?.unwrap_or(usual.vulnerable),
            not_vulnerable: read(&s.not_vulnerable)?.unwrap_or(usual.not_vulnerable),
            uncertain: read(&s.uncertain)?,
            misread: s.misread.clone().unwrap_or(usual.misread),
        })
    }
}

/// The JSON Schema of a study.
pub fn study_schema() -> serde_json::Value {
    schemars::schema_for!(Study).into()
}
