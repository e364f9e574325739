//! Chats as the API shows them, and the bodies that open and change them.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::avatar::NewAvatar;
use crate::domain::chat::{
    ChatChange, ChatName, ChatRequest, ChatType, ChatView, DESCRIPTION_MAX, Description, NAME_MAX,
    NewChat, too_many_members,
};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::input::Input;
use crate::domain::numbering::{Seq, Version};
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::kinds::{ObjectIds, Text, choice, text};
use super::members::{MemberJson, RoleSchema, once};
use super::messages::MessageJson;
use super::pages::PageJson;
use super::users::{UserJson, UserRefJson, avatar};
use super::visitor::{Visitor, describe, describe_form, describe_union, describe_variant};

/// A chat, as you see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Chat)]
pub struct ChatJson<'a> {
    /// The chat's id.
    #[schema(value_type = i64, minimum = 1, example = 3)]
    id: ChatId,
    #[serde(rename = "type")]
    #[schema(value_type = ChatTypeSchema)]
    kind: ChatType,
    /// For a private chat, the other user's full name, or username.
    #[schema(example = "Kitchen")]
    name: String,
    /// Of a group. May be empty.
    #[schema(max_length = 1000)]
    description: &'a str,
    /// The avatar's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
    /// When the chat was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Who created it.
    #[schema(required)]
    created_by: Option<UserRefJson<'a>>,
    /// How many members it has.
    #[schema(minimum = 1)]
    members_count: i64,
    /// The other user of a private chat.
    #[schema(required)]
    peer: Option<UserJson<'a>>,
    #[schema(value_type = RoleSchema)]
    my_role: Role,
    /// The newest message, which can be a tombstone.
    #[schema(required)]
    last_message: Option<MessageJson<'a>>,
    /// Messages by others after your read marker, without deleted ones.
    #[schema(minimum = 0)]
    unread_count: i64,
    /// Those of them that mention you, or everybody.
    #[schema(minimum = 0)]
    unread_mentions: i64,
    /// The newest message's `seq`; 0 if there is none.
    #[schema(value_type = i64, minimum = 0)]
    last_seq: Seq,
    /// Messages before this `seq` were removed by the site's retention. Only if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, minimum = 2, nullable = false)]
    first_seq: Option<Seq>,
    /// Your read marker: you have read everything up to here.
    #[schema(value_type = i64, minimum = 0)]
    last_read_seq: Seq,
    /// Until when you have muted it: it is muted while this is in the future.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    muted_until: Option<Timestamp>,
    /// Whether you have pinned it.
    pinned: bool,
    /// Whether you have archived it.
    archived: bool,
    /// In a private chat: whether you block the other user.
    blocked: bool,
    /// Grows by one with every durable change in the chat.
    #[schema(value_type = i64, minimum = 1)]
    version: Version,
    /// The first 100 members, the owner and the admins first. Only when a single chat is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    members: Option<Vec<MemberJson<'a>>>,
}

/// A page of chats.
pub type ChatPage<'a> = PageJson<ChatJson<'a>>;

impl<'a> ChatJson<'a> {
    /// As the user whose view it is sees it.
    pub fn of(view: &'a ChatView, urls: &Urls) -> Self {
        let chat = &view.chat;
        Self {
            id: chat.id,
            kind: chat.kind,
            name: view.name(),
            description: &chat.description,
            avatar: avatar(chat.avatar.as_deref(), urls),
            created_at: chat.created_at,
            created_by: chat.created_by.as_ref().map(|user| UserRefJson::of(user, urls)),
            members_count: chat.members_count,
            peer: view.peer.as_ref().map(|peer| match view.is_hidden {
                true => UserJson::hidden(peer, urls),
                false => UserJson::of(peer, urls),
            }),
            my_role: view.my_role,
            last_message: view.last_message.as_ref().map(|message| MessageJson::of(message, urls)),
            unread_count: view.unread_count,
            unread_mentions: view.unread_mentions,
            last_seq: chat.last_seq,
            first_seq: Some(chat.first_seq).filter(|first| *first > Seq::FIRST),
            last_read_seq: view.last_read_seq,
            muted_until: view.settings.muted_until,
            pinned: view.settings.pinned,
            archived: view.settings.archived,
            blocked: view.blocked,
            version: chat.version,
            members: view
                .members
                .as_ref()
                .map(|list| list.iter().map(|member| MemberJson::of(member, urls)).collect()),
        }
    }
}

/// What you have not read, over all your chats that are neither muted nor archived.
#[derive(Serialize, ToSchema)]
#[schema(as = Unread)]
pub struct UnreadJson {
    /// The sum of the chats' `unread_count`.
    #[schema(minimum = 0)]
    pub messages: i64,
    /// Chats with unread messages.
    #[schema(minimum = 0)]
    pub chats: i64,
    /// The sum of the chats' `unread_mentions`.
    #[schema(minimum = 0)]
    pub mentions: i64,
}

/// Creates a chat.
#[derive(Debug)]
pub struct CreateChat;

impl PartialSchema for CreateChat {
    fn schema() -> RefOr<Schema> {
        let variants = [("private", Self::PRIVATE), ("group", Self::GROUP)];
        describe_union("Creates a private chat or a group.", &variants)
    }
}

impl ToSchema for CreateChat {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        let private = describe_variant(
            "private",
            "Creates a private chat with one other user.",
            Self::visit_private,
        );
        let group =
            describe_variant("group", "Creates a group of any number of users.", Group::visit);
        schemas.extend([(Self::PRIVATE.to_owned(), private), (Self::GROUP.to_owned(), group)]);
    }
}

/// The fields of a new group.
struct Group {
    name: Option<ChatName>,
    description: Option<Description>,
    members: Option<Vec<i64>>,
}

impl Group {
    fn visit(body: &mut impl Visitor) -> Self {
        let members = ObjectIds { example: &[8], ..ObjectIds::default() };
        Self {
            name: body.required("name", "Every member sees it.", name()),
            description: body.optional("description", "May be empty.", description()),
            members: body.optional("members", "The ids of the other members.", members),
        }
    }
}

impl CreateChat {
    const PRIVATE: &str = "CreatePrivateChat";
    const GROUP: &str = "CreateGroup";

    fn visit_private(body: &mut impl Visitor) -> Option<Vec<i64>> {
        let members = ObjectIds { min: Some(1), example: &[8], ..ObjectIds::default() };
        body.required("members", "The id of the other user.", members)
    }

    /// Reads the body. `me` creates the chat and is ignored among the members; `max` is the largest
    /// group, its creator included.
    pub fn parse(mut body: Fields, me: UserId, max: usize) -> Input<ChatRequest> {
        let kind = body.required("type", "", choice::<ChatType>("ChatType"));
        let others = |listed: Option<Vec<i64>>| {
            let mut members = once(listed.unwrap_or_default(), Some(me));
            members.sort_unstable();
            members
        };
        let (members, chat) = match kind {
            Some(ChatType::Private) => {
                let listed = Self::visit_private(&mut body);
                let is_read = listed.is_some();
                let members = others(listed);
                if is_read && members.len() != 1 {
                    body.fault("members", "A private chat is with exactly one other user.");
                }
                let peer = members.first().map(|peer| NewChat::Private { peer: *peer });
                (members, peer)
            }
            Some(ChatType::Group) => {
                let Group { name, description, members } = Group::visit(&mut body);
                let members = others(members);
                if members.len() >= max {
                    body.fault("members", too_many_members(max));
                }
                let (named, description) = (members.clone(), description.unwrap_or_default());
                let group = name.map(|name| NewChat::Group { name, description, members });
                (named, group)
            }
            None => (others(body.optional("members", "", ObjectIds::default())), None),
        };
        Input { value: ChatRequest { members, chat }, errors: body.into_errors() }
    }
}

/// Changes a group.
#[derive(Debug)]
pub struct UpdateChat {
    name: Option<ChatName>,
    description: Option<Description>,
    avatar: Option<NewAvatar>,
    members: Option<Vec<i64>>,
}

impl PartialSchema for UpdateChat {
    fn schema() -> RefOr<Schema> {
        describe("Changes a group.", Self::visit)
    }
}

impl ToSchema for UpdateChat {}

/// [`UpdateChat`] as a form.
#[derive(Debug)]
pub struct UpdateChatForm;

impl PartialSchema for UpdateChatForm {
    fn schema() -> RefOr<Schema> {
        describe_form("Changes a group.", UpdateChat::visit)
    }
}

impl ToSchema for UpdateChatForm {}

impl UpdateChat {
    fn visit(body: &mut impl Visitor) -> Self {
        let members = "The ids of all other members the group is to have. Members who stay keep their \
                       roles.";
        Self {
            name: body.required("name", "Every member sees it.", name()),
            description: body.optional("description", "May be empty.", description()),
            avatar: body.picture("avatar"),
            members: body.optional(
                "members",
                members,
                ObjectIds { example: &[8], ..ObjectIds::default() },
            ),
        }
    }

    /// Reads the body. `me` is ignored among the members; `max` is the largest group, `me` included.
    pub fn parse(mut body: Fields, me: UserId, max: usize) -> Input<ChatChange> {
        let Self { name, description, avatar, members } = Self::visit(&mut body);
        let mut members = members.map(|ids| once(ids, Some(me)));
        if members.as_ref().is_some_and(|members| members.len() >= max) {
            body.fault("members", too_many_members(max));
            members = None;
        }
        let value = ChatChange { name, description, avatar, members };
        Input { value, errors: body.into_errors() }
    }
}

fn name() -> Text<impl FnOnce(String) -> Result<ChatName, String>> {
    text(|name| ChatName::parse(&name)).min(1).max(NAME_MAX).example("Kitchen")
}

fn description() -> Text<impl FnOnce(String) -> Result<Description, String>> {
    text(|text| Description::parse(&text)).max(DESCRIPTION_MAX)
}

/// The type of a chat.
#[derive(ToSchema)]
#[schema(as = ChatType, rename_all = "lowercase")]
pub enum ChatTypeSchema {
    /// Two users.
    Private,
    /// Any number of users.
    Group,
}
