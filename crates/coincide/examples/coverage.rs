//! Coverage of the intervals for β and ln π on simulated clustered tables, nested and crossed.
//!
//! `cargo run --release -p coincide --example coverage [tables per cell] > docs/coverage.md`
//!
//! Model: three layers; each cluster has a difficulty z ~ N(0, 1) (crossed: the mean of two, scaled to variance 1), and layer
//! i fails with probability Φ(t + s·z), independently given z, s = 0.6. t is set so that 3, 10 or 50 of the 1,500 trials
//! are expected to be joint failures. β = E Φ(t + s z)³ and π = β/(E Φ(t + s z))³ follow by quadrature.

use coincide::{AnalyzeOptions, Columns, Interval, JointOutcomes, Outcome, Purpose, Seed, TableBuilder, TrialRow, analyze};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// One cell of the table.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// Two crossed factors instead of one.
    pub crossed: bool,
    /// Clusters per factor.
    pub clusters: usize,
    /// Expected joint failures.
    pub events: f64,
}

const TRIALS: usize = 1500;
const LAYERS: usize = 3;
const SPREAD: f64 = 0.6;

/// What was counted in one cell.
#[derive(Debug, Clone, Default)]
pub struct Count {
    /// Tables.
    pub tables: usize,
    /// Tables that §2 flags: fewer than ten clusters with a joint failure on some factor.
    pub flagged: usize,
    /// Covered β, ln π: \[not flagged, flagged\].
    pub beta: [usize; 2],
    /// As `beta`.
    pub gap: [usize; 2],
    /// Upper limit of β over β, one per table.
    pub beta_width: Vec<f64>,
    /// Upper over lower limit of π, one per table; infinite when the lower end is open.
    pub gap_width: Vec<f64>,
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// E Φ(t + s z)^m by the trapezoidal rule, which is exact to rounding for such integrands.
fn moment(t: f64, m: i32) -> f64 {
    (-800..=800)
        .map(|i| {
            let z = f64::from(i) / 100.0;
            (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() * normal_cdf(t + SPREAD * z).powi(m) * 0.01
        })
        .sum()
}

fn threshold(beta: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..80 {
        let mid = 0.5 * (low + high);
        if moment(mid, LAYERS as i32) < beta { low = mid } else { high = mid }
    }
    0.5 * (low + high)
}

fn simulate(cell: Cell, t: f64, seed: u64) -> JointOutcomes {
    let mut rng = Seed(seed).stream(Purpose::Simulation, 1);
    let factors = if cell.crossed { 2 } else { 1 };
    let clusters: Vec<String> = (0..factors).map(|f| format!("factor_{f}")).collect();
    let columns = Columns { layers: (0..LAYERS).map(|i| format!("layer_{i}")).collect(), clusters, ..Columns::default() };
    let mut b = TableBuilder::new(columns).expect("names are distinct");
    let z: Vec<Vec<f64>> = (0..factors).map(|_| (0..cell.clusters).map(|_| StandardNormal.sample(&mut rng)).collect()).collect();
    for trial in 0..TRIALS {
        // Nested: equal clusters. Crossed: every first cluster meets random second ones.
        let ids: Vec<usize> = (0..factors).map(|f| if f == 0 { trial % cell.clusters } else { rng.random_range(0..cell.clusters) }).collect();
        let difficulty = ids.iter().zip(&z).map(|(&c, z)| z[c]).sum::<f64>() / f64::from(factors).sqrt();
        let p = normal_cdf(t + SPREAD * difficulty);
        let outcomes: Vec<Outcome> = (0..LAYERS).map(|_| if rng.random_bool(p) { Outcome::Failed } else { Outcome::Held }).collect();
        let names: Vec<String> = ids.iter().map(|c| format!("{c:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        b.add(&TrialRow { outcomes: &outcomes, clusters: &names, ..TrialRow::default() });
    }
    b.finish()
}

/// Simulates `tables` tables of one cell.
pub fn cover(cell: Cell, tables: usize, replicates: usize) -> Count {
    let beta = cell.events / TRIALS as f64;
    let t = threshold(beta);
    let gap = beta / moment(t, 1).powi(LAYERS as i32);
    let mut count = Count { tables, ..Count::default() };
    let runs: Vec<_> = (0..tables as u64)
        .into_par_iter()
        .map(|i| {
            let options = AnalyzeOptions { replicates, seed: Seed(i), ..AnalyzeOptions::default() };
            analyze(&simulate(cell, t, i), &options, &|_, _, _| {}).expect("every layer has outcomes").joint.content
        })
        .collect();
    for j in runs {
        let flagged = usize::from(j.clusters.iter().any(|c| c.with_joint_failure < 10.0));
        count.flagged += flagged;
        let covers = |i: Option<Interval>, x: f64| usize::from(i.is_some_and(|i| i.contains(x)));
        count.beta[flagged] += covers(j.beta.interval, beta);
        count.gap[flagged] += covers(j.gap.interval, gap);
        count.beta_width.push(j.beta.interval.and_then(|i| i.high).unwrap_or(1.0) / beta);
        let ratio = j.gap.interval.map_or(f64::INFINITY, |i| i.high.unwrap_or(f64::INFINITY) / i.low.unwrap_or(0.0));
        count.gap_width.push(ratio);
    }
    count
}

fn median(list: &[f64]) -> f64 {
    let mut list = list.to_vec();
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

fn main() {
    let tables: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1000);
    println!("# Coverage of the 95% intervals for β and the independence gap\n");
    println!(
        "Made by `cargo run --release -p coincide --example coverage {tables} > docs/coverage.md`, {tables} simulated tables a row, 1,000 bootstrap"
    );
    println!(
        "replicates each; the model is described in `crates/coincide/examples/coverage.rs`. A table is *flagged* when fewer than ten clusters of some"
    );
    println!(
        "factor hold a joint failure; the report then says that intervals rest on little. The standard error of a coverage of 95% is {:.1} points.\n",
        100.0 * (0.95f64 * 0.05 / tables as f64).sqrt()
    );
    println!(
        "| clusters | joint failures expected | design | flagged | β, not flagged | β, flagged | gap, not flagged | gap, flagged | upper limit over β (median) | gap interval, upper over lower (median) |"
    );
    println!("|--:|--:|:--|--:|--:|--:|--:|--:|--:|--:|");
    for crossed in [false, true] {
        for clusters in [10, 30, 300] {
            for events in [3.0, 10.0, 50.0] {
                let c = cover(Cell { crossed, clusters, events }, tables, 1000);
                let share = |hit: usize, of: usize| if of < 20 { "–".to_owned() } else { format!("{:.1}%", 100.0 * hit as f64 / of as f64) };
                let plain = c.tables - c.flagged;
                let width = median(&c.gap_width);
                println!(
                    "| {clusters} | {events} | {} | {:.0}% | {} | {} | {} | {} | {:.1} | {} |",
                    if crossed { "crossed" } else { "nested" },
                    100.0 * c.flagged as f64 / c.tables as f64,
                    share(c.beta[0], plain),
                    share(c.beta[1], c.flagged),
                    share(c.gap[0], plain),
                    share(c.gap[1], c.flagged),
                    median(&c.beta_width),
                    if width.is_finite() { format!("{width:.1}") } else { "open".into() }
                );
            }
        }
    }
}
