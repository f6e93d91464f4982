//! Bad input: exit code 2, the place, what was expected, what to do; nothing half-written.

use crate::support::{Folder, says};

fn message(content: impl AsRef<[u8]>, arguments: &str) -> String {
    let f = Folder::new();
    f.write("o.csv", content);
    let err = f.fails(&format!("analyze o.csv {arguments} --json r.json").replace("  ", " "));
    assert!(!f.path("r.json").exists());
    err
}

#[test]
fn a_cell_that_is_no_outcome() {
    says(&message("a,b\n1,0\n0,maybe\n", "--layers a,b"), &["o.csv:3, column `b`", "`maybe`", "expected 0", "--layers"]);
    says(&message("a,b\n1,0\n0,0.7\n", "--layers a,b"), &["o.csv:3, column `b`", "0.7 is not an outcome", "--threshold b=VALUE"]);
    says(&message("a,b\n1,0\n0,inf\n", "--layers a,b"), &["o.csv:3", "inf is not an outcome"]);
    says(&message("a,b\n1,0.2\n0,-inf\n", "--layers a,b --threshold b=0.5 --fails-when below"), &["o.csv:3", "-inf is not a score"]);
    says(&message("a,b\n1,0\n0,censored_by:x\n", "--layers a,b"), &["o.csv:3", "names no layer", "the layers are a, b"]);
}

#[test]
fn lines_and_text() {
    says(&message("a,b\n1,0\n0\n", ""), &["o.csv:3", "1 fields; the header has 2"]);
    says(&message(b"a,b\n1,0\n0,\xff\n", "--layers a,b"), &["o.csv:3, column `b`", "not UTF-8"]);
    says(&message(b"\xff\xfea\0", ""), &["UTF-16", "save it as UTF-8"]);
    says(&message("", ""), &["is empty"]);
    says(&message("a,b\n", ""), &["no column holds only outcomes"]);
    says(&message("a,b\n", "--layers a,b"), &["has no rows"]);
    says(&message("a,a\n1,0\n", ""), &["two columns are called `a`"]);
    says(&message("a;b\n1;0\n", ""), &["semicolons"]);
    says(&message("x,y\np,q\n", ""), &["no column holds only outcomes", "`x`, `y`", "--layers"]);
    says(&message("[{\"a\":1}]", ""), &["JSON array", "one JSON object a line"]);
    says(&message("{\"a\":1}\n{\"a\":\n", ""), &["o.csv:2", "not valid JSON"]);
    says(&message("{\"a\":1}\n7\n", ""), &["o.csv:2", "not a JSON object"]);
    says(&message(b"\x00\x01\x02", ""), &["neither text, Parquet nor Arrow"]);
}

#[test]
fn trials_twice() {
    says(
        &message("trial,a,b\nt1,1,0\nt2,1,1\nt1,1,1\n", ""),
        &["o.csv:4, column `trial`", "trial `t1` was already seen at o.csv:2", "with different outcomes", "epoch"],
    );
    says(&message("trial,a,b\nt1,1,0\nt1,1,0\n", ""), &["with the same outcomes"]);
    says(&message("trial,layer,outcome\nt1,a,1\nt1,a,0\n", ""), &["already has an outcome of layer `a`", "epoch"]);
    says(&message("trial,layer,outcome,goal\nt1,a,1,g\nt1,b,0,h\n", ""), &["trial `t1` has `h` here and `g` at o.csv:2", "column `goal`"]);
}

#[test]
fn layers_without_outcomes() {
    says(&message("a,b\n1,\n0,\n", "--layers a,b"), &["layer `b` has no outcome", "leave it out"]);
}

#[test]
fn weights_labels_clusters_orders() {
    says(&message("a,b,weight\n1,0,1\n0,1,-2\n", ""), &["o.csv:3, column `weight`", "not a positive number"]);
    says(&message("a,b,weight\n1,0,1\n0,1,nan\n", ""), &["o.csv:3", "not a positive number"]);
    says(&message("a,b,label\n1,0,attack\n0,1,evil\n", ""), &["o.csv:3, column `label`", "expected attack, benign or adaptive"]);
    says(&message("a,b,goal\n1,0,g\n0,1,\n", "--cluster goal"), &["o.csv:3, column `goal`", "the cluster is empty"]);
    says(&message("a,b,asked\n1,0,a>z\n", "--order-from asked"), &["o.csv:2, column `asked`", "`z` is not a layer"]);
    says(&message("a,b,label\n1,0,benign\n", ""), &["no attack trials"]);
}

#[test]
fn options_that_do_not_fit() {
    let table = "trial,a,b,goal\nt1,1,0,g\nt2,0,1,g\n";
    says(&message(table, "--cluster gaol"), &["no column `gaol`", "did you mean `goal`?"]);
    says(&message(table, "--layers a,c"), &["no column `c`"]);
    says(&message(table, "--layers a,b,goal --cluster goal"), &["both a layer and the cluster"]);
    says(&message(table, "--threshold b=0.5"), &["nothing says which side", "--fails-when below"]);
    says(&message(table, "--layers a,b --threshold z=0.5 --fails-when below"), &["names `z`, which is not a layer"]);
    says(&message(table, "--fails-when b=below"), &["`b` has no threshold"]);
    says(&message(table, "--threshold b"), &["expected LAYER=SCORE"]);
    says(&message(table, "--order b"), &["`a` is missing from it"]);
    says(&message(table, "--order a,b"), &["although `a`", "leave --order out"]);
    says(&message(table, "--group all=a,z"), &["no layer `z`"]);
    says(&message(table, "--join trial"), &["--layer-from"]);
    says(&message(table, "--layer-from file --baseline a"), &["no row is of the baseline `a`"]);
    says(&message(table, "--clutser goal"), &["--clutser", "--cluster"]);
    says(&message(table, "--level 1.5"), &["between 0 and 1"]);
    says(&message(table, "--replicates 5"), &["100"]);
}

#[test]
fn files_that_are_missing_or_damaged() {
    let f = Folder::new();
    says(&f.fails("analyze nothing.csv"), &["nothing.csv", "No such file"]);
    says(&f.fails("analyze nothing*.csv"), &["no file matches"]);
    says(&f.fails("analyze ."), &["is a folder"]);
    f.write("cut.parquet", b"PAR1 and then nothing")
        .write("cut.arrow", b"ARROW1\0\0junk")
        .write("cut.csv.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]);
    f.write("cut.csv.zst", [0x28, 0xb5, 0x2f, 0xfd, 4, 0, 0x79]);
    says(&f.fails("analyze cut.parquet"), &["cut.parquet", "not a whole Parquet file"]);
    says(&f.fails("analyze cut.arrow"), &["cut.arrow", "damaged or cut short"]);
    says(&f.fails("analyze cut.csv.gz"), &["cut.csv.gz", "gzip"]);
    says(&f.fails("analyze cut.csv.zst"), &["cut.csv.zst", "zstd"]);
    f.write("ok.csv", "a,b\n1,0\n0,1\n");
    says(&f.fails("analyze ok.csv --json no/such/folder/r.json"), &["no/such/folder/r.json"]);
    assert_eq!(f.run("--help").code, 0);
    assert_eq!(f.run("frobnicate").code, 2);
}

/// Files that a fuzzer found, on which a decoder panics. They are refused like any other damaged file.
#[test]
fn hostile_files_are_refused() {
    let f = Folder::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile")).unwrap() {
        std::fs::copy(entry.unwrap().path(), f.path("hostile")).unwrap();
        let message = f.fails("analyze hostile");
        says(&message, &["hostile", "damaged"]);
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[test]
fn what_would_count_twice_or_be_lost_is_refused() {
    let f = Folder::new();
    f.write("o.csv", "a,b\n1,0\n0,1\n").write("copy.csv", "a,b\n1,0\n0,1\n");
    says(&f.fails("analyze o.csv copy.csv"), &["have the same content", "count twice"]);
    says(&f.fails("analyze o.csv --json o.csv"), &["`o.csv` is an input"]);
    says(&f.fails("count o.csv -o o.csv"), &["`o.csv` is an input"]);
    assert_eq!(std::fs::read_to_string(f.path("o.csv")).unwrap(), "a,b\n1,0\n0,1\n");
    says(&f.fails("analyze o.csv --fails-when below"), &["needs a --threshold"]);
    says(&f.fails("analyze o.csv --group x=a,a"), &["`a` is used twice"]);
    says(&f.fails("analyze o.csv --group x=a --group x=b"), &["`x` is used twice"]);
}

/// Stopped in different orders that were not recorded: leaving the missing cells out would select.
#[test]
fn a_pipeline_without_a_known_order_is_not_taken_for_gaps_at_random() {
    let table = "a,b\n0,censored_by:a\ncensored_by:b,0\n1,1\n";
    says(&message(table, "--layers a,b"), &["no one order of the layers", "--order-from"]);
    says(&message("a,b,asked\n0,1,a>b\n1,1,b>a\n,0,b>a\n", "--order-from asked"), &["does not stop at the first layer"]);
}
