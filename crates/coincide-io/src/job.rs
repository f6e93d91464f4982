//! The jobs that commands ask for, by any way to ask: the program, Python, a server.

use crate::assess::{Ask, CompareAsk, Job, Part, PlanAsk, RiskAsk, SelectAsk, ThresholdAsk};
use crate::document::Results;
use crate::error::{Error, Result};
use crate::fault_tree::FaultTreeOptions;
use crate::options::ReadOptions;
use crate::source::expand;
use crate::study::StudyFile;
use coincide::{AnalyzeOptions, FitOptions};

impl Job {
    /// An analysis of outcomes as a study says. Fails where it has none.
    pub fn outcomes_of_study(study: StudyFile, parts: Vec<Part>) -> Result<Job> {
        let name = study.record.path.clone();
        let job = Job::study(study, parts);
        if job.files.is_empty() {
            return Err(Error::options(format!("`{name}` has no outcomes"), "add [outcomes] with files = [\"…\"]"));
        }
        Ok(job)
    }

    /// The same with verdicts of people who checked trials, from files or patterns. Fails on those that name nothing.
    pub fn with_labels(mut self, labels: &[String]) -> Result<Job> {
        self.ask.labels.extend(if labels.is_empty() { Vec::new() } else { expand(labels)? });
        Ok(self)
    }

    /// Everything that a study has. Fails where it has nothing to assess.
    pub fn run(study: StudyFile) -> Result<Job> {
        let name = study.record.path.clone();
        Job::whole_study(study)
            .ok_or_else(|| Error::options(format!("`{name}` has nothing to assess"), "add [outcomes], [modes], [[claims]] or [impact]"))
    }

    /// A study's claims, or those that are named; `strict`: nothing flagged because more data would lower its limit is supported.
    pub fn check(study: StudyFile, claims: Vec<String>, strict: bool) -> Job {
        let fits = study.study.fit.is_some() && study.study.outcomes.is_some();
        let mut job = Job::study(study, if fits { vec![Part::Fit, Part::Claims] } else { vec![Part::Claims] });
        job.ask.claims = claims;
        job.ask.strict = strict;
        job
    }

    /// Maps of failure modes, the published one where none is named; with the numbers of a study.
    pub fn modes(maps: Vec<String>, study: Option<StudyFile>) -> Job {
        let mut job = match study {
            None => Job::outcomes(Vec::new(), ReadOptions::default(), Default::default(), None, Ask { parts: vec![Part::Modes], ..Ask::default() }),
            Some(study) => Job::study(study, vec![Part::Modes]),
        };
        job.ask.maps = maps;
        job
    }

    /// Scores of a study's research problems. Fails where it has none.
    pub fn impact(study: StudyFile) -> Result<Job> {
        if study.study.impact.as_ref().is_none_or(|s| s.problems.is_empty()) {
            return Err(Error::options(format!("`{}` scores no problem", study.record.path), "add [[impact.problems]]"));
        }
        Ok(Job::study(study, vec![Part::Impact]))
    }

    /// P(system failure) under every law, of a job on a study or on bare outcomes: models are fitted to outcomes, as the job says or as usual. Fails where a study has neither outcomes nor stated rates.
    pub fn risk(mut job: Job, ask: RiskAsk) -> Result<Job> {
        let stated = job.study.as_ref().is_some_and(|f| f.study.system.as_ref().is_some_and(|s| s.states_anything()));
        let counted = !job.files.is_empty() || job.loaded.is_some();
        if !counted && !stated {
            let name = job.study.as_ref().map_or("this", |f| f.record.path.as_str());
            return Err(Error::options(
                format!("`{name}` says neither how layers failed nor how often they do"),
                "add [outcomes] with files = [\"…\"], or [system.rates]",
            ));
        }
        if counted {
            job.ask.parts.extend([Part::Analysis, Part::Fit]);
            let a = &job.analyze;
            let usual = || FitOptions { seed: a.seed, level: a.level, ..FitOptions::default() };
            job.fit = Some(job.fit.unwrap_or_else(usual));
        }
        job.ask.parts.push(Part::Risk);
        job.ask.risk = (ask != RiskAsk::default()).then_some(ask);
        Ok(job)
    }

    /// Fails where there are neither files nor something in memory in their place.
    fn needs(&self, in_memory: bool, what: &str) -> Result<()> {
        if !self.files.is_empty() || in_memory {
            return Ok(());
        }
        let name = self.study.as_ref().map_or("this", |f| f.record.path.as_str());
        Err(Error::options(format!("`{name}` has no {what}"), "add [outcomes] with files = [\"…\"]"))
    }

    /// Which layers to choose, of a job on a study or on bare outcomes; by the models that the job fits, where it fits any. Fails where there are no outcomes.
    pub fn select(mut job: Job, ask: SelectAsk) -> Result<Job> {
        job.needs(job.loaded.is_some(), "outcomes to choose layers by")?;
        job.ask.parts.extend([Part::Analysis, Part::Select]);
        if job.fit.is_some() {
            job.ask.parts.push(Part::Fit);
        }
        job.ask.select = (ask != SelectAsk::default()).then_some(ask);
        Ok(job)
    }

    /// Thresholds of scores, of a job on a study or on bare outcomes. Fails where there are no outcomes.
    pub fn thresholds(mut job: Job, ask: ThresholdAsk) -> Result<Job> {
        job.needs(job.trials.is_some(), "scores to choose thresholds of")?;
        job.ask.parts.push(Part::Thresholds);
        job.ask.thresholds = Some(ask);
        Ok(job)
    }

    /// Where to test next, of a job on a study or on bare outcomes. Fails where there are no outcomes.
    pub fn plan(mut job: Job, ask: PlanAsk) -> Result<Job> {
        job.needs(job.loaded.is_some(), "outcomes to plan by")?;
        job.ask.parts.push(Part::Plan);
        job.ask.plan = (ask != PlanAsk::default()).then_some(ask);
        // Nothing is analysed or fitted for it.
        job.fit = None;
        job.ask.labels.clear();
        Ok(job)
    }

    /// What changed since earlier outcomes, which are read as the job's are. Fails where there are no outcomes.
    pub fn compare(mut job: Job, mut ask: CompareAsk) -> Result<Job> {
        if job.files.is_empty() && job.loaded.is_none() || ask.before.is_empty() && job.before.is_none() {
            return Err(Error::options("a comparison needs outcomes before and after", "name both: coincide compare before.csv after.csv"));
        }
        // By name, so that the document says which files they were.
        if !ask.before.is_empty() {
            ask.before = expand(&ask.before)?;
        }
        job.ask.parts.push(Part::Compare);
        job.ask.compare = Some(ask);
        Ok(job)
    }

    /// P(top) of a fault tree in the Open-PSA Model Exchange Format.
    pub fn fault_tree(file: &str, options: FaultTreeOptions, listed: Option<usize>, analyze: AnalyzeOptions) -> Job {
        let risk = RiskAsk { listed, fault_tree: Some(options), ..RiskAsk::default() };
        let ask = Ask { parts: vec![Part::Risk], risk: Some(risk), ..Ask::default() };
        Job::outcomes(vec![file.to_owned()], ReadOptions::default(), analyze, None, ask)
    }

    /// What computes a document again. `inputs`: where its inputs lie now, in the document's order, or nothing.
    ///
    /// Fails on documents that cannot be computed again: records of runs, and those whose outcomes were never in files.
    pub fn again(document: &Results, inputs: &[String]) -> Result<Job> {
        let p = &document.provenance;
        if document.campaign.is_some() && document.analysis.is_none() {
            return Err(Error::options(
                "this document is the record of a run, which cannot be computed again",
                "verify an analysis of its outcomes.parquet, whose hash it holds",
            ));
        }
        let moved = |expected: usize, what: &str| match inputs.len() {
            0 => Ok(()),
            n if n == expected => Ok(()),
            n => Err(Error::options(format!("the document has {expected} {what}, and --input names {n}"), "name each once, in the document's order")),
        };
        if let Some(study) = &p.study {
            moved(1, "study, whose paths are read from it")?;
            let mut job = Job::study(StudyFile::read(inputs.first().unwrap_or(study))?, Vec::new());
            let labels = std::mem::take(&mut job.ask.labels);
            (job.read, job.analyze, job.fit, job.ask) = (p.read.clone(), p.analyze.clone(), p.fit.clone(), p.ask.clone());
            if !inputs.is_empty() && !labels.is_empty() {
                job.ask.labels = labels;
            }
            return Ok(job);
        }
        // Outcomes come first; what lies beside them may be named with them.
        let mut ask = p.ask.clone();
        let known = p.inputs.len() - ask.files().filter(|f| p.inputs.iter().any(|i| i.path == **f)).count();
        if inputs.len() != p.inputs.len() {
            moved(known, "inputs")?;
        } else {
            for path in ask.files_mut() {
                if let Some(at) = p.inputs.iter().position(|i| i.path == *path) {
                    path.clone_from(&inputs[at]);
                }
            }
        }
        let files: Vec<String> =
            if inputs.is_empty() { p.inputs[..known].iter().map(|i| i.path.clone()).collect() } else { inputs[..known].to_vec() };
        if let Some(never) = files.iter().find(|f| *f == "-" || f.starts_with('<')) {
            return Err(Error::options(
                format!("the document was made from what never was a file ({never})"),
                "give the same content with --input FILE, for example as counts",
            ));
        }
        Ok(Job::outcomes(files, p.read.clone(), p.analyze.clone(), p.fit.clone(), ask))
    }
}

impl Results {
    /// How a document that was computed again differs: JSON paths with both values. Where files lie is no part of what they say.
    pub fn differs_from(&self, mut again: Results) -> Vec<String> {
        again.provenance.inputs.iter_mut().zip(&self.provenance.inputs).for_each(|(a, i)| a.path.clone_from(&i.path));
        again.provenance.study.clone_from(&self.provenance.study);
        again.provenance.ask.files_mut().zip(self.provenance.ask.files()).for_each(|(a, own)| a.clone_from(own));
        crate::document::differences(self, &again)
    }
}
