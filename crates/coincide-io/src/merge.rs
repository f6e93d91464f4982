//! Adding up tables that were counted apart.
//!
//! Few cells: one after the other. Many, in few strata and clusters: by radix partition, every part split by a hash of its masks,
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

#[cfg(test)]
mod tests {
    use super::*;
    use coincide::Label;

    fn columns() -> Columns {
        Columns { layers: (0..20).map(|i| format!("l{i}")).collect(), clusters: vec!["goal".into()], ..Columns::default() }
    }

    /// Two tables that share half of their cells: patterns in `goals` goals each.
    fn tables(cells: usize, goals: usize) -> Vec<JointOutcomes> {
        let table = |from: usize| {
            let mut b = TableBuilder::new(columns()).unwrap();
            for i in from..from + cells {
                let goal = b.cluster_level(0, &format!("goal {}", i % goals));
                let (reasons, order) = (b.reasons(&Vec::new()), b.order(&[]));
                let context = b.context(Label::Attack, None, order, reasons, &[goal]);
                b.add_sums(context, &[(i / goals) as u64], &[(1 << 20) - 1], 1.0 + (i % 3) as f64, 1.0, 1.0);
            }
            b.finish()
        };
        vec![table(0), table(cells / 2)]
    }

    #[test]
    fn partitions_add_up_to_the_same() {
        for goals in [7, 150_000] {
            let tables = tables(150_000, goals);
            assert!(tables.iter().map(JointOutcomes::len).sum::<usize>() >= MANY, "many enough for partitions");
            let slow = add_up(columns(), &tables, &|_, _, _| {}).unwrap();
            assert_eq!(merge(columns(), tables, &|_, _, _| {}).unwrap(), slow, "{goals} goals");
            assert_eq!(slow.len(), 225_000);
        }
    }
}
