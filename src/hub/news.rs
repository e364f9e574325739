//! An event on its way to sockets, on this node and on others: the frame, written once for all who
//! get it, with as much as a hub has to know to whom it goes and when.

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::user::{Profile, Status};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What happened.
    pub what: What,
    /// The frame that tells of it.
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
        /// To which version.
        version: i64,
    },
    /// Somebody is in a chat from a version on.
    Entered {
        /// Who.
        user: UserId,
        /// Which chat.
        chat: ChatId,
        /// As told by the frame.
        version: i64,
        /// The other one, in a private chat, and how they are seen as told by the frame.
        peer: Option<(UserId, Seen)>,
        /// Whether the version is what brought the user in: who listens since before it was out
        /// meanwhile.
        joined: bool,
    },
    /// Somebody is out of a chat by a version.
    Departed {
        /// Who.
        user: UserId,
        /// Which chat.
        chat: ChatId,
        /// `Departed::ENDED` where there is no chat any more.
        version: i64,
    },
    /// Somebody writes in a chat, or stopped: for the others in it.
    Typing {
        /// Who.
        user: UserId,
        /// Where.
        chat: ChatId,
    },
    /// Somebody's marks in a chat moved: for all who are in it.
    Receipt {
        /// Whose.
        user: UserId,
        /// Where.
        chat: ChatId,
    },
    /// Somebody is seen otherwise: for who watches, and their other connections.
    Status {
        /// Who.
        user: UserId,
        /// As what.
        seen: Seen,
        /// The connection that said so, which knows.
        except: Option<u64>,
    },
    /// Somebody's names or picture changed: for who watches, and their own connections.
    Renamed {
        /// Who.
        user: UserId,
    },
}

/// What a status frame tells that can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// As others see the user.
    pub status: Status,
    /// The user's own line.
    pub text: String,
}

impl Seen {
    /// Of a user as others see them.
    pub fn of(profile: &Profile) -> Self {
        Self { status: profile.status, text: profile.user.status_text.clone() }
    }
}

/// Whom news concern: a node asks for those that somebody on it has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everybody in a chat.
    Chat(ChatId),
    /// A user, and those who watch them.
    User(UserId),
}

impl News {
    /// Whom it concerns.
    pub fn topic(&self) -> Topic {
        match self.what {
            What::Change { chat, .. } | What::Typing { chat, .. } | What::Receipt { chat, .. } => {
                Topic::Chat(chat)
            }
            What::Entered { user, .. }
            | What::Departed { user, .. }
            | What::Status { user, .. }
            | What::Renamed { user } => Topic::User(user),
        }
    }

    /// As it travels: what happened, a line of JSON, and then the frame.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(&self.what)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(self.text.as_bytes());
        Ok(bytes)
    }

    /// Of what has travelled; `None` where it is no news of ours.
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
            What::Change { chat, version: 7 },
            What::Entered { user, chat, version: 7, peer, joined: true },
            What::Departed { user, chat, version: i64::MAX },
            What::Typing { user, chat },
            What::Receipt { user, chat },
            What::Status { user, seen, except: Some(9) },
            What::Renamed { user },
        ] {
            let news = News { what, text: "{\"type\":\"…\"}".into() };
            assert_eq!(News::decode(&news.encode().expect("bytes")), Some(news));
        }
        for rubbish in [&b""[..], b"\n", b"{}\n{}", b"{\"change\":{}}\n", b"\xff\n\xff"] {
            assert_eq!(News::decode(rubbish), None);
        }
    }
}
