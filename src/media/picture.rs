//! Making of an uploaded file what is kept: a small upright picture, encoded anew, so that nothing
//! else of the file survives (where it was taken, what hides behind its end). All decoding shares
//! one budget of memory. The formats are in `decode`.

use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat};

use crate::domain::error::Result;
use crate::shares::{FairSemaphore, Holder};

use super::decode::{self, NO_PICTURE};

/// The longer side of what is kept, at most, in pixels.
const SIDE: u32 = 512;
/// Of 100.
const JPEG_QUALITY: u8 = 85;
/// Memory for all pictures that are decoded at a time, in MiB. One that needs more gets all of it,
/// and is decoded alone: up to 455 MiB, for a progressive JPEG of 40 megapixels in the colours of
/// print.
const MEMORY_MIB: u32 = 256;
/// Counted for each at least, so that no more than four are decoded at a time.
const LEAST_MIB: u32 = 64;
/// How many of a user's are decoded or next in line.
const SHARE: usize = 2;
/// How long a picture may wait for its memory.
const WAIT: Duration = Duration::from_secs(60);

/// A picture as it is kept.
#[derive(Debug)]
pub struct Picture {
    /// How it is encoded.
    pub kind: Kind,
    /// The file's content.
    pub bytes: Vec<u8>,
}

/// How a kept picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What has no transparency.
    Jpeg,
    /// What has.
    Png,
}

impl Kind {
    /// The end of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// The other way round.
    pub fn of_extension(extension: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|kind| kind.extension() == extension)
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Reads pictures, as many at a time as there is memory for.
#[derive(Debug)]
pub struct Pictures {
    memory: FairSemaphore,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { memory: FairSemaphore::new("pictures", MEMORY_MIB, SHARE, WAIT) }
    }
}

impl Pictures {
    /// What is kept of a file, or Django's text for what is wrong with it. Takes up to two seconds of
    /// a core. Unavailable where it would have to wait for longer than a minute.
    pub async fn read(&self, holder: Holder, file: Bytes) -> Result<Result<Picture, &'static str>> {
        let header = file.clone();
        let memory = match blocking(move || decode::memory(&header)).await {
            Ok(bytes) => u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(LEAST_MIB),
            Err(text) => return Ok(Err(text)),
        };
        let permit = self.memory.acquire_many(holder, memory).await?;
        Ok(blocking(move || {
            // Held by the work itself: a client that goes away does not free the memory early.
            let _permit = permit;
            read(&file)
        })
        .await)
    }
}

/// Does something off the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, &'static str> + Send + 'static,
) -> Result<T, &'static str> {
    // What makes a decoder panic is no picture. The panic is on the log already, by the hook.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(NO_PICTURE))
}

fn read(file: &[u8]) -> Result<Picture, &'static str> {
    let (picture, orientation) = decode::decode(file)?;
    let mut picture = DynamicImage::from(picture);
    if picture.width().max(picture.height()) > SIDE {
        picture = picture.resize(SIDE, SIDE, FilterType::CatmullRom);
    }
    picture.apply_orientation(orientation);
    encode(&picture).map_err(|_| NO_PICTURE)
}

fn encode(picture: &DynamicImage) -> image::ImageResult<Picture> {
    let mut bytes = Cursor::new(Vec::new());
    let rgba = picture.to_rgba8();
    let kind = if rgba.pixels().all(|pixel| pixel[3] == u8::MAX) {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        picture.to_rgb8().write_with_encoder(encoder)?;
        Kind::Jpeg
    } else {
        rgba.write_to(&mut bytes, ImageFormat::Png)?;
        Kind::Png
    };
    Ok(Picture { kind, bytes: bytes.into_inner() })
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
