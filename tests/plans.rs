//! Query plans of the most frequent calls: a list of chats, a page of messages, a sync, a search. They
//! must use an index, never scan a table that grows with the site or all members of a large chat, and need
//! the same number of statements for many rows as for few. On PostgreSQL these are the generic plans, as
//! the server's own connections get them. The statements are read from log events, so this needs
//! its own process, with a single test.

#[path = "plans/staff.rs"]
mod staff;

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};

use meowsenger::actions::message_search::{self, MessageFilter};
use meowsenger::actions::messages::{MessageCursor, MessagesRequest};
use meowsenger::actions::search as searching;
use meowsenger::actions::{
    chats, figures, members, message_index, messages, pins, reactions, sync, users,
};
use meowsenger::app::App;
use meowsenger::config::Config;
use meowsenger::domain::chat::ChatFilter;
use meowsenger::domain::emoji::Emoji;
use meowsenger::domain::error::FieldErrors;
use meowsenger::domain::fulltext::MessageQuery;
use meowsenger::domain::ids::{ChatId, SessionId, UserId};
use meowsenger::domain::input::Input;
use meowsenger::domain::numbering::AccountVersion;
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::page::PageRequest;
use meowsenger::domain::receipt::Markers;
use meowsenger::domain::search::{IndexEntry, Query};
use meowsenger::domain::session::Caller;
use meowsenger::domain::sync::Known;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::{Target, connecting, markers, migrations, search, sessions};
use rusqlite::Connection;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use meowsenger_testing::Backend;
use meowsenger_testing::services::variables;

/// Tables that grow with the site.
const LARGE: [&str; 10] = [
    "messages",
    "members",
    "chats",
    "users",
    "name_pieces",
    "reactions",
    "mentions",
    "search_pages",
    "audit",
    "reports",
];

/// The statements since the last time this was emptied.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if ["sqlx::query", "meowsenger::store::sqlite"].contains(&event.metadata().target()) {
            let mut text = Text::default();
            event.record(&mut text);
            let Text { summary, whole } = text;
            let sql = if whole.trim().is_empty() { summary } else { whole.trim().to_owned() };
            self.0.lock().expect("not poisoned").push(sql);
        }
    }
}

#[derive(Default)]
struct Text {
    summary: String,
    whole: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => self.summary = value.to_owned(),
            "db.statement" | "sql" => self.whole = value.to_owned(),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// A chat of which all users but the first two are members.
const CROWD: ChatId = ChatId(2_001);
/// At most so many rows may be read on PostgreSQL for what a member of the crowd calls.
const ROWS_MAX: i64 = 1_000;

/// A site with many chats and two users: the first is a member of a few, the second of all. Without
/// statistics, as in a database that has just been filled.
const SITE: [&str; 9] = [
    "insert into users (id, username, username_key, password, date_joined) \
     select n, 'user' || n, 'user' || n, '!', $1 from s ",
    "insert into chats (id, type, name, created_at, members_count, version, last_seq, active_at) \
     select n, 'group', 'Kitchen', $1, 2, 5, 4, $1 from s",
    "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
     select n, 2, 'owner', $1, 4, 4 from s",
    "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq, \
                          account_version) \
     select n, 1, 'member', $1, 4, 1, n from s where n <= 40",
    "insert into chats (id, type, name, created_at, members_count, version, last_seq, active_at) \
     select 2001, 'group', 'Crowd', $1, 1998, 1, 4, $1 from s where n = 1",
    "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
     select 2001, n, 'member', $1, 4, 3 from s where n > 2",
    "insert into messages (chat_id, seq, version, sender_id, content, timestamp) \
     select 2001, n, n + 1, 3, 'meow', $1 from s where n <= 4",
    "update users set account_version = 40 where id = 1 and date_joined = $1 and exists (select n from s)",
    "insert into messages (chat_id, seq, version, sender_id, content, timestamp) \
     select s.n, q.n, q.n + 1, 2, 'meow', $1 from s cross join s q where q.n <= 4",
];

async fn site(app: &App) -> [Caller; 2] {
    const SERIES: &str =
        "with recursive s (n) as (select 1 union all select n + 1 from s where n < 2000) ";
    let now = app.clock.now();
    let mut tx = app.db.begin().await.expect("begun");
    for insert in SITE.into_iter().chain(staff::SITE) {
        let sql = format!("{SERIES}{insert}").leak();
        tx.query(&*sql).bind(now).execute().await.expect("inserted");
    }
    for id in 1..=2_000 {
        let entry = IndexEntry::of(&format!("user{id}"), "", "");
        search::index(&mut tx, UserId(id), &entry).await.expect("indexed");
    }
    let mut callers = Vec::new();
    for id in [1, 3] {
        let user = meowsenger::store::users::by_id(&mut tx, UserId(id)).await.expect("read");
        callers.push(Caller { user: user.expect("there"), session: SessionId(id) });
    }
    tx.commit().await.expect("committed");
    callers.try_into().expect("two")
}

/// What a member of the crowd calls.
async fn crowd_calls(app: &Arc<App>, me: &Caller) {
    let newest = MessagesRequest::Page(PageRequest::First);
    messages::list(app, me, CROWD, Ok(newest), 2, false).await.expect("messages");
    members::list(app, me, CROWD, || Ok(PageRequest::First), 2).await.expect("members");
    chats::one(app, me, CROWD).await.expect("the crowd");
    let filter = ChatFilter::default();
    chats::list(app, me, &filter, PageRequest::First, 2).await.expect("chats");
}

/// One call of each kind, with `size` rows if it has a size.
async fn calls(app: &Arc<App>, me: &Caller, size: i64) {
    let filter = ChatFilter::default();
    chats::list(app, me, &filter, PageRequest::First, size).await.expect("chats");
    let search = ChatFilter { search: Some("kitch".to_owned()), unread: Some(false), ..filter };
    chats::list(app, me, &search, PageRequest::First, size).await.expect("chats");
    let set = ChatFilter {
        archived: Some(false),
        pinned: Some(false),
        muted: Some(false),
        ..ChatFilter::default()
    };
    let found = chats::list(app, me, &set, PageRequest::First, size).await.expect("chats");
    assert_eq!(i64::try_from(found.rows.len()), Ok(size));
    chats::unread(app, me).await.expect("sums");
    let older = MessagesRequest::Page(PageRequest::After(MessageCursor {
        newest_first: true,
        seq: Seq(3),
    }));
    let page = messages::list(app, me, ChatId(1), Ok(older), size, true).await.expect("messages");
    let (first, newest) = (page.rows[0].id, || Ok(PageRequest::First));
    reactions::list(app, me, first, Ok(None), newest, size).await.expect("reactions");
    let cat = Emoji::parse("🐈").expect("an emoji");
    reactions::list(app, me, first, Ok(Some(cat)), newest, size).await.expect("reactions");
    pins::list(app, me, ChatId(1), || Ok(PageRequest::First), size).await.expect("pins");
    let current = (1..=40).map(|id| (ChatId(id), Version(5))).collect();
    let known = Known { versions: current, epoch: None, limit: size, account: None };
    assert!(sync::changes(app, UserId(1), || Ok(known)).await.expect("sync").changes.is_empty());
    let old = (1..=size).map(|id| (ChatId(id), Version(2))).collect();
    let known = Known { versions: old, epoch: None, limit: size, account: None };
    sync::changes(app, UserId(1), || Ok(known)).await.expect("sync");
    let none = [].into_iter().collect();
    let known = Known {
        versions: none,
        epoch: None,
        limit: size,
        account: Some(AccountVersion(40 - size)),
    };
    let found = sync::changes(app, UserId(1), || Ok(known)).await.expect("sync").account;
    assert_eq!(i64::try_from(found.changes.expect("some").chats.len()), Ok(size));
    let mut tx = app.db.begin().await.expect("begun");
    let wanted =
        |chat| (ChatId(chat), UserId(1), Markers { delivered_seq: Seq(3), read_seq: Seq(3) });
    let moved = markers::advance(&mut tx, &(1..=size).map(wanted).collect::<Vec<_>>()).await;
    assert!(moved.expect("moved").iter().all(|one| one.account.is_some()));
    tx.commit().await.expect("committed");
    // By the whole name, by words, by typos.
    for text in ["user", "user ser", "usr19", "usr19 user"] {
        let found = searching::people(app, me, &Query::parse(text), PageRequest::First, size).await;
        assert_eq!(found.expect("found").rows.is_empty(), text.contains("ser "), "{text}");
    }
    users::list(app, me, PageRequest::First, size).await.expect("users");
    let filter = MessageFilter {
        query: MessageQuery::parse("meow"),
        sender: Some(UserId(2)),
        after: Some(Timestamp::MIN),
        before: Some(Timestamp::MAX),
        has_attachments: false,
    };
    let filter = Input { value: filter, errors: FieldErrors::default() };
    let found = message_search::search(app, me, None, filter, Ok(PageRequest::First), size).await;
    assert_eq!(i64::try_from(found.expect("found").rows.len()), Ok(size));
    let ids: Vec<_> = (1..=size).map(UserId).collect();
    let named = users::named(app, me, &ids).await.expect("users");
    assert_eq!(i64::try_from(named.len()), Ok(size));
    connecting::entries(&app.db, &ids).await.expect("entries");
    connecting::standings(&app.db, &ids, app.clock.now()).await.expect("standings");
    let sessions: Vec<_> = (1..=size).map(SessionId).collect();
    sessions::all_live(&app.db, &sessions, app.clock.now()).await.expect("sessions");
}

/// A page of messages costs the same statements whatever reactions, mentions and pins they have. Those that were
/// forwarded cost one more, for all of them.
async fn costs_of_extras(app: &Arc<App>, me: &Caller, statements: &Statements) {
    let page = async || {
        statements.take();
        let newest = MessagesRequest::Page(PageRequest::First);
        messages::list(app, me, ChatId(7), Ok(newest), 4, false).await.expect("messages");
        statements.take()
    };
    let plain = page().await;
    let extras = [
        (
            r#"{"mentions":{"users":[1],"all":false},"reactions":[{"emoji":"🐈","count":1,"users":[1]}]}"#,
            0,
        ),
        (r#"{"origin":{"user":2,"timestamp":0,"message":1}}"#, 1),
    ];
    for (extras, more) in extras {
        let mut tx = app.db.begin().await.expect("begun");
        let update = "update messages set extras = $1 where chat_id = 7";
        tx.query(update).bind(extras.to_owned()).execute().await.expect("updated");
        tx.commit().await.expect("committed");
        let found = page().await;
        assert_eq!(found.len(), plain.len() + more, "{found:#?}");
        assert_eq!(found[..1], plain[..1]);
    }
}

/// The lists of the admin site. Returns their statements.
async fn staff_costs(app: &Arc<App>, me: &Caller, statements: &Statements) -> Vec<String> {
    let (_, rows) = work_of_postgres(app).await;
    statements.take();
    staff::calls(app, me, 2).await;
    let few = statements.take();
    staff::calls(app, me, 20).await;
    assert_eq!(few, statements.take(), "as many statements for many rows as for few");
    let rows = work_of_postgres(app).await.1 - rows;
    let most = ROWS_MAX * i64::try_from(few.len()).expect("few") / 10;
    assert!(rows < most, "{rows} rows are read by {} statements", 2 * few.len());
    statements.take();
    staff::walks(app, me, 2).await;
    [few, statements.take()].concat()
}

fn walked_by_sqlite(app: &App, folder: &Path, statements: &[String]) -> Vec<String> {
    if !app.db.is_sqlite() {
        return Vec::new();
    }
    let file = folder.join("meowsenger.sqlite3");
    let file = Connection::open(file).expect("opened");
    let mut walked = Vec::new();
    for statement in statements {
        let mut explain = file.prepare(&format!("explain query plan {statement}")).expect("valid");
        let mut steps = explain.raw_query();
        // "SCAN m" for an alias, "SCAN messages USING INDEX …" for a scan in the order of an index.
        while let Some(step) = steps.next().expect("explained") {
            let step: String = step.get(3).expect("read");
            let scan = step.starts_with("SCAN ") && !step.contains("VIRTUAL TABLE");
            // The rows of a subquery, whose own steps are listed as well.
            let name = step.split(' ').nth(1).unwrap_or_default();
            let scan = scan && !name.starts_with('(') && !statement.contains(&format!(") {name}"));
            let harmless = step.contains("USING INDEX") && statement.contains("limit")
                // Has some thirty rows, and all are asked for.
                || name == "search_segments"
                // Has a row for each migration.
                || name == "migrations"
                || statement.ends_with("limit $1) first_rows")
                || statement.contains("limit $2) first_rows");
            if scan && !harmless && !step.contains("CONSTANT ROW") && !step.contains("SUBQUERY") {
                walked.push(format!("{step}: {statement}"));
            }
        }
    }
    walked
}

/// The number of sequential scans of each large table since the server started, and of rows that were read.
async fn work_of_postgres(app: &App) -> (Vec<(String, i64)>, i64) {
    if app.db.is_sqlite() {
        return (Vec::new(), 0);
    }
    // Both connections of the pool report their statistics.
    let mut both = [app.db.begin().await.expect("one"), app.db.begin().await.expect("another")];
    for tx in &mut both {
        tx.script("select pg_stat_force_next_flush()".to_owned()).await.expect("flushed");
    }
    for tx in both {
        tx.commit().await.expect("committed");
    }
    let large: Vec<_> = LARGE.map(str::to_owned).into();
    let tables: Vec<(String, i64, i64)> = Target::from(&app.db)
        .query(
            "select relname::text, seq_scan, seq_tup_read + idx_tup_fetch from pg_stat_user_tables \
             where schemaname = current_schema() and relname = any($1) order by relname",
        )
        .bind_list(large)
        .all()
        .await
        .expect("read");
    let rows = tables.iter().map(|(.., rows)| rows).sum();
    (tables.into_iter().map(|(name, scans, _)| (name, scans)).collect(), rows)
}

#[tokio::test]
async fn what_is_asked_all_the_time_walks_no_large_table() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the first one");
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Some(mut variables) = variables(backend, folder.path()).await else { return };
        variables.insert("DATABASE_POOL_SIZE".to_owned(), "2".to_owned());
        // No background tasks.
        let (app, _) = App::open(&Config::read(&variables).expect("settings")).await.expect("open");
        migrations::migrate(&app.db, app.clock.now(), |_| {}).await.expect("migrated");
        let [me, in_crowd] = site(&app).await;
        message_index::index(Arc::clone(&app), Arc::default()).await.expect("indexed");

        // The first one reads all members of the crowd, and remembers the slowest.
        crowd_calls(&app, &in_crowd).await;
        let (scans, rows) = work_of_postgres(&app).await;
        statements.take();
        crowd_calls(&app, &in_crowd).await;
        let of_crowd = statements.take();
        let rows = work_of_postgres(&app).await.1 - rows;
        assert!(rows < ROWS_MAX, "{rows} rows are read: {of_crowd:#?}");
        statements.take();
        calls(&app, &me, 2).await;
        let few = statements.take();
        calls(&app, &me, 40).await;
        let many = statements.take();
        assert_eq!(few, many, "as many statements for many rows as for few");
        assert!(few.len() > 20, "{few:#?}");
        assert_eq!(work_of_postgres(&app).await.0, scans, "{few:#?}");
        costs_of_extras(&app, &me, &statements).await;
        let of_staff = staff_costs(&app, &me, &statements).await;
        assert_eq!(work_of_postgres(&app).await.0, scans, "{of_staff:#?}");
        // Counts the first rows of the largest tables, in no order.
        figures::overview(&app, &me).await.expect("figures");
        let mut of_overview = statements.take();
        // Grows with the sockets, not with the site.
        of_overview.retain(|statement| !statement.contains("presence"));
        assert!(of_overview.len() > 8, "{of_overview:#?}");
        let all = [of_crowd, few, of_staff, of_overview].concat();
        let walked = walked_by_sqlite(&app, folder.path(), &all);
        assert!(walked.is_empty(), "{walked:#?}");
    }
}
