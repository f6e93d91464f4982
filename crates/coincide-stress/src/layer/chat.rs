//! A target model behind `POST /v1/chat/completions` (OpenAI's API, vLLM, LiteLLM, llama.cpp and many more). Its refusal is a layer: `message.refusal`,
//! `finish_reason = "content_filter"`, HTTP 400 with the code `content_filter`, a pattern of the campaign, or a judge's word.

use super::endpoint::{Answer, Dialect, Endpoint, absent, error_code, json_of, messages, refused};
use super::judge::{Judge, content};
use super::rules::pattern;
use super::{Ask, Layer, Outcome, Reply, Trouble, Verdict};
use crate::campaign::{LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use coincide_io::Key;
use futures_util::future::BoxFuture;
use regex::Regex;
use serde_json::{Value, json};

/// A target and, where there is one, the judge of its answers.
pub(super) struct Target {
    endpoint: Endpoint,
    spec: LayerSpec,
    refusals: Vec<Regex>,
    judge: Option<(Endpoint, Judge)>,
}

/// Labels of a target that refused, as opposed to one whose answer a judge found harmless.
const REFUSALS: [&str; 3] = ["content_filter", "refusal", "pattern"];

/// Whether a target's verdict is a refusal.
pub(crate) fn is_refusal(verdict: &Verdict) -> bool {
    verdict.outcome == Outcome::Held && verdict.labels.iter().any(|l| REFUSALS.contains(&l.as_str()))
}

/// What a target did.
#[derive(Debug, PartialEq)]
enum Answered {
    Refused(&'static str, Option<String>),
    Text(String),
}

impl Target {
    pub(super) fn new(file: &CampaignFile, layer: usize, spec: &LayerSpec) -> Result<Target> {
        let refusals = spec.refusals.iter().map(|p| pattern(file, layer, "refusals", p, false)).collect::<Result<_>>()?;
        let judge = match &spec.judge {
            Some(j) => {
                let place = [Key::Name("layers"), Key::At(layer), Key::Name("judge")];
                Some((Endpoint::at(file, &place, &j.url, j.key_env.as_deref(), &Default::default(), spec)?, Judge::of_target(file, layer, j)?))
            }
            None => None,
        };
        Ok(Target { endpoint: Endpoint::new(file, layer, spec)?, spec: spec.clone(), refusals, judge })
    }

    /// A model that is no layer: whoever attacks, or watches the attacker. `place` is where the campaign names it.
    pub(super) fn helper(file: &CampaignFile, place: &[Key<'_>], spec: &LayerSpec) -> Result<Target> {
        let url = spec.url.as_deref().unwrap_or_default();
        let endpoint = Endpoint::at(file, place, url, spec.key_env.as_deref(), &spec.headers, spec)?;
        Ok(Target { endpoint, spec: spec.clone(), refusals: Vec::new(), judge: None })
    }
}

fn body(spec: &LayerSpec, ask: &Ask<'_>) -> Value {
    let mut list = Vec::new();
    list.extend(spec.system.iter().map(|s| json!({"role": "system", "content": s})));
    list.extend(messages(ask));
    let mut body = json!({"model": spec.model, "messages": list});
    if let Some(n) = spec.max_tokens {
        body["max_tokens"] = json!(n);
    }
    if let Some(t) = spec.temperature {
        body["temperature"] = json!(t);
    }
    body
}

fn read(answer: &Answer) -> std::result::Result<Answered, Trouble> {
    if answer.status == 400 {
        let filtered = json_of(&answer.body).ok().and_then(|v| error_code(&v)).is_some_and(|c| c == "content_filter");
        return if filtered { Ok(Answered::Refused("content_filter", None)) } else { Err(refused(answer)) };
    }
    if !(200..300).contains(&answer.status) {
        return Err(refused(answer));
    }
    let v = json_of(&answer.body)?;
    let choice = v.pointer("/choices/0").ok_or_else(|| absent("choices[0]"))?;
    let text = content(choice);
    if let Some(refusal) = choice.pointer("/message/refusal").and_then(Value::as_str).filter(|r| !r.is_empty()) {
        return Ok(Answered::Refused("refusal", Some(refusal.to_owned())));
    }
    if choice.get("finish_reason").and_then(Value::as_str) == Some("content_filter") {
        return Ok(Answered::Refused("content_filter", text));
    }
    // Nothing said (all tokens spent on thinking, or a call of a tool) is neither a refusal nor an answer.
    text.filter(|t| !t.trim().is_empty()).map(Answered::Text).ok_or_else(|| absent("text in choices[0].message.content"))
}

impl Layer for Target {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        Box::pin(async move {
            let answer = self.endpoint.post(&body(&self.spec, &ask)).await?;
            let mut calls = 1;
            let (verdict, output) = match read(&answer)? {
                Answered::Refused(how, text) => (Verdict::of(Outcome::Held).labelled(vec![how.into()]), text),
                Answered::Text(text) if self.refusals.iter().any(|r| r.is_match(&text)) => {
                    (Verdict::of(Outcome::Held).labelled(vec!["pattern".into()]), Some(text))
                }
                Answered::Text(text) => {
                    let verdict = match &self.judge {
                        None => Verdict::of(Outcome::Failed),
                        Some((endpoint, judge)) => {
                            let ask = Ask { stage: Stage::Transcript, output: Some(&text), ..ask };
                            calls += 1;
                            let by_the_judge = |t: Trouble| Trouble { why: format!("the judge: {}", t.why), calls: 2, ..t };
                            let judged = endpoint.post(&judge.body(&ask)).await.map_err(by_the_judge)?;
                            if !(200..300).contains(&judged.status) {
                                return Err(by_the_judge(refused(&judged)));
                            }
                            let said = judge.read(&judged.body).map_err(by_the_judge)?;
                            said.verdicts.into_iter().next().unwrap_or_else(|| Verdict::missing(Outcome::Unparsed, "the judge said nothing"))
                        }
                    };
                    (verdict, Some(text))
                }
            };
            Ok(Reply { verdicts: vec![verdict], output, raw: answer.body, calls })
        })
    }
}

#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    for status in [200, 400, 404] {
        let _ = read(&Answer { status, body: bytes.to_vec() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> std::result::Result<Answered, Trouble> {
        read(&Answer { status, body: body.as_bytes().to_vec() })
    }

    /// Replies recorded from the API's documentation and servers.
    #[test]
    fn refusals_are_told_from_answers() {
        assert_eq!(of(200, r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#), Ok(Answered::Text("Hi".into())));
        assert_eq!(
            of(200, r#"{"choices":[{"message":{"content":null,"refusal":"I cannot"},"finish_reason":"stop"}]}"#),
            Ok(Answered::Refused("refusal", Some("I cannot".into())))
        );
        assert_eq!(
            of(200, r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#),
            Ok(Answered::Refused("content_filter", Some(String::new())))
        );
        assert_eq!(of(400, r#"{"error":{"code":"content_filter","message":"…"}}"#), Ok(Answered::Refused("content_filter", None)));
        assert_eq!(of(400, r#"{"error":{"code":"context_length_exceeded"}}"#).unwrap_err().why, "HTTP 400 (context_length_exceeded)");
        assert_eq!(of(200, r#"{"choices":[{"message":{"content":" "},"finish_reason":"length"}]}"#).unwrap_err().outcome, Outcome::Unparsed);
        assert_eq!(of(200, r#"{"choices":[]}"#).unwrap_err().outcome, Outcome::Unparsed);
        assert_eq!(
            of(200, r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}"#),
            Ok(Answered::Text("ab".into()))
        );
        assert_eq!(of(200, r#"{"choices":[{"message":{"tool_calls":[]}}]}"#).unwrap_err().outcome, Outcome::Unparsed);
    }
}
