//! A database for each test, with some rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use meowsenger::app::open_database;
use meowsenger::config::{Config, Variables};
use meowsenger::domain::attachment::NewAttachments;
use meowsenger::domain::ids::{ChatId, MessageId, UserId};
use meowsenger::domain::login_names::Username;
use meowsenger::domain::mentions::{Candidates, Mentions};
use meowsenger::domain::message::{ClientId, Content, Message, NewMessage};
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::role::Role;
use meowsenger::domain::search::IndexEntry;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::error::Result;
use meowsenger::store::messages::{self, Span};
use meowsenger::store::post::{Numbering, Posted, post};
use meowsenger::store::sends::Resolved;
use meowsenger::store::users::{self, NewUser};
use meowsenger::store::{Db, Tx, chats, members, migrations, search};
pub use meowsenger_testing::Backend;
use meowsenger_testing::Watchdog;
use meowsenger_testing::services::database;
use tempfile::TempDir;

/// A time that is not a whole number of milliseconds.
pub const NOW: Timestamp = Timestamp::from_micros(1_795_305_600_123_457);

/// So many seconds after [`NOW`].
pub fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A test's database.
pub struct Store {
    pub db: Db,
    pub variables: Variables,
    /// Removed when the test ends.
    _folder: Arc<TempDir>,
    /// Ends the run if the test hangs.
    _watchdog: Watchdog,
}

impl Store {
    /// An empty database. `None`, so that the test is skipped, if there is no PostgreSQL and none is
    /// required.
    pub async fn empty(backend: Backend) -> Option<Self> {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let variables = database(backend, folder.path(), 4).await?;
        let db = open(&variables).await;
        Some(Self { db, variables, _folder: folder, _watchdog: Watchdog::start() })
    }

    /// A database with the schema.
    pub async fn new(backend: Backend) -> Option<Self> {
        let store = Self::empty(backend).await?;
        migrations::migrate(&store.db, NOW, |_| {}).await.expect("migrated");
        Some(store)
    }

    pub async fn tx(&self) -> Tx {
        self.db.begin().await.expect("a transaction")
    }

    pub async fn user(&self, name: &str) -> UserId {
        let mut tx = self.tx().await;
        let username = Username::parse(name).expect("a username");
        let user = NewUser {
            username: &username,
            email: None,
            password: "hash",
            first_name: "",
            last_name: "",
            is_superuser: false,
        };
        let id = users::insert(&mut tx, &user, NOW).await.expect("inserted");
        search::index(&mut tx, id, &IndexEntry::of(name, "", "")).await.expect("indexed");
        tx.commit().await.expect("committed");
        id
    }

    pub async fn group(&self, owner: UserId, others: &[UserId]) -> ChatId {
        let mut tx = self.tx().await;
        let count = 1 + i64::try_from(others.len()).expect("few");
        let chat = chats::insert_group(&mut tx, owner, "Kitchen", "", count, NOW).await;
        let chat = chat.expect("inserted");
        members::insert(&mut tx, chat, &[owner], Role::Owner, Seq(0), NOW).await.expect("owner");
        members::insert(&mut tx, chat, others, Role::Member, Seq(0), NOW).await.expect("members");
        tx.commit().await.expect("committed");
        chat
    }

    pub async fn private(&self, one: UserId, other: UserId) -> ChatId {
        let mut tx = self.tx().await;
        let chat = chats::insert_private(&mut tx, one, other, NOW).await.expect("inserted");
        let chat = chat.expect("the first one");
        let both = [one, other];
        members::insert(&mut tx, chat, &both, Role::Member, Seq(0), NOW).await.expect("members");
        tx.commit().await.expect("committed");
        chat
    }

    /// Sends a batch whose sends are all accepted. Returns the ids in its order.
    pub async fn send(&self, batch: &[NewMessage], now: Timestamp) -> Vec<MessageId> {
        let posted = self.post(batch, now).await.expect("committed");
        assert_eq!(posted.created.len(), batch.len(), "{posted:?}");
        posted.created.into_iter().map(|(_, id)| id).collect()
    }

    /// Sends a batch.
    pub async fn post(&self, batch: &[NewMessage], now: Timestamp) -> Result<Posted<()>> {
        post(&self.db, &batch.to_vec().into(), now, accept).await
    }

    /// The same with one message.
    pub async fn say(&self, chat: ChatId, sender: UserId, content: &str) -> MessageId {
        self.send(&[message(chat, sender, content)], NOW).await[0]
    }

    /// All messages of a chat, as one of its members reads them.
    pub async fn messages(&self, chat: ChatId, member: UserId) -> Vec<Message> {
        let span = Span { at: Seq(0), back: 0, ahead: 99 };
        let page = messages::page(&self.db, chat, member, span).await.expect("read");
        page.expect("a member").messages
    }
}

/// Another handle on the same database.
pub async fn open(variables: &Variables) -> Db {
    open_database(&Config::read(variables).expect("settings")).await.expect("opened")
}

pub fn message(chat: ChatId, sender: UserId, content: &str) -> NewMessage {
    let content = Content::parse(content.to_owned(), 10_000).expect("content");
    NewMessage {
        chat,
        sender,
        content,
        reply_to: None,
        client_id: None,
        candidates: Candidates::default(),
        mentions: Mentions::default(),
        origin: None,
        attachments: NewAttachments::default(),
    }
}

pub fn named(message: NewMessage, client_id: &str) -> NewMessage {
    let client_id = ClientId::parse(client_id.to_owned()).expect("a name");
    NewMessage { client_id: Some(client_id), ..message }
}

/// Accepts what the committer does.
fn accept(batch: &[NewMessage], resolved: &[Option<Resolved>]) -> ((), Vec<Numbering>) {
    let mut numbers = HashMap::new();
    let mut names = HashSet::new();
    let mut accepted = Vec::new();
    for (index, send) in batch.iter().enumerate() {
        let Some(found) = &resolved[index] else { continue };
        let refused = found.existing.is_some() || found.left_alone || !found.reply_ok;
        let name = send.client_id.as_ref().map(|id| (send.chat, send.sender, id));
        if refused || name.is_some_and(|name| !names.insert(name)) {
            continue;
        }
        let (seq, version) = numbers.entry(send.chat).or_insert((found.last_seq, found.version));
        (*seq, *version) = (seq.next(), version.next());
        accepted.push((index, *seq, *version));
    }
    ((), accepted)
}
