//! Exports a whole site: every table as it is at one moment, and the stored files that rows refer to. The
//! server may go on serving. Memory does not depend on the size of the site.

use crate::archive::{ArchiveError, FORMAT, Folder, ListedFile, Manifest};
use crate::domain::time::Timestamp;
use crate::media::files::Files;
use crate::store::Db;
use crate::store::migrations::{self, State};
use crate::store::site_tables::{self, TableLayout};
use crate::store::snapshot::Snapshot;

use super::transfer::{OnProgress, TransferError, TransferStep};

/// A finished export.
#[derive(Debug)]
pub struct Exported {
    /// What it contains.
    pub manifest: Manifest,
    /// Files that rows refer to and that were gone: avatars that were replaced meanwhile.
    pub missing: u64,
}

/// Exports the site. The folder is complete only after success.
pub async fn export(
    db: &Db,
    files: &Files,
    folder: &Folder,
    now: Timestamp,
    on_progress: OnProgress<'_>,
) -> Result<Exported, TransferError> {
    let schema = schema(db).await?;
    let mut snapshot = Snapshot::begin(db).await?;
    let layouts = snapshot.layouts().await?;
    // First, while few of the files have been replaced.
    let (media, missing) = export_media(&mut snapshot, files, folder, on_progress).await?;
    let mut tables = Vec::with_capacity(layouts.len());
    for layout in &layouts {
        tables.push(export_table(&mut snapshot, layout, folder, on_progress).await?);
    }
    // Read after the rows, so that no row has a later id.
    let last_ids = site_tables::last_ids(snapshot.tx()).await?;
    let is_exported =
        |(table, _): &(String, i64)| layouts.iter().any(|layout| layout.table.name == table);
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema,
        exported_at: now.to_string(),
        tables,
        media,
        last_ids: last_ids.into_iter().filter(is_exported).collect(),
    };
    folder.finish(&manifest)?;
    Ok(Exported { manifest, missing })
}

/// The newest migration. Fails unless the database has exactly those of this program: it may have tables that
/// this program does not know.
async fn schema(db: &Db) -> Result<String, TransferError> {
    let steps = migrations::status(db).await?;
    let newest = steps.last().map(|step| step.name.clone()).unwrap_or_default();
    match State::of(&steps) {
        State::Current => Ok(newest),
        State::Behind(_) => Err(TransferError::Refused(
            "the database lacks migrations; run `meowsenger migrate` first".to_owned(),
        )),
        _ => Err(TransferError::Refused(format!(
            "the database has the migration {newest}, which is not this version's; export with the version \
             of the server"
        ))),
    }
}

async fn export_table(
    snapshot: &mut Snapshot,
    layout: &TableLayout,
    folder: &Folder,
    on_progress: OnProgress<'_>,
) -> Result<ListedFile, TransferError> {
    let name = layout.table.name;
    let total = site_tables::count(snapshot.tx(), layout).await?;
    let mut file = folder.write_lines(name)?;
    let written = snapshot.rows(layout, |lines| {
        file.add(&lines.text, lines.count)?;
        on_progress(TransferStep { name, done: file.rows().min(total), total });
        Ok::<_, ArchiveError>(())
    });
    written.await??;
    Ok(file.finish()?)
}

/// Copies the files, and lists them. Returns how many were missing as well.
async fn export_media(
    snapshot: &mut Snapshot,
    files: &Files,
    folder: &Folder,
    on_progress: OnProgress<'_>,
) -> Result<(ListedFile, u64), TransferError> {
    let total = snapshot.count_files().await?;
    let mut list = folder.write_lines("media")?;
    let (mut last, mut missing) = (String::new(), 0);
    loop {
        let paths = snapshot.files_after(&last).await?;
        let Some(newest) = paths.last() else { break };
        last.clone_from(newest);
        for path in paths {
            match files.get(&path).await.map_err(TransferError::media(&path))? {
                Some(bytes) => {
                    let entry = folder.write_media(&path, &bytes)?;
                    let line = serde_json::to_string(&entry).unwrap_or_default() + "\n";
                    list.add(&line, 1)?;
                }
                None => missing += 1,
            }
            on_progress(TransferStep { name: "media", done: list.rows() + missing, total });
        }
    }
    if total == 0 {
        on_progress(TransferStep { name: "media", done: 0, total: 0 });
    }
    Ok((list.finish()?, missing))
}
