//! Certain bounds of a probability whose diagram has no room. Every gate is enclosed by two functions, one that implies it and one that it implies, from which what is hardly ever reached has been cut: there the lower
//! one is false and the upper one true. What is cut of a gate counts only together with all that has to fail beside it, so the bounds of the whole are much closer than the sum of all cuts.

use crate::bdd::{Bdd, Decision, Edge, FALSE, Full, TRUE};
use crate::compiled::{Limits, TooLarge, deep};
use crate::graph::{Literal, Node, Structure};
use crate::modules::modules;
use crate::order::orders;
use rustc_hash::FxHashMap;

/// How finely what is cut is dosed: shares of what may be cut of a gate in all that a single place may be worth.
const DOSES: [f64; 8] = [0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4, 1e-5];
/// Nodes beyond which what has served is forgotten.
const TIDY: usize = 1 << 21;

/// A function that implies a gate, and one that it implies.
type Pair = [Edge; 2];
/// The chance that something is true, and that it is not.
type Chance = [f64; 2];

fn not([low, high]: Pair) -> Pair {
    [high ^ 1, low ^ 1]
}

/// What may be cut of a gate in one step, as a share of its probability: ever less, as long as there is room.
const LOSSES: [f64; 10] = [0.3, 0.1, 0.08, 0.06, 0.04, 0.02, 0.01, 3e-3, 1e-3, 1e-4];
/// Ends whose ratio is nearer to 1 than this are close enough.
const CLOSE: f64 = 1e-4;

impl Structure {
    /// Bounds between which P(the system fails) certainly lies, up to rounding, where event e has the probability `p[e]`; as close as the limits allow. For structures whose diagram has no room: others are
    /// [compiled](Self::compile).
    ///
    /// Fails where even coarse bounds do not fit.
    ///
    /// # Panics
    ///
    /// Where `p` is shorter than the largest number of an event, plus one.
    ///
    /// ```
    /// use coincide_structure::{Builder, Limits};
    /// let mut b = Builder::new();
    /// let events: Vec<_> = (0..30).map(|i| b.event(i)).collect();
    /// let pairs: Vec<_> = (0..29).map(|i| b.all([events[i], events[i + 1]])).collect();
    /// let top = b.any(pairs);
    /// let s = b.finish(top);
    /// let [low, high] = s.enclose(&[0.01; 30], Limits::default())?;
    /// let exact = s.compile(Limits::default())?.probability(&[0.01; 30]);
    /// assert!(low <= exact && exact <= high && high / low < 1.001);
    /// # Ok::<(), coincide_structure::TooLarge>(())
    /// ```
    pub fn enclose(&self, p: &[f64], limits: Limits) -> Result<[f64; 2], TooLarge> {
        let smaller = self.rewritten();
        deep(smaller.nodes.len(), || {
            let (mut best, mut why): (Option<[f64; 2]>, _) = (None, TooLarge { events: 0, nodes: limits.nodes });
            // Which way of cutting gives closer ends differs from structure to structure.
            for merging in [false, true].into_iter().take(1 + usize::from(smaller.coherent())) {
                for loss in LOSSES {
                    match smaller.enclosed(p, (loss, merging), limits) {
                        Ok([low, high]) => best = Some(best.map_or([low, high], |b| [b[0].max(low), b[1].min(high)])),
                        Err(e) => {
                            why = e;
                            break;
                        }
                    }
                    if best.is_some_and(|[low, high]| high <= low * (1.0 + CLOSE)) {
                        break;
                    }
                }
            }
            best.ok_or(why)
        })
    }

    fn enclosed(&self, p: &[f64], how: (f64, bool), limits: Limits) -> Result<[f64; 2], TooLarge> {
        let is_module = modules(self);
        // Of each node a lower and an upper bound of its chance, each with what is left of 1 beside it: neither loses digits where it is small.
        let mut known: Vec<[Chance; 2]> = vec![[[0.0, 1.0]; 2]; self.nodes.len()];
        for at in 0..self.nodes.len() {
            known[at] = match &self.nodes[at] {
                Node::True => [[1.0, 0.0]; 2],
                Node::Event(e) => [[p[*e], 1.0 - p[*e]]; 2],
                _ if is_module[at] => {
                    let inside = |i: usize| !is_module[i] && !self.nodes[i].children().is_empty();
                    // The order that is most promising: trying others would cost as much as finer cuts.
                    let order = orders(self, at, &inside).next().unwrap_or_default();
                    Enclosing::new(self, at, &inside, order, &known, how).bounds(self, limits)?
                }
                _ => continue,
            }
        }
        let [low, high] = known[self.top.node()];
        Ok(if self.top.negated() { [high[1], low[1]] } else { [low[0], high[0]] })
    }
}

/// What becomes of a place.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Unreached,
    Kept,
    /// False in a lower function, true in an upper one.
    Cut,
    /// As if one of its two ways were taken always: the one that is true less often in a lower function, more often in an upper one. Where no event ever helps, that bounds it.
    Merged(Edge),
}

struct Enclosing {
    bdd: Bdd,
    gates: Vec<usize>,
    order: Vec<usize>,
    /// Lower and upper bounds of the variables' chances, by level.
    chances: Vec<[Chance; 2]>,
    edges: FxHashMap<usize, Pair>,
    loss: f64,
    merging: bool,
}

impl Enclosing {
    fn new(
        s: &Structure,
        module: usize,
        inside: &impl Fn(usize) -> bool,
        order: Vec<usize>,
        known: &[[Chance; 2]],
        (loss, merging): (f64, bool),
    ) -> Self {
        let chances = order.iter().map(|&v| known[v]).collect();
        Enclosing { bdd: Bdd::new(0), gates: s.gates_below(module, inside), order, chances, edges: FxHashMap::default(), loss, merging }
    }

    fn bounds(&mut self, s: &Structure, limits: Limits) -> Result<[Chance; 2], TooLarge> {
        let events = self.order.len();
        let too_large = |_: Full| TooLarge { events, nodes: limits.nodes };
        let mut b = std::mem::replace(&mut self.bdd, Bdd::new(0));
        b.allow(limits.nodes);
        for (level, &v) in self.order.iter().enumerate() {
            let e = b.event(level as u32).map_err(too_large)?;
            self.edges.insert(v, [e, e]);
        }
        let mut uses: FxHashMap<usize, usize> = FxHashMap::default();
        self.gates.iter().flat_map(|&g| s.nodes[g].children()).for_each(|l| *uses.entry(l.node()).or_default() += 1);
        let mut top = [FALSE; 2];
        for g in self.gates.clone() {
            top = self.gate(&s.nodes[g], &mut b).map_err(too_large)?;
            self.edges.insert(g, top);
            for l in s.nodes[g].children() {
                let left = uses.entry(l.node()).or_default();
                *left -= 1;
                if *left == 0 {
                    self.edges.remove(&l.node());
                }
            }
            if b.len() > TIDY {
                let names: Vec<usize> = self.edges.keys().copied().collect();
                let mut all: Vec<Edge> = names.iter().flat_map(|n| self.edges[n]).collect();
                b.tidy(&mut all);
                names.iter().zip(all.chunks_exact(2)).for_each(|(n, e)| _ = self.edges.insert(*n, [e[0], e[1]]));
                top = self.edges[&g];
            }
        }
        // A lower bound of the lower function is what an upper one leaves of its negation, worked out by itself.
        let (least, most) = (self.values(b.nodes(), 0), self.values(b.nodes(), 1));
        let [low, high] = top.map(|e| e as usize);
        Ok([[least[low], most[low ^ 1]], [most[high], least[high ^ 1]]])
    }

    /// Values of all edges: lower bounds of lower functions, or upper ones of upper functions. Where a chance is known between two bounds only, the one that gives less, or more, counts at every node by itself.
    fn values(&self, nodes: &[Decision], side: usize) -> Vec<f64> {
        let mut out = vec![0.0; 2 * nodes.len()];
        out[TRUE as usize] = 1.0;
        for (at, n) in nodes.iter().enumerate().skip(1) {
            for negated in 0..2u32 {
                let (high, low) = (out[(n.high ^ negated) as usize], out[(n.low ^ negated) as usize]);
                let of = |[yes, no]: Chance| yes * high + no * low;
                let [a, b] = self.chances[n.level as usize].map(of);
                out[2 * at + negated as usize] = if side == 0 { a.min(b) } else { a.max(b) };
            }
        }
        out
    }

    fn gate(&self, gate: &Node, b: &mut Bdd) -> Result<Pair, Full> {
        let of = |l: &Literal| if l.negated() { not(self.edges[&l.node()]) } else { self.edges[&l.node()] };
        let mut inputs: Vec<Pair> = gate.children().iter().map(of).collect();
        inputs.sort_by_key(|e| std::cmp::Reverse(b.level(e[0]).min(b.level(e[1]))));
        let and = |b: &mut Bdd, x: Pair, y: Pair| -> Result<Pair, Full> { Ok([b.and(x[0], y[0])?, b.and(x[1], y[1])?]) };
        let or = |b: &mut Bdd, x: Pair, y: Pair| -> Result<Pair, Full> { Ok(not(and(b, not(x), not(y))?)) };
        match gate {
            Node::AtLeast(least, _) => {
                let mut so_far = vec![[FALSE; 2]; least + 1];
                so_far[0] = [TRUE; 2];
                for e in inputs {
                    for n in (1..=*least).rev() {
                        let with = and(b, e, so_far[n - 1])?;
                        so_far[n] = or(b, with, so_far[n])?;
                    }
                }
                self.cut(b, so_far[*least])
            }
            Node::Odd(_) => inputs.into_iter().try_fold([FALSE; 2], |odd, e| {
                let (one, other) = (and(b, e, not(odd))?, and(b, not(e), odd)?);
                let joined = or(b, one, other)?;
                self.cut(b, joined)
            }),
            _ => inputs.into_iter().try_fold([TRUE; 2], |all, e| {
                let joined = and(b, all, e)?;
                self.cut(b, joined)
            }),
        }
    }

    /// Without what is hardly ever reached.
    fn cut(&self, b: &mut Bdd, pair: Pair) -> Result<Pair, Full> {
        Ok([self.cut_one(b, pair[0], 0)?, self.cut_one(b, pair[1], 1)?])
    }

    fn cut_one(&self, b: &mut Bdd, edge: Edge, side: usize) -> Result<Edge, Full> {
        if edge < 2 {
            return Ok(edge);
        }
        // Nodes that are reached, deepest first; a place is a node and whether it is negated.
        let mut reached: Vec<Edge> = Vec::new();
        let mut number: FxHashMap<Edge, u32> = FxHashMap::default();
        let mut open = vec![edge];
        while let Some(e) = open.pop() {
            if e < 2 || number.insert(e, 0).is_some() {
                continue;
            }
            reached.push(e);
            let n = b.nodes()[(e >> 1) as usize];
            open.extend([n.low ^ (e & 1), n.high ^ (e & 1)]);
        }
        reached.sort_unstable();
        if reached.len() < 200 {
            return Ok(edge);
        }
        reached.iter().enumerate().for_each(|(i, e)| _ = number.insert(*e, i as u32));
        let inputs = |b: &Bdd, e: Edge| {
            let n = b.nodes()[(e >> 1) as usize];
            (self.chances[n.level as usize][side][0], n.low ^ (e & 1), n.high ^ (e & 1))
        };
        let mut value: Vec<f64> = Vec::with_capacity(reached.len());
        for &e in &reached {
            let (p, low, high) = inputs(b, e);
            let of = |e: Edge| if e < 2 { f64::from(1 - e) } else { value[number[&e] as usize] };
            value.push(p * of(high) + (1.0 - p) * of(low));
        }
        let top = reached.len() - 1;
        let at_top = number[&edge] as usize;
        debug_assert!(at_top == top || reached[top] >> 1 == edge >> 1);
        let own = value[at_top];
        let most = self.loss * own.min(1.0 - own);
        let of = |e: Edge| if e < 2 { f64::from(1 - e) } else { value[number[&e] as usize] };
        for dose in DOSES {
            let least = dose * most;
            // What is cut at once, below places that are kept: whole places, or of two ways from one the other that is worth less.
            let mut reach = vec![0.0; reached.len()];
            let mut fate = vec![Fate::Unreached; reached.len()];
            reach[at_top] = 1.0;
            fate[at_top] = Fate::Kept;
            let mut lost = 0.0;
            for i in (0..reached.len()).rev() {
                if fate[i] == Fate::Unreached {
                    continue;
                }
                let worth = reach[i] * if side == 0 { value[i] } else { 1.0 - value[i] };
                if i != at_top && worth < least {
                    fate[i] = Fate::Cut;
                    lost += worth;
                    continue;
                }
                let (p, low, high) = inputs(b, reached[i]);
                let (to_low, to_high) = (of(low), of(high));
                let rises = to_high >= to_low;
                // The way that the bound goes, and how likely the other one is.
                let (taken, other) = if rises == (side == 1) { (high, 1.0 - p) } else { (low, p) };
                let gained = reach[i] * other * (to_high - to_low).abs();
                let ways = if self.merging && gained < least {
                    lost += gained;
                    fate[i] = Fate::Merged(taken);
                    [(taken, 1.0), (TRUE, 0.0)]
                } else {
                    [(low, 1.0 - p), (high, p)]
                };
                for (e, share) in ways.into_iter().filter(|w| w.0 >= 2) {
                    let e = number[&e] as usize;
                    reach[e] += reach[i] * share;
                    if fate[e] == Fate::Unreached {
                        fate[e] = Fate::Kept;
                    }
                }
            }
            if lost > most {
                continue;
            }
            if lost == 0.0 {
                return Ok(edge);
            }
            let instead = if side == 0 { FALSE } else { TRUE };
            let mut made: Vec<Edge> = Vec::with_capacity(reached.len());
            for i in 0..reached.len() {
                let of = |e: Edge| if e < 2 { e } else { made[number[&e] as usize] };
                let here = match fate[i] {
                    Fate::Cut | Fate::Unreached => instead,
                    Fate::Merged(taken) => of(taken),
                    Fate::Kept => {
                        let level = b.nodes()[(reached[i] >> 1) as usize].level;
                        let (_, low, high) = inputs(b, reached[i]);
                        b.decide(level, of(low), of(high))?
                    }
                };
                made.push(here);
            }
            return Ok(made[at_top]);
        }
        Ok(edge)
    }
}
