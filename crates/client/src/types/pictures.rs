//! Pictures to be uploaded.

use bytes::Bytes;

/// A picture to upload: PNG, JPEG, WebP or GIF, at most 5 MiB unless the server allows more. The
/// server recognises the format by the content.
#[derive(Debug)]
pub struct Picture(Source);

#[derive(Debug)]
enum Source {
    /// Can be sent again.
    Bytes(Bytes),
    /// Can be sent once; `None` after that.
    Stream(Option<reqwest::Body>),
}

impl Picture {
    /// A picture that is sent while it is read, such as a `tokio::fs::File`. The upload is not
    /// retried, since it cannot be read twice.
    pub fn stream(body: impl Into<reqwest::Body>) -> Self {
        Self(Source::Stream(Some(body.into())))
    }

    /// Whether it was a stream and has been sent.
    pub(crate) fn is_used_up(&self) -> bool {
        matches!(self.0, Source::Stream(None))
    }

    /// The body of the next attempt; `None` if there cannot be one.
    pub(crate) fn next_body(&mut self) -> Option<reqwest::Body> {
        match &mut self.0 {
            Source::Bytes(bytes) => Some(bytes.clone().into()),
            Source::Stream(body) => body.take(),
        }
    }
}

impl From<Vec<u8>> for Picture {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<&[u8]> for Picture {
    fn from(bytes: &[u8]) -> Self {
        Self(Source::Bytes(Bytes::copy_from_slice(bytes)))
    }
}
