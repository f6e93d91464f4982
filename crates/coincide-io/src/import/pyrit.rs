//! PyRIT's memory, an SQLite database, seen with 1.1.0. <https://azure.github.io/PyRIT/>.
//!
//! A trial is a response that was scored, a layer is a scorer. PyRIT's scores say how far the attack got: true, or high, means that the layer failed; a refusal
//! scorer says the opposite.
//!
//! * `score_value` is text, `true` and `True` both.
//! * A composite scorer keeps only what its parts add up to, and cannot be taken apart: refused, unless left out with `--layers`.
//! * A score that is undetermined has no outcome. Neither has a reply that the target blocked, which is scored false without being looked at (and inverted, true),
//!   or an attack that ended in an error.
//! * Of a conversation of several turns only the last reply is scored.
//!
//! The file is a stranger's: it is opened read-only, its schema is not trusted, views and triggers are off, and a query that runs away is stopped.

use super::gather::{About, Cell, Gather, Row, Rule};
use super::{Tool, columns, each_source, json};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::Source;
use coincide::FailsWhen;
use coincide::{Progress, Reason};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Columns on which separate runs are joined.
const JOIN: [&str; 1] = [CLUSTER];
const FAILED_HIGH: Rule = Rule { fails_when: Some(FailsWhen::Above), high: "its score is true: the attack got through" };
const HELD_HIGH: Rule = Rule { fails_when: Some(FailsWhen::Below), high: "its score is true: the target refused" };
/// How long a query may take before it is thought to run away, and bytes that one value may have.
const PATIENCE: Duration = Duration::from_secs(600);
const MOST_BYTES: i32 = 1 << 28;
const CLUSTER: &str = "objective";

/// Whether a database is PyRIT's.
pub(super) fn is_memory(source: &Source) -> Result<bool> {
    let db = open(source)?;
    Ok(tables(source, &db)?.contains(&"ScoreEntries".to_owned()))
}

fn open(source: &Source) -> Result<Connection> {
    let wrong = |e: rusqlite::Error| damaged(source, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(source.path(), flags).map_err(wrong)?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    ] {
        db.set_db_config(config, on).map_err(wrong)?;
    }
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, MOST_BYTES).map_err(wrong)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cell_size_check = ON;").map_err(wrong)?;
    let begun = Instant::now();
    db.progress_handler(1_000_000, Some(move || begun.elapsed() > PATIENCE));
    Ok(db)
}

fn damaged(source: &Source, e: &rusqlite::Error) -> Error {
    Error::file(&source.name, format!("cannot be read as an SQLite database: {e}"))
        .hinted("close the program that writes it, and copy the file again")
}

/// Names of true tables: a view of the same name does not count.
fn tables(source: &Source, db: &Connection) -> Result<Vec<String>> {
    let wrong = |e: rusqlite::Error| damaged(source, &e);
    let mut query = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").map_err(wrong)?;
    let names = query.query_map([], |row| row.get::<_, String>(0)).map_err(wrong)?;
    names.collect::<std::result::Result<_, _>>().map_err(wrong)
}

/// Reads databases. Fails on damaged ones, and on composite scorers that are not left out.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions, progress: Progress<'_>) -> Result<(Gather, About)> {
    let columns = columns(options, &[CLUSTER], &JOIN);
    let (all, _) = each_source(sources, progress, &columns, |source, g| memory(source, g, options))?;
    let about = About { tool: Tool::Pyrit, clusters: vec![CLUSTER.into()], strata: Vec::new(), ask: "", joined: false, separate: false, join: &JOIN };
    Ok((all, about))
}

struct Score {
    response: String,
    value: String,
    scorer: Rc<Scorer>,
    category: String,
    status: String,
}

/// A scorer by its identifier.
struct Scorer {
    /// What tells it from other scorers: its hash, or, where older versions wrote none, the whole identifier.
    key: String,
    class: String,
    /// The scorers in it.
    parts: usize,
}

impl Scorer {
    /// Fails on an identifier that names no class.
    fn of(source: &Source, identifier: &str) -> Result<Scorer> {
        let value: Value = serde_json::from_str(identifier).unwrap_or_default();
        let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let Some(class) = text("class_name").or_else(|| text("__type__")) else {
            let short: String = identifier.chars().take(60).collect();
            return Err(Error::file(&source.name, format!("has a score whose scorer is not named: `{short}`"))
                .hinted("this program knows the memory of PyRIT 1.1; migrate the database with it"));
        };
        Ok(Scorer { key: text("hash").unwrap_or(identifier).to_owned(), class: class.to_owned(), parts: parts_of(&value) })
    }

    /// A few letters that tell it from others of its class.
    fn short(&self) -> String {
        let hex = self.key.len() >= 8 && self.key.bytes().all(|b| b.is_ascii_hexdigit());
        if hex { self.key[..8].to_owned() } else { format!("{:016x}", xxhash_rust::xxh3::xxh3_64(self.key.as_bytes()))[..8].to_owned() }
    }
}

struct Attack {
    objective: String,
    labels: Map<String, Value>,
    outcome: String,
    id: String,
}

fn memory(source: &Source, g: &mut Gather, options: &ReadOptions) -> Result<()> {
    let db = open(source)?;
    let there = tables(source, &db)?;
    for table in ["ScoreEntries", "PromptMemoryEntries", "AttackResultEntries"] {
        if !there.iter().any(|t| t == table) {
            return Err(Error::file(&source.name, format!("has no table {table}"))
                .hinted("this program knows the memory of PyRIT 1.1; migrate the database with it"));
        }
    }
    let run = g.run(&source.name);
    g.known.extend([CLUSTER, "conversation_id", "outcome"].map(str::to_owned));
    let mut attacks: FxHashMap<String, Attack> = FxHashMap::default();
    let mut order: Vec<String> = Vec::new();
    rows(source, &db, "AttackResultEntries", &["conversation_id", "objective", "outcome", "id"], &["labels"], &mut |r| {
        let [conversation, objective, outcome, id, labels] = r else { return Ok(()) };
        let labels: Map<String, Value> = serde_json::from_str(labels).unwrap_or_default();
        let attack = Attack { objective: objective.clone(), labels, outcome: outcome.clone(), id: id.clone() };
        if attacks.insert(conversation.clone(), attack).is_none() {
            order.push(conversation.clone());
        }
        Ok(())
    })?;
    let mut conversations: FxHashMap<String, (String, String)> = FxHashMap::default();
    rows(source, &db, "PromptMemoryEntries", &["id", "conversation_id", "response_error"], &[], &mut |r| {
        if let [id, conversation, error] = r {
            conversations.insert(id.clone(), (conversation.clone(), error.clone()));
        }
        Ok(())
    })?;
    let mut scores: Vec<Score> = Vec::new();
    let mut scorers: FxHashMap<String, Rc<Scorer>> = FxHashMap::default();
    let names = ["prompt_request_response_id", "score_value", "scorer_class_identifier", "score_category"];
    rows(source, &db, "ScoreEntries", &names, &["status"], &mut |r| {
        let [response, value, identifier, category, status] = r else { return Ok(()) };
        let scorer = match scorers.get(identifier) {
            Some(s) => s.clone(),
            None => {
                let s = Rc::new(Scorer::of(source, identifier)?);
                scorers.insert(identifier.clone(), s.clone());
                s
            }
        };
        let categories: Vec<String> = serde_json::from_str(category).unwrap_or_default();
        scores.push(Score {
            response: response.clone(),
            value: value.trim().to_ascii_lowercase(),
            scorer,
            category: categories.join("+"),
            status: status.clone(),
        });
        Ok(())
    })?;
    let names = scorer_names(&scores);
    let composite = |s: &Score| s.scorer.class.contains("Composite");
    let left_out = |s: &Score| composite(s) && !is_wanted(&names[&s.scorer.key], options);
    if let Some(s) = scores.iter().find(|s| composite(s) && !left_out(s)) {
        let others: Vec<&str> = scores.iter().filter(|o| !composite(o)).map(|o| names[&o.scorer.key].as_str()).collect();
        let mut layers: Vec<&str> = others;
        layers.sort_unstable();
        layers.dedup();
        let hint = if layers.is_empty() { String::new() } else { format!("; or leave it out: --layers {}", layers.join(",")) };
        return Err(Error::file(
            &source.name,
            format!("has scores of `{}`, a composite of {} scorers: what each of them said is not kept", names[&s.scorer.key], s.scorer.parts),
        )
        .hinted(format!("run the attacks again with those scorers as auxiliary_scorers, one by one{hint}")));
    }
    let mut at: FxHashMap<&str, usize> = FxHashMap::default();
    let (mut lost, mut twice) = (0u64, 0u64);
    let (mut scored, mut blocked): (FxHashSet<&String>, FxHashSet<&String>) = Default::default();
    for s in &scores {
        let name = &names[&s.scorer.key];
        if left_out(s) {
            continue;
        }
        let layer = g.layer(name, if s.scorer.class.contains("Refusal") { HELD_HIGH } else { FAILED_HIGH });
        let Some((conversation, error)) = conversations.get(&s.response) else {
            lost += 1;
            continue;
        };
        let row = *at.entry(&s.response).or_insert_with(|| {
            let attack = attacks.get(conversation);
            scored.insert(conversation);
            let row = row_of(g, run, conversation, attack, &s.response);
            g.push(row);
            g.rows.len() - 1
        });
        let determined = matches!(s.status.as_str(), "" | "complete" | "completed");
        let cell = match s.value.as_str() {
            _ if error == "blocked" => {
                blocked.insert(&s.response);
                Cell::Missing(Reason::NotRun)
            }
            _ if !matches!(error.as_str(), "" | "none") => Cell::Missing(Reason::Error),
            _ if !determined => Cell::Missing(if s.status == "error" { Reason::Error } else { Reason::Abstain }),
            "true" => Cell::Value(1.0),
            "false" => Cell::Value(0.0),
            text => match text.parse::<f64>().ok().filter(|x| x.is_finite()) {
                Some(x) => Cell::Value(x),
                None => {
                    if !text.is_empty() {
                        g.odd(layer, text);
                    }
                    Cell::Missing(Reason::Unparsed)
                }
            },
        };
        let cells = &mut g.rows[row].cells;
        match cells.iter_mut().find(|(l, _)| *l == layer) {
            None => cells.push((layer, cell)),
            // A score that was given again: the later one counts.
            Some((_, had)) => {
                twice += 1;
                *had = cell;
            }
        }
    }
    // Attacks that left nothing to score.
    for conversation in order.iter().filter(|c| !scored.contains(c)) {
        let attack = attacks.get(conversation);
        let reason = if attack.is_some_and(|a| a.outcome == "error") { Reason::Error } else { Reason::NotRun };
        let mut row = row_of(g, run, conversation, attack, "");
        row.cells = (0..g.layer_count()).map(|l| (l, Cell::Missing(reason))).collect();
        g.push(row);
    }
    for a in attacks.values() {
        g.known.extend(a.labels.keys().cloned());
    }
    if !blocked.is_empty() {
        g.notes.push(format!(
            "{}: {} replies were blocked by the target, so that there was nothing to score; they have no outcomes",
            source.name,
            blocked.len()
        ));
    }
    if lost > 0 {
        g.notes.push(format!("{}: {lost} scores belong to no message of the memory; they are left out", source.name));
    }
    if twice > 0 {
        g.notes.push(format!("{}: {twice} responses were scored again by the same scorer: the later score counts", source.name));
    }
    Ok(())
}

/// A row for a reply to an attack, without cells.
fn row_of(g: &Gather, run: u32, conversation: &str, attack: Option<&Attack>, response: &str) -> Row {
    let context = g.context(|c| match c {
        "conversation_id" => Some(conversation.to_owned()),
        CLUSTER => attack.map(|a| a.objective.clone()),
        "outcome" => attack.map(|a| a.outcome.clone()),
        other => attack.and_then(|a| json::member(&a.labels, other)).map(json::cell_text),
    });
    let attack = attack.map_or(conversation, |a| &a.id);
    let trial = if response.is_empty() { attack.to_owned() } else { format!("{attack}/{response}") };
    Row { trial, run, epoch: 0, context, cells: Vec::new() }
}

/// Whether the layer of a scorer may be among those asked for. Where runs are joined, layers are called after the run: `run`, or `run:scorer`.
fn is_wanted(scorer: &str, options: &ReadOptions) -> bool {
    let joined = |name: &str| options.layer_from.is_some() && name.rsplit_once(':').is_none_or(|(_, last)| last == scorer);
    options.layers.as_ref().is_none_or(|list| list.iter().any(|name| name == scorer || joined(name)))
}

/// The scorers inside a scorer.
fn parts_of(scorer: &Value) -> usize {
    let children = scorer.get("children").and_then(|c| c.get("sub_scorers").or_else(|| c.get("scorers"))).or_else(|| scorer.get("sub_identifier"));
    children.and_then(Value::as_array).map_or(0, Vec::len)
}

/// A name for each scorer: its class, with its category where a class has several, with its hash where that is not enough.
fn scorer_names(scores: &[Score]) -> FxHashMap<String, String> {
    let mut known: Vec<(&Scorer, &str)> = Vec::new();
    for s in scores {
        if !known.iter().any(|k| k.0.key == s.scorer.key) {
            known.push((&s.scorer, &s.category));
        }
    }
    let count = |f: &dyn Fn(&(&Scorer, &str)) -> bool| known.iter().filter(|k| f(k)).count();
    known
        .iter()
        .map(|&(scorer, category)| {
            let class = &scorer.class;
            let name = if count(&|k| k.0.class == *class) == 1 {
                class.clone()
            } else if !category.is_empty() && count(&|k| k.0.class == *class && k.1 == category) == 1 {
                format!("{class}[{category}]")
            } else {
                format!("{class}#{}", scorer.short())
            };
            (scorer.key.clone(), name)
        })
        .collect()
}

/// Calls `f` with the texts of columns; those of `optional` that the table lacks are empty.
fn rows(source: &Source, db: &Connection, table: &str, names: &[&str], optional: &[&str], f: &mut dyn FnMut(&[String]) -> Result<()>) -> Result<()> {
    let wrong = |e: rusqlite::Error| damaged(source, &e);
    let mut info = db.prepare("SELECT name FROM pragma_table_info(?1)").map_err(wrong)?;
    let has: Vec<String> = info.query_map([table], |r| r.get(0)).map_err(wrong)?.collect::<std::result::Result<_, _>>().map_err(wrong)?;
    if let Some(lacks) = names.iter().find(|n| !has.iter().any(|h| h == *n)) {
        return Err(Error::file(&source.name, format!("has no column {lacks} in {table}"))
            .hinted("this program knows the memory of PyRIT 1.1; migrate the database with it"));
    }
    let wanted: Vec<String> =
        names.iter().chain(optional).map(|n| if has.iter().any(|h| h == n) { format!("\"{n}\"") } else { "NULL".to_owned() }).collect();
    let mut query = db.prepare(&format!("SELECT {} FROM \"{table}\" ORDER BY rowid", wanted.join(", "))).map_err(wrong)?;
    let mut found = query.query([]).map_err(wrong)?;
    let mut texts = vec![String::new(); wanted.len()];
    while let Some(row) = found.next().map_err(wrong)? {
        for (i, text) in texts.iter_mut().enumerate() {
            text.clear();
            match row.get_ref(i).map_err(wrong)? {
                ValueRef::Null => {}
                ValueRef::Integer(n) => *text = n.to_string(),
                ValueRef::Real(x) => *text = x.to_string(),
                ValueRef::Text(t) | ValueRef::Blob(t) => text.push_str(&String::from_utf8_lossy(t)),
            }
        }
        f(&texts)?;
    }
    Ok(())
}
