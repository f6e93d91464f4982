//! NeMo Guardrails' replies.

use crate::support::*;
use coincide_io::Tool::Nemo;
use coincide_io::{LayerFrom, ReadOptions};

const EXPECTED: &str = "
    p1: 1 1 1 1
    p2: 0 c c c
    p3: 1 0 c c
    p4: 1 1 0 c
    p5: 0 c c c
    p6: 1 1 e .
    p7: 1 0 c c
    p8: 1 1 1 0
    p9: 1 1 1 1";

#[test]
fn the_table_of_generation_logs_is_the_one_counted_by_hand() {
    let i = read(Nemo, &["nemo/generation.jsonl"], &none());
    assert_eq!(layers(&i), ["regex check input", "check persona", "check encoding", "regex check output"]);
    assert_eq!(lines(&i), table(EXPECTED));
}

#[test]
fn the_server_says_the_same_in_another_place() {
    assert_eq!(lines(&read(Nemo, &["nemo/server.jsonl"], &none())), table(EXPECTED));
}

#[test]
fn the_first_blocking_rail_censors_the_others() {
    let i = read(Nemo, &["nemo/generation.jsonl"], &none());
    assert_eq!(column(i.table(), "check encoding")[1], "censored_by:regex check input");
    assert!(noted(&i, "a joint run needs one configuration for each rail"));
}

#[test]
fn an_action_that_raised_is_no_block() {
    let i = read(Nemo, &["nemo/generation.jsonl"], &none());
    assert_eq!(column(i.table(), "check encoding")[5], "error");
    assert!(noted(&i, "1 calls ended in an error inside NeMo"), "{:?}", i.notes);
}

#[test]
fn rails_in_parallel_that_were_about_to_block_held() {
    let i = read(Nemo, &["nemo/parallel.jsonl"], &none());
    let persona = column(i.table(), "check persona");
    let trials = column(i.table(), "trial");
    let at = |t: &str| trials.iter().position(|x| x == t).unwrap();
    assert_eq!(persona[at("p5")], "0");
    assert_eq!(persona[at("p2")], "1");
    assert_eq!(column(i.table(), "regex check input")[at("p5")], "0");
}

#[test]
fn rails_that_answer_with_exceptions() {
    let i = read(Nemo, &["nemo/exceptions.jsonl"], &none());
    let at = |t: &str| column(i.table(), "trial").iter().position(|x| x == t).unwrap();
    assert_eq!(column(i.table(), "check persona")[at("p3")], "0");
    assert!(i.layers.iter().all(|l| l.held == u64::from(l.name == "check persona")), "an error is no block: {:?}", i.layers);
}

#[test]
fn a_check_names_one_rail_and_censors_the_rest() {
    let i = read(Nemo, &["nemo/checks.jsonl"], &none());
    let expected = "
        p1: 1
        p10: .
        p2: 0
        p3: 1
        p4: 1
        p5: 0
        p6: 1
        p7: 1
        p8: 1
        p9: 1";
    assert_eq!(layers(&i), ["regex check input"]);
    assert_eq!(lines(&i), table(expected));
    assert!(noted(&i, "1 checks let a changed text pass"), "{:?}", i.notes);
}

#[test]
fn one_configuration_for_each_rail_is_joined() {
    let options = ReadOptions { layer_from: Some(LayerFrom::File), join: vec!["id".into()], ..none() };
    let files = ["nemo/per_rail/regex_check_input.jsonl", "nemo/per_rail/check_persona.jsonl", "nemo/per_rail/check_encoding.jsonl"];
    let i = read(Nemo, &files, &options);
    assert_eq!(layers(&i), ["regex_check_input", "check_persona", "check_encoding"]);
    let expected = "
        p1: 1 1 1
        p2: 0 1 1
        p3: 1 0 1
        p4: 1 1 0
        p5: 0 0 1
        p6: 1 1 e
        p7: 1 0 e
        p8: 1 1 1
        p9: 1 1 1";
    assert_eq!(lines(&i), table(expected));
}

#[test]
fn cut_at_every_byte() {
    cut_everywhere(Nemo, &std::fs::read(log("nemo/checks.jsonl")).unwrap(), &none());
    let text = std::fs::read_to_string(log("nemo/generation.jsonl")).unwrap();
    let two: String = text.lines().take(2).map(|l| format!("{l}\n")).collect();
    cut_everywhere(Nemo, two.as_bytes(), &none());
}
