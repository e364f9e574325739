//! Sessions and their tokens: the bodies that open and renew them, and the answers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error::Result;
use crate::domain::ids::SessionId;
use crate::domain::session::SessionInfo;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::user::{self, Password};

use super::fields::Fields;
use super::pages::PageJson;
use super::texts::{present, secret};
use super::users::OwnUser;

/// A device that is logged in.
#[derive(Serialize, ToSchema)]
pub struct Session<'a> {
    /// The `sid` of its tokens.
    #[schema(value_type = i64, minimum = 1)]
    id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Give or take a minute.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// Where the login came from.
    ip: &'a str,
    /// With what.
    user_agent: &'a str,
    /// Whether it is the one that asks.
    current: bool,
}

/// A page of sessions.
pub type SessionPage<'a> = PageJson<Session<'a>>;

impl<'a> Session<'a> {
    /// As its owner sees it from the session `current`.
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

/// A new session: whose it is, and its tokens.
#[derive(Serialize, ToSchema)]
pub struct Opened<'a> {
    /// Oneself.
    pub user: OwnUser<'a>,
    /// Goes with every request, as `Authorization: Bearer …`.
    pub access: &'a str,
    /// Buys the next pair, once.
    pub refresh: &'a str,
}

/// A session's next tokens.
#[derive(Serialize, ToSchema)]
pub struct TokenPair<'a> {
    /// Goes with every request, as `Authorization: Bearer …`.
    pub access: &'a str,
    /// Buys the next pair, once.
    pub refresh: &'a str,
}

/// Opens one WebSocket, once.
#[derive(Serialize, ToSchema)]
pub struct Ticket<'a> {
    /// For `/ws/?ticket=…`.
    pub ticket: &'a str,
    /// Seconds.
    pub expires_in: u64,
}

/// Logs in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Login {
    /// Or the e-mail address. Case does not matter.
    #[schema(min_length = 1, max_length = 254, pattern = r"^[^\x00]*$", example = "whiskers")]
    username: String,
    #[schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00]*$", format = Password, example = "nine-lives-2026")]
    password: String,
}

impl Login {
    /// Reads the body: the login's key and the password.
    pub fn parse(mut body: Fields) -> Result<(String, Password)> {
        let username = body.required("username", |name| {
            text::check_present(&name, user::EMAIL_MAX).map(|()| text::fold(name.trim()))
        });
        let password = body.required("password", secret);
        body.finish(username.zip(password.map(Password)))
    }
}

/// Renews the tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Refresh {
    /// The latest one. It is spent.
    #[schema(min_length = 1)]
    refresh: String,
}

impl Refresh {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<String> {
        let token = body.required("refresh", present);
        body.finish(token)
    }
}

/// Asks whether a token is good.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Verify {
    /// Of either kind.
    #[schema(min_length = 1)]
    token: String,
}

impl Verify {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<String> {
        let token = body.required("token", present);
        body.finish(token)
    }
}
