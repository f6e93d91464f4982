//! A smoke test of coverage; the whole table is `docs/coverage.md`.

#[allow(dead_code)]
#[path = "../../examples/coverage.rs"]
mod simulation;

use simulation::{Cell, cover};

/// 120 tables: a true coverage of 93% falls below 86% with probability under 0.4%.
#[test]
fn intervals_cover_where_they_are_not_flagged() {
    for crossed in [false, true] {
        let c = cover(Cell { crossed, clusters: 300, events: 50.0 }, 120, 400);
        assert_eq!(c.flagged, 0);
        for (name, hits) in [("beta", c.beta[0]), ("gap", c.gap[0])] {
            assert!(hits >= 104, "{name}, crossed {crossed}: {hits} of 120");
        }
    }
}

/// With three events in ten clusters nothing is certain, and the lower end of the gap must say so.
#[test]
fn few_events_are_flagged_and_open_the_gap_from_below() {
    let c = cover(Cell { crossed: false, clusters: 10, events: 3.0 }, 60, 400);
    assert_eq!(c.flagged, 60);
    assert!(c.beta[1] >= 57, "{:?}", c.beta);
    assert!(c.gap_width.iter().filter(|w| w.is_infinite()).count() > 30);
}
