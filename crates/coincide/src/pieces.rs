//! Long loops in numbered pieces, which other machines may take a share of.
//!
//! Every machine runs the same computation from the start. Where a loop is long it is cut into pieces; a [`Crew`] deals them out, and hands the results of
//! all pieces to everybody, so that all go on alike. Pieces draw from random streams of their own numbers, so who computes one does not show in its digits. What
//! lies between loops is computed by everybody again, which costs nothing but electricity: nobody would have been faster.
//!
//! Without a crew, and on threads of a pool, all pieces are computed here.

use rayon::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// Who computes the pieces of a loop.
pub trait Crew: Send + Sync {
    /// Hands in the results of finished pieces and says what comes next. Called with nothing finished when a loop begins; returns as soon as there is something
    /// to do, or nothing left to do. May unwind to end the computation.
    fn exchange(&self, pieces: &Pieces, finished: Vec<(usize, Vec<u8>)>) -> Next;
}

/// One loop: the same for everybody who computes the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pieces {
    /// How many loops went before.
    pub at: u64,
    /// What is computed.
    pub name: String,
    /// How many pieces there are, numbered from 0.
    pub many: usize,
    /// A hash of the tables, beliefs and options that were given so far: members that differ in it compute different things.
    pub given: u64,
}

/// What a crew says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Compute these pieces.
    Compute(Vec<usize>),
    /// Here are the results of all pieces, in order.
    Done(Vec<Vec<u8>>),
}

struct Member {
    crew: Arc<dyn Crew>,
    /// Loops so far.
    loops: u64,
    /// All that was given so far.
    given: DefaultHasher,
}

thread_local! {
    static MEMBER: RefCell<Option<Member>> = const { RefCell::new(None) };
}

/// Runs `work` on this thread as one of a crew, whose other members run the same with the same inputs, options and version.
///
/// Returns what `work` returns: the same digits as without a crew, on machines whose floating-point arithmetic is the same. One thread can be a member of one crew
/// at a time.
///
/// Panics on a thread of rayon's pool, which may take up other work while it waits.
///
/// ```
/// use coincide::{AnalyzeOptions, Columns, Crew, Next, Outcome::{Failed, Held}, Pieces, TableBuilder, TrialRow, analyze, as_member};
/// use std::{collections::BTreeMap, sync::{Arc, Mutex}};
///
/// /// A crew of one: it computes a piece at a time.
/// #[derive(Default)]
/// struct Alone(Mutex<BTreeMap<u64, Vec<Vec<u8>>>>);
/// impl Crew for Alone {
///     fn exchange(&self, pieces: &Pieces, finished: Vec<(usize, Vec<u8>)>) -> Next {
///         let mut all = self.0.lock().unwrap();
///         let list = all.entry(pieces.at).or_default();
///         list.extend(finished.into_iter().map(|(_, bytes)| bytes));
///         if list.len() < pieces.many { Next::Compute(vec![list.len()]) } else { Next::Done(list.clone()) }
///     }
/// }
///
/// let mut b = TableBuilder::new(Columns { layers: vec!["filter".into(), "judge".into()], ..Columns::default() })?;
/// for (outcomes, n) in [([Failed, Failed], 6), ([Failed, Held], 9), ([Held, Held], 85)] {
///     (0..n).for_each(|_| b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() }));
/// }
/// let table = b.finish();
/// let crew = Arc::new(Alone::default());
/// let options = AnalyzeOptions::default();
/// let together = as_member(crew.clone(), || analyze(&table, &options, &|_, _, _| {}))?;
/// assert_eq!(together, analyze(&table, &options, &|_, _, _| {})?);
/// // 2000 bootstrap replicates in pieces of 128.
/// assert_eq!(crew.0.lock().unwrap()[&0].len(), 16);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn as_member<T>(crew: Arc<dyn Crew>, work: impl FnOnce() -> T) -> T {
    /// Leaves the crew, also when the work unwinds.
    struct Leave(Option<Member>);
    impl Drop for Leave {
        fn drop(&mut self) {
            let before = self.0.take();
            MEMBER.with_borrow_mut(|m| *m = before);
        }
    }
    assert!(rayon::current_thread_index().is_none(), "members are threads of their own");
    let _leave = Leave(MEMBER.replace(Some(Member { crew, loops: 0, given: DefaultHasher::new() })));
    work()
}

/// Takes down what a computation is given, for members to tell whether they compute the same. Without a crew it does nothing.
pub(crate) fn given(what: &dyn Debug) {
    MEMBER.with_borrow_mut(|member| {
        if let Some(member) = member {
            // Hashing cannot fail.
            let _ = write!(Hashed(&mut member.given), "{what:?}");
        }
    });
}

/// Text that is hashed as it is written.
struct Hashed<'a>(&'a mut DefaultHasher);

impl Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The results of all pieces of a loop, in order. `name` says what is computed.
///
/// Members of a crew come here in the same order only where the code around is not parallel itself: on threads of a pool everything is computed here.
pub(crate) fn pieces<R: Serialize + DeserializeOwned + Send>(name: &str, many: usize, piece: impl Fn(usize) -> R + Sync) -> Vec<R> {
    // A loop within a piece is no loop of the crew.
    let Some(mut member) = MEMBER.take() else {
        return (0..many).into_par_iter().map(&piece).collect();
    };
    let all = Pieces { at: member.loops, name: name.to_owned(), many, given: member.given.finish() };
    let mut finished = Vec::new();
    let results = loop {
        match member.crew.exchange(&all, std::mem::take(&mut finished)) {
            Next::Compute(list) => finished = list.into_par_iter().map(|i| (i, packed(&piece(i)))).collect(),
            Next::Done(results) => break results,
        }
    };
    member.loops += 1;
    MEMBER.set(Some(member));
    assert_eq!(results.len(), many, "a crew hands in every piece of `{name}`");
    results.iter().map(|bytes| unpacked(name, bytes)).collect()
}

/// `one(i)` for all i below `many`, in pieces of `size`.
pub(crate) fn in_blocks<R: Serialize + DeserializeOwned + Send>(name: &str, many: usize, size: usize, one: impl Fn(usize) -> R + Sync) -> Vec<R> {
    in_blocks_with(name, many, size, || (), |(), i| one(i))
}

/// The same with buffers of each piece's own.
pub(crate) fn in_blocks_with<R: Serialize + DeserializeOwned + Send, B>(
    name: &str,
    many: usize,
    size: usize,
    buffers: impl Fn() -> B + Sync,
    one: impl Fn(&mut B, usize) -> R + Sync,
) -> Vec<R> {
    let range = |b: usize| -> Range<usize> { b * size..((b + 1) * size).min(many) };
    let blocks = pieces(name, many.div_ceil(size), |b| {
        let mut own = buffers();
        range(b).map(|i| one(&mut own, i)).collect::<Vec<R>>()
    });
    blocks.into_iter().flatten().collect()
}

fn packed<R: Serialize>(result: &R) -> Vec<u8> {
    postcard::to_allocvec(result).expect("results of pieces are plain data")
}

fn unpacked<R: DeserializeOwned>(name: &str, bytes: &[u8]) -> R {
    postcard::from_bytes(bytes).unwrap_or_else(|e| panic!("a piece of `{name}` comes from another version: {e}"))
}
