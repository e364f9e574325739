//! Ids and numbers of the API: a type for each, so that they cannot be confused. Each is the integer
//! of the wire, in JSON and in text.

use derive_more::{Display, FromStr};
use serde::{Deserialize, Serialize};

/// A user's id.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct UserId(pub i64);

/// A chat's id.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct ChatId(pub i64);

/// A message's id, unique over all chats.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct MessageId(pub i64);

/// An attachment's id.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct AttachmentId(pub i64);

/// A session's id: the `sid` of its tokens.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct SessionId(pub i64);

/// A message's position in its chat: 1, 2, 3, … without gaps. It never changes. 0 is before the first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub i64);

/// The number of a chat's, or of your account's, latest durable change. 0 is before the first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    FromStr,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Seq {
    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position before this one.
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

impl Version {
    /// The version after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The version before this one.
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ids_are_plain_integers_in_text_and_json_and_as_keys() {
        let chat: ChatId = "7".parse().expect("an id");
        assert_eq!(chat.to_string(), "7");
        assert!("seven".parse::<ChatId>().is_err());
        let versions = BTreeMap::from([(chat, Version(3))]);
        let json = serde_json::to_string(&versions).expect("JSON");
        assert_eq!(json, r#"{"7":3}"#);
        let back: BTreeMap<ChatId, Version> = serde_json::from_str(&json).expect("versions");
        assert_eq!(back, versions);
    }
}
