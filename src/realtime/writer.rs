//! The sending half of RFC 6455: messages that are still to be written, as one sequence of bytes. Does no I/O. Keeps no
//! copy of a payload: all sockets share that of an event.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// The longest header of a frame that is not masked, in bytes (RFC 6455, 5.2).
const HEADER_MAX: usize = 10;
/// Most slices of one write.
pub(super) const SLICES: usize = 64;
/// Room for frames that is kept while nothing is to be written.
const KEPT: usize = 4;

/// What is to be written, in order.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    frames: VecDeque<Frame>,
    /// How much of the first frame was written, in bytes.
    written: usize,
}

#[derive(Debug)]
struct Frame {
    header: [u8; HEADER_MAX],
    header_length: u8,
    payload: Bytes,
}

impl FrameWriter {
    /// Adds a message.
    pub(super) fn push(&mut self, message: Message) {
        let (opcode, payload) = match message {
            Message::Text(text) => (OpCode::Data(Data::Text), text.into()),
            Message::Binary(bytes) => (OpCode::Data(Data::Binary), bytes),
            Message::Ping(bytes) => (OpCode::Control(Control::Ping), bytes),
            Message::Pong(bytes) => (OpCode::Control(Control::Pong), bytes),
            Message::Close(frame) => (OpCode::Control(Control::Close), close_payload(frame)),
            Message::Frame(frame) => (frame.header().opcode, frame.into_payload()),
        };
        self.frames.push_back(Frame::new(opcode, payload));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Copies everything that is to be written, if the buffer has room for it. To hand the system one short buffer is
    /// cheaper than many slices.
    pub(super) fn copy_to(&self, buffer: &mut ReadBuf<'_>) -> bool {
        self.parts().all(|part| {
            let fits = part.len() <= buffer.remaining();
            buffer.put_slice(if fits { part } else { &[] });
            fits
        })
    }

    /// The next bytes to write. Returns how many slices were set.
    pub(super) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let parts = slices.iter_mut().zip(self.parts());
        parts.map(|(slice, part)| *slice = IoSlice::new(part)).count()
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.written;
        let parts = self.frames.iter().flat_map(|frame| [frame.header(), &frame.payload[..]]);
        parts.filter_map(move |part| {
            let skipped = skip.min(part.len());
            skip -= skipped;
            (skipped < part.len()).then_some(&part[skipped..])
        })
    }

    /// Forgets bytes that were written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(frame) = self.frames.front()
            && frame.length() <= self.written
        {
            self.written -= frame.length();
            self.frames.pop_front();
        }
        if self.frames.is_empty() && self.frames.capacity() > KEPT {
            self.frames = VecDeque::with_capacity(KEPT);
        }
    }

    /// Forgets the frames of which nothing was written.
    pub(super) fn abandon(&mut self) {
        self.frames.truncate(usize::from(self.written > 0));
        self.frames.shrink_to_fit();
    }
}

impl Frame {
    fn new(opcode: OpCode, payload: Bytes) -> Self {
        let (mut header, length) = ([0; HEADER_MAX], payload.len());
        let mut rest = &mut header[..];
        rest.put_u8(0x80 | u8::from(opcode));
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..126), _) => rest.put_u8(length),
            (_, Ok(length)) => {
                rest.put_u8(126);
                rest.put_u16(length);
            }
            _ => {
                rest.put_u8(127);
                rest.put_u64(length as u64);
            }
        }
        let unused = rest.len();
        Self { header, header_length: (HEADER_MAX - unused) as u8, payload }
    }

    fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_length)]
    }

    fn length(&self) -> usize {
        usize::from(self.header_length) + self.payload.len()
    }
}

fn close_payload(frame: Option<CloseFrame>) -> Bytes {
    let Some(CloseFrame { code, reason }) = frame else { return Bytes::new() };
    let mut payload = BytesMut::with_capacity(2 + reason.len());
    payload.put_u16(code.into());
    payload.put_slice(reason.as_bytes());
    payload.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes at most `most` bytes at a time.
    fn written(mut writer: FrameWriter, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !writer.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = writer.fill(&mut slices);
            let bytes = slices[..count].iter().flat_map(|slice| slice.iter().copied());
            let bytes: Vec<u8> = bytes.take(most).collect();
            let mut copy = [0; 600];
            let mut copy = ReadBuf::new(&mut copy);
            if writer.copy_to(&mut copy) {
                assert!(copy.filled().starts_with(&bytes));
            }
            all.extend_from_slice(&bytes);
            writer.advance(bytes.len());
        }
        all
    }

    #[test]
    fn frames_are_written_in_order_whatever_the_system_accepts_at_a_time() {
        let mut expected = vec![0x89, 0, 0x81, 4, b'm', b'e', b'o', b'w', 0x81, 126, 1, 0];
        expected.extend([b'x'; 256]);
        expected.extend([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        expected.extend([b'x'; 65_536]);
        for most in [7, 11, 64, 255, 4_096, 70_000] {
            let mut writer = FrameWriter::default();
            writer.push(Message::Ping(Bytes::new()));
            writer.push(Message::text("meow"));
            writer.push(Message::text("x".repeat(256)));
            writer.push(Message::text("x".repeat(65_536)));
            assert_eq!(written(writer, most), expected, "{most} bytes at a time");
        }
        let mut writer = FrameWriter::default();
        (0..SLICES).for_each(|_| writer.push(Message::text("meow")));
        assert_eq!(written(writer, usize::MAX), b"\x81\x04meow".repeat(SLICES));
    }

    #[test]
    fn an_abandoned_frame_is_finished_if_it_was_begun() {
        for (begun, left) in [(0, 0), (3, 3), (6, 0)] {
            let mut writer = FrameWriter::default();
            writer.push(Message::text("meow"));
            writer.push(Message::text("meow"));
            writer.advance(begun);
            writer.abandon();
            assert_eq!(written(writer, usize::MAX).len(), left, "{begun} bytes were written");
        }
    }
}
