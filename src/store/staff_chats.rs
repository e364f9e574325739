//! Chats for staff: facts, never contents. Lists are in the order of an index, or read a bounded number of
//! rows.

use constcat::concat;
use serde::Deserialize;

use crate::domain::chat::ChatType;
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::staff_chats::ChatFacts;
use crate::domain::time::Timestamp;

use super::error::Result;
use super::query::{Dialects, Statement, Target};

/// The names are looked up row by row, which bounds the work by the limit.
const COLUMNS: &str = "\
    c.id, c.type, c.name, c.created_at, c.members_count, c.last_seq, c.active_at, c.last_message_id, \
    c.created_by, (select u.username from users u where u.id = c.created_by) as creator, \
    c.low_user, (select u.username from users u where u.id = c.low_user) as low_name, \
    c.high_user, (select u.username from users u where u.id = c.high_user) as high_name ";
const SELECT: &str = concat!("select ", COLUMNS, "from chats c where c.deleted_at is null ");

#[derive(Deserialize)]
struct Row {
    id: ChatId,
    #[serde(rename = "type")]
    kind: ChatType,
    name: String,
    created_at: Timestamp,
    members_count: i64,
    last_seq: i64,
    active_at: Timestamp,
    last_message_id: Option<MessageId>,
    created_by: Option<UserId>,
    creator: Option<String>,
    low_user: Option<UserId>,
    low_name: Option<String>,
    high_user: Option<UserId>,
    high_name: Option<String>,
}

impl From<Row> for ChatFacts {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            name: row.name,
            created_at: row.created_at,
            created_by: row.created_by.zip(row.creator),
            peers: row.low_user.zip(row.low_name).zip(row.high_user.zip(row.high_name)),
            members_count: row.members_count,
            messages: row.last_seq,
            active_at: row.last_message_id.map(|_| row.active_at),
            last_message: row.last_message_id,
        }
    }
}

async fn facts(query: Statement<'_>) -> Result<Vec<ChatFacts>> {
    let rows: Vec<Row> = query.all().await?;
    Ok(rows.into_iter().map(ChatFacts::from).collect())
}

/// A chat that was not deleted.
pub async fn one(at: impl Into<Target<'_>>, id: ChatId) -> Result<Option<ChatFacts>> {
    let query = at.into().query(concat!(SELECT, "and c.id = $1")).bind(id);
    Ok(facts(query).await?.pop())
}

/// Chats of a type beyond an id, nearest first: greater ids, or smaller ones.
pub async fn by_age(
    at: impl Into<Target<'_>>,
    kind: ChatType,
    upwards: bool,
    beyond: ChatId,
    limit: i64,
) -> Result<Vec<ChatFacts>> {
    let query = at.into().query(match upwards {
        true => concat!(SELECT, "and c.type = $1 and c.id > $2 order by c.id limit $3"),
        false => concat!(SELECT, "and c.type = $1 and c.id < $2 order by c.id desc limit $3"),
    });
    facts(query.bind(kind.as_str()).bind(beyond).bind(limit)).await
}

/// Chats of a type beyond a number of members and an id, nearest first.
pub async fn by_size(
    at: impl Into<Target<'_>>,
    kind: ChatType,
    upwards: bool,
    (count, id): (i64, ChatId),
    limit: i64,
) -> Result<Vec<ChatFacts>> {
    let query = at.into().query(match upwards {
        true => concat!(
            SELECT,
            "and c.type = $1 and (c.members_count, c.id) > ($2, $3) \
             order by c.members_count, c.id limit $4"
        ),
        false => concat!(
            SELECT,
            "and c.type = $1 and (c.members_count, c.id) < ($2, $3) \
             order by c.members_count desc, c.id desc limit $4"
        ),
    });
    facts(query.bind(kind.as_str()).bind(count).bind(id).bind(limit)).await
}

/// The last of the next `limit` messages of the site beyond one, and how many there are.
pub async fn messages_beyond(
    at: impl Into<Target<'_>>,
    upwards: bool,
    beyond: MessageId,
    limit: i64,
) -> Result<(Option<MessageId>, i64)> {
    let query = at.into().query(match upwards {
        true => {
            "select max(w.id), count(*) from \
             (select id from messages where id > $1 order by id limit $2) w"
        }
        false => {
            "select min(w.id), count(*) from \
             (select id from messages where id < $1 order by id desc limit $2) w"
        }
    });
    query.bind(beyond).bind(limit).one().await
}

/// Chats whose newest message is beyond one message, as far as another, nearest first. No index on the
/// chats' newest messages is needed, which every send would have to change.
pub async fn by_activity(
    at: impl Into<Target<'_>>,
    kind: Option<ChatType>,
    upwards: bool,
    (beyond, until): (MessageId, MessageId),
    limit: i64,
) -> Result<Vec<ChatFacts>> {
    const NEWEST: &str = concat!(
        "select ",
        COLUMNS,
        "from messages m join chats c on c.id = m.chat_id and c.last_message_id = m.id \
         where c.deleted_at is null and ($4 is null or c.type = $4) "
    );
    let query = at.into().query(match upwards {
        true => concat!(NEWEST, "and m.id > $1 and m.id <= $2 order by m.id limit $3"),
        false => concat!(NEWEST, "and m.id < $1 and m.id >= $2 order by m.id desc limit $3"),
    });
    let query = query.bind(beyond).bind(until).bind(limit);
    facts(query.bind(kind.map(ChatType::as_str))).await
}

/// How many characters of a group's name are in the index.
pub const NAME_INDEXED: usize = 63;

/// Groups whose name, as it is searched, begins with a prefix: beyond a name and an id, nearest first.
/// `from` and `to` are the prefix and its end.
pub async fn by_name(
    at: impl Into<Target<'_>>,
    (from, to): (&str, &str),
    upwards: bool,
    (name, id): (&str, ChatId),
    limit: i64,
) -> Result<Vec<(String, ChatFacts)>> {
    const SQLITE: &str = "substr(c.search_text, 1, 64)";
    const POSTGRES: &str = "substr(c.search_text, 1, 64) collate \"C\"";
    const HEAD: &str = " as place, ";
    const WHERE: &str = "from chats c where c.deleted_at is null and c.type = 'group' and ";
    // One bound on each side: of two, the database might begin at the wrong one. Ids are greater than 0.
    let (query, place, last) = match upwards {
        true => {
            let query = at.into().query(Dialects {
                sqlite: concat!(
                    "select ",
                    SQLITE,
                    HEAD,
                    COLUMNS,
                    WHERE,
                    SQLITE,
                    " < $1 and (",
                    SQLITE,
                    ", c.id) > ($2, $3) order by ",
                    SQLITE,
                    ", c.id limit $4"
                ),
                postgres: concat!(
                    "select ",
                    POSTGRES,
                    HEAD,
                    COLUMNS,
                    WHERE,
                    POSTGRES,
                    " < $1 and (",
                    POSTGRES,
                    ", c.id) > ($2, $3) order by ",
                    POSTGRES,
                    ", c.id limit $4"
                ),
            });
            (query, (name, id).max((from, ChatId(0))), to)
        }
        false => {
            let query = at.into().query(Dialects {
                sqlite: concat!(
                    "select ",
                    SQLITE,
                    HEAD,
                    COLUMNS,
                    WHERE,
                    SQLITE,
                    " >= $1 and (",
                    SQLITE,
                    ", c.id) < ($2, $3) order by ",
                    SQLITE,
                    " desc, c.id desc limit $4"
                ),
                postgres: concat!(
                    "select ",
                    POSTGRES,
                    HEAD,
                    COLUMNS,
                    WHERE,
                    POSTGRES,
                    " >= $1 and (",
                    POSTGRES,
                    ", c.id) < ($2, $3) order by ",
                    POSTGRES,
                    " desc, c.id desc limit $4"
                ),
            });
            (query, (name, id).min((to, ChatId(0))), from)
        }
    };
    let query = query.bind(group_text_prefix(last));
    let query = query.bind(group_text_prefix(place.0)).bind(place.1).bind(limit);
    let rows: Vec<(String, Row)> = query.all().await?;
    Ok(rows.into_iter().map(|(place, row)| (place.replacen('\n', "", 1), row.into())).collect())
}

/// As the column begins: names start after a line feed, see [`super::search::index_group`].
fn group_text_prefix(name: &str) -> String {
    format!("\n{name}")
}
