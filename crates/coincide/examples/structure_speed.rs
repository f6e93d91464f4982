//! P(system failure) of a structure of 200 gates over 12 layers under 1,000 posterior draws of a model with two hidden difficulties, 441 nodes each: beside a thousand single evaluations.
//! `cargo run --release -p coincide --example structure_speed`
#![allow(clippy::unwrap_used)]

use coincide::{Columns, FitOptions, JointLaw, Outcome, Purpose, Seed, Structure, TableBuilder, TrialRow, fit_law, stated};
use rand::Rng;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    let k = 12;
    let layers: Vec<String> = (0..k).map(|i| format!("l{i}")).collect();
    let mut rng = Seed(1).stream(Purpose::Simulation, 0);
    // 200 gates, each over layers and earlier gates.
    let mut gates: Vec<String> = layers.clone();
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for g in 0..200 {
        let n = rng.random_range(2..=4);
        let mut inputs: Vec<String> = (0..n).map(|_| gates[gates.len() - 1 - rng.random_range(0..gates.len().min(24))].clone()).collect();
        inputs.sort();
        inputs.dedup();
        let text = if rng.random_bool(0.5) { format!("all({})", inputs.join(", ")) } else { format!("any({})", inputs.join(", ")) };
        named.insert(format!("g{g}"), text);
        gates.push(format!("g{g}"));
    }
    // Names stand for what they name: a structure of 200 gates is written as the last few of them.
    let system = loop {
        let text = format!("at_least(2, g{}, g{}, g{})", rng.random_range(20..40), rng.random_range(41..60), rng.random_range(61..70));
        match Structure::parse(&text, &layers, &named) {
            Ok(s) if s.members().len() == k => break s,
            _ => {}
        }
    };
    let law = stated::two_factor(&vec![0.1; k], &vec![[0.6, 0.3]; k]).unwrap();
    let mut b = TableBuilder::new(Columns { layers: layers.clone(), ..Columns::default() }).unwrap();
    for _ in 0..2000 {
        let failed = law.simulate(&mut rng);
        let outcomes: Vec<Outcome> = (0..k).map(|i| if failed.contains(i) { Outcome::Failed } else { Outcome::Held }).collect();
        b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() });
    }
    let fitted = fit_law(&b.finish(), "two-factor", &FitOptions { draws: 1000, ..FitOptions::default() }).unwrap();
    let draws = fitted.draws();
    let mixtures: Vec<_> = (0..draws).map(|d| fitted.draw(d)).collect();
    let nodes: usize = mixtures.iter().map(|m| m.nodes()).sum::<usize>() / draws;
    // One evaluation as anybody would ask for it: the law, and the structure.
    let began = Instant::now();
    let many = 20;
    let mut sum = 0.0;
    for m in &mixtures[..many] {
        sum += m.system_failure(&system).unwrap();
    }
    let single = began.elapsed().as_secs_f64() / many as f64;
    // Node by node, without anything shared.
    let began = Instant::now();
    let plain = mixtures[0].mean(|p| system.given(p).unwrap());
    let by_node = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let figure = fitted.system_failure(&system).unwrap();
    let all = began.elapsed().as_secs_f64();
    let began = Instant::now();
    std::hint::black_box((0..draws).map(|d| fitted.draw(d).nodes()).sum::<usize>());
    let placing = began.elapsed().as_secs_f64();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{draws} draws of {nodes} nodes, P = {:?} with {:?}; mean of {many} single values {}",
        figure.value,
        figure.interval.map(|i| (i.low, i.high)),
        sum / many as f64
    );
    println!("single evaluation {:.6} s; node by node, compiled each time, {:.6} s ({plain})", single, by_node);
    println!(
        "all draws with interval {all:.6} s on {cores} cores: 1,000 single evaluations over that = {:.1}; node by node over that = {:.1}",
        1000.0 * single / all,
        1000.0 * by_node / all
    );
    println!("of which placing the nodes of all draws on one core takes {placing:.6} s");
    println!("{:.3e} evaluations (nodes of draws) per second and core", (draws * nodes) as f64 / all / cores as f64);
}
