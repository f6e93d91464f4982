//! Integration tests of the mathematics, in one binary.
#![allow(clippy::unwrap_used)]

mod coverage;
mod crews;
mod fits;
mod golden;
mod models;
mod pipelines;
mod properties;
mod support;
