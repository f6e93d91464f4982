//! Why they fail together: causes that were observed as strata, and where joint failures sit.
//!
//! With stratum shares w_s and within-stratum rates p_is, β_cond = Σ_s w_s Π_i p_is is what independence *within* strata
//! would give. ln π = ln(β_cond/Πp_i) \[explained\] + ln(β/β_cond) \[residual\], in nats. The plug-in product inflates with
//! many small strata, so two corrections stand beside it: Π_i p_is without bias, as the mean over *distinct* trials (a
//! U-statistic; Hoeffding 1948), and the plug-in minus its mean over permutations of the strata that keep their
//! sizes. Contributions may be negative, and do not add up over columns.

use crate::features::{Layout, Sums};
use crate::figure::{Figure, Interval};
use crate::layers::LayerSet;
use crate::pairs::Test;
use crate::percentile::percentile;
use crate::pieces::in_blocks;
use crate::random::{Purpose, Seed};
use crate::sample::{RateOptions, Sample};
use crate::significance::{fisher, score_test};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of the gap the strata explain, and where joint failures sit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Causes {
    /// All stratum columns together.
    pub together: Explained,
    /// Each column by itself; present when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alone: Vec<Explained>,
    /// The columns added one after the other, in the order they were given; present when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub in_order: Vec<Explained>,
    /// Every level of every column, most over-represented among joint failures first.
    pub places: Vec<Place>,
}

/// Part of ln π that one set of columns explains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The columns.
    pub columns: Vec<String>,
    /// Number of strata.
    pub strata: usize,
    /// β_cond as plugged in.
    pub beta_conditional: Figure,
    /// ln(β_cond/Πp_i) as plugged in, in nats. Biased upwards with many small strata.
    pub plug_in: Figure,
    /// The same with Πp_is as a U-statistic over distinct trials.
    pub unbiased: Figure,
    /// Strata with fewer trials than layers, which the U-statistic pools.
    pub strata_pooled: usize,
    /// What strata of these sizes explain when they are assigned at random: the bias of the plug-in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub permutation_baseline: Option<f64>,
    /// Plug-in minus that.
    pub corrected: Figure,
    /// ln π minus the unbiased part (the corrected one where the unbiased cannot be had), in nats: what is left.
    pub residual: Figure,
}

impl Explained {
    /// The part that is to be believed: unbiased where it exists, else corrected, else plugged in.
    pub fn best(&self) -> &Figure {
        [&self.unbiased, &self.corrected].into_iter().find(|f| f.value.is_some()).unwrap_or(&self.plug_in)
    }
}

/// One level of one stratum column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The column.
    pub column: String,
    /// The level.
    pub level: String,
    /// Attack trials.
    pub trials: f64,
    /// Their share of all trials' weight.
    pub share_of_trials: f64,
    /// Trials on which every layer failed.
    pub all_failed: f64,
    /// Their share of all joint failures.
    pub share_of_joint_failures: Figure,
    /// β within.
    pub beta: Figure,
    /// Πp_i within.
    pub product: Figure,
    /// β/Πp_i within: dependence that this column does not explain.
    pub gap: Figure,
    /// Two-sided p-value that β differs here from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_value: Option<f64>,
    /// The same after Benjamini–Hochberg over all tests of the analysis.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_adjusted: Option<f64>,
    /// Which test.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test: Option<Test>,
}

/// A way to group the combinations of strata: one column, several, or all.
#[derive(Debug, Clone)]
pub(crate) struct Grouping {
    pub columns: Vec<usize>,
    /// Group of each combination of strata.
    pub of: Vec<usize>,
    pub groups: usize,
    /// A combination of strata that lies in each group.
    pub example: Vec<usize>,
}

impl Grouping {
    pub(crate) fn new(strata: &[Vec<u32>], columns: &[usize]) -> Self {
        let mut index: FxHashMap<Vec<u32>, usize> = FxHashMap::default();
        let mut example = Vec::new();
        let of = strata
            .iter()
            .enumerate()
            .map(|(s, levels)| {
                let key: Vec<u32> = columns.iter().map(|&c| levels[c]).collect();
                let next = index.len();
                *index.entry(key).or_insert_with(|| {
                    example.push(s);
                    next
                })
            })
            .collect();
        Grouping { columns: columns.to_vec(), of, groups: index.len(), example }
    }

    /// Sums by group.
    fn sums(&self, sums: &Sums<'_>) -> Vec<Vec<f64>> {
        let mut out = vec![vec![0.0; 2 + 2 * sums.layout.k]; self.groups];
        for (s, row) in sums.strata().enumerate() {
            out[self.of[s]].iter_mut().zip(row).for_each(|(a, b)| *a += b);
        }
        out
    }
}

/// The groupings that are reported: all columns; each alone; each prefix.
pub(crate) fn groupings(strata: &[Vec<u32>], columns: usize) -> Vec<Grouping> {
    if columns == 0 {
        return Vec::new();
    }
    let all: Vec<usize> = (0..columns).collect();
    let mut list = vec![Grouping::new(strata, &all)];
    if columns > 1 {
        list.extend((0..columns).map(|c| Grouping::new(strata, &[c])));
        list.extend((1..=columns).map(|c| Grouping::new(strata, &all[..c])));
    }
    list
}

/// ln β_cond as plugged in.
fn ln_conditional(groups: &[Vec<f64>], layout: &Layout) -> f64 {
    let weight: f64 = groups.iter().map(|g| g[Layout::WEIGHT]).sum();
    let beta: f64 = groups
        .iter()
        .filter(|g| g[Layout::WEIGHT] > 0.0)
        .map(|g| g[Layout::WEIGHT] / weight * (0..layout.k).map(|i| g[layout.marginal(i)] / g[Layout::WEIGHT]).product::<f64>())
        .sum();
    beta.ln()
}

fn ln_product(g: &[f64], layout: &Layout) -> f64 {
    (0..layout.k).map(|i| (g[layout.marginal(i)] / g[Layout::WEIGHT]).ln()).sum()
}

/// Explained and residual nats of every grouping, then ln π within every level of every single column: what each
/// replicate computes.
pub(crate) fn replicate(sums: &Sums<'_>, groupings: &[Grouping]) -> Vec<f64> {
    let layout = sums.layout;
    let total = sums.total();
    let pooled = ln_product(&total, layout);
    let ln_beta = (total[layout.failures(layout.k)] / total[Layout::WEIGHT]).ln();
    let mut out = Vec::new();
    for g in groupings {
        let conditional = ln_conditional(&g.sums(sums), layout);
        out.push(conditional - pooled);
        out.push(ln_beta - conditional);
    }
    for g in single(groupings) {
        for group in g.sums(sums) {
            out.push(ln_gap_within(&group, layout));
        }
    }
    out
}

fn ln_gap_within(group: &[f64], layout: &Layout) -> f64 {
    let beta = group[layout.failures(layout.k)] / group[Layout::WEIGHT];
    if beta <= 0.0 { f64::NEG_INFINITY } else { beta.ln() - ln_product(group, layout) }
}

/// One grouping for each column.
fn single(groupings: &[Grouping]) -> impl Iterator<Item = &Grouping> {
    let columns = groupings.iter().map(|g| g.columns.len()).max().unwrap_or(0);
    let take = if columns == 1 { 1 } else { columns };
    groupings.iter().filter(|g| g.columns.len() == 1).take(take)
}

/// What [`analyse`] works from.
pub(crate) struct Evidence<'a> {
    /// Complete rows.
    pub sample: &'a Sample,
    pub sums: &'a Sums<'a>,
    /// Stratum columns: names and levels.
    pub strata: &'a [crate::outcome::Factor],
    pub groupings: &'a [Grouping],
    /// One vector of [`replicate`] per bootstrap replicate.
    pub replicates: &'a [Vec<f64>],
    pub clusters: f64,
    pub seed: Seed,
}

/// Explained parts and places. `p_adjusted` is left for the caller, who knows all tests.
pub(crate) fn analyse(e: &Evidence<'_>, options: RateOptions) -> Causes {
    let layout = e.sums.layout;
    let total = e.sums.total();
    let pooled = ln_product(&total, layout);
    let beta = total[layout.failures(layout.k)] / total[Layout::WEIGHT];
    let column = |at: usize| -> Vec<f64> { e.replicates.iter().map(|r| r[at]).collect() };
    let explained: Vec<Explained> = e
        .groupings
        .iter()
        .enumerate()
        .map(|(g, grouping)| {
            let groups = grouping.sums(e.sums);
            explain(e, grouping, &groups, (pooled, beta), (column(2 * g), column(2 * g + 1)), options)
        })
        .collect();
    let columns = e.strata.len();
    let together = explained[0].clone();
    let (alone, in_order) = if columns > 1 { (explained[1..=columns].to_vec(), explained[columns + 1..].to_vec()) } else { Default::default() };
    let mut places = Vec::new();
    let mut at = 2 * e.groupings.len();
    for grouping in single(e.groupings) {
        let groups = grouping.sums(e.sums);
        for (g, group) in groups.iter().enumerate() {
            places.push(place(e, grouping, g, group, column(at), options));
            at += 1;
        }
    }
    let over = |p: &Place| p.share_of_joint_failures.value.unwrap_or(0.0) - p.share_of_trials;
    places.sort_by(|a, b| over(b).total_cmp(&over(a)).then_with(|| (&a.column, &a.level).cmp(&(&b.column, &b.level))));
    Causes { together, alone, in_order, places }
}

fn explain(
    e: &Evidence<'_>,
    grouping: &Grouping,
    groups: &[Vec<f64>],
    (pooled, beta): (f64, f64),
    (mut replicates, mut left_over): (Vec<f64>, Vec<f64>),
    options: RateOptions,
) -> Explained {
    let layout = e.sums.layout;
    let conditional = ln_conditional(groups, layout);
    let never = "some layer never failed, so there is no gap to explain";
    let impossible = "in every stratum some layer never failed";
    let value = conditional - pooled;
    let why = if pooled.is_finite() { impossible } else { never };
    let plug_in = Figure::of(value, why).with(percentile(&mut replicates, e.clusters, options.level).filter(|_| value.is_finite()));
    // Replicates of the plug-in carry its bias twice: once from the sample, once from resampling it.
    let debiased = |corrected: f64| plug_in.interval.and_then(|i: Interval| i.map(|x| x - 2.0 * (value - corrected)));
    let (unbiased, strata_pooled) = if e.sample.weighted {
        (Figure::undefined("trials are weighted: the mean over distinct trials has no exact counterpart"), 0)
    } else {
        let (u, small) = conditional_without_bias(e.sample, grouping);
        match u {
            Some(u) => {
                let corrected = u.ln() - pooled;
                let why = "no stratum shows every layer failing on distinct trials";
                (
                    Figure::of(corrected, if pooled.is_finite() { why } else { never }).with(debiased(corrected).filter(|_| corrected.is_finite())),
                    small,
                )
            }
            None => (Figure::undefined(format!("more than {UNBIASED_LAYERS} layers or too many strata: see the corrected value")), small),
        }
    };
    let baseline = if e.sample.weighted || !value.is_finite() { None } else { permutation_baseline(e.sample, grouping, e.seed, pooled) };
    let corrected = match baseline {
        Some(b) => Figure::of(value - b, why).with(debiased(value - b)),
        None => Figure::undefined(if value.is_finite() { "not computed: trials are weighted, or too many to permute" } else { why }),
    };
    let mut out = Explained {
        columns: grouping.columns.iter().map(|&c| e.strata[c].name.clone()).collect(),
        strata: grouping.groups,
        beta_conditional: Figure::of(conditional.exp(), ""),
        plug_in,
        unbiased,
        strata_pooled,
        permutation_baseline: baseline,
        corrected,
        residual: Figure::default(),
    };
    let gap = beta.ln() - pooled;
    out.residual = match out.best().value {
        Some(best) if gap.is_finite() => {
            let interval = percentile(&mut left_over, e.clusters, options.level).and_then(|i| i.map(|x| x + 2.0 * (value - best)));
            Figure::of(gap - best, "").with(interval)
        }
        Some(_) if pooled.is_finite() => Figure::undefined("no trial beat every layer"),
        _ => Figure::undefined(why),
    };
    out
}

/// Layers up to which the U-statistic is computed: its cost is 3^k per stratum.
const UNBIASED_LAYERS: usize = 14;

/// Σ_s w_s Û_s with Û_s the mean of y_{t₁,1}·…·y_{t_k,k} over distinct trials t₁…t_k, and how many strata were
/// too small (fewer trials than layers) and pooled.
///
/// The sum over distinct trials is Σ over partitions of the layers Π_B (−1)^{|B|−1}(|B|−1)! S_B, S_B the trials on
/// which all of block B failed; summed by F(A) = Σ_{B∋min A} (−1)^{|B|−1}(|B|−1)! S_B F(A∖B).
fn conditional_without_bias(sample: &Sample, grouping: &Grouping) -> (Option<f64>, usize) {
    let k = sample.layers;
    let mut trials = vec![0.0; grouping.groups];
    (0..sample.len()).for_each(|r| trials[grouping.of[sample.stratum[r] as usize]] += sample.n[r]);
    let small: Vec<bool> = trials.iter().map(|&n| n < k as f64).collect();
    let pooled = small.iter().filter(|&&s| s).count();
    if k > UNBIASED_LAYERS || 3f64.powi(k as i32) * grouping.groups as f64 > 2e9 {
        return (None, pooled);
    }
    // Pooled strata share the last slot.
    let slot = |s: u32| {
        let g = grouping.of[s as usize];
        if small[g] { grouping.groups } else { g }
    };
    let size = 1usize << k;
    let mut counts: Vec<Vec<f64>> = vec![Vec::new(); grouping.groups + 1];
    for r in 0..sample.len() {
        let c = &mut counts[slot(sample.stratum[r])];
        if c.is_empty() {
            c.resize(size, 0.0);
        }
        c[sample.failed(r)[0] as usize] += sample.n[r];
    }
    // The pooled strata may still be fewer trials than layers: then they join the first stratum that is large enough.
    if let Some(mut pool) = counts.pop() {
        let too_few = !pool.is_empty() && pool.iter().sum::<f64>() < k as f64;
        match counts.iter_mut().find(|c| too_few && !c.is_empty()) {
            Some(large) => large.iter_mut().zip(pool).for_each(|(a, b)| *a += b),
            None => counts.push(std::mem::take(&mut pool)),
        }
    }
    let all = sample.trials();
    if all < k as f64 {
        return (None, pooled);
    }
    let parts: Vec<f64> = counts
        .into_par_iter()
        .filter(|c| !c.is_empty())
        .map(|mut both| {
            let n: f64 = both.iter().sum();
            for i in 0..k {
                for s in 0..size {
                    if s >> i & 1 == 0 {
                        both[s] += both[s | 1 << i];
                    }
                }
            }
            let factorial: Vec<f64> = (0..k)
                .scan(1.0, |f, i| {
                    if i > 0 {
                        *f *= -(i as f64);
                    }
                    Some(*f)
                })
                .collect();
            let mut distinct = vec![0.0; size];
            distinct[0] = 1.0;
            for a in 1..size {
                let first = a & a.wrapping_neg();
                let rest = a ^ first;
                // Blocks: the first layer with any subset of the rest.
                let mut sub = rest;
                let mut sum = 0.0;
                loop {
                    let block = first | sub;
                    let members = (block as u64).count_ones() as usize;
                    sum += factorial[members - 1] * both[block] / n.powi(members as i32) * distinct[a ^ block];
                    if sub == 0 {
                        break;
                    }
                    sub = (sub - 1) & rest;
                }
                distinct[a] = sum;
            }
            let falling: f64 = (0..k).map(|i| n / (n - i as f64)).product();
            n / all * distinct[size - 1] * falling
        })
        .collect();
    (Some(parts.iter().sum::<f64>().max(0.0)), pooled)
}

/// Mean explained nats when strata of the same sizes are assigned to trials at random.
fn permutation_baseline(sample: &Sample, grouping: &Grouping, seed: Seed, pooled: f64) -> Option<f64> {
    let trials = sample.trials().round() as usize;
    if trials > 5_000_000 {
        return None;
    }
    let k = sample.layers;
    let mut row_of = Vec::with_capacity(trials);
    let mut group_of = Vec::with_capacity(trials);
    for r in 0..sample.len() {
        for _ in 0..sample.n[r].round() as usize {
            row_of.push(r as u32);
            group_of.push(grouping.of[sample.stratum[r] as usize] as u32);
        }
    }
    let mut size = vec![0.0; grouping.groups];
    group_of.iter().for_each(|&g| size[g as usize] += 1.0);
    let failing: Vec<Vec<u16>> = (0..sample.len()).map(|r| crate::layers::ones(sample.failed(r)).map(|i| i as u16).collect()).collect();
    let permutations = (40_000_000 / trials.max(1)).clamp(8, 200);
    let values = in_blocks("permutations of strata", permutations, 8, |i| {
        let mut groups = group_of.clone();
        groups.shuffle(&mut seed.stream(Purpose::StrataPermutation, i as u64));
        let mut failed = vec![0.0f64; grouping.groups * k];
        for (&r, &g) in row_of.iter().zip(&groups) {
            for &i in &failing[r as usize] {
                failed[g as usize * k + usize::from(i)] += 1.0;
            }
        }
        let beta: f64 =
            (0..grouping.groups).map(|g| size[g] / trials as f64 * failed[g * k..][..k].iter().map(|f| f / size[g]).product::<f64>()).sum();
        beta.ln() - pooled
    });
    let finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
}

fn place(e: &Evidence<'_>, grouping: &Grouping, g: usize, group: &[f64], mut replicates: Vec<f64>, options: RateOptions) -> Place {
    let layout = e.sums.layout;
    let column = grouping.columns[0];
    let level = e.sample.strata[grouping.example[g]][column] as usize;
    let everything = LayerSet::all(layout.k);
    let here = |r: usize| grouping.of[e.sample.stratum[r] as usize] == g;
    let joint = |r: usize| e.sample.surely_failed(r, everything.words());
    let share = e.sample.proportion(|r| joint(r).then(|| here(r)));
    let inside = e.sample.subset(here);
    let never = (0..layout.k).filter(|&i| group[layout.marginal(i)] <= 0.0).count();
    let ln_gap = ln_gap_within(group, layout);
    let gap = if never > 0 {
        Figure::undefined(format!("{never} of the layers never failed here"))
    } else if ln_gap.is_finite() {
        let mut f = Figure::of(ln_gap.exp(), "").with(percentile(&mut replicates, inside.df() + 1.0, options.level).and_then(|i| i.map(f64::exp)));
        if let Some(i) = &mut f.interval {
            i.low = i.low.or(Some(0.0));
        }
        f
    } else {
        Figure::undefined("no trial beat every layer here")
    };
    let (p_value, test) = association(e.sample, joint, here);
    Place {
        column: e.strata[column].name.clone(),
        level: e.strata[column].levels[level].clone(),
        trials: inside.trials(),
        share_of_trials: inside.weight() / e.sample.weight(),
        all_failed: (0..inside.len()).filter(|&r| inside.surely_failed(r, everything.words())).map(|r| inside.n[r]).sum(),
        share_of_joint_failures: if share.weight > 0.0 {
            Figure::of(share.estimate(), "").with(Some(e.sample.interval(&share, options)))
        } else {
            Figure::undefined("no trial beat every layer")
        },
        beta: inside.co_failure(everything.words(), options),
        product: Figure::of(ln_product(group, layout).exp(), ""),
        gap,
        p_value,
        p_adjusted: None,
        test,
    }
}

/// Test that two events of a trial are independent: Fisher's for independent trials, else the cluster-robust score.
fn association(sample: &Sample, a: impl Fn(usize) -> bool, b: impl Fn(usize) -> bool) -> (Option<f64>, Option<Test>) {
    let mut t = crate::features::TwoByTwo::default();
    for r in 0..sample.len() {
        match (a(r), b(r)) {
            (true, true) => t.n11 += sample.w[r],
            (true, false) => t.n10 += sample.w[r],
            (false, true) => t.n01 += sample.w[r],
            (false, false) => t.n00 += sample.w[r],
        }
    }
    let n = t.total();
    let (p, q) = t.margins();
    if !(p > 0.0 && p < 1.0 && q > 0.0 && q < 1.0) {
        return (None, None);
    }
    if sample.independent() {
        return (Some(fisher(t)), Some(Test::Fisher));
    }
    let unit = |x: bool| f64::from(u8::from(x));
    let d: Vec<f64> = (0..sample.len()).map(|r| (unit(a(r)) - p) * (unit(b(r)) - q)).collect();
    let p_value = score_test(t.n11 / n - p * q, sample.linearised_variance(&d), sample.df());
    (p_value, p_value.map(|_| Test::ClusterRobustScore))
}

/// Plug-in explained nats of two groups, for the baseline: ln(Σ_s w_s Π p_is / Πp_i).
pub(crate) fn explained_by_groups(sums: &Sums<'_>) -> f64 {
    let groups: Vec<Vec<f64>> = sums.strata().map(<[f64]>::to_vec).collect();
    ln_conditional(&groups, sums.layout) - ln_product(&sums.total(), sums.layout)
}
