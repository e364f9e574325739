//! Avatars: small images of uploaded files, as they are stored.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat};

use crate::domain::error::Result;
use crate::shares::Holder;

use super::encoder::ImageEncoder;
use super::limits::{Cost, Decoded};

/// Maximum size of an uploaded image, in pixels.
const PIXELS_MAX: u64 = 40_000_000;
/// Of 100.
pub(super) const JPEG_QUALITY: u8 = 85;

/// An avatar as it is stored.
#[derive(Debug)]
pub struct Avatar {
    /// Its format.
    pub format: AvatarFormat,
    /// The encoded image.
    pub bytes: Vec<u8>,
}

/// The format of a stored avatar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvatarFormat {
    /// For opaque images.
    Jpeg,
    /// For images with transparency.
    Png,
}

impl AvatarFormat {
    /// The file name extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// The format with this extension.
    pub fn of_extension(extension: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|format| format.extension() == extension)
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

impl ImageEncoder {
    /// Makes an avatar of a file, or returns Django's text for what is wrong with the file. Takes up to
    /// two seconds of a core. [`Error::Unavailable`] if it would have to wait for more than a minute.
    ///
    /// [`Error::Unavailable`]: crate::domain::error::Error::Unavailable
    pub async fn avatar(&self, holder: Holder, file: Bytes) -> Result<Decoded<Avatar>> {
        let most = Cost { memory: u64::MAX, pixels: PIXELS_MAX };
        self.shrink(holder, file, most, encode).await
    }
}

fn encode(image: &DynamicImage) -> image::ImageResult<Avatar> {
    let mut bytes = Cursor::new(Vec::new());
    let rgba = image.to_rgba8();
    let format = if rgba.pixels().all(|pixel| pixel[3] == u8::MAX) {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        image.to_rgb8().write_with_encoder(encoder)?;
        AvatarFormat::Jpeg
    } else {
        rgba.write_to(&mut bytes, ImageFormat::Png)?;
        AvatarFormat::Png
    };
    Ok(Avatar { format, bytes: bytes.into_inner() })
}

#[cfg(test)]
#[path = "avatar_tests.rs"]
mod tests;
