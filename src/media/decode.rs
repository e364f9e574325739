//! Decodes an image of any supported format, scaled down on the way. Files are hostile: the cost of a
//! file is known before it is decoded, and decoding costs no more.

use image::metadata::Orientation;
use image::{ImageFormat, RgbaImage};

use super::limits::{CANVAS, Decoded, NOT_AN_IMAGE, broken};
use super::{jpeg, rows, webp};

/// The memory that [`decode`] needs at most for a file, in bytes, by its headers. Cheap.
pub(super) fn memory(file: &[u8]) -> Decoded<u64> {
    let memory = match image::guess_format(file).map_err(broken)? {
        ImageFormat::Png => rows::png_memory(file),
        ImageFormat::Gif => rows::gif_memory(file),
        ImageFormat::Jpeg => jpeg::memory(file),
        ImageFormat::WebP => webp::memory(file),
        _ => Err(NOT_AN_IMAGE),
    };
    Ok(memory? + CANVAS)
}

/// The image (of several, the first) and its orientation.
pub(super) fn decode(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    match image::guess_format(file).map_err(broken)? {
        ImageFormat::Png => rows::decode_png(file),
        ImageFormat::Gif => rows::decode_gif(file),
        ImageFormat::Jpeg => jpeg::decode(file),
        ImageFormat::WebP => webp::decode(file),
        _ => Err(NOT_AN_IMAGE),
    }
}

#[cfg(test)]
#[path = "decode_fuzz.rs"]
mod fuzz;
