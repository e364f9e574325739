//! Decoding JPEG. The decoder holds the whole image and, if the image has several scans, all of its
//! coefficients, so the cost of a file is read from its markers first.
//!
//! A damaged file is decoded as browsers do it, with grey for what is missing. But a file that breaks off
//! early is refused: its upload was incomplete.

use std::borrow::Cow;

use image::RgbaImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::canvas::Canvas;
use super::colour::{Colours, IccProfile, print_row};
use super::jpeg_layout::{EOI, Layout, SCANS_MAX};
use super::limits::{Cost, Decoded, SIDE, broken, check_size, orientation};

/// How much of an image may be missing at its end: an eighth.
const MISSING: usize = 8;

/// A decoder that has read the headers, and the image's size.
struct Opened<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    width: usize,
    height: usize,
    /// What the decoder returns.
    colours: ColorSpace,
}

/// The cost of decoding.
pub(super) fn cost(file: &[u8]) -> Decoded<Cost> {
    let layout = Layout::of(file)?;
    let opened = Opened::of(&file[..layout.end], false)?;
    // Whole blocks are decoded, of up to 32 pixels a side.
    let blocks = [opened.width, opened.height].map(|side| side.next_multiple_of(32) as u64);
    let coefficients = match layout.is_buffered {
        true => blocks[0] * blocks[1] * layout.coefficients / 16,
        false => 0,
    };
    let samples = opened.decoder.output_buffer_size().ok_or_else(|| broken(()))?;
    let size = (opened.width as u32, opened.height as u32);
    Ok(Cost::new(samples as u64 + coefficients + file.len() as u64, size))
}

/// Decodes an image.
pub(super) fn decode(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let layout = Layout::of(file)?;
    let file = &file[..layout.end];
    let file = match layout.is_progressive && !layout.has_end {
        // The decoder requires the marker, even where it is lenient.
        true => Cow::Owned([file, &EOI].concat()),
        false => Cow::Borrowed(file),
    };
    let (opened, samples) = samples(&file, layout.has_end)?;
    let kind = match opened.colours {
        ColorSpace::Luma => Colours::Grey,
        ColorSpace::RGB => Colours::Rgb,
        _ => Colours::Cmyk,
    };
    let profile = opened.decoder.icc_profile().and_then(|icc| IccProfile::parse(&icc, kind));
    let mut image = draw(&opened, &samples, profile.as_ref());
    if kind != Colours::Cmyk
        && let Some(profile) = profile
    {
        profile.convert(&mut image);
    }
    Ok((image, orientation(opened.decoder.exif().map(Vec::as_slice))))
}

impl<'a> Opened<'a> {
    /// Reads the headers. A strict decoder gives up where something of the image is missing.
    fn of(file: &'a [u8], is_strict: bool) -> Decoded<Self> {
        let options = DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX)
            .jpeg_set_max_scans(SCANS_MAX);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
        decoder.decode_headers().map_err(broken)?;
        let (width, height) = decoder.dimensions().ok_or_else(|| broken(()))?;
        check_size(u32::try_from(width).map_err(broken)?, u32::try_from(height).map_err(broken)?)?;
        let colours = match decoder.input_colorspace().ok_or_else(|| broken(()))? {
            // Converted here, where the profile is known.
            same @ (ColorSpace::Luma | ColorSpace::CMYK | ColorSpace::YCCK) => same,
            _ => ColorSpace::RGB,
        };
        let options = options.set_strict_mode(is_strict).jpeg_set_out_colorspace(colours);
        decoder.set_options(options);
        Ok(Self { decoder, width, height, colours })
    }
}

/// The samples of an image. Without a marker at its end, the image has to prove that it is whole, or nearly so:
/// what is missing was filled with one colour.
fn samples(file: &[u8], has_end: bool) -> Decoded<(Opened<'_>, Vec<u8>)> {
    let mut opened = Opened::of(file, !has_end)?;
    if let Ok(samples) = opened.decoder.decode() {
        return Ok((opened, samples));
    }
    let mut opened = Opened::of(file, false)?;
    let samples = opened.decoder.decode().map_err(broken)?;
    let filled = samples
        .last()
        .map_or(0, |last| samples.iter().rev().take_while(|sample| *sample == last).count());
    match has_end || filled <= samples.len() / MISSING {
        true => Ok((opened, samples)),
        false => Err(broken(())),
    }
}

fn draw(opened: &Opened<'_>, samples: &[u8], profile: Option<&IccProfile>) -> RgbaImage {
    let (width, colours) = (opened.width, opened.colours);
    let mut canvas = Canvas::new(width as u32, opened.height as u32, SIDE);
    let mut rgb = vec![0; 3 * width];
    for (y, row) in (0..).zip(samples.chunks_exact(width * colours.num_components())) {
        let row = match colours {
            ColorSpace::Luma => {
                canvas.draw((0, y), 1, row.iter().map(|grey| [*grey, *grey, *grey, u8::MAX]));
                continue;
            }
            ColorSpace::RGB => row,
            _ => {
                let inks = row.as_chunks::<4>().0.iter().flat_map(|sample| inks(*sample, colours));
                print_row(profile, &inks.collect::<Vec<_>>(), &mut rgb);
                &rgb
            }
        };
        let pixels = row.as_chunks::<3>().0.iter();
        canvas.draw((0, y), 1, pixels.map(|[r, g, b]| [*r, *g, *b, u8::MAX]));
    }
    canvas.finish()
}

/// Cyan, magenta, yellow and black. Files have them inverted, as Photoshop writes them, and the first three
/// perhaps in the colours of video, as the RGB that they are the inverse of.
fn inks(sample: [u8; 4], colours: ColorSpace) -> [u8; 4] {
    let [y, cb, cr, black] = sample;
    if colours == ColorSpace::CMYK {
        return sample.map(|inverted| 255 - inverted);
    }
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    let [cyan, magenta, yellow] = rgb.map(|value| value.round() as u8);
    [cyan, magenta, yellow, 255 - black]
}

#[cfg(test)]
#[path = "jpeg_tests.rs"]
mod tests;
