//! The results document of a job: what was computed, with the sentences that every rendering shows.

use crate::answer::answer;
use crate::checked::{checked_answer, unchecked_sentence};
use crate::conclusions::conclusions;
use crate::models::fit_answer;
use crate::sections::assessment_answer;
use coincide::{Analysis, Progress};
use coincide_io::{Assessed, DOCUMENT_VERSION, Error, Job, Provenance, Results};

/// Computes what a job asks for and puts its document together.
///
/// Fails as [`Job::assess`].
pub fn results(job: &Job, progress: Progress<'_>) -> Result<Results, Error> {
    let done = job.assess(progress)?;
    let answer = done.analysis.as_ref().map(|a| headline(a, &done)).unwrap_or_default();
    let provenance = Provenance {
        inputs: done.inputs,
        study: job.study.as_ref().map(|f| f.record.path.clone()),
        ask: job.ask.clone(),
        read: job.read.clone(),
        analyze: job.analyze.clone(),
        fit: job.fit.clone(),
    };
    let mut out = Results {
        study_name: job.study.as_ref().and_then(|f| f.study.name.clone()),
        answer,
        analysis: done.analysis,
        fit_answer: done.fit.as_ref().map(|f| fit_answer(&f.content)).unwrap_or_default(),
        fit: done.fit,
        assessment_answer: assessment_answer(&done.assessment),
        assessment: done.assessment,
        what_if: done.what_if,
        lineage: done.lineage,
        notes: done.notes,
        separate_runs: done.separate_runs,
        ..nothing(provenance)
    };
    out.conclusions = conclusions(&out);
    Ok(out)
}

/// The answer about outcomes: as they were recorded, with a word on who checked them; or after the checks.
fn headline(a: &Analysis, done: &Assessed) -> Vec<String> {
    let mut out = answer(a, done.separate_runs);
    match &done.assessment.checked {
        Some(c) => {
            let rest = out.split_off(out.len().min(1));
            out = checked_answer(&c.content);
            out.extend(rest);
        }
        None => out.extend(unchecked_sentence(a.joint.content.all_failed)),
    }
    out
}

/// A document of this version in which nothing is said yet.
pub(crate) fn nothing(provenance: Provenance) -> Results {
    Results {
        document: DOCUMENT_VERSION,
        coincide: env!("CARGO_PKG_VERSION").to_owned(),
        study_name: None,
        answer: Vec::new(),
        analysis: None,
        fit_answer: Vec::new(),
        fit: None,
        assessment_answer: Vec::new(),
        assessment: Default::default(),
        campaign_answer: Vec::new(),
        campaign: None,
        conclusions: Default::default(),
        what_if: None,
        lineage: Default::default(),
        notes: Vec::new(),
        separate_runs: false,
        provenance,
    }
}

/// What a document is about: its title.
pub fn title(r: &Results) -> String {
    let name = r.provenance.study.as_ref().and_then(|_| r.study_name.clone());
    match (name, &r.analysis, &r.assessment) {
        (Some(name), ..) => name,
        (None, None, _) if r.campaign.is_some() => r.campaign.as_ref().map(|c| format!("Campaign {}", c.content.name)).unwrap_or_default(),
        (None, None, x) if x.map.is_some() => "Which failure modes techniques share".into(),
        (None, None, x) if x.risk.as_ref().is_some_and(|r| r.content.made_of == coincide::MadeOf::BasicEvents) => "Risk of a fault tree".into(),
        (None, None, x) if x.comparison.is_some() => "What changed".into(),
        (None, None, x) if x.thresholds.is_some() => "Thresholds under one budget".into(),
        (None, None, x) if x.impact.is_some() => "Impact of research problems".into(),
        _ => "How these layers fail together".into(),
    }
}
