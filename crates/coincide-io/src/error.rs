//! What can be wrong with a file, always with the place and what to do.

use std::fmt;

/// Where in the input something is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file as it was named.
    pub file: String,
    /// Line in a text file, or row in a columnar one, from 1.
    pub line: Option<u64>,
    /// Whether `line` counts rows of a columnar file.
    pub row: bool,
    /// Column name.
    pub column: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            if self.row { write!(f, ", row {line}")? } else { write!(f, ":{line}")? }
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        Ok(())
    }
}

/// An error of reading, writing or checking files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something in a file is not what it has to be.
    #[error("{place}: {what}")]
    Bad {
        /// Where.
        place: Place,
        /// What was found and what was expected.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The options do not fit the input.
    #[error("{what}")]
    Options {
        /// What does not fit.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The operating system refused.
    #[error("{file}: {error}")]
    Io {
        /// The file as it was named.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The mathematics refused.
    #[error(transparent)]
    Core(#[from] coincide::Error),
}

impl Error {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Bad { hint, .. } | Error::Options { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn file(file: &str, what: impl Into<String>) -> Self {
        Error::Bad { place: Place { file: file.to_owned(), ..Place::default() }, what: what.into(), hint: None }
    }

    pub(crate) fn options(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Options { what: what.into(), hint: Some(hint.into()) }
    }

    #[must_use]
    pub(crate) fn hinted(mut self, text: impl Into<String>) -> Self {
        if let Error::Bad { hint, .. } | Error::Options { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    pub(crate) fn io(file: &str) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Error::Io { file: file.to_owned(), error }
    }
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
