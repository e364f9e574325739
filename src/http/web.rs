//! The web client, from files inside the binary: what `make web` has built, or nothing. Its page is also the answer to
//! links into it, such as `/invite/{code}`. What is under the API's paths never is.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::auth::secrets::hex;
use crate::domain::error::Error;

use super::encodings::{Accepted, Coding};
use super::errors::Result;

/// The page may load what this server serves, and connect to it. Svelte makes its templates by the named policy;
/// pictures that are not sent yet are `blob:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
                      img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; \
                      manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types svelte-trusted-html meowsenger";
const PAGE: &str = "index.html";
/// Paths of others. An unknown one below them is 404 for browsers, too.
const OTHERS: [&str; 6] = ["/api/", "/ws/", "/media/", "/admin/", "/healthz/", "/readyz/"];
/// Files whose names change with their content.
const HASHED: &str = "assets/";

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Built;

/// A file as it is sent.
struct WebFile {
    content: Bytes,
    /// SHA-256.
    hash: [u8; 32],
    kind: String,
}

/// Where files are found by their paths.
type Find = fn(&str) -> Option<WebFile>;

fn built(path: &str) -> Option<WebFile> {
    let file = Built::get(&format!("site/{path}"))?;
    let (hash, kind) = (file.metadata.sha256_hash(), file.metadata.mimetype().to_owned());
    let content = match file.data {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => content.into(),
    };
    Some(WebFile { content, hash, kind })
}

/// The page of the web client; `None` if it was not built.
pub(super) fn page(headers: &HeaderMap) -> Option<Result<Response>> {
    send(built, PAGE, headers)
}

/// The answer to a path that no route has: a file of the web client, its page, or 404.
pub(super) async fn fallback(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response> {
    let is_reading = [Method::GET, Method::HEAD].contains(&method);
    let answer = if is_reading { answer(built, uri.path(), &headers) } else { None };
    answer.unwrap_or_else(|| Err(Error::NotFound.into()))
}

fn answer(find: Find, path: &str, headers: &HeaderMap) -> Option<Result<Response>> {
    if OTHERS.iter().any(|other| path.starts_with(other)) {
        return None;
    }
    let file = path.trim_matches('/');
    // Only a browser that opens an address asks for HTML by name.
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let is_link = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    send(find, file, headers).or_else(|| {
        if is_link && !file.starts_with(HASHED) { send(find, PAGE, headers) } else { None }
    })
}

/// Sends a file in the form that the client accepts, or 304 if it has it.
fn send(find: Find, path: &str, headers: &HeaderMap) -> Option<Result<Response>> {
    let whole = find(path)?;
    let coding = Accepted::of(headers).best(&[Coding::Gzip, Coding::Brotli], true);
    let coded = coding.and_then(|coding| {
        let extension = if coding == Coding::Gzip { "gz" } else { "br" };
        Some((coding, find(&format!("{path}.{extension}"))?.content))
    });
    Some(respond(path, whole, coded, headers))
}

fn respond(
    path: &str,
    whole: WebFile,
    coded: Option<(Coding, Bytes)>,
    headers: &HeaderMap,
) -> Result<Response> {
    // Weak: it is the same for each coding.
    let tag = format!("W/\"{}\"", hex(&whole.hash[..16]));
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.filter_map(|line| line.to_str().ok()).any(|line| line.contains(&tag));
    let lifetime = match path.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let value = |text: String| HeaderValue::try_from(text).map_err(Error::internal);
    let mut answer = HeaderMap::new();
    answer.insert(header::ETAG, value(tag)?);
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer.insert(header::VARY, HeaderValue::from_static("accept"));
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    let charset = if whole.kind.starts_with("text/") { "; charset=utf-8" } else { "" };
    answer.insert(header::CONTENT_TYPE, value(whole.kind + charset)?);
    let Some((coding, content)) = coded else { return Ok((answer, whole.content).into_response()) };
    answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    answer.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    Ok((answer, content).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str) -> Option<WebFile> {
        let (content, kind) = match path {
            PAGE => ("page", "text/html"),
            "index.html.br" => ("page in brotli", "application/octet-stream"),
            "index.html.gz" => ("page in gzip", "application/octet-stream"),
            "assets/app-1.js" => ("script", "text/javascript"),
            "icon.png" => ("picture", "image/png"),
            _ => return None,
        };
        Some(WebFile { content: content.into(), hash: [7; 32], kind: kind.to_owned() })
    }

    fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> Option<Response> {
        let with_values = headers.iter().map(|(name, value)| (name.clone(), *value));
        let headers = with_values.map(|(name, value)| (name, value.parse().expect("a value")));
        answer(files, path, &headers.collect()).map(|answer| answer.expect("sent"))
    }

    fn header(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
    }

    const HTML: (header::HeaderName, &str) = (header::ACCEPT, "text/html,*/*;q=0.8");

    #[test]
    fn a_link_into_the_client_gets_its_page_and_no_path_of_others_does() {
        for path in ["/invite/abc/", "/reset/", "/chats/1/"] {
            let page = ask(path, &[HTML]).expect("the page");
            assert_eq!(header(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
            assert!(header(&page, header::CONTENT_SECURITY_POLICY).contains("script-src 'self';"));
            assert!(ask(path, &[(header::ACCEPT, "*/*")]).is_none() && ask(path, &[]).is_none());
        }
        for path in ["/api/nothing/", "/media/x/", "/admin/x/", "/ws/x/", "/assets/old-2.js/"] {
            assert!(ask(path, &[HTML]).is_none(), "{path}");
        }
    }

    #[test]
    fn a_file_is_sent_as_it_was_compressed_and_kept_as_long_as_it_may() {
        let script = ask("/assets/app-1.js/", &[(header::ACCEPT_ENCODING, "br")]).expect("sent");
        assert!(header(&script, header::CACHE_CONTROL).ends_with("immutable"));
        assert_eq!(header(&script, header::CONTENT_ENCODING), "", "there is no such form");
        for (accepted, coding) in [("gzip, br", "br"), ("gzip", "gzip"), ("zstd", ""), ("", "")] {
            let page = ask("/", &[HTML, (header::ACCEPT_ENCODING, accepted)]).expect("the page");
            assert_eq!(header(&page, header::CONTENT_ENCODING), coding, "{accepted}");
            assert_eq!(header(&page, header::CACHE_CONTROL), "no-cache");
        }
        let tag = header(&ask("/icon.png/", &[]).expect("sent"), header::ETAG).to_owned();
        let again = ask("/icon.png/", &[(header::IF_NONE_MATCH, &format!("\"x\", {tag}"))]);
        assert_eq!(again.map(|answer| answer.status()), Some(StatusCode::NOT_MODIFIED));
    }
}
