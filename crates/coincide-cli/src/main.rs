//! The `coincide` program: arguments in, calls, rendering out. It only dispatches.

mod args;
mod progress;
mod run;
mod stress;

use clap::Parser;
use run::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match run::run(&cli) {
        Ok(code) => code,
        Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(failure) => {
            let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
            let coloured = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            let (on, off) = if coloured { (style.render().to_string(), style.render_reset().to_string()) } else { Default::default() };
            eprintln!("{on}error:{off} {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("  {hint}");
            }
            ExitCode::from(2)
        }
    }
}
