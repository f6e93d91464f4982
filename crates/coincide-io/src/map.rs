//! Failure-mode maps as CSV: a row a cell with `technique`, `failure_mode` (or `mode`), `verdict`, and where known `category`, `source` and `source_confidence` (or
//! `support`).

use crate::error::{Error, Place, Result};
use crate::source::{InputRecord, Source};
use coincide::{FailureModeMap, MapCell, Technique, Vulnerability};

/// The name of the map that comes with the program.
pub const PUBLISHED_MAP: &str = "dung-mai-2025";
/// Its source.
pub const PUBLISHED_SOURCE: &str = "L. Dung and F. Mai, arXiv:2510.11235, Table 1";
const PUBLISHED: &str = include_str!("../data/dung_mai_2025.csv");

/// Reads a map: the published one by its name, or a CSV file. The published one has no record.
///
/// Fails with line and column on a verdict that is none, an empty name, a cell that is judged twice and a missing column.
pub fn read_map(name: &str) -> Result<(FailureModeMap, Option<InputRecord>)> {
    if name == PUBLISHED_MAP {
        return Ok((parse(name, PUBLISHED.as_bytes(), Some(PUBLISHED_SOURCE))?, None));
    }
    if !std::path::Path::new(name).exists() {
        return Err(Error::file(name, "there is no such map")
            .hinted(format!("name a CSV file with the columns technique, failure_mode and verdict, or the published map, {PUBLISHED_MAP}")));
    }
    let source = Source::open(name)?;
    Ok((parse_map(name, source.reader()?)?, Some(source.record()?)))
}

/// A map from CSV text; `name` is what errors call it.
pub fn parse_map(name: &str, from: impl std::io::Read) -> Result<FailureModeMap> {
    parse(name, from, None)
}

fn parse(name: &str, from: impl std::io::Read, usual_source: Option<&str>) -> Result<FailureModeMap> {
    let at = |line: u64, column: &str, what: String| Error::Bad {
        place: Place { file: name.to_owned(), line: Some(line), column: Some(column.to_owned()), ..Place::default() },
        what,
        hint: None,
    };
    let broken = |e: csv::Error| {
        let line = e.position().map(csv::Position::line);
        Error::Bad { place: Place { file: name.to_owned(), line, ..Place::default() }, what: format!("is not a CSV table: {e}"), hint: None }
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(from);
    let header = reader.headers().map_err(broken)?.clone();
    let find = |names: &[&str]| names.iter().find_map(|n| header.iter().position(|h| h.trim_start_matches('\u{feff}') == *n));
    let needed = |names: &[&str]| {
        find(names).ok_or_else(|| {
            Error::file(name, format!("has no column `{}`; its columns are {}", names[0], header.iter().collect::<Vec<_>>().join(", ")))
                .hinted("a map has the columns technique, failure_mode and verdict; category, source and support are optional")
        })
    };
    let (technique, mode, verdict) = (needed(&["technique"])?, needed(&["failure_mode", "mode"])?, needed(&["verdict"])?);
    let (category, source, support) = (find(&["category"]), find(&["source"]), find(&["support", "source_confidence"]));
    let (mut techniques, mut cells): (Vec<Technique>, Vec<MapCell>) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |i: usize| record.get(i).unwrap_or_default().to_owned();
        let optional = |i: Option<usize>| i.map(text).filter(|t| !t.is_empty());
        for (i, what) in [(technique, "technique"), (mode, "failure_mode")] {
            if text(i).is_empty() {
                return Err(at(line, what, "is empty; every cell needs a technique, a failure mode and a verdict".into()));
            }
        }
        let word = text(verdict);
        let read = match word.as_str() {
            "vulnerable" => Vulnerability::Vulnerable,
            "not_vulnerable" => Vulnerability::NotVulnerable,
            "uncertain" => Vulnerability::Uncertain,
            _ => return Err(at(line, "verdict", format!("`{word}` is no verdict; expected vulnerable, not_vulnerable or uncertain"))),
        };
        let (t, m) = (text(technique), text(mode));
        if cells.iter().any(|c| c.technique == t && c.mode == m) {
            return Err(at(line, "failure_mode", format!("the cell of `{t}` and `{m}` is judged a second time; keep one row")));
        }
        match techniques.iter_mut().find(|o| o.name == t) {
            Some(o) => o.category = o.category.take().or_else(|| optional(category)),
            None => techniques.push(Technique { name: t.clone(), category: optional(category) }),
        }
        cells.push(MapCell {
            technique: t,
            mode: m,
            verdict: read,
            source: optional(source).or_else(|| usual_source.map(str::to_owned)),
            support: optional(support),
        });
    }
    if cells.is_empty() {
        return Err(Error::file(name, "has no rows").hinted("a map needs at least one cell"));
    }
    FailureModeMap::new(techniques, cells).map_err(|e| Error::file(name, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coincide::MapReport;

    /// What is known about the published table.
    #[test]
    fn the_published_map_has_its_known_results() {
        let (map, _) = read_map(PUBLISHED_MAP).unwrap();
        let r = MapReport::new(map, Vec::new());
        assert_eq!(r.counts, [27, 19, 3]);
        let pairs: Vec<&Vec<String>> = r.disjoint_if_vulnerable.iter().map(|s| &s.techniques).filter(|t| t.len() == 2).collect();
        assert_eq!(pairs, [&["RE", "ScientistAI"]]);
        assert!(r.disjoint_if_vulnerable[0].under_either_reading);
        let either: Vec<&Vec<String>> =
            r.disjoint.iter().filter(|s| s.techniques.len() == 2 && s.under_either_reading).map(|s| &s.techniques).collect();
        assert_eq!(either, [&["RE", "ScientistAI"]]);
        let most = &r.reach[0];
        assert_eq!((most.mode.as_str(), most.defeats.len()), ("AL-GEN", 6));
        assert!(!most.defeats.contains(&"ScientistAI".to_owned()) && most.perhaps.is_empty());
        let pair = |a: &str, b: &str| r.pairs.iter().find(|p| p.techniques == [a, b]).unwrap();
        assert!(pair("RLAIF", "W2S").identical && pair("RLAIF", "W2S").jaccard == Some(1.0));
        assert_eq!(r.pairs.iter().filter(|p| p.identical).count(), 1);
        assert_eq!(pair("Debate", "RE").shared, ["AL-GEN"]);
        assert!(pair("Debate", "RE").perhaps_shared.is_empty());
    }

    #[test]
    fn wrong_rows_name_their_line() {
        for (text, parts) in [
            ("technique,failure_mode,verdict\na,x,maybe\n", ["maps.csv:2", "`maybe` is no verdict"]),
            ("technique,mode,verdict\na,x,vulnerable\na,x,uncertain\n", ["maps.csv:3", "second time"]),
            ("technique,mode\na,x\n", ["maps.csv", "no column `verdict`"]),
            ("technique,mode,verdict\na,,uncertain\n", ["maps.csv:2", "is empty"]),
            ("technique,mode,verdict\n", ["maps.csv", "no rows"]),
            ("technique,mode,verdict\na,x\n", ["maps.csv:2", "not a CSV table"]),
        ] {
            let message = parse("maps.csv", text.as_bytes(), None).unwrap_err().to_string();
            parts.iter().for_each(|p| assert!(message.contains(p), "{message}"));
        }
    }
}
