//! The memory of an idle connection: opens many authenticated sockets, waits, and divides. The first
//! tenth is not counted: it uses memory that was freed during the server's start and not yet returned,
//! and would make the others look cheaper.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use meowsenger_client::types::NewGroup;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Socket, User};
use crate::server::{self, Memory, Server};
use crate::{Result, say};

/// Concurrent handshakes.
const AT_ONCE: usize = 64;
/// The interval between requests to an idle server.
const PAUSE: Duration = Duration::from_millis(100);
/// Open files in addition to the sockets.
const OTHER_FILES: u64 = 64;

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// Number of sockets
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    sockets: usize,
    /// Users that they belong to, in turn
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=1000))]
    users: u16,
    /// Wait before each measurement, in seconds
    #[arg(long, default_value_t = 5)]
    rest: u64,
    /// Limit of the memory of a socket, in KiB
    #[arg(long, default_value_t = 6.0)]
    max_kib: f64,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Whether the memory is within its limit.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let wanted = arguments.sockets as u64 + OTHER_FILES;
    let files = rlimit::increase_nofile_limit(wanted)?;
    if files < wanted {
        return Err(format!("{wanted} open files are needed, the limit is {files}").into());
    }
    let program = match &arguments.server {
        Some(program) => std::path::absolute(program)?,
        None => server::beside_us()?,
    };
    let folder = tempfile::tempdir()?;

    let users = prepare(&program, folder.path(), arguments.users).await?;
    // A new process, since the memory that hashing passwords took would hide that of the sockets. The
    // tokens remain valid: the key is in the folder.
    let server = Server::start(&program, folder.path(), None)?;
    let rest = Duration::from_secs(arguments.rest);
    let first = arguments.sockets / 10;
    let mut sockets = open(&users, &server.url, first).await?;
    let before = settled(&server, rest).await?;

    let others = arguments.sockets - first;
    sockets.extend(open(&users, &server.url, others).await?);
    let mut open = listen(sockets);
    let after = settled(&server, rest).await?;
    if open.try_join_next().is_some() {
        return Err("the server closed a socket".into());
    }

    let kib = after.resident.saturating_sub(before.resident) as f64 / others as f64;
    say(&format!(
        "{} sockets: RSS {} KiB before (with {first} of them), {} KiB after, {kib:.2} KiB a socket, \
         peak {} KiB",
        arguments.sockets, before.resident, after.resident, after.peak
    ));
    let kept = kib <= arguments.max_kib;
    if !kept {
        say(&format!("that is more than {} KiB a socket", arguments.max_kib));
    }
    Ok(kept)
}

/// Creates the users, a private chat between each and the next, and a group of all.
async fn prepare(program: &Path, folder: &Path, count: u16) -> Result<Vec<User>> {
    let server = Server::start(program, folder, None)?;
    let at = meowsenger_client::Server::new(&server.url);
    let mut users = Vec::new();
    for number in 0..count {
        users.push(User::register(&at, &format!("cat{number}")).await?);
    }
    for (one, other) in users.iter().zip(&users[1..]) {
        one.client.private_chat(other.id).await?;
    }
    let all: Vec<_> = users.iter().map(|user| user.id).collect();
    users[0].client.create_group(&NewGroup::new("Everybody").members(all)).await?;
    Ok(users)
}

/// The server's memory after a wait. An allocator returns memory only while it is used, so the server
/// gets some requests meanwhile.
async fn settled(server: &Server, rest: Duration) -> Result<Memory> {
    // Each request on its own connection, so that every thread of the server gets some.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    let until = Instant::now() + rest;
    while Instant::now() < until {
        http.get(format!("{}/healthz", server.url)).send().await?;
        sleep(PAUSE).await;
    }
    server.memory()
}

/// Opens sockets of all users in turn.
async fn open(users: &[User], url: &str, count: usize) -> Result<Vec<Socket>> {
    let turns = users.iter().cycle().take(count);
    stream::iter(turns).map(|user| user.connect(url)).buffer_unordered(AT_ONCE).try_collect().await
}

/// Answers the server's pings. A task ends when its socket does.
fn listen(sockets: Vec<Socket>) -> JoinSet<()> {
    let task = |mut socket: Socket| async move {
        // Reading answers pings; everything else is ignored.
        while let Some(Ok(_)) = socket.next().await {}
    };
    sockets.into_iter().map(task).collect()
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count >= 10).ok_or_else(|| "at least 10 are needed".into())
}
