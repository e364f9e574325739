//! Answers with a file: headers that keep a browser from executing it, ranges, conditions, and a body that is streamed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use hyper::body::{Frame, SizeHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::actions::attachments::{self, Rendition, ServedFile};
use crate::app::App;
use crate::domain::attachment::PLAIN_TEXT;
use crate::domain::error::Error;
use crate::media::files::FileStream;

use super::errors::Result;
use super::ranges::{Selected, select};

/// A file never changes. Only those who may read it may keep it.
const CACHED: &str = "private, max-age=31536000, immutable";
/// Whatever a browser takes the file for, it runs no scripts and has no origin.
const POLICY: &str = "sandbox; default-src 'none'";
/// What RFC 8187 allows in a parameter as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Answers a GET or HEAD for a file.
pub(super) async fn answer(
    app: &App,
    file: ServedFile,
    rendition: Rendition,
    method: &Method,
    mut asked: HeaderMap,
) -> Result<Response> {
    let (size, tag) = (attachments::size(app, &file).await?, format!("\"{}\"", file.tag));
    if method == Method::HEAD {
        asked.remove(header::RANGE);
    }
    let selected = select(&asked, &tag, size);
    let mut response = match &selected {
        Selected::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Selected::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        Selected::Whole => content(app, &file, 0..size, method).await?,
        Selected::Part(range) => content(app, &file, range.clone(), method).await?,
    };
    let mut set = |name, value: String| match HeaderValue::from_str(&value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(error) => tracing::error!(%error, "a header of a file is not valid"),
    };
    set(header::ETAG, tag);
    set(header::CACHE_CONTROL, CACHED.to_owned());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::CONTENT_SECURITY_POLICY, POLICY.to_owned());
    set(header::CONTENT_DISPOSITION, disposition(&file, rendition));
    match selected {
        Selected::Part(range) => {
            let last = range.end - 1;
            set(header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", range.start));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Selected::Unsatisfiable => set(header::CONTENT_RANGE, format!("bytes */{size}")),
        Selected::NotModified | Selected::Whole => {}
    }
    Ok(response)
}

/// The bytes, or for HEAD only their number.
async fn content(
    app: &App,
    file: &ServedFile,
    range: std::ops::Range<u64>,
    method: &Method,
) -> Result<Response> {
    let left = range.end - range.start;
    let body = match method == Method::HEAD || left == 0 {
        true => Body::empty(),
        false => Body::new(FileBody { stream: attachments::open(app, file, range).await?, left }),
    };
    let kind = match file.content_type.as_str() {
        PLAIN_TEXT => "text/plain; charset=utf-8",
        other => other,
    };
    let kind = HeaderValue::from_str(kind).map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_LENGTH, left.into())], body)
        .into_response())
}

/// RFC 6266: the name in ASCII for old clients, and as it is.
fn disposition(file: &ServedFile, rendition: Rendition) -> String {
    let is_inline = rendition == Rendition::Thumbnail || file.attachment.is_inline();
    let kind = if is_inline { "inline" } else { "attachment" };
    let name = &file.attachment.name;
    let is_plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%');
    let plain: String = name.chars().map(|c| if is_plain(&c) { c } else { '_' }).collect();
    let encoded = utf8_percent_encode(name, PLAIN);
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// A stream whose length is known.
struct FileBody {
    stream: FileStream,
    left: u64,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        let next = ready!(Pin::new(&mut self.stream).poll_next(context));
        Poll::Ready(next.map(|chunk| {
            let chunk = chunk.map_err(|error| {
                tracing::warn!(error = %error.cause(), "a file could not be read to its end");
                axum::Error::new(error)
            })?;
            self.left = self.left.saturating_sub(chunk.len() as u64);
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_encoded() {
        let name = "a\"b\\c 100%; кот.png";
        let plain: String = utf8_percent_encode(name, PLAIN).to_string();
        assert_eq!(plain, "a%22b%5Cc%20100%25%3B%20%D0%BA%D0%BE%D1%82.png");
    }
}
