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

/// What the whole run may still spend.
pub(crate) struct Purse {
    pub calls: AtomicU64,
    pub most_calls: u64,
    cost: Mutex<f64>,
    most_cost: f64,
    deadline: Option<Instant>,
    /// No new call is begun.
    pub stop: watch::Sender<bool>,
    pub why: Mutex<Option<String>>,
}

impl Purse {
    pub(crate) fn new(calls: Option<u64>, cost: Option<f64>, minutes: Option<f64>) -> Self {
        Purse {
            calls: AtomicU64::new(0),
            most_calls: calls.unwrap_or(u64::MAX),
            cost: Mutex::new(0.0),
            most_cost: cost.unwrap_or(f64::INFINITY),
            deadline: minutes.map(|m| Instant::now() + Duration::from_secs_f64(m * 60.0)),
            stop: watch::Sender::new(false),
            why: Mutex::new(None),
        }
    }

    /// What earlier runs spent.
    pub(crate) fn spent(&self, calls: u64, cost: f64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        *self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += cost;
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
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            self.end("the time of the budget is over");
            return false;
        }
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.most_calls {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            self.end("the calls of the budget are spent");
            return false;
        }
        if cost > 0.0 {
            let mut sum = self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Half a unit in the last place of a sum of many costs must not cost a call.
            if *sum + cost > self.most_cost * (1.0 + 1e-9) {
                drop(sum);
                self.calls.fetch_sub(1, Ordering::Relaxed);
                self.end("the cost of the budget is spent");
                return false;
            }
            *sum += cost;
        }
        true
    }
}

#[derive(Default)]
struct Circuit {
    errors: u32,
    trips: u32,
    /// Closed again at this time, by one call that tries.
    open_until: Option<Instant>,
    trying: bool,
}

/// A layer and the state of its calls.
pub(crate) struct Caller {
    pub unit: Unit,
    permits: Semaphore,
    rate: Option<DefaultDirectRateLimiter>,
    circuit: Mutex<Circuit>,
    pub given_up: AtomicBool,
    seed: Seed,
    index: u64,
}

/// What became of one unit on one trial.
pub(crate) struct Called {
    pub cells: Vec<Cell>,
    pub raw: Vec<u8>,
    pub output: Option<String>,
}

/// Leave to make a call.
enum Leave {
    Go,
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
        match c.open_until {
            None => Leave::Go,
            Some(until) => {
                let now = Instant::now();
                if now >= until && !c.trying {
                    c.trying = true;
                    return Leave::Go;
                }
                Leave::Wait(until.saturating_duration_since(now).max(Duration::from_millis(50)))
            }
        }
    }

    /// Counts how a call ended; one that says something about the layer closes the circuit.
    fn learn(&self, failed: bool) {
        let mut c = self.circuit();
        if !failed {
            *c = Circuit::default();
            return;
        }
        c.errors += 1;
        if c.errors < self.unit.breaker {
            return;
        }
        c.trying = false;
        // Calls that were in flight when the circuit opened are no new tries.
        if c.open_until.is_none_or(|u| Instant::now() >= u) {
            c.trips += 1;
            if c.trips > TRIPS {
                self.given_up.store(true, Ordering::Relaxed);
                return;
            }
            let wait = (FIRST_WAIT * f64::from(1u32 << c.trips)).min(LONGEST_WAIT);
            c.open_until = Some(Instant::now() + Duration::from_secs_f64(wait));
        }
    }

    /// Asks about one trial until there is an outcome or a reason why there is none. `None` when the run ends first, or the layer is given up: the cell stays open.
    /// A call that is on its way when the run ends is waited for; only waiting ends at once.
    pub(crate) async fn call(&self, ask: Ask<'_>, number: u64, purse: &Purse) -> Option<Called> {
        let mut calls = 0;
        let mut tries = 0;
        let mut unlucky = 0;
        loop {
            let (result, took) = {
                let _permit = match self.permits.try_acquire() {
                    Ok(permit) => permit,
                    Err(_) => purse.unless_ended(self.permits.acquire()).await?.ok()?,
                };
                loop {
                    match self.leave() {
                        Leave::Go => break,
                        Leave::Wait(time) => purse.unless_ended(tokio::time::sleep(time)).await?,
                        Leave::Never => return None,
                    }
                }
                if let Some(rate) = &self.rate {
                    purse.unless_ended(rate.until_ready()).await?;
                }
                if !purse.take(self.unit.cost) {
                    return None;
                }
                calls += 1;
                let began = Instant::now();
                let result = tokio::time::timeout(self.unit.timeout, self.unit.layer.ask(ask)).await;
                (result, began.elapsed())
            };
            let result = result.unwrap_or_else(|_| Err(Trouble::passing(format!("no answer within {} s", self.unit.timeout.as_secs_f64()))));
            let trouble = match result {
                Ok(reply) if reply.verdicts.len() == self.unit.columns.len() => {
                    self.learn(false);
                    return Some(self.called(reply, took, calls));
                }
                Ok(reply) => Trouble::unparsed(format!("{} verdicts where {} were expected", reply.verdicts.len(), self.unit.columns.len())),
                Err(t) => t,
            };
            if trouble.again == Again::Now && unlucky < UNLUCKY {
                unlucky += 1;
                continue;
            }
            // A layer that answers, if only nonsense or "not this", is there.
            self.learn(trouble.again != Again::No);
            let wait = match trouble.again {
                Again::No => None,
                _ if tries >= self.unit.retries => None,
                Again::After(time) => Some(time),
                Again::Later | Again::Now => {
                    let limit = (FIRST_WAIT * 2f64.powi(tries as i32)).min(LONGEST_WAIT);
                    let stream = number.wrapping_mul(4096).wrapping_add(self.index * 64 + u64::from(tries));
                    Some(Duration::from_secs_f64(self.seed.stream(Purpose::Retries, stream).random::<f64>() * limit))
                }
            };
            let Some(wait) = wait else {
                // An open circuit means that the layer is away: its cells are not errors but open.
                if trouble.again != Again::No && (self.circuit().open_until.is_some() || self.given_up.load(Ordering::Relaxed)) {
                    if self.given_up.load(Ordering::Relaxed) {
                        return None;
                    }
                    tries = 0;
                    continue;
                }
                let verdict = Verdict::missing(trouble.outcome, self.without_secrets(&trouble.why));
                let verdicts = vec![verdict; self.unit.columns.len()];
                return Some(self.called(Reply { verdicts, output: None, raw: Vec::new() }, took, calls));
            };
            tries += 1;
            purse.unless_ended(tokio::time::sleep(wait)).await?;
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        self.unit.secrets.iter().fold(text.to_owned(), |t, s| t.replace(s.as_str(), "[secret]"))
    }

    fn called(&self, reply: Reply, took: Duration, calls: u32) -> Called {
        let latency = took.as_micros() as u64;
        let hash: Option<[u8; 32]> = (!reply.raw.is_empty()).then(|| Sha256::digest(&reply.raw).into());
        let first = self.unit.first;
        let cell = |(i, mut verdict): (usize, Verdict)| {
            verdict.reason = verdict.reason.map(|r| self.without_secrets(&r));
            // The calls of one request stand with its first column.
            Cell { column: first + i, verdict, latency, calls: if i == 0 { calls } else { 0 }, reply: hash }
        };
        let cells = reply.verdicts.into_iter().enumerate().map(cell).filter(|c| c.verdict.outcome != Outcome::NotRun).collect();
        let mut raw = reply.raw;
        if !self.unit.secrets.is_empty() && !raw.is_empty() {
            raw = self.without_secrets(&String::from_utf8_lossy(&raw)).into_bytes();
        }
        Called { cells, raw, output: reply.output }
    }
}
