//! A part of a received file: what is inspected, copied and stored without being in memory as a whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use tokio::task::spawn_blocking;

use crate::domain::error::{Error, Result};

/// How much is read at a time, in bytes: enough that changing threads costs little.
const CHUNK: u64 = 256 * 1024;

/// A range of an open file. Copies read independently.
#[derive(Clone, Debug)]
pub struct Section {
    file: Arc<File>,
    range: Range<u64>,
    /// Where the next read begins, in the file.
    at: u64,
}

impl Section {
    /// A range of a file.
    pub fn new(file: Arc<File>, range: Range<u64>) -> Self {
        Self { file, at: range.start, range }
    }

    /// Its length, in bytes.
    pub fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Whether it contains nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range of this one. What is beyond the end is left out.
    pub fn part(&self, range: Range<u64>) -> Self {
        let bound = |offset: u64| self.range.start.saturating_add(offset).min(self.range.end);
        Self::new(Arc::clone(&self.file), bound(range.start)..bound(range.end))
    }

    /// Its bytes, fewer at the end, of a range that is small. Blocks.
    pub fn bytes(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut part = self.part(range);
        // Otherwise it would grow by doubling.
        let mut bytes = Vec::with_capacity(usize::try_from(part.len()).unwrap_or_default());
        part.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(offset) => self.range.start.checked_add(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
            SeekFrom::End(offset) => self.range.end.checked_add_signed(offset),
        };
        let at = at.filter(|at| *at >= self.range.start);
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at - self.range.start)
    }
}

/// The bytes of a section. A file that is shorter than it was is an error: its length was announced.
pub fn chunks(section: Section) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    try_unfold(section, async |section: Section| {
        let left = section.range.end.saturating_sub(section.at);
        match left {
            0 => Ok(None),
            _ => {
                // Allocated here: of what many threads for blocking work allocate and others free, the allocator keeps
                // some megabytes for each of them.
                let length = left.min(CHUNK);
                let buffer = Vec::with_capacity(length as usize);
                work(move || next_chunk(section, length, buffer)).await.map(Some)
            }
        }
    })
}

/// Reads the next bytes into an empty buffer.
fn next_chunk(
    mut section: Section,
    length: u64,
    mut buffer: Vec<u8>,
) -> io::Result<(Bytes, Section)> {
    Read::by_ref(&mut section).take(length).read_to_end(&mut buffer)?;
    match buffer.len() as u64 == length {
        true => Ok((buffer.into(), section)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Runs work with files off the runtime.
pub async fn work<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| Error::Unavailable(error.into()))
}
