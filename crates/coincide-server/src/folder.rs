//! The data folder: what may be read, and where uploads go. No path leaves it, through no `..`, no link and no pattern.

use crate::error::Problem;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where uploads go, inside the data folder.
pub(crate) const UPLOADS: &str = "uploads";
/// Folders below the data folder that are looked into.
const DEPTH: usize = 4;
/// Files that are listed, at most.
const MOST_FILES: usize = 2_000;
/// Files and folders that are looked at, at most: a home folder has no end.
const MOST_ENTRIES: usize = 50_000;

/// What kind of input a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileKind {
    /// A table of outcomes.
    Outcomes,
    /// A study or a campaign.
    Study,
}

/// A file that can be analysed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FileEntry {
    /// Path inside the data folder, with `/` between folders.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// What it is.
    pub kind: FileKind,
}

/// The data folder, its path settled.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

fn kind(name: &str) -> Option<FileKind> {
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    match plain.rsplit_once('.')?.1 {
        "csv" | "tsv" | "jsonl" | "ndjson" | "parquet" | "arrow" | "ipc" | "feather" | "eval" => Some(FileKind::Outcomes),
        "toml" => Some(FileKind::Study),
        _ => None,
    }
}

impl Folder {
    pub(crate) fn new(path: &Path) -> std::io::Result<Folder> {
        std::fs::create_dir_all(path)?;
        Ok(Folder(path.canonicalize()?))
    }
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Everything below that can be analysed, by name.
    pub(crate) fn list(&self) -> Vec<FileEntry> {
        let mut out = Vec::new();
        self.walk(&self.0, 0, &mut 0, &mut |path, meta| {
            let name = path.strip_prefix(&self.0).ok()?.to_str()?.replace('\\', "/");
            let kind = kind(&name)?;
            out.push(FileEntry { name, bytes: meta.len(), kind });
            Some(())
        });
        out.sort_by(|a, b| a.name.cmp(&b.name));
        out.truncate(MOST_FILES);
        out
    }

    /// Folders below, and the data folder itself as `.`, in which a campaign runs or ran, by name.
    pub(crate) fn campaigns(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.walk(&self.0, 0, &mut 0, &mut |path, _| {
            let file = path.file_name()?.to_str()?;
            if file == coincide_stress::LIVE_FILE {
                let name = path.parent()?.strip_prefix(&self.0).ok()?.to_str()?.replace('\\', "/");
                out.push(if name.is_empty() { ".".into() } else { name });
            }
            Some(())
        });
        out.sort();
        out.dedup();
        out
    }

    /// Calls `f` with every plain file; links are not followed.
    fn walk(&self, folder: &Path, depth: usize, seen: &mut usize, f: &mut dyn FnMut(&Path, &std::fs::Metadata) -> Option<()>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            *seen += 1;
            if *seen > MOST_ENTRIES {
                return;
            }
            let Ok(meta) = entry.metadata() else { continue };
            let hidden = entry.file_name().to_str().is_none_or(|n| n.starts_with('.') || n == "node_modules" || n == "target");
            if hidden {
                continue;
            }
            if meta.is_dir() && depth < DEPTH {
                self.walk(&entry.path(), depth + 1, seen, f);
            } else if meta.is_file() {
                f(&entry.path(), &meta);
            }
        }
    }

    /// The path of a file or folder that is there, inside the data folder.
    pub(crate) fn inside(&self, name: &str) -> Result<PathBuf, Problem> {
        let missing = || Problem::missing(format!("there is no `{}` in the data folder", shown(name)));
        if name.is_empty() || name.contains('\0') || name.len() > 1000 {
            return Err(missing());
        }
        let path = self.0.join(name).canonicalize().map_err(|_| missing())?;
        if !path.starts_with(&self.0) {
            return Err(missing());
        }
        // What may be read as a pattern elsewhere must not name other files here.
        if path.strip_prefix(&self.0).ok().and_then(Path::to_str).is_none_or(|p| p.contains(['*', '?', '[', ']'])) {
            return Err(Problem::bad(format!("`{}` has a name with *, ?, [ or ]; rename it", shown(name))));
        }
        Ok(path)
    }

    /// Whether a path that a study names stays inside; of a pattern, everything that it names. A pattern is expanded only below a folder that is inside.
    pub(crate) fn holds(&self, named: &str) -> bool {
        let within = |p: &Path| p.canonicalize().is_ok_and(|p| p.starts_with(&self.0));
        if within(Path::new(named)) {
            return true;
        }
        let Some(first) = named.find(['*', '?', '[']) else { return false };
        let (fixed, pattern) = named.split_at(named[..first].rfind('/').map_or(0, |i| i + 1));
        if fixed.is_empty() || !within(Path::new(fixed)) || pattern.split('/').any(|part| part == "..") {
            return false;
        }
        let found: Vec<PathBuf> = glob::glob(named).map(|list| list.flatten().collect()).unwrap_or_default();
        !found.is_empty() && found.iter().all(|p| within(p))
    }

    /// Where an upload of this name goes. Names are plain: letters, digits, dots, dashes, underscores.
    pub(crate) fn upload(&self, name: &str) -> Result<PathBuf, Problem> {
        let plain = name.len() <= 100 && !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        if !plain || name.is_empty() {
            return Err(Problem::bad(format!("`{}` cannot be a file's name", shown(name)))
                .hinted("use up to 100 letters, digits, dots, dashes and underscores"));
        }
        if kind(name).is_none() {
            return Err(Problem::bad(format!("`{name}` is neither a table of outcomes nor a study"))
                .hinted("CSV, TSV, JSONL, Parquet or Arrow (also .gz, .zst), or a study as .toml"));
        }
        let folder = self.0.join(UPLOADS);
        let failed = |e: std::io::Error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the upload cannot be stored: {e}"));
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // A link in the place of the folder would lead elsewhere.
        if !folder.canonicalize().map_err(failed)?.starts_with(&self.0) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the folder of uploads leads out of the data folder"));
        }
        Ok(folder.join(name))
    }
}

/// The beginning of what somebody sent, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
