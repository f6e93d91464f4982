//! Counts files: the table itself, in parts and added up.

use crate::support::{Folder, says};
use std::fmt::Write;

fn table(rows: usize) -> String {
    let mut text = String::from("trial,a,b,c,goal,suite,weight\n");
    for i in 0..rows {
        let c = if i % 11 == 0 { "error".to_owned() } else { ((i / 5) % 2).to_string() };
        writeln!(text, "t{i},{},{},{c},g{},s{},{}", i % 3 % 2, (i / 2) % 2, i % 40, i % 4, 1.0 + (i % 3) as f64 / 4.0).unwrap();
    }
    text
}

#[test]
fn a_counts_file_stands_for_the_outcomes() {
    let f = Folder::new();
    f.write("o.csv", table(20_000));
    let columns = "--cluster goal --stratum suite";
    let direct = f.results(&format!("analyze o.csv {columns}"));
    let ran = f.run(&format!("count o.csv {columns} -o whole.parquet"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("20000 trials"), "{}", ran.out);
    assert_eq!(f.results("analyze whole.parquet")["analysis"], direct["analysis"]);
    // In three parts, added up; and straight from the parts. Sums of weights may differ in the last digit.
    for i in 1..=3 {
        assert_eq!(f.run(&format!("count o.csv {columns} --shard {i}/3 -o part{i}.parquet --quiet")).code, 0);
    }
    assert_eq!(f.run("merge part1.parquet part2.parquet part3.parquet -o sum.parquet").code, 0);
    for files in ["sum.parquet", "part1.parquet part2.parquet part3.parquet"] {
        let r = f.results(&format!("analyze {files}"));
        assert_eq!(r["analysis"]["data"], direct["analysis"]["data"], "{files}");
        let beta = |v: &serde_json::Value| v["analysis"]["joint"]["content"]["beta"]["value"].as_f64().unwrap();
        assert!((beta(&r) - beta(&direct)).abs() < 1e-13, "{files}");
    }
}

#[test]
fn counts_files_refuse_what_does_not_fit() {
    let f = Folder::new();
    f.write("o.csv", "a,b,g\n1,0,x\n0,1,y\n1,1,x\n");
    assert_eq!(f.run("count o.csv --cluster g -o g.parquet").code, 0);
    assert_eq!(f.run("count o.csv --layers a,b -o plain.parquet").code, 0);
    says(&f.fails("merge g.parquet plain.parquet -o sum.parquet"), &["cannot be added up", "clusters"]);
    assert!(!f.path("sum.parquet").exists());
    says(&f.fails("merge o.csv -o sum.parquet"), &["o.csv", "is not a counts file", "coincide count"]);
    says(&f.fails("analyze g.parquet o.csv"), &["o.csv", "is not a counts file"]);
    says(&f.fails("analyze g.parquet --stratum g"), &["keeps the columns it was counted with"]);
    says(&f.fails("count o.csv -o x.parquet --shard 3/2"), &["not a part"]);
    let mut bytes = std::fs::read(f.path("g.parquet")).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    f.write("cut.parquet", bytes);
    says(&f.fails("analyze cut.parquet"), &["not a whole Parquet file"]);
}

#[test]
fn a_stratum_may_be_the_cluster() {
    let f = Folder::new();
    f.write("o.csv", table(2_000));
    let columns = "--cluster goal --stratum goal --layers a,b,c";
    assert_eq!(f.run(&format!("count o.csv {columns} -o both.parquet")).code, 0);
    assert_eq!(f.results("analyze both.parquet")["analysis"], f.results(&format!("analyze o.csv {columns}"))["analysis"]);
}

#[test]
fn the_direct_and_the_general_way_count_alike() {
    use arrow_array::{ArrayRef, Int8Array, RecordBatch, StringArray};
    use std::sync::Arc;
    let f = Folder::new();
    let n = 50_000usize;
    let layer = |m: usize| Arc::new(Int8Array::from_iter_values((0..n).map(|i| i8::from((i * 2_654_435_761) >> 7 & 31 < m)))) as ArrayRef;
    let text = |m: usize| Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("v{}", (i / 7) % m)))) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", layer(4)), ("b", layer(9)), ("c", layer(20)), ("s", text(5)), ("t", text(3))]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(7_000)).build();
    let mut w = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(f.path("o.parquet")).unwrap(), batch.schema(), Some(properties)).unwrap();
    w.write(&batch).unwrap();
    w.close().unwrap();
    let fast = f.results("analyze o.parquet --stratum s --stratum t");
    // A weight column of ones sends the same rows the general way.
    let ones = Arc::new(Int8Array::from(vec![1; n])) as ArrayRef;
    let mut columns: Vec<(String, ArrayRef)> =
        batch.schema().fields().iter().zip(batch.columns()).map(|(f, c)| (f.name().clone(), c.clone())).collect();
    columns.push(("weight".into(), ones));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut w = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(f.path("w.parquet")).unwrap(), batch.schema(), None).unwrap();
    w.write(&batch).unwrap();
    w.close().unwrap();
    let slow = f.results("analyze w.parquet --stratum s --stratum t");
    assert_eq!(fast["analysis"], slow["analysis"]);
}
