//! Failure modes: the map of techniques × modes, what it says by itself, and what it says with numbers.

mod assess;
mod beliefs;
mod law;
mod map;
mod update;

pub(crate) use assess::Acting;
pub use assess::{
    AuditAnswer, AuditQuestion, Candidate, ModeAnswers, ModeOptions, ModeQuestions, ModeReport, ModeShare, Portfolio, PortfolioRisk, ResidualPoint,
    SharedMode, SharedModeRow, ask_modes,
};
pub use beliefs::{BeliefRow, Beliefs, CellBeliefs, RESIDUAL};
pub use law::{MOST_MODES, ModeLaw};
pub use map::{DisjointSet, FailureModeMap, MapCell, MapComparison, MapReport, ModeReach, PairOverlap, Technique, Uncertain, Vulnerability};
pub use update::{ModeEvidence, ModeUpdate, Tag, tagged_evidence};
