//! People who talk and listen over sockets. A message carries the moment at which it was sent, so
//! whoever hears it knows how long it took. Knows nothing of what is measured with it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, interval, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::Result;
use crate::client::Socket;

/// When the measurement began: all times are microseconds since then.
#[derive(Clone, Copy)]
pub struct Clock(pub Instant);

/// What somebody says.
#[derive(Clone, Copy)]
pub struct Speech {
    /// Where.
    pub chat: i64,
    /// How often.
    pub every: Duration,
    /// How long a message is, in characters.
    pub length: usize,
}

/// What somebody heard.
#[derive(Default)]
pub struct Heard {
    /// When each message was sent, and how long it took.
    pub messages: Vec<(u64, u64)>,
    /// Frames that tell how somebody is seen.
    pub statuses: usize,
}

impl Clock {
    /// Now.
    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Listens until `end`, and talks meanwhile where there is something to say.
pub async fn talk(
    mut socket: Socket,
    speech: Option<Speech>,
    clock: Clock,
    end: Instant,
) -> Result<Heard> {
    let mut heard = Heard::default();
    let mut turns = interval(speech.map_or(Duration::MAX / 4, |speech| speech.every));
    loop {
        tokio::select! {
            biased;
            () = sleep_until(end) => return Ok(heard),
            _ = turns.tick(), if speech.is_some() => {
                let Some(Speech { chat, length, .. }) = speech else { continue };
                let content = format!("{:<length$}|", clock.now());
                let frame = json!({"type": "message.send", "chat": chat, "content": content});
                socket.send(Message::text(frame.to_string())).await?;
            }
            frame = socket.next() => match frame.ok_or("a socket was closed")?? {
                Message::Text(text) => heard.note(&text, clock),
                Message::Close(why) => return Err(format!("a socket was closed: {why:?}").into()),
                _ => {}
            }
        }
    }
}

impl Heard {
    fn note(&mut self, frame: &str, clock: Clock) {
        if frame.starts_with(r#"{"type":"status""#) {
            self.statuses += 1;
        }
        if let Some(sent) = sent(frame) {
            self.messages.push((sent, clock.now().saturating_sub(sent)));
        }
    }
}

/// When a message was sent: its content begins with it. Looked for in the text, since to parse a
/// hundred thousand frames a second would be what is measured.
fn sent(frame: &str) -> Option<u64> {
    let rest = frame.strip_prefix(r#"{"type":"message.created""#)?;
    let content = &rest[rest.find(r#""content":""#)? + 11..];
    content[..content.find([' ', '|'])?].parse().ok()
}

/// How long 50 and 99 of 100 messages that were sent between two moments took at most, in ms, and
/// how many there were.
pub fn percentiles(all: &[Heard], from: u64, to: u64) -> Result<([f64; 2], usize)> {
    let of = all.iter().flat_map(|heard| &heard.messages);
    let mut times: Vec<_> =
        of.filter(|(sent, _)| (from..to).contains(sent)).map(|(_, took)| *took).collect();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).map(|took| *took as f64 / 1e3);
    let (Some(half), Some(most)) = (at(50), at(99)) else {
        return Err("no message was heard".into());
    };
    Ok(([half, most], times.len()))
}
