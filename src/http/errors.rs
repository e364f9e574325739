//! Errors as answers: statuses and headers here, bodies from `wire::errors`. All error answers are
//! written by [`render`], where the request's id is known.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::error::Error;
use crate::wire::errors::{Detail, FieldTexts};

/// How much of a reason is logged, in characters.
const WHY_MAX: usize = 500;

/// The result of a handler.
pub(super) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Why a request failed.
#[derive(Debug, Clone)]
pub(super) enum ApiError {
    /// The error of an action.
    Action(Arc<Error>),
    /// The path does not have this method.
    Method(Method),
    /// The request is not a valid WebSocket handshake.
    Upgrade(StatusCode, &'static str),
}

/// The error of an answer that has its body already, for the access log.
#[derive(Debug, Clone)]
pub(super) struct Logged(pub(super) ApiError);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Action(Arc::new(error.into()))
    }
}

impl IntoResponse for ApiError {
    /// Without a body: [`render`] writes it on the way out.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if response.status() == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110, 15.5.22, and RFC 6455, 4.4, require these.
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Upgrade(status, _) => *status,
            Self::Action(error) => match &**error {
                Error::Invalid(_) | Error::Malformed(_) => StatusCode::BAD_REQUEST,
                Error::NotAuthenticated | Error::TokenNotValid | Error::LoginFailed(_) => {
                    StatusCode::UNAUTHORIZED
                }
                Error::PermissionDenied | Error::Blocked => StatusCode::FORBIDDEN,
                Error::NotFound | Error::InvalidCursor => StatusCode::NOT_FOUND,
                Error::Conflict(_) => StatusCode::CONFLICT,
                Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                Error::MediaType(_) | Error::ContentEncoding(_) => {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE
                }
                Error::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
                Error::Unavailable(_) | Error::OutcomeUnknown(_) => StatusCode::SERVICE_UNAVAILABLE,
                Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// A stable name, for the log.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Method(_) => "method_not_allowed",
            Self::Upgrade(..) => "upgrade_required",
            Self::Action(error) => error.code(),
        }
    }

    /// Why the request was refused, for the log, if [`Self::code`] does not say it all. Without values that
    /// the client sent: texts quote them.
    pub(super) fn why(&self) -> Option<String> {
        let why = match self {
            Self::Action(error) => match &**error {
                Error::Invalid(errors) => {
                    let fields = errors.by_field().iter();
                    let fields = fields.map(|(name, texts)| format!("{name}: {}", texts.join(" ")));
                    fields.collect::<Vec<_>>().join("; ")
                }
                Error::LoginFailed(reason) => return Some(reason.to_string()),
                Error::Malformed(_)
                | Error::Conflict(_)
                | Error::TooLarge(_)
                | Error::MediaType(_) => self.detail().into_owned(),
                _ => return None,
            },
            Self::Upgrade(_, text) => (*text).to_owned(),
            Self::Method(_) => return None,
        };
        Some(without_quotes(&why))
    }

    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Method(method) => format!("Method \"{method}\" not allowed.").into(),
            Self::Upgrade(_, text) => (*text).into(),
            Self::Action(error) => error.to_string().into(),
        }
    }
}

/// A text with `…` for what it quotes, cut if it is long.
fn without_quotes(text: &str) -> String {
    let outside = text.split(['"', '`']).step_by(2).collect::<Vec<_>>().join("…");
    outside.chars().take(WHY_MAX).collect()
}

/// Writes the body and headers of an error. Errors of the server or the database are logged here, once,
/// with the request's id.
pub(super) fn render(response: Response, request_id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(error) = parts.extensions.remove::<ApiError>() else {
        return Response::from_parts(parts, body);
    };
    let mut rendered = match &error {
        ApiError::Action(action) => {
            log(action, request_id);
            match &**action {
                Error::Invalid(errors) => {
                    Json(FieldTexts(errors.by_field().clone())).into_response()
                }
                _ => detail(&error, action, request_id),
            }
        }
        _ => Json(Detail { detail: error.detail(), code: None, request_id: None }).into_response(),
    };
    *rendered.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    if parts.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"api\"");
        rendered.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let ApiError::Action(action) = &error {
        if let Some(seconds) = action.retry_after() {
            rendered.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if matches!(**action, Error::ContentEncoding(_)) {
            // RFC 9110, 12.5.3: so that this is not taken for a wrong media type.
            let plain = HeaderValue::from_static("identity");
            rendered.headers_mut().insert(header::ACCEPT_ENCODING, plain);
        }
    }
    rendered
}

fn detail(error: &ApiError, action: &Error, request_id: &str) -> Response {
    Json(Detail {
        detail: error.detail(),
        code: matches!(action, Error::TokenNotValid).then_some("token_not_valid"),
        request_id: matches!(action, Error::Internal(_)).then_some(request_id),
    })
    .into_response()
}

/// Logs an error of the server or the database.
pub(super) fn log(error: &Error, request_id: &str) {
    match error {
        Error::Internal(cause) => tracing::error!(request_id, %cause, "request failed"),
        Error::Unavailable(cause) => {
            tracing::warn!(request_id, %cause, "request refused: temporarily unavailable")
        }
        Error::OutcomeUnknown(cause) => {
            tracing::warn!(request_id, %cause, "the outcome of a request is unknown");
        }
        _ => {}
    }
}
