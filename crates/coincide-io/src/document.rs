//! The results document: one versioned JSON object with everything that was computed and what is needed to compute it
//! again. Terminal and Markdown are renderings of it.

use crate::assess::{Ask, Assessment};
use crate::campaign::CampaignRecord;
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::InputRecord;
use coincide::{Analysis, AnalyzeOptions, Fit, FitOptions, Section, WhatIf};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Version of the document's layout. Sections have versions of their own.
pub const DOCUMENT_VERSION: u32 = 2;

/// Everything one analysis gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Coincide results")]
pub struct Results {
    /// Version of this layout, [`DOCUMENT_VERSION`].
    pub document: u32,
    /// Version of the program that wrote it.
    pub coincide: String,
    /// The study's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub study_name: Option<String>,
    /// The answer in a few sentences without jargon.
    pub answer: Vec<String>,
    /// What recorded outcomes say, section by section.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub analysis: Option<Analysis>,
    /// What models say, in a few sentences.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fit_answer: Vec<String>,
    /// Models of joint failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fit: Option<Section<Fit>>,
    /// What claims, scenarios, failure modes and scores say, in a few sentences.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub assessment_answer: Vec<String>,
    /// Scenarios, failure modes, claims and what else a study asks for.
    #[serde(skip_serializing_if = "Assessment::is_empty", default)]
    pub assessment: Assessment,
    /// What a campaign found while it ran, in a few sentences.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub campaign_answer: Vec<String>,
    /// A stress campaign.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub campaign: Option<Section<CampaignRecord>>,
    /// What each section says, in a sentence, by the section's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub conclusions: BTreeMap<String, String>,
    /// What a page needs to compute rates again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub what_if: Option<Section<WhatIf>>,
    /// Attributes of layers, such as their provider or training data, where any are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub lineage: BTreeMap<String, BTreeMap<String, String>>,
    /// What the reader inferred or counted, in sentences.
    pub notes: Vec<String>,
    /// Whether the layers came from runs of their own, joined on the trial.
    #[serde(default)]
    pub separate_runs: bool,
    /// What is needed to compute it again.
    pub provenance: Provenance,
}

/// Inputs and options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The inputs with their SHA-256: outcomes, then the study, then maps.
    pub inputs: Vec<InputRecord>,
    /// The study's file, where there is one; it is among the inputs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub study: Option<String>,
    /// What was asked.
    pub ask: Ask,
    /// How outcomes were read.
    pub read: ReadOptions,
    /// How they were analysed, the seed included.
    pub analyze: AnalyzeOptions,
    /// How models were fitted, where they were.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fit: Option<FitOptions>,
}

impl Results {
    /// The JSON Schema of the document.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Results).into()
    }

    /// The document as indented JSON with a final newline.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("the document holds only numbers, text, lists and maps with text keys");
        text.push('\n');
        text
    }

    /// Reads a document. Fails on text that is not one, with the line and column, and on a newer version.
    pub fn from_json(file: &str, text: &str) -> Result<Results> {
        let bad = |e: &serde_json::Error, what: &str| Error::Bad {
            place: crate::Place { file: file.to_owned(), line: Some(e.line() as u64), ..Default::default() },
            what: format!("{what} (character {}): {e}", e.column()),
            hint: Some("write it with: coincide analyze … --json FILE".into()),
        };
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| bad(&e, "is not JSON"))?;
        let version = value.get("document").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(DOCUMENT_VERSION)) {
            let what = version.map_or("is not a results document of coincide".to_owned(), |v| {
                format!("is a results document of version {v}; this program reads version {DOCUMENT_VERSION}")
            });
            return Err(Error::file(file, what).hinted("write it with: coincide analyze … --json FILE"));
        }
        serde_json::from_str(text).map_err(|e| bad(&e, "is not a results document of coincide"))
    }
}

/// Where two documents differ: JSON paths with both values, what they were made from first and the sentences last. Empty
/// when they agree.
pub(crate) fn differences(a: &Results, b: &Results) -> Vec<String> {
    let value = |r: &Results| serde_json::to_value(r).unwrap_or_default();
    let mut list = Vec::new();
    compare("", &value(a), &value(b), &mut list);
    let rank = |d: &str| match d {
        d if d.starts_with("/provenance") => 0,
        d if d.starts_with("/answer") || d.starts_with("/fit_answer") || d.starts_with("/assessment_answer") || d.starts_with("/conclusions") => 2,
        _ => 1,
    };
    list.sort_by_key(|d: &String| rank(d));
    list
}

fn compare(path: &str, a: &serde_json::Value, b: &serde_json::Value, list: &mut Vec<String>) {
    use serde_json::Value::{Array, Object};
    match (a, b) {
        (Object(x), Object(y)) => {
            for (key, value) in x {
                compare(&format!("{path}/{key}"), value, y.get(key).unwrap_or(&serde_json::Value::Null), list);
            }
            y.iter().filter(|(k, _)| !x.contains_key(*k)).for_each(|(k, v)| list.push(format!("{path}/{k}: absent in the document, {v} recomputed")));
        }
        (Array(x), Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().for_each(|(i, (p, q))| compare(&format!("{path}/{i}"), p, q, list));
        }
        _ if a != b => list.push(format!("{path}: {} in the document, {} recomputed", brief(a), brief(b))),
        _ => {}
    }
}

fn brief(v: &serde_json::Value) -> String {
    let text = v.to_string();
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { text }
}

/// How the names of files begin that are being written.
pub const PART: &str = ".coincide-";

/// Writes a file through a temporary one beside it, so that nothing half-written is ever seen. What a link points to is written, not the link. Devices, pipes
/// and open files, such as `/dev/stdout`, are written to as they are. Fails on folders.
pub fn atomically(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let name = path.to_string_lossy().into_owned();
    if let Some(mut open) = open_already(path).map_err(Error::io(&name))? {
        write(&mut open)?;
        return open.flush().map_err(Error::io(&name));
    }
    let there = std::fs::metadata(path).ok();
    if let Some(there) = there.as_ref().filter(|m| !m.is_file()) {
        if there.is_dir() {
            return Err(Error::file(&name, "is a folder").hinted("name a file in it"));
        }
        let mut device = File::options().write(true).open(path).map_err(Error::io(&name))?;
        write(&mut device)?;
        return device.flush().map_err(Error::io(&name));
    }
    let target = match (&there, std::fs::read_link(path)) {
        (Some(_), _) => path.canonicalize().map_err(Error::io(&name))?,
        // A link to what is not there yet.
        (None, Ok(to)) => path.parent().map_or(to.clone(), |folder| folder.join(&to)),
        (None, Err(_)) => path.to_owned(),
    };
    let path = target.as_path();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(PART).tempfile_in(folder).map_err(Error::io(&name))?;
    write(file.as_file_mut())?;
    file.as_file_mut().flush().map_err(Error::io(&name))?;
    #[cfg(unix)]
    {
        // A temporary file is private; what the user asked for gets the usual rights.
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(Error::io(&name))?;
    }
    file.persist(path).map_err(|e| Error::Io { file: name.clone(), error: e.error })?;
    Ok(())
}

/// A file that this process has open already, by the names that Unix gives it: writing goes on where it is.
#[cfg(unix)]
fn open_already(path: &Path) -> std::io::Result<Option<File>> {
    use std::os::fd::{AsFd, BorrowedFd};
    let again = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(|fd| Some(File::from(fd)));
    match path.to_str().unwrap_or_default() {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => again(std::io::stdout().as_fd()),
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => again(std::io::stderr().as_fd()),
        other if other.starts_with("/dev/fd/") || other.starts_with("/proc/self/fd/") => File::options().append(true).open(path).map(Some),
        _ => Ok(None),
    }
}

#[cfg(not(unix))]
fn open_already(_: &Path) -> std::io::Result<Option<File>> {
    Ok(None)
}

/// Writes text atomically.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write_bytes(path, text.as_bytes())
}

/// Writes bytes atomically.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.to_string_lossy().into_owned();
    atomically(path, |f| f.write_all(bytes).map_err(Error::io(&name)))
}
