//! NeMo Guardrails, `POST /v1/checks`: `status` is `passed`, `modified` or `blocked`. The first rail that blocks cancels the others, so a joint run needs a
//! configuration a rail.

use super::endpoint::{Dialect, absent, json_of, messages};
use super::{Ask, Outcome, Reply, Trouble, Verdict};
use crate::campaign::{LayerSpec, Stage};
use serde_json::{Value, json};

pub(super) struct Nemo {
    model: Option<String>,
    config_ids: Vec<String>,
    rail_types: Vec<String>,
}

impl Nemo {
    pub(super) fn new(spec: &LayerSpec) -> Self {
        Nemo { model: spec.model.clone(), config_ids: spec.config_ids.clone(), rail_types: spec.rail_types.clone() }
    }
}

impl Dialect for Nemo {
    fn body(&self, ask: &Ask<'_>) -> Value {
        let by_stage: &[&str] = match ask.stage {
            Stage::Input | Stage::Model => &["input"],
            Stage::Output => &["output"],
            Stage::Transcript => &["input", "output"],
        };
        let rails: Vec<&str> = if self.rail_types.is_empty() { by_stage.to_vec() } else { self.rail_types.iter().map(String::as_str).collect() };
        let mut guardrails = json!({"rail_types": rails});
        if !self.config_ids.is_empty() {
            guardrails["config_ids"] = json!(self.config_ids);
        }
        json!({"model": self.model.as_deref().unwrap_or("none"), "messages": messages(ask), "guardrails": guardrails})
    }

    fn read(&self, body: &[u8]) -> Result<Reply, Trouble> {
        let v = json_of(body)?;
        let rail = v.get("rail").and_then(Value::as_str).map(str::to_owned);
        let verdict = match v.get("status").and_then(Value::as_str) {
            Some("blocked") => Verdict::of(Outcome::Held).labelled(rail.into_iter().collect()),
            // A rewritten text goes on: the layer did not stop it.
            Some("modified") => Verdict::of(Outcome::Failed).labelled(std::iter::once("modified".to_owned()).chain(rail).collect()),
            Some("passed") => Verdict::of(Outcome::Failed),
            _ => return Err(absent("status of passed, modified or blocked")),
        };
        Ok(Reply::one(verdict, body))
    }
}
