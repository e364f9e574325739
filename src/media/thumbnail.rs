//! Thumbnails of attachments.

use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat};
use tokio::time::timeout;

use crate::shares::Holder;

use super::avatar::JPEG_QUALITY;
use super::encoder::ImageEncoder;
use super::limits::{Cost, PIXELS_MAX};

/// Memory for decoding one image, in bytes. A progressive JPEG of 100 megapixels needs more, and has no thumbnail.
const MEMORY_MAX: u64 = 512 << 20;
/// How long a thumbnail may take, and wait for others.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A thumbnail as it is stored.
#[derive(Debug)]
pub struct Thumbnail {
    /// Its media type.
    pub content_type: &'static str,
    /// The encoded image.
    pub bytes: Vec<u8>,
}

impl ImageEncoder {
    /// The thumbnail of a file; `None` if it is no image that can be decoded, is too large, or would have to wait
    /// for too long.
    pub async fn thumbnail(&self, holder: Holder, file: Bytes) -> Option<Thumbnail> {
        let most = Cost { memory: MEMORY_MAX, pixels: PIXELS_MAX };
        timeout(TIME_MAX, self.shrink(holder, file, most, encode)).await.ok()?.ok()?.ok()
    }
}

fn encode(image: &DynamicImage) -> image::ImageResult<Thumbnail> {
    let mut bytes = Cursor::new(Vec::new());
    let rgba = image.to_rgba8();
    let content_type = if rgba.pixels().all(|pixel| pixel[3] == u8::MAX) {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        image.to_rgb8().write_with_encoder(encoder)?;
        "image/jpeg"
    } else {
        rgba.write_to(&mut bytes, ImageFormat::WebP)?;
        "image/webp"
    };
    Ok(Thumbnail { content_type, bytes: bytes.into_inner() })
}
