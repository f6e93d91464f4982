//! Asking the attacker's model, and remembering what it said.

use super::words::{answers, on_topic, prompt_in, says_no};
use super::{Notes, Topic};
use crate::call::{Caller, Purse};
use crate::campaign::Stage;
use crate::journal::{Entry, Journal};
use crate::layer::{self, Ask, Outcome, Role};
use crate::run::Message;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Replies that are asked for before a branch without a readable one is given up.
const TRIES: usize = 5;

/// What happened in all conversations.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Replies of the attacker's model.
    pub replies: AtomicU64,
    /// Those without a prompt.
    pub unreadable: AtomicU64,
    /// Prompts that were not sent because they had lost their goal.
    pub off_topic: AtomicU64,
    /// Turns that were taken back.
    pub taken_back: AtomicU64,
    /// Why the attacker's model could not be asked.
    pub trouble: Mutex<Option<String>>,
}

/// Adds one.
pub(super) fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

/// Whoever asks the attacker's model.
pub(crate) struct Asker<'a> {
    /// The attacker's model, and the evaluator's where it is another.
    pub callers: &'a [Caller],
    pub purse: &'a Purse,
    /// What was said in runs before this one.
    pub journal: &'a Mutex<Journal>,
    /// Writes what is said now, after everything that it rests on.
    pub writer: &'a mpsc::Sender<Message>,
    pub runtime: &'a tokio::runtime::Handle,
    pub tally: &'a Tally,
}

impl Asker<'_> {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the search, and not what else is under way.
    fn trouble(&self, what: String) {
        self.tally.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    /// Whether there is an evaluator of its own.
    pub(super) fn evaluates(&self) -> bool {
        self.callers.len() > 1
    }

    /// A reply; nothing in it where the model refused or said nothing. `None` when the run ends first, or the model gives no answer.
    async fn reply(&self, caller: &Caller, key: &str, messages: &[layer::Message]) -> Option<Option<String>> {
        let known = self.journal().attacker(key);
        match known {
            Ok(None) => {}
            Ok(Some(known)) => return Some(known),
            Err(e) => {
                self.trouble(e.to_string());
                return None;
            }
        }
        let (last, history) = messages.split_last()?;
        let ask = Ask { trial: key, attack: "", stage: Stage::Model, history, prompt: &last.content, output: None };
        let stream = key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)) >> 16;
        let called = caller.call(ask, stream, self.purse).await;
        let Some(called) = called else {
            if caller.is_away() {
                self.trouble(format!("the {} gave no answer", caller.unit.name));
            }
            return None;
        };
        let verdict = &called.cells.first()?.verdict;
        let said = match verdict.outcome {
            Outcome::Failed => called.output,
            Outcome::Held | Outcome::Unparsed => None,
            // Its endpoint does not take this question: too long for it, or filtered.
            Outcome::Error if called.refused => None,
            _ => {
                let why = verdict.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
                self.trouble(format!("the {} gave no answer{why}", caller.unit.name));
                return None;
            }
        };
        // The writer ends only after all who tell it anything.
        let _ = self.writer.send(Message::Entry(Entry::Said { place: key.to_owned(), reply: said.clone() })).await;
        Some(said)
    }

    /// A new prompt at a node, with the reply that it stood in; nothing where no reply had one.
    pub(super) async fn prompt(&self, topic: &Topic, node: &str, notes: &Notes) -> Option<Option<(String, String)>> {
        let messages = notes.messages();
        for again in 0..TRIES {
            let reply = self.reply(&self.callers[0], &format!("{}/{node}#{again}", topic.key), &messages).await?;
            count(&self.tally.replies);
            if let Some((reply, prompt)) = reply.and_then(|r| prompt_in(&r).map(|p| (r, p))) {
                return Some(Some((reply, prompt)));
            }
            count(&self.tally.unreadable);
        }
        Some(None)
    }

    /// Whether the target refused in words; nobody says so where there is no evaluator.
    pub(super) async fn refuses(&self, topic: &Topic, node: &str, answer: &str) -> Option<bool> {
        if !self.evaluates() {
            return Some(false);
        }
        self.says_no(&format!("{}/{node}!", topic.key), answers(answer)).await
    }

    /// Whether the evaluator, or the attacker's model in its place, says no.
    async fn says_no(&self, key: &str, [task, question]: [String; 2]) -> Option<bool> {
        let messages = [layer::Message::new(Role::System, task), layer::Message::new(Role::User, question)];
        let caller = self.callers.get(1).unwrap_or(&self.callers[0]);
        Some(self.reply(caller, key, &messages).await?.is_some_and(|r| says_no(&r)))
    }

    /// Whether a prompt still asks for its goal.
    pub(super) async fn on_topic(&self, topic: &Topic, node: &str, prompt: &str) -> Option<bool> {
        let lost = self.says_no(&format!("{}/{node}?", topic.key), on_topic(topic, prompt)).await?;
        if lost {
            count(&self.tally.off_topic);
        }
        Some(!lost)
    }
}
