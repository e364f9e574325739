//! The architecture's rules as tests: which module may know which, and what stands nowhere or in
//! one place only. Reads the source tree as text; it must not need the crate to compile, or any
//! crate at all. What the compiler and clippy can see for themselves is theirs to say.

#[path = "tidy/bites.rs"]
mod bites;
#[path = "tidy/checks.rs"]
mod checks;
#[path = "tidy/source.rs"]
mod source;

use checks::*;
use source::{file_names, files, root, sources};

/// Who may name whom: a module and the modules below it that it may use. Each row uses earlier
/// rows only, so the modules cannot form a circle. `lib.rs` and `main.rs` may use everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &["domain"]),
    ("config", &["domain"]),
    ("shares", &["domain"]),
    ("auth", &["domain", "shares"]),
    ("mail", &["config", "domain", "shares"]),
    ("store", &["domain"]),
    ("hub", &["auth", "domain", "wire"]),
    ("media", &["domain", "shares"]),
    ("telemetry", &["config"]),
    ("app", &["auth", "config", "domain", "hub", "mail", "media", "shares", "store"]),
    ("lifecycle", &["app", "hub"]),
    ("actions", &["app", "auth", "domain", "hub", "lifecycle", "mail", "media", "shares", "store"]),
    ("realtime", &["actions", "app", "domain", "hub", "shares", "wire"]),
    ("http", &["actions", "app", "auth", "domain", "lifecycle", "realtime", "shares", "wire"]),
    (
        "cli",
        &[
            "actions",
            "app",
            "auth",
            "config",
            "domain",
            "http",
            "hub",
            "lifecycle",
            "media",
            "realtime",
            "store",
            "telemetry",
            "wire",
        ],
    ),
];

/// Crates that speak HTTP.
const HTTP_CRATES: &[&str] = &[
    "axum",
    "axum_core",
    "axum_extra",
    "http",
    "http_body",
    "http_body_util",
    "hyper",
    "hyper_util",
    "tokio_tungstenite",
    "tower",
    "tower_http",
    "tungstenite",
];

/// Types through which a `static` can change, beside everything called `Atomic…`.
const MUTABLE_TYPES: &[&str] = &[
    "Cell",
    "DashMap",
    "LazyCell",
    "LazyLock",
    "Mutex",
    "Notify",
    "OnceCell",
    "OnceLock",
    "RefCell",
    "RwLock",
    "Semaphore",
    "UnsafeCell",
];

const PUBLISHERS: &[&str] = &[
    "src/actions/unit.rs",
    "src/actions/committer.rs",
    "src/actions/catchup.rs",
    "src/actions/presence.rs",
];

const MAX_LINES: usize = 500;

// ---- The rules -----------------------------------------------------------------------------------

#[test]
fn every_file_opens_with_its_purpose() {
    check(
        "Every .rs file opens with `//!`: what it is for and what it must not do, so that nobody \
         has to read it to know whether it is the right one.",
        sources(&["src", "tests", "bench", "crates", "examples", "build.rs"])
            .iter()
            .flat_map(without_purpose),
    );
}

#[test]
fn modules_know_only_what_lies_below() {
    check(
        "A module names only modules that its row of LAYERS allows, so that each can be understood \
         and tested with what lies below it.",
        sources(&["src"]).iter().flat_map(upward_references),
    );
}

#[test]
fn http_and_realtime_never_touch_the_database() {
    check(
        "src/http and src/realtime never name `store` or `sqlx`: a row reaches a caller only \
         through an action, whose query carries the membership.",
        sources(&["src/http", "src/http.rs", "src/realtime", "src/realtime.rs"])
            .iter()
            .flat_map(database_access),
    );
}

#[test]
fn the_use_cases_know_no_http() {
    check(
        "src/actions, and what lies below it, never name an HTTP crate: REST, socket and command \
         line call the same actions.",
        sources(&["src/actions", "src/auth", "src/domain", "src/store"])
            .iter()
            .flat_map(http_crates),
    );
}

#[test]
fn sql_stands_only_in_the_store() {
    check(
        "SQL text stands only in src/store, where a test runs each statement on both databases.",
        sources(&["src"]).iter().filter(|s| !s.is_in("src/store")).flat_map(sql_texts),
    );
}

#[test]
fn lists_are_not_zipped_by_their_keys() {
    check(
        "No statement joins two `json_each` by `key`: SQLite then reads the one list for each row of \
         the other. One list of rows (`Query::bind_rows`) costs its length.",
        sources(&["src/store"]).iter().flat_map(zipped_lists),
    );
}

#[test]
fn there_are_no_process_globals() {
    check(
        "No `static` that can change, no thread-locals: state hangs on `App`, so that two servers \
         live in one test process without seeing each other.",
        sources(&["src"]).iter().flat_map(process_globals),
    );
}

#[test]
fn only_committed_events_are_published() {
    check(
        "Outside src/hub only the unit of work, the committer and the catch-up publish: they do it \
         after the commit, so that nobody hears of what never happened.",
        sources(&["src"])
            .iter()
            .filter(|s| !s.is_in("src/hub") && !PUBLISHERS.contains(&s.path.as_str()))
            .flat_map(publishing),
    );
}

#[test]
fn no_file_is_over_500_lines() {
    check(
        "A file in src or crates is one idea, at most 500 lines of it.",
        sources(&["src", "crates"]).iter().flat_map(too_long),
    );
}

#[test]
fn both_databases_have_the_same_migrations() {
    check(
        "migrations/sqlite and migrations/postgres hold the same names, numbered 0001, 0002, … \
         without a gap: a schema's number means the same on both.",
        migration_faults(&file_names("migrations/sqlite"), &file_names("migrations/postgres")),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    check(
        "What is still to do stands in an issue, where it is seen, and not in the code.",
        sources(&["src", "tests", "bench", "crates", "examples", "build.rs"])
            .iter()
            .flat_map(left_overs),
    );
}

#[test]
fn the_docs_name_only_files_that_exist() {
    let exists = |path: &str| root().join(path).exists();
    check(
        "A path under src/ that the documentation names is there: who follows it must not end \
         nowhere.",
        files(&["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs"], "md")
            .iter()
            .flat_map(|(path, text)| dead_paths(path, text, exists)),
    );
}

/// Fails with every fault at once.
fn check(rule: &str, faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{rule}\n\n{}\n", faults.join("\n"));
}
