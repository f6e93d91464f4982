//! The observed patterns as a law: a node a pattern, p_i(z) ∈ {0, 1}. It says nothing about patterns that were not seen.

use crate::layers::{bit, count};
use crate::likelihood::Nodes;
use crate::patterns::Patterns;

/// The complete patterns and a node for each, their weights still to be set. `None` where no pattern is complete.
pub(crate) fn empirical(patterns: &Patterns) -> Option<(Vec<usize>, Nodes)> {
    let k = patterns.layers;
    let complete: Vec<usize> = (0..patterns.len()).filter(|&r| count(patterns.observed(r)) == k).collect();
    let mut nodes = Nodes::default();
    nodes.resize(k, complete.len());
    for (z, &r) in complete.iter().enumerate() {
        for i in 0..k {
            let failed = f64::from(u8::from(bit(patterns.failed(r), i)));
            nodes.p[i * nodes.len + z] = failed;
            nodes.q[i * nodes.len + z] = 1.0 - failed;
        }
    }
    (!complete.is_empty()).then_some((complete, nodes))
}
