//! The section about thresholds.

use crate::block::{Block, Table};
use crate::format::{factor, grouped, interval, number, one_in, percent, value};
use crate::sections::{heading, text};
use coincide::{FailsWhen, LayerThreshold, ThresholdChoice, ThresholdWay, Thresholds};

fn rule(c: &ThresholdChoice, layers: usize) -> String {
    match (c.way, c.need) {
        (ThresholdWay::Combined, _) => "one score".into(),
        (_, 1) => "any layer".into(),
        (_, n) if n == layers => "all layers".into(),
        (_, n) => format!("at least {n}"),
    }
}

/// A way in words.
fn way(c: &ThresholdChoice) -> &'static str {
    match c.way {
        ThresholdWay::Together => "chosen together",
        ThresholdWay::InUse => "in use now",
        ThresholdWay::Equal => "same false alarms for each",
        ThresholdWay::Separate => "each by itself",
        ThresholdWay::Combined => "combined score",
        ThresholdWay::WithCombined => "together, with combined score",
    }
}

fn misses(c: &ThresholdChoice) -> Option<f64> {
    c.held_out_beta.value
}

/// What the thresholds let through and cost, and what others would, in sentences.
pub(crate) fn thresholds_answer(t: &Thresholds) -> Vec<String> {
    let mut out = Vec::new();
    let through = match misses(&t.best) {
        Some(b) if b > 0.0 => format!("let through {} of those that they were not chosen by", one_in(b).replacen("1 in", "1 attack in", 1)),
        Some(_) => "let through none of the attacks that they were not chosen by".to_owned(),
        None => "cannot be judged: there are too few clusters to leave some out".to_owned(),
    };
    let stops = t.best.held_out_false_alarm.value.map_or_else(String::new, |f| format!(" and stop {} of benign trials", percent(f)));
    out.push(format!("Thresholds chosen together {through}{stops}."));
    out.push(if t.best.promised {
        format!("At most {} of benign trials like these are stopped, with {} confidence.", percent(t.budget), percent(t.confidence))
    } else {
        format!("Nothing is promised about false alarms: there are too few benign trials for a budget of {}.", percent(t.budget))
    });
    let equal = t.others.iter().find(|o| o.way == ThresholdWay::Equal);
    if t.kept_equal {
        out.push("They give every layer the same false alarms: nothing shows that another spread lets through less.".into());
    } else if let (Some(own), Some(other)) = (misses(&t.best), equal.and_then(misses))
        && own > 0.0
    {
        out.push(format!("The same false alarms for every layer would let through {} times as many.", factor(other / own)));
    }
    // A combined score that is clearly better is worth a word.
    let combined = t.others.iter().find(|o| o.way == ThresholdWay::Combined);
    if let (Some(own), Some(c)) = (t.best.held_out_beta.interval.and_then(|i| i.low), combined)
        && c.held_out_beta.interval.and_then(|i| i.high).is_some_and(|h| h < own)
        && let Some(b) = misses(c)
    {
        out.push(format!(
            "One score that weighs all layers would let through {}: the layers know more than a rule by which each decides alone.",
            percent(b)
        ));
    }
    out
}

fn cut(l: &LayerThreshold) -> String {
    match (l.value, l.fails_when) {
        (None, _) => "stops nothing".into(),
        (Some(v), FailsWhen::Below) => format!("holds from {}", shown(v)),
        (Some(v), FailsWhen::Above) => format!("holds up to {}", shown(v)),
    }
}

/// A threshold with all its digits: a shortened one would be another threshold.
fn shown(v: f64) -> String {
    let text = format!("{v}");
    if text.len() > 24 { format!("{v:e}") } else { text }
}

pub(crate) fn thresholds(t: &Thresholds, out: &mut Vec<Block>) {
    heading(out, "thresholds", "Which thresholds to set");
    let mut list = Table::new(&["layer", "threshold", ">stops of benign", ">misses of attacks", ">tells apart"]);
    for l in &t.best.thresholds {
        let name = l.layer.clone().unwrap_or_else(|| "combined score".into());
        let separation = t.layers.iter().find(|s| s.layer == name).map_or_else(|| "–".into(), |s| number(s.separation));
        list.row(vec![name, cut(l), percent(l.false_alarm), percent(l.misses), separation]);
    }
    for l in t.layers.iter().filter(|l| l.fails_when.is_none()) {
        list.row(vec![l.layer.clone(), "recorded outcomes".into(), "–".into(), "–".into(), number(l.separation)]);
    }
    out.push(Block::Table(list));
    text(
        out,
        format!(
            "Chosen by {} attacks and {} benign trials. Tells apart: how often an attack looks more suspicious to the layer than a benign trial; 0.5 is a coin.",
            grouped(t.attacks),
            grouped(t.benign)
        ),
    );
    let inferred: Vec<String> = t
        .layers
        .iter()
        .filter(|l| l.inferred)
        .filter_map(|l| Some(format!("{} ({})", l.layer, if l.fails_when? == FailsWhen::Below { "high scores stop" } else { "low scores stop" })))
        .collect();
    if !inferred.is_empty() {
        text(out, format!("Which way scores point was inferred from attacks and benign trials: {}.", inferred.join(", ")));
    }
    t.notes.iter().for_each(|n| text(out, n.clone()));
    heading(out, "", "What other thresholds would let through");
    let mut list = Table::new(&["thresholds", "stops a trial", ">β counted", ">β unseen", "interval", ">false alarms unseen", "promised"]);
    for c in [&t.best].into_iter().chain(&t.others) {
        list.row(vec![
            way(c).into(),
            rule(c, t.layers.len()),
            value(&c.beta, percent),
            value(&c.held_out_beta, percent),
            interval(c.held_out_beta.interval, percent),
            value(&c.held_out_false_alarm, percent),
            match (c.way, c.promised) {
                (ThresholdWay::InUse, _) => "–".into(),
                (_, true) => format!("≤ {}", percent(t.budget)),
                (_, false) => "no".into(),
            },
        ]);
    }
    out.push(Block::Table(list));
    text(
        out,
        "β counted flatters thresholds that were chosen on these trials. Unseen: chosen on four fifths of the clusters, judged on the rest, five times over.",
    );
    if let Some(c) = &t.combination {
        let terms: Vec<String> = c.weights.iter().map(|l| format!("{} × {}", number(l.weight), l.layer)).collect();
        text(
            out,
            format!("Combined score, in nats of evidence for an attack: {} + {}.", number(c.intercept), terms.join(" + ").replace("+ -", "− ")),
        );
    }
}
