//! P(l ≤ X ≤ u) of a normal or Student vector, a box that may be far out: separation of variables (Genz 1992) under minimax exponential tilting (Botev 2017, *Journal of the Royal Statistical
//! Society B* 79, 125; Botev and L'Ecuyer 2015, *Winter Simulation Conference*, for Student's).
//!
//! X = Lz with a lower triangular L, so each z_k lies in an interval that z_1 … z_{k−1} decide. z_k is drawn from a normal with mean μ_k inside it; the weight of a draw is e^ψ with
//! ψ(z; μ) = Σ_k μ_k²/2 − z_k μ_k + ln P(z_k's interval, shifted by μ_k). The μ that makes the largest ψ smallest is a saddle point: ψ is concave in z and convex in μ. e^ψ there is an upper bound of the
//! probability, and the weights vary so little that few draws suffice.

use crate::normal::{LN_SQRT_2PI, ln_normal_cdf};
use crate::special::{normal_cdf, normal_quantile};
use faer::linalg::solvers::Solve;
use faer::{Col, Mat};
use libm::lgamma;
use std::f64::consts::LN_2;

/// The box and the law, ready to be drawn from. Coordinates without bounds come last and are plain.
pub(super) struct Tilted {
    /// Which of the caller's coordinates stands where.
    pub order: Vec<usize>,
    /// L with its rows divided by their diagonal, less that diagonal; row by row.
    below: Vec<f64>,
    diagonal: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Coordinates that have a bound.
    bound: usize,
    tilt: Vec<f64>,
    student: Option<Student>,
    /// ln of the largest weight: an upper bound of the probability. Absent where the saddle point was not found, and then nothing is tilted.
    pub ln_at_most: Option<f64>,
    /// Whether the saddle point was found, to rounding at least.
    pub settled: bool,
}

/// The square root of the chi-square variable that makes a normal vector Student's, drawn from a normal with mean `tilt`.
#[derive(Clone, Copy)]
struct Student {
    freedom: f64,
    tilt: f64,
}

/// Conditional variances below this are taken for it: layers that always fail together.
const LEAST_VARIANCE: f64 = 1e-16;
/// Steps towards the saddle point.
const MOST_STEPS: usize = 200;

/// ln P(a ≤ N ≤ b), with relative precision in both tails.
fn ln_between(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY {
        return if b == f64::INFINITY { 0.0 } else { ln_normal_cdf(b) };
    }
    if b == f64::INFINITY {
        return ln_normal_cdf(-a);
    }
    if a > 0.0 {
        return ln_between(-b, -a);
    }
    if b <= 0.0 {
        let (low, high) = (ln_normal_cdf(a), ln_normal_cdf(b));
        return if low < high { high + (-(low - high).exp()).ln_1p() } else { f64::NEG_INFINITY };
    }
    (-(ln_normal_cdf(a).exp() + ln_normal_cdf(-b).exp())).ln_1p()
}

/// φ(x)/e^w; 0 far out.
fn density_over(x: f64, w: f64) -> f64 {
    if x.is_finite() { (-0.5 * x * x - LN_SQRT_2PI - w).exp() } else { 0.0 }
}

/// The normal x with a ≤ x ≤ b that has the share `u` of their interval below it.
fn inside(a: f64, b: f64, u: f64) -> f64 {
    if a > 0.0 {
        return -inside(-b, -a, 1.0 - u);
    }
    let low = if a == f64::NEG_INFINITY { f64::NEG_INFINITY } else { ln_normal_cdf(a) };
    let high = if b == f64::INFINITY { 0.0 } else { ln_normal_cdf(b) };
    // ln((1 − u) e^low + u e^high).
    let ln_p = if low == f64::NEG_INFINITY { high + u.ln() } else { high + (u + (1.0 - u) * (low - high).exp()).ln() };
    let x = if ln_p > -600.0 {
        normal_quantile(ln_p.exp())
    } else {
        // Beyond 34 standard deviations: Newton's steps on ln Φ, which is nearly a parabola there.
        let mut x = -(-2.0 * (ln_p + LN_SQRT_2PI)).sqrt();
        for _ in 0..4 {
            let f = ln_normal_cdf(x);
            x -= (f - ln_p) / density_over(x, f);
        }
        x
    };
    x.clamp(a, b)
}

impl Tilted {
    /// The box from `low` to `high` of a vector with this correlation matrix, row by row; Student's with `freedom` where it is given.
    pub(super) fn new(correlation: &[f64], low: &[f64], high: &[f64], freedom: Option<f64>) -> Self {
        let n = low.len();
        let mut t = Tilted {
            order: (0..n).collect(),
            below: vec![0.0; n * n],
            diagonal: vec![1.0; n],
            low: low.to_vec(),
            high: high.to_vec(),
            bound: 0,
            tilt: vec![0.0; n],
            student: freedom.map(|freedom| Student { freedom, tilt: 0.0 }),
            ln_at_most: None,
            settled: false,
        };
        t.factorise(correlation);
        t.bound = t.low.iter().zip(&t.high).take_while(|(l, h)| l.is_finite() || h.is_finite()).count();
        t.seek();
        t
    }

    /// Cholesky's factor, the coordinate that is hardest given those before it always next (Gibson, Glasbey and Elston 1994).
    fn factorise(&mut self, correlation: &[f64]) {
        let n = self.order.len();
        let at = |order: &[usize], i: usize, j: usize| correlation[order[i] * n + order[j]];
        let mut z = vec![0.0; n];
        for j in 0..n {
            let mut hardest = (f64::INFINITY, j);
            for i in j..n {
                let row = &self.below[i * n..i * n + j];
                let variance = at(&self.order, i, i) - row.iter().map(|l| l * l).sum::<f64>();
                let (s, c) = (variance.max(LEAST_VARIANCE).sqrt(), row.iter().zip(&z).map(|(l, z)| l * z).sum::<f64>());
                let ln = ln_between((self.low[i] - c) / s, (self.high[i] - c) / s);
                let free = self.low[i] == f64::NEG_INFINITY && self.high[i] == f64::INFINITY;
                // A coordinate without bounds is never the hardest.
                if ln < hardest.0 || hardest.0 == f64::INFINITY && !free {
                    hardest = (if free { f64::INFINITY } else { ln }, i);
                }
            }
            let i = hardest.1;
            self.order.swap(i, j);
            self.low.swap(i, j);
            self.high.swap(i, j);
            for k in 0..j {
                self.below.swap(i * n + k, j * n + k);
            }
            let square: f64 = self.below[j * n..j * n + j].iter().map(|l| l * l).sum();
            let own = (at(&self.order, j, j) - square).max(LEAST_VARIANCE).sqrt();
            self.diagonal[j] = own;
            for i in j + 1..n {
                let dot: f64 = (0..j).map(|k| self.below[i * n + k] * self.below[j * n + k]).sum();
                self.below[i * n + j] = (at(&self.order, i, j) - dot) / own;
            }
            let c: f64 = (0..j).map(|k| self.below[j * n + k] * z[k]).sum();
            let (a, b) = ((self.low[j] - c) / own, (self.high[j] - c) / own);
            let w = ln_between(a, b);
            z[j] = if w.is_finite() { density_over(a, w) - density_over(b, w) } else { 0.0 };
        }
        for i in 0..n {
            let own = self.diagonal[i];
            self.below[i * n..i * n + i].iter_mut().for_each(|l| *l /= own);
            self.low[i] /= own;
            self.high[i] /= own;
        }
    }

    /// How the bounds scale with the square root of the chi-square variable.
    fn scale(&self, r: f64) -> f64 {
        self.student.map_or(1.0, |s| r / s.freedom.sqrt())
    }

    /// ψ, and its derivatives by z, μ and, for Student's, by r and its tilt; with the matrix of second derivatives. Over the first `bound` coordinates; the last of them is neither drawn nor tilted.
    fn derivatives(&self, at: &[f64]) -> (f64, Vec<f64>, Mat<f64>) {
        let (n, m) = (self.order.len(), self.bound);
        let d = m - 1;
        let dims = at.len();
        let (z, mu) = (&at[..d], &at[d..2 * d]);
        let (r, eta) = if self.student.is_some() { (at[2 * d], at[2 * d + 1]) } else { (1.0, 0.0) };
        let scale = self.scale(r);
        let mut psi = 0.0;
        // Of each coordinate: dψ/dμ, less what is no interval's; and how that changes with the interval's shift, and with r.
        let (mut slope, mut curve, mut by_r, mut slope_by_r, mut curve_r) = (vec![0.0; m], vec![0.0; m], 0.0, vec![0.0; m], 0.0);
        for k in 0..m {
            let c: f64 = self.below[k * n..k * n + k.min(d)].iter().zip(z).map(|(l, z)| l * z).sum();
            let own = if k < d { mu[k] } else { 0.0 };
            let (a, b) = (self.low[k] * scale - own - c, self.high[k] * scale - own - c);
            let w = ln_between(a, b);
            psi += w + if k < d { 0.5 * own * own - z[k] * own } else { 0.0 };
            let (pa, pb) = (density_over(a, w), density_over(b, w));
            let times = |x: f64, y: f64| if x.is_finite() { x * y } else { 0.0 };
            slope[k] = pa - pb;
            curve[k] = -slope[k] * slope[k] + times(a, pa) - times(b, pb);
            if let Some(s) = self.student {
                let (ra, rb) = (self.low[k] / s.freedom.sqrt(), self.high[k] / s.freedom.sqrt());
                let first = times(rb, pb) - times(ra, pa);
                by_r += first;
                // d²/dr² and d²/(dr dshift) of ln P(a ≤ N ≤ b), where a and b move by ra and rb with r and by −1 with the shift.
                let (aa, bb) = (times(ra * ra * a, pa), times(rb * rb * b, pb));
                curve_r += (if ra.is_finite() { aa } else { 0.0 }) - (if rb.is_finite() { bb } else { 0.0 }) - first * first;
                slope_by_r[k] = times(rb * b, pb) - times(ra * a, pa) - first * slope[k];
            }
        }
        let mut gradient = vec![0.0; dims];
        let mut hessian = Mat::zeros(dims, dims);
        for j in 0..d {
            gradient[d + j] = mu[j] - z[j] + slope[j];
            gradient[j] = -mu[j] + (j + 1..m).map(|k| slope[k] * self.below[k * n + j]).sum::<f64>();
            hessian[(d + j, d + j)] = 1.0 + curve[j];
            for i in 0..d {
                // By z_i and z_j.
                hessian[(i, j)] = (i.max(j) + 1..m).map(|k| curve[k] * self.below[k * n + i] * self.below[k * n + j]).sum();
                // By μ_i and z_j.
                let cross = if i > j { curve[i] * self.below[i * n + j] } else { 0.0 } - f64::from(u8::from(i == j));
                hessian[(d + i, j)] = cross;
                hessian[(j, d + i)] = cross;
            }
            if self.student.is_some() {
                let by_z: f64 = (j + 1..m).map(|k| slope_by_r[k] * self.below[k * n + j]).sum();
                for (row, x) in [(j, by_z), (d + j, slope_by_r[j])] {
                    hessian[(row, 2 * d)] = x;
                    hessian[(2 * d, row)] = x;
                }
            }
        }
        if let Some(s) = self.student {
            psi += self.ln_chi(s, r, eta);
            let (at_r, at_eta) = (2 * d, 2 * d + 1);
            let hazard = density_over(eta, ln_normal_cdf(eta));
            gradient[at_r] = (s.freedom - 1.0) / r - eta + by_r;
            gradient[at_eta] = eta - r + hazard;
            hessian[(at_r, at_r)] = -(s.freedom - 1.0) / (r * r) + curve_r;
            hessian[(at_eta, at_eta)] = 1.0 - hazard * (hazard + eta);
            hessian[(at_r, at_eta)] = -1.0;
            hessian[(at_eta, at_r)] = -1.0;
        }
        (psi, gradient, hessian)
    }

    /// ln of the chi variable's density over that of the normal with mean `eta` that it is drawn from.
    fn ln_chi(&self, s: Student, r: f64, eta: f64) -> f64 {
        LN_SQRT_2PI - lgamma(0.5 * s.freedom) - (0.5 * s.freedom - 1.0) * LN_2 + ln_normal_cdf(eta) + 0.5 * eta * eta - r * eta
            + (s.freedom - 1.0) * r.ln()
    }

    /// The saddle point, by Newton's method with shorter steps where a whole one brings nothing.
    fn seek(&mut self) {
        if self.bound == 0 {
            self.settled = true;
            return;
        }
        let Some(s) = self.student else { return self.seek_from(None) };
        // Where all thresholds are far out the chi variable is small: the box is then no farther than a few standard deviations.
        let far = self
            .low
            .iter()
            .chain(&self.high)
            .zip(self.diagonal.iter().cycle())
            .map(|(t, d)| (t * d).abs())
            .filter(|t| t.is_finite())
            .fold(1.0, f64::max);
        for share in [1.0, 2.0 / far, 1.0 / far, 4.0 / far, 0.5 / far] {
            self.seek_from(Some(s.freedom.sqrt() * share));
            if self.settled {
                return;
            }
        }
    }

    fn seek_from(&mut self, r: Option<f64>) {
        let d = self.bound - 1;
        let mut at = vec![0.0; 2 * d];
        if let Some(r) = r {
            // The tilt under which r is where the chi variable is drawn from.
            at.extend([r, r - 1.0 / r.max(1e-3)]);
        }
        let size = |g: &[f64]| g.iter().map(|g| g * g).sum::<f64>().sqrt();
        let (mut psi, mut gradient, mut hessian) = self.derivatives(&at);
        for _ in 0..MOST_STEPS {
            let now = size(&gradient);
            if !now.is_finite() {
                return self.give_up();
            }
            if now < 1e-10 {
                break;
            }
            let step = hessian.partial_piv_lu().solve(Col::from_fn(at.len(), |i| -gradient[i]));
            let mut length = 1.0;
            loop {
                let next: Vec<f64> = at.iter().enumerate().map(|(i, x)| x + length * step[i]).collect();
                let possible = next.iter().all(|x| x.is_finite()) && (self.student.is_none() || next[2 * d] > 0.0);
                if possible {
                    let there = self.derivatives(&next);
                    if size(&there.1) < (1.0 - 0.1 * length) * now {
                        (psi, gradient, hessian) = there;
                        at = next;
                        break;
                    }
                }
                length *= 0.5;
                if length < 1e-10 {
                    // Rounding is all that is left, or there is no way on.
                    if now < 1e-5 {
                        return self.settle(&at, None);
                    }
                    return self.give_up();
                }
            }
        }
        if size(&gradient) < 1e-5 {
            let most = (size(&gradient) < 1e-8 && psi.is_finite()).then_some(psi);
            self.settle(&at, most);
        } else {
            self.give_up();
        }
    }

    fn settle(&mut self, at: &[f64], most: Option<f64>) {
        let d = self.bound - 1;
        self.tilt[..d].copy_from_slice(&at[d..2 * d]);
        if let Some(s) = &mut self.student {
            s.tilt = at[2 * d + 1];
        }
        self.ln_at_most = most;
        self.settled = true;
    }

    /// No tilt: right all the same, and slower to converge.
    fn give_up(&mut self) {
        if let Some(s) = &mut self.student {
            s.tilt = s.freedom.sqrt();
        }
    }

    /// Uniform numbers that a draw takes.
    pub(super) fn uniforms(&self) -> usize {
        self.order.len() + usize::from(self.student.is_some())
    }
    /// Those that ln of the weight depends on.
    pub(super) fn weighing(&self) -> usize {
        self.bound.saturating_sub(1) + usize::from(self.student.is_some())
    }

    /// Draws from uniform numbers and returns ln of the weight. Where `draw` is given it becomes the vector, in the caller's coordinates; else only what the weight needs is drawn.
    pub(super) fn draw(&self, uniform: &[f64], z: &mut [f64], draw: Option<&mut [f64]>) -> f64 {
        let n = self.order.len();
        let mut ln = 0.0;
        let mut uniform = uniform.iter();
        let mut next = || *uniform.next().unwrap_or(&0.5);
        let (mut r, mut product) = (1.0, 1.0f64);
        if let Some(s) = self.student {
            r = s.tilt - inside(f64::NEG_INFINITY, s.tilt, next());
            ln += self.ln_chi(s, r, s.tilt);
        }
        let scale = self.scale(r);
        let whole = draw.is_some();
        for k in 0..if whole { n } else { self.bound } {
            let c: f64 = self.below[k * n..k * n + k].iter().zip(&z[..k]).map(|(l, z)| l * z).sum();
            let mu = self.tilt[k];
            if k >= self.bound {
                z[k] = normal_quantile(next());
                continue;
            }
            let (a, b) = (self.low[k] * scale - mu - c, self.high[k] * scale - mu - c);
            // Failures lie below a threshold: mostly it is not so far out that its probability needs its logarithm.
            let drawn = k + 1 < self.bound || whole;
            if a == f64::NEG_INFINITY && b > -35.0 {
                let p = normal_cdf(b);
                product *= p;
                if product < 1e-200 {
                    ln += product.ln();
                    product = 1.0;
                }
                if drawn {
                    z[k] = mu + normal_quantile(next() * p).min(b);
                }
            } else {
                ln += ln_between(a, b);
                if ln == f64::NEG_INFINITY {
                    return ln;
                }
                if drawn {
                    z[k] = mu + inside(a, b, next());
                }
            }
            if drawn {
                ln += 0.5 * mu * mu - z[k] * mu;
            }
        }
        ln += product.ln();
        if let Some(draw) = draw {
            for k in 0..n {
                let c: f64 = self.below[k * n..k * n + k].iter().zip(&z[..k]).map(|(l, z)| l * z).sum();
                draw[self.order[k]] = self.diagonal[k] * (z[k] + c) / scale;
            }
        }
        ln
    }
}
