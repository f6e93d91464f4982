//! All scores as one: logistic regression on attacks against benign trials, and the likelihood ratio that its steps are worth.
//!
//! The likelihood ratio is the best there is to tell two laws apart at any rate of false alarms (Neyman and Pearson 1933); logistic regression estimates its logarithm up to a constant, isotonic
//! regression (pool adjacent violators: Ayer et al. 1955) says what it is worth without trusting the slope.

use faer::linalg::solvers::Solve;
use faer::{Col, Mat, Side};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Newton steps, at most.
const STEPS: usize = 50;
/// Weak pull of standardised coefficients to 0, in trials: separable scores keep finite ones.
const RIDGE: f64 = 1.0;

/// Scores combined: evidence = `intercept` + Σ `weight`·score, in nats; high evidence stops the trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Combination {
    /// What is added.
    pub intercept: f64,
    /// Of each layer.
    pub weights: Vec<CombinedLayer>,
    /// Steps of the likelihood ratio, never falling.
    pub likelihood_ratio: Vec<LikelihoodStep>,
}

/// What one layer adds to the combined score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CombinedLayer {
    /// The layer.
    pub layer: String,
    /// What one unit of its score adds. A recorded outcome counts as 1 where the layer held, else as 0.
    pub weight: f64,
    /// The score that stands in for one that is missing.
    pub instead: f64,
}

/// A step of the likelihood ratio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LikelihoodStep {
    /// The evidence from which on it holds.
    pub from: f64,
    /// P(evidence | attack) / P(evidence | benign); none where no benign trial had such evidence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ratio: Option<f64>,
}

/// A fitted combination, by column.
#[derive(Debug, Clone)]
pub(super) struct Combined {
    pub intercept: f64,
    pub weights: Vec<f64>,
    /// What stands in for a score that is missing.
    pub means: Vec<f64>,
}

impl Combined {
    /// Fitted to the trials `of`; `attack` by trial. Fails (`None`) where the system cannot be solved, or one kind is missing.
    pub fn fit(columns: &[Vec<Option<f64>>], weight: &[f64], attack: &[bool], of: &[usize]) -> Option<Combined> {
        let k = columns.len();
        let mut means = Vec::new();
        let mut spreads = Vec::new();
        for c in columns {
            let (mut n, mut sum, mut square) = (0.0, 0.0, 0.0);
            for (x, w) in of.iter().filter_map(|&t| Some((c[t]?, weight[t]))) {
                n += w;
                sum += w * x;
                square += w * x * x;
            }
            let mean = if n > 0.0 { sum / n } else { 0.0 };
            let variance = if n > 0.0 { (square / n - mean * mean).max(0.0) } else { 0.0 };
            means.push(mean);
            spreads.push(if variance > 0.0 { variance.sqrt() } else { 1.0 });
        }
        let of_kind = |kind: bool| of.iter().filter(|&&t| attack[t] == kind).map(|&t| weight[t]).sum::<f64>();
        let (attacks, benign) = (of_kind(true), of_kind(false));
        if attacks <= 0.0 || benign <= 0.0 {
            return None;
        }
        // Both kinds weigh the same: the evidence is then a likelihood ratio, not odds.
        let total = attacks + benign;
        let scaled = |t: usize| weight[t] * 0.5 * total / if attack[t] { attacks } else { benign };
        let row = |t: usize, i: usize| if i == k { 1.0 } else { columns[i][t].map_or(0.0, |x| (x - means[i]) / spreads[i]) };
        let mut at = vec![0.0; k + 1];
        for _ in 0..STEPS {
            let mut hessian = Mat::<f64>::zeros(k + 1, k + 1);
            let mut slope = Col::<f64>::zeros(k + 1);
            let mut x = vec![0.0; k + 1];
            for &t in of {
                x.iter_mut().enumerate().for_each(|(i, x)| *x = row(t, i));
                let p = crate::special::logistic(at.iter().zip(&x).map(|(a, x)| a * x).sum());
                let (w, y) = (scaled(t), f64::from(u8::from(attack[t])));
                for i in 0..=k {
                    slope[i] += w * (y - p) * x[i];
                    for j in 0..=i {
                        hessian[(i, j)] += w * p * (1.0 - p) * x[i] * x[j];
                    }
                }
            }
            for i in 0..k {
                slope[i] -= RIDGE * at[i];
                hessian[(i, i)] += RIDGE;
            }
            hessian[(k, k)] += 1e-9;
            let step = hessian.llt(Side::Lower).ok()?.solve(&slope);
            // Far steps come from scores that separate: half of each keeps the walk on the curve.
            let longest = (0..=k).map(|i| step[i].abs()).fold(0.0, f64::max);
            let damp = if longest > 4.0 { 4.0 / longest } else { 1.0 };
            (0..=k).for_each(|i| at[i] += damp * step[i]);
            if longest < 1e-10 {
                break;
            }
        }
        let weights: Vec<f64> = (0..k).map(|i| at[i] / spreads[i]).collect();
        let intercept = at[k] - weights.iter().zip(&means).map(|(w, m)| w * m).sum::<f64>();
        (intercept.is_finite() && weights.iter().all(|w| w.is_finite())).then_some(Combined { intercept, weights, means })
    }

    /// The evidence of one trial; a missing score counts as the mean of those that are there.
    pub fn evidence(&self, columns: &[Vec<Option<f64>>], t: usize) -> f64 {
        self.intercept + self.weights.iter().enumerate().map(|(i, w)| w * columns[i][t].unwrap_or(self.means[i])).sum::<f64>()
    }
}

/// Steps of a never falling likelihood ratio: of (evidence, weight, attack).
pub(super) fn likelihood_ratio(mut list: Vec<(f64, f64, bool)>) -> Vec<LikelihoodStep> {
    let of = |kind: bool, list: &[(f64, f64, bool)]| list.iter().filter(|x| x.2 == kind).map(|x| x.1).sum::<f64>();
    let (attacks, benign) = (of(true, &list), of(false, &list));
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Blocks of attack and benign shares, equal evidence in one, pooled while the share of attacks falls.
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for tied in list.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        blocks.push((tied[0].0, of(true, tied) / attacks, of(false, tied) / benign));
        while let [.., a, b] = blocks.as_slice() {
            if a.1 * b.2 < b.1 * a.2 {
                break;
            }
            let pooled = (a.0, a.1 + b.1, a.2 + b.2);
            blocks.truncate(blocks.len() - 2);
            blocks.push(pooled);
        }
    }
    blocks.into_iter().map(|(from, a, b)| LikelihoodStep { from, ratio: (b > 0.0).then(|| a / b) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_never_fall_and_keep_both_totals() {
        let list = vec![(0.1, 1.0, false), (0.2, 1.0, true), (0.3, 1.0, false), (0.4, 1.0, false), (0.5, 1.0, true), (0.6, 1.0, true)];
        let steps = likelihood_ratio(list);
        // 0.1 alone; 0.2 to 0.4 pooled to (1/3)/(2/3); from 0.5 on no benign trial was seen.
        assert_eq!(steps.len(), 3);
        assert_eq!((steps[0], steps[2].ratio), (LikelihoodStep { from: 0.1, ratio: Some(0.0) }, None));
        assert!((steps[1].ratio.unwrap_or(0.0) - 0.5).abs() < 1e-12 && (steps[1].from - 0.2).abs() < 1e-12);
        // Equal evidence counts at once, in whichever order it comes.
        let tied = vec![(0.4, 1.0, true), (0.4, 1.0, false), (0.5, 1.0, false), (0.5, 1.0, true)];
        assert_eq!(likelihood_ratio(tied), [LikelihoodStep { from: 0.4, ratio: Some(1.0) }]);
    }

    #[test]
    fn two_normal_laws_give_the_slope_between_them() {
        use crate::random::{Purpose, Seed};
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = Seed(3).stream(Purpose::Simulation, 0);
        let n = 20_000;
        let attack: Vec<bool> = (0..n).map(|t| t % 4 == 0).collect();
        let mut draw =
            |shift: f64, a: bool| Some(<StandardNormal as Distribution<f64>>::sample(&StandardNormal, &mut rng) + if a { shift } else { 0.0 });
        let columns: Vec<Vec<Option<f64>>> = [1.0, 0.5, 0.0].iter().map(|&s| attack.iter().map(|&a| draw(s, a)).collect()).collect();
        let all: Vec<usize> = (0..n).collect();
        let c = Combined::fit(&columns, &vec![1.0; n], &attack, &all).map(|c| (c.weights, c.intercept));
        // ln of N(s, 1)/N(0, 1) is s·x − s²/2.
        let Some((w, b)) = c else { panic!("not fitted") };
        assert!((w[0] - 1.0).abs() < 0.06 && (w[1] - 0.5).abs() < 0.06 && w[2].abs() < 0.06 && (b + 0.625).abs() < 0.08, "{w:?} {b}");
    }
}
