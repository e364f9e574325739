//! Chats, members and messages for the hub's tests, of which only the ids and versions matter.

use std::sync::Arc;

use crate::domain::chat::{Chat, ChatType, Member};
use crate::domain::event::{ChatEvent, Event, Newcomer};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{Content, LastChange, Message};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

const NOW: Timestamp = Timestamp::from_micros(0);

/// A message was sent, which made this version.
pub(super) fn message_created(chat: ChatId, version: Version) -> Event {
    Event::Chat(ChatEvent::of_last_change(Message {
        id: MessageId(version.0),
        chat,
        seq: Seq(version.0),
        version,
        sender: user(UserId(1)),
        content: Content::of_row("meow".into()),
        timestamp: NOW,
        edited_at: None,
        deleted_at: None,
        last_change: LastChange::Created,
        reply_to: None,
        client_id: None,
        status: MessageStatus::Sent,
        pinned_at: None,
        extras: None,
    }))
}

/// Users joined a group, which has this version now.
pub(super) fn chat_created(chat: ChatId, version: Version, users: &[UserId]) -> Event {
    let newcomer = |user: &UserId| Newcomer { user: *user, role: Role::Member, peer: None };
    Event::ChatCreated {
        chat: Arc::new(group(chat, version)),
        last_message: None,
        newcomers: users.iter().map(newcomer).collect(),
    }
}

pub(super) fn group(id: ChatId, version: Version) -> Chat {
    Chat {
        id,
        kind: ChatType::Group,
        name: "Kitchen".into(),
        description: String::new(),
        avatar: None,
        created_at: NOW,
        created_by: None,
        members_count: 1,
        last_seq: Seq::ZERO,
        first_seq: Seq::FIRST,
        version,
    }
}

pub(super) fn member(id: UserId) -> Member {
    Member {
        user: user(id),
        role: Role::Member,
        joined_at: NOW,
        last_delivered_seq: Seq::ZERO,
        last_read_seq: Seq::ZERO,
    }
}

fn user(id: UserId) -> UserRef {
    UserRef {
        id,
        username: "a".into(),
        first_name: String::new(),
        last_name: String::new(),
        avatar: None,
    }
}
