//! Reading what changed in an account. Who changes something takes the account's next version in the same
//! statement or transaction: `users` for the profile, `markers` for read markers, all others by [`next`].

use constcat::concat;
use serde::Deserialize;

use crate::domain::account_version::ChatState;
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::domain::sync::Versions;

use super::chats::{VERSIONS_OF, VersionLists};
use super::db::Tx;
use super::error::Result;
use super::member_chats::UNREAD;
use super::mentions::UNREAD_MENTIONS;
use super::query::{Dialects, Target};

/// Where an account stands.
#[derive(Clone, Debug, Deserialize)]
pub struct AccountPosition {
    /// The database's epoch.
    pub epoch: String,
    /// The latest change.
    pub account_version: AccountVersion,
    /// The latest change of profile or availability.
    pub profile_version: AccountVersion,
}

#[derive(Deserialize)]
struct WithVersions {
    position: AccountPosition,
    versions: VersionLists,
}

/// Where an account stands, with the epoch that this belongs to.
pub async fn position(at: impl Into<Target<'_>>, user: UserId) -> Result<AccountPosition> {
    at.into()
        .query(
            "select s.epoch, u.account_version, u.profile_version from users u \
             join site s on s.id = 1 where u.id = $1",
        )
        .brief()
        .bind(user)
        .one()
        .await
}

/// The same, and the versions of the user's chats at that time.
pub async fn with_versions(
    at: impl Into<Target<'_>>,
    user: UserId,
) -> Result<(AccountPosition, Versions)> {
    const SELECT: &str = "select e.epoch, u.account_version, u.profile_version, \
        v.chat_ids, v.chat_versions from site e cross join users u cross join (";
    const OF_USER: &str = ") v where e.id = 1 and u.id = $1";
    let query = at.into().query(Dialects {
        sqlite: concat!(SELECT, VERSIONS_OF.sqlite, OF_USER),
        postgres: concat!(SELECT, VERSIONS_OF.postgres, OF_USER),
    });
    let WithVersions { position, versions } = query.bind(user).one().await?;
    Ok((position, versions.parse()?))
}

/// Takes the account's next version, for a change that is made in the same transaction. The user's row must be
/// locked.
pub async fn next(tx: &mut Tx, user: UserId) -> Result<AccountVersion> {
    let (version,): (AccountVersion,) = tx
        .query(
            "update users set account_version = account_version + 1 where id = $1 \
             returning account_version",
        )
        .bind(user)
        .one()
        .await?;
    Ok(version)
}

/// The chats whose read marker the user moved after `after`, or whose settings, in the order of the first of these
/// changes.
pub async fn chats_since(
    at: impl Into<Target<'_>>,
    user: UserId,
    after: AccountVersion,
    limit: usize,
) -> Result<Vec<ChatState>> {
    at.into()
        .query(concat!(
            "select me.chat_id, \
                    case when me.settings_version <= $2 \
                              or me.account_version between $2 + 1 and me.settings_version \
                         then me.account_version else me.settings_version end as changed, \
                    me.account_version, me.settings_version, \
                    me.last_delivered_seq, me.last_read_seq, ",
            UNREAD,
            " as unread_count, ",
            UNREAD_MENTIONS,
            " as unread_mentions, me.muted_until, me.pinned, me.archived \
             from members me join chats c on c.id = me.chat_id \
             where me.user_id = $1 and (me.account_version > $2 or me.settings_version > $2) \
             order by changed, me.chat_id limit $3"
        ))
        .bind(user)
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .all()
        .await
}

/// The versions of several accounts.
pub async fn versions(
    at: impl Into<Target<'_>>,
    users: &[UserId],
) -> Result<Vec<(UserId, AccountVersion)>> {
    at.into()
        .query(Dialects {
            sqlite: "\
            select id, account_version from users where id in (select value from json_each($1))",
            postgres: "select id, account_version from users where id = any($1)",
        })
        .bind_list(users)
        .all()
        .await
}
