//! Ranges and conditions of requests for files (RFC 9110, 13 and 14). Pure: headers in, the answer's kind out.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, header};

/// How a request for a file is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// The client has it: 304.
    NotModified,
    /// All of it: 200.
    Whole,
    /// A part of it: 206.
    Part(Range<u64>),
    /// No byte of what was asked for: 416.
    Unsatisfiable,
}

/// What a GET asks for, of a file of this size with this strong tag (with quotes). A HEAD has no ranges: remove
/// `Range` before.
pub(super) fn select(headers: &HeaderMap, tag: &str, size: u64) -> Selected {
    if text(headers, header::IF_NONE_MATCH).is_some_and(|tags| matches_any(&tags, tag)) {
        return Selected::NotModified;
    }
    // A date never matches: files have no time of their own.
    let is_same = text(headers, header::IF_RANGE).is_none_or(|wanted| wanted.trim() == tag);
    match text(headers, header::RANGE).filter(|_| is_same) {
        Some(range) => of_range(&range, size),
        None => Selected::Whole,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// Weak comparison. Our tags contain no commas.
fn matches_any(tags: &str, tag: &str) -> bool {
    let strong = |candidate: &str| candidate.trim().trim_start_matches("W/") == tag;
    tags.trim() == "*" || tags.split(',').any(strong)
}

/// What is no range, and more than one of them, is ignored.
fn of_range(value: &str, size: u64) -> Selected {
    let Some((unit, range)) = value.split_once('=') else { return Selected::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Selected::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    let range = match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) if first > last => return Selected::Whole,
        (Some(Some(first)), Some(last)) => {
            first..last.map_or(size, |last| last.saturating_add(1).min(size))
        }
        (Some(None), Some(Some(length))) => size.saturating_sub(length)..size,
        _ => return Selected::Whole,
    };
    if range.start < range.end { Selected::Part(range) } else { Selected::Unsatisfiable }
}

/// A number, or none where the text is empty; `None` if it is neither. A number that is too large means the end.
fn number(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TAG: &str = "\"a1\"";

    fn ask(headers: &[(HeaderName, &'static str)], size: u64) -> Selected {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        select(&headers.collect(), TAG, size)
    }

    #[test]
    fn a_range_is_what_rfc_9110_says() {
        for (range, expected) in [
            ("bytes=0-0", Selected::Part(0..1)),
            ("bytes=2-4", Selected::Part(2..5)),
            ("bytes=2-", Selected::Part(2..10)),
            ("bytes=-3", Selected::Part(7..10)),
            ("bytes=-30", Selected::Part(0..10)),
            ("bytes=5-99999999999999999999999", Selected::Part(5..10)),
            ("Bytes = 1 - 2 ", Selected::Part(1..3)),
            ("bytes=9-9", Selected::Part(9..10)),
            ("bytes=10-", Selected::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selected::Unsatisfiable),
            ("bytes=-0", Selected::Unsatisfiable),
            ("bytes=4-2", Selected::Whole),
            ("bytes=0-1,3-4", Selected::Whole),
            ("bytes=-", Selected::Whole),
            ("bytes=x-3", Selected::Whole),
            ("bytes=+1-3", Selected::Whole),
            ("bytes", Selected::Whole),
            ("items=0-1", Selected::Whole),
            ("", Selected::Whole),
        ] {
            assert_eq!(ask(&[(header::RANGE, range)], 10), expected, "{range}");
        }
        assert_eq!(ask(&[], 10), Selected::Whole);
    }

    #[test]
    fn conditions_come_first() {
        for (tags, is_known) in [
            ("\"a1\"", true),
            ("W/\"a1\"", true),
            ("\"x\", \"a1\"", true),
            ("*", true),
            ("\"a\"", false),
        ] {
            let asked = [(header::IF_NONE_MATCH, tags), (header::RANGE, "bytes=0-0")];
            let expected = if is_known { Selected::NotModified } else { Selected::Part(0..1) };
            assert_eq!(ask(&asked, 10), expected, "{tags}");
        }
        for (tag, expected) in [
            ("\"a1\"", Selected::Part(0..1)),
            ("W/\"a1\"", Selected::Whole),
            ("\"b\"", Selected::Whole),
            ("Sun, 02 Feb 2020 20:20:20 GMT", Selected::Whole),
        ] {
            assert_eq!(
                ask(&[(header::IF_RANGE, tag), (header::RANGE, "bytes=0-0")], 10),
                expected,
                "{tag}"
            );
        }
    }
}
