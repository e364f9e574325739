//! Presence: how others see a user, and what users choose.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::UserId;
use crate::domain::presence::Status;
use crate::domain::time::Timestamp;
use crate::domain::user::{Profile, STATUS_TEXT_MAX};

use super::kinds::Text;
use super::texts::trimmed;

/// How many users a connection can subscribe to, besides the peers of its private chats.
pub const WATCH_MAX: usize = 1_000;

/// A user's presence.
#[derive(Serialize, ToSchema)]
#[schema(as = Presence)]
pub(super) struct StatusOf<'a> {
    /// The user's id.
    #[schema(value_type = i64, minimum = 1, example = 7)]
    user: UserId,
    #[schema(value_type = StatusSchema)]
    status: Status,
    /// The user's status text.
    #[schema(max_length = 140)]
    status_text: &'a str,
    /// When the user was last connected. It does not change while they are invisible.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
}

impl<'a> StatusOf<'a> {
    pub(super) fn of(profile: &'a Profile) -> Self {
        let user = &profile.user;
        Self {
            user: user.id,
            status: profile.status,
            status_text: &user.status_text,
            last_seen: user.last_seen,
        }
    }
}

/// A user's status text: trimmed, may be empty.
pub(super) fn status_text() -> Text<impl FnOnce(String) -> Result<String, String>> {
    trimmed(STATUS_TEXT_MAX)
}

/// A user's presence, as others see it.
#[derive(ToSchema)]
#[schema(as = PresenceStatus, rename_all = "lowercase")]
pub enum StatusSchema {
    /// Connected.
    Online,
    /// Connected, but away from the keyboard.
    Away,
    /// Connected, but not to be disturbed.
    Busy,
    /// Not connected, or invisible.
    Offline,
}

/// The availability that a user chose.
#[derive(ToSchema)]
#[schema(as = Availability, rename_all = "lowercase")]
pub enum AvailabilitySchema {
    /// Appears online while connected.
    Online,
    /// Appears away while connected.
    Away,
    /// Appears busy while connected.
    Busy,
    /// Always appears offline.
    Invisible,
}
