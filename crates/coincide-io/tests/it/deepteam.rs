//! deepteam's guards.

use crate::support::*;
use coincide_io::Tool::DeepTeam;

#[test]
fn the_table_is_the_one_counted_by_hand() {
    let i = read(DeepTeam, &["deepteam/guards.jsonl"], &none());
    let expected = "
        c1: 1 1 1
        c10: 0 1 1
        c11: . . .
        c12: 0 1 1
        c13: . . .
        c14: 1 1 1
        c2: 0 1 1
        c3: 0 1 1
        c4: 0 1 1
        c5: 0 e 0
        c6: e 1 1
        c7: u 1 1
        c8: e 1 1
        c9: 1 1 0";
    assert_eq!(lines(&i), table(expected));
}

#[test]
fn an_exception_recorded_as_unsafe_has_no_outcome() {
    assert_eq!(grid(&read(DeepTeam, &["deepteam/guards.jsonl"], &none()))["c5"], "0 e 0");
}

#[test]
fn a_reply_without_a_level_recorded_as_unsafe_has_no_outcome() {
    assert_eq!(grid(&read(DeepTeam, &["deepteam/guards.jsonl"], &none()))["c7"], "u 1 1");
}

#[test]
fn no_verdicts_is_not_run() {
    let i = read(DeepTeam, &["deepteam/guards.jsonl"], &none());
    assert!(noted(&i, "2 records have no verdicts: they were sampled out"), "{:?}", i.notes);
}

#[test]
fn a_guard_of_the_answer_is_another_layer() {
    let i = read(DeepTeam, &["deepteam/guards.jsonl", "deepteam/outputs.jsonl"], &none());
    assert_eq!(i.layers.len(), 5);
    let rows = grid(&i);
    assert_eq!(rows["c1"], "1 1 1 1 1");
    assert_eq!(rows["c2"], "0 1 1 0 1");
    assert_eq!(rows["c9"], "1 1 0 1 0");
}

#[test]
fn cut_at_every_byte() {
    cut_everywhere(DeepTeam, &std::fs::read(log("deepteam/guards.jsonl")).unwrap(), &none());
}
