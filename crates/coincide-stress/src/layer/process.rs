//! Layers that are programs: long-lived children that read a JSON object a line and answer one a line.
//!
//! Asked: `{"id": 7, "stage": "input", "messages": [{"role": "user", "content": "…"}], "output": "…"}`. Answered: `{"id": 7, "outcome": "held"}` with `held`,
//! `failed`, `abstain` or `error`, and where there is one a `score`, `labels` and a `reason`; or a `score` alone where the campaign has a threshold. Lines that are
//! no JSON object are taken for a library's chatter.
//!
//! A child that does not answer in time, ends, or answers garbage costs the request that it was about. Answers may come in any order; late ones find nobody
//! waiting. With several requests in flight the others are asked again.

use super::answer::verdict;
use super::endpoint::messages;
use super::{Again, Ask, Layer, Reply, Trouble};
use crate::campaign::LayerSpec;
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

/// Bytes of one line at most.
const MAX_LINE: u64 = 1 << 20;
/// Variables that every child gets.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// A pool of children of one program.
pub(super) struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    environment: Vec<String>,
    slots: Vec<Slot>,
    next: AtomicU64,
    timeout: Duration,
    start_timeout: Duration,
    threshold: Option<(f64, coincide::FailsWhen)>,
}

#[derive(Default)]
struct Slot {
    child: tokio::sync::Mutex<Option<Arc<Running>>>,
    busy: AtomicUsize,
}

/// Who waits for what, in order of asking.
type Waiting = BTreeMap<u64, oneshot::Sender<std::result::Result<Value, Trouble>>>;

struct Running {
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Mutex<Waiting>,
    dead: AtomicBool,
    answered: AtomicBool,
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Running {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Ends the child; everybody who waits is asked again, but for the one who waited longest where `blame` says why.
    fn end(&self, blame: Option<Trouble>) {
        self.dead.store(true, Ordering::Release);
        if let Some(stop) = self.stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            // The receiver is gone only when the child is.
            let _ = stop.send(());
        }
        let mut blame = blame;
        for (_, sender) in std::mem::take(&mut *self.waiting()) {
            let other = Trouble { again: Again::Now, ..Trouble::passing("another request ended the process") };
            let _ = sender.send(Err(blame.take().unwrap_or(other)));
        }
    }
}

/// Where a program lies: as a path from the campaign's folder, or by PATH.
pub(super) fn program(folder: &Path, name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        let path = folder.join(name);
        return path.is_file().then(|| std::path::absolute(&path).unwrap_or(path));
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|p| p.join(name)).find(|p| p.is_file())
}

impl Process {
    /// A pool as the layer says. Fails where there is no such program.
    pub(super) fn new(file: &CampaignFile, layer: usize, spec: &LayerSpec) -> Result<Process> {
        let folder = PathBuf::from(file.resolve("."));
        let name = spec.command.first().map(String::as_str).unwrap_or_default();
        let program = program(&folder, name).ok_or_else(|| {
            file.wrong_layer(
                layer,
                "command",
                format!("there is no program `{name}`"),
                "a path from the campaign's folder, or a name that PATH finds",
            )
        })?;
        let in_flight = spec.in_flight.unwrap_or(1);
        let processes = spec.concurrency().div_ceil(in_flight);
        Ok(Process {
            program,
            arguments: spec.command[1..].to_vec(),
            folder,
            environment: ENVIRONMENT.map(str::to_owned).into_iter().chain(spec.env.iter().cloned()).collect(),
            slots: std::iter::repeat_with(Slot::default).take(processes).collect(),
            next: AtomicU64::new(1),
            timeout: Duration::from_secs_f64(spec.timeout.unwrap_or(60.0)),
            start_timeout: Duration::from_secs_f64(spec.start_timeout.unwrap_or(120.0)),
            threshold: spec.threshold.zip(spec.fails_when),
        })
    }

    fn start(&self) -> std::result::Result<Arc<Running>, Trouble> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder).env_clear().kill_on_drop(true);
        command.envs(self.environment.iter().filter_map(|k| Some((k, std::env::var_os(k)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C at the terminal is for us: the children go on until the calls in flight have come back.
        #[cfg(unix)]
        command.process_group(0);
        let cannot = |e: std::io::Error| Trouble::passing(format!("the program cannot be started: {e}"));
        let mut child = command.spawn().map_err(cannot)?;
        let missing = || Trouble::passing("the program has no standard streams");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let (sender, stop) = oneshot::channel();
        let running = Arc::new(Running {
            stdin: tokio::sync::Mutex::new(stdin),
            waiting: Mutex::new(Waiting::new()),
            dead: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            stop: Mutex::new(Some(sender)),
        });
        tokio::spawn(watch(child, Arc::clone(&running), stop));
        Ok(running)
    }

    /// One request, one answer.
    pub(super) async fn request(&self, ask: &Ask<'_>) -> std::result::Result<Value, Trouble> {
        let slot = self.slots.iter().min_by_key(|s| s.busy.load(Ordering::Relaxed)).ok_or_else(|| Trouble::lasting("no process"))?;
        slot.busy.fetch_add(1, Ordering::Relaxed);
        let _free = OnDrop(|| {
            slot.busy.fetch_sub(1, Ordering::Relaxed);
        });
        let running = {
            let mut held = slot.child.lock().await;
            match held.as_ref().filter(|r| !r.dead.load(Ordering::Acquire)) {
                Some(r) => Arc::clone(r),
                None => Arc::clone(held.insert(self.start()?)),
            }
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        running.waiting().insert(id, sender);
        // A call that is dropped, or gives up, leaves a child behind that may still be busy with it.
        let gone = OnDrop(|| {
            if running.waiting().remove(&id).is_some() {
                running.end(None);
            }
        });
        if running.dead.load(Ordering::Acquire) {
            running.waiting().remove(&id);
            return Err(Trouble { again: Again::Now, ..Trouble::passing("the process had just ended") });
        }
        let mut line = json!({"id": id, "stage": ask.stage.word(), "trial": ask.trial, "messages": messages(ask)});
        if let Some(output) = ask.output.filter(|_| ask.stage.after_the_model()) {
            line["output"] = json!(output);
        }
        let mut line = line.to_string();
        line.push('\n');
        let limit = if running.answered.load(Ordering::Relaxed) { self.timeout } else { self.start_timeout };
        let talk = async {
            let mut stdin = running.stdin.lock().await;
            // A child that has ended is noticed, and explained, by its reader.
            let _ = stdin.write_all(line.as_bytes()).await;
            drop(stdin);
            answer.await.unwrap_or_else(|_| Err(Trouble::passing("the process ended")))
        };
        let result = tokio::time::timeout(limit, talk).await;
        drop(gone);
        result.unwrap_or_else(|_| Err(Trouble::passing(format!("no answer within {} s", limit.as_secs_f64()))))
    }
}

/// Runs its function when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Reads a child's answers until it ends or is told to stop.
async fn watch(mut child: Child, running: Arc<Running>, mut stop: oneshot::Receiver<()>) {
    let Some(stdout) = child.stdout.take() else { return };
    // What a library prints must be read, or the child blocks; the last line explains a child that never answered.
    let last_words = Arc::new(Mutex::new(String::new()));
    if let Some(stderr) = child.stderr.take() {
        let last_words = Arc::clone(&last_words);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr);
            let mut bytes = Vec::new();
            while matches!((&mut lines).take(MAX_LINE).read_until(b'\n', &mut bytes).await, Ok(n) if n > 0) {
                let text = String::from_utf8_lossy(&bytes).trim().chars().take(160).collect::<String>();
                if !text.is_empty()
                    && let Ok(mut words) = last_words.lock()
                {
                    *words = text;
                }
                bytes.clear();
            }
        });
    }
    let mut lines = BufReader::new(stdout);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = tokio::select! {
            _ = &mut stop => None,
            n = async { (&mut lines).take(MAX_LINE).read_until(b'\n', &mut bytes).await } => n.ok().filter(|n| *n > 0),
        };
        if read.is_none() {
            break;
        }
        if bytes.len() as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
            running.end(Some(Trouble::unparsed(format!("the answer is longer than {MAX_LINE} bytes"))));
            break;
        }
        let trimmed = bytes.trim_ascii();
        if !trimmed.starts_with(b"{") {
            continue;
        }
        let parsed = super::endpoint::json_of(trimmed);
        running.answered.store(true, Ordering::Relaxed);
        let mut waiting = running.waiting();
        let id = parsed.as_ref().ok().and_then(|v| v.get("id")).and_then(Value::as_u64);
        let sender = match id {
            Some(id) => waiting.remove(&id),
            // Nobody knows whose answer it was meant to be: with one request in flight there is no doubt, else it was the oldest's turn.
            None => waiting.pop_first().map(|x| x.1),
        };
        drop(waiting);
        if let Some(sender) = sender {
            let said = match id {
                Some(_) => parsed,
                None => Err(parsed.err().unwrap_or_else(|| Trouble::unparsed("the answer has no id"))),
            };
            let _ = sender.send(said);
        }
    }
    // Whoever waits is told why before the child is buried.
    let ended = tokio::time::timeout(Duration::from_millis(200), child.wait()).await;
    let how = match ended {
        Ok(Ok(status)) => status.to_string(),
        _ => {
            let _ = child.kill().await;
            "it closed its output".to_owned()
        }
    };
    let words = last_words.lock().map(|w| w.clone()).unwrap_or_default();
    let started = running.answered.load(Ordering::Relaxed);
    // A traceback may quote the prompt; one before the first answer is about starting.
    let more = if started || words.is_empty() { String::new() } else { format!(": {words}") };
    running.end(Some(Trouble::passing(format!("the process ended ({how}){more}"))));
}

impl Layer for Process {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        Box::pin(async move {
            let answer = self.request(&ask).await?;
            // The id counts calls; a reply is the same whenever it was asked for.
            let mut raw = answer.clone();
            raw.as_object_mut().map(|o| o.remove("id"));
            Ok(Reply::one(verdict(&answer, self.threshold)?, raw.to_string()))
        })
    }
}

#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(v) = super::endpoint::json_of(bytes) {
        let _ = verdict(&v, Some((0.5, coincide::FailsWhen::Below)));
    }
}
