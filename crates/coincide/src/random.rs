//! Random numbers from a handed-in seed, by counter: stream `i` of a purpose is the same whichever thread
//! draws it and in whichever order (ChaCha8 with the index as stream number).

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The seed of an analysis. The same seed gives the same digits on any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Default for Seed {
    fn default() -> Self {
        Seed(1)
    }
}

/// What the numbers are for; different purposes never share a stream.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Bootstrap replicates.
    Bootstrap = 1,
    /// Permutation of layers against each other (total correlation).
    Permutation = 2,
    /// Permutation of strata over trials (explained gap).
    StrataPermutation = 3,
    /// Random orders of layers (Shapley shares of many layers).
    Shapley = 4,
    /// Simulations in tests, benchmarks and examples.
    Simulation = 5,
    /// Starts of a search for the best parameters.
    Starts = 6,
    /// Markov chains.
    Chains = 7,
    /// Clusters dealt into folds.
    Folds = 8,
    /// Draws from stated beliefs.
    Beliefs = 10,
    /// Goals drawn again.
    Goals = 11,
    /// Weights of the Bayesian bootstrap.
    Weights = 9,
    /// The order of goals in a campaign.
    Order = 12,
    /// Attack operators, and which are drawn for an attack.
    Operators = 13,
    /// Waiting times before a call is tried again.
    Retries = 14,
    /// Which vectors a probe is trained on.
    Probe = 15,
    /// What an adaptive search tries.
    Search = 16,
    /// Shifts of lattices.
    Lattice = 17,
    /// Trials dealt out to choose and judge thresholds.
    Thresholds = 18,
    /// Trials drawn for checks by hand.
    Checks = 19,
    /// Layers relabelled against their attributes.
    Lineage = 20,
}

impl Seed {
    /// The generator of stream `index` for one purpose.
    ///
    /// ```
    /// use coincide::{Purpose, Seed};
    /// use rand::RngCore;
    /// let draw = |i| Seed(7).stream(Purpose::Simulation, i).next_u64();
    /// assert_eq!(draw(3), draw(3));
    /// assert_ne!(draw(3), draw(4));
    /// ```
    pub fn stream(self, purpose: Purpose, index: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.key(purpose));
        rng.set_stream(index);
        rng
    }

    /// A seed of its own for the part `index` of something, so that parts draw independently.
    pub(crate) fn branch(self, purpose: Purpose, index: u64) -> Seed {
        Seed(self.stream(purpose, index).next_u64())
    }

    /// The key of all streams of one purpose, for generators that are not ours.
    pub(crate) fn key(self, purpose: Purpose) -> [u8; 32] {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        key
    }
}
