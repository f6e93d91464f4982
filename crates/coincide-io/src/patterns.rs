//! Counts that another engine grouped: masks of layers packed into integers, with their sums, become the joint outcome table.

use crate::cell;
use crate::counts;
use crate::error::{Error, Result};
use crate::load::Loaded;
use crate::roles::{self, CENSORED};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use coincide::{Columns, Label, ReasonSet, TableBuilder};
use serde::{Deserialize, Serialize};

/// How an engine packed what it grouped.
///
/// Its columns: `failed_0`, `observed_0`, `failed_1`, … with `layers_per_mask` layers each, the first in the lowest bit; where `layers_per_reasons` is not 0
/// `reasons_0`, … with so many layers of `reason_bits` bits each (0 none or not run, 1 error, 2 abstain, 3 unparsed, 4 + i censored by layer i); `stratum_0`, …;
/// `cluster_0`, …; `label` and `baseline` (0, 1 or null) where there are any; `n`, `w`, `w2`: trials, sum and sum of squares of weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Packing {
    /// What the columns are called.
    pub columns: Columns,
    /// Layers in a mask, at most 62.
    pub layers_per_mask: usize,
    /// Layers in an integer of reasons; 0: no reasons.
    #[serde(default)]
    pub layers_per_reasons: usize,
    /// Bits of a reason.
    #[serde(default)]
    pub reason_bits: usize,
    /// Whether there is a column `label`.
    #[serde(default)]
    pub label: bool,
}

/// The table out of an engine's groups. `name` stands for the engine's table in errors and in the record of inputs, whose hash is that of the counts.
///
/// Fails on groups that are not as `packing` says, and on an empty cluster.
pub fn load_patterns(name: &str, batches: &[RecordBatch], packing: &Packing, notes: Vec<String>) -> Result<Loaded> {
    let c = &packing.columns;
    let k = c.layers.len();
    if !(1..=62).contains(&packing.layers_per_mask) || packing.layers_per_reasons * packing.reason_bits > 62 {
        return Err(Error::options("masks hold at most 62 bits", "please report this"));
    }
    let words = k.div_ceil(64);
    let mut builder = TableBuilder::new(c.clone())?;
    for batch in batches {
        let find = |column: &str| batch.column_by_name(column).ok_or_else(|| Error::file(name, format!("its groups have no column `{column}`")));
        let wrong = |column: &str| Error::file(name, format!("its groups have a column `{column}` that does not hold what it should"));
        let whole = |column: &str| -> Result<_> { find(column)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(column)) };
        let masks = |prefix: &str, per: usize| (0..k.div_ceil(per.max(1))).map(|i| whole(&format!("{prefix}_{i}"))).collect::<Result<Vec<_>>>();
        let (failed, observed) = (masks("failed", packing.layers_per_mask)?, masks("observed", packing.layers_per_mask)?);
        let reasons = if packing.layers_per_reasons > 0 { masks("reasons", packing.layers_per_reasons)? } else { Vec::new() };
        let texts = |column: String| -> Result<Vec<String>> { cell::texts(find(&column)?.as_ref()).map_err(|_| wrong(&column)) };
        let strata = (0..c.strata.len()).map(|i| texts(format!("stratum_{i}"))).collect::<Result<Vec<_>>>()?;
        let clusters = (0..c.clusters.len()).map(|i| texts(format!("cluster_{i}"))).collect::<Result<Vec<_>>>()?;
        let labels = if packing.label { Some(texts("label".into())?) } else { None };
        let baseline = c.baseline.as_ref().map(|_| whole("baseline")).transpose()?;
        let sum = |column: &str| -> Result<_> { find(column)?.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(column)) };
        let n = whole("n")?;
        let (w, w2) = (sum("w")?, sum("w2")?);
        for r in 0..batch.num_rows() {
            let bit = |masks: &[&arrow_array::Int64Array], i: usize| {
                let mask = masks[i / packing.layers_per_mask];
                mask.is_valid(r) && mask.value(r) >> (i % packing.layers_per_mask) & 1 == 1
            };
            let (mut failed_here, mut observed_here) = (vec![0u64; words], vec![0u64; words]);
            let mut missing = Vec::new();
            for i in 0..k {
                observed_here[i / 64] |= u64::from(bit(&observed, i)) << (i % 64);
                failed_here[i / 64] |= u64::from(bit(&failed, i)) << (i % 64);
                if let Some(at) = i.checked_div(packing.layers_per_reasons) {
                    let word = reasons[at].value(r);
                    let code = word >> (i % packing.layers_per_reasons * packing.reason_bits) & ((1 << packing.reason_bits) - 1);
                    match code {
                        0 => {}
                        1..=3 => missing.push((i as u16, roles::reason(roles::NOT_RUN + code as u16))),
                        by if ((by - 4) as usize) < k => missing.push((i as u16, roles::reason(CENSORED + (by - 4) as u16))),
                        _ => return Err(wrong("reasons")),
                    }
                }
            }
            let reasons = if missing.is_empty() { 0 } else { builder.reasons(&missing.into_iter().collect::<ReasonSet>()) };
            let label = match labels.as_ref().map(|l| l[r].as_str()) {
                None => Label::Attack,
                Some(text) => roles::label(text).ok_or_else(|| {
                    Error::file(name, format!("has the label `{text}`; expected attack, benign or adaptive"))
                        .hinted("name another column, or map its values")
                })?,
            };
            if let Some(column) = clusters.iter().position(|list| list[r].is_empty()) {
                return Err(Error::file(name, format!("has trials without a cluster in the column `{}`", c.clusters[column]))
                    .hinted("every trial needs its cluster; give trials of their own a name of their own"));
            }
            let mut levels: Vec<u32> = strata.iter().enumerate().map(|(f, list)| builder.stratum_level(f, &list[r])).collect();
            levels.extend(clusters.iter().enumerate().map(|(f, list)| builder.cluster_level(f, &list[r])));
            let baseline = baseline.and_then(|b| b.is_valid(r).then(|| b.value(r) == 1));
            let context = builder.context(label, baseline, 0, reasons, &levels);
            let [n, w, w2] = [n.value(r) as f64, w.value(r), w2.value(r)];
            if ![n, w, w2].iter().all(|x| x.is_finite() && *x > 0.0) {
                return Err(Error::file(name, "has weights that are not positive numbers").hinted("leave out trials that should not count"));
            }
            builder.add_sums(context, &failed_here, &observed_here, n, w, w2);
        }
    }
    let table = builder.finish();
    if table.is_empty() {
        return Err(Error::file(name, "has no rows").hinted("a table of outcomes needs at least one trial"));
    }
    let inputs = vec![counts::record(name, &table)?];
    Ok(Loaded { table, inputs, notes, separate_runs: false, layers: Vec::new() })
}
