//! `POST /v1/moderations` (OpenAI's API): `results[0].flagged`, or the largest of `category_scores` against a threshold.

use super::endpoint::{Dialect, absent, json_of, text};
use super::{Ask, Reply, Trouble, Verdict};
use crate::campaign::LayerSpec;
use serde_json::{Value, json};

pub(super) struct Moderation {
    model: Option<String>,
    threshold: Option<f64>,
}

impl Moderation {
    pub(super) fn new(spec: &LayerSpec) -> Self {
        Moderation { model: spec.model.clone(), threshold: spec.threshold }
    }
}

impl Dialect for Moderation {
    fn body(&self, ask: &Ask<'_>) -> Value {
        let mut body = json!({"input": text(ask)});
        if let Some(m) = &self.model {
            body["model"] = json!(m);
        }
        body
    }

    fn read(&self, body: &[u8]) -> Result<Reply, Trouble> {
        let v = json_of(body)?;
        let result = v.pointer("/results/0").ok_or_else(|| absent("results[0]"))?;
        let scores = result.get("category_scores").and_then(Value::as_object);
        let score = scores.and_then(|s| s.values().filter_map(Value::as_f64).reduce(f64::max));
        let labels = result
            .get("categories")
            .and_then(Value::as_object)
            .map(|c| c.iter().filter(|x| x.1 == &Value::Bool(true)).map(|x| x.0.clone()).collect());
        let held = match (self.threshold, score) {
            (Some(t), Some(s)) => s >= t,
            (Some(_), None) => return Err(absent("category_scores")),
            (None, _) => result.get("flagged").and_then(Value::as_bool).ok_or_else(|| absent("results[0].flagged"))?,
        };
        Ok(Reply::one(Verdict::held(held).scored(score).labelled(labels.unwrap_or_default()), body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Outcome;

    /// A reply recorded from the API's documentation.
    #[test]
    fn flags_and_scores() {
        let reply = br#"{"id":"modr","model":"omni","results":[{"flagged":true,"categories":{"violence":true,"hate":false},"category_scores":{"violence":0.9,"hate":0.01}}]}"#;
        let flag = Moderation { model: None, threshold: None }.read(reply).unwrap();
        assert_eq!((flag.verdicts[0].outcome, flag.verdicts[0].score), (Outcome::Held, Some(0.9)));
        assert_eq!(flag.verdicts[0].labels, ["violence"]);
        let strict = Moderation { model: None, threshold: Some(0.95) }.read(reply).unwrap();
        assert_eq!(strict.verdicts[0].outcome, Outcome::Failed);
        assert_eq!(Moderation { model: None, threshold: None }.read(br#"{"results":[]}"#).unwrap_err().outcome, Outcome::Unparsed);
    }
}
