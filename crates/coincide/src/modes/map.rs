//! The map: techniques × failure modes with a verdict per cell, read both ways where it is uncertain.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a failure mode defeats a technique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vulnerability {
    /// It does.
    Vulnerable,
    /// It does not.
    NotVulnerable,
    /// Nobody knows, or sources differ.
    Uncertain,
}

impl Vulnerability {
    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Vulnerability::Vulnerable => "vulnerable",
            Vulnerability::NotVulnerable => "not_vulnerable",
            Vulnerability::Uncertain => "uncertain",
        }
    }
}

/// A technique: a kind of layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Technique {
    /// Name.
    pub name: String,
    /// What kind it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub category: Option<String>,
}

/// One verdict and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapCell {
    /// The technique.
    pub technique: String,
    /// The failure mode.
    pub mode: String,
    /// The verdict.
    pub verdict: Vulnerability,
    /// Where it comes from; several are separated by "; ".
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// How well it is supported, in a word such as `single_source`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub support: Option<String>,
}

/// Techniques × failure modes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FailureModeMap {
    techniques: Vec<Technique>,
    modes: Vec<String>,
    /// Row by row: technique by technique, mode by mode. `None` where nobody has judged.
    cells: Vec<Option<MapCell>>,
}

/// How an uncertain verdict is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// As vulnerable: the careful reading.
    AsVulnerable,
    /// As not vulnerable.
    AsNot,
}

/// What two maps say about the same cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapComparison {
    /// Cells that both judge.
    pub both: usize,
    /// Of those, cells with the same verdict.
    pub agree: usize,
    /// Cells that only the first, or only the second judges.
    pub only_one: [usize; 2],
    /// Cells with different verdicts: the first map's and the second's.
    pub differ: Vec<(MapCell, MapCell)>,
}

impl FailureModeMap {
    /// A map from its cells; techniques and modes stand in order of appearance. Fails without a cell and on a cell that is judged twice.
    pub fn new(techniques: Vec<Technique>, cells: Vec<MapCell>) -> Result<Self> {
        let mut map = FailureModeMap { techniques, ..FailureModeMap::default() };
        for c in &cells {
            map.technique_or_new(&c.technique);
            map.mode_or_new(&c.mode);
        }
        if map.modes.is_empty() {
            return Err(Error::Stated("the map has no cell: it needs a technique, a failure mode and a verdict".into()));
        }
        map.cells = vec![None; map.techniques.len() * map.modes.len()];
        for c in cells {
            let at = map.place(&c.technique, &c.mode);
            if map.cells[at].is_some() {
                return Err(Error::Stated(format!("the cell of technique `{}` and mode `{}` is judged twice", c.technique, c.mode)));
            }
            map.cells[at] = Some(c);
        }
        Ok(map)
    }

    fn technique_or_new(&mut self, name: &str) {
        if !self.techniques.iter().any(|t| t.name == name) {
            self.techniques.push(Technique { name: name.to_owned(), category: None });
        }
    }
    fn mode_or_new(&mut self, name: &str) {
        if !self.modes.iter().any(|m| m == name) {
            self.modes.push(name.to_owned());
        }
    }
    fn place(&self, technique: &str, mode: &str) -> usize {
        let t = self.techniques.iter().position(|t| t.name == technique).unwrap_or(0);
        let m = self.modes.iter().position(|m| m == mode).unwrap_or(0);
        t * self.modes.len() + m
    }

    /// Techniques, in order.
    pub fn techniques(&self) -> &[Technique] {
        &self.techniques
    }
    /// Failure modes, in order.
    pub fn modes(&self) -> &[String] {
        &self.modes
    }
    /// The cell of a technique and a mode, by index.
    pub fn cell(&self, technique: usize, mode: usize) -> Option<&MapCell> {
        self.cells[technique * self.modes.len() + mode].as_ref()
    }
    /// The verdict of a cell; one that nobody has judged is uncertain.
    pub fn verdict(&self, technique: usize, mode: usize) -> Vulnerability {
        self.cell(technique, mode).map_or(Vulnerability::Uncertain, |c| c.verdict)
    }
    /// Index of a technique by name; fails with the names there are.
    pub fn technique(&self, name: &str) -> Result<usize> {
        self.techniques.iter().position(|t| t.name == name).ok_or_else(|| {
            let known = self.techniques.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
            Error::Stated(format!("there is no technique `{name}`; the techniques are {known}"))
        })
    }
    /// Index of a mode by name; fails with the names there are.
    pub fn mode(&self, name: &str) -> Result<usize> {
        self.modes
            .iter()
            .position(|m| m == name)
            .ok_or_else(|| Error::Stated(format!("no technique has the failure mode `{name}`; the modes are {}", self.modes.join(", "))))
    }
    /// Number of cells with a verdict; cells that nobody has judged count as uncertain.
    pub fn count(&self, verdict: Vulnerability) -> usize {
        (0..self.cells.len()).filter(|i| self.cells[*i].as_ref().map_or(Vulnerability::Uncertain, |c| c.verdict) == verdict).count()
    }

    /// The modes that defeat a technique, as bits of a mask.
    fn mask(&self, technique: usize, reading: Uncertain) -> Vec<bool> {
        (0..self.modes.len())
            .map(|m| match self.verdict(technique, m) {
                Vulnerability::Vulnerable => true,
                Vulnerability::NotVulnerable => false,
                Vulnerability::Uncertain => reading == Uncertain::AsVulnerable,
            })
            .collect()
    }

    /// Both maps in one. Cells judged by both keep a common verdict, with both sources; different verdicts become uncertain, with both
    /// sources. The comparison says which.
    ///
    /// ```
    /// use coincide::{FailureModeMap, MapCell, Vulnerability};
    /// let cell = |verdict, source: &str| MapCell { technique: "probe".into(), mode: "deception".into(), verdict, source: Some(source.into()), support: None };
    /// let a = FailureModeMap::new(vec![], vec![cell(Vulnerability::Vulnerable, "A")])?;
    /// let b = FailureModeMap::new(vec![], vec![cell(Vulnerability::NotVulnerable, "B")])?;
    /// let (both, compared) = a.merge(&b);
    /// assert_eq!(both.verdict(0, 0), Vulnerability::Uncertain);
    /// assert_eq!(compared.differ.len(), 1);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn merge(&self, other: &FailureModeMap) -> (FailureModeMap, MapComparison) {
        let mut out = FailureModeMap { techniques: self.techniques.clone(), modes: self.modes.clone(), cells: Vec::new() };
        for t in &other.techniques {
            match out.techniques.iter_mut().find(|o| o.name == t.name) {
                Some(o) => o.category = o.category.take().or_else(|| t.category.clone()),
                None => out.techniques.push(t.clone()),
            }
        }
        other.modes.iter().for_each(|m| out.mode_or_new(m));
        out.cells = vec![None; out.techniques.len() * out.modes.len()];
        let mut compared = MapComparison { both: 0, agree: 0, only_one: [0, 0], differ: Vec::new() };
        for c in self.cells.iter().flatten() {
            let at = out.place(&c.technique, &c.mode);
            out.cells[at] = Some(c.clone());
        }
        let mut shared = 0;
        for c in other.cells.iter().flatten() {
            let at = out.place(&c.technique, &c.mode);
            let Some(mine) = &mut out.cells[at] else {
                out.cells[at] = Some(c.clone());
                compared.only_one[1] += 1;
                continue;
            };
            shared += 1;
            let first = mine.clone();
            let sources: Vec<&str> = [&first.source, &c.source].into_iter().flatten().map(String::as_str).collect();
            mine.source = (!sources.is_empty()).then(|| sources.join("; "));
            mine.support = Some(if first.verdict == c.verdict { "two_sources" } else { "sources_differ" }.to_owned());
            if first.verdict == c.verdict {
                compared.agree += 1;
            } else {
                mine.verdict = Vulnerability::Uncertain;
                compared.differ.push((first, c.clone()));
            }
        }
        compared.both = shared;
        compared.only_one[0] = self.cells.iter().flatten().count() - shared;
        (out, compared)
    }
}

/// Two techniques and the modes that defeat both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairOverlap {
    /// The two techniques.
    pub techniques: [String; 2],
    /// Modes that defeat both for certain.
    pub shared: Vec<String>,
    /// Modes that may defeat both: one verdict or both are uncertain.
    pub perhaps_shared: Vec<String>,
    /// Shared over all modes that defeat either, uncertain read as not vulnerable; absent when no mode defeats either.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jaccard: Option<f64>,
    /// The same with uncertain read as vulnerable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jaccard_if_vulnerable: Option<f64>,
    /// Whether both have the same verdicts throughout.
    pub identical: bool,
}

/// How many techniques one mode defeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeReach {
    /// The mode.
    pub mode: String,
    /// Techniques it defeats.
    pub defeats: Vec<String>,
    /// Techniques it may defeat.
    pub perhaps: Vec<String>,
}

/// A smallest set of techniques that no mode defeats whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisjointSet {
    /// The techniques; none can be left out.
    pub techniques: Vec<String>,
    /// Whether it also holds with uncertain verdicts read as vulnerable.
    pub under_either_reading: bool,
}

/// What the map says before any number enters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapReport {
    /// The map.
    pub map: FailureModeMap,
    /// Cells read vulnerable, not vulnerable, uncertain.
    pub counts: [usize; 3],
    /// Every two techniques.
    pub pairs: Vec<PairOverlap>,
    /// Modes, those that defeat most first.
    pub reach: Vec<ModeReach>,
    /// Minimal sets that no mode defeats whole, smallest first: with uncertain read as not vulnerable, and those that hold either way marked.
    pub disjoint: Vec<DisjointSet>,
    /// Minimal sets with uncertain read as vulnerable.
    pub disjoint_if_vulnerable: Vec<DisjointSet>,
    /// Whether more sets exist than are listed.
    pub more_sets: bool,
    /// Against a second map, where one was merged in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub compared: Vec<MapComparison>,
}

/// Sets listed at most.
const MOST_SETS: usize = 200;
/// Techniques up to which all sets are visited; above, sets of up to four.
const ALL_SETS: usize = 18;

impl MapReport {
    /// Reads the map.
    ///
    /// ```
    /// use coincide::{FailureModeMap, MapCell, MapReport, Vulnerability::{NotVulnerable, Vulnerable}};
    /// let cell = |t: &str, m: &str, verdict| MapCell { technique: t.into(), mode: m.into(), verdict, source: None, support: None };
    /// let map = FailureModeMap::new(vec![], vec![
    ///     cell("filter", "jargon", Vulnerable), cell("filter", "long text", NotVulnerable),
    ///     cell("judge", "jargon", NotVulnerable), cell("judge", "long text", Vulnerable),
    /// ])?;
    /// let r = MapReport::new(map, Vec::new());
    /// assert!(r.pairs[0].shared.is_empty());
    /// assert_eq!(r.disjoint[0].techniques, ["filter", "judge"]);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn new(map: FailureModeMap, compared: Vec<MapComparison>) -> Self {
        let k = map.techniques.len();
        let name = |i: usize| map.techniques[i].name.clone();
        let mut pairs = Vec::new();
        for i in 0..k {
            for j in i + 1..k {
                let both = |reading| -> (Vec<String>, Option<f64>) {
                    let (a, b) = (map.mask(i, reading), map.mask(j, reading));
                    let shared: Vec<String> = (0..a.len()).filter(|&m| a[m] && b[m]).map(|m| map.modes[m].clone()).collect();
                    let either = (0..a.len()).filter(|&m| a[m] || b[m]).count();
                    let jaccard = (either > 0).then(|| shared.len() as f64 / either as f64);
                    (shared, jaccard)
                };
                let (shared, jaccard) = both(Uncertain::AsNot);
                let (wide, jaccard_if_vulnerable) = both(Uncertain::AsVulnerable);
                pairs.push(PairOverlap {
                    techniques: [name(i), name(j)],
                    perhaps_shared: wide.into_iter().filter(|m| !shared.contains(m)).collect(),
                    shared,
                    jaccard,
                    jaccard_if_vulnerable,
                    identical: (0..map.modes.len()).all(|m| map.verdict(i, m) == map.verdict(j, m)),
                });
            }
        }
        let with = |m: usize, v: Vulnerability| (0..k).filter(|&t| map.verdict(t, m) == v).map(name).collect::<Vec<_>>();
        let mut reach: Vec<ModeReach> = (0..map.modes.len())
            .map(|m| ModeReach {
                mode: map.modes[m].clone(),
                defeats: with(m, Vulnerability::Vulnerable),
                perhaps: with(m, Vulnerability::Uncertain),
            })
            .collect();
        reach.sort_by_key(|r| (std::cmp::Reverse(r.defeats.len()), std::cmp::Reverse(r.perhaps.len())));
        let sets = |reading| minimal_sets(&(0..k).map(|t| map.mask(t, reading)).collect::<Vec<_>>());
        let ((narrow, cut), (wide, cut_wide)) = (sets(Uncertain::AsNot), sets(Uncertain::AsVulnerable));
        // A set that holds under the careful reading holds under the other, but may not be minimal there.
        let careful: Vec<Vec<bool>> = (0..k).map(|t| map.mask(t, Uncertain::AsVulnerable)).collect();
        let list = |sets: Vec<Vec<usize>>| -> Vec<DisjointSet> {
            sets.into_iter()
                .map(|s| DisjointSet { under_either_reading: !some_mode_defeats_all(&careful, &s), techniques: s.into_iter().map(name).collect() })
                .collect()
        };
        let (disjoint, disjoint_if_vulnerable) = (list(narrow), list(wide));
        MapReport {
            counts: [Vulnerability::Vulnerable, Vulnerability::NotVulnerable, Vulnerability::Uncertain].map(|v| map.count(v)),
            pairs,
            reach,
            disjoint,
            disjoint_if_vulnerable,
            more_sets: cut || cut_wide,
            compared,
            map,
        }
    }
}

fn some_mode_defeats_all(masks: &[Vec<bool>], set: &[usize]) -> bool {
    (0..masks[0].len()).any(|m| set.iter().all(|&t| masks[t][m]))
}

/// Minimal sets that no mode defeats whole, smallest first, and whether some may be missing.
fn minimal_sets(masks: &[Vec<bool>]) -> (Vec<Vec<usize>>, bool) {
    let k = masks.len();
    let largest = if k <= ALL_SETS { k } else { 4 };
    let mut found: Vec<Vec<usize>> = Vec::new();
    // Sets of one size at a time, each extended by later techniques only; supersets of a found set are never minimal.
    let mut frontier: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..largest {
        let mut next = Vec::new();
        for set in &frontier {
            for t in set.last().map_or(0, |l| l + 1)..k {
                let mut wider = set.clone();
                wider.push(t);
                if found.iter().any(|f| f.iter().all(|x| wider.contains(x))) {
                    continue;
                }
                if some_mode_defeats_all(masks, &wider) {
                    next.push(wider);
                } else {
                    found.push(wider);
                    if found.len() >= MOST_SETS {
                        return (found, true);
                    }
                }
            }
        }
        frontier = next;
    }
    (found, largest < k && !frontier.is_empty())
}
