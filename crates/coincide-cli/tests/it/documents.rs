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
    let campaign = std::fs::read_to_string(repository().join("schema/campaign.schema.json")).unwrap();
    assert!(f.run("schema campaign").out == campaign, "write it again: coincide schema campaign > schema/campaign.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&campaign).unwrap();
    let example: serde_json::Value = toml::from_str(&std::fs::read_to_string(repository().join("examples/guards/campaign.toml")).unwrap()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&example));
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
    f.write("x.json", "{\n \"a\": ]").write("y.json", "{}").write("z.json", "{\"document\": 99}").write("w.json", "{\"document\": 2}");
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

const FIT: &str = "fit examples/agentdojo/outcomes.csv --cluster injection_task --baseline undefended";

/// Without priors there are no chains, whose last digits may differ between processors.
#[test]
fn fit_shows_the_tail_first_and_its_boundary() {
    let run = |columns: &str, more: &[&str]| {
        let arguments: Vec<&str> =
            FIT.split(' ').chain(["--models", "independent,factor", "--no-prior", "--refits", "40"]).chain(more.iter().copied()).collect();
        let ran = run_in(&repository(), &arguments, b"", columns);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let narrow = run("80", &["--claim", "beta<=0.01@0.95"]);
    assert!(narrow.lines().all(|l| l.chars().count() <= 80), "{narrow}");
    says(&narrow, &["NOT reproduced", "on the edge", "spotlighting_with_delimiting", "Undecidable at 95%"]);
    insta::assert_snapshot!("fit_80", narrow);
    insta::assert_snapshot!("fit_markdown", run("80", &["--markdown", "-"]));
}

#[test]
fn a_fitted_document_follows_the_schema_renders_again_and_verifies() {
    let f = Folder::new();
    let validator = jsonschema::validator_for(&serde_json::from_str(&f.run("schema results").out).unwrap()).unwrap();
    let rows = "1,1,1,x\n1,0,1,y\n0,1,0,z\n0,0,0,u\n0,0,0,v\n1,0,0,w\n0,0,1,t\n1,1,0,s\n".repeat(12);
    f.write("o.csv", format!("a,b,c,g\n{rows}"));
    let fit = f.run("fit o.csv --models factor,empirical --draws 100 --refits 20 --claim beta<=0.5@0.9 --confidence beta<=0.1@0.6 --json fit.json");
    assert_eq!(fit.code, 0, "{}", fit.err);
    let document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(f.path("fit.json")).unwrap()).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(document["analysis"]["joint"].is_object() && document["fit"]["content"]["models"][0]["tail"].is_object());
    says(&f.run("verify fit.json --threads 1").out, &["nothing differs"]);
    // The whole report holds what `fit` showed, and `analyze --fit` gives the same document.
    let shown = f.run("report fit.json").out;
    says(&shown, &["Models of joint failure", "Each layer", "Claims"]);
    let both =
        f.run("analyze o.csv --models factor,empirical --draws 100 --refits 20 --claim beta<=0.5@0.9 --confidence beta<=0.1@0.6 --json both.json");
    assert_eq!(both.out, shown);
    assert_eq!(std::fs::read(f.path("both.json")).unwrap(), std::fs::read(f.path("fit.json")).unwrap());
}

#[test]
fn a_fixed_order_is_marked_in_every_rendering() {
    let f = Folder::new();
    let rows = "1,1,1\n1,1,0\n1,0,\n0,,\n0,,\n1,0,\n".repeat(20);
    f.write("o.csv", format!("a,b,c\n{rows}"));
    for ran in
        [f.run("fit o.csv --order a,b,c --models factor --draws 100"), f.run("fit o.csv --order a,b,c --models factor --draws 100 --markdown -")]
    {
        assert_eq!(ran.code, 0, "{}", ran.err);
        says(&ran.out, &["Not identified", "ASSUMPTION", "the data alone"]);
    }
    let fit: serde_json::Value = serde_json::from_str(&f.run("fit o.csv --order a,b,c --models factor --draws 100 --json -").out).unwrap();
    let estimates = fit["fit"]["content"]["models"][0]["estimates"].as_array().unwrap();
    let later = estimates.iter().find(|e| e["what"] == "rate of c").unwrap();
    assert!(later["assumption"] == true && later["figure"]["identified"]["high"].is_number(), "{later}");
}

#[test]
fn wrong_models_and_claims_say_what_is_right() {
    let f = Folder::new();
    f.write("o.csv", "a,b\n1,0\n0,1\n1,1\n0,0\n");
    says(&f.fails("fit o.csv --models factr"), &["there is no model `factr`", "latent-class"]);
    says(&f.fails("fit o.csv --models stratified(factor)"), &["needs strata"]);
    says(&f.fails("fit o.csv --claim beta<1e-4"), &["for example beta<=1e-4@0.95"]);
    says(&f.fails("fit o.csv --claim beta(a,z)<=0.1@0.9 --draws 100"), &["no layer `z`"]);
    says(&f.fails("fit o.csv --claim beta<=0.1@0.4 --draws 100"), &["above 0.5"]);
    says(&f.fails("fit o.csv --common-mode x=a,q --draws 100"), &["no layer `q`"]);
    says(&f.fails("fit o.csv --draws 5"), &["--draws"]);
    says(&f.fails("fit o.csv --confidence beta<=0.1@0.9"), &["--claim"]);
    says(&f.run("fit --help").out, &["stratified(MODEL)", "--no-prior", "docs/models.md"]);
}
