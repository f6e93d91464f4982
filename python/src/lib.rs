//! The private extension module under the Python package: tables, jobs and reports. Options come as JSON of the program's own option types, written by the typed
//! layer in `coincide/`, so that Python and the program ask for the same things.

mod crew;
mod drift;
mod errors;
mod frames;
mod queue;
mod report;
mod serve;
mod stress;
mod table;
mod task;

use pyo3::prelude::*;

#[pymodule]
fn _coincide(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_class::<table::Table>()?;
    m.add_class::<table::Trials>()?;
    m.add_class::<table::ImportedLogs>()?;
    m.add_class::<report::Report>()?;
    m.add_class::<serve::Dashboard>()?;
    m.add_class::<drift::Monitor>()?;
    m.add_function(wrap_pyfunction!(table::read, m)?)?;
    m.add_function(wrap_pyfunction!(table::merge, m)?)?;
    m.add_function(wrap_pyfunction!(table::import_logs, m)?)?;
    m.add_function(wrap_pyfunction!(frames::from_frame, m)?)?;
    m.add_function(wrap_pyfunction!(frames::from_columns, m)?)?;
    m.add_function(wrap_pyfunction!(frames::scores_from_frame, m)?)?;
    m.add_function(wrap_pyfunction!(frames::scores_from_columns, m)?)?;
    m.add_function(wrap_pyfunction!(frames::column, m)?)?;
    m.add_function(wrap_pyfunction!(frames::from_patterns, m)?)?;
    m.add_function(wrap_pyfunction!(report::assess, m)?)?;
    m.add_function(wrap_pyfunction!(report::run_study, m)?)?;
    m.add_function(wrap_pyfunction!(report::check_study, m)?)?;
    m.add_function(wrap_pyfunction!(report::modes, m)?)?;
    m.add_function(wrap_pyfunction!(report::impact, m)?)?;
    m.add_function(wrap_pyfunction!(report::risk_study, m)?)?;
    m.add_function(wrap_pyfunction!(report::risk_outcomes, m)?)?;
    m.add_function(wrap_pyfunction!(report::select_outcomes, m)?)?;
    m.add_function(wrap_pyfunction!(report::select_study, m)?)?;
    m.add_function(wrap_pyfunction!(report::thresholds_files, m)?)?;
    m.add_function(wrap_pyfunction!(report::thresholds_study, m)?)?;
    m.add_function(wrap_pyfunction!(report::thresholds_trials, m)?)?;
    m.add_function(wrap_pyfunction!(report::plan_outcomes, m)?)?;
    m.add_function(wrap_pyfunction!(report::plan_study, m)?)?;
    m.add_function(wrap_pyfunction!(report::compare, m)?)?;
    m.add_function(wrap_pyfunction!(report::risk_tree, m)?)?;
    m.add_function(wrap_pyfunction!(report::verify, m)?)?;
    m.add_function(wrap_pyfunction!(report::read_report, m)?)?;
    m.add_function(wrap_pyfunction!(report::schema, m)?)?;
    m.add_function(wrap_pyfunction!(queue::label_files, m)?)?;
    m.add_function(wrap_pyfunction!(queue::label_outcomes, m)?)?;
    m.add_function(wrap_pyfunction!(queue::label_study, m)?)?;
    m.add_function(wrap_pyfunction!(stress::stress, m)?)?;
    m.add_function(wrap_pyfunction!(stress::plan, m)?)?;
    m.add_function(wrap_pyfunction!(serve::serve, m)?)?;
    m.add_function(wrap_pyfunction!(crew::in_crew, m)?)?;
    m.add_function(wrap_pyfunction!(table::unpickle, m)?)?;
    Ok(())
}
