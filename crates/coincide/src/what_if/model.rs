//! Posterior draws of a model as the nodes of their mixtures.
//!
//! A model's nodes are placed for all its layers. For fewer layers the integrand is smoother, so the same nodes serve every subset; a test compares them with nodes
//! placed for the subset alone. Numbers are in single precision: each probability is off by at most 6e-8 of itself, and β of sixty layers by less than 1e-6.

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
        for (w, p) in list.into_iter().filter(|n| n.0 > least) {
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

impl ModelBasis {
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
