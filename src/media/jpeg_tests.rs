//! Damaged JPEGs are decoded as far as browsers do, and refused where an upload was incomplete.

use image::{ImageFormat, Rgb, RgbImage};

use super::*;
use crate::media::samples::{BLUE, RED, exif, file, flag, with_segment};

/// Red and blue, with enough detail that a few bytes at the end are a small part of the image.
fn photo() -> Vec<u8> {
    let noise = |x: u32, y: u32| (x * x * 31 + y * y * 17 + x * y) as u8;
    let image = RgbImage::from_fn(160, 160, |x, y| match (x + y) % 5 {
        0 => Rgb([noise(x, y); 3]),
        _ if x < 80 => RED,
        _ => BLUE,
    });
    file(image, ImageFormat::Jpeg)
}

fn assert_same(one: &[u8], other: &[u8]) {
    let pixels = |file: &[u8]| decode(file).expect("an image").0;
    assert!(pixels(one) == pixels(other));
}

#[test]
fn what_follows_the_end_is_not_looked_at() {
    let jpeg = photo();
    // Another image with more scans than are accepted, as phones append one.
    let scans = [0xff, 0xd8, 0xff, 0xda].repeat(SCANS_MAX);
    for rest in [&b"meow"[..], &jpeg, &scans, &[0; 100_000]] {
        assert_same(&[&jpeg, rest].concat(), &jpeg);
    }
}

#[test]
fn an_end_is_not_needed() {
    let jpeg = photo();
    let open = &jpeg[..jpeg.len() - 2];
    assert_same(open, &jpeg);
    assert_same(&[open, b"\0\0SEFT", &[b'x'; 500]].concat(), &jpeg);
}

#[test]
fn bytes_between_segments_are_skipped_with_and_without_an_end() {
    let jpeg = photo();
    for filling in [&b"meow"[..], &[0; 16], &[0xff; 3]] {
        let filled = [&jpeg[..20], filling, &jpeg[20..]].concat();
        assert_same(&filled, &jpeg);
        assert_same(&filled[..filled.len() - 2], &jpeg);
    }
}

#[test]
fn a_few_bytes_may_be_missing_but_not_half_of_the_image() {
    let jpeg = photo();
    let whole = decode(&jpeg).expect("an image").0;
    for missing in 1..100 {
        let (image, _) = decode(&jpeg[..jpeg.len() - missing]).expect("an image");
        let kept = |image: &RgbaImage| image.as_raw()[..4 * 160 * 120].to_vec();
        assert!(kept(&image) == kept(&whole), "{missing}");
    }
    let scan = jpeg.windows(2).position(|two| two == [0xff, 0xda]).expect("a scan");
    for length in [3, 20, scan, scan + 5, scan + 20, jpeg.len() / 2, jpeg.len() * 3 / 4] {
        assert!(decode(&jpeg[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_scan_of_one_component_is_paid_for() {
    let jpeg = photo();
    let scan = jpeg.windows(2).position(|two| two == [0xff, 0xda]).expect("a scan");
    let mut single = jpeg.clone();
    // One component instead of three: the decoder keeps the coefficients until the others come.
    single.splice(scan + 2..scan + 14, [0, 8, 1, 1, 0, 0, 63, 0]);
    let memory = |file: &[u8]| cost(file).expect("an image").memory;
    assert!(memory(&single) > memory(&jpeg) + 160 * 160);
}

#[test]
fn the_orientation_is_found_behind_other_segments_in_either_byte_order() {
    let jpeg = file(flag(64, 32), ImageFormat::Jpeg);
    let little = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    for exif in [exif(6), little.to_vec()] {
        let jpeg = with_segment(&jpeg, 0xe1, &exif);
        let jpeg = with_segment(&jpeg, 0xe1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
        let jpeg = with_segment(&jpeg, 0xed, b"Photoshop 3.0\0");
        assert_eq!(decode(&jpeg).expect("an image").1, Orientation::Rotate90);
    }
}
