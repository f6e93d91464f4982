//! Pillars: layers that share one hidden difficulty with all others and another with their own group.

use crate::error::{Error, Result};
use crate::model::check_rates;
use crate::normal::{LN_SQRT_2PI, ln_normal_cdf, ln_sum_exp};
use crate::special::normal_quantile;
use rayon::prelude::*;

/// Step and reach of both sums, trapezoids over the line, for thresholds near the middle and loadings that are not steep: the error falls faster than any power of the step.
const STEP: f64 = 0.05;
const REACH: f64 = 14.0;
/// Terms of the double sum.
const MOST_TERMS: f64 = 3e8;

/// ln P(all layers of all groups fail) where layers correlate by `within` inside a group and by `between` across groups: two nested normal difficulties. Rates group by group.
///
/// Fails on rates that are none, and unless 0 ≤ between ≤ within < 1.
///
/// ```
/// // Two pillars of five layers each.
/// let pillar = vec![0.1; 5];
/// let beta = coincide::rare::nested_factor(&[pillar.clone(), pillar], 0.1, 0.5)?.exp();
/// assert!((beta / 0.000102459757183929 - 1.0).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn nested_factor(groups: &[Vec<f64>], between: f64, within: f64) -> Result<f64> {
    groups.iter().try_for_each(|g| check_rates(g))?;
    if !(0.0..1.0).contains(&within) {
        return Err(Error::OutOfRange { what: "the correlation within groups", expected: "at least 0 and below 1", got: within });
    }
    if !(0.0..=within).contains(&between) {
        return Err(Error::OutOfRange {
            what: "the correlation between groups",
            expected: "at least 0 and at most that within groups",
            got: between,
        });
    }
    let thresholds: Vec<Vec<f64>> = groups.iter().map(|g| g.iter().map(|&p| normal_quantile(p)).collect()).collect();
    let (shared, own, rest) = (between.sqrt(), (within - between).sqrt(), (1.0 - within).sqrt());
    // Steep loadings need finer steps, rare failures a longer reach.
    let furthest = thresholds.iter().flatten().filter(|t| t.is_finite()).fold(0.0f64, |m, t| m.max(t.abs()));
    let grid = |loading: f64| -> Vec<(f64, f64)> {
        let step = STEP * (rest / loading.max(1e-9)).min(1.0);
        let n = ((REACH + furthest / loading.max(0.5)) / step).ceil().min(1e9) as i64;
        (-n..=n).map(|i| i as f64 * step).map(|z| (z, -0.5 * z * z - LN_SQRT_2PI + step.ln())).collect()
    };
    let points = |loading: f64| if loading == 0.0 { 1.0 } else { 2.0 * (REACH + furthest / loading.max(0.5)) / (STEP * (rest / loading).min(1.0)) };
    let layers: usize = groups.iter().map(Vec::len).sum();
    if points(own) * points(shared) * layers as f64 > MOST_TERMS {
        return Err(Error::Stated("correlations so near to 1 need a sum of too many terms; take the groups' layers for one layer each".into()));
    }
    let (inner_grid, outer_grid) = (if own > 0.0 { grid(own) } else { Vec::new() }, if shared > 0.0 { grid(shared) } else { Vec::new() });
    let group = |thresholds: &[f64], g: f64| {
        if own == 0.0 {
            return thresholds.iter().map(|t| ln_normal_cdf((t - shared * g) / rest)).sum();
        }
        let inner = |&(z, ln): &(f64, f64)| ln + thresholds.iter().map(|t| ln_normal_cdf((t - shared * g - own * z) / rest)).sum::<f64>();
        ln_sum_exp(inner_grid.iter().map(inner).collect::<Vec<_>>().into_iter())
    };
    let outer = |&(g, ln): &(f64, f64)| ln + thresholds.iter().map(|t| group(t, g)).sum::<f64>();
    if shared == 0.0 {
        return Ok(thresholds.iter().map(|t| group(t, 0.0)).sum());
    }
    let terms: Vec<f64> = outer_grid.par_iter().map(outer).collect();
    Ok(ln_sum_exp(terms.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSet;
    use crate::model::{JointLaw, one_factor};

    #[test]
    fn two_levels_have_their_digits() {
        // The second value is of an independent implementation, to twelve digits.
        let five = nested_factor(&vec![vec![0.01; 2]; 5], 0.1, 0.4).unwrap().exp();
        assert!((five / 1.55330538775e-11 - 1.0).abs() < 1e-11, "{five}");
        // One level is the one-factor model.
        let rates = [0.1, 0.02, 0.3, 0.05];
        let one = one_factor(&rates, &[0.3f64.sqrt(); 4]).unwrap().ln_all_fail(&LayerSet::all(4));
        for groups in [vec![rates.to_vec()], vec![rates[..2].to_vec(), rates[2..].to_vec()]] {
            assert!((nested_factor(&groups, 0.3, 0.3).unwrap() - one).abs() < 1e-11);
        }
        assert!((nested_factor(&[rates.to_vec()], 0.0, 0.3).unwrap() - one).abs() < 1e-11);
        assert!((nested_factor(&[vec![0.1], vec![0.2]], 0.0, 0.5).unwrap() - 0.02f64.ln()).abs() < 1e-12);
        // A single layer fails at its rate, however steep its loading or rare its failure; and rare ones agree with the one-factor model.
        assert!((nested_factor(&[vec![0.1]], 0.0, 0.9999).unwrap() - 0.1f64.ln()).abs() < 1e-9);
        assert!((nested_factor(&[vec![1e-100]], 0.0, 0.5).unwrap() - 1e-100f64.ln()).abs() < 1e-9);
        assert!((nested_factor(&[vec![0.1, 0.2], vec![0.3]], 0.2, 0.99).unwrap().exp() - 0.05).abs() < 0.06);
        assert!(nested_factor(&[vec![0.1]], 0.5, 0.3).is_err() && nested_factor(&[vec![1.1]], 0.1, 0.3).is_err());
    }
}
