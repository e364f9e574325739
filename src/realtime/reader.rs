//! The receiving half of RFC 6455: from bytes to messages. Does no I/O: the bytes are passed in. Holds no memory while
//! it waits for the first byte of a message.

use std::io::Cursor;

use bytes::{Buf, BytesMut};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::close::Close;
use super::flood::{FrameLimiter, FrameVerdict};

/// Longest payload of a control frame, in bytes (RFC 6455, 5.5).
const CONTROL_MAX: usize = 125;

/// Reads the messages of one peer.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// Received, and not read yet.
    input: BytesMut,
    /// The header of a frame whose payload is incomplete, with the payload's length.
    header: Option<(FrameHeader, usize)>,
    /// The fragments of an incomplete message.
    fragments: Option<Fragments>,
    message_max: usize,
    /// Limits the peer's frames. The socket's loop counts the last frame of each message; all others are counted here,
    /// because an endless message never reaches the loop.
    pub(super) limiter: FrameLimiter,
}

#[derive(Debug)]
struct Fragments {
    kind: Data,
    bytes: BytesMut,
    /// How much of a text was checked.
    checked: usize,
}

impl FrameReader {
    pub(super) fn new(message_max: usize, limiter: FrameLimiter) -> Self {
        Self { input: BytesMut::new(), header: None, fragments: None, message_max, limiter }
    }

    /// Adds bytes that were received.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next complete message, if there is one. After an error nothing more can be read.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Close> {
        while let Some((header, payload)) = self.next_frame()? {
            if let Some(message) = self.on_frame(&header, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn next_frame(&mut self) -> Result<Option<(FrameHeader, BytesMut)>, Close> {
        if self.header.is_none() {
            self.header = self.next_header()?;
        }
        match self.header.take() {
            Some((header, length)) if length <= self.input.len() => {
                let mut payload = self.input.split_to(length);
                if self.input.is_empty() {
                    // Releases the memory together with the payload.
                    self.input = BytesMut::new();
                }
                unmask(&mut payload, header.mask.unwrap_or_default());
                Ok(Some((header, payload)))
            }
            incomplete => {
                self.header = incomplete;
                Ok(None)
            }
        }
    }

    fn next_header(&mut self) -> Result<Option<(FrameHeader, usize)>, Close> {
        let mut cursor = Cursor::new(&self.input[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Close::Protocol)?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let parsed = usize::try_from(cursor.position()).map_err(|_| Close::TooBig)?;
        self.input.advance(parsed);
        let length = usize::try_from(length).map_err(|_| Close::TooBig)?;
        if length > self.message_max {
            return Err(Close::TooBig);
        }
        let is_control = matches!(header.opcode, OpCode::Control(_));
        let is_reserved = header.rsv1 || header.rsv2 || header.rsv3;
        if is_reserved
            || header.mask.is_none()
            || is_control && (!header.is_final || length > CONTROL_MAX)
        {
            return Err(Close::Protocol);
        }
        if !header.is_final && self.limiter.count(Instant::now()) == FrameVerdict::Close {
            return Err(Close::Throttled);
        }
        Ok(Some((header, length)))
    }

    fn on_frame(
        &mut self,
        header: &FrameHeader,
        payload: BytesMut,
    ) -> Result<Option<Message>, Close> {
        let mut message = match (header.opcode, self.fragments.take()) {
            (OpCode::Control(control), fragments) => {
                self.fragments = fragments;
                return control_message(control, payload).map(Some);
            }
            (OpCode::Data(Data::Continue), Some(mut message)) => {
                if message.bytes.len() + payload.len() > self.message_max {
                    return Err(Close::TooBig);
                }
                message.bytes.extend_from_slice(&payload);
                message
            }
            (OpCode::Data(kind), None) if kind != Data::Continue => {
                Fragments { kind, bytes: payload, checked: 0 }
            }
            (OpCode::Data(_), _) => return Err(Close::Protocol),
        };
        if header.is_final {
            return message.complete().map(Some);
        }
        message.check()?;
        self.fragments = Some(message);
        Ok(None)
    }
}

impl Fragments {
    /// Refuses a text as soon as it cannot become UTF-8 any more.
    fn check(&mut self) -> Result<(), Close> {
        if self.kind != Data::Text {
            return Ok(());
        }
        match str::from_utf8(&self.bytes[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            // A character is incomplete.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Close::NotUtf8),
        }
        Ok(())
    }

    fn complete(self) -> Result<Message, Close> {
        Ok(match self.kind {
            Data::Text => Message::Text(text(self.bytes)?),
            _ => Message::Binary(self.bytes.freeze()),
        })
    }
}

fn control_message(control: Control, payload: BytesMut) -> Result<Message, Close> {
    Ok(match control {
        Control::Ping => Message::Ping(payload.freeze()),
        Control::Pong => Message::Pong(payload.freeze()),
        Control::Close => Message::Close(close_frame(payload)?),
        Control::Reserved(_) => return Err(Close::Protocol),
    })
}

/// A close frame's content (RFC 6455, 5.5.1). A code that must not be sent counts as a protocol error.
fn close_frame(mut payload: BytesMut) -> Result<Option<CloseFrame>, Close> {
    if payload.is_empty() {
        return Ok(None);
    }
    let code = payload.try_get_u16().map_err(|_| Close::Protocol)?;
    let (code, reason) = (CloseCode::from(code), text(payload)?);
    Ok(Some(match code.is_allowed() {
        true => CloseFrame { code, reason },
        false => {
            CloseFrame { code: CloseCode::Protocol, reason: "a code that must not be sent".into() }
        }
    }))
}

fn text(bytes: BytesMut) -> Result<Utf8Bytes, Close> {
    Utf8Bytes::try_from(bytes).map_err(|_| Close::NotUtf8)
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    // The compiler makes wide instructions of this.
    let mut words = payload.chunks_exact_mut(mask.len());
    for word in &mut words {
        word.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    words.into_remainder().iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use crate::domain::rate::Rate;

    use super::*;

    fn reader(rate: Option<&str>) -> FrameReader {
        let rate = rate.map(|rate| Rate::parse(rate).expect("a rate"));
        FrameReader::new(1_000, FrameLimiter::new(rate, Instant::now()))
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut bytes = vec![first];
        match u8::try_from(payload.len()) {
            Ok(length @ ..126) => bytes.push(0x80 | length),
            _ => {
                bytes.push(0xfe);
                bytes.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
            }
        }
        bytes.extend(mask);
        let at = bytes.len();
        bytes.extend(payload);
        unmask(&mut bytes[at..], mask);
        bytes
    }

    /// A message in four fragments, of which one is empty and two share a character, with a ping in between.
    fn fragments() -> Vec<u8> {
        let long = "x".repeat(300);
        let (cat, rest) = "🐈".as_bytes().split_at(3);
        let parts =
            [(0x01, cat), (0x00, b""), (0x89, b"ping"), (0x00, rest), (0x80, long.as_bytes())];
        parts.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
    }

    #[test]
    fn a_message_is_the_same_whatever_the_pieces_in_which_it_arrives() {
        let bytes = fragments();
        for size in 1..=bytes.len() {
            let mut reader = reader(None);
            let mut messages = Vec::new();
            for piece in bytes.chunks(size) {
                reader.push(piece);
                while let Some(message) = reader.next().expect("valid") {
                    messages.push(message);
                }
            }
            let text = Message::text(format!("🐈{}", "x".repeat(300)));
            assert_eq!(messages, [Message::Ping("ping".into()), text], "pieces of {size}");
            assert_eq!(reader.input.capacity(), 0, "nothing is kept while nothing arrives");
        }
    }

    #[test]
    fn what_the_rfc_forbids_is_refused() {
        let mut unmasked = frame(0x81, b"");
        unmasked[1] = 0;
        for (bytes, close) in [
            (frame(0xc1, b""), Close::Protocol),
            (frame(0x83, b""), Close::Protocol),
            (frame(0x80, b"continues nothing"), Close::Protocol),
            ([frame(0x01, b"meow"), frame(0x81, b"anew")].concat(), Close::Protocol),
            (frame(0x09, b"a fragmented ping"), Close::Protocol),
            (frame(0x89, &[0; 126]), Close::Protocol),
            (frame(0x88, b"x"), Close::Protocol),
            (unmasked, Close::Protocol),
            (frame(0x81, &[0xff]), Close::NotUtf8),
            (frame(0x01, &[0xff]), Close::NotUtf8),
            ([frame(0x01, "🐈".as_bytes()), frame(0x00, &[0xf0, 0x20])].concat(), Close::NotUtf8),
            (frame(0x88, &[0x03, 0xe8, 0xff]), Close::NotUtf8),
            (frame(0x81, &[0; 1_001])[..8].to_vec(), Close::TooBig),
            ([frame(0x01, &[0; 600]), frame(0x80, &[0; 600])].concat(), Close::TooBig),
        ] {
            let mut reader = reader(None);
            reader.push(&bytes);
            assert_eq!(reader.next(), Err(close), "{bytes:?}");
        }
    }

    #[test]
    fn fragments_count_before_their_message_is_complete() {
        let mut reader = reader(Some("2/second"));
        reader.push(&frame(0x01, b""));
        let mut read = reader.next();
        for _ in 0..20 {
            reader.push(&frame(0x00, b""));
            read = read.and_then(|_| reader.next());
        }
        assert_eq!(read, Err(Close::Throttled));
    }
}
