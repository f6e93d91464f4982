//! A binary decision diagram with complement edges (Bryant 1986; Brace, Rudell and Bryant 1990), for one order of the variables.
//!
//! An edge is a node and whether it is negated; node 0 is true. A node's high edge is never negated, so every function has one edge.

use crate::store::{Cache, Store};
pub(crate) use crate::store::{Decision, Full};

/// A function.
pub(crate) type Edge = u32;

pub(crate) const TRUE: Edge = 0;
pub(crate) const FALSE: Edge = 1;

pub(crate) struct Bdd {
    store: Store,
    /// Conjunctions that were computed.
    cache: Cache,
}

/// A node that no edge leads to.
const UNREACHED: u32 = u32::MAX;

/// The same edge where its node has moved.
pub(crate) fn moved(to: &[u32], edge: Edge) -> Edge {
    to[(edge >> 1) as usize] << 1 | edge & 1
}

/// Conjunctions remembered at most.
const REMEMBERED: usize = 1 << 22;
/// Places for nodes for each conjunction that is remembered: more of those would cost more to lay out than they save.
const PLACES: usize = 4;

impl Bdd {
    /// A diagram of `most` nodes at most.
    pub(crate) fn new(most: usize) -> Bdd {
        Bdd { store: Store::new(1, most), cache: Cache::new() }
    }

    /// Nodes so far.
    pub(crate) fn len(&self) -> usize {
        self.store.nodes.len()
    }

    /// Lets it have so many nodes.
    pub(crate) fn allow(&mut self, most: usize) {
        self.store.most = most;
    }

    /// Lays out at once what so many nodes need.
    pub(crate) fn lay_out(&mut self, nodes: usize) {
        self.store.lay_out(nodes);
        self.remember();
    }

    /// Its nodes, inputs first; the first is no decision.
    pub(crate) fn nodes(&self) -> &[Decision] {
        &self.store.nodes
    }

    /// The same, for good.
    pub(crate) fn into_nodes(self) -> Vec<Decision> {
        self.store.nodes
    }

    /// Forgets what none of the edges leads to, and changes them to where their nodes are then.
    pub(crate) fn keep(&mut self, edges: &mut [Edge]) {
        let nodes = &mut self.store.nodes;
        let mut to = vec![UNREACHED; nodes.len()];
        to[0] = 0;
        edges.iter().for_each(|e| to[(e >> 1) as usize] = 0);
        for at in (1..nodes.len()).rev() {
            if to[at] != UNREACHED {
                to[(nodes[at].low >> 1) as usize] = 0;
                to[(nodes[at].high >> 1) as usize] = 0;
            }
        }
        let mut kept = 0;
        for at in 0..nodes.len() {
            if to[at] != UNREACHED {
                to[at] = kept as u32;
                nodes[kept] = Decision { low: moved(&to, nodes[at].low), high: moved(&to, nodes[at].high), ..nodes[at] };
                kept += 1;
            }
        }
        nodes.truncate(kept);
        nodes.shrink_to_fit();
        edges.iter_mut().for_each(|e| *e = moved(&to, *e));
    }

    /// [Forgets](Self::keep) what none of the edges leads to, and goes on.
    pub(crate) fn tidy(&mut self, edges: &mut [Edge]) {
        self.keep(edges);
        let nodes = std::mem::take(&mut self.store.nodes);
        self.go_on_with(nodes);
    }

    /// Goes on with other nodes, inputs first, or with what [`keep`](Self::keep) has left of its own.
    pub(crate) fn go_on_with(&mut self, nodes: Vec<Decision>) {
        self.store.refill(nodes);
        self.cache = Cache::new();
        self.remember();
    }

    pub(crate) fn level(&self, edge: Edge) -> u32 {
        self.store.nodes[(edge >> 1) as usize].level
    }

    /// The event at a place in the order.
    pub(crate) fn event(&mut self, level: u32) -> Result<Edge, Full> {
        self.decide(level, FALSE, TRUE)
    }

    pub(crate) fn decide(&mut self, level: u32, low: Edge, high: Edge) -> Result<Edge, Full> {
        if low == high {
            return Ok(low);
        }
        let negated = high & 1;
        let node = Decision { level, low: low ^ negated, high: high ^ negated };
        let places = self.store.places();
        let number = self.store.number(node)?;
        if self.store.places() != places {
            self.remember();
        }
        Ok(number << 1 | negated)
    }

    /// Lets the cache grow with the nodes.
    fn remember(&mut self) {
        self.cache.hold((self.store.places() / PLACES).min(REMEMBERED));
    }

    fn follow(&self, edge: Edge, level: u32) -> (Edge, Edge) {
        let n = &self.store.nodes[(edge >> 1) as usize];
        if n.level == level { (n.low ^ (edge & 1), n.high ^ (edge & 1)) } else { (edge, edge) }
    }

    /// Both. As deep as there are levels.
    pub(crate) fn and(&mut self, a: Edge, b: Edge) -> Result<Edge, Full> {
        let (a, b, known) = self.known(a, b);
        match known {
            Some(both) => Ok(both),
            None => self.and_anew(a, b),
        }
    }

    /// Two in sequence, and both where that is known at once.
    #[inline(always)]
    fn known(&self, a: Edge, b: Edge) -> (Edge, Edge, Option<Edge>) {
        let (a, b) = (a.min(b), a.max(b));
        let known = if a > FALSE && a ^ b > 1 {
            self.cache.get(a, b)
        } else if a == TRUE {
            Some(b)
        } else {
            Some(if a == b { a } else { FALSE })
        };
        (a, b, known)
    }

    /// Both of two in sequence, where that is not known.
    fn and_anew(&mut self, a: Edge, b: Edge) -> Result<Edge, Full> {
        let level = self.level(a).min(self.level(b));
        let ((a0, a1), (b0, b1)) = (self.follow(a, level), self.follow(b, level));
        // Both halves are looked up before either is made: memory answers for both at a time.
        let ((low_a, low_b, low), (high_a, high_b, high)) = (self.known(a0, b0), self.known(a1, b1));
        let low = match low {
            Some(low) => low,
            None => self.and_anew(low_a, low_b)?,
        };
        let high = match high {
            Some(high) => high,
            // The other half may have made it.
            None => self.and(high_a, high_b)?,
        };
        let both = self.decide(level, low, high)?;
        self.cache.put(a, b, both);
        Ok(both)
    }

    /// Either, or both.
    pub(crate) fn or(&mut self, a: Edge, b: Edge) -> Result<Edge, Full> {
        Ok(self.and(a ^ 1, b ^ 1)? ^ 1)
    }

    /// `then` where `when`, else `otherwise`.
    pub(crate) fn choose(&mut self, when: Edge, then: Edge, otherwise: Edge) -> Result<Edge, Full> {
        let (yes, no) = (self.and(when, then)?, self.and(when ^ 1, otherwise)?);
        self.or(yes, no)
    }
}
