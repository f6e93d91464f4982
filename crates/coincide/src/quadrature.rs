//! Nodes and weights for a standard normal latent variable, dense where the integrand needs them.
//!
//! The integrands are φ(z)·Π_i Φ(±(a_i + b_i z)). In the complex plane |Φ(x + iy)| grows at most like e^{y²/2}, so the integrand behaves
//! like e^{−κ²z²/2} with κ² = 1 + Σb_i², and the trapezoidal rule with step h errs by about 2·exp(−2π²/(κh)²), relative
//! to the integrand's peak (L. Trefethen and J. Weideman 2014, *SIAM Review* 56, 385). One step for the whole
//! line is best as long as no b_i is large. A large b_i is a step at −a_i/b_i of width 1/|b_i|: there the line is cut into
//! panels, each with as many Gauss–Legendre points as the bandwidth inside it asks for. So a loading may run away to
//! infinity and the sum stays exact, with a few hundred nodes.

use crate::normal::LANES;
use std::sync::OnceLock;

/// How exact sums over nodes are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Accuracy {
    /// The line is cut at ± this.
    pub reach: f64,
    /// The error of the rule relative to an integrand's peak is about e^{−digits}.
    pub exponent: f64,
}

impl Accuracy {
    /// For posterior draws and refits: relative error of a pattern's probability well below 1e-4.
    pub(crate) const DRAFT: Accuracy = Accuracy { reach: 6.5, exponent: 11.0 };
    /// For the search of the best parameters: well below 1e-5.
    pub(crate) const FIT: Accuracy = Accuracy { reach: 7.5, exponent: 14.0 };
    /// For what is read off posterior draws: about 1e-8.
    pub(crate) const DRAW: Accuracy = Accuracy { reach: 8.5, exponent: 18.0 };
    /// For what is reported of a fit: about 1e-13.
    pub(crate) const REPORT: Accuracy = Accuracy { reach: 9.0, exponent: 30.0 };
    /// For stated models: probabilities down to 1e-15 keep 8 digits and more.
    pub(crate) const EXACT: Accuracy = Accuracy { reach: 11.0, exponent: 55.0 };

    /// Twice as many nodes per length.
    pub(crate) fn doubled(self) -> Accuracy {
        Accuracy { reach: self.reach + 1.0, exponent: 4.0 * self.exponent }
    }

    /// Step of the trapezoidal rule for bandwidth κ.
    fn step(self, bandwidth: f64) -> f64 {
        std::f64::consts::PI * std::f64::consts::SQRT_2 / (bandwidth * self.exponent.sqrt())
    }
    /// Beyond this many standard units a step is over.
    fn step_width(self) -> f64 {
        (2.0 * self.exponent).sqrt()
    }
}

/// |b| from which a layer is a step.
pub(crate) const STEEP: f64 = 8.0;

/// Fills `z` and `weight` (which sums to 1) for integrands in which layer i enters as Φ(±(a_i + b_i z)).
pub(crate) fn normal_nodes(layers: impl Iterator<Item = (f64, f64)> + Clone, accuracy: Accuracy, z: &mut Vec<f64>, weight: &mut Vec<f64>) {
    z.clear();
    weight.clear();
    let regular: f64 = layers.clone().filter(|l| l.1.abs() <= STEEP).map(|l| l.1 * l.1).sum();
    if layers.clone().all(|l| l.1.abs() <= STEEP) {
        trapezoid((1.0 + regular).sqrt(), accuracy, z, weight);
    } else {
        panels(layers, regular, accuracy, z, weight);
    }
    let total: f64 = weight.iter().sum();
    weight.iter_mut().for_each(|w| *w /= total);
}

/// Equal steps over the line. κ is rounded up to a power of 2^{1/8}, so that nearby parameters share their nodes.
fn trapezoid(bandwidth: f64, accuracy: Accuracy, z: &mut Vec<f64>, weight: &mut Vec<f64>) {
    let rounded = (2f64.powf(0.125)).powf((8.0 * bandwidth.log2()).ceil());
    let h = accuracy.step(rounded);
    let n = ((2.0 * accuracy.reach / h).ceil() as usize).next_multiple_of(LANES);
    for j in 0..n {
        let x = h * (j as f64 - 0.5 * (n as f64 - 1.0));
        z.push(x);
        weight.push((-0.5 * x * x).exp());
    }
}

/// Gauss–Legendre points on panels that end where steps begin and end.
fn panels(layers: impl Iterator<Item = (f64, f64)> + Clone, regular: f64, accuracy: Accuracy, z: &mut Vec<f64>, weight: &mut Vec<f64>) {
    let steep = layers.filter(|l| l.1.abs() > STEEP);
    let width = accuracy.step_width();
    let mut cuts = vec![-accuracy.reach, accuracy.reach];
    for (a, b) in steep.clone() {
        cuts.extend([(-a - width) / b, -a / b, (-a + width) / b].into_iter().filter(|c| c.abs() < accuracy.reach));
    }
    cuts.sort_by(f64::total_cmp);
    for w in cuts.windows(2) {
        let (low, high) = (w[0], w[1]);
        if high <= low {
            continue;
        }
        let middle = 0.5 * (low + high);
        let active: f64 = steep.clone().filter(|(a, b)| (a + b * middle).abs() < width).map(|(_, b)| b * b).sum();
        let bandwidth = (1.0 + regular + active).sqrt();
        let pieces = (bandwidth * (high - low) / 24.0).ceil().max(1.0);
        let half = 0.5 * (high - low) / pieces;
        let rule = legendre(points(bandwidth * half, accuracy.exponent));
        for piece in 0..pieces as usize {
            let centre = low + half * (2.0 * piece as f64 + 1.0);
            for &(x, w) in rule {
                let at = centre + half * x;
                z.push(at);
                weight.push(half * w * (-0.5 * at * at).exp());
            }
        }
    }
}

/// Gauss–Legendre points that integrate e^{−κ²x²/2} over [−1, 1] to e^{−exponent}: the least n with
/// min_y κ²y²/2 − 2n·asinh(y) ≤ −exponent (error on the Bernstein ellipse of half axis y).
fn points(half_width: f64, exponent: f64) -> usize {
    let error = |n: f64| {
        let k2 = half_width * half_width;
        // Stationary where κ² y √(1 + y²) = 2n.
        let c = 2.0 * n / k2;
        let y = (0.5 * ((1.0 + 4.0 * c * c).sqrt() - 1.0)).sqrt();
        0.5 * k2 * y * y - 2.0 * n * y.asinh()
    };
    (1..=MOST_POINTS / LANES).map(|i| i * LANES).find(|&n| error(n as f64) <= -exponent).unwrap_or(MOST_POINTS)
}

const MOST_POINTS: usize = 1024;

/// Gauss–Legendre points and weights on [−1, 1], made once.
pub(crate) fn legendre(n: usize) -> &'static [(f64, f64)] {
    static RULES: [OnceLock<Vec<(f64, f64)>>; MOST_POINTS + 1] = [const { OnceLock::new() }; MOST_POINTS + 1];
    RULES[n].get_or_init(|| {
        let half = crate::special::legendre(n / 2);
        let right = half.iter().rev().map(|&(x, w)| (x, w));
        half.iter().map(|&(x, w)| (-x, w)).chain(right).collect()
    })
}

/// One panel of Gauss–Legendre points over the whole line, on which integrals up to each point can be taken.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    /// Points, ascending.
    pub z: Vec<f64>,
    /// Weights with the normal density, summing to 1.
    pub weight: Vec<f64>,
    /// φ(z).
    pub density: Vec<f64>,
    half: f64,
}

/// A panel for integrands of bandwidth κ that are analytic within `strip` of the line.
pub(crate) fn normal_panel(bandwidth: f64, strip: f64, accuracy: Accuracy) -> Panel {
    let wide = points(bandwidth * accuracy.reach, accuracy.exponent);
    // Error e^{−2n·asinh(y)} on the ellipse of half axis y = strip/reach.
    let narrow = (accuracy.exponent / (2.0 * (strip / accuracy.reach).asinh())).ceil() as usize;
    Panel::new(wide.max(narrow.next_multiple_of(LANES)).min(MOST_POINTS), accuracy.reach)
}

impl Panel {
    fn new(points: usize, half: f64) -> Self {
        let rule = legendre(points);
        let z: Vec<f64> = rule.iter().map(|r| half * r.0).collect();
        let density: Vec<f64> = z.iter().map(|z| (-0.5 * z * z - crate::normal::LN_SQRT_2PI).exp()).collect();
        let weight: Vec<f64> = rule.iter().zip(&density).map(|(r, d)| half * r.1 * d).collect();
        let total: f64 = weight.iter().sum();
        Panel { z, weight: weight.into_iter().map(|w| w / total).collect(), density, half }
    }
    /// The panel that has these points.
    pub(crate) fn through(z: &[f64]) -> Self {
        Panel::new(z.len(), z[0] / legendre(z.len())[0].0)
    }
    /// ∫ (f − E f) φ up to every point, from the end that is nearer, where it is small.
    pub(crate) fn centred_integrals(&self, f: impl Fn(usize) -> f64, out: &mut [f64]) {
        let n = self.z.len();
        let mean: f64 = (0..n).map(|j| self.weight[j] * f(j)).sum();
        let g: Vec<f64> = (0..n).map(|j| (f(j) - mean) * self.density[j]).collect();
        let matrix = cumulative(n);
        let total: f64 = legendre(n).iter().zip(&g).map(|(r, g)| r.1 * g).sum();
        for (j, o) in out.iter_mut().enumerate() {
            let left: f64 = matrix[j * n..][..n].iter().zip(&g).map(|(m, g)| m * g).sum();
            *o = self.half * if self.z[j] > 0.0 { left - total } else { left };
        }
    }
}

/// The matrix that takes values at the Gauss–Legendre points to integrals of their interpolating polynomial from −1 to each
/// point: Σ_l (2l + 1)/2 · w_m P_l(x_m) · ∫P_l, with ∫_{−1}^x P_l = (P_{l+1}(x) − P_{l−1}(x))/(2l + 1).
fn cumulative(n: usize) -> &'static [f64] {
    static MATRICES: [OnceLock<Vec<f64>>; MOST_POINTS + 1] = [const { OnceLock::new() }; MOST_POINTS + 1];
    MATRICES[n].get_or_init(|| {
        let rule = legendre(n);
        let polynomials = |x: f64| {
            let mut p = vec![1.0, x];
            for l in 2..=n {
                let f = l as f64;
                p.push(((2.0 * f - 1.0) * x * p[l - 1] - (f - 1.0) * p[l - 2]) / f);
            }
            p
        };
        let values: Vec<Vec<f64>> = rule.iter().map(|r| polynomials(r.0)).collect();
        let mut out = Vec::with_capacity(n * n);
        for to in &values {
            for (at, r) in values.iter().zip(rule) {
                let mut sum = 0.5 * (1.0 + to[1]);
                for l in 1..n {
                    sum += 0.5 * at[l] * (to[l + 1] - to[l - 1]);
                }
                out.push(r.1 * sum);
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::normal_cdf;

    fn integral(layers: &[(f64, f64)], accuracy: Accuracy) -> (f64, usize) {
        let (mut z, mut w) = (Vec::new(), Vec::new());
        normal_nodes(layers.iter().copied(), accuracy, &mut z, &mut w);
        let value = z.iter().zip(&w).map(|(z, w)| w * layers.iter().map(|(a, b)| normal_cdf(a + b * z)).product::<f64>()).sum();
        (value, z.len())
    }

    #[test]
    fn one_layer_gives_its_marginal_whatever_its_slope() {
        // E Φ(a + bz) = Φ(a/√(1 + b²)).
        for b in [0.0, 0.3, 2.0, 7.9, 8.1, 40.0, 1e3, 1e6] {
            for a in [-3.0, -0.2, 1.0] {
                let a = a * (1.0f64 + b * b).sqrt();
                let want = normal_cdf(a / (1.0f64 + b * b).sqrt());
                let (exact, n) = integral(&[(a, b)], Accuracy::EXACT);
                assert!((exact / want - 1.0).abs() < 1e-13, "{a} {b}: {exact} against {want}");
                let (fit, few) = integral(&[(a, b)], Accuracy::FIT);
                assert!((fit / want - 1.0).abs() < 1e-5 && few < n, "{a} {b}: {fit} against {want} with {few}");
                assert!(n < 800, "{n}");
            }
        }
    }

    #[test]
    fn doubling_the_nodes_changes_nothing() {
        for layers in [vec![(-4.0, 2.0); 10], vec![(-2.0, 0.4), (-90.0, 70.0), (3.0, 300.0), (-1.0, -2.0)], vec![(-5.0, 6.0), (-500.0, -400.0)]] {
            let (once, _) = integral(&layers, Accuracy::EXACT);
            let (twice, _) = integral(&layers, Accuracy::EXACT.doubled());
            assert!((once / twice - 1.0).abs() < 1e-9 && once > 0.0, "{once} against {twice}");
        }
    }
}
