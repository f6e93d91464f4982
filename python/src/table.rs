//! The joint outcome table, and logs of other tools.

use crate::{errors, task};
use arrow_array::RecordBatch;
use coincide::JointOutcomes;
use coincide_io::{
    Imported, InputRecord, LayerDescription, Loaded, LoadedTrials, ReadOptions, Tool, counts_batch, load, load_counts, load_logs, write_counts,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_arrow::PyTable;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

/// Distinct outcomes with their counts, and where they came from.
#[pyclass(frozen, module = "coincide._coincide")]
pub(crate) struct Table {
    pub loaded: Arc<Loaded>,
    /// The files, where there were any: scenarios and pages read scores from them again.
    pub files: Vec<String>,
    pub read: ReadOptions,
}

/// Every trial of a frame by itself, with its scores.
#[pyclass(frozen, module = "coincide._coincide")]
pub(crate) struct Trials {
    pub loaded: Arc<LoadedTrials>,
    /// As it was asked for: thresholds in use, and the sides of scores that fail.
    pub read: ReadOptions,
}

#[pymethods]
impl Table {
    /// Writes a commented study of these outcomes; what it is, in a line.
    fn draft(&self, py: Python<'_>, order: Vec<String>, output: PathBuf) -> PyResult<String> {
        coincide_io::draft(&self.files, &self.read, &self.loaded, &order, &output).map_err(|e| errors::of(py, &e))
    }

    #[getter]
    fn layers(&self) -> Vec<String> {
        self.loaded.table.layers().to_vec()
    }

    /// Columns of strata with their levels.
    #[getter]
    fn strata(&self) -> Vec<(String, Vec<String>)> {
        self.loaded.table.strata().iter().map(|f| (f.name.clone(), f.levels.clone())).collect()
    }

    /// Columns of clusters, and how many clusters each has.
    #[getter]
    fn clusters(&self) -> Vec<(String, usize)> {
        self.loaded.table.clusters().iter().map(|f| (f.name.clone(), f.levels.len())).collect()
    }

    #[getter]
    fn baseline(&self) -> Option<String> {
        self.loaded.table.columns().baseline.clone()
    }

    #[getter]
    fn trials(&self) -> f64 {
        self.loaded.table.cells().map(|c| c.n).sum()
    }

    #[getter]
    fn attack_trials(&self) -> f64 {
        self.loaded.table.attack_trials()
    }

    /// Distinct cells: patterns of outcomes, reasons, strata and clusters.
    #[getter]
    fn cells(&self) -> usize {
        self.loaded.table.len()
    }

    #[getter]
    fn notes(&self) -> Vec<String> {
        self.loaded.notes.clone()
    }

    #[getter]
    fn separate_runs(&self) -> bool {
        self.loaded.separate_runs
    }

    /// (path, bytes, SHA-256) of each input.
    #[getter]
    fn inputs(&self) -> Vec<(String, u64, String)> {
        self.loaded.inputs.iter().map(|i| (i.path.clone(), i.bytes, i.sha256.clone())).collect()
    }

    /// Whether two tables hold the same counts.
    fn same_counts(&self, other: &Table) -> bool {
        self.loaded.table == other.loaded.table
    }

    /// The counts, as `coincide count` writes them.
    fn counts(&self, py: Python<'_>) -> PyResult<PyTable> {
        arrow(counts_batch(&self.loaded).map_err(|e| errors::of(py, &e))?)
    }

    /// Everything, for [`unpickle`].
    fn pickled<'py>(&self, py: Python<'py>) -> PyResult<(String, Bound<'py, PyBytes>)> {
        let l = &self.loaded;
        let failed = |e: String| errors::option(py, e, "please report this");
        let outcomes = postcard::to_allocvec(&l.table).map_err(|e| failed(e.to_string()))?;
        let header = Header {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hash: hash(&outcomes),
            files: self.files.clone(),
            read: self.read.clone(),
            inputs: l.inputs.clone(),
            notes: l.notes.clone(),
            separate_runs: l.separate_runs,
            layers: l.layers.clone(),
        };
        let header = serde_json::to_string(&header).map_err(|e| failed(e.to_string()))?;
        Ok((header, PyBytes::new(py, &outcomes)))
    }

    /// Writes a counts file.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| write_counts(&path, &self.loaded)).map_err(|e| errors::of(py, &e))
    }
}

/// What a pickle holds beside the outcomes.
#[derive(Serialize, Deserialize)]
struct Header {
    version: String,
    /// Of the outcomes' bytes.
    hash: u64,
    files: Vec<String>,
    read: ReadOptions,
    inputs: Vec<InputRecord>,
    notes: Vec<String>,
    separate_runs: bool,
    layers: Vec<LayerDescription>,
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = DefaultHasher::new();
    hash.write(bytes);
    hash.finish()
}

/// What [`Table::pickled`] gave. Refuses what another version wrote.
#[pyfunction]
pub(crate) fn unpickle(py: Python<'_>, header: &str, outcomes: &[u8]) -> PyResult<Table> {
    let other = |version: &str| {
        let what = format!("these outcomes were pickled by Coincide {version}, and this is {}", env!("CARGO_PKG_VERSION"));
        errors::option(py, what, "save() writes a file that other versions read")
    };
    let unreadable = || errors::option(py, "these outcomes were not pickled by Coincide", "save() writes a file that can be read anywhere");
    let any: serde_json::Value = serde_json::from_str(header).map_err(|_| unreadable())?;
    let version = any["version"].as_str().unwrap_or_default();
    if version != env!("CARGO_PKG_VERSION") {
        return Err(other(version));
    }
    let h: Header = serde_json::from_value(any).map_err(|_| unreadable())?;
    if h.hash != hash(outcomes) {
        return Err(errors::option(py, "the pickle is damaged", "save() writes a file whose damage is found when it is read"));
    }
    let table: JointOutcomes = postcard::from_bytes(outcomes).map_err(|_| unreadable())?;
    // Scores are read from the files again only where they are the same files.
    let there = |i: &InputRecord| std::fs::metadata(&i.path).is_ok_and(|m| m.len() == i.bytes);
    let files = if h.inputs.iter().all(there) { h.files } else { Vec::new() };
    let loaded = Loaded { table, inputs: h.inputs, notes: h.notes, separate_runs: h.separate_runs, layers: h.layers };
    Ok(Table { loaded: Arc::new(loaded), files, read: h.read })
}

fn arrow(batch: RecordBatch) -> PyResult<PyTable> {
    let schema = batch.schema();
    PyTable::try_new(vec![batch], schema)
}

/// Reads files, or logs of other tools; of this one, if it is named. `names`: what the files are called where they only hand on what lay in memory.
#[pyfunction]
#[pyo3(signature = (files, tool, options, progress, names = None))]
pub(crate) fn read(
    py: Python<'_>,
    files: Vec<String>,
    tool: Option<&str>,
    options: &str,
    progress: Option<&Bound<'_, PyAny>>,
    names: Option<Vec<String>>,
) -> PyResult<Table> {
    let read: ReadOptions = errors::options(py, options)?;
    let tool = named(py, tool)?;
    let mut loaded = task::run(py, progress, |p| match tool {
        Some(tool) => load_logs(&files, tool, &read, p),
        None => load(&files, &read, p),
    })?
    .map_err(|e| errors::of(py, &e))?;
    let Some(names) = names else { return Ok(Table { loaded: Arc::new(loaded), files, read }) };
    for (file, name) in files.iter().zip(&names) {
        loaded.inputs.iter_mut().filter(|i| i.path == *file).for_each(|i| i.path.clone_from(name));
        loaded.notes.iter_mut().for_each(|n| *n = n.replace(file, name));
    }
    // Only files that are still there can be read again.
    let files = if files == names { files } else { Vec::new() };
    Ok(Table { loaded: Arc::new(loaded), files, read })
}

/// Adds counts files up.
#[pyfunction]
pub(crate) fn merge(py: Python<'_>, files: Vec<String>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Table> {
    let loaded = task::run(py, progress, |p| load_counts(&files, p))?.map_err(|e| errors::of(py, &e))?;
    Ok(Table { loaded: Arc::new(loaded), files, read: ReadOptions::default() })
}

/// Logs as they were understood.
#[pyclass(frozen, module = "coincide._coincide")]
pub(crate) struct ImportedLogs(Imported);

/// One layer of a log: name, rule, failed, held, and missing by reason.
type LayerRow = (String, String, u64, u64, Vec<(String, u64)>);

#[pymethods]
impl ImportedLogs {
    #[getter]
    fn tool(&self) -> &'static str {
        self.0.tool.name()
    }

    #[getter]
    fn layers(&self) -> Vec<LayerRow> {
        self.0.layers.iter().map(|l| (l.name.clone(), l.rule.clone(), l.failed, l.held, l.missing.clone())).collect()
    }

    #[getter]
    fn trials(&self) -> u64 {
        self.0.trials
    }

    #[getter]
    fn clusters(&self) -> Vec<String> {
        self.0.clusters.clone()
    }

    #[getter]
    fn strata(&self) -> Vec<String> {
        self.0.strata.clone()
    }

    #[getter]
    fn notes(&self) -> Vec<String> {
        self.0.notes.clone()
    }

    /// The table, a row a trial (or a row a trial, run, repeat and layer, where repeats of separate runs are to be averaged).
    fn table(&self) -> PyResult<PyTable> {
        arrow(self.0.table().clone())
    }

    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.write(&path)).map_err(|e| errors::of(py, &e))
    }
}

fn named(py: Python<'_>, tool: Option<&str>) -> PyResult<Option<Tool>> {
    let unknown = |name: &str| {
        errors::option(py, format!("`{name}` is no tool whose logs are read"), &format!("tools: {}", Tool::ALL.map(Tool::name).join(", ")))
    };
    tool.map(|name| Tool::ALL.into_iter().find(|t| t.name() == name).ok_or_else(|| unknown(name))).transpose()
}

/// Reads logs of a tool: what was understood, and the outcomes.
#[pyfunction]
#[pyo3(signature = (tool, files, options, progress))]
pub(crate) fn import_logs(
    py: Python<'_>,
    tool: Option<&str>,
    files: Vec<String>,
    options: &str,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<ImportedLogs> {
    let read: ReadOptions = errors::options(py, options)?;
    let tool = named(py, tool)?;
    task::run(py, progress, |p| coincide_io::import(&files, tool, &read, p))?.map(ImportedLogs).map_err(|e| errors::of(py, &e))
}
