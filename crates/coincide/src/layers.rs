//! Sets of layers as bit masks: word `i/64`, bit `i%64` stands for layer `i`.

use serde::{Deserialize, Serialize};

/// The most layers a table may have.
pub const MAX_LAYERS: usize = 1024;

/// Words that a mask of `layers` bits takes.
pub(crate) fn words(layers: usize) -> usize {
    layers.div_ceil(64).max(1)
}

/// A set of layers, by index.
///
/// ```
/// use coincide::LayerSet;
/// let s = LayerSet::of(70, &[0, 69]);
/// assert!(s.contains(69) && !s.contains(1));
/// assert_eq!(s.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerSet(pub(crate) Vec<u64>);

impl LayerSet {
    /// The empty set over `layers` layers.
    pub fn empty(layers: usize) -> Self {
        LayerSet(vec![0; words(layers)])
    }
    /// All `layers` layers.
    pub fn all(layers: usize) -> Self {
        let mut set = LayerSet::empty(layers);
        (0..layers).for_each(|i| set.insert(i));
        set
    }
    /// The given layers out of `layers`.
    pub fn of(layers: usize, members: &[usize]) -> Self {
        let mut set = LayerSet::empty(layers);
        members.iter().for_each(|&i| set.insert(i));
        set
    }
    /// Adds layer `i`.
    pub fn insert(&mut self, i: usize) {
        self.0[i / 64] |= 1 << (i % 64);
    }
    /// Removes layer `i`.
    pub fn remove(&mut self, i: usize) {
        self.0[i / 64] &= !(1 << (i % 64));
    }
    /// Whether layer `i` is in the set.
    pub fn contains(&self, i: usize) -> bool {
        bit(&self.0, i)
    }
    /// How many layers are in the set.
    pub fn len(&self) -> usize {
        count(&self.0)
    }
    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&w| w == 0)
    }
    /// The layers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        ones(&self.0)
    }
    /// The mask's words.
    pub fn words(&self) -> &[u64] {
        &self.0
    }
    /// The layers of `all` that are not in this set.
    #[must_use]
    pub fn complement(&self, layers: usize) -> Self {
        let mut set = LayerSet::all(layers);
        set.0.iter_mut().zip(&self.0).for_each(|(a, b)| *a &= !b);
        set
    }
}

pub(crate) fn bit(mask: &[u64], i: usize) -> bool {
    mask[i / 64] >> (i % 64) & 1 == 1
}

pub(crate) fn count(mask: &[u64]) -> usize {
    mask.iter().map(|w| w.count_ones() as usize).sum()
}

pub(crate) fn is_subset(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).all(|(x, y)| x & !y == 0)
}

/// Indices of the set bits, ascending.
pub(crate) fn ones(mask: &[u64]) -> impl Iterator<Item = usize> + '_ {
    mask.iter().enumerate().flat_map(|(w, &bits)| {
        std::iter::successors((bits != 0).then_some(bits), |b| {
            let rest = b & (b - 1);
            (rest != 0).then_some(rest)
        })
        .map(move |b| w * 64 + b.trailing_zeros() as usize)
    })
}
