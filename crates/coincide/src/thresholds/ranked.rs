//! Scores as ranks, and the search for cuts that stop the most attacks within a budget of benign trials.
//!
//! A layer stops a trial where its rank is below the layer's cut; the stack stops it where at least `need` layers do. Cuts of two layers, the others being as they are, have a best choice that
//! one walk over the trials finds: the lower one layer's threshold goes, the higher the other's has to be. Exchanging pairs until nothing gets better is the search; for few layers all cuts of
//! the others are gone through as well, which proves the choice.

/// The rank of a trial on which a layer gave no score: it never stops it.
pub(super) const NONE: u32 = u32::MAX;
/// Rounds over all pairs, at most.
const ROUNDS: usize = 50;

/// Trials by the rank of each layer's score, 0 being the most suspicious.
pub(super) struct Ranked {
    /// Of each layer, of each trial.
    pub rank: Vec<Vec<u32>>,
    /// Of each layer: its trials by rank.
    order: Vec<Vec<u32>>,
    /// Of each layer: the weight of benign trials, and of attacks, up to each rank.
    below: Vec<Vec<[f64; 2]>>,
    pub weight: Vec<f64>,
    pub benign: Vec<bool>,
    /// How many layers without thresholds stop the trial.
    pub base: Vec<u16>,
}

/// Cuts with what they let through and what they stop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cuts {
    pub cut: Vec<u32>,
    /// Weight of attacks that are not stopped.
    pub missed: f64,
    /// Weight of benign trials that are.
    pub stopped: f64,
}

impl Cuts {
    fn better_than(&self, other: &Cuts) -> bool {
        let near = 1e-12 * other.missed;
        self.missed < other.missed - near || self.missed <= other.missed + near && self.stopped < other.stopped - near
    }
}

/// How a trial depends on two layers.
#[derive(Clone, Copy, PartialEq)]
enum Hangs {
    Stopped,
    /// One of the two suffices.
    OnEither,
    OnBoth,
    Missed,
}

impl Ranked {
    /// Ranks of suspicion scores: equal scores have equal ranks.
    pub fn new(scores: &[Vec<Option<f64>>], weight: Vec<f64>, benign: Vec<bool>, base: Vec<u16>) -> Self {
        let mut out = Ranked { rank: Vec::new(), order: Vec::new(), below: Vec::new(), weight, benign, base };
        for column in scores {
            let mut order: Vec<u32> = (0..column.len() as u32).filter(|&t| column[t as usize].is_some()).collect();
            let of = |t: u32| column[t as usize].unwrap_or(f64::NEG_INFINITY);
            order.sort_by(|&a, &b| of(b).total_cmp(&of(a)).then(a.cmp(&b)));
            let mut rank = vec![NONE; column.len()];
            let mut at = 0;
            for (i, &t) in order.iter().enumerate() {
                if i > 0 && of(order[i - 1]) > of(t) {
                    at += 1;
                }
                rank[t as usize] = at;
            }
            let mut below: Vec<[f64; 2]> = Vec::new();
            let mut sums = [0.0; 2];
            for &t in &order {
                let (t, r) = (t as usize, rank[t as usize] as usize);
                sums[usize::from(!out.benign[t])] += out.weight[t];
                below.resize(r + 1, sums);
                below[r] = sums;
            }
            out.rank.push(rank);
            out.order.push(order);
            out.below.push(below);
        }
        out
    }

    pub fn layers(&self) -> usize {
        self.rank.len()
    }

    pub fn benign_weight(&self) -> f64 {
        self.weight.iter().zip(&self.benign).filter(|(_, b)| **b).map(|(w, _)| w).sum()
    }

    /// How many layers stop each trial, without those in `except`.
    fn holding(&self, cut: &[u32], except: &[usize]) -> Vec<u16> {
        let mut out = self.base.clone();
        for (i, ranks) in self.rank.iter().enumerate().filter(|(i, _)| !except.contains(i)) {
            out.iter_mut().zip(ranks).for_each(|(o, &r)| *o += u16::from(r < cut[i]));
        }
        out
    }

    /// What cuts let through and stop.
    pub fn judged(&self, cut: &[u32], need: u16) -> Cuts {
        let (mut missed, mut stopped) = (0.0, 0.0);
        for (t, holding) in self.holding(cut, &[]).into_iter().enumerate() {
            match (holding >= need, self.benign[t]) {
                (true, true) => stopped += self.weight[t],
                (false, false) => missed += self.weight[t],
                _ => {}
            }
        }
        Cuts { cut: cut.to_vec(), missed, stopped }
    }

    /// The lowest cut of a layer at which at most this weight of benign trials is stopped by it alone.
    pub fn cut_at(&self, layer: usize, most: f64) -> u32 {
        self.below[layer].partition_point(|b| b[0] <= most * (1.0 + 1e-12)) as u32
    }

    /// The weight of attacks that a layer stops by itself at a cut.
    pub fn caught(&self, layer: usize, cut: u32) -> f64 {
        cut.checked_sub(1).map_or(0.0, |r| self.below[layer][r as usize][1])
    }

    /// The lowest cut of one layer at which at most this weight of benign trials is stopped, given how many others stop each; `None` where those stop more already.
    fn lowest(&self, layer: usize, holding: &[u16], need: u16, most: f64) -> Option<u32> {
        let mut stopped = self.stopped(holding, need);
        let most = most * (1.0 + 1e-12);
        if stopped > most {
            return None;
        }
        let (ranks, order) = (&self.rank[layer], &self.order[layer]);
        let (mut cut, mut at) = (0, 0);
        while at < order.len() {
            let level = ranks[order[at] as usize];
            let end = at + order[at..].partition_point(|&t| ranks[t as usize] == level);
            let more = |t: &&u32| self.benign[**t as usize] && holding[**t as usize] + 1 == need;
            stopped += order[at..end].iter().filter(more).map(|&t| self.weight[t as usize]).sum::<f64>();
            if stopped > most {
                break;
            }
            (cut, at) = (level + 1, end);
        }
        Some(cut)
    }

    /// Weight of benign trials that so many layers stop.
    fn stopped(&self, holding: &[u16], need: u16) -> f64 {
        (0..holding.len()).filter(|&t| self.benign[t] && holding[t] >= need).map(|t| self.weight[t]).sum()
    }

    /// Cuts of a layer between which something changes for benign trials: just above each of them, and below all.
    fn steps(&self, layer: usize) -> Vec<u32> {
        let ranks = &self.rank[layer];
        let mut out: Vec<u32> = (0..ranks.len()).filter(|&t| self.benign[t] && ranks[t] != NONE).map(|t| ranks[t]).collect();
        out.push(0);
        out.extend(self.order[layer].last().map(|&t| ranks[t as usize] + 1));
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The best cuts of two layers, or of one, given how many of the others stop each trial; `None` where the others stop too many benign trials by themselves.
    fn pair(&self, i: usize, j: Option<usize>, others: &[u16], need: u16, most: f64) -> Option<(u32, u32, f64, f64)> {
        let most = most * (1.0 + 1e-12);
        let hangs = |t: usize| match need.saturating_sub(others[t]) {
            0 => Hangs::Stopped,
            1 => Hangs::OnEither,
            2 => Hangs::OnBoth,
            _ => Hangs::Missed,
        };
        let (mut missed, mut stopped) = (0.0, 0.0);
        for t in 0..others.len() {
            match (hangs(t) == Hangs::Stopped, self.benign[t]) {
                (true, true) => stopped += self.weight[t],
                (false, false) => missed += self.weight[t],
                _ => {}
            }
        }
        if stopped > most {
            return None;
        }
        let no_ranks = Vec::new();
        let no_order = Vec::new();
        let (ranks_i, order_i) = (&self.rank[i], &self.order[i]);
        let (ranks_j, order_j) = j.map_or((&no_ranks, &no_order), |j| (&self.rank[j], &self.order[j]));
        // As low as the other may go while this one stops nothing.
        let (mut at_j, mut cut_j) = (0, 0);
        while at_j < order_j.len() {
            let r = ranks_j[order_j[at_j] as usize];
            let end = at_j + order_j[at_j..].partition_point(|&t| ranks_j[t as usize] == r);
            let here = || order_j[at_j..end].iter().map(|&t| t as usize).filter(|&t| hangs(t) == Hangs::OnEither);
            let more: f64 = here().filter(|&t| self.benign[t]).map(|t| self.weight[t]).sum();
            if stopped + more > most {
                break;
            }
            stopped += more;
            missed -= here().filter(|&t| !self.benign[t]).map(|t| self.weight[t]).sum::<f64>();
            (at_j, cut_j) = (end, r + 1);
        }
        let mut best = (0, cut_j, missed, stopped);
        let mut at_i = 0;
        while at_i < order_i.len() {
            let r = ranks_i[order_i[at_i] as usize];
            while at_i < order_i.len() && ranks_i[order_i[at_i] as usize] == r {
                let t = order_i[at_i] as usize;
                let by_j = ranks_j.get(t).is_some_and(|&r| r < cut_j);
                if matches!((hangs(t), by_j), (Hangs::OnEither, false) | (Hangs::OnBoth, true)) {
                    if self.benign[t] { stopped += self.weight[t] } else { missed -= self.weight[t] }
                }
                at_i += 1;
            }
            let cut_i = r + 1;
            while stopped > most {
                if at_j == 0 {
                    return Some(best);
                }
                cut_j = ranks_j[order_j[at_j - 1] as usize];
                while at_j > 0 && ranks_j[order_j[at_j - 1] as usize] == cut_j {
                    at_j -= 1;
                    let t = order_j[at_j] as usize;
                    let by_i = ranks_i[t] < cut_i;
                    if matches!((hangs(t), by_i), (Hangs::OnEither, false) | (Hangs::OnBoth, true)) {
                        if self.benign[t] { stopped -= self.weight[t] } else { missed += self.weight[t] }
                    }
                }
            }
            let near = 1e-12 * best.2;
            if missed < best.2 - near || missed <= best.2 + near && stopped < best.3 - near {
                best = (cut_i, cut_j, missed, stopped);
            }
        }
        Some(best)
    }

    /// Cuts made better by exchanging pairs until none helps; from cuts that keep to the budget.
    fn exchanged(&self, from: Cuts, need: u16, most: f64) -> Cuts {
        let k = self.layers();
        let mut best = from;
        for _ in 0..ROUNDS {
            let before = best.clone();
            for i in 0..k {
                let partners: Vec<Option<usize>> = if k == 1 { vec![None] } else { (i + 1..k).map(Some).collect() };
                for j in partners {
                    let except: Vec<usize> = [i].into_iter().chain(j).collect();
                    let Some((ci, cj, _, _)) = self.pair(i, j, &self.holding(&best.cut, &except), need, most) else { continue };
                    let mut cut = best.cut.clone();
                    cut[i] = ci;
                    if let Some(j) = j {
                        cut[j] = cj;
                    }
                    let next = self.judged(&cut, need);
                    if next.better_than(&best) {
                        best = next;
                    }
                }
            }
            if !best.better_than(&before) {
                break;
            }
        }
        best
    }

    /// The best cuts found from these starts, and whether they are proven to be the best: where all cuts of all but two layers were gone through within `work` looks at a trial.
    ///
    /// A start over the budget is left out. `most`: weight of benign trials that may be stopped; where layers without thresholds stop more by themselves, as much as they do.
    pub fn search(&self, starts: &[Vec<u32>], need: u16, most: f64, work: u64) -> (Cuts, bool) {
        let k = self.layers();
        let none = self.judged(&vec![0; k], need);
        let most = most.max(none.stopped);
        let mut best = self.exchanged(none, need, most);
        for start in starts {
            let start = self.judged(start, need);
            if start.stopped <= most * (1.0 + 1e-12) {
                let found = self.exchanged(start, need, most);
                if found.better_than(&best) {
                    best = found;
                }
            }
        }
        let mut through = Through { ranked: self, need, most, best, left: work, ended: true, steps: Vec::new() };
        if k > 4 {
            through.ended = false;
        } else if k > 2 {
            through.steps = (0..k - 2).map(|i| self.steps(i)).collect();
            through.descend(0, &mut vec![0; k], &self.base);
        }
        (through.best, through.ended)
    }
}

/// Going through all cuts of all but two layers.
struct Through<'a> {
    ranked: &'a Ranked,
    need: u16,
    most: f64,
    best: Cuts,
    left: u64,
    ended: bool,
    /// Cuts of each layer that are gone through.
    steps: Vec<Vec<u32>>,
}

impl Through<'_> {
    fn descend(&mut self, depth: usize, cut: &mut Vec<u32>, holding: &[u16]) {
        let r = self.ranked;
        let k = r.layers();
        let spent = (r.weight.len() * (k - depth)) as u64;
        if self.left < spent {
            self.ended = false;
            return;
        }
        self.left -= spent;
        if depth + 2 == k {
            if let Some((ci, cj, _, _)) = r.pair(depth, Some(depth + 1), holding, self.need, self.most) {
                (cut[depth], cut[depth + 1]) = (ci, cj);
                let found = r.judged(cut, self.need);
                if found.better_than(&self.best) {
                    self.best = found;
                }
            }
            return;
        }
        if self.bound(depth, holding) >= self.best.missed * (1.0 - 1e-12) {
            return;
        }
        let (ranks, order) = (&r.rank[depth], &r.order[depth]);
        let (mut holding, mut at) = (holding.to_vec(), 0);
        for step in 0..self.steps[depth].len() {
            let c = self.steps[depth][step];
            while at < order.len() && ranks[order[at] as usize] < c {
                holding[order[at] as usize] += 1;
                at += 1;
            }
            if r.stopped(&holding, self.need) > self.most * (1.0 + 1e-12) {
                break;
            }
            cut[depth] = c;
            self.descend(depth + 1, cut, &holding);
            if !self.ended {
                break;
            }
        }
        cut[depth] = 0;
    }

    /// What is missed at least: every layer that is left gets as much as it might alone.
    fn bound(&self, depth: usize, holding: &[u16]) -> f64 {
        let r = self.ranked;
        let mut relaxed = holding.to_vec();
        for layer in depth..r.layers() {
            let Some(cut) = r.lowest(layer, holding, self.need, self.most) else { return f64::INFINITY };
            relaxed.iter_mut().zip(&r.rank[layer]).for_each(|(h, &rank)| *h += u16::from(rank < cut));
        }
        (0..relaxed.len()).filter(|&t| !r.benign[t] && relaxed[t] < self.need).map(|t| r.weight[t]).sum()
    }
}
