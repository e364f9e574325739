//! What one who does not read costs the others: a group talks, first with everybody listening, then
//! with one whose connection takes nothing. The others must not notice, the server must not hold
//! more than a queue for it, and when it reads again it must be able to catch up.

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
/// Who talk.
const SPEAKERS: usize = 5;
/// What waits for a connection in the server, in KiB.
const QUEUE: u64 = 256;
/// How much of what comes the slow one's system holds unread, in bytes.
const UNREAD: u32 = 4_096;
/// How long the last messages may take.
const REST: Duration = Duration::from_secs(3);

/// See the fields.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many are in the group, the slow one included
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(10..=2000))]
    members: u16,
    /// How many messages a second they send
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(5..))]
    rate: u16,
    /// How long a message is, in characters
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// How long each of the two measurements takes, in seconds
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How many times as long 99 of 100 messages may take with the slow one
    #[arg(long, default_value_t = 1.5)]
    max_ratio: f64,
    /// What the server may grow by beside the slow one's queue, in KiB
    #[arg(long, default_value_t = 4_096)]
    max_noise: u64,
    /// The server's program; default: `meowsenger` beside this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Whether the others noticed nothing, and the slow one caught up.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let server = server::start(arguments.server.as_deref(), folder.path())?;
    let at = Site::new(&server.url);
    let mut users = User::register_all(&at, "cat", arguments.members.into()).await?;
    let all: Vec<_> = users.iter().map(|user| user.id).collect();
    let body = json!({"type": "group", "name": "Everybody", "members": all});
    let chat = users[0].chat(&body).await?;
    let slow = users.pop().ok_or("nobody")?;

    let clock = Clock(Instant::now());
    let phase = Duration::from_secs(arguments.seconds);
    let mut others = JoinSet::new();
    let every = Duration::from_secs(1) * SPEAKERS as u32 / u32::from(arguments.rate);
    let speech = Speech { chat, every, length: arguments.length };
    // All end at the same time, the speakers a little earlier.
    let end = Instant::now() + WARM_UP + 2 * phase + 2 * REST;
    for (number, user) in users.iter().enumerate() {
        let socket = user.connect(&server.url).await?;
        if number < SPEAKERS {
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
    let (mut seqs, told) = read_again(socket).await?;
    let mut heard = Vec::new();
    while let Some(listener) = others.join_next().await {
        heard.push(listener??);
    }

    let ([_, quiet_p99], quiet_count) = percentiles(&heard, quiet, began)?;
    let ([_, slow_p99], slow_count) = percentiles(&heard, began, ended)?;
    let ratio = slow_p99 / quiet_p99;
    say(&format!(
        "99 of 100 messages: {quiet_p99:.2} ms quiet ({quiet_count} heard), {slow_p99:.2} ms with a \
         slow one ({slow_count} heard), ratio {ratio:.2}"
    ));
    let grown = most.saturating_sub(before.resident);
    let peak = server.memory()?.peak;
    say(&format!("RSS {} KiB, grown by {grown} KiB, peak {peak} KiB", before.resident));
    let missed = catch_up(&slow, chat, &mut seqs).await?;
    let whole = seqs.iter().copied().eq(1..=seqs.len() as u64);
    say(&format!(
        "the slow one was told {told}; {missed} of {} messages by sync{}",
        seqs.len(),
        if whole { "" } else { ", and others were lost" }
    ));
    Ok(whole
        && missed > 0
        && told != "nothing"
        && ratio <= arguments.max_ratio
        && grown <= QUEUE + arguments.max_noise)
}

/// Reads all that waits: the numbers of the messages up to where the slow one is told that there
/// were more, and how it is told.
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

/// Asks what was missed since the last message heard, or the beginning; how much that was.
async fn catch_up(user: &User, chat: i64, seqs: &mut BTreeSet<u64>) -> Result<usize> {
    // Nothing but messages changes the chat after it was made, by version 1.
    let first = seqs.first().copied();
    let mut last = seqs.last().copied().unwrap_or_default();
    let mut missed = 0;
    if let Some(first) = first {
        // What was said before it came is no loss.
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
