//! How many calls a second a campaign makes to local endpoints that answer at once, with the journal on; and what a call costs in processor time.
//!
//! `cargo run --release -p coincide-stress --example throughput [ATTACKS] [LAYERS]`; the endpoint runs in a process of its own (this program with `serve`).
//! With `inside` for the layers, one layer answers inside the process instead, as other tools' mock models do.

#[path = "../tests/it/server.rs"]
mod server;

use coincide_stress::{Ask, CampaignFile, Layer, Prepared, Reply, RunOptions, Stage, Stop, Trouble, Unit, Verdict, run};
use futures_util::future::BoxFuture;
use server::{Answer, Server, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Processor seconds of this process so far, from /proc (user and system, in ticks of a hundredth).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<f64> = after.split(' ').filter_map(|f| f.parse().ok()).collect();
    // The first field after the name is a letter and is not parsed: utime and stime are the 11th and 12th numbers.
    fields.get(10).copied().unwrap_or(0.0) / 100.0 + fields.get(11).copied().unwrap_or(0.0) / 100.0
}

/// One attack in a thousand gets through.
fn fails(text: &[u8]) -> bool {
    text.iter().fold(7u32, |h, &b| h.wrapping_mul(31).wrapping_add(u32::from(b))).is_multiple_of(1000)
}

/// A mock inside the process.
struct Inside;

impl Layer for Inside {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Reply, Trouble>> {
        let held = !fails(ask.prompt.as_bytes());
        Box::pin(std::future::ready(Ok(Reply::one(Verdict::held(held), if held { "held" } else { "failed" }))))
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("serve") {
        let answer = json(200, "{\"flagged\":false}");
        let held = json(200, "{\"flagged\":true}");
        let server = Server::start_on(0, 1, move |_, body| Answer::Bytes(if fails(body) { answer.clone() } else { held.clone() }));
        println!("{}", server.url);
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        return;
    }
    let attacks: usize = first.and_then(|a| a.parse().ok()).unwrap_or(50_000);
    let second = arguments.next().unwrap_or_else(|| "2".into());
    let inside = second == "inside";
    let layers: usize = second.parse().unwrap_or(1);
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be run again");
    let mut url = String::new();
    BufReader::new(child.stdout.take().expect("piped above")).read_line(&mut url).expect("the endpoint says where it is");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let lines: String = (0..attacks).map(|i| format!("{{\"id\":\"a{i}\",\"prompt\":\"prompt number {i}\",\"goal\":\"g{}\"}}\n", i / 5)).collect();
    std::fs::write(at("attacks.jsonl"), lines).expect("a temporary file");
    let mut text = "name = \"throughput\"\n[attacks]\nfiles = [\"attacks.jsonl\"]\n".to_owned();
    for i in 0..layers {
        text += &format!(
            "[[layers]]\nname = \"l{i}\"\nkind = \"http\"\nurl = \"{}/check\"\nbody = {{ text = \"{{prompt}}\", layer = {i} }}\nverdict = \"/flagged\"\nheld_when = [\"true\"]\nconcurrency = 32\n",
            url.trim()
        );
    }
    std::fs::write(at("campaign.toml"), text).expect("a temporary file");
    let file = CampaignFile::read(&at("campaign.toml").display().to_string()).expect("the campaign above is one");
    let prepared = if inside {
        let mut unit = Unit::new("inside", "mock", Stage::Input, std::sync::Arc::new(Inside));
        unit.concurrency = 64;
        Prepared::with_layers(file, None, vec![unit])
    } else {
        Prepared::new(file, None)
    };
    let prepared = prepared.expect("the prompts above are there");
    let before = processor_seconds();
    let record = run(prepared, RunOptions::default(), &Stop::by_hand(), &|_| {}).expect("the endpoint answers").record;
    let used = processor_seconds() - before;
    let calls = record.calls as f64;
    println!(
        "{} calls in {:.2} s: {:.0} calls a second; {:.0} µs of processor time a call, journal and tables included",
        record.calls,
        record.seconds,
        calls / record.seconds,
        used / calls * 1e6
    );
    let _ = child.kill();
    let _ = child.wait();
}
