//! Tests of the checks of code, each on small bad and good inputs: a check that cannot fail is useless.

use super::checks::*;
use super::source::Source;
use super::tokens::Kind;
use super::{LAYERS, MAX_LINES};

/// The lines at which a check finds violations.
fn lines<F: IntoIterator<Item = String>>(
    check: fn(&Source) -> F,
    path: &str,
    text: &str,
) -> Vec<usize> {
    let faults = check(&Source::new(path, text));
    faults
        .into_iter()
        .map(|fault| {
            let line =
                fault.strip_prefix(&format!("{path}:")).and_then(|rest| rest.split(':').next());
            line.and_then(|line| line.parse().ok()).expect("a fault names its file and line")
        })
        .collect()
}

#[track_caller]
fn finds<F: IntoIterator<Item = String>>(check: fn(&Source) -> F, path: &str, bad: &[&str]) {
    for text in bad {
        assert_eq!(lines(check, path, text).len(), 1, "one fault in: {text}");
    }
}

#[track_caller]
fn passes<F: IntoIterator<Item = String>>(check: fn(&Source) -> F, path: &str, good: &[&str]) {
    for text in good {
        assert_eq!(lines(check, path, text), [0; 0], "no fault in: {text}");
    }
}

#[test]
fn the_layers_have_no_cycle() {
    for (row, (name, allowed)) in LAYERS.iter().enumerate() {
        for target in *allowed {
            assert!(
                LAYERS[..row].iter().any(|(earlier, _)| earlier == target),
                "`{name}` may use `{target}`, which has no row above its own"
            );
        }
    }
}

#[test]
fn purpose() {
    finds(without_purpose, "src/app.rs", &["", "fn f() {}", "// x\n", "\n//! late"]);
    passes(without_purpose, "src/app.rs", &["//! What for.\n"]);
}

#[test]
fn references_upward() {
    finds(
        upward_references,
        "src/store/users.rs",
        &[
            "use crate::http::Router;",
            "use crate::{domain::User, http::Router};",
            "use crate::{\n    domain::{Chat, User},\n    // why not\n    app,\n};",
            "fn f() -> crate::wire::Event {}",
            "use super::super::hub::Hub;",
            "use super::super::{domain::User, hub::Hub};",
            "use self::super::super::hub::Hub;",
            "mod tests { use super::super::super::hub::Hub; }",
            "pub(in crate::hub) fn f() {}",
            "use crate::*;",
            "use crate::Reexported;",
            "macro_rules! m { () => { $crate::app::App } }",
        ],
    );
    passes(
        upward_references,
        "src/store/users.rs",
        &[
            "use crate::domain::{Chat, http};",
            "use crate::store::db;",
            "use super::db; use super::{db::Tx, error}; use self::http::X;",
            "pub(crate) fn f() {} pub(super) fn g() {}",
            "// crate::http\n/* crate::http /* */ crate::app */ fn f() {}",
            "fn f<'a>(x: &'a str) -> char { g(\"crate::http\", r#\"\"crate::http\"#); '\"' }",
            "mod tests { use super::super::db; mod deeper {} }",
        ],
    );
    finds(upward_references, "src/domain/mod.rs", &["use super::store;"]);
    finds(upward_references, "src/app.rs", &["use super::{domain, http};"]);
    passes(upward_references, "src/app.rs", &["mod tests { use super::{App, http}; }"]);
    finds(upward_references, "src/drawer.rs", &["//! A module without a row."]);
    passes(upward_references, "src/lib.rs", &["pub use crate::http::router;"]);
    passes(upward_references, "src/main.rs", &["use crate::anything;"]);
    let text = "use crate::{\n    app,\n    domain,\n    http::{self, cli},\n};";
    assert_eq!(lines(upward_references, "src/store/mod.rs", text), [2, 4]);
}

#[test]
fn databases() {
    finds(
        database_access,
        "src/http/users.rs",
        &[
            "use crate::store;",
            "use crate::store::users;",
            "use sqlx::PgPool;",
            "fn f() { app.store.users() }",
        ],
    );
    passes(
        database_access,
        "src/http/users.rs",
        &["flag.store(true, Relaxed);", "let store = 1;", "use object_store::X;", "// sqlx"],
    );
}

#[test]
fn http_in_actions() {
    finds(
        http_crates,
        "src/actions/users.rs",
        &[
            "use axum::Json;",
            "fn f() -> http::StatusCode {}",
            "use {std::fmt, hyper::Uri};",
            "use tower;",
        ],
    );
    passes(
        http_crates,
        "src/actions/users.rs",
        &["let http = 1;", "// axum::Json", "\"http://x\"", "use crate::domain::http::X;"],
    );
}

#[test]
fn sql() {
    finds(
        sql_texts,
        "src/actions/users.rs",
        &[
            r#"f("select id from users")"#,
            r#"f("SELECT 1")"#,
            r#"f("select count(*)")"#,
            "f(\"\n    select id\n    from users\")",
            r##"f(r#"Insert into users values ($1)"#)"##,
            r#"format!("delete from {table}")"#,
            r#"f("update users \
                set name = $1")"#,
            r#"f("with mine as (select 1) select * from mine")"#,
            r#"f("WITH RECURSIVE x AS")"#,
            r#"f("begin immediate")"#,
            r#"f("create table users (id bigint)")"#,
            r#"f("alter table users add x")"#,
            r#"f("drop schema test cascade")"#,
            r#"f("pragma journal_mode")"#,
            r#"push("select ")"#,
        ],
    );
    passes(
        sql_texts,
        "src/actions/users.rs",
        &[
            r#""Select a valid choice. That choice is not one of the available choices.""#,
            r#""Update the profile.""#,
            r#""Create a user, or update one""#,
            r#""With a cursor, the next page""#,
            r#""Insert coin""#,
            r#""Delete the chat""#,
            r#""select""#,
            r#""""#,
            "// select id from users",
        ],
    );
}

#[test]
fn zipped() {
    finds(
        zipped_lists,
        "src/store/markers.rs",
        &[
            r#"f("select u.value from json_each($1) u join json_each($2) c on c.key = u.key")"#,
            r#"f("select 1 from json_each($1) u, json_each($2) c where u.key=c.key")"#,
            r#"f("select 1 from json_each($1) join json_each($2) using (key)")"#,
            r#"f("select 1 from json_each($1) u natural join json_each($2)")"#,
            "f(\"select 1 \\\n from json_each($1) u \\\n join x on x.n = u.key\")",
        ],
    );
    passes(
        zipped_lists,
        "src/store/markers.rs",
        &[
            r#"f("select r.key as n, r.value ->> 0 from json_each($1) r order by r.key")"#,
            r#"f("delete from members where user_id in (select value from json_each($2))")"#,
            r#"f("select full_at from throttles where key = $1")"#,
        ],
    );
}

#[test]
fn globals() {
    finds(
        process_globals,
        "src/app.rs",
        &[
            "static mut COUNT: u32 = 0;",
            "static APP: OnceLock<App> = OnceLock::new();",
            "pub(crate) static WORDS: std::sync::LazyLock<Regex> = LazyLock::new(f);",
            "static NEXT: AtomicU64 = AtomicU64::new(1);",
            "static ALL: [Mutex<u8>; 2] = make();",
            "thread_local! { static X: u8 = 1; }",
            "lazy_static! { }",
        ],
    );
    passes(
        process_globals,
        "src/app.rs",
        &[
            "static NAMES: &[&str] = &[\"static mut\"];",
            "#[global_allocator]\nstatic GLOBAL: MiMalloc = MiMalloc;",
            "struct App { signer: OnceLock<Signer>, name: &'static Mutex<u8> }",
            "fn f() { let x: Mutex<&'static str> = m(); }",
        ],
    );
}

#[test]
fn publishes() {
    finds(
        publishing,
        "src/actions/users.rs",
        &["app.publish(&[event]);", "hub\n    .publish(event)", "App::republish(&app, &[event]);"],
    );
    passes(
        publishing,
        "src/actions/users.rs",
        &["fn publish(event: Event) {}", "// hub.publish(event)", "app.publish.len()"],
    );
}

#[test]
fn length() {
    finds(too_long, "src/app.rs", &["\n".repeat(MAX_LINES + 1).as_str()]);
    passes(too_long, "src/app.rs", &["\n".repeat(MAX_LINES).as_str()]);
}

#[test]
fn migrations() {
    let faults = |sqlite: &[&str], postgres: &[&str]| {
        let owned =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        migration_faults(&owned(sqlite), &owned(postgres)).len()
    };
    let good = ["0001_initial.sql", "0002_more.sql"];
    assert_eq!(faults(&good, &good), 0);
    assert_eq!(faults(&[], &[]), 1);
    assert_eq!(faults(&good, &good[..1]), 1, "one side lacks a file");
    assert_eq!(faults(&["0001_a.sql"], &["0001_b.sql"]), 2, "different names");
    assert_eq!(faults(&["0001_a.sql", "0003_c.sql"], &["0001_a.sql", "0003_c.sql"]), 2, "a gap");
    assert_eq!(faults(&["0001_a.sql", "0001_b.sql"], &["0001_a.sql", "0001_b.sql"]), 2, "twice");
    assert_eq!(faults(&["0001_a.txt"], &["0001_a.txt"]), 2, "no SQL");
}

#[test]
fn design_tokens() {
    let original = ":root {\n  --bg: white;\n  --text: black;\n}";
    assert_eq!(foreign_tokens(":root {\n --bg: white;\n}", original), [""; 0]);
    for bad in ["--bg: grey;", "--ink: black;"] {
        assert_eq!(foreign_tokens(&format!(":root {{\n  {bad}\n}}"), original), [bad]);
    }
}

#[test]
fn unfinished() {
    let (word, stop) = (concat!("TO", "DO"), concat!("to", "do!()"));
    for bad in [format!("// {word}: later"), format!("fn f() {{ {stop} }}")] {
        assert_eq!(lines(left_overs, "src/app.rs", &format!("//! x\n{bad}")), [2], "{bad}");
    }
    passes(left_overs, "src/app.rs", &["let todo = 1;", concat!("const TO", "DO_LIST: u8 = 1;")]);
}

#[test]
fn tokens_of_strings_and_comments() {
    let text =
        "a /* /* x */ */ r#type b\"s\" r##\"q\"#t\"## 'c' '\\'' 'life \"e\\\"f\" // end\n1_0::z";
    let source = Source::new("src/x.rs", text);
    let found: Vec<_> = source.tokens.iter().map(|t| (t.line, t.kind, t.text.as_str())).collect();
    let word = |line, text| (line, Kind::Word, text);
    let literal = |text| (1, Kind::Text, text);
    assert_eq!(
        found,
        [
            word(1, "a"),
            word(1, "type"),
            literal("s"),
            literal("q\"#t"),
            literal("e\"f"),
            word(2, "1_0"),
            (2, Kind::Mark, "::"),
            word(2, "z"),
        ]
    );
}
