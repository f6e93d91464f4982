//! What programs and functions answer: a JSON object with an outcome or a score.

use super::endpoint::by_threshold;
use super::{Outcome, Trouble, Verdict};
use serde_json::Value;

/// The verdict in an answer: `outcome`, or a `score` alone where there is a threshold; `labels` and a `reason` where it has them.
pub(super) fn verdict(v: &Value, threshold: Option<(f64, coincide::FailsWhen)>) -> Result<Verdict, Trouble> {
    let score = v.get("score").and_then(Value::as_f64).filter(|s| s.is_finite());
    let labels = v.get("labels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let reason = v.get("reason").and_then(Value::as_str).map(|r| r.chars().take(200).collect::<String>());
    let outcome = match (v.get("outcome").and_then(Value::as_str), threshold, score) {
        (Some("held"), ..) => Outcome::Held,
        (Some("failed"), ..) => Outcome::Failed,
        (Some("abstain"), ..) => Outcome::Abstain,
        (Some("error"), ..) => Outcome::Error,
        (Some("unparsed"), ..) => Outcome::Unparsed,
        (Some(_), ..) => return Err(Trouble::unparsed("the answer's outcome is none of held, failed, abstain, error")),
        (None, Some((t, side)), Some(s)) => by_threshold(s, t, side),
        (None, ..) => return Err(Trouble::unparsed("the answer has no outcome")),
    };
    Ok(Verdict { reason, ..Verdict::of(outcome).scored(score).labelled(labels) })
}
