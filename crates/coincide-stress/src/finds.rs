//! Finds: the prompt and the replies of every query that beat all layers, in a folder that only its owner may read. They never leave it: outcomes, reports and
//! exports hold names and hashes.

use crate::attacks::Query;
use crate::error::{Error, Result};
use crate::layer::Message;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A query that beat every layer.
#[derive(Debug, Serialize)]
pub(crate) struct Find {
    #[serde(skip)]
    pub number: u64,
    pub trial: String,
    pub goal: String,
    pub family: String,
    pub operator: String,
    /// What was said before, where it is a turn of a conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Message>,
    pub prompt: String,
    pub replies: Vec<FoundReply>,
}

/// What one layer replied.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FoundReply {
    pub layer: String,
    /// The target's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The reply as it came, where it was text.
    pub reply: String,
}

impl Find {
    pub(crate) fn new(q: &Query, replies: Vec<FoundReply>) -> Self {
        Find {
            number: q.number,
            trial: q.trial.clone(),
            goal: q.goal.clone(),
            family: q.family.clone(),
            operator: q.operator.clone(),
            history: q.history.clone(),
            prompt: q.prompt.clone(),
            replies,
        }
    }
}

/// How files begin that are being written.
const PART: &str = ".find-";

/// The folder of finds.
pub(crate) struct Finds {
    folder: PathBuf,
}

impl Finds {
    /// A folder `finds` under the results; it is made when the first find comes.
    pub(crate) fn under(output: &Path) -> Self {
        Finds { folder: output.join("finds") }
    }

    /// Removes what a kill left half-written, here and beside the tables.
    pub(crate) fn tidy(&self) {
        let folders = self.folder.parent().into_iter().chain([self.folder.as_path()]);
        for entry in folders.flat_map(|f| std::fs::read_dir(f).into_iter().flatten().flatten()) {
            let name = entry.file_name();
            if [PART, coincide_io::PART].iter().any(|p| name.to_string_lossy().starts_with(p)) {
                // Somebody else may have been faster.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:08}.json"))
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.path(number).exists()
    }

    /// Removes a find that is none any more.
    pub(crate) fn forget(&self, number: u64) {
        // There may be none.
        let _ = std::fs::remove_file(self.path(number));
    }

    /// Writes a find, whole or not at all. Fails as the disk does.
    pub(crate) fn write(&self, find: &Find) -> Result<()> {
        let io = |error| Error::io(&self.folder, error);
        if !self.folder.exists() {
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&self.folder).map_err(io)?;
        }
        // A temporary file is private, and stays so.
        let mut file = tempfile::Builder::new().prefix(PART).tempfile_in(&self.folder).map_err(io)?;
        let mut text = serde_json::to_vec_pretty(find).map_err(|e| io(e.into()))?;
        text.push(b'\n');
        file.write_all(&text).map_err(io)?;
        file.persist(self.path(find.number)).map_err(|e| io(e.error))?;
        Ok(())
    }
}
