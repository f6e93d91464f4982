//! Calls over HTTP, cut off where a hostile or broken endpoint would cost more than its own cell: size of reply and head, redirects, time.

use super::{Again, Ask, Layer, Outcome, Reply, Trouble};
use crate::campaign::{LayerSpec, Stage};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use coincide_io::Key;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of a reply, where the campaign does not say.
const MAX_REPLY: usize = 1 << 20;

/// How one kind of endpoint is spoken to. Nothing here touches the network.
pub(super) trait Dialect: Send + Sync {
    /// The request.
    fn body(&self, ask: &Ask<'_>) -> Value;
    /// What a reply with status 2xx says.
    fn read(&self, body: &[u8]) -> std::result::Result<Reply, Trouble>;
}

/// An address with everything needed to call it.
pub(super) struct Endpoint {
    client: reqwest::Client,
    url: reqwest::Url,
    headers: HeaderMap,
    max_reply: usize,
}

/// A status and a body, whole.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Endpoint {
    /// The endpoint of a layer. Fails at the key that does not hold.
    pub(super) fn new(file: &CampaignFile, layer: usize, spec: &LayerSpec) -> Result<Endpoint> {
        let url = spec.url.as_deref().unwrap_or_default();
        Self::at(file, &[Key::Name("layers"), Key::At(layer)], url, spec.key_env.as_deref(), &spec.headers, spec)
    }

    /// An address with the key and headers that are meant for it, of what stands at `place` in the campaign.
    pub(super) fn at(
        file: &CampaignFile,
        place: &[Key<'_>],
        url: &str,
        key_env: Option<&str>,
        own: &BTreeMap<String, String>,
        spec: &LayerSpec,
    ) -> Result<Endpoint> {
        let wrong = |key: &str, what: String, hint: &str| file.wrong(&[place, &[Key::Name(key)]].concat(), what, hint);
        let url: reqwest::Url =
            url.parse().map_err(|e| wrong("url", format!("`{url}` is not an address: {e}"), "the whole endpoint, with http:// or https://"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("url", "keys never stand in files".into(), "name an environment variable: key_env = \"…\"").into());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in own {
            let key: HeaderName =
                name.parse().map_err(|_| wrong("headers", format!("`{name}` is not a header's name"), "letters, digits and dashes"))?;
            let text = match value.strip_prefix("env:") {
                Some(var) => std::env::var(var).unwrap_or_default(),
                None => value.clone(),
            };
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| wrong("headers", format!("the value of `{name}` cannot be sent"), "printable ASCII characters"))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        if let Some(var) = key_env {
            let key = std::env::var(var).unwrap_or_default();
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| wrong("key_env", format!("the value of `{var}` cannot be sent"), "printable ASCII characters"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback());
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("coincide/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(spec.concurrency());
        if loopback {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|e| wrong("url", format!("cannot be called: {e}"), "check the system's certificates"))?;
        Ok(Endpoint { client, url, headers, max_reply: spec.max_reply.unwrap_or(MAX_REPLY) })
    }

    /// Posts JSON. An answer is any status that says something about this request; everything else is trouble.
    pub(super) async fn post(&self, body: &Value) -> std::result::Result<Answer, Trouble> {
        let sent = self.client.post(self.url.clone()).headers(self.headers.clone()).header("content-type", "application/json").body(body.to_string());
        let mut response = sent.send().await.map_err(|e| failed(&e))?;
        let status = response.status();
        if status.is_redirection() {
            // Following would hand the prompt, and maybe the key, to somebody else.
            let why = format!("HTTP {}: redirects are not followed; put the final address in the campaign", status.as_u16());
            return Err(Trouble { again: Again::Refused, ..Trouble::lasting(why) });
        }
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            let wait =
                response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse::<f64>().ok()).filter(|s| *s >= 0.0 && s.is_finite());
            let again = wait.map_or(Again::Later, |s| Again::After(Duration::from_secs_f64(s.min(600.0))));
            return Err(Trouble { again, ..Trouble::passing(format!("HTTP {}", status.as_u16())) });
        }
        if response.content_length().is_some_and(|n| n > self.max_reply as u64) {
            return Err(self.too_long());
        }
        let mut out = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failed(&e))? {
            if out.len() + chunk.len() > self.max_reply {
                return Err(self.too_long());
            }
            out.extend_from_slice(&chunk);
        }
        Ok(Answer { status: status.as_u16(), body: out })
    }

    fn too_long(&self) -> Trouble {
        Trouble::unparsed(format!("the reply is longer than {} bytes", self.max_reply))
    }
}

/// What went wrong between us, without the address (it is the campaign's) and without anything from the reply.
fn failed(e: &reqwest::Error) -> Trouble {
    let what = if e.is_timeout() {
        "took too long"
    } else if e.is_connect() {
        "cannot be reached"
    } else if e.is_body() || e.is_decode() {
        "broke off in its reply"
    } else {
        "does not speak HTTP"
    };
    // The innermost cause says most.
    let mut inner: &dyn std::error::Error = e;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let cause: String = inner.to_string().chars().take(120).collect();
    Trouble::passing(format!("the endpoint {what}: {cause}"))
}

/// A layer that is one endpoint and one dialect.
pub(super) struct Http {
    endpoint: Endpoint,
    dialect: Box<dyn Dialect>,
}

impl Http {
    pub(super) fn new(endpoint: Endpoint, dialect: Box<dyn Dialect>) -> Self {
        Http { endpoint, dialect }
    }
}

impl Layer for Http {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        Box::pin(async move {
            let answer = self.endpoint.post(&self.dialect.body(&ask)).await?;
            if !(200..300).contains(&answer.status) {
                return Err(refused(&answer));
            }
            self.dialect.read(&answer.body)
        })
    }
}

/// A status that is no answer, with the code that the body gives; its text may quote the prompt or the key and is left out.
pub(super) fn refused(answer: &Answer) -> Trouble {
    let code = serde_json::from_slice::<Value>(&answer.body).ok().and_then(|v| error_code(&v)).map(|c| format!(" ({c})")).unwrap_or_default();
    let again = if matches!(answer.status, 401 | 403 | 404 | 405) { Again::Refused } else { Again::No };
    Trouble { again, ..Trouble::lasting(format!("HTTP {}{code}", answer.status)) }
}

/// `error.code`, else `error.type`, where it is a plain word.
pub(super) fn error_code(v: &Value) -> Option<String> {
    let word = |p: &str| {
        v.pointer(p).and_then(Value::as_str).filter(|c| c.len() <= 60 && c.chars().all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c)))
    };
    word("/error/code").or_else(|| word("/error/type")).map(str::to_owned)
}

/// A reply as JSON. Fails on what is none, on invalid UTF-8 and on more than 128 levels.
pub(super) fn json_of(body: &[u8]) -> std::result::Result<Value, Trouble> {
    serde_json::from_slice(body).map_err(|e| {
        let text = e.to_string();
        let why = if std::str::from_utf8(body).is_err() {
            "not UTF-8"
        } else if text.contains("recursion limit") {
            "nested too deeply"
        } else if e.is_eof() {
            "cut short"
        } else {
            "not JSON"
        };
        Trouble::unparsed(format!("the reply is {why}"))
    })
}

/// A missing place in a reply.
pub(super) fn absent(what: &str) -> Trouble {
    Trouble::unparsed(format!("the reply has no {what}"))
}

/// The messages that a layer sees, as chat messages.
pub(super) fn messages(ask: &Ask<'_>) -> Vec<Value> {
    let answer = ask.output.filter(|_| ask.stage.after_the_model());
    let before = ask.history.iter().map(|m| json!(m));
    let last = [Some(json!({"role": "user", "content": ask.prompt})), answer.map(|a| json!({"role": "assistant", "content": a}))];
    before.chain(last.into_iter().flatten()).collect()
}

/// The text that a layer sees, where there is room for one only: of a conversation the last message, and all of it where the layer judges the exchange.
pub(super) fn text(ask: &Ask<'_>) -> String {
    match (ask.stage, ask.output) {
        (Stage::Output, Some(output)) => output.to_owned(),
        (Stage::Transcript, Some(output)) => format!("{}\n\n{output}", ask.conversation()),
        _ => ask.prompt.to_owned(),
    }
}

/// Fills `{name}` in one pass, so that braces in what is filled in stay as they are.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    'next: while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        for (name, value) in values {
            if let Some(after) = rest[at + 1..].strip_prefix(name).and_then(|r| r.strip_prefix('}')) {
                out.push_str(value);
                rest = after;
                continue 'next;
            }
        }
        out.push('{');
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

/// Whether an outcome follows from a score.
pub(super) fn by_threshold(score: f64, threshold: f64, fails_when: coincide::FailsWhen) -> Outcome {
    let failed = match fails_when {
        coincide::FailsWhen::Below => score < threshold,
        coincide::FailsWhen::Above => score > threshold,
    };
    if failed { Outcome::Failed } else { Outcome::Held }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_one_pass() {
        let values = [("prompt", "a {response} b"), ("response", "R")];
        assert_eq!(fill("{prompt}|{response}|{other}|{", &values), "a {response} b|R|{other}|{");
    }
}
