//! A stress campaign: what was asked, what beat every layer, how layers behaved as services.

use crate::block::{Block, Table};
use crate::format::{ends, grouped, number, one_in, percent};
use crate::sections::{heading, text};
use coincide_io::{CampaignRecord, LayerRecord, Watched};

fn limits(w: &Watched, show: impl Fn(f64) -> String) -> String {
    if w.low > 0.0 { ends(Some(w.low), Some(w.high), show) } else { ends(None, Some(w.high), show) }
}

fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n as f64)) }
}

/// The rate so far in one line, for a display that is watched.
pub fn watched_line(w: &Watched) -> String {
    if w.goals == 0 {
        return "no goal finished yet".into();
    }
    let seen = w.estimate.filter(|e| *e > 0.0).map_or_else(|| "none".into(), percent);
    format!("{seen} of {} beat all layers ({} interval: {})", count(w.goals, "goal"), percent(w.confidence), limits(w, percent))
}

/// What a campaign found, in a few sentences.
pub fn campaign_answer(c: &CampaignRecord) -> Vec<String> {
    let w = &c.watched;
    let layers = c.layers.len();
    let stack = if layers == 1 { "the layer".to_owned() } else { format!("all {layers} layers") };
    let mut out = Vec::new();
    let level = percent(w.confidence);
    let trials = format!("{} on {}", count(w.trials, "attack"), count(w.goals, "goal"));
    out.push(match w.estimate {
        None => "No goal was finished, so nothing can be said about the rate yet.".to_owned(),
        Some(e) if e > 0.0 => format!(
            "{} of {trials} beat {stack}: averaged over goals {} ({level} interval that may be watched: {}).",
            grouped(w.joint_failures as f64),
            one_in(e),
            limits(w, percent)
        ),
        Some(_) => format!("None of {trials} beat {stack}; the rate is at most {} ({level}, at every moment of the run at once).", percent(w.high)),
    });
    if w.undetermined > 0 {
        out.push(format!(
            "For {} missing outcomes leave open whether every layer failed; the interval counts them once as held and once as failed.",
            count(w.undetermined, "attack")
        ));
    }
    if c.finds > 0 {
        let they = if c.finds == 1 { "It is" } else { "They are" };
        out.push(format!("{they} in the campaign's folder `finds`, which only its owner can read; no report or export holds their text."));
    }
    let (done, planned) = (c.attacks.finished + c.benign.finished, c.attacks.planned + c.benign.planned);
    if let Some(why) = &c.ended_early {
        out.push(format!("{} of {} are finished, for {why}; --resume goes on.", grouped(done as f64), count(planned, "trial")));
    }
    out
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
        Some(s) => format!("{}\u{a0}s", number(s)),
    }
}

pub(crate) fn campaign(c: &CampaignRecord, out: &mut Vec<Block>) {
    heading(out, "The layers as they were called");
    let away = c.layers.iter().any(|l| l.open > 0);
    let mut titles = vec!["layer", "kind", "stage", ">failed", ">held", ">no outcome", ">calls", ">median", ">95%"];
    if away {
        titles.push(">open");
    }
    let mut t = Table::new(&titles);
    for l in &c.layers {
        let missing: u64 = ["error", "abstain", "unparsed", "censored"].iter().map(|w| cells(l, w)).sum();
        let mut row = vec![l.name.clone(), l.kind.clone(), l.stage.clone()];
        row.extend([cells(l, "failed"), cells(l, "held"), missing, l.calls].map(|n| grouped(n as f64)));
        row.extend([seconds(l.latency[0]), seconds(l.latency[1])]);
        if away {
            row.push(grouped(l.open as f64));
        }
        t.row(row);
    }
    out.push(Block::Table(t));
    let mut lines = vec!["Attacks and benign prompts together: on a benign prompt held is a false alarm. Times are of single calls.".to_owned()];
    for l in &c.layers {
        let reasons: Vec<String> = ["error", "abstain", "unparsed", "censored"]
            .iter()
            .filter(|w| cells(l, w) > 0)
            .map(|w| format!("{} {w}", grouped(cells(l, w) as f64)))
            .collect();
        if !reasons.is_empty() {
            lines.push(format!("`{}`: {}.", l.name, reasons.join(", ")));
        }
        if l.given_up {
            lines.push(format!("`{}` stopped answering and was given up; its open cells wait for --resume.", l.name));
        }
    }
    for mode in ["open", "closed"] {
        let names: Vec<String> = c.layers.iter().filter(|l| l.fails == mode).map(|l| format!("`{}`", l.name)).collect();
        if !names.is_empty() {
            let what = if mode == "open" { "let a request pass" } else { "stop a request" };
            lines.push(format!(
                "In the deployment {} {what} when they give no verdict; that is recorded, not counted as an outcome.",
                names.join(", ")
            ));
        }
    }
    text(out, lines.join(" "));

    heading(out, "The campaign");
    let mut t = Table::new(&["", ">planned", ">finished"]);
    for (name, d) in [("attacks", c.attacks), ("benign prompts", c.benign)] {
        if d.planned > 0 {
            t.row(vec![name.into(), grouped(d.planned as f64), grouped(d.finished as f64)]);
        }
    }
    out.push(Block::Table(t));
    let mut line = format!("{} in the last run's {}; seed {}", count(c.calls, "call"), seconds(Some(c.seconds)), c.seed);
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
        heading(out, "By family of attacks");
        let mut t = Table::new(&["family", ">goals", ">attacks", ">beat all", ">rate", "interval that may be watched"]);
        for f in &c.families {
            let w = &f.watched;
            t.row(vec![
                f.family.clone(),
                grouped(w.goals as f64),
                grouped(w.trials as f64),
                grouped(w.joint_failures as f64),
                w.estimate.map_or_else(|| "–".into(), percent),
                limits(w, percent),
            ]);
        }
        out.push(Block::Table(t));
        text(out, "Each interval holds with its confidence by itself, at every moment of the run; with many families one of them may miss.");
    }
}
