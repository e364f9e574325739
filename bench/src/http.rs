//! HTTP/1.1 at the least cost: one connection that is kept, requests that are ready as bytes, and answers
//! of which only the status is read. The load generator shares the machine with what it measures.

use std::io::ErrorKind;
use std::net::SocketAddr;

use memchr::memmem;
use tokio::net::TcpStream;

use crate::Result;

/// A connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Where an answer's body is.
enum Body {
    Length(usize),
    Chunked,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for the whole answer. Returns its body, without decoding chunks. A status
    /// other than 2xx is an error.
    pub async fn call(&mut self, request: &[u8]) -> Result<&[u8]> {
        write_all(&self.stream, request).await?;
        self.buffer.clear();
        loop {
            self.stream.readable().await?;
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(start) = self.whole()? {
                return Ok(&self.buffer[start..]);
            }
        }
    }

    /// Where the body starts, if the answer has arrived as a whole.
    fn whole(&self) -> Result<Option<usize>> {
        let mut headers = [httparse::EMPTY_HEADER; 48];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(start) = response.parse(&self.buffer)? else {
            return Ok(None);
        };
        let body = match response.code {
            Some(204) => Body::Length(0),
            _ => body(response.headers)?,
        };
        let rest = &self.buffer[start..];
        let whole = match body {
            Body::Length(length) => rest.len() >= length,
            Body::Chunked => rest.ends_with(b"0\r\n\r\n"),
        };
        if !whole {
            return Ok(None);
        }
        match response.code {
            Some(200..=299) => Ok(Some(start)),
            code => Err(format!("{code:?}: {}", String::from_utf8_lossy(rest)).into()),
        }
    }
}

fn body(headers: &[httparse::Header<'_>]) -> Result<Body> {
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            return Ok(Body::Length(std::str::from_utf8(header.value)?.trim().parse()?));
        }
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Body::Chunked);
        }
    }
    Err("an answer whose length is not known".into())
}

/// Writes all bytes to a socket.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A GET request with a token.
pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// A POST request with a token and a JSON body.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Whether a text contains another; both as bytes.
pub fn contains(text: &[u8], wanted: &str) -> bool {
    memmem::find(text, wanted.as_bytes()).is_some()
}
