//! What can go wrong, for REST, socket and command line alike. Statuses and bodies are made of it
//! elsewhere (`wire::errors`, `http::errors`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::time::Duration;

/// The result of every action.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every way in which an action can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields that are wrong, all at once, with DRF's texts.
    #[error("invalid input")]
    Invalid(FieldErrors),
    /// The request as a whole cannot be understood, such as a body that is no JSON.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// Credentials were due and none came.
    #[error("Authentication credentials were not provided.")]
    NotAuthenticated,
    /// A token that is forged, expired, revoked or of the wrong type.
    #[error("Given token not valid for any token type")]
    TokenNotValid,
    /// Unknown user, wrong password and inactive user, indistinguishable on purpose.
    #[error("No active account found with the given credentials")]
    LoginFailed,
    /// The caller may know of the thing, but not do this with it.
    #[error("You do not have permission to perform this action.")]
    PermissionDenied,
    /// Not there, or not the caller's to know of.
    #[error("Not found.")]
    NotFound,
    /// A page's cursor that we did not make for this list.
    #[error("Invalid cursor")]
    InvalidCursor,
    /// It clashes with the present state; the text says how.
    #[error("{0}")]
    Conflict(&'static str),
    /// The body or frame is over its limit.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The body is of a type that is not read here: this one, as it was named.
    #[error("Unsupported media type \"{0}\" in request.")]
    MediaType(String),
    /// Asked too often; after this while it may work. Nothing was done.
    #[error("Request was throttled. Expected available in {} second{}.",
            in_seconds(*.0), if in_seconds(*.0) == 1 { "" } else { "s" })]
    Throttled(Duration),
    /// A store or queue is away or full; trying again later may work. Nothing was acknowledged.
    #[error("Service temporarily unavailable, try again later.")]
    Unavailable(#[source] Cause),
    /// The answer to a commit was lost, or did not come in time: it may have been done. Under the
    /// same `client_id` a send may be repeated without harm.
    #[error(
        "The outcome is unknown: it may have been done. Look, or repeat it with the same client_id."
    )]
    OutcomeUnknown(#[source] Cause),
    /// Our fault.
    #[error("A server error occurred.")]
    Internal(#[source] Cause),
}

/// What lies behind an [`Error::Unavailable`], [`Error::OutcomeUnknown`] or [`Error::Internal`]: for
/// the log, never for a client.
pub type Cause = Box<dyn StdError + Send + Sync>;

impl Error {
    /// Whether it is what was sent that is wrong: told after whether one may, and whether it is time.
    pub fn is_of_the_body(&self) -> bool {
        use Error::{Invalid, Malformed, MediaType, TooLarge};
        matches!(self, Invalid(_) | Malformed(_) | TooLarge(_) | MediaType(_))
    }

    /// One wrong field.
    pub fn field(name: &str, text: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(name, text);
        Self::Invalid(errors)
    }

    /// When it is worth trying again, in seconds, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(in_seconds(*wait)),
            Self::Unavailable(_) | Self::OutcomeUnknown(_) => Some(2),
            _ => None,
        }
    }

    /// A state that the code's own rules exclude.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }
}

/// Rounded up, so that who waits as long is not too early.
fn in_seconds(wait: Duration) -> u64 {
    wait.as_micros().div_ceil(1_000_000).max(1).try_into().unwrap_or(u64::MAX)
}

/// Wrong fields with their texts, as DRF's serializers collect them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// DRF's name for what concerns no single field.
    pub const NON_FIELD: &'static str = "non_field_errors";

    /// Adds a text to a field.
    pub fn add(&mut self, field: &str, text: impl Into<String>) {
        self.0.entry(field.to_owned()).or_default().push(text.into());
    }

    /// Forgets the errors of a field.
    pub fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Whether the field has a fault already.
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// Takes over what another found.
    pub fn extend(&mut self, other: Self) {
        for (field, texts) in other.0 {
            self.0.entry(field).or_default().extend(texts);
        }
    }

    /// `Err` where there is any fault.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }

    /// Field by field, in alphabetical order.
    pub fn by_field(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }
}
