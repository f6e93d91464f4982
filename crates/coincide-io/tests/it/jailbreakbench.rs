//! JailbreakBench artifacts.

use crate::support::*;
use coincide_io::Tool::JailbreakBench;
use coincide_io::{GaveUp, ReadOptions};

const FILES: [&str; 5] = [
    "jailbreakbench/persona_vicuna-13b-v1.5.json",
    "jailbreakbench/persona_llama-2-7b-chat-hf.json",
    "jailbreakbench/base64_vicuna-13b-v1.5.json",
    "jailbreakbench/base64_llama-2-7b-chat-hf.json",
    "jailbreakbench/persona_vicuna-13b-v1.5_SmoothLLM.json",
];

/// The rows of one attack, as a string of letters for each layer.
fn by_layer(i: &coincide_io::Imported, attack: &str) -> Vec<String> {
    let trials = column(i.table(), "trial");
    let letters = |l: &str| {
        let cells = column(i.table(), l);
        let of = (0..10).map(|b| trials.iter().position(|t| t.starts_with(attack) && t.ends_with(&format!("/{b}"))));
        of.map(|r| r.map_or("-", |r| if cells[r].is_empty() { "." } else { cells[r].as_str() }).to_owned()).collect::<String>()
    };
    layers(i).into_iter().map(letters).collect()
}

#[test]
fn the_table_is_the_one_counted_by_hand() {
    let i = read(JailbreakBench, &FILES, &none());
    assert_eq!(layers(&i), ["vicuna-13b-v1.5", "llama-2-7b-chat-hf", "vicuna-13b-v1.5+SmoothLLM"]);
    assert_eq!(by_layer(&i, "persona"), ["111001001.", "10000000..", "101000001."]);
    assert_eq!(by_layer(&i, "base64"), ["0101010000", "000101...0", ".........."]);
    assert_eq!((i.clusters.as_slice(), i.strata.as_slice()), (["behavior".to_owned()].as_slice(), ["attack".to_owned()].as_slice()));
}

#[test]
fn an_attack_that_gave_up_is_missing_unless_asked_for() {
    let held = ReadOptions { gave_up: Some(GaveUp::Held), ..none() };
    let i = read(JailbreakBench, &FILES, &held);
    assert_eq!(by_layer(&i, "base64")[1], "0001010000");
    assert!(noted(&i, "the attack gave up on 3 behaviours (counted as held, as asked)"), "{:?}", i.notes);
    assert!(noted(&read(JailbreakBench, &FILES, &none()), "--gave-up held counts them as stopped"));
}

#[test]
fn prompts_that_differ_between_models_are_named() {
    // Of nine behaviours that were asked of any of the two, the attack wrote eight differently for each.
    assert!(noted(&read(JailbreakBench, &FILES[..2], &none()), "on 8 of 9 behaviours and attacks the models were asked different prompts"));
    let same = read(JailbreakBench, &FILES[..1], &none());
    assert!(!noted(&same, "different prompts"));
}

#[test]
fn cut_at_every_byte() {
    cut_everywhere(JailbreakBench, &std::fs::read(log(FILES[0])).unwrap(), &none());
}
