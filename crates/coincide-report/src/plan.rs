//! The section about the next tests.

use crate::block::{Block, Table};
use crate::format::{factor, grouped, number, percent};
use crate::sections::{bounded, heading, text};
use coincide::{ActionKind, ClaimPlan, Plan, PlannedAction, PlannedStratum, Verdict};

/// Strata that the answer names.
const NAMED: usize = 3;
/// Strata and actions that are shown.
const SHOWN: usize = 20;

fn count(x: u64) -> String {
    grouped(x as f64)
}

/// A plural, or none.
fn trials(x: u64) -> String {
    if x == 1 { "1 new trial".into() } else { format!("{} new trials", count(x)) }
}

/// The strata that get most first.
fn by_trials(p: &Plan) -> Vec<&PlannedStratum> {
    let mut list: Vec<&PlannedStratum> = p.strata.iter().collect();
    list.sort_by(|a, b| b.new_trials.cmp(&a.new_trials).then_with(|| b.share.total_cmp(&a.share)));
    list
}

/// What to spend on, what it brings, and what it can show about the claim, in sentences.
pub(crate) fn plan_answer(p: &Plan) -> Vec<String> {
    let mut out = vec![format!("Spend the next {} on {}{}.", number(p.spent), trials(p.new_trials), places(p))];
    let (now, planned) = (p.interval_factor_now.value, p.interval_factor_planned.value);
    if let (Some(now), Some(planned)) = (now, planned) {
        let narrows = format!("β is then expected to be known to within a factor of {} instead of {}", close(planned), close(now));
        // A difference of a hundredth is not worth a sentence.
        let equal = p.proportional_cost.value.filter(|c| p.strata.len() > 1 && *c > 1.01 * p.spent);
        let as_much = equal.map_or_else(String::new, |c| format!(", for which it would take {} in proportion to the shares", number(c)));
        out.push(format!("{narrows}{as_much}."));
    }
    out.extend(p.claim.as_ref().map(|c| claim_sentence(c, p.budget)));
    out
}

/// A factor near 1 with as many digits as tell it from 1.
fn close(x: f64) -> String {
    if x < 2.0 { format!("{x:.2}") } else { factor(x) }
}

fn places(p: &Plan) -> String {
    if p.strata.len() < 2 {
        return String::new();
    }
    let list: Vec<&PlannedStratum> = by_trials(p).into_iter().filter(|s| s.new_trials > 0).collect();
    let named: Vec<String> = list.iter().take(NAMED).map(|s| format!("{} in `{}`", count(s.new_trials), s.name)).collect();
    let rest: u64 = list.iter().skip(NAMED).map(|s| s.new_trials).sum();
    let elsewhere = if rest > 0 { format!(", {} elsewhere", count(rest)) } else { String::new() };
    format!(": {}{elsewhere}", named.join(", "))
}

/// A probability, never rounded to certainty.
fn chance(p: f64) -> String {
    if p > 0.995 {
        "more than 99%".into()
    } else if p < 0.005 {
        "less than 1%".into()
    } else {
        format!("{:.0}%", 100.0 * p)
    }
}

fn claim_sentence(c: &ClaimPlan, budget: f64) -> String {
    let claim = c.support.claim.text();
    match (c.support.verdict, c.failures_allowed) {
        (Verdict::Supported, _) => format!("Claim `{claim}` is supported already; further trials need not be spent on it."),
        (Verdict::Refuted, _) => format!("Claim `{claim}` is refuted by the trials there are; no further trials are worth spending on it."),
        (_, None) => {
            let needed =
                c.without_failure.map_or_else(|| "no number of further trials would".into(), |n| format!("it takes {} further ones", grouped(n)));
            format!("A budget of {} cannot support claim `{claim}`, not even without a single joint failure: {needed}.", number(budget))
        }
        (_, Some(allowed)) => {
            let among = if allowed == 0 {
                "if none of them beats every layer".to_owned()
            } else {
                format!("if at most {} of them beat every layer", count(allowed))
            };
            format!(
                "{} trials in proportion to the shares support claim `{claim}` {among}: a chance of {} by what is known, of {} if β is a tenth of the bound.",
                count(c.trials),
                chance(c.chance),
                chance(c.chance_at_tenth)
            )
        }
    }
}

fn what(a: &PlannedAction) -> String {
    let place = a.stratum.as_ref().map_or_else(String::new, |s| format!(" of {s}"));
    let many = count(a.many);
    match a.kind {
        ActionKind::NewTrials => format!("{many} new trials{place}"),
        ActionKind::RunLayers => format!("run {} on {many} open trials{place}", a.layers.join(", ")),
        ActionKind::CheckVerdicts => format!("check {many} joint failures by hand"),
    }
}

pub(crate) fn plan(p: &Plan, out: &mut Vec<Block>) {
    heading(out, "plan", "Where to test next");
    let column = if p.columns.is_empty() { "stratum".to_owned() } else { p.columns.join(" / ") };
    let mut titles = vec![column, ">share".into(), ">trials so far".into(), ">joint failures".into(), ">β taken to be".into(), ">new trials".into()];
    if p.batches.len() > 1 {
        titles.push("by batch".into());
    }
    let mut t = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let order = by_trials(p);
    for s in order.iter().take(SHOWN) {
        let mut cells = vec![s.name.clone(), percent(s.share), grouped(s.trials), grouped(s.joint_failures), percent(s.beta), count(s.new_trials)];
        if p.batches.len() > 1 {
            cells.push(s.batches.iter().map(|b| count(*b)).collect::<Vec<_>>().join(" + "));
        }
        t.row(cells);
    }
    out.push(Block::Table(t));
    let more = order.len().saturating_sub(SHOWN);
    if more > 0 {
        text(out, format!("The document has {more} more strata."));
    }
    let shrunk = if p.strata.len() > 1 {
        " Rates of strata are drawn towards each other as far as they are alike, so that none is taken to be 0."
    } else {
        ""
    };
    text(out, format!("Together β is taken to be {}.{shrunk}", bounded(&p.beta)));
    let mut t = Table::new(&["interval", ">β is within a factor of"]);
    for (name, f) in [
        ("now", &p.interval_factor_now),
        ("after these trials", &p.interval_factor_planned),
        ("after as much spent in proportion to the shares", &p.interval_factor_proportional),
    ] {
        t.row(vec![name.to_owned(), f.value.map_or_else(|| "undefined".into(), close)]);
    }
    out.push(Block::Table(t));
    out.extend(p.interval_factor_now.undefined.iter().map(|why| Block::Text(format!("Undefined: {why}."))));
    p.notes.iter().for_each(|n| text(out, n.clone()));
    if !p.actions.is_empty() {
        heading(out, "", "What each step would bring");
        let mut t = Table::new(&["step", ">cost", ">Var ln β falls by", ">per unit of cost"]);
        for a in p.actions.iter().take(SHOWN) {
            t.row(vec![what(a), number(a.cost), number(a.reduction), number(a.per_cost)]);
        }
        out.push(Block::Table(t));
        let doubt = p.verdict_variance.map_or_else(String::new, |v| format!(", and {} from doubt about verdicts", number(v)));
        text(
            out,
            format!(
                "Each step goes as far as one batch's money. Var ln β is {} now{doubt}; what it falls by is expected, one step ahead.",
                number(p.variance)
            ),
        );
    }
    if let Some(c) = &p.claim {
        claim(c, out);
    }
}

fn claim(c: &ClaimPlan, out: &mut Vec<Block>) {
    heading(out, "", &format!("What {} trials in proportion can show", count(c.trials)));
    let mut t = Table::new(&["about the claim", ""]);
    let number_of = |n: Option<f64>| n.map_or_else(|| "no number would".into(), grouped);
    t.row(vec!["claim".into(), c.support.claim.text()]);
    t.row(vec!["verdict now".into(), crate::claims::word(c.support.verdict).into()]);
    t.row(vec!["further trials needed without a joint failure".into(), number_of(c.without_failure)]);
    t.row(vec!["further trials needed if they go on as before".into(), number_of(c.at_this_rate)]);
    t.row(vec![
        "joint failures allowed among the budget's trials".into(),
        c.failures_allowed.map_or_else(|| "not even none is enough".into(), count),
    ]);
    t.row(vec!["chance of support, by what is known about β".into(), chance(c.chance)]);
    t.row(vec!["chance if β is half the bound".into(), chance(c.chance_at_half)]);
    t.row(vec!["chance if β is a tenth of the bound".into(), chance(c.chance_at_tenth)]);
    out.push(Block::Table(t));
    text(
        out,
        "A claim is tested by trials in proportion to the shares; trials planned by strata narrow the interval of β and have to be weighed again first.",
    );
}
