//! One function a command: arguments in, calls, rendering out.

use crate::args::{Analyze, Cli, Command, Common, Completions, Count, Fit, Merge, Report, SchemaName, SchemaOf, Verify};
use crate::progress::Progress;
use clap::CommandFactory;
use coincide_io::{Error, Provenance, ReadOptions, Results, differences, load, write_counts, write_text};
use coincide_report::{Block, Colour, Layout, answer, blocks, fit_answer, fit_blocks, markdown, terminal};
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// What went wrong, for `main` to print.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Io(#[from] Error),
    #[error(transparent)]
    Core(#[from] coincide::Error),
    #[error("{0}")]
    Usage(String),
    /// The reader of a pipe has gone away: not an error.
    #[error("standard output is closed")]
    Closed,
}

type Outcome = Result<ExitCode, Failure>;

pub fn run(cli: &Cli) -> Outcome {
    if let Some(n) = cli.threads {
        // Fails only if a pool exists already, and this is the first use.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(n)).build_global();
    }
    let progress = Progress::new(cli.quiet);
    let result = match &cli.command {
        Command::Analyze(a) => analyze(a, cli.quiet, &progress),
        Command::Fit(f) => fit(f, cli.quiet, &progress),
        Command::Count(c) => count(c, cli.quiet, &progress),
        Command::Merge(m) => merge(m, cli.quiet, &progress),
        Command::Report(r) => report(r),
        Command::Verify(v) => verify(v, &progress),
        Command::Schema(SchemaOf { of: SchemaName::Results }) => {
            let schema = serde_json::to_string_pretty(&Results::schema()).map_err(|e| Failure::Usage(e.to_string()))?;
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
    let groups = coincide::AnalyzeOptions { groups: a.group.clone(), ..a.common.options() };
    let models = a.fits().then(|| a.models.options(&a.common));
    produce(&a.common, &groups, models.as_ref(), blocks, quiet, progress)
}

fn fit(f: &Fit, quiet: bool, progress: &Progress) -> Outcome {
    produce(&f.common, &f.common.options(), Some(&f.models.options(&f.common)), fit_blocks, quiet, progress)
}

/// Computes a document, writes what was asked for and prints the blocks that `show` picks.
fn produce(
    c: &Common,
    options: &coincide::AnalyzeOptions,
    models: Option<&coincide::FitOptions>,
    show: fn(&Results) -> Vec<Block>,
    quiet: bool,
    progress: &Progress,
) -> Outcome {
    let read = c.input.options().map_err(Failure::Usage)?;
    for output in c.json.iter().chain(&c.markdown) {
        keep_inputs(&c.input.files, output)?;
    }
    let results = compute(&c.input.files, &read, options, models, progress)?;
    progress.clear();
    let to_stdout = |p: &Option<std::path::PathBuf>| p.as_deref() == Some(Path::new("-"));
    if let Some(path) = &c.json {
        write(path, &results.to_json())?;
    }
    if let Some(path) = &c.markdown {
        write(path, &markdown(&show(&results)))?;
    }
    if !quiet && !to_stdout(&c.json) && !to_stdout(&c.markdown) {
        print(&terminal(&show(&results), layout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads, analyses, and puts the document together.
fn compute(
    files: &[String],
    read: &ReadOptions,
    options: &coincide::AnalyzeOptions,
    models: Option<&coincide::FitOptions>,
    progress: &Progress,
) -> Result<Results, Failure> {
    let show = |step, done, total| progress.report(step, done, total);
    let loaded = load(files, read, &show)?;
    let analysis = coincide::analyze(&loaded.table, options, &show)?;
    let fit = models.map(|m| coincide::fit(&loaded.table, &analysis, m, &show)).transpose()?;
    Ok(Results {
        document: coincide_io::DOCUMENT_VERSION,
        coincide: env!("CARGO_PKG_VERSION").to_owned(),
        answer: answer(&analysis, loaded.separate_runs),
        analysis,
        fit_answer: fit.as_ref().map(|f| fit_answer(&f.content)).unwrap_or_default(),
        fit,
        notes: loaded.notes,
        separate_runs: loaded.separate_runs,
        provenance: Provenance { inputs: loaded.inputs, read: read.clone(), analyze: options.clone(), fit: models.cloned() },
    })
}

fn count(c: &Count, quiet: bool, progress: &Progress) -> Outcome {
    let read = ReadOptions { shard: c.shard, ..c.input.options().map_err(Failure::Usage)? };
    keep_inputs(&c.input.files, &c.output)?;
    let loaded = load(&c.input.files, &read, &|step, done, total| progress.report(step, done, total))?;
    write_counts(&c.output, &loaded.table, &loaded.inputs, &loaded.notes)?;
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
    let loaded = load(&m.files, &ReadOptions::default(), &|step, done, total| progress.report(step, done, total))?;
    write_counts(&m.output, &loaded.table, &loaded.inputs, &loaded.notes)?;
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
    let list = blocks(&results);
    print(&if r.markdown { markdown(&list) } else { terminal(&list, layout()) })
}

fn verify(v: &Verify, progress: &Progress) -> Outcome {
    let document = read_document(&v.file)?;
    let p = &document.provenance;
    let files: Vec<String> = if v.input.is_empty() { p.inputs.iter().map(|i| i.path.clone()).collect() } else { v.input.clone() };
    if files.iter().any(|f| f == "-") {
        return Err(Failure::Usage("the document was made from standard input; give the same content with --input FILE".into()));
    }
    if files.len() != p.inputs.len() {
        return Err(Failure::Usage(format!("the document has {} inputs, and --input names {}", p.inputs.len(), files.len())));
    }
    let mut again = compute(&files, &p.read, &p.analyze, p.fit.as_ref(), progress)?;
    progress.clear();
    // Where a file lies is no part of what it says.
    again.provenance.inputs.iter_mut().zip(&p.inputs).for_each(|(a, i)| a.path.clone_from(&i.path));
    let list = differences(&document, &again);
    if list.is_empty() {
        print(&format!("{}: recomputed from {} input{}, nothing differs\n", v.file, files.len(), if files.len() == 1 { "" } else { "s" }))?;
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
fn keep_inputs(inputs: &[String], output: &Path) -> Result<(), Failure> {
    let same = |i: &&String| std::fs::canonicalize(i).is_ok_and(|i| std::fs::canonicalize(output).is_ok_and(|o| i == o));
    match inputs.iter().find(same) {
        Some(input) => Err(Failure::Usage(format!("`{input}` is an input; write to another file"))),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        print(text)?;
        return Ok(());
    }
    Ok(write_text(path, text)?)
}

fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Error::Io { file: "standard output".into(), error }.into()),
    }
}

/// Width and colour of the terminal; `COLUMNS` where there is none.
fn layout() -> Layout {
    let given = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = given.or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0))).unwrap_or(100);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    Layout { width: width.clamp(40, 400), colour: if colour { Colour::On } else { Colour::Off } }
}
