//! Searches against layers whose holes are known: how many queries each needs.

use super::{Access, Answer, Goal, Proposal, SearchName, Sees, Space};
use crate::operators::OPERATORS;
use coincide::{Purpose, Seed};

/// A layer with a hole: it fails where these operators are all in the sequence.
struct Holes(Vec<Vec<usize>>);

impl Holes {
    fn answers(&self, chain: &[usize]) -> Vec<Answer> {
        self.0.iter().map(|hole| Answer { failed: Some(hole.iter().all(|o| chain.contains(o))), score: None }).collect()
    }
}

fn space(operators: usize, depth: usize, layers: usize) -> Space {
    Space { operators: OPERATORS.iter().take(operators).collect(), depth, sides: vec![None; layers] }
}

/// Queries until something gets through, on one goal; `most` where nothing does.
fn queries(name: SearchName, access: Access, holes: &Holes, space: Space, seed: u64, most: u64) -> u64 {
    let mut search = name.start(space);
    let mut rng = Seed(seed).stream(Purpose::Search, 0);
    let mut goal = Goal { number: 0, prompts: 1, family: 0, tries: 0 };
    while goal.tries < most {
        let tried: Proposal = search.propose(goal, &mut rng);
        let answers = holes.answers(&tried.chain);
        goal.tries += 1;
        if answers.iter().all(|a| a.failed == Some(true)) {
            return goal.tries;
        }
        search.learn(goal, &tried, &access.view(&answers));
    }
    most
}

fn median(name: SearchName, access: Access, holes: &Holes, space: &Space) -> u64 {
    const SEEDS: u64 = 100;
    let mut list: Vec<u64> = (0..SEEDS).map(|seed| queries(name, access, holes, space.clone(), seed, 200_000)).collect();
    list.sort_unstable();
    list[SEEDS as usize / 2]
}

const ALONE: Access = Access { sees: Sees::Verdicts, separable: true };
const PIPELINE: Access = Access { sees: Sees::Verdicts, separable: false };
const BLOCK: Access = Access { sees: Sees::Block, separable: false };

/// Each of three layers has a hole of its own.
#[test]
fn searches_that_learn_need_at_most_half_of_the_queries_of_random_search() {
    let holes = Holes(vec![vec![3], vec![7], vec![11]]);
    let space = space(16, 4, 3);
    let random = median(SearchName::Random, ALONE, &holes, &space);
    for name in [SearchName::Stack, SearchName::Rainbow, SearchName::Bandit] {
        let needs = median(name, ALONE, &holes, &space);
        println!("{}: {needs} queries, random {random}", name.word());
        assert!(2 * needs <= random, "{}: {needs} queries, random {random}", name.word());
    }
}

/// What `stack` needs adds over layers where each shows its verdict, and multiplies where only the block is seen.
#[test]
fn queries_add_over_layers_or_multiply() {
    let needs = |access: Access| -> Vec<u64> {
        (1..=3)
            .map(|layers| {
                let holes = Holes((0..layers).map(|i| vec![5 * i + 2]).collect());
                median(SearchName::Stack, access, &holes, &space(16, 3, layers))
            })
            .collect()
    };
    let (alone, pipeline, block) = (needs(ALONE), needs(PIPELINE), needs(BLOCK));
    println!("alone {alone:?}, pipeline {pipeline:?}, block {block:?}");
    // One more layer costs about as many queries as the one before.
    assert!(alone[2] - alone[1] <= 2 * (alone[1] - alone[0]) + 4, "{alone:?}");
    assert!(alone[2] <= 4 * alone[0] + 8, "{alone:?}");
    // Which layer blocked is enough to go on layer by layer.
    assert!(pipeline[2] <= 2 * alone[2], "{pipeline:?} {alone:?}");
    // Without it every layer multiplies.
    assert!(block[1] >= 3 * block[0] && block[2] >= 3 * block[1], "{block:?}");
    assert!(block[2] >= 10 * alone[2], "{block:?} {alone:?}");
}

/// A hole that needs two operators at once, of which neither brings anything alone.
#[test]
fn a_hole_of_two_operators_is_found() {
    let holes = Holes(vec![vec![3, 7], vec![11]]);
    for name in [SearchName::Stack, SearchName::Rainbow, SearchName::Bandit] {
        let needs = median(name, ALONE, &holes, &space(12, 3, 2));
        println!("{}: {needs} queries", name.word());
        assert!(needs < 2_000, "{}: {needs} queries", name.word());
    }
}

#[test]
fn the_same_seed_tries_the_same() {
    let holes = Holes(vec![vec![3], vec![7]]);
    for name in SearchName::ALL {
        let run = || queries(name, ALONE, &holes, space(12, 3, 2), 5, 3000);
        assert_eq!(run(), run(), "{}", name.word());
        assert_eq!(name.word().parse::<SearchName>().unwrap(), name);
    }
}

/// Every proposal fits the space, whatever is shown; also with one operator and depth 1.
#[test]
fn proposals_fit_the_space() {
    for name in SearchName::ALL {
        for (operators, depth) in [(1, 1), (2, 5), (34, 3)] {
            for access in [ALONE, PIPELINE, BLOCK, Access { sees: Sees::Nothing, separable: false }, Access { sees: Sees::Scores, separable: true }] {
                let mut search = name.start(space(operators, depth, 2));
                let mut rng = Seed(2).stream(Purpose::Search, 1);
                for tries in 0..300 {
                    let goal = Goal { number: (tries % 3) as usize, prompts: 2, family: (tries % 2) as usize, tries: tries / 3 };
                    let tried = search.propose(goal, &mut rng);
                    let mut sorted = tried.chain.clone();
                    sorted.sort_unstable();
                    sorted.dedup();
                    assert!(
                        sorted.len() == tried.chain.len() && sorted.iter().all(|o| *o < operators) && tried.prompt < 2,
                        "{} {tried:?}",
                        name.word()
                    );
                    assert!(tried.chain.len() <= depth, "{} {tried:?}", name.word());
                    let answers: Vec<Answer> = [tries % 5 == 0, tries % 7 == 0].map(|f| Answer { failed: Some(f), score: Some(0.1) }).into();
                    search.learn(goal, &tried, &access.view(&answers));
                }
            }
        }
    }
}
