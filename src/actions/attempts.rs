//! How often a password may be tried, and a link mailed: counted in the database, so that all nodes
//! count together, and whether or not the try succeeds, so that a success of one's own between two
//! guesses gains nothing.

use std::sync::Arc;

use crate::app::App;
use crate::auth::secrets::sha256_hex;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;
use crate::domain::rate::Rate;
use crate::domain::session::Device;
use crate::store::{sessions, throttles};

use super::unit::Unit;

/// An address may try so many times as often at all accounts together, and an account be tried so
/// many times as often from all addresses together.
const TOGETHER: i64 = 10;
/// Links mailed to an account.
const MAILS: Rate = Rate::hourly(5);

/// Counts a login to an account, by the name given. [`Error::Throttled`] where there were too many:
/// of the account from this address, from this address, or of the account. The last is not held
/// against an address from which its owner has logged in: others cannot lock the owner out.
pub async fn login(app: &Arc<App>, name: &str, device: &Device) -> Result<()> {
    let Some(rate) = app.throttles.login else {
        return Ok(());
    };
    let address = block(device.ip);
    // Always in this order, so that two never wait for each other's rows.
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("login {address} {name}"), rate).await?;
    take(&mut unit, &format!("login from {address}"), rate.times(TOGETHER)).await?;
    match take(&mut unit, &format!("login to {name}"), rate.times(TOGETHER)).await {
        Err(Error::Throttled(_))
            if sessions::is_used_from(&mut unit.tx, name, device.ip).await? => {}
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
    take(&mut unit, &format!("password of {user}"), rate).await?;
    unit.commit().await
}

/// Counts a link mailed to an account: nobody's mailbox is filled.
pub async fn mail(app: &Arc<App>, user: UserId) -> Result<()> {
    if app.throttles.login.is_none() {
        return Ok(());
    }
    let mut unit = Unit::begin(app).await?;
    take(&mut unit, &format!("mail to {user}"), MAILS).await?;
    unit.commit().await
}

/// Takes one of an allowance. Of its name a hash is kept: names and addresses are personal.
async fn take(unit: &mut Unit, name: &str, rate: Rate) -> Result<()> {
    let (key, now) = (sha256_hex(name), unit.now());
    if throttles::take(&mut unit.tx, &key, rate, 1, now).await? {
        return Ok(());
    }
    let full_at = throttles::full_at(&mut unit.tx, &key).await?;
    Err(Error::Throttled(rate.take(1, full_at, now).err().unwrap_or_default()))
}
