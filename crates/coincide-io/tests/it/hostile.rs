//! Files that mean harm, and files that nobody meant.

use crate::support::*;
use coincide_io::{FailsWhen, ReadOptions, Tool, load};
use rusqlite::Connection;
use std::io::Write;
use std::path::PathBuf;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_string_lossy().into_owned()
    }
    /// An archive whose entries are written piece by piece.
    fn zip(&self, name: &str, method: CompressionMethod, entries: &[(&str, &[u8], usize)]) -> String {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(self.path(name)).unwrap());
        for (entry, piece, times) in entries {
            zip.start_file(*entry, SimpleFileOptions::default().compression_method(method).large_file(true)).unwrap();
            (0..*times).for_each(|_| zip.write_all(piece).unwrap());
        }
        zip.finish().unwrap();
        self.path(name).to_string_lossy().into_owned()
    }
}

const HEADER: &[u8] = br#"{"version": 2, "status": "success", "eval": {"task": "t", "task_id": "i", "created": "2026", "model": "m"}}"#;

#[test]
fn a_zip_bomb_is_refused_before_it_fills_the_memory() {
    let f = Files::new();
    let blanks = vec![b' '; 1 << 20];
    for (name, method) in [("deflate.eval", CompressionMethod::Deflated), ("zstd.eval", CompressionMethod::Zstd)] {
        // A gigabyte of blanks in the list of summaries.
        let bomb = f.zip(name, method, &[("header.json", HEADER, 1), ("summaries.json", &blanks, 1024)]);
        let size = std::fs::metadata(&bomb).unwrap().len();
        assert!(size < 2_000_000, "{size}");
        let message = fails(Tool::Inspect, &[&bomb], &none());
        assert!(message.contains("summaries.json: unpacks to more than"), "{message}");
    }
}

#[test]
fn an_archive_of_huge_names_does_not_fill_the_memory() {
    let f = Files::new();
    // Thirty samples whose names have 15 MB each, in a few kilobytes.
    let name = "x".repeat(15 << 20);
    let sample = format!(r#"{{"id": "{name}", "epoch": 1, "scores": {{"s": {{"value": "C"}}}}}}"#);
    let mut entries: Vec<(String, &[u8])> = vec![("header.json".into(), HEADER)];
    entries.extend((0..30).map(|i| (format!("samples/{i}_epoch_1.json"), sample.as_bytes())));
    let mut list: Vec<(&str, &[u8], usize)> = entries.iter().map(|(n, c)| (n.as_str(), *c, 1)).collect();
    // So that the archive as a whole does not grow too much.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    })
    .take(1 << 20)
    .collect();
    list.push(("noise", &noise, 1));
    let bomb = f.zip("ids.eval", CompressionMethod::Deflated, &list);
    let i = read(Tool::Inspect, &[&bomb], &none());
    assert!(noted(&i, "30 texts in the names of trials are longer than 65536 bytes"), "{:?}", i.notes);
    assert!(column(i.table(), "trial")[0].len() < 300);
    // Entries that each keep to the limit, and together do not.
    let samples: Vec<(String, String)> = (0..60)
        .map(|i| {
            let sample = format!(r#"{{"id": {i}, "epoch": 1, "scores": {{"s": {{"value": "C"}}}}}}"#);
            (format!("samples/{i}_epoch_1.json"), format!("{}{sample}", " ".repeat(15 << 20)))
        })
        .collect();
    let mut list: Vec<(&str, &[u8], usize)> = vec![("header.json", HEADER, 1)];
    list.extend(samples.iter().map(|(n, text)| (n.as_str(), text.as_bytes(), 1)));
    let many = f.zip("many.eval", CompressionMethod::Zstd, &list);
    let size = std::fs::metadata(&many).unwrap().len();
    assert!(size * 1000 < 60 * (15 << 20), "{size}");
    let message = fails(Tool::Inspect, &[&many], &none());
    assert!(message.contains("bytes, as those before it did"), "{message}");
}

#[test]
fn json_ten_million_levels_deep_ends_in_an_error() {
    let f = Files::new();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000_000), close.repeat(10_000_000));
    let lists = deep("[", "]");
    // In the place of a score, of metadata, of everything; and never closed.
    let inspect = |value: &str| {
        format!(
            r#"{{"version": 2, "status": "x", "eval": {{"task": "t"}}, "samples": [{{"id": 1, "epoch": 1, "metadata": {{"deep": {value}}}, "scores": {{"s": {{"value": {value}}}}}}}]}}"#
        )
    };
    let text = f.write("score.json", inspect(&lists));
    assert!(fails(Tool::Inspect, &[&text], &none()).contains("recursion limit"), "the value of a score is parsed");
    for (tool, content) in [
        (Tool::Garak, format!(r#"{{"entry_type": "attempt", "status": 2, "uuid": "u", "detector_results": {{"d": {lists}}}}}"#)),
        (Tool::Promptfoo, format!(r#"{{"evalId": "e", "results": {{"results": [{{"testIdx": 0, "vars": {lists}}}]}}}}"#)),
        (Tool::AgentDojo, format!(r#"{{"suite_name": "s", "pipeline_name": "p", "user_task_id": "u", "injection_task_id": "i", "error": {lists}}}"#)),
        (Tool::Nemo, format!(r#"{{"id": 1, "log": {lists}}}"#)),
        (Tool::LlmGuard, format!(r#"{{"id": 1, "results_valid": {lists}}}"#)),
        (Tool::DeepTeam, format!(r#"{{"id": 1, "verdicts": {lists}}}"#)),
        (Tool::JailbreakBench, format!(r#"{{"parameters": {{}}, "jailbreaks": {lists}}}"#)),
    ] {
        let path = f.write("deep.json", content);
        try_read(tool, &[&path], &none()).expect_err(tool.name());
    }
    let open = f.write("open.json", deep(r#"{"a":"#, ""));
    try_read(Tool::Nemo, &[&open], &none()).expect_err("never closed");
    // By content: no tool's log, and no table.
    for text in [lists, deep(r#"{"a":"#, "1}"), "[".repeat(10_000_000)] {
        let path = f.write("deep.json", text);
        load(&[path], &none(), &|_, _, _| {}).expect_err("no table");
    }
}

#[test]
fn values_that_are_not_needed_may_be_as_deep_as_they_like() {
    let f = Files::new();
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let text = format!(
        r#"{{"version": 2, "status": "x", "eval": {{"task": "t"}}, "stats": {deep}, "samples": [{{"id": 1, "epoch": 1, "scores": {{"s": {{"value": "C"}}}}, "events": {deep}}}]}}"#
    );
    assert_eq!(read(Tool::Inspect, &[&f.write("deep.json", text)], &none()).trials, 1);
}

/// PyRIT's memory, changed by SQL.
fn memory(f: &Files, name: &str, sql: &str) -> String {
    let path = f.path(name);
    std::fs::copy(log("pyrit/pyrit.db"), &path).unwrap();
    // Triggers and views stay in the file; here nothing keeps them from being written.
    let db = Connection::open(&path).unwrap();
    db.execute_batch(sql).unwrap();
    path.to_string_lossy().into_owned()
}

fn leak() -> ReadOptions {
    ReadOptions { layers: Some(vec!["SubStringScorer[leak]".into()]), ..none() }
}

#[test]
fn a_database_with_hostile_views_and_triggers_does_nothing() {
    let f = Files::new();
    let honest = read(Tool::Pyrit, &["pyrit/pyrit.db"], &leak());
    // Triggers do not fire on reading, and nothing is written: the file stays as it was.
    let db = memory(&f, "triggers.db", "CREATE TRIGGER t AFTER INSERT ON ScoreEntries BEGIN DELETE FROM ScoreEntries; END;");
    let before = std::fs::read(&db).unwrap();
    assert_eq!(lines(&read(Tool::Pyrit, &[&db], &leak())), lines(&honest));
    assert_eq!(std::fs::read(&db).unwrap(), before);
    // A view in the place of a table: turned off.
    let view = "ALTER TABLE ScoreEntries RENAME TO Real;
                CREATE VIEW ScoreEntries AS SELECT *, randomblob(1000000000) AS x FROM Real, (WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r);";
    let message = fails(Tool::Pyrit, &[&memory(&f, "view.db", view)], &leak());
    assert!(message.contains("has no table ScoreEntries"), "{message}");
    assert!(
        load(&[memory(&f, "view2.db", view)], &leak(), &|_, _, _| {}).unwrap_err().to_string().contains("SQLite database, but not PyRIT's memory")
    );
    // A table that computes gigabytes for a column.
    let table = "ALTER TABLE ScoreEntries RENAME TO Real;
                 CREATE TABLE ScoreEntries (id, score_value AS (hex(zeroblob(400000000))), score_type, scorer_class_identifier, score_category, status, prompt_request_response_id);
                 INSERT INTO ScoreEntries (id, scorer_class_identifier, score_category, prompt_request_response_id) SELECT id, scorer_class_identifier, score_category, prompt_request_response_id FROM Real;";
    let message = fails(Tool::Pyrit, &[&memory(&f, "generated.db", table)], &leak());
    // Columns that are computed do not count as columns.
    assert!(message.contains("has no column score_value"), "{message}");
}

#[test]
fn a_name_of_a_table_is_no_sql() {
    let f = Files::new();
    let db = memory(&f, "names.db", r#"CREATE TABLE "ScoreEntries""; DROP TABLE x" (a);"#);
    assert!(try_read(Tool::Pyrit, &[&db], &leak()).is_ok());
}

#[test]
fn invalid_utf_8_is_met_with_an_error_or_passed_over() {
    let f = Files::new();
    let broken = |text: &str| text.as_bytes().iter().flat_map(|&b| if b == b'@' { vec![0xff, 0xc3, 0x28] } else { vec![b] }).collect::<Vec<u8>>();
    // In what is read: an error that names the place.
    let garak = r#"{"entry_type": "attempt", "status": 2, "uuid": "u@", "outputs": ["x"], "detector_results": {"d": [1.0]}}"#;
    let message = fails(Tool::Garak, &[&f.write("a.jsonl", broken(&format!("{garak}\n")))], &none());
    assert!(message.contains("a.jsonl:1") && message.contains("invalid unicode"), "{message}");
    let name = r#"{"version": 2, "status": "x", "eval": {"task": "t"}, "samples": [{"id": 1, "epoch": 1, "scores": {"s@": {"value": "C"}}}]}"#;
    assert!(fails(Tool::Inspect, &[&f.write("b.json", broken(name))], &none()).contains("invalid unicode"));
    // In what is not: passed over.
    let text = r#"{"version": 2, "status": "x", "eval": {"task": "t"}, "samples": [{"id": 1, "epoch": 1, "scores": {"s": {"value": "C"}}, "x": "@"}], "y@": 1}"#;
    assert_eq!(read(Tool::Inspect, &[&f.write("c.json", broken(text))], &none()).trials, 1);
    // In a database.
    let db = memory(&f, "utf8.db", "UPDATE AttackResultEntries SET objective = CAST(x'ff41' AS TEXT);");
    assert!(column(read(Tool::Pyrit, &[&db], &leak()).table(), "objective")[0].ends_with('A'));
}

#[test]
fn nan_in_json_is_missing_and_never_held() {
    let f = Files::new();
    let inspect = r#"{"version": 2, "status": "x", "eval": {"task": "t"}, "samples": [
        {"id": 1, "epoch": 1, "scores": {"s": {"value": NaN}}}, {"id": 2, "epoch": 1, "scores": {"s": {"value": -Infinity}}}, {"id": 3, "epoch": 1, "scores": {"s": {"value": 0}}}]}"#;
    let i = read(Tool::Inspect, &[&f.write("n.json", inspect)], &none());
    assert_eq!(lines(&i), table("1: u\n2: u\n3: 1"));
    let garak = r#"{"entry_type": "attempt", "status": 2, "uuid": "u", "outputs": ["x", "y"], "detector_results": {"d": [NaN, 1.0]}}"#;
    assert_eq!(lines(&read(Tool::Garak, &[&f.write("n.jsonl", format!("{garak}\n"))], &none())), table("u/0: u\nu/1: 1"));
    let guard = "{\"id\": 1, \"results_valid\": {\"A\": NaN}}\n{\"id\": 2, \"results_valid\": {\"A\": false}}\n";
    assert_eq!(lines(&read(Tool::LlmGuard, &[&f.write("n2.jsonl", guard)], &none())), table("1: u\n2: 0"));
}

#[test]
fn logs_are_recognised_by_what_is_in_them() {
    let f = Files::new();
    let copies = [
        ("inspect/killed.eval", "inspect"),
        ("inspect/joint.json", "inspect"),
        ("garak/full.report.jsonl", "garak"),
        ("promptfoo/out.json", "promptfoo"),
        ("promptfoo/out.jsonl", "promptfoo"),
        ("pyrit/pyrit.db", "pyrit"),
        ("nemo/generation.jsonl", "nemo"),
        ("nemo/server.jsonl", "nemo"),
        ("nemo/checks.jsonl", "nemo"),
        ("llm_guard/raw.jsonl", "llm-guard"),
        ("deepteam/guards.jsonl", "deepteam"),
        ("jailbreakbench/persona_vicuna-13b-v1.5.json", "jailbreakbench"),
    ];
    for (file, tool) in copies {
        // Under a name that says nothing.
        let path = f.write("something", std::fs::read(log(file)).unwrap());
        let options = ReadOptions { fails_when: (tool == "promptfoo").then_some(FailsWhen::Below), ..none() };
        match load(std::slice::from_ref(&path), &options, &|_, _, _| {}) {
            Ok(l) => assert!(l.notes[0].contains(tool), "{file}: {:?}", l.notes),
            Err(e) => assert!(format!("{e}").contains("where to cut"), "{file}: {e}"),
        }
        let other = if tool == "garak" { Tool::Inspect } else { Tool::Garak };
        let message = fails(other, &[&path], &none());
        assert!(message.contains(&format!("coincide import {tool}")), "{file}: {message}");
    }
}

#[test]
fn logs_of_two_tools_are_not_mixed() {
    let message = fails(Tool::Garak, &["garak/full.report.jsonl", "inspect/killed.eval"], &none());
    assert!(message.contains("is an Inspect log, but") && message.contains("is a garak report"), "{message}");
}

#[test]
fn layers_with_the_names_of_columns_and_too_many_layers() {
    let f = Files::new();
    let line = "{\"id\": \"a\", \"goal\": \"g\", \"results_valid\": {\"trial\": true, \"goal\": false, \"\": true, \"Weight\": true}}\n";
    let path = f.write("names.jsonl", line);
    let options = ReadOptions { clusters: vec!["goal".into()], ..none() };
    let i = read(Tool::LlmGuard, std::slice::from_ref(&path.as_str()), &options);
    assert_eq!(layers(&i), ["trial (layer)", "goal (layer)", " (layer)", "Weight"]);
    assert_eq!(load(&[path], &options, &|_, _, _| {}).unwrap().table.layers().len(), 4);
    let many: Vec<String> = (0..70_000).map(|n| format!("\"s{n}\": true")).collect();
    let path = f.write("many.jsonl", format!("{{\"id\": 1, \"results_valid\": {{{}}}}}\n", many.join(", ")));
    assert!(fails(Tool::LlmGuard, &[&path], &none()).contains("more than 4096 layers"));
}
