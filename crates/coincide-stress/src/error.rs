//! What can go wrong in a campaign.

/// An error of a campaign. A layer that does not answer is none: its cells say so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not what it has to be, or the system refused.
    #[error(transparent)]
    Io(#[from] coincide_io::Error),
    /// The journal cannot be read or written.
    #[error("{file}: {what}")]
    Journal {
        /// The journal.
        file: String,
        /// What the database said.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// Something about the run does not fit.
    #[error("{what}")]
    Run {
        /// What does not fit.
        what: String,
        /// What to do about it.
        hint: String,
    },
}

const FULL: &str = "the disk is full; everything journalled so far is safe";
const FREE: &str = "free some space, then go on with --resume: only calls that were in flight are made again";

impl Error {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Io(e) => e.hint(),
            Error::Journal { hint, .. } | Error::Run { hint, .. } => Some(hint),
        }
    }

    pub(crate) fn run(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Run { what: what.into(), hint: hint.into() }
    }

    /// What the system said about a file of the run.
    pub(crate) fn io(file: &std::path::Path, error: std::io::Error) -> Self {
        let file = file.display().to_string();
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Error::Journal { file, what: FULL.into(), hint: FREE.into() };
        }
        coincide_io::Error::Io { file, error }.into()
    }

    /// An error of the database, in words for people.
    pub(crate) fn journal(file: &std::path::Path, e: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, NotADatabase};
        let (what, hint) = match e.sqlite_error_code() {
            Some(DiskFull) => (FULL.to_owned(), FREE),
            Some(DatabaseBusy | DatabaseLocked) => ("another run is using this journal".to_owned(), "wait for it to end, or stop it"),
            Some(NotADatabase) => ("is not a journal".to_owned(), "state another `output` in the campaign, or move the file away"),
            _ => (format!("the journal cannot be used: {e}"), "check the folder and its rights, then go on with --resume"),
        };
        Error::Journal { file: file.display().to_string(), what, hint: hint.to_owned() }
    }
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
