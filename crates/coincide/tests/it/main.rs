//! Integration tests of the mathematics, in one binary.
#![allow(clippy::unwrap_used)]

mod golden;
mod support;
