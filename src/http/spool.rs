//! A body that is being received. Small ones stay in memory; larger ones go to a temporary file, so that
//! slow uploads cost no memory. The file has no name and disappears with the process.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;

use axum::body::Bytes;

use crate::domain::error::{Error, Result};
use crate::media::section::Section;

/// The most that is held in memory, in bytes. A JSON body fits.
const MEMORY_MAX: usize = 128 * 1024;

/// What was received so far.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// What follows the content of the file.
    memory: Vec<u8>,
    file: Option<Arc<File>>,
    /// Bytes in the file.
    in_file: usize,
}

impl Spool {
    /// How much was received, in bytes.
    pub(super) fn len(&self) -> usize {
        self.in_file + self.memory.len()
    }

    /// Appends data. [`Error::Unavailable`], as from [`Spool::into_bytes`], if the temporary folder cannot
    /// be written.
    pub(super) async fn write(&mut self, data: Bytes) -> Result<()> {
        if self.memory.len() + data.len() > MEMORY_MAX {
            self.flush().await?;
        }
        self.memory.extend_from_slice(&data);
        Ok(())
    }

    /// The whole body.
    pub(super) async fn into_bytes(mut self) -> Result<Vec<u8>> {
        if self.file.is_none() {
            return Ok(self.memory);
        }
        self.flush().await?;
        let (file, size) = (self.file, self.in_file);
        blocking(move || {
            let mut bytes = Vec::with_capacity(size);
            if let Some(mut file) = file.as_deref() {
                file.rewind()?;
                file.read_to_end(&mut bytes)?;
            }
            Ok(bytes)
        })
        .await
    }

    /// The whole body, in a file. [`Error::Unavailable`] if the temporary folder cannot be written.
    pub(super) async fn into_section(mut self) -> Result<Section> {
        self.flush().await?;
        let size = self.in_file as u64;
        let file = self.file.ok_or_else(|| Error::internal("a body has no file"))?;
        Ok(Section::new(file, 0..size))
    }

    async fn flush(&mut self) -> Result<()> {
        let (memory, file) = (std::mem::take(&mut self.memory), self.file.take());
        let size = memory.len();
        let file = blocking(move || {
            let file = file.map_or_else(|| tempfile::tempfile().map(Arc::new), Ok)?;
            (&*file).write_all(&memory)?;
            Ok(file)
        });
        self.file = Some(file.await?);
        self.in_file += size;
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| Error::Unavailable(error.into()))
}
