//! Making of an uploaded file what is kept: a small upright picture, encoded anew, so that nothing
//! else of the file survives (where it was taken, what hides behind its end). Files are hostile:
//! what one costs is known before it is decoded.

use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::domain::error::Result;
use crate::shares::{FairSemaphore, Holder};

/// The longer side of what is kept, at most, in pixels.
const SIDE: u32 = 512;
/// Largest picture that is decoded, in pixels.
const PIXELS_MAX: u64 = 40_000_000;
/// Most that decoding one may take, in bytes: those pixels at 16 bits a channel.
const MEMORY_MAX: u64 = 8 * PIXELS_MAX + (16 << 20);
/// How many are worked on at a time, and how many of them for one user.
const TURNS: u32 = 2;
const TURNS_SHARE: usize = 2;
/// How long a picture may wait for its turn.
const WAIT: Duration = Duration::from_secs(30);
/// Of 100.
const JPEG_QUALITY: u8 = 85;

/// Django's `ImageField.invalid_image`.
const NO_PICTURE: &str =
    "Upload a valid image. The file you uploaded was either not an image or a corrupted image.";
const TOO_MANY_PIXELS: &str = "Upload an image of at most 40 megapixels.";

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

/// Reads pictures, two at a time.
#[derive(Debug)]
pub struct Pictures {
    turns: FairSemaphore,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { turns: FairSemaphore::new("pictures", TURNS, TURNS_SHARE, WAIT) }
    }
}

impl Pictures {
    /// What is kept of a file, or Django's text for what is wrong with it. Takes up to two seconds of
    /// a core. Unavailable where it would have to wait for too long.
    pub async fn read(&self, holder: Holder, file: Bytes) -> Result<Result<Picture, &'static str>> {
        let turn = self.turns.acquire(holder).await?;
        let read = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a client that goes away does not free its turn early.
            let _turn = turn;
            read(&file)
        });
        // What makes a decoder panic is no picture. The panic is on the log already, by the hook.
        Ok(read.await.unwrap_or(Err(NO_PICTURE)))
    }
}

fn read(file: &[u8]) -> Result<Picture, &'static str> {
    let (picture, orientation) = decode(file)?;
    let mut picture = shrink(picture);
    picture.apply_orientation(orientation);
    encode(&picture).map_err(|_| NO_PICTURE)
}

/// The picture, or the first of several, and how it has to be turned.
fn decode(file: &[u8]) -> Result<(DynamicImage, Orientation), &'static str> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MEMORY_MAX);
    let mut reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| NO_PICTURE)?;
    // Its decoder makes grey of what is missing.
    if reader.format() == Some(ImageFormat::Jpeg) && !has_end(file) {
        return Err(NO_PICTURE);
    }
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(|_| NO_PICTURE)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(TOO_MANY_PIXELS);
    }
    // Of a picture whose EXIF data is broken the rest may be fine.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    limits
        .reserve(decoder.total_bytes())
        .and_then(|()| decoder.set_limits(limits))
        .and_then(|()| DynamicImage::from_decoder(decoder))
        .map(|picture| (picture, orientation))
        .map_err(|_| NO_PICTURE)
}

/// Whether a JPEG's end is there: the marker EOI, after the beginning of its first scan. (Before that,
/// a small picture within may have its own.)
fn has_end(jpeg: &[u8]) -> bool {
    // Segments follow upon SOI, each with its length.
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xff, kind, rest_of_it @ ..] = rest {
        match (kind, rest_of_it) {
            // A byte that fills.
            (0xff, _) => rest = &rest[1..],
            (0xda, _) => return rest_of_it.windows(2).any(|two| two == [0xff, 0xd9]),
            (_, [high, low, ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest_of_it.get(length..).unwrap_or_default();
            }
            _ => return false,
        }
    }
    false
}

/// At most [`SIDE`] long. In two steps: the first is coarse and takes no memory, whatever the
/// picture's proportions, the second is fine.
fn shrink(picture: DynamicImage) -> DynamicImage {
    let longest = |picture: &DynamicImage| picture.width().max(picture.height());
    let picture = match longest(&picture) > 2 * SIDE {
        true => picture.thumbnail(2 * SIDE, 2 * SIDE),
        false => picture,
    };
    match longest(&picture) > SIDE {
        true => picture.resize(SIDE, SIDE, FilterType::CatmullRom),
        false => picture,
    }
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
