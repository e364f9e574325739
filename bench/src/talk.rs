//! Sockets that send and receive messages. A message contains the time at which it was sent, so each
//! receiver can measure its latency. Knows no scenario.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, interval, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::Result;
use crate::client::Socket;

/// The start of the measurement: all times are microseconds since then.
#[derive(Clone, Copy)]
pub struct Clock(pub Instant);

/// What a socket sends.
#[derive(Clone, Copy)]
pub struct Speech {
    /// The chat's id.
    pub chat: i64,
    /// The interval between messages.
    pub every: Duration,
    /// A message's length in characters.
    pub length: usize,
}

/// What a socket received.
#[derive(Default)]
pub struct Received {
    /// When each message was sent, and its latency.
    pub messages: Vec<(u64, u64)>,
    /// Presence frames.
    pub statuses: usize,
}

impl Clock {
    /// The current time.
    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Receives until `end`, and sends meanwhile if there is a `speech`.
pub async fn talk(
    mut socket: Socket,
    speech: Option<Speech>,
    clock: Clock,
    end: Instant,
) -> Result<Received> {
    let mut received = Received::default();
    let mut ticks = interval(speech.map_or(Duration::MAX / 4, |speech| speech.every));
    loop {
        tokio::select! {
            biased;
            () = sleep_until(end) => return Ok(received),
            _ = ticks.tick(), if speech.is_some() => {
                let Some(Speech { chat, length, .. }) = speech else { continue };
                let content = format!("{:<length$}|", clock.now());
                let frame = json!({"type": "message.send", "chat": chat, "content": content});
                socket.send(Message::text(frame.to_string())).await?;
            }
            frame = socket.next() => match frame.ok_or("a socket was closed")?? {
                Message::Text(text) => received.note(&text, clock),
                Message::Close(why) => return Err(format!("a socket was closed: {why:?}").into()),
                _ => {}
            }
        }
    }
}

impl Received {
    fn note(&mut self, frame: &str, clock: Clock) {
        if frame.starts_with(r#"{"type":"status""#) {
            self.statuses += 1;
        }
        if let Some(sent) = sent(frame) {
            self.messages.push((sent, clock.now().saturating_sub(sent)));
        }
    }
}

/// When a message was sent, which its content begins with. Found without parsing: to parse a hundred
/// thousand frames a second would distort the measurement.
fn sent(frame: &str) -> Option<u64> {
    let rest = frame.strip_prefix(r#"{"type":"message.created""#)?;
    let content = &rest[rest.find(r#""content":""#)? + 11..];
    content[..content.find([' ', '|'])?].parse().ok()
}

/// The 50th and 99th percentile of the latency of the messages that were sent between two times, in
/// ms, and the number of messages.
pub fn percentiles(all: &[Received], from: u64, to: u64) -> Result<([f64; 2], usize)> {
    let of = all.iter().flat_map(|received| &received.messages);
    let mut times: Vec<_> =
        of.filter(|(sent, _)| (from..to).contains(sent)).map(|(_, took)| *took).collect();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).map(|took| *took as f64 / 1e3);
    let (Some(half), Some(most)) = (at(50), at(99)) else {
        return Err("no message was received".into());
    };
    Ok(([half, most], times.len()))
}
