//! The log lines of logins, which are counted, too: the account, the client's address, and the reason of a failure. The account is a
//! hash unless `LOG_ACCOUNTS` says otherwise: names and addresses are personal data, and now and then
//! somebody types a password in place of the name.

use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::session::Device;

/// The purpose of the HMAC's key.
const PURPOSE: &str = "log account";
/// Characters of a hash or a name that are logged.
const HASH_LENGTH: usize = 16;
const NAME_LENGTH: usize = 150;

/// Logs and counts an attempt to log in with the name `key`; `user` has this name, if anybody has.
pub(super) fn attempted(
    app: &App,
    key: &str,
    user: Option<UserId>,
    device: &Device,
    error: Option<&Error>,
) {
    let account: String = match app.logs_names {
        true => key.chars().take(NAME_LENGTH).collect(),
        false => app.signing_key.hmac_of_text(PURPOSE, key)[..HASH_LENGTH].to_owned(),
    };
    let (user, client) = (user.map(|id| id.0), device.ip);
    match error {
        None => {
            app.metrics.logins.succeeded();
            tracing::info!(user, account, %client, "logged in");
        }
        Some(Error::LoginFailed(reason)) => {
            app.metrics.logins.failed();
            tracing::warn!(user, account, %client, reason = reason.to_string(), "login failed");
        }
        Some(Error::Throttled(_)) => {
            app.metrics.logins.throttled();
            tracing::warn!(user, account, %client, reason = "throttled", "login failed");
        }
        // Nobody's fault but the server's, which logs it.
        Some(_) => {}
    }
}
