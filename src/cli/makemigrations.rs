//! `makemigrations NAME`: begin a migration, as a file for each database under the next number.
//! What is in it is written by hand: there are no models to compare.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{Result, say};

/// See the fields.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What it does, such as `add_reactions`
    name: String,
}

pub(super) fn run(arguments: &Arguments) -> Result {
    let name = &arguments.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err("a migration's name is made of a-z, 0-9 and _".into());
    }
    let folder = Path::new("migrations");
    let number = next_number(&folder.join("sqlite"))?.max(next_number(&folder.join("postgres"))?);
    for side in ["sqlite", "postgres"] {
        let path = folder.join(side).join(format!("{number:04}_{name}.sql"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        writeln!(file, "-- What it changes, and why. The other database has a file of this name.")?;
        say(&format!("  {}", path.display()));
    }
    Ok(())
}

fn next_number(folder: &Path) -> Result<u32> {
    let entries = fs::read_dir(folder).map_err(|error| {
        format!("{}: {error}; run this where Meowsenger's source is", folder.display())
    })?;
    let mut last = 0;
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.get(..4)).and_then(|n| n.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last + 1)
}
