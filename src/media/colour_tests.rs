//! Images with colour profiles keep their colours.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, GrayImage, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage};
use moxcms::ColorProfile;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Colours, IccProfile, PROFILE_MAX, print_row};
use crate::media::decode::decode;
use crate::media::samples::{file, red_in_cmyk, with_segment};

/// sRGB's red as Display P3 has it.
const RED_IN_P3: [u8; 3] = [234, 51, 35];
const RED: [u8; 3] = [255, 0, 0];

fn icc(profile: &ColorProfile) -> Vec<u8> {
    profile.encode().expect("a profile")
}

fn p3() -> Vec<u8> {
    icc(&ColorProfile::new_display_p3())
}

/// An image with a profile.
fn with_profile(image: impl Into<DynamicImage>, format: ImageFormat, icc: Vec<u8>) -> Vec<u8> {
    fn written<E: ImageEncoder>(mut encoder: E, icc: Vec<u8>, image: &DynamicImage) {
        encoder.set_icc_profile(icc).expect("a format with profiles");
        image.write_with_encoder(encoder).expect("written");
    }
    let (image, mut bytes) = (image.into(), Cursor::new(Vec::new()));
    match format {
        ImageFormat::Png => written(PngEncoder::new(&mut bytes), icc, &image),
        ImageFormat::WebP => written(WebPEncoder::new_lossless(&mut bytes), icc, &image),
        _ => written(JpegEncoder::new_with_quality(&mut bytes, 100), icc, &image),
    }
    bytes.into_inner()
}

fn plain(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(16, 16, Rgb(colour))
}

#[track_caller]
fn assert_colour(file: &[u8], expected: [u8; 3]) {
    let (image, _) = decode(file).expect("an image");
    let found = image[(8, 8)].0;
    let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3);
    assert!(near && found[3] == 255, "{found:?} is not {expected:?}");
}

#[test]
fn wide_colours_are_converted_in_every_format() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
        assert_colour(&with_profile(plain(RED_IN_P3), format, p3()), RED);
        assert_colour(&file(plain(RED_IN_P3), format), RED_IN_P3);
        let same = icc(&ColorProfile::new_srgb());
        assert_colour(&with_profile(plain(RED_IN_P3), format, same), RED_IN_P3);
    }
    // sRGB's green in Adobe RGB, and a grey in ProPhoto, whose gamma is 1.8.
    let adobe = icc(&ColorProfile::new_adobe_rgb());
    assert_colour(&with_profile(plain([144, 255, 60]), ImageFormat::Png, adobe), [0, 255, 0]);
    let prophoto = icc(&ColorProfile::new_pro_photo_rgb());
    assert_colour(&with_profile(plain([128; 3]), ImageFormat::Png, prophoto), [147; 3]);
}

#[test]
fn grey_has_profiles_too() {
    let grey = || GrayImage::from_pixel(16, 16, Luma([128]));
    let linear = icc(&ColorProfile::new_gray_with_gamma(1.0));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        assert_colour(&with_profile(grey(), format, linear.clone()), [188; 3]);
        assert_colour(&with_profile(grey(), format, p3()), [128; 3]);
        assert_colour(&with_profile(plain(RED), format, linear.clone()), RED);
    }
}

/// A printer's profile: any magenta at all makes a middle grey, and paper is white.
fn printer() -> Vec<u8> {
    let identity: Vec<u8> = (0..=255).collect();
    let mut table = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for one in [1, 0, 0, 0, 1, 0, 0, 0, 1_u32] {
        table.extend((one << 16).to_be_bytes());
    }
    table.extend(identity.repeat(4));
    // Lightness, and two colours that are none; magenta is the second of four axes.
    table.extend((0..16).flat_map(|at| [if at & 4 == 0 { 255 } else { 128 }, 128, 128]));
    table.extend(identity.repeat(3));
    let size = |bytes: usize| u32::try_from(bytes).expect("short").to_be_bytes();
    let mut profile = vec![0; 128];
    profile[..4].copy_from_slice(&size(144 + table.len()));
    profile[8] = 2;
    profile[12..24].copy_from_slice(b"prtrCMYKLab ");
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]);
    profile.extend([0, 0, 0, 1]);
    profile.extend(b"A2B0");
    profile.extend([size(144), size(table.len())].concat());
    profile.extend(table);
    profile
}

#[test]
fn colours_of_print_follow_their_profile() {
    let marked = |icc: &[u8]| {
        let segment = [b"ICC_PROFILE\0\x01\x01", icc].concat();
        with_segment(&red_in_cmyk(), 0xe2, &segment)
    };
    assert_colour_at_corner(&marked(&printer()), [119; 3]);
    assert_colour_at_corner(&marked(&p3()), RED);
}

fn assert_colour_at_corner(file: &[u8], expected: [u8; 3]) {
    let (image, _) = decode(file).expect("an image");
    let found = image[(0, 0)].0;
    assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3), "{found:?}");
}

#[test]
fn a_profile_in_several_segments_is_put_together() {
    let profile = p3();
    let (first, second) = profile.split_at(200);
    let jpeg = file(plain(RED_IN_P3), ImageFormat::Jpeg);
    let jpeg = with_segment(&jpeg, 0xe2, &[b"ICC_PROFILE\0\x01\x02", first].concat());
    let jpeg = with_segment(&jpeg, 0xe2, &[b"ICC_PROFILE\0\x02\x02", second].concat());
    assert_colour(&with_segment(&jpeg, 0xe2, b"MPF\0 something else"), RED);
}

#[test]
fn a_broken_profile_is_ignored() {
    let whole = p3();
    for profile in [
        b"meow".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        vec![0; 1_000],
        vec![0; PROFILE_MAX + 1],
        [&whole[..140], &[0xff; 400][..]].concat(),
        printer(),
    ] {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            assert_colour(&with_profile(plain(RED_IN_P3), format, profile.clone()), RED_IN_P3);
        }
    }
}

fn profiles() -> Vec<Vec<u8>> {
    vec![p3(), printer(), icc(&ColorProfile::new_gray_with_gamma(2.2))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn damaged_profiles_are_used_or_ignored(
        icc in select(profiles()),
        damages in vec((any::<Index>(), any::<u8>()), 0..5),
        end in any::<Index>(),
    ) {
        let mut icc = icc;
        for (at, byte) in damages {
            let at = at.index(icc.len());
            icc[at] = byte;
        }
        icc.truncate(end.index(3 * icc.len()));
        for image in [Colours::Grey, Colours::Rgb, Colours::Cmyk] {
            let profile = IccProfile::parse(&icc, image);
            match image {
                Colours::Cmyk => print_row(profile.as_ref(), &[9; 16], &mut [0; 12]),
                _ => drop(profile.map(|profile| profile.convert(&mut image::RgbaImage::new(5, 1)))),
            }
        }
    }
}
