//! A WebSocket at the least cost: frames are found in one shared buffer and not copied, and what is sent
//! is masked with zeros. Ten thousand of these share one thread with the rest of the load generator.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;

use memchr::memmem;
use tokio::net::TcpStream;

use crate::Result;
use crate::http::write_all;

thread_local! {
    /// What was read last, by whichever socket.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open socket.
pub struct RawSocket {
    stream: Rc<TcpStream>,
    /// The beginning of a frame whose end has not arrived.
    rest: Vec<u8>,
}

/// The sending half of a socket.
pub struct Writer(Rc<TcpStream>);

impl Writer {
    /// Sends texts, all with one write.
    pub async fn send<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result {
        let mut bytes = Vec::new();
        for text in texts {
            frame(TEXT, text.as_bytes(), &mut bytes);
        }
        self.send_bytes(&bytes).await
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&self, bytes: &[u8]) -> Result {
        write_all(&self.0, bytes).await
    }
}

impl RawSocket {
    /// Opens a socket, and waits for `ready`, the first frame, which is returned.
    pub async fn open(address: SocketAddr, token: &str) -> Result<(Self, String)> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        write_all(&stream, &upgrade(token)).await?;
        let mut socket = Self { stream: Rc::new(stream), rest: Vec::new() };
        socket.upgraded().await?;
        // Events may have arrived with it.
        let keep_first = |ready: &mut Option<String>, frame: &[u8]| {
            ready.get_or_insert_with(|| text(frame));
        };
        let mut ready = None;
        // It may have arrived with the answer to the upgrade.
        socket.take_rest(&mut |frame| keep_first(&mut ready, frame))?;
        while ready.is_none() {
            socket.read(|frame| keep_first(&mut ready, frame)).await?;
        }
        let ready = ready.ok_or("no first frame")?;
        match ready.starts_with(r#"{"type":"ready""#) {
            true => Ok((socket, ready)),
            false => Err(format!("not ready, but {ready}").into()),
        }
    }

    /// A connection without a handshake, whose peer sends frames nevertheless.
    pub async fn bare(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Rc::new(stream), rest: Vec::new() })
    }

    /// What sends to it, while something else reads.
    pub fn writer(&self) -> Writer {
        Writer(Rc::clone(&self.stream))
    }

    /// Waits until something arrives, and calls `on` with each text.
    pub async fn read(&mut self, mut on: impl FnMut(&[u8])) -> Result {
        loop {
            self.stream.readable().await?;
            if SCRATCH.with_borrow_mut(|scratch| self.take(scratch, &mut on))? {
                return Ok(());
            }
        }
    }

    /// Whether there was something to read.
    fn take(&mut self, scratch: &mut [u8], on: &mut impl FnMut(&[u8])) -> Result<bool> {
        let count = match self.stream.try_read(scratch) {
            Ok(0) => return Err("the server closed a socket".into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let bytes = &scratch[..count];
        if self.rest.is_empty() {
            let used = frames(bytes, &self.stream, on)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            self.take_rest(on)?;
        }
        Ok(true)
    }

    /// The frames in what was kept.
    fn take_rest(&mut self, on: &mut impl FnMut(&[u8])) -> Result {
        let used = frames(&self.rest, &self.stream, on)?;
        self.rest.drain(..used);
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        Ok(())
    }

    /// Waits for the answer to the upgrade; what follows it is kept.
    async fn upgraded(&mut self) -> Result {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read_buf(&mut self.rest) {
                Ok(0) => return Err("the server closed a socket".into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(end) = memmem::find(&self.rest, b"\r\n\r\n") {
                if !self.rest.starts_with(b"HTTP/1.1 101") {
                    return Err(text(&self.rest).into());
                }
                self.rest.drain(..end + 4);
                return Ok(());
            }
        }
    }
}

/// The request that opens a socket.
pub fn upgrade(token: &str) -> Vec<u8> {
    format!(
        "GET /ws/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// Appends a frame, masked with zeros, which leave the payload as it is.
pub fn frame(opcode: u8, payload: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
}

/// Calls `on` with each whole text, and answers pings. Returns how many bytes that were.
pub fn frames(bytes: &[u8], stream: &TcpStream, on: &mut impl FnMut(&[u8])) -> Result<usize> {
    let mut used = 0;
    while let Some((opcode, payload, length)) = first_frame(&bytes[used..]) {
        match opcode {
            TEXT => on(payload),
            CLOSE => return Err(format!("closed: {}", text(payload)).into()),
            PING => {
                let mut pong = Vec::new();
                frame(PONG, payload, &mut pong);
                // A pong is small: it fits into an empty send buffer, or the next one will.
                stream.try_write(&pong).ok();
            }
            _ => {}
        }
        used += length;
    }
    Ok(used)
}

/// The first frame's opcode, payload and length, if it has arrived as a whole. A server does not mask.
pub fn first_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, start) = match second & 0x7f {
        126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize, 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        short => (short as usize, 2),
    };
    Some((first & 0x0f, bytes.get(start..start + length)?, start + length))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
