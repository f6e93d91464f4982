//! The dashboard, answering on threads of its own.

use crate::errors;
use coincide_server::{Config, Error, Server};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Runtime;

/// A server that answers until it is closed.
#[pyclass(frozen, module = "coincide._coincide")]
pub(crate) struct Dashboard {
    address: String,
    runtime: Mutex<Option<Runtime>>,
}

impl Dashboard {
    fn end(&self) {
        // An analysis under way is not waited for: the next server calls it interrupted.
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

#[pymethods]
impl Dashboard {
    /// Where it listens, as IP:PORT.
    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    fn close(&self) {
        self.end();
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.end();
    }
}

/// Listens, and answers from now on. `upload_limit` in bytes.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>, data: PathBuf, address: &str, token: Option<String>, upload_limit: usize) -> PyResult<Dashboard> {
    let wrong =
        || errors::option(py, format!("`{address}` is no address"), "give an IP address and a port, as 127.0.0.1:8642; port 0 is any that is free");
    let config = Config { data, address: address.parse().map_err(|_| wrong())?, token, upload_limit };
    let raised = |e: &Error| {
        let hint = match e {
            Error::NoToken(_) => "give token=…, letters, digits, - and _, at least 16 of them",
            Error::WeakToken => "take a longer one, as secrets.token_urlsafe() gives",
            Error::Listen { .. } => "another program may be listening there: name another port with address=…",
            _ => "give a folder that this process may write to",
        };
        errors::option(py, e.to_string(), hint)
    };
    let started = py.detach(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok::<_, std::io::Error>(runtime.block_on(Server::bind(config)).map(|server| {
            let address = server.address().to_string();
            runtime.spawn(server.serve());
            Dashboard { address, runtime: Mutex::new(Some(runtime)) }
        }))
    });
    started?.map_err(|e| raised(&e))
}
