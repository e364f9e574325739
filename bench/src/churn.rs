//! The cost of connects and disconnects: a few users exchange messages, first undisturbed, then while
//! thousands of sockets connect and disconnect. Latency may not grow much, and the number of presence
//! frames must grow with the number of connects and of subscribers, not with its square.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::SinkExt;
use meowsenger_client::Server as Site;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::client::User;
use crate::server;
use crate::talk::{Clock, Speech, percentiles, talk};
use crate::{Result, say};

/// The users that stay connected, send messages and subscribe to presence.
const STAYERS: usize = 10;
/// How often each of them sends a message.
const EVERY: Duration = Duration::from_millis(100);
/// How long each of the other sockets stays connected.
const STAY: Duration = Duration::from_secs(1);
/// Before the first measurement.
const WARM_UP: Duration = Duration::from_secs(5);
/// The time until all others are offline: the server has a grace period of ten seconds.
const REST: Duration = Duration::from_secs(13);

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// Sockets that connect and disconnect
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..))]
    sockets: u32,
    /// Users that they belong to, in turn
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    users: u16,
    /// Duration, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..))]
    seconds: u16,
    /// Limit of the ratio of the 99th percentiles of latency, with and without churn
    #[arg(long, default_value_t = 3.0)]
    max_ratio: f64,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Whether all limits were kept.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let server = server::start(arguments.server.as_deref(), folder.path())?;
    let at = Site::new(&server.url);
    let stayers = User::register_all(&at, "stays", STAYERS).await?;
    let guests = User::register_all(&at, "goes", arguments.users.into()).await?;
    let guest_ids: Vec<_> = guests.iter().map(|user| user.id).collect();
    let stayer_ids: Vec<_> = stayers.iter().map(|user| user.id).collect();
    let all: Vec<_> = guest_ids.iter().chain(&stayer_ids).collect();
    let everybody = json!({"type": "group", "name": "Everybody", "members": all});
    stayers[0].chat(&everybody).await?;
    let kitchen = json!({"type": "group", "name": "Kitchen", "members": stayer_ids});
    let chat = stayers[0].chat(&kitchen).await?;

    let clock = Clock(Instant::now());
    let during = Duration::from_secs(arguments.seconds.into());
    // As long as the churn, but not much longer than needed.
    let phase = during.min(Duration::from_secs(20));
    let end = Instant::now() + WARM_UP + phase + during + STAY + REST;
    let speech = Speech { chat, every: EVERY, length: 40 };
    let mut others = JoinSet::new();
    for user in &stayers {
        let mut socket = user.connect(&server.url).await?;
        let watch = json!({"type": "status.watch", "users": guest_ids});
        socket.send(Message::text(watch.to_string())).await?;
        others.spawn(talk(socket, Some(speech), clock, end));
    }
    sleep(WARM_UP).await;
    let quiet = clock.now();
    sleep(phase).await;

    let (began, before) = (clock.now(), server.memory()?);
    let mut ticks = interval(during / arguments.sockets);
    let mut visits = JoinSet::new();
    for guest in guests.iter().cycle().take(arguments.sockets as usize) {
        ticks.tick().await;
        let (guest, url) = (guest.clone(), server.url.clone());
        visits.spawn(async move {
            let socket = guest.connect(&url).await?;
            talk(socket, None, clock, Instant::now() + STAY).await
        });
    }
    let mut to_guests = 0;
    while let Some(visit) = visits.join_next().await {
        to_guests += visit??.statuses;
    }
    let (ended, after) = (clock.now(), server.memory()?);
    let mut received = Vec::new();
    while let Some(stayer) = others.join_next().await {
        received.push(stayer??);
    }

    let ([_, quiet_p99], quiet_count) = percentiles(&received, quiet, began)?;
    let ([_, churn_p99], churn_count) = percentiles(&received, began, ended)?;
    let ratio = churn_p99 / quiet_p99;
    say(&format!(
        "latency p99: {quiet_p99:.2} ms undisturbed ({quiet_count} messages), {churn_p99:.2} ms while {} \
         sockets connected and disconnected in {:.0} s ({churn_count} messages), ratio {ratio:.2}",
        arguments.sockets,
        (ended - began) as f64 / 1e6
    ));
    say(&format!(
        "RSS {} KiB before, {} KiB after, peak {} KiB",
        before.resident, after.resident, after.peak
    ));
    let statuses: usize = received.iter().map(|received| received.statuses).sum();
    // Each visit can cause two frames a subscriber: online, then offline.
    let most = 2 * STAYERS * arguments.sockets as usize;
    say(&format!(
        "presence: {statuses} frames to the {STAYERS} subscribers, of at most {most}; {to_guests} to the others"
    ));
    let few = statuses > 0 && statuses <= most && to_guests <= arguments.sockets as usize;
    Ok(few && ratio <= arguments.max_ratio)
}
