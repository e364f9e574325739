//! What a server does all day: of ten calls two send, four read a page of history, two list chats and two
//! sync. Once by users of small groups, once by users of crowds.

use crate::Result;
use crate::figures::Figures;
use crate::http::{get, post};
use crate::load::{Pace, Requests, measure};
use crate::site::Site;

use super::sends::request_of;

const CONNECTIONS: usize = 32;
/// Different users.
const USERS: usize = 512;

/// Whose chats are used.
#[derive(Clone, Copy)]
pub enum Groups {
    /// Groups of eight, by users who are in no crowd.
    Small,
    /// Crowds, by users who are in all of them.
    Crowds,
}

/// The requests of one user.
struct User {
    token: String,
    chats: Vec<i64>,
    pages: Vec<Vec<u8>>,
    list: Vec<u8>,
    sync: Vec<u8>,
}

/// Eighty per cent reading, twenty writing.
pub async fn run(site: &Site, pace: Pace, groups: Groups) -> Result<Figures> {
    measure(site, pace, CONNECTIONS, requests(site, groups)).await
}

/// The requests of these users.
pub fn requests(site: &Site, groups: Groups) -> impl Requests + use<> {
    let users: Vec<_> = (0..USERS).map(|number| User::of(site, groups, number)).collect();
    let run = fastrand::u32(..);
    move |number: usize, turn: u64, request: &mut Vec<u8>| {
        let turn = turn as usize;
        let user = &users[(turn * 17 + number * USERS / CONNECTIONS) % USERS];
        let place = turn / 10 % user.chats.len();
        match (turn + number) % 10 {
            0 | 5 => {
                let id = format!("{run:x}-{number}-{turn}");
                request_of(user.chats[place], &user.token, &id, request);
            }
            1 | 6 => request.extend_from_slice(&user.list),
            2 | 7 => request.extend_from_slice(&user.sync),
            _ => request.extend_from_slice(&user.pages[place]),
        }
    }
}

impl User {
    fn of(site: &Site, groups: Groups, number: usize) -> Self {
        let world = &site.world;
        let (person, chats): (_, Vec<_>) = match groups {
            Groups::Small => {
                let person = world.size.people as usize - 1 - number;
                // Nobody from the end of the list is in a crowd, unless there are few people.
                (person, world.small_chats(person).collect())
            }
            Groups::Crowds => (number, world.crowds().map(|(chat, _)| chat).collect()),
        };
        let token = world.person(person);
        let path = |chat: &i64| format!("/api/chats/{chat}/messages/");
        // Up to date with some chats, so that the others come with their newest message.
        let versions: Vec<_> = chats.iter().map(|chat| format!(r#""{chat}":20"#)).collect();
        let body = format!(r#"{{"versions":{{{}}},"limit":50}}"#, versions.join(","));
        Self {
            pages: chats.iter().map(|chat| get(&path(chat), &token)).collect(),
            list: get("/api/chats/", &token),
            sync: post("/api/sync/", &token, &body),
            token,
            chats,
        }
    }
}
