//! Fault trees: a model is read, or refused; one that is read and fits in little room has a probability and cut sets.

#![no_main]

use coincide_structure::{Limits, read_open_psa};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let tree = match read_open_psa(bytes) {
        Ok(tree) => tree,
        Err(e) => {
            assert!(e.line > 0 && e.column > 0 && !e.what.is_empty());
            return;
        }
    };
    let limits = Limits { nodes: 20_000 };
    let Ok(system) = tree.structure.compile(limits) else { return };
    let p = system.probability(&tree.probabilities);
    assert!((0.0..=1.0 + 1e-9).contains(&p), "{p}");
    // Certain bounds hold it, however little room they have.
    if let Ok([low, high]) = tree.structure.enclose(&tree.probabilities, Limits { nodes: 2_000 }) {
        let above = |a: f64, b: f64| a > b * (1.0 + 1e-9) + f64::MIN_POSITIVE;
        assert!(!above(low, p) && !above(p, high), "{low} {p} {high}");
    }
    if let Ok(sets) = system.cut_sets(limits) {
        // Sure to fail without any event, or with some.
        assert!(p == 0.0 || sets.by_order().is_ok_and(|n| n.iter().any(|n| *n > 0)));
        // The likeliest set is listed first, and none is likelier than the failure of a coherent system.
        let listed = sets.likeliest(&tree.probabilities, 10);
        assert!(listed.is_sorted_by(|a, b| a.probability >= b.probability * (1.0 - 1e-9)));
        assert!(!system.coherent() || listed.iter().all(|c| c.probability <= p * (1.0 + 1e-9)));
    }
});
