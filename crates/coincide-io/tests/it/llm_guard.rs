//! llm-guard's results.

use crate::support::*;
use coincide_io::Tool::LlmGuard;

const SCANNERS: [&str; 4] = ["InvisibleText", "BanSubstrings", "Regex", "Secrets"];

#[test]
fn the_table_of_raw_calls_is_the_one_counted_by_hand() {
    let i = read(LlmGuard, &["llm_guard/raw.jsonl"], &none());
    assert_eq!(layers(&i), SCANNERS);
    let expected = "
        p1: 1 1 1 1
        p10: 1 1 1 1
        p2: 1 0 0 1
        p3: 1 1 0 1
        p4: 0 1 0 1
        p5: 1 1 0 0
        p6: 1 1 0 0
        p7: 1 1 1 1
        p8: . . . .
        p9: 1 0 0 1";
    assert_eq!(lines(&i), table(expected));
    assert!(i.notes.is_empty(), "{:?}", i.notes);
}

#[test]
fn scanners_of_one_call_saw_a_cleaned_text() {
    let i = read(LlmGuard, &["llm_guard/chained.jsonl"], &none());
    assert!(noted(&i, "9 records hold several scanners of one call"), "{:?}", i.notes);
    assert!(noted(&i, "their outcomes are not on the same trial"));
    // What the tool says is kept: p2's Regex found nothing in what BanSubstrings had cleaned.
    assert_eq!(grid(&i)["p2"], "1 0 1 1");
}

#[test]
fn fail_fast_censors_the_scanners_that_were_not_asked() {
    let i = read(LlmGuard, &["llm_guard/fail_fast.jsonl"], &none());
    let rows = grid(&i);
    assert_eq!(rows["p2"], "1 0 c c");
    assert_eq!(rows["p4"], "0 c c c");
    assert_eq!(rows["p5"], "1 1 0 c");
    assert_eq!(rows["p1"], "1 1 1 1");
    assert_eq!(column(i.table(), "Secrets")[1], "censored_by:BanSubstrings");
}

#[test]
fn a_blank_prompt_reaches_no_scanner() {
    assert_eq!(grid(&read(LlmGuard, &["llm_guard/fail_fast.jsonl"], &none()))["p8"], ". . . .");
}

#[test]
fn cut_at_every_byte() {
    for file in ["llm_guard/raw.jsonl", "llm_guard/same_class.jsonl"] {
        cut_everywhere(LlmGuard, &std::fs::read(log(file)).unwrap(), &none());
    }
}
