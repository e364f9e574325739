//! Presence: the availability that a user chose, whether a device is in use, and the status that others
//! see.

use serde::{Deserialize, Serialize};

/// The availability that a user chose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Availability {
    /// Appears online while connected.
    Online,
    /// Appears away while connected.
    Away,
    /// Appears busy while connected.
    Busy,
    /// Always appears offline.
    Invisible,
}

impl Availability {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Invisible => "invisible",
        }
    }
}

impl TryFrom<String> for Availability {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [Self::Online, Self::Away, Self::Busy, Self::Invisible]
            .into_iter()
            .find(|choice| choice.as_str() == name)
            .ok_or_else(|| format!("no availability is called {name:?}"))
    }
}

/// Whether a connected device is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// In use; the default.
    Active,
    /// The device has reported that it is idle.
    Idle,
}

/// What others see of a user's presence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected.
    Online,
    /// Connected, not at the keyboard.
    Away,
    /// Connected, do not disturb.
    Busy,
    /// Not connected, or invisible.
    Offline,
}
