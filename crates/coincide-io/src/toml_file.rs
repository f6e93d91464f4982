//! A file of settings in TOML that a person wrote: every error about it names the line and what to do, and relative paths are resolved
//! from its folder. Studies and campaigns are such files.

use crate::error::{Error, Place, Result};
use crate::source::InputRecord;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A key or an index on the way to something in the file.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// A key of a table.
    Name(&'a str),
    /// An element of an array, from 0.
    At(usize),
}

/// The text, where it lies, and its hash.
#[derive(Debug, Clone)]
pub struct TomlFile {
    /// The file, as it was named, with its hash.
    pub record: InputRecord,
    folder: PathBuf,
    text: String,
}

fn line_at(text: &str, byte: usize) -> u64 {
    text.as_bytes()[..byte.min(text.len())].iter().filter(|b| **b == b'\n').count() as u64 + 1
}

/// Names in backquotes of serde's "expected one of `a`, `b`".
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The known word nearest to one that is not.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |k: &&str| strsim::damerau_levenshtein(word, k);
    known.into_iter().min_by_key(distance).filter(|k| distance(k) <= 1 + word.chars().count() / 3)
}

/// What to do about a word that is not known: the nearest one, or the list.
///
/// ```
/// assert_eq!(coincide_io::suggestion("bse64", "operators", ["base64", "rot13"]), "did you mean `base64`?");
/// assert_eq!(coincide_io::suggestion("x", "operators", ["base64", "rot13"]), "the operators are base64, rot13");
/// ```
pub fn suggestion<'a>(word: &str, what: &str, known: impl IntoIterator<Item = &'a str, IntoIter: Clone>) -> String {
    let known = known.into_iter();
    nearest(word, known.clone())
        .map_or_else(|| format!("the {what} are {}", known.collect::<Vec<_>>().join(", ")), |n| format!("did you mean `{n}`?"))
}

impl TomlFile {
    /// Reads a file. Fails when it cannot be read or is not UTF-8, with the line.
    pub fn read(name: &str) -> Result<TomlFile> {
        Self::new(name, std::fs::read(name).map_err(Error::io(name))?)
    }

    /// The same from bytes.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<TomlFile> {
        let record = InputRecord::of(name, &bytes);
        let text = String::from_utf8(bytes).map_err(|e| {
            let valid = e.utf8_error().valid_up_to();
            let line = e.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count() as u64 + 1;
            Error::Bad {
                place: Place { file: name.to_owned(), line: Some(line), ..Place::default() },
                what: "is not UTF-8 text".into(),
                hint: Some("save the file as UTF-8".into()),
            }
        })?;
        let folder = Path::new(name).parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(TomlFile { record, folder, text })
    }

    /// What the file says. Fails with line and remedy on text that is not TOML, on unknown keys and wrong types; `schema` names the schema to read.
    pub fn parse<T: DeserializeOwned>(&self, schema: &str) -> Result<T> {
        toml::from_str(&self.text).map_err(|e| self.not_parsed(schema, &e))
    }

    fn not_parsed(&self, schema: &str, e: &toml::de::Error) -> Error {
        let line = e.span().map(|s| line_at(&self.text, s.start));
        let message = e.message().lines().collect::<Vec<_>>().join(" ");
        let words = quoted(&message);
        let hint = match (message.starts_with("unknown field"), words.split_first()) {
            (true, Some((unknown, known))) => suggestion(unknown, "keys here", known.iter().copied()),
            _ => format!("`coincide schema {schema}` says what a {schema} may hold"),
        };
        let what = match (message.starts_with("unknown field"), words.first()) {
            (true, Some(unknown)) => format!("there is no key `{unknown}` here"),
            _ => message,
        };
        Error::Bad { place: Place { file: self.record.path.clone(), line, ..Place::default() }, what, hint: Some(hint) }
    }

    /// A path of the file, from where the program runs.
    pub fn resolve(&self, path: &str) -> String {
        if Path::new(path).is_absolute() { path.to_owned() } else { self.folder.join(path).to_string_lossy().into_owned() }
    }

    /// The line of something in the file, or of the nearest thing around it.
    pub fn line(&self, path: &[Key<'_>]) -> Option<u64> {
        use toml::de::{DeTable, DeValue};
        let table = DeTable::parse(&self.text).ok()?;
        let mut span = None;
        let mut here: Option<&DeValue<'_>> = None;
        for (depth, key) in path.iter().enumerate() {
            let inner = match (here, key) {
                (None, Key::Name(n)) if depth == 0 => table.get_ref().get_key_value(*n),
                (Some(DeValue::Table(t)), Key::Name(n)) => t.get_key_value(*n),
                (Some(DeValue::Array(a)), Key::At(i)) => {
                    let Some(v) = a.get(*i) else { break };
                    span = Some(v.span());
                    here = Some(v.get_ref());
                    continue;
                }
                _ => None,
            };
            let Some((k, v)) = inner else { break };
            span = Some(k.span());
            here = Some(v.get_ref());
        }
        span.map(|s| line_at(&self.text, s.start))
    }

    /// An error at a place of the file.
    pub fn wrong(&self, path: &[Key<'_>], what: impl Into<String>, hint: Option<&str>) -> Error {
        Error::Bad {
            place: Place { file: self.record.path.clone(), line: self.line(path), ..Place::default() },
            what: what.into(),
            hint: hint.map(str::to_owned),
        }
    }
}
