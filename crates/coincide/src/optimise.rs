//! The best place of a family: maximum likelihood, or the mode under the weak priors.
//!
//! L-BFGS with Moré–Thuente line searches (Liu and Nocedal 1989) on the mean log-likelihood per trial, from several seeded starts;
//! latent classes are brought near by EM first. What is reported is summed with finer quadrature than the search uses.

use crate::error::{Error, Result};
use crate::likelihood::{Likelihood, Workspace};
use crate::model::{Coordinate, Family, LatentClass, Setting};
use crate::quadrature::Accuracy;
use crate::random::{Purpose, Seed};
use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Whether the weak priors are part of what is maximised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prior {
    /// The mode of the posterior.
    Weak,
    /// Pure maximum likelihood.
    None,
}

/// ln likelihood plus ln prior of a family on weighted patterns.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub family: &'a dyn Family,
    pub data: &'a Likelihood<'a>,
    pub weight: &'a [f64],
    pub prior: Prior,
    /// How exact the sums behind values and gradients are.
    pub accuracy: Accuracy,
}

impl Target<'_> {
    /// Value and gradient.
    pub(crate) fn value(&self, coordinates: &[Coordinate], at: &[f64], gradient: &mut [f64], space: &mut Workspace) -> f64 {
        let mut sum = self.likelihood(at, self.accuracy, space);
        gradient.fill(0.0);
        self.family.pull_back(at, &mut space.nodes, &space.adjoint, gradient);
        if self.prior == Prior::Weak {
            for ((c, x), g) in coordinates.iter().zip(at).zip(gradient) {
                let (value, slope) = c.ln_prior(*x);
                sum += value;
                *g += slope;
            }
        }
        sum
    }
    /// ℓ alone.
    pub(crate) fn likelihood(&self, at: &[f64], accuracy: Accuracy, space: &mut Workspace) -> f64 {
        self.family.place(at, accuracy, &mut space.nodes);
        self.data.value(self.weight, space, |nodes| self.family.logs(nodes))
    }
    pub(crate) fn trials(&self) -> f64 {
        self.weight.iter().sum()
    }
}

/// Where a search ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Optimum {
    /// Coordinates.
    pub at: Vec<f64>,
    /// ℓ, summed with fine quadrature.
    pub ln_likelihood: f64,
    /// ℓ plus ln prior as the search saw it.
    pub value: f64,
    /// Largest derivative of the mean per trial.
    pub slope: f64,
    /// Starts, and those that ended within 0.01 of the best.
    pub starts: usize,
    pub agreeing: usize,
}

/// Derivative per trial below which a search counts as converged.
const FLAT: f64 = 1e-6;

/// How hard a search tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Steps of each run.
    steps: u64,
    /// Runs, each from the best place of the one before.
    runs: usize,
    /// Derivative per trial at which a run ends.
    flat: f64,
    /// Gain per trial and step below which a run ends.
    gain: f64,
}

impl Effort {
    /// For what is reported.
    pub(crate) const FULL: Effort = Effort { steps: 400, runs: 3, flat: 0.3 * FLAT, gain: 0.0 };
    /// For refits from a good place: ℓ to about a hundredth.
    pub(crate) const REFIT: Effort = Effort { steps: 60, runs: 1, flat: 1e-5, gain: 1e-8 };
}

impl Optimum {
    /// Whether no direction promises more.
    pub(crate) fn converged(&self) -> bool {
        self.slope <= FLAT
    }
}

struct Problem<'a> {
    target: Target<'a>,
    coordinates: Vec<Coordinate>,
    state: RefCell<Search>,
}

struct Search {
    space: Workspace,
    at: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    /// Value, place and slope of the best place so far.
    best: Option<(f64, Vec<f64>, f64)>,
}

impl Problem<'_> {
    /// Cost and gradient per trial, computed once for both.
    fn evaluate(&self, at: &[f64]) -> (f64, Vec<f64>) {
        let mut s = self.state.borrow_mut();
        if s.at != at {
            let Search { space, gradient, .. } = &mut *s;
            let value = self.target.value(&self.coordinates, at, gradient, space);
            s.at = at.to_vec();
            s.value = value;
            let slope = s.gradient.iter().fold(0.0f64, |m, g| m.max(g.abs())) / self.target.trials();
            // Of places that differ only by rounding the flatter one is kept.
            let near = 1e-11 * (1.0 + value.abs());
            if value.is_finite() && slope.is_finite() && s.best.as_ref().is_none_or(|b| value > b.0 + near || value > b.0 - near && slope < b.2) {
                s.best = Some((value, at.to_vec(), slope));
            }
        }
        let n = self.target.trials();
        let cost = -s.value / n;
        (if cost.is_finite() { cost } else { f64::MAX.sqrt() }, s.gradient.iter().map(|g| -g / n).collect())
    }
}

impl CostFunction for &Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, at: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        Ok(self.evaluate(at).0)
    }
}
impl Gradient for &Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, at: &Vec<f64>) -> std::result::Result<Vec<f64>, argmin::core::Error> {
        Ok(self.evaluate(at).1)
    }
}

/// Climbs from one place. `None` where the target is not finite there.
pub(crate) fn climb(target: Target<'_>, from: Vec<f64>, effort: Effort) -> Option<Optimum> {
    let d = from.len();
    let state = Search { space: Workspace::default(), at: Vec::new(), value: f64::NAN, gradient: vec![0.0; d], best: None };
    let problem = Problem { target, coordinates: target.family.coordinates(), state: RefCell::new(state) };
    let mut begin = from;
    // A line search that fails near the top ends a run early: begin again from the best place with a fresh memory.
    for _ in 0..effort.runs {
        let before = problem.state.borrow().best.as_ref().map(|b| b.0);
        let solver =
            LBFGS::new(MoreThuenteLineSearch::new(), 12).with_tolerance_grad(effort.flat).and_then(|s| s.with_tolerance_cost(effort.gain)).ok()?;
        let run = Executor::new(&problem, solver).configure(|s| s.param(begin.clone()).max_iters(effort.steps)).run();
        // Whatever ended the run, the best place it saw is kept.
        drop(run.map(|r| r.state.get_iter()));
        let state = problem.state.borrow();
        let (value, at, slope) = state.best.as_ref()?;
        if *slope <= FLAT || before.is_some_and(|b| *value - b < 1e-7) {
            break;
        }
        begin = at.clone();
    }
    let mut state = problem.state.into_inner();
    let (value, at, slope) = state.best.take()?;
    let ln_likelihood = target.likelihood(&at, Accuracy::REPORT, &mut state.space);
    Some(Optimum { at, ln_likelihood, value, slope, starts: 1, agreeing: 1 })
}

/// Climbs from one of several seeded starts. `None` where the target is not finite there.
pub(crate) fn from_start(target: Target<'_>, seed: Seed, start: usize) -> Option<Optimum> {
    let rates = target.data.patterns.rough_rates(target.weight);
    let mut from = target.family.start(&rates, start, &mut seed.stream(Purpose::Starts, start as u64));
    if let Some(classes) = target.family.classes() {
        let family = LatentClass::new(&Setting { layers: rates.len(), common_modes: Vec::new(), classes });
        from = family.em(target.data, target.weight, &from, 1e-4, 2000, &mut Workspace::default()).0;
    }
    climb(target, from, Effort::FULL)
}

/// The best of the ends of all starts.
pub(crate) fn best_of_starts(ends: Vec<Option<Optimum>>, name: &str) -> Result<Optimum> {
    let starts = ends.len();
    let ends: Vec<Optimum> = ends.into_iter().flatten().collect();
    let best = ends.iter().enumerate().max_by(|a, b| a.1.value.total_cmp(&b.1.value)).map(|(i, _)| i);
    let Some(best) = best else {
        return Err(Error::Fit { model: name.to_owned(), why: "no start gave the data a finite likelihood".into() });
    };
    let agreeing = ends.iter().filter(|e| e.value > ends[best].value - 0.01).count();
    Ok(Optimum { starts, agreeing, ..ends[best].clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSet;
    use crate::model::{JointLaw, families, mixture};
    use crate::outcome::{Columns, JointOutcomes, Outcome, Reason, TableBuilder, TrialRow};
    use crate::patterns::Patterns;
    use crate::sample::Sample;

    fn table(layers: usize, trials: usize, missing: bool) -> JointOutcomes {
        let columns = Columns { layers: (0..layers).map(|i| format!("l{i}")).collect(), ..Columns::default() };
        let mut b = TableBuilder::new(columns).unwrap();
        let law = crate::stated::one_factor(&vec![0.3; layers], &vec![0.6; layers]).unwrap();
        let mut rng = Seed(5).stream(Purpose::Simulation, 0);
        for t in 0..trials {
            let failed = law.simulate(&mut rng);
            let one = |i: usize| {
                if missing && (t + i).is_multiple_of(7) {
                    Outcome::Missing(Reason::NotRun)
                } else if failed.contains(i) {
                    Outcome::Failed
                } else {
                    Outcome::Held
                }
            };
            b.add(&TrialRow { outcomes: &(0..layers).map(one).collect::<Vec<_>>(), ..TrialRow::default() });
        }
        b.finish()
    }

    /// Every analytic gradient against central differences, and every likelihood against the plain formula on the mixture.
    #[test]
    fn gradients_and_likelihoods_agree_with_slow_twins() {
        for (layers, missing) in [(3, false), (4, true), (13, true)] {
            let t = table(layers, 200, missing);
            let patterns = Patterns::new(&Sample::new(&t, |_| true));
            let data = Likelihood::new(&patterns);
            let pair = vec![("first two".to_owned(), LayerSet::of(layers, &[0, 1])), ("all".to_owned(), LayerSet::all(layers))];
            for (name, family) in families(&Setting { layers, common_modes: pair, classes: 3 }) {
                let target = Target { family: family.as_ref(), data: &data, weight: &patterns.weight, prior: Prior::Weak, accuracy: Accuracy::FIT };
                let coordinates = family.coordinates();
                let mut rng = Seed(9).stream(Purpose::Simulation, 1);
                let at: Vec<f64> = coordinates.iter().map(|c| c.draw(&mut rng)).collect();
                let mut space = Workspace::default();
                let mut gradient = vec![0.0; at.len()];
                let value = target.value(&coordinates, &at, &mut gradient, &mut space);
                let law = mixture(family.as_ref(), &at, Accuracy::EXACT);
                let prior: f64 = coordinates.iter().zip(&at).map(|(c, x)| c.ln_prior(*x).0).sum();
                let slow: f64 = (0..patterns.len())
                    .map(|r| patterns.weight[r] * law.ln_pattern(&LayerSet(patterns.failed(r).to_vec()), &LayerSet(patterns.observed(r).to_vec())))
                    .sum::<f64>()
                    + prior;
                assert!((value - slow).abs() < 1e-3 * patterns.trials() / 200.0, "{name} {layers}: {value} against {slow}");
                let mut unused = vec![0.0; at.len()];
                for j in 0..at.len() {
                    let step = 1e-5;
                    let mut moved = at.clone();
                    moved[j] += step;
                    let up = target.value(&coordinates, &moved, &mut unused, &mut space);
                    moved[j] -= 2.0 * step;
                    let down = target.value(&coordinates, &moved, &mut unused, &mut space);
                    let slow = (up - down) / (2.0 * step);
                    assert!((gradient[j] - slow).abs() < 2e-3 * (1.0 + slow.abs()), "{name} {layers} coordinate {j}: {} against {slow}", gradient[j]);
                }
            }
        }
    }

    /// Patterns too improbable for plain products give the same value and gradient through log space.
    #[test]
    fn improbable_patterns_are_summed_in_log_space() {
        let layers = 300;
        let t = table(layers, 40, false);
        let patterns = Patterns::new(&Sample::new(&t, |_| true));
        let data = Likelihood::new(&patterns);
        let family = families(&Setting { layers, common_modes: vec![], classes: 1 }).into_iter().find(|f| f.0 == "factor").unwrap().1;
        let target = Target { family: family.as_ref(), data: &data, weight: &patterns.weight, prior: Prior::None, accuracy: Accuracy::FIT };
        // Rates of 1e-7 where 30% of the layers fail: e^-800 and less a pattern.
        let at: Vec<f64> = [vec![-5.2; layers], vec![0.0; layers]].concat();
        let (mut space, mut gradient) = (Workspace::default(), vec![0.0; at.len()]);
        let value = target.value(&family.coordinates(), &at, &mut gradient, &mut space);
        let law = mixture(family.as_ref(), &at, Accuracy::EXACT);
        let slow: f64 = (0..patterns.len()).map(|r| law.ln_pattern(&LayerSet(patterns.failed(r).to_vec()), &LayerSet::all(layers))).sum();
        assert!((value / slow - 1.0).abs() < 1e-6 && value < -40.0 * 700.0 + 1.0, "{value} against {slow}");
        let mut moved = at.clone();
        moved[7] += 1e-5;
        let mut unused = vec![0.0; at.len()];
        let up = target.value(&family.coordinates(), &moved, &mut unused, &mut space);
        assert!(((up - value) / 1e-5 - gradient[7]).abs() < 1e-2 * gradient[7].abs(), "{} against {}", (up - value) / 1e-5, gradient[7]);
    }
}
