//! Retries, circuit, budget, resume, finds, secrets.

use crate::server::{Answer, Server, json};
use crate::support::{Folder, attacks, everything, joint_failures};
use coincide_stress::{Error, Prepared, RunOptions, Stop, run};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A generic endpoint that says `{"flagged": bool}`.
fn http(name: &str, url: &str, more: &str) -> String {
    format!(
        "\n[[layers]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}/check\"\nbody = {{ text = \"{{prompt}}\" }}\nverdict = \"/flagged\"\nheld_when = [\"true\"]\n{more}\n"
    )
}

fn flag(held: bool) -> Answer {
    Answer::Bytes(json(200, &format!("{{\"flagged\":{held}}}")))
}

/// Held where the prompt's number is divisible.
fn divisible(by: u64) -> impl Fn(&str, &[u8]) -> Answer + Send + Sync + 'static {
    move |_, body| {
        let text = String::from_utf8_lossy(body);
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        flag(digits.parse::<u64>().unwrap() % by == 0)
    }
}

#[test]
fn every_attack_meets_every_layer() {
    let (a, b) = (Server::start(divisible(2)), Server::start(divisible(3)));
    let rest = http("two", &a.url, "")
        + &http("three", &b.url, "")
        + "\n[[layers]]\nname = \"rules\"\nkind = \"rules\"\npatterns = [\"prompt 1\\\\d\\\\b\"]\n";
    let f = Folder::new(&attacks(60), &rest);
    let record = f.fresh();
    assert_eq!((a.calls(), b.calls(), record.calls), (60, 60, 180));
    let t = f.table();
    assert_eq!(t.layers(), ["two", "three", "rules"]);
    let beaten = (0..60).filter(|i| i % 2 != 0 && i % 3 != 0 && !(10..20).contains(i)).count();
    assert_eq!(joint_failures(&t), beaten as f64);
    assert_eq!(record.watched.joint_failures, beaten as u64);
    assert_eq!(record.finds, beaten as u64);
    assert_eq!(record.ended_early, None);
    // Every attack of a goal of its own: the rate over goals is the rate.
    assert!((record.watched.estimate.unwrap() - beaten as f64 / 60.0).abs() < 1e-12);
    // Nothing is asked again.
    let again = f.resume();
    assert_eq!((a.calls(), b.calls()), (60, 60));
    assert_eq!((again.watched, again.finds), (record.watched, record.finds));
}

#[test]
fn a_second_run_needs_resume_and_the_same_campaign() {
    let rules = "\n[[layers]]\nname = \"r\"\nkind = \"rules\"\npatterns = [\"a\"]\n";
    let f = Folder::new(&attacks(3), rules);
    f.fresh();
    let twice = f.run(RunOptions::default()).unwrap_err();
    assert!(matches!(twice, Error::Run { .. }) && twice.hint().unwrap().contains("--resume"), "{twice}");
    f.campaign(&rules.replace("\"a\"", "\"b\""));
    let changed = f.run(RunOptions { resume: true, ..Default::default() }).unwrap_err().to_string();
    assert!(changed.contains("begun with another layer `r`"), "{changed}");
    f.campaign(&format!("seed = 7\n{rules}"));
    let changed = f.run(RunOptions { resume: true, ..Default::default() }).unwrap_err().to_string();
    assert!(changed.contains("another seed: `1` then, `7` now"), "{changed}");
    // What does not change verdicts may change.
    f.campaign(&rules.replace("[\"a\"]", "[\"a\"]\nconcurrency = 3\nrate = 1000"));
    f.resume();
}

#[test]
fn passing_errors_are_tried_again_and_lasting_ones_have_reasons() {
    let seen: Arc<Mutex<std::collections::HashMap<String, u32>>> = Arc::default();
    let healed = Arc::new(AtomicBool::new(false));
    let (s, h) = (Arc::clone(&seen), Arc::clone(&healed));
    let server = Server::start(move |_, body| {
        let text = String::from_utf8_lossy(body).into_owned();
        let n = *s.lock().unwrap().entry(text.clone()).and_modify(|n| *n += 1).or_insert(1);
        let healed = h.load(Ordering::Relaxed);
        match text {
            t if t.contains("prompt 1\"") && n < 3 => Answer::Bytes(b"HTTP/1.1 429 X\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".to_vec()),
            t if t.contains("prompt 2\"") && !healed => Answer::Bytes(json(503, "{}")),
            t if t.contains("prompt 3\"") && !healed => Answer::Bytes(json(403, "{\"error\":{\"code\":\"forbidden\",\"message\":\"prompt 3\"}}")),
            t if t.contains("prompt 4\"") && !healed => Answer::Bytes(json(200, "{\"flagged\":[]}")),
            _ => flag(false),
        }
    });
    let f = Folder::new(&attacks(6), &http("a", &server.url, "retries = 2"));
    let record = f.fresh();
    // 1 + 3 + 3 + 1 + 1 + 1: the endpoint asked for no wait after 429.
    assert_eq!(record.calls, 10);
    let cells = &record.layers[0].cells;
    assert_eq!((cells["failed"], cells["error"], cells["unparsed"]), (3, 2, 1));
    let details = f.details("a");
    let of = |trial: &str| details.iter().find(|d| d.0 == trial).map(|d| (d.1.as_str(), d.2.as_str())).unwrap();
    assert_eq!(of("a2"), ("error", "HTTP 503"));
    assert_eq!(of("a3"), ("error", "HTTP 403 (forbidden)"));
    assert_eq!(of("a4").0, "unparsed");
    // Missing is never held: three attacks are open.
    assert_eq!((record.watched.undetermined, record.watched.joint_failures), (3, 3));
    // A plain resume leaves them; asked for, they are tried again.
    assert_eq!(f.resume().calls, 10);
    healed.store(true, Ordering::Relaxed);
    let again = f.run(RunOptions { resume: true, retry_errors: true, ..Default::default() }).unwrap();
    assert_eq!(again.layers[0].cells, [("failed".to_owned(), 6)].into());
}

#[test]
fn a_layer_that_is_away_is_left_alone_and_its_cells_stay_open() {
    let up = Arc::new(AtomicBool::new(false));
    let u = Arc::clone(&up);
    let server = Server::start(move |_, _| if u.load(Ordering::Relaxed) { flag(true) } else { Answer::Bytes(json(500, "")) });
    // Waits of the circuit: 1 + 2 + 4 + 8 + 16 s would be long for a test, so it comes back in time here.
    let f = Folder::new(
        &attacks(40),
        &(http("a", &server.url, "retries = 0\nbreaker = 3\nconcurrency = 1") + "\n[[layers]]\nname = \"r\"\nkind = \"rules\"\npatterns = [\"x\"]\n"),
    );
    let back = Arc::clone(&up);
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        back.store(true, Ordering::Relaxed);
    });
    let record = f.fresh();
    let a = &record.layers[0];
    // Two errors became cells before the circuit opened; after that nothing was lost to the outage.
    assert_eq!(a.cells.get("error").copied().unwrap_or(0), 2, "{a:?}");
    assert_eq!(a.cells["held"], 38);
    assert!(server.calls() < 48, "{} calls", server.calls());
    assert_eq!(record.layers[1].cells["failed"], 40);
}

#[test]
fn budgets_end_the_run_and_a_larger_one_goes_on() {
    let server = Server::start(divisible(2));
    let f = Folder::new(&attacks(50), &(http("a", &server.url, "cost = 0.5") + "\n[budget]\ncalls = 20\n"));
    let record = f.fresh();
    assert_eq!((record.calls, server.calls(), record.attacks.finished), (20, 20, 20));
    assert_eq!(record.cost, Some(10.0));
    assert!(record.ended_early.unwrap().contains("calls"));
    assert_eq!(f.rows().len(), 20);
    f.campaign(&(http("a", &server.url, "cost = 0.5") + "\n[budget]\ncost = 15\n"));
    let record = f.resume();
    assert_eq!((server.calls(), record.cost), (30, Some(15.0)));
    f.campaign(&http("a", &server.url, "cost = 0.5"));
    assert_eq!(f.resume().attacks.finished, 50);
    assert_eq!(server.calls(), 50);
}

#[test]
fn rates_are_kept() {
    let server = Server::start(divisible(2));
    let f = Folder::new(&attacks(40), &http("a", &server.url, "rate = 50"));
    let began = std::time::Instant::now();
    f.fresh();
    // 5 at once, then 35 at 50 a second.
    let took = began.elapsed().as_secs_f64();
    assert!((0.6..3.0).contains(&took), "{took}");
}

#[cfg(unix)]
#[test]
fn finds_are_private_and_in_no_table() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(|_, body| {
        let held = !String::from_utf8_lossy(body).contains("7");
        Answer::Bytes(json(200, &format!("{{\"flagged\":{held},\"note\":\"zebra reply\"}}")))
    });
    let list: Vec<(String, String)> = (0..10).map(|i| (format!("giraffe words {i}"), format!("g{i}"))).collect();
    let f = Folder::new(&list, &http("a", &server.url, ""));
    let record = f.fresh();
    assert_eq!(record.finds, 1);
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&f.path("run/finds")), 0o700);
    assert_eq!(mode(&f.path("run/journal.sqlite")), 0o600);
    let mut finds = 0;
    for (path, bytes) in everything(&f.path("run")) {
        let text = String::from_utf8_lossy(&bytes);
        if path.parent().unwrap().ends_with("finds") {
            finds += 1;
            assert_eq!(mode(&path), 0o600);
            assert!(text.contains("giraffe words 7") && text.contains("zebra reply") && text.contains("\"trial\": \"a7\""), "{text}");
        } else {
            // The journal too: replies of finished queries are overwritten.
            assert!(!text.contains("giraffe") && !text.contains("zebra"), "{} holds text", path.display());
        }
    }
    assert_eq!(finds, 1);
}

#[test]
fn replies_are_kept_only_when_asked_for() {
    let server = Server::start(|_, _| Answer::Bytes(json(200, "{\"flagged\":true,\"note\":\"zebra\"}")));
    let f = Folder::new(&attacks(5), &http("a", &server.url, ""));
    f.run(RunOptions { keep_text: true, ..Default::default() }).unwrap();
    let journal = std::fs::read(f.path("run/journal.sqlite")).unwrap();
    assert!(String::from_utf8_lossy(&journal).contains("zebra"));
    for table in ["run/outcomes.parquet", "run/calls.parquet"] {
        assert!(!String::from_utf8_lossy(&std::fs::read(f.path(table)).unwrap()).contains("zebra"));
    }
}

#[test]
fn secrets_are_sent_and_never_stored() {
    // PATH is certainly set and certainly not in any reply by chance.
    let secret = std::env::var("PATH").unwrap();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let h = Arc::clone(&heads);
    let server = Server::start(move |head, _| {
        h.lock().unwrap().push(head.to_owned());
        let key = head.lines().find_map(|l| l.strip_prefix("authorization: ")).unwrap_or_default();
        Answer::Bytes(json(200, &format!("{{\"flagged\":false,\"you sent\":\"{key}\"}}")))
    });
    let f = Folder::new(&attacks(2), &http("a", &server.url, "key_env = \"PATH\"\nheaders = { x-extra = \"env:PATH\" }"));
    f.run(RunOptions { keep_text: true, ..Default::default() }).unwrap();
    let head = heads.lock().unwrap()[0].clone();
    assert!(head.contains(&format!("authorization: Bearer {secret}")) && head.contains(&format!("x-extra: {secret}")));
    for (path, bytes) in everything(f.at.path()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{} holds the key", path.display());
    }
    let missing = Folder::new(&attacks(2), &http("a", &server.url, "key_env = \"NO_SUCH_KEY_HERE\"")).run(RunOptions::default()).unwrap_err();
    assert!(missing.to_string().contains("campaign.toml:") && missing.to_string().contains("NO_SUCH_KEY_HERE"), "{missing}");
}

/// The live report never runs ahead of the journal and ends where the record does.
#[test]
fn the_live_report_ends_where_the_record_does() {
    let server = Server::start(divisible(2));
    let f = Folder::new(&attacks(200), &http("a", &server.url, ""));
    let last = AtomicU64::new(0);
    let record = run(Prepared::new(f.file().unwrap(), None).unwrap(), RunOptions::default(), &Stop::by_hand(), &|live| {
        assert!(live.finished >= last.swap(live.finished, Ordering::Relaxed) && live.finished <= live.planned);
    })
    .unwrap()
    .record;
    assert_eq!((last.load(Ordering::Relaxed), record.attacks.finished), (200, 200));
}

#[test]
fn a_wrong_key_ends_after_a_few_calls() {
    let server = Server::start(|_, _| Answer::Bytes(json(401, "{\"error\":{\"code\":\"invalid_api_key\"}}")));
    let f = Folder::new(&attacks(500), &http("a", &server.url, "breaker = 5\nconcurrency = 1"));
    let record = f.fresh();
    assert!(server.calls() <= 6, "{}", server.calls());
    assert_eq!((record.layers[0].given_up, record.layers[0].reasons[0].reason.as_str()), (true, "HTTP 401 (invalid_api_key)"));
    assert_eq!(record.ended_early.as_deref(), Some("a gave no answer"));
}

#[test]
fn a_layer_that_asks_for_time_is_given_it() {
    let began = std::time::Instant::now();
    let server = Server::start(move |_, _| {
        if began.elapsed().as_millis() < 1200 {
            return Answer::Bytes(b"HTTP/1.1 429 X\r\nretry-after: 0.5\r\ncontent-length: 0\r\n\r\n".to_vec());
        }
        flag(true)
    });
    let f = Folder::new(&attacks(100), &http("a", &server.url, "retries = 0\nbreaker = 2\nconcurrency = 4"));
    let record = f.fresh();
    assert_eq!(record.layers[0].cells, [("held".to_owned(), 100)].into());
    assert!(server.calls() < 130, "{}", server.calls());
}

#[test]
fn what_a_reply_quotes_stays_out_of_tables() {
    let server = Server::start(|_, body| {
        let v: serde_json::Value = serde_json::from_slice(body).unwrap();
        let text = v["text"].as_str().unwrap();
        Answer::Bytes(json(200, &serde_json::json!({"flagged": true, "why": [text, "short.label", "x".repeat(200)]}).to_string()))
    });
    let list = vec![("please tell me the giraffe secret of the house".to_owned(), "g".to_owned())];
    let f = Folder::new(&list, &http("a", &server.url, "labels = \"/why\""));
    f.fresh();
    let calls = String::from_utf8_lossy(&std::fs::read(f.path("run/calls.parquet")).unwrap()).into_owned();
    assert!(calls.contains("short.label") && !calls.contains("giraffe"));
    assert!(!calls.contains(&"x".repeat(65)));
}

/// A budget that is spent asks nothing, however often it is resumed.
#[test]
fn a_spent_budget_stays_spent() {
    let server = Server::start(divisible(2));
    let f = Folder::new(
        &attacks(50),
        &(http("a", &server.url, "cost = 1") + "\n[[layers]]\nname = \"r\"\nkind = \"rules\"\npatterns = [\"x\"]\n\n[budget]\ncost = 7\n"),
    );
    f.fresh();
    let first = f.resume();
    assert_eq!(server.calls(), 7);
    let second = f.resume();
    assert_eq!((first.watched, first.calls, first.attacks), (second.watched, second.calls, second.attacks));
    assert_eq!(server.calls(), 7);
}
