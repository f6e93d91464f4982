//! Any bytes as a file of outcomes: every format is recognised by content, so one target reaches every reader. Whatever
//! comes, `load` answers with a table or an error; a table that it gives can be analysed, written and read again.

#![no_main]

use coincide_io::{FailsWhen, Keep, LayerFrom, ReadOptions, Threshold, load, load_trials, read_verdicts, write_counts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first byte picks the options, the rest is the file.
    let Some((&pick, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("input");
    std::fs::write(&path, content).expect("a temporary file");
    let name = |s: &str| s.to_owned();
    let options = match pick % 6 {
        0 => ReadOptions::default(),
        1 => ReadOptions { layers: Some(vec![name("a"), name("b")]), ..ReadOptions::default() },
        2 => ReadOptions { strata: vec![name("s")], clusters: vec![name("g")], ..ReadOptions::default() },
        3 => ReadOptions {
            thresholds: vec![Threshold { layer: name("a"), value: 0.5, fails_when: None }],
            fails_when: Some(FailsWhen::Below),
            ..ReadOptions::default()
        },
        4 => ReadOptions { layer_from: Some(LayerFrom::File), ..ReadOptions::default() },
        _ => ReadOptions { order_from: Some(name("order")), baseline: Some(name("b")), ..ReadOptions::default() },
    };
    // Trial by trial, for thresholds and checks by hand; the same bytes as verdicts.
    let files = [path.to_string_lossy().into_owned()];
    if let Ok(scored) = load_trials(&files, &options, Keep::Scores, &|_, _, _| {}) {
        scored.trials.check().expect("trials that were read fit together");
        if scored.trials.len() <= 60 && scored.trials.layers.len() <= 3 {
            let _ = coincide::thresholds(&scored.trials, &Default::default(), &Default::default(), &|_, _, _| {});
        }
    }
    let verdicts = read_verdicts(&files);
    if let (Ok(v), Ok(outcomes)) = (verdicts, load_trials(&files, &options, Keep::Outcomes, &|_, _, _| {})) {
        let _ = coincide::checked(&outcomes.trials, &v.verdicts, 0.95);
        let _ = coincide::check_queue(&outcomes.trials, &Default::default());
    }
    let Ok(loaded) = load(&[path.to_string_lossy().into_owned()], &options, &|_, _, _| {}) else { return };
    let counts = folder.path().join("counts.parquet");
    write_counts(&counts, &loaded).expect("a table can be written");
    let again = load(&[counts.to_string_lossy().into_owned()], &ReadOptions::default(), &|_, _, _| {}).expect("what was written can be read");
    assert_eq!(again.table.len(), loaded.table.len());
    if loaded.table.len() <= 64 && loaded.table.layers().len() <= 6 {
        let quick = coincide::AnalyzeOptions { replicates: 100, ..coincide::AnalyzeOptions::default() };
        let _ = coincide::analyze(&loaded.table, &quick, &|_, _, _| {});
    }
});
