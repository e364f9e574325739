//! Errors that a program can act on. Texts are for people; whether a retry makes sense is decided by
//! [`ErrorKind::is_transient`] alone.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;

/// The header with the id of a request.
const REQUEST_ID: &str = "x-request-id";

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// The session has ended, or its tokens are invalid: log in again.
    #[error("the session has ended")]
    SessionEnded,
    /// The user has too many connections (close code 4003).
    #[error("the user has too many connections")]
    TooManyConnections,
    /// The request cannot be sent: the server's URL is invalid, say.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// No answer arrived. The request may or may not have been carried out.
    #[error("no answer: {0}")]
    Network(String),
    /// The server sent something that does not follow its protocol.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The program closed the connection.
    #[error("the connection was closed")]
    Closed,
}

/// An error answer, from REST or in an `error` frame.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}{}", self.field_texts())]
#[non_exhaustive]
pub struct ApiError {
    /// What kind of error it is, the same for REST and WebSocket.
    pub kind: ErrorKind,
    /// The HTTP status; none over the WebSocket.
    pub status: Option<u16>,
    /// A text for the whole request; empty if `errors` says it all.
    pub detail: String,
    /// A code for programs, where the server has one, such as `token_not_valid`.
    pub code: Option<String>,
    /// Field errors as Django REST Framework formats them, including `non_field_errors`.
    pub errors: BTreeMap<String, Vec<String>>,
    /// How long to wait before a retry.
    pub retry_after: Option<Duration>,
    /// The id of the request in the server's log: quote it to the server's operator.
    pub request_id: Option<String>,
}

/// The kinds of error answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is invalid (400).
    Invalid,
    /// No valid token (401).
    NotAuthenticated,
    /// You may see it, but not do this (403).
    PermissionDenied,
    /// It does not exist, or you may not see it (404).
    NotFound,
    /// It conflicts with the current state (409).
    Conflict,
    /// Over a size limit (413).
    TooLarge,
    /// Over a rate limit (429).
    Throttled,
    /// Temporarily unavailable; nothing was changed (502, 503, 504).
    Unavailable,
    /// An internal error of the server (other 5xx).
    ServerError,
    /// A kind that this client does not know.
    #[serde(other)]
    Other,
}

impl ErrorKind {
    /// Whether the same request is likely to succeed later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    fn from_status(status: StatusCode) -> Self {
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
    /// The error answer, if the server sent one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// The kind, if the server answered with an error.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.api().map(|error| error.kind)
    }

    /// What the server says of a field; nothing if it accepts it.
    pub fn field(&self, name: &str) -> &[String] {
        self.api().and_then(|error| error.errors.get(name)).map_or(&[], Vec::as_slice)
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The outer error names only the URL; the cause is at the end of the chain.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let text = cause.to_string();
        if error.is_builder() { Self::InvalidRequest(text) } else { Self::Network(text) }
    }
}

impl ApiError {
    /// Parses a REST error. A body that is not JSON, as proxies send it, is ignored.
    pub(crate) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let mut fields = match serde_json::from_str(body) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
            None => None,
        };
        let (detail, code) = (text("detail"), text("code"));
        let request_id = text("request_id").or(header(REQUEST_ID).map(str::to_owned));
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
            kind: ErrorKind::from_status(status),
            status: Some(status.as_u16()),
            detail,
            code,
            errors,
            retry_after: header(RETRY_AFTER.as_str())
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            request_id,
        }
    }

    fn field_texts(&self) -> String {
        let texts =
            self.errors.iter().map(|(field, texts)| format!("{field}: {}", texts.join(" ")));
        let texts = texts.collect::<Vec<_>>().join("; ");
        if self.detail.is_empty() || texts.is_empty() { texts } else { format!(" {texts}") }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn bodies_of_every_shape_are_parsed() {
        let parse = |status, headers: &HeaderMap, body| {
            Error::from(ApiError::from_answer(status, headers, body))
        };
        let mut headers = HeaderMap::new();
        let fields = parse(StatusCode::BAD_REQUEST, &headers, r#"{"content": ["Blank.", "Bad."]}"#);
        assert_eq!(fields.field("content"), ["Blank.", "Bad."]);
        assert!(fields.field("reply_to").is_empty());
        assert_eq!(fields.to_string(), "content: Blank. Bad.");

        let body = r#"{"detail": "Given token not valid.", "code": "token_not_valid"}"#;
        let token = parse(StatusCode::UNAUTHORIZED, &headers, body);
        assert_eq!(token.kind(), Some(ErrorKind::NotAuthenticated));
        assert_eq!(token.to_string(), "Given token not valid.");
        assert_eq!(token.api().and_then(|e| e.code.as_deref()), Some("token_not_valid"));

        headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
        headers.insert(REQUEST_ID, HeaderValue::from_static("r-1"));
        let proxy = ApiError::from_answer(StatusCode::BAD_GATEWAY, &headers, "<html>");
        assert_eq!(
            (proxy.kind, proxy.detail.as_str()),
            (ErrorKind::Unavailable, "502 Bad Gateway")
        );
        assert_eq!(proxy.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(proxy.request_id.as_deref(), Some("r-1"));
    }
}
