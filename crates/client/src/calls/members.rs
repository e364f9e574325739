//! The members of a chat.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::errors::Result;
use crate::ids::{ChatId, UserId};
use crate::lists::List;
use crate::rest::Client;
use crate::types::{Member, Role};

impl Client {
    /// A chat's members: owner and admins first, then in the order in which they joined.
    pub fn members(&self, chat: ChatId) -> List<Member> {
        List::new(self, format!("/api/chats/{chat}/members/"))
    }

    /// One member of a chat.
    pub async fn member(&self, chat: ChatId, user: UserId) -> Result<Member> {
        self.run(Call::get(format!("/api/chats/{chat}/members/{user}/"))).await
    }

    /// Adds users to a group, as members or (by its owner) as admins. Existing members keep their role.
    pub async fn add_members(
        &self,
        chat: ChatId,
        users: &[UserId],
        role: Role,
    ) -> Result<Vec<Member>> {
        #[derive(Deserialize)]
        struct Added {
            results: Vec<Member>,
        }
        let path = format!("/api/chats/{chat}/members/");
        let call = Call::post(path, json!({"users": users, "role": role})).idempotent();
        let Added { results } = self.run(call).await?;
        Ok(results)
    }

    /// Changes a member's role. [`Role::Owner`] transfers the group.
    pub async fn set_role(&self, chat: ChatId, user: UserId, role: Role) -> Result<Member> {
        let path = format!("/api/chats/{chat}/members/{user}/");
        // Who has transferred the group may not do it again.
        self.run(Call::new(Method::PUT, path).json(json!({"role": role})).once()).await
    }

    /// Removes a member from a group; with your own id, leaves it.
    pub async fn remove_member(&self, chat: ChatId, user: UserId) -> Result<()> {
        self.run(Call::delete(format!("/api/chats/{chat}/members/{user}/"))).await
    }
}
