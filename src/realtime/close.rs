//! Why sockets are closed: the codes of RFC 6455 and our own, in one place.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::hub::queue::Closing;

/// Why the server closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client has closed the connection or is gone. No close frame is sent.
    Gone,
    /// It sent a binary frame.
    Binary,
    /// It broke the protocol.
    Protocol,
    /// It sent text that is not UTF-8.
    NotUtf8,
    /// It sent a message over the limit.
    TooBig,
    /// The node stops or cannot serve now.
    Restarting {
        /// When to reconnect, in milliseconds.
        retry_after_ms: u128,
    },
    /// No valid token, or the session ended.
    NotAuthenticated,
    /// Authentication timed out.
    AuthTimeout,
    /// The user has too many connections.
    TooMany,
    /// A slow consumer: its queue overflowed.
    TooSlow,
    /// A slow consumer: a write timed out. It is not waited for any longer.
    Stuck,
    /// It goes on sending frames that the rate limit rejects.
    Throttled,
}

/// Whether a client should reconnect by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// Yes, with a backoff.
    Yes,
    /// No: it would be closed again for the same reason.
    No,
}

impl Close {
    /// The reasons that clients see, for the AsyncAPI document: each with when it is used, and whether the
    /// client should reconnect.
    pub const DOCUMENTED: [(Self, &str, Reconnect); 10] = [
        (Self::Protocol, "The client violated RFC 6455.", Reconnect::Yes),
        (Self::Binary, "The client sent a binary frame.", Reconnect::Yes),
        (Self::NotUtf8, "The client sent text that is not UTF-8.", Reconnect::Yes),
        (Self::TooBig, "The client sent a message over the limit.", Reconnect::Yes),
        (
            Self::Restarting { retry_after_ms: 0 },
            "The node stops or cannot serve now. The reason is JSON that says how many milliseconds \
             to wait before reconnecting.",
            Reconnect::Yes,
        ),
        (
            Self::NotAuthenticated,
            "The first frame was no valid `auth`, or the session ended.",
            Reconnect::No,
        ),
        (Self::AuthTimeout, "No `auth` within 10 s.", Reconnect::Yes),
        (Self::TooMany, "The user has too many connections; this is the newest.", Reconnect::No),
        (
            Self::TooSlow,
            "A slow consumer: the client does not read what it is sent.",
            Reconnect::Yes,
        ),
        (
            Self::Throttled,
            "The client goes on sending although it gets `throttled` errors.",
            Reconnect::Yes,
        ),
    ];

    /// Its name, for the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "client_gone",
            Self::Binary => "binary_frame",
            Self::Protocol => "protocol_error",
            Self::NotUtf8 => "not_utf8",
            Self::TooBig => "too_big",
            Self::Restarting { .. } => "restarting",
            Self::NotAuthenticated => "not_authenticated",
            Self::AuthTimeout => "auth_timeout",
            Self::TooMany => "too_many",
            Self::TooSlow | Self::Stuck => "slow_consumer",
            Self::Throttled => "throttled",
        }
    }

    /// The close frame; `None` where the client is gone.
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
