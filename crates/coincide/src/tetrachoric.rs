//! Tetrachoric correlation: the correlation of two standard normals that, cut at the layers' failure rates, gives
//! the observed rate of failing together (Pearson 1900).

use crate::features::TwoByTwo;
use crate::special::{bivariate_normal_density, bivariate_normal_upper, normal_quantile};

/// The correlation r with Φ₂(−h, −k; r) = p11, by Newton's method inside a bracket. `None` where a layer never or
/// always fails. A table with an empty cell gets ½ added to each cell (the root would be ±1).
pub(crate) fn tetrachoric(t: TwoByTwo) -> Option<f64> {
    let t = if t.has_empty_cell() { t.corrected() } else { t };
    let n = t.total();
    let (p, q) = t.margins();
    if !(p > 0.0 && p < 1.0 && q > 0.0 && q < 1.0) {
        return None;
    }
    let (h, k) = (-normal_quantile(p), -normal_quantile(q));
    let target = t.n11 / n;
    let (mut low, mut high) = (-1.0, 1.0);
    // Cosine approximation of Pearson as the first guess.
    let odds = (t.n11 * t.n00 / (t.n10 * t.n01)).sqrt();
    let mut r = (std::f64::consts::PI / (1.0 + odds)).cos().clamp(-0.999, 0.999);
    for _ in 0..100 {
        let f = bivariate_normal_upper(h, k, r) - target;
        if f > 0.0 {
            high = r
        } else {
            low = r
        }
        let step = f / bivariate_normal_density(h, k, r);
        let next = r - step;
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - r).abs() < 1e-13 {
            return Some(next);
        }
        r = next;
    }
    Some(r)
}

impl TwoByTwo {
    pub(crate) fn has_empty_cell(&self) -> bool {
        [self.n11, self.n10, self.n01, self.n00].iter().any(|&n| n <= 0.0)
    }
    /// Haldane's correction: ½ in every cell.
    pub(crate) fn corrected(&self) -> TwoByTwo {
        TwoByTwo { n11: self.n11 + 0.5, n10: self.n10 + 0.5, n01: self.n01 + 0.5, n00: self.n00 + 0.5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovers_the_correlation_that_made_the_table() {
        for r in [-0.95, -0.3, 0.0, 0.5, 0.97] {
            for (h, k) in [(0.2, 0.4), (1.5, 2.0), (2.5, -0.5)] {
                let n11 = bivariate_normal_upper(h, k, r);
                let (p, q) = (crate::special::normal_cdf(-h), crate::special::normal_cdf(-k));
                let t = TwoByTwo { n11, n10: p - n11, n01: q - n11, n00: 1.0 - p - q + n11 };
                // Where a cell is as small as rounding, r is not determined by the table any more.
                if [t.n11, t.n10, t.n01, t.n00].iter().all(|&c| c > 1e-9) {
                    let got = tetrachoric(t).unwrap();
                    assert!((got - r).abs() < 1e-6, "r {r} h {h} k {k}: {got}");
                }
            }
        }
    }
}
