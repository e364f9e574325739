//! Removes from JPEG, PNG and WebP files what says where, when and with what a picture was taken, and what else is no
//! part of the picture. The picture is not encoded anew: parts of the file are left out. Only the orientation is kept,
//! in an EXIF block of its own, since without it the picture would be shown turned.
//!
//! Works on files of any size with little memory: it lists what remains, in the order of the file.

mod jpeg;
mod picture;
mod png;
mod webp;

use std::io;

use image::metadata::Orientation;

use super::limits::orientation;
use super::section::Section;

use picture::{Found, PictureReader};

pub use picture::Piece;

/// A picture without its metadata.
#[derive(Debug, Default)]
pub struct Stripped {
    /// What remains.
    pub pieces: Vec<Piece>,
    /// Width and height, in pixels, as it is shown: upright.
    pub size: Option<(u32, u32)>,
}

/// What remains of a file of this type; `None` if it is no type of which metadata is removed. Blocks. A file that
/// breaks off, or goes on as no picture does, is cut off there.
pub fn strip(file: &Section, content_type: &str) -> io::Result<Option<Stripped>> {
    let mut reader = PictureReader::new(file.clone());
    let read = match content_type {
        "image/jpeg" => jpeg::strip(&mut reader),
        "image/png" => png::strip(&mut reader),
        "image/webp" => webp::strip(&mut reader),
        "image/gif" => {
            return Ok(Some(Stripped { pieces: vec![whole(file)], size: gif_size(file)? }));
        }
        _ => return Ok(None),
    };
    let mut found = reader.found;
    match read {
        // It ends too early.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => finish(&mut found, content_type),
    }
    Ok(Some(Stripped { pieces: found.pieces, size: found.size }))
}

fn whole(file: &Section) -> Piece {
    Piece::Kept(0..file.len())
}

/// GIF89a, 18: the logical screen.
fn gif_size(file: &Section) -> io::Result<Option<(u32, u32)>> {
    let head = file.bytes(0..10)?;
    Ok(match head.get(6..10) {
        Some([a, b, c, d]) => {
            Some((u32::from(u16::from_le_bytes([*a, *b])), u32::from(u16::from_le_bytes([*c, *d]))))
        }
        _ => None,
    })
}

/// Completes what was found: the header, the orientation, and the size as the picture is shown.
fn finish(found: &mut Found, content_type: &str) {
    let orientation = orientation(found.exif.as_deref());
    let pieces = &mut found.pieces;
    if orientation != Orientation::NoTransforms {
        let exif = exif_with(orientation);
        match content_type {
            "image/jpeg" => jpeg::insert_exif(pieces, exif),
            "image/png" => png::insert_exif(pieces, exif),
            _ => webp::append_exif(pieces, exif),
        }
    }
    if content_type == "image/webp" {
        webp::correct_header(pieces, orientation != Orientation::NoTransforms);
    }
    let is_turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    found.size = found.size.map(|(width, height)| match is_turned {
        true => (height, width),
        false => (width, height),
    });
}

/// An EXIF block with an orientation and nothing else: a TIFF header, and a directory of one entry (TIFF 6.0,
/// section 2; EXIF 2.32, 4.6.4).
fn exif_with(orientation: Orientation) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation.to_exif(), 0, 0, 0]);
    exif.extend([0; 4]);
    exif
}

#[cfg(test)]
mod tests;
