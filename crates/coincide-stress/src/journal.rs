//! The journal: every finished call, in SQLite with a write-ahead log, so that a run that is killed loses only what was in flight.
//!
//! One writer on a thread of its own gathers whatever has arrived and commits it at once; a query is reported only after its commit. The key (trial, column)
//! makes counting twice impossible. Prompts are not in it; replies are while their query is unfinished, because a layer or a find may still need them, and are
//! overwritten with zeros when deleted. A search whose prompts a model writes keeps what that model and the layers said: it goes on from their words.

use crate::error::{Error, Result};
use crate::layer::{Outcome, Verdict};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use rustc_hash::FxHashSet;
use std::path::{Path, PathBuf};

/// Version of the tables.
const VERSION: i64 = 1;

/// A finished cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Column among all layers'.
    pub column: usize,
    /// What the layer said.
    pub verdict: Verdict,
    /// Microseconds of the last call, without waiting for its turn.
    pub latency: u64,
    /// Calls it took.
    pub calls: u32,
    /// SHA-256 of the raw reply; none where there was no reply.
    pub reply: Option<[u8; 32]>,
}

/// A reply that may still be needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Index of the unit.
    pub unit: usize,
    /// The reply as it came.
    pub raw: Vec<u8>,
    /// The target's answer.
    pub answer: Option<String>,
}

/// What the writer is told.
#[derive(Debug)]
pub enum Entry {
    /// Cells of one call, and the reply's text where it may still be needed.
    Cells {
        /// The query's number.
        number: u64,
        /// The cells.
        cells: Vec<Cell>,
        /// The reply, where it may still be needed.
        reply: Option<Kept>,
    },
    /// What the attacker's model said at a place of its conversations.
    Said {
        /// The place.
        place: String,
        /// The reply; none where there was nothing readable.
        reply: Option<String>,
    },
    /// The query is finished, and its replies may go (unless they are kept).
    Finished {
        /// The query's number.
        number: u64,
    },
}

/// The journal of one run.
pub struct Journal {
    path: PathBuf,
    db: Connection,
    /// Trials whose replies are in the journal.
    kept: FxHashSet<u64>,
}

fn code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Held => 0,
        Outcome::Failed => 1,
        Outcome::Error => 2,
        Outcome::Abstain => 3,
        Outcome::Unparsed => 4,
        Outcome::NotRun => 5,
        Outcome::CensoredBy(by) => 16 + i64::from(by),
    }
}

fn outcome(code: i64) -> Outcome {
    match code {
        0 => Outcome::Held,
        1 => Outcome::Failed,
        2 => Outcome::Error,
        3 => Outcome::Abstain,
        4 => Outcome::Unparsed,
        c if c >= 16 => Outcome::CensoredBy((c - 16) as u16),
        _ => Outcome::NotRun,
    }
}

fn cell(row: &rusqlite::Row<'_>) -> rusqlite::Result<Cell> {
    let labels: Option<String> = row.get(4)?;
    Ok(Cell {
        column: row.get::<_, i64>(0)? as usize,
        verdict: Verdict {
            outcome: outcome(row.get(1)?),
            reason: row.get(2)?,
            score: row.get(3)?,
            labels: labels.map(|l| l.split('\u{1f}').map(str::to_owned).collect()).unwrap_or_default(),
        },
        latency: row.get::<_, i64>(5)? as u64,
        calls: row.get(6)?,
        reply: row.get(7)?,
    })
}

const CELL: &str = "layer, outcome, reason, score, labels, latency, calls, reply";

impl Journal {
    /// Opens a journal, or makes one. Fails when it belongs to a different campaign, saying what differs, or is used by another run.
    pub fn open(path: &Path, fingerprint: &[(&str, String)]) -> Result<Journal> {
        let fresh = !path.exists();
        if fresh {
            // The file must be private before anything is in it.
            private(path).map_err(|e| Error::io(path, e))?;
        }
        let wrong = |e: rusqlite::Error| Error::journal(path, &e);
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(wrong)?;
        db.busy_timeout(std::time::Duration::from_secs(2)).map_err(wrong)?;
        // One writer at a time: a second run on the same folder is refused here and not half-way. Readers are inside this process.
        db.execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; BEGIN IMMEDIATE; COMMIT;",
        )
        .map_err(wrong)?;
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS call (trial INTEGER NOT NULL, layer INTEGER NOT NULL, outcome INTEGER NOT NULL, reason TEXT, score REAL, labels TEXT,
                 latency INTEGER NOT NULL, calls INTEGER NOT NULL, reply BLOB, PRIMARY KEY (trial, layer)) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS spent (unit INTEGER PRIMARY KEY, calls INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS attacker (place TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS reply (trial INTEGER NOT NULL, unit INTEGER NOT NULL, text BLOB NOT NULL, answer TEXT, PRIMARY KEY (trial, unit)) WITHOUT ROWID;",
        )
        .map_err(wrong)?;
        let mut journal = Journal { path: path.to_owned(), db, kept: FxHashSet::default() };
        journal.kept = {
            let mut query = journal.db.prepare("SELECT DISTINCT trial FROM reply").map_err(wrong)?;
            let rows = query.query_map([], |r| Ok(r.get::<_, i64>(0)? as u64)).map_err(wrong)?;
            rows.collect::<rusqlite::Result<_>>().map_err(wrong)?
        };
        let version = ("version", VERSION.to_string());
        for (key, value) in std::iter::once(&version).chain(fingerprint) {
            let known: Option<String> = journal
                .db
                .query_row("SELECT value FROM about WHERE key = ?", [key], |r| r.get(0))
                .optional()
                .map_err(|e| Error::journal(path, &e))?;
            match known {
                None => {
                    journal.db.execute("INSERT INTO about VALUES (?, ?)", params![key, value]).map_err(|e| Error::journal(path, &e))?;
                }
                Some(known) if known == *value => {}
                Some(known) => {
                    let shown = |s: &str| !s.starts_with('{') && s.len() <= 60;
                    let both = if shown(&known) && shown(value) { format!(": `{known}` then, `{value}` now") } else { String::new() };
                    return Err(Error::Journal {
                        file: path.display().to_string(),
                        what: format!("the run was begun with another {key}{both}"),
                        hint: "undo the change to go on, or state another `output` for a new run".into(),
                    });
                }
            }
        }
        Ok(journal)
    }

    fn wrong(&self) -> impl Fn(rusqlite::Error) -> Error + '_ {
        |e| Error::journal(&self.path, &e)
    }

    /// Whether anything is in it.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(!self.db.query_row("SELECT EXISTS (SELECT 1 FROM call)", [], |r| r.get::<_, bool>(0)).map_err(self.wrong())?)
    }

    /// Forgets cells with errors and unparsed replies, so that they are asked again. Where one of the columns `late` is among them and the target's answer (of the
    /// unit and column `target`) is no longer there, everything that rests on the answer is forgotten with it.
    pub fn forget_errors(&mut self, target: Option<(usize, usize)>, late: &[usize]) -> Result<()> {
        if let Some((unit, column)) = target.filter(|_| !late.is_empty()) {
            let late = late.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            let again = format!(
                "DELETE FROM call WHERE layer IN ({column}, {late}) AND trial IN (SELECT trial FROM call WHERE layer IN ({late}) AND outcome IN (2, 4))
                 AND trial NOT IN (SELECT trial FROM reply WHERE unit = {unit})"
            );
            self.db.execute(&again, []).map_err(self.wrong())?;
        }
        self.db.execute("DELETE FROM call WHERE outcome IN (2, 4)", []).map_err(self.wrong())?;
        Ok(())
    }

    /// Replaces the outcome of a cell that is there.
    pub fn correct(&mut self, number: u64, column: usize, to: Outcome) -> Result<()> {
        self.db
            .execute("UPDATE call SET outcome = ? WHERE trial = ? AND layer = ?", params![code(to), number as i64, column as i64])
            .map_err(self.wrong())?;
        Ok(())
    }

    /// Calls of every unit so far, over all runs.
    pub fn spent(&self, units: usize) -> Result<Vec<u64>> {
        let mut out = vec![0; units];
        let mut query = self.db.prepare("SELECT unit, calls FROM spent").map_err(self.wrong())?;
        let rows = query.query_map([], |r| Ok((r.get::<_, i64>(0)? as usize, r.get::<_, i64>(1)? as u64))).map_err(self.wrong())?;
        for row in rows {
            let (unit, calls) = row.map_err(self.wrong())?;
            if let Some(o) = out.get_mut(unit) {
                *o = calls;
            }
        }
        Ok(out)
    }

    /// Why cells of a column have no outcome, the commonest reasons first, of trials before `end`.
    pub fn reasons(&self, column: usize, end: u64) -> Result<Vec<(String, u64)>> {
        let mut query = self
            .db
            .prepare("SELECT reason, COUNT(*) AS n FROM call WHERE layer = ? AND trial < ? AND reason IS NOT NULL GROUP BY reason ORDER BY n DESC, reason LIMIT 5")
            .map_err(self.wrong())?;
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        let rows = query.query_map([column as i64, end], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64))).map_err(self.wrong())?;
        rows.collect::<rusqlite::Result<_>>().map_err(self.wrong())
    }

    /// Cells of one trial.
    pub fn cells(&self, number: u64) -> Result<Vec<Cell>> {
        let mut query = self.db.prepare_cached(&format!("SELECT {CELL} FROM call WHERE trial = ? ORDER BY layer")).map_err(self.wrong())?;
        let rows = query.query_map([number as i64], cell).map_err(self.wrong())?;
        rows.collect::<rusqlite::Result<_>>().map_err(self.wrong())
    }

    /// Hands `f` a function that gives the cells of one trial after the other; numbers must increase from call to call. One pass over the journal.
    pub fn in_order<T>(&self, f: impl FnOnce(&mut dyn FnMut(u64) -> Result<Vec<Cell>>) -> Result<T>) -> Result<T> {
        let mut query = self.db.prepare(&format!("SELECT {CELL}, trial FROM call ORDER BY trial, layer")).map_err(self.wrong())?;
        let mut rows = query.query([]).map_err(self.wrong())?;
        let mut ahead: Option<(u64, Cell)> = None;
        f(&mut |number| {
            let mut cells = Vec::new();
            loop {
                let next = match ahead.take() {
                    Some(next) => Some(next),
                    None => match rows.next().map_err(self.wrong())? {
                        Some(row) => Some((row.get::<_, i64>(8).map_err(self.wrong())? as u64, cell(row).map_err(self.wrong())?)),
                        None => None,
                    },
                };
                match next {
                    Some((trial, cell)) if trial == number => cells.push(cell),
                    Some((trial, _)) if trial < number => {}
                    later => {
                        ahead = later;
                        return Ok(cells);
                    }
                }
            }
        })
    }

    /// Replies of one trial that are still there.
    pub fn replies(&self, number: u64) -> Result<Vec<Kept>> {
        let mut query = self.db.prepare_cached("SELECT unit, text, answer FROM reply WHERE trial = ? ORDER BY unit").map_err(self.wrong())?;
        let rows = query
            .query_map([number as i64], |r| Ok(Kept { unit: r.get::<_, i64>(0)? as usize, raw: r.get(1)?, answer: r.get(2)? }))
            .map_err(self.wrong())?;
        rows.collect::<rusqlite::Result<_>>().map_err(self.wrong())
    }

    /// Writes all entries, and the calls of every unit so far, in one transaction; nothing of them is there if it fails.
    pub fn commit(&mut self, entries: &[Entry], spent: &[u64], keep_text: bool) -> Result<()> {
        let path = self.path.clone();
        self.write(entries, spent, keep_text).map_err(|e| Error::journal(&path, &e))
    }

    fn write(&mut self, entries: &[Entry], spent: &[u64], keep_text: bool) -> rusqlite::Result<()> {
        let transaction = self.db.transaction()?;
        // A reply that comes and goes in one commit need not be written at all.
        let ends = |e: &Entry| if let Entry::Finished { number } = e { Some(*number) } else { None };
        let ended: FxHashSet<u64> = if keep_text { FxHashSet::default() } else { entries.iter().filter_map(ends).collect() };
        let mut kept = Vec::new();
        {
            let mut call = transaction.prepare_cached("INSERT OR IGNORE INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
            let mut keep = transaction.prepare_cached("INSERT OR REPLACE INTO reply VALUES (?, ?, ?, ?)")?;
            let mut drop = transaction.prepare_cached("DELETE FROM reply WHERE trial = ?")?;
            let mut say = transaction.prepare_cached("INSERT OR IGNORE INTO attacker VALUES (?, ?)")?;
            let mut pay = transaction.prepare_cached("INSERT OR REPLACE INTO spent VALUES (?, ?)")?;
            for (unit, calls) in spent.iter().enumerate() {
                pay.execute(params![unit as i64, *calls as i64])?;
            }
            for entry in entries {
                match entry {
                    Entry::Cells { number, cells, reply } => {
                        for c in cells {
                            let v = &c.verdict;
                            let labels = (!v.labels.is_empty()).then(|| v.labels.join("\u{1f}"));
                            call.execute(params![
                                *number as i64,
                                c.column as i64,
                                code(v.outcome),
                                v.reason,
                                v.score,
                                labels,
                                c.latency as i64,
                                c.calls,
                                c.reply.as_ref().map(|r| r.as_slice())
                            ])?;
                        }
                        if let Some(Kept { unit, raw: text, answer }) = reply.as_ref().filter(|_| !ended.contains(number)) {
                            kept.push(*number);
                            keep.execute(params![*number as i64, *unit as i64, text, answer])?;
                        }
                    }
                    Entry::Said { place, reply } => {
                        say.execute(params![place, reply])?;
                    }
                    Entry::Finished { number } if !keep_text && self.kept.contains(number) => {
                        drop.execute([*number as i64])?;
                    }
                    Entry::Finished { .. } => {}
                }
            }
        }
        transaction.commit()?;
        self.kept.extend(kept);
        ended.iter().for_each(|n| {
            self.kept.remove(n);
        });
        Ok(())
    }

    /// What is known about a run, by key.
    pub fn about(&self, key: &str) -> Result<Option<String>> {
        self.db.query_row("SELECT value FROM about WHERE key = ?", [key], |r| r.get(0)).optional().map_err(self.wrong())
    }

    /// Notes something about a run.
    pub fn note(&mut self, key: &str, value: &str) -> Result<()> {
        self.db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", [key, value]).map(drop).map_err(self.wrong())
    }

    /// What the attacker's model said at a place of its conversations, where it was asked there: nothing inside where it said nothing readable.
    pub fn attacker(&self, place: &str) -> Result<Option<Option<String>>> {
        let mut query = self.db.prepare_cached("SELECT reply FROM attacker WHERE place = ?").map_err(self.wrong())?;
        query.query_row([place], |r| r.get(0)).optional().map_err(self.wrong())
    }

    /// Whether an attacker's model has said anything.
    pub fn has_attacker(&self) -> Result<bool> {
        self.db.query_row("SELECT EXISTS (SELECT 1 FROM attacker)", [], |r| r.get(0)).map_err(self.wrong())
    }

    /// Whether there are cells of trials from this number on.
    pub fn has_from(&self, number: u64) -> Result<bool> {
        let from = i64::try_from(number).unwrap_or(i64::MAX);
        self.db.query_row("SELECT EXISTS (SELECT 1 FROM call WHERE trial >= ?)", [from], |r| r.get(0)).map_err(self.wrong())
    }

    /// Cells of every column by outcome, of trials before `benign_from` and from it on, but before `end`: column, outcome, attacks, benign.
    pub fn totals(&self, benign_from: u64, end: u64) -> Result<Vec<(usize, Outcome, u64, u64)>> {
        let mut query = self
            .db
            .prepare(
                "SELECT layer, outcome, SUM(trial < ?1), SUM(trial >= ?1) FROM call WHERE trial < ?2 GROUP BY layer, outcome ORDER BY layer, outcome",
            )
            .map_err(self.wrong())?;
        let limit = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let rows = query
            .query_map([limit(benign_from), limit(end)], |r| {
                Ok((r.get::<_, i64>(0)? as usize, outcome(r.get(1)?), r.get::<_, i64>(2)? as u64, r.get::<_, i64>(3)? as u64))
            })
            .map_err(self.wrong())?;
        rows.collect::<rusqlite::Result<_>>().map_err(self.wrong())
    }

    /// Quantiles of a column's latency in seconds, over cells with an outcome.
    pub fn latency(&self, column: usize, quantiles: &[f64]) -> Result<Vec<Option<f64>>> {
        let n: i64 =
            self.db.query_row("SELECT COUNT(*) FROM call WHERE layer = ? AND outcome < 2", [column as i64], |r| r.get(0)).map_err(self.wrong())?;
        let mut query = self
            .db
            .prepare_cached("SELECT latency FROM call WHERE layer = ? AND outcome < 2 ORDER BY latency LIMIT 1 OFFSET ?")
            .map_err(self.wrong())?;
        let mut one = |q: f64| {
            let at = ((n - 1).max(0) as f64 * q).round() as i64;
            query.query_row([column as i64, at], |r| r.get::<_, i64>(0)).optional()
        };
        quantiles.iter().map(|&q| Ok(one(q).map_err(self.wrong())?.map(|us| us as f64 / 1e6))).collect()
    }

    /// Folds the write-ahead log into the file. Fails as the disk does.
    pub fn checkpoint(&self) -> Result<()> {
        self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").map_err(self.wrong())
    }
}

/// Makes an empty file that only its owner may read.
pub(crate) fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept { unit: 0, raw: b"raw".to_vec(), answer: Some("answer".into()) }
    }

    fn entry(number: u64, column: usize) -> Entry {
        let verdict = Verdict::of(Outcome::CensoredBy(3)).scored(Some(0.5)).labelled(vec!["a".into(), "b".into()]);
        let cell = Cell { column, verdict, latency: 7, calls: 2, reply: Some([9; 32]) };
        Entry::Cells { number, cells: vec![cell], reply: Some(kept()) }
    }

    #[test]
    fn cells_come_back_and_never_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut j = Journal::open(&path, &[("seed", "1".into())]).unwrap();
        j.commit(&[entry(5, 1), entry(5, 1), entry(5, 0)], &[3, 1], false).unwrap();
        let cells = j.cells(5).unwrap();
        assert_eq!(cells.len(), 2);
        assert_eq!(cells[1].verdict.labels, ["a", "b"]);
        assert_eq!((cells[1].verdict.outcome, cells[1].reply, cells[1].calls), (Outcome::CensoredBy(3), Some([9; 32]), 2));
        assert_eq!(j.totals(5, 6).unwrap(), [(0, Outcome::CensoredBy(3), 0, 1), (1, Outcome::CensoredBy(3), 0, 1)]);
        assert_eq!(j.spent(3).unwrap(), [3, 1, 0]);
        assert_eq!(j.replies(5).unwrap(), [kept()]);
        j.commit(&[Entry::Finished { number: 5 }], &[3, 1], true).unwrap();
        assert_eq!(j.replies(5).unwrap().len(), 1);
        j.commit(&[Entry::Finished { number: 5 }], &[3, 1], false).unwrap();
        assert_eq!(j.replies(5).unwrap().len(), 0);
        // A second run on the same folder is refused.
        assert!(Journal::open(&path, &[]).err().unwrap().to_string().contains("another run"));
        drop(j);
        assert!(Journal::open(&path, &[("seed", "2".into())]).err().unwrap().to_string().contains("another seed: `1` then, `2` now"));
    }

    /// A database that may not grow says what a full disk says.
    #[test]
    fn a_full_disk_loses_nothing_already_journalled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut j = Journal::open(&path, &[]).unwrap();
        j.commit(&(0..100).map(|n| entry(n, 0)).collect::<Vec<_>>(), &[3, 1], false).unwrap();
        let pages: i64 = j.db.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
        j.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |r| r.get::<_, i64>(0)).unwrap();
        let e = j.commit(&(100..5000).map(|n| entry(n, 0)).collect::<Vec<_>>(), &[3, 1], false).unwrap_err();
        assert!(e.to_string().contains("the disk is full") && e.hint().unwrap().contains("--resume"), "{e}");
        assert!(j.cells(100).unwrap().is_empty(), "a transaction is whole or not at all");
        drop(j);
        let mut j = Journal::open(&path, &[]).unwrap();
        assert_eq!(j.totals(1000, 1000).unwrap()[0].2, 100);
        j.commit(&[entry(100, 0)], &[3, 1], false).unwrap();
    }
}
