//! One function a command: arguments in, calls, rendering out.

use crate::args::{
    Analyze, Check, Cli, Command, Common, Compare, Completions, Count, Fit, Grouping, ImpactOf, Import, Init, Label, Merge, Modes, Outputs, Plan,
    Report, Risk, Run, SchemaName, SchemaOf, Select, Serve, Thresholds, Verify,
};
use crate::progress::Progress;
use crate::stress::stress;
use clap::CommandFactory;
use coincide::{FitOptions, QueueOptions, Seed, Verdict};
use coincide_io::{
    Ask, CompareAsk, Error, FaultTreeOptions, Job, Part, ReadOptions, Results, RiskAsk, SelectAsk, StudyFile, ThresholdAsk, load, load_counts,
    study_schema, write_counts, write_queue, write_text,
};
use coincide_report::{
    Block, Colour, Layout, blocks, claim_blocks, comparison_blocks, fit_blocks, gsn, imported_blocks, markdown, next_test_blocks, page, queue_blocks,
    risk_blocks, select_blocks, terminal, threshold_blocks, title,
};
use coincide_server::{Config, Server};
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What went wrong, for `main` to print.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Io(#[from] Error),
    #[error(transparent)]
    Core(#[from] coincide::Error),
    #[error(transparent)]
    Stress(#[from] coincide_stress::Error),
    #[error(transparent)]
    Server(#[from] coincide_server::Error),
    #[error("{0}")]
    Usage(String),
    /// The reader of a pipe has gone away: not an error.
    #[error("standard output is closed")]
    Closed,
}

impl Failure {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Failure::Io(e) => e.hint(),
            Failure::Stress(e) => e.hint(),
            Failure::Server(e) => e.hint(),
            _ => None,
        }
    }
}

pub(crate) type Outcome = Result<ExitCode, Failure>;

pub fn run(cli: &Cli) -> Outcome {
    if let Some(n) = cli.threads {
        // Fails only if a pool exists already, and this is the first use.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(n)).build_global();
    }
    let progress = Progress::new(cli.quiet);
    let result = match &cli.command {
        Command::Analyze(a) => analyze(a, cli.quiet, &progress),
        Command::Fit(f) => fit(f, cli.quiet, &progress),
        Command::Run(r) => whole(r, cli.quiet, &progress),
        Command::Check(c) => check(c, cli.quiet, &progress),
        Command::Modes(m) => modes(m, cli.quiet, &progress),
        Command::Risk(r) => risk(r, cli.quiet, &progress),
        Command::Select(s) => select(s, cli.quiet, &progress),
        Command::Thresholds(t) => thresholds(t, cli.quiet, &progress),
        Command::Plan(p) => plan(p, cli.quiet, &progress),
        Command::Compare(c) => compare(c, cli.quiet, &progress),
        Command::Label(l) => label(l, cli.quiet, &progress),
        Command::Impact(i) => impact(i, cli.quiet, &progress),
        Command::Stress(s) => stress(s, cli.quiet),
        Command::Init(i) => init(i, cli.quiet, &progress),
        Command::Import(i) => import(i, cli.quiet, &progress),
        Command::Count(c) => count(c, cli.quiet, &progress),
        Command::Merge(m) => merge(m, cli.quiet, &progress),
        Command::Report(r) => report(r),
        Command::Serve(s) => serve(s, cli.quiet),
        Command::Verify(v) => verify(v, &progress),
        Command::Schema(SchemaOf { of }) => {
            let schema = match of {
                SchemaName::Results => Results::schema(),
                SchemaName::Study => study_schema(),
                SchemaName::Campaign => coincide_stress::campaign_schema(),
            };
            let schema = serde_json::to_string_pretty(&schema).map_err(|e| Failure::Usage(e.to_string()))?;
            print(&(schema + "\n"))
        }
        Command::Completions(Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "coincide", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    };
    progress.clear();
    result
}

fn analyze(a: &Analyze, quiet: bool, progress: &Progress) -> Outcome {
    let mut job = job(&a.common, vec![Part::Analysis])?;
    for g in &a.group {
        match g {
            Grouping::Named(g) => job.analyze.groups.push(g.clone()),
            Grouping::By(attribute) => job.ask.split_by.push(attribute.clone()),
        }
    }
    if !a.attempts.is_empty() {
        job.ask.attempts.clone_from(&a.attempts);
    }
    job.ask.goal = a.goal.clone().or(job.ask.goal);
    job = job.with_labels(&a.labels)?;
    if a.fits() {
        job.fit = Some(a.models.options(job.fit.unwrap_or_default(), &job.analyze));
        job.ask.parts.push(Part::Fit);
    } else {
        job.fit = None;
    }
    produce(&job, &a.common.outputs, None, blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn fit(f: &Fit, quiet: bool, progress: &Progress) -> Outcome {
    let mut job = job(&f.common, vec![Part::Analysis, Part::Fit])?;
    job.fit = Some(f.models.options(job.fit.unwrap_or_else(FitOptions::default), &job.analyze));
    produce(&job, &f.common.outputs, None, fit_blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

/// The job that files or a study and options ask for.
fn job(c: &Common, mut parts: Vec<Part>) -> Result<Job, Failure> {
    c.outputs.ask_for_what_a_page_needs(&mut parts);
    let Some(name) = c.input.study() else {
        let read = c.input.options();
        let ask = Ask { parts, ..Ask::default() };
        return Ok(Job::outcomes(c.input.files.clone(), read, c.options(&Default::default()), None, ask));
    };
    if c.input.says_anything() {
        return Err(Failure::Usage(format!("`{name}` says how outcomes are read: change it there, under [outcomes] and [[layers]]")));
    }
    let mut job = Job::outcomes_of_study(StudyFile::read(name)?, parts)?;
    job.analyze = c.options(&job.analyze);
    Ok(job)
}

/// Everything that a study has.
fn whole(r: &Run, quiet: bool, progress: &Progress) -> Outcome {
    let mut job = Job::run(StudyFile::read(&r.study)?)?;
    r.outputs.ask_for_what_a_page_needs(&mut job.ask.parts);
    produce(&job, &r.outputs, r.gsn.as_deref(), blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn check(c: &Check, quiet: bool, progress: &Progress) -> Outcome {
    let job = Job::check(StudyFile::read(&c.study)?, c.claim.clone(), c.strict);
    let results = produce(&job, &c.outputs, c.gsn.as_deref(), claim_blocks, quiet, progress)?;
    let argument = results.assessment.claims.map(|s| s.content);
    let verdicts: Vec<Verdict> = argument
        .iter()
        .flat_map(|a| if c.claim.is_empty() { &a.top } else { &c.claim }.iter().filter_map(|n| a.claim(n)))
        .map(|n| n.verdict)
        .collect();
    Ok(ExitCode::from(if verdicts.contains(&Verdict::Refuted) {
        1
    } else if verdicts.contains(&Verdict::Undecidable) {
        3
    } else {
        0
    }))
}

fn modes(m: &Modes, quiet: bool, progress: &Progress) -> Outcome {
    let (studies, maps): (Vec<&String>, Vec<&String>) = m.maps.iter().partition(|n| n.ends_with(".toml"));
    let studies: Vec<&String> = studies.into_iter().chain(&m.prevalence).collect();
    let study = match studies.as_slice() {
        [] => None,
        [one] => Some(StudyFile::read(one)?),
        _ => return Err(Failure::Usage("one study at a time: name it once, here or with --prevalence".into())),
    };
    if let Some(name) = &m.prevalence
        && study.as_ref().is_some_and(|f| f.study.modes.as_ref().is_none_or(|s| s.prevalence.is_empty() && s.feedback.is_empty()))
    {
        return Err(Failure::Usage(format!(
            "`{name}` states no prevalences; add [modes.prevalence] with one for each failure mode, for example \"AL-GEN\" = 0.02"
        )));
    }
    let mut job = Job::modes(maps.into_iter().cloned().collect(), study);
    m.outputs.ask_for_what_a_page_needs(&mut job.ask.parts);
    produce(&job, &m.outputs, None, blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn risk(r: &Risk, quiet: bool, progress: &Progress) -> Outcome {
    let listed = r.cut_sets.map(|n| n as usize);
    let analyze = r.common.options(&Default::default());
    if let Some(tree) = r.fault_tree() {
        if r.common.input.says_anything() || r.fails.is_some() || !r.common_cause.is_empty() {
            return Err(Failure::Usage(format!("`{tree}` is a fault tree: it says itself what fails and by which causes, and has no columns")));
        }
        if r.models.says_anything() {
            return Err(Failure::Usage(format!("`{tree}` is a fault tree: there are no outcomes to fit models to")));
        }
        if r.common.replicates.is_some() || r.common.interval.is_some() || !r.common.order.is_empty() {
            return Err(Failure::Usage(format!("`{tree}` is a fault tree: --replicates, --interval and --order are about outcomes")));
        }
        let usual = FaultTreeOptions::default();
        let options = FaultTreeOptions { mission_time: r.mission_time.unwrap_or(usual.mission_time), rare_event_parameters: r.rare_event_parameters };
        let job = Job::fault_tree(tree, options, listed, analyze);
        return produce(&job, &r.common.outputs, None, risk_blocks, quiet, progress).map(|_| ExitCode::SUCCESS);
    }
    if r.mission_time.is_some() || r.rare_event_parameters {
        return Err(Failure::Usage("--mission-time and --rare-event-parameters are about fault trees (.xml)".into()));
    }
    let mut job = match r.common.input.study() {
        // A study may state everything, and have no outcomes.
        Some(name) if !r.common.input.says_anything() => {
            let mut parts = Vec::new();
            r.common.outputs.ask_for_what_a_page_needs(&mut parts);
            let mut job = Job::study(StudyFile::read(name)?, parts);
            job.analyze = r.common.options(&job.analyze);
            job
        }
        _ => job(&r.common, Vec::new())?,
    };
    job.fit = Some(r.models.options(job.fit.unwrap_or_else(FitOptions::default), &job.analyze));
    let job = Job::risk(job, RiskAsk { fails: r.fails.clone(), listed, common_causes: r.common_cause.clone(), fault_tree: None })?;
    produce(&job, &r.common.outputs, None, risk_blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn select(s: &Select, quiet: bool, progress: &Progress) -> Outcome {
    let mut job = job(&s.common, Vec::new())?;
    let fits = s.fit || s.models.says_anything() || job.fit.is_some();
    job.fit = fits.then(|| s.models.options(job.fit.take().unwrap_or_else(FitOptions::default), &job.analyze));
    let twice = |names: Vec<&String>| names.iter().enumerate().find(|(i, n)| names[..*i].contains(n)).map(|(_, n)| (*n).clone());
    let repeated = [("--budget", s.budget.iter().map(|b| &b.0).collect()), ("--at-most", s.at_most.iter().map(|b| &b.0).collect())];
    if let Some((flag, name)) = repeated.into_iter().find_map(|(flag, names)| Some((flag, twice(names)?))) {
        return Err(Failure::Usage(format!("{flag} says twice how much of `{name}` there is")));
    }
    let ask = SelectAsk {
        budgets: s.budget.iter().cloned().collect(),
        false_alarm: s.false_alarm,
        at_most: s.at_most.iter().cloned().collect(),
        forced: s.force.clone(),
        without: s.without.clone(),
        worst: s.worst,
        fails: s.fails.clone(),
        scenarios: s.scenario.clone(),
    };
    let job = Job::select(job, ask)?;
    produce(&job, &s.common.outputs, None, select_blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn thresholds(t: &Thresholds, quiet: bool, progress: &Progress) -> Outcome {
    let job = Job::thresholds(job(&t.common, Vec::new())?, ThresholdAsk { false_alarm: t.false_alarm, confidence: t.confidence })?;
    produce(&job, &t.common.outputs, None, threshold_blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn plan(p: &Plan, quiet: bool, progress: &Progress) -> Outcome {
    let job = job(&p.common, Vec::new())?;
    let job = Job::plan(job, p.ask())?;
    produce(&job, &p.common.outputs, None, next_test_blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn compare(c: &Compare, quiet: bool, progress: &Progress) -> Outcome {
    let [before, after] = c.common.input.files.as_slice() else {
        return Err(Failure::Usage(
            "name two tables, the earlier one first; more files of one table go in as a pattern, for example 'march/*.csv'".into(),
        ));
    };
    if [before, after].iter().any(|f| f.ends_with(".toml")) {
        return Err(Failure::Usage("a comparison is between two tables of outcomes; a study holds one".into()));
    }
    let mut job = job(&c.common, Vec::new())?;
    job.files = vec![after.clone()];
    let job = Job::compare(job, CompareAsk { before: vec![before.clone()], unpaired: c.unpaired, stream: c.stream })?;
    produce(&job, &c.common.outputs, None, comparison_blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

fn label(l: &Label, quiet: bool, progress: &Progress) -> Outcome {
    let (files, read) = match l.input.study() {
        Some(name) if !l.input.says_anything() => {
            let job = Job::outcomes_of_study(StudyFile::read(name)?, Vec::new())?;
            (job.files, job.read)
        }
        Some(name) => return Err(Failure::Usage(format!("`{name}` says how outcomes are read: change it there, under [outcomes] and [[layers]]"))),
        None => (l.input.files.clone(), l.input.options()),
    };
    keep_inputs(&files, &l.output)?;
    if !l.force && l.output.exists() {
        let output = l.output.display();
        return Err(Failure::Usage(format!("`{output}` is there already, perhaps with verdicts; write to another file, or add --force")));
    }
    let options = QueueOptions { all_failed: l.all_failed, near_misses: l.near_misses, others: l.others, seed: Seed(l.seed) };
    let written = write_queue(&files, &read, &options, &l.output, &|step, done, total| progress.report(step, done, total))?;
    progress.clear();
    if quiet {
        return Ok(ExitCode::SUCCESS);
    }
    print(&terminal(&queue_blocks(&written, &l.output), layout()))
}

fn impact(i: &ImpactOf, quiet: bool, progress: &Progress) -> Outcome {
    let job = Job::impact(StudyFile::read(&i.study)?)?;
    produce(&job, &i.outputs, None, blocks, quiet, progress).map(|_| ExitCode::SUCCESS)
}

/// Computes a document, writes what was asked for and prints the blocks that `show` picks.
fn produce(
    job: &Job,
    o: &Outputs,
    picture: Option<&Path>,
    show: fn(&Results) -> Vec<Block>,
    quiet: bool,
    progress: &Progress,
) -> Result<Results, Failure> {
    let inputs: Vec<String> = job.files.iter().chain(job.study.iter().map(|s| &s.record.path)).chain(job.ask.files()).cloned().collect();
    for output in o.files().map(PathBuf::as_path).chain(picture) {
        keep_inputs(&inputs, output)?;
    }
    let results = coincide_report::results(job, &|step, done, total| progress.report(step, done, total))?;
    progress.clear();
    if let Some(path) = picture {
        let Some(argument) = &results.assessment.claims else {
            return Err(Failure::Usage("there are no claims to draw; add [[claims]] to the study".into()));
        };
        write(path, &gsn(&argument.content))?;
    }
    deliver(&results, o, show, quiet || picture == Some(Path::new("-")))?;
    Ok(results)
}

/// Writes what was asked for, and prints the blocks that `show` picks where nothing else goes to standard output.
pub(crate) fn deliver(results: &Results, o: &Outputs, show: fn(&Results) -> Vec<Block>, quiet: bool) -> Result<(), Failure> {
    if let Some(path) = &o.json {
        write(path, &results.to_json())?;
    }
    if let Some(path) = &o.markdown {
        write(path, &markdown(&title(results), &show(results)))?;
    }
    if let Some(path) = &o.html {
        write(path, &page(results))?;
    }
    if !quiet && !o.files().any(|p| p == Path::new("-")) {
        print(&terminal(&show(results), layout()))?;
    }
    Ok(())
}

fn import(i: &Import, quiet: bool, progress: &Progress) -> Outcome {
    for (option, given) in [("--baseline", &i.input.baseline), ("--order-from", &i.input.order_from)] {
        if given.is_some() {
            return Err(Failure::Usage(format!("{option} is about an analysis: give it to `coincide analyze`")));
        }
    }
    if let Some(output) = &i.output {
        keep_inputs(&i.input.files, output)?;
        if !i.force && output.exists() {
            return Err(Failure::Usage(format!("`{}` is there already; write to another file, or add --force", output.display())));
        }
    }
    let imported = coincide_io::import(&i.input.files, Some(i.tool), &i.input.options(), &|step, done, total| progress.report(step, done, total))?;
    if let Some(output) = &i.output {
        imported.write(output)?;
    }
    progress.clear();
    if quiet {
        return Ok(ExitCode::SUCCESS);
    }
    print(&terminal(&imported_blocks(&imported, i.output.as_deref()), layout()))
}

fn init(i: &Init, quiet: bool, progress: &Progress) -> Outcome {
    let read = i.input.options();
    let loaded = load(&i.input.files, &read, &|step, done, total| progress.report(step, done, total))?;
    progress.clear();
    let written = coincide_io::draft(&i.input.files, &read, &loaded, &i.order, &i.output)?;
    if quiet {
        return Ok(ExitCode::SUCCESS);
    }
    let notes: String = loaded.notes.iter().map(|n| format!("{n}\n")).collect();
    print(&format!("{notes}{written}\n"))
}

fn count(c: &Count, quiet: bool, progress: &Progress) -> Outcome {
    let read = ReadOptions { shard: c.shard, ..c.input.options() };
    keep_inputs(&c.input.files, &c.output)?;
    let loaded = load(&c.input.files, &read, &|step, done, total| progress.report(step, done, total))?;
    write_counts(&c.output, &loaded)?;
    progress.clear();
    if !quiet {
        loaded.notes.iter().for_each(|n| eprintln!("{n}"));
        print(&counted(&loaded.table, &c.output))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(table: &coincide::JointOutcomes, output: &Path) -> String {
    let trials: f64 = table.cells().map(|c| c.n).sum();
    format!("{}: {trials} trials in {} cells, {} layers\n", output.display(), table.len(), table.layers().len())
}

fn merge(m: &Merge, quiet: bool, progress: &Progress) -> Outcome {
    keep_inputs(&m.files, &m.output)?;
    let loaded = load_counts(&m.files, &|step, done, total| progress.report(step, done, total))?;
    write_counts(&m.output, &loaded)?;
    if !quiet {
        print(&counted(&loaded.table, &m.output))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_document(file: &str) -> Result<Results, Failure> {
    let mut text = String::new();
    let wrong = |error| Error::Io { file: file.to_owned(), error };
    if file == "-" {
        std::io::stdin().lock().read_to_string(&mut text).map_err(wrong)?;
    } else {
        text = std::fs::read_to_string(file).map_err(wrong)?;
    }
    Ok(Results::from_json(file, &text)?)
}

fn report(r: &Report) -> Outcome {
    let results = read_document(&r.file)?;
    if let Some(path) = &r.html {
        keep_inputs(std::slice::from_ref(&r.file), path)?;
        write(path, &page(&results))?;
        return Ok(ExitCode::SUCCESS);
    }
    let list = blocks(&results);
    print(&if r.markdown { markdown(&title(&results), &list) } else { terminal(&list, layout()) })
}

/// Serves until Ctrl-C.
fn serve(s: &Serve, quiet: bool) -> Outcome {
    let config = Config {
        data: s.data.clone(),
        address: s.address,
        token: std::env::var("COINCIDE_TOKEN").ok().filter(|t| !t.is_empty()),
        upload_limit: s.upload_limit as usize * 1_000_000,
    };
    let failed = |error: std::io::Error| Failure::Usage(format!("the server cannot go on: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let served = runtime.block_on(async {
        let token = config.token.clone().map_or_else(String::new, |t| format!("/?token={t}"));
        let server = Server::bind(config).await?;
        if !quiet {
            eprintln!("http://{}{token} shows the folder {}; Ctrl-C ends it", server.address(), s.data.display());
        }
        tokio::select! {
            end = server.serve() => end.map_err(failed),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    });
    // An analysis under way is not waited for: the next server calls it interrupted.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

fn verify(v: &Verify, progress: &Progress) -> Outcome {
    let document = read_document(&v.file)?;
    let job = Job::again(&document, &v.input)?;
    let again = coincide_report::results(&job, &|step, done, total| progress.report(step, done, total))?;
    progress.clear();
    let list = document.differs_from(again);
    let inputs = document.provenance.inputs.len();
    if list.is_empty() {
        print(&format!("{}: recomputed from {} input{}, nothing differs\n", v.file, inputs, if inputs == 1 { "" } else { "s" }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = 40;
    let mut text = format!("{}: {} difference{}\n", v.file, list.len(), if list.len() == 1 { "" } else { "s" });
    list.iter().take(shown).for_each(|d| text += &format!("  {d}\n"));
    if list.len() > shown {
        text += &format!("  … and {} more\n", list.len() - shown);
    }
    print(&text)?;
    Ok(ExitCode::from(1))
}

/// An output must not take the place of an input.
pub(crate) fn keep_inputs(inputs: &[String], output: &Path) -> Result<(), Failure> {
    let same = |i: &&String| std::fs::canonicalize(i).is_ok_and(|i| std::fs::canonicalize(output).is_ok_and(|o| i == o));
    match inputs.iter().find(same) {
        Some(input) => Err(Failure::Usage(format!("`{input}` is an input; write to another file"))),
        None => Ok(()),
    }
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        print(text)?;
        return Ok(());
    }
    Ok(write_text(path, text)?)
}

pub(crate) fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Error::Io { file: "standard output".into(), error }.into()),
    }
}

/// Width and colour of the terminal; `COLUMNS` where there is none.
pub(crate) fn layout() -> Layout {
    let given = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = given.or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0))).unwrap_or(100);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    Layout { width: width.clamp(40, 400), colour: if colour { Colour::On } else { Colour::Off } }
}
