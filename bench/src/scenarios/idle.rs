//! The memory of a socket that waits: when it has just been opened, and after messages have passed through
//! it. The first tenth is not counted: it uses memory that was freed while the server started.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Result;
use crate::figures::{Done, Figures, Meter};
use crate::http::{Connection, get};
use crate::load::Pace;
use crate::site::Site;
use crate::ws::RawSocket;

use super::connects::people;
use super::fanout::{Audience, Sender, open};

/// Before the memory is read. The server marks ten thousand users as online meanwhile.
const REST: Duration = Duration::from_secs(8);
/// Between requests to an idle server: an allocator returns memory only while it is used.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens sockets, then sends messages to all of them.
pub async fn run(site: &mut Site, pace: Pace) -> Result<Figures> {
    site.restart()?;
    let site = &*site;
    let (count, first) = (people(site), people(site) / 10);
    let meter = Meter::of(site)?;
    let mut sockets = open(site, 0..first).await?;
    let before = settled(site).await?;
    sockets.extend(open(site, first..count).await?);
    let audience = Audience::of(sockets);
    let fresh = settled(site).await?;
    let (chat, _) = site.world.crowd(count as i64)?;
    let (sender, _) = RawSocket::open(site.address, &site.world.person(0)).await?;
    Sender::of(sender, chat).send(&audience, 4, pace.measured).await?;
    let used = settled(site).await?;
    let each = |memory: u64| memory.saturating_sub(before) as f64 / (count - first) as f64;
    let others = [
        ("KiB a socket, fresh".to_owned(), each(fresh)),
        ("KiB a socket, after traffic".to_owned(), each(used)),
    ];
    meter.end(Done { operations: count as u64, latencies: None, others: others.into() })
}

/// The server's memory, in KiB, after a rest in which it answers some requests.
async fn settled(site: &Site) -> Result<u64> {
    let until = Instant::now() + REST;
    while Instant::now() < until {
        // A connection each, so that every thread of the server gets some.
        Connection::open(site.address).await?.call(&get("/healthz", "")).await?;
        sleep(PAUSE).await;
    }
    site.server()?.resident_kib()
}
