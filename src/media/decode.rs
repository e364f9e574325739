//! Decodes an image of any supported format, scaled down on the way. Files are hostile: the cost of a
//! file is known before it is decoded, and decoding costs no more.

use image::metadata::Orientation;
use image::{ImageFormat, RgbaImage};

use super::limits::{CANVAS, Cost, Decoded, NOT_AN_IMAGE, broken};
use super::{jpeg, rows, webp};

/// What [`decode`] costs at most for a file. Cheap.
pub(super) fn cost(file: &[u8]) -> Decoded<Cost> {
    let Cost { memory, pixels } = match image::guess_format(file).map_err(broken)? {
        ImageFormat::Png => rows::png_cost(file),
        ImageFormat::Gif => rows::gif_cost(file),
        ImageFormat::Jpeg => jpeg::cost(file),
        ImageFormat::WebP => webp::cost(file),
        _ => Err(NOT_AN_IMAGE),
    }?;
    Ok(Cost { memory: memory + CANVAS, pixels })
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
