//! Posterior draws of a model as the nodes of their mixtures.
//!
//! A model's nodes are placed for all its layers. For fewer layers the integrand is smoother, so the same nodes serve every subset; a test compares them with nodes
//! placed for the subset alone. With few layers there are far more nodes than rates: 2^k numbers, the rates of all sets, say everything that a mixture says about sets and
//! about changes that are linear in each layer's probability. Some 2^k of the nodes, weighed anew, give the same rates (Tchakaloff 1957, Carathéodory); only those are
//! kept. Numbers are in single precision: each probability is off by at most 6e-8 of itself, and β of sixty layers by less than 1e-6.

use super::{MOST_DRAWS, Packed, Recomputed, over_draws};
use crate::error::Result;
use crate::scenario::Scenario;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Numbers that a document carries, at most: a megabyte.
const MOST_NUMBERS: usize = 250_000;
/// Fewer draws than this make no interval.
const FEWEST_DRAWS: usize = 40;
/// A node that weighs less than this part of β, over all nodes, changes the rate of no set of layers by more.
const NEGLIGIBLE: f64 = 1e-8;

/// Layers up to which nodes are reduced to as many as there are sets.
const FEW_LAYERS: usize = 5;

/// Nodes of one draw: weight, and each layer's probability of failure.
pub(crate) type NodeList = Vec<(f64, Vec<f64>)>;

/// One model, draw by draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelBasis {
    /// The model.
    pub model: String,
    /// The layers.
    pub layers: Vec<String>,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Draws of the posterior that these are thinned from; 0 where there is no posterior but only a best place.
    pub of: usize,
    /// Nodes of each draw.
    pub nodes: Packed,
    /// Weight of each node, draw by draw.
    pub weight: Packed,
    /// P(each layer fails), node by node.
    pub fail: Packed,
    /// Scenarios that a model can be put into: all that change what layers do.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scenarios: Vec<Scenario>,
    /// Why rates of some sets are the model's assumption, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assumption: Option<String>,
}

/// Draws that fit into a document, of so many with so many numbers each.
pub(crate) fn thinned(draws: usize, numbers: usize) -> usize {
    (MOST_NUMBERS / numbers.max(1)).clamp(FEWEST_DRAWS, MOST_DRAWS).min(draws)
}

/// Packs draws; nodes that weigh nothing are left out.
pub(crate) fn pack(model: &str, layers: &[String], level: f64, of: usize, draws: Vec<NodeList>, assumption: Option<String>) -> ModelBasis {
    let (mut nodes, mut weight, mut fail) = (Vec::new(), Vec::new(), Vec::new());
    for list in draws {
        let beta: f64 = list.iter().map(|(w, p)| w * p.iter().product::<f64>()).sum();
        let least = NEGLIGIBLE * beta / list.len() as f64;
        let before = weight.len();
        let list = list.into_iter().filter(|n| n.0 > least).collect();
        for (w, p) in if layers.len() <= FEW_LAYERS { reduced(list, layers.len()) } else { list } {
            weight.push(w as f32);
            fail.extend(p.into_iter().map(|p| p as f32));
        }
        nodes.push((weight.len() - before) as f64);
    }
    ModelBasis {
        model: model.to_owned(),
        layers: layers.to_vec(),
        level,
        of,
        nodes: Packed::whole(nodes.into_iter()),
        weight: Packed::F32(weight),
        fail: Packed::F32(fail),
        scenarios: Vec::new(),
        assumption,
    }
}

/// Numbers that a draw takes, of a model with so many nodes and layers.
pub(crate) fn numbers(nodes: usize, layers: usize) -> usize {
    (if layers <= FEW_LAYERS { nodes.min(1 << layers) } else { nodes }) * (layers + 1)
}

/// As many of the nodes as there are sets of layers, weighed so that the rate of every set stays what it is.
///
/// While there is one node more than sets, some change v of the weights leaves all rates as they are; along it, until a weight is 0, that node goes.
fn reduced(list: NodeList, layers: usize) -> NodeList {
    let sets = 1usize << layers;
    let product = |p: &[f64], set: usize| (0..layers).filter(|i| set >> i & 1 == 1).map(|i| p[i]).product::<f64>();
    // Rows are relative to their totals, so that small rates keep their digits.
    let total: Vec<f64> = (0..sets).map(|s| list.iter().map(|(w, p)| w * product(p, s)).sum()).collect();
    let row = |p: &[f64]| -> Vec<f64> { (0..sets).map(|s| if total[s] > 0.0 { product(p, s) / total[s] } else { 0.0 }).collect() };
    let mut kept: Vec<(f64, Vec<f64>, Vec<f64>)> = Vec::with_capacity(sets + 1);
    for (w, p) in list {
        let values = row(&p);
        kept.push((w, p, values));
        if kept.len() <= sets {
            continue;
        }
        let change = null_vector(&kept.iter().map(|k| k.2.as_slice()).collect::<Vec<_>>());
        // The first weight that reaches 0.
        let step = |(k, v): (&(f64, Vec<f64>, Vec<f64>), &f64)| if *v > 0.0 { k.0 / v } else { f64::INFINITY };
        let first = (0..kept.len()).min_by(|&a, &b| step((&kept[a], &change[a])).total_cmp(&step((&kept[b], &change[b])))).unwrap_or(0);
        let by = step((&kept[first], &change[first]));
        kept.iter_mut().zip(&change).for_each(|(k, v)| k.0 = (k.0 - by * v).max(0.0));
        kept.remove(first);
    }
    kept.into_iter().filter(|k| k.0 > 0.0).map(|(w, p, _)| (w, p)).collect()
}

/// A vector v with Σ_j v_j column_j = 0, some of it positive, for one column more than there are rows: Gaussian elimination with full pivoting.
fn null_vector(columns: &[&[f64]]) -> Vec<f64> {
    let (rows, many) = (columns[0].len(), columns.len());
    let mut a: Vec<Vec<f64>> = (0..rows).map(|r| columns.iter().map(|c| c[r]).collect()).collect();
    let largest: Vec<f64> = (0..many).map(|c| a.iter().map(|r| r[c].abs()).fold(0.0, f64::max)).collect();
    // Columns of one size: a node far out in the tail counts as much as any.
    a.iter_mut().for_each(|r| r.iter_mut().zip(&largest).for_each(|(x, l)| *x /= l.max(f64::MIN_POSITIVE)));
    let mut order: Vec<usize> = (0..many).collect();
    let mut rank = 0;
    while rank < rows {
        let best =
            (rank..rows).flat_map(|r| (rank..many).map(move |c| (r, c))).max_by(|x, y| a[x.0][order[x.1]].abs().total_cmp(&a[y.0][order[y.1]].abs()));
        let Some((r, c)) = best.filter(|&(r, c)| a[r][order[c]].abs() > 1e-14) else { break };
        a.swap(rank, r);
        order.swap(rank, c);
        let pivot = order[rank];
        for below in rank + 1..rows {
            let factor = a[below][pivot] / a[rank][pivot];
            for &c in &order[rank..] {
                a[below][c] -= factor * a[rank][c];
            }
        }
        rank += 1;
    }
    let mut v = vec![0.0; many];
    v[order[rank]] = 1.0;
    for r in (0..rank).rev() {
        let sum: f64 = order[r + 1..].iter().map(|&c| a[r][c] * v[c]).sum();
        v[order[r]] = -sum / a[r][order[r]];
    }
    v.iter_mut().zip(&largest).for_each(|(x, l)| *x /= l.max(f64::MIN_POSITIVE));
    v
}

impl ModelBasis {
    /// The same with the scenarios among these that it can be put into. An attacker who works on each layer apart changes probabilities in a way that is not linear: no
    /// such scenario where nodes were reduced.
    #[must_use]
    pub fn with_scenarios(mut self, scenarios: &[Scenario]) -> Self {
        let few = self.layers.len() <= FEW_LAYERS;
        self.scenarios = scenarios.iter().filter(|s| s.fits_a_model() && !(few && s.tries_each_layer())).cloned().collect();
        self
    }

    /// β, gap and effective layers of some layers, in the world as tested or in a scenario: medians and central intervals over the draws. Layers that are not
    /// chosen are not there: nothing cascades from them. Fails on a scenario that names other layers.
    pub fn recompute(&self, chosen: &[usize], scenario: Option<&Scenario>) -> Result<Recomputed> {
        let k = self.layers.len();
        let changes = scenario.map(|s| s.changes(&self.layers)).transpose()?.unwrap_or_default().among(chosen);
        let (nodes, weight, fail) = (self.nodes.numbers(), self.weight.numbers(), self.fail.numbers());
        let mut draws = Vec::with_capacity(nodes.len());
        let mut at = 0;
        for n in nodes {
            let mut beta = 0.0;
            let mut rates = vec![0.0; chosen.len()];
            let mut total = 0.0;
            for z in at..at + n as usize {
                total += weight[z];
                let mut p = fail[z * k..][..k].to_vec();
                changes.apply(&mut p, &mut |share, p| {
                    beta += weight[z] * share * chosen.iter().map(|&i| p[i]).product::<f64>();
                    rates.iter_mut().zip(chosen).for_each(|(r, &i)| *r += weight[z] * share * p[i]);
                });
            }
            at += n as usize;
            draws.push((beta / total, rates.into_iter().map(|r| r / total).collect()));
        }
        let bound = scenario.filter(|s| s.is_bound()).map(|s| move |b: f64| s.bound(b));
        Ok(over_draws(&draws, self.level, bound.as_ref().map(|b| b as &dyn Fn(f64) -> f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likelihood::Nodes;
    use crate::model::{Coordinate, Setting, families, mixture};
    use crate::quadrature::Accuracy;
    use crate::random::{Purpose, Seed};
    use crate::{JointLaw, LayerSet, stated};
    use rand::Rng;

    fn nodes(family: &dyn crate::model::Family, at: &[f64]) -> NodeList {
        let mut nodes = Nodes::default();
        family.place(at, Accuracy::REPORT, &mut nodes);
        (0..nodes.used).map(|z| (nodes.weight[z], (0..nodes.layers).map(|i| nodes.p(i)[z]).collect())).collect()
    }

    /// Stored nodes, placed once for all layers and packed in single precision, against nodes placed anew and far finer; 100 sets of layers.
    #[test]
    fn stored_nodes_give_what_a_fresh_integration_gives() {
        let mut rng = Seed(1).stream(Purpose::Simulation, 0);
        let mut asked = 0;
        for layers in [3, 8, 60] {
            let names: Vec<String> = (0..layers).map(|i| format!("l{i}")).collect();
            let setting = Setting { layers, common_modes: vec![("all".into(), LayerSet::all(layers))], classes: 3 };
            // Sums over two axes are fine for few layers and long for many.
            let quick = |name: &str| layers < 60 || !["two-factor", "student-factor"].contains(&name);
            for (name, family) in families(&setting).into_iter().filter(|f| quick(f.0)) {
                let at: Vec<f64> = family.coordinates().iter().map(|c: &Coordinate| c.draw(&mut rng)).collect();
                let basis = pack(name, &names, 0.95, 1, vec![nodes(family.as_ref(), &at)], None);
                let fresh = mixture(family.as_ref(), &at, Accuracy::REPORT.doubled());
                for _ in 0..5 {
                    let chosen: Vec<usize> = (0..layers).filter(|_| rng.random::<f64>() < 0.6).collect();
                    if chosen.is_empty() {
                        continue;
                    }
                    let got = basis.recompute(&chosen, None).unwrap();
                    let want = fresh.ln_all_fail(&LayerSet::of(layers, &chosen)).exp();
                    let product: f64 = chosen.iter().map(|&i| fresh.marginal(i)).product();
                    let near = |what: &str, got: Option<f64>, want: f64| {
                        let got = got.unwrap_or(0.0);
                        assert!((got - want).abs() <= 1e-6 * want, "{name}, {layers} layers, {}: {what} {got:e} {want:e}", chosen.len());
                    };
                    // Nobody can see a rate below that, and tails so far out are cut.
                    if want > 1e-15 {
                        near("rate", got.beta.value, want);
                        near("gap", got.gap.value, want / product);
                        asked += 1;
                    }
                }
            }
        }
        assert!(asked >= 60, "{asked}");
    }

    /// The same against a law stated for the chosen layers alone, whose nodes are placed for them.
    #[test]
    fn stored_nodes_give_what_a_model_of_the_subset_gives() {
        let mut rng = Seed(2).stream(Purpose::Simulation, 0);
        let names: Vec<String> = (0..6).map(|i| format!("l{i}")).collect();
        for _ in 0..20 {
            let rates: Vec<f64> = (0..6).map(|_| rng.random_range(0.01..0.6)).collect();
            let loadings: Vec<f64> = (0..6).map(|_| rng.random_range(-0.3..0.97)).collect();
            let all = stated::one_factor(&rates, &loadings).unwrap();
            let list = (0..all.nodes()).map(|z| (all.ln_weight(z).exp(), all.ln_fail(z).iter().map(|l| l.exp()).collect())).collect();
            let basis = pack("factor", &names, 0.95, 1, vec![list], None);
            let chosen: Vec<usize> = (0..6).filter(|_| rng.random::<f64>() < 0.5).collect();
            if chosen.is_empty() {
                continue;
            }
            let pick = |v: &[f64]| chosen.iter().map(|&i| v[i]).collect::<Vec<_>>();
            let alone = stated::one_factor(&pick(&rates), &pick(&loadings)).unwrap();
            let want = alone.ln_all_fail(&LayerSet::all(chosen.len())).exp();
            let got = basis.recompute(&chosen, None).unwrap().beta.value.unwrap();
            assert!((got / want - 1.0).abs() < 1e-6, "{got:e} {want:e}");
        }
    }
}
