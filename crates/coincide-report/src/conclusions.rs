//! What each section says, in one sentence written from the data. The terminal, Markdown and the page show the same sentence under the same heading.

use crate::answer::answer;
use crate::format::{factor, grouped, interval, number, one_in, percent};
use crate::scenarios::{pillar_sentence, worst_scenario};
use coincide::{Analysis, Attempts, Contribution, Explained, FalseAlarms, Figure, Fit, MapReport, ModeReport, Pair, Pressure, WhatIf};
use coincide_io::{CampaignRecord, Results};
use std::collections::BTreeMap;

/// A sentence for each section that the document has, by the section's name.
pub fn conclusions(r: &Results) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut say = |name: &str, sentence: Option<String>| {
        if let Some(s) = sentence {
            out.insert(name.to_owned(), s);
        }
    };
    let x = &r.assessment;
    if let Some(a) = &r.analysis {
        say("gap", gap(a));
        say("layers", layers(a));
        say("curve", curve(a));
        say("worth", worth(&a.contributions.content, "layer"));
        say("groups", a.groups.as_ref().and_then(|g| worth(&g.content, "group")));
        say("pipeline", a.pipeline.as_ref().and_then(|p| step(&p.content)));
        say("baseline", a.given_baseline.as_ref().and_then(|b| baseline(&b.content)));
        say("pairs", a.pairs.as_ref().and_then(|p| pairs(&p.content)));
        say("together", a.together.as_ref().and_then(|t| variance(&t.content.variance_ratio)));
        say("places", a.causes.as_ref().and_then(|c| places(&c.content)));
        say("bounds", a.bounds.as_ref().and_then(|b| bounds(&b.content)));
        say("alarms", a.false_alarms.as_ref().and_then(|f| alarms(&f.content)));
        say("data", data(a));
    }
    say("patterns", r.what_if.as_ref().and_then(|w| patterns(&w.content)));
    say("system", x.system.as_ref().and_then(|s| system(&s.content)));
    if let Some(r) = &x.risk {
        say("risk", crate::risk::conclusion(&r.content));
        say("cut-sets", crate::risk::cut_set_sentence(&r.content));
        say("common-causes", crate::risk::learned_sentence(&r.content));
        say("importance", crate::risk::most_important(&r.content));
    }
    say("selection", x.selection.as_ref().and_then(|s| crate::select::selection_answer(&s.content).into_iter().next()));
    let drift = x.drift.as_ref().map(|d| &d.content);
    say("comparison", x.comparison.as_ref().and_then(|c| crate::comparison::comparison_answer(&c.content, drift).into_iter().next()));
    say("thresholds", x.thresholds.as_ref().and_then(|t| crate::thresholds::thresholds_answer(&t.content).into_iter().next()));
    say("plan", x.plan.as_ref().and_then(|p| crate::plan::plan_answer(&p.content).into_iter().next()));
    say("checked", x.checked.as_ref().and_then(|c| crate::checked::checked_answer(&c.content).into_iter().next()));
    say("lineage", x.lineage.as_ref().and_then(|l| crate::lineage::lineage_conclusion(&l.content)));
    say("pillars", x.pillars.as_ref().and_then(|p| p.content.first()).map(pillar_sentence));
    say("pressure", x.pressure.as_ref().and_then(|p| pressure(&p.content)));
    say("attempts", x.attempts.as_ref().and_then(|t| attempts(&t.content)));
    say("models", r.fit.as_ref().map(|f| models(&f.content)));
    say(
        "scenarios",
        x.scenarios.as_ref().map(|s| {
            worst_scenario(&s.content)
                .unwrap_or_else(|| "No scenario is worse than the world as it was tested, as far as a rate can be given.".into())
        }),
    );
    say("map", x.map.as_ref().and_then(|m| map(&m.content)));
    say("modes", x.modes.as_ref().and_then(|m| modes(&m.content)));
    say("claims", x.claims.as_ref().map(|c| claims(&c.content)));
    say("campaign", r.campaign.as_ref().map(|c| campaign(&c.content)));
    out
}

fn gap(a: &Analysis) -> Option<String> {
    let j = &a.joint.content;
    let (Some(b), Some(p)) = (j.beta.value, j.product.value) else { return answer(a, false).into_iter().next() };
    if b <= 0.0 {
        let high = j.beta.interval.and_then(|i| i.high)?;
        return Some(format!("No attack beat every layer: the rate is at most {}, and multiplying promises {}.", one_in(high), promise(p)));
    }
    if a.layers.content.len() < 2 {
        return Some(format!("The layer fails on {} of attacks.", percent(b)));
    }
    let explained = |name: &str, f: &Figure| {
        let (nats, whole) = (f.value?, j.gap.value?.ln());
        (whole > 0.05).then(|| format!("; {name} explains {} of that on a logarithmic scale", percent((nats / whole).clamp(0.0, 1.0))))
    };
    let part = match (&a.given_baseline, &a.causes) {
        (Some(b), _) => explained(&format!("`{}`", b.content.baseline), &b.content.explained_nats),
        (None, Some(c)) => explained(&columns(&c.content.together), c.content.together.best()),
        _ => None,
    };
    let promised = promise(p);
    let d = &a.data.content;
    let rows = if d.complete_trials < d.attack_trials && !d.design.stops_early() {
        format!(" (on the {} of {} attacks on which every layer has an outcome)", grouped(d.complete_trials), grouped(d.attack_trials))
    } else {
        String::new()
    };
    Some(match j.gap.value {
        Some(g) if g >= 1.05 => {
            format!("Multiplying promises {promised}, {} was seen: {} times as often{}.", one_in(b), factor(g), part.unwrap_or_default())
        }
        Some(g) if g <= 0.95 => format!("Multiplying promises {promised}, {} was seen{rows}: {} of that.", one_in(b), percent(g)),
        Some(_) => format!("Multiplying promises {promised}, and that is what was seen{rows}."),
        None => format!("{} was seen; the product of the rates is 0, so there is no factor.", one_in(b)),
    })
}

fn promise(p: f64) -> String {
    if p > 0.0 { one_in(p) } else { "that it never happens".into() }
}

fn columns(e: &Explained) -> String {
    format!("`{}`", e.columns.join("`, `"))
}

fn layers(a: &Analysis) -> Option<String> {
    let known: Vec<(&str, f64)> = a.layers.content.iter().filter_map(|l| Some((l.layer.as_str(), l.rate.value?))).collect();
    let (low, high) = (known.iter().min_by(|x, y| x.1.total_cmp(&y.1))?, known.iter().max_by(|x, y| x.1.total_cmp(&y.1))?);
    if known.len() < 2 {
        return Some(format!("`{}` fails on {} of attacks.", low.0, percent(low.1)));
    }
    let (least, most) = (percent(low.1), percent(high.1));
    if least == most {
        return Some(format!("Every layer fails on {least} of attacks."));
    }
    Some(format!("`{}` fails least, on {least} of attacks, and `{}` most, on {most}.", low.0, high.0))
}

fn curve(a: &Analysis) -> Option<String> {
    let points = &a.curve.content;
    let (first, last) = (points.first()?, points.last()?);
    let (one, all) = (first.rate.value.filter(|v| *v > 0.0)?, last.rate.value?);
    if points.len() < 2 {
        return None;
    }
    if all <= 0.0 {
        let reached = points.iter().rev().find(|p| p.rate.value.is_some_and(|v| v > 0.0))?;
        return Some(format!(
            "No attack beat all {}; sets of {} were all beaten by {} on average.",
            last.layers,
            reached.layers,
            one_in(reached.rate.value?)
        ));
    }
    let steps = (last.layers - 1) as f64;
    let (real, promised) = ((one / all).powf(1.0 / steps), (one / last.independent).powf(1.0 / steps));
    Some(if last.independent > 0.0 && promised > 1.0 {
        format!("Each further layer divides the rate by {} on average; independent layers would divide it by {}.", number(real), number(promised))
    } else {
        format!("Each further layer divides the rate by {} on average.", number(real))
    })
}

fn worth(list: &[Contribution], what: &str) -> Option<String> {
    let known: Vec<(&Contribution, f64)> = list.iter().filter_map(|c| Some((c, c.worth.value?))).collect();
    let low = known.iter().min_by(|x, y| x.1.total_cmp(&y.1))?;
    let high = known.iter().max_by(|x, y| x.1.total_cmp(&y.1))?;
    if known.len() < 2 {
        return None;
    }
    let unsure = known.iter().filter(|k| k.0.worth.interval.is_none_or(|i| i.low.is_none_or(|l| l <= 0.0))).count();
    let rest = match unsure {
        0 => format!("Every {what} adds something that can be detected"),
        n if n == known.len() => format!("For none of the {what}s can a benefit be told from none"),
        n => format!("For {n} of {} no benefit can be told from none", known.len()),
    };
    if number(high.1) == number(low.1) {
        return Some(format!("Every {what} keeps the same part of what its rate promises: {}. {rest}.", number(low.1)));
    }
    Some(format!("`{}` keeps most of what its rate promises ({}), `{}` least ({}). {rest}.", high.0.name, number(high.1), low.0.name, number(low.1)))
}

fn step(steps: &[coincide::Step]) -> Option<String> {
    let worst = steps.iter().filter(|s| s.rate.value.is_some()).max_by(|a, b| a.rate.value.unwrap_or(0.0).total_cmp(&b.rate.value.unwrap_or(0.0)))?;
    Some(format!("`{}` lets through the largest part of what reaches it: {}.", worst.layer, percent(worst.rate.value?)))
}

fn baseline(b: &coincide::GivenBaseline) -> Option<String> {
    let (inside, k) = (b.joint.gap.value?, b.joint.effective_layers.value);
    let worth = k.map_or_else(String::new, |k| format!(", and the layers are worth {} independent ones", factor(k)));
    let often = if (0.95..1.05).contains(&inside) { "as often as".to_owned() } else { format!("{} times as often as", factor(inside)) };
    Some(format!("Among attacks that beat `{}` all layers fail {often} multiplying promises{worth}.", b.baseline))
}

fn pairs(list: &[Pair]) -> Option<String> {
    let known: Vec<(&Pair, f64)> = list.iter().filter_map(|p| Some((p, p.phi_relative.value?))).collect();
    let strongest = known.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let significant = list.iter().filter(|p| p.p_adjusted.is_some_and(|p| p < 0.05)).count();
    let all = list.len();
    let many = if all == 1 {
        if significant == 1 { "Their dependence is significant".to_owned() } else { "Their dependence is not significant".to_owned() }
    } else {
        format!("{} of {} pairs depend on each other significantly", grouped(significant as f64), grouped(all as f64))
    };
    if strongest.1 <= 0.0 {
        return Some(format!("{many}; no two layers fail together more often than independent ones would."));
    }
    Some(format!(
        "{many}; `{}` and `{}` are closest, at {} of the largest correlation that their rates allow.",
        strongest.0.a,
        strongest.0.b,
        percent(strongest.1)
    ))
}

fn variance(v: &Figure) -> Option<String> {
    // Layers of which exactly one always fails do not vary at all: that is 0 up to rounding.
    let value = v.value.map(|x| if x < 1e-9 { 0.0 } else { x })?;
    let said = format!("The number of layers that an attack beats varies {} times as much as if they were independent", number(value));
    let Some((low, high)) = v.interval.and_then(|i| Some((i.low?, i.high?))) else { return Some(format!("{said}.")) };
    let ends = interval(v.interval, number);
    Some(if low > 1.0 {
        format!("{said} ({ends}): they fail together.")
    } else if high < 1.0 {
        format!("{said} ({ends}): where one fails, others hold.")
    } else {
        format!("{said}; the interval {ends} allows for no dependence.")
    })
}

fn patterns(w: &WhatIf) -> Option<String> {
    let o = w.outcomes.as_ref()?;
    let counts = o.pattern_counts();
    let trials: f64 = counts.iter().map(|c| c.1).sum();
    let joint: Vec<&(Vec<bool>, f64)> = counts.iter().filter(|c| c.0.iter().filter(|f| **f).count() >= 2).collect();
    let first = joint.first()?;
    let several: f64 = joint.iter().map(|c| c.1).sum();
    let names: Vec<String> = o.layers.iter().zip(&first.0).filter(|l| *l.1).map(|l| format!("`{}`", l.0.layer)).collect();
    let (last, rest) = names.split_last()?;
    let set = if names.len() > 6 { format!("a set of {} layers", names.len()) } else { format!("{} and {last}", rest.join(", ")) };
    Some(format!(
        "{} of attacks beat two layers or more; the commonest set is {set}, beaten together and alone by {} of them.",
        percent(several / trials),
        grouped(first.1)
    ))
}

fn places(c: &coincide::Causes) -> Option<String> {
    let over = |p: &&coincide::Place| p.share_of_joint_failures.value.unwrap_or(0.0) / p.share_of_trials;
    let most = c
        .places
        .iter()
        .filter(|p| p.share_of_joint_failures.value.is_some() && p.share_of_trials > 0.0)
        .max_by(|a, b| over(a).total_cmp(&over(b)))?;
    let significant = c.places.iter().filter(|p| p.p_adjusted.is_some_and(|p| p < 0.05)).count();
    let sure = match significant {
        0 => "no stratum differs significantly".to_owned(),
        1 => "one stratum differs significantly".to_owned(),
        n => format!("{n} strata differ significantly"),
    };
    Some(format!(
        "`{}` = `{}` has {} of the attacks and {} of the joint failures; {sure}.",
        most.column,
        most.level,
        percent(most.share_of_trials),
        percent(most.share_of_joint_failures.value?)
    ))
}

fn bounds(b: &coincide::Bounds) -> Option<String> {
    let r = b.pairs.unwrap_or(b.marginals);
    if r.low.zip(r.high).is_some_and(|(l, h)| h - l < 1e-9) {
        return Some(format!("Here the rates alone settle how often all fail: on {} of attacks.", percent(r.low?)));
    }
    Some(format!(
        "Whoever knows only {} can say no more than that all fail on {} of attacks.",
        if b.pairs.is_some() { "each layer's and each pair's rate" } else { "each layer's rate" },
        crate::format::range(r, percent)
    ))
}

fn system(s: &coincide::SystemFailure) -> Option<String> {
    let (rate, gap) = (s.rate.value?, s.gap.value);
    let times = gap.map_or_else(String::new, |g| format!(", {} times what independent layers would give", factor(g)));
    Some(if rate > 0.0 { format!("The system fails on {}{times}.", one_in(rate)) } else { "No attack made the system fail.".into() })
}

fn pressure(p: &Pressure) -> Option<String> {
    let tested = p.points.iter().find(|x| x.radius == 0.0)?.worst.value;
    let hundred = p.points.iter().find(|x| x.best_of.is_some_and(|n| (n - 100.0).abs() < 0.5))?;
    match (tested, hundred.worst.value) {
        (Some(t), Some(w)) => {
            Some(format!("An attacker who picks the best of 100 tries can raise the rate from {} to at most {}.", one_in(t), percent(w)))
        }
        _ => {
            let high = hundred.worst.interval.and_then(|i| i.high)?;
            Some(format!("An attacker who picks the best of 100 tries may, as far as the data can exclude, reach {}.", percent(high)))
        }
    }
}

fn attempts(t: &Attempts) -> Option<String> {
    let known: Vec<&coincide::AttemptPoint> = t.points.iter().filter(|p| p.rate.value.is_some()).collect();
    let (first, last) = (known.first()?, known.last()?);
    let rate = |p: &coincide::AttemptPoint| p.rate.value.map_or_else(String::new, percent);
    let how = |p: &coincide::AttemptPoint| if p.extrapolated { " (extrapolated)" } else { "" };
    let said = format!("With {} an attacker beats every layer on {} of goals{}", tries(last.attempts), rate(last), how(last));
    Some(if last.attempts > first.attempts {
        format!("{said}, with {} on {}{}.", tries(first.attempts), rate(first), how(first))
    } else {
        format!("{said}.")
    })
}

fn tries(n: f64) -> String {
    if n <= 1.0 { "one try".into() } else { format!("{} tries", grouped(n)) }
}

fn models(f: &Fit) -> String {
    let fitted = f.models.iter().filter(|m| m.failed.is_none()).count();
    let sound = f.models.iter().filter(|m| m.admissible).count();
    let best = f.best.as_ref().and_then(|b| f.models.iter().find(|m| m.model == *b));
    let which = best.and_then(|m| Some(format!("; `{}` predicts unseen attacks best and says {}", m.model, one_in(m.beta.value?))));
    format!("{sound} of {fitted} models reproduce the joint failures that were seen{}.", which.unwrap_or_default())
}

fn map(m: &MapReport) -> Option<String> {
    let worst = m.reach.first()?;
    let alone = m.reach.get(1).is_none_or(|r| r.defeats.len() != worst.defeats.len());
    let most = if alone { "defeats more techniques than any other failure mode" } else { "is among the failure modes that defeat most techniques" };
    let free = m.pairs.iter().filter(|p| p.shared.is_empty()).count();
    Some(format!("`{}` {most}; {free} of {} pairs of techniques share no mode for certain.", worst.mode, m.pairs.len()))
}

fn modes(m: &ModeReport) -> Option<String> {
    let nominal = m.portfolios.iter().filter(|p| p.scenario == "nominal" && p.beta.value.is_some());
    let best = nominal.min_by(|a, b| a.expected.total_cmp(&b.expected))?;
    let gap = best.gap.value.map_or_else(String::new, |g| format!(", {} times what multiplying promises", factor(g)));
    Some(format!("Portfolio `{}` fails least: all of it on {} of deployments{gap}.", best.portfolio, percent(best.beta.value?)))
}

fn claims(a: &coincide::Argument) -> String {
    let count = |v: coincide::Verdict| a.claims.iter().filter(|c| c.verdict == v).count();
    let (s, r, u) = (count(coincide::Verdict::Supported), count(coincide::Verdict::Refuted), count(coincide::Verdict::Undecidable));
    let total = a.claims.len();
    if total == 1 {
        return format!("The claim is {}.", crate::claims::word(a.claims[0].verdict));
    }
    let part = |n: usize, word: &str| (n > 0).then(|| format!("{n} {word}"));
    let parts: Vec<String> = [part(s, "supported"), part(r, "refuted"), part(u, "undecidable")].into_iter().flatten().collect();
    format!("Of {total} claims: {}.", parts.join(", "))
}

fn campaign(c: &CampaignRecord) -> String {
    let w = &c.watched;
    let ends = format!("{} to {}", percent(w.low), percent(w.high));
    match w.estimate {
        Some(e) if e > 0.0 => format!("So far {} of attacks beat every layer ({ends}, however often one looks).", percent(e)),
        Some(_) => format!("So far no attack of {} beat every layer ({ends}, however often one looks).", grouped(w.trials as f64)),
        None => "No goal is finished yet.".into(),
    }
}

fn alarms(f: &FalseAlarms) -> Option<String> {
    let any = f.any.value?;
    let worst =
        f.layers.iter().filter(|l| l.rate.value.is_some()).max_by(|a, b| a.rate.value.unwrap_or(0.0).total_cmp(&b.rate.value.unwrap_or(0.0)))?;
    Some(format!(
        "{} of benign trials were stopped by some layer, {} by `{}` alone or with others.",
        percent(any),
        percent(worst.rate.value?),
        worst.layer
    ))
}

fn data(a: &Analysis) -> Option<String> {
    let d = &a.data.content;
    let part = d.complete_trials / d.attack_trials;
    Some(if d.complete_trials >= d.attack_trials {
        "Every layer has an outcome on every attack.".into()
    } else {
        let list = a.layers.content.iter().flat_map(|l| &l.missing);
        let mut reasons: BTreeMap<&str, f64> = BTreeMap::new();
        list.for_each(|m| *reasons.entry(m.reason.as_str()).or_default() += m.trials);
        let most = reasons.iter().max_by(|x, y| x.1.total_cmp(y.1))?;
        format!("On {} of attacks every layer has an outcome; the commonest reason for a missing one is `{}`.", percent(part), most.0)
    })
}
