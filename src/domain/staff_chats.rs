//! Chats as staff see them: facts, never what is written in them. The lists of them, and places in these.

use super::chat::ChatType;
use super::ids::{ChatId, MessageId, UserId};
use super::time::Timestamp;

/// What staff see of a chat.
#[derive(Clone, Debug)]
pub struct ChatFacts {
    /// Its id.
    pub id: ChatId,
    /// Private or group.
    pub kind: ChatType,
    /// A group's; empty for a private chat.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it, with the username.
    pub created_by: Option<(UserId, String)>,
    /// The two users of a private chat.
    pub peers: Option<((UserId, String), (UserId, String))>,
    /// How many members it has.
    pub members_count: i64,
    /// How many messages it has had.
    pub messages: i64,
    /// When the newest message was sent, if there is one.
    pub active_at: Option<Timestamp>,
    /// The newest message: only its place in the order of all.
    pub last_message: Option<MessageId>,
}

impl ChatFacts {
    /// A group's name; of a private chat, both usernames.
    pub fn title(&self) -> String {
        match &self.peers {
            Some(((_, low), (_, high))) => format!("{low}, {high}"),
            None => self.name.clone(),
        }
    }
}

/// The order of a list of chats: greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatOrder {
    /// By when they were made.
    #[default]
    Newest,
    /// By their newest message; chats without one are not listed.
    Activity,
    /// By the number of members.
    Members,
}

impl ChatOrder {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 3] = [Self::Newest, Self::Activity, Self::Members];

    /// The name in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Activity => "activity",
            Self::Members => "members",
        }
    }
}

/// Which chats, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatListing {
    /// Only of this type.
    pub kind: Option<ChatType>,
    /// An id, or the beginning of a group's name, by which they are then ordered.
    pub search: Option<String>,
    /// The order.
    pub order: ChatOrder,
}

/// A place in a list of chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatPlace {
    /// In [`ChatOrder::Newest`].
    Id(ChatId),
    /// In [`ChatOrder::Activity`]: a message, which need not be the newest of a chat.
    Message(MessageId),
    /// In [`ChatOrder::Members`].
    Count(i64, ChatId),
    /// In a search: the name as it is searched.
    Name(String, ChatId),
}

impl ChatPlace {
    /// For a cursor.
    pub fn to_text(&self) -> String {
        match self {
            Self::Id(id) => format!("i{id}"),
            Self::Message(id) => format!("m{id}"),
            Self::Count(count, id) => format!("c{count} {id}"),
            Self::Name(name, id) => format!("n{id} {name}"),
        }
    }

    /// What [`ChatPlace::to_text`] wrote, if it is of a list like this one.
    pub fn parse(text: &str, listing: &ChatListing) -> Option<Self> {
        let kind = text.chars().next()?;
        let rest = text.get(kind.len_utf8()..)?;
        match (kind, listing.search.is_some(), listing.order) {
            ('n', true, _) => {
                let (id, name) = rest.split_once(' ')?;
                Some(Self::Name(name.to_owned(), ChatId(id.parse().ok()?)))
            }
            ('i', false, ChatOrder::Newest) => Some(Self::Id(ChatId(rest.parse().ok()?))),
            ('m', false, ChatOrder::Activity) => Some(Self::Message(MessageId(rest.parse().ok()?))),
            ('c', false, ChatOrder::Members) => {
                let (count, id) = rest.split_once(' ')?;
                Some(Self::Count(count.parse().ok()?, ChatId(id.parse().ok()?)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_was_written_in_its_own_list_only() {
        let listing = |order, search: Option<&str>| ChatListing {
            kind: None,
            search: search.map(str::to_owned),
            order,
        };
        let lists = [
            (listing(ChatOrder::Newest, None), ChatPlace::Id(ChatId(7))),
            (listing(ChatOrder::Activity, None), ChatPlace::Message(MessageId(8))),
            (listing(ChatOrder::Members, None), ChatPlace::Count(2, ChatId(9))),
            (
                listing(ChatOrder::Newest, Some("k")),
                ChatPlace::Name("kitchen tea".to_owned(), ChatId(1)),
            ),
        ];
        for (at, (list, _)) in lists.iter().enumerate() {
            for (of, (_, place)) in lists.iter().enumerate() {
                let read = ChatPlace::parse(&place.to_text(), list);
                assert_eq!(read.as_ref(), Some(place).filter(|_| at == of), "{place:?}");
            }
            for rubbish in ["", "i", "ix", "é", "c1", "n", "m 1"] {
                assert_eq!(ChatPlace::parse(rubbish, list), None, "{rubbish}");
            }
        }
    }
}
