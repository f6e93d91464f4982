//! Decisions beside the choice of layers: thresholds, next tests, checks by hand, what changed.

use crate::support::{Folder, repository, run_in, says};
use serde_json::Value;

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v}"))
}

/// Numbers between 0 and 1, always the same ones.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    /// About normal: twelve numbers between 0 and 1, less six.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// Scores of a sharp judge, a blunt probe whose low scores stop, and a filter without scores; attacks in goals of four.
fn scores() -> String {
    let mut n = Numbers(7);
    let mut text = "trial,goal,label,judge,probe,filter\n".to_owned();
    for t in 0..900 {
        let attack = t < 300;
        let label = if attack { "attack" } else { "benign" };
        let shared = 0.5 * n.normal();
        let judge = shared + 0.8 * n.normal() + if attack { 2.0 } else { 0.0 };
        let probe = -(shared + 0.8 * n.normal()) - if attack { 0.7 } else { 0.0 };
        let filter = if attack && n.next() < 0.2 { "held" } else { "failed" };
        text += &format!("t{t},{label}{},{label},{judge:.4},{probe:.4},{filter}\n", t / 4);
    }
    text
}

#[test]
fn thresholds_under_one_budget() {
    let f = Folder::new();
    f.write("s.csv", scores());
    for columns in ["80", "160"] {
        let words = "thresholds s.csv --false-alarm 0.1 --threshold judge=1 --threshold probe=-2";
        let ran = f.run_with(&words.split(' ').collect::<Vec<_>>(), b"", columns);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let widest = ran.out.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{}", ran.out);
        says(&ran.out, &["Thresholds chosen together", "95% confidence", "low scores stop", "in use now"]);
        insta::assert_snapshot!(format!("thresholds_{columns}"), ran.out);
    }
    let ran = f.run("thresholds s.csv --false-alarm 0.1 --json t.json --html t.html --markdown t.md");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let d: Value = serde_json::from_slice(&std::fs::read(f.path("t.json")).unwrap()).unwrap();
    let t = &d["assessment"]["thresholds"]["content"];
    let best = &t["best"];
    assert_eq!(best["promised"], true);
    let sides: Vec<&str> = t["layers"].as_array().unwrap().iter().filter_map(|l| l["fails_when"].as_str()).collect();
    assert_eq!(sides, ["below", "above"]);
    // The thresholds say for themselves what they do: read with them, the outcomes have that β.
    let cut = |i: usize| number(&best["thresholds"][i]["value"]);
    let analysed = f.results(&format!(
        "analyze s.csv --threshold judge={} --threshold probe={} --fails-when judge=below --fails-when probe=above",
        cut(0),
        cut(1)
    ));
    let joint = &analysed["analysis"]["joint"]["content"];
    assert!((number(&joint["beta"]["value"]) - number(&best["beta"]["value"])).abs() < 1e-12, "{joint}");
    let alarms = &analysed["analysis"]["false_alarms"]["content"]["any"]["value"];
    assert!((number(alarms) - number(&best["false_alarm"]["value"])).abs() < 1e-12 && number(alarms) <= 0.1);
    says(&f.run("verify t.json").out, &["nothing differs"]);
    // A study says the same.
    f.write("s.toml", "[outcomes]\nfiles = [\"s.csv\"]\n[[layers]]\nname = \"judge\"\nthreshold = 1.0\nfails_when = \"below\"\n[[layers]]\nname = \"probe\"\nthreshold = -2.0\nfails_when = \"above\"\n[[layers]]\nname = \"filter\"\n");
    let by_study = f.run("thresholds s.toml --false-alarm 0.1 --json -");
    let d: Value = serde_json::from_str(&by_study.out).unwrap_or_else(|_| panic!("{}", by_study.err));
    assert_eq!(d["assessment"]["thresholds"]["content"]["best"], *best);
}

#[test]
fn thresholds_that_cannot_be_chosen() {
    let f = Folder::new();
    f.write("s.csv", scores());
    says(&f.fails("thresholds s.csv --false-alarm 1.5"), &["between 0 and 1"]);
    f.write("o.csv", "label,a,b\nattack,1,0\nbenign,0,1\n");
    says(&f.fails("thresholds o.csv"), &["no layer has scores"]);
    f.write("a.csv", "a,b\n0.1,0.7\n0.3,0.2\n");
    says(&f.fails("thresholds a.csv"), &["benign"]);
    f.write("bad.csv", "label,a\nattack,0.4\nbenign,inf\n");
    says(&f.fails("thresholds bad.csv --layers a"), &["bad.csv:3", "neither a score"]);
    says(&f.fails("thresholds s.csv --threshold jury=0.5"), &["jury"]);
    f.write("long.csv", "trial,layer,score\n1,a,0.5\n1,b,0.5\n");
    says(&f.fails("thresholds long.csv"), &["row for every layer"]);
}

/// Two families: the common one is nearly always stopped.
fn families() -> String {
    let mut text = "family,filter,judge\n".to_owned();
    for (row, n) in [("common,0,0", 898), ("common,1,1", 2), ("rare,0,1", 80), ("rare,1,1", 20)] {
        text += &format!("{row}\n").repeat(n);
    }
    text
}

#[test]
fn where_to_test_next() {
    let f = Folder::new();
    f.write("o.csv", families());
    for columns in ["80", "160"] {
        let words = "plan o.csv --stratum family --budget 2000 --claim beta<=0.03@0.95 --check-cost 5";
        let ran = f.run_with(&words.split(' ').collect::<Vec<_>>(), b"", columns);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let widest = ran.out.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{}", ran.out);
        insta::assert_snapshot!(format!("plan_{columns}"), ran.out);
    }
    f.write(
        "s.toml",
        "[outcomes]\nfiles = [\"o.csv\"]\nstrata = [\"family\"]\n[[claims]]\nname = \"release\"\nbound = \"beta<=0.03@0.95\"\n[plan]\nbudget = 500\ncosts = { rare = 4 }\n",
    );
    let plan = |flags: &str| -> Value {
        let ran = f.run(&format!("plan s.toml {flags} --json -"));
        let d: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        d["assessment"]["plan"]["content"].clone()
    };
    let p = plan("--claim release");
    assert_eq!((number(&p["budget"]), p["claim"]["support"]["claim"]["at_most"].as_f64()), (500.0, Some(0.03)));
    let of = |p: &Value, name: &str| p["strata"].as_array().unwrap().iter().find(|s| s["name"] == name).map(|s| number(&s["new_trials"])).unwrap();
    assert!(of(&p, "common") + 4.0 * of(&p, "rare") <= 500.0);
    // Cheaper, the rare ones get more of the money.
    let q = plan("--budget 500 --cost rare=1");
    assert!(of(&q, "rare") > of(&p, "rare"));
    // Two columns are crossed.
    f.write(
        "two.csv",
        families()
            .lines()
            .enumerate()
            .map(|(i, l)| {
                format!(
                    "{l},{}\n",
                    if i == 0 {
                        "lang"
                    } else if i % 2 == 0 {
                        "en"
                    } else {
                        "de"
                    }
                )
            })
            .collect::<String>(),
    );
    let ran = f.run("plan two.csv --stratum family --stratum lang --budget 500 --json -");
    let d: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    assert_eq!(d["assessment"]["plan"]["content"]["strata"].as_array().unwrap().len(), 4);
    says(&f.fails("plan s.toml --claim relase"), &["there is no claim `relase`", "release"]);
    says(&f.fails("plan o.csv --stratum family --claim release"), &["release", "beta<=RATE@CONFIDENCE"]);
    says(&f.fails("plan o.csv --stratum family --cost nobody=3"), &["nobody"]);
}

#[test]
fn verdicts_change_what_is_said_first() {
    let f = Folder::new();
    let mut text = "trial,prompt,filter,judge,probe\n".to_owned();
    let mut n = Numbers(3);
    for t in 0..400 {
        let row = match t {
            0..12 => "1,1,1",
            12..60 => ["1,1,0", "0,1,1"][t % 2],
            _ => ["0,0,0", "1,0,0", "0,0,1"][(n.next() * 3.0) as usize],
        };
        text += &format!("t{t},\"attack, number {t}\",{row}\n");
    }
    f.write("o.csv", &text);
    says(&f.run("analyze o.csv --replicates 100").out, &["Nobody has checked these 12 joint failures", "coincide label"]);
    let ran = f.run("label o.csv -o queue.csv --near-misses 20 --others 30");
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!("label_80", ran.out);
    says(&f.fails("label o.csv -o queue.csv"), &["perhaps with verdicts", "--force"]);
    let queue = std::fs::read_to_string(f.path("queue.csv")).unwrap();
    assert_eq!(queue.lines().count(), 1 + 12 + 20 + 30);
    assert!(queue.starts_with("trial,group,probability,prompt,recorded.filter,recorded.judge,recorded.probe,verdict,verdict.filter"), "{queue}");
    assert!(queue.contains("\"attack, number 3\"") && queue.contains(",0.4166666"), "{queue}");
    says(&f.fails("analyze o.csv --labels queue.csv"), &["no verdict yet"]);
    // The first nine joint failures were genuine; the layers' own verdicts say so.
    let mut genuine = 0;
    let filled: Vec<String> = queue
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let open = line.trim_end_matches(',');
            if i == 0 {
                return line.to_owned();
            }
            let failed = line.contains(",all-failed,") && {
                genuine += 1;
                genuine <= 9
            };
            let recorded: Vec<&str> = open.rsplit(',').take(3).collect();
            let own = |r: &&str| if failed || **r == *"failed" && !line.contains(",all-failed,") { "failed" } else { "held" };
            let layers: Vec<&str> = recorded.iter().rev().map(own).collect();
            format!("{open},{},{}", if failed { "failed" } else { "held" }, layers.join(","))
        })
        .collect();
    f.write("queue.csv", filled.join("\n"));
    let d = f.results("analyze o.csv --labels queue.csv");
    let c = &d["assessment"]["checked"]["content"];
    assert_eq!(c["corrects"], "both");
    assert!((number(&c["beta"]["value"]) - 9.0 / 400.0).abs() < 1e-12 && (number(&c["recorded"]) - 12.0 / 400.0).abs() < 1e-12, "{c}");
    assert!(c["gap"]["value"].is_number(), "{}", c["gap"]);
    let ran = f.run("analyze o.csv --labels queue.csv --replicates 100 --json a.json --html a.html");
    says(
        &ran.out,
        &[
            "Checked by hand: 1 attack in 44 beats all layers",
            "as recorded it was 1 attack in 33",
            "After checks by hand",
            "Of 12 joint failures that were checked, 9 were genuine",
        ],
    );
    assert!(!ran.out.contains("Nobody has checked"));
    insta::assert_snapshot!("checked_80", ran.out.lines().take(60).collect::<Vec<_>>().join("\n"));
    says(
        &f.run("verify a.json").out,
        &["3 inputs", "nothing differs"].map(|s| s.replace("3 inputs", "2 inputs")).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    // Verdicts that contradict themselves are shown where they stand.
    let first = filled[1].clone();
    let wrong = format!("{}failed,held,failed,failed", first.strip_suffix("failed,failed,failed,failed").unwrap());
    f.write("wrong.csv", [filled[0].clone(), wrong].join("\n"));
    says(&f.fails("analyze o.csv --labels wrong.csv"), &["wrong.csv:2", "those of the layers make it `held`"]);
    f.write("strange.csv", "trial,verdict\nt0,maybe\n");
    says(&f.fails("analyze o.csv --labels strange.csv"), &["strange.csv:2", "`maybe` is not a verdict"]);
    // Verdicts count for the layers that they were drawn by.
    says(&f.fails("analyze o.csv --layers filter,judge --labels queue.csv"), &["drawn by"]);
    f.write("other.csv", "trial,verdict\nnobody,failed\n");
    says(&f.fails("analyze o.csv --labels other.csv"), &["no attack of that name"]);
}

/// A month of outcomes of three layers on 60 goals.
fn month(seed: u64, judge: f64) -> String {
    let mut n = Numbers(seed);
    let mut text = "goal,family,filter,judge,label\n".to_owned();
    for goal in 0..60 {
        let hard = n.next() < 0.4;
        for _ in 0..8 {
            let filter = u8::from(n.next() < if hard { 0.7 } else { 0.1 });
            let judged = u8::from(n.next() < if hard { judge } else { 0.3 * judge });
            text += &format!("g{goal},{},{filter},{judged},attack\n", if goal % 3 == 0 { "code" } else { "chat" });
        }
    }
    text
}

#[test]
fn what_changed_is_told_from_noise() {
    let f = Folder::new();
    f.write("before.csv", month(1, 0.2)).write("same.csv", month(2, 0.2)).write("worse.csv", month(3, 0.95));
    let compared = |after: &str| -> Value {
        let ran = f.run(&format!("compare before.csv {after} --cluster goal --stratum family --stream --json -"));
        let d: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        d["assessment"].clone()
    };
    let same = compared("same.csv");
    assert_eq!(same["comparison"]["content"]["beta"]["verdict"], "within-noise", "{}", same["comparison"]["content"]["beta"]);
    let worse = compared("worse.csv");
    let beta = &worse["comparison"]["content"]["beta"];
    assert_eq!(beta["verdict"], "rose");
    assert!(number(&beta["p_value"]) < 0.01 && number(&beta["change"]["value"]) > 0.0);
    let evidence = |d: &Value| number(&d["drift"]["content"]["log10_highest_e"]);
    assert!(evidence(&worse) > 0.3 && evidence(&same) < 0.3, "{} {}", worse["drift"], same["drift"]);
    assert_eq!(number(&worse["drift"]["content"]["trials"]), 60.0);
    // Trials of their own, one in a hundred before and one in ten after.
    let every = |n: usize| (0..1000).map(|t| if t % n == 0 { "1,1\n" } else { "0,1\n" }).collect::<String>();
    f.write("rare.csv", format!("a,b\n{}", every(100))).write("often.csv", format!("a,b\n{}", every(10)));
    says(&f.run("compare rare.csv often.csv --stream").out, &["raised its alarm"]);
    let ran = f.run("compare rare.csv often.csv --json -");
    assert!(ran.code == 0 && !ran.out.contains("drift"), "{}", ran.err);
    for columns in ["80", "160"] {
        let words = "compare before.csv worse.csv --cluster goal --stratum family --stream";
        let ran = f.run_with(&words.split(' ').collect::<Vec<_>>(), b"", columns);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let widest = ran.out.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{}", ran.out);
        insta::assert_snapshot!(format!("compare_{columns}"), ran.out);
    }
    says(&f.fails("compare before.csv"), &["name two tables"]);
    f.write("w.csv", "weight,filter,judge\n2,1,1\n1,0,1\n");
    says(&f.fails("compare w.csv w.csv --stream"), &["leave out --stream"]);
    assert_eq!(f.run("compare before.csv worse.csv --cluster goal --json c.json").code, 0);
    says(&f.run("verify c.json").out, &["nothing differs"]);
    // Where the files lie is no part of what they say.
    for name in ["before.csv", "worse.csv"] {
        std::fs::create_dir_all(f.path("moved")).unwrap();
        std::fs::rename(f.path(name), f.path("moved").join(name)).unwrap();
    }
    says(&f.run("verify c.json --input moved/worse.csv --input moved/before.csv").out, &["nothing differs"]);
}

#[test]
fn layers_that_fail_alike_are_shown_as_a_tree() {
    let words = "analyze examples/guards/outcomes.parquet --cluster goal --replicates 100";
    let ran = run_in(&repository(), &words.split(' ').collect::<Vec<_>>(), b"", "80");
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["Tree of layers by joint failure"]);
}
