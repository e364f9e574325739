//! Files of JSON lines, with their checksums. Written and read in pieces: a file may be larger than the
//! memory.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::auth::secrets::hex;

use super::ArchiveError;
use super::manifest::ListedFile;

/// Buffer of a file, in bytes.
const BUFFER: usize = 1 << 18;
/// The longest line, in bytes: a message of 20,000 characters has less than 300 KiB, however it is escaped.
const LINE_MAX: u64 = 8 << 20;

/// A stored file, as a line of the list says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaEntry {
    /// The path that rows refer to.
    pub path: String,
    /// The size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl MediaEntry {
    /// That of these bytes.
    pub fn of(path: &str, bytes: &[u8]) -> Self {
        let mut sum = Context::new(&SHA256);
        sum.update(bytes);
        Self { path: path.to_owned(), bytes: bytes.len() as u64, sha256: finished(sum) }
    }
}

/// A file of lines that is being written.
pub struct LineWriter {
    path: PathBuf,
    file: BufWriter<File>,
    sum: Context,
    listed: ListedFile,
}

impl LineWriter {
    pub(super) fn create(name: &str, path: &Path) -> Result<Self, ArchiveError> {
        let file = BufWriter::with_capacity(BUFFER, private_file(path)?);
        let (name, sha256) = (name.to_owned(), String::new());
        let listed = ListedFile { name, rows: 0, bytes: 0, sha256 };
        Ok(Self { path: path.to_owned(), file, sum: Context::new(&SHA256), listed })
    }

    /// Adds some lines, each with its line break.
    pub fn add(&mut self, text: &str, count: u64) -> Result<(), ArchiveError> {
        self.sum.update(text.as_bytes());
        self.listed.rows += count;
        self.listed.bytes += text.len() as u64;
        self.file.write_all(text.as_bytes()).map_err(ArchiveError::io(&self.path))
    }

    /// The number of lines so far.
    pub fn rows(&self) -> u64 {
        self.listed.rows
    }

    /// Flushes it to the disk.
    pub fn finish(self) -> Result<ListedFile, ArchiveError> {
        let fault = ArchiveError::io(&self.path);
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(fault)?;
        Ok(ListedFile { sha256: finished(self.sum), ..self.listed })
    }
}

/// The lines of a file.
pub struct LineReader {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
}

impl LineReader {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::io(path))?;
        Ok(Self { path: path.to_owned(), file: BufReader::with_capacity(BUFFER, file), line: 0 })
    }

    /// The next line, without its line break.
    pub fn next_line(&mut self) -> Result<Option<String>, ArchiveError> {
        let mut line = Vec::new();
        let read = self.file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        if read.map_err(ArchiveError::io(&self.path))? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if line.pop() != Some(b'\n') {
            return Err(self.fault("the line is cut off, or far too long"));
        }
        String::from_utf8(line).map(Some).map_err(|_| self.fault("not UTF-8"))
    }

    /// The number of the last line that was read.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// An error of the last line that was read.
    pub fn fault(&self, what: impl Into<String>) -> ArchiveError {
        self.fault_at(self.line, what)
    }

    /// An error of an earlier line.
    pub fn fault_at(&self, line: u64, what: impl Into<String>) -> ArchiveError {
        ArchiveError::Faulty { path: self.path.clone(), line: Some(line), what: what.into() }
    }

    /// Reads the file to its end, and compares it with what the manifest says. If they differ, the error names
    /// the first line that is not JSON, if there is one.
    pub fn verify(mut self, listed: &ListedFile) -> Result<(), ArchiveError> {
        let (mut sum, mut rows) = (Context::new(&SHA256), 0);
        loop {
            let piece = self.file.fill_buf().map_err(ArchiveError::io(&self.path))?;
            if piece.is_empty() {
                break;
            }
            sum.update(piece);
            rows += memchr::memchr_iter(b'\n', piece).count() as u64;
            let read = piece.len();
            self.file.consume(read);
        }
        if finished(sum) == listed.sha256 && rows == listed.rows {
            return Ok(());
        }
        let mut again = Self::open(&self.path)?;
        while let Some(line) = again.next_line()? {
            if let Err(error) = serde_json::from_str::<IgnoredAny>(&line) {
                return Err(again.fault(format!("not JSON: {error}")));
            }
        }
        let what = format!(
            "the checksum is wrong, so the file was damaged or edited: {rows} lines instead of {}",
            listed.rows
        );
        Err(ArchiveError::Faulty { path: self.path, line: None, what })
    }
}

/// A file that its owner alone can read, overwritten.
pub(super) fn private_file(path: &Path) -> Result<File, ArchiveError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map_err(ArchiveError::io(path))
}

fn finished(sum: Context) -> String {
    hex(sum.finish().as_ref())
}
