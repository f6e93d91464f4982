//! Jobs, and the documents that they give.

use crate::table::{Table, Trials};
use crate::{errors, task};
use coincide::{AnalyzeOptions, Claim, FitOptions};
use coincide_io::{
    Ask, CompareAsk, FaultTreeOptions, Job, Part, PlanAsk, ReadOptions, Results, RiskAsk, SelectAsk, StudyFile, ThresholdAsk, study_schema,
};
use coincide_report::{
    Block, Colour, Layout, blocks, claim_blocks, comparison_blocks, conclusions, fit_blocks, gsn, markdown, next_test_blocks, page, results,
    risk_blocks, select_blocks, terminal, threshold_blocks, title,
};
use pyo3::prelude::*;
use std::sync::Arc;

/// A results document.
#[pyclass(frozen, module = "coincide._coincide")]
pub(crate) struct Report(pub Results);

impl Report {
    fn blocks(&self, part: &str) -> Vec<Block> {
        let document = self.document();
        match part {
            "fit" => fit_blocks(&document),
            "claims" => claim_blocks(&document),
            "risk" => risk_blocks(&document),
            "select" => select_blocks(&document),
            "thresholds" => threshold_blocks(&document),
            "plan" => next_test_blocks(&document),
            "compare" => comparison_blocks(&document),
            _ => blocks(&document),
        }
    }

    /// As the program writes it: what only a page needs is no part of it.
    fn document(&self) -> Results {
        let mut out = self.0.clone();
        out.what_if = None;
        out.provenance.ask.parts.retain(|p| *p != Part::WhatIf);
        out.conclusions = conclusions(&out);
        out
    }
}

#[pymethods]
impl Report {
    /// The results document as JSON, as `--json` writes it.
    fn to_json(&self) -> String {
        self.document().to_json()
    }

    /// The same with what only a page needs.
    fn whole_json(&self) -> String {
        self.0.to_json()
    }

    fn title(&self) -> String {
        title(&self.0)
    }

    /// As the program prints it. `part`: "fit", "claims", "risk", "select", "thresholds", "plan", "compare", or everything.
    fn terminal(&self, part: &str, width: usize, colour: bool) -> String {
        terminal(&self.blocks(part), Layout { width: width.clamp(40, 400), colour: if colour { Colour::On } else { Colour::Off } })
    }

    fn markdown(&self, part: &str) -> String {
        markdown(&title(&self.0), &self.blocks(part))
    }

    /// One HTML file that needs no network.
    fn page(&self, py: Python<'_>) -> String {
        py.detach(|| page(&self.0))
    }

    /// P(all of these layers fail) by the best model, as JSON of a figure; or nothing, and why not.
    #[pyo3(signature = (layers))]
    fn co_failure(&self, py: Python<'_>, layers: Option<Vec<String>>) -> PyResult<(Option<String>, String)> {
        let Some(model) = self.0.what_if.as_ref().and_then(|w| w.content.model.as_ref()) else {
            let why = if self.0.fit.is_some() { "no model reproduces what was seen" } else { "no model was fitted: use coincide.fit" };
            return Ok((None, why.to_owned()));
        };
        let chosen: Vec<usize> = match layers {
            None => (0..model.layers.len()).collect(),
            Some(names) => names
                .iter()
                .map(|n| {
                    let known = || format!("the layers are {}", model.layers.join(", "));
                    model.layers.iter().position(|l| l == n).ok_or_else(|| errors::option(py, format!("there is no layer `{n}`"), &known()))
                })
                .collect::<PyResult<_>>()?,
        };
        let found = model.recompute(&chosen, None).map_err(|e| errors::of(py, &e.into()))?;
        let json = serde_json::to_string(&found.beta).map_err(|e| errors::option(py, e.to_string(), "please report this"))?;
        Ok((Some(json), model.model.clone()))
    }

    /// The claims' argument as SVG; `None` where there are no claims.
    fn gsn(&self) -> Option<String> {
        self.0.assessment.claims.as_ref().map(|c| gsn(&c.content))
    }
}

fn done(py: Python<'_>, job: coincide_io::Result<Job>, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    let mut job = job.map_err(|e| errors::of(py, &e))?;
    if page {
        job.ask.parts.push(Part::WhatIf);
    }
    task::run(py, progress, |p| results(&job, p))?.map(Report).map_err(|e| errors::of(py, &e))
}

/// Options of models, whose claims are texts as the program takes them.
fn fit_options(py: Python<'_>, json: &str) -> PyResult<FitOptions> {
    let wrong = |e: String| errors::option(py, e, "write claims as beta<=1e-4@0.95 or beta(a,b)<=1e-3@0.9");
    let mut given: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
    let mut claims = |key: &str| -> PyResult<Vec<Claim>> {
        let list = given.remove(key).and_then(|v| v.as_array().cloned()).unwrap_or_default();
        list.iter().map(|c| c.as_str().unwrap_or_default().parse().map_err(&wrong)).collect()
    };
    let (claims, confidences) = (claims("claims")?, claims("confidences")?);
    let options: FitOptions = errors::options(py, &serde_json::Value::Object(given).to_string())?;
    Ok(FitOptions { claims, confidences, ..options })
}

/// A job on a table that was read already.
fn of_table(table: &Table, analyze: AnalyzeOptions, fit: Option<FitOptions>, ask: Ask) -> Job {
    let mut job = Job::outcomes(table.files.clone(), table.read.clone(), analyze, fit, ask);
    job.loaded = Some(Arc::clone(&table.loaded));
    job
}

/// Computes what is asked of a table.
#[pyfunction]
#[pyo3(signature = (table, analyze, fit, ask, page, progress))]
pub(crate) fn assess(
    py: Python<'_>,
    table: &Table,
    analyze: &str,
    fit: Option<&str>,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let analyze: AnalyzeOptions = errors::options(py, analyze)?;
    let fit: Option<FitOptions> = fit.map(|f| fit_options(py, f)).transpose()?;
    let ask: Ask = errors::options(py, ask)?;
    done(py, Ok(of_table(table, analyze, fit, ask)), page, progress)
}

/// Everything that a study has.
#[pyfunction]
pub(crate) fn run_study(py: Python<'_>, study: &str, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    done(py, StudyFile::read(study).and_then(Job::run), page, progress)
}

/// A study's claims.
#[pyfunction]
pub(crate) fn check_study(
    py: Python<'_>,
    study: &str,
    claims: Vec<String>,
    strict: bool,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    done(py, StudyFile::read(study).map(|s| Job::check(s, claims, strict)), page, progress)
}

/// Maps of failure modes, with a study's numbers.
#[pyfunction]
#[pyo3(signature = (maps, study, page, progress))]
pub(crate) fn modes(py: Python<'_>, maps: Vec<String>, study: Option<&str>, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    let study = study.map(StudyFile::read).transpose();
    done(py, study.map(|s| Job::modes(maps, s)), page, progress)
}

/// Impact of a study's research problems.
#[pyfunction]
pub(crate) fn impact(py: Python<'_>, study: &str, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    done(py, StudyFile::read(study).and_then(Job::impact), page, progress)
}

/// P(system failure) of a study's structure.
#[pyfunction]
pub(crate) fn risk_study(py: Python<'_>, study: &str, ask: &str, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    let ask: RiskAsk = errors::options(py, ask)?;
    done(py, StudyFile::read(study).map(|s| Job::study(s, Vec::new())).and_then(|job| Job::risk(job, ask)), page, progress)
}

/// P(system failure) of a table.
#[pyfunction]
#[pyo3(signature = (table, analyze, fit, ask, page, progress))]
pub(crate) fn risk_outcomes(
    py: Python<'_>,
    table: &Table,
    analyze: &str,
    fit: &str,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let (analyze, fit): (AnalyzeOptions, _) = (errors::options(py, analyze)?, fit_options(py, fit)?);
    let ask: RiskAsk = errors::options(py, ask)?;
    done(py, Job::risk(of_table(table, analyze, Some(fit), Ask::default()), ask), page, progress)
}

/// Which layers of a study to choose.
#[pyfunction]
#[pyo3(signature = (study, ask, page, progress))]
pub(crate) fn select_study(py: Python<'_>, study: &str, ask: &str, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    let ask: SelectAsk = errors::options(py, ask)?;
    done(py, StudyFile::read(study).and_then(|s| Job::select(Job::outcomes_of_study(s, Vec::new())?, ask)), page, progress)
}

/// Which layers of a table to choose; by models where some are asked for.
#[pyfunction]
#[pyo3(signature = (table, analyze, fit, ask, page, progress))]
pub(crate) fn select_outcomes(
    py: Python<'_>,
    table: &Table,
    analyze: &str,
    fit: Option<&str>,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let analyze: AnalyzeOptions = errors::options(py, analyze)?;
    let fit = fit.map(|f| fit_options(py, f)).transpose()?;
    let ask: SelectAsk = errors::options(py, ask)?;
    done(py, Job::select(of_table(table, analyze, fit, Ask::default()), ask), page, progress)
}

/// Thresholds of a study's scores.
#[pyfunction]
pub(crate) fn thresholds_study(py: Python<'_>, study: &str, ask: &str, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    let ask: ThresholdAsk = errors::options(py, ask)?;
    done(py, StudyFile::read(study).and_then(|s| Job::thresholds(Job::outcomes_of_study(s, Vec::new())?, ask)), page, progress)
}

/// Thresholds of the scores in files; those in `read` are in use.
#[pyfunction]
pub(crate) fn thresholds_files(
    py: Python<'_>,
    files: Vec<String>,
    read: &str,
    analyze: &str,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let (read, analyze): (ReadOptions, AnalyzeOptions) = (errors::options(py, read)?, errors::options(py, analyze)?);
    let ask: ThresholdAsk = errors::options(py, ask)?;
    done(py, Job::thresholds(Job::outcomes(files, read, analyze, None, Ask::default()), ask), page, progress)
}

/// Thresholds of scores that lie in memory.
#[pyfunction]
pub(crate) fn thresholds_trials(
    py: Python<'_>,
    trials: &Trials,
    analyze: &str,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let analyze: AnalyzeOptions = errors::options(py, analyze)?;
    let ask: ThresholdAsk = errors::options(py, ask)?;
    let mut job = Job::outcomes(Vec::new(), trials.read.clone(), analyze, None, Ask::default());
    job.trials = Some(Arc::clone(&trials.loaded));
    done(py, Job::thresholds(job, ask), page, progress)
}

/// Where to test next, of a study.
#[pyfunction]
pub(crate) fn plan_study(py: Python<'_>, study: &str, ask: &str, page: bool, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Report> {
    let ask: PlanAsk = errors::options(py, ask)?;
    done(py, StudyFile::read(study).and_then(|s| Job::plan(Job::outcomes_of_study(s, Vec::new())?, ask)), page, progress)
}

/// Where to test next, of a table.
#[pyfunction]
pub(crate) fn plan_outcomes(
    py: Python<'_>,
    table: &Table,
    analyze: &str,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let analyze: AnalyzeOptions = errors::options(py, analyze)?;
    let ask: PlanAsk = errors::options(py, ask)?;
    done(py, Job::plan(of_table(table, analyze, None, Ask::default()), ask), page, progress)
}

/// What changed between two tables.
#[pyfunction]
pub(crate) fn compare(
    py: Python<'_>,
    before: &Table,
    after: &Table,
    analyze: &str,
    ask: &str,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let (analyze, ask): (AnalyzeOptions, CompareAsk) = (errors::options(py, analyze)?, errors::options(py, ask)?);
    // A document names files only where reading both alike gives these tables again.
    let again = !before.files.is_empty() && before.read == after.read;
    let files: Vec<String> = if again { before.loaded.inputs.iter().map(|i| i.path.clone()).collect() } else { Vec::new() };
    let mut job = of_table(after, analyze, None, Ask::default());
    job.before = Some(Arc::clone(&before.loaded));
    done(py, Job::compare(job, CompareAsk { before: files, ..ask }), page, progress)
}

/// P(top) of a fault tree.
#[pyfunction]
pub(crate) fn risk_tree(
    py: Python<'_>,
    file: &str,
    options: &str,
    analyze: &str,
    listed: usize,
    page: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let (options, analyze): (FaultTreeOptions, AnalyzeOptions) = (errors::options(py, options)?, errors::options(py, analyze)?);
    done(py, Ok(Job::fault_tree(file, options, Some(listed), analyze)), page, progress)
}

/// Computes a document again; where it differs.
#[pyfunction]
#[pyo3(signature = (report, table, before, inputs, progress))]
pub(crate) fn verify(
    py: Python<'_>,
    report: &Report,
    table: Option<&Table>,
    before: Option<&Table>,
    inputs: Vec<String>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<String>> {
    let document = report.document();
    let nameless = document.provenance.ask.compare.as_ref().is_some_and(|c| c.before.is_empty());
    if nameless && (table.is_none() || before.is_none()) {
        let what = "this report compares tables that cannot be read again from its files alone";
        return Err(errors::option(py, what, "give both tables: coincide.verify(report, after, before=before)"));
    }
    let mut job = match table {
        Some(table) => {
            let p = &document.provenance;
            Job { read: p.read.clone(), ..of_table(table, p.analyze.clone(), p.fit.clone(), p.ask.clone()) }
        }
        None => Job::again(&document, &inputs).map_err(|e| errors::of(py, &e))?,
    };
    job.before = before.map(|b| Arc::clone(&b.loaded));
    let again = task::run(py, progress, |p| results(&job, p))?.map_err(|e| errors::of(py, &e))?;
    Ok(document.differs_from(again))
}

/// Reads a results document.
#[pyfunction]
pub(crate) fn read_report(py: Python<'_>, name: &str, text: &str) -> PyResult<Report> {
    Results::from_json(name, text).map(Report).map_err(|e| errors::of(py, &e))
}

/// The JSON Schema of a document, study or of reading options.
#[pyfunction]
pub(crate) fn schema(py: Python<'_>, of: &str) -> PyResult<String> {
    let schema = match of {
        "results" => Results::schema(),
        "study" => study_schema(),
        "campaign" => coincide_stress::campaign_schema(),
        other => return Err(errors::option(py, format!("there is no schema `{other}`"), "results, study or campaign")),
    };
    serde_json::to_string_pretty(&schema).map_err(|e| errors::option(py, e.to_string(), "please report this"))
}
