//! How AI-safety layers fail *together*: the mathematics, without files, clocks or printing.
//!
//! A **layer** is one safeguard (input filter, refusal, probe, monitor, output filter, review, alignment audit). A **trial**
//! is one harmful input put to every layer; its **outcome** at a layer is *failed* (missed), *held*, or missing for a
//! stated reason. Trials may belong to **strata** (known conditions) and **clusters** (groups that are not independent;
//! several cluster columns are crossed). The counts of distinct rows are the **joint outcome table**, [`JointOutcomes`];
//! everything here is a function of it.
//!
//! # From a table to an answer
//!
//! ```
//! use coincide::{AnalyzeOptions, Columns, Outcome::{Failed, Held}, TableBuilder, TrialRow, analyze};
//!
//! // Two layers that share a blind spot: on 10 of 100 attacks both fail.
//! let columns = Columns { layers: vec!["filter".into(), "judge".into()], clusters: vec!["goal".into()], ..Columns::default() };
//! let mut table = TableBuilder::new(columns)?;
//! for goal in 0..20 {
//!     let goal_name = format!("goal {goal}");
//!     let kinds = if goal % 2 == 0 { [[Failed, Failed], [Failed, Held], [Held, Held], [Held, Held], [Held, Held]] }
//!                 else { [[Held, Failed], [Held, Held], [Held, Held], [Held, Held], [Held, Held]] };
//!     for outcomes in kinds {
//!         table.add(&TrialRow { outcomes: &outcomes, clusters: &[&goal_name], ..TrialRow::default() });
//!     }
//! }
//! let report = analyze(&table.finish(), &AnalyzeOptions::default(), &|_, _, _| {})?;
//! let joint = &report.joint.content;
//! assert!((joint.beta.value.unwrap() - 0.1).abs() < 1e-12);
//! assert!((joint.gap.value.unwrap() - 0.1 / (0.2 * 0.2)).abs() < 1e-12);
//! // Clustered trials: Korn–Graubard, wider than if trials were independent.
//! let honest = joint.beta.interval.unwrap();
//! let naive = joint.beta_if_independent_trials.unwrap();
//! assert!(honest.high > naive.high);
//! # Ok::<(), coincide::Error>(())
//! ```
//!
//! # What is computed
//!
//! With failure rates p_i and β = P(all k layers fail), over attacks:
//!
//! | quantity | formula | where |
//! |---|---|---|
//! | independence gap | π = β / Πp_i | [`Joint::gap`] |
//! | dependence efficiency | η = ln β / ln Πp_i | [`Joint::efficiency`] |
//! | effective layers | η × (layers with p_i < 1) | [`Joint::effective_layers`] |
//! | co-failure curve | mean of β_S over sets S of m layers | [`CurvePoint`] |
//! | realised worth | ln(β_{−j}/β) / ln(1/p_j) | [`Contribution::worth`] |
//! | explained by strata | ln(Σ_s w_s Π_i p_is / Πp_i) | [`Explained`] |
//! | bounds from pairs | linear programme over 2^k patterns | [`Bounds`] |
//!
//! # What models add
//!
//! Where few or no joint failures were seen, the rate at which all fail follows from a model. [`fit()`] fits several to one table, and
//! says which reproduce what was seen, what each says, how well it predicts clusters it has not seen, and how far those that
//! fit disagree. A model is a [`JointLaw`], nearly always a [`Mixture`] of conditionally independent layers; [`stated`] makes one from
//! numbers, [`fit_law`] from a table. [`claims()`] judges bounds on β without any model.
//!
//! # Beyond the tested world
//!
//! [`Structure`] says what a system failure is, [`scenarios`] what becomes of rates when layers are compromised, attacks shift or failures cascade, [`attempts()`] what
//! many tries do, [`pillars()`] whether groups of layers fail independently. [`FailureModeMap`] holds verdicts on techniques and failure modes, [`ModeLaw`] is its noisy-OR, and
//! [`ask_modes`] works portfolios out from [`Beliefs`]. [`audit()`] is Bayes over audits, [`argue`] judges claims and combines them, [`impact()`] scores problems.
//!
//! Every number is a [`Figure`]: a value, its interval, what missing cells leave open, or the reason why there is none.
//! Nothing is ever NaN. Random numbers come only from the [`Seed`] handed in, and the digits do not depend on the number
//! of threads.

mod analyze;
mod argument;
mod attempts;
mod audit;
#[cfg(test)]
mod benchmarks;
mod bounds;
#[cfg(test)]
mod calibration;
mod causes;
mod ccf;
mod check;
mod claims;
mod compare;
mod design;
mod diagnostics;
mod distribution;
mod drift;
mod error;
mod estimate;
mod false_alarm;
mod features;
mod figure;
mod fit;
mod fitted;
pub mod gap_theory;
mod holdout;
mod impact;
mod importance;
mod interval;
mod labels;
mod law;
mod layers;
mod likelihood;
mod lineage;
mod model;
mod modes;
mod normal;
mod optimise;
mod outcome;
mod pairs;
mod patterns;
mod percentile;
mod pieces;
mod pillars;
mod pipeline;
mod plan;
mod posterior;
mod psis;
mod quadrature;
mod random;
pub mod rare;
mod resample;
mod risk;
mod running_mean;
mod sample;
mod scenario;
mod select;
mod shift;
mod significance;
mod special;
mod structure;
mod survival;
mod tetrachoric;
mod thresholds;
mod together;
mod trials;
mod what_if;
mod worth;

pub use analyze::{Analysis, AnalyzeOptions, ColumnSummary, DataSummary, GivenBaseline, Group, Progress, RESAMPLED_PAIRS, Section, analyze};
pub use argument::{Argument, Basis, ClaimKind, ClaimNode, ClaimStatement, Combine, Dependence, Leaf, MapEvidence, Quantity, argue};
pub use attempts::{AttemptPoint, Attempts, attempts};
pub use audit::{AuditPosterior, FalseAlarmsTogether, audit};
pub use bounds::{BoundMethod, Bounds};
pub use causes::{Causes, Explained, Place};
pub use ccf::{CommonCause, FailuresSeen, LearnedCause, LearnedFactor, ShockRate, learn_cause};
pub use check::{Check, Tail};
pub use claims::{
    Claim, ConservativeBayes, ModelSupport, Support, UnitSpread, Verdict, claims, confidence_sequence, conservative_bayes, tests_needed,
};
pub use coincide_structure::CauseModel;
pub use compare::{
    Change, ChangeTest, ChangeVerdict, CompareOptions, Comparison, Counted, LayerChange, PairChange, PairedClusters, SAME_MIX, StandardisedChange,
    compare,
};
pub use design::{Design, Gate};
pub use distribution::{BetaPart, Distribution, Elicited, Expert, FittedExpert, PointPart, Pool, beta_from_quantiles, elicit};
pub use drift::{Drift, DriftMonitor, fixed_sample_trials};
pub use error::{Error, Result};
pub use estimate::{ClusterSpread, CurvePoint, Joint, LayerRate, MissingCount};
pub use false_alarm::{FalseAlarm, FalseAlarms};
pub use figure::{Figure, Interval, IntervalMethod, Range};
pub use fit::{
    Chains, Estimate, Fit, FitOptions, FitWithDraws, FittedModel, HeldOut, Priors, Psis, Refits, Search, Source, Spread, SystemOfModel, fit,
    fit_with_draws,
};
pub use impact::{Impact, ImpactLine, ImpactPart, ImpactWeights, Problem, Score, impact};
pub use importance::{Draw, Importance, importance};
pub use interval::{clopper_pearson, jeffreys};
pub use labels::{
    CheckGroup, Checked, CheckedGroup, CheckedLayer, Corrects, JudgeErrors, Judged, QueueOptions, Queued, Verdicts, check_queue, checked,
};
pub use law::{FittedLaw, fit_law};
pub use layers::{LayerSet, MAX_LAYERS};
pub use lineage::{Lineage, LineageEffect, SharedAttribute, SharedBeside, SharedTogether, TreeMerge, TwinLayers, TwinRelation, lineage};
pub use model::{JointLaw, Mixture};
pub use modes::{
    AuditAnswer, AuditQuestion, BeliefRow, Beliefs, Candidate, CellBeliefs, DisjointSet, FailureModeMap, MOST_MODES, MapCell, MapComparison,
    MapReport, ModeAnswers, ModeEvidence, ModeLaw, ModeOptions, ModeQuestions, ModeReach, ModeReport, ModeShare, ModeUpdate, PairOverlap, Portfolio,
    PortfolioRisk, RESIDUAL, ResidualPoint, SharedMode, SharedModeRow, Tag, Technique, Uncertain, Vulnerability, ask_modes, tagged_evidence,
};
pub use outcome::{Cell, Columns, Factor, JointOutcomes, Label, Outcome, Reason, ReasonSet, TableBuilder, TrialRow};
pub use pairs::{Pair, Test};
pub use pieces::{Crew, Next, Pieces, as_member};
pub use pillars::{Pillar, Pillars, pillars};
pub use pipeline::Step;
pub use plan::{ActionKind, ClaimPlan, Plan, PlanOptions, PlannedAction, PlannedStratum, plan};
pub use random::{Purpose, Seed};
pub use risk::{
    CopulaFamily, CutSetReport, CutSetsOfOrder, ImportanceMeasures, ImportanceOf, LISTED, LawKind, ListedCutSet, MadeOf, Risk, RiskQuestion,
    StatedCopula, StatedSystem, SystemBounds, SystemUnder, fault_tree_risk, risk,
};
pub use running_mean::running_mean_sequence;
pub use sample::ExactInterval;
pub use scenario::{Attacker, Cascade, CommonFailure, Feedback, Scenario, ScenarioRisk, SystemFailure, pressure_curve, scenarios, system_failure};
pub use select::{Choice, KindLimit, LATENCY, NUMBER, OtherChoice, RateInScenario, SelectOptions, Selection, WayToChoose, best_choice, select};
pub use shift::{Pressure, PressurePoint, best_of, best_of_radius, worst_rate, worst_rate_confined};
pub use structure::{MOST_ENUMERATED, Structure};
pub use survival::{Life, Survival, SurvivalPoint, survival};
pub use thresholds::{
    Combination, CombinedLayer, LayerThreshold, LikelihoodStep, ScoredLayer, ThresholdChoice, ThresholdOptions, ThresholdWay, Thresholds, thresholds,
};
pub use together::{KnightLeveson, Together};
pub use trials::{FailsWhen, Readings, TrialIndex};
pub use what_if::{ChosenScenario, LayerColumns, MOST_DRAWS, ModelBasis, ModesBasis, OutcomesBasis, Packed, Recomputed, WhatIf, outcomes_basis};
pub use worth::Contribution;

/// Models stated in numbers instead of fitted: each gives a [`Mixture`].
pub mod stated {
    pub use crate::model::{beta_binomial, factor_common_mode, independent, latent_class, one_factor, student_factor, two_factor};
}
