//! Archimedean copulas: every layer leans on one hidden frailty. Closed forms of the rate at which all fail (Nelsen 2006, *An Introduction to Copulas*, table 4.1).

use crate::error::{Error, Result};
use crate::model::check_rates;
use crate::normal::ln_sum_exp;

/// A family, with its parameter. A layer fails where its uniform variable is at most its failure rate, so what counts is dependence in the lower tail: strong for Clayton's, weak for Gumbel's and Frank's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Archimedean {
    /// Clayton's, θ > 0: when one layer fails by far, the others tend to.
    Clayton(f64),
    /// Gumbel's, θ ≥ 1; 1 is independence.
    Gumbel(f64),
    /// Frank's, θ > 0: the same dependence in both tails, and none far out.
    Frank(f64),
}

impl Archimedean {
    /// ln P(all layers fail) with these failure rates.
    ///
    /// Fails on a rate that is none and on a parameter outside of its range.
    ///
    /// ```
    /// use coincide::rare::Archimedean;
    /// // Ten layers that each fail on 10%: independence says 1e-10.
    /// let beta = Archimedean::Clayton(0.5).ln_all_fail(&[0.1; 10])?.exp();
    /// assert!((beta / 0.00195392633430896 - 1.0).abs() < 1e-12);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn ln_all_fail(self, rates: &[f64]) -> Result<f64> {
        check_rates(rates)?;
        let (theta, least, expected) = match self {
            Archimedean::Clayton(t) => (t, f64::MIN_POSITIVE, "above 0"),
            Archimedean::Gumbel(t) => (t, 1.0, "at least 1"),
            Archimedean::Frank(t) => (t, f64::MIN_POSITIVE, "above 0"),
        };
        if !(theta >= least && theta.is_finite()) {
            return Err(Error::OutOfRange { what: "the parameter of a copula", expected, got: theta });
        }
        if rates.contains(&0.0) {
            return Ok(f64::NEG_INFINITY);
        }
        let ln = rates.iter().map(|p| p.ln());
        Ok(match self {
            Archimedean::Clayton(_) => {
                let sum: f64 = ln.clone().map(|l| (-theta * l).exp_m1()).sum();
                // Where it overflows, 1 is nothing beside it.
                -(if sum.is_finite() { sum.ln_1p() } else { ln_sum_exp(ln.map(|l| -theta * l)) }) / theta
            }
            // (Σ (−ln p)^θ)^{1/θ} as a norm, scaled by its largest.
            Archimedean::Gumbel(_) => {
                let most = ln.clone().map(|l| -l).fold(0.0, f64::max);
                if most <= 0.0 { 0.0 } else { -most * ln.map(|l| (-l / most).powf(theta)).sum::<f64>().powf(1.0 / theta) }
            }
            Archimedean::Frank(_) => {
                // ln(1 − e^{−θp}).
                let one = |p: f64| if theta * p > 0.5 { (-(-theta * p).exp()).ln_1p() } else { (-(-theta * p).exp_m1()).ln() };
                let inner = rates.iter().map(|&p| one(p)).sum::<f64>() - (rates.len() as f64 - 1.0) * one(1.0);
                // −ln(1 − e^inner)/θ, whose logarithm keeps its digits where e^inner is below what a number holds.
                let e = inner.exp();
                // By whichever of the two has its digits.
                let inside = if e > 0.5 { -(-inner.exp_m1()).ln() } else { -(-e).ln_1p() };
                (if e > 1e-9 { inside.ln() } else { inner }) - theta.ln()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of an independent implementation in 40 digits.
    #[test]
    fn closed_forms_have_their_digits() {
        for (family, want) in [
            (Archimedean::Clayton(0.5), 0.00195392633430896),
            (Archimedean::Gumbel(1.25), 4.90260106469639e-07),
            (Archimedean::Frank(2.0), 7.08894653867494e-08),
        ] {
            let got = family.ln_all_fail(&[0.1; 10]).unwrap().exp();
            assert!((got / want - 1.0).abs() < 1e-12, "{family:?}: {got} {want}");
        }
    }

    #[test]
    fn edges_are_what_they_must_be() {
        for family in [Archimedean::Clayton(3.0), Archimedean::Gumbel(2.0), Archimedean::Frank(5.0)] {
            let ln = |p: &[f64]| family.ln_all_fail(p).unwrap();
            // A layer that always fails changes nothing, one that never does makes it impossible, and one alone fails at its rate.
            assert!((ln(&[0.2, 1.0, 0.3]) - ln(&[0.2, 0.3])).abs() < 1e-12, "{family:?}");
            assert_eq!(ln(&[0.2, 0.0]), f64::NEG_INFINITY);
            assert!((ln(&[1e-5]) - 1e-5f64.ln()).abs() < 1e-9, "{family:?}");
            // Between independence and complete dependence.
            let both = ln(&[0.01, 0.02]);
            assert!(both <= 0.01f64.ln() && both >= 0.01f64.ln() + 0.02f64.ln(), "{family:?}");
            assert!(ln(&[1e-200; 100]).is_finite());
        }
        // Strong dependence: nearly the smaller rate.
        for theta in [40.0, 100.0, 500.0] {
            let both = Archimedean::Frank(theta).ln_all_fail(&[0.9, 0.9]).unwrap().exp();
            assert!(both <= 0.9 && both > 0.9 - 1.0 / theta, "{theta}: {both}");
        }
        // Gumbel's at 1 and Frank's near 0 are independence.
        assert!((Archimedean::Gumbel(1.0).ln_all_fail(&[0.1, 0.2]).unwrap() - 0.02f64.ln()).abs() < 1e-12);
        assert!((Archimedean::Frank(1e-9).ln_all_fail(&[0.1, 0.2]).unwrap() - 0.02f64.ln()).abs() < 1e-6);
        assert!(Archimedean::Gumbel(0.5).ln_all_fail(&[0.1]).is_err() && Archimedean::Clayton(0.0).ln_all_fail(&[0.1]).is_err());
    }
}
