//! Compression of answers. The length of all of them is known, so each is compressed as a whole: the
//! answer to `HEAD` has the headers of the one to `GET`, and none is sent in chunks.

use std::sync::Arc;
use std::thread::available_parallelism;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::encodings::{Accepted, Coding};

/// Smaller answers are sent as they are: they fit into one packet anyway.
const SIZE_MIN: u64 = 1024;
/// Larger answers are compressed outside the runtime: they take more than about 100 µs.
const QUICK_MAX: usize = 32 * 1024;
/// Answers to these are never compressed. Answers about accounts contain tokens, and the size of a
/// compressed answer reveals them to an attacker who can choose a part of it (BREACH); so do the forms of the admin
/// site. Files are compressed already.
const EXCEPTED: [&str; 3] = ["/api/auth/", "/media/", "/admin/"];

/// How many large answers are compressed at a time. Each needs some megabytes.
#[derive(Clone, Debug)]
pub(super) struct Compressors(Arc<Semaphore>);

impl Compressors {
    /// One a core.
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))))
    }

    async fn run(&self, coding: Coding, content: Bytes) -> Option<Vec<u8>> {
        if content.len() <= QUICK_MAX {
            return coding.compress(&content).ok();
        }
        let _slot = self.0.acquire().await.ok()?;
        spawn_blocking(move || coding.compress(&content).ok()).await.ok()?
    }
}

/// Compresses an answer as `Accept-Encoding` allows.
pub(super) async fn compress(
    State(compressors): State<Compressors>,
    request: Request,
    next: Next,
) -> Response {
    let accepted = Accepted::of(request.headers());
    let is_excepted = EXCEPTED.iter().any(|path| request.uri().path().starts_with(path));
    let mut response = next.run(request).await;
    if is_excepted || !is_compressible(&response) {
        return response;
    }
    vary(response.headers_mut());
    let size = response.body().size_hint().exact().filter(|size| *size > 0);
    let coding = size.and_then(|size| accepted.choose(size >= SIZE_MIN));
    match coding {
        Some(coding) => encode(&compressors, coding, response).await,
        None => response,
    }
}

fn is_compressible(response: &Response) -> bool {
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_attachment = headers.contains_key(header::CONTENT_DISPOSITION);
    let is_encoded = headers.contains_key(header::CONTENT_ENCODING);
    response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !(kind.starts_with(b"image/") || is_attachment || is_encoded)
}

/// Adds `Accept-Encoding` to `Vary`, in one line: some clients read only the first.
fn vary(headers: &mut HeaderMap) {
    let others = headers.get_all(header::VARY).iter().filter_map(|line| line.to_str().ok());
    let all: Vec<_> = others.chain(["accept-encoding"]).collect();
    if let Ok(all) = HeaderValue::try_from(all.join(", ")) {
        headers.insert(header::VARY, all);
    }
}

async fn encode(compressors: &Compressors, coding: Coding, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let content = match to_bytes(body, usize::MAX).await {
        Ok(content) => content,
        // The connection breaks, as it would have without compression.
        Err(error) => {
            return Response::from_parts(
                parts,
                Body::from_stream(stream::iter([Err::<Bytes, _>(error)])),
            );
        }
    };
    let Some(compressed) = compressors.run(coding, content.clone()).await else {
        tracing::error!(coding = coding.name(), "an answer could not be compressed");
        return Response::from_parts(parts, content.into());
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    weaken_tag(&mut parts.headers);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    Response::from_parts(parts, compressed.into())
}

/// Makes a strong `ETag` weak: it names the bytes before compression.
fn weaken_tag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return };
    if !tag.starts_with("W/")
        && let Ok(weak) = HeaderValue::try_from(format!("W/{tag}"))
    {
        headers.insert(header::ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn ask(answered: (header::HeaderName, &'static str)) -> HeaderMap {
        let answer = move || async move { ([answered], "meow".repeat(300)) };
        let layer = from_fn_with_state(Compressors::new(), compress);
        let router = Router::new().route("/", get(answer)).layer(layer);
        let request = Request::get("/").header("accept-encoding", "gzip").body(Body::empty());
        let response = router.oneshot(request.expect("a request")).await.expect("answered");
        assert!(response.body().size_hint().exact().is_some(), "its length is known");
        response.into_parts().0.headers
    }

    #[tokio::test]
    async fn files_and_encoded_answers_are_left_alone() {
        for (name, value) in [
            (header::CONTENT_TYPE, "image/webp"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"cat.txt\""),
            (header::CONTENT_ENCODING, "br"),
        ] {
            let headers = ask((name.clone(), value)).await;
            assert_eq!(headers.get(&name).expect("kept"), value);
            assert!(headers.get(header::VARY).is_none(), "{headers:?}");
            if name != header::CONTENT_ENCODING {
                assert!(headers.get(header::CONTENT_ENCODING).is_none(), "{headers:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_tag_is_weak_on_a_compressed_answer() {
        for tag in ["\"7\"", "W/\"7\""] {
            let headers = ask((header::ETAG, tag)).await;
            assert_eq!(headers.get(header::CONTENT_ENCODING).expect("compressed"), "gzip");
            assert_eq!(headers.get(header::ETAG).expect("a tag"), "W/\"7\"");
        }
    }
}
