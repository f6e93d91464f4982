//! One layer's calls: how many at once, how many a second, how long, how often again, and when to leave the layer alone.
//!
//! Waits before trying again double from half a second to a minute, with full jitter (each is drawn evenly between 0 and its limit) from the campaign's seed. After
//! `breaker` errors in a row the circuit opens: nothing is asked for a while, then one call tries whether the layer is back. After [`TRIPS`] vain tries the layer is
//! given up in this run; its open cells stay open for `--resume`.

use crate::journal::Cell;
use crate::layer::{Again, Ask, Outcome, Reply, Trouble, Unit, Verdict};
use coincide::{Purpose, Seed};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::Rng;
use sha2::{Digest, Sha256};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Vain tries before a layer is given up.
const TRIPS: u32 = 5;
/// First and longest wait before a try.
const FIRST_WAIT: f64 = 0.5;
const LONGEST_WAIT: f64 = 60.0;
/// Times that a call may be asked again through no fault of its own.
const UNLUCKY: u32 = 50;
/// An endpoint that asks for no time at all gets some.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

const CALLS: &str = "the calls of the budget are spent";
const COST: &str = "the cost of the budget is spent";

/// What the whole run may still spend.
pub(crate) struct Purse {
    pub calls: AtomicU64,
    pub most_calls: u64,
    cost: Mutex<f64>,
    most_cost: f64,
    /// No new call is begun.
    pub stop: watch::Sender<bool>,
    /// What is in flight is dropped.
    pub abort: watch::Sender<bool>,
    pub why: Mutex<Option<String>>,
}

impl Purse {
    pub(crate) fn new(calls: Option<u64>, cost: Option<f64>) -> Self {
        Purse {
            calls: AtomicU64::new(0),
            most_calls: calls.unwrap_or(u64::MAX),
            cost: Mutex::new(0.0),
            most_cost: cost.unwrap_or(f64::INFINITY),
            stop: watch::Sender::new(false),
            abort: watch::Sender::new(false),
            why: Mutex::new(None),
        }
    }

    /// Takes out what was spent already.
    pub(crate) fn spent(&self, calls: u64, cost: f64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        *self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += cost;
    }

    /// Ends the run before it begins where nothing is left of the budget.
    pub(crate) fn check(&self) {
        if self.calls.load(Ordering::Relaxed) >= self.most_calls {
            self.end(CALLS);
        } else if self.most_cost.is_finite() && self.cost() >= self.most_cost {
            self.end(COST);
        }
    }

    pub(crate) fn cost(&self) -> f64 {
        *self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Ends the run after what is in flight; the first reason counts.
    pub(crate) fn end(&self, why: impl Into<String>) {
        self.why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert_with(|| why.into());
        self.stop.send_replace(true);
    }

    pub(crate) fn ended(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits, but not beyond the end of the run.
    async fn unless_ended<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            done = waiting => Some(done),
            _ = stop.wait_for(|s| *s) => None,
        }
    }

    /// Takes one call out; false once it is empty.
    fn take(&self, cost: f64) -> bool {
        if self.ended() {
            return false;
        }
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.most_calls {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            self.end(CALLS);
            return false;
        }
        if cost > 0.0 {
            let mut sum = self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Half a unit in the last place of a sum of many costs must not cost a call.
            if *sum + cost > self.most_cost * (1.0 + 1e-9) {
                drop(sum);
                self.calls.fetch_sub(1, Ordering::Relaxed);
                self.end(COST);
                return false;
            }
            *sum += cost;
        }
        true
    }
}

#[derive(Default)]
struct Circuit {
    /// Counts openings: a call that was begun before one says nothing about the time after it.
    epoch: u64,
    errors: u32,
    trips: u32,
    /// Closed again at this time, by one call that tries.
    open_until: Option<Instant>,
    trying: bool,
    /// The endpoint asked to be left alone until then.
    paused_until: Option<Instant>,
    answered: bool,
    /// Lasting errors before the first answer: a wrong key or address.
    lasting: u32,
}

/// A layer and the state of its calls.
pub(crate) struct Caller {
    pub unit: Unit,
    permits: Semaphore,
    rate: Option<DefaultDirectRateLimiter>,
    circuit: Mutex<Circuit>,
    pub given_up: AtomicBool,
    /// Calls over all runs, retries included.
    pub calls: AtomicU64,
    seed: Seed,
    index: u64,
}

/// What became of one unit on one trial.
pub(crate) struct Called {
    pub cells: Vec<Cell>,
    /// There is no answer because of this one question; others may have one.
    pub refused: bool,
    pub raw: Vec<u8>,
    pub output: Option<String>,
}

/// What a call said about its layer.
enum Ended {
    /// It is there.
    Answer,
    /// Nothing.
    Nothing,
    /// It asked to be left alone for that long.
    Paused(Duration),
    /// It is there and refuses.
    Lasting,
    /// It may be away.
    Error,
}

/// Leave to make a call.
enum Leave {
    /// In this epoch of the circuit.
    Go(u64),
    Wait(Duration),
    Never,
}

impl Caller {
    pub(crate) fn new(unit: Unit, index: usize, seed: Seed) -> Self {
        let quota = |rate: f64| {
            let period = Duration::from_secs_f64((1.0 / rate).max(1e-9));
            // Up to a tenth of a second's calls at once: fast limits would else wait for the clock's ticks.
            let burst = NonZeroU32::new((rate / 10.0).floor().clamp(1.0, 1e9) as u32).unwrap_or(NonZeroU32::MIN);
            Quota::with_period(period).map(|q| q.allow_burst(burst))
        };
        Caller {
            permits: Semaphore::new(unit.concurrency),
            rate: unit.rate.and_then(quota).map(RateLimiter::direct),
            circuit: Mutex::new(Circuit::default()),
            given_up: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            seed,
            index: index as u64,
            unit,
        }
    }

    /// Whether the circuit is open or the layer given up.
    pub(crate) fn is_away(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.circuit().open_until.is_some()
    }

    fn circuit(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn leave(&self) -> Leave {
        if self.given_up.load(Ordering::Relaxed) {
            return Leave::Never;
        }
        let mut c = self.circuit();
        let now = Instant::now();
        if let Some(until) = c.paused_until.filter(|u| *u > now) {
            return Leave::Wait(until - now);
        }
        match c.open_until {
            None => Leave::Go(c.epoch),
            Some(until) => {
                if now >= until && !c.trying {
                    c.trying = true;
                    return Leave::Go(c.epoch);
                }
                Leave::Wait(until.saturating_duration_since(now).max(Duration::from_millis(50)))
            }
        }
    }

    /// Whether leave that was given in an epoch still stands.
    fn still(&self, epoch: u64) -> bool {
        let c = self.circuit();
        c.epoch == epoch && c.paused_until.is_none_or(|u| u <= Instant::now()) && !self.given_up.load(Ordering::Relaxed)
    }

    /// Learns from how a call of an epoch ended.
    fn learn(&self, epoch: u64, ended: Ended) {
        let mut c = self.circuit();
        if epoch != c.epoch {
            return;
        }
        match ended {
            Ended::Answer => {
                let paused_until = c.paused_until;
                *c = Circuit { epoch, answered: true, paused_until, ..Circuit::default() };
            }
            Ended::Nothing => c.trying = false,
            Ended::Paused(time) => {
                c.trying = false;
                let until = Instant::now() + time.max(SHORTEST_PAUSE);
                c.paused_until = Some(c.paused_until.map_or(until, |u| u.max(until)));
            }
            Ended::Lasting => {
                c.trying = false;
                c.lasting += 1;
                if !c.answered && c.lasting >= self.unit.breaker {
                    self.given_up.store(true, Ordering::Relaxed);
                }
            }
            Ended::Error => {
                c.trying = false;
                c.errors += 1;
                if c.errors < self.unit.breaker {
                    return;
                }
                c.epoch += 1;
                c.trips += 1;
                if c.trips > TRIPS {
                    self.given_up.store(true, Ordering::Relaxed);
                    return;
                }
                let wait = (FIRST_WAIT * f64::from(1u32 << c.trips)).min(LONGEST_WAIT);
                c.open_until = Some(Instant::now() + Duration::from_secs_f64(wait));
            }
        }
    }

    /// Asks about one trial until there is an outcome or a reason why there is none. `None` when the run ends first, or the layer is given up: the cell stays open.
    /// A call that is on its way when the run ends is waited for; only waiting ends at once.
    pub(crate) async fn call(&self, ask: Ask<'_>, number: u64, purse: &Purse) -> Option<Called> {
        let mut calls = 0;
        let mut tries = 0;
        let mut unlucky = 0;
        loop {
            let (result, took, epoch) = {
                let _permit = match self.permits.try_acquire() {
                    Ok(permit) => permit,
                    Err(_) => purse.unless_ended(self.permits.acquire()).await?.ok()?,
                };
                let epoch = loop {
                    match self.leave() {
                        Leave::Go(epoch) => {
                            if let Some(rate) = &self.rate {
                                purse.unless_ended(rate.until_ready()).await?;
                            }
                            // Waiting for the rate takes time, in which the layer may have asked to be left alone.
                            if self.still(epoch) {
                                break epoch;
                            }
                            self.learn(epoch, Ended::Nothing);
                        }
                        Leave::Wait(time) => purse.unless_ended(tokio::time::sleep(time)).await?,
                        Leave::Never => return None,
                    }
                };
                if self.unit.counts {
                    if !purse.take(self.unit.cost) {
                        return None;
                    }
                    calls += 1;
                    self.calls.fetch_add(1, Ordering::Relaxed);
                }
                let began = Instant::now();
                let mut abort = purse.abort.subscribe();
                let result = tokio::select! {
                    biased;
                    result = tokio::time::timeout(self.unit.timeout, self.unit.layer.ask(ask)) => result,
                    _ = abort.wait_for(|a| *a) => return None,
                };
                (result, began.elapsed(), epoch)
            };
            let result = result.unwrap_or_else(|_| Err(Trouble::passing(format!("no answer within {} s", self.unit.timeout.as_secs_f64()))));
            let trouble = match result {
                Ok(reply) if reply.verdicts.len() == self.unit.columns.len() => {
                    self.learn(epoch, Ended::Answer);
                    let more = reply.calls.saturating_sub(1);
                    self.charge(more, purse);
                    return Some(self.called(reply, &ask, took, calls + more));
                }
                Ok(reply) => Trouble::unparsed(format!("{} verdicts where {} were expected", reply.verdicts.len(), self.unit.columns.len())),
                Err(t) => t,
            };
            let more = trouble.calls.saturating_sub(1);
            self.charge(more, purse);
            calls += more;
            self.learn(
                epoch,
                match (trouble.again, unlucky < UNLUCKY) {
                    (Again::Now, true) => Ended::Nothing,
                    (Again::After(time), true) => Ended::Paused(time),
                    (Again::Later | Again::Now | Again::After(_), _) => Ended::Error,
                    (Again::Refused, _) => Ended::Lasting,
                    (Again::No, _) => Ended::Answer,
                },
            );
            if matches!(trouble.again, Again::Now | Again::After(_)) && unlucky < UNLUCKY {
                // Not its fault; the pause is the whole layer's.
                unlucky += 1;
                continue;
            }
            let wait = match trouble.again {
                Again::No | Again::Refused => None,
                _ if tries >= self.unit.retries => None,
                Again::Later | Again::Now | Again::After(_) => {
                    let limit = (FIRST_WAIT * 2f64.powi(tries as i32)).min(LONGEST_WAIT);
                    let stream = number.wrapping_mul(4096).wrapping_add(self.index * 64 + u64::from(tries));
                    Some(Duration::from_secs_f64(self.seed.stream(Purpose::Retries, stream).random::<f64>() * limit))
                }
            };
            let Some(wait) = wait else {
                // An open circuit means that the layer is away: its cells are not errors but open.
                if !matches!(trouble.again, Again::No | Again::Refused) && self.is_away() {
                    if self.given_up.load(Ordering::Relaxed) {
                        return None;
                    }
                    tries = 0;
                    continue;
                }
                let verdict = Verdict::missing(trouble.outcome, self.without_secrets(&trouble.why));
                let verdicts = vec![verdict; self.unit.columns.len()];
                let refused = trouble.again == Again::No;
                return Some(Called { refused, ..self.called(Reply { verdicts, output: None, raw: Vec::new(), calls }, &ask, took, calls) });
            };
            tries += 1;
            purse.unless_ended(tokio::time::sleep(wait)).await?;
        }
    }

    /// Counts calls that a call turned out to need.
    fn charge(&self, more: u32, purse: &Purse) {
        self.calls.fetch_add(u64::from(more), Ordering::Relaxed);
        purse.spent(u64::from(more), f64::from(more) * self.unit.cost);
    }

    /// A text without the secrets that the layer was given, as they are and as JSON writes them.
    fn without_secrets(&self, text: &str) -> String {
        self.unit.secrets.iter().fold(text.to_owned(), |text, secret| {
            let json = serde_json::Value::from(secret.as_str()).to_string();
            let json = json.trim_matches('"');
            [secret.as_str(), json, &json.replace('/', "\\/")].iter().fold(text, |t, s| t.replace(s, "[secret]"))
        })
    }

    /// Whether a text of a reply quotes the prompt, what was said before, or the answer: such a text stays out of tables.
    fn quotes(text: &str, ask: &Ask<'_>) -> bool {
        const QUOTE: usize = 20;
        let places: Vec<usize> = text.char_indices().map(|c| c.0).chain([text.len()]).collect();
        let windows = places.windows(QUOTE + 1).map(|w| &text[w[0]..w[QUOTE]]);
        let said = |piece: &str| {
            ask.prompt.contains(piece) || ask.output.is_some_and(|o| o.contains(piece)) || ask.history.iter().any(|m| m.content.contains(piece))
        };
        windows.into_iter().any(said)
    }

    /// A label as a table may hold it: a short word, or nothing.
    fn label(&self, text: &str, ask: &Ask<'_>) -> Option<String> {
        let clean: String = self.without_secrets(text).chars().filter(|c| c.is_alphanumeric() || "-_./:+ []".contains(*c)).take(64).collect();
        let clean = clean.trim().to_owned();
        (!clean.is_empty() && !Self::quotes(&clean, ask)).then_some(clean)
    }

    fn called(&self, reply: Reply, ask: &Ask<'_>, took: Duration, calls: u32) -> Called {
        let latency = took.as_micros() as u64;
        let hash: Option<[u8; 32]> = (!reply.raw.is_empty()).then(|| Sha256::digest(&reply.raw).into());
        let first = self.unit.first;
        let cell = |(i, mut verdict): (usize, Verdict)| {
            verdict.reason =
                verdict.reason.map(|r| self.without_secrets(&r)).map(|r| if Self::quotes(&r, ask) { "[quotes the prompt]".into() } else { r });
            verdict.labels = verdict.labels.iter().take(32).filter_map(|l| self.label(l, ask)).collect();
            // The calls of one request stand with its first column.
            Cell { column: first + i, verdict, latency, calls: if i == 0 { calls } else { 0 }, reply: hash }
        };
        let cells = reply.verdicts.into_iter().enumerate().map(cell).filter(|c| c.verdict.outcome != Outcome::NotRun).collect();
        let (mut raw, mut output) = (reply.raw, reply.output);
        if !self.unit.secrets.is_empty() {
            raw = self.without_secrets(&String::from_utf8_lossy(&raw)).into_bytes();
            output = output.map(|o| self.without_secrets(&o));
        }
        Called { cells, refused: false, raw, output }
    }
}
