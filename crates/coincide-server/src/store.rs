//! Results and analyses in one SQLite file. A result is written in one transaction, so that a kill at any moment leaves only whole ones.

use coincide_io::Results;
use coincide_report::title;
use rusqlite::{Connection, OptionalExtension, params};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Version of the tables.
const VERSION: i64 = 1;

/// The store; one connection, a statement at a time.
pub(crate) struct Store(Mutex<Connection>);

/// A stored result, without its document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ResultEntry {
    /// Number.
    pub id: i64,
    /// What it is about.
    pub title: String,
    /// Seconds since 1970 when it was stored.
    pub stored: i64,
    /// The first sentence of its answer.
    pub answer: String,
    /// The inputs' names.
    pub inputs: Vec<String>,
    /// Rate at which all layers fail, where it has one.
    pub beta: Option<f64>,
}

impl Store {
    /// Opens a store or makes one.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Store> {
        let db = Connection::open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if version > VERSION {
            return Err(rusqlite::Error::InvalidParameterName(format!("written by a newer coincide (version {version})")));
        }
        db.execute_batch(&format!(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
             CREATE TABLE IF NOT EXISTS result (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, stored INTEGER NOT NULL, answer TEXT NOT NULL,
                 inputs TEXT NOT NULL, beta REAL, document TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS analysis (id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, about TEXT NOT NULL);
             PRAGMA user_version={VERSION};"
        ))?;
        Ok(Store(Mutex::new(db)))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a document; gives its number.
    pub(crate) fn put(&self, r: &Results) -> rusqlite::Result<i64> {
        let answer = r.campaign_answer.iter().chain(&r.answer).chain(&r.fit_answer).chain(&r.assessment_answer).next().cloned().unwrap_or_default();
        let inputs: Vec<&str> = r.provenance.inputs.iter().map(|i| i.path.as_str()).collect();
        let beta = r.analysis.as_ref().and_then(|a| a.joint.content.beta.value);
        let db = self.db();
        db.execute(
            "INSERT INTO result (title, stored, answer, inputs, beta, document) VALUES (?1, unixepoch(), ?2, ?3, ?4, ?5)",
            params![title(r), answer, serde_json::json!(inputs).to_string(), beta, serde_json::json!(r).to_string()],
        )?;
        Ok(db.last_insert_rowid())
    }

    /// All results, the newest first.
    pub(crate) fn list(&self) -> rusqlite::Result<Vec<ResultEntry>> {
        let db = self.db();
        let mut query = db.prepare_cached("SELECT id, title, stored, answer, inputs, beta FROM result ORDER BY id DESC")?;
        let rows = query.query_map([], entry)?;
        rows.collect()
    }

    /// One result without its document.
    pub(crate) fn entry(&self, id: i64) -> rusqlite::Result<Option<ResultEntry>> {
        self.db().query_row("SELECT id, title, stored, answer, inputs, beta FROM result WHERE id = ?1", [id], entry).optional()
    }

    /// A document as JSON.
    pub(crate) fn document(&self, id: i64) -> rusqlite::Result<Option<String>> {
        self.db().query_row("SELECT document FROM result WHERE id = ?1", [id], |r| r.get(0)).optional()
    }

    /// Takes a result out; whether there was one.
    pub(crate) fn remove(&self, id: i64) -> rusqlite::Result<bool> {
        Ok(self.db().execute("DELETE FROM result WHERE id = ?1", [id])? > 0)
    }

    /// Notes an analysis; gives its number.
    pub(crate) fn begin(&self, about: &str) -> rusqlite::Result<i64> {
        let db = self.db();
        db.execute("INSERT INTO analysis (state, about) VALUES ('waiting', ?1)", [about])?;
        Ok(db.last_insert_rowid())
    }

    /// Notes how an analysis stands.
    pub(crate) fn note(&self, id: i64, state: &str, about: &str) -> rusqlite::Result<()> {
        self.db().execute("UPDATE analysis SET state = ?2, about = ?3 WHERE id = ?1", params![id, state, about]).map(drop)
    }

    /// Analyses of earlier servers: number, state, what they were about.
    pub(crate) fn analyses(&self) -> rusqlite::Result<Vec<(i64, String, String)>> {
        let db = self.db();
        let mut query = db.prepare_cached("SELECT id, state, about FROM analysis ORDER BY id DESC LIMIT 200")?;
        let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        rows.collect()
    }
}

fn entry(r: &rusqlite::Row<'_>) -> rusqlite::Result<ResultEntry> {
    let inputs: String = r.get(4)?;
    Ok(ResultEntry {
        id: r.get(0)?,
        title: r.get(1)?,
        stored: r.get(2)?,
        answer: r.get(3)?,
        inputs: serde_json::from_str(&inputs).unwrap_or_default(),
        beta: r.get(5)?,
    })
}
