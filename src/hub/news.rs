//! An event on its way to sockets, on this node and on others: the frame, written once for all who
//! get it, with as much as a hub has to know to whom it goes and when.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::event::Departed;
use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::numbering::Version;
use crate::domain::user::{Profile, Status};

/// What happened, and what the sockets are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What happened.
    pub what: What,
    /// The frame.
    pub text: Utf8Bytes,
}

/// What happened, as far as it matters to a hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A chat changed, for all who are in it, in the order of its versions.
    Change {
        /// Which chat.
        chat: ChatId,
        /// The version that this change made.
        version: Version,
        /// Who went out by it, and hears it no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out: Option<UserId>,
    },
    /// A user is in a chat, of which their connections are told as it is at a version.
    Entered {
        /// Who.
        user: UserId,
        /// Which chat.
        chat: ChatId,
        /// The version at which they are told of it.
        version: Version,
        /// The other one, in a private chat, and how they are seen as told by the frame.
        peer: Option<(UserId, Seen)>,
        /// They came in by this version, and were not in the chat before. Where false, they may have
        /// been for a while.
        joined: bool,
    },
    /// Users are out of a chat.
    Departed {
        /// Which chat.
        chat: ChatId,
        /// Who, each by which version.
        departed: Vec<Departed>,
    },
    /// A user writes in a chat, or has stopped to; for the others in it.
    Typing {
        /// Who.
        user: UserId,
        /// Where.
        chat: ChatId,
        /// Whether they write.
        active: bool,
    },
    /// A user's marks in a chat moved, for all who are in it.
    Receipt {
        /// Whose.
        user: UserId,
        /// Where.
        chat: ChatId,
    },
    /// A user is seen so, by those who watch, and by their own other devices.
    Status {
        /// Who.
        user: UserId,
        /// How.
        seen: Seen,
        /// The connection that made it so, which knows: a number that means something here alone.
        #[serde(skip)]
        except: Option<u64>,
    },
    /// A user's names or picture changed, for those who watch, and for the user.
    Renamed {
        /// Who.
        user: UserId,
    },
    /// Sessions of a user ended: their sockets are closed. There is no frame.
    SessionsEnded {
        /// Whose.
        user: UserId,
        /// Which.
        sessions: Vec<SessionId>,
    },
}

/// What a status frame tells that can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// As others see the user.
    pub status: Status,
    /// The user's own words.
    pub text: String,
}

impl Seen {
    /// Of a user.
    pub fn of(profile: &Profile) -> Self {
        Self { status: profile.status, text: profile.user.status_text.clone() }
    }
}

/// Whom news concern: a node asks for those that somebody on it has to do with. Chats and users are
/// numbered modulo `SPREAD`, which bounds what a node asks for, and what that costs in
/// memory, however many there are; what it hears beyond its own, the hub passes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everybody in some chats.
    Chat(i64),
    /// Some users, and those who watch them.
    User(i64),
}

impl Topic {
    const SPREAD: i64 = 4_096;

    /// A chat's.
    pub fn of_chat(chat: ChatId) -> Self {
        Self::Chat(chat.0.rem_euclid(Self::SPREAD))
    }

    /// A user's.
    pub fn of_user(user: UserId) -> Self {
        Self::User(user.0.rem_euclid(Self::SPREAD))
    }
}

/// As a bus's subject ends.
impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(number) => write!(f, "chat.{number}"),
            Self::User(number) => write!(f, "user.{number}"),
        }
    }
}

impl News {
    /// Whom it concerns. What concerns the order of a chat's events is the chat's.
    pub fn topic(&self) -> Topic {
        match self.what {
            What::Change { chat, .. }
            | What::Departed { chat, .. }
            | What::Typing { chat, .. }
            | What::Receipt { chat, .. } => Topic::of_chat(chat),
            What::Entered { user, .. }
            | What::Status { user, .. }
            | What::Renamed { user }
            | What::SessionsEnded { user, .. } => Topic::of_user(user),
        }
    }

    /// As it travels: what happened, a line of JSON, and then the frame.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(&self.what)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(self.text.as_bytes());
        Ok(bytes)
    }

    /// Of what has travelled; `None` where it is no news of ours, or of a later version of ours.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let what = serde_json::from_slice(&bytes[..end]).ok()?;
        let text = std::str::from_utf8(&bytes[end + 1..]).ok()?;
        Some(Self { what, text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_travel_whole_and_rubbish_is_none() {
        let (user, chat) = (UserId(1), ChatId(2));
        let seen = Seen { status: Status::Away, text: "a\nb".into() };
        let peer = Some((UserId(3), seen.clone()));
        for what in [
            What::Change { chat, version: Version(7), out: None },
            What::Change { chat, version: Version(7), out: Some(user) },
            What::Entered { user, chat, version: Version(7), peer, joined: true },
            What::Departed { chat, departed: vec![Departed { user, version: Version::MAX }] },
            What::Typing { user, chat, active: true },
            What::Receipt { user, chat },
            What::Status { user, seen, except: None },
            What::Renamed { user },
            What::SessionsEnded { user, sessions: vec![SessionId(5)] },
        ] {
            let news = News { what, text: "{\"type\":\"…\"}".into() };
            assert_eq!(News::decode(&news.encode().expect("bytes")), Some(news));
        }
        for rubbish in [&b""[..], b"\n", b"{}\n{}", b"{\"change\":{}}\n", b"\xff\n\xff"] {
            assert_eq!(News::decode(rubbish), None);
        }
    }

    #[test]
    fn a_connection_s_number_does_not_travel() {
        let seen = Seen { status: Status::Busy, text: String::new() };
        let what = |except| What::Status { user: UserId(1), seen: seen.clone(), except };
        let sent = News { what: what(Some(9)), text: "{}".into() };
        let heard = News::decode(&sent.encode().expect("bytes")).expect("news");
        assert_eq!(heard.what, what(None));
    }
}
