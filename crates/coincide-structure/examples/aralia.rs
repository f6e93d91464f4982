//! Exact top probabilities of a folder of fault trees in the Open-PSA format, with the time that each took: `cargo run --release -p coincide-structure --example aralia -- FOLDER [LIMIT]`.
#![allow(clippy::unwrap_used)]

use coincide_structure::{Limits, read_open_psa};
use std::time::Instant;

fn main() {
    let folder = std::env::args().nth(1).expect("a folder of .xml files");
    let nodes = std::env::args().nth(2).map_or(20_000_000, |n| n.parse().unwrap());
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "xml")).collect();
    files.sort();
    println!("tree,p_top,events,gates,modules,nodes,read_s,all_s,cut_sets,cut_sets_s");
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let began = Instant::now();
        let tree = match read_open_psa(&std::fs::read(&file).unwrap()) {
            Ok(tree) => tree,
            Err(e) => {
                println!("{name},{e}");
                continue;
            }
        };
        let read = began.elapsed().as_secs_f64();
        match tree.structure.compile(Limits { nodes }) {
            Ok(compiled) => {
                let p = compiled.probability(&tree.probabilities);
                let (modules, decisions) = compiled.size();
                let all = began.elapsed().as_secs_f64();
                let sets = compiled
                    .cut_sets(Limits { nodes })
                    .map_or_else(|e| e.to_string(), |s| s.by_order().map_or_else(|e| e.to_string(), |n| n.iter().sum::<u128>().to_string()));
                let with_sets = began.elapsed().as_secs_f64() - all;
                println!("{name},{p:.14e},{},{},{modules},{decisions},{read:.4},{all:.4},{sets},{with_sets:.4}", tree.events.len(), tree.gates);
            }
            Err(e) => println!("{name},{e}"),
        }
    }
}
