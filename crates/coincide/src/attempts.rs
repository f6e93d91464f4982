//! Many tries: how likely it is that some of n attempts on a goal beats everything.
//!
//! P = 1 − E\[(1 − θ_g)ⁿ\] over goals g. Of a goal with m attempts of which x succeeded, n of them drawn without replacement hold a success with probability
//! 1 − C(m − x, n)/C(m, n): unbiased for n ≤ m, whatever the goals are like. Beyond the attempts made, θ is taken to be Beta-distributed over goals, and
//! the figure is labelled an extrapolation. With one attempt a goal nothing beyond n = 1 is identified: the same rate can come from goals
//! that never give way and goals that always do.

use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::layers::{LayerSet, bit};
use crate::outcome::{JointOutcomes, Label};
use crate::sample::Sample;
use crate::shift::any_of;
use argmin::core::{CostFunction, Executor, State};
use argmin::solver::neldermead::NelderMead;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Attempts at one goal and how many of them beat each thing that is counted.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    /// Attempts.
    pub made: f64,
    /// Successes, of everything counted.
    pub beaten: Vec<f64>,
    /// Mean weight of its attempts.
    pub weight: f64,
}

impl Goal {
    /// P(some of n attempts drawn from those made succeeded); all of them where fewer were made.
    pub(crate) fn any_of_drawn(&self, what: usize, n: f64) -> f64 {
        let (m, x) = (self.made, self.beaten[what]);
        let n = n.min(m);
        // C(m − x, n)/C(m, n), factor by factor over the successes: Π_{i<x} (m − n − i)/(m − i).
        let none: f64 = (0..x as usize).map(|i| ((m - n - i as f64) / (m - i as f64)).max(0.0)).product();
        1.0 - none
    }
}

/// Attempts goal by goal.
#[derive(Debug, Clone)]
pub(crate) struct Goals {
    pub list: Vec<Goal>,
    /// Equal clusters that the trials are worth on the other columns, the fewest (Kish).
    others: f64,
}

impl Goals {
    fn collect(sample: &Sample, factor: usize, many: usize, beaten: impl Fn(usize, usize) -> bool) -> Goals {
        let mut list = vec![Goal { made: 0.0, beaten: vec![0.0; many], weight: 0.0 }; sample.factors[factor]];
        for r in 0..sample.len() {
            let g = &mut list[sample.clusters_of(r)[factor] as usize];
            g.made += sample.n[r];
            g.weight += sample.w[r];
            (0..many).filter(|&i| beaten(r, i)).for_each(|i| g.beaten[i] += sample.n[r]);
        }
        list.retain(|g| g.made > 0.0);
        list.iter_mut().for_each(|g| g.weight /= g.made);
        let kish = |f: usize| {
            let mut totals = vec![0.0; sample.factors[f]];
            (0..sample.len()).for_each(|r| totals[sample.clusters_of(r)[f] as usize] += sample.w[r]);
            let (sum, squares) = totals.iter().fold((0.0, 0.0), |s, w| (s.0 + w, s.1 + w * w));
            sum * sum / squares
        };
        let others = (0..sample.factors.len()).filter(|&f| f != factor).map(kish).fold(f64::INFINITY, f64::min);
        Goals { list, others }
    }
    /// Successes against each layer by itself; a layer that was not run held, or failed.
    pub(crate) fn of_layers(sample: &Sample, factor: usize, open_failed: bool) -> Goals {
        Self::collect(sample, factor, sample.layers, |r, i| if bit(sample.observed(r), i) { bit(sample.failed(r), i) } else { open_failed })
    }
    /// As so many equal goals (Kish), or clusters of another column where those are fewer.
    pub(crate) fn equal(&self) -> f64 {
        let (sum, squares) = self.list.iter().fold((0.0, 0.0), |s, g| (s.0 + g.weight, s.1 + g.weight * g.weight));
        (sum * sum / squares).min(self.others)
    }
    /// Mean over goals of something between 0 and 1 computed of each. Clopper–Pearson for that many goals: of all values with this mean those that are 0 or 1
    /// vary most (Hoeffding 1963), so that the interval errs on the wide side, and a further success never lowers it.
    pub(crate) fn mean(&self, level: f64, f: impl Fn(&Goal) -> f64) -> Figure {
        let total: f64 = self.list.iter().map(|g| g.weight).sum();
        let mean = self.list.iter().map(|g| g.weight * f(g)).sum::<f64>() / total;
        let n = self.equal();
        Figure::of(mean, "no goal").with(Some(crate::interval::clopper_pearson(n * mean.clamp(0.0, 1.0), n, level)))
    }
}

/// P(some of n attempts on a goal beats everything).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptPoint {
    /// Attempts on a goal.
    pub attempts: f64,
    /// The probability, mean over goals.
    pub rate: Figure,
    /// 1 − (1 − β)ⁿ: as if every attempt were a new goal.
    pub if_independent: Option<f64>,
    /// Whether the figure follows from a model beyond the attempts that were made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extrapolated: bool,
}

/// Many tries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempts {
    /// The cluster column of goals.
    pub goal: String,
    /// Goals.
    pub goals: f64,
    /// Fewest and most attempts made at a goal.
    pub made: [f64; 2],
    /// Goals on which some attempt beat everything.
    pub beaten: f64,
    /// The points asked for.
    pub points: Vec<AttemptPoint>,
    /// Exponents of the Beta distribution over goals, where it was used.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub beta_over_goals: Option<[f64; 2]>,
}

/// Σ_g ln of the beta-binomial probability, without binomial coefficients.
fn ln_likelihood(goals: &[Goal], a: f64, b: f64) -> f64 {
    let ln_beta = |x: f64, y: f64| libm::lgamma(x) + libm::lgamma(y) - libm::lgamma(x + y);
    goals.iter().map(|g| ln_beta(a + g.beaten[0], b + g.made - g.beaten[0]) - ln_beta(a, b)).sum()
}

struct Fit<'a>(&'a [Goal]);

impl Fit<'_> {
    /// From logit of the mean and ln(a + b).
    fn exponents(at: &[f64]) -> (f64, f64) {
        let mean = crate::special::logistic(at[0].clamp(-30.0, 30.0));
        let size = at[1].clamp(-12.0, 14.0).exp();
        (mean * size, (1.0 - mean) * size)
    }
}

impl CostFunction for Fit<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, at: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        let (a, b) = Self::exponents(at);
        // A weak prior on ln(a + b) keeps it finite where all goals agree.
        Ok(-ln_likelihood(self.0, a, b) + 0.5 * ((at[1] - 1.0) / 4.0).powi(2))
    }
}

fn fit(goals: &[Goal]) -> Result<(f64, f64)> {
    let (x, m): (f64, f64) = goals.iter().fold((0.5, 1.0), |s, g| (s.0 + g.beaten[0], s.1 + g.made));
    let mut best = vec![(x / (m - x)).ln(), 1.0];
    let failed = |e: argmin::core::Error| Error::Stated(format!("the spread over goals could not be fitted: {e}"));
    for size in [1.0, 0.2] {
        let simplex = vec![best.clone(), vec![best[0] + size, best[1]], vec![best[0], best[1] + size]];
        let solver = NelderMead::new(simplex).with_sd_tolerance(1e-12).map_err(failed)?;
        let run = Executor::new(Fit(goals), solver).configure(|s| s.max_iters(500)).run().map_err(failed)?;
        best = run.state().get_best_param().cloned().unwrap_or(best);
    }
    Ok(Fit::exponents(&best))
}

/// Resamples of goals for intervals beyond the attempts made.
const RESAMPLES: u64 = 200;

/// Many tries on a table. `goal` is the cluster column; the only one where it is not named. β enters for the column as if attempts were independent.
///
/// Fails without clusters, on a column that is none, when several could be meant, and on counts below one.
///
/// ```
/// use coincide::{Columns, Outcome::{Failed, Held}, Seed, TableBuilder, TrialRow, attempts};
/// let mut b = TableBuilder::new(Columns { layers: vec!["filter".into()], clusters: vec!["goal".into()], ..Columns::default() })?;
/// // Half of the goals give way every other time, half never.
/// for g in 0..20 {
///     for t in 0..10 {
///         let outcome = if g % 2 == 0 && t % 2 == 0 { Failed } else { Held };
///         b.add(&TrialRow { outcomes: &[outcome], clusters: &[&g.to_string()], ..TrialRow::default() });
///     }
/// }
/// let a = attempts(&b.finish(), None, &[1.0, 10.0], 0.95, Seed(1))?;
/// // Ten tries beat half of the goals; as if each try were a goal of its own it would be 94%.
/// assert!((a.points[1].rate.value.unwrap() - 0.5).abs() < 1e-12);
/// assert!(a.points[1].if_independent.unwrap() > 0.9);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn attempts(table: &JointOutcomes, goal: Option<&str>, counts: &[f64], level: f64, seed: crate::random::Seed) -> Result<Attempts> {
    let factor = goal_column(table, goal)?.ok_or_else(|| Error::Stated("many tries need goals: name a cluster column with --cluster".into()))?;
    if let Some(&got) = counts.iter().find(|n| !(**n >= 1.0 && n.fract() == 0.0)) {
        return Err(Error::OutOfRange { what: "a number of attempts", expected: "a whole number of at least 1", got });
    }
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    if sample.len() == 0 {
        return Err(Error::NoTrials);
    }
    let all = LayerSet::all(sample.layers);
    let of = |open_failed: bool| Goals::collect(&sample, factor, 1, |r, _| sample.all_failed(r, all.words()).unwrap_or(open_failed));
    let (goals, upper) = (of(false), of(true));
    let open = (0..sample.len()).any(|r| sample.all_failed(r, all.words()).is_none());
    let whole = sample.n.iter().all(|n| n.fract() == 0.0);
    let (fewest, most) = goals.list.iter().fold((f64::INFINITY, 0.0f64), |(a, b), g| (a.min(g.made), b.max(g.made)));
    let trials: f64 = goals.list.iter().map(|g| g.made).sum();
    let beta = (!open).then(|| goals.list.iter().map(|g| g.beaten[0]).sum::<f64>() / trials);
    let beaten = goals.list.iter().filter(|g| g.beaten[0] > 0.0).count() as f64;
    let beyond = beaten > 0.0 && counts.iter().any(|&n| n > fewest) && most > 1.0 && !open && whole && !sample.weighted;
    let spread = if beyond { Some(fit(&goals.list)?) } else { None };
    let resampled: Vec<(f64, f64)> = if beyond { resample(&goals.list, seed)? } else { Vec::new() };
    // 1 − E[(1 − θ)ⁿ] = 1 − B(a, b + n)/B(a, b).
    let any =
        |(a, b): (f64, f64), n: f64| -> f64 { -(libm::lgamma(b + n) - libm::lgamma(a + b + n) + libm::lgamma(a + b) - libm::lgamma(b)).exp_m1() };
    let point = |&n: &f64| {
        let (rate, extrapolated) = if sample.weighted || !whole {
            (Figure::undefined("attempts with weights, or averaged ones, cannot be counted"), false)
        } else if most <= 1.0 && n > 1.0 {
            (Figure::undefined("with one attempt a goal nothing is known about a second: attack each goal several times"), false)
        } else if open {
            let (a, b) = (goals.mean(level, |g| g.any_of_drawn(0, n)), upper.mean(level, |g| g.any_of_drawn(0, n)));
            match (a.value, b.value) {
                (Some(low), Some(high)) if n <= fewest => (Figure::between(low, high), false),
                _ => (Figure::undefined("outcomes are missing, and more attempts are asked for than were made"), false),
            }
        } else if n > fewest && beaten < 1.0 {
            (
                Figure::undefined(
                    "no attempt beat everything, and more are asked for than were made at every goal: nothing bounds what further ones would do",
                ),
                false,
            )
        } else if n <= fewest {
            (goals.mean(level, |g| g.any_of_drawn(0, n)), false)
        } else {
            // As for β: what varies is above all which of the beaten goals are drawn.
            let mut list: Vec<f64> = resampled.iter().map(|&e| any(e, n)).collect();
            let interval = crate::percentile::percentile(&mut list, beaten, level);
            (Figure::of(spread.map_or(f64::NAN, |e| any(e, n)), "not fitted").with(interval), true)
        };
        AttemptPoint { attempts: n, rate, if_independent: beta.map(|b| any_of(b, n)), extrapolated }
    };
    Ok(Attempts {
        goal: table.clusters()[factor].name.clone(),
        goals: goals.list.len() as f64,
        made: [fewest, most],
        beaten,
        points: counts.iter().map(point).collect(),
        beta_over_goals: spread.map(|(a, b)| [a, b]),
    })
}

fn resample(goals: &[Goal], seed: crate::random::Seed) -> Result<Vec<(f64, f64)>> {
    use rand::Rng;
    use rayon::prelude::*;
    (0..RESAMPLES)
        .into_par_iter()
        .map(|i| {
            let mut rng = seed.stream(crate::random::Purpose::Goals, i);
            let drawn: Vec<Goal> = (0..goals.len()).map(|_| goals[rng.random_range(0..goals.len())].clone()).collect();
            fit(&drawn)
        })
        .collect()
}

/// The same where goals are not needed: `None` where several could be meant. Fails only on a name that is none.
pub(crate) fn goal_if_known(table: &JointOutcomes, goal: Option<&str>) -> Result<Option<usize>> {
    if goal.is_some() { goal_column(table, goal) } else { Ok(goal_column(table, None).unwrap_or(None)) }
}

/// The cluster column that holds goals: the one named, or the only one.
pub(crate) fn goal_column(table: &JointOutcomes, goal: Option<&str>) -> Result<Option<usize>> {
    let names: Vec<&str> = table.clusters().iter().map(|f| f.name.as_str()).collect();
    match (goal, names.len()) {
        (Some(g), _) => match names.iter().position(|n| *n == g) {
            Some(at) => Ok(Some(at)),
            None => Err(Error::Stated(format!("there is no cluster column `{g}` to take goals from; the cluster columns are {}", names.join(", ")))),
        },
        (None, 0) => Ok(None),
        (None, 1) => Ok(Some(0)),
        (None, _) => Err(Error::Stated(format!("which of the cluster columns {} holds the attackers' goals? Name it with --goal", names.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Columns, Outcome, TableBuilder, TrialRow};
    use crate::random::{Purpose, Seed};
    use rand::Rng;
    use rand_distr::Distribution;

    fn table(rates: &[f64], each: usize, seed: u64) -> JointOutcomes {
        let mut rng = Seed(seed).stream(Purpose::Simulation, 0);
        let mut b = TableBuilder::new(Columns { layers: vec!["a".into()], clusters: vec!["g".into()], ..Columns::default() }).unwrap();
        for (g, &p) in rates.iter().enumerate() {
            for _ in 0..each {
                let o = if rng.random_bool(p) { Outcome::Failed } else { Outcome::Held };
                b.add(&TrialRow { outcomes: &[o], clusters: &[&g.to_string()], ..TrialRow::default() });
            }
        }
        b.finish()
    }

    #[test]
    fn drawing_from_the_attempts_made_is_the_hypergeometric() {
        let choose = |n: u32, k: u32| (0..k).map(|i| f64::from(n - i) / f64::from(i + 1)).product::<f64>();
        for (m, x, n) in [(10u32, 3u32, 4u32), (7, 0, 7), (5, 5, 1), (12, 11, 2)] {
            let want = if n > m - x { 1.0 } else { 1.0 - choose(m - x, n) / choose(m, n) };
            let g = Goal { made: f64::from(m), beaten: vec![f64::from(x)], weight: 1.0 };
            assert!((g.any_of_drawn(0, f64::from(n)) - want).abs() < 1e-12, "{m} {x} {n}");
        }
    }

    /// Unbiased without a model up to the attempts made, and close beyond them when goals are Beta-distributed.
    #[test]
    fn simulated_goals_give_the_truth_back() {
        let (a, b) = (0.4, 3.0);
        let truth = |n: f64| 1.0 - (libm::lgamma(b + n) - libm::lgamma(a + b + n) + libm::lgamma(a + b) - libm::lgamma(b)).exp();
        let (mut within, mut beyond, mut covered) = (0.0, 0.0, 0);
        let runs = 60;
        for run in 0..runs {
            let mut rng = Seed(run).stream(Purpose::Simulation, 1);
            let d = rand_distr::Beta::new(a, b).unwrap();
            let rates: Vec<f64> = (0..80).map(|_| d.sample(&mut rng)).collect();
            let r = attempts(&table(&rates, 12, run), None, &[8.0, 100.0], 0.95, Seed(1)).unwrap();
            within += r.points[0].rate.value.unwrap() / runs as f64;
            beyond += r.points[1].rate.value.unwrap() / runs as f64;
            covered += usize::from(r.points[1].rate.interval.unwrap().contains(truth(100.0)));
            assert!(r.points[1].extrapolated && !r.points[0].extrapolated);
        }
        assert!((within - truth(8.0)).abs() < 0.02, "{within} {}", truth(8.0));
        assert!((beyond - truth(100.0)).abs() < 0.03, "{beyond} {}", truth(100.0));
        assert!(covered >= 51, "{covered} of {runs}");
    }

    /// One success more never lowers a limit, and none leaves an upper bound.
    #[test]
    fn limits_never_fall() {
        let upper = |beaten: usize| {
            let list: Vec<Goal> = (0..30).map(|g| Goal { made: 10.0, beaten: vec![f64::from(u8::from(g < beaten))], weight: 1.0 }).collect();
            Goals { list, others: f64::INFINITY }.mean(0.9, |g| g.any_of_drawn(0, 2.0)).interval.unwrap().high.unwrap()
        };
        assert!(upper(0) > 0.09 && (0..29).all(|b| upper(b + 1) > upper(b)));
        let quiet = attempts(&table(&[0.0; 30], 5, 1), None, &[5.0, 100.0], 0.95, Seed(1)).unwrap();
        assert_eq!(quiet.points[0].rate.value, Some(0.0));
        assert!(quiet.points[0].rate.interval.unwrap().high.unwrap() > 0.09);
        assert!(quiet.points[1].rate.undefined.is_some());
    }

    #[test]
    fn one_attempt_a_goal_says_nothing_about_a_second() {
        let r = attempts(&table(&[0.5; 30], 1, 1), None, &[1.0, 2.0], 0.95, Seed(1)).unwrap();
        assert!(r.points[0].rate.value.is_some());
        assert!(r.points[1].rate.undefined.as_ref().unwrap().contains("one attempt a goal"));
        assert!(attempts(&table(&[0.5; 3], 2, 1), Some("x"), &[1.0], 0.95, Seed(1)).is_err());
        assert!(attempts(&table(&[0.5; 3], 2, 1), None, &[0.5], 0.95, Seed(1)).is_err());
    }
}
