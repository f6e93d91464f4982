//! Progress on standard error, for anything that takes over a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A bar that appears after a second, if somebody is looking.
pub struct Progress {
    state: Mutex<State>,
    shown: bool,
}

struct State {
    step: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        let state = State { step: "", began: Instant::now(), bar: None };
        Progress { state: Mutex::new(state), shown: !quiet && std::io::stderr().is_terminal() }
    }

    /// Reports `done` of `total` (0 if unknown) of a step; from any thread.
    pub fn report(&self, step: &'static str, done: u64, total: u64) {
        if !self.shown {
            return;
        }
        let Ok(mut state) = self.state.lock() else { return };
        if state.step != step {
            if let Some(bar) = state.bar.take() {
                bar.finish_and_clear();
            }
            state.step = step;
            state.began = Instant::now();
        }
        if state.bar.is_none() && state.began.elapsed() > Duration::from_secs(1) {
            let bar = ProgressBar::with_draw_target((total > 0).then_some(total), ProgressDrawTarget::stderr());
            let look = if total > 0 { "{msg} {wide_bar} {percent}% {eta} left" } else { "{msg} {spinner} {human_pos}" };
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style);
            }
            bar.set_message(step);
            state.bar = Some(bar);
        }
        if let Some(bar) = &state.bar {
            bar.set_position(done);
        }
    }

    pub fn clear(&self) {
        if let Ok(mut state) = self.state.lock()
            && let Some(bar) = state.bar.take()
        {
            bar.finish_and_clear();
        }
    }
}
