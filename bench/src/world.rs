//! What the scenarios find in the database: who is there, and in which chats. Ids are chosen here, so nothing
//! needs to be read back. `seed` writes it; scenarios only read.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Result;
use crate::server::SECRET_KEY;
use crate::tokens::Signer;

/// Users who send, each to a private chat of their own.
pub const SENDERS: i64 = 256;
/// Chats of the one user who has many.
pub const MANY: i64 = 1_000;
/// Messages in each of these.
pub const MANY_MESSAGES: i64 = 20;
/// Small groups of each person.
pub const SMALL_EACH: i64 = 5;
/// Members of a small group.
pub const SMALL_MEMBERS: i64 = 8;
/// Messages in a small group.
pub const SMALL_MESSAGES: i64 = 20;

/// Messages in a crowd.
pub const CROWD_MESSAGES: i64 = 100;

/// The group in which all senders are.
pub const COMMON_CHAT: i64 = 999;
/// The first of the many chats.
pub const FIRST_MANY: i64 = 1_001;
/// A chat of the same user with many messages.
pub const BUSY_CHAT: i64 = 2_901;
/// Messages in that chat.
pub const BUSY_MESSAGES: i64 = 600;
/// The chat with a long history.
pub const LONG_CHAT: i64 = 3_001;
/// The first of the crowds.
pub const FIRST_CROWD: i64 = 3_101;
/// The first of the chats with the history that `history` fills: first the large ones.
pub const FIRST_HISTORY: i64 = 1_000_001;
/// The number of these.
pub const HISTORY_CHATS: i64 = 4_004;
/// How many of them are large.
pub const HISTORY_LARGE: i64 = 4;
/// Members of each.
pub const HISTORY_MEMBERS: i64 = 8;
/// The first of the chats that are searched, and how many they are.
pub const FIRST_SEARCHED: i64 = 2_000_001;
/// The number of these.
pub const SEARCHED_CHATS: i64 = 10_000;
/// How many of them the user with few has.
pub const FEW_CHATS: i64 = 5;
/// How many of them the user with a thousand has.
pub const WIDE_CHATS: i64 = 1_000;
/// The user who has written in all of them.
pub const AUTHOR: i64 = 901;
/// A member of five of them.
pub const FEW: i64 = 902;
/// A member of a thousand of them.
pub const WIDE: i64 = 903;
/// The first small group.
pub const FIRST_SMALL: i64 = 10_001;
/// The user with many chats.
pub const HEAVY: i64 = 601;
/// The first peer of that user.
pub const FIRST_PEER: i64 = 1_001;
/// The first of the people.
pub const FIRST_PERSON: i64 = 10_001;

/// A part of the data, which only some scenarios need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A user with a thousand chats.
    Many,
    /// A chat with a long history.
    Long,
    /// People in small groups and crowds.
    People,
    /// Thousands of chats with a history of millions of messages.
    History,
    /// Messages in many scripts, to search.
    Searched,
}

/// How much there is.
#[derive(Clone, Debug)]
pub struct Size {
    /// People.
    pub people: i64,
    /// Members of each crowd; the last one is the largest.
    pub crowds: &'static [i64],
    /// Messages in the long chat.
    pub long: i64,
    /// Messages in all chats with a history.
    pub history: i64,
    /// Messages in all chats that are searched.
    pub searched: i64,
}

impl Size {
    /// For figures to publish.
    pub const FULL: Self = Self {
        people: 20_000,
        crowds: &[1_000, 2_500, 5_000, 10_000],
        long: 1_000_000,
        history: 1_000_000,
        searched: 1_000_000,
    };
    /// For every day.
    pub const QUICK: Self = Self {
        people: 2_000,
        crowds: &[1_000, 2_000],
        long: 100_000,
        history: 100_000,
        searched: 100_000,
    };

    /// Small groups.
    pub fn small_groups(&self) -> i64 {
        self.people * SMALL_EACH / SMALL_MEMBERS
    }
}

/// The users' tokens, and sizes.
pub struct World {
    signer: Signer,
    now: u64,
    /// How much there is.
    pub size: Size,
}

impl World {
    pub fn new(size: Size) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self { signer: Signer::new(SECRET_KEY), now, size })
    }

    /// Seconds since 1970 when it was made.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// A user's token. A user has one session, with the same id.
    pub fn token(&self, user: i64) -> String {
        self.signer.access(user, user, self.now)
    }

    /// The token of a sender, from 0 on.
    pub fn sender(&self, number: usize) -> String {
        self.token(1 + number as i64 % SENDERS)
    }

    /// The private chat of a sender.
    pub fn own_chat(number: usize) -> i64 {
        1 + number as i64 % SENDERS
    }

    /// A person's token, from 0 on. Members of a crowd are the first people.
    pub fn person(&self, number: usize) -> String {
        self.token(FIRST_PERSON + number as i64)
    }

    /// The small groups of a person.
    pub fn small_chats(&self, number: usize) -> impl Iterator<Item = i64> {
        let groups = self.size.small_groups();
        (0..SMALL_EACH)
            .map(move |place| FIRST_SMALL + (number as i64 * SMALL_EACH + place) % groups)
    }

    /// A chat with a history, and a member's token.
    pub fn history_chat(&self, number: i64, member: i64) -> (i64, String) {
        let chat = FIRST_HISTORY + number % HISTORY_CHATS;
        (chat, self.token(1 + (chat * 7 + member % HISTORY_MEMBERS * 61) % 512))
    }

    /// Each crowd with its number of members.
    pub fn crowds(&self) -> impl Iterator<Item = (i64, i64)> {
        (FIRST_CROWD..).zip(self.size.crowds.iter().copied())
    }

    /// The smallest crowd with so many members, or the largest.
    pub fn crowd(&self, members: i64) -> Result<(i64, usize)> {
        let found = self.crowds().find(|(_, size)| *size >= members).or(self.crowds().last());
        let (chat, size) = found.ok_or("no crowd")?;
        Ok((chat, size as usize))
    }
}
