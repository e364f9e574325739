//! The cost of one slow consumer: a group exchanges messages, first with every member reading, then
//! with one that reads nothing. Latency for the others must stay the same, the server's memory may
//! grow by one queue, and the slow consumer must be able to catch up when it reads again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use meowsenger_client::Server as Site;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Socket, User};
use crate::server;
use crate::talk::{Clock, Speech, percentiles, talk};
use crate::{Result, say};

/// Before the first measurement.
const WARM_UP: Duration = Duration::from_secs(5);
/// The members that send.
const SENDERS: usize = 5;
/// The server's queue for a connection, in KiB.
const QUEUE: u64 = 256;
/// The slow consumer's receive buffer, in bytes.
const UNREAD: u32 = 4_096;
/// The time that the last messages may take to arrive.
const REST: Duration = Duration::from_secs(3);

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// Members of the group, including the slow consumer
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(10..=2000))]
    members: u16,
    /// Messages a second, of all senders together
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(5..))]
    rate: u16,
    /// A message's length in characters
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// Duration of each of the two measurements, in seconds
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Limit of the ratio of the 99th percentiles of latency, with and without the slow consumer
    #[arg(long, default_value_t = 1.5)]
    max_ratio: f64,
    /// How much the server's memory may grow in addition to one queue, in KiB
    #[arg(long, default_value_t = 4_096)]
    max_noise: u64,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Whether all limits were kept and the slow consumer caught up.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let server = server::start(arguments.server.as_deref(), folder.path())?;
    let at = Site::new(&server.url);
    let mut users = User::register_all(&at, "cat", arguments.members.into()).await?;
    let all: Vec<_> = users.iter().map(|user| user.id).collect();
    let body = json!({"type": "group", "name": "Everybody", "members": all});
    let chat = users[0].chat(&body).await?;
    let slow = users.pop().ok_or("no users")?;

    let clock = Clock(Instant::now());
    let phase = Duration::from_secs(arguments.seconds);
    let mut others = JoinSet::new();
    let every = Duration::from_secs(1) * SENDERS as u32 / u32::from(arguments.rate);
    let speech = Speech { chat, every, length: arguments.length };
    // All end at the same time, the senders a little earlier.
    let end = Instant::now() + WARM_UP + 2 * phase + 2 * REST;
    for (number, user) in users.iter().enumerate() {
        let socket = user.connect(&server.url).await?;
        if number < SENDERS {
            others.spawn(talk(socket, Some(speech), clock, end - REST));
        } else {
            others.spawn(talk(socket, None, clock, end));
        }
    }
    sleep(WARM_UP).await;

    let quiet = clock.now();
    sleep(phase).await;
    let socket = slow.connect_holding(&server.url, Some(UNREAD)).await?;
    let (began, before) = (clock.now(), server.memory()?);
    let mut most = before.resident;
    for _ in 0..arguments.seconds {
        sleep(Duration::from_secs(1)).await;
        most = most.max(server.memory()?.resident);
    }
    let ended = clock.now();
    let (mut seqs, notice) = read_again(socket).await?;
    let mut received = Vec::new();
    while let Some(listener) = others.join_next().await {
        received.push(listener??);
    }

    let ([_, quiet_p99], quiet_count) = percentiles(&received, quiet, began)?;
    let ([_, slow_p99], slow_count) = percentiles(&received, began, ended)?;
    let ratio = slow_p99 / quiet_p99;
    say(&format!(
        "latency p99: {quiet_p99:.2} ms without ({quiet_count} messages), {slow_p99:.2} ms with a slow \
         consumer ({slow_count} messages), ratio {ratio:.2}"
    ));
    let grown = most.saturating_sub(before.resident);
    let peak = server.memory()?.peak;
    say(&format!("RSS {} KiB, grown by {grown} KiB, peak {peak} KiB", before.resident));
    let missed = catch_up(&slow, chat, &mut seqs).await?;
    let whole = seqs.iter().copied().eq(1..=seqs.len() as u64);
    say(&format!(
        "the slow consumer was notified {notice}; {missed} of {} messages came by sync{}",
        seqs.len(),
        if whole { "" } else { ", and others were lost" }
    ));
    Ok(whole
        && missed > 0
        && notice != "nothing"
        && ratio <= arguments.max_ratio
        && grown <= QUEUE + arguments.max_noise)
}

/// Reads everything that is queued, up to the notice that events were dropped. Returns the numbers of
/// the messages, and what the notice was.
async fn read_again(mut socket: Socket) -> Result<(BTreeSet<u64>, &'static str)> {
    let mut seqs = BTreeSet::new();
    loop {
        match timeout(2 * REST, socket.next()).await {
            Err(_) => return Ok((seqs, "nothing")),
            Ok(None | Some(Err(_))) => return Ok((seqs, "by the connection's end")),
            Ok(Some(Ok(Message::Close(Some(why))))) if u16::from(why.code) == 4008 => {
                return Ok((seqs, "by 4008"));
            }
            Ok(Some(Ok(Message::Close(why)))) => return Err(format!("closed: {why:?}").into()),
            Ok(Some(Ok(Message::Text(text)))) => {
                let frame: Value = serde_json::from_str(&text)?;
                if frame["type"] == "resync" {
                    return Ok((seqs, "by resync"));
                }
                seqs.extend(frame["message"]["seq"].as_u64());
            }
            Ok(Some(Ok(_))) => {}
        }
    }
}

/// Fetches the missed messages since the last one received, or since the beginning, by sync. Returns
/// how many.
async fn catch_up(user: &User, chat: i64, seqs: &mut BTreeSet<u64>) -> Result<usize> {
    // Version 1 created the chat; every later version is a message.
    let first = seqs.first().copied();
    let mut last = seqs.last().copied().unwrap_or_default();
    let mut missed = 0;
    if let Some(first) = first {
        // Messages from before it connected are not missing.
        seqs.extend(1..first);
    }
    loop {
        let body = json!({"versions": {chat.to_string(): last + 1}, "limit": 1_000});
        let answer = user.post("/api/sync/", &body).await?;
        let Some(change) = answer["changes"].get(0) else { return Ok(missed) };
        let messages = change["messages"].as_array().ok_or("no messages")?;
        for seq in messages.iter().filter_map(|message| message["seq"].as_u64()) {
            missed += 1;
            seqs.insert(seq);
            last = last.max(seq);
        }
        if change["more"] != true && change["chat"]["last_seq"].as_u64() == Some(last) {
            return Ok(missed);
        }
    }
}
