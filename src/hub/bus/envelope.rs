//! An envelope: an event's frame, encoded once for all sockets on all nodes, with the route that says who
//! gets it and in which order. Knows no connection.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::event::Departed;
use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::numbering::{AccountVersion, Version};
use crate::hub::presence::status::ShownStatus;

/// A frame on its way to sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who gets it.
    pub route: Route,
    /// The frame.
    pub text: Utf8Bytes,
}

/// Which nodes get an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All nodes.
    AllNodes,
    /// This node alone: the others have it already, or find it out by themselves.
    ThisNode,
}

/// Who gets an envelope, and what else a hub has to know of the event. Nodes send it to each other as
/// JSON, so a field may be added but not renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// A change of a chat: its members, in the order of its versions.
    Change {
        /// The chat.
        chat: ChatId,
        /// The version that this change made.
        version: Version,
        /// The user who left by it, and does not get it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out: Option<UserId>,
    },
    /// A user entered a chat: the user's connections.
    Entered(Entered),
    /// Users left a chat: their connections.
    Departed {
        /// The chat.
        chat: ChatId,
        /// Each user, with the version by which they left.
        departed: Vec<Departed>,
    },
    /// A user is typing in a chat, or has stopped: the other members.
    Typing {
        /// The user.
        user: UserId,
        /// The chat.
        chat: ChatId,
        /// Whether the user is typing.
        active: bool,
    },
    /// A member's read or delivery marker moved: all members.
    Receipt {
        /// The member.
        user: UserId,
        /// The chat.
        chat: ChatId,
        /// The member's own connections get it as a change of the account instead.
        #[serde(default)]
        others: bool,
    },
    /// A user's status changed: presence subscribers, and the user's other devices.
    Status {
        /// The user.
        user: UserId,
        /// The status now.
        seen: ShownStatus,
        /// The connection that changed it, which does not get the frame. Its number means nothing on other nodes.
        #[serde(skip)]
        except: Option<u64>,
        /// The account version of the profile that it follows from: while that is still to be delivered to the
        /// user's own devices, they get the status with it.
        #[serde(default)]
        profile: AccountVersion,
    },
    /// A user's account changed: the user's connections, in the order of its versions. The text has a line for each
    /// frame.
    Account {
        /// The user.
        user: UserId,
        /// The version before these changes.
        after: AccountVersion,
        /// The version that they lead to.
        upto: AccountVersion,
        /// The connection that made the change, which is not sent it. Its number means nothing on other nodes.
        #[serde(skip)]
        except: Option<u64>,
    },
    /// A user's names or avatar changed: presence subscribers.
    Renamed {
        /// The user.
        user: UserId,
    },
    /// A block by or of a user has changed: nodes with connections of the user read it. There is no frame.
    Blocks {
        /// The user.
        user: UserId,
    },
    /// Sessions of a user ended: their sockets are closed. There is no frame.
    SessionsEnded {
        /// The user.
        user: UserId,
        /// The sessions.
        sessions: Vec<SessionId>,
    },
}

impl Route {
    /// Its name, as in the JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Change { .. } => "change",
            Self::Entered(_) => "entered",
            Self::Departed { .. } => "departed",
            Self::Typing { .. } => "typing",
            Self::Receipt { .. } => "receipt",
            Self::Status { .. } => "status",
            Self::Account { .. } => "account",
            Self::Renamed { .. } => "renamed",
            Self::Blocks { .. } => "blocks",
            Self::SessionsEnded { .. } => "sessions_ended",
        }
    }
}

/// A user who is in a chat, whose connections are sent the chat as it is at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The user.
    pub user: UserId,
    /// The chat.
    pub chat: ChatId,
    /// The version at which they are sent the chat.
    pub version: Version,
    /// The other member of a private chat, with the status that the frame shows.
    pub peer: Option<(UserId, ShownStatus)>,
    /// True where the user joined by this version. False where they may have been a member for a while.
    pub joined: bool,
}

/// What a node subscribes to on the bus. Chats and users are numbered modulo 4,096, which
/// bounds the number of subscriptions and their memory, however many chats there are. Envelopes of other
/// chats with the same number are ignored by the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The members of some chats.
    Chat(i64),
    /// Some users, and their presence subscribers.
    User(i64),
}

impl Topic {
    const SPREAD: i64 = 4_096;

    /// The topic of a chat.
    pub fn of_chat(chat: ChatId) -> Self {
        Self::Chat(chat.0.rem_euclid(Self::SPREAD))
    }

    /// The topic of a user.
    pub fn of_user(user: UserId) -> Self {
        Self::User(user.0.rem_euclid(Self::SPREAD))
    }
}

/// The end of the bus's subject.
impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(number) => write!(f, "chat.{number}"),
            Self::User(number) => write!(f, "user.{number}"),
        }
    }
}

impl Envelope {
    /// The topic that it is published under. All that matters to the order of a chat's events has the
    /// chat's.
    pub fn topic(&self) -> Topic {
        match self.route {
            Route::Change { chat, .. }
            | Route::Departed { chat, .. }
            | Route::Typing { chat, .. }
            | Route::Receipt { chat, .. } => Topic::of_chat(chat),
            Route::Entered(Entered { user, .. })
            | Route::Status { user, .. }
            | Route::Account { user, .. }
            | Route::Renamed { user }
            | Route::Blocks { user }
            | Route::SessionsEnded { user, .. } => Topic::of_user(user),
        }
    }

    /// As it is sent to other nodes: the route, a line of JSON, and then the frame.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(&self.route)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(self.text.as_bytes());
        Ok(bytes)
    }

    /// The reverse of [`Self::encode`]; `None` where a later version of the program sent something else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let route = serde_json::from_slice(&bytes[..end]).ok()?;
        let text = std::str::from_utf8(&bytes[end + 1..]).ok()?;
        Some(Self { route, text: text.into() })
    }
}

#[cfg(test)]
#[path = "envelope_fuzz.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::presence::Status;

    #[test]
    fn envelopes_survive_the_bus_and_rubbish_is_none() {
        let (user, chat) = (UserId(1), ChatId(2));
        let seen = ShownStatus { status: Status::Away, text: "a\nb".into() };
        let peer = Some((UserId(3), seen.clone()));
        for route in [
            Route::Change { chat, version: Version(7), out: None },
            Route::Change { chat, version: Version(7), out: Some(user) },
            Route::Entered(Entered { user, chat, version: Version(7), peer, joined: true }),
            Route::Departed { chat, departed: vec![Departed { user, version: Version::MAX }] },
            Route::Typing { user, chat, active: true },
            Route::Receipt { user, chat, others: true },
            Route::Status { user, seen, except: None, profile: AccountVersion(4) },
            Route::Account {
                user,
                after: AccountVersion(4),
                upto: AccountVersion(6),
                except: None,
            },
            Route::Renamed { user },
            Route::Blocks { user },
            Route::SessionsEnded { user, sessions: vec![SessionId(5)] },
        ] {
            let envelope = Envelope { route, text: "{\"type\":\"…\"}".into() };
            let sent = envelope.encode().expect("bytes");
            assert_eq!(Envelope::decode(&sent), Some(envelope));
        }
        for rubbish in [&b""[..], b"\n", b"{}\n{}", b"{\"change\":{}}\n", b"\xff\n\xff"] {
            assert_eq!(Envelope::decode(rubbish), None);
        }
    }

    #[test]
    fn nodes_of_other_versions_read_the_same_json() {
        let seen = ShownStatus { status: Status::Busy, text: "hunting".into() };
        let (user, chat, peer) = (UserId(1), ChatId(2), Some((UserId(3), seen)));
        let route = Route::Entered(Entered { user, chat, version: Version(7), peer, joined: true });
        let sent = Envelope { route, text: "{}".into() }.encode().expect("bytes");
        let expected = r#"{"entered":{"user":1,"chat":2,"version":7,"peer":[3,{"status":"busy","text":"hunting"}],"joined":true}}"#;
        assert_eq!(String::from_utf8_lossy(&sent), format!("{expected}\n{{}}"));
        let earlier = b"{\"receipt\":{\"user\":1,\"chat\":2}}\n{}";
        let received = Envelope::decode(earlier).expect("an envelope");
        assert_eq!(received.route, Route::Receipt { user, chat, others: false });
    }

    #[test]
    fn the_number_of_a_connection_is_not_sent() {
        let seen = ShownStatus { status: Status::Busy, text: String::new() };
        let route = |except| Route::Status {
            user: UserId(1),
            seen: seen.clone(),
            except,
            profile: AccountVersion(0),
        };
        let sent = Envelope { route: route(Some(9)), text: "{}".into() };
        let received = Envelope::decode(&sent.encode().expect("bytes")).expect("an envelope");
        assert_eq!(received.route, route(None));
    }
}
