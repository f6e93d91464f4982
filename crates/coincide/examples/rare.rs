//! Orthants of normal vectors against their exact values, for the comparison with other libraries in `benches/peers/rare.py`: reads `p correlation-loadings…` lines, writes value, relative error and seconds.
#![allow(clippy::unwrap_used)]

use coincide::rare::{Copula, Sampling};
use coincide::{LayerSet, Seed};
use std::io::BufRead;
use std::time::Instant;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let numbers: Vec<f64> = line.split_whitespace().map(|x| x.parse().unwrap()).collect();
        // The seed, the rate, and the correlation matrix row by row.
        let (seed, p, matrix) = (numbers[0] as u64, numbers[1], &numbers[2..]);
        let k = matrix.len().isqrt();
        let began = Instant::now();
        let law = Copula::gaussian(&vec![p; k], matrix).unwrap();
        let all = law.all_fail(&LayerSet::all(k), &Sampling { seed: Seed(seed), ..Sampling::default() });
        println!("{} {} {}", all.ln_value, all.relative_error, began.elapsed().as_secs_f64());
    }
}
