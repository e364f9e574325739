//! Errors as clients see them: DRF's bodies for REST, codes for the socket. The statuses of REST are in
//! `http::errors`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error::Error;

/// An error with one text for the whole request.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
pub struct Detail<'a> {
    /// What is wrong, in English.
    #[schema(example = "Not found.")]
    pub detail: std::borrow::Cow<'a, str>,
    /// A stable name, if DRF's JWT package sends one: `token_not_valid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<&'static str>,
    /// With an error of the server: the id to report to its operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<&'a str>,
}

/// The texts of all wrong fields. Errors of no single field are in `non_field_errors`.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldErrors)]
pub struct FieldTexts(pub BTreeMap<String, Vec<String>>);

/// Why a body is refused: fields are wrong, or it cannot be read.
#[derive(ToSchema)]
#[schema(as = BadRequest)]
#[serde(untagged)]
pub enum RefusedBody {
    /// Fields are wrong.
    Fields(FieldTexts),
    /// The body cannot be read.
    Unreadable(Detail<'static>),
}

/// The stable name of an error: `invalid`, the request is wrong (400 in REST); `not_authenticated`, no
/// valid token; `permission_denied`, the user may not do this; `not_found`, it does not exist, or the
/// user may not know of it; `conflict`, it contradicts the current state; `too_large`, over a size
/// limit; `throttled`, over a rate limit: a client that goes on is closed with 4029; `unavailable`, try
/// again later, nothing was acknowledged; `server_error`, an error of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErrorCode)]
pub enum Code {
    /// The request is wrong: 400 in REST.
    Invalid,
    /// No valid token.
    NotAuthenticated,
    /// The user may not do this.
    PermissionDenied,
    /// It does not exist, or the user may not know of it.
    NotFound,
    /// It contradicts the current state.
    Conflict,
    /// Over a size limit.
    TooLarge,
    /// Over a rate limit.
    Throttled,
    /// Try again later; nothing was acknowledged.
    Unavailable,
    /// An error of the server.
    ServerError,
}

impl From<&Error> for Code {
    fn from(error: &Error) -> Self {
        match error {
            Error::Invalid(_)
            | Error::Malformed(_)
            | Error::MediaType(_)
            | Error::ContentEncoding(_)
            | Error::InvalidCursor => Self::Invalid,
            Error::NotAuthenticated | Error::TokenNotValid | Error::LoginFailed(_) => {
                Self::NotAuthenticated
            }
            Error::PermissionDenied | Error::Blocked => Self::PermissionDenied,
            Error::NotFound => Self::NotFound,
            Error::Conflict(_) => Self::Conflict,
            Error::TooLarge(_) => Self::TooLarge,
            Error::Throttled(_) => Self::Throttled,
            Error::Unavailable(_) | Error::OutcomeUnknown(_) => Self::Unavailable,
            Error::Internal(_) => Self::ServerError,
        }
    }
}
