//! Adaptive searches through the program: killed and resumed, told apart from static trials, and refused where they cannot be.

use crate::server::{Answer, Server, json};
use crate::support::{Folder, says};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A layer that fails on a quarter of all prompts, by their text alone.
fn verdict(salt: u8) -> impl Fn(&str, &[u8]) -> Answer + Send + Sync + 'static {
    move |_, body| {
        let hash = body.iter().fold(u32::from(salt) + 7, |h, &b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Answer::Late(Duration::from_millis(4), json(200, &format!("{{\"flagged\":{}}}", (hash >> 9) % 4 != 0)))
    }
}

fn campaign(folder: &Folder, urls: &[&str], output: &str, adaptive: &str) -> String {
    let lines: String =
        (0..40).map(|i| format!("{{\"id\":\"a{i}\",\"prompt\":\"prompt {i}\",\"goal\":\"g{}\",\"family\":\"f{}\"}}\n", i / 2, i % 3)).collect();
    folder.write("attacks.jsonl", lines);
    let mut text = format!("name = \"searched\"\noutput = \"{output}\"\n[attacks]\nfiles = [\"attacks.jsonl\"]\n{adaptive}");
    for (i, url) in urls.iter().enumerate() {
        text += &format!(
            "[[layers]]\nname = \"h{i}\"\nkind = \"http\"\nurl = \"{url}/c\"\nbody = {{ t = \"{{prompt}}\" }}\nverdict = \"/flagged\"\nheld_when = [\"true\"]\nconcurrency = 8\n"
        );
    }
    let name = format!("{output}.toml");
    folder.write(&name, text);
    name
}

fn document(folder: &Folder, output: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.path(output).join("campaign.json")).unwrap()).unwrap()
}

#[test]
fn a_killed_search_goes_on_to_the_same_end() {
    let folder = Folder::new();
    let (a, b) = (Server::start(verdict(1)), Server::start(verdict(2)));
    let urls = [a.url.as_str(), b.url.as_str()];
    let adaptive = "[adaptive]\nsearch = \"rainbow\"\nqueries = 900\nqueries_per_goal = 60\naccess = { separable = true }\n";
    let whole = campaign(&folder, &urls, "whole", adaptive);
    assert_eq!(folder.run(&format!("stress {whole} -q")).code, 0);
    let path = campaign(&folder, &urls, "killed", adaptive);
    let (mut state, mut kills) = (99u64, 0);
    while kills < 8 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = Command::new(crate::support::program())
            .current_dir(folder.path("."))
            .args(["stress", &path, "--resume", "-q"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = a.calls() + (state >> 33) % 150;
        while a.calls() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if !running {
            break;
        }
    }
    assert!(kills >= 3, "killed midway {kills} times");
    // What the loop finished, or the rest.
    assert_eq!(folder.run(&format!("stress {path} --resume -q")).code, 0);
    let table = |name: &str| std::fs::read(folder.path(name).join("outcomes.parquet")).unwrap();
    assert!(table("whole") == table("killed"), "the same table, byte for byte");
    let search = |name: &str| document(&folder, name)["campaign"]["content"]["adaptive"].clone();
    assert_eq!(search("whole"), search("killed"));
    let s = search("whole");
    assert!(s["beaten"].as_u64().unwrap() > 10 && s["queries"]["finished"].as_u64().unwrap() > 100, "{s}");
    // More queries go on; another search does not.
    let more = folder.run(&format!("stress {path} --resume -q --queries 1000"));
    assert_eq!(more.code, 0, "{}", more.err);
    says(&folder.fails(&format!("stress {path} --resume --adaptive stack")), &["holds a run with another adaptive search"]);
    folder.write("killed.toml", std::fs::read_to_string(folder.path("killed.toml")).unwrap().replace(adaptive, ""));
    says(&folder.fails(&format!("stress {path} --resume")), &["holds a run with an adaptive search", "--adaptive"]);
}

#[test]
fn adaptive_trials_are_in_no_rate() {
    let folder = Folder::new();
    let a = Server::start(verdict(3));
    let plain = campaign(&folder, &[&a.url], "plain", "");
    assert_eq!(folder.run(&format!("stress {plain} -q")).code, 0);
    let both = campaign(&folder, &[&a.url], "both", "");
    let ran = folder.run(&format!("stress {both} --adaptive bandit --queries 200"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran.out, &["searched with `bandit`", "That is no rate of the layers", "Adaptive search: bandit"]);
    let (one, two) = (folder.results("analyze plain/outcomes.parquet"), folder.results("analyze both/outcomes.parquet"));
    for at in ["/analysis/joint/content/beta", "/analysis/layers/content", "/analysis/data/content/attack_trials"] {
        assert_eq!(one.pointer(at), two.pointer(at), "{at}");
    }
    assert!(two.pointer("/analysis/data/content/adaptive_trials").and_then(serde_json::Value::as_f64).unwrap() > 20.0);
    assert!(one.pointer("/analysis/data/content/adaptive_trials").is_none());
    // Counts files keep them apart too.
    assert_eq!(folder.run("count both/outcomes.parquet -o counts.parquet").code, 0);
    assert_eq!(folder.results("analyze counts.parquet")["analysis"], two["analysis"]);
    let shown = folder.run("analyze both/outcomes.parquet --replicates 200").out;
    says(&shown, &["trials of an adaptive search are in no rate"]);
    // The plan counts them.
    let plan = folder.run(&format!("stress {} --adaptive stack --queries 500 --dry-run", campaign(&folder, &[&a.url], "planned", ""))).out;
    says(&plan, &["540 calls at most", "500 queries of an adaptive search"]);
}

/// A search that was refused, or never began, binds nobody; what was left out is what is usual.
#[test]
fn only_a_search_that_began_must_go_on() {
    let folder = Folder::new();
    let a = Server::start(verdict(4));
    let path = campaign(&folder, &[&a.url], "run", "");
    assert_eq!(folder.run(&format!("stress {path} -q")).code, 0);
    assert_eq!(folder.run(&format!("stress {path} -q --resume --retry-errors --adaptive stack --queries 30")).code, 0);
    says(&folder.fails(&format!("stress {path} --resume --retry-errors --adaptive stack --queries 30")), &["--retry-errors"]);
    let stated = campaign(&folder, &[&a.url], "run", "[adaptive]\nqueries = 40\n");
    assert_eq!(folder.run(&format!("stress {stated} -q --resume")).code, 0, "`stack` is what is usual");
    assert_eq!(document(&folder, "run")["campaign"]["content"]["adaptive"]["search"], "stack");
    // The finds that are counted are those that lie there.
    let finds = std::fs::read_dir(folder.path("run/finds")).unwrap().count() as u64;
    assert_eq!(document(&folder, "run")["campaign"]["content"]["finds"].as_u64().unwrap(), finds);
}

/// A layer that is not asked is no layer that withstood.
#[test]
fn layers_count_where_they_gave_an_outcome() {
    let folder = Folder::new();
    folder.write("attacks.csv", "prompt,goal\none,g1\ntwo,g2\nthree,g3\n");
    folder.write(
        "c.toml",
        "name = \"c\"\n[attacks]\nfiles = [\"attacks.csv\"]\n[adaptive]\nsearch = \"random\"\nqueries = 60\noperators = [\"rot13\", \"flip\"]\n[[layers]]\nname = \"never\"\nkind = \"rules\"\npatterns = [\"no such text\"]\n[[layers]]\nname = \"broken\"\nkind = \"process\"\ncommand = [\"false\"]\nretries = 0\nbreaker = 1000\n",
    );
    let ran = folder.run("stress c.toml");
    assert!(ran.out.contains("leave open whether every layer failed") || ran.out.contains("gave no outcome"), "{}{}", ran.out, ran.err);
    let search = document(&folder, "run")["campaign"]["content"]["adaptive"].clone();
    if search["queries"]["finished"].as_u64().unwrap() > 0 {
        assert_eq!(search["layers"][1]["missing"], search["queries"]["finished"], "{search}");
        assert!(search["layers"][1].get("survival").is_none(), "{search}");
        assert_eq!(search["undetermined"], search["queries"]["finished"]);
    }
    assert_eq!(search["beaten"], 0);
}

#[test]
fn searches_that_cannot_be_say_why() {
    let folder = Folder::new();
    let fails = |adaptive: &str, options: &str, what: &[&str]| {
        let name = campaign(&folder, &["http://127.0.0.1:9"], "wrong", adaptive);
        says(&folder.fails(format!("stress {name} {options}").trim()), what);
    };
    fails("", "--adaptive stack", &["--adaptive needs --queries"]);
    fails("", "--queries 10", &["--queries needs --adaptive"]);
    fails("", "--adaptive greedy --queries 10", &["greedy", "stack"]);
    fails("[adaptive]\nsearch = \"stack\"\n", "", &["wrong.toml:", "needs 1 to 100,000,000 queries"]);
    fails("[adaptive]\nqueries = 10\noperators = [\"base65\"]\n", "", &["there is no operator `base65`", "base64"]);
    fails("[adaptive]\nqueries = 10\ndepth = 0\n", "", &["depth must be 1 to 20"]);
    fails("[adaptive]\nqueries = 10\naccess = { sees = \"all\" }\n", "", &["all", "verdicts"]);
    folder.write("ids.csv", "id,prompt\nx,one\nx@1,two\n");
    folder.write(
        "ids.toml",
        "name = \"ids\"\n[attacks]\nfiles = [\"ids.csv\"]\n[adaptive]\nqueries = 5\n[[layers]]\nname = \"r\"\nkind = \"rules\"\npatterns = [\"x\"]\n",
    );
    says(&folder.fails("stress ids.toml"), &["ids.csv", "`x@1` could be a query of the search"]);
    fails("[adaptive]\nqueries = 10\n[[layers]]\nname = \"p\"\nkind = \"human\"\n", "", &["a person's come later"]);
}

/// Importance sampling measures: goals are not left alone, and the rate under the profile comes with its plain draws beside it.
#[test]
fn importance_sampling_estimates_the_rate() {
    let folder = Folder::new();
    let (a, b) = (Server::start(verdict(1)), Server::start(verdict(2)));
    let adaptive = "[adaptive]\nsearch = \"importance\"\nqueries = 800\naccess = { separable = true }\n[adaptive.profile]\nlengths = [1, 2]\noperators = { base64 = 3 }\n";
    let path = campaign(&folder, &[&a.url, &b.url], "measured", adaptive);
    let ran = folder.run(&format!("stress {path}"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(
        &ran.out,
        &["Under the stated profile everything fails together on", "under the profile, by importance", "its plain draws", "queries of the search"],
    );
    let search = document(&folder, "measured")["campaign"]["content"]["adaptive"].clone();
    let i = &search["importance"];
    // The last three quarters of all queries, on all goals.
    assert_eq!((i["draws"].as_u64(), i["clusters"].as_u64()), (Some(600), Some(20)));
    assert_eq!(search["queries"]["finished"], 800);
    assert!((60..200).contains(&i["plain"].as_u64().unwrap()), "{i}");
    // A quarter of all texts beat each layer.
    let (low, high) = (&i["rate"]["interval"]["low"], &i["rate"]["interval"]["high"]);
    assert!(low.as_f64().unwrap() < 1.0 / 16.0 && high.as_f64().unwrap() > 1.0 / 16.0, "{i}");
    assert!(search["map"].as_array().unwrap().len() > 10 && search["watched"]["queries"] == 800, "{search}");
    // Other profiles are other searches; profiles that cannot be are refused where they stand.
    let refused = |change: (&str, &str), words: &[&str]| {
        let text = std::fs::read_to_string(folder.path(&path)).unwrap();
        assert!(text.contains(change.0));
        folder.write("changed.toml", text.replace(change.0, change.1));
        says(&folder.fails("stress changed.toml --resume"), words);
    };
    refused(("lengths = [1, 2]", "lengths = [1, 3]"), &["holds a run with another adaptive search"]);
    refused(("lengths = [1, 2]", "lengths = [0, 0]"), &["changed.toml:", "the weights must be 0 or more"]);
    refused(("base64 = 3", "bse64 = 3"), &["the search has no operator `bse64`", "base64"]);
    refused(("base64 = 3", "base64 = -3"), &["the weight of `base64` cannot be -3"]);
    refused(("\"importance\"", "\"stack\""), &["a profile says something only to the search `importance`"]);
    refused(("queries = 800", "queries = 800\ndepth = 1\nqueries_per_goal = 2"), &["another adaptive search"]);
}
