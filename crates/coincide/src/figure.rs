//! A number as it is reported: a value, its interval, and the reasons where one of them cannot be given.
//!
//! Nothing here is ever NaN or infinite: an end that is not bounded is `None`, a value that does not
//! exist is `None` with the reason in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an interval was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// Exact binomial (Clopper and Pearson 1934): independent, unweighted trials.
    ClopperPearson,
    /// Bayesian with Jeffreys' prior Beta(½, ½): independent, unweighted trials.
    Jeffreys,
    /// Clopper–Pearson at the effective sample size (Korn and Graubard 1998), made monotone.
    KornGraubard,
    /// Percentiles of the cluster bootstrap, expanded for few clusters (Hesterberg 2015).
    BootstrapPercentile,
    /// Bias-corrected and accelerated cluster bootstrap (Efron 1987).
    Bca,
    /// Normal interval from the linearised (influence function) cluster-robust variance.
    Linearised,
    /// Central quantiles of posterior draws.
    Posterior,
    /// Percentiles of fits to clusters (or trials) drawn again.
    Refits,
    /// Holds at every number of trials at once (Robbins 1970).
    AnytimeValid,
    /// On the log scale, from weighted means of clusters under importance sampling.
    ImportanceSampling,
    /// Student's, over independent shifts of a lattice: of a computation, not of data.
    Lattice,
    /// One-sided, from the limits of the rates it is made of.
    OneSided,
    /// From the limits of the two rates that a change is between (Newcombe 1998; Zou and Donner 2008).
    RecoveredLimits,
    /// Where twice the drop of the profile log-likelihood reaches its quantile, with the design effect of clusters.
    ProfileLikelihood,
}

/// A confidence interval. An end that the data leave open is `None` (`null` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end, or `None` where nothing bounds it from below.
    pub low: Option<f64>,
    /// Upper end, or `None` where nothing bounds it from above.
    pub high: Option<f64>,
    /// Confidence level, 0.95 unless asked otherwise.
    pub level: f64,
    /// How it was computed.
    pub method: IntervalMethod,
}

impl Interval {
    /// An interval whose infinite ends become open; `None` when an end is NaN.
    pub fn new(low: f64, high: f64, level: f64, method: IntervalMethod) -> Option<Self> {
        let end = |x: f64| x.is_finite().then_some(x);
        (!low.is_nan() && !high.is_nan()).then(|| Interval { low: end(low), high: end(high), level, method })
    }

    /// Whether `x` lies inside, open ends counting as unbounded.
    ///
    /// ```
    /// use coincide::{Interval, IntervalMethod};
    /// let i = Interval::new(f64::NEG_INFINITY, 2.0, 0.95, IntervalMethod::Bca).unwrap();
    /// assert!(i.contains(-1e9) && !i.contains(2.1));
    /// ```
    pub fn contains(&self, x: f64) -> bool {
        self.low.is_none_or(|l| l <= x) && self.high.is_none_or(|h| x <= h)
    }

    /// The interval with both ends mapped by an increasing function; a mapped infinity opens the end.
    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Option<Interval> {
        let low = self.low.map_or(f64::NEG_INFINITY, &f);
        let high = self.high.map_or(f64::INFINITY, &f);
        Interval::new(low, high, self.level, self.method)
    }
}

/// What the data alone allow, without sampling error: every value between the ends fits what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// Smallest value that fits, or `None` where nothing bounds it.
    pub low: Option<f64>,
    /// Largest value that fits, or `None` where nothing bounds it.
    pub high: Option<f64>,
}

impl Range {
    /// A range; infinite ends become open.
    pub fn new(low: f64, high: f64) -> Self {
        let end = |x: f64| x.is_finite().then_some(x);
        Range { low: end(low), high: end(high) }
    }
    /// Whether `x` lies in the range, up to 1e-12 of rounding.
    pub fn contains(&self, x: f64) -> bool {
        self.low.is_none_or(|l| l <= x + 1e-12 * (1.0 + x.abs())) && self.high.is_none_or(|h| x <= h + 1e-12 * (1.0 + x.abs()))
    }
}

/// A reported number: its value, its interval, what missing cells leave open, and why something is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// The estimate. Absent when it is undefined or only known to lie in `identified`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// The confidence interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval: Option<Interval>,
    /// The bias-corrected and accelerated bootstrap interval, where there are enough clusters for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bca: Option<Interval>,
    /// The values that fit what was seen, whatever the missing cells hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identified: Option<Range>,
    /// Why there is no value, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undefined: Option<String>,
}

impl Figure {
    /// A figure with a value; a value that is not finite becomes undefined with `why`.
    pub fn of(value: f64, why: &str) -> Self {
        if value.is_finite() { Figure { value: Some(value), ..Figure::default() } } else { Figure::undefined(why) }
    }
    /// A figure without a value, and the reason.
    pub fn undefined(why: impl Into<String>) -> Self {
        Figure { undefined: Some(why.into()), ..Figure::default() }
    }
    /// A figure known only to lie between two values.
    pub fn between(low: f64, high: f64) -> Self {
        Figure { identified: Some(Range::new(low, high)), ..Figure::default() }
    }
    /// The same with an interval.
    #[must_use]
    pub fn with(mut self, interval: Option<Interval>) -> Self {
        self.interval = interval;
        self
    }
    /// The same with what missing cells leave open.
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.identified = Some(Range::new(low, high));
        self
    }
}
