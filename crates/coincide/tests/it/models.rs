//! Stated models against values computed independently, and what every law must satisfy.

use crate::support::golden;
use coincide::{JointLaw, LayerSet, Mixture, stated};
use serde_json::Value;

fn near(name: &str, got: f64, want: f64, tol: f64) {
    assert!((got / want - 1.0).abs() <= tol, "{name}: {got:e} against {want:e}, off by {:.1e}", (got / want - 1.0).abs());
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn all(law: &Mixture) -> f64 {
    law.ln_all_fail(&LayerSet::all(law.layers())).exp()
}

#[test]
fn one_factor_golden() {
    for g in golden("models.json")["one_factor_gaussian"].as_array().unwrap() {
        let (n, p, rho) = (g["n"].as_u64().unwrap() as usize, number(&g["p"]), number(&g["rho"]));
        let law = stated::one_factor(&vec![p; n], &vec![rho.sqrt(); n]).unwrap();
        let id = g["id"].as_str().unwrap();
        match g["at_least"].as_u64() {
            Some(m) => near(id, law.at_least(m as usize), number(&g["value"]), 1e-10),
            None => near(id, all(&law), number(&g["all"]), 1e-10),
        }
    }
}

#[test]
fn heterogeneous_loadings_and_orthants_golden() {
    let g = golden("models.json");
    let list = |v: &Value| -> Vec<f64> { v.as_array().unwrap().iter().map(number).collect() };
    let r = &g["one_factor_heterogeneous"];
    near("R07", all(&stated::one_factor(&list(&r["p"]), &list(&r["loadings"])).unwrap()), number(&r["all"]), 1e-10);
    for (n, key) in [(10, "n10"), (20, "n20")] {
        let law = stated::one_factor(&vec![0.5; n], &vec![0.5f64.sqrt(); n]).unwrap();
        near("R08", all(&law), number(&g["orthant_half"][key]), 1e-10);
        near("1/(n + 1)", all(&law), 1.0 / (n as f64 + 1.0), 1e-12);
    }
    // Any three correlations with a positive product are those of one factor.
    let r = list(&g["trivariate_orthant"]["rho"]);
    let loads = [r[0] * r[1] / r[2], r[0] * r[2] / r[1], r[1] * r[2] / r[0]].map(f64::sqrt);
    near("R14", all(&stated::one_factor(&[0.5; 3], &loads).unwrap()), number(&g["trivariate_orthant"]["value"]), 1e-10);
}

#[test]
fn two_groups_of_five_are_a_two_factor_model() {
    let g = golden("models.json")["nested_factor"][0].clone();
    let (within, between) = (number(&g["rho_within"]), number(&g["rho_between"]));
    // Loadings of equal length whose angle gives the correlation between groups.
    let (length, cos) = (within.sqrt(), between / within);
    let angle = cos.acos();
    let list: Vec<[f64; 2]> = (0..10).map(|i| if i < 5 { [length, 0.0] } else { [length * angle.cos(), length * angle.sin()] }).collect();
    near("R15", all(&stated::two_factor(&[number(&g["p"]); 10], &list).unwrap()), number(&g["all"]), 1e-10);
}

#[test]
fn student_golden() {
    for g in golden("models.json")["student_t"].as_array().unwrap() {
        let n = g["n"].as_u64().unwrap() as usize;
        let law = stated::student_factor(&vec![number(&g["p"]); n], &vec![number(&g["rho"]).sqrt(); n], number(&g["nu"])).unwrap();
        near(g["id"].as_str().unwrap(), all(&law), number(&g["all"]), 1e-8);
        near("marginal", law.marginal(0), number(&g["p"]), 1e-9);
    }
}

#[test]
fn many_layers_common_shock_and_beta_binomial_golden() {
    let g = golden("models.json");
    let r = &g["many_layers_numpy"];
    let n = r["n"].as_u64().unwrap() as usize;
    let law = stated::one_factor(&vec![number(&r["p"]); n], &vec![number(&r["rho"]).sqrt(); n]).unwrap();
    for (m, want) in r["more_than"].as_object().unwrap() {
        near(m, law.at_least(m.parse::<usize>().unwrap() + 1), number(want), 1e-8);
    }
    let r = &g["common_shock"];
    let (n, shock, marginal) = (r["n"].as_u64().unwrap() as usize, number(&r["shock"]), number(&r["marginal"]));
    let own = (marginal - shock) / (1.0 - shock);
    let law = stated::factor_common_mode(&vec![own; n], &vec![0.0; n], &[(shock, LayerSet::all(n))]).unwrap();
    near("R17", all(&law), number(&r["all"]), 1e-11);
    near("R17 marginal", law.marginal(3), marginal, 1e-14);
    for r in g["beta_binomial"].as_array().unwrap() {
        let n = r["n"].as_u64().unwrap() as usize;
        let law = stated::beta_binomial(&vec![number(&r["mean"]); n], number(&r["icc"])).unwrap();
        near(r["id"].as_str().unwrap(), all(&law), number(&r["all"]), 1e-10);
    }
}
