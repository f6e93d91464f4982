//! Programs as layers: what a bad one costs.

use crate::support::{Folder, attacks};

/// A worker that misbehaves where the prompt says so.
const WORKER: &str = r#"
import json, os, sys, time
held_back = []
for line in sys.stdin:
    q = json.loads(line)
    text = q["messages"][-1]["content"]
    answer = json.dumps({"id": q["id"], "outcome": "held" if text.endswith("0") else "failed", "score": 0.5, "labels": ["l"]})
    if "hang" in text: time.sleep(600)
    if "exit" in text: os._exit(3)
    if "late" in text: time.sleep(1.5)
    if "garbage" in text: answer = "{ this is not JSON"
    if "noid" in text: answer = json.dumps({"outcome": "held"})
    if "word" in text: answer = json.dumps({"id": q["id"], "outcome": "maybe"})
    if "long" in text: answer = "{" + "x" * (2 << 20)
    if "chatter" in text: print("Loading model…", flush=True); print("[warning] something", flush=True)
    if "abstain" in text: answer = json.dumps({"id": q["id"], "outcome": "abstain", "reason": "too short"})
    if "reorder" in text:
        held_back.append(answer)
        if len(held_back) < 4: continue
        answer = "\n".join(reversed(held_back)); held_back = []
    print(answer, flush=True)
"#;

fn layer(more: &str) -> String {
    format!(
        "\n[[layers]]\nname = \"w\"\nkind = \"process\"\ncommand = [\"python3\", \"worker.py\"]\ntimeout = 1\nstart_timeout = 20\n{more}\n[[layers]]\nname = \"r\"\nkind = \"rules\"\npatterns = [\"nothing\"]\n"
    )
}

fn folder(prompts: &[(String, String)], more: &str) -> Folder {
    let f = Folder::new(prompts, &layer(more));
    std::fs::write(f.path("worker.py"), WORKER).unwrap();
    f
}

#[test]
fn a_bad_worker_costs_its_own_cells() {
    let bad = ["hang", "exit", "late", "garbage", "noid", "word", "long", "abstain"];
    let mut prompts = attacks(30);
    prompts.extend(bad.iter().map(|b| (format!("{b} x"), (*b).to_owned())));
    prompts.push(("chatter x".into(), "chatter".into()));
    // One worker: with more, it depends on timing whether a bad call is the first of a fresh worker and has `start_timeout`.
    let f = folder(&prompts, "concurrency = 1");
    let record = f.fresh();
    let rows = f.rows();
    let of = |trial: &str| rows.iter().find(|r| r[0] == trial).unwrap()[1].clone();
    for i in 0..30 {
        assert_eq!(of(&format!("a{i}")), if i % 10 == 0 { "0" } else { "1" }, "a{i}");
    }
    let details = f.details("w");
    for (i, (reason, detail)) in [
        // One second, or `start_timeout` where the call before ended the process and this one is the first of a fresh one.
        ("error", "no answer within"),
        ("error", "the process ended"),
        ("error", "no answer within"),
        ("unparsed", "not JSON"),
        ("unparsed", "no id"),
        ("unparsed", "outcome is none of"),
        ("unparsed", "longer than"),
        ("abstain", "too short"),
    ]
    .iter()
    .enumerate()
    {
        let got = details.iter().find(|d| d.0 == format!("a{}", 30 + i)).unwrap();
        assert!(got.1 == *reason && got.2.contains(detail), "{}: {got:?}", bad[i]);
    }
    assert_eq!(of("a38"), "1", "chatter is no answer");
    assert_eq!(record.layers[0].open, 0);
    assert_eq!(record.layers[1].cells["failed"], 39);
}

#[test]
fn answers_may_come_in_any_order() {
    let prompts: Vec<(String, String)> = (0..40).map(|i| (format!("reorder {i}"), format!("g{i}"))).collect();
    let f = folder(&prompts, "in_flight = 4");
    f.fresh();
    for (i, row) in f.rows().iter().enumerate() {
        assert_eq!(row[1], if i % 10 == 0 { "0" } else { "1" }, "{row:?}");
    }
}

/// With several requests in flight, the one that ends the process is the only one that pays.
#[test]
fn the_others_in_flight_are_asked_again() {
    let mut prompts = attacks(40);
    prompts.insert(20, ("exit x".into(), "exit".into()));
    let f = folder(&prompts, "in_flight = 4");
    let record = f.fresh();
    let cells = &record.layers[0].cells;
    assert_eq!(cells.values().sum::<u64>(), 41);
    assert!(cells["error"] <= 2 && cells["failed"] + cells["held"] >= 39, "{cells:?}");
}

#[test]
fn secrets_do_not_reach_children() {
    let f =
        Folder::new(&attacks(1), "\n[[layers]]\nname = \"w\"\nkind = \"process\"\ncommand = [\"python3\", \"w.py\"]\nenv = [\"CARGO_PKG_NAME\"]\n");
    let script = "import json, os, sys\nfor line in sys.stdin:\n    q = json.loads(line)\n    print(json.dumps({'id': q['id'], 'outcome': 'held', 'labels': sorted(os.environ)}), flush=True)\n";
    std::fs::write(f.path("w.py"), script).unwrap();
    f.fresh();
    let mut labels = String::new();
    for rows in coincide_io::Rows::open(&[f.path("run/calls.parquet").display().to_string()]).unwrap() {
        rows.for_each(&["labels"], &mut |r| {
            labels = r.text(0).to_owned();
            Ok(())
        })
        .unwrap();
    }
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let has = |name: &str| labels.split(';').any(|l| l == name);
    assert!(has("CARGO_PKG_NAME") && has("PATH") && !has("CARGO_MANIFEST_DIR"), "{labels}");
}

/// What a child says about itself may hold what it was given.
#[test]
fn secrets_of_children_are_not_stored() {
    let secret = std::env::var("CARGO_PKG_DESCRIPTION").unwrap();
    let f = Folder::new(
        &attacks(2),
        "\n[[layers]]\nname = \"w\"\nkind = \"process\"\ncommand = [\"python3\", \"w.py\"]\nenv = [\"CARGO_PKG_DESCRIPTION\"]\n",
    );
    let script = "import json, os, sys\nkey = os.environ['CARGO_PKG_DESCRIPTION']\nfor line in sys.stdin:\n    q = json.loads(line)\n    print(json.dumps({'id': q['id'], 'outcome': 'error', 'reason': 'bad key ' + key, 'labels': [key]}), flush=True)\n";
    std::fs::write(f.path("w.py"), script).unwrap();
    f.run(coincide_stress::RunOptions { keep_text: true, ..Default::default() }).unwrap();
    for (path, bytes) in crate::support::everything(&f.path("run")) {
        assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{}", path.display());
    }
    assert_eq!(f.details("w")[0].2, "bad key [secret]");
}

#[test]
fn a_program_that_is_not_there_is_found_before_the_run() {
    let f = Folder::new(&attacks(1), "\n[[layers]]\nname = \"w\"\nkind = \"process\"\ncommand = [\"./no-such-program\"]\n");
    let e = f.run(Default::default()).unwrap_err().to_string();
    assert!(e.contains("campaign.toml:8") && e.contains("there is no program `./no-such-program`"), "{e}");
}
