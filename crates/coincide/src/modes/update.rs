//! A map learns from outcomes: posterior of every prevalence, susceptibility and leak, by NUTS.
//!
//! A trial whose tag names the modes that were active tells about susceptibilities and leaks only, unless tags were drawn as attacks come; of an untagged trial
//! the activations are summed out exactly: one by one, or, where that is cheaper, by inclusion and exclusion over the techniques that failed, since
//! P(all of S hold) = Π_{i∈S}(1 − leak_i) Π_j (1 − q_j + q_j Π_{i∈S}(1 − s_ij)) (Heckerman 1990). Each number is a normal coordinate pushed through its belief's quantile function, so that the prior is the
//! belief itself. Trials are taken to be independent.

use super::beliefs::Beliefs;
use super::law::ModeLaw;
use crate::analyze::Progress;
use crate::diagnostics::mixing;
use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::layers::{LayerSet, bit};
use crate::outcome::{JointOutcomes, Label};
use crate::posterior::{LogDensity, Plan, sample};
use crate::random::Seed;
use crate::special::logistic;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is known about the modes of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tag {
    /// Exactly these were active, by index.
    Active(Vec<usize>),
    /// Nothing is known.
    Unknown,
}

/// Distinct outcomes and how often they were seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModeEvidence {
    /// Techniques, by index in the map, one for each bit of the masks.
    techniques: Vec<usize>,
    rows: Vec<Row>,
    /// Whether tags were drawn as attacks come, and so tell about prevalences.
    tags_are_a_sample: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    failed: LayerSet,
    observed: LayerSet,
    tag: Tag,
    n: f64,
}

/// The attack rows of a table as evidence about a map. Layers that are no techniques of it are left out. `tag` is the stratum column with mode tags: names
/// of modes separated by `+`, `;`, `,` or spaces; `none` for "no mode was active", empty for unknown.
///
/// Fails when no layer is a technique, on a column that is none, and on a tag that is no mode.
pub fn tagged_evidence(table: &JointOutcomes, beliefs: &Beliefs, tag: Option<&str>, tags_are_a_sample: bool) -> Result<ModeEvidence> {
    let pairs: Vec<(usize, usize)> =
        table.layers().iter().enumerate().filter_map(|(i, l)| beliefs.techniques.iter().position(|t| t == l).map(|t| (i, t))).collect();
    if pairs.is_empty() {
        return Err(Error::Stated(format!(
            "none of the layers {} is a technique of the map ({})",
            table.layers().join(", "),
            beliefs.techniques.join(", ")
        )));
    }
    let column = tag
        .map(|name| {
            let found = table.strata().iter().position(|f| f.name == name);
            found.ok_or_else(|| Error::Stated(format!("there is no column `{name}` of mode tags")))
        })
        .transpose()?;
    let read = |text: &str| -> Result<Tag> {
        if text.trim().is_empty() {
            return Ok(Tag::Unknown);
        }
        if text.trim() == "none" {
            return Ok(Tag::Active(Vec::new()));
        }
        let mut list = Vec::new();
        for word in text.split(|c: char| "+;, ".contains(c)).filter(|w| !w.is_empty()) {
            let found = beliefs.modes.iter().position(|m| m == word);
            list.push(
                found.ok_or_else(|| Error::Stated(format!("the tag `{word}` is no failure mode; the modes are {}", beliefs.modes.join(", "))))?,
            );
        }
        list.sort_unstable();
        list.dedup();
        Ok(Tag::Active(list))
    };
    let tags: Vec<Tag> = column.map_or(Ok(Vec::new()), |c| table.strata()[c].levels.iter().map(|l| read(l)).collect())?;
    let mut sums: FxHashMap<(LayerSet, LayerSet, Tag), f64> = FxHashMap::default();
    for c in table.cells().filter(|c| c.label() == Label::Attack) {
        let set = |mask: &[u64]| LayerSet::of(pairs.len(), &(0..pairs.len()).filter(|&b| bit(mask, pairs[b].0)).collect::<Vec<_>>());
        let tag = column.map_or(Tag::Unknown, |at| tags[c.strata()[at] as usize].clone());
        *sums.entry((set(c.failed), set(c.observed), tag)).or_default() += c.n;
    }
    let mut rows: Vec<Row> = sums.into_iter().map(|((failed, observed, tag), n)| Row { failed, observed, tag, n }).collect();
    rows.sort_by(|a, b| (&a.tag, &a.observed, &a.failed).cmp(&(&b.tag, &b.observed, &b.failed)));
    if rows.is_empty() {
        return Err(Error::NoTrials);
    }
    if table.weighted() {
        return Err(Error::Stated(
            "a map learns from trials, and these carry weights; leave the weight column out, or sample trials by their weights".into(),
        ));
    }
    Ok(ModeEvidence { techniques: pairs.into_iter().map(|p| p.1).collect(), rows, tags_are_a_sample })
}

impl ModeEvidence {
    /// Trials with and without a tag.
    pub fn trials(&self) -> [f64; 2] {
        let sum = |tagged: bool| self.rows.iter().filter(|r| (r.tag != Tag::Unknown) == tagged).map(|r| r.n).sum();
        [sum(true), sum(false)]
    }

    /// ln likelihood of a law, and its derivatives by ln(1 − s), ln(1 − leak) and logit q.
    fn value(&self, law: &ModeLaw, d: &mut Derivatives) -> f64 {
        d.clear(law);
        let untagged: Vec<&Row> = self.rows.iter().filter(|r| r.tag == Tag::Unknown).collect();
        let mut total = self.tagged(law, d);
        // Steps of one way and of the other.
        let subsets: f64 = untagged.iter().map(|r| 2f64.powi(r.failed.len() as i32)).sum();
        let by_subsets = subsets.min(2f64.powi(self.techniques.len() as i32)) * law.modes() as f64;
        let by_activations = untagged.len() as f64 * 2f64.powi(law.modes() as i32);
        let rest = if self.techniques.len() <= MOST_SUBSETS && by_subsets < by_activations {
            self.by_subsets(law, &untagged, d, &mut total)
        } else {
            untagged
        };
        if !rest.is_empty() {
            total += self.by_activations(law, &rest, d);
        }
        total
    }

    /// Trials whose activation is known.
    fn tagged(&self, law: &ModeLaw, d: &mut Derivatives) -> f64 {
        let mut total = 0.0;
        for row in &self.rows {
            let Tag::Active(list) = &row.tag else { continue };
            for b in row.observed.iter() {
                let t = self.techniques[b];
                let ln_hold: f64 = (-law.leak[t]).ln_1p() + list.iter().map(|&j| (-law.susceptibility[t][j]).ln_1p()).sum::<f64>();
                let failed = bit(row.failed.words(), b);
                let p = -ln_hold.exp_m1();
                total += row.n * if failed { p.ln() } else { ln_hold };
                let slope = row.n * if failed { -(1.0 - p) / p } else { 1.0 };
                d.leak[t] += slope;
                list.iter().for_each(|&j| d.susceptibility[t][j] += slope);
            }
            if self.tags_are_a_sample {
                for (j, &q) in law.prevalence.iter().enumerate() {
                    let active = list.contains(&j);
                    total += row.n * if active { q.ln() } else { (-q).ln_1p() };
                    d.prevalence[j] += row.n * (f64::from(u8::from(active)) - q);
                }
            }
        }
        total
    }

    /// Untagged trials by inclusion and exclusion: P(pattern) = Σ_{T ⊆ failed} (−1)^|T| P(all of held ∪ T hold). Gives the rows whose probability is too small for
    /// differences to keep its digits.
    fn by_subsets<'a>(&self, law: &ModeLaw, rows: &[&'a Row], d: &mut Derivatives, total: &mut f64) -> Vec<&'a Row> {
        let k = self.techniques.len();
        let m = law.modes();
        let members = |s: usize| (0..k).filter(move |b| s >> b & 1 == 1);
        // P(all of S hold), and for each mode Π_{i∈S}(1 − s_ij).
        let mut all_hold = vec![0.0; 1 << k];
        let mut spared = vec![1.0; m << k];
        for s in 0..1usize << k {
            let (rest, top) = if s == 0 {
                (0, None)
            } else {
                let b = s.ilog2() as usize;
                (s ^ 1 << b, Some(b))
            };
            let mut value: f64 = members(s).map(|b| 1.0 - law.leak[self.techniques[b]]).product();
            for j in 0..m {
                let r = top.map_or(1.0, |b| spared[rest * m + j] * (1.0 - law.susceptibility[self.techniques[b]][j]));
                spared[s * m + j] = r;
                value *= 1.0 - law.prevalence[j] + law.prevalence[j] * r;
            }
            all_hold[s] = value;
        }
        // Σ over rows of n/P(row) times the sign with which P(all of S hold) enters it.
        let mut adjoint = vec![0.0; 1 << k];
        let mut small = Vec::new();
        for row in rows {
            let mask = |words: &[u64]| words[0] as usize;
            let (failed, held) = (mask(row.failed.words()), mask(row.observed.words()) & !mask(row.failed.words()));
            let sign = |t: usize| if t.count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            let mut p = 0.0;
            each_subset(failed, |t| p += sign(t) * all_hold[held | t]);
            if p < SMALL {
                small.push(*row);
                continue;
            }
            *total += row.n * p.ln();
            each_subset(failed, |t| adjoint[held | t] += sign(t) * row.n / p);
        }
        for (s, &weight) in adjoint.iter().enumerate().filter(|a| *a.1 != 0.0) {
            let value = weight * all_hold[s];
            members(s).for_each(|b| d.leak[self.techniques[b]] += value);
            for j in 0..m {
                let (q, r) = (law.prevalence[j], spared[s * m + j]);
                let factor = 1.0 - q + q * r;
                if factor <= 0.0 {
                    // Known numbers make it 0, whatever the others are: the whole product is 0 and does not move.
                    continue;
                }
                d.prevalence[j] += value * (r - 1.0) * q * (1.0 - q) / factor;
                members(s).for_each(|b| d.susceptibility[self.techniques[b]][j] += value * q * r / factor);
            }
        }
        small
    }

    /// Untagged trials, activation by activation.
    fn by_activations(&self, law: &ModeLaw, rows: &[&Row], d: &mut Derivatives) -> f64 {
        let (m, size) = (law.modes(), 1usize << law.modes());
        let weight = ModeLaw::weights(&law.prevalence);
        let fail: Vec<Vec<f64>> = self.techniques.iter().map(|&t| law.failures(t)).collect();
        let mut total = 0.0;
        let mut by_activation = vec![0.0; size];
        // Σ over trials of dℓ/d ln hold, technique by technique, activation by activation.
        let mut slope = vec![vec![0.0; size]; fail.len()];
        for row in rows {
            let likelihood = |a: usize| -> f64 {
                let factor = |b: usize| {
                    let p = fail[b][a];
                    if bit(row.failed.words(), b) { p } else { 1.0 - p }
                };
                row.observed.iter().map(factor).product()
            };
            let each: Vec<f64> = (0..size).map(|a| weight[a] * likelihood(a)).collect();
            let sum: f64 = each.iter().sum();
            total += row.n * sum.ln();
            for (a, x) in each.iter().enumerate() {
                let share = row.n * x / sum;
                if share > 0.0 {
                    by_activation[a] += share;
                    for b in row.observed.iter() {
                        let p = fail[b][a];
                        slope[b][a] += share * if bit(row.failed.words(), b) { -(1.0 - p) / p } else { 1.0 };
                    }
                }
            }
        }
        let seen: f64 = by_activation.iter().sum();
        for j in 0..m {
            let active: f64 = (0..size).filter(|a| a >> j & 1 == 1).map(|a| by_activation[a]).sum();
            d.prevalence[j] += active - seen * law.prevalence[j];
            for (b, &t) in self.techniques.iter().enumerate() {
                d.susceptibility[t][j] += (0..size).filter(|a| a >> j & 1 == 1).map(|a| slope[b][a]).sum::<f64>();
            }
        }
        for (b, &t) in self.techniques.iter().enumerate() {
            d.leak[t] += slope[b].iter().sum::<f64>();
        }
        total
    }
}

/// Techniques up to which inclusion and exclusion keeps a table of all their subsets.
const MOST_SUBSETS: usize = 14;
/// Probability below which a difference of numbers near 1 has lost too many digits.
const SMALL: f64 = 1e-9;

/// Calls `f` with every subset of a mask.
fn each_subset(mask: usize, mut f: impl FnMut(usize)) {
    let mut t = mask;
    loop {
        f(t);
        if t == 0 {
            return;
        }
        t = (t - 1) & mask;
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Derivatives {
    /// By logit q.
    prevalence: Vec<f64>,
    /// By ln(1 − s).
    susceptibility: Vec<Vec<f64>>,
    /// By ln(1 − leak).
    leak: Vec<f64>,
}

impl Derivatives {
    fn clear(&mut self, law: &ModeLaw) {
        self.prevalence = vec![0.0; law.modes()];
        self.susceptibility = vec![vec![0.0; law.modes()]; law.techniques()];
        self.leak = vec![0.0; law.techniques()];
    }
}

/// The posterior as a density over normal coordinates.
struct Posterior<'a> {
    beliefs: &'a Beliefs,
    evidence: &'a ModeEvidence,
    /// What each coordinate stands for.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Prevalence(usize),
    Susceptibility(usize, usize),
    Leak(usize),
}

impl<'a> Posterior<'a> {
    /// Coordinates only for what is not known and the evidence can move; the rest is drawn from the beliefs.
    fn new(beliefs: &'a Beliefs, evidence: &'a ModeEvidence) -> Self {
        let free = Distribution::is_continuous;
        let mut places = Vec::new();
        places.extend((0..beliefs.modes.len()).filter(|&j| free(&beliefs.prevalence[j])).map(Place::Prevalence));
        for &t in &evidence.techniques {
            places.extend((0..beliefs.modes.len()).filter(|&j| free(&beliefs.susceptibility[t][j])).map(|j| Place::Susceptibility(t, j)));
            places.extend(free(&beliefs.leak[t]).then_some(Place::Leak(t)));
        }
        Posterior { beliefs, evidence, places }
    }
    fn belief(&self, place: Place) -> &Distribution {
        match place {
            Place::Prevalence(j) => &self.beliefs.prevalence[j],
            Place::Susceptibility(t, j) => &self.beliefs.susceptibility[t][j],
            Place::Leak(t) => &self.beliefs.leak[t],
        }
    }
    /// The law at coordinates, over `rest` for what has none; logits and slopes go to `moves`.
    fn law(&self, at: &[f64], rest: &ModeLaw, moves: &mut Vec<(f64, f64)>) -> ModeLaw {
        let mut law = rest.clone();
        moves.clear();
        for (&place, &x) in self.places.iter().zip(at) {
            let (t, slope) = self.belief(place).logit_at(x);
            moves.push((t, slope));
            // A logit of 40 is a probability of 1: logarithms of what is left of it would be infinite.
            let value = logistic(t).clamp(1e-300, 1.0 - 1e-15);
            match place {
                Place::Prevalence(j) => law.prevalence[j] = value,
                Place::Susceptibility(t, j) => law.susceptibility[t][j] = value,
                Place::Leak(t) => law.leak[t] = value,
            }
        }
        law
    }
}

impl LogDensity for Posterior<'_> {
    type Space = (Derivatives, Vec<(f64, f64)>, Option<ModeLaw>);

    fn dim(&self) -> usize {
        self.places.len()
    }
    fn value(&self, at: &[f64], gradient: &mut [f64], (d, moves, rest): &mut Self::Space) -> f64 {
        let rest = rest.get_or_insert_with(|| self.beliefs.mean());
        let law = self.law(at, rest, moves);
        let mut value = self.evidence.value(&law, d);
        for (i, (&place, &x)) in self.places.iter().zip(at).enumerate() {
            let (t, slope) = moves[i];
            // d ln(1 − s)/d logit = −s.
            let by_logit = match place {
                Place::Prevalence(j) => d.prevalence[j],
                Place::Susceptibility(technique, j) => -logistic(t) * d.susceptibility[technique][j],
                Place::Leak(technique) => -logistic(t) * d.leak[technique],
            };
            gradient[i] = by_logit * slope - x;
            value -= 0.5 * x * x;
        }
        value
    }
}

/// How the outcomes changed the map's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeUpdate {
    /// Trials with and without mode tags.
    pub trials: [f64; 2],
    /// Techniques with outcomes.
    pub techniques: Vec<String>,
    /// Whether tags were taken as drawn as attacks come.
    pub tags_are_a_sample: bool,
    /// Posterior draws.
    pub draws: usize,
    /// Largest R-hat over coordinates.
    pub r_hat: f64,
    /// Smallest effective number of draws.
    pub ess: f64,
    /// Draws that diverged.
    pub divergences: u64,
    /// Numbers that moved, most first: mean before and after, and 90% interval after.
    pub moved: Vec<Moved>,
}

/// One number before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// What it is.
    pub what: String,
    /// Mean of the belief.
    pub before: f64,
    /// Posterior mean.
    pub after: f64,
    /// 5% posterior quantile.
    pub low: f64,
    /// 95% posterior quantile.
    pub high: f64,
}

const CHAINS: usize = 4;
const TUNE: usize = 400;
/// Numbers listed.
const MOVED: usize = 12;

/// Posterior laws, about as many as asked for, and what changed.
pub(crate) fn update(
    beliefs: &Beliefs,
    evidence: &ModeEvidence,
    draws: usize,
    seed: Seed,
    progress: Progress<'_>,
) -> Result<(Vec<ModeLaw>, ModeUpdate)> {
    let posterior = Posterior::new(beliefs, evidence);
    let touched = evidence.techniques.iter().flat_map(|&t| &beliefs.susceptibility[t]);
    if touched.chain(&beliefs.prevalence).any(|d| matches!(d, Distribution::Mixed { .. })) {
        let why = "verdicts with known susceptibilities are mixed where they are uncertain or may be misread, and outcomes cannot change such a mixture: give distributions, or misread = {} and a belief for `uncertain`";
        return Err(Error::Stated(why.into()));
    }
    if posterior.places.is_empty() {
        return Err(Error::Stated("every number of the map is known exactly: outcomes cannot change it".into()));
    }
    let each = draws.div_ceil(CHAINS).max(100);
    let starts: Vec<Vec<f64>> = (0..CHAINS).map(|c| (0..posterior.dim()).map(|i| 0.3 * ((i + c) % 3) as f64 - 0.25).collect()).collect();
    let mut scratch = vec![0.0; posterior.dim()];
    if !posterior.value(&starts[0], &mut scratch, &mut Default::default()).is_finite() {
        let why = "the outcomes cannot happen under the stated numbers: a technique failed, or held, where a leak or susceptibility of exactly 0 or 1 rules it out; give it a distribution";
        return Err(Error::Stated(why.into()));
    }
    let (done, all) = (AtomicU64::new(0), (CHAINS * (TUNE + each)) as u64);
    let show = |n: u64| progress("learning from outcomes", done.fetch_add(n, Ordering::Relaxed) + n, all);
    show(0);
    let list = sample(&posterior, &starts, Plan { chains: CHAINS, tune: TUNE, draws: each }, seed, "failure-modes", &show)?;
    // What the evidence does not touch keeps its belief.
    let rest = beliefs.draw(seed, CHAINS * each);
    let mut moves = Vec::new();
    let laws: Vec<ModeLaw> = list.all().zip(&rest).map(|(at, rest)| posterior.law(at, rest, &mut moves)).collect();
    let (mut r_hat, mut ess) = (1.0f64, f64::INFINITY);
    for i in 0..posterior.dim() {
        let chains: Vec<Vec<f64>> = list.chains.iter().map(|c| c.iter().map(|x| x[i]).collect()).collect();
        let m = mixing(&chains);
        r_hat = r_hat.max(m.r_hat);
        ess = ess.min(m.ess_bulk.min(m.ess_tail));
    }
    let mut moved: Vec<(f64, Moved)> = posterior
        .places
        .iter()
        .map(|&place| {
            let read = |law: &ModeLaw| match place {
                Place::Prevalence(j) => law.prevalence[j],
                Place::Susceptibility(t, j) => law.susceptibility[t][j],
                Place::Leak(t) => law.leak[t],
            };
            let what = match place {
                Place::Prevalence(j) => format!("prevalence of {}", beliefs.modes[j]),
                Place::Susceptibility(t, j) => format!("{} to {}", beliefs.techniques[t], beliefs.modes[j]),
                Place::Leak(t) => format!("leak of {}", beliefs.techniques[t]),
            };
            let mut values: Vec<f64> = laws.iter().map(read).collect();
            let after = values.iter().sum::<f64>() / values.len() as f64;
            let belief = posterior.belief(place);
            let (low, high) = (crate::fit::quantile(&mut values, 0.05), crate::fit::quantile(&mut values, 0.95));
            let size = (after - belief.mean()).abs() / belief.variance().sqrt();
            (size, Moved { what, before: belief.mean(), after, low, high })
        })
        .collect();
    moved.sort_by(|a, b| b.0.total_cmp(&a.0));
    let report = ModeUpdate {
        trials: evidence.trials(),
        techniques: evidence.techniques.iter().map(|&t| beliefs.techniques[t].clone()).collect(),
        tags_are_a_sample: evidence.tags_are_a_sample,
        draws: laws.len(),
        r_hat,
        ess,
        divergences: list.divergences,
        moved: moved.into_iter().take(MOVED).map(|m| m.1).collect(),
    };
    Ok((laws, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::{CellBeliefs, FailureModeMap, MapCell, Vulnerability};
    use crate::outcome::{Columns, Outcome, TableBuilder, TrialRow};
    use crate::random::Purpose;
    use rand::Rng;

    fn beliefs(residual: bool) -> Beliefs {
        let cell = |t: &str, m: &str, verdict| MapCell { technique: t.into(), mode: m.into(), verdict, source: None, support: None };
        use Vulnerability::{NotVulnerable, Uncertain, Vulnerable};
        let map = FailureModeMap::new(
            vec![],
            vec![
                cell("a", "x", Vulnerable),
                cell("a", "y", NotVulnerable),
                cell("b", "x", Vulnerable),
                cell("b", "y", Uncertain),
                cell("c", "x", NotVulnerable),
                cell("c", "y", Vulnerable),
            ],
        )
        .unwrap();
        let beta = |a, b| Distribution::beta(a, b).unwrap();
        let q = [("x".to_owned(), beta(2.0, 8.0)), ("y".to_owned(), beta(2.0, 8.0))].into();
        let rest = beta(1.0, 30.0);
        Beliefs::new(&map, &CellBeliefs::default(), &q, &[].into(), &beta(1.0, 40.0), &[].into(), residual.then_some(&rest)).unwrap()
    }

    fn simulate(law: &ModeLaw, b: &Beliefs, n: usize, tagged: bool, seed: u64) -> JointOutcomes {
        let columns = Columns { layers: b.techniques.clone(), strata: vec!["tag".into()], ..Columns::default() };
        let mut t = TableBuilder::new(columns).unwrap();
        let mut rng = Seed(seed).stream(Purpose::Simulation, 0);
        for _ in 0..n {
            let on: Vec<usize> = (0..law.modes()).filter(|&j| rng.random_bool(law.prevalence[j])).collect();
            let outcomes: Vec<Outcome> = (0..law.techniques())
                .map(|i| {
                    let hold = on.iter().fold(1.0 - law.leak[i], |h, &j| h * (1.0 - law.susceptibility[i][j]));
                    if rng.random_bool(1.0 - hold) { Outcome::Failed } else { Outcome::Held }
                })
                .collect();
            let names: Vec<&str> = on.iter().map(|&j| b.modes[j].as_str()).collect();
            let tag = if !tagged {
                String::new()
            } else if names.is_empty() {
                "none".into()
            } else {
                names.join("+")
            };
            t.add(&TrialRow { outcomes: &outcomes, strata: &[&tag], ..TrialRow::default() });
        }
        t.finish()
    }

    #[test]
    fn the_gradient_is_the_derivative() {
        let b = beliefs(true);
        let law = b.mean();
        for (tagged, sample) in [(true, true), (true, false), (false, false)] {
            let e = tagged_evidence(&simulate(&law, &b, 300, tagged, 3), &b, Some("tag"), sample).unwrap();
            let p = Posterior::new(&b, &e);
            let at: Vec<f64> = (0..p.dim()).map(|i| 0.4 * ((i * 7 % 5) as f64) - 0.8).collect();
            let mut space = Default::default();
            let mut gradient = vec![0.0; p.dim()];
            p.value(&at, &mut gradient, &mut space);
            let mut scratch = vec![0.0; p.dim()];
            for i in 0..p.dim() {
                let mut value = |step: f64| {
                    let mut x = at.clone();
                    x[i] += step;
                    p.value(&x, &mut scratch, &mut space)
                };
                let numeric = (value(1e-5) - value(-1e-5)) / 2e-5;
                assert!((gradient[i] - numeric).abs() < 1e-4 * (1.0 + numeric.abs()), "{tagged} {i}: {} {numeric}", gradient[i]);
            }
        }
    }

    /// Inclusion and exclusion gives what the sum over activations gives, values and derivatives, missing outcomes included.
    #[test]
    fn both_ways_of_summing_agree() {
        let b = beliefs(true);
        for seed in 0..5 {
            let law = &b.draw(Seed(seed), 1)[0];
            let mut e = tagged_evidence(&simulate(law, &b, 60, false, seed), &b, Some("tag"), false).unwrap();
            e.rows.iter_mut().step_by(2).for_each(|r| {
                r.observed.remove(1);
                r.failed.remove(1);
            });
            let rows: Vec<&Row> = e.rows.iter().collect();
            let (mut x, mut y, mut total) = (Derivatives::default(), Derivatives::default(), 0.0);
            x.clear(law);
            y.clear(law);
            let small = e.by_subsets(law, &rows, &mut x, &mut total);
            total += e.by_activations(law, &small, &mut x);
            let want = e.by_activations(law, &rows, &mut y);
            assert!((total - want).abs() < 1e-6 * want.abs(), "{total} {want}");
            let all = |d: &Derivatives| d.prevalence.iter().chain(d.susceptibility.iter().flatten()).chain(&d.leak).copied().collect::<Vec<f64>>();
            for (p, q) in all(&x).iter().zip(all(&y)) {
                assert!((p - q).abs() < 1e-5 * (1.0 + q.abs()), "{p} {q}");
            }
        }
    }

    /// With one technique, one mode and tags the posterior is a Beta distribution in closed form.
    #[test]
    fn tags_give_the_conjugate_posterior() {
        let cell = MapCell { technique: "a".into(), mode: "x".into(), verdict: Vulnerability::Vulnerable, source: None, support: None };
        let map = FailureModeMap::new(vec![], vec![cell]).unwrap();
        let q = [("x".to_owned(), Distribution::beta(1.0, 1.0).unwrap())].into();
        let b = Beliefs::new(&map, &CellBeliefs::default(), &q, &[].into(), &Distribution::Point(0.0), &[].into(), None).unwrap();
        let mut t = TableBuilder::new(Columns { layers: vec!["a".into()], strata: vec!["tag".into()], ..Columns::default() }).unwrap();
        for i in 0..40 {
            let outcome = if i < 9 { Outcome::Failed } else { Outcome::Held };
            t.add(&TrialRow { outcomes: &[outcome], strata: &["x"], ..TrialRow::default() });
        }
        let e = tagged_evidence(&t.finish(), &b, Some("tag"), false).unwrap();
        let (laws, report) = update(&b, &e, 4000, Seed(1), &|_, _, _| {}).unwrap();
        let mean = laws.iter().map(|l| l.susceptibility[0][0]).sum::<f64>() / laws.len() as f64;
        // Beta(3 + 9, 1.5 + 31); the prevalence keeps its flat prior, for tags were chosen.
        assert!((mean - 12.0 / 44.5).abs() < 0.006, "{mean}");
        assert!((laws.iter().map(|l| l.prevalence[0]).sum::<f64>() / laws.len() as f64 - 0.5).abs() < 0.03);
        assert!(report.r_hat < 1.02 && report.ess > 400.0, "{report:?}");
    }

    /// Truths drawn from the beliefs, data from them: 90% intervals cover as often as they say.
    #[test]
    fn posteriors_cover_truths_drawn_from_the_beliefs() {
        let b = beliefs(false);
        let (mut inside, mut all) = (0, 0);
        for run in 0..24 {
            let truth = &b.draw(Seed(50 + run), 1)[0];
            let e = tagged_evidence(&simulate(truth, &b, 250, run % 2 == 0, run), &b, Some("tag"), true).unwrap();
            let (laws, _) = update(&b, &e, 800, Seed(2), &|_, _, _| {}).unwrap();
            for j in 0..2 {
                for read in [|l: &ModeLaw, j: usize| l.prevalence[j], |l: &ModeLaw, j: usize| l.susceptibility[1][j]] {
                    let mut v: Vec<f64> = laws.iter().map(|l| read(l, j)).collect();
                    let x = read(truth, j);
                    inside += usize::from(crate::fit::quantile(&mut v, 0.05) <= x && x <= crate::fit::quantile(&mut v, 0.95));
                    all += 1;
                }
            }
        }
        // 96 intervals at 90%: 86 expected, standard error 3.
        assert!((78..=95).contains(&inside), "{inside} of {all}");
    }

    #[test]
    fn wrong_tags_and_foreign_layers_are_refused() {
        let b = beliefs(false);
        let law = b.mean();
        let mut other = b.clone();
        other.modes[0] = "z".into();
        let t = simulate(&law, &b, 50, true, 1);
        assert!(tagged_evidence(&t, &other, Some("tag"), false).unwrap_err().to_string().contains("no failure mode"));
        other.techniques = vec!["p".into(), "q".into(), "r".into()];
        assert!(tagged_evidence(&t, &other, None, false).unwrap_err().to_string().contains("technique of the map"));
    }
}
