//! Nodes of diagrams, each there once, and what was computed of two of them.

/// There would be more nodes than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// A decision: the variable's place in the order, and what follows where the event does not happen and where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub level: u32,
    pub low: u32,
    pub high: u32,
}

fn hash(a: u32, b: u32, c: u32) -> u32 {
    let x = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(c).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (x ^ x >> 32) as u32
}

/// Nodes by number and by content, inputs first. The first ones, which are no decisions, are in no table.
pub(crate) struct Store {
    pub nodes: Vec<Decision>,
    /// Nodes by their content; 0 is an empty place. Numbers are smaller than the table: above theirs stand those bits of the hash that chose no place, so that hardly a node is looked at that is
    /// another.
    table: Vec<u32>,
    first: usize,
    /// Nodes at most.
    pub most: usize,
}

impl Store {
    /// A store that begins with so many nodes that are no decisions.
    pub(crate) fn new(first: usize, most: usize) -> Store {
        let end = Decision { level: u32::MAX, low: 0, high: 0 };
        Store { nodes: vec![end; first], table: vec![0; 1 << 10], first, most }
    }

    /// Goes on with other nodes.
    pub(crate) fn refill(&mut self, nodes: Vec<Decision>) {
        self.nodes = nodes;
        self.grow((self.nodes.len() * 2).next_power_of_two().max(1 << 10));
    }

    /// Lays out at once what so many nodes need.
    pub(crate) fn lay_out(&mut self, nodes: usize) {
        self.nodes.reserve_exact(nodes.saturating_sub(self.nodes.len()));
        let places = (nodes * 4).div_ceil(3).next_power_of_two();
        if places > self.table.len() {
            self.grow(places);
        }
    }

    /// Places for nodes in the table.
    pub(crate) fn places(&self) -> usize {
        self.table.len()
    }

    /// The number of this node, which is made where it is not there.
    #[inline]
    pub(crate) fn number(&mut self, node: Decision) -> Result<u32, Full> {
        let (hash, mask) = (hash(node.low, node.high, node.level), self.mask());
        let mut at = hash & mask;
        loop {
            let known = self.table[at as usize];
            if known == 0 {
                break;
            }
            let number = known & mask;
            if (known ^ hash) <= mask && self.nodes[number as usize] == node {
                return Ok(number);
            }
            at = (at + 1) & mask;
        }
        if self.nodes.len() >= self.most {
            return Err(Full);
        }
        let number = self.nodes.len() as u32;
        self.table[at as usize] = number | hash & !mask;
        self.nodes.push(node);
        if self.nodes.len() * 4 > self.table.len() * 3 {
            self.grow(self.table.len() * 2);
        }
        Ok(number)
    }

    fn mask(&self) -> u32 {
        (self.table.len() - 1) as u32
    }

    fn grow(&mut self, places: usize) {
        self.table = vec![0; places];
        let mask = self.mask();
        for (number, n) in self.nodes.iter().enumerate().skip(self.first) {
            let hash = hash(n.low, n.high, n.level);
            let mut at = hash & mask;
            while self.table[at as usize] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at as usize] = number as u32 | hash & !mask;
        }
    }
}

const NOTHING: [u32; 3] = [u32::MAX; 3];

/// What was computed of two functions; a later result takes an earlier one's place.
pub(crate) struct Cache {
    entries: Vec<[u32; 3]>,
}

impl Cache {
    pub(crate) fn new() -> Cache {
        Cache { entries: vec![NOTHING; 1 << 10] }
    }

    fn place(&self, a: u32, b: u32) -> usize {
        hash(a, b, 0) as usize & (self.entries.len() - 1)
    }

    #[inline]
    pub(crate) fn get(&self, a: u32, b: u32) -> Option<u32> {
        let known = self.entries[self.place(a, b)];
        (known[0] == a && known[1] == b).then_some(known[2])
    }

    #[inline]
    pub(crate) fn put(&mut self, a: u32, b: u32, result: u32) {
        let at = self.place(a, b);
        self.entries[at] = [a, b, result];
    }

    /// Makes room for so many results, a power of two, if there is less.
    pub(crate) fn hold(&mut self, many: usize) {
        if self.entries.len() < many {
            let old = std::mem::replace(&mut self.entries, vec![NOTHING; many]);
            for [a, b, result] in old.into_iter().filter(|e| *e != NOTHING) {
                self.put(a, b, result);
            }
        }
    }
}
