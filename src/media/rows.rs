//! Decoding PNG and GIF row by row onto a canvas, so that an image of any size needs memory for a few
//! rows. Of an animation only the first frame is decoded.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions};
use image::RgbaImage;
use image::metadata::Orientation;
use png::{ColorType, Limits, Transformations};

use super::canvas::Canvas;
use super::colour::{Colours, IccProfile, PROFILE_MAX};
use super::limits::{Cost, Decoded, SIDE, broken, check_size, orientation};

/// The rows and columns of a pass of an interlaced image: the first, and the distance to the next.
struct Pass {
    column: (u32, u32),
    row: (u32, u32),
}

const WHOLE: &[Pass] = &[Pass { column: (0, 1), row: (0, 1) }];
/// PNG, 8.2.
const ADAM7: &[Pass] = &[
    Pass { column: (0, 8), row: (0, 8) },
    Pass { column: (4, 8), row: (0, 8) },
    Pass { column: (0, 4), row: (4, 8) },
    Pass { column: (2, 4), row: (0, 4) },
    Pass { column: (0, 2), row: (2, 4) },
    Pass { column: (1, 2), row: (0, 2) },
    Pass { column: (0, 1), row: (1, 2) },
];
/// GIF89a, appendix E.
const GIF_INTERLACED: &[Pass] = &[
    Pass { column: (0, 1), row: (0, 8) },
    Pass { column: (0, 1), row: (4, 8) },
    Pass { column: (0, 1), row: (2, 4) },
    Pass { column: (0, 1), row: (1, 2) },
];

/// The cost of decoding a PNG: three rows, at the depth of the file. (`CANVAS` covers the profile.)
pub(super) fn png_cost(file: &[u8]) -> Decoded<Cost> {
    let png = open_png(file, Profile::Skipped)?;
    let info = png.info();
    Ok(Cost::new(3 * info.raw_row_length() as u64, (info.width, info.height)))
}

/// Decodes a PNG. The decoder reads nothing after the last row, which could be large.
pub(super) fn decode_png(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let mut png = open_png(file, Profile::Read)?;
    let info = png.info();
    let (width, height, passes) =
        (info.width, info.height, if info.interlaced { ADAM7 } else { WHOLE });
    let kind = match info.color_type {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Colours::Grey,
        _ => Colours::Rgb,
    };
    let profile = info.icc_profile.as_deref().and_then(|icc| IccProfile::parse(icc, kind));
    let samples = png.output_color_type().0.samples();
    let mut canvas = Canvas::new(width, height, SIDE);
    for Pass { column, row } in passes.iter().filter(|pass| pass.column.0 < width) {
        for y in (row.0..height).step_by(row.1 as usize) {
            let row = png.next_row().map_err(broken)?.ok_or_else(|| broken(()))?;
            let pixels = row.data().chunks_exact(samples);
            canvas.draw((column.0, y), column.1, pixels.map(colour));
        }
    }
    let mut image = canvas.finish();
    if let Some(profile) = profile {
        profile.convert(&mut image);
    }
    Ok((image, orientation(png_exif(file))))
}

/// What to do with a colour profile: decompressing one takes some megabytes.
#[derive(PartialEq)]
enum Profile {
    Read,
    Skipped,
}

/// With eight bits a sample, and no palette. Texts may be compressed a thousandfold, so they are skipped; a
/// profile that becomes too large is ignored.
fn open_png(file: &[u8], profile: Profile) -> Decoded<png::Reader<Cursor<&[u8]>>> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(profile == Profile::Skipped);
    let header = decoder.read_header_info().map_err(broken)?;
    check_size(header.width, header.height)?;
    let rows = 4 * header.raw_row_length();
    // The profile counts twice: compressed and not.
    decoder.set_limits(Limits { bytes: rows + PROFILE_MAX });
    decoder.read_info().map_err(broken)
}

/// The chunk `eXIf`, which may also come after the image.
fn png_exif(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(8..)?;
    loop {
        let (length, name) = (rest.first_chunk::<4>()?, rest.get(4..8)?);
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let content = rest.get(8..)?;
        if name == b"eXIf" {
            return content.get(..length);
        }
        // The checksum follows.
        rest = content.get(length.checked_add(4)?..)?;
    }
}

fn colour(samples: &[u8]) -> [u8; 4] {
    match *samples {
        [grey] => [grey, grey, grey, u8::MAX],
        [grey, alpha] => [grey, grey, grey, alpha],
        [red, green, blue] => [red, green, blue, u8::MAX],
        [red, green, blue, alpha] => [red, green, blue, alpha],
        _ => [0; 4],
    }
}

/// The cost of decoding a GIF: a row.
pub(super) fn gif_cost(file: &[u8]) -> Decoded<Cost> {
    let gif = open_gif(file)?;
    let (width, height) = (u32::from(gif.width()), u32::from(gif.height()));
    Ok(Cost::new(u64::from(width), (width, height)))
}

/// Decodes a GIF.
pub(super) fn decode_gif(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let mut gif = open_gif(file)?;
    let mut canvas = Canvas::new(gif.width().into(), gif.height().into(), SIDE);
    let frame = gif.next_frame_info().map_err(broken)?.ok_or_else(|| broken(()))?;
    let (left, top, transparent) = (frame.left.into(), u32::from(frame.top), frame.transparent);
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let passes = if frame.interlaced { GIF_INTERLACED } else { WHOLE };
    // A frame may be larger than the image.
    check_size(width, height)?;
    let mut palette = [[0; 4]; 256];
    for (entry, rgb) in palette.iter_mut().zip(gif.palette().map_err(broken)?.chunks_exact(3)) {
        *entry = colour(rgb);
    }
    if let Some(index) = transparent {
        palette[usize::from(index)] = [0; 4];
    }
    let mut line = vec![0; width as usize];
    for Pass { row, .. } in passes {
        for y in (row.0..height).step_by(row.1 as usize) {
            if !gif.fill_buffer(&mut line).map_err(broken)? {
                return Err(broken(()));
            }
            canvas.draw((left, top + y), 1, line.iter().map(|index| palette[usize::from(*index)]));
        }
    }
    Ok((canvas.finish(), Orientation::NoTransforms))
}

fn open_gif(file: &[u8]) -> Decoded<gif::Decoder<Cursor<&[u8]>>> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let decoder = options.read_info(Cursor::new(file)).map_err(broken)?;
    check_size(decoder.width().into(), decoder.height().into())?;
    Ok(decoder)
}
