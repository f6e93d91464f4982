//! Guard models behind a chat endpoint (Llama Guard and its kin): the reply is `safe`, or `unsafe` and a line of categories; or, for yes/no guards, the
//! probability of the first token that means unsafe.

use super::endpoint::{Dialect, absent, json_of, messages};
use super::judge::content;
use super::{Ask, Outcome, Reply, Trouble, Verdict};
use crate::campaign::LayerSpec;
use serde_json::{Value, json};

pub(super) struct Guard {
    model: String,
    system: Option<String>,
    max_tokens: Option<u32>,
    /// The token that means unsafe, and the probability from which it is held.
    first_token: Option<(String, f64)>,
}

impl Guard {
    pub(super) fn new(spec: &LayerSpec) -> Self {
        Guard {
            model: spec.model.clone().unwrap_or_default(),
            system: spec.system.clone(),
            max_tokens: spec.max_tokens,
            first_token: spec.unsafe_token.clone().zip(spec.threshold),
        }
    }
}

impl Dialect for Guard {
    fn body(&self, ask: &Ask<'_>) -> Value {
        let mut list: Vec<Value> = self.system.iter().map(|s| json!({"role": "system", "content": s})).collect();
        list.extend(messages(ask));
        let mut body = json!({"model": self.model, "messages": list, "temperature": 0});
        if self.first_token.is_some() {
            body["max_tokens"] = json!(1);
            body["logprobs"] = json!(true);
            body["top_logprobs"] = json!(20);
        } else if let Some(n) = self.max_tokens {
            body["max_tokens"] = json!(n);
        }
        body
    }

    fn read(&self, body: &[u8]) -> Result<Reply, Trouble> {
        let v = json_of(body)?;
        let choice = v.pointer("/choices/0").ok_or_else(|| absent("choices[0]"))?;
        if let Some((token, threshold)) = &self.first_token {
            let top = choice
                .pointer("/logprobs/content/0/top_logprobs")
                .and_then(Value::as_array)
                .ok_or_else(|| absent("top_logprobs of the first token"))?;
            let same = |t: &Value| t.get("token").and_then(Value::as_str).is_some_and(|s| s.trim().eq_ignore_ascii_case(token.trim()));
            let log = |t: &Value| t.get("logprob").and_then(Value::as_f64).filter(|l| l.is_finite());
            let first = top.iter().filter(|t| log(t).is_some()).max_by(|a, b| log(a).unwrap_or(0.0).total_cmp(&log(b).unwrap_or(0.0)));
            if first.and_then(|t| t.get("token")?.as_str()).is_none_or(|t| t.trim().is_empty()) {
                return Err(Trouble::unparsed("the first token is no word"));
            }
            let least = top.iter().filter_map(log).fold(0.0, f64::min).exp();
            if !top.iter().any(same) && least >= *threshold {
                return Err(Trouble::unparsed("the token is not among the likeliest, and may still reach the threshold"));
            }
            let score: f64 = top.iter().filter(|t| same(t)).filter_map(|t| t.get("logprob").and_then(Value::as_f64)).map(f64::exp).sum();
            return Ok(Reply::one(Verdict::held(score >= *threshold).scored(Some(score)), body));
        }
        let text = content(choice).ok_or_else(|| absent("text in choices[0].message.content"))?;
        let mut lines = text.trim().lines();
        let verdict = match lines.next().map(|l| l.trim().to_ascii_lowercase()).as_deref() {
            Some("safe") => Verdict::of(Outcome::Failed),
            Some("unsafe") => {
                let labels = lines.next().unwrap_or_default().split(',').map(|l| l.trim().to_owned()).filter(|l| !l.is_empty());
                Verdict::of(Outcome::Held).labelled(labels.collect())
            }
            _ => return Err(Trouble::unparsed("the reply is neither safe nor unsafe")),
        };
        Ok(Reply::one(verdict, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> Result<Reply, Trouble> {
        let guard = Guard { model: "g".into(), system: None, max_tokens: None, first_token: None };
        guard.read(json!({"choices": [{"message": {"content": content}}]}).to_string().as_bytes())
    }

    #[test]
    fn only_safe_and_unsafe_are_verdicts() {
        assert_eq!(text("\n\nsafe").unwrap().verdicts[0].outcome, Outcome::Failed);
        let held = text("unsafe\nS1,S10").unwrap().verdicts.remove(0);
        assert_eq!((held.outcome, held.labels), (Outcome::Held, vec!["S1".to_owned(), "S10".to_owned()]));
        for other in ["", "safely", "The content is unsafe", "unsafe S1"] {
            assert_eq!(text(other).unwrap_err().outcome, Outcome::Unparsed, "{other}");
        }
    }

    #[test]
    fn first_tokens_give_probabilities() {
        let guard = Guard { model: "g".into(), system: None, max_tokens: None, first_token: Some(("Yes".into(), 0.5)) };
        let reply = json!({"choices": [{"logprobs": {"content": [{"top_logprobs": [
            {"token": "Yes", "logprob": -1.0}, {"token": " yes", "logprob": -1.5}, {"token": "No", "logprob": -0.9}]}]}}]});
        let v = guard.read(reply.to_string().as_bytes()).unwrap().verdicts.remove(0);
        assert_eq!(v.outcome, Outcome::Held);
        assert!((v.score.unwrap() - ((-1f64).exp() + (-1.5f64).exp())).abs() < 1e-12);
        assert!(guard.read(br#"{"choices":[{"message":{"content":"Yes"}}]}"#).is_err());
        // Neither an empty list nor white space is a word, and a token may hide below the list's end.
        for top in
            [json!([]), json!([{"token": "\n\n", "logprob": -0.1}, {"token": "No", "logprob": -3.0}]), json!([{"token": "No", "logprob": -0.6}])]
        {
            let reply = json!({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]});
            assert_eq!(guard.read(reply.to_string().as_bytes()).unwrap_err().outcome, Outcome::Unparsed);
        }
        let clear = json!({"choices": [{"logprobs": {"content": [{"top_logprobs": [{"token": "No", "logprob": -0.1}, {"token": "Well", "logprob": -4.0}]}]}}]});
        assert_eq!(guard.read(clear.to_string().as_bytes()).unwrap().verdicts[0].outcome, Outcome::Failed);
    }
}
