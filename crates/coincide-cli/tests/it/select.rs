//! `coincide select`: choices of layers from outcomes and from studies.

use crate::support::{Folder, repository, run_in, says};

fn number(v: &serde_json::Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v}"))
}

#[test]
fn a_choice_by_what_was_counted() {
    for columns in ["80", "160"] {
        let words = "select examples/agentdojo/outcomes.csv --cluster user_task --without undefended --budget layers=2";
        let ran = run_in(&repository(), &words.split(' ').collect::<Vec<_>>(), b"", columns);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let widest = ran.out.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{}", ran.out);
        says(
            &ran.out,
            &["Choose tool_filter, transformers_pi_detector", "No other choice that keeps to the limits is better", "The best for less layers"],
        );
        insta::assert_snapshot!(format!("select_{columns}"), ran.out);
    }
}

/// Two strong layers that fail together, and three weaker ones that do not; one of them raises alarms.
fn outcomes() -> String {
    let mut text = "label,a,b,c,d\n".to_owned();
    for (row, n) in [("1,1,0,0", 30), ("0,0,1,0", 50), ("0,0,0,1", 60), ("0,0,1,1", 5), ("1,1,0,1", 5), ("0,0,0,0", 350)] {
        text += &format!("attack,{row}\n").repeat(n);
    }
    // On benign trials a layer that lets through is right.
    for (row, n) in [("1,1,1,1", 80), ("1,1,0,1", 15), ("1,1,1,0", 3), ("0,1,1,1", 2)] {
        text += &format!("benign,{row}\n").repeat(n);
    }
    text
}

/// The same layers with their costs in other units.
fn layers_of(text: &str, unit: &str) -> String {
    let unit: f64 = unit.parse().unwrap();
    text.lines()
        .map(|line| match line.strip_prefix("takes = { cost = ").and_then(|rest| rest.split_once(',')) {
            Some((cost, rest)) => format!("takes = {{ cost = {},{rest}\n", cost.parse::<f64>().unwrap() * unit),
            None => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn a_study_says_what_layers_take() {
    let f = Folder::new();
    f.write("o.csv", outcomes());
    let layer = |name: &str, provider: &str, cost: u32| {
        format!(
            "[[layers]]\nname = \"{name}\"\nprovider = \"{provider}\"\ntakes = {{ cost = {cost}, latency = 0.5 }}\nstage = \"{}\"\n",
            if name < "c" { "input" } else { "output" }
        )
    };
    let layers_text = [layer("a", "acme", 5), layer("b", "acme", 5), layer("c", "other", 3), layer("d", "third", 4)].concat();
    f.write("s.toml", format!("[outcomes]\nfiles = [\"o.csv\"]\nlabel = \"label\"\n{layers_text}"));
    let chosen = |flags: &str| -> (Vec<String>, serde_json::Value) {
        let ran = f.run(&format!("select s.toml {flags} --json -"));
        assert_eq!(ran.code, 0, "{flags}: {}", ran.err);
        let d: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let s = d["assessment"]["selection"]["content"].clone();
        let layers = s["best"]["layers"].as_array().unwrap().iter().map(|l| l.as_str().unwrap().to_owned()).collect();
        (layers, s)
    };
    // A pair from different sides lets nothing through that was seen.
    let (layers, s) = chosen("--budget cost=8");
    assert!(layers == ["a", "c"] || layers == ["b", "c"], "{layers:?}");
    assert_eq!((number(&s["best"]["beta"]), number(&s["best"]["takes"]["cost"]), s["proven"].as_bool()), (0.0, 8.0, Some(true)));
    // c stops 15 % of harmless requests.
    let (layers, s) = chosen("--budget cost=9 --false-alarm 0.05");
    assert!(layers.contains(&"d".to_owned()) && layers.len() == 2, "{layers:?}");
    assert!((number(&s["best"]["beta"]) - 0.01).abs() < 1e-12 && number(&s["best"]["false_alarm"]) <= 0.05);
    // The joint share of alarms, not the sum of the layers' own.
    let (layers, s) = chosen("--force a,c,d");
    assert!(["a", "c", "d"].iter().all(|l| layers.contains(&(*l).to_owned())), "{layers:?}");
    assert!((number(&s["best"]["false_alarm"]) - 0.2).abs() < 1e-12, "{s}");
    // Both stages take half a second.
    let (layers, _) = chosen("--budget latency=0.5");
    assert_eq!(layers, ["c", "d"]);
    let (layers, s) = chosen("--budget layers=2 --at-most provider=1 --without c");
    assert!(layers.contains(&"d".to_owned()), "{layers:?}");
    let frontier: Vec<(f64, usize)> =
        s["frontier"].as_array().unwrap().iter().map(|c| (number(&c["beta"]), c["layers"].as_array().unwrap().len())).collect();
    assert_eq!(frontier.iter().map(|f| f.1).collect::<Vec<_>>(), [2, 1, 0]);
    assert!(frontier.windows(2).all(|w| w[0].0 < w[1].0), "{frontier:?}");
    // Costs of thousandths, and a layer named twice.
    let small = layers_of(&layers_text, "0.001");
    f.write("small.toml", format!("[outcomes]\nfiles = [\"o.csv\"]\nlabel = \"label\"\n{small}"));
    let ran = f.run("select small.toml --budget cost=0.009 --force c,c --json -");
    let d: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let s = &d["assessment"]["selection"]["content"];
    let costs: Vec<f64> = s["frontier"].as_array().unwrap().iter().map(|c| number(&c["takes"]["cost"])).collect();
    assert!(costs.len() >= 2 && costs.windows(2).all(|w| w[1] < w[0]), "{costs:?}");
    assert_eq!(s["best"]["layers"].as_array().unwrap().iter().filter(|l| *l == "c").count(), 1);
    let json = f.path("s.json");
    let ran = f.run("select s.toml --budget cost=8 --json s.json");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let again = f.run("verify s.json");
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    let page = run_in(&repository(), &["report", json.to_str().unwrap(), "--html", "-"], b"", "80");
    assert!(page.out.to_lowercase().starts_with("<!doctype html>"), "{}", page.err);
    for (flags, what) in [
        ("--budget cost=3 --force a", "are over a limit by themselves"),
        ("--budget money=3", "there is a budget of `money`, and layer `a` does not say how much it takes"),
        ("--budget cost", "expected NAME=MOST"),
        ("--budget cost=3 --budget cost=4", "--budget says twice how much of `cost` there is"),
        ("--at-most colour=1", "no layer has the attribute `colour`"),
        ("--force x", "there is no layer `x`"),
        ("--force a --without a", "to be chosen and not to be had at once"),
        ("--worst 0.1", "the worst draws are asked for, and there is no model that holds up"),
    ] {
        let ran = f.run(&format!("select s.toml {flags}"));
        assert_eq!(ran.code, 2, "{flags}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(what) && ran.out.is_empty(), "{flags}: {}", ran.err);
    }
    f.write("plain.csv", "a,b\n1,0\n0,1\n1,1\n");
    assert!(f.run("select plain.csv --false-alarm 0.1").err.contains("there are no benign trials"));
    f.write("pipe.csv", "a,b\n".to_owned() + &"1,0\n0,\n1,1\n0,\n".repeat(30));
    assert!(f.run("select pipe.csv").err.contains("later layers were not asked"));
}
