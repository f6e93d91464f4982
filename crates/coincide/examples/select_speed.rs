//! The best choice of layers under a budget, for the comparison with HiGHS in `benches/peers/choosing.py`: reads the budget and what layers take, then shares of attacks with the layers that fail on them; writes
//! value, whether it is proven, and the seconds of the search.
#![allow(clippy::unwrap_used)]

use coincide::{AnalyzeOptions, Columns, Label, SelectOptions, TableBuilder, best_choice};
use std::io::Read;
use std::time::Instant;

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let mut lines = text.lines().map(|l| l.split(' ').map(|x| x.parse::<f64>().unwrap()).collect::<Vec<f64>>());
    let first = lines.next().unwrap();
    let names: Vec<String> = (0..first.len() - 1).map(|j| format!("l{j}")).collect();
    let mut b = TableBuilder::new(Columns { layers: names.clone(), ..Columns::default() }).unwrap();
    let context = b.context(Label::Attack, None, 0, 0, &[]);
    let all = names.iter().enumerate().fold(0u64, |set, (j, _)| set | 1 << j);
    for row in lines {
        let failed = row[1..].iter().enumerate().fold(0u64, |set, (j, x)| set | u64::from(*x > 0.0) << j);
        b.add_masks(context, &[failed], &[all], 1.0, row[0]);
    }
    let table = b.finish();
    let options = SelectOptions {
        budgets: [("cost".to_owned(), first[0])].into(),
        takes: names.iter().zip(&first[1..]).map(|(n, c)| (n.clone(), [("cost".to_owned(), *c)].into())).collect(),
        ..SelectOptions::default()
    };
    let began = Instant::now();
    let (best, proven) = best_choice(&table, &[], &options, &AnalyzeOptions::default()).unwrap();
    println!("{} {proven} {}", best.beta, began.elapsed().as_secs_f64());
}
