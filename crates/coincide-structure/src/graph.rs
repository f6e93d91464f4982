//! The graph of gates, and what makes it smaller without changing what it says.

use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Not;

/// An event, a gate or a constant, or its negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Literal(u32);

impl Literal {
    pub(crate) const TRUE: Literal = Literal(0);
    const FALSE: Literal = Literal(1);

    pub(crate) fn of(node: usize) -> Literal {
        Literal((node as u32) << 1)
    }
    pub(crate) fn node(self) -> usize {
        (self.0 >> 1) as usize
    }
    pub(crate) fn negated(self) -> bool {
        self.0 & 1 == 1
    }
    pub(crate) fn when(self, negated: bool) -> Literal {
        Literal(self.0 ^ u32::from(negated))
    }
}

impl Not for Literal {
    type Output = Literal;
    fn not(self) -> Literal {
        self.when(true)
    }
}

/// What a node of the graph is. An "any" is a negated "all" of negations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// Node 0.
    True,
    /// An event, by its number.
    Event(usize),
    /// All of them.
    All(Vec<Literal>),
    /// So many of them, at least; more than one and fewer than all.
    AtLeast(usize, Vec<Literal>),
    /// An odd number of them.
    Odd(Vec<Literal>),
}

impl Node {
    pub(crate) fn children(&self) -> &[Literal] {
        match self {
            Node::True | Node::Event(_) => &[],
            Node::All(c) | Node::AtLeast(_, c) | Node::Odd(c) => c,
        }
    }
}

/// Makes a [`Structure`]; a gate that was made before, in whatever order of its inputs, is that gate.
#[derive(Debug, Clone)]
pub struct Builder {
    nodes: Vec<Node>,
    known: FxHashMap<Node, u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Nothing yet.
    pub fn new() -> Self {
        Builder { nodes: vec![Node::True], known: FxHashMap::default() }
    }

    /// True or false.
    pub fn constant(&self, value: bool) -> Literal {
        Literal::TRUE.when(!value)
    }

    /// The event of this number; numbers index what [`Compiled::probability`](crate::Compiled::probability) is given.
    pub fn event(&mut self, number: usize) -> Literal {
        self.node(Node::Event(number))
    }

    fn node(&mut self, node: Node) -> Literal {
        let nodes = &mut self.nodes;
        let at = *self.known.entry(node).or_insert_with_key(|node| {
            nodes.push(node.clone());
            nodes.len() as u32 - 1
        });
        Literal::of(at as usize)
    }

    /// All of them; true where there are none.
    pub fn all(&mut self, inputs: impl IntoIterator<Item = Literal>) -> Literal {
        let mut inputs: Vec<Literal> = inputs.into_iter().filter(|l| *l != Literal::TRUE).collect();
        inputs.sort_unstable();
        inputs.dedup();
        // A literal and its negation are neighbours.
        if inputs.first() == Some(&Literal::FALSE) || inputs.windows(2).any(|w| w[0] == !w[1]) {
            return Literal::FALSE;
        }
        match inputs[..] {
            [] => Literal::TRUE,
            [one] => one,
            _ => self.node(Node::All(inputs)),
        }
    }

    /// Any of them; false where there are none.
    pub fn any(&mut self, inputs: impl IntoIterator<Item = Literal>) -> Literal {
        !self.all(inputs.into_iter().map(|l| !l))
    }

    /// At least `least` of them, each counted as often as it is named.
    pub fn at_least(&mut self, least: usize, inputs: impl IntoIterator<Item = Literal>) -> Literal {
        let mut inputs: Vec<Literal> = inputs.into_iter().collect();
        inputs.sort_unstable();
        let sure = inputs.iter().filter(|l| **l == Literal::TRUE).count();
        inputs.retain(|l| l.node() != 0);
        // Of a literal and its negation exactly one is true.
        let mut kept: Vec<Literal> = Vec::with_capacity(inputs.len());
        let mut pairs = 0;
        for l in inputs {
            if kept.last() == Some(&!l) {
                kept.pop();
                pairs += 1;
            } else {
                kept.push(l);
            }
        }
        let least = least.saturating_sub(sure + pairs);
        match least {
            0 => Literal::TRUE,
            1 => self.any(kept),
            n if n > kept.len() => Literal::FALSE,
            n if n == kept.len() => self.all(kept),
            n => self.node(Node::AtLeast(n, kept)),
        }
    }

    /// An odd number of them: of two, exactly one.
    pub fn odd(&mut self, inputs: impl IntoIterator<Item = Literal>) -> Literal {
        let mut negated = false;
        let mut inputs: Vec<Literal> = inputs
            .into_iter()
            .map(|l| {
                negated ^= l.negated();
                l.when(l.negated())
            })
            .collect();
        inputs.sort_unstable();
        // What comes twice changes nothing; the constant true is one more.
        let mut kept: Vec<Literal> = Vec::with_capacity(inputs.len());
        for l in inputs {
            if l == Literal::TRUE {
                negated = !negated;
            } else if kept.last() == Some(&l) {
                kept.pop();
            } else {
                kept.push(l);
            }
        }
        let made = match kept[..] {
            [] => Literal::FALSE,
            [one] => one,
            _ => self.node(Node::Odd(kept)),
        };
        made.when(negated)
    }

    /// A node of another graph over what its inputs are here.
    pub(crate) fn again(&mut self, node: &Node, now: impl Fn(&Literal) -> Literal) -> Literal {
        match node {
            Node::True => Literal::TRUE,
            Node::Event(number) => self.event(*number),
            Node::All(inputs) => self.all(inputs.iter().map(now)),
            Node::AtLeast(least, inputs) => self.at_least(*least, inputs.iter().map(now)),
            Node::Odd(inputs) => self.odd(inputs.iter().map(now)),
        }
    }

    /// The structure whose failure is `top`, without what does not matter to it. Gates of one kind that stand under each other, and under nothing else, become one.
    pub fn finish(self, top: Literal) -> Structure {
        let mut uses = vec![0u32; self.nodes.len()];
        let mut reached = vec![false; self.nodes.len()];
        reached[top.node()] = true;
        uses[top.node()] = 1;
        // Inputs were there before their gates.
        for at in (0..self.nodes.len()).rev().filter(|&at| self.nodes[at] != Node::True) {
            if reached[at] {
                for l in self.nodes[at].children() {
                    reached[l.node()] = true;
                    uses[l.node()] += 1;
                }
            }
        }
        // Gates that are taken into the only gate above them.
        let mut taken = vec![false; self.nodes.len()];
        for node in self.nodes.iter().zip(&reached).filter(|n| *n.1).map(|n| n.0) {
            if let Node::All(inputs) = node {
                for l in inputs.iter().filter(|l| !l.negated() && uses[l.node()] == 1 && matches!(self.nodes[l.node()], Node::All(_))) {
                    taken[l.node()] = true;
                }
            }
        }
        let mut out = Builder::new();
        let mut now = vec![Literal::TRUE; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().filter(|(at, _)| reached[*at] && !taken[*at]) {
            let new = |l: &Literal| now[l.node()].when(l.negated());
            now[at] = match node {
                Node::All(inputs) => {
                    let mut flat = Vec::with_capacity(inputs.len());
                    let mut waiting = inputs.clone();
                    while let Some(l) = waiting.pop() {
                        match &self.nodes[l.node()] {
                            Node::All(inner) if taken[l.node()] => waiting.extend_from_slice(inner),
                            _ => flat.push(new(&l)),
                        }
                    }
                    out.all(flat)
                }
                _ => out.again(node, new),
            };
        }
        let top = now[top.node()].when(top.negated());
        out.with_top(top)
    }

    /// The structure whose failure is `top`, as it was made.
    pub(crate) fn with_top(self, top: Literal) -> Structure {
        Structure { nodes: self.nodes, top }
    }
}

/// A Boolean function of events: true where the system fails.
#[derive(Debug, Clone)]
pub struct Structure {
    /// Every node behind its inputs; some may be left over from making others.
    pub(crate) nodes: Vec<Node>,
    pub(crate) top: Literal,
}

impl Structure {
    /// Whether the system fails when exactly the events fail for which `failed` says so.
    pub fn fails(&self, failed: impl Fn(usize) -> bool) -> bool {
        self.values(failed)[self.top.node()] ^ self.top.negated()
    }

    /// What every node is then.
    pub(crate) fn values(&self, failed: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut value = vec![true; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            let of = |l: &Literal| value[l.node()] ^ l.negated();
            value[at] = match node {
                Node::True => true,
                Node::Event(number) => failed(*number),
                Node::All(c) => c.iter().all(of),
                Node::AtLeast(least, c) => c.iter().filter(|l| of(l)).count() >= *least,
                Node::Odd(c) => c.iter().filter(|l| of(l)).count() % 2 == 1,
            };
        }
        value
    }

    /// Gates and those below them, inputs first; `inside` says which nodes below are such gates.
    pub(crate) fn gates_below(&self, gates: &[usize], inside: &impl Fn(usize) -> bool) -> Vec<usize> {
        let mut open = gates.to_vec();
        let mut gates = Vec::new();
        let mut met = FxHashSet::default();
        while let Some(at) = open.pop() {
            if met.insert(at) {
                gates.push(at);
                open.extend(self.nodes[at].children().iter().map(|l| l.node()).filter(|&at| inside(at)));
            }
        }
        // Numbers grow from inputs to gates.
        gates.sort_unstable();
        gates
    }

    /// Numbers of the events that it names, ascending.
    pub fn events(&self) -> Vec<usize> {
        let mut reached = vec![false; self.nodes.len()];
        reached[self.top.node()] = true;
        for at in (0..self.nodes.len()).rev() {
            if reached[at] {
                self.nodes[at].children().iter().for_each(|l| reached[l.node()] = true);
            }
        }
        let named = self.nodes.iter().zip(reached).filter(|n| n.1);
        let mut out: Vec<usize> = named.filter_map(|(n, _)| if let Node::Event(number) = n { Some(*number) } else { None }).collect();
        out.sort_unstable();
        out
    }
}
