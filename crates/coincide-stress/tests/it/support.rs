//! Campaigns in temporary folders.

use coincide::{JointOutcomes, Label};
use coincide_io::{CampaignRecord, load};
use coincide_stress::{CampaignFile, Error, Prepared, RunOptions, Stop, run};
use std::path::{Path, PathBuf};

/// A folder with a campaign in it.
pub struct Folder {
    pub at: tempfile::TempDir,
}

impl Folder {
    /// A campaign of these attacks (prompt, goal), with what follows the attacks in its file.
    pub fn new(attacks: &[(String, String)], rest: &str) -> Folder {
        let folder = Folder { at: tempfile::tempdir().unwrap() };
        let lines: String = attacks
            .iter()
            .enumerate()
            .map(|(i, (p, g))| serde_json::json!({"id": format!("a{i}"), "prompt": p, "goal": g}).to_string() + "\n")
            .collect();
        std::fs::write(folder.path("attacks.jsonl"), lines).unwrap();
        folder.campaign(rest);
        folder
    }

    pub fn campaign(&self, rest: &str) {
        // Keys of the top must stand before the first table.
        let (top, tables) = rest.split_once("\n[").map_or((rest, String::new()), |(t, r)| (t, format!("[{r}")));
        let text = format!("name = \"test\"\n{top}\n[attacks]\nfiles = [\"attacks.jsonl\"]\n{tables}");
        std::fs::write(self.path("campaign.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.path().join(name)
    }

    pub fn file(&self) -> Result<CampaignFile, Error> {
        CampaignFile::read(&self.path("campaign.toml").display().to_string())
    }

    pub fn run(&self, options: RunOptions) -> Result<CampaignRecord, Error> {
        run(Prepared::new(self.file()?, None)?, options, &Stop::by_hand(), &|_| {}).map(|ran| ran.record)
    }

    pub fn fresh(&self) -> CampaignRecord {
        self.run(RunOptions::default()).unwrap()
    }

    pub fn resume(&self) -> CampaignRecord {
        self.run(RunOptions { resume: true, ..RunOptions::default() }).unwrap()
    }

    pub fn table(&self) -> JointOutcomes {
        load(&[self.path("run/outcomes.parquet").display().to_string()], &Default::default(), &|_, _, _| {}).unwrap().table
    }

    /// Rows of the outcomes as text: trial, then the layers' cells.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let table = self.table();
        let layers = table.layers().to_vec();
        let mut columns = vec!["trial"];
        columns.extend(layers.iter().map(String::as_str));
        let mut out = Vec::new();
        for rows in coincide_io::Rows::open(&[self.path("run/outcomes.parquet").display().to_string()]).unwrap() {
            rows.for_each(&columns, &mut |r| {
                out.push((0..columns.len()).map(|i| r.text(i).to_owned()).collect());
                Ok(())
            })
            .unwrap();
        }
        out
    }

    /// Reasons of one layer's cells, `detail` of the table of calls, by trial.
    pub fn details(&self, layer: &str) -> Vec<(String, String, String)> {
        let mut out = Vec::new();
        for rows in coincide_io::Rows::open(&[self.path("run/calls.parquet").display().to_string()]).unwrap() {
            rows.for_each(&["layer", "trial", "reason", "detail"], &mut |r| {
                if r.text(0) == layer {
                    out.push((r.text(1).to_owned(), r.text(2).to_owned(), r.text(3).to_owned()));
                }
                Ok(())
            })
            .unwrap();
        }
        out
    }
}

/// Attacks `n` of as many goals.
pub fn attacks(n: usize) -> Vec<(String, String)> {
    (0..n).map(|i| (format!("prompt {i}"), format!("g{i}"))).collect()
}

/// Attacks that beat every layer, counted in the table.
pub fn joint_failures(t: &JointOutcomes) -> f64 {
    let k = t.layers().len();
    t.cells()
        .filter(|c| c.label() == Label::Attack && (0..k).all(|i| c.missing(i).is_none() && c.failed[i / 64] >> (i % 64) & 1 == 1))
        .map(|c| c.n)
        .sum()
}

/// All bytes of all files under a folder.
pub fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(everything(&path));
        } else {
            out.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    out
}
