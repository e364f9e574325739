//! `import-django URL`: moves a Django site into an empty database, all or nothing.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use crate::actions::django::{self, DjangoEvent, DjangoOptions, DjangoOutcome, Misfit, NewSite};
use crate::app::{Clock, SystemClock, open_database, open_files};
use crate::store::django::{DjangoDatabase, DjangoUrl};
use crate::store::seen::SeenFile;

use super::context::{Result, lock_embedded, say, settings};
use super::progress::{ProgressBar, counted, grouped};

/// Misfits of a kind that are listed; the rest are counted.
const LISTED: u64 = 100;

/// The arguments of `import-django`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportDjangoArguments {
    /// The Django site's database: a file of SQLite, sqlite://PATH, or postgres://user:password@host/name
    #[arg(value_name = "URL", value_parser = parse_url)]
    from: DjangoUrl,
    /// Its MEDIA_ROOT, for the pictures
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// Import what does not fit in another form, or leave it out. Each line says what this does
    #[arg(long)]
    convert: bool,
}

pub(super) async fn run(arguments: &ImportDjangoArguments) -> Result {
    let started = Instant::now();
    let (config, _log) = settings()?;
    if let DjangoUrl::Sqlite(file) = &arguments.from
        && !file.is_file()
    {
        return Err(format!("there is no file {}", file.display()).into());
    }
    if let Some(folder) = &arguments.media
        && !folder.is_dir()
    {
        return Err(format!("there is no folder {}", folder.display()).into());
    }
    let source = DjangoDatabase::open(&arguments.from).await;
    let mut source =
        source.map_err(|error| format!("cannot open the Django site's database: {error}"))?;
    let db = open_database(&config).await?;
    let _lock = lock_embedded(&config)?;
    let files = open_files(&config)?;
    let now = Clock::start(&db, SystemClock::default()).await?.now();
    let options = DjangoOptions {
        media: arguments.media.clone(),
        convert: arguments.convert,
        message_length: config.limits.message_length,
    };
    let mut listed = HashMap::new();
    let to = NewSite { db: &db, files: &files, now };
    let mut bar = ProgressBar::new();
    let on_event = &mut |event: DjangoEvent<'_>| match event {
        DjangoEvent::Step(step) => bar.show(step),
        DjangoEvent::Misfit(misfit) => {
            bar.clear();
            list(misfit, arguments.convert, &mut listed);
        }
    };
    let outcome = django::import(&mut source, to, &options, on_event).await?;
    drop(bar);
    for (kind, count) in listed.iter().filter(|(_, count)| **count > LISTED) {
        say(&format!("{kind}: {} more", grouped(count - LISTED)));
    }
    if !outcome.committed {
        return Err(format!(
            "nothing was imported, since {} would be lost: change them in Django, or say --convert, \
             which does what the lines above say",
            counted(outcome.losses, "rows")
        )
        .into());
    }
    if let Some(file) = config.database.sqlite_file() {
        // It describes what was in the folder before.
        SeenFile::beside(&file).remove()?;
    }
    summarise(&outcome, started);
    db.close().await;
    Ok(())
}

fn parse_url(value: &str) -> Result<DjangoUrl, String> {
    match value.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Ok(DjangoUrl::Postgres(value.to_owned())),
        Some(("sqlite", path)) => Ok(DjangoUrl::Sqlite(path.into())),
        Some(_) => Err("must be a file, sqlite://PATH or postgres://…".to_owned()),
        None => Ok(DjangoUrl::Sqlite(value.into())),
    }
}

fn list(misfit: &Misfit, convert: bool, listed: &mut HashMap<&'static str, u64>) {
    let Misfit { kind, subject, text, conversion } = misfit;
    let count = listed.entry(kind).or_default();
    *count += 1;
    if *count > LISTED {
        return;
    }
    let end = match conversion {
        None => String::new(),
        Some(conversion) if convert => format!(" [converted: {conversion}]"),
        Some(conversion) => format!(" [--convert {conversion}]"),
    };
    say(&format!("{kind}: {subject}: {text}{end}"));
}

fn summarise(outcome: &DjangoOutcome, started: Instant) {
    let DjangoOutcome { users, chats, messages, pictures, losses, .. } = *outcome;
    say(&format!(
        "Imported {}, {}, {} and {} in {:.1} s; {} converted.",
        counted(users, "users"),
        counted(chats, "chats"),
        counted(messages, "messages"),
        counted(pictures, "pictures"),
        started.elapsed().as_secs_f64(),
        counted(losses, "rows")
    ));
}
