//! Where forwarded messages come from.

use serde::{Deserialize, Serialize};

use super::ids::{MessageId, UserId};
use super::time::Timestamp;
use super::user::UserRef;

/// Where the content of a forwarded message comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardOrigin {
    /// Who wrote it first.
    pub user: UserId,
    /// When that was sent.
    #[serde(with = "micros")]
    pub timestamp: Timestamp,
    /// The message that was forwarded, by which a repeated request is recognised.
    pub message: MessageId,
    /// The first author as everybody is shown now, so it is not stored.
    #[serde(skip)]
    pub author: Option<UserRef>,
}

/// JSON has a time as its microseconds.
mod micros {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}
