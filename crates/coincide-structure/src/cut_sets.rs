//! Minimal cut sets: the sets of events that make the system fail and of which no event may be left out (Rauzy 1993). They stand in a zero-suppressed decision diagram a module, and are counted there
//! without being listed: there may be more of them than could be. The smallest or likeliest are listed best first, each in as many steps as it passes decisions.

use crate::bdd::{Bdd, Edge, FALSE, TRUE};
use crate::compiled::{Compiled, Limits, Module, NoCutSets, TooLarge, Variable};
use crate::store::{Cache, Decision, Full, Store};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::num::NonZero;

/// A family of sets.
type Family = u32;

/// No set.
const NONE: Family = 0;
/// The empty set alone.
const EMPTY: Family = 1;

/// Families of sets over the variables of one module, while they are made: by the first of their events, those without it and those with it. A family without any set with it is that without it.
struct Making {
    store: Store,
    /// Of each family, whether the empty set is in it.
    has_empty: Vec<bool>,
    /// The minimal solutions of each edge, where they were computed.
    solved: Vec<Option<NonZero<Family>>>,
    /// What of a family holds nothing of another.
    freed: Cache,
    /// Results of that which may still be computed.
    left: usize,
}

/// Results computed at most, for each node that there may be: some make no node.
const MOST_RESULTS: usize = 16;
/// Results remembered at most.
const REMEMBERED: usize = 1 << 23;

impl Making {
    fn new(edges: usize, most: usize) -> Making {
        Making {
            store: Store::new(2, most),
            has_empty: vec![false, true],
            solved: vec![None; edges],
            freed: Cache::new(),
            left: most.saturating_mul(MOST_RESULTS),
        }
    }

    fn split(&mut self, level: u32, without: Family, with: Family) -> Result<Family, Full> {
        if with == NONE {
            return Ok(without);
        }
        let number = self.store.number(Decision { level, low: without, high: with })?;
        if number as usize == self.has_empty.len() {
            self.has_empty.push(self.has_empty[without as usize]);
            self.freed.hold(self.store.places().min(REMEMBERED));
        }
        Ok(number)
    }

    /// The smallest sets of events that make a function true while all others do not happen. As deep as there are levels.
    fn minimal(&mut self, bdd: &[Decision], edge: Edge) -> Result<Family, Full> {
        let n = match edge {
            TRUE => return Ok(EMPTY),
            FALSE => return Ok(NONE),
            _ => bdd[(edge >> 1) as usize],
        };
        if let Some(known) = self.solved[edge as usize] {
            return Ok(known.get() - 1);
        }
        let without = self.minimal(bdd, n.low ^ (edge & 1))?;
        let with = self.minimal(bdd, n.high ^ (edge & 1))?;
        // What suffices without the event needs it not.
        let with = self.free(with, without)?;
        let made = self.split(n.level, without, with)?;
        self.solved[edge as usize] = NonZero::new(made + 1);
        Ok(made)
    }

    /// The sets of a family that hold no set of the other.
    fn free(&mut self, of: Family, mut from: Family) -> Result<Family, Full> {
        if of == NONE || from == NONE {
            return Ok(of);
        }
        if of == from || self.has_empty[from as usize] {
            return Ok(NONE);
        }
        if of == EMPTY {
            return Ok(EMPTY);
        }
        // No set of the family has the events before its first.
        let a = self.store.nodes[of as usize];
        let mut b = self.store.nodes[from as usize];
        while b.level < a.level {
            from = b.low;
            if from == NONE {
                return Ok(of);
            }
            b = self.store.nodes[from as usize];
        }
        if of == from {
            return Ok(NONE);
        }
        if let Some(known) = self.freed.get(of, from) {
            return Ok(known);
        }
        self.left = self.left.checked_sub(1).ok_or(Full)?;
        let made = if a.level < b.level {
            let (without, with) = (self.free(a.low, from)?, self.free(a.high, from)?);
            self.split(a.level, without, with)?
        } else {
            let without = self.free(a.low, b.low)?;
            let with = self.free(a.high, b.low)?;
            let with = self.free(with, b.high)?;
            self.split(a.level, without, with)?
        };
        self.freed.put(of, from, made);
        Ok(made)
    }
}

/// The cut sets of one module.
#[derive(Debug, Clone)]
pub(crate) struct Sets {
    variables: Vec<Variable>,
    nodes: Vec<Decision>,
    top: Family,
}

impl Sets {
    /// Those of a module's diagram. As deep as there are levels.
    pub(crate) fn of(module: &Module, limits: Limits) -> Result<Sets, NoCutSets> {
        let mut making = Making::new(2 * module.nodes.len(), limits.nodes);
        let top = making.minimal(&module.nodes, module.top).map_err(|Full| NoCutSets::TooLarge { nodes: limits.nodes })?;
        Ok(Sets { variables: module.variables.clone(), nodes: making.store.nodes, top })
    }
}

/// The minimal cut sets of a structure: sets of events that make the system fail while all others do not happen, and of which no event may be left out.
///
/// ```
/// use coincide_structure::{Builder, Limits};
/// let mut b = Builder::new();
/// let [a, b_, c] = [0, 1, 2].map(|i| b.event(i));
/// let both = b.all([b_, c]);
/// let top = b.any([a, both]);
/// let sets = b.finish(top).compile(Limits::default())?.cut_sets(Limits::default())?;
/// assert_eq!(sets.by_order()?, [0, 1, 1]);
/// let listed = sets.likeliest(&[0.001, 0.1, 0.2], 10);
/// assert_eq!(listed[0].events, [1, 2]);
/// assert!((listed[0].probability - 0.02).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CutSets {
    /// Inner ones first; the last is the whole.
    pub(crate) modules: Vec<Sets>,
}

/// A minimal cut set.
#[derive(Debug, Clone, PartialEq)]
pub struct CutSet {
    /// The events by number, ascending.
    pub events: Vec<usize>,
    /// The product of their probabilities.
    pub probability: f64,
}

/// What a set costs: first what the list is by, then what decides between equals.
type Cost = [f64; 2];

fn plus(a: Cost, b: Cost) -> Cost {
    [a[0] + b[0], a[1] + b[1]]
}

fn compare(a: &Cost, b: &Cost) -> Ordering {
    a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]))
}

/// No set at all.
const NEVER: Cost = [f64::INFINITY; 2];

/// A set that is being put together: the best that can come of it, what was chosen, and where to go on.
struct Partial {
    total: Cost,
    spent: Cost,
    module: usize,
    at: Family,
    /// Places in lists that share their ends; 0 is the end.
    chosen: usize,
    waiting: usize,
}

impl PartialEq for Partial {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Partial {}
impl PartialOrd for Partial {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Partial {
    /// The cheapest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&other.total, &self.total)
    }
}

/// What is still to be put together after a module: where in which module to go on, the least that this and everything behind it costs, and what comes behind it.
#[derive(Clone, Copy)]
struct Waiting {
    module: usize,
    at: Family,
    least: Cost,
    next: usize,
}

impl CutSets {
    /// How many there are, by the number of their events.
    ///
    /// Fails beyond 3.4e38 of a size.
    pub fn by_order(&self) -> Result<Vec<u128>, NoCutSets> {
        let mut modules: Vec<Vec<u128>> = Vec::with_capacity(self.modules.len());
        for m in &self.modules {
            let mut counts: Vec<Vec<u128>> = Vec::with_capacity(m.nodes.len());
            counts.extend([vec![], vec![1]]);
            let one = [0, 1];
            for n in &m.nodes[2..] {
                let level = match m.variables[n.level as usize] {
                    Variable::Event(_) => one.as_slice(),
                    Variable::Module(number) => modules[number].as_slice(),
                };
                let mut sum = counts[n.low as usize].clone();
                for (i, a) in level.iter().enumerate().filter(|(_, a)| **a > 0) {
                    for (j, b) in counts[n.high as usize].iter().enumerate() {
                        if sum.len() <= i + j {
                            sum.resize(i + j + 1, 0);
                        }
                        let more = a.checked_mul(*b).and_then(|more| sum[i + j].checked_add(more));
                        sum[i + j] = more.ok_or(NoCutSets::TooMany)?;
                    }
                }
                counts.push(sum);
            }
            modules.push(counts.swap_remove(m.top as usize));
        }
        Ok(modules.pop().unwrap_or_default())
    }

    /// The `most` likeliest, the likeliest first; `p` are the events' probabilities by number. Sets that hold an impossible event are left out.
    pub fn likeliest(&self, p: &[f64], most: usize) -> Vec<CutSet> {
        self.best(p, most, |order, surprise| [surprise, order])
    }

    /// The `most` smallest, of as many events the likeliest first.
    pub fn smallest(&self, p: &[f64], most: usize) -> Vec<CutSet> {
        self.best(p, most, |order, surprise| [order, surprise])
    }

    fn best(&self, p: &[f64], most: usize, cost: impl Fn(f64, f64) -> Cost) -> Vec<CutSet> {
        // The least that a set of each family costs, module by module.
        let mut least: Vec<Vec<Cost>> = Vec::with_capacity(self.modules.len());
        let step = |least: &[Vec<Cost>], m: &Sets, level: u32| match m.variables[level as usize] {
            Variable::Event(number) => cost(1.0, -p[number].ln()),
            Variable::Module(number) => least[number][self.modules[number].top as usize],
        };
        for m in &self.modules {
            let mut own = Vec::with_capacity(m.nodes.len());
            own.extend([NEVER, [0.0; 2]]);
            for n in &m.nodes[2..] {
                let with = plus(step(&least, m, n.level), own[n.high as usize]);
                let without = own[n.low as usize];
                own.push(if compare(&with, &without).is_lt() { with } else { without });
            }
            least.push(own);
        }
        let Some(last) = self.modules.last() else { return Vec::new() };
        let mut chosen: Vec<(usize, usize)> = vec![(0, 0)];
        let mut waiting = vec![Waiting { module: 0, at: EMPTY, least: [0.0; 2], next: 0 }];
        let mut heap = BinaryHeap::new();
        let whole = self.modules.len() - 1;
        let possible = |total: &Cost| total[0].is_finite();
        let begin = least[whole][last.top as usize];
        if possible(&begin) {
            heap.push(Partial { total: begin, spent: [0.0; 2], module: whole, at: last.top, chosen: 0, waiting: 0 });
        }
        let mut out = Vec::new();
        while out.len() < most
            && let Some(mut set) = heap.pop()
        {
            // Down along the cheapest; what is passed by waits its turn.
            loop {
                if set.at == EMPTY {
                    if set.waiting == 0 {
                        break;
                    }
                    let next = waiting[set.waiting];
                    (set.module, set.at, set.waiting) = (next.module, next.at, next.next);
                    continue;
                }
                let m = &self.modules[set.module];
                let n = m.nodes[set.at as usize];
                let behind = waiting[set.waiting].least;
                let without = plus(set.spent, plus(least[set.module][n.low as usize], behind));
                let with_step = step(&least, m, n.level);
                let with = plus(set.spent, plus(plus(with_step, least[set.module][n.high as usize]), behind));
                let other = Partial { total: without, at: n.low, ..set };
                match m.variables[n.level as usize] {
                    Variable::Event(number) => {
                        chosen.push((number, set.chosen));
                        (set.chosen, set.at) = (chosen.len() - 1, n.high);
                        set.spent = plus(set.spent, with_step);
                    }
                    Variable::Module(number) => {
                        let least = plus(least[set.module][n.high as usize], behind);
                        waiting.push(Waiting { module: set.module, at: n.high, least, next: set.waiting });
                        (set.module, set.at, set.waiting) = (number, self.modules[number].top, waiting.len() - 1);
                    }
                }
                set.total = with;
                let (first, second) = if compare(&with, &without).is_lt() { (set, other) } else { (other, set) };
                if possible(&second.total) {
                    heap.push(second);
                }
                set = first;
            }
            let mut events = Vec::new();
            while set.chosen > 0 {
                let (event, before) = chosen[set.chosen];
                events.push(event);
                set.chosen = before;
            }
            events.sort_unstable();
            let probability = events.iter().map(|&e| p[e]).product();
            out.push(CutSet { events, probability });
        }
        out
    }

    /// What says that a minimal cut set which holds at least one of these events has happened, all of it: the numerator of Fussell and Vesely's importance. Only where the structure was compiled
    /// [as one module](crate::Structure::compile_whole): `None` else.
    ///
    /// Fails where its diagram has more nodes than the limits allow.
    pub fn holding(&self, some_of: &[usize], limits: Limits) -> Result<Option<Compiled>, TooLarge> {
        let [m] = &self.modules[..] else { return Ok(None) };
        let wanted: Vec<bool> = m.variables.iter().map(|v| matches!(v, Variable::Event(number) if some_of.contains(number))).collect();
        let too_large = |_| TooLarge { events: m.variables.len(), nodes: limits.nodes };
        let mut b = Bdd::new(limits.nodes);
        // Of every family: that some set of it has happened, and that one has which holds a wanted event.
        let mut made: Vec<[Edge; 2]> = vec![[FALSE; 2], [TRUE, FALSE]];
        for n in &m.nodes[2..] {
            let event = b.event(n.level).map_err(too_large)?;
            let (without, with) = (made[n.low as usize], made[n.high as usize]);
            let one = |of: usize, with: Edge, b: &mut Bdd| {
                let both = b.and(event, with)?;
                b.or(without[of], both)
            };
            let any = one(0, with[0], &mut b).map_err(too_large)?;
            let held = one(1, if wanted[n.level as usize] { with[0] } else { with[1] }, &mut b).map_err(too_large)?;
            made.push([any, held]);
        }
        let top = made[m.top as usize][1];
        Ok(Some(Compiled::one_module(m.variables.clone(), b.into_nodes(), top)))
    }
}
