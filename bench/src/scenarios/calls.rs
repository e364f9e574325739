//! Calls that read: who am I, a page of history, a list of chats, sync, searching people.

use serde_json::{Map, Value, json};

use crate::Result;
use crate::figures::Figures;
use crate::http::{Connection, get, post};
use crate::load::{Pace, measure};
use crate::site::Site;
use crate::world::{BUSY_CHAT, FIRST_MANY, HEAVY, LONG_CHAT};

/// How many different requests are prepared.
const VARIETY: usize = 512;

/// A call that reads.
#[derive(Clone, Copy)]
pub enum Call {
    /// The smallest answer there is.
    Health,
    /// The session check, and the user's own profile.
    Me,
    /// Fifty messages at a random depth of a long chat.
    History,
    /// The first fifty of a thousand chats.
    Chats,
    /// A sync of a thousand chats without changes.
    SyncNothing,
    /// The same with two missed messages in each of 250 chats.
    SyncMany,
    /// The same with five hundred missed messages in one chat.
    SyncOne,
    /// Searching people by a part of a name.
    Search,
    /// The newest fifty messages of the largest crowd.
    CrowdPage,
}

/// Makes the call over so many connections.
pub async fn read(site: &Site, pace: Pace, connections: usize, call: Call) -> Result<Figures> {
    let requests = requests(site, call).await?;
    measure(site, pace, connections, |number, turn, request| {
        // A different one each time, and by each connection.
        let at = (turn as usize * 7 + number * 31) % requests.len();
        request.extend_from_slice(&requests[at]);
    })
    .await
}

/// Requests of this kind, by different users or for different things where there are such.
async fn requests(site: &Site, call: Call) -> Result<Vec<Vec<u8>>> {
    let world = &site.world;
    let heavy = world.token(HEAVY);
    let many = |one: &dyn Fn(usize) -> Vec<u8>| (0..VARIETY).map(one).collect();
    Ok(match call {
        Call::Health => vec![get("/healthz", "")],
        Call::Me => many(&|number| get("/api/auth/me/", &world.sender(number))),
        Call::History => many(&|number| {
            let before = fastrand::i64(100..world.size.long);
            let path = format!("/api/chats/{LONG_CHAT}/messages/?before={before}");
            get(&path, &world.sender(number % 64))
        }),
        Call::Chats => vec![get("/api/chats/", &heavy)],
        Call::SyncNothing => vec![sync(site, &heavy, |_, version| version).await?],
        Call::SyncMany => {
            let few = FIRST_MANY..FIRST_MANY + 250;
            let missed = |chat, version| version - if few.contains(&chat) { 2 } else { 0 };
            vec![sync(site, &heavy, missed).await?]
        }
        Call::SyncOne => {
            let missed = |chat, version| version - if chat == BUSY_CHAT { 500 } else { 0 };
            vec![sync(site, &heavy, missed).await?]
        }
        Call::Search => many(&|number| {
            let name = ["nor", "berg", "maja iv", "tanaka", "kowalsk", "jon lind", "zoe", "petrof"];
            let path = format!("/api/users/search/?q={}", name[number % 8].replace(' ', "%20"));
            get(&path, &world.person(number))
        }),
        Call::CrowdPage => {
            let (chat, members) = world.crowd(i64::MAX)?;
            let path = format!("/api/chats/{chat}/messages/");
            many(&|number| get(&path, &world.person(number * 13 % members)))
        }
    })
}

/// A sync by a client that knows a version of each of its chats, which `known` says from the newest one.
async fn sync(site: &Site, token: &str, known: impl Fn(i64, i64) -> i64) -> Result<Vec<u8>> {
    let mut connection = Connection::open(site.address).await?;
    let mut versions = Map::new();
    let mut path = "/api/chats/?page_size=100".to_owned();
    loop {
        let page: Value = serde_json::from_slice(connection.call(&get(&path, token)).await?)?;
        for chat in page["results"].as_array().ok_or("no chats")? {
            let (id, version) = (chat["id"].as_i64(), chat["version"].as_i64());
            let (id, version) = id.zip(version).ok_or("no chat")?;
            versions.insert(id.to_string(), known(id, version).into());
        }
        match page["next"].as_str().and_then(|url| url.find("/api/").map(|at| &url[at..])) {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    Ok(post("/api/sync/", token, &json!({"versions": versions}).to_string()))
}
