//! From a study or bare outcomes to every section that was asked for. Only order of calls and names live here; what is computed lives in `coincide`.

use crate::error::{Error, Result};
use crate::fault_tree::{FaultTreeOptions, read_fault_tree};
use crate::load::{Loaded, load};
use crate::map::{PUBLISHED_MAP, read_map};
use crate::options::ReadOptions;
use crate::outcomes_file::LayerDescription;
use crate::source::InputRecord;
use crate::study::StudyFile;
use crate::thresholds::at_thresholds;
use crate::toml_file::{Key, suggestion};
use crate::trials::{Keep, LoadedTrials, load_trials};
use crate::verdicts::{ReadVerdicts, read_verdicts};
use coincide::{
    Analysis, AnalyzeOptions, Argument, Attempts, Basis, Beliefs, CellBeliefs, Checked, Claim, ClaimKind, CommonCause, CompareOptions, Comparison,
    Distribution, Drift, Elicited, FailureModeMap, Fit, FitOptions, Group, Impact, JointOutcomes, KindLimit, Lineage, MapCell, MapComparison,
    MapEvidence, MapReport, ModeQuestions, ModeReport, ModesBasis, Pillars, Plan, PlanOptions, Portfolio, Pressure, Progress, Quantity, Risk,
    RiskQuestion, Scenario, ScenarioRisk, Section, SelectOptions, Selection, StatedSystem, Structure, SystemFailure, SystemOfModel, Technique,
    ThresholdOptions, Thresholds, Vulnerability, WhatIf, gap_theory,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A part of an assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What recorded outcomes say.
    Analysis,
    /// Models of joint failure.
    Fit,
    /// The failure-mode map, with numbers where there are any.
    Modes,
    /// Scenarios and the pressure curve.
    Scenarios,
    /// Claims.
    Claims,
    /// Impact of research problems.
    Impact,
    /// P(system failure) of a structure under every law.
    Risk,
    /// Which layers to choose.
    Select,
    /// Thresholds of scores.
    Thresholds,
    /// Where to test next.
    Plan,
    /// What changed since an earlier table.
    Compare,
    /// What a page needs to compute rates again.
    WhatIf,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ask {
    /// Parts.
    pub parts: Vec<Part>,
    /// Numbers of attempts on one goal.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attempts: Vec<u32>,
    /// The cluster column of goals.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goal: Option<String>,
    /// Attributes by which the gap is split.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub split_by: Vec<String>,
    /// Maps that take the place of the study's.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub maps: Vec<String>,
    /// Claims to judge; all where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub claims: Vec<String>,
    /// Judge every bound on outcomes by the limit that no further failure lowers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whether the study's numbers are used with the map.
    #[serde(default)]
    pub numbers: bool,
    /// What is asked about a structure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskAsk>,
    /// What limits a choice of layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<SelectAsk>,
    /// What thresholds have to keep to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<ThresholdAsk>,
    /// What to plan the next tests for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanAsk>,
    /// Files with verdicts of people who checked trials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What outcomes are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<CompareAsk>,
}

impl Ask {
    /// Every file or pattern that is read beside the outcomes: maps, verdicts, earlier outcomes.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        self.maps.iter().chain(&self.labels).chain(self.compare.iter().flat_map(|c| &c.before))
    }

    pub(crate) fn files_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.maps.iter_mut().chain(&mut self.labels).chain(self.compare.iter_mut().flat_map(|c| &mut c.before))
    }
}

/// What outcomes are compared with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CompareAsk {
    /// Files with the earlier outcomes, read like the later ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Clusters of one name in both are different things, not the same tested twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unpaired: bool,
    /// The later rows are in the order in which attacks came: watch them as a stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

/// What to plan the next tests for, over what the study says; see [`PlanOptions`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PlanAsk {
    /// A claim of the study by its name, or one as `beta<=1e-3@0.95`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// What can be spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// Stratum columns that trials can be chosen by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<String>,
    /// Shares of operation, in the place of the study's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, f64>,
    /// Cost of a trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Cost of a trial of a stratum, beside the study's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub costs: BTreeMap<String, f64>,
    /// Cost of running one layer on a trial that exists, beside the study's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub layer_costs: BTreeMap<String, f64>,
    /// Cost of a joint failure checked by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_cost: Option<f64>,
    /// New trials that every stratum gets, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<usize>,
    /// Batches that the budget is spent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<usize>,
}

impl PlanAsk {
    /// What is asked, over `own`; the claim is left to whoever knows the study.
    fn over(&self, own: PlanOptions) -> PlanOptions {
        let mut o = own;
        o.budget = self.budget.unwrap_or(o.budget);
        o.cost = self.cost.unwrap_or(o.cost);
        o.floor = self.floor.unwrap_or(o.floor);
        o.batches = self.batches.unwrap_or(o.batches);
        o.check_cost = self.check_cost.or(o.check_cost);
        o.costs.extend(self.costs.clone());
        o.layer_costs.extend(self.layer_costs.clone());
        if !self.strata.is_empty() {
            o.strata.clone_from(&self.strata);
        }
        if !self.shares.is_empty() {
            o.shares.clone_from(&self.shares);
        }
        o
    }
}

/// What thresholds have to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ThresholdAsk {
    /// The share of all benign trials that the whole stack may stop.
    pub false_alarm: f64,
    /// Probability with which the budget is kept.
    pub confidence: f64,
}

impl Default for ThresholdAsk {
    fn default() -> Self {
        let usual = ThresholdOptions::default();
        ThresholdAsk { false_alarm: usual.false_alarm, confidence: usual.confidence }
    }
}

/// What limits a choice of layers; what each layer takes stands in the study.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SelectAsk {
    /// What a choice may take of each thing that adds up, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<String, f64>,
    /// The most of all benign trials on which some chosen layer may raise an alarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm: Option<f64>,
    /// At most so many layers that share a value of an attribute, by attribute.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub at_most: BTreeMap<String, usize>,
    /// Layers that are chosen whatever they bring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// Layers that are not to be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Judge a choice by the mean over this share of the worst posterior draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<f64>,
    /// When the system fails, in the place of what the study says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// Scenarios of the study: a choice is judged by the worst of them and the world as tested; `all` for all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<String>,
}

/// What is asked about a structure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RiskAsk {
    /// When the system fails, in the place of what the study says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// Cut sets to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
    /// Common causes beside those of the study.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_causes: Vec<CommonCause>,
    /// The input is a fault tree, read so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_tree: Option<FaultTreeOptions>,
}

/// What is assessed, and how.
#[derive(Debug)]
pub struct Job {
    /// The study, where there is one.
    pub study: Option<StudyFile>,
    /// Files with outcomes.
    pub files: Vec<String>,
    /// The outcomes, where they have been read already or never were in files.
    pub loaded: Option<Arc<Loaded>>,
    /// The same trial by trial, where that is asked for.
    pub trials: Option<Arc<LoadedTrials>>,
    /// The earlier outcomes of a comparison, where they never were in files.
    pub before: Option<Arc<Loaded>>,
    /// How they are read.
    pub read: ReadOptions,
    /// How they are analysed.
    pub analyze: AnalyzeOptions,
    /// How models are fitted.
    pub fit: Option<FitOptions>,
    /// What is asked.
    pub ask: Ask,
}

/// What one group of experts said about one number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Elicitation {
    /// The number.
    pub about: String,
    /// The experts and their pool.
    pub elicited: Elicited,
}

/// What gap theory says about one feedback source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Feedback {
    /// The source.
    pub source: String,
    /// Techniques trained on it.
    pub techniques: Vec<String>,
    /// The failure mode of the map that it implies.
    pub mode: String,
    /// Mean mass α of hard contexts.
    pub hard_context_mass: f64,
    /// Bias ε.
    pub bias: f64,
    /// Separation γ.
    pub separation: f64,
    /// κ(ε), nats a label.
    pub information_per_label: f64,
    /// Labels, and the least expected gap after them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gaps: Vec<[f64; 2]>,
    /// Target gap, and oracle queries after which the gap is at most that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oracle_queries: Option<[f64; 2]>,
}

/// Sections of an assessment beyond the analysis of outcomes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Assessment {
    /// P(system failure).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub system: Option<Section<SystemFailure>>,
    /// The gap between and within pillars.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pillars: Option<Section<Vec<Pillars>>>,
    /// Scenarios on recorded outcomes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scenarios: Option<Section<Vec<ScenarioRisk>>>,
    /// The pressure curve.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pressure: Option<Section<Pressure>>,
    /// Many tries.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempts: Option<Section<Attempts>>,
    /// The failure-mode map.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub map: Option<Section<MapReport>>,
    /// The map with numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub modes: Option<Section<ModeReport>>,
    /// What experts said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub elicited: Option<Section<Vec<Elicitation>>>,
    /// Gap theory of shared feedback.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub feedback: Option<Section<Vec<Feedback>>>,
    /// Claims.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claims: Option<Section<Argument>>,
    /// Impact of research problems.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub impact: Option<Section<Vec<Impact>>>,
    /// P(system failure) of a structure under every law.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub risk: Option<Section<Risk>>,
    /// Which layers to choose.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub selection: Option<Section<Selection>>,
    /// Thresholds of scores, chosen together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thresholds: Option<Section<Thresholds>>,
    /// Where to test next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<Section<Plan>>,
    /// What changed since an earlier table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub comparison: Option<Section<Comparison>>,
    /// Whether the later trials, in their order, fail more often than the earlier ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drift: Option<Section<Drift>>,
    /// Rates after checks by hand.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checked: Option<Section<Checked>>,
    /// What layers share, and which fail alike.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lineage: Option<Section<Lineage>>,
}

impl Assessment {
    /// Whether there is no section at all.
    pub fn is_empty(&self) -> bool {
        *self == Assessment::default()
    }
}

/// Everything that was computed, without sentences.
#[derive(Debug, Default)]
pub struct Assessed {
    /// What recorded outcomes say.
    pub analysis: Option<Analysis>,
    /// Models.
    pub fit: Option<Section<Fit>>,
    /// Everything else.
    pub assessment: Assessment,
    /// What was inferred or counted, in sentences.
    pub notes: Vec<String>,
    /// Whether the layers came from runs of their own.
    pub separate_runs: bool,
    /// What a page needs to compute rates again.
    pub what_if: Option<Section<WhatIf>>,
    /// Attributes of layers, where any are known.
    pub lineage: BTreeMap<String, BTreeMap<String, String>>,
    /// The inputs: outcomes, then the study, then maps.
    pub inputs: Vec<InputRecord>,
}

/// Scenarios as outcomes have them, and the tables of those with other thresholds.
struct Worlds<'a> {
    scenarios: &'a [Scenario],
    read_again: &'a BTreeMap<String, JointOutcomes>,
}

impl Job {
    /// A job on bare outcomes.
    pub fn outcomes(files: Vec<String>, read: ReadOptions, analyze: AnalyzeOptions, fit: Option<FitOptions>, ask: Ask) -> Self {
        Job { study: None, files, loaded: None, trials: None, before: None, read, analyze, fit, ask }
    }

    /// A job on a study, with the study's own options.
    pub fn study(study: StudyFile, parts: Vec<Part>) -> Self {
        let s = &study.study;
        let ask = Ask {
            parts,
            attempts: s.analysis.attempts.clone(),
            goal: s.outcomes.as_ref().and_then(|o| o.goal.clone()),
            split_by: s.analysis.split_by.clone(),
            numbers: true,
            labels: study.label_files(),
            ..Ask::default()
        };
        Job {
            files: study.files(),
            loaded: None,
            trials: None,
            before: None,
            read: study.read_options(),
            analyze: study.analyze_options(),
            fit: study.fit_options(),
            ask,
            study: Some(study),
        }
    }

    /// Everything that a study has; `None` where it has nothing to assess.
    pub fn whole_study(study: StudyFile) -> Option<Self> {
        let s = &study.study;
        let outcomes = s.outcomes.is_some();
        let list = [
            (Part::Analysis, outcomes),
            (Part::Fit, outcomes && s.fit.is_some()),
            (Part::Scenarios, outcomes),
            (Part::Modes, s.modes.is_some()),
            (Part::Claims, !s.claims.is_empty()),
            (Part::Impact, s.impact.is_some()),
            (Part::Risk, s.system.as_ref().is_some_and(|x| x.states_anything() || outcomes)),
        ];
        let parts: Vec<Part> = list.into_iter().filter_map(|(part, there)| there.then_some(part)).collect();
        (!parts.is_empty()).then(|| Job::study(study, parts))
    }

    /// Every path or pattern that is read: outcomes, then maps.
    pub fn paths(&self) -> Vec<String> {
        let mut out = self.files.clone();
        let own = self.study.iter().flat_map(|f| f.study.modes.iter().flat_map(|m| &m.maps).map(move |m| (f, m)));
        out.extend(self.ask.maps.iter().filter(|m| *m != PUBLISHED_MAP).cloned());
        out.extend(own.filter(|(_, m)| *m != PUBLISHED_MAP).map(|(f, m)| f.resolve(m)));
        out
    }

    fn has_outcomes(&self) -> bool {
        self.loaded.is_some() || !self.files.is_empty()
    }

    fn asks(&self, part: Part) -> bool {
        self.ask.parts.contains(&part)
    }

    fn locate(&self, e: coincide::Error) -> Error {
        match &self.study {
            Some(s) => s.locate(e),
            None => Error::Core(e),
        }
    }

    /// Computes what is asked.
    ///
    /// Fails on inputs that cannot be read, on a study that contradicts them, with file, line and remedy, and on what the mathematics refuses.
    pub fn assess(&self, progress: Progress<'_>) -> Result<Assessed> {
        if let Some(tree) = self.ask.risk.as_ref().and_then(|r| r.fault_tree.as_ref()) {
            return self.on_fault_tree(tree);
        }
        let mut out = Assessed::default();
        let mut what_if = WhatIf::default();
        let s = self.study.as_ref().map(|f| &f.study);
        let learns = s.and_then(|s| s.modes.as_ref()).is_some_and(|m| m.learn);
        let claims_of_maps = self.asks(Part::Claims) && s.is_some_and(|s| s.claims.iter().any(|c| self.rests_on_the_map(c)));
        let wanted_map = self.asks(Part::Modes) || claims_of_maps;
        // Scenarios may name techniques: without the map they could not be told from mistakes.
        let named = s.is_some_and(|s| s.modes.is_some() && !s.scenarios.is_empty()) && (self.asks(Part::Scenarios) || self.asks(Part::Claims));
        let needs_map = wanted_map || named;
        let needs_table = self.asks(Part::Analysis)
            || self.asks(Part::Fit)
            || self.asks(Part::Scenarios)
            || self.asks(Part::Claims)
            || self.asks(Part::Risk)
            || self.asks(Part::Select)
            || self.asks(Part::Plan)
            || self.asks(Part::Compare)
            || needs_map && learns && self.ask.numbers;
        let mut described = Vec::new();
        let loaded = match &self.loaded {
            Some(loaded) => Some(loaded.clone()),
            None if needs_table && !self.files.is_empty() => Some(Arc::new(load(&self.files, &self.read, progress)?)),
            None => None,
        };
        if let Some(loaded) = &loaded {
            out.notes.clone_from(&loaded.notes);
            out.separate_runs = loaded.separate_runs;
            out.inputs.clone_from(&loaded.inputs);
            described.clone_from(&loaded.layers);
        }
        let table = loaded.as_ref().map(|l| &l.table);
        out.inputs.extend(self.study.iter().map(|f| f.record.clone()));
        let map = if needs_map { Some(self.map(&mut out)?) } else { None };
        let techniques = map.as_ref().map(|m| m.techniques()).unwrap_or_default();
        let used = wanted_map || [Part::Scenarios, Part::Claims, Part::Select].into_iter().any(|p| self.asks(p));
        let scenarios = if used { self.scenarios(table, techniques)? } else { Default::default() };
        let bounded = self.wants_system(table)?;
        let read_again = match table {
            Some(_) if self.asks(Part::Scenarios) || self.asks(Part::Claims) => self.read_again(&scenarios.0, progress)?,
            _ => BTreeMap::new(),
        };
        if let Some(t) = table {
            let worlds = Worlds { scenarios: &scenarios.0, read_again: &read_again };
            self.on_outcomes((t, &described), &worlds, bounded.as_ref(), &mut out, &mut what_if, progress)?;
            out.lineage = self.lineage(t.layers(), &described);
        }
        if !wanted_map {
            out.assessment.map = None;
        }
        if let Some(map) = map.filter(|_| wanted_map) {
            what_if.modes = self.on_map(map, table, &scenarios.1, &mut out, progress)?;
        }
        if self.asks(Part::Risk) && table.is_none() {
            let stated =
                self.study.iter().flat_map(|f| &f.study.system).flat_map(|s| s.rates.keys().chain(s.common_causes.iter().flat_map(|c| &c.layers)));
            let mut layers: Vec<String> = self.study.iter().flat_map(|f| &f.study.layers).map(|l| l.name.clone()).collect();
            let listed = layers.len();
            for name in stated {
                if !layers.contains(name) {
                    layers.push(name.clone());
                }
            }
            let matrix = |f: &StudyFile| f.study.system.as_ref().and_then(|s| s.copulas.iter().position(|c| !c.matrix.is_empty()));
            if let Some((f, at)) = self.study.as_ref().and_then(|f| matrix(f).map(|at| (f, at)))
                && layers.len() > listed
            {
                let what = format!("a matrix needs its layers in order, and `{}` is not listed", layers[listed]);
                let path = [Key::Name("system"), Key::Name("copulas"), Key::At(at)];
                return Err(f.wrong(&path, what, Some("list every layer under [[layers]], in the order of the matrix")));
            }
            out.assessment.risk = Some(self.on_structure(&layers, None, &[])?);
        }
        if self.asks(Part::Claims)
            && let Some(f) = &self.study
        {
            if f.study.claims.is_empty() {
                return Err(f.wrong(&[], "has no claims", Some("add one: [[claims]] with name = \"release\" and bound = \"beta<=1e-3@0.95\"")));
            }
            let basis = Basis {
                table,
                read_again: &read_again,
                order: self.analyze.order.as_deref(),
                system: bounded.as_ref(),
                goal: self.ask.goal.as_deref(),
                scenarios: &scenarios.0,
                map: out.assessment.modes.as_ref().map(|m| m.content.bounds.as_slice()).unwrap_or_default(),
                exact: self.analyze.exact,
            };
            let mut claims = self.wanted_claims(f)?;
            for c in claims.iter_mut().filter(|c| self.rests_on_the_map(c)) {
                c.portfolio = Some(self.portfolio(c)?.name);
            }
            for c in claims.iter_mut().filter(|c| self.ask.strict && c.bound.is_some() && !self.rests_on_the_map(c)) {
                c.strict = true;
            }
            let mut argument = coincide::argue(&claims, &basis).map_err(|e| self.locate(e))?;
            beside(&mut argument, out.fit.as_ref().map(|f| f.content.claims.as_slice()).unwrap_or_default());
            out.assessment.claims = Some(Section::new(argument));
        }
        if self.asks(Part::Compare)
            && let Some(t) = table
        {
            self.on_change(t, &mut out, progress)?;
        }
        if self.asks(Part::Thresholds) {
            out.assessment.thresholds = Some(self.on_scores(&mut out, progress)?);
        }
        if self.asks(Part::Impact)
            && let Some(i) = s.and_then(|s| s.impact.as_ref())
        {
            let list = i.problems.iter().map(|p| coincide::impact(p, i.weights, self.analyze.seed)).collect::<coincide::Result<Vec<_>>>();
            out.assessment.impact = Some(Section::new(list.map_err(|e| self.locate(e))?));
        }
        out.what_if = (self.asks(Part::WhatIf) && what_if != WhatIf::default()).then(|| Section::new(what_if));
        Ok(out)
    }

    /// What models are asked about: claims of the command, and the study's about β in the world as tested.
    fn claims_for_models(&self, fit: &FitOptions) -> Vec<Claim> {
        let mut list = fit.claims.clone();
        let study = self.study.iter().filter(|_| self.asks(Part::Claims)).flat_map(|f| &f.study.claims);
        for c in study.filter(|c| c.scenario.as_deref().is_none_or(|s| s == "nominal") && !self.rests_on_the_map(c)) {
            if let Ok(Some((Quantity::Beta(_), claim))) = c.parsed()
                && !list.contains(&claim)
            {
                list.push(claim);
            }
        }
        list
    }

    /// The claims asked for, with all their parts.
    fn wanted_claims(&self, f: &StudyFile) -> Result<Vec<coincide::ClaimStatement>> {
        let all = &f.study.claims;
        if self.ask.claims.is_empty() {
            return Ok(all.clone());
        }
        let mut wanted: Vec<&str> = self.ask.claims.iter().map(String::as_str).collect();
        let mut at = 0;
        while let Some(name) = wanted.get(at).copied() {
            let c = claim_named(f, name)?;
            c.of.iter().for_each(|p| {
                if !wanted.contains(&p.as_str()) {
                    wanted.push(p)
                }
            });
            at += 1;
        }
        Ok(all.iter().filter(|c| wanted.contains(&c.name.as_str())).cloned().collect())
    }

    /// Whether a claim is judged by the map.
    fn rests_on_the_map(&self, c: &coincide::ClaimStatement) -> bool {
        c.bound.is_some() && (c.from == Some(ClaimKind::Map) || c.from.is_none() && (!self.has_outcomes() || c.portfolio.is_some()))
    }

    /// What a system failure is, over the table's layers.
    fn wants_system(&self, table: Option<&JointOutcomes>) -> Result<Option<Structure>> {
        let Some((t, s)) = table.zip(self.study.as_ref().and_then(|f| f.study.system.as_ref())) else { return Ok(None) };
        Structure::parse(&s.fails, t.layers(), &s.pillars).map(Some).map_err(|e| self.locate(e))
    }

    /// Scenarios as outcomes have them, and as the map has them: attributes resolved, and names of the other left out.
    fn scenarios(&self, table: Option<&JointOutcomes>, techniques: &[Technique]) -> Result<(Vec<Scenario>, Vec<Scenario>)> {
        let Some(f) = &self.study else { return Ok(Default::default()) };
        let layers = table.map(|t| t.layers().to_vec()).unwrap_or_default();
        let listed = |n: &str| f.study.layers.iter().any(|l| l.name == n);
        let known = |n: &str| layers.iter().any(|l| l == n) || listed(n) || techniques.iter().any(|t| t.name == n);
        // Names of what was not read cannot be told from mistakes; it is not used then.
        let layers_known = !self.has_outcomes() || table.is_some() || !f.study.layers.is_empty();
        let certain = layers_known && (f.study.modes.is_none() || !techniques.is_empty());
        let mut resolved = Vec::new();
        for (i, s) in f.study.scenarios.iter().enumerate() {
            let mut s = s.clone();
            let at = |key: &'static str| [Key::Name("scenarios"), Key::At(i), Key::Name(key)];
            for c in &mut s.common_failures {
                if c.with.is_empty() {
                    if c.layers.is_empty() {
                        return Err(f.wrong(
                            &at("common_failures"),
                            "a common failure needs layers",
                            Some("layers = [\"a\", \"b\"], or with = { training_data = \"…\" }"),
                        ));
                    }
                    continue;
                }
                let has = |name: &str| {
                    c.with.iter().all(|(key, value)| {
                        let own = f.study.layers.iter().find(|l| l.name == name).and_then(|l| l.attribute(key));
                        let category = techniques.iter().find(|t| t.name == name && key == "category").and_then(|t| t.category.as_deref());
                        own.or(category) == Some(value.as_str())
                    })
                };
                let names = layers.iter().chain(techniques.iter().map(|t| &t.name)).chain(f.study.layers.iter().map(|l| &l.name));
                let mut found: Vec<String> = names.filter(|n| has(n)).cloned().collect();
                found.sort();
                found.dedup();
                if found.is_empty() && certain {
                    let what = c.with.iter().map(|(k, v)| format!("{k} = \"{v}\"")).collect::<Vec<_>>().join(" and ");
                    return Err(f.wrong(&at("common_failures"), format!("no layer has {what}"), Some("attributes stand under [[layers]]")));
                }
                c.layers.extend(found);
                c.with.clear();
            }
            let names = s.compromised.iter().chain(s.trained_against.keys()).chain(s.common_failures.iter().flat_map(|c| &c.layers));
            let names = names
                .chain(s.cascades.iter().flat_map(|c| [&c.from, &c.to]))
                .chain(s.attacker.iter().flat_map(|a| &a.transparent))
                .chain(s.thresholds.keys());
            if let Some(wrong) = names.filter(|_| certain).find(|n| !known(n)) {
                let all = layers.iter().map(String::as_str).chain(techniques.iter().map(|t| t.name.as_str()));
                let hint = suggestion(wrong, "layers", all);
                return Err(f.wrong(&at("name")[..2], format!("scenario `{}`: there is no layer `{wrong}`", s.name), Some(&hint)));
            }
            resolved.push(s);
        }
        let keep = |wanted: &dyn Fn(&str) -> bool| resolved.iter().map(|s| only(s, wanted)).collect::<Vec<_>>();
        Ok((keep(&|n| layers.iter().any(|l| l == n)), keep(&|n| techniques.iter().any(|t| t.name == n))))
    }

    /// Tables of scenarios with other thresholds.
    fn read_again(&self, scenarios: &[Scenario], progress: Progress<'_>) -> Result<BTreeMap<String, JointOutcomes>> {
        let mut out = BTreeMap::new();
        for s in scenarios.iter().filter(|s| !s.thresholds.is_empty()) {
            let mut read = self.read.clone();
            for (layer, &value) in &s.thresholds {
                match read.thresholds.iter_mut().find(|t| t.layer == *layer) {
                    Some(t) => t.value = value,
                    None => {
                        let what = format!("layer `{layer}` has no threshold to change: its outcomes are recorded as failed or held");
                        return Err(self.locate(coincide::Error::In { what: "scenario", name: s.name.clone(), why: what }));
                    }
                }
            }
            if self.files.is_empty() {
                return Err(Error::options(
                    format!("scenario `{}` has other thresholds, and counts do not keep scores", s.name),
                    "give the files with the scores in the place of counts",
                ));
            }
            out.insert(s.name.clone(), load(&self.files, &read, progress)?.table);
        }
        Ok(out)
    }

    fn on_outcomes(
        &self,
        (t, described): (&JointOutcomes, &[LayerDescription]),
        &Worlds { scenarios, read_again }: &Worlds<'_>,
        system: Option<&Structure>,
        out: &mut Assessed,
        what_if: &mut WhatIf,
        progress: Progress<'_>,
    ) -> Result<()> {
        let located = |e| self.locate(e);
        let a = &mut out.assessment;
        if self.asks(Part::Plan) {
            a.plan = Some(Section::new(coincide::plan(t, &self.plan_options()?).map_err(located)?));
        }
        if [Part::Analysis, Part::Scenarios, Part::Fit, Part::Risk, Part::Select].into_iter().any(|p| self.asks(p)) {
            let analysis = coincide::analyze(t, &self.analyze, progress).map_err(located)?;
            let mut of_models = Vec::new();
            if self.asks(Part::Fit)
                && let Some(fit) = &self.fit
            {
                let fit = FitOptions { claims: self.claims_for_models(fit), ..fit.clone() };
                let system = match (self.asks(Part::Risk), self.asks(Part::Select)) {
                    (true, _) => Some(self.structure(t.layers())?),
                    (false, true) => Some(Structure::parse("all(*)", t.layers(), &BTreeMap::new()).map_err(located)?),
                    _ => None,
                };
                let fitted = coincide::fit_with_draws(t, &analysis, &fit, system.as_ref(), progress).map_err(located)?;
                out.fit = Some(fitted.fit);
                of_models = fitted.system;
                // The one that predicts best comes first.
                let best = out.fit.as_ref().and_then(|f| f.content.best.clone());
                of_models.sort_by_key(|m| Some(&m.model) != best.as_ref());
                what_if.model = fitted.basis.map(|m| m.with_scenarios(scenarios));
            }
            if self.asks(Part::Risk) {
                a.risk = Some(self.on_structure(t.layers(), Some((t, &analysis)), &of_models)?);
            }
            if self.asks(Part::Select) {
                let options = self.select_options(t.layers(), described, scenarios)?;
                a.selection = Some(Section::new(coincide::select(t, &of_models, &options, &self.analyze)?));
            }
            if self.asks(Part::Scenarios) {
                let goal = self.ask.goal.as_deref();
                let list = coincide::scenarios(t, &analysis, scenarios, read_again, system, goal, &self.analyze).map_err(located)?;
                a.scenarios = (list.len() > 1).then(|| Section::new(list));
                a.pressure = Some(Section::new(coincide::pressure_curve(t, &analysis)));
            }
            if self.asks(Part::WhatIf) {
                let scores = !self.files.is_empty() && !analysis.data.content.design.stops_early();
                let many = if scores { at_thresholds(&self.files, &self.read, progress)? } else { None };
                let (table, columns) = many.map_or((None, None), |(t, c)| (Some(t), Some(c)));
                let basis = coincide::outcomes_basis(table.as_ref().unwrap_or(t), columns, &analysis, scenarios, &self.analyze);
                match basis.map_err(located)? {
                    Ok(basis) => what_if.outcomes = Some(basis),
                    Err(why) => what_if.left_out.push(format!("Recorded outcomes: {why}.")),
                }
            }
            out.analysis = Some(analysis);
        }
        if self.asks(Part::Analysis) {
            a.system = system.map(|s| coincide::system_failure(t, s, &self.analyze).map(Section::new)).transpose().map_err(located)?;
            if !self.ask.attempts.is_empty() {
                let counts: Vec<f64> = self.ask.attempts.iter().map(|&n| f64::from(n)).collect();
                let tries = coincide::attempts(t, self.ask.goal.as_deref(), &counts, self.analyze.level, self.analyze.seed).map_err(located)?;
                a.attempts = Some(Section::new(tries));
            }
            let own = |layer: &str, attribute: &str| self.attribute(described, layer, attribute);
            let telling: Vec<String> = match self.ask.split_by.as_slice() {
                // Nobody asked: only where there is something to say.
                [] if self.study.is_none() && out.analysis.as_ref().is_some_and(|a| !a.data.content.design.stops_early()) => {
                    telling_attributes(t.layers(), described)
                }
                asked => asked.to_vec(),
            };
            let shared = self.lineage(t.layers(), described);
            a.lineage = out.analysis.as_ref().and_then(|x| lineage_of(t, x, &shared, self.analyze.seed));
            if !self.ask.labels.is_empty() {
                let (checked, inputs) = self.on_verdicts(&mut out.notes, progress)?;
                a.checked = Some(checked);
                out.inputs.extend(inputs);
            }
            let splits = telling.iter().map(|name| self.pillars(t, name, &own, described, progress)).collect::<Result<Vec<_>>>()?;
            a.pillars = (!splits.is_empty()).then(|| Section::new(splits));
        }
        Ok(())
    }

    /// Scenarios of the study by their names; `all` for all of them.
    fn scenarios_named(&self, names: &[String], known: &[Scenario]) -> Result<Vec<Scenario>> {
        if names.iter().any(|n| n == "all") {
            return Ok(known.iter().filter(|s| s.touches_outcomes()).cloned().collect());
        }
        let find = |n: &String| {
            known.iter().find(|s| s.name == *n).cloned().ok_or_else(|| {
                let hint = suggestion(n, "scenarios", known.iter().map(|s| s.name.as_str()));
                Error::options(format!("there is no scenario `{n}` in the study"), hint)
            })
        };
        names.iter().map(find).collect()
    }

    /// The outcomes trial by trial: those that were handed in, or read again from the files.
    fn each_trial(&self, keep: Keep, progress: Progress<'_>) -> Result<Arc<LoadedTrials>> {
        if let Some(trials) = &self.trials {
            return Ok(trials.clone());
        }
        if self.files.is_empty() {
            return Err(Error::options("there are no trials, only counts of them", "give the files that hold the trials"));
        }
        Ok(Arc::new(load_trials(&self.files, &self.read, keep, progress)?))
    }

    /// What changed since the earlier outcomes, and what the later ones say in their order.
    fn on_change(&self, after: &JointOutcomes, out: &mut Assessed, progress: Progress<'_>) -> Result<()> {
        let ask = self.ask.compare.clone().unwrap_or_default();
        let before = match &self.before {
            Some(before) => before.clone(),
            None => Arc::new(load(&ask.before, &self.read, progress)?),
        };
        out.inputs.extend(before.inputs.iter().cloned());
        out.notes.extend(before.notes.iter().filter(|n| !out.notes.contains(n)).map(|n| format!("earlier table: {n}")).collect::<Vec<_>>());
        let a = &self.analyze;
        let options = CompareOptions { level: a.level, exact: a.exact, paired: !ask.unpaired, order: a.order.clone() };
        let compared = coincide::compare(&before.table, after, &options).map_err(|e| self.locate(e))?;
        if ask.stream {
            if ask.before.is_empty() || self.files.is_empty() {
                return Err(Error::options(
                    "a stream needs the files of both tables: what is in memory are counts, which have no order",
                    "read both from files",
                ));
            }
            let later = self.each_trial(Keep::Outcomes, progress)?;
            let earlier = load_trials(&ask.before, &self.read, Keep::Outcomes, progress)?;
            if after.weighted() || before.table.weighted() || later.trials.clusters.len() > 1 {
                let what = "trials that have weights or crossed clusters are no stream of observations that count alike";
                return Err(Error::options(what, "leave out --stream"));
            }
            let reference = earlier.trials.joint_failures(&compared.layers);
            let mut monitor = coincide::DriftMonitor::against_stream(&reference, a.level).map_err(|e| self.locate(e))?;
            for joint in later.trials.joint_failures(&compared.layers) {
                monitor.observe(joint).map_err(|e| self.locate(e))?;
            }
            out.assessment.drift = Some(Section::new(monitor.report()));
        }
        out.assessment.comparison = Some(Section::new(compared));
        Ok(())
    }

    /// Thresholds of scores; those that the study or the command has are in use.
    fn on_scores(&self, out: &mut Assessed, progress: Progress<'_>) -> Result<Section<Thresholds>> {
        let loaded = self.each_trial(Keep::Scores, progress)?;
        let ask = self.ask.thresholds.unwrap_or_default();
        let own = |layer: &String| {
            let threshold = self.read.thresholds.iter().find(|t| t.layer == *layer).and_then(|t| t.fails_when);
            let polarity = || self.read.polarities.iter().find(|p| p.layer == *layer).map(|p| p.fails_when);
            threshold.or_else(polarity).or(self.read.fails_when)
        };
        let layers = &loaded.trials.layers;
        let options = ThresholdOptions {
            false_alarm: ask.false_alarm,
            confidence: ask.confidence,
            fails_when: layers.iter().filter_map(|l| Some((l.clone(), own(l)?))).collect(),
            in_use: self.read.thresholds.iter().map(|t| (t.layer.clone(), t.value)).collect(),
        };
        let chosen = coincide::thresholds(&loaded.trials, &options, &self.analyze, progress).map_err(|e| self.locate(e))?;
        out.notes.extend(loaded.notes.iter().filter(|n| !out.notes.contains(n)).cloned().collect::<Vec<_>>());
        if out.inputs.iter().all(|i| loaded.inputs.iter().all(|l| l.path != i.path)) {
            out.inputs.splice(0..0, loaded.inputs.iter().cloned());
        }
        Ok(Section::new(chosen))
    }

    /// Rates after checks by hand, and the files with the verdicts.
    fn on_verdicts(&self, notes: &mut Vec<String>, progress: Progress<'_>) -> Result<(Section<Checked>, Vec<InputRecord>)> {
        let ReadVerdicts { verdicts, open, inputs } = read_verdicts(&self.ask.labels)?;
        if verdicts.is_empty() {
            let what = format!("`{}` has no verdict yet", self.ask.labels.join("`, `"));
            return Err(Error::options(what, "fill in `verdict` with failed, held or ambiguous"));
        }
        if open > 0 {
            notes.push(format!("{open} queued trials have no verdict yet; those that have one are taken for a random part of their group"));
        }
        if self.files.iter().any(|f| f == "-") {
            return Err(Error::options("verdicts need outcomes that can be read again, not standard input", "write the trials to a file first"));
        }
        let loaded = self.each_trial(Keep::Outcomes, progress)?;
        let checked = coincide::checked(&loaded.trials, &verdicts, self.analyze.level).map_err(|e| self.locate(e))?;
        Ok((Section::new(checked), inputs))
    }

    /// What to plan for: the command's, over the study's.
    fn plan_options(&self) -> Result<PlanOptions> {
        let own = self.study.as_ref().and_then(|f| f.study.plan.clone()).unwrap_or_default();
        let ask = self.ask.plan.clone().unwrap_or_default();
        let mut options = PlanOptions { level: self.analyze.level, order: self.analyze.order.clone(), ..ask.over(own) };
        if let Some(text) = &ask.claim {
            options.claim = Some(match (text.parse::<Claim>(), &self.study) {
                (Ok(claim), _) => claim,
                (Err(_), Some(f)) => self.claim_of_study(f, text)?,
                (Err(why), None) => return Err(Error::options(format!("claim `{text}`: {why}"), "names of claims stand in a study")),
            });
        }
        Ok(options)
    }

    /// A claim of the study that trials can show.
    fn claim_of_study(&self, f: &StudyFile, name: &str) -> Result<Claim> {
        match claim_named(f, name)?.parsed() {
            Ok(Some((Quantity::Beta(_), claim))) => Ok(claim),
            _ => {
                let what = format!("claim `{name}` is no bound on a rate of joint failures, which trials could show");
                Err(f.wrong(&[Key::Name("claims")], what, Some("plan for a claim with bound = \"beta<=1e-3@0.95\"")))
            }
        }
    }

    /// What limits a choice of layers, with what the study says that each layer takes, and who shares which attribute.
    fn select_options(&self, layers: &[String], described: &[LayerDescription], scenarios: &[Scenario]) -> Result<SelectOptions> {
        let ask = self.ask.select.clone().unwrap_or_default();
        let sections = || self.study.iter().flat_map(|f| &f.study.layers).filter(|l| layers.contains(&l.name));
        let mut at_most = Vec::new();
        for (attribute, &many) in &ask.at_most {
            let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for l in layers {
                if let Some(value) = self.attribute(described, l, attribute) {
                    kinds.entry(value).or_default().push(l.clone());
                }
            }
            if kinds.is_empty() {
                let hint = format!("attributes stand under [[layers]] of a study: {attribute} = \"…\"");
                return Err(Error::options(format!("no layer has the attribute `{attribute}`"), hint));
            }
            at_most.extend(kinds.into_iter().map(|(value, layers)| KindLimit { kind: format!("{attribute} {value}"), layers, many }));
        }
        let system = self.study.as_ref().and_then(|f| f.study.system.as_ref());
        // Of a study whose system fails when all layers do, nothing has to be said.
        let own = system
            .map(|s| s.fails.clone())
            .filter(|f| Structure::parse(f, layers, &BTreeMap::new()).map_or(true, |s| s.as_all().is_none_or(|a| a.len() < layers.len())));
        Ok(SelectOptions {
            fails: ask.fails.or(own),
            pillars: system.map(|s| s.pillars.clone()).unwrap_or_default(),
            scenarios: self.scenarios_named(&ask.scenarios, scenarios)?,
            budgets: ask.budgets,
            takes: sections().filter(|l| !l.takes.is_empty()).map(|l| (l.name.clone(), l.takes.clone())).collect(),
            stages: sections().filter_map(|l| Some((l.name.clone(), l.stage.clone()?))).collect(),
            false_alarm: ask.false_alarm,
            at_most,
            forced: ask.forced,
            without: ask.without,
            worst: ask.worst,
        })
    }

    /// The structure that a risk is asked about: the command's, the study's, or all layers.
    fn structure(&self, layers: &[String]) -> Result<Structure> {
        let own = self.study.as_ref().and_then(|f| f.study.system.as_ref());
        let asked = self.ask.risk.as_ref().and_then(|r| r.fails.as_deref());
        let text = asked.or(own.map(|s| s.fails.as_str())).unwrap_or("all(*)");
        let pillars = own.map(|s| s.pillars.clone()).unwrap_or_default();
        Structure::parse(text, layers, &pillars).map_err(|e| if asked.is_some() { Error::Core(e) } else { self.locate(e) })
    }

    fn on_structure(&self, layers: &[String], seen: Option<(&JointOutcomes, &Analysis)>, fitted: &[SystemOfModel]) -> Result<Section<Risk>> {
        if layers.is_empty() {
            let name = self.study.as_ref().map_or("this", |f| f.record.path.as_str());
            return Err(Error::options(format!("`{name}` names no layers"), "add [outcomes], or [system.rates] with how often each layer fails"));
        }
        let structure = self.structure(layers)?;
        let mut stated = match &self.study {
            Some(f) => f.stated_system().map_err(|e| f.locate(e))?,
            None => StatedSystem::default(),
        };
        stated.common_causes.extend(self.ask.risk.iter().flat_map(|r| &r.common_causes).cloned());
        stated.observed_correlations = seen.and_then(|(_, a)| correlations(layers, a));
        let pillars = self.study.iter().flat_map(|f| &f.study.system).flat_map(|s| &s.pillars);
        let mut groups: Vec<Group> = self.analyze.groups.clone();
        let named = self.study.as_ref().and_then(|f| f.study.system.as_ref()).map(|s| s.pillars.clone()).unwrap_or_default();
        for (name, text) in pillars {
            // A pillar may be of techniques of the map, and is no group of layers then.
            if let Ok(part) = Structure::parse(text, layers, &named) {
                groups.push(Group { name: name.clone(), layers: part.members().iter().map(|&i| layers[i].clone()).collect() });
            }
        }
        let listed = self.ask.risk.as_ref().and_then(|r| r.listed).unwrap_or(coincide::LISTED);
        let question = RiskQuestion { layers, structure: &structure, groups: &groups, stated: &stated, listed };
        let own = |name: &str| self.ask.risk.iter().flat_map(|r| &r.common_causes).any(|c| c.name == name);
        coincide::risk(&question, seen.map(|s| s.0), fitted, &self.analyze).map(Section::new).map_err(|e| match &e {
            // The command's, not the study's.
            coincide::Error::In { what: "common cause", name, .. } if own(name) => Error::Core(e),
            _ => self.locate(e),
        })
    }

    /// A fault tree, with the files that it includes.
    fn on_fault_tree(&self, options: &FaultTreeOptions) -> Result<Assessed> {
        let Some(name) = self.files.first() else { return Err(Error::options("no fault tree is named", "name its file")) };
        let (tree, inputs) = read_fault_tree(name, options)?;
        let listed = self.ask.risk.as_ref().and_then(|r| r.listed).unwrap_or(coincide::LISTED);
        let risk = coincide::fault_tree_risk(&tree, listed, &self.analyze).map_err(|e| Error::file(name, e.to_string()))?;
        let assessment = Assessment { risk: Some(Section::new(risk)), ..Assessment::default() };
        Ok(Assessed { assessment, inputs, ..Assessed::default() })
    }

    /// Every attribute of every layer that has any: the study's word over that of the outcomes' file.
    fn lineage(&self, layers: &[String], described: &[LayerDescription]) -> BTreeMap<String, BTreeMap<String, String>> {
        let listed = self.study.iter().flat_map(|f| &f.study.layers).filter(|l| layers.contains(&l.name));
        let mut out: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for d in described.iter().filter(|d| layers.contains(&d.name)) {
            out.entry(d.name.clone()).or_default().extend(d.attributes.clone());
        }
        for l in listed {
            let fixed = ["paradigm", "provider", "base_model", "training_data"].into_iter();
            let own = fixed.chain(l.attributes.keys().map(String::as_str)).filter_map(|k| Some((k.to_owned(), l.attribute(k)?.to_owned())));
            out.entry(l.name.clone()).or_default().extend(own);
        }
        out.retain(|_, a| !a.is_empty());
        out
    }

    /// A layer's attribute: the study's word, else that of the outcomes' file.
    fn attribute<'a>(&'a self, described: &'a [LayerDescription], layer: &str, attribute: &str) -> Option<&'a str> {
        let study = self.study.as_ref().and_then(|f| f.study.layers.iter().find(|l| l.name == layer)).and_then(|l| l.attribute(attribute));
        study.or_else(|| described.iter().find(|l| l.name == layer)?.attributes.get(attribute).map(String::as_str))
    }

    fn pillars<'a>(
        &self,
        t: &JointOutcomes,
        attribute: &str,
        own: &dyn Fn(&str, &str) -> Option<&'a str>,
        described: &[LayerDescription],
        progress: Progress<'_>,
    ) -> Result<Pillars> {
        let mut groups: Vec<Group> = Vec::new();
        let mut found = false;
        for layer in t.layers() {
            let own = own(layer, attribute);
            found |= own.is_some();
            // A layer that does not say is a pillar by itself.
            let name = own.map_or_else(|| format!("({layer})"), str::to_owned);
            match groups.iter_mut().find(|g| g.name == name) {
                Some(g) => g.layers.push(layer.clone()),
                None => groups.push(Group { name, layers: vec![layer.clone()] }),
            }
        }
        if !found {
            let listed = self.study.iter().flat_map(|f| &f.study.layers);
            let mut known: Vec<&str> = ["paradigm", "provider", "base_model", "training_data"]
                .into_iter()
                .filter(|k| listed.clone().any(|l| l.attribute(k).is_some()))
                .collect();
            known.extend(listed.flat_map(|l| &l.attributes).chain(described.iter().flat_map(|l| &l.attributes)).map(|(k, _)| k.as_str()));
            known.sort_unstable();
            known.dedup();
            let hint = if known.is_empty() {
                "attributes stand under [[layers]] of a study, for example provider = \"…\"; or name the group's layers: --group NAME=A,B".to_owned()
            } else {
                format!("the attributes are {}", known.join(", "))
            };
            let what = format!("no layer has the attribute `{attribute}`");
            return Err(match &self.study {
                Some(f) => f.wrong(&[Key::Name("layers")], what, Some(&hint)),
                None => Error::options(what, hint),
            });
        }
        coincide::pillars(t, attribute, &groups, &self.analyze, progress).map_err(|e| self.locate(e))
    }

    /// The map: files merged in order, then the study's cells and what its feedback sources imply.
    fn map(&self, out: &mut Assessed) -> Result<FailureModeMap> {
        let section = self.study.as_ref().and_then(|f| f.study.modes.as_ref().map(|m| (f, m)));
        let names: Vec<String> = if !self.ask.maps.is_empty() {
            self.ask.maps.clone()
        } else if let Some((f, m)) = section.filter(|s| !s.1.maps.is_empty()) {
            m.maps.iter().map(|n| if n == PUBLISHED_MAP { n.clone() } else { f.resolve(n) }).collect()
        } else {
            vec![PUBLISHED_MAP.to_owned()]
        };
        let mut merged: Option<FailureModeMap> = None;
        let mut compared: Vec<MapComparison> = Vec::new();
        for name in &names {
            let (map, record) = read_map(name)?;
            out.inputs.extend(record);
            merged = Some(match merged {
                None => map,
                Some(first) => {
                    let (both, difference) = first.merge(&map);
                    compared.push(difference);
                    both
                }
            });
        }
        let mut map = merged.ok_or_else(|| Error::options("no map", "name a map"))?;
        if let Some((f, m)) = section {
            map = with_cells(&map, f, m)?;
        }
        out.assessment.map = Some(Section::new(MapReport::new(map.clone(), compared)));
        Ok(map)
    }

    fn on_map(
        &self,
        map: FailureModeMap,
        table: Option<&JointOutcomes>,
        scenarios: &[Scenario],
        out: &mut Assessed,
        progress: Progress<'_>,
    ) -> Result<Option<ModesBasis>> {
        let Some((f, m)) = self.study.as_ref().and_then(|f| f.study.modes.as_ref().map(|m| (f, m))).filter(|_| self.ask.numbers) else {
            return Ok(None);
        };
        let located = |e| f.locate(e);
        let mut elicited = Vec::new();
        let mut read = |about: String, b: &crate::study::Belief| -> coincide::Result<Distribution> {
            let (d, e) = b.distribution()?;
            elicited.extend(e.map(|elicited| Elicitation { about, elicited }));
            Ok(d)
        };
        let root = Key::Name("modes");
        let mut prevalence = BTreeMap::new();
        for (mode, b) in &m.prevalence {
            if map.mode(mode).is_err() {
                let hint = suggestion(mode, "modes", map.modes().iter().map(String::as_str));
                return Err(f.wrong(
                    &[root, Key::Name("prevalence"), Key::Name(mode)],
                    format!("no technique has the failure mode `{mode}`"),
                    Some(&hint),
                ));
            }
            prevalence.insert(mode.clone(), read(format!("prevalence of {mode}"), b).map_err(located)?);
        }
        for feedback in &m.feedback {
            let mode = hard_context(&feedback.source);
            prevalence.insert(mode.clone(), read(format!("prevalence of {mode}"), &feedback.hard_context_mass).map_err(located)?);
        }
        if prevalence.is_empty() {
            return Ok(None);
        }
        let missing: Vec<&str> = map.modes().iter().filter(|m| !prevalence.contains_key(*m)).map(String::as_str).collect();
        if !missing.is_empty() {
            let what = format!("has no prevalence for {}", missing.join(", "));
            return Err(f.wrong(
                &[root, Key::Name("prevalence")],
                what,
                Some("every mode of the map needs one under [modes.prevalence]; 0 means that it never occurs"),
            ));
        }
        let mut leaks = BTreeMap::new();
        for (t, b) in &m.leaks {
            map.technique(t).map_err(|e| f.wrong(&[root, Key::Name("leaks"), Key::Name(t)], e.to_string(), None))?;
            leaks.insert(t.clone(), read(format!("leak of {t}"), b).map_err(located)?);
        }
        let beta = |a: f64, b: f64| Distribution::beta(a, b);
        let leak = m.leak.as_ref().map_or_else(|| beta(1.0, 49.0), |b| read("leak".into(), b)).map_err(located)?;
        let unmapped = m.unmapped.as_ref().map_or_else(|| beta(1.0, 99.0), |b| read("prevalence of unmapped modes".into(), b)).map_err(located)?;
        let unmapped = (unmapped != Distribution::Point(0.0)).then_some(unmapped);
        let mut cells = BTreeMap::new();
        for c in &m.cells {
            if let Some(b) = &c.susceptibility {
                let about = format!("susceptibility of {} to {}", c.technique, c.mode);
                cells.insert((c.technique.clone(), c.mode.clone()), read(about, b).map_err(located)?);
            }
        }
        let verdicts: CellBeliefs = f.cell_beliefs().map_err(located)?;
        let beliefs = Beliefs::new(&map, &verdicts, &prevalence, &leaks, &leak, &cells, unmapped.as_ref())
            .map_err(|e| f.wrong(&[root], e.to_string(), None))?;
        let evidence = match (m.learn, table) {
            (true, Some(t)) => {
                let o = f.study.outcomes.clone().unwrap_or_default();
                let e = coincide::tagged_evidence(t, &beliefs, o.mode_tag.as_deref(), o.tags_are_a_sample);
                Some(e.map_err(|e| {
                    f.wrong(&[root, Key::Name("learn")], e.to_string(), Some("layers of the outcomes must be named as techniques of the map"))
                })?)
            }
            (true, None) => {
                return Err(f.wrong(&[root, Key::Name("learn")], "there are no outcomes to learn from", Some("add [outcomes], or leave learn out")));
            }
            _ => None,
        };
        for (i, p) in f.study.portfolios.iter().enumerate() {
            if let Some(t) = p.techniques.iter().find(|t| map.technique(t).is_err()) {
                let names = || map.techniques().iter().map(|t| t.name.as_str());
                let hint = suggestion(t, "techniques", names());
                return Err(f.wrong(
                    &[Key::Name("portfolios"), Key::At(i), Key::Name("techniques")],
                    format!("portfolio `{}`: there is no technique `{t}`", p.name),
                    Some(&hint),
                ));
            }
        }
        for (i, s) in f.study.scenarios.iter().enumerate() {
            if let Some(mode) = s.prevalence.keys().find(|m| !beliefs.modes.contains(m)) {
                let hint = suggestion(mode, "modes", beliefs.modes.iter().map(String::as_str));
                return Err(f.wrong(
                    &[Key::Name("scenarios"), Key::At(i), Key::Name("prevalence")],
                    format!("no technique has the failure mode `{mode}`"),
                    Some(&hint),
                ));
            }
        }
        let all = Portfolio { name: "all techniques".into(), techniques: Vec::new(), system: None, in_place: false };
        let mut portfolios = if f.study.portfolios.is_empty() { vec![all] } else { f.study.portfolios.clone() };
        let asked = if self.asks(Part::Claims) { self.bounds(&f.study.claims)? } else { Vec::new() };
        for (_, p) in &asked {
            if !portfolios.iter().any(|o| o.name == p.name) {
                portfolios.push(p.clone());
            }
        }
        let questions = ModeQuestions {
            portfolios,
            scenarios: scenarios.to_vec(),
            pillars: f.study.system.as_ref().map(|s| s.pillars.clone()).unwrap_or_default(),
            audits: f.study.audits.clone(),
            residual: m.unmapped_shown.clone().unwrap_or_else(|| vec![0.0, 0.001, 0.01, 0.05, 0.1]),
            shared_mode: m.shared_mode.clone(),
            bounds: asked.into_iter().map(|a| a.0).collect(),
        };
        let answers = coincide::ask_modes(&beliefs, &verdicts, evidence.as_ref(), &questions, &f.mode_options(), progress).map_err(located)?;
        out.assessment.modes = Some(Section::new(answers.report));
        out.assessment.elicited = (!elicited.is_empty()).then(|| Section::new(elicited));
        let feedback = m
            .feedback
            .iter()
            .map(|s| feedback(s, &prevalence))
            .collect::<coincide::Result<Vec<_>>>()
            .map_err(|e| f.wrong(&[root, Key::Name("feedback")], e.to_string(), None))?;
        out.assessment.feedback = (!feedback.is_empty()).then(|| Section::new(feedback));
        Ok(Some(answers.basis))
    }

    /// The portfolio that a claim about the map means: the one it names, the techniques it lists, or the study's first.
    fn portfolio(&self, c: &coincide::ClaimStatement) -> Result<Portfolio> {
        let f = self.study.as_ref().ok_or_else(|| Error::options("claims need a study", "name one"))?;
        let named = match c.parsed() {
            Ok(Some((Quantity::Beta(list), _))) => list,
            _ => Vec::new(),
        };
        let all = Portfolio { name: "all techniques".into(), techniques: Vec::new(), system: None, in_place: false };
        let wrong = |why: String| f.locate(coincide::Error::In { what: "claim", name: c.name.clone(), why });
        match (&c.portfolio, named.is_empty()) {
            (Some(_), false) => Err(wrong("it names a portfolio and techniques; one of the two is enough".into())),
            (Some(name), true) => {
                let known = || f.study.portfolios.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
                f.study
                    .portfolios
                    .iter()
                    .find(|p| p.name == *name)
                    .cloned()
                    .ok_or_else(|| wrong(format!("there is no portfolio `{name}`; the portfolios are {}", known())))
            }
            (None, false) => Ok(Portfolio { name: named.join(" + "), techniques: named, ..all }),
            (None, true) => Ok(f.study.portfolios.first().cloned().unwrap_or(all)),
        }
    }

    /// Bounds that claims ask of the map, and the portfolios they are about.
    fn bounds(&self, claims: &[coincide::ClaimStatement]) -> Result<Vec<(MapEvidence, Portfolio)>> {
        let mut list: Vec<(MapEvidence, Portfolio)> = Vec::new();
        for c in claims.iter().filter(|c| self.rests_on_the_map(c)) {
            let Ok(Some((quantity, claim))) = c.parsed() else { continue };
            let portfolio = self.portfolio(c)?;
            let evidence = MapEvidence {
                portfolio: portfolio.name.clone(),
                scenario: c.scenario.clone().unwrap_or_else(|| "nominal".into()),
                system: quantity == Quantity::System,
                at_most: claim.at_most,
                probability: 0.0,
                draws: 0,
            };
            if !list.iter().any(|l| l.0 == evidence) {
                list.push((evidence, portfolio));
            }
        }
        Ok(list)
    }
}

/// A claim of a study. Fails with the nearest name where there is none.
fn claim_named<'a>(f: &'a StudyFile, name: &str) -> Result<&'a coincide::ClaimStatement> {
    let all = &f.study.claims;
    all.iter().find(|c| c.name == *name).ok_or_else(|| {
        let hint = suggestion(name, "claims", all.iter().map(|c| c.name.as_str()));
        f.wrong(&[Key::Name("claims")], format!("there is no claim `{name}`"), Some(&hint))
    })
}

/// What layers share and which fail alike; nothing with fewer than three layers, of which a tree would say nothing.
fn lineage_of(
    t: &JointOutcomes,
    a: &Analysis,
    shared: &BTreeMap<String, BTreeMap<String, String>>,
    seed: coincide::Seed,
) -> Option<Section<Lineage>> {
    let pairs = &a.pairs.as_ref()?.content;
    (t.layers().len() > 2).then(|| Section::new(coincide::lineage(t.layers(), pairs, shared, t.worth_of_weight(), seed)))
}

/// Tetrachoric correlations of all pairs, row by row; `None` where one is unknown.
fn correlations(layers: &[String], a: &Analysis) -> Option<Vec<f64>> {
    let k = layers.len();
    let mut out = vec![0.0; k * k];
    (0..k).for_each(|i| out[i * k + i] = 1.0);
    let place = |name: &str| layers.iter().position(|l| l == name);
    let list = &a.pairs.as_ref()?.content;
    if list.len() != k * (k - 1) / 2 {
        return None;
    }
    for pair in list {
        let (i, j, r) = (place(&pair.a)?, place(&pair.b)?, pair.tetrachoric.value?);
        out[i * k + j] = r;
        out[j * k + i] = r;
    }
    Some(out)
}

/// Puts what models say beside what outcomes say about the same claim.
fn beside(argument: &mut Argument, models: &[coincide::Support]) {
    for node in &mut argument.claims {
        let Some(e) = node.evidence.as_mut().filter(|e| e.scenario == "nominal" && matches!(e.quantity, Quantity::Beta(_))) else { continue };
        let Some(own) = &mut e.outcomes else { continue };
        if let Some(m) = models.iter().find(|m| m.claim == own.claim) {
            own.models.clone_from(&m.models);
        }
    }
}

/// The mode that a shared feedback source implies.
fn hard_context(source: &str) -> String {
    format!("hard-context:{source}")
}

fn feedback(s: &crate::study::FeedbackSection, prevalence: &BTreeMap<String, Distribution>) -> coincide::Result<Feedback> {
    let mode = hard_context(&s.source);
    let alpha = prevalence.get(&mode).map_or(0.0, Distribution::mean);
    let gaps = s.labels.iter().map(|&n| Ok([n, gap_theory::gap_after_labels(s.separation, n, alpha, s.bias)?])).collect::<coincide::Result<_>>()?;
    let queries = |eta: f64| Ok([eta, gap_theory::oracle_queries(s.separation, eta, alpha, s.bias, s.true_positive_rate)?]);
    Ok(Feedback {
        source: s.source.clone(),
        techniques: s.techniques.clone(),
        mode,
        hard_context_mass: alpha,
        bias: s.bias,
        separation: s.separation,
        information_per_label: gap_theory::information_per_label(s.bias)?,
        gaps,
        oracle_queries: s.target_gap.map(queries).transpose()?,
    })
}

/// The map with the study's cells and hard contexts.
fn with_cells(map: &FailureModeMap, f: &StudyFile, m: &crate::study::ModesSection) -> Result<FailureModeMap> {
    let root = Key::Name("modes");
    let mut cells: Vec<MapCell> =
        (0..map.techniques().len()).flat_map(|t| (0..map.modes().len()).filter_map(move |j| map.cell(t, j).cloned())).collect();
    for (i, c) in m.cells.iter().enumerate() {
        let at = [root, Key::Name("cells"), Key::At(i)];
        if m.cells[..i].iter().any(|o| o.technique == c.technique && o.mode == c.mode) {
            return Err(f.wrong(&at, format!("the cell of `{}` and `{}` is judged twice", c.technique, c.mode), Some("keep one of the two")));
        }
        match cells.iter_mut().find(|o| o.technique == c.technique && o.mode == c.mode) {
            Some(o) => {
                o.verdict = c.verdict.unwrap_or(o.verdict);
                o.source = c.source.clone().or_else(|| o.source.take());
                o.support = c.support.clone().or_else(|| if c.verdict.is_some() { None } else { o.support.take() });
            }
            None => {
                let Some(verdict) = c.verdict.or(c.susceptibility.as_ref().map(|_| Vulnerability::Uncertain)) else {
                    return Err(f.wrong(
                        &at,
                        format!("the map has no cell of `{}` and `{}`, and no verdict is given", c.technique, c.mode),
                        Some("verdict = \"vulnerable\", \"not_vulnerable\" or \"uncertain\""),
                    ));
                };
                cells.push(MapCell {
                    technique: c.technique.clone(),
                    mode: c.mode.clone(),
                    verdict,
                    source: c.source.clone(),
                    support: c.support.clone(),
                });
            }
        }
    }
    let mut names: Vec<String> = Vec::new();
    for c in &cells {
        if !names.contains(&c.technique) {
            names.push(c.technique.clone());
        }
    }
    for (i, s) in m.feedback.iter().enumerate() {
        if let Some(t) = s.techniques.iter().find(|t| !names.contains(t)) {
            let hint = suggestion(t, "techniques", names.iter().map(String::as_str));
            return Err(f.wrong(
                &[root, Key::Name("feedback"), Key::At(i), Key::Name("techniques")],
                format!("there is no technique `{t}`"),
                Some(&hint),
            ));
        }
        cells.extend(gap_theory::common_feedback_cells(&s.source, &names, &s.techniques));
    }
    FailureModeMap::new(map.techniques().to_vec(), cells).map_err(|e| f.wrong(&[root], e.to_string(), None))
}

/// A scenario with only the names that `wanted` accepts.
fn only(s: &Scenario, wanted: &dyn Fn(&str) -> bool) -> Scenario {
    let mut s = s.clone();
    let keep = |list: &mut Vec<String>| list.retain(|n| wanted(n));
    keep(&mut s.compromised);
    s.trained_against.retain(|n, _| wanted(n));
    s.thresholds.retain(|n, _| wanted(n));
    s.common_failures.iter_mut().for_each(|c| keep(&mut c.layers));
    s.common_failures.retain(|c| !c.layers.is_empty());
    s.cascades.retain(|c| wanted(&c.from) && wanted(&c.to));
    if let Some(a) = &mut s.attacker {
        keep(&mut a.transparent);
    }
    s
}

/// Attributes that say something about layers: neither the same for all nor different for each.
fn telling_attributes(layers: &[String], described: &[LayerDescription]) -> Vec<String> {
    let known = described.iter().flat_map(|l| l.attributes.keys()).collect::<std::collections::BTreeSet<_>>();
    let values = |name: &String| {
        let own = layers.iter().map(|l| described.iter().find(|d| d.name == *l).and_then(|d| d.attributes.get(name)).ok_or(l));
        own.collect::<std::collections::BTreeSet<_>>().len()
    };
    known.into_iter().filter(|&name| (2..layers.len()).contains(&values(name))).cloned().collect()
}
