//! Why sockets are closed: the codes of RFC 6455 and ours, in one place.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::hub::queue::Closing;

/// Why the server closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client said goodbye, or is gone: there is nobody to tell.
    Gone,
    /// It sent a binary frame.
    Binary,
    /// It broke the protocol.
    Protocol,
    /// It sent text that is not UTF-8.
    NotUtf8,
    /// It sent a message over the limit.
    TooBig,
    /// The node stops, or cannot serve it now.
    Restarting {
        /// When to come back, in milliseconds.
        retry_after_ms: u128,
    },
    /// No valid token, or the session has ended.
    NotAuthenticated,
    /// No token in time.
    AuthTimeout,
    /// The user has too many.
    TooMany,
    /// It did not read what it was sent, so that its queue ran over.
    TooSlow,
    /// The same, for so long that it is not waited for.
    Stuck,
    /// It goes on sending what is refused for being too much.
    Throttled,
}

impl Close {
    /// Each way of closing that tells the client something, for the document: when it comes, and
    /// whether the client may simply connect again.
    pub const TOLD: [(Self, &str, bool); 10] = [
        (Self::Protocol, "The client broke RFC 6455.", true),
        (Self::Binary, "The client sent a binary frame.", true),
        (Self::NotUtf8, "The client sent text that is not UTF-8.", true),
        (Self::TooBig, "The client sent a message over the limit.", true),
        (
            Self::Restarting { retry_after_ms: 0 },
            "The node stops, or cannot serve now. The reason is JSON: how many milliseconds to wait \
             before connecting again.",
            true,
        ),
        (Self::NotAuthenticated, "No good `auth` came first, or the session has ended.", false),
        (Self::AuthTimeout, "No `auth` came within 10 s.", true),
        (Self::TooMany, "The user has too many connections; this is the newest.", false),
        (Self::TooSlow, "The client does not read what it is sent.", true),
        (Self::Throttled, "The client goes on sending what is refused as `throttled`.", true),
    ];

    /// What the client is told; `None` where nobody is left to be told.
    pub fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Protocol => (1002, "protocol error".to_owned()),
            Self::Binary => (1003, "only text frames are understood".to_owned()),
            Self::NotUtf8 => (1007, "text must be UTF-8".to_owned()),
            Self::TooBig => (1009, "a message may have 128 KiB".to_owned()),
            Self::Restarting { retry_after_ms } => {
                (1012, format!("{{\"retry_after_ms\": {retry_after_ms}}}"))
            }
            Self::NotAuthenticated => (4001, "not authenticated".to_owned()),
            Self::AuthTimeout => (4002, "no authentication in time".to_owned()),
            Self::TooMany => (4003, "too many connections".to_owned()),
            Self::TooSlow | Self::Stuck => (4008, "too slow".to_owned()),
            Self::Throttled => (4029, "throttled".to_owned()),
        };
        Some(CloseFrame { code: code.into(), reason: reason.into() })
    }
}

impl From<Closing> for Close {
    fn from(closing: Closing) -> Self {
        match closing {
            Closing::SessionEnded => Self::NotAuthenticated,
            Closing::TooSlow => Self::TooSlow,
            Closing::Restarting { retry_after } => {
                Self::Restarting { retry_after_ms: retry_after.as_millis() }
            }
        }
    }
}

impl From<Error> for Close {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => Self::TooBig,
            Error::Utf8(_) => Self::NotUtf8,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Gone,
            Error::Protocol(_) => Self::Protocol,
            _ => Self::Gone,
        }
    }
}
