//! The calls of the REST API, a line or two each. How requests are made and retried is in `rest`.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::errors::Result;
use crate::frames::{SyncRequest, SyncResponse};
use crate::rest::{Client, Retry};
use crate::types::{Chat, Draft, Member, Message, Page, Receipts, Role, Ticket, UnreadCount, User};

/// Where a page of a chat's messages starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The newest messages, newest first.
    Newest,
    /// Messages before this `seq`, newest first.
    Before(i64),
    /// Messages after this `seq`, oldest first.
    After(i64),
}

/// The account, and other users.
impl Client {
    /// Your account.
    pub async fn me(&self) -> Result<User> {
        self.get("/api/auth/me/").await
    }

    /// Ends the session: revokes its tokens and closes its connections.
    pub async fn log_out(self) -> Result<()> {
        self.post("/api/auth/logout/", &json!({}), Retry::Never).await
    }

    /// A ticket that opens one WebSocket, for clients that cannot set headers, such as web pages.
    pub async fn ws_ticket(&self) -> Result<Ticket> {
        self.post("/api/auth/ws-ticket/", &json!({}), Retry::Safe).await
    }

    /// A user.
    pub async fn user(&self, id: i64) -> Result<User> {
        self.get(&format!("/api/users/{id}/")).await
    }

    /// Searches users by name, best match first.
    pub async fn search_users(&self, name: &str) -> Result<Page<User>> {
        let name: String = reqwest::Url::parse_with_params("q:", [("q", name)])
            .map(|url| url.query().unwrap_or_default().to_owned())
            .unwrap_or_default();
        self.get(&format!("/api/users/search/?{name}")).await
    }
}

/// Chats and their members.
impl Client {
    /// Your chats, most recent activity first.
    pub async fn chats(&self) -> Result<Page<Chat>> {
        self.get("/api/chats/?page_size=100").await
    }

    /// The page behind a `next` or `previous` link.
    pub async fn follow<T: DeserializeOwned>(&self, link: &str) -> Result<Page<T>> {
        // Links contain the server's public address; stay with the address that was used here.
        let path = link.find("/api/").map_or(link, |at| &link[at..]);
        self.get(path).await
    }

    /// One chat, including its first 100 members.
    pub async fn chat(&self, id: i64) -> Result<Chat> {
        self.get(&format!("/api/chats/{id}/")).await
    }

    /// The private chat with a user. Creates it if there is none.
    pub async fn private_chat(&self, user: i64) -> Result<Chat> {
        let body = json!({"type": "private", "members": [user]});
        self.post("/api/chats/", &body, Retry::Safe).await
    }

    /// Creates a group and adds its first members.
    pub async fn create_group(&self, name: &str, members: &[i64]) -> Result<Chat> {
        let body = json!({"type": "group", "name": name, "members": members});
        self.post("/api/chats/", &body, Retry::Never).await
    }

    /// Changes a group's name and description.
    pub async fn update_group(&self, id: i64, name: &str, description: &str) -> Result<Chat> {
        let body = json!({"name": name, "description": description});
        self.call(Method::PATCH, &format!("/api/chats/{id}/"), Some(&body), Retry::Safe).await
    }

    /// Deletes a chat for all members.
    pub async fn delete_chat(&self, id: i64) -> Result<()> {
        self.call(Method::DELETE, &format!("/api/chats/{id}/"), None, Retry::Never).await
    }

    /// The first page of a chat's members.
    pub async fn members(&self, chat: i64) -> Result<Page<Member>> {
        self.get(&format!("/api/chats/{chat}/members/?page_size=100")).await
    }

    /// Adds users to a group. Existing members keep their role.
    pub async fn add_members(&self, chat: i64, users: &[i64]) -> Result<Vec<Member>> {
        #[derive(serde::Deserialize)]
        struct Added {
            results: Vec<Member>,
        }
        let path = format!("/api/chats/{chat}/members/");
        let added: Added = self.post(&path, &json!({"users": users}), Retry::Safe).await?;
        Ok(added.results)
    }

    /// Changes a member's role. `Owner` transfers the ownership of the group.
    pub async fn set_role(&self, chat: i64, user: i64, role: Role) -> Result<Member> {
        let (path, body) = (format!("/api/chats/{chat}/members/{user}/"), json!({"role": role}));
        self.call(Method::PUT, &path, Some(&body), Retry::Never).await
    }

    /// Removes a member from a group; with your own id, leaves it.
    pub async fn remove_member(&self, chat: i64, user: i64) -> Result<()> {
        let path = format!("/api/chats/{chat}/members/{user}/");
        self.call(Method::DELETE, &path, None, Retry::Never).await
    }
}

/// Messages.
impl Client {
    /// A page of at most `page_size` (1–100) messages of a chat. Reading them moves your delivery
    /// marker.
    pub async fn messages(
        &self,
        chat: i64,
        anchor: Anchor,
        page_size: u32,
    ) -> Result<Page<Message>> {
        let anchor = match anchor {
            Anchor::Newest => String::new(),
            Anchor::Before(seq) => format!("before={seq}&"),
            Anchor::After(seq) => format!("after={seq}&"),
        };
        self.get(&format!("/api/chats/{chat}/messages/?{anchor}page_size={page_size}")).await
    }

    /// One message.
    pub async fn message(&self, id: i64) -> Result<Message> {
        self.get(&format!("/api/messages/{id}/")).await
    }

    /// Sends a message, with retries under its `client_id`: it is created at most once. After
    /// [`Error::Network`](crate::Error::Network) it may or may not have been created. The same draft
    /// may be sent again if it has a `client_id` of its own.
    pub async fn send(&self, chat: i64, draft: impl Into<Draft>) -> Result<Message> {
        let path = format!("/api/chats/{chat}/messages/");
        self.post(&path, &json!(draft.into().with_client_id()), Retry::Safe).await
    }

    /// Edits a message you sent.
    pub async fn edit(&self, message: i64, content: &str) -> Result<Message> {
        let (path, body) = (format!("/api/messages/{message}/"), json!({"content": content}));
        self.call(Method::PUT, &path, Some(&body), Retry::Safe).await
    }

    /// Deletes a message.
    pub async fn delete(&self, message: i64) -> Result<()> {
        self.call(Method::DELETE, &format!("/api/messages/{message}/"), None, Retry::Safe).await
    }

    /// Who has received and read a message.
    pub async fn receipts(&self, message: i64) -> Result<Receipts> {
        self.get(&format!("/api/messages/{message}/receipts/")).await
    }

    /// Moves your read marker in a chat to a `seq`.
    pub async fn mark_read(&self, chat: i64, seq: i64) -> Result<UnreadCount> {
        let path = format!("/api/chats/{chat}/read/");
        self.post(&path, &json!({"seq": seq}), Retry::Safe).await
    }

    /// Asks for everything newer than the known versions. A [`Connection`](crate::Connection) does
    /// this by itself.
    pub async fn sync(&self, request: &SyncRequest) -> Result<SyncResponse> {
        self.post("/api/sync/", &json!(request), Retry::Safe).await
    }

    /// Any other call, without retries. An answer without a body is `null`.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(method, path, body, Retry::Never).await
    }
}
