//! `backup FILE`: copies an embedded database while the server goes on serving; for PostgreSQL, prints the
//! command that does.

use std::path::{Path, PathBuf};
use std::time::Instant;

use url::Url;

use crate::actions::epoch;
use crate::config::{Config, DatabaseUrl, MediaUrl};
use crate::store::backup::back_up;

use super::context::{Result, existing_database, note, require_current, say, settings};

/// The arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArguments {
    /// The file to create
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(arguments: &BackupArguments) -> Result {
    let (config, _log) = settings()?;
    let file = &arguments.file;
    if file.symlink_metadata().is_ok() {
        return Err(format!("{} exists already; name a new file", file.display()).into());
    }
    match &config.database.url {
        DatabaseUrl::Postgres(url) => print_pg_dump(&config, url, file),
        DatabaseUrl::Sqlite(_) => copy(&config, file).await,
    }
}

async fn copy(config: &Config, file: &Path) -> Result {
    let started = Instant::now();
    let db = existing_database(config).await?;
    require_current(&db).await?;
    let mark = epoch::backup_mark().map_err(super::context::describe)?;
    let bytes = back_up(&db, file, mark).await?;
    say(&format!(
        "Backed up {:.1} MiB to {} in {:.1} s.",
        bytes as f64 / 1_048_576.0,
        file.display(),
        started.elapsed().as_secs_f64()
    ));
    if config.tokens.secret_key.is_none() {
        let key = config.database.data_dir.join("secret_key");
        say(&format!("Keep {} as well: without it, all users are logged out.", key.display()));
    }
    say(&media_hint(config));
    Ok(())
}

/// The command goes to standard output, so that a script can run it; what else there is to do, to standard
/// error.
fn print_pg_dump(config: &Config, url: &str, file: &Path) -> Result {
    let url = without_password(url).ok_or("DATABASE_URL cannot be parsed")?;
    let file = file.to_string_lossy();
    say(&format!(
        "pg_dump --format=custom --no-owner --file={} --dbname={}",
        quoted(&file),
        quoted(&url)
    ));
    note("Its password: in PGPASSWORD or ~/.pgpass.");
    note(&format!(
        "To restore, with all servers stopped: pg_restore --no-owner --dbname=URL {}, then \
         `meowsenger epoch --renew`.",
        quoted(&file)
    ));
    note(&media_hint(config));
    Ok(())
}

/// The URL as PostgreSQL's own programs take it.
fn without_password(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    // Refused only where there is no host, and then there is no password.
    url.set_password(None).ok();
    let theirs = |name: &str| name != "password" && !name.starts_with("statement-cache");
    let pairs: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| theirs(name)).collect();
    url.set_query(None);
    if !pairs.is_empty() {
        // libpq takes a + for itself.
        let encoded = |(name, value): &(String, String)| {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            format!("{name}={value}")
        };
        url.set_query(Some(&pairs.iter().map(encoded).collect::<Vec<_>>().join("&")));
    }
    Some(url.into())
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn media_hint(config: &Config) -> String {
    match &config.media.url {
        MediaUrl::Folder(folder) => {
            let ours = || config.database.data_dir.join("media");
            let folder = folder.clone().unwrap_or_else(ours);
            format!(
                "Avatars and attachments are not in it. Copy {} after the database, such as with rsync -a.",
                folder.display()
            )
        }
        MediaUrl::Bucket { bucket, .. } => format!(
            "Avatars and attachments are not in it. Copy the bucket {bucket} after the database, or switch on its versioning."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_no_password_and_is_quoted() {
        for (url, expected) in [
            ("postgres://meow:hunter2@db/site", "postgres://meow@db/site"),
            (
                "postgres://db/site?password=hunter2&sslmode=require",
                "postgres://db/site?sslmode=require",
            ),
            (
                "postgresql://meow@db:6/s?options=-csearch_path%3Dcats&statement-cache-capacity=9",
                "postgresql://meow@db:6/s?options=%2Dcsearch%5Fpath%3Dcats",
            ),
        ] {
            assert_eq!(without_password(url).as_deref(), Some(expected));
        }
        assert_eq!(quoted("a'b $x"), r"'a'\''b $x'");
    }
}
