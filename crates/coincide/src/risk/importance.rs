//! Importance of what a system is made of: what becomes of P(system failure) where something surely fails, and where it never does (Birnbaum 1969; Fussell 1975; Cheok, Parry and Sherry 1998,
//! *Reliability Engineering and System Safety* 60, 213). Under dependent failures as under independent ones the change is made from outside, and everything else stays as it is.

use crate::figure::Interval;
use crate::fit::central;
use crate::what_if::NodeList;
use coincide_structure::{Compiled, Limits, Structure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an importance is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportanceOf {
    /// A layer.
    Layer,
    /// A basic event.
    BasicEvent,
    /// Several of them at once.
    Group,
    /// What makes a group fail together.
    Cause,
}

/// What something contributes to P(system failure).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportanceMeasures {
    /// Name.
    pub of: String,
    /// What it is.
    pub kind: ImportanceOf,
    /// Its members, of a group or cause.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub members: Vec<String>,
    /// P(system failure) where it surely fails.
    pub if_failed: f64,
    /// P(system failure) where it never fails.
    pub if_held: f64,
    /// Birnbaum's: the first less the second.
    pub birnbaum: f64,
    /// Criticality: the share of system failures that would not be if it never failed. Absent where the system never fails.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub criticality: Option<f64>,
    /// Where the criticality lies over the draws of what is uncertain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub criticality_interval: Option<Interval>,
    /// Fussell and Vesely's: the share of system failures in which some minimal cut set that holds it has happened. Absent where that takes too much room or a failure may help.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fussell_vesely: Option<f64>,
    /// Risk achievement worth: P(system failure) where it surely fails, over that as it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub achievement_worth: Option<f64>,
    /// Where the achievement worth lies over the same draws.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub achievement_interval: Option<Interval>,
    /// Risk reduction worth: P(system failure) as it is, over that where it never fails. Absent where that is infinite: `in_every_cut_set` says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reduction_worth: Option<f64>,
    /// Where the reduction worth lies over the same draws.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reduction_interval: Option<Interval>,
    /// The system cannot fail without it: its reduction worth is infinite.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_every_cut_set: bool,
}

/// Something with an importance, by the events that stand for it.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub name: String,
    pub kind: ImportanceOf,
    pub members: Vec<String>,
    /// Set to sure to make it fail.
    pub fail: Vec<usize>,
    /// Set to impossible to keep it from failing.
    pub hold: Vec<usize>,
    /// Its members in the cut sets.
    pub own: Vec<usize>,
}

impl Element {
    /// Where events stand for what they are named by.
    pub(crate) fn plain(name: String, kind: ImportanceOf, members: Vec<String>, events: Vec<usize>) -> Self {
        Element { name, kind, members, fail: events.clone(), hold: events.clone(), own: events }
    }
}

/// For each element the event that some minimal cut set which holds it has happened.
pub(crate) struct Holders(Vec<Option<Compiled>>);

impl Holders {
    /// None where the structure has no room as one diagram, or is not coherent.
    pub(crate) fn new(structure: &Structure, elements: &[Element], room: Limits) -> Self {
        let nothing = || Holders(elements.iter().map(|_| None).collect());
        let Ok(whole) = structure.compile_whole(room) else { return nothing() };
        if !whole.coherent() {
            return nothing();
        }
        let Ok(sets) = whole.cut_sets(room) else { return nothing() };
        Holders(elements.iter().map(|e| sets.holding(&e.own, room).ok().flatten()).collect())
    }

    pub(crate) fn none(elements: usize) -> Self {
        Holders((0..elements).map(|_| None).collect())
    }
}

/// Draws behind the intervals of importance at most, and at least.
const DRAWS: std::ops::RangeInclusive<usize> = 40..=400;

/// Draws of what is uncertain, side by side: event e has the probability `rows[e * n + z]` at node z of n; the nodes of a draw, which have `weights`, end where `ends` says.
#[derive(Default)]
pub(crate) struct Uncertain {
    rows: Vec<f64>,
    weights: Vec<f64>,
    ends: Vec<usize>,
}

impl Uncertain {
    /// As many of the draws as importance can be worked out for in seconds, evenly taken; none where that is too few for an interval.
    pub(crate) fn of(c: &Compiled, elements: &[Element], draws: &[NodeList]) -> Self {
        let nodes = draws.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let work = c.size().1.max(1).saturating_mul(nodes).saturating_mul(2 * elements.len() + 1);
        let many = (MOST_WORK / 8 / work).min(draws.len()).min(*DRAWS.end());
        if many < *DRAWS.start() {
            return Uncertain::default();
        }
        let some: Vec<&NodeList> = (0..many).map(|i| &draws[i * draws.len() / many]).collect();
        let all = || some.iter().copied().flatten();
        let ends = some.iter().scan(0, |end, d| {
            *end += d.len();
            Some(*end)
        });
        Uncertain {
            rows: (0..c.events()).flat_map(|e| all().map(move |(_, p)| p[e])).collect(),
            weights: all().map(|n| n.0).collect(),
            ends: ends.collect(),
        }
    }

    /// P(system failure) of every draw, where these events surely happen or never do.
    fn tops(&self, c: &Compiled, sure: Option<(&[usize], f64)>) -> Vec<f64> {
        let n = self.weights.len();
        let own = sure.map(|(events, p)| forced(c, &self.rows, n, events, p));
        let all = c.probabilities(own.as_ref().unwrap_or(&self.rows), n);
        let weighed: Vec<f64> = all.iter().zip(&self.weights).map(|(p, w)| p * w).collect();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, to)| weighed[from..*to].iter().sum()).collect()
    }

    /// Gives the measures of elements their intervals.
    pub(crate) fn bound(&self, c: &Compiled, elements: &[Element], measures: &mut [ImportanceMeasures], level: f64) {
        if self.ends.is_empty() {
            return;
        }
        let top = self.tops(c, None);
        let over = |above: &[f64], below: &[f64]| {
            let mut list: Vec<f64> = above.iter().zip(below).map(|(a, b)| a / b).collect();
            // Nothing that is uncertain bears on it: it has no interval.
            let certain = |i: &Interval| i.low.zip(i.high).is_some_and(|(low, high)| high - low <= 1e-9 * high.abs());
            list.iter().all(|x| x.is_finite()).then(|| central(&mut list, level)).flatten().filter(|i| !certain(i))
        };
        for (e, m) in elements.iter().zip(measures) {
            let (failed, held) = (self.tops(c, Some((&e.fail, 1.0))), self.tops(c, Some((&e.hold, 0.0))));
            let saved: Vec<f64> = top.iter().zip(&held).map(|(t, h)| t - h).collect();
            m.criticality_interval = over(&saved, &top);
            m.achievement_interval = over(&failed, &top);
            m.reduction_interval = over(&top, &held);
        }
    }
}

/// The same probabilities where these events have another, at all of n nodes.
fn forced(c: &Compiled, rows: &[f64], n: usize, events: &[usize], p: f64) -> Vec<f64> {
    let mut own = rows.to_vec();
    // A group may have members that the structure does not name.
    events.iter().filter(|i| **i < c.events()).for_each(|i| own[i * n..(i + 1) * n].fill(p));
    own
}

/// Decisions times sets of probabilities beyond which importance would take minutes.
const MOST_WORK: usize = 20_000_000_000;

/// Importance of every element where event e has the probability `rows[e * n + z]` at the node z of `weights.len()`. Empty where that would take minutes.
pub(crate) fn importances(c: &Compiled, rows: &[f64], weights: &[f64], elements: &[Element], holders: &Holders) -> Vec<ImportanceMeasures> {
    let n = weights.len();
    if c.size().1.saturating_mul(n).saturating_mul(2 * elements.len()) > MOST_WORK {
        return Vec::new();
    }
    let mean = |c: &Compiled, rows: &[f64]| c.probabilities(rows, n).iter().zip(weights).map(|(p, w)| p * w).sum::<f64>();
    let top = mean(c, rows);
    let both: Vec<[f64; 2]> = if n == 1 {
        let sets: Vec<_> = elements.iter().map(|e| (e.fail.clone(), e.hold.clone())).collect();
        c.with_sure(rows, &sets).into_iter().map(|p| p.map(|p| weights[0] * p)).collect()
    } else {
        let with = |events: &[usize], p: f64| mean(c, &forced(c, rows, n, events, p));
        elements.iter().map(|e| [with(&e.fail, 1.0), with(&e.hold, 0.0)]).collect()
    };
    let one = |((e, f), h): ((&Element, [f64; 2]), &Option<Compiled>)| {
        let holding = h.as_ref().map(|h| mean(h, rows));
        of(e, top, f, holding)
    };
    elements.iter().zip(both).zip(&holders.0).map(one).collect()
}

/// The measures, from P(system failure) as it is, where the element surely fails and where it never does, and P(some minimal cut set that holds it has happened).
pub(crate) fn of(e: &Element, top: f64, [if_failed, if_held]: [f64; 2], holding: Option<f64>) -> ImportanceMeasures {
    let over = |x: f64| (top > 0.0).then(|| x / top).filter(|x| x.is_finite());
    ImportanceMeasures {
        of: e.name.clone(),
        kind: e.kind,
        members: e.members.clone(),
        if_failed,
        if_held,
        birnbaum: if_failed - if_held,
        criticality: over(top - if_held),
        criticality_interval: None,
        fussell_vesely: holding.and_then(over).map(|x| x.min(1.0)),
        achievement_worth: over(if_failed),
        achievement_interval: None,
        reduction_worth: (if_held > 0.0).then(|| top / if_held).filter(|x| x.is_finite()),
        reduction_interval: None,
        in_every_cut_set: if_held <= 0.0 && top > 0.0,
    }
}
