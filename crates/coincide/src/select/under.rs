//! Choices judged by more than P(all chosen fail): by another structure, and by the worst of several scenarios. Layers that are not chosen count as failed, so adding one never makes a monotone structure worse, and
//! that is all the search can bound by.

use super::mixed::Mixed;
use crate::error::{Error, Result};
use crate::outcome::{JointOutcomes, Label};
use crate::sample::Sample;
use crate::scenario::{Changes, Scenario, World};
use crate::structure::{Diagram, Structure};

/// A structure in some worlds.
#[derive(Clone)]
pub(super) struct Under {
    /// The structure, as it was written.
    pub text: String,
    diagram: Diagram,
    layers: usize,
    worlds: Vec<InWorld>,
}

/// A scenario, with the outcomes as it weighs them where it does.
#[derive(Clone)]
struct InWorld {
    name: String,
    changes: Changes,
    scenario: Option<Scenario>,
    counted: Option<Mixed>,
}

impl Under {
    /// The world as tested, and scenarios. `models`: choices are judged by a model, which knows no strata.
    ///
    /// Fails on structures that a further layer may make worse, and on scenarios for which the choices of a stack have no value.
    pub fn new(table: &JointOutcomes, structure: &Structure, scenarios: &[Scenario], complete: &[usize], models: bool) -> Result<Self> {
        if !structure.monotone() {
            let why = format!("`{}` has a `!`: a layer more may then make a failure likelier, and no search can rule choices out", structure.text());
            return Err(Error::Stated(why));
        }
        let layers = table.layers();
        let tested = InWorld { name: "nominal".into(), changes: Changes::default(), scenario: None, counted: None };
        let mut worlds = vec![tested];
        for s in scenarios {
            let wrong = |why: &str| Err(Error::In { what: "scenario", name: s.name.clone(), why: why.to_owned() });
            s.check()?;
            if !s.thresholds.is_empty() {
                return wrong("it has other thresholds, and layers are chosen at the thresholds that they have");
            }
            let changes = s.changes(layers)?;
            if changes.tries.is_some() {
                return wrong("its attacker works on each layer apart, which goals stand for and choices do not");
            }
            if !changes.cascades.is_empty() {
                return wrong("a cascade may make a stack worse by adding the layer it starts from, and no search can rule choices out");
            }
            if !s.touches_outcomes() && !s.is_bound() {
                return wrong("it changes nothing that outcomes record, such as layers, shares of strata or what an attacker can do");
            }
            if models && !s.strata.is_empty() {
                return wrong("it has other shares of strata, and the model that choices are judged by knows none: choose by what was counted");
            }
            let counted = (!s.strata.is_empty()).then(|| weighed(table, s, complete, layers.len())).transpose()?;
            worlds.push(InWorld { name: s.name.clone(), changes, scenario: s.is_bound().then(|| s.clone()), counted });
        }
        Ok(Under { text: structure.text().to_owned(), diagram: structure.diagram()?, layers: layers.len(), worlds })
    }

    /// The rate in the worst world.
    pub fn value(&self, law: &Mixed, chosen: &[usize]) -> f64 {
        let rate = |w: &InWorld| w.rate(w.counted.as_ref().unwrap_or(law), &self.diagram, chosen, self.layers);
        self.worlds.iter().map(rate).fold(0.0, f64::max)
    }

    /// Each world by itself, by name.
    pub fn apart(&self) -> impl Iterator<Item = (&str, Under)> {
        self.worlds.iter().map(|w| (w.name.as_str(), Under { worlds: vec![w.clone()], ..self.clone() }))
    }

    /// How many times as long a value takes as one of P(all fail), roughly.
    pub fn slower(&self) -> u64 {
        10 * self.worlds.iter().map(|w| 1u64 << w.changes.common.len()).sum::<u64>()
    }

    /// P(the system fails) on a trial of the world as tested.
    pub fn tested(&self, failed: &dyn Fn(usize) -> bool, chosen: &[usize]) -> f64 {
        let mut p = vec![1.0; self.layers];
        chosen.iter().for_each(|&j| p[j] = f64::from(u8::from(failed(j))));
        self.diagram.given(&p)
    }

    /// Whether some scenario has other shares of strata.
    pub fn reweighs(&self) -> bool {
        self.worlds.iter().any(|w| w.counted.is_some())
    }

    /// The same without other shares of strata, for outcomes of which some are left out.
    pub fn as_counted(&self) -> Under {
        let mut out = self.clone();
        out.worlds.iter_mut().for_each(|w| w.counted = None);
        out
    }
}

impl InWorld {
    fn rate(&self, law: &Mixed, diagram: &Diagram, chosen: &[usize], layers: usize) -> f64 {
        let changes = self.changes.clone().among(chosen);
        let n = law.size();
        // Nodes layer by layer; what layers do together at once has a way for each.
        let mut p = vec![1.0; layers * n];
        chosen.iter().for_each(|&j| p[j * n..][..n].copy_from_slice(law.fails(j)));
        changes.weaker.iter().for_each(|&(i, f)| p[i * n..][..n].iter_mut().for_each(|x| *x += (1.0 - *x) * f));
        changes.compromised.iter().for_each(|&i| p[i * n..][..n].fill(1.0));
        let mut total = 0.0;
        for ways in 0..1usize << changes.common.len() {
            let (mut q, mut share) = (p.clone(), 1.0);
            for (at, (members, s)) in changes.common.iter().enumerate() {
                if ways >> at & 1 == 1 {
                    share *= s;
                    members.iter().for_each(|&i| q[i * n..][..n].fill(1.0));
                } else {
                    share *= 1.0 - s;
                }
            }
            if share > 0.0 {
                total += share * diagram.mean(n, |z| law.weights()[z], |i, z| q[i * n + z]);
            }
        }
        let total = total.min(1.0);
        self.scenario.as_ref().map_or(total, |s| s.bound(total))
    }
}

/// The complete trials with a scenario's shares of strata.
fn weighed(table: &JointOutcomes, scenario: &Scenario, needed: &[usize], layers: usize) -> Result<Mixed> {
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    let factor = World::factors(table, &sample, scenario)?;
    let seen = |r: usize| needed.iter().all(|&i| crate::layers::bit(sample.observed(r), i));
    let fails = |r: usize| (0..layers).map(|i| f64::from(u8::from(!needed.contains(&i) || crate::layers::bit(sample.failed(r), i)))).collect();
    let nodes: Vec<(f64, Vec<f64>)> = (0..sample.len()).filter(|&r| seen(r)).map(|r| (sample.w[r] * factor[r], fails(r))).collect();
    if nodes.iter().map(|n| n.0).sum::<f64>() <= 0.0 {
        return Err(Error::In { what: "scenario", name: scenario.name.clone(), why: "no complete trial is left in its strata".into() });
    }
    Ok(Mixed::new(layers, nodes))
}
