//! Fitted models on real and simulated tables.

use crate::support::{agentdojo, quick};
use coincide::{Fit, FitOptions, JointOutcomes, Priors, fit};

pub fn fitted(table: &JointOutcomes, options: &FitOptions) -> Fit {
    fit(table, &quick(table), options, &|_, _, _| {}).unwrap().content
}

#[test]
fn agentdojo_with_one_factor_is_a_boundary_case() {
    let table = agentdojo(&["suite"], &[], true);
    let options = FitOptions { models: vec!["factor".into()], priors: Priors::None, refits: 20, ..FitOptions::default() };
    let f = fitted(&table, &options);
    println!("{}", serde_json::to_string_pretty(&f.models[0]).unwrap());
}

#[test]
fn look() {
    let table = agentdojo(&["suite"], &["user_task", "injection_task"], true);
    for m in std::env::var("M").unwrap().split(" ") {
        let t = std::time::Instant::now();
        let options = FitOptions { models: vec![m.into()], ..FitOptions::default() };
        let f = fitted(&table, &options);
        let m = &f.models[0];
        println!("{:24} {:.2?} adm {} beta {:?} {:?}\n   tail {:?}\n   search {:?}\n   chains {:?}\n  refits {:?}\n  held {:?} {:?}\n  psis {:?}", m.model, t.elapsed(), m.admissible, m.beta.value, m.beta.interval.map(|i| (i.low, i.high)), m.tail, m.search.as_ref().map(|s| (s.ln_likelihood, s.converged, s.slope, s.agreeing, s.nodes, s.change_when_doubled, &s.edges, &s.classes_tried)), m.chains, m.refits.as_ref().map(|r| (r.beta.low, r.beta.high, r.width_ratio)), m.held_out, m.no_score, m.psis);
    }
}
