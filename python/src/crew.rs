//! Work that is shared with others: a Python function says which pieces to compute, and hands over the results of all.

use crate::task::Cancelled;
use coincide::{Crew, Next, Pieces, as_member};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the function on this thread takes part in.
struct Joined {
    exchange: Py<PyAny>,
    /// Computations so far: their loops are numbered from 0 each.
    computations: AtomicU64,
}

thread_local! {
    static JOINED: RefCell<Option<Arc<Joined>>> = const { RefCell::new(None) };
}

/// Calls `function`, sharing every computation in it.
///
/// `exchange(computation, loop, name, pieces, given, finished, threads)` gets the results of finished pieces as (number, bytes) and returns the pieces to compute next, or
/// the results of all, or neither, where there is nothing to do yet: (numbers, results), one of them `None`.
#[pyfunction]
pub(crate) fn in_crew(exchange: Py<PyAny>, function: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    struct Leave(Option<Arc<Joined>>);
    impl Drop for Leave {
        fn drop(&mut self) {
            JOINED.set(self.0.take());
        }
    }
    let _leave = Leave(JOINED.replace(Some(Arc::new(Joined { exchange, computations: AtomicU64::new(0) }))));
    Ok(function.call0()?.unbind())
}

/// One computation as a member.
pub(crate) struct Member {
    joined: Arc<Joined>,
    computation: u64,
    cancelled: Arc<AtomicBool>,
    /// What `exchange` raised.
    error: Mutex<Option<PyErr>>,
}

/// The member that a computation begun on this thread is, if any.
pub(crate) fn member(cancelled: &Arc<AtomicBool>) -> Option<Arc<Member>> {
    JOINED.with_borrow(|j| {
        j.as_ref().map(|joined| {
            let computation = joined.computations.fetch_add(1, Ordering::Relaxed);
            Arc::new(Member { joined: Arc::clone(joined), computation, cancelled: Arc::clone(cancelled), error: Mutex::default() })
        })
    })
}

impl Member {
    /// Does the work as a member; what `exchange` raised ends it.
    pub(crate) fn run<T>(self: Arc<Self>, work: impl FnOnce() -> T) -> PyResult<T> {
        let crew = Arc::clone(&self) as Arc<dyn Crew>;
        catch_unwind(AssertUnwindSafe(|| as_member(crew, work))).or_else(|panic| {
            let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
            error.map_or_else(|| resume_unwind(panic), Err)
        })
    }

    fn ask(&self, pieces: &Pieces, finished: Vec<(usize, Vec<u8>)>) -> PyResult<Option<Next>> {
        Python::attach(|py| {
            let finished: Vec<(usize, Bound<'_, PyBytes>)> = finished.into_iter().map(|(i, b)| (i, PyBytes::new(py, &b))).collect();
            let asked = (self.computation, pieces.at, &pieces.name, pieces.many, pieces.given, finished, rayon::current_num_threads());
            let (compute, results): (Option<Vec<usize>>, Option<Vec<Vec<u8>>>) = self.joined.exchange.call1(py, asked)?.extract(py)?;
            Ok(results.map(Next::Done).or(compute.map(Next::Compute)))
        })
    }
}

impl Crew for Member {
    fn exchange(&self, pieces: &Pieces, mut finished: Vec<(usize, Vec<u8>)>) -> Next {
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                resume_unwind(Box::new(Cancelled));
            }
            match self.ask(pieces, std::mem::take(&mut finished)) {
                Ok(Some(next)) => return next,
                Ok(None) => {}
                Err(error) => {
                    *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    resume_unwind(Box::new(Cancelled));
                }
            }
        }
    }
}
