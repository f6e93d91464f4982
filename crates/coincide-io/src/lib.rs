//! Files in and out: tables of outcomes, counts files, the results document.
//!
//! [`load`] turns paths and [`ReadOptions`] into a [`coincide::JointOutcomes`]; [`write_counts`] keeps one for later;
//! [`StudyFile`] is a study, [`read_map`] reads failure-mode maps; [`Job::assess`] computes what is asked of any of them, and
//! [`Results`] is the document that every rendering is made from.

mod assess;
mod batch;
mod campaign;
mod cell;
mod counts;
mod direct;
mod document;
mod draft;
mod error;
mod fault_tree;
mod guard;
mod import;
mod job;
mod load;
mod long;
mod map;
mod merge;
mod options;
mod outcomes_file;
mod patterns;
mod roles;
mod rows;
mod source;
mod study;
mod thresholds;
mod toml_file;
mod trials;
mod verdicts;
mod wide;

pub use assess::{Ask, Assessed, Assessment, CompareAsk, Elicitation, Feedback, Job, Part, PlanAsk, RiskAsk, SelectAsk, ThresholdAsk};
pub use campaign::{
    AdaptiveLayer, AdaptiveRecord, AdaptiveSequence, CampaignLive, CampaignRecord, ConversationDepth, Conversations, Done, LayerRecord, Plan,
    PlannedLayer, ReasonCount, SearchedCell, Transfer, Watched, WatchedFamily, WatchedPoint, WatchedSearch,
};
pub use coincide::FailsWhen;
pub use counts::{counts_batch, write_counts};
pub use document::{DOCUMENT_VERSION, PART, Provenance, Results, atomically, write_bytes, write_text};
pub use draft::draft;
pub use error::{Error, Place, Result};
pub use fault_tree::{FaultTreeOptions, read_fault_tree};
pub use import::{Imported, ImportedLayer, Tool, import};
pub use load::{Loaded, load, load_batches, load_counts, load_logs};
pub use map::{PUBLISHED_MAP, PUBLISHED_SOURCE, parse_map, read_map};
pub use options::{GaveUp, LayerFrom, Polarity, ReadOptions, Shard, Threshold};
pub use outcomes_file::{LayerDescription, OutcomesHeader, OutcomesWriter, Scale};
pub use patterns::{Packing, load_patterns};
pub use rows::{Row, Rows, Vectors};
pub use source::InputRecord;
pub use study::{Belief, BeliefTable, Study, StudyFile, study_schema};
pub use toml_file::{Key, TomlFile, nearest, suggestion};
pub use trials::{Keep, LoadedTrials, load_trial_batches, load_trials};
pub use verdicts::{ReadVerdicts, WrittenQueue, read_verdicts, write_queue};
