//! Minimal cut sets: the sets of events that make the system fail and of which no event may be left out (Rauzy 1993). They stand in a zero-suppressed decision diagram, and are counted there without
//! being listed: there may be more of them than could be.

use crate::bdd::{Decision, Edge};
use rustc_hash::FxHashMap;

/// A family of sets.
type Family = u32;

/// No set.
const NONE: Family = 0;
/// The empty set alone.
const EMPTY: Family = 1;

/// Sets by the first of their events: those without it, and those with it. A family without `with` is its `without`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Split {
    level: u32,
    without: Family,
    with: Family,
}

/// The minimal cut sets of one module.
pub(crate) struct Sets {
    nodes: Vec<Split>,
    known: FxHashMap<Split, Family>,
    /// What was computed: minimal solutions of an edge, and what of a family holds nothing of another.
    solved: FxHashMap<Edge, Family>,
    freed: FxHashMap<(Family, Family), Family>,
    most: usize,
}

/// There are more nodes than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Sets {
    pub(crate) fn new(most: usize) -> Sets {
        let end = Split { level: u32::MAX, without: NONE, with: NONE };
        Sets { nodes: vec![end; 2], known: FxHashMap::default(), solved: FxHashMap::default(), freed: FxHashMap::default(), most }
    }

    fn split(&mut self, level: u32, without: Family, with: Family) -> Result<Family, Full> {
        if with == NONE {
            return Ok(without);
        }
        let node = Split { level, without, with };
        if let Some(&known) = self.known.get(&node) {
            return Ok(known);
        }
        if self.nodes.len() >= self.most {
            return Err(Full);
        }
        self.nodes.push(node);
        let number = self.nodes.len() as Family - 1;
        self.known.insert(node, number);
        Ok(number)
    }

    /// The smallest sets of events that make a function true which never becomes false by a further event. As deep as there are levels.
    pub(crate) fn minimal(&mut self, bdd: &[Decision], edge: Edge) -> Result<Family, Full> {
        let n = match edge {
            crate::bdd::TRUE => return Ok(EMPTY),
            crate::bdd::FALSE => return Ok(NONE),
            _ => bdd[(edge >> 1) as usize],
        };
        if let Some(&known) = self.solved.get(&edge) {
            return Ok(known);
        }
        let without = self.minimal(bdd, n.low ^ (edge & 1))?;
        let with = self.minimal(bdd, n.high ^ (edge & 1))?;
        // What suffices without the event needs it not.
        let with = self.free(with, without)?;
        let made = self.split(n.level, without, with)?;
        self.solved.insert(edge, made);
        Ok(made)
    }

    /// The sets of a family that hold no set of the other.
    fn free(&mut self, of: Family, from: Family) -> Result<Family, Full> {
        if of == NONE || from == NONE {
            return Ok(of);
        }
        if of == from || self.holds_empty(from) {
            return Ok(NONE);
        }
        if of == EMPTY {
            return Ok(EMPTY);
        }
        if let Some(&known) = self.freed.get(&(of, from)) {
            return Ok(known);
        }
        let (a, b) = (self.nodes[of as usize], self.nodes[from as usize]);
        let made = match a.level.cmp(&b.level) {
            std::cmp::Ordering::Greater => self.free(of, b.without)?,
            std::cmp::Ordering::Less => {
                let (without, with) = (self.free(a.without, from)?, self.free(a.with, from)?);
                self.split(a.level, without, with)?
            }
            std::cmp::Ordering::Equal => {
                let without = self.free(a.without, b.without)?;
                let with = self.free(a.with, b.without)?;
                let with = self.free(with, b.with)?;
                self.split(a.level, without, with)?
            }
        };
        // What was computed takes room too.
        if self.freed.len() >= self.most.saturating_mul(8) {
            return Err(Full);
        }
        self.freed.insert((of, from), made);
        Ok(made)
    }

    fn holds_empty(&self, mut family: Family) -> bool {
        while family > EMPTY {
            family = self.nodes[family as usize].without;
        }
        family == EMPTY
    }

    /// How many sets of each size a family has, where each level stands for so many sets of each size. `None` where a number is beyond what is counted.
    pub(crate) fn count(&self, family: Family, levels: &[Vec<u128>]) -> Option<Vec<u128>> {
        let mut counts: Vec<Vec<u128>> = Vec::with_capacity(self.nodes.len());
        counts.extend([vec![], vec![1]]);
        for n in &self.nodes[2..] {
            let mut sum = counts[n.without as usize].clone();
            for (i, a) in levels[n.level as usize].iter().enumerate().filter(|(_, a)| **a > 0) {
                for (j, b) in counts[n.with as usize].iter().enumerate() {
                    if sum.len() <= i + j {
                        sum.resize(i + j + 1, 0);
                    }
                    sum[i + j] = sum[i + j].checked_add(a.checked_mul(*b)?)?;
                }
            }
            counts.push(sum);
        }
        Some(counts[family as usize].clone())
    }
}
