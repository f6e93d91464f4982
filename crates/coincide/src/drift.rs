//! Watching a stream of trials for a co-failure rate above a stated one, at every trial and without a planned end.
//!
//! Null hypothesis: whatever came before, the next observation x_t ∈ [0, 1] (1 where all layers failed, or the share of one cluster's trials on which they did) has a conditional mean of at most β₀. The evidence against
//! it is the capital of a gambler who starts with 1 and bets on every trial that the mean is higher. For an alternative β' > β₀ one bet multiplies the capital by 1 + λ(x − β₀) with λ = (β' − β₀)/(β₀(1 − β₀)), which for x ∈ {0, 1} is
//! the likelihood ratio of β' to β₀ (Waudby-Smith and Ramdas 2024, *JRSS B* 86, 1). With c the ratio of odds of β' to β₀, λ = (c − 1)/(1 + β₀(c − 1)), and
//!
//! 1 + λ(x − β₀) = (1 + (c − 1)x)/(1 + (c − 1)β₀),
//!
//! positive for every x in [0, 1], and linear in it: so for x between 0 and 1 its conditional mean under the null is still at most 1 + λ(β₀ − β₀) = 1. The capital is a nonnegative supermartingale, hence it ever reaches 1/α
//! with probability at most α (Ville 1939), and 1/(largest capital so far) is a p-value at every trial at once.
//!
//! The capital is spread over a fixed grid of 24 odds ratios c from 1.15 to 30, most of it near 2 (a doubling). Half of it is staked from the first trial on. The other half waits, and the part 10/((9 + r)(10 + r)) of it is staked right after
//! the r-th observation above 0, r = 1, 2, …: those moments are stopping times and the parts are fixed beforehand, so the sum with what still waits stays a nonnegative supermartingale that starts at 1. A change late in the stream is
//! found by what was staked shortly before. Bets on one c that began at different moments are multiplied by the same factors from then on, so their sum is one number: the state is 24 numbers however long the stream is. (These
//! are mixtures of e-processes over start times, not the sums of Shin, Ramdas and Rinaldo 2023, which control how often, not whether, an alarm is false.)
//!
//! **Zeros cost nothing, and never raise an alarm.** A zero multiplies every stake by 1/(1 + (c − 1)β₀) < 1 and leaves what waits as it is, so the capital falls; it can reach a new height only at an observation above 0 (indeed above β₀). And n zeros in a row
//! multiply by (1 + (c − 1)β₀)^−n, so it is enough to count them: [`DriftMonitor::observe_zeros`] takes the same time for any n, and the same digits come out as from zeros one by one.

use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::interval::clopper_pearson;
use crate::running_mean::running_mean_sequence;
use crate::special::beta_cdf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Number of alternatives.
const ALTERNATIVES: usize = 24;
/// Least and largest ratio of odds.
const ODDS: (f64, f64) = (1.15, 30.0);
/// Odds ratio on which most is staked, and the spread of its logarithm.
const LIKELIEST: (f64, f64) = (2.0, 0.5);
/// Share of the stakes that is spread evenly over the grid.
const EVENLY: f64 = 0.3;
/// Share of the capital that is staked after the first trial.
const LATER: f64 = 0.5;
/// After so many events half of what waited is staked.
const HALF_LIFE: f64 = 10.0;
/// Version of the stored state: it changes when the grid does.
const VERSION: u32 = 1;

/// Of every alternative: c − 1, c its ratio of odds to the rate, and ln of the share of the stakes on it.
fn alternatives() -> &'static [(f64, f64)] {
    static GRID: OnceLock<Vec<(f64, f64)>> = OnceLock::new();
    GRID.get_or_init(|| {
        let step = (ODDS.1 / ODDS.0).ln() / (ALTERNATIVES as f64 - 1.0);
        let ln_odds: Vec<f64> = (0..ALTERNATIVES).map(|j| ODDS.0.ln() + step * j as f64).collect();
        let bell: Vec<f64> = ln_odds.iter().map(|l| (-0.5 * ((l - LIKELIEST.0.ln()) / LIKELIEST.1).powi(2)).exp()).collect();
        let sum: f64 = bell.iter().sum();
        let share = |b: f64| (1.0 - EVENLY) * b / sum + EVENLY / ALTERNATIVES as f64;
        ln_odds.iter().zip(&bell).map(|(l, &b)| (l.exp_m1(), share(b).ln())).collect()
    })
}

/// ln of what still waits after `events` observations above 0, of a capital of 1.
fn ln_waiting(events: u64) -> f64 {
    (LATER * HALF_LIFE / (HALF_LIFE + events as f64)).ln()
}

/// ln(eᵃ + eᵇ).
fn ln_add(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// Watches a stream of trials for a rate above a stated one. What it knows can be stored as JSON and read again: a nightly run goes on where the last one stopped.
///
/// An alarm is false with probability at most 1 − confidence, over the whole stream, however long it is and however often one looks.
///
/// ```
/// use coincide::DriftMonitor;
/// let mut monitor = DriftMonitor::new(0.01, 0.95)?;
/// // One joint failure in a hundred, as promised.
/// for _ in 0..20 {
///     monitor.observe_zeros(99);
///     monitor.observe(1.0)?;
/// }
/// assert_eq!(monitor.alarm_at(), None);
/// // Then four in a hundred.
/// for _ in 0..40 {
///     monitor.observe_zeros(24);
///     monitor.observe(1.0)?;
/// }
/// assert!(monitor.alarm_at().is_some_and(|at| at > 2000));
/// assert!(monitor.p_value() <= 0.05);
/// # Ok::<(), coincide::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct DriftMonitor {
    version: u32,
    rate: f64,
    confidence: f64,
    /// Part of 1 − confidence that an uncertain reference has used up.
    spent: f64,
    trials: u64,
    /// Σ x.
    failures: f64,
    /// Observations above 0.
    events: u64,
    /// Zeros since the last of them.
    zeros: u64,
    /// ln of the stakes on each alternative, right after the last observation above 0.
    ln_stakes: Vec<f64>,
    ln_highest: f64,
    alarm_at: Option<u64>,
}

/// A monitor as it was stored, before it is looked at.
#[derive(Deserialize)]
struct Stored {
    version: u32,
    rate: f64,
    confidence: f64,
    spent: f64,
    trials: u64,
    failures: f64,
    events: u64,
    zeros: u64,
    ln_stakes: Vec<f64>,
    ln_highest: f64,
    alarm_at: Option<u64>,
}

impl TryFrom<Stored> for DriftMonitor {
    type Error = Error;
    fn try_from(s: Stored) -> Result<Self> {
        let wrong = |why: &str| Error::Stated(format!("this is not the stored state of a monitor: {why}; start a new one"));
        if s.version != VERSION {
            return Err(wrong(&format!("its version is {}, and this program's is {VERSION}", s.version)));
        }
        if s.ln_stakes.len() != ALTERNATIVES || !s.ln_stakes.iter().all(|l| l.is_finite()) {
            return Err(wrong(&format!("there must be {ALTERNATIVES} stakes, all of them numbers")));
        }
        if !(s.ln_highest.is_finite() && s.ln_highest >= 0.0 && s.failures.is_finite() && s.failures >= 0.0) {
            return Err(wrong("its evidence or its failures are not numbers from 0 on"));
        }
        if s.events.checked_add(s.zeros).is_none_or(|n| n > s.trials) || s.alarm_at.is_some_and(|at| at > s.trials) {
            return Err(wrong("it counts more than its trials"));
        }
        let mut monitor = DriftMonitor::with(s.rate, s.confidence, s.spent)?;
        monitor.trials = s.trials;
        monitor.failures = s.failures;
        monitor.events = s.events;
        monitor.zeros = s.zeros;
        monitor.ln_stakes = s.ln_stakes;
        monitor.ln_highest = s.ln_highest;
        monitor.alarm_at = s.alarm_at;
        Ok(monitor)
    }
}

/// What a monitor knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The rate β₀ that it watches for being exceeded, as a probability.
    pub rate: f64,
    /// With this probability or more there is never an alarm while the rate is not exceeded; for an uncertain reference, while β is not above what it was.
    pub confidence: f64,
    /// Observations so far.
    pub trials: u64,
    /// Their sum: joint failures.
    pub failures: f64,
    /// Mean of the observations, with an interval that holds for the running mean of the conditional rates at every trial at once.
    pub running_mean: Figure,
    /// log10 of the evidence now: the capital of the gambler who started with 1.
    pub log10_e: f64,
    /// The evidence now; absent where it is too large for a number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub e_value: Option<f64>,
    /// log10 of the largest evidence so far.
    pub log10_highest_e: f64,
    /// p-value that holds at every trial at once.
    pub p_value: f64,
    /// The trial, from 1, at which the alarm was raised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alarm_at: Option<u64>,
}

impl DriftMonitor {
    /// A monitor for rates above `rate`, with at most 1 − `confidence` false alarms in all. Fails unless both lie strictly between 0 and 1.
    pub fn new(rate: f64, confidence: f64) -> Result<Self> {
        DriftMonitor::with(rate, confidence, 0.0)
    }

    /// A monitor for rates above an earlier one that is only known from `failed` joint failures in `trials` independent trials.
    ///
    /// With α = 1 − confidence, β₀ is the one-sided upper Clopper–Pearson limit of the earlier rate at 1 − α/2, and the alarm is raised at evidence 2/α. If β has not risen, there is an alarm only if the earlier rate lies above its limit
    /// (at most α/2) or the stream raises a false alarm against β₀ (at most α/2): at most α together (Bonferroni). The p-value is 1/(largest evidence) + α/2 (Berger and Boos 1994, *JASA* 89, 1012). The
    /// price: a rise must be found against the limit, so with few earlier failures only a large one is.
    ///
    /// Fails unless 0 ≤ failed < trials and the confidence lies strictly between 0 and 1.
    ///
    /// ```
    /// let m = coincide::DriftMonitor::against(5.0, 1000.0, 0.95)?;
    /// // 0.5 % seen, up to 1.16 % at 97.5 %.
    /// assert!((m.rate() - 0.01163).abs() < 1e-4);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn against(failed: f64, trials: f64, confidence: f64) -> Result<Self> {
        check_confidence(confidence)?;
        if !(trials > 0.0 && trials.is_finite()) {
            return Err(Error::OutOfRange { what: "the number of earlier trials", expected: "above 0", got: trials });
        }
        if !(failed >= 0.0 && failed < trials) {
            return Err(Error::OutOfRange {
                what: "the number of earlier joint failures",
                expected: "0 or more, and fewer than the trials",
                got: failed,
            });
        }
        // The two-sided level 1 − α leaves α/2 above.
        let limit = clopper_pearson(failed, trials, confidence).high.unwrap_or(1.0);
        DriftMonitor::with(limit, confidence, 0.5 * (1.0 - confidence))
    }

    /// The same against an earlier stream of independent observations between 0 and 1: joint failures, or the means of clusters.
    ///
    /// Where all are 0 or 1 the limit is Clopper–Pearson's. For means it is Chernoff's, the largest mean μ with n·KL(mean ‖ μ) ≤ ln(2/α), which holds for any law on \[0, 1\] (Hoeffding 1963, *JASA* 58, 13, eq. 2.1). Fails without observations, on
    /// those outside of \[0, 1\], and where all are 1.
    ///
    /// ```
    /// let counted = coincide::DriftMonitor::against(2.0, 400.0, 0.95)?;
    /// let stream: Vec<f64> = (0..400).map(|t| if t < 2 { 1.0 } else { 0.0 }).collect();
    /// assert_eq!(coincide::DriftMonitor::against_stream(&stream, 0.95)?.rate(), counted.rate());
    /// // As many failures in means of halves: less is known of what they come from.
    /// let means: Vec<f64> = (0..400).map(|t| if t < 4 { 0.5 } else { 0.0 }).collect();
    /// assert!(coincide::DriftMonitor::against_stream(&means, 0.95)?.rate() > counted.rate());
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn against_stream(before: &[f64], confidence: f64) -> Result<Self> {
        check_confidence(confidence)?;
        if let Some(&got) = before.iter().find(|x| !(0.0..=1.0).contains(*x)) {
            return Err(Error::OutOfRange { what: "an observation", expected: "between 0 and 1", got });
        }
        let (sum, n) = (before.iter().sum::<f64>() + 0.0, before.len() as f64);
        if before.is_empty() {
            return Err(Error::NoTrials);
        }
        if before.iter().all(|x| *x == 0.0 || x.to_bits() == 1.0f64.to_bits()) {
            return DriftMonitor::against(sum, n, confidence);
        }
        let most = (2.0 / (1.0 - confidence)).ln() / n;
        let (mut low, mut high) = (sum / n, 1.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if divergence(sum / n, middle) <= most { low = middle } else { high = middle }
        }
        DriftMonitor::with(high.min(1.0f64.next_down()), confidence, 0.5 * (1.0 - confidence))
    }

    fn with(rate: f64, confidence: f64, spent: f64) -> Result<Self> {
        if !(rate > 0.0 && rate < 1.0) {
            return Err(Error::OutOfRange { what: "the rate that is watched", expected: "between 0 and 1", got: rate });
        }
        check_confidence(confidence)?;
        if !(spent >= 0.0 && confidence + spent < 1.0) {
            return Err(Error::OutOfRange { what: "what the reference has used up", expected: "0 or more, and below 1 − confidence", got: spent });
        }
        let ln_stakes = alternatives().iter().map(|(_, ln_share)| (1.0 - LATER).ln() + ln_share).collect();
        Ok(DriftMonitor {
            version: VERSION,
            rate,
            confidence,
            spent,
            trials: 0,
            failures: 0.0,
            events: 0,
            zeros: 0,
            ln_stakes,
            ln_highest: 0.0,
            alarm_at: None,
        })
    }

    /// Takes one observation: 1 where all layers failed, 0 where one held, or the mean over one cluster. Returns whether it raises the alarm; later observations go on adding to the evidence, and return `false`. Fails, and changes
    /// nothing, unless the observation lies between 0 and 1.
    ///
    /// The trials of one cluster are not independent, and the promise is about the mean of what comes next: hand in one mean a cluster, not trial after trial.
    pub fn observe(&mut self, x: f64) -> Result<bool> {
        if !(0.0..=1.0).contains(&x) {
            return Err(Error::OutOfRange { what: "an observation", expected: "between 0 and 1", got: x });
        }
        if x <= 0.0 {
            self.observe_zeros(1);
            return Ok(false);
        }
        self.trials = self.trials.saturating_add(1);
        self.failures += x;
        // The zeros since the last event and this observation, then what is staked anew.
        let many = self.zeros as f64 + 1.0;
        for (stake, (odds, _)) in self.ln_stakes.iter_mut().zip(alternatives()) {
            *stake += (x * odds).ln_1p() - many * (self.rate * odds).ln_1p();
        }
        self.zeros = 0;
        let ln_e = self.ln_e();
        self.ln_highest = self.ln_highest.max(ln_e);
        let raised = self.alarm_at.is_none() && ln_e >= -(1.0 - self.confidence - self.spent).ln();
        if raised {
            self.alarm_at = Some(self.trials);
        }
        // From what waited, HALF_LIFE + events of it, one part goes to the alternatives.
        self.events = self.events.saturating_add(1);
        let ln_moved = ln_waiting(self.events) - (HALF_LIFE + self.events as f64 - 1.0).ln();
        for (stake, (_, ln_share)) in self.ln_stakes.iter_mut().zip(alternatives()) {
            *stake = ln_add(*stake, ln_moved + ln_share);
        }
        Ok(raised)
    }

    /// Takes `n` observations of 0, in the time of one. They never raise an alarm.
    pub fn observe_zeros(&mut self, n: u64) {
        self.trials = self.trials.saturating_add(n);
        self.zeros = self.zeros.saturating_add(n);
    }

    /// The rate β₀ that is watched for being exceeded.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Observations so far.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// The trial, from 1, at which the alarm was raised; `None` while there was none.
    pub fn alarm_at(&self) -> Option<u64> {
        self.alarm_at
    }

    /// log10 of the evidence now: 0 at the start, above log10(1/α) from the alarm on until further zeros lower it again.
    pub fn log10_e(&self) -> f64 {
        self.ln_e() / std::f64::consts::LN_10
    }

    /// p-value of "the rate was never exceeded", true at every trial at once: 1 over the largest evidence so far, plus what an uncertain reference used up; at most 1.
    pub fn p_value(&self) -> f64 {
        ((-self.ln_highest).exp() + self.spent).min(1.0)
    }

    /// All of it, as a report prints it.
    pub fn report(&self) -> Drift {
        let (ln_e, trials) = (self.ln_e(), self.trials as f64);
        let running_mean = if self.trials == 0 {
            Figure::undefined("there is no observation yet")
        } else {
            Figure::of((self.failures / trials).min(1.0), "").with(Some(running_mean_sequence(self.failures, trials, self.confidence)))
        };
        Drift {
            rate: self.rate,
            confidence: self.confidence,
            trials: self.trials,
            failures: self.failures,
            running_mean,
            log10_e: ln_e / std::f64::consts::LN_10,
            e_value: Some(ln_e.exp()).filter(|e| e.is_finite()),
            log10_highest_e: self.ln_highest / std::f64::consts::LN_10,
            p_value: self.p_value(),
            alarm_at: self.alarm_at,
        }
    }

    /// ln of the capital: all stakes, brought to now, and what waits.
    fn ln_e(&self) -> f64 {
        let zeros = self.zeros as f64;
        let waiting = ln_waiting(self.events);
        let stakes: Vec<f64> = self.ln_stakes.iter().zip(alternatives()).map(|(s, (odds, _))| s - zeros * (self.rate * odds).ln_1p()).collect();
        let most = stakes.iter().copied().fold(waiting, f64::max);
        most + ((waiting - most).exp() + stakes.iter().map(|s| (s - most).exp()).sum::<f64>()).ln()
    }
}

/// KL divergence of two Bernoulli laws, in nats.
fn divergence(x: f64, mean: f64) -> f64 {
    let part = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    part(x, mean) + part(1.0 - x, 1.0 - mean)
}

fn check_confidence(confidence: f64) -> Result<()> {
    if confidence > 0.0 && confidence < 1.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { what: "the confidence", expected: "between 0 and 1", got: confidence })
}

/// Independent trials that the one-sided exact binomial test of β ≤ `rate` at level 1 − `confidence` needs to find β = `ratio` · `rate` with probability `power`: the smallest such number. What a monitor's delay is compared with.
///
/// For every critical count c, n(c) is the smallest n with P(X ≥ c | n, ratio · rate) ≥ power; the answer is n(c) for the smallest c with P(X ≥ c | n(c), rate) ≤ 1 − confidence. P(X ≥ c | n, p) = I_p(c, n − c + 1).
///
/// Fails unless 1e-12 ≤ rate, 1.001 ≤ ratio, ratio · rate < 1, and confidence and power lie strictly between 0 and 1.
///
/// ```
/// assert_eq!(coincide::fixed_sample_trials(0.01, 2.0, 0.95, 0.8)?, 905);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn fixed_sample_trials(rate: f64, ratio: f64, confidence: f64, power: f64) -> Result<u64> {
    check_confidence(confidence)?;
    if !(1e-12..1.0).contains(&rate) {
        return Err(Error::OutOfRange { what: "the rate", expected: "from 1e-12 to below 1", got: rate });
    }
    if !(1.001..f64::INFINITY).contains(&ratio) {
        return Err(Error::OutOfRange { what: "the ratio", expected: "1.001 or more", got: ratio });
    }
    let worse = rate * ratio;
    if worse >= 1.0 {
        return Err(Error::OutOfRange { what: "the rate to be found", expected: "below 1", got: worse });
    }
    if !(power > 0.0 && power < 1.0) {
        return Err(Error::OutOfRange { what: "the power", expected: "between 0 and 1", got: power });
    }
    let reached = |c: u64, n: u64, p: f64| beta_cdf(p, 1.0 - p, c as f64, (n - c) as f64 + 1.0);
    let needed = |c: u64| first(c, |n| reached(c, n, worse) >= power);
    let good = |c: u64| reached(c, needed(c), rate) <= 1.0 - confidence;
    // Quantiles of gamma distributions draw together as their shape grows, so "good" holds from some c on; small tables may differ by one step, which is gone back over.
    let mut c = first(1, good);
    while c > 1 && good(c - 1) {
        c -= 1;
    }
    Ok(needed(c))
}

/// The smallest whole number from `from` on with a property that holds from some number on.
fn first(from: u64, holds: impl Fn(u64) -> bool) -> u64 {
    if holds(from) {
        return from;
    }
    let (mut without, mut with) = (from, from.saturating_mul(2));
    while !holds(with) && with < 1 << 60 {
        (without, with) = (with, with.saturating_mul(2));
    }
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if holds(middle) { with = middle } else { without = middle }
    }
    with
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand::Rng;

    /// Zeros before the next joint failure.
    fn gap(rate: f64, rng: &mut impl Rng) -> u64 {
        let u: f64 = rng.random();
        ((-u).ln_1p() / (-rate).ln_1p()).floor() as u64
    }

    /// Trials until the alarm, at most `most`, when the rate is `first` up to trial `change` and `then` after it.
    fn stream(watched: f64, first: f64, change: u64, then: f64, most: u64, rng: &mut impl Rng) -> Option<u64> {
        let mut m = DriftMonitor::new(watched, 0.95).unwrap();
        while m.trials() < most {
            let mut zeros = if m.trials() < change { gap(first, rng) } else { gap(then, rng) };
            // Gaps have no memory: what lies beyond the change is drawn again.
            if m.trials() < change && m.trials() + zeros >= change {
                zeros = change - m.trials() + gap(then, rng);
            }
            if m.trials() + zeros >= most {
                return None;
            }
            m.observe_zeros(zeros);
            if m.observe(1.0).unwrap() {
                return m.alarm_at();
            }
        }
        None
    }

    fn alarms(streams: u64, seed: u64, one: impl Fn(&mut rand_chacha::ChaCha8Rng) -> Option<u64>) -> Vec<Option<u64>> {
        (0..streams).map(|s| one(&mut Seed(seed).stream(Purpose::Simulation, s))).collect()
    }

    #[test]
    fn the_stakes_and_what_waits_are_one() {
        let sum: f64 = alternatives().iter().map(|(_, l)| l.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        let m = DriftMonitor::new(0.01, 0.95).unwrap();
        assert!(m.log10_e().abs() < 1e-12 && (m.p_value() - 1.0).abs() < 1e-12);
        // What is staked anew is what no longer waits.
        for events in [1u64, 2, 100, 1_000_000] {
            let moved = (ln_waiting(events) - (HALF_LIFE + events as f64 - 1.0).ln()).exp();
            let gone = ln_waiting(events - 1).exp() - ln_waiting(events).exp();
            assert!((moved - gone).abs() < 1e-9 * moved.max(1e-12) + 1e-16, "{events}: {moved} against {gone}");
        }
    }

    /// One bet is fair at the rate itself, for outcomes and for shares, and loses below it.
    #[test]
    fn the_mean_of_a_step_is_one_at_the_rate() {
        for rate in [0.001, 0.01, 0.3, 0.9] {
            let e = |x: f64| {
                let mut m = DriftMonitor::new(rate, 0.95).unwrap();
                m.observe(x).unwrap();
                m.ln_e().exp()
            };
            let mean = |p: f64| p * e(1.0) + (1.0 - p) * e(0.0);
            assert!((mean(rate) - 1.0).abs() < 1e-12, "{rate}: {}", mean(rate));
            assert!(mean(0.5 * rate) < 1.0 && mean(rate + 0.5 * (1.0 - rate)) > 1.0);
            // Linear in the observation: shares bet like outcomes.
            assert!((e(0.25) - (0.25 * e(1.0) + 0.75 * e(0.0))).abs() < 1e-9 * e(1.0));
            assert!(e(0.0) < 1.0);
        }
    }

    #[test]
    fn at_most_one_in_twenty_quiet_streams_raises_an_alarm() {
        for rate in [0.01, 0.001] {
            let false_alarms = alarms(1000, 11, |rng| stream(rate, rate, 0, rate, 100_000, rng)).iter().flatten().count();
            println!("rate {rate}: {false_alarms} of 1000 streams of 100,000 trials");
            assert!(false_alarms <= 50, "rate {rate}: {false_alarms} of 1000");
            let better = alarms(200, 12, |rng| stream(rate, 0.5 * rate, 0, 0.5 * rate, 100_000, rng)).iter().flatten().count();
            assert!(better <= 2, "at half the rate: {better} of 200");
        }
    }

    #[test]
    fn a_doubling_is_found_about_as_soon_as_by_a_fixed_sample() {
        for rate in [0.01, 0.001] {
            let fixed = |power| fixed_sample_trials(rate, 2.0, 0.95, power).unwrap() as f64;
            let (n80, n90) = (fixed(0.8), fixed(0.9));
            let mut delay: Vec<f64> =
                alarms(1000, 13, |rng| stream(rate, 2.0 * rate, 0, 2.0 * rate, 1 << 40, rng)).iter().flatten().map(|&t| t as f64).collect();
            assert_eq!(delay.len(), 1000);
            delay.sort_by(f64::total_cmp);
            let (mean, median) = (delay.iter().sum::<f64>() / 1000.0, delay[500]);
            println!(
                "rate {rate}: mean {:.3}, median {:.3} of n at power 0.8; {:.3}, {:.3} of n at power 0.9",
                mean / n80,
                median / n80,
                mean / n90,
                median / n90
            );
            assert!(mean <= 1.5 * n80 && median <= 1.5 * n80, "rate {rate}: mean {mean}, median {median} against {n80}");
        }
    }

    /// After 200 quiet events the rate doubles. Capital staked at the start alone would need about 6 n80 to recover; what waited finds it in less than 3 at the median.
    #[test]
    fn a_change_in_mid_stream_is_found() {
        let (rate, change) = (0.01, 20_000);
        let n80 = fixed_sample_trials(rate, 2.0, 0.95, 0.8).unwrap() as f64;
        let all = alarms(300, 14, |rng| stream(rate, rate, change, 2.0 * rate, change + 200_000, rng));
        assert!(all.iter().all(Option::is_some), "some change was never found");
        let mut delay: Vec<f64> = all.iter().flatten().filter(|&&t| t > change).map(|&t| (t - change) as f64).collect();
        assert!(delay.len() > 270, "{} false alarms before the change", 300 - delay.len());
        delay.sort_by(f64::total_cmp);
        let median = delay[delay.len() / 2];
        println!("median delay {median}: {:.2} of n at power 0.8", median / n80);
        assert!(median < 3.5 * n80, "{median} against {n80}");
    }

    #[test]
    fn slow_twin_zeros_one_by_one_and_a_product_of_every_start() {
        let rate = 0.02;
        let mut rng = Seed(3).stream(Purpose::Simulation, 0);
        let (mut runs, mut singly) = (DriftMonitor::new(rate, 0.95).unwrap(), DriftMonitor::new(rate, 0.95).unwrap());
        let mut seen: Vec<f64> = Vec::new();
        for event in 0..40 {
            let zeros = gap(0.03, &mut rng);
            let x = if event % 3 == 0 { 0.4 } else { 1.0 };
            runs.observe_zeros(zeros);
            for _ in 0..zeros {
                assert!(!singly.observe(0.0).unwrap());
            }
            seen.extend(std::iter::repeat_n(0.0, zeros as usize));
            assert_eq!(runs.observe(x).unwrap(), singly.observe(x).unwrap());
            seen.push(x);
            assert!((runs.ln_e() - singly.ln_e()).abs() < 1e-12);
        }
        runs.observe_zeros(7);
        for _ in 0..7 {
            assert!(!singly.observe(0.0).unwrap());
        }
        seen.extend([0.0; 7]);
        assert_eq!(runs, singly);
        // As it is defined: every start with its part of the capital, trial by trial.
        let mut starts = vec![(0usize, 1.0 - LATER)];
        let (mut events, mut waiting) = (0.0, LATER);
        for (t, _) in seen.iter().enumerate().filter(|(_, x)| **x > 0.0) {
            events += 1.0;
            let part = LATER * HALF_LIFE / ((HALF_LIFE + events - 1.0) * (HALF_LIFE + events));
            starts.push((t + 1, part));
            waiting -= part;
        }
        let mut capital = waiting;
        for (start, part) in starts {
            for (odds, ln_share) in alternatives() {
                let other = rate * (1.0 + odds) / (1.0 + rate * odds);
                let lambda = (other - rate) / (rate * (1.0 - rate));
                capital += part * ln_share.exp() * seen[start..].iter().map(|x| 1.0 + lambda * (x - rate)).product::<f64>();
            }
        }
        assert!((capital.ln() - runs.ln_e()).abs() < 1e-10, "{} against {}", capital.ln(), runs.ln_e());
    }

    #[test]
    fn a_stored_monitor_goes_on() {
        let mut m = DriftMonitor::new(0.05, 0.9).unwrap();
        m.observe_zeros(10);
        m.observe(1.0).unwrap();
        m.observe_zeros(3);
        let text = serde_json::to_string(&m).unwrap();
        let mut again: DriftMonitor = serde_json::from_str(&text).unwrap();
        assert_eq!(again, m);
        assert_eq!(again.observe(0.5).unwrap(), m.observe(0.5).unwrap());
        assert_eq!(again, m);
        let broken = text.replace("\"version\":1", "\"version\":7");
        assert!(serde_json::from_str::<DriftMonitor>(&broken).unwrap_err().to_string().contains("version"));
        let short = text.replace("\"rate\":0.05", "\"rate\":1.5");
        assert!(serde_json::from_str::<DriftMonitor>(&short).is_err());
    }

    #[test]
    fn what_cannot_be_watched_is_refused() {
        assert!(DriftMonitor::new(0.0, 0.95).is_err() && DriftMonitor::new(1.0, 0.95).is_err() && DriftMonitor::new(f64::NAN, 0.95).is_err());
        assert!(DriftMonitor::new(0.1, 1.0).is_err());
        let mut m = DriftMonitor::new(0.1, 0.95).unwrap();
        let before = m.clone();
        assert!(m.observe(1.2).is_err() && m.observe(-0.1).is_err() && m.observe(f64::NAN).is_err());
        assert_eq!(m, before);
        assert!(DriftMonitor::against(10.0, 10.0, 0.95).is_err());
        // A high rate can still be exceeded.
        let mut high = DriftMonitor::new(0.9, 0.95).unwrap();
        assert!((0..200).any(|_| high.observe(1.0).unwrap()));
    }

    #[test]
    fn an_uncertain_reference_splits_the_error() {
        let m = DriftMonitor::against(0.0, 1000.0, 0.95).unwrap();
        assert!((m.rate() - (1.0 - 0.025f64.powf(0.001))).abs() < 1e-12);
        assert!((m.spent - 0.025).abs() < 1e-12 && m.p_value() <= 1.0);
        let stream: Vec<f64> = (0..1000).map(|i| if i < 5 { 1.0 } else { 0.0 }).collect();
        let of_stream = DriftMonitor::against_stream(&stream, 0.95).unwrap();
        let of_counts = DriftMonitor::against(5.0, 1000.0, 0.95).unwrap();
        assert_eq!(of_stream.rate(), of_counts.rate());
        // Chernoff's limit, by its equation.
        let means: Vec<f64> = (0..500).map(|i| if i % 10 == 0 { 0.25 } else { 0.0 }).collect();
        let limit = DriftMonitor::against_stream(&means, 0.95).unwrap().rate();
        assert!((500.0 * divergence(0.025, limit) - 40f64.ln()).abs() < 1e-6);
        // The alarm comes with evidence 2/α, and then p is at most α.
        let mut m = of_counts;
        while !m.observe(1.0).unwrap() {}
        assert!(m.ln_highest >= 40f64.ln() && m.p_value() <= 0.05 + 1e-12);
        assert_eq!(m.report().alarm_at, m.alarm_at());
    }

    #[test]
    fn fixed_sample_sizes_against_sums_of_binomial_probabilities() {
        // Computed with scipy.stats.binom.
        for (rate, power, n) in [(0.01, 0.8, 905), (0.01, 0.9, 1235), (0.001, 0.8, 9061), (0.001, 0.9, 12_375)] {
            assert_eq!(fixed_sample_trials(rate, 2.0, 0.95, power).unwrap(), n);
        }
        // Against every n and c, in the plain sum.
        let at_least = |c: u64, n: u64, p: f64| {
            let mut term = (1.0 - p).powi(n as i32);
            let mut below = 0.0;
            for x in 0..c {
                below += term;
                term *= (n - x) as f64 / (x + 1) as f64 * p / (1.0 - p);
            }
            1.0 - below
        };
        for (rate, ratio, power) in [(0.1, 3.0, 0.8), (0.2, 2.0, 0.9), (0.05, 5.0, 0.7)] {
            let finds = |n: u64| (1..=n).any(|c| at_least(c, n, rate) <= 0.05 && at_least(c, n, rate * ratio) >= power);
            let slow = (1..500).find(|&n| finds(n)).unwrap();
            assert_eq!(fixed_sample_trials(rate, ratio, 0.95, power).unwrap(), slow);
        }
        assert!(fixed_sample_trials(0.6, 2.0, 0.95, 0.8).is_err() && fixed_sample_trials(0.01, 1.0, 0.95, 0.8).is_err());
    }
}
