//! Chats as the API shows them, and the bodies that open and change them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::chat::{
    ChatChange, ChatName, ChatType, ChatView, Description, NewChat, too_many_members,
};
use crate::domain::error::{FieldErrors, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::{Seq, Version};
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::members::{self, Member, once};
use super::messages::Message;
use super::pages::PageJson;
use super::users::{User, UserRef, avatar};

/// A chat, as the one who asks sees it.
#[derive(Serialize, ToSchema)]
pub struct Chat<'a> {
    #[schema(value_type = i64, minimum = 1, example = 3)]
    id: ChatId,
    #[serde(rename = "type")]
    #[schema(value_type = schema::ChatType)]
    kind: ChatType,
    /// A private chat's is the other one's full name, or username.
    #[schema(example = "Kitchen")]
    name: String,
    #[schema(max_length = 1000)]
    description: &'a str,
    /// The picture's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(required)]
    created_by: Option<UserRef<'a>>,
    #[schema(minimum = 1)]
    members_count: i64,
    /// The other one, in a private chat.
    #[schema(required)]
    peer: Option<User<'a>>,
    #[schema(value_type = members::schema::Role)]
    my_role: Role,
    /// The newest one, a tombstone included.
    #[schema(required)]
    last_message: Option<Message<'a>>,
    /// Messages by others, not deleted, after one's own read mark.
    #[schema(minimum = 0)]
    unread_count: i64,
    /// The newest message's `seq`; 0 where there is none.
    #[schema(value_type = i64, minimum = 0)]
    last_seq: Seq,
    #[schema(value_type = i64, minimum = 0)]
    last_read_seq: Seq,
    /// Grows by one with every durable change in the chat.
    #[schema(value_type = i64, minimum = 1)]
    version: Version,
    /// The first 100, owner and admins first; only where one chat is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    members: Option<Vec<Member<'a>>>,
}

/// A page of chats.
pub type ChatPage<'a> = PageJson<Chat<'a>>;

impl<'a> Chat<'a> {
    /// As the one whose view it is sees it.
    pub fn of(view: &'a ChatView, urls: &Urls) -> Self {
        let chat = &view.chat;
        Self {
            id: chat.id,
            kind: chat.kind,
            name: view.name(),
            description: &chat.description,
            avatar: avatar(chat.avatar.as_deref(), urls),
            created_at: chat.created_at,
            created_by: chat.created_by.as_ref().map(|user| UserRef::of(user, urls)),
            members_count: chat.members_count,
            peer: view.peer.as_ref().map(|peer| User::of(peer, urls)),
            my_role: view.my_role,
            last_message: view.last_message.as_ref().map(|message| Message::of(message, urls)),
            unread_count: view.unread_count,
            last_seq: chat.last_seq,
            last_read_seq: view.last_read_seq,
            version: chat.version,
            members: view
                .members
                .as_ref()
                .map(|list| list.iter().map(|member| Member::of(member, urls)).collect()),
        }
    }
}

/// Opens a chat.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum CreateChat {
    /// With one other.
    Private {
        /// The other's id.
        #[schema(min_items = 1, example = json!([8]))]
        members: Vec<i64>,
    },
    /// Of any number.
    Group {
        /// What all see.
        #[schema(min_length = 1, max_length = 100, example = "Kitchen")]
        name: String,
        /// Empty: none.
        #[schema(max_length = 1000, nullable = false)]
        description: Option<String>,
        /// The ids of the others.
        #[schema(nullable = false, example = json!([8]))]
        members: Option<Vec<i64>>,
    },
}

impl CreateChat {
    /// Reads the body. `me` is the maker, who is ignored among the members; `max` is the largest
    /// group, its maker included. The members that it names come by themselves: whether they are
    /// there is told together with what else is wrong.
    pub fn parse(mut body: Fields, me: UserId, max: usize) -> (Vec<UserId>, Result<NewChat>) {
        let private = body.required("type", |kind| match kind.as_str() {
            "private" => Ok(true),
            "group" => Ok(false),
            other => Err(format!("\"{other}\" is not a valid choice.")),
        });
        let listed = body.ids("members");
        let mut members: Vec<_> = listed.iter().flatten().map(|id| UserId(*id)).collect();
        members.retain(|id| *id != me);
        members.sort_unstable();
        members.dedup();
        let named = members.clone();
        let made = match private {
            Some(true) => match (&listed, members.as_slice()) {
                (_, [peer]) => Some(NewChat::Private { peer: *peer }),
                (None, _) => {
                    body.require("members");
                    None
                }
                (Some(_), _) => {
                    body.fault("members", "A private chat is with exactly one other user.");
                    None
                }
            },
            Some(false) => {
                let name = body.required("name", |name| ChatName::parse(&name));
                let description = body
                    .optional("description", |text| Description::parse(&text))
                    .unwrap_or_default();
                if members.len() >= max {
                    body.fault("members", too_many_members(max));
                }
                name.map(|name| NewChat::Group { name, description, members })
            }
            None => None,
        };
        (named, body.finish(made))
    }
}

/// Changes a group.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct UpdateChat {
    /// Required by PUT.
    #[schema(min_length = 1, max_length = 100, example = "Kitchen")]
    name: String,
    #[schema(max_length = 1000, nullable = false)]
    description: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// The ids of all who are to be in it, beside oneself. Those who stay keep their roles.
    #[schema(nullable = false, example = json!([8]))]
    members: Option<Vec<i64>>,
}

/// Changes a group: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchChat {
    #[schema(min_length = 1, max_length = 100, nullable = false, example = "Kitchen")]
    name: Option<String>,
    #[schema(max_length = 1000, nullable = false)]
    description: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// The ids of all who are to be in it, beside oneself. Those who stay keep their roles.
    #[schema(nullable = false, example = json!([8]))]
    members: Option<Vec<i64>>,
}

impl UpdateChat {
    /// Reads the body; `partial` where the name too may be left out. `me` is ignored among the
    /// members; `max` is the largest group, oneself included. With what can be read comes all that
    /// is wrong: who may be left out is decided before that is told.
    pub fn parse(
        mut body: Fields,
        partial: bool,
        me: UserId,
        max: usize,
    ) -> (ChatChange, FieldErrors) {
        if !partial && !body.has("name") {
            body.require("name");
        }
        let name = body.optional("name", |name| ChatName::parse(&name));
        let description = body.optional("description", |text| Description::parse(&text));
        let avatar = body.picture("avatar");
        let mut members = body.ids("members").map(|ids| once(ids, Some(me)));
        if members.as_ref().is_some_and(|members| members.len() >= max) {
            body.fault("members", too_many_members(max));
            members = None;
        }
        (ChatChange { name, description, avatar, members }, body.into_errors())
    }
}

/// The enumerations as the schema names them: the domain knows no schema.
pub mod schema {
    use utoipa::ToSchema;

    /// What kind of chat it is.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum ChatType {
        /// Two people.
        Private,
        /// Any number.
        Group,
    }
}
