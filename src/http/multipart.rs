//! Splitting a form (`multipart/form-data`, RFC 7578) into its parts. It reads what clients send: line feeds
//! alone, preambles, file names in any of their encodings. A part's content is a slice of the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use memchr::memmem;

use crate::domain::error::{Error, Result};

use super::parameters::Parameters;

/// The longest boundary, in bytes, as in Django.
const BOUNDARY_MAX: usize = 201;
/// The longest head of a part, in bytes.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// What separates the parts of a form, by its media type.
#[derive(Debug)]
pub(super) struct Boundary {
    /// `--` and the boundary.
    pub(super) delimiter: Vec<u8>,
    /// Of texts that name none.
    charset: &'static Encoding,
}

impl Boundary {
    /// That of a body of this media type.
    pub(super) fn of(kind: &str) -> Result<Self> {
        let parameters = Parameters::of(kind.as_bytes());
        let boundary = parameters.get("boundary").unwrap_or_default();
        let in_boundary = |byte: &u8| matches!(byte, b' '..=b'~');
        if boundary.is_empty()
            || boundary.len() > BOUNDARY_MAX
            || boundary.ends_with(b" ")
            || !boundary.iter().all(in_boundary)
        {
            let boundary = parameters.text("boundary");
            let boundary = boundary.as_deref().unwrap_or("None");
            return Err(malformed(&format!("Invalid boundary in multipart: {boundary}")));
        }
        let charset = parameters.charset().unwrap_or(UTF_8);
        Ok(Self { delimiter: [b"--", boundary].concat(), charset })
    }
}

/// A form that is read part by part.
#[derive(Debug)]
pub(super) struct Multipart {
    body: Bytes,
    boundary: Boundary,
    /// Where the next part begins; `None` after the last one.
    next: Option<usize>,
    /// Whether lines end in CRLF, like the first one.
    has_crlf: bool,
}

/// A part of a form.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) name: String,
    /// Only files have one.
    pub(super) file_name: Option<String>,
    pub(super) content: Bytes,
    charset: Option<&'static Encoding>,
    is_base64: bool,
}

/// A line that separates two parts.
struct Delimiter {
    /// Where the content before it ends.
    content_end: usize,
    /// Where the part after it begins, unless it is the last delimiter.
    next: Option<usize>,
}

impl Multipart {
    /// A body of this media type.
    pub(super) fn new(kind: &str, body: Bytes) -> Result<Self> {
        let mut form = Self { body, boundary: Boundary::of(kind)?, next: None, has_crlf: false };
        // What comes before the first delimiter is a preamble.
        let first = form.delimiter(0)?;
        form.has_crlf = first.next.is_some_and(|at| form.body[..at].ends_with(b"\r\n"));
        form.next = first.next;
        Ok(form)
    }

    /// The next part.
    pub(super) fn next_part(&mut self) -> Result<Option<Part>> {
        let Some(start) = self.next else { return Ok(None) };
        let (mut part, content) = self.head(start)?;
        let delimiter = self.delimiter(content)?;
        self.next = delimiter.next;
        part.content = self.body.slice(content..delimiter.content_end.max(content));
        if part.is_base64 {
            part.content = decoded(&part.content)?.into();
        }
        Ok(Some(part))
    }

    /// A part's text.
    pub(super) fn text(&self, part: &Part) -> String {
        let charset = part.charset.unwrap_or(self.boundary.charset);
        charset.decode_without_bom_handling(&part.content).0.into_owned()
    }

    /// The first delimiter from here on. It is a line of its own, and may end in spaces.
    fn delimiter(&self, from: usize) -> Result<Delimiter> {
        for found in memmem::find_iter(&self.body[from..], &self.boundary.delimiter) {
            let at = from + found;
            let Some(content_end) = self.content_end(at) else { continue };
            let rest = &self.body[at + self.boundary.delimiter.len()..];
            let is_last = rest.starts_with(b"--");
            let padding = if is_last { &rest[2..] } else { rest };
            let spaces = padding.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let line_break = match &padding[spaces..] {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                [] if is_last => 0,
                _ => continue,
            };
            let next = self.body.len() - padding.len() + spaces + line_break;
            return Ok(Delimiter { content_end, next: (!is_last).then_some(next) });
        }
        Err(malformed("The form ends without its boundary."))
    }

    /// Where the content before a delimiter ends: the line break belongs to the delimiter. `None` if it
    /// does not begin a line.
    fn content_end(&self, at: usize) -> Option<usize> {
        let before = &self.body[..at];
        match before.strip_suffix(b"\n") {
            Some(line) if self.has_crlf => Some(line.strip_suffix(b"\r").unwrap_or(line).len()),
            Some(line) => Some(line.len()),
            None => before.is_empty().then_some(0),
        }
    }

    /// Reads a part's headers. Returns where its content begins.
    fn head(&self, start: usize) -> Result<(Part, usize)> {
        let end = self.body.len().min(start + HEAD_MAX);
        let (part, length) = Part::read_head(&self.body[start..end])?;
        Ok((part, start + length))
    }
}

impl Part {
    /// Reads the headers at the beginning of these bytes. Returns their length as well.
    pub(super) fn read_head(head: &[u8]) -> Result<(Self, usize)> {
        let (mut part, mut at, mut field) = (Self::default(), 0, Vec::new());
        loop {
            let rest = &head[at..];
            let length = memchr::memchr(b'\n', rest);
            let length = length.ok_or_else(|| malformed("A part has no end of its headers."))?;
            at += length + 1;
            let line = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
            // A folded header goes on in a line that begins with a space.
            if !matches!(line, [b' ' | b'\t', ..]) {
                part.read(&field);
                field.clear();
            }
            if line.is_empty() {
                return Ok((part, at));
            }
            field.extend_from_slice(line);
        }
    }

    /// Whether its content is encoded.
    pub(super) fn is_base64(&self) -> bool {
        self.is_base64
    }

    /// Reads a header. Others than these say nothing about a form.
    fn read(&mut self, field: &[u8]) {
        let Some(colon) = memchr::memchr(b':', field) else { return };
        let (name, value) = (field[..colon].trim_ascii(), &field[colon + 1..]);
        if name.eq_ignore_ascii_case(b"content-disposition") {
            let parameters = Parameters::of(value);
            self.name = parameters.text("name").unwrap_or_default();
            self.file_name = parameters.text("filename");
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.charset = Parameters::of(value).charset();
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            self.is_base64 = value.trim_ascii().eq_ignore_ascii_case(b"base64");
        }
    }
}

/// Decodes base64, which may be in lines.
fn decoded(content: &[u8]) -> Result<Vec<u8>> {
    let mut plain = content.to_vec();
    plain.retain(|byte| !byte.is_ascii_whitespace());
    STANDARD.decode(&plain).map_err(|_| malformed("Could not decode base64 data."))
}

pub(super) fn malformed(text: &str) -> Error {
    Error::Malformed(format!("Multipart form parse error - {text}").into())
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
