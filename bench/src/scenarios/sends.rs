//! Sending: by REST, each request waiting for its commit, and by sockets with several messages in flight.
//! Each message has a `client_id`, as those of a careful client.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::time::Instant;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::Result;
use crate::figures::{Done, Figures, Latencies, Meter, latencies};
use crate::http::{Connection, contains};
use crate::load::{Pace, measure};
use crate::site::Site;
use crate::world::{COMMON_CHAT, World};
use crate::ws::RawSocket;

/// Where messages are sent.
#[derive(Clone, Copy)]
pub enum Chats {
    /// Each sender has a chat with one other user.
    Own,
    /// One group of 64.
    One,
}

impl Chats {
    fn of(self, sender: usize) -> i64 {
        match self {
            Self::Own => World::own_chat(sender),
            Self::One => COMMON_CHAT,
        }
    }
}

/// Sends by REST over so many connections, each of its own user.
pub async fn rest(site: &Site, pace: Pace, connections: usize, chats: Chats) -> Result<Figures> {
    let run = fastrand::u32(..);
    let tokens: Vec<_> = (0..connections).map(|number| site.world.sender(number)).collect();
    measure(site, pace, connections, |number, turn, request| {
        request_of(chats.of(number), &tokens[number], &format!("{run:x}-{number}-{turn}"), request);
    })
    .await
}

/// Reactions by REST over so many connections, each of its own user, all to one message of the group: each reacts, and
/// no longer, by turns.
pub async fn reactions(site: &Site, pace: Pace, connections: usize) -> Result<Figures> {
    let tokens: Vec<_> = (0..connections).map(|number| site.world.sender(number)).collect();
    let mut request = Vec::new();
    request_of(COMMON_CHAT, &tokens[0], &format!("{:x}", fastrand::u64(..)), &mut request);
    let mut connection = Connection::open(site.address).await?;
    let message: Value = serde_json::from_slice(connection.call(&request).await?)?;
    let path = format!("/api/messages/{}/reactions/%F0%9F%90%88/", message["id"]);
    measure(site, pace, connections, |number, turn, request| {
        let (method, token) = (["PUT", "DELETE"][turn as usize % 2], &tokens[number]);
        // Writing to a vector cannot fail.
        write!(
            request,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
             content-length: 0\r\n\r\n"
        )
        .ok();
    })
    .await
}

/// Writes the request that sends one message.
pub fn request_of(chat: i64, token: &str, client_id: &str, request: &mut Vec<u8>) {
    let body = format!(
        r#"{{"content":"Meow, as long as people write on an ordinary day.","client_id":"{client_id}"}}"#
    );
    // Writing to a vector cannot fail.
    write!(
        request,
        "POST /api/chats/{chat}/messages/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok();
}

/// The sockets that send.
const SOCKETS: usize = 64;

/// Sends by sockets with so many messages in flight in all.
pub async fn sockets(site: &Site, pace: Pace, in_flight: usize) -> Result<Figures> {
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        let (socket, _) = RawSocket::open(site.address, &site.world.sender(number)).await?;
        sockets.push(Sender { socket, number, sent: 0, run: fastrand::u32(..) });
    }
    let each = in_flight / SOCKETS;
    drive(&mut sockets, each, Instant::now() + pace.warm_up).await?;
    let meter = Meter::of(site)?;
    let times = drive(&mut sockets, each, Instant::now() + pace.measured).await?;
    meter.end(Done { operations: times.len(), latencies: Some(times), ..Done::default() })
}

/// A socket that sends.
struct Sender {
    socket: RawSocket,
    number: usize,
    sent: u64,
    run: u32,
}

async fn drive(sockets: &mut [Sender], each: usize, until: Instant) -> Result<Latencies> {
    let times = RefCell::new(latencies()?);
    try_join_all(sockets.iter_mut().map(|sender| sender.drive(each, until, &times))).await?;
    Ok(times.into_inner())
}

impl Sender {
    /// Keeps so many messages in flight, and ends when the last one is acknowledged.
    async fn drive(&mut self, each: usize, until: Instant, times: &RefCell<Latencies>) -> Result {
        // The oldest first; a socket's messages are acknowledged in order.
        let mut began = std::collections::VecDeque::new();
        let mut next = each;
        loop {
            let frames: Vec<_> = (0..next).map(|_| self.next_frame()).collect();
            began.extend(std::iter::repeat_n(Instant::now(), next));
            self.socket.writer().send(frames.iter().map(String::as_str)).await?;
            if began.is_empty() {
                return Ok(());
            }
            let (acknowledged, failed) = (Cell::new(0), RefCell::new(None));
            self.socket
                .read(|frame| match frame {
                    _ if frame.starts_with(br#"{"type":"ack""#) => {
                        acknowledged.set(acknowledged.get() + 1);
                    }
                    _ if contains(&frame[..frame.len().min(20)], "error") => {
                        *failed.borrow_mut() = Some(String::from_utf8_lossy(frame).into_owned());
                    }
                    _ => {}
                })
                .await?;
            if let Some(error) = failed.into_inner() {
                return Err(error.into());
            }
            let now = Instant::now();
            for began in began.drain(..acknowledged.get()) {
                times.borrow_mut().saturating_record((now - began).as_micros() as u64);
            }
            next = if now < until { acknowledged.get() } else { 0 };
        }
    }

    fn next_frame(&mut self) -> String {
        self.sent += 1;
        let (chat, run, number, sent) =
            (World::own_chat(self.number), self.run, self.number, self.sent);
        format!(
            r#"{{"type":"message.send","id":{sent},"chat":{chat},"content":"Meow, as long as people write on an ordinary day.","client_id":"{run:x}-{number}-{sent}"}}"#
        )
    }
}
