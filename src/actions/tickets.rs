//! Tickets for clients that cannot set a header on a WebSocket: single-use credentials that open one
//! connection, on any node, within half a minute.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{AGREEMENT, App};
use crate::auth::secrets::{random_hex, sha256_hex};
use crate::domain::error::{Error, Result};
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::store::tickets;

use super::sessions;
use super::unit::Unit;

/// A ticket expires after this.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// The latest expiry that a ticket made by now can have.
pub(super) fn latest(now: Timestamp) -> Timestamp {
    now.plus(LIFETIME).plus(AGREEMENT)
}

/// Creates a ticket for the caller's session.
pub async fn create(app: &Arc<App>, caller: &Caller) -> Result<String> {
    let ticket = random_hex::<32>().map_err(|_| Error::internal("no random numbers"))?;
    let now = app.clock.now();
    let mut unit = Unit::begin(app).await?;
    let hash = sha256_hex(&ticket);
    tickets::insert(&mut unit.tx, &hash, caller.session, now.plus(LIFETIME)).await?;
    unit.commit().await?;
    Ok(ticket)
}

/// Redeems a ticket. [`Error::TokenNotValid`] where it is unknown, used or expired, or its session has
/// ended.
pub async fn redeem(app: &Arc<App>, ticket: &str) -> Result<Caller> {
    let (now, hash) = (app.clock.now(), sha256_hex(ticket));
    // Anybody can call this, so an unknown ticket costs no transaction.
    if !tickets::exists(&app.db, &hash).await? {
        return Err(Error::TokenNotValid);
    }
    let mut unit = Unit::begin(app).await?;
    let session = tickets::take(&mut unit.tx, &hash, now, latest(now)).await?;
    let session = session.ok_or(Error::TokenNotValid)?;
    unit.commit().await?;
    let live = sessions::live(app, session).await?;
    Ok(Caller { user: live.user, session })
}
