//! The time of each statement with a list grows with the list's length, not with its square: a list of
//! ten thousand must not block SQLite's one writer for seconds.

use std::time::{Duration, Instant};

use meowsenger::domain::emoji::Emoji;
use meowsenger::domain::event::Departed;
use meowsenger::domain::fulltext::{Gaps, Horizon, IndexPage, TermLookup};
use meowsenger::domain::ids::{AttachmentId, ChatId, MessageId, SessionId, UserId};
use meowsenger::domain::mentions::Mentions;
use meowsenger::domain::message::NewMessage;
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::presence::Activity;
use meowsenger::domain::reactions::ReactionChange;
use meowsenger::domain::receipt::Markers;
use meowsenger::domain::role::Role;
use meowsenger::domain::search::IndexEntry;
use meowsenger::store::fulltext::{feed, lookups, segments};
use meowsenger::store::presence::NodePresence;
use meowsenger::store::{
    Tx, account_version, attachments, avatars, blocks, chats, connecting, departures, least,
    markers, member_chats, members, mentions, messages, presence, reactions, search, sends,
    sessions, staff_users, users,
};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later, message};

/// The short list. A quadratic statement takes 0.1 s for it, and sixteen times as long for the other.
const SHORT: usize = 1_000;
const LONG: usize = 4 * SHORT;
/// A statement fails only if all of so many measurements are too slow, since the machine may be busy. A
/// quadratic statement is slow each time.
const TRIES: usize = 30;

/// The statements, as `module::function`. A test checks that the list is complete.
const STATEMENTS: &[&str] = &[
    "account_version::versions",
    "attachments::delete_unsent_among",
    "attachments::named",
    "attachments::readable",
    "attachments::send",
    "attachments::unsent",
    "avatars::used",
    "blocks::between",
    "blocks::blockers_among",
    "chats::versions",
    "connecting::entries",
    "connecting::standings",
    "departures::insert",
    "feed::forget",
    "feed::living",
    "feed::next",
    "least::least_markers",
    "lookups::pages",
    "markers::advance",
    "markers::read",
    "member_chats::fitting",
    "member_chats::of_member",
    "members::acquainted",
    "members::among",
    "members::insert",
    "members::remove",
    "members::roles_of",
    "mentions::insert",
    "mentions::named",
    "messages::any_since",
    "messages::by_ids",
    "messages::changed_since",
    "messages::readable",
    "presence::elsewhere",
    "presence::remove",
    "presence::seen",
    "presence::write",
    "reactions::insert",
    "reactions::lock_chats",
    "reactions::present",
    "reactions::remove",
    "reactions::update_chats",
    "reactions::update_messages",
    "search::having",
    "search::index",
    "segments::retire",
    "segments::write",
    "segments::zones",
    "sends::lock_chats",
    "sends::write",
    "sessions::all_live",
    "sessions::touch",
    "staff_users::lock",
    "users::by_ids",
    "users::hold_active",
    "users::taken",
];

/// Users and chats from 1 to `LONG`. User 1 is a member of every chat, everybody is a member of chat 1,
/// and each chat has one message. Chat 0 is empty.
const SITE: [&str; 12] = [
    "insert into users (id, username, username_key, password, date_joined) \
     select n, 'user' || n, 'user' || n, '!', $1 from s",
    "insert into login_names (name_key, user_id) select 'user' || n, n from s",
    "insert into chats (id, type, name, created_at, members_count, version, last_seq, active_at) \
     select n, 'group', 'Kitchen', $1, 2, 2, 1, $1 from s",
    "insert into chats (id, type, name, created_at, members_count, version, last_seq, active_at) \
     select 0, 'group', 'Kitchen', $1, 0, 1, 0, $1 from s where n = 1",
    "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
     select n, 1, 'owner', $1, 0, 0 from s",
    "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
     select 1, n, 'member', $1, 0, 0 from s where n > 1",
    "insert into messages (id, chat_id, seq, version, sender_id, content, timestamp) \
     select n, n, 1, 2, 1, 'meow', $1 from s",
    "insert into reactions (message_id, user_id, emoji, created_at) select n, 1, '🐈', $1 from s",
    "insert into name_pieces (piece, user_id) select 'user' || n, n from s",
    "insert into sessions (user_id, created_at, last_used_at, expires_at, refresh_jti, refreshed_at) \
     select n, $1, $1, $1, '', $1 from s",
    "insert into nodes (name, beat_at) select 'one', $1 from s where n = 1",
    "insert into presence (user_id, node, connections, idle) \
     select n, 'one', 1, false from s where n % 2 = 0",
];

async fn site(store: &Store) {
    let series = format!(
        "with recursive s (n) as (select 1 union all select n + 1 from s where n < {LONG}) "
    );
    let mut tx = store.tx().await;
    for insert in SITE {
        let query = tx.query(&*format!("{series}{insert}").leak());
        let query = if insert.contains("$1") { query.bind(NOW) } else { query };
        query.execute().await.expect("inserted");
    }
    tx.commit().await.expect("committed");
}

/// The arguments of the statements.
struct Lists {
    /// Existing ids, from 1.
    ids: Vec<i64>,
    /// Ids that do not exist.
    names: Vec<String>,
    sends: Vec<NewMessage>,
    reactions: Vec<ReactionChange>,
}

impl Lists {
    fn of(length: usize) -> Self {
        let ids: Vec<i64> = (1..=length).map(|n| i64::try_from(n).expect("few")).collect();
        Self {
            names: ids.iter().map(|id| format!("user{id}")).collect(),
            reactions: ids
                .iter()
                .map(|id| ReactionChange {
                    message: MessageId(*id),
                    user: UserId(1),
                    emoji: Emoji::parse("🐈").expect("an emoji"),
                    active: true,
                })
                .collect(),
            sends: ids.iter().map(|id| message(ChatId(*id), UserId(1), "meow")).collect(),
            ids,
        }
    }

    fn map<T>(&self, row: impl Fn(i64) -> T) -> Vec<T> {
        self.ids.iter().copied().map(row).collect()
    }
}

/// Runs a statement.
async fn run(statement: &str, tx: &mut Tx, lists: &Lists) -> meowsenger::store::error::Result<()> {
    let (one, chat) = (UserId(1), ChatId(1));
    match statement {
        "account_version::versions" => {
            account_version::versions(tx, &lists.map(UserId)).await.map(drop)
        }
        "attachments::delete_unsent_among" => {
            attachments::delete_unsent_among(tx, &lists.map(AttachmentId)).await.map(drop)
        }
        // There are none, which is an error only once the statement has run.
        "attachments::send" => {
            let sent = |id| (AttachmentId(id), one, MessageId(id), 0);
            attachments::send(tx, &lists.map(sent)).await.or(Ok(()))
        }
        "attachments::unsent" => attachments::unsent(tx, &lists.map(AttachmentId)).await.map(drop),
        "attachments::named" => attachments::named(tx, lists.names.clone()).await.map(drop),
        "attachments::readable" => {
            attachments::readable(tx, &lists.map(AttachmentId), one).await.map(drop)
        }
        "avatars::used" => avatars::used(tx, lists.names.clone()).await.map(drop),
        "member_chats::of_member" => {
            member_chats::of_member(tx, one, &lists.map(ChatId)).await.map(drop)
        }
        "member_chats::fitting" => {
            let chats = lists.map(ChatId);
            member_chats::fitting(tx, one, &chats, 1 << 20, 256).await.map(drop)
        }
        "blocks::between" => blocks::between(tx, one, &lists.map(UserId)).await.map(drop),
        "blocks::blockers_among" => {
            blocks::blockers_among(tx, one, &lists.map(UserId)).await.map(drop)
        }
        "chats::versions" => chats::versions(tx, &lists.map(ChatId)).await.map(drop),
        "connecting::entries" => connecting::entries(tx, &lists.map(UserId)).await.map(drop),
        "connecting::standings" => {
            connecting::standings(tx, &lists.map(UserId), NOW).await.map(drop)
        }
        "departures::insert" => {
            let out = lists.map(|id| Departed { user: UserId(id), version: Version(id) });
            departures::insert(tx, chat, &out, NOW).await
        }
        "feed::forget" => feed::forget(tx, &lists.ids).await,
        "feed::living" => feed::living(tx, &lists.map(MessageId)).await.map(drop),
        "lookups::pages" => {
            let lookup = TermLookup::Exact("meow".to_owned());
            lookups::pages(tx, &lists.ids, &lookup).await.map(drop)
        }
        "feed::next" => {
            let mut gaps = Gaps::after(MessageId(0));
            let horizon = Horizon { ended: 0, begun: 1 };
            gaps.found(&lists.map(|id| MessageId(2 * id)), horizon);
            feed::next(tx, &gaps, 1, 1 << 20).await.map(drop)
        }
        "markers::advance" => {
            let wanted = Markers { delivered_seq: Seq(1), read_seq: Seq(1) };
            let wanted = lists.map(|id| (chat, UserId(id), wanted));
            markers::advance(tx, &wanted).await.map(drop)
        }
        "markers::read" => markers::read(tx, &lists.map(|id| (chat, UserId(id)))).await.map(drop),
        "members::acquainted" => members::acquainted(tx, one, &lists.map(UserId)).await.map(drop),
        "members::among" => members::among(tx, chat, &lists.map(UserId)).await.map(drop),
        "members::insert" => {
            members::insert(tx, ChatId(0), &lists.map(UserId), Role::Member, Seq(0), NOW).await
        }
        "least::least_markers" => {
            let laggards = least::Laggards::default();
            least::least_markers(tx, &laggards, &lists.map(ChatId)).await.map(drop)
        }
        "sessions::all_live" => sessions::all_live(tx, &lists.map(SessionId), NOW).await.map(drop),
        "sessions::touch" => sessions::touch(tx, &lists.map(SessionId), later(1)).await,
        "members::remove" => members::remove(tx, chat, &lists.map(UserId)).await,
        "members::roles_of" => {
            members::roles_of(tx, &lists.map(|id| (ChatId(id), one))).await.map(drop)
        }
        "mentions::insert" => {
            let all = Mentions { users: vec![one], all: false };
            let rows = lists.map(|id| (ChatId(id), Seq(1), MessageId(id), &all));
            mentions::insert(tx, &rows).await
        }
        "mentions::named" => {
            let names = lists.names.iter().map(|name| (chat, name.as_str()));
            mentions::named(tx, &names.collect::<Vec<_>>()).await.map(drop)
        }
        "messages::any_since" => {
            messages::any_since(tx, &lists.map(|id| (ChatId(id), Version(1)))).await.map(drop)
        }
        "messages::by_ids" => messages::by_ids(tx, &lists.map(MessageId)).await.map(drop),
        "messages::changed_since" => messages::changed_since(
            tx,
            &lists.map(|id| (ChatId(id), Version(1))),
            9_999,
            usize::MAX,
        )
        .await
        .map(drop),
        "messages::readable" => messages::readable(tx, one, &lists.map(MessageId)).await.map(drop),
        "presence::elsewhere" => {
            presence::elsewhere(tx, "two", NOW, &lists.map(UserId)).await.map(drop)
        }
        "presence::remove" => presence::remove(tx, "one", &lists.map(UserId)).await,
        "presence::seen" => {
            presence::seen(tx, &lists.map(UserId), later(999), Duration::ZERO).await
        }
        "presence::write" => {
            let activity = Activity::Idle;
            let places =
                lists.map(|id| NodePresence { user: UserId(id), connections: 1, activity });
            presence::write(tx, "one", &places).await
        }
        "reactions::insert" => {
            reactions::insert(tx, &lists.map(|id| (MessageId(id), one, "😺")), NOW).await
        }
        "reactions::lock_chats" => reactions::lock_chats(tx, &lists.map(MessageId)).await.map(drop),
        "reactions::present" => reactions::present(tx, &lists.reactions).await.map(drop),
        "reactions::remove" => reactions::remove(tx, &lists.ids).await,
        "reactions::update_chats" => {
            reactions::update_chats(tx, &lists.map(|id| (ChatId(id), Version(id + 9)))).await
        }
        "reactions::update_messages" => {
            let reacted = lists.map(|id| (MessageId(id), Version(id + 9), Some("{}".to_owned())));
            reactions::update_messages(tx, &reacted).await
        }
        "search::having" => {
            search::having(tx, search::Among::Active, lists.names.clone(), 9_999).await.map(drop)
        }
        // Its list is bounded: a user has at most some hundred pieces.
        "search::index" => search::index(tx, one, &IndexEntry::of("user1", "Anna", "Marina")).await,
        "segments::retire" => segments::retire(tx, Some(&lists.ids), NOW).await.map(drop),
        "segments::write" => {
            let page = |id| IndexPage { first: format!("term{id}"), data: vec![0; 8] };
            segments::write(tx, 1, &lists.map(page)).await
        }
        "segments::zones" => segments::zones(tx, &lists.ids).await.map(drop),
        "sends::lock_chats" => sends::lock_chats(tx, &lists.map(ChatId)).await,
        "sends::write" => sends::write(tx, &lists.sends, NOW).await.map(drop),
        "staff_users::lock" => staff_users::lock(tx, &lists.map(UserId)).await.map(drop),
        "users::by_ids" => users::by_ids(tx, &lists.map(UserId)).await.map(drop),
        "users::hold_active" => users::hold_active(tx, &lists.map(UserId)).await.map(drop),
        "users::taken" => users::taken(tx, lists.names.clone()).await.map(drop),
        other => panic!("{other} is not run here"),
    }
}

/// Statements that only PostgreSQL runs.
const OF_POSTGRES: [&str; 3] = ["attachments::send", "sends::lock_chats", "sends::write"];

/// The time of a statement, which is then rolled back.
async fn time(store: &Store, statement: &str, lists: &Lists) -> Duration {
    let mut tx = store.tx().await;
    let begun = Instant::now();
    run(statement, &mut tx, lists).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    begun.elapsed()
}

#[rstest]
#[tokio::test]
async fn the_time_of_a_statement_grows_with_its_list(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    site(&store).await;
    let (short, long) = (Lists::of(SHORT), Lists::of(LONG));
    let runs = |name: &&&str| backend == Backend::Postgres || !OF_POSTGRES.contains(*name);
    for statement in STATEMENTS.iter().filter(runs) {
        let mut measured = Vec::new();
        for _ in 0..TRIES {
            let (least, most) =
                (time(&store, statement, &short).await, time(&store, statement, &long).await);
            measured.push((least, most));
            if most < 6 * least {
                break;
            }
        }
        let grows_linearly = measured.last().is_some_and(|(least, most)| *most < 6 * *least);
        assert!(grows_linearly, "{statement}: for {SHORT} and for {LONG}: {measured:?}");
    }
}

/// Finds, in the source, public functions of the store that bind a list but are not timed.
#[test]
fn every_statement_with_a_list_is_timed() {
    let mut paths = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")];
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(
                std::fs::read_dir(path).expect("a folder").flatten().map(|entry| entry.path()),
            );
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("read");
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for function in text.split("\npub async fn ").skip(1) {
            let name = function.split(['(', '<']).next().unwrap_or_default();
            let body = function.split("\n}\n").next().unwrap_or_default();
            if body.contains(".bind_list(") || body.contains(".bind_rows(") {
                found.push(format!("{module}::{name}"));
            }
        }
    }
    let timed = |name: &String| STATEMENTS.contains(&name.as_str());
    let missing: Vec<_> = found.into_iter().filter(|name| !timed(name)).collect();
    assert!(missing.is_empty(), "add to tests/store/growth.rs: {missing:?}");
}
