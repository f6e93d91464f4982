//! The best choice of layers under limits: branch and bound, with the bounds of a supermodular function and of its convex relaxation for P(all chosen fail), and the bound of what falls with every layer for anything
//! else. Where there are too many layers or the work is used up, the best that was found stands, with how far from the best it can be.

use super::limits::{Limits, most_gained};
use super::mixed::{Mixed, Relaxed};

/// Layers up to which the search is exact.
pub(crate) const MOST_EXACT: usize = 60;
/// Tangents of the relaxation at the start, and at every further place.
const TANGENTS: (usize, usize) = (200, 12);
/// What is no better by more than this share is no better.
const SAME: f64 = 1e-12;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The layers, ascending.
    pub layers: Vec<usize>,
    pub value: f64,
    /// No choice is better than this.
    pub bound: f64,
    /// Whether the bound is reached: nothing is better.
    pub proven: bool,
    /// Places that were looked at.
    pub places: u64,
}

/// What a choice is judged by: falls, or stays, with every layer that is added.
pub(crate) trait Objective {
    fn value(&self, layers: &[usize]) -> f64;
}

impl Objective for Mixed {
    fn value(&self, layers: &[usize]) -> f64 {
        Mixed::value(self, layers)
    }
}

/// Adds the layer that gains most for what it takes, as long as one is allowed; then changes one chosen layer for another as long as that helps. Comes with no promise how good it is.
pub(crate) fn greedy(o: &impl Objective, limits: &Limits, forced: &[usize], allowed: &[usize]) -> Option<Vec<usize>> {
    if !limits.allow(forced) {
        return None;
    }
    let mut best: Option<(f64, Vec<usize>)> = None;
    // For what a layer takes of the tightest sum, and for the gain alone.
    for by_share in [true, false] {
        let mut chosen = forced.to_vec();
        let mut value = o.value(&chosen);
        loop {
            let room = limits.room(&chosen);
            let share = |j: usize| limits.sums.iter().zip(&room).map(|(s, r)| s.each[j] / r.max(1e-300)).fold(1e-9, f64::max);
            let next = allowed
                .iter()
                .filter(|j| !chosen.contains(j))
                .filter_map(|&j| {
                    let with: Vec<usize> = chosen.iter().copied().chain([j]).collect();
                    limits.allow(&with).then(|| (o.value(&with), j))
                })
                .map(|(v, j)| ((value - v) / if by_share { share(j) } else { 1.0 }, v, j))
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.2.cmp(&a.2)));
            match next {
                Some((gain, v, j)) if gain > 0.0 => (value, _) = (v, chosen.push(j)),
                _ => break,
            }
        }
        improve(o, limits, forced, allowed, &mut chosen, &mut value);
        if best.as_ref().is_none_or(|b| value < b.0) {
            best = Some((value, chosen));
        }
    }
    best.map(|b| {
        let mut chosen = b.1;
        chosen.sort_unstable();
        chosen
    })
}

/// Swaps of one layer, and layers that then have room.
fn improve(o: &impl Objective, limits: &Limits, forced: &[usize], allowed: &[usize], chosen: &mut Vec<usize>, value: &mut f64) {
    loop {
        let mut better = false;
        for at in 0..=chosen.len() {
            if at < chosen.len() && forced.contains(&chosen[at]) {
                continue;
            }
            for &j in allowed {
                if chosen.contains(&j) {
                    continue;
                }
                let mut with = chosen.clone();
                if at < with.len() {
                    with[at] = j
                } else {
                    with.push(j)
                }
                if !limits.allow(&with) {
                    continue;
                }
                let v = o.value(&with);
                if v < *value * (1.0 - SAME) {
                    (*chosen, *value, better) = (with, v, true);
                    break;
                }
            }
            if better {
                break;
            }
        }
        if !better {
            return;
        }
    }
}

/// The best choice for P(all chosen fail). `None` where the forced layers are over a limit by themselves. After so many `places` the search stops.
pub(crate) fn best_of_mixed(m: &Mixed, limits: &Limits, forced: &[usize], allowed: &[usize], places: u64) -> Option<Found> {
    let first = greedy(m, limits, forced, allowed)?;
    let mut s = Search { limits, best: m.value(&first), chosen: first, places: 0, most: places, left: f64::INFINITY };
    let open: Vec<usize> = allowed.iter().copied().filter(|j| !forced.contains(j)).collect();
    let all: Vec<usize> = forced.iter().chain(&open).copied().collect();
    let left = forced.iter().fold(m.clone(), |m, &j| m.after(j, &all));
    let mut at = forced.to_vec();
    s.mixed(&left, &mut at, open, None);
    Some(s.finish())
}

/// The best choice for anything that falls with every layer.
pub(crate) fn best_of(o: &impl Objective, limits: &Limits, forced: &[usize], allowed: &[usize], places: u64) -> Option<Found> {
    let first = greedy(o, limits, forced, allowed)?;
    let mut s = Search { limits, best: o.value(&first), chosen: first, places: 0, most: places, left: f64::INFINITY };
    let open: Vec<usize> = allowed.iter().copied().filter(|j| !forced.contains(j)).collect();
    let mut at = forced.to_vec();
    let value = o.value(&at);
    s.falling(o, &mut at, value, open);
    Some(s.finish())
}

struct Search<'a> {
    limits: &'a Limits,
    chosen: Vec<usize>,
    best: f64,
    places: u64,
    most: u64,
    /// The least bound of a place that was not looked at.
    left: f64,
}

impl Search<'_> {
    fn finish(mut self) -> Found {
        self.chosen.sort_unstable();
        let bound = self.best.min(self.left).max(0.0);
        Found { layers: self.chosen, value: self.best, bound, proven: self.left >= self.best * (1.0 - SAME), places: self.places }
    }

    fn take(&mut self, at: &[usize], value: f64) {
        if value < self.best * (1.0 - SAME) {
            (self.best, self.chosen) = (value, at.to_vec());
        }
    }

    /// Whether nothing below a place with this bound is better; counts the place, and remembers the bound where there is no more work to be done.
    fn stop(&mut self, bound: f64) -> bool {
        if bound >= self.best * (1.0 - SAME) {
            return true;
        }
        if self.places > self.most {
            self.left = self.left.min(bound);
            return true;
        }
        false
    }

    fn allowed(&self, at: &mut Vec<usize>, open: Vec<usize>) -> Vec<usize> {
        let fits = |j: &usize| {
            at.push(*j);
            let fits = self.limits.allow(at);
            at.pop();
            fits
        };
        open.into_iter().filter(fits).collect()
    }

    fn mixed(&mut self, m: &Mixed, at: &mut Vec<usize>, open: Vec<usize>, near: Option<&[(usize, f64)]>) {
        let value = m.total();
        self.take(at, value);
        if self.best <= 0.0 {
            return;
        }
        let mut open = self.allowed(at, open);
        let mut gains: Vec<f64> = open.iter().map(|&j| value - m.left(j)).collect();
        // What gains nothing here gains nothing with more layers.
        let keep: Vec<bool> = gains.iter().map(|g| *g > value * 1e-15).collect();
        let mut kept = keep.iter();
        open.retain(|_| *kept.next().unwrap_or(&true));
        let mut kept = keep.iter();
        gains.retain(|_| *kept.next().unwrap_or(&true));
        if open.is_empty() {
            return;
        }
        let room = self.limits.room(at);
        let takes: Vec<Vec<f64>> = self.limits.sums.iter().map(|s| open.iter().map(|&j| s.each[j]).collect()).collect();
        let mut bound = m.value(&open).max(value - most_gained(&gains, &takes, &room).0);
        if bound >= self.best * (1.0 - SAME) {
            return;
        }
        let first = self.places == 0;
        self.places += 1;
        // The convex relaxation: each tangent bounds it, and the next place lies towards what that tangent likes best (Frank and Wolfe 1956).
        let relaxed = Relaxed::new(m, &open);
        let mut x: Vec<f64> = open.iter().map(|j| near.and_then(|n| n.iter().find(|x| x.0 == *j)).map_or(0.0, |x| x.1)).collect();
        let mut slopes = vec![0.0; open.len()];
        for t in 0..if first { TANGENTS.0 } else { TANGENTS.1 } {
            let there = relaxed.value(&x, &mut slopes);
            let (gained, towards) = most_gained(&slopes, &takes, &room);
            let own: f64 = slopes.iter().zip(&x).map(|(s, x)| s * x).sum();
            bound = bound.max(there + own - gained);
            if bound >= self.best * (1.0 - SAME) {
                return;
            }
            // What the relaxation itself has here bounds all tangents: where that is better than what was found, none of them helps.
            if !first && (there < self.best * 0.999 && t >= 3 || gained - own < 1e-3 * there) {
                break;
            }
            let step = 2.0 / (t as f64 + if near.is_some() { 4.0 } else { 2.0 });
            x.iter_mut().zip(&towards).for_each(|(x, v)| *x += step * (v - *x));
        }
        if self.stop(bound) {
            return;
        }
        // First with, then without the layer whose share is largest among those that gain most for it.
        let pick = (0..open.len()).max_by(|&a, &b| (x[a] * gains[a]).total_cmp(&(x[b] * gains[b])).then(gains[a].total_cmp(&gains[b]))).unwrap_or(0);
        let j = open[pick];
        let near: Vec<(usize, f64)> = open.iter().copied().zip(x).filter(|x| x.0 != j).collect();
        let rest: Vec<usize> = open.into_iter().filter(|o| *o != j).collect();
        at.push(j);
        self.mixed(&m.after(j, &rest), at, rest.clone(), Some(&near));
        at.pop();
        if !self.stop(bound) {
            self.mixed(m, at, rest, Some(&near));
        }
    }

    fn falling(&mut self, o: &impl Objective, at: &mut Vec<usize>, value: f64, open: Vec<usize>) {
        self.take(at, value);
        let open = self.allowed(at, open);
        if open.is_empty() {
            return;
        }
        let all: Vec<usize> = at.iter().chain(&open).copied().collect();
        let bound = o.value(&all);
        self.places += 1;
        if self.stop(bound) {
            return;
        }
        let with = |j: usize| o.value(&at.iter().copied().chain([j]).collect::<Vec<_>>());
        let values: Vec<f64> = open.iter().map(|&j| with(j)).collect();
        let pick = (0..open.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
        let j = open[pick];
        let rest: Vec<usize> = open.iter().copied().filter(|o| *o != j).collect();
        at.push(j);
        self.falling(o, at, values[pick], rest.clone());
        at.pop();
        if self.stop(bound) {
            return;
        }
        self.falling(o, at, value, rest);
    }
}
