//! Planted truth: layers with a known joint law, and how often what the campaign says covers it.

use crate::support::{Folder, joint_failures};
use coincide::{Purpose, Seed, analyze};
use coincide_stress::{Ask, Layer, Outcome, Prepared, Reply, RunOptions, Stage, Stop, Trouble, Unit, Verdict, run};
use futures_util::future::BoxFuture;
use rand::Rng;
use std::sync::{Arc, Mutex};

const LAYERS: usize = 3;
/// All layers fail at once with this probability, else each by itself.
const SHOCK: f64 = 0.03;
const ALONE: [f64; LAYERS] = [0.3, 0.4, 0.5];

fn beta() -> f64 {
    SHOCK + (1.0 - SHOCK) * ALONE.iter().product::<f64>()
}

/// A layer whose outcome is drawn by the seed and the trial: the shock is the same for all layers.
struct Drawn {
    seed: u64,
    layer: usize,
    goal: u64,
}

/// Attacks of one goal share their shock, and so are not independent.
fn fails(seed: u64, layer: usize, attack: &str, goal: u64) -> bool {
    let n: u64 = attack[1..].parse().unwrap();
    let shock = Seed(seed).stream(Purpose::Simulation, (1 << 40) + n / goal).random::<f64>() < SHOCK;
    let own: [f64; LAYERS] = Seed(seed).stream(Purpose::Simulation, n).random();
    shock || own[layer] < ALONE[layer]
}

impl Layer for Drawn {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Reply, Trouble>> {
        let failed = fails(self.seed, self.layer, ask.attack, self.goal);
        Box::pin(std::future::ready(Ok(Reply::one(Verdict::of(if failed { Outcome::Failed } else { Outcome::Held }), Vec::new()))))
    }
}

/// Runs the campaign of one seed; whether the watched interval ever missed, the estimate, and whether the final interval of the analysis covers.
fn one(seed: u64, trials: usize, goal: u64) -> (bool, f64, bool) {
    let attacks: Vec<(String, String)> = (0..trials).map(|i| (format!("p{i}"), format!("g{}", i as u64 / goal))).collect();
    let f = Folder::new(&attacks, &format!("\nseed = {seed}\n[[layers]]\nname = \"x\"\nkind = \"rules\"\npatterns = [\"x\"]\n"));
    let units = || -> Vec<Unit> {
        (0..LAYERS).map(|layer| Unit::new(&format!("l{layer}"), "drawn", Stage::Input, Arc::new(Drawn { seed, layer, goal }))).collect()
    };
    let prepared = Prepared::with_layers(f.file().unwrap(), None, units()).unwrap();
    let order = Mutex::new(Vec::new());
    let record = run(prepared, RunOptions::default(), &Stop::by_hand(), &|_| {}).unwrap().record;
    // Looked at after every trial, in the order of the run.
    let mut watch = coincide_stress::Watch::new(&[], 0.95);
    let mut missed = false;
    let mut at = 0;
    coincide_stress::Attacks::read(&f.file().unwrap(), None)
        .unwrap()
        .in_run_order(&mut |q| {
            let all = (0..LAYERS).all(|l| fails(seed, l, &q.attack, goal));
            let joint = if all { coincide_stress::Joint::Failed } else { coincide_stress::Joint::Held };
            watch.see(coincide_stress::Seen { at, family: None, label: q.label, joint, beat_all: all, settled: true, last_of_goal: q.last_of_goal });
            at += 1;
            let w = watch.total();
            missed |= beta() < w.low || beta() > w.high;
            order.lock().unwrap().push(q.number);
            Ok(true)
        })
        .unwrap();
    assert_eq!(watch.total(), record.watched, "the run watches what was asked, in its order");
    let t = f.table();
    assert_eq!(joint_failures(&t), record.watched.joint_failures as f64);
    let analysis = analyze(&t, &coincide::AnalyzeOptions { replicates: 100, ..Default::default() }, &|_, _, _| {}).unwrap();
    let b = &analysis.joint.content.beta;
    let i = b.interval.unwrap();
    (missed, b.value.unwrap(), i.low.unwrap_or(0.0) <= beta() && beta() <= i.high.unwrap_or(1.0))
}

fn covers(seeds: u64, trials: usize, goal: u64) {
    let results: Vec<(bool, f64, bool)> = (0..seeds).map(|s| one(s + 1, trials, goal)).collect();
    let n = seeds as f64;
    let misses = results.iter().filter(|r| r.0).count() as f64;
    let covered = results.iter().filter(|r| r.2).count() as f64;
    let mean = results.iter().map(|r| r.1).sum::<f64>() / n;
    // At most: one goal, one piece of evidence.
    let se = (beta() * (1.0 - beta()) / (trials as f64 / goal as f64) / n).sqrt();
    eprintln!(
        "goals of {goal}: watched: missed at some moment in {misses} of {n}; analysis: covered in {covered} of {n}; mean {mean:.5}, truth {:.5}",
        beta()
    );
    // Three standard errors of a rate of 5%.
    let slack = 3.0 * (0.05 * 0.95 * n).sqrt();
    assert!(misses <= 0.05 * n + slack, "{misses} of {n} runs missed");
    assert!(covered >= 0.95 * n - slack, "{covered} of {n} covered");
    assert!((mean - beta()).abs() < 4.0 * se, "{mean} against {}", beta());
}

#[test]
fn planted_truth_is_covered_in_a_few_runs() {
    covers(12, 150, 1);
    covers(6, 150, 3);
}

#[test]
#[ignore = "slow: 600 campaigns of 400 attacks, in release mode"]
fn slow_planted_truth_is_covered_at_the_stated_rate() {
    covers(300, 400, 1);
    covers(300, 400, 4);
}
