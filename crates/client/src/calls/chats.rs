//! Chats.

use serde::Serialize;
use serde_json::json;

use crate::call::Call;
use crate::errors::Result;
use crate::ids::{ChatId, Seq, UserId};
use crate::lists::List;
use crate::rest::Client;
use crate::types::{
    Chat, ChatSettings, ChatType, GroupUpdate, NewGroup, Picture, SettingsUpdate, UnreadCount,
    UnreadSums,
};

impl Client {
    /// Your chats, most recent activity first.
    pub fn chats(&self) -> List<Chat> {
        List::new(self, "/api/chats/")
    }

    /// One chat, including its first 100 members.
    pub async fn chat(&self, id: ChatId) -> Result<Chat> {
        self.run(Call::get(format!("/api/chats/{id}/"))).await
    }

    /// The private chat with a user. Creates it if there is none.
    pub async fn private_chat(&self, user: UserId) -> Result<Chat> {
        let body = json!({"type": "private", "members": [user]});
        self.run(Call::post("/api/chats/", body).idempotent()).await
    }

    /// Creates a group.
    pub async fn create_group(&self, group: &NewGroup) -> Result<Chat> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: ChatType,
            #[serde(flatten)]
            group: &'a NewGroup,
        }
        self.run(Call::post("/api/chats/", Body { r#type: ChatType::Group, group })).await
    }

    /// Updates a group.
    pub async fn update_group(&self, id: ChatId, update: &GroupUpdate) -> Result<Chat> {
        self.run(Call::patch(format!("/api/chats/{id}/"), update)).await
    }

    /// Replaces a group's avatar.
    pub async fn set_chat_avatar(&self, id: ChatId, picture: impl Into<Picture>) -> Result<Chat> {
        self.run(Call::put_picture(format!("/api/chats/{id}/avatar/"), picture.into())).await
    }

    /// Removes a group's avatar.
    pub async fn remove_chat_avatar(&self, id: ChatId) -> Result<Chat> {
        self.run(Call::delete(format!("/api/chats/{id}/avatar/"))).await
    }

    /// Deletes a chat for all members.
    pub async fn delete_chat(&self, id: ChatId) -> Result<()> {
        self.run(Call::delete(format!("/api/chats/{id}/"))).await
    }

    /// Your settings of a chat.
    pub async fn chat_settings(&self, id: ChatId) -> Result<ChatSettings> {
        self.run(Call::get(format!("/api/chats/{id}/settings/"))).await
    }

    /// Mutes, pins or archives a chat, or ends that.
    pub async fn update_chat_settings(
        &self,
        id: ChatId,
        update: &SettingsUpdate,
    ) -> Result<ChatSettings> {
        self.run(Call::patch(format!("/api/chats/{id}/settings/"), update)).await
    }

    /// What is unread in all your chats that are neither muted nor archived.
    pub async fn unread(&self) -> Result<UnreadSums> {
        self.run(Call::get("/api/chats/unread/")).await
    }

    /// Moves your read marker in a chat to a `seq`.
    pub async fn mark_read(&self, chat: ChatId, seq: Seq) -> Result<UnreadCount> {
        let path = format!("/api/chats/{chat}/read/");
        self.run(Call::post(path, json!({"seq": seq})).idempotent()).await
    }
}

/// Filters of [`Client::chats`].
impl List<Chat> {
    /// Only private chats, or only groups.
    pub fn of_type(self, kind: ChatType) -> Self {
        let name = match kind {
            ChatType::Private => "private",
            ChatType::Group => "group",
            ChatType::Other => return self,
        };
        self.with("type", name)
    }

    /// Only chats with unread messages.
    pub fn unread(self) -> Self {
        self.with("unread", true)
    }

    /// Only chats that you have archived, or those that you have not.
    pub fn archived(self, archived: bool) -> Self {
        self.with("archived", archived)
    }

    /// Only chats that you have pinned.
    pub fn pinned(self) -> Self {
        self.with("pinned", true)
    }

    /// Only chats that are muted now.
    pub fn muted(self) -> Self {
        self.with("muted", true)
    }

    /// Only chats with this text in the name of the group, or in the names of the other user.
    pub fn search(self, text: &str) -> Self {
        self.with("search", text)
    }
}
