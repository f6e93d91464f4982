//! PyRIT's memory.

use crate::support::*;
use coincide_io::Tool::Pyrit;
use coincide_io::{Imported, ReadOptions, Threshold};
use rusqlite::Connection;

fn options() -> ReadOptions {
    ReadOptions { thresholds: vec![Threshold { layer: "PlagiarismScorer".into(), value: 0.5, fails_when: None }], ..none() }
}

/// Attacks in the order of their objectives: names are random.
fn rows(i: &Imported) -> Vec<String> {
    let objective = column(i.table(), "objective");
    let cells: Vec<Vec<String>> = layers(i).iter().map(|l| column(i.table(), l)).collect();
    let short = |t: &str| match t {
        "" => ".".to_owned(),
        "error" => "e".to_owned(),
        other => other.to_owned(),
    };
    let mut out: Vec<String> = (0..objective.len())
        .map(|r| format!("{}: {}", &objective[r][..6], cells.iter().map(|c| short(&c[r])).collect::<Vec<_>>().join(" ")))
        .collect();
    out.sort();
    out
}

#[test]
fn the_table_is_the_one_counted_by_hand() {
    let i = read(Pyrit, &["pyrit/pyrit.db"], &options());
    assert_eq!(layers(&i), ["SubStringScorer[leak]", "SubStringScorer[persona]", "PlagiarismScorer", "TrueFalseInverterScorer"]);
    let counts: Vec<(u64, u64)> = i.layers.iter().map(|l| (l.failed, l.held)).collect();
    // Leak: 1, 3, 9, 10. Persona: 3, 4. Plagiarism above 0.5: 1, 3. The inverter: all but 2.
    assert_eq!(counts, [(4, 3), (2, 5), (2, 5), (6, 1)]);
    assert_eq!((i.trials, i.clusters.as_slice()), (10, ["objective".to_owned()].as_slice()));
    let all = rows(&i);
    assert_eq!(all.iter().filter(|r| r.ends_with("e e e e")).count(), 2, "{all:?}");
    assert_eq!(all.iter().filter(|r| r.ends_with("1 1 1 1")).count(), 1, "{all:?}");
}

#[test]
fn score_values_are_texts_of_any_case() {
    // SubString writes `true`, the inverter `True`.
    let i = read(Pyrit, &["pyrit/pyrit.db"], &options());
    assert!(i.layers[0].failed > 0 && i.layers[3].failed > 0);
}

#[test]
fn scorers_of_one_class_are_told_apart() {
    assert_eq!(layers(&read(Pyrit, &["pyrit/pyrit.db"], &options()))[..2], ["SubStringScorer[leak]", "SubStringScorer[persona]"]);
}

#[test]
fn a_blocked_reply_scored_false_has_no_outcome() {
    let i = read(Pyrit, &["pyrit/pyrit.db"], &options());
    assert!(noted(&i, "1 replies were blocked by the target"), "{:?}", i.notes);
    assert!(i.layers.iter().all(|l| l.missing.contains(&("not_run".into(), 1))));
}

#[test]
fn undetermined_scores_and_failed_attacks_have_no_outcome() {
    let i = read(Pyrit, &["pyrit/pyrit.db"], &options());
    assert!(i.layers.iter().all(|l| l.missing.contains(&("error".into(), 2))));
}

#[test]
fn composite_scorers_are_refused() {
    let message = fails(Pyrit, &["pyrit/composite.db"], &none());
    assert!(message.contains("`TrueFalseCompositeScorer`, a composite of 2 scorers: what each of them said is not kept"), "{message}");
}

#[test]
fn a_scale_has_to_be_cut_by_the_user() {
    assert!(fails(Pyrit, &["pyrit/pyrit.db"], &none()).contains("--threshold PlagiarismScorer=VALUE"));
}

/// The three tables that count, of a few attacks, in small pages.
fn small() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.db");
    std::fs::copy(log("pyrit/pyrit.db"), &path).unwrap();
    let db = Connection::open(&path).unwrap();
    let names: Vec<String> =
        db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap().query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let keep = ["ScoreEntries", "PromptMemoryEntries", "AttackResultEntries"];
    db.execute_batch("PRAGMA foreign_keys = OFF;").unwrap();
    for n in names.iter().filter(|n| !keep.contains(&n.as_str()) && !n.starts_with("sqlite_")) {
        db.execute_batch(&format!("DROP TABLE \"{n}\"")).unwrap();
    }
    db.execute_batch(
        "DELETE FROM AttackResultEntries WHERE rowid > (SELECT MIN(rowid) + 1 FROM AttackResultEntries);
         DELETE FROM PromptMemoryEntries WHERE conversation_id NOT IN (SELECT conversation_id FROM AttackResultEntries);
         DELETE FROM ScoreEntries WHERE prompt_request_response_id NOT IN (SELECT id FROM PromptMemoryEntries) OR prompt_request_response_id IS NULL;
         UPDATE AttackResultEntries SET atomic_attack_identifier = '{}';
         PRAGMA page_size = 512; VACUUM;",
    )
    .unwrap();
    drop(db);
    std::fs::read(path).unwrap()
}

#[test]
fn cut_at_every_byte() {
    let content = small();
    assert!(content.len() < 40_000, "{}", content.len());
    let layers = ReadOptions { layers: Some(vec!["SubStringScorer[leak]".into(), "SubStringScorer[persona]".into()]), ..none() };
    cut_everywhere(Pyrit, &content, &layers);
}

/// The fixture with some SQL run over it.
fn changed(sql: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.db");
    std::fs::copy(log("pyrit/pyrit.db"), &path).unwrap();
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let name = path.to_string_lossy().into_owned();
    (folder, name)
}

#[test]
fn identifiers_of_older_versions_tell_scorers_apart() {
    // Before identifiers had hashes, they named a class and its module.
    let (_folder, old) = changed(
        r#"UPDATE ScoreEntries SET scorer_class_identifier = CASE
             WHEN score_category LIKE '%leak%' THEN '{"__type__": "SubStringScorer", "__module__": "pyrit.score"}'
             WHEN score_category LIKE '%persona%' THEN '{"__type__": "SubStringScorer", "__module__": "mine.score"}'
             ELSE '{"__type__": "SelfAskRefusalScorer", "__module__": "pyrit.score"}' END
           WHERE scorer_class_identifier NOT LIKE '%Plagiarism%';"#,
    );
    let (new, i) = (read(Pyrit, &["pyrit/pyrit.db"], &options()), read(Pyrit, &[&old], &options()));
    assert_eq!(layers(&i), ["SubStringScorer[leak]", "SubStringScorer[persona]", "PlagiarismScorer", "SelfAskRefusalScorer"]);
    let counts = |i: &Imported| i.layers.iter().map(|l| (l.failed, l.held)).collect::<Vec<_>>();
    assert_eq!(counts(&i)[..3], counts(&new)[..3]);
    // True means that the target refused: the layer held.
    assert_eq!(counts(&i)[3], (counts(&new)[3].1, counts(&new)[3].0));
    let (_folder, composite) = changed(
        r#"UPDATE ScoreEntries SET scorer_class_identifier = '{"__type__": "TrueFalseCompositeScorer"}' WHERE score_category LIKE '%leak%';"#,
    );
    assert!(fails(Pyrit, &[&composite], &options()).contains("`TrueFalseCompositeScorer`"));
    let (_folder, unnamed) = changed(r#"UPDATE ScoreEntries SET scorer_class_identifier = '{"x": 1}';"#);
    assert!(fails(Pyrit, &[&unnamed], &options()).contains(r#"has a score whose scorer is not named: `{"x": 1}`"#));
}

#[test]
fn an_attack_that_is_stored_twice_without_scores_is_one_trial() {
    let (_folder, path) = changed(
        "CREATE TEMP TABLE again AS SELECT * FROM AttackResultEntries WHERE outcome = 'error' LIMIT 1;
         UPDATE again SET id = 'again';
         INSERT INTO AttackResultEntries SELECT * FROM again;",
    );
    assert_eq!(read(Pyrit, &[&path], &options()).trials, 10);
}

#[test]
fn composites_are_left_out_of_joined_runs_too() {
    let run = |layers: &[&str]| ReadOptions {
        layer_from: Some(coincide_io::LayerFrom::File),
        layers: Some(layers.iter().map(|l| (*l).to_owned()).collect()),
        ..options()
    };
    let message = fails(Pyrit, &["pyrit/composite.db"], &run(&["composite:TrueFalseCompositeScorer"]));
    assert!(message.contains("a composite of 2 scorers"), "{message}");
    let all = fails(Pyrit, &["pyrit/composite.db"], &run(&["composite:SubStringScorer"]));
    assert!(!all.contains("a composite of 2 scorers"), "{all}");
}
