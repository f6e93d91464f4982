//! Values computed independently of this program.

use crate::support::{agentdojo, golden as read, quick};
use coincide::{Analysis, Columns, Outcome, TableBuilder, TrialRow};
use serde_json::Value;

fn near(name: &str, got: f64, want: f64, tol: f64) {
    assert!((got - want).abs() <= tol * want.abs().max(1e-300) + f64::from(u8::from(want == 0.0)) * tol, "{name}: {got} against {want}");
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn list(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(number).collect()
}

const TIGHT: f64 = 1e-9;

fn check_stack(
    g: &Value,
    layers: &[coincide::LayerRate],
    joint: &coincide::Joint,
    curve: &[coincide::CurvePoint],
    contributions: &[coincide::Contribution],
) {
    near("trials", joint.trials, number(&g["trials"]), 0.0);
    for (l, f) in layers.iter().zip(list(&g["failures"])) {
        near(&l.layer, l.failed, f, 0.0);
        near(&l.layer, l.rate.value.unwrap(), f / joint.trials, 1e-15);
    }
    near("all fail", joint.all_failed, number(&g["all_fail"]), 0.0);
    near("beta", joint.beta.value.unwrap(), number(&g["beta"]), TIGHT);
    let ci = list(&g["beta_ci"]);
    let exact = joint.beta_if_independent_trials.or(joint.beta.interval).unwrap();
    near("Clopper-Pearson low", exact.low.unwrap(), ci[0], 1e-10);
    near("Clopper-Pearson high", exact.high.unwrap(), ci[1], 1e-10);
    near("product", joint.product.value.unwrap(), number(&g["product"]), TIGHT);
    near("gap", joint.gap.value.unwrap(), number(&g["gap"]), TIGHT);
    near("k_eff", joint.effective_layers.value.unwrap(), number(&g["k_eff"]), TIGHT);
    for (i, (c, want)) in curve.iter().zip(list(&g["curve"])).enumerate() {
        near(&format!("curve {i}"), c.rate.value.unwrap(), want, TIGHT);
    }
    for c in contributions {
        let g = &g["leave_one_out"][&c.name];
        near("beta without", c.beta_without.value.unwrap(), number(&g["beta_without"]), TIGHT);
        near("conditional", c.conditional.value.unwrap(), number(&g["conditional"]), TIGHT);
        near("worth", c.worth.value.unwrap(), number(&g["worth"]), TIGHT);
    }
}

fn check_all(a: &Analysis, g: &Value) {
    check_stack(g, &a.layers.content, &a.joint.content, &a.curve.content, &a.contributions.content);
    near("eta", a.joint.content.efficiency.value.unwrap(), number(&g["eta"]), TIGHT);
    for (c, want) in a.curve.content.iter().zip(list(&g["curve_independent"])) {
        near("independent curve", c.independent, want, TIGHT);
    }
    let t = &a.together.as_ref().unwrap().content;
    near("variance ratio", t.variance_ratio.value.unwrap(), number(&g["variance_ratio"]), TIGHT);
    near("total correlation", t.total_correlation.value.unwrap(), number(&g["total_correlation"]), TIGHT);
    near("K", t.knight_leveson.at_least_two, number(&g["knight_leveson"]["k2"]), 0.0);
    near("expected", t.knight_leveson.expected, number(&g["knight_leveson"]["expected"]), TIGHT);
    for p in &a.pairs.as_ref().unwrap().content {
        let key = format!("{}|{}", p.a, p.b);
        let g_pair = &g["pairs"][&key];
        for (name, got) in [
            ("n11", p.both_failed),
            ("n10", p.only_a_failed),
            ("n01", p.only_b_failed),
            ("n00", p.neither_failed),
            ("p_both", p.p_both.value.unwrap()),
            ("lift", p.lift.value.unwrap()),
            ("phi", p.phi.value.unwrap()),
            ("phi_max", p.phi_bound.unwrap()),
            ("kappa", p.kappa.value.unwrap()),
            ("odds_ratio", p.odds_ratio.value.unwrap()),
        ] {
            near(&format!("{key} {name}"), got, number(&g_pair[name]), TIGHT);
        }
        near(&format!("{key} tetrachoric"), p.tetrachoric.value.unwrap(), number(&g_pair["tetrachoric"]), 1e-6);
        if p.test == Some(coincide::Test::Fisher) {
            near(&format!("{key} fisher"), p.p_value.unwrap(), number(&g_pair["fisher_p"]), TIGHT);
        }
        near(&format!("{key} CMH"), p.stratified_odds_ratio.as_ref().unwrap().value.unwrap(), number(&g["cmh"][&key]), TIGHT);
    }
    let causes = &a.causes.as_ref().unwrap().content;
    near("beta conditional", causes.together.beta_conditional.value.unwrap(), number(&g["explained"]["beta_conditional"]), TIGHT);
    near("explained", causes.together.plug_in.value.unwrap(), number(&g["explained"]["explained_nats_plug_in"]), TIGHT);
    for p in &causes.places {
        let s = &g["explained"]["strata"][&p.level];
        near(&p.level, p.trials, number(&s["trials"]), 0.0);
        near(&p.level, p.all_failed, number(&s["all_fail"]), 0.0);
    }
    let bounds = &a.bounds.as_ref().unwrap().content;
    let marginals = list(&g["bounds"]["marginals"]);
    near("bounds low", bounds.marginals.low.unwrap(), marginals[0], TIGHT);
    near("bounds high", bounds.marginals.high.unwrap(), marginals[1], TIGHT);
    let pairs = list(&g["bounds"]["pairs"]);
    near("pair bounds low", bounds.pairs.unwrap().low.unwrap(), pairs[0], TIGHT);
    near("pair bounds high", bounds.pairs.unwrap().high.unwrap(), pairs[1], TIGHT);
    if let Some(b) = &a.given_baseline {
        let b = &b.content;
        check_stack(&g["given_baseline_failed"], &b.layers, &b.joint, &b.curve, &b.contributions);
        near("baseline explains", b.explained_nats.value.unwrap(), number(&g["baseline_explains_nats"]), TIGHT);
        near("ln gap", b.gap_nats.value.unwrap(), number(&g["explained"]["log_gap_nats"]), TIGHT);
    }
}

#[test]
fn agentdojo_without_clusters() {
    let a = quick(&agentdojo(&["suite"], &[], true));
    let g = read("agentdojo.json");
    check_all(&a, &g);
    assert!(a.given_baseline.is_some());
    near("z", a.together.unwrap().content.knight_leveson.z.unwrap(), number(&g["knight_leveson"]["z"]), TIGHT);
}

#[test]
fn agentdojo_with_crossed_clusters_has_the_same_estimates_and_wider_intervals() {
    let a = quick(&agentdojo(&["suite"], &["user_task", "injection_task"], true));
    check_all(&a, &read("agentdojo.json"));
    let beta = &a.joint.content.beta;
    let exact = a.joint.content.beta_if_independent_trials.unwrap();
    assert!(beta.interval.unwrap().high > exact.high && beta.interval.unwrap().low < exact.low);
    assert_eq!(a.joint.content.clusters[1].with_joint_failure, 2.0);
    assert_eq!(a.joint.content.clusters[1].clusters, 27.0);
    assert!(!a.joint.content.cautions.is_empty());
}

#[test]
fn knight_leveson_redux_has_undefined_pairs_and_no_nan() {
    let g = read("knight_leveson_redux.json");
    let layers = g["layers"].as_u64().unwrap() as usize;
    let columns = Columns { layers: (0..layers).map(|i| format!("program_{i:02}")).collect(), ..Columns::default() };
    let mut b = TableBuilder::new(columns).unwrap();
    let context = b.context(coincide::Label::Attack, None, 0, 0, &[]);
    for p in g["patterns"].as_array().unwrap() {
        let failed: u64 = p["failed"].as_array().unwrap().iter().map(|i| 1u64 << i.as_u64().unwrap()).sum();
        b.add_counted(context, failed, p["count"].as_u64().unwrap());
    }
    let table = b.finish();
    assert_eq!(table.len(), 6);
    assert_eq!(table.attack_trials(), number(&g["trials"]));
    let a = quick(&table);
    assert_eq!(a.layers.content.iter().filter(|l| l.failed == 0.0).count(), 27);
    let kl = &a.together.as_ref().unwrap().content.knight_leveson;
    near("K", kl.at_least_two, number(&g["at_least_two"]), 0.0);
    near("expected", kl.expected, number(&g["expected"]), 1e-9);
    near("z", kl.z.unwrap(), number(&g["z"]), 1e-9);
    let pairs = &a.pairs.as_ref().unwrap().content;
    let never = |name: &str| a.layers.content.iter().any(|l| l.layer == name && l.failed == 0.0);
    for p in pairs {
        assert_eq!(p.phi.value.is_none(), never(&p.a) || never(&p.b));
        assert_eq!(p.phi.undefined.is_some(), p.phi.value.is_none());
    }
    // β̂ = 0: an upper bound, and no point for anything made from its logarithm.
    let joint = &a.joint.content;
    assert_eq!(joint.beta.value, Some(0.0));
    near("upper", joint.beta.interval.unwrap().high.unwrap(), -(0.025f64.ln() / 1e6).exp_m1(), 1e-10);
    assert!(joint.gap.value.is_none() && joint.gap.undefined.is_some());
    // JSON has no way to write NaN but null, and every null here is an open end of an interval.
    no_stray_null(&serde_json::to_value(&a).unwrap(), "");
}

fn no_stray_null(v: &Value, path: &str) {
    match v {
        Value::Null => assert!(path.ends_with(".low") || path.ends_with(".high"), "null at {path}"),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| no_stray_null(v, &format!("{path}[{i}]"))),
        Value::Object(map) => map.iter().for_each(|(k, v)| no_stray_null(v, &format!("{path}.{k}"))),
        _ => {}
    }
}

/// The tea-tasting lady, for a TrialRow built by hand.
#[test]
fn a_row_built_by_hand_counts_once() {
    let columns = Columns { layers: vec!["a".into(), "b".into()], ..Columns::default() };
    let mut b = TableBuilder::new(columns).unwrap();
    b.add(&TrialRow { outcomes: &[Outcome::Failed, Outcome::Held], ..TrialRow::default() });
    assert_eq!(b.finish().attack_trials(), 1.0);
}
