//! Every trial by itself, for what counts cannot answer: thresholds of scores, checks by hand, and the order of a stream.

use crate::error::{Error, Result};
use crate::outcome::{Columns, Factor, JointOutcomes, Label, TableBuilder};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which scores mean that the layer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailsWhen {
    /// Failed when the score is below the threshold (a suspicion score: high scores hold).
    Below,
    /// Failed when the score is above the threshold (a success score: high scores mean the attack worked).
    Above,
}

/// What one layer said on every trial.
#[derive(Debug, Clone, PartialEq)]
pub enum Readings {
    /// Recorded outcomes: whether it failed, or nothing.
    Outcomes(Vec<Option<bool>>),
    /// Scores as they were recorded, or nothing.
    Scores(Vec<Option<f64>>),
}

/// The trials behind a table, in the order in which they were read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrialIndex {
    /// Layers.
    pub layers: Vec<String>,
    /// Names of trials; where none are recorded, where they stand.
    pub names: Vec<String>,
    /// Attack, benign or found by a search.
    pub labels: Vec<Label>,
    /// Weights.
    pub weights: Vec<f64>,
    /// Cluster columns.
    pub clusters: Vec<Factor>,
    /// For each cluster column, each trial's level.
    pub cluster: Vec<Vec<u32>>,
    /// What each layer said.
    pub readings: Vec<Readings>,
}

impl TrialIndex {
    /// Trials.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no trial.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Fails where columns have different lengths, or a score or weight is no finite number.
    pub fn check(&self) -> Result<()> {
        let n = self.len();
        let lengths = [self.names.len(), self.weights.len()].into_iter().chain(self.cluster.iter().map(Vec::len));
        let readings = self.readings.iter().map(|r| match r {
            Readings::Outcomes(o) => o.len(),
            Readings::Scores(s) => s.len(),
        });
        if lengths.chain(readings).any(|l| l != n) || self.readings.len() != self.layers.len() || self.cluster.len() != self.clusters.len() {
            return Err(Error::Stated("the columns of the trials have different lengths".into()));
        }
        let wrong = |x: &f64| !x.is_finite();
        if let Some(got) = self.weights.iter().copied().find(|w| !(*w > 0.0 && w.is_finite())) {
            return Err(Error::OutOfRange { what: "a weight", expected: "above 0", got });
        }
        let scores = self.readings.iter().filter_map(|r| if let Readings::Scores(s) = r { Some(s) } else { None });
        match scores.flat_map(|s| s.iter().flatten()).find(|x| wrong(x)) {
            Some(&got) => Err(Error::OutOfRange { what: "a score", expected: "a finite number", got }),
            None => Ok(()),
        }
    }

    /// What the stream of attacks says about joint failures of these layers, in order: 1 where all failed, else 0; with clusters (of the first column) their means, each where its first trial stood.
    ///
    /// A trial on which some layer has no outcome counts as no joint failure: a monitor may then miss a rise, and never invents one. Layers that there are not are left out.
    ///
    /// ```
    /// use coincide::{Label, Readings, TrialIndex};
    /// let trials = TrialIndex {
    ///     layers: vec!["a".into()],
    ///     labels: vec![Label::Attack, Label::Benign, Label::Attack],
    ///     readings: vec![Readings::Outcomes(vec![Some(true), Some(true), None])],
    ///     ..TrialIndex::default()
    /// };
    /// assert_eq!(trials.joint_failures(&["a".to_owned()]), [1.0, 0.0]);
    /// ```
    pub fn joint_failures(&self, layers: &[String]) -> Vec<f64> {
        let readings: Vec<&Readings> = self.layers.iter().zip(&self.readings).filter(|(l, _)| layers.contains(l)).map(|(_, r)| r).collect();
        let failed = |t: usize| readings.iter().all(|r| matches!(r, Readings::Outcomes(o) if o[t] == Some(true)));
        let attacks = (0..self.len()).filter(|&t| self.labels[t] == Label::Attack);
        let Some(cluster) = self.cluster.first() else { return attacks.map(|t| f64::from(u8::from(failed(t)))).collect() };
        let mut place: FxHashMap<u32, usize> = FxHashMap::default();
        let mut sums: Vec<(f64, f64)> = Vec::new();
        for t in attacks {
            let at = *place.entry(cluster[t]).or_insert_with(|| {
                sums.push((0.0, 0.0));
                sums.len() - 1
            });
            sums[at].0 += f64::from(u8::from(failed(t)));
            sums[at].1 += 1.0;
        }
        sums.into_iter().map(|(failed, many)| failed / many).collect()
    }

    /// What one layer made of every trial, as a table of that layer alone with these clusters, labels and weights.
    ///
    /// `failed` says of each trial whether it failed; trials without an answer are left out. Fails where a cluster column is named twice.
    ///
    /// ```
    /// use coincide::{Label, TrialIndex};
    /// let trials = TrialIndex { labels: vec![Label::Attack; 3], weights: vec![1.0; 3], ..TrialIndex::default() };
    /// let table = trials.table("stack", |t| (t != 1).then_some(t == 0))?;
    /// assert_eq!(table.attack_trials(), 2.0);
    /// # Ok::<(), coincide::Error>(())
    /// ```
    pub fn table(&self, layer: &str, failed: impl Fn(usize) -> Option<bool>) -> Result<JointOutcomes> {
        let columns =
            Columns { layers: vec![layer.to_owned()], clusters: self.clusters.iter().map(|c| c.name.clone()).collect(), ..Columns::default() };
        let mut builder = TableBuilder::new(columns)?;
        let levels: Vec<Vec<u32>> =
            self.clusters.iter().enumerate().map(|(f, c)| c.levels.iter().map(|l| builder.cluster_level(f, l)).collect()).collect();
        let mut own = vec![0; levels.len()];
        for t in 0..self.len() {
            let Some(failed) = failed(t) else { continue };
            own.iter_mut().zip(&levels).zip(&self.cluster).for_each(|((o, l), c)| *o = l[c[t] as usize]);
            let context = builder.context(self.labels[t], None, 0, 0, &own);
            builder.add_masks(context, &[u64::from(failed)], &[1], self.weights[t], 1.0);
        }
        Ok(builder.finish())
    }
}
