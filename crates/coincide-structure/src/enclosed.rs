//! Certain bounds of a probability whose diagram has no room. Every gate is enclosed by two functions, one that implies it and one that it implies, from which what is hardly ever reached has been cut: there the lower
//! one is false and the upper one true. What is cut of a gate counts only together with all that has to fail beside it, so the bounds of the whole are much closer than the sum of all cuts.

use crate::bdd::{Bdd, Decision, Edge, FALSE, Full, TRUE};
use crate::compiled::{Limits, TooLarge, deep};
use crate::graph::{Builder, Literal, Node, Structure};
use crate::modules::modules;
use crate::order::orders;
use rustc_hash::FxHashMap;
use std::cell::Cell;

/// How finely what is cut is dosed: shares of what may be cut of a gate in all that a single place may be worth.
const DOSES: [f64; 8] = [0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4, 1e-5];
/// Functions of fewer places than this are left whole.
const LEAST_CUT: usize = if cfg!(test) { 8 } else { 200 };
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
const LOSSES: [f64; 11] = [0.5, 0.3, 0.1, 0.08, 0.06, 0.04, 0.02, 0.01, 3e-3, 1e-3, 1e-4];
/// Of the room of each stage of the search for the best order and way of cutting, what the whole is a multiple of.
const ROOMS: [usize; 4] = [64, 16, 4, 1];
/// One in so many goes on from one stage to the next.
const KEPT: usize = 3;
/// How often a module's inputs are looked at in two halves, and the modules of those again: more of it cost more than finer cuts.
const SPLITS: usize = 1;
/// Inputs of which the largest is looked for.
const MOST_COMPARED: usize = 100;
/// By how much a sum of chances may be off.
const ROUNDING: f64 = 1e-12;
/// Ends are close enough where the logarithms of their ratios are at most this.
const CLOSE: f64 = 1e-4;

/// A lower and an upper bound of a chance, each with what is left of 1 beside it: neither loses digits where it is small.
type Ends = [Chance; 2];

/// What can always be said.
const UNKNOWN: Ends = [[0.0, 1.0], [1.0, 0.0]];

/// By which factor the chance and what is left of 1 may lie off, together.
fn apart([low, high]: Ends) -> f64 {
    let factor = |small: f64, large: f64| if small == large { 0.0 } else { (large / small).ln() };
    factor(low[0], high[0]) + factor(high[1], low[1])
}

fn close(ends: Ends) -> bool {
    apart(ends) <= CLOSE
}

/// Both are right, so what both allow is.
fn both([low, high]: Ends, [other_low, other_high]: Ends) -> Ends {
    // By whichever of the two keeps its digits.
    let above = |a: Chance, b: Chance| if a[0] < 0.5 { a[0] > b[0] } else { a[1] < b[1] };
    [if above(low, other_low) { low } else { other_low }, if above(other_high, high) { high } else { other_high }]
}

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
        let chances: Vec<Ends> = p.iter().map(|&p| [[p, 1.0 - p]; 2]).collect();
        let [low, high] = deep(self.nodes.len(), || self.ends(&chances, limits, SPLITS))?;
        Ok([low[0], high[0]])
    }

    /// Bounds of the chance that it fails, where those of its events are known. As often as `splits` says, a module is also looked at in two halves.
    fn ends(&self, chances: &[Ends], limits: Limits, splits: usize) -> Result<Ends, TooLarge> {
        // Halves are taken of the gates as they were stated: rewritten, what they share may stand above both.
        self.clone().gathered().by_module(chances, |search, at| {
            let (module, inner) = search.alone(&[Literal::of(at)], &search.s.gates_below(&[at], &|i| search.inside(i)));
            let whole = module.rewritten().by_module(&inner, |search, at| search.enclose(at, limits));
            if splits == 0 || whole.as_ref().is_ok_and(|w| close(*w)) {
                return whole;
            }
            match (whole, search.halves(at, limits, splits - 1)) {
                (Ok(whole), Some(halves)) => Ok(both(whole, halves)),
                (Err(_), Some(halves)) => Ok(halves),
                (whole, None) => whole,
            }
        })
    }

    /// Bounds of the chance that it fails, from those of its events and of one module after the other.
    fn by_module(&self, chances: &[Ends], of: impl Fn(&Search, usize) -> Result<Ends, TooLarge>) -> Result<Ends, TooLarge> {
        let is_module = modules(self);
        let mut search = Search { s: self, is_module: &is_module, harms: self.unate(), known: vec![UNKNOWN; self.nodes.len()] };
        for (at, node) in self.nodes.iter().enumerate() {
            search.known[at] = match node {
                Node::True => [[1.0, 0.0]; 2],
                Node::Event(e) => chances[*e],
                _ if is_module[at] => of(&search, at)?,
                _ => continue,
            }
        }
        let [low, high] = search.known[self.top.node()];
        let turned = |[yes, no]: Chance| [no, yes];
        Ok(if self.top.negated() { [turned(high), turned(low)] } else { [low, high] })
    }
}

/// The search for bounds of the gates of one structure.
struct Search<'a> {
    s: &'a Structure,
    is_module: &'a [bool],
    /// Where each event either never helps or never harms: whether the system tends to fail where a node is true.
    harms: Option<Vec<bool>>,
    /// Bounds of the chances of events and of the modules that were searched.
    known: Vec<Ends>,
}

impl Search<'_> {
    /// Whether a node is neither an event nor a module.
    fn inside(&self, at: usize) -> bool {
        !self.is_module[at] && !self.s.nodes[at].children().is_empty()
    }

    /// Gates that stand below the inputs, and those themselves, as far as they are no modules; inputs first.
    fn gates(&self, inputs: &[Literal]) -> Vec<usize> {
        let roots: Vec<usize> = inputs.iter().map(|l| l.node()).filter(|&at| self.inside(at)).collect();
        self.s.gates_below(&roots, &|i| self.inside(i))
    }

    /// Bounds of a gate's chance, where those of the modules below it are known.
    fn enclose(&self, at: usize, limits: Limits) -> Result<Ends, TooLarge> {
        let inside = |i: usize| self.inside(i);
        let (mut found, mut why): (Option<Ends>, _) = (None, TooLarge { events: 0, nodes: limits.nodes });
        // Which order and which way of cutting give closer ends differs from gate to gate: all are tried with little room, and ever fewer with more.
        let mut ways: Vec<Way> = orders(self.s, at, &inside)
            .flat_map(|order| [false, true].map(|merging| Way { order: order.clone(), merging, next: 0, apart: f64::INFINITY }))
            .filter(|way| !way.merging || self.harms.is_some())
            .collect();
        'stages: for share in ROOMS {
            for way in &mut ways {
                while let Some(&loss) = LOSSES.get(way.next) {
                    let mut enclosing =
                        Enclosing::new(self.s, at, &inside, way.order.clone(), &self.known, (loss, self.harms.as_deref().filter(|_| way.merging)));
                    match enclosing.bounds(self.s, Limits { nodes: limits.nodes / share }) {
                        Ok(ends) => {
                            let all = found.map_or(ends, |f| both(f, ends));
                            found = Some(all);
                            if close(all) || !enclosing.has_cut.get() {
                                break 'stages;
                            }
                            way.apart = way.apart.min(apart(ends));
                            way.next += 1;
                        }
                        Err(e) => {
                            why = e;
                            break;
                        }
                    }
                }
            }
            ways.sort_by(|a, b| a.apart.total_cmp(&b.apart));
            ways.truncate(ways.len().div_ceil(KEPT));
        }
        found.ok_or(why)
    }

    /// What the bounds of an "all" gate's largest input and of its other inputs leave open for it: its chance is at most the lesser of the two, and at least 1 less the sum of what each lacks (Fréchet 1935). A gate
    /// whose diagram has no room is often decided by the rarer half, which has constants and modules of its own once it stands alone.
    fn halves(&self, at: usize, limits: Limits, splits: usize) -> Option<Ends> {
        let Node::All(inputs) = &self.s.nodes[at] else { return None };
        let largest = *inputs.iter().filter(|l| self.inside(l.node())).take(MOST_COMPARED).max_by_key(|l| self.gates(&[**l]).len())?;
        let halves: (Vec<Literal>, Vec<Literal>) = inputs.iter().partition(|l| **l == largest);
        let room = Limits { nodes: limits.nodes / 2 };
        let of = |inputs: &[Literal]| {
            let (half, chances) = self.alone(inputs, &self.gates(inputs));
            half.ends(&chances, room, splits).unwrap_or(UNKNOWN)
        };
        let ([low, high], [other_low, other_high]) = (of(&halves.0), of(&halves.1));
        // A sum near 1 is rounded, and what is left of 1 beside it may be nothing but that.
        let lacks = ((low[1] + other_low[1]) * (1.0 + ROUNDING)).min(1.0);
        let ends = [[1.0 - lacks, lacks], both([UNKNOWN[0], high], [UNKNOWN[0], other_high])[1]];
        (ends != UNKNOWN).then_some(ends)
    }

    /// That all inputs are true, as a structure by itself, whose events are the events and modules below these gates; and the bounds of their chances. Gates stand behind their inputs.
    fn alone(&self, inputs: &[Literal], gates: &[usize]) -> (Structure, Vec<Ends>) {
        let mut out = Builder::default();
        let mut chances = Vec::new();
        let mut now: FxHashMap<usize, Literal> = FxHashMap::default();
        let leaves = gates.iter().flat_map(|&g| self.s.nodes[g].children()).chain(inputs).map(|l| l.node());
        for leaf in leaves.filter(|at| gates.binary_search(at).is_err()) {
            now.entry(leaf).or_insert_with(|| {
                chances.push(self.known[leaf]);
                out.event(chances.len() - 1)
            });
        }
        for &g in gates {
            let made = out.again(&self.s.nodes[g], |l| now[&l.node()].when(l.negated()));
            now.insert(g, made);
        }
        let top = out.all(inputs.iter().map(|l| now[&l.node()].when(l.negated())));
        (out.finish(top), chances)
    }
}

/// A way to enclose a gate, and how far it has come.
struct Way {
    order: Vec<usize>,
    merging: bool,
    /// Which of the losses is next.
    next: usize,
    /// How far its closest ends are apart.
    apart: f64,
}

/// What becomes of a place.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Unreached,
    Kept,
    /// False in a lower function, true in an upper one.
    Cut,
    /// As if one of its two ways were taken always: in a lower function that of the event's state in which the gate is less likely to be true, in an upper one the other. Where each event only ever harms or only ever
    /// helps, that bounds it.
    Merged(Edge),
}

struct Enclosing<'a> {
    gates: Vec<usize>,
    order: Vec<usize>,
    /// Lower and upper bounds of the variables' chances, by level.
    chances: Vec<Ends>,
    edges: FxHashMap<usize, Pair>,
    loss: f64,
    /// Where places are merged: whether the system tends to fail where a node is true.
    harms: Option<&'a [bool]>,
    /// Whether anything was cut.
    has_cut: Cell<bool>,
}

impl<'a> Enclosing<'a> {
    fn new(
        s: &Structure,
        module: usize,
        inside: &impl Fn(usize) -> bool,
        order: Vec<usize>,
        known: &[Ends],
        (loss, harms): (f64, Option<&'a [bool]>),
    ) -> Self {
        let chances = order.iter().map(|&v| known[v]).collect();
        Enclosing { gates: s.gates_below(&[module], inside), order, chances, edges: FxHashMap::default(), loss, harms, has_cut: Cell::new(false) }
    }

    fn bounds(&mut self, s: &Structure, limits: Limits) -> Result<Ends, TooLarge> {
        let mut b = Bdd::new(limits.nodes);
        let top = self.functions(s, &mut b, limits.nodes).map_err(|_: Full| TooLarge { events: self.order.len(), nodes: limits.nodes })?;
        // A lower bound of the lower function is what an upper one leaves of its negation, worked out by itself.
        let (least, most) = (self.values(b.nodes(), 0), self.values(b.nodes(), 1));
        let [low, high] = top.map(|e| e as usize);
        Ok([[least[low], most[low ^ 1]], [most[high], least[high ^ 1]]])
    }

    /// The two functions that enclose the module, in a diagram of so many nodes at most.
    fn functions(&mut self, s: &Structure, b: &mut Bdd, most: usize) -> Result<Pair, Full> {
        for (level, &v) in self.order.iter().enumerate() {
            let e = b.event(level as u32)?;
            self.edges.insert(v, [e, e]);
        }
        let mut uses: FxHashMap<usize, usize> = FxHashMap::default();
        self.gates.iter().flat_map(|&g| s.nodes[g].children()).for_each(|l| *uses.entry(l.node()).or_default() += 1);
        let mut top = [FALSE; 2];
        let tidy = TIDY.min(most / 4);
        let mut tidied = 0;
        for g in self.gates.clone() {
            top = self.gate(g, &s.nodes[g], b)?;
            self.edges.insert(g, top);
            for l in s.nodes[g].children() {
                let left = uses.entry(l.node()).or_default();
                *left -= 1;
                if *left == 0 {
                    self.edges.remove(&l.node());
                }
            }
            if b.len() > tidy.max(2 * tidied) {
                let names: Vec<usize> = self.edges.keys().copied().collect();
                let mut all: Vec<Edge> = names.iter().flat_map(|n| self.edges[n]).collect();
                b.tidy(&mut all);
                names.iter().zip(all.chunks_exact(2)).for_each(|(n, e)| _ = self.edges.insert(*n, [e[0], e[1]]));
                top = self.edges[&g];
                tidied = b.len();
            }
        }
        Ok(top)
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

    fn gate(&self, at: usize, gate: &Node, b: &mut Bdd) -> Result<Pair, Full> {
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
                self.cut(at, b, so_far[*least])
            }
            Node::Odd(_) => inputs.into_iter().try_fold([FALSE; 2], |odd, e| {
                let (one, other) = (and(b, e, not(odd))?, and(b, not(e), odd)?);
                let joined = or(b, one, other)?;
                self.cut(at, b, joined)
            }),
            _ => inputs.into_iter().try_fold([TRUE; 2], |all, e| {
                let joined = and(b, all, e)?;
                self.cut(at, b, joined)
            }),
        }
    }

    /// Without what is hardly ever reached.
    fn cut(&self, gate: usize, b: &mut Bdd, pair: Pair) -> Result<Pair, Full> {
        Ok([self.cut_one(gate, b, pair[0], 0)?, self.cut_one(gate, b, pair[1], 1)?])
    }

    /// A function of a gate, or of some of its inputs, cut from below (0) or above (1).
    fn cut_one(&self, gate: usize, b: &mut Bdd, edge: Edge, side: usize) -> Result<Edge, Full> {
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
        if reached.len() < LEAST_CUT {
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
                let mut ways = [(low, 1.0 - p), (high, p)];
                if let Some(harms) = self.harms {
                    // What the gate is like where the event has happened holds what it is like where it has not, or the other way round; values do not say which, as they are rounded and what they are of is cut.
                    let level = b.nodes()[(reached[i] >> 1) as usize].level as usize;
                    let rises = harms[gate] == harms[self.order[level]];
                    // The way that the bound goes, and how likely the other one is.
                    let (taken, other, gain) = if rises == (side == 1) { (high, 1.0 - p, to_high - to_low) } else { (low, p, to_low - to_high) };
                    let gained = reach[i] * other * (if side == 1 { gain } else { -gain }).max(0.0);
                    if gained < least {
                        lost += gained;
                        fate[i] = Fate::Merged(taken);
                        ways = [(taken, 1.0), (TRUE, 0.0)];
                    }
                }
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
            self.has_cut.set(true);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const EVENTS: usize = 13;

    /// Not only chances: for every pattern of events the lower function implies the gate, and the gate the upper one, also where chances are so small that values are rounded.
    #[test]
    fn what_encloses_a_gate_implies_it_and_is_implied() {
        let (mut cut, mut merged) = (0, 0);
        for seed in 0..8 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut b = Builder::new();
            let e: Vec<Literal> = (0..EVENTS).map(|i| b.event(i)).collect();
            let triple = b.all([e[0], e[1], e[2]]);
            let fours: Vec<Literal> = (0..24).map(|_| b.all((0..4).map(|_| e[rng.random_range(0..EVENTS)]).collect::<Vec<_>>())).collect();
            let some = b.any(fours.into_iter().chain([triple]));
            let two = b.at_least(2, [e[0], e[1], e[2]]);
            // Half of them are antitone.
            let top = if seed % 2 == 0 { b.all([some, two]) } else { !b.any([!some, !two]) };
            let top = if seed % 4 < 2 { top } else { !top };
            let s = b.finish(top);
            let at = s.top.node();
            let inside = |i: usize| !s.nodes[i].children().is_empty();
            let harms = s.unate().unwrap();
            let order = orders(&s, at, &inside).next().unwrap();
            let truth: Vec<bool> = (0u32..1 << EVENTS).map(|pattern| s.values(|e| pattern >> e & 1 == 1)[at]).collect();
            for p in [1e-6, 0.01, 0.3] {
                let known = vec![[[p, 1.0 - p]; 2]; s.nodes.len()];
                for (loss, merging) in [0.5, 0.1, 0.01].into_iter().flat_map(|loss| [(loss, false), (loss, true)]) {
                    let mut enclosing = Enclosing::new(&s, at, &inside, order.clone(), &known, (loss, merging.then_some(harms.as_slice())));
                    let mut b = Bdd::new(1 << 20);
                    let pair = enclosing.functions(&s, &mut b, 1 << 20).unwrap();
                    let value = |mut edge: Edge, pattern: u32| {
                        while edge > 1 {
                            let n = b.nodes()[(edge >> 1) as usize];
                            let Node::Event(event) = s.nodes[order[n.level as usize]] else { unreachable!() };
                            edge = if pattern >> event & 1 == 1 { n.high } else { n.low } ^ edge & 1;
                        }
                        edge == TRUE
                    };
                    for (pattern, &truth) in truth.iter().enumerate() {
                        let [low, high] = pair.map(|edge| value(edge, pattern as u32));
                        assert!((!low || truth) && (!truth || high), "seed {seed}, p {p}, loss {loss}, merging {merging}: {pattern:b}");
                    }
                    cut += usize::from(enclosing.has_cut.get() && !merging);
                    merged += usize::from(enclosing.has_cut.get() && merging);
                }
            }
        }
        assert!(cut > 20 && merged > 20, "{cut} {merged}");
    }

    #[test]
    fn the_closer_of_two_ends_is_found_however_small() {
        let ends = |low: f64, high: f64| [[low, 1.0 - low], [high, 1.0 - high]];
        assert_eq!(both(ends(1e-20, 3e-20), ends(2e-20, 4e-20)), ends(2e-20, 3e-20));
        let turned = |ends: Ends| [ends[1], ends[0]].map(|[yes, no]| [no, yes]);
        assert_eq!(both(turned(ends(1e-20, 3e-20)), turned(ends(2e-20, 4e-20))), turned(ends(2e-20, 3e-20)));
    }
}
