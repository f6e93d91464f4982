//! What is believed about a probability: a value, a Beta distribution, or several of them mixed; and how experts' quantiles become one.
//!
//! An expert's quantiles are fitted by least squares of the distribution function (O'Hagan et al. 2006, *Uncertain Judgements*). Experts are pooled
//! linearly, Σw_e f_e, which keeps their disagreement as width, or logarithmically, ∝ Πf_e^{w_e}, which for Beta distributions is the Beta with
//! averaged exponents and treats experts as repeating one another's evidence only to the extent of their weights (Genest and Zidek 1986).

use crate::error::{Error, Result};
use crate::special::{BetaLogit, beta_cdf, beta_quantile, logistic, normal_cdf};
use argmin::core::{CostFunction, Executor, State};
use argmin::solver::neldermead::NelderMead;
use rand::Rng;
use rand_distr::Distribution as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One Beta distribution of a mixture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BetaPart {
    /// Its share; shares sum to 1.
    pub weight: f64,
    /// First exponent.
    pub a: f64,
    /// Second exponent.
    pub b: f64,
}

/// A belief about a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Known.
    Point(f64),
    /// Beta distributions, mixed.
    Betas(Vec<BetaPart>),
    /// Beta distributions and known values, mixed.
    Mixed {
        /// The distributions.
        betas: Vec<BetaPart>,
        /// The values.
        points: Vec<PointPart>,
    },
}

/// One known value of a mixture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointPart {
    /// Its share; shares sum to 1.
    pub weight: f64,
    /// The value.
    pub value: f64,
}

fn probability(what: &'static str, x: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&x) { Ok(x) } else { Err(Error::OutOfRange { what, expected: "a probability between 0 and 1", got: x }) }
}

impl Distribution {
    /// A known probability.
    pub fn point(x: f64) -> Result<Self> {
        Ok(Distribution::Point(probability("a probability", x)?))
    }
    /// Beta(a, b); fails unless both are positive and finite.
    pub fn beta(a: f64, b: f64) -> Result<Self> {
        for x in [a, b] {
            if !(x > 0.0 && x.is_finite()) {
                return Err(Error::OutOfRange { what: "an exponent of a Beta distribution", expected: "positive", got: x });
            }
        }
        Ok(Distribution::Betas(vec![BetaPart { weight: 1.0, a, b }]))
    }
    /// The Beta distribution with this mean and standard deviation; fails where there is none (sd² ≥ mean(1 − mean)).
    ///
    /// ```
    /// let d = coincide::Distribution::mean_sd(0.2, 0.1)?;
    /// assert!((d.mean() - 0.2).abs() < 1e-15);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn mean_sd(mean: f64, sd: f64) -> Result<Self> {
        let n = probability("a mean", mean)? * (1.0 - mean) / (sd * sd) - 1.0;
        if sd.is_nan() || sd <= 0.0 || n.is_nan() || n <= 0.0 || !n.is_finite() {
            return Err(Error::OutOfRange { what: "a standard deviation", expected: "above 0 and below √(mean·(1 − mean))", got: sd });
        }
        Self::beta(mean * n, (1.0 - mean) * n)
    }
    /// Several beliefs with weights, mixed (the linear pool). Weights are scaled to sum to 1.
    pub fn linear_pool(list: &[(f64, Distribution)]) -> Result<Self> {
        if let [(_, only)] = list {
            weights(list)?;
            return Ok(only.clone());
        }
        let total: f64 = weights(list)?;
        let (mut betas, mut points) = (Vec::new(), Vec::new());
        for (w, d) in list {
            betas.extend(d.parts().iter().map(|p| BetaPart { weight: p.weight * w / total, ..*p }));
            points.extend(d.points().iter().map(|p| PointPart { weight: p.weight * w / total, ..*p }));
        }
        Ok(if points.is_empty() { Distribution::Betas(betas) } else { Distribution::Mixed { betas, points } })
    }
    /// The logarithmic pool of single Beta distributions.
    pub fn log_pool(list: &[(f64, Distribution)]) -> Result<Self> {
        let total = weights(list)?;
        let (mut a, mut b) = (0.0, 0.0);
        for (w, d) in list {
            match d {
                Distribution::Betas(p) if p.len() == 1 => {
                    a += w / total * p[0].a;
                    b += w / total * p[0].b;
                }
                _ => return Err(Error::Stated("only single Beta distributions can be pooled logarithmically".into())),
            }
        }
        Self::beta(a, b)
    }

    fn parts(&self) -> &[BetaPart] {
        match self {
            Distribution::Point(_) => &[],
            Distribution::Betas(p) | Distribution::Mixed { betas: p, .. } => p,
        }
    }
    fn points(&self) -> Vec<PointPart> {
        match self {
            Distribution::Point(value) => vec![PointPart { weight: 1.0, value: *value }],
            Distribution::Betas(_) => Vec::new(),
            Distribution::Mixed { points, .. } => points.clone(),
        }
    }
    /// Whether it has a density everywhere.
    pub(crate) fn is_continuous(&self) -> bool {
        matches!(self, Distribution::Betas(_))
    }
    /// Expected value.
    pub fn mean(&self) -> f64 {
        let betas: f64 = self.parts().iter().map(|p| p.weight * p.a / (p.a + p.b)).sum();
        betas + self.points().iter().map(|p| p.weight * p.value).sum::<f64>()
    }
    /// Variance.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        let each = |p: &BetaPart| {
            let (m, n) = (p.a / (p.a + p.b), p.a + p.b);
            p.weight * (m * (1.0 - m) / (n + 1.0) + (m - mean) * (m - mean))
        };
        let betas: f64 = self.parts().iter().map(each).sum();
        betas + self.points().iter().map(|p| p.weight * (p.value - mean) * (p.value - mean)).sum::<f64>()
    }
    /// P(probability ≤ x).
    pub fn cdf(&self, x: f64) -> f64 {
        let betas: f64 = self.parts().iter().map(|p| p.weight * beta_cdf(x, 1.0 - x, p.a, p.b)).sum();
        betas + self.points().iter().filter(|p| p.value <= x).map(|p| p.weight).sum::<f64>()
    }
    /// The p-quantile.
    pub fn quantile(&self, p: f64) -> f64 {
        match self {
            Distribution::Point(x) => *x,
            Distribution::Betas(list) if list.len() == 1 => beta_quantile(p, list[0].a, list[0].b),
            Distribution::Betas(_) => logistic(self.logit_at(crate::special::normal_quantile(p)).0),
            Distribution::Mixed { .. } => {
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..60 {
                    let mid = 0.5 * (low + high);
                    if self.cdf(mid) < p { low = mid } else { high = mid }
                }
                high
            }
        }
    }
    /// The logit t with P(logit ≤ t) = Φ(x), and dt/dx. Not for points.
    pub(crate) fn logit_at(&self, x: f64) -> (f64, f64) {
        let parts: Vec<(f64, BetaLogit)> = self.parts().iter().map(|p| (p.weight.ln(), BetaLogit::new(p.a, p.b))).collect();
        // The smaller tail is matched, in logarithms: both tails keep their digits.
        let lower = x <= 0.0;
        let want = normal_cdf(-x.abs()).max(f64::MIN_POSITIVE).ln();
        let tail = |t: f64| {
            let terms = parts.iter().map(|(w, b)| {
                let odds = b.ln_odds(t).0;
                w - if lower { ln_1p_exp(-odds) } else { ln_1p_exp(odds) }
            });
            crate::normal::ln_sum_exp(terms.collect::<Vec<_>>().into_iter())
        };
        let density = |t: f64| crate::normal::ln_sum_exp(parts.iter().map(|(w, b)| w + b.ln_density(t)).collect::<Vec<_>>().into_iter());
        let (mut low, mut high) = (-700.0, 700.0);
        let mut t = {
            let m = self.mean();
            (m / (1.0 - m)).ln().clamp(-600.0, 600.0)
        };
        for _ in 0..200 {
            let (value, ln_density) = (tail(t), density(t));
            let off = value - want;
            if (off > 0.0) == lower {
                high = t
            } else {
                low = t
            }
            let slope = (ln_density - value).exp() * if lower { 1.0 } else { -1.0 };
            let next = t - off / slope;
            let next = if next > low && next < high { next } else { 0.5 * (low + high) };
            if (next - t).abs() <= 1e-13 * t.abs().max(1.0) || high - low <= 1e-13 * t.abs().max(1.0) {
                t = next;
                break;
            }
            t = next;
        }
        let ln_normal = -0.5 * x * x - 0.5 * std::f64::consts::TAU.ln();
        (t, (ln_normal - density(t)).exp())
    }
    /// A draw.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        if let Distribution::Point(x) = self {
            return *x;
        }
        let mut left: f64 = rng.random();
        for p in self.points() {
            left -= p.weight;
            if left < 0.0 {
                return p.value;
            }
        }
        let parts = self.parts();
        let chosen = parts.iter().find(|p| {
            left -= p.weight;
            left < 0.0
        });
        let Some(p) = chosen.or(parts.last()) else { return self.points().last().map_or(0.0, |p| p.value) };
        // Gamma draws of tiny exponents can both underflow; the mean then stands for what a Beta this extreme almost never leaves.
        rand_distr::Beta::new(p.a, p.b).map_or(p.a / (p.a + p.b), |b| b.sample(rng)).clamp(0.0, 1.0)
    }
}

fn ln_1p_exp(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

fn weights(list: &[(f64, Distribution)]) -> Result<f64> {
    for (w, _) in list {
        if !(*w > 0.0 && w.is_finite()) {
            return Err(Error::OutOfRange { what: "an expert's weight", expected: "positive", got: *w });
        }
    }
    if list.is_empty() { Err(Error::Stated("a pool needs an expert".into())) } else { Ok(list.iter().map(|l| l.0).sum()) }
}

/// How experts' beliefs become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// Mixed: disagreement stays as width.
    #[default]
    Linear,
    /// Multiplied: agreement is sought.
    Log,
}

/// What one expert said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expert {
    /// Who.
    pub name: String,
    /// Probability levels and the value at each: P(value ≤ v) = p.
    pub quantiles: std::collections::BTreeMap<String, f64>,
    /// Weight in the pool.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// What was made of one expert's quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FittedExpert {
    /// Who.
    pub name: String,
    /// Weight in the pool, of 1.
    pub weight: f64,
    /// Exponents of the fitted Beta distribution.
    pub a: f64,
    /// Second exponent.
    pub b: f64,
    /// Its median.
    pub median: f64,
    /// Its 5% quantile.
    pub low: f64,
    /// Its 95% quantile.
    pub high: f64,
    /// Largest distance between a stated probability level and the fitted one.
    pub misfit: f64,
}

/// Experts pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Elicited {
    /// Each expert.
    pub experts: Vec<FittedExpert>,
    /// The linear pool.
    pub linear: Distribution,
    /// The logarithmic pool.
    pub log: Distribution,
    /// Which of them is used.
    pub pool: Pool,
    /// Part of the linear pool's variance that lies between experts: 0 they agree, 1 they do not overlap.
    pub disagreement: f64,
}

impl Elicited {
    /// The pool that is used.
    pub fn used(&self) -> &Distribution {
        match self.pool {
            Pool::Linear => &self.linear,
            Pool::Log => &self.log,
        }
    }
}

/// The Beta distribution nearest to quantiles (p, value), and the largest distance of a level.
///
/// Fails below two quantiles, outside (0, 1), and when values do not rise with levels.
///
/// ```
/// let (d, misfit) = coincide::beta_from_quantiles(&[(0.05, 0.02), (0.5, 0.1), (0.95, 0.3)])?;
/// assert!((d.quantile(0.5) - 0.1).abs() < 0.01 && misfit < 0.03);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn beta_from_quantiles(quantiles: &[(f64, f64)]) -> Result<(Distribution, f64)> {
    let mut list = quantiles.to_vec();
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    if list.len() < 2 {
        return Err(Error::Stated("a distribution needs at least two quantiles, for example at 0.05 and 0.95".into()));
    }
    if let Some(bad) = list.iter().flat_map(|q| [q.0, q.1]).find(|x| !(*x > 0.0 && *x < 1.0)) {
        return Err(Error::OutOfRange { what: "a quantile of a probability and its level", expected: "above 0 and below 1", got: bad });
    }
    if let Some(w) = list.windows(2).find(|w| w[0].0 >= w[1].0 || w[0].1 >= w[1].1) {
        return Err(Error::Stated(format!(
            "quantiles out of order: the value at {} is {}, and at {} it is {}; values must rise with their levels",
            w[0].0, w[0].1, w[1].0, w[1].1
        )));
    }
    let (first, last) = (list[0], list[list.len() - 1]);
    let logit = |x: f64| (x / (1.0 - x)).ln();
    let z = crate::special::normal_quantile;
    let sd = (logit(last.1) - logit(first.1)) / (z(last.0) - z(first.0));
    let middle = logistic(0.5 * (logit(first.1) + logit(last.1)) - 0.5 * sd * (z(first.0) + z(last.0)));
    let n = 1.0 / (middle * (1.0 - middle) * sd * sd);
    let start = vec![(middle * n).ln().clamp(-6.0, 12.0), ((1.0 - middle) * n).ln().clamp(-6.0, 12.0)];
    struct Misfit(Vec<(f64, f64)>);
    impl Misfit {
        fn levels(&self, at: &[f64]) -> impl Iterator<Item = f64> {
            let (a, b) = (at[0].clamp(-12.0, 18.0).exp(), at[1].clamp(-12.0, 18.0).exp());
            self.0.iter().map(move |&(p, x)| beta_cdf(x, 1.0 - x, a, b) - p)
        }
    }
    impl CostFunction for Misfit {
        type Param = Vec<f64>;
        type Output = f64;
        fn cost(&self, at: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
            Ok(self.levels(at).map(|d| d * d).sum())
        }
    }
    let failed = |e: argmin::core::Error| Error::Stated(format!("no Beta distribution could be fitted to the quantiles: {e}"));
    let mut best = start;
    // Restarted where it ended: a simplex can collapse before it has arrived.
    for size in [0.5, 0.1, 0.02] {
        let simplex = vec![best.clone(), vec![best[0] + size, best[1]], vec![best[0], best[1] + size]];
        let solver = NelderMead::new(simplex).with_sd_tolerance(1e-18).map_err(failed)?;
        let run = Executor::new(Misfit(list.clone()), solver).configure(|s| s.max_iters(400)).run().map_err(failed)?;
        best = run.state().get_best_param().cloned().unwrap_or(best);
    }
    let misfit = Misfit(list).levels(&best).fold(0.0f64, |m, d| m.max(d.abs()));
    Ok((Distribution::beta(best[0].clamp(-12.0, 18.0).exp(), best[1].clamp(-12.0, 18.0).exp())?, misfit))
}

/// Fits each expert and pools them. Fails on quantiles that [`beta_from_quantiles`] refuses, naming the expert.
pub fn elicit(experts: &[Expert], pool: Pool) -> Result<Elicited> {
    let mut fitted = Vec::new();
    let mut list = Vec::new();
    let total: f64 = experts.iter().map(|e| e.weight).sum();
    for e in experts {
        let name = |error: Error| error.within("expert", &e.name);
        let levels: Vec<(f64, f64)> = e
            .quantiles
            .iter()
            .map(|(p, &v)| {
                p.parse::<f64>().map(|p| (p, v)).map_err(|_| name(Error::Stated(format!("`{p}` is not a probability level, for example \"0.05\""))))
            })
            .collect::<Result<_>>()?;
        let (d, misfit) = beta_from_quantiles(&levels).map_err(name)?;
        let part = d.parts()[0];
        fitted.push(FittedExpert {
            name: e.name.clone(),
            weight: e.weight / total,
            a: part.a,
            b: part.b,
            median: d.quantile(0.5),
            low: d.quantile(0.05),
            high: d.quantile(0.95),
            misfit,
        });
        list.push((e.weight, d));
    }
    let (linear, log) = (Distribution::linear_pool(&list)?, Distribution::log_pool(&list)?);
    let within: f64 = list.iter().map(|(w, d)| w / total * d.variance()).sum();
    let disagreement = (1.0 - within / linear.variance()).clamp(0.0, 1.0);
    Ok(Elicited { experts: fitted, linear, log, pool, disagreement })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    #[test]
    fn quantiles_of_a_beta_give_it_back() {
        for (a, b) in [(2.0, 30.0), (0.7, 0.9), (40.0, 3.0), (1.2, 900.0)] {
            let d = Distribution::beta(a, b).unwrap();
            let q: Vec<(f64, f64)> = [0.05, 0.25, 0.5, 0.75, 0.95].iter().map(|&p| (p, d.quantile(p))).collect();
            let (back, misfit) = beta_from_quantiles(&q).unwrap();
            let p = back.parts()[0];
            assert!((p.a / a - 1.0).abs() < 1e-4 && (p.b / b - 1.0).abs() < 1e-4 && misfit < 1e-6, "{a} {b}: {p:?} {misfit}");
        }
    }

    #[test]
    fn pools_and_disagreement() {
        let expert = |name: &str, low: f64, high: f64| Expert {
            name: name.into(),
            quantiles: [("0.05".to_owned(), low), ("0.95".to_owned(), high)].into(),
            weight: 1.0,
        };
        let apart = elicit(&[expert("a", 0.01, 0.03), expert("b", 0.3, 0.6)], Pool::Log).unwrap();
        assert!(apart.disagreement > 0.9, "{}", apart.disagreement);
        let same = elicit(&[expert("a", 0.01, 0.03), expert("b", 0.01, 0.03)], Pool::Linear).unwrap();
        assert!(same.disagreement < 1e-9);
        // The linear pool holds both experts' medians in its middle; the logarithmic one lies between them.
        let (lin, log) = (&apart.linear, apart.used());
        assert!(lin.quantile(0.2) < 0.05 && lin.quantile(0.8) > 0.2);
        assert!(log.quantile(0.05) > 0.02 && log.quantile(0.95) < 0.5);
        // The logarithmic pool's density is the normalised product: ratios of densities at two places say so.
        let density = |d: &Distribution, x: f64| {
            let p = d.parts()[0];
            (p.a - 1.0) * x.ln() + (p.b - 1.0) * (1.0 - x).ln()
        };
        let each: Vec<Distribution> = apart.experts.iter().map(|e| Distribution::beta(e.a, e.b).unwrap()).collect();
        let change = |d: &Distribution| density(d, 0.2) - density(d, 0.1);
        assert!((change(log) - 0.5 * (change(&each[0]) + change(&each[1]))).abs() < 1e-10);
        for wrong in [vec![(0.5, 0.1)], vec![(0.1, 0.3), (0.9, 0.2)], vec![(0.1, 0.3), (0.9, 1.2)]] {
            assert!(beta_from_quantiles(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn known_values_can_be_mixed() {
        let d = Distribution::linear_pool(&[(3.0, Distribution::Point(0.8)), (1.0, Distribution::beta(2.0, 2.0).unwrap())]).unwrap();
        assert!((d.mean() - 0.725).abs() < 1e-15 && (d.quantile(0.5) - 0.8).abs() < 1e-12);
        assert!((d.quantile(0.1) - beta_quantile(0.4, 2.0, 2.0)).abs() < 1e-12);
        let mut rng = Seed(2).stream(Purpose::Simulation, 0);
        let n = 20_000;
        let exact = (0..n).filter(|_| d.draw(&mut rng).to_bits() == 0.8f64.to_bits()).count() as f64 / f64::from(n);
        assert!((exact - 0.75).abs() < 0.015, "{exact}");
    }

    /// The map from a normal coordinate is the distribution's own: its slope, its quantiles and its draws agree.
    #[test]
    fn coordinates_draws_and_quantiles_agree() {
        let d = Distribution::linear_pool(&[(1.0, Distribution::beta(3.0, 1.5).unwrap()), (1.0, Distribution::beta(1.0, 19.0).unwrap())]).unwrap();
        for x in [-6.0, -2.0, -0.1, 0.0, 0.3, 1.7, 5.0] {
            let (t, slope) = d.logit_at(x);
            let h = 1e-5;
            let numeric = (d.logit_at(x + h).0 - d.logit_at(x - h).0) / (2.0 * h);
            assert!((slope / numeric - 1.0).abs() < 1e-5, "{x}: {slope} {numeric}");
            assert!((d.cdf(logistic(t)) - normal_cdf(x)).abs() < 1e-11, "{x}");
        }
        let mut rng = Seed(1).stream(Purpose::Simulation, 0);
        let n = 40_000;
        let below = (0..n).filter(|_| d.draw(&mut rng) < 0.2).count() as f64 / f64::from(n);
        assert!((below - d.cdf(0.2)).abs() < 4.0 * (0.25 / f64::from(n)).sqrt());
    }
}
