//! Small changes of characters that people read over.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) fn leetspeak(text: &str, _: &mut ChaCha8Rng) -> String {
    let one = |c: char| match c.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => c,
    };
    text.chars().map(one).collect()
}

/// Two neighbouring letters inside a word change places, in every second word of four letters or more (at least in the first).
pub(super) fn char_swap(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut changed = false;
    let mut word = |w: &str| -> String {
        let mut c: Vec<char> = w.chars().collect();
        let places: Vec<usize> = (1..c.len().saturating_sub(2)).filter(|&i| c[i] != c[i + 1]).collect();
        if !places.is_empty() && (!changed || rng.random_bool(0.5)) {
            let i = places[rng.random_range(0..places.len())];
            c.swap(i, i + 1);
            changed = true;
        }
        c.into_iter().collect()
    };
    text.split(' ').map(&mut word).collect::<Vec<_>>().join(" ")
}

/// A mark after every third word on average, one at least.
pub(super) fn insert_punctuation(text: &str, rng: &mut ChaCha8Rng) -> String {
    const MARKS: [char; 6] = [',', '.', ';', ':', '!', '?'];
    let words: Vec<&str> = text.split(' ').collect();
    let sure = rng.random_range(0..words.len());
    let mut out = String::new();
    for (i, w) in words.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(w);
        if rng.random_bool(1.0 / 3.0) || i == sure {
            out.push(MARKS[rng.random_range(0..MARKS.len())]);
        }
    }
    out
}

pub(super) fn random_capitals(text: &str, rng: &mut ChaCha8Rng) -> String {
    text.chars().map(|c| if rng.random_bool(0.5) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

/// An acute accent on every vowel.
pub(super) fn diacritic(text: &str, _: &mut ChaCha8Rng) -> String {
    text.chars().flat_map(|c| [Some(c), "aeiouAEIOU".contains(c).then_some('\u{301}')]).flatten().collect()
}

/// One to three combining marks on every letter.
pub(super) fn zalgo(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if c.is_alphanumeric() {
            for _ in 0..rng.random_range(1..=3) {
                out.extend(char::from_u32(rng.random_range(0x300..=0x36F)));
            }
        }
    }
    out
}

pub(super) fn character_space(text: &str, _: &mut ChaCha8Rng) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join(" ")
}
