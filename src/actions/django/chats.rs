//! Django's chats and their members as private chats and groups here.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use crate::actions::transfer::TransferError;
use crate::domain::chat::{ChatName, ChatType, DESCRIPTION_MAX, NAME_MAX};
use crate::domain::time::Timestamp;
use crate::store::django::{DjangoDatabase, DjangoRow};
use crate::store::django_rest::ALL_READ;
use crate::store::load::Load;

use super::fields::{self, flag, moment, number, text};
use super::report::Report;
use super::rows::{Rows, object};
use super::users::{Users, limit};

/// Chats whose members are read at a time.
const PAGE: i64 = 500;

/// A chat that was imported.
pub(super) struct ImportedChat {
    /// What it is here.
    pub(super) kind: ChatType,
    /// Its members, the first one first.
    pub(super) members: Box<[i64]>,
}

/// The chats that were imported.
#[derive(Default)]
pub(super) struct Chats {
    /// By id.
    pub(super) all: HashMap<i64, ImportedChat>,
    /// Pictures of groups.
    pub(super) pictures: Vec<(i64, String)>,
    /// The greatest id.
    pub(super) last: i64,
    /// Which two users have which private chat.
    pairs: HashMap<(i64, i64), i64>,
}

impl Chats {
    /// Imports all chats, with their members.
    pub(super) async fn import(
        django: &mut DjangoDatabase,
        load: &mut Load,
        users: &Users,
        report: &mut Report<'_>,
        now: Timestamp,
    ) -> Result<Self, TransferError> {
        let mut chats = Self::default();
        let (mut rows, mut members) = (Rows::of(load, "chats")?, Rows::of(load, "members")?);
        report.begin("chats", django.count(fields::CHATS).await?);
        loop {
            let (after, order) = (format!("id > {}", chats.last), format!("id limit {PAGE}"));
            let page = django.some(fields::CHATS, &after, &order).await?;
            let Some(last) = page.last().and_then(|row| number(row, fields::ID)) else { break };
            report.advance(page.len());
            let range = format!("chat_id > {} and chat_id <= {last}", chats.last);
            let found = django.some(fields::MEMBERS, &range, "chat_id, id").await?;
            let mut by_chat = group(&found, users, report);
            for row in &page {
                let id = number(row, fields::ID).unwrap_or_default();
                let of_chat = by_chat.remove(&id).unwrap_or_default();
                chats
                    .chat(row, of_chat, users, (&mut rows, &mut members), load, report, now)
                    .await?;
            }
            rows.flush(load).await?;
            members.flush(load).await?;
            chats.last = last;
        }
        Ok(chats)
    }

    #[expect(clippy::too_many_arguments, reason = "one call, of a part of its loop")]
    async fn chat(
        &mut self,
        row: &DjangoRow,
        members: Vec<i64>,
        users: &Users,
        (rows, member_rows): (&mut Rows, &mut Rows),
        load: &mut Load,
        report: &mut Report<'_>,
        now: Timestamp,
    ) -> Result<(), TransferError> {
        let id = number(row, fields::ID).unwrap_or_default();
        if members.is_empty() {
            let conversion = "leaves out the chat and its messages";
            report.loss("chat-members", format!("chat {id}"), "it has no members", conversion);
            return Ok(());
        }
        let kind = self.kind(id, row, &members, report);
        let created_at = moment(row, fields::CREATED_AT).unwrap_or(now).micros();
        let creator = number(row, fields::CREATED_BY).filter(|user| users.contains(*user));
        let mut chat = object(json!({
            "id": id, "type": kind.as_str(), "created_at": created_at, "active_at": created_at,
            "created_by": creator, "members_count": members.len(), "version": 1,
            "first_seq": 1,
        }));
        match kind {
            ChatType::Private => {
                chat.insert("low_user".to_owned(), members[0].min(members[1]).into());
                chat.insert("high_user".to_owned(), members[0].max(members[1]).into());
            }
            ChatType::Group => {
                let (name, description) = texts(id, row, report);
                chat.insert("name".to_owned(), name.into());
                chat.insert("description".to_owned(), description.into());
                let picture = text(row, fields::AVATAR);
                if !picture.is_empty() {
                    self.pictures.push((id, picture.to_owned()));
                }
            }
        }
        rows.add(load, chat).await?;
        for (index, user) in members.iter().enumerate() {
            let role = if index == 0 && kind == ChatType::Group { "owner" } else { "member" };
            member_rows.hold(object(json!({
                "chat_id": id, "user_id": user, "role": role, "joined_at": created_at,
                "last_delivered_seq": ALL_READ, "last_read_seq": ALL_READ,
            })));
        }
        if member_rows.is_full() {
            rows.flush(load).await?;
            member_rows.flush(load).await?;
        }
        self.all.insert(id, ImportedChat { kind, members: members.into() });
        Ok(())
    }

    /// What a chat is here.
    fn kind(
        &mut self,
        id: i64,
        row: &DjangoRow,
        members: &[i64],
        report: &mut Report<'_>,
    ) -> ChatType {
        const CONVERSION: &str = "makes it a group";
        if !is_private(row, members.len()) {
            return ChatType::Group;
        }
        let [one, other] = members else {
            let text = format!("it is private and has {} member(s)", members.len());
            report.loss("private-chat-members", format!("chat {id}"), text, CONVERSION);
            return ChatType::Group;
        };
        match self.pairs.get(&(*one.min(other), *one.max(other))) {
            None => {
                self.pairs.insert((*one.min(other), *one.max(other)), id);
                ChatType::Private
            }
            Some(first) => {
                let text = format!("its members, {one} and {other}, have the private chat {first}");
                report.loss("duplicate-private-chat", format!("chat {id}"), text, CONVERSION);
                ChatType::Group
            }
        }
    }
}

/// Whether a chat is private, as its row says. Without a column for it, a chat of two without a name is.
fn is_private(row: &DjangoRow, members: usize) -> bool {
    match text(row, fields::KIND).trim().to_lowercase().as_str() {
        "private" | "direct" | "personal" | "dialog" | "dm" => return true,
        "" => {}
        _ => return false,
    }
    match flag(row, fields::IS_GROUP) {
        Some(is_group) => !is_group,
        None => members == 2 && text(row, fields::NAME).trim().is_empty(),
    }
}

/// A group's name and description.
fn texts(id: i64, row: &DjangoRow, report: &mut Report<'_>) -> (String, String) {
    let subject = || format!("chat {id}");
    let name = text(row, fields::NAME).trim();
    let name = match ChatName::parse(name) {
        Ok(name) => name.as_str().to_owned(),
        Err(_) if name.is_empty() => {
            let new = format!("Chat {id}");
            report.note(
                "chat-name",
                subject(),
                format!("the group has no name and becomes {new:?}"),
            );
            new
        }
        Err(_) => limit("name", name, NAME_MAX, &subject, report),
    };
    let description = text(row, fields::DESCRIPTION).trim();
    (name, limit("description", description, DESCRIPTION_MAX, &subject, report))
}

/// The members of each chat, the first one first.
fn group(rows: &[DjangoRow], users: &Users, report: &mut Report<'_>) -> HashMap<i64, Vec<i64>> {
    let mut by_chat: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut seen = HashSet::new();
    for row in rows {
        let (chat, user) = (number(row, fields::CHAT), number(row, fields::USER));
        let (chat, user) = (chat.unwrap_or_default(), user.unwrap_or_default());
        if !users.contains(user) {
            let subject = format!("member {user} of chat {chat}");
            report.loss("member", subject, "there is no such user", "leaves out the member");
        } else if seen.insert((chat, user)) {
            by_chat.entry(chat).or_default().push(user);
        }
    }
    by_chat
}
