//! The objects of the API, each as a borrowed view of what the domain holds, so that serialising
//! copies next to nothing: the domain knows files by their paths, which become URLs here.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::domain::chat::{ChatType, ChatView};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;
use crate::domain::user::{Availability, Profile, Status};

/// A person, as others see them.
#[derive(Serialize, ToSchema)]
pub struct User<'a> {
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: UserId,
    /// Unique without regard to case.
    #[schema(min_length = 1, max_length = 150, example = "whiskers")]
    username: &'a str,
    #[schema(max_length = 150)]
    first_name: &'a str,
    #[schema(max_length = 150)]
    last_name: &'a str,
    /// The picture's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
    #[schema(value_type = schema::Status)]
    status: Status,
    /// A line of the user's own.
    #[schema(max_length = 140)]
    status_text: &'a str,
    /// When the user was last connected.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    date_joined: Timestamp,
}

/// Oneself: what only the owner of the account sees is added.
#[derive(Serialize, ToSchema)]
pub struct OwnUser<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    user: User<'a>,
    /// Empty where none was given.
    #[schema(max_length = 254)]
    email: &'a str,
    is_staff: bool,
    is_superuser: bool,
    /// What the user chose to be seen as.
    #[schema(value_type = schema::Availability)]
    availability: Availability,
}

/// A person inside of another object.
#[derive(Serialize, ToSchema)]
pub struct UserRef<'a> {
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: UserId,
    #[schema(min_length = 1, max_length = 150, example = "whiskers")]
    username: &'a str,
    #[schema(max_length = 150)]
    first_name: &'a str,
    #[schema(max_length = 150)]
    last_name: &'a str,
    /// The picture's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
}

/// A person in a chat.
#[derive(Serialize, ToSchema)]
pub struct Member<'a> {
    user: UserRef<'a>,
    #[schema(value_type = schema::Role)]
    role: Role,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
    /// Everything up to here has reached one of the member's devices.
    #[schema(value_type = i64, minimum = 0)]
    last_delivered_seq: Seq,
    /// Everything up to here has been read.
    #[schema(value_type = i64, minimum = 0)]
    last_read_seq: Seq,
}

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
    #[schema(value_type = schema::Role)]
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

/// A message, or the tombstone of one: empty `content`, `deleted_at` set.
#[derive(Serialize, ToSchema)]
pub struct Message<'a> {
    #[schema(value_type = i64, minimum = 1, example = 12)]
    id: MessageId,
    /// The chat's id.
    #[schema(value_type = i64, minimum = 1, example = 3)]
    chat: ChatId,
    /// Numbers a chat's messages 1, 2, 3, … without holes.
    #[schema(value_type = i64, minimum = 1, example = 5)]
    seq: Seq,
    /// The chat's version that this message's last change made.
    #[schema(value_type = i64, minimum = 2, example = 6)]
    version: Version,
    sender: UserRef<'a>,
    /// Exactly as it was sent.
    #[schema(example = "Meow!")]
    content: &'a str,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    edited_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
    /// The id of the message that it answers.
    #[schema(required, value_type = Option<i64>, minimum = 1)]
    reply_to: Option<MessageId>,
    /// The sender's own name for it.
    #[schema(required, max_length = 64)]
    client_id: Option<&'a str>,
    #[schema(value_type = schema::MessageStatus)]
    status: MessageStatus,
}

impl<'a> User<'a> {
    /// As others see them.
    pub fn of(profile: &'a Profile, urls: &Urls) -> Self {
        let user = &profile.user;
        Self {
            id: user.id,
            username: &user.username,
            first_name: &user.first_name,
            last_name: &user.last_name,
            avatar: avatar(user.avatar.as_deref(), urls),
            status: profile.status,
            status_text: &user.status_text,
            last_seen: user.last_seen,
            date_joined: user.date_joined,
        }
    }
}

impl<'a> OwnUser<'a> {
    /// As the owner of the account sees it.
    pub fn of(profile: &'a Profile, urls: &Urls) -> Self {
        let user = &profile.user;
        Self {
            user: User::of(profile, urls),
            email: &user.email,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            availability: user.availability,
        }
    }
}

impl<'a> UserRef<'a> {
    /// As everybody sees them.
    pub fn of(user: &'a domain::user::UserRef, urls: &Urls) -> Self {
        Self {
            id: user.id,
            username: &user.username,
            first_name: &user.first_name,
            last_name: &user.last_name,
            avatar: avatar(user.avatar.as_deref(), urls),
        }
    }
}

impl<'a> Member<'a> {
    /// As every member sees them.
    pub fn of(member: &'a domain::chat::Member, urls: &Urls) -> Self {
        Self {
            user: UserRef::of(&member.user, urls),
            role: member.role,
            joined_at: member.joined_at,
            last_delivered_seq: member.last_delivered_seq,
            last_read_seq: member.last_read_seq,
        }
    }
}

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

impl<'a> Message<'a> {
    /// As every member sees it.
    pub fn of(message: &'a domain::message::Message, urls: &Urls) -> Self {
        Self {
            id: message.id,
            chat: message.chat,
            seq: message.seq,
            version: message.version,
            sender: UserRef::of(&message.sender, urls),
            content: &message.content,
            timestamp: message.timestamp,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
            reply_to: message.reply_to,
            client_id: message.client_id.as_deref(),
            status: message.status,
        }
    }
}

pub(super) fn avatar(path: Option<&str>, urls: &Urls) -> Option<String> {
    path.map(|path| urls.media(path))
}

/// The enumerations as the schema names them: the domain knows no schema.
pub mod schema {
    use utoipa::ToSchema;

    /// What others see of a person's presence.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum Status {
        /// Connected.
        Online,
        /// Connected, not at the keyboard.
        Away,
        /// Connected, not to be disturbed.
        Busy,
        /// Not connected, or invisible.
        Offline,
    }

    /// What a person chose to be seen as.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum Availability {
        /// As connected, while connected.
        Online,
        /// As away, while connected.
        Away,
        /// As busy, while connected.
        Busy,
        /// Never as connected.
        Invisible,
    }

    /// What a member may do.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum Role {
        /// Everything.
        Owner,
        /// Everything but roles and the group's end.
        Admin,
        /// Read and write.
        Member,
    }

    /// What kind of chat it is.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum ChatType {
        /// Two people.
        Private,
        /// Any number.
        Group,
    }

    /// How far a message came.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum MessageStatus {
        /// Committed.
        Sent,
        /// Every other member's device has it.
        Delivered,
        /// Every other member has read it.
        Read,
    }
}
