//! Stored files, in a folder or an S3 bucket, each under a path such as `avatars/0f3a.png`. Any path
//! is accepted: unguessable names are made elsewhere.

use std::fs;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Error as StoreError, GetOptions, GetResultPayload, MultipartUpload, ObjectStore,
    ObjectStoreExt, PutPayload, RetryConfig,
};

use crate::domain::error::{Error, Result};

use super::section::{Section, chunks};

/// How long requests to a bucket are retried. A client waits meanwhile.
const RETRY_TIME: Duration = Duration::from_secs(10);
const RETRIES: usize = 2;

/// How much of a stream is written at a time, in bytes.
const FOLDER_PART: usize = 256 * 1024;
/// The least that S3 takes as a part of an object.
const BUCKET_PART: usize = 5 * 1024 * 1024;

/// The storage of files. Every error except a missing file is [`Error::Unavailable`].
#[derive(Clone, Debug)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    /// The folder, unless it is a bucket.
    folder: Option<PathBuf>,
}

/// The bytes of a file, piece by piece.
pub type FileStream = BoxStream<'static, Result<Bytes>>;

impl Files {
    /// A storage in a folder, which must exist.
    pub fn in_folder(folder: &FilePath) -> Result<Self, String> {
        // As durable as the row that refers to the file.
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| e.to_string())?;
        Ok(Self { store: Arc::new(store.with_fsync(true)), folder: Some(folder.to_owned()) })
    }

    /// A storage in an S3 bucket, under a prefix. `options` are those of object_store, such as `region`,
    /// `endpoint` or `aws_access_key_id`; later ones override earlier ones. Does not connect yet.
    pub fn in_bucket(
        bucket: &str,
        prefix: &str,
        options: &[(String, String)],
    ) -> Result<Self, String> {
        let retry =
            RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..Default::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_retry(retry)
            // Files are removed one by one, and not every server supports bulk deletion.
            .with_disable_bulk_delete(true);
        for (name, value) in options {
            let key: AmazonS3ConfigKey =
                name.to_ascii_lowercase().parse().map_err(|_| format!("unknown: {name}"))?;
            builder = builder.with_config(key, value);
        }
        let store = builder.build().map_err(|error| error.to_string())?;
        let prefix = Path::from_url_path(prefix).map_err(|error| error.to_string())?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), folder: None })
    }

    /// Stores a file, completely or not at all.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.store.put(&Path::from(path), bytes.into()).await.map(drop).map_err(unavailable)
    }

    /// Stores what a stream returns, completely or not at all, and holds one part of it in memory.
    pub async fn put_stream(
        &self,
        path: &str,
        content: impl Stream<Item = Result<Bytes>>,
    ) -> Result<()> {
        let size = if self.folder.is_some() { FOLDER_PART } else { BUCKET_PART };
        let (path, mut content) = (Path::from(path), pin!(content));
        let (first, is_whole) = part(&mut content, size).await?;
        if is_whole {
            return self.store.put(&path, first).await.map(drop).map_err(unavailable);
        }
        let mut upload = self.store.put_multipart(&path).await.map_err(unavailable)?;
        let written = write_parts(&mut *upload, first, &mut content, size).await;
        if written.is_err() {
            // What is left of it is removed by the sweep, or by the bucket's own rules.
            upload.abort().await.ok();
        }
        written
    }

    /// A range of a file; `None` if the file does not exist.
    pub async fn open(&self, path: &str, range: Range<u64>) -> Result<Option<FileStream>> {
        let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
        let found = match self.store.get_opts(&Path::from(path), options).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        Ok(Some(match found.payload {
            GetResultPayload::File(file, _) => chunks(Section::new(Arc::new(file), range)).boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(unavailable).boxed(),
        }))
    }

    /// Files in a folder of this storage that were not written to their end: their program was killed. A bucket
    /// shows none. Blocks.
    pub fn unfinished(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders: Vec<_> = self.folder.iter().map(|root| root.join(folder)).collect();
        while let Some(folder) = folders.pop() {
            // One that does not exist contains nothing.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(_) if is_staged(&entry.file_name().to_string_lossy()) => {
                        found.push(entry.path())
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The content of a file; `None` if it does not exist.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        match self.store.get(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(unavailable)?)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whether a file exists.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.size(path).await?.is_some())
    }

    /// How large a file is, in bytes; `None` if it does not exist.
    pub async fn size(&self, path: &str) -> Result<Option<u64>> {
        match self.store.head(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Removes a file. A file that does not exist counts as removed.
    pub async fn remove(&self, path: &str) -> Result<()> {
        match self.store.delete(&Path::from(path)).await {
            Err(StoreError::NotFound { .. }) => Ok(()),
            removed => removed.map_err(unavailable),
        }
    }

    /// Whether the storage can be read.
    pub async fn check(&self) -> Result<()> {
        let mut files = pin!(self.store.list(None));
        files.next().await.transpose().map(drop).map_err(unavailable)
    }

    /// The paths of the files in a folder, in no order.
    pub fn list(&self, folder: &str) -> impl Stream<Item = Result<String>> {
        self.store
            .list(Some(&Path::from(folder)))
            .map(|file| file.map(|file| file.location.to_string()).map_err(unavailable))
    }
}

fn unavailable(error: StoreError) -> Error {
    Error::Unavailable(error.into())
}

/// object_store writes `cat.png` as `cat.png#1` first.
fn is_staged(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The next part of a stream, and whether the stream has ended.
async fn part(
    content: &mut (impl Stream<Item = Result<Bytes>> + Unpin),
    size: usize,
) -> Result<(PutPayload, bool)> {
    let (mut pieces, mut length) = (Vec::new(), 0);
    while length < size {
        match content.next().await.transpose()? {
            Some(piece) => {
                length += piece.len();
                pieces.push(piece);
            }
            None => return Ok((pieces.into_iter().collect(), true)),
        }
    }
    Ok((pieces.into_iter().collect(), false))
}

async fn write_parts(
    upload: &mut dyn MultipartUpload,
    first: PutPayload,
    content: &mut (impl Stream<Item = Result<Bytes>> + Unpin),
    size: usize,
) -> Result<()> {
    upload.put_part(first).await.map_err(unavailable)?;
    loop {
        let (next, is_last) = part(content, size).await?;
        if next.content_length() > 0 {
            upload.put_part(next).await.map_err(unavailable)?;
        }
        if is_last {
            return upload.complete().await.map(drop).map_err(unavailable);
        }
    }
}
