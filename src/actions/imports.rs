//! Imports an export into an empty database: everything, or nothing. The files are verified first; then all
//! rows are inserted in one transaction. An export of an earlier version is loaded into the schema of that
//! version, which is migrated afterwards, as that version's database would have been.

use crate::app::{AGREEMENT, HEARTBEAT_TIMEOUT};
use crate::archive::{
    Expected, Folder, LineReader, ListedFile, Manifest, MediaEntry, RowRule, RowRules,
};
use crate::domain::time::Timestamp;
use crate::media::files::Files;
use crate::store::load::{Load, Rejected};
use crate::store::migrations;
use crate::store::site_tables::{ColumnKind, ColumnLayout, TableLayout};
use crate::store::{Db, presence, site};

use super::epoch::new_epoch;
use super::transfer::{OnProgress, TransferError, TransferStep};

/// Rows inserted by one statement, and their size in bytes.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

/// Compares every file with its checksum. Touches no database.
pub fn verify(
    folder: &Folder,
    manifest: &Manifest,
    on_progress: OnProgress<'_>,
) -> Result<(), TransferError> {
    let listed = || manifest.tables.iter().chain([&manifest.media]);
    let total = listed().map(|file| file.bytes).sum();
    let mut done = 0;
    for file in listed() {
        folder.read_lines(file)?.verify(file)?;
        done += file.bytes;
        on_progress(TransferStep { name: "checksums", done, total });
    }
    let mut entries = Entries::open(folder, manifest)?;
    let (mut done, total) = (0, manifest.media.rows);
    while let Some(entry) = entries.next()? {
        folder.read_media(&entry)?;
        done += 1;
        on_progress(TransferStep { name: "media checksums", done, total });
    }
    Ok(())
}

/// Loads a verified export. `now` is the time for the dates of migrations.
pub async fn import(
    db: &Db,
    files: &Files,
    (folder, manifest): (&Folder, &Manifest),
    now: Timestamp,
    on_progress: OnProgress<'_>,
) -> Result<(), TransferError> {
    check_schema(db, &manifest.schema).await?;
    // Before anything is migrated.
    refuse_unless_empty(&mut Load::begin(db).await?, now).await?;
    migrations::migrate_up_to(db, now, Some(&manifest.schema), |_| {}).await?;
    let mut load = Load::begin(db).await?;
    // Somebody may have been faster.
    refuse_unless_empty(&mut load, now).await?;
    load_tables(&mut load, folder, manifest, on_progress).await?;
    let old = site::epoch(load.tx()).await?;
    let new = new_epoch().map_err(|error| TransferError::Refused(error.cause().to_string()))?;
    site::renew_epoch(load.tx(), &old, &new).await?;
    let mut stored = Vec::new();
    let stored_all = store_media(files, folder, manifest, &mut stored, on_progress).await;
    let done = match stored_all {
        Ok(()) => load.commit().await.map_err(TransferError::from),
        Err(error) => Err(error),
    };
    if done.is_err() {
        for path in &stored {
            // Otherwise the server's sweep removes it.
            files.remove(path).await.ok();
        }
    }
    done?;
    Ok(migrations::migrate(db, now, |_| {}).await?)
}

/// Fails unless the database can have the schema of the export.
async fn check_schema(db: &Db, schema: &str) -> Result<(), TransferError> {
    let steps = migrations::status(db).await?;
    let refuse = |text: String| Err(TransferError::Refused(text));
    if !steps.iter().any(|step| step.known && step.name == schema) {
        return refuse(format!(
            "the export has the migration {schema}, which is unknown here; use the version of Meowsenger \
             that made it, or a newer one"
        ));
    }
    match steps.iter().rfind(|step| step.applied) {
        Some(newest) if newest.name.as_str() > schema => refuse(format!(
            "the export is of an earlier version (migration {schema}) than the database (migration {}); \
             import it into a new database, which is then migrated",
            newest.name
        )),
        _ => Ok(()),
    }
}

/// Fails unless the database has no rows, and no server uses it.
pub(super) async fn refuse_unless_empty(
    load: &mut Load,
    now: Timestamp,
) -> Result<(), TransferError> {
    let has_schema = !load.layouts.is_empty();
    if has_schema && !load.tx().is_sqlite() {
        let (after, before) = (now.minus(HEARTBEAT_TIMEOUT), now.plus(AGREEMENT));
        let living = presence::living(load.tx(), after, before).await?;
        if let Some(node) = living.first() {
            return Err(TransferError::Refused(format!(
                "a server uses the database, or did until less than {} seconds ago (node {node}); stop it \
                 and wait",
                HEARTBEAT_TIMEOUT.as_secs()
            )));
        }
    }
    match load.first_with_rows().await? {
        Some(table) => Err(TransferError::Refused(format!(
            "the database is not empty: the table {table} has rows; import into a new database"
        ))),
        None => Ok(()),
    }
}

async fn load_tables(
    load: &mut Load,
    folder: &Folder,
    manifest: &Manifest,
    on_progress: OnProgress<'_>,
) -> Result<(), TransferError> {
    let layouts = load.layouts.clone();
    let known = |name: &str| layouts.iter().any(|layout| layout.table.name == name);
    if let Some(table) = manifest.tables.iter().find(|table| !known(&table.name)) {
        return Err(TransferError::Refused(format!("{}: unknown table", table.path())));
    }
    load.clear_site().await?;
    for layout in &layouts {
        let name = layout.table.name;
        let listed = manifest.tables.iter().find(|table| table.name == name);
        let listed = listed.ok_or_else(|| {
            TransferError::Refused(format!("the table {name} is missing in the manifest"))
        })?;
        let greatest = load_table(load, layout, folder, listed, on_progress).await?;
        let last = manifest.last_ids.get(name).copied().unwrap_or_default();
        load.set_last_id(name, last.max(greatest)).await?;
    }
    Ok(())
}

/// Loads a table. Returns its greatest id.
async fn load_table(
    load: &mut Load,
    layout: &TableLayout,
    folder: &Folder,
    listed: &ListedFile,
    on_progress: OnProgress<'_>,
) -> Result<i64, TransferError> {
    let (name, total, rules) = (layout.table.name, listed.rows, rules(layout));
    let mut reader = folder.read_lines(listed)?;
    let (mut batch, mut bytes, mut greatest) = (Vec::with_capacity(BATCH_ROWS), 0, 0);
    loop {
        let line = reader.next_line()?;
        if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES || line.is_none() {
            // The line that was read last is not among them.
            let after = reader.line() + u64::from(line.is_none());
            insert(load, layout, &batch, &reader, after - batch.len() as u64).await?;
            on_progress(TransferStep { name, done: after - 1, total });
            batch.clear();
            bytes = 0;
        }
        let Some(line) = line else { return Ok(greatest) };
        let id = rules.check(&line).map_err(|what| reader.fault(what))?;
        greatest = greatest.max(id);
        bytes += line.len();
        batch.push(line);
    }
}

async fn insert(
    load: &mut Load,
    layout: &TableLayout,
    batch: &[String],
    reader: &LineReader,
    first: u64,
) -> Result<(), TransferError> {
    match load.insert(layout, batch).await {
        Ok(()) => Ok(()),
        Err(Rejected::Row(index, error)) => {
            Err(reader.fault_at(first + index as u64, error.to_string()).into())
        }
        Err(Rejected::Store(error)) => Err(error.into()),
    }
}

fn rules(layout: &TableLayout) -> RowRules {
    let rule = |column: &ColumnLayout| RowRule {
        name: column.name.clone(),
        nullable: column.nullable,
        kind: match column.kind {
            ColumnKind::Integer => Expected::Integer,
            ColumnKind::Text => Expected::Text,
            ColumnKind::Boolean => Expected::Boolean,
        },
    };
    RowRules(layout.columns.iter().map(rule).collect())
}

/// Stores the files, except those that are there already: the storage may be the one that was exported. Adds
/// the paths of those that it stores to `stored`.
async fn store_media(
    files: &Files,
    folder: &Folder,
    manifest: &Manifest,
    stored: &mut Vec<String>,
    on_progress: OnProgress<'_>,
) -> Result<(), TransferError> {
    let mut entries = Entries::open(folder, manifest)?;
    let (mut done, total) = (0, manifest.media.rows);
    while let Some(entry) = entries.next()? {
        let bytes = folder.read_media(&entry)?;
        let path = entry.path;
        let found = files.get(&path).await.map_err(TransferError::media(&path))?;
        if found.is_none() {
            stored.push(path.clone());
        }
        if found.is_none_or(|found| found != bytes) {
            files.put(&path, bytes).await.map_err(TransferError::media(&path))?;
        }
        done += 1;
        on_progress(TransferStep { name: "media", done, total });
    }
    Ok(())
}

/// The list of stored files.
struct Entries(LineReader);

impl Entries {
    fn open(folder: &Folder, manifest: &Manifest) -> Result<Self, TransferError> {
        Ok(Self(folder.read_lines(&manifest.media)?))
    }

    fn next(&mut self) -> Result<Option<MediaEntry>, TransferError> {
        let Some(line) = self.0.next_line()? else { return Ok(None) };
        let entry = serde_json::from_str(&line);
        Ok(Some(entry.map_err(|error| self.0.fault(error.to_string()))?))
    }
}
