//! Which column plays which part: what the options say, what the names say, and what has to be inferred.

use crate::batch::Table;
use crate::cell::{self, CellValue};
use crate::error::{Error, Result};
use crate::options::{Cut, ReadOptions};
use crate::outcomes_file::is_described;
use coincide::{Columns, FailsWhen, Label, Reason};

/// The columns of a table of outcomes by role, as names.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    pub columns: Columns,
    /// The column of the file in which each layer's outcomes stand: of its own name, except where one is read at several thresholds.
    pub sources: Vec<String>,
    /// Threshold per layer.
    pub cuts: Vec<Option<Cut>>,
    /// Threshold of the baseline.
    pub baseline_cut: Option<Cut>,
    pub trial: Option<String>,
    pub epoch: Option<String>,
    pub weight: Option<String>,
    pub label: Option<String>,
    pub order: Option<String>,
}

/// The clusters asked for, else the column `goal`, unless it has another part or the tables say themselves what theirs are.
pub(crate) fn usual_clusters(tables: &[Table], options: &ReadOptions, notes: &mut Vec<String>) -> Vec<String> {
    let mut clusters = options.clusters.clone();
    let free = !options.strata.iter().chain(options.layers.iter().flatten()).any(|s| s == "goal") && !tables.iter().any(is_described);
    if clusters.is_empty() && free && tables.iter().all(|t| t.column("goal").is_some()) {
        clusters.push("goal".into());
        notes.push("column `goal` taken as the cluster; name others with --cluster".into());
    }
    clusters
}

impl Roles {
    /// Roles for wide tables. `tables` must all have the columns that are needed.
    pub(crate) fn wide(tables: &[Table], options: &ReadOptions, notes: &mut Vec<String>) -> Result<Roles> {
        Roles::inferred(tables, options, Holds::Outcomes, notes)
    }

    /// Roles for wide tables whose layers may have scores without thresholds.
    pub(crate) fn scored(tables: &[Table], options: &ReadOptions, notes: &mut Vec<String>) -> Result<Roles> {
        Roles::inferred(tables, options, Holds::Scores, notes)
    }

    fn inferred(tables: &[Table], options: &ReadOptions, holds: Holds, notes: &mut Vec<String>) -> Result<Roles> {
        let first = &tables[0];
        let named = options.named_roles(&first.columns);
        check_named(first, &named)?;
        let mut clusters = usual_clusters(tables, options, notes);
        let role = |what: &str| named.iter().find(|(r, _)| *r == what).map(|(_, n)| n.clone());
        let epoch = role("epoch");
        if clusters.is_empty()
            && let (Some(_), Some(trial)) = (&epoch, role("trial"))
        {
            notes.push(format!("trials have epochs: repeats of one `{trial}` are not independent, so it is taken as the cluster"));
            clusters.push(trial);
        }
        let layers = match &options.layers {
            Some(list) => list.clone(),
            None => {
                let taken: Vec<&String> = named.iter().map(|(_, n)| n).chain(&clusters).collect();
                let found = infer_layers(tables, options, holds, &taken)?;
                notes.push(format!("layers: every column with only {} in it: {}", holds.words(), found.join(", ")));
                found
            }
        };
        if let Some(role) = named.iter().find(|(r, n)| *r != "trial" && layers.contains(n)) {
            return Err(Error::options(format!("column `{}` is both a layer and the {}", role.1, role.0), "give each column one part"));
        }
        for t in &options.thresholds {
            if !layers.contains(&t.layer) && options.baseline.as_ref() != Some(&t.layer) {
                return Err(Error::options(
                    format!("--threshold names `{}`, which is not a layer", t.layer),
                    format!("the layers are {}", layers.join(", ")),
                ));
            }
        }
        for (role, name) in [("trial", role("trial")), ("weight", role("weight")), ("label", role("label"))] {
            if let Some(name) = name {
                notes.push(format!("column `{name}` read as the {role}"));
            }
        }
        let roles = Roles {
            sources: layers.clone(),
            cuts: layers.iter().map(|l| options.cut(l)).collect::<Result<_>>()?,
            baseline_cut: options.baseline.as_ref().map_or(Ok(None), |b| options.cut(b))?,
            columns: Columns { layers, strata: options.strata.clone(), clusters, baseline: options.baseline.clone() },
            trial: role("trial"),
            epoch,
            weight: role("weight"),
            label: role("label"),
            order: role("order"),
        };
        for (layer, cut) in roles.columns.layers.iter().zip(&roles.cuts) {
            if let Some(c) = cut {
                let side = if c.fails_when == FailsWhen::Below { "below" } else { "above" };
                notes.push(format!("`{layer}` failed where its score is {side} {}", c.threshold));
            }
        }
        for table in tables {
            roles.indices(table)?;
        }
        Ok(roles)
    }

    /// Every column that is read, in a fixed order: layers, baseline, strata, clusters, then the rest.
    pub(crate) fn names(&self) -> Vec<&str> {
        let c = &self.columns;
        let list = self.sources.iter().chain(&c.baseline).chain(&c.strata).chain(&c.clusters);
        list.chain(&self.trial).chain(&self.epoch).chain(&self.weight).chain(&self.label).chain(&self.order).map(String::as_str).collect()
    }

    /// Indices of [`Self::names`] in a file.
    pub(crate) fn indices(&self, table: &Table) -> Result<Vec<usize>> {
        self.names().into_iter().map(|n| table.column(n).ok_or_else(|| no_column(table, n))).collect()
    }
}

fn check_named(table: &Table, named: &[(&'static str, String)]) -> Result<()> {
    for (i, (role, name)) in named.iter().enumerate() {
        if table.column(name).is_none() {
            return Err(no_column(table, name));
        }
        // A column may be a cluster and a stratum or trial at once; anything else has one part.
        if let Some((other, _)) =
            named[..i].iter().find(|(r, n)| n == name && !(matches!(*r, "trial" | "stratum") && matches!(*role, "stratum" | "cluster")))
        {
            return Err(Error::options(format!("column `{name}` is both the {other} and the {role}"), "give each column one part"));
        }
    }
    Ok(())
}

/// "There is no such column", with the nearest name.
pub(crate) fn no_column(table: &Table, name: &str) -> Error {
    let near = table.columns.iter().min_by_key(|c| distance(c, name)).filter(|c| distance(c, name) <= 2 + name.len() / 4);
    let columns = table.columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    let hint = near.map_or_else(|| format!("the columns are {columns}"), |n| format!("did you mean `{n}`? The columns are {columns}"));
    Error::file(&table.source.name, format!("there is no column `{name}`")).hinted(hint)
}

/// Edits that turn one name into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// What a layer's column may hold, beside reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Outcomes,
    Scores,
}

impl Holds {
    fn words(self) -> &'static str {
        match self {
            Holds::Outcomes => "outcomes",
            Holds::Scores => "scores or outcomes",
        }
    }
}

/// Columns that hold only outcomes (or scores) and reasons, and at least one of those; layers with a threshold count as such.
fn infer_layers(tables: &[Table], options: &ReadOptions, holds: Holds, taken: &[&String]) -> Result<Vec<String>> {
    let first = &tables[0];
    let thresholded = |n: &String| options.thresholds.iter().any(|t| &t.layer == n);
    let mut names: Vec<String> = first.columns.iter().filter(|c| !taken.contains(c)).cloned().collect();
    for table in tables {
        // Seen an outcome, or still open to be one.
        let mut open: Vec<(usize, bool)> = Vec::new();
        let mut known: Vec<String> = Vec::new();
        for name in &names {
            let Some(c) = table.column(name) else { continue };
            if thresholded(name) || table.binary_by_statistics(c) == Some(true) {
                known.push(name.clone());
            } else if holds == Holds::Scores || table.binary_by_statistics(c) != Some(false) {
                open.push((c, false));
            }
        }
        if !open.is_empty() {
            let indices: Vec<usize> = open.iter().map(|o| o.0).collect();
            let mut alive = vec![true; open.len()];
            table.read(None, &indices, &mut |batch| {
                for (i, column) in batch.columns.iter().enumerate().filter(|(i, _)| alive[*i]).collect::<Vec<_>>() {
                    let (mut pure, mut seen) = (true, false);
                    let readable = cell::for_each(column.as_ref(), &mut |_, v| match v {
                        CellValue::Failed | CellValue::Held => seen = true,
                        CellValue::Missing(_) | CellValue::Censored(_) => {}
                        CellValue::Number(x) if holds == Holds::Scores && x.is_finite() => seen = true,
                        CellValue::Number(_) | CellValue::Other => pure = false,
                    });
                    open[i].1 |= seen;
                    alive[i] = pure && readable.is_ok();
                }
                Ok(())
            })?;
            known.extend(open.iter().zip(alive).filter(|((_, seen), alive)| *seen && *alive).map(|((c, _), _)| table.columns[*c].clone()));
        }
        names.retain(|n| known.contains(n));
    }
    if names.is_empty() {
        let columns = first.columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
        return Err(Error::file(
            &first.source.name,
            match holds {
                Holds::Outcomes => {
                    format!("no column holds only outcomes (0, 1, true, false, held, failed, empty or a reason); the columns are {columns}")
                }
                Holds::Scores => format!("no column holds only scores, outcomes or reasons; the columns are {columns}"),
            },
        )
        .hinted("name the layers with --layers; for scores add --threshold LAYER=VALUE and --fails-when below|above"));
    }
    Ok(names)
}

/// Outcome of a cell as a small code: 0 held, 1 failed, 2 and up missing.
pub(crate) const HELD: u16 = 0;
pub(crate) const FAILED: u16 = 1;
pub(crate) const NOT_RUN: u16 = 2;
/// Plus the number of the layer that stopped the pipeline.
pub(crate) const CENSORED: u16 = 16;

/// The reason behind a code ≥ 2.
pub(crate) fn reason(code: u16) -> Reason {
    match code {
        3 => Reason::Error,
        4 => Reason::Abstain,
        5 => Reason::Unparsed,
        c if c >= CENSORED => Reason::CensoredBy(c - CENSORED),
        _ => Reason::NotRun,
    }
}

/// What is wrong with a cell: a sentence, and what to do.
pub(crate) struct BadCell {
    pub row: usize,
    pub what: String,
    pub hint: String,
}

/// A layer's column as outcome codes; `layers` resolves `censored_by:<layer>`.
pub(crate) fn codes(
    array: &dyn arrow_array::Array,
    layer: &str,
    cut: Option<Cut>,
    layers: &[String],
    out: &mut Vec<u16>,
) -> std::result::Result<(), BadCell> {
    out.clear();
    let mut bad: Option<BadCell> = None;
    let fail = |bad: &mut Option<BadCell>, row: usize, what: String, hint: String| {
        bad.get_or_insert(BadCell { row, what, hint });
        NOT_RUN
    };
    let result = cell::for_each(array, &mut |row, value| {
        let code = match (value, cut) {
            (CellValue::Missing(Reason::NotRun), _) => NOT_RUN,
            (CellValue::Missing(Reason::Error), _) => 3,
            (CellValue::Missing(Reason::Abstain), _) => 4,
            (CellValue::Missing(Reason::Unparsed), _) => 5,
            (CellValue::Missing(Reason::CensoredBy(i)), _) => CENSORED + i,
            (CellValue::Censored(name), _) => match layers.iter().position(|l| l == name) {
                Some(i) => CENSORED + i as u16,
                None => fail(&mut bad, row, format!("`censored_by:{name}` names no layer"), format!("the layers are {}", layers.join(", "))),
            },
            (CellValue::Failed, None) => FAILED,
            (CellValue::Held, None) => HELD,
            (CellValue::Failed, Some(c)) => side(1.0, c),
            (CellValue::Held, Some(c)) => side(0.0, c),
            (CellValue::Number(x), Some(c)) if x.is_finite() => side(x, c),
            (CellValue::Number(x), Some(_)) => {
                fail(&mut bad, row, format!("{x} is not a score"), "leave the cell empty, or write unparsed or error".into())
            }
            (CellValue::Number(x), None) if x.is_finite() => fail(
                &mut bad,
                row,
                format!("{x} is not an outcome; expected 0 (held), 1 (failed), true, false, held, failed, empty or a reason"),
                format!("if these are scores, add --threshold {layer}=VALUE and --fails-when below|above"),
            ),
            (CellValue::Number(x), None) => {
                fail(&mut bad, row, format!("{x} is not an outcome"), "leave the cell empty, or write unparsed or error".into())
            }
            (CellValue::Other, _) => fail(
                &mut bad,
                row,
                format!(
                    "{} is neither an outcome nor a reason; expected 0 (held), 1 (failed), true, false, held, failed, empty, not_run, error, abstain, unparsed or censored_by:LAYER",
                    shown(array, row)
                ),
                "correct the cell, or leave the column out with --layers".into(),
            ),
        };
        out.push(code);
    });
    if let Err(kind) = result {
        return Err(BadCell { row: 0, what: format!("a column of type {kind} holds no outcomes"), hint: "leave it out with --layers".into() });
    }
    bad.map_or(Ok(()), Err)
}

pub(crate) fn side(score: f64, cut: Cut) -> u16 {
    let failed = match cut.fails_when {
        FailsWhen::Below => score < cut.threshold,
        FailsWhen::Above => score > cut.threshold,
    };
    if failed { FAILED } else { HELD }
}

fn shown(array: &dyn arrow_array::Array, row: usize) -> String {
    let one = array.slice(row, 1);
    let text = cell::texts(one.as_ref()).ok().and_then(|mut t| t.pop()).unwrap_or_default();
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("`{short}…`") } else { format!("`{short}`") }
}

/// Attack, benign or adaptive.
pub(crate) fn label(text: &str) -> Option<Label> {
    match text.trim().to_ascii_lowercase().as_str() {
        "attack" => Some(Label::Attack),
        "benign" => Some(Label::Benign),
        "adaptive" => Some(Label::Adaptive),
        _ => None,
    }
}
