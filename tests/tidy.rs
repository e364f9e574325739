//! The rules of the architecture as tests: which module may name which, what code must not contain, and
//! what it may contain in one place only. Reads the source as text: it does not need the crate to
//! compile, nor any other crate. What the compiler and clippy can check is left to them.

#[path = "tidy/allowed.rs"]
mod allowed;
#[path = "tidy/bites.rs"]
mod bites;
#[path = "tidy/bites_names.rs"]
mod bites_names;
#[path = "tidy/checks.rs"]
mod checks;
#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tokens.rs"]
mod tokens;
#[path = "tidy/words.rs"]
mod words;

use allowed::{CYCLES, QUAINT_FILES, SHARED_NAMES};
use checks::*;
use source::{Source, file_names, files, root, sources};

/// Each module with the modules below it that it may name. A row contains only modules of earlier rows,
/// so the modules cannot form a cycle. `lib.rs` and `main.rs` may name everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &["domain"]),
    ("config", &["domain"]),
    ("metrics", &[]),
    ("traces", &[]),
    ("shares", &["domain"]),
    ("reach", &[]),
    ("auth", &["domain", "shares"]),
    ("archive", &["auth"]),
    ("telemetry", &["config", "traces"]),
    ("mail", &["config", "domain", "reach", "shares", "telemetry"]),
    ("store", &["domain", "metrics", "reach", "traces"]),
    ("hub", &["auth", "domain", "metrics", "reach", "traces", "wire"]),
    ("media", &["domain", "shares"]),
    (
        "app",
        &[
            "auth", "config", "domain", "hub", "mail", "media", "metrics", "reach", "shares",
            "store", "traces",
        ],
    ),
    ("lifecycle", &["app", "hub"]),
    (
        "actions",
        &[
            "app",
            "archive",
            "auth",
            "domain",
            "hub",
            "lifecycle",
            "mail",
            "media",
            "metrics",
            "shares",
            "store",
            "traces",
        ],
    ),
    ("realtime", &["actions", "app", "domain", "hub", "shares", "traces", "wire"]),
    ("admin", &["actions", "app", "auth", "domain", "wire"]),
    (
        "http",
        &[
            "actions",
            "admin",
            "app",
            "auth",
            "domain",
            "lifecycle",
            "media",
            "metrics",
            "realtime",
            "shares",
            "traces",
            "wire",
        ],
    ),
    (
        "cli",
        &[
            "actions",
            "app",
            "archive",
            "auth",
            "config",
            "domain",
            "http",
            "hub",
            "lifecycle",
            "mail",
            "media",
            "reach",
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

/// Types that make a `static` mutable, besides everything called `Atomic…`.
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

/// Who may publish events: those who have committed them or read them from the database, and the door
/// itself with its sinks.
const PUBLISHERS: &[&str] = &[
    "src/actions/account_events.rs",
    "src/actions/unit.rs",
    "src/actions/committer.rs",
    "src/actions/catchup.rs",
    "src/actions/presence.rs",
    "src/actions/reacting.rs",
    "src/actions/signals.rs",
    "src/app.rs",
    "src/app/sinks.rs",
];

const MAX_LINES: usize = 500;

// ---- The rules -----------------------------------------------------------------------------------

#[test]
fn every_file_opens_with_its_purpose() {
    check(
        "Every .rs file opens with `//!`: what it is for and what it must not do, so that a reader \
         knows whether it is the right one.",
        sources(&["src", "tests", "bench", "crates", "examples", "build.rs"])
            .iter()
            .flat_map(without_purpose),
    );
}

#[test]
fn modules_know_only_what_lies_below() {
    check(
        "A module names only modules that its row of LAYERS allows, so that it can be understood and \
         tested together with what lies below it.",
        sources(&["src"]).iter().flat_map(upward_references),
    );
}

#[test]
fn files_do_not_form_cycles() {
    let cycles = graph::cycles(&sources(&["src"]));
    let names: Vec<String> = cycles.iter().map(|cycle| cycle.files.join(" ")).collect();
    let allowed: Vec<String> = CYCLES.iter().map(|files| files.join(" ")).collect();
    let new = cycles.into_iter().filter(|cycle| !allowed.contains(&cycle.files.join(" ")));
    check(
        "No file names another that leads back to it, directly or through others: each can then be \
         understood together with those that it names. What two files need belongs into a third one.",
        new.flat_map(|cycle| cycle.links).chain(superfluous("CYCLES", &allowed, &names)),
    );
}

#[test]
fn http_and_realtime_never_touch_the_database() {
    check(
        "src/http and src/realtime never name `store` or `sqlx`: a caller gets a row only through an \
         action, whose query contains the membership.",
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
fn sql_is_only_in_the_store() {
    check(
        "SQL is only in src/store, where a test runs each statement on both databases.",
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
        "No mutable `static`, no thread-locals: state belongs to `App`, so that two servers in one \
         test process are independent.",
        sources(&["src"]).iter().flat_map(process_globals),
    );
}

#[test]
fn only_committed_events_are_published() {
    check(
        "Events are published through `App::publish` alone, and only by PUBLISHERS: they do it after \
         the commit, so that no event tells of what never happened.",
        sources(&["src"])
            .iter()
            .filter(|s| !s.is_in("src/hub") && !PUBLISHERS.contains(&s.path.as_str()))
            .flat_map(publishing),
    );
}

#[test]
fn no_file_is_over_500_lines() {
    check(
        "A file in src or crates is one idea, and has at most 500 lines.",
        sources(&["src", "crates"]).iter().flat_map(too_long),
    );
}

#[test]
fn both_databases_have_the_same_migrations() {
    check(
        "migrations/sqlite and migrations/postgres contain the same names, numbered 0001, 0002, … \
         without a gap: a number means the same schema on both.",
        migration_faults(&file_names("migrations/sqlite"), &file_names("migrations/postgres")),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    check(
        "Unfinished work belongs into an issue, where it is seen, and not into the code.",
        sources(&["src", "tests", "bench", "crates", "examples", "build.rs"])
            .iter()
            .flat_map(left_overs),
    );
}

#[test]
fn each_name_is_one_type() {
    let shared = names::shared_type_names(&sources(&["src"]));
    let found: Vec<String> = shared.keys().cloned().collect();
    let new = shared.iter().filter(|(name, _)| !SHARED_NAMES.contains(&name.as_str()));
    let new: Vec<String> =
        new.map(|(name, places)| format!("`{name}`: {}", places.join(", "))).collect();
    check(
        "No two types that other modules can see have the same name: a reader of a line, or of a log, \
         has to know which of them it is.",
        new.into_iter().chain(superfluous("SHARED_NAMES", SHARED_NAMES, &found)),
    );
}

#[test]
fn words_are_plain() {
    let faults = banned_words();
    let found: Vec<String> = faults.iter().map(|(path, _, _)| path.clone()).collect();
    let new = faults.iter().filter(|(path, _, _)| !QUAINT_FILES.contains(&path.as_str()));
    let new: Vec<String> = new.map(|(path, line, word)| format!("{path}:{line}: {word}")).collect();
    check(
        "The documentation, the API descriptions, comments, and what the program logs and answers use the \
         words that an engineer would search for (docs/glossary.md).",
        new.into_iter().chain(superfluous("QUAINT_FILES", QUAINT_FILES, &found)),
    );
}

/// Path, line and word.
fn banned_words() -> Vec<(String, usize, String)> {
    let mut faults = Vec::new();
    let mut add = |path: &str, found: Vec<(usize, String)>| {
        faults.extend(found.into_iter().map(|(line, word)| (path.to_owned(), line, word)));
    };
    for (path, text) in documents().into_iter().chain(files(&[".env.example"], "example")) {
        add(&path, words::in_document(&text));
    }
    for (path, text) in files(&["tests/api/snapshots"], "snap") {
        add(&path, words::in_descriptions(&text));
    }
    for source in &sources(&["src", "crates", "tests", "bench", "examples"]) {
        if source.is_in("src") || source.is_in("crates") {
            add(&source.path, words::in_texts(source));
        }
        add(&source.path, words::in_comments(source));
    }
    faults
}

#[test]
fn the_docs_name_only_files_that_exist() {
    let everywhere = sources(&["src", "tests", "bench", "crates", "examples"]);
    let exists = |path: &str| {
        let beside = |folder: &str| root().join(folder).join(path).exists();
        let file = format!("/{path}");
        ["", "src", "docs"].iter().any(|folder| beside(folder))
            || everywhere.iter().any(|source| source.path.ends_with(&file))
    };
    check(
        "Each file that the documentation names exists.",
        documents().iter().flat_map(|(path, text)| names::dead_paths(path, text, exists)),
    );
}

#[test]
fn the_docs_name_only_items_that_exist() {
    let items = names::Items::new(&sources(&["src", "crates", "tests"]));
    let crates = names::crates(&files(&["Cargo.toml"], "toml")[0].1);
    check(
        "Each `name::path` in the documentation is an item of the code, and can be searched for.",
        documents().iter().flat_map(|(path, text)| names::dead_names(path, text, &items, &crates)),
    );
}

#[test]
fn the_admin_site_looks_like_the_web_client() {
    const SHEETS: [&str; 2] = ["templates/admin/admin.css", "web/src/app.css"];
    let [own, original] =
        SHEETS.map(|path| std::fs::read_to_string(root().join(path)).expect(path));
    check(
        "The admin site's style sheet has the design tokens of the web client's.",
        foreign_tokens(&own, &original),
    );
}

#[test]
fn behaviours_are_found_by_their_names() {
    const PAGE: &str = "docs/first-change.md";
    let header = |file: &str| sources(&[file]).first().map(Source::header).unwrap_or_default();
    check(
        "The header of each file in the index of docs/first-change.md contains the words by which the \
         behaviour is searched for.",
        files(&[PAGE], "md").iter().flat_map(|(path, text)| {
            names::not_in_header(path, text, |file| header(file).to_lowercase())
        }),
    );
}

/// The documentation: path and text of each page.
fn documents() -> Vec<(String, String)> {
    files(
        &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "crates"],
        "md",
    )
}

/// The entries of a list of exceptions that are no longer needed: the list may only shrink.
fn superfluous(list: &str, entries: &[impl AsRef<str>], found: &[String]) -> Vec<String> {
    let entries = entries.iter().map(AsRef::as_ref);
    entries
        .filter(|entry| !found.iter().any(|name| name == entry))
        .map(|entry| format!("tests/tidy/allowed.rs: {list} no longer needs `{entry}`"))
        .collect()
}

/// Fails with all violations at once.
fn check(rule: &str, faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{rule}\n\n{}\n", faults.join("\n"));
}
