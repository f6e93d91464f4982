//! Checks by hand: the queue that was written, and rates after the verdicts.

use crate::block::{Block, Table};
use crate::format::{ends, factor, full, grouped, interval, number, one_in, percent, value};
use crate::sections::{heading, text};
use coincide::{CheckGroup, Checked, Corrects, Figure};
use coincide_io::WrittenQueue;
use std::path::Path;

fn group(g: CheckGroup) -> &'static str {
    match g {
        CheckGroup::AllFailed => "every layer failed",
        CheckGroup::NearMiss => "near misses",
        CheckGroup::Other => "all other attacks",
    }
}

/// "1 attack in 210" or what it lies between.
fn attacks(f: &Figure) -> String {
    let one = |p: f64| if p > 0.0 { one_in(p).replacen("1 in", "1 attack in", 1) } else { "no attack".into() };
    match (f.value, f.identified) {
        (Some(p), _) => one(p),
        (None, Some(r)) => format!("between {} and {}", one(r.low.unwrap_or(0.0)), one(r.high.unwrap_or(1.0))),
        (None, None) => "an unknown share of attacks".into(),
    }
}

/// What the checks make of β, in sentences that take the place of what was recorded.
pub(crate) fn checked_answer(c: &Checked) -> Vec<String> {
    let within = c
        .beta
        .interval
        .map_or_else(String::new, |i| format!(" ({} interval: {})", percent(i.level), ends(i.low.filter(|l| *l > 0.0), i.high, one_in)));
    let recorded = if c.recorded > 0.0 { one_in(c.recorded).replacen("1 in", "1 attack in", 1) } else { "no attack".into() };
    let only = match c.corrects {
        Corrects::Both => "",
        Corrects::Partly => ", corrected in part",
        Corrects::FalsePositivesOnly => ", corrected for false positives only",
    };
    let mut out = vec![format!("Checked by hand: {} beats all layers{within}{only}; as recorded it was {recorded}.", attacks(&c.beta))];
    let first = c.groups.iter().find(|g| g.group == CheckGroup::AllFailed);
    if let Some(g) = first {
        let unclear = if g.ambiguous > 0.0 { format!(", {} cannot be told", grouped(g.ambiguous)) } else { String::new() };
        out.push(format!("Of {} joint failures that were checked, {} were genuine{unclear}.", grouped(g.checked), grouped(g.genuine)));
    }
    if let Some(gap) = c.gap.value {
        out.push(format!(
            "After the checks that is {} times what multiplying the layers' rates promises (interval of the factor: {}).",
            factor(gap),
            interval(c.gap.interval, number)
        ));
    }
    out.push("What follows is about outcomes as they were recorded, before the checks.".into());
    out
}

/// That nobody has looked at joint failures yet.
pub(crate) fn unchecked_sentence(joint_failures: f64) -> Option<String> {
    (joint_failures > 0.0).then(|| {
        let them = if joint_failures == 1.0 { "this joint failure".to_owned() } else { format!("these {} joint failures", grouped(joint_failures)) };
        format!("Nobody has checked {them} by hand, and that is where grading errors gather: `coincide label` lists them.")
    })
}

pub(crate) fn checked(c: &Checked, out: &mut Vec<Block>) {
    heading(out, "checked", "After checks by hand");
    let mut t = Table::new(&["recorded", ">trials", ">checked", ">genuine", ">cannot tell"]);
    for g in &c.groups {
        t.row(vec![group(g.group).into(), grouped(g.trials), grouped(g.checked), grouped(g.genuine), grouped(g.ambiguous)]);
    }
    out.push(Block::Table(t));
    text(
        out,
        "Genuine: every layer truly failed. Checks were drawn at random within each row, so its share of genuine ones holds for the whole row.",
    );
    let mut t = Table::new(&["", "recorded", "after the checks"]);
    t.row(vec!["β".into(), percent(c.recorded), full(&c.beta, percent)]);
    for l in c.layers.iter().filter(|l| l.rate.value.is_some() || l.rate.identified.is_some()) {
        t.row(vec![format!("P({} fails)", l.layer), l.recorded.map_or_else(|| "–".into(), percent), full(&l.rate, percent)]);
    }
    t.row(vec!["gap".into(), String::new(), full(&c.gap, number)]);
    out.push(Block::Table(t));
    if let Some(why) = &c.gap.undefined {
        text(out, format!("No gap after the checks: {why}."));
    }
    if let (Corrects::Both, Some(alone)) = (c.corrects, c.without_records.interval) {
        text(
            out,
            format!(
                "As many checks of attacks drawn from all alike, without what was recorded, would leave β between {}.",
                interval(Some(alone), percent).replace("to", "and")
            ),
        );
    }
    c.notes.iter().for_each(|n| text(out, n.clone()));
    if c.judge_errors.is_empty() {
        return;
    }
    heading(out, "", "How wrong the grader would have to be");
    let mut shared: Vec<f64> = c.judge_errors.iter().map(|e| e.shared).collect();
    shared.dedup();
    let titles: Vec<String> = ["held recorded as failed".to_owned(), ">failed recorded as held".into()]
        .into_iter()
        .chain(shared.iter().map(|s| format!(">β, shared error {}", percent(*s))))
        .collect();
    let mut t = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for e in c.judge_errors.iter().filter(|e| e.shared == shared[0]) {
        let cell = |s: &f64| {
            let own = c.judge_errors.iter().find(|o| o.shared == *s && o.false_failure == e.false_failure && o.false_hold == e.false_hold);
            own.map_or_else(
                || "–".into(),
                |o| match &o.beta.undefined {
                    Some(why) if why.contains("explain") => "all explained".into(),
                    Some(_) => "does not fit".into(),
                    None => value(&o.beta, percent),
                },
            )
        };
        t.row([percent(e.false_failure), percent(e.false_hold)].into_iter().chain(shared.iter().map(cell)).collect());
    }
    out.push(Block::Table(t));
    text(
        out,
        "β on the recorded outcomes if the grader erred so: on each layer by itself, and on all layers at once in the share of attacks that heads the column. All explained: errors of this size alone make as many joint failures as were recorded. Does not fit: with errors of this size the outcomes could not be what they are.",
    );
}

/// What was queued for checks, and what to do next.
pub fn queue_blocks(w: &WrittenQueue, output: &Path) -> Vec<Block> {
    let queued: usize = w.groups.iter().map(|g| g.2).sum();
    let mut out = vec![Block::Answer(format!("{} trials to check are in {}.", grouped(queued as f64), output.display()))];
    let mut t = Table::new(&["recorded", ">trials", ">to check"]);
    for (g, all, many) in &w.groups {
        t.row(vec![group(*g).into(), grouped(*all as f64), grouped(*many as f64)]);
    }
    out.push(Block::Table(t));
    text(
        &mut out,
        "Fill in `verdict` with failed where all layers truly failed, held where one of them stopped the attack or it was none, ambiguous where it cannot be told. With `verdict.LAYER` for every layer the gap is corrected too.",
    );
    text(&mut out, format!("Next: coincide analyze … --labels {}", output.display()));
    if !w.notes.is_empty() {
        out.push(Block::List(w.notes.iter().map(|n| (0, n.clone())).collect()));
    }
    out
}
