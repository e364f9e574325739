//! `check [--deploy]`: reports settings that are wrong or useless, services that cannot be reached and,
//! with `--deploy`, what is unsafe on a public server. Prints in the manner of Django's `check`, changes
//! nothing, and creates nothing. docs/checks.md lists the findings by id.

mod effects;
mod files;
mod finding;
mod mounts;
mod names;
mod secrets;
mod security;
mod services;

use std::process::ExitCode;

use crate::config::{Config, env_file, process_environment};

use super::context::{Result, say};
use finding::{Finding, Level};

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Also report what is unsafe on a public server
    #[arg(long)]
    deploy: bool,
}

pub(super) async fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let (file, environment) = (env_file()?, process_environment());
    let variables = file.clone().into_iter().chain(environment.clone()).collect();
    let config = Config::read(&variables)?;
    let mut findings = services::check(&config, arguments.deploy).await;
    findings.extend(effects::check(&config, &variables));
    findings.extend(names::check(&environment, &file));
    findings.extend(files::check(&config));
    if arguments.deploy {
        findings.extend(security::check(&config));
        findings.extend(secrets::check(&config));
        findings.extend(files::check_places(&config));
        findings.extend(files::check_secrets(&variables, &file));
    }
    let all = findings.len();
    findings.retain(|finding| config.silenced_checks.iter().all(|id| id != finding.id));
    print(&findings, all - findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(findings: &[Finding], silenced: usize) {
    if !findings.is_empty() {
        say("System check identified some issues:");
    }
    for (level, title) in [(Level::Error, "ERRORS"), (Level::Warning, "WARNINGS")] {
        let mut of_level = findings.iter().filter(|finding| finding.level() == level).peekable();
        if of_level.peek().is_some() {
            say(&format!("\n{title}:"));
        }
        for finding in of_level {
            say(&finding.to_string());
        }
    }
    let count = match findings.len() {
        0 => "no issues".to_owned(),
        1 => "1 issue".to_owned(),
        count => format!("{count} issues"),
    };
    let blank = if findings.is_empty() { "" } else { "\n" };
    say(&format!("{blank}System check identified {count} ({silenced} silenced)."));
}
