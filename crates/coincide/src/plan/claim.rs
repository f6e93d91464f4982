//! What a budget can show about a claim.
//!
//! X more joint failures among m more trials support β ≤ b at confidence c when the one-sided Clopper–Pearson limit does: I_b(x + X + 1, n + m − x − X) ≥ c. X has a beta-binomial
//! distribution under the posterior Beta(x + ½, n − x + ½), and a binomial one if β is known. Clusters, weights and stated shares enter as so many independent trials (Korn and Graubard
//! 1998), so that their numbers are approximate.

use super::Case;
use super::allocate::{first_that, mean_cost};
use crate::claims::{Claim, Judged, Support, judge, one_sided_options};
use crate::error::{Error, Result};
use crate::sample::ExactInterval;
use crate::special::{beta_cdf, beta_quantile};
use crate::structure::Structure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Points at which a posterior is averaged over.
const POINTS: u32 = 400;

/// What a budget can show about a claim, spent on trials in proportion to the shares: that is how a claim is tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimPlan {
    /// What the outcomes so far say, their strata weighed by the shares.
    pub support: Support,
    /// Trials that the budget buys in proportion to the shares.
    pub trials: u64,
    /// Further trials that support the claim if no joint failure is seen on them; 0 where it is supported already, absent where no number would.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub without_failure: Option<f64>,
    /// Further trials that support the claim if joint failures go on as before; 0 where it is supported already, absent where no number would.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_this_rate: Option<f64>,
    /// Most joint failures among the budget's trials with which the claim is supported; absent where not even none is few enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failures_allowed: Option<u64>,
    /// Probability that the budget's trials support the claim, by what the outcomes so far say about β.
    pub chance: f64,
    /// The same if β is half the bound.
    pub chance_at_half: f64,
    /// The same if β is a tenth of the bound.
    pub chance_at_tenth: f64,
}

pub(super) fn claim_plan(case: &Case<'_>, claim: &Claim) -> Result<ClaimPlan> {
    let bound = claim.at_most;
    if !(bound > 0.0 && bound < 1.0) {
        return Err(Error::OutOfRange { what: "a claim's bound", expected: "above 0 and below 1", got: bound });
    }
    let options = one_sided_options(claim.confidence, ExactInterval::default(), case.stops_early)?;
    let system = Structure::all(&case.set, case.table.layers());
    let weighed;
    let sample = if case.options.shares.is_empty() {
        &case.sample
    } else {
        let total: f64 = case.groups.iter().map(|g| g.weight).sum();
        let factors: Vec<f64> = case.groups.iter().map(|g| g.share * total / g.weight).collect();
        let of = |r: usize| case.of[case.sample.stratum[r] as usize];
        let kept = case.sample.subset(|r| factors[of(r)] > 0.0);
        weighed = kept.reweighted(|r| factors[case.of[kept.stratum[r] as usize]]);
        &weighed
    };
    let judged = Judged::of(sample, &system, bound, options);
    let support = judge(case.table, sample, &judged, claim, options);
    // What is open may have been a failure.
    let p = &judged.high;
    let size = if sample.independent() { p.trials } else { p.effective_trials() };
    let each = size / p.trials;
    let state = State { failed: size * p.estimate(), trials: size, bound, confidence: claim.confidence };
    let trials = (case.options.budget / mean_cost(&case.stands) * (1.0 + 1e-12)).floor();
    let more = trials * each;
    let allowed = state.allowed(more);
    let further = |failed_each: f64| {
        let holds = |m: f64| state.supported(failed_each * m, m);
        if holds(0.0) { Some(0.0) } else { first_that(holds, 1e-12).map(|m| (m / each * (1.0 - 1e-9)).ceil()) }
    };
    let rate = state.failed / state.trials;
    let chance = |beta: f64| allowed.map_or(0.0, |x| at_most(x, more, beta));
    let (a, b) = (state.failed + 0.5, state.trials - state.failed + 0.5);
    Ok(ClaimPlan {
        support,
        trials: trials as u64,
        without_failure: further(0.0),
        at_this_rate: if rate < bound { further(rate) } else { None },
        failures_allowed: allowed.map(|x| (x / each * (1.0 + 1e-12)).floor() as u64),
        chance: allowed.map_or(0.0, |x| predictive(x, more, a, b)),
        chance_at_half: chance(0.5 * bound),
        chance_at_tenth: chance(0.1 * bound),
    })
}

/// Outcomes so far, as so many independent trials, and what is claimed of them.
struct State {
    failed: f64,
    trials: f64,
    bound: f64,
    confidence: f64,
}

impl State {
    /// Whether the claim is supported after so many more failures among so many more trials.
    fn supported(&self, failed: f64, trials: f64) -> bool {
        let (x, n) = (self.failed + failed, self.trials + trials);
        n > x && beta_cdf(self.bound, 1.0 - self.bound, x + 1.0, n - x) >= self.confidence
    }
    /// Most further failures among `trials` with which it is supported.
    fn allowed(&self, trials: f64) -> Option<f64> {
        let fits = |x: f64| self.supported(x, trials);
        if !fits(0.0) {
            return None;
        }
        let (mut low, mut high) = (0.0, trials.floor() + 1.0);
        while high - low > 1.0 {
            let mid = (0.5 * (low + high)).floor();
            if fits(mid) { low = mid } else { high = mid }
        }
        Some(low)
    }
}

/// P(at most x of n trials fail) at rate `beta`: the regularised incomplete beta function I_{1−β}(n − x, x + 1).
pub(super) fn at_most(x: f64, n: f64, beta: f64) -> f64 {
    if x >= n { 1.0 } else { beta_cdf(1.0 - beta, beta, n - x, x + 1.0).clamp(0.0, 1.0) }
}

/// The same under β ~ Beta(a, b): the mean over evenly spaced quantiles of it.
pub(super) fn predictive(x: f64, n: f64, a: f64, b: f64) -> f64 {
    let at = |i: u32| beta_quantile((f64::from(i) + 0.5) / f64::from(POINTS), a, b);
    (0..POINTS).map(|i| at_most(x, n, at(i))).sum::<f64>() / f64::from(POINTS)
}
