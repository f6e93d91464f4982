//! Any bytes as a log of another tool. Whatever comes, `import` answers with a table or an error; a table that it gives can be written, and says the same when
//! it is read again.

#![no_main]

use coincide_io::{FailsWhen, GaveUp, LayerFrom, ReadOptions, Tool, import, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first byte picks the tool and options, the rest is the file.
    let Some((&pick, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    std::fs::write(&path, content).expect("a temporary file");
    let usual = ReadOptions { fails_when: (pick & 16 != 0).then_some(FailsWhen::Below), ..ReadOptions::default() };
    let options = match pick >> 5 {
        0..=3 => usual,
        4 => ReadOptions { layer_from: Some(LayerFrom::File), ..usual },
        5 => ReadOptions { layer_from: Some(LayerFrom::Column("task".into())), join: vec!["sample.id".into()], ..usual },
        6 => ReadOptions { gave_up: Some(GaveUp::Held), trial: Some("goal".into()), ..usual },
        _ => ReadOptions { clusters: vec!["goal".into()], label: Some("label".into()), ..usual },
    };
    let names = [path.to_string_lossy().into_owned()];
    let tool = Tool::ALL[usize::from(pick & 15) % Tool::ALL.len()];
    let Ok(imported) = import(&names, Some(tool), &options, &|_, _, _| {}) else { return };
    let table = folder.path().join("outcomes.parquet");
    imported.write(&table).expect("a table can be written");
    // A label column of other words, or a weight that is none, is refused by the reader alone.
    if options.label.is_none() {
        let again = load(&[table.to_string_lossy().into_owned()], &ReadOptions::default(), &|_, _, _| {}).expect("what was written can be read");
        assert_eq!(again.table.layers().len(), imported.layers.len());
    }
});
