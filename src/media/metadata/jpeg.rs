//! The segments of a JPEG file (ITU T.81, annex B). Kept are those that the picture needs: everything except most
//! application segments, comments, and what follows the end of the picture.

use std::io::{self, BufRead};

use super::picture::{PictureReader, Piece};

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const COMMENT: u8 = 0xfe;
/// JFIF: the density of the pixels, and perhaps a thumbnail, which has its own segment.
const APP0: u8 = 0xe0;
/// EXIF and XMP.
const APP1: u8 = 0xe1;
/// The colour profile, among others.
const APP2: u8 = 0xe2;
/// Adobe: how the colours are encoded.
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;

pub(super) fn strip(file: &mut PictureReader) -> io::Result<()> {
    file.array::<2>()?;
    file.found.keep(0..2)?;
    loop {
        let from = file.at;
        let marker = match marker(file)? {
            (_, garbage) if garbage => continue,
            (marker, _) => marker,
        };
        match marker {
            END => return file.keep_to(from, from + 2),
            // Markers without a length.
            START | 0x01 | 0xd0..=0xd7 => {}
            _ => segment(file, marker, from)?,
        }
    }
}

/// The next marker, and whether there was something else in its place, which is left out.
fn marker(file: &mut PictureReader) -> io::Result<(u8, bool)> {
    let [first, marker] = file.array()?;
    if first == 0xff && !matches!(marker, 0 | 0xff) {
        return Ok((marker, false));
    }
    // Padding, or garbage: one byte on.
    let back = if first == 0xff && marker == 0xff { 1 } else { u64::from(marker == 0xff) };
    file.go_to(file.at - back)?;
    Ok((0, true))
}

fn segment(file: &mut PictureReader, marker: u8, from: u64) -> io::Result<()> {
    let length = u64::from(u16::from_be_bytes(file.array()?));
    let end = from + 2 + length.max(2);
    match marker {
        APP1 => {
            let exif = file.exif(end - file.at)?;
            if exif.starts_with(b"Exif\0\0") && file.found.exif.is_none() {
                file.found.exif = Some(exif);
            }
            Ok(())
        }
        APP0 | APP2 | APP14 => {
            let name = file.array::<5>().unwrap_or_default();
            match (marker, &name) {
                (APP0, b"JFIF\0") | (APP2, b"ICC_P") | (APP14, b"Adobe") => file.keep_to(from, end),
                _ => file.go_to(end),
            }
        }
        APP0..=APP15 | COMMENT => file.go_to(end),
        SCAN => {
            file.go_to(end)?;
            let data_end = scan(file)?;
            file.keep_to(from, data_end)
        }
        _ => {
            // All frame headers, without tables.
            if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                let [_, a, b, c, d] = file.array()?;
                let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                file.found.size.get_or_insert((side(c, d), side(a, b)));
            }
            file.keep_to(from, end)
        }
    }
}

/// Reads the data of a scan. Returns where the next marker begins, or the file ends.
fn scan(file: &mut PictureReader) -> io::Result<u64> {
    loop {
        let buffer = file.source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(file.at);
        }
        let found = memchr::memchr(0xff, buffer);
        let skipped = found.map_or(buffer.len(), |at| at + 1);
        file.source.consume(skipped);
        file.at += skipped as u64;
        if found.is_none() {
            continue;
        }
        match file.source.fill_buf()?.first() {
            // A byte of data, the markers between intervals, and padding.
            Some(0 | 0xd0..=0xd7 | 0xff) => {}
            Some(_) => {
                let marker = file.at - 1;
                file.source.seek_relative(-1)?;
                file.at = marker;
                return Ok(marker);
            }
            None => return Ok(file.at),
        }
    }
}

/// Puts an EXIF segment where readers look for it: behind JFIF's.
pub(super) fn insert_exif(pieces: &mut Vec<Piece>, exif: Vec<u8>) {
    let length = u16::try_from(exif.len() + 8).unwrap_or_default().to_be_bytes();
    let segment = [&[0xff, APP1][..], &length, b"Exif\0\0", &exif].concat();
    let Some(Piece::Kept(first)) = pieces.first().cloned() else { return };
    let rest = Piece::Kept(first.start + 2..first.end);
    pieces.splice(0..1, [Piece::Kept(0..2), Piece::Made(segment), rest]);
}
