//! Any text as a study, a failure-mode map and an expression: an error, or something that can be used.

#![no_main]

use coincide::Structure;
use coincide_io::{StudyFile, parse_map};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(f) = StudyFile::parse("s.toml", text.as_bytes().to_vec()) {
        let _ = (f.files(), f.read_options(), f.analyze_options(), f.fit_options(), f.mode_options());
        assert!(f.cell_beliefs().is_ok());
    }
    if let Ok(map) = parse_map("m.csv", text.as_bytes()) {
        let cells = map.techniques().len() * map.modes().len();
        assert!(cells > 0 && map.cell(0, 0).is_none_or(|c| !c.technique.is_empty()));
    }
    let layers = ["a", "b", "c"].map(String::from);
    if let Ok(s) = Structure::parse(text, &layers, &Default::default()) {
        assert!(s.members().len() <= 3);
        assert!((-1e-12..=1.0 + 1e-12).contains(&s.given(&[0.1, 0.5, 0.9]).unwrap()));
    }
});
