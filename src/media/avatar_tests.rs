//! Images of every format, and files that only claim to be images.

use image::codecs::gif::GifEncoder;
use image::{Frame, GrayImage, ImageReader, Rgb, Rgba, RgbaImage};

use super::*;
use crate::media::decode;
use crate::media::encoder::small;
use crate::media::limits::{NOT_AN_IMAGE, TOO_MANY_PIXELS};
use crate::media::samples::{BLUE, RED, crc32, exif, file, flag, red_in_cmyk, webp, with_segment};

fn read(file: &[u8]) -> Decoded<Avatar> {
    small(file).map(|image| encode(&image).expect("encoded"))
}

fn kept(file: &[u8]) -> DynamicImage {
    let image = read(file).expect("an image");
    let format = ImageReader::new(Cursor::new(&image.bytes)).with_guessed_format().expect("read");
    let expected = match image.format {
        AvatarFormat::Jpeg => ImageFormat::Jpeg,
        AvatarFormat::Png => ImageFormat::Png,
    };
    assert_eq!(format.format(), Some(expected));
    image::load_from_memory(&image.bytes).expect("decoded")
}

/// Whether a point is nearly of a colour: JPEG is not exact.
fn is(image: &DynamicImage, (x, y): (u32, u32), colour: Rgb<u8>) -> bool {
    let found = image.to_rgb8()[(x, y)];
    found.0.iter().zip(colour.0).all(|(a, b)| a.abs_diff(b) < 40)
}

#[test]
fn every_format_is_read_by_content() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif] {
        let image = kept(&file(flag(64, 32), format));
        assert_eq!((image.width(), image.height()), (64, 32), "{format:?}: not enlarged");
        assert!(is(&image, (8, 8), RED) && is(&image, (56, 8), BLUE), "{format:?}");
    }
}

#[test]
fn a_large_image_is_made_small_and_keeps_its_proportions() {
    for (width, height, expected) in
        [(2_000, 1_000, (512, 256)), (700, 1_400, (256, 512)), (5_000, 2, (512, 1))]
    {
        let image = kept(&file(flag(width, height), ImageFormat::Png));
        assert_eq!((image.width(), image.height()), expected);
    }
}

#[test]
fn an_image_is_turned_upright_and_its_metadata_is_gone() {
    let jpeg = with_segment(&file(flag(64, 32), ImageFormat::Jpeg), 0xe1, &exif(6));
    let image = read(&jpeg).expect("an image");
    assert!(!image.bytes.windows(5).any(|part| part == b"Exif\0" || part == b"13.40"));
    // 6: to be turned a quarter to the right.
    let image = kept(&jpeg);
    assert_eq!((image.width(), image.height()), (32, 64));
    assert!(is(&image, (16, 8), RED) && is(&image, (16, 56), BLUE));
}

#[test]
fn of_an_animation_the_first_image_is_kept() {
    let mut bytes = Vec::new();
    let frame = |colour: [u8; 4]| Frame::new(RgbaImage::from_pixel(8, 8, Rgba(colour)));
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.encode_frames([frame([250, 10, 10, 255]), frame([10, 10, 250, 255])]).expect("written");
    drop(encoder);
    assert!(is(&kept(&bytes), (4, 4), RED));
}

#[test]
fn every_kind_of_colour_is_read() {
    let deep = DynamicImage::from(flag(16, 8)).into_rgb16();
    assert!(is(&kept(&file(deep, ImageFormat::Png)), (4, 4), RED));
    let gray = GrayImage::from_pixel(8, 8, image::Luma([128]));
    assert!(is(&kept(&file(gray, ImageFormat::Jpeg)), (4, 4), Rgb([128; 3])));

    let clear = RgbaImage::from_pixel(8, 8, Rgba([250, 10, 10, 100]));
    let image = kept(&file(clear, ImageFormat::Png));
    assert_eq!(image.to_rgba8()[(4, 4)], Rgba([250, 10, 10, 100]), "transparency is kept");
    let opaque = RgbaImage::from_pixel(8, 8, Rgba([250, 10, 10, 255]));
    assert_eq!(read(&file(opaque, ImageFormat::Png)).expect("read").format, AvatarFormat::Jpeg);

    assert!(is(&kept(&red_in_cmyk()), (4, 4), RED));

    let mut palette = Vec::new();
    let clear = RgbaImage::from_pixel(4, 4, Rgba([0, 0, 0, 0]));
    GifEncoder::new(&mut palette).encode_frames([Frame::new(clear)]).expect("written");
    assert_eq!(read(&palette).expect("read").format, AvatarFormat::Png);
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let mut png = file(flag(2, 2), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(read(&png).expect_err("refused"), TOO_MANY_PIXELS);

    let mut gif = file(flag(2, 2), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    assert_eq!(read(&gif).expect_err("refused"), TOO_MANY_PIXELS);
}

#[test]
fn what_is_no_image_is_told_in_djangos_words() {
    let whole = file(flag(64, 64), ImageFormat::Png);
    let mut truncated = whole.clone();
    truncated.truncate(whole.len() / 2);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let html = b"<!doctype html><script>alert(1)</script>".to_vec();
    let bitmap = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0".to_vec();
    for file in [truncated, whole[..20].to_vec(), svg, html, bitmap, b"x".to_vec()] {
        assert_eq!(read(&file).expect_err("refused"), NOT_AN_IMAGE);
    }
    // One with another's end within, which is not its own.
    let jpeg = with_segment(&file(flag(64, 64), ImageFormat::Jpeg), 0xe1, b"Exif\0\0\xff\xd9");
    for length in [3, 20, jpeg.len() / 2] {
        assert_eq!(read(&jpeg[..length]).expect_err("refused"), NOT_AN_IMAGE, "{length}");
    }
    assert!(read(&[&jpeg, &b"behind"[..]].concat()).is_ok());
}

#[test]
fn a_webp_is_turned_and_of_its_animation_the_first_image_is_in_its_place() {
    let plain = file(flag(64, 32), ImageFormat::WebP);
    let frame = &plain[20..];
    let header = [8, 0, 0, 0, 63, 0, 0, 31, 0, 0];
    for exif in [&exif(6)[6..], &exif(6)] {
        let image = kept(&webp(&[(b"VP8X", &header), (b"VP8L", frame), (b"EXIF", exif)]));
        assert_eq!((image.width(), image.height()), (32, 64));
    }
    // A canvas of 256 by 128, and a frame at (64, 32).
    let header = [0x12, 0, 0, 0, 255, 0, 0, 127, 0, 0];
    let place = [32, 0, 0, 16, 0, 0, 63, 0, 0, 31, 0, 0, 100, 0, 0, 0];
    let size = u32::try_from(frame.len()).expect("short").to_le_bytes();
    let still = [&place, &b"VP8L"[..], &size, frame].concat();
    let image = kept(&webp(&[(b"VP8X", &header), (b"ANIM", &[0; 6]), (b"ANMF", &still)]));
    assert_eq!((image.width(), image.height()), (256, 128));
    assert!(is(&image, (70, 40), RED) && is(&image, (120, 60), BLUE));
    assert_eq!(image.to_rgba8()[(10, 10)][3], 0);
}

/// A PNG as deep as there are, of nothing, with a colour profile of nothing.
fn deep_png(width: u32, height: u32, profile: usize) -> Vec<u8> {
    let mut info = png::Info::with_size(width, height);
    (info.bit_depth, info.color_type) = (png::BitDepth::Sixteen, png::ColorType::Rgba);
    info.icc_profile = (profile > 0).then(|| vec![0; profile].into());
    let mut bytes = Vec::new();
    let encoder = png::Encoder::with_info(&mut bytes, info).expect("a header");
    let mut writer = encoder.write_header().expect("written");
    writer.write_image_data(&vec![0; (8 * width * height) as usize]).expect("written");
    writer.finish().expect("written");
    bytes
}

#[test]
fn what_an_image_costs_is_bounded_and_known_before() {
    let mib = |file: &[u8]| decode::cost(file).expect("an image").memory >> 20;
    assert!(mib(&deep_png(7_000, 40, 0)) <= 50);
    let bomb = deep_png(64, 64, 100 << 20);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    assert!(mib(&bomb) <= 50);
    assert_eq!(kept(&bomb).width(), 64);

    // Half a sample of each colour for a sample of brightness, or all of them.
    let jpeg = file(flag(4_000, 2_000), ImageFormat::Jpeg);
    assert!((70..82).contains(&mib(&jpeg)), "{}", mib(&jpeg));
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).expect("a frame");
    let mut progressive = jpeg.clone();
    progressive[frame + 1] = 0xc2;
    assert!((90..125).contains(&mib(&progressive)), "{}", mib(&progressive));

    // A small file that has the whole image gone through again and again.
    let scan = jpeg.windows(2).rposition(|two| two == [0xff, 0xda]).expect("a scan");
    let scans = [&jpeg[..jpeg.len() - 2], &jpeg[scan..scan + 14].repeat(1_000), &[0xff, 0xd9]];
    assert_eq!(decode::cost(&scans.concat()), Err(NOT_AN_IMAGE));
}

#[test]
fn a_png_in_passes_is_read() {
    // No encoder here makes one. Of two by two pixels the passes are the first, the second, and the
    // second row; each row begins with its filter, 0. As one row of grey these are ten bytes.
    let row = [10, 200, 0, 20, 200, 0, 30, 200, 40, 200];
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 10, 1);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().expect("written");
    writer.write_image_data(&row).expect("written");
    writer.finish().expect("written");
    png[16..29].copy_from_slice(&[0, 0, 0, 2, 0, 0, 0, 2, 8, 4, 0, 0, 1]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let grey: Vec<_> = kept(&png).to_rgba8().pixels().map(|pixel| (pixel[0], pixel[3])).collect();
    assert_eq!(grey, [(10, 200), (20, 200), (30, 200), (40, 200)]);
}

#[test]
fn what_hides_behind_an_image_is_gone() {
    let mut polyglot = file(flag(8, 8), ImageFormat::Png);
    polyglot.extend(b"<script>alert(1)</script>");
    let image = read(&polyglot).expect("an image");
    assert!(!image.bytes.windows(6).any(|part| part == b"script"));
}

#[test]
fn a_png_is_turned_by_metadata_before_or_after_the_image() {
    let png = file(flag(64, 32), ImageFormat::Png);
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        let named = [&name[..], content].concat();
        [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
    };
    for block in [&exif(6)[6..], &exif(6)] {
        let metadata = chunk(b"eXIf", block);
        for at in [33, png.len() - 12] {
            let image = kept(&[&png[..at], &metadata, &png[at..]].concat());
            assert_eq!((image.width(), image.height()), (32, 64));
        }
    }
}
