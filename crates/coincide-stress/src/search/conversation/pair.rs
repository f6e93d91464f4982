//! PAIR: conversations side by side, each of which rewrites its prompt a few times in the light of what came of the last (Chao et al. 2023, arXiv:2310.08419, algorithm 1: N streams of K iterations).

use super::asker::Asker;
use super::words::{begin, feedback, task};
use super::{Line, Notes, SHOWN, Shown, Sizes, Topic, Tree};
use futures_util::future::{BoxFuture, join_all};

pub(super) struct Pair {
    topic: Topic,
    depth: usize,
    iteration: usize,
    streams: Vec<Stream>,
}

struct Stream {
    node: String,
    notes: Notes,
    /// The reply whose prompt was sent.
    said: String,
}

impl Pair {
    pub(super) fn new(topic: Topic, sizes: Sizes) -> Pair {
        let stream =
            |s: usize| Stream { node: (s + 1).to_string(), notes: Notes::new(task(&topic, Some(s)), begin(&topic), SHOWN), said: String::new() };
        let streams = (0..sizes.streams).map(stream).collect();
        Pair { topic, depth: sizes.depth, iteration: 0, streams }
    }
}

impl Stream {
    /// Its next prompt; none where the model writes none, or one that lost the goal.
    async fn next(&mut self, topic: &Topic, ask: &Asker<'_>) -> Option<Option<Line>> {
        let Some((reply, prompt)) = ask.prompt(topic, &self.node, &self.notes).await? else { return Some(None) };
        if ask.evaluates() && !ask.on_topic(topic, &self.node, &prompt).await? {
            return Some(None);
        }
        self.said = reply;
        Some(Some(Line { node: self.node.clone(), prompt, history: Vec::new() }))
    }
}

impl Tree for Pair {
    fn wave<'a>(&'a mut self, ask: &'a Asker<'a>) -> BoxFuture<'a, Option<Vec<Line>>> {
        Box::pin(async move {
            if self.iteration == self.depth {
                return Some(Vec::new());
            }
            if self.iteration > 0 {
                self.streams.iter_mut().for_each(|s| s.node += ".1");
            }
            self.iteration += 1;
            let topic = &self.topic;
            let lines = join_all(self.streams.iter_mut().map(|s| s.next(topic, ask))).await;
            let lines: Vec<Option<Line>> = lines.into_iter().collect::<Option<_>>()?;
            let mut goes_on = lines.iter().map(Option::is_some);
            self.streams.retain(|_| goes_on.next() == Some(true));
            Some(lines.into_iter().flatten().collect())
        })
    }

    fn most(&self) -> usize {
        self.streams.len()
    }

    fn learn(&mut self, i: usize, shown: Shown) {
        let stream = &mut self.streams[i];
        let said = std::mem::take(&mut stream.said);
        stream.notes.add(said, feedback(&self.topic, &shown));
    }
}
