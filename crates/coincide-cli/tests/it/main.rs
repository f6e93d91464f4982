//! End to end: the built program on real files.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod counting;
mod documents;
mod formats;
mod studies;
mod support;
