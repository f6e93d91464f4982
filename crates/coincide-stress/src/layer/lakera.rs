//! Lakera-style guards, `POST /v2/guard`: `flagged`, and with `breakdown` what each detector says. Detectors named in the campaign are layers of their own, from
//! one call.

use super::endpoint::{Dialect, absent, json_of, messages};
use super::{Ask, Outcome, Reply, Trouble, Verdict};
use crate::campaign::LayerSpec;
use serde_json::{Value, json};

pub(super) struct Lakera {
    detectors: Vec<String>,
}

impl Lakera {
    pub(super) fn new(spec: &LayerSpec) -> Self {
        Lakera { detectors: spec.detectors.clone() }
    }
}

impl Dialect for Lakera {
    fn body(&self, ask: &Ask<'_>) -> Value {
        json!({"messages": messages(ask), "breakdown": true})
    }

    fn read(&self, body: &[u8]) -> Result<Reply, Trouble> {
        let v = json_of(body)?;
        let flagged = v.get("flagged").and_then(Value::as_bool).ok_or_else(|| absent("flagged"))?;
        let breakdown = v.get("breakdown").and_then(Value::as_array);
        let name = |d: &Value| d.get("detector_type").or_else(|| d.get("detector_id")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let detected = |d: &Value| d.get("detected").and_then(Value::as_bool);
        if self.detectors.is_empty() {
            let labels = breakdown.into_iter().flatten().filter(|d| detected(d) == Some(true)).map(name).collect();
            return Ok(Reply::one(Verdict::held(flagged).labelled(labels), body));
        }
        let list = breakdown.ok_or_else(|| absent("breakdown"))?;
        // A family of detectors answers with several entries, `moderated_content/hate` and so on: one that speaks is enough.
        let one = |wanted: &String| {
            let own = list.iter().filter(|d| {
                let n = name(d);
                n == *wanted || n.strip_prefix(wanted.as_str()).is_some_and(|r| r.starts_with('/'))
            });
            let said: Vec<bool> = own.filter_map(detected).collect();
            if said.is_empty() {
                return Verdict::missing(Outcome::Unparsed, "the breakdown does not name this detector");
            }
            Verdict::held(said.contains(&true))
        };
        Ok(Reply { verdicts: self.detectors.iter().map(one).collect(), output: None, raw: body.to_vec(), calls: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply recorded from the API's documentation.
    #[test]
    fn detectors_are_layers() {
        let reply = br#"{"flagged":true,"breakdown":[{"detector_type":"prompt_attack","detected":true},{"detector_type":"moderated_content/hate","detected":false},{"detector_type":"moderated_content/crime","detected":false}]}"#;
        let whole = Lakera { detectors: vec![] }.read(reply).unwrap();
        assert_eq!((whole.verdicts[0].outcome, whole.verdicts[0].labels.as_slice()), (Outcome::Held, &["prompt_attack".to_owned()][..]));
        let each = Lakera { detectors: ["prompt_attack", "moderated_content", "pii"].map(str::to_owned).to_vec() }.read(reply).unwrap();
        let outcomes: Vec<Outcome> = each.verdicts.iter().map(|v| v.outcome).collect();
        assert_eq!(outcomes, [Outcome::Held, Outcome::Failed, Outcome::Unparsed]);
    }
}
