//! Decoding JPEG. The decoder holds the whole picture, and of one that has several scans every
//! coefficient too, so what a file costs is read from its headers first.
//!
//! It is as lenient as browsers are, and makes grey of what is missing. So a file that does not say
//! that it is whole has to prove it.

use std::borrow::Cow;

use image::RgbaImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::canvas::Canvas;
use super::limits::{Decoded, SIDE, broken, check_size, orientation};

/// Most scans of a picture. Encoders make about ten; each costs a pass over the whole picture,
/// however small it is in the file.
const SCANS_MAX: usize = 40;
const EOI: [u8; 2] = [0xff, 0xd9];

/// What the headers say.
struct Layout {
    is_progressive: bool,
    /// Bytes of coefficients for a pixel, over all components, in sixteenths.
    coefficients: u64,
    scans: usize,
    has_end: bool,
}

/// Memory for decoding, in bytes.
pub(super) fn memory(file: &[u8]) -> Decoded<u64> {
    let layout = layout(file)?;
    let decoder = open(file, false)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| broken(()))?;
    // Whole blocks are decoded, of up to 32 pixels a side.
    let pixels = width.next_multiple_of(32) as u64 * height.next_multiple_of(32) as u64;
    let coefficients = match layout.is_progressive || layout.scans > 1 {
        true => pixels * layout.coefficients / 16,
        false => 0,
    };
    let samples = decoder.output_buffer_size().ok_or_else(|| broken(()))?;
    Ok(samples as u64 + coefficients + file.len() as u64)
}

/// Decodes.
pub(super) fn decode(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let layout = layout(file)?;
    let file = match layout.is_progressive && !layout.has_end {
        // Of these the decoder asks for the marker itself.
        true => Cow::Owned([file, &EOI].concat()),
        false => Cow::Borrowed(file),
    };
    let mut decoder = open(&file, !layout.has_end)?;
    let orientation = orientation(decoder.exif().map(Vec::as_slice));
    let (width, height) = decoder.dimensions().ok_or_else(|| broken(()))?;
    let pixels = decoder.decode().map_err(broken)?;
    let mut canvas = Canvas::new(width as u32, height as u32, SIDE);
    let is_grey = decoder.output_colorspace() == Some(ColorSpace::Luma);
    let samples = if is_grey { 1 } else { 3 };
    for (y, row) in (0..).zip(pixels.chunks_exact(width * samples)) {
        match is_grey {
            true => canvas.draw((0, y), 1, row.iter().map(|grey| [*grey, *grey, *grey, u8::MAX])),
            false => canvas.draw(
                (0, y),
                1,
                row.as_chunks::<3>().0.iter().map(|[r, g, b]| [*r, *g, *b, u8::MAX]),
            ),
        }
    }
    Ok((canvas.finish(), orientation))
}

/// A decoder that has read the headers. A strict one gives up where something is missing.
fn open(file: &[u8], is_strict: bool) -> Decoded<JpegDecoder<ZCursor<&[u8]>>> {
    let options = DecoderOptions::default()
        .set_strict_mode(is_strict)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(SCANS_MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| broken(()))?;
    check_size(u32::try_from(width).map_err(broken)?, u32::try_from(height).map_err(broken)?)?;
    let colours = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    Ok(decoder)
}

/// Reads the segments before the first scan, and counts the scans.
fn layout(file: &[u8]) -> Decoded<Layout> {
    let layout = segments(file).filter(|layout| layout.scans <= SCANS_MAX);
    layout.ok_or_else(|| broken(()))
}

fn segments(file: &[u8]) -> Option<Layout> {
    // Segments follow upon SOI, each with its length; some programs leave rubbish between them.
    let mut rest = file.get(2..)?;
    let mut frame = None;
    loop {
        let marker =
            rest.windows(2).position(|two| two[0] == 0xff && !matches!(two[1], 0 | 0xff))?;
        let (kind, body) = (rest[marker + 1], &rest[marker + 2..]);
        if kind == 0xda {
            // Before the first scan, a thumbnail has markers of its own.
            let markers = |marker| body.windows(2).filter(move |two| *two == [0xff, marker]);
            let (is_progressive, coefficients) = frame?;
            let scans = 1 + markers(0xda).count();
            let has_end = markers(EOI[1]).next().is_some();
            return Some(Layout { is_progressive, coefficients, scans, has_end });
        }
        let length = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
        let segment = body.get(2..length)?;
        if matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc) {
            frame = Some((kind == 0xc2, coefficients(segment)?));
        }
        rest = &body[length..];
    }
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
