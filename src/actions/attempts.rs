//! Rate limits that all nodes count together, in the database: password attempts, mails to an
//! address, members added to groups, reports. An attempt counts whether or not it succeeds, so logging in to
//! your own account between guesses gains nothing.

use std::sync::Arc;

use crate::app::App;
use crate::auth::secrets::sha256_hex;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;
use crate::domain::rate::Rate;
use crate::domain::session::Device;
use crate::domain::text;
use crate::store::{rate_limits, sessions};

use super::unit::Unit;

/// How many times the limit of one account from one address is allowed for an address with all
/// accounts together, and for an account from all addresses together.
const TOGETHER: u32 = 10;

/// Kinds of mail. Each has a rate limit of its own, so that none can keep another from being sent.
#[derive(Clone, Copy, Debug)]
pub enum MailKind {
    /// A password reset link. Anybody can request one.
    ResetLink,
    /// A notice that the account was changed.
    Notice,
}

/// Counts a login attempt: for the account, whichever of its names was used, or for a name without an
/// account. [`Error::Throttled`] after too many attempts: for the account from this address, from this
/// address, or for the account. The last limit does not apply to addresses from which the owner has
/// logged in recently, so others cannot lock the owner out.
pub async fn login(
    app: &Arc<App>,
    name: &str,
    account: Option<UserId>,
    device: &Device,
) -> Result<()> {
    let Some(rate) = app.rate_limits.login else {
        return Ok(());
    };
    let address = block(device.ip);
    // Names have no spaces, so no name looks like an account.
    let who = account.map_or_else(|| name.to_owned(), |id| format!("account {id}"));
    // Always in this order, so that two transactions never deadlock.
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("login {address} {who}"), rate, 1).await?;
    take(&mut unit, &format!("login from {address}"), rate.times(TOGETHER), 1).await?;
    match take(&mut unit, &format!("login to {who}"), rate.times(TOGETHER), 1).await {
        Err(Error::Throttled(_)) if is_used_from(&mut unit, account, device).await? => {}
        taken => taken?,
    }
    unit.commit().await
}

/// Counts a check of the password of a user who is logged in: a stolen token must not allow guessing
/// it.
pub async fn own_password(app: &Arc<App>, user: UserId) -> Result<()> {
    let Some(rate) = app.rate_limits.login else {
        return Ok(());
    };
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("password of {user}"), rate, 1).await?;
    unit.commit().await
}

/// Counts a mail to an address, so that no mailbox is flooded, however many accounts have the
/// address.
pub async fn mail(app: &Arc<App>, kind: MailKind, to: &str) -> Result<()> {
    let Some(rate) = app.rate_limits.mails else {
        return Ok(());
    };
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("mail {kind:?} to {}", text::fold(to)), rate, 1).await?;
    unit.commit().await
}

/// Counts members that a user adds to groups, all or none, in the unit of work that adds them. Call it
/// last, after every other lock is taken.
pub(super) async fn members(app: &App, unit: &mut Unit, by: UserId, added: usize) -> Result<()> {
    match app.rate_limits.members {
        Some(rate) if added > 0 => {
            let added = u32::try_from(added).map_err(Error::internal)?;
            take(unit, &format!("members added by {by}"), rate, added).await
        }
        _ => Ok(()),
    }
}

/// Counts a report, in the unit of work that makes it. Call it last, after every other lock is taken.
pub(super) async fn report(app: &App, unit: &mut Unit, by: UserId) -> Result<()> {
    match app.rate_limits.reports {
        Some(rate) => take(unit, &format!("reports by {by}"), rate, 1).await,
        None => Ok(()),
    }
}

/// Whether the account was logged in to from the client's address recently (IPv6: from its /64).
/// Without an account the same query runs, so that the time does not reveal which names exist.
async fn is_used_from(unit: &mut Unit, account: Option<UserId>, device: &Device) -> Result<bool> {
    let used = sessions::addresses(&mut unit.tx, account.unwrap_or(UserId(0))).await?;
    let mut used = used.iter().filter_map(|address| address.parse().ok());
    Ok(used.any(|address| block(address) == block(device.ip)))
}

/// Takes `weight` uses of a limit. Its name is stored as a hash, since names and addresses are personal
/// data.
async fn take(unit: &mut Unit, name: &str, rate: Rate, weight: u32) -> Result<()> {
    let (key, now) = (sha256_hex(name), unit.now());
    if rate_limits::take(&mut unit.tx, &key, rate, weight, now).await? {
        return Ok(());
    }
    let full_at = rate_limits::full_at(&mut unit.tx, &key).await?;
    Err(Error::Throttled(rate.take(weight, full_at, now).err().unwrap_or_default()))
}
