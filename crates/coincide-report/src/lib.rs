//! Renderings of the results document. They compute nothing: every number they show stands in the document.
//!
//! [`answer()`], [`fit_answer()`] and [`assessment_answer()`] write the document's first sentences; [`blocks`] turns a document into a list of blocks,
//! [`fit_blocks`] only what models say, [`claim_blocks`] only claims; [`terminal()`] and [`markdown()`] lay the blocks out; [`page()`] puts the document into the page
//! that people look at; [`gsn()`] draws an argument. [`results()`] computes a job and puts its document together.

mod answer;
mod block;
mod campaign;
mod checked;
mod claims;
mod comparison;
mod conclusions;
mod format;
mod gsn;
mod impact;
mod imported;
mod lineage;
mod markdown;
mod models;
mod modes;
mod page;
mod plan;
mod results;
mod risk;
mod scenarios;
mod sections;
mod select;
mod terminal;
mod thresholds;

pub use answer::answer;
pub use block::{Align, Block, Column, Table};
pub use campaign::{campaign_answer, campaign_results, families_line, plan_blocks, search_line, watched_line};
pub use checked::queue_blocks;
pub use conclusions::conclusions;
pub use gsn::gsn;
pub use imported::imported_blocks;
pub use markdown::markdown;
pub use models::fit_answer;
pub use page::{dashboard, page};
pub use results::{results, title};
pub use sections::{
    assessment_answer, blocks, claim_blocks, comparison_blocks, fit_blocks, next_test_blocks, risk_blocks, select_blocks, threshold_blocks,
};
pub use terminal::{Colour, Layout, terminal};
