use super::ranked::Ranked;
use super::*;
use crate::random::{Purpose, Seed};
use crate::special::normal_cdf;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

fn ranked(seed: u64, layers: usize, trials: usize, levels: u32) -> Ranked {
    let mut rng = Seed(seed).stream(Purpose::Simulation, 0);
    let benign: Vec<bool> = (0..trials).map(|_| rng.random_bool(0.5)).collect();
    let scores: Vec<Vec<Option<f64>>> = (0..layers)
        .map(|_| {
            let one = |b: &bool| (!rng.random_bool(0.05)).then(|| f64::from(rng.random_range(0..levels) + if *b { 0 } else { levels / 4 }));
            benign.iter().map(one).collect()
        })
        .collect();
    let weight = (0..trials).map(|_| f64::from(rng.random_range(1..4u32))).collect();
    let base = (0..trials).map(|_| u16::from(rng.random_bool(0.02))).collect();
    Ranked::new(&scores, weight, benign, base)
}

/// Every cut of every layer.
fn exhaustive(r: &Ranked, need: u16, most: f64) -> Option<f64> {
    let tops: Vec<u32> = r.rank.iter().map(|c| c.iter().filter(|&&x| x != u32::MAX).max().map_or(0, |m| m + 1)).collect();
    let mut cut = vec![0; tops.len()];
    let mut best: Option<f64> = None;
    loop {
        let j = r.judged(&cut, need);
        if j.stopped <= most {
            best = Some(best.map_or(j.missed, |b: f64| b.min(j.missed)));
        }
        let Some(i) = (0..cut.len()).find(|&i| cut[i] < tops[i]) else { return best };
        cut[i] += 1;
        cut[..i].fill(0);
    }
}

#[test]
fn up_to_four_layers_the_choice_is_the_best_of_all() {
    for seed in 0..60 {
        let layers = 1 + (seed % 4) as usize;
        let (trials, levels) = if layers == 4 { (40, 5) } else { (60, 9) };
        let r = ranked(seed, layers, trials, levels);
        for need in 1..=layers as u16 {
            for share in [0.0, 0.05, 0.2] {
                let most = share * r.benign_weight();
                // Layers without thresholds may stop more than the budget by themselves.
                let most = most.max(r.judged(&vec![0; layers], need).stopped);
                let (cuts, proven) = r.search(&[], need, most, u64::MAX);
                assert_eq!(Some(cuts.missed), exhaustive(&r, need, most), "seed {seed}, {layers} layers, {need} needed, {share}");
                assert!(proven && cuts.stopped <= most && r.judged(&cuts.cut, need) == cuts);
            }
        }
    }
}

#[test]
fn beyond_four_layers_the_search_keeps_to_the_budget_and_beats_its_starts() {
    for seed in 0..10 {
        let r = ranked(100 + seed, 7, 400, 50);
        let most = 0.1 * r.benign_weight();
        let start = scaled(&r, &[1.0; 7], 1, most);
        let (found, proven) = r.search(std::slice::from_ref(&start), 1, most, u64::MAX);
        assert!(!proven && found.stopped <= most && found.missed <= r.judged(&start, 1).missed);
    }
}

#[test]
fn plain_numbers_lie_where_they_should() {
    assert_eq!(plain_between(0.4312, 0.4391), Some(0.435));
    assert_eq!(plain_between(-1.0, 3.0), Some(1.0));
    assert_eq!(plain_between(f64::INFINITY, f64::INFINITY), None);
    let (a, b) = (0.1, 0.1f64.next_up());
    assert_eq!(plain_between(a, b), Some(b));
    assert!(plain_between(0.7, f64::INFINITY).is_some_and(|x| x > 0.7));
}

/// Attacks shift each layer's normal score; all scores share a cause.
struct Law {
    shift: Vec<f64>,
    shared: f64,
}

impl Law {
    fn draw(&self, seed: u64, attacks: usize, benign: usize) -> TrialIndex {
        let mut rng = Seed(seed).stream(Purpose::Simulation, 0);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let n = attacks + benign;
        let mut scores = vec![Vec::with_capacity(n); self.shift.len()];
        for t in 0..n {
            let common = normal();
            for (list, shift) in scores.iter_mut().zip(&self.shift) {
                let own = normal();
                list.push(Some(if t < attacks { *shift } else { 0.0 } + self.shared.sqrt() * common + (1.0 - self.shared).sqrt() * own));
            }
        }
        TrialIndex {
            layers: (0..self.shift.len()).map(|i| format!("l{i}")).collect(),
            labels: (0..n).map(|t| if t < attacks { Label::Attack } else { Label::Benign }).collect(),
            names: (0..n).map(|t| t.to_string()).collect(),
            weights: vec![1.0; n],
            readings: scores.into_iter().map(Readings::Scores).collect(),
            ..TrialIndex::default()
        }
    }

    /// P(some layer holds), exact: an integral over the shared cause.
    fn stops(&self, cuts: &[Option<f64>], attack: bool) -> f64 {
        let steps = 400;
        let (mut sum, mut weight) = (0.0, 0.0);
        for s in 0..=steps {
            let z = -8.0 + 16.0 * f64::from(s) / f64::from(steps);
            let density = (-0.5 * z * z).exp();
            let passes = |(c, shift): (&Option<f64>, &f64)| {
                let mean = if attack { *shift } else { 0.0 } + self.shared.sqrt() * z;
                c.map_or(1.0, |c| normal_cdf((c - mean) / (1.0 - self.shared).sqrt()))
            };
            sum += density * (1.0 - cuts.iter().zip(&self.shift).map(passes).product::<f64>());
            weight += density;
        }
        sum / weight
    }
}

/// Shares of seeds in which the thresholds together let through at most what equal ones do, and in which the budget holds, by the law itself; the mean of equal over together, and how often another spread than equal was taken.
fn simulated(law: &Law, seeds: u64, attacks: usize, benign: usize) -> [f64; 4] {
    let one = |seed: u64| -> [f64; 4] {
        let trials = law.draw(seed, attacks, benign);
        // A layer that tells nothing might be taken either way round, and the law is about one of them.
        let fails_when = trials.layers.iter().map(|l| (l.clone(), FailsWhen::Below)).collect();
        let options = ThresholdOptions { false_alarm: 0.05, confidence: 0.95, fails_when, ..ThresholdOptions::default() };
        let Ok(p) = Problem::new(&trials, &options, &AnalyzeOptions { seed: Seed(seed), ..AnalyzeOptions::default() }) else { panic!("seed {seed}") };
        // As `thresholds` fits them, without what judges them on left-out clusters.
        let fitted = |way: ThresholdWay| p.fitted((way, 1), &p.used, FOLDS as u64, WORK.0, false);
        let (Some(own), Some(equal)) = (fitted(ThresholdWay::Together), fitted(ThresholdWay::Equal)) else { panic!("seed {seed}") };
        assert!(own.promised && equal.promised);
        let cuts = |f: &Fitted| f.thresholds(&p).iter().map(|t| t.value).collect::<Vec<_>>();
        let [a, b] = [&own, &equal].map(|f| 1.0 - law.stops(&cuts(f), true));
        let yes = |b: bool| f64::from(u8::from(b));
        [yes(a <= b + 1e-12), yes(law.stops(&cuts(&own), false) <= 0.05), b / a, yes(!own.shape.kept_equal)]
    };
    let all: Vec<[f64; 4]> = (0..seeds).into_par_iter().map(one).collect();
    [0, 1, 2, 3].map(|i| all.iter().map(|x| x[i]).sum::<f64>() / seeds as f64)
}

#[test]
#[ignore = "release mode"]
fn slow_thresholds_together_beat_equal_ones_and_keep_the_budget() {
    let laws = [
        Law { shift: vec![3.0, 1.0, 0.3], shared: 0.3 },
        Law { shift: vec![1.5, 1.5, 1.5], shared: 0.3 },
        Law { shift: vec![2.0, 1.5, 1.0, 0.5], shared: 0.0 },
        Law { shift: vec![2.0, 1.6], shared: 0.6 },
        Law { shift: vec![2.5, 2.0, 1.5, 1.0, 0.5, 0.0], shared: 0.2 },
    ];
    for law in laws {
        let [at_most, keeps, gain, taken] = simulated(&law, 200, 1000, 2000);
        println!(
            "{:?}, shared {}: at most equal in {at_most:.3}, budget kept in {keeps:.3}, equal/together {gain:.3}, another spread taken in {taken:.3}",
            law.shift, law.shared
        );
        assert!(at_most >= 0.95 && keeps >= 0.92);
    }
}

#[test]
fn wide_apart_layers_are_told_apart() {
    let law = Law { shift: vec![3.0, 1.0, 0.3], shared: 0.3 };
    let [at_most, _, gain, taken] = simulated(&law, 3, 600, 1200);
    assert!((at_most - 1.0).abs() < 1e-12 && (taken - 1.0).abs() < 1e-12 && gain > 1.2, "{at_most} {gain} {taken}");
}

#[test]
fn scores_the_other_way_round_give_the_same_choice() {
    let law = Law { shift: vec![2.0, 1.0], shared: 0.2 };
    let plain = law.draw(5, 300, 600);
    let mut turned = plain.clone();
    if let Readings::Scores(s) = &mut turned.readings[1] {
        s.iter_mut().flatten().for_each(|s| *s = -*s);
    }
    let of = |t: &TrialIndex| thresholds(t, &ThresholdOptions::default(), &AnalyzeOptions::default(), &|_, _, _| {});
    let (Ok(a), Ok(b)) = (of(&plain), of(&turned)) else { panic!("no choice") };
    assert_eq!((a.layers[1].fails_when, b.layers[1].fails_when), (Some(FailsWhen::Below), Some(FailsWhen::Above)));
    assert_eq!(a.best.held_out_beta, b.best.held_out_beta);
    assert_eq!(a.best.thresholds[1].value.map(|v| -v), b.best.thresholds[1].value);
}

#[test]
fn what_cannot_be_chosen_is_refused() {
    let law = Law { shift: vec![2.0, 1.0], shared: 0.2 };
    let of =
        |t: &TrialIndex, o: &ThresholdOptions| thresholds(t, o, &AnalyzeOptions::default(), &|_, _, _| {}).map(|_| ()).map_err(|e| e.to_string());
    let usual = ThresholdOptions::default();
    let mut attacks = law.draw(5, 50, 0);
    assert!(of(&attacks, &usual).is_err_and(|e| e.contains("benign")));
    attacks.labels.fill(Label::Benign);
    assert_eq!(of(&attacks, &usual), Err(Error::NoTrials.to_string()));
    let both = law.draw(5, 50, 50);
    assert!(of(&both, &ThresholdOptions { false_alarm: 0.0, ..usual.clone() }).is_err_and(|e| e.contains("budget")));
    // A layer without a threshold that stops every second benign trial.
    let mut fixed = both.clone();
    fixed.readings[0] = Readings::Outcomes((0..100).map(|t| Some(t % 2 == 0)).collect());
    assert!(of(&fixed, &usual).is_err_and(|e| e.contains("by themselves")));
    // A layer without a threshold that alone stops nearly the budget: nothing can be promised, however many trials there are.
    let mut near = law.draw(6, 500, 2000);
    near.readings[1] = Readings::Outcomes((0..2500).map(|t| Some(t % 21 != 0)).collect());
    let near = thresholds(&near, &usual, &AnalyzeOptions::default(), &|_, _, _| {});
    assert!(near.is_ok_and(|t| !t.best.promised));
    // Few benign trials: nothing is promised, and the note says how many it takes.
    let few = thresholds(&both, &usual, &AnalyzeOptions::default(), &|_, _, _| {});
    assert!(few.is_ok_and(|t| !t.best.promised && t.notes.iter().any(|n| n.contains("118"))));
}
