//! Better orders for a diagram that there is: one variable after another changes places with its neighbours, down to the bottom and up to the top, and stays where the diagram was smallest (sifting:
//! Rudell 1993). Two that stand in no common function change places for nothing.

use crate::bdd::{Decision, Edge, moved};

const NONE: u32 = u32::MAX;
/// How much larger than its smallest the diagram may get under way, as a fraction of that.
const DETOUR: usize = 8;

#[derive(Clone, Copy)]
struct Inner {
    low: Edge,
    high: Edge,
    variable: u32,
    /// Edges that lead here, those from outside included.
    uses: u32,
    /// The next in the same place of the variable's table.
    next: u32,
}

/// The nodes of one variable, by what follows.
struct Table {
    first: Vec<u32>,
    len: usize,
}

impl Table {
    fn place(&mut self, low: Edge, high: Edge) -> &mut u32 {
        let hash = (u64::from(low) << 32 | u64::from(high)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mask = self.first.len() - 1;
        &mut self.first[(hash >> 32) as usize & mask]
    }
}

/// A diagram whose variables can change places. A variable's number is the level at which it stood at first.
pub(crate) struct Sift {
    nodes: Vec<Inner>,
    free: Vec<u32>,
    tables: Vec<Table>,
    /// Variables from the top, and the place of each.
    order: Vec<u32>,
    place: Vec<u32>,
    /// For each variable those that stand in a function with it, a bit each.
    together: Vec<u64>,
    len: usize,
    /// Nodes looked at.
    work: usize,
    /// Room that is used again: nodes that change, and edges to let go.
    changed: Vec<u32>,
    unused: Vec<Edge>,
}

impl Sift {
    /// Nodes over so many levels, inputs first, all of which are reached from `roots`.
    pub(crate) fn new(from: &[Decision], roots: &[Edge], levels: usize) -> Sift {
        let mut count = vec![0usize; levels];
        from[1..].iter().for_each(|n| count[n.level as usize] += 1);
        let order: Vec<u32> = (0..levels as u32).collect();
        let inner = |n: &Decision| Inner { low: n.low, high: n.high, variable: n.level, uses: 0, next: NONE };
        let mut s = Sift {
            nodes: from.iter().map(inner).collect(),
            free: Vec::new(),
            tables: count.iter().map(|&n| Table { first: vec![NONE; n.max(4).next_power_of_two()], len: 0 }).collect(),
            place: order.clone(),
            order,
            together: vec![0; levels.div_ceil(64) * levels],
            len: from.len() - 1,
            work: 0,
            changed: Vec::new(),
            unused: Vec::new(),
        };
        // What is true is never let go.
        s.nodes[0].uses = 1;
        for (at, n) in from.iter().enumerate().skip(1) {
            s.insert(at as u32);
            s.nodes[(n.low >> 1) as usize].uses += 1;
            s.nodes[(n.high >> 1) as usize].uses += 1;
        }
        roots.iter().for_each(|r| s.nodes[(r >> 1) as usize].uses += 1);
        s.note_together(roots);
        s
    }

    fn note_together(&mut self, roots: &[Edge]) {
        let (levels, words) = (self.tables.len(), self.words());
        let mut met = vec![usize::MAX; self.nodes.len()];
        for (i, r) in roots.iter().enumerate() {
            let mut set = vec![0u64; words];
            let mut open = vec![r >> 1];
            while let Some(at) = open.pop() {
                if at > 0 && std::mem::replace(&mut met[at as usize], i) != i {
                    let n = &self.nodes[at as usize];
                    set[n.variable as usize / 64] |= 1 << (n.variable % 64);
                    open.extend([n.low >> 1, n.high >> 1]);
                }
            }
            for v in (0..levels).filter(|v| set[v / 64] >> (v % 64) & 1 == 1) {
                self.together[v * words..][..words].iter_mut().zip(&set).for_each(|(all, these)| *all |= these);
            }
        }
    }

    fn words(&self) -> usize {
        self.tables.len().div_ceil(64)
    }

    /// Nodes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn insert(&mut self, at: u32) {
        let Inner { low, high, variable, .. } = self.nodes[at as usize];
        let table = &mut self.tables[variable as usize];
        if table.len >= table.first.len() * 2 {
            let larger = vec![NONE; table.first.len() * 4];
            for mut i in std::mem::replace(&mut table.first, larger) {
                while i != NONE {
                    let n = &mut self.nodes[i as usize];
                    let place = table.place(n.low, n.high);
                    let after = std::mem::replace(&mut n.next, *place);
                    *place = i;
                    i = after;
                }
            }
        }
        let place = table.place(low, high);
        self.nodes[at as usize].next = std::mem::replace(place, at);
        table.len += 1;
    }

    /// The function that decides a variable so, with a use of it more.
    fn decide(&mut self, variable: u32, low: Edge, high: Edge) -> Edge {
        if low == high {
            self.nodes[(low >> 1) as usize].uses += 1;
            return low;
        }
        let negated = high & 1;
        let (low, high) = (low ^ negated, high ^ negated);
        let mut i = *self.tables[variable as usize].place(low, high);
        while i != NONE {
            let n = &mut self.nodes[i as usize];
            if n.low == low && n.high == high {
                n.uses += 1;
                return i << 1 | negated;
            }
            i = n.next;
        }
        let made = Inner { low, high, variable, uses: 1, next: NONE };
        let at = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(made);
            self.nodes.len() as u32 - 1
        });
        self.nodes[at as usize] = made;
        self.nodes[(low >> 1) as usize].uses += 1;
        self.nodes[(high >> 1) as usize].uses += 1;
        self.insert(at);
        self.len += 1;
        at << 1 | negated
    }

    /// A use less; what nothing uses goes.
    fn let_go(&mut self, edge: Edge) {
        self.unused.push(edge);
        while let Some(e) = self.unused.pop() {
            let at = e >> 1;
            let n = &mut self.nodes[at as usize];
            n.uses -= 1;
            if n.uses > 0 {
                continue;
            }
            let n = *n;
            let table = &mut self.tables[n.variable as usize];
            let mut i = *table.place(n.low, n.high);
            if i == at {
                *table.place(n.low, n.high) = n.next;
            } else {
                while self.nodes[i as usize].next != at {
                    i = self.nodes[i as usize].next;
                }
                self.nodes[i as usize].next = n.next;
            }
            table.len -= 1;
            self.len -= 1;
            self.free.push(at);
            self.unused.extend([n.low, n.high]);
        }
    }

    /// Lets the variable at a place and the next change places. Nodes stay what they stand for; those of the upper variable that look at the lower one decide that one first from now on.
    fn swap(&mut self, at: usize) {
        let (x, y) = (self.order[at], self.order[at + 1]);
        self.order.swap(at, at + 1);
        self.place.swap(x as usize, y as usize);
        self.work += 1;
        if self.together[x as usize * self.words() + y as usize / 64] >> (y % 64) & 1 == 0 {
            return;
        }
        let table = &mut self.tables[x as usize];
        self.work += table.len + table.first.len() / 4;
        let mut changed = std::mem::take(&mut self.changed);
        for first in &mut table.first {
            let mut i = std::mem::replace(first, NONE);
            while i != NONE {
                let n = self.nodes[i as usize];
                if [n.low, n.high].iter().any(|e| self.nodes[(e >> 1) as usize].variable == y) {
                    changed.push(i);
                } else {
                    self.nodes[i as usize].next = std::mem::replace(first, i);
                }
                i = n.next;
            }
        }
        table.len -= changed.len();
        self.work += 4 * changed.len();
        for i in changed.drain(..) {
            let n = self.nodes[i as usize];
            let follow = |e: Edge| {
                let below = &self.nodes[(e >> 1) as usize];
                if below.variable == y { (below.low ^ (e & 1), below.high ^ (e & 1)) } else { (e, e) }
            };
            let ((low_low, low_high), (high_low, high_high)) = (follow(n.low), follow(n.high));
            // A high edge of a high edge is never negated: nor is what is made of it.
            let high = self.decide(x, low_high, high_high);
            let low = self.decide(x, low_low, high_low);
            self.let_go(n.low);
            self.let_go(n.high);
            self.nodes[i as usize] = Inner { low, high, variable: y, ..self.nodes[i as usize] };
            self.insert(i);
        }
        self.changed = changed;
    }

    /// Sifts each variable once, those with most nodes first, until about so much work is done.
    pub(crate) fn once(&mut self, most_work: usize) {
        let mut largest_first: Vec<u32> = (0..self.tables.len() as u32).collect();
        largest_first.sort_by_key(|&v| std::cmp::Reverse(self.tables[v as usize].len));
        let until = self.work + most_work;
        for v in largest_first {
            if self.work > until {
                break;
            }
            if self.tables[v as usize].len > 0 {
                self.sift(v);
            }
        }
    }

    fn sift(&mut self, v: u32) {
        let (start, last) = (self.place[v as usize] as usize, self.order.len() - 1);
        let mut best = (self.len, start);
        let ends = if last - start < start { [last, 0] } else { [0, last] };
        for end in ends {
            // The way to the second end leads over where it stood.
            while self.place[v as usize] as usize != end {
                self.step(v, end);
                best = best.min((self.len, self.place[v as usize] as usize));
                if self.len > best.0 + best.0 / DETOUR && (self.place[v as usize] as usize > start) == (end > start) {
                    break;
                }
            }
        }
        while self.place[v as usize] as usize != best.1 {
            self.step(v, best.1);
        }
    }

    fn step(&mut self, v: u32, to: usize) {
        let at = self.place[v as usize] as usize;
        self.swap(if at < to { at } else { at - 1 });
    }

    /// The diagram in its new order, with the roots changed to what they are there, and which of the old levels stands at each.
    pub(crate) fn finish(self, roots: &mut [Edge]) -> (Vec<Decision>, Vec<u32>) {
        let mut out = vec![Decision { level: u32::MAX, low: 0, high: 0 }];
        let mut to = vec![0u32; self.nodes.len()];
        for (level, &v) in self.order.iter().enumerate().rev() {
            for &first in &self.tables[v as usize].first {
                let mut i = first;
                while i != NONE {
                    let n = &self.nodes[i as usize];
                    to[i as usize] = out.len() as u32;
                    out.push(Decision { level: level as u32, low: moved(&to, n.low), high: moved(&to, n.high) });
                    i = n.next;
                }
            }
        }
        roots.iter_mut().for_each(|r| *r = moved(&to, *r));
        (out, self.order)
    }
}
