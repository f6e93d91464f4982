//! Any endpoint that takes and gives JSON: a body with places to fill in, and pointers (RFC 6901) to the verdict, a score and labels.

use super::endpoint::{Dialect, absent, by_threshold, fill, json_of, messages};
use super::{Ask, Outcome, Reply, Trouble, Verdict};
use crate::campaign::LayerSpec;
use serde_json::Value;

pub(super) struct Generic(LayerSpec);

impl Generic {
    pub(super) fn new(spec: &LayerSpec) -> Self {
        Generic(spec.clone())
    }
}

fn filled(template: &Value, ask: &Ask<'_>) -> Value {
    match template {
        Value::String(s) if s == "{messages}" => Value::Array(messages(ask)),
        Value::String(s) => Value::String(fill(
            s,
            &[("prompt", ask.prompt), ("output", ask.output.unwrap_or_default()), ("stage", ask.stage.word()), ("trial", ask.trial)],
        )),
        Value::Array(a) => Value::Array(a.iter().map(|v| filled(v, ask)).collect()),
        Value::Object(o) => Value::Object(o.iter().map(|(k, v)| (k.clone(), filled(v, ask))).collect()),
        other => other.clone(),
    }
}

/// A verdict's value as text.
fn plain(v: &Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s.clone()),
        Value::Bool(_) | Value::Number(_) => Some(v.to_string()),
        _ => None,
    }
}

/// Labels: texts of an array, keys of an object that are true, or one text.
fn labels(v: &Value) -> Vec<String> {
    match v {
        Value::String(s) => vec![s.clone()],
        Value::Array(a) => a.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Object(o) => o.iter().filter(|x| x.1 == &Value::Bool(true)).map(|x| x.0.clone()).collect(),
        _ => Vec::new(),
    }
}

impl Dialect for Generic {
    fn body(&self, ask: &Ask<'_>) -> Value {
        filled(self.0.body.as_ref().unwrap_or(&Value::Null), ask)
    }

    fn read(&self, body: &[u8]) -> Result<Reply, Trouble> {
        let v = json_of(body)?;
        let s = &self.0;
        let at = |pointer: &Option<String>| pointer.as_deref().map(|p| v.pointer(p));
        let score = at(&s.score).flatten().and_then(Value::as_f64);
        let found = at(&s.labels).flatten().map(labels).unwrap_or_default();
        let outcome = match at(&s.verdict) {
            Some(value) => {
                let yes_or_no = value.is_some_and(Value::is_boolean);
                let text = value.and_then(plain).ok_or_else(|| absent(&format!("verdict at {}", s.verdict.as_deref().unwrap_or_default())))?;
                match (s.held_when.contains(&text), s.failed_when.contains(&text)) {
                    (true, false) => Outcome::Held,
                    (false, true) => Outcome::Failed,
                    // Of yes and no, one leaves the other; of other words, one leaves everything open.
                    (false, false) if yes_or_no && s.failed_when.is_empty() => Outcome::Failed,
                    (false, false) if yes_or_no && s.held_when.is_empty() => Outcome::Held,
                    _ => return Err(Trouble::unparsed("the verdict is neither of held_when nor of failed_when")),
                }
            }
            None => {
                let score = score.ok_or_else(|| absent(&format!("number at {}", s.score.as_deref().unwrap_or_default())))?;
                let (threshold, side) = s.threshold.zip(s.fails_when).ok_or_else(|| absent("threshold"))?;
                by_threshold(score, threshold, side)
            }
        };
        Ok(Reply::one(Verdict::of(outcome).scored(score).labelled(found), body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Stage;
    use serde_json::json;

    #[test]
    fn bodies_are_filled_and_replies_read_by_pointer() {
        let ask = Ask { trial: "t", attack: "a", stage: Stage::Transcript, history: &[], prompt: "p {output}", output: Some("o") };
        let spec = LayerSpec {
            body: Some(json!({"q": "{prompt}/{output}", "m": "{messages}", "n": 1})),
            verdict: Some("/a/0/flag".into()),
            held_when: vec!["true".into()],
            score: Some("/s".into()),
            labels: Some("/l".into()),
            ..LayerSpec::default()
        };
        let g = Generic::new(&spec);
        let body = g.body(&ask);
        assert_eq!(body["q"], "p {output}/o");
        assert_eq!(body["m"][1]["role"], "assistant");
        let v = g.read(br#"{"a":[{"flag":true}],"s":0.25,"l":{"x":true,"y":false}}"#).unwrap().verdicts.remove(0);
        assert_eq!((v.outcome, v.score, v.labels), (Outcome::Held, Some(0.25), vec!["x".to_owned()]));
        assert_eq!(g.read(br#"{"a":[{"flag":false}]}"#).unwrap().verdicts[0].outcome, Outcome::Failed);
        assert_eq!(g.read(br#"{"a":[{"flag":"timeout"}]}"#).unwrap_err().outcome, Outcome::Unparsed);
        assert_eq!(g.read(br#"{"a":[]}"#).unwrap_err().outcome, Outcome::Unparsed);
        let both = Generic::new(&LayerSpec { failed_when: vec!["false".into()], ..spec });
        assert_eq!(both.read(br#"{"a":[{"flag":"maybe"}]}"#).unwrap_err().outcome, Outcome::Unparsed);
    }
}
