//! P(top) of a fault tree whose basic events, or shocks of common causes, are independent.

use super::importance::{Element, Holders, ImportanceOf, Uncertain, importances};
use super::{CutSetReport, HOLDERS, LawKind, ListedCutSet, MadeOf, Risk, SystemUnder, counted};
use crate::analyze::AnalyzeOptions;
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::fit::central;
use crate::random::Purpose;
use crate::what_if::NodeList;
use coincide_structure::{FaultTree, Limits, TooLarge};

/// Draws from the distributions of a model.
const DRAWS: usize = 4000;
/// Room for a fault tree's diagrams, and for those of bounds where it does not fit.
const ROOM: Limits = Limits { nodes: 10_000_000 };
const ENCLOSING_ROOM: Limits = Limits { nodes: 5_000_000 };
/// Room for its cut sets.
const CUT_SET_ROOM: Limits = Limits { nodes: 20_000_000 };
/// Decisions times draws beyond which fewer draws are made.
const MOST_WORK: usize = 10_000_000_000;

/// P(top) of a fault tree with its minimal cut sets, `listed` of them by name, and the importance of basic events and common causes. Where the model has distributions, the interval is of 4,000
/// draws from them.
///
/// A tree whose diagram has no room, whatever order of its events was tried, has certain bounds instead of a value. Fails where those have no room either.
///
/// ```
/// let model = r#"<opsa-mef><define-fault-tree name="t">
///     <define-gate name="top"><atleast min="2"><basic-event name="a"/><basic-event name="b"/><basic-event name="c"/></atleast></define-gate>
///     <define-basic-event name="a"><float value="0.1"/></define-basic-event>
///     <define-basic-event name="b"><float value="0.2"/></define-basic-event>
///     <define-basic-event name="c"><float value="0.3"/></define-basic-event>
/// </define-fault-tree></opsa-mef>"#;
/// let tree = coincide_structure::read_open_psa(model.as_bytes())?;
/// let risk = coincide::fault_tree_risk(&tree, 10, &coincide::AnalyzeOptions::default())?;
/// assert!((risk.laws[0].rate.value.unwrap() - 0.098).abs() < 1e-15);
/// assert_eq!(risk.cut_sets.total, "3");
/// assert_eq!(risk.cut_sets.listed[0].rates, [Some(0.2 * 0.3)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fault_tree_risk(tree: &FaultTree, listed: usize, options: &AnalyzeOptions) -> Result<Risk> {
    let compiled = match tree.structure.compile(ROOM) {
        Ok(compiled) => compiled,
        Err(why) => return enclosed(tree, &why),
    };
    let (modules, decisions) = compiled.size();
    let named = tree.structure.events();
    let event = |&e: &usize| Element::plain(tree.events[e].clone(), ImportanceOf::BasicEvent, vec![], vec![e]);
    // Shocks are events: a member's own is named by it, that of several by all of them.
    let mut elements: Vec<Element> = named.iter().map(event).collect();
    for g in &tree.groups {
        let of_size = |sizes: std::ops::RangeInclusive<usize>| -> Vec<usize> {
            g.shocks.iter().filter(|s| sizes.contains(&(s.1.count_ones() as usize))).map(|s| s.0).collect()
        };
        let (many, whole) = (of_size(2..=g.members.len()), of_size(g.members.len()..=g.members.len()));
        let fail = if whole.is_empty() { of_size(1..=g.members.len()) } else { whole };
        elements.push(Element { name: g.name.clone(), kind: ImportanceOf::Cause, members: g.members.clone(), fail, hold: many.clone(), own: many });
    }
    let p = &tree.probabilities;
    let top = compiled.probability(p);
    let holders = if decisions <= HOLDERS.nodes { Holders::new(&tree.structure, &elements, HOLDERS) } else { Holders::none(elements.len()) };
    let mut importance = importances(&compiled, p, &[1.0], &elements, &holders);
    let mut notes = Vec::new();
    if importance.is_empty() && !elements.is_empty() {
        notes.push(format!("Importance is left out: it would take {} passes over {decisions} decisions.", 2 * elements.len()));
    }
    let mut rate = Figure::of(top, "");
    // What independence of the members would give.
    let mut independent = alone(tree, &tree.probabilities).map(|p| compiled.probability(&p));
    if tree.uncertain() {
        let draws = DRAWS.min(MOST_WORK / decisions.max(1)).max(100);
        let one = |d: usize| tree.draw(&mut options.seed.stream(Purpose::Beliefs, d as u64));
        let list: Vec<_> = (0..draws).map(one).collect();
        let clipped: usize = list.iter().map(|d| d.clipped).sum();
        if clipped > 0 {
            notes.push(format!(
                "{clipped} of {} drawn probabilities lay outside of 0 to 1 and were set to the nearer of the two: a distribution of the model reaches too far.",
                draws * p.len()
            ));
        }
        if independent.is_some() {
            let sum: f64 = list.iter().filter_map(|d| alone(tree, &d.probabilities)).map(|p| compiled.probability(&p)).sum();
            independent = Some(sum / draws as f64);
        }
        let own: Vec<NodeList> = list.iter().map(|d| vec![(1.0, d.probabilities.clone())]).collect();
        Uncertain::of(&compiled, &elements, &own).bound(&compiled, &elements, &mut importance, options.level);
        let mut tops = Vec::with_capacity(draws);
        for some in list.chunks(64) {
            let rows: Vec<f64> = (0..compiled.events()).flat_map(|e| some.iter().map(move |d| d.probabilities[e])).collect();
            tops.extend(compiled.probabilities(&rows, some.len()));
        }
        let mean = tops.iter().sum::<f64>() / draws as f64;
        rate = Figure::of(mean, "").with(central(&mut tops, options.level));
        notes.push(format!("The value is the mean over {draws} draws from the model's distributions; where each is at its mean it is {top:e}."));
    }
    let cut_sets = match compiled.cut_sets(CUT_SET_ROOM).map_err(|e| e.to_string()).and_then(|sets| Ok((counted(&sets)?, sets))) {
        Ok(((by_order, total), sets)) => {
            let row = |c: coincide_structure::CutSet| ListedCutSet {
                members: c.events.into_iter().map(|e| tree.events[e].clone()).collect(),
                rates: vec![Some(c.probability)],
            };
            CutSetReport { by_order, total, listed: sets.likeliest(p, listed).into_iter().map(row).collect(), undefined: None }
        }
        Err(why) => CutSetReport { undefined: Some(why), ..CutSetReport::default() },
    };
    if !compiled.coherent() {
        notes.push(
            "An event's failure may help here (a gate negates it), so a cut set makes the top fail only while all other events do not happen.".into(),
        );
    }
    let gap = independent.and_then(|a| super::over(rate.value, a));
    let assumes =
        if tree.groups.is_empty() { "basic events are independent" } else { "basic events are independent but for the stated common causes" };
    let law = SystemUnder {
        law: "as the model states".into(),
        kind: LawKind::Stated,
        assumes: assumes.into(),
        admissible: None,
        rate,
        independent,
        gap,
        importance,
        notes: Vec::new(),
    };
    Ok(Risk {
        structure: tree.top.clone(),
        made_of: MadeOf::BasicEvents,
        events: named.len(),
        coherent: compiled.coherent(),
        modules,
        decisions,
        cut_sets,
        laws: vec![law],
        learned_causes: Vec::new(),
        bounds: None,
        notes,
    })
}

/// Certain bounds alone, of a tree whose diagram has no room.
fn enclosed(tree: &FaultTree, why: &TooLarge) -> Result<Risk> {
    let [low, high] = tree.structure.enclose(&tree.probabilities, ENCLOSING_ROOM).map_err(|e| Error::Stated(format!("`{}`: {e}", tree.top)))?;
    let mut notes =
        vec![format!("P({}) is not worked out exactly: {why}. It certainly lies between the two ends; nothing else is worked out.", tree.top)];
    if tree.uncertain() {
        notes.push("The bounds are those at the means of the model's distributions.".into());
    }
    let law = SystemUnder {
        law: "as the model states".into(),
        kind: LawKind::Stated,
        assumes: "basic events are independent but for the stated common causes".into(),
        admissible: None,
        rate: Figure::between(low, high),
        independent: None,
        gap: None,
        importance: Vec::new(),
        notes: Vec::new(),
    };
    Ok(Risk {
        structure: tree.top.clone(),
        made_of: MadeOf::BasicEvents,
        events: tree.structure.events().len(),
        coherent: tree.structure.coherent(),
        modules: 0,
        decisions: 0,
        cut_sets: CutSetReport { undefined: Some(why.to_string()), ..CutSetReport::default() },
        laws: vec![law],
        learned_causes: Vec::new(),
        bounds: None,
        notes,
    })
}

/// Probabilities with which every member fails by itself as often as it does by all its shocks; `None` where a member has no shock of its own, or there is no group.
fn alone(tree: &FaultTree, probabilities: &[f64]) -> Option<Vec<f64>> {
    let mut p = probabilities.to_vec();
    for g in &tree.groups {
        let held = |at: usize| g.shocks.iter().filter(|s| s.1 >> at & 1 == 1).map(|s| 1.0 - probabilities[s.0]).product::<f64>();
        for &(event, set) in &g.shocks {
            p[event] = if set.count_ones() == 1 { 1.0 - held(set.trailing_zeros() as usize) } else { 0.0 };
        }
        if (0..g.members.len()).any(|at| !g.shocks.iter().any(|s| s.1 == 1 << at)) {
            return None;
        }
    }
    (!tree.groups.is_empty()).then_some(p)
}
