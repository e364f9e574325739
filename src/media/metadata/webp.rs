//! The chunks of a WebP file (RFC 9649, 2). Kept are those that the picture or the animation needs.

use std::io;

use super::picture::{PictureReader, Piece};

const RIFF_HEADER: u64 = 12;
/// Flags in VP8X.
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;

pub(super) fn strip(file: &mut PictureReader) -> io::Result<()> {
    file.array::<{ RIFF_HEADER as usize }>()?;
    // Corrected when the length is known.
    file.found.pieces.push(Piece::Made(b"RIFF\0\0\0\0WEBP".to_vec()));
    loop {
        let from = file.at;
        let name = file.array::<4>()?;
        let length = u64::from(u32::from_le_bytes(file.array()?));
        let end = from + 8 + length + length % 2;
        match &name {
            b"VP8X" => {
                let content = file.array::<10>()?;
                let side = |at: usize| {
                    u32::from_le_bytes([content[at], content[at + 1], content[at + 2], 0]) + 1
                };
                file.found.size = Some((side(4), side(7)));
                let header = [&b"VP8X\x0a\0\0\0"[..], &content].concat();
                file.found.pieces.push(Piece::Made(header));
                file.go_to(end)?;
            }
            b"VP8 " => {
                // RFC 6386, 9.1.
                let [.., a, b, c, d] = file.array::<10>()?;
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                file.found.size.get_or_insert((side(a, b), side(c, d)));
                file.keep_to(from, end)?;
            }
            b"VP8L" => {
                // RFC 9649, 3.4.
                let [_, bits @ ..] = file.array::<5>()?;
                let bits = u32::from_le_bytes(bits);
                file.found.size.get_or_insert(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
                file.keep_to(from, end)?;
            }
            b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP" => file.keep_to(from, end)?,
            b"EXIF" => {
                file.found.exif = Some(file.exif(length)?);
                file.go_to(end)?;
            }
            _ => file.go_to(end)?,
        }
    }
}

/// Appends an EXIF chunk, as the last one. Only a file with VP8X can have one.
pub(super) fn append_exif(pieces: &mut Vec<Piece>, exif: Vec<u8>) {
    let length = u32::try_from(exif.len()).unwrap_or_default().to_le_bytes();
    pieces.push(Piece::Made([&b"EXIF"[..], &length, &exif].concat()));
}

/// Writes the length of what remains, and which metadata there is.
pub(super) fn correct_header(pieces: &mut [Piece], has_exif: bool) {
    let length: u64 = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Kept(range) => range.end - range.start,
            Piece::Made(bytes) => bytes.len() as u64,
        })
        .sum();
    let length = u32::try_from(length.saturating_sub(8)).unwrap_or(u32::MAX).to_le_bytes();
    for piece in pieces {
        match piece {
            Piece::Made(header) if header.starts_with(b"RIFF") => {
                header[4..8].copy_from_slice(&length);
            }
            Piece::Made(header) if header.starts_with(b"VP8X") => {
                header[8] &= !(HAS_EXIF | HAS_XMP);
                header[8] |= if has_exif { HAS_EXIF } else { 0 };
            }
            _ => {}
        }
    }
}
