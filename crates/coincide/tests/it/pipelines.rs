//! Pipelines that stopped early: what is identified agrees with the complete table, the rest is an interval around it.

use crate::support::{Row, quick, table};
use coincide::{
    Analysis, AnalyzeOptions, Columns, Design, Figure, JointOutcomes, Label, Outcome, Purpose, Reason, Seed, TableBuilder, TrialRow, analyze,
};
use rand::Rng;
use rand::seq::SliceRandom;

const LAYERS: usize = 4;

fn complete_rows(seed: u64, trials: usize) -> Vec<Row> {
    let mut rng = Seed(seed).stream(Purpose::Simulation, 0);
    (0..trials)
        .map(|_| {
            let hard = rng.random_range(0.1..0.9);
            Row {
                outcomes: (0..LAYERS).map(|_| if rng.random_bool(hard) { Outcome::Failed } else { Outcome::Held }).collect(),
                strata: vec![],
                clusters: vec![rng.random_range(0..25)],
                weight: 1.0,
                label: Label::Attack,
            }
        })
        .collect()
}

/// The row as a pipeline in this order would have left it.
fn stopped(outcomes: &[Outcome], order: &[usize], reason: impl Fn(usize) -> Reason) -> Vec<Outcome> {
    let held = order.iter().position(|&i| outcomes[i] == Outcome::Held);
    let mut out = outcomes.to_vec();
    if let Some(h) = held {
        order[h + 1..].iter().for_each(|&i| out[i] = Outcome::Missing(reason(order[h])));
    }
    out
}

fn masked(rows: &[Row], order: &[usize], reason: impl Fn(usize) -> Reason + Copy) -> JointOutcomes {
    let list: Vec<Row> = rows.iter().map(|r| Row { outcomes: stopped(&r.outcomes, order, reason), ..r.clone() }).collect();
    table(LAYERS, 0, 1, &list)
}

fn holds(name: &str, open: &Figure, truth: &Figure) {
    let Some(truth) = truth.value else { return };
    if let Some(v) = open.value {
        assert!((v - truth).abs() < 1e-9, "{name}: a point {v} that is not the truth {truth}");
        return;
    }
    let range = open.identified.unwrap_or_else(|| panic!("{name}: neither value nor range: {open:?}"));
    assert!(range.contains(truth), "{name}: {truth} outside {range:?}");
}

/// Curve, contributions and pairs of a table with holes hold what the whole table says.
fn holds_everywhere(open: &Analysis, whole: &Analysis) {
    for (x, y) in open.curve.content.iter().zip(&whole.curve.content) {
        holds("curve", &x.rate, &y.rate);
    }
    for (x, y) in open.contributions.content.iter().zip(&whole.contributions.content) {
        holds("beta without", &x.beta_without, &y.beta_without);
        holds("conditional", &x.conditional, &y.conditional);
        holds("worth", &x.worth, &y.worth);
    }
    for (x, y) in open.pairs.as_ref().unwrap().content.iter().zip(&whole.pairs.as_ref().unwrap().content) {
        for (name, f, g) in [
            ("both", &x.p_both, &y.p_both),
            ("lift", &x.lift, &y.lift),
            ("phi", &x.phi, &y.phi),
            ("relative", &x.phi_relative, &y.phi_relative),
            ("odds", &x.odds_ratio, &y.odds_ratio),
            ("Q", &x.yules_q, &y.yules_q),
            ("tetrachoric", &x.tetrachoric, &y.tetrachoric),
            ("kappa", &x.kappa, &y.kappa),
            ("a|b", &x.a_given_b, &y.a_given_b),
            ("b|a", &x.b_given_a, &y.b_given_a),
        ] {
            holds(&format!("{} × {} {name}", x.a, x.b), f, g);
        }
    }
}

#[test]
fn a_masked_pipeline_keeps_beta_and_bounds_the_rest() {
    for (seed, order) in [(1, [0, 1, 2, 3]), (2, [2, 0, 3, 1]), (3, [3, 2, 1, 0])] {
        let rows = complete_rows(seed, 400);
        let whole = quick(&table(LAYERS, 0, 1, &rows));
        for named in [true, false] {
            let t = masked(&rows, &order, |by| if named { Reason::CensoredBy(by as u16) } else { Reason::NotRun });
            let open = quick(&t);
            let Design::FixedOrder { order: names, inferred } = &open.data.content.design else { panic!("{:?}", open.data.content.design) };
            assert!(inferred);
            assert_eq!(*names, order.iter().map(|i| format!("l{i:04}")).collect::<Vec<_>>());
            // β and its interval are those of the complete table.
            assert_eq!(open.joint.content.beta, whole.joint.content.beta);
            let (a, b) = (&open.joint.content, &whole.joint.content);
            for (name, x, y) in [
                ("product", &a.product, &b.product),
                ("gap", &a.gap, &b.gap),
                ("log gap", &a.log10_gap, &b.log10_gap),
                ("efficiency", &a.efficiency, &b.efficiency),
                ("effective layers", &a.effective_layers, &b.effective_layers),
            ] {
                assert!(x.value.is_none(), "{name} is a point");
                holds(name, x, y);
            }
            for (x, y) in open.layers.content.iter().zip(&whole.layers.content) {
                assert_eq!(x.rate.value.is_some(), x.layer == names[0], "{}", x.layer);
                holds(&x.layer, &x.rate, &y.rate);
            }
            holds_everywhere(&open, &whole);
            for c in &open.contributions.content {
                assert_eq!(c.beta_without.value.is_some(), c.name == names[LAYERS - 1]);
            }
            // The steps multiply up to β.
            let steps = &open.pipeline.as_ref().unwrap().content;
            let product: f64 = steps.iter().map(|s| s.rate.value.unwrap()).product();
            assert!((product - whole.joint.content.beta.value.unwrap()).abs() < 1e-12);
        }
    }
}

/// Layers 2 and 3 are asked only where layer 1 failed, as output filters behind a target; layer 0 always.
#[test]
fn gated_layers_keep_beta_and_bound_the_rest() {
    for seed in 1..=5 {
        let rows = complete_rows(seed, 300);
        let whole = quick(&table(LAYERS, 0, 1, &rows));
        let behind = |r: &Row| {
            let mut outcomes = r.outcomes.clone();
            if outcomes[1] == Outcome::Held {
                (2..LAYERS).for_each(|i| outcomes[i] = Outcome::Missing(Reason::CensoredBy(1)));
            }
            Row { outcomes, ..r.clone() }
        };
        let open = quick(&table(LAYERS, 0, 1, &rows.iter().map(behind).collect::<Vec<_>>()));
        let Design::Gated { gates } = &open.data.content.design else { panic!("{:?}", open.data.content.design) };
        assert_eq!(gates.iter().map(|g| (g.layer.as_str(), g.gate.as_str())).collect::<Vec<_>>(), [("l0002", "l0001"), ("l0003", "l0001")]);
        assert_eq!(open.joint.content.beta, whole.joint.content.beta);
        let (a, b) = (&open.joint.content, &whole.joint.content);
        for (name, x, y) in
            [("product", &a.product, &b.product), ("gap", &a.gap, &b.gap), ("effective layers", &a.effective_layers, &b.effective_layers)]
        {
            assert!(x.value.is_none(), "{name} is a point");
            holds(name, x, y);
        }
        for (x, y) in open.layers.content.iter().zip(&whole.layers.content) {
            assert_eq!(x.rate.value.is_some(), x.layer.as_str() < "l0002", "{}", x.layer);
            holds(&x.layer, &x.rate, &y.rate);
        }
        holds_everywhere(&open, &whole);
    }
}

/// A gate that did not hold, or that somebody passed, is none.
#[test]
fn gates_that_the_rows_contradict_are_refused() {
    let rows = complete_rows(9, 100);
    let first = |outcomes: &[Outcome]| Row { outcomes: outcomes.to_vec(), ..rows[0].clone() };
    let (f, h, c) = (Outcome::Failed, Outcome::Held, Outcome::Missing(Reason::CensoredBy(1)));
    for wrong in [[f, f, c, h], [h, h, f, c]] {
        let list = vec![first(&[f, h, c, c]), first(&[h, f, f, h]), first(&[f, f, h, f]), first(&[h, h, c, c]), first(&wrong)];
        let e = analyze(&table(LAYERS, 0, 1, &list), &AnalyzeOptions::default(), &|_, _, _| {}).unwrap_err().to_string();
        assert!(e.contains("no one order"), "{e}");
    }
}

#[test]
fn a_given_order_that_the_rows_contradict_is_refused() {
    let rows = complete_rows(4, 60);
    let t = masked(&rows, &[0, 1, 2, 3], |_| Reason::NotRun);
    let options = AnalyzeOptions { order: Some(["l0003", "l0002", "l0001", "l0000"].map(str::to_owned).to_vec()), ..AnalyzeOptions::default() };
    let error = analyze(&t, &options, &|_, _, _| {}).unwrap_err().to_string();
    assert!(error.contains("although"), "{error}");
    let short = AnalyzeOptions { order: Some(vec!["l0000".into()]), ..AnalyzeOptions::default() };
    assert!(analyze(&t, &short, &|_, _, _| {}).unwrap_err().to_string().contains("missing from it"));
}

/// 500 simulated tables with a recorded random order: the interval of β_S covers the true β_S for a single layer, a pair and
/// all but one, and the estimates are unbiased.
#[test]
fn random_orders_estimate_every_subset() {
    const TABLES: u64 = 500;
    const TRIALS: usize = 400;
    // Two equally likely kinds of attack; layers independent within each.
    const RATES: [[f64; LAYERS]; 2] = [[0.2, 0.3, 0.25, 0.35], [0.7, 0.8, 0.6, 0.9]];
    let truth = |set: &[usize]| RATES.iter().map(|p| set.iter().map(|&i| p[i]).product::<f64>()).sum::<f64>() / 2.0;
    let mut covered = [0u32; 4];
    let mut sums = [0.0f64; 4];
    let wanted = [truth(&[1]), truth(&[0, 2]), truth(&[0, 1, 3]), truth(&[0, 1, 2, 3])];
    for seed in 0..TABLES {
        let mut rng = Seed(seed).stream(Purpose::Simulation, 7);
        let columns = Columns { layers: (0..LAYERS).map(|i| format!("l{i}")).collect(), ..Columns::default() };
        let mut b = TableBuilder::new(columns).unwrap();
        for _ in 0..TRIALS {
            let kind = usize::from(rng.random_bool(0.5));
            let outcomes: Vec<Outcome> = RATES[kind].iter().map(|&p| if rng.random_bool(p) { Outcome::Failed } else { Outcome::Held }).collect();
            let mut order: Vec<usize> = (0..LAYERS).collect();
            order.shuffle(&mut rng);
            let seen = stopped(&outcomes, &order, |_| Reason::NotRun);
            let order: Vec<u16> = order.iter().map(|&i| i as u16).collect();
            b.add(&TrialRow { outcomes: &seen, order: &order, ..TrialRow::default() });
        }
        let a = analyze(&b.finish(), &AnalyzeOptions { replicates: 100, ..AnalyzeOptions::default() }, &|_, _, _| {}).unwrap();
        assert!(matches!(a.data.content.design, Design::RandomOrder { .. }));
        let pair = a.pairs.as_ref().unwrap().content.iter().find(|p| p.a == "l0" && p.b == "l2").unwrap();
        let figures = [&a.layers.content[1].rate, &pair.p_both, &a.contributions.content[2].beta_without, &a.joint.content.beta];
        for (i, f) in figures.into_iter().enumerate() {
            sums[i] += f.value.unwrap();
            covered[i] += u32::from(f.interval.unwrap().contains(wanted[i]));
        }
    }
    for i in 0..4 {
        let mean = sums[i] / TABLES as f64;
        assert!((mean / wanted[i] - 1.0).abs() < 0.04, "subset {i}: mean {mean} against {}", wanted[i]);
        // Clopper–Pearson covers at least 95%; 465 of 500 is three standard errors below.
        assert!(covered[i] >= 465, "subset {i}: {} of {TABLES}", covered[i]);
    }
}
