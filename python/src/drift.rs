//! A monitor of a stream of trials.

use crate::errors;
use pyo3::prelude::*;

/// Watches a stream of trials for a rate of joint failures above a stated one.
#[pyclass(name = "DriftMonitor", module = "coincide._coincide")]
pub(crate) struct Monitor(coincide::DriftMonitor);

fn checked(py: Python<'_>, monitor: coincide::Result<coincide::DriftMonitor>) -> PyResult<Monitor> {
    monitor.map(Monitor).map_err(|e| errors::of(py, &e.into()))
}

#[pymethods]
impl Monitor {
    /// For rates above this one.
    #[staticmethod]
    fn above(py: Python<'_>, rate: f64, confidence: f64) -> PyResult<Monitor> {
        checked(py, coincide::DriftMonitor::new(rate, confidence))
    }

    /// For rates above an earlier one, which is only known from counts.
    #[staticmethod]
    fn against(py: Python<'_>, failed: f64, trials: f64, confidence: f64) -> PyResult<Monitor> {
        checked(py, coincide::DriftMonitor::against(failed, trials, confidence))
    }

    /// What [`Monitor::to_json`] gave.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Monitor> {
        let wrong = |e: serde_json::Error| errors::option(py, format!("this is no stored monitor: {e}"), "give what to_json() gave");
        serde_json::from_str(text).map(Monitor).map_err(wrong)
    }

    /// Takes observations in their order; whether one of them raised the alarm. Changes nothing where one is refused.
    fn observe(&mut self, py: Python<'_>, observations: Vec<f64>) -> PyResult<bool> {
        let mut next = self.0.clone();
        let mut raised = false;
        for x in observations {
            raised |= next.observe(x).map_err(|e| errors::of(py, &e.into()))?;
        }
        self.0 = next;
        Ok(raised)
    }

    fn observe_zeros(&mut self, n: u64) {
        self.0.observe_zeros(n);
    }

    #[getter]
    fn rate(&self) -> f64 {
        self.0.rate()
    }

    #[getter]
    fn trials(&self) -> u64 {
        self.0.trials()
    }

    #[getter]
    fn alarm_at(&self) -> Option<u64> {
        self.0.alarm_at()
    }

    #[getter]
    fn log10_e(&self) -> f64 {
        self.0.log10_e()
    }

    #[getter]
    fn p_value(&self) -> f64 {
        self.0.p_value()
    }

    /// Everything it knows, for [`Monitor::from_json`].
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|e| errors::option(py, e.to_string(), "please report this"))
    }
}
