//! Reading a picture's file from its beginning, and noting what is kept of it. It knows no format.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::media::section::Section;

/// The most parts of a file that are listed. A file of more is cut off.
pub(super) const PIECES_MAX: usize = 10_000;
/// The longest EXIF block that is read for its orientation, in bytes: as long as one can be in JPEG.
const EXIF_MAX: usize = 65_535;
const BUFFER: usize = 64 * 1024;

/// A part of a file without metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A range of the file that was received.
    Kept(Range<u64>),
    /// Bytes in its place.
    Made(Vec<u8>),
}

/// What was found in a file so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) pieces: Vec<Piece>,
    pub(super) size: Option<(u32, u32)>,
    pub(super) exif: Option<Vec<u8>>,
}

impl Found {
    /// Keeps a range.
    pub(super) fn keep(&mut self, range: Range<u64>) -> io::Result<()> {
        if let Some(Piece::Kept(last)) = self.pieces.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
            return Ok(());
        }
        if self.pieces.len() >= PIECES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.pieces.push(Piece::Kept(range));
        Ok(())
    }
}

/// Reads a file from its beginning, and remembers what is kept of it.
pub(super) struct PictureReader {
    pub(super) source: BufReader<Section>,
    /// Where the next read begins.
    pub(super) at: u64,
    length: u64,
    pub(super) found: Found,
}

impl PictureReader {
    pub(super) fn new(file: Section) -> Self {
        let length = file.len();
        Self {
            source: BufReader::with_capacity(BUFFER, file),
            at: 0,
            length,
            found: Found::default(),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Bytes of an EXIF block. One that is too long is skipped.
    pub(super) fn exif(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|length| *length <= EXIF_MAX);
        let mut bytes = vec![0; length.unwrap_or_default()];
        self.source.read_exact(&mut bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }

    pub(super) fn go_to(&mut self, at: u64) -> io::Result<()> {
        match at.checked_sub(self.at).and_then(|ahead| i64::try_from(ahead).ok()) {
            Some(ahead) => self.source.seek_relative(ahead)?,
            None => {
                self.source.seek(SeekFrom::Start(at))?;
            }
        }
        self.at = at;
        Ok(())
    }

    /// Keeps what was read since `from`, and the next bytes up to `end`, fewer at the end of the file.
    pub(super) fn keep_to(&mut self, from: u64, end: u64) -> io::Result<()> {
        let end = end.min(self.length);
        self.go_to(end)?;
        self.found.keep(from..end)
    }
}
