//! Runs joined, and what the table that is written keeps: on small records of the tools' shapes.

use crate::support::*;
use coincide_io::Tool::{DeepTeam, Garak, Inspect, JailbreakBench, LlmGuard, Nemo, Promptfoo};
use coincide_io::{FailsWhen, LayerFrom, Loaded, ReadOptions, Result, Threshold, load};
use serde_json::{Value, json};
use std::path::PathBuf;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_string_lossy().into_owned()
    }

    /// JSON lines.
    fn lines(&self, name: &str, records: &[Value]) -> String {
        self.text(name, &records.iter().map(|r| format!("{r}\n")).collect::<String>())
    }

    /// A garak report of one detector `d`, by goal.
    fn garak(&self, name: &str, scores: &[(&str, f64)]) -> String {
        let mut records = vec![json!({"entry_type": "start_run setup"})];
        records.extend(scores.iter().enumerate().map(|(i, (goal, score))| {
            json!({"entry_type": "attempt", "uuid": format!("{name}{i}"), "seq": i, "status": 2, "probe_classname": "p.P", "goal": goal, "intent": null,
                   "outputs": [{"text": "x"}], "detector_results": {"d": [score]}, "notes": {}})
        }));
        self.lines(name, &records)
    }

    /// An Inspect log of one scorer.
    fn inspect(&self, name: &str, task_id: &str, created: &str, samples: &[Value]) -> String {
        let eval = json!({"task": "t", "task_id": task_id, "created": created, "model": "m"});
        self.text(name, &json!({"version": 2, "status": "success", "eval": eval, "samples": samples}).to_string())
    }
}

fn loaded(files: &[&String], options: &ReadOptions) -> Loaded {
    try_load(files, options).unwrap_or_else(|e| panic!("{e}: {}", e.hint().unwrap_or_default()))
}

fn try_load(files: &[&String], options: &ReadOptions) -> Result<Loaded> {
    load(&files.iter().map(|f| (*f).clone()).collect::<Vec<_>>(), options, &|_, _, _| {})
}

/// Trials on which all layers failed, over trials on which all were observed.
fn together(l: &Loaded) -> f64 {
    let all = (1u64 << l.table.layers().len()) - 1;
    let n = |of: &dyn Fn(u64, u64) -> bool| l.table.cells().filter(|c| of(c.failed[0], c.observed[0])).map(|c| c.n).sum::<f64>();
    n(&|f, o| f == all && o == all) / n(&|_, o| o == all)
}

fn by_file(join: &str) -> ReadOptions {
    ReadOptions { layer_from: Some(LayerFrom::File), join: vec![join.into()], ..none() }
}

#[test]
fn rows_of_one_run_that_share_a_key_are_repeats() {
    let f = Files::new();
    // Goal g: r1 fails 1 of 3, r2 1 of 2; goal h: both fail.
    let r1 = f.garak("r1.jsonl", &[("g", 1.0), ("g", 0.0), ("g", 0.0), ("h", 1.0)]);
    let r2 = f.garak("r2.jsonl", &[("g", 0.0), ("g", 1.0), ("h", 1.0)]);
    let l = loaded(&[&r1, &r2], &by_file("goal"));
    assert!((together(&l) - (1.0 / 6.0 + 1.0) / 2.0).abs() < 1e-12, "{}", together(&l));
    assert!((l.table.cells().map(|c| c.n).sum::<f64>() - 2.0).abs() < 1e-12);
    // Written and read again.
    let i = read(Garak, &[&r1, &r2], &by_file("goal"));
    assert!(i.joined);
    i.write(&f.path("o.parquet")).unwrap();
    let again = loaded(&[&f.path("o.parquet").to_string_lossy().into_owned()], &none());
    assert_eq!((again.table, again.separate_runs), (l.table, true));
}

#[test]
fn trials_of_a_run_with_detectors_of_their_own_stay_apart() {
    let f = Files::new();
    let attempt = |i: u32, d: &str, score: f64| {
        json!({"entry_type": "attempt", "uuid": format!("u{i}"), "seq": i, "status": 2, "probe_classname": "p.P", "goal": "g", "outputs": [{"text": "x"}],
               "detector_results": {d: [score]}})
    };
    let run = f.lines("r.jsonl", &[json!({"entry_type": "start_run setup"}), attempt(0, "a", 1.0), attempt(1, "b", 1.0)]);
    // Two attempts, each seen by one detector: none was seen by both.
    let l = loaded(&[&run], &by_file("goal"));
    assert_eq!(l.table.cells().filter(|c| c.observed[0] == 0b11).count(), 0);
}

#[test]
fn a_behaviour_that_an_artifact_names_twice_is_averaged_over() {
    let f = Files::new();
    let jailbreaks = |ends: &[(u32, bool)]| -> Vec<Value> {
        ends.iter().map(|(i, b)| json!({"index": i, "behavior": format!("b{i}"), "prompt": "p", "jailbroken": b})).collect()
    };
    let a = f.text(
        "a.json",
        &json!({"parameters": {"method": "M", "model": "a"}, "jailbreaks": jailbreaks(&[(0, true), (0, false), (1, true)])}).to_string(),
    );
    let b = f.text("b.json", &json!({"parameters": {"method": "M", "model": "b"}, "jailbreaks": jailbreaks(&[(0, true), (1, false)])}).to_string());
    let i = read(JailbreakBench, &[&a, &b], &none());
    assert!(i.joined);
    let l = loaded(&[&a, &b], &none());
    assert!((together(&l) - 0.25).abs() < 1e-12);
    assert!(l.separate_runs, "every model was attacked by itself");
}

#[test]
fn two_guards_of_one_class_are_two_layers() {
    let f = Files::new();
    let verdict = |level: &str| json!({"name": "ToxicityGuard", "safety_level": level, "reason": "r"});
    let log = f.lines("g.jsonl", &[json!({"id": "x", "verdicts": [verdict("unsafe"), verdict("safe")]})]);
    let i = read(DeepTeam, &[&log], &none());
    assert_eq!(layers(&i), ["ToxicityGuard", "ToxicityGuard#2"]);
    assert_eq!(lines(&i), "x: 0 1\n");
}

#[test]
fn a_rail_that_is_listed_twice_held_where_it_stopped_the_text() {
    let f = Files::new();
    let rail = |stop: bool| json!({"type": "input", "name": "r", "stop": stop, "finished_at": 1.0});
    let log = f.lines(
        "g.jsonl",
        &[
            json!({"id": "x", "response": "no", "log": {"activated_rails": [rail(true), rail(false)]}}),
            json!({"id": "y", "response": "yes", "log": {"activated_rails": [rail(false), rail(false)]}}),
        ],
    );
    assert_eq!(lines(&read(Nemo, &[&log], &none())), "x: 0\ny: 1\n");
}

#[test]
fn a_check_says_nothing_about_rails_of_another_configuration() {
    let f = Files::new();
    let check = |id: &str, status: &str, rail: Option<&str>| json!({"id": id, "status": status, "content": "c", "rail": rail});
    let one = f.lines("one.jsonl", &[check("x", "passed", None), check("y", "blocked", Some("a"))]);
    let two = f.lines("two.jsonl", &[check("x", "passed", None), check("y", "passed", None), check("z", "blocked", Some("b"))]);
    let i = read(Nemo, &[&one, &two], &none());
    assert_eq!(layers(&i), ["a", "b"]);
    assert_eq!(lines(&i), "x: 1 1\ny: 0 1\nz: . 0\n");
}

#[test]
fn label_weight_and_a_stratum_that_is_usually_the_cluster_are_kept() {
    let f = Files::new();
    let mut records = vec![json!({"entry_type": "start_run setup"})];
    records.extend((0..4).map(|i| {
        json!({"entry_type": "attempt", "uuid": format!("u{i}"), "seq": i, "status": 2, "probe_classname": "p.P", "goal": format!("g{}", i / 2), "outputs": [{"text": "x"}],
               "detector_results": {"d": [f64::from(i % 2)]}, "notes": {"kind": if i == 3 { "benign" } else { "attack" }, "count": i + 1}})
    }));
    let log = f.lines("r.jsonl", &records);
    let options = ReadOptions { label: Some("kind".into()), weight: Some("count".into()), strata: vec!["goal".into()], ..none() };
    let direct = loaded(&[&log], &options);
    let i = read(Garak, &[&log], &options);
    assert_eq!((i.clusters.len(), i.strata.as_slice()), (0, ["goal".to_owned()].as_slice()));
    i.write(&f.path("o.parquet")).unwrap();
    let again = loaded(&[&f.path("o.parquet").to_string_lossy().into_owned()], &none());
    assert_eq!(again.table, direct.table);
    assert_eq!(again.table.columns().strata, ["goal"]);
    let weights: Vec<f64> = again.table.cells().map(|c| c.w).collect();
    assert_eq!(weights.iter().sum::<f64>(), 10.0, "{weights:?}");
}

#[test]
fn columns_whose_names_mean_something_get_another() {
    let f = Files::new();
    let record =
        |id: &str, layer: &str, ok: bool| json!({"id": id, "layer": layer, "outcome": "o", "epoch": "e", "results_valid": {"scan": ok}, "raw": true});
    // A row a trial: `layer` and `outcome` would make it a table with a row a layer.
    let wide = f.lines("w.jsonl", &[record("x", "l1", true), record("y", "l2", false)]);
    let options = ReadOptions { clusters: vec!["layer".into()], strata: vec!["outcome".into()], ..none() };
    assert_eq!(read(LlmGuard, &[&wide], &options).clusters, ["layer (column)"]);
    let l = loaded(&[&wide], &options);
    assert_eq!(
        (l.table.columns().clusters.as_slice(), l.table.columns().strata.as_slice()),
        (["layer (column)".to_owned()].as_slice(), ["outcome".to_owned()].as_slice())
    );
    // With repeats, all five.
    let repeated = f.lines("r.jsonl", &[record("x", "l1", true), record("x", "l1", false), record("y", "l2", false)]);
    let options = ReadOptions { clusters: vec!["epoch".into()], strata: vec!["outcome".into(), "layer".into()], ..none() };
    let i = read(LlmGuard, &[&repeated], &options);
    assert_eq!((i.joined, i.clusters.as_slice()), (true, ["epoch (column)".to_owned()].as_slice()));
    assert_eq!(loaded(&[&repeated], &options).table.columns().strata, ["outcome (column)", "layer (column)"]);
}

#[test]
fn garak_runs_are_joined_without_naming_the_key_and_cut_where_the_user_says() {
    let f = Files::new();
    let (r1, r2) = (f.garak("r1.jsonl", &[("g", 0.6), ("h", 0.2)]), f.garak("r2.jsonl", &[("g", 0.6), ("h", 0.2)]));
    let join = ReadOptions { layer_from: Some(LayerFrom::File), ..none() };
    assert_eq!(lines(&read(Garak, &[&r1, &r2], &join)), "0, p.P, 0: 1 1\n1, p.P, 0: 0 0\n");
    let cut = |layer: &str, value: f64| ReadOptions { thresholds: vec![Threshold { layer: layer.into(), value, fails_when: None }], ..join.clone() };
    let l = loaded(&[&r1, &r2], &cut("r1", 0.1));
    let failed: Vec<f64> = (0..2).map(|k| l.table.cells().filter(|c| c.failed[0] >> k & 1 == 1).map(|c| c.n).sum()).collect();
    assert_eq!(failed, [2.0, 1.0]);
}

#[test]
fn a_baseline_is_read_from_joined_runs_and_from_long_tables() {
    let f = Files::new();
    let long = f.text("l.csv", "trial,layer,outcome\nt1,open,1\nt1,a,1\nt1,b,0\nt2,open,0\nt2,a,0\nt2,b,0\nt3,open,1\nt3,a,1\nt3,b,1\n");
    let wide = f.text("w.csv", "trial,a,b,open\nt1,1,0,1\nt2,0,0,0\nt3,1,1,1\n");
    let options = ReadOptions { baseline: Some("open".into()), ..none() };
    assert_eq!(loaded(&[&long], &options).table, loaded(&[&wide], &options).table);
    let message = try_load(&[&long], &ReadOptions { baseline: Some("opne".into()), ..none() }).unwrap_err();
    assert!(message.to_string().contains("no row is of the baseline `opne`") && message.hint().is_some_and(|h| h.contains("open")), "{message}");
    // Runs with repeats: what the baseline said on them is averaged like the layers.
    let runs =
        [f.text("open.csv", "trial,outcome\nt1,1\nt1,0\n"), f.text("a.csv", "trial,outcome\nt1,1\n"), f.text("b.csv", "trial,outcome\nt1,0\n")];
    let l = loaded(&runs.iter().collect::<Vec<_>>(), &ReadOptions { baseline: Some("open".into()), ..by_file("trial") });
    assert_eq!(l.table.layers(), ["a", "b"]);
    let halves: Vec<(Option<bool>, f64)> = l.table.cells().map(|c| (c.baseline_failed(), c.n)).collect();
    assert_eq!(halves.len(), 2);
    assert!(halves.contains(&(Some(true), 0.5)) && halves.contains(&(Some(false), 0.5)), "{halves:?}");
    // And of logs.
    let (r1, r2) = (f.garak("r1.jsonl", &[("g", 1.0), ("h", 0.0)]), f.garak("r2.jsonl", &[("g", 1.0), ("h", 1.0)]));
    let l = loaded(
        &[&r1, &r2],
        &ReadOptions { layer_from: Some(LayerFrom::File), baseline: Some("r2".into()), layers: Some(vec!["r1".into()]), ..none() },
    );
    assert_eq!((l.table.layers(), l.table.columns().baseline.is_some()), (["r1".to_owned()].as_slice(), true));
}

#[test]
fn two_outcomes_of_a_layer_in_one_repeat_are_refused() {
    let f = Files::new();
    let table = f.text("l.csv", "trial,run,epoch,layer,outcome\nt1,r,1,a,1\nt1,r,1,a,0\nt1,r,1,b,0\n");
    let options = ReadOptions { layer_from: Some(LayerFrom::Column("layer".into())), join: vec!["trial".into()], ..none() };
    let message = try_load(&[&table], &options).unwrap_err().to_string();
    assert!(message.contains("trial `t1` has two outcomes of layer `a` in one run and epoch"), "{message}");
}

#[test]
fn many_repeats_of_one_trial_take_no_longer_than_many_trials() {
    let f = Files::new();
    let runs = ["a", "b"].map(|run| {
        let mut text = String::from("trial,outcome\n");
        (0..200_000).for_each(|i| text += &format!("t,{}\n", u8::from(i % 4 == 0)));
        f.text(&format!("{run}.csv"), &text.replacen("t,", if run == "a" { "t,0\nt," } else { "t," }, 1))
    });
    let begun = std::time::Instant::now();
    let l = loaded(&runs.iter().collect::<Vec<_>>(), &by_file("trial"));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert!((together(&l) - 0.0625).abs() < 1e-4);
}

#[test]
fn a_table_with_the_columns_of_a_log_is_a_table() {
    let f = Files::new();
    let t = f.lines(
        "t.jsonl",
        &[
            json!({"trial": "x", "status": "passed", "content": "c", "a": 0, "b": 1}),
            json!({"trial": "y", "status": "x", "content": "c", "a": 1, "b": 1}),
        ],
    );
    let named = ReadOptions { layers: Some(vec!["a".into(), "b".into()]), ..none() };
    assert_eq!(loaded(&[&t], &named).table.layers(), ["a", "b"]);
    for key in ["verdicts", "entry_type", "activated_rails", "results_valid", "log"] {
        let row = |trial: &str, a: u8| json!({"trial": trial, key: "attempt", "response": "r", "a": a, "b": 1});
        let t = f.lines("u.jsonl", &[row("x", 0), row("y", 1)]);
        assert_eq!(loaded(&[&t], &none()).table.layers(), ["a", "b"], "{key}");
    }
}

#[test]
fn nested_metadata_that_a_summary_leaves_out_is_looked_up_in_the_sample() {
    let f = Files::new();
    let path = f.path("cut.eval");
    let sample = |id: u32, attack: Value| json!({"id": id, "epoch": 1, "metadata": {"attack": attack}, "scores": {"s": {"value": "C"}}});
    let header = json!({"version": 2, "status": "success", "eval": {"task": "t", "task_id": "i", "created": "2026", "model": "m"}});
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut add = |name: &str, content: Value| {
        use std::io::Write;
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.to_string().as_bytes()).unwrap();
    };
    add("header.json", header);
    add("summaries.json", json!([sample(1, json!("Key removed from summary (> 1k)")), sample(2, json!({"goal": "h"}))]));
    add("samples/1_epoch_1.json", sample(1, json!({"goal": "g", "text": "x".repeat(2000)})));
    zip.finish().unwrap();
    for name in ["attack.goal", "metadata.attack.goal"] {
        let i = read(Inspect, &[path.to_str().unwrap()], &ReadOptions { clusters: vec![name.into()], ..none() });
        assert_eq!(column(i.table(), name), ["g", "h"], "{name}");
    }
}

#[test]
fn a_log_that_was_scored_again_adds_its_scorers() {
    let f = Files::new();
    let sample = |id: u32, scorer: &str, value: &str, error: bool| {
        let error = if error { json!({"message": "m"}) } else { Value::Null };
        json!({"id": id, "epoch": 1, "scores": {scorer: {"value": value}}, "error": error})
    };
    let first = f.inspect("a.json", "i", "2026-01-01", &[sample(1, "s", "C", false), sample(2, "s", "I", false), sample(3, "s", "I", true)]);
    let again = f.inspect("b.json", "i", "2026-01-01", &[sample(1, "t", "I", false), sample(2, "t", "C", false), sample(3, "t", "C", false)]);
    let i = read(Inspect, &[&first, &again], &none());
    assert_eq!(layers(&i), ["s", "t"]);
    // Sample 3 ended in an error in the first log: it has no outcome of `s`.
    assert_eq!(lines(&i), "1: 0 1\n2: 1 0\n3: . 0\n");
    assert!(noted(&i, "2 were scored by other scorers in each log"), "{:?}", i.notes);
    // A retry with the same scorer has the last word.
    let retry = f.inspect("c.json", "i", "2026-01-02", &[sample(1, "s", "I", false)]);
    assert_eq!(lines(&read(Inspect, &[&first, &retry], &none())), "1: 1\n2: 1\n3: e\n");
    // Logs without an id of their task are runs of their own.
    let [one, two] = ["x.json", "y.json"].map(|n| f.inspect(n, "", "2026-01-01", &[sample(1, "s", "C", false)]));
    assert_eq!(read(Inspect, &[&one, &two], &none()).trials, 2);
}

#[test]
fn options_that_mean_nothing_for_a_log_are_refused() {
    let f = Files::new();
    let log = f.garak("r.jsonl", &[("g", 1.0)]);
    let message = fails(Garak, &[&log], &ReadOptions { trial: Some("uuid".into()), ..none() });
    assert!(message.contains("a garak report names its trials itself"), "{message}");
    let gave_up = ReadOptions { gave_up: Some(coincide_io::GaveUp::Held), ..none() };
    assert!(fails(Garak, &[&log], &gave_up).contains("--gave-up is about JailbreakBench artifacts"));
    let table = f.text("t.csv", "trial,a,b\nt,1,0\n");
    assert!(try_load(&[&table], &gave_up).unwrap_err().to_string().contains("--gave-up"));
}

#[test]
fn thresholds_of_scores_stay_with_the_run_that_has_them() {
    // A threshold of a joined layer cuts above; the other run is cut as garak does.
    let f = Files::new();
    let (r1, r2) = (f.garak("r1.jsonl", &[("g", 0.6), ("h", 0.7)]), f.garak("r2.jsonl", &[("g", 0.6), ("h", 0.7)]));
    let thresholds = vec![Threshold { layer: "r1".into(), value: 0.65, fails_when: Some(FailsWhen::Above) }];
    let i = read(Garak, &[&r1, &r2], &ReadOptions { layer_from: Some(LayerFrom::File), thresholds, ..none() });
    assert_eq!((column(i.table(), "r1"), column(i.table(), "r2")), (vec!["0.6".into(), "0.7".into()], vec!["1".into(), "1".into()]));
}

#[test]
fn thousands_of_guards_of_one_class_end_in_an_error() {
    let f = Files::new();
    let verdict = json!({"name": "G", "safety_level": "safe", "reason": "r"});
    let log = f.lines("g.jsonl", &[json!({"id": "x", "verdicts": vec![verdict; 5000]})]);
    assert!(fails(DeepTeam, &[&log], &none()).contains("more than 4096 layers"));
}

#[test]
fn assertions_of_one_metric_stand_once_in_a_call_that_failed() {
    let f = Files::new();
    let assertion = json!({"type": "contains", "metric": "m"});
    let row = |test: u32, failed: bool| {
        let component = json!({"pass": true, "reason": "", "assertion": assertion});
        json!({"evalId": "e", "testIdx": test, "promptIdx": 0, "provider": "p", "vars": {"a": test}, "failureReason": if failed { 2 } else { 0 },
               "gradingResult": if failed { Value::Null } else { json!({"componentResults": [component, component]}) },
               "testCase": {"assert": [assertion, assertion]}})
    };
    let log = f.lines("o.jsonl", &[row(0, false), row(1, true)]);
    let options = ReadOptions { fails_when: Some(FailsWhen::Below), ..none() };
    assert_eq!(lines(&read(Promptfoo, &[&log], &options)), "e/0/0/p: 0\ne/1/0/p: e\n");
    loaded(&[&log], &options);
}

#[test]
fn a_scorer_and_a_key_of_one_name_are_two_layers() {
    let f = Files::new();
    let sample = json!({"id": 1, "epoch": 1, "scores": {"a": {"value": {"b": "C"}}, "a.b": {"value": "I"}}});
    let log = f.inspect("a.json", "i", "2026", &[sample]);
    let i = read(Inspect, &[&log], &none());
    assert_eq!((layers(&i), lines(&i)), (vec!["a.b", "a.b (again)"], "1: 0 1\n".to_owned()));
    loaded(&[&log], &none());
}

#[test]
fn trials_may_be_their_own_clusters_and_columns_be_called_as_they_like() {
    let f = Files::new();
    let record = |id: &str, flag: &str| json!({"id": id, "label": flag, "weight": flag, "epoch": flag, "results_valid": {"goal": true, "scan": false}, "raw": true});
    let log = f.lines("r.jsonl", &[record("x", "u"), record("y", "v")]);
    for name in ["trial", "label", "weight", "epoch"] {
        let options = ReadOptions { clusters: vec![name.into()], ..none() };
        assert_eq!(loaded(&[&log], &options).table.clusters().len(), 1, "{name}");
        read(LlmGuard, &[&log], &options).write(&f.path("o.parquet")).unwrap();
        assert_eq!(loaded(&[&f.path("o.parquet").to_string_lossy().into_owned()], &none()).table.clusters()[0].levels.len(), 2, "{name}");
    }
    // A layer called as the usual cluster is none.
    assert_eq!(layers(&read(LlmGuard, &[&log], &none())), ["goal (layer)", "scan"]);
    assert!(loaded(&[&log], &none()).table.clusters().is_empty());
    // A stratum `goal` is no cluster besides, however the table is laid out.
    let long = f.text("l.csv", "trial,layer,outcome,goal\nt1,a,1,g\nt1,b,0,g\nt2,a,1,h\nt2,b,0,h\n");
    assert!(loaded(&[&long], &ReadOptions { strata: vec!["goal".into()], ..none() }).table.clusters().is_empty());
}

#[test]
fn what_may_be_a_table_or_checks_is_not_guessed() {
    let f = Files::new();
    let check = |id: &str, rail: Option<&str>| {
        let mut map = json!({"id": id, "is_attack": true, "status": if rail.is_some() { "blocked" } else { "passed" }, "content": "c"});
        if let Some(rail) = rail {
            map["rail"] = json!(rail);
        }
        map
    };
    let told = f.lines("told.jsonl", &[check("x", Some("r")), check("y", None)]);
    assert_eq!(loaded(&[&told], &none()).table.layers(), ["r"]);
    let untold = f.lines("untold.jsonl", &[check("y", None), check("x", Some("r"))]);
    assert!(try_load(&[&untold], &none()).unwrap_err().to_string().contains("may be replies of NeMo's checks, or a table"));
    assert_eq!(layers(&read(Nemo, &[&untold], &none())), ["r"]);
    // Words are outcomes too; layers that are named are proof.
    let words = f.lines("words.jsonl", &[json!({"trial": "x", "status": "passed", "content": "c", "a": "failed", "b": "held"})]);
    assert!(try_load(&[&words], &none()).is_err());
    let named = ReadOptions { layers: Some(vec!["a".into(), "b".into()]), ..none() };
    assert_eq!(loaded(&[&words], &named).table.layers(), ["a", "b"]);
    let scores = f.lines(
        "scores.jsonl",
        &[json!({"trial": "x", "status": "passed", "content": "c", "a": 0.7}), json!({"trial": "y", "status": "passed", "content": "c", "a": 0.2})],
    );
    let cut = ReadOptions {
        thresholds: vec![Threshold { layer: "a".into(), value: 0.5, fails_when: Some(FailsWhen::Above) }],
        layers: Some(vec!["a".into()]),
        ..none()
    };
    assert_eq!(loaded(&[&scores], &cut).table.layers(), ["a"]);
}

#[test]
fn tables_that_describe_their_columns_differently_are_not_added_up() {
    let f = Files::new();
    let record = |id: &str| json!({"id": id, "kind": "benign", "results_valid": {"scan": id != "b"}, "raw": true});
    let write = |name: &str, ids: &[&str], options: &ReadOptions| {
        let log = f.lines(&format!("{name}.jsonl"), &ids.iter().map(|i| record(i)).collect::<Vec<_>>());
        read(LlmGuard, &[&log], options).write(&f.path(name)).unwrap();
        f.path(name).to_string_lossy().into_owned()
    };
    let (a, b) = (write("a.parquet", &["a", "b"], &none()), write("b.parquet", &["c", "d"], &ReadOptions { label: Some("kind".into()), ..none() }));
    let message = try_load(&[&a, &b], &none()).unwrap_err().to_string();
    assert!(message.contains("say different things about the column of labels"), "{message}");
}

#[test]
fn runs_are_joined_on_coarser_keys_than_the_tools_own() {
    let f = Files::new();
    let sample =
        |id: &str, attack: &str, value: &str| json!({"id": id, "epoch": 1, "metadata": {"attack": attack}, "scores": {"s": {"value": value}}});
    let [one, two] = ["one", "two"].map(|name| {
        let eval = json!({"task": name, "task_id": name, "created": "2026", "model": "m"});
        let samples = [sample("s1", "a", "I"), sample("s2", "a", if name == "one" { "C" } else { "I" }), sample("s3", "b", "C")];
        f.text(&format!("{name}.json"), &json!({"version": 2, "status": "success", "eval": eval, "samples": samples}).to_string())
    });
    let options = ReadOptions { layer_from: Some(LayerFrom::Column("task".into())), join: vec!["attack".into()], ..none() };
    let i = read(Inspect, &[&one, &two], &options);
    assert!(noted(&i, "column `sample.id` differs within trials that were joined: it is left out"), "{:?}", i.notes);
    // On attack a: one of two samples beats the first, both the second.
    assert!((together(&loaded(&[&one, &two], &options)) - 0.25).abs() < 1e-12);
    let nowhere = ReadOptions { layer_from: Some(LayerFrom::Column("trial".into())), join: vec!["attack".into()], ..none() };
    assert!(fails(Inspect, &[&one, &two], &nowhere).contains("the logs have no column `trial` to name layers after"));
}

#[test]
fn very_long_texts_are_shortened_and_told_apart() {
    let f = Files::new();
    let goal = |end: &str| format!("{}{end}", "x".repeat(70_000));
    let log = f.garak("r.jsonl", &[(&goal("a"), 1.0), (&goal("b"), 0.0), (&goal("a"), 1.0)]);
    let i = read(Garak, &[&log], &none());
    assert!(noted(&i, "3 texts in column `goal` are longer than 65536 bytes"), "{:?}", i.notes);
    let goals = column(i.table(), "goal");
    assert!(goals[0] == goals[2] && goals[0] != goals[1] && goals[0].len() < 300);
}

#[test]
fn files_of_checks_in_which_nothing_was_blocked_are_layers_of_their_own() {
    let f = Files::new();
    let passed = |id: &str| json!({"id": id, "status": "passed", "content": "c"});
    let [one, two] = ["one.jsonl", "two.jsonl"].map(|n| f.lines(n, &[passed("x"), passed("y")]));
    let i = read(Nemo, &[&one, &two], &none());
    assert_eq!((layers(&i), i.joined), (vec!["checks (one)", "checks (two)"], false));
    assert!(noted(&i, "put the replies of one configuration into one file"), "{:?}", i.notes);
}

#[test]
fn logs_of_one_run_that_contradict_each_other_are_refused() {
    let f = Files::new();
    let sample = |value: &str| json!({"id": 1, "epoch": 1, "scores": {"s": {"value": value}}});
    let (one, two) = (f.inspect("a.json", "i", "2026", &[sample("C")]), f.inspect("b.json", "i", "2026", &[sample("I")]));
    let message = fails(Inspect, &[&one, &two], &none());
    assert!(
        message.contains("are of one run, and scorer `s` says something else in each") && message.contains("give the one that counts"),
        "{message}"
    );
}

#[test]
fn layers_that_stood_in_one_run_were_not_run_apart() {
    let f = Files::new();
    let sample = json!({"id": 1, "epoch": 1, "scores": {"s": {"value": "C"}, "t": {"value": "I"}}});
    let log = f.inspect("a.json", "i", "2026", &[sample]);
    let l = loaded(&[&log], &ReadOptions { layer_from: Some(LayerFrom::Column("scorer".into())), ..none() });
    assert!(!l.separate_runs);
}

#[test]
fn options_that_fit_no_long_table_are_refused() {
    let f = Files::new();
    let long = f.text("l.csv", "trial,layer,outcome\nt1,a,1\nt1,b,0\n");
    let message = |o: ReadOptions| try_load(&[&long], &o).unwrap_err().to_string();
    assert!(message(ReadOptions { order_from: Some("x".into()), ..none() }).contains("--order-from"));
    let thresholds = vec![Threshold { layer: "nope".into(), value: 0.5, fails_when: Some(FailsWhen::Above) }];
    assert!(message(ReadOptions { thresholds, ..none() }).contains("--threshold names `nope`"));
    let many: String = (0..5000).map(|i| format!("t{i},l{i},1\n")).collect();
    let many = f.text("m.csv", &format!("trial,layer,outcome\n{many}"));
    assert!(try_load(&[&many], &none()).unwrap_err().to_string().contains("is layer 4097; at most 4096 are read"));
    // Scores of a baseline are cut as the table says.
    let scores = f.garak("r1.jsonl", &[("g", 0.6), ("h", 0.2)]);
    let thresholds = vec![Threshold { layer: "d".into(), value: 0.5, fails_when: None }];
    let i = read(Garak, &[&scores], &ReadOptions { thresholds, ..none() });
    i.write(&f.path("o.parquet")).unwrap();
    let o = f.path("o.parquet").to_string_lossy().into_owned();
    let message = try_load(&[&o], &ReadOptions { baseline: Some("d".into()), ..none() }).unwrap_err().to_string();
    assert!(!message.contains("is not an outcome"), "{message}");
}

/// Records that name their trials are joined on that name where the user says nothing: without a key all of them were one trial.
#[test]
fn records_that_name_their_trials_are_joined_on_the_name() {
    for (tool, log) in [(DeepTeam, "deepteam/guards.jsonl"), (LlmGuard, "llm_guard/raw.jsonl")] {
        let options = ReadOptions { fails_when: Some(FailsWhen::Below), ..ReadOptions::default() };
        let plain = read(tool, &[log], &options);
        let joined = read(tool, &[log], &ReadOptions { layer_from: Some(LayerFrom::File), ..options });
        assert!(joined.trials > 3);
        assert_eq!(joined.trials, plain.trials, "{log}");
    }
}
