//! Long work: without Python's lock, with progress, ended by Ctrl-C, and shared with a crew where one is set.

use crate::crew;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often signals are looked at, and progress is shown.
const TICK: Duration = Duration::from_millis(50);

/// Unwinds work that is not wanted any more: every long loop reports progress, and ends there.
pub(crate) struct Cancelled;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is being done, how much of it is, and how much there is.
    step: Option<(&'static str, u64, u64)>,
    ended: bool,
}

/// Tells how far work is: the step, how much of it is done, and how much there is.
pub(crate) type Report<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// Runs `work` on a thread of its own while this one looks at signals and calls `progress(step, done, total)`.
///
/// An exception of either (`KeyboardInterrupt` above all) ends the work at its next report of progress, and is returned.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(coincide::Progress<'_>) -> T + Send,
) -> PyResult<T> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let member = crew::member(&cancelled);
    run_until(py, progress, &|| cancelled.store(true, Ordering::Relaxed), |report| {
        let work = || {
            work(&|step, done, total| {
                if cancelled.load(Ordering::Relaxed) {
                    resume_unwind(Box::new(Cancelled));
                }
                report(step, done, total);
            })
        };
        match member {
            Some(member) => member.run(work),
            None => Ok(work()),
        }
    })?
}

/// The same for work that `stop` ends: it is called at every exception (a second Ctrl-C calls it again), and the work returns when it is ready to.
pub(crate) fn run_until<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: &(dyn Fn() + Sync),
    work: impl FnOnce(Report<'_>) -> T + Send,
) -> PyResult<T> {
    let callback = progress.map(|p| p.clone().unbind());
    let shared = Shared::default();
    let outcome = py.detach(|| {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let result = catch_unwind(AssertUnwindSafe(|| work(&|step, done, total| lock(&shared).step = Some((step, done, total)))));
                lock(&shared).ended = true;
                shared.changed.notify_all();
                result
            });
            let interrupted = watch(&shared, callback.as_ref(), stop);
            (join(worker), interrupted)
        })
    });
    match outcome {
        (_, Some(error)) => Err(error),
        (Ok(result), None) => Ok(result),
        (Err(panic), None) => resume_unwind(panic),
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, State> {
    // Nothing can panic while the lock is held.
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Caught<T> = Result<T, Box<dyn Any + Send>>;

fn join<T>(worker: std::thread::ScopedJoinHandle<'_, Caught<T>>) -> Caught<T> {
    worker.join().and_then(|caught| caught)
}

/// Waits for the end of the work; the exception that ended it early, if one did.
fn watch(shared: &Shared, callback: Option<&Py<PyAny>>, stop: &(dyn Fn() + Sync)) -> Option<PyErr> {
    let mut error = None;
    let mut shown = None;
    loop {
        let state = lock(shared);
        let (state, _) = shared.changed.wait_timeout_while(state, TICK, |s| !s.ended).unwrap_or_else(PoisonError::into_inner);
        let (step, ended) = (state.step, state.ended);
        drop(state);
        let seen = Python::attach(|py| -> PyResult<()> {
            py.check_signals()?;
            // Nothing more is shown once the work is to end.
            if let (Some(callback), Some(now), None) = (callback, step, &error)
                && shown != Some(now)
            {
                callback.call1(py, now)?;
                shown = Some(now);
            }
            Ok(())
        });
        if let Err(e) = seen {
            error.get_or_insert(e);
            stop();
        }
        if ended {
            return error;
        }
    }
}
