//! Renderings of the results document. They compute nothing: every number they show stands in the document.
//!
//! [`answer()`] and [`fit_answer()`] write the document's first sentences; [`blocks`] turns a document into a list of blocks,
//! [`fit_blocks`] only what models say; [`terminal()`] and [`markdown()`] lay the blocks out.

mod answer;
mod block;
mod format;
mod markdown;
mod models;
mod sections;
mod terminal;

pub use answer::answer;
pub use block::{Align, Block, Column, Table};
pub use markdown::markdown;
pub use models::fit_answer;
pub use sections::{blocks, fit_blocks};
pub use terminal::{Colour, Layout, terminal};
