//! The likelihood of patterns under a mixture and its derivatives, written once for every model.
//!
//! ℓ = Σ_r n_r ln Σ_z w_z Π_i p_i(z)^{y_ri} (1 − p_i(z))^{1 − y_ri}, a missing layer's factor left out. A model gives weights and
//! probabilities at its nodes and takes back ∂ℓ/∂ln w_z, ∂ℓ/∂ln p_i(z) and ∂ℓ/∂ln(1 − p_i(z)), which are also what EM needs.
//!
//! Layers are put into groups of up to six. A group shows few distinct sub-patterns, so the product over its layers is made
//! once per sub-pattern and node, and a pattern costs one multiplication per group and node instead of one per layer; the
//! way back adds posterior weights to the same tables before they are spread over layers. The inner loops run over
//! nodes, which lie together, in vector registers, without logarithms, exponentials or allocation. A pattern whose
//! probability falls below 1e-280 is summed in log space instead.

use crate::layers::bit;
use crate::normal::{LANES, ln_sum_exp, vectorised};
use crate::patterns::Patterns;
use rustc_hash::FxHashMap;

/// A mixture's nodes as a fit sees them. Arrays over nodes are padded to a multiple of [`LANES`] with weight 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes {
    pub layers: usize,
    /// Nodes with padding.
    pub len: usize,
    /// Nodes without it.
    pub used: usize,
    pub weight: Vec<f64>,
    /// P(layer i fails at node z), at `i * len + z`.
    pub p: Vec<f64>,
    /// P(layer i holds at node z).
    pub q: Vec<f64>,
    /// ln p and ln q: with full precision where p or q underflow. Made when asked for.
    pub ln_p: Vec<f64>,
    pub ln_q: Vec<f64>,
    /// Working memory of models with probits.
    pub probit: ProbitNodes,
}

/// What a probit model keeps between placing its nodes and pulling back.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProbitNodes {
    /// Latent coordinates, one list an axis.
    pub z: [Vec<f64>; 2],
    /// Scale of the thresholds, all 1 for a normal latent variable.
    pub scale: Vec<f64>,
    /// Argument of Φ, φ/Φ(x), φ/Φ(−x), as [`Nodes::p`].
    pub x: Vec<f64>,
    pub hazard_p: Vec<f64>,
    pub hazard_q: Vec<f64>,
    /// ∂ℓ/∂x of one layer.
    pub slope: Vec<f64>,
    /// Nodes and thresholds of heavy tails.
    pub scales: crate::model::Scales,
    /// Scratch of the quadrature.
    pub axis: [(Vec<f64>, Vec<f64>); 2],
}

impl Nodes {
    /// Makes room for `used` nodes; weights and probabilities of the padding are 0 and ½.
    pub(crate) fn resize(&mut self, layers: usize, used: usize) {
        self.layers = layers;
        self.used = used;
        self.len = used.next_multiple_of(LANES);
        for v in [&mut self.p, &mut self.q] {
            v.clear();
            v.resize(layers * self.len, 0.5);
        }
        self.weight.clear();
        self.weight.resize(self.len, 0.0);
        self.ln_p.clear();
        self.ln_q.clear();
    }
    pub(crate) fn p(&self, layer: usize) -> &[f64] {
        &self.p[layer * self.len..][..self.len]
    }
    pub(crate) fn q(&self, layer: usize) -> &[f64] {
        &self.q[layer * self.len..][..self.len]
    }
    /// Logarithms from the probabilities themselves, for models whose probabilities do not underflow.
    pub(crate) fn plain_logs(&mut self) {
        self.ln_p = self.p.iter().map(|p| p.ln()).collect();
        self.ln_q = self.q.iter().map(|q| q.ln()).collect();
    }
}

/// Derivatives of ℓ.
#[derive(Debug, Clone, Default)]
pub(crate) struct Adjoint {
    /// ∂ℓ/∂ln w_z: the expected number of trials at node z.
    pub weight: Vec<f64>,
    /// ∂ℓ/∂ln p_i(z): the expected number of trials at node z on which layer i failed.
    pub failed: Vec<f64>,
    /// ∂ℓ/∂ln(1 − p_i(z)).
    pub held: Vec<f64>,
}

/// Layers whose sub-patterns are tabulated together.
#[derive(Debug, Clone)]
struct Group {
    /// First layer.
    from: usize,
    layers: usize,
    /// Distinct (failed, observed) bits.
    subs: Vec<(u8, u8)>,
}

const GROUP: usize = 6;

/// Patterns prepared for [`Likelihood::value`]: they do not change while weights and parameters do.
#[derive(Debug, Clone)]
pub(crate) struct Likelihood<'a> {
    pub patterns: &'a Patterns,
    groups: Vec<Group>,
    /// Sub-pattern of each group, pattern by pattern.
    codes: Vec<u16>,
    /// Patterns in an order in which neighbours share their last groups.
    order: Vec<u32>,
}

/// Buffers of one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace {
    pub nodes: Nodes,
    pub adjoint: Adjoint,
    tables: Vec<f64>,
    back: Vec<f64>,
    row: Vec<f64>,
}

/// Below this a pattern's probability is summed in log space.
const SMALL: f64 = 1e-280;

impl<'a> Likelihood<'a> {
    pub(crate) fn new(patterns: &'a Patterns) -> Self {
        let k = patterns.layers;
        let size = k.div_ceil(k.div_ceil(GROUP).max(1)).max(1);
        let mut groups: Vec<Group> = (0..k).step_by(size).map(|from| Group { from, layers: size.min(k - from), subs: Vec::new() }).collect();
        let mut codes = vec![0u16; patterns.len() * groups.len()];
        let many = groups.len();
        for (g, group) in groups.iter_mut().enumerate() {
            let mut seen: FxHashMap<(u8, u8), u16> = FxHashMap::default();
            for r in 0..patterns.len() {
                let cut = |mask: &[u64]| (0..group.layers).fold(0u8, |bits, l| bits | u8::from(bit(mask, group.from + l)) << l);
                let sub = (cut(patterns.failed(r)), cut(patterns.observed(r)));
                codes[r * many + g] = *seen.entry(sub).or_insert_with(|| {
                    group.subs.push(sub);
                    group.subs.len() as u16 - 1
                });
            }
        }
        let mut order: Vec<u32> = (0..patterns.len() as u32).collect();
        order.sort_by_key(|&r| codes[r as usize * many..][..many].iter().rev().copied().collect::<Vec<_>>());
        Likelihood { patterns, groups, codes, order }
    }

    fn code(&self, pattern: usize, group: usize) -> usize {
        usize::from(self.codes[pattern * self.groups.len() + group])
    }

    /// ℓ for the nodes in `space`, with derivatives in `space.adjoint`. Patterns of weight 0 are skipped. `logs` fills
    /// [`Nodes::ln_p`] and [`Nodes::ln_q`] if they turn out to be needed.
    pub(crate) fn value(&self, weight: &[f64], space: &mut Workspace, logs: impl Fn(&mut Nodes)) -> f64 {
        self.tabulate(space);
        let Workspace { nodes, adjoint, tables, back, row } = space;
        back.clear();
        back.resize(tables.len(), 0.0);
        row.resize(nodes.len, 0.0);
        let n = nodes.len;
        let offsets = self.offsets(n);
        let mut small: Vec<u32> = Vec::new();
        let (mut sum, mut lost) = (0.0f64, 0.0f64);
        vectorised(
            #[inline(always)]
            || {
                for &r in &self.order {
                    let r = r as usize;
                    if weight[r] <= 0.0 {
                        continue;
                    }
                    let at = |g: usize| offsets[g] + self.code(r, g) * n;
                    let total = product(tables, row, n, self.groups.len(), at);
                    if total < SMALL {
                        small.push(r as u32);
                        continue;
                    }
                    let scale = weight[r] / total;
                    // Neumaier's sum.
                    let term = weight[r] * total.ln();
                    let next = sum + term;
                    lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
                    sum = next;
                    for g in 0..self.groups.len() {
                        add_scaled(&mut back[at(g)..][..n], row, scale);
                    }
                }
            },
        );
        if !small.is_empty() {
            if nodes.ln_p.is_empty() {
                logs(nodes);
            }
            for &r in &small {
                let r = r as usize;
                self.log_terms(nodes, r, row);
                let ln_total = ln_sum_exp(row.iter().copied());
                sum += weight[r] * ln_total;
                if ln_total == f64::NEG_INFINITY {
                    continue;
                }
                row.iter_mut().for_each(|x| *x = (*x - ln_total).exp());
                for g in 0..self.groups.len() {
                    add_scaled(&mut back[offsets[g] + self.code(r, g) * n..][..n], row, weight[r]);
                }
            }
        }
        self.spread(nodes, back, adjoint);
        sum + lost
    }

    /// ln P(pattern) for every pattern that `wanted` names, in their order.
    pub(crate) fn each(&self, wanted: &[u32], space: &mut Workspace, logs: impl Fn(&mut Nodes)) -> Vec<f64> {
        self.tabulate(space);
        let Workspace { nodes, tables, row, .. } = space;
        row.resize(nodes.len, 0.0);
        let n = nodes.len;
        let offsets = self.offsets(n);
        let mut out: Vec<f64> = vectorised(
            #[inline(always)]
            || {
                let total = |&r: &u32| product(tables, row, n, self.groups.len(), |g| offsets[g] + self.code(r as usize, g) * n);
                wanted.iter().map(total).collect()
            },
        );
        for (o, &r) in out.iter_mut().zip(wanted) {
            if *o < SMALL {
                if nodes.ln_p.is_empty() {
                    logs(nodes);
                }
                self.log_terms(nodes, r as usize, row);
                *o = ln_sum_exp(row.iter().copied());
            } else {
                *o = o.ln();
            }
        }
        out
    }

    /// Where each group's table begins.
    fn offsets(&self, n: usize) -> Vec<usize> {
        self.groups
            .iter()
            .scan(0, |from, g| {
                let at = *from;
                *from += g.subs.len() * n;
                Some(at)
            })
            .collect()
    }

    /// Products over each group's layers for every sub-pattern and node; the first group's carry the weights.
    fn tabulate(&self, space: &mut Workspace) {
        let Workspace { nodes, tables, .. } = space;
        let n = nodes.len;
        tables.clear();
        tables.resize(self.groups.iter().map(|g| g.subs.len()).sum::<usize>() * n, 1.0);
        vectorised(
            #[inline(always)]
            || {
                let mut rows = tables.chunks_exact_mut(n);
                for (g, group) in self.groups.iter().enumerate() {
                    for (&(failed, observed), row) in group.subs.iter().zip(&mut rows) {
                        if g == 0 {
                            row.copy_from_slice(&nodes.weight);
                        }
                        for l in 0..group.layers {
                            if failed >> l & 1 == 1 {
                                multiply(row, nodes.p(group.from + l));
                            } else if observed >> l & 1 == 1 {
                                multiply(row, nodes.q(group.from + l));
                            }
                        }
                    }
                }
            },
        );
    }

    /// The tables' derivatives, spread over layers.
    fn spread(&self, nodes: &Nodes, back: &[f64], adjoint: &mut Adjoint) {
        let n = nodes.len;
        for (v, len) in [(&mut adjoint.weight, n), (&mut adjoint.failed, nodes.layers * n), (&mut adjoint.held, nodes.layers * n)] {
            v.clear();
            v.resize(len, 0.0);
        }
        vectorised(
            #[inline(always)]
            || {
                let mut rows = back.chunks_exact(n);
                for (g, group) in self.groups.iter().enumerate() {
                    for (&(failed, observed), row) in group.subs.iter().zip(&mut rows) {
                        if g == 0 {
                            add(&mut adjoint.weight, row);
                        }
                        for l in 0..group.layers {
                            let at = (group.from + l) * n;
                            if failed >> l & 1 == 1 {
                                add(&mut adjoint.failed[at..][..n], row);
                            } else if observed >> l & 1 == 1 {
                                add(&mut adjoint.held[at..][..n], row);
                            }
                        }
                    }
                }
            },
        );
    }

    /// ln w_z + Σ_i ln p or ln q of one pattern.
    fn log_terms(&self, nodes: &Nodes, pattern: usize, row: &mut [f64]) {
        let (failed, observed) = (self.patterns.failed(pattern), self.patterns.observed(pattern));
        row.iter_mut().zip(&nodes.weight).for_each(|(x, w)| *x = w.ln());
        for i in 0..nodes.layers {
            let list = match (bit(failed, i), bit(observed, i)) {
                (true, _) => &nodes.ln_p,
                (_, true) => &nodes.ln_q,
                _ => continue,
            };
            row.iter_mut().zip(&list[i * nodes.len..][..nodes.len]).for_each(|(x, l)| *x += l);
        }
    }
}

/// Writes the product of one row of each table to `row` and returns its sum, in eight partial sums.
#[inline(always)]
fn product(tables: &[f64], row: &mut [f64], n: usize, groups: usize, at: impl Fn(usize) -> usize) -> f64 {
    let mut sums = [0.0f64; LANES];
    let first = &tables[at(0)..][..n];
    match groups {
        1 => {
            for (o, a) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(first.as_chunks::<LANES>().0) {
                *o = *a;
                for l in 0..LANES {
                    sums[l] += a[l];
                }
            }
        }
        2 => {
            let second = &tables[at(1)..][..n];
            let pairs = first.as_chunks::<LANES>().0.iter().zip(second.as_chunks::<LANES>().0);
            for (o, (a, b)) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(pairs) {
                for l in 0..LANES {
                    let x = a[l] * b[l];
                    o[l] = x;
                    sums[l] += x;
                }
            }
        }
        _ => {
            row.copy_from_slice(first);
            for g in 1..groups - 1 {
                multiply(row, &tables[at(g)..][..n]);
            }
            let last = &tables[at(groups - 1)..][..n];
            for (o, b) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(last.as_chunks::<LANES>().0) {
                for l in 0..LANES {
                    o[l] *= b[l];
                    sums[l] += o[l];
                }
            }
        }
    }
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

#[inline(always)]
fn multiply(a: &mut [f64], b: &[f64]) {
    for (a, b) in a.as_chunks_mut::<LANES>().0.iter_mut().zip(b.as_chunks::<LANES>().0) {
        for l in 0..LANES {
            a[l] *= b[l];
        }
    }
}

#[inline(always)]
fn add(a: &mut [f64], b: &[f64]) {
    for (a, b) in a.as_chunks_mut::<LANES>().0.iter_mut().zip(b.as_chunks::<LANES>().0) {
        for l in 0..LANES {
            a[l] += b[l];
        }
    }
}

#[inline(always)]
fn add_scaled(a: &mut [f64], b: &[f64], scale: f64) {
    for (a, b) in a.as_chunks_mut::<LANES>().0.iter_mut().zip(b.as_chunks::<LANES>().0) {
        for l in 0..LANES {
            a[l] = b[l].mul_add(scale, a[l]);
        }
    }
}

#[cfg(test)]
mod speed {
    use super::*;
    use crate::model::{Coordinate, Setting, families};
    use crate::optimise::{Prior, Target};
    use crate::outcome::{Columns, TableBuilder};
    use crate::quadrature::Accuracy;
    use crate::random::{Purpose, Seed};
    use crate::sample::Sample;
    use rand::Rng;
    use std::time::Instant;

    /// Multiply-adds a second of one core in vector registers, with operands that stay in them.
    fn peak() -> f64 {
        let mut sums = [[1.0f64; LANES]; 12];
        let steps = 20_000_000u64;
        let began = Instant::now();
        vectorised(
            #[inline(always)]
            || {
                for _ in 0..steps {
                    for s in &mut sums {
                        for x in s {
                            *x = x.mul_add(0.999_999_9, 1e-9);
                        }
                    }
                }
            },
        );
        let seconds = began.elapsed().as_secs_f64();
        std::hint::black_box(sums);
        2.0 * steps as f64 * 12.0 * LANES as f64 / seconds
    }

    /// One gradient of the two-factor model with 12 layers, about 441 nodes and 2,000 patterns on one core.
    #[test]
    #[ignore = "a benchmark"]
    fn gradient_speed() {
        let layers = 12;
        let mut b = TableBuilder::new(Columns { layers: (0..layers).map(|i| format!("l{i}")).collect(), ..Columns::default() }).unwrap();
        let context = b.context(crate::outcome::Label::Attack, None, 0, 0, &[]);
        let mut rng = Seed(1).stream(Purpose::Simulation, 0);
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 2000 {
            let pattern = rng.random_range(0..1u64 << layers);
            if seen.insert(pattern) {
                b.add_counted(context, pattern, rng.random_range(1..50));
            }
        }
        let table = b.finish();
        let patterns = Patterns::new(&Sample::new(&table, |_| true));
        let data = Likelihood::new(&patterns);
        let family = families(&Setting { layers, common_modes: vec![], classes: 2 }).into_iter().find(|f| f.0 == "two-factor").unwrap().1;
        let coordinates: Vec<Coordinate> = family.coordinates();
        let at: Vec<f64> = (0..coordinates.len()).map(|j| if j < layers { -0.8 } else { 0.8 - 0.02 * (j % 7) as f64 }).collect();
        let accuracy = Accuracy { reach: 5.6, exponent: 4.7 };
        let target = Target { family: family.as_ref(), data: &data, weight: &patterns.weight, prior: Prior::Weak, accuracy };
        let (mut space, mut gradient) = (Workspace::default(), vec![0.0; at.len()]);
        let mut time = |f: &mut dyn FnMut(&mut Workspace)| {
            let mut best = f64::INFINITY;
            for _ in 0..40 {
                let began = Instant::now();
                (0..10).for_each(|_| f(&mut space));
                best = best.min(began.elapsed().as_secs_f64() / 10.0);
            }
            best
        };
        let whole = time(&mut |s| {
            std::hint::black_box(target.value(&coordinates, &at, &mut gradient, s));
        });
        let kernel = time(&mut |s| {
            std::hint::black_box(data.value(&patterns.weight, s, |_| {}));
        });
        let (nodes, patterns) = (space.nodes.used as f64, patterns.len() as f64);
        // What a pattern and node cost us, and what the plain formula costs: k additions of logarithms both ways.
        let (ours, plain) = (6.0 * nodes * patterns, 4.0 * layers as f64 * nodes * patterns);
        let peak = peak();
        println!(
            "{nodes} nodes, {patterns} patterns: gradient {:.3} ms, of which likelihood and its derivatives {:.3} ms; {:.1} Gflop/s of {:.1}: {:.0}% of the peak; the plain formula's arithmetic at this speed would be {:.1} Gflop/s, {:.0}%",
            whole * 1e3,
            kernel * 1e3,
            ours / kernel * 1e-9,
            peak * 1e-9,
            100.0 * ours / kernel / peak,
            plain / kernel * 1e-9,
            100.0 * plain / kernel / peak
        );
    }
}
