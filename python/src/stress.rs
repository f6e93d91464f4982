//! Campaigns, with functions of the session among their layers.

use crate::report::Report;
use crate::{errors, task};
use coincide_report::{Colour, Layout, campaign_results, plan_blocks, terminal};
use coincide_stress::{Again, Ask, CampaignFile, Error, Function, Functions, Prepared, RunOptions, Stop, Trouble};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn raised(py: Python<'_>, e: &Error) -> PyErr {
    match e {
        Error::Io(e) => errors::of(py, e),
        other => errors::option(py, other.to_string(), other.hint().unwrap_or("please report this")),
    }
}

/// A callable of the typed layer: (prompt, output, stage, history as JSON) → the answer as JSON.
fn function(callable: Py<PyAny>) -> Function {
    Arc::new(move |ask: Ask<'_>| {
        let history = serde_json::to_string(ask.history).map_err(|e| Trouble::lasting(e.to_string()))?;
        let said = Python::attach(|py| callable.call1(py, (ask.prompt, ask.output, ask.stage.word(), history))?.extract::<String>(py));
        // The typed layer catches what the function raises; a function that only ever raises is given up like an endpoint with a wrong key.
        let said = said.map_err(|e| {
            // Its message may quote the prompt.
            let name = Python::attach(|py| e.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |n| n.to_string()));
            Trouble { again: Again::Refused, ..Trouble::lasting(name) }
        })?;
        let answer: serde_json::Value = serde_json::from_str(&said).map_err(|e| Trouble::unparsed(e.to_string()))?;
        match answer.get("raised").and_then(serde_json::Value::as_str) {
            Some(what) => Err(Trouble { again: Again::Refused, ..Trouble::lasting(what) }),
            None => Ok(answer),
        }
    })
}

/// An adaptive search: its name, and its queries.
type Searched = (Option<String>, Option<u64>);

fn prepared(
    py: Python<'_>,
    campaign: &str,
    shard: Option<&str>,
    functions: BTreeMap<String, Py<PyAny>>,
    (search, queries): Searched,
) -> PyResult<Prepared> {
    let hint = "give one of the searches, as stack";
    let search = search.map(|s| s.parse().map_err(|e: String| errors::option(py, e, hint))).transpose()?;
    let shard = shard.map(|s| s.parse().map_err(|e: String| errors::option(py, e, "give the part as a text: shard=\"1/4\""))).transpose()?;
    let functions: Functions = functions.into_iter().map(|(name, f)| (name, function(f))).collect();
    let prepared = || {
        let file = CampaignFile::read(campaign)?.with_search(search, queries)?;
        Prepared::with_functions(file, shard, &functions)
    };
    py.detach(prepared).map_err(|e| raised(py, &e))
}

/// Runs a campaign; the document and the folder of its results.
#[pyfunction]
#[pyo3(signature = (campaign, functions, shard, search, resume, keep_text, retry_errors, progress))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn stress(
    py: Python<'_>,
    campaign: &str,
    functions: BTreeMap<String, Py<PyAny>>,
    shard: Option<&str>,
    search: Searched,
    resume: bool,
    keep_text: bool,
    retry_errors: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Report, String)> {
    let prepared = prepared(py, campaign, shard, functions, search)?;
    let options = RunOptions { resume, keep_text, retry_errors };
    let stop = Stop::by_hand();
    let ran = task::run_until(py, progress, &|| stop.press(), |report| -> coincide_stress::Result<_> {
        let ran = coincide_stress::run(prepared, options, &stop, &|live| report("trials", live.finished, live.planned))?;
        let (folder, document) = (ran.output.display().to_string(), ran.document());
        let results = campaign_results(ran.record, ran.inputs);
        // Here and not below, where a run that Ctrl-C ended does not come.
        coincide_io::write_text(&document, &results.to_json())?;
        Ok((Report(results), folder))
    })?;
    ran.map_err(|e| raised(py, &e))
}

/// What a campaign would do and cost: as JSON, and as the program prints it.
#[pyfunction]
#[pyo3(signature = (campaign, functions, shard, search, width))]
pub(crate) fn plan(
    py: Python<'_>,
    campaign: &str,
    functions: BTreeMap<String, Py<PyAny>>,
    shard: Option<&str>,
    search: Searched,
    width: usize,
) -> PyResult<(String, String)> {
    let plan = prepared(py, campaign, shard, functions, search)?.plan();
    let json = serde_json::to_string(&plan).map_err(|e| errors::option(py, e.to_string(), "please report this"))?;
    Ok((json, terminal(&plan_blocks(&plan), Layout { width: width.clamp(40, 400), colour: Colour::Off })))
}
