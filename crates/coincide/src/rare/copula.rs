//! Gaussian and Student copulas with a full correlation matrix: every pair of layers has a correlation of its own, and rates keep their digits however small they are.

use super::tilted::Tilted;
use super::{Rare, nearest_correlation};
use crate::error::{Error, Result};
use crate::layers::{LayerSet, is_subset};
use crate::model::{check_length, check_rates};
use crate::normal::ln_sum_exp;
use crate::random::{Purpose, Seed};
use crate::special::{bivariate_normal_upper, normal_quantile, student_lower_quantile};
use rand::Rng;
use rayon::prelude::*;
use std::f64::consts::PI;

/// Most layers of a copula: the saddle point takes their number's cube.
const MOST_LAYERS: usize = 100;
/// Most cut sets whose union is sampled.
pub const MOST_CUT_SETS: usize = 2000;

/// How much is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Independent shifts of the lattice; the error is measured between them.
    pub shifts: usize,
    /// Points of each.
    pub points: usize,
    /// Seed of the shifts.
    pub seed: Seed,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling { shifts: 16, points: 509, seed: Seed::default() }
    }
}

/// Layers with these failure rates whose hidden normal (or Student) variables have any correlation matrix. Layer i fails where its variable is at most the quantile of its rate.
///
/// ```
/// use coincide::LayerSet;
/// use coincide::rare::{Copula, Sampling};
/// // Twenty layers that each fail on 0.1% and correlate by 0.3 pair by pair.
/// let k = 20;
/// let correlation: Vec<f64> = (0..k * k).map(|e| if e / k == e % k { 1.0 } else { 0.3 }).collect();
/// let law = Copula::gaussian(&vec![0.001; k], &correlation)?;
/// let all = law.all_fail(&LayerSet::all(k), &Sampling::default());
/// // Independence says 1e-60.
/// assert!((all.value() / 3.361e-13 - 1.0).abs() < 0.03 && all.relative_error < 0.01);
/// # Ok::<(), coincide::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Copula {
    rates: Vec<f64>,
    thresholds: Vec<f64>,
    /// Row by row.
    correlation: Vec<f64>,
    freedom: Option<f64>,
    moved: f64,
}

impl Copula {
    /// A Gaussian copula; `correlation` row by row.
    ///
    /// Fails on rates that are none, more than 100 layers and on what is no symmetric matrix with a diagonal of ones. One that has negative eigenvalues is repaired: [`Self::moved`] says by how much.
    pub fn gaussian(rates: &[f64], correlation: &[f64]) -> Result<Self> {
        Self::new(rates, correlation, None)
    }

    /// A Student copula with `freedom` degrees of freedom: the fewer, the more often all layers fail by far at once.
    ///
    /// Fails as [`gaussian`](Self::gaussian), and unless `freedom` is at least 1.
    pub fn student(rates: &[f64], correlation: &[f64], freedom: f64) -> Result<Self> {
        if !(freedom >= 1.0 && freedom.is_finite()) {
            return Err(Error::OutOfRange { what: "the degrees of freedom", expected: "at least 1", got: freedom });
        }
        Self::new(rates, correlation, Some(freedom))
    }

    fn new(rates: &[f64], correlation: &[f64], freedom: Option<f64>) -> Result<Self> {
        check_rates(rates)?;
        let k = rates.len();
        if k > MOST_LAYERS {
            return Err(Error::TooManyLayers { got: k, most: MOST_LAYERS });
        }
        check_length("the number of rows of a correlation matrix", correlation.len().isqrt(), k)?;
        let (correlation, moved) = nearest_correlation(correlation, k)?;
        let quantile = |&p: &f64| freedom.map_or_else(|| normal_quantile(p), |f| student_lower_quantile(p, f));
        Ok(Copula { rates: rates.to_vec(), thresholds: rates.iter().map(quantile).collect(), correlation, freedom, moved })
    }

    /// Failure rates.
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }
    /// The correlation matrix, row by row: that which was given, or the nearest.
    pub fn correlation(&self) -> &[f64] {
        &self.correlation
    }
    /// The largest change of a correlation that made the matrix one; 0 where it was.
    pub fn moved(&self) -> f64 {
        self.moved
    }
    /// Degrees of freedom of a Student copula.
    pub fn freedom(&self) -> Option<f64> {
        self.freedom
    }

    fn rho(&self, i: usize, j: usize) -> f64 {
        self.correlation[i * self.rates.len() + j]
    }

    /// P(all layers of a set fail).
    pub fn all_fail(&self, set: &LayerSet, sampling: &Sampling) -> Rare {
        let members: Vec<usize> = set.iter().filter(|&i| self.thresholds[i] < f64::INFINITY).collect();
        if members.iter().any(|&i| self.thresholds[i] == f64::NEG_INFINITY) {
            return Rare::exactly(f64::NEG_INFINITY);
        }
        if let Some(exact) = self.closed_form(&members) {
            return Rare::exactly(exact.ln());
        }
        let tilted = self.tilted(&members, &members);
        let weigh = |u: &[f64], z: &mut [f64]| tilted.draw(u, z, None);
        let found = lattice(tilted.weighing(), members.len(), sampling, &weigh);
        // No rarer than the rarest layer alone, whatever else is known.
        let least = members.iter().map(|&i| self.rates[i].ln()).fold(0.0, f64::min);
        let most = tilted.ln_at_most.map_or(least, |most| most.min(least));
        match tilted.ln_at_most {
            // Weights of an untilted Student vector may miss what counts without their spread saying so.
            None if self.freedom.is_some() && !tilted.settled => {
                Rare { ln_at_most: Some(most), relative_error: f64::INFINITY, ln_value: found.ln_value.min(most), ..found }
            }
            _ => Rare { ln_at_most: Some(most), ..found },
        }
    }

    /// Where there is one that keeps its digits: up to two layers, and three at their medians (Sheppard 1899).
    fn closed_form(&self, members: &[usize]) -> Option<f64> {
        match *members {
            [] => Some(1.0),
            [i] => Some(self.rates[i]),
            [i, j] if self.freedom.is_none() => {
                let both = bivariate_normal_upper(-self.thresholds[i], -self.thresholds[j], self.rho(i, j));
                (both > 1e-4).then_some(both)
            }
            [i, j, l] if members.iter().all(|&i| self.rates[i] == 0.5) => {
                Some(0.125 + (self.rho(i, j).asin() + self.rho(i, l).asin() + self.rho(j, l).asin()) / (4.0 * PI))
            }
            _ => None,
        }
    }

    /// All of `failing` fail; the others of `of` do what they do.
    fn tilted(&self, of: &[usize], failing: &[usize]) -> Tilted {
        let correlation: Vec<f64> = of.iter().flat_map(|&i| of.iter().map(move |&j| self.rho(i, j))).collect();
        let high: Vec<f64> = of.iter().map(|i| if failing.contains(i) { self.thresholds[*i] } else { f64::INFINITY }).collect();
        Tilted::new(&correlation, &vec![f64::NEG_INFINITY; of.len()], &high, self.freedom)
    }

    /// P(system failure), by sampling each minimal cut set in proportion to its rate and dividing each draw by the number of cut sets that it holds (Karp and Luby 1983; Adler, Blanchet and Liu 2012,
    /// *Annals of Applied Probability* 22, 1167): however rare, the error stays relative. `fails` says whether the system fails when exactly these layers do; where every cut set makes it fail whatever
    /// else does, it may always be true.
    ///
    /// Fails with [`Error::Stated`] for more than [`MOST_CUT_SETS`] cut sets.
    pub fn any_cut_set(&self, cut_sets: &[LayerSet], fails: impl Fn(&LayerSet) -> bool + Sync, sampling: &Sampling) -> Result<Rare> {
        if cut_sets.len() > MOST_CUT_SETS {
            return Err(Error::Stated(format!(
                "the structure has {} minimal cut sets, and the union of {MOST_CUT_SETS} is sampled at most",
                cut_sets.len()
            )));
        }
        let k = self.rates.len();
        let of: Vec<usize> = (0..k).collect();
        let possible = |s: &&LayerSet| s.iter().all(|i| self.thresholds[i] > f64::NEG_INFINITY);
        let few = Sampling { shifts: 2, points: 31, ..*sampling };
        let sets: Vec<(f64, Tilted, &LayerSet)> = cut_sets
            .par_iter()
            .filter(possible)
            .map(|s| {
                let quick = self.all_fail(s, &few);
                // A set that was not hit is drawn all the same, now and then.
                let ln = if quick.ln_value.is_finite() { quick.ln_value } else { quick.ln_at_most.unwrap_or(0.0) - 10.0 };
                (ln, self.tilted(&of, &s.iter().collect::<Vec<_>>()), s)
            })
            .collect();
        let total = ln_sum_exp(sets.iter().map(|s| s.0));
        if total == f64::NEG_INFINITY {
            return Ok(Rare::exactly(total));
        }
        let share: Vec<f64> = sets.iter().map(|s| (s.0 - total).exp()).collect();
        let weigh = |u: &[f64], z: &mut [f64]| {
            let mut left = u[0];
            let chosen = share.iter().position(|q| {
                left -= q;
                left < 0.0
            });
            let chosen = chosen.unwrap_or(share.len() - 1);
            let (_, tilted, set) = &sets[chosen];
            let (z, x) = z.split_at_mut(k);
            let ln = tilted.draw(&u[1..], z, Some(x));
            let mut failed = (*set).clone();
            (0..k).filter(|&i| x[i] <= self.thresholds[i]).for_each(|i| failed.insert(i));
            if ln == f64::NEG_INFINITY || !fails(&failed) {
                return f64::NEG_INFINITY;
            }
            let held = sets.iter().filter(|s| is_subset(s.2.words(), failed.words())).count();
            ln - share[chosen].ln() - (held as f64).ln()
        };
        let found = lattice(sets[0].1.uniforms() + 1, 2 * k, sampling, &weigh);
        // Nothing hit: the union is no likelier than its sets together, and of that no more than three in all draws.
        let drawn = (sampling.points * sampling.shifts) as f64;
        let most = if found.ln_value == f64::NEG_INFINITY { total + (3.0 / drawn).ln() } else { total };
        let lost = sets.iter().any(|s| self.freedom.is_some() && !s.1.settled);
        Ok(Rare {
            ln_at_most: (found.ln_value == f64::NEG_INFINITY).then_some(most.min(0.0)),
            relative_error: if lost { f64::INFINITY } else { found.relative_error },
            ..found
        })
    }
}

/// Square roots of primes: Richtmyer's lattice.
fn generators(dims: usize) -> Vec<f64> {
    let mut primes: Vec<u32> = Vec::with_capacity(dims);
    let mut n = 2;
    while primes.len() < dims {
        if primes.iter().all(|p| n % p != 0) {
            primes.push(n);
        }
        n += 1;
    }
    primes.into_iter().map(|p| f64::from(p).sqrt().fract()).collect()
}

/// ln of the mean of e^f over the unit cube, by randomly shifted lattices folded at the middle (Cranley and Patterson 1976; Hickernell 2002). `room` numbers are handed to `f` to work in.
pub(super) fn lattice(dims: usize, room: usize, sampling: &Sampling, f: &(impl Fn(&[f64], &mut [f64]) -> f64 + Sync)) -> Rare {
    let generators = generators(dims);
    let mean = |shift: usize| {
        let mut rng = sampling.seed.stream(Purpose::Lattice, shift as u64);
        let shifts: Vec<f64> = (0..dims).map(|_| rng.random()).collect();
        let (mut u, mut z) = (vec![0.0; dims], vec![0.0; room]);
        let mut values = Vec::with_capacity(sampling.points);
        for i in 0..sampling.points {
            for ((u, g), s) in u.iter_mut().zip(&generators).zip(&shifts) {
                let x = (i as f64 * g + s).fract();
                *u = (1.0 - (2.0 * x - 1.0).abs()).clamp(1e-16, 1.0 - 1e-16);
            }
            values.push(f(&u, &mut z));
        }
        ln_sum_exp(values.iter().copied()) - (sampling.points as f64).ln()
    };
    let means: Vec<f64> = (0..sampling.shifts).into_par_iter().map(mean).collect();
    let n = means.len() as f64;
    let ln_value = ln_sum_exp(means.iter().copied()) - n.ln();
    if ln_value == f64::NEG_INFINITY {
        return Rare { ln_value, relative_error: 0.0, ln_at_most: None, shifts: means.len() };
    }
    let square: f64 = means.iter().map(|m| ((m - ln_value).exp() - 1.0).powi(2)).sum();
    Rare { ln_value, relative_error: (square / (n * (n - 1.0).max(1.0))).sqrt(), ln_at_most: None, shifts: means.len() }
}
