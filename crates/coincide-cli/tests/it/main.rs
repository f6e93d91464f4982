//! End to end: the built program on real files.
#![allow(clippy::unwrap_used)]

mod adaptive;
mod bad_input;
mod counting;
mod decisions;
mod documents;
mod formats;
mod import;
mod risk;
mod select;
mod serve;
#[path = "../../../coincide-stress/tests/it/server.rs"]
mod server;
mod stress;
mod studies;
mod support;
mod what_if;
