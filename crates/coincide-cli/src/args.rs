//! The command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use coincide::{AnalyzeOptions, CauseModel, Claim, CommonCause, ExactInterval, FailsWhen, FitOptions, Group, Priors, Seed};
use coincide_io::{GaveUp, LayerFrom, Part, PlanAsk, Polarity, ReadOptions, Shard, Threshold, Tool};
use coincide_stress::SearchName;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  coincide analyze outcomes.csv --cluster goal
  coincide analyze outcomes.parquet --stratum language --json results.json --markdown report.md
  coincide analyze scores.csv --threshold judge=0.5 --fails-when below
  coincide fit outcomes.csv --cluster goal --claim 'beta<=1e-4@0.95'
  coincide modes
  coincide risk study.toml
  coincide init outcomes.csv -o study.toml && coincide run study.toml
  coincide check study.toml --claim release
  coincide stress campaign.toml
  coincide import inspect 'logs/*.eval' -o outcomes.parquet
  coincide count 'logs/*.parquet' -o counts.parquet && coincide analyze counts.parquet
  coincide verify results.json

Exit codes: 0 done; 1 `verify` found a difference, or `check` found a claim refuted; 2 wrong usage or input; 3 `check` found a claim
undecidable, or `stress` ended before everything was finished; 101 a defect in coincide, please report it.";

const ANALYZE_EXAMPLES: &str = "\
Examples:
  # a row a trial, a column a layer with 1 (failed), 0 (held) or empty
  coincide analyze outcomes.csv --cluster goal

  # pipelines run one at a time on the same attacks, the undefended one among them
  coincide analyze examples/agentdojo/outcomes.csv --cluster user_task --cluster injection_task \\
      --stratum suite --baseline undefended

  # scores; each run in a file of its own, joined on the trial
  coincide analyze scores.csv --threshold judge=0.5 --fails-when below
  coincide analyze runs/*.csv --layer-from file --join trial

  # a pipeline that stopped at the first layer that held
  coincide analyze pipeline.csv --order input_filter,refusal,monitor";

const MODES_EXAMPLES: &str = "\
Examples:
  # the published map of 7 techniques and 7 failure modes
  coincide modes

  # with numbers: joint failure of portfolios in scenarios, what to build next, what audits are worth
  coincide modes --prevalence examples/alignment/study.toml

  # your own map, merged with the published one and compared
  coincide modes dung-mai-2025 mine.csv";

const STRESS_EXAMPLES: &str = "\
Ctrl-C ends the run after the calls in flight; a second one drops those too. Either way, and after a crash, --resume goes on.
Exit codes: 0 everything is finished, 3 the run ended before that, 2 wrong usage or input.
The campaign's folder gets outcomes.parquet, calls.parquet, campaign.json, journal.sqlite and finds/.

Examples:
  coincide stress campaign.toml --dry-run
  coincide stress campaign.toml
  coincide stress campaign.toml --resume
  coincide analyze run/outcomes.parquet

  # on four machines, then added up
  coincide stress campaign.toml --shard 1/4
  coincide merge run-*-of-4/outcomes.parquet -o counts.parquet";

const IMPORT_EXAMPLES: &str = "\
Tools: inspect, controlarena, garak, promptfoo, pyrit, agentdojo, nemo, llm-guard, deepteam, jailbreakbench; docs/logs has a page for each.
The table says itself which columns are layers, clusters and strata. `coincide analyze` reads the logs as well.

Examples:
  coincide import inspect 'logs/*.eval' --cluster attack_id -o outcomes.parquet
  coincide import garak run.report.jsonl -o outcomes.parquet
  coincide import promptfoo out.json --fails-when below --fails-when input_regex=above

  # one run for each defence: joined on the sample
  coincide import inspect 'runs/*/*.eval' --layer-from task --join sample.id -o outcomes.parquet

  # scores of a monitor, cut where they stop the attack
  coincide import controlarena log.eval --threshold monitor=0.5 -o outcomes.parquet";

const CHECK_EXAMPLES: &str = "\
Exit codes: 0 supported, 1 refuted, 3 undecidable; with several claims refuted counts before undecidable.

Examples:
  coincide check study.toml --claim release
  coincide check study.toml --strict
  coincide check study.toml --markdown argument.md --gsn argument.svg";

const FIT_EXAMPLES: &str = "\
Models: independent, empirical, latent-class, factor, two-factor, factor+common-mode, student-factor, beta-binomial,
stratified(MODEL) for a model within each stratum, all. docs/models.md says what each assumes.

Examples:
  # every model beside the rate that no model is needed for
  coincide fit outcomes.parquet --cluster goal --json fit.json

  # is a release claim supported, by the data alone and by the models
  coincide fit outcomes.csv --cluster goal --claim 'beta<=1e-4@0.95' --confidence 'beta<=1e-5@0.9'

  # pure maximum likelihood of one model; a chance that two layers fail at once
  coincide fit outcomes.csv --models factor --no-prior
  coincide fit outcomes.csv --models factor+common-mode --common-mode provider=filter,judge";

const RISK_EXAMPLES: &str = "\
A study says under [system] when the system fails, how often layers fail and what they share; docs/risk.md explains every key.
In fault trees, what is not read of the format is refused by its name.

Examples:
  # every law beside what was counted: models that were fitted, stated common causes, copulas
  coincide risk study.toml

  # bare outcomes; the system fails when the filter fails and one of the others does
  coincide risk outcomes.csv --cluster goal --fails 'filter & (monitor | review)'

  # a fault tree in the Open-PSA Model Exchange Format
  coincide risk plant.xml --cut-sets 1000 --json risk.json";

const SELECT_EXAMPLES: &str = "\
What each layer takes stands in the study, as takes = { cost = 10 }; docs/select.md explains every limit.

Examples:
  # the two layers that fail together least often
  coincide select outcomes.csv --cluster goal --budget layers=2

  # what a study's layers cost, and one limit on the false alarms of all that are chosen
  coincide select study.toml --budget cost=100 --false-alarm 0.05 --at-most provider=2

  # judged by the worst tenth of a model's posterior draws
  coincide select outcomes.csv --models factor --worst 0.1 --budget layers=3";

const THRESHOLDS_EXAMPLES: &str = "\
Every column of numbers is a layer's score, unless --layers names them; a column `label` says which rows are benign.

Examples:
  # one budget for the false alarms of all layers together
  coincide thresholds scores.csv --false-alarm 0.05 --cluster goal

  # beside the thresholds in use; low scores of the probe mean that it held
  coincide thresholds scores.csv --false-alarm 0.01 --threshold judge=0.5 --threshold probe=-1.2 --fails-when probe=above";

const PLAN_EXAMPLES: &str = "\
Costs and shares may stand in the study, under [plan]; docs/plan.md explains them.

Examples:
  # where the next 20,000 trials narrow β most, and whether they can show a claim of the study
  coincide plan study.toml --claim release --budget 20000

  # bare outcomes; a trial of one stratum costs ten times as much, a check by hand fifty
  coincide plan outcomes.csv --stratum family --budget 5000 --cost expert=10 --check-cost 50 --claim 'beta<=0.01@0.95'";

const COMPARE_EXAMPLES: &str = "\
Both tables are read with the same options. Where they share clusters, such as goals, a change is judged goal by goal.

Examples:
  # last month against this month
  coincide compare last-month.parquet this-month.parquet --cluster goal

  # before and after a fix, with attacks told apart by their family: a changed mix is not a changed stack
  coincide compare before.csv after.csv --cluster goal --stratum family";

const LABEL_EXAMPLES: &str = "\
Joint failures are few, and grading errors gather among them: in one published study 55 of 58 were none.

Examples:
  # all joint failures, and samples of near misses and of the rest
  coincide label outcomes.csv -o queue.csv
  # fill in `verdict` with failed, held or ambiguous, then
  coincide analyze outcomes.csv --labels queue.csv";

/// Measure how AI-safety layers fail together.
///
/// Layers that share training, data and blind spots fail on the same attacks, so multiplying their failure rates
/// promises too much. Coincide takes every layer's outcome on every attack and says how often all fail together, how
/// far that is from the product, why, and what each layer adds, with honest intervals.
#[derive(Debug, Parser)]
#[command(name = "coincide", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Threads to use; all cores by default. The digits do not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Print neither progress nor the report; files are still written.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// How often all layers fail together, how far that is from independence, and why
    #[command(after_help = ANALYZE_EXAMPLES)]
    Analyze(Analyze),
    /// Fit models of joint failure, check them against what was seen, and say whose word the rate is
    #[command(after_help = FIT_EXAMPLES)]
    Fit(Fit),
    /// A whole assessment from a study file: outcomes, models, failure modes, scenarios, claims
    Run(Run),
    /// Judge a study's claims: exit code 0 supported, 1 refuted, 3 undecidable
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Which failure modes techniques share, and what that does to portfolios of them
    #[command(after_help = MODES_EXAMPLES)]
    Modes(Modes),
    /// P(system failure) of a structure of layers, or of a fault tree, under every law; cut sets, importance, bounds
    #[command(after_help = RISK_EXAMPLES)]
    Risk(Box<Risk>),
    /// Which layers to choose under budgets, with what other ways to choose would have cost
    #[command(after_help = SELECT_EXAMPLES)]
    Select(Box<Select>),
    /// Thresholds of all layers' scores, chosen together under one budget for false alarms
    #[command(after_help = THRESHOLDS_EXAMPLES)]
    Thresholds(Box<Thresholds>),
    /// Where to spend the next tests, and what they can show
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(Box<Plan>),
    /// What changed between two tables of outcomes, and whether it is noise
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Box<Compare>),
    /// Write the trials that a person should check by hand: all joint failures, and samples of the rest
    #[command(after_help = LABEL_EXAMPLES)]
    Label(Label),
    /// Score the impact of research problems in a study
    Impact(ImpactOf),
    /// Put every attack to every layer, without stopping at the first that holds, and write the joint outcome table
    #[command(after_help = STRESS_EXAMPLES)]
    Stress(Stress),
    /// Read logs of other tools into a table of outcomes, and say how they were understood
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
    /// Write a commented study file for outcomes
    Init(Init),
    /// Count outcomes into a small file that every command reads in their place
    Count(Count),
    /// Add counts files up
    Merge(Merge),
    /// Show the dashboard: the same page, live, for the outcomes and studies of a folder
    Serve(Serve),
    /// Show a results document again
    Report(Report),
    /// Compute a results document again from its inputs and say what differs
    Verify(Verify),
    /// Print the JSON Schema of a file that coincide writes
    Schema(SchemaOf),
    /// Print a completion script for a shell
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Analyze {
    #[command(flatten)]
    pub common: Common,
    /// Also say what a group of layers adds, as NAME=A,B, or split the gap by an attribute of a study's layers, as provider; may be repeated
    #[arg(long, value_name = "NAME=A,B|ATTRIBUTE", value_parser = grouping)]
    pub group: Vec<Grouping>,
    /// Also say how likely it is that some of N attempts on a goal beats everything
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: Vec<u32>,
    /// The cluster column that holds attackers' goals [default: the only one]
    #[arg(long, value_name = "COLUMN", requires = "attempts")]
    pub goal: Option<String>,
    /// Also fit models, as `coincide fit` does; any option of models asks for it too
    #[arg(long)]
    pub fit: bool,
    /// Verdicts of people on trials that `coincide label` queued: β is then given as checked; may be repeated
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<String>,
    #[command(flatten)]
    pub models: Models,
}

/// What `--group` asks for.
#[derive(Debug, Clone)]
pub enum Grouping {
    /// What these layers add together.
    Named(Group),
    /// The gap between and within values of an attribute.
    By(String),
}

/// What to write besides the report.
#[derive(Debug, Args)]
pub struct Outputs {
    /// Write the results document; - for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as Markdown; - for standard output
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write the report as one HTML file that needs no network; - for standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl Outputs {
    /// Every file that is asked for.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.json.iter().chain(&self.markdown).chain(&self.html)
    }
    /// A page computes rates again when somebody switches a layer off: the document then carries what that takes.
    pub fn ask_for_what_a_page_needs(&self, parts: &mut Vec<Part>) {
        if self.html.is_some() {
            parts.push(Part::WhatIf);
        }
    }
}

#[derive(Debug, Args)]
pub struct Run {
    /// The study
    pub study: String,
    #[command(flatten)]
    pub outputs: Outputs,
    /// Draw the claims' argument in Goal Structuring Notation, as SVG
    #[arg(long, value_name = "FILE")]
    pub gsn: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// The study
    pub study: String,
    /// Judge this claim alone; may be repeated [default: every claim that is part of no other]
    #[arg(long, value_name = "NAME")]
    pub claim: Vec<String>,
    /// Judge bounds by the limit that no further failure lowers: nothing flagged for that reason is supported
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub outputs: Outputs,
    /// Draw the argument in Goal Structuring Notation, as SVG
    #[arg(long, value_name = "FILE")]
    pub gsn: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Modes {
    /// Maps to merge and compare, as CSV, or dung-mai-2025; a study stands for its own map and numbers [default: the published map]
    #[arg(value_name = "MAP|STUDY")]
    pub maps: Vec<String>,
    /// A study with prevalences: joint failure per portfolio and scenario
    #[arg(long, value_name = "STUDY")]
    pub prevalence: Option<String>,
    #[command(flatten)]
    pub outputs: Outputs,
}

#[derive(Debug, Args)]
pub struct Select {
    #[command(flatten)]
    pub common: Common,
    /// Fit models, and judge choices by the posterior mean of the best that holds up
    #[arg(long, help_heading = "Models")]
    pub fit: bool,
    #[command(flatten)]
    pub models: Models,
    /// What a choice may take in all: `layers=3` for three of them; of anything else each layer says in the study how much it takes, as takes = { cost = 10 }; may be repeated
    #[arg(long, value_name = "NAME=MOST", value_parser = budget, help_heading = "Limits")]
    pub budget: Vec<(String, f64)>,
    /// The most of all benign trials on which some chosen layer may raise an alarm
    #[arg(long, value_name = "RATE", help_heading = "Limits")]
    pub false_alarm: Option<f64>,
    /// At most so many layers that share a value of an attribute, as provider=2; may be repeated
    #[arg(long, value_name = "ATTRIBUTE=N", value_parser = at_most, help_heading = "Limits")]
    pub at_most: Vec<(String, usize)>,
    /// Layers that are chosen whatever they bring
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Limits")]
    pub force: Vec<String>,
    /// Layers that are not to be had
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Limits")]
    pub without: Vec<String>,
    /// Judge a choice by the mean over this share of the worst posterior draws, as 0.1, instead of over all
    #[arg(long, value_name = "SHARE", help_heading = "Limits")]
    pub worst: Option<f64>,
    /// When the system fails, as 'a & (b | c)'; layers that are not chosen count as failed [default: what the study says, or when all chosen layers fail]
    #[arg(long, value_name = "EXPRESSION", help_heading = "Limits")]
    pub fails: Option<String>,
    /// Judge a choice by the worst of the world as tested and these scenarios of the study; `all` for all of them
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', help_heading = "Limits")]
    pub scenario: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Thresholds {
    #[command(flatten)]
    pub common: Common,
    /// The most of all benign trials that the whole stack may stop
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = share, help_heading = "Limits")]
    pub false_alarm: f64,
    /// Probability with which that is kept on benign trials like these
    #[arg(long, value_name = "P", default_value_t = 0.95, value_parser = share, help_heading = "Limits")]
    pub confidence: f64,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub common: Common,
    /// What the tests are to show: a claim of the study by its name, or 'beta<=1e-3@0.95'
    #[arg(long, value_name = "NAME|CLAIM", help_heading = "Plan")]
    pub claim: Option<String>,
    /// What can be spent, in the unit of the costs; a trial costs 1 unless it is said otherwise
    #[arg(long, value_name = "AMOUNT", value_parser = positive, help_heading = "Plan")]
    pub budget: Option<f64>,
    /// Cost of a trial, or of one of a stratum, as expert=10; may be repeated
    #[arg(long, value_name = "[STRATUM=]COST", value_parser = cost, help_heading = "Plan")]
    pub cost: Vec<(Option<String>, f64)>,
    /// Share of operation of a stratum, as chat=0.9; all or none are given [default: the shares in the table]
    #[arg(long, value_name = "STRATUM=SHARE", value_parser = named_cost, help_heading = "Plan")]
    pub share: Vec<(String, f64)>,
    /// Cost of running one layer on a trial that exists, as judge=0.2; may be repeated
    #[arg(long, value_name = "LAYER=COST", value_parser = named_cost, help_heading = "Plan")]
    pub layer_cost: Vec<(String, f64)>,
    /// Cost of a joint failure checked by hand; without it checks are not planned
    #[arg(long, value_name = "COST", value_parser = positive, help_heading = "Plan")]
    pub check_cost: Option<f64>,
    /// New trials that every stratum gets, at least [default: 20]
    #[arg(long, value_name = "N", help_heading = "Plan")]
    pub floor: Option<usize>,
    /// Batches that the budget is spent in [default: 4]
    #[arg(long, value_name = "N", help_heading = "Plan")]
    pub batches: Option<usize>,
}

impl Plan {
    /// What the command says, over what a study does.
    pub fn ask(&self) -> PlanAsk {
        let of_all = self.cost.iter().find(|c| c.0.is_none()).map(|c| c.1);
        PlanAsk {
            claim: self.claim.clone(),
            budget: self.budget,
            // The first is what is planned by where nothing is said.
            strata: if self.common.input.stratum.len() > 1 { self.common.input.stratum.clone() } else { Vec::new() },
            shares: self.share.iter().cloned().collect(),
            cost: of_all,
            costs: self.cost.iter().filter_map(|(s, c)| Some((s.clone()?, *c))).collect(),
            layer_costs: self.layer_cost.iter().cloned().collect(),
            check_cost: self.check_cost,
            floor: self.floor,
            batches: self.batches,
        }
    }
}

#[derive(Debug, Args)]
pub struct Compare {
    #[command(flatten)]
    pub common: Common,
    /// Clusters of one name in both tables are different things; otherwise they are the same goals tested twice, which makes changes easier to see
    #[arg(long)]
    pub unpaired: bool,
    /// The later rows are in the order in which attacks came: also watch them with a monitor that may be looked at after every one
    #[arg(long)]
    pub stream: bool,
}

#[derive(Debug, Args)]
pub struct Label {
    #[command(flatten)]
    pub input: Input,
    /// The queue to write, as .jsonl or .csv; it must not exist yet
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Trials on which all layers failed [default: all of them]
    #[arg(long, value_name = "N")]
    pub all_failed: Option<usize>,
    /// Near misses: all layers failed but one, or all that have an outcome
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub near_misses: usize,
    /// Of all other attacks
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub others: usize,
    /// Seed of the draw
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Risk {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub models: Models,
    /// When the system fails, as 'a & (b | c)' or 'at_least(2, a, b, c)' [default: what the study says, or when all layers fail]
    #[arg(long, value_name = "EXPRESSION", help_heading = "Structure")]
    pub fails: Option<String>,
    /// A common cause whose factors are learned from the outcomes: beta, mgl, alpha or alpha-staggered, and its layers; may be repeated
    #[arg(long, value_name = "MODEL=LAYER,LAYER…", value_parser = common_cause, help_heading = "Structure")]
    pub common_cause: Vec<CommonCause>,
    /// Minimal cut sets to list [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000), help_heading = "Structure")]
    pub cut_sets: Option<u32>,
    /// Hours that a fault tree's system-mission-time stands for [default: 8760]
    #[arg(long, value_name = "HOURS", help_heading = "Structure")]
    pub mission_time: Option<f64>,
    /// Shocks of a fault tree's common causes have the probability Q_k itself, as in other tools; a study says so for each of its causes
    #[arg(long, help_heading = "Structure")]
    pub rare_event_parameters: bool,
}

impl Risk {
    /// The fault tree, where one is named.
    pub fn fault_tree(&self) -> Option<&str> {
        match self.common.input.files.as_slice() {
            [one] if one.ends_with(".xml") || one.ends_with(".opsa") => Some(one),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub struct ImpactOf {
    /// The study
    pub study: String,
    #[command(flatten)]
    pub outputs: Outputs,
}

#[derive(Debug, Args)]
pub struct Stress {
    /// The campaign
    pub campaign: String,
    /// Go on with the run that the campaign's folder holds; nothing that was finished is asked again
    #[arg(long)]
    pub resume: bool,
    /// Print what would be asked and what it costs, and ask nothing
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// Run only part I of N, whole goals of it; every part writes a folder of its own
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Then attack adaptively: stack, rainbow, bandit, best_of_n, random, or importance (which estimates a rare rate); with an attacker's model in the campaign pair, tap or crescendo. Each learns from what the layers say [default: what the campaign says, or no search]
    #[arg(long, value_name = "SEARCH")]
    pub adaptive: Option<SearchName>,
    /// Queries of the adaptive search, over all goals; each is put to every layer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub queries: Option<u64>,
    /// Keep the text of all replies in the journal, not only hashes and finds
    #[arg(long)]
    pub keep_text: bool,
    /// Ask again where a call ended in an error or an unreadable reply
    #[arg(long, requires = "resume")]
    pub retry_errors: bool,
    #[command(flatten)]
    pub outputs: Outputs,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The tool that wrote the logs
    #[arg(value_name = "TOOL", value_parser = tool())]
    pub tool: Tool,
    #[command(flatten)]
    pub input: Input,
    /// The table to write (Parquet); without it, what was understood is only printed
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub input: Input,
    /// The layers in the order in which a pipeline asked them, stopping at the first that held
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub order: Vec<String>,
    /// The study to write; it must not exist yet
    #[arg(long, short, value_name = "FILE", default_value = "study.toml")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Fit {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub models: Models,
}

/// Which models, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Models")]
pub struct Models {
    /// Models to fit [default: all]
    #[arg(long, value_name = "MODEL,MODEL", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Posterior draws of each model, over four chains [default: 4000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub draws: Option<u32>,
    /// Pure maximum likelihood: no weak priors, and so no posterior
    #[arg(long)]
    pub no_prior: bool,
    /// A set of layers that may fail at once, as NAME=A,B; may be repeated [default: all layers]
    #[arg(long, value_name = "NAME=A,B", value_parser = group)]
    pub common_mode: Vec<Group>,
    /// Folds of clusters (or trials) for held-out scores [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub folds: Option<u16>,
    /// Refits to clusters drawn again [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub refits: Option<u32>,
    /// Judge a claim, as 'beta<=1e-4@0.95' or 'beta(A,B)<=1e-3@0.9'; may be repeated
    #[arg(long, value_name = "CLAIM")]
    pub claim: Vec<Claim>,
    /// What was believed before the tests, as 'beta<=1e-5@0.9': what it is worth after them; may be repeated
    #[arg(long, value_name = "CLAIM", requires = "claim")]
    pub confidence: Vec<Claim>,
}

impl Models {
    /// Whether anything is asked of models.
    pub fn says_anything(&self) -> bool {
        let numbers = self.draws.is_some() || self.folds.is_some() || self.refits.is_some();
        self.no_prior || numbers || !(self.models.is_empty() && self.common_mode.is_empty() && self.claim.is_empty())
    }

    /// What was asked, over `usual`, with the seed and level of the analysis.
    pub fn options(&self, usual: FitOptions, a: &AnalyzeOptions) -> FitOptions {
        FitOptions {
            seed: a.seed,
            level: a.level,
            models: if self.models.is_empty() { usual.models } else { self.models.clone() },
            draws: self.draws.map_or(usual.draws, |d| d as usize),
            priors: if self.no_prior { Priors::None } else { usual.priors },
            common_modes: if self.common_mode.is_empty() { usual.common_modes } else { self.common_mode.clone() },
            folds: self.folds.map_or(usual.folds, usize::from),
            refits: self.refits.map_or(usual.refits, |r| r as usize),
            claims: self.claim.clone(),
            confidences: self.confidence.clone(),
        }
    }
}

impl Analyze {
    /// Whether models are asked for.
    pub fn fits(&self) -> bool {
        self.fit || self.models.says_anything()
    }
}

/// What every analysis needs.
#[derive(Debug, Args)]
pub struct Common {
    #[command(flatten)]
    pub input: Input,
    /// Seed of every random number [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Bootstrap replicates [default: 2000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub replicates: Option<u32>,
    /// Confidence level of the intervals [default: 0.95]
    #[arg(long, value_parser = level)]
    pub level: Option<f64>,
    /// Interval of a rate when trials are independent and unweighted [default: clopper-pearson]
    #[arg(long, value_enum)]
    pub interval: Option<Exact>,
    /// The layers in the order in which a pipeline asked them, stopping at the first that held
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub order: Vec<String>,
    #[command(flatten)]
    pub outputs: Outputs,
}

#[derive(Debug, Args)]
pub struct Count {
    #[command(flatten)]
    pub input: Input,
    /// The counts file to write (Parquet)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Count only part I of N: row groups of Parquet, batches of rows of text
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

#[derive(Debug, Args)]
pub struct Merge {
    /// Counts files, or the tables of outcomes of a campaign's parts
    #[arg(required = true)]
    pub files: Vec<String>,
    /// The counts file to write (Parquet)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Report {
    /// A results document; - for standard input
    pub file: String,
    /// As Markdown
    #[arg(long, conflicts_with_all = ["terminal", "html"])]
    pub markdown: bool,
    /// Write it as one HTML file that needs no network; - for standard output
    #[arg(long, value_name = "FILE", conflicts_with = "terminal")]
    pub html: Option<PathBuf>,
    /// For the terminal (the default)
    #[arg(long)]
    pub terminal: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The folder with outcomes, studies and campaigns; uploads and the store of results go there too
    #[arg(default_value = ".")]
    pub data: PathBuf,
    /// Where to listen; an address that others can reach needs COINCIDE_TOKEN, a word of 16 characters or more that whoever comes must know
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8642")]
    pub address: std::net::SocketAddr,
    /// Megabytes that an upload may have
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub upload_limit: u32,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// A results document
    pub file: String,
    /// Where the inputs lie now, in the document's order; their content must be the same
    #[arg(long, value_name = "FILE")]
    pub input: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SchemaOf {
    #[arg(value_enum)]
    pub of: SchemaName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaName {
    /// The results document of `--json`
    Results,
    /// The study file
    Study,
    /// The campaign file
    Campaign,
}

#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// What to read, and what its columns are.
#[derive(Debug, Args)]
pub struct Input {
    /// Files, patterns, or - for standard input: CSV, TSV, JSON lines, Parquet or Arrow IPC, plain, gzip or zstd; logs of other tools; or a study (.toml)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// The layers' columns; inferred as every column with only outcomes in it
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub layers: Vec<String>,
    /// A score at which a layer changes its mind; may be repeated
    #[arg(long, value_name = "LAYER=SCORE", value_parser = threshold)]
    pub threshold: Vec<(String, f64)>,
    /// Which scores mean that the layer failed: below or above, for all layers, or LAYER=below for one; in logs of other tools, also which verdicts
    #[arg(long, value_name = "[LAYER=]below|above", value_parser = fails_when)]
    pub fails_when: Vec<(Option<String>, FailsWhen)>,
    /// Trials in one cluster are not independent; several columns are crossed
    #[arg(long, value_name = "COLUMN")]
    pub cluster: Vec<String>,
    /// A known condition to compare within; may be repeated
    #[arg(long, value_name = "COLUMN")]
    pub stratum: Vec<String>,
    /// The undefended pipeline on the same attacks; it is not a layer
    #[arg(long, value_name = "COLUMN")]
    pub baseline: Option<String>,
    /// The column that names trials [default: trial, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub trial: Option<String>,
    /// The column of weights [default: weight, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub weight: Option<String>,
    /// The column that says attack, benign or adaptive [default: label, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// The column that records in which order layers were asked, as a>b>c
    #[arg(long, value_name = "COLUMN")]
    pub order_from: Option<String>,
    /// Runs of one layer each: the layer's name is the file's, or stands in a column; in logs model, task, solver or scorer
    #[arg(long, value_name = "file|COLUMN", value_parser = layer_from)]
    pub layer_from: Option<LayerFrom>,
    /// Columns that identify a trial across runs [default: trial; in logs what their tool calls it]
    #[arg(long, value_name = "COLUMN[,COLUMN]", value_delimiter = ',', requires = "layer_from")]
    pub join: Vec<String>,
    /// What an attack that gave up before it asked counts as, in JailbreakBench artifacts [default: missing]
    #[arg(long, value_name = "missing|held", value_parser = gave_up)]
    pub gave_up: Option<GaveUp>,
}

impl Input {
    /// The study, where one is named in the place of outcomes.
    pub fn study(&self) -> Option<&str> {
        match self.files.as_slice() {
            [one] if one.ends_with(".toml") => Some(one),
            _ => None,
        }
    }
    /// Whether anything is said about columns.
    pub fn says_anything(&self) -> bool {
        let lists = [&self.layers, &self.cluster, &self.stratum, &self.join];
        let names = [&self.baseline, &self.trial, &self.weight, &self.label, &self.order_from];
        lists.iter().any(|l| !l.is_empty())
            || names.iter().any(|n| n.is_some())
            || !self.threshold.is_empty()
            || !self.fails_when.is_empty()
            || self.layer_from.is_some()
            || self.gave_up.is_some()
    }
    pub fn options(&self) -> ReadOptions {
        let own = |layer: &str| self.fails_when.iter().find(|(l, _)| l.as_deref() == Some(layer)).map(|f| f.1);
        let cut = |layer: &str| self.threshold.iter().any(|(l, _)| l == layer);
        ReadOptions {
            layers: (!self.layers.is_empty()).then(|| self.layers.clone()),
            thresholds: self
                .threshold
                .iter()
                .map(|(layer, value)| Threshold { layer: layer.clone(), value: *value, fails_when: own(layer) })
                .collect(),
            fails_when: self.fails_when.iter().find(|(l, _)| l.is_none()).map(|f| f.1),
            polarities: self
                .fails_when
                .iter()
                .filter_map(|(layer, side)| Some(Polarity { layer: layer.clone().filter(|l| !cut(l))?, fails_when: *side }))
                .collect(),
            gave_up: self.gave_up,
            strata: self.stratum.clone(),
            clusters: self.cluster.clone(),
            baseline: self.baseline.clone(),
            trial: self.trial.clone(),
            weight: self.weight.clone(),
            label: self.label.clone(),
            order_from: self.order_from.clone(),
            layer_from: self.layer_from.clone(),
            join: self.join.clone(),
            shard: None,
        }
    }
}

impl Common {
    /// What was asked, over `usual`.
    pub fn options(&self, usual: &AnalyzeOptions) -> AnalyzeOptions {
        let exact = self.interval.map(|i| match i {
            Exact::ClopperPearson => ExactInterval::ClopperPearson,
            Exact::Jeffreys => ExactInterval::Jeffreys,
        });
        AnalyzeOptions {
            seed: self.seed.map_or(usual.seed, Seed),
            replicates: self.replicates.map_or(usual.replicates, |r| r as usize),
            level: self.level.unwrap_or(usual.level),
            exact: exact.unwrap_or(usual.exact),
            order: if self.order.is_empty() { usual.order.clone() } else { Some(self.order.clone()) },
            groups: usual.groups.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Exact {
    /// Covers at least as often as it says
    ClopperPearson,
    /// Covers as often as it says on average
    Jeffreys,
}

fn level(text: &str) -> Result<f64, String> {
    let x: f64 = text.parse().map_err(|_| "expected a number between 0 and 1, for example 0.95".to_owned())?;
    if x > 0.0 && x < 1.0 { Ok(x) } else { Err("expected a number between 0 and 1, for example 0.95".into()) }
}

fn threshold(text: &str) -> Result<(String, f64), String> {
    let (layer, value) = text.rsplit_once('=').ok_or("expected LAYER=SCORE, for example judge=0.5")?;
    let value: f64 = value.trim().parse().map_err(|_| format!("`{value}` is not a number; expected LAYER=SCORE, for example judge=0.5"))?;
    if value.is_finite() { Ok((layer.trim().to_owned(), value)) } else { Err("a threshold must be finite".into()) }
}

fn fails_when(text: &str) -> Result<(Option<String>, FailsWhen), String> {
    let (layer, side) = text.rsplit_once('=').map_or((None, text), |(l, s)| (Some(l.trim().to_owned()), s));
    let side = match side.trim() {
        "below" => FailsWhen::Below,
        "above" => FailsWhen::Above,
        _ => return Err("expected below or above, or LAYER=below".into()),
    };
    Ok((layer, side))
}

fn gave_up(text: &str) -> Result<GaveUp, String> {
    match text {
        "missing" => Ok(GaveUp::Missing),
        "held" => Ok(GaveUp::Held),
        _ => Err("expected missing or held".into()),
    }
}

fn tool() -> impl TypedValueParser<Value = Tool> {
    let names = Tool::ALL.map(|t| PossibleValue::new(t.name()).help(t.log()));
    PossibleValuesParser::new(names).try_map(|name| Tool::ALL.into_iter().find(|t| t.name() == name).ok_or("no such tool"))
}

fn layer_from(text: &str) -> Result<LayerFrom, String> {
    Ok(if text == "file" { LayerFrom::File } else { LayerFrom::Column(text.to_owned()) })
}

fn grouping(text: &str) -> Result<Grouping, String> {
    if text.contains('=') { group(text).map(Grouping::Named) } else { Ok(Grouping::By(text.trim().to_owned())) }
}

fn budget(text: &str) -> Result<(String, f64), String> {
    let expected = "expected NAME=MOST, for example cost=100 or layers=3";
    let (name, most) = text.split_once('=').ok_or(expected)?;
    let most: f64 = most.trim().parse().map_err(|_| expected)?;
    if most >= 0.0 && most.is_finite() && !name.trim().is_empty() { Ok((name.trim().to_owned(), most)) } else { Err(expected.to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let expected = "expected a number between 0 and 1, for example 0.05";
    text.parse().ok().filter(|x: &f64| *x > 0.0 && *x < 1.0).ok_or_else(|| expected.to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| *x > 0.0 && x.is_finite()).ok_or_else(|| "expected a number above 0".to_owned())
}

fn named_cost(text: &str) -> Result<(String, f64), String> {
    let expected = "expected NAME=NUMBER, for example expert=10";
    let (name, value) = text.rsplit_once('=').ok_or(expected)?;
    Ok((name.trim().to_owned(), positive(value.trim()).map_err(|e| format!("{e}; {expected}"))?))
}

fn cost(text: &str) -> Result<(Option<String>, f64), String> {
    if text.contains('=') { named_cost(text).map(|(n, c)| (Some(n), c)) } else { Ok((None, positive(text)?)) }
}

fn at_most(text: &str) -> Result<(String, usize), String> {
    let expected = "expected ATTRIBUTE=N, for example provider=2";
    let (name, many) = text.split_once('=').ok_or(expected)?;
    Ok((name.trim().to_owned(), many.trim().parse().map_err(|_| expected)?))
}

fn common_cause(text: &str) -> Result<CommonCause, String> {
    let expected = "expected MODEL=LAYER,LAYER…, for example alpha=filter,monitor,review";
    let (model, layers) = text.split_once('=').ok_or(expected)?;
    let model = match model.trim() {
        "beta" => CauseModel::Beta,
        "mgl" => CauseModel::Mgl,
        "alpha" => CauseModel::Alpha,
        "alpha-staggered" => CauseModel::AlphaStaggered,
        other => return Err(format!("`{other}` is no model whose factors can be learned: those are beta, mgl, alpha and alpha-staggered")),
    };
    let layers: Vec<&str> = layers.split(',').map(str::trim).filter(|l| !l.is_empty()).collect();
    let cause = CommonCause { model, ..CommonCause::of(&layers.join(" + "), &layers) };
    cause.check().map_err(|e| format!("{e}; {expected}"))?;
    Ok(cause)
}

fn group(text: &str) -> Result<Group, String> {
    let (name, layers) = text.split_once('=').ok_or("expected NAME=A,B, for example input=filter,classifier")?;
    let layers: Vec<String> = layers.split(',').map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    if layers.is_empty() { Err("the group has no layers".into()) } else { Ok(Group { name: name.trim().to_owned(), layers }) }
}
