//! Stress campaigns: every attack put to every layer, without stopping at the first that holds.

mod attacks;
mod call;
mod campaign;
mod error;
mod finds;
mod journal;
mod layer;
mod operators;
mod plan;
mod prepared;
mod run;
mod tables;
mod watch;

pub use attacks::{Attack, Attacks, Query};
pub use campaign::*;
pub use error::{Error, Result};
pub use layer::*;
pub use operators::{Chain, OPERATORS, Operator, compositions, find as find_operator};
pub use plan::{Plan, PlannedLayer};
pub use prepared::Prepared;
pub use run::{Live, RunOptions, run};
pub use watch::{Joint, Seen, Watch};
