//! Values of a model: probabilities, parameters, factors, with the distributions that say how well they are known.

use rand::{Rng, RngCore};
use rand_distr::{Beta, Distribution, Gamma, StandardNormal};
use statrs::function::erf::erfc_inv;
use std::f64::consts::{LN_10, PI, SQRT_2};

/// How a value follows from others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Number(f64),
    MissionTime,
    Neg,
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Exp,
    Ln,
    Log10,
    Sqrt,
    Abs,
    Min,
    Max,
    Mean,
    Exponential,
    Glm,
    Weibull,
    Uniform,
    Normal,
    LogNormal,
    Gamma,
    Beta,
    /// A lower end, and for each bin its upper end and weight.
    Histogram,
    /// A bin of a histogram: it is read into the histogram and never stands alone.
    Bin,
}

impl Operator {
    /// The operator of an element.
    pub(super) fn of(element: &str) -> Option<Self> {
        Some(match element {
            "system-mission-time" => Operator::MissionTime,
            "pi" => Operator::Number(PI),
            "neg" => Operator::Neg,
            "add" => Operator::Add,
            "sub" => Operator::Sub,
            "mul" => Operator::Mul,
            "div" => Operator::Div,
            "pow" => Operator::Pow,
            "exp" => Operator::Exp,
            "log" => Operator::Ln,
            "log10" => Operator::Log10,
            "sqrt" => Operator::Sqrt,
            "abs" => Operator::Abs,
            "min" => Operator::Min,
            "max" => Operator::Max,
            "mean" => Operator::Mean,
            "exponential" => Operator::Exponential,
            "GLM" => Operator::Glm,
            "Weibull" => Operator::Weibull,
            "uniform-deviate" => Operator::Uniform,
            "normal-deviate" => Operator::Normal,
            "lognormal-deviate" => Operator::LogNormal,
            "gamma-deviate" => Operator::Gamma,
            "beta-deviate" => Operator::Beta,
            "histogram" => Operator::Histogram,
            "bin" => Operator::Bin,
            _ => return None,
        })
    }

    /// Whether it may have so many arguments.
    pub(super) fn takes(self, n: usize) -> bool {
        match self {
            Operator::Number(_) | Operator::MissionTime => n == 0,
            Operator::Neg | Operator::Exp | Operator::Ln | Operator::Log10 | Operator::Sqrt | Operator::Abs => n == 1,
            Operator::Exponential | Operator::Pow | Operator::Uniform | Operator::Normal | Operator::Gamma | Operator::Beta | Operator::Bin => n == 2,
            Operator::LogNormal => n == 2 || n == 3,
            Operator::Glm | Operator::Weibull => n == 4,
            Operator::Histogram => n >= 3 && n % 2 == 1,
            Operator::Add | Operator::Sub | Operator::Mul | Operator::Div | Operator::Min | Operator::Max | Operator::Mean => n > 0,
        }
    }

    fn deviates(self) -> bool {
        matches!(self, Operator::Uniform | Operator::Normal | Operator::LogNormal | Operator::Gamma | Operator::Beta | Operator::Histogram)
    }
}

/// Values in the order in which they follow from each other: one pass works all of them out.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    nodes: Vec<(Operator, Vec<u32>)>,
}

impl Values {
    pub(super) fn push(&mut self, operator: Operator, arguments: Vec<u32>) -> u32 {
        self.nodes.push((operator, arguments));
        self.nodes.len() as u32 - 1
    }

    /// Whether anything is known only as a distribution.
    pub(super) fn uncertain(&self) -> bool {
        self.nodes.iter().any(|n| n.0.deviates())
    }

    /// All values; distributions at their means, or drawn, each once: what several events rest on is the same for them.
    pub(super) fn all(&self, mission_time: f64, mut rng: Option<&mut dyn RngCore>) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::with_capacity(self.nodes.len());
        let mut a: Vec<f64> = Vec::new();
        for (operator, arguments) in &self.nodes {
            a.clear();
            a.extend(arguments.iter().map(|&i| out[i as usize]));
            let value = match (*operator, &mut rng) {
                (o, Some(rng)) if o.deviates() => drawn(o, &a, *rng),
                (o, None) if o.deviates() => mean(o, &a),
                (o, _) => plain(o, &a, mission_time),
            };
            out.push(value);
        }
        out
    }
}

fn plain(o: Operator, a: &[f64], mission_time: f64) -> f64 {
    match o {
        Operator::Number(x) => x,
        Operator::MissionTime => mission_time,
        Operator::Neg => -a[0],
        Operator::Add => a.iter().sum(),
        Operator::Sub => a[1..].iter().fold(a[0], |x, y| x - y),
        Operator::Mul => a.iter().product(),
        Operator::Div => a[1..].iter().fold(a[0], |x, y| x / y),
        Operator::Pow => a[0].powf(a[1]),
        Operator::Exp => a[0].exp(),
        Operator::Ln => a[0].ln(),
        Operator::Log10 => a[0].ln() / LN_10,
        Operator::Sqrt => a[0].sqrt(),
        Operator::Abs => a[0].abs(),
        Operator::Min => a.iter().copied().fold(f64::INFINITY, f64::min),
        Operator::Max => a.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Operator::Mean => a.iter().sum::<f64>() / a.len() as f64,
        // λ, t.
        Operator::Exponential => -(-a[0] * a[1]).exp_m1(),
        // γ, λ, μ, t: fails on demand, then fails and is repaired.
        Operator::Glm => {
            let r = a[1] + a[2];
            if r > 0.0 { (-a[1] * (-r * a[3]).exp_m1()) / r + a[0] * (-r * a[3]).exp() } else { a[0] }
        }
        // Scale, shape, time before, time.
        Operator::Weibull => {
            if a[3] > a[2] {
                -(-((a[3] - a[2]) / a[0]).powf(a[1])).exp_m1()
            } else {
                0.0
            }
        }
        _ => f64::NAN,
    }
}

/// μ and σ of the logarithm: given so, or by the mean, the error factor and its level.
fn logarithm(a: &[f64]) -> (f64, f64) {
    if a.len() == 2 {
        return (a[0], a[1]);
    }
    let z = -SQRT_2 * erfc_inv(2.0 * a[2]);
    let sigma = a[1].ln() / z;
    (a[0].ln() - 0.5 * sigma * sigma, sigma)
}

/// Bins of a histogram: ends and weight.
fn bins(a: &[f64]) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
    a[1..].chunks_exact(2).enumerate().map(|(i, bin)| (if i == 0 { a[0] } else { a[2 * i - 1] }, bin[0], bin[1]))
}

fn mean(o: Operator, a: &[f64]) -> f64 {
    match o {
        Operator::Uniform => 0.5 * (a[0] + a[1]),
        Operator::Normal => a[0],
        Operator::LogNormal => {
            let (mu, sigma) = logarithm(a);
            (mu + 0.5 * sigma * sigma).exp()
        }
        Operator::Gamma => a[0] * a[1],
        Operator::Beta => a[0] / (a[0] + a[1]),
        _ => {
            let total: f64 = bins(a).map(|b| b.2).sum();
            bins(a).map(|(low, high, w)| w * 0.5 * (low + high)).sum::<f64>() / total
        }
    }
}

/// Why a distribution's numbers do not fit, if they do not.
pub(super) fn misfit(o: Operator, a: &[f64]) -> Option<&'static str> {
    let fits = match o {
        Operator::Uniform => a[0] <= a[1],
        Operator::Normal => a[1] >= 0.0,
        Operator::LogNormal if a.len() == 2 => a[1] >= 0.0,
        Operator::LogNormal => a[0] > 0.0 && a[1] >= 1.0 && a[2] > 0.5 && a[2] < 1.0,
        Operator::Gamma | Operator::Beta => a[0] > 0.0 && a[1] > 0.0,
        Operator::Histogram => bins(a).all(|(low, high, w)| low <= high && w >= 0.0) && bins(a).map(|b| b.2).sum::<f64>() > 0.0,
        _ => return None,
    };
    (!fits || a.iter().any(|x| !x.is_finite())).then_some(match o {
        Operator::Uniform => "a uniform deviate has its smaller end first",
        Operator::Normal => "a normal deviate has a mean and a standard deviation of at least 0",
        Operator::LogNormal => "a lognormal deviate has a mean above 0, an error factor of at least 1 and its level, as 0.95; or μ and σ",
        Operator::Gamma | Operator::Beta => "both numbers of this deviate are above 0",
        _ => "the bins of a histogram ascend and have weights",
    })
}

impl Values {
    /// The first distribution whose numbers do not fit, at the means.
    pub(super) fn misfit(&self, values: &[f64]) -> Option<&'static str> {
        self.nodes.iter().find_map(|(o, arguments)| {
            let a: Vec<f64> = arguments.iter().map(|&i| values[i as usize]).collect();
            misfit(*o, &a)
        })
    }
}

fn drawn(o: Operator, a: &[f64], rng: &mut dyn RngCore) -> f64 {
    let normal = |rng: &mut dyn RngCore| -> f64 { StandardNormal.sample(rng) };
    match o {
        Operator::Uniform => a[0] + (a[1] - a[0]) * rng.random::<f64>(),
        Operator::Normal => a[0] + a[1] * normal(rng),
        Operator::LogNormal => {
            let (mu, sigma) = logarithm(a);
            (mu + sigma * normal(rng)).exp()
        }
        Operator::Gamma => Gamma::new(a[0], a[1]).map_or(f64::NAN, |g| g.sample(rng)),
        Operator::Beta => Beta::new(a[0], a[1]).map_or(f64::NAN, |b| b.sample(rng)),
        _ => {
            let total: f64 = bins(a).map(|b| b.2).sum();
            let mut left = rng.random::<f64>() * total;
            let bin = bins(a).find(|b| {
                left -= b.2;
                left < 0.0
            });
            let (low, high, _) = bin.or_else(|| bins(a).last()).unwrap_or((f64::NAN, f64::NAN, 0.0));
            low + (high - low) * rng.random::<f64>()
        }
    }
}
