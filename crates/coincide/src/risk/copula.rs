//! Copulas with a full correlation matrix, stated or learned, as laws of a system.

use super::importance::{Element, of};
use super::learned::Learned;
use super::stated::Law;
use super::{Asked, LawKind, RiskQuestion, StatedSystem, SystemUnder};
use crate::error::{Error, Result};
use crate::figure::{Figure, Interval, IntervalMethod};
use crate::fit::central;
use crate::layers::LayerSet;
use crate::pieces::in_blocks;
use crate::random::Purpose;
use crate::rare::{Copula, Sampling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Draws behind an interval: every one is a rare event to be sampled.
pub(super) const DRAWS: usize = 200;

/// A copula over all layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatedCopula {
    /// Gaussian or Student.
    pub family: CopulaFamily,
    /// Degrees of freedom of a Student copula.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub freedom: Option<f64>,
    /// The correlation of every pair, where it is one for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correlation: Option<f64>,
    /// The correlation matrix, row by row in the order of the layers. Where neither this nor `correlation` is given, the tetrachoric correlations of the outcomes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub matrix: Vec<Vec<f64>>,
}

/// Families of copulas with a full correlation matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopulaFamily {
    /// No more dependence far out than near.
    Gaussian,
    /// More of it far out, the more the fewer degrees of freedom.
    Student,
}

impl StatedSystem {
    pub(super) fn copula<'a>(
        &'a self,
        c: &'a StatedCopula,
        q: &'a RiskQuestion<'_>,
        rates: &[f64],
        learned: &Learned,
        asked: &Asked<'_>,
    ) -> Result<Law<'a>> {
        let Asked { elements, cut_sets, options, .. } = *asked;
        let k = q.layers.len();
        let name = match c.family {
            CopulaFamily::Gaussian => "Gaussian copula".to_owned(),
            CopulaFamily::Student => format!("Student copula ({} degrees of freedom)", c.freedom.unwrap_or(4.0)),
        };
        let named = |e: Error| e.within("copula", &name);
        let from_outcomes = c.correlation.is_none() && c.matrix.is_empty() && self.observed_correlations.is_some();
        let (matrix, from) = match (c.correlation, c.matrix.as_slice(), &self.observed_correlations) {
            (Some(_), [_, ..], _) => return Err(named(Error::Stated("it states a correlation and a matrix; one of the two is enough".into()))),
            (Some(r), _, _) => ((0..k * k).map(|e| if e / k == e % k { 1.0 } else { r }).collect(), format!("every pair correlates by {r}")),
            (None, rows @ [_, ..], _) => {
                if rows.len() != k || rows.iter().any(|r| r.len() != k) {
                    return Err(named(Error::Stated(format!("its matrix needs {k} rows and columns, one for each of {}", q.layers.join(", ")))));
                }
                (rows.concat(), "correlations as stated".to_owned())
            }
            (None, [], Some(seen)) => (seen.clone(), "tetrachoric correlations of the outcomes".to_owned()),
            (None, [], None) => {
                return Err(named(Error::Stated("it needs `correlation` or `matrix`, or complete pairs of outcomes to learn them from".into())));
            }
        };
        let (matrix, moved) = crate::rare::nearest_correlation(&matrix, k).map_err(named)?;
        let with = |rates: &[f64], matrix: &[f64]| match c.family {
            CopulaFamily::Gaussian => Copula::gaussian(rates, matrix),
            CopulaFamily::Student => Copula::student(rates, matrix, c.freedom.unwrap_or(4.0)),
        };
        let make = |rates: &[f64]| with(rates, &matrix);
        if c.family == CopulaFamily::Gaussian && c.freedom.is_some() {
            return Err(named(Error::Stated("degrees of freedom belong to a Student copula".into())));
        }
        let law = make(rates).map_err(named)?;
        let sampling = Sampling { seed: options.seed, ..Sampling::default() };
        let mut notes = Vec::new();
        if moved > 1e-6 {
            notes.push(format!("These correlations are no correlation matrix: the nearest one was taken, which moves one of them by {moved:.3}."));
        }
        let sets: std::result::Result<Vec<LayerSet>, String> = cut_sets
            .as_ref()
            .map_err(Clone::clone)
            .map(|sets| sets.smallest(&vec![0.5; k], crate::rare::MOST_CUT_SETS + 1).into_iter().map(|s| LayerSet::of(k, &s.events)).collect());
        let fails = |set: &LayerSet| q.structure.monotone() || q.structure.fails(set);
        let all = q.structure.as_all();
        let rate_of = |law: &Copula, sampling: &Sampling| match (&all, &sets) {
            (Some(all), _) => Ok(law.all_fail(all, sampling)),
            (None, Ok(sets)) => law.any_cut_set(sets, fails, sampling),
            (None, Err(why)) => Err(Error::Stated(why.clone())),
        };
        let quick = Sampling { points: 127, ..sampling };
        // With other rates from what is stated or seen, and other correlations from what is seen.
        let one = |d: usize| -> Option<f64> {
            let seen = learned.again.get(d);
            let mut rng = options.seed.stream(Purpose::Beliefs, d as u64);
            let own = q.layers.iter().enumerate().map(|(i, name)| match (self.rates.get(name), seen) {
                (Some(belief), _) => belief.draw(&mut rng),
                (None, Some(seen)) => seen.rates[i],
                (None, None) => rates[i],
            });
            let own: Vec<f64> = own.collect();
            let drawn = match seen.filter(|_| from_outcomes) {
                Some(seen) => Some(crate::rare::nearest_correlation(&seen.correlations, k).ok()?.0),
                None => None,
            };
            let law = with(&own, drawn.as_deref().unwrap_or(&matrix)).ok()?;
            Some(rate_of(&law, &quick).ok()?.value())
        };
        let stated = self.rates.values().any(|d| d.variance() > 0.0);
        let (again, unstated) = (!learned.again.is_empty(), q.layers.iter().any(|l| !self.rates.contains_key(l)));
        let mut draws: Vec<Option<f64>> =
            if stated || again && (from_outcomes || unstated) { in_blocks("draws of copulas", DRAWS, 1, one) } else { Vec::new() };
        let lost = draws.iter().filter(|d| d.is_none()).count();
        let (rate, importance) = match rate_of(&law, &sampling) {
            Ok(rare) => {
                let forced = |e: &Element, p: f64| -> Result<f64> {
                    let mut own = rates.to_vec();
                    e.own.iter().for_each(|&i| own[i] = p);
                    Ok(rate_of(&make(&own)?, &quick)?.value())
                };
                let list: Result<Vec<_>> = elements.iter().map(|e| Ok(of(e, rare.value(), [forced(e, 1.0)?, forced(e, 0.0)?], None))).collect();
                let mut known: Vec<f64> = draws.drain(..).flatten().collect();
                let figure = if known.len() < DRAWS / 2 {
                    notes.push("Its interval is that of the computation; correlations and rates are taken as known.".into());
                    rare.figure(options.level)
                } else {
                    let varied = [
                        (stated, "what is stated about rates"),
                        (again && unstated, "the rates of trials that are drawn again"),
                        (again && from_outcomes, "the correlations of trials that are drawn again"),
                    ];
                    let varied: Vec<&str> = varied.iter().filter(|v| v.0).map(|v| v.1).collect();
                    let fixed = if from_outcomes { "" } else { "; correlations are taken as known" };
                    let middle = if stated { "; the value is that at the means of rates" } else { "" };
                    notes.push(format!("Its interval is that over {} draws of {}{fixed}{middle}.", known.len(), varied.join(" and ")));
                    if lost > 0 {
                        notes.push(format!("In {lost} more draws there was no such law: they are left out."));
                    }
                    let interval =
                        central(&mut known, options.level).map(|i| if stated { i } else { Interval { method: IntervalMethod::Refits, ..i } });
                    Figure::of(rare.value(), "its sampling left the range of numbers").with(interval)
                };
                (figure, list.unwrap_or_default())
            }
            Err(why) => (Figure::undefined(why.to_string()), Vec::new()),
        };
        let alone = q.structure.given(rates).ok();
        let gap = alone.and_then(|a| super::over(rate.value, a));
        let under =
            SystemUnder { law: name, kind: LawKind::Copula, assumes: from, admissible: None, rate, independent: alone, gap, importance, notes };
        let together = move |set: &LayerSet| Some(law.all_fail(set, &quick).value());
        Ok((under, Box::new(together)))
    }
}
