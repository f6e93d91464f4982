//! Layers that are functions of the program that runs the campaign: of a Python session above all.
//!
//! A function is asked on a thread of its own and answers with the object that a process answers with; one that is the model adds its `output`.

use super::answer::verdict;
use super::{Again, Ask, Layer, Outcome, Reply, Trouble};
use crate::campaign::{Kind, LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use coincide::FailsWhen;
use coincide_io::Key;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Answers about one trial: `{"outcome": "held"}`, or a `score` where the layer has a threshold; `labels`, a `reason`, and a model's `output` beside it.
///
/// ```
/// # use coincide_stress::{Ask, Function};
/// let short: Function = std::sync::Arc::new(|ask: Ask<'_>| {
///     Ok(serde_json::json!({ "outcome": if ask.prompt.len() > 100 { "held" } else { "failed" } }))
/// });
/// ```
pub type Function = Arc<dyn Fn(Ask<'_>) -> std::result::Result<Value, Trouble> + Send + Sync>;

/// Functions by the names of their layers.
pub type Functions = BTreeMap<String, Function>;

pub(super) struct FunctionLayer {
    function: Function,
    model: bool,
    threshold: Option<(f64, FailsWhen)>,
    /// Held by the thread that answers, not by who waits: a call that was given up still runs.
    threads: Arc<Semaphore>,
}

/// Fails on a function that is no layer of the campaign.
pub(super) fn check_names(file: &CampaignFile, functions: &Functions) -> Result<()> {
    let layers: Vec<&str> = file.campaign.layers.iter().filter(|l| l.kind() == Kind::Function).map(|l| l.name.as_str()).collect();
    match functions.keys().find(|name| !layers.contains(&name.as_str())) {
        Some(name) => Err(file
            .wrong(
                &[Key::Name("layers")],
                format!("no layer of kind function is called `{name}`"),
                &format!("[[layers]] with name = \"{name}\" and kind = \"function\""),
            )
            .into()),
        None => Ok(()),
    }
}

impl FunctionLayer {
    /// Fails at the layer's line where nobody gave its function.
    pub(super) fn new(file: &CampaignFile, layer: usize, spec: &LayerSpec, functions: &Functions) -> Result<FunctionLayer> {
        let function = functions.get(&spec.name).cloned().ok_or_else(|| {
            let what = format!("nobody gave the function of the layer `{}`", spec.name);
            let hint = format!("run the campaign from Python: coincide.stress(campaign, functions={{\"{}\": …}})", spec.name);
            file.wrong_layer(layer, "kind", what, &hint)
        })?;
        Ok(FunctionLayer {
            function,
            model: spec.stage() == Stage::Model,
            threshold: spec.threshold.zip(spec.fails_when),
            threads: Arc::new(Semaphore::new(spec.concurrency())),
        })
    }

    fn reply(&self, answer: &Value) -> std::result::Result<Reply, Trouble> {
        let verdict = verdict(answer, self.threshold)?;
        let output = answer.get("output").and_then(Value::as_str).map(str::to_owned);
        if self.model && verdict.outcome == Outcome::Failed && output.is_none() {
            return Err(Trouble::unparsed("the model's answer has no output"));
        }
        Ok(Reply { output: output.filter(|_| self.model), ..Reply::one(verdict, answer.to_string()) })
    }
}

impl Layer for FunctionLayer {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        Box::pin(async move {
            // Whoever asks has leave for as many calls as there are threads: if none is free, one that was given up still runs.
            let busy = || Trouble { again: Again::After(Duration::from_secs(1)), ..Trouble::passing("an earlier call has not come back") };
            let thread = Arc::clone(&self.threads).try_acquire_owned().map_err(|_| busy())?;
            let function = Arc::clone(&self.function);
            let (trial, attack, prompt, history) = (ask.trial.to_owned(), ask.attack.to_owned(), ask.prompt.to_owned(), ask.history.to_owned());
            let (output, stage) = (ask.output.map(str::to_owned), ask.stage);
            let answer = tokio::task::spawn_blocking(move || {
                let _thread = thread;
                function(Ask { trial: &trial, attack: &attack, stage, history: &history, prompt: &prompt, output: output.as_deref() })
            });
            self.reply(&answer.await.map_err(|_| Trouble::lasting("the function broke"))??)
        })
    }
}
