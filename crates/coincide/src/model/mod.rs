//! Models of joint failure behind one interface.
//!
//! A [`JointLaw`] says how likely a pattern of failures is. Nearly every law is a [`Mixture`] of conditionally independent
//! layers: nodes z with weights w_z and failure probabilities p_i(z). Likelihood, simulation, β of any set, marginals,
//! pairs and curve are written once, for mixtures; a model only says where its nodes are.
//!
//! Each model is one file: how parameters give nodes ([`Family`]), and how to state it without data. The list of all
//! is [`MODELS`]: a new one is a file and a row there.

mod beta_binomial;
mod common_mode;
mod empirical;
mod factor;
mod independent;
mod latent_class;
mod mixture;
mod probit;
mod student;

pub use beta_binomial::beta_binomial;
pub use common_mode::factor_common_mode;
pub use factor::{one_factor, two_factor};
pub use independent::independent;
pub use latent_class::latent_class;
pub use mixture::{JointLaw, Mixture};
pub use student::student_factor;

pub(crate) use common_mode::MOST_SETS;
pub(crate) use empirical::empirical;
pub(crate) use latent_class::LatentClass;
pub(crate) use latent_class::MOST_CLASSES;
pub(crate) use mixture::Summary;
pub(crate) use student::Scales;

use crate::error::{Error, Result};
use crate::layers::{LayerSet, MAX_LAYERS};
use crate::likelihood::{Adjoint, Nodes};
use crate::quadrature::Accuracy;

/// What a model needs to know before it sees outcomes.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Number of layers.
    pub layers: usize,
    /// Sets of layers that may fail together at once; all layers where none is named.
    pub common_modes: Vec<(String, LayerSet)>,
    /// Number of latent classes.
    pub classes: usize,
}

/// How a model is fitted.
pub(crate) enum Kind {
    /// By its likelihood.
    Likelihood(fn(&Setting) -> Box<dyn Family>),
    /// The observed patterns themselves.
    Empirical,
    /// Latent classes, whose number is chosen by held-out score.
    Classes,
}

/// A row of [`MODELS`].
pub(crate) struct Model {
    /// The name used everywhere.
    pub name: &'static str,
    /// What it assumes, in half a sentence.
    pub assumes: &'static str,
    /// How it is fitted.
    pub kind: Kind,
    /// Layers beyond which its sums take too much memory or time.
    pub most_layers: usize,
}

/// Every model. `stratified(M)` is M inside each stratum and needs no row.
pub(crate) const MODELS: &[Model] = &[
    model("independent", "layers fail independently", MAX_LAYERS, Kind::Likelihood(|s| Box::new(independent::Independent::new(s)))),
    model("empirical", "only patterns that were seen occur", MAX_LAYERS, Kind::Empirical),
    model("latent-class", "attacks are of a few kinds, layers independent within each", MAX_LAYERS, Kind::Classes),
    model("factor", "one hidden difficulty, normal, moves all layers", MAX_LAYERS, Kind::Likelihood(|s| Box::new(factor::Factor::new(s, 1)))),
    model("two-factor", "two hidden difficulties, normal, move the layers", 128, Kind::Likelihood(|s| Box::new(factor::Factor::new(s, 2)))),
    model(
        "factor+common-mode",
        "one hidden difficulty, and a chance that a whole set fails at once",
        MAX_LAYERS,
        Kind::Likelihood(|s| Box::new(common_mode::CommonMode::new(s))),
    ),
    model("student-factor", "one hidden difficulty with heavy tails", 128, Kind::Likelihood(|s| Box::new(student::Student::new(s)))),
    model(
        "beta-binomial",
        "all layers rise and fall together, with Beta-distributed rates",
        128,
        Kind::Likelihood(|s| Box::new(beta_binomial::BetaBinomial::new(s))),
    ),
];

const fn model(name: &'static str, assumes: &'static str, most_layers: usize, kind: Kind) -> Model {
    Model { name, assumes, kind, most_layers }
}

/// A model named on its own or inside strata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Index in [`MODELS`].
    pub model: usize,
    /// Fitted within each stratum.
    pub stratified: bool,
}

impl Choice {
    pub(crate) fn name(self) -> String {
        let name = MODELS[self.model].name;
        if self.stratified { format!("stratified({name})") } else { name.to_owned() }
    }
    pub(crate) fn model(self) -> &'static Model {
        &MODELS[self.model]
    }
}

/// The models that `names` asks for. `all` is every model, and `independent` and `factor` within strata where there are
/// strata. Fails on a name that is none.
pub(crate) fn choose(names: &[String], strata: bool) -> Result<Vec<Choice>> {
    let find = |name: &str| {
        let known = || MODELS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ") + ", stratified(MODEL), all";
        MODELS.iter().position(|m| m.name == name).ok_or_else(|| Error::UnknownModel { name: name.to_owned(), known: known() })
    };
    let mut out: Vec<Choice> = Vec::new();
    for name in names {
        let inner = name.strip_prefix("stratified(").and_then(|n| n.strip_suffix(')'));
        match (name.as_str(), inner) {
            ("all", _) => {
                out.extend((0..MODELS.len()).map(|model| Choice { model, stratified: false }));
                if strata {
                    out.extend([find("independent")?, find("factor")?].map(|model| Choice { model, stratified: true }));
                }
            }
            (_, Some(_)) if !strata => return Err(Error::NoStrata(name.clone())),
            (_, Some(inner)) => {
                let model = find(inner)?;
                if matches!(MODELS[model].kind, Kind::Empirical) {
                    return Err(Error::UnknownModel { name: name.clone(), known: "stratified(MODEL) of any model but empirical".into() });
                }
                out.push(Choice { model, stratified: true });
            }
            (_, None) => out.push(Choice { model: find(name)?, stratified: false }),
        }
    }
    let mut unique: Vec<Choice> = Vec::new();
    out.into_iter().for_each(|c| {
        if !unique.contains(&c) {
            unique.push(c)
        }
    });
    Ok(unique)
}

/// One coordinate of a model: unbounded, with a normal prior.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Coordinate {
    /// Mean of the weak prior.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
}

impl Coordinate {
    /// A probit of a failure rate: 95% between 0.004% and 97% of attacks.
    pub(crate) const THRESHOLD: Coordinate = Coordinate { mean: -1.0, sd: 1.5 };
    /// A loading in its angle (see [`probit`]): 95% between −0.98 and 0.98.
    pub(crate) const ANGLE: Coordinate = Coordinate { mean: 0.0, sd: 0.7 };

    /// ln density without its constant, and its derivative.
    pub(crate) fn ln_prior(&self, x: f64) -> (f64, f64) {
        let d = (x - self.mean) / self.sd;
        (-0.5 * d * d, -d / self.sd)
    }
    /// A draw from the prior.
    #[cfg(test)]
    pub(crate) fn draw(&self, rng: &mut impl rand::Rng) -> f64 {
        use rand_distr::{Distribution, StandardNormal};
        let z: f64 = StandardNormal.sample(rng);
        self.mean + self.sd * z
    }
}

/// A number that a person reads about a fitted model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A family of mixtures with parameters to fit. Coordinates are unbounded; ∂ℓ/∂coordinate follows from the derivatives at
/// the nodes by the chain rule, the nodes' places held fixed (where they lie changes a converged sum by nothing).
pub(crate) trait Family: Send + Sync {
    /// Coordinates with their priors; their number is the dimension.
    fn coordinates(&self) -> Vec<Coordinate>;
    /// Free parameters: fewer than coordinates where some directions change nothing.
    fn free(&self) -> usize {
        self.coordinates().len()
    }
    /// Weights and probabilities at the nodes.
    fn place(&self, at: &[f64], accuracy: Accuracy, nodes: &mut Nodes);
    /// Logarithms of the probabilities placed.
    fn logs(&self, nodes: &mut Nodes) {
        nodes.plain_logs();
    }
    /// Adds ∂ℓ/∂coordinates to `gradient`.
    fn pull_back(&self, at: &[f64], nodes: &mut Nodes, adjoint: &Adjoint, gradient: &mut [f64]);
    /// A place to start from, given rough failure rates. Attempt 0 is the same for every seed.
    fn start(&self, rates: &[f64], attempt: usize, rng: &mut dyn rand::RngCore) -> Vec<f64>;
    /// Settles signs and labels that change nothing.
    fn canonical(&self, _at: &mut [f64]) {}
    /// Settles them so that they agree with `reference` as well as they can.
    fn align(&self, _at: &mut [f64], _reference: &[f64]) {}
    /// The parameters as people know them.
    fn readings(&self, at: &[f64], layers: &[String]) -> Vec<Reading>;
    /// What lies on the edge of the parameters' space, in words.
    fn edges(&self, at: &[f64], layers: &[String], trials: f64) -> Vec<String>;
    /// Whether several latent classes may be improved by EM first.
    fn classes(&self) -> Option<usize> {
        None
    }
}

/// Every family, for tests that must hold for all.
#[cfg(test)]
pub(crate) fn families(setting: &Setting) -> Vec<(&'static str, Box<dyn Family>)> {
    let make = |m: &Model| match m.kind {
        Kind::Likelihood(make) => Some((m.name, make(setting))),
        Kind::Classes => Some((m.name, Box::new(LatentClass::new(setting)) as Box<dyn Family>)),
        Kind::Empirical => None,
    };
    MODELS.iter().filter_map(make).collect()
}

/// The mixture at one place of a family.
pub(crate) fn mixture(family: &dyn Family, at: &[f64], accuracy: Accuracy) -> Mixture {
    let mut nodes = Nodes::default();
    family.place(at, accuracy, &mut nodes);
    family.logs(&mut nodes);
    Mixture::from_nodes(&nodes)
}

/// Checks a stated rate.
pub(crate) fn check_rates(rates: &[f64]) -> Result<()> {
    if rates.is_empty() {
        return Err(Error::NoLayers);
    }
    match rates.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(&got) => Err(Error::OutOfRange { what: "a failure rate", expected: "between 0 and 1", got }),
        None => Ok(()),
    }
}

/// Checks that one list has as many entries as another.
pub(crate) fn check_length(what: &'static str, got: usize, layers: usize) -> Result<()> {
    if got == layers { Ok(()) } else { Err(Error::OutOfRange { what, expected: "as many as there are layers", got: got as f64 }) }
}
