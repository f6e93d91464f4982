//! What pairs leave open: the sharp interval of β given only the marginals, or the marginals and all pairs.
//!
//! Marginals alone: Fréchet, \[max(0, Σp_i − (k−1)), min p_i\]. With pairs, up to 16 layers: the linear programme over the
//! 2^k patterns, solved in its dual, max or min of c₀ + Σc_i p_i + Σc_ij p_ij subject to one inequality per pattern,
//! by adding the most violated patterns until none is left (cutting planes; Kelley 1960). Above 16: the binomial-moment
//! programme on the number of failures (Prékopa 1988), which forgets which layers they are and is looser.
//!
//! These are bounds of identification, as if the rates were known exactly. A second pair of numbers lets every rate
//! vary in simultaneous (Bonferroni) intervals.

use crate::figure::Range;
use crate::pairs::pairs;
use microlp::{ComparisonOp, OptimizationDirection, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What single rates and pairs of them say about β.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// β given every layer's rate.
    pub marginals: Range,
    /// β given every layer's and every pair's rate. Absent when the programme could not be solved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs: Option<Range>,
    /// The same when each of those rates may lie anywhere in its simultaneous confidence interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs_with_sampling_error: Option<Range>,
    /// How the bound from pairs was computed.
    pub method: BoundMethod,
}

/// How the bound from pairs was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BoundMethod {
    /// Linear programme over all patterns: sharp.
    LinearProgramme,
    /// Binomial moments (more than 16 layers): valid, looser.
    BinomialMoments,
}

/// Most layers for the programme over patterns.
pub(crate) const LINEAR_PROGRAMME_LAYERS: usize = 16;

/// Known ranges of single and pairwise rates, pairs in the order of [`pairs`].
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pub single: Vec<(f64, f64)>,
    pub double: Vec<(f64, f64)>,
    /// Patterns known to be possible, which make the first programme bounded.
    pub patterns: Vec<u64>,
}

/// Fréchet bounds of P(all fail).
pub(crate) fn frechet(p: &[f64]) -> Range {
    let low = (p.iter().sum::<f64>() - (p.len() as f64 - 1.0)).max(0.0);
    Range::new(low, p.iter().copied().fold(1.0, f64::min))
}

/// Sharp range of β given marginals and pairs, k ≤ 16. `None` when the solver gives up.
pub(crate) fn from_pairs(m: &Moments) -> Option<Range> {
    let all = (1usize << m.single.len()) - 1;
    of_structure(m, &(0..=all).map(|y| y == all).collect::<Vec<_>>())
}

/// Sharp range of P(a structure fails) given marginals, and pairs where there are any; `fails` says of every pattern, by its bits, whether the system fails. k ≤ 16. `None` when the solver gives up.
pub(crate) fn of_structure(m: &Moments, fails: &[bool]) -> Option<Range> {
    let high = programme(m, fails, 1.0)?;
    let low = -programme(m, fails, -1.0)?;
    Some(Range::new(low.clamp(0.0, 1.0), high.clamp(0.0, 1.0)))
}

/// max of sign·P(failure) by cutting planes on the dual.
fn programme(m: &Moments, fails: &[bool], sign: f64) -> Option<f64> {
    let k = m.single.len();
    let all = (1u64 << k) - 1;
    let mut cuts: Vec<u64> = m.patterns.clone();
    cuts.extend([0, all]);
    cuts.extend((0..k).map(|i| 1 << i));
    if m.double.is_empty() {
        // Failures nested in each other have any marginals.
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|&a, &b| m.single[b].0.total_cmp(&m.single[a].0));
        cuts.extend(order.iter().scan(0u64, |set, i| {
            *set |= 1 << i;
            Some(*set)
        }));
    }
    cuts.sort_unstable();
    cuts.dedup();
    let index: Vec<(u64, (f64, f64))> =
        (0..k).map(|i| (1u64 << i, m.single[i])).chain(pairs(k).zip(&m.double).map(|((i, j), &r)| (1 << i | 1 << j, r))).collect();
    for _ in 0..400 {
        let mut lp = Problem::new(OptimizationDirection::Minimize);
        let constant = lp.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
        // A known rate has one free price; a range has one price per end.
        let prices: Vec<_> = index
            .iter()
            .map(|&(mask, (low, high))| {
                if low < high {
                    (mask, lp.add_var(high, (0.0, f64::INFINITY)), Some(lp.add_var(-low, (0.0, f64::INFINITY))))
                } else {
                    (mask, lp.add_var(low, (f64::NEG_INFINITY, f64::INFINITY)), None)
                }
            })
            .collect();
        for &y in &cuts {
            let mut terms = vec![(constant, 1.0)];
            for &(mask, up, down) in &prices {
                if mask & !y == 0 {
                    terms.push((up, 1.0));
                    terms.extend(down.map(|d| (d, -1.0)));
                }
            }
            lp.add_constraint(terms, ComparisonOp::Ge, if fails[y as usize] { sign } else { 0.0 });
        }
        let solution = lp.solve().ok()?.into_solution().ok()?;
        let c0 = solution.var_value(constant);
        let price: Vec<f64> = prices.iter().map(|&(_, up, down)| solution.var_value(up) - down.map_or(0.0, |d| solution.var_value(d))).collect();
        let violated = most_violated(k, c0, &price, fails, sign);
        let before = cuts.len();
        cuts.extend(violated);
        cuts.sort_unstable();
        cuts.dedup();
        if cuts.len() == before {
            return Some(solution.objective());
        }
    }
    None
}

/// Up to 96 patterns y with c₀ + Σ c over the rates inside y below its right-hand side, worst first.
fn most_violated(k: usize, c0: f64, price: &[f64], fails: &[bool], sign: f64) -> Vec<u64> {
    let all = (1u64 << k) - 1;
    // value(y) by adding the highest layer: c_i plus its pairs with the layers below.
    let mut value = vec![c0; 1 << k];
    let mut pair = vec![0.0; k * k];
    pairs(k).zip(&price[k..]).for_each(|((i, j), &c)| pair[j * k + i] = c);
    let scale = 1.0 + price.iter().map(|c| c.abs()).fold(c0.abs(), f64::max);
    for i in 0..k {
        let mut row = vec![0.0; 1 << i];
        row[0] = price[i];
        for y in 1..1usize << i {
            let top = y.ilog2() as usize;
            row[y] = row[y ^ 1 << top] + pair[i * k + top];
        }
        for y in 0..1usize << i {
            value[y | 1 << i] = value[y] + row[y];
        }
    }
    let slack = |y: u64| value[y as usize] - if fails[y as usize] { sign } else { 0.0 };
    let mut list: Vec<u64> = (0..=all).filter(|&y| slack(y) < -1e-11 * scale).collect();
    list.sort_by(|&a, &b| slack(a).total_cmp(&slack(b)));
    list.truncate(96);
    list
}

/// Range of P(at least `least` of k fail) from Σp_i and Σp_ij alone; for all of them intersected with the Fréchet bounds of the pairs.
pub(crate) fn binomial_moments(single: &[f64], double: &[f64], least: usize) -> Option<Range> {
    let k = single.len();
    let (s1, s2) = (single.iter().sum::<f64>(), double.iter().sum::<f64>());
    let solve = |direction: OptimizationDirection| -> Option<f64> {
        let mut lp = Problem::new(direction);
        let v: Vec<_> = (0..=k).map(|f| lp.add_var(if f >= least { 1.0 } else { 0.0 }, (0.0, 1.0))).collect();
        let sum = |coefficient: &dyn Fn(f64) -> f64| v.iter().enumerate().map(|(f, &x)| (x, coefficient(f as f64))).collect::<Vec<_>>();
        lp.add_constraint(sum(&|_| 1.0), ComparisonOp::Eq, 1.0);
        lp.add_constraint(sum(&|f| f), ComparisonOp::Eq, s1);
        lp.add_constraint(sum(&|f| 0.5 * f * (f - 1.0)), ComparisonOp::Eq, s2);
        Some(lp.solve().ok()?.into_solution().ok()?.objective())
    };
    let high = solve(OptimizationDirection::Maximize)?;
    let low = solve(OptimizationDirection::Minimize)?;
    if least < k {
        return Some(Range::new(low.clamp(0.0, 1.0), high.clamp(0.0, 1.0)));
    }
    let least_pair = double.iter().copied().fold(1.0, f64::min);
    let closed = frechet(single);
    Some(Range::new(low.max(closed.low.unwrap_or(0.0)), high.min(least_pair)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow twin: the primal programme over all patterns.
    fn primal(m: &Moments, fails: &dyn Fn(u64) -> bool, direction: OptimizationDirection) -> f64 {
        let k = m.single.len();
        let mut lp = Problem::new(direction);
        let v: Vec<_> = (0..1u64 << k).map(|y| lp.add_var(if fails(y) { 1.0 } else { 0.0 }, (0.0, 1.0))).collect();
        let over = |mask: u64| (0..1u64 << k).filter(|y| mask & !y == 0).map(|y| (v[y as usize], 1.0)).collect::<Vec<_>>();
        lp.add_constraint(over(0), ComparisonOp::Eq, 1.0);
        (0..k).for_each(|i| lp.add_constraint(over(1 << i), ComparisonOp::Eq, m.single[i].0));
        pairs(k).zip(&m.double).for_each(|((i, j), d)| lp.add_constraint(over(1 << i | 1 << j), ComparisonOp::Eq, d.0));
        lp.solve().unwrap().into_solution().unwrap().objective()
    }

    fn random_moments(k: usize, patterns: usize, seed: u64) -> Moments {
        use rand::Rng;
        let mut rng = crate::Seed(seed).stream(crate::Purpose::Simulation, 0);
        let list: Vec<(u64, f64)> = (0..patterns).map(|_| (rng.random_range(0..1u64 << k), rng.random_range(0.1..1.0))).collect();
        let total: f64 = list.iter().map(|l| l.1).sum();
        let rate = |mask: u64| {
            let r = list.iter().filter(|l| mask & !l.0 == 0).map(|l| l.1).sum::<f64>() / total;
            (r, r)
        };
        Moments {
            single: (0..k).map(|i| rate(1 << i)).collect(),
            double: pairs(k).map(|(i, j)| rate(1 << i | 1 << j)).collect(),
            patterns: list.iter().map(|l| l.0).collect(),
        }
    }

    #[test]
    fn cutting_planes_agree_with_the_primal() {
        for (k, seed) in [(3, 1), (4, 2), (5, 3), (6, 4), (6, 5)] {
            let m = random_moments(k, 40, seed);
            let r = from_pairs(&m).unwrap();
            assert!((r.high.unwrap() - primal(&m, &|y| y + 1 == 1 << k, OptimizationDirection::Maximize)).abs() < 1e-8, "k {k}");
            assert!((r.low.unwrap() - primal(&m, &|y| y + 1 == 1 << k, OptimizationDirection::Minimize)).abs() < 1e-8, "k {k}");
        }
    }

    /// Of a structure, from marginals alone and with pairs.
    #[test]
    fn structures_agree_with_the_primal() {
        for (k, seed) in [(3, 11), (4, 12), (5, 13), (6, 14)] {
            let m = random_moments(k, 40, seed);
            let alone = Moments { double: Vec::new(), patterns: Vec::new(), ..m.clone() };
            // Two at least; and the first with any other.
            for fails in [|y: u64| y.count_ones() >= 2, |y: u64| y & 1 == 1 && y > 1] {
                let list: Vec<bool> = (0..1 << k).map(fails).collect();
                for m in [&m, &alone] {
                    let r = of_structure(m, &list).unwrap();
                    assert!((r.high.unwrap() - primal(m, &fails, OptimizationDirection::Maximize)).abs() < 1e-8, "k {k}");
                    assert!((r.low.unwrap() - primal(m, &fails, OptimizationDirection::Minimize)).abs() < 1e-8, "k {k}");
                }
            }
            // Numbers of failures alone are looser, and hold the truth.
            let (single, double): (Vec<f64>, Vec<f64>) = (m.single.iter().map(|s| s.0).collect(), m.double.iter().map(|s| s.0).collect());
            let loose = binomial_moments(&single, &double, 2).unwrap();
            let sharp = of_structure(&m, &(0..1u64 << k).map(|y| y.count_ones() >= 2).collect::<Vec<_>>()).unwrap();
            assert!(loose.low.unwrap() <= sharp.low.unwrap() + 1e-9 && loose.high.unwrap() >= sharp.high.unwrap() - 1e-9, "k {k}");
        }
    }

    #[test]
    fn sixteen_layers_are_solved_and_binomial_moments_are_looser() {
        let m = random_moments(16, 400, 9);
        let sharp = from_pairs(&m).unwrap();
        let single: Vec<f64> = m.single.iter().map(|s| s.0).collect();
        let double: Vec<f64> = m.double.iter().map(|s| s.0).collect();
        let loose = binomial_moments(&single, &double, 16).unwrap();
        assert!(loose.low.unwrap() <= sharp.low.unwrap() + 1e-9 && loose.high.unwrap() >= sharp.high.unwrap() - 1e-9);
    }
}
