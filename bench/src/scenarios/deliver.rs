//! Two people: one sends at a fixed rate, the other receives. An open loop: latency counts from when a
//! message was due, so a server that falls behind is not spared the messages that wait for it. By threads
//! with blocking sockets, since tokio's timers are a millisecond coarse.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::task::spawn_blocking;

use crate::Result;
use crate::figures::{Done, Figures, Latencies, Meter, latencies};
use crate::load::Pace;
use crate::site::Site;
use crate::world::{SENDERS, World};
use crate::ws::{first_frame, frame, upgrade};

/// Messages a second.
const RATE: u32 = 200;
/// How long the last message may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Messages from the first sender to its reader.
pub async fn run(site: &Site, pace: Pace) -> Result<Figures> {
    let (address, sender) = (site.address, site.world.sender(0));
    let reader = site.world.token(1 + SENDERS);
    let open = move || Ok::<_, crate::Error>((open(address, &sender)?, open(address, &reader)?));
    let (sends, reads) = spawn_blocking(open).await??;
    let drain = sends.try_clone()?;
    // Ends when the socket is shut down.
    thread::spawn(move || std::io::copy(&mut &drain, &mut std::io::sink()));
    let closing = sends.try_clone()?;

    let pass = async |during: Duration| {
        let (mut from, to) = (sends.try_clone()?, reads.try_clone()?);
        let count = (during.as_secs_f64() * f64::from(RATE)) as u32;
        let start = Instant::now() + Duration::from_millis(20);
        let sender = thread::spawn(move || send(&mut from, start, count));
        let times = spawn_blocking(move || receive(to, start, count)).await?;
        sender.join().map_err(|_| "the sender panicked")??;
        times
    };
    pass(pace.warm_up).await?;
    let meter = Meter::of(site)?;
    let times = pass(pace.measured).await?;
    let figures =
        meter.end(Done { operations: times.len(), latencies: Some(times), ..Done::default() });
    closing.shutdown(std::net::Shutdown::Both).ok();
    figures
}

/// When a message is due.
fn due(start: Instant, number: u32) -> Instant {
    start + Duration::from_secs(1) * number / RATE
}

fn send(to: &mut TcpStream, start: Instant, count: u32) -> Result {
    let chat = World::own_chat(0);
    for number in 0..count {
        let text = format!(
            r#"{{"type":"message.send","chat":{chat},"content":"{number}|Meow, as long as people write."}}"#
        );
        let mut bytes = Vec::new();
        frame(1, text.as_bytes(), &mut bytes);
        thread::sleep(due(start, number).saturating_duration_since(Instant::now()));
        to.write_all(&bytes)?;
    }
    Ok(())
}

fn receive(mut from: TcpStream, start: Instant, count: u32) -> Result<Latencies> {
    let mut times = latencies()?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    from.set_read_timeout(Some(DEADLINE))?;
    while times.len() < u64::from(count) {
        let read = from.read(&mut chunk)?;
        let now = Instant::now();
        bytes.extend_from_slice(&chunk[..read]);
        let mut used = 0;
        while let Some((_, text, length)) = first_frame(&bytes[used..]) {
            used += length;
            if let Some(number) = number_of(text) {
                let took = now.saturating_duration_since(due(start, number));
                times.saturating_record(took.as_micros() as u64);
            }
        }
        bytes.drain(..used);
        if read == 0 {
            return Err("the server closed a socket".into());
        }
    }
    Ok(times)
}

/// The number that the content of a new message begins with.
fn number_of(text: &[u8]) -> Option<u32> {
    let rest = text.strip_prefix(br#"{"type":"message.created""#)?;
    let content = &rest[memmem::find(rest, br#""content":""#)? + 11..];
    std::str::from_utf8(&content[..memchr::memchr(b'|', content)?]).ok()?.parse().ok()
}

/// A blocking socket after `ready`.
fn open(address: SocketAddr, token: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(&upgrade(token))?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..read]);
        let end = memmem::find(&bytes, b"\r\n\r\n").map(|end| end + 4);
        if end.and_then(|end| first_frame(&bytes[end..])).is_some() {
            return Ok(stream);
        }
        if read == 0 {
            return Err(String::from_utf8_lossy(&bytes).into_owned().into());
        }
    }
}
