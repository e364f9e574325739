//! Makes small upright images of uploaded files, encoded anew, so that nothing else of a file survives (such as where a
//! photo was taken, or data appended to it). All decoding shares one memory budget. The formats are in `decode`, what
//! becomes of an image in `avatar` and `thumbnail`.

use std::time::Duration;

use bytes::Bytes;
use image::imageops::FilterType;
use image::{DynamicImage, ImageResult};

use crate::domain::error::Result;
use crate::shares::{FairSemaphore, Holder};

use super::decode;
use super::limits::{Cost, Decoded, NOT_AN_IMAGE, TOO_MANY_PIXELS, broken};

/// Maximum length of the longer side of a small image, in pixels.
const SIDE: u32 = 512;
/// Memory for all images that are decoded at a time, in MiB. An image that needs more gets all of it,
/// and is decoded alone: up to 511 MiB, for a progressive CMYK JPEG of 40 megapixels.
const MEMORY_MIB: u32 = 256;
/// Minimum that is counted per image, so that no more than four are decoded at a time.
const LEAST_MIB: u32 = 64;
/// How many images of one user are decoded or next in the queue.
const SHARE: usize = 2;
/// How long an image may wait for memory.
const WAIT: Duration = Duration::from_secs(60);

/// Makes small images, as many at a time as there is memory for.
#[derive(Debug)]
pub struct ImageEncoder {
    memory: FairSemaphore,
}

impl Default for ImageEncoder {
    fn default() -> Self {
        Self { memory: FairSemaphore::new("images", MEMORY_MIB, SHARE, WAIT) }
    }
}

impl ImageEncoder {
    /// Makes something of the small image of a file that costs no more than `most`. The inner error is Django's
    /// text for what is wrong with the file. [`Error::Unavailable`] if it would have to wait for more than a minute.
    ///
    /// [`Error::Unavailable`]: crate::domain::error::Error::Unavailable
    pub(super) async fn shrink<T: Send + 'static>(
        &self,
        holder: Holder,
        file: Bytes,
        most: Cost,
        encode: fn(&DynamicImage) -> ImageResult<T>,
    ) -> Result<Decoded<T>> {
        let header = file.clone();
        let memory = match blocking(move || affordable(&header, most)).await {
            Ok(bytes) => u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(LEAST_MIB),
            Err(text) => return Ok(Err(text)),
        };
        let permit = self.memory.acquire_many(holder, memory).await?;
        Ok(blocking(move || {
            // Held by the work itself: a client that disconnects must not free the memory early.
            let _permit = permit;
            encode(&small(&file)?).map_err(broken)
        })
        .await)
    }
}

/// The memory that a file needs, if that and its size are within the limits.
fn affordable(file: &[u8], most: Cost) -> Decoded<u64> {
    let cost = decode::cost(file)?;
    match cost.pixels > most.pixels || cost.memory > most.memory {
        true => Err(TOO_MANY_PIXELS),
        false => Ok(cost.memory),
    }
}

/// The image of a file, upright and scaled down.
pub(super) fn small(file: &[u8]) -> Decoded<DynamicImage> {
    let (image, orientation) = decode::decode(file)?;
    let mut image = DynamicImage::from(image);
    if image.width().max(image.height()) > SIDE {
        image = image.resize(SIDE, SIDE, FilterType::CatmullRom);
    }
    image.apply_orientation(orientation);
    Ok(image)
}

/// Runs work off the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Decoded<T> + Send + 'static,
) -> Decoded<T> {
    // A file that makes a decoder panic is not an image. The hook has logged the panic.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(NOT_AN_IMAGE))
}
