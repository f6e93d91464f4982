//! Orders of the variables of a module. None is good for every structure, so several are tried.

use crate::graph::Structure;
use rustc_hash::FxHashSet;

/// How many orders there are to try.
pub(crate) const ORDERS: usize = 24;

/// The events and modules below a module, as met depth first: with the inputs of every gate as they stand, backwards, and then in ever other sequences.
pub(crate) fn order(s: &Structure, module: usize, inside: impl Fn(usize) -> bool, which: usize) -> Vec<usize> {
    let mut out = Vec::new();
    let mut met = FxHashSet::default();
    let mut open = vec![module];
    while let Some(at) = open.pop() {
        if !met.insert(at) {
            continue;
        }
        if at != module && !inside(at) {
            out.push(at);
            continue;
        }
        let mut inputs: Vec<usize> = s.nodes[at].children().iter().map(|l| l.node()).collect();
        match which {
            // The last is met first.
            0 => inputs.reverse(),
            1 => {}
            n => inputs.sort_by_key(|&i| {
                (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(n as u32).wrapping_mul(0xd134_2543_de82_ef95 + 2 * n as u64)
            }),
        }
        open.extend(inputs);
    }
    out
}
