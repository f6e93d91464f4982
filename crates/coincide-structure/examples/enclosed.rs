//! Certain bounds of the top probability of a fault tree that has no room: `cargo run --release -p coincide-structure --example enclosed -- FILE [LIMIT]`.
#![allow(clippy::unwrap_used)]

use coincide_structure::{Limits, read_open_psa};
use std::time::Instant;

fn main() {
    let mut words = std::env::args().skip(1);
    let file = words.next().expect("a fault tree");
    let nodes = words.next().map_or(20_000_000, |n| n.parse().unwrap());
    let tree = read_open_psa(&std::fs::read(&file).unwrap()).unwrap();
    let began = Instant::now();
    match tree.structure.enclose(&tree.probabilities, Limits { nodes }) {
        Ok([low, high]) => println!("{low:.14e} to {high:.14e}: {:.2e} apart, {:.2} s", high / low - 1.0, began.elapsed().as_secs_f64()),
        Err(e) => println!("{e}, {:.2} s", began.elapsed().as_secs_f64()),
    }
}
