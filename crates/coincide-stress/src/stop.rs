//! How a run is ended early.

use tokio::sync::watch;

/// Ends a run early, by hand or by Ctrl-C.
///
/// The first time, nothing new is asked and what is in flight is waited for; the second time, that is dropped too, children and all. Either way the tables are
/// written, and `resume` goes on.
#[derive(Debug, Clone)]
pub struct Stop {
    times: watch::Sender<u32>,
    signals: bool,
}

impl Stop {
    /// Only [`Stop::press`] ends the run: for programs that have their own ways with signals.
    pub fn by_hand() -> Self {
        Stop { times: watch::Sender::new(0), signals: false }
    }

    /// Ctrl-C does as well. The third one ends the program at once; the journal has everything that was finished.
    pub fn at_ctrl_c() -> Self {
        Stop { signals: true, ..Self::by_hand() }
    }

    /// Ends the run; once more, and it does not wait.
    pub fn press(&self) {
        self.times.send_modify(|n| *n = n.saturating_add(1));
    }

    /// Waits until it was pressed so often.
    pub(crate) async fn pressed(&self, times: u32) {
        let mut receiver = self.times.subscribe();
        // The sender is here, so it is not gone.
        let _ = receiver.wait_for(|n| *n >= times).await;
    }

    /// Presses at every Ctrl-C, and ends the program at the third. Never returns.
    pub(crate) async fn listen(self) {
        for _ in 0..2 {
            if !self.signals || tokio::signal::ctrl_c().await.is_err() {
                // Only by hand.
                std::future::pending::<()>().await;
            }
            self.press();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    }
}
