//! The observed patterns as a law: a node a pattern, p_i(z) ∈ {0, 1}. It says nothing about patterns that were not seen.

use super::mixture::Mixture;
use crate::layers::bit;
use crate::patterns::Patterns;

/// The law of the complete patterns, with their weights. `None` where no pattern is complete.
pub(crate) fn empirical(patterns: &Patterns, weight: &[f64]) -> Option<Mixture> {
    let k = patterns.layers;
    let complete: Vec<usize> = (0..patterns.len()).filter(|&r| weight[r] > 0.0 && crate::layers::count(patterns.observed(r)) == k).collect();
    let node = |&r: &usize| (weight[r], (0..k).map(|i| f64::from(u8::from(bit(patterns.failed(r), i)))).collect());
    (!complete.is_empty()).then(|| Mixture::from_probabilities(k, complete.iter().map(node)))
}
