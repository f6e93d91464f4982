//! The answer in sentences that somebody can repeat who has read no statistics.

use crate::format::{ends, factor, grouped, interval, number, one_in, percent};
use coincide::{Analysis, Contribution, Design, Figure};

/// Three sentences, then what they do not say.
pub fn answer(a: &Analysis, separate_runs: bool) -> Vec<String> {
    let mut out = vec![rate(a)];
    out.extend(worth_of_the_set(a));
    out.extend(what_one_adds(a));
    out.extend(cautions(a, separate_runs));
    out
}

fn level(a: &Analysis) -> String {
    percent(a.joint.content.beta.interval.map_or(0.95, |i| i.level))
}

fn words(n: usize) -> String {
    const WORDS: [&str; 13] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    WORDS.get(n).map_or_else(|| n.to_string(), |w| (*w).to_owned())
}

fn all_layers(a: &Analysis) -> String {
    match a.layers.content.len() {
        1 => "the only layer".into(),
        2 => "both layers".into(),
        n => format!("all {} layers", words(n)),
    }
}

/// How often everything fails, against the product.
fn rate(a: &Analysis) -> String {
    let j = &a.joint.content;
    let level = level(a);
    let upper = |f: &Figure| f.interval.and_then(|i| i.high);
    match j.beta.value {
        Some(b) if b > 0.0 => {
            let mut s = if b >= 0.5 {
                format!("{} of attacks beat {}", percent(b), all_layers(a))
            } else {
                format!("{} beats {}", one_in(b).replacen("1 in", "1 attack in", 1), all_layers(a))
            };
            if let Some(i) = j.beta.interval {
                s += &format!(" ({level} interval: {})", ends(i.low.filter(|l| *l > 0.0), i.high, one_in));
            }
            match j.gap.value {
                Some(g) if a.layers.content.len() > 1 => {
                    let side = if g >= 1.0 {
                        format!("{} times what multiplying their failure rates promises", factor(g))
                    } else {
                        format!("{} of what multiplying their failure rates promises", percent(g))
                    };
                    s += &format!(", {side} ({}; interval of the factor: {})", product(a), interval(j.gap.interval, number));
                }
                _ => {
                    if let Some(r) = j.gap.identified {
                        s += &format!(
                            "; against multiplied failure rates that is a factor known only to lie in {}, because later layers were not asked once one had held",
                            crate::format::range(r, number)
                        );
                    }
                }
            }
            s + "."
        }
        Some(_) => {
            let bound = upper(&j.beta).map_or_else(String::new, |h| format!("; the rate is at most {} ({level})", one_in(h)));
            format!("No attack of {} beat {}{bound}. {}", grouped(j.trials), all_layers(a), bounded_gap(a)).trim_end().to_owned()
        }
        None => match j.beta.identified {
            Some(r) => format!(
                "Between {} and {} of attacks beat {}: on the rest a layer's outcome is missing.",
                percent(r.low.unwrap_or(0.0)),
                percent(r.high.unwrap_or(1.0)),
                all_layers(a)
            ),
            None => "How often all layers fail together cannot be told from this table.".into(),
        },
    }
}

fn product(a: &Analysis) -> String {
    a.joint.content.product.value.map_or_else(String::new, one_in)
}

fn bounded_gap(a: &Analysis) -> String {
    match (a.joint.content.gap.interval.and_then(|i| i.high), a.joint.content.product.value) {
        (Some(h), Some(p)) if p > 0.0 => {
            format!("Multiplying their failure rates promises {}; the truth may be up to {} times that.", one_in(p), factor(h))
        }
        _ => String::new(),
    }
}

/// How many independent layers the set is worth, and what the baseline explains.
fn worth_of_the_set(a: &Analysis) -> Option<String> {
    let j = &a.joint.content;
    let k = a.layers.content.len();
    if k < 2 {
        return None;
    }
    let mut s = match (j.effective_layers.value, j.effective_layers.identified, j.effective_layers.interval) {
        (Some(e), _, i) => format!(
            "Together the {} are worth {} independent layers of their average strength (interval: {})",
            words(k),
            factor(e),
            interval(i, number)
        ),
        (None, Some(r), _) if r.low.is_some_and(|l| l > 0.0) || r.high.is_some() => format!(
            "Together the {} are worth between {} independent layers",
            words(k),
            crate::format::range(r, number).replacen("\u{a0}to\u{a0}", " and ", 1)
        ),
        (None, None, Some(i)) if i.low.is_some() => {
            format!("Together the {} are worth at least {} independent layers", words(k), i.low.map_or_else(String::new, factor))
        }
        _ => return None,
    };
    if let Some(b) = &a.given_baseline {
        let b = &b.content;
        if let (Some(explained), Some(gap), Some(inside)) = (b.explained_nats.value, b.gap_nats.value, b.joint.gap.value) {
            let share = explained / gap;
            let part = if share > 0.5 { "most of that" } else { "part of that" };
            s += &format!(
                "; {part} is the undefended system they share: among attacks that beat `{}` the factor is {} (interval: {}) instead of {}",
                b.baseline,
                factor(inside),
                interval(b.joint.gap.interval, number),
                j.gap.value.map_or_else(String::new, factor)
            );
        }
    } else if let Some(c) = &a.causes
        && let (Some(explained), Some(gap)) = (c.content.together.best().value, j.gap.value.map(f64::ln))
        && gap > 0.0
    {
        let t = &c.content.together;
        s += &format!(
            "; differences between {} explain {} of the excess on a logarithmic scale",
            t.columns.join(" and "),
            percent((explained / gap).clamp(0.0, 1.0))
        );
    }
    Some(s + ".")
}

/// The layer that adds least.
fn what_one_adds(a: &Analysis) -> Option<String> {
    let known: Vec<&Contribution> = a.contributions.content.iter().filter(|c| c.worth.value.is_some()).collect();
    if known.len() < 2 {
        return None;
    }
    let least = known.iter().min_by(|x, y| x.worth.value.unwrap_or(f64::INFINITY).total_cmp(&y.worth.value.unwrap_or(f64::INFINITY)))?;
    let worth = least.worth.value?;
    let scale = "on a scale where 0 is none and 1 is what its failure rate promises";
    let bounds = interval(least.worth.interval, number);
    Some(if worth <= 0.0 || least.worth.interval.and_then(|i| i.low).is_some_and(|l| l <= 0.0) && worth < 0.2 {
        format!(
            "`{}` brings no measurable benefit on top of the others: {} {scale}, but the interval {bounds} allows for some.",
            least.name,
            number(worth)
        )
    } else {
        format!("`{}` adds least to the others: {} {scale} (interval: {bounds}).", least.name, number(worth))
    })
}

/// What the sentences above do not say.
fn cautions(a: &Analysis, separate_runs: bool) -> Vec<String> {
    let mut out = a.joint.content.cautions.clone();
    if a.data.content.baseline.is_some() || separate_runs {
        out.push("The layers were run one at a time on the same attacks, so this is the rate of attacks that beat each of them, not of a stack that was run as one.".into());
    }
    if let Design::FixedOrder { order, inferred } = &a.data.content.design {
        let how = if *inferred {
            "The pipeline stopped at the first layer that held (order read off the table"
        } else {
            "The pipeline stopped at the first layer that held (order given"
        };
        out.push(format!(
            "{how}: {}). What later layers do alone is only known to lie in an interval; no value is shown where the data cannot give one.",
            order.join(", ")
        ));
    }
    if let Design::Gated { gates } = &a.data.content.design {
        for g in gates {
            let asked = a.layers.content.iter().find(|l| l.layer == g.layer).map(|l| l.trials);
            out.push(format!(
                "`{}` was asked only where `{}` had failed{}: what it does elsewhere, and so its rate and the factor, is only known to lie in an interval. The rate at which all fail is not touched by that.",
                g.layer,
                g.gate,
                asked.map_or_else(String::new, |n| format!(" ({} of {} attacks)", grouped(n), grouped(a.data.content.attack_trials)))
            ));
        }
    }
    if let (Design::Ragged, Some(r)) = (&a.data.content.design, a.joint.content.beta.identified) {
        out.push(format!(
            "Some outcomes are missing. Estimates use the {} of {} attacks on which every layer has one; whatever the missing ones hold, the rate lies between {} and {}.",
            grouped(a.data.content.complete_trials),
            grouped(a.data.content.attack_trials),
            percent(r.low.unwrap_or(0.0)),
            percent(r.high.unwrap_or(1.0))
        ));
    }
    out
}
