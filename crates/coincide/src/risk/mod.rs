//! P(system failure) of a stated structure under every law there is for it: observed outcomes, fitted models, stated rates with common causes, copulas. With minimal cut sets, the importance of layers,
//! groups and causes, and what the data leave open whatever the law.

mod copula;
mod expanded;
mod fault_tree;
mod importance;
mod learned;
mod stated;
#[cfg(test)]
mod tests;

pub use copula::{CopulaFamily, StatedCopula};
pub use fault_tree::fault_tree_risk;
pub use importance::{ImportanceMeasures, ImportanceOf};
pub use stated::StatedSystem;

use crate::analyze::{AnalyzeOptions, Group};
use crate::bounds::{self, Moments};
use crate::ccf::LearnedCause;
use crate::error::{Error, Result};
use crate::figure::{Figure, Range};
use crate::fit::SystemOfModel;
use crate::layers::{LayerSet, bit, is_subset};
use crate::model::{JointLaw, Mixture};
use crate::outcome::{JointOutcomes, Label};
use crate::pairs::pairs;
use crate::sample::Sample;
use crate::scenario::system_failure;
use crate::structure::{ROOM, Structure};
use coincide_structure::{Compiled, CutSet, CutSets, Limits};
use importance::{Element, Holders, Uncertain, importances};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// P(system failure) and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// What counts as a system failure: an expression, or the top gate of a fault tree.
    pub structure: String,
    /// What it is made of: the layers that it names, or the basic events of a fault tree.
    pub made_of: MadeOf,
    /// Their number.
    pub events: usize,
    /// Whether a further failure never repairs the system.
    pub coherent: bool,
    /// Parts that share nothing with the rest.
    pub modules: usize,
    /// Decisions in the diagrams of all modules.
    pub decisions: usize,
    /// Minimal cut sets.
    pub cut_sets: CutSetReport,
    /// P(system failure) under each law.
    pub laws: Vec<SystemUnder>,
    /// Common causes whose factors were learned.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub learned_causes: Vec<LearnedCause>,
    /// What rates, and pairs of them, leave open under any law.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bounds: Option<SystemBounds>,
    /// What has to be known about how this was computed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// What a structure is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MadeOf {
    /// Layers of a study.
    Layers,
    /// Basic events of a fault tree.
    BasicEvents,
}

/// The sets of failures that make the system fail and of which none may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CutSetReport {
    /// How many there are of each number of members; every digit.
    pub by_order: Vec<CutSetsOfOrder>,
    /// All of them.
    pub total: String,
    /// The likeliest, or all.
    pub listed: Vec<ListedCutSet>,
    /// Why they are not counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undefined: Option<String>,
}

/// Cut sets with so many members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CutSetsOfOrder {
    /// Members.
    pub order: usize,
    /// How many: a whole number that may have more digits than a JSON number keeps.
    pub count: String,
}

/// A minimal cut set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListedCutSet {
    /// Members.
    pub members: Vec<String>,
    /// P(all of them fail) under each law, in the order of the laws; `null` where a law does not say.
    pub rates: Vec<Option<f64>>,
}

/// Where a law comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LawKind {
    /// What was counted.
    Observed,
    /// A model fitted to what was counted.
    Fitted,
    /// Rates and common causes that somebody stated.
    Stated,
    /// Common causes whose factors were learned from what was counted.
    Learned,
    /// A copula.
    Copula,
}

/// P(system failure) under one law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemUnder {
    /// Name of the law.
    pub law: String,
    /// Where it comes from.
    pub kind: LawKind,
    /// What it assumes, in half a sentence.
    pub assumes: String,
    /// Of a fitted model: whether it reproduces the tail, converged and mixed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub admissible: Option<bool>,
    /// P(system failure).
    pub rate: Figure,
    /// The same if everything failed independently at the rates that the law gives it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub independent: Option<f64>,
    /// The first over the second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gap: Option<f64>,
    /// Importance of layers (or basic events), groups and causes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub importance: Vec<ImportanceMeasures>,
    /// What has to be known about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// What is possible under any law with the observed rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemBounds {
    /// Given every layer's rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub marginals: Option<Range>,
    /// Given every layer's and every pair's rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs: Option<Range>,
    /// Sharp, or looser because only numbers of failures are kept apart.
    pub sharp: bool,
    /// Why there are none, or not all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undefined: Option<String>,
}

/// What is asked about a structure.
#[derive(Debug, Clone)]
pub struct RiskQuestion<'a> {
    /// The layers that there are.
    pub layers: &'a [String],
    /// When the system fails.
    pub structure: &'a Structure,
    /// Groups whose importance is wanted.
    pub groups: &'a [Group],
    /// Stated rates, common causes and copulas.
    pub stated: &'a StatedSystem,
    /// Cut sets to list.
    pub listed: usize,
}

impl RiskQuestion<'_> {
    /// A layer's index. Fails on a name that is none.
    fn layer(&self, name: &str) -> Result<usize> {
        let known = || self.layers.join(", ");
        self.layers.iter().position(|l| l == name).ok_or_else(|| Error::UnknownLayer { name: name.to_owned(), known: known() })
    }
}

/// What every law is asked: elements whose importance is wanted, and the structure's cut sets.
struct Asked<'a> {
    elements: &'a [Element],
    holders: &'a Holders,
    cut_sets: &'a std::result::Result<CutSets, String>,
    options: &'a AnalyzeOptions,
}

/// P(all of a set of layers fail) under a law; `None` where it does not say.
type Together<'a> = Box<dyn Fn(&LayerSet) -> Option<f64> + 'a>;

/// Cut sets that are listed without anybody saying how many.
pub const LISTED: usize = 100;
/// Cut sets that are likeliest under independence, among which those are sought that are likeliest under a law.
const CONSIDERED: usize = 500;
/// Room for the diagrams behind Fussell and Vesely's importance.
const HOLDERS: Limits = Limits { nodes: 200_000 };

/// P(system failure) under every law: what `table` shows, models fitted to it (`fitted`, from [`fit_with_draws`](crate::fit_with_draws)), and what is stated.
///
/// Fails on common causes and copulas that contradict themselves, on names that are no layer, and where the structure's diagram has no room.
///
/// ```
/// use coincide::{AnalyzeOptions, CauseModel, CommonCause, Distribution, RiskQuestion, StatedSystem, Structure, risk};
/// let layers = ["filter", "monitor", "review"].map(String::from);
/// let structure = Structure::parse("filter & (monitor | review)", &layers, &Default::default())?;
/// let cause = CommonCause { model: CauseModel::Beta, factors: vec![0.2], ..CommonCause::of("training data", &["filter", "monitor"]) };
/// let stated = StatedSystem {
///     rates: layers.iter().map(|l| Ok((l.clone(), Distribution::point(0.1)?))).collect::<Result<_, coincide::Error>>()?,
///     common_causes: vec![cause],
///     ..StatedSystem::default()
/// };
/// let question = RiskQuestion { layers: &layers, structure: &structure, groups: &[], stated: &stated, listed: 10 };
/// let risk = risk(&question, None, &[], &AnalyzeOptions::default())?;
/// let [independent, shared] = &risk.laws[..] else { panic!() };
/// assert!((independent.rate.value.unwrap() - 0.1 * (1.0 - 0.9 * 0.9)).abs() < 1e-12);
/// assert!(shared.gap.unwrap() > 1.5);
/// // The filter is in every cut set: if it never failed the system never would.
/// assert!(shared.importance.iter().any(|i| i.of == "filter" && i.in_every_cut_set));
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn risk(q: &RiskQuestion<'_>, table: Option<&JointOutcomes>, fitted: &[SystemOfModel], options: &AnalyzeOptions) -> Result<Risk> {
    let s = q.structure;
    let compiled = s.graph().compile(ROOM).map_err(|e| s.too_large(&e))?;
    let elements = elements(q)?;
    let holders = Holders::new(&s.graph(), &elements, HOLDERS);
    let cut_sets = compiled.cut_sets(ROOM).map_err(|e| e.to_string());
    let mut laws: Vec<SystemUnder> = Vec::new();
    // P(all of these fail) under each law.
    let mut together: Vec<Together<'_>> = Vec::new();
    let mut observed_rates: Option<Vec<f64>> = None;
    // Where later layers were only asked once earlier ones had failed, complete trials are selected ones.
    let selected = table.map(|t| crate::design::detect(t, options.order.as_deref())).transpose()?.is_some_and(|d| d.leaves_open());
    if let Some(t) = table {
        let seen = system_failure(t, s, options)?;
        laws.push(SystemUnder {
            law: "observed".into(),
            kind: LawKind::Observed,
            assumes: "what was counted, without a model".into(),
            admissible: None,
            independent: seen.independent.value,
            gap: seen.gap.value,
            rate: seen.rate,
            importance: Vec::new(),
            notes: Vec::new(),
        });
        let sample = Sample::new(t, |c| c.label() == Label::Attack);
        let rate = move |set: &LayerSet| {
            if selected {
                return None;
            }
            let words = set.words();
            let p = sample.mean_of(|r| is_subset(words, sample.observed(r)).then(|| f64::from(u8::from(is_subset(words, sample.failed(r))))));
            (p.weight > 0.0).then(|| p.estimate())
        };
        observed_rates = (0..q.layers.len()).map(|i| rate(&LayerSet::of(q.layers.len(), &[i]))).collect();
        together.push(Box::new(rate));
    }
    for m in fitted {
        laws.push(under_mixture(m, &compiled, &elements, &holders, options.level));
        together.push(Box::new(|set| m.mixture.as_ref().map(|law| law.ln_all_fail(set).exp())));
    }
    let learned = q.stated.learn(q, table, selected, options)?;
    let asked = Asked { elements: &elements, holders: &holders, cut_sets: &cut_sets, options };
    let stated = q.stated.under(q, observed_rates.as_deref(), &learned, &asked)?;
    for (law, rate) in stated {
        laws.push(law);
        together.push(rate);
    }
    let cut_sets = match &cut_sets {
        Ok(sets) => report(sets, q, &together, observed_rates.as_deref(), fitted),
        Err(why) => CutSetReport { undefined: Some(why.clone()), ..CutSetReport::default() },
    };
    let (modules, decisions) = compiled.size();
    let mut notes = Vec::new();
    if !compiled.coherent() {
        notes.push(
            "A layer's failure may help here (the expression has `!`), so a cut set makes the system fail only while all other layers hold."
                .to_owned(),
        );
    }
    Ok(Risk {
        structure: s.text().to_owned(),
        made_of: MadeOf::Layers,
        events: s.members().len(),
        coherent: compiled.coherent(),
        modules,
        decisions,
        cut_sets,
        laws,
        learned_causes: learned.reports(),
        bounds: match table {
            Some(_) if selected => Some(SystemBounds {
                marginals: None,
                pairs: None,
                sharp: false,
                undefined: Some("later layers were only asked when earlier ones had failed, so their rates over all attacks are not known".into()),
            }),
            _ => table.map(|t| system_bounds(t, s)),
        },
        notes,
    })
}

/// Layers that the structure names, and groups of them, by the events that stand for them: layer i is event i.
fn elements(q: &RiskQuestion<'_>) -> Result<Vec<Element>> {
    let mut out: Vec<Element> =
        q.structure.members().iter().map(|&i| Element::plain(q.layers[i].clone(), ImportanceOf::Layer, vec![], vec![i])).collect();
    for g in q.groups {
        let members = g.layers.iter().map(|l| q.layer(l)).collect::<Result<Vec<_>>>()?;
        out.push(Element::plain(g.name.clone(), ImportanceOf::Group, g.layers.clone(), members));
    }
    Ok(out)
}

/// A model's word, with importance at its best parameters.
fn under_mixture(m: &SystemOfModel, compiled: &Compiled, elements: &[Element], holders: &Holders, level: f64) -> SystemUnder {
    let mut out = SystemUnder {
        law: m.model.clone(),
        kind: LawKind::Fitted,
        assumes: m.assumes.clone(),
        admissible: Some(m.admissible),
        rate: m.rate.clone(),
        independent: None,
        gap: None,
        importance: Vec::new(),
        notes: Vec::new(),
    };
    let Some(law) = &m.mixture else { return out };
    let n = law.nodes();
    let rows: Vec<f64> = (0..compiled.events()).flat_map(|i| (0..n).map(move |z| law.ln_fail(z)[i].exp())).collect();
    let weights: Vec<f64> = (0..n).map(|z| law.ln_weight(z).exp()).collect();
    out.importance = importances(compiled, &rows, &weights, elements, holders);
    Uncertain::of(compiled, elements, &m.draws).bound(compiled, elements, &mut out.importance, level);
    let alone = independent(compiled, law);
    out.independent = Some(alone);
    out.gap = over(out.rate.value, alone);
    out
}

/// A rate over that of independent failures, where there is one.
fn over(rate: Option<f64>, alone: f64) -> Option<f64> {
    rate.filter(|_| alone > 0.0).map(|r| r / alone).filter(|g| g.is_finite())
}

fn independent(compiled: &Compiled, law: &Mixture) -> f64 {
    let p: Vec<f64> = (0..compiled.events()).map(|i| law.marginal(i).min(1.0)).collect();
    compiled.probability(&p)
}

pub(crate) fn counted(sets: &CutSets) -> std::result::Result<(Vec<CutSetsOfOrder>, String), String> {
    let counts = sets.by_order().map_err(|e| e.to_string())?;
    let total = counts.iter().try_fold(0u128, |sum, n| sum.checked_add(*n));
    let by_order = counts.iter().enumerate().filter(|c| *c.1 > 0).map(|(order, n)| CutSetsOfOrder { order, count: n.to_string() }).collect();
    Ok((by_order, total.map_or_else(|| "more than 3.4e38".to_owned(), |t| t.to_string())))
}

/// Cut sets, those first that are likeliest under the law that is best known: the first fitted model that holds up, else what was observed, else what was stated.
fn report(sets: &CutSets, q: &RiskQuestion<'_>, together: &[Together<'_>], observed: Option<&[f64]>, fitted: &[SystemOfModel]) -> CutSetReport {
    let (by_order, total) = match counted(sets) {
        Ok(c) => c,
        Err(why) => return CutSetReport { undefined: Some(why), ..CutSetReport::default() },
    };
    let k = q.layers.len();
    let best = fitted.iter().position(|m| m.admissible && m.mixture.is_some());
    let own: Vec<f64> = match (best.and_then(|b| fitted[b].mixture.as_ref()), observed) {
        (Some(law), _) => (0..k).map(|i| law.marginal(i)).collect(),
        (None, Some(p)) => p.to_vec(),
        (None, None) => q.layers.iter().map(|l| q.stated.rates.get(l).map_or(0.5, |d| d.mean())).collect(),
    };
    let first = if observed.is_some() { best.map_or(0, |b| b + 1) } else { together.len().saturating_sub(1) };
    // The likeliest if layers were independent, put in sequence by the law.
    let mut likely: Vec<(f64, Vec<usize>)> = sets
        .likeliest(&own, CONSIDERED.max(q.listed))
        .into_iter()
        .map(|CutSet { events, probability }| (together.get(first).and_then(|law| law(&LayerSet::of(k, &events))).unwrap_or(probability), events))
        .collect();
    likely.sort_by(|a, b| b.0.total_cmp(&a.0));
    let row = |(_, events): (f64, Vec<usize>)| {
        let set = LayerSet::of(k, &events);
        ListedCutSet { rates: together.iter().map(|law| law(&set)).collect(), members: events.into_iter().map(|i| q.layers[i].clone()).collect() }
    };
    CutSetReport { by_order, total, listed: likely.into_iter().take(q.listed).map(row).collect(), undefined: None }
}

/// Range of P(system failure) given the rates of its layers, and of their pairs, over complete rows.
fn system_bounds(table: &JointOutcomes, s: &Structure) -> SystemBounds {
    let members = s.members();
    let k = members.len();
    let none = |why: &str| SystemBounds { marginals: None, pairs: None, sharp: false, undefined: Some(why.to_owned()) };
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    let all = sample.layers;
    let wanted = LayerSet::of(all, members);
    let complete = |r: usize| is_subset(wanted.words(), sample.observed(r));
    let rate = |set: &[usize]| {
        let set = LayerSet::of(all, set);
        sample.mean_of(|r| complete(r).then(|| f64::from(u8::from(is_subset(set.words(), sample.failed(r))))))
    };
    if rate(&[]).weight <= 0.0 {
        return none("no trial has an outcome for every layer that the structure names");
    }
    let single: Vec<f64> = members.iter().map(|&i| rate(&[i]).estimate()).collect();
    let double: Vec<f64> = pairs(k).map(|(i, j)| rate(&[members[i], members[j]]).estimate()).collect();
    if k > bounds::LINEAR_PROGRAMME_LAYERS {
        let Some(least) = s.as_at_least() else {
            return none("sharp bounds need a programme over all patterns, which is solved for 16 layers at most");
        };
        let pairs = bounds::binomial_moments(&single, &double, least);
        return SystemBounds { marginals: None, pairs, sharp: false, undefined: None };
    }
    let bits = |r: usize| members.iter().enumerate().filter(|(_, m)| bit(sample.failed(r), **m)).fold(0u64, |b, (i, _)| b | 1 << i);
    let mut patterns: Vec<u64> = (0..sample.len()).filter(|&r| complete(r)).map(bits).collect();
    patterns.sort_unstable();
    patterns.dedup();
    patterns.truncate(4096);
    let fails: Vec<bool> =
        (0..1usize << k).map(|y| s.fails(&LayerSet::of(all, &(0..k).filter(|i| y >> i & 1 == 1).map(|i| members[i]).collect::<Vec<_>>()))).collect();
    let known = |x: &f64| (*x, *x);
    let moments = Moments { single: single.iter().map(known).collect(), double: double.iter().map(known).collect(), patterns };
    let alone = Moments { double: Vec::new(), ..moments.clone() };
    let marginals = bounds::of_structure(&alone, &fails);
    let pairs = if k >= 2 { bounds::of_structure(&moments, &fails) } else { None };
    let undefined = (marginals.is_none() || pairs.is_none() && k >= 2).then(|| "a linear programme could not be solved".to_owned());
    SystemBounds { marginals, pairs, sharp: true, undefined }
}
