//! Sessions and their tokens: the bodies that open and renew them, and the answers.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::error::Result;
use crate::domain::ids::SessionId;
use crate::domain::login_names::EMAIL_MAX;
use crate::domain::session::SessionInfo;
use crate::domain::text::{check_present, fold};
use crate::domain::time::Timestamp;
use crate::domain::user::Password;

use super::fields::Fields;
use super::kinds::text;
use super::pages::PageJson;
use super::texts::{password, present};
use super::users::UserJson;
use super::visitor::{Visitor, describe};

/// PostgreSQL's text cannot hold NUL.
const NO_NUL: &str = r"^[^\u0000]*$";

/// A session: a device that is logged in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionJson<'a> {
    /// The `sid` of its tokens.
    #[schema(value_type = i64, minimum = 1)]
    id: SessionId,
    /// When the device logged in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Accurate to a minute.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// The IP address of the login.
    ip: &'a str,
    /// The `User-Agent` of the login.
    user_agent: &'a str,
    /// Whether it is the session of this request.
    current: bool,
}

/// A page of sessions.
pub type SessionPage<'a> = PageJson<SessionJson<'a>>;

impl<'a> SessionJson<'a> {
    /// As its user sees it from the session `current`.
    pub fn of(session: &'a SessionInfo, current: SessionId) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            ip: &session.ip,
            user_agent: &session.user_agent,
            current: session.id == current,
        }
    }
}

/// A new session: its user and its tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSession)]
pub struct OpenedJson<'a> {
    /// Your account.
    pub user: UserJson<'a>,
    /// The access token, to be sent with every request: `Authorization: Bearer …`.
    pub access: &'a str,
    /// The refresh token, which returns the next pair. It can be used once.
    pub refresh: &'a str,
}

/// A session's new tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPair)]
pub struct TokenPairJson<'a> {
    /// The access token, to be sent with every request: `Authorization: Bearer …`.
    pub access: &'a str,
    /// The refresh token, which returns the next pair. It can be used once.
    pub refresh: &'a str,
}

/// A token is valid. There is nothing to say about it.
#[derive(Serialize, ToSchema)]
#[schema(as = Verified)]
pub struct VerifiedJson {}

/// A ticket, which opens one WebSocket.
#[derive(Serialize, ToSchema)]
#[schema(as = Ticket)]
pub struct TicketJson<'a> {
    /// The ticket, for `/ws/?ticket=…`.
    pub ticket: &'a str,
    /// The seconds for which it is valid.
    pub expires_in: u64,
}

/// Logs in.
#[derive(Debug)]
pub struct Login {
    key: Option<String>,
    password: Option<String>,
}

impl PartialSchema for Login {
    fn schema() -> RefOr<Schema> {
        describe("Logs in.", Self::visit)
    }
}

impl ToSchema for Login {}

impl Login {
    fn visit(body: &mut impl Visitor) -> Self {
        let key = text(|name| check_present(&name, EMAIL_MAX).map(|()| fold(name.trim())));
        let key = key.min(1).max(EMAIL_MAX).pattern(NO_NUL).example("whiskers");
        let password = password().pattern(NO_NUL).example("nine-lives-2026");
        Self {
            key: body.required(
                "username",
                "The username or the e-mail address, ignoring case.",
                key,
            ),
            password: body.required("password", "The account's password.", password),
        }
    }

    /// Reads the body: the key of the login name, and the password.
    pub fn parse(mut body: Fields) -> Result<(String, Password)> {
        let Self { key, password } = Self::visit(&mut body);
        body.finish(key.zip(password.map(Password)))
    }
}

/// Renews the tokens.
#[derive(Debug)]
pub struct Refresh {
    refresh: Option<String>,
}

impl PartialSchema for Refresh {
    fn schema() -> RefOr<Schema> {
        describe("Renews the tokens of a session.", Self::visit)
    }
}

impl ToSchema for Refresh {}

impl Refresh {
    fn visit(body: &mut impl Visitor) -> Self {
        let about = "The session's latest refresh token. It can be used once.";
        Self { refresh: body.required("refresh", about, present()) }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<String> {
        let Self { refresh } = Self::visit(&mut body);
        body.finish(refresh)
    }
}

/// Asks whether a token is valid.
#[derive(Debug)]
pub struct Verify {
    token: Option<String>,
}

impl PartialSchema for Verify {
    fn schema() -> RefOr<Schema> {
        describe("Asks whether a token is valid.", Self::visit)
    }
}

impl ToSchema for Verify {}

impl Verify {
    fn visit(body: &mut impl Visitor) -> Self {
        Self { token: body.required("token", "An access or refresh token.", present()) }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<String> {
        let Self { token } = Self::visit(&mut body);
        body.finish(token)
    }
}
