//! Unicode that looks like the text, or like nothing.

use rand_chacha::ChaCha8Rng;

/// Cyrillic and Greek letters that look like Latin ones (Unicode TR 39).
pub(super) fn unicode_confusable(text: &str, _: &mut ChaCha8Rng) -> String {
    const PAIRS: [(char, char); 22] = [
        ('a', 'а'),
        ('c', 'с'),
        ('e', 'е'),
        ('i', 'і'),
        ('j', 'ј'),
        ('o', 'о'),
        ('p', 'р'),
        ('s', 'ѕ'),
        ('x', 'х'),
        ('y', 'у'),
        ('v', 'ν'),
        ('A', 'А'),
        ('B', 'В'),
        ('C', 'С'),
        ('E', 'Е'),
        ('H', 'Н'),
        ('K', 'К'),
        ('M', 'М'),
        ('O', 'О'),
        ('P', 'Р'),
        ('T', 'Т'),
        ('X', 'Х'),
    ];
    text.chars().map(|c| PAIRS.iter().find(|p| p.0 == c).map_or(c, |p| p.1)).collect()
}

/// A zero-width space between all characters.
pub(super) fn zero_width(text: &str, _: &mut ChaCha8Rng) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join("\u{200b}")
}

/// The text backwards, shown forwards by a right-to-left override.
pub(super) fn bidi(text: &str, _: &mut ChaCha8Rng) -> String {
    format!("\u{202e}{}\u{202c}", text.chars().rev().collect::<String>())
}

/// ASCII as tag characters, which are not shown; other characters have no tag and stay as they are.
pub(super) fn ascii_smuggler(text: &str, _: &mut ChaCha8Rng) -> String {
    text.chars().map(|c| if c.is_ascii() { char::from_u32(0xE0000 + c as u32).unwrap_or(c) } else { c }).collect()
}

/// Bytes as variation selectors after one visible character: 0 to 15 are U+FE00 and on, the rest U+E0100 and on.
pub(super) fn variation_selectors(text: &str, _: &mut ChaCha8Rng) -> String {
    let one = |b: u8| char::from_u32(if b < 16 { 0xFE00 + u32::from(b) } else { 0xE0100 + u32::from(b) - 16 });
    std::iter::once('\u{1F600}').chain(text.bytes().filter_map(one)).collect()
}
