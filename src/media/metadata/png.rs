//! The chunks of a PNG file (PNG, third edition, 5). Kept are those that the picture or the animation needs.

use std::io;

use super::picture::{PictureReader, Piece};

const SIGNATURE: u64 = 8;
/// The ancillary chunks that change how a picture is shown. The names of all others begin with a capital.
const KEPT: [&[u8; 4]; 16] = [
    b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD",
    b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];

pub(super) fn strip(file: &mut PictureReader) -> io::Result<()> {
    file.array::<{ SIGNATURE as usize }>()?;
    file.found.keep(0..SIGNATURE)?;
    loop {
        let from = file.at;
        let length = u64::from(u32::from_be_bytes(file.array()?));
        let name = file.array::<4>()?;
        // The checksum follows.
        let end = from + 12 + length;
        match &name {
            b"IHDR" => {
                let (width, height) = (file.array()?, file.array()?);
                file.found.size = Some((u32::from_be_bytes(width), u32::from_be_bytes(height)));
                file.keep_to(from, end)?;
            }
            b"IEND" => return file.keep_to(from, end),
            b"eXIf" => {
                file.found.exif = Some(file.exif(length)?);
                file.go_to(end)?;
            }
            _ if name[0].is_ascii_uppercase() || KEPT.contains(&&name) => {
                file.keep_to(from, end)?
            }
            _ => file.go_to(end)?,
        }
    }
}

/// Puts an EXIF chunk behind the header, which always has the same length.
pub(super) fn insert_exif(pieces: &mut Vec<Piece>, exif: Vec<u8>) {
    const HEADER_END: u64 = SIGNATURE + 12 + 13;
    let length = u32::try_from(exif.len()).unwrap_or_default().to_be_bytes();
    let content = [b"eXIf", &exif[..]].concat();
    let chunk = [&length[..], &content, &checksum(&content).to_be_bytes()].concat();
    let Some(Piece::Kept(first)) = pieces.first().cloned() else { return };
    let rest = Piece::Kept(HEADER_END..first.end.max(HEADER_END));
    pieces.splice(0..1, [Piece::Kept(0..HEADER_END), Piece::Made(chunk), rest]);
}

/// CRC-32, as in PNG's annex D, of a few bytes.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}
