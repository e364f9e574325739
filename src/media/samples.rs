//! Image files for the tests of this folder, made here.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

pub(super) const RED: Rgb<u8> = Rgb([250, 10, 10]);
pub(super) const BLUE: Rgb<u8> = Rgb([10, 10, 250]);

/// Red on the left, blue on the right.
pub(super) fn flag(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE })
}

pub(super) fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

/// An EXIF block that says nothing but how to turn the image, and where it was taken.
pub(super) fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    block.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    block.extend(b"52.5200N 13.4050E");
    block
}

/// A JPEG with a segment after its first marker.
pub(super) fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("short").to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// A JPEG of one block in the four colours of print, inverted as Photoshop writes them. No encoder
/// here makes one.
pub(super) fn red_in_cmyk() -> Vec<u8> {
    let mut jpeg = vec![0xff, 0xd8];
    let mut segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).expect("short").to_be_bytes();
        jpeg.extend([0xff, marker]);
        jpeg.extend(length);
        jpeg.extend(content);
    };
    segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    segment(0xdb, &[&[0], [8; 64].as_slice()].concat());
    segment(0xc0, &[8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0]);
    // Codes: of the blocks' means 0 is seven bits and 10 eight, of the rest 0 is the end.
    segment(0xc4, &[&[0, 1, 1], [0; 14].as_slice(), &[7, 8]].concat());
    segment(0xc4, &[&[0x10, 1], [0; 15].as_slice(), &[0]].concat());
    segment(0xda, &[4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    // 0 1111111 0: 127, so 255; 10 01111111 0: -128, so 0.
    jpeg.extend([0b0111_1111, 0b0100_1111, 0b1110_1001, 0b1111_1100, 0b1111_1110, 0xff, 0xd9]);
    jpeg
}

/// A WebP file of chunks.
pub(super) fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend(u32::try_from(content.len()).expect("short").to_le_bytes());
        body.extend(*content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &u32::try_from(body.len()).expect("short").to_le_bytes()[..], &body].concat()
}

/// PNG's checksum, for headers that are made up.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}
