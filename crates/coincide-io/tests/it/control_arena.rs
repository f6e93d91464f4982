//! ControlArena's monitors in an Inspect log.

use crate::support::*;
use coincide_io::Tool::{ControlArena, Inspect};
use coincide_io::{Imported, ReadOptions, Threshold, Tool};

fn monitors(tool: Tool) -> Imported {
    let cut = |layer: &str| Threshold { layer: layer.into(), value: 0.5, fails_when: None };
    let thresholds = ["max_suspicion_scorer", "end_of_trajectory_monitor", "end_of_trajectory_monitor1"].map(cut).to_vec();
    read(tool, &["control_arena/monitors.eval"], &ReadOptions { thresholds, ..none() })
}

const EXPECTED: &str = "
    m1: 1 1 1
    m2: 0 0 0
    m3: 0.5 0.75 0.5
    m4: 0.8 u 0.8500000000000001
    m5: u 0.9 u
    m6: u u u
    m7: 0.2 u u
    m8: e e .";

#[test]
fn the_table_is_the_one_counted_by_hand() {
    assert_eq!(lines(&monitors(ControlArena)), table(EXPECTED));
}

#[test]
fn it_is_recognised_in_an_inspect_log() {
    let i = monitors(Inspect);
    assert_eq!((i.tool, lines(&i)), (ControlArena, table(EXPECTED)));
}

#[test]
fn a_reply_that_could_not_be_read_is_no_suspicion_of_zero() {
    let i = monitors(ControlArena);
    let basic = &i.layers[1];
    assert!(basic.missing.contains(&("unparsed".into(), 3)), "{basic:?}");
    // m2's zero is real.
    assert_eq!(grid(&i)["m2"], "0 0 0");
}

#[test]
fn an_ensemble_with_an_unread_reply_is_not_averaged_with_a_stand_in() {
    assert_eq!(grid(&monitors(ControlArena))["m7"], "0.2 u u");
}

#[test]
fn the_largest_suspicion_of_an_unread_step_is_unparsed() {
    let rows = grid(&monitors(ControlArena));
    assert!(rows["m5"].starts_with('u') && rows["m6"].starts_with('u') && rows["m2"].starts_with('0'));
}

#[test]
fn high_suspicion_holds_from_the_threshold_on() {
    let i = monitors(ControlArena);
    assert_eq!(i.layers[0].rule, "held where its score is 0.5 or more (inferred)");
    assert_eq!((i.layers[0].failed, i.layers[0].held), (2, 3));
}
