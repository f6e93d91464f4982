//! Simulation-based calibration of every Bayesian model (Talts, Betancourt, Simpson, Vehtari and Gelman 2018).
//!
//! Draw parameters from the prior, a table from the parameters, a posterior from the table; then the rank of the true value among
//! the posterior draws is uniform, if likelihood, gradient and sampler are right. Ranks are judged by simultaneous bands of
//! their empirical distribution (Säilynoja, Bürkner and Vehtari 2022, *Statistics and Computing* 32, 32): the band's level is found by
//! simulating uniform ranks, so the whole curve stays inside with the stated probability. Ranked: β, every rate, every pair, the
//! log-likelihood, and the last coordinate where a model has one of its own (ω, ν, a + b).
//!
//! 50 fits a model run in the checks; 500 and their result are in `docs/calibration.md`:
//! `cargo test --release -p coincide --lib -- --ignored calibration_500 --nocapture`.

use crate::likelihood::{Adjoint, Likelihood, Nodes, Workspace};
use crate::model::{Coordinate, Family, JointLaw, Reading, Setting, Summary, families, mixture};
use crate::optimise::{Prior, Target};
use crate::outcome::{Columns, Outcome, TableBuilder, TrialRow};
use crate::patterns::Patterns;
use crate::posterior::{OfFamily, Plan, sample};
use crate::quadrature::Accuracy;
use crate::random::{Purpose, Seed};
use crate::sample::Sample;
use rand::Rng;
use rayon::prelude::*;

const LAYERS: usize = 4;
const TRIALS: usize = 200;
/// Draws that a rank is taken among.
const RANKED: usize = 99;
/// Draws between two ranked ones.
const THIN: usize = 5;
/// Probability that a right model is rejected, over all its quantities.
const LEVEL: f64 = 0.01;

fn setting() -> Setting {
    Setting { layers: LAYERS, common_modes: vec![], classes: 2 }
}

/// What is ranked, in this order.
fn quantities(target: Target<'_>, at: &[f64], space: &mut Workspace) -> Vec<f64> {
    let likelihood = target.likelihood(at, Accuracy::FIT, space);
    let mut nodes = std::mem::take(&mut space.nodes);
    let s = Summary::of(&mut nodes, true, |n| target.family.logs(n));
    space.nodes = nodes;
    let own = at[at.len() - 1];
    [vec![likelihood, s.ln_beta, own], s.marginals, s.pairs].concat()
}

fn names(model: &str) -> Vec<String> {
    let own = match model {
        "factor+common-mode" => "logit ω",
        "student-factor" => "ln ν",
        "beta-binomial" => "ln(a + b)",
        // Signs and labels make the last coordinate of these meaningless.
        _ => "",
    };
    let mut out = vec!["ln likelihood".to_owned(), "ln β".into(), own.into()];
    out.extend((0..LAYERS).map(|i| format!("rate {i}")));
    out.extend(crate::pairs::pairs(LAYERS).map(|(i, j)| format!("pair {i} {j}")));
    out
}

/// Ranks of the truth in one simulation: how many of the ranked draws lie below it.
fn ranks(family: &dyn Family, sampler: &dyn Family, run: u64) -> Vec<usize> {
    let coordinates = family.coordinates();
    let mut rng = Seed(20_000 + run).stream(Purpose::Simulation, 0);
    let truth: Vec<f64> = coordinates.iter().map(|c| c.draw(&mut rng)).collect();
    let law = mixture(family, &truth, Accuracy::REPORT);
    let mut b = TableBuilder::new(Columns { layers: (0..LAYERS).map(|i| format!("l{i}")).collect(), ..Columns::default() }).unwrap();
    for _ in 0..TRIALS {
        let failed = law.simulate(&mut rng);
        let outcomes: Vec<Outcome> = (0..LAYERS).map(|i| if failed.contains(i) { Outcome::Failed } else { Outcome::Held }).collect();
        b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() });
    }
    let table = b.finish();
    let patterns = Patterns::new(&Sample::new(&table, |_| true));
    let data = Likelihood::new(&patterns);
    let target = Target { family: sampler, data: &data, weight: &patterns.weight, prior: Prior::Weak, accuracy: Accuracy::DRAFT };
    let start = family.start(&patterns.rough_rates(&patterns.weight), 1, &mut rng);
    let plan = Plan { chains: 1, tune: 500, draws: RANKED * THIN };
    let draws = sample(&OfFamily::new(target), &[start], plan, Seed(run), "calibration", &|_| {}).unwrap();
    let mut space = Workspace::default();
    let own = quantities(target, &truth, &mut space);
    let mut below = vec![0; own.len()];
    for at in draws.all().step_by(THIN) {
        let values = quantities(target, at, &mut space);
        below.iter_mut().zip(values.iter().zip(&own)).for_each(|(b, (v, o))| *b += usize::from(v < o));
    }
    below
}

/// Smallest two-sided binomial tail over the points of the empirical distribution: small when the curve leaves the diagonal.
fn statistic(ranks: &[usize], tails: &[Vec<f64>]) -> f64 {
    let mut counts = vec![0usize; RANKED + 1];
    ranks.iter().for_each(|&r| counts[r] += 1);
    let mut below = 0;
    let mut least = 1.0f64;
    for (r, tail) in tails.iter().enumerate() {
        below += counts[r];
        least = least.min(tail[below]);
    }
    least
}

/// Two-sided tail probabilities of Binomial(n, (r + 1)/(RANKED + 1)) for every r but the last, by count.
fn tails(n: usize) -> Vec<Vec<f64>> {
    (0..RANKED)
        .map(|r| {
            let p = (r as f64 + 1.0) / (RANKED as f64 + 1.0);
            let at_most = |x: usize| if x >= n { 1.0 } else { 1.0 - crate::special::beta_cdf(p, 1.0 - p, x as f64 + 1.0, (n - x) as f64) };
            (0..=n).map(|x| (2.0 * at_most(x).min(if x == 0 { 1.0 } else { 1.0 - at_most(x - 1) })).min(1.0)).collect()
        })
        .collect()
}

/// The statistic that uniform ranks fall below with probability `level`.
fn critical(n: usize, tails: &[Vec<f64>], level: f64) -> f64 {
    let simulated = 20_000;
    let mut list: Vec<f64> = (0..simulated)
        .into_par_iter()
        .map(|i| {
            let mut rng = Seed(6).stream(Purpose::Simulation, 1_000_000 + i);
            let ranks: Vec<usize> = (0..n).map(|_| rng.random_range(0..=RANKED)).collect();
            statistic(&ranks, tails)
        })
        .collect();
    list.sort_by(f64::total_cmp);
    list[(level * simulated as f64) as usize]
}

/// Worst statistic of a model over its quantities, and the bound it must not fall below.
fn judge(model: &str, family: &dyn Family, sampler: &dyn Family, fits: usize) -> (f64, f64, String) {
    let all: Vec<Vec<usize>> = (0..fits as u64).into_par_iter().map(|run| ranks(family, sampler, run)).collect();
    let tails = tails(fits);
    let names = names(model);
    let ranked = names.iter().filter(|n| !n.is_empty()).count() as f64;
    let bound = critical(fits, &tails, LEVEL / ranked);
    let worst = (0..names.len())
        .filter(|&q| !names[q].is_empty())
        .map(|q| (statistic(&all.iter().map(|r| r[q]).collect::<Vec<_>>(), &tails), names[q].clone()))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap();
    (worst.0, bound, worst.1)
}

/// A family whose gradient has the sign of its angles, or of its last coordinate, wrong.
struct WrongGradient(Box<dyn Family>);

impl Family for WrongGradient {
    fn coordinates(&self) -> Vec<Coordinate> {
        self.0.coordinates()
    }
    fn place(&self, at: &[f64], accuracy: Accuracy, nodes: &mut Nodes) {
        self.0.place(at, accuracy, nodes);
    }
    fn logs(&self, nodes: &mut Nodes) {
        self.0.logs(nodes);
    }
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]) {
        let before = gradient.to_vec();
        self.0.pull_back(at, nodes, adjoint, gradient);
        let wrong = LAYERS.min(gradient.len() - 1);
        gradient[wrong..].iter_mut().zip(&before[wrong..]).for_each(|(g, b)| *g = b - (*g - b));
    }
    fn start(&self, rates: &[f64], attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64> {
        self.0.start(rates, attempt, rng)
    }
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading> {
        self.0.readings(at, layers)
    }
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String> {
        self.0.edges(at, layers, trials)
    }
}

fn run(fits: usize) {
    println!("| model | fits | worst of its quantities | smallest tail probability | may fall to |\n|:--|--:|:--|--:|--:|");
    for (name, family) in families(&setting()) {
        let began = std::time::Instant::now();
        let (worst, bound, which) = judge(name, family.as_ref(), family.as_ref(), fits);
        println!("| {name} | {fits} | {which} | {worst:.5} | {bound:.5} |");
        eprintln!("{name}: {:.1?}", began.elapsed());
        assert!(worst >= bound, "{name}: the ranks of {which} are not uniform: {worst} below {bound}");
    }
    // The same harness, the same tables, a gradient of the wrong sign: rejected.
    let fits = fits.min(50);
    for name in ["factor", "latent-class"] {
        let family = families(&setting()).into_iter().find(|f| f.0 == name).unwrap().1;
        let wrong = WrongGradient(families(&setting()).into_iter().find(|f| f.0 == name).unwrap().1);
        let (worst, bound, which) = judge(name, family.as_ref(), &wrong, fits);
        println!("| {name}, gradient of the wrong sign | {fits} | {which} | {worst:.1e} | {bound:.5} |");
        assert!(worst < bound, "a wrong gradient of {name} went unnoticed: {worst} above {bound}");
    }
}

#[test]
#[ignore = "release mode"]
fn slow_calibration_50() {
    run(50);
}

#[test]
#[ignore = "ten minutes in release mode"]
fn calibration_500() {
    run(500);
}

/// The bands themselves: uniform ranks stay inside as often as they should, and ranks of a posterior too narrow by a fifth do not.
#[test]
fn bands_keep_their_level_and_have_power() {
    let n = 500;
    let tails = tails(n);
    let bound = critical(n, &tails, 0.05);
    let outside = |narrow: f64| {
        (0..200)
            .filter(|&i| {
                let mut rng = Seed(77).stream(Purpose::Simulation, i);
                let ranks: Vec<usize> = (0..n)
                    .map(|_| {
                        let z: f64 = rand_distr::Distribution::sample(&rand_distr::StandardNormal, &mut rng);
                        ((crate::special::normal_cdf(z / narrow) * (RANKED as f64 + 1.0)) as usize).min(RANKED)
                    })
                    .collect();
                statistic(&ranks, &tails) < bound
            })
            .count()
    };
    let (right, narrow) = (outside(1.0), outside(0.8));
    assert!((2..=22).contains(&right), "{right} of 200 at 5%");
    assert!(narrow > 170, "{narrow} of 200");
}
