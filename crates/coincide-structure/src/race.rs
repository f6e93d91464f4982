//! The race for a module's diagram: several orders of its events side by side, with room for more and more nodes; whichever is done first serves. No order is good for every structure, and how far one
//! comes with little room says little about how far it comes with more: so what came far goes on with more of it, and the others are not forgotten. Where no order was done at once, those that lead are
//! [sifted](crate::sift) while their diagrams are small.

use crate::bdd::{Bdd, Decision, Edge, FALSE, Full, TRUE};
use crate::compiled::{Limits, TooLarge};
use crate::graph::{Literal, Node, Structure};
use crate::order::orders;
use crate::sift::Sift;
use rustc_hash::FxHashMap;

/// Nodes that every order has room for at first.
const FIRST_ROOM: usize = 5000;
/// How much more room there is each time.
const STEP: usize = 4;
/// Nodes that are laid out at once, for each that there is.
const MOST_AHEAD: usize = 8;
/// Nodes in use up to which a diagram is sifted: beyond, it costs more than it saves.
const MOST_SIFTED: usize = 12_000;
/// Work of one round of sifting, for each node in use.
const SIFTING: usize = 100;
/// Rounds of sifting.
const ROUNDS: usize = 2;

/// The variables of the module at `at` in the order that served, its diagram, and the edge to it. `inside` says which nodes are gates of the module, `turned` which of its variables stand for their negation.
///
/// Fails where no order does with `limits`.
pub(crate) fn race(
    s: &Structure,
    at: usize,
    inside: &impl Fn(usize) -> bool,
    turned: &impl Fn(usize) -> bool,
    limits: Limits,
) -> Result<(Vec<usize>, Vec<Decision>, Edge), TooLarge> {
    let (mut runners, mut room) = (Vec::new(), FIRST_ROOM);
    for variables in orders(s, at, inside) {
        let mut r = Runner::new(s, at, inside, variables);
        if let Some(top) = r.go_on(s, turned, room.min(limits.nodes)) {
            return Ok(r.arrive(top));
        }
        runners.push(r);
    }
    room *= STEP;
    let mut sifting = false;
    loop {
        // All with little room, and ever fewer with ever more: those that came farthest with as much. With diagrams that are sifted it says less how far they came.
        let mut kept = runners.len();
        for more in [1, STEP, STEP * STEP] {
            let most = room.saturating_mul(more).min(limits.nodes);
            for i in 0..kept {
                let r = &mut runners[i];
                if r.given_up {
                    continue;
                }
                if sifting && r.bdd.len() < most {
                    r.tidy(s, turned);
                }
                if let Some(top) = r.go_on(s, turned, most) {
                    return Ok(runners.swap_remove(i).arrive(top));
                }
                if most >= limits.nodes {
                    r.tidy(s, turned);
                    if r.bdd.len() * 2 > limits.nodes || r.last_tidied == Some((r.done, r.joined)) {
                        r.given_up = true;
                        r.bdd = Bdd::new(0);
                    }
                    r.last_tidied = Some((r.done, r.joined));
                }
            }
            if runners.iter().all(|r| r.given_up) {
                return Err(TooLarge { events: runners[0].variables.len(), nodes: limits.nodes });
            }
            runners[..kept].sort_by_key(|r| (r.given_up, std::cmp::Reverse(r.progress())));
            kept = match more {
                1 => kept.min(if sifting { 5 } else { 2 }),
                _ => 1,
            };
        }
        room = room.saturating_mul(STEP);
        sifting = true;
    }
}

/// A diagram that is being made in one order of the variables: with more room it goes on where it had to stop.
struct Runner {
    variables: Vec<usize>,
    bdd: Bdd,
    /// Gates below the module and itself, inputs first; how many are done.
    gates: Vec<usize>,
    done: usize,
    /// Of the next gate, where it was begun: the inputs that are left, the last to be joined next, and what the others make.
    begun: bool,
    left: Vec<Edge>,
    so_far: Vec<Edge>,
    /// How many of its inputs were joined, and the nodes when that was so.
    joined: usize,
    arrived: usize,
    /// It had all the room that there is.
    given_up: bool,
    last_tidied: Option<(usize, usize)>,
    edges: FxHashMap<usize, Edge>,
}

impl Runner {
    fn new(s: &Structure, module: usize, inside: &impl Fn(usize) -> bool, variables: Vec<usize>) -> Runner {
        Runner {
            variables,
            bdd: Bdd::new(0),
            gates: s.gates_below(&[module], inside),
            done: 0,
            begun: false,
            left: Vec::new(),
            so_far: Vec::new(),
            joined: 0,
            arrived: 0,
            given_up: false,
            last_tidied: None,
            edges: FxHashMap::default(),
        }
    }

    /// How far it came, and of those as far how few nodes that took.
    fn progress(&self) -> (usize, usize, std::cmp::Reverse<usize>) {
        (self.done, self.joined, std::cmp::Reverse(self.arrived))
    }

    /// Its order, and its diagram without what has served.
    fn arrive(mut self, top: Edge) -> (Vec<usize>, Vec<Decision>, Edge) {
        let mut tops = [top];
        self.bdd.keep(&mut tops);
        (self.variables, self.bdd.into_nodes(), tops[0])
    }

    /// Goes on with room for so many nodes; the edge to the module once that is made.
    fn go_on(&mut self, s: &Structure, turned: &impl Fn(usize) -> bool, most: usize) -> Option<Edge> {
        self.bdd.allow(most);
        if !self.edges.is_empty() {
            // It had too little room, and is going to use up what there is now.
            self.bdd.lay_out(most.min(MOST_AHEAD * self.bdd.len()));
        }
        if self.edges.len() < self.variables.len() {
            self.name_variables(turned).ok()?;
        }
        while let Some(&at) = self.gates.get(self.done) {
            if !self.begun {
                self.begin(&s.nodes[at]);
            }
            while let Some(&e) = self.left.last() {
                self.arrived = self.bdd.len();
                self.so_far = self.join(&s.nodes[at], e).ok()?;
                self.left.pop();
                self.joined += 1;
            }
            self.edges.insert(at, self.so_far.pop()?);
            (self.begun, self.done, self.joined) = (false, self.done + 1, 0);
        }
        self.gates.last().map(|g| self.edges[g])
    }

    fn name_variables(&mut self, turned: &impl Fn(usize) -> bool) -> Result<(), Full> {
        for (level, &v) in self.variables.iter().enumerate() {
            self.edges.insert(v, self.bdd.event(level as u32)? ^ u32::from(turned(v)));
        }
        Ok(())
    }

    fn begin(&mut self, gate: &Node) {
        let edge = |l: &Literal| self.edges[&l.node()] ^ u32::from(l.negated());
        self.left = gate.children().iter().map(edge).collect();
        self.so_far = match gate {
            // At least so many of those so far.
            Node::AtLeast(least, _) => std::iter::once(TRUE).chain(std::iter::repeat_n(FALSE, *least)).collect(),
            Node::Odd(_) => vec![FALSE],
            _ => vec![TRUE],
        };
        self.begun = true;
        self.small_first();
    }

    /// What is joined first, the last, is small: from the bottom up.
    fn small_first(&mut self) {
        let Runner { left, bdd, .. } = self;
        left.sort_by_key(|e| bdd.level(*e));
    }

    /// What a gate makes of its inputs so far and one more.
    fn join(&mut self, gate: &Node, e: Edge) -> Result<Vec<Edge>, Full> {
        let (b, so_far) = (&mut self.bdd, &self.so_far);
        match gate {
            Node::AtLeast(least, _) => (0..=*least).map(|n| if n == 0 { Ok(TRUE) } else { b.choose(e, so_far[n - 1], so_far[n]) }).collect(),
            Node::Odd(_) => Ok(vec![b.choose(e, so_far[0] ^ 1, so_far[0])?]),
            _ => Ok(vec![b.and(so_far[0], e)?]),
        }
    }

    /// Forgets nodes that have served; where few are left, finds a better order for them.
    fn tidy(&mut self, s: &Structure, turned: &impl Fn(usize) -> bool) {
        // Gates that are done, and have a part in one that is not.
        let inputs = self.gates[self.done..].iter().flat_map(|&g| s.nodes[g].children().iter().map(|l| l.node()));
        let done: rustc_hash::FxHashSet<usize> = self.gates[..self.done].iter().copied().collect();
        let mut needed: Vec<usize> = inputs.filter(|n| done.contains(n)).collect();
        needed.sort_unstable();
        needed.dedup();
        let mut roots: Vec<Edge> = needed.iter().map(|n| self.edges[n]).chain(self.left.iter().copied()).chain(self.so_far.iter().copied()).collect();
        self.bdd.keep(&mut roots);
        let mut nodes = std::mem::replace(&mut self.bdd, Bdd::new(0)).into_nodes();
        if nodes.len() <= MOST_SIFTED && self.variables.len() <= MOST_SIFTED {
            let mut sift = Sift::new(&nodes, &roots, self.variables.len());
            for _ in 0..ROUNDS {
                let before = sift.len();
                sift.once(SIFTING * before.max(1000));
                if sift.len() * 20 > before * 19 {
                    break;
                }
            }
            let order;
            (nodes, order) = sift.finish(&mut roots);
            self.variables = order.iter().map(|&v| self.variables[v as usize]).collect();
        }
        self.bdd.go_on_with(nodes);
        self.bdd.allow(usize::MAX);
        self.edges = needed.iter().copied().zip(roots.iter().copied()).collect();
        let rest = &roots[needed.len()..];
        let (left, so_far) = rest.split_at(self.left.len());
        (self.left, self.so_far) = (left.to_vec(), so_far.to_vec());
        let named = self.name_variables(turned);
        debug_assert_eq!(named, Ok(()), "there is room for everything");
        self.small_first();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::graph::Builder;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Little room, and tidying whenever it is used up: what comes out says the same, for every pattern of events.
    #[test]
    fn tidied_and_resumed_a_diagram_says_the_same() {
        let (mut orders_changed, mut stops) = (0, 0);
        for seed in 0..60 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut b = Builder::new();
            let mut made: Vec<Literal> = (0..11).map(|i| b.event(i)).collect();
            for _ in 0..14 {
                let some: Vec<Literal> = (0..rng.random_range(2..5))
                    .map(|_| {
                        let l = made[rng.random_range(made.len().saturating_sub(14)..made.len())];
                        if rng.random_bool(0.3) { !l } else { l }
                    })
                    .collect();
                made.push(match rng.random_range(0..5) {
                    0 | 1 => b.all(some),
                    2 | 3 => b.any(some),
                    _ => b.at_least(2, some),
                });
            }
            let top = b.odd([made[22], made[23], made[24]]);
            let s = b.finish(top);
            let at = s.top.node();
            let inside = |i: usize| !s.nodes[i].children().is_empty();
            if !inside(at) {
                continue;
            }
            let turned = |v: usize| v.is_multiple_of(3);
            let variables = orders(&s, at, &inside).next().unwrap();
            let mut r = Runner::new(&s, at, &inside, variables.clone());
            let mut room = variables.len() + 2;
            let top = loop {
                if let Some(top) = r.go_on(&s, &turned, room) {
                    break top;
                }
                r.tidy(&s, &turned);
                stops += 1;
                room = room.max(r.bdd.len()) + 3;
            };
            orders_changed += usize::from(r.variables != variables);
            let (order, nodes, top) = r.arrive(top);
            for pattern in 0u32..1 << 11 {
                // Variables that are turned stand for their negation.
                let value = |v: usize| match s.nodes[v] {
                    Node::Event(e) => pattern >> e & 1 == 1,
                    _ => unreachable!(),
                };
                let expected = s.values(|e| pattern >> e & 1 == 1)[at];
                let mut edge = top;
                while edge >> 1 != 0 {
                    let n = nodes[(edge >> 1) as usize];
                    let v = order[n.level as usize];
                    edge = if value(v) ^ turned(v) { n.high } else { n.low } ^ edge & 1;
                }
                assert_eq!(edge == TRUE, expected, "seed {seed}, pattern {pattern:b}");
            }
        }
        assert!(orders_changed > 20 && stops > 100, "{orders_changed} orders changed, {stops} stops");
    }
}
