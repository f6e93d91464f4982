//! Models in the Open-PSA format: what each gate means, and what is refused where.
#![allow(clippy::unwrap_used)]

use coincide_structure::{FaultTree, TreeOptions, read_open_psa, read_open_psa_with};
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
    says(&model("<define-basic-event name=\"a\"><float value=\"NaN\"/></define-basic-event>"), "4:", "`NaN` is no value");
    says(&model("<define-basic-event name=\"a\"><exponential/></define-basic-event>"), "4:", "0 arguments do not fit");
    says(&model("<define-basic-event name=\"a\"><external-function name=\"f\"/></define-basic-event>"), "4:", "`external-function` is not read here");
    says(&model("<define-basic-event name=\"a\"><float value=\"0.1\"/><float value=\"0.2\"/></define-basic-event>"), "4:", "two values");
    says(&model("<define-gate name=\"g\"><basic-event name=\"a\"/></define-gate><define-basic-event name=\"a\"/>"), "4:", "has no probability");
    let with = |value: &str, rest: &str| {
        model(&format!(
            "<define-gate name=\"g\"><basic-event name=\"a\"/></define-gate>\n<define-basic-event name=\"a\">{value}</define-basic-event>\n{rest}"
        ))
    };
    says(&with("<parameter name=\"p\"/>", ""), "5:", "the parameter `p` is not defined");
    says(
        &with("<parameter name=\"p\"/>", "<define-parameter name=\"p\"><neg><parameter name=\"p\"/></neg></define-parameter>"),
        "6:",
        "rests on itself",
    );
    says(&with("<add><float value=\"0.7\"/><float value=\"0.7\"/></add>", ""), "5:", "cannot have the probability 1.4");
    says(&with("<div><float value=\"0\"/><float value=\"0\"/></div>", ""), "5:", "cannot have the probability NaN");
    says(&with("<uniform-deviate><float value=\"0.7\"/><float value=\"0.1\"/></uniform-deviate>", ""), "1:1", "smaller end first");
    let chain: String = (0..2000).map(|i| format!("<define-parameter name=\"p{i}\"><parameter name=\"p{}\"/></define-parameter>\n", i + 1)).collect();
    says(&with("<parameter name=\"p0\"/>", &chain), "506:", "more than 500 deep");
    let group = |inside: &str| with("<float value=\"0.1\"/>", &format!("<define-CCF-group name=\"c\" model=\"MGL\">{inside}</define-CCF-group>"));
    let two = "<members><basic-event name=\"x\"/><basic-event name=\"y\"/></members>";
    says(&group(""), "6:1", "0 members");
    says(&group(two), "6:1", "no `distribution`");
    says(&group(&format!("{two}<distribution><float value=\"0.1\"/></distribution>")), "6:1", "0 factors; this model needs 1");
    says(
        &group(&two.replace("\"x\"", "\"a\"").replace(
            "</members>",
            "</members><distribution><float value=\"0.1\"/></distribution><factor level=\"2\"><float value=\"0.1\"/></factor>",
        )),
        "5:",
        "defined here as well",
    );
    says(&with("<float value=\"0.1\"/>", "<define-CCF-group name=\"c\" model=\"gamma\"/>"), "6:1", "no model of a common cause");
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

#[test]
fn values_follow_from_each_other() {
    let value = |text: &str| {
        let tree = read_open_psa(
            model(&format!(
                "<define-gate name=\"top\"><basic-event name=\"e\"/></define-gate><define-basic-event name=\"e\">{text}</define-basic-event>\
                 <define-parameter name=\"half\"><float value=\"0.5\"/></define-parameter>"
            ))
            .as_bytes(),
        );
        tree.unwrap().probabilities[0]
    };
    let f = |x: f64| format!("<float value=\"{x}\"/>");
    let t: f64 = 8760.0;
    for (text, wanted) in [
        ("<parameter name=\"half\"/>".to_owned(), 0.5),
        (format!("<add>{}{}<parameter name=\"half\"/></add>", f(0.1), f(0.2)), 0.8),
        (format!("<sub>{}{}{}</sub>", f(0.9), f(0.2), f(0.3)), 0.4),
        (format!("<mul>{}{}</mul>", f(0.5), f(0.5)), 0.25),
        (format!("<div>{}{}</div>", f(1.0), f(8.0)), 0.125),
        (format!("<neg><neg>{}</neg></neg>", f(0.3)), 0.3),
        (format!("<pow>{}{}</pow>", f(0.5), f(3.0)), 0.125),
        (format!("<exp>{}</exp>", f(-1.0)), (-1.0f64).exp()),
        (format!("<log>{}</log>", f(2.0)), 2.0f64.ln()),
        (format!("<log10>{}</log10>", f(2.0)), 2.0f64.log10()),
        (format!("<sqrt>{}</sqrt>", f(0.25)), 0.5),
        (format!("<abs>{}</abs>", f(-0.25)), 0.25),
        (format!("<min>{}{}</min>", f(0.2), f(0.1)), 0.1),
        (format!("<max>{}{}</max>", f(0.2), f(0.1)), 0.2),
        (format!("<mean>{}{}</mean>", f(0.2), f(0.1)), 0.15),
        ("<div><pi/><float value=\"10\"/></div>".to_owned(), std::f64::consts::PI / 10.0),
        (format!("<exponential>{}<system-mission-time/></exponential>", f(1e-5)), -(-1e-5f64 * t).exp_m1()),
        (format!("<GLM>{}{}{}{}</GLM>", f(0.01), f(1e-4), f(0.1), f(100.0)), (1e-4 - (1e-4 - 0.01 * 0.1001) * (-0.1001f64 * 100.0).exp()) / 0.1001),
        (format!("<Weibull>{}{}{}{}</Weibull>", f(1000.0), f(2.0), f(100.0), f(600.0)), -(-0.25f64).exp_m1()),
        (format!("<uniform-deviate>{}{}</uniform-deviate>", f(0.1), f(0.3)), 0.2),
        (format!("<normal-deviate>{}{}</normal-deviate>", f(0.1), f(0.01)), 0.1),
        (format!("<lognormal-deviate>{}{}{}</lognormal-deviate>", f(0.01), f(3.0), f(0.95)), 0.01),
        (format!("<lognormal-deviate>{}{}</lognormal-deviate>", f(-3.0), f(0.5)), (-3.0f64 + 0.125).exp()),
        (format!("<gamma-deviate>{}{}</gamma-deviate>", f(2.0), f(0.01)), 0.02),
        (format!("<beta-deviate>{}{}</beta-deviate>", f(2.0), f(6.0)), 0.25),
        (format!("<histogram>{}<bin>{}{}</bin><bin>{}{}</bin></histogram>", f(0.0), f(0.1), f(1.0), f(0.3), f(3.0)), 0.25 * 0.05 + 0.75 * 0.2),
    ] {
        assert!((value(&text) - wanted).abs() < 1e-14, "{text}: {} {wanted}", value(&text));
    }
}

/// Means of draws are the means that the point values take, and the error factor is the ratio that it says.
#[test]
fn distributions_are_drawn_as_they_are_stated() {
    use rand_chacha::rand_core::SeedableRng;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    for text in [
        "<uniform-deviate><float value=\"0.1\"/><float value=\"0.3\"/></uniform-deviate>",
        "<normal-deviate><float value=\"0.2\"/><float value=\"0.02\"/></normal-deviate>",
        "<lognormal-deviate><float value=\"0.01\"/><float value=\"3\"/><float value=\"0.95\"/></lognormal-deviate>",
        "<gamma-deviate><float value=\"2\"/><float value=\"0.01\"/></gamma-deviate>",
        "<beta-deviate><float value=\"2\"/><float value=\"6\"/></beta-deviate>",
        "<histogram><float value=\"0\"/><bin><float value=\"0.1\"/><float value=\"1\"/></bin><bin><float value=\"0.3\"/><float value=\"3\"/></bin></histogram>",
    ] {
        let tree = read_open_psa(
            model(&format!(
                "<define-gate name=\"top\"><basic-event name=\"e\"/></define-gate><define-basic-event name=\"e\">{text}</define-basic-event>"
            ))
            .as_bytes(),
        )
        .unwrap();
        assert!(tree.uncertain());
        let mut list: Vec<f64> = (0..40_000).map(|_| tree.draw(&mut rng).probabilities[0]).collect();
        let mean = list.iter().sum::<f64>() / list.len() as f64;
        assert!((mean / tree.probabilities[0] - 1.0).abs() < 0.02, "{text}: {mean} {}", tree.probabilities[0]);
        if text.starts_with("<log") {
            list.sort_by(f64::total_cmp);
            assert!((list[38_000] / list[20_000] - 3.0).abs() < 0.1);
        }
    }
}

/// Three trains of a pump and a valve, and two groups of three: values of another tool, and what keeps every member's rate.
#[test]
fn groups_with_a_common_cause_have_their_shocks() {
    let train = |kind: &str| {
        let factors = |list: &[f64], first: usize| -> String {
            list.iter().enumerate().map(|(i, f)| format!("<factor level=\"{}\"><float value=\"{f}\"/></factor>", i + first)).collect()
        };
        let (model, factors) = match kind {
            "beta" => ("beta-factor", "<factor level=\"2\"><float value=\"0.2\"/></factor>".to_owned()),
            "mgl" => ("MGL", factors(&[0.2, 0.1], 2)),
            "alpha" => ("alpha-factor", format!("<factors>{}</factors>", factors(&[0.7, 0.2, 0.1], 1))),
            _ => ("phi-factor", factors(&[0.7, 0.2, 0.1], 1)),
        };
        let group = |name: &str| {
            format!(
                "<define-CCF-group name=\"{name}s\" model=\"{model}\"><members><basic-event name=\"{name}1\"/><basic-event name=\"{name}2\"/><basic-event name=\"{name}3\"/></members>\
                 <distribution><float value=\"0.1\"/></distribution>{factors}</define-CCF-group>"
            )
        };
        let trains: String = (1..=3)
            .map(|i| format!("<define-gate name=\"train{i}\"><or><basic-event name=\"pump{i}\"/><basic-event name=\"valve{i}\"/></or></define-gate>"))
            .collect();
        format!(
            "<opsa-mef><define-fault-tree name=\"t\"><define-gate name=\"top\"><and><gate name=\"train1\"/><gate name=\"train2\"/><gate name=\"train3\"/></and></define-gate>{trains}{}{}</define-fault-tree></opsa-mef>",
            group("pump"),
            group("valve")
        )
    };
    for (kind, wanted, cut_sets) in
        [("beta", 0.0430803730612, 10u128), ("mgl", 0.0162947705258, 34), ("alpha", 0.0529814106952, 34), ("phi", 0.0410393176167, 34)]
    {
        let text = train(kind);
        let options = TreeOptions { rare_event_parameters: true, ..TreeOptions::default() };
        let tree = read_open_psa_with(text.as_bytes(), &options).unwrap();
        let system = tree.structure.compile(Default::default()).unwrap();
        let p = system.probability(&tree.probabilities);
        assert!((p / wanted - 1.0).abs() < 1e-11, "{kind}: {p} {wanted}");
        assert_eq!(system.cut_sets(Default::default()).unwrap().by_order().unwrap().iter().sum::<u128>(), cut_sets, "{kind}");
        assert_eq!(tree.groups.len(), 2);
        assert!(tree.events.iter().any(|e| e == "[pump1 pump2 pump3]"));
        // Every member fails at its rate where shocks keep it.
        if kind != "phi" {
            let kept = read_open_psa(text.as_bytes()).unwrap();
            let held: f64 = kept.groups[0].shocks.iter().filter(|s| s.1 & 1 == 1).map(|s| 1.0 - kept.probabilities[s.0]).product();
            assert!((1.0 - held - 0.1).abs() < 1e-13, "{kind}");
        }
    }
}

#[test]
fn files_are_included_and_errors_name_them() {
    let main = "<opsa-mef>\n<include file=\"events.xml\"/><define-fault-tree name=\"t\"><define-gate name=\"top\"><or><basic-event name=\"a\"/><basic-event name=\"b\"/></or></define-gate></define-fault-tree></opsa-mef>";
    let read = |events: &'static str| {
        let include = move |name: &str| if name == "events.xml" { Ok(events.as_bytes().to_vec()) } else { Err("there is no such file".to_owned()) };
        read_open_psa_with(main.as_bytes(), &TreeOptions { include: &include, ..TreeOptions::default() })
    };
    let tree = read("<opsa-mef><model-data><define-basic-event name=\"a\"><float value=\"0.1\"/></define-basic-event><define-basic-event name=\"b\"><float value=\"0.5\"/></define-basic-event></model-data></opsa-mef>").unwrap();
    assert_eq!(tree.probabilities, [0.5, 0.1]);
    let wrong = read("<opsa-mef>\n<model-data>\n<define-basic-event name=\"a\"><float value=\"2\"/></define-basic-event></model-data></opsa-mef>")
        .unwrap_err();
    assert!(wrong.to_string().starts_with("events.xml:3:1: "), "{wrong}");
    let circle = read("<opsa-mef><include file=\"events.xml\"/></opsa-mef>").unwrap_err();
    assert!(circle.what.contains("`events.xml` includes itself"), "{circle}");
    let missing = read("<opsa-mef><include file=\"nowhere.xml\"/></opsa-mef>").unwrap_err();
    assert!(missing.to_string().contains("`nowhere.xml` cannot be included: there is no such file"), "{missing}");
    assert!(read_open_psa(main.as_bytes()).unwrap_err().what.contains("no other files are read here"));
    // A file that ends within an element does not end it elsewhere.
    assert!(read("<opsa-mef>").unwrap_err().to_string().contains("ends within an element"));
}
