//! How the table came to have missing cells, which decides what it can say.
//!
//! * Complete: every layer has an outcome on every trial.
//! * Ragged: some cells are missing for reasons of their own. Estimates use the rows where all layers in question were
//!   observed, and both extremes stand beside them.
//! * Fixed order: a pipeline that stopped at the first layer that held. β, β of a prefix, and P(j fails | all earlier
//!   failed) are identified; everything else is only known to lie in an interval.
//! * Gated: some layers were asked only where another one, their gate, had failed, and the others always (an output filter
//!   has nothing to judge where the target refused). β, and β of sets that have every gate of their members, are identified.
//! * Random order: the order was drawn per trial and recorded. β_S is estimated from the trials whose first |S| layers
//!   are S.

use crate::error::{Error, Result};
use crate::layers::bit;
use crate::outcome::{JointOutcomes, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How trials were run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Design {
    /// Every layer on every trial.
    Complete,
    /// Some outcomes are missing, not because an earlier layer held.
    Ragged,
    /// A pipeline in one order that stopped at the first layer that held.
    FixedOrder {
        /// Layers in the order in which they were asked.
        order: Vec<String>,
        /// Whether the order was read off the table instead of given.
        inferred: bool,
    },
    /// Some layers were asked only where another had failed; the others were asked on every trial.
    Gated {
        /// Each such layer and its gate.
        gates: Vec<Gate>,
    },
    /// A pipeline in a recorded order, drawn at random per trial, that stopped at the first layer that held.
    RandomOrder {
        /// Distinct orders seen.
        orders: usize,
    },
}

/// A layer that was asked only where another had failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The layer.
    pub layer: String,
    /// The layer that had to fail first.
    pub gate: String,
}

impl Design {
    /// Whether the rates of some layers, and of some sets, are only known to lie in an interval.
    pub(crate) fn leaves_open(&self) -> bool {
        matches!(self, Design::FixedOrder { .. } | Design::Gated { .. })
    }

    /// Whether β of these layers is beyond the data: a layer among them was asked only where one had failed that is not among them.
    pub(crate) fn beyond(&self, layers: &[String]) -> bool {
        match self {
            Design::FixedOrder { order, .. } if !layers.is_empty() => order[..layers.len().min(order.len())].iter().any(|l| !layers.contains(l)),
            Design::Gated { gates } => gates.iter().any(|g| layers.contains(&g.layer) && !layers.contains(&g.gate)),
            _ => false,
        }
    }

    /// Whether missing outcomes are selected by what other layers did.
    pub fn stops_early(&self) -> bool {
        matches!(self, Design::FixedOrder { .. } | Design::Gated { .. } | Design::RandomOrder { .. })
    }
}

/// Reads the design off the attack rows, or checks the given order against them.
pub(crate) fn detect(table: &JointOutcomes, given: Option<&[String]>) -> Result<Design> {
    let k = table.layers().len();
    if let Some(names) = given {
        let order: Vec<usize> = names.iter().map(|n| table.layer(n)).collect::<Result<_>>()?;
        let mut seen = vec![false; k];
        for &i in &order {
            if std::mem::replace(&mut seen[i], true) {
                return Err(Error::Order(format!("`{}` stands in it twice", table.layers()[i])));
            }
        }
        if let Some(left) = seen.iter().position(|s| !s) {
            return Err(Error::Order(format!("`{}` is missing from it", table.layers()[left])));
        }
        if let Some((held, later)) = contradiction(table, &order) {
            let (held, later) = (&table.layers()[held], &table.layers()[later]);
            return Err(Error::Order(format!(
                "on some trial `{later}` has an outcome although `{held}`, which comes before it, held; if every layer was run on every trial, leave --order out"
            )));
        }
        return Ok(fixed(table, &order, false));
    }
    if table.attacks().all(|c| c.complete()) {
        return Ok(Design::Complete);
    }
    let mut orders: Vec<&[u16]> = table.attacks().map(|c| c.order()).filter(|o| !o.is_empty()).collect();
    orders.sort_unstable();
    orders.dedup();
    match orders.as_slice() {
        [] => {}
        [one] => {
            let order: Vec<usize> = one.iter().map(|&i| usize::from(i)).collect();
            if order.len() == k && contradiction(table, &order).is_none() {
                return Ok(fixed(table, &order, false));
            }
        }
        many => {
            if table.attacks().any(|c| c.order().len() != k) {
                return Err(Error::Order("some trials record an order of all layers and others do not".into()));
            }
            for c in table.attacks() {
                let order: Vec<usize> = c.order().iter().map(|&i| usize::from(i)).collect();
                let end = order.iter().position(|&i| !bit(c.observed, i) || !bit(c.failed, i)).unwrap_or(k);
                let stopped_where_it_held = order.get(end).is_none_or(|&i| bit(c.observed, i));
                if !stopped_where_it_held || order.get(end + 1..).is_some_and(|later| later.iter().any(|&i| bit(c.observed, i))) {
                    return Err(Error::Order(
                        "some trial does not stop at the first layer of its recorded order that held: an earlier layer has no outcome, or a later one has".into(),
                    ));
                }
            }
            return Ok(Design::RandomOrder { orders: many.len() });
        }
    }
    if let Some(order) = infer(table) {
        return Ok(fixed(table, &order, true));
    }
    if let Some(gates) = gates(table) {
        return Ok(Design::Gated { gates });
    }
    // Cells that say they are missing because another layer held are selected: they must never be left out as if at random.
    if table.attacks().any(|c| c.reasons().iter().any(|(_, r)| matches!(r, Reason::CensoredBy(_)))) {
        return Err(Error::Order(
            "cells say that an earlier layer stopped the pipeline, but no one order of the layers explains all of them; give --order, or name the column that records each trial's order with --order-from".into(),
        ));
    }
    Ok(Design::Ragged)
}

/// The gate of every layer that has one, if each censored cell names the layer's only gate, the gate held there, and nothing has an outcome behind a gate that held.
fn gates(table: &JointOutcomes) -> Option<Vec<Gate>> {
    let k = table.layers().len();
    let mut gate: Vec<Option<u16>> = vec![None; k];
    for c in table.attacks() {
        for &(layer, reason) in c.reasons() {
            if let Reason::CensoredBy(by) = reason {
                let known = gate[usize::from(layer)].get_or_insert(by);
                if *known != by || !bit(c.observed, usize::from(by)) || bit(c.failed, usize::from(by)) {
                    return None;
                }
            }
        }
    }
    let name = |i: usize| table.layers()[i].clone();
    let found: Vec<(usize, usize)> = gate.iter().enumerate().filter_map(|(l, g)| Some((l, usize::from((*g)?)))).collect();
    // A gate that has a gate of its own is an order, not a gate.
    let simple = found.iter().all(|&(_, g)| gate[g].is_none());
    let behind = |l: usize, g: usize| table.attacks().all(|c| !(bit(c.observed, l) && bit(c.observed, g) && !bit(c.failed, g)));
    (!found.is_empty() && simple && found.iter().all(|&(l, g)| behind(l, g)))
        .then(|| found.into_iter().map(|(l, g)| Gate { layer: name(l), gate: name(g) }).collect())
}

fn fixed(table: &JointOutcomes, order: &[usize], inferred: bool) -> Design {
    Design::FixedOrder { order: order.iter().map(|&i| table.layers()[i].clone()).collect(), inferred }
}

/// A layer that held and a later one that nevertheless has an outcome, if there are such.
fn contradiction(table: &JointOutcomes, order: &[usize]) -> Option<(usize, usize)> {
    table.attacks().find_map(|c| {
        let held = order.iter().position(|&i| bit(c.observed, i) && !bit(c.failed, i))?;
        let later = order[held + 1..].iter().find(|&&i| bit(c.observed, i))?;
        Some((order[held], *later))
    })
}

/// The order in which layers were asked, if every incomplete row stops at its only held layer, the last in order.
fn infer(table: &JointOutcomes) -> Option<Vec<usize>> {
    let k = table.layers().len();
    // In a pipeline a layer is asked the less often the later it comes.
    let mut asked = vec![0.0; k];
    let mut other_reasons = false;
    for c in table.attacks() {
        (0..k).filter(|&i| bit(c.observed, i)).for_each(|i| asked[i] += c.n);
        other_reasons |= c.reasons().iter().any(|(_, r)| !matches!(r, Reason::CensoredBy(_) | Reason::NotRun));
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| asked[b].total_cmp(&asked[a]).then(a.cmp(&b)));
    let named = table.attacks().any(|c| c.reasons().iter().any(|(_, r)| matches!(r, Reason::CensoredBy(_))));
    let stops = table.attacks().all(|c| {
        let held = order.iter().position(|&i| bit(c.observed, i) && !bit(c.failed, i));
        let end = held.map_or(k, |h| h + 1);
        let prefix = order[..end].iter().all(|&i| bit(c.observed, i) || other_reasons && c.missing(i).is_some_and(|r| r != Reason::NotRun));
        prefix && order[end..].iter().all(|&i| !bit(c.observed, i))
    });
    (stops && (named || !other_reasons)).then_some(order)
}
