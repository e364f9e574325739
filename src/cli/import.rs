//! `import DIR`: loads an export into an empty database, all or nothing.

use std::path::PathBuf;
use std::time::Instant;

use crate::actions::imports;
use crate::app::{Clock, SystemClock, open_database, open_files};
use crate::archive::Folder;
use crate::store::seen::SeenFile;
use crate::store::site;

use super::context::{Result, lock_embedded, say, settings};
use super::progress::{ProgressBar, grouped};

/// The arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// The folder that `export` has written
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) async fn run(arguments: &ImportArguments) -> Result {
    let started = Instant::now();
    let (config, _log) = settings()?;
    let (folder, manifest) = Folder::open(&arguments.folder)?;
    say(&format!(
        "Export of {} by version {} (migration {}).",
        manifest.exported_at, manifest.program, manifest.schema
    ));
    let mut bar = ProgressBar::new();
    imports::verify(&folder, &manifest, &mut |step| bar.show(step))?;
    let db = open_database(&config).await?;
    let file = config.database.sqlite_file();
    // Held until the process ends.
    let _lock = lock_embedded(&config)?;
    let files = open_files(&config)?;
    let now = Clock::start(&db, SystemClock::default()).await?.now();
    let both = (&folder, &manifest);
    imports::import(&db, &files, both, now, &mut |step| bar.show(step)).await?;
    drop(bar);
    if let Some(file) = &file {
        // It describes what was in the folder before.
        SeenFile::beside(file).remove()?;
    }
    say(&format!(
        "Imported {} rows and {} files in {:.1} s. The new epoch is {}.",
        grouped(manifest.tables.iter().map(|table| table.rows).sum()),
        grouped(manifest.media.rows),
        started.elapsed().as_secs_f64(),
        site::epoch(&db).await?
    ));
    db.close().await;
    Ok(())
}
