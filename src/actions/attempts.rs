//! Rate limits that are counted across all nodes, in the database: password attempts, mails to an
//! address, people added to groups. An attempt counts whether or not it succeeds, so that attackers gain
//! nothing by logging in to an account of theirs between guesses.

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

/// The limit for an address on all accounts together, and for an account from all addresses together,
/// as a multiple of the limit for an account from an address.
const TOGETHER: i64 = 10;

/// Kinds of mail. Each has its own limit, so that one kind cannot prevent another.
#[derive(Clone, Copy, Debug)]
pub enum MailKind {
    /// A password reset link, which anybody can request.
    ResetLink,
    /// A notice about a change of the account.
    Notice,
}

/// Counts a login attempt: on an account, under any of its names, or on an unknown name.
/// [`Error::Throttled`] over one of the limits: for the account from this address, for this address, or
/// for the account. The last one does not apply to an address from which its owner has logged in, so
/// that others cannot lock the owner out.
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
    // Names contain no spaces, so none can be confused with an account's key.
    let who = account.map_or_else(|| name.to_owned(), |id| format!("account {id}"));
    // Always in this order, so that concurrent attempts cannot deadlock.
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("login {address} {who}"), rate, 1).await?;
    take(&mut unit, &format!("login from {address}"), rate.times(TOGETHER), 1).await?;
    match take(&mut unit, &format!("login to {who}"), rate.times(TOGETHER), 1).await {
        Err(Error::Throttled(_)) if is_used_from(&mut unit, account, device).await? => {}
        taken => taken?,
    }
    unit.commit().await
}

/// Counts an attempt at the password of a user who is logged in: a stolen token must not allow guessing
/// it.
pub async fn own_password(app: &Arc<App>, user: UserId) -> Result<()> {
    let Some(rate) = app.throttles.login else {
        return Ok(());
    };
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("password of {user}"), rate, 1).await?;
    unit.commit().await
}

/// Counts a mail to an address, so that no mailbox is flooded, whichever accounts contain the address.
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

/// Whether the account was recently logged in to from the client's address; for IPv6, from its /64. For
/// an unknown name the same query runs, and finds nothing.
async fn is_used_from(unit: &mut Unit, account: Option<UserId>, device: &Device) -> Result<bool> {
    let used = sessions::addresses(&mut unit.tx, account.unwrap_or(UserId(0))).await?;
    let mut used = used.iter().filter_map(|address| address.parse().ok());
    Ok(used.any(|address| block(address) == block(device.ip)))
}

/// Counts so many against a limit. Its name is stored as a hash, since names and addresses are personal.
async fn take(unit: &mut Unit, name: &str, rate: Rate, weight: i64) -> Result<()> {
    let (key, now) = (sha256_hex(name), unit.now());
    if throttles::take(&mut unit.tx, &key, rate, weight, now).await? {
        return Ok(());
    }
    let full_at = throttles::full_at(&mut unit.tx, &key).await?;
    Err(Error::Throttled(rate.take(weight, full_at, now).err().unwrap_or_default()))
}
