//! `makemigrations NAME`: creates the files of a migration, one per database, under the next number.
//! Their content is written by hand: there are no models to compare.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::store::migrations::{self, RUNS_BESIDE};

use super::context::{Result, say};

/// The arguments of `makemigrations`.
#[derive(Debug, clap::Args)]
pub(super) struct MakemigrationsArguments {
    /// What the migration does, such as `add_reactions`
    name: String,
}

pub(super) fn run(arguments: &MakemigrationsArguments) -> Result {
    let name = &arguments.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err("the name of a migration may have a-z, 0-9 and _".into());
    }
    let folder = Path::new("migrations");
    let last = last(&folder.join("sqlite"))?.max(last(&folder.join("postgres"))?);
    let (number, beside) = match &last {
        Some((number, path)) => (number + 1, runs_beside(path)?.unwrap_or(*number)),
        None => (1, 0),
    };
    for side in ["sqlite", "postgres"] {
        let path = folder.join(side).join(format!("{number:04}_{name}.sql"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        writeln!(
            file,
            "-- What it changes, and why. The other database has a file with the same name."
        )?;
        // The same as before, as long as migrations only add; one that removes something raises it.
        writeln!(file, "{RUNS_BESIDE}{beside:04}")?;
        say(&format!("  {}", path.display()));
    }
    Ok(())
}

/// The newest migration in a folder: its number and its file.
fn last(folder: &Path) -> Result<Option<(u32, PathBuf)>> {
    let entries = fs::read_dir(folder).map_err(|error| {
        format!("{}: {error}; run this in Meowsenger's source tree", folder.display())
    })?;
    let mut last = None;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.get(..4)).and_then(|n| n.parse().ok());
        last = last.max(number.map(|number| (number, entry.path())));
    }
    Ok(last)
}

fn runs_beside(path: &Path) -> Result<Option<u32>> {
    Ok(migrations::runs_beside(&fs::read_to_string(path)?))
}
