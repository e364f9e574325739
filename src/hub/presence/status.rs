//! What others see of a user: the part of a `status` frame that can change.

use serde::{Deserialize, Serialize};

use crate::domain::presence::Status;
use crate::domain::user::Profile;

/// A user's status as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownStatus {
    /// As others see the user.
    pub status: Status,
    /// The user's own words.
    pub text: String,
}

impl ShownStatus {
    /// The status of a user.
    pub fn of(profile: &Profile) -> Self {
        Self { status: profile.status, text: profile.user.status_text.clone() }
    }
}
