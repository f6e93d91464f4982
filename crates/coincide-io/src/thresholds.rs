//! Scores at many thresholds at once: a table with a column for each of a layer's thresholds, so that a page can move them.

use crate::batch::Table;
use crate::cell::{self, CellValue};
use crate::error::Result;
use crate::load::{Opened, open};
use crate::options::ReadOptions;
use crate::roles::Roles;
use crate::{counts, long, wide};
use coincide::{JointOutcomes, LayerColumns, Progress};

/// Thresholds of a layer, at most.
const MOST_THRESHOLDS: usize = 21;
/// Columns of all layers, at most.
const MOST_COLUMNS: usize = 120;
/// Scores of a layer that are looked at to choose thresholds, at most.
const MOST_SCORES: usize = 1_000_000;

/// The table at a grid of thresholds, and which columns are whose; `None` where no layer has scores, or where trials are not rows of wide tables.
///
/// Thresholds are quantiles of the layer's scores, and the one that is in use. Fails as [`crate::load`].
pub(crate) fn at_thresholds(inputs: &[String], options: &ReadOptions, progress: Progress<'_>) -> Result<Option<(JointOutcomes, Vec<LayerColumns>)>> {
    if options.layer_from.is_some() {
        return Ok(None);
    }
    let Opened { tables, options, .. } = open(inputs, None, options, progress)?;
    if options.thresholds.is_empty() || options.layer_from.is_some() {
        return Ok(None);
    }
    for t in &tables {
        if counts::header(t)?.is_some() || long::is_long(t) {
            return Ok(None);
        }
    }
    let mut roles = Roles::wide(&tables, &options, &mut Vec::new())?;
    let scored = roles.cuts.iter().flatten().count();
    if scored == 0 {
        return Ok(None);
    }
    let plain = roles.cuts.len() - scored;
    let each = (MOST_COLUMNS.saturating_sub(plain) / scored).min(MOST_THRESHOLDS);
    if each < 3 {
        return Ok(None);
    }
    let (layers, cuts) = (std::mem::take(&mut roles.columns.layers), std::mem::take(&mut roles.cuts));
    let mut columns = Vec::new();
    roles.sources.clear();
    for (layer, cut) in layers.iter().zip(cuts) {
        let from = roles.sources.len();
        let thresholds = match cut {
            None => Vec::new(),
            Some(c) => grid(scores(&tables, layer)?, c.threshold, each),
        };
        let used = cut.and_then(|c| thresholds.iter().position(|t| t.to_bits() == c.threshold.to_bits())).unwrap_or(0);
        match cut {
            None => {
                roles.sources.push(layer.clone());
                roles.columns.layers.push(layer.clone());
                roles.cuts.push(None);
            }
            Some(c) => {
                for (i, &threshold) in thresholds.iter().enumerate() {
                    roles.sources.push(layer.clone());
                    // The name only has to be unlike all others; nobody sees it.
                    roles.columns.layers.push(format!("{layer}\u{0}{i}"));
                    roles.cuts.push(Some(crate::options::Cut { threshold, ..c }));
                }
            }
        }
        columns.push(LayerColumns { layer: layer.clone(), columns: (from..roles.sources.len()).collect(), thresholds, used });
    }
    let table = wide::read(&tables, &roles, &options, progress)?;
    Ok(Some((table, columns)))
}

/// A layer's scores, the first million.
fn scores(tables: &[Table], layer: &str) -> Result<Vec<f64>> {
    let mut out = Vec::new();
    for t in tables {
        let Some(at) = t.column(layer) else { continue };
        t.read(None, &[at], &mut |batch| {
            if out.len() < MOST_SCORES {
                // What is no score is reported by whoever reads the table.
                let _ = cell::for_each(&batch.columns[0], &mut |_, value| match value {
                    CellValue::Number(x) if x.is_finite() => out.push(x),
                    CellValue::Failed => out.push(1.0),
                    CellValue::Held => out.push(0.0),
                    _ => {}
                });
            }
            Ok(())
        })?;
    }
    Ok(out)
}

/// Quantiles of the scores, the threshold in use among them; ascending, each once.
fn grid(mut scores: Vec<f64>, used: f64, many: usize) -> Vec<f64> {
    scores.sort_by(f64::total_cmp);
    let mut out: Vec<f64> =
        if scores.is_empty() { Vec::new() } else { (0..many - 1).map(|i| scores[i * (scores.len() - 1) / (many - 2).max(1)]).collect() };
    out.push(used);
    out.sort_by(f64::total_cmp);
    out.dedup_by(|a, b| a.to_bits() == b.to_bits());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_quantiles_with_the_threshold_in_use() {
        let g = grid((0..=100).map(f64::from).collect(), 37.5, 6);
        assert_eq!(g, [0.0, 25.0, 37.5, 50.0, 75.0, 100.0]);
        assert_eq!(grid(vec![1.0, 0.0, 1.0], 1.0, 5), [0.0, 1.0]);
        assert_eq!(grid(vec![], 0.5, 5), [0.5]);
    }
}
