//! LiteLLM's generic guardrail: `{texts, input_type}` → `action` of `BLOCKED`, `NONE` or `GUARDRAIL_INTERVENED` (the text was rewritten and goes on).

use super::endpoint::{Dialect, absent, json_of};
use super::{Ask, Outcome, Reply, Trouble, Verdict};
use crate::campaign::Stage;
use serde_json::{Value, json};

pub(super) struct Litellm;

impl Dialect for Litellm {
    fn body(&self, ask: &Ask<'_>) -> Value {
        let conversation = ask.conversation();
        let texts: Vec<&str> = match (ask.stage, ask.output) {
            (Stage::Output, Some(o)) => vec![o],
            (Stage::Transcript, Some(o)) => vec![&conversation, o],
            _ => vec![ask.prompt],
        };
        let kind = if ask.stage.after_the_model() { "response" } else { "request" };
        json!({"texts": texts, "input_type": kind})
    }

    fn read(&self, body: &[u8]) -> Result<Reply, Trouble> {
        let v = json_of(body)?;
        let verdict = match v.get("action").and_then(Value::as_str) {
            Some("BLOCKED") => Verdict::of(Outcome::Held),
            Some("NONE") => Verdict::of(Outcome::Failed),
            Some("GUARDRAIL_INTERVENED") => Verdict::of(Outcome::Failed).labelled(vec!["modified".into()]),
            _ => return Err(absent("action of BLOCKED, NONE or GUARDRAIL_INTERVENED")),
        };
        Ok(Reply::one(verdict, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions() {
        let of = |a: &str| Litellm.read(json!({"action": a, "blocked_reason": null, "texts": null}).to_string().as_bytes());
        assert_eq!(of("BLOCKED").unwrap().verdicts[0].outcome, Outcome::Held);
        assert_eq!(of("NONE").unwrap().verdicts[0].outcome, Outcome::Failed);
        assert_eq!(of("GUARDRAIL_INTERVENED").unwrap().verdicts[0].labels, ["modified"]);
        assert_eq!(of("none").unwrap_err().outcome, Outcome::Unparsed);
    }
}
