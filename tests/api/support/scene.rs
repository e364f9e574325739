//! The users and chats of the permission tests: users are reused, but each request gets a new chat, so
//! that requests do not influence each other. Does not know what each endpoint permits.

use std::collections::HashMap;

use serde_json::json;

use crate::attachments;
use crate::avatars::png;

use super::tokens::claims;
use super::{Client, PASSWORD, TestApp};

/// The caller's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Anonymous,
    Outsider,
    Member,
    Admin,
    Owner,
    /// Staff and superusers are not members of the chat.
    Staff,
    Superuser,
    /// A former member of the group.
    Ex,
    /// A member of a private chat, who is blocked by the other one.
    Blocked,
    /// A member of a private chat, who blocks the other one.
    Blocker,
}

impl Who {
    pub const ALL: [Self; 10] = [
        Self::Anonymous,
        Self::Outsider,
        Self::Member,
        Self::Admin,
        Self::Owner,
        Self::Staff,
        Self::Superuser,
        Self::Ex,
        Self::Blocked,
        Self::Blocker,
    ];
}

/// The kind of chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    Group,
    Private,
}

/// The owner of the user, message or session in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Own,
    /// A plain member's.
    Another,
    /// Another admin's.
    Admin,
    Owner,
    Superuser,
}

/// All users, for the whole test.
pub struct Cast {
    people: HashMap<Who, Client>,
    /// A plain member of every chat.
    pub other: Client,
    /// A member of every group.
    pub other_admin: Client,
    /// A member of no chat.
    pub newcomer: Client,
    other_superuser: Client,
}

/// The circumstances of one request.
pub struct Scene<'a> {
    pub cast: &'a Cast,
    /// Who asks.
    pub me: Client,
    pub chat: i64,
    /// The user, message or session in the path.
    pub subject: i64,
    /// The code of an invite to the group.
    pub code: String,
    /// A number for names, different each time.
    pub number: u32,
    /// A mailed link's `uid` and `token`, if the request needs one.
    pub link: Option<(String, String)>,
}

impl Scene<'_> {
    /// All members of the group except the caller and one other.
    pub fn all_but(&self, somebody: &Client) -> Vec<i64> {
        let mut all = self.cast.staying().map(|one| one.id).to_vec();
        all.retain(|id| ![self.me.id, somebody.id].contains(id));
        all
    }
}

impl Cast {
    pub async fn of(server: &TestApp) -> Self {
        let mut people = HashMap::new();
        for who in Who::ALL {
            people.insert(who, actor(server, who).await);
        }
        Self {
            people,
            other: server.user("other").await,
            other_admin: server.user("other").await,
            newcomer: server.user("newcomer").await,
            other_superuser: actor(server, Who::Superuser).await,
        }
    }

    pub fn owner(&self) -> &Client {
        &self.people[&Who::Owner]
    }

    /// The members of every group.
    fn staying(&self) -> [&Client; 5] {
        let one = |who| &self.people[&who];
        [self.owner(), one(Who::Admin), one(Who::Member), &self.other, &self.other_admin]
    }

    /// Prepares a request to `path`; `None` if there is no user with that role. The caller is `me`, if
    /// given.
    pub async fn play(
        &self,
        server: &TestApp,
        who: Who,
        place: Place,
        (of, path): (Of, &str),
        me: Option<Client>,
    ) -> Option<Scene<'_>> {
        let one = |who| &self.people[&who];
        let me = me.unwrap_or_else(|| one(who).clone());
        let owner = self.owner();
        let is_in_blocks = matches!(who, Who::Blocked | Who::Blocker);
        let (by, whom) = if who == Who::Blocked { (&self.other, &me) } else { (&me, &self.other) };
        let blocks = format!("/api/blocks/{}/", whom.id);
        if is_in_blocks {
            // The preparations below are allowed.
            by.delete(&blocks).await.expect(204);
        }
        let chat = match place {
            Place::Anywhere if is_in_blocks => return None,
            Place::Anywhere => 0,
            Place::Private if matches!(who, Who::Admin | Who::Owner | Who::Ex) => return None,
            Place::Private if is_in_blocks => me.private_chat(&self.other).await,
            Place::Private => one(Who::Member).private_chat(&self.other).await,
            _ if is_in_blocks => return None,
            Place::Group => {
                let chat = owner.group(&[&self.staying()[..], &[one(Who::Ex)]].concat()).await;
                for admin in [one(Who::Admin), &self.other_admin] {
                    let path = format!("/api/chats/{chat}/members/{}/", admin.id);
                    owner.put(&path, json!({"role": "admin"})).await.expect(200);
                }
                chat
            }
        };
        let is_in = matches!(who, Who::Member | Who::Admin | Who::Owner | Who::Ex) || is_in_blocks;
        let subject = match of {
            Of::Own => &me,
            Of::Another => &self.other,
            Of::Admin => &self.other_admin,
            Of::Owner => owner,
            Of::Superuser => &self.other_superuser,
        };
        let subject = if path.starts_with("/api/messages/{id}/") {
            if of == Of::Own && !is_in {
                return None;
            }
            subject.say(chat, "meow").await["id"].as_i64().expect("an id")
        } else if path.starts_with("/api/attachments/{id}/") {
            // An anonymous caller has no upload.
            let subject = if subject.access.is_empty() { &self.other } else { subject };
            attachments::id(&attachments::upload(subject, "a.png", &png(8, 8)).await)
        } else if path.starts_with("/api/reports/") {
            let body = json!({"user": owner.id, "reason": "abuse"});
            let report = self.other.post("/api/reports/", body).await.expect(201);
            report.json["id"].as_i64().expect("an id")
        } else if path.contains("/sessions/") {
            claims(&subject.refresh)["sid"].as_i64().expect("a session")
        } else {
            subject.id
        };
        let mut code = String::new();
        if path.contains("{code}") {
            let invites = format!("/api/chats/{chat}/invites/");
            let invite = owner.post(&invites, json!({})).await.expect(201).json;
            code = invite["code"].as_str().expect("a code").to_owned();
        }
        if is_in_blocks {
            by.put(&blocks, json!({})).await.expect(204);
        }
        if place == Place::Group && who == Who::Ex {
            me.delete(&format!("/api/chats/{chat}/members/{}/", me.id)).await.expect(204);
        }
        Some(Scene { cast: self, me, chat, subject, code, number: server.number(), link: None })
    }
}

/// A new user for a role. An anonymous caller has an account, too, but sends no token.
pub async fn actor(server: &TestApp, who: Who) -> Client {
    let name = format!("{who:?}{}", server.number()).to_lowercase();
    let email = format!("{name}@example.org");
    let body = json!({"username": name, "password": PASSWORD, "email": email});
    let anonymous = server.anonymous();
    let session = anonymous.post("/api/auth/register/", body).await.expect(201);
    let mut client = anonymous.with_session(&session.json);
    match who {
        Who::Staff | Who::Superuser => server.make_staff(&client, who == Who::Superuser).await,
        Who::Anonymous => client.access.clear(),
        _ => {}
    }
    client
}
