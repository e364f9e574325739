//! Accounts: registration, updates and deletion, over the API and from the command line.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, Result};
use crate::domain::event::{AccountEvent, Event};
use crate::domain::ids::UserId;
use crate::domain::input::Input;
use crate::domain::session::{Caller, Device};
use crate::domain::text;
use crate::domain::user::{Password, Profile, Registration, User, UserChange, UserRef};
use crate::shares::Holder;
use crate::store::error::StoreError;
use crate::store::users::NewUser;
use crate::store::{
    Target, attachments, blocks, chats, members, search, sessions as session_rows, users,
};

use super::hiding::profiles_for;
use super::login_names::{NamesWanted, taken, taken_meanwhile};
use super::notices::{self, Notice};
use super::passwords::lock_verified;
use super::profiles::profile;
use super::sessions::{self, Opened};
use super::unit::Unit;
use super::{access, admin_sessions, attempts, avatars, grouping, indexing, staff};

/// Counted for what is done on the command line.
const OPERATOR: Holder = Holder::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// Creates an account and its first session.
pub async fn register(
    app: &Arc<App>,
    registration: Input<Registration>,
    device: &Device,
) -> Result<Opened> {
    app.rate_limits.registration(device.ip, app.clock.now())?;
    let (mut unit, id) = create(app, Holder::at(device.ip), registration, false).await?;
    let user = users::by_id(&mut unit.tx, id).await?;
    let user = user.ok_or_else(|| Error::internal("a user was inserted and is not there"))?;
    let tokens = sessions::open(app, &mut unit, id, device).await?;
    unit.commit().await?;
    Ok(Opened { profile: profile(app, user).await?, tokens })
}

/// Creates a superuser.
pub async fn create_superuser(app: &Arc<App>, registration: Input<Registration>) -> Result<UserId> {
    let (unit, id) = create(app, OPERATOR, registration, true).await?;
    unit.commit().await?;
    Ok(id)
}

/// Updates an account: the user's own, or, by staff, that of anybody but a superuser. Fields that only
/// staff or superusers may set are ignored from others. Deactivation ends every session at once. The
/// validation errors so far come with the change: a taken name is reported together with them.
///
/// A request for another name counts towards the rate limit of registrations, since the answer reveals
/// whether the name is taken. Staff who update others are not counted.
pub async fn update(
    app: &Arc<App>,
    caller: &Caller,
    device: &Device,
    id: UserId,
    change: Result<Input<UserChange>>,
) -> Result<Profile> {
    let actor = &caller.user;
    let seen = changeable(&app.db, id, actor).await?;
    let Input { value: mut change, mut errors } = change?;
    // Fields that the actor may not set are ignored, even if they are invalid.
    for (field, may_set) in
        [("is_active", staff::may_set_active(actor)), ("is_staff", staff::may_set_staff(actor))]
    {
        if !may_set {
            errors.remove(field);
        }
    }
    let email = change.email.as_ref().and_then(Option::as_ref);
    let wanted = NamesWanted::new(change.username.as_ref(), email);
    if actor.id == id && wanted.differs_from(&NamesWanted::of(&seen)) {
        app.rate_limits.name_probe(id, device.ip, app.clock.now())?;
    }
    // Before the transaction, for which others wait.
    let avatar = avatars::store(app, actor.id, change.avatar.take(), &mut errors).await?;
    let planned = apply(&seen, change.clone(), actor);
    let entry = indexing::changed(&seen, &planned).await?;
    let mut unit = Unit::begin(app).await?;
    users::lock(&mut unit.tx, id).await?;
    let before = changeable(&mut unit.tx, id, actor).await?;
    errors.extend(taken(&mut unit.tx, &wanted, Some(id)).await?);
    errors.into_result()?;
    let mut after = apply(&before, change, actor);
    after.avatar = avatar.apply(after.avatar);
    let names = NamesWanted::of(&after);
    if names != NamesWanted::of(&before) {
        match users::claim_names(&mut unit.tx, id, &names.keys()).await {
            Err(StoreError::Unique(_)) => {
                drop(unit);
                return Err(taken_meanwhile(app, &wanted, Some(id)).await);
            }
            claimed => claimed?,
        }
    }
    write(&mut unit, actor.id, &before, &mut after).await?;
    // Another device may have changed the names since they were seen: then the entry is wrong, or missing.
    let entry = match entry.filter(|_| planned.names() == after.names()) {
        Some(entry) => Some(entry),
        None => indexing::changed(&before, &after).await?,
    };
    if let Some(entry) = entry {
        search::index(&mut unit.tx, id, &entry).await?;
    }
    if before.avatar != after.avatar {
        unit.discard(before.avatar.clone());
    }
    unit.commit().await?;
    app.hub.presence.local.mark_changed(id, None);
    if text::fold(&before.email) != text::fold(&after.email) {
        notices::send(app, &before, Notice::EmailChanged);
    }
    profiles_for(app, actor, vec![after]).await?.pop().ok_or(Error::NotFound)
}

/// Writes what was changed about an account, whose row is locked: deactivation ends its sessions, and what
/// staff change of others is recorded. Login names and the search index are not written here.
pub(super) async fn write(
    unit: &mut Unit,
    actor: UserId,
    before: &User,
    after: &mut User,
) -> Result<()> {
    if after == before {
        return Ok(());
    }
    let id = before.id;
    after.account_version = users::update(&mut unit.tx, after).await?;
    unit.emit(Event::Account(AccountEvent::reached(id, after.account_version, None)));
    if before.reference() != after.reference() {
        unit.emit(Event::UserUpdated(after.reference()));
    }
    if before.is_active && !after.is_active {
        let now = unit.now();
        let ended = session_rows::end_all(&mut unit.tx, id, now).await?;
        unit.emit(Event::SessionsEnded(id, ended));
    }
    admin_sessions::end_if_demoted(unit, before, after).await?;
    let changes = AuditChanges::between(before, after);
    if actor != id && !changes.is_empty() {
        staff::record(unit, actor, AuditAction::UserUpdate, id.0, changes).await?;
    }
    Ok(())
}

/// Deletes the caller's account, which is anonymised: its messages and private chats stay. The user
/// leaves every group, and transfers ownership of those they own.
pub async fn end(app: &Arc<App>, caller: &Caller, password: Result<Password>) -> Result<()> {
    let wrong = || Error::field("password", "Invalid password.");
    let me = caller.user.id;
    let password = password?;
    attempts::own_password(app, me).await?;
    let verified = users::password(&app.db, me).await?;
    if !app.passwords.verify(Holder::User(me), &password.0, verified.as_deref()).await? {
        return Err(wrong());
    }
    let now = app.clock.now();
    let mut unit = Unit::begin(app).await?;
    lock_verified(&mut unit, caller, verified, wrong(), now).await?;
    let user = users::by_id(&mut unit.tx, me).await?.ok_or(Error::TokenNotValid)?;
    let shell = UserRef::of_shell(me);
    // Emitted while the user still has chats, whose members receive it.
    unit.emit(Event::UserUpdated(shell.clone()));
    for chat in chats::groups_of(&mut unit.tx, me).await? {
        // The user may have been removed from it meanwhile.
        let Ok(group) = access::chat_to_change(&mut unit.tx, chat, me).await else { continue };
        let member = members::one(&mut unit.tx, chat, me).await?.ok_or(Error::NotFound)?;
        grouping::depart(&mut unit, group, member, now).await?;
    }
    let ended = session_rows::end_all(&mut unit.tx, me, now).await?;
    unit.emit(Event::SessionsEnded(me, ended));
    users::end(&mut unit.tx, me, &shell.username, now).await?;
    session_rows::forget_devices(&mut unit.tx, me).await?;
    unit.discard(user.avatar);
    let unsent = attachments::delete_unsent_of(&mut unit.tx, me).await?;
    unit.discard_files(unsent);
    unit.commit().await?;
    app.hub.presence.local.mark_changed(me, None);
    forget_blocks(app, caller).await
}

/// In a transaction of its own: others lock many chats in another order.
async fn forget_blocks(app: &Arc<App>, caller: &Caller) -> Result<()> {
    if !caller.user.in_blocks {
        return Ok(());
    }
    let mut unit = Unit::begin(app).await?;
    blocks::forget(&mut unit.tx, caller.user.id).await?;
    unit.commit().await
}

/// The account with a username or address, for an operator. [`Error::NotFound`] if there is none.
pub async fn by_login(app: &App, key: &str) -> Result<Profile> {
    let (id, _) = users::by_login(&app.db, key).await?.ok_or(Error::NotFound)?;
    let user = users::by_id(&app.db, id).await?.ok_or(Error::NotFound)?;
    profile(app, user).await
}

/// A user for updating by an actor. [`Error::NotFound`] if the actor may not know of them.
async fn changeable(at: impl Into<Target<'_>>, id: UserId, actor: &User) -> Result<User> {
    let user = users::by_id(at, id).await?.filter(|user| user.is_there_for(actor));
    let user = user.ok_or(Error::NotFound)?;
    if staff::may_change(actor, &user) { Ok(user) } else { Err(Error::PermissionDenied) }
}

/// A user with a change applied, as far as the actor may make it.
fn apply(user: &User, change: UserChange, actor: &User) -> User {
    let mut user = user.clone();
    if let Some(username) = change.username {
        user.username = username.as_str().to_owned();
    }
    if let Some(email) = change.email {
        user.email = email.map_or_else(String::new, |email| email.as_str().to_owned());
    }
    user.first_name = change.first_name.unwrap_or(user.first_name);
    user.last_name = change.last_name.unwrap_or(user.last_name);
    user.status_text = change.status_text.unwrap_or(user.status_text);
    user.availability = change.availability.unwrap_or(user.availability);
    if staff::may_set_active(actor) {
        user.is_active = change.is_active.unwrap_or(user.is_active);
    }
    if staff::may_set_staff(actor) {
        user.is_staff = change.is_staff.unwrap_or(user.is_staff);
    }
    user
}

/// Creates an account in a unit of work, if the registration is valid and its names are available.
/// Otherwise returns all validation errors.
async fn create(
    app: &Arc<App>,
    holder: Holder,
    registration: Input<Registration>,
    is_superuser: bool,
) -> Result<(Unit, UserId)> {
    let Input { value: Registration { username, email, password, first_name, last_name }, errors } =
        registration;
    let names = &NamesWanted::new(username.as_ref(), email.as_ref());
    let mut all = taken(&app.db, names, None).await?;
    all.extend(errors);
    all.into_result()?;
    let (Some(username), Some(password)) = (username, password) else {
        return Err(Error::internal("an account was refused without an error"));
    };
    let encoded = app.passwords.hash(holder, &password.0).await?;
    let entry = indexing::entry([username.as_str(), &first_name, &last_name]).await?;
    let user = NewUser {
        username: &username,
        email: email.as_ref(),
        password: &encoded,
        first_name: &first_name,
        last_name: &last_name,
        is_superuser,
    };
    let mut unit = Unit::begin(app).await?;
    match users::insert(&mut unit.tx, &user, app.clock.now()).await {
        // A concurrent registration took the name.
        Err(StoreError::Unique(_)) => {
            drop(unit);
            Err(taken_meanwhile(app, names, None).await)
        }
        inserted => {
            let id = inserted?;
            search::index(&mut unit.tx, id, &entry).await?;
            Ok((unit, id))
        }
    }
}
