//! The section about a choice of layers.

use crate::block::{Block, Table};
use crate::format::{factor, interval, number, one_in, percent};
use crate::sections::{bounded, heading, text};
use coincide::{Choice, OtherChoice, Selection, WayToChoose};

/// Points of the frontier that are shown.
const POINTS: usize = 15;

fn layers(c: &Choice) -> String {
    if c.layers.is_empty() { "no layer".into() } else { c.layers.join(", ") }
}

fn rate(p: f64) -> String {
    if p > 0.0 { one_in(p).replacen("1 in", "1 attack in", 1) } else { "none of the attacks that were seen".into() }
}

fn way(w: WayToChoose) -> &'static str {
    match w {
        WayToChoose::Independence => "rates multiplied, as if independent",
        WayToChoose::LowCorrelation => "lowest correlation alone",
    }
}

/// What to choose, how sure that is the best, and what other ways would have cost, in sentences.
pub(crate) fn selection_answer(s: &Selection) -> Vec<String> {
    let what = if s.fails.is_some() { "the system fails" } else { "all of them fail" };
    let worst = s.worlds.iter().max_by(|a, b| a.rate.total_cmp(&b.rate)).filter(|_| s.worlds.len() > 1);
    let where_ = worst.map_or_else(String::new, |w| format!(" in the worst of {} worlds, `{}`", s.worlds.len(), w.scenario));
    let mut out = vec![format!("Choose {}: {what} on {}{where_}.", layers(&s.best), rate(s.best.beta))];
    out.push(if s.proven {
        "No other choice that keeps to the limits is better.".to_owned()
    } else if s.bound > 0.0 {
        format!("Another choice may be better, by a factor of {} at most.", factor(s.best.beta / s.bound))
    } else {
        "Another choice may be better; nothing is known about by how much.".to_owned()
    });
    out.extend(s.others.iter().filter(|o| o.way == WayToChoose::Independence).map(naive(s)));
    if let Some(p) = s.held_out.value {
        let within = s.held_out.interval.map_or_else(String::new, |i| format!(" ({} interval: {})", percent(i.level), interval(Some(i), percent)));
        out.push(format!("On clusters that it had not seen, this way to choose let through {}{within}.", percent(p)));
    }
    out
}

fn naive(s: &Selection) -> impl Fn(&OtherChoice) -> String + '_ {
    |o| {
        if o.choice.layers == s.best.layers {
            return "Multiplying failure rates would choose the same layers.".to_owned();
        }
        let believes = o.believes.map_or_else(String::new, |b| format!(", believing in {}", percent(b)));
        let times = if s.best.beta > 0.0 { format!(", {} times as much as the best", factor(o.choice.beta / s.best.beta)) } else { String::new() };
        format!("Multiplying failure rates would choose {}{believes}: they let through {}{times}.", layers(&o.choice), percent(o.choice.beta))
    }
}

pub(crate) fn selection(s: &Selection, out: &mut Vec<Block>) {
    heading(out, "selection", "Which layers to choose");
    let taken: Vec<&String> = s.best.takes.keys().collect();
    let mut titles = vec!["way to choose".to_owned(), "layers".into(), ">β".into()];
    titles.extend(taken.iter().map(|t| format!(">{t}")));
    if s.best.false_alarm.is_some() {
        titles.push(">false alarms".into());
    }
    titles.extend([">believes".to_owned(), ">on unseen clusters".into(), "interval".into()]);
    let mut t = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let mut row = |name: &str, c: &Choice, believes: Option<f64>, held_out: &coincide::Figure| {
        let mut cells = vec![name.to_owned(), layers(c), percent(c.beta)];
        cells.extend(taken.iter().map(|k| c.takes.get(*k).map_or_else(|| "–".into(), |x| number(*x))));
        cells.extend(c.false_alarm.map(percent));
        cells.extend([believes.map_or_else(|| "–".into(), percent), bounded(held_out), interval(held_out.interval, percent)]);
        t.row(cells);
    };
    row("the best", &s.best, None, &s.held_out);
    s.others.iter().for_each(|o| row(way(o.way), &o.choice, o.believes, &o.held_out));
    out.push(Block::Table(t));
    let by = match s.worst {
        _ if s.judged_by == "observed" => "β is what was counted".to_owned(),
        Some(share) => format!("β is the mean over the worst {} of the posterior draws of `{}`", percent(share), s.judged_by),
        None => format!("β is the posterior mean of `{}`", s.judged_by),
    };
    text(
        out,
        format!(
            "{by}. It flatters every choice that was made by it: on unseen clusters, each way chose on four fifths of the clusters and was judged on the rest."
        ),
    );
    if let Some(f) = &s.fails {
        text(out, format!("The system fails where {f}; layers that are not chosen count as failed."));
    }
    if !s.worlds.is_empty() {
        let list: Vec<String> = s.worlds.iter().map(|w| format!("{} in `{}`", percent(w.rate), w.scenario)).collect();
        text(
            out,
            format!("The best choice lets through {}. Choices are judged by the worst; unseen clusters are of the world as tested.", list.join(", ")),
        );
    }
    if !s.unaffordable.is_empty() {
        text(out, format!("No limit leaves room for {}.", s.unaffordable.join(", ")));
    }
    s.notes.iter().for_each(|n| text(out, n.clone()));
    let Some(along) = s.along.as_ref().filter(|_| s.frontier.len() > 1) else { return };
    heading(out, "frontier", &format!("The best for less {along}"));
    let mut t = Table::new(&[&format!(">{along}"), ">β", "layers"]);
    for c in s.frontier.iter().take(POINTS) {
        t.row(vec![c.takes.get(along).map_or_else(|| c.layers.len().to_string(), |x| number(*x)), percent(c.beta), layers(c)]);
    }
    out.push(Block::Table(t));
    let more = s.frontier.len().saturating_sub(POINTS);
    if more > 0 {
        text(out, format!("The document has {more} more."));
    }
}
