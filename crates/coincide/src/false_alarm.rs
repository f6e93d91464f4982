//! The other side: benign trials that a layer stopped. Per layer and for the union (any layer held), with
//! intervals, and against the union that independence would give, 1 − Π(1 − a_i).

use crate::figure::Figure;
use crate::layers::{LayerSet, bit};
use crate::sample::{RateOptions, Sample};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// False alarms of each layer and of the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FalseAlarms {
    /// Benign trials.
    pub trials: f64,
    /// Each layer's rate of stopping a benign trial.
    pub layers: Vec<FalseAlarm>,
    /// P(at least one layer stops a benign trial).
    pub any: Figure,
    /// The same if layers were independent.
    pub independent: Figure,
}

/// One layer's false alarms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FalseAlarm {
    /// Name.
    pub layer: String,
    /// Benign trials on which it has an outcome.
    pub trials: f64,
    /// Rate.
    pub rate: Figure,
}

/// False alarms from the benign rows.
pub(crate) fn analyse(names: &[String], benign: &Sample, options: RateOptions) -> FalseAlarms {
    let layers: Vec<FalseAlarm> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let seen = |r: usize| bit(benign.observed(r), i);
            FalseAlarm {
                layer: name.clone(),
                trials: (0..benign.len()).filter(|&r| seen(r)).map(|r| benign.n[r]).sum(),
                rate: benign.rate(options, seen, |r| seen(r).then(|| !bit(benign.failed(r), i))),
            }
        })
        .collect();
    let all = LayerSet::all(names.len());
    // Some layer held: the complement of "all failed", three-valued like it.
    let any = benign.rate(options, |r| benign.complete(r), |r| benign.all_failed(r, all.words()).map(|a| !a));
    let passes: Option<f64> = layers.iter().map(|l| l.rate.value.map(|a| (-a).ln_1p())).sum();
    let independent = match passes {
        Some(ln) => Figure::of(-ln.exp_m1(), "some layer always held"),
        None => Figure::undefined("a layer's rate is only known to lie in an interval"),
    };
    let independent = if passes.is_some_and(|ln| ln.is_infinite()) { Figure::of(1.0, "") } else { independent };
    FalseAlarms { trials: benign.trials(), layers, any, independent }
}
