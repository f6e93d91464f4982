//! Counting by direct address: one counter per (pattern, strata), for rows with every layer observed and nothing else to
//! keep. A worker's counters outlive its row groups, so that memory does not grow with them.

use crate::batch::Batch;
use crate::cell;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_schema::DataType;
use coincide::{Label, TableBuilder};
use rustc_hash::FxHashMap;

/// Most counters.
const MOST_CELLS: usize = 1 << 20;

/// Most layers.
pub(crate) const MOST_LAYERS: usize = 20;

/// Calls `put` with every row of a column that holds only 0 and 1 (or false and true); `false` for any other, after some calls or none.
pub(crate) fn binary(array: &dyn Array, mut put: impl FnMut(usize, u32)) -> bool {
    macro_rules! whole {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            let odd = values.iter().fold(0, |seen, &v| seen | v) & !1;
            values.iter().enumerate().for_each(|(r, &v)| put(r, u32::from(v & 1 == 1)));
            odd == 0
        }};
    }
    macro_rules! floating {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            let ok = values.iter().fold(true, |ok, &v| ok & (v == 0.0 || v == 1.0));
            values.iter().enumerate().for_each(|(r, &v)| put(r, u32::from(v == 1.0)));
            ok
        }};
    }
    if array.null_count() > 0 {
        return false;
    }
    match array.data_type() {
        DataType::Boolean => {
            let mut r = 0;
            let chunks = array.as_boolean().values().bit_chunks();
            for (bits, n) in chunks.iter().map(|c| (c, 64)).chain(std::iter::once((chunks.remainder_bits(), chunks.remainder_len()))) {
                (0..n).for_each(|b| put(r + b, (bits >> b & 1) as u32));
                r += n;
            }
            true
        }
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        DataType::Float32 => floating!(Float32Type),
        DataType::Float64 => floating!(Float64Type),
        _ => false,
    }
}

/// Counters, and the levels of each stratum by text.
#[derive(Default)]
pub(crate) struct Direct {
    levels: Vec<FxHashMap<String, u32>>,
    /// 2^k, then a power of two no less than each stratum's levels.
    radix: Vec<usize>,
    counts: Vec<u64>,
    codes: Vec<u32>,
}

impl Direct {
    /// Counts a batch whose first `k` columns are layers and whose others are strata; `false`, with nothing counted, if it
    /// does not allow it: a type that is no number or boolean, a missing or invalid cell, a stratum that is no dictionary,
    /// or too many combinations.
    pub(crate) fn add(&mut self, batch: &Batch, k: usize) -> bool {
        let (layers, strata) = batch.columns.split_at(k);
        let codes = &mut self.codes;
        codes.clear();
        codes.resize(batch.rows, 0);
        // Where some cell is not an outcome the general way says which.
        if !layers.iter().enumerate().all(|(i, a)| binary(a.as_ref(), |r, failed| codes[r] |= failed << i)) {
            return false;
        }
        self.levels.resize_with(strata.len(), FxHashMap::default);
        let mut remaps = Vec::with_capacity(strata.len());
        for (a, levels) in strata.iter().zip(&mut self.levels) {
            let Some(d) = a.as_dictionary_opt::<Int32Type>().filter(|d| d.null_count() == 0) else { return false };
            let Ok(texts) = cell::texts(d.values().as_ref()) else { return false };
            let remap: Vec<u32> = texts
                .into_iter()
                .map(|t| {
                    let next = levels.len() as u32;
                    *levels.entry(t).or_insert(next)
                })
                .collect();
            remaps.push(remap);
        }
        if !self.make_room(k) {
            return false;
        }
        let mut place = self.radix[0] as u32;
        for ((a, remap), &r) in strata.iter().zip(&remaps).zip(&self.radix[1..]) {
            let scaled: Vec<u32> = remap.iter().map(|&l| l * place).collect();
            let keys = a.as_dictionary::<Int32Type>().keys().values();
            for (code, &key) in self.codes.iter_mut().zip(keys.iter()) {
                *code += scaled[key as usize];
            }
            place *= r as u32;
        }
        for &code in &self.codes {
            self.counts[code as usize] += 1;
        }
        true
    }

    /// Makes the counters wide enough for the levels known by now; `false` if that is too many.
    fn make_room(&mut self, k: usize) -> bool {
        let radix: Vec<usize> = std::iter::once(1 << k).chain(self.levels.iter().map(|l| l.len().max(1).next_power_of_two())).collect();
        if radix == self.radix {
            return true;
        }
        let Some(size) = radix.iter().try_fold(1usize, |a, &b| a.checked_mul(b)).filter(|&s| s <= MOST_CELLS) else { return false };
        let old = std::mem::replace(&mut self.counts, vec![0; size]);
        let old_radix = std::mem::replace(&mut self.radix, radix);
        for (code, n) in old.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            let (mut rest, mut place, mut new) = (code, 1, 0);
            for (&before, &now) in old_radix.iter().zip(&self.radix) {
                new += rest % before * place;
                rest /= before;
                place *= now;
            }
            self.counts[new] += n;
        }
        true
    }

    /// Moves the counts into a table.
    pub(crate) fn flush(self, builder: &mut TableBuilder) {
        if self.counts.is_empty() {
            return;
        }
        let ids: Vec<Vec<u32>> = self
            .levels
            .iter()
            .enumerate()
            .map(|(s, levels)| {
                let mut ids = vec![0; levels.len()];
                levels.iter().for_each(|(text, &l)| ids[l as usize] = builder.stratum_level(s, text));
                ids
            })
            .collect();
        for (combination, counts) in self.counts.chunks_exact(self.radix[0]).enumerate() {
            if counts.iter().all(|&n| n == 0) {
                continue;
            }
            let mut rest = combination;
            let levels: Vec<u32> = self.radix[1..]
                .iter()
                .zip(&ids)
                .map(|(&r, ids)| {
                    let l = rest % r;
                    rest /= r;
                    ids[l]
                })
                .collect();
            let context = builder.context(Label::Attack, None, 0, 0, &levels);
            counts.iter().enumerate().filter(|(_, n)| **n > 0).for_each(|(failed, &n)| builder.add_counted(context, failed as u64, n));
        }
    }
}
