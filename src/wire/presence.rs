//! Presence: how others see a user, and what users choose.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Profile, STATUS_TEXT_MAX, Status};

use super::kinds::Text;
use super::texts::trimmed;

/// Most people whom a connection may watch besides its private chats' peers.
pub const WATCH_MAX: usize = 1_000;

/// How somebody is seen.
#[derive(Serialize, ToSchema)]
#[schema(as = SeenAs)]
pub(super) struct StatusOf<'a> {
    /// The user's id.
    #[schema(value_type = i64, minimum = 1, example = 7)]
    user: UserId,
    #[schema(value_type = schema::Status)]
    status: Status,
    /// A line of the user's own.
    #[schema(max_length = 140)]
    status_text: &'a str,
    /// When the user was last connected; it stands still while they are invisible.
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

/// The enumerations as the schema names them: the domain knows no schema.
pub mod schema {
    use utoipa::ToSchema;

    /// What others see of a person's presence.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum Status {
        /// Connected.
        Online,
        /// Connected, not at the keyboard.
        Away,
        /// Connected, not to be disturbed.
        Busy,
        /// Not connected, or invisible.
        Offline,
    }

    /// What a person chose to be seen as.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum Availability {
        /// As connected, while connected.
        Online,
        /// As away, while connected.
        Away,
        /// As busy, while connected.
        Busy,
        /// Never as connected.
        Invisible,
    }
}
