//! Numbers as people read them. The only place where digits are dropped.

use coincide::{Figure, Interval, Range};

/// Three significant digits, without an exponent where that stays readable.
pub(crate) fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let size = x.abs();
    if !(1e-4..1e6).contains(&size) {
        return format!("{x:.1e}");
    }
    if size >= 1000.0 {
        return grouped(x);
    }
    let digits = significant(size, if size >= 10.0 { 3 } else { 2 });
    without_zeros(format!("{x:.digits$}"), x)
}

/// Digits after the point for `many` significant ones.
fn significant(size: f64, many: i32) -> usize {
    (many - 1 - size.log10().floor() as i32).clamp(0, 12) as usize
}

/// "95" instead of "95.0", but "1.50" keeps its digits.
fn without_zeros(text: String, x: f64) -> String {
    if (x - x.round()).abs() < 1e-9 && text.contains('.') { format!("{x:.0}") } else { text }
}

/// A whole number with thousands separated by commas; fractions get one digit.
pub(crate) fn grouped(x: f64) -> String {
    let whole = x.abs().round();
    if (x - x.round()).abs() > 1e-9 && whole < 1000.0 {
        return format!("{x:.1}");
    }
    let text = format!("{whole:.0}");
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i > 0 && (text.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    if x < 0.0 { format!("-{out}") } else { out }
}

/// A probability in per cent.
pub(crate) fn percent(p: f64) -> String {
    if p == 0.0 {
        return "0%".into();
    }
    let size = p.abs();
    if size < 1e-12 {
        // A limit so small that its digits say nothing.
        return "≈0%".into();
    }
    let x = 100.0 * p;
    if 100.0 * size < 1e-3 {
        return format!("{p:.1e}");
    }
    let digits = significant(100.0 * size, if size >= 0.1 { 3 } else { 2 });
    format!("{}%", without_zeros(format!("{x:.digits$}"), x))
}

/// "1 in 105".
pub(crate) fn one_in(p: f64) -> String {
    if p > 0.0 && p < 1e-9 {
        return format!("1 in {:.0e}", 1.0 / p);
    }
    if p >= 0.5 { percent(p) } else { format!("1 in {}", grouped_short(1.0 / p)) }
}

fn grouped_short(x: f64) -> String {
    if x < 10.0 {
        return format!("{x:.1}").trim_end_matches(".0").to_owned();
    }
    // Three digits are all that such a number has.
    let scale = 10f64.powf((x.log10().floor() - 2.0).max(0.0));
    grouped((x / scale).round() * scale)
}

/// "2.5 times" reads better than "2.50×".
pub(crate) fn factor(x: f64) -> String {
    if x >= 1e6 {
        return number(x);
    }
    if x >= 10.0 { grouped_short(x) } else { format!("{x:.1}").trim_end_matches(".0").to_owned() }
}

/// Both ends of an interval, held together by no-break spaces so that a table does not break inside it.
pub(crate) fn ends(low: Option<f64>, high: Option<f64>, show: impl Fn(f64) -> String) -> String {
    match (low, high) {
        (Some(l), Some(h)) => format!("{}\u{a0}to\u{a0}{}", show(l), show(h)),
        (Some(l), None) => format!("≥\u{a0}{}", show(l)),
        (None, Some(h)) => format!("≤\u{a0}{}", show(h)),
        (None, None) => "open".into(),
    }
}

pub(crate) fn interval(i: Option<Interval>, show: impl Fn(f64) -> String) -> String {
    i.map_or_else(|| "–".into(), |i| ends(i.low, i.high, show))
}

pub(crate) fn range(r: Range, show: impl Fn(f64) -> String) -> String {
    ends(r.low, r.high, show)
}

/// The value, or what it lies between, or "undefined".
pub(crate) fn value(f: &Figure, show: impl Fn(f64) -> String) -> String {
    match (f.value, f.identified) {
        (Some(v), _) => show(v),
        (None, Some(r)) => format!("in [{}]", range(r, show)),
        (None, None) => "undefined".into(),
    }
}

/// Value and interval in one cell.
pub(crate) fn full(f: &Figure, show: impl Fn(f64) -> String + Copy) -> String {
    let v = value(f, show);
    match f.interval {
        Some(i) if f.value.is_some() => format!("{v} ({})", interval(Some(i), show)),
        Some(i) if f.identified.is_none() => interval(Some(i), show),
        _ => v,
    }
}

/// A p-value.
pub(crate) fn p_value(p: Option<f64>) -> String {
    match p {
        None => "–".into(),
        Some(p) if p < 1e-4 => format!("{p:.0e}"),
        Some(p) => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_or_three_digits() {
        for (x, text) in
            [(0.0, "0"), (2.5249, "2.5"), (15.147, "15.1"), (0.01234, "0.012"), (123_456.0, "123,456"), (1.2e-7, "1.2e-7"), (-0.31, "-0.31")]
        {
            assert_eq!(number(x), text);
        }
        assert_eq!(percent(0.009_538), "0.95%");
        assert_eq!(percent(0.278_2), "27.8%");
        assert_eq!(one_in(0.009_538_95), "1 in 105");
        assert_eq!(one_in(0.000_629_76), "1 in 1,590");
    }
}
