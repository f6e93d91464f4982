//! The section about a structure: P(system failure) under every law, cut sets, importance, bounds.

use crate::block::{Block, Table};
use crate::format::{factor, grouped, interval, number, one_in, percent, range, value};
use crate::sections::{bounded, heading, reasons, text};
use coincide::{CauseModel, ImportanceMeasures, ImportanceOf, LawKind, LearnedCause, MadeOf, Risk, SystemUnder};

/// Rows of the table of importance.
const SHOWN: usize = 20;
/// Cut sets that the report shows; the document has all that were listed.
const CUT_SETS: usize = 20;

/// A count's digits in groups.
fn count(digits: &str) -> String {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.to_owned();
    }
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The law that the answer is about: the observed rate, or what is stated.
fn main_law(r: &Risk) -> Option<&SystemUnder> {
    let stated = r.laws.iter().rev().find(|l| l.kind == LawKind::Stated);
    r.laws.iter().find(|l| l.kind == LawKind::Observed).or(stated)
}

/// What the risk is, what the laws say, and what it rests on, in sentences.
pub(crate) fn risk_answer(r: &Risk) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(l) = main_law(r) {
        let within = l.rate.interval.map_or_else(String::new, |i| {
            format!(" ({} interval: {})", percent(i.level), crate::format::ends(i.low.filter(|l| *l > 0.0), i.high, one_in))
        });
        let times = l.gap.filter(|g| (g - 1.0).abs() > 0.01).map_or_else(String::new, |g| {
            if g > 1.0 {
                format!(", {} times what independent failures would give", factor(g))
            } else {
                format!(", {} of what independent failures would give", percent(g))
            }
        });
        match (l.rate.value, l.kind) {
            (Some(p), LawKind::Observed) if p > 0.0 => {
                out.push(format!("The system failed on {}{within}{times}.", one_in(p).replacen("1 in", "1 attack in", 1)))
            }
            (Some(_), LawKind::Observed) => {
                let most = l.rate.interval.and_then(|i| i.high).map_or_else(String::new, |h| format!("; the rate is at most {}", one_in(h)));
                out.push(format!("No attack made the system fail{most}."));
            }
            (Some(p), _) if p > 0.0 => {
                let what = if r.made_of == MadeOf::BasicEvents {
                    format!("`{}` fails with probability {}", r.structure, number(p))
                } else {
                    format!("As stated ({}), the system fails on {}", l.law, one_in(p))
                };
                out.push(format!("{what}{within}{times}."));
            }
            (Some(_), _) => out.push("The system cannot fail.".into()),
            (None, _) => {
                if let Some(b) = l.rate.identified {
                    out.push(format!("`{}` certainly fails with a probability of {}.", r.structure, range(b, |p| format!("{p:.2e}"))));
                }
            }
        }
    }
    let sound: Vec<(f64, &SystemUnder)> =
        r.laws.iter().filter(|l| l.kind == LawKind::Fitted && l.admissible == Some(true)).filter_map(|l| Some((l.rate.value?, l))).collect();
    let least = sound.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let most = sound.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    if let (Some(low), Some(high)) = (least, most) {
        out.push(if sound.len() == 1 {
            format!("The one model that holds up, `{}`, says {}.", high.1.law, one_in(high.0))
        } else {
            format!(
                "The {} models that hold up say between {} (`{}`) and {} (`{}`).",
                sound.len(),
                one_in(low.0),
                low.1.law,
                one_in(high.0),
                high.1.law
            )
        });
    }
    out.extend(cut_set_sentence(r));
    out.extend(most_important(r));
    out
}

pub(crate) fn cut_set_sentence(r: &Risk) -> Option<String> {
    let c = &r.cut_sets;
    let first = c.by_order.first()?;
    let what = if r.made_of == MadeOf::Layers { "layer" } else { "event" };
    Some(match (c.total.as_str(), first.order) {
        (_, 0) => "The system fails whatever holds.".to_owned(),
        ("1", n) => {
            format!("It fails in one way only: when {} at once.", if n == 1 { format!("one {what} fails") } else { format!("{n} {what}s fail") })
        }
        (total, 1) => {
            let n = if first.count == "1" { format!("one is a single {what}") } else { format!("{} are a single {what}", count(&first.count)) };
            format!("There are {} minimal sets of failures that bring it down; {n}, behind which nothing stands.", count(total))
        }
        (total, n) => format!("There are {} minimal sets of failures that bring it down; the smallest are {n} {what}s.", count(total)),
    })
}

/// Layers or events of a law, the most critical first; then causes and groups.
fn ranked(list: &[ImportanceMeasures]) -> Vec<&ImportanceMeasures> {
    let single = |i: &&ImportanceMeasures| matches!(i.kind, ImportanceOf::Layer | ImportanceOf::BasicEvent);
    let mut first: Vec<&ImportanceMeasures> = list.iter().filter(single).collect();
    let mut rest: Vec<&ImportanceMeasures> = list.iter().filter(|i| !single(i)).collect();
    for part in [&mut first, &mut rest] {
        part.sort_by(|a, b| b.criticality.unwrap_or(0.0).total_cmp(&a.criticality.unwrap_or(0.0)));
    }
    rest.into_iter().chain(first).collect()
}

/// The law whose importance is shown: the admissible model that comes first, else what is stated last, else any that has it.
fn shown(r: &Risk) -> Option<&SystemUnder> {
    let with = || r.laws.iter().filter(|l| !l.importance.is_empty());
    with()
        .find(|l| l.admissible == Some(true))
        .or_else(|| with().rfind(|l| matches!(l.kind, LawKind::Stated | LawKind::Learned)))
        .or_else(|| with().next())
}

pub(crate) fn most_important(r: &Risk) -> Option<String> {
    let l = shown(r)?;
    let singles: Vec<&ImportanceMeasures> =
        ranked(&l.importance).into_iter().filter(|i| matches!(i.kind, ImportanceOf::Layer | ImportanceOf::BasicEvent)).collect();
    let first = singles.first()?;
    let share = first.criticality?;
    let every: Vec<String> = singles.iter().filter(|i| i.in_every_cut_set).map(|i| format!("`{}`", i.of)).collect();
    if every.len() == singles.len() && every.len() > 1 {
        let last = singles.iter().filter_map(|i| Some((i.achievement_worth?, &i.of))).max_by(|a, b| a.0.total_cmp(&b.0))?;
        return Some(format!(
            "It takes every one of them to fail; without `{}` it would fail {} times as often (`{}`).",
            last.1,
            factor(last.0),
            l.law
        ));
    }
    Some(match every.as_slice() {
        [] => format!("If `{}` never failed, {} of system failures would not be (`{}`).", first.of, percent(share), l.law),
        [one] => format!("{one} is part of every way to fail: were it sure to hold, the system could not fail."),
        many => format!("{} are part of every way to fail.", many.join(", ")),
    })
}

/// One sentence under the section's title.
pub(crate) fn conclusion(r: &Risk) -> Option<String> {
    risk_answer(r).into_iter().next()
}

pub(crate) fn risk(r: &Risk, out: &mut Vec<Block>) {
    heading(out, "risk", if r.made_of == MadeOf::Layers { "Risk of the system" } else { "Risk of the fault tree" });
    let plant = r.made_of == MadeOf::BasicEvents;
    let show: fn(f64) -> String = if plant { number } else { percent };
    let mut t = Table::new(&["law", ">P(system failure)", "interval", ">if independent", ">times", "standing"]);
    for l in &r.laws {
        let standing = match (l.kind, l.admissible) {
            (LawKind::Observed, _) => "counted",
            (LawKind::Fitted, Some(true)) => "holds up",
            (LawKind::Fitted, _) => "does not hold up",
            (LawKind::Stated, _) => "stated",
            (LawKind::Learned, _) => "learned",
            (LawKind::Copula, _) => "copula",
        };
        let rate = match l.rate.value.filter(|_| plant) {
            Some(p) => format!("{p:.14e}"),
            None => l.rate.identified.filter(|_| plant).map_or_else(|| bounded(&l.rate), |r| range(r, |p| format!("{p:.6e}"))),
        };
        t.row(vec![
            l.law.clone(),
            rate,
            interval(l.rate.interval, show),
            l.independent.map_or_else(|| "–".into(), show),
            l.gap.map_or_else(|| "–".into(), number),
            standing.into(),
        ]);
    }
    out.push(Block::Table(t));
    let modules = if r.modules > 1 { format!(" in {} modules", r.modules) } else { String::new() };
    let what = if plant { format!("Top gate `{}` over {} events", r.structure, r.events) } else { format!("The system fails when: {}", r.structure) };
    let size = if r.decisions > 0 { format!(" ({} decisions{modules})", r.decisions) } else { String::new() };
    text(out, format!("{what}{size}."));
    for l in &r.laws {
        for n in &l.notes {
            text(out, format!("{}: {n}", crate::scenarios::capital(&l.law)));
        }
    }
    r.notes.iter().for_each(|n| text(out, n.clone()));
    reasons(out, r.laws.iter().map(|l| &l.rate));
    if let Some(b) = &r.bounds {
        let mut t = Table::new(&["whoever knows only", "can say of P(system failure)"]);
        let row = |name: &str, r: &Option<coincide::Range>| vec![name.to_owned(), r.map_or_else(|| "–".into(), |r| range(r, percent))];
        t.row(row("each layer's rate", &b.marginals));
        t.row(row("each layer's and each pair's rate", &b.pairs));
        heading(out, "", "What the rates leave open");
        out.push(Block::Table(t));
        let loose = if b.sharp { "" } else { " They are not the sharpest that there are: only numbers of failures were kept apart." };
        text(
            out,
            format!(
                "Bounds under any law with these rates, as if they were known exactly.{loose}{}",
                b.undefined.as_ref().map_or_else(String::new, |u| format!(" {}.", crate::scenarios::capital(u)))
            ),
        );
    }
    learned(r, out);
    cut_sets(r, show, out);
    importance(r, show, out);
}

/// Common causes whose factors were learned: a table of factors and of how often shocks happen, and one of failures at once, seen and expected.
fn learned(r: &Risk, out: &mut Vec<Block>) {
    for (i, c) in r.learned_causes.iter().enumerate() {
        heading(out, if i == 0 { "common-causes" } else { "" }, &format!("Common cause `{}`, learned", c.name));
        let mut t = Table::new(&["", ">posterior mean", "interval"]);
        let mut row = |name: String, f: &coincide::Figure, show: fn(f64) -> String| t.row(vec![name, value(f, show), interval(f.interval, show)]);
        c.factors.iter().for_each(|f| row(f.name.clone(), &f.value, number));
        row("Q, the rate of the member that fails least".into(), &c.rate, percent);
        for s in &c.shocks {
            let what = match s.members {
                1 => "shocks of one member".to_owned(),
                n if n == c.layers.len() => "shocks of all members".to_owned(),
                n => format!("shocks of {n} members"),
            };
            row(what, &s.rate, percent);
        }
        out.push(Block::Table(t));
        text(
            out,
            format!(
                "{} Members: {}, over {} trials. A shock's rate is the share of attacks on which some such shock happens.",
                meaning(c),
                c.layers.join(", "),
                grouped(c.trials)
            ),
        );
        c.notes.iter().for_each(|n| text(out, n.clone()));
        if c.failures.is_empty() {
            text(out, "How many failed at once is not compared: trials stopped early.");
            continue;
        }
        let mut t = Table::new(&[">members that failed at once", ">trials", ">expected by shocks"]);
        c.failures.iter().for_each(|f| t.row(vec![f.failed.to_string(), grouped(f.observed), format!("{:.1}", f.expected)]));
        out.push(Block::Table(t));
    }
}

/// How often the first of the learned causes takes several layers at once.
pub(crate) fn learned_sentence(r: &Risk) -> Option<String> {
    let c = r.learned_causes.first()?;
    let (value, interval) = (c.together.value?, c.together.interval?);
    let (least, most) = (interval.low?, interval.high?);
    let who = c.layers.join(", ");
    let attacks = |p: f64| one_in(p).replacen("1 in", "1 attack in", 1);
    let more = if r.learned_causes.len() > 1 { "; there are others" } else { "" };
    // The prior alone is worth half an event of each size.
    Some(if least * c.trials < 1.0 {
        format!(
            "Nothing shows that {who} fail together beyond chance: something takes two or more of them at once on at most {}{more}.",
            attacks(most)
        )
    } else {
        format!("Something takes two or more of {who} at once on {}, beyond what chance does{more}.", attacks(value))
    })
}

/// What the factors of a learned cause are shares of.
fn meaning(c: &LearnedCause) -> &'static str {
    match c.model {
        CauseModel::Beta => "β: the share of the failures of the member that fails least which take the whole group.",
        CauseModel::Mgl => {
            "β, γ, …: of the failures of the member that fails least, the share of those of at least k members that are of at least k + 1."
        }
        CauseModel::Alpha => {
            "αk: the share of failure events that take exactly k members, if all failed on their own as seldom as the one that does least."
        }
        _ => "αk: the share of the failures of the member that fails least which take exactly k members.",
    }
}

fn cut_sets(r: &Risk, show: fn(f64) -> String, out: &mut Vec<Block>) {
    let c = &r.cut_sets;
    heading(out, "cut-sets", "Minimal cut sets");
    if let Some(why) = &c.undefined {
        text(out, format!("They are not counted: {why}."));
        return;
    }
    let mut t = Table::new(&[">members", ">cut sets"]);
    c.by_order.iter().for_each(|o| t.row(vec![o.order.to_string(), count(&o.count)]));
    t.row(vec!["all".into(), count(&c.total)]);
    out.push(Block::Table(t));
    if c.listed.is_empty() {
        return;
    }
    // The likeliest, under the law whose importance is shown.
    let by = shown(r).and_then(|s| r.laws.iter().position(|l| l.law == s.law)).unwrap_or(0);
    let first = r.laws.iter().position(|l| l.kind == LawKind::Observed).filter(|o| *o != by);
    let name = |i: usize| format!(">{}", if r.made_of == MadeOf::BasicEvents { "probability".to_owned() } else { r.laws[i].law.clone() });
    let titles: Vec<String> = ["cut set".to_owned()].into_iter().chain(first.map(name)).chain([name(by)]).collect();
    let mut t = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let cell = |x: Option<f64>| x.map_or_else(|| "–".into(), show);
    for set in c.listed.iter().take(CUT_SETS) {
        let rates = first.into_iter().chain([by]).map(|i| cell(set.rates.get(i).copied().flatten()));
        t.row([set.members.join(", ")].into_iter().chain(rates).collect());
    }
    out.push(Block::Table(t));
    let more = c.listed.len().saturating_sub(CUT_SETS);
    let rest = if more > 0 { format!(" The document has {more} more.") } else { String::new() };
    text(out, format!("Sets of failures of which none may be left out, the likeliest first, with the rate at which all of one happen.{rest}"));
}

fn importance(r: &Risk, show: fn(f64) -> String, out: &mut Vec<Block>) {
    let Some(l) = shown(r) else { return };
    heading(out, "importance", &format!("What the risk rests on (`{}`)", l.law));
    let vesely = l.importance.iter().any(|i| i.fussell_vesely.is_some());
    let uncertain = l.importance.iter().any(|i| i.criticality_interval.is_some());
    let mut titles = vec!["", ">criticality", ">if it surely fails", ">× as is", ">if it never fails", ">as is ÷ that"];
    if vesely {
        titles.insert(2, ">Fussell–Vesely");
    }
    if uncertain {
        titles.insert(2, "interval");
    }
    let mut t = Table::new(&titles);
    let list = ranked(&l.importance);
    let optional = |x: Option<f64>, show: fn(f64) -> String| x.map_or_else(|| "–".into(), show);
    for i in list.iter().take(SHOWN) {
        let kind = match i.kind {
            ImportanceOf::Layer | ImportanceOf::BasicEvent => "",
            ImportanceOf::Group => "group ",
            ImportanceOf::Cause => "cause ",
        };
        let reduction = if i.in_every_cut_set { "∞".to_owned() } else { optional(i.reduction_worth, number) };
        let mut row = vec![
            format!("{kind}{}", i.of),
            optional(i.criticality, percent),
            show(i.if_failed),
            optional(i.achievement_worth, number),
            show(i.if_held),
            reduction,
        ];
        if vesely {
            row.insert(2, optional(i.fussell_vesely, percent));
        }
        if uncertain {
            row.insert(2, interval(i.criticality_interval, percent));
        }
        t.row(row);
    }
    out.push(Block::Table(t));
    let rest = if list.len() > SHOWN { format!(" The document has {} more.", list.len() - SHOWN) } else { String::new() };
    text(
        out,
        format!(
            "Criticality: the share of system failures that would not be if it never failed.{} The last columns are P(system failure) where it is made to fail or to hold from outside, and everything else stays as it is; over, and under, P(system failure) as it is: risk achievement and risk reduction worth.{rest}",
            if vesely { " Fussell–Vesely: the share in which some cut set that holds it has happened." } else { "" }
        ),
    );
}
