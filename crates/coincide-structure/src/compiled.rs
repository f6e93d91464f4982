//! From a structure to diagrams, a module a diagram, and from those to probabilities.

use crate::bdd::{Bdd, Decision, Edge, FALSE, TRUE};
use crate::cut_sets::{CutSets, Sets};
use crate::graph::{Node, Structure};
use crate::modules::modules;
use crate::race::race;
use rustc_hash::FxHashMap;

/// How large diagrams may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes of one module's diagram while it is made; a node takes about 40 bytes.
    pub nodes: usize,
}

impl Default for Limits {
    /// 100 million nodes.
    fn default() -> Self {
        Limits { nodes: 100_000_000 }
    }
}

/// A module needs a larger diagram than the limits allow, whatever order of its events was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of the structure with {events} events needs a decision diagram of more than {nodes} nodes")]
pub struct TooLarge {
    /// Events and inner modules of the part.
    pub events: usize,
    /// The limit.
    pub nodes: usize,
}

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    Event(usize),
    /// An earlier module.
    Module(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Module {
    pub variables: Vec<Variable>,
    /// Inputs first; the first is no decision.
    pub nodes: Vec<Decision>,
    pub top: Edge,
    /// No edge is negated but to what is false: then a probability needs no other beside it.
    plain: bool,
}

impl Module {
    fn new(variables: Vec<Variable>, nodes: Vec<Decision>, top: Edge) -> Module {
        let plain = |e: Edge| e & 1 == 0 || e == FALSE;
        let plain = plain(top) && nodes.iter().all(|n| plain(n.low));
        Module { variables, nodes, top, plain }
    }
}

/// A structure as decision diagrams.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// Inner ones first; the last is the whole.
    modules: Vec<Module>,
    events: usize,
    coherent: bool,
}

impl Structure {
    /// Decision diagrams that say the same. Each module tries several orders of its events side by side, with room for more and more nodes.
    ///
    /// Fails where a module fits in no order.
    pub fn compile(&self, limits: Limits) -> Result<Compiled, TooLarge> {
        let smaller = self.rewritten();
        let mut out = deep(smaller.nodes.len(), || smaller.compile_here(limits, modules(&smaller)))?;
        // What turned out not to matter has its number still.
        out.events = self.events().last().map_or(0, |e| e + 1);
        Ok(out)
    }

    /// The same as one diagram, whatever modules there are.
    ///
    /// Fails as [`compile`](Self::compile).
    pub fn compile_whole(&self, limits: Limits) -> Result<Compiled, TooLarge> {
        let whole = (0..self.nodes.len()).map(|at| at == self.top.node()).collect();
        deep(self.nodes.len(), || self.compile_here(limits, Vec::clone(&whole)))
    }

    fn compile_here(&self, limits: Limits, is_module: Vec<bool>) -> Result<Compiled, TooLarge> {
        let events = self.events().last().map_or(0, |e| e + 1);
        let mut compiled = Compiled { modules: Vec::new(), events, coherent: self.coherent() };
        if self.nodes[self.top.node()].children().is_empty() {
            let (variables, top) = match self.nodes[self.top.node()] {
                Node::Event(number) => (vec![Variable::Event(number)], 2),
                _ => (Vec::new(), TRUE),
            };
            let mut b = Bdd::new(2 + variables.len());
            let made = if variables.is_empty() { Ok(TRUE) } else { b.event(0) };
            debug_assert_eq!(made, Ok(top));
            compiled.modules.push(Module::new(variables, b.into_nodes(), top ^ u32::from(self.top.negated())));
            return Ok(compiled);
        }
        // A module that is true while no event has happened is its negation: so what it stands for are cut sets, and the diagram of a coherent structure is coherent.
        let calm = self.values(|_| false);
        let mut numbers = FxHashMap::default();
        for at in (0..self.nodes.len()).filter(|&at| is_module[at]) {
            let inside = |i: usize| !is_module[i] && !self.nodes[i].children().is_empty();
            let turned = |i: usize| is_module[i] && calm[i];
            let (variables, nodes, top) = race(self, at, &inside, &turned, limits)?;
            let variable = |v: &usize| match self.nodes[*v] {
                Node::Event(number) => Variable::Event(number),
                _ => Variable::Module(numbers[v]),
            };
            let variables = variables.iter().map(variable).collect();
            numbers.insert(at, compiled.modules.len());
            compiled.modules.push(Module::new(variables, nodes, top ^ u32::from(turned(at))));
        }
        // The top, turned or not, is what stands for the system.
        let turned = calm[self.top.node()];
        if let Some(last) = compiled.modules.last_mut()
            && turned != self.top.negated()
        {
            last.top ^= 1;
            last.plain = false;
        }
        Ok(compiled)
    }

    /// Whether no event ever helps, as the gates are written.
    pub fn coherent(&self) -> bool {
        let helps = self.signs();
        (0..self.nodes.len()).all(|at| !helps[at].1 || !matches!(self.nodes[at], Node::Event(_)))
    }

    /// Where each event either never helps or never harms, as the gates are written: of each node, whether it can bring the failure about by being true.
    pub(crate) fn unate(&self) -> Option<Vec<bool>> {
        let signs = self.signs();
        signs.iter().all(|s| *s != (true, true)).then(|| signs.iter().map(|s| s.0).collect())
    }

    /// Whether each node can bring the failure about by being true, and by being false.
    fn signs(&self) -> Vec<(bool, bool)> {
        let mut out = vec![(false, false); self.nodes.len()];
        out[self.top.node()] = (!self.top.negated(), self.top.negated());
        for at in (0..self.nodes.len()).rev() {
            let (up, down) = out[at];
            let either = up || down;
            for l in self.nodes[at].children() {
                let (yes, no) = match &self.nodes[at] {
                    Node::Odd(_) => (either, either),
                    _ if l.negated() => (down, up),
                    _ => (up, down),
                };
                let sign = &mut out[l.node()];
                *sign = (sign.0 || yes, sign.1 || no);
            }
        }
        out
    }
}

impl Compiled {
    /// How many probabilities it needs: one more than the largest number of an event.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Modules, and decisions in all their diagrams.
    pub fn size(&self) -> (usize, usize) {
        (self.modules.len(), self.modules.iter().map(|m| m.nodes.len() - 1).sum())
    }

    /// P(the system fails) where the events are independent and `p` are their probabilities, by number. Neither a small failure rate nor a small chance of holding loses digits: both are summed,
    /// and nothing is subtracted but in `1 − p`.
    ///
    /// # Panics
    ///
    /// Where `p` is shorter than [`events`](Self::events), or one of its numbers is no probability.
    pub fn probability(&self, p: &[f64]) -> f64 {
        assert!(p.len() >= self.events, "{} probabilities for {} events", p.len(), self.events);
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "a probability lies between 0 and 1");
        // Of every module: that it is true, and that it is not.
        let mut modules: Vec<[f64; 2]> = Vec::with_capacity(self.modules.len());
        let mut values: Vec<[f64; 2]> = Vec::new();
        for m in &self.modules {
            let of = |v: &Variable| match *v {
                Variable::Event(number) => [p[number], 1.0 - p[number]],
                Variable::Module(number) => modules[number],
            };
            let chances: Vec<[f64; 2]> = m.variables.iter().map(of).collect();
            values.clear();
            values.push([1.0, 0.0]);
            for n in &m.nodes[1..] {
                let [yes, no] = chances[n.level as usize];
                let (high, low) = (at(&values, n.high), at(&values, n.low));
                values.push([yes * high[0] + no * low[0], yes * high[1] + no * low[1]]);
            }
            modules.push(at(&values, m.top));
        }
        modules.last().map_or(f64::NAN, |m| m[0])
    }

    /// P(the system fails) of `n` sets of probabilities: the one of event `e` in the set `z` stands at `p[e * n + z]`.
    ///
    /// # Panics
    ///
    /// Where `p` is not as long as [`events`](Self::events) times `n` at least.
    ///
    /// ```
    /// # use coincide_structure::{Builder, Limits};
    /// let mut b = Builder::new();
    /// let (x, y) = (b.event(0), b.event(1));
    /// let both = b.all([x, y]);
    /// let system = b.finish(both).compile(Limits::default())?;
    /// assert_eq!(system.probabilities(&[0.5, 0.25, 0.125, 0.5, 0.5, 1.0], 3), [0.25, 0.125, 0.125]);
    /// # Ok::<(), coincide_structure::TooLarge>(())
    /// ```
    pub fn probabilities(&self, p: &[f64], n: usize) -> Vec<f64> {
        assert!(p.len() >= self.events * n, "{} probabilities for {} events in {n} sets", p.len(), self.events);
        let mut out = Vec::with_capacity(n);
        let mut space = Space::default();
        for first in (0..n).step_by(LANES) {
            let lanes = LANES.min(n - first);
            let of = |event: usize| {
                // Lanes beyond the last repeat it.
                std::array::from_fn(|lane| p[event * n + first + lane.min(lanes - 1)])
            };
            pulp::Arch::new().dispatch(|| self.block(&of, &mut space));
            out.extend(space.modules.last().into_iter().flat_map(|m| &m[0][..lanes]));
        }
        out
    }

    /// The modules' probabilities, a lane a set of probabilities.
    #[inline(always)]
    fn block(&self, of: &impl Fn(usize) -> Lanes, space: &mut Space) {
        let Space { modules, values, plain, chances } = space;
        // A chance of holding that is 1 less one of failing keeps its digits only beside failures that are likely: where nothing is ever negated.
        let all_plain = self.coherent && self.modules.iter().all(|m| m.plain);
        modules.clear();
        for m in &self.modules {
            chances.clear();
            chances.extend(m.variables.iter().map(|v| match *v {
                Variable::Event(number) => {
                    let p = of(number);
                    [p, p.map(|p| 1.0 - p)]
                }
                Variable::Module(number) => modules[number],
            }));
            if all_plain {
                // A value behind each edge: node 0 negated is false, and lies at 1.
                let place = |e: Edge| if e == FALSE { 1 } else { (e >> 1) as usize + usize::from(e > FALSE) };
                plain.clear();
                plain.extend([[1.0; LANES], [0.0; LANES]]);
                for n in &m.nodes[1..] {
                    let [yes, no] = &chances[n.level as usize];
                    let (high, low) = (&plain[place(n.high)], &plain[place(n.low)]);
                    let mut made = [0.0; LANES];
                    for lane in 0..LANES {
                        made[lane] = yes[lane].mul_add(high[lane], no[lane] * low[lane]);
                    }
                    plain.push(made);
                }
                let yes = plain[place(m.top)];
                modules.push([yes, yes.map(|p| 1.0 - p)]);
                continue;
            }
            values.clear();
            values.push([[1.0; LANES], [0.0; LANES]]);
            for n in &m.nodes[1..] {
                let [yes, no] = &chances[n.level as usize];
                let (high, low) = (&values[(n.high >> 1) as usize], &values[(n.low >> 1) as usize]);
                let turn = (n.low & 1) as usize;
                let mut made = [[0.0; LANES]; 2];
                for lane in 0..LANES {
                    made[0][lane] = yes[lane].mul_add(high[0][lane], no[lane] * low[turn][lane]);
                    made[1][lane] = yes[lane].mul_add(high[1][lane], no[lane] * low[1 - turn][lane]);
                }
                values.push(made);
            }
            let [yes, no] = values[(m.top >> 1) as usize];
            modules.push(if m.top & 1 == 1 { [no, yes] } else { [yes, no] });
        }
    }

    /// P(the system fails) where all events of the first of two sets surely happen, and where surely none of the second does: what importance measures are made of. Events that it does not have are passed over.
    ///
    /// # Panics
    ///
    /// As [`probabilities`](Self::probabilities).
    pub fn with_sure(&self, p: &[f64], sets: &[(Vec<usize>, Vec<usize>)]) -> Vec<[f64; 2]> {
        let mut out = Vec::with_capacity(sets.len());
        for sets in sets.chunks(LANES / 2) {
            let n = 2 * sets.len();
            let mut rows: Vec<f64> = p[..self.events].iter().flat_map(|&p| std::iter::repeat_n(p, n)).collect();
            for (at, (happen, fail_to)) in sets.iter().enumerate() {
                happen.iter().filter(|e| **e < self.events).for_each(|e| rows[e * n + 2 * at] = 1.0);
                fail_to.iter().filter(|e| **e < self.events).for_each(|e| rows[e * n + 2 * at + 1] = 0.0);
            }
            out.extend(self.probabilities(&rows, n).chunks_exact(2).map(|c| [c[0], c[1]]));
        }
        out
    }

    /// Whether no event ever helps: then further failures never repair the system.
    pub fn coherent(&self) -> bool {
        self.coherent
    }

    pub(crate) fn one_module(variables: Vec<Variable>, nodes: Vec<Decision>, top: Edge) -> Compiled {
        let event = |v: &Variable| if let Variable::Event(number) = v { number + 1 } else { 0 };
        let events = variables.iter().map(event).max().unwrap_or(0);
        Compiled { modules: vec![Module::new(variables, nodes, top)], events, coherent: true }
    }

    /// The minimal cut sets: the sets of events that make the system fail while all others do not happen, and of which none may be left out. In a structure that is not
    /// [coherent](Self::coherent) further events may help: there a cut set need not make the system fail whatever else happens.
    ///
    /// Fails where a module's sets need more than `limits.nodes` nodes.
    pub fn cut_sets(&self, limits: Limits) -> Result<CutSets, NoCutSets> {
        let levels = self.modules.iter().map(|m| m.variables.len()).max().unwrap_or(0);
        deep(levels, || Ok(CutSets { modules: self.modules.iter().map(|m| Sets::of(m, limits)).collect::<Result<_, _>>()? }))
    }
}

/// Sets of probabilities that are worked on at once.
const LANES: usize = 8;
type Lanes = [f64; LANES];

/// Room for one block.
#[derive(Default)]
struct Space {
    /// That each is true, and that it is not.
    modules: Vec<[Lanes; 2]>,
    values: Vec<[Lanes; 2]>,
    plain: Vec<Lanes>,
    chances: Vec<[Lanes; 2]>,
}

/// Why minimal cut sets are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCutSets {
    /// A module's sets need more nodes than the limits allow.
    #[error("the minimal cut sets of a part of the structure need a diagram of more than {nodes} nodes")]
    TooLarge {
        /// The limit.
        nodes: usize,
    },
    /// There are more than can be counted.
    #[error("there are more than 3.4e38 minimal cut sets of one size")]
    TooMany,
}

/// Runs something that goes as deep as there are levels, on a stack with room for that.
pub(crate) fn deep<T: Send>(levels: usize, f: impl Fn() -> T + Sync) -> T {
    let room = (1 << 20) + levels.saturating_mul(512);
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(room).spawn_scoped(scope, &f).map(std::thread::ScopedJoinHandle::join) {
        Ok(Ok(made)) => made,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        // No thread is to be had: this one's stack has to do.
        Err(_) => f(),
    })
}

fn at(values: &[[f64; 2]], edge: Edge) -> [f64; 2] {
    let [yes, no] = values[(edge >> 1) as usize];
    if edge & 1 == 1 { [no, yes] } else { [yes, no] }
}
