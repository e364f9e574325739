//! `check [--deploy]`: reports settings that are wrong, or unsafe in production.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app;
use crate::config::mail::MailUrl;
use crate::config::{Config, environment};
use crate::domain::origin::WebOrigin;
use crate::store::migrations::{self, MigrationError, State};
use crate::store::open::sqlite_files;

use super::context::{Result, say};

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Also report what is unsafe on a public server
    #[arg(long)]
    deploy: bool,
}

pub(super) async fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let variables = environment()?;
    let config = Config::read(&variables)?;
    let mut findings = exposed_files(&config);
    findings.extend(schema(&config).await);
    if arguments.deploy {
        findings.extend(unsafe_settings(&config));
    }
    for finding in &findings {
        say(&format!("  {finding}"));
    }
    say(&match findings.len() {
        0 => "System check identified no issues.".to_owned(),
        1 => "System check identified 1 issue.".to_owned(),
        count => format!("System check identified {count} issues."),
    });
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the database can be opened and its schema is current.
async fn schema(config: &Config) -> Option<String> {
    // A check creates nothing: the first start creates the embedded database.
    if config.database.sqlite_file().is_some_and(|file| !file.exists()) {
        return None;
    }
    let db = match app::open_database(config).await {
        Ok(db) => db,
        Err(error) => return Some(error.to_string()),
    };
    match migrations::state(&db).await {
        Err(error) => Some(error.to_string()),
        Ok(State::Behind(names)) => {
            Some(format!("{} migrations are not applied: run `migrate`", names.len()))
        }
        Ok(State::NewerIncompatible(name)) => Some(MigrationError::Newer(name).to_string()),
        Ok(State::Current | State::NewerCompatible(_)) => None,
    }
}

/// Files of the embedded database that other users of this machine may read. They hold messages and
/// password hashes.
fn exposed_files(config: &Config) -> Vec<String> {
    let files = config.database.sqlite_file().map(|file| sqlite_files(&file));
    let exposed = |file: PathBuf| {
        let mode = file.metadata().ok()?.permissions().mode() & 0o777;
        let file = file.display();
        (mode & 0o077 != 0).then(|| format!("{file} has mode {mode:04o}: run `chmod 600 {file}`"))
    };
    files.into_iter().flatten().filter_map(exposed).collect()
}

fn unsafe_settings(config: &Config) -> Vec<String> {
    let server = &config.server;
    let key = config.tokens.secret_key.as_deref();
    let distinct = |key: &str| key.chars().collect::<std::collections::HashSet<_>>().len();
    let public = server.public_url.as_deref();
    let findings = [
        (server.debug, "DEBUG is on"),
        (!config.rate_limits.enabled, "THROTTLE is off: nothing limits password guessing"),
        (
            key.is_some_and(|key| distinct(key) < 5 || key.starts_with("django-insecure-")),
            "SECRET_KEY is easy to guess",
        ),
        (server.allowed_hosts.iter().any(|host| host == "*"), "ALLOWED_HOSTS allows any host"),
        (
            public.is_none(),
            "PUBLIC_URL is not set: links in responses use the Host of each request, or BIND",
        ),
        (
            public.is_some_and(|url| url.starts_with("http://")),
            "PUBLIC_URL is not https: tokens and messages are sent unencrypted",
        ),
        (
            server.hsts.is_zero(),
            "SECURE_HSTS_SECONDS is 0: browsers do not enforce HTTPS (Django's W004)",
        ),
        (
            matches!(&config.mail.url, MailUrl::Smtp(smtp) if smtp.is_exposed()),
            "EMAIL_URL is not encrypted: password reset links are sent unencrypted",
        ),
        (
            server.cors_allowed_origins.iter().any(WebOrigin::is_http),
            "CORS_ALLOWED_ORIGINS has an origin that is not https",
        ),
    ];
    findings.into_iter().filter(|(found, _)| *found).map(|(_, text)| text.to_owned()).collect()
}
