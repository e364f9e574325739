//! Decoding a picture of any format, scaled down on the way. Files are hostile: what one costs is
//! known before it is decoded, and decoding it costs no more.

use image::metadata::Orientation;
use image::{ImageFormat, RgbaImage};

use super::{jpeg, rows, webp};

/// The longer side of what comes out, at most, in pixels.
pub(super) const SIDE: u32 = 1_024;
/// Largest picture that is decoded, in pixels.
const PIXELS_MAX: u64 = 40_000_000;
/// Memory for the canvas and what is made of it, in bytes.
const CANVAS: u64 = 32 << 20;

/// Django's `ImageField.invalid_image`.
pub(super) const NO_PICTURE: &str =
    "Upload a valid image. The file you uploaded was either not an image or a corrupted image.";
pub(super) const TOO_MANY_PIXELS: &str = "Upload an image of at most 40 megapixels.";

/// What came of it, or the text for what is wrong with the file.
pub(super) type Result<T> = std::result::Result<T, &'static str>;

/// Most memory that [`decode`] takes for a file, in bytes, as its headers say. Costs little.
pub(super) fn memory(file: &[u8]) -> Result<u64> {
    let memory = match image::guess_format(file).map_err(broken)? {
        ImageFormat::Png => rows::png_memory(file),
        ImageFormat::Gif => rows::gif_memory(file),
        ImageFormat::Jpeg => jpeg::memory(file),
        ImageFormat::WebP => webp::memory(file),
        _ => Err(NO_PICTURE),
    };
    Ok(memory? + CANVAS)
}

/// The picture, or the first of several, and how it has to be turned.
pub(super) fn decode(file: &[u8]) -> Result<(RgbaImage, Orientation)> {
    match image::guess_format(file).map_err(broken)? {
        ImageFormat::Png => rows::decode_png(file),
        ImageFormat::Gif => rows::decode_gif(file),
        ImageFormat::Jpeg => jpeg::decode(file),
        ImageFormat::WebP => webp::decode(file),
        _ => Err(NO_PICTURE),
    }
}

/// Refuses a picture that is empty or too large.
pub(super) fn check_size(width: u32, height: u32) -> Result<()> {
    match u64::from(width) * u64::from(height) {
        0 => Err(NO_PICTURE),
        pixels if pixels > PIXELS_MAX => Err(TOO_MANY_PIXELS),
        _ => Ok(()),
    }
}

/// How a picture has to be turned, by its EXIF data. Where these are broken, the rest may be fine.
pub(super) fn orientation(exif: Option<&[u8]>) -> Orientation {
    // What JPEG has before them, some programs write into other files as well.
    let exif = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

/// What a decoder says is no news to the client.
pub(super) fn broken<E>(_: E) -> &'static str {
    NO_PICTURE
}

#[cfg(test)]
#[path = "decode_fuzz.rs"]
mod fuzz;
