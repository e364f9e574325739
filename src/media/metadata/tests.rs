//! Pictures of each format with everything that must not remain, and files that are damaged.

use std::io::Write;
use std::sync::Arc;

use image::{DynamicImage, ImageFormat};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::picture::PIECES_MAX;
use super::*;
use crate::media::decode;
use crate::media::samples::{crc32, exif, file, flag, webp, with_segment};

/// A place, as the samples' EXIF blocks have it, and other texts that give something away.
const SECRETS: [&[u8]; 3] = [b"52.5200N", b"Canon", b"moov"];

fn section(content: &[u8]) -> Section {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(content).expect("written");
    Section::new(Arc::new(file), 0..content.len() as u64)
}

/// What remains, and its size.
fn stripped(content: &[u8], kind: &str) -> (Vec<u8>, Option<(u32, u32)>) {
    let Stripped { pieces, size } =
        strip(&section(content), kind).expect("read").expect("a picture");
    let bytes = |piece: &Piece| match piece {
        Piece::Kept(range) => content[range.start as usize..range.end as usize].to_vec(),
        Piece::Made(bytes) => bytes.clone(),
    };
    (pieces.iter().flat_map(bytes).collect(), size)
}

/// The same pixels, turned as before, and nothing else.
#[track_caller]
fn check(with: &[u8], kind: &str, size: (u32, u32)) {
    let (rest, found) = stripped(with, kind);
    assert_eq!(found, Some(size));
    for secret in SECRETS {
        assert!(memchr::memmem::find(&rest, secret).is_none(), "{}", secret.escape_ascii());
    }
    let (before, after) = (decode::decode(with), decode::decode(&rest));
    assert!(before.is_ok() && before == after, "it looks different");
    let open = |bytes: &[u8]| image::load_from_memory(bytes).map(DynamicImage::into_rgba8).ok();
    assert_eq!(open(with), open(&rest), "other readers see the same");
    assert_eq!(stripped(&rest, kind).0, rest, "there is nothing more to remove");
}

fn jpeg(orientation: u8) -> Vec<u8> {
    let jpeg = file(flag(64, 32), ImageFormat::Jpeg);
    let jpeg = with_segment(&jpeg, 0xe1, &exif(orientation));
    let jpeg = with_segment(&jpeg, 0xe1, b"http://ns.adobe.com/xap/1.0/\0<x>Canon</x>");
    let jpeg = with_segment(&jpeg, 0xe2, b"MPF\0Canon");
    let jpeg = with_segment(&jpeg, 0xed, b"Photoshop 3.0\0Canon");
    let jpeg = with_segment(&jpeg, 0xfe, b"Canon");
    // The video of a moving photo.
    [jpeg, b"\0\0\0\x18ftypmp42moov".to_vec()].concat()
}

fn png_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [&name[..], content].concat();
    let length = u32::try_from(content.len()).expect("short").to_be_bytes();
    [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
}

fn png(orientation: u8) -> Vec<u8> {
    let png = file(flag(64, 32), ImageFormat::Png);
    let tail = png.len() - 12;
    [
        &png[..33],
        &png_chunk(b"tEXt", b"Make\0Canon"),
        &png_chunk(b"cicp", b"Canon"),
        &png[33..tail],
        &png_chunk(b"eXIf", exif(orientation).strip_prefix(b"Exif\0\0").expect("EXIF")),
        &png[tail..],
        b"moov",
    ]
    .concat()
}

fn webp_with(orientation: u8) -> Vec<u8> {
    let plain = file(flag(64, 32), ImageFormat::WebP);
    let data = &plain[20..];
    let header = [0x0c, 0, 0, 0, 63, 0, 0, 31, 0, 0];
    webp(&[
        (b"VP8X", &header),
        (b"XMP ", b"Canon"),
        (b"VP8L", data),
        (b"EXIF", &exif(orientation)),
        (b"moov", b"x"),
    ])
}

#[test]
fn what_gives_something_away_is_gone_and_the_picture_is_the_same() {
    check(&jpeg(1), "image/jpeg", (64, 32));
    check(&jpeg(6), "image/jpeg", (32, 64));
    check(&png(1), "image/png", (64, 32));
    check(&png(8), "image/png", (32, 64));
    check(&webp_with(1), "image/webp", (64, 32));
    check(&webp_with(6), "image/webp", (32, 64));
}

#[test]
fn a_picture_without_metadata_stays_as_it_is() {
    for (format, kind) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Gif, "image/gif"),
    ] {
        let plain = file(flag(64, 32), format);
        assert_eq!(stripped(&plain, kind), (plain, Some((64, 32))), "{kind}");
    }
}

#[test]
fn a_file_that_breaks_off_shows_what_there_is() {
    let whole = jpeg(6);
    let (rest, size) = stripped(&whole[..whole.len() - 60], "image/jpeg");
    assert_eq!(size, Some((32, 64)));
    assert!(rest.starts_with(b"\xff\xd8") && rest.len() > 100);
    let many =
        png_chunk(b"IDAT", b"").into_iter().chain(png_chunk(b"tEXt", b"")).collect::<Vec<_>>();
    let picture = file(flag(2, 2), ImageFormat::Png);
    let many = [&picture[..33], &many.repeat(PIECES_MAX + 9)].concat();
    let (rest, _) = stripped(&many, "image/png");
    assert!(rest.len() <= 33 + 12 * PIECES_MAX, "{}", rest.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_never_panics_and_keeps_no_place(
        which in select(&["image/jpeg", "image/png", "image/webp"][..]),
        damages in vec((any::<Index>(), any::<u8>()), 0..4),
        end in any::<Index>(),
    ) {
        let mut content = match which {
            "image/jpeg" => jpeg(6),
            "image/png" => png(6),
            _ => webp_with(6),
        };
        content.truncate(end.index(2 * content.len()));
        for (at, byte) in damages {
            if !content.is_empty() {
                let at = at.index(content.len());
                content[at] = byte;
            }
        }
        let (rest, _) = stripped(&content, which);
        prop_assert!(rest.len() <= content.len() + 100);
    }
}
