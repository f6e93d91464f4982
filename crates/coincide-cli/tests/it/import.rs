//! Logs of other tools on the command line.

use crate::support::Folder;

/// A fixture of the importers.
fn log(name: &str) -> String {
    format!("{}/../coincide-io/tests/logs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A folder with copies of fixtures, under short names.
fn with(files: &[(&str, &str)]) -> Folder {
    let f = Folder::new();
    for (name, from) in files {
        f.write(name, std::fs::read(log(from)).unwrap());
    }
    f
}

const JOINT: &str = "--threshold graded=0.75 --threshold monitors.mon_b=0.5 --cluster attack_id --label label";

#[test]
fn what_was_understood_is_printed_and_a_table_written() {
    let f = with(&[("joint.eval", "inspect/joint.eval")]);
    let ran = f.run(&format!("import inspect joint.eval {JOINT} -o outcomes.parquet"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out);
    assert!(f.path("outcomes.parquet").exists());
}

#[test]
fn a_table_that_is_there_is_not_written_over() {
    let f = with(&[("killed.eval", "inspect/killed.eval")]);
    f.write("o.parquet", "precious");
    let message = f.fails("import inspect killed.eval -o o.parquet");
    assert!(message.contains("`o.parquet` is there already") && message.contains("--force"), "{message}");
    assert_eq!(std::fs::read(f.path("o.parquet")).unwrap(), b"precious");
    assert_eq!(f.run("import inspect killed.eval -o o.parquet --force").code, 0);
    assert!(std::fs::read(f.path("o.parquet")).unwrap().starts_with(b"PAR1"));
    assert!(f.fails("import inspect killed.eval -o killed.eval --force").contains("is an input"));
}

#[test]
fn logs_are_analysed_as_they_are_and_give_what_their_table_gives() {
    let f = with(&[("joint.eval", "inspect/joint.eval")]);
    let direct = f.results(&format!("analyze joint.eval {JOINT}"));
    assert_eq!(f.run(&format!("import inspect joint.eval {JOINT} -o o.parquet")).code, 0);
    let table = f.results("analyze o.parquet");
    for key in ["beta", "layers", "together", "curve"] {
        assert_eq!(direct["analysis"][key], table["analysis"][key], "{key}");
    }
    let notes = direct["notes"].to_string();
    assert!(notes.contains("logs of inspect: 20 trials, 7 layers") && notes.contains("held where C, 1 or true"), "{notes}");
    // Scores stay scores: another threshold can be chosen later, without the log.
    let lower = f.results("analyze o.parquet --threshold monitors.mon_b=0.2 --fails-when below");
    assert_ne!(lower["analysis"]["layers"], table["analysis"]["layers"]);
}

#[test]
fn a_document_made_from_logs_is_verified_from_them() {
    let f = with(&[("full.jsonl", "garak/full.report.jsonl")]);
    assert_eq!(f.run("analyze full.jsonl --replicates 200 --json r.json").code, 0);
    let ran = f.run("verify r.json");
    assert_eq!((ran.code, ran.out.contains("nothing differs")), (0, true), "{}{}", ran.out, ran.err);
}

#[test]
fn separate_runs_are_joined_and_their_table_reads_like_them() {
    let f = with(&[
        ("plain.eval", "inspect/runs/plain.eval"),
        ("filter.eval", "inspect/runs/filter.eval"),
        ("monitor.eval", "inspect/runs/monitor.eval"),
    ]);
    let joined = "plain.eval filter.eval monitor.eval --layer-from task --join sample.id";
    assert_eq!(f.run(&format!("import inspect {joined} -o o.parquet")).code, 0);
    let (direct, table) = (f.results(&format!("analyze {joined}")), f.results("analyze o.parquet"));
    assert_eq!(direct["analysis"]["beta"], table["analysis"]["beta"]);
    assert!(f.run("analyze o.parquet").out.contains("The layers were run one at a time on the same attacks"));
}

#[test]
fn the_undefended_pipeline_of_a_log_is_a_baseline() {
    let f = Folder::new();
    let order = ["scripted", "scripted-spotlighting_with_delimiting", "scripted-pi_detector"];
    let files: Vec<String> = order.iter().map(|o| log(&format!("agentdojo/runs/{o}/**/*.json"))).collect();
    let mut arguments: Vec<&str> = vec!["analyze"];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend(["--baseline", "scripted", "--replicates", "200", "--json", "-"]);
    let ran = f.run_with(&arguments, b"", "80");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["analysis"]["layers"]["content"].as_array().map(Vec::len), Some(2), "{}", document["analysis"]["layers"]);
}

#[test]
fn what_a_log_does_not_say_is_asked_in_one_error() {
    let f = with(&[("out.json", "promptfoo/out.json"), ("joint.eval", "inspect/joint.eval")]);
    let message = f.fails("analyze out.json");
    assert!(message.contains("nothing says which values of") && message.contains("--fails-when below"), "{message}");
    let message = f.fails("import inspect joint.eval");
    assert!(message.contains("`graded`") && message.contains("`monitors.mon_b`"), "{message}");
    assert!(f.fails("import garak joint.eval").contains("is an Inspect log, not a garak report"));
    assert!(f.fails("import inspct joint.eval").contains("inspect"));
    assert!(f.fails("import inspect joint.eval --baseline x").contains("give it to `coincide analyze`"));
}

#[test]
fn a_study_reads_logs() {
    let f = with(&[("out.json", "promptfoo/out.json")]);
    f.write(
        "s.toml",
        "name = \"s\"\n[outcomes]\nfiles = [\"out.json\"]\nclusters = [\"attack_id\"]\nfails_when = \"below\"\n[[layers]]\nname = \"input_regex\"\nfails_when = \"above\"\n[[layers]]\nname = \"encoding_filter\"\n",
    );
    let ran = f.run("run s.toml --json -");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["analysis"]["layers"]["content"].as_array().map(Vec::len), Some(2));
}

#[cfg(unix)]
#[test]
fn devices_are_written_to_and_links_followed() {
    let f = with(&[("joint.eval", "inspect/joint.eval")]);
    let document = f.run(&format!("analyze joint.eval {JOINT} --replicates 200 --json /dev/stdout"));
    assert_eq!(document.code, 0, "{}", document.err);
    assert!(document.out.starts_with("{\n  \"document\""), "{}", &document.out[..60]);
    // So it is where standard output goes to a file that has something in it.
    f.write("log.txt", "old\n");
    let script = format!("'{}' analyze joint.eval {JOINT} --replicates 200 --json /dev/stdout >> log.txt", crate::support::program());
    assert!(std::process::Command::new("sh").args(["-c", &script]).current_dir(f.path(".")).status().unwrap().success());
    let log = std::fs::read_to_string(f.path("log.txt")).unwrap();
    assert!(log.starts_with("old\n{\n") && log.contains("All layers failing together"), "{log}");
    // A link stays a link; what it points to is written.
    f.write("target.parquet", "old");
    std::os::unix::fs::symlink(f.path("target.parquet"), f.path("link.parquet")).unwrap();
    assert_eq!(f.run(&format!("import inspect joint.eval {JOINT} -o link.parquet --force")).code, 0);
    assert!(f.path("link.parquet").symlink_metadata().unwrap().is_symlink());
    assert!(std::fs::read(f.path("target.parquet")).unwrap().starts_with(b"PAR1"));
    std::os::unix::fs::symlink("new.json", f.path("dangling.json")).unwrap();
    assert_eq!(f.run(&format!("analyze joint.eval {JOINT} --replicates 200 --json dangling.json")).code, 0);
    assert!(f.path("dangling.json").symlink_metadata().unwrap().is_symlink() && f.path("new.json").exists());
    std::fs::create_dir(f.path("folder")).unwrap();
    assert!(f.fails(&format!("analyze joint.eval {JOINT} --json folder")).contains("is a folder"));
}

#[test]
fn a_table_of_runs_keeps_its_label_its_weights_and_that_they_were_apart() {
    let f = with(&[("plain.eval", "inspect/runs/plain.eval"), ("filter.eval", "inspect/runs/filter.eval")]);
    // One epoch of each sample: nothing is repeated, and the table has a row a trial.
    assert_eq!(f.run("import inspect plain.eval filter.eval --layer-from task --join sample.id,epoch -o o.parquet").code, 0);
    assert!(f.run("analyze o.parquet").out.contains("The layers were run one at a time on the same attacks"));
    assert_eq!(f.run("count o.parquet -o c.parquet").code, 0);
    assert!(f.run("analyze c.parquet").out.contains("The layers were run one at a time on the same attacks"));
    let joint = with(&[("joint.eval", "inspect/joint.eval")]);
    assert_eq!(joint.run(&format!("import inspect joint.eval {JOINT} -o o.parquet")).code, 0);
    assert!(joint.results("analyze o.parquet")["analysis"]["false_alarms"]["content"].is_object(), "benign trials are told from attacks");
    assert!(!joint.run("analyze o.parquet").out.contains("one at a time"));
}
