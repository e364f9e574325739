//! Reading what changed in an account. Who changes something takes the account's next version in the same
//! statement or transaction: `users` for the profile, `marks` for read markers.

use constcat::concat;
use serde::Deserialize;

use crate::domain::account_version::ReadState;
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::domain::sync::Versions;

use super::chats::{VERSIONS_OF, VersionLists};
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

/// The chats whose read marker the user moved after `after`, in the order of these changes.
pub async fn read_since(
    at: impl Into<Target<'_>>,
    user: UserId,
    after: AccountVersion,
    limit: usize,
) -> Result<Vec<ReadState>> {
    at.into()
        .query(concat!(
            "select me.chat_id, me.account_version, me.last_delivered_seq, me.last_read_seq, ",
            UNREAD,
            " as unread_count, ",
            UNREAD_MENTIONS,
            " as unread_mentions \
             from members me join chats c on c.id = me.chat_id \
             where me.user_id = $1 and me.account_version > $2 \
             order by me.account_version, me.chat_id limit $3"
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
