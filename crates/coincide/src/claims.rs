//! What data can and cannot support about β: verdicts without a model, tests that a claim needs, what a prior confidence is
//! worth after failure-free tests, and a sequence of intervals that may be watched.
//!
//! * A claim β_S ≤ b at confidence c is *supported* when the one-sided upper limit of the estimate is at most b, *refuted* when the
//!   lower limit is above b, else *undecidable*. n = ⌈ln(1 − c)/ln(1 − b)⌉ independent clusters without a failure would support it.
//! * Conservative Bayes (Bishop, Bloomfield, Littlewood, Povyakalo and Wright 2011; Strigini and Zhao 2020): from prior confidence θ
//!   that β ≤ ε, after n trials without failure, P(β ≤ b) ≥ θ(1 − ε)ⁿ/[θ(1 − ε)ⁿ + (1 − θ)(1 − b)ⁿ] for b ≥ ε. After a failure it is 0.
//! * Confidence sequence (Robbins 1970): all β with B(x + ½, n − x + ½)/B(½, ½) < β^x (1 − β)^{n−x}/(1 − c). It holds at all n at once, so looking
//!   early costs nothing.

use crate::error::{Error, Result};
use crate::figure::{Interval, IntervalMethod};
use crate::interval::Proportion;
use crate::layers::LayerSet;
use crate::outcome::{JointOutcomes, Label};
use crate::sample::{ExactInterval, Missing, RateOptions, Sample, Upper};
use crate::structure::Structure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bound on the rate at which a set of layers fails together, and the confidence asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The layers; empty for all of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub layers: Vec<String>,
    /// The rate is at most this.
    pub at_most: f64,
    /// One-sided confidence asked for, or the confidence of a prior.
    pub confidence: f64,
}

impl Claim {
    /// `beta<=1e-4@0.95`, or `beta(filter,judge)<=1e-3@0.9`.
    pub fn text(&self) -> String {
        let set = if self.layers.is_empty() { String::new() } else { format!("({})", self.layers.join(",")) };
        format!("beta{set}<={}@{}", self.at_most, self.confidence)
    }
}

impl std::str::FromStr for Claim {
    type Err = String;
    /// Reads what [`Claim::text`] writes; ≤ and spaces are allowed.
    ///
    /// ```
    /// let c: coincide::Claim = "beta(a, b) <= 1e-3 @ 0.9".parse()?;
    /// assert_eq!((c.layers.len(), c.at_most, c.confidence), (2, 1e-3, 0.9));
    /// assert!("beta<2@0.9".parse::<coincide::Claim>().is_err());
    /// # Ok::<(), String>(())
    /// ```
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = |why: &str| format!("{why}; expected beta<=RATE@CONFIDENCE or beta(LAYER,LAYER)<=RATE@CONFIDENCE, for example beta<=1e-4@0.95");
        let (set, rest) = text.split_once("<=").or_else(|| text.split_once('≤')).ok_or_else(|| wrong("there is no <="))?;
        let (bound, confidence) = rest.rsplit_once('@').ok_or_else(|| wrong("there is no @"))?;
        let inside = |x: &str, what: &str| match x.trim().parse::<f64>() {
            Ok(v) if v > 0.0 && v < 1.0 => Ok(v),
            Ok(v) => Err(wrong(&format!("{what} {v} is not between 0 and 1"))),
            Err(_) => Err(wrong(&format!("{what} `{}` is not a number", x.trim()))),
        };
        let name = set.trim();
        let layers = match name.strip_prefix("beta").or_else(|| name.strip_prefix('β')).map(str::trim) {
            Some("") => Vec::new(),
            Some(list) => {
                let list = list.strip_prefix('(').and_then(|l| l.strip_suffix(')')).ok_or_else(|| wrong("the layers are not in brackets"))?;
                list.split(',').map(|l| l.trim().to_owned()).collect()
            }
            None => return Err(wrong(&format!("`{name}` is not beta"))),
        };
        Ok(Claim { layers, at_most: inside(bound, "the rate")?, confidence: inside(confidence, "the confidence")? })
    }
}

/// What data alone say about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The upper limit lies at or below the bound.
    Supported,
    /// The lower limit lies above the bound.
    Refuted,
    /// Neither.
    Undecidable,
}

/// What supports a claim, and what does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Support {
    /// The claim.
    pub claim: Claim,
    /// The verdict without any model.
    pub verdict: Verdict,
    /// One-sided limits at the claim's confidence: Clopper–Pearson, or Korn–Graubard with clusters or weights.
    pub limits: Interval,
    /// The upper limit that no further failure would lower, where it is above the other: few clusters can make failures look less clustered than they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strict_limit: Option<f64>,
    /// What one test is: `trial`, or the cluster column.
    pub unit: String,
    /// Units seen, as so many equal ones.
    pub units: f64,
    /// Units on which all layers of the claim failed at least once, or may have where outcomes are missing.
    pub with_failure: f64,
    /// Units without a single failure that would support the claim, its scenario taken into account; absent where no number would.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needed_without_failure: Option<f64>,
    /// Units, those seen among them, that would decide if further ones are like them; absent where the verdict stands, no failure was seen, or no number would.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needed_at_this_rate: Option<f64>,
    /// Each cluster column: how many clusters there are and how many hold a failure.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub spread: Vec<UnitSpread>,
    /// Conservative Bayesian confidence in the claim, per stated prior confidence.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub conservative_bayes: Vec<ConservativeBayes>,
    /// Interval that holds however often one looks, at the claim's confidence, for independent units that are alike; absent where
    /// clusters differ in size or trials in weight. For clusters it is about the share of clusters with a joint failure, which
    /// bounds β from above only; under attacks that adapt to earlier results, about the running mean of the conditional rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequence: Option<Interval>,
    /// What each model says.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub models: Vec<ModelSupport>,
}

/// How failures lie in the clusters of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnitSpread {
    /// The cluster column.
    pub column: String,
    /// Clusters.
    pub clusters: f64,
    /// Clusters with a failure, or with one that may have been where outcomes are missing.
    pub with_failure: f64,
}

/// A prior confidence after the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConservativeBayes {
    /// What was believed before: β ≤ ε with this confidence.
    pub prior: Claim,
    /// Least P(β ≤ b) after the data; absent where the bound is below ε.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f64>,
    /// Why there is none, or why it is 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// A model's posterior probability of a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSupport {
    /// The model.
    pub model: String,
    /// P(β ≤ b | data, model).
    pub probability: f64,
    /// Whether the model reproduces the tail and its chains have mixed.
    pub admissible: bool,
    /// The data cannot test what the model says about these layers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumption: bool,
}

/// Independent units without a failure that support β ≤ b at confidence c: ⌈ln(1 − c)/ln(1 − b)⌉.
///
/// ```
/// assert_eq!(coincide::tests_needed(1e-4, 0.95), 29956.0);
/// ```
pub fn tests_needed(at_most: f64, confidence: f64) -> f64 {
    ((-confidence).ln_1p() / (-at_most).ln_1p()).ceil()
}

/// Conservative Bayesian lower bound of P(β ≤ b) after n independent failure-free units, from P(β ≤ ε) ≥ θ. `None` for b < ε.
///
/// ```
/// // 90% sure of 1e-5 beforehand: 10,000 quiet tests make 96% of "β ≤ 1e-4".
/// let c = coincide::conservative_bayes(1e-4, 10_000.0, 1e-5, 0.9).unwrap();
/// assert!((c - 0.9568).abs() < 1e-3);
/// ```
pub fn conservative_bayes(at_most: f64, quiet: f64, epsilon: f64, theta: f64) -> Option<f64> {
    (at_most >= epsilon).then(|| {
        // Odds against, in log space: (1 − θ)/θ · ((1 − b)/(1 − ε))ⁿ.
        let ln_against = ((1.0 - theta) / theta).ln() + quiet * ((-at_most).ln_1p() - (-epsilon).ln_1p());
        1.0 / (1.0 + ln_against.exp())
    })
}

/// Anytime-valid interval for the rate of `x` events in `n` independent units (Beta(½, ½) mixture).
///
/// ```
/// let i = coincide::confidence_sequence(0.0, 1000.0, 0.95);
/// // Wider than the 0.37% of a single look, and true at every n at once.
/// assert!(i.low == Some(0.0) && i.high.unwrap() > 0.0037 && i.high.unwrap() < 0.009);
/// ```
pub fn confidence_sequence(x: f64, n: f64, confidence: f64) -> Interval {
    let ln_beta = |a: f64, b: f64| libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let ln_mixture = ln_beta(x + 0.5, n - x + 0.5) - ln_beta(0.5, 0.5);
    let limit = ln_mixture + (-confidence).ln_1p();
    // Inside while the likelihood is above the limit; concave in the logit on either side of x/n.
    let inside = |t: f64| {
        let ln = |t: f64| t.min(0.0) - (-t.abs()).exp().ln_1p();
        let part = |count: f64, ln: f64| if count > 0.0 { count * ln } else { 0.0 };
        part(x, ln(t)) + part(n - x, ln(-t)) > limit
    };
    let peak = if n <= 0.0 { 0.0 } else { ((x + 1e-9) / (n - x + 1e-9)).ln() };
    let edge = |outside: f64| {
        let (mut a, mut b) = (peak, outside);
        // 800·2⁻⁷⁰ is below the spacing of doubles.
        for _ in 0..70 {
            let m = 0.5 * (a + b);
            if inside(m) { a = m } else { b = m }
        }
        crate::special::logistic(a)
    };
    let low = if x <= 0.0 { 0.0 } else { edge(-800.0) };
    let high = if x >= n { 1.0 } else { edge(800.0) };
    Interval { low: Some(low), high: Some(high), level: confidence, method: IntervalMethod::AnytimeValid }
}

/// Verdicts on claims, without a model.
///
/// Fails when a claim or prior names a layer that the table does not have, when a claim's confidence is not above ½, and with
/// [`Error::NoTrials`] without attack rows.
pub fn claims(table: &JointOutcomes, claims: &[Claim], priors: &[Claim], exact: ExactInterval, stops_early: bool) -> Result<Vec<Support>> {
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    if sample.len() == 0 {
        return Err(Error::NoTrials);
    }
    claims
        .iter()
        .map(|claim| {
            let set = set_of(table, &claim.layers)?;
            let system = Structure::all(&set, table.layers());
            let options = one_sided_options(claim.confidence, exact, stops_early)?;
            let mut support = judge(table, &sample, &Judged::of(&sample, &system, claim.at_most, options), claim, options);
            for prior in priors {
                let about_it = set_of(table, &prior.layers)? == set;
                support.conservative_bayes.push(conservative(prior, about_it, &support));
            }
            Ok(support)
        })
        .collect()
}

/// Options of the interval whose ends hold at a claim's confidence each. Fails unless it is above ½.
pub(crate) fn one_sided_options(confidence: f64, exact: ExactInterval, stops_early: bool) -> Result<RateOptions> {
    if confidence <= 0.5 || confidence >= 1.0 {
        return Err(Error::OutOfRange { what: "a claim's confidence", expected: "above 0.5 and below 1", got: confidence });
    }
    let missing = if stops_early { Missing::Selected } else { Missing::AtRandom };
    Ok(RateOptions { level: 2.0 * confidence - 1.0, exact, missing, upper: Upper::Published })
}

/// What a claim is judged by: the sums of the rate with open trials held, and with open trials failed.
pub(crate) struct Judged {
    pub low: Proportion,
    pub high: Proportion,
    pub limits: Interval,
    /// The upper limit that no further failure lowers, where clusters or weights make it differ.
    pub strict: Option<f64>,
    /// Largest tested rate that supports the claim; the claim's own bound unless a scenario allows worse worlds than the tested one.
    pub tested: f64,
    /// Whether a rate above the bound refutes the claim: not where rates are upper bounds over several worlds.
    pub refutable: bool,
}

impl Judged {
    /// Of the rate at which a system fails on these rows. What was not observed may be a failure, or not: a verdict must hold either way.
    pub(crate) fn of(sample: &Sample, system: &Structure, at_most: f64, options: RateOptions) -> Self {
        let outcome = |r: usize| system.outcome(sample.failed(r), sample.observed(r));
        let low = sample.proportion(|r| Some(outcome(r) == Some(true)));
        let high = sample.proportion(|r| Some(outcome(r) != Some(false)));
        Self::from(sample, low, high, at_most, options)
    }
    pub(crate) fn from(sample: &Sample, low: Proportion, high: Proportion, at_most: f64, options: RateOptions) -> Self {
        let limits = Interval { low: sample.interval(&low, options).low, ..sample.interval(&high, options) };
        let limits = Interval { level: 0.5 * (1.0 + options.level), ..limits };
        let strict = sample.interval(&high, RateOptions { upper: Upper::NeverFalls, ..options }).high.filter(|h| limits.high.is_some_and(|p| *h > p));
        Judged { low, high, limits, strict, tested: at_most, refutable: true }
    }
}

/// The verdict that limits give.
pub(crate) fn verdict(limits: &Interval, at_most: f64) -> Verdict {
    match (limits.low, limits.high) {
        (_, Some(high)) if high <= at_most => Verdict::Supported,
        (Some(low), _) if low > at_most => Verdict::Refuted,
        _ => Verdict::Undecidable,
    }
}

/// Judges one claim.
pub(crate) fn judge(table: &JointOutcomes, sample: &Sample, judged: &Judged, claim: &Claim, options: RateOptions) -> Support {
    let coarsest = (0..sample.factors.len()).min_by_key(|&f| sample.factors[f]);
    // What was not observed may have been a failure: only then is what follows on the safe side.
    let p = &judged.high;
    let (factor, unit) = match coarsest {
        Some(f) => (&p.factors[f], table.clusters()[f].name.clone()),
        None => (&p.factors[0], "trial".to_owned()),
    };
    let with_failure = factor.with_failure;
    // Unequal clusters or weights count as fewer equal ones (Kish).
    let units = p.weight * p.weight / factor.squared_weight;
    let equal = (units - factor.clusters).abs() < 1e-9 * units;
    let sequence = equal.then(|| {
        let i = confidence_sequence(with_failure, units, claim.confidence);
        // A cluster with a joint failure may hold trials without, and an open trial may have none: then only the upper end
        // speaks of β.
        let exact = coarsest.is_none() && judged.low.failed >= judged.high.failed;
        if exact { i } else { Interval { low: Some(0.0), ..i } }
    });
    let spread = (0..sample.factors.len())
        .map(|f| UnitSpread { column: table.clusters()[f].name.clone(), clusters: p.factors[f].clusters, with_failure: p.factors[f].with_failure })
        .collect();
    let verdict = verdict(&judged.limits, claim.at_most);
    let times = if verdict == Verdict::Undecidable { times_to_decide(sample, judged, options) } else { None };
    Support {
        claim: claim.clone(),
        verdict,
        limits: judged.limits,
        strict_limit: judged.strict,
        unit,
        units,
        with_failure,
        needed_without_failure: Some(tests_needed(judged.tested, claim.confidence)).filter(|n| *n < MOST_NEEDED),
        needed_at_this_rate: times.map(|m| (m * factor.clusters).ceil()),
        spread,
        conservative_bayes: Vec::new(),
        sequence,
        models: Vec::new(),
    }
}

fn conservative(prior: &Claim, about_it: bool, s: &Support) -> ConservativeBayes {
    let (confidence, why) = if !about_it {
        (None, Some("the prior is about other layers".to_owned()))
    } else if s.with_failure > 0.0 {
        (Some(0.0), Some("a joint failure was seen: without a stated positive lower bound of β nothing is left".to_owned()))
    } else {
        let c = conservative_bayes(s.claim.at_most, s.units, prior.at_most, prior.confidence);
        (c, c.is_none().then(|| "the claim is stronger than the prior".to_owned()))
    };
    ConservativeBayes { prior: prior.clone(), confidence, why }
}

/// Units without a failure beyond which no number is given.
const MOST_NEEDED: f64 = 1e15;

/// How many times as many clusters would be looked for.
const MOST_TIMES: f64 = 1e7;

/// By how much the evidence must grow for a verdict, if further clusters are like those seen: the limits of the same sums with m times the clusters. `None` where
/// no amount that can be thought of decides.
fn times_to_decide(sample: &Sample, judged: &Judged, options: RateOptions) -> Option<f64> {
    if judged.high.failed <= 0.0 {
        return None;
    }
    let decided = |m: f64| {
        let (low, high) = (sample.interval(&judged.low.grown(m), options), sample.interval(&judged.high.grown(m), options));
        let low = if judged.refutable { low.low } else { Some(0.0) };
        verdict(&Interval { low, ..high }, judged.tested) != Verdict::Undecidable
    };
    let (mut low, mut high) = (1.0, 2.0);
    while !decided(high) {
        low = high;
        high *= 2.0;
        if high > MOST_TIMES {
            return None;
        }
    }
    while high / low > 1.0 + 1e-3 {
        let mid = (low * high).sqrt();
        if decided(mid) { high = mid } else { low = mid }
    }
    Some(high)
}

/// The set that a claim is about.
pub(crate) fn set_of(table: &JointOutcomes, layers: &[String]) -> Result<LayerSet> {
    let k = table.layers().len();
    if layers.is_empty() {
        return Ok(LayerSet::all(k));
    }
    Ok(LayerSet::of(k, &layers.iter().map(|l| table.layer(l)).collect::<Result<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand::Rng;

    /// Watched after every unit, the sequence misses the truth in at most 5% of runs; a fixed-size interval would not hold.
    #[test]
    fn the_confidence_sequence_holds_at_every_look() {
        for truth in [0.5, 0.02] {
            let missed = (0..200)
                .filter(|&run| {
                    let mut rng = Seed(1).stream(Purpose::Simulation, run);
                    let mut x = 0.0;
                    (1..=500).any(|n| {
                        x += f64::from(u8::from(rng.random_bool(truth)));
                        let i = confidence_sequence(x, f64::from(n), 0.95);
                        !i.contains(truth)
                    })
                })
                .count();
            assert!(missed <= 18, "{truth}: {missed} of 200");
        }
    }

    /// What was not observed may have been a failure: nothing here may rest on its having been none.
    #[test]
    fn open_trials_count_against_a_claim() {
        use crate::outcome::{Columns, Outcome, Reason, TableBuilder, TrialRow};
        let columns = Columns { layers: vec!["a".into(), "b".into()], clusters: vec!["g".into()], ..Columns::default() };
        let mut b = TableBuilder::new(columns).unwrap();
        for t in 0..1000 {
            let second = if t < 10 { Outcome::Missing(Reason::Error) } else { Outcome::Held };
            let goal = format!("{}", if t < 900 { t } else { 900 });
            b.add(&TrialRow { outcomes: &[Outcome::Failed, second], clusters: &[&goal], ..TrialRow::default() });
        }
        let claim = |text: &str| text.parse::<Claim>().unwrap();
        let s = claims(&b.finish(), &[claim("beta<=1e-3@0.95")], &[claim("beta<=1e-5@0.9")], ExactInterval::ClopperPearson, false).unwrap();
        assert_eq!(s[0].with_failure, 10.0);
        assert_eq!(s[0].verdict, Verdict::Undecidable);
        assert_eq!(s[0].conservative_bayes[0].confidence, Some(0.0));
        // One cluster holds a hundred trials: 901 unequal clusters are worth about 92 equal ones, and shares of clusters say nothing about β.
        assert!(s[0].units < 100.0 && s[0].sequence.is_none(), "{:?}", s[0]);
    }

    proptest::proptest! {
        /// Any text is a claim that is written as it was meant, or an error with an example.
        #[test]
        fn any_text_is_read_or_refused(text in "(beta|β)?[ (]*[a-z,]{0,4}[)]?(<=|≤|<)?[0-9e.+-]{0,6}@?[0-9.]{0,4}\\PC{0,3}") {
            match text.parse::<Claim>() {
                Ok(c) => assert_eq!(c.text().parse::<Claim>().unwrap(), c),
                Err(e) => assert!(e.contains("for example")),
            }
        }
    }

    #[test]
    fn claims_are_read_and_written() {
        for text in ["beta<=0.0001@0.95", "beta(a,b)<=0.01@0.9"] {
            assert_eq!(text.parse::<Claim>().unwrap().text(), text);
        }
        for wrong in ["beta<=1e-4", "beta>=1e-4@0.9", "gamma<=0.1@0.9", "beta<=0@0.9", "beta<=0.1@1", "beta a<=0.1@0.9", "beta<=x@0.5"] {
            let message = wrong.parse::<Claim>().unwrap_err();
            assert!(message.contains("for example"), "{message}");
        }
    }
}
