//! Layers that fail when a threshold plus loadings times hidden normal difficulties exceeds private noise:
//! p_i(z) = Φ((τ_i·s + l_i·z)/√(1 − |l_i|²)), s = 1 unless the tails are heavy.
//!
//! The rate of a layer is Φ(τ_i), whatever its loading. A loading is fitted in its angle: l = v·sin|v|/|v|, so that
//! √(1 − |l|²) = |cos|v|| and the slope b = v·tan|v|/|v|. The likelihood is then smooth and even around |v| = π/2, where the slope is
//! infinite and the layer a step: a loading that runs away to infinity is an ordinary maximum there, found as exactly as any.

use crate::likelihood::{Adjoint, Nodes, ProbitNodes};
use crate::normal::{dot, ln_normal_cdf, probits, vectorised};
use crate::quadrature::{Accuracy, STEEP, normal_nodes};

/// cos|v| below this counts as this: a step of width 1e-7.
const NARROWEST: f64 = 1e-7;

/// A slope from which a layer is reported as a step.
pub(crate) const RUNAWAY: f64 = 50.0;

/// One layer's loadings, from its angles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loading {
    /// l.
    pub l: [f64; 2],
    /// √(1 − |l|²).
    pub c: f64,
    /// sin|v|/|v|.
    s: f64,
    /// Its derivative over |v|.
    ds: f64,
    /// Sign of cos|v|.
    sign: f64,
    v: [f64; 2],
}

impl Loading {
    pub(crate) fn new(v: [f64; 2]) -> Self {
        let r = v[0].hypot(v[1]);
        let (s, ds) = if r > 1e-4 { (r.sin() / r, (r * r.cos() - r.sin()) / (r * r * r)) } else { (1.0 - r * r / 6.0, -1.0 / 3.0 + r * r / 30.0) };
        Loading { l: [v[0] * s, v[1] * s], c: r.cos().abs().max(NARROWEST), s, ds, sign: r.cos().signum(), v }
    }
    /// The angles of a stated loading, |l| ≤ 1.
    pub(crate) fn angles(l: [f64; 2]) -> [f64; 2] {
        let r = l[0].hypot(l[1]);
        let scale = if r > 0.0 { r.min(1.0).asin() / r } else { 1.0 };
        [l[0] * scale, l[1] * scale]
    }
    /// Slopes b = l/√(1 − |l|²).
    pub(crate) fn slopes(&self) -> [f64; 2] {
        [self.l[0] / self.c, self.l[1] / self.c]
    }
    /// ∂/∂v from ∂/∂l and ∂/∂c.
    fn pull_back(&self, by_l: [f64; 2], by_c: f64) -> [f64; 2] {
        let along = by_l[0] * self.v[0] + by_l[1] * self.v[1];
        let one = |a: usize| by_l[a] * self.s + along * self.ds * self.v[a] - by_c * self.sign * self.l[a];
        [one(0), one(1)]
    }
}

/// Fills p, q and the hazards from x, which `argument` writes for one layer given the latent coordinates and the scale.
pub(crate) fn fill_from(nodes: &mut Nodes, argument: impl Fn(usize, &mut [f64], &[Vec<f64>; 2], &[f64])) {
    let (n, k) = (nodes.len, nodes.layers);
    let b = &mut nodes.probit;
    for v in [&mut b.x, &mut b.hazard_p, &mut b.hazard_q] {
        v.resize(n * k, 0.0);
    }
    for i in 0..k {
        let own = i * n..(i + 1) * n;
        let x = &mut b.x[own.clone()];
        argument(i, x, &b.z, &b.scale);
        probits(x, &mut nodes.p[own.clone()], &mut nodes.q[own.clone()], &mut b.hazard_p[own.clone()], &mut b.hazard_q[own]);
    }
}

/// The same with x = (τ·scale + l·z)/√(1 − |l|²).
pub(crate) fn fill(nodes: &mut Nodes, tau: impl Fn(usize) -> f64, loading: impl Fn(usize) -> Loading) {
    fill_from(nodes, |i, x, [first, second], scale| {
        let load = loading(i);
        let (t, [l0, l1]) = (tau(i) / load.c, load.slopes());
        vectorised(
            #[inline(always)]
            || {
                x.iter_mut().zip(first).zip(scale).for_each(|((x, z), s)| *x = t.mul_add(*s, l0 * z));
                x.iter_mut().zip(second).for_each(|(x, y)| *x = l1.mul_add(*y, *x));
            },
        );
    });
}

/// ln Φ(±x) of what [`fill`] placed.
pub(crate) fn logs(nodes: &mut Nodes) {
    nodes.ln_p = nodes.probit.x.iter().map(|&x| ln_normal_cdf(x)).collect();
    nodes.ln_q = nodes.probit.x.iter().map(|&x| ln_normal_cdf(-x)).collect();
}

/// ∂ℓ/∂x of one layer at the nodes, into `nodes.probit.slope`, given ∂ℓ/∂ln p and ∂ℓ/∂ln q.
pub(crate) fn slopes(nodes: &mut Nodes, adjoint: &Adjoint, layer: usize) {
    let n = nodes.len;
    let b = &mut nodes.probit;
    b.slope.resize(n, 0.0);
    let own = layer * n..(layer + 1) * n;
    let list = b.hazard_p[own.clone()].iter().zip(&b.hazard_q[own.clone()]).zip(adjoint.failed[own.clone()].iter().zip(&adjoint.held[own]));
    let slope = &mut b.slope;
    vectorised(
        #[inline(always)]
        || slope.iter_mut().zip(list).for_each(|(s, ((p, q), (failed, held)))| *s = failed * p - held * q),
    );
}

/// ∂ℓ/∂τ_i and ∂ℓ/∂v_i of one layer.
pub(crate) fn pull_back(nodes: &mut Nodes, adjoint: &Adjoint, layer: usize, loading: Loading) -> (f64, [f64; 2]) {
    slopes(nodes, adjoint, layer);
    let n = nodes.len;
    let b = &nodes.probit;
    let x = &b.x[layer * n..][..n];
    let sums = vectorised(
        #[inline(always)]
        || {
            let second = if b.z[1].is_empty() { 0.0 } else { dot(&b.slope, &b.z[1]) };
            [dot(&b.slope, &b.scale), dot(&b.slope, &b.z[0]), second, dot(&b.slope, x)]
        },
    );
    let [by_scale, by_z0, by_z1, by_x] = sums.map(|s| s / loading.c);
    (by_scale, loading.pull_back([by_z0, by_z1], -by_x))
}

/// Places nodes for one or two hidden difficulties; thresholds have scale 1. `loading` gives each layer's.
pub(crate) fn place(nodes: &mut Nodes, axes: usize, tau: impl Fn(usize) -> f64, loading: impl Fn(usize) -> Loading, accuracy: Accuracy) {
    let k = nodes.layers;
    let mut probit = std::mem::take(&mut nodes.probit);
    let mut weight = std::mem::take(&mut nodes.weight);
    let layers: Vec<(f64, [f64; 2])> = (0..k).map(|i| (tau(i) / loading(i).c, loading(i).slopes())).collect();
    probit.z.iter_mut().for_each(Vec::clear);
    if axes == 1 {
        normal_nodes(layers.iter().map(|l| (l.0, l.1[0])), accuracy, &mut probit.z[0], &mut weight);
    } else {
        plane(&layers, accuracy, &mut probit, &mut weight);
    }
    nodes.resize(k, weight.len());
    weight.resize(nodes.len, 0.0);
    nodes.weight = weight;
    nodes.probit = probit;
    pad(nodes);
}

/// Nodes for two hidden difficulties. The inner axis lies along the steepest slope if there is a step, so that its panels
/// see every step; a layer's slope along the outer axis is what is left after the inner one has been summed out.
fn plane(layers: &[(f64, [f64; 2])], accuracy: Accuracy, probit: &mut ProbitNodes, weight: &mut Vec<f64>) {
    let [inner, outer] = &mut probit.axis;
    let size = |b: [f64; 2]| b[0].hypot(b[1]);
    let steepest = layers.iter().map(|l| l.1).fold([0.0, 0.0], |a, b| if size(b) > size(a) { b } else { a });
    let smooth = size(steepest) <= STEEP;
    let (cos, sin) = if smooth { (1.0, 0.0) } else { (steepest[0] / size(steepest), steepest[1] / size(steepest)) };
    let turned = layers.iter().map(|&(a, b)| (a, cos * b[0] + sin * b[1], cos * b[1] - sin * b[0]));
    let mut left: Vec<(f64, f64)> = turned
        .clone()
        .map(|(a, b, across)| {
            let shrink = if b.abs() > STEEP { 1.0f64.hypot(b) } else { 1.0 };
            (a / shrink, across / shrink)
        })
        .collect();
    // Where two steps cross, what the inner sum leaves has a kink as sharp as they are: a step of its own for the outer rule.
    let steps: Vec<(f64, f64, f64)> = turned.clone().filter(|t| t.1.abs() > STEEP).collect();
    for (i, s) in steps.iter().enumerate() {
        for t in &steps[..i] {
            let apart = (s.2 / s.1 - t.2 / t.1, s.0 / s.1 - t.0 / t.1);
            let sharp = apart.0.abs() / (1.0 / s.1.abs() + 1.0 / t.1.abs());
            if apart.0.abs() > 0.0 {
                left.push((sharp * apart.1 / apart.0, sharp));
            }
        }
    }
    normal_nodes(left.into_iter(), accuracy, &mut outer.0, &mut outer.1);
    weight.clear();
    for (o, (&y, &wy)) in outer.0.iter().zip(&outer.1).enumerate() {
        if o == 0 || !smooth {
            normal_nodes(turned.clone().map(|(a, b, across)| (a + across * y, b)), accuracy, &mut inner.0, &mut inner.1);
        }
        for (&x, &wx) in inner.0.iter().zip(&inner.1) {
            // Corners of the square weigh less than what is cut off at its sides.
            if x * x + y * y <= accuracy.reach * accuracy.reach {
                probit.z[0].push(cos * x - sin * y);
                probit.z[1].push(sin * x + cos * y);
                weight.push(wx * wy);
            }
        }
    }
}

/// Coordinates of the padding, whose weight is 0.
pub(crate) fn pad(nodes: &mut Nodes) {
    let n = nodes.len;
    let b = &mut nodes.probit;
    b.scale.resize(n, 1.0);
    b.z.iter_mut().filter(|z| !z.is_empty()).for_each(|z| z.resize(n, 0.0));
}
