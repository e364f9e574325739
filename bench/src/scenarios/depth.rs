//! A database with a long history: a page at any depth, and a message to any chat, must cost no more than with a short
//! one.

use std::cell::Cell;
use std::fs;

use crate::Result;
use crate::figures::Figures;
use crate::http::get;
use crate::load::{Pace, measure};
use crate::site::{Backend, Site};
use crate::world::{HISTORY_CHATS, HISTORY_LARGE};

use super::sends::request_of;

/// How many different requests are prepared.
const VARIETY: usize = 4_096;
/// Connections that send.
const SENDERS: usize = 16;

/// Reads pages of large chats, or of all.
pub async fn pages(site: &Site, pace: Pace, large: bool) -> Result<Figures> {
    let chats = if large { HISTORY_LARGE } else { HISTORY_CHATS };
    let length = site.world.size.history / if large { 20 } else { 5_000 };
    let request = |_| {
        let (chat, token) = site.world.history_chat(fastrand::i64(0..chats), fastrand::i64(0..8));
        let before = fastrand::i64(length.min(51)..=length);
        get(&format!("/api/chats/{chat}/messages/?before={before}"), &token)
    };
    let requests: Vec<_> = (0..VARIETY).map(request).collect();
    measure(site, pace, 1, |_, turn, bytes| {
        bytes.extend_from_slice(&requests[turn as usize % VARIETY]);
    })
    .await
}

/// Sends to chats in no order, so that each message dirties pages of its own.
pub async fn sends(site: &Site, pace: Pace) -> Result<Figures> {
    let (run, sent) = (fastrand::u32(..), Cell::new(0_u64));
    let chats: Vec<_> = (0..VARIETY)
        .map(|number| site.world.history_chat(fastrand::i64(0..HISTORY_CHATS), number as i64))
        .collect();
    let before = written(site).await?;
    let mut figures = measure(site, pace, SENDERS, |_, _, request| {
        let number = sent.replace(sent.get() + 1);
        let (chat, token) = &chats[number as usize % VARIETY];
        // In no order, as those of clients.
        let client_id = format!("{:016x}{:016x}", u64::from(run).wrapping_mul(number), number);
        request_of(*chat, token, &client_id, request);
    })
    .await?;
    let bytes = written(site).await? - before;
    let each = bytes as f64 / 1024.0 / sent.get() as f64;
    figures.others.insert("KiB written a message".to_owned(), each);
    Ok(figures)
}

/// Bytes of PostgreSQL's write-ahead log, or what a server with an embedded database has written to its disk.
async fn written(site: &Site) -> Result<i64> {
    match site.backend {
        Backend::Postgres => {
            let mut database = site.database().await?;
            let position = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
            let found = database.number(position).await?;
            database.close().await?;
            Ok(found)
        }
        Backend::Sqlite => {
            let io = fs::read_to_string(format!("/proc/{}/io", site.server_pid()?))?;
            let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
            Ok(bytes.ok_or("no write_bytes")?.parse()?)
        }
    }
}
