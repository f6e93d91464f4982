//! Modules: gates under which nothing is shared with the rest of the structure (Dutuit and Rauzy 1996). For its probability a module is an event.

use crate::graph::{Builder, Literal, Node, Structure};
use rustc_hash::FxHashSet;

/// Edges that are followed to find inputs that belong together; beyond that the rest of a graph stays as it is.
const MOST_FOLLOWED: usize = 50_000_000;

/// Which nodes are modules: the gates of the graph below whose inputs nothing outside uses, and the top. One pass in depth first, however deep.
pub(crate) fn modules(s: &Structure) -> Vec<bool> {
    let n = s.nodes.len();
    // When each node was met first and last, and when its inputs were done.
    let (mut first, mut last, mut done) = (vec![0u32; n], vec![0u32; n], vec![0u32; n]);
    let mut time = 1;
    let mut finished = Vec::with_capacity(n);
    let mut open = vec![(s.top.node(), 0)];
    first[s.top.node()] = 1;
    last[s.top.node()] = 1;
    while let Some((at, next)) = open.last_mut() {
        let at = *at;
        time += 1;
        match s.nodes[at].children().get(*next).map(|l| l.node()) {
            Some(input) => {
                *next += 1;
                last[input] = time;
                if first[input] == 0 {
                    first[input] = time;
                    open.push((input, 0));
                }
            }
            None => {
                done[at] = time;
                finished.push(at);
                open.pop();
            }
        }
    }
    let mut out = vec![false; n];
    // The earliest and the latest meeting with anything below a node.
    let (mut earliest, mut latest) = (vec![u32::MAX; n], vec![0u32; n]);
    for at in finished {
        for input in s.nodes[at].children().iter().map(|l| l.node()) {
            earliest[at] = earliest[at].min(earliest[input]).min(first[input]);
            latest[at] = latest[at].max(latest[input]).max(last[input]);
        }
        out[at] = !s.nodes[at].children().is_empty() && earliest[at] > first[at] && latest[at] < done[at];
    }
    out[s.top.node()] = true;
    out
}

impl Structure {
    /// The same function, where inputs of an "all" gate that share events with each other and with nothing else stand under a gate of their own, which is a module.
    pub(crate) fn gathered(self) -> Structure {
        let is_module = modules(&self);
        let uses: Vec<usize> = self.parents().iter().map(Vec::len).collect();
        let mut search = Search { s: &self, uses: &uses, is_module: &is_module, met: vec![(0, 0, 0); uses.len()], left: MOST_FOLLOWED };
        let groups: Vec<(usize, Vec<Vec<Literal>>)> = (1..uses.len())
            .filter(|&at| uses[at] > 0 || at == self.top.node())
            .map(|at| (at, search.groups(at)))
            .filter(|g| !g.1.is_empty())
            .collect();
        if groups.is_empty() {
            return self;
        }
        let mut out = Builder::default();
        let mut now = vec![Literal::TRUE; uses.len()];
        let mut groups = groups.into_iter().peekable();
        for (at, node) in self.nodes.iter().enumerate() {
            let new = |l: &Literal| now[l.node()].when(l.negated());
            now[at] = match (node, groups.next_if(|g| g.0 == at)) {
                (Node::All(inputs), Some((_, together))) => {
                    let grouped: FxHashSet<Literal> = together.iter().flatten().copied().collect();
                    let alone = inputs.iter().filter(|l| !grouped.contains(l)).map(new);
                    let mut list: Vec<Literal> = alone.collect();
                    list.extend(together.iter().map(|g| out.all(g.iter().map(new))).collect::<Vec<_>>());
                    out.all(list)
                }
                _ => out.again(node, new),
            };
        }
        let top = now[self.top.node()].when(self.top.negated());
        out.with_top(top)
    }
}

/// A search for inputs that belong together.
struct Search<'a> {
    s: &'a Structure,
    /// How many gates name each node.
    uses: &'a [usize],
    is_module: &'a [bool],
    /// Of each node the gate below which it was met last, the input through which it was met first, and how many ways lead to it.
    met: Vec<(usize, usize, usize)>,
    /// Edges that may still be followed.
    left: usize,
}

impl Search<'_> {
    /// Inputs of a gate that share with each other and with nothing else, two at least and not all of them.
    fn groups(&mut self, gate: usize) -> Vec<Vec<Literal>> {
        let leaf = |at: usize| self.is_module[at] || self.s.nodes[at].children().is_empty();
        let Node::All(inputs) = &self.s.nodes[gate] else { return Vec::new() };
        if inputs.len() < 3 || inputs.iter().filter(|l| !leaf(l.node())).count() < 2 {
            return Vec::new();
        }
        // Inputs by one that they share with, which leads to the first of their group.
        let mut with: Vec<usize> = (0..inputs.len()).collect();
        let first = |with: &mut [usize], mut i: usize| {
            while with[i] != i {
                with[i] = with[with[i]];
                i = with[i];
            }
            i
        };
        let mut found = Vec::new();
        for (i, l) in inputs.iter().enumerate() {
            let mut open = vec![l.node()];
            while let Some(at) = open.pop() {
                let Some(left) = self.left.checked_sub(1) else { return Vec::new() };
                self.left = left;
                if self.met[at].0 == gate {
                    self.met[at].2 += 1;
                    let (a, b) = (first(&mut with, self.met[at].1), first(&mut with, i));
                    with[a.max(b)] = a.min(b);
                    continue;
                }
                self.met[at] = (gate, i, 1);
                found.push(at);
                if !leaf(at) {
                    open.extend(self.s.nodes[at].children().iter().map(|l| l.node()));
                }
            }
        }
        let mut groups: Vec<Option<Vec<Literal>>> = vec![Some(Vec::new()); inputs.len()];
        found.iter().filter(|&&at| self.met[at].2 < self.uses[at]).for_each(|&at| groups[first(&mut with, self.met[at].1)] = None);
        for (i, l) in inputs.iter().enumerate() {
            if let Some(group) = &mut groups[first(&mut with, i)] {
                group.push(*l);
            }
        }
        groups.into_iter().flatten().filter(|g| g.len() > 1 && g.len() < inputs.len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_nothing_is_a_module() {
        let mut b = Builder::new();
        let e: Vec<_> = (0..6).map(|i| b.event(i)).collect();
        // Two gates that share an event, and one that shares none.
        let left = b.all([e[0], e[1]]);
        let right = b.all([e[1], e[2]]);
        let alone = b.at_least(2, [e[3], e[4], e[5]]);
        let top = b.any([left, right, alone]);
        let s = b.finish(top);
        let found = modules(&s);
        let of = |least: usize| s.nodes.iter().position(|n| n.children().len() == least && matches!(n, Node::AtLeast(..)));
        assert!(found[of(3).unwrap()] && found[s.top.node()]);
        assert_eq!(found.iter().filter(|m| **m).count(), 2, "{found:?}");
    }

    #[test]
    fn inputs_that_share_stand_together() {
        let mut b = Builder::new();
        let e: Vec<_> = (0..7).map(|i| b.event(i)).collect();
        // In "e0 and left and right", left and right share e2 with each other and nothing with the rest, where e0 is.
        let (left, right) = (b.any([e[1], e[2]]), b.any([e[2], e[3]]));
        let one = b.all([e[0], left, right]);
        let other = b.all([e[0], e[4]]);
        let rest = b.any([e[0], e[5]]);
        let last = b.all([rest, e[6]]);
        let top = b.any([one, other, last]);
        let s = b.finish(top);
        assert_eq!(modules(&s).iter().filter(|m| **m).count(), 1);
        let gathered = s.clone().gathered();
        let found = modules(&gathered);
        assert_eq!(found.iter().filter(|m| **m).count(), 2, "{gathered:?}");
        for bits in 0..1u32 << 7 {
            let failed = |e: usize| bits >> e & 1 == 1;
            assert_eq!(s.fails(failed), gathered.fails(failed), "{bits:b}");
        }
    }
}
