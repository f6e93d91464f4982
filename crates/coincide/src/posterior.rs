//! Posterior draws by the No-U-Turn sampler (Hoffman and Gelman 2014; `nuts-rs`), on the likelihood of pattern counts with
//! analytic gradients: a step costs patterns × nodes, not trials. Chains run in parallel, each with a stream of its own, so the
//! digits depend on the seed alone.

use crate::error::{Error, Result};
use crate::likelihood::Workspace;
use crate::model::Coordinate;
use crate::optimise::Target;
use crate::pieces::pieces;
use crate::random::{Purpose, Seed};
use nuts_rs::rand::{SeedableRng, rngs::ChaCha8Rng};
use nuts_rs::{Chain, CpuLogpFunc, CpuMath, CpuMathError, HasDims, LogpError, LowRankNutsSettings, Settings, Storable, Value};
use std::collections::HashMap;

/// How many draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Chains.
    pub chains: usize,
    /// Draws of each chain that are used for tuning and thrown away.
    pub tune: usize,
    /// Draws of each chain that are kept.
    pub draws: usize,
}

/// Draws of all chains.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draws {
    /// Coordinates, chain by chain, draw by draw.
    pub chains: Vec<Vec<Vec<f64>>>,
    /// Total energy of each draw.
    pub energy: Vec<Vec<f64>>,
    /// Trajectories that left the region where the integrator is stable.
    pub divergences: u64,
}

impl Draws {
    /// Puts chains together. Fails with [`Error::Fit`] of the model `name` where one failed.
    pub(crate) fn of(chains: impl IntoIterator<Item = OneChain>, name: &str) -> Result<Draws> {
        let mut all = Draws::default();
        for chain in chains {
            let (draws, energy, divergences) = chain.map_err(|why| Error::Fit { model: name.to_owned(), why })?;
            all.chains.push(draws);
            all.energy.push(energy);
            all.divergences += divergences;
        }
        Ok(all)
    }

    /// All draws, chain after chain.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Vec<f64>> {
        self.chains.iter().flatten()
    }
}

/// A log density with its gradient, and what it needs for evaluating one.
pub(crate) trait LogDensity: Sync {
    /// Buffers, one for each chain.
    type Space: Default;
    /// Number of coordinates.
    fn dim(&self) -> usize;
    /// Value and gradient at a place.
    fn value(&self, at: &[f64], gradient: &mut [f64], space: &mut Self::Space) -> f64;
}

/// The posterior of a family of models.
pub(crate) struct OfFamily<'a> {
    target: Target<'a>,
    coordinates: Vec<Coordinate>,
}

impl<'a> OfFamily<'a> {
    pub(crate) fn new(target: Target<'a>) -> Self {
        OfFamily { target, coordinates: target.family.coordinates() }
    }
}

impl LogDensity for OfFamily<'_> {
    type Space = Workspace;

    fn dim(&self) -> usize {
        self.coordinates.len()
    }
    fn value(&self, at: &[f64], gradient: &mut [f64], space: &mut Workspace) -> f64 {
        self.target.value(&self.coordinates, at, gradient, space)
    }
}

struct Density<'a, D: LogDensity> {
    density: &'a D,
    space: D::Space,
}

/// The density cannot be evaluated here; the trajectory counts as divergent.
#[derive(Debug, thiserror::Error)]
#[error("the log density is not finite")]
struct NotFinite;

impl LogpError for NotFinite {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl<D: LogDensity> HasDims for Density<'_, D> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.density.dim() as u64)])
    }
}

impl<D: LogDensity> CpuLogpFunc for Density<'_, D> {
    type LogpError = NotFinite;
    type FlowParameters = ();
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.density.dim()
    }
    fn logp(&mut self, at: &[f64], gradient: &mut [f64]) -> std::result::Result<f64, NotFinite> {
        let value = self.density.value(at, gradient, &mut self.space);
        if value.is_finite() && gradient.iter().all(|g| g.is_finite()) { Ok(value) } else { Err(NotFinite) }
    }
    fn expand_vector<R: nuts_rs::rand::Rng + ?Sized>(&mut self, _: &mut R, at: &[f64]) -> std::result::Result<Vec<f64>, CpuMathError> {
        Ok(at.to_vec())
    }
}

/// One chain: its draws and their energies, and how many trajectories diverged; or why there is none.
pub(crate) type OneChain = std::result::Result<(Vec<Vec<f64>>, Vec<f64>, u64), String>;

/// Chain `c` of a posterior's draws, from `start`; `done` hears of every hundred draws.
pub(crate) fn chain(density: &impl LogDensity, start: &[f64], plan: Plan, seed: Seed, c: usize, done: &(dyn Fn(u64) + Sync)) -> OneChain {
    let failed = |e: &dyn std::fmt::Display| e.to_string().lines().next().unwrap_or_default().to_owned();
    let mut rng = ChaCha8Rng::from_seed(seed.key(Purpose::Chains));
    rng.set_stream(c as u64);
    let settings = LowRankNutsSettings { num_tune: plan.tune as u64, num_draws: plan.draws as u64, ..LowRankNutsSettings::default() };
    let math = CpuMath::new(Density { density, space: Default::default() });
    let mut chain = settings.new_chain(c as u64, math, &mut rng).map_err(|e| failed(&e))?;
    chain.set_position(start).map_err(|e| failed(&e))?;
    let (mut kept, mut energy) = (Vec::with_capacity(plan.draws), Vec::with_capacity(plan.draws));
    let mut divergences = 0;
    for draw in 0..plan.tune + plan.draws {
        let (at, _, mut stats, progress) = chain.expanded_draw().map_err(|e| failed(&e))?;
        if draw >= plan.tune {
            divergences += u64::from(progress.diverging);
            let dims = (&*chain.math()).into();
            let total = stats.get_all(&dims).into_iter().find_map(|(key, value)| match value {
                Some(Value::ScalarF64(x)) if key == "energy" => Some(x),
                _ => None,
            });
            energy.push(total.unwrap_or(0.0));
            kept.push(at.into_vec());
        }
        if draw % 100 == 99 {
            done(100);
        }
    }
    Ok((kept, energy, divergences))
}

/// Draws from a posterior. `starts` are where chains begin, in turn; `done` hears of every hundred draws.
pub(crate) fn sample(
    density: &impl LogDensity,
    starts: &[Vec<f64>],
    plan: Plan,
    seed: Seed,
    name: &str,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Draws> {
    Draws::of(pieces("chains", plan.chains, |c| chain(density, &starts[c % starts.len()], plan, seed, c, done)), name)
}
