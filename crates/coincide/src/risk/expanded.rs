//! A structure with every layer's failure made of its own and of the shocks of the groups that it is in.

use crate::ccf::CommonCause;
use crate::error::Result;
use crate::layers::LayerSet;
use crate::structure::{ROOM, Structure};
use coincide_structure::{Builder, Compiled, Literal, shocks};
use std::collections::BTreeMap;

/// A group with its members by index.
pub(super) struct Group {
    pub cause: CommonCause,
    pub members: Vec<usize>,
    /// Of every member: Q of the other groups with a stated rate that it is in.
    pub others: Vec<Vec<f64>>,
}

impl Group {
    /// Q, from the rates of all layers: as stated, or the most that every member's rate has room for beside the groups whose rate is stated.
    pub(super) fn rate(&self, rates: &[f64]) -> f64 {
        let room = |(&i, others): (&usize, &Vec<f64>)| 1.0 - (1.0 - rates[i]) / others.iter().map(|q| 1.0 - q).product::<f64>();
        self.cause.rate.unwrap_or_else(|| self.members.iter().zip(&self.others).map(room).fold(1.0, f64::min).max(0.0))
    }
}

/// One draw of what is uncertain: every layer's rate, and of groups that were learned their factors.
pub(super) struct Drawn {
    pub rates: Vec<f64>,
    pub factors: Vec<Vec<f64>>,
}

/// The structure with a layer's failure made of its own and its groups' shocks.
pub(super) struct Expanded {
    pub groups: Vec<Group>,
    layers: usize,
    /// Shocks behind the layers' own failures: group and members.
    pub shocks: Vec<(usize, u32)>,
    /// Whether layers in groups have a switch that keeps them from failing, behind the shocks.
    pub compiled: Compiled,
}

impl Expanded {
    pub(super) fn new(s: &Structure, layers: usize, groups: Vec<Group>, rates: &[f64]) -> Result<Self> {
        let mut list: Vec<(usize, u32)> = Vec::new();
        for (g, group) in groups.iter().enumerate() {
            // A rate that is 0 in the middle may be more in a draw: what counts is which shocks there can be.
            let q = group.cause.shock_probabilities(group.rate(rates).max(1e-9));
            list.extend(shocks(group.members.len(), &q).into_iter().map(|(set, _)| (g, set)));
        }
        let mut b = Builder::new();
        let takes = |g: usize, set: u32, layer: usize| groups[g].members.iter().position(|&m| m == layer).is_some_and(|at| set >> at & 1 == 1);
        let mut failures: Vec<Option<Literal>> = vec![None; layers];
        let mut layer = |i: usize, b: &mut Builder| {
            *failures[i].get_or_insert_with(|| {
                let own = b.event(i);
                if !groups.iter().any(|g| g.members.contains(&i)) {
                    return own;
                }
                let mut inputs = vec![own];
                let taking = list.iter().enumerate().filter(|(_, s)| takes(s.0, s.1, i));
                inputs.extend(taking.map(|(t, _)| b.event(layers + t)));
                let fails = b.any(inputs);
                let switch = b.event(layers + list.len() + i);
                b.all([fails, switch])
            })
        };
        let top = s.build(&mut b, &mut layer);
        let compiled = b.finish(top).compile(ROOM).map_err(|e| s.too_large(&e))?;
        Ok(Expanded { layers, shocks: list, compiled, groups })
    }

    /// Probabilities of all events: a layer's own failures make up what its groups leave of its rate; switches are on.
    pub(super) fn probabilities(&self, rates: &[f64]) -> Vec<f64> {
        self.probabilities_of(&Drawn { rates: rates.to_vec(), factors: Vec::new() })
    }

    pub(super) fn probabilities_of(&self, drawn: &Drawn) -> Vec<f64> {
        let rates = &drawn.rates;
        let mut p = rates.to_vec();
        let mut held = vec![1.0; self.layers];
        let mut q = Vec::with_capacity(self.groups.len());
        for (at, g) in self.groups.iter().enumerate() {
            let other = drawn.factors.get(at).filter(|f| !f.is_empty()).map(|f| CommonCause { factors: f.clone(), ..g.cause.clone() });
            let cause = other.as_ref().unwrap_or(&g.cause);
            let own = cause.shock_probabilities(g.rate(rates));
            let implied = cause.implied_rate(g.rate(rates));
            // What other tools' shocks leave of a member's rate is left: rates are theirs then.
            let nominal = if g.cause.rare_event_parameters { g.rate(rates).max(implied) } else { implied };
            g.members.iter().for_each(|&i| held[i] *= 1.0 - nominal);
            q.push(own);
        }
        for i in 0..self.layers {
            if held[i] < 1.0 {
                // Up to rounding, groups that make up the whole rate leave nothing.
                let rest = 1.0 - (1.0 - rates[i]) / held[i];
                p[i] = if rest > 1e-14 { rest } else { 0.0 };
            }
        }
        p.extend(self.shocks.iter().map(|(g, set)| q[*g][set.count_ones() as usize - 1]));
        p.extend(std::iter::repeat_n(1.0, self.layers));
        p
    }

    /// The rate at which each layer fails by its own and by its groups' shocks.
    pub(super) fn implied(&self, p: &[f64]) -> Vec<f64> {
        let own = |i: usize| {
            let by_shocks: f64 = self
                .groups
                .iter()
                .enumerate()
                .filter_map(|(g, group)| {
                    let at = group.members.iter().position(|&m| m == i)?;
                    let list = self.shocks.iter().enumerate().filter(|(_, s)| s.0 == g && s.1 >> at & 1 == 1);
                    Some(list.map(|(t, _)| (-p[self.layers + t]).ln_1p()).sum::<f64>())
                })
                .sum();
            -((-p[i]).ln_1p() + by_shocks).exp_m1()
        };
        (0..self.layers).map(own).collect()
    }

    /// P(all of these layers fail).
    pub(super) fn together(&self, set: &LayerSet, p: &[f64]) -> f64 {
        // Shocks that touch the set, by the part of it that they take; the sets of layers that have failed so far.
        let members: Vec<usize> = set.iter().collect();
        let place = |i: usize| members.iter().position(|&m| m == i);
        let mut states: BTreeMap<u128, f64> = BTreeMap::from([(0, 1.0)]);
        let own = members.iter().enumerate().map(|(at, &i)| (1u128 << at, p[i]));
        let by_shocks = self.shocks.iter().enumerate().map(|(t, (g, set))| {
            let touched = self.groups[*g].members.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).filter_map(|(_, &m)| place(m));
            (touched.fold(0u128, |s, at| s | 1 << at), p[self.layers + t])
        });
        for (taken, chance) in by_shocks.chain(own).filter(|s| s.0 != 0 && s.1 > 0.0).collect::<Vec<_>>() {
            let mut next = BTreeMap::new();
            for (state, w) in states {
                *next.entry(state | taken).or_insert(0.0) += w * chance;
                *next.entry(state).or_insert(0.0) += w * (1.0 - chance);
            }
            states = next;
        }
        states.get(&((1u128 << members.len()) - 1)).copied().unwrap_or(0.0)
    }
}
