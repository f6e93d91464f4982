//! `coincide risk`: studies, bare outcomes and fault trees.

use crate::support::{Folder, Ran, repository, run_in, says};

fn example(arguments: &str, columns: &str) -> Ran {
    run_in(&repository(), &arguments.split(' ').collect::<Vec<_>>(), b"", columns)
}

fn risk(arguments: &[&str]) -> serde_json::Value {
    let ran = run_in(&repository(), &[&["risk"], arguments, &["--json", "-"]].concat(), b"", "80");
    assert!(ran.err.is_empty(), "{}", ran.err);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    document["assessment"]["risk"]["content"].clone()
}

fn number(v: &serde_json::Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v}"))
}

#[test]
fn a_study_without_outcomes() {
    for columns in ["80", "160"] {
        let ran = example("risk examples/structure/study.toml", columns);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let widest = ran.out.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{}", ran.out);
        says(&ran.out, &["As stated (stated common causes), the system fails on", "part of every way to fail", "cause shared", "Student copula"]);
        insta::assert_snapshot!(format!("risk_{columns}"), ran.out);
    }
    let r = risk(&["examples/structure/study.toml", "--seed", "3"]);
    let laws: Vec<&str> = r["laws"].as_array().unwrap().iter().map(|l| l["law"].as_str().unwrap()).collect();
    assert_eq!(laws, ["independent at stated rates", "stated common causes", "Gaussian copula", "Student copula (4 degrees of freedom)"]);
    // Independent layers: the mean over draws is the value at the means, up to the draws' error.
    let alone = &r["laws"][0];
    assert!((number(&alone["rate"]["value"]) / number(&alone["independent"]) - 1.0).abs() < 0.1);
    let in_all = |name: &str| r["laws"][1]["importance"].as_array().unwrap().iter().any(|i| i["of"] == name && i["in_every_cut_set"] == true);
    assert!(in_all("input_filter") && in_all("output") && !in_all("review"));
}

#[test]
fn outcomes_with_a_structure_of_the_command() {
    let words = "examples/agentdojo/outcomes.csv --cluster user_task --baseline undefended --models independent,factor --draws 400 --fails";
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.push("at_least(3, *)");
    let r = risk(&arguments);
    let law = |i: usize| &r["laws"][i];
    assert_eq!([law(0)["law"].as_str(), law(1)["law"].as_str(), law(2)["law"].as_str()], [Some("observed"), Some("independent"), Some("factor")]);
    // 45 of 629 attacks beat at least three of the four.
    assert!((number(&law(0)["rate"]["value"]) - 45.0 / 629.0).abs() < 1e-12);
    // The factor's draws say how sure its importance is.
    for i in law(2)["importance"].as_array().unwrap() {
        let [low, high] = ["low", "high"].map(|end| number(&i["achievement_interval"][end]));
        assert!(low < number(&i["achievement_worth"]) && number(&i["achievement_worth"]) < high, "{i}");
    }
    let [low, high] = ["low", "high"].map(|end| number(&r["bounds"]["pairs"][end]));
    assert!(low <= 45.0 / 629.0 && 45.0 / 629.0 <= high && high < number(&r["bounds"]["marginals"]["high"]));
    let counted: f64 = r["cut_sets"]["listed"].as_array().unwrap().iter().map(|c| number(&c["rates"][0])).sum();
    assert!(counted >= 45.0 / 629.0);
    // All layers where nothing is said: β.
    let beta = risk(&words.split(' ').take_while(|w| *w != "--fails").collect::<Vec<_>>());
    assert_eq!(beta["structure"], "all(*)");
    assert!((number(&beta["laws"][0]["rate"]["value"]) - 6.0 / 629.0).abs() < 1e-12);
}

#[test]
fn a_fault_tree_is_exact_and_computed_again() {
    let f = Folder::new();
    let json = f.path("risk.json");
    let name = json.to_str().unwrap();
    let ran = run_in(&repository(), &["risk", "examples/structure/plant.xml", "--rare-event-parameters", "--json", name], b"", "80");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["`harm` fails with probability", "single event", "[filter-1 filter-2 filter-3]", "mean over 4000 draws"]);
    let again = run_in(&repository(), &["verify", name], b"", "80");
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    let page = run_in(&repository(), &["report", name, "--html", "-"], b"", "80");
    assert!(page.out.starts_with("<!doctype html>") || page.out.starts_with("<!DOCTYPE html>"), "{}", page.err);
    // A tree of one gate, by hand.
    f.write(
        "tree.xml",
        "<opsa-mef><include file=\"parts/events.xml\"/><define-fault-tree name=\"t\"><define-gate name=\"top\"><atleast min=\"2\"><basic-event name=\"a\"/><basic-event name=\"b\"/><basic-event name=\"c\"/></atleast></define-gate></define-fault-tree></opsa-mef>",
    );
    std::fs::create_dir(f.path("parts")).unwrap();
    let events = ["a", "b", "c"].map(|e| {
        format!("<define-basic-event name=\"{e}\"><exponential><float value=\"0.001\"/><system-mission-time/></exponential></define-basic-event>")
    });
    std::fs::write(f.path("parts/events.xml"), format!("<opsa-mef><model-data>{}</model-data></opsa-mef>", events.concat())).unwrap();
    let ran = f.run("risk tree.xml --mission-time 100 --json - --cut-sets 2");
    let d: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let p: f64 = 1.0 - (-0.1f64).exp();
    let r = &d["assessment"]["risk"]["content"];
    assert!((number(&r["laws"][0]["rate"]["value"]) / (3.0 * p * p * (1.0 - p) + p * p * p) - 1.0).abs() < 1e-14);
    assert_eq!((r["cut_sets"]["total"].as_str(), r["cut_sets"]["listed"].as_array().unwrap().len()), (Some("3"), 2));
    assert_eq!(d["provenance"]["inputs"].as_array().unwrap().len(), 2);
}

/// Two layers that are fully described by one shock: what is learned is what the table says.
#[test]
fn factors_of_common_causes_are_learned() {
    let f = Folder::new();
    let rows = [("0,0", 900), ("1,0", 40), ("0,1", 40), ("1,1", 20)];
    f.write("o.csv", &("a,b\n".to_owned() + &rows.map(|(row, n)| format!("{row}\n").repeat(n)).concat()));
    let ran = f.run("risk o.csv --common-cause beta=a,b --models independent --draws 400 --claim beta<=0.1@0.9 --json risk.json");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(
        &ran.out,
        &[
            "Common cause `a + b`, learned",
            "shocks of all members",
            "Something takes two or more of a, b at once",
            "Supported at 90%",
            "learned common causes",
        ],
    );
    let d: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(f.path("risk.json")).unwrap()).unwrap();
    let r = &d["assessment"]["risk"]["content"];
    let learned = &r["learned_causes"][0];
    // −ln P(nothing fails) = 2μ + λ and −ln P(a holds) = μ + λ.
    let (both, one) = (-(0.9f64).ln(), -(0.94f64).ln());
    let beta = number(&learned["factors"][0]["value"]["value"]);
    assert!((beta - (2.0 * one - both) / one).abs() < 0.03, "{beta}");
    assert_eq!(learned["trials"].as_f64(), Some(1000.0));
    let law = r["laws"].as_array().unwrap().iter().find(|l| l["kind"] == "learned").unwrap();
    assert!((number(&law["rate"]["value"]) / 0.02 - 1.0).abs() < 0.1, "{law}");
    let (low, high) = (number(&law["rate"]["interval"]["low"]), number(&law["rate"]["interval"]["high"]));
    assert!((0.01..0.016).contains(&low) && (0.024..0.034).contains(&high), "{low} {high}");
    let cause = law["importance"].as_array().unwrap().iter().find(|i| i["kind"] == "cause").unwrap();
    assert!(number(&cause["criticality_interval"]["low"]) < number(&cause["criticality"]));
    let again = f.run("verify risk.json");
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    // A copula with the outcomes' correlations: it is where it was counted, and as uncertain.
    f.write("s.toml", "[outcomes]\nfiles = [\"o.csv\"]\n[fit]\nmodels = [\"independent\"]\ndraws = 400\n[[system.copulas]]\nfamily = \"gaussian\"\n");
    let ran = f.run("risk s.toml --json -");
    let d: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let law = d["assessment"]["risk"]["content"]["laws"].as_array().unwrap().iter().find(|l| l["kind"] == "copula").unwrap();
    assert!((number(&law["rate"]["value"]) / 0.02 - 1.0).abs() < 1e-3, "{law}");
    let (low, high) = (number(&law["rate"]["interval"]["low"]), number(&law["rate"]["interval"]["high"]));
    assert!((0.010..0.015).contains(&low) && (0.024..0.034).contains(&high) && law["rate"]["interval"]["method"] == "refits", "{law}");
}

#[test]
fn what_is_wrong_is_said() {
    let f = Folder::new();
    f.write("o.csv", "a,b\n1,0\n0,1\n1,1\n");
    f.write("empty.toml", "[system]\nfails = \"a & b\"\n");
    f.write("cause.toml", "[system.rates]\na = 0.1\nb = 0.1\n\n[[system.common_causes]]\nname = \"c\"\nlayers = [\"a\", \"b\"]\nmodel = \"beta\"\n");
    let cause =
        |name: &str, layers: &str, more: &str| format!("[[system.common_causes]]\nname = \"{name}\"\nlayers = {layers}\nmodel = \"beta\"\n{more}");
    f.write("rated.toml", format!("[system.rates]\na = 0.1\nb = 0.1\n\n{}", cause("c", "[\"a\", \"b\"]", "rate = 0.1\n")));
    let two = cause("c", "[\"a\", \"b\"]", "") + &cause("d", "[\"b\", \"e\"]", "factors = [0.2]\nrate = 0.01\n");
    f.write("twice.toml", format!("[system.rates]\na = 0.1\nb = 0.1\ne = 0.1\n{two}"));
    f.write("names.toml", "[system]\nfails = \"a & x\"\n[system.rates]\na = 0.1\n");
    f.write("missing.toml", "[system]\nfails = \"a & b\"\n[[layers]]\nname = \"b\"\n[system.rates]\na = 0.1\n");
    f.write("t.xml", "<opsa-mef>\n<define-fault-tree name=\"t\">\n<define-gate name=\"g\"><foo/></define-gate></define-fault-tree></opsa-mef>");
    f.write("bomb.xml", "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><opsa-mef>&lol2;</opsa-mef>");
    f.write("up.xml", "<opsa-mef><include file=\"../o.xml\"/></opsa-mef>");
    for (arguments, what) in [
        ("risk empty.toml", "says neither how layers failed nor how often they do"),
        ("risk cause.toml", "common cause `c`: no factors are given, and there are no outcomes to learn them from"),
        (
            "risk rated.toml",
            "rated.toml:5: common cause `c`: its factors are learned from the outcomes, as none are given; so is its rate: leave out `rate`",
        ),
        (
            "risk twice.toml",
            "twice.toml:5: common cause `c`: it shares a layer with `d`, so outcomes cannot say whose shocks were whose: state `factors`",
        ),
        ("risk o.csv --common-cause phi=a,b", "`phi` is no model whose factors can be learned"),
        ("risk o.csv --common-cause beta=a,x --models independent", "there is no layer `x`"),
        ("risk t.xml --common-cause beta=a,b", "says itself what fails and by which causes"),
        ("risk names.toml", "names.toml:2: `a & x`, character 5: there is no layer `x`"),
        ("risk missing.toml", "layer `b` has no failure rate"),
        ("risk t.xml", "t.xml:3: (character 23) `foo` is not read here"),
        ("risk t.xml --fails a", "says itself what fails"),
        ("risk t.xml --replicates 500", "--replicates, --interval and --order are about outcomes"),
        ("risk o.csv --mission-time 5", "about fault trees"),
        ("risk bomb.xml", "a document type is not read"),
        ("risk up.xml", "only files in the model's folder"),
        ("risk o.csv --fails a&x --models independent", "there is no layer `x`"),
    ] {
        let ran = f.run(arguments);
        assert_eq!(ran.code, 2, "{arguments}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(what) && ran.out.is_empty(), "{arguments}: {}", ran.err);
    }
}
