//! The dashboard's server: what it does, and each attack that it must not fall for.

use crate::support::program;
use futures_util::StreamExt;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const OUTCOMES: &str = "trial,filter,judge,goal\n";

/// A server on a free port, killed when the test is over.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(folder: &Path, more: &[&str], token: Option<&str>) -> Server {
        let mut command = Command::new(program());
        command.arg("serve").arg(folder).args(["--address", "127.0.0.1:0"]).args(more).stderr(Stdio::piped()).stdin(Stdio::null());
        match token {
            Some(t) => command.env("COINCIDE_TOKEN", t),
            None => command.env_remove("COINCIDE_TOKEN"),
        };
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().next().unwrap().split("/?").next().unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Server { child, url }
    }
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.url))
    }
    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let r = self.ask(Method::GET, path).send().await.unwrap();
        (r.status(), r.json().await.unwrap_or(Value::Null))
    }
    async fn analyse(&self, request: Value) -> (StatusCode, Value) {
        let r = self.ask(Method::POST, "/api/analyses").json(&request).send().await.unwrap();
        (r.status(), r.json().await.unwrap())
    }
    /// The analysis when it is over.
    async fn finished(&self, id: i64) -> Value {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let (_, s) = self.get(&format!("/api/analyses/{id}")).await;
            if !["waiting", "running"].contains(&s["state"].as_str().unwrap()) {
                return s;
            }
            assert!(Instant::now() < until, "{s}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn table(trials: usize) -> String {
    let row = |t: usize| format!("{t},{},{},g{}\n", u8::from(t.is_multiple_of(5)), u8::from(t % 7 < 2), t / 4);
    OUTCOMES.to_owned() + &(0..trials).map(row).collect::<String>()
}

/// A table whose models take a while.
fn long(folder: &Path) {
    let mut text = String::from("trial,a,b,c,d,e,f,g,h\n");
    for t in 0..3000usize {
        let cell = |k: usize| u8::from((t * 2654435761 + k * 40503) % 97 < 20 + 3 * k);
        text += &format!("{t},{}\n", (0..8).map(|k| cell(k).to_string()).collect::<Vec<_>>().join(","));
    }
    std::fs::write(folder.join("long.csv"), text).unwrap();
}

fn folder() -> tempfile::TempDir {
    let f = tempfile::tempdir().unwrap();
    std::fs::write(f.path().join("outcomes.csv"), table(400)).unwrap();
    f
}

#[tokio::test]
async fn an_analysis_from_upload_to_page() {
    let f = folder();
    let s = Server::start(f.path(), &[], None);
    let page = s.ask(Method::GET, "/").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let text = page.text().await.unwrap();
    assert!(text.contains("connect-src 'self'") && text.contains("script-src 'sha256-") && !text.contains("unsafe"), "the page has its policy");

    let up = s.ask(Method::PUT, "/api/files/mine.csv").body(table(200)).send().await.unwrap();
    assert_eq!(up.status(), StatusCode::CREATED);
    // The same again is fine, something else under that name is not.
    assert_eq!(s.ask(Method::PUT, "/api/files/mine.csv").body(table(200)).send().await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(s.ask(Method::PUT, "/api/files/mine.csv").body(table(100)).send().await.unwrap().status(), StatusCode::CONFLICT);
    let (_, files) = s.get("/api/files").await;
    let names: Vec<&str> = files.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["outcomes.csv", "uploads/mine.csv"]);

    let (status, a) = s.analyse(json!({ "files": ["uploads/mine.csv"], "clusters": ["goal"] })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{a}");
    let done = s.finished(a["id"].as_i64().unwrap()).await;
    assert_eq!(done["state"], "done", "{done}");
    let (_, document) = s.get(&format!("/api/results/{}", done["result"])).await;
    assert!(document["what_if"]["content"]["outcomes"].is_object() && document["conclusions"]["gap"].is_string());
    // What the server computed is what the program computes.
    let direct = f.path().join("direct.json");
    let run = Command::new(program())
        .args(["analyze", "--cluster", "goal", "--quiet", "--html", "page.html", "--json"])
        .arg(&direct)
        .arg(f.path().join("uploads/mine.csv"))
        .current_dir(f.path())
        .status()
        .unwrap();
    assert!(run.success());
    let direct: Value = serde_json::from_str(&std::fs::read_to_string(&direct).unwrap()).unwrap();
    for part in ["analysis", "answer", "conclusions", "what_if"] {
        assert_eq!(document[part], direct[part], "{part}");
    }
    // Taken in, listed, taken out.
    let stored = s.ask(Method::POST, "/api/results").json(&direct).send().await.unwrap();
    assert_eq!(stored.status(), StatusCode::CREATED);
    let (_, list) = s.get("/api/results").await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(s.ask(Method::DELETE, "/api/results/1").send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(s.get("/api/results/1").await.0, StatusCode::NOT_FOUND);
    // What cannot be analysed says why, with the remedy.
    let (_, a) = s.analyse(json!({ "files": ["outcomes.csv"], "clusters": ["gaol"] })).await;
    let failed = s.finished(a["id"].as_i64().unwrap()).await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("gaol"), "{failed}");
}

#[tokio::test]
async fn progress_is_streamed_and_an_analysis_can_be_cancelled() {
    let f = folder();
    long(f.path());
    let s = Server::start(f.path(), &[], None);
    let (_, a) = s.analyse(json!({ "files": ["long.csv"], "fit": true })).await;
    let (_, second) = s.analyse(json!({ "files": ["outcomes.csv"] })).await;
    let (id, second) = (a["id"].as_i64().unwrap(), second["id"].as_i64().unwrap());
    // One that waits is cancelled at once.
    let (_, third) = s.analyse(json!({ "files": ["outcomes.csv"] })).await;
    assert_eq!(s.ask(Method::DELETE, &format!("/api/analyses/{}", third["id"])).send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(s.get(&format!("/api/analyses/{}", third["id"])).await.1["state"], "cancelled");
    let mut events = s.ask(Method::GET, &format!("/api/analyses/{id}/events")).send().await.unwrap().bytes_stream();
    let mut seen = String::new();
    while !seen.contains("\"step\":\"fitting models\"") {
        seen += std::str::from_utf8(&events.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(seen.starts_with("event: analysis\ndata: {\"id\":"), "{seen}");
    assert_eq!(s.get(&format!("/api/analyses/{second}")).await.1["state"], "waiting");
    assert_eq!(s.ask(Method::DELETE, &format!("/api/analyses/{id}")).send().await.unwrap().status(), StatusCode::ACCEPTED);
    let began = Instant::now();
    assert_eq!(s.finished(id).await["state"], "cancelled");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // The stream ends with it, and the next one has its turn.
    while let Some(more) = events.next().await {
        seen += std::str::from_utf8(&more.unwrap()).unwrap();
    }
    assert!(seen.contains("\"state\":\"cancelled\""));
    assert_eq!(s.finished(second).await["state"], "done");
    assert_eq!(s.ask(Method::DELETE, &format!("/api/analyses/{id}")).send().await.unwrap().status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_kill_during_an_analysis_leaves_the_store_readable() {
    let f = folder();
    long(f.path());
    let mut s = Server::start(f.path(), &[], None);
    let (_, a) = s.analyse(json!({ "files": ["outcomes.csv"] })).await;
    assert_eq!(s.finished(a["id"].as_i64().unwrap()).await["state"], "done");
    let (_, before) = s.get("/api/results/1").await;
    for round in 0..5 {
        let (_, a) = s.analyse(json!({ "files": ["long.csv"], "fit": true })).await;
        tokio::time::sleep(Duration::from_millis(60 + 90 * round)).await;
        // SIGKILL.
        s.child.kill().unwrap();
        s.child.wait().unwrap();
        s = Server::start(f.path(), &[], None);
        assert_eq!(s.get("/api/results/1").await.1, before);
        let (_, left) = s.get(&format!("/api/analyses/{}", a["id"])).await;
        assert_eq!(left["state"], "interrupted", "{left}");
    }
    let (_, a) = s.analyse(json!({ "files": ["outcomes.csv"] })).await;
    assert_eq!(s.finished(a["id"].as_i64().unwrap()).await["state"], "done");
}

#[tokio::test]
async fn other_sites_and_other_names_are_refused() {
    let f = folder();
    let s = Server::start(f.path(), &[], None);
    let host = s.url.trim_start_matches("http://").to_owned();
    let port = host.rsplit(':').next().unwrap().to_owned();
    let with = |method: Method, path: &str, headers: &[(&str, &str)]| headers.iter().fold(s.ask(method, path), |r, (k, v)| r.header(*k, *v)).send();
    let allowed = [vec![("origin", s.url.as_str())], vec![("sec-fetch-site", "same-origin")], vec![("sec-fetch-site", "none")]];
    for headers in &allowed {
        assert_eq!(with(Method::GET, "/api/results", headers).await.unwrap().status(), StatusCode::OK, "{headers:?}");
    }
    let rebound = format!("evil.example:{port}");
    let refused = [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("host", rebound.as_str())],
        vec![("host", "127.0.0.1:1")],
        vec![("host", "localhost")],
    ];
    for headers in &refused {
        for (method, path) in
            [(Method::GET, "/api/results"), (Method::POST, "/api/analyses"), (Method::PUT, "/api/files/x.csv"), (Method::DELETE, "/api/results/1")]
        {
            let r = with(method.clone(), path, headers).await.unwrap();
            assert_eq!(r.status(), StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
            assert!(r.headers().get("access-control-allow-origin").is_none());
        }
    }
    // A form of another site can post text without asking; it is no JSON.
    let r = s.ask(Method::POST, "/api/analyses").header("content-type", "text/plain").body(r#"{"files":["outcomes.csv"]}"#).send().await.unwrap();
    assert_eq!(r.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // A link from elsewhere may open the page, in no frame.
    let r = with(Method::GET, "/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]).await.unwrap();
    assert_eq!((r.status(), r.headers()["content-security-policy"].to_str().unwrap()), (StatusCode::OK, "frame-ancestors 'none'"));
}

#[tokio::test]
async fn paths_stay_inside_the_data_folder() {
    let outside = folder();
    std::fs::write(outside.path().join("secret.csv"), table(50)).unwrap();
    let f = folder();
    let s = Server::start(f.path(), &[], None);
    let secret = outside.path().join("secret.csv").display().to_string();
    let up = format!("../{}/secret.csv", outside.path().file_name().unwrap().to_str().unwrap());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path(), f.path().join("linked")).unwrap();
        std::os::unix::fs::symlink(&secret, f.path().join("linked.csv")).unwrap();
    }
    for name in [
        secret.as_str(),
        &up,
        "linked/secret.csv",
        "linked.csv",
        "/etc/passwd",
        "..",
        "",
        "*.csv",
        "nothing.csv",
        "a\0b",
        "-",
        "https://example.org/x.csv",
    ] {
        let (status, answer) = s.analyse(json!({ "files": [name] })).await;
        assert!(status.is_client_error(), "{name}: {status} {answer}");
    }
    // Links are not listed, and a study reaches no further than a request.
    let (_, files) = s.get("/api/files").await;
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");
    for pattern in [secret.as_str(), &up, "linked/*.csv", "../*/secret.csv", "/**/secret.csv", "x/../../*/secret.csv"] {
        std::fs::write(f.path().join("study.toml"), format!("[outcomes]\nfiles = [{pattern:?}]\n")).unwrap();
        let (status, answer) = s.analyse(json!({ "files": ["study.toml"] })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{pattern}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("outside the data folder"), "{answer}");
    }
    std::fs::write(f.path().join("study.toml"), format!("[outcomes]\nfiles = [\"outcomes.csv\"]\n[modes]\nmaps = [{secret:?}]\n")).unwrap();
    assert_eq!(s.analyse(json!({ "files": ["study.toml"] })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    for name in ["..%2Fx.csv", "%2e%2e%2fx.csv", ".hidden.csv", "a%00b.csv", "x.exe", "a%2Fb.csv", "%ff.csv", "a b.csv"] {
        let r = s.ask(Method::PUT, &format!("/api/files/{name}")).body("x").send().await.unwrap();
        assert!(r.status().is_client_error(), "{name}: {}", r.status());
    }
    assert!(!f.path().join("x.csv").exists() && !f.path().parent().unwrap().join("x.csv").exists());
    for query in ["name=..", "name=/etc", "name=linked", "name=%00", ""] {
        let (status, answer) = s.get(&format!("/api/campaign?{query}")).await;
        assert!(status.is_client_error(), "{query}: {status} {answer}");
    }
}

#[tokio::test]
async fn uploads_are_limited() {
    let f = folder();
    let s = Server::start(f.path(), &["--upload-limit", "1"], None);
    let big = vec![b'1'; 1_000_001];
    let r = s.ask(Method::PUT, "/api/files/big.csv").body(big.clone()).send().await.unwrap();
    assert_eq!(r.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(r.json::<Value>().await.unwrap()["error"].as_str().unwrap().contains("1000000 bytes"));
    let r = s.ask(Method::POST, "/api/results").header("content-type", "application/json").body(big.clone()).send().await.unwrap();
    assert_eq!(r.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Also where the length is not said beforehand.
    let parts = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b'1'; 100_000])));
    let r = s.ask(Method::PUT, "/api/files/big.csv").body(reqwest::Body::wrap_stream(parts)).send().await;
    assert!(r.is_err() || r.unwrap().status() == StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!f.path().join("uploads/big.csv").exists());
    assert_eq!(s.ask(Method::PUT, "/api/files/small.csv").body("x").send().await.unwrap().status(), StatusCode::CREATED);
    // Nothing half-written lies about.
    assert_eq!(std::fs::read_dir(f.path().join("uploads")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_token_is_asked_for_where_others_can_come() {
    let f = folder();
    for token in [None, Some("short")] {
        let mut c = Command::new(program());
        c.arg("serve").arg(f.path()).args(["--address", "0.0.0.0:0"]);
        match token {
            Some(t) => c.env("COINCIDE_TOKEN", t),
            None => c.env_remove("COINCIDE_TOKEN"),
        };
        let out = c.output().unwrap();
        assert_eq!(out.status.code(), Some(2));
        let said = String::from_utf8_lossy(&out.stderr);
        let what = if token.is_none() { "there is no token" } else { "the token is shorter than 16 characters" };
        assert!(said.contains(what) && said.contains("COINCIDE_TOKEN"), "{said}");
    }
    let token = "a-token-of-enough-length";
    let s = Server::start(f.path(), &[], Some(token));
    assert_eq!(s.get("/api/results").await.0, StatusCode::UNAUTHORIZED);
    for wrong in ["Bearer", "Bearer ", "Bearer a-token-of-enough-lengtH", "Basic a-token-of-enough-length"] {
        assert_eq!(
            s.ask(Method::GET, "/api/results").header("authorization", wrong).send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{wrong}"
        );
    }
    assert_eq!(s.ask(Method::GET, "/api/results").bearer_auth(token).send().await.unwrap().status(), StatusCode::OK);
    // A browser comes with it once, and has a cookie that scripts cannot read and other sites cannot send.
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let r = client.get(format!("{}/?token={token}", s.url)).send().await.unwrap();
    let cookie = r.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(r.status() == StatusCode::SEE_OTHER && cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let r = s.ask(Method::GET, "/api/results").header("cookie", cookie.split(';').next().unwrap()).send().await.unwrap();
    assert_eq!(r.status(), StatusCode::OK);
    assert!(client.get(format!("{}/?token=wrong", s.url)).send().await.unwrap().headers().get("set-cookie").is_none());
}

#[tokio::test]
async fn a_running_campaign_can_be_followed() {
    let f = folder();
    std::fs::create_dir(f.path().join("run")).unwrap();
    let live = |finished: u64, ended: bool| {
        let watched = json!({ "goals": finished, "trials": finished, "joint_failures": 1, "undetermined": 0, "estimate": 0.1, "low": 0.0, "high": 0.5, "confidence": 0.95 });
        let state = json!({ "name": "night", "finished": finished, "planned": 40, "calls": 2 * finished, "finds": 1, "watched": watched, "families": [], "history": [], "away": [], "ended": ended });
        std::fs::write(f.path().join("run/live.json"), state.to_string()).unwrap();
    };
    live(10, false);
    let s = Server::start(f.path(), &[], None);
    assert_eq!(s.get("/api/campaigns").await.1, json!(["run"]));
    assert_eq!(s.get("/api/campaign?name=run").await.1["finished"], 10);
    let mut events = s.ask(Method::GET, "/api/campaign/events?name=run").send().await.unwrap().bytes_stream();
    let mut seen = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    live(40, true);
    while let Some(more) = events.next().await {
        seen += std::str::from_utf8(&more.unwrap()).unwrap();
    }
    assert!(seen.contains("\"finished\":10") && seen.contains("\"finished\":40") && seen.contains("\"ended\":true"), "{seen}");
}

/// 200 clients at once on loopback; `SECONDS` says how long, a few where nothing is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_at_once_get_no_error() {
    let f = folder();
    let s = Server::start(f.path(), &[], None);
    let (_, a) = s.analyse(json!({ "files": ["outcomes.csv"] })).await;
    assert_eq!(s.finished(a["id"].as_i64().unwrap()).await["state"], "done");
    let seconds = std::env::var("SECONDS_OF_LOAD").ok().and_then(|s| s.parse().ok()).unwrap_or(5);
    let until = Instant::now() + Duration::from_secs(seconds);
    let paths = ["/", "/api/files", "/api/results", "/api/results/1", "/api/analyses", "/api/openapi.json", "/api/analyses/1/events"];
    let clients = (0..200).map(|i| {
        let (client, url) = (Client::new(), s.url.clone());
        tokio::spawn(async move {
            let mut asked = 0u64;
            while Instant::now() < until {
                let path = paths[(i + asked as usize) % paths.len()];
                let r = client.get(format!("{url}{path}")).send().await.map_err(|e| format!("{path}: {e:?}"))?;
                if r.status() != StatusCode::OK {
                    return Err(format!("{path}: {}", r.status()));
                }
                r.bytes().await.map_err(|e| format!("{path}: {e:?}"))?;
                asked += 1;
                // A person does not ask faster than this.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(asked)
        })
    });
    let mut total = 0;
    for c in clients.collect::<Vec<_>>() {
        total += c.await.unwrap().unwrap();
    }
    println!("{total} requests in {seconds} seconds");
    assert!(total >= 200 * seconds / 5, "{total}");
}

/// schemathesis, from the package registry, against the server's own description: no 5xx, nothing that the description does not say.
#[test]
#[ignore = "counterpart: installs schemathesis from the package registry"]
fn counterpart_schemathesis_finds_nothing() {
    let f = folder();
    let tools = tempfile::tempdir().unwrap();
    let run = |program: &Path, arguments: &[&str]| {
        let out = Command::new(program).args(arguments).current_dir(tools.path()).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{arguments:?}\n{text}");
        text
    };
    run(Path::new("python3"), &["-m", "venv", "venv"]);
    run(&tools.path().join("venv/bin/pip"), &["install", "--quiet", "schemathesis==4.32.5"]);
    let s = Server::start(f.path(), &[], None);
    // Something to find: results, an analysis, a campaign.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            let (_, a) = s.analyse(json!({ "files": ["outcomes.csv"] })).await;
            assert_eq!(s.finished(a["id"].as_i64().unwrap()).await["state"], "done");
        }
    });
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../coincide-server/schemathesis.toml").display().to_string();
    let url = format!("{}/api/openapi.json", s.url);
    let text = run(&tools.path().join("venv/bin/schemathesis"), &["--config-file", &settings, "run", &url, "--max-examples", "60", "--seed", "1"]);
    println!("{}", text.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
}
