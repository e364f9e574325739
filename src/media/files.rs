//! Stored files, in a folder or an S3 bucket, each under a path such as `avatars/0f3a.png`. Any path
//! is accepted: unguessable names are made elsewhere.

use std::path::Path as FilePath;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::domain::error::{Error, Result};

/// How long requests to a bucket are retried. A client waits meanwhile.
const RETRY_TIME: Duration = Duration::from_secs(10);
const RETRIES: usize = 2;

/// The storage of files. Every error except a missing file is [`Error::Unavailable`].
#[derive(Clone, Debug)]
pub struct Files(Arc<dyn ObjectStore>);

impl Files {
    /// A storage in a folder, which must exist.
    pub fn in_folder(folder: &FilePath) -> Result<Self, String> {
        // As durable as the row that refers to the file.
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| e.to_string())?;
        Ok(Self(Arc::new(store.with_fsync(true))))
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
        Ok(Self(Arc::new(PrefixStore::new(store, prefix))))
    }

    /// Stores a file, completely or not at all.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.0.put(&Path::from(path), bytes.into()).await.map(drop).map_err(unavailable)
    }

    /// The content of a file; `None` if it does not exist.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        match self.0.get(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(unavailable)?)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whether a file exists.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.0.head(&Path::from(path)).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Removes a file. A file that does not exist counts as removed.
    pub async fn remove(&self, path: &str) -> Result<()> {
        match self.0.delete(&Path::from(path)).await {
            Err(StoreError::NotFound { .. }) => Ok(()),
            removed => removed.map_err(unavailable),
        }
    }

    /// Whether the storage can be read.
    pub async fn check(&self) -> Result<()> {
        let mut files = pin!(self.0.list(None));
        files.next().await.transpose().map(drop).map_err(unavailable)
    }

    /// The paths of the files in a folder, in no order.
    pub fn list(&self, folder: &str) -> impl Stream<Item = Result<String>> {
        self.0
            .list(Some(&Path::from(folder)))
            .map(|file| file.map(|file| file.location.to_string()).map_err(unavailable))
    }
}

fn unavailable(error: StoreError) -> Error {
    Error::Unavailable(error.into())
}
