//! Kept files, in a folder or in an S3 bucket, each under a path such as `avatars/0f3a.png`. It
//! takes any path: names that cannot be guessed are made elsewhere.

use std::path::Path as FilePath;
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

/// How long a bucket that does not answer is asked again. Somebody waits.
const RETRY_TIME: Duration = Duration::from_secs(10);
const RETRIES: usize = 2;

/// Where files are kept. Every error but that of a file that is not there is
/// [`Error::Unavailable`].
#[derive(Clone, Debug)]
pub struct Files(Arc<dyn ObjectStore>);

impl Files {
    /// In a folder, which must be there.
    pub fn in_folder(folder: &FilePath) -> Result<Self, String> {
        // As durable as the row that names the file.
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| e.to_string())?;
        Ok(Self(Arc::new(store.with_fsync(true))))
    }

    /// In an S3 bucket, below a prefix. `options` are object_store's, such as `region`, `endpoint`
    /// or `aws_access_key_id`; a later one wins. Nothing is connected yet.
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
            // Files are removed one by one, and not every server knows the other way.
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

    /// Keeps a file, whole or not at all.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.0.put(&Path::from(path), bytes.into()).await.map(drop).map_err(fault)
    }

    /// A file's content; `None` where there is no such file.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        match self.0.get(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(fault)?)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    /// Removes a file. One that is not there is as good as removed.
    pub async fn remove(&self, path: &str) -> Result<()> {
        match self.0.delete(&Path::from(path)).await {
            Err(StoreError::NotFound { .. }) => Ok(()),
            removed => removed.map_err(fault),
        }
    }

    /// The paths of a folder's files, in no order.
    pub fn list(&self, folder: &str) -> impl Stream<Item = Result<String>> {
        self.0
            .list(Some(&Path::from(folder)))
            .map(|file| file.map(|file| file.location.to_string()).map_err(fault))
    }
}

fn fault(error: StoreError) -> Error {
    Error::Unavailable(error.into())
}
