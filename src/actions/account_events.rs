//! Sends users' connections what changed in their accounts and was not sent with an event: changes of profiles, and
//! whatever was lost on the bus, came out of order, or was made by another program. It is read from the database.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::account_version::{AccountChanges, ChatState, Fingerprint};
use crate::domain::error::Result;
use crate::domain::event::{AccountChange, AccountEvent, Event};
use crate::domain::numbering::AccountVersion;
use crate::domain::receipt::Markers;
use crate::domain::user::Profile;
use crate::hub::accounts::Behind;
use crate::hub::presence::status::ShownStatus;
use crate::store::account_version;

use super::account_version::changes;

/// How often accounts are looked for of which something is missing.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// How often the versions of all accounts are compared with the database's: an event that was lost is late by this
/// at most.
pub const COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// Accounts compared in one query.
const CHUNK: usize = 1_000;

/// Reads and sends what is missing.
pub async fn catch_up(app: Arc<App>) -> Result<()> {
    for behind in app.hub.accounts.behind() {
        catch_up_one(&app, behind).await?;
    }
    Ok(())
}

/// Compares the accounts of all users who are connected here with the database.
pub async fn compare(app: Arc<App>) -> Result<()> {
    for chunk in app.hub.accounts.users().chunks(CHUNK) {
        for (user, version) in account_version::versions(&app.db, chunk).await? {
            app.hub.accounts.reached(user, version, None);
        }
    }
    Ok(())
}

async fn catch_up_one(app: &App, mut behind: Behind) -> Result<()> {
    loop {
        // A status must not be followed by an older one.
        let _publishing = app.hub.presence.publishing.lock().await;
        let at = account_version::position(&app.db, behind.user).await?;
        let delta = changes(app, behind.user, &at, Some(behind.delivered)).await?;
        let Some(found) = delta.changes.filter(|_| delta.version > behind.delivered) else {
            app.hub.accounts.nothing_beyond(&behind);
            return Ok(());
        };
        let more = found.more;
        app.republish(&events(app, &behind, delta.version, found));
        if !more {
            return Ok(());
        }
        behind.delivered = delta.version;
    }
}

/// The events of what changed up to a version.
fn events(app: &App, behind: &Behind, upto: AccountVersion, found: AccountChanges) -> Vec<Event> {
    let profile = found.user.map(|profile| profile_changes(app, behind, profile));
    let mut changes = profile.unwrap_or_default();
    changes.extend(found.chats.iter().flat_map(chat_changes));
    changes.extend(
        found
            .blocks
            .iter()
            .map(|block| (block.account_version, AccountChange::Block(block.target, block.active))),
    );
    changes.retain(|(version, _)| *version > behind.delivered);
    changes.sort_by_key(|(version, _)| *version);
    for (version, _) in &mut changes {
        // Read after `upto` was: something before it may be missing here.
        *version = upto.min(*version);
    }
    let Behind { user, delivered: after, except, .. } = *behind;
    let event = |(after, upto), changes: &[_], except| {
        Event::Account(AccountEvent { user, after, upto, changes: changes.to_vec(), except })
    };
    let is_status = |(_, change): &(_, AccountChange)| matches!(change, AccountChange::Status(_));
    match changes.iter().position(is_status).filter(|_| except.is_some()) {
        Some(at) => {
            let version = changes[at].0;
            let before = AccountVersion(version.0 - 1);
            vec![
                event((after, before), &changes[..at], None),
                event((before, version), &changes[at..=at], except),
                event((version, upto), &changes[at + 1..], None),
            ]
        }
        None => vec![event((after, upto), &changes, None)],
    }
}

/// The frames that a chat can take.
fn chat_changes(chat: &ChatState) -> [(AccountVersion, AccountChange); 2] {
    let markers = Markers { delivered_seq: chat.last_delivered_seq, read_seq: chat.last_read_seq };
    [
        (chat.account_version, AccountChange::Markers(chat.chat, markers)),
        (chat.settings_version, AccountChange::Settings(chat.chat, chat.settings)),
    ]
}

/// The frames that a changed profile takes.
fn profile_changes(
    app: &App,
    behind: &Behind,
    profile: Profile,
) -> Vec<(AccountVersion, AccountChange)> {
    let user = &profile.user;
    let (id, version, now) = (user.id, user.profile_version, Fingerprint::of(user));
    app.hub.accounts.profile_read(id, now);
    let mut changes = Vec::new();
    if now.rest != behind.profile.rest {
        changes.push((version, AccountChange::Profile(user.reference())));
    }
    if now.status != behind.profile.status {
        app.hub.presence.local.record_own(id, ShownStatus::of(&profile));
        changes.push((version, AccountChange::Status(profile)));
    }
    changes
}
