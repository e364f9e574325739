//! Sends that race what they depend on: they wait for the chat, and then see it as it has become.

use std::time::Duration;

use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::role::Role;
use meowsenger::store::error::{Result, StoreError};
use meowsenger::store::post::{Posted, post};
use meowsenger::store::{Target, Tx, chats, members, messages};
use meowsenger_testing::eventually;
use rstest::rstest;
use sqlx::{Connection, PgConnection};
use tokio::join;

use crate::support::{Backend, NOW, Store, message, named, open};

const SOON: Duration = Duration::from_secs(10);

/// A chat with two members, and someone else.
struct Scene {
    store: Store,
    chat: ChatId,
    owner: UserId,
    member: UserId,
    stranger: UserId,
}

impl Scene {
    async fn new(backend: Backend) -> Option<Self> {
        let store = Store::new(backend).await?;
        let (owner, member) = (store.user("owner").await, store.user("member").await);
        let stranger = store.user("stranger").await;
        let chat = store.group(owner, &[member]).await;
        Some(Self { store, chat, owner, member, stranger })
    }

    /// Sends as this user, and then as the owner, while `meanwhile` holds the chat, and commits it once
    /// the batch waits for that.
    async fn race(
        &self,
        sender: UserId,
        meanwhile: impl AsyncFnOnce(&mut Tx),
    ) -> Result<Posted<()>> {
        let mut tx = self.store.tx().await;
        chats::lock(&mut tx, self.chat).await.expect("locked");
        meanwhile(&mut tx).await;
        let batch =
            [named(message(self.chat, sender, "hi"), "1"), message(self.chat, self.owner, "ho")];
        let commit = async {
            if !self.store.db.is_sqlite() {
                self.until_one_waits().await;
            }
            tx.commit().await.expect("committed");
        };
        let (posted, ()) = join!(self.store.post(&batch, NOW), commit);
        posted
    }

    /// Only on PostgreSQL: a SQLite database's one writer is waited for before anything is read.
    async fn until_one_waits(&self) {
        let other = open(&self.store.variables).await;
        let waits = async || {
            let (count,): (i64,) = Target::from(&other)
                .query(
                    "select count(*) from pg_locks where not granted and pid in \
                         (select pid from pg_locks where relation = to_regclass('chats'))",
                )
                .one()
                .await
                .expect("read");
            (count > 0).then_some(())
        };
        eventually(SOON, "the batch waits", waits).await;
    }

    async fn contents(&self) -> Vec<(String, i64, i64)> {
        let all = messages::changed(&self.store.db, self.chat, Version(0), Version(99)).await;
        let all = all.expect("read");
        all.iter().map(|m| (m.content.as_str().to_owned(), m.seq.0, m.version.0)).collect()
    }
}

#[rstest]
#[tokio::test]
async fn who_is_removed_while_their_send_waits_sends_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(scene) = Scene::new(backend).await else { return };
    let remove = async |tx: &mut Tx| {
        members::remove(tx, scene.chat, &[scene.member]).await.expect("removed");
        chats::advance(tx, scene.chat, 1, -1).await.expect("advanced");
    };
    let posted = scene.race(scene.member, remove).await.expect("committed");
    assert!(posted.resolved[0].is_none(), "{posted:?}");
    assert_eq!(scene.contents().await, [("ho".to_owned(), 1, 3)]);
}

#[rstest]
#[tokio::test]
async fn who_joins_while_their_send_waits_sends_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(scene) = Scene::new(backend).await else { return };
    let add = async |tx: &mut Tx| {
        let new = [scene.stranger];
        members::insert(tx, scene.chat, &new, Role::Member, Seq(0), NOW).await.expect("added");
        chats::advance(tx, scene.chat, 1, 1).await.expect("advanced");
    };
    scene.race(scene.stranger, add).await.expect("committed");
    assert_eq!(scene.contents().await, [("hi".to_owned(), 1, 3), ("ho".to_owned(), 2, 4)]);
}

#[rstest]
#[tokio::test]
async fn nothing_is_sent_to_a_chat_that_ends_meanwhile(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(scene) = Scene::new(backend).await else { return };
    let end = async |tx: &mut Tx| drop(chats::end(tx, scene.chat, NOW).await.expect("ended"));
    let posted = scene.race(scene.member, end).await.expect("committed");
    assert!(posted.resolved.iter().all(Option::is_none), "{posted:?}");
    assert_eq!(scene.contents().await, []);
}

/// As another node does it.
#[rstest]
#[tokio::test]
async fn a_client_id_that_is_used_meanwhile_makes_no_second_message(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(scene) = Scene::new(backend).await else { return };
    let send = async |tx: &mut Tx| {
        tx.query(
            "insert into messages (chat_id, seq, version, sender_id, content, timestamp, client_id) \
             values ($1, 1, 2, $2, 'hi', $3, '1')",
        )
        .bind(scene.chat)
        .bind(scene.member)
        .bind(NOW)
        .execute()
        .await
        .expect("inserted");
        tx.query("update chats set version = 2, last_seq = 1 where id = $1")
            .bind(scene.chat)
            .execute()
            .await
            .expect("advanced");
    };
    let posted = scene.race(scene.member, send).await.expect("committed");
    assert!(posted.resolved[0].as_ref().is_some_and(|one| one.existing.is_some()), "{posted:?}");
    assert_eq!(scene.contents().await, [("hi".to_owned(), 1, 2), ("ho".to_owned(), 2, 3)]);
}

#[tokio::test]
async fn a_batch_that_waits_too_long_is_unavailable_and_one_whose_line_is_lost_unknown() {
    let Some(scene) = Scene::new(Backend::Postgres).await else { return };
    let mut variables = scene.store.variables.clone();
    variables.insert("DATABASE_STATEMENT_TIMEOUT".to_owned(), "1s".to_owned());
    let hasty = open(&variables).await;
    let mut admin = PgConnection::connect(&variables["DATABASE_URL"]).await.expect("connected");
    let batch = [message(scene.chat, scene.owner, "hi")];
    let mut tx = scene.store.tx().await;
    chats::lock(&mut tx, scene.chat).await.expect("locked");

    let late = post(&hasty, &batch.to_vec().into(), NOW, |_, _| ((), Vec::new())).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    let cut = async {
        scene.until_one_waits().await;
        let cut = "select pg_terminate_backend(pid) from pg_locks \
                   where not granted and pid in \
                       (select pid from pg_locks where relation = to_regclass('chats'))";
        sqlx::raw_sql(cut).execute(&mut admin).await.expect("cut");
    };
    let (lost, ()) = join!(scene.store.post(&batch, NOW), cut);
    assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
    drop(tx);
    assert_eq!(scene.contents().await, []);
}
