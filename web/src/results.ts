/* Made from schema/results.schema.json by `npm run types`. */

/**
 * How trials were run.
 */
export type Design =
  | {
      kind: "complete";
    }
  | {
      kind: "ragged";
    }
  | {
      kind: "fixed-order";
      /**
       * Layers in the order in which they were asked.
       */
      order: string[];
      /**
       * Whether the order was read off the table instead of given.
       */
      inferred: boolean;
    }
  | {
      kind: "gated";
      /**
       * Each such layer and its gate.
       */
      gates: Gate[];
    }
  | {
      kind: "random-order";
      /**
       * Distinct orders seen.
       */
      orders: number;
    };
/**
 * How an interval was computed.
 */
export type IntervalMethod =
  | "clopper-pearson"
  | "jeffreys"
  | "korn-graubard"
  | "bootstrap-percentile"
  | "bca"
  | "linearised"
  | "posterior"
  | "refits"
  | "anytime-valid"
  | "importance-sampling"
  | "lattice"
  | "one-sided"
  | "recovered-limits"
  | "profile-likelihood";
/**
 * Which test of independence.
 */
export type Test = "fisher" | "cluster-robust-score";
/**
 * How the bound from pairs was computed.
 */
export type BoundMethod = "linear-programme" | "binomial-moments";
/**
 * Whose word the rate of failing together is.
 */
export type Source = "data" | "few-failures" | "model";
/**
 * What data alone say about a claim.
 */
export type Verdict = "supported" | "refuted" | "undecidable";
/**
 * Whether a failure mode defeats a technique.
 */
export type Vulnerability = "vulnerable" | "not_vulnerable" | "uncertain";
/**
 * A belief about a probability.
 */
export type Distribution =
  | {
      point: number;
    }
  | {
      betas: BetaPart[];
    }
  | {
      mixed: {
        /**
         * The distributions.
         */
        betas: BetaPart[];
        /**
         * The values.
         */
        points: PointPart[];
      };
    };
/**
 * How experts' beliefs become one.
 */
export type Pool = "linear" | "log";
/**
 * Where the evidence for a bound comes from.
 */
export type ClaimKind = "outcomes" | "map";
/**
 * How parts make a whole.
 */
export type Combine = "all" | "any" | "converging";
/**
 * What is known about the parts' errors.
 */
export type Dependence = "unknown" | "independent" | "same-evidence";
/**
 * What is bounded.
 */
export type Quantity =
  | {
      beta: string[];
    }
  | "system";
/**
 * What a structure is made of.
 */
export type MadeOf = "layers" | "basic-events";
/**
 * Where a law comes from.
 */
export type LawKind = "observed" | "fitted" | "stated" | "learned" | "copula";
/**
 * What an importance is of.
 */
export type ImportanceOf = "layer" | "basic-event" | "group" | "cause";
/**
 * How the rates of shocks follow from a few numbers.
 */
export type CauseModel = "beta" | "mgl" | "alpha" | "alpha-staggered" | "phi" | "binomial-failure-rate";
/**
 * Ways to choose layers.
 */
export type WayToChoose = "independence" | "low-correlation";
/**
 * Which scores mean that the layer failed.
 */
export type FailsWhen = "below" | "above";
/**
 * How thresholds are chosen.
 */
export type ThresholdWay = "together" | "in-use" | "equal" | "separate" | "combined" | "with-combined";
/**
 * What can be done.
 */
export type ActionKind = "new-trials" | "run-layers" | "check-verdicts";
/**
 * Which test of "no change".
 */
export type ChangeTest = "fisher-exact" | "rao-scott" | "linearised";
/**
 * What can be said about one change.
 */
export type ChangeVerdict = "rose" | "fell" | "within-noise" | "undetermined";
/**
 * What is corrected.
 */
export type Corrects = "both" | "partly" | "false-positives-only";
/**
 * What was recorded of a trial, as far as checks go by it.
 */
export type CheckGroup = "all-failed" | "near-miss" | "other";
/**
 * What two layers are to each other.
 */
export type TwinRelation = "same" | "contained";
/**
 * Numbers as text: u8, u16, u32, f32 or f64, a colon, and base64 of their little-endian bytes.
 */
export type Packed = string;
/**
 * What an attacker learns from each try.
 */
export type Feedback2 = "joint" | "per-layer";
/**
 * A part of an assessment.
 */
export type Part =
  | "analysis"
  | "fit"
  | "modes"
  | "scenarios"
  | "claims"
  | "impact"
  | "risk"
  | "select"
  | "thresholds"
  | "plan"
  | "compare"
  | "what-if";
/**
 * What an attack that gave up before it asked counts as.
 */
export type GaveUp = "missing" | "held";
/**
 * Where the name of a row's layer comes from.
 */
export type LayerFrom =
  | "file"
  | {
      column: string;
    };
/**
 * The seed of an analysis. The same seed gives the same digits on any number of threads.
 */
export type Seed = number;
/**
 * Interval for a proportion of independent, unweighted trials.
 */
export type ExactInterval = "clopper-pearson" | "jeffreys";
/**
 * Whether parameters have the weak priors of `docs/models.md`.
 */
export type Priors = "weak" | "none";

/**
 * Everything one analysis gave.
 */
export interface CoincideResults {
  /**
   * Version of this layout, [`DOCUMENT_VERSION`].
   */
  document: number;
  /**
   * Version of the program that wrote it.
   */
  coincide: string;
  /**
   * The study's name.
   */
  study_name?: string | null;
  /**
   * The answer in a few sentences without jargon.
   */
  answer: string[];
  /**
   * What recorded outcomes say, section by section.
   */
  analysis?: Analysis | null;
  /**
   * What models say, in a few sentences.
   */
  fit_answer?: string[];
  /**
   * Models of joint failure.
   */
  fit?: Section13 | null;
  /**
   * What claims, scenarios, failure modes and scores say, in a few sentences.
   */
  assessment_answer?: string[];
  assessment?: Assessment;
  /**
   * What a campaign found while it ran, in a few sentences.
   */
  campaign_answer?: string[];
  /**
   * A stress campaign.
   */
  campaign?: Section33 | null;
  /**
   * What each section says, in a sentence, by the section's name.
   */
  conclusions?: {
    [k: string]: string;
  };
  /**
   * What a page needs to compute rates again.
   */
  what_if?: Section34 | null;
  /**
   * Attributes of layers, such as their provider or training data, where any are known.
   */
  lineage?: {
    [k: string]: {
      [k: string]: string;
    };
  };
  /**
   * What the reader inferred or counted, in sentences.
   */
  notes: string[];
  /**
   * Whether the layers came from runs of their own, joined on the trial.
   */
  separate_runs?: boolean;
  provenance: Provenance;
}
/**
 * Everything the analysis of one table gives. A section is absent when the table has nothing for it.
 */
export interface Analysis {
  data: Section;
  layers: Section2;
  joint: Section3;
  curve: Section4;
  contributions: Section5;
  /**
   * What each named group adds to the others.
   */
  groups?: Section5 | null;
  /**
   * Every two layers.
   */
  pairs?: Section6 | null;
  /**
   * Dependence of the whole set in one number each.
   */
  together?: Section7 | null;
  /**
   * How much of the gap the strata explain, and where joint failures sit.
   */
  causes?: Section8 | null;
  /**
   * What pairs leave open.
   */
  bounds?: Section9 | null;
  /**
   * The steps of a pipeline that stopped early.
   */
  pipeline?: Section10 | null;
  /**
   * Everything again, among attacks that beat the baseline.
   */
  given_baseline?: Section11 | null;
  /**
   * Benign trials that were stopped.
   */
  false_alarms?: Section12 | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: DataSummary;
}
/**
 * What the table holds.
 */
export interface DataSummary {
  /**
   * Names of the layers.
   */
  layers: string[];
  /**
   * Attack trials.
   */
  attack_trials: number;
  /**
   * Benign trials.
   */
  benign_trials: number;
  /**
   * Number of trials that an adaptive search chose; no rate counts them.
   */
  adaptive_trials?: number;
  /**
   * Attack trials on which every layer has an outcome.
   */
  complete_trials: number;
  /**
   * Whether trials carry weights other than 1.
   */
  weighted: boolean;
  /**
   * Whether repeats of separate runs were averaged over their combinations.
   */
  averaged: boolean;
  design: Design;
  /**
   * Stratum columns and their number of levels.
   */
  strata: ColumnSummary[];
  /**
   * Cluster columns and their number of clusters.
   */
  clusters: ColumnSummary[];
  /**
   * The baseline column. With one, the columns are alternative pipelines run on the same attacks.
   */
  baseline?: string | null;
  /**
   * Distinct rows of the table.
   */
  cells: number;
}
/**
 * A layer that was asked only where another had failed.
 */
export interface Gate {
  /**
   * The layer.
   */
  layer: string;
  /**
   * The layer that had to fail first.
   */
  gate: string;
}
/**
 * A column and how many levels it has.
 */
export interface ColumnSummary {
  /**
   * Name.
   */
  column: string;
  /**
   * Distinct values.
   */
  levels: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section2 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: LayerRate[];
}
/**
 * One layer by itself.
 */
export interface LayerRate {
  /**
   * Name.
   */
  layer: string;
  /**
   * Attack trials on which it has an outcome.
   */
  trials: number;
  /**
   * Of those, the trials on which it failed.
   */
  failed: number;
  rate: Figure;
  /**
   * Trials without an outcome, by reason.
   */
  missing?: MissingCount[];
}
/**
 * A reported number: its value, its interval, what missing cells leave open, and why something is absent.
 */
export interface Figure {
  /**
   * The estimate. Absent when it is undefined or only known to lie in `identified`.
   */
  value?: number | null;
  /**
   * The confidence interval.
   */
  interval?: Interval | null;
  /**
   * The bias-corrected and accelerated bootstrap interval, where there are enough clusters for it.
   */
  bca?: Interval | null;
  /**
   * The values that fit what was seen, whatever the missing cells hold.
   */
  identified?: Range | null;
  /**
   * Why there is no value, in words.
   */
  undefined?: string | null;
}
/**
 * A confidence interval. An end that the data leave open is `None` (`null` in JSON).
 */
export interface Interval {
  /**
   * Lower end, or `None` where nothing bounds it from below.
   */
  low?: number | null;
  /**
   * Upper end, or `None` where nothing bounds it from above.
   */
  high?: number | null;
  /**
   * Confidence level, 0.95 unless asked otherwise.
   */
  level: number;
  method: IntervalMethod;
}
/**
 * What the data alone allow, without sampling error: every value between the ends fits what was seen.
 */
export interface Range {
  /**
   * Smallest value that fits, or `None` where nothing bounds it.
   */
  low?: number | null;
  /**
   * Largest value that fits, or `None` where nothing bounds it.
   */
  high?: number | null;
}
/**
 * How many trials lack an outcome for one reason.
 */
export interface MissingCount {
  /**
   * `not_run`, `censored_by:<layer>`, `error`, `abstain` or `unparsed`.
   */
  reason: string;
  /**
   * Trials.
   */
  trials: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section3 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Joint;
}
/**
 * All layers failing together, against independence.
 */
export interface Joint {
  /**
   * Attack trials.
   */
  trials: number;
  /**
   * Trials on which every layer failed.
   */
  all_failed: number;
  beta: Figure;
  /**
   * Clopper–Pearson interval of β as if trials were independent; only beside clusters, for comparison.
   */
  beta_if_independent_trials?: Interval | null;
  product: Figure;
  log10_product: Figure;
  gap: Figure;
  log10_gap: Figure;
  efficiency: Figure;
  effective_layers: Figure;
  /**
   * For each cluster column: how many clusters there are and how many hold a joint failure.
   */
  clusters?: ClusterSpread[];
  /**
   * Why the intervals should be read with care: what was seen, in words. Empty when there is nothing to say.
   */
  cautions?: string[];
}
/**
 * How joint failures spread over the clusters of one column.
 */
export interface ClusterSpread {
  /**
   * The cluster column.
   */
  column: string;
  /**
   * Clusters.
   */
  clusters: number;
  /**
   * Clusters with a joint failure.
   */
  with_joint_failure: number;
  beta_by_cluster: Figure;
  /**
   * Whether larger clusters fail at a different rate (a difference of over two standard errors).
   */
  informative_size: boolean;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section4 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: CurvePoint[];
}
/**
 * One point of the co-failure curve.
 */
export interface CurvePoint {
  /**
   * Number of layers.
   */
  layers: number;
  rate: Figure;
  /**
   * The same if layers were independent. For a pipeline that stopped early: at most this.
   */
  independent: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section5 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Contribution[];
}
/**
 * What one layer, or one named group, adds to all the others.
 */
export interface Contribution {
  /**
   * The layer's or group's name.
   */
  name: string;
  /**
   * Members, for a group.
   */
  members?: string[];
  beta_without: Figure;
  conditional: Figure;
  worth: Figure;
  /**
   * Shapley share of −ln β, in nats; layers only.
   */
  shapley?: Figure | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section6 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Pair[];
}
/**
 * Two layers together.
 */
export interface Pair {
  /**
   * First layer.
   */
  a: string;
  /**
   * Second layer.
   */
  b: string;
  /**
   * Σw of trials on which both were observed and both failed.
   */
  both_failed: number;
  /**
   * Σw where only `a` failed.
   */
  only_a_failed: number;
  /**
   * Σw where only `b` failed.
   */
  only_b_failed: number;
  /**
   * Σw where neither failed.
   */
  neither_failed: number;
  p_both: Figure;
  lift: Figure;
  phi: Figure;
  /**
   * The largest |φ| that these two rates allow in φ's direction.
   */
  phi_bound?: number | null;
  phi_relative: Figure;
  odds_ratio: Figure;
  /**
   * Whether ½ was added to every cell for the odds ratio, Q and the tetrachoric r, because one was empty.
   */
  half_added: boolean;
  /**
   * Cochran–Mantel–Haenszel odds ratio within strata; absent without strata.
   */
  stratified_odds_ratio?: Figure | null;
  yules_q: Figure;
  tetrachoric: Figure;
  kappa: Figure;
  a_given_b: Figure;
  b_given_a: Figure;
  /**
   * Two-sided p-value for independence.
   */
  p_value?: number | null;
  /**
   * The same after Benjamini–Hochberg over all tests of the analysis.
   */
  p_adjusted?: number | null;
  /**
   * Which test.
   */
  test?: Test | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section7 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Together;
}
/**
 * Dependence of the whole set in one number each.
 */
export interface Together {
  variance_ratio: Figure;
  total_correlation: Figure;
  /**
   * Mean total correlation of permuted columns, the bias to subtract.
   */
  permutation_baseline?: number | null;
  total_correlation_corrected: Figure;
  knight_leveson: KnightLeveson;
}
/**
 * Trials with at least two failures against what independence expects.
 */
export interface KnightLeveson {
  /**
   * Trials (Σw) on which at least two layers failed.
   */
  at_least_two: number;
  /**
   * Expected if independent.
   */
  expected: number;
  /**
   * z, for independent trials only.
   */
  z?: number | null;
  excess: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section8 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Causes;
}
/**
 * How much of the gap the strata explain, and where joint failures sit.
 */
export interface Causes {
  together: Explained;
  /**
   * Each column by itself; present when there are several.
   */
  alone?: Explained[];
  /**
   * The columns added one after the other, in the order they were given; present when there are several.
   */
  in_order?: Explained[];
  /**
   * Every level of every column, most over-represented among joint failures first.
   */
  places: Place[];
}
/**
 * Part of ln π that one set of columns explains.
 */
export interface Explained {
  /**
   * The columns.
   */
  columns: string[];
  /**
   * Number of strata.
   */
  strata: number;
  beta_conditional: Figure;
  plug_in: Figure;
  unbiased: Figure;
  /**
   * Strata with fewer trials than layers, which the U-statistic pools.
   */
  strata_pooled: number;
  /**
   * What strata of these sizes explain when they are assigned at random: the bias of the plug-in.
   */
  permutation_baseline?: number | null;
  corrected: Figure;
  residual: Figure;
}
/**
 * One level of one stratum column.
 */
export interface Place {
  /**
   * The column.
   */
  column: string;
  /**
   * The level.
   */
  level: string;
  /**
   * Attack trials.
   */
  trials: number;
  /**
   * Their share of all trials' weight.
   */
  share_of_trials: number;
  /**
   * Trials on which every layer failed.
   */
  all_failed: number;
  share_of_joint_failures: Figure;
  beta: Figure;
  product: Figure;
  gap: Figure;
  /**
   * Two-sided p-value that β differs here from elsewhere.
   */
  p_value?: number | null;
  /**
   * The same after Benjamini–Hochberg over all tests of the analysis.
   */
  p_adjusted?: number | null;
  /**
   * Which test.
   */
  test?: Test | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section9 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Bounds;
}
/**
 * What single rates and pairs of them say about β.
 */
export interface Bounds {
  marginals: Range;
  /**
   * β given every layer's and every pair's rate. Absent when the programme could not be solved.
   */
  pairs?: Range | null;
  /**
   * The same when each of those rates may lie anywhere in its simultaneous confidence interval.
   */
  pairs_with_sampling_error?: Range | null;
  method: BoundMethod;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section10 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Step[];
}
/**
 * One step of a pipeline in fixed order.
 */
export interface Step {
  /**
   * The layer asked at this step.
   */
  layer: string;
  /**
   * Trials that reached it.
   */
  reached: number;
  rate: Figure;
  prefix: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section11 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: GivenBaseline;
}
/**
 * The stack among the attacks that beat the undefended baseline, and the baseline's share of the gap.
 */
export interface GivenBaseline {
  /**
   * The baseline column.
   */
  baseline: string;
  rate: Figure;
  gap_nats: Figure;
  explained_nats: Figure;
  /**
   * Each layer among attacks that beat the baseline.
   */
  layers: LayerRate[];
  joint: Joint;
  /**
   * The co-failure curve among them.
   */
  curve: CurvePoint[];
  /**
   * What each layer adds among them.
   */
  contributions: Contribution[];
}
/**
 * A section of the results: its version and its content.
 */
export interface Section12 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: FalseAlarms;
}
/**
 * False alarms of each layer and of the stack.
 */
export interface FalseAlarms {
  /**
   * Benign trials.
   */
  trials: number;
  /**
   * Each layer's rate of stopping a benign trial.
   */
  layers: FalseAlarm[];
  any: Figure;
  independent: Figure;
}
/**
 * One layer's false alarms.
 */
export interface FalseAlarm {
  /**
   * Name.
   */
  layer: string;
  /**
   * Benign trials on which it has an outcome.
   */
  trials: number;
  rate: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section13 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Fit;
}
/**
 * Everything that models say about one table.
 */
export interface Fit {
  assumption_free: Figure;
  /**
   * Trials, or their effective number where they are weighted.
   */
  trials: number;
  /**
   * What is left out whole: trials, or the clusters of this column.
   */
  unit: string;
  /**
   * Number of such units.
   */
  units: number;
  /**
   * Units with a joint failure.
   */
  units_with_joint_failure: number;
  /**
   * Folds of the held-out score.
   */
  folds: number;
  /**
   * Why values that the data cannot test are marked as assumptions; absent where there are none.
   */
  not_identified?: string | null;
  /**
   * Models in the order asked for.
   */
  models: FittedModel[];
  /**
   * The model that predicts unseen units best among those that reproduce the tail and have mixed.
   */
  best?: string | null;
  /**
   * β averaged over models by stacking weights.
   */
  stacked?: Figure | null;
  /**
   * How far admissible models disagree.
   */
  spread?: Spread | null;
  source: Source;
  /**
   * Verdicts on claims.
   */
  claims?: Support[];
}
/**
 * One model.
 */
export interface FittedModel {
  /**
   * Name.
   */
  model: string;
  /**
   * What it assumes.
   */
  assumes: string;
  /**
   * Why it could not be fitted; then everything else is empty.
   */
  failed?: string | null;
  /**
   * Whether it reproduces the observed tail. The first thing to read about a model.
   */
  tail?: Tail | null;
  /**
   * Tail reproduced, search converged and chains mixed.
   */
  admissible: boolean;
  beta: Figure;
  /**
   * Gap, effective layers, failure rates, co-failure curve.
   */
  estimates: Estimate[];
  /**
   * The search for the best parameters.
   */
  search?: Search | null;
  /**
   * Parameters: best value, posterior interval.
   */
  parameters?: Estimate[];
  /**
   * The chains.
   */
  chains?: Chains | null;
  /**
   * β from fits to clusters drawn again.
   */
  refits?: Refits | null;
  /**
   * Predictive checks.
   */
  checks?: Check[];
  /**
   * Score on units left out.
   */
  held_out?: HeldOut | null;
  /**
   * Why there is no held-out score.
   */
  no_score?: string | null;
  /**
   * Leave-one-unit-out score from the posterior draws.
   */
  psis?: Psis | null;
  /**
   * Weight in the stacked average.
   */
  weight?: number | null;
}
/**
 * Whether a model reproduces the count of trials on which all layers failed.
 */
export interface Tail {
  /**
   * Trials on which all layers failed.
   */
  observed: number;
  /**
   * How many the model predicts on average.
   */
  predicted: number;
  /**
   * Predictive probability of at least as many.
   */
  at_least: number;
  /**
   * Predictive probability of at most as many.
   */
  at_most: number;
  /**
   * Both are at least 0.025.
   */
  reproduced: boolean;
}
/**
 * A number of a model.
 */
export interface Estimate {
  /**
   * What it is.
   */
  what: string;
  figure: Figure;
  /**
   * The data cannot test this value: it is the model's assumption.
   */
  assumption?: boolean;
}
/**
 * How the best parameters were found.
 */
export interface Search {
  /**
   * Free parameters.
   */
  parameters: number;
  /**
   * ln likelihood at the best parameters.
   */
  ln_likelihood: number;
  /**
   * β there.
   */
  beta: number;
  /**
   * Whether no direction promised more.
   */
  converged: boolean;
  /**
   * Largest derivative per trial.
   */
  slope: number;
  /**
   * Starts, of each part.
   */
  starts: number;
  /**
   * Starts that ended within 0.01 of the best; the fewest over parts.
   */
  agreeing: number;
  /**
   * Boundary solutions: what runs away, in words.
   */
  edges?: string[];
  /**
   * Nodes of the sum, and with half the spacing.
   */
  nodes: number;
  /**
   * As above with half the spacing; the same as above where that would not fit into memory.
   */
  nodes_doubled: number;
  /**
   * Change of ln likelihood when the spacing is halved.
   */
  change_when_doubled: number;
  /**
   * Numbers of latent classes tried with their held-out scores.
   */
  classes_tried?: [unknown, unknown][];
}
/**
 * Whether the chains can be trusted.
 */
export interface Chains {
  /**
   * Chains.
   */
  chains: number;
  /**
   * Draws kept of each.
   */
  draws: number;
  /**
   * Largest R-hat over ln β, failure rates and pairs.
   */
  r_hat: number;
  /**
   * Smallest bulk effective size over the same.
   */
  ess_bulk: number;
  /**
   * Smallest tail effective size over the same.
   */
  ess_tail: number;
  /**
   * Largest R-hat over parameters; may be large where the data do not tell parameters apart.
   */
  r_hat_parameters: number;
  /**
   * Divergent draws.
   */
  divergences: number;
  /**
   * Smallest energy fraction; below 0.3 tails are explored badly.
   */
  e_bfmi: number;
  /**
   * R-hat below 1.01 and both effective sizes above 400.
   */
  mixed: boolean;
}
/**
 * Fits to clusters drawn again.
 */
export interface Refits {
  /**
   * How many.
   */
  refits: number;
  beta: Interval;
  /**
   * Its width over the posterior's, both of ln β; absent where either is open.
   */
  width_ratio?: number | null;
  /**
   * The widths differ by more than a factor of 1.5: the posterior takes dependent trials for independent ones, or the
   * reverse.
   */
  warning: boolean;
}
/**
 * One observed rate against what the model predicts of it.
 */
export interface Check {
  /**
   * What is compared.
   */
  what: string;
  /**
   * The observed rate.
   */
  observed: number;
  /**
   * Effective number of independent trials behind it.
   */
  effective_trials: number;
  /**
   * Mean of the model's rate over its posterior draws.
   */
  predicted: number;
  /**
   * Twice the smaller predictive tail probability, at most 1.
   */
  p_value: number;
}
/**
 * Score on units left out in folds.
 */
export interface HeldOut {
  /**
   * Σ ln P(unit | fit without its fold).
   */
  score: number;
  /**
   * Its standard error over units.
   */
  standard_error: number;
  /**
   * Difference from the best score.
   */
  behind: number;
  /**
   * Standard error of the difference.
   */
  behind_error: number;
  /**
   * Place among the models, from 1.
   */
  rank: number;
}
/**
 * Leave-one-unit-out by Pareto-smoothed importance sampling.
 */
export interface Psis {
  /**
   * Expected log predictive density of a unit left out, summed.
   */
  elpd: number;
  /**
   * Its standard error.
   */
  standard_error: number;
  /**
   * Largest Pareto shape.
   */
  largest_k: number;
  /**
   * Units whose shape is above 0.7: not to be trusted there.
   */
  above: number;
}
/**
 * The smallest and the largest β among admissible models.
 */
export interface Spread {
  /**
   * Smallest.
   */
  low: number;
  /**
   * Whose.
   */
  low_model: string;
  /**
   * Largest.
   */
  high: number;
  /**
   * Whose.
   */
  high_model: string;
}
/**
 * What supports a claim, and what does not.
 */
export interface Support {
  claim: Claim;
  verdict: Verdict;
  limits: Interval;
  /**
   * The upper limit that no further failure would lower, where it is above the other: few clusters can make failures look less clustered than they are.
   */
  strict_limit?: number | null;
  /**
   * What one test is: `trial`, or the cluster column.
   */
  unit: string;
  /**
   * Units seen, as so many equal ones.
   */
  units: number;
  /**
   * Units on which all layers of the claim failed at least once, or may have where outcomes are missing.
   */
  with_failure: number;
  /**
   * Units without a single failure that would support the claim, its scenario taken into account; absent where no number would.
   */
  needed_without_failure?: number | null;
  /**
   * Units, those seen among them, that would decide if further ones are like them; absent where the verdict stands, no failure was seen, or no number would.
   */
  needed_at_this_rate?: number | null;
  /**
   * Each cluster column: how many clusters there are and how many hold a failure.
   */
  spread?: UnitSpread[];
  /**
   * Conservative Bayesian confidence in the claim, per stated prior confidence.
   */
  conservative_bayes?: ConservativeBayes[];
  /**
   * Interval that holds however often one looks, at the claim's confidence, for independent units that are alike; absent where
   * clusters differ in size or trials in weight. For clusters it is about the share of clusters with a joint failure, which
   * bounds β from above only; under attacks that adapt to earlier results, about the running mean of the conditional rate.
   */
  sequence?: Interval | null;
  /**
   * What each model says.
   */
  models?: ModelSupport[];
}
/**
 * A bound on the rate at which a set of layers fails together, and the confidence asked for.
 */
export interface Claim {
  /**
   * The layers; empty for all of them.
   */
  layers?: string[];
  /**
   * The rate is at most this.
   */
  at_most: number;
  /**
   * One-sided confidence asked for, or the confidence of a prior.
   */
  confidence: number;
}
/**
 * How failures lie in the clusters of one column.
 */
export interface UnitSpread {
  /**
   * The cluster column.
   */
  column: string;
  /**
   * Clusters.
   */
  clusters: number;
  /**
   * Clusters with a failure, or with one that may have been where outcomes are missing.
   */
  with_failure: number;
}
/**
 * A prior confidence after the data.
 */
export interface ConservativeBayes {
  prior: Claim;
  /**
   * Least P(β ≤ b) after the data; absent where the bound is below ε.
   */
  confidence?: number | null;
  /**
   * Why there is none, or why it is 0.
   */
  why?: string | null;
}
/**
 * A model's posterior probability of a claim.
 */
export interface ModelSupport {
  /**
   * The model.
   */
  model: string;
  /**
   * P(β ≤ b | data, model).
   */
  probability: number;
  /**
   * Whether the model reproduces the tail and its chains have mixed.
   */
  admissible: boolean;
  /**
   * The data cannot test what the model says about these layers.
   */
  assumption?: boolean;
}
/**
 * Sections of an assessment beyond the analysis of outcomes.
 */
export interface Assessment {
  /**
   * P(system failure).
   */
  system?: Section14 | null;
  /**
   * The gap between and within pillars.
   */
  pillars?: Section15 | null;
  /**
   * Scenarios on recorded outcomes.
   */
  scenarios?: Section16 | null;
  /**
   * The pressure curve.
   */
  pressure?: Section17 | null;
  /**
   * Many tries.
   */
  attempts?: Section18 | null;
  /**
   * The failure-mode map.
   */
  map?: Section19 | null;
  /**
   * The map with numbers.
   */
  modes?: Section20 | null;
  /**
   * What experts said.
   */
  elicited?: Section21 | null;
  /**
   * Gap theory of shared feedback.
   */
  feedback?: Section22 | null;
  /**
   * Claims.
   */
  claims?: Section23 | null;
  /**
   * Impact of research problems.
   */
  impact?: Section24 | null;
  /**
   * P(system failure) of a structure under every law.
   */
  risk?: Section25 | null;
  /**
   * Which layers to choose.
   */
  selection?: Section26 | null;
  /**
   * Thresholds of scores, chosen together.
   */
  thresholds?: Section27 | null;
  /**
   * Where to test next.
   */
  plan?: Section28 | null;
  /**
   * What changed since an earlier table.
   */
  comparison?: Section29 | null;
  /**
   * Whether the later trials, in their order, fail more often than the earlier ones.
   */
  drift?: Section30 | null;
  /**
   * Rates after checks by hand.
   */
  checked?: Section31 | null;
  /**
   * What layers share, and which fail alike.
   */
  lineage?: Section32 | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section14 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: SystemFailure;
}
/**
 * The rate at which the system fails, beside what independence promises.
 */
export interface SystemFailure {
  /**
   * What counts as a system failure.
   */
  structure: string;
  /**
   * The layers that it names.
   */
  layers: string[];
  rate: Figure;
  independent: Figure;
  gap: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section15 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Pillars[];
}
/**
 * The gap split into between and within pillars.
 */
export interface Pillars {
  /**
   * The attribute.
   */
  attribute: string;
  /**
   * Pillars.
   */
  pillars: Pillar[];
  total: Figure;
  between: Figure;
  /**
   * Whether the data bound the gap between pillars from above; else their independence is an assumption.
   */
  measured: boolean;
}
/**
 * One pillar.
 */
export interface Pillar {
  /**
   * The attribute's value.
   */
  name: string;
  /**
   * Its layers.
   */
  layers: string[];
  rate: Figure;
  gap: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section16 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: ScenarioRisk[];
}
/**
 * A rate in one scenario.
 */
export interface ScenarioRisk {
  /**
   * The scenario; `nominal` is the world as tested.
   */
  scenario: string;
  /**
   * What it stands for.
   */
  about?: string | null;
  /**
   * Whether the rates are upper bounds over all worlds that the scenario allows, rather than estimates.
   */
  bound?: boolean;
  beta: Figure;
  product: Figure;
  gap: Figure;
  /**
   * P(system failure), where the study says what one is.
   */
  system?: Figure | null;
  /**
   * What to know before quoting it.
   */
  notes?: string[];
}
/**
 * A section of the results: its version and its content.
 */
export interface Section17 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Pressure;
}
/**
 * The pressure curve.
 */
export interface Pressure {
  /**
   * Points, by radius.
   */
  points: PressurePoint[];
  /**
   * Radius at which the estimate's curve reaches 1: −ln β.
   */
  certain_at?: number | null;
  /**
   * The regimes of the confined curve: the strata's columns.
   */
  regimes?: string[];
}
/**
 * A point of the pressure curve.
 */
export interface PressurePoint {
  /**
   * KL radius, in nats.
   */
  radius: number;
  /**
   * For a point of best-of-n selection: n.
   */
  best_of?: number | null;
  worst: Figure;
  /**
   * The same starting from Πp_i; absent where the product is undefined or 0.
   */
  product?: number | null;
  /**
   * Worst rate when the shift can only reweigh the observed strata.
   */
  confined?: number | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section18 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Attempts;
}
/**
 * Many tries.
 */
export interface Attempts {
  /**
   * The cluster column of goals.
   */
  goal: string;
  /**
   * Goals.
   */
  goals: number;
  /**
   * Fewest and most attempts made at a goal.
   *
   * @minItems 2
   * @maxItems 2
   */
  made: [number, number];
  /**
   * Goals on which some attempt beat everything.
   */
  beaten: number;
  /**
   * The points asked for.
   */
  points: AttemptPoint[];
  /**
   * Exponents of the Beta distribution over goals, where it was used.
   *
   * @minItems 2
   * @maxItems 2
   */
  beta_over_goals?: [number, number] | null;
}
/**
 * P(some of n attempts on a goal beats everything).
 */
export interface AttemptPoint {
  /**
   * Attempts on a goal.
   */
  attempts: number;
  rate: Figure;
  /**
   * 1 − (1 − β)ⁿ: as if every attempt were a new goal.
   */
  if_independent?: number | null;
  /**
   * Whether the figure follows from a model beyond the attempts that were made.
   */
  extrapolated?: boolean;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section19 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: MapReport;
}
/**
 * What the map says before any number enters.
 */
export interface MapReport {
  map: FailureModeMap;
  /**
   * Cells read vulnerable, not vulnerable, uncertain.
   *
   * @minItems 3
   * @maxItems 3
   */
  counts: [number, number, number];
  /**
   * Every two techniques.
   */
  pairs: PairOverlap[];
  /**
   * Modes, those that defeat most first.
   */
  reach: ModeReach[];
  /**
   * Minimal sets that no mode defeats whole, smallest first: with uncertain read as not vulnerable, and those that hold either way marked.
   */
  disjoint: DisjointSet[];
  /**
   * Minimal sets with uncertain read as vulnerable.
   */
  disjoint_if_vulnerable: DisjointSet[];
  /**
   * Whether more sets exist than are listed.
   */
  more_sets: boolean;
  /**
   * Against a second map, where one was merged in.
   */
  compared?: MapComparison[];
}
/**
 * Techniques × failure modes.
 */
export interface FailureModeMap {
  techniques: Technique[];
  modes: string[];
  /**
   * Row by row: technique by technique, mode by mode. `None` where nobody has judged.
   */
  cells: (MapCell | null)[];
}
/**
 * A technique: a kind of layer.
 */
export interface Technique {
  /**
   * Name.
   */
  name: string;
  /**
   * What kind it is.
   */
  category?: string | null;
}
/**
 * One verdict and where it comes from.
 */
export interface MapCell {
  /**
   * The technique.
   */
  technique: string;
  /**
   * The failure mode.
   */
  mode: string;
  verdict: Vulnerability;
  /**
   * Where it comes from; several are separated by "; ".
   */
  source?: string | null;
  /**
   * How well it is supported, in a word such as `single_source`.
   */
  support?: string | null;
}
/**
 * Two techniques and the modes that defeat both.
 */
export interface PairOverlap {
  /**
   * The two techniques.
   *
   * @minItems 2
   * @maxItems 2
   */
  techniques: [string, string];
  /**
   * Modes that defeat both for certain.
   */
  shared: string[];
  /**
   * Modes that may defeat both: one verdict or both are uncertain.
   */
  perhaps_shared: string[];
  /**
   * Shared over all modes that defeat either, uncertain read as not vulnerable; absent when no mode defeats either.
   */
  jaccard?: number | null;
  /**
   * The same with uncertain read as vulnerable.
   */
  jaccard_if_vulnerable?: number | null;
  /**
   * Whether both have the same verdicts throughout.
   */
  identical: boolean;
}
/**
 * How many techniques one mode defeats.
 */
export interface ModeReach {
  /**
   * The mode.
   */
  mode: string;
  /**
   * Techniques it defeats.
   */
  defeats: string[];
  /**
   * Techniques it may defeat.
   */
  perhaps: string[];
}
/**
 * A smallest set of techniques that no mode defeats whole.
 */
export interface DisjointSet {
  /**
   * The techniques; none can be left out.
   */
  techniques: string[];
  /**
   * Whether it also holds with uncertain verdicts read as vulnerable.
   */
  under_either_reading: boolean;
}
/**
 * What two maps say about the same cells.
 */
export interface MapComparison {
  /**
   * Cells that both judge.
   */
  both: number;
  /**
   * Of those, cells with the same verdict.
   */
  agree: number;
  /**
   * Cells that only the first, or only the second judges.
   *
   * @minItems 2
   * @maxItems 2
   */
  only_one: [number, number];
  /**
   * Cells with different verdicts: the first map's and the second's.
   */
  differ: [unknown, unknown][];
}
/**
 * A section of the results: its version and its content.
 */
export interface Section20 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: ModeReport;
}
/**
 * Everything a map with numbers says.
 */
export interface ModeReport {
  /**
   * Techniques.
   */
  techniques: string[];
  /**
   * Modes, the unmapped one included.
   */
  modes: string[];
  /**
   * Beliefs about prevalences and leaks.
   */
  beliefs: BeliefRow[];
  /**
   * Beliefs about susceptibility by verdict.
   */
  verdicts: BeliefRow[];
  /**
   * Draws.
   */
  draws: number;
  /**
   * What outcomes changed.
   */
  update?: ModeUpdate | null;
  /**
   * Portfolios in every scenario.
   */
  portfolios: PortfolioRisk[];
  /**
   * Rates over prevalences of the unmapped mode.
   */
  residual?: ResidualPoint[];
  /**
   * What to build next.
   */
  roadmap?: Candidate[];
  /**
   * What passed audits are worth.
   */
  audits?: AuditAnswer[];
  /**
   * One shared mode among like techniques.
   *
   * @minItems 2
   * @maxItems 2
   */
  shared_mode?: [unknown, unknown] | null;
  /**
   * Bounds that were asked about.
   */
  bounds?: MapEvidence[];
}
/**
 * A named belief, for the report.
 */
export interface BeliefRow {
  /**
   * What it is about.
   */
  what: string;
  /**
   * Mean.
   */
  mean: number;
  /**
   * 5% quantile.
   */
  low: number;
  /**
   * 95% quantile.
   */
  high: number;
}
/**
 * How the outcomes changed the map's numbers.
 */
export interface ModeUpdate {
  /**
   * Trials with and without mode tags.
   *
   * @minItems 2
   * @maxItems 2
   */
  trials: [number, number];
  /**
   * Techniques with outcomes.
   */
  techniques: string[];
  /**
   * Whether tags were taken as drawn as attacks come.
   */
  tags_are_a_sample: boolean;
  /**
   * Posterior draws.
   */
  draws: number;
  /**
   * Largest R-hat over coordinates.
   */
  r_hat: number;
  /**
   * Smallest effective number of draws.
   */
  ess: number;
  /**
   * Draws that diverged.
   */
  divergences: number;
  /**
   * Numbers that moved, most first: mean before and after, and 90% interval after.
   */
  moved: Moved[];
}
/**
 * One number before and after.
 */
export interface Moved {
  /**
   * What it is.
   */
  what: string;
  /**
   * Mean of the belief.
   */
  before: number;
  /**
   * Posterior mean.
   */
  after: number;
  /**
   * 5% posterior quantile.
   */
  low: number;
  /**
   * 95% posterior quantile.
   */
  high: number;
}
/**
 * A portfolio in one scenario.
 */
export interface PortfolioRisk {
  /**
   * The portfolio.
   */
  portfolio: string;
  /**
   * Its techniques.
   */
  techniques: string[];
  /**
   * The scenario.
   */
  scenario: string;
  /**
   * Whether the rate is an upper bound over all worlds that the scenario allows.
   */
  bound?: boolean;
  beta: Figure;
  /**
   * Its mean over draws: the probability to act on.
   */
  expected: number;
  product: Figure;
  gap: Figure;
  effective_layers: Figure;
  /**
   * P(system failure) where the portfolio says what one is.
   */
  system?: Figure | null;
  /**
   * Mean of ln(β/Πp_i), which the Shapley shares sum to; absent where shares are.
   */
  gap_nats?: number | null;
  /**
   * What each mode contributes, most first, and the cascades where there are any; empty where the product is 0.
   */
  shares?: ModeShare[];
}
/**
 * What one mode contributes to a joint failure.
 */
export interface ModeShare {
  /**
   * The mode.
   */
  mode: string;
  shapley: Figure;
  removal: Figure;
}
/**
 * A portfolio's rate at one prevalence of the unmapped mode.
 */
export interface ResidualPoint {
  /**
   * The portfolio.
   */
  portfolio: string;
  /**
   * Prevalence of the unmapped mode.
   */
  prevalence: number;
  beta: Figure;
}
/**
 * A technique that could be added.
 */
export interface Candidate {
  /**
   * The portfolio in place.
   */
  portfolio: string;
  /**
   * The scenario.
   */
  scenario: string;
  /**
   * The technique.
   */
  technique: string;
  reduction: Figure;
  /**
   * Its mean over draws, by which candidates are ranked.
   */
  expected: number;
  /**
   * What the product rule promises: ln(1/p), mean over draws.
   */
  promised: number;
  /**
   * Share of draws in which it is the best.
   */
  best: number;
}
/**
 * An answer about audits.
 */
export interface AuditAnswer {
  /**
   * The question.
   */
  name: string;
  /**
   * The scenario.
   */
  scenario: string;
  /**
   * The audits that passed.
   */
  passed: string[];
  prior: Figure;
  joint: Figure;
  audits_independent: Figure;
  product: Figure;
}
/**
 * What a map's numbers say about a bound.
 */
export interface MapEvidence {
  /**
   * The portfolio.
   */
  portfolio: string;
  /**
   * The scenario.
   */
  scenario: string;
  /**
   * Whether it is about the portfolio's own system failure rather than all techniques failing.
   */
  system: boolean;
  /**
   * The bound.
   */
  at_most: number;
  /**
   * Share of draws within it.
   */
  probability: number;
  /**
   * Draws.
   */
  draws: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section21 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Elicitation[];
}
/**
 * What one group of experts said about one number.
 */
export interface Elicitation {
  /**
   * The number.
   */
  about: string;
  elicited: Elicited;
}
/**
 * Experts pooled.
 */
export interface Elicited {
  /**
   * Each expert.
   */
  experts: FittedExpert[];
  linear: Distribution;
  log: Distribution;
  pool: Pool;
  /**
   * Part of the linear pool's variance that lies between experts: 0 they agree, 1 they do not overlap.
   */
  disagreement: number;
}
/**
 * What was made of one expert's quantiles.
 */
export interface FittedExpert {
  /**
   * Who.
   */
  name: string;
  /**
   * Weight in the pool, of 1.
   */
  weight: number;
  /**
   * Exponents of the fitted Beta distribution.
   */
  a: number;
  /**
   * Second exponent.
   */
  b: number;
  /**
   * Its median.
   */
  median: number;
  /**
   * Its 5% quantile.
   */
  low: number;
  /**
   * Its 95% quantile.
   */
  high: number;
  /**
   * Largest distance between a stated probability level and the fitted one.
   */
  misfit: number;
}
/**
 * One Beta distribution of a mixture.
 */
export interface BetaPart {
  /**
   * Its share; shares sum to 1.
   */
  weight: number;
  /**
   * First exponent.
   */
  a: number;
  /**
   * Second exponent.
   */
  b: number;
}
/**
 * One known value of a mixture.
 */
export interface PointPart {
  /**
   * Its share; shares sum to 1.
   */
  weight: number;
  /**
   * The value.
   */
  value: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section22 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Feedback[];
}
/**
 * What gap theory says about one feedback source.
 */
export interface Feedback {
  /**
   * The source.
   */
  source: string;
  /**
   * Techniques trained on it.
   */
  techniques: string[];
  /**
   * The failure mode of the map that it implies.
   */
  mode: string;
  /**
   * Mean mass α of hard contexts.
   */
  hard_context_mass: number;
  /**
   * Bias ε.
   */
  bias: number;
  /**
   * Separation γ.
   */
  separation: number;
  /**
   * κ(ε), nats a label.
   */
  information_per_label: number;
  /**
   * Labels, and the least expected gap after them.
   */
  gaps?: [number, number][];
  /**
   * Target gap, and oracle queries after which the gap is at most that.
   *
   * @minItems 2
   * @maxItems 2
   */
  oracle_queries?: [number, number] | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section23 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Argument;
}
/**
 * An argument: every claim, and those that no other contains.
 */
export interface Argument {
  /**
   * All claims, in the order they were written.
   */
  claims: ClaimNode[];
  /**
   * Claims that are part of no other.
   */
  top: string[];
}
/**
 * One claim, judged.
 */
export interface ClaimNode {
  statement: ClaimStatement;
  verdict: Verdict;
  /**
   * Confidence that the verdict carries; for combinations as the stated dependence gives it. Absent where it is undecidable.
   */
  confidence?: number | null;
  /**
   * Confidence that was asked for: of a bound its own, of a combination the stated one, or what its parts' give.
   */
  asked: number;
  /**
   * The evidence of a bound.
   */
  evidence?: Leaf | null;
  /**
   * Whether a verdict other than undecidable rests on little: see why.
   */
  flagged?: boolean;
  /**
   * Why this verdict, in sentences.
   */
  why: string[];
}
/**
 * A claim as it is written down: either a bound or a combination of others.
 */
export interface ClaimStatement {
  /**
   * Name.
   */
  name: string;
  /**
   * The claim in a sentence; made from the bound where it is not given.
   */
  about?: string | null;
  /**
   * `beta<=RATE@CONFIDENCE`, `beta(LAYER,LAYER)<=…` or `system<=…`.
   */
  bound?: string | null;
  /**
   * Where the evidence comes from; outcomes where there are any.
   */
  from?: ClaimKind | null;
  /**
   * The portfolio that a bound from the map is about.
   */
  portfolio?: string | null;
  /**
   * The scenario in which it must hold; the nominal one where none is named.
   */
  scenario?: string | null;
  /**
   * Take trials to be independent although clusters are recorded: an assumption.
   */
  independent_trials?: boolean;
  /**
   * Judge by the upper limit that no further failure lowers, which is above the usual one where few clusters bear the failures.
   */
  strict?: boolean;
  /**
   * How the parts combine.
   */
  combines?: Combine | null;
  /**
   * The parts, by name.
   */
  of?: string[];
  /**
   * Confidence asked of a combination; what the parts give where it is not said.
   */
  confidence?: number | null;
  dependence?: Dependence;
  /**
   * What must be true besides the evidence.
   */
  assumptions?: string[];
  /**
   * What the claim is made within.
   */
  context?: string[];
  /**
   * What would defeat it.
   */
  defeaters?: string[];
}
/**
 * Evidence for one bound.
 */
export interface Leaf {
  quantity: Quantity;
  /**
   * Largest value that supports the claim.
   */
  at_most: number;
  /**
   * Confidence asked for.
   */
  confidence: number;
  /**
   * The scenario.
   */
  scenario: string;
  /**
   * Whether trials were taken to be independent although clusters are recorded.
   */
  independent_trials?: boolean;
  /**
   * From outcomes.
   */
  outcomes?: Support | null;
  /**
   * One-sided limits if trials were independent, beside clusters.
   */
  if_independent?: Interval | null;
  /**
   * From a map.
   */
  map?: MapEvidence | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section24 {
  /**
   * Version of this section's layout.
   */
  version: number;
  /**
   * The section itself.
   */
  content: Impact[];
}
/**
 * The impact of one problem.
 */
export interface Impact {
  /**
   * The problem.
   */
  problem: string;
  /**
   * Weighted score, stated scores before means of sub-scores.
   */
  score: number;
  /**
   * The same from the means of sub-scores wherever there are any; absent without sub-scores.
   */
  from_sub_scores?: number | null;
  /**
   * Parts, the one that moves the score most first.
   */
  parts: ImpactLine[];
  /**
   * 5%, 50% and 95% of the score where scores are ranges, drawn independently.
   *
   * @minItems 3
   * @maxItems 3
   */
  distribution?: [number, number, number] | null;
}
/**
 * One part of the result.
 */
export interface ImpactLine {
  /**
   * `severity`, `tractability`, `neglectedness` or `urgency`.
   */
  part: string;
  /**
   * Its weight, of 1.
   */
  weight: number;
  /**
   * The score that counts.
   */
  score: number;
  /**
   * The stated score, where there is one.
   */
  stated?: number | null;
  /**
   * Mean of the sub-scores, where there are any.
   */
  mean_of_sub_scores?: number | null;
  /**
   * Impact when this part alone is at its least and most; equal where it is no range.
   *
   * @minItems 2
   * @maxItems 2
   */
  swing: [number, number];
}
/**
 * A section of the results: its version and its content.
 */
export interface Section25 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Risk;
}
/**
 * P(system failure) and where it comes from.
 */
export interface Risk {
  /**
   * What counts as a system failure: an expression, or the top gate of a fault tree.
   */
  structure: string;
  made_of: MadeOf;
  /**
   * Their number.
   */
  events: number;
  /**
   * Whether a further failure never repairs the system.
   */
  coherent: boolean;
  /**
   * Parts that share nothing with the rest.
   */
  modules: number;
  /**
   * Decisions in the diagrams of all modules.
   */
  decisions: number;
  cut_sets: CutSetReport;
  /**
   * P(system failure) under each law.
   */
  laws: SystemUnder[];
  /**
   * Common causes whose factors were learned.
   */
  learned_causes?: LearnedCause[];
  /**
   * What rates, and pairs of them, leave open under any law.
   */
  bounds?: SystemBounds | null;
  /**
   * What has to be known about how this was computed.
   */
  notes?: string[];
}
/**
 * The sets of failures that make the system fail and of which none may be left out.
 */
export interface CutSetReport {
  /**
   * How many there are of each number of members; every digit.
   */
  by_order: CutSetsOfOrder[];
  /**
   * All of them.
   */
  total: string;
  /**
   * The likeliest, or all.
   */
  listed: ListedCutSet[];
  /**
   * Why they are not counted.
   */
  undefined?: string | null;
}
/**
 * Cut sets with so many members.
 */
export interface CutSetsOfOrder {
  /**
   * Members.
   */
  order: number;
  /**
   * How many: a whole number that may have more digits than a JSON number keeps.
   */
  count: string;
}
/**
 * A minimal cut set.
 */
export interface ListedCutSet {
  /**
   * Members.
   */
  members: string[];
  /**
   * P(all of them fail) under each law, in the order of the laws; `null` where a law does not say.
   */
  rates: (number | null)[];
}
/**
 * P(system failure) under one law.
 */
export interface SystemUnder {
  /**
   * Name of the law.
   */
  law: string;
  kind: LawKind;
  /**
   * What it assumes, in half a sentence.
   */
  assumes: string;
  /**
   * Of a fitted model: whether it reproduces the tail, converged and mixed.
   */
  admissible?: boolean | null;
  rate: Figure;
  /**
   * The same if everything failed independently at the rates that the law gives it.
   */
  independent?: number | null;
  /**
   * The first over the second.
   */
  gap?: number | null;
  /**
   * Importance of layers (or basic events), groups and causes.
   */
  importance?: ImportanceMeasures[];
  /**
   * What has to be known about it.
   */
  notes?: string[];
}
/**
 * What something contributes to P(system failure).
 */
export interface ImportanceMeasures {
  /**
   * Name.
   */
  of: string;
  kind: ImportanceOf;
  /**
   * Its members, of a group or cause.
   */
  members?: string[];
  /**
   * P(system failure) where it surely fails.
   */
  if_failed: number;
  /**
   * P(system failure) where it never fails.
   */
  if_held: number;
  /**
   * Birnbaum's: the first less the second.
   */
  birnbaum: number;
  /**
   * Criticality: the share of system failures that would not be if it never failed. Absent where the system never fails.
   */
  criticality?: number | null;
  /**
   * Where the criticality lies over the draws of what is uncertain.
   */
  criticality_interval?: Interval | null;
  /**
   * Fussell and Vesely's: the share of system failures in which some minimal cut set that holds it has happened. Absent where that takes too much room or a failure may help.
   */
  fussell_vesely?: number | null;
  /**
   * Risk achievement worth: P(system failure) where it surely fails, over that as it is.
   */
  achievement_worth?: number | null;
  /**
   * Where the achievement worth lies over the same draws.
   */
  achievement_interval?: Interval | null;
  /**
   * Risk reduction worth: P(system failure) as it is, over that where it never fails. Absent where that is infinite: `in_every_cut_set` says so.
   */
  reduction_worth?: number | null;
  /**
   * Where the reduction worth lies over the same draws.
   */
  reduction_interval?: Interval | null;
  /**
   * The system cannot fail without it: its reduction worth is infinite.
   */
  in_every_cut_set?: boolean;
}
/**
 * A common cause whose factors were learned.
 */
export interface LearnedCause {
  /**
   * Name of the group.
   */
  name: string;
  /**
   * Members.
   */
  layers: string[];
  model: CauseModel;
  /**
   * Trials with an outcome of two members at least; effective trials where they are clustered or weighted.
   */
  trials: number;
  rate: Figure;
  /**
   * The factors.
   */
  factors: LearnedFactor[];
  /**
   * How often shocks of each number of members happen.
   */
  shocks: ShockRate[];
  together: Figure;
  /**
   * How many members failed at once, against what these shocks give. Empty where trials stopped early.
   */
  failures?: FailuresSeen[];
  /**
   * Largest R-hat of the chains: 1 where they agree.
   */
  r_hat: number;
  /**
   * What has to be known about it.
   */
  notes?: string[];
}
/**
 * A factor.
 */
export interface LearnedFactor {
  /**
   * β, γ, α1 and so on.
   */
  name: string;
  value: Figure;
}
/**
 * Shocks of one number of members.
 */
export interface ShockRate {
  /**
   * Members that such a shock takes.
   */
  members: number;
  rate: Figure;
}
/**
 * Trials on which so many members failed, of those where all were observed.
 */
export interface FailuresSeen {
  /**
   * Members that failed.
   */
  failed: number;
  /**
   * Trials where that was so.
   */
  observed: number;
  /**
   * Trials expected under the shocks, at their posterior means.
   */
  expected: number;
}
/**
 * What is possible under any law with the observed rates.
 */
export interface SystemBounds {
  /**
   * Given every layer's rate.
   */
  marginals?: Range | null;
  /**
   * Given every layer's and every pair's rate.
   */
  pairs?: Range | null;
  /**
   * Sharp, or looser because only numbers of failures are kept apart.
   */
  sharp: boolean;
  /**
   * Why there are none, or not all.
   */
  undefined?: string | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section26 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Selection;
}
/**
 * A choice of layers, and what other ways to choose would have cost.
 */
export interface Selection {
  /**
   * What choices are judged by: what was counted, or a model's posterior mean.
   */
  judged_by: string;
  /**
   * Where only the worst draws count: their share.
   */
  worst?: number | null;
  /**
   * When the system fails, where that is not when all chosen layers do.
   */
  fails?: string | null;
  /**
   * The rate of the best choice in each scenario, the world as tested first; nothing where that is the only one.
   */
  worlds?: RateInScenario[];
  best: Choice;
  /**
   * No choice that keeps to the limits is better than this.
   */
  bound: number;
  /**
   * Whether nothing is better than the best choice, or it may be: then the bound says by how much.
   */
  proven: boolean;
  /**
   * The best choice for less and less of one budget, as far as it is proven.
   */
  frontier?: Choice[];
  /**
   * The budget along which the frontier goes.
   */
  along?: string | null;
  /**
   * Other ways to choose under the same limits.
   */
  others: OtherChoice[];
  held_out: Figure;
  /**
   * Layers that no limit leaves room for.
   */
  unaffordable?: string[];
  /**
   * What has to be known about it.
   */
  notes?: string[];
}
/**
 * A rate in one scenario.
 */
export interface RateInScenario {
  /**
   * The scenario.
   */
  scenario: string;
  /**
   * The rate.
   */
  rate: number;
}
/**
 * Some layers, with what they let through and take.
 */
export interface Choice {
  /**
   * The layers.
   */
  layers: string[];
  /**
   * P(all of them fail), or that the system does, as choices are judged: in the worst scenario where there are several.
   */
  beta: number;
  /**
   * What they take of each budget.
   */
  takes: {
    [k: string]: number;
  };
  /**
   * Share of benign trials on which some of them raises an alarm.
   */
  false_alarm?: number | null;
}
/**
 * A way to choose that looks at less.
 */
export interface OtherChoice {
  way: WayToChoose;
  choice: Choice;
  /**
   * What it believes to let through, where it believes something.
   */
  believes?: number | null;
  held_out: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section27 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Thresholds;
}
/**
 * Thresholds, and what other ways to choose them would let through.
 */
export interface Thresholds {
  /**
   * The budget.
   */
  budget: number;
  /**
   * The confidence with which it is promised.
   */
  confidence: number;
  /**
   * Attacks.
   */
  attacks: number;
  /**
   * Benign trials.
   */
  benign: number;
  /**
   * Layers.
   */
  layers: ScoredLayer[];
  best: ThresholdChoice;
  /**
   * Whether equal rates were kept, because nothing says that another spread lets through less.
   */
  kept_equal: boolean;
  /**
   * Other ways and rules.
   */
  others: ThresholdChoice[];
  /**
   * The combined score, where there is one.
   */
  combination?: Combination | null;
  /**
   * What to know.
   */
  notes: string[];
}
/**
 * What is known of one layer's scores.
 */
export interface ScoredLayer {
  /**
   * Name.
   */
  layer: string;
  /**
   * Which scores fail; absent for recorded outcomes, which have no threshold.
   */
  fails_when?: FailsWhen | null;
  /**
   * Whether that was inferred from attacks and benign trials.
   */
  inferred: boolean;
  /**
   * P(an attack looks more suspicious to the layer than a benign trial), ties half: 0.5 tells nothing, 1 everything.
   */
  separation: number;
  /**
   * Trials without a score or outcome: the layer does not stop them.
   */
  missing: number;
}
/**
 * Thresholds chosen in one way.
 */
export interface ThresholdChoice {
  way: ThresholdWay;
  /**
   * How many layers have to hold for the stack to stop a trial.
   */
  need: number;
  /**
   * Thresholds.
   */
  thresholds: LayerThreshold[];
  beta: Figure;
  false_alarm: Figure;
  held_out_beta: Figure;
  held_out_false_alarm: Figure;
  /**
   * Whether the budget is promised at the stated confidence.
   */
  promised: boolean;
  /**
   * Whether no other spread of false alarms is better on the trials it was chosen by.
   */
  proven: boolean;
}
/**
 * One layer's threshold.
 */
export interface LayerThreshold {
  /**
   * The layer; the combined score has none.
   */
  layer?: string | null;
  /**
   * The threshold; absent where the layer should stop nothing.
   */
  value?: number | null;
  fails_when: FailsWhen;
  /**
   * Share of benign trials that the layer stops by itself.
   */
  false_alarm: number;
  /**
   * Share of attacks that it misses by itself.
   */
  misses: number;
}
/**
 * Scores combined: evidence = `intercept` + Σ `weight`·score, in nats; high evidence stops the trial.
 */
export interface Combination {
  /**
   * What is added.
   */
  intercept: number;
  /**
   * Of each layer.
   */
  weights: CombinedLayer[];
  /**
   * Steps of the likelihood ratio, never falling.
   */
  likelihood_ratio: LikelihoodStep[];
}
/**
 * What one layer adds to the combined score.
 */
export interface CombinedLayer {
  /**
   * The layer.
   */
  layer: string;
  /**
   * What one unit of its score adds. A recorded outcome counts as 1 where the layer held, else as 0.
   */
  weight: number;
  /**
   * The score that stands in for one that is missing.
   */
  instead: number;
}
/**
 * A step of the likelihood ratio.
 */
export interface LikelihoodStep {
  /**
   * The evidence from which on it holds.
   */
  from: number;
  /**
   * P(evidence | attack) / P(evidence | benign); none where no benign trial had such evidence.
   */
  ratio?: number | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section28 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Plan;
}
/**
 * Where to spend a budget of tests.
 */
export interface Plan {
  /**
   * The layers whose joint failure the plan is about.
   */
  layers: string[];
  /**
   * The columns that the strata come from; empty where all attacks are one stratum.
   */
  columns?: string[];
  /**
   * What could be spent.
   */
  budget: number;
  /**
   * What the new trials cost.
   */
  spent: number;
  /**
   * New trials.
   */
  new_trials: number;
  /**
   * New trials of each batch.
   */
  batches: number[];
  /**
   * The strata, with their new trials.
   */
  strata: PlannedStratum[];
  beta: Figure;
  /**
   * Var ln β ≈ Var β/β² of the stratified estimate now: what actions reduce.
   */
  variance: number;
  /**
   * Var ln of the share of joint failures that are genuine, as believed; present where checks have a cost. It stands beside the variance of ln β.
   */
  verdict_variance?: number | null;
  /**
   * Independent trials that a trial is worth: below 1 where trials come in clusters or differ in weight.
   */
  trial_worth: number;
  interval_factor_now: Figure;
  interval_factor_planned: Figure;
  interval_factor_proportional: Figure;
  proportional_cost: Figure;
  /**
   * What can be done next, each as far as one batch's money goes: most reduction per unit of cost first.
   */
  actions: PlannedAction[];
  /**
   * What the budget can show about the claim.
   */
  claim?: ClaimPlan | null;
  /**
   * What has to be known about it.
   */
  notes?: string[];
}
/**
 * One stratum of a plan.
 */
export interface PlannedStratum {
  /**
   * Its level; levels of several columns joined by ` / `.
   */
  name: string;
  /**
   * W_s: its share of operation.
   */
  share: number;
  /**
   * Cost of a trial.
   */
  cost: number;
  /**
   * Attack trials so far that say whether all layers failed.
   */
  trials: number;
  /**
   * Of these, trials on which all layers failed.
   */
  joint_failures: number;
  /**
   * Attack trials so far on which it is open whether all layers failed.
   */
  open: number;
  /**
   * β_s as the plan takes it to be.
   */
  beta: number;
  /**
   * New trials.
   */
  new_trials: number;
  /**
   * New trials in each batch.
   */
  batches: number[];
}
/**
 * Something to do, and what it is expected to bring.
 */
export interface PlannedAction {
  kind: ActionKind;
  /**
   * In which stratum; absent for checks, and where there are no strata.
   */
  stratum?: string | null;
  /**
   * The layers to run, where not all.
   */
  layers?: string[];
  /**
   * How many trials.
   */
  many: number;
  /**
   * What that costs.
   */
  cost: number;
  /**
   * Expected reduction of Var ln β.
   */
  reduction: number;
  /**
   * The same per unit of cost.
   */
  per_cost: number;
}
/**
 * What a budget can show about a claim, spent on trials in proportion to the shares: that is how a claim is tested.
 */
export interface ClaimPlan {
  support: Support;
  /**
   * Trials that the budget buys in proportion to the shares.
   */
  trials: number;
  /**
   * Further trials that support the claim if no joint failure is seen on them; 0 where it is supported already, absent where no number would.
   */
  without_failure?: number | null;
  /**
   * Further trials that support the claim if joint failures go on as before; 0 where it is supported already, absent where no number would.
   */
  at_this_rate?: number | null;
  /**
   * Most joint failures among the budget's trials with which the claim is supported; absent where not even none is few enough.
   */
  failures_allowed?: number | null;
  /**
   * Probability that the budget's trials support the claim, by what the outcomes so far say about β.
   */
  chance: number;
  /**
   * The same if β is half the bound.
   */
  chance_at_half: number;
  /**
   * The same if β is a tenth of the bound.
   */
  chance_at_tenth: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section29 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Comparison;
}
/**
 * What changed between two tables, and what noise explains.
 */
export interface Comparison {
  /**
   * Layers that both tables have, in the order of the table before.
   */
  layers: string[];
  /**
   * Layers that only the table before has; left out.
   */
  only_before?: string[];
  /**
   * Layers that only the table after has; left out.
   */
  only_after?: string[];
  /**
   * Confidence level of the intervals.
   */
  level: number;
  beta: Change;
  /**
   * β at the earlier table's mix of strata; absent unless both tables have the same stratum columns.
   */
  standardised?: StandardisedChange | null;
  /**
   * Half the sum of absolute differences between the two tables' shares of strata: 0 for the same mix, 1 where no stratum is in both.
   */
  mix_distance?: number | null;
  /**
   * Each layer by itself.
   */
  rates: LayerChange[];
  ln_gap: Change;
  /**
   * Every two layers; empty beyond 64 layers.
   */
  pairs?: PairChange[];
  /**
   * P(some layer stops a benign trial); absent unless both tables have benign trials.
   */
  false_alarms?: Change | null;
  /**
   * Clusters that both tables have, by column; empty where nothing is paired.
   */
  paired?: PairedClusters[];
  /**
   * What is not comparable, and what the numbers rest on.
   */
  notes?: string[];
}
/**
 * One quantity before and after.
 */
export interface Change {
  before: Figure;
  after: Figure;
  change: Figure;
  /**
   * After over before; absent for logarithms, whose difference says it already. Without an event in one table it has one bound and no value.
   */
  ratio?: Figure | null;
  /**
   * What the rate before was counted from.
   */
  counted_before?: Counted | null;
  /**
   * What the rate after was counted from.
   */
  counted_after?: Counted | null;
  /**
   * Two-sided p-value of "no change"; absent where nothing can be tested.
   */
  p_value?: number | null;
  /**
   * The same after Benjamini–Hochberg over all changes of the comparison.
   */
  p_adjusted?: number | null;
  /**
   * Which test.
   */
  test?: ChangeTest | null;
  verdict: ChangeVerdict;
}
/**
 * What a rate was counted from.
 */
export interface Counted {
  /**
   * Trials that the estimate is about.
   */
  trials: number;
  /**
   * Of those, the trials with the event.
   */
  events: number;
}
/**
 * β with the earlier table's mix of attacks on both sides.
 */
export interface StandardisedChange {
  /**
   * The stratum columns.
   */
  columns: string[];
  beta: Change;
  mix: Figure;
  /**
   * Strata that only one table has, each as its levels joined by ` / `: not part of this change.
   */
  left_out?: string[];
  /**
   * Share of the earlier table's trials that lie in strata of both tables.
   */
  share_before: number;
  /**
   * The same of the later table's.
   */
  share_after: number;
}
/**
 * A layer's rate before and after.
 */
export interface LayerChange {
  /**
   * The layer.
   */
  layer: string;
  rate: Change;
}
/**
 * Two layers' dependence before and after.
 */
export interface PairChange {
  /**
   * First layer.
   */
  a: string;
  /**
   * Second layer.
   */
  b: string;
  ln_odds_ratio: Change;
  /**
   * Whether ½ was added to every cell of a table, because one was empty.
   */
  half_added: boolean;
}
/**
 * How many clusters of one column both tables have.
 */
export interface PairedClusters {
  /**
   * The cluster column.
   */
  column: string;
  /**
   * Clusters with attacks in the table before.
   */
  before: number;
  /**
   * Clusters with attacks in the table after.
   */
  after: number;
  /**
   * Clusters with attacks in both.
   */
  both: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section30 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Drift;
}
/**
 * What a monitor knows.
 */
export interface Drift {
  /**
   * The rate β₀ that it watches for being exceeded, as a probability.
   */
  rate: number;
  /**
   * With this probability or more there is never an alarm while the rate is not exceeded; for an uncertain reference, while β is not above what it was.
   */
  confidence: number;
  /**
   * Observations so far.
   */
  trials: number;
  /**
   * Their sum: joint failures.
   */
  failures: number;
  running_mean: Figure;
  /**
   * log10 of the evidence now: the capital of the gambler who started with 1.
   */
  log10_e: number;
  /**
   * The evidence now; absent where it is too large for a number.
   */
  e_value?: number | null;
  /**
   * log10 of the largest evidence so far.
   */
  log10_highest_e: number;
  /**
   * p-value that holds at every trial at once.
   */
  p_value: number;
  /**
   * The trial, from 1, at which the alarm was raised.
   */
  alarm_at?: number | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section31 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Checked;
}
/**
 * Rates after checks by hand.
 */
export interface Checked {
  corrects: Corrects;
  /**
   * Groups, with their checks.
   */
  groups: CheckedGroup[];
  /**
   * β as it was recorded.
   */
  recorded: number;
  beta: Figure;
  without_records: Figure;
  /**
   * p_i after the same checks, by layer.
   */
  layers: CheckedLayer[];
  gap: Figure;
  /**
   * β for assumed errors of the grader, on the recorded outcomes.
   */
  judge_errors: JudgeErrors[];
  /**
   * What to know.
   */
  notes: string[];
}
/**
 * What a group's checks say.
 */
export interface CheckedGroup {
  group: CheckGroup;
  /**
   * Trials in it.
   */
  trials: number;
  /**
   * Trials that were checked.
   */
  checked: number;
  /**
   * Of those, on how many all layers truly failed.
   */
  genuine: number;
  /**
   * Of those, how many cannot be told.
   */
  ambiguous: number;
}
/**
 * A layer's rate after checks by hand.
 */
export interface CheckedLayer {
  /**
   * The layer.
   */
  layer: string;
  /**
   * Its rate as it was recorded, on trials on which it has an outcome; none where it has none.
   */
  recorded?: number | null;
  rate: Figure;
}
/**
 * How wrong a grader would have to be: β for assumed error rates.
 */
export interface JudgeErrors {
  /**
   * P(a layer that held is recorded as failed), each layer by itself.
   */
  false_failure: number;
  /**
   * P(a layer that failed is recorded as held), each layer by itself.
   */
  false_hold: number;
  /**
   * Share of trials on which one error records all layers as failed.
   */
  shared: number;
  beta: Figure;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section32 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: Lineage;
}
/**
 * How layers with shared attributes fail together, their tree, and which are one layer in truth.
 */
export interface Lineage {
  /**
   * One attribute at a time, by name.
   */
  attributes: SharedAttribute[];
  /**
   * All attributes in one regression; absent where fewer than two can be tested.
   */
  together?: SharedTogether | null;
  /**
   * Layers of the tree: node i is layer i.
   */
  leaves: string[];
  /**
   * What the tree joins, nearest first: merge m is node `leaves.len() + m`, and the last is the root.
   */
  merges: TreeMerge[];
  /**
   * Pairs of which one adds nothing or nearly nothing to the other, strongest first.
   */
  twins: TwinLayers[];
  /**
   * Layers that fail on the same attacks, each group to be counted as one layer: connected by twins of the kind [`TwinRelation::Same`].
   */
  one_layer: string[][];
  /**
   * What has to be known about it.
   */
  notes: string[];
}
/**
 * What sharing one attribute goes with.
 */
export interface SharedAttribute {
  /**
   * The attribute.
   */
  attribute: string;
  /**
   * Layers that have it, and a correlation with another layer that has it.
   */
  layers: number;
  /**
   * Its distinct values among them.
   */
  values: number;
  /**
   * Pairs in the regression whose layers share the value.
   */
  sharing: number;
  /**
   * Pairs in the regression whose layers do not.
   */
  others: number;
  /**
   * Pairs of these layers that are left out, because their correlation is undefined.
   */
  left_out: number;
  /**
   * Relabellings of the layers that what was seen was compared with.
   */
  relabellings: number;
  /**
   * Whether these are all that there are.
   */
  exact: boolean;
  /**
   * The smallest p value that groups of these sizes could give.
   */
  smallest_p?: number | null;
  r_sharing: Figure;
  r_others: Figure;
  tetrachoric: LineageEffect;
  log_odds: LineageEffect;
  /**
   * Why it was not tested, in words.
   */
  refused?: string | null;
}
/**
 * A coefficient of the regression over pairs.
 */
export interface LineageEffect {
  coefficient: Figure;
  /**
   * Two-sided p value by relabelling layers.
   */
  p_value?: number | null;
  /**
   * The same after Benjamini–Hochberg over the attributes tested in this way.
   */
  p_adjusted?: number | null;
}
/**
 * All attributes in one regression.
 */
export interface SharedTogether {
  /**
   * Layers that have every attribute.
   */
  layers: number;
  /**
   * Pairs in the regression.
   */
  pairs: number;
  /**
   * Pairs of these layers that are left out, because their correlation is undefined.
   */
  left_out: number;
  explained: Figure;
  /**
   * Each attribute beside the others.
   */
  attributes: SharedBeside[];
  /**
   * Why nothing was computed, in words.
   */
  refused?: string | null;
}
/**
 * What sharing one attribute goes with when the others stay as they are.
 */
export interface SharedBeside {
  /**
   * The attribute.
   */
  attribute: string;
  tetrachoric: LineageEffect;
  log_odds: LineageEffect;
  /**
   * Attributes that are shared by pairs in such a way that this one says nothing beyond them; it is left out of the regression.
   */
  follows_from?: string[];
}
/**
 * Two parts of the tree that are joined.
 */
export interface TreeMerge {
  /**
   * The node that holds the earlier layer.
   */
  left: number;
  /**
   * The other node.
   */
  right: number;
  /**
   * Mean of 1 − φ/φ_max over all pairs with a layer on each side; absent where no such pair has one.
   */
  distance?: number | null;
  /**
   * Layers under both.
   */
  layers: number;
}
/**
 * Two layers of which one adds nothing or nearly nothing to the other.
 */
export interface TwinLayers {
  /**
   * The layer that fails less often, or the first where both fail equally often.
   */
  a: string;
  /**
   * The layer that fails where it does.
   */
  b: string;
  relation: TwinRelation;
  /**
   * Whether φ/φ_max is at least 0.9 with confidence; else it looks so: 0.95 or more on at least 10 joint failures.
   */
  sure: boolean;
  /**
   * Σw of trials on which both failed.
   */
  both_failed: number;
  /**
   * Σw where only `a` failed.
   */
  only_a_failed: number;
  /**
   * Σw where only `b` failed.
   */
  only_b_failed: number;
  phi_relative: Figure;
  /**
   * φ/φ_max is at least this: the lower of its interval's end and the exact limit of P(b holds | a failed)/P(b holds), Σw taken as counts. Resampling cannot fill an empty cell, so the interval alone is too sure.
   */
  at_least?: number | null;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section33 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: CampaignRecord;
}
/**
 * A campaign as it stood when the run ended.
 */
export interface CampaignRecord {
  /**
   * Name.
   */
  name: string;
  /**
   * What is tested.
   */
  about?: string | null;
  /**
   * Seed of the order and of the operators.
   */
  seed: number;
  /**
   * Part of the work, `i/n`; none where it is whole.
   */
  shard?: string | null;
  attacks: Done;
  benign: Done;
  /**
   * The operators' sequences in use.
   */
  operators: string[];
  /**
   * Calls, retries included.
   */
  calls: number;
  /**
   * Sum of the layers' costs, where they have any.
   */
  cost?: number | null;
  /**
   * Seconds of the last run.
   */
  seconds: number;
  watched: Watched;
  /**
   * The rate as it stood when one trial in twenty more was finished, in the order of the run.
   */
  history?: WatchedPoint[];
  /**
   * The same by family of attacks.
   */
  families?: WatchedFamily[];
  /**
   * The layers.
   */
  layers: LayerRecord[];
  /**
   * Queries that beat every layer, kept in the local finds folder.
   */
  finds: number;
  /**
   * What an adaptive search did; it is no part of the rates above.
   */
  adaptive?: AdaptiveRecord | null;
  /**
   * Why the run ended before everything was finished.
   */
  ended_early?: string | null;
}
/**
 * How much of something is done.
 */
export interface Done {
  /**
   * Trials planned.
   */
  planned: number;
  /**
   * Trials finished.
   */
  finished: number;
}
/**
 * A rate with an interval that holds at every moment at once.
 */
export interface Watched {
  /**
   * Goals whose attacks are all finished.
   */
  goals: number;
  /**
   * Attacks in them.
   */
  trials: number;
  /**
   * Attacks that beat every layer.
   */
  joint_failures: number;
  /**
   * Attacks whose missing cells leave that open.
   */
  undetermined: number;
  /**
   * Mean over goals of the share of its attacks that beat every layer, open ones taken as held.
   */
  estimate?: number | null;
  /**
   * Lower limit, open trials taken as held.
   */
  low: number;
  /**
   * Upper limit, open trials taken as failed.
   */
  high: number;
  /**
   * Confidence of the two limits together.
   */
  confidence: number;
}
/**
 * A moment of a campaign.
 */
export interface WatchedPoint {
  /**
   * Attacks finished, whole goals only.
   */
  trials: number;
  /**
   * The rate so far.
   */
  estimate: number;
  /**
   * Lower limit.
   */
  low: number;
  /**
   * Upper limit.
   */
  high: number;
}
/**
 * A family's rate.
 */
export interface WatchedFamily {
  /**
   * The family.
   */
  family: string;
  /**
   * Goals whose attacks are all finished.
   */
  goals: number;
  /**
   * Attacks in them.
   */
  trials: number;
  /**
   * Attacks that beat every layer.
   */
  joint_failures: number;
  /**
   * Attacks whose missing cells leave that open.
   */
  undetermined: number;
  /**
   * Mean over goals of the share of its attacks that beat every layer, open ones taken as held.
   */
  estimate?: number | null;
  /**
   * Lower limit, open trials taken as held.
   */
  low: number;
  /**
   * Upper limit, open trials taken as failed.
   */
  high: number;
  /**
   * Confidence of the two limits together.
   */
  confidence: number;
}
/**
 * What a layer did.
 */
export interface LayerRecord {
  /**
   * Name.
   */
  name: string;
  /**
   * Its kind.
   */
  kind: string;
  /**
   * What it sees.
   */
  stage: string;
  /**
   * What the deployment does without a verdict: open, closed or unstated.
   */
  fails: string;
  /**
   * Calls, retries included; a call that gives several layers counts at the first.
   */
  calls: number;
  /**
   * Cells of attacks by word: held, failed, error, abstain, unparsed, censored.
   */
  cells: {
    [k: string]: number;
  };
  /**
   * Cells of benign prompts by word; held is a false alarm.
   */
  benign?: {
    [k: string]: number;
  };
  /**
   * Why cells have no outcome, the commonest reasons first, five at most.
   */
  reasons?: ReasonCount[];
  /**
   * Cells that are still open.
   */
  open: number;
  /**
   * Median, 95% and 99% quantile of the seconds of a call that gave an outcome, without waiting for its turn.
   *
   * @minItems 3
   * @maxItems 3
   */
  latency: [number | null, number | null, number | null];
  /**
   * Whether it was given up in the last run because it did not answer.
   */
  given_up: boolean;
  /**
   * The file in the campaign's folder where a person answers, where the layer is one.
   */
  waits_in?: string | null;
}
/**
 * A reason and how many cells have it.
 */
export interface ReasonCount {
  /**
   * The reason, in words.
   */
  reason: string;
  /**
   * Cells.
   */
  cells: number;
}
/**
 * What an adaptive search did: one attacker against all layers.
 */
export interface AdaptiveRecord {
  /**
   * The search.
   */
  search: string;
  /**
   * How much the attacker was told: `scores`, `verdicts`, `block` or `nothing`.
   */
  sees: string;
  /**
   * Whether every layer answered by itself, or only the pipeline did.
   */
  separable: boolean;
  /**
   * Longest sequence of operators; of a search whose prompts a model writes, prompts one after the other.
   */
  depth: number;
  queries: Done;
  /**
   * Goals.
   */
  goals: number;
  /**
   * Goals on which some query beat every layer.
   */
  beaten: number;
  /**
   * Queries whose missing outcomes leave open whether they beat every layer; they count as not.
   */
  undetermined?: number;
  /**
   * P(some query has beaten every layer) by queries on a goal. A goal that was not beaten counts as cut off at its last query, not as held.
   */
  stack?: Survival | null;
  /**
   * The same for each layer by itself.
   */
  layers: AdaptiveLayer[];
  /**
   * How what beat one layer fared against the others, where there are two to forty layers.
   */
  transfer?: Transfer[];
  /**
   * Sequences that beat every layer, those that did so on most goals first, twenty at most.
   */
  sequences?: AdaptiveSequence[];
  /**
   * Of all queries, those that beat every layer.
   */
  watched?: WatchedSearch | null;
  /**
   * With `importance`: the rate under the operational profile, from the last three quarters of the queries.
   */
  importance?: Importance | null;
  /**
   * What was tried where: family by outermost operator, the families with most queries first.
   */
  map?: SearchedCell[];
  /**
   * What was said, where a model wrote the prompts.
   */
  conversations?: Conversations | null;
  /**
   * Why the search ended before its queries were spent.
   */
  ended?: string | null;
}
/**
 * A survival curve.
 */
export interface Survival {
  /**
   * Lives.
   */
  lives: number;
  /**
   * Clusters.
   */
  clusters: number;
  /**
   * Lives that failed.
   */
  failed: number;
  /**
   * The curve, where it was asked for.
   */
  points: SurvivalPoint[];
  median: Figure;
}
/**
 * One point of a survival curve.
 */
export interface SurvivalPoint {
  /**
   * Tries.
   */
  tries: number;
  /**
   * Lives that were tried at least so often.
   */
  at_risk: number;
  /**
   * Lives that had failed by then.
   */
  failed: number;
  beaten: Figure;
}
/**
 * How long one layer withstood an adaptive search.
 */
export interface AdaptiveLayer {
  /**
   * The layer.
   */
  layer: string;
  /**
   * Goals on which it was the first layer to fail, alone or with others.
   */
  first: number;
  /**
   * Queries on which it gave no outcome; they are in no curve.
   */
  missing?: number;
  /**
   * P(some query has beaten it) by queries on a goal on which it gave an outcome.
   */
  survival?: Survival | null;
}
/**
 * Queries that beat one layer, and how many of them beat each.
 */
export interface Transfer {
  /**
   * The layer.
   */
  layer: string;
  /**
   * Queries that beat it.
   */
  queries: number;
  /**
   * How many of those beat each layer, in the layers' order.
   */
  also: number[];
}
/**
 * A sequence of operators that beat every layer.
 */
export interface AdaptiveSequence {
  /**
   * The sequence.
   */
  operator: string;
  /**
   * Goals on which it beat every layer.
   */
  goals: number;
  /**
   * Queries that were made with it.
   */
  queries: number;
}
/**
 * Queries of an adaptive search, with an interval that holds at every moment at once.
 */
export interface WatchedSearch {
  /**
   * Queries.
   */
  queries: number;
  /**
   * Queries that beat every layer.
   */
  joint_failures: number;
  /**
   * Queries whose missing outcomes leave that open.
   */
  undetermined: number;
  /**
   * Share of queries that beat every layer: the running mean of a rate that changes with what the attacker has learnt, and not β.
   */
  estimate?: number | null;
  /**
   * Lower limit of that running mean, open queries taken as held.
   */
  low: number;
  /**
   * Upper limit, open queries taken as failed.
   */
  high: number;
  /**
   * Confidence of the two limits together.
   */
  confidence: number;
}
/**
 * A rate under the profile, from importance sampling.
 */
export interface Importance {
  /**
   * Trials.
   */
  draws: number;
  /**
   * Clusters they are on.
   */
  clusters: number;
  /**
   * Trials that failed.
   */
  failures: number;
  /**
   * Trials that missing outcomes leave open; the interval holds either way.
   */
  undetermined: number;
  rate: Figure;
  /**
   * The largest weight of a trial that failed, as a share of all failures' weights: near 1, one trial decides everything.
   */
  heaviest?: number | null;
  /**
   * Trials of plain sampling that one of these is worth: β̂(1 − β̂) over the variance of w y.
   */
  worth?: number | null;
  /**
   * Trials that came from the profile itself.
   */
  plain: number;
  /**
   * How many of those failed.
   */
  plain_failures: number;
  plain_rate: Figure;
}
/**
 * The queries of a search on one family whose outermost operator was the same.
 */
export interface SearchedCell {
  /**
   * The family; empty where prompts have none.
   */
  family: string;
  /**
   * The outermost operator, or `plain`.
   */
  operator: string;
  /**
   * Queries.
   */
  queries: number;
  /**
   * How many of them beat every layer.
   */
  beat_all: number;
  /**
   * Most layers that failed on one of them.
   */
  farthest: number;
}
/**
 * The conversations of a search whose prompts a model writes.
 */
export interface Conversations {
  /**
   * Replies of the attacker's model, without those about whether a prompt keeps to its goal.
   */
  replies: number;
  /**
   * Those in which there was no prompt.
   */
  unreadable: number;
  /**
   * Prompts that were not sent because they had lost their goal.
   */
  off_topic: number;
  /**
   * Turns that were refused or stopped, and taken back.
   */
  taken_back: number;
  /**
   * Queries by their depth: which prompt in a row it was.
   */
  depths: ConversationDepth[];
}
/**
 * Queries at one depth of the conversations.
 */
export interface ConversationDepth {
  /**
   * From 1.
   */
  depth: number;
  /**
   * Queries.
   */
  queries: number;
  /**
   * Those that beat every layer.
   */
  beat_all: number;
  /**
   * Goals that fell here first.
   */
  first: number;
}
/**
 * A section of the results: its version and its content.
 */
export interface Section34 {
  /**
   * Version of this section's layout.
   */
  version: number;
  content: WhatIf;
}
/**
 * What can be computed again from a document alone.
 */
export interface WhatIf {
  /**
   * Recorded outcomes.
   */
  outcomes?: OutcomesBasis | null;
  /**
   * The model that predicts unseen units best among those that hold up.
   */
  model?: ModelBasis | null;
  /**
   * The failure-mode map with its numbers.
   */
  modes?: ModesBasis | null;
  /**
   * Why one of them is missing, in words.
   */
  left_out?: string[];
}
/**
 * The attack rows on which every layer has an outcome.
 */
export interface OutcomesBasis {
  /**
   * The layers. With several columns, a layer's threshold can be moved.
   */
  layers: LayerColumns[];
  patterns: Packed;
  pattern: Packed;
  trials: Packed;
  /**
   * Σw of each row; absent where all weights are 1.
   */
  weight?: Packed | null;
  /**
   * Σw² of each row; absent where all weights are 1.
   */
  squared_weight?: Packed | null;
  /**
   * Cluster of each row, for each cluster column.
   */
  clusters?: Packed[];
  /**
   * Bootstrap replicates.
   */
  replicates: number;
  /**
   * How often each cluster of a cluster column, or each row where there is none, was drawn: replicate by replicate.
   */
  drawn?: Packed[];
  /**
   * Scenarios that these rows can be put into, with the factor of every row's weight where strata are weighed again.
   */
  scenarios?: ChosenScenario[];
}
/**
 * A layer, and the columns that say whether it failed at each of its thresholds.
 */
export interface LayerColumns {
  /**
   * Name.
   */
  layer: string;
  /**
   * Columns, one a threshold.
   */
  columns: number[];
  /**
   * Thresholds; empty where outcomes were recorded and not scores.
   */
  thresholds?: number[];
  /**
   * Which of the columns the analysis used.
   */
  used: number;
}
/**
 * A scenario as it can be chosen.
 */
export interface ChosenScenario {
  scenario: Scenario;
  /**
   * Factor of each row's weight.
   */
  factor?: Packed | null;
}
/**
 * A named change of the world. Everything is optional; what is not said stays as it is.
 */
export interface Scenario {
  /**
   * Name.
   */
  name: string;
  /**
   * What it stands for, in a sentence.
   */
  about?: string | null;
  /**
   * Distribution shift: shares of the levels of a stratum column, scaled to sum to 1; levels that are not named get none.
   */
  strata?: {
    [k: string]: {
      [k: string]: number;
    };
  };
  /**
   * Distribution shift of unknown direction: any within this KL radius (nats) of the tested one. The rate is then an upper bound.
   */
  radius?: number | null;
  /**
   * Prevalence of failure modes.
   */
  prevalence?: {
    [k: string]: number;
  };
  /**
   * Thresholds of layers with scores; outcomes are then read again.
   */
  thresholds?: {
    [k: string]: number;
  };
  /**
   * Layers that fail on every attack.
   */
  compromised?: string[];
  /**
   * Layers that attackers trained against, and the part of what they stopped that then gets through.
   */
  trained_against?: {
    [k: string]: number;
  };
  /**
   * Sets of layers that fail at once: contaminated training data, a deceptive model that they all trust.
   */
  common_failures?: CommonFailure[];
  /**
   * Cascades, in the order in which they happen.
   */
  cascades?: Cascade[];
  /**
   * An adaptive attacker.
   */
  attacker?: Attacker | null;
}
/**
 * A set of layers that fail at once.
 */
export interface CommonFailure {
  /**
   * The layers by name.
   */
  layers?: string[];
  /**
   * All layers with these attributes, for example training_data = "set A".
   */
  with?: {
    [k: string]: string;
  };
  /**
   * Share of attacks on which they fail together.
   */
  share: number;
}
/**
 * One layer's failure raises another's.
 */
export interface Cascade {
  /**
   * The layer that fails first.
   */
  from: string;
  /**
   * The layer that it weakens.
   */
  to: string;
  /**
   * Part of what `to` would have stopped that it then lets through.
   */
  strength: number;
}
/**
 * An adaptive attacker: how opaque the layers are, and whether they can be attacked apart.
 */
export interface Attacker {
  /**
   * Tries at each goal.
   */
  tries: number;
  feedback?: Feedback2;
  /**
   * Layers that the attacker sees from within (no opacity): they surely fail.
   */
  transparent?: string[];
}
/**
 * One model, draw by draw.
 */
export interface ModelBasis {
  /**
   * The model.
   */
  model: string;
  /**
   * The layers.
   */
  layers: string[];
  /**
   * Confidence level of the intervals.
   */
  level: number;
  /**
   * Draws of the posterior that these are thinned from; 0 where there is no posterior but only a best place.
   */
  of: number;
  nodes: Packed;
  weight: Packed;
  fail: Packed;
  /**
   * Scenarios that a model can be put into: all that change what layers do.
   */
  scenarios?: Scenario[];
  /**
   * Why rates of some sets are the model's assumption, in words.
   */
  assumption?: string | null;
}
/**
 * A map with numbers, draw by draw.
 */
export interface ModesBasis {
  /**
   * The techniques.
   */
  techniques: string[];
  /**
   * The failure modes.
   */
  modes: string[];
  /**
   * Confidence level of the intervals.
   */
  level: number;
  /**
   * Draws that these are thinned from.
   */
  of: number;
  /**
   * Draws.
   */
  draws: number;
  prevalence: Packed;
  susceptibility: Packed;
  leak: Packed;
  /**
   * Scenarios that the map can be put into.
   */
  scenarios?: Scenario[];
}
/**
 * Inputs and options.
 */
export interface Provenance {
  /**
   * The inputs with their SHA-256: outcomes, then the study, then maps.
   */
  inputs: InputRecord[];
  /**
   * The study's file, where there is one; it is among the inputs.
   */
  study?: string | null;
  ask: Ask;
  read: ReadOptions;
  analyze: AnalyzeOptions;
  /**
   * How models were fitted, where they were.
   */
  fit?: FitOptions | null;
}
/**
 * One input as it was read, for the results document.
 */
export interface InputRecord {
  /**
   * The path as it was given; `-` for standard input.
   */
  path: string;
  /**
   * Size in bytes.
   */
  bytes: number;
  /**
   * SHA-256 of the content, in hexadecimal.
   */
  sha256: string;
}
/**
 * What is asked.
 */
export interface Ask {
  /**
   * Parts.
   */
  parts: Part[];
  /**
   * Numbers of attempts on one goal.
   */
  attempts?: number[];
  /**
   * The cluster column of goals.
   */
  goal?: string | null;
  /**
   * Attributes by which the gap is split.
   */
  split_by?: string[];
  /**
   * Maps that take the place of the study's.
   */
  maps?: string[];
  /**
   * Claims to judge; all where none is named.
   */
  claims?: string[];
  /**
   * Judge every bound on outcomes by the limit that no further failure lowers.
   */
  strict?: boolean;
  /**
   * Whether the study's numbers are used with the map.
   */
  numbers?: boolean;
  /**
   * What is asked about a structure.
   */
  risk?: RiskAsk | null;
  /**
   * What limits a choice of layers.
   */
  select?: SelectAsk | null;
  /**
   * What thresholds have to keep to.
   */
  thresholds?: ThresholdAsk | null;
  /**
   * What to plan the next tests for.
   */
  plan?: PlanAsk | null;
  /**
   * Files with verdicts of people who checked trials.
   */
  labels?: string[];
  /**
   * What outcomes are compared with.
   */
  compare?: CompareAsk | null;
}
/**
 * What is asked about a structure.
 */
export interface RiskAsk {
  /**
   * When the system fails, in the place of what the study says.
   */
  fails?: string | null;
  /**
   * Cut sets to list.
   */
  listed?: number | null;
  /**
   * Common causes beside those of the study.
   */
  common_causes?: CommonCause[];
  /**
   * The input is a fault tree, read so.
   */
  fault_tree?: FaultTreeOptions | null;
}
/**
 * A group of layers with a common cause.
 */
export interface CommonCause {
  /**
   * Name.
   */
  name: string;
  /**
   * Members.
   */
  layers: string[];
  model: CauseModel;
  /**
   * Factors, as the model has them. Where none are given, β, MGL and α factors are learned from the outcomes.
   */
  factors?: number[];
  /**
   * Q, the rate at which a member fails by this group's shocks, alone or with others; where it is not given, the most that every member's rate has room for.
   */
  rate?: number | null;
  /**
   * Binomial failure rate: the rate Q_I of a member's failure of its own.
   */
  independent?: number | null;
  /**
   * Binomial failure rate: the rate μ of shocks that are not lethal.
   */
  shocks?: number | null;
  /**
   * Binomial failure rate: the chance ρ that a member fails in one of them.
   */
  chance?: number | null;
  /**
   * Binomial failure rate: the rate ω of shocks in which all members fail.
   */
  lethal?: number | null;
  /**
   * Shocks have the probability Q_k itself, as in other fault-tree tools: members then fail less often than Q where Q is not small.
   */
  rare_event_parameters?: boolean;
}
/**
 * How a fault tree is read.
 */
export interface FaultTreeOptions {
  /**
   * Hours that `system-mission-time` stands for.
   */
  mission_time: number;
  /**
   * Shocks of common causes have the probability Q_k itself, as in other fault-tree tools; else members keep their rate.
   */
  rare_event_parameters?: boolean;
}
/**
 * What limits a choice of layers; what each layer takes stands in the study.
 */
export interface SelectAsk {
  /**
   * What a choice may take of each thing that adds up, by name.
   */
  budgets?: {
    [k: string]: number;
  };
  /**
   * The most of all benign trials on which some chosen layer may raise an alarm.
   */
  false_alarm?: number | null;
  /**
   * At most so many layers that share a value of an attribute, by attribute.
   */
  at_most?: {
    [k: string]: number;
  };
  /**
   * Layers that are chosen whatever they bring.
   */
  forced?: string[];
  /**
   * Layers that are not to be had.
   */
  without?: string[];
  /**
   * Judge a choice by the mean over this share of the worst posterior draws.
   */
  worst?: number | null;
  /**
   * When the system fails, in the place of what the study says.
   */
  fails?: string | null;
  /**
   * Scenarios of the study: a choice is judged by the worst of them and the world as tested; `all` for all of them.
   */
  scenarios?: string[];
}
/**
 * What thresholds have to keep to.
 */
export interface ThresholdAsk {
  /**
   * The share of all benign trials that the whole stack may stop.
   */
  false_alarm?: number;
  /**
   * Probability with which the budget is kept.
   */
  confidence?: number;
}
/**
 * What to plan the next tests for, over what the study says; see [`PlanOptions`].
 */
export interface PlanAsk {
  /**
   * A claim of the study by its name, or one as `beta<=1e-3@0.95`.
   */
  claim?: string | null;
  /**
   * What can be spent.
   */
  budget?: number | null;
  /**
   * Stratum columns that trials can be chosen by.
   */
  strata?: string[];
  /**
   * Shares of operation, in the place of the study's.
   */
  shares?: {
    [k: string]: number;
  };
  /**
   * Cost of a trial.
   */
  cost?: number | null;
  /**
   * Cost of a trial of a stratum, beside the study's.
   */
  costs?: {
    [k: string]: number;
  };
  /**
   * Cost of running one layer on a trial that exists, beside the study's.
   */
  layer_costs?: {
    [k: string]: number;
  };
  /**
   * Cost of a joint failure checked by hand.
   */
  check_cost?: number | null;
  /**
   * New trials that every stratum gets, at least.
   */
  floor?: number | null;
  /**
   * Batches that the budget is spent in.
   */
  batches?: number | null;
}
/**
 * What outcomes are compared with.
 */
export interface CompareAsk {
  /**
   * Files with the earlier outcomes, read like the later ones.
   */
  before?: string[];
  /**
   * Clusters of one name in both are different things, not the same tested twice.
   */
  unpaired?: boolean;
  /**
   * The later rows are in the order in which attacks came: watch them as a stream.
   */
  stream?: boolean;
}
/**
 * Roles of columns, thresholds, joins. Everything that is not said is inferred, and what was inferred is in
 * [`crate::Loaded::notes`].
 */
export interface ReadOptions {
  /**
   * The layers' columns (in the order given); inferred when absent.
   */
  layers?: string[] | null;
  /**
   * Score thresholds by layer.
   */
  thresholds?: Threshold[];
  /**
   * Which scores fail, for every layer with a threshold that has none of its own.
   */
  fails_when?: FailsWhen | null;
  /**
   * Which side of a value failed, for layers of other tools' logs that have no threshold.
   */
  polarities?: Polarity[];
  /**
   * What an attack that gave up before it asked counts as, in JailbreakBench artifacts.
   */
  gave_up?: GaveUp | null;
  /**
   * Stratum columns.
   */
  strata?: string[];
  /**
   * Cluster columns; several are crossed.
   */
  clusters?: string[];
  /**
   * The undefended baseline's column.
   */
  baseline?: string | null;
  /**
   * The column that names trials; `trial` if there is one.
   */
  trial?: string | null;
  /**
   * The weight column; `weight` if there is one.
   */
  weight?: string | null;
  /**
   * The column that says attack, benign or adaptive; `label` if there is one.
   */
  label?: string | null;
  /**
   * The column that records in which order the layers were asked, as `a>b>c`.
   */
  order_from?: string | null;
  /**
   * Every input holds one layer, or one column names it: join them on [`Self::join`].
   */
  layer_from?: LayerFrom | null;
  /**
   * Columns that identify a trial across runs.
   */
  join?: string[];
  /**
   * Read only part `index` of `of`.
   */
  shard?: Shard | null;
}
/**
 * A layer's score threshold.
 */
export interface Threshold {
  /**
   * The layer.
   */
  layer: string;
  /**
   * The score at which it changes its mind.
   */
  value: number;
  /**
   * Which side fails.
   */
  fails_when?: FailsWhen | null;
}
/**
 * Which side of a layer's values failed.
 */
export interface Polarity {
  /**
   * The layer.
   */
  layer: string;
  fails_when: FailsWhen;
}
/**
 * One part of the work.
 */
export interface Shard {
  /**
   * Which part, from 1.
   */
  index: number;
  /**
   * Of how many.
   */
  of: number;
}
/**
 * Choices of an analysis. The same options, table and seed give the same digits.
 */
export interface AnalyzeOptions {
  seed: Seed;
  /**
   * Bootstrap replicates.
   */
  replicates: number;
  /**
   * Confidence level of the intervals.
   */
  level: number;
  exact: ExactInterval;
  /**
   * Order of a pipeline that stopped at the first layer that held.
   */
  order?: string[] | null;
  /**
   * Named groups of layers whose worth is asked for.
   */
  groups?: Group[];
}
/**
 * A named group of layers.
 */
export interface Group {
  /**
   * Name.
   */
  name: string;
  /**
   * Its layers.
   */
  layers: string[];
}
/**
 * Choices of a fit. The same options, table and seed give the same digits.
 */
export interface FitOptions {
  seed: Seed;
  /**
   * Confidence level of the intervals.
   */
  level: number;
  /**
   * Names of models, `stratified(NAME)`, or `all`.
   */
  models: string[];
  /**
   * Posterior draws of each model, over four chains.
   */
  draws: number;
  priors?: Priors;
  /**
   * Named sets of layers that may fail at once; all layers where none is named.
   */
  common_modes?: Group[];
  /**
   * Folds of clusters for held-out scores.
   */
  folds: number;
  /**
   * Refits to clusters drawn again.
   */
  refits: number;
  /**
   * Claims to judge.
   */
  claims?: Claim[];
  /**
   * Prior confidences for the conservative Bayesian bound.
   */
  confidences?: Claim[];
}
