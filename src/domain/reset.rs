//! A request to set a new password by a mailed link.

use super::user::Password;

/// The parts of the request that could be parsed. The new password is compared with the attributes of the
/// link's account, so not all validation errors are known yet.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// The account's id, as encoded in the link.
    pub uid: Option<String>,
    /// The link's token.
    pub token: Option<String>,
    /// The new password, not yet validated.
    pub password: Option<Password>,
}
