//! Chats as one of their members sees them. Pages of them are in `chat_lists`.

use constcat::concat;
use serde::Deserialize;

use crate::domain::chat::{Chat, ChatType};
use crate::domain::chat_settings::ChatSettings;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::message::Message;
use crate::domain::numbering::{Seq, Version};
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::error::Result;
use super::mentions::UNREAD_MENTIONS;
use super::messages::{JOINED, Joined};
use super::origins::add_authors;
use super::query::{Dialects, Statement, Target};

/// A chat joined with a membership and its newest message. The rest of a view (the peer, the message's
/// status) is read for a whole page at once.
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
    /// Those of them that mention the member.
    pub unread_mentions: i64,
    /// The member's settings.
    pub settings: ChatSettings,
    /// Whether the member blocks the peer.
    pub blocked: bool,
    /// Whether the peer blocks the member.
    pub is_hidden: bool,
    /// The newest message.
    pub last_message: Option<Message>,
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
    first_seq: Seq,
    version: Version,
    activity: i64,
    peer: Option<UserId>,
    role: Role,
    last_read_seq: Seq,
    unread_count: i64,
    unread_mentions: i64,
    settings: ChatSettings,
    blocked: bool,
    is_hidden: bool,
    creator_id: Option<UserId>,
    creator_username: Option<String>,
    creator_first_name: Option<String>,
    creator_last_name: Option<String>,
    creator_avatar: Option<String>,
    message: Joined,
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
            unread_mentions: row.unread_mentions,
            settings: row.settings,
            blocked: row.blocked,
            is_hidden: row.is_hidden,
            last_message: row.message.of(row.id),
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
                first_seq: row.first_seq,
                version: row.version,
            },
        }
    }
}

/// Unread messages of a member `me` in a chat `c`: those after the read marker, without deleted and removed
/// ones. None of them is the member's own, since sending moves the sender's marker.
pub(super) const UNREAD: &str = "\
    c.last_seq \
        - (case when me.last_read_seq < c.first_seq then c.first_seq - 1 else me.last_read_seq end) \
        - (select count(*) from messages t where t.chat_id = c.id \
               and t.seq > me.last_read_seq and t.seq >= c.first_seq and t.deleted_at is not null)";

/// By what a chat `c` is ordered in lists.
pub(super) const ACTIVITY: &str = "coalesce(c.last_message_id, c.first_activity, 0)";

/// The beginning of queries of a member's chats; `$1` is the member. What follows in parentheses selects
/// `id` and `activity` of those that are wanted. SQLite takes the tables of a cross join in their order.
pub(super) const OF_MEMBER: &str = concat!(
    "\
    select c.id, c.type, c.name, c.description, c.avatar, c.created_at, c.members_count, \
           c.last_seq, c.first_seq, c.version, w.activity, \
           case when c.low_user = me.user_id then c.high_user else c.low_user end as peer, \
           me.role, me.last_read_seq, ",
    UNREAD,
    " as unread_count, ",
    UNREAD_MENTIONS,
    " as unread_mentions, me.muted_until, me.pinned, me.archived, \
           case when c.low_user = me.user_id then c.low_blocks else c.high_blocks end as blocked, \
           case when c.low_user = me.user_id then c.high_blocks else c.low_blocks end as is_hidden, \
           u.id as creator_id, u.username as creator_username, \
           u.first_name as creator_first_name, u.last_name as creator_last_name, \
           u.avatar as creator_avatar, ",
    JOINED,
    "from ("
);
/// The end of these queries.
pub(super) const WANTED: &str = ") w \
    cross join chats c cross join members me \
    left join users u on u.id = c.created_by \
    left join messages m on m.id = c.last_message_id and m.seq >= c.first_seq \
    left join users s on s.id = m.sender_id \
    where c.id = w.id and me.chat_id = w.id and me.user_id = $1 \
    order by w.activity desc, w.id desc";

/// The beginning of what may be in those parentheses.
pub(super) const THESE: &str =
    concat!("select c.id, ", ACTIVITY, " as activity from chats c where c.id ");
const IN_LIST: Dialects =
    Dialects { sqlite: "in (select value from json_each($2))", postgres: "= any($2)" };

/// Those of the chats that the user is a member of, with the membership, newest activity first.
pub async fn of_member(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[ChatId],
) -> Result<Vec<ChatOfMember>> {
    let sql = Dialects {
        sqlite: concat!(OF_MEMBER, THESE, IN_LIST.sqlite, WANTED),
        // The offset keeps PostgreSQL from reading all of the member's chats first.
        postgres: concat!(OF_MEMBER, THESE, IN_LIST.postgres, " offset 0", WANTED),
    };
    read(at.into(), |at| at.query(sql).bind(user).bind_list(ids)).await
}

/// The chats whose texts, including their newest messages, have `bytes` together, counting `each` for the
/// rest of a chat; but at least one. Does not read the texts of the others.
const FITTING: &str = concat!(
    "select s.id, s.activity from ( \
         select b.id, b.activity, sum(b.bytes) over w as upto, row_number() over w as place \
         from (select c.id, ",
    ACTIVITY,
    " as activity, $4 + octet_length(c.name) + octet_length(c.description) \
                      + coalesce((select octet_length(m.content) \
                                         + coalesce(octet_length(m.extras), 0) from messages m \
                                  where m.id = c.last_message_id), 0) as bytes \
               from chats c where c.id "
);
const THAT_FIT: &str = ") b window w as (order by b.activity desc, b.id desc)) s \
                        where s.upto <= $3 or s.place = 1";

/// Like [`of_member`], but only so many, newest activity first, that their texts and newest messages have
/// at most `bytes`, and `each` for the rest of a chat. The first one always fits.
pub async fn fitting(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[ChatId],
    bytes: usize,
    each: usize,
) -> Result<Vec<ChatOfMember>> {
    let sql = Dialects {
        sqlite: concat!(OF_MEMBER, FITTING, IN_LIST.sqlite, THAT_FIT, WANTED),
        postgres: concat!(OF_MEMBER, FITTING, IN_LIST.postgres, THAT_FIT, WANTED),
    };
    let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let (bytes, each) = (number(bytes), number(each));
    read(at.into(), |at| at.query(sql).bind(user).bind_list(ids).bind(bytes).bind(each)).await
}

/// The chats of a query.
pub(super) async fn read(
    mut at: Target<'_>,
    query: impl FnOnce(Target<'_>) -> Statement<'_>,
) -> Result<Vec<ChatOfMember>> {
    let rows: Vec<Row> = query(at.reborrow()).all().await?;
    let mut chats: Vec<ChatOfMember> = rows.into_iter().map(Into::into).collect();
    add_authors(at, chats.iter_mut().filter_map(|chat| chat.last_message.as_mut())).await?;
    Ok(chats)
}
