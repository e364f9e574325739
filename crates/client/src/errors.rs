//! What can go wrong, in types that a program can act upon. Texts are for people; nothing here
//! decides whether to try again but [`Kind::passes`].

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// This crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The server said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The session has ended, or its tokens are not good: log in again.
    #[error("the session has ended")]
    SessionEnded,
    /// The user has too many sockets (close code 4003).
    #[error("the user has too many connections")]
    TooManyConnections,
    /// No answer came: whether it was done is not known.
    #[error("no answer: {0}")]
    Network(String),
    /// The server said what is not in its protocol.
    #[error("not understood: {0}")]
    Protocol(String),
    /// This client was closed.
    #[error("the connection was closed")]
    Closed,
}

/// A refusal, by REST or by an `error` frame.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}{}", self.texts())]
pub struct Refusal {
    /// What kind it is.
    pub kind: Kind,
    /// The HTTP status; none over the socket.
    pub status: Option<u16>,
    /// One text for the whole; empty where `errors` says it all.
    pub detail: String,
    /// Texts by field, as Django REST Framework writes them; `non_field_errors` among them.
    pub errors: BTreeMap<String, Vec<String>>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// What to quote to the server's operator.
    pub request_id: Option<String>,
}

/// The kinds of refusals, the same for REST and socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What was sent is wrong (400).
    Invalid,
    /// No good token (401).
    NotAuthenticated,
    /// One may know of it, not do it (403).
    PermissionDenied,
    /// Not there, or not one's to know of (404).
    NotFound,
    /// It clashes with the present state (409).
    Conflict,
    /// Over a limit of size (413).
    TooLarge,
    /// Too often (429).
    Throttled,
    /// Nothing was done; try again later (502, 503, 504).
    Unavailable,
    /// The server's fault (other 5xx).
    ServerError,
    /// Anything else.
    #[serde(other)]
    Other,
}

impl Kind {
    /// Whether the same request may well succeed a little later.
    pub fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Invalid,
            401 => Self::NotAuthenticated,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::Throttled,
            502..=504 => Self::Unavailable,
            500..=599 => Self::ServerError,
            _ => Self::Other,
        }
    }
}

impl Error {
    /// The kind, where the server refused.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Refused(refusal) => Some(refusal.kind),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The outer error names the URL only; the cause stands at the end of the chain.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::Network(cause.to_string())
    }
}

impl Refusal {
    /// From an answer of REST. A body that is no JSON, as proxies send, counts as none.
    pub(crate) fn of(status: StatusCode, retry_after: Option<Duration>, body: &str) -> Self {
        let mut fields = match serde_json::from_str(body) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
            None => None,
        };
        let (detail, request_id) = (text("detail"), text("request_id"));
        let errors: BTreeMap<String, Vec<String>> = fields
            .into_iter()
            .filter_map(|(name, texts)| Some((name, serde_json::from_value(texts).ok()?)))
            .collect();
        let detail = match detail {
            Some(detail) => detail,
            None if errors.is_empty() => status.to_string(),
            None => String::new(),
        };
        Self {
            kind: Kind::of(status),
            status: Some(status.as_u16()),
            detail,
            errors,
            retry_after,
            request_id,
        }
    }

    fn texts(&self) -> String {
        let texts =
            self.errors.iter().map(|(field, texts)| format!("{field}: {}", texts.join(" ")));
        let texts = texts.collect::<Vec<_>>().join("; ");
        if self.detail.is_empty() || texts.is_empty() { texts } else { format!(" {texts}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_every_shape_are_read() {
        let fields =
            Refusal::of(StatusCode::BAD_REQUEST, None, r#"{"content": ["Blank.", "Bad."]}"#);
        assert_eq!(fields.errors["content"], ["Blank.", "Bad."]);
        assert_eq!(fields.to_string(), "content: Blank. Bad.");

        let detail = Refusal::of(StatusCode::NOT_FOUND, None, r#"{"detail": "Not found."}"#);
        assert_eq!((detail.kind, detail.to_string()), (Kind::NotFound, "Not found.".to_owned()));

        let proxy = Refusal::of(StatusCode::BAD_GATEWAY, None, "<html>");
        assert_eq!((proxy.kind, proxy.detail.as_str()), (Kind::Unavailable, "502 Bad Gateway"));
    }
}
