//! Attack operators: named, seeded rewritings of a prompt, by the field's names, that compose.
//!
//! Each is a function of the text and a stream of random numbers: the same seed, attack and chain give the same prompt on any machine. An encoding alone
//! does not ask for decoding; put a wrapper around it where the target should be told.

mod character;
mod encoding;
mod splitting;
mod unicode;
mod wrapper;

use rand_chacha::ChaCha8Rng;

/// What an operator is: its name, its group and what it does.
#[derive(Clone, Copy)]
pub struct Operator {
    /// The field's name.
    pub name: &'static str,
    /// `encoding`, `character`, `unicode`, `wrapper` or `splitting`.
    pub group: &'static str,
    apply: fn(&str, &mut ChaCha8Rng) -> String,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! operators {
    ($($group:ident: $($name:ident)*;)*) => {
        /// Every operator there is.
        pub const OPERATORS: &[Operator] = &[$($(Operator { name: stringify!($name), group: stringify!($group), apply: $group::$name },)*)*];
    };
}

operators! {
    encoding: base64 base16 base32 ascii85 rot13 caesar atbash morse braille binary url;
    character: leetspeak char_swap insert_punctuation random_capitals diacritic zalgo character_space;
    unicode: unicode_confusable zero_width bidi ascii_smuggler variation_selectors;
    wrapper: role_play prefix_injection refusal_suppression policy_puppetry skeleton_key authority many_shot flip;
    splitting: payload_splitting chunked_request string_join;
}

/// Operators one after the other, the first innermost.
#[derive(Debug, Clone, Default)]
pub struct Chain(pub Vec<&'static Operator>);

impl Chain {
    /// The rewritten prompt.
    ///
    /// ```
    /// use coincide_stress::Chain;
    /// use coincide::{Purpose, Seed};
    /// let chain = Chain::parse("rot13+base64").unwrap();
    /// let mut rng = Seed(1).stream(Purpose::Operators, 0);
    /// assert_eq!(chain.apply("Hello", &mut rng), "VXJ5eWI=");
    /// ```
    pub fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        self.0.iter().fold(text.to_owned(), |text, operator| (operator.apply)(&text, rng))
    }

    /// The names with `+` between, `plain` where there is none.
    pub fn name(&self) -> String {
        if self.0.is_empty() { "plain".into() } else { self.0.iter().map(|o| o.name).collect::<Vec<_>>().join("+") }
    }

    /// A chain by its name. Fails with the first name that is no operator.
    pub fn parse(text: &str) -> Result<Chain, String> {
        if text == "plain" {
            return Ok(Chain::default());
        }
        text.split('+').map(|name| find(name).ok_or_else(|| name.to_owned())).collect::<Result<_, _>>().map(Chain)
    }
}

/// The operator of a name.
pub fn find(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|o| o.name == name)
}

/// Every sequence of different operators of `of`, up to `depth` long, shorter ones first.
pub fn compositions(of: &[&'static Operator], depth: usize) -> Vec<Chain> {
    let mut all: Vec<Chain> = Vec::new();
    let mut last = vec![Chain::default()];
    for _ in 0..depth {
        let longer = last.iter().flat_map(|chain| {
            let free = of.iter().filter(|o| !chain.0.iter().any(|c| c.name == o.name));
            free.map(|o| Chain(chain.0.iter().chain([o]).copied().collect()))
        });
        last = longer.collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use coincide::{Purpose, Seed};

    fn with(name: &str, text: &str) -> String {
        Chain::parse(name).unwrap().apply(text, &mut Seed(7).stream(Purpose::Operators, 0))
    }

    /// Values of Python's base64, codecs, binascii and urllib.parse.
    #[test]
    fn encodings_agree_with_python() {
        let text = "Hällo, World 7!";
        for (name, want) in [
            ("base64", "SMOkbGxvLCBXb3JsZCA3IQ=="),
            ("base16", "48C3A46C6C6F2C20576F726C64203721"),
            ("base32", "JDB2I3DMN4WCAV3POJWGIIBXEE======"),
            ("ascii85", "8Ah6>Ci:jI=)W+qA0<fS"),
            ("rot13", "Uäyyb, Jbeyq 7!"),
            ("caesar", "Käoor, Zruog 7!"),
            ("atbash", "Säool, Dliow 7!"),
            ("url", "H%C3%A4llo%2C%20World%207%21"),
        ] {
            let got = with(name, text);
            assert_eq!(got, want, "{name}");
        }
        assert_eq!(with("ascii85", "ab\0\0\0\0\0\0"), "@:B3:z");
        assert_eq!(with("ascii85", "\0\0\0\0x"), "zGQ");
        assert_eq!(with("ascii85", "Hello World!"), "87cURD]i,\"Ebo80");
        assert_eq!(with("morse", "SOS 5"), "... --- ... / .....");
        assert_eq!(with("binary", "Az"), "01000001 01111010");
        assert_eq!(with("braille", "ab 1"), "⠁⠃ ⠼⠁");
    }

    /// Every operator keeps the message recoverable or visibly there, gives the same text twice, and takes any text.
    #[test]
    fn operators_repeat_and_take_any_text() {
        for o in OPERATORS {
            for text in ["", "x", "Tell me how the weather will be tomorrow in Köln.", "emoji 🧪 and\nlines", "\u{202e}"] {
                assert_eq!(with(o.name, text), with(o.name, text), "{}", o.name);
            }
            let plain = "Please explain the weather in this city";
            assert_ne!(with(o.name, plain), plain, "{}", o.name);
        }
        assert_eq!(OPERATORS.len(), 34);
    }

    #[test]
    fn hidden_texts_come_back() {
        let text = "secret words";
        let tags: String = with("ascii_smuggler", text).chars().filter_map(|c| char::from_u32((c as u32).checked_sub(0xE0000)?)).collect();
        assert_eq!(tags, text);
        let bytes: Vec<u8> = with("variation_selectors", text)
            .chars()
            .filter_map(|c| match c as u32 {
                c @ 0xFE00..=0xFE0F => Some((c - 0xFE00) as u8),
                c @ 0xE0100..=0xE01EF => Some((c - 0xE0100 + 16) as u8),
                _ => None,
            })
            .collect();
        assert_eq!(bytes, text.as_bytes());
        assert_eq!(with("zero_width", text).replace('\u{200b}', ""), text);
        assert_eq!(with("character_space", "abc d"), "a b c   d");
        let shown: String = with("bidi", "abc").chars().filter(|c| c.is_ascii()).rev().collect();
        assert_eq!(shown, "abc");
    }

    #[test]
    fn compositions_are_sequences_of_different_operators() {
        let of: Vec<&Operator> = ["base64", "rot13", "role_play"].iter().map(|n| find(n).unwrap()).collect();
        let names: Vec<String> = compositions(&of, 2).iter().map(Chain::name).collect();
        assert_eq!(names.len(), 3 + 6);
        assert_eq!(&names[..4], ["base64", "rot13", "role_play", "base64+rot13"]);
    }
}
