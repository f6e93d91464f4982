//! Studies: failure modes, scenarios, claims, impact, and what is wrong with bad ones.

use crate::support::{Folder, Ran, repository, run_in, says};

fn example(arguments: &str, columns: &str) -> Ran {
    run_in(&repository(), &arguments.split(' ').collect::<Vec<_>>(), b"", columns)
}

fn document(arguments: &[&str]) -> serde_json::Value {
    let ran = run_in(&repository(), arguments, b"", "80");
    assert!(ran.err.is_empty(), "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn the_published_map() {
    let ran = example("modes", "80");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.lines().all(|l| l.chars().count() <= 80), "{}", ran.out);
    says(&ran.out, &["only RE and ScientistAI share no failure mode", "AL-GEN: 6 of 7, all but ScientistAI", "(27 cells", "(19)", "(3)"]);
    insta::assert_snapshot!("modes_80", ran.out);
}

#[test]
fn the_map_with_numbers() {
    let d = document(&["modes", "--prevalence", "examples/alignment/study.toml", "--json", "-"]);
    let modes = &d["assessment"]["modes"]["content"];
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    // Ten techniques at 10%: 1e-10 if independent, at least q·Πs with one shared mode.
    let rows = modes["shared_mode"][1].as_array().unwrap();
    assert!((number(&rows[0]["beta"]) / 1e-10 - 1.0).abs() < 1e-9);
    for row in &rows[1..] {
        assert!(number(&row["beta"]) >= number(&row["prevalence"]) * 0.9f64.powi(10) && number(&row["effective_layers"]) < 4.0, "{row}");
    }
    for p in modes["portfolios"].as_array().unwrap() {
        if let Some(shares) = p["shares"].as_array() {
            let sum: f64 = shares.iter().map(|s| number(&s["shapley"]["value"])).sum();
            assert!((sum - number(&p["gap_nats"])).abs() < 1e-9, "{p}");
        }
    }
    let text = example("modes --prevalence examples/alignment/study.toml", "100").out;
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    says(
        &text,
        &[
            "What one shared failure mode does to 10 techniques",
            "What to build next",
            "What passed audits are worth",
            "Experts disagree about the prevalence of DEC-AL",
        ],
    );
}

#[test]
fn a_map_of_ones_own_is_merged_and_compared() {
    let f = Folder::new();
    f.write(
        "mine.csv",
        "technique,failure_mode,verdict,source\nRLHF,COLL,vulnerable,mine\nRLHF,AL-GEN,vulnerable,mine\nprobe,AL-GEN,not_vulnerable,mine\n",
    );
    let ran = f.run("modes dung-mai-2025 mine.csv");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["2 cells are judged by both, 1 alike; 47 only before, 1 only now", "COLL           not_vulnerable   vulnerable"]);
    assert_eq!(f.run("modes mine.csv --json r.json --quiet").code, 0);
    says(&f.run("verify r.json").out, &["nothing differs"]);
    let err = f.fails("modes nowhere.csv");
    says(&err, &["nowhere.csv", "no such map", "dung-mai-2025"]);
}

#[test]
fn claims_on_the_example_have_the_verdicts_that_clusters_give() {
    let check = |claim: &str| run_in(&repository(), &["check", "examples/pipeline/study.toml", "--claim", claim], b"", "80");
    let ran = check("at most 5%");
    assert_eq!(ran.code, 0, "{}", ran.out);
    says(&ran.out, &["SUPPORTED (flagged)", "only 2 of 27", "no further failure can lower, 12%"]);
    let ran = check("at most 1%");
    assert_eq!(ran.code, 3);
    says(&ran.out, &["UNDECIDABLE", "299 fresh clusters", "of them would decide"]);
    let ran = check("at most 0.2%");
    assert_eq!(ran.code, 3);
    says(&ran.out, &["0.14% and 3.2%", "FLAGGED", "If trials were independent it would be refuted"]);
    let ran = check("at most 0.2%, trials independent");
    assert_eq!(ran.code, 1);
    says(&ran.out, &["REFUTED", "0.42%", "an assumption"]);
    assert_eq!(check("release").code, 0);
    // All of them: one is refuted.
    assert_eq!(example("check examples/pipeline/study.toml --quiet", "80").code, 1);
    let d = document(&["check", "examples/pipeline/study.toml", "--claim", "at most 5%", "--json", "-"]);
    let limits = &d["assessment"]["claims"]["content"]["claims"][0]["evidence"]["outcomes"]["limits"];
    assert!((limits["low"].as_f64().unwrap() - 0.0014).abs() < 5e-5 && (limits["high"].as_f64().unwrap() - 0.032).abs() < 5e-4, "{limits}");
    let none = check("no such");
    assert_eq!(none.code, 2);
    says(&none.err, &["there is no claim `no such`", "the claims are at most 5%"]);
}

#[test]
fn the_whole_example_follows_the_schema_and_recomputes() {
    let f = Folder::new();
    let file = |name: &str| f.path(name).to_string_lossy().into_owned();
    let (json, svg, md) = (file("r.json"), file("a.svg"), file("r.md"));
    let ran = run_in(&repository(), &["run", "examples/pipeline/study.toml", "--json", &json, "--gsn", &svg, "--markdown", &md], b"", "80");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.lines().all(|l| l.chars().count() <= 80), "{}", ran.out);
    insta::assert_snapshot!("run_80", ran.out);
    let schema: serde_json::Value = serde_json::from_str(&f.run("schema results").out).unwrap();
    let text = std::fs::read_to_string(&json).unwrap();
    let d: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wrong: Vec<String> = jsonschema::validator_for(&schema).unwrap().iter_errors(&d).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    for p in d["assessment"]["pressure"]["content"]["points"].as_array().unwrap() {
        let (confined, worst) = (p["confined"].as_f64().unwrap(), p["worst"]["value"].as_f64().unwrap());
        assert!(p.get("best_of").is_some() || confined <= worst + 1e-12, "{p}");
    }
    says(&run_in(&repository(), &["verify", &json], b"", "80").out, &["nothing differs"]);
    assert_eq!(run_in(&repository(), &["report", &json], b"", "80").out, ran.out);
    says(
        &std::fs::read_to_string(&md).unwrap(),
        &[
            "# Four prompt-injection defences on AgentDojo",
            "- Claim `release`",
            "  - Strategy: every part must hold",
            "    - Would defeat it: attackers who adapt",
        ],
    );
    let svg = std::fs::read_to_string(&svg).unwrap();
    assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count() - 1);
    says(&svg, &["<svg", "G1", "Sn1", "S1", "C1", "A1", "D1", "SUPPORTED (FLAGGED)", "</svg>"]);
}

#[test]
fn the_published_study_schema_is_the_programs_and_holds_the_examples() {
    let f = Folder::new();
    let own = f.run("schema study").out;
    let published = std::fs::read_to_string(repository().join("schema/study.schema.json")).unwrap();
    assert!(own == published, "write it again: coincide schema study > schema/study.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&own).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["alignment", "pipeline", "impact"] {
        let text = std::fs::read_to_string(repository().join(format!("examples/{name}/study.toml"))).unwrap();
        let value: toml::Value = toml::from_str(&text).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&serde_json::to_value(value).unwrap()).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

#[test]
fn impact_from_stated_scores_and_from_sub_scores() {
    let d = document(&["impact", "examples/impact/study.toml", "--json", "-"]);
    let first = &d["assessment"]["impact"]["content"][0];
    assert!((first["score"].as_f64().unwrap() - 6.75).abs() < 1e-12);
    assert!((first["from_sub_scores"].as_f64().unwrap() - 6.4125).abs() < 1e-12);
    let ran = example("impact examples/impact/study.toml", "80");
    assert!(ran.out.lines().all(|l| l.chars().count() <= 80), "{}", ran.out);
    says(&ran.out, &["6.75", "6.4125", "severity (8 against", "█"]);
}

#[test]
fn a_study_written_by_init_runs() {
    let f = Folder::new();
    let rows: String = (0..60).map(|t| format!("{},{},{},g{}\n", t, u8::from(t % 7 == 0), u8::from(t % 5 == 0), t % 12)).collect();
    f.write("o.csv", format!("trial,\"a \"\"b\"\"\",c,goal\n{rows}"));
    let ran = f.run("init o.csv -o study.toml");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["coincide run study.toml"]);
    says(&f.fails("init o.csv -o study.toml"), &["exists already"]);
    assert!(std::fs::read_to_string(f.path("study.toml")).unwrap().contains("files = [\"o.csv\"]"));
    let ran = f.run_with(&["run", "study.toml"], b"", "160");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["Claim `release`", "Scenarios", "one layer compromised", "distribution shift", "cascade"]);
    assert_eq!(f.run("check study.toml --claim release --quiet").code, 3);
    // The same study from another folder: its paths are its own.
    std::fs::create_dir(f.path("sub")).unwrap();
    assert_eq!(run_in(&f.path("sub"), &["analyze", "../study.toml", "--replicates", "200", "--attempts", "1,3", "--quiet"], b"", "80").code, 0);
    says(&f.fails("analyze study.toml --cluster goal"), &["says how outcomes are read"]);
}

#[test]
fn scenarios_with_other_thresholds_read_the_scores_again() {
    let f = Folder::new();
    let rows: String = (0..200).map(|t| format!("{t},{},{}\n", t % 10, (t * 7) % 10)).collect();
    f.write("s.csv", format!("trial,a,b\n{rows}"));
    f.write(
        "study.toml",
        "[analysis]\nreplicates = 200\n[outcomes]\nfiles = [\"s.csv\"]\nfails_when = \"below\"\n[[layers]]\nname = \"a\"\nthreshold = 3\n[[layers]]\nname = \"b\"\nthreshold = 3\n\
         [[scenarios]]\nname = \"stricter\"\nthresholds = { a = 1 }\n[[scenarios]]\nname = \"worse\"\nthresholds = { a = 6 }\n",
    );
    let d: serde_json::Value = serde_json::from_str(&f.run("run study.toml --json -").out).unwrap();
    let rates: Vec<f64> = d["assessment"]["scenarios"]["content"].as_array().unwrap().iter().map(|s| s["beta"]["value"].as_f64().unwrap()).collect();
    // Both below 3; a below 1 and b below 3; a below 6 and b below 3.
    let both = |a: u32, b: u32| (0..200u32).filter(|t| t % 10 < a && (t * 7) % 10 < b).count() as f64 / 200.0;
    assert_eq!(rates, [both(3, 3), both(1, 3), both(6, 3)]);
}

#[test]
fn a_map_learns_from_tagged_outcomes() {
    let f = Folder::new();
    let rows: String = (0..300)
        .map(|t| {
            let tag = ["deception", "jargon", "none", ""][t % 4];
            let probe = u8::from(t % 4 == 0 && t % 3 == 0);
            let filter = u8::from(t % 4 == 1);
            format!("{t},{probe},{filter},{tag}\n")
        })
        .collect();
    f.write("o.csv", format!("trial,probe,filter,mode\n{rows}"));
    f.write("map.csv", "technique,failure_mode,verdict\nprobe,deception,vulnerable\nprobe,jargon,not_vulnerable\nfilter,deception,not_vulnerable\nfilter,jargon,vulnerable\n");
    f.write(
        "study.toml",
        "[outcomes]\nfiles = [\"o.csv\"]\nmode_tag = \"mode\"\ntags_are_a_sample = true\n[modes]\nmaps = [\"map.csv\"]\nlearn = true\ndraws = 400\n\
         [modes.prevalence]\ndeception = { beta = [1, 4] }\njargon = { beta = [1, 4] }\n",
    );
    let ran = f.run("modes study.toml --json r.json");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["What outcomes changed", "225 trials with and 75 without mode tags"]);
    let d: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(f.path("r.json")).unwrap()).unwrap();
    let moved = d["assessment"]["modes"]["content"]["update"]["moved"].as_array().unwrap();
    let after = |what: &str| moved.iter().find(|m| m["what"] == what).unwrap_or_else(|| panic!("{moved:?}"))["after"].as_f64().unwrap();
    // A third of deceptive trials beat the probe, every trial with jargon beats the filter.
    assert!((after("probe to deception") - 0.33).abs() < 0.08);
    assert!(after("filter to jargon") > 0.9);
    says(&f.run("verify r.json").out, &["nothing differs"]);
}

#[test]
fn bad_studies_name_file_line_and_remedy() {
    let f = Folder::new();
    f.write("o.csv", "a,b,g\n1,0,x\n0,1,y\n1,1,x\n0,0,z\n");
    let outcomes = "[outcomes]\nfiles = [\"o.csv\"]\nclusters = [\"g\"]\n";
    for (study, command, parts) in [
        ("[[claims]]\nname = \"a\"\ncombines = \"all\"\nof = [\"b\"]\n[[claims]]\nname = \"b\"\ncombines = \"all\"\nof = [\"a\"]\n".to_owned(), "check", ["s.toml:1:", "cycle, a → b → a", "cannot support itself"]),
        ("[modes.prevalence]\n\"AL-GEN\" = 1.5\n".into(), "modes", ["s.toml:2:", "between 0 and 1, not 1.5", "a probability between 0 and 1, or"]),
        ("[modes.prevalence]\n\"AL-GEN\" = { beta = [0, 3] }\n".into(), "modes", ["s.toml:2:", "must be positive", "{ beta = [2, 50] }"]),
        ("[[layers]]\nname = \"a\"\n[[layers]]\nname = \"a\"\n".into(), "run", ["s.toml:4:", "`a` is named twice", "keep one"]),
        ("[modes.prevalence]\n\"S-TAX\" = { quantiles = { \"0.05\" = 0.3, \"0.95\" = 0.1 } }\n".into(), "modes", ["s.toml:2:", "quantiles out of order", "must rise"]),
        ("[modes.prevalence]\nDECAL = 0.1\n".into(), "modes", ["s.toml:2:", "no technique has the failure mode `DECAL`", "did you mean `DEC-AL`?"]),
        ("[outcomes]\nfiles = [\"o.csv\"]\nclusterz = [\"g\"]\n".into(), "run", ["s.toml:3:", "no key `clusterz`", "did you mean `clusters`?"]),
        ("name = \"x\n".into(), "run", ["s.toml:1:", "invalid basic string", "coincide schema study"]),
        (format!("{outcomes}[[claims]]\nname = \"x\"\nbound = \"beta<=0.1@0.9\"\nscenario = \"shift\"\n[[scenarios]]\nname = \"shfit\"\n"), "check", ["s.toml:7:", "no scenario `shift`", "did you mean `shfit`?"]),
        (format!("{outcomes}[[claims]]\nname = \"x\"\nbound = \"beta<=1.1@0.9\"\n"), "check", ["s.toml:4:", "not between 0 and 1", "for example"]),
        (format!("{outcomes}[[claims]]\nname = \"x\"\nbound = \"beta(a,z)<=0.1@0.9\"\n"), "check", ["s.toml:4:", "no layer `z`", "the layers are a, b"]),
        (format!("{outcomes}[system]\nfails = \"a & c\"\n"), "run", ["s.toml:5:", "there is no layer `c`", "an expression is, for example"]),
        (format!("{outcomes}[[scenarios]]\nname = \"s\"\ncompromised = [\"bb\"]\n"), "run", ["s.toml:4:", "there is no layer `bb`", "did you mean `b`?"]),
        (format!("{outcomes}[[scenarios]]\nname = \"s\"\ncommon_failures = [{{ layers = [\"a\"], share = 2 }}]\n"), "run", ["s.toml:4:", "share of a common failure must be between 0 and 1", "mend the scenario"]),
        (format!("{outcomes}[[scenarios]]\nname = \"s\"\nthresholds = {{ a = 0.5 }}\n"), "run", ["s.toml:4:", "has no threshold to change", "mend the scenario"]),
        ("[[portfolios]]\nname = \"p\"\ntechniques = [\"RLHF\", \"RLHF\"]\n[modes]\nunmapped = 0\n[modes.prevalence]\n\"S-TAX\" = 0.1\n\"CAP-DEV\" = 0.1\n\"DEC-AL\" = 0.1\n\"COLL\" = 0.1\n\"EM-MIS\" = 0.1\n\"EVAL-DIFF\" = 0.1\n\"AL-GEN\" = 0.1\n".into(), "modes", ["s.toml:1:", "a technique is named twice", "name each technique of the map once"]),
        ("[impact]\n[[impact.problems]]\nname = \"p\"\nseverity = { stated = 12 }\ntractability = { stated = 1 }\nneglectedness = { stated = 1 }\nurgency = { stated = 1 }\n".into(), "impact", ["s.toml:2:", "must be between 0 and 10", "scores run from 0 to 10"]),
        ("[impact]\n[[impact.problems]]\nname = \"p\"\nseverity = { stated = \"x\" }\n".into(), "impact", ["s.toml:4:", "a number, [least, most]", "coincide schema study"]),
        ("[outcomes]\nfiles = [\"nowhere.csv\"]\n".into(), "run", ["nowhere.csv", "No such file", ""]),
        (outcomes.into(), "check", ["s.toml", "has no claims", "[[claims]]"]),
    ] {
        f.write("s.toml", &study);
        let err = f.fails(&format!("{command} s.toml"));
        parts.iter().for_each(|p| assert!(err.contains(p), "`{p}` is not in:\n{err}\n{study}"));
        assert!(err.lines().count() <= 4, "{err}");
    }
    f.write("s.toml", b"name = \"\xff\"\n");
    says(&f.fails("run s.toml"), &["s.toml:1", "not UTF-8"]);
}

/// A worse world is never easier to support, whatever is missing.
#[test]
fn missing_outcomes_count_against_claims_in_every_scenario() {
    let f = Folder::new();
    let rows: String = (0..400)
        .map(|t| match t % 5 {
            0 => format!("{t},1,,g{}\n", t % 20),
            1 => format!("{t},1,0,g{}\n", t % 20),
            _ => format!("{t},0,0,g{}\n", t % 20),
        })
        .collect();
    f.write("o.csv", format!("trial,a,b,goal\n{rows}"));
    let claim = |scenario: &str, keys: &str| {
        format!(
            "[[scenarios]]\nname = \"{scenario}\"\n{keys}\n[[claims]]\nname = \"{scenario}\"\nbound = \"beta<=0.1@0.95\"\nscenario = \"{scenario}\"\n"
        )
    };
    let study = [
        claim("tries", "attacker = { tries = 2 }"),
        claim("apart", "attacker = { tries = 2, feedback = \"per-layer\" }"),
        claim("shift", "radius = 0.001"),
        claim("weaker", "trained_against = { b = 0.01 }"),
    ];
    f.write("s.toml", format!("[outcomes]\nfiles = [\"o.csv\"]\n{}", study.concat()));
    for name in ["tries", "apart", "shift", "weaker"] {
        let ran = f.run(&format!("check s.toml --claim {name}"));
        assert_eq!(ran.code, 3, "{name}: {}{}", ran.out, ran.err);
    }
}

/// What nobody tried, what was averaged, and what lies in few families is no evidence against an attacker with many tries.
#[test]
fn an_attacker_with_many_tries_is_not_supported_by_what_was_not_tried() {
    let f = Folder::new();
    let rows =
        |each: usize, family: usize| -> String { (0..400).map(|t| format!("{},0,g{},f{}\n", u8::from(t % 40 == 0), t / each, t % family)).collect() };
    let study = |tries: u32, clusters: &str, bound: f64| {
        format!(
            "[outcomes]\nfiles = [\"o.csv\"]\nclusters = [{clusters}]\ngoal = \"goal\"\n[[scenarios]]\nname = \"s\"\nattacker = {{ tries = {tries}, feedback = \"per-layer\" }}\n\
             [[claims]]\nname = \"c\"\nbound = \"beta<={bound}@0.95\"\nscenario = \"s\"\n"
        )
    };
    f.write("o.csv", format!("a,b,goal,family\n{}", rows(2, 400)));
    f.write("s.toml", study(2, "\"goal\"", 0.05));
    assert_eq!(f.run("check s.toml --quiet").code, 0);
    // More tries than were made.
    f.write("s.toml", study(3, "\"goal\"", 0.05));
    assert_eq!(f.run("check s.toml --quiet").code, 3);
    // Four families.
    f.write("o.csv", format!("a,b,goal,family\n{}", rows(2, 4)));
    f.write("s.toml", study(2, "\"goal\", \"family\"", 0.05));
    assert_eq!(f.run("check s.toml --quiet").code, 3);
}

#[test]
fn advice_never_promises_what_cannot_be() {
    let f = Folder::new();
    let rows: String = (0..200).map(|t| format!("{},{}\n", u8::from(t % 10 == 0), u8::from(t % 10 == 0))).collect();
    f.write("o.csv", format!("a,b\n{rows}"));
    let study = |keys: &str, bound: f64| {
        format!(
            "[outcomes]\nfiles = [\"o.csv\"]\n[[scenarios]]\nname = \"s\"\n{keys}\n[[claims]]\nname = \"c\"\nbound = \"beta<={bound}@0.95\"\nscenario = \"s\"\n"
        )
    };
    f.write("s.toml", study("radius = 0.06", 1e-3));
    let ran = f.run("check s.toml --json r.json");
    assert_eq!(ran.code, 3, "{}", ran.err);
    says(&ran.out, &["No number of tests that can be made would support it"]);
    assert!(!ran.out.contains("would decide.") && !ran.out.contains("NaN"), "{}", ran.out);
    says(&f.run("verify r.json").out, &["nothing differs"]);
    f.write("s.toml", study("common_failures = [{ layers = [\"a\", \"b\"], share = 0.1 }]", 0.2));
    says(&f.run("check s.toml").out, &["Even where every layer holds, the scenario itself makes the system fail on 10%"]);
    f.write("s.toml", study("attacker = { tries = 2, feedback = \"per-layer\" }", 0.2));
    says(&f.run("check s.toml").out, &["name the cluster column with goal"]);
}

#[test]
fn claims_in_scenarios_that_outcomes_do_not_know_are_refused() {
    let f = Folder::new();
    f.write("o.csv", "a,b\n1,0\n0,1\n1,1\n0,0\n");
    let study = |scenario: &str| {
        format!(
            "[outcomes]\nfiles = [\"o.csv\"]\n[modes]\n[[scenarios]]\nname = \"s\"\n{scenario}\n[[claims]]\nname = \"c\"\nbound = \"beta<=0.9@0.9\"\nscenario = \"s\"\n"
        )
    };
    f.write("s.toml", study("prevalence = { \"DEC-AL\" = 1.0 }"));
    says(&f.fails("check s.toml"), &["s.toml:7", "changes nothing that outcomes record", "from = \"map\""]);
    f.write("s.toml", study("compromised = [\"aa\"]"));
    says(&f.fails("check s.toml"), &["there is no layer `aa`", "did you mean `a`?"]);
    f.write("s.toml", study("thresholds = { a = nan }"));
    says(&f.fails("check s.toml"), &["s.toml:4", "a threshold must be a finite number"]);
    f.write("s.toml", study("common_failures = [1]").replace("[1]", &format!("[{}]", ["{ layers = [\"a\"], share = 0.1 }"; 12].join(", "))));
    says(&f.fails("check s.toml"), &["more than 10 common failures"]);
}

#[test]
fn every_claim_asked_for_counts() {
    let f = Folder::new();
    let rows: String = (0..300).map(|t| format!("{},{}\n", u8::from(t % 3 == 0), u8::from(t % 2 == 0))).collect();
    f.write("o.csv", format!("a,b\n{rows}"));
    let bound = |name: &str, text: &str| format!("[[claims]]\nname = \"{name}\"\nbound = \"{text}\"\n");
    // A diamond thirty deep, and a name that XML cannot hold.
    let mut study = format!("[outcomes]\nfiles = [\"o.csv\"]\n{}{}", bound("wrong", "beta<=0.01@0.99"), bound("right", "beta<=0.5@0.99"));
    study += "[[claims]]\nname = \"whole\"\ncombines = \"any\"\nof = [\"wrong\", \"right\"]\nabout = \"a\\u0001<\\\"&\"\n";
    study += "[[claims]]\nname = \"d0\"\ncombines = \"all\"\nof = [\"right\"]\n";
    for i in 1..30 {
        study += &format!(
            "[[claims]]\nname = \"l{i}\"\ncombines = \"all\"\nof = [\"d{0}\"]\n[[claims]]\nname = \"r{i}\"\ncombines = \"all\"\nof = [\"d{0}\"]\n",
            i - 1
        );
        study += &format!("[[claims]]\nname = \"d{i}\"\ncombines = \"all\"\ndependence = \"same-evidence\"\nof = [\"l{i}\", \"r{i}\"]\n");
    }
    f.write("s.toml", study);
    assert_eq!(f.run("check s.toml --claim wrong --quiet").code, 1);
    assert_eq!(f.run("check s.toml --claim whole --quiet").code, 0);
    let both = f.run_with(&["check", "s.toml", "--claim", "wrong", "--claim", "whole"], b"", "80");
    assert_eq!(both.code, 1, "{}", both.out);
    let ran = f.run("check s.toml --claim d29 --claim whole --gsn a.svg");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["(see above)"]);
    let svg = std::fs::read_to_string(f.path("a.svg")).unwrap();
    assert!(!svg.contains('\u{1}') && svg.contains("&lt;&quot;&amp;"));
}

#[test]
fn strict_judges_by_the_limit_that_never_falls() {
    let ran = run_in(&repository(), &["check", "examples/pipeline/study.toml", "--claim", "at most 5%", "--strict"], b"", "80");
    assert_eq!(ran.code, 3, "{}", ran.out);
    says(&ran.out, &["0.14% and 12%"]);
}

#[test]
fn advice_is_about_the_scenario_of_the_claim() {
    let f = Folder::new();
    let rows: String = (0..100).map(|t| format!("{},{}\n", u8::from(t % 3 == 0), u8::from(t % 3 == 1))).collect();
    f.write("o.csv", format!("a,b\n{rows}"));
    f.write(
        "s.toml",
        "[outcomes]\nfiles = [\"o.csv\"]\n[[scenarios]]\nname = \"s\"\nattacker = { tries = 10 }\n[[claims]]\nname = \"c\"\nbound = \"beta<=0.05@0.95\"\nscenario = \"s\"\n",
    );
    // 1 − (1 − b)^10 ≤ 5% needs b ≤ 0.51%: ln 0.05/ln(1 − b) = 585 trials.
    let ran = f.run("check s.toml");
    assert_eq!(ran.code, 3);
    says(&ran.out, &["585 trials without any failure would support it; there are 100"]);
}

#[test]
fn pillars_need_attributes_and_say_what_there_is() {
    let ran = example("analyze examples/pipeline/study.toml --replicates 200 --group provider", "80");
    assert_eq!(ran.code, 2);
    says(&ran.err, &["no layer has the attribute `provider`", "the attributes are paradigm"]);
    let f = Folder::new();
    f.write("o.csv", "a,b\n1,0\n0,1\n1,1\n0,0\n");
    says(&f.fails("analyze o.csv --group provider"), &["no layer has the attribute", "--group NAME=A,B"]);
}
