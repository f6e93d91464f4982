//! Errors of the library as the package's exceptions, which are written in Python.

use coincide_io::Error;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An exception of `coincide.errors`.
fn raise(py: Python<'_>, class: &str, message: String, details: &[(&str, Option<String>)], line: Option<u64>) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let details_dict = PyDict::new(py);
        details.iter().filter_map(|(k, v)| v.as_ref().map(|v| (k, v))).try_for_each(|(k, v)| details_dict.set_item(k, v))?;
        if let Some(line) = line {
            details_dict.set_item("line", line)?;
        }
        let class = py.import("coincide.errors")?.getattr(class)?;
        Ok(PyErr::from_value(class.call((message,), Some(&details_dict))?))
    };
    build().unwrap_or_else(|e| e)
}

/// What the library said, as an exception with its place and what to do.
pub(crate) fn of(py: Python<'_>, e: &Error) -> PyErr {
    let hint = e.hint().map(str::to_owned);
    match e {
        Error::Bad { place, .. } => {
            let details = [("hint", hint), ("file", Some(place.file.clone())), ("column", place.column.clone())];
            raise(py, "InputError", e.to_string(), &details, place.line)
        }
        Error::Io { file, error } if error.kind() == std::io::ErrorKind::NotFound => {
            raise(py, "MissingFileError", e.to_string(), &[("file", Some(file.clone()))], None)
        }
        Error::Io { file, .. } => raise(py, "InputError", e.to_string(), &[("file", Some(file.clone()))], None),
        Error::Core(_) => raise(py, "StatisticsError", e.to_string(), &[], None),
        _ => raise(py, "OptionError", e.to_string(), &[("hint", hint)], None),
    }
}

/// What another library raised while it handed its data on, as an exception of ours that it caused; Ctrl-C and the like stay themselves.
pub(crate) fn foreign(py: Python<'_>, what: &str, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let details = [("hint", Some("see that every column holds values of one type, and cast what does not".to_owned()))];
    let ours = raise(py, "InputError", format!("{what} cannot be read as Arrow: {}", error.value(py)), &details, None);
    ours.set_cause(py, Some(error));
    ours
}

/// An options error of this module.
pub(crate) fn option(py: Python<'_>, message: impl Into<String>, hint: &str) -> PyErr {
    raise(py, "OptionError", message.into(), &[("hint", Some(hint.to_owned()))], None)
}

/// Options as JSON over the library's defaults; the typed layer writes them, so an error is one of values that were given in spite of it.
pub(crate) fn options<T: DeserializeOwned + Serialize + Default>(py: Python<'_>, json: &str) -> PyResult<T> {
    let wrong = |e: serde_json::Error| option(py, format!("an option has a value that it cannot have: {e}"), "see the function's documentation");
    let mut whole = serde_json::to_value(T::default()).map_err(wrong)?;
    let given: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).map_err(wrong)?;
    if let Some(map) = whole.as_object_mut() {
        map.extend(given);
    }
    serde_json::from_value(whole).map_err(wrong)
}
