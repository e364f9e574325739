//! The scenarios by name. A scenario measures one kind of work on one site and returns its rows; it knows
//! nothing of other sites, of rounds or of how figures are shown.

mod calls;
mod connects;
mod deliver;
mod depth;
mod fanout;
mod finds;
mod idle;
mod mixed;
mod sends;

use crate::figures::Figures;
use crate::load::{Pace, Requests};
use crate::site::Site;
use crate::world::Part;
use crate::{Result, floors};

use calls::Call;
use finds::Find;
use mixed::Groups;
use sends::Chats;

pub use fanout::{Audience, Sender};

/// The most sockets that a scenario opens.
pub const MOST_SOCKETS: u64 = connects::MOST as u64;

/// The rows that a scenario measured: names and figures.
pub type Rows = Vec<(String, Figures)>;

/// The requests of people in small groups: what a server does all day.
pub fn everything(site: &Site) -> impl Requests + use<> {
    mixed::requests(site, Groups::Small)
}

/// One kind of work by its name.
pub struct Scenario {
    /// Its row's name, or the beginning of its rows' names.
    pub name: &'static str,
    /// What one operation is.
    pub about: &'static str,
    /// What it needs in the database, besides the senders.
    pub needs: &'static [Part],
    work: Work,
}

/// What is done, with the number of connections, messages in flight or members.
enum Work {
    Read(usize, Call),
    Rest(usize, Chats),
    React(usize),
    Sockets(usize),
    Deliver,
    Deep { large: bool },
    Spread,
    Find(Find, bool),
    Mixed(Groups),
    Fanout(i64),
    Connect,
    Reconnect,
    Idle,
    FloorHttp(usize),
    FloorInsert(usize),
    FloorFanout(usize),
}

impl Scenario {
    /// Whether it takes so long to prepare that it runs only once.
    pub fn once(&self) -> bool {
        match self.work {
            Work::Connect | Work::Reconnect | Work::Idle => true,
            Work::Fanout(members) => members > 1_000,
            _ => false,
        }
    }

    /// Its connections, if it is one HTTP request after the other.
    pub fn connections(&self) -> Option<usize> {
        match self.work {
            Work::Read(connections, _) | Work::Rest(connections, _) => Some(connections),
            _ => None,
        }
    }

    /// Measures it.
    pub async fn run(&self, site: &mut Site, pace: Pace) -> Result<Rows> {
        let figures = match self.work {
            Work::Read(connections, call) => calls::read(site, pace, connections, call).await?,
            Work::Rest(connections, chats) => sends::rest(site, pace, connections, chats).await?,
            Work::React(connections) => sends::reactions(site, pace, connections).await?,
            Work::Sockets(in_flight) => sends::sockets(site, pace, in_flight).await?,
            Work::Deliver => deliver::run(site, pace).await?,
            Work::Deep { large } => depth::pages(site, pace, large).await?,
            Work::Find(find, wide) => finds::run(site, pace, find, wide).await?,
            Work::Spread => depth::sends(site, pace).await?,
            Work::Mixed(groups) => mixed::run(site, pace, groups).await?,
            Work::Fanout(members) => return fanout::run(site, pace, members).await,
            Work::Connect => connects::connect(site).await?,
            Work::Reconnect => connects::reconnect(site).await?,
            Work::Idle => idle::run(site, pace).await?,
            Work::FloorHttp(connections) => floors::http(pace, connections).await?,
            Work::FloorInsert(rows) => floors::insert(site, pace, rows).await?,
            Work::FloorFanout(sockets) => floors::fanout(pace, sockets).await?,
        };
        Ok(vec![(self.name.to_owned(), figures)])
    }
}

const LONG: &[Part] = &[Part::Long];
const MANY: &[Part] = &[Part::Many];
const PEOPLE: &[Part] = &[Part::People];
const HISTORY: &[Part] = &[Part::History];
const SEARCHED: &[Part] = &[Part::Searched];

/// All scenarios, in the order in which they run.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "floor-http-1",
        about: "an HTTP answer without work, one connection",
        needs: &[],
        work: Work::FloorHttp(1),
    },
    Scenario {
        name: "floor-http-16",
        about: "the same, 16 connections",
        needs: &[],
        work: Work::FloorHttp(16),
    },
    Scenario {
        name: "floor-insert-1",
        about: "a row, committed",
        needs: &[],
        work: Work::FloorInsert(1),
    },
    Scenario {
        name: "floor-insert-64",
        about: "a row, committed in batches of 64",
        needs: &[],
        work: Work::FloorInsert(64),
    },
    Scenario {
        name: "floor-fanout-1000",
        about: "a `send` to each of 1,000 sockets",
        needs: &[],
        work: Work::FloorFanout(1_000),
    },
    Scenario {
        name: "floor-fanout-10000",
        about: "a `send` to each of 10,000 sockets",
        needs: &[],
        work: Work::FloorFanout(10_000),
    },
    Scenario {
        name: "healthz",
        about: "GET /healthz, 16 connections",
        needs: &[],
        work: Work::Read(16, Call::Health),
    },
    Scenario {
        name: "me-1",
        about: "GET /api/auth/me/, one connection",
        needs: &[],
        work: Work::Read(1, Call::Me),
    },
    Scenario {
        name: "me-16",
        about: "GET /api/auth/me/, 16 connections",
        needs: &[],
        work: Work::Read(16, Call::Me),
    },
    Scenario {
        name: "send-1",
        about: "a message by REST, one connection",
        needs: &[],
        work: Work::Rest(1, Chats::Own),
    },
    Scenario {
        name: "send-16",
        about: "a message by REST, 16 connections, a chat each",
        needs: &[],
        work: Work::Rest(16, Chats::Own),
    },
    Scenario {
        name: "send-64",
        about: "a message by REST, 64 connections, a chat each",
        needs: &[],
        work: Work::Rest(64, Chats::Own),
    },
    Scenario {
        name: "send-chat-64",
        about: "a message by REST, 64 connections, all in one chat",
        needs: &[],
        work: Work::Rest(64, Chats::One),
    },
    Scenario {
        name: "react-64",
        about: "a reaction by REST, 64 connections, all to one message",
        needs: &[],
        work: Work::React(64),
    },
    Scenario {
        name: "socket-send-64",
        about: "a message by socket, 64 in flight",
        needs: &[],
        work: Work::Sockets(64),
    },
    Scenario {
        name: "socket-send-256",
        about: "a message by socket, 256 in flight",
        needs: &[],
        work: Work::Sockets(256),
    },
    Scenario {
        name: "deliver",
        about: "a message from one user to another, 200 a second",
        needs: &[],
        work: Work::Deliver,
    },
    Scenario {
        name: "history",
        about: "50 messages at a random depth of a long chat",
        needs: LONG,
        work: Work::Read(1, Call::History),
    },
    Scenario {
        name: "chats",
        about: "the first 50 of 1,001 chats",
        needs: MANY,
        work: Work::Read(1, Call::Chats),
    },
    Scenario {
        name: "sync-none",
        about: "a sync of 1,001 chats, nothing new",
        needs: MANY,
        work: Work::Read(1, Call::SyncNothing),
    },
    Scenario {
        name: "sync-many",
        about: "a sync of 1,001 chats, 500 messages missed in 250",
        needs: MANY,
        work: Work::Read(1, Call::SyncMany),
    },
    Scenario {
        name: "sync-one",
        about: "a sync of 1,001 chats, 500 messages missed in one",
        needs: MANY,
        work: Work::Read(1, Call::SyncOne),
    },
    Scenario {
        name: "search",
        about: "searching people by a part of a name",
        needs: PEOPLE,
        work: Work::Read(1, Call::Search),
    },
    Scenario {
        name: "crowd-page",
        about: "the newest 50 messages of the largest crowd",
        needs: PEOPLE,
        work: Work::Read(1, Call::CrowdPage),
    },
    Scenario {
        name: "mixed-small",
        about: "80 % reads, 20 % sends in groups of 8",
        needs: PEOPLE,
        work: Work::Mixed(Groups::Small),
    },
    Scenario {
        name: "mixed-crowds",
        about: "the same in crowds",
        needs: PEOPLE,
        work: Work::Mixed(Groups::Crowds),
    },
    Scenario {
        name: "fanout-1000",
        about: "a delivery to one of 1,000 members",
        needs: PEOPLE,
        work: Work::Fanout(1_000),
    },
    Scenario {
        name: "fanout-10000",
        about: "a delivery to a member of the largest crowd",
        needs: PEOPLE,
        work: Work::Fanout(10_000),
    },
    Scenario {
        name: "connect",
        about: "an authenticated socket, up to ready",
        needs: PEOPLE,
        work: Work::Connect,
    },
    Scenario {
        name: "reconnect",
        about: "a client that connects and syncs 50 messages",
        needs: PEOPLE,
        work: Work::Reconnect,
    },
    Scenario {
        name: "deep-large",
        about: "50 messages at a random depth of one of four large chats",
        needs: HISTORY,
        work: Work::Deep { large: true },
    },
    Scenario {
        name: "deep-any",
        about: "50 messages at a random depth of any of 4,004 chats",
        needs: HISTORY,
        work: Work::Deep { large: false },
    },
    Scenario {
        name: "send-spread",
        about: "a message by REST to any of 4,004 chats, 16 connections",
        needs: HISTORY,
        work: Work::Spread,
    },
    Scenario {
        name: "find-common-5",
        about: "searching a million messages for a common word, as a member of 5 chats",
        needs: SEARCHED,
        work: Work::Find(Find::Common, false),
    },
    Scenario {
        name: "find-rare-5",
        about: "the same for a rare word",
        needs: SEARCHED,
        work: Work::Find(Find::Rare, false),
    },
    Scenario {
        name: "find-foreign-5",
        about: "the same for a word that is common, but not in these chats",
        needs: SEARCHED,
        work: Work::Find(Find::Foreign, false),
    },
    Scenario {
        name: "find-common-1000",
        about: "searching a million messages for a common word, as a member of 1,000 chats",
        needs: SEARCHED,
        work: Work::Find(Find::Common, true),
    },
    Scenario {
        name: "find-rare-1000",
        about: "the same for a rare word",
        needs: SEARCHED,
        work: Work::Find(Find::Rare, true),
    },
    Scenario {
        name: "find-pair-1000",
        about: "the same for two common words",
        needs: SEARCHED,
        work: Work::Find(Find::Pair, true),
    },
    Scenario {
        name: "find-letter-1000",
        about: "the same for words that begin with a letter",
        needs: SEARCHED,
        work: Work::Find(Find::Letter, true),
    },
    Scenario { name: "idle", about: "an open socket that waits", needs: PEOPLE, work: Work::Idle },
];
