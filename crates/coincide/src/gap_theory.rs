//! Optimisation pressure against alignment: five formulas about what feedback can and cannot teach, and the failure mode they imply.
//!
//! On a mass α of *hard contexts* the feedback is biased by ε, and two aims that it cannot tell apart there differ by γ. Every technique that is
//! trained on the same feedback is blind in the same contexts: [`common_feedback_cells`] makes of that a failure mode of the map.

use crate::error::{Error, Result};
use crate::modes::{MapCell, Vulnerability};

fn within(what: &'static str, expected: &'static str, ok: bool, got: f64) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::OutOfRange { what, expected, got }) }
}

/// κ(ε) = 4ε·atanh(2ε), in nats: what one label in a hard context can tell about the true aim (the KL divergence between labels that favour it
/// with probability ½ + ε and ½ − ε). Fails unless 0 ≤ ε < ½.
///
/// ```
/// assert!((coincide::gap_theory::information_per_label(0.1)? - 0.08109302162163289).abs() < 1e-15);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn information_per_label(epsilon: f64) -> Result<f64> {
    within("the feedback's bias ε", "at least 0 and below 0.5", (0.0..0.5).contains(&epsilon), epsilon)?;
    Ok(4.0 * epsilon * (2.0 * epsilon).atanh())
}

/// Least expected alignment gap after n labels: (γ/4)·exp(−nακ(ε)). Fails unless γ ≥ 0, n ≥ 0, 0 ≤ α ≤ 1, 0 ≤ ε < ½.
///
/// ```
/// let gap = coincide::gap_theory::gap_after_labels(1.0, 1000.0, 0.05, 0.1)?;
/// assert!((gap / 0.004335382478958151 - 1.0).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn gap_after_labels(gamma: f64, labels: f64, alpha: f64, epsilon: f64) -> Result<f64> {
    within("the separation γ", "at least 0", gamma >= 0.0 && gamma.is_finite(), gamma)?;
    within("the number of labels", "at least 0", labels >= 0.0, labels)?;
    within("the hard-context mass α", "between 0 and 1", (0.0..=1.0).contains(&alpha), alpha)?;
    let spent = alpha * information_per_label(epsilon)?;
    Ok(0.25 * gamma * if spent > 0.0 { (-labels * spent).exp() } else { 1.0 })
}

/// Queries to an oracle that says where feedback is miscalibrated after which the gap is at most η: ln(γ/η)/(2αε²), divided by the oracle's true-positive
/// rate. Fails unless 0 < η ≤ γ and α, ε and the rate are above 0.
///
/// ```
/// let n = coincide::gap_theory::oracle_queries(1.0, 0.01, 0.05, 0.1, 1.0)?;
/// assert!((n / 4605.170185988091 - 1.0).abs() < 1e-12);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn oracle_queries(gamma: f64, eta: f64, alpha: f64, epsilon: f64, true_positive_rate: f64) -> Result<f64> {
    within("the target gap η", "above 0 and at most γ", eta > 0.0 && eta <= gamma, eta)?;
    within("the hard-context mass α", "above 0 and at most 1", alpha > 0.0 && alpha <= 1.0, alpha)?;
    within("the feedback's bias ε", "above 0 and at most 0.5", epsilon > 0.0 && epsilon <= 0.5, epsilon)?;
    within("the oracle's true-positive rate", "above 0 and at most 1", true_positive_rate > 0.0 && true_positive_rate <= 1.0, true_positive_rate)?;
    Ok((gamma / eta).ln() / (2.0 * alpha * epsilon * epsilon) / true_positive_rate)
}

/// Trilemma of strong optimisation, faithful values and broad use: some objective loses at least α_S·min m/3, where α_S is the mass of the contexts in which
/// they conflict and m the margins by which each objective wants its own way there. Fails without margins, and on a negative one.
///
/// ```
/// assert!((coincide::gap_theory::trilemma_loss(0.3, &[0.5, 0.2, 0.9])? - 0.02).abs() < 1e-15);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn trilemma_loss(conflict_mass: f64, margins: &[f64]) -> Result<f64> {
    within("the mass of conflicting contexts", "between 0 and 1", (0.0..=1.0).contains(&conflict_mass), conflict_mass)?;
    let least = margins.iter().copied().fold(f64::INFINITY, f64::min);
    within("the smallest margin", "at least 0", least >= 0.0 && least.is_finite(), least)?;
    Ok(conflict_mass * least / 3.0)
}

/// A distribution tilted by a proxy score: q_λ ∝ μ·exp(λŝ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tilt {
    /// E_q\[f\], the true value under pressure λ.
    pub value: f64,
    /// d E_q\[f\]/dλ = Cov_q(f, ŝ): negative once more pressure on the proxy costs true value.
    pub slope: f64,
    /// D_KL(q_λ‖μ) = λA′(λ) − A(λ), in nats, with A(λ) = ln Σ μ exp(λŝ).
    pub divergence: f64,
}

/// Optimising a proxy: outcomes with probabilities `base`, true values and proxy scores, under pressure `lambda`. Fails on lists of different lengths, on
/// negative or vanishing probabilities, and on numbers that are not finite.
///
/// ```
/// // The proxy likes the third outcome, whose true value is bad: a little pressure helps, more hurts.
/// let tilt = |l| coincide::gap_theory::tilt(&[0.6, 0.3, 0.1], &[0.0, 1.0, -2.0], &[0.0, 1.0, 2.0], l);
/// assert!(tilt(0.0)?.slope < 0.1 && tilt(3.0)?.value < tilt(0.0)?.value);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn tilt(base: &[f64], value: &[f64], proxy: &[f64], lambda: f64) -> Result<Tilt> {
    if base.is_empty() || base.len() != value.len() || base.len() != proxy.len() {
        return Err(Error::Stated("a tilt needs one probability, one value and one proxy score an outcome".into()));
    }
    let total: f64 = base.iter().sum();
    within("a probability", "at least 0, and positive in sum", base.iter().all(|p| *p >= 0.0) && total > 0.0 && total.is_finite(), total)?;
    let finite = |list: &[f64]| list.iter().all(|x| x.is_finite());
    within("a value, score or pressure", "finite", finite(value) && finite(proxy) && lambda.is_finite(), lambda)?;
    let top = base.iter().zip(proxy).filter(|(p, _)| **p > 0.0).map(|(_, s)| lambda * s).fold(f64::NEG_INFINITY, f64::max);
    let q: Vec<f64> = base.iter().zip(proxy).map(|(p, s)| if *p > 0.0 { p / total * (lambda * s - top).exp() } else { 0.0 }).collect();
    let sum: f64 = q.iter().sum();
    let mean = |f: &dyn Fn(usize) -> f64| (0..q.len()).map(|i| q[i] / sum * f(i)).sum::<f64>();
    let (of_value, of_proxy) = (mean(&|i| value[i]), mean(&|i| proxy[i]));
    Ok(Tilt {
        value: of_value,
        slope: mean(&|i| (value[i] - of_value) * (proxy[i] - of_proxy)),
        divergence: (lambda * of_proxy - (sum.ln() + top)).max(0.0),
    })
}

/// The failure mode that a shared feedback source implies: "hard context" of that source, active on a share α of contexts, vulnerable for every technique
/// trained on it and for no other.
pub fn common_feedback_cells(source: &str, techniques: &[String], trained_on_it: &[String]) -> Vec<MapCell> {
    let cell = |t: &String| MapCell {
        technique: t.clone(),
        mode: format!("hard-context:{source}"),
        verdict: if trained_on_it.contains(t) { Vulnerability::Vulnerable } else { Vulnerability::NotVulnerable },
        source: Some("gap theory: shared feedback".into()),
        support: None,
    };
    techniques.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slope and divergence against differences of the value and a direct sum.
    #[test]
    fn the_tilts_slope_is_the_derivative() {
        let (base, value, proxy) = ([0.2, 0.5, 0.05, 0.25], [1.0, 0.3, -4.0, 0.7], [0.1, 0.4, 2.5, -1.0]);
        for lambda in [-2.0, 0.0, 0.7, 4.0] {
            let at = |l: f64| tilt(&base, &value, &proxy, l).unwrap();
            let h = 1e-5;
            assert!((at(lambda).slope - (at(lambda + h).value - at(lambda - h).value) / (2.0 * h)).abs() < 1e-8);
            let z: f64 = base.iter().zip(&proxy).map(|(p, s)| p * (lambda * s).exp()).sum();
            let kl: f64 = base
                .iter()
                .zip(&proxy)
                .map(|(p, s)| {
                    let q = p * (lambda * s).exp() / z;
                    q * (q / p).ln()
                })
                .sum();
            assert!((at(lambda).divergence - kl).abs() < 1e-12);
        }
        assert!(tilt(&[1.0], &[1.0, 2.0], &[1.0], 0.0).is_err());
        assert!(tilt(&[1.0], &[1.0], &[1e300], 1e5).is_ok());
    }

    #[test]
    fn numbers_outside_their_meaning_are_refused() {
        assert!(information_per_label(0.5).is_err() && information_per_label(f64::NAN).is_err());
        assert!(gap_after_labels(1.0, 10.0, 1.5, 0.1).is_err());
        assert!(oracle_queries(0.1, 0.2, 0.1, 0.1, 1.0).is_err());
        assert!(trilemma_loss(0.1, &[]).is_err());
        // Unbiased feedback never teaches anything about hard contexts.
        assert_eq!(gap_after_labels(1.0, f64::INFINITY, 0.1, 0.0).unwrap(), 0.25);
    }
}
