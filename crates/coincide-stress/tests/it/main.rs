//! Campaigns against local endpoints, processes and people.
#![allow(clippy::unwrap_used)]

mod conversations;
mod counterparts;
mod coverage;
mod files;
mod hostile;
mod layers;
mod processes;
mod running;
mod server;
mod support;
