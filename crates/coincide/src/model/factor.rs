//! One or two hidden difficulties: a layer fails when its threshold plus loadings times difficulty exceeds private noise.
//!
//! p_i(z) = Φ((τ_i + l_i·z)/√(1 − |l_i|²)), z ~ N(0, I). Layers i and j then have tetrachoric correlation l_i·l_j, of either sign. With two
//! difficulties only the loadings up to a rotation matter; one layer's second loading is fixed at 0.

use super::independent::{never_or_always, rates};
use super::mixture::Mixture;
use super::probit::{Loading, RUNAWAY};
use super::{Coordinate, Family, Reading, Setting, check_length, check_rates, probit};
use crate::error::{Error, Result};
use crate::likelihood::{Adjoint, Nodes};
use crate::quadrature::Accuracy;
use crate::special::normal_quantile;
use rand::Rng;

/// Coordinates: τ_i; first angles; with two axes the second angles of all layers but the first.
#[derive(Debug)]
pub(crate) struct Factor {
    layers: usize,
    axes: usize,
}

impl Factor {
    pub(crate) fn new(s: &Setting, axes: usize) -> Self {
        Factor { layers: s.layers, axes }
    }
    fn loading(&self, at: &[f64], i: usize) -> Loading {
        let k = self.layers;
        Loading::new([at[k + i], if self.axes == 2 && i > 0 { at[2 * k + i - 1] } else { 0.0 }])
    }
}

impl Family for Factor {
    fn coordinates(&self) -> Vec<Coordinate> {
        let k = self.layers;
        let angles = if self.axes == 1 { k } else { 2 * k - 1 };
        [vec![Coordinate::THRESHOLD; k], vec![Coordinate::ANGLE; angles]].concat()
    }
    fn place(&self, at: &[f64], accuracy: Accuracy, nodes: &mut Nodes) {
        nodes.layers = self.layers;
        probit::place(nodes, self.axes, |i| at[i], |i| self.loading(at, i), accuracy);
        probit::fill(nodes, |i| at[i], |i| self.loading(at, i));
    }
    fn logs(&self, nodes: &mut Nodes) {
        probit::logs(nodes);
    }
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        let k = self.layers;
        for i in 0..k {
            let (tau, angle) = probit::pull_back(nodes, adjoint, i, self.loading(at, i));
            gradient[i] += tau;
            gradient[k + i] += angle[0];
            if self.axes == 2 && i > 0 {
                gradient[2 * k + i - 1] += angle[1];
            }
        }
    }
    fn start(&self, rates: &[f64], attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
        start(rates, self.coordinates().len() - self.layers, attempt, rng)
    }
    fn canonical(&self, at: &mut [f64]) {
        let (first, second) = at[self.layers..].split_at_mut(self.layers);
        // In the plane an angle's mirror image is that of both axes at once.
        if self.axes == 1 {
            settle(first, None)
        } else {
            turn(first, None)
        }
        turn(second, None);
    }
    fn align(&self, at: &mut [f64], reference: &[f64]) {
        let (first, second) = at[self.layers..].split_at_mut(self.layers);
        let (one, two) = reference[self.layers..].split_at(self.layers);
        if self.axes == 1 {
            settle(first, Some(one))
        } else {
            turn(first, Some(one))
        }
        turn(second, Some(two));
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        [rates(&at[..self.layers], layers), loadings(&list, self.axes, layers)].concat()
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        let list: Vec<Loading> = (0..self.layers).map(|i| self.loading(at, i)).collect();
        [never_or_always(&at[..self.layers], layers, trials), runaways(&list, layers)].concat()
    }
}

/// Thresholds from rough rates; angles equal in the first attempt, random afterwards.
pub(crate) fn start(rates: &[f64], angles: usize, attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
    let tau = rates.iter().map(|&p| normal_quantile(p));
    let angles = (0..angles).map(|a| match attempt {
        // The second axis must not start at 0, where its derivative vanishes.
        0 if a < rates.len() => 0.5,
        0 => {
            if a % 2 == 0 {
                0.3
            } else {
                -0.3
            }
        }
        _ => rng.random_range(-1.2..1.2),
    });
    tau.chain(angles).collect()
}

/// The loadings, axis by axis.
pub(crate) fn loadings(list: &[Loading], axes: usize, layers: &[String]) -> Vec<Reading> {
    let which = |axis: usize| match (axes, axis) {
        (1, _) => "loading",
        (_, 0) => "first loading",
        _ => "second loading",
    };
    (0..axes)
        .flat_map(|axis| list.iter().zip(layers).map(move |(l, name)| Reading { name: format!("{} of {name}", which(axis)), value: l.l[axis] }))
        .collect()
}

/// Settles one hidden difficulty's angles: inside ±π/2, where a slope and its angle have one sign, and turned as [`turn`] does.
pub(crate) fn settle(angles: &mut [f64], reference: Option<&[f64]>) {
    // An angle past π/2 has the loading of its mirror image.
    angles.iter_mut().for_each(|v| *v = v.sin().asin());
    turn(angles, reference);
}

/// Turns the sign of an axis so that its loadings agree with those of `reference`, or sum to something positive.
fn turn(angles: &mut [f64], reference: Option<&[f64]>) {
    let agreement: f64 = angles.iter().enumerate().map(|(i, v)| v.sin() * reference.map_or(1.0, |r| r[i].sin())).sum();
    if agreement < 0.0 {
        angles.iter_mut().for_each(|v| *v = -*v);
    }
}

/// Layers whose slope has run away.
pub(crate) fn runaways(list: &[Loading], layers: &[String]) -> Vec<String> {
    let away = |l: &Loading| l.slopes()[0].hypot(l.slopes()[1]) > RUNAWAY;
    list.iter()
        .zip(layers)
        .filter(|(l, _)| away(l))
        .map(|(_, n)| format!("the loading of `{n}` runs away to 1: it becomes a step of the hidden difficulty"))
        .collect()
}

/// Layers with these failure rates and loadings on one hidden normal difficulty: layer i fails when
/// l_i·z + √(1 − l_i²)·e_i exceeds its threshold.
///
/// Fails when a rate is not between 0 and 1, a loading not between −1 and 1, or the lists differ in length.
///
/// ```
/// use coincide::{JointLaw, LayerSet, stated};
/// // Correlation ½ between ten layers that each fail half the time: 1/11 (a classical orthant).
/// let law = stated::one_factor(&[0.5; 10], &[0.5f64.sqrt(); 10])?;
/// assert!((law.ln_all_fail(&LayerSet::all(10)).exp() * 11.0 - 1.0).abs() < 1e-10);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn one_factor(rates: &[f64], loadings: &[f64]) -> Result<Mixture> {
    check_rates(rates)?;
    check_length("the number of loadings", loadings.len(), rates.len())?;
    let list: Vec<[f64; 2]> = loadings.iter().map(|&l| [l, 0.0]).collect();
    stated(rates, &list, 1)
}

/// The same with loadings on two independent hidden difficulties.
///
/// Fails as [`one_factor`], and when a layer's squared loadings sum to more than 1.
///
/// ```
/// use coincide::{JointLaw, stated};
/// let law = stated::two_factor(&[0.1; 4], &[[0.7, 0.0], [0.7, 0.0], [0.0, 0.7], [0.0, 0.7]])?;
/// assert!((law.marginal(3) - 0.1).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn two_factor(rates: &[f64], loadings: &[[f64; 2]]) -> Result<Mixture> {
    check_rates(rates)?;
    check_length("the number of loadings", loadings.len(), rates.len())?;
    stated(rates, loadings, 2)
}

pub(crate) fn check_loadings(loadings: impl Iterator<Item = f64>) -> Result<()> {
    match loadings.into_iter().find(|l| l.is_nan() || l.abs() > 1.0) {
        Some(got) => Err(Error::OutOfRange { what: "a loading", expected: "between -1 and 1", got }),
        None => Ok(()),
    }
}

fn stated(rates: &[f64], list: &[[f64; 2]], axes: usize) -> Result<Mixture> {
    check_loadings(list.iter().map(|l| l[0].hypot(l[1])))?;
    let loading = |i: usize| Loading::new(Loading::angles(list[i]));
    let mut nodes = Nodes { layers: rates.len(), ..Nodes::default() };
    probit::place(&mut nodes, axes, |i| threshold(rates[i]), loading, Accuracy::EXACT);
    probit::fill(&mut nodes, |i| threshold(rates[i]), loading);
    probit::logs(&mut nodes);
    Ok(Mixture::from_nodes(&nodes))
}

/// Φ⁻¹ of a stated rate; rates of 0 and 1 are 40 standard deviations away.
pub(crate) fn threshold(rate: f64) -> f64 {
    normal_quantile(rate).clamp(-40.0, 40.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSet;
    use crate::model::JointLaw;
    use crate::special::bivariate_normal_upper;

    /// Two layers without private noise are steps in the plane that cross: P(both fail) is the bivariate normal integral.
    #[test]
    fn crossing_steps_keep_their_digits() {
        for rate in [0.01, 0.1, 0.4] {
            for angle in [0.3f64, 0.775, 1.4, 2.0, 3.0] {
                for length in [1.0, 0.9999] {
                    let list = [[length, 0.0], [length * angle.cos(), length * angle.sin()]];
                    let law = two_factor(&[rate, rate], &list).unwrap();
                    let t = -normal_quantile(rate);
                    let want = bivariate_normal_upper(t, t, length * length * angle.cos());
                    let got = law.ln_all_fail(&LayerSet::all(2)).exp();
                    assert!((got - want).abs() < 1e-8 * want + 1e-15, "{rate} {angle} {length}: {got} against {want}");
                }
            }
        }
    }
}
