//! `export DIR`: the whole site as JSON lines and files, in a folder that `import` reads.

use std::path::PathBuf;
use std::time::Instant;

use crate::actions::exports;
use crate::app::{Clock, SystemClock, open_files};
use crate::archive::{Folder, Overwrite};
use crate::config::Config;

use super::context::{Result, existing_database, say, settings};
use super::progress::{ProgressBar, grouped};

/// The arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// The folder to create. It will hold password hashes and sessions: only you can read it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Replace the export, complete or interrupted, that is in the folder
    #[arg(long)]
    overwrite: bool,
}

pub(super) async fn run(arguments: &ExportArguments) -> Result {
    let started = Instant::now();
    let (config, _log) = settings()?;
    let db = existing_database(&config).await?;
    let files = open_files(&config)?;
    let now = Clock::start(&db, SystemClock::default()).await?.now();
    let overwrite = if arguments.overwrite { Overwrite::Allow } else { Overwrite::Refuse };
    let folder = Folder::create(&arguments.folder, overwrite)?;
    let mut bar = ProgressBar::new();
    let exported = exports::export(&db, &files, &folder, now, &mut |step| bar.show(step)).await?;
    drop(bar);
    let tables = &exported.manifest.tables;
    say(&format!(
        "Exported {} rows and {} files to {} in {:.1} s.",
        grouped(tables.iter().map(|table| table.rows).sum()),
        grouped(exported.manifest.media.rows),
        arguments.folder.display(),
        started.elapsed().as_secs_f64()
    ));
    if exported.missing > 0 {
        say(&format!(
            "{} avatars are not in it: their files are missing, or were replaced meanwhile.",
            grouped(exported.missing)
        ));
    }
    say(&key_hint(&config));
    Ok(())
}

/// What is not in an export.
fn key_hint(config: &Config) -> String {
    let key = match &config.tokens.secret_key {
        Some(_) => "SECRET_KEY".to_owned(),
        None => format!("the key in {}", config.database.data_dir.join("secret_key").display()),
    };
    format!("Not in it: the settings, and {key}. With the same key, users stay logged in.")
}
