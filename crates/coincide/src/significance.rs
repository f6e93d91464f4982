//! Tests: Fisher's exact test for independent trials, a cluster-robust score test otherwise, and
//! Benjamini and Hochberg's (1995) adjustment over all tests shown.

use crate::features::TwoByTwo;
use crate::special::{ln_hypergeometric_pmf, student_two_sided};

/// Two-sided p-value of Fisher's exact test: the probability, given the margins, of tables no likelier than the
/// one seen. Sums outwards from the edges of the two tails, so its cost grows with the standard deviation of the
/// count and not with the number of trials.
pub(crate) fn fisher(t: TwoByTwo) -> f64 {
    let (good, bad, drawn) = (t.n11 + t.n10, t.n01 + t.n00, t.n11 + t.n01);
    let low = (drawn - bad).max(0.0);
    let high = good.min(drawn);
    let ln_pmf = |x: f64| ln_hypergeometric_pmf(x, good, bad, drawn);
    let seen = ln_pmf(t.n11);
    // R's convention: tables within a relative 1e-7 of the observed probability count as equally likely.
    let limit = seen + 1e-7;
    let mode = (((drawn + 1.0) * (good + 1.0)) / (good + bad + 2.0)).floor().clamp(low, high);
    // The largest x ≤ mode, and the smallest x ≥ mode, with P(x) ≤ P(seen): bisection on unimodal halves.
    let edge = |mut inside: f64, mut outside: f64| {
        while (inside - outside).abs() > 1.0 {
            let mid = (0.5 * (inside + outside)).floor();
            if ln_pmf(mid) > limit { inside = mid } else { outside = mid }
        }
        outside
    };
    let mut p = 0.0;
    if ln_pmf(mode) <= limit {
        return 1.0;
    }
    if ln_pmf(low) <= limit {
        p += tail(ln_pmf, edge(mode, low), low, -1.0);
    }
    if ln_pmf(high) <= limit {
        p += tail(ln_pmf, edge(mode, high), high, 1.0);
    }
    p.min(1.0)
}

fn tail(ln_pmf: impl Fn(f64) -> f64, from: f64, to: f64, step: f64) -> f64 {
    let mut sum = 0.0;
    let mut x = from;
    loop {
        let term = ln_pmf(x).exp();
        sum += term;
        if term <= sum * 1e-17 || (x - to) * step >= 0.0 {
            return sum;
        }
        x += step;
    }
}

/// Two-sided p-value of a score with a cluster-robust variance, on Student's t.
pub(crate) fn score_test(score: f64, variance: f64, df: f64) -> Option<f64> {
    (variance > 0.0).then(|| student_two_sided(score / variance.sqrt(), df))
}

/// Benjamini–Hochberg adjusted p-values of the tests that have one, over all of them together.
pub(crate) fn benjamini_hochberg(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| p[i].is_some()).collect();
    let value = |i: usize| p[i].unwrap_or(1.0);
    order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    let many = order.len() as f64;
    let mut adjusted = vec![None; p.len()];
    let mut least = 1.0f64;
    for (i, &test) in order.iter().enumerate() {
        let rank = many - i as f64;
        least = least.min(value(test) * many / rank);
        adjusted[test] = Some(least);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fisher_of_the_tea_tasting_lady() {
        let p = fisher(TwoByTwo { n11: 3.0, n10: 1.0, n01: 1.0, n00: 3.0 });
        assert!((p - 34.0 / 70.0).abs() < 1e-12, "{p}");
    }

    #[test]
    fn fisher_against_the_sum_over_all_tables() {
        for (a, b, c, d) in [(5, 9, 2, 30), (0, 12, 7, 3), (40, 10, 3, 22), (1, 0, 0, 1), (7, 7, 7, 7)] {
            let t = TwoByTwo { n11: f64::from(a), n10: f64::from(b), n01: f64::from(c), n00: f64::from(d) };
            let (good, drawn, bad) = (a + b, a + c, c + d);
            let pmf = |x: i32| ln_hypergeometric_pmf(f64::from(x), f64::from(good), f64::from(bad), f64::from(drawn)).exp();
            let slow: f64 = ((drawn - bad).max(0)..=good.min(drawn)).map(pmf).filter(|&p| p <= pmf(a) * (1.0 + 1e-7)).sum();
            assert!((fisher(t) - slow).abs() < 1e-12, "{t:?}: {} against {slow}", fisher(t));
        }
    }

    #[test]
    fn benjamini_hochberg_is_monotone_and_skips_missing() {
        let adjusted = benjamini_hochberg(&[Some(0.01), None, Some(0.04), Some(0.03)]);
        assert_eq!(adjusted[1], None);
        assert!((adjusted[0].unwrap() - 0.03).abs() < 1e-12);
        assert!((adjusted[2].unwrap() - 0.04).abs() < 1e-12 && (adjusted[3].unwrap() - 0.04).abs() < 1e-12);
    }
}
