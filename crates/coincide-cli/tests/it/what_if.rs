//! What the page computes again must be what the program computes. This side writes documents, questions and the program's answers; `web/test/what_if.test.ts` asks the
//! page's code the same questions.

use coincide::{AnalyzeOptions, FailsWhen, Recomputed, Scenario, Seed};
use coincide_io::{Ask, Job, Part, ReadOptions, Results, StudyFile, Threshold};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the page's test looks.
fn write(name: &str, document: &Results, questions: &[Value]) {
    let folder = root().join("web/test/reference");
    std::fs::create_dir_all(&folder).unwrap();
    let text = json!({ "document": document, "questions": questions }).to_string();
    std::fs::write(folder.join(format!("{name}.json")), text).unwrap();
}

/// The scenario without layers that are not there.
fn among(s: &Scenario, layers: &[String]) -> Scenario {
    let mut s = s.clone();
    let there = |n: &String| layers.contains(n);
    s.compromised.retain(there);
    s.trained_against.retain(|n, _| layers.contains(n));
    s.common_failures.iter_mut().for_each(|c| c.layers.retain(there));
    s.common_failures.retain(|c| !c.layers.is_empty());
    s.cascades.retain(|c| layers.contains(&c.from) && layers.contains(&c.to));
    if let Some(a) = &mut s.attacker {
        a.transparent.retain(there);
    }
    s
}

fn some_of(rng: &mut ChaCha8Rng, names: &[String]) -> Vec<usize> {
    let many = rng.random_range(1..=names.len());
    let mut list: Vec<usize> = (0..names.len()).collect();
    list.shuffle(rng);
    list.truncate(many);
    list.sort_unstable();
    list
}

/// `coincide analyze` on the chosen layers alone, and each scenario on them.
fn outcomes(files: &[String], read: &ReadOptions, analyze: &AnalyzeOptions, document: &Results, many: usize, seed: u64) -> Vec<Value> {
    let basis = document.what_if.as_ref().unwrap().content.outcomes.as_ref().unwrap();
    let names: Vec<String> = basis.layers.iter().map(|l| l.layer.clone()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = Vec::new();
    for q in 0..many {
        let chosen = some_of(&mut rng, &names);
        let layers: Vec<String> = chosen.iter().map(|&i| names[i].clone()).collect();
        let read = ReadOptions { layers: Some(layers.clone()), ..read.clone() };
        let table = coincide_io::load(files, &read, &|_, _, _| {}).unwrap().table;
        let analyze = AnalyzeOptions { replicates: basis.replicates.max(100), ..analyze.clone() };
        let analysis = coincide::analyze(&table, &analyze, &|_, _, _| {}).unwrap();
        let scenario = (q % 3 > 0 && !basis.scenarios.is_empty()).then(|| &basis.scenarios[rng.random_range(0..basis.scenarios.len())].scenario);
        let j = &analysis.joint.content;
        let want = match scenario {
            None => json!({ "beta": j.beta, "product": j.product, "gap": j.gap, "effective_layers": j.effective_layers }),
            Some(s) => {
                let s = among(s, &layers);
                let list = coincide::scenarios(&table, &analysis, std::slice::from_ref(&s), &BTreeMap::new(), None, None, &analyze).unwrap();
                let r = list.last().unwrap();
                json!({ "beta": r.beta, "product": r.product, "gap": r.gap })
            }
        };
        out.push(json!({ "basis": "outcomes", "layers": layers, "scenario": scenario.map(|s| &s.name), "want": want }));
    }
    out
}

fn recomputed(r: &Recomputed) -> Value {
    json!({ "beta": r.beta, "product": r.product, "gap": r.gap, "effective_layers": r.effective_layers, "expected": { "value": r.expected } })
}

#[test]
fn reference_of_agentdojo_its_scenarios_and_a_model() {
    let mut job = Job::study(
        StudyFile::read(&root().join("examples/pipeline/study.toml").display().to_string()).unwrap(),
        vec![Part::Analysis, Part::Fit, Part::Scenarios, Part::WhatIf],
    );
    job.fit = Some(coincide::FitOptions { draws: 1000, models: vec!["independent".into(), "factor".into()], ..Default::default() });
    let document = coincide_report::results(&job, &|_, _, _| {}).unwrap();
    let mut questions = outcomes(&job.files, &job.read, &job.analyze, &document, 60, 1);
    let model = document.what_if.as_ref().unwrap().content.model.as_ref().expect("a model holds up");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for q in 0..25 {
        let chosen = some_of(&mut rng, &model.layers);
        let scenario = (q % 2 == 1).then(|| &model.scenarios[rng.random_range(0..model.scenarios.len())]);
        let want = recomputed(&model.recompute(&chosen, scenario).unwrap());
        let layers: Vec<&String> = chosen.iter().map(|&i| &model.layers[i]).collect();
        questions.push(json!({ "basis": "model", "layers": layers, "scenario": scenario.map(|s| &s.name), "want": want }));
    }
    write("agentdojo", &document, &questions);
}

#[test]
fn reference_of_a_map_with_numbers() {
    let job = Job::study(
        StudyFile::read(&root().join("examples/alignment/study.toml").display().to_string()).unwrap(),
        vec![Part::Modes, Part::Scenarios, Part::WhatIf],
    );
    let document = coincide_report::results(&job, &|_, _, _| {}).unwrap();
    let modes = document.what_if.as_ref().unwrap().content.modes.as_ref().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut questions = Vec::new();
    for q in 0..30 {
        let chosen = some_of(&mut rng, &modes.techniques);
        let scenario = (q % 2 == 1).then(|| &modes.scenarios[rng.random_range(0..modes.scenarios.len())]);
        let moved: Vec<(usize, f64)> =
            if q % 3 == 0 { vec![(rng.random_range(0..modes.modes.len()), f64::from(rng.random_range(0..=100u32)) / 100.0)] } else { vec![] };
        let want = recomputed(&modes.recompute(&chosen, &moved, scenario).unwrap());
        let layers: Vec<&String> = chosen.iter().map(|&i| &modes.techniques[i]).collect();
        let prevalence: BTreeMap<&String, f64> = moved.iter().map(|&(j, q)| (&modes.modes[j], q)).collect();
        questions.push(json!({ "basis": "modes", "layers": layers, "scenario": scenario.map(|s| &s.name), "prevalence": prevalence, "want": want }));
    }
    write("alignment", &document, &questions);
}

/// A table with weights and clusters, and one with neither and joint failures that are few or none.
#[test]
fn reference_of_weights_and_of_independent_trials() {
    let folder = tempfile::tempdir().unwrap();
    for (name, weighted) in [("weighted", true), ("independent", false)] {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut text = String::from(if weighted { "trial,a,b,c,d,goal,weight\n" } else { "trial,a,b,c,d\n" });
        for t in 0..400 {
            let hard = rng.random::<f64>();
            let cell = |rng: &mut ChaCha8Rng, rate: f64| u8::from(rng.random::<f64>() < if hard < 0.1 { 0.6 } else { rate });
            let cells: Vec<String> = [0.3, 0.2, 0.1, 0.02].iter().map(|r| cell(&mut rng, *r).to_string()).collect();
            text += &format!("{t},{}", cells.join(","));
            if weighted {
                text += &format!(",g{},{}", t / 7, 0.25 * f64::from(rng.random_range(1..8u32)));
            }
            text.push('\n');
        }
        let file = folder.path().join(format!("{name}.csv"));
        std::fs::write(&file, text).unwrap();
        let files = vec![file.display().to_string()];
        let read = ReadOptions { clusters: if weighted { vec!["goal".into()] } else { vec![] }, ..ReadOptions::default() };
        let analyze = AnalyzeOptions { seed: Seed(5), ..AnalyzeOptions::default() };
        let ask = Ask { parts: vec![Part::Analysis, Part::WhatIf], ..Ask::default() };
        let job = Job::outcomes(files.clone(), read.clone(), analyze.clone(), None, ask);
        let document = coincide_report::results(&job, &|_, _, _| {}).unwrap();
        let questions = outcomes(&files, &read, &analyze, &document, 15, 6);
        write(name, &document, &questions);
    }
}

/// Scores at other thresholds: what the page reads off its grid is what the program gives when it reads the file at that threshold.
#[test]
fn reference_of_scores_at_other_thresholds() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut text = String::from("trial,filter,judge,probe,goal\n");
    for t in 0..500 {
        let hard: f64 = rng.random();
        let score = |rng: &mut ChaCha8Rng| (0.6 * hard + 0.4 * rng.random::<f64>() * 1000.0).round() / 1000.0;
        text += &format!("{t},{},{:.3},{:.3},g{}\n", u8::from(hard > 0.7), score(&mut rng), 1.0 - score(&mut rng), t / 5);
    }
    let file = folder.path().join("scores.csv");
    std::fs::write(&file, text).unwrap();
    let files = vec![file.display().to_string()];
    let cut = |judge: f64, probe: f64| {
        vec![
            Threshold { layer: "judge".into(), value: judge, fails_when: Some(FailsWhen::Above) },
            Threshold { layer: "probe".into(), value: probe, fails_when: Some(FailsWhen::Below) },
        ]
    };
    let read = ReadOptions { clusters: vec!["goal".into()], thresholds: cut(0.5, 0.5), ..ReadOptions::default() };
    let analyze = AnalyzeOptions::default();
    let ask = Ask { parts: vec![Part::Analysis, Part::WhatIf], ..Ask::default() };
    let document = coincide_report::results(&Job::outcomes(files.clone(), read.clone(), analyze.clone(), None, ask), &|_, _, _| {}).unwrap();
    let basis = document.what_if.as_ref().unwrap().content.outcomes.clone().unwrap();
    let grid: Vec<&[f64]> = basis.layers.iter().map(|l| l.thresholds.as_slice()).collect();
    assert!(grid[0].is_empty() && grid[1].len() > 10 && grid[1][basis.layers[1].used] == 0.5 && grid[2].len() > 10);
    let mut questions = Vec::new();
    for _ in 0..15 {
        let (i, j) = (rng.random_range(0..grid[1].len()), rng.random_range(0..grid[2].len()));
        let read = ReadOptions { thresholds: cut(grid[1][i], grid[2][j]), ..read.clone() };
        let table = coincide_io::load(&files, &read, &|_, _, _| {}).unwrap().table;
        let analyze = AnalyzeOptions { replicates: basis.replicates, ..analyze.clone() };
        let a = coincide::analyze(&table, &analyze, &|_, _, _| {}).unwrap().joint.content;
        let want = json!({ "beta": a.beta, "product": a.product, "gap": a.gap, "effective_layers": a.effective_layers });
        let layers = ["filter", "judge", "probe"];
        questions.push(json!({ "basis": "outcomes", "layers": layers, "thresholds": { "judge": i, "probe": j }, "want": want }));
    }
    write("scores", &document, &questions);
}
