//! promptfoo's JSON and JSON-lines outputs, seen with 0.121.20. <https://www.promptfoo.dev/docs/configuration/outputs/>.
//!
//! A trial is a test, prompt and provider of an evaluation (a repeat has a test number of its own), a layer is an assertion: its metric, else `type#i`. The verdict is `pass`; `namedScores` are
//! scores. Whether a pass means that a layer held depends on the assertion, so it has to be said.
//!
//! * The `guardrails` assertion passes where the provider sent no guardrail data: that is no verdict.
//! * An assertion that throws is a `pass` of false: its reason says so.
//! * Rows with the same `vars` are one attack again: with other prompts or providers, or repeated.
//! * `failureReason` 2 is a call that ended in an error: nothing in that row is about the attack.

use super::gather::{About, Cell, Gather, Row, Rule};
use super::json::{self, Want, bad_line};
use super::{Tool, columns, each_source};
use crate::error::{Error, Result};
use crate::options::ReadOptions;
use crate::source::{Source, file_stem};
use coincide::{Progress, Reason};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Columns on which separate runs are joined.
const JOIN: [&str; 1] = [CLUSTER];
const RULE: Rule = Rule { fails_when: None, high: "it passed" };
/// What every row has, by name.
const OWN: [&str; 5] = ["test", "prompt", "provider", "evalId", CLUSTER];
/// A hash of the test's variables: rows of one attack have the same.
const CLUSTER: &str = "vars";
/// How the reasons of assertions begin that could not be judged.
const BROKEN: [&str; 10] = [
    "Custom function threw error",
    "Python code execution failed",
    "Ruby code execution failed",
    "Webhook error",
    "Search rubric evaluation failed",
    "Moderation API error",
    "Invalid regex pattern",
    "Could not perform remote grading",
    "Error parsing output",
    "Unknown error fetching similarity",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    #[serde(default)]
    eval_id: Option<String>,
    #[serde(default)]
    test_idx: Option<u64>,
    #[serde(default)]
    prompt_idx: Option<u64>,
    #[serde(default)]
    prompt_id: Option<String>,
    #[serde(default)]
    provider: Option<Value>,
    #[serde(default)]
    grading_result: Option<Grading>,
    #[serde(default)]
    failure_reason: Option<Value>,
    #[serde(default)]
    response: Option<Response>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    test_case: Option<TestCase>,
    #[serde(default)]
    vars: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grading {
    #[serde(default)]
    component_results: Option<Vec<Component>>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    pass: Option<bool>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    assertion: Option<Assertion>,
}

#[derive(Deserialize)]
struct Assertion {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    metric: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    guardrails: Option<IgnoredAny>,
    #[serde(default)]
    metadata: Option<ResponseMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseMetadata {
    #[serde(default)]
    redteam_history: Option<Vec<Turn>>,
}

#[derive(Deserialize)]
struct Turn {
    #[serde(default)]
    guardrails: Option<IgnoredAny>,
}

impl Response {
    /// Whether the provider sent guardrail data: with its answer, or with the last turn of an attack of several.
    fn guarded(&self) -> bool {
        let last = || self.metadata.as_ref()?.redteam_history.as_ref()?.last()?.guardrails.as_ref();
        self.guardrails.is_some() || last().is_some()
    }
}

#[derive(Deserialize)]
struct TestCase {
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default, rename = "assert")]
    asserts: Option<Vec<Assertion>>,
}

/// Reads outputs. Fails on a line or document that is not JSON, other than a last line that was cut off.
pub(super) fn read(sources: &[Arc<Source>], options: &ReadOptions, progress: Progress<'_>) -> Result<(Gather, About)> {
    let columns = columns(options, &[CLUSTER], &JOIN);
    let several = sources.len() > 1;
    let (all, _) = each_source(sources, progress, &columns, |source, g| output(source, g, several))?;
    let mut seen = FxHashSet::default();
    let at = all.columns.iter().position(|c| c == CLUSTER).unwrap_or(0);
    let repeats = all.rows.iter().any(|r| !seen.insert(r.context[at].as_str()));
    let about = About {
        tool: Tool::Promptfoo,
        clusters: if repeats { vec![CLUSTER.into()] } else { Vec::new() },
        strata: Vec::new(),
        ask: "promptfoo says only whether an assertion passed",
        joined: false,
        separate: false,
        join: &JOIN,
    };
    Ok((all, about))
}

fn output(source: &Source, g: &mut Gather, several: bool) -> Result<()> {
    let run = g.run(&source.name);
    g.known.extend(OWN.map(str::to_owned));
    // Rows of JSON lines do not name their evaluation.
    let eval = if several { file_stem(&source.name) } else { String::new() };
    let mut reader = Reader { run, eval, repeats: FxHashMap::default(), no_data: 0, errors: 0, broken: 0 };
    if json::Outline::of(&source.head(1 << 16)?).has("results") {
        let mut input = source.reader()?;
        json::walk(&mut input, &[Want::Whole(&["evalId"]), Want::Each(&["results", "results"])], &mut |want, piece| {
            if want == 0 {
                reader.eval = json::parse::<Option<String>>(piece).ok().flatten().unwrap_or_default();
                return Ok(());
            }
            let row = json::parse(piece).map_err(|e| {
                Error::file(&source.name, format!("result {} is not as promptfoo writes it: {e}", g.rows.len() + 1))
                    .hinted("export the evaluation again")
            })?;
            reader.row(g, row);
            Ok(())
        })
        .map_err(|b| b.of(&source.name))?;
    } else {
        json::for_each_line(source, &mut |line| {
            match json::parse(line.text) {
                Ok(row) => reader.row(g, row),
                Err(_) if !line.whole => g.notes.push(format!("{}: the last line is cut off and left out", source.name)),
                Err(e) => {
                    return Err(bad_line(source, line.number, format!("is not as promptfoo writes it (character {}): {e}", e.column()))
                        .hinted("export the evaluation again"));
                }
            }
            Ok(())
        })?;
    }
    let Reader { no_data, errors, broken, .. } = reader;
    if broken > 0 {
        g.notes.push(format!("{}: {broken} assertions could not be judged, which promptfoo stores as failed; they are no verdicts", source.name));
    }
    if no_data > 0 {
        g.notes.push(format!(
            "{}: {no_data} `guardrails` assertions passed without any guardrail data from the provider; they are no verdicts",
            source.name
        ));
    }
    if errors > 0 {
        g.notes.push(format!("{}: {errors} calls ended in an error; their rows have no outcomes", source.name));
    }
    Ok(())
}

struct Reader {
    run: u32,
    eval: String,
    /// How often a test, prompt and provider has been seen: promptfoo's repeats have no number of their own.
    repeats: FxHashMap<String, u32>,
    no_data: u64,
    errors: u64,
    broken: u64,
}

impl Reader {
    fn row(&mut self, g: &mut Gather, o: Output) {
        let provider = match &o.provider {
            Some(Value::Object(p)) => p
                .get("label")
                .and_then(Value::as_str)
                .filter(|l| !l.is_empty())
                .or(p.get("id").and_then(Value::as_str))
                .unwrap_or_default()
                .to_owned(),
            Some(v) => json::cell_text(v),
            None => String::new(),
        };
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let (test, prompt) = (number(o.test_idx), number(o.prompt_idx));
        let eval = o.eval_id.clone().filter(|e| !e.is_empty()).unwrap_or_else(|| self.eval.clone());
        let known = o.metadata.iter().chain(o.test_case.iter().filter_map(|t| t.metadata.as_ref())).chain(&o.vars);
        if g.columns.iter().any(|c| !g.known.contains(c)) {
            g.known.extend(known.flat_map(|m| m.keys().cloned()));
        }
        let context = g.context(|name| {
            let own = match name {
                "test" => Some(test.clone()),
                "prompt" => Some(o.prompt_id.clone().unwrap_or_else(|| prompt.clone())),
                "provider" => Some(provider.clone()),
                "evalId" => Some(eval.clone()),
                CLUSTER => o.vars.as_ref().map(|v| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(Value::Object(v.clone()).to_string().as_bytes()))),
                _ => None,
            };
            let maps = [o.metadata.as_ref(), o.test_case.as_ref().and_then(|t| t.metadata.as_ref()), o.vars.as_ref()];
            own.or_else(|| maps.into_iter().flatten().find_map(|m| json::member(m, name)).map(json::cell_text))
        });
        let key = format!("{test}/{prompt}/{provider}");
        let repeat = self.repeats.entry(key.clone()).or_insert(0);
        let epoch = *repeat;
        *repeat += 1;
        let eval = if eval.is_empty() { String::new() } else { format!("{eval}/") };
        let trial = format!("{eval}{key}{}", if epoch > 0 { format!("/{epoch}") } else { String::new() });
        let failed_call = o.failure_reason.as_ref().is_some_and(|r| r.as_u64() == Some(2) || r == "error");
        self.errors += u64::from(failed_call);
        let guarded = o.response.as_ref().is_some_and(Response::guarded);
        let components = o.grading_result.and_then(|r| r.component_results).unwrap_or_default();
        let mut row = Row { trial, run: self.run, epoch, context, cells: Vec::new() };
        if failed_call {
            let asserts = o.test_case.and_then(|t| t.asserts).unwrap_or_default();
            for (i, assertion) in asserts.iter().enumerate() {
                let layer = g.layer(&layer_name(i, assertion), RULE);
                if row.cells.iter().all(|(l, _)| *l != layer) {
                    row.cells.push((layer, Cell::Missing(Reason::Error)));
                }
            }
            g.push(row);
            return;
        }
        for (i, component) in components.into_iter().enumerate() {
            // A result without its assertion is that of a set of assertions: their own results follow.
            let Some(assertion) = component.assertion else { continue };
            let no_data = assertion.kind.trim_start_matches("not-") == "guardrails" && !guarded;
            self.no_data += u64::from(no_data);
            let broken = component.reason.as_deref().is_some_and(|r| BROKEN.iter().any(|b| r.starts_with(b)));
            self.broken += u64::from(broken);
            let cell = match component.pass {
                _ if broken => Cell::Missing(Reason::Error),
                _ if no_data => Cell::Missing(Reason::NotRun),
                Some(pass) => Cell::Value(f64::from(u8::from(pass))),
                None => Cell::Missing(Reason::Unparsed),
            };
            let layer = g.layer(&layer_name(i, &assertion), RULE);
            // Two assertions of one metric: it passed where all of them did.
            match row.cells.iter_mut().find(|(l, _)| *l == layer) {
                None => row.cells.push((layer, cell)),
                Some((_, had)) => {
                    *had = match (*had, cell) {
                        (Cell::Value(a), Cell::Value(b)) => Cell::Value(a.min(b)),
                        (Cell::Missing(m), _) | (_, Cell::Missing(m)) => Cell::Missing(m),
                    }
                }
            }
        }
        g.push(row);
    }
}

fn layer_name(i: usize, a: &Assertion) -> String {
    a.metric.clone().filter(|m| !m.is_empty()).unwrap_or_else(|| format!("{}#{i}", a.kind))
}
