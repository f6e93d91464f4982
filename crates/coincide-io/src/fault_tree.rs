//! Fault trees in the Open-PSA Model Exchange Format, with the files that they include.

use crate::error::{Error, Place, Result};
use crate::source::InputRecord;
use coincide_structure::{FaultTree, TreeOptions, read_open_psa_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::io::Read;
use std::path::{Component, Path};

/// How a fault tree is read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultTreeOptions {
    /// Hours that `system-mission-time` stands for.
    pub mission_time: f64,
    /// Shocks of common causes have the probability Q_k itself, as in other fault-tree tools; else members keep their rate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rare_event_parameters: bool,
}

impl Default for FaultTreeOptions {
    /// A year.
    fn default() -> Self {
        FaultTreeOptions { mission_time: 8760.0, rare_event_parameters: false }
    }
}

/// Most bytes of one file of a model.
const LARGEST: u64 = 512 << 20;

/// Reads a fault tree and says which files were read. What a model includes lies in its folder or below.
///
/// Fails with file, line and column on what is no such model, and on files that are not there or too large.
pub fn read_fault_tree(name: &str, options: &FaultTreeOptions) -> Result<(FaultTree, Vec<InputRecord>)> {
    if !(options.mission_time >= 0.0 && options.mission_time.is_finite()) {
        return Err(Error::options(format!("the mission time cannot be {}", options.mission_time), "hours, as 8760"));
    }
    let (bytes, record) = whole(name)?;
    let inputs = RefCell::new(vec![record]);
    let folder = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
    let include = |file: &str| -> std::result::Result<Vec<u8>, String> {
        if file == "-" || !Path::new(file).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Err("only files in the model's folder or below are included".into());
        }
        let (bytes, record) = whole(&folder.join(file).to_string_lossy()).map_err(|e| e.to_string())?;
        inputs.borrow_mut().push(record);
        Ok(bytes)
    };
    let read = TreeOptions { mission_time: options.mission_time, rare_event_parameters: options.rare_event_parameters, include: &include };
    let tree = read_open_psa_with(&bytes, &read).map_err(|e| Error::Bad {
        place: Place {
            file: e.file.as_ref().map_or_else(|| name.to_owned(), |f| folder.join(f).to_string_lossy().into_owned()),
            line: Some(e.line as u64),
            ..Place::default()
        },
        what: format!("(character {}) {}", e.column, e.what),
        hint: e.hint.clone(),
    })?;
    let inputs = inputs.into_inner();
    Ok((tree, inputs))
}

fn whole(name: &str) -> Result<(Vec<u8>, InputRecord)> {
    let mut bytes = Vec::new();
    std::fs::File::open(name).and_then(|f| f.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(Error::io(name))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::file(name, format!("has more than {LARGEST} bytes")).hinted("split the model and include its parts"));
    }
    let record = InputRecord::of(name, &bytes);
    Ok((bytes, record))
}
