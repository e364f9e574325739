//! What every decoder obeys: the limits of size, the texts of field errors, and the orientation. It
//! knows no format.

use image::metadata::Orientation;

/// Maximum length of the longer side of a decoded image, in pixels.
pub(super) const SIDE: u32 = 1_024;
/// Maximum size of an image that is decoded, in pixels: of an attachment, for its thumbnail. Avatars may be
/// smaller only.
pub const PIXELS_MAX: u64 = 100_000_000;
/// Memory for the canvas, for what is made from it, and for a colour profile, in bytes.
pub(super) const CANVAS: u64 = 48 << 20;

/// Django's `ImageField.invalid_image`.
pub(super) const NOT_AN_IMAGE: &str =
    "Upload a valid image. The file you uploaded was either not an image or a corrupted image.";
pub(super) const TOO_MANY_PIXELS: &str = "Upload an image of at most 40 megapixels.";

/// The result of decoding; the error is the text of the field error.
pub(super) type Decoded<T> = std::result::Result<T, &'static str>;

/// What decoding a file will cost at most, by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// In bytes.
    pub(super) memory: u64,
    /// The size of the image.
    pub(super) pixels: u64,
}

impl Cost {
    pub(super) fn new(memory: u64, (width, height): (u32, u32)) -> Self {
        Self { memory, pixels: u64::from(width) * u64::from(height) }
    }
}

/// Refuses an image that is empty or too large.
pub(super) fn check_size(width: u32, height: u32) -> Decoded<()> {
    match u64::from(width) * u64::from(height) {
        0 => Err(NOT_AN_IMAGE),
        pixels if pixels > PIXELS_MAX => Err(TOO_MANY_PIXELS),
        _ => Ok(()),
    }
}

/// The orientation by the EXIF data. If these are damaged, the image may still be fine.
pub(super) fn orientation(exif: Option<&[u8]>) -> Orientation {
    // The prefix of JPEG; some programs write it into other formats as well.
    let exif = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

/// The field error for any error of a decoder: its details do not help the client.
pub(super) fn broken<E>(_: E) -> &'static str {
    NOT_AN_IMAGE
}
