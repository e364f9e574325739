//! Connecting: how many authenticated sockets a second, and how long it takes until many clients that were
//! disconnected together are connected again and in sync.

use std::cell::RefCell;
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};

use crate::Result;
use crate::figures::{Done, Figures, Meter, latencies};
use crate::site::Site;
use crate::ws::RawSocket;

/// The most sockets, each with a descriptor here and one in the server.
pub const MOST: usize = 10_000;
/// Concurrent handshakes when connecting.
const CONNECTING: usize = 64;
/// The same when all come back at once.
const RETURNING: usize = 512;
/// Messages that a client has missed in each of its small groups.
const MISSED: i64 = 10;

/// How many people connect.
pub fn people(site: &Site) -> usize {
    MOST.min(site.world.size.people as usize)
}

/// Opens sockets of different users, up to `ready`.
pub async fn connect(site: &Site) -> Result<Figures> {
    let times = RefCell::new(latencies()?);
    let meter = Meter::of(site)?;
    let sockets: Vec<_> = stream::iter(0..people(site))
        .map(async |person| {
            let began = Instant::now();
            let (socket, _) = RawSocket::open(site.address, &site.world.person(person)).await?;
            times.borrow_mut().saturating_record(began.elapsed().as_micros() as u64);
            Ok::<_, crate::Error>(socket)
        })
        .buffer_unordered(CONNECTING)
        .try_collect()
        .await?;
    let times = times.into_inner();
    let done = Done { operations: sockets.len() as u64, latencies: Some(times), ..Done::default() };
    meter.end(done)
}

/// The same, and each asks for what it has missed: ten messages in each of five chats.
pub async fn reconnect(site: &Site) -> Result<Figures> {
    let times = RefCell::new(latencies()?);
    let meter = Meter::of(site)?;
    let began = Instant::now();
    let sockets: Vec<_> = stream::iter(0..people(site))
        .map(async |person| {
            let socket = synced(site, person).await?;
            times.borrow_mut().saturating_record(began.elapsed().as_micros() as u64);
            Ok::<_, crate::Error>(socket)
        })
        .buffer_unordered(RETURNING)
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    let (operations, times) = (sockets.len() as u64, times.into_inner());
    let others = [("seconds until all are in sync".to_owned(), seconds)].into();
    meter.end(Done { operations, latencies: Some(times), others })
}

/// Connects and asks for what was missed.
async fn synced(site: &Site, person: usize) -> Result<RawSocket> {
    let (mut socket, ready) = RawSocket::open(site.address, &site.world.person(person)).await?;
    let mut ready: Value = serde_json::from_str(&ready)?;
    let mut versions: Map<String, Value> = serde_json::from_value(ready["versions"].take())?;
    for chat in site.world.small_chats(person) {
        let version = versions.get_mut(&chat.to_string()).ok_or("a chat is not in `ready`")?;
        *version = (version.as_i64().ok_or("no version")? - MISSED).into();
    }
    let sync = json!({"type": "sync", "id": 1, "epoch": ready["epoch"], "versions": versions});
    socket.writer().send([sync.to_string().as_str()]).await?;
    let mut answer = None;
    while answer.is_none() {
        socket
            .read(|frame| {
                if frame.starts_with(br#"{"type":"ack""#) {
                    answer = Some(frame.len());
                }
            })
            .await?;
    }
    Ok(socket)
}
