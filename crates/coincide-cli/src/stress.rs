//! `coincide stress`: a campaign, planned or run, and how it is watched.

use crate::args::Stress;
use crate::run::{Failure, Outcome, deliver, keep_inputs, layout, print, write};
use coincide_io::{Plan, write_text};
use coincide_report::{blocks, campaign_results, families_line, markdown, plan_blocks, search_line, terminal, watched_line};
use coincide_stress::{CampaignFile, Live, Prepared, RunOptions, Stop};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub fn stress(s: &Stress, quiet: bool) -> Outcome {
    let file = CampaignFile::read(&s.campaign)?.with_search(s.adaptive, s.queries)?;
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
    let ran = coincide_stress::run(prepared, options, &Stop::at_ctrl_c(), &|live| display.show(live))?;
    display.clear();
    let whole = ran.record.ended_early.is_none();
    let (outcomes, document) = (ran.outcomes(), ran.document());
    let results = campaign_results(ran.record, ran.inputs);
    write_text(&document, &results.to_json()).map_err(Failure::Io)?;
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
        let search = live.search.as_ref().map_or_else(String::new, |s| format!("\n{}", search_line(s)));
        format!("{} · {rate:.1} trials a second{time}{away}{search}", watched_line(&live.watched))
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
