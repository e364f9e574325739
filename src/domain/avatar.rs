//! What somebody wants their own picture, or a group's, to be. What is in a file is not looked at
//! here.

use bytes::Bytes;

/// A change of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewAvatar {
    /// There shall be none.
    Removed,
    /// A file, as it was sent: it may be anything but empty.
    Uploaded(Bytes),
}
