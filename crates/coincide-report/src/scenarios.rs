//! Sections about other worlds than the tested one: system failure, pillars, scenarios, pressure, many tries.

use crate::block::{Block, Table};
use crate::format::{factor, grouped, interval, number, one_in, percent, value};
use crate::sections::{bounded, heading, reasons, text};
use coincide::{Attempts, Figure, Pillars, Pressure, ScenarioRisk, SystemFailure};

pub(crate) fn system(s: &SystemFailure, out: &mut Vec<Block>) {
    heading(out, "system", "System failure");
    let mut t = Table::new(&["", ">value", "interval"]);
    t.row(vec!["P(system failure)".into(), bounded(&s.rate), interval(s.rate.interval, percent)]);
    t.row(vec!["if layers failed independently".into(), value(&s.independent, percent), "–".into()]);
    t.row(vec!["the first over the second".into(), value(&s.gap, number), interval(s.gap.interval, number)]);
    out.push(Block::Table(t));
    text(out, format!("The system fails when: {}", s.structure));
    reasons(out, [&s.rate, &s.independent, &s.gap].into_iter());
}

pub(crate) fn pillars(list: &[Pillars], out: &mut Vec<Block>) {
    for p in list {
        heading(out, "pillars", &format!("The gap between and within pillars, by {}", p.attribute));
        let mut t = Table::new(&["", "layers", ">rate at which all its layers fail", ">gap", "interval of the gap"]);
        let row = |name: &str, layers: &str, rate: Option<&Figure>, gap: &Figure| {
            let rate = rate.map_or_else(|| "–".into(), bounded);
            vec![name.to_owned(), layers.to_owned(), rate, value(gap, number), interval(gap.interval, number)]
        };
        for g in &p.pillars {
            let name = format!("within {}", g.name);
            t.row(row(&name, &g.layers.join(", "), Some(&g.rate), &g.gap));
        }
        t.row(row("between pillars", "", None, &p.between));
        t.row(row("all together", "", None, &p.total));
        out.push(Block::Table(t));
        text(out, "The gap of all layers is the product of the gap between pillars and the gaps within them; 1 is independence.");
        if list.len() > 1 {
            text(out, pillar_sentence(p));
        }
        reasons(out, p.pillars.iter().flat_map(|g| [&g.rate, &g.gap]).chain([&p.between, &p.total]));
    }
}

/// Whether the pillars' independence is measured or assumed.
pub(crate) fn pillar_sentence(p: &Pillars) -> String {
    let by = &p.attribute;
    let Some(i) = p.between.interval else {
        return format!("Whether pillars by {by} fail independently cannot be told from these outcomes: it would be an assumption.");
    };
    match (i.low, i.high) {
        (Some(low), _) if low > 1.0 => {
            let least = factor(low);
            format!(
                "Pillars by {by} do not fail independently: all fail together at least {least} times as often as multiplying their rates promises."
            )
        }
        (_, Some(high)) if high < 1.0 => {
            format!("Pillars by {by} complement each other: they fail together less often than multiplying their rates promises.")
        }
        (_, Some(high)) => format!(
            "Outcomes are compatible with independent pillars by {by}, and with a gap of up to {}; independence is an assumption within that.",
            number(high)
        ),
        (_, None) => {
            format!("Independence of the pillars by {by} is assumed, not measured: the outcomes do not bound the gap between them from above.")
        }
    }
}

pub(crate) fn scenarios(list: &[ScenarioRisk], out: &mut Vec<Block>) {
    heading(out, "scenarios", "Scenarios");
    let system = list.iter().any(|s| s.system.is_some());
    let mut titles = vec!["scenario", ">all layers fail", "interval", ">product", ">gap"];
    if system {
        titles.push(">system fails");
    }
    let mut t = Table::new(&titles);
    for s in list {
        let sign = if s.bound && s.beta.value.is_some() { "≤ " } else { "" };
        let mut row = vec![
            s.scenario.clone(),
            format!("{sign}{}", bounded(&s.beta)),
            interval(s.beta.interval, percent),
            value(&s.product, percent),
            value(&s.gap, number),
        ];
        if system {
            row.push(s.system.as_ref().map_or_else(|| "–".into(), |f| format!("{sign}{}", bounded(f))));
        }
        t.row(row);
    }
    out.push(Block::Table(t));
    let said: Vec<String> = list.iter().filter_map(|s| s.about.as_ref().map(|a| format!("{}: {a}", s.scenario))).collect();
    if !said.is_empty() {
        out.push(Block::List(said.into_iter().map(|s| (0, s)).collect()));
    }
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for s in list {
        for n in &s.notes {
            match notes.iter_mut().find(|o| o.0 == *n) {
                Some(o) => o.1.push(&s.scenario),
                None => notes.push((n.clone(), vec![&s.scenario])),
            }
        }
    }
    for (note, of) in notes {
        text(out, format!("{}: {note}", capital(&of.join(", "))));
    }
    reasons(out, list.iter().flat_map(|s| [&s.beta, &s.product, &s.gap]));
}

pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// The scenario in which most gets through, against the nominal one.
pub(crate) fn worst_scenario(list: &[ScenarioRisk]) -> Option<String> {
    let nominal = list.iter().find(|s| s.scenario == "nominal")?.beta.value.filter(|v| *v > 0.0)?;
    let value = |s: &&ScenarioRisk| s.beta.value.unwrap_or(0.0);
    let worst = list.iter().filter(|s| s.scenario != "nominal" && s.beta.value.is_some()).max_by(|a, b| value(a).total_cmp(&value(b)))?;
    let rate = worst.beta.value.filter(|v| *v > nominal)?;
    let most = if worst.bound { "up to " } else { "" };
    Some(format!("Of the scenarios, `{}` is the worst: all layers fail on {most}{} instead of {}.", worst.scenario, one_in(rate), one_in(nominal)))
}

pub(crate) fn pressure(p: &Pressure, out: &mut Vec<Block>) {
    heading(out, "pressure", "Pressure curve: the worst rate when attacks differ from those tested");
    let confined = p.points.iter().any(|x| x.confined.is_some());
    let product = p.points.iter().any(|x| x.product.is_some());
    let mut titles = vec![">divergence (nats)", "", ">all layers fail", "from the interval's ends"];
    if product {
        titles.push(">from the product");
    }
    if confined {
        titles.push(">only strata shift");
    }
    let mut t = Table::new(&titles);
    let optional = |x: Option<f64>| x.map_or_else(|| "–".into(), percent);
    for x in &p.points {
        let mark = x.best_of.map_or_else(String::new, |n| format!("best of {}", grouped(n)));
        let mut row = vec![number(x.radius), mark, value(&x.worst, percent), interval(x.worst.interval, percent)];
        if product {
            row.push(optional(x.product));
        }
        if confined {
            row.push(optional(x.confined));
        }
        t.row(row);
    }
    out.push(Block::Table(t));
    let mut note = "The worst rate over all attack distributions within that Kullback–Leibler divergence of the tested one. An attacker who picks the best of n tries moves at most as far as its row says.".to_owned();
    if let Some(r) = p.certain_at {
        note += &format!(" From {} nats on, attacks that always beat every layer are within reach.", number(r));
    }
    if confined {
        note += &format!(" Last column: the shift can only change how often each level of {} occurs.", p.regimes.join(", "));
    }
    text(out, note);
    reasons(out, p.points.iter().map(|x| &x.worst));
}

pub(crate) fn attempts(a: &Attempts, out: &mut Vec<Block>) {
    heading(out, "attempts", &format!("Many tries on one goal (`{}`)", a.goal));
    let mut t = Table::new(&[">attempts", ">some attempt beats everything", "interval", ">if attempts were independent", "standing"]);
    for p in &a.points {
        let standing = if p.extrapolated { "EXTRAPOLATED" } else { "estimate" };
        t.row(vec![
            grouped(p.attempts),
            value(&p.rate, percent),
            interval(p.rate.interval, percent),
            p.if_independent.map_or_else(|| "–".into(), percent),
            if p.rate.value.is_some() { standing.into() } else { "–".into() },
        ]);
    }
    out.push(Block::Table(t));
    let made = if a.made[0] < a.made[1] { format!("{} to {}", grouped(a.made[0]), grouped(a.made[1])) } else { grouped(a.made[0]) };
    let mut note = format!(
        "{} of {} goals were beaten at least once in {made} attempts each. Attempts count as fresh draws from the same attacker; repeats of one text would not.",
        grouped(a.beaten),
        grouped(a.goals)
    );
    if let Some([x, y]) = a.beta_over_goals {
        note += &format!(
            " EXTRAPOLATED: beyond the attempts made, goals' rates are taken to follow a Beta distribution ({} and {}), which the data cannot test there.",
            number(x),
            number(y)
        );
    }
    text(out, note);
    reasons(out, a.points.iter().map(|p| &p.rate));
}
