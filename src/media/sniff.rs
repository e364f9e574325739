//! The media type of a file by its content. What the client says about it, and its name, are not asked.

use std::io::{self, Read};

use super::section::Section;

/// How much of a file shows its type, in bytes.
const HEAD: u64 = 8_192;
const HEAD_MIN: usize = 512;
/// How much is read at a time.
const CHUNK: usize = 64 * 1024;
const UNKNOWN: &str = "application/octet-stream";
const PLAIN_TEXT: &str = "text/plain";
const SVG: &str = "image/svg+xml";
const BOM: &str = "\u{feff}";

/// Texts that begin with these are documents of their own types.
const DOCUMENTS: [(&str, &str); 4] = [
    ("%PDF-", "application/pdf"),
    ("%!PS", "application/postscript"),
    ("{\\rtf", "application/rtf"),
    ("#!", "text/x-shellscript"),
];

/// The media type. Blocks, and reads a text to its end.
pub fn content_type(file: &Section) -> io::Result<&'static str> {
    let mut head = file.bytes(0..HEAD)?;
    if is_text(file.clone())? {
        return Ok(of_text(&String::from_utf8_lossy(&head)));
    }
    // Some types are looked for only in files that are not tiny.
    head.resize(head.len().max(HEAD_MIN), 0);
    Ok(match infer::get(&head) {
        Some(kind) => kind.mime_type(),
        // A brand of MP4 that is not in the list.
        None if head[4..8] == *b"ftyp" => "video/mp4",
        None => UNKNOWN,
    })
}

/// The type of a text. A browser takes a text for HTML that begins with one of many elements, so everything that
/// begins like an element is markup.
fn of_text(head: &str) -> &'static str {
    let text = head.trim_start_matches(BOM);
    if let Some((_, kind)) = DOCUMENTS.iter().find(|(start, _)| text.starts_with(start)) {
        return kind;
    }
    let text = text.trim_start();
    let Some(markup) = text.strip_prefix('<') else { return PLAIN_TEXT };
    let lower = markup.to_ascii_lowercase();
    match lower.as_bytes().first() {
        _ if lower.starts_with("html") || lower.starts_with("!doctype html") => "text/html",
        _ if lower.contains("<svg") || lower.starts_with("svg") => SVG,
        Some(b'?') => "text/xml",
        Some(b'!' | b'/') => "text/html",
        Some(first) if first.is_ascii_alphabetic() => "text/html",
        _ => PLAIN_TEXT,
    }
}

/// Whether a file is text: UTF-8 without control characters other than white space and escape sequences.
fn is_text(mut file: Section) -> io::Result<bool> {
    let (mut buffer, mut kept) = (vec![0; CHUNK], 0);
    loop {
        let read = file.read(&mut buffer[kept..])?;
        let chunk = &buffer[..kept + read];
        let valid = match std::str::from_utf8(chunk) {
            Ok(text) => text.len(),
            // A character that goes on in the next chunk.
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        if chunk[..valid].iter().any(|byte| is_binary(*byte)) {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
        kept = chunk.len() - valid;
        let end = valid + kept;
        buffer.copy_within(valid..end, 0);
    }
}

fn is_binary(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c' | b'\x1b')
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    fn kind(content: &[u8]) -> &'static str {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        let file = Section::new(Arc::new(file), 0..content.len() as u64);
        content_type(&file).expect("read")
    }

    #[test]
    fn the_content_shows_the_type() {
        for (content, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0\0\0\0", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0", "image/webp"),
            (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video/mp4"),
            (b"\0\0\0\x18ftypiso9\0\0\0\0", "video/mp4"),
            (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\x82\x84webm", "video/webm"),
            (b"PK\x03\x04\x14\0\0\0\0\0", "application/zip"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
            (b"%PDF-1.7\nascii only", "application/pdf"),
            (b"MZ\x90\0\x03\0\0\0", "application/vnd.microsoft.portable-executable"),
            (b"\x01\x02\x03", UNKNOWN),
            (b"a\0b", UNKNOWN),
            (b"\xff\xfe<\0s\0v\0g\0", UNKNOWN),
            // Two bytes of a bitmap's magic number.
            (b"BMW is a make of cars.", PLAIN_TEXT),
            ("Кот 🐈\n".as_bytes(), PLAIN_TEXT),
            (b"\xef\xbb\xbfwith a mark", PLAIN_TEXT),
            (b"1 < 2", PLAIN_TEXT),
            (b"<3", PLAIN_TEXT),
            (b"alert(1)", PLAIN_TEXT),
            (b"#!/bin/sh\nrm -rf /", "text/x-shellscript"),
            (b" \n<!DOCTYPE html><p>", "text/html"),
            (b"<script>alert(1)</script>", "text/html"),
            (b"<!-- x --><b>", "text/html"),
            (b"\xef\xbb\xbf<html>", "text/html"),
            (b"<html>\xff", "text/html"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", SVG),
            (b"<?xml version=\"1.0\"?><!-- x --><SVG/>", SVG),
            (b"<?xml version=\"1.0\"?><a/>", "text/xml"),
        ] {
            assert_eq!(kind(content), expected, "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn a_text_is_text_to_its_end() {
        let long = "🐈".repeat(CHUNK);
        for shift in ["", "a", "ab", "abc"] {
            let text = format!("{shift}{long}");
            assert_eq!(kind(text.as_bytes()), PLAIN_TEXT);
            assert_eq!(kind(&[text.as_bytes(), b"\0"].concat()), UNKNOWN);
            assert_eq!(kind(&[text.as_bytes(), b"\xf0\x9f"].concat()), UNKNOWN);
        }
    }
}
