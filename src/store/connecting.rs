//! What connecting a socket reads: in two statements, each for many users at once. The order of the two is
//! in `actions::connect`.

use std::collections::HashMap;

use constcat::concat;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

use super::error::{Failure, Result};
use super::query::{Dialects, Target};
use super::users;

/// What is read first.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The epoch.
    pub epoch: String,
    /// The user's chats.
    pub chats: Vec<ChatId>,
    /// The private ones, each with the other user.
    pub peers: Vec<(ChatId, UserId)>,
}

/// What is read last, at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The user.
    pub user: User,
    /// The user's chats, with their versions.
    pub versions: Vec<(ChatId, Version)>,
    /// The chats that the user has left since some time, with the last version by which they did. They may
    /// have returned.
    pub left: Vec<(ChatId, Version)>,
}

/// The entry of each user.
pub async fn entries(
    at: impl Into<Target<'_>>,
    users: &[UserId],
) -> Result<HashMap<UserId, Entry>> {
    // Lists come as text: fetching a thousand rows would cost more than finding them.
    const ENTRY: &str = "select u.id, (select epoch from site where id = 1), \
         (select string_agg(c.id || ':' || \
                 case when c.type <> 'private' then 0 \
                      when c.low_user = me.user_id then c.high_user else c.low_user end, ',') \
          from members me join chats c on c.id = me.chat_id where me.user_id = u.id) \
         from users u where u.id ";
    let rows: Vec<(UserId, String, Option<String>)> = at
        .into()
        .query(Dialects {
            sqlite: concat!(ENTRY, "in (select value from json_each($1))"),
            postgres: concat!(ENTRY, "= any($1)"),
        })
        .bind_list(users)
        .all()
        .await?;
    let entry = |(user, epoch, chats): (UserId, String, Option<String>)| {
        let chats = pairs(chats.as_deref())?;
        let with_peer = chats.iter().filter(|(_, peer)| *peer != 0);
        let peers = with_peer.map(|(chat, peer)| (ChatId(*chat), UserId(*peer))).collect();
        let chats = chats.iter().map(|(chat, _)| ChatId(*chat)).collect();
        Ok((user, Entry { epoch, chats, peers }))
    };
    rows.into_iter().map(entry).collect()
}

/// The standing of each user, with departures since a time.
pub async fn standings(
    at: impl Into<Target<'_>>,
    users: &[UserId],
    since: Timestamp,
) -> Result<HashMap<UserId, Standing>> {
    const STANDING: &str = concat!(
        "select ",
        users::COLUMNS,
        ", (select string_agg(c.id || ':' || c.version, ',') \
             from members me join chats c on c.id = me.chat_id where me.user_id = u.id), \
           (select string_agg(d.chat_id || ':' || d.version, ',') \
             from departures d where d.user_id = u.id and d.at >= $2) \
         from users u where u.id "
    );
    let found: Vec<(User, Option<String>, Option<String>)> = at
        .into()
        .query(Dialects {
            sqlite: concat!(STANDING, "in (select value from json_each($1))"),
            postgres: concat!(STANDING, "= any($1)"),
        })
        .bind_list(users)
        .bind(since)
        .all()
        .await?;
    let standing = |(user, versions, departures): (User, Option<String>, Option<String>)| {
        let versioned = |(chat, version)| (ChatId(chat), Version(version));
        let versions = pairs(versions.as_deref())?.into_iter().map(versioned).collect();
        let mut left = HashMap::new();
        for (chat, version) in pairs(departures.as_deref())?.into_iter().map(versioned) {
            let last = left.entry(chat).or_insert(version);
            *last = version.max(*last);
        }
        Ok((user.id, Standing { user, versions, left: left.into_iter().collect() }))
    };
    found.into_iter().map(standing).collect()
}

/// Parses `1:2,3:4`.
fn pairs(list: Option<&str>) -> Result<Vec<(i64, i64)>> {
    let pair = |piece: &str| {
        let (one, other) = piece.split_once(':')?;
        Some((one.parse().ok()?, other.parse().ok()?))
    };
    let read = |piece| {
        pair(piece).ok_or_else(|| Failure::wrong(format!("no pair of numbers: {piece:?}")).into())
    };
    list.unwrap_or_default().split(',').filter(|piece| !piece.is_empty()).map(read).collect()
}
