//! What models are fitted to: distinct patterns of outcomes with their weights, and which cluster holds which.
//!
//! Models see only layers, so rows that differ in reasons, order or cluster are one pattern. A missing layer is left out of
//! the pattern's probability: that is right where outcomes are missing at random, and where a layer was skipped because of
//! what *observed* layers did. Weighted trials count as Σw · Σw/Σw² effective trials in all (Kish 1965).

use crate::layers::bit;
use crate::sample::Sample;
use rustc_hash::FxHashMap;

/// Distinct (stratum, failed, observed) rows of the attack trials.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    pub layers: usize,
    pub words: usize,
    pub failed: Vec<u64>,
    pub observed: Vec<u64>,
    /// Combination of strata of each pattern.
    pub stratum: Vec<u32>,
    /// Effective trials of each pattern.
    pub weight: Vec<f64>,
    /// Combinations of strata.
    pub strata: usize,
    /// Pattern of each row of the sample; `u32::MAX` for rows without any outcome.
    pub of_row: Vec<u32>,
    /// Effective trials per unit of weight.
    pub scale: f64,
    /// Clusters that are kept whole: those of the factor with fewest; trials of one pattern together where there is none.
    pub clusters: Clusters,
}

/// Independent groups of trials.
#[derive(Debug, Clone)]
pub(crate) enum Clusters {
    /// Trials are independent.
    None,
    /// Each cluster's patterns with their weights, and the index of the column.
    Of { factor: usize, members: Vec<Vec<(u32, f64)>> },
}

impl Patterns {
    pub(crate) fn new(sample: &Sample) -> Self {
        let mut p = Patterns {
            layers: sample.layers,
            words: sample.words,
            failed: Vec::new(),
            observed: Vec::new(),
            stratum: Vec::new(),
            weight: Vec::new(),
            strata: sample.strata.len(),
            of_row: vec![u32::MAX; sample.len()],
            scale: if sample.weighted { sample.weight() / sample.w2.iter().sum::<f64>() } else { 1.0 },
            clusters: Clusters::None,
        };
        let coarsest = (0..sample.factors.len()).min_by_key(|&f| sample.factors[f]);
        let mut members: Vec<FxHashMap<u32, f64>> = vec![FxHashMap::default(); coarsest.map_or(0, |f| sample.factors[f])];
        let mut seen: FxHashMap<(u32, &[u64], &[u64]), u32> = FxHashMap::default();
        for r in 0..sample.len() {
            // A trial without any outcome says nothing.
            if crate::layers::count(sample.observed(r)) == 0 {
                continue;
            }
            let key = (sample.stratum[r], sample.failed(r), sample.observed(r));
            let id = *seen.entry(key).or_insert_with(|| {
                p.failed.extend_from_slice(key.1);
                p.observed.extend_from_slice(key.2);
                p.stratum.push(key.0);
                p.weight.push(0.0);
                p.weight.len() as u32 - 1
            });
            p.of_row[r] = id;
            p.weight[id as usize] += p.scale * sample.w[r];
            if let Some(f) = coarsest {
                *members[sample.clusters_of(r)[f] as usize].entry(id).or_default() += p.scale * sample.w[r];
            }
        }
        if let Some(factor) = coarsest {
            let sorted = |m: FxHashMap<u32, f64>| {
                let mut list: Vec<(u32, f64)> = m.into_iter().collect();
                list.sort_unstable_by_key(|x| x.0);
                list
            };
            p.clusters = Clusters::Of { factor, members: members.into_iter().map(sorted).filter(|m| !m.is_empty()).collect() };
        }
        p
    }

    pub(crate) fn len(&self) -> usize {
        self.weight.len()
    }
    pub(crate) fn failed(&self, i: usize) -> &[u64] {
        &self.failed[i * self.words..][..self.words]
    }
    pub(crate) fn observed(&self, i: usize) -> &[u64] {
        &self.observed[i * self.words..][..self.words]
    }
    pub(crate) fn trials(&self) -> f64 {
        self.weight.iter().sum()
    }

    /// Weights of the patterns when the sample's rows have these.
    pub(crate) fn weights_from_rows(&self, rows: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        for (&id, w) in self.of_row.iter().zip(rows).filter(|(id, _)| **id != u32::MAX) {
            out[id as usize] += self.scale * w;
        }
        out
    }

    /// Share of trials on which layer i was observed to fail, among those with an outcome, with half a trial added to both
    /// sides: a start for fits, never a result.
    pub(crate) fn rough_rates(&self, weight: &[f64]) -> Vec<f64> {
        (0..self.layers)
            .map(|i| {
                let sum = |mask: &[u64]| -> f64 { (0..self.len()).filter(|&r| bit(&mask[r * self.words..], i)).map(|r| weight[r]).sum() };
                (sum(&self.failed) + 0.5) / (sum(&self.observed) + 1.0)
            })
            .collect()
    }

    /// Weights of the patterns of one stratum, 0 elsewhere.
    pub(crate) fn within(&self, stratum: Option<u32>, weight: &[f64]) -> Vec<f64> {
        weight.iter().zip(&self.stratum).map(|(&w, &s)| if stratum.is_none_or(|x| x == s) { w } else { 0.0 }).collect()
    }

    /// Groups of trials that are left out together, as patterns with weights, and how many groups are alike.
    pub(crate) fn groups(&self) -> Vec<(Vec<(u32, f64)>, f64)> {
        match &self.clusters {
            Clusters::None => (0..self.len()).filter(|&i| self.weight[i] > 0.0).map(|i| (vec![(i as u32, 1.0)], self.weight[i])).collect(),
            Clusters::Of { members, .. } => {
                let mut alike: FxHashMap<Vec<(u32, u64)>, (usize, f64)> = FxHashMap::default();
                let mut out: Vec<(Vec<(u32, f64)>, f64)> = Vec::new();
                for m in members {
                    let key = m.iter().map(|&(i, w)| (i, w.to_bits())).collect();
                    let (at, _) = *alike.entry(key).or_insert_with(|| {
                        out.push((m.clone(), 0.0));
                        (out.len() - 1, 0.0)
                    });
                    out[at].1 += 1.0;
                }
                out
            }
        }
    }
}
