//! The results document and its renderings.

use crate::support::{Folder, repository, run_in, says};

const EXAMPLE: &str = "analyze examples/agentdojo/outcomes.csv --cluster user_task --cluster injection_task --stratum suite --baseline undefended";

fn example(more: &[&str], columns: &str) -> String {
    let mut arguments: Vec<&str> = EXAMPLE.split(' ').collect();
    arguments.extend(more);
    let ran = run_in(&repository(), &arguments, b"", columns);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

#[test]
fn the_example_at_80_and_160_columns_and_as_markdown() {
    let narrow = example(&[], "80");
    assert!(narrow.lines().all(|l| l.chars().count() <= 80), "{narrow}");
    assert!(!narrow.contains('\u{1b}'), "escape sequences where there is no terminal");
    insta::assert_snapshot!("terminal_80", narrow);
    insta::assert_snapshot!("terminal_160", example(&[], "160"));
    insta::assert_snapshot!("markdown", example(&["--markdown", "-"], "80"));
}

#[test]
fn the_document_follows_its_schema_and_renders_again() {
    let f = Folder::new();
    let schema: serde_json::Value = serde_json::from_str(&f.run("schema results").out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = example(&["--json", "-"], "80");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // A document with a wrong type does not.
    let mut broken = document.clone();
    broken["analysis"]["joint"]["content"]["beta"] = "1 in 105".into();
    assert!(!validator.is_valid(&broken));
    f.write("r.json", &text);
    assert_eq!(f.run("report r.json").out, example(&[], "80"));
    assert_eq!(f.run("report r.json --markdown").out, example(&["--markdown", "-"], "80"));
}

#[test]
fn the_published_schema_is_the_programs() {
    let f = Folder::new();
    let published = std::fs::read_to_string(repository().join("schema/results.schema.json")).unwrap();
    assert!(f.run("schema results").out == published, "write it again: coincide schema results > schema/results.schema.json");
}

#[test]
fn verify_recomputes_and_says_what_differs() {
    let f = Folder::new();
    f.write("o.csv", "a,b,g\n1,0,x\n0,1,y\n1,1,x\n0,0,z\n");
    assert_eq!(f.run("analyze o.csv --cluster g --replicates 200 --json r.json --quiet").code, 0);
    let ran = f.run("verify r.json");
    assert_eq!(ran.code, 0, "{}", ran.out);
    says(&ran.out, &["nothing differs"]);
    // The same inputs on one thread and on three.
    assert_eq!(f.run("verify r.json --threads 1").code, 0);
    assert_eq!(f.run("verify r.json --threads 3").code, 0);
    // A doctored number, and then doctored input.
    let text = std::fs::read_to_string(f.path("r.json")).unwrap();
    f.write("doctored.json", text.replacen("\"value\": 0.25", "\"value\": 0.2", 1));
    let ran = f.run("verify doctored.json");
    assert_eq!(ran.code, 1);
    says(&ran.out, &["difference", "0.2 in the document, 0.25 recomputed"]);
    f.write("o.csv", "a,b,g\n1,0,x\n0,1,y\n1,1,x\n0,1,z\n");
    let ran = f.run("verify r.json");
    assert_eq!(ran.code, 1);
    says(&ran.out, &["/provenance/inputs/0/sha256"]);
}

#[test]
fn documents_that_are_none() {
    let f = Folder::new();
    f.write("x.json", "{\n \"a\": ]").write("y.json", "{}").write("z.json", "{\"document\": 99}").write("w.json", "{\"document\": 1}");
    says(&f.fails("report x.json"), &["x.json:2", "is not JSON"]);
    says(&f.fails("report y.json"), &["not a results document"]);
    says(&f.fails("report z.json"), &["version 99"]);
    says(&f.fails("verify w.json"), &["w.json", "not a results document"]);
    says(&f.fails("report none.json"), &["none.json"]);
}

#[test]
fn quiet_threads_completions_and_help() {
    let f = Folder::new();
    f.write("o.csv", "a,b\n1,0\n0,1\n1,1\n");
    let ran = f.run("analyze o.csv --quiet --json r.json --markdown r.md");
    assert!(ran.out.is_empty() && ran.err.is_empty() && f.path("r.json").exists() && f.path("r.md").exists());
    for shell in ["bash", "zsh", "fish"] {
        says(&f.run(&format!("completions {shell}")).out, &["coincide", "analyze"]);
    }
    says(&f.run("--help").out, &["Examples:", "Exit codes"]);
    says(&f.run("analyze --help").out, &["Examples:", "--cluster", "--layer-from"]);
    let one = f.run("analyze o.csv --threads 1").out;
    assert_eq!(one, f.run("analyze o.csv --threads 2").out);
}

#[test]
fn no_joint_failure_gives_a_bound_and_never_zero() {
    let f = Folder::new();
    f.write("o.csv", format!("a,b\n{}", "1,0\n0,1\n0,0\n".repeat(100)));
    let out = f.run("analyze o.csv").out;
    says(&out, &["No attack of 300 beat both layers", "at most 1 in"]);
    says(&out, &["one-sided"]);
}
