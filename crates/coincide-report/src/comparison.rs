//! The section about what changed since an earlier table.

use crate::block::{Block, Table};
use crate::format::{full, grouped, interval, number, p_value, percent, value};
use crate::sections::{bounded, cut_short, heading, reasons, text};
use coincide::{Change, ChangeTest, ChangeVerdict, Comparison, Drift, Figure, PairChange, StandardisedChange};

/// Share of the whole change up to which the mix does not explain it, and 1 minus the share from which it explains all.
const NEXT_TO_NOTHING: f64 = 0.1;
/// Pairs that are shown.
const SHOWN: usize = 20;
/// Layers that the answer names.
const NAMED: usize = 3;

/// Whether β changed, how much of that is the mix of attacks, which layers changed, and what a monitor has seen: three sentences at most.
pub(crate) fn comparison_answer(c: &Comparison, d: Option<&Drift>) -> Vec<String> {
    let mut out = vec![beta_sentence(&c.beta)];
    out.extend(mix_sentence(c));
    let monitor = d.map(monitor_sentence);
    if out.len() + usize::from(monitor.is_some()) < 3 {
        out.extend(layers_sentence(c));
    }
    out.extend(monitor);
    out
}

/// "(p = 0.003)".
fn p_words(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {}", number(p)) }
}

/// The p-value in brackets, after a space.
fn tested(c: &Change) -> String {
    c.p_value.map_or_else(String::new, |p| format!(" ({})", p_words(p)))
}

/// A difference of rates in percentage points.
fn points(x: f64) -> String {
    if x.abs() < 1e-12 {
        // What rounding left of nothing.
        return "0".into();
    }
    let sign = if x > 0.0 { "+" } else { "" };
    format!("{sign}{}", number(100.0 * x))
}

/// A logarithm as the factor that it stands for.
fn times(x: f64) -> String {
    number(x.exp())
}

/// A rate for a sentence: with the trials where none of them had the event, or what it lies between.
fn rate(f: &Figure, trials: Option<f64>) -> String {
    match (f.value, f.identified) {
        (Some(v), _) if v <= 0.0 => trials.map_or_else(|| percent(v), |n| format!("0% (none of {} attacks)", grouped(n))),
        (Some(v), _) => percent(v),
        (None, Some(r)) => format!("between {} and {}", percent(r.low.unwrap_or(0.0)), percent(r.high.unwrap_or(1.0))),
        (None, None) => "unknown".into(),
    }
}

/// β before and after, or whatever else a change is about.
fn sides(c: &Change) -> (String, String) {
    (rate(&c.before, c.counted_before.map(|n| n.trials)), rate(&c.after, c.counted_after.map(|n| n.trials)))
}

/// "-0.5 to +0.9 percentage points"; none without an interval.
fn left_open(c: &Change) -> Option<String> {
    c.change.interval.map(|i| format!("{} percentage points", interval(Some(i), points)))
}

fn beta_sentence(c: &Change) -> String {
    let (before, after) = sides(c);
    match c.verdict {
        ChangeVerdict::Rose => format!("β rose from {before} to {after}, more than chance explains{}.", tested(c)),
        ChangeVerdict::Fell => format!("β fell from {before} to {after}, more than chance explains{}.", tested(c)),
        ChangeVerdict::WithinNoise => {
            let open = left_open(c).map_or_else(String::new, |o| format!("; a change of {o} is not excluded"));
            if c.change.value == Some(0.0) {
                return format!("β is {after}, as before{open}.");
            }
            format!("β was {before} and is {after} now, a difference that chance explains{}{open}.", tested(c))
        }
        ChangeVerdict::Undetermined => {
            let nothing = |f: &Figure| f.value == Some(0.0);
            if nothing(&c.before) && nothing(&c.after) {
                let open = left_open(c).map_or_else(String::new, |o| format!(": its change lies within {o}"));
                return format!("No attack beat every layer, neither before nor now, so nothing says that β changed{open}.");
            }
            match &c.change.undefined {
                _ if before == after && c.change.value == Some(0.0) => format!("β is {after}, as before."),
                Some(why) => format!("Whether β changed cannot be told: {why}."),
                None => format!("β was {before} and is {after} now; whether that is more than chance cannot be told."),
            }
        }
    }
}

/// What a changed mix of attacks has to do with it; none where there is no other mix.
fn mix_sentence(c: &Comparison) -> Option<String> {
    let s = c.standardised.as_ref()?;
    let (whole, layers) = (c.beta.change.value?, s.beta.change.value?);
    let mix = whole - layers;
    let alike = c.mix_distance.is_none_or(|d| d <= coincide::SAME_MIX) && s.left_out.is_empty();
    if alike && mix.abs() <= NEXT_TO_NOTHING * whole.abs() {
        return None;
    }
    let (before, after) = sides(&s.beta);
    let changed = |v: ChangeVerdict| matches!(v, ChangeVerdict::Rose | ChangeVerdict::Fell);
    let test = tested(&s.beta);
    let hidden = changed(s.beta.verdict) && !changed(c.beta.verdict);
    let would = if !s.left_out.is_empty() {
        format!("with last time's mix of the strata that both have it would have gone from {before} to {after}")
    } else if hidden {
        format!("with last time's mix it would have gone from {before} to {after}")
    } else {
        format!("with last time's mix it would be {after}")
    };
    let judged = match s.beta.verdict {
        ChangeVerdict::Rose | ChangeVerdict::Fell => format!(", a change that is more than chance explains{test}"),
        ChangeVerdict::WithinNoise => format!(", a change that chance explains{test}"),
        ChangeVerdict::Undetermined => String::new(),
    };
    let share = mix / whole;
    let what = match (changed(c.beta.verdict), hidden) {
        (true, _) if share > 1.0 - NEXT_TO_NOTHING => "It is the mix of attacks that changed",
        (true, _) if share > NEXT_TO_NOTHING => "Part of it is a changed mix of attacks",
        (true, _) if share >= -NEXT_TO_NOTHING => "A changed mix of attacks does not explain it",
        (true, _) => "A changed mix of attacks hides part of it",
        (false, true) => "A changed mix of attacks hides a change",
        (false, false) => "The mix of attacks is not the same either",
    };
    Some(format!("{what}: {would}{judged}."))
}

/// Layers whose own rate changed; none where there is one layer, or nothing to test.
fn layers_sentence(c: &Comparison) -> Option<String> {
    if c.rates.len() < 2 || c.rates.iter().all(|l| l.rate.verdict == ChangeVerdict::Undetermined) {
        return None;
    }
    let mut parts = Vec::new();
    for (verdict, how) in [(ChangeVerdict::Rose, "more"), (ChangeVerdict::Fell, "less")] {
        for l in c.rates.iter().filter(|l| l.rate.verdict == verdict) {
            let (before, after) = sides(&l.rate);
            parts.push(format!("`{}` fails {how} often ({after} instead of {before})", l.layer));
        }
    }
    if parts.is_empty() {
        return Some("No single layer's rate changed by more than chance explains.".into());
    }
    let more = parts.len().saturating_sub(NAMED);
    parts.truncate(NAMED);
    let rest = match more {
        0 => String::new(),
        1 => "; one more layer changed too".into(),
        n => format!("; {n} more layers changed too"),
    };
    Some(format!("By more than chance explains, {}{rest}.", parts.join(", ")))
}

fn monitor_sentence(d: &Drift) -> String {
    let seen = grouped(d.trials as f64);
    let p = p_words(d.p_value);
    match d.alarm_at {
        _ if d.trials == 0 => "The monitor has seen nothing yet.".into(),
        Some(at) => format!(
            "The monitor raised its alarm at observation {} of {seen}: β exceeds {} ({p}, however often one looks).",
            grouped(at as f64),
            percent(d.rate)
        ),
        None => format!(
            "The monitor raised no alarm in {seen} observations: nothing shows that β exceeds {} ({p}, however often one looks).",
            percent(d.rate)
        ),
    }
}

fn verdict(v: ChangeVerdict) -> &'static str {
    match v {
        ChangeVerdict::Rose => "rose",
        ChangeVerdict::Fell => "fell",
        ChangeVerdict::WithinNoise => "within noise",
        ChangeVerdict::Undetermined => "cannot be told",
    }
}

fn test_name(t: ChangeTest) -> &'static str {
    match t {
        ChangeTest::FisherExact => "Fisher's exact test",
        ChangeTest::RaoScott => "Rao and Scott's test at effective sample sizes",
        ChangeTest::Linearised => "the linearised t test",
    }
}

/// Cells of a rate's row behind its name.
fn rates(c: &Change, p: Option<f64>) -> Vec<String> {
    vec![bounded(&c.before), bounded(&c.after), value(&c.change, points), interval(c.change.interval, points), p_value(p), verdict(c.verdict).into()]
}

/// Cells of a logarithm's row behind its name, as factors.
fn factors(c: &Change, mark: &str) -> Vec<String> {
    // Without a joint failure there is a bound and no value.
    let one = |f: &Figure| if f.value.is_none() { full(f, times) } else { format!("{}{mark}", value(f, times)) };
    vec![one(&c.before), one(&c.after), value(&c.change, times), interval(c.change.interval, times), p_value(c.p_adjusted), verdict(c.verdict).into()]
}

fn row(name: String, cells: Vec<String>) -> Vec<String> {
    std::iter::once(name).chain(cells).collect()
}

pub(crate) fn comparison(c: &Comparison, d: Option<&Drift>, out: &mut Vec<Block>) {
    heading(out, "comparison", "What changed");
    let mut t = Table::new(&["all layers fail", ">before", ">after", ">change in points", "interval", ">p", "verdict"]);
    t.row(row("β".into(), rates(&c.beta, c.beta.p_value)));
    if let Some(s) = &c.standardised {
        t.row(row("β, earlier mix".into(), rates(&s.beta, s.beta.p_value)));
    }
    out.push(Block::Table(t));
    text(out, about_beta(c));
    out.extend(c.standardised.as_ref().map(|s| Block::Text(about_mix(s))));
    reasons(out, std::iter::once(&c.beta.change).chain(c.standardised.iter().map(|s| &s.beta.change)));
    out.extend(d.filter(|d| d.trials > 0).map(|d| Block::Text(about_monitor(d))));
    c.notes.iter().for_each(|n| text(out, n.clone()));

    heading(out, "", "Each layer before and after");
    let mut t = Table::new(&["layer", ">before", ">after", ">change in points", "interval", ">p adj.", "verdict"]);
    for l in &c.rates {
        t.row_or(row(l.layer.clone(), rates(&l.rate, l.rate.p_adjusted)), cut_short(&l.layer, 18));
    }
    out.push(Block::Table(t));
    text(
        out,
        "p adj.: against no change, Benjamini–Hochberg over every change that is compared here; verdicts on single layers, pairs and the gap go by it.",
    );
    reasons(out, c.rates.iter().map(|l| &l.rate.change));

    dependence(c, out);

    if let Some(f) = &c.false_alarms {
        heading(out, "", "False alarms before and after");
        let mut t = Table::new(&["benign trials", ">before", ">after", ">change in points", "interval", ">p adj.", "verdict"]);
        t.row(row("stopped by some layer".into(), rates(f, f.p_adjusted)));
        out.push(Block::Table(t));
        reasons(out, std::iter::once(&f.change));
    }
}

/// What β was counted from, by which factor it changed, and how that was tested.
fn about_beta(c: &Comparison) -> String {
    let mut lines = Vec::new();
    if let (Some(b), Some(a)) = (c.beta.counted_before, c.beta.counted_after) {
        lines.push(format!(
            "{} of {} attacks beat every layer before, {} of {} after.",
            grouped(b.events),
            grouped(b.trials),
            grouped(a.events),
            grouped(a.trials)
        ));
    }
    match c.beta.ratio.as_ref().map(|r| (r.value, r.interval)) {
        Some((Some(x), i)) => lines.push(format!("β after is {} times β before (interval: {}).", number(x), interval(i, number))),
        Some((None, Some(i))) => lines.push(format!("β after over β before: {}.", interval(Some(i), number))),
        _ => {}
    }
    let test = c.beta.test.map_or_else(String::new, |t| format!("; p by {}", test_name(t)));
    lines.push(format!("Intervals at {}{test}.", percent(c.level)));
    lines.push("Within noise is no proof that nothing changed: the interval says what is left open.".into());
    lines.join(" ")
}

fn about_mix(s: &StandardisedChange) -> String {
    let mut lines = vec![format!("Earlier mix: both tables with the shares that `{}` had before.", s.columns.join("`, `"))];
    if let Some(m) = s.mix.value {
        lines.push(format!("The changed mix makes {} points of the whole change.", points(m)));
    }
    if !s.left_out.is_empty() {
        lines.push(format!(
            "Strata of both tables hold {} of the attacks before and {} of those after; the others are left out there.",
            percent(s.share_before),
            percent(s.share_after)
        ));
    }
    lines.join(" ")
}

/// Evidence from its logarithm, where it may be too large for a number.
fn evidence(log10: f64) -> String {
    if log10 < 300.0 { number(10f64.powf(log10)) } else { format!("10^{log10:.0}") }
}

fn about_monitor(d: &Drift) -> String {
    format!(
        "{} {} joint failures in {} observations are a mean of {} ({} at every observation at once). Evidence against {}: {} now, {} at most so far. While β does not exceed that, the chance of an alarm is at most {}, however long it watches.",
        monitor_sentence(d),
        grouped(d.failures),
        grouped(d.trials as f64),
        value(&d.running_mean, percent),
        interval(d.running_mean.interval, percent),
        percent(d.rate),
        evidence(d.log10_e),
        evidence(d.log10_highest_e),
        percent(1.0 - d.confidence)
    )
}

/// The gap and the pairs, as factors.
fn dependence(c: &Comparison, out: &mut Vec<Block>) {
    if c.rates.len() < 2 {
        return;
    }
    heading(out, "", "Dependence before and after");
    let mut order: Vec<&PairChange> = c.pairs.iter().collect();
    let size = |p: &PairChange| p.ln_odds_ratio.change.value.map_or(-1.0, f64::abs);
    let p = |x: &PairChange| x.ln_odds_ratio.p_adjusted.unwrap_or(2.0);
    order.sort_by(|a, b| p(a).total_cmp(&p(b)).then_with(|| size(b).total_cmp(&size(a))));
    let mut t = Table::new(&["", ">before", ">after", ">times", "interval", ">p adj.", "verdict"]);
    t.row_or(row("gap (β/Πp)".into(), factors(&c.ln_gap, "")), "gap (β/Πp)".into());
    for x in order.iter().take(SHOWN) {
        let cells = factors(&x.ln_odds_ratio, if x.half_added { "*" } else { "" });
        t.row_or(row(format!("{} × {}", x.a, x.b), cells), format!("{} × {}", cut_short(&x.a, 9), cut_short(&x.b, 9)));
    }
    out.push(Block::Table(t));
    let mut lines = Vec::new();
    if order.len() > SHOWN {
        lines.push(format!("The {SHOWN} pairs that changed most surely of {}; the document has all.", order.len()));
    }
    if order.iter().any(|x| x.half_added) {
        lines.push("* ½ added to each cell of a table because one was empty.".into());
    }
    lines.push("Of pairs: the odds ratio of failing together. 1 is independence; times: after over before.".into());
    text(out, lines.join(" "));
    reasons(out, std::iter::once(&c.ln_gap.change).chain(c.pairs.iter().map(|x| &x.ln_odds_ratio.change)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use coincide::{Columns, CompareOptions, JointOutcomes, Outcome, TableBuilder, TrialRow, compare};

    /// 1000 attacks, of which `both` beat both layers and `judge` more the judge alone.
    fn table(both: usize, judge: usize) -> JointOutcomes {
        let mut b = TableBuilder::new(Columns { layers: vec!["filter".into(), "judge".into()], ..Columns::default() }).unwrap();
        for i in 0..1000 {
            let outcomes = match i {
                i if i < both => [Outcome::Failed, Outcome::Failed],
                i if i < 200 => [Outcome::Failed, Outcome::Held],
                i if i < 200 + judge => [Outcome::Held, Outcome::Failed],
                _ => [Outcome::Held, Outcome::Held],
            };
            b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() });
        }
        b.finish()
    }

    fn compared(before: usize, after: usize) -> Comparison {
        compare(&table(before, 0), &table(after, 0), &CompareOptions::default()).unwrap()
    }

    fn drift(alarm_at: Option<u64>) -> Drift {
        Drift {
            rate: 0.01,
            confidence: 0.95,
            trials: 5000,
            failures: 90.0,
            running_mean: Figure::of(0.018, ""),
            log10_e: 2.0,
            e_value: Some(100.0),
            log10_highest_e: 2.5,
            p_value: 0.0032,
            alarm_at,
        }
    }

    #[test]
    fn a_rise_is_told_from_chance() {
        let out = comparison_answer(&compared(12, 35), None);
        assert!(out[0].starts_with("β rose from 1.2% to 3.5%, more than chance explains (p "), "{}", out[0]);
        assert!(out[1].contains("`judge` fails more often (3.5% instead of 1.2%)"), "{}", out[1]);
        let out = comparison_answer(&compared(12, 14), None);
        assert!(out[0].starts_with("β was 1.2% and is 1.4% now, a difference that chance explains (p = "), "{}", out[0]);
        assert_eq!(out[1], "No single layer's rate changed by more than chance explains.");
        assert!(comparison_answer(&compared(0, 0), None)[0].starts_with("No attack beat every layer, neither before nor now"));
        assert!(comparison_answer(&compared(0, 30), None)[0].starts_with("β rose from 0% (none of 1,000 attacks) to 3%"));
    }

    #[test]
    fn the_mix_and_the_monitor() {
        let mut c = compared(12, 35);
        let at_earlier = |after: f64, verdict: ChangeVerdict| StandardisedChange {
            columns: vec!["kind".into()],
            beta: Change {
                before: Figure::of(0.012, ""),
                after: Figure::of(after, ""),
                change: Figure::of(after - 0.012, ""),
                p_value: Some(0.2),
                verdict,
                ..Change::default()
            },
            mix: Figure::of(0.035 - after, ""),
            left_out: Vec::new(),
            share_before: 1.0,
            share_after: 1.0,
        };
        c.mix_distance = Some(0.3);
        c.standardised = Some(at_earlier(0.018, ChangeVerdict::WithinNoise));
        let out = comparison_answer(&c, Some(&drift(Some(412))));
        assert_eq!(
            out[1],
            "Part of it is a changed mix of attacks: with last time's mix it would be 1.8%, a change that chance explains (p = 0.20)."
        );
        assert_eq!(out[2], "The monitor raised its alarm at observation 412 of 5,000: β exceeds 1% (p = 0.0032, however often one looks).");
        assert_eq!(out.len(), 3);
        c.standardised = Some(at_earlier(0.035, ChangeVerdict::Rose));
        assert!(comparison_answer(&c, None)[1].starts_with("A changed mix of attacks does not explain it: "));
        // The same mix is not worth a sentence.
        c.mix_distance = Some(0.01);
        assert!(mix_sentence(&c).is_none());
        assert!(comparison_answer(&c, Some(&drift(None)))[2].starts_with("The monitor raised no alarm in 5,000 observations"));
    }

    #[test]
    fn every_row_has_its_cells() {
        let c = compare(&table(0, 30), &table(35, 30), &CompareOptions::default()).unwrap();
        let mut out = Vec::new();
        comparison(&c, Some(&drift(None)), &mut out);
        let tables: Vec<&Table> = out.iter().filter_map(|b| if let Block::Table(t) = b { Some(t) } else { None }).collect();
        assert_eq!(tables.len(), 3);
        assert!(tables.iter().all(|t| t.rows.iter().all(|r| r.len() == t.columns.len())));
        // Without a joint failure before, the gap has a bound there and no value.
        assert!(tables[2].rows[0][1].starts_with('≤'), "{:?}", tables[2].rows[0]);
    }
}
