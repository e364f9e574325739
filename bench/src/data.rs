//! The cost of a long history: the calls with which a client starts, in a database of a million
//! messages, by a user with a thousand chats and by one with ten. A call's time must depend on what it
//! returns, not on what is stored.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::client::User;
use crate::database::Database;
use crate::fill::{self, Chats};
use crate::server::{self, Server};
use crate::{Result, say};

/// Calls before the first measured one.
const WARM_UP: usize = 50;

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// An empty PostgreSQL database (`postgres://…`), in which the data remains; default: SQLite in a
    /// temporary folder
    #[arg(long)]
    postgres: Option<String>,
    /// Calls of each kind by each user
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..))]
    calls: u32,
    /// Limit of the ratio of the medians, with much data and with little
    #[arg(long, default_value_t = 2.0)]
    max_ratio: f64,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// One call, made by either user.
struct Call {
    name: &'static str,
    /// By the user with much data, then by the one with little.
    by: [RequestBuilder; 2],
}

/// Whether all ratios are within the limit.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let program = match &arguments.server {
        Some(program) => std::path::absolute(program)?,
        None => server::beside_us()?,
    };
    let folder = tempfile::tempdir()?;
    let http = reqwest::Client::new();
    let (users, much, few) =
        prepare(&program, folder.path(), arguments.postgres.as_deref()).await?;

    let server = Server::start(&program, folder.path(), arguments.postgres.as_deref())?;
    let mut calls = Vec::new();
    let (at, page) = (&server.url, |chat, seq| format!("/api/chats/{chat}/messages/?before={seq}"));
    let get = |user: &User, path: &str| user.request(http.get(format!("{at}{path}")));
    // Pages with the same number of rows for both users.
    for (name, paths) in [
        ("chats, first page of 10", ["/api/chats/?page_size=10"; 2].map(str::to_owned)),
        ("messages, deep in a chat", [page(much, 250_000), page(few, 60)]),
    ] {
        calls.push(Call { name, by: [get(&users[0], &paths[0]), get(&users[1], &paths[1])] });
    }
    let sync = format!("{at}/api/sync/");
    let mut by = Vec::new();
    for user in &users {
        by.push(user.request(http.post(&sync)).json(&versions(&http, at, user).await?));
    }
    let by = by.try_into().map_err(|_| "two users")?;
    calls.push(Call { name: "sync, nothing new", by });

    say(&format!("{:26}{:>16}{:>16}{:>16}", "ms, median (p99)", "much", "little", "ratio"));
    let mut kept = true;
    for call in &calls {
        kept &= measure(call, arguments.calls as usize, arguments.max_ratio).await?;
    }
    Ok(kept)
}

/// Fills a database. Returns the user with much data, the one with little, and a long chat of each.
async fn prepare(
    program: &Path,
    folder: &Path,
    postgres: Option<&str>,
) -> Result<([User; 2], i64, i64)> {
    let began = Instant::now();
    if postgres.is_some() {
        server::migrate(program, folder, postgres)?;
    }
    let server = Server::start(program, folder, postgres)?;
    let at = meowsenger_client::Server::new(&server.url);
    let mut users = Vec::new();
    for name in ["much", "little", "other"] {
        users.push(User::register(&at, name).await?);
    }
    drop(server);
    let mut database = Database::open(folder, postgres).await?;
    let other = users.pop().ok_or("three users")?.id.0;
    for (user, name, count, messages, unread) in
        [(0, "many", 999, 500, 50), (0, "long", 1, 500_000, 0), (1, "few", 10, 100, 1)]
    {
        let user = users[user].id.0;
        fill::add(&mut database, &Chats { user, name, count, messages, unread }, other).await?;
    }
    let long = fill::group(&mut database, "long", 1).await?;
    let few = fill::group(&mut database, "few", 1).await?;
    database.close().await?;
    say(&format!("1,000,500 messages written in {:.0} s", began.elapsed().as_secs_f64()));
    let users = users.try_into().map_err(|_| "two users")?;
    Ok((users, long, few))
}

/// The body of a sync by a client that is up to date.
async fn versions(http: &reqwest::Client, url: &str, user: &User) -> Result<Value> {
    let request = user.request(http.post(format!("{url}/api/sync/")));
    let all: Value = request.json(&json!({"versions": {}})).send().await?.json().await?;
    let changes = all["changes"].as_array().ok_or("no changes")?;
    let version = |change: &Value| {
        let chat = &change["chat"];
        (chat["id"].to_string(), chat["version"].clone())
    };
    Ok(json!({"versions": changes.iter().map(version).collect::<Map<_, _>>()}))
}

/// Makes a call by both users in turn and prints a line. Whether the ratio is within its limit.
async fn measure(call: &Call, count: usize, max_ratio: f64) -> Result<bool> {
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..WARM_UP + count {
        for (request, times) in call.by.iter().zip(&mut times) {
            let began = Instant::now();
            let request = request.try_clone().ok_or("a request that can be repeated")?;
            request.send().await?.error_for_status()?.bytes().await?;
            if turn >= WARM_UP {
                times.push(began.elapsed());
            }
        }
    }
    let [much, little] = times.map(|mut times| {
        times.sort_unstable();
        [times[count / 2], times[count * 99 / 100]].map(|time: Duration| time.as_secs_f64() * 1e3)
    });
    let ratios = [much[0] / little[0], much[1] / little[1]];
    let cell = |[median, p99]: [f64; 2]| format!("{median:.2} ({p99:.2})");
    let (name, [much, little, ratio]) = (call.name, [much, little, ratios].map(cell));
    say(&format!("{name:26}{much:>16}{little:>16}{ratio:>16}"));
    // The slowest ten of a thousand depend on the machine rather than the call: shown, not judged.
    Ok(ratios[0] <= max_ratio)
}
