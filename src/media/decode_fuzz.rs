//! Property tests of pictures: whatever is uploaded, reading its headers does not panic, and decoding
//! it ends.

use std::io::Cursor;

use image::{DynamicImage, RgbImage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const FORMATS: [ImageFormat; 4] =
    [ImageFormat::Png, ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::WebP];
/// What a test may spend on one picture, in bytes: a damaged size can ask for 40 megapixels.
const AFFORDABLE: u64 = CANVAS + (1 << 20);

fn small(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 90]));
    DynamicImage::from(picture).write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

fn try_decoding(file: &[u8]) {
    if cost(file).is_ok_and(|cost| cost.memory <= AFFORDABLE) {
        drop(decode(file));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn damaged_pictures_are_decoded_or_refused(
        format in select(&FORMATS[..]),
        damages in vec((any::<Index>(), any::<u8>()), 0..5),
        end in any::<Index>(),
    ) {
        let mut file = small(format);
        for (at, byte) in damages {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(file.len().min(end.index(3 * file.len())));
        try_decoding(&file);
    }

    #[test]
    fn anything_behind_a_signature_is_decoded_or_refused(
        format in select(&FORMATS[..]),
        rest in vec(any::<u8>(), 0..200),
    ) {
        let mut file = small(format);
        file.truncate(16);
        file.extend(rest);
        try_decoding(&file);
    }
}

/// A frame inside a frame inside a frame … once for every 24 bytes of the file.
#[test]
fn frames_within_frames_do_not_exhaust_the_stack() {
    let levels = 200_000;
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    for level in (0..levels).rev() {
        file.extend(b"ANMF");
        file.extend((16 + 24 * level as u32).to_le_bytes());
        file.extend([0; 16]);
    }
    assert_eq!(cost(&file), Err(NOT_AN_IMAGE));
}
