//! Any text as a results document: an error, or a document that renders.

#![no_main]

use coincide_io::Results;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(results) = Results::from_json("input", text) {
        assert!(!results.to_json().is_empty());
    }
});
