//! What staff and superusers may do, and the record of it. REST and the admin site ask here; there is no
//! other place. Members' roles are `domain::role`.

use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::user::User;
use crate::store::{Target, audit, users};

use super::unit::Unit;

/// Why staff may not act on a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBeneath {
    /// So that the last member of staff cannot lock everybody out.
    #[error("You cannot do this to your own account.")]
    Own,
    /// A superuser, for staff.
    #[error("Only a superuser can act on a superuser.")]
    Superuser,
    /// Staff, for staff.
    #[error("Only a superuser can act on staff.")]
    Staff,
}

/// Whether the user may moderate: handle reports, delete any chat and any message.
pub fn moderates(user: &User) -> bool {
    user.is_active && user.is_staff
}

/// [`Error::PermissionDenied`] unless the user may moderate.
pub fn for_staff(user: &User) -> Result<()> {
    if moderates(user) { Ok(()) } else { Err(Error::PermissionDenied) }
}

/// [`moderates`], as the user is now. An open socket may be older than the user's rights.
pub async fn moderates_now(at: impl Into<Target<'_>>, user: UserId) -> Result<bool> {
    Ok(users::by_id(at, user).await?.is_some_and(|user| moderates(&user)))
}

/// Whether the actor may change an account over the API: their own, or, as staff, that of anybody but a
/// superuser, or, as a superuser, anybody's.
pub fn may_change(actor: &User, target: &User) -> bool {
    actor.id == target.id || actor.is_staff && (actor.is_superuser || !target.is_superuser)
}

/// Whether the actor may set `is_active`, of those whose accounts they [`may_change`].
pub fn may_set_active(actor: &User) -> bool {
    actor.is_staff
}

/// Whether the actor may set `is_staff`, of those whose accounts they [`may_change`].
pub fn may_set_staff(actor: &User) -> bool {
    actor.is_superuser
}

/// Whether the actor may act on a user in the admin site: deactivate them, end their sessions, mail them
/// a link. Stricter than [`may_change`]: staff do not act on each other, and nobody on themselves.
pub fn may_act_on(actor: &User, target: &User) -> Result<(), NotBeneath> {
    match target {
        _ if target.id == actor.id => Err(NotBeneath::Own),
        _ if actor.is_superuser => Ok(()),
        User { is_superuser: true, .. } => Err(NotBeneath::Superuser),
        User { is_staff: true, .. } => Err(NotBeneath::Staff),
        _ => Ok(()),
    }
}

/// Records what an actor did, in the unit of work that does it.
pub async fn record(
    unit: &mut Unit,
    actor: UserId,
    action: AuditAction,
    target: i64,
    changes: AuditChanges,
) -> Result<()> {
    let now = unit.now();
    audit::insert(&mut unit.tx, actor, action.as_str(), target, &changes.into_detail(), now)
        .await?;
    Ok(())
}
