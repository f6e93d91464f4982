//! `cargo bench -p coincide`: the whole analysis of a clustered table, by replicates, layers and clusters.

use coincide::{AnalyzeOptions, Columns, JointOutcomes, Outcome, Purpose, Seed, TableBuilder, TrialRow, analyze};
use rand::Rng;

fn main() {
    divan::main();
}

fn table(layers: usize, clusters: usize, trials: usize) -> JointOutcomes {
    let mut rng = Seed(1).stream(Purpose::Simulation, 0);
    let columns = Columns { layers: (0..layers).map(|i| format!("layer_{i}")).collect(), clusters: vec!["goal".into()], ..Columns::default() };
    let mut b = TableBuilder::new(columns).expect("names are distinct");
    for t in 0..trials {
        let hard = rng.random_range(0.0..0.6);
        let outcomes: Vec<Outcome> = (0..layers).map(|_| if rng.random_bool(hard) { Outcome::Failed } else { Outcome::Held }).collect();
        b.add(&TrialRow { outcomes: &outcomes, clusters: &[&format!("goal {:06}", t % clusters)], ..TrialRow::default() });
    }
    b.finish()
}

/// (layers, clusters, trials)
#[divan::bench(args = [(5, 500, 10_000), (20, 500, 10_000), (10, 10_000, 100_000)], sample_count = 5)]
fn two_thousand_replicates(bencher: divan::Bencher<'_, '_>, (layers, clusters, trials): (usize, usize, usize)) {
    let table = table(layers, clusters, trials);
    bencher.bench(|| analyze(&table, &AnalyzeOptions::default(), &|_, _, _| {}).expect("every layer has outcomes"));
}
