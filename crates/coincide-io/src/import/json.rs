//! JSON that strangers wrote. A document of any size is cut into the pieces that are wanted without parsing or keeping the rest, and `NaN` and `Infinity`, which
//! Python writes and JSON does not have, are let through as text.
//!
//! Nothing here recurses with the depth of the input, and no piece may grow beyond [`MOST`].

use crate::error::{Error, Place, Result};
use crate::source::Source;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

/// Bytes that one piece, line or entry of a log may have.
pub(crate) const MOST: usize = 1 << 28;
const CHUNK: usize = 1 << 18;

/// A piece of a document, by the keys that lead to it from the outermost object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Want {
    /// The value itself.
    Whole(&'static [&'static str]),
    /// Every element of the list that stands there.
    Each(&'static [&'static str]),
}

impl Want {
    fn path(self) -> &'static [&'static str] {
        match self {
            Want::Whole(p) | Want::Each(p) => p,
        }
    }
}

/// Why a document could not be gone through.
#[derive(Debug)]
pub(crate) enum Broken {
    Io(std::io::Error),
    /// The text ends before its outermost value does.
    CutShort,
    /// Something else than JSON, at this byte.
    At(u64, &'static str),
    /// A piece of more than [`MOST`] bytes, which starts at this byte.
    TooLarge(u64),
    /// What the caller said of a piece.
    Said(Error),
}

impl From<std::io::Error> for Broken {
    fn from(e: std::io::Error) -> Self {
        Broken::Io(e)
    }
}

impl Broken {
    /// The error about a file, in words.
    pub(crate) fn of(self, file: &str) -> Error {
        match self {
            Broken::Io(e) => Error::file(file, format!("cannot be read: {e}")).hinted("fetch or write the file again"),
            Broken::CutShort => Error::file(file, "is cut short: the JSON text ends in the middle")
                .hinted("fetch the log again; a run that was killed has to be run again"),
            Broken::At(byte, what) => Error::file(file, format!("is not valid JSON at byte {byte}: {what}")).hinted("write the log again"),
            Broken::TooLarge(byte) => Error::file(file, format!("has a value of more than {} MB at byte {byte}", MOST >> 20))
                .hinted("such a log cannot be read; split the run"),
            Broken::Said(e) => e,
        }
    }
}

type Walked<T> = std::result::Result<T, Broken>;

/// Goes through a document and calls `each` with every piece that is wanted: which want it is, and its text.
///
/// Fails when the text ends early, is no JSON around the pieces, or a piece is too large; the pieces themselves are not checked.
pub(crate) fn walk(from: &mut dyn Read, wants: &[Want], each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Walked<()> {
    walk_within(MOST, from, wants, each)
}

fn walk_within(most: usize, from: &mut dyn Read, wants: &[Want], each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Walked<()> {
    let mut s = Scanner::new(from, most);
    s.byte_order_mark()?;
    let all: Vec<(usize, &[&str])> = wants.iter().enumerate().map(|(i, w)| (i, w.path())).collect();
    s.enter(wants, &all, each)?;
    s.blanks()?;
    match s.peek()? {
        None => Ok(()),
        Some(_) => Err(Broken::At(s.offset(), "more text after the end of the value")),
    }
}

/// Calls `each` with every value of a text: JSON lines, values one after the other, or the elements of one list.
pub(crate) fn for_each_value(from: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Walked<()> {
    let mut s = Scanner::new(from, MOST);
    s.byte_order_mark()?;
    loop {
        s.blanks()?;
        match s.peek()? {
            None => return Ok(()),
            Some(b'[') => s.members(&mut |s| s.piece(0, &mut |_, piece| each(piece)))?,
            Some(_) => s.piece(0, &mut |_, piece| each(piece))?,
        }
    }
}

/// The members of the outermost object, or of the first object of the outermost list, as far as `head` reaches: each key with how its value begins.
pub(crate) struct Outline(Vec<(String, Vec<u8>)>);

/// Bytes of a value in an outline.
const BEGINNING: usize = 40;

impl Outline {
    pub(crate) fn of(head: &[u8]) -> Outline {
        let mut found = Vec::new();
        let mut from = head;
        let mut s = Scanner::new(&mut from, MOST);
        let _ = s.byte_order_mark().and_then(|()| s.outline(&mut found));
        Outline(found)
    }

    /// How the value of a key begins.
    pub(crate) fn value(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice())
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }
}

struct Scanner<'r> {
    from: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// Where in the buffer the next byte is.
    at: usize,
    /// Where in the buffer a piece begins that is wanted.
    mark: Option<usize>,
    /// Bytes before the buffer.
    passed: u64,
    ended: bool,
    /// Bytes that a piece may have.
    most: usize,
}

impl<'r> Scanner<'r> {
    fn new(from: &'r mut dyn Read, most: usize) -> Self {
        Scanner { from, buffer: Vec::new(), at: 0, mark: None, passed: 0, ended: false, most }
    }

    fn offset(&self) -> u64 {
        self.passed + self.at as u64
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Walked<bool> {
        let keep = self.mark.unwrap_or(self.at);
        self.buffer.drain(..keep);
        self.passed += keep as u64;
        self.at -= keep;
        self.mark = self.mark.map(|_| 0);
        if self.mark.is_some() && self.buffer.len() > self.most {
            return Err(Broken::TooLarge(self.passed));
        }
        let old = self.buffer.len();
        // A piece that spans many chunks is not moved for each of them.
        let step = CHUNK.max(old);
        self.buffer.resize(old + step, 0);
        let mut got = 0;
        while got == 0 && !self.ended {
            match self.from.read(&mut self.buffer[old..]) {
                Ok(0) => self.ended = true,
                Ok(n) => got = n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Broken::Io(e)),
            }
        }
        self.buffer.truncate(old + got);
        Ok(got > 0)
    }

    fn peek(&mut self) -> Walked<Option<u8>> {
        while self.at == self.buffer.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[self.at]))
    }

    fn must(&mut self) -> Walked<u8> {
        self.peek()?.ok_or(Broken::CutShort)
    }

    fn byte_order_mark(&mut self) -> Walked<()> {
        if self.peek()? == Some(0xef) {
            while self.buffer.len() < 3 && self.fill()? {}
            if self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.at = 3;
            }
        }
        Ok(())
    }

    fn blanks(&mut self) -> Walked<()> {
        while let Some(b) = self.peek()? {
            if !b.is_ascii_whitespace() {
                break;
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Passes over a text in quotes; the next byte is the first quote.
    fn text(&mut self) -> Walked<()> {
        self.at += 1;
        loop {
            match memchr::memchr2(b'"', b'\\', &self.buffer[self.at..]) {
                None => {
                    self.at = self.buffer.len();
                    if !self.fill()? {
                        return Err(Broken::CutShort);
                    }
                }
                Some(n) if self.buffer[self.at + n] == b'"' => {
                    self.at += n + 1;
                    return Ok(());
                }
                Some(n) => {
                    self.at += n + 1;
                    self.must()?;
                    self.at += 1;
                }
            }
        }
    }

    /// Passes over a value of any kind and depth.
    fn skip(&mut self) -> Walked<()> {
        self.blanks()?;
        let mut depth = 0u64;
        loop {
            match self.must()? {
                b'"' => self.text()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(Broken::At(self.offset(), "expected a value"))?;
                    self.at += 1;
                }
                b',' if depth == 0 => return Err(Broken::At(self.offset(), "expected a value")),
                _ if depth == 0 => return self.word(),
                _ => self.at += 1,
            }
            if depth == 0 {
                return Ok(());
            }
            // To the next byte that opens, closes or quotes.
            loop {
                let rest = &self.buffer[self.at..];
                match rest.iter().position(|b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']')) {
                    Some(n) => {
                        self.at += n;
                        break;
                    }
                    None => {
                        self.at = self.buffer.len();
                        if !self.fill()? {
                            return Err(Broken::CutShort);
                        }
                    }
                }
            }
        }
    }

    /// Passes over a number or a word such as `true`.
    fn word(&mut self) -> Walked<()> {
        while let Some(b) = self.peek()? {
            if matches!(b, b',' | b']' | b'}') || b.is_ascii_whitespace() {
                break;
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A key with its colon.
    fn key(&mut self) -> Walked<String> {
        if self.must()? != b'"' {
            return Err(Broken::At(self.offset(), "expected a key in quotes"));
        }
        self.mark = Some(self.at);
        self.text()?;
        let from = self.mark.take().unwrap_or(0);
        let raw = &self.buffer[from + 1..self.at - 1];
        let key = if raw.contains(&b'\\') {
            serde_json::from_slice(&self.buffer[from..self.at]).unwrap_or_default()
        } else {
            String::from_utf8_lossy(raw).into_owned()
        };
        self.blanks()?;
        if self.must()? != b':' {
            return Err(Broken::At(self.offset(), "expected `:` after a key"));
        }
        self.at += 1;
        self.blanks()?;
        Ok(key)
    }

    /// Calls `f` at every member; the opening bracket is next.
    fn members(&mut self, f: &mut dyn FnMut(&mut Self) -> Walked<()>) -> Walked<()> {
        let close = if self.must()? == b'{' { b'}' } else { b']' };
        self.at += 1;
        self.blanks()?;
        if self.must()? == close {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks()?;
            f(self)?;
            self.blanks()?;
            match self.must()? {
                b',' => self.at += 1,
                b if b == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Broken::At(self.offset(), "expected `,` or the end of the object or list")),
            }
        }
    }

    fn piece(&mut self, want: usize, each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Walked<()> {
        self.mark = Some(self.at);
        self.skip()?;
        let from = self.mark.take().unwrap_or(0);
        each(want, &self.buffer[from..self.at]).map_err(Broken::Said)
    }

    /// At a value to which these paths lead from here. Recursion goes as deep as the wanted paths, not as the text.
    fn enter(&mut self, wants: &[Want], here: &[(usize, &[&str])], each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Walked<()> {
        self.blanks()?;
        if let Some(&(i, _)) = here.iter().find(|(_, path)| path.is_empty()) {
            return match wants[i] {
                Want::Each(_) if self.must()? == b'[' => self.members(&mut |s| s.piece(i, each)),
                Want::Each(_) => self.skip(),
                Want::Whole(_) => self.piece(i, each),
            };
        }
        if self.must()? != b'{' {
            return self.skip();
        }
        self.members(&mut |s| {
            let key = s.key()?;
            let below: Vec<(usize, &[&str])> = here.iter().filter(|(_, p)| p[0] == key).map(|(i, p)| (*i, &p[1..])).collect();
            if below.is_empty() { s.skip() } else { s.enter(wants, &below, each) }
        })
    }

    fn outline(&mut self, found: &mut Vec<(String, Vec<u8>)>) -> Walked<()> {
        self.blanks()?;
        if self.must()? == b'[' {
            self.at += 1;
            self.blanks()?;
        }
        if self.must()? != b'{' {
            return Ok(());
        }
        self.members(&mut |s| {
            let key = s.key()?;
            s.mark = Some(s.at);
            let skipped = s.skip();
            let from = s.mark.take().unwrap_or(s.at);
            // A value that the head cuts off says how it begins all the same.
            found.push((key, s.buffer[from..s.at.max(from)].iter().take(BEGINNING).copied().collect()));
            skipped
        })
    }
}

/// The text with `NaN`, `Infinity` and `-Infinity` in quotes where they stand as values.
pub(crate) fn lenient(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(text, b"NaN").is_none() && memchr::memmem::find(text, b"Infinity").is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let word = [b"NaN".as_slice(), b"-Infinity", b"Infinity"].into_iter().find(|w| rest.starts_with(w));
        if let Some(word) = word {
            out.push(b'"');
            out.extend_from_slice(word);
            out.push(b'"');
            at += word.len();
            continue;
        }
        let mut end = at + 1;
        if text[at] == b'"' {
            while end < text.len() && text[end] != b'"' {
                end += if text[end] == b'\\' { 2 } else { 1 };
            }
            end = (end + 1).min(text.len());
        }
        out.extend_from_slice(&text[at..end]);
        at = end;
    }
    Cow::Owned(out)
}

/// Reads a piece that was cut out. Fails on what is no JSON, or of another shape than `T`.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> std::result::Result<T, serde_json::Error> {
    serde_json::from_slice(&lenient(text))
}

/// Reads a file that is one document, `what` it should be. Fails on what is no JSON, is cut short, or of another shape than `T`, with `hint`.
pub(crate) fn parse_file<T: DeserializeOwned>(source: &Source, what: &str, hint: &str) -> Result<T> {
    let text = source.head(MOST as u64 + 1)?;
    parse(&text).map_err(|e| Error::file(&source.name, format!("is not a whole {what} (line {}): {e}", e.line())).hinted(hint))
}

/// A value as the text of a cell: what a column of strata or clusters holds. `null` is empty.
pub(crate) fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// A member by name, or by a path with dots.
pub(crate) fn member<'v>(map: &'v serde_json::Map<String, Value>, name: &str) -> Option<&'v Value> {
    if let Some(v) = map.get(name) {
        return Some(v);
    }
    let (first, rest) = name.split_once('.')?;
    member(map.get(first)?.as_object()?, rest)
}

/// One line of a log.
pub(crate) struct Line<'a> {
    /// From 1.
    pub number: u64,
    pub text: &'a [u8],
    /// Whether it ends with a line feed: the last line of a log that was cut does not.
    pub whole: bool,
}

/// Calls `f` with every line that is not blank.
pub(crate) fn for_each_line(source: &Source, f: &mut dyn FnMut(&Line<'_>) -> Result<()>) -> Result<()> {
    let mut reader = BufReader::with_capacity(CHUNK, source.reader()?);
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        buffer.clear();
        let limit = MOST as u64 + 1;
        if reader.by_ref().take(limit).read_until(b'\n', &mut buffer).map_err(|e| source.broken(&e))? == 0 {
            return Ok(());
        }
        number += 1;
        if buffer.len() as u64 == limit {
            return Err(bad_line(source, number, format!("is longer than {} MB", MOST >> 20)).hinted("write one JSON object a line"));
        }
        let text = if number == 1 { buffer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&buffer) } else { &buffer };
        let whole = text.ends_with(b"\n");
        if !text.iter().all(u8::is_ascii_whitespace) {
            f(&Line { number, text, whole })?;
        }
    }
}

/// An error about a line.
pub(crate) fn bad_line(source: &Source, line: u64, what: String) -> Error {
    Error::Bad { place: Place { file: source.name.clone(), line: Some(line), ..Place::default() }, what, hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a few bytes at a time, so that every token is torn apart somewhere.
    struct Slowly<'a>(&'a [u8], usize);
    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(self.0.len()).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    const WANTS: &[Want] = &[Want::Whole(&["a"]), Want::Each(&["b", "c"])];

    fn pieces(text: &[u8], step: usize) -> Walked<Vec<(usize, Value)>> {
        let mut out = Vec::new();
        walk(&mut Slowly(text, step), WANTS, &mut |i, piece| {
            out.push((i, parse(piece).unwrap_or(Value::Null)));
            Ok(())
        })?;
        Ok(out)
    }

    /// The slow twin: parse everything, then look.
    fn twin(value: &Value) -> Vec<(usize, Value)> {
        let Some(map) = value.as_object() else { return Vec::new() };
        map.iter()
            .flat_map(|(k, v)| match k.as_str() {
                "a" => vec![(0, v.clone())],
                "b" => v.get("c").and_then(Value::as_array).into_iter().flatten().map(|x| (1, x.clone())).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from), ".{0,6}".prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[abc]{1}|.{0,3}", inner), 0..5).prop_map(|l| Value::Object(l.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_are_those_of_a_full_parse(value in any_json(), pretty in any::<bool>(), step in 1usize..40) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(pieces(text.as_bytes(), step).unwrap(), twin(&value));
        }

        #[test]
        fn a_text_cut_anywhere_is_an_error(value in any_json(), cut in 0.0..1.0f64) {
            let text = serde_json::to_string(&serde_json::json!({"a": value, "b": {"c": [1, value]}})).unwrap();
            let mut at = (text.len() as f64 * cut) as usize;
            while !text.is_char_boundary(at) { at -= 1; }
            prop_assert!(pieces(&text.as_bytes()[..at], 16).is_err());
        }

        #[test]
        fn what_was_valid_stays_as_it_was(value in any_json()) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(parse::<Value>(text.as_bytes()).unwrap(), value);
        }
    }

    #[test]
    fn numbers_that_json_does_not_have_become_texts() {
        let v: Value = parse(br#"{"x": NaN, "NaN": [-Infinity, Infinity], "t": "a \" NaN, Infinity"}"#).unwrap();
        assert_eq!(v, serde_json::json!({"x": "NaN", "NaN": ["-Infinity", "Infinity"], "t": "a \" NaN, Infinity"}));
    }

    #[test]
    fn ten_million_levels_are_passed_over() {
        let mut text = br#"{"a": 1, "deep": "#.to_vec();
        text.extend(std::iter::repeat_n(b'[', 10_000_000));
        text.extend(std::iter::repeat_n(b']', 10_000_000));
        text.extend(br#", "b": {"c": [2]}}"#);
        assert_eq!(pieces(&text, 1 << 16).unwrap(), vec![(0, 1.into()), (1, 2.into())]);
        assert!(matches!(pieces(&text[..9_000_000], 1 << 16), Err(Broken::CutShort)));
    }

    #[test]
    fn a_piece_cannot_fill_the_memory() {
        let mut text = br#"{"a": 1, "left out": ""#.to_vec();
        text.resize(2_000_000, b'x');
        text.extend(br#"", "b": {"c": [2, ""#);
        text.resize(4_000_000, b'x');
        let mut found = Vec::new();
        let walked = walk_within(1_000_000, &mut text.as_slice(), WANTS, &mut |i, _| {
            found.push(i);
            Ok(())
        });
        assert!(matches!(walked, Err(Broken::TooLarge(at)) if at > 2_000_000), "{walked:?}");
        assert_eq!(found, [0, 1]);
    }

    #[test]
    fn an_outline_goes_as_far_as_the_head_reaches() {
        let outline = |head: &[u8]| Outline::of(head).members().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v))).collect::<Vec<_>>();
        assert_eq!(outline(br#"{"a": {"x": [1, "}"]}, "b\u0063": 2, "cut": "te"#), [r#"a={"x": [1, "}"]}"#, "bc=2", "cut=\"te"]);
        assert_eq!(outline(br#" [ {"a": 1}, {"b": 2}]"#), ["a=1"]);
        assert_eq!(outline(br#"{"open": [{"x"#), [r#"open=[{"x"#]);
        assert!(outline(b"[[[[").is_empty());
    }
}
