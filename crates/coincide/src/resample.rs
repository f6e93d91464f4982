//! The cluster bootstrap, and leave-one-cluster-out.
//!
//! A replicate draws as many clusters as there are, with replacement, among the clusters that lie in the same
//! strata. Several cluster columns are crossed: each is drawn by itself and a row counts as often as the product of
//! its clusters' counts (pigeonhole bootstrap, Owen 2007, *Annals of Applied Statistics* 1, 386; conservative, up to
//! three times the variance). Without cluster columns every trial is its own cluster, and rows that are equal
//! are drawn together.
//!
//! All replicates of a task are one matrix product, counts of clusters × sums of clusters, so the cost is that of
//! the arithmetic: replicates × clusters × sums. Replicate r uses stream r of the seed: the digits do not depend on
//! the number of threads.

use crate::features::{Layout, Sums};
use crate::pieces::pieces;
use crate::random::{Purpose, Seed};
use crate::sample::Sample;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar};
use rand::{Rng, RngCore};
use rand_distr::{Binomial, Distribution};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Replicates in one matrix product.
const TASK: usize = 128;
/// Rows of sums in one matrix product.
const CHUNK: usize = 512;
/// Sums of units that are kept, at most: 256 MiB in single precision.
const MOST_SUMS: usize = 1 << 26;

/// The sets from which clusters are drawn, and the rows they are made of.
pub(crate) struct Units<'a> {
    sample: &'a Sample,
    layout: &'a Layout,
    /// Rows by stratum, and where each unit (one combination of stratum and clusters) begins in them.
    rows: Vec<u32>,
    starts: Vec<usize>,
    /// Unit ranges of each stratum.
    strata: Vec<std::ops::Range<usize>>,
    /// For each factor, each unit's cluster.
    cluster: Vec<Vec<u32>>,
    factors: Vec<Draws>,
    /// Whether every sum is a whole number small enough for single precision.
    whole: bool,
}

/// One factor's clusters, to be drawn block by block.
struct Draws {
    clusters: usize,
    blocks: Vec<Block>,
}

struct Block {
    members: Vec<u32>,
    /// How many equal clusters each member stands for; empty when all stand for themselves.
    copies: Vec<u64>,
    /// Total of `copies`.
    size: u64,
    /// Each member repeated `copies` times, where that is short.
    expanded: Vec<u32>,
}

impl Block {
    fn new(members: Vec<u32>, copies: Vec<u64>) -> Self {
        let size = if copies.is_empty() { members.len() as u64 } else { copies.iter().sum() };
        let short = !copies.is_empty() && size <= 8 * members.len() as u64 + 4096;
        let expanded = if short { members.iter().zip(&copies).flat_map(|(&m, &c)| std::iter::repeat_n(m, c as usize)).collect() } else { Vec::new() };
        Block { members, copies, size, expanded }
    }

    /// Adds a draw of `size` clusters to the counts.
    fn draw(&self, rng: &mut impl RngCore, counts: &mut [f32]) {
        let list = if self.copies.is_empty() { &self.members } else { &self.expanded };
        if !list.is_empty() {
            let n = list.len() as u64;
            for _ in 0..self.size {
                counts[list[((u64::from(rng.next_u32()) * n) >> 32) as usize] as usize] += 1.0;
            }
            return;
        }
        let (mut left, mut pool) = (self.size, self.size);
        for (&m, &c) in self.members.iter().zip(&self.copies) {
            if left == 0 {
                break;
            }
            let drawn = if c == pool { left } else { Binomial::new(left, c as f64 / pool as f64).map_or(0, |b| b.sample(rng)) };
            counts[m as usize] += drawn as f32;
            left -= drawn;
            pool -= c;
        }
    }
}

impl<'a> Units<'a> {
    pub(crate) fn new(sample: &'a Sample, layout: &'a Layout) -> Self {
        let mut rows: Vec<u32> = (0..sample.len() as u32).collect();
        let key = |r: u32| (sample.stratum[r as usize], sample.block[r as usize], sample.clusters_of(r as usize));
        if !sample.factors.is_empty() {
            rows.sort_by(|&a, &b| key(a).cmp(&key(b)));
        } else {
            rows.sort_by_key(|&r| sample.stratum[r as usize]);
        }
        let mut starts = Vec::new();
        let mut strata: Vec<std::ops::Range<usize>> = vec![0..0; sample.strata.len()];
        for (i, &r) in rows.iter().enumerate() {
            let new = i == 0 || sample.factors.is_empty() || key(r) != key(rows[i - 1]);
            if new {
                let s = &mut strata[sample.stratum[r as usize] as usize];
                if s.start == s.end {
                    *s = starts.len()..starts.len();
                }
                s.end += 1;
                starts.push(i);
            }
        }
        let units = starts.len();
        starts.push(rows.len());
        let first = |u: usize| rows[starts[u]] as usize;
        let cluster: Vec<Vec<u32>> = if sample.factors.is_empty() {
            vec![(0..units as u32).collect()]
        } else {
            (0..sample.factors.len()).map(|f| (0..units).map(|u| sample.clusters_of(first(u))[f]).collect()).collect()
        };
        let factors = if sample.factors.is_empty() {
            let mut by_block: Vec<u32> = (0..units as u32).collect();
            by_block.sort_by_key(|&u| sample.block[first(u as usize)]);
            let (single, several): (Vec<&[u32]>, Vec<&[u32]>) = by_block
                .chunk_by(|&a, &b| sample.block[first(a as usize)] == sample.block[first(b as usize)])
                .partition(|b| b.len() == 1 && sample.n[first(b[0] as usize)] < 1.5);
            // Strata of a single trial, which would never vary, are put together.
            let mut lists: Vec<Vec<u32>> = several.into_iter().map(<[u32]>::to_vec).collect();
            let mut rest = single.concat();
            if rest.len() == 1
                && let Some(first) = lists.first_mut()
            {
                first.append(&mut rest);
            }
            if !rest.is_empty() {
                lists.push(rest);
            }
            let copies = |b: &[u32]| b.iter().map(|&u| sample.n[first(u as usize)].round() as u64).collect();
            let blocks = lists
                .into_iter()
                .map(|b| {
                    let c = copies(&b);
                    Block::new(b, c)
                })
                .collect();
            vec![Draws { clusters: units, blocks }]
        } else {
            cluster
                .iter()
                .zip(&sample.factors)
                .map(|(of, &clusters)| Draws { clusters, blocks: blocks(of, clusters, |u| sample.block[first(u)]) })
                .collect()
        };
        let whole = (0..sample.len()).all(|r| sample.w[r].fract().abs() < f64::EPSILON);
        Units { sample, layout, rows, starts, strata, cluster, factors, whole }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.layout
    }

    /// Number of clusters that occur, per factor.
    pub(crate) fn clusters_with_rows(&self) -> Vec<f64> {
        if self.sample.factors.is_empty() {
            return vec![self.sample.trials()];
        }
        self.factors.iter().map(|d| d.blocks.iter().map(|b| b.size as f64).sum()).collect()
    }

    /// Sums of one unit (of one of its equal trials, where trials are the clusters), added to `out`.
    fn add_unit(&self, unit: usize, out: &mut [f64]) {
        self.fill(unit, out);
    }

    /// The sums of the sample itself.
    pub(crate) fn sums(&self) -> Sums<'a> {
        let width = self.layout.len();
        let mut by_stratum = vec![0.0; width * self.strata.len()];
        for r in 0..self.sample.len() {
            let s = self.sample.stratum[r] as usize;
            self.layout.add(self.sample.failed(r), self.sample.observed(r), self.sample.w[r], &mut by_stratum[s * width..][..width]);
        }
        Sums { layout: self.layout, by_stratum }
    }

    /// The cluster of every row for each factor, and how many clusters each has; without factors each row is its own.
    pub(crate) fn clusters(&self) -> (Vec<Vec<u32>>, Vec<usize>) {
        let of = if self.sample.factors.is_empty() {
            Vec::new()
        } else {
            (0..self.sample.factors.len()).map(|f| (0..self.sample.len()).map(|r| self.sample.clusters_of(r)[f]).collect()).collect()
        };
        (of, self.factors.iter().map(|d| d.clusters).collect())
    }

    /// How often each cluster of each factor, or each row where there is none, was drawn: replicate by replicate.
    pub(crate) fn drawn(&self, seed: Seed, replicates: usize) -> Vec<Vec<f32>> {
        let by_unit: Vec<Vec<f32>> = self.factors.iter().enumerate().map(|(f, d)| self.counts(f, d, seed, 0, replicates)).collect();
        if !self.sample.factors.is_empty() {
            return by_unit;
        }
        let many = self.len();
        let mut by_row = vec![0.0; many * replicates];
        for r in 0..replicates {
            (0..many).for_each(|u| by_row[r * many + self.rows[self.starts[u]] as usize] = by_unit[0][r * many + u]);
        }
        vec![by_row]
    }

    /// The weight of every row of the sample in one replicate, for statistics that are not functions of sums.
    pub(crate) fn row_weights(&self, seed: Seed, replicate: usize) -> Vec<f64> {
        let counts: Vec<Vec<f32>> = self.factors.iter().enumerate().map(|(f, d)| self.counts(f, d, seed, replicate, 1)).collect();
        let mut out = vec![0.0; self.sample.len()];
        for u in 0..self.len() {
            let count: f32 = counts.iter().zip(&self.cluster).map(|(c, of)| c[of[u] as usize]).product();
            for &r in &self.rows[self.starts[u]..self.starts[u + 1]] {
                let r = r as usize;
                let one = if self.sample.factors.is_empty() { self.sample.w[r] / self.sample.n[r] } else { self.sample.w[r] };
                out[r] = f64::from(count) * one;
            }
        }
        out
    }

    /// Evaluates `statistics` on `replicates` bootstrap replicates; one row a replicate.
    pub(crate) fn bootstrap<R: Serialize + DeserializeOwned + Send>(
        &self,
        seed: Seed,
        replicates: usize,
        statistics: impl Fn(&Sums<'_>) -> R + Sync,
        done: impl Fn(usize) + Sync,
    ) -> Vec<R> {
        // Single precision holds whole numbers to 2²⁴ exactly; a chunk's sums stay far below that.
        let single = self.whole && self.heaviest_chunk() < 65536.0;
        let (single_rows, double_rows) = (single.then(|| self.unit_sums::<f32>()).flatten(), (!single).then(|| self.unit_sums::<f64>()).flatten());
        let here = AtomicUsize::new(0);
        let sets: Vec<Vec<R>> = pieces("bootstrap replicates", replicates.div_ceil(TASK), |task| {
            // Whoever ends the work by unwinding from here does so before a task as well as after it.
            done(0);
            let from = task * TASK;
            let many = TASK.min(replicates - from);
            let counts: Vec<Vec<f32>> = self.factors.iter().enumerate().map(|(f, d)| self.counts(f, d, seed, from, many)).collect();
            let sums = if single { self.product(single_rows.as_deref(), &counts, many) } else { self.product(double_rows.as_deref(), &counts, many) };
            let out = sums
                .chunks_exact(self.layout.len() * self.strata.len())
                .map(|s| statistics(&Sums { layout: self.layout, by_stratum: s.to_vec() }))
                .collect();
            here.fetch_add(many, Ordering::Relaxed);
            done(many);
            out
        });
        done(replicates - here.into_inner().min(replicates));
        sets.into_iter().flatten().collect()
    }

    /// How often each cluster of a factor is drawn: `many` rows of cluster counts.
    fn counts(&self, factor: usize, draws: &Draws, seed: Seed, from: usize, many: usize) -> Vec<f32> {
        let mut counts = vec![0.0f32; many * draws.clusters];
        for (i, row) in counts.chunks_exact_mut(draws.clusters.max(1)).enumerate() {
            let mut rng = seed.stream(Purpose::Bootstrap, ((from + i) * self.factors.len() + factor) as u64);
            draws.blocks.iter().for_each(|b| b.draw(&mut rng, row));
        }
        counts
    }

    /// Weight of the heaviest chunk of units.
    fn heaviest_chunk(&self) -> f64 {
        if self.sample.factors.is_empty() {
            // Equal trials are drawn together, so a count itself may be large.
            return if self.sample.trials() < 65536.0 { self.sample.weight() } else { f64::INFINITY };
        }
        self.strata
            .iter()
            .flat_map(|s| s.clone().step_by(CHUNK).map(|a| a..(a + CHUNK).min(s.end)))
            .map(|c| self.rows[self.starts[c.start]..self.starts[c.end]].iter().map(|&r| self.sample.w[r as usize]).sum())
            .fold(0.0, f64::max)
    }

    /// The sums of all units, one row each, where they fit in memory; otherwise every task makes them again.
    fn unit_sums<T: LinalgScalar + FromF64 + std::ops::AddAssign + Send + Sync>(&self) -> Option<Vec<T>> {
        let width = self.layout.len();
        if self.len() * width > MOST_SUMS {
            return None;
        }
        let mut x = vec![T::zero(); self.len() * width];
        x.par_chunks_mut(CHUNK * width).enumerate().for_each(|(chunk, out)| self.fill(chunk * CHUNK, out));
        Some(x)
    }

    /// Adds the sums of units from `from` on to rows of `out`.
    fn fill<T: FromF64 + std::ops::AddAssign>(&self, from: usize, out: &mut [T]) {
        for (u, out) in out.chunks_exact_mut(self.layout.len()).enumerate() {
            for &r in &self.rows[self.starts[from + u]..self.starts[from + u + 1]] {
                let r = r as usize;
                let w = if self.sample.factors.is_empty() { self.sample.w[r] / self.sample.n[r] } else { self.sample.w[r] };
                self.layout.add(self.sample.failed(r), self.sample.observed(r), T::from_f64(w), out);
            }
        }
    }

    /// counts × sums, stratum by stratum: `many` rows of sums per stratum. `sums` holds the units' sums, if they were kept.
    fn product<T: LinalgScalar + FromF64 + std::ops::AddAssign>(&self, sums: Option<&[T]>, counts: &[Vec<f32>], many: usize) -> Vec<f64> {
        let width = self.layout.len();
        let mut out = vec![0.0f64; many * width * self.strata.len()];
        let mut own = vec![T::zero(); if sums.is_some() { 0 } else { CHUNK * width }];
        let mut a = vec![T::zero(); many * CHUNK];
        let mut c = vec![T::zero(); many * width];
        for (s, range) in self.strata.iter().enumerate() {
            for from in range.clone().step_by(CHUNK) {
                let units = CHUNK.min(range.end - from);
                let x = match sums {
                    Some(sums) => &sums[from * width..][..units * width],
                    None => {
                        own[..units * width].fill(T::zero());
                        self.fill(from, &mut own[..units * width]);
                        &own[..units * width]
                    }
                };
                for r in 0..many {
                    for u in 0..units {
                        let count: f32 = counts
                            .iter()
                            .zip(&self.cluster)
                            .zip(&self.factors)
                            .map(|((c, of), d)| c[r * d.clusters + of[from + u] as usize])
                            .product();
                        a[r * units + u] = T::from_f64(f64::from(count));
                    }
                }
                let shape = "the slices are cut to the shape";
                let a = ArrayView2::from_shape((many, units), &a[..many * units]).expect(shape);
                let x = ArrayView2::from_shape((units, width), x).expect(shape);
                let mut product = ArrayViewMut2::from_shape((many, width), &mut c[..]).expect(shape);
                general_mat_mul(T::one(), &a, &x, T::zero(), &mut product);
                for (r, row) in c.chunks_exact(width).enumerate() {
                    let out = &mut out[(r * self.strata.len() + s) * width..][..width];
                    out.iter_mut().zip(row).for_each(|(o, &v)| *o += v.to_f64());
                }
            }
        }
        out
    }

    /// Acceleration of BCa for each statistic, Σd³ / 6(Σd²)^{3/2}, from leaving one cluster out at a time. `None` for
    /// crossed factors, for which it is not defined.
    pub(crate) fn acceleration(&self, sums: &Sums<'_>, statistics: impl Fn(&Sums<'_>) -> Vec<f64> + Sync) -> Option<Vec<f64>> {
        if self.factors.len() != 1 {
            return None;
        }
        let width = self.layout.len();
        let mut by_cluster: Vec<Vec<u32>> = vec![Vec::new(); self.factors[0].clusters];
        for u in 0..self.len() {
            by_cluster[self.cluster[0][u] as usize].push(u as u32);
        }
        by_cluster.retain(|units| !units.is_empty());
        let whole = statistics(sums);
        let moments = by_cluster
            .par_chunks(4096)
            .map(|clusters| {
                let mut left = sums.clone();
                let mut moments = vec![[0.0f64; 4]; whole.len()];
                for units in clusters {
                    let copies = if self.sample.factors.is_empty() { self.sample.n[self.rows[self.starts[units[0] as usize]] as usize] } else { 1.0 };
                    for &u in units {
                        let s = self.sample.stratum[self.rows[self.starts[u as usize]] as usize] as usize;
                        let mut own = vec![0.0; width];
                        self.add_unit(u as usize, &mut own);
                        left.by_stratum[s * width..][..width].iter_mut().zip(&own).for_each(|(a, b)| *a -= b);
                    }
                    for ((m, t), w) in moments.iter_mut().zip(statistics(&left)).zip(&whole) {
                        let d = w - t;
                        if d.is_finite() {
                            m[0] += copies;
                            m[1] += copies * d;
                            m[2] += copies * d * d;
                            m[3] += copies * d * d * d;
                        }
                    }
                    for &u in units {
                        let s = self.sample.stratum[self.rows[self.starts[u as usize]] as usize] as usize;
                        left.by_stratum[s * width..][..width].copy_from_slice(&sums.by_stratum[s * width..][..width]);
                    }
                }
                moments
            })
            .collect::<Vec<_>>();
        let total = moments.into_iter().fold(vec![[0.0; 4]; whole.len()], |mut a, b| {
            a.iter_mut().zip(b).for_each(|(x, y)| x.iter_mut().zip(y).for_each(|(p, q)| *p += q));
            a
        });
        Some(
            total
                .into_iter()
                .map(|[n, s1, s2, s3]| {
                    let mean = s1 / n;
                    let m2 = s2 - n * mean * mean;
                    let m3 = s3 - 3.0 * mean * s2 + 2.0 * n * mean.powi(3);
                    if m2 > 0.0 { m3 / (6.0 * m2.powf(1.5)) } else { 0.0 }
                })
                .collect(),
        )
    }

    /// Σ over clusters of the squared sums of a set of linear combinations, per factor. `combine` maps a cluster's
    /// sums (all strata together) to the combinations.
    pub(crate) fn squared_by_cluster(&self, many: usize, combine: impl Fn(&[f64], &mut [f64]) + Sync) -> Vec<Vec<f64>> {
        let width = self.layout.len();
        (0..self.factors.len())
            .map(|f| {
                let mut order: Vec<u32> = (0..self.len() as u32).collect();
                order.sort_by_key(|&u| self.cluster[f][u as usize]);
                let mut groups: Vec<&[u32]> = order.chunk_by(|&a, &b| self.cluster[f][a as usize] == self.cluster[f][b as usize]).collect();
                groups.retain(|g| !g.is_empty());
                groups
                    .par_chunks(2048)
                    .map(|groups| {
                        let mut squares = vec![0.0; many];
                        let mut own = vec![0.0; width];
                        let mut d = vec![0.0; many];
                        for units in groups {
                            own.fill(0.0);
                            units.iter().for_each(|&u| self.add_unit(u as usize, &mut own));
                            let copies =
                                if self.sample.factors.is_empty() { self.sample.n[self.rows[self.starts[units[0] as usize]] as usize] } else { 1.0 };
                            combine(&own, &mut d);
                            squares.iter_mut().zip(&d).for_each(|(s, x)| *s += copies * x * x);
                        }
                        squares
                    })
                    .collect::<Vec<_>>()
                    .into_iter()
                    .fold(vec![0.0; many], |mut a, b| {
                        a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
                        a
                    })
            })
            .collect()
    }
}

/// Clusters that occur in the same strata are drawn from one block; blocks of a single cluster, which would never
/// vary, are put together.
fn blocks(of: &[u32], clusters: usize, stratum: impl Fn(usize) -> u32) -> Vec<Block> {
    let mut seen: Vec<Vec<u32>> = vec![Vec::new(); clusters];
    for (u, &c) in of.iter().enumerate() {
        let s = stratum(u);
        if seen[c as usize].last() != Some(&s) {
            seen[c as usize].push(s);
        }
    }
    seen.iter_mut().for_each(|s| {
        s.sort_unstable();
        s.dedup();
    });
    let mut sets: FxHashMap<&[u32], Vec<u32>> = FxHashMap::default();
    for (c, strata) in seen.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
        sets.entry(strata).or_default().push(c as u32);
    }
    let mut list: Vec<Vec<u32>> = sets.into_values().collect();
    list.sort();
    let (single, mut list): (Vec<_>, Vec<_>) = list.into_iter().partition(|b| b.len() == 1);
    let mut rest: Vec<u32> = single.into_iter().flatten().collect();
    if rest.len() == 1
        && let Some(first) = list.first_mut()
    {
        first.append(&mut rest);
    }
    if !rest.is_empty() {
        list.push(rest);
    }
    list.into_iter().map(|members| Block::new(members, Vec::new())).collect()
}

/// A number type of the matrix product.
pub(crate) trait FromF64: Copy {
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
}
impl FromF64 for f32 {
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}
impl FromF64 for f64 {
    fn from_f64(x: f64) -> Self {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
}

/// A hypergeometric draw: how many of `drawn` come out good. Small draws are made one by one.
pub(crate) fn hypergeometric(rng: &mut impl Rng, good: u64, bad: u64, drawn: u64) -> u64 {
    let total = good + bad;
    if good == 0 || drawn == 0 {
        return 0;
    }
    if bad == 0 {
        return drawn;
    }
    if drawn <= 32 {
        return one_by_one(rng, good, bad, drawn);
    }
    // The library refuses populations where its first probability underflows, and what it gives must be possible.
    let possible = |x: &u64| *x <= good.min(drawn) && drawn - x <= bad;
    let quick = rand_distr::Hypergeometric::new(total, good, drawn).ok().map(|h| h.sample(rng)).filter(possible);
    quick.unwrap_or_else(|| {
        // The same law with the fewest draws: the good among the drawn are the drawn among the good, and what is left is what was not drawn.
        let rest = total - drawn;
        match drawn.min(rest).min(good).min(bad) {
            n if n == drawn => one_by_one(rng, good, bad, drawn),
            n if n == good => one_by_one(rng, drawn, rest, good),
            n if n == rest => good - one_by_one(rng, good, bad, rest),
            _ => drawn - one_by_one(rng, drawn, rest, bad),
        }
    })
}

/// The same by drawing one after the other.
fn one_by_one(rng: &mut impl Rng, good: u64, bad: u64, drawn: u64) -> u64 {
    let (mut g, mut t, mut out) = (good, good + bad, 0);
    for _ in 0..drawn {
        if rng.random_range(0..t) < g {
            g -= 1;
            out += 1;
        }
        t -= 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws are possible, and right on average, also where the library gives up.
    #[test]
    fn hypergeometric_draws_are_possible_and_right_on_average() {
        const DRAWS: u64 = 400;
        let mut given_up = 0;
        for (good, bad, drawn) in [
            (9, 3024, 2000),
            (96, 2937, 2748),
            (140, 2893, 118),
            (2777, 256, 108),
            (1500, 1533, 1500),
            (5, 100_000, 90_000),
            (40_000, 60_000, 50_000),
            (2990, 43, 2999),
        ] {
            given_up += u32::from(rand_distr::Hypergeometric::new(good + bad, good, drawn).is_err());
            let mut rng = Seed(3).stream(Purpose::Simulation, good);
            let list: Vec<u64> = (0..DRAWS).map(|_| hypergeometric(&mut rng, good, bad, drawn)).collect();
            assert!(list.iter().all(|x| *x <= good.min(drawn) && drawn - x <= bad), "{good} {bad} {drawn}");
            let (g, b, d) = (good as f64, bad as f64, drawn as f64);
            let (n, mean) = (g + b, d * g / (g + b));
            let sd = (d * g / n * (b / n) * (n - d) / (n - 1.0) / DRAWS as f64).sqrt();
            let seen = list.iter().sum::<u64>() as f64 / DRAWS as f64;
            assert!((seen - mean).abs() < 5.0 * sd, "{good} {bad} {drawn}: {seen} against {mean} ± {sd}");
        }
        assert!(given_up > 0, "the library gives up on none of these any more: is the other way still needed?");
    }
}
