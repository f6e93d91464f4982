//! What a page needs to compute rates again without a program: the rows behind them, posterior draws of one model as nodes, and draws of a map's numbers.
//!
//! * [`OutcomesBasis`]: the attack rows with every layer observed, their clusters, and how often each cluster was drawn in bootstrap replicates. From it follow β,
//!   gap and effective layers of any set of layers in any scenario on outcomes, with the intervals that `coincide analyze` gives for that set.
//! * [`ModelBasis`]: up to 200 posterior draws of the model that predicts best, each as the nodes of its mixture: P(all of S fail) = Σ_z w_z Π_{i∈S} p_i(z).
//! * [`ModesBasis`]: up to 200 draws of a map's prevalences, susceptibilities and leaks.
//!
//! The page's own code for the three is `web/src/law/`; tests compare it with this crate.

mod model;
mod modes;
mod outcomes;
mod packed;

pub use model::ModelBasis;
pub(crate) use model::{NodeList, numbers, pack, thinned};
pub use modes::ModesBasis;
pub use outcomes::{ChosenScenario, LayerColumns, OutcomesBasis, outcomes_basis};
pub use packed::Packed;

use crate::figure::Figure;
use crate::fit::{central, quantile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Draws of models and maps that a document carries, at most.
pub const MOST_DRAWS: usize = 200;

/// What can be computed again from a document alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WhatIf {
    /// Recorded outcomes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcomes: Option<OutcomesBasis>,
    /// The model that predicts unseen units best among those that hold up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<ModelBasis>,
    /// The failure-mode map with its numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub modes: Option<ModesBasis>,
    /// Why one of them is missing, in words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<String>,
}

/// What is computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recomputed {
    /// Rate at which all chosen layers fail.
    pub beta: Figure,
    /// Its mean over the draws: the probability to act on.
    pub expected: f64,
    /// What multiplying their rates promises.
    pub product: Figure,
    /// The first over the second.
    pub gap: Figure,
    /// How many independent layers they are worth.
    pub effective_layers: Figure,
}

/// A rate from which a layer counts as one that always fails: sums of weights end a rounding below 1.
pub(crate) const ALWAYS: f64 = 1.0 - 1e-12;

/// Median and central interval over draws of (β, rates of the chosen layers). With a bound there is no gap: the product has none.
fn over_draws(draws: &[(f64, Vec<f64>)], level: f64, bound: Option<&dyn Fn(f64) -> f64>) -> Recomputed {
    let figure = |mut list: Vec<f64>, why: &str| -> Figure {
        if list.iter().any(|x| x.is_nan()) {
            return Figure::undefined(why);
        }
        let interval = if list.len() > 1 { central(&mut list, level) } else { None };
        Figure::of(quantile(&mut list, 0.5), why).with(interval)
    };
    let ln_product = |rates: &[f64]| rates.iter().map(|p| p.ln()).sum::<f64>();
    let beta = |b: f64| bound.map_or(b, |f| f(b.min(1.0)));
    let imperfect = |rates: &[f64]| rates.iter().filter(|p| **p < ALWAYS).count() as f64;
    let unbounded = |list: Vec<f64>, why: &str| {
        if bound.is_some() { Figure::undefined("an upper bound is not compared with a product that has none") } else { figure(list, why) }
    };
    Recomputed {
        beta: figure(draws.iter().map(|d| beta(d.0)).collect(), ""),
        expected: draws.iter().map(|d| beta(d.0)).sum::<f64>() / draws.len().max(1) as f64,
        product: figure(draws.iter().map(|d| ln_product(&d.1).exp()).collect(), ""),
        gap: unbounded(draws.iter().map(|d| (d.0.ln() - ln_product(&d.1)).exp()).collect(), "the product is 0"),
        effective_layers: unbounded(
            draws.iter().map(|d| imperfect(&d.1) * d.0.ln() / ln_product(&d.1)).collect(),
            "every layer always fails, or one never does",
        ),
    }
}
