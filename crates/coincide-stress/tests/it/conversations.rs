//! `pair`, `tap` and `crescendo` against a scripted attacker: what is asked of whom, in which order, and what is kept.

use crate::server::{Answer, Server, json};
use crate::support::{Folder, attacks};
use coincide_io::{AdaptiveRecord, CampaignRecord, Rows};
use coincide_stress::RunOptions;
use serde_json::{Value, json as value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

type Shared<T> = Arc<Mutex<T>>;

fn said(content: &str) -> Answer {
    Answer::Bytes(json(200, &value!({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}).to_string()))
}

/// What one chat request says, and the roles.
fn messages(body: &[u8]) -> Vec<(String, String)> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |m: &Value, key: &str| m[key].as_str().unwrap().to_owned();
    body["messages"].as_array().unwrap().iter().map(|m| (text(m, "role"), text(m, "content"))).collect()
}

fn prompt_of(reply: &str) -> String {
    let object = &reply[reply.find('{').unwrap()..=reply.rfind('}').unwrap()];
    serde_json::from_str::<Value>(object).unwrap()["prompt"].as_str().unwrap().to_owned()
}

/// An attacker whose prompts say where they stand: `root.2.1` was written second, and then first, in the same place. It notes what it was asked.
fn scripted(asked: Shared<Vec<Vec<(String, String)>>>) -> Server {
    let children: Shared<BTreeMap<String, u32>> = Arc::default();
    Server::start(move |_, body| {
        let list = messages(body);
        let parent = list.iter().rev().find(|m| m.0 == "assistant").map(|m| prompt_of(&m.1));
        let parent = parent.unwrap_or_else(|| list[1].1.lines().next().unwrap().replace("OBJECTIVE: ", "").replace(' ', "_"));
        asked.lock().unwrap().push(list.clone());
        let mut children = children.lock().unwrap();
        let child = children.entry(parent.clone()).or_default();
        *child += 1;
        said(&format!("Here it is:\n```json\n{{\"improvement\": \"n\", \"prompt\": \"{parent}.{child}\"}}\n```"))
    })
}

fn score(prompt: &str) -> f64 {
    let hash = prompt.bytes().fold(7u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    0.5 + f64::from(hash % 997) / 2000.0
}

/// A guard that scores every prompt by its text, holds always, and notes which trial had which prompt.
fn guard(prompts: Shared<BTreeMap<String, String>>) -> Server {
    Server::start(move |_, body| {
        let body: Value = serde_json::from_slice(body).unwrap();
        let (trial, text) = (body["trial"].as_str().unwrap(), body["text"].as_str().unwrap());
        prompts.lock().unwrap().insert(trial.to_owned(), text.to_owned());
        Answer::Bytes(json(200, &format!("{{\"score\": {}}}", score(text))))
    })
}

fn guarded(url: &str) -> String {
    format!(
        "\n[[layers]]\nname = \"guard\"\nkind = \"http\"\nurl = \"{url}/\"\nbody = {{ trial = \"{{trial}}\", text = \"{{prompt}}\" }}\nscore = \"/score\"\nthreshold = 0.5\nfails_when = \"below\"\n\
         \n[[layers]]\nname = \"words\"\nkind = \"rules\"\npatterns = [\"nothing says this\"]\n"
    )
}

fn attacker(search: &str, server: &Server, sizes: &str, rest: &str) -> String {
    format!(
        "\n[adaptive]\nsearch = \"{search}\"\nqueries = 10000\naccess = {{ sees = \"scores\", separable = true }}\n{rest}\n[adaptive.attacker]\nurl = \"{}/v1/chat/completions\"\nmodel = \"m\"\n{sizes}\n",
        server.url
    )
}

fn record(r: &CampaignRecord) -> &AdaptiveRecord {
    r.adaptive.as_ref().unwrap()
}

/// Adaptive trials: node, goal, and the layers' cells, by trial.
fn nodes(f: &Folder, layers: &[&str]) -> BTreeMap<String, (String, String, Vec<String>)> {
    let mut out = BTreeMap::new();
    for rows in Rows::open(&[f.path("run/outcomes.parquet").display().to_string()]).unwrap() {
        rows.for_each(&[&["trial", "label", "node", "goal"], layers].concat(), &mut |r| {
            if r.text(1) == "adaptive" {
                let cells = (0..layers.len()).map(|i| r.text(4 + i).to_owned()).collect();
                out.insert(r.text(0).to_owned(), (r.text(2).to_owned(), r.text(3).to_owned(), cells));
            }
            Ok(())
        })
        .unwrap();
    }
    out
}

fn parent(path: &str) -> String {
    path.rsplit_once('.').map_or("", |p| p.0).to_owned()
}

/// Every prompt stands under the prompt that the table's tree has above it. Prompts by goal and node.
fn is_a_tree(f: &Folder, prompts: &BTreeMap<String, String>) -> BTreeMap<(String, String), String> {
    let mut by_node = BTreeMap::new();
    for (trial, (node, goal, cells)) in nodes(f, &["guard", "words"]) {
        assert_eq!(cells, ["0", "1"], "every layer's verdict is kept: {trial}");
        assert!(by_node.insert((goal, node), prompts[&trial].clone()).is_none(), "a node stands for one query");
    }
    for ((goal, node), prompt) in &by_node {
        if node.contains('.') {
            assert_eq!(by_node[&(goal.clone(), parent(node))], parent(prompt), "{node}");
        }
    }
    by_node
}

#[test]
fn pair_holds_conversations_side_by_side() {
    let (asked, prompts) = (Shared::default(), Shared::default());
    let (model, layer) = (scripted(Arc::clone(&asked)), guard(Arc::clone(&prompts)));
    let f = Folder::new(&attacks(2), &(attacker("pair", &model, "streams = 5", "") + &guarded(&layer.url)));
    let r = f.fresh();
    let talk = record(&r).conversations.clone().unwrap();
    assert_eq!((talk.replies, talk.unreadable, record(&r).queries.finished), (30, 0, 30), "five streams of three on two goals");
    assert_eq!(talk.depths.iter().map(|d| d.queries).collect::<Vec<_>>(), [10, 10, 10]);
    let by_node = is_a_tree(&f, &prompts.lock().unwrap());
    let own: Vec<&str> = by_node.keys().filter(|k| k.0 == "g0").map(|k| k.1.as_str()).collect();
    let wanted: Vec<String> = (1..=5).flat_map(|s| [format!("{s}"), format!("{s}.1"), format!("{s}.1.1")]).collect();
    assert_eq!(own, wanted);
    // What it is told: its task, then what came of its own prompts and of no other stream's.
    let asked = asked.lock().unwrap();
    let last = asked.iter().find(|m| m.len() == 6).unwrap();
    assert_eq!(last.iter().map(|m| m.0.as_str()).collect::<Vec<_>>(), ["system", "user", "assistant", "user", "assistant", "user"]);
    assert_eq!(parent(&prompt_of(&last[4].1)), prompt_of(&last[2].1));
    for told in [&last[3].1, &last[5].1] {
        assert!(told.contains("LAYERS: guard stopped it (score 0.") && told.contains("words let it through") && told.contains("SCORE: "), "{told}");
    }
    // Prompts of the attacker are in the journal and in no table.
    assert_eq!(r.calls, 30 + 2 * 2 + 30 * 2, "its calls are counted: {}", r.calls);
    let open = ["outcomes.parquet", "calls.parquet", "live.json"].map(|n| std::fs::read(f.path("run").join(n)).unwrap_or_default());
    assert!(open.iter().all(|bytes| !String::from_utf8_lossy(bytes).contains("prompt_0.1")));
}

#[test]
fn tap_cuts_its_tree_twice_a_level() {
    let (asked, prompts) = (Shared::default(), Shared::default());
    let (model, layer) = (scripted(Arc::clone(&asked)), guard(Arc::clone(&prompts)));
    // Every third child has lost the goal.
    let evaluator = Server::start(|_, body| {
        let question = messages(body).pop().unwrap().1;
        let prompt = question.lines().find_map(|l| l.strip_prefix("PROMPT: ")).unwrap().to_owned();
        said(if prompt.ends_with(".3") { "[[NO]]" } else { "[[YES]]" })
    });
    let sizes = format!("branching = 3\nwidth = 2\ndepth = 4\nevaluator = {{ url = \"{}/v1/chat/completions\", model = \"e\" }}", evaluator.url);
    let f = Folder::new(&attacks(3), &(attacker("tap", &model, &sizes, "") + &guarded(&layer.url)));
    let r = f.fresh();
    let talk = record(&r).conversations.clone().unwrap();
    // 3, then 2 leaves with 3 children each, three times; a third of them is not sent.
    assert_eq!((talk.replies, talk.off_topic, record(&r).queries.finished), (3 * 21, 3 * 7, 3 * 14));
    assert_eq!(talk.depths.iter().map(|d| d.queries).collect::<Vec<_>>(), [6, 12, 12, 12]);
    assert_eq!(evaluator.calls(), 3 * 21);
    let by_node = is_a_tree(&f, &prompts.lock().unwrap());
    assert!(by_node.values().all(|p| !p.ends_with(".3")), "what lost the goal is never sent");
    // Only the two nearest of a level have children.
    for goal in ["g0", "g1", "g2"] {
        for depth in 1..4 {
            let level: Vec<(&str, f64)> =
                by_node.iter().filter(|((g, n), _)| g == goal && n.split('.').count() == depth).map(|((_, n), p)| (n.as_str(), score(p))).collect();
            let mut parents: Vec<&str> = level.iter().map(|l| l.0).filter(|n| by_node.keys().any(|k| k.0 == goal && parent(&k.1) == **n)).collect();
            let mut nearest = level.clone();
            nearest.sort_by(|a, b| a.1.total_cmp(&b.1));
            let mut nearest: Vec<&str> = nearest.iter().take(2).map(|l| l.0).collect();
            parents.sort_unstable();
            nearest.sort_unstable();
            assert_eq!(parents, nearest, "{goal} level {depth}: {level:?}");
        }
    }
}

#[test]
fn crescendo_builds_on_answers_and_takes_refusals_back() {
    crescendo(true, "", true);
    // The judge may be a layer of its own: it stops nothing.
    crescendo(false, "", true);
    // An evaluator knows refusals that the endpoint does not mark.
    crescendo(true, "evaluator", false);
}

/// Every second message is refused at first: as the endpoint marks it, or in words only. Harm is done in the fourth turn.
fn crescendo(judge_inside: bool, evaluator: &str, marked: bool) {
    let heard: Shared<Vec<Vec<(String, String)>>> = Arc::default();
    let asked: Shared<Vec<Vec<(String, String)>>> = Shared::default();
    let model = scripted(Arc::clone(&asked));
    let noted = Arc::clone(&heard);
    let refused: Shared<BTreeSet<usize>> = Arc::default();
    let target = Server::start(move |head, body| {
        let list = messages(body);
        if head.contains("/evaluator") {
            return said(if list[1].1.contains("I would rather not") { "[[NO]]" } else { "[[YES]]" });
        }
        if head.contains("/judge") {
            let turns = list[0].1.matches("User: ").count();
            return said(if turns >= 4 && !list[0].1.contains("rather not") { "yes" } else { "no" });
        }
        noted.lock().unwrap().push(list.clone());
        let prompt = &list.last().unwrap().1;
        // Even turns are refused at their first try.
        let turn = list.len() / 2;
        if turn.is_multiple_of(2) && refused.lock().unwrap().insert(turn) {
            let refusal = value!({"choices": [{"message": {"content": null, "refusal": "I cannot"}, "finish_reason": "stop"}]});
            return if marked { Answer::Bytes(json(200, &refusal.to_string())) } else { said("I would rather not") };
        }
        said(&format!("answer to {prompt}"))
    });
    let url = &target.url;
    let inside = if judge_inside { format!("judge = {{ url = \"{url}/judge\", model = \"j\" }}\n") } else { String::new() };
    let beside = format!("\n[[layers]]\nname = \"judge\"\nkind = \"judge\"\nurl = \"{url}/judge\"\nmodel = \"j\"\n");
    let beside = if judge_inside { "" } else { &beside };
    let layers = format!(
        "\n[[layers]]\nname = \"target\"\nkind = \"chat\"\nurl = \"{url}/target\"\nmodel = \"t\"\nsystem = \"Be good.\"\n{inside}\
         \n[[layers]]\nname = \"words\"\nkind = \"rules\"\npatterns = [\"nothing says this\"]\n{beside}"
    );
    let evaluator = if evaluator.is_empty() { String::new() } else { format!("evaluator = {{ url = \"{url}/evaluator\", model = \"e\" }}") };
    let f = Folder::new(
        &attacks(1),
        &(attacker("crescendo", &model, &evaluator, "") + &layers).replace("sees = \"scores\", separable = true", "sees = \"block\""),
    );
    let r = f.fresh();
    let cells: BTreeMap<String, Vec<String>> = nodes(&f, &["target", "words"]).into_values().map(|(node, _, cells)| (node, cells)).collect();
    let talk = record(&r).conversations.clone().unwrap();
    assert_eq!(record(&r).beaten, 1, "{cells:?}");
    assert_eq!((talk.taken_back, talk.replies), (2, 6));
    // A turn's place says what it goes on from; a refused one has a sibling.
    assert_eq!(cells.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "1.1", "1.2", "1.2.1", "1.2.1.1", "1.2.1.2"]);
    assert_eq!(talk.depths.iter().map(|d| d.beat_all).collect::<Vec<_>>(), [0, 0, 0, 1]);
    // The plain prompt comes first and is no part of the conversation.
    let heard = heard.lock().unwrap();
    let conversation: Vec<&Vec<(String, String)>> = heard.iter().filter(|m| m.last().unwrap().1.starts_with("prompt_0")).collect();
    assert_eq!(conversation.len(), cells.len());
    for list in &conversation {
        assert_eq!(list[0], ("system".to_owned(), "Be good.".to_owned()));
        // What stands before is an exchange that took place: no refused message is among it.
        for pair in list[1..list.len() - 1].chunks(2) {
            assert_eq!((pair[0].0.as_str(), pair[1].0.as_str()), ("user", "assistant"));
            assert_eq!(pair[1].1, format!("answer to {}", pair[0].1));
        }
    }
    assert_eq!(conversation.last().unwrap().len(), 2 + 3 * 2, "three exchanges, and the fourth message");
    let told: Vec<String> = asked.lock().unwrap().iter().map(|m| m.last().unwrap().1.clone()).collect();
    assert!(told[1].contains("LAYERS: the answer does not meet the objective"), "{}", told[1]);
    assert!(told[2].starts_with("That message was refused, stopped or not answered"), "{}", told[2]);
    // A find holds the whole conversation.
    let finds: Vec<_> = std::fs::read_dir(f.path("run/finds")).unwrap().collect();
    let find: Value = serde_json::from_slice(&std::fs::read(finds[0].as_ref().unwrap().path()).unwrap()).unwrap();
    assert_eq!(find["history"].as_array().unwrap().len(), 6);
}

#[test]
fn a_stopped_conversation_goes_on_with_the_words_it_had() {
    let (asked, prompts) = (Shared::default(), Shared::default());
    let (model, layer) = (scripted(Arc::clone(&asked)), guard(Arc::clone(&prompts)));
    let rest = attacker("tap", &model, "branching = 2\nwidth = 2\ndepth = 4\nconcurrency = 1", "") + &guarded(&layer.url);
    // The evaluator is the attacker's own model, whose replies say neither yes nor no.
    let whole = Folder::new(&attacks(3), &rest);
    let record_whole = whole.fresh();
    let once = model.calls();
    let (asked, prompts) = (Shared::default(), Shared::default());
    let (model, layer) = (scripted(Arc::clone(&asked)), guard(Arc::clone(&prompts)));
    let rest = attacker("tap", &model, "branching = 2\nwidth = 2\ndepth = 4\nconcurrency = 1", "") + &guarded(&layer.url);
    let f = Folder::new(&attacks(3), &rest);
    let mut stops = 0;
    for calls in [20, 47, 61, 90, 113] {
        f.campaign(&(format!("budget = {{ calls = {calls} }}\n") + &rest));
        let r = f.run(RunOptions { resume: true, ..RunOptions::default() }).unwrap();
        assert!(r.calls <= calls, "{} of {calls}", r.calls);
        stops += u32::from(record(&r).ended.is_some());
    }
    assert!(stops >= 4, "stopped midway {stops} times");
    f.campaign(&rest);
    let r = f.resume();
    assert_eq!(model.calls(), once, "nothing is asked of the attacker twice");
    assert_eq!(nodes(&f, &["guard", "words"]), nodes(&whole, &["guard", "words"]));
    assert_eq!(record(&r), record(&record_whole));
    // More queries go on; another model begins anew.
    let other = rest.replace("model = \"m\"", "model = \"n\"");
    f.campaign(&other);
    let e = f.run(RunOptions { resume: true, ..RunOptions::default() }).unwrap_err();
    assert!(e.to_string().contains("another adaptive search"), "{e}");
}

#[test]
fn an_attacker_without_prompts_is_given_up_and_one_that_is_away_ends_the_run() {
    let mute = Server::start(|_, _| said("I would rather not."));
    let prompts = Shared::default();
    let layer = guard(Arc::clone(&prompts));
    let f = Folder::new(&attacks(2), &(attacker("pair", &mute, "streams = 3", "") + &guarded(&layer.url)));
    let r = f.fresh();
    let talk = record(&r).conversations.clone().unwrap();
    assert_eq!((talk.replies, talk.unreadable, record(&r).queries.finished), (30, 30, 0), "five tries a stream");
    assert_eq!(record(&r).ended, None);
    // A question that the endpoint does not take is that branch's alone.
    let picky = Server::start(|_, body| match messages(body).len() {
        2 => said("{\"prompt\": \"x\"}"),
        _ => Answer::Bytes(json(400, "{\"error\": {\"code\": \"context_length_exceeded\"}}")),
    });
    let f = Folder::new(&attacks(2), &(attacker("pair", &picky, "streams = 3", "") + &guarded(&layer.url)));
    let r = f.fresh();
    assert_eq!((record(&r).queries.finished, record(&r).ended.clone()), (6, None));
    let closed = Server::start(|_, _| Answer::Bytes(json(401, "{}")));
    let f = Folder::new(&attacks(2), &(attacker("pair", &closed, "streams = 3", "") + &guarded(&layer.url)));
    let r = f.fresh();
    assert_eq!(record(&r).ended.as_deref(), Some("the attacker gave no answer: HTTP 401"));
    assert_eq!((r.ended_early.as_deref(), r.attacks.finished), (Some("the attacker gave no answer: HTTP 401"), 2));
}

#[test]
fn what_conversations_need_is_asked_for() {
    let server = Server::start(|_, _| said("x"));
    let layer = "\n[[layers]]\nname = \"words\"\nkind = \"rules\"\npatterns = [\"x\"]\n";
    let says = |rest: &str, what: &str| {
        let e = Folder::new(&attacks(1), rest).file().map(drop).unwrap_err();
        assert!(e.to_string().contains(what), "{e}");
    };
    says(&format!("\n[adaptive]\nsearch = \"tap\"\nqueries = 9\n{layer}"), "`tap` needs a model that writes its prompts");
    says(&(attacker("crescendo", &server, "", "") + layer), "`crescendo` talks with one target");
    let target = format!("\n[[layers]]\nname = \"t\"\nkind = \"chat\"\nurl = \"{}\"\nmodel = \"t\"\n", server.url);
    says(&(attacker("crescendo", &server, "", "") + &target), "nothing here says when an answer does harm");
    says(&(attacker("pair", &server, "streams = 0", "") + layer), "streams must be 1 to 1,000, not 0");
    says(&(attacker("pair", &server, "rate = -1.0", "") + layer), "rate must be above 0");
    says(&(attacker("pair", &server, "evaluator = { url = \"http://127.0.0.1:1\" }", "") + layer), "the evaluator needs `url` and `model`");
    says(&(attacker("pair", &server, "key = \"x\"", "") + layer), "key");
    says(&(attacker("tap", &server, "key_env = \"NO_SUCH_KEY_HERE\"", "") + layer).replace("queries = 10000", "queries = 0"), "1 to 100,000,000");
}
