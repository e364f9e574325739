//! A database for each test, with some rows.

use std::sync::Arc;
use std::time::Duration;

use meowsenger::app::open_database;
use meowsenger::config::{Config, Variables};
use meowsenger::domain::ids::{ChatId, MessageId, UserId};
use meowsenger::domain::login_names::Username;
use meowsenger::domain::message::{Content, NewMessage};
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::role::Role;
use meowsenger::domain::search::IndexEntry;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::sends::{self, Added, Numbered};
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

    /// Sends a batch and commits. Returns the ids in its order.
    pub async fn send(&self, batch: &[NewMessage], now: Timestamp) -> Vec<MessageId> {
        let mut tx = self.tx().await;
        let ids = send(&mut tx, batch, now).await;
        tx.commit().await.expect("committed");
        ids
    }

    /// The same with one message.
    pub async fn say(&self, chat: ChatId, sender: UserId, content: &str) -> MessageId {
        self.send(&[message(chat, sender, content)], NOW).await[0]
    }
}

/// Another handle on the same database.
pub async fn open(variables: &Variables) -> Db {
    open_database(&Config::read(variables).expect("settings")).await.expect("opened")
}

pub fn message(chat: ChatId, sender: UserId, content: &str) -> NewMessage {
    let content = Content::parse(content.to_owned(), 10_000).expect("content");
    NewMessage { chat, sender, content, reply_to: None, client_id: None }
}

/// The committer's statements in their order, without its checks.
async fn send(tx: &mut Tx, batch: &[NewMessage], now: Timestamp) -> Vec<MessageId> {
    let ids: Vec<_> = batch.iter().map(|message| message.chat).collect();
    let mut chats = sends::lock_chats(tx, &ids).await.expect("locked");
    let mut numbered = Vec::new();
    for message in batch {
        let chat = chats.iter_mut().find(|chat| chat.id == message.chat).expect("its chat");
        chat.last_seq = chat.last_seq.next();
        chat.version = chat.version.next();
        let (seq, version) = (chat.last_seq, chat.version);
        numbered.push(Numbered { message, seq, version, timestamp: now });
    }
    let inserted = sends::insert(tx, &numbered).await.expect("inserted");
    let id = |n: &Numbered<'_>| {
        let found = inserted.iter().find(|(chat, seq, _)| (*chat, *seq) == (n.message.chat, n.seq));
        found.expect("an id for each").2
    };
    let ids: Vec<_> = numbered.iter().map(id).collect();
    let added: Vec<_> = chats
        .iter()
        .map(|chat| {
            let of_chat = || numbered.iter().zip(&ids).filter(|(n, _)| n.message.chat == chat.id);
            Added {
                chat: chat.id,
                count: i64::try_from(of_chat().count()).expect("few"),
                last: *of_chat().next_back().expect("one at least").1,
                active_at: now,
            }
        })
        .collect();
    sends::advance_chats(tx, &added).await.expect("advanced");
    // Only each sender's newest message, as the committer does: a statement updates a row once.
    let sent: std::collections::BTreeMap<_, _> =
        numbered.iter().map(|n| ((n.message.chat, n.message.sender), n.seq)).collect();
    let sent: Vec<_> = sent.into_iter().map(|((chat, user), seq)| (chat, user, seq)).collect();
    sends::advance_senders(tx, &sent).await.expect("marks");
    ids
}
