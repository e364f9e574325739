//! A wish to set a new password by a mailed link.

use super::error::FieldErrors;
use super::user::Password;

/// What the holder of a link sends, each part where it was readable. Whether the link is good
/// decides what the new password is compared with, so not everything that is wrong is known yet.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// The account's id, as the link spells it.
    pub uid: Option<String>,
    /// The link's proof.
    pub token: Option<String>,
    /// Not looked at by the validators yet.
    pub password: Option<Password>,
    /// What was found wrong already.
    pub errors: FieldErrors,
}
