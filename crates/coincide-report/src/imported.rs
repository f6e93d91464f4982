//! How logs of other tools were understood.

use crate::block::{Block, Table};
use crate::campaign::count;
use crate::format::grouped;
use coincide_io::Imported;
use std::path::Path;

/// What was read, a row a layer, and what to do next.
pub fn imported_blocks(i: &Imported, output: Option<&Path>) -> Vec<Block> {
    let files = i.inputs.len();
    let by = |what: &str, names: &[String]| if names.is_empty() { String::new() } else { format!(", {what} by {}", names.join(" and ")) };
    let mut out = vec![Block::Answer(format!(
        "{}: {}, {}{}{}.",
        if files == 1 { format!("1 file of {}", i.tool.name()) } else { format!("{} files of {}", grouped(files as f64), i.tool.name()) },
        count(i.trials, "trial"),
        count(i.layers.len() as u64, "layer"),
        by("clustered", &i.clusters),
        by("with strata", &i.strata),
    ))];
    let mut table = Table::new(&["layer", "how it was read", ">failed", ">held", "missing"]);
    for l in &i.layers {
        let missing: Vec<String> = l.missing.iter().map(|(word, n)| format!("{} {word}", grouped(*n as f64))).collect();
        table.row(vec![l.name.clone(), l.rule.clone(), grouped(l.failed as f64), grouped(l.held as f64), missing.join(", ")]);
    }
    out.push(Block::Table(table));
    if i.joined {
        out.push(Block::Text("Runs repeat trials in ways that do not correspond: an analysis averages over the combinations of their repeats, and the table keeps every repeat.".into()));
    }
    if !i.notes.is_empty() {
        out.push(Block::List(i.notes.iter().map(|n| (0, n.clone())).collect()));
    }
    out.push(Block::Text(match output {
        Some(path) => format!("Written to {0}. Next: coincide analyze {0}", path.display()),
        None => "Nothing was written; add -o FILE.".into(),
    }));
    out
}
