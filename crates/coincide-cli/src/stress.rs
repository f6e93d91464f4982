//! `coincide stress`: a campaign, planned or run, and how it is watched.

use crate::args::Stress;
use crate::run::{Failure, Outcome, deliver, keep_inputs, layout, print, write};
use coincide_io::{Provenance, Results, Rows, write_text};
use coincide_report::{Block, Table, blocks, campaign_answer, conclusions, families_line, markdown, terminal, watched_line};
use coincide_stress::{CampaignFile, Live, Plan, Prepared, RunOptions};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub fn stress(s: &Stress, quiet: bool) -> Outcome {
    let file = CampaignFile::read(&s.campaign)?;
    let record = file.record.clone();
    let prepared = Prepared::new(file, s.shard)?;
    let plan = prepared.plan();
    let mut kept: Vec<String> = prepared.inputs().into_iter().map(|i| i.path).collect();
    kept.push(s.campaign.clone());
    for output in s.outputs.files() {
        keep_inputs(&kept, output)?;
    }
    if s.dry_run {
        return planned(s, &plan);
    }
    let options = RunOptions { resume: s.resume, keep_text: s.keep_text, retry_errors: s.retry_errors };
    let display = Display::new(quiet);
    let mut inputs = prepared.inputs();
    let campaign = coincide_stress::run(prepared, options, &|live| display.show(live))?;
    display.clear();
    inputs.push(record);
    let outcomes = Path::new(&plan.output).join("outcomes.parquet");
    let done = campaign.attacks.finished + campaign.benign.finished;
    if done > 0 {
        for table in Rows::open(&[outcomes.display().to_string()])? {
            inputs.push(table.record()?);
        }
    }
    let whole = campaign.ended_early.is_none();
    let mut results = Results {
        document: coincide_io::DOCUMENT_VERSION,
        coincide: env!("CARGO_PKG_VERSION").to_owned(),
        study_name: None,
        answer: Vec::new(),
        analysis: None,
        fit_answer: Vec::new(),
        fit: None,
        assessment_answer: Vec::new(),
        assessment: Default::default(),
        campaign_answer: campaign_answer(&campaign),
        campaign: Some(coincide::Section::new(campaign)),
        conclusions: Default::default(),
        what_if: None,
        lineage: Default::default(),
        notes: Vec::new(),
        separate_runs: false,
        provenance: Provenance { inputs, study: None, ask: Default::default(), read: Default::default(), analyze: Default::default(), fit: None },
    };
    results.conclusions = conclusions(&results);
    write_text(&Path::new(&plan.output).join("campaign.json"), &results.to_json()).map_err(Failure::Io)?;
    deliver(&results, &s.outputs, blocks, quiet)?;
    let text = s.outputs.files().any(|p| p == Path::new("-"));
    if whole && !quiet && !text {
        print(&format!("\nNext: coincide analyze {}\n", outcomes.display()))?;
    }
    Ok(ExitCode::from(if whole { 0 } else { 3 }))
}

/// Prints a plan, or writes it where it was asked for.
fn planned(s: &Stress, plan: &Plan) -> Outcome {
    let list = plan_blocks(plan);
    if let Some(path) = &s.outputs.json {
        write(path, &(serde_json::to_string_pretty(plan).map_err(|e| Failure::Usage(e.to_string()))? + "\n"))?;
    }
    if let Some(path) = &s.outputs.markdown {
        write(path, &markdown(&format!("Plan of {}", plan.name), &list))?;
    }
    if s.outputs.json.is_some() || s.outputs.markdown.is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    print(&terminal(&list, layout()))
}

fn many(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// The plan of `--dry-run`.
fn plan_blocks(p: &Plan) -> Vec<Block> {
    let mut out = Vec::new();
    let (attacks, benign) = p.prompts;
    let each = |n: u64, of: usize| if n == of as u64 { String::new() } else { format!(", as {n} trials") };
    let mut first = format!("{} on {}{}", many(attacks as u64, "attack"), many(p.goals as u64, "goal"), each(p.trials.0, attacks));
    if benign > 0 {
        first += &format!(", and {}{}", many(benign as u64, "benign prompt"), each(p.trials.1, benign));
    }
    out.push(Block::Answer(format!(
        "{first}, go to {}: {} at most, retries not counted.",
        many(p.layers.len() as u64, "layer"),
        many(p.calls, "call")
    )));
    let mut cost = Vec::new();
    if p.cost > 0.0 {
        cost.push(format!("they cost {}", p.cost));
    }
    if p.seconds_at_least > 0.0 {
        cost.push(format!("the rate limits alone take {}", indicatif::HumanDuration(Duration::from_secs_f64(p.seconds_at_least))));
    }
    if !cost.is_empty() {
        let mut text = cost.join("; ");
        text[..1].make_ascii_uppercase();
        out.push(Block::Answer(text + "."));
    }
    let mut t = Table::new(&["layer", "kind", "stage", ">at once", ">a second", ">calls", ">cost"]);
    for l in &p.layers {
        t.row(vec![
            l.name.clone(),
            l.kind.clone(),
            l.stage.clone(),
            l.concurrency.to_string(),
            l.rate.map_or_else(|| "–".into(), |r| r.to_string()),
            l.calls.to_string(),
            if l.cost > 0.0 { l.cost.to_string() } else { "–".into() },
        ]);
    }
    out.push(Block::Table(t));
    if p.operators.len() > 1 {
        let list = p.operators.join(", ");
        out.push(Block::Text(match p.sampled {
            Some(n) => format!("Every attack as {n} of these, drawn by the seed: {list}."),
            None => format!("Every attack as: {list}."),
        }));
    }
    out.extend(p.notes.iter().map(|n| Block::Text(format!("{n}."))));
    let there = if p.begun { ", which already holds a run: --resume goes on with it" } else { "" };
    out.push(Block::Text(format!("Results would go to {}{there}. Nothing was asked.", p.output)));
    out
}

/// What somebody sees while a campaign runs: a bar with the rate so far, or a line a minute where nobody looks.
struct Display {
    quiet: bool,
    bar: Option<ProgressBar>,
    last: Mutex<Instant>,
    began: Instant,
}

impl Display {
    fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len}\n{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Display { quiet, bar, last: Mutex::new(Instant::now()), began: Instant::now() }
    }

    fn line(&self, live: &Live) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        let here = live.finished.saturating_sub(live.before) as f64;
        let rate = here / seconds.max(1e-3);
        let left = live.planned.saturating_sub(live.finished) as f64;
        let time = if rate > 0.0 && left / rate >= 1.0 {
            format!(", {} left", indicatif::HumanDuration(Duration::from_secs_f64((left / rate).min(1e9))))
        } else {
            String::new()
        };
        let away = if live.away.is_empty() { String::new() } else { format!("; waiting for {}", live.away.join(", ")) };
        if live.ending {
            return format!("{} · finishing the calls in flight; Ctrl-C again ends at once", watched_line(&live.watched));
        }
        format!("{} · {rate:.1} trials a second{time}{away}", watched_line(&live.watched))
    }

    fn show(&self, live: &Live) {
        if let Some(bar) = &self.bar {
            bar.set_length(live.planned);
            bar.set_position(live.finished);
            let families = families_line(&live.families);
            let below = if families.is_empty() || live.ending { String::new() } else { format!("\n{families}") };
            bar.set_message(self.line(live) + &below);
        } else if !self.quiet
            && let Ok(mut last) = self.last.lock()
            && last.elapsed() > Duration::from_secs(60)
        {
            *last = Instant::now();
            eprintln!("{}/{} · {}", live.finished, live.planned, self.line(live));
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
