//! The errors of all actions, for REST, socket and command line alike. `wire::errors` and `http::errors`
//! turn them into bodies and statuses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The result of every action.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All ways in which an action can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Validation errors of all fields, with DRF's texts.
    #[error("invalid input")]
    Invalid(FieldErrors),
    /// The request as a whole cannot be parsed, for example because the body is not JSON.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// Credentials are required and missing.
    #[error("Authentication credentials were not provided.")]
    NotAuthenticated,
    /// A token that is forged, expired, revoked or of the wrong type.
    #[error("Given token not valid for any token type")]
    TokenNotValid,
    /// Unknown user, wrong password and inactive user: clients cannot tell them apart, the log can.
    #[error("No active account found with the given credentials")]
    LoginFailed(LoginFailure),
    /// The caller may know of the object, but not do this with it.
    #[error("You do not have permission to perform this action.")]
    PermissionDenied,
    /// Between the caller and the other user of a private chat, one blocks the other.
    #[error("You cannot message this user.")]
    Blocked,
    /// Does not exist, or the caller may not know of it.
    #[error("Not found.")]
    NotFound,
    /// A cursor that was not made for this list.
    #[error("Invalid cursor")]
    InvalidCursor,
    /// The current state does not allow it; the text says why.
    #[error("{0}")]
    Conflict(&'static str),
    /// The body or frame is over its limit.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The body's media type, which is not supported here.
    #[error("Unsupported media type \"{0}\" in request.")]
    MediaType(String),
    /// The body is compressed, in this way.
    #[error("Unsupported content encoding \"{0}\" in request.")]
    ContentEncoding(String),
    /// Over a rate limit; it may work after this duration. Nothing was done.
    #[error("Request was throttled. Expected available in {} second{}.",
            in_seconds(*.0), if in_seconds(*.0) == 1 { "" } else { "s" })]
    Throttled(Duration),
    /// A database or queue is unavailable or full; a retry may work later. Nothing was acknowledged.
    #[error("Service temporarily unavailable, try again later.")]
    Unavailable(#[source] Cause),
    /// The answer to a commit was lost, or late: the change may have been made. A send may be retried under
    /// the same `client_id`.
    #[error(
        "The outcome is unknown: it may have been done. Look, or repeat it with the same client_id."
    )]
    OutcomeUnknown(#[source] Cause),
    /// A bug.
    #[error("A server error occurred.")]
    Internal(#[source] Cause),
}

/// Why a login failed. For the log, never for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFailure {
    /// No account has this name.
    #[error("unknown user")]
    UnknownUser,
    /// The account's password is not usable, as an anonymised account's.
    #[error("no usable password")]
    NoPassword,
    /// The password is not the account's.
    #[error("wrong password")]
    WrongPassword,
    /// The account is not active.
    #[error("inactive user")]
    Inactive,
    /// The account is not staff, who alone may log in to the admin site.
    #[error("not staff")]
    NotStaff,
}

/// The cause of an [`Error::Unavailable`], [`Error::OutcomeUnknown`] or [`Error::Internal`], for the log,
/// never for a client.
pub type Cause = Box<dyn StdError + Send + Sync>;

impl Error {
    /// Whether the input is wrong: reported after permission and state have been checked.
    pub fn is_of_the_body(&self) -> bool {
        use Error::{ContentEncoding, Invalid, Malformed, MediaType, TooLarge};
        matches!(self, Invalid(_) | Malformed(_) | TooLarge(_) | MediaType(_) | ContentEncoding(_))
    }

    /// A validation error of one field.
    pub fn field(name: &str, text: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(name, text);
        Self::Invalid(errors)
    }

    /// A stable name, for the log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Malformed(_) => "malformed",
            Self::NotAuthenticated => "not_authenticated",
            Self::TokenNotValid => "token_not_valid",
            Self::LoginFailed(_) => "login_failed",
            Self::PermissionDenied => "permission_denied",
            Self::Blocked => "blocked",
            Self::NotFound => "not_found",
            Self::InvalidCursor => "invalid_cursor",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "too_large",
            Self::MediaType(_) => "unsupported_media_type",
            Self::ContentEncoding(_) => "unsupported_content_encoding",
            Self::Throttled(_) => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::OutcomeUnknown(_) => "outcome_unknown",
            Self::Internal(_) => "server_error",
        }
    }

    /// What the log says of it: the cause, where clients do not see it. Never logged by `Debug`, which
    /// shows the values that a database's error quotes.
    pub fn cause(&self) -> &dyn fmt::Display {
        match self {
            Self::Unavailable(cause) | Self::OutcomeUnknown(cause) | Self::Internal(cause) => cause,
            other => other,
        }
    }

    /// When a retry makes sense, in seconds, if that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(in_seconds(*wait)),
            Self::Unavailable(_) | Self::OutcomeUnknown(_) => Some(2),
            _ => None,
        }
    }

    /// The same failure for another who waited for the same work. The cause becomes text: never its debug
    /// form, which may show values.
    pub fn again(&self) -> Self {
        match self {
            Self::Unavailable(cause) => Self::Unavailable(cause.to_string().into()),
            Self::OutcomeUnknown(cause) => Self::OutcomeUnknown(cause.to_string().into()),
            Self::Internal(cause) => Self::Internal(cause.to_string().into()),
            other => Self::Internal(other.to_string().into()),
        }
    }

    /// A state that cannot occur.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }
}

/// Rounded up, so that a client that waits so long is not too early.
fn in_seconds(wait: Duration) -> u64 {
    wait.as_micros().div_ceil(1_000_000).max(1).try_into().unwrap_or(u64::MAX)
}

/// Validation errors by field, as DRF's serializers collect them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// DRF's name for errors of no single field.
    pub const NON_FIELD: &'static str = "non_field_errors";

    /// Adds a text to a field.
    pub fn add(&mut self, field: &str, text: impl Into<String>) {
        self.0.entry(field.to_owned()).or_default().push(text.into());
    }

    /// Whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the errors of a field.
    pub fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Whether the field has an error.
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// Adds the errors of another collection.
    pub fn extend(&mut self, other: Self) {
        for (field, texts) in other.0 {
            self.0.entry(field).or_default().extend(texts);
        }
    }

    /// `Err` if there are any errors.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }

    /// Field by field, in alphabetical order.
    pub fn by_field(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }
}
