//! Decoding PNG and GIF row by row onto a canvas, so that a picture of any size takes a few rows of
//! memory. Of several pictures the first is decoded; what the files hold besides is skipped.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions};
use image::RgbaImage;
use image::metadata::Orientation;
use png::Transformations;

use super::canvas::Canvas;
use super::limits::{Decoded, SIDE, broken, check_size, orientation};

/// Which rows and columns come in a pass: the first, and the distance to the next.
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

/// Memory for decoding a PNG, in bytes: three rows, at the depth of the file.
pub(super) fn png_memory(file: &[u8]) -> Decoded<u64> {
    let png = open_png(file)?;
    let info = png.info();
    Ok(3 * info.raw_row_length() as u64)
}

/// Decodes a PNG. What comes after the last row is not looked at: it could be large.
pub(super) fn decode_png(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let mut png = open_png(file)?;
    let info = png.info();
    let (width, height, passes) =
        (info.width, info.height, if info.interlaced { ADAM7 } else { WHOLE });
    let orientation = orientation(info.exif_metadata.as_deref());
    let samples = png.output_color_type().0.samples();
    let mut canvas = Canvas::new(width, height, SIDE);
    for Pass { column, row } in passes.iter().filter(|pass| pass.column.0 < width) {
        for y in (row.0..height).step_by(row.1 as usize) {
            let row = png.next_row().map_err(broken)?.ok_or_else(|| broken(()))?;
            let pixels = row.data().chunks_exact(samples);
            canvas.draw((column.0, y), column.1, pixels.map(colour));
        }
    }
    Ok((canvas.finish(), orientation))
}

/// With eight bits a sample, and no palette. Colour profiles and texts may be compressed a
/// thousandfold, so they are skipped.
fn open_png(file: &[u8]) -> Decoded<png::Reader<Cursor<&[u8]>>> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    check_size(header.width, header.height)?;
    decoder.read_info().map_err(broken)
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

/// Memory for decoding a GIF, in bytes: a row.
pub(super) fn gif_memory(file: &[u8]) -> Decoded<u64> {
    let gif = open_gif(file)?;
    Ok(u64::from(gif.width()))
}

/// Decodes a GIF.
pub(super) fn decode_gif(file: &[u8]) -> Decoded<(RgbaImage, Orientation)> {
    let mut gif = open_gif(file)?;
    let mut canvas = Canvas::new(gif.width().into(), gif.height().into(), SIDE);
    let frame = gif.next_frame_info().map_err(broken)?.ok_or_else(|| broken(()))?;
    let (left, top, transparent) = (frame.left.into(), u32::from(frame.top), frame.transparent);
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let passes = if frame.interlaced { GIF_INTERLACED } else { WHOLE };
    // A frame may be larger than the picture.
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
