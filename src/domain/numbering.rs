//! The two counters of a chat, the `seq` of its messages and the `version` of its changes, and the `version` of an
//! account. They are types of their own, since taking one for the other would corrupt synchronisation. Assigning the
//! next number is the store's and the actions' business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A message's position in its chat: 1, 2, 3, … without gaps. 0 is before the first message.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Serialize,
    Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Seq(pub i64);

impl Seq {
    /// Before the first message of a chat.
    pub const ZERO: Self = Self(0);
    /// The first message of a chat.
    pub const FIRST: Self = Self(1);

    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// How many messages come after `earlier`, up to this one.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a durable change of a chat: 1, 2, 3, … without gaps. Each version is one event.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Serialize,
    Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Version(pub i64);

impl Version {
    /// Before the first change of a chat: what a client knows that does not know the chat.
    pub const ZERO: Self = Self(0);
    /// A new chat's version.
    pub const FIRST: Self = Self(1);
    /// Later than every version that a chat can have.
    pub const MAX: Self = Self(i64::MAX);

    /// The version after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The version `changes` after this one; before it where that is negative.
    pub const fn plus(self, changes: i64) -> Self {
        Self(self.0 + changes)
    }

    /// How many changes come after `earlier`, up to this one.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an account's latest durable change. It grows by one with each change, or with each batch of
/// read markers written together.
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
    Serialize,
    Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct AccountVersion(pub i64);
