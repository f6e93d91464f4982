//! `cargo bench -p coincide-io`: counting a Parquet file the direct way and, with a cluster column, the general way.

use arrow_array::{ArrayRef, Int8Array, RecordBatch, StringArray};
use coincide_io::{ReadOptions, load};
use parquet::arrow::ArrowWriter;
use std::sync::Arc;

fn main() {
    divan::main();
}

const ROWS: usize = 1_000_000;

fn file() -> tempfile::TempPath {
    let bits = |salt: usize| (0..ROWS).map(move |i| i8::from((i.wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b)) >> 9 & 7 == 0));
    let mut columns: Vec<(String, ArrayRef)> =
        (0..12).map(|l| (format!("layer_{l:02}"), Arc::new(Int8Array::from_iter_values(bits(l))) as ArrayRef)).collect();
    for (name, levels) in [("family", 8), ("goal", 20_000)] {
        columns.push((name.to_owned(), Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("{name} {}", i % levels))))));
    }
    let batch = RecordBatch::try_from_iter(columns).expect("equal lengths");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut writer = ArrowWriter::try_new(file.reopen().expect("the same file"), batch.schema(), None).expect("plain columns");
    writer.write(&batch).expect("room on the disk");
    writer.close().expect("room on the disk");
    file.into_temp_path()
}

/// Whether trials are clustered.
#[divan::bench(args = ["direct", "general"], sample_count = 5)]
fn a_million_rows(bencher: divan::Bencher<'_, '_>, way: &str) {
    let file = file();
    let clusters = if way == "general" { vec!["goal".to_owned()] } else { Vec::new() };
    let options = ReadOptions {
        layers: Some((0..12).map(|l| format!("layer_{l:02}")).collect()),
        strata: vec!["family".into()],
        clusters,
        ..ReadOptions::default()
    };
    let name = [file.to_string_lossy().into_owned()];
    bencher.bench(|| load(&name, &options, &|_, _, _| {}).expect("a good file"));
}
