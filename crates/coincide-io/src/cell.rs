//! One cell of a layer's column: an outcome, a score, or a reason why there is none.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayAccessor, ArrowPrimitiveType};
use arrow_schema::DataType;
use coincide::Reason;

/// A cell as it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CellValue<'a> {
    Failed,
    Held,
    Missing(Reason),
    /// `censored_by:<layer>`, the name not yet looked up.
    Censored(&'a str),
    Number(f64),
    /// Not an outcome, number or reason.
    Other,
}

/// Reads the text of a cell.
pub(crate) fn parse(text: &str) -> CellValue<'_> {
    match text {
        "1" => return CellValue::Failed,
        "0" => return CellValue::Held,
        "" => return CellValue::Missing(Reason::NotRun),
        _ => {}
    }
    let t = text.trim();
    if t.len() <= 8 {
        for (word, value) in WORDS {
            if t.eq_ignore_ascii_case(word) {
                return *value;
            }
        }
    }
    if let Some(layer) = t.strip_prefix("censored_by:") {
        return CellValue::Censored(layer.trim());
    }
    match t.parse::<f64>() {
        Ok(x) => number(x),
        Err(_) => CellValue::Other,
    }
}

const WORDS: &[(&str, CellValue<'static>)] = &[
    ("true", CellValue::Failed),
    ("false", CellValue::Held),
    ("failed", CellValue::Failed),
    ("held", CellValue::Held),
    ("", CellValue::Missing(Reason::NotRun)),
    ("not_run", CellValue::Missing(Reason::NotRun)),
    ("error", CellValue::Missing(Reason::Error)),
    ("abstain", CellValue::Missing(Reason::Abstain)),
    ("unparsed", CellValue::Missing(Reason::Unparsed)),
    ("nan", CellValue::Missing(Reason::Unparsed)),
];

fn number(x: f64) -> CellValue<'static> {
    if x.is_nan() {
        CellValue::Missing(Reason::Unparsed)
    } else if x.to_bits() == 1.0f64.to_bits() {
        CellValue::Failed
    } else if x == 0.0 {
        CellValue::Held
    } else {
        CellValue::Number(x)
    }
}

/// Calls `f` with every cell of a column. Returns the column's type if it can hold neither outcomes nor scores.
pub(crate) fn for_each<'a>(array: &'a dyn Array, f: &mut dyn FnMut(usize, CellValue<'a>)) -> Result<(), DataType> {
    match array.data_type() {
        DataType::Null => (0..array.len()).for_each(|r| f(r, CellValue::Missing(Reason::NotRun))),
        DataType::Boolean => {
            let a = array.as_boolean();
            each(a, f, |v| if v { CellValue::Failed } else { CellValue::Held });
        }
        DataType::Int8 => numbers::<Int8Type>(array, f, f64::from),
        DataType::Int16 => numbers::<Int16Type>(array, f, f64::from),
        DataType::Int32 => numbers::<Int32Type>(array, f, f64::from),
        DataType::Int64 => numbers::<Int64Type>(array, f, |x| x as f64),
        DataType::UInt8 => numbers::<UInt8Type>(array, f, f64::from),
        DataType::UInt16 => numbers::<UInt16Type>(array, f, f64::from),
        DataType::UInt32 => numbers::<UInt32Type>(array, f, f64::from),
        DataType::UInt64 => numbers::<UInt64Type>(array, f, |x| x as f64),
        DataType::Float16 => numbers::<Float16Type>(array, f, |x| f64::from(x.to_f32())),
        DataType::Float32 => numbers::<Float32Type>(array, f, f64::from),
        DataType::Float64 => numbers::<Float64Type>(array, f, |x| x),
        DataType::Utf8 => each(array.as_string::<i32>(), f, parse),
        DataType::LargeUtf8 => each(array.as_string::<i64>(), f, parse),
        DataType::Utf8View => each(array.as_string_view(), f, parse),
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => dictionary::<Int8Type>(array, f)?,
            DataType::Int16 => dictionary::<Int16Type>(array, f)?,
            DataType::Int32 => dictionary::<Int32Type>(array, f)?,
            DataType::Int64 => dictionary::<Int64Type>(array, f)?,
            DataType::UInt8 => dictionary::<UInt8Type>(array, f)?,
            DataType::UInt16 => dictionary::<UInt16Type>(array, f)?,
            DataType::UInt32 => dictionary::<UInt32Type>(array, f)?,
            _ => return Err(array.data_type().clone()),
        },
        other => return Err(other.clone()),
    }
    Ok(())
}

fn each<'a, A: ArrayAccessor>(array: A, f: &mut dyn FnMut(usize, CellValue<'a>), read: impl Fn(A::Item) -> CellValue<'a>) {
    for r in 0..array.len() {
        f(r, if array.is_null(r) { CellValue::Missing(Reason::NotRun) } else { read(array.value(r)) });
    }
}

fn numbers<'a, T: ArrowPrimitiveType>(array: &'a dyn Array, f: &mut dyn FnMut(usize, CellValue<'a>), to: impl Fn(T::Native) -> f64) {
    each(array.as_primitive::<T>(), f, |v| number(to(v)));
}

fn dictionary<'a, K: ArrowDictionaryKeyType>(array: &'a dyn Array, f: &mut dyn FnMut(usize, CellValue<'a>)) -> Result<(), DataType> {
    let d = array.as_dictionary::<K>();
    let mut values = Vec::with_capacity(d.values().len());
    for_each(d.values().as_ref(), &mut |_, v| values.push(v))?;
    for r in 0..d.len() {
        f(r, d.key(r).map_or(CellValue::Missing(Reason::NotRun), |k| values[k]));
    }
    Ok(())
}

/// The text of every row of a column that names things (strata, clusters, trials); an empty cell is empty text.
pub(crate) fn texts(array: &dyn Array) -> Result<Vec<String>, DataType> {
    let mut out = Vec::with_capacity(array.len());
    visit_texts(array, &mut |_, t| out.push(t.to_owned()))?;
    Ok(out)
}

/// Calls `f` with the text of every row.
pub(crate) fn visit_texts(array: &dyn Array, f: &mut dyn FnMut(usize, &str)) -> Result<(), DataType> {
    macro_rules! strings {
        ($a:expr) => {{
            let a = $a;
            for r in 0..a.len() {
                f(r, if a.is_null(r) { "" } else { a.value(r) });
            }
        }};
    }
    macro_rules! plain {
        ($t:ty) => {{
            let a = array.as_primitive::<$t>();
            for r in 0..a.len() {
                if a.is_null(r) { f(r, "") } else { f(r, &a.value(r).to_string()) }
            }
        }};
    }
    macro_rules! keyed {
        ($t:ty) => {{
            let d = array.as_dictionary::<$t>();
            let values = texts(d.values().as_ref())?;
            for r in 0..d.len() {
                f(r, d.key(r).map_or("", |k| &values[k]));
            }
        }};
    }
    match array.data_type() {
        DataType::Utf8 => strings!(array.as_string::<i32>()),
        DataType::LargeUtf8 => strings!(array.as_string::<i64>()),
        DataType::Utf8View => strings!(array.as_string_view()),
        DataType::Boolean => {
            let a = array.as_boolean();
            for r in 0..a.len() {
                f(
                    r,
                    if a.is_null(r) {
                        ""
                    } else if a.value(r) {
                        "true"
                    } else {
                        "false"
                    },
                );
            }
        }
        DataType::Null => (0..array.len()).for_each(|r| f(r, "")),
        DataType::Int8 => plain!(Int8Type),
        DataType::Int16 => plain!(Int16Type),
        DataType::Int32 => plain!(Int32Type),
        DataType::Int64 => plain!(Int64Type),
        DataType::UInt8 => plain!(UInt8Type),
        DataType::UInt16 => plain!(UInt16Type),
        DataType::UInt32 => plain!(UInt32Type),
        DataType::UInt64 => plain!(UInt64Type),
        DataType::Float32 => plain!(Float32Type),
        DataType::Float64 => plain!(Float64Type),
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => keyed!(Int8Type),
            DataType::Int16 => keyed!(Int16Type),
            DataType::Int32 => keyed!(Int32Type),
            DataType::Int64 => keyed!(Int64Type),
            DataType::UInt8 => keyed!(UInt8Type),
            DataType::UInt16 => keyed!(UInt16Type),
            DataType::UInt32 => keyed!(UInt32Type),
            _ => return Err(array.data_type().clone()),
        },
        other => return Err(other.clone()),
    }
    Ok(())
}

/// Numbers of a column, for weights.
pub(crate) fn floats(array: &dyn Array) -> Result<Vec<Option<f64>>, DataType> {
    let mut out = Vec::with_capacity(array.len());
    visit_texts(array, &mut |_, t| out.push(t.trim().parse::<f64>().ok()))?;
    Ok(out)
}
