//! The same function as a smaller graph: what makes diagrams smaller before there are any.
//!
//! * **What a gate needs is so below it.** In x ∧ H, x is true wherever H matters: below the gate, in whatever is reached through it alone, x is a constant. That is every gate that it dominates.
//! * **What alternatives share stands once.** (x ∧ A) ∨ (x ∧ B) is x ∧ (A ∨ B), and the same with and and or exchanged.
//!
//! Both make constants and modules for each other, so they take turns until nothing changes. Last, [inputs that belong together](Structure::gathered) become modules.

use crate::graph::{Builder, Literal, Node, Structure};
use rustc_hash::{FxHashMap, FxHashSet};

/// Rounds at most.
const MOST_ROUNDS: usize = 50;
/// Shared parts inside each other that are taken out.
const DEEPEST: usize = 200;
/// Pairs of a gate and a need that are looked at in a round: beyond that a graph is left as it is.
const MOST_NEEDS: usize = 50_000_000;

impl Structure {
    /// The same function, with constants in the place of what is known where it matters, and what alternatives share taken out of them.
    pub(crate) fn rewritten(&self) -> Structure {
        let inputs = |s: &Structure| s.nodes.iter().map(|n| n.children().len()).sum::<usize>();
        let mut now = self.clone();
        let mut size = inputs(&now);
        for _ in 0..MOST_ROUNDS {
            let known = now.with_needs_known();
            let shared = known.as_ref().unwrap_or(&now).with_shared_taken_out();
            let Some(next) = shared.or(known) else { break };
            let smaller = inputs(&next);
            if smaller >= size {
                break;
            }
            (now, size) = (next, smaller);
        }
        now.gathered()
    }

    /// Of every node that matters, the nodes above it.
    pub(crate) fn parents(&self) -> Vec<Vec<u32>> {
        let mut out: Vec<Vec<u32>> = vec![Vec::new(); self.nodes.len()];
        let mut reached = vec![false; self.nodes.len()];
        reached[self.top.node()] = true;
        for at in (0..self.nodes.len()).rev().filter(|&at| self.nodes[at] != Node::True) {
            if reached[at] {
                for l in self.nodes[at].children() {
                    reached[l.node()] = true;
                    out[l.node()].push(at as u32);
                }
            }
        }
        out
    }

    /// `None` where nothing is known anywhere.
    fn with_needs_known(&self) -> Option<Structure> {
        let n = self.nodes.len();
        let top = self.top.node();
        let parents = self.parents();
        // The nearest node that every way from the top passes, and how deep it is in their tree.
        let (mut above, mut depth) = (vec![u32::MAX; n], vec![0u32; n]);
        above[top] = top as u32;
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); n];
        for at in (0..top).rev() {
            let Some((&first, rest)) = parents[at].split_first() else { continue };
            let nearest = rest.iter().fold(first, |a, &b| {
                let (mut a, mut b) = (a, b);
                while a != b {
                    if depth[a as usize] >= depth[b as usize] { a = above[a as usize] } else { b = above[b as usize] }
                }
                a
            });
            above[at] = nearest;
            depth[at] = depth[nearest as usize] + 1;
            below[nearest as usize].push(at as u32);
        }
        // When each was entered and left on a walk over that tree: a dominates b where b's time lies inside a's.
        let (mut entered, mut left) = (vec![0u32; n], vec![0u32; n]);
        let mut time = 0;
        let mut open = vec![(top as u32, 0usize)];
        while let Some((at, next)) = open.last_mut() {
            if *next == 0 {
                time += 1;
                entered[*at as usize] = time;
            }
            match below[*at as usize].get(*next) {
                Some(&b) => {
                    *next += 1;
                    open.push((b, 0));
                }
                None => {
                    left[*at as usize] = time;
                    open.pop();
                }
            }
        }
        let dominates = |a: u32, b: u32| entered[a as usize] <= entered[b as usize] && entered[b as usize] <= left[a as usize];
        let mut known: FxHashMap<(u32, u32), bool> = FxHashMap::default();
        let mut looked = 0usize;
        for at in (0..n).filter(|&at| at == top || !parents[at].is_empty()) {
            let Node::All(inputs) = &self.nodes[at] else { continue };
            for l in inputs.iter().filter(|l| parents[l.node()].len() > 1) {
                looked += parents[l.node()].len();
                if looked > MOST_NEEDS {
                    return None;
                }
                for &p in parents[l.node()].iter().filter(|&&p| p as usize != at && dominates(at as u32, p)) {
                    known.insert((p, l.node() as u32), !l.negated());
                }
            }
        }
        if known.is_empty() {
            return None;
        }
        let mut out = Builder::new();
        let mut now = vec![Literal::TRUE; n];
        for (at, node) in self.nodes.iter().enumerate() {
            now[at] = out.again(node, |l| match known.get(&(at as u32, l.node() as u32)) {
                Some(&value) => Literal::TRUE.when(value == l.negated()),
                None => now[l.node()].when(l.negated()),
            });
        }
        Some(out.finish(now[top].when(self.top.negated())))
    }

    /// `None` where no alternatives share anything.
    fn with_shared_taken_out(&self) -> Option<Structure> {
        let parents = self.parents();
        let (mut changed, mut work) = (false, MOST_NEEDS);
        let mut out = Builder::new();
        let mut now = vec![Literal::TRUE; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            if at != self.top.node() && parents[at].is_empty() && !matches!(node, Node::True) {
                continue;
            }
            let new = |l: &Literal| now[l.node()].when(l.negated());
            now[at] = match node {
                Node::All(inputs) => {
                    // Negated conjunctions that stand here alone, by their parts.
                    let (parts, rest): (Vec<&Literal>, Vec<&Literal>) =
                        inputs.iter().partition(|l| l.negated() && parents[l.node()].len() == 1 && matches!(self.nodes[l.node()], Node::All(_)));
                    let mut list: Vec<Literal> = rest.into_iter().map(new).collect();
                    let sets: Vec<Vec<Literal>> = parts.iter().map(|l| self.nodes[l.node()].children().iter().map(new).collect()).collect();
                    changed |= factored(sets, &mut out, &mut list, &mut work, 0);
                    out.all(list)
                }
                _ => out.again(node, new),
            };
        }
        changed.then(|| out.finish(now[self.top.node()].when(self.top.negated())))
    }
}

/// What most of the sets share; the first of those.
fn most_shared(sets: &[Vec<Literal>]) -> Option<Literal> {
    let mut uses: FxHashMap<Literal, usize> = FxHashMap::default();
    for s in sets {
        let mut seen = FxHashSet::default();
        s.iter().filter(|l| seen.insert(**l)).for_each(|l| *uses.entry(*l).or_default() += 1);
    }
    uses.into_iter().filter(|u| u.1 > 1).max_by_key(|u| (u.1, std::cmp::Reverse(u.0))).map(|u| u.0)
}

/// Adds to `list` the negations of conjunctions, with what several of them share taken out; whether there was anything.
fn factored(mut sets: Vec<Vec<Literal>>, out: &mut Builder, list: &mut Vec<Literal>, work: &mut usize, depth: usize) -> bool {
    let mut changed = false;
    loop {
        let size: usize = sets.iter().map(Vec::len).sum();
        if size > *work || depth >= DEEPEST {
            break;
        }
        *work -= size;
        let Some(shared) = most_shared(&sets) else { break };
        changed = true;
        let (with, without): (Vec<_>, Vec<_>) = sets.into_iter().partition(|s| s.contains(&shared));
        // All that they share at once. ¬(x ∧ A) ∧ ¬(x ∧ B) = ¬(x ∧ ¬(¬A ∧ ¬B)).
        let mut common: FxHashSet<Literal> = with[0].iter().copied().collect();
        for s in &with[1..] {
            let own: FxHashSet<Literal> = s.iter().copied().collect();
            common.retain(|l| own.contains(l));
        }
        let inner: Vec<Vec<Literal>> = with.into_iter().map(|s| s.into_iter().filter(|l| !common.contains(l)).collect()).collect();
        let mut inside = Vec::new();
        factored(inner, out, &mut inside, work, depth + 1);
        let neither = out.all(inside);
        let both = out.all(common.into_iter().chain([!neither]));
        list.push(!both);
        sets = without;
    }
    for s in sets {
        let all = out.all(s);
        list.push(!all);
    }
    changed
}
