//! The sums that every smooth statistic of a stack is a function of, laid out as one vector.
//!
//! For each stratum: Σw, Σw·y_i, Σw·1{f layers failed} for f = 0..k, and Σw·y_i·y_j for each pair. Resampling,
//! leave-one-cluster-out and the point estimate all evaluate the same functions of this vector.

use crate::layers::{bit, count, ones};

/// Where each sum stands.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub k: usize,
    /// Some cells are missing: pairs need all four counts of the rows where both were observed.
    pub ragged: bool,
    /// Whether pairs are kept at all.
    pub pairs: bool,
}

impl Layout {
    pub(crate) fn new(k: usize, ragged: bool, pairs: bool) -> Self {
        Layout { k, ragged, pairs }
    }
    pub(crate) const WEIGHT: usize = 0;
    pub(crate) fn marginal(&self, i: usize) -> usize {
        1 + i
    }
    pub(crate) fn failures(&self, f: usize) -> usize {
        1 + self.k + f
    }
    fn pairs_at(&self) -> usize {
        2 + 2 * self.k
    }
    fn per_pair(&self) -> usize {
        if self.ragged { 4 } else { 1 }
    }
    /// Number of the pair (i, j), i < j.
    pub(crate) fn pair_index(&self, i: usize, j: usize) -> usize {
        i * (2 * self.k - i - 1) / 2 + (j - i - 1)
    }
    pub(crate) fn len(&self) -> usize {
        let pairs = if self.pairs { self.k * (self.k - 1) / 2 * self.per_pair() } else { 0 };
        self.pairs_at() + pairs
    }

    /// Adds one row with weight `w` to `out`, which is `len()` long.
    pub(crate) fn add<T: Copy + std::ops::AddAssign>(&self, failed: &[u64], observed: &[u64], w: T, out: &mut [T]) {
        let complete = !self.ragged || count(observed) == self.k;
        if complete {
            out[Self::WEIGHT] += w;
            ones(failed).for_each(|i| out[1 + i] += w);
            out[self.failures(count(failed))] += w;
        }
        if !self.pairs {
            return;
        }
        let at = self.pairs_at();
        if self.ragged {
            let seen: Vec<usize> = ones(observed).collect();
            for (a, &i) in seen.iter().enumerate() {
                let fi = bit(failed, i);
                for &j in &seen[a + 1..] {
                    let cell = 3 - 2 * usize::from(fi) - usize::from(bit(failed, j));
                    out[at + 4 * self.pair_index(i, j) + cell] += w;
                }
            }
        } else {
            let mut rest = failed.to_vec();
            for i in ones(failed) {
                rest[i / 64] &= !(1 << (i % 64));
                for j in ones(&rest) {
                    out[at + self.pair_index(i, j)] += w;
                }
            }
        }
    }

    /// The 2 × 2 counts (both failed, only i, only j, neither) of a pair in a vector of sums.
    pub(crate) fn two_by_two(&self, sums: &[f64], i: usize, j: usize) -> TwoByTwo {
        let at = self.pairs_at();
        let p = self.pair_index(i, j);
        if self.ragged {
            let c = &sums[at + 4 * p..][..4];
            return TwoByTwo { n11: c[0], n10: c[1], n01: c[2], n00: c[3] };
        }
        let n11 = sums[at + p];
        let (n10, n01) = (sums[1 + i] - n11, sums[1 + j] - n11);
        // The subtraction can leave −1e-16 of a weighted count; a count is never negative.
        TwoByTwo { n11, n10: n10.max(0.0), n01: n01.max(0.0), n00: (sums[0] - n11 - n10 - n01).max(0.0) }
    }
}

/// Counts (Σw) of two layers' outcomes on the rows where both were observed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct TwoByTwo {
    pub n11: f64,
    pub n10: f64,
    pub n01: f64,
    pub n00: f64,
}

impl TwoByTwo {
    pub(crate) fn total(&self) -> f64 {
        self.n11 + self.n10 + self.n01 + self.n00
    }
    /// P(i failed), P(j failed).
    pub(crate) fn margins(&self) -> (f64, f64) {
        let n = self.total();
        ((self.n11 + self.n10) / n, (self.n11 + self.n01) / n)
    }
}

/// Sums per stratum, in one flat vector.
#[derive(Debug, Clone)]
pub(crate) struct Sums<'a> {
    pub layout: &'a Layout,
    pub by_stratum: Vec<f64>,
}

impl Sums<'_> {
    pub(crate) fn strata(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.by_stratum.chunks_exact(self.layout.len())
    }
    pub(crate) fn total(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.layout.len()];
        for s in self.strata() {
            total.iter_mut().zip(s).for_each(|(a, b)| *a += b);
        }
        total
    }
}
