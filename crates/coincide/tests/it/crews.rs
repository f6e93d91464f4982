//! Computations that several members share, as machines of a cluster do.

use crate::support::{agentdojo, quick};
use coincide::{AnalyzeOptions, Crew, FitOptions, Next, Pieces, analyze, as_member, fit};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex};

/// What members know of each other. It deals out a piece at a time, the last ones first.
#[derive(Default)]
struct Board {
    loops: Mutex<BTreeMap<u64, Loop>>,
    changed: Condvar,
}

#[derive(Default)]
struct Loop {
    pieces: Option<Pieces>,
    dealt: BTreeMap<usize, usize>,
    done: BTreeMap<usize, (usize, Vec<u8>)>,
}

struct Member {
    board: Arc<Board>,
    number: usize,
    /// Dies with a piece in its hands once it has handed in so many.
    dies_after: Option<usize>,
    handed_in: Mutex<usize>,
}

impl Crew for Member {
    fn exchange(&self, pieces: &Pieces, finished: Vec<(usize, Vec<u8>)>) -> Next {
        let mut loops = self.board.loops.lock().unwrap();
        *self.handed_in.lock().unwrap() += finished.len();
        let here = loops.entry(pieces.at).or_default();
        assert_eq!(here.pieces.get_or_insert_with(|| pieces.clone()), pieces, "all members come to the same loops");
        here.done.extend(finished.into_iter().map(|(i, bytes)| (i, (self.number, bytes))));
        self.board.changed.notify_all();
        let mut mine = None;
        let loops = self
            .board
            .changed
            .wait_while(loops, |loops| {
                let here = loops.get_mut(&pieces.at).unwrap();
                mine = (0..pieces.many).rev().find(|i| !here.dealt.contains_key(i));
                if let Some(i) = mine {
                    here.dealt.insert(i, self.number);
                }
                mine.is_none() && here.done.len() < pieces.many
            })
            .unwrap();
        if self.dies_after.is_some_and(|n| *self.handed_in.lock().unwrap() >= n) {
            drop(loops);
            resume_unwind(Box::new("dead"));
        }
        match mine {
            Some(i) => Next::Compute(vec![i]),
            None => Next::Done(loops[&pieces.at].done.values().map(|d| d.1.clone()).collect()),
        }
    }
}

/// Runs `work` with three members, of which the last dies midway; what the others got, and how many pieces each of the three computed.
fn shared<T: Send>(work: impl Fn() -> T + Sync) -> (Vec<T>, BTreeMap<usize, usize>, BTreeSet<String>) {
    let board = Arc::new(Board::default());
    let results = std::thread::scope(|scope| {
        let member = |number: usize| {
            let (board, work) = (Arc::clone(&board), &work);
            scope.spawn(move || {
                let dies_after = (number == 2).then_some(3);
                let crew = Arc::new(Member { board: Arc::clone(&board), number, dies_after, handed_in: Mutex::new(0) });
                let result = catch_unwind(AssertUnwindSafe(|| as_member(crew, work)));
                if result.is_err() {
                    // Somebody noticed: what it had is free again.
                    board.loops.lock().unwrap().values_mut().for_each(|l| l.dealt.retain(|i, who| *who != number || l.done.contains_key(i)));
                    board.changed.notify_all();
                }
                result
            })
        };
        let threads: Vec<_> = (0..3).map(member).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(results[2].is_err(), "the last member died");
    let loops = board.loops.lock().unwrap();
    let mut by = BTreeMap::new();
    loops.values().flat_map(|l| l.done.values()).for_each(|d| *by.entry(d.0).or_default() += 1);
    let names = loops.values().filter_map(|l| l.pieces.as_ref()).map(|p| p.name.clone()).collect();
    (results.into_iter().take(2).map(|r| r.ok().unwrap()).collect(), by, names)
}

#[test]
fn members_get_what_one_machine_gets_though_one_dies() {
    let table = agentdojo(&["suite"], &["user_task", "injection_task"], true);
    let options = AnalyzeOptions { replicates: 2000, ..AnalyzeOptions::default() };
    let alone = analyze(&table, &options, &|_, _, _| {}).unwrap();
    let (together, by, names) = shared(|| analyze(&table, &options, &|_, _, _| {}).unwrap());
    assert!(together.iter().all(|a| *a == alone));
    assert!(by[&0] > 0 && by[&1] > 0 && by[&2] >= 3, "{by:?}");
    assert_eq!(names, ["bootstrap replicates", "permutations of strata"].map(str::to_owned).into());
}

#[test]
fn models_are_fitted_together_to_the_same_digits() {
    let table = agentdojo(&["suite"], &["user_task"], false);
    let analysis = quick(&table);
    let names = ["independent", "empirical", "latent-class", "factor+common-mode", "stratified(factor)"];
    let options = FitOptions {
        models: names.map(str::to_owned).into(),
        draws: 400,
        refits: 20,
        claims: vec!["beta<=1e-1@0.9".parse().unwrap()],
        ..FitOptions::default()
    };
    let alone = fit(&table, &analysis, &options, &|_, _, _| {}).unwrap();
    let (together, by, loops) = shared(|| fit(&table, &analysis, &options, &|_, _, _| {}).unwrap());
    assert!(together.iter().all(|f| *f == alone));
    assert!(by[&0] > 10 && by[&1] > 10, "{by:?}");
    for name in ["starts", "folds", "chains", "refits", "readings of draws", "nodes of draws", "patterns under draws", "weights of patterns"] {
        assert!(loops.contains(name), "{name}: {loops:?}");
    }
}

#[test]
fn members_that_are_given_different_things_can_be_told() {
    struct Notes(Mutex<Vec<Pieces>>);
    impl Crew for Notes {
        fn exchange(&self, pieces: &Pieces, finished: Vec<(usize, Vec<u8>)>) -> Next {
            if finished.is_empty() {
                self.0.lock().unwrap().push(pieces.clone());
                return Next::Compute((0..pieces.many).collect());
            }
            Next::Done(finished.into_iter().map(|f| f.1).collect())
        }
    }
    let first = |clusters: &[&str], seed: u64| {
        let (crew, table) = (Arc::new(Notes(Mutex::default())), agentdojo(&[], clusters, false));
        let options = AnalyzeOptions { replicates: 200, seed: coincide::Seed(seed), ..AnalyzeOptions::default() };
        as_member(crew.clone(), || analyze(&table, &options, &|_, _, _| {}).unwrap());
        let all = crew.0.lock().unwrap();
        all[0].clone()
    };
    let one = first(&["user_task"], 1);
    assert_eq!(one, first(&["user_task"], 1));
    for other in [first(&["user_task"], 2), first(&["injection_task"], 1)] {
        assert_eq!((one.at, &one.name, one.many), (other.at, &other.name, other.many));
        assert_ne!(one.given, other.given);
    }
}

#[test]
fn a_member_leaves_when_its_work_unwinds() {
    struct Never;
    impl Crew for Never {
        fn exchange(&self, _: &Pieces, _: Vec<(usize, Vec<u8>)>) -> Next {
            resume_unwind(Box::new("over"))
        }
    }
    let table = agentdojo(&[], &["user_task"], false);
    let ended = catch_unwind(AssertUnwindSafe(|| as_member(Arc::new(Never), || quick(&table))));
    assert!(ended.is_err());
    // This thread computes by itself again.
    assert_eq!(quick(&table), quick(&table));
}
