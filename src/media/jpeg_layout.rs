//! The structure of a JPEG file, read without decoding it: what decoding will cost, and where the image
//! ends. Decodes no pixels.

use super::limits::{Decoded, broken};

/// Most scans of an image. Encoders write about ten; each costs a pass over the whole image, however
/// small it is in the file.
pub(super) const SCANS_MAX: usize = 40;
/// The marker at the end of an image.
pub(super) const EOI: [u8; 2] = [0xff, 0xd9];

/// What a file's markers say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Every scan refines the whole image.
    pub(super) is_progressive: bool,
    /// The decoder has to keep all coefficients.
    pub(super) is_buffered: bool,
    /// Bytes of coefficients for a pixel, over all components, in sixteenths.
    pub(super) coefficients: u64,
    /// Where the image ends in the file. Other images, and anything else, may follow.
    pub(super) end: usize,
    /// Whether there is a marker at the end. Some programs omit it.
    pub(super) has_end: bool,
}

impl Layout {
    /// Refuses a file that ends before the first scan, or has too many scans.
    pub(super) fn of(file: &[u8]) -> Decoded<Self> {
        read(file).ok_or_else(|| broken(()))
    }
}

fn read(file: &[u8]) -> Option<Layout> {
    let mut at = 2;
    let mut frame = None;
    let mut first_scan = None;
    let (mut end, mut has_end) = (file.len(), false);
    // Some programs leave other bytes between the segments.
    while let Some(marker) = next_marker(file, at) {
        let (kind, body) = (file[marker + 1], marker + 2);
        if kind == EOI[1] && first_scan.is_some() {
            (end, has_end) = (body, true);
            break;
        }
        let Some(segment) = segment(file, body) else {
            // The file breaks off here: between scans, or in its header.
            first_scan?;
            end = marker;
            break;
        };
        match kind {
            0xda if first_scan.is_none() => first_scan = Some((marker, *segment.first()?)),
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) && first_scan.is_none() => {
                frame = Some((kind == 0xc2, *segment.get(5)?, coefficients(segment)?));
            }
            _ => {}
        }
        at = body + 2 + segment.len();
    }
    let ((is_progressive, components, coefficients), (begin, in_scan)) = (frame?, first_scan?);
    let scans = file[begin..end].windows(2).filter(|two| *two == [0xff, 0xda]).count();
    let is_buffered = is_progressive || scans > 1 || in_scan < components;
    (scans <= SCANS_MAX).then_some(Layout {
        is_progressive,
        is_buffered,
        coefficients,
        end,
        has_end,
    })
}

/// The next marker that has a meaning: no stuffed byte, no filling, and no restart marker.
fn next_marker(file: &[u8], from: usize) -> Option<usize> {
    let is_marker = |two: &[u8]| two[0] == 0xff && !matches!(two[1], 0 | 1 | 0xd0..=0xd8 | 0xff);
    file.get(from..)?.windows(2).position(is_marker).map(|at| from + at)
}

/// The content of a segment, which begins with its length.
fn segment(file: &[u8], at: usize) -> Option<&[u8]> {
    let length = u16::from_be_bytes([*file.get(at)?, *file.get(at + 1)?]);
    file.get(at + 2..at + usize::from(length))
}

/// Bytes of coefficients for a pixel, in sixteenths, by a frame's header: two for each sample.
fn coefficients(frame: &[u8]) -> Option<u64> {
    let components = frame.get(6..)?.as_chunks::<3>().0;
    let factors = components.iter().map(|[_, factors, _]| (factors >> 4, factors & 15));
    let factors: Vec<(u64, u64)> = factors.map(|(a, b)| (a.into(), b.into())).collect();
    let widest = factors.iter().map(|(across, _)| *across).max()?.max(1);
    let highest = factors.iter().map(|(_, down)| *down).max()?.max(1);
    let samples: u64 = factors.iter().map(|(across, down)| across * down).sum();
    Some((2 * 16 * samples).div_ceil(widest * highest))
}
