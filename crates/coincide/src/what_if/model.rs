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
