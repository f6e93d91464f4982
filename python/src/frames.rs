//! Frames of other libraries, by the Arrow C interface: their buffers are read where they lie.

use crate::table::{Table, Trials};
use crate::{errors, task};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema, SchemaRef};
use coincide_io::{Keep, Packing, ReadOptions, load_batches, load_patterns, load_trial_batches};
use pyo3::prelude::*;
use pyo3_arrow::PyArray;
use pyo3_arrow::input::{AnyArray, AnyRecordBatch};
use std::sync::Arc;

/// What stands for a frame in errors and in the record of inputs.
const FRAME: &str = "<frame>";

/// Rows as they were handed over.
type Rows = (Vec<RecordBatch>, SchemaRef);

/// Counts a frame: anything with `__arrow_c_stream__` or `__arrow_c_array__`.
#[pyfunction]
pub(crate) fn from_frame(py: Python<'_>, frame: &Bound<'_, PyAny>, options: &str, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Table> {
    let read: ReadOptions = errors::options(py, options)?;
    count(py, of_frame(py, frame, &read)?, read, progress)
}

/// Counts columns that come one by one: arrays of Arrow, or of numpy.
#[pyfunction]
pub(crate) fn from_columns(
    py: Python<'_>,
    columns: Vec<(String, Bound<'_, PyAny>)>,
    options: &str,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Table> {
    count(py, of_columns(py, columns)?, errors::options(py, options)?, progress)
}

/// A frame's scores, trial by trial.
#[pyfunction]
pub(crate) fn scores_from_frame(py: Python<'_>, frame: &Bound<'_, PyAny>, options: &str, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Trials> {
    let read: ReadOptions = errors::options(py, options)?;
    scores(py, of_frame(py, frame, &read)?, read, progress)
}

/// The same of columns that come one by one.
#[pyfunction]
pub(crate) fn scores_from_columns(
    py: Python<'_>,
    columns: Vec<(String, Bound<'_, PyAny>)>,
    options: &str,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Trials> {
    scores(py, of_columns(py, columns)?, errors::options(py, options)?, progress)
}

fn of_frame(py: Python<'_>, frame: &Bound<'_, PyAny>, options: &ReadOptions) -> PyResult<Rows> {
    let read = || PyResult::Ok(frame.extract::<AnyRecordBatch>()?.into_table()?);
    let (batches, schema) = read().map_err(|e| errors::foreign(py, "the frame", e))?.into_inner();
    without_index(batches, schema, options)
}

fn of_columns(py: Python<'_>, columns: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<Rows> {
    let mut fields = Vec::new();
    let mut chunks: Vec<Vec<ArrayRef>> = Vec::new();
    for (name, column) in columns {
        let read = || PyResult::Ok(column.extract::<AnyArray>()?.into_chunked_array()?);
        let (arrays, field) = read().map_err(|e| errors::foreign(py, &format!("column `{name}`"), e))?.into_inner();
        fields.push(Field::new(name, field.data_type().clone(), true));
        chunks.push(arrays);
    }
    let schema = Arc::new(Schema::new(fields));
    let rows = |c: &Vec<ArrayRef>| c.iter().map(|a| a.len()).sum::<usize>();
    if let Some(odd) = chunks.iter().position(|c| rows(c) != rows(&chunks[0])) {
        let what = format!(
            "column `{}` has {} rows, and `{}` has {}",
            schema.field(odd).name(),
            rows(&chunks[odd]),
            schema.field(0).name(),
            rows(&chunks[0])
        );
        return Err(errors::option(py, what, "give columns of one length"));
    }
    let batches = aligned(&schema, chunks)?;
    Ok((batches, schema))
}

/// The groups that an engine counted.
#[pyfunction]
pub(crate) fn from_patterns(py: Python<'_>, groups: &Bound<'_, PyAny>, packing: &str, options: &str, notes: Vec<String>) -> PyResult<Table> {
    let (batches, _) = groups.extract::<AnyRecordBatch>()?.into_table()?.into_inner();
    let packing: Packing = errors::options(py, packing)?;
    let read: ReadOptions = errors::options(py, options)?;
    let loaded = py.detach(|| load_patterns(FRAME, &batches, &packing, notes)).map_err(|e| errors::of(py, &e))?;
    Ok(Table { loaded: Arc::new(loaded), files: Vec::new(), read })
}

/// A list of Python values as a column: `None`, booleans, numbers or texts.
#[pyfunction]
pub(crate) fn column(values: Vec<Option<Value>>) -> PyResult<PyArray> {
    let texts = values.iter().flatten().any(|v| matches!(v, Value::Text(_)));
    let fractions = values.iter().flatten().any(|v| matches!(v, Value::Number(_)));
    let array: ArrayRef = if texts {
        Arc::new(values.iter().map(|v| v.as_ref().map(Value::text)).collect::<StringArray>())
    } else if fractions {
        Arc::new(values.iter().map(|v| v.as_ref().map(Value::number)).collect::<Float64Array>())
    } else {
        Arc::new(values.iter().map(|v| v.as_ref().map(|v| v.number() as i64)).collect::<Int64Array>())
    };
    Ok(PyArray::from_array_ref(array))
}

/// A value of a list.
#[derive(FromPyObject)]
pub(crate) enum Value {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::Whole(n) => n.to_string(),
            Value::Number(x) => x.to_string(),
            Value::Text(t) => t.clone(),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Value::Whole(n) => *n as f64,
            Value::Number(x) => *x,
            Value::Text(_) => f64::NAN,
        }
    }
}

fn count(py: Python<'_>, (batches, schema): Rows, read: ReadOptions, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Table> {
    let loaded = task::run(py, progress, |p| load_batches(FRAME, schema, &batches, &read, p))?.map_err(|e| errors::of(py, &e))?;
    Ok(Table { loaded: Arc::new(loaded), files: Vec::new(), read })
}

fn scores(py: Python<'_>, (batches, schema): Rows, read: ReadOptions, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Trials> {
    let loaded = task::run(py, progress, |p| load_trial_batches(FRAME, schema, &batches, &read, Keep::Scores, p))?.map_err(|e| errors::of(py, &e))?;
    Ok(Trials { loaded: Arc::new(loaded), read })
}

/// Columns with chunks of different lengths, cut where any of them ends.
fn aligned(schema: &SchemaRef, chunks: Vec<Vec<ArrayRef>>) -> PyResult<Vec<RecordBatch>> {
    let mut ends: Vec<usize> = chunks
        .iter()
        .flat_map(|c| {
            c.iter().scan(0, |at, a| {
                *at += a.len();
                Some(*at)
            })
        })
        .filter(|end| *end > 0)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    let mut out = Vec::new();
    let mut at = vec![(0usize, 0usize); chunks.len()];
    let mut from = 0;
    for end in ends {
        let rows = end - from;
        let mut columns = Vec::new();
        for (c, (chunk, offset)) in chunks.iter().zip(&mut at) {
            while c[*chunk].len() == *offset {
                (*chunk, *offset) = (*chunk + 1, 0);
            }
            columns.push(c[*chunk].slice(*offset, rows));
            *offset += rows;
        }
        out.push(RecordBatch::try_new(schema.clone(), columns).map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?);
        from = end;
    }
    Ok(out)
}

/// pandas hands its index on as columns. One that nobody names is no layer.
fn without_index(batches: Vec<RecordBatch>, schema: SchemaRef, read: &ReadOptions) -> PyResult<Rows> {
    let said: serde_json::Value = schema.metadata().get("pandas").and_then(|m| serde_json::from_str(m).ok()).unwrap_or_default();
    let index = |name: &str| said["index_columns"].as_array().is_some_and(|list| list.iter().any(|c| c == name));
    let keep: Vec<usize> = (0..schema.fields().len())
        .filter(|&i| {
            let name = schema.field(i).name();
            !name.starts_with("__index_level_") && (!index(name) || read.names(name))
        })
        .collect();
    if keep.len() == schema.fields().len() {
        return Ok((batches, schema));
    }
    let wrong = |e: arrow_schema::ArrowError| pyo3::exceptions::PyValueError::new_err(e.to_string());
    let batches = batches.iter().map(|b| b.project(&keep)).collect::<Result<_, _>>().map_err(wrong)?;
    Ok((batches, Arc::new(schema.project(&keep).map_err(wrong)?)))
}
