//! Our side of `benches/peers/models.py`: the work that peers do, timed inside the process, on the patterns in the file that
//! `COINCIDE_PATTERNS` names (a line a pattern: its count, then an outcome a layer).
//!
//! They are tests because what they time is not public: `cargo test --release -p coincide --lib -- --ignored benchmark --nocapture`.

use crate::likelihood::{Likelihood, Nodes, Workspace};
use crate::model::{Family, LatentClass, Setting, Summary, families};
use crate::optimise::{Prior, Target};
use crate::outcome::{Columns, JointOutcomes, Label, TableBuilder};
use crate::patterns::Patterns;
use crate::posterior::{OfFamily, Plan, sample};
use crate::quadrature::Accuracy;
use crate::random::{Purpose, Seed};
use crate::sample::Sample;
use std::time::Instant;

/// Patterns with counts.
fn read() -> (usize, Vec<(u64, u64)>) {
    let file = std::env::var("COINCIDE_PATTERNS").expect("COINCIDE_PATTERNS names a file");
    let text = std::fs::read_to_string(file).unwrap();
    let mut layers = 0;
    let list = text
        .lines()
        .map(|line| {
            let cells: Vec<u64> = line.split(',').map(|c| c.parse().unwrap()).collect();
            layers = cells.len() - 1;
            (cells[1..].iter().enumerate().map(|(i, y)| y << i).sum(), cells[0])
        })
        .collect();
    (layers, list)
}

fn table(layers: usize, add: impl FnOnce(&mut TableBuilder, u32)) -> JointOutcomes {
    let mut b = TableBuilder::new(Columns { layers: (0..layers).map(|i| format!("l{i}")).collect(), ..Columns::default() }).unwrap();
    let context = b.context(Label::Attack, None, 0, 0, &[]);
    add(&mut b, context);
    b.finish()
}

/// EM for three classes from five random starts: JSON with seconds, iterations and ln likelihood of each, from rows (counting
/// them included) and from patterns.
#[test]
#[ignore = "a benchmark"]
fn benchmark_latent_class() {
    let (layers, list) = read();
    let rows: Vec<u64> = list.iter().flat_map(|&(p, n)| std::iter::repeat_n(p, n as usize)).collect();
    for kind in ["rows", "patterns"] {
        for seed in 0..5 {
            let began = Instant::now();
            let t = table(layers, |b, context| match kind {
                "rows" => rows.iter().for_each(|&p| b.add_counted(context, p, 1)),
                _ => list.iter().for_each(|&(p, n)| b.add_counted(context, p, n)),
            });
            let patterns = Patterns::new(&Sample::new(&t, |_| true));
            let data = Likelihood::new(&patterns);
            let family = LatentClass::new(&Setting { layers, common_modes: vec![], classes: 3 });
            let mut rng = Seed(seed).stream(Purpose::Starts, 0);
            let from = family.start(&patterns.rough_rates(&patterns.weight), 0, &mut rng);
            let tolerance = 1e-10 * patterns.trials();
            let (_, value, steps) = family.em(&data, &patterns.weight, &from, tolerance, 10_000, &mut Workspace::default());
            println!(
                "RESULT {{\"kind\": \"{kind}\", \"seconds\": {}, \"iterations\": {steps}, \"ln_likelihood\": {value}}}",
                began.elapsed().as_secs_f64()
            );
        }
    }
}

/// The factor model's posterior with the program's chains: seconds, and ln β of every draw.
#[test]
#[ignore = "a benchmark"]
fn benchmark_factor_posterior() {
    let (layers, list) = read();
    let t = table(layers, |b, context| list.iter().for_each(|&(p, n)| b.add_counted(context, p, n)));
    let patterns = Patterns::new(&Sample::new(&t, |_| true));
    let data = Likelihood::new(&patterns);
    let family = families(&Setting { layers, common_modes: vec![], classes: 2 }).into_iter().find(|f| f.0 == "factor").unwrap().1;
    let began = Instant::now();
    let target = Target { family: family.as_ref(), data: &data, weight: &patterns.weight, prior: Prior::Weak, accuracy: Accuracy::DRAFT };
    let mut rng = Seed(1).stream(Purpose::Starts, 0);
    let starts: Vec<Vec<f64>> = (0..4).map(|attempt| family.start(&patterns.rough_rates(&patterns.weight), attempt, &mut rng)).collect();
    let draws = sample(&OfFamily::new(target), &starts, Plan { chains: 4, tune: 500, draws: 1000 }, Seed(1), "factor", &|_| {}).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let mut nodes = Nodes::default();
    let chains: Vec<Vec<f64>> = draws
        .chains
        .iter()
        .map(|c| {
            c.iter()
                .map(|at| {
                    family.place(at, Accuracy::DRAW, &mut nodes);
                    Summary::of(&mut nodes, false, |n| family.logs(n)).ln_beta
                })
                .collect()
        })
        .collect();
    println!("RESULT {{\"seconds\": {seconds}, \"ln_beta\": {chains:?}}}");
}
