//! Distribution functions: normal, Student, beta, binomial, hypergeometric and bivariate normal.
//!
//! The error function and the logarithm of the gamma function come from `libm`, the first guess of the normal
//! quantile from `statrs` (its `ln_gamma` and `erfc` lose four digits that intervals here need). The incomplete beta
//! function is our own: its continued fraction needs about √n terms, and 140, as usual elsewhere, is too few
//! for a table with a million trials.
//!
//! Sources: C. Loader (2000), *Fast and accurate computation of binomial probabilities* (deviance form);
//! A. Didonato and A. Morris (1992), ACM TOMS 18, 360 (continued fraction); A. Genz (2004), *Statistics and Computing* 14, 251
//! (bivariate normal).

use libm::{erfc, lgamma as ln_gamma};
use statrs::function::erf::erfc_inv;
use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};
use std::sync::OnceLock;

/// Φ(x).
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// Φ⁻¹(p) for p in (0, 1); ±∞ at the ends.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let x = -SQRT_2 * erfc_inv(2.0 * p);
    // One Newton step brings the rational approximation to full precision.
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    x - (normal_cdf(x) - p) / density
}

/// ln n! − Stirling's approximation, the correction term of Loader (2000).
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return ln_gamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let n2 = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0) / n2) / n2) / n2) / n
}

/// x ln(x/m) + m − x without cancellation for x near m.
fn deviance(x: f64, m: f64) -> f64 {
    let d = x - m;
    if d.abs() < 0.1 * (x + m) {
        let v = d / (x + m);
        let mut sum = d * v;
        let mut term = 2.0 * x * v;
        let v2 = v * v;
        for j in 1..1000 {
            term *= v2;
            let next = sum + term / f64::from(2 * j + 1);
            if next.to_bits() == sum.to_bits() {
                break;
            }
            sum = next;
        }
        return sum;
    }
    if x > 0.0 { x * (x / m).ln() + m - x } else { m }
}

/// ln P(X = x) for X ~ Binomial(n, p), q = 1 − p, with real x and n (Loader 2000). Taking q keeps the digits of the
/// smaller of the two.
fn ln_binomial_pmf(x: f64, n: f64, p: f64, q: f64) -> f64 {
    if p <= 0.0 {
        return if x <= 0.0 { 0.0 } else { f64::NEG_INFINITY };
    }
    if q <= 0.0 {
        return if x >= n { 0.0 } else { f64::NEG_INFINITY };
    }
    if x <= 0.0 {
        return if p < 0.5 { n * (-p).ln_1p() } else { n * q.ln() };
    }
    if x >= n {
        return if q < 0.5 { n * (-q).ln_1p() } else { n * p.ln() };
    }
    let lc = stirling_error(n) - stirling_error(x) - stirling_error(n - x) - deviance(x, n * p) - deviance(n - x, n * q);
    lc + 0.5 * (n / (2.0 * PI * x * (n - x))).ln()
}

/// Regularised incomplete beta function I_x(a, b), a, b > 0, with y = 1 − x given to its own precision.
pub(crate) fn beta_cdf(x: f64, y: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_tail(y, x, b, a);
    }
    beta_tail(x, y, a, b)
}

/// I_x(a, b) for x left of the mean.
fn beta_tail(x: f64, y: f64, a: f64, b: f64) -> f64 {
    // x^a (1-x)^b / B(a, b) = [a b / (a + b)] · C(a+b, a) x^a (1-x)^b, the binomial probability in deviance form.
    (ln_binomial_pmf(a, a + b, x, y) + (a * b / (a + b)).ln()).exp() * beta_fraction(x, y, a, b)
}

/// I_x(a, b) over x^a y^b / B(a, b), by Didonato and Morris' (1992, ACM TOMS 18, 360) continued fraction, for x left of
/// the mean.
fn beta_fraction(x: f64, y: f64, a: f64, b: f64) -> f64 {
    // Didonato and Morris' form, in which the difference of x and the mean enters once, as λ, without cancellation.
    let lambda = if a > b { (a + b) * y - b } else { a - (a + b) * x };
    let c = 1.0 + lambda;
    let (c0, c1, y1) = (b / a, 1.0 + 1.0 / a, y + 1.0);
    let (mut p, mut s) = (1.0, a + 1.0);
    let (mut numerator, mut denominator) = ((0.0, 1.0), (1.0, c / c1));
    let mut ratio = c1 / c;
    for n in 1..200_000 {
        let n = f64::from(n);
        let t = n / a;
        let w = n * (b - n) * x;
        let e = a / s;
        let alpha = p * (p + c0) * e * e * (w * x);
        let beta = n + w / s + (1.0 + t) / (c1 + t + t) * (c + n * y1);
        p = 1.0 + t;
        s += 2.0;
        numerator = (numerator.1, alpha * numerator.0 + beta * numerator.1);
        denominator = (denominator.1, alpha * denominator.0 + beta * denominator.1);
        let before = ratio;
        ratio = numerator.1 / denominator.1;
        if (ratio - before).abs() <= 1e-16 * ratio {
            break;
        }
        let scale = 1.0 / denominator.1;
        numerator = (numerator.0 * scale, ratio);
        denominator = (denominator.0 * scale, 1.0);
    }
    ratio
}

/// Beta(a, b) on the logit scale t = ln x/(1 − x), where both tails keep their digits however far out.
pub(crate) struct BetaLogit {
    a: f64,
    b: f64,
    /// ln of the density's constant in deviance form.
    constant: f64,
    ln_beta: f64,
}

impl BetaLogit {
    pub(crate) fn new(a: f64, b: f64) -> Self {
        let n = a + b;
        let constant = stirling_error(n) - stirling_error(a) - stirling_error(b) + 0.5 * (a * b / (n * 2.0 * PI)).ln();
        BetaLogit { a, b, constant, ln_beta: ln_gamma(a) + ln_gamma(b) - ln_gamma(n) }
    }
    /// ln density of the logit: a ln x + b ln(1 − x) − ln B.
    pub(crate) fn ln_density(&self, t: f64) -> f64 {
        if t.abs() > 30.0 {
            let ln = |t: f64| t.min(0.0) - (-t.abs()).exp().ln_1p();
            return self.a * ln(t) + self.b * ln(-t) - self.ln_beta;
        }
        let n = self.a + self.b;
        self.constant - deviance(self.a, n * logistic(t)) - deviance(self.b, n * logistic(-t))
    }
    /// ln P(logit ≤ t) − ln P(logit > t), and its derivative: nearly linear in t, with slopes a and b far out.
    pub(crate) fn ln_odds(&self, t: f64) -> (f64, f64) {
        let ln_density = self.ln_density(t);
        let (x, y) = (logistic(t), logistic(-t));
        // The smaller tail is computed and the other follows; far out the series' first term is exact.
        let left = t < -30.0 || t <= 30.0 && x <= (self.a + 1.0) / (self.a + self.b + 2.0);
        let (a, b, x, y) = if left { (self.a, self.b, x, y) } else { (self.b, self.a, y, x) };
        let ln_tail = (ln_density + if t.abs() > 30.0 { -a.ln() } else { beta_fraction(x, y, a, b).ln() }).min(-f64::MIN_POSITIVE);
        let ln_rest = if ln_tail > -std::f64::consts::LN_2 { (-ln_tail.exp_m1()).ln() } else { (-ln_tail.exp()).ln_1p() };
        let odds = ln_tail - ln_rest;
        (if left { odds } else { -odds }, (ln_density - ln_tail - ln_rest).exp())
    }
}

/// The p-quantile of Beta(a, b); a = 0 gives 0, b = 0 gives 1.
pub(crate) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if a <= 0.0 || p <= 0.0 {
        return 0.0;
    }
    if b <= 0.0 || p >= 1.0 {
        return 1.0;
    }
    // Newton's method on the logit, which keeps relative precision at both ends, inside a bracket that bisects where a
    // step would leave it. The first guess is the normal approximation of the logit.
    let (mut low, mut high) = (-745.0, 745.0);
    let mut t = ((a / b).ln() + normal_quantile(p) * (1.0 / a + 1.0 / b).sqrt()).clamp(-700.0, 700.0);
    for _ in 0..200 {
        let (x, y) = (logistic(t), logistic(-t));
        let f = beta_cdf(x, y, a, b) - p;
        if f < 0.0 {
            low = t
        } else {
            high = t
        }
        // Density of the logit: x^a y^b / B(a, b).
        let ln_density = ln_binomial_pmf(a, a + b, x, y) + (a * b / (a + b)).ln();
        let next = t - f / ln_density.exp();
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - t).abs() <= 2e-16 * t.abs().max(1.0) || high - low <= 4e-16 * t.abs().max(1.0) {
            return logistic(next);
        }
        t = next;
    }
    logistic(t)
}

pub(crate) fn logistic(t: f64) -> f64 {
    if t >= 0.0 { 1.0 / (1.0 + (-t).exp()) } else { t.exp() / (1.0 + t.exp()) }
}

/// Root of an increasing function by bisection.
fn bisect(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64, steps: usize) -> f64 {
    for _ in 0..steps {
        let mid = 0.5 * (low + high);
        if f(mid) < 0.0 { low = mid } else { high = mid }
    }
    0.5 * (low + high)
}

/// P(|T| > |t|) for Student's t with `df` degrees of freedom.
pub(crate) fn student_two_sided(t: f64, df: f64) -> f64 {
    beta_cdf(df / (df + t * t), t * t / (df + t * t), 0.5 * df, 0.5)
}

/// The p-quantile of Student's t, p ≥ ½; normal beyond 10⁷ degrees of freedom.
pub(crate) fn student_quantile(p: f64, df: f64) -> f64 {
    if df > 1e7 {
        return normal_quantile(p);
    }
    let tail = 2.0 * (1.0 - p);
    // With x = df/(df + t²): the two-sided tail is I_x(df/2, 1/2).
    let ln_t = bisect(|s| tail - student_two_sided(s.exp(), df), -40.0, 40.0, 100);
    ln_t.exp()
}

/// The p-quantile of Student's t in its lower tail, p ≤ ½, with the digits of a small p; by symmetry in the upper. ∓∞ at the ends.
pub(crate) fn student_lower_quantile(p: f64, df: f64) -> f64 {
    if p > 0.5 {
        return -student_lower_quantile(1.0 - p, df);
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 0.5 {
        return 0.0;
    }
    -bisect(|s| (2.0 * p).ln() - student_two_sided(s.exp(), df).ln(), -40.0, 700.0 / df.min(100.0) + 40.0, 200).exp()
}

/// ln P(X = x), X hypergeometric: `drawn` from a population with `good` and `bad`.
pub(crate) fn ln_hypergeometric_pmf(x: f64, good: f64, bad: f64, drawn: f64) -> f64 {
    let total = good + bad;
    let (p, q) = (drawn / total, (total - drawn) / total);
    ln_binomial_pmf(x, good, p, q) + ln_binomial_pmf(drawn - x, bad, p, q) - ln_binomial_pmf(drawn, total, p, q)
}

/// Gauss–Legendre abscissas in (0, 1) and weights of the symmetric rule on [−1, 1] with 2·half points.
pub(crate) fn legendre(half: usize) -> Vec<(f64, f64)> {
    let n = 2 * half;
    (0..half)
        .map(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut p0, mut p1) = (1.0, x);
                for j in 2..=n {
                    let j = j as f64;
                    (p0, p1) = (p1, ((2.0 * j - 1.0) * x * p1 - (j - 1.0) * p0) / j);
                }
                slope = n as f64 * (x * p1 - p0) / (x * x - 1.0);
                let step = p1 / slope;
                x -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// P(X > h, Y > k) for standard normals with correlation r (Genz 2004), absolute error about 1e-15.
pub(crate) fn bivariate_normal_upper(h: f64, k: f64, r: f64) -> f64 {
    static RULES: OnceLock<[Vec<(f64, f64)>; 3]> = OnceLock::new();
    let rules = RULES.get_or_init(|| [legendre(3), legendre(6), legendre(10)]);
    let rule = if r.abs() < 0.3 {
        &rules[0]
    } else if r.abs() < 0.75 {
        &rules[1]
    } else {
        &rules[2]
    };
    if r.abs() < 0.925 {
        let half_squares = 0.5 * (h * h + k * k);
        let arc = r.asin();
        let mut sum = 0.0;
        for &(x, w) in rule {
            for s in [-x, x] {
                let sine = (0.5 * arc * (1.0 + s)).sin();
                sum += w * ((sine * h * k - half_squares) / (1.0 - sine * sine)).exp();
            }
        }
        return sum * arc / (4.0 * PI) + normal_cdf(-h) * normal_cdf(-k);
    }
    let k = if r < 0.0 { -k } else { k };
    let hk = h * k;
    let mut sum = 0.0;
    if r.abs() < 1.0 {
        let variance = (1.0 - r) * (1.0 + r);
        let mut a = variance.sqrt();
        let gap2 = (h - k) * (h - k);
        let c = (4.0 - hk) / 8.0;
        let d = (12.0 - hk) / 16.0;
        let exponent = -0.5 * (gap2 / variance + hk);
        if exponent > -700.0 {
            sum = a * exponent.exp() * (1.0 - c * (gap2 - variance) * (1.0 - d * gap2 / 5.0) / 3.0 + c * d * variance * variance / 5.0);
        }
        if hk > -700.0 {
            let b = gap2.sqrt();
            sum -= (-0.5 * hk).exp() * (2.0 * PI).sqrt() * normal_cdf(-b / a) * b * (1.0 - c * gap2 * (1.0 - d * gap2 / 5.0) / 3.0);
        }
        a *= 0.5;
        for &(x, w) in rule {
            for s in [-x, x] {
                let xs = (a * (s + 1.0)).powi(2);
                let rs = (1.0 - xs).sqrt();
                let exponent = -0.5 * (gap2 / xs + hk);
                if exponent > -700.0 {
                    let series = 1.0 + c * xs * (1.0 + d * xs);
                    sum += a * w * exponent.exp() * ((-0.5 * hk * xs / (1.0 + rs).powi(2)).exp() / rs - series);
                }
            }
        }
        sum /= -2.0 * PI;
    }
    if r > 0.0 {
        sum + normal_cdf(-h.max(k))
    } else {
        let flat = if k > h { normal_cdf(k) - normal_cdf(h) } else { 0.0 };
        flat - sum
    }
}

/// Density of the standard bivariate normal with correlation r, the derivative of
/// [`bivariate_normal_upper`] in r.
pub(crate) fn bivariate_normal_density(h: f64, k: f64, r: f64) -> f64 {
    let variance = (1.0 - r) * (1.0 + r);
    (-0.5 * (h * h - 2.0 * r * h * k + k * k) / variance).exp() / (2.0 * PI * variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, tol: f64) {
        assert!((a - b).abs() <= tol * b.abs().max(1e-300), "{a} against {b}");
    }

    #[test]
    fn clopper_pearson_agrees_with_closed_forms() {
        // x = 0: upper limit 1 − (α/2)^(1/n), whatever the size of n.
        for n in [1.0, 10.0, 629.0, 1e6, 1e9] {
            near(beta_quantile(0.975, 1.0, n), -(0.025f64.ln() / n).exp_m1(), 1e-12);
        }
        near(beta_quantile(0.5, 2.0, 2.0), 0.5, 1e-14);
    }

    #[test]
    fn beta_of_large_arguments_approaches_the_normal() {
        // Beta(n/2, n/2) at 1/2 is exactly one half, and symmetric around it.
        for n in [1e3, 1e6, 1e8] {
            near(beta_cdf(0.5, 0.5, n / 2.0, n / 2.0), 0.5, 1e-12);
            let z = 1.0 / (2.0 * n.sqrt());
            near(beta_cdf(0.5 + z, 0.5 - z, n / 2.0, n / 2.0), normal_cdf(1.0), 1e-3);
        }
    }

    #[test]
    fn student_quantiles_of_the_tables() {
        near(student_quantile(0.975, 1.0), 12.706_204_736_174_7, 1e-10);
        near(student_quantile(0.975, 9.0), 2.262_157_162_798_205, 1e-14);
        near(student_quantile(0.975, 1e8), 1.959_963_984_540_054, 1e-12);
    }

    #[test]
    fn bivariate_normal_against_its_integral() {
        // d/dr of the orthant probability is the density: Simpson's rule over r is a slow independent route.
        for &(h, k) in &[(0.3, -0.7), (1.5, 1.4), (-2.0, 1.0), (2.5, 2.5)] {
            for &r in &[-0.99f64, -0.6, 0.2, 0.8, 0.95, 0.999] {
                let n = 200_000;
                // substitute r = sin θ so that the end is smooth
                let end = r.asin();
                let f = |t: f64| (-(h * h + k * k - 2.0 * h * k * t.sin()) / (2.0 * t.cos().powi(2))).exp() / (2.0 * PI);
                let step = end / f64::from(n);
                let mut sum = f(0.0) + f(end);
                for i in 1..n {
                    sum += f(f64::from(i) * step) * if i % 2 == 1 { 4.0 } else { 2.0 };
                }
                let slow = sum * step / 3.0 + normal_cdf(-h) * normal_cdf(-k);
                let got = bivariate_normal_upper(h, k, r);
                assert!((got - slow).abs() < 1e-12, "h {h} k {k} r {r}: {got} against {slow}");
            }
        }
    }
}
