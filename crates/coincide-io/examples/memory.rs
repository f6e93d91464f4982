//! `cargo run --release -p coincide-io --example memory FILE.arrow LAYER…`: seconds that counting a table in memory takes, the shortest of five, for
//! `benches/peers/frames.py`, which counts the same table from Python.

use arrow_ipc::reader::FileReader;
use coincide_io::{ReadOptions, load_batches};
use std::fs::File;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name an Arrow IPC file")?;
    let options = ReadOptions { layers: Some(arguments.collect()), ..ReadOptions::default() };
    let reader = FileReader::try_new(File::open(file)?, None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let mut shortest = f64::INFINITY;
    for _ in 0..5 {
        let begun = Instant::now();
        load_batches("table", schema.clone(), &batches, &options, &|_, _, _| {})?;
        shortest = shortest.min(begun.elapsed().as_secs_f64());
    }
    println!("{shortest}");
    Ok(())
}
