//! Claims: sentences, a table of verdicts, and the argument as a list (claim → strategy → evidence).

use crate::block::{Block, Table};
use crate::format::{grouped, percent};
use crate::sections::{heading, text};
use coincide::{Argument, ClaimNode, Combine, Verdict};

pub(crate) fn word(v: Verdict) -> &'static str {
    match v {
        Verdict::Supported => "supported",
        Verdict::Refuted => "refuted",
        Verdict::Undecidable => "undecidable",
    }
}

/// The claim in a sentence.
pub(crate) fn statement(c: &ClaimNode) -> String {
    if let Some(about) = &c.statement.about {
        return about.trim_end_matches('.').to_owned();
    }
    match (&c.evidence, c.statement.combines) {
        (Some(e), _) => {
            let whole = e.map.as_ref().map(|m| format!("all of `{}` fail", m.portfolio)).unwrap_or_else(|| e.quantity.words());
            let scenario = if e.scenario == "nominal" { String::new() } else { format!(" in scenario `{}`", e.scenario) };
            format!("{whole} on at most {} of attacks{scenario}", percent(e.at_most))
        }
        (None, Some(Combine::Any)) => format!("one of these holds: {}", c.statement.of.join(", ")),
        (None, Some(Combine::Converging)) => format!("lines of evidence agree: {}", c.statement.of.join(", ")),
        _ => format!("all of these hold: {}", c.statement.of.join(", ")),
    }
}

/// One sentence a claim at the top, and what would decide it.
pub(crate) fn claims_answer(a: &Argument) -> Vec<String> {
    a.top.iter().filter_map(|n| a.claim(n)).map(sentence).collect()
}

fn sentence(c: &ClaimNode) -> String {
    let at = match (c.confidence, &c.evidence) {
        (Some(x), _) => format!(" at {}", percent(x)),
        (None, Some(e)) => format!(" at {}", percent(e.confidence)),
        _ => String::new(),
    };
    let flagged = if c.flagged { ", flagged because it rests on little" } else { "" };
    format!("Claim `{}` is {}{at}{flagged}: {}.", c.statement.name, word(c.verdict), statement(c))
}

pub(crate) fn claims(a: &Argument, out: &mut Vec<Block>) {
    heading(out, "claims", "Claims");
    let mut t = Table::new(&["claim", "verdict", ">bound", ">asked", "one-sided limits", "evidence"]);
    for c in &a.claims {
        let limits = c.evidence.as_ref().and_then(|e| e.outcomes.as_ref()).map(|s| s.limits);
        let (bound, asked, evidence) = match &c.evidence {
            Some(e) => {
                let from = match &e.map {
                    Some(m) => format!("{} of draws", percent(m.probability)),
                    None => "outcomes".to_owned(),
                };
                (percent(e.at_most), percent(e.confidence), from)
            }
            None => (
                "–".into(),
                c.statement.confidence.map_or_else(|| "–".into(), percent),
                format!("{} of {}", combine_word(c), c.statement.of.join(", ")),
            ),
        };
        t.row(vec![
            c.statement.name.clone(),
            format!("{}{}", word(c.verdict).to_uppercase(), if c.flagged { " (flagged)" } else { "" }),
            bound,
            asked,
            limits.map_or_else(|| "–".into(), |i| crate::format::ends(i.low, i.high, percent)),
            evidence,
        ]);
    }
    out.push(Block::Table(t));
    heading(out, "", "The argument");
    let (mut lines, mut told) = (Vec::new(), Vec::new());
    for name in &a.top {
        if let Some(c) = a.claim(name) {
            argue(a, c, 0, &mut lines, &mut told);
        }
    }
    out.push(Block::List(lines));
    text(
        out,
        "A verdict is the data's where the evidence is outcomes: one-sided limits without any model. Evidence from the map is expert judgement.",
    );
}

fn combine_word(c: &ClaimNode) -> &'static str {
    match c.statement.combines {
        Some(Combine::Any) => "any",
        Some(Combine::Converging) => "converging lines",
        _ => "all",
    }
}

/// The strategy of a combination, in words.
pub(crate) fn strategy(c: &ClaimNode) -> &'static str {
    match c.statement.combines {
        Some(Combine::Any) => "one part suffices",
        Some(Combine::Converging) => "several lines of evidence for the same claim",
        _ => "every part must hold",
    }
}

/// What evidence a bound rests on, in words.
pub(crate) fn evidence(c: &ClaimNode) -> Option<String> {
    let e = c.evidence.as_ref()?;
    if let Some(m) = &e.map {
        return Some(format!("{} draws of the failure-mode map's numbers for portfolio `{}` in scenario `{}`", m.draws, m.portfolio, m.scenario));
    }
    let s = e.outcomes.as_ref()?;
    let own = s.spread.iter().find(|o| o.column == s.unit);
    let there = own.map_or(s.units, |o| o.clusters);
    let unit = if s.unit == "trial" { "trials".to_owned() } else { format!("clusters of `{}`", s.unit) };
    let worth = if there - s.units > 0.5 { format!(" (worth {} equal ones)", grouped(s.units.round())) } else { String::new() };
    let world = if e.scenario == "nominal" { String::new() } else { format!(", as scenario `{}` changes them", e.scenario) };
    let models: Vec<String> = s
        .models
        .iter()
        .map(|m| format!("`{}` {}{}", m.model, percent(m.probability), if m.admissible { "" } else { " (does not hold up)" }))
        .collect();
    let models = if models.is_empty() { String::new() } else { format!("; probability by models: {}", models.join(", ")) };
    Some(format!(
        "recorded outcomes{world}: {} {unit}{worth}, {} with a failure; limits {} and {}{models}",
        grouped(there),
        grouped(s.with_failure),
        percent(s.limits.low.unwrap_or(0.0)),
        percent(s.limits.high.unwrap_or(1.0))
    ))
}

fn argue<'a>(a: &'a Argument, c: &'a ClaimNode, depth: usize, lines: &mut Vec<(usize, String)>, told: &mut Vec<&'a str>) {
    if told.contains(&c.statement.name.as_str()) {
        lines.push((depth, format!("Claim `{}`: {} (see above)", c.statement.name, word(c.verdict).to_uppercase())));
        return;
    }
    told.push(&c.statement.name);
    lines.push((depth, format!("Claim `{}`: {} — {}", c.statement.name, statement(c), word(c.verdict).to_uppercase())));
    let mut under = |what: &str, list: &[String]| lines.extend(list.iter().map(|l| (depth + 1, format!("{what}: {l}"))));
    under("Context", &c.statement.context);
    under("Assumption", &c.statement.assumptions);
    if !c.statement.of.is_empty() {
        lines.push((depth + 1, format!("Strategy: {}", strategy(c))));
    }
    if let Some(e) = evidence(c) {
        lines.push((depth + 1, format!("Evidence: {e}")));
    }
    lines.extend(c.why.iter().map(|w| (depth + 1, w.clone())));
    lines.extend(c.statement.defeaters.iter().map(|d| (depth + 1, format!("Would defeat it: {d}"))));
    for part in &c.statement.of {
        if let Some(p) = a.claim(part) {
            argue(a, p, depth + 1, lines, told);
        }
    }
}
