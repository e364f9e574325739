//! Where pictures are kept.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::reader::Reader;

/// See the fields.
#[derive(Clone, Debug)]
pub struct Media {
    /// `MEDIA_URL`
    pub place: MediaPlace,
}

/// Which store.
#[derive(Clone, PartialEq, Eq)]
pub enum MediaPlace {
    /// A folder; `None`: `media` in the data folder.
    Folder(Option<PathBuf>),
    /// An S3 bucket.
    Bucket {
        /// Its name.
        bucket: String,
        /// What its keys begin with, as it stands in the URL.
        prefix: String,
        /// Region, endpoint, credentials: of the `AWS_…` variables, then of the URL's query. They
        /// hold secrets.
        options: Vec<(String, String)>,
    },
}

impl fmt::Debug for MediaPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Bucket { bucket, .. } => f.debug_tuple("Bucket").field(bucket).finish(),
        }
    }
}

/// The variables that are handed on, as Amazon's own tools name them.
const AWS_VARIABLES: [&str; 13] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
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

impl Media {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let mut place = from.get(
            "MEDIA_URL",
            "",
            "Where pictures are kept: file:///folder, or s3://bucket/prefix with the usual AWS_…\n\
             variables, or ?region=…&endpoint=…&allow_http=true for a server of one's own. Without\n\
             it, the folder media in DATA_DIR. Several nodes need one that all of them reach.",
            media_place,
        );
        if let MediaPlace::Bucket { options, .. } = &mut place {
            let given =
                AWS_VARIABLES.into_iter().filter_map(|name| Some((name, from.other(name)?)));
            let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
            options.splice(0..0, given.collect::<Vec<_>>());
        }
        Self { place }
    }
}

/// The value may hold a password, so faults do not repeat it.
fn media_place(value: &str) -> Result<MediaPlace, String> {
    if value.is_empty() {
        return Ok(MediaPlace::Folder(None));
    }
    let url = Url::parse(value).map_err(|_| "is not a valid URL".to_owned())?;
    match (url.scheme(), url.host_str()) {
        ("file", None) => url
            .to_file_path()
            .map(|path| MediaPlace::Folder(Some(path)))
            .map_err(|()| "must name a folder, as in file:///var/lib/meowsenger/media".to_owned()),
        ("s3", Some(bucket)) => Ok(MediaPlace::Bucket {
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
    fn a_place_is_a_folder_or_a_bucket() {
        assert_eq!(media_place(""), Ok(MediaPlace::Folder(None)));
        assert_eq!(media_place("file:///a/b"), Ok(MediaPlace::Folder(Some("/a/b".into()))));
        let place = media_place("s3://cats/pictures/?region=eu-1&endpoint=http%3A%2F%2Fx%3A9");
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let bucket = MediaPlace::Bucket {
            bucket: "cats".to_owned(),
            prefix: "/pictures/".to_owned(),
            options: vec![option("region", "eu-1"), option("endpoint", "http://x:9")],
        };
        assert_eq!(place, Ok(bucket));
        for bad in ["pictures", "file://host/a", "s3:///a", "https://x/y", "ftp://x"] {
            assert!(media_place(bad).is_err(), "{bad}");
        }
    }
}
