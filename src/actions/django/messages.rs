//! Django's messages, numbered by time and id.

use std::collections::HashMap;

use serde_json::json;

use crate::actions::transfer::TransferError;
use crate::domain::chat::ChatType;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Seq;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::store::django::{DjangoDatabase, DjangoRow};
use crate::store::django_rest;
use crate::store::load::Load;

use super::chats::{Chats, ImportedChat};
use super::fields::{self, DjangoLayout, flag, moment, number, text as field};
use super::report::Report;
use super::rows::{Rows, object};
use super::users::Users;

/// What was imported before.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'a> {
    pub(super) users: &'a Users,
    pub(super) chats: &'a Chats,
    pub(super) layout: &'a DjangoLayout,
    pub(super) message_length: usize,
}

/// The messages of the chat that is being read.
#[derive(Default)]
struct Progress {
    chat: i64,
    seq: i64,
    /// The first message of each sender that nobody has read.
    unread: HashMap<i64, i64>,
    /// The newest message of each sender.
    own: HashMap<i64, i64>,
    imported: u64,
    last: i64,
}

/// Imports all messages. Returns how many, and the greatest id.
pub(super) async fn import(
    django: &mut DjangoDatabase,
    load: &mut Load,
    before: Earlier<'_>,
    report: &mut Report<'_>,
) -> Result<(u64, i64), TransferError> {
    let mut rows = Rows::of(load, "messages")?;
    let mut progress = Progress::default();
    let order = format!("chat_id, \"{}\", id", before.layout.time);
    report.begin("messages", django.count(fields::MESSAGES).await?);
    let taking = async |found: Vec<DjangoRow>| -> Result<(), TransferError> {
        report.advance(found.len());
        for row in found {
            let chat = number(&row, fields::CHAT).unwrap_or_default();
            if chat != progress.chat {
                progress.finish_chat(load, before).await?;
                progress.chat = chat;
            }
            if let Some(content) = fit(&row, before, report) {
                rows.add(load, progress.message(&row, content)).await?;
            }
        }
        Ok(())
    };
    django.each(fields::MESSAGES, &order, taking).await??;
    progress.finish_chat(load, before).await?;
    rows.flush(load).await?;
    Ok((progress.imported, progress.last))
}

impl Progress {
    /// The next message of the chat.
    fn message(
        &mut self,
        row: &DjangoRow,
        content: String,
    ) -> serde_json::Map<String, serde_json::Value> {
        let id = number(row, fields::ID).unwrap_or_default();
        let sender = number(row, fields::SENDER).unwrap_or_default();
        self.seq += 1;
        self.imported += 1;
        self.last = self.last.max(id);
        self.own.insert(sender, self.seq);
        if flag(row, fields::IS_READ) == Some(false) {
            self.unread.entry(sender).or_insert(self.seq);
        }
        object(json!({
            "id": id, "chat_id": self.chat, "seq": self.seq, "version": self.seq + 1,
            "sender_id": sender, "content": content, "last_change": "created",
            "timestamp": moment(row, fields::TIME).map(Timestamp::micros),
        }))
    }

    /// Sets the read markers of members who have not read everything.
    async fn finish_chat(
        &mut self,
        load: &mut Load,
        before: Earlier<'_>,
    ) -> Result<(), TransferError> {
        if let Some(chat) = before.chats.all.get(&self.chat)
            && !self.unread.is_empty()
        {
            for user in &chat.members {
                let by_others = self.unread.iter().filter(|(sender, _)| *sender != user);
                let Some(first) = by_others.map(|(_, seq)| *seq).min() else { continue };
                // Sending a message reads what came before it.
                let read = (first - 1).max(self.own.get(user).copied().unwrap_or_default());
                let (chat, user) = (ChatId(self.chat), UserId(*user));
                django_rest::set_read(load.tx(), chat, user, Seq(read)).await?;
            }
        }
        self.seq = 0;
        self.unread.clear();
        self.own.clear();
        Ok(())
    }
}

/// The content of a message as it is imported; `None` if it is left out.
fn fit(row: &DjangoRow, before: Earlier<'_>, report: &mut Report<'_>) -> Option<String> {
    const LEAVES_OUT: &str = "leaves out the message";
    let number = |of| number(row, of).unwrap_or_default();
    let (id, chat, sender) = (number(fields::ID), number(fields::CHAT), number(fields::SENDER));
    let subject = || format!("message {id} in chat {chat}");
    let Some(imported) = before.chats.all.get(&chat) else {
        report.loss("message-chat", subject(), "the chat is not imported", LEAVES_OUT);
        return None;
    };
    if !before.users.contains(sender) {
        report.loss("message-sender", subject(), "its sender does not exist", LEAVES_OUT);
        return None;
    }
    if moment(row, fields::TIME).is_none() {
        report.loss("message-time", subject(), "it has no time", LEAVES_OUT);
        return None;
    }
    stranger(imported, sender, &subject, report);
    let (content, most) = (field(row, fields::CONTENT), before.message_length);
    if text::is_blank(content) {
        report.loss("blank-message", subject(), "it has no text", LEAVES_OUT);
        return None;
    }
    if let Err(reason) = text::check(content, most) {
        let advice = "cuts it (or set MESSAGE_MAX_LENGTH, at most 20000)";
        report.loss("message-content", subject(), format!("it does not fit: {reason}"), advice);
    }
    Some(content.chars().filter(|c| *c != '\0').take(most).collect())
}

/// In a group it is the message of a former member.
fn stranger(
    chat: &ImportedChat,
    sender: i64,
    subject: &dyn Fn() -> String,
    report: &mut Report<'_>,
) {
    if chat.members.contains(&sender) {
        return;
    }
    let text = format!("its sender, user {sender}, is no member of the chat");
    match chat.kind {
        ChatType::Group => report.note("former-member", subject(), text + "; it is kept"),
        ChatType::Private => {
            report.loss("message-of-stranger", subject(), text, "shows it to both members");
        }
    }
}
