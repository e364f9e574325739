//! Password reset: a link is mailed to the account's address, and sets a new password.
//!
//! Nothing is stored. As in Django, the link contains an HMAC over the account at the time of the mail. So
//! a change of the password or the address, or a login, invalidates it, and it works once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::{AGREEMENT, App};
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::domain::input::Input;
use crate::domain::login_names::Email;
use crate::domain::password::{self, Attributes};
use crate::domain::reset::NewPassword;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::mail::Mail;
use crate::shares::Holder;
use crate::store::resets::{self, Account};
use crate::store::{sessions, users};

use super::attempts::{self, MailKind};
use super::notices::{self, Notice};
use super::staff;
use super::unit::Unit;

/// The purpose of the HMAC's key.
const PURPOSE: &str = "password reset";
const BAD_TOKEN: &str = "Invalid or expired token.";

/// Mails a link to the active account with this address and a password, if there is one. `origin` is
/// where the link leads, `address` is where the request comes from. Everything happens after the answer,
/// so neither the answer nor its time reveals whether an account exists. Nor does a later answer, since
/// waiting mails do not count there. [`Error::Unavailable`] if too many requests are being looked up.
pub fn request(app: &Arc<App>, email: Email, origin: String, address: IpAddr) -> Result<()> {
    let holder = Holder::at(address);
    let (node, permit) = (Arc::clone(app), app.mailer.request(holder)?);
    app.spawn(async move {
        let account = account_of(&node, &email).await;
        drop(permit);
        let mailed = match account {
            Ok(Some(account)) => mail_link(&node, holder, account, &origin).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = mailed {
            tracing::warn!(error = %error.cause(), "a link for resetting a password could not be mailed");
        }
    });
    Ok(())
}

/// Sets a new password by a link. Every session of the account ends. Returns all validation errors at
/// once.
pub async fn confirm(app: &Arc<App>, wish: Input<NewPassword>) -> Result<()> {
    let Input { value: NewPassword { uid, token, password }, mut errors } = wish;
    let account = proven(app, uid.as_deref(), token.as_deref()).await?;
    if account.is_none() && uid.is_some() && token.is_some() {
        errors.add("token", BAD_TOKEN);
    }
    // A stranger must not learn what the password would be too similar to.
    let of = account.as_ref().map(|account| Attributes::from(&account.user)).unwrap_or_default();
    for fault in password.iter().flat_map(|new| password::faults(&new.0, &of)) {
        errors.add("new_password", fault);
    }
    errors.into_result()?;
    let (Some(account), Some(token), Some(password)) = (account, token, password) else {
        return Err(Error::field("token", BAD_TOKEN));
    };

    let encoded = app.passwords.hash(Holder::User(account.user.id), &password.0).await?;
    let id = account.user.id;
    let mut unit = Unit::begin(app).await?;
    // Of two concurrent requests with the same link, the second one finds another password.
    users::lock(&mut unit.tx, id).await?;
    let now = resets::account(&mut unit.tx, id).await?;
    if now.is_none_or(|account| !is_good(app, &account, &token)) {
        return Err(Error::field("token", BAD_TOKEN));
    }
    users::set_password(&mut unit.tx, id, &encoded).await?;
    let ended = sessions::end_all(&mut unit.tx, id, app.clock.now()).await?;
    unit.emit(Event::SessionsEnded(id, ended));
    unit.commit().await?;
    notices::send(app, &account.user, Notice::PasswordReset);
    Ok(())
}

/// The account to which a link may be mailed.
async fn account_of(app: &App, email: &Email) -> Result<Option<Account>> {
    let account = resets::by_login(&app.db, &email.key()).await?;
    // A username can look like an address. An unusable password cannot be reset.
    Ok(account.filter(|account| {
        text::fold(&account.user.email) == email.key() && !account.password.starts_with('!')
    }))
}

/// Mails a link on behalf of staff, and records that. Their right to it is checked already.
/// [`Error::Conflict`] if the account has no address, no password that can be reset, or is not active.
pub(super) async fn mail_for_staff(
    app: &Arc<App>,
    actor: UserId,
    id: UserId,
    origin: &str,
) -> Result<()> {
    const INACTIVE: &str = "The account is not active.";
    const NO_ADDRESS: &str = "The account has no e-mail address.";
    const NO_PASSWORD: &str = "The account has no password that could be reset.";
    let account = resets::account(&app.db, id).await?.ok_or(Error::Conflict(INACTIVE))?;
    if account.user.email.is_empty() {
        return Err(Error::Conflict(NO_ADDRESS));
    }
    if account.password.starts_with('!') {
        return Err(Error::Conflict(NO_PASSWORD));
    }
    let slot = app.mailer.slot(Holder::User(actor))?;
    attempts::mail(app, MailKind::ResetLink, &account.user.email).await?;
    let mut unit = Unit::begin(app).await?;
    let changes = AuditChanges::default();
    staff::record(&mut unit, actor, AuditAction::UserResetMail, id.0, changes).await?;
    unit.commit().await?;
    app.mailer.send(&slot, &link(app, account, origin)).await
}

async fn mail_link(app: &Arc<App>, holder: Holder, account: Account, origin: &str) -> Result<()> {
    let slot = app.mailer.slot(holder)?;
    attempts::mail(app, MailKind::ResetLink, &account.user.email).await?;
    app.mailer.send(&slot, &link(app, account, origin)).await
}

/// The mail with a link.
fn link(app: &App, account: Account, origin: &str) -> Mail {
    let uid = URL_SAFE_NO_PAD.encode(account.user.id.to_string());
    let token = token(app, &account, app.clock.now());
    let lifetime = in_words(app.ages.reset_link);
    let body = format!(
        "You get this mail because somebody, probably you, asked to reset the password of your\n\
         account. To choose a new one, open this page:\n\
         \n\
         {origin}/reset?uid={uid}&token={token}\n\
         \n\
         Your username, in case you have forgotten it: {}\n\
         \n\
         The link is good for {lifetime}, and for one use. If you did not ask for it, do nothing.\n",
        account.user.username,
    );
    // The stored address, not the requested one: addresses that compare as equal can differ.
    Mail { to: account.user.email, subject: "Reset your password", body }
}

/// The account of a valid link.
async fn proven(app: &App, uid: Option<&str>, token: Option<&str>) -> Result<Option<Account>> {
    let (Some(id), Some(token)) = (uid.and_then(user_id), token) else {
        return Ok(None);
    };
    let account = resets::account(&app.db, id).await?;
    Ok(account.filter(|account| is_good(app, account, token)))
}

fn user_id(uid: &str) -> Option<UserId> {
    let digits = String::from_utf8(URL_SAFE_NO_PAD.decode(uid).ok()?).ok()?;
    digits.parse().ok().map(UserId)
}

fn token(app: &App, account: &Account, made: Timestamp) -> String {
    let hmac = app.signing_key.hmac_of_text(PURPOSE, &state(account, made.seconds()));
    format!("{:x}-{hmac}", made.seconds())
}

fn is_good(app: &App, account: &Account, token: &str) -> bool {
    let Some((made, hmac)) = token.split_once('-') else {
        return false;
    };
    let Ok(made) = i64::from_str_radix(made, 16) else {
        return false;
    };
    let now = app.clock.now();
    let (oldest, newest) =
        (now.minus(app.ages.reset_link).seconds(), now.plus(AGREEMENT).seconds());
    made > oldest
        && made <= newest
        && app.signing_key.is_hmac_of_text(PURPOSE, &state(account, made), hmac)
}

/// A duration in words, in the largest unit of which it is a whole number.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let unit = units.into_iter().find(|(_, length)| seconds.is_multiple_of(*length));
    let (name, length) = unit.unwrap_or(("second", 1));
    match seconds / length {
        1 => format!("one {name}"),
        number => format!("{number} {name}s"),
    }
}

/// What a link's HMAC depends on.
fn state(account: &Account, made: i64) -> String {
    let Account { user, password, last_login } = account;
    let last_login = last_login.map_or(0, Timestamp::micros);
    format!("{}\0{made}\0{last_login}\0{password}\0{}", user.id, user.email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_whole_unit() {
        for (seconds, words) in [
            (1, "one second"),
            (90, "90 seconds"),
            (3_600, "one hour"),
            (5_400, "90 minutes"),
            (86_400, "one day"),
            (259_200, "3 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
