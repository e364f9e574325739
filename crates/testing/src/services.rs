//! The services of a test: a database of its own, and the NATS server that `make test` starts. A test
//! is skipped when a service is missing, unless `MEOW_REQUIRE_SERVICES` is set, as it is in CI.

use std::path::{Path, PathBuf};

use meowsenger::auth::secrets::random_hex;
use meowsenger::config::Variables;

/// A password that passes every validator.
pub const PASSWORD: &str = "nine-lives-2026";

/// The key that every test's server signs with.
pub const SECRET_KEY: &str = "only-for-tests-only-for-tests-only-for-tests-only-for-tests-";

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// The settings of a server with an empty database. `None` if the test is to be skipped.
pub async fn variables(backend: Backend, folder: &Path) -> Option<Variables> {
    let mut variables = database(backend, folder, 6).await?;
    // The tests of rate limits and of draining switch them on.
    variables.insert("THROTTLE".to_owned(), "off".to_owned());
    variables.insert("SHUTDOWN_DELAY".to_owned(), "0".to_owned());
    Some(variables)
}

/// The settings of an empty database only: a SQLite file in `folder`, or a new schema in PostgreSQL
/// with `connections` in its pool. `None` if the test is to be skipped.
pub async fn database(backend: Backend, folder: &Path, connections: u32) -> Option<Variables> {
    let mut variables = Variables::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("DATA_DIR", folder.display().to_string());
    set("SECRET_KEY", SECRET_KEY.to_owned());
    if backend == Backend::Postgres {
        set("DATABASE_URL", new_schema().await?);
        set("DATABASE_POOL_SIZE", connections.to_string());
    }
    Some(variables)
}

/// The NATS server of the tests. `None` if the test is to be skipped.
pub fn bus_url() -> Option<String> {
    service("MEOW_TEST_NATS_URL")
}

/// The path of the NATS program. `None` if the test is to be skipped.
pub fn nats_server() -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    let named = environment("NATS_SERVER").map(PathBuf::from);
    let found = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let usual = PathBuf::from("/usr/sbin/nats-server");
    let program = named.into_iter().chain(found).chain([usual]).find(|path| path.is_file());
    let required = environment("MEOW_REQUIRE_SERVICES").is_some();
    assert!(
        program.is_some() || !required,
        "MEOW_REQUIRE_SERVICES is set, and no nats-server was found"
    );
    program
}

/// A `PATH` with the client programs of PostgreSQL.
pub fn postgres_programs() -> std::ffi::OsString {
    let path = environment("PATH").unwrap_or_default();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = installed.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let named = environment("PG_BIN").map(PathBuf::from);
    let all = named.into_iter().chain(folders).chain(std::env::split_paths(&path));
    std::env::join_paths(all).expect("no colons in them")
}

/// Runs a script on a PostgreSQL server.
pub async fn run_script(url: &str, sql: &str) {
    let pool = sqlx::PgPool::connect(url).await.expect("the test server answers");
    let script = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
    script.execute(&pool).await.expect("run");
    pool.close().await;
}

fn service(name: &str) -> Option<String> {
    let url = environment(name);
    if url.is_none() && environment("MEOW_REQUIRE_SERVICES").is_some() {
        panic!("MEOW_REQUIRE_SERVICES is set and {name} is not");
    }
    url
}

/// Creates a schema, and returns the URL of a connection that works in it. Nothing removes it: the
/// whole server is thrown away after the tests.
async fn new_schema() -> Option<String> {
    let server = service("MEOW_TEST_POSTGRES_URL")?;
    let schema = format!("test_{}", random_hex::<8>().expect("random"));
    run_script(&server, &format!("create schema {schema}")).await;
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(format!("{server}{separator}options=-csearch_path%3D{schema}"))
}

#[expect(clippy::disallowed_methods, reason = "scripts/with-services passes its services this way")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
