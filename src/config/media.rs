//! Where avatars are stored.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::domain::network::is_local;

use super::reader::Reader;

/// Settings of the media storage.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// `MEDIA_URL`
    pub url: MediaUrl,
}

/// Which storage is used.
#[derive(Clone, PartialEq, Eq)]
pub enum MediaUrl {
    /// A folder; `None`: `media` in the data folder.
    Folder(Option<PathBuf>),
    /// An S3 bucket.
    Bucket {
        /// Its name.
        bucket: String,
        /// The prefix of its keys, as in the URL.
        prefix: String,
        /// Region, endpoint, credentials and so on: first those of the `AWS_…` variables, then those
        /// of the URL, which override them. May hold secrets.
        options: Vec<(String, String)>,
    },
}

impl fmt::Debug for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Bucket { bucket, .. } => f.debug_tuple("Bucket").field(bucket).finish(),
        }
    }
}

/// The secrets that are passed on, under the names of Amazon's own tools.
pub const AWS_SECRETS: [&str; 3] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// The other variables that are passed on.
pub const AWS_VARIABLES: [&str; 10] = [
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ALLOW_HTTP",
];

impl MediaSettings {
    /// The endpoint of a bucket that is not Amazon's own.
    pub fn endpoint(&self) -> Option<Url> {
        let MediaUrl::Bucket { options, .. } = &self.url else { return None };
        // As object_store reads them: later ones override earlier ones.
        let is_endpoint = |name: &str| name.to_ascii_lowercase().contains("endpoint");
        let found = options.iter().rev().find(|(name, _)| is_endpoint(name));
        found.and_then(|(_, value)| Url::parse(value).ok())
    }

    /// Whether files cross a network unencrypted.
    pub fn is_exposed(&self) -> bool {
        let endpoint = self.endpoint();
        let http = endpoint.filter(|url| url.scheme() == "http");
        http.is_some_and(|url| url.host_str().is_some_and(|host| !is_local(host)))
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let mut url = from.secret(
            "MEDIA_URL",
            "",
            "Where avatars are stored: file:///folder, or s3://bucket/prefix with the usual AWS_…\n\
             variables; for another S3 server add ?region=…&endpoint=…&allow_http=true. Default:\n\
             the folder media in DATA_DIR. Several nodes need a storage that all of them reach.",
            media_url,
        );
        if let MediaUrl::Bucket { options, .. } = &mut url {
            let mut given = Vec::new();
            for name in AWS_VARIABLES {
                given.extend(from.other(name).map(|value| (name.to_owned(), value.to_owned())));
            }
            for name in AWS_SECRETS {
                given.extend(from.other_secret(name).map(|value| (name.to_owned(), value)));
            }
            options.splice(0..0, given);
        }
        Self { url }
    }
}

/// The value may hold a password, so the error does not quote it.
fn media_url(value: &str) -> Result<MediaUrl, String> {
    if value.is_empty() {
        return Ok(MediaUrl::Folder(None));
    }
    let url = Url::parse(value).map_err(|_| "is not a valid URL".to_owned())?;
    match (url.scheme(), url.host_str()) {
        ("file", None) => url
            .to_file_path()
            .map(|path| MediaUrl::Folder(Some(path)))
            .map_err(|()| "must name a folder, as in file:///var/lib/meowsenger/media".to_owned()),
        ("s3", Some(_)) if url.query_pairs().any(|(_, value)| value.contains(' ')) => {
            Err("has a + or a space in its parameters; write + as %2B".to_owned())
        }
        ("s3", Some(bucket)) => Ok(MediaUrl::Bucket {
            bucket: bucket.to_owned(),
            prefix: url.path().to_owned(),
            options: url.query_pairs().into_owned().collect(),
        }),
        _ => Err("must be file:///folder or s3://bucket/prefix".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_is_a_folder_or_a_bucket() {
        assert_eq!(media_url(""), Ok(MediaUrl::Folder(None)));
        assert_eq!(media_url("file:///a/b"), Ok(MediaUrl::Folder(Some("/a/b".into()))));
        let url = media_url("s3://cats/pictures/?region=eu-1&endpoint=http%3A%2F%2Fx%3A9");
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let bucket = MediaUrl::Bucket {
            bucket: "cats".to_owned(),
            prefix: "/pictures/".to_owned(),
            options: vec![option("region", "eu-1"), option("endpoint", "http://x:9")],
        };
        assert_eq!(url, Ok(bucket));
        for bad in ["pictures", "file://host/a", "s3:///a", "https://x/y", "ftp://x"] {
            assert!(media_url(bad).is_err(), "{bad}");
        }
    }
}
