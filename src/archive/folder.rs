//! The folder of an export, readable by its owner alone: it holds password hashes and sessions. While it is
//! being written it contains a file that says so; the manifest comes last. Only what an export has written is
//! ever overwritten, and only on request.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::ArchiveError;
use super::lines::{LineReader, LineWriter, MediaEntry, private_file};
use super::manifest::{FORMAT, ListedFile, Manifest};

const MANIFEST: &str = "manifest.json";
const MEDIA: &str = "media";
/// Present while an export is being written.
const INCOMPLETE: &str = "INCOMPLETE";
const INCOMPLETE_TEXT: &str = "\
    This export is not complete: it is still being written, or was interrupted. `meowsenger import` refuses it.\n\
    To start again: `meowsenger export --overwrite` with this folder.\n";

/// A manifest larger than this is not one.
const MANIFEST_BYTES: u64 = 1 << 20;

/// Whether an earlier export in the folder may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// The folder must be empty, or not exist.
    Refuse,
    /// An export in it, complete or not, is removed first.
    Allow,
}

/// The folder of an export.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Creates the folder, or empties it, and marks it as incomplete.
    pub fn create(path: &Path, overwrite: Overwrite) -> Result<Self, ArchiveError> {
        let fault = ArchiveError::io;
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault(path))?;
        let folder = Self(path.to_owned());
        let found = folder.names()?;
        if !found.is_empty() {
            folder.check_overwrite(&found, overwrite)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(fault(path))?;
        folder.write_new(INCOMPLETE, INCOMPLETE_TEXT.as_bytes())?;
        sync_folder(path)?;
        for name in found.iter().filter(|name| *name != INCOMPLETE) {
            let path = path.join(name);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(fault(&path))?;
        }
        Ok(folder)
    }

    fn check_overwrite(&self, found: &[String], overwrite: Overwrite) -> Result<(), ArchiveError> {
        let refuse = |why| Err(ArchiveError::Occupied { path: self.0.clone(), why });
        let is_ours = |name: &String| {
            matches!(name.as_str(), MANIFEST | MEDIA | INCOMPLETE) || name.ends_with(".jsonl")
        };
        let is_export = found.iter().any(|name| name == MANIFEST || name == INCOMPLETE);
        if !is_export || !found.iter().all(is_ours) {
            return refuse("the folder is not empty; name a new one");
        }
        match overwrite {
            Overwrite::Allow => Ok(()),
            Overwrite::Refuse if found.iter().any(|name| name == INCOMPLETE) => {
                refuse("an interrupted export is in the folder; --overwrite starts it again")
            }
            Overwrite::Refuse => {
                refuse("an export is in the folder already; name a new one, or --overwrite it")
            }
        }
    }

    /// Opens a complete export.
    pub fn open(path: &Path) -> Result<(Self, Manifest), ArchiveError> {
        let folder = Self(path.to_owned());
        let refuse = |why: String| ArchiveError::NotAnExport { path: path.to_owned(), why };
        let found = folder.names()?;
        if found.iter().any(|name| name == INCOMPLETE) {
            return Err(refuse("the export was interrupted; export again".to_owned()));
        }
        let file = path.join(MANIFEST);
        if !found.iter().any(|name| name == MANIFEST) {
            return Err(refuse(format!("there is no {MANIFEST}: this is no export")));
        }
        let size = fs::metadata(&file).map_err(ArchiveError::io(&file))?.len();
        let faulty = |what: String| ArchiveError::Faulty { path: file.clone(), line: None, what };
        if size > MANIFEST_BYTES {
            return Err(faulty("too large for a manifest".to_owned()));
        }
        let text = fs::read(&file).map_err(ArchiveError::io(&file))?;
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| faulty(error.to_string()))?;
        // Before the rest, which another format may have changed.
        if value["format"] != FORMAT {
            return Err(faulty(format!(
                "the format {} is not known here, only {FORMAT}; use the version of Meowsenger that made it",
                value["format"]
            )));
        }
        let manifest: Manifest =
            serde_json::from_value(value).map_err(|error| faulty(error.to_string()))?;
        for listed in manifest.tables.iter().chain([&manifest.media]) {
            let path = folder.file(listed);
            if !path.is_file() {
                return Err(refuse(format!("{} is missing", listed.path())));
            }
        }
        Ok((folder, manifest))
    }

    fn names(&self) -> Result<Vec<String>, ArchiveError> {
        let fault = ArchiveError::io;
        let entries = fs::read_dir(&self.0).map_err(fault(&self.0))?;
        let name = |entry: io::Result<fs::DirEntry>| {
            Ok(entry.map_err(fault(&self.0))?.file_name().to_string_lossy().into_owned())
        };
        entries.map(name).collect()
    }

    /// The path of a listed file.
    pub fn file(&self, listed: &ListedFile) -> PathBuf {
        self.0.join(listed.path())
    }

    /// Begins a file of lines.
    pub fn write_lines(&self, name: &str) -> Result<LineWriter, ArchiveError> {
        LineWriter::create(name, &self.0.join(format!("{name}.jsonl")))
    }

    /// Reads the lines of a file.
    pub fn read_lines(&self, listed: &ListedFile) -> Result<LineReader, ArchiveError> {
        LineReader::open(&self.file(listed))
    }

    /// Writes a stored file under its path.
    pub fn write_media(&self, path: &str, bytes: &[u8]) -> Result<MediaEntry, ArchiveError> {
        let file = self.media(path)?;
        if let Some(parent) = file.parent() {
            let folders = DirBuilder::new().recursive(true).mode(0o700).create(parent);
            folders.map_err(ArchiveError::io(parent))?;
        }
        write_new(&file, bytes)?;
        Ok(MediaEntry::of(path, bytes))
    }

    /// Reads a stored file, and compares it with its entry.
    pub fn read_media(&self, entry: &MediaEntry) -> Result<Vec<u8>, ArchiveError> {
        let file = self.media(&entry.path)?;
        let bytes = fs::read(&file).map_err(ArchiveError::io(&file))?;
        if MediaEntry::of(&entry.path, &bytes) != *entry {
            let what = "the file is not the one that was exported: its checksum differs".to_owned();
            return Err(ArchiveError::Faulty { path: file, line: None, what });
        }
        Ok(bytes)
    }

    /// Where a stored file is. A path that leads elsewhere is refused.
    fn media(&self, path: &str) -> Result<PathBuf, ArchiveError> {
        let file = self.0.join(MEDIA).join(path);
        let mut parts = Path::new(path).components();
        if !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_))) {
            return Ok(file);
        }
        let what = "is no path of a stored file".to_owned();
        Err(ArchiveError::Faulty { path: file, line: None, what })
    }

    /// Writes the manifest: from now on the export is complete, also after a power failure.
    pub fn finish(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        let mut text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
        text.push(b'\n');
        // Names that are not on the disk yet would be lost with the power.
        self.sync_folders(&self.0)?;
        self.write_new(MANIFEST, &text)?;
        sync_folder(&self.0)?;
        let mark = self.0.join(INCOMPLETE);
        fs::remove_file(&mark).map_err(ArchiveError::io(&mark))?;
        sync_folder(&self.0)
    }

    fn sync_folders(&self, folder: &Path) -> Result<(), ArchiveError> {
        for entry in fs::read_dir(folder).map_err(ArchiveError::io(folder))? {
            let path = entry.map_err(ArchiveError::io(folder))?.path();
            if path.is_dir() {
                self.sync_folders(&path)?;
            }
        }
        sync_folder(folder)
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        write_new(&self.0.join(name), bytes)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let mut file = private_file(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(ArchiveError::io(path))
}

fn sync_folder(path: &Path) -> Result<(), ArchiveError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(ArchiveError::io(path))
}
