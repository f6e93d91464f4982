//! Probabilities far below what can be counted, under laws that are no mixture: copulas with a full correlation matrix, and the Archimedean ones.

mod archimedean;
mod copula;
mod nearest;
mod nested;
#[cfg(test)]
mod tests;
mod tilted;

pub use archimedean::Archimedean;
pub use copula::{Copula, MOST_CUT_SETS, Sampling};
pub use nearest::nearest_correlation;
pub use nested::nested_factor;

use crate::figure::{Figure, Interval, IntervalMethod};
use crate::special::student_quantile;

/// A probability found by sampling: its logarithm, because it may be far below what a number holds.
///
/// The estimate is a mean over independent shifts of one lattice, so its error is measured and not assumed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rare {
    /// ln of the estimate; −∞ where it is impossible.
    pub ln_value: f64,
    /// Standard error over the estimate; 0 where the value is exact, infinite where no good way to sample was found: then only the upper end of an interval says something.
    pub relative_error: f64,
    /// No estimate, but certain: ln of the probability is at most this.
    pub ln_at_most: Option<f64>,
    /// Independent shifts that the error rests on.
    pub shifts: usize,
}

impl Rare {
    pub(crate) fn exactly(ln_value: f64) -> Self {
        Rare { ln_value, relative_error: 0.0, ln_at_most: Some(ln_value), shifts: 0 }
    }

    /// The estimate; 0 where it is below 1e-308.
    pub fn value(&self) -> f64 {
        self.ln_value.exp()
    }

    /// ln of both ends of the interval at `level`: Student's, over the shifts. The lower end is −∞ where the shifts do not bound it.
    pub fn ln_interval(&self, level: f64) -> [f64; 2] {
        if self.shifts < 2 {
            return [self.ln_value; 2];
        }
        // Nothing was hit: all that is known is an upper limit.
        if self.ln_value == f64::NEG_INFINITY {
            return [self.ln_value, self.ln_at_most.unwrap_or(0.0)];
        }
        let half = student_quantile(0.5 + 0.5 * level, self.shifts as f64 - 1.0) * self.relative_error;
        let high = self.ln_value + half.ln_1p();
        [self.ln_value + (-half.min(1.0)).ln_1p(), self.ln_at_most.map_or(high, |most| high.min(most.max(self.ln_value)))]
    }

    /// As a figure, with the interval of the computation: it says nothing about how well the law itself is known.
    pub fn figure(&self, level: f64) -> Figure {
        let [low, high] = self.ln_interval(level);
        Figure::of(self.value(), "").with(Interval::new(low.exp(), high.exp(), level, IntervalMethod::Lattice))
    }
}
