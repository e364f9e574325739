//! The schema: the same on both databases, created once, and not used by an older program unless it
//! may. Also the settings that durability needs on every connection.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use meowsenger::store::migrations::{self, State};
use meowsenger::store::server_facts::server_facts;
use meowsenger::store::{Db, Dialects, Target};
use meowsenger_testing::services::run_script;
use rstest::rstest;

use crate::support::{Backend, NOW, Store, open};

/// `table.column`, and whether it is nullable.
async fn columns(db: &Db) -> BTreeMap<String, bool> {
    let rows: Vec<(String, i64)> = Target::from(db)
        .query(Dialects {
            sqlite: "select m.name || '.' || c.name, c.\"notnull\" = 0 and c.pk = 0 \
             from sqlite_master m join pragma_table_info(m.name) c \
             where m.type = 'table' and m.name not like 'sqlite_%'",
            postgres: "select table_name || '.' || column_name, (is_nullable = 'YES')::int::bigint \
             from information_schema.columns where table_schema = current_schema()",
        })
        .all()
        .await
        .expect("read");
    rows.into_iter().map(|(name, nullable)| (name, nullable == 1)).collect()
}

/// The unique keys: `table(columns)`, with a marker for partial ones.
async fn unique(db: &Db) -> Vec<String> {
    let rows: Vec<(String, String, String, i64)> = Target::from(db)
        .query(Dialects {
            sqlite: "select m.name, l.name, c.name, l.partial \
             from sqlite_master m join pragma_index_list(m.name) l on l.\"unique\" \
             join pragma_index_info(l.name) c where m.type = 'table' \
             union all \
             select m.name, 'id', 'id', 0 from sqlite_master m join pragma_table_info(m.name) c \
             where m.type = 'table' and c.name = 'id' and c.pk = 1",
            postgres: "select t.relname::text, i.indexrelid::text, c.attname::text, \
                    (i.indpred is not null)::int::bigint \
             from pg_index i join pg_class t on t.oid = i.indrelid \
             join pg_attribute c on c.attrelid = t.oid and c.attnum = any(i.indkey::int2[]) \
             where i.indisunique and t.relnamespace = current_schema()::regnamespace",
        })
        .all()
        .await
        .expect("read");
    let mut keys: BTreeMap<(String, String), (Vec<String>, i64)> = BTreeMap::new();
    for (table, index, column, partial) in rows {
        let key = keys.entry((table, index)).or_default();
        key.0.push(column);
        key.1 = partial;
    }
    let text = |((table, _), (mut columns, partial)): ((String, String), (Vec<String>, i64))| {
        columns.sort();
        format!("{table}({}){}", columns.join(", "), if partial == 1 { " of some" } else { "" })
    };
    let mut keys: Vec<_> = keys.into_iter().map(text).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn both_databases_have_the_same_columns_and_keys() {
    let sqlite = Store::new(Backend::Sqlite).await.expect("always there");
    let Some(postgres) = Store::new(Backend::Postgres).await else { return };
    let there = columns(&sqlite.db).await;
    assert_eq!(there, columns(&postgres.db).await);
    assert!(there["users.last_login"]);
    assert!(!there["users.username"]);
    let keys = unique(&sqlite.db).await;
    assert_eq!(keys, unique(&postgres.db).await);
    assert!(keys.contains(&"chats(high_user, low_user)".to_owned()), "{keys:#?}");
    assert!(keys.contains(&"messages(chat_id, client_id, sender_id) of some".to_owned()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_migrate_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::empty(backend).await else { return };
    let steps = migrations::status(&store.db).await.expect("read");
    assert!(!steps.is_empty() && steps.iter().all(|step| !step.applied), "{steps:?}");

    let node = async || {
        let db = open(&store.variables).await;
        let mut applied = Vec::new();
        migrations::migrate(&db, NOW, |name| applied.push(name.to_owned())).await.expect("done");
        applied
    };
    let (one, two, three) = tokio::join!(node(), node(), node());
    let mut applied = [one, two, three].concat();
    applied.sort();
    let names: Vec<_> = steps.into_iter().map(|step| step.name).collect();
    assert_eq!(applied, names);

    let again = node().await;
    assert!(again.is_empty(), "{again:?}");
    let steps = migrations::status(&store.db).await.expect("read");
    assert!(steps.iter().all(|step| step.applied), "{steps:?}");
}

#[rstest]
#[tokio::test]
async fn an_older_program_runs_beside_a_newer_schema_that_allows_it_and_no_other(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    assert_eq!(migrations::state(&store.db).await.expect("read"), State::Current);
    let level = migrations::status(&store.db).await.expect("read").len();
    let newer = async |beside: String| {
        let mut tx = store.tx().await;
        for sql in [
            "delete from migrations where name = '9999_wings' and $1 = $1",
            "insert into migrations (name, applied_at, runs_beside) values ('9999_wings', '', $1)",
        ] {
            tx.query(sql).bind(beside.as_str()).execute().await.expect("done");
        }
        tx.commit().await.expect("committed");
        let state = migrations::state(&store.db).await.expect("read");
        (state, migrations::migrate(&store.db, NOW, |_| panic!("nothing to apply")).await)
    };
    for compatible in [format!("{level:04}"), "0007".to_owned()] {
        let (state, migrated) = newer(compatible).await;
        assert_eq!(state, State::NewerCompatible(vec!["9999_wings".to_owned()]));
        migrated.expect("nothing to do");
    }
    let (state, refused) = newer("9998".to_owned()).await;
    assert_eq!(state, State::NewerIncompatible("9999_wings".to_owned()));
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("9999_wings") && text.contains("newer"), "{text}");
}

#[rstest]
#[tokio::test]
async fn a_migration_that_was_edited_after_it_was_applied_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let run = async |sql: &'static str| {
        let mut tx = store.tx().await;
        tx.script(sql.to_owned()).await.expect("done");
        tx.commit().await.expect("committed");
    };
    let stored = async || -> Vec<(String, String)> {
        let sql = "select name, checksum from migrations order by name";
        Target::from(&store.db).query(sql).all().await.expect("a checksum for each")
    };
    let checksums = stored().await;
    run("update migrations set checksum = 'meow' where name like '0002%'").await;
    assert_eq!(
        migrations::state(&store.db).await.expect("read"),
        State::Edited("0002_departures".to_owned())
    );
    let refused = migrations::migrate(&store.db, NOW, |_| panic!("nothing to apply")).await;
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("0002_departures was edited"), "{text}");

    // A database from before there were checksums gets those of this program.
    // Its migrations are applied again.
    run("alter table chats drop column first_seq").await;
    run("delete from migrations where name >= '0013'").await;
    run("alter table migrations drop column checksum").await;
    // What later migrations cannot add twice.
    run("drop table attachments; drop table mentions; drop table reactions; drop index messages_pinned; \
         alter table messages drop column pinned_at; alter table messages drop column extras")
    .await;
    run("drop table reports; drop table invites; drop table blocks; alter table users drop column in_blocks; \
         alter table chats drop column low_blocks; alter table chats drop column high_blocks")
    .await;
    run("alter table sessions drop column admin_hash; drop table counters; drop table figures")
        .await;
    run("drop table search_state; drop table search_segments; drop table search_pages; \
         drop table search_changes")
    .await;
    run(match backend {
        Backend::Sqlite => "drop trigger messages_content_changed",
        Backend::Postgres => "drop function note_content_change() cascade",
    })
    .await;
    for column in ["muted_until", "pinned", "archived", "settings_version"] {
        run(format!("alter table members drop column {column}").leak()).await;
    }
    migrations::migrate(&store.db, NOW, |_| {}).await.expect("migrated");
    assert_eq!(stored().await, checksums);
    assert_eq!(migrations::state(&store.db).await.expect("read"), State::Current);
}

/// If a line that is there already has to change, every database that exists will be refused.
#[test]
fn migrations_are_never_edited() {
    let mut lines = String::new();
    for folder in ["migrations/sqlite", "migrations/postgres"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files =
            fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
        let mut files: Vec<_> = files.collect();
        files.sort();
        for file in files {
            let sum = migrations::checksum(&fs::read_to_string(&file).expect("UTF-8"));
            let names: Vec<_> =
                file.iter().rev().take(2).filter_map(|name| name.to_str()).collect();
            lines += &format!("{sum}  {}/{}\n", names[1], names[0]);
        }
    }
    insta::assert_snapshot!(lines);
}

#[tokio::test]
async fn sqlite_is_set_to_lose_nothing() {
    let store = Store::new(Backend::Sqlite).await.expect("always there");
    let mut tx = store.tx().await;
    for (pragma, value) in [("pragma synchronous", 2), ("pragma foreign_keys", 1)] {
        let (read,): (i64,) = Target::from(&store.db).query(pragma).one().await.expect("read");
        let (write,): (i64,) = tx.query(pragma).one().await.expect("read");
        assert_eq!((read, write), (value, value), "{pragma}");
    }
    let mode: (String,) = tx.query("pragma journal_mode").one().await.unwrap();
    assert_eq!(mode.0, "wal");
}

#[tokio::test]
async fn postgres_is_set_to_lose_nothing_whatever_others_say() {
    let Some(store) = Store::new(Backend::Postgres).await else { return };
    let plain = store.variables["DATABASE_URL"].clone();
    // The role's default and the URL both say off.
    let role = format!("role_{}", plain.rsplit('_').next().expect("a schema"));
    run_script(
        &plain,
        &format!(
            "create role {role} superuser login; \
             alter role {role} set synchronous_commit = off; \
             alter role {role} set statement_timeout = 0;"
        ),
    )
    .await;
    let mut url = url::Url::parse(&plain).expect("a URL");
    url.set_username(&role).expect("has a host");
    let mut variables = store.variables.clone();
    variables.insert("DATABASE_URL".to_owned(), format!("{url}%20-csynchronous_commit%3Doff"));
    variables.insert("DATABASE_STATEMENT_TIMEOUT".to_owned(), "7s".to_owned());
    let db = open(&variables).await;
    let show = async |sql: &'static str| {
        let (pool,): (String,) = Target::from(&db).query(sql).one().await.expect("read");
        let mut tx = db.begin().await.expect("a transaction");
        let (tx,): (String,) = tx.query(sql).one().await.expect("read");
        assert_eq!(pool, tx);
        pool
    };
    assert_eq!(show("select current_user::text").await, role);
    assert_eq!(show("show synchronous_commit").await, "on");
    assert_eq!(show("show statement_timeout").await, "7s");
    assert_eq!(show("show idle_in_transaction_session_timeout").await, "7s");
    db.close().await;
    run_script(&plain, &format!("drop role {role}")).await;
}

#[rstest]
#[tokio::test]
async fn what_no_connection_can_set_for_itself_is_read(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let facts = server_facts(&store.db).await.expect("read");
    assert_eq!(facts.is_some(), backend == Backend::Postgres, "{facts:?}");
    // The tests use their server as a superuser.
    assert!(facts.is_none_or(|facts| facts.is_superuser), "{facts:?}");
}
