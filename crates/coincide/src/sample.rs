//! The attack rows of a table as estimates read them: reasons and orders dropped, strata numbered, and for every
//! rate the sums over clusters that its interval needs.

use crate::figure::{Figure, Interval};
use crate::interval::{FactorTotals, Proportion, clopper_pearson, jeffreys};
use crate::layers::{LayerSet, bit, count, is_subset};
use crate::outcome::{Cell, JointOutcomes};
use crate::structure::Structure;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Interval for a proportion of independent, unweighted trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExactInterval {
    /// Clopper–Pearson: covers at least as often as it says.
    #[default]
    ClopperPearson,
    /// Jeffreys: covers as often as it says on average, shorter.
    Jeffreys,
}

/// A table's rows with everything irrelevant to rates merged away.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub layers: usize,
    pub words: usize,
    pub failed: Vec<u64>,
    pub observed: Vec<u64>,
    /// Index of the combination of strata.
    pub stratum: Vec<u32>,
    /// `factors` cluster indices per row.
    pub cluster: Vec<u32>,
    pub n: Vec<f64>,
    pub w: Vec<f64>,
    pub w2: Vec<f64>,
    /// Level indices of each combination of strata that occurs.
    pub strata: Vec<Vec<u32>>,
    /// Number of levels of each cluster factor.
    pub factors: Vec<usize>,
    pub weighted: bool,
    /// Stratum within which clusters are drawn; [`Sample::stratum`] unless regrouped.
    pub block: Vec<u32>,
    /// Whether the baseline failed, where it has an outcome.
    pub baseline: Vec<Option<bool>>,
    /// Index of the recorded order.
    pub order: Vec<u32>,
    /// Distinct recorded orders.
    pub orders: Vec<Vec<u16>>,
}

impl Sample {
    /// The rows of `table` that `keep` accepts.
    pub(crate) fn new(table: &JointOutcomes, keep: impl Fn(&Cell<'_>) -> bool) -> Self {
        let words = crate::layers::words(table.layers().len());
        let mut s = Sample {
            layers: table.layers().len(),
            words,
            failed: Vec::new(),
            observed: Vec::new(),
            stratum: Vec::new(),
            cluster: Vec::new(),
            n: Vec::new(),
            w: Vec::new(),
            w2: Vec::new(),
            strata: Vec::new(),
            factors: table.clusters().iter().map(|f| f.levels.len()).collect(),
            weighted: table.weighted(),
            block: Vec::new(),
            baseline: Vec::new(),
            order: Vec::new(),
            orders: Vec::new(),
        };
        let mut orders: FxHashMap<&[u16], u32> = FxHashMap::default();
        let mut combos: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut used: Vec<Vec<u32>> = Vec::new();
        for c in table.cells().filter(&keep) {
            if used.last().is_none_or(|u| u != c.strata()) {
                used.push(c.strata().to_vec());
            }
        }
        used.sort_unstable();
        used.dedup();
        for u in used {
            combos.insert(u.clone(), s.strata.len() as u32);
            s.strata.push(u);
        }
        for cell in table.cells().filter(keep) {
            let stratum = match s.stratum.last() {
                Some(&last) if s.strata[last as usize] == cell.strata() => last,
                _ => combos[cell.strata()],
            };
            let order = *orders.entry(cell.order()).or_insert_with(|| {
                s.orders.push(cell.order().to_vec());
                s.orders.len() as u32 - 1
            });
            // Cells are sorted by context; rows that differ only in reasons or order follow each other often
            // enough to be worth merging, and none has to be.
            let last = s.n.len().checked_sub(1);
            if let Some(l) = last
                && s.failed[l * words..] == *cell.failed
                && s.observed[l * words..] == *cell.observed
                && s.stratum[l] == stratum
                && s.order[l] == order
                && s.baseline[l] == cell.baseline_failed()
                && s.cluster[l * s.factors.len()..] == *cell.clusters()
            {
                s.n[l] += cell.n;
                s.w[l] += cell.w;
                s.w2[l] += cell.w2;
                continue;
            }
            s.failed.extend_from_slice(cell.failed);
            s.observed.extend_from_slice(cell.observed);
            s.stratum.push(stratum);
            s.block.push(stratum);
            s.order.push(order);
            s.baseline.push(cell.baseline_failed());
            s.cluster.extend_from_slice(cell.clusters());
            s.n.push(cell.n);
            s.w.push(cell.w);
            s.w2.push(cell.w2);
        }
        s
    }

    pub(crate) fn len(&self) -> usize {
        self.n.len()
    }
    pub(crate) fn failed(&self, row: usize) -> &[u64] {
        &self.failed[row * self.words..][..self.words]
    }
    pub(crate) fn observed(&self, row: usize) -> &[u64] {
        &self.observed[row * self.words..][..self.words]
    }
    pub(crate) fn complete(&self, row: usize) -> bool {
        count(self.observed(row)) == self.layers
    }
    pub(crate) fn all_complete(&self) -> bool {
        (0..self.len()).all(|r| self.complete(r))
    }
    pub(crate) fn clusters_of(&self, row: usize) -> &[u32] {
        &self.cluster[row * self.factors.len()..][..self.factors.len()]
    }
    pub(crate) fn trials(&self) -> f64 {
        self.n.iter().sum()
    }
    pub(crate) fn weight(&self) -> f64 {
        self.w.iter().sum()
    }
    /// Whether trials are independent and equal, so that exact binomial intervals and tests hold.
    pub(crate) fn independent(&self) -> bool {
        self.factors.is_empty() && !self.weighted
    }
    /// The rows that `keep` accepts.
    pub(crate) fn subset(&self, keep: impl Fn(usize) -> bool) -> Sample {
        let mut s = Sample {
            failed: vec![],
            observed: vec![],
            stratum: vec![],
            cluster: vec![],
            n: vec![],
            w: vec![],
            w2: vec![],
            block: vec![],
            baseline: vec![],
            order: vec![],
            ..self.clone()
        };
        for r in (0..self.len()).filter(|&r| keep(r)) {
            s.failed.extend_from_slice(self.failed(r));
            s.observed.extend_from_slice(self.observed(r));
            s.stratum.push(self.stratum[r]);
            s.block.push(self.block[r]);
            s.order.push(self.order[r]);
            s.baseline.push(self.baseline[r]);
            s.cluster.extend_from_slice(self.clusters_of(r));
            s.n.push(self.n[r]);
            s.w.push(self.w[r]);
            s.w2.push(self.w2[r]);
        }
        s
    }

    /// The same rows grouped by another stratum, clusters still drawn within the old ones.
    pub(crate) fn regrouped(&self, strata: Vec<Vec<u32>>, of: impl Fn(usize) -> u32) -> Sample {
        Sample { stratum: (0..self.len()).map(of).collect(), strata, ..self.clone() }
    }

    /// Whether the first layers asked in this row are exactly `set`.
    pub(crate) fn starts_with(&self, row: usize, set: &[u64]) -> bool {
        let order = &self.orders[self.order[row] as usize];
        let many = count(set);
        order.len() >= many && order[..many].iter().all(|&i| bit(set, usize::from(i)))
    }

    /// Whether all layers of `set` failed in a row: three-valued, as [`Cell::all_failed`].
    pub(crate) fn all_failed(&self, row: usize, set: &[u64]) -> Option<bool> {
        let (f, o) = (self.failed(row), self.observed(row));
        let mut open = false;
        for i in 0..self.words {
            if set[i] & o[i] & !f[i] != 0 {
                return Some(false);
            }
            open |= set[i] & !o[i] != 0;
        }
        (!open).then_some(true)
    }

    /// Whether all layers of `set` are observed and failed.
    pub(crate) fn surely_failed(&self, row: usize, set: &[u64]) -> bool {
        is_subset(set, self.failed(row))
    }

    /// The sums behind the proportion of rows where `event` is true among those where it is not `None`, in one pass.
    pub(crate) fn proportion(&self, mut event: impl FnMut(usize) -> Option<bool>) -> Proportion {
        self.mean_of(|r| event(r).map(|e| f64::from(u8::from(e))))
    }

    /// The same for a value between 0 and 1 a row: of all such values with the same mean the Boolean ones vary most (Hoeffding 1963), so that
    /// intervals made for them are on the safe side.
    pub(crate) fn mean_of(&self, mut value: impl FnMut(usize) -> Option<f64>) -> Proportion {
        // Of weighted trials only sums are known, and no positive weight is surely reached.
        let mut p = Proportion { least_weight: if self.weighted { 0.0 } else { 1.0 }, ..Proportion::default() };
        let mut events = 0.0;
        // Of a row's trials only n, Σw and Σw² are known: none is heavier than mean + sd·√(n−1) (Samuelson 1968), which is
        // exact for equal weights.
        let mut heaviest = 0.0f64;
        let mut totals: Vec<Vec<[f64; 2]>> = self.factors.iter().map(|&levels| vec![[0.0; 2]; levels]).collect();
        for r in 0..self.len() {
            let Some(e) = value(r) else { continue };
            let w = self.w[r];
            p.weight += w;
            p.trials += self.n[r];
            p.trial_weight_square += self.w2[r];
            let failed = e * w;
            if e > 0.0 {
                events += self.n[r];
                p.failed += failed;
                p.trial_square += e * e * self.w2[r];
                let (n, mean) = (self.n[r], w / self.n[r]);
                heaviest = heaviest.max(mean + ((n - 1.0).max(0.0) * (self.w2[r] / n - mean * mean).max(0.0)).sqrt());
            }
            for (t, &c) in totals.iter_mut().zip(self.clusters_of(r)) {
                let t = &mut t[c as usize];
                t[0] += w;
                t[1] += failed;
            }
        }
        if self.factors.is_empty() {
            // So the failures are at most q/M² lumps of the largest possible size M.
            let lumps = if heaviest > 0.0 { vec![(heaviest, p.trial_square / (heaviest * heaviest))] } else { Vec::new() };
            p.factors = vec![FactorTotals {
                square: p.trial_square,
                cross: p.trial_square,
                lumps,
                least_weight: p.least_weight,
                clusters: p.trials,
                with_failure: events,
                squared_weight: p.trial_weight_square,
            }];
            return p;
        }
        for t in &totals {
            let mut f = FactorTotals { least_weight: f64::INFINITY, ..FactorTotals::default() };
            for &[w, x] in t.iter().filter(|t| t[0] > 0.0) {
                f.clusters += 1.0;
                f.least_weight = f.least_weight.min(w);
                f.squared_weight += w * w;
                if x > 0.0 {
                    f.with_failure += 1.0;
                    f.square += x * x;
                    f.cross += x * w;
                    f.lumps.push((x, 1.0));
                }
            }
            f.lumps.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
            p.factors.push(f);
        }
        p
    }

    /// The interval that fits these trials: exact where they are independent and equal, Korn–Graubard otherwise.
    pub(crate) fn interval(&self, p: &Proportion, options: RateOptions) -> Interval {
        match (self.independent(), options.exact, options.upper) {
            (true, ExactInterval::ClopperPearson, _) => clopper_pearson(p.failed, p.trials, options.level),
            (true, ExactInterval::Jeffreys, _) => jeffreys(p.failed, p.trials, options.level),
            (false, _, Upper::Published) => p.as_published(options.level),
            (false, _, Upper::Plain) => p.korn_graubard(options.level),
            (false, _, Upper::NeverFalls) => p.never_falling(options.level),
        }
    }

    /// Rate at which all layers of `set` fail, with its interval and, where cells are missing, what they leave open.
    ///
    /// Only rows in which the whole set was observed enter the estimate: rows that are merely *determined* (one
    /// layer held, the rest unknown) are selected, and averaging them is biased.
    pub(crate) fn co_failure(&self, set: &[u64], options: RateOptions) -> Figure {
        let upper = if count(set) == self.layers { Upper::NeverFalls } else { Upper::Plain };
        self.rate(RateOptions { upper, ..options }, |r| is_subset(set, self.observed(r)), |r| self.all_failed(r, set))
    }

    /// Rate at which the system fails, as [`Self::co_failure`] for any structure: where the members of it were all observed.
    pub(crate) fn system_failure(&self, system: &Structure, options: RateOptions) -> Figure {
        if let Some(set) = system.as_all() {
            return self.co_failure(set.words(), options);
        }
        let members = LayerSet::of(self.layers, system.members());
        let upper = if system.monotone() { Upper::NeverFalls } else { Upper::Plain };
        self.rate(
            RateOptions { upper, ..options },
            |r| is_subset(members.words(), self.observed(r)),
            |r| system.outcome(self.failed(r), self.observed(r)),
        )
    }

    /// The same rows taken one by one: clusters forgotten.
    pub(crate) fn without_clusters(&self) -> Sample {
        Sample { factors: Vec::new(), cluster: Vec::new(), ..self.clone() }
    }

    /// The same rows with their weights multiplied.
    pub(crate) fn reweighted(&self, factor: impl Fn(usize) -> f64) -> Sample {
        let mut s = self.clone();
        for r in 0..s.len() {
            let f = factor(r);
            s.w[r] *= f;
            s.w2[r] *= f * f;
        }
        s.weighted = true;
        s
    }

    /// Rate of a three-valued event. `counted` names the rows that enter the estimate where some are open.
    pub(crate) fn rate(&self, options: RateOptions, counted: impl Fn(usize) -> bool, event: impl Fn(usize) -> Option<bool>) -> Figure {
        let mut open = false;
        let low = self.proportion(|r| {
            let e = event(r);
            open |= e.is_none();
            Some(e == Some(true))
        });
        if low.weight <= 0.0 {
            return Figure::undefined("no trial");
        }
        if !open {
            return Figure::of(low.estimate(), "no trial").with(Some(self.interval(&low, options)));
        }
        let high = self.proportion(|r| Some(event(r) != Some(false)));
        let figure = match options.missing {
            Missing::AtRandom => {
                let seen = self.proportion(|r| if counted(r) { event(r) } else { None });
                if seen.weight > 0.0 {
                    Figure::of(seen.estimate(), "no trial").with(Some(self.interval(&seen, options)))
                } else {
                    Figure::undefined("no trial on which all of these layers were observed")
                }
            }
            Missing::Selected => {
                let ends = (self.interval(&low, options), self.interval(&high, options));
                Figure::default().with(Some(Interval { low: ends.0.low, high: ends.1.high, ..ends.0 }))
            }
        };
        figure.within(low.estimate(), high.estimate())
    }
}

/// Whether rows without an answer may be left out of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// They are left out, and the two extremes stand beside the estimate.
    AtRandom,
    /// They are selected by what other layers did: only bounds are given.
    Selected,
}

/// How a rate's interval is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateOptions {
    pub level: f64,
    pub exact: ExactInterval,
    pub missing: Missing,
    pub upper: Upper,
}

/// Which upper end a Korn–Graubard interval gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upper {
    /// As published: for claims, beside [`Upper::NeverFalls`].
    Published,
    /// As published, but at least that of no failure at all.
    Plain,
    /// One that a further failure never lowers: for β.
    NeverFalls,
}

impl Sample {
    /// Cluster-robust variance of Σ w·d / Σ w for a per-row influence `d`, multiway as in [`crate::interval`].
    pub(crate) fn linearised_variance(&self, influence: &[f64]) -> f64 {
        let weight = self.weight();
        let trial: f64 = (0..self.len()).map(|r| self.w2[r] * influence[r] * influence[r]).sum();
        if self.factors.is_empty() {
            return trial / (weight * weight);
        }
        let (mut sum, mut largest) = (0.0, 0.0f64);
        for f in 0..self.factors.len() {
            let mut totals = vec![0.0; self.factors[f]];
            let mut present = vec![false; self.factors[f]];
            for (r, d) in influence.iter().enumerate() {
                let c = self.clusters_of(r)[f] as usize;
                totals[c] += self.w[r] * d;
                present[c] = true;
            }
            let c = present.iter().filter(|&&p| p).count() as f64;
            let v = totals.iter().map(|x| x * x).sum::<f64>() * if c > 1.0 { c / (c - 1.0) } else { 1.0 };
            sum += v;
            largest = largest.max(v);
        }
        (sum - (self.factors.len() as f64 - 1.0) * trial).max(largest) / (weight * weight)
    }

    /// Degrees of freedom of a cluster-robust variance: clusters − 1 of the factor with fewest; trials − 1 without.
    pub(crate) fn df(&self) -> f64 {
        (0..self.factors.len())
            .map(|f| {
                let mut seen = vec![false; self.factors[f]];
                (0..self.len()).for_each(|r| seen[self.clusters_of(r)[f] as usize] = true);
                seen.iter().filter(|&&s| s).count() as f64 - 1.0
            })
            .fold(self.trials() - 1.0, f64::min)
            .max(1.0)
    }

    /// value ± t·√variance.
    pub(crate) fn linearised_interval(&self, value: f64, influence: &[f64], level: f64) -> Option<Interval> {
        let t = crate::special::student_quantile(0.5 + 0.5 * level, self.df());
        let half = t * self.linearised_variance(influence).sqrt();
        Interval::new(value - half, value + half, level, crate::figure::IntervalMethod::Linearised)
    }
}
