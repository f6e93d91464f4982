//! Crescendo: a conversation with the target that begins harmlessly and builds on the target's own words; a turn that is refused or stopped is taken back and another one tried
//! (Russinovich et al. 2024, arXiv:2404.01833, algorithm 1).

use super::asker::{Asker, count};
use super::words::{begin, conversation_task, feedback, taken_back};
use super::{Line, Notes, Shown, Sizes, Topic, Tree};
use crate::layer::{Message, Role};
use futures_util::future::BoxFuture;

pub(super) struct Crescendo {
    topic: Topic,
    sizes: Sizes,
    notes: Notes,
    /// What stands in the target's conversation: a message and an answer a turn.
    history: Vec<Message>,
    /// Its last turn's place in the tree, with a dot behind it.
    parent: String,
    /// Which try the next turn is.
    child: usize,
    backtracks: usize,
    /// The reply whose message was sent, and the message.
    said: (String, String),
    /// What came of it.
    shown: Option<Shown>,
    /// Nothing more may be taken back.
    stuck: bool,
}

impl Crescendo {
    pub(super) fn new(topic: Topic, sizes: Sizes) -> Crescendo {
        Crescendo {
            notes: Notes::new(conversation_task(&topic, sizes.depth), begin(&topic), usize::MAX),
            topic,
            sizes,
            history: Vec::new(),
            parent: String::new(),
            child: 1,
            backtracks: 0,
            said: Default::default(),
            shown: None,
            stuck: false,
        }
    }

    fn node(&self) -> String {
        format!("{}{}", self.parent, self.child)
    }

    /// Lets the last turn stand, or takes it back.
    async fn settle(&mut self, ask: &Asker<'_>) -> Option<()> {
        let Some(shown) = self.shown.take() else { return Some(()) };
        let (reply, prompt) = std::mem::take(&mut self.said);
        let answer = match shown.response.as_ref().filter(|_| !shown.refused) {
            Some(answer) if !ask.refuses(&self.topic, &self.node(), answer).await? => Some(answer.clone()),
            _ => None,
        };
        match answer {
            Some(answer) => {
                self.history.extend([Message::new(Role::User, prompt), Message::new(Role::Assistant, answer)]);
                self.notes.add(reply, feedback(&self.topic, &shown));
                self.parent = format!("{}.", self.node());
                self.child = 1;
            }
            None if self.backtracks < self.sizes.backtracks => {
                count(&ask.tally.taken_back);
                self.notes.add(reply, taken_back(&self.topic, &shown));
                self.child += 1;
                self.backtracks += 1;
            }
            None => self.stuck = true,
        }
        Some(())
    }
}

impl Tree for Crescendo {
    fn wave<'a>(&'a mut self, ask: &'a Asker<'a>) -> BoxFuture<'a, Option<Vec<Line>>> {
        Box::pin(async move {
            self.settle(ask).await?;
            if self.stuck || self.history.len() / 2 == self.sizes.depth {
                return Some(Vec::new());
            }
            let node = self.node();
            let Some((reply, prompt)) = ask.prompt(&self.topic, &node, &self.notes).await? else { return Some(Vec::new()) };
            self.said = (reply, prompt.clone());
            Some(vec![Line { node, prompt, history: self.history.clone() }])
        })
    }

    fn most(&self) -> usize {
        1
    }

    fn learn(&mut self, _: usize, shown: Shown) {
        self.shown = Some(shown);
    }
}
