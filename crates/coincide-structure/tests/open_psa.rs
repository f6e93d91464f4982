//! Models in the Open-PSA format: what each gate means, and what is refused where.
#![allow(clippy::unwrap_used)]

use coincide_structure::{FaultTree, read_open_psa};
use std::fmt::Write;

fn model(inside: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<opsa-mef>\n<define-fault-tree name=\"t\">\n{inside}\n</define-fault-tree>\n</opsa-mef>\n")
}

/// A top gate with this formula over events a, b, c of probabilities 0.1, 0.2, 0.3.
fn gate(formula: &str) -> String {
    let events: String = [("a", 0.1), ("b", 0.2), ("c", 0.3)]
        .iter()
        .map(|(name, p)| format!("<define-basic-event name=\"{name}\"><label>of &lt;{name}&gt;</label><float value=\"{p}\"/></define-basic-event>"))
        .collect();
    model(&format!(
        "<define-gate name=\"top\">{formula}</define-gate>{events}<define-house-event name=\"h\"><constant value=\"true\"/></define-house-event>"
    ))
}

fn p(text: &str) -> f64 {
    let tree: FaultTree = read_open_psa(text.as_bytes()).unwrap();
    tree.structure.compile(Default::default()).unwrap().probability(&tree.probabilities)
}

#[test]
fn every_gate_means_what_the_format_says() {
    let abc = "<basic-event name=\"a\"/><event name=\"b\"/><basic-event name=\"c\"/>";
    let ab = "<basic-event name=\"a\"/><basic-event name=\"b\"/>";
    let two = 0.1 * 0.2 * 0.7 + 0.1 * 0.8 * 0.3 + 0.9 * 0.2 * 0.3;
    let one = 0.1 * 0.8 * 0.7 + 0.9 * 0.2 * 0.7 + 0.9 * 0.8 * 0.3;
    let three = 0.1 * 0.2 * 0.3;
    let none = 0.9 * 0.8 * 0.7;
    for (formula, wanted) in [
        (format!("<and>{abc}</and>"), three),
        (format!("<or>{abc}</or>"), 1.0 - none),
        (format!("<nor>{abc}</nor>"), none),
        (format!("<nand>{abc}</nand>"), 1.0 - three),
        (format!("<atleast min=\"2\">{abc}</atleast>"), two + three),
        (format!("<cardinality min=\"1\" max=\"2\">{abc}</cardinality>"), one + two),
        (format!("<xor>{abc}</xor>"), one + three),
        (format!("<iff>{ab}</iff>"), 0.02 + 0.72),
        (format!("<imply>{ab}</imply>"), 1.0 - 0.1 * 0.8),
        ("<not><basic-event name=\"a\"/></not>".to_owned(), 0.9),
        ("<and><house-event name=\"h\"/><basic-event name=\"a\"/></and>".to_owned(), 0.1),
        ("<or><constant value=\"false\"/><not><basic-event name=\"c\"/></not></or>".to_owned(), 0.7),
        ("<basic-event name=\"b\"/>".to_owned(), 0.2),
    ] {
        assert!((p(&gate(&formula)) - wanted).abs() < 1e-15, "{formula}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let says = |text: &str, place: &str, what: &str| {
        let e = read_open_psa(text.as_bytes()).unwrap_err();
        let said = e.to_string();
        assert!(said.starts_with(place) && said.contains(what), "{said}");
    };
    says(&gate("<and><basic-event name=\"a\"/><basic-event name=\"x\"/></and>"), "4:", "`x` is not defined");
    says(&gate("<exactly min=\"2\"/>"), "4:", "`exactly` is not read here");
    says(&gate("<atleast min=\"4\"><basic-event name=\"a\"/></atleast>"), "4:", "1 inputs do not fit");
    says(&gate("<atleast><basic-event name=\"a\"/></atleast>"), "4:", "`atleast` has no `min`");
    says(&gate("<and/>"), "4:", "0 inputs do not fit");
    says(&gate("<or><gate name=\"top\"/><basic-event name=\"a\"/></or>"), "1:1", "every gate rests on another");
    says(&gate("<and><gate name=\"g\"/></and></define-gate><define-gate name=\"g\"><or><gate name=\"g\"/></or>"), "4:", "`g` rests on itself");
    says(
        &gate("<basic-event name=\"a\"/></define-gate>\n<define-gate name=\"other\"><basic-event name=\"b\"/>"),
        "5:",
        "2 gates are under no other: top, other",
    );
    says(&gate("<basic-event name=\"a\"/><basic-event name=\"b\"/>"), "4:", "two formulas");
    says(&model("<define-gate name=\"g\"/>"), "4:1", "has no formula");
    says(&model("<define-basic-event name=\"a\"><float value=\"1.5\"/></define-basic-event>"), "4:", "cannot have the probability 1.5");
    says(&model("<define-basic-event name=\"a\"><float value=\"NaN\"/></define-basic-event>"), "4:", "cannot have the probability NaN");
    says(&model("<define-basic-event name=\"a\"><exponential/></define-basic-event>"), "4:", "`exponential` is not read here");
    says(&model("<define-basic-event name=\"a\"/>"), "4:1", "has no probability");
    says(&model("<define-gate name=\"g\" role=\"private\"/>"), "4:1", "names are known in the whole model");
    says(&model(""), "1:1", "no gate");
    let twice = "<define-basic-event name=\"a\"><float value=\"0\"/></define-basic-event>\n";
    says(&model(&twice.repeat(2)), "5:1", "`a` is defined twice, first in line 4");
    says("<opsa-mef>", "1:", "ends within an element");
    says("<opsa-mef></opsa>", "1:", "not well-formed");
    says("<!DOCTYPE x [<!ENTITY a \"b\">]><opsa-mef/>", "1:1", "a document type is not read");
    says(&gate("<and>&a;</and>"), "4:", "text stands between elements");
    says(&gate("<basic-event name=\"&lol;\"/>"), "4:", "the value of `name` cannot be read");
    says(&model(&("<define-component name=\"c\">".repeat(1000) + &"</define-component>".repeat(1000))), "4:", "more than 500 elements");
    let e = read_open_psa(b"<opsa-mef>\n\xff").unwrap_err();
    assert_eq!(e.to_string(), "2:1: this is not UTF-8");
}

/// A hundred thousand gates, each on the one before: deep, and read in one pass.
#[test]
fn many_gates_are_read() {
    const GATES: usize = 100_000;
    let mut inside = String::from(
        "<define-basic-event name=\"e\"><float value=\"0.5\"/></define-basic-event><define-gate name=\"g0\"><basic-event name=\"e\"/></define-gate>",
    );
    for i in 1..GATES {
        // Half of them of one kind in a row, then in turns.
        let (kind, input) = (if i > GATES / 2 && i % 2 == 0 { "and" } else { "or" }, i - 1);
        let _ = write!(inside, "<define-gate name=\"g{i}\"><{kind}><gate name=\"g{input}\"/><basic-event name=\"e{i}\"/></{kind}></define-gate>");
        let _ = write!(inside, "<define-basic-event name=\"e{i}\"><float value=\"0.5\"/></define-basic-event>");
    }
    let tree = read_open_psa(model(&inside).as_bytes()).unwrap();
    assert_eq!((tree.gates, tree.events.len(), tree.top.as_str()), (GATES, GATES, "g99999"));
    assert_eq!(tree.structure.events().len(), GATES);
}
