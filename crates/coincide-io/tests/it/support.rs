//! Logs and what is made of them.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use coincide_io::{Imported, ReadOptions, Result, Tool, import};
use std::collections::BTreeMap;

/// The path of a fixture.
pub fn log(name: &str) -> String {
    format!("{}/tests/logs/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn none() -> ReadOptions {
    ReadOptions::default()
}

pub fn try_read(tool: Tool, files: &[&str], options: &ReadOptions) -> Result<Imported> {
    let names: Vec<String> = files.iter().map(|f| if f.starts_with('/') { (*f).to_owned() } else { log(f) }).collect();
    import(&names, Some(tool), options, &|_, _, _| {})
}

pub fn read(tool: Tool, files: &[&str], options: &ReadOptions) -> Imported {
    try_read(tool, files, options).unwrap_or_else(|e| panic!("{e}: {}", e.hint().unwrap_or_default()))
}

/// The message and hint of an import that must fail.
pub fn fails(tool: Tool, files: &[&str], options: &ReadOptions) -> String {
    let e = try_read(tool, files, options).expect_err("an error");
    format!("{e}\n{}", e.hint().unwrap_or_default())
}

/// The texts of a column.
pub fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let array = batch.column_by_name(name).unwrap_or_else(|| panic!("no column `{name}` in {:?}", batch.schema().fields()));
    if let Some(plain) = array.as_string_opt::<i32>() {
        return plain.iter().map(|t| t.unwrap_or_default().to_owned()).collect();
    }
    let keys = array.as_dictionary::<Int32Type>();
    let values = keys.values().as_string::<i32>();
    (0..keys.len()).map(|r| keys.key(r).map_or("", |k| values.value(k)).to_owned()).collect()
}

/// One letter a cell: 1 failed, 0 held, `.` not run, and the first letter of every other reason.
fn letter(text: &str) -> String {
    match text {
        "" => ".".into(),
        "error" | "abstain" | "unparsed" => text[..1].into(),
        _ if text.starts_with("censored_by:") => "c".into(),
        other => other.into(),
    }
}

/// Rows by trial: a cell a layer, in the order of the layers.
pub fn grid(i: &Imported) -> BTreeMap<String, String> {
    assert!(!i.joined, "{:?}", i.table().schema());
    let columns: Vec<Vec<String>> = i.layers.iter().map(|l| column(i.table(), &l.name)).collect();
    let rows = column(i.table(), "trial").into_iter().enumerate();
    rows.map(|(r, trial)| (trial, columns.iter().map(|c| letter(&c[r])).collect::<Vec<_>>().join(" "))).collect()
}

/// The same as lines, for tables that are written down in a test.
pub fn lines(i: &Imported) -> String {
    grid(i).into_iter().map(|(trial, cells)| format!("{trial}: {cells}\n")).collect()
}

/// The words of a table in a test: no blanks around lines, none of them empty.
pub fn table(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).map(|l| format!("{l}\n")).collect()
}

pub fn layers(i: &Imported) -> Vec<&str> {
    i.layers.iter().map(|l| l.name.as_str()).collect()
}

/// Whether some note says this.
pub fn noted(i: &Imported, words: &str) -> bool {
    i.notes.iter().any(|n| n.contains(words))
}

/// Cuts a file at every byte: an error, or trials of the whole file whose outcomes are those of the whole, or missing. Never a panic, never another outcome.
pub fn cut_everywhere(tool: Tool, content: &[u8], options: &ReadOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let name = path.to_string_lossy().into_owned();
    std::fs::write(&path, content).unwrap();
    let rows = |i: &Imported| -> BTreeMap<String, BTreeMap<String, String>> {
        let trials = column(i.table(), "trial");
        let columns: Vec<(&str, Vec<String>)> = i.layers.iter().map(|l| (l.name.as_str(), column(i.table(), &l.name))).collect();
        trials.into_iter().enumerate().map(|(r, t)| (t, columns.iter().map(|(l, c)| ((*l).to_owned(), c[r].clone())).collect())).collect()
    };
    let whole = rows(&read(tool, &[&name], options));
    let mut read_some = 0;
    for n in 0..content.len() {
        std::fs::write(&path, &content[..n]).unwrap();
        let Ok(cut) = try_read(tool, &[&name], options) else { continue };
        read_some += 1;
        for (trial, cells) in rows(&cut) {
            let full = whole.get(&trial).unwrap_or_else(|| panic!("cut at {n}: trial `{trial}` is not in the whole file"));
            for (layer, cell) in cells {
                // A layer may have another name where the rest of the file would have named it; it never holds under that.
                let Some(had) = full.get(&layer) else {
                    assert_ne!(cell, "0", "cut at {n}: `{layer}` on `{trial}`");
                    continue;
                };
                let outcome = matches!(cell.as_str(), "0" | "1") || cell.parse::<f64>().is_ok();
                assert!(!outcome || *had == cell, "cut at {n}: `{layer}` on `{trial}` says {cell}, not {had}");
            }
        }
    }
    assert!(read_some < content.len(), "nothing was ever refused");
}
