//! Renderings of the results document. They compute nothing: every number they show stands in the document.
//!
//! [`answer()`] writes the document's first sentences; [`blocks`] turns a document into a list of blocks; [`terminal()`]
//! and [`markdown()`] lay the blocks out.

mod answer;
mod block;
mod format;
mod markdown;
mod sections;
mod terminal;

pub use answer::answer;
pub use block::{Align, Block, Column, Table};
pub use markdown::markdown;
pub use sections::blocks;
pub use terminal::{Colour, Layout, terminal};
