//! What clients send about a forgotten password: described and read as in `requests`.

use utoipa::ToSchema;

use crate::domain::error::Result;
use crate::domain::reset::NewPassword;
use crate::domain::user::{Email, Password};

use super::fields::Fields;
use super::requests::{present, secret};

/// Asks for a link.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct RequestReset {
    /// The account's address. Case does not matter.
    #[schema(min_length = 1, max_length = 254, example = "whiskers@example.org")]
    email: String,
}

impl RequestReset {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Email> {
        let email = body.required("email", |email| Email::parse(present(email)?.trim()));
        body.finish(email)
    }
}

/// Sets a new password by a link.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ConfirmReset {
    /// From the link.
    #[schema(min_length = 1)]
    uid: String,
    /// From the link.
    #[schema(min_length = 1)]
    token: String,
    /// Not common, not all digits, not like the name.
    #[schema(min_length = 8, max_length = 1024, format = Password)]
    new_password: String,
}

impl ConfirmReset {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> NewPassword {
        NewPassword {
            uid: body.required("uid", present),
            token: body.required("token", present),
            password: body.required("new_password", secret).map(Password),
            errors: body.into_errors(),
        }
    }
}
