//! What becomes of a received file: its type, what of it is stored, and how large a picture it is.

use std::io;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, iter, once};

use crate::domain::error::Result;

use super::limits::PIXELS_MAX;
use super::metadata::{Piece, Stripped, strip};
use super::section::{Section, chunks};
use super::sniff;

/// A received file, ready to be stored.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The media type.
    pub content_type: &'static str,
    /// Width and height of an upright picture, in pixels; `None` also if it has too many.
    pub size: Option<(u32, u32)>,
    file: Section,
    pieces: Vec<Piece>,
}

/// Inspects a file. Blocks.
pub fn inspect(file: Section) -> io::Result<Inspected> {
    let content_type = sniff::content_type(&file)?;
    let Stripped { pieces, size } = match strip(&file, content_type)? {
        Some(stripped) => stripped,
        None => Stripped { pieces: vec![Piece::Kept(0..file.len())], size: None },
    };
    let is_fine = |(width, height): &(u32, u32)| {
        (1..=PIXELS_MAX).contains(&(u64::from(*width) * u64::from(*height)))
    };
    Ok(Inspected { content_type, size: size.filter(is_fine), file, pieces })
}

impl Inspected {
    /// How long what is stored is, in bytes.
    pub fn stored_len(&self) -> u64 {
        let length = |piece: &Piece| match piece {
            Piece::Kept(range) => range.end - range.start,
            Piece::Made(bytes) => bytes.len() as u64,
        };
        self.pieces.iter().map(length).sum()
    }

    /// What is stored.
    pub fn content(&self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let file = self.file.clone();
        iter(self.pieces.clone()).flat_map(move |piece| match piece {
            Piece::Kept(range) => chunks(file.part(range)).boxed(),
            Piece::Made(bytes) => once(async { Ok(bytes.into()) }).boxed(),
        })
    }
}
