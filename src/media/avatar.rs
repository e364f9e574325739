//! Makes an avatar of an uploaded file: a small upright image, encoded anew, so that nothing else of
//! the file survives (such as where a photo was taken, or data appended to it). All decoding shares one
//! memory budget. The formats are in `decode`.

use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat};

use crate::domain::error::Result;
use crate::shares::{FairSemaphore, Holder};

use super::decode;
use super::limits::NOT_AN_IMAGE;

/// Maximum length of the longer side of an avatar, in pixels.
const SIDE: u32 = 512;
/// Of 100.
const JPEG_QUALITY: u8 = 85;
/// Memory for all images that are decoded at a time, in MiB. An image that needs more gets all of it,
/// and is decoded alone: up to 511 MiB, for a progressive CMYK JPEG of 40 megapixels.
const MEMORY_MIB: u32 = 256;
/// Minimum that is counted per image, so that no more than four are decoded at a time.
const LEAST_MIB: u32 = 64;
/// How many images of one user are decoded or next in the queue.
const SHARE: usize = 2;
/// How long an image may wait for memory.
const WAIT: Duration = Duration::from_secs(60);

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

/// Makes avatars, as many at a time as there is memory for.
#[derive(Debug)]
pub struct AvatarEncoder {
    memory: FairSemaphore,
}

impl Default for AvatarEncoder {
    fn default() -> Self {
        Self { memory: FairSemaphore::new("images", MEMORY_MIB, SHARE, WAIT) }
    }
}

impl AvatarEncoder {
    /// Makes an avatar of a file, or returns Django's text for what is wrong with the file. Takes up to
    /// two seconds of a core. [`Error::Unavailable`] if it would have to wait for more than a minute.
    ///
    /// [`Error::Unavailable`]: crate::domain::error::Error::Unavailable
    pub async fn encode(
        &self,
        holder: Holder,
        file: Bytes,
    ) -> Result<Result<Avatar, &'static str>> {
        let header = file.clone();
        let memory = match blocking(move || decode::memory(&header)).await {
            Ok(bytes) => u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(LEAST_MIB),
            Err(text) => return Ok(Err(text)),
        };
        let permit = self.memory.acquire_many(holder, memory).await?;
        Ok(blocking(move || {
            // Held by the work itself: a client that disconnects must not free the memory early.
            let _permit = permit;
            read(&file)
        })
        .await)
    }
}

/// Runs work off the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, &'static str> + Send + 'static,
) -> Result<T, &'static str> {
    // A file that makes a decoder panic is not an image. The hook has logged the panic.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(NOT_AN_IMAGE))
}

fn read(file: &[u8]) -> Result<Avatar, &'static str> {
    let (image, orientation) = decode::decode(file)?;
    let mut image = DynamicImage::from(image);
    if image.width().max(image.height()) > SIDE {
        image = image.resize(SIDE, SIDE, FilterType::CatmullRom);
    }
    image.apply_orientation(orientation);
    encode(&image).map_err(|_| NOT_AN_IMAGE)
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
