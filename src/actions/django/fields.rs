//! The tables and columns of a Django site, and the values of a row's columns. Projects name some columns
//! differently, so each field has several names; the first one that the table has counts.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::time::Timestamp;
use crate::store::django::{DjangoDatabase, DjangoRow};
use crate::store::error::Result;

/// The model `User(AbstractUser)`.
pub(super) const USERS: &str = "meowsenger_backend_user";
/// The model `Chat`.
pub(super) const CHATS: &str = "meowsenger_backend_chat";
/// Its field `members`.
pub(super) const MEMBERS: &str = "meowsenger_backend_chat_members";
/// The model `Message`.
pub(super) const MESSAGES: &str = "meowsenger_backend_message";

/// A field: the names that its column may have.
pub(super) type Field = &'static [&'static str];

pub(super) const ID: Field = &["id"];
pub(super) const USERNAME: Field = &["username"];
pub(super) const PASSWORD: Field = &["password"];
pub(super) const EMAIL: Field = &["email"];
pub(super) const FIRST_NAME: Field = &["first_name"];
pub(super) const LAST_NAME: Field = &["last_name"];
pub(super) const IS_ACTIVE: Field = &["is_active"];
pub(super) const IS_STAFF: Field = &["is_staff"];
pub(super) const IS_SUPERUSER: Field = &["is_superuser"];
pub(super) const LAST_LOGIN: Field = &["last_login"];
pub(super) const DATE_JOINED: Field = &["date_joined"];
pub(super) const AVATAR: Field = &["avatar", "picture", "image", "profile_picture"];
pub(super) const STATUS: Field = &["status"];
pub(super) const STATUS_TEXT: Field = &["status_text", "status_message", "bio"];
pub(super) const LAST_SEEN: Field = &["last_seen", "last_activity", "last_online"];

pub(super) const NAME: Field = &["name", "title"];
pub(super) const DESCRIPTION: Field = &["description"];
pub(super) const KIND: Field = &["type", "chat_type", "kind"];
pub(super) const IS_GROUP: Field = &["is_group", "is_group_chat"];
pub(super) const CREATED_AT: Field = &["created_at", "created", "created_on", "date_created"];
pub(super) const CREATED_BY: Field =
    &["created_by_id", "creator_id", "owner_id", "admin_id", "created_by", "owner"];

pub(super) const CHAT: Field = &["chat_id"];
pub(super) const USER: Field = &["user_id"];
pub(super) const SENDER: Field = &["sender_id", "author_id", "user_id"];
pub(super) const CONTENT: Field = &["content", "text", "body"];
pub(super) const TIME: Field = &["timestamp", "created_at", "sent_at", "created", "date"];
pub(super) const IS_READ: Field = &["is_read", "read"];

/// What a table must have, and what it may have.
struct TableFields {
    table: &'static str,
    needs: &'static [Field],
    may: &'static [Field],
}

const TABLES: [TableFields; 4] = [
    TableFields {
        table: USERS,
        needs: &[ID, USERNAME, PASSWORD],
        may: &[
            EMAIL,
            FIRST_NAME,
            LAST_NAME,
            IS_ACTIVE,
            IS_STAFF,
            IS_SUPERUSER,
            LAST_LOGIN,
            DATE_JOINED,
            AVATAR,
            STATUS,
            STATUS_TEXT,
            LAST_SEEN,
        ],
    },
    TableFields {
        table: CHATS,
        needs: &[ID],
        may: &[NAME, DESCRIPTION, AVATAR, KIND, IS_GROUP, CREATED_AT, CREATED_BY],
    },
    TableFields { table: MEMBERS, needs: &[ID, CHAT, USER], may: &[] },
    TableFields { table: MESSAGES, needs: &[ID, CHAT, SENDER, CONTENT, TIME], may: &[IS_READ] },
];

/// What the tables of a Django site have.
pub(super) struct DjangoLayout {
    /// The column of a message's time.
    pub(super) time: String,
    /// Whether messages say if they were read.
    pub(super) has_reads: bool,
    /// Columns that are not imported.
    pub(super) ignored: Vec<String>,
}

impl DjangoLayout {
    /// Reads it. The inner error says what is missing.
    pub(super) async fn read(django: &mut DjangoDatabase) -> Result<Result<Self, String>> {
        let mut layout = Self { time: String::new(), has_reads: false, ignored: Vec::new() };
        for TableFields { table, needs, may } in TABLES {
            let columns = django.columns(table).await?;
            if columns.is_empty() {
                return Ok(Err(format!(
                    "there is no table {table}: is this the database of the Django site?"
                )));
            }
            let find = |field: Field| field.iter().find(|name| columns.iter().any(|c| c == *name));
            if let Some(missing) = needs.iter().find(|field| find(field).is_none()) {
                return Ok(Err(format!(
                    "the table {table} has no column {}",
                    missing.join(" or ")
                )));
            }
            let used: Vec<_> = needs.iter().chain(may).filter_map(|field| find(field)).collect();
            let ignored = columns.iter().filter(|name| !used.iter().any(|used| *used == name));
            layout.ignored.extend(ignored.map(|name| format!("{table}.{name}")));
            if table == MESSAGES {
                layout.time = find(TIME).map(|name| (*name).to_owned()).unwrap_or_default();
                layout.has_reads = find(IS_READ).is_some();
            }
        }
        Ok(Ok(layout))
    }
}

fn value(row: &DjangoRow, field: Field) -> Option<&Value> {
    field.iter().find_map(|name| row.get(*name)).filter(|value| !value.is_null())
}

/// A number.
pub(super) fn number(row: &DjangoRow, field: Field) -> Option<i64> {
    value(row, field)?.as_i64()
}

/// A text; empty where there is none.
pub(super) fn text(row: &DjangoRow, field: Field) -> &str {
    value(row, field).and_then(Value::as_str).unwrap_or_default()
}

/// A boolean, which SQLite stores as a number.
pub(super) fn flag(row: &DjangoRow, field: Field) -> Option<bool> {
    let value = value(row, field)?;
    value.as_bool().or_else(|| value.as_i64().map(|number| number != 0))
}

/// A time. Without an offset it is in UTC, as Django stores it.
pub(super) fn moment(row: &DjangoRow, field: Field) -> Option<Timestamp> {
    parse(value(row, field)?.as_str()?)
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.trim().split_once(['T', ' '])?;
    let has_offset = rest.ends_with('Z') || rest.contains(['+', '-']);
    let text = format!("{date}T{rest}{}", if has_offset { "" } else { "Z" });
    let moment = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_both_databases_write_them() {
        let expected = Some(Timestamp::from_micros(1_709_294_400_120_000));
        for text in [
            "2024-03-01 12:00:00.120000",
            "2024-03-01T12:00:00.12+00:00",
            "2024-03-01T14:00:00.120+02:00",
            "2024-03-01 12:00:00.12Z",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(
            parse("2024-03-01 12:00:00"),
            Some(Timestamp::from_micros(1_709_294_400_000_000))
        );
        for text in ["", "yesterday", "2024-03-01", "2024-13-01 12:00:00"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
