//! Inspect logs. The outcomes are those of the tables in `tests/logs/inspect_logs.py`.

use crate::support::*;
use coincide_io::Tool::Inspect;
use coincide_io::{FailsWhen, LayerFrom, Polarity, ReadOptions, Threshold, load};

fn cut(layer: &str, value: f64) -> Threshold {
    Threshold { layer: layer.into(), value, fails_when: None }
}

fn joint() -> ReadOptions {
    ReadOptions {
        thresholds: vec![cut("graded", 0.75), cut("monitors.mon_b", 0.5)],
        clusters: vec!["attack_id".into()],
        strata: vec!["family".into()],
        label: Some("label".into()),
        ..none()
    }
}

/// Samples, their epochs, and outcomes of input_regex, model_refusal, graded, binary, mon_a, mon_b, sometimes.
const JOINT: &str = "
    s01/1: 1 0 1 0 0 0.95 0
    s01/2: 1 1 1 0 0 0.9 .
    s02/1: 0 0 0 1 1 0.4 0
    s02/2: 0 0 1 0 1 0.55 1
    s03/1: 1 1 0 1 1 0 .
    s03/2: 1 1 0 1 1 0.05 .
    s04/1: 1 1 0.5 1 a 0.3 1
    s04/2: 1 1 0 0 0 u 1
    s05/1: 0 0 a 0 0 0.8 0
    s05/2: 0 0 a 0 a u .
    s06/1: 1 0 0 1 1 0.1 1
    s06/2: 1 1 0 1 1 0.1 1
    s07/1: 0 1 1 1 0 0.5 0
    s07/2: e e e e e e e
    s08/1: e e e e e e e
    s08/2: 1 0 1 0 0 1 0
    s09/1: 1 1 0 1 1 a .
    s09/2: 1 1 0.5 u 0 0.65 .
    s10/1: 1 0 1 0 0 0.7 0
    s10/2: 1 1 0 1 1 0.35 0";

#[test]
fn the_table_is_the_one_counted_by_hand() {
    let i = read(Inspect, &["inspect/joint.eval"], &joint());
    assert_eq!(layers(&i), ["input_regex", "model_refusal", "graded", "binary", "monitors.mon_a", "monitors.mon_b", "sometimes"]);
    assert_eq!(lines(&i), table(JOINT));
    let rows = column(i.table(), "trial");
    let at = |t: &str| rows.iter().position(|r| r == t).unwrap();
    assert_eq!(column(i.table(), "attack_id")[at("s04/2")], "base2");
    assert_eq!(column(i.table(), "label")[at("s03/1")], "benign");
    // 0.5 is held at a threshold of 0.5, C (1) at 0.75, P (0.5) is not.
    let of = |name: &str| i.layers.iter().find(|l| l.name == name).map(|l| (l.failed, l.held)).unwrap();
    assert_eq!(of("monitors.mon_b"), (7, 8));
    assert_eq!(of("graded"), (10, 6));
}

#[test]
fn json_deflate_and_stored_entries_say_the_same() {
    for file in ["inspect/joint.json", "inspect/deflate.eval", "inspect/stored.eval"] {
        assert_eq!(lines(&read(Inspect, &[file], &joint())), table(JOINT), "{file}");
    }
}

#[test]
fn bare_nan_and_n_are_missing_with_different_reasons() {
    let i = read(Inspect, &["inspect/joint.json"], &joint());
    let missing = |name: &str| i.layers.iter().find(|l| l.name == name).unwrap().missing.clone();
    let mut b = missing("monitors.mon_b");
    b.sort();
    assert_eq!(b, [("abstain".into(), 1), ("error".into(), 2), ("unparsed".into(), 2)]);
    assert!(missing("binary").contains(&("unparsed".into(), 1)));
}

#[test]
fn an_absent_key_is_not_run() {
    let i = read(Inspect, &["inspect/joint.eval"], &joint());
    assert!(i.layers[6].missing.contains(&("not_run".into(), 6)), "{:?}", i.layers[6]);
}

#[test]
fn samples_with_an_error_or_at_a_limit_have_no_outcomes_even_if_scored() {
    let i = read(Inspect, &["inspect/joint.eval"], &joint());
    assert!(noted(&i, "of 20 samples 1 ended in an error, 1 at a limit"), "{:?}", i.notes);
    let i = read(Inspect, &["inspect/scored_errors.eval"], &none());
    assert_eq!(lines(&i), table("e1/1: 0\ne1/2: 1\ne2/1: e\ne2/2: 0\ne3/1: 1\ne3/2: e"));
}

#[test]
fn a_partial_grade_and_a_score_have_to_be_cut_by_the_user() {
    let message = fails(Inspect, &["inspect/joint.eval"], &none());
    assert!(message.contains("`graded` (0 to 1), `monitors.mon_b` (0 to 1)"), "{message}");
    assert!(message.contains("--threshold graded=VALUE"), "{message}");
}

#[test]
fn fails_when_turns_a_scorer() {
    let turned = ReadOptions {
        layers: Some(vec!["input_regex".into(), "binary".into()]),
        polarities: vec![Polarity { layer: "binary".into(), fails_when: FailsWhen::Above }],
        ..none()
    };
    let i = read(Inspect, &["inspect/joint.eval"], &turned);
    assert_eq!(grid(&i)["s01/1"], "1 1");
    assert_eq!(i.layers[0].rule, "held where C, 1 or true (inferred)");
    assert_eq!(i.layers[1].rule, "failed where C, 1 or true");
}

#[test]
fn a_killed_run_is_read_from_its_journal() {
    let i = read(Inspect, &["inspect/killed.eval"], &none());
    assert_eq!(lines(&i), table("k1: 0\nk2: 1\nk3: 0\nk4: 1"));
    assert!(noted(&i, "was killed before it ended") && noted(&i, "holds 4 of 12 samples"), "{:?}", i.notes);
}

#[test]
fn a_crashed_run_says_what_it_lacks() {
    let i = read(Inspect, &["inspect/crashed.eval"], &none());
    let expected = "c1/1: 0\nc1/2: 1\nc2/1: 1\nc2/2: 0\nc3/1: 0\nc3/2: e\nc4/1: 0\nc4/2: e\nc5/1: 0\nc5/2: e\nc6/1: 1\nc7/1: 0\nc8/1: 0";
    assert_eq!(lines(&i), table(expected));
    assert!(noted(&i, "holds 13 of 16 samples"), "{:?}", i.notes);
}

#[test]
fn samples_that_a_retry_carries_over_count_once() {
    let i = read(Inspect, &["inspect/retried_second.eval", "inspect/retried_first.eval"], &none());
    assert_eq!(lines(&i), table("r1: 0\nr2: 1\nr3: 0\nr4: 1\nr5: 0\nr6: 1"));
    assert!(noted(&i, "6 samples stand more than once"), "{:?}", i.notes);
}

#[test]
fn repeats_of_a_sample_are_one_cluster() {
    let i = read(Inspect, &["inspect/crashed.eval"], &none());
    assert_eq!(i.clusters, ["sample.id"]);
}

#[test]
fn a_column_that_is_not_there_names_the_nearest() {
    let message = fails(Inspect, &["inspect/joint.eval"], &ReadOptions { clusters: vec!["atack_id".into()], ..joint() });
    assert!(message.contains("no column `atack_id`") && message.contains("did you mean `attack_id`?"), "{message}");
}

#[test]
fn metadata_that_a_summary_cuts_is_read_from_the_sample() {
    // Two samples whose long keys differ only after what a summary keeps.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.eval");
    let long = |end: &str| format!("{}{end}", "x".repeat(2000));
    let sample = |id: u32, key: &str| serde_json::json!({"id": id, "epoch": 1, "metadata": {"goal": key}, "scores": {"s": {"value": "C"}}});
    let cut = format!("{}...", "x".repeat(1021));
    let eval = r#"{"version": 2, "status": "success", "eval": {"task": "t", "task_id": "i", "created": "2026", "model": "m"}}"#;
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut add = |name: &str, content: String| {
        use std::io::Write;
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    };
    add("header.json", eval.into());
    add("summaries.json", serde_json::json!([sample(1, &cut), sample(2, "Key removed from summary (> 1k)")]).to_string());
    add("samples/1_epoch_1.json", sample(1, &long("a")).to_string());
    add("samples/2_epoch_1.json", sample(2, &long("b")).to_string());
    zip.finish().unwrap();
    let i = read(Inspect, &[path.to_str().unwrap()], &ReadOptions { clusters: vec!["goal".into()], ..none() });
    assert_eq!(column(i.table(), "goal"), [long("a"), long("b")]);
}

fn runs() -> [&'static str; 3] {
    ["inspect/runs/plain.eval", "inspect/runs/filter.eval", "inspect/runs/monitor.eval"]
}

fn joining(from: &str) -> ReadOptions {
    let from = if from == "file" { LayerFrom::File } else { LayerFrom::Column(from.into()) };
    ReadOptions { layer_from: Some(from), join: vec!["sample.id".into()], ..none() }
}

#[test]
fn one_run_for_each_defence_is_joined_on_the_sample() {
    for from in ["task", "file"] {
        let i = read(Inspect, &runs(), &joining(from));
        assert_eq!(layers(&i), ["plain", "filter", "monitor"], "{from}");
        assert!(i.joined);
        assert!(noted(&i, "2 of 9 trials are not in every run (1 lack `plain`: 9; 1 lack `filter`: 9; 1 lack `monitor`: 8)"), "{:?}", i.notes);
    }
    assert_eq!(layers(&read(Inspect, &runs(), &joining("solver"))), ["plain_defence", "filter_defence", "monitor_defence"]);
    // All runs had the same model: repeats of one layer.
    assert_eq!(layers(&read(Inspect, &runs(), &joining("model"))).len(), 1);
    assert_eq!(layers(&read(Inspect, &runs(), &joining("scorer"))), ["attack_blocked"]);
}

#[test]
fn epochs_of_separate_runs_are_averaged_over_their_combinations() {
    let names: Vec<String> = runs().iter().map(|r| log(r)).collect();
    let loaded = load(&names, &joining("task"), &|_, _, _| {}).unwrap();
    assert!(loaded.separate_runs);
    assert!(loaded.notes.iter().any(|n| n.contains("averaged over the combinations of repeats")), "{:?}", loaded.notes);
    // By hand: sample 2 is CI, IC, CC; sample 3 II, CC, CI; 5 IC, CC, II; 6 II, CI, CC; 7 CC, II, IC. None of them fails everywhere with any combination but
    // those in which all three failed: sample 2 never (monitor held), 3 never (filter held), 5 never, 6 never, 7 never (plain held).
    let together = |mask: u64| loaded.table.cells().filter(|c| c.failed[0] & mask == mask && c.observed[0] & mask == mask).map(|c| c.n).sum::<f64>();
    assert_eq!(together(0b111), 0.0);
    // plain and filter fail together: sample 2 on one combination of four, 6 on half of its two, 1 3 5 8 never, 4 7 never.
    assert!((together(0b011) - (0.25 + 0.5)).abs() < 1e-12);
    // plain and monitor: 3 (I, CI) half, 5 (IC, II) half.
    assert!((together(0b101) - 1.0).abs() < 1e-12);
    let total: f64 = loaded.table.cells().map(|c| c.n).sum();
    assert!((total - 9.0).abs() < 1e-12);
}

#[test]
fn a_table_that_was_written_says_the_same_as_the_logs() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], ReadOptions); 2] = [(&["inspect/joint.eval"], joint()), (&runs(), joining("task"))];
    for (files, options) in cases {
        let names: Vec<String> = files.iter().map(|r| log(r)).collect();
        let direct = load(&names, &options, &|_, _, _| {}).unwrap();
        let path = folder.path().join("outcomes.parquet");
        read(Inspect, files, &options).write(&path).unwrap();
        let label = ReadOptions { label: options.label, ..none() };
        let again = load(&[path.to_string_lossy().into_owned()], &label, &|_, _, _| {}).unwrap();
        assert_eq!(again.table, direct.table);
        assert_eq!(again.separate_runs, direct.separate_runs);
    }
}

#[test]
fn logs_of_another_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.json");
    let text = std::fs::read_to_string(log("inspect/joint.json")).unwrap().replacen("\"version\": 2", "\"version\": 3", 1).replacen(
        "\"version\":2",
        "\"version\":3",
        1,
    );
    std::fs::write(&path, text).unwrap();
    let message = fails(Inspect, &[path.to_str().unwrap()], &none());
    assert!(message.contains("is an Inspect log of version 3; this program reads version 2"), "{message}");
}

#[test]
fn cut_at_every_byte() {
    cut_everywhere(Inspect, &std::fs::read(log("inspect/killed.eval")).unwrap(), &none());
    // A document of two samples.
    let mut json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(log("inspect/joint.json")).unwrap().replace("NaN", "null")).unwrap();
    json["samples"].as_array_mut().unwrap().truncate(2);
    json["samples"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|s| ["messages", "output", "events"].iter().for_each(|k| s[k] = serde_json::Value::Null));
    json["samples"].as_array_mut().unwrap().iter_mut().for_each(|s| drop(s.as_object_mut().unwrap().remove("messages")));
    let map = json.as_object_mut().unwrap();
    ["plan", "results", "stats", "reductions"].iter().for_each(|k| drop(map.remove(*k)));
    let layers = ReadOptions { layers: Some(vec!["input_regex".into(), "binary".into()]), ..none() };
    cut_everywhere(Inspect, json.to_string().as_bytes(), &layers);
}
