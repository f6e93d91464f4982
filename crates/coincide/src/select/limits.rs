//! What a choice of layers may take: sums such as cost, latency in stages, joint false alarms, so many of a kind.

/// Something that adds up over layers.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    /// Of each layer.
    pub each: Vec<f64>,
    /// At most.
    pub most: f64,
}

/// Time that passes: layers of one stage run at once, stages one after another.
#[derive(Debug, Clone)]
pub(crate) struct Stages {
    /// Of each layer.
    pub stage: Vec<usize>,
    /// Of each layer.
    pub time: Vec<f64>,
    /// At most.
    pub most: f64,
}

/// False alarms on benign trials: of the union of the chosen layers, as they come together.
#[derive(Debug, Clone)]
pub(crate) struct Alarms {
    /// Benign trials that are alike: their share of all.
    pub weight: Vec<f64>,
    /// `alarm[j]`: whether the layer raises one on them.
    pub alarm: Vec<Vec<bool>>,
    /// At most.
    pub most: f64,
}

/// At most so many of some layers.
#[derive(Debug, Clone)]
pub(crate) struct AtMost {
    pub layers: Vec<usize>,
    pub many: usize,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub sums: Vec<Sum>,
    pub stages: Option<Stages>,
    pub alarms: Option<Alarms>,
    pub at_most: Vec<AtMost>,
}

/// Sums that are over a limit by rounding alone are not over it: by this share.
pub(super) const ROUNDING: f64 = 1e-9;

fn over(sum: f64, most: f64) -> bool {
    sum > most * (1.0 + ROUNDING)
}

impl Limits {
    /// Whether these layers keep to all limits. What is over a limit stays so however many more are added.
    pub(crate) fn allow(&self, layers: &[usize]) -> bool {
        !self.sums.iter().any(|s| over(layers.iter().map(|&j| s.each[j]).sum(), s.most))
            && self.at_most.iter().all(|g| layers.iter().filter(|j| g.layers.contains(j)).count() <= g.many)
            && self.stages.as_ref().is_none_or(|s| !over(s.time(layers), s.most))
            && self.alarms.as_ref().is_none_or(|a| !over(a.rate(layers), a.most))
    }

    /// What is left of each sum.
    pub(super) fn room(&self, layers: &[usize]) -> Vec<f64> {
        self.sums.iter().map(|s| (s.most * (1.0 + ROUNDING) - layers.iter().map(|&j| s.each[j]).sum::<f64>()).max(0.0)).collect()
    }
}

impl Stages {
    /// Time of these layers.
    pub(crate) fn time(&self, layers: &[usize]) -> f64 {
        let stages = self.stage.iter().max().map_or(0, |s| s + 1);
        (0..stages).map(|s| layers.iter().filter(|j| self.stage[**j] == s).map(|&j| self.time[j]).fold(0.0, f64::max)).sum()
    }
}

impl Alarms {
    /// P(some of these layers raises an alarm).
    pub(crate) fn rate(&self, layers: &[usize]) -> f64 {
        self.weight.iter().enumerate().filter(|(t, _)| layers.iter().any(|j| self.alarm[*j][*t])).map(|(_, w)| w).sum()
    }
}

/// The most that Σ gain_j x_j can be over shares x between 0 and 1 that keep to one of the sums; the least over the sums, with the shares.
pub(super) fn most_gained(gains: &[f64], takes: &[Vec<f64>], room: &[f64]) -> (f64, Vec<f64>) {
    let all = (gains.iter().sum(), vec![1.0; gains.len()]);
    takes.iter().zip(room).map(|(each, room)| knapsack(gains, each, *room)).fold(all, |best, k| if k.0 < best.0 { k } else { best })
}

fn knapsack(gains: &[f64], each: &[f64], mut room: f64) -> (f64, Vec<f64>) {
    // What takes nothing comes first.
    let worth = |j: usize| if each[j] > 0.0 { gains[j] / each[j] } else { f64::INFINITY };
    let mut order: Vec<(f64, usize)> = (0..gains.len()).map(|j| (worth(j), j)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut x = vec![0.0; gains.len()];
    let mut sum = 0.0;
    for (_, j) in order {
        let share = if each[j] <= room { 1.0 } else { (room / each[j]).max(0.0) };
        x[j] = share;
        sum += share * gains[j];
        room -= share * each[j];
    }
    (sum, x)
}
