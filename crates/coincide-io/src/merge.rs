//! Adding up tables that were counted apart.
//!
//! Few cells: one after the other. Many: by radix partition, every part split by a hash of the strata and clusters,
//! each range merged on its own thread, and the ranges, which share no cell, put together.

use crate::error::Result;
use coincide::{Columns, JointOutcomes, Progress, TableBuilder};
use rayon::prelude::*;

/// Cells above which merging by radix partition pays.
const MANY: usize = 1 << 18;
const PARTITIONS: u32 = 16;

/// The sum of `tables`, all with these columns.
pub(crate) fn merge(columns: Columns, mut tables: Vec<JointOutcomes>, progress: Progress<'_>) -> Result<JointOutcomes> {
    if tables.len() == 1
        && let Some(only) = tables.pop()
    {
        return Ok(only);
    }
    let cells: usize = tables.iter().map(JointOutcomes::len).sum();
    // Every range has all levels: with about as many of them as cells, copying them would cost more than merging does.
    let levels: usize = tables.iter().flat_map(|t| t.strata().iter().chain(t.clusters())).map(|f| f.levels.len()).sum();
    if cells < MANY || levels > cells / PARTITIONS as usize {
        return add_up(columns, &tables, progress);
    }
    let ranges: Vec<JointOutcomes> = (0..PARTITIONS)
        .into_par_iter()
        .map(|p| {
            let own: Vec<JointOutcomes> = tables.iter().map(|t| t.filter(|c| partition(c) == p)).collect();
            add_up(columns.clone(), &own, progress)
        })
        .collect::<Result<_>>()?;
    add_up(columns, &ranges, progress)
}

/// A cell's partition: the same in whichever table it stands, so from its masks and not from level numbers.
fn partition(cell: &coincide::Cell<'_>) -> u32 {
    let mixed = cell.failed.iter().chain(cell.observed).fold(0u64, |h, w| (h ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    (mixed >> 33) as u32 % PARTITIONS
}

fn add_up(columns: Columns, tables: &[JointOutcomes], progress: Progress<'_>) -> Result<JointOutcomes> {
    let mut builder = TableBuilder::new(columns)?;
    for t in tables {
        // Not how far it is, for ranges are merged at once: only that whoever wants to end it can.
        progress("adding counts up", 0, 0);
        builder.merge(t)?;
    }
    Ok(builder.finish())
}
