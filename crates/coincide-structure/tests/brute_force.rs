//! Random structures against all patterns of their events.
#![allow(clippy::unwrap_used)]

use coincide_structure::{Builder, Limits, Literal, Structure};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Some of the pool, some of them negated.
fn some(n: usize, pool: &[Literal], rng: &mut ChaCha8Rng) -> Vec<Literal> {
    let one = |_| {
        let l = pool[rng.random_range(0..pool.len())];
        if rng.random_bool(0.25) { !l } else { l }
    };
    (0..n).map(one).collect()
}

fn random(events: usize, gates: usize, rng: &mut ChaCha8Rng) -> Structure {
    let mut b = Builder::new();
    let mut pool: Vec<Literal> = (0..events).map(|i| b.event(i)).collect();
    pool.extend([b.constant(true), b.constant(false)]);
    for _ in 0..gates {
        let n = rng.random_range(1..=4);
        let inputs = some(n, &pool, rng);
        let gate = match rng.random_range(0..4) {
            0 => b.all(inputs),
            1 => b.any(inputs),
            2 => b.at_least(rng.random_range(0..=n + 1), inputs),
            _ => b.odd(inputs),
        };
        pool.push(gate);
    }
    let top = pool[pool.len() - 1];
    b.finish(top)
}

fn enumerated(s: &Structure, p: &[f64]) -> f64 {
    (0..1u32 << p.len())
        .filter(|pattern| s.fails(|i| pattern >> i & 1 == 1))
        .map(|pattern| (0..p.len()).map(|i| if pattern >> i & 1 == 1 { p[i] } else { 1.0 - p[i] }).product::<f64>())
        .sum()
}

#[test]
fn probabilities_are_sums_over_patterns() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..400 {
        let events = rng.random_range(1..=12);
        let gates = rng.random_range(1..=25);
        let s = random(events, gates, &mut rng);
        let p: Vec<f64> = (0..events).map(|_| rng.random()).collect();
        let (got, wanted) = (s.compile(Limits::default()).unwrap().probability(&p), enumerated(&s, &p));
        assert!((got - wanted).abs() < 1e-12, "round {round}: {got} {wanted}");
    }
}

/// Minimal cut sets, pattern by pattern: patterns that fail and of which no part does.
fn cut_sets(s: &Structure, events: usize) -> Vec<u32> {
    let mut out: Vec<u32> = Vec::new();
    let mut patterns: Vec<u32> = (0..1u32 << events).filter(|pattern| s.fails(|i| pattern >> i & 1 == 1)).collect();
    patterns.sort_by_key(|p| p.count_ones());
    for pattern in patterns {
        if !out.iter().any(|c| c & !pattern == 0) {
            out.push(pattern);
        }
    }
    out
}

fn members(pattern: u32) -> Vec<usize> {
    (0..32).filter(|i| pattern >> i & 1 == 1).collect()
}

fn coherent(events: usize, rng: &mut ChaCha8Rng) -> Structure {
    let mut b = Builder::new();
    let mut pool: Vec<Literal> = (0..events).map(|i| b.event(i)).collect();
    for _ in 0..rng.random_range(1..=15) {
        let n = rng.random_range(1..=4);
        let inputs: Vec<Literal> = (0..n).map(|_| pool[rng.random_range(0..pool.len())]).collect();
        pool.push(match rng.random_range(0..3) {
            0 => b.all(inputs),
            1 => b.any(inputs),
            _ => b.at_least(rng.random_range(1..=n), inputs),
        });
    }
    b.finish(pool[pool.len() - 1])
}

#[test]
fn cut_sets_are_those_of_all_patterns() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (mut seen, mut helped) = (0, 0);
    for round in 0..2000 {
        let events = rng.random_range(1..=10);
        let gates = rng.random_range(1..=15);
        let s = if round % 2 == 0 { coherent(events, &mut rng) } else { random(events, gates, &mut rng) };
        let system = s.compile(Limits::default()).unwrap();
        assert!(system.coherent() || round % 2 == 1);
        helped += usize::from(!system.coherent());
        let wanted = cut_sets(&s, events);
        seen += wanted.len();
        let sets = system.cut_sets(Limits::default()).unwrap();
        let mut counts = vec![0u128; sets.by_order().unwrap().len()];
        wanted.iter().for_each(|c| counts[c.count_ones() as usize] += 1);
        assert_eq!(sets.by_order().unwrap(), counts, "round {round}");
        // Listed best first, all of them and some of them.
        let p: Vec<f64> = (0..events).map(|_| rng.random_range(0.01..1.0)).collect();
        let chance = |c: u32| members(c).iter().map(|&i| p[i]).product::<f64>();
        let mut by_chance = wanted.clone();
        by_chance.sort_by(|a, b| chance(*b).total_cmp(&chance(*a)));
        let likeliest = sets.likeliest(&p, 1000);
        assert_eq!(likeliest.len(), wanted.len());
        for (got, want) in likeliest.iter().zip(&by_chance) {
            assert!((got.probability / chance(*want) - 1.0).abs() < 1e-12, "round {round}");
            assert!(wanted.contains(&got.events.iter().map(|e| 1 << e).sum()));
        }
        assert_eq!(sets.likeliest(&p, 3), likeliest[..likeliest.len().min(3)]);
        let orders: Vec<usize> = sets.smallest(&p, 1000).iter().map(|c| c.events.len()).collect();
        assert!(orders.is_sorted() && orders.len() == wanted.len());
    }
    assert!(seen > 2000 && helped > 100, "{seen} {helped}");
}

/// A set with an impossible event never happens, and is not among the likeliest.
#[test]
fn impossible_sets_are_not_likely() {
    let mut b = Builder::new();
    let e: Vec<Literal> = (0..3).map(|i| b.event(i)).collect();
    let two = b.at_least(2, e);
    let sets = b.finish(two).compile(Limits::default()).unwrap().cut_sets(Limits::default()).unwrap();
    let events = |list: Vec<coincide_structure::CutSet>| list.into_iter().map(|c| c.events).collect::<Vec<_>>();
    assert_eq!(events(sets.likeliest(&[0.5, 0.0, 0.25], 9)), [[0, 2]]);
    assert_eq!(sets.smallest(&[0.5, 0.0, 0.25], 9).len(), 3);
}

/// Many sets of probabilities at once, events that are sure, and what contains some event: each against its plain meaning.
#[test]
fn lanes_sure_events_and_holders_are_what_they_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    for round in 0..300 {
        let events = rng.random_range(1..=9);
        let s = if round % 2 == 0 { coherent(events, &mut rng) } else { random(events, 12, &mut rng) };
        let system = s.compile(Limits::default()).unwrap();
        let n = rng.random_range(1..=20);
        let p: Vec<f64> = (0..events * n).map(|_| rng.random()).collect();
        for (z, got) in system.probabilities(&p, n).into_iter().enumerate() {
            let own: Vec<f64> = (0..events).map(|e| p[e * n + z]).collect();
            assert!((got - enumerated(&s, &own)).abs() < 1e-12);
            assert!((got - system.probability(&own)).abs() < 1e-14);
        }
        let p: Vec<f64> = p[..events].to_vec();
        let sets: Vec<Vec<usize>> = (0..rng.random_range(1..=10)).map(|_| members(rng.random_range(0..1u32 << events))).collect();
        let both: Vec<_> = sets.iter().map(|s| (s.clone(), s.clone())).collect();
        for (set, got) in sets.iter().zip(system.with_sure(&p, &both)) {
            let with = |x: f64| enumerated(&s, &(0..events).map(|i| if set.contains(&i) { x } else { p[i] }).collect::<Vec<_>>());
            assert!((got[0] - with(1.0)).abs() < 1e-12 && (got[1] - with(0.0)).abs() < 1e-12);
        }
        if system.coherent() {
            let whole = s.compile_whole(Limits::default()).unwrap().cut_sets(Limits::default()).unwrap();
            let all = cut_sets(&s, events);
            for set in sets {
                let mask: u32 = set.iter().map(|i| 1 << i).sum();
                let holders: Vec<u32> = all.iter().copied().filter(|c| c & mask != 0).collect();
                let chance = |x: u32| (0..events).map(|i| if x >> i & 1 == 1 { p[i] } else { 1.0 - p[i] }).product::<f64>();
                let wanted: f64 = (0..1u32 << events).filter(|x| holders.iter().any(|c| c & !x == 0)).map(chance).sum();
                let got = whole.holding(&set, Limits::default()).unwrap().unwrap().probability(&p);
                assert!((got - wanted).abs() < 1e-12, "round {round}: {got} {wanted}");
            }
        }
    }
}

/// What the builder simplifies is what was said: against the plain meaning of each gate.
#[test]
fn simplified_gates_mean_the_same() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for _ in 0..2000 {
        let mut b = Builder::new();
        let pool = [b.event(0), b.event(1), b.event(2), b.constant(true), b.constant(false)];
        let n = rng.random_range(0..6);
        let inputs = some(n, &pool, &mut rng);
        let least = rng.random_range(0..7);
        let kind = rng.random_range(0..4);
        let gate = match kind {
            0 => b.all(inputs.clone()),
            1 => b.any(inputs.clone()),
            2 => b.at_least(least, inputs.clone()),
            _ => b.odd(inputs.clone()),
        };
        let s = b.clone().finish(gate);
        for pattern in 0..8u32 {
            let failed = |i: usize| pattern >> i & 1 == 1;
            let true_ones = inputs.iter().filter(|l| b.clone().finish(**l).fails(failed)).count();
            let wanted = match kind {
                0 => true_ones == inputs.len(),
                1 => true_ones > 0,
                2 => true_ones >= least,
                _ => true_ones % 2 == 1,
            };
            assert_eq!(s.fails(failed), wanted, "{kind} {least} {inputs:?} {pattern}");
        }
    }
}

/// Rates far below what 1 − (1 − p) could hold.
#[test]
fn small_rates_keep_their_digits() {
    let mut b = Builder::new();
    let e: Vec<Literal> = (0..6).map(|i| b.event(i)).collect();
    let pairs: Vec<Literal> = (0..3).map(|i| b.any([e[2 * i], e[2 * i + 1]])).collect();
    let all = b.all(pairs);
    let system = b.clone().finish(all).compile(Limits::default()).unwrap();
    let p = 1e-9;
    let wanted = (2.0 * p - p * p) * (2.0 * p - p * p) * (2.0 * p - p * p);
    assert!((system.probability(&[p; 6]) / wanted - 1.0).abs() < 1e-14);
    let held = b.finish(!all).compile(Limits::default()).unwrap();
    assert!((held.probability(&[1.0 - p; 6]) / (3.0 * p * p) - 1.0).abs() < 1e-6);
}

#[test]
fn what_is_too_large_says_so_and_deep_structures_fit() {
    let mut b = Builder::new();
    // Pairs that meet across the order, each sharing with the next: no order is small.
    let n = 14;
    let e: Vec<Literal> = (0..n * n).map(|i| b.event(i)).collect();
    let rows: Vec<Literal> = (0..n).map(|r| b.all((0..n).map(|c| e[r * n + c]).collect::<Vec<_>>())).collect();
    let columns: Vec<Literal> = (0..n).map(|c| b.all((0..n).map(|r| !e[r * n + c]).collect::<Vec<_>>())).collect();
    let top = b.odd(rows.into_iter().chain(columns).collect::<Vec<_>>());
    let failed = b.finish(top).compile(Limits { nodes: 5_000 }).unwrap_err();
    assert_eq!((failed.events, failed.nodes), (196, 5_000));
    assert!(failed.to_string().contains("196 events"));
    // A chain of gates, each in the next, that alternates.
    let mut b = Builder::new();
    let mut chain = b.event(0);
    for i in 1..20_000 {
        let e = b.event(i);
        chain = if i % 2 == 0 { b.all([chain, e]) } else { b.any([chain, e]) };
    }
    let p = b.finish(chain).compile(Limits::default()).unwrap().probability(&vec![0.5; 20_000]);
    let wanted = (1..20_000).fold(0.5, |q: f64, i| if i % 2 == 0 { q * 0.5 } else { 0.5 + 0.5 * q });
    assert!((p - wanted).abs() < 1e-12, "{p} {wanted}");
}

/// Gates over events and earlier gates alike, most of which are shared; with negations where an event may help.
fn tangled(events: usize, gates: usize, helps: bool, rng: &mut ChaCha8Rng) -> Structure {
    let mut b = Builder::new();
    let some = |n: usize, pool: &[Literal], rng: &mut ChaCha8Rng| {
        if helps { some(n, pool, rng) } else { (0..n).map(|_| pool[rng.random_range(0..pool.len())]).collect() }
    };
    let mut pool: Vec<Literal> = (0..events).map(|i| b.event(i)).collect();
    for g in 0..gates {
        let n = rng.random_range(3..=5);
        let inputs = some(n, &pool, rng);
        pool.push(match g % 8 {
            0 => b.at_least(2, inputs),
            1 if helps => b.odd(inputs),
            g if g % 2 == 0 => b.all(inputs),
            _ => b.any(inputs),
        });
    }
    let last = pool[events..].to_vec();
    let (some_last, others) = (some(6, &last, rng), some(6, &last, rng));
    let (two, any) = (b.at_least(2, some_last), b.any(others));
    let top = b.all([two, any]);
    b.finish(top)
}

/// Certain bounds hold the exact value, with negated, odd and shared gates and modules, and are not that value where something had to be cut.
#[test]
fn bounds_hold_what_is_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut cut, mut widest) = ([0, 0], 0.0f64);
    for round in 0..120 {
        let s = tangled(40, 30, round % 4 == 3, &mut rng);
        let Ok(compiled) = s.compile(Limits { nodes: 200_000 }) else { continue };
        let p: Vec<f64> = (0..40).map(|_| [0.02, 1e-7, rng.random::<f64>() * 0.3][round % 3]).collect();
        let exact = compiled.probability(&p);
        // With little room only coarse bounds are found.
        for nodes in [1_500, 4_000, 200_000] {
            let Ok([low, high]) = s.enclose(&p, Limits { nodes }) else { continue };
            assert!(low <= exact * (1.0 + 1e-12) && exact <= high * (1.0 + 1e-12), "round {round}, {nodes}: {low} {exact} {high}");
            cut[usize::from(compiled.coherent())] += usize::from(high > low * (1.0 + 1e-9));
            widest = widest.max(high / low);
        }
    }
    assert!(cut[0] >= 3 && cut[1] >= 20 && widest > 1.00005, "{cut:?} {widest}");
}

/// Where no room is enough for the whole, its rarer half is still a bound.
#[test]
fn a_rare_half_bounds_the_whole() {
    for (events, room) in [(24usize, 600), (60, 2_000)] {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut b = Builder::new();
        let e: Vec<Literal> = (0..events).map(|i| b.event(i)).collect();
        // Threes at random are all there is to the first half, and no order of the events suits them; the second half is a few of the same events.
        let threes: Vec<Literal> = (0..90).map(|_| b.all((0..3).map(|_| e[rng.random_range(0..events)]).collect::<Vec<_>>())).collect();
        let some: Vec<Literal> = threes.chunks(6).map(|c| b.any(c.to_vec())).collect();
        let tangled = b.at_least(4, some);
        let few: Vec<Literal> = (0..3).map(|i| b.any([e[i], e[i + 20]])).collect();
        let rare = b.any([few[0], few[1]]);
        let top = b.all([tangled, rare, few[2]]);
        let s = b.finish(top);
        let p = vec![0.2; events];
        let room = Limits { nodes: room };
        assert!(s.compile(room).is_err());
        let [low, high] = s.enclose(&p, room).unwrap();
        let half = 1.0 - 0.8f64 * 0.8;
        let rare = half * (1.0 - 0.8f64.powi(4));
        assert!(low <= high && high <= rare * (1.0 + 1e-12), "{low} {high} {rare}");
        if events == 24 {
            let exact = s.compile(Limits::default()).unwrap().probability(&p);
            assert!(low <= exact && exact <= high, "{low} {exact} {high}");
        }
    }
}
