//! The calls of the REST API, each a line or two. How they are made is said in `rest`.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::errors::Result;
use crate::frames::{SyncRequest, Synced};
use crate::rest::{Again, Client};
use crate::types::{Chat, Draft, Member, Message, Page, Receipts, Role, Ticket, Unread, User};

/// Which of a chat's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest, newest first.
    Newest,
    /// Those before this `seq`, newest first.
    Before(i64),
    /// Those after this `seq`, oldest first.
    After(i64),
}

/// Oneself and others.
impl Client {
    /// Oneself.
    pub async fn me(&self) -> Result<User> {
        self.get("/api/auth/me/").await
    }

    /// Ends the session: its tokens and sockets are dead.
    pub async fn log_out(self) -> Result<()> {
        self.post("/api/auth/logout/", &json!({}), Again::Never).await
    }

    /// A ticket for one socket of somebody who cannot send headers, such as a page.
    pub async fn ws_ticket(&self) -> Result<Ticket> {
        self.post("/api/auth/ws-ticket/", &json!({}), Again::Safe).await
    }

    /// Somebody.
    pub async fn user(&self, id: i64) -> Result<User> {
        self.get(&format!("/api/users/{id}/")).await
    }

    /// People by their names, best first.
    pub async fn find_users(&self, name: &str) -> Result<Page<User>> {
        let name: String = reqwest::Url::parse_with_params("q:", [("q", name)])
            .map(|url| url.query().unwrap_or_default().to_owned())
            .unwrap_or_default();
        self.get(&format!("/api/users/search/?{name}")).await
    }
}

/// Chats and who is in them.
impl Client {
    /// One's chats, newest activity first.
    pub async fn chats(&self) -> Result<Page<Chat>> {
        self.get("/api/chats/?page_size=100").await
    }

    /// A page that another named as `next` or `previous`.
    pub async fn follow<T: DeserializeOwned>(&self, link: &str) -> Result<Page<T>> {
        // Links name the address that the server knows itself by; it was reached by this one.
        let path = link.find("/api/").map_or(link, |at| &link[at..]);
        self.get(path).await
    }

    /// One chat, with its first 100 members.
    pub async fn chat(&self, id: i64) -> Result<Chat> {
        self.get(&format!("/api/chats/{id}/")).await
    }

    /// The private chat with somebody; it is made where there is none.
    pub async fn private_chat(&self, user: i64) -> Result<Chat> {
        let body = json!({"type": "private", "members": [user]});
        self.post("/api/chats/", &body, Again::Safe).await
    }

    /// Makes a group, with its first members.
    pub async fn make_group(&self, name: &str, members: &[i64]) -> Result<Chat> {
        let body = json!({"type": "group", "name": name, "members": members});
        self.post("/api/chats/", &body, Again::Never).await
    }

    /// Gives a group another name and description.
    pub async fn rename_group(&self, id: i64, name: &str, description: &str) -> Result<Chat> {
        let body = json!({"name": name, "description": description});
        self.call(Method::PATCH, &format!("/api/chats/{id}/"), Some(&body), Again::Safe).await
    }

    /// Ends a chat for everybody in it.
    pub async fn end_chat(&self, id: i64) -> Result<()> {
        self.call(Method::DELETE, &format!("/api/chats/{id}/"), None, Again::Never).await
    }

    /// A page of a chat's members.
    pub async fn members(&self, chat: i64) -> Result<Page<Member>> {
        self.get(&format!("/api/chats/{chat}/members/?page_size=100")).await
    }

    /// Adds people to a group; who is in it already stays as they are.
    pub async fn add_members(&self, chat: i64, users: &[i64]) -> Result<Vec<Member>> {
        #[derive(serde::Deserialize)]
        struct Added {
            results: Vec<Member>,
        }
        let path = format!("/api/chats/{chat}/members/");
        let added: Added = self.post(&path, &json!({"users": users}), Again::Safe).await?;
        Ok(added.results)
    }

    /// Gives a member another role; `Owner` passes the group on.
    pub async fn set_role(&self, chat: i64, user: i64, role: Role) -> Result<Member> {
        let (path, body) = (format!("/api/chats/{chat}/members/{user}/"), json!({"role": role}));
        self.call(Method::PUT, &path, Some(&body), Again::Never).await
    }

    /// Puts a member out of a group, or leaves it.
    pub async fn remove_member(&self, chat: i64, user: i64) -> Result<()> {
        let path = format!("/api/chats/{chat}/members/{user}/");
        self.call(Method::DELETE, &path, None, Again::Never).await
    }
}

/// Messages.
impl Client {
    /// A page of a chat's messages, at most 100. Reading them marks them as delivered.
    pub async fn messages(&self, chat: i64, place: Place, most: u32) -> Result<Page<Message>> {
        let place = match place {
            Place::Newest => String::new(),
            Place::Before(seq) => format!("before={seq}&"),
            Place::After(seq) => format!("after={seq}&"),
        };
        self.get(&format!("/api/chats/{chat}/messages/?{place}page_size={most}")).await
    }

    /// One message.
    pub async fn message(&self, id: i64) -> Result<Message> {
        self.get(&format!("/api/messages/{id}/")).await
    }

    /// Sends a message. It is repeated under its `client_id` over time-outs, lost connections and
    /// busy servers, and is there once in the end, or refused. After
    /// [`Error::Network`](crate::Error::Network) it may be there or not: the same draft, with its
    /// own `client_id`, may be sent again.
    pub async fn send(&self, chat: i64, draft: impl Into<Draft>) -> Result<Message> {
        let path = format!("/api/chats/{chat}/messages/");
        self.post(&path, &json!(draft.into().named()), Again::Safe).await
    }

    /// Changes a message of one's own.
    pub async fn edit(&self, message: i64, content: &str) -> Result<Message> {
        let (path, body) = (format!("/api/messages/{message}/"), json!({"content": content}));
        self.call(Method::PUT, &path, Some(&body), Again::Safe).await
    }

    /// Deletes a message.
    pub async fn delete(&self, message: i64) -> Result<()> {
        self.call(Method::DELETE, &format!("/api/messages/{message}/"), None, Again::Safe).await
    }

    /// Who has a message.
    pub async fn receipts(&self, message: i64) -> Result<Receipts> {
        self.get(&format!("/api/messages/{message}/receipts/")).await
    }

    /// Marks a chat as read up to a `seq`.
    pub async fn mark_read(&self, chat: i64, seq: i64) -> Result<Unread> {
        let path = format!("/api/chats/{chat}/read/");
        self.post(&path, &json!({"seq": seq}), Again::Safe).await
    }

    /// What changed since what one knows. A [`Live`](crate::Live) does this by itself.
    pub async fn sync(&self, known: &SyncRequest) -> Result<Synced> {
        self.post("/api/sync/", &json!(known), Again::Safe).await
    }

    /// Any other call, tried once. An answer without a body is `null`.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(method, path, body, Again::Never).await
    }
}
