//! Queues of trials that a person should check.

use crate::table::Table;
use crate::{errors, task};
use coincide::QueueOptions;
use coincide_io::{Job, ReadOptions, StudyFile, write_queue};
use pyo3::prelude::*;
use std::path::PathBuf;

/// A group of trials: its word, how many trials there are, and how many are queued.
type Group = (String, usize, usize);

fn write(
    py: Python<'_>,
    (files, read): (&[String], &ReadOptions),
    options: &str,
    (output, overwrite): (PathBuf, bool),
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Group>> {
    let options: QueueOptions = errors::options(py, options)?;
    let there = std::fs::canonicalize(&output).ok();
    let same = |input: &&String| there.is_some() && std::fs::canonicalize(input).ok() == there;
    if let Some(input) = files.iter().find(same) {
        return Err(errors::option(py, format!("`{input}` is an input"), "write to another file"));
    }
    if !overwrite && output.exists() {
        let what = format!("`{}` is there already, perhaps with verdicts", output.display());
        return Err(errors::option(py, what, "write to another file, or add overwrite=True"));
    }
    let written = task::run(py, progress, |p| write_queue(files, read, &options, &output, p))?.map_err(|e| errors::of(py, &e))?;
    Ok(written.groups.into_iter().map(|(group, trials, queued)| (group.word().to_owned(), trials, queued)).collect())
}

/// Writes the queue of files; of each group, how many trials there are and how many are queued.
#[pyfunction]
pub(crate) fn label_files(
    py: Python<'_>,
    files: Vec<String>,
    options: &str,
    output: PathBuf,
    overwrite: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Group>> {
    write(py, (files.as_slice(), &ReadOptions::default()), options, (output, overwrite), progress)
}

/// The same of the files that a table was read from.
#[pyfunction]
pub(crate) fn label_outcomes(
    py: Python<'_>,
    table: &Table,
    options: &str,
    output: PathBuf,
    overwrite: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Group>> {
    if table.files.is_empty() {
        let hint = "write the trials to a file, and read that: coincide.label(coincide.read(file), output)";
        return Err(errors::option(py, "a queue needs the file that holds the trials, and these outcomes came from none", hint));
    }
    write(py, (table.files.as_slice(), &table.read), options, (output, overwrite), progress)
}

/// The same of a study's files.
#[pyfunction]
pub(crate) fn label_study(
    py: Python<'_>,
    study: &str,
    options: &str,
    output: PathBuf,
    overwrite: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Group>> {
    let job = StudyFile::read(study).and_then(|s| Job::outcomes_of_study(s, Vec::new())).map_err(|e| errors::of(py, &e))?;
    write(py, (job.files.as_slice(), &job.read), options, (output, overwrite), progress)
}
