//! What those who come and go cost those who stay: a few people talk, first among themselves, then
//! while thousands of sockets connect and leave. Nobody may wait much longer, and the frames that
//! tell who is there must grow with those who come and those who watch, not with their square.

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

/// Who stay, talk and watch.
const STAYERS: usize = 10;
/// How often each of them says something.
const EVERY: Duration = Duration::from_millis(100);
/// How long who comes stays.
const STAY: Duration = Duration::from_secs(1);
/// Before the first measurement.
const WARM_UP: Duration = Duration::from_secs(5);
/// When everybody who came is gone: the server grants ten seconds of grace.
const REST: Duration = Duration::from_secs(13);

/// See the fields.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many sockets come and go
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..))]
    sockets: u32,
    /// Of how many users, who take turns
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    users: u16,
    /// In how many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..))]
    seconds: u16,
    /// How many times as long 99 of 100 messages may take meanwhile
    #[arg(long, default_value_t = 3.0)]
    max_ratio: f64,
    /// The server's program; default: `meowsenger` beside this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Whether those who stay are none the worse for it.
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
    // As long as the guests will take, up to a point.
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
    let mut turns = interval(during / arguments.sockets);
    let mut visits = JoinSet::new();
    for guest in guests.iter().cycle().take(arguments.sockets as usize) {
        turns.tick().await;
        let (guest, url) = (guest.clone(), server.url.clone());
        visits.spawn(async move {
            let socket = guest.connect(&url).await?;
            talk(socket, None, clock, Instant::now() + STAY).await
        });
    }
    let mut seen_by_guests = 0;
    while let Some(visit) = visits.join_next().await {
        seen_by_guests += visit??.statuses;
    }
    let (ended, after) = (clock.now(), server.memory()?);
    let mut heard = Vec::new();
    while let Some(stayer) = others.join_next().await {
        heard.push(stayer??);
    }

    let ([_, quiet_p99], quiet_count) = percentiles(&heard, quiet, began)?;
    let ([_, churn_p99], churn_count) = percentiles(&heard, began, ended)?;
    let ratio = churn_p99 / quiet_p99;
    say(&format!(
        "99 of 100 messages: {quiet_p99:.2} ms quiet ({quiet_count} heard), {churn_p99:.2} ms while \
         {} sockets came and went in {:.0} s ({churn_count} heard), ratio {ratio:.2}",
        arguments.sockets,
        (ended - began) as f64 / 1e6
    ));
    say(&format!(
        "RSS {} KiB before, {} KiB after, peak {} KiB",
        before.resident, after.resident, after.peak
    ));
    let statuses: usize = heard.iter().map(|heard| heard.statuses).sum();
    // Each visit can be told twice, that somebody came and that they went.
    let most = 2 * STAYERS * arguments.sockets as usize;
    say(&format!(
        "presence: {statuses} frames to the {STAYERS} who watch, of at most {most}; {seen_by_guests} to the guests"
    ));
    let few = statuses > 0 && statuses <= most && seen_by_guests <= arguments.sockets as usize;
    Ok(few && ratio <= arguments.max_ratio)
}
