//! Searches against layers whose holes are known: how many queries each needs.

use super::{Access, Answer, Goal, Profile, Proposal, SearchName, Sees, Space};
use crate::operators::OPERATORS;
use coincide::{Draw, Importance, Purpose, Seed, clopper_pearson, importance};
use rand::Rng;

/// A layer with a hole: it fails where these operators are all in the sequence.
struct Holes(Vec<Vec<usize>>);

impl Holes {
    fn answers(&self, chain: &[usize]) -> Vec<Answer> {
        self.0.iter().map(|hole| Answer { failed: Some(hole.iter().all(|o| chain.contains(o))), score: None }).collect()
    }
}

fn space(operators: usize, depth: usize, layers: usize) -> Space {
    Space { operators: OPERATORS.iter().take(operators).collect(), depth, profile: Profile::even(operators, depth), sides: vec![None; layers] }
}

/// Queries until something gets through, on one goal; `most` where nothing does.
fn queries(name: SearchName, access: Access, holes: &Holes, space: Space, seed: u64, most: u64) -> u64 {
    let mut search = name.start(space).unwrap();
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
    for name in SearchName::ALL.into_iter().filter(|s| !s.converses()) {
        let run = || queries(name, ALONE, &holes, space(12, 3, 2), 5, 3000);
        assert_eq!(run(), run(), "{}", name.word());
        assert_eq!(name.word().parse::<SearchName>().unwrap(), name);
    }
}

/// Every proposal fits the space, whatever is shown; also with one operator and depth 1.
#[test]
fn proposals_fit_the_space() {
    for name in SearchName::ALL.into_iter().filter(|s| !s.converses()) {
        for (operators, depth) in [(1, 1), (2, 5), (34, 3)] {
            for access in [ALONE, PIPELINE, BLOCK, Access { sees: Sees::Nothing, separable: false }, Access { sees: Sees::Scores, separable: true }] {
                let mut search = name.start(space(operators, depth, 2)).unwrap();
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

/// Goals of which each has a hole of its own in the last layer, or none: how often a random sequence gets through is known.
struct Rare {
    operators: usize,
    depth: usize,
    /// For each goal, the holes of its layers.
    goals: Vec<Holes>,
}

impl Rare {
    const GOALS: usize = 60;

    fn draw(seed: u64, immune: f64) -> Rare {
        let mut rng = Seed(seed).stream(Purpose::Goals, 0);
        let goals = (0..Self::GOALS).map(|_| {
            // No sequence holds an operator that is not there.
            let last = if rng.random_bool(immune) { 99 } else { 20 + rng.random_range(0..2) };
            Holes(vec![vec![3], vec![7], vec![last]])
        });
        Rare { operators: 34, depth: 3, goals: goals.collect() }
    }

    /// All three operators in a sequence of three, in any order.
    fn truth(immune: f64) -> f64 {
        (1.0 - immune) / 3.0 * 6.0 / (34.0 * 33.0 * 32.0)
    }

    /// So many queries, goals in turn, answers shown a round at a time.
    fn measured(&self, name: SearchName, access: Access, seed: u64, queries: u64) -> Importance {
        let mut search = name.start(space(self.operators, self.depth, 3)).unwrap();
        let goals = self.goals.len() as u64;
        let mut draws = Vec::new();
        let mut asked = Vec::new();
        for n in 0..queries {
            let g = (n % goals) as usize;
            let goal = Goal { number: g, prompts: 1, family: 0, tries: n / goals };
            let tried = search.propose(goal, &mut Seed(seed).stream(Purpose::Search, n));
            let answers = self.goals[g].answers(&tried.chain);
            let through = answers.iter().all(|a| a.failed == Some(true));
            let (weight, plain) = tried.drawn.map_or((1.0, true), |d| (d.weight, d.plain));
            if n >= queries / 4 || name == SearchName::Random {
                draws.push(Draw { cluster: g as u32, weight, plain, failed: Some(through) });
            }
            asked.push((goal, tried, access.view(&answers)));
            if asked.len() == 64 {
                asked.drain(..).for_each(|(goal, tried, view)| search.learn(goal, &tried, &view));
            }
        }
        importance(draws, 0.95).unwrap()
    }
}

/// The rate of rare failures: covered as stated, and far narrower than plain sampling with as many queries, of which all trials are taken as independent.
#[test]
#[ignore = "slow"]
fn slow_importance_sampling_covers_and_is_narrow() {
    const SEEDS: u64 = 1000;
    const COMPARED: u64 = 100;
    const QUERIES: u64 = 20_000;
    for (immune, access) in [(0.0, ALONE), (0.5, ALONE), (0.3, PIPELINE)] {
        let truth = Rare::truth(immune);
        assert!(truth <= 1e-4);
        let (mut covered, mut early, mut ratios, mut sum) = (0, 0, Vec::new(), 0.0);
        for seed in 0..SEEDS {
            let rare = Rare::draw(seed, immune);
            let i = rare.measured(SearchName::Importance, access, seed, QUERIES);
            let ours = i.rate.interval.unwrap();
            covered += u64::from(ours.contains(truth));
            early += u64::from(seed < 300 && ours.contains(truth));
            sum += i.rate.value.unwrap();
            if seed < COMPARED {
                let plain = rare.measured(SearchName::Random, access, seed, QUERIES);
                let theirs = clopper_pearson(plain.failures as f64, QUERIES as f64, 0.95);
                ratios.push((theirs.high.unwrap() - theirs.low.unwrap()) / (ours.high.unwrap() - ours.low.unwrap()));
            }
        }
        ratios.sort_by(f64::total_cmp);
        let coverage = covered as f64 / SEEDS as f64;
        let (least, median) = (ratios[0], ratios[COMPARED as usize / 2]);
        println!(
            "rate {truth:.2e}: covered in {:.1}% of {SEEDS} seeds ({early} of the first 300), mean estimate {:.2e}; plain intervals are {median:.1} times as wide at the median, {least:.1} at least",
            100.0 * coverage,
            sum / SEEDS as f64
        );
        // 95% less two standard errors.
        assert!(coverage >= 0.95 - 2.0 * (0.95 * 0.05 / SEEDS as f64).sqrt(), "{coverage}");
        assert!(least >= 3.0, "{least}");
    }
}
