//! The messages that have a term, as bytes: chat by chat, so that those of other chats are skipped
//! without being read.
//!
//! A list is a sequence of groups: the chat, as the difference to the one before; how many messages; if there
//! are several, how many bytes follow; the messages, each as the difference to the one before.

use crate::domain::ids::{ChatId, MessageId};

use super::varint::{put, take};

/// That a message has a term. In the order of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Posting {
    /// The message's chat.
    pub chat: ChatId,
    /// The message.
    pub message: MessageId,
}

/// Which chats' messages are read.
#[derive(Clone, Copy, Debug)]
pub enum Allowed<'a> {
    /// Those of all.
    All,
    /// Those of these chats, which are in order.
    Chats(&'a [ChatId]),
}

/// Appends a list. Sorts it, and removes repetitions.
pub(super) fn write(list: &mut Vec<Posting>, out: &mut Vec<u8>) {
    list.sort_unstable();
    list.dedup();
    let (mut last_chat, mut ids) = (0, Vec::new());
    for group in list.chunk_by(|one, next| one.chat == next.chat) {
        let (mut last_id, chat) = (0, group[0].chat.0);
        put(out, difference(chat, last_chat));
        put(out, group.len() as u64);
        ids.clear();
        for posting in group {
            put(&mut ids, difference(posting.message.0, last_id));
            last_id = posting.message.0;
        }
        if group.len() > 1 {
            put(out, ids.len() as u64);
        }
        out.extend_from_slice(&ids);
        last_chat = chat;
    }
}

fn difference(value: i64, last: i64) -> u64 {
    (value - last).unsigned_abs()
}

/// Appends the allowed messages of a list to `out`. `None` if it is damaged.
pub(super) fn read(mut data: &[u8], allowed: Allowed<'_>, out: &mut Vec<Posting>) -> Option<()> {
    let mut chats = match allowed {
        Allowed::All => [].as_slice(),
        Allowed::Chats(chats) => chats,
    };
    let mut last_chat = 0;
    while !data.is_empty() {
        let chat = ChatId(add(last_chat, take(&mut data)?)?);
        last_chat = chat.0;
        let count = take(&mut data)?;
        let length = match count {
            1 => None,
            _ => Some(usize::try_from(take(&mut data)?).ok()?),
        };
        let is_allowed = match allowed {
            Allowed::All => true,
            Allowed::Chats(_) => {
                chats = &chats[chats.partition_point(|one| *one < chat)..];
                chats.first() == Some(&chat)
            }
        };
        match (is_allowed, length) {
            (true, _) => read_group(&mut data, chat, count, out)?,
            (false, None) => drop(take(&mut data)?),
            (false, Some(length)) => data = data.get(length..)?,
        }
    }
    Some(())
}

fn read_group(data: &mut &[u8], chat: ChatId, count: u64, out: &mut Vec<Posting>) -> Option<()> {
    let mut last = 0;
    for _ in 0..count {
        last = add(last, take(data)?)?;
        out.push(Posting { chat, message: MessageId(last) });
    }
    Some(())
}

fn add(last: i64, difference: u64) -> Option<i64> {
    last.checked_add_unsigned(difference)
}
