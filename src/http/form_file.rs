//! Finding the file in a form that was received into a temporary file, without reading the form into memory. It reads
//! what `multipart` reads, except files in base64.

use std::io;

use memchr::memmem::Finder;

use crate::domain::error::{Error, Result};
use crate::media::section::Section;

use super::multipart::{Boundary, HEAD_MAX, Part, malformed};

/// How much is searched at a time, in bytes.
const WINDOW: u64 = 64 * 1024;
/// The longest delimiter that is recognised: the boundary, padding, line breaks.
const DELIMITER_MAX: u64 = 512;
/// The most parts of a form.
const PARTS_MAX: usize = 100;

/// A part of a form.
#[derive(Debug)]
pub(super) struct FoundPart {
    /// Only files have one.
    pub(super) file_name: Option<String>,
    /// The content.
    pub(super) content: Section,
}

/// A line that separates two parts.
struct Delimiter {
    /// Where it begins: the content before it ends in a line break before that.
    at: u64,
    /// Where the part after it begins, unless it is the last delimiter.
    next: Option<u64>,
    has_crlf: bool,
}

/// The last part with this name; none if there is no such part. Blocks.
pub(super) fn find(
    form: &Section,
    boundary: &Boundary,
    name: &str,
) -> io::Result<Result<Option<FoundPart>>> {
    let scan = Scan { form, finder: Finder::new(&boundary.delimiter) };
    let mut found = None;
    let Some(mut delimiter) = scan.delimiter(0)? else { return Ok(Err(no_end())) };
    let has_crlf = delimiter.has_crlf;
    for _ in 0..PARTS_MAX {
        let Some(start) = delimiter.next else { return Ok(Ok(found)) };
        let head = form.bytes(start..start + HEAD_MAX as u64)?;
        let (part, head_length) = match Part::read_head(&head) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let content = start + head_length as u64;
        delimiter = match scan.delimiter(content)? {
            Some(next) => next,
            None => return Ok(Err(no_end())),
        };
        if part.name == name {
            if part.is_base64() {
                return Ok(Err(malformed("A file of this size must not be sent as base64.")));
            }
            let end = scan.content_end(content, delimiter.at, has_crlf)?;
            let content = form.part(content..end);
            found = Some(FoundPart { file_name: part.file_name, content });
        }
    }
    Ok(Err(Error::Malformed("Too many fields.".into())))
}

fn no_end() -> Error {
    malformed("The form ends without its boundary.")
}

struct Scan<'a> {
    form: &'a Section,
    finder: Finder<'a>,
}

impl Scan<'_> {
    /// The first delimiter from here on.
    fn delimiter(&self, from: u64) -> io::Result<Option<Delimiter>> {
        let mut start = from;
        while start < self.form.len() {
            // With the line break before, and all of a delimiter that begins at the end of the window.
            let before = start.min(1);
            let window = self.form.bytes(start - before..start + WINDOW + DELIMITER_MAX)?;
            let offset = start - before;
            for at in self.finder.find_iter(&window) {
                let is_line = at as u64 + offset == from || (at > 0 && window[at - 1] == b'\n');
                if !is_line || (at as u64) < before || at as u64 >= before + WINDOW {
                    continue;
                }
                let length = self.finder.needle().len();
                if let Some(next) = next_part(&window[at + length..]) {
                    let has_crlf =
                        next.is_some_and(|after| window[..at + length + after].ends_with(b"\r\n"));
                    let at = at as u64 + offset;
                    let next = next.map(|after| at + (length + after) as u64);
                    return Ok(Some(Delimiter { at, next, has_crlf }));
                }
            }
            start += WINDOW;
        }
        Ok(None)
    }

    /// Where a content ends that is followed by a delimiter: the line break belongs to the delimiter.
    fn content_end(&self, content: u64, delimiter: u64, has_crlf: bool) -> io::Result<u64> {
        let ending = self.form.bytes(delimiter.saturating_sub(2).max(content)..delimiter)?;
        let is_crlf = has_crlf && ending == *b"\r\n";
        Ok(delimiter - if is_crlf { 2 } else { u64::from(ending.ends_with(b"\n")) })
    }
}

/// Where the next part begins behind a boundary; `Some(None)` after the last one. `None` if it is no delimiter.
fn next_part(rest: &[u8]) -> Option<Option<usize>> {
    let is_last = rest.starts_with(b"--");
    let padding = if is_last { &rest[2..] } else { rest };
    let spaces = padding.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line_break = match &padding[spaces..] {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        [] if is_last => 0,
        _ => return None,
    };
    Some((!is_last).then_some(spaces + line_break))
}
