//! The secret key, and how long what it signs is valid.

use std::time::Duration;

use super::reader::{Reader, time};

/// Minimum length of `SECRET_KEY`, in characters (the same as in Django's `check --deploy`).
pub const SECRET_KEY_MIN: usize = 50;

/// Settings of tokens and sessions.
#[derive(Clone)]
pub struct TokenSettings {
    /// `SECRET_KEY`
    pub secret_key: Option<String>,
    /// `ACCESS_TOKEN_LIFETIME`
    pub access_lifetime: Duration,
    /// `REFRESH_TOKEN_LIFETIME`
    pub refresh_lifetime: Duration,
    /// `SESSION_MAX_AGE` and `PASSWORD_RESET_TIMEOUT`
    pub ages: Ages,
}

/// Maximum ages of sessions and links.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// `SESSION_MAX_AGE`: of a session since its login, however much it is used.
    pub session: Duration,
    /// `PASSWORD_RESET_TIMEOUT`: of a password reset link.
    pub reset_link: Duration,
}

impl std::fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSettings")
            .field("access_lifetime", &self.access_lifetime)
            .field("refresh_lifetime", &self.refresh_lifetime)
            .field("ages", &self.ages)
            .finish_non_exhaustive()
    }
}

impl TokenSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            secret_key: from.secret(
                "SECRET_KEY",
                "",
                "At least 50 random characters; the same on every node. The keys that sign tokens,\n\
                 links and cursors are derived from it, so changing it logs everybody out. Required\n\
                 with PostgreSQL. With the embedded database, one is generated on the first start\n\
                 and stored in DATA_DIR.",
                secret_key,
            ),
            access_lifetime: from.get(
                "ACCESS_TOKEN_LIFETIME",
                "15m",
                "How long an access token is valid.",
                time,
            ),
            refresh_lifetime: from.get(
                "REFRESH_TOKEN_LIFETIME",
                "30d",
                "How long a refresh token is valid, and a session that is not used.",
                time,
            ),
            ages: Ages {
                session: from.get(
                    "SESSION_MAX_AGE",
                    "365d",
                    "Maximum age of a session since its login, however much it is used.",
                    time,
                ),
                reset_link: from.get(
                    "PASSWORD_RESET_TIMEOUT",
                    "1h",
                    "How long a password reset link is valid.",
                    time,
                ),
            },
        }
    }
}

fn secret_key(value: &str) -> Result<Option<String>, String> {
    match value.chars().count() {
        0 => Ok(None),
        SECRET_KEY_MIN.. => Ok(Some(value.to_owned())),
        length => Err(format!("must have at least {SECRET_KEY_MIN} characters, it has {length}")),
    }
}
