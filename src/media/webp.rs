//! Decoding WebP. The decoder would hold the whole image, two more for an animation, and copies of profile
//! and metadata. So it gets a file that is made here and contains a single frame and nothing else.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, RgbaImage};

use super::canvas::Canvas;
use super::colour::{Colours, IccProfile};
use super::limits::{Cost, Decoded, SIDE, broken, check_size, orientation};

/// The flag in VP8X that the image has transparency.
const ALPHA: u8 = 0x10;

/// The chunks of a file that are used.
#[derive(Default)]
struct Parts<'a> {
    /// The size of the whole image. `None`: that of the frame.
    size: Option<(u32, u32)>,
    /// The position of the frame in it.
    at: (u32, u32),
    has_alpha: bool,
    alpha: Option<&'a [u8]>,
    frame: Option<Frame<'a>>,
    exif: Option<&'a [u8]>,
    profile: Option<&'a [u8]>,
}

/// The first frame.
#[derive(Clone, Copy)]
struct Frame<'a> {
    is_lossless: bool,
    data: &'a [u8],
    size: (u32, u32),
}

/// The cost of decoding.
pub(super) fn cost(file: &[u8]) -> Decoded<Cost> {
    let parts = Parts::of(file)?;
    let frame = parts.frame.ok_or_else(|| broken(()))?;
    let pixels = u64::from(frame.size.0) * u64::from(frame.size.1);
    // Half bytes for each pixel. Lossless: four samples, and what the decoder predicts from. Lossy: the
    // image in YUV and in RGB; with alpha, which is compressed losslessly, also that and RGBA.
    let halves = match (frame.is_lossless, parts.alpha) {
        (true, _) => 9,
        (false, None) => 9,
        (false, Some(_)) => 21,
    };
    let size = parts.size.unwrap_or(frame.size);
    Ok(Cost::new(pixels * halves / 2 + file.len() as u64, size))
}

/// Decodes.
pub(super) fn decode(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let parts = Parts::of(file)?;
    let frame = parts.frame.ok_or_else(|| broken(()))?;
    let (width, height) = parts.size.unwrap_or(frame.size);
    let mut canvas = Canvas::new(width, height, SIDE);
    let decoder = WebPDecoder::new(Cursor::new(still(&parts, frame))).map_err(broken)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let (x, y) = parts.at;
    // A lossless frame's alpha counts only if the file declares transparency.
    let least = if parts.has_alpha { 0 } else { u8::MAX };
    match &picture {
        DynamicImage::ImageRgba8(rgba) => {
            for (y, row) in (y..).zip(rgba.rows()) {
                canvas.draw((x, y), 1, row.map(|p| [p[0], p[1], p[2], p[3].max(least)]));
            }
        }
        DynamicImage::ImageRgb8(rgb) => {
            for (y, row) in (y..).zip(rgb.rows()) {
                canvas.draw((x, y), 1, row.map(|p| [p[0], p[1], p[2], u8::MAX]));
            }
        }
        _ => return Err(broken(())),
    }
    let mut image = canvas.finish();
    if let Some(profile) = parts.profile.and_then(|icc| IccProfile::parse(icc, Colours::Rgb)) {
        profile.convert(&mut image);
    }
    Ok((image, orientation(parts.exif)))
}

/// A file with a single frame. A lossless one is declared to have alpha: it is then decoded in place.
fn still(parts: &Parts<'_>, frame: Frame<'_>) -> Vec<u8> {
    let has_alpha = frame.is_lossless || parts.alpha.is_some();
    let side = |length: u32| length.saturating_sub(1).to_le_bytes();
    let ([a, b, c, _], [d, e, f, _]) = (side(frame.size.0), side(frame.size.1));
    let header = [if has_alpha { ALPHA } else { 0 }, 0, 0, 0, a, b, c, d, e, f];
    let mut body = b"WEBP".to_vec();
    append(&mut body, b"VP8X", &header);
    if let Some(alpha) = parts.alpha.filter(|_| !frame.is_lossless) {
        append(&mut body, b"ALPH", alpha);
    }
    append(&mut body, if frame.is_lossless { b"VP8L" } else { b"VP8 " }, frame.data);
    let mut file = Vec::with_capacity(body.len() + 8);
    append(&mut file, b"RIFF", &body);
    file
}

fn append(to: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    to.extend(name);
    to.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend(content);
    to.resize(to.len().next_multiple_of(2), 0);
}

impl<'a> Parts<'a> {
    fn of(file: &'a [u8]) -> Decoded<Self> {
        let mut parts = Self::default();
        let body = file.get(12..).ok_or_else(|| broken(()))?;
        parts.read(body, true).ok_or_else(|| broken(()))?;
        let frame = parts.frame.ok_or_else(|| broken(()))?;
        check_size(frame.size.0, frame.size.1)?;
        if let Some((width, height)) = parts.size {
            check_size(width, height)?;
        }
        Ok(parts)
    }

    /// Reads the chunks of the file, or of an animation's frame. A chunk that is cut off is ignored.
    fn read(&mut self, chunks: &'a [u8], is_file: bool) -> Option<()> {
        let mut rest = chunks;
        while let Some((name, size)) = rest.get(..4).zip(uint(rest, 4, 4)) {
            let content = rest.get(8..)?;
            let chunk = content.get(..size as usize);
            match (name, chunk) {
                (b"VP8X", Some(chunk)) if self.size.is_none() => {
                    self.has_alpha = *chunk.first()? & ALPHA != 0;
                    self.size = Some((uint(chunk, 4, 3)? + 1, uint(chunk, 7, 3)? + 1));
                }
                // Frames within frames are not allowed: they could exhaust the stack.
                (b"ANMF", Some(chunk)) if is_file && self.frame.is_none() => {
                    self.at = (2 * uint(chunk, 0, 3)?, 2 * uint(chunk, 3, 3)?);
                    self.read(chunk.get(16..)?, false)?;
                }
                (b"ALPH", Some(chunk)) if self.frame.is_none() => self.alpha = Some(chunk),
                (b"VP8 " | b"VP8L", Some(chunk)) if self.frame.is_none() => {
                    self.frame = Some(self.frame(name == b"VP8L", chunk)?);
                }
                (b"EXIF", Some(chunk)) => self.exif = Some(chunk),
                (b"ICCP", Some(chunk)) => self.profile = Some(chunk),
                _ => {}
            }
            rest = content.get((size as usize).next_multiple_of(2)..).unwrap_or_default();
        }
        Some(())
    }

    /// RFC 6386, 9.1, and RFC 9649, 3.4.
    fn frame(&mut self, is_lossless: bool, data: &'a [u8]) -> Option<Frame<'a>> {
        let size = match is_lossless {
            true => {
                let bits = uint(data, 1, 4)?;
                // Without VP8X, this flag declares it.
                self.has_alpha |= self.size.is_none() && bits & (1 << 28) != 0;
                ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
            }
            false => (uint(data, 6, 2)? & 0x3fff, uint(data, 8, 2)? & 0x3fff),
        };
        Some(Frame { is_lossless, data, size })
    }
}

/// A little-endian number of up to four bytes.
fn uint(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
