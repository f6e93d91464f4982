//! What a choice of layers leaves through, as a mixture: P(all chosen layers fail) = Σ_z w_z Π_{j ∈ S} p_zj. A table of outcomes is one whose nodes are its patterns, the mean over a posterior one whose nodes
//! are those of all draws. It falls with every layer that is added, and by less the more there are (it is supermodular).

use crate::normal::LANES;

/// Nodes with their weights, and every layer's failure probability at each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mixed {
    weight: Vec<f64>,
    /// `fail[j][z]`.
    fail: Vec<Vec<f64>>,
}

impl Mixed {
    /// From weights and each node's failure probabilities. Weights are made to add up to 1; nodes that are alike become one.
    pub(crate) fn new(layers: usize, nodes: impl IntoIterator<Item = (f64, Vec<f64>)>) -> Self {
        let mut list: Vec<(f64, Vec<f64>)> = nodes.into_iter().filter(|n| n.0 > 0.0).collect();
        list.sort_by(|a, b| a.1.iter().zip(&b.1).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal));
        list.dedup_by(|later, first| {
            let alike = later.1 == first.1;
            first.0 += if alike { later.0 } else { 0.0 };
            alike
        });
        let total: f64 = list.iter().map(|n| n.0).sum();
        Mixed { weight: list.iter().map(|n| n.0 / total).collect(), fail: (0..layers).map(|j| list.iter().map(|n| n.1[j]).collect()).collect() }
    }

    pub(crate) fn layers(&self) -> usize {
        self.fail.len()
    }

    /// Nodes with their weights.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (f64, Vec<f64>)> + '_ {
        self.weight.iter().enumerate().map(|(z, w)| (*w, self.fail.iter().map(|f| f[z]).collect()))
    }

    /// φ of two layers; 0 where one never or always fails.
    pub(super) fn correlation(&self, a: usize, b: usize) -> f64 {
        let [p, q, both] = [self.value(&[a]), self.value(&[b]), self.value(&[a, b])];
        let spread = (p * (1.0 - p) * q * (1.0 - q)).sqrt();
        if spread > 0.0 { (both - p * q) / spread } else { 0.0 }
    }

    /// What every layer lets through alone, as one node: layers that fail independently.
    pub(crate) fn independent(&self) -> Mixed {
        Mixed::new(self.layers(), [(1.0, (0..self.layers()).map(|j| self.left(j)).collect())])
    }

    /// P(failure) of a layer at each node.
    pub(super) fn fails(&self, layer: usize) -> &[f64] {
        &self.fail[layer]
    }

    /// Weights of the nodes.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weight
    }

    /// Nodes.
    pub(super) fn size(&self) -> usize {
        self.weight.len()
    }

    /// What is left through: to the last digit what is left with a layer more that stops nothing.
    pub(super) fn total(&self) -> f64 {
        summed([&self.weight], |[w]| w)
    }

    /// Once a layer is chosen: nodes that it stops for sure are gone, and only the layers in `open` can be asked for.
    pub(super) fn after(&self, layer: usize, open: &[usize]) -> Mixed {
        let weight: Vec<f64> = self.weight.iter().zip(&self.fail[layer]).map(|(w, p)| w * p).collect();
        let left: Vec<usize> = (0..weight.len()).filter(|&z| weight[z] > 0.0).collect();
        let mut fail = vec![Vec::new(); self.layers()];
        open.iter().for_each(|&j| fail[j] = left.iter().map(|&z| self.fail[j][z]).collect());
        Mixed { weight: left.iter().map(|&z| weight[z]).collect(), fail }
    }

    /// What is left through with one layer more.
    pub(super) fn left(&self, layer: usize) -> f64 {
        summed([&self.weight, &self.fail[layer]], |[w, p]| w * p)
    }

    /// What is left through with all of these layers.
    pub(crate) fn value(&self, layers: &[usize]) -> f64 {
        let Some((last, others)) = layers.split_last() else { return self.total() };
        let mut weight = self.weight.clone();
        others.iter().for_each(|&j| weight.iter_mut().zip(&self.fail[j]).for_each(|(w, p)| *w *= p));
        summed([&weight, &self.fail[*last]], |[w, p]| w * p)
    }
}

/// The sum of what `of` makes of what stands at the same place of lists of one length, in [`LANES`] partial sums that grow side by side.
#[inline(always)]
fn summed<const N: usize>(lists: [&[f64]; N], of: impl Fn([f64; N]) -> f64) -> f64 {
    let chunks = lists.map(<[f64]>::as_chunks::<LANES>);
    let mut sums = [0.0; LANES];
    for at in 0..chunks[0].0.len() {
        let chunk = chunks.map(|c| &c.0[at]);
        for (l, sum) in sums.iter_mut().enumerate() {
            *sum += of(chunk.map(|c| c[l]));
        }
    }
    let rest = (0..chunks[0].1.len()).map(|at| of(chunks.map(|c| c.1[at])));
    rest.fold(sums.iter().sum(), |sum, x| sum + x)
}

/// A convex function of shares x of layers that is P(all chosen fail) where every share is 0 or 1, over weights that hold what is chosen already: Σ_z a_z max(0, Π_{p > 0} p_zj^{x_j} − Σ_{p = 0} x_j).
/// Its tangent at any x lies below it everywhere.
pub(super) struct Relaxed<'a> {
    weights: &'a [f64],
    /// Of each layer that may be added, and node: ln p, and whether p is 0.
    ln: Vec<Vec<f64>>,
}

/// Stands for p = 0 among logarithms of probabilities, none of which is above 0.
const NEVER: f64 = 1.0;

impl<'a> Relaxed<'a> {
    pub(super) fn new(m: &'a Mixed, open: &[usize]) -> Self {
        let ln_of = |p: &f64| match *p {
            // In a table of outcomes all are 0 or 1.
            1.0 => 0.0,
            p if p > 0.0 => p.ln(),
            _ => NEVER,
        };
        let ln = |j: &usize| m.fail[*j].iter().map(ln_of).collect();
        Relaxed { weights: &m.weight, ln: open.iter().map(ln).collect() }
    }

    /// The value, and what each layer's share takes from it at once.
    pub(super) fn value(&self, x: &[f64], gains: &mut [f64]) -> f64 {
        pulp::Arch::new().dispatch(|| self.value_here(x, gains))
    }

    #[inline(always)]
    fn value_here(&self, x: &[f64], gains: &mut [f64]) -> f64 {
        let n = self.weights.len();
        let (mut exponent, mut taken) = (vec![0.0; n], vec![0.0; n]);
        for (ln, x) in self.ln.iter().zip(x).filter(|l| *l.1 > 0.0) {
            for ((e, t), l) in exponent.iter_mut().zip(&mut taken).zip(ln) {
                *t += if *l > 0.0 { *x } else { 0.0 };
                *e += if *l > 0.0 { 0.0 } else { x * l };
            }
        }
        let mut sum = 0.0;
        // From here on, a node's weight where it still counts.
        for ((e, t), w) in exponent.iter_mut().zip(&mut taken).zip(self.weights) {
            // In a table of outcomes, nothing stands in any exponent.
            let left = if *e == 0.0 { 1.0 } else { e.exp() };
            let counts = left > *t;
            sum += if counts { w * (left - *t) } else { 0.0 };
            (*e, *t) = if counts { (w * left, *w) } else { (0.0, 0.0) };
        }
        for (ln, gain) in self.ln.iter().zip(gains) {
            *gain = summed([ln, &exponent, &taken], |[l, by, whole]| if l > 0.0 { whole } else { -l * by });
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_stops_nothing_gains_nothing() {
        for n in [1, 7, 20, 100, 1003] {
            let node = |z: i32| (1.0 + f64::from(z * z % 17) / 3.0, vec![f64::from(z) / f64::from(n), 1.0]);
            let m = Mixed::new(2, (0..n).map(node));
            assert_eq!([m.left(1), m.value(&[1]), m.value(&[])], [m.total(); 3], "{n}");
            // The slow twin: one after another.
            let plain: f64 = m.weights().iter().zip(m.fails(0)).map(|(w, p)| w * p).sum();
            assert!((m.left(0) - plain).abs() < 1e-14 && (m.total() - 1.0).abs() < 1e-14, "{n}");
        }
    }
}
