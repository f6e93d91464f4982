//! Tables for the tests.

use coincide::{Analysis, AnalyzeOptions, Columns, JointOutcomes, Label, Outcome, Reason, TableBuilder, TrialRow, analyze};

/// The shipped AgentDojo table.
pub fn agentdojo(strata: &[&str], clusters: &[&str], baseline: bool) -> JointOutcomes {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/agentdojo/outcomes.csv")).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let layers = &header[2..6];
    let owned = |names: &[&str]| names.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
    let columns =
        Columns { layers: owned(layers), strata: owned(strata), clusters: owned(clusters), baseline: baseline.then(|| "undefended".to_owned()) };
    let mut b = TableBuilder::new(columns).unwrap();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let outcome = |c: &str| if c == "1" { Outcome::Failed } else { Outcome::Held };
        b.add(&TrialRow {
            outcomes: &cells[2..6].iter().map(|c| outcome(c)).collect::<Vec<_>>(),
            strata: &strata.iter().map(|s| cells[at(s)]).collect::<Vec<_>>(),
            clusters: &clusters.iter().map(|s| cells[at(s)]).collect::<Vec<_>>(),
            baseline: if baseline { outcome(cells[1]) } else { Outcome::Missing(Reason::NotRun) },
            ..TrialRow::default()
        });
    }
    b.finish()
}

/// An analysis with few replicates.
pub fn quick(table: &JointOutcomes) -> Analysis {
    analyze(table, &AnalyzeOptions { replicates: 200, ..AnalyzeOptions::default() }, &|_, _, _| {}).unwrap()
}

/// One row of a made-up table.
#[derive(Debug, Clone)]
pub struct Row {
    pub outcomes: Vec<Outcome>,
    pub strata: Vec<usize>,
    pub clusters: Vec<usize>,
    pub weight: f64,
    pub label: Label,
}

/// A table of made-up rows.
pub fn table(layers: usize, strata: usize, clusters: usize, rows: &[Row]) -> JointOutcomes {
    let name = |c: char, n: usize| (0..n).map(|i| format!("{c}{i:04}")).collect::<Vec<_>>();
    let columns = Columns { layers: name('l', layers), strata: name('s', strata), clusters: name('c', clusters), baseline: None };
    let mut b = TableBuilder::new(columns).unwrap();
    for r in rows {
        let text = |v: &[usize]| v.iter().map(|x| format!("{x:05}")).collect::<Vec<_>>();
        let (s, c) = (text(&r.strata), text(&r.clusters));
        b.add(&TrialRow {
            outcomes: &r.outcomes,
            strata: &s.iter().map(String::as_str).collect::<Vec<_>>(),
            clusters: &c.iter().map(String::as_str).collect::<Vec<_>>(),
            weight: r.weight,
            label: r.label,
            ..TrialRow::default()
        });
    }
    b.finish()
}

/// Values computed independently.
pub fn golden(file: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{}/tests/it/golden/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()).unwrap()
}
