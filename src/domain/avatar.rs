//! A requested change of an avatar, a user's or a group's. Does not look into files.

use bytes::Bytes;

/// A change of an avatar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewAvatar {
    /// Removes it.
    Removed,
    /// The uploaded file: any bytes, but not empty.
    Uploaded(Bytes),
}
