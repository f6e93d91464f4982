//! Logs of other tools, as those tools wrote them (`tests/logs`, with the scripts that remake them), against tables counted by hand; a test for every way in which
//! they mislead; and files that mean harm.

#![allow(clippy::unwrap_used)]

mod agentdojo;
mod control_arena;
mod deepteam;
mod garak;
mod hostile;
mod inspect;
mod jailbreakbench;
mod joining;
mod llm_guard;
mod nemo;
mod promptfoo;
mod pyrit;
mod support;
