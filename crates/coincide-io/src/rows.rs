//! Rows of text, and vectors, of any file that the readers know: attacks and activations come in the same formats as outcomes.

use crate::batch::{Batch, Table};
use crate::cell;
use crate::error::{Error, Place, Result};
use crate::source::{InputRecord, expand};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_schema::DataType;

/// A file of rows with named columns: CSV, TSV, JSON lines, Parquet or Arrow IPC, plain or packed.
pub struct Rows {
    table: Table,
}

/// A vector a row, with the row's name where a column of names was asked for.
pub type Vectors = Vec<(String, Vec<f64>)>;

/// One row of the columns that were asked for.
pub struct Row<'a> {
    file: &'a str,
    batch: &'a Batch,
    texts: &'a [Vec<String>],
    row: usize,
}

impl Row<'_> {
    /// The text in a column, by its place among those asked for.
    pub fn text(&self, column: usize) -> &str {
        &self.texts[column][self.row]
    }

    /// Where it stands, for errors about one of its columns.
    pub fn place(&self, column: &str) -> Place {
        self.batch.place(self.file, self.row, Some(column))
    }
}

impl Rows {
    /// Opens files by name or pattern. Fails on what cannot be read, or is in no known format.
    pub fn open(names: &[String]) -> Result<Vec<Rows>> {
        expand(names)?.iter().map(|n| Ok(Rows { table: Table::open(n)? })).collect()
    }

    /// The file, as it was named.
    pub fn name(&self) -> &str {
        &self.table.source.name
    }

    /// Its columns.
    pub fn columns(&self) -> &[String] {
        &self.table.columns
    }

    /// Its size and hash. Fails when it cannot be read again.
    pub fn record(&self) -> Result<InputRecord> {
        self.table.source.record()
    }

    /// The error of a column that is not there, with the nearest name.
    pub fn no_column(&self, name: &str) -> Error {
        crate::roles::no_column(&self.table, name)
    }

    /// Calls `f` with every row's texts of `columns`; empty cells are empty text. Fails on a column that is not there, or holds no text, and as `f` does.
    pub fn for_each(&self, columns: &[&str], f: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let indices: Vec<usize> = columns.iter().map(|n| self.table.column(n).ok_or_else(|| self.no_column(n))).collect::<Result<_>>()?;
        self.table.read(None, &indices, &mut |batch| {
            let texts = |(array, name): (&arrow_array::ArrayRef, &&str)| {
                cell::texts(array.as_ref()).map_err(|kind| Error::file(self.name(), format!("column `{name}` of type {kind} holds no text")))
            };
            let texts: Vec<Vec<String>> = batch.columns.iter().zip(columns).map(texts).collect::<Result<_>>()?;
            (0..batch.rows).try_for_each(|row| f(&Row { file: self.name(), batch: &batch, texts: &texts, row }))
        })
    }

    /// The vectors of a list column, with the names in `key`. Fails on a column that is not there or holds no lists of numbers; in text files a list is written as
    /// JSON, `[0.1, -0.2]`.
    pub fn vectors(&self, key: Option<&str>, column: &str) -> Result<Vectors> {
        let at = |n: &str| self.table.column(n).ok_or_else(|| self.no_column(n));
        let mut indices = vec![at(column)?];
        indices.extend(key.map(at).transpose()?);
        let mut out = Vectors::new();
        self.table.read(None, &indices, &mut |batch| {
            let names = match key {
                Some(k) => cell::texts(batch.columns[1].as_ref())
                    .map_err(|kind| Error::file(self.name(), format!("column `{k}` of type {kind} holds no names")))?,
                None => vec![String::new(); batch.rows],
            };
            for (r, name) in names.into_iter().enumerate() {
                let vector = vector(batch.columns[0].as_ref(), r).ok_or_else(|| Error::Bad {
                    place: batch.place(self.name(), r, Some(column)),
                    what: "is not a list of finite numbers".into(),
                    hint: Some("store the activations as a list column of floats".into()),
                })?;
                out.push((name, vector));
            }
            Ok(())
        })?;
        Ok(out)
    }
}

/// The list in one row; `None` where it is none, or not of finite numbers.
fn vector(array: &dyn Array, row: usize) -> Option<Vec<f64>> {
    let inner = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list().value(row),
        _ => {
            let mut text = String::new();
            cell::visit_texts(&array.slice(row, 1), &mut |_, t| text.push_str(t)).ok()?;
            let list: Vec<f64> = serde_json::from_str(&text).ok()?;
            return list.iter().all(|x| x.is_finite()).then_some(list);
        }
    };
    let list: Vec<f64> = match inner.data_type() {
        DataType::Float32 => inner.as_primitive::<Float32Type>().iter().map(|x| x.map(f64::from)).collect::<Option<_>>()?,
        DataType::Float64 => inner.as_primitive::<Float64Type>().iter().collect::<Option<_>>()?,
        _ => return None,
    };
    list.iter().all(|x| x.is_finite()).then_some(list)
}
