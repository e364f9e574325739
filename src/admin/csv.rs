//! Exports as CSV (RFC 4180, UTF-8), streamed: a page of rows is read when the client has taken the one before. What a
//! spreadsheet would take for a formula is made text.

use std::future::Future;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::domain::error::{Error, Result};
use crate::domain::page::{Page, PageRequest};

/// Rows that are read at a time.
pub(super) const ROWS: i64 = 500;

/// An export: the name of the file, the head, and the rows of each page.
pub(super) fn export<T, P, F>(
    name: &str,
    head: &[&str],
    read: impl Fn(PageRequest<P>) -> F + Send + 'static,
    row: impl Fn(&T) -> Vec<String> + Send + 'static,
) -> Result<Response>
where
    T: Send + 'static,
    P: Send + 'static,
    F: Future<Output = Result<Page<T, P>>> + Send,
{
    let mut first = Some(line(head.iter().map(|name| (*name).to_owned())));
    let begin = Some(PageRequest::First);
    let pages = stream::unfold((begin, read, row), move |(request, read, row)| {
        let head = first.take();
        async move {
            let page = match read(request?).await {
                Ok(page) => page,
                Err(error) => {
                    // Only the end of the connection says that the file is not whole.
                    tracing::warn!(error = %error.cause(), "an export could not be finished");
                    return Some((Err(error), (None, read, row)));
                }
            };
            let mut text = head.unwrap_or_default();
            text.extend(page.rows.iter().map(|one| line(row(one))));
            Some((Ok(text), (page.next.map(PageRequest::After), read, row)))
        }
    });
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, disposition.parse().map_err(Error::internal)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// A line of quoted fields.
fn line(fields: impl IntoIterator<Item = String>) -> String {
    let fields: Vec<_> = fields.into_iter().map(|field| quoted(&field)).collect();
    format!("{}\r\n", fields.join(","))
}

fn quoted(field: &str) -> String {
    let is_formula = field.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let text = if is_formula { "'" } else { "" };
    format!("\"{text}{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn fields_are_quoted_and_formulas_are_text() {
        for (field, shown) in [
            ("", "\"\""),
            ("cat", "\"cat\""),
            ("a \"b\", c\r\nd", "\"a \"\"b\"\", c\r\nd\""),
            ("=1+1", "\"'=1+1\""),
            ("@sum(1)", "\"'@sum(1)\""),
            ("-2", "\"'-2\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("1-2", "\"1-2\""),
        ] {
            assert_eq!(line([field.to_owned()]), format!("{shown}\r\n"));
        }
        assert_eq!(line(["a".to_owned(), "b".to_owned()]), "\"a\",\"b\"\r\n");
    }
}
