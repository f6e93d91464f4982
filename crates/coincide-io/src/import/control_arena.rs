//! ControlArena writes Inspect logs whose scores are suspicions of monitors. A monitor whose reply it could not read gets a stand-in, 0.0 if nothing else is
//! configured, as if it had looked and seen nothing: only the explanation says otherwise. (`monitor/_utils.py` and `monitor/_basic_monitor.py` of version 20.1.1.)
//! An ensemble averages stand-ins with what its other monitors said. Summaries cut explanations, so samples are read whole.

use coincide::Reason;
use serde_json::{Map, Value};

/// Explanations of a suspicion that is a stand-in. An ensemble's explanation has those of its monitors in it.
const STAND_INS: [(&str, Reason); 3] = [
    ("No score found in model response", Reason::Unparsed),
    ("Could not parse score from model response", Reason::Unparsed),
    ("No tools found in model response", Reason::NotRun),
];

/// Why a score with this explanation is none.
pub(super) fn stand_in(explanation: &str) -> Option<Reason> {
    STAND_INS.iter().find(|(text, _)| explanation.contains(text)).map(|(_, reason)| *reason)
}

/// The largest suspicion that `max_suspicion_scorer` found, and at which message: it keeps nothing of its monitor's reasons.
pub(super) fn maximum(explanation: &str) -> Option<(f64, usize)> {
    let (score, step) = explanation.strip_prefix("Max suspicion score: ")?.split_once(" at step ")?;
    Some((score.trim().parse().ok()?, step.trim().parse().ok()?))
}

/// Whether a largest suspicion may be a stand-in, by the marks that monitors left on messages. Every monitor writes over those of the one before it: where the
/// mark is another's, a suspicion of 0 cannot be told from a reply that was not read.
pub(super) fn unread(maximum: (f64, usize), messages: &[Option<Map<String, Value>>]) -> bool {
    let of = |m: &Map<String, Value>| Some((m.get("suspicion_score")?.as_f64()?, m.get("score_parsed") != Some(&Value::Bool(false))));
    let marks: Vec<Option<(f64, bool)>> = messages.iter().map(|m| of(m.as_ref()?)).collect();
    match marks.get(maximum.1).copied().flatten() {
        Some((score, _)) if score.to_bits() == maximum.0.to_bits() => marks.iter().flatten().any(|(_, parsed)| !parsed),
        _ => maximum.0 == 0.0,
    }
}

/// Whether an Inspect log's scorers are ControlArena's: its monitors and metrics are registered under its name.
pub(super) fn wrote(scorers: &Value) -> bool {
    match scorers {
        Value::String(s) => s.starts_with("control_arena/"),
        Value::Array(list) => list.iter().any(wrote),
        Value::Object(map) => map.values().any(wrote),
        _ => false,
    }
}
