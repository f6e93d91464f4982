//! A binary decision diagram with complement edges (Bryant 1986; Brace, Rudell and Bryant 1990), for one order of the variables.
//!
//! An edge is a node and whether it is negated; node 0 is true. A node's high edge is never negated, so every function has one edge.

/// A function.
pub(crate) type Edge = u32;

pub(crate) const TRUE: Edge = 0;
pub(crate) const FALSE: Edge = 1;

/// The diagram would have more nodes than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// A decision: the variable's place in the order, and what follows where the event does not happen and where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub level: u32,
    pub low: Edge,
    pub high: Edge,
}

pub(crate) struct Bdd {
    nodes: Vec<Decision>,
    /// Nodes by their content; 0 is an empty place.
    table: Vec<u32>,
    /// Conjunctions that were computed; a later one takes an earlier one's place.
    cache: Vec<[Edge; 3]>,
    most: usize,
}

/// A node that no edge leads to.
const UNREACHED: u32 = u32::MAX;

/// The same edge where its node has moved.
pub(crate) fn moved(to: &[u32], edge: Edge) -> Edge {
    to[(edge >> 1) as usize] << 1 | edge & 1
}

const NOTHING: [Edge; 3] = [u32::MAX; 3];
/// Conjunctions remembered at most.
const REMEMBERED: usize = 1 << 22;
/// Places for nodes for each conjunction that is remembered: more of those would cost more to lay out than they save.
const PLACES: usize = 4;

fn hash(a: u32, b: u32, c: u32) -> u64 {
    let x = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(c).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    x ^ x >> 32
}

impl Bdd {
    /// A diagram of `most` nodes at most.
    pub(crate) fn new(most: usize) -> Bdd {
        Bdd { nodes: vec![Decision { level: u32::MAX, low: TRUE, high: TRUE }], table: vec![0; 1 << 10], cache: vec![NOTHING; 1 << 10], most }
    }

    /// Nodes so far.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Lets it have so many nodes.
    pub(crate) fn allow(&mut self, most: usize) {
        self.most = most;
    }

    /// Its nodes, inputs first; the first is no decision.
    pub(crate) fn nodes(&self) -> &[Decision] {
        &self.nodes
    }

    /// The same, for good.
    pub(crate) fn into_nodes(self) -> Vec<Decision> {
        self.nodes
    }

    /// Forgets what none of the edges leads to, and changes them to where their nodes are then.
    pub(crate) fn keep(&mut self, edges: &mut [Edge]) {
        let nodes = &mut self.nodes;
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
        let nodes = std::mem::take(&mut self.nodes);
        self.go_on_with(nodes);
    }

    /// Goes on with other nodes, inputs first, or with what [`keep`](Self::keep) has left of its own.
    pub(crate) fn go_on_with(&mut self, nodes: Vec<Decision>) {
        self.nodes = nodes;
        self.table = vec![0; (self.nodes.len() / 2).next_power_of_two().max(1 << 8)];
        self.cache = vec![NOTHING; 1 << 10];
        self.grow();
    }

    pub(crate) fn level(&self, edge: Edge) -> u32 {
        self.nodes[(edge >> 1) as usize].level
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
        let mut at = self.place(&node);
        loop {
            match self.table[at] {
                0 => break,
                known if self.nodes[known as usize] == node => return Ok(known << 1 | negated),
                _ => at = (at + 1) & (self.table.len() - 1),
            }
        }
        if self.nodes.len() >= self.most {
            return Err(Full);
        }
        let number = self.nodes.len() as u32;
        self.table[at] = number;
        self.nodes.push(node);
        if self.nodes.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        Ok(number << 1 | negated)
    }

    fn place(&self, n: &Decision) -> usize {
        hash(n.low, n.high, n.level) as usize & (self.table.len() - 1)
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 4];
        for number in 1..self.nodes.len() {
            let mut at = self.place(&self.nodes[number]);
            while self.table[at] != 0 {
                at = (at + 1) & (self.table.len() - 1);
            }
            self.table[at] = number as u32;
        }
        let conjunctions = (self.table.len() / PLACES).min(REMEMBERED);
        if self.cache.len() < conjunctions {
            let old = std::mem::replace(&mut self.cache, vec![NOTHING; conjunctions]);
            for entry in old.into_iter().filter(|e| *e != NOTHING) {
                let at = self.remembered(entry[0], entry[1]);
                self.cache[at] = entry;
            }
        }
    }

    fn remembered(&self, a: Edge, b: Edge) -> usize {
        hash(a, b, 0) as usize & (self.cache.len() - 1)
    }

    fn follow(&self, edge: Edge, level: u32) -> (Edge, Edge) {
        let n = &self.nodes[(edge >> 1) as usize];
        if n.level == level { (n.low ^ (edge & 1), n.high ^ (edge & 1)) } else { (edge, edge) }
    }

    /// Both. As deep as there are levels.
    pub(crate) fn and(&mut self, a: Edge, b: Edge) -> Result<Edge, Full> {
        match (a, b) {
            _ if a == b || b == TRUE => return Ok(a),
            _ if a == TRUE => return Ok(b),
            _ if a == b ^ 1 || a == FALSE || b == FALSE => return Ok(FALSE),
            _ => {}
        }
        let (a, b) = (a.min(b), a.max(b));
        let known = self.cache[self.remembered(a, b)];
        if known[0] == a && known[1] == b {
            return Ok(known[2]);
        }
        let level = self.level(a).min(self.level(b));
        let ((a0, a1), (b0, b1)) = (self.follow(a, level), self.follow(b, level));
        let low = self.and(a0, b0)?;
        let high = self.and(a1, b1)?;
        let both = self.decide(level, low, high)?;
        let at = self.remembered(a, b);
        self.cache[at] = [a, b, both];
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
