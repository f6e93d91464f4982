//! promptfoo's outputs. Letters below are `pass`: T held with `--fails-when below`.

use crate::support::*;
use coincide_io::Tool::Promptfoo;
use coincide_io::{FailsWhen, Imported, Polarity, ReadOptions};

fn below() -> ReadOptions {
    ReadOptions { fails_when: Some(FailsWhen::Below), clusters: vec!["attack_id".into()], ..none() }
}

/// The rows of a test in the order of promptIdx.
fn row(i: &Imported, test: u32, prompt: u32) -> String {
    let rows = grid(i);
    let found = rows.iter().find(|(t, _)| t.contains(&format!("/{test}/{prompt}/")) || t.starts_with(&format!("{test}/{prompt}/")));
    found.map(|(_, cells)| cells.clone()).unwrap()
}

#[test]
fn the_table_is_the_one_counted_by_hand() {
    let i = read(Promptfoo, &["promptfoo/out.json"], &below());
    let names = ["input_regex", "model_refusal", "provider_guardrails", "javascript#3", "encoding_filter", "brittle", "not-contains#6"];
    assert_eq!(layers(&i), names);
    // By test: with the two prompts of `echo`, then those of the provider with guardrails.
    let expected = [
        ["1 1 . 1 0 0 .", "0 0 1 0 0 0 ."],
        ["0 1 . 1 1 0 .", "e e e e e e ."],
        ["0 1 . 0 0 e .", "0 1 0 0 0 e ."],
        ["1 1 . 0 0 0 .", "e e e e e e ."],
        ["0 1 . 0 0 0 .", "0 1 . 0 0 0 ."],
        ["0 0 . 0 0 0 0", "0 0 1 0 0 0 0"],
    ];
    for (test, [echo, guarded]) in expected.iter().enumerate() {
        for prompt in 0..4 {
            let want = if prompt < 2 { echo } else { guarded };
            assert_eq!(row(&i, test as u32, prompt), **want, "test {test}, prompt {prompt}");
        }
    }
    assert_eq!(column(i.table(), "attack_id").iter().filter(|a| *a == "base0").count(), 8);
}

#[test]
fn a_guardrails_assertion_without_data_is_no_verdict() {
    let i = read(Promptfoo, &["promptfoo/out.json"], &below());
    assert!(noted(&i, "14 `guardrails` assertions passed without any guardrail data"), "{:?}", i.notes);
    // Data may stand with the last turn of an attack of several.
    assert_eq!(row(&i, 5, 2), "0 0 1 0 0 0 0");
}

#[test]
fn a_call_that_ended_in_an_error_has_no_outcomes() {
    let i = read(Promptfoo, &["promptfoo/out.json"], &below());
    assert!(noted(&i, "4 calls ended in an error"));
    assert_eq!(row(&i, 1, 3), "e e e e e e .");
}

#[test]
fn an_assertion_that_threw_is_no_failure() {
    let i = read(Promptfoo, &["promptfoo/out.json"], &below());
    assert!(noted(&i, "4 assertions could not be judged"), "{:?}", i.notes);
}

#[test]
fn pass_counts_and_not_the_score() {
    // encoding_filter passes with scores of 0 and 0.1: every cell is a verdict.
    let i = read(Promptfoo, &["promptfoo/out.json"], &below());
    assert_eq!((i.layers[4].failed, i.layers[4].held), (2, 18));
}

#[test]
fn polarity_has_to_be_given() {
    let message = fails(Promptfoo, &["promptfoo/out.json"], &none());
    assert!(message.contains("says only whether an assertion passed") && message.contains("--fails-when input_regex=below"), "{message}");
    let one = Polarity { layer: "input_regex".into(), fails_when: FailsWhen::Above };
    let i = read(Promptfoo, &["promptfoo/out.json"], &ReadOptions { polarities: vec![one], ..below() });
    assert_eq!((i.layers[0].failed, i.layers[0].held, i.layers[0].rule.as_str()), (16, 4, "failed where it passed"));
}

#[test]
fn repeats_of_one_attack_are_one_cluster() {
    let i = read(Promptfoo, &["promptfoo/out.jsonl"], &ReadOptions { clusters: Vec::new(), ..below() });
    assert_eq!((i.clusters.as_slice(), i.trials), (["vars".to_owned()].as_slice(), 16));
    let mut vars = column(i.table(), "vars");
    vars.sort();
    vars.dedup();
    assert_eq!(vars.len(), 2, "two attacks, each repeated");
    assert_eq!(row(&i, 0, 2), "0 0 1 0 0 0");
    assert_eq!(row(&i, 1, 2), "0 0 1 0 0 0");
    assert_eq!(row(&i, 3, 0), "0 1 . 1 1 0");
}

#[test]
fn cut_at_every_byte() {
    let text = std::fs::read_to_string(log("promptfoo/out.jsonl")).unwrap();
    let small = |line: &str| {
        let mut row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        ["tokenUsage", "prompt", "testCase", "namedScores", "id", "promptId"].iter().for_each(|k| drop(row.remove(*k)));
        serde_json::Value::from(row).to_string() + "\n"
    };
    let two: String = text.lines().filter(|l| l.contains("\"guarded")).take(1).chain(text.lines().take(1)).map(small).collect();
    cut_everywhere(Promptfoo, two.as_bytes(), &ReadOptions { clusters: Vec::new(), ..below() });
    let rows: Vec<serde_json::Value> = two.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let document = serde_json::json!({"evalId": "e", "results": {"version": 3, "results": rows}});
    cut_everywhere(Promptfoo, document.to_string().as_bytes(), &ReadOptions { clusters: Vec::new(), ..below() });
}
