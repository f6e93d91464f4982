//! What a reader is told about the columns.

use crate::error::{Error, Result};
use coincide::FailsWhen;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Roles of columns, thresholds, joins. Everything that is not said is inferred, and what was inferred is in
/// [`crate::Loaded::notes`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReadOptions {
    /// The layers' columns (in the order given); inferred when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layers: Option<Vec<String>>,
    /// Score thresholds by layer.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub thresholds: Vec<Threshold>,
    /// Which scores fail, for every layer with a threshold that has none of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fails_when: Option<FailsWhen>,
    /// Which side of a value failed, for layers of other tools' logs that have no threshold.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub polarities: Vec<Polarity>,
    /// What an attack that gave up before it asked counts as, in JailbreakBench artifacts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gave_up: Option<GaveUp>,
    /// Stratum columns.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub strata: Vec<String>,
    /// Cluster columns; several are crossed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub clusters: Vec<String>,
    /// The undefended baseline's column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline: Option<String>,
    /// The column that names trials; `trial` if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trial: Option<String>,
    /// The weight column; `weight` if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<String>,
    /// The column that says attack, benign or adaptive; `label` if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// The column that records in which order the layers were asked, as `a>b>c`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_from: Option<String>,
    /// Every input holds one layer, or one column names it: join them on [`Self::join`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer_from: Option<LayerFrom>,
    /// Columns that identify a trial across runs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub join: Vec<String>,
    /// Read only part `index` of `of`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shard: Option<Shard>,
}

/// Columns that play a part by their names, where no option says otherwise.
const BY_NAME: [&str; 11] = ["goal", "trial", "epoch", "run", "weight", "label", "layer", "outcome", "score", "reason", "order"];

impl ReadOptions {
    /// Whether an option names this column, or it plays a part by its name alone.
    pub fn names(&self, column: &str) -> bool {
        let lists = self.layers.iter().flatten().chain(&self.strata).chain(&self.clusters).chain(&self.join);
        let single = [&self.baseline, &self.trial, &self.weight, &self.label, &self.order_from].into_iter().flatten();
        let from = match &self.layer_from {
            Some(LayerFrom::Column(c)) => Some(c),
            _ => None,
        };
        let thresholds = self.thresholds.iter().map(|t| &t.layer);
        lists.chain(single).chain(from).chain(thresholds).any(|c| c == column) || BY_NAME.contains(&column)
    }
}

/// A layer's score threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Threshold {
    /// The layer.
    pub layer: String,
    /// The score at which it changes its mind.
    pub value: f64,
    /// Which side fails.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fails_when: Option<FailsWhen>,
}

/// Which side of a layer's values failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Polarity {
    /// The layer.
    pub layer: String,
    /// Which side fails.
    pub fails_when: FailsWhen,
}

/// What an attack that gave up before it asked counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GaveUp {
    /// No outcome.
    Missing,
    /// Stopped: the layer held.
    Held,
}

/// Where the name of a row's layer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LayerFrom {
    /// The file's name, without folder and endings.
    File,
    /// A column.
    Column(String),
}

/// One part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which part, from 1.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

impl std::str::FromStr for Shard {
    type Err = String;

    /// Reads `I/N`.
    fn from_str(text: &str) -> std::result::Result<Shard, String> {
        let wrong = || format!("`{text}` is not a part; expected I/N with 1 ≤ I ≤ N, for example 1/4");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Shard { index: index.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if shard.index >= 1 && shard.index <= shard.of { Ok(shard) } else { Err(wrong()) }
    }
}

impl Shard {
    pub(crate) fn takes(shard: Option<Shard>, piece: usize) -> bool {
        shard.is_none_or(|s| piece % s.of as usize == s.index as usize - 1)
    }
}

/// How a layer's cells are turned into outcomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cut {
    pub threshold: f64,
    pub fails_when: FailsWhen,
}

impl ReadOptions {
    /// The threshold of a layer, with its polarity.
    pub(crate) fn cut(&self, layer: &str) -> Result<Option<Cut>> {
        let Some(t) = self.thresholds.iter().find(|t| t.layer == layer) else { return Ok(None) };
        let Some(fails_when) = t.fails_when.or(self.fails_when) else {
            return Err(Error::options(
                format!("layer `{layer}` has a threshold but nothing says which side of it fails"),
                "add --fails-when below (high scores stop the attack) or --fails-when above (high scores mean it worked)",
            ));
        };
        Ok(Some(Cut { threshold: t.value, fails_when }))
    }

    /// Every column that has a role by these options or by its name, with the role.
    pub(crate) fn named_roles(&self, columns: &[String]) -> Vec<(&'static str, String)> {
        let mut roles: Vec<(&'static str, String)> = Vec::new();
        let mut add = |role, name: &Option<String>, default: Option<&str>| {
            let found = name.clone().or_else(|| default.filter(|d| columns.iter().any(|c| c == d)).map(str::to_owned));
            roles.extend(found.map(|n| (role, n)));
        };
        add("trial", &self.trial, Some("trial"));
        add("weight", &self.weight, Some("weight"));
        add("label", &self.label, Some("label"));
        add("order", &self.order_from, None);
        add("baseline", &self.baseline, None);
        add("epoch", &None, Some("epoch"));
        roles.extend(self.strata.iter().map(|s| ("stratum", s.clone())));
        roles.extend(self.clusters.iter().map(|s| ("cluster", s.clone())));
        roles
    }
}
