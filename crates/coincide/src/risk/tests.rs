//! Structures under mixtures and stated causes, pattern by pattern.

use super::importance::{Element, Holders, ImportanceOf, importances};
use super::*;
use crate::ccf::CommonCause;
use crate::distribution::Distribution;
use crate::random::{Purpose, Seed};
use coincide_structure::CauseModel;
use rand::Rng;
use std::collections::BTreeMap;

fn names(k: usize) -> Vec<String> {
    (0..k).map(|i| format!("l{i}")).collect()
}

/// A random expression over all of these layers and some of them again.
fn expression(k: usize, rng: &mut impl Rng, negate: bool) -> String {
    let mut parts: Vec<String> = names(k);
    for _ in 0..rng.random_range(0..4) {
        parts.push(format!("l{}", rng.random_range(0..k)));
    }
    while parts.len() > 1 {
        let n = rng.random_range(2..=4).min(parts.len());
        let some: Vec<String> = (0..n).map(|_| parts.swap_remove(rng.random_range(0..parts.len()))).collect();
        let mut distinct = some.clone();
        distinct.sort();
        distinct.dedup();
        let joined = match rng.random_range(0..3) {
            0 => format!("all({})", some.join(", ")),
            1 => format!("any({})", some.join(", ")),
            _ if distinct.len() >= 2 => format!("at_least({}, {})", rng.random_range(1..=distinct.len()), distinct.join(", ")),
            _ => format!("any({})", some.join(", ")),
        };
        parts.push(if negate && rng.random_bool(0.2) { format!("!({joined})") } else { joined });
    }
    parts.remove(0)
}

/// Everything that is said of a structure under a mixture, against the sum over all patterns of up to 16 layers.
#[test]
fn structures_under_mixtures_are_sums_over_patterns() {
    let mut rng = Seed(7).stream(Purpose::Simulation, 0);
    let mut in_every = 0;
    for round in 0..60 {
        let k = if round < 50 { rng.random_range(1..=9) } else { rng.random_range(12..=16) };
        let layers = names(k);
        let s = Structure::parse(&expression(k, &mut rng, round % 2 == 0), &layers, &BTreeMap::new()).unwrap();
        let nodes: Vec<(f64, Vec<f64>)> =
            (0..rng.random_range(1..=5)).map(|_| (rng.random::<f64>(), (0..k).map(|_| rng.random::<f64>()).collect())).collect();
        let law = Mixture::from_probabilities(k, nodes.into_iter());
        let compiled = s.graph().compile(ROOM).unwrap();
        let group: Vec<usize> = (0..k).filter(|_| rng.random_bool(0.4)).collect();
        let mut elements: Vec<Element> = (0..k).map(|i| Element::plain(layers[i].clone(), ImportanceOf::Layer, vec![], vec![i])).collect();
        elements.push(Element::plain("group".into(), ImportanceOf::Group, vec![], group));
        let n = law.nodes();
        let fails: Vec<bool> = (0..1usize << k).map(|y| s.fails(&LayerSet::of(k, &(0..k).filter(|i| y >> i & 1 == 1).collect::<Vec<_>>()))).collect();
        // P(event) where some layers surely fail or hold.
        let sum = |event: &dyn Fn(usize) -> bool, sure: &[usize], value: f64| -> f64 {
            (0..n)
                .map(|z| {
                    let p: Vec<f64> = (0..k).map(|i| if sure.contains(&i) { value } else { law.ln_fail(z)[i].exp() }).collect();
                    // P(pattern), a layer at a time.
                    let mut chance = vec![1.0];
                    for p in &p {
                        let held: Vec<f64> = chance.iter().map(|c| c * (1.0 - p)).collect();
                        let failed: Vec<f64> = chance.iter().map(|c| c * p).collect();
                        chance = held.into_iter().chain(failed).collect();
                    }
                    law.ln_weight(z).exp() * chance.iter().enumerate().filter(|(y, _)| event(*y)).map(|(_, c)| c).sum::<f64>()
                })
                .sum()
        };
        let top = |y: usize| fails[y];
        let want = sum(&top, &[], 0.0);
        assert!((law.system_failure(&s).unwrap() - want).abs() < 1e-12, "round {round}");
        let rows: Vec<f64> = (0..compiled.events()).flat_map(|i| (0..n).map(move |z| (i, z))).map(|(i, z)| law.ln_fail(z)[i].exp()).collect();
        let weights: Vec<f64> = (0..n).map(|z| law.ln_weight(z).exp()).collect();
        let holders = Holders::new(&s.graph(), &elements, HOLDERS);
        // Minimal cut sets by hand.
        let mut cut_sets: Vec<usize> = Vec::new();
        let mut patterns: Vec<usize> = (0..1usize << k).filter(|y| fails[*y]).collect();
        if k <= 9 {
            patterns.sort_by_key(|y| y.count_ones());
            for y in patterns {
                if !cut_sets.iter().any(|c| c & !y == 0) {
                    cut_sets.push(y);
                }
            }
        }
        for (e, i) in elements.iter().zip(importances(&compiled, &rows, &weights, &elements, &holders)) {
            let (failed, held) = (sum(&top, &e.own, 1.0), sum(&top, &e.own, 0.0));
            assert!((i.if_failed - failed).abs() < 1e-12 && (i.if_held - held).abs() < 1e-12, "round {round}: {}", s.text());
            assert!((i.birnbaum - (failed - held)).abs() < 1e-12);
            if let Some(c) = i.criticality {
                assert!((c - (want - held) / want).abs() < 1e-9);
            }
            // Infinite exactly where the system never fails without it, digits or no.
            let never = want > 0.0 && (0..1usize << k).all(|y| !fails[y] || e.own.iter().any(|m| y >> m & 1 == 1));
            assert_eq!(i.in_every_cut_set, never, "round {round}: {} {}", s.text(), e.name);
            assert_eq!(i.reduction_worth.is_none(), never || held <= 0.0);
            in_every += usize::from(never);
            if s.monotone() && k <= 9 {
                let mask: usize = e.own.iter().map(|m| 1 << m).sum();
                let holders: Vec<usize> = cut_sets.iter().copied().filter(|c| c & mask != 0).collect();
                let some = sum(&|y| holders.iter().any(|c| c & !y == 0), &[], 0.0);
                assert!((i.fussell_vesely.unwrap() - some / want).abs() < 1e-9, "round {round}: {}", s.text());
            }
        }
    }
    assert!(in_every > 10);
}

fn trains() -> (Vec<String>, String) {
    let layers: Vec<String> = ["pump", "valve"].iter().flat_map(|k| (1..=3).map(move |i| format!("{k}{i}"))).collect();
    (layers, "all(pump1 | valve1, pump2 | valve2, pump3 | valve3)".into())
}

fn asked(layers: &[String], expression: &str, stated: &StatedSystem) -> Risk {
    let structure = Structure::parse(expression, layers, &BTreeMap::new()).unwrap();
    let q = RiskQuestion { layers, structure: &structure, groups: &[], stated, listed: 100 };
    risk(&q, None, &[], &AnalyzeOptions::default()).unwrap()
}

/// Three trains of a pump and a valve (values of another tool, whose shocks have the probability Q_k itself).
#[test]
fn stated_common_causes_agree_with_other_tools() {
    let (layers, expression) = trains();
    for (model, factors, want) in [
        (CauseModel::Beta, vec![0.2], 0.0430803730612),
        (CauseModel::Mgl, vec![0.2, 0.1], 0.0162947705258),
        (CauseModel::Alpha, vec![0.7, 0.2, 0.1], 0.0529814106952),
        (CauseModel::AlphaStaggered, vec![0.7, 0.2, 0.1], 0.0309177673756),
        (CauseModel::Phi, vec![0.7, 0.2, 0.1], 0.0410393176167),
    ] {
        let group = |kind: &str| CommonCause {
            model,
            factors: factors.clone(),
            rare_event_parameters: true,
            ..CommonCause::of(&format!("{kind}s"), &[1, 2, 3].map(|i| format!("{kind}{i}")).each_ref().map(String::as_str))
        };
        let stated = StatedSystem {
            rates: layers.iter().map(|l| (l.clone(), Distribution::point(0.1).unwrap())).collect(),
            common_causes: vec![group("pump"), group("valve")],
            ..StatedSystem::default()
        };
        let r = asked(&layers, &expression, &stated);
        let law = &r.laws[1];
        assert!((law.rate.value.unwrap() / want - 1.0).abs() < 1e-11, "{model:?}: {:?} {want}", law.rate.value);
        assert!((r.laws[0].rate.value.unwrap() - 0.19f64.powi(3)).abs() < 1e-15);
        let causes: Vec<&ImportanceMeasures> = law.importance.iter().filter(|i| i.kind == ImportanceOf::Cause).collect();
        assert!(causes.len() == 2 && causes.iter().all(|c| c.criticality.unwrap() > 0.1));
        // Two layers of one train are a module; no cut set holds it all.
        assert_eq!((r.modules, r.cut_sets.total.as_str()), (4, "8"));
    }
}

/// Every rate under common causes by hand: all sets of shocks that happen or not.
#[test]
fn shocks_are_enumerated_right() {
    let layers = names(4);
    let cause =
        |name: &str, of: &[&str], b: f64| CommonCause { model: CauseModel::Beta, factors: vec![b], rate: Some(0.1), ..CommonCause::of(name, of) };
    // Overlapping groups; the last layer in neither, the others failing by themselves too.
    let stated = StatedSystem {
        rates: layers.iter().zip([0.3, 0.4, 0.25, 0.2]).map(|(l, p)| (l.clone(), Distribution::point(p).unwrap())).collect(),
        common_causes: vec![cause("first", &["l0", "l1"], 0.5), cause("second", &["l1", "l2"], 0.25)],
        ..StatedSystem::default()
    };
    let r = asked(&layers, "at_least(2, l0, l1, l2, l3)", &stated);
    // Shocks: the members' own parts of Q and the shared ones; what groups leave of each rate.
    let q = |share: f64| -(((1.0 - 0.1f64).ln() * share).exp_m1());
    let rest = |p: f64, groups: i32| 1.0 - (1.0 - p) / 0.9f64.powi(groups);
    let shocks: Vec<(u32, f64)> = vec![
        (0b0001, q(0.5)),
        (0b0010, q(0.5)),
        (0b0011, q(0.5)),
        (0b0010, q(0.75)),
        (0b0100, q(0.75)),
        (0b0110, q(0.25)),
        (0b0001, rest(0.3, 1)),
        (0b0010, rest(0.4, 2)),
        (0b0100, rest(0.25, 1)),
        (0b1000, 0.2),
    ];
    let mut patterns = [0.0; 16];
    for happened in 0..1u32 << shocks.len() {
        let (mut failed, mut chance) = (0, 1.0);
        for (i, (set, p)) in shocks.iter().enumerate() {
            if happened >> i & 1 == 1 {
                failed |= set;
                chance *= p;
            } else {
                chance *= 1.0 - p;
            }
        }
        patterns[failed as usize] += chance;
    }
    let sum = |event: &dyn Fn(usize) -> bool| patterns.iter().enumerate().filter(|(y, _)| event(*y)).map(|(_, p)| p).sum::<f64>();
    let law = &r.laws[1];
    assert!((law.rate.value.unwrap() - sum(&|y| y.count_ones() >= 2)).abs() < 1e-14);
    // Every layer keeps its rate, so independence is the first law's.
    assert!((law.independent.unwrap() - r.laws[0].rate.value.unwrap()).abs() < 1e-14 && law.notes.is_empty());
    let of = |name: &str| law.importance.iter().find(|i| i.of == name).unwrap();
    // l1 never fails, or surely does, whatever shocks there are.
    assert!((of("l1").if_held - sum(&|y| (y & 0b1101).count_ones() >= 2)).abs() < 1e-14);
    assert!((of("l1").if_failed - sum(&|y| (y | 0b0010).count_ones() >= 2)).abs() < 1e-14);
    for set in &r.cut_sets.listed {
        let mask: usize = set.members.iter().map(|m| 1 << layers.iter().position(|l| l == m).unwrap()).sum();
        assert!((set.rates[1].unwrap() - sum(&|y| mask & !y == 0)).abs() < 1e-14, "{:?}", set.members);
    }
    assert_eq!(r.cut_sets.listed.len(), 6);
}

#[test]
fn what_is_stated_wrongly_is_refused() {
    let layers = names(3);
    let structure = Structure::parse("all(*)", &layers, &BTreeMap::new()).unwrap();
    let ask = |stated: StatedSystem| {
        let q = RiskQuestion { layers: &layers, structure: &structure, groups: &[], stated: &stated, listed: 1 };
        risk(&q, None, &[], &AnalyzeOptions::default()).map(drop).map_err(|e| e.to_string())
    };
    let rates = |list: &[f64]| list.iter().enumerate().map(|(i, p)| (format!("l{i}"), Distribution::point(*p).unwrap())).collect::<BTreeMap<_, _>>();
    let copula = |c: StatedCopula| StatedSystem { rates: rates(&[0.1; 3]), copulas: vec![c], ..StatedSystem::default() };
    let gaussian = StatedCopula { family: CopulaFamily::Gaussian, freedom: None, correlation: Some(0.3), matrix: vec![] };
    let cause = |c: CommonCause| StatedSystem { rates: rates(&[0.1; 3]), common_causes: vec![c], ..StatedSystem::default() };
    for (stated, says) in [
        (StatedSystem { rates: rates(&[0.1; 2]), ..StatedSystem::default() }, "layer `l2` has no failure rate"),
        (
            StatedSystem { rates: BTreeMap::from([("x".into(), Distribution::point(0.1).unwrap())]), ..StatedSystem::default() },
            "there is no layer `x`",
        ),
        (cause(CommonCause { factors: vec![0.1], ..CommonCause::of("c", &["l0", "x"]) }), "common cause `c`: there is no layer `x`"),
        (cause(CommonCause { factors: vec![0.1], rate: Some(0.2), ..CommonCause::of("c", &["l0", "l1"]) }), "less often than the common cause"),
        (copula(StatedCopula { correlation: None, ..gaussian.clone() }), "needs `correlation` or `matrix`"),
        (copula(StatedCopula { matrix: vec![vec![1.0]], ..gaussian.clone() }), "one of the two is enough"),
        (copula(StatedCopula { freedom: Some(4.0), ..gaussian.clone() }), "belong to a Student copula"),
        (copula(StatedCopula { correlation: None, matrix: vec![vec![1.0, 0.1]; 3], ..gaussian.clone() }), "needs 3 rows and columns"),
    ] {
        let e = ask(stated).unwrap_err();
        assert!(e.contains(says), "{e}");
    }
}

/// Layers that the structure does not name, and expressions in which a layer does not matter, are no trouble.
#[test]
fn groups_may_name_what_the_structure_does_not() {
    let layers = names(4);
    let rates = layers.iter().map(|l| (l.clone(), Distribution::point(0.1).unwrap())).collect();
    let stated = StatedSystem { rates, ..StatedSystem::default() };
    let groups = [Group { name: "g".into(), layers: vec!["l0".into(), "l3".into()] }];
    for (expression, want) in [("l0 & l1", 0.01), ("l0 & (l1 | !l1)", 0.1), ("l0 | (l0 & l2)", 0.1), ("l1 & !l1", 0.0), ("l1 | !l1", 1.0)] {
        let structure = Structure::parse(expression, &layers, &BTreeMap::new()).unwrap();
        let q = RiskQuestion { layers: &layers, structure: &structure, groups: &groups, stated: &stated, listed: 10 };
        let r = risk(&q, None, &[], &AnalyzeOptions::default()).unwrap();
        assert!((r.laws[0].rate.value.unwrap() - want).abs() < 1e-15, "{expression}: {:?}", r.laws[0].rate);
        assert!(serde_json::to_string(&r).is_ok_and(|t| !t.contains("null,null,null,null,null")));
    }
}

/// Copulas stand beside the other laws, with the importance of layers; uncertain rates have an interval.
#[test]
fn copulas_and_uncertain_rates_are_laws() {
    let layers = names(4);
    let rates: BTreeMap<String, Distribution> = layers.iter().map(|l| (l.clone(), Distribution::beta(2.0, 18.0).unwrap())).collect();
    let copula = StatedCopula { family: CopulaFamily::Gaussian, freedom: None, correlation: Some(0.4), matrix: vec![] };
    let stated = StatedSystem {
        rates,
        copulas: vec![copula.clone(), StatedCopula { family: CopulaFamily::Student, freedom: Some(3.0), ..copula }],
        ..StatedSystem::default()
    };
    let r = asked(&layers, "l0 & at_least(2, l1, l2, l3)", &stated);
    let [alone, gaussian, student] = &r.laws[..] else { panic!("{:?}", r.laws) };
    assert_eq!(r.cut_sets.listed.len(), 3);
    let i = alone.rate.interval.unwrap();
    assert!(i.contains(0.1 * (3.0 * 0.01 * 0.9 + 0.001)) && i.high.unwrap() > 3.0 * i.low.unwrap());
    let law = crate::model::one_factor(&[0.1; 4], &[0.4f64.sqrt(); 4]).unwrap();
    let structure = Structure::parse("l0 & at_least(2, l1, l2, l3)", &layers, &BTreeMap::new()).unwrap();
    let want = law.system_failure(&structure).unwrap();
    assert!((gaussian.rate.value.unwrap() / want - 1.0).abs() < 0.01, "{:?} {want}", gaussian.rate);
    assert!(student.rate.value.unwrap() > gaussian.rate.value.unwrap());
    assert!(gaussian.importance[0].in_every_cut_set && !gaussian.importance[1].in_every_cut_set);
}

/// A copula whose rates and correlations come from outcomes: its interval holds the rate that they were drawn with, at about its level.
#[test]
#[ignore = "slow"]
fn slow_copula_intervals_hold() {
    let (rates, rho) = ([0.1, 0.15, 0.2], 0.5);
    let matrix: Vec<f64> = (0..9).map(|e| if e / 3 == e % 3 { 1.0 } else { rho }).collect();
    let truth = crate::rare::Copula::gaussian(&rates, &matrix).unwrap().all_fail(&LayerSet::all(3), &crate::rare::Sampling::default()).value();
    let layers = names(3);
    let s = Structure::parse("all(*)", &layers, &BTreeMap::new()).unwrap();
    let thresholds = rates.map(crate::special::normal_quantile);
    let (tables, mut covered, mut widths) = (100, 0, Vec::new());
    for round in 0..tables {
        let mut rng = Seed(90).stream(Purpose::Simulation, round);
        let mut normal = || crate::special::normal_quantile(rng.random_range(1e-12..1.0));
        let mut b = crate::TableBuilder::new(crate::Columns { layers: layers.clone(), ..Default::default() }).unwrap();
        let context = b.context(Label::Attack, None, 0, 0, &[]);
        let mut seen = [0.0f64; 8];
        for _ in 0..1000 {
            let common = rho.sqrt() * normal();
            let failed = (0..3).fold(0u64, |set, i| set | u64::from(common + (1.0 - rho).sqrt() * normal() <= thresholds[i]) << i);
            b.add_masks(context, &[failed], &[7], 1.0, 1.0);
            seen[failed as usize] += 1.0;
        }
        let count = |with: u64, without: u64| (0..8u64).filter(|f| f & with == with && f & without == 0).map(|f| seen[f as usize]).sum::<f64>();
        let pair = |i: usize, j: usize| {
            let (a, b) = (1 << i, 1 << j);
            crate::tetrachoric::tetrachoric(crate::features::TwoByTwo {
                n11: count(a | b, 0),
                n10: count(a, b),
                n01: count(b, a),
                n00: count(0, a | b),
            })
        };
        let correlations: Vec<f64> = (0..9).map(|e| if e / 3 == e % 3 { 1.0 } else { pair(e / 3, e % 3).unwrap() }).collect();
        let stated = StatedSystem {
            copulas: vec![StatedCopula { family: CopulaFamily::Gaussian, freedom: None, correlation: None, matrix: vec![] }],
            observed_correlations: Some(correlations),
            ..StatedSystem::default()
        };
        let question = RiskQuestion { layers: &layers, structure: &s, groups: &[], stated: &stated, listed: 0 };
        let options = AnalyzeOptions { replicates: 200, seed: Seed(round), ..AnalyzeOptions::default() };
        let found = risk(&question, Some(&b.finish()), &[], &options).unwrap();
        let rate = &found.laws.iter().find(|l| l.kind == LawKind::Copula).unwrap().rate;
        let (low, high) = (rate.interval.unwrap().low.unwrap(), rate.interval.unwrap().high.unwrap());
        covered += u64::from(low <= truth && truth <= high);
        widths.push(high / low);
    }
    println!(
        "β = {truth:.3e}: {covered} of {tables} intervals hold it; their ends are a factor of {:.2} apart",
        widths.iter().sum::<f64>() / tables as f64
    );
    assert!((tables * 88 / 100..=tables).contains(&covered), "{covered}");
}
