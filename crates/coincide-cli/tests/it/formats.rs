//! The same trials in every format give the same numbers.

use crate::support::{Folder, beta};
use arrow_array::{ArrayRef, Int8Array, RecordBatch, StringArray};
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;

const WIDE: &str = "trial,filter,judge,goal,suite\na1,1,1,g1,x\na2,1,0,g1,x\na3,0,1,g2,y\na4,0,0,g2,y\na5,1,1,g3,y\na6,0,,g3,x\na7,error,0,g4,x\n";
const OPTIONS: &str = "--cluster goal --stratum suite";

/// The analysis without what depends on the file.
fn analysis(v: &Value) -> Value {
    v["analysis"].clone()
}

fn reference() -> Value {
    let f = Folder::new();
    f.write("o.csv", WIDE);
    analysis(&f.results(&format!("analyze o.csv {OPTIONS}")))
}

#[test]
fn delimited_text_plain_and_packed() {
    let f = Folder::new();
    let tabs = WIDE.replace(',', "\t");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(WIDE.as_bytes()).unwrap();
    f.write("o.tsv", tabs)
        .write("crlf.csv", WIDE.replace('\n', "\r\n"))
        .write("bom.csv", format!("\u{feff}{WIDE}"))
        .write("o.csv.gz", gz.finish().unwrap())
        .write("o.csv.zst", zstd::encode_all(WIDE.as_bytes(), 3).unwrap())
        .write("words.csv", WIDE.replace(",1,1,", ",failed,true,").replace(",0,0,", ",Held,false,"));
    for file in ["o.tsv", "crlf.csv", "bom.csv", "o.csv.gz", "o.csv.zst", "words.csv"] {
        assert_eq!(analysis(&f.results(&format!("analyze {file} {OPTIONS}"))), reference(), "{file}");
    }
}

#[test]
fn standard_input_several_files_and_patterns() {
    let f = Folder::new();
    let lines: Vec<&str> = WIDE.lines().collect();
    f.write("part1.csv", format!("{}\n", lines[..4].join("\n"))).write("part2.csv", format!("{}\n{}\n", lines[0], lines[4..].join("\n")));
    assert_eq!(analysis(&f.results(&format!("analyze part1.csv part2.csv {OPTIONS}"))), reference());
    assert_eq!(analysis(&f.results(&format!("analyze part*.csv {OPTIONS}"))), reference());
    let arguments = format!("analyze - {OPTIONS} --replicates 200 --json -");
    let ran = f.run_with(&arguments.split(' ').collect::<Vec<_>>(), WIDE.as_bytes(), "80");
    assert_eq!(analysis(&serde_json::from_str(&ran.out).unwrap()), reference());
}

#[test]
fn json_lines() {
    let f = Folder::new();
    let mut reader = csv::Reader::from_reader(WIDE.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut text = String::new();
    for record in reader.records() {
        let record = record.unwrap();
        let object: serde_json::Map<String, Value> = header
            .iter()
            .zip(record.iter())
            .filter(|(_, v)| !v.is_empty())
            .map(|(k, v)| (k.to_owned(), v.parse::<i64>().map_or_else(|_| v.into(), Value::from)))
            .collect();
        text += &format!("{}\n", Value::from(object));
    }
    f.write("o.jsonl", text);
    assert_eq!(analysis(&f.results(&format!("analyze o.jsonl {OPTIONS}"))), reference());
}

#[test]
fn parquet_and_arrow() {
    let f = Folder::new();
    let layer = |v: Vec<Option<i8>>| Arc::new(Int8Array::from(v)) as ArrayRef;
    let text = |v: Vec<&str>| Arc::new(StringArray::from(v)) as ArrayRef;
    // Typed columns cannot hold the word `error`: that row is left out here and in the reference.
    let batch = RecordBatch::try_from_iter([
        ("trial", text(vec!["a1", "a2", "a3", "a4", "a5", "a6"])),
        ("filter", layer(vec![Some(1), Some(1), Some(0), Some(0), Some(1), Some(0)])),
        ("judge", layer(vec![Some(1), Some(0), Some(1), Some(0), Some(1), None])),
        ("goal", text(vec!["g1", "g1", "g2", "g2", "g3", "g3"])),
        ("suite", text(vec!["x", "x", "y", "y", "y", "x"])),
    ])
    .unwrap();
    let mut parquet = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(f.path("o.parquet")).unwrap(), batch.schema(), None).unwrap();
    parquet.write(&batch).unwrap();
    parquet.close().unwrap();
    let mut file = arrow_ipc::writer::FileWriter::try_new(std::fs::File::create(f.path("o.arrow")).unwrap(), &batch.schema()).unwrap();
    file.write(&batch).unwrap();
    file.finish().unwrap();
    let mut stream = arrow_ipc::writer::StreamWriter::try_new(std::fs::File::create(f.path("o.stream")).unwrap(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    stream.finish().unwrap();
    let bytes = std::fs::read(f.path("o.parquet")).unwrap();
    f.write("o.parquet.zst", zstd::encode_all(bytes.as_slice(), 3).unwrap());
    let shorter: String = WIDE.lines().filter(|l| !l.starts_with("a7")).map(|l| format!("{l}\n")).collect();
    f.write("o.csv", shorter);
    let want = analysis(&f.results(&format!("analyze o.csv {OPTIONS}")));
    for file in ["o.parquet", "o.arrow", "o.stream", "o.parquet.zst"] {
        assert_eq!(analysis(&f.results(&format!("analyze {file} {OPTIONS}"))), want, "{file}");
    }
}

#[test]
fn long_tables() {
    let f = Folder::new();
    let mut text = String::from("trial,layer,outcome,reason,goal,suite\n");
    for line in WIDE.lines().skip(1) {
        let c: Vec<&str> = line.split(',').collect();
        for (layer, cell) in [("filter", c[1]), ("judge", c[2])] {
            let (outcome, reason) = if cell == "error" { ("", "error") } else { (cell, "") };
            text += &format!("{},{layer},{outcome},{reason},{},{}\n", c[0], c[3], c[4]);
        }
    }
    f.write("long.csv", text);
    assert_eq!(analysis(&f.results(&format!("analyze long.csv {OPTIONS}"))), reference());
}

#[test]
fn scores_with_thresholds() {
    let f = Folder::new();
    f.write("s.csv", "filter,judge,success\n0.9,0,0.1\n0.2,1,0.9\n0.1,1,0.8\n0.7,0,0.2\n");
    // Suspicion below 0.5 fails; success above 0.5 fails.
    let r = f.results("analyze s.csv --threshold filter=0.5 --threshold success=0.5 --fails-when below --fails-when success=above");
    assert_eq!(beta(&r), 0.5);
    assert!(r["notes"].to_string().contains("`filter` failed where its score is below 0.5"), "{}", r["notes"]);
}

#[test]
fn weights_labels_and_epochs() {
    let f = Folder::new();
    f.write("w.csv", "a,b,weight,label\n1,1,2,attack\n0,1,1,attack\n0,0,1,attack\n1,1,1,benign\n1,0,1,benign\n");
    let r = f.results("analyze w.csv");
    assert_eq!(beta(&r), 0.5);
    let alarms = &r["analysis"]["false_alarms"]["content"];
    assert_eq!(alarms["any"]["value"], 0.5);
    assert_eq!(alarms["layers"][1]["rate"]["value"], 0.5);
    f.write("e.csv", "trial,epoch,a,b\nt1,1,1,1\nt1,2,0,1\nt2,1,0,0\nt2,2,1,1\n");
    let r = f.results("analyze e.csv");
    assert_eq!(r["analysis"]["data"]["content"]["clusters"][0]["column"], "trial");
}

#[test]
fn separate_runs_are_joined_and_uneven_repeats_averaged() {
    let f = Folder::new();
    f.write("filter.csv", "trial,outcome\nt1,1\nt1,0\nt2,1\nt3,0\n").write("judge.csv", "trial,outcome\nt1,1\nt1,1\nt1,0\nt2,1\nt4,1\n");
    let r = f.results("analyze filter.csv judge.csv --layer-from file --join trial");
    // t1: filter 1/2, judge 2/3, both 1/3; t2: both. t3 and t4 lack a run. Complete trials: t1 and t2.
    assert!((beta(&r) - (1.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
    let notes = r["notes"].to_string();
    assert!(notes.contains("2 of 4 trials are not in every run"), "{notes}");
    assert!(notes.contains("averaged over the combinations"), "{notes}");
    assert_eq!(r["analysis"]["data"]["content"]["attack_trials"], 4.0);
    assert!(r["answer"].to_string().contains("one at a time"));
    // The same with the layer in a column, and epochs that do correspond.
    f.write("runs.csv", "trial,epoch,model,outcome\nt1,1,a,1\nt1,2,a,0\nt1,1,b,1\nt1,2,b,0\n");
    let r = f.results("analyze runs.csv --layer-from model --join trial,epoch");
    assert_eq!(beta(&r), 0.5);
    let r = f.results("analyze runs.csv --layer-from model --join trial");
    assert_eq!(beta(&r), 0.25);
}

#[test]
fn pipelines_with_named_reasons_a_given_order_and_recorded_orders() {
    let f = Folder::new();
    f.write("p.csv", "a,b,c\n0,censored_by:a,censored_by:a\n1,0,censored_by:b\n1,1,1\n1,1,0\n");
    let r = f.results("analyze p.csv");
    assert_eq!(r["analysis"]["data"]["content"]["design"]["kind"], "fixed-order");
    assert_eq!(beta(&r), 0.25);
    assert!(r["analysis"]["layers"]["content"][2]["rate"]["value"].is_null());
    f.write("q.csv", "a,b,c\n0,,\n1,0,\n1,1,1\n1,1,0\n");
    let given = f.results("analyze q.csv --order a,b,c");
    assert_eq!(given["analysis"]["data"]["content"]["design"]["inferred"], false);
    f.write("r.csv", "a,b,asked\n0,,a>b\n1,1,a>b\n,0,b>a\n1,1,b>a\n0,1,b>a\n");
    let r = f.results("analyze r.csv --order-from asked");
    assert_eq!(r["analysis"]["data"]["content"]["design"]["kind"], "random-order");
    assert_eq!(beta(&r), 0.4);
}
