//! `live.json`: how a running campaign stands, for whoever follows it from another process. It holds no prompts and no replies.

use crate::run::Live;
use coincide_io::{CampaignLive, write_text};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Name of the file in a campaign's folder.
pub const LIVE_FILE: &str = "live.json";

/// Between two writes.
const EVERY: Duration = Duration::from_secs(1);

/// Writes the file once a second at most, through a temporary one beside it.
pub(crate) struct LiveFile {
    path: PathBuf,
    name: String,
    last: Mutex<Option<(Instant, CampaignLive)>>,
}

impl LiveFile {
    pub(crate) fn new(output: &Path, name: &str) -> Self {
        LiveFile { path: output.join(LIVE_FILE), name: name.to_owned(), last: Mutex::new(None) }
    }

    pub(crate) fn show(&self, live: &Live) {
        let Ok(mut last) = self.last.lock() else { return };
        let due = last.as_ref().is_none_or(|l| l.0.elapsed() >= EVERY);
        let now = CampaignLive {
            name: self.name.clone(),
            finished: live.finished,
            planned: live.planned,
            calls: live.calls,
            finds: live.finds,
            watched: live.watched,
            search: live.search,
            families: live.families.clone(),
            history: live.history.clone(),
            away: live.away.clone(),
            ended: false,
        };
        if due {
            self.write(&now);
        }
        let at = if due { Instant::now() } else { last.as_ref().map_or_else(Instant::now, |l| l.0) };
        *last = Some((at, now));
    }

    /// The last state, marked as ended.
    pub(crate) fn end(&self) {
        if let Ok(last) = self.last.lock()
            && let Some((_, live)) = &*last
        {
            self.write(&CampaignLive { ended: true, ..live.clone() });
        }
    }

    /// Nobody's run may fail because somebody else cannot watch it: a disk that takes nothing is found by the journal.
    fn write(&self, live: &CampaignLive) {
        if let Ok(text) = serde_json::to_string(live) {
            let _ = write_text(&self.path, &text);
        }
    }
}
