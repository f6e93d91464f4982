//! Encodings: the whole text in another alphabet.

use data_encoding::{BASE32, BASE64, HEXUPPER};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;

pub(super) fn base64(text: &str, _: &mut ChaCha8Rng) -> String {
    BASE64.encode(text.as_bytes())
}

pub(super) fn base16(text: &str, _: &mut ChaCha8Rng) -> String {
    HEXUPPER.encode(text.as_bytes())
}

pub(super) fn base32(text: &str, _: &mut ChaCha8Rng) -> String {
    BASE32.encode(text.as_bytes())
}

/// Adobe's alphabet without the frame, `z` for four zero bytes, as Python's `base64.a85encode`.
pub(super) fn ascii85(text: &str, _: &mut ChaCha8Rng) -> String {
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut four = [0; 4];
        four[..chunk.len()].copy_from_slice(chunk);
        let mut n = u32::from_be_bytes(four);
        if n == 0 && chunk.len() == 4 {
            out.push('z');
            continue;
        }
        let mut digits = [0u8; 5];
        for d in digits.iter_mut().rev() {
            *d = b'!' + (n % 85) as u8;
            n /= 85;
        }
        out.extend(digits[..=chunk.len()].iter().map(|&d| char::from(d)));
    }
    out
}

/// Letters of the Latin alphabet through `map` (0 to 25), everything else as it is.
fn letters(text: &str, map: impl Fn(u8) -> u8) -> String {
    let one = |c: char| match c {
        'a'..='z' => char::from(b'a' + map(c as u8 - b'a')),
        'A'..='Z' => char::from(b'A' + map(c as u8 - b'A')),
        _ => c,
    };
    text.chars().map(one).collect()
}

pub(super) fn rot13(text: &str, _: &mut ChaCha8Rng) -> String {
    letters(text, |x| (x + 13) % 26)
}

/// Three letters on.
pub(super) fn caesar(text: &str, _: &mut ChaCha8Rng) -> String {
    letters(text, |x| (x + 3) % 26)
}

pub(super) fn atbash(text: &str, _: &mut ChaCha8Rng) -> String {
    letters(text, |x| 25 - x)
}

/// ITU-R M.1677-1; a space between letters, ` / ` between words; what has no code stays.
pub(super) fn morse(text: &str, _: &mut ChaCha8Rng) -> String {
    const LETTERS: [&str; 26] = [
        ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---", ".--.", "--.-", ".-.", "...", "-",
        "..-", "...-", ".--", "-..-", "-.--", "--..",
    ];
    const DIGITS: [&str; 10] = ["-----", ".----", "..---", "...--", "....-", ".....", "-....", "--...", "---..", "----."];
    const MARKS: [(char, &str); 13] = [
        ('.', ".-.-.-"),
        (',', "--..--"),
        ('?', "..--.."),
        ('\'', ".----."),
        ('/', "-..-."),
        ('(', "-.--."),
        (')', "-.--.-"),
        (':', "---..."),
        ('=', "-...-"),
        ('+', ".-.-."),
        ('-', "-....-"),
        ('"', ".-..-."),
        ('@', ".--.-."),
    ];
    let one = |c: char| match c.to_ascii_lowercase() {
        l @ 'a'..='z' => LETTERS[usize::from(l as u8 - b'a')].to_owned(),
        d @ '0'..='9' => DIGITS[usize::from(d as u8 - b'0')].to_owned(),
        m => MARKS.iter().find(|x| x.0 == m).map_or_else(|| m.to_string(), |x| x.1.to_owned()),
    };
    let word = |w: &str| w.chars().map(one).collect::<Vec<_>>().join(" ");
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" / ")
}

/// Uncontracted braille; numbers after the number sign; what has no cell stays.
pub(super) fn braille(text: &str, _: &mut ChaCha8Rng) -> String {
    const CELLS: [char; 26] =
        ['⠁', '⠃', '⠉', '⠙', '⠑', '⠋', '⠛', '⠓', '⠊', '⠚', '⠅', '⠇', '⠍', '⠝', '⠕', '⠏', '⠟', '⠗', '⠎', '⠞', '⠥', '⠧', '⠺', '⠭', '⠽', '⠵'];
    let mut out = String::new();
    let mut number = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        if digit && !number {
            out.push('⠼');
        }
        number = digit;
        out.push(match c.to_ascii_lowercase() {
            l @ 'a'..='z' => CELLS[usize::from(l as u8 - b'a')],
            '0' => CELLS[9],
            d @ '1'..='9' => CELLS[usize::from(d as u8 - b'1')],
            ',' => '⠂',
            '.' => '⠲',
            '?' => '⠦',
            '!' => '⠖',
            other => other,
        });
    }
    out
}

/// Eight bits a byte of UTF-8.
pub(super) fn binary(text: &str, _: &mut ChaCha8Rng) -> String {
    text.bytes().map(|b| format!("{b:08b}")).collect::<Vec<_>>().join(" ")
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
pub(super) fn url(text: &str, _: &mut ChaCha8Rng) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            write!(out, "%{b:02X}").expect("a String takes everything");
        }
    }
    out
}
