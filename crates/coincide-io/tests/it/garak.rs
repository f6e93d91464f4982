//! garak's reports.

use crate::support::*;
use coincide_io::Tool::Garak;
use coincide_io::{Imported, ReadOptions, Threshold};

/// Outcomes of each detector in the order of the file, by probe.
fn by_probe(i: &Imported, probe: &str) -> Vec<String> {
    let probes = column(i.table(), "probe_classname");
    layers(i)
        .into_iter()
        .map(|l| {
            let cells = column(i.table(), l);
            let of = |r: usize| match cells[r].as_str() {
                "" => ".",
                "error" => "e",
                "unparsed" => "u",
                other => other,
            };
            (0..cells.len()).filter(|&r| probes[r].ends_with(probe)).map(of).collect()
        })
        .collect()
}

#[test]
fn the_table_is_the_one_counted_by_hand() {
    let i = read(Garak, &["garak/full.report.jsonl"], &none());
    assert_eq!(layers(&i), ["any.AnyOutput", "goodside.RileyIsnt", "mitigation.MitigationBypass"]);
    let mut davidjl = by_probe(&i, "Davidjl");
    // Two generations of four prompts each.
    assert_eq!(davidjl, ["11011110", "01000010", "01111011"]);
    davidjl = by_probe(&i, "WhoIsRiley");
    assert_eq!(davidjl, ["111101111011", "000100001000", "110111101111"]);
    assert_eq!((i.clusters, i.strata), (vec!["goal".to_owned()], vec!["probe_classname".to_owned(), "intent".to_owned()]));
}

#[test]
fn a_score_of_one_is_a_failure() {
    let i = read(Garak, &["garak/full.report.jsonl"], &none());
    assert!(i.layers.iter().all(|l| l.rule.starts_with("failed where its score reaches the run's threshold")));
    assert_eq!((i.layers[1].failed, i.layers[1].held), (4, 16));
}

#[test]
fn every_attempt_counts_once_though_it_is_written_twice() {
    assert_eq!(read(Garak, &["garak/full.report.jsonl"], &none()).trials, 20);
}

#[test]
fn detectors_of_other_probes_are_not_run() {
    let i = read(Garak, &["garak/ragged.report.jsonl"], &none());
    let glitch = i.layers.iter().find(|l| l.name == "goodside.Glitch").unwrap();
    assert_eq!((glitch.failed, glitch.held, glitch.missing.clone()), (4, 4, vec![("not_run".into(), 20)]));
    assert_eq!(by_probe(&i, "WhoIsRiley").concat().matches('0').count(), 12);
}

#[test]
fn the_threshold_that_is_not_written_follows_from_the_counts() {
    // The run was made with 0.7: scores of 0.94 and 0.68 gave one hit. garak's usual 0.5 would give two.
    let i = read(Garak, &["garak/nulls.report.jsonl"], &none());
    assert_eq!(by_probe(&i, "InjectMorse"), ["11ee1e1e", "10ee0e0e"]);
    assert!(noted(&i, "scores are cut at 0.936"), "{:?}", i.notes);
    let own = ReadOptions { thresholds: vec![Threshold { layer: "encoding.DecodeApprox".into(), value: 0.5, fails_when: None }], ..none() };
    let i = read(Garak, &["garak/nulls.report.jsonl"], &own);
    assert_eq!((i.layers[1].failed, i.layers[1].held), (2, 2));
}

#[test]
fn a_null_is_missing_and_an_empty_list_was_not_run() {
    let i = read(Garak, &["garak/nulls.report.jsonl"], &none());
    assert_eq!(by_probe(&i, "WhoIsRiley"), ["e11e01ee1e1e", "............"]);
}

#[test]
fn a_run_that_was_killed_leaves_attempts_out() {
    let i = read(Garak, &["garak/killed_late.report.jsonl"], &none());
    assert_eq!((i.trials, i.layers[0].failed), (8, 8));
    assert!(noted(&i, "4 attempts were never put to their detectors"), "{:?}", i.notes);
    let message = fails(Garak, &["garak/killed.report.jsonl"], &none());
    assert!(message.contains("has no trials"), "{message}");
}

#[test]
fn a_bad_line_is_named_and_a_cut_one_left_out() {
    let text = std::fs::read_to_string(log("garak/killed_late.report.jsonl")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[5] = "{\"entry_type\": \"attempt\", oops}";
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let message = fails(Garak, &[path.to_str().unwrap()], &none());
    assert!(message.contains("r.jsonl:6: is not as garak writes it"), "{message}");
    std::fs::write(&path, &text[..text.len() - 40]).unwrap();
    assert!(noted(&read(Garak, &[path.to_str().unwrap()], &none()), "the last line is cut off"));
}

#[test]
fn cut_at_every_byte() {
    let text = std::fs::read_to_string(log("garak/killed_late.report.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // An attempt before and after its detector ran, and a line of counts.
    let small: String = [lines[3], lines[7], lines[11]].map(|l| format!("{l}\n")).concat();
    let first = text.lines().next().unwrap();
    let start = format!("{{\"entry_type\": \"start_run setup\", \"x\": {}}}\n", first.len());
    cut_everywhere(Garak, (start + &small).as_bytes(), &none());
}
