//! An error as clients see it: DRF's bodies for REST, codes for the socket. Statuses are HTTP's
//! business and stand in `http::errors`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error::Error;

/// One text for the whole request.
#[derive(Serialize, ToSchema)]
pub struct Detail<'a> {
    /// What is wrong, in English.
    #[schema(example = "Not found.")]
    pub detail: std::borrow::Cow<'a, str>,
    /// A stable name, where DRF's JWT package sends one: `token_not_valid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<&'static str>,
    /// With a fault of the server's: what to quote to its operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<&'a str>,
}

/// Texts a field, all wrong fields at once. What concerns none is under `non_field_errors`.
#[derive(Serialize, ToSchema)]
pub struct FieldTexts(pub BTreeMap<String, Vec<String>>);

/// What went wrong, by a stable name: `invalid`, what REST answers 400; `not_authenticated`, no
/// valid token; `permission_denied`, one may know of it, and not do it; `not_found`, not there, or
/// not one's to know of; `conflict`, it clashes with the present state; `too_large`, over a limit of
/// size; `throttled`, too often: who goes on is closed with 4029; `unavailable`, try again later,
/// nothing was acknowledged; `server_error`, the server's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErrorCode)]
pub enum Code {
    /// What REST answers 400.
    Invalid,
    /// No valid token.
    NotAuthenticated,
    /// One may know of it, not do it.
    PermissionDenied,
    /// Not there, or not one's to know of.
    NotFound,
    /// It clashes with the present state.
    Conflict,
    /// Over a limit of size.
    TooLarge,
    /// Too often.
    Throttled,
    /// Try again later; nothing was acknowledged.
    Unavailable,
    /// The server's fault.
    ServerError,
}

impl From<&Error> for Code {
    fn from(error: &Error) -> Self {
        match error {
            Error::Invalid(_)
            | Error::Malformed(_)
            | Error::MediaType(_)
            | Error::InvalidCursor => Self::Invalid,
            Error::NotAuthenticated | Error::TokenNotValid | Error::LoginFailed => {
                Self::NotAuthenticated
            }
            Error::PermissionDenied => Self::PermissionDenied,
            Error::NotFound => Self::NotFound,
            Error::Conflict(_) => Self::Conflict,
            Error::TooLarge(_) => Self::TooLarge,
            Error::Throttled(_) => Self::Throttled,
            Error::Unavailable(_) | Error::OutcomeUnknown(_) => Self::Unavailable,
            Error::Internal(_) => Self::ServerError,
        }
    }
}
