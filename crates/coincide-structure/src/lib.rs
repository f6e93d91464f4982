//! Boolean structures: which joint failures of events are a failure of the system, and how probable that is, exactly.
//!
//! A [`Structure`] is a graph of gates over events, made by a [`Builder`]: a defence whose layers are not simply all or any, or a fault tree. [`Structure::compile`] turns it into binary decision
//! diagrams, one for each of its modules, with which [`Compiled::probability`] costs one pass for each set of probabilities.
//!
//! ```
//! use coincide_structure::{Builder, Limits};
//! let mut b = Builder::new();
//! let [filter, monitor, review] = [0, 1, 2].map(|i| b.event(i));
//! // The monitor only helps while the review acts on it.
//! let late = b.any([monitor, review]);
//! let top = b.all([filter, late]);
//! let system = b.finish(top).compile(Limits::default())?;
//! assert!((system.probability(&[0.1, 0.2, 0.3]) - 0.1 * (1.0 - 0.8 * 0.7)).abs() < 1e-15);
//! # Ok::<(), coincide_structure::TooLarge>(())
//! ```

mod bdd;
mod compiled;
mod cut_sets;
mod enclosed;
mod graph;
mod modules;
mod open_psa;
mod order;
mod race;
mod rewrite;
mod shocks;
mod sift;
mod store;

pub use compiled::{Compiled, Limits, NoCutSets, TooLarge};
pub use cut_sets::{CutSet, CutSets};
pub use graph::{Builder, Literal, Structure};
pub use open_psa::{FaultTree, ReadError, TreeDraw, TreeGroup, TreeOptions, read_open_psa, read_open_psa_with};
pub use shocks::{CauseModel, MOST_MEMBERS, choose, shocks};
