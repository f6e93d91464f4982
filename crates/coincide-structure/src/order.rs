//! Orders of the variables of a module. None is good for every structure, so several are tried: depth first in several sequences, by weight (Minato, Ishiura and Yajima 1990), and either of them drawn
//! together so that what a gate joins lies close (FORCE: Aloul, Markov and Sakallah 2003).

use crate::graph::Structure;
use rustc_hash::FxHashSet;

/// Variables times inputs up to which weights are worked out anew for each variable.
const MOST_WEIGHING: usize = 50_000_000;
/// Rounds of drawing together.
const ROUNDS: usize = 30;

/// A module with the gates below it.
struct Inside<'a> {
    s: &'a Structure,
    module: usize,
    /// Gates below the module and itself, inputs first.
    gates: Vec<usize>,
    /// The variables as they stand.
    variables: Vec<usize>,
}

/// Orders to try, the most promising first; each is made when it is asked for.
pub(crate) fn orders<'a>(s: &'a Structure, module: usize, inside: &'a impl Fn(usize) -> bool) -> impl Iterator<Item = Vec<usize>> + 'a {
    let gates = s.gates_below(&[module], inside);
    let edges: usize = gates.iter().map(|&g| s.nodes[g].children().len()).sum();
    let mut m = Inside { s, module, gates, variables: Vec::new() };
    m.variables = m.depth_first(inside, |inputs| inputs.reverse());
    let weighed = m.variables.len().saturating_mul(edges) <= MOST_WEIGHING;
    let many = if m.variables.len() < 3 { 1 } else { 7 };
    // The first is what the sixth starts from.
    let mut heaviest_first = Vec::new();
    let order = move |which: usize| match which {
        0 if weighed => {
            heaviest_first = m.by_weight(|inputs| 1.0 / inputs);
            Some(heaviest_first.clone())
        }
        1 => Some(m.variables.clone()),
        0 => Some(m.depth_first(inside, shuffled(2))),
        2 => Some(m.drawn_together(&m.by_depth(inside))),
        3 => Some(m.drawn_together(&backwards(m.by_size(inside)))),
        4 => Some(m.drawn_together(&m.depth_first(inside, shuffled(7)))),
        5 if weighed => Some(m.drawn_together(&backwards(std::mem::take(&mut heaviest_first)))),
        6 if weighed => Some(m.drawn_together(&m.by_weight(|inputs| 1.0 / inputs.sqrt()))),
        _ => None,
    };
    (0..many).filter_map(order)
}

fn backwards(mut order: Vec<usize>) -> Vec<usize> {
    order.reverse();
    order
}

/// Inputs in a sequence that has nothing to do with them.
fn shuffled(n: u32) -> impl Fn(&mut Vec<usize>) {
    move |inputs| {
        inputs.sort_by_key(|&i| {
            (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(n).wrapping_mul(0xd134_2543_de82_ef95 + 2 * u64::from(n))
        });
    }
}

impl Inside<'_> {
    fn inputs(&self, at: usize) -> Vec<usize> {
        self.s.nodes[at].children().iter().map(|l| l.node()).collect()
    }

    /// Variables as met depth first, where `arrange` puts each gate's inputs in sequence: the last is met first.
    fn depth_first(&self, inside: &impl Fn(usize) -> bool, arrange: impl Fn(&mut Vec<usize>)) -> Vec<usize> {
        let mut out = Vec::new();
        let mut met = FxHashSet::default();
        let mut open = vec![self.module];
        while let Some(at) = open.pop() {
            if !met.insert(at) {
                continue;
            }
            if at != self.module && !inside(at) {
                out.push(at);
                continue;
            }
            let mut inputs = self.inputs(at);
            arrange(&mut inputs);
            open.extend(inputs);
        }
        out
    }

    /// Depth first, the largest inputs last.
    fn by_size(&self, inside: &impl Fn(usize) -> bool) -> Vec<usize> {
        // How many variables stand below, as often as they do.
        let mut size = vec![1u64; self.s.nodes.len()];
        for &at in &self.gates {
            size[at] = self.s.nodes[at].children().iter().fold(0, |sum: u64, l| sum.saturating_add(size[l.node()]));
        }
        self.depth_first(inside, |inputs| inputs.sort_by_key(|&i| std::cmp::Reverse(size[i])))
    }

    /// Depth first, the deepest inputs last.
    fn by_depth(&self, inside: &impl Fn(usize) -> bool) -> Vec<usize> {
        let mut depth = vec![0u32; self.s.nodes.len()];
        for &at in &self.gates {
            depth[at] = 1 + self.s.nodes[at].children().iter().map(|l| depth[l.node()]).max().unwrap_or(0);
        }
        self.depth_first(inside, |inputs| inputs.sort_by_key(|&i| std::cmp::Reverse(depth[i])))
    }

    /// Always the variable that weighs most: the module weighs 1, and a gate hands on `share` of its weight, by the number of its inputs, to each of them. Without the variable that was taken, the rest
    /// is weighed anew.
    fn by_weight(&self, share: impl Fn(f64) -> f64) -> Vec<usize> {
        let n = self.s.nodes.len();
        // Each gate's inputs below which a variable is left, and the gates that have them.
        let (mut inputs, mut parents) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        let mut weighs = vec![false; n];
        self.variables.iter().for_each(|&v| weighs[v] = true);
        for &at in &self.gates {
            inputs[at] = self.inputs(at).into_iter().filter(|&i| weighs[i]).collect::<Vec<usize>>();
            weighs[at] = !inputs[at].is_empty();
            inputs[at].iter().for_each(|&i: &usize| parents[i].push(at));
        }
        let (mut gates, mut left) = (self.gates.clone(), self.variables.clone());
        let mut out = Vec::with_capacity(left.len());
        let mut weight = vec![0.0; n];
        while !left.is_empty() {
            weight[self.module] = 1.0;
            for &at in gates.iter().rev() {
                let own = std::mem::take(&mut weight[at]);
                let each = own * share(inputs[at].len() as f64);
                inputs[at].iter().for_each(|&i| weight[i] += each);
            }
            // The first of those that weigh most.
            let most = (1..left.len()).fold(0, |best, i| if weight[left[best]] >= weight[left[i]] { best } else { i });
            let taken = left.remove(most);
            out.push(taken);
            left.iter().chain([&taken]).for_each(|&v| weight[v] = 0.0);
            let mut gone = vec![taken];
            while let Some(i) = gone.pop() {
                for &at in &parents[i] {
                    let before = inputs[at].len();
                    inputs[at].retain(|&other| other != i);
                    if before > 0 && inputs[at].is_empty() {
                        gone.push(at);
                    }
                }
            }
            gates.retain(|&at| !inputs[at].is_empty());
        }
        out
    }

    /// The order in which gates and their inputs have drawn each other close, from `start` on: of all rounds that in which gates span least.
    fn drawn_together(&self, start: &[usize]) -> Vec<usize> {
        let n = self.s.nodes.len();
        let mut place = vec![0.0f64; n];
        start.iter().enumerate().for_each(|(i, &v)| place[v] = i as f64);
        for &g in &self.gates {
            let inputs = self.s.nodes[g].children();
            place[g] = inputs.iter().map(|l| place[l.node()]).sum::<f64>() / inputs.len() as f64;
        }
        let span = |place: &[f64]| -> f64 {
            let one = |g: &usize| {
                let ends = self.s.nodes[*g]
                    .children()
                    .iter()
                    .map(|l| place[l.node()])
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |e, p| (e.0.min(p), e.1.max(p)));
                ends.1 - ends.0
            };
            self.gates.iter().map(one).sum()
        };
        let mut all: Vec<usize> = start.iter().chain(&self.gates).copied().collect();
        let mut best = (span(&place), start.to_vec());
        let (mut sum, mut count) = (vec![0.0; n], vec![0.0; n]);
        for _ in 0..ROUNDS {
            all.iter().for_each(|&v| (sum[v], count[v]) = (0.0, 0.0));
            for &g in &self.gates {
                let inputs = self.s.nodes[g].children();
                let middle = (inputs.iter().map(|l| place[l.node()]).sum::<f64>() + place[g]) / (inputs.len() + 1) as f64;
                for v in inputs.iter().map(|l| l.node()).chain([g]) {
                    sum[v] += middle;
                    count[v] += 1.0;
                }
            }
            all.iter().for_each(|&v| sum[v] /= count[v]);
            all.sort_by(|a, b| sum[*a].total_cmp(&sum[*b]));
            all.iter().enumerate().for_each(|(i, &v)| place[v] = i as f64);
            let now = span(&place);
            if now < best.0 {
                best.0 = now;
                best.1.sort_by(|a, b| place[*a].total_cmp(&place[*b]));
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Literal};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// All gates weighed anew for each variable, without those below which none is left.
    fn by_weight_slowly(m: &Inside, share: impl Fn(f64) -> f64) -> Vec<usize> {
        let n = m.s.nodes.len();
        let mut out: Vec<usize> = Vec::new();
        while out.len() < m.variables.len() {
            let left: Vec<usize> = m.variables.iter().copied().filter(|v| !out.contains(v)).collect();
            let mut alive = vec![false; n];
            left.iter().for_each(|&v| alive[v] = true);
            m.gates.iter().for_each(|&at| alive[at] = m.inputs(at).iter().any(|&i| alive[i]));
            let mut weight = vec![0.0; n];
            weight[m.module] = 1.0;
            for &at in m.gates.iter().rev().filter(|&&at| alive[at]) {
                let inputs: Vec<usize> = m.inputs(at).into_iter().filter(|&i| alive[i]).collect();
                let each = weight[at] * share(inputs.len() as f64);
                inputs.iter().for_each(|&i| weight[i] += each);
            }
            let most = left.iter().map(|&v| weight[v]).fold(f64::NEG_INFINITY, f64::max);
            out.extend(left.iter().find(|&&v| weight[v] >= most));
        }
        out
    }

    #[test]
    fn the_heaviest_comes_first() {
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut b = Builder::new();
            let mut made: Vec<Literal> = (0..12).map(|i| b.event(i)).collect();
            for _ in 0..15 {
                let some: Vec<Literal> =
                    (0..rng.random_range(2..5)).map(|_| made[rng.random_range(made.len().saturating_sub(14)..made.len())]).collect();
                made.push(if rng.random_bool(0.5) { b.all(some) } else { b.any(some) });
            }
            let top = b.odd([made[24], made[25], made[26]]);
            let s = b.finish(top);
            let inside = |i: usize| !s.nodes[i].children().is_empty();
            let mut m = Inside { s: &s, module: s.top.node(), gates: s.gates_below(&[s.top.node()], &inside), variables: Vec::new() };
            m.variables = m.depth_first(&inside, |inputs| inputs.reverse());
            assert!(m.variables.len() > 2, "{seed}");
            assert_eq!(m.by_weight(|n| 1.0 / n), by_weight_slowly(&m, |n| 1.0 / n), "{seed}");
            assert_eq!(m.by_weight(|n| 1.0 / n.sqrt()), by_weight_slowly(&m, |n| 1.0 / n.sqrt()), "{seed}");
        }
    }
}
