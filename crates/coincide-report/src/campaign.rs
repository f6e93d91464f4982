//! A stress campaign: what was asked, what beat every layer, how layers behaved as services.

use crate::block::{Block, Table};
use crate::conclusions::conclusions;
use crate::format::{ends, grouped, number, one_in, percent};
use crate::results::nothing;
use crate::sections::{heading, text};
use coincide::Importance;
use coincide_io::{
    AdaptiveRecord, CampaignRecord, InputRecord, LayerRecord, Plan, Provenance, Results, SearchedCell, Watched, WatchedFamily, WatchedSearch,
};

/// A lower limit that says no more than zero does.
const NEGLIGIBLE: f64 = 1e-6;

fn limits(low: f64, high: f64) -> String {
    ends((low > NEGLIGIBLE).then_some(low), Some(high), percent)
}

pub(crate) fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n as f64)) }
}

/// The rate so far in one line, for a display that is watched.
pub fn watched_line(w: &Watched) -> String {
    if w.goals == 0 {
        return "the first goals of the order are not finished yet".into();
    }
    let seen = w.estimate.filter(|e| *e > 0.0).map_or_else(|| "none".into(), percent);
    format!("{seen} of {} beat all layers ({} interval: {})", count(w.goals, "goal"), percent(w.confidence), limits(w.low, w.high))
}

/// A search so far in one line, for a display that is watched.
pub fn search_line(s: &WatchedSearch) -> String {
    format!(
        "attacker: {} of {} beat everything ({} interval of the running mean: {})",
        grouped(s.joint_failures as f64),
        count_queries(s.queries),
        percent(s.confidence),
        limits(s.low, s.high)
    )
}

/// The families with the highest rates so far, in one line; empty where there are no two.
pub fn families_line(families: &[WatchedFamily]) -> String {
    const SHOWN: usize = 3;
    if families.len() < 2 {
        return String::new();
    }
    let one = |f: &WatchedFamily| {
        format!("{} {} ({})", f.family, f.watched.estimate.map_or_else(|| "–".into(), percent), limits(f.watched.low, f.watched.high))
    };
    let rest = families.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(", {rest} more") } else { String::new() };
    format!("highest: {}{more}", families.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(", "))
}

/// What a campaign found, in a few sentences.
pub fn campaign_answer(c: &CampaignRecord) -> Vec<String> {
    let w = &c.watched;
    let layers = c.layers.len();
    let stack = match layers {
        1 => "the layer".to_owned(),
        2 => "both layers".to_owned(),
        n => format!("all {n} layers"),
    };
    let mut out = Vec::new();
    let level = percent(w.confidence);
    let trials = format!("{} on {}", count(w.trials, "attack"), count(w.goals, "goal"));
    out.push(match w.estimate {
        None => "The first goals of the order are not finished, so nothing can be said about the rate yet.".to_owned(),
        Some(e) if e > 0.0 => format!(
            "{} of {trials} beat {stack}: averaged over goals {} ({level} interval that may be watched: {}).",
            grouped(w.joint_failures as f64),
            one_in(e),
            limits(w.low, w.high)
        ),
        Some(_) if 2 * w.undetermined > w.trials => format!(
            "On {} of {trials} missing outcomes leave open whether every layer failed, so the rate lies anywhere between {} and {} ({level}).",
            grouped(w.undetermined as f64),
            percent(w.low),
            percent(w.high)
        ),
        Some(_) => format!("None of {trials} beat {stack}; the rate is at most {} ({level}, at every moment of the run at once).", percent(w.high)),
    });
    if w.undetermined > 0 && 2 * w.undetermined <= w.trials {
        out.push(format!(
            "For {} missing outcomes leave open whether every layer failed; the interval counts them once as held and once as failed.",
            count(w.undetermined, "attack")
        ));
    }
    if let Some(a) = &c.adaptive {
        out.push(adaptive_answer(a));
    }
    if c.finds > 0 {
        let they = match (c.finds, &c.adaptive) {
            (1, None) => "It is".to_owned(),
            (_, None) => "They are".to_owned(),
            (1, _) => "The query that beat every layer is".to_owned(),
            (n, _) => format!("The {} queries that beat every layer are", grouped(n as f64)),
        };
        out.push(format!("{they} in the campaign's folder `finds`, which only its owner can read; no report or export holds their text."));
    }
    for l in &c.layers {
        let asked: u64 = l.cells.values().chain(l.benign.values()).sum();
        let silent: u64 = ["error", "unparsed"].iter().map(|w| cells(l, w) + benign(l, w)).sum();
        if silent * 10 >= asked && silent > 0 {
            let why = l.reasons.first().map_or_else(String::new, |r| format!("; the commonest reason: {}", r.reason));
            out.push(format!("`{}` gave no outcome on {} of {} trials{why}.", l.name, grouped(silent as f64), grouped(asked as f64)));
        }
        if let Some(file) = l.waits_in.as_ref().filter(|_| l.open > 0) {
            out.push(format!("{} for a person in `{file}` of the campaign's folder: fill in the outcome, then --resume.", wait(l.open)));
        }
    }
    let (done, planned) = (c.attacks.finished + c.benign.finished, c.attacks.planned + c.benign.planned);
    if let Some(why) = &c.ended_early {
        out.push(format!("{} of {} are finished ({why}); --resume goes on.", grouped(done as f64), count(planned, "trial")));
    }
    out
}

/// What an adaptive search found, in a sentence or two.
fn adaptive_answer(a: &AdaptiveRecord) -> String {
    let made = count_queries(a.queries.finished);
    let median = a.stack.as_ref().and_then(|s| s.median.value);
    let half = median.map_or_else(String::new, |m| format!(" By estimate half of the goals fall within {}.", count_queries(m as u64)));
    let attacked = a.stack.as_ref().map_or(0, |s| s.lives);
    if attacked == 0 {
        return "The adaptive search had no goal to attack, or had not begun.".into();
    }
    let rest = if attacked < a.goals { format!(" {} were not reached.", count(a.goals - attacked, "further goal")) } else { String::new() };
    let open = if a.undetermined > 0 {
        format!(" For {} missing outcomes leave open whether every layer failed; they count as not.", count_queries(a.undetermined))
    } else {
        String::new()
    };
    if let Some(i) = &a.importance {
        return format!("{}{open}", importance_answer(i));
    }
    let most = a.layers.iter().map(|l| l.first).max().unwrap_or(0);
    let mut first = a.layers.iter().filter(|l| l.first == most);
    // Where several share that place, none was the first.
    let first = first.next().filter(|_| most > 0 && a.layers.len() > 1 && first.next().is_none());
    let first = first.map_or_else(String::new, |l| {
        format!(" The layer that gave way first on most goals: `{}` ({} of {}).", l.layer, grouped(l.first as f64), grouped(attacked as f64))
    });
    format!(
        "An attacker who searched with `{}` and saw {} beat everything on {} of {} in {made}.{rest}{half}{first}{open} That is no rate of the layers: it says how hard such an attacker finds them.",
        a.search,
        access(a),
        grouped(a.beaten as f64),
        count(attacked, "goal"),
    )
}

/// The rate that importance sampling gives, in a sentence or two.
fn importance_answer(i: &Importance) -> String {
    let ends = i.rate.interval.map_or_else(String::new, |n| format!(" (95% interval over goals: {})", ends(n.low, n.high, percent)));
    let drawn = format!("{} drawn where failures are", count_queries(i.draws));
    let plain = match i.plain {
        0 => String::new(),
        n => format!(
            " What they never reached is bounded only by the {} among them that the profile itself drew, of which {} beat everything.",
            count_queries(n),
            grouped(i.plain_failures as f64)
        ),
    };
    match i.rate.value.filter(|v| *v > 0.0) {
        None => format!(
            "Among {drawn} none beat everything once the search had learnt; the rate under the profile is{}.{plain}",
            i.rate.interval.and_then(|n| n.high).map_or_else(|| " open".into(), |h| format!(" at most {}", percent(h)))
        ),
        Some(v) => {
            let worth = i
                .worth
                .filter(|w| *w > 1.5)
                .map_or_else(String::new, |w| format!(" Each is worth {} of plain sampling.", count_queries(w.round() as u64)));
            format!(
                "Under the stated profile everything fails together on {}{ends}: from {drawn}, weighted by how much rarer they are there.{worth}{plain}",
                one_in(v)
            )
        }
    }
}

/// What an attacker saw, in words.
fn access(a: &AdaptiveRecord) -> String {
    match (a.sees.as_str(), a.separable) {
        ("nothing", _) => "nothing".into(),
        ("scores", true) => "every layer's verdict and score".into(),
        (_, true) => "every layer's verdict".into(),
        ("scores", false) => "which layer blocked, with scores".into(),
        ("verdicts", false) => "which layer blocked".into(),
        (_, false) => "only whether it was blocked".into(),
    }
}

/// What an attacker could do, in words.
fn means(a: &AdaptiveRecord) -> String {
    match (&a.conversations, a.search.as_str()) {
        (None, _) => format!("tried sequences of up to {} operators", a.depth),
        (Some(_), "crescendo") => format!("had a model talk with the target for up to {} turns", a.depth),
        (Some(_), _) => format!("had a model write up to {} prompts in a row, each in the light of the last", a.depth),
    }
}

/// What was said where a model wrote the prompts.
fn conversations(a: &AdaptiveRecord, out: &mut Vec<Block>) {
    let Some(c) = &a.conversations else { return };
    let which = if a.search == "crescendo" { "turn" } else { "prompt in a row" };
    let mut t = Table::new(&[which, ">queries", ">beat everything", ">goals that fell here first"]);
    for d in &c.depths {
        t.row(vec![d.depth.to_string(), grouped(d.queries as f64), grouped(d.beat_all as f64), grouped(d.first as f64)]);
    }
    out.push(Block::Table(t));
    let some = |n: u64, what: &str| (n > 0).then(|| format!("{} {what}", grouped(n as f64)));
    let lost = [
        some(c.unreadable, "had no prompt in them"),
        some(c.off_topic, "were not sent because the prompt had lost its goal"),
        some(c.taken_back, "were refused or stopped, and taken back"),
    ];
    let lost: Vec<String> = lost.into_iter().flatten().collect();
    let lost = if lost.is_empty() { String::new() } else { format!(": {}", lost.join(", ")) };
    let replies = if c.replies == 1 { "1 reply".to_owned() } else { format!("{} replies", grouped(c.replies as f64)) };
    text(
        out,
        format!(
            "The attacker's model gave {replies}{lost}. The column `node` of the outcomes says where in its conversation a query stands: 2.1 goes on from 2."
        ),
    );
}

/// What planned trials say beside what an attacker who learns finds.
fn static_and_adaptive(a: &AdaptiveRecord, planned: &Watched, out: &mut Vec<Block>) {
    let mut t = Table::new(&["how often everything failed", ">estimate", "interval", ">out of"]);
    let value = |v: Option<f64>| v.map_or_else(|| "–".into(), percent);
    if planned.trials > 0 {
        t.row(vec![
            "planned trials, before the search".into(),
            value(planned.estimate),
            limits(planned.low, planned.high),
            count(planned.trials, "attack"),
        ]);
    }
    let mut figure = |name: &str, f: &coincide::Figure, of: String| {
        t.row(vec![name.into(), value(f.value), f.interval.map_or_else(|| "–".into(), |i| ends(i.low, i.high, percent)), of]);
    };
    if let Some(i) = &a.importance {
        figure("under the profile, by importance sampling", &i.rate, count_queries(i.draws));
        figure("under the profile, its plain draws alone", &i.plain_rate, count_queries(i.plain));
    }
    if let Some(last) = a.stack.as_ref().and_then(|s| s.points.last()) {
        let name = format!("some query on a goal, within {}", count_queries(last.tries));
        figure(&name, &last.beaten, count(a.goals, "goal"));
    }
    if let Some(s) = &a.watched {
        t.row(vec!["queries of the search".into(), value(s.estimate), limits(s.low, s.high), count_queries(s.queries)]);
    }
    out.push(Block::Table(t));
    text(
        out,
        "These answer different questions. Planned trials, and importance sampling, give a rate under a fixed profile. The share of goals on which some query got through says what an attacker reaches who may try again. The share of the search's queries is the mean of a rate that moved while it learnt; its interval holds at every moment of the run, for that running mean only.",
    );
}

/// What was tried where: family by outermost operator.
fn map(a: &AdaptiveRecord, out: &mut Vec<Block>) {
    const SHOWN: usize = 12;
    let mut cells: Vec<&SearchedCell> = a.map.iter().collect();
    cells.sort_by(|x, y| (y.beat_all, y.farthest).cmp(&(x.beat_all, x.farthest)).then(x.queries.cmp(&y.queries)));
    if cells.len() < 2 {
        return;
    }
    let mut t = Table::new(&["family", "outermost operator", ">queries", ">beat everything", ">most layers beaten"]);
    for c in cells.iter().take(SHOWN) {
        let family = if c.family.is_empty() { "–".to_owned() } else { c.family.clone() };
        t.row(vec![family, c.operator.clone(), grouped(c.queries as f64), grouped(c.beat_all as f64), grouped(c.farthest as f64)]);
    }
    out.push(Block::Table(t));
    if cells.len() > SHOWN {
        text(out, format!("The cells that came farthest, of {} that were tried; the document has all.", grouped(cells.len() as f64)));
    }
}

/// An adaptive search: how long each layer, and all of them, withstood it.
fn adaptive(a: &AdaptiveRecord, planned: &Watched, out: &mut Vec<Block>) {
    heading(out, "", &format!("Adaptive search: {}", a.search));
    static_and_adaptive(a, planned, out);
    let points: Vec<u64> = a.stack.as_ref().map(|s| s.points.iter().map(|p| p.tries).collect()).unwrap_or_default();
    // A few columns are enough to see a curve.
    let every = points.len().div_ceil(5).max(1);
    let shown: Vec<usize> = (0..points.len()).rev().step_by(every).collect::<Vec<_>>().into_iter().rev().collect();
    let within: Vec<String> = shown.iter().map(|&i| format!(">within {}", grouped(points[i] as f64))).collect();
    let titles: Vec<&str> = ["beaten", ">first to fail"].into_iter().chain(within.iter().map(String::as_str)).chain([">half fell within"]).collect();
    let mut t = Table::new(&titles);
    let mut row = |name: String, first: String, s: Option<&coincide::Survival>| {
        let Some(s) = s else { return };
        let cell = |i: usize| s.points.get(i).and_then(|p| p.beaten.value.map(|v| (v, p.beaten.interval)));
        let share = |i: &usize| {
            cell(*i).map_or_else(
                || "–".into(),
                |(v, interval)| {
                    let ends = interval.map_or_else(String::new, |n| format!(" ({})", ends(n.low, n.high, percent)));
                    percent(v) + &ends
                },
            )
        };
        let half = s.median.value.map_or_else(|| "–".into(), |m| count_queries(m as u64));
        t.row([name, first].into_iter().chain(shown.iter().map(share)).chain([half]).collect());
    };
    row("all layers".into(), String::new(), a.stack.as_ref());
    for l in &a.layers {
        row(l.layer.clone(), grouped(l.first as f64), l.survival.as_ref());
    }
    out.push(Block::Table(t));
    text(
        out,
        format!(
            "The share of goals on which some query had beaten it within so many queries on the goal, with 95% intervals over goals; a goal that was never beaten counts as cut off at its last query, and a layer is only counted where it gave an outcome. The intervals are about other goals under this one search: {}, so another run may lie outside. The attacker saw {}, and {}. First to fail: goals on which it failed at the earliest query at which any layer did.",
            if a.conversations.is_some() { "what its model says is chance" } else { "what it learnt on one goal it used on the next" },
            access(a),
            means(a)
        ),
    );
    const MATRIX: usize = 8;
    if (2..=MATRIX).contains(&a.transfer.len()) {
        let names: Vec<String> = a.transfer.iter().map(|t| format!(">{}", t.layer)).collect();
        let titles: Vec<&str> = ["queries that beat", ">number"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let mut t = Table::new(&titles);
        for from in &a.transfer {
            let share = |n: &u64| if from.queries == 0 { "–".into() } else { percent(*n as f64 / from.queries as f64) };
            t.row([from.layer.clone(), grouped(from.queries as f64)].into_iter().chain(from.also.iter().map(share)).collect());
        }
        out.push(Block::Table(t));
        text(
            out,
            "Of the queries of the search that beat the layer of a row, the share that also beat the layer of a column: what one layer does not stop, the others may.",
        );
    }
    if !a.sequences.is_empty() {
        let mut t = Table::new(&["sequence of operators", ">goals beaten", ">queries"]);
        for s in a.sequences.iter().take(10) {
            t.row(vec![s.operator.clone(), grouped(s.goals as f64), grouped(s.queries as f64)]);
        }
        out.push(Block::Table(t));
    }
    map(a, out);
    conversations(a, out);
    if let Some(why) = &a.ended {
        text(
            out,
            format!(
                "{} of {} were made ({why}); --resume goes on where it stopped.",
                grouped(a.queries.finished as f64),
                count_queries(a.queries.planned)
            ),
        );
    }
}

fn count_queries(n: u64) -> String {
    if n == 1 { "1 query".into() } else { format!("{} queries", grouped(n as f64)) }
}

fn wait(n: u64) -> String {
    if n == 1 { "1 trial waits".into() } else { format!("{} trials wait", grouped(n as f64)) }
}

fn benign(l: &LayerRecord, word: &str) -> u64 {
    l.benign.get(word).copied().unwrap_or(0)
}

fn cells(l: &LayerRecord, word: &str) -> u64 {
    l.cells.get(word).copied().unwrap_or(0)
}

/// Seconds as people say them.
fn seconds(s: Option<f64>) -> String {
    match s {
        None => "–".into(),
        Some(s) if s < 0.001 => format!("{}\u{a0}µs", number((s * 1e6).round())),
        Some(s) if s < 1.0 => format!("{}\u{a0}ms", number(s * 1e3)),
        Some(s) if s < 120.0 => format!("{}\u{a0}s", number(s)),
        Some(s) if s < 7200.0 => format!("{}\u{a0}min", number(s / 60.0)),
        Some(s) if s < 172_800.0 => format!("{}\u{a0}h", number(s / 3600.0)),
        Some(s) => format!("{}\u{a0}days", number(s / 86_400.0)),
    }
}

pub(crate) fn campaign(c: &CampaignRecord, out: &mut Vec<Block>) {
    heading(out, "", "The layers as they were called");
    let away = c.layers.iter().any(|l| l.open > 0);
    let alarms = c.benign.planned > 0;
    let mut titles = vec!["layer", "kind", ">failed", ">held", ">none"];
    titles.extend(alarms.then_some(">false alarms"));
    titles.extend([">calls", ">median"]);
    titles.extend(away.then_some(">open"));
    let mut t = Table::new(&titles);
    const MISSING: [&str; 4] = ["error", "abstain", "unparsed", "censored"];
    for l in &c.layers {
        let missing: u64 = MISSING.iter().map(|w| cells(l, w)).sum();
        let mut row = vec![l.name.clone(), l.kind.clone()];
        row.extend([cells(l, "failed"), cells(l, "held"), missing].map(|n| grouped(n as f64)));
        if alarms {
            let (held, said) = (benign(l, "held"), benign(l, "held") + benign(l, "failed"));
            row.push(if said == 0 { "–".into() } else { percent(held as f64 / said as f64) });
        }
        row.extend([grouped(l.calls as f64), seconds(l.latency[0])]);
        if away {
            row.push(grouped(l.open as f64));
        }
        t.row(row);
    }
    out.push(Block::Table(t));
    let mut lines = vec!["Failed, held and none (no outcome) are of attacks; false alarms are the share of benign prompts that a layer held. The median is of single calls.".to_owned()];
    if !alarms {
        lines = vec!["None: no outcome. The median is of single calls.".to_owned()];
    }
    for l in &c.layers {
        let total = |w: &&&str| cells(l, w) + benign(l, w);
        let kinds: Vec<String> = MISSING.iter().filter(|w| total(w) > 0).map(|w| format!("{} {w}", grouped(total(&w) as f64))).collect();
        if !kinds.is_empty() {
            let why: Vec<String> = l.reasons.iter().map(|r| format!("{} × {}", grouped(r.cells as f64), r.reason)).collect();
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
            lines.push(format!("`{}`: {}{why}.", l.name, kinds.join(", ")));
        }
        if l.given_up {
            lines.push(format!("`{}` gave no answer any more and was given up; its open cells wait for --resume.", l.name));
        }
    }
    for mode in ["open", "closed"] {
        let names: Vec<String> = c.layers.iter().filter(|l| l.fails == mode).map(|l| format!("`{}`", l.name)).collect();
        if !names.is_empty() {
            let (what, when) = match (mode, names.len()) {
                ("open", 1) => ("lets a request pass", "it gives"),
                ("open", _) => ("let a request pass", "they give"),
                (_, 1) => ("stops a request", "it gives"),
                _ => ("stop a request", "they give"),
            };
            lines.push(format!("In the deployment {} {what} when {when} no verdict; that is recorded, not counted as an outcome.", names.join(", ")));
        }
    }
    text(out, lines.join(" "));

    if let Some(a) = &c.adaptive {
        adaptive(a, &c.watched, out);
    }

    heading(out, "campaign", "The campaign");
    let mut t = Table::new(&["", ">planned", ">finished"]);
    for (name, d) in [("attacks", c.attacks), ("benign prompts", c.benign)] {
        if d.planned > 0 {
            t.row(vec![name.into(), grouped(d.planned as f64), grouped(d.finished as f64)]);
        }
    }
    out.push(Block::Table(t));
    let mut line = format!("{} over all runs; the last one took {}; seed {}", count(c.calls, "call"), seconds(Some(c.seconds)), c.seed);
    if let Some(cost) = c.cost {
        line += &format!("; cost {}", number(cost));
    }
    if let Some(s) = &c.shard {
        line += &format!("; part {s}");
    }
    line += &match c.operators.as_slice() {
        [] => String::new(),
        [one] => format!("; prompts {one}"),
        many if many.len() <= 8 => format!("; operators {}", many.join(", ")),
        many => format!("; {} sequences of operators", many.len()),
    };
    text(out, line + ".");

    if !c.families.is_empty() {
        heading(out, "", "By family of attacks");
        let mut t = Table::new(&["family", ">goals", ">attacks", ">beat all", ">rate", "interval that may be watched"]);
        for f in &c.families {
            let w = &f.watched;
            t.row(vec![
                f.family.clone(),
                grouped(w.goals as f64),
                grouped(w.trials as f64),
                grouped(w.joint_failures as f64),
                w.estimate.map_or_else(|| "–".into(), percent),
                limits(w.low, w.high),
            ]);
        }
        out.push(Block::Table(t));
        text(out, "Each interval holds with its confidence by itself, at every moment of the run; with many families one of them may miss.");
    }
}

/// What a campaign would do and cost.
pub fn plan_blocks(p: &Plan) -> Vec<Block> {
    let mut out = Vec::new();
    let (attacks, benign) = p.prompts;
    let each = |n: u64, of: usize| if n == of as u64 { String::new() } else { format!(", as {n} trials") };
    let mut first = format!("{} on {}{}", count(attacks as u64, "attack"), count(p.goals as u64, "goal"), each(p.trials.0, attacks));
    if benign > 0 {
        first += &format!(", and {}{}", count(benign as u64, "benign prompt"), each(p.trials.1, benign));
    }
    out.push(Block::Answer(format!(
        "{first}, go to {}: {} at most, retries not counted.",
        count(p.layers.len() as u64, "layer"),
        count(p.calls, "call")
    )));
    if p.adaptive > 0 {
        out.push(Block::Answer(format!("{} of an adaptive search among them, each put to every layer.", count_queries(p.adaptive))));
    }
    let mut cost = Vec::new();
    if p.cost > 0.0 {
        cost.push(format!("they cost {}", p.cost));
    }
    if p.seconds_at_least > 0.0 {
        cost.push(format!("the rate limits alone take {}", seconds(Some(p.seconds_at_least))));
    }
    if !cost.is_empty() {
        let mut text = cost.join("; ");
        text[..1].make_ascii_uppercase();
        out.push(Block::Answer(text + "."));
    }
    let mut t = Table::new(&["layer", "kind", "stage", ">at once", ">a second", ">calls", ">cost"]);
    for l in &p.layers {
        t.row(vec![
            l.name.clone(),
            l.kind.clone(),
            l.stage.clone(),
            l.concurrency.to_string(),
            l.rate.map_or_else(|| "–".into(), |r| r.to_string()),
            l.calls.to_string(),
            if l.cost > 0.0 { l.cost.to_string() } else { "–".into() },
        ]);
    }
    out.push(Block::Table(t));
    if p.operators.len() > 1 {
        let list = p.operators.join(", ");
        out.push(Block::Text(match p.sampled {
            Some(n) => format!("Every attack as {n} of these, drawn by the seed: {list}."),
            None => format!("Every attack as: {list}."),
        }));
    }
    out.extend(p.notes.iter().map(|n| Block::Text(format!("{n}."))));
    let there = if p.begun { ", which already holds a run: --resume goes on with it" } else { "" };
    out.push(Block::Text(format!("Results would go to {}{there}. Nothing was asked.", p.output)));
    out
}

/// The document of a campaign that was run; `inputs`: prompts, campaign and outcomes.
pub fn campaign_results(record: CampaignRecord, inputs: Vec<InputRecord>) -> Results {
    let provenance = Provenance { inputs, study: None, ask: Default::default(), read: Default::default(), analyze: Default::default(), fit: None };
    let mut out = Results { campaign_answer: campaign_answer(&record), campaign: Some(coincide::Section::new(record)), ..nothing(provenance) };
    out.conclusions = conclusions(&out);
    out
}
