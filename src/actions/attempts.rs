//! Rate limits that all nodes count together, in the database: tries of a password, mails to an
//! address, people added to groups. A try counts whether or not it succeeds, so that a success of
//! one's own between two guesses gains nothing.

use std::sync::Arc;

use crate::app::App;
use crate::auth::secrets::sha256_hex;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;
use crate::domain::rate::Rate;
use crate::domain::session::Device;
use crate::domain::text;
use crate::store::{sessions, throttles};

use super::unit::Unit;

/// An address may try so many times as often at all accounts together, and an account be tried so
/// many times as often from all addresses together.
const TOGETHER: i64 = 10;

/// Kinds of mail; each has an allowance of its own, so that none can keep another from being sent.
#[derive(Clone, Copy, Debug)]
pub enum MailKind {
    /// A link that resets the password; anybody can ask for one.
    ResetLink,
    /// News of a change of the account.
    Notice,
}

/// Counts a login: of the account, under whichever of its names, or of a name that is nobody's.
/// [`Error::Throttled`] where there were too many: of the account from this address, from this
/// address, or of the account. The last is not held against an address from which its owner has
/// logged in: others cannot lock the owner out.
pub async fn login(
    app: &Arc<App>,
    name: &str,
    account: Option<UserId>,
    device: &Device,
) -> Result<()> {
    let Some(rate) = app.throttles.login else {
        return Ok(());
    };
    let address = block(device.ip);
    // No name has a space, so none is taken for an account.
    let who = account.map_or_else(|| name.to_owned(), |id| format!("account {id}"));
    // Always in this order, so that two never wait for each other's rows.
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("login {address} {who}"), rate, 1).await?;
    take(&mut unit, &format!("login from {address}"), rate.times(TOGETHER), 1).await?;
    match take(&mut unit, &format!("login to {who}"), rate.times(TOGETHER), 1).await {
        Err(Error::Throttled(_)) if is_used_from(&mut unit, account, device).await? => {}
        taken => taken?,
    }
    unit.commit().await
}

/// Counts a try of one's own password by somebody who is logged in: a stolen token shall not find
/// it out.
pub async fn own_password(app: &Arc<App>, user: UserId) -> Result<()> {
    let Some(rate) = app.throttles.login else {
        return Ok(());
    };
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("password of {user}"), rate, 1).await?;
    unit.commit().await
}

/// Counts a mail to an address: nobody's mailbox is filled, whichever accounts the address is
/// written into.
pub async fn mail(app: &Arc<App>, kind: MailKind, to: &str) -> Result<()> {
    let Some(rate) = app.throttles.mails else {
        return Ok(());
    };
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("mail {kind:?} to {}", text::fold(to)), rate, 1).await?;
    unit.commit().await
}

/// Counts the people that a user adds to groups against a rate limit, in the unit of work that adds
/// them: all or none. Call it last, after every other lock is taken.
pub(super) async fn members(app: &App, unit: &mut Unit, by: UserId, added: usize) -> Result<()> {
    match app.throttles.members {
        Some(rate) if added > 0 => {
            let added = i64::try_from(added).map_err(Error::internal)?;
            take(unit, &format!("members added by {by}"), rate, added).await
        }
        _ => Ok(()),
    }
}

/// Whether the account was logged in to from the client's address of late; of IPv6, from its /64.
/// Nobody's account was not, after the same query.
async fn is_used_from(unit: &mut Unit, account: Option<UserId>, device: &Device) -> Result<bool> {
    let used = sessions::addresses(&mut unit.tx, account.unwrap_or(UserId(0))).await?;
    let mut used = used.iter().filter_map(|address| address.parse().ok());
    Ok(used.any(|address| block(address) == block(device.ip)))
}

/// Takes so many of an allowance. Of its name a hash is kept: names and addresses are personal.
async fn take(unit: &mut Unit, name: &str, rate: Rate, weight: i64) -> Result<()> {
    let (key, now) = (sha256_hex(name), unit.now());
    if throttles::take(&mut unit.tx, &key, rate, weight, now).await? {
        return Ok(());
    }
    let full_at = throttles::full_at(&mut unit.tx, &key).await?;
    Err(Error::Throttled(rate.take(weight, full_at, now).err().unwrap_or_default()))
}
