//! Chats as one of their members sees them. Pages of them are in `chat_lists`.

use constcat::concat;
use serde::Deserialize;

use crate::domain::chat::{Chat, ChatType};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::numbering::{Seq, Version};
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::error::Result;
use super::query::{Dialects, Target};

/// A chat joined with a membership. The rest of a view (the peer, the last message) is read for a whole
/// page at once.
#[derive(Debug)]
pub struct ChatOfMember {
    /// What all members see alike.
    pub chat: Chat,
    /// The other user of a private chat.
    pub peer: Option<UserId>,
    /// The member's role.
    pub my_role: Role,
    /// The member's read marker.
    pub last_read_seq: Seq,
    /// Messages by others, not deleted, after that marker.
    pub unread_count: i64,
    /// The newest message.
    pub last_message: Option<MessageId>,
    /// The sort key of lists.
    pub cursor: ChatCursor,
}

/// A chat's place in lists. It depends on no clock: message ids grow over the whole site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatCursor {
    /// First by the id of the newest message; for a chat without one, by where the ids stood when the chat
    /// was made. Greatest first.
    pub activity: i64,
    /// Then by this, greatest first.
    pub id: ChatId,
}

#[derive(Deserialize)]
struct Row {
    id: ChatId,
    #[serde(rename = "type")]
    kind: ChatType,
    name: String,
    description: String,
    avatar: Option<String>,
    created_at: Timestamp,
    members_count: i64,
    last_seq: Seq,
    version: Version,
    last_message_id: Option<MessageId>,
    activity: i64,
    peer: Option<UserId>,
    role: Role,
    last_read_seq: Seq,
    unread_count: i64,
    creator_id: Option<UserId>,
    creator_username: Option<String>,
    creator_first_name: Option<String>,
    creator_last_name: Option<String>,
    creator_avatar: Option<String>,
}

impl From<Row> for ChatOfMember {
    fn from(row: Row) -> Self {
        let created_by = row.creator_id.map(|id| UserRef {
            id,
            username: row.creator_username.unwrap_or_default(),
            first_name: row.creator_first_name.unwrap_or_default(),
            last_name: row.creator_last_name.unwrap_or_default(),
            avatar: row.creator_avatar,
        });
        Self {
            peer: row.peer,
            my_role: row.role,
            last_read_seq: row.last_read_seq,
            unread_count: row.unread_count,
            last_message: row.last_message_id,
            cursor: ChatCursor { activity: row.activity, id: row.id },
            chat: Chat {
                id: row.id,
                kind: row.kind,
                name: row.name,
                description: row.description,
                avatar: row.avatar,
                created_at: row.created_at,
                created_by,
                members_count: row.members_count,
                last_seq: row.last_seq,
                version: row.version,
            },
        }
    }
}

/// Unread messages of a member `me` in a chat `c`: those after the read marker, without deleted ones. None
/// of them is the member's own, since sending moves the sender's marker.
pub(super) const UNREAD: &str = "\
    c.last_seq - me.last_read_seq \
        - (select count(*) from messages t where t.chat_id = c.id \
               and t.seq > me.last_read_seq and t.deleted_at is not null)";

/// The beginning of queries of a member's chats; `$1` is the member.
const OF_MEMBER: &str = concat!(
    "\
    select c.id, c.type, c.name, c.description, c.avatar, c.created_at, c.members_count, \
           c.last_seq, c.version, c.last_message_id, \
           coalesce(c.last_message_id, c.first_activity, 0) as activity, \
           case when c.low_user = me.user_id then c.high_user else c.low_user end as peer, \
           me.role, me.last_read_seq, ",
    UNREAD,
    " as unread_count, \
           u.id as creator_id, u.username as creator_username, \
           u.first_name as creator_first_name, u.last_name as creator_last_name, \
           u.avatar as creator_avatar \
    from members me \
    join chats c on c.id = me.chat_id \
    left join users u on u.id = c.created_by \
    where me.user_id = $1 "
);
const SIZES: &str = "\
    select me.chat_id, cast(octet_length(c.name) + octet_length(c.description) \
               + coalesce(octet_length(m.content), 0) as bigint) as bytes, \
           coalesce(c.last_message_id, c.first_activity, 0) as activity \
    from members me \
    join chats c on c.id = me.chat_id \
    left join messages m on m.id = c.last_message_id \
    where me.user_id = $1 ";
const NEWEST_FIRST: &str = " order by activity desc, c.id desc";

/// The size in bytes of the texts of those chats that the user is a member of, including their newest
/// messages, newest activity first. Does not read the texts.
pub async fn sizes(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[ChatId],
) -> Result<Vec<(ChatId, i64)>> {
    let rows: Vec<(ChatId, i64, i64)> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                SIZES,
                "and me.chat_id in (select value from json_each($2))",
                NEWEST_FIRST
            ),
            postgres: concat!(SIZES, "and me.chat_id = any($2)", NEWEST_FIRST),
        })
        .bind(user)
        .bind_list(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(chat, bytes, _)| (chat, bytes)).collect())
}

/// Those of the chats that the user is a member of, with the membership, newest activity first.
pub async fn of_member(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[ChatId],
) -> Result<Vec<ChatOfMember>> {
    let rows: Vec<Row> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                OF_MEMBER,
                "and me.chat_id in (select value from json_each($2))",
                NEWEST_FIRST
            ),
            postgres: concat!(OF_MEMBER, "and me.chat_id = any($2)", NEWEST_FIRST),
        })
        .bind(user)
        .bind_list(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
