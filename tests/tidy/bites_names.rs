//! Tests of the checks of cycles, names and words, on small bad and good inputs.

use super::graph::cycles;
use super::names::{Items, crates, dead_names, dead_paths, not_in_header, shared_type_names};
use super::source::Source;
use super::words;

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// The files of each cycle.
fn cyclic(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    cycles(&sources(files)).into_iter().map(|cycle| cycle.files).collect()
}

#[test]
fn cycles_of_files() {
    let (a, b, c) = ("src/m/a.rs", "src/m/b.rs", "src/m/c.rs");
    assert_eq!(
        cyclic(&[(a, "use super::b::B;"), (b, "fn f() -> crate::m::a::A {}")]),
        [[a, b]],
        "two files"
    );
    assert_eq!(
        cyclic(&[
            (a, "use super::{c, b::{self, B}};"),
            (b, "use crate::m::{x, c};"),
            (c, "impl super::a::A {}"),
        ]),
        [[a, b, c]],
        "a longer cycle"
    );
    let parent = "mod a; mod b; pub use a::A; use b::B;";
    assert_eq!(
        cyclic(&[("src/m/mod.rs", parent), (b, "use super::Parent;"), (a, "")]),
        [["src/m/b.rs", "src/m/mod.rs"]],
        "a child and its parent"
    );
    assert_eq!(
        cyclic(&[
            ("src/m/mod.rs", "pub mod a; pub use a::A;"),
            (b, "use super::A;"),
            (a, "use super::b::B;")
        ]),
        [[a, b]],
        "through a re-export, which leads to where the name is defined"
    );
    assert_eq!(
        cyclic(&[("src/m.rs", "mod a; fn f() { a::g() }"), (a, "use crate::m::f;")]),
        [["src/m.rs", a]],
        "a path that begins with a child"
    );
    let none: &[&[(&str, &str)]] = &[
        &[(a, "use super::b::B;"), (b, "use super::c::C;"), (c, "")],
        &[(a, "use super::b::B;"), (b, "#[cfg(test)] mod tests { use super::super::a::A; }")],
        &[(a, "use super::b::B;"), (b, "// use super::a::A;\nconst X: &str = \"super::a::A\";")],
        &[("src/m/mod.rs", "mod a; pub use a::A;"), (a, "use super::Other;")],
        &[("src/m/mod.rs", "#[cfg(test)] mod tests;"), ("src/m/tests.rs", "use super::*;")],
        &[("src/lib.rs", "pub mod m;"), (a, "use crate::Root;")],
    ];
    for files in none {
        assert_eq!(cyclic(files), [[""; 0]; 0], "no cycle in {files:?}");
    }
}

#[test]
fn shared_names() {
    let names =
        |files: &[(&str, &str)]| shared_type_names(&sources(files)).into_keys().collect::<Vec<_>>();
    let (a, b) = ("src/a.rs", "src/b.rs");
    assert_eq!(names(&[(a, "pub struct X;"), (b, "pub(crate) enum X {}")]), ["X"]);
    assert_eq!(names(&[(a, "pub trait X {}"), (b, "pub(super) type X = u8;")]), ["X"]);
    assert_eq!(names(&[(a, "pub struct X;"), (b, "struct X;")]), [""; 0], "one of them is private");
    assert_eq!(
        names(&[(a, "pub struct X;"), (b, "#[cfg(test)] mod tests { pub struct X; } fn f() {}")]),
        [""; 0]
    );
}

#[test]
fn names_in_documents() {
    let items = Items::new(&sources(&[
        ("src/store/sends.rs", "pub fn resolve() {} pub struct Send { pub key: u8 }"),
        ("src/hub/publish.rs", "impl Hub { pub fn publish(&self) {} }"),
        ("src/hub/mod.rs", "pub struct Hub; pub enum What { Chat { out: u8 }, End }"),
    ]));
    let crates =
        crates("[package]\nname = \"x\"\n[dev-dependencies]\ntokio-util = \"1\"\naxum = {}\n");
    let dead = |text: &str| dead_names("x.md", text, &items, &crates).len();
    let good = "`store::sends::resolve`, `sends::resolve()`, `Hub::publish`, `hub::Hub::publish`, \
                `Send::key`, `What::End`, `What::Chat::out`, `store::sends`, `axum::serve`, \
                `tokio_util::x`, `std::env::var`, `a b::c`, `::`, sends::gone\n```\n`Hub::gone`\n```\n";
    assert_eq!(dead(good), 0);
    for bad in ["sends::gone", "gone::resolve", "Hub::gone", "Gone::publish", "http::Hub::publish"]
    {
        assert_eq!(dead(&format!("one `{bad}` two")), 1, "{bad}");
    }
}

#[test]
fn paths_in_documents() {
    let exists = |path: &str| matches!(path, "src/app.rs" | "hub/feed.rs" | "feed.rs");
    let dead = |text: &str| dead_paths("README.md", text, exists);
    assert_eq!(
        dead(
            "see `src/app.rs` and `src/app.rs:12`, `src/*.rs`, `hub/feed.rs`, `feed.rs`, \
             `cargo run`, src/x.rs"
        ),
        [""; 0]
    );
    assert_eq!(
        dead("one\n`src/app.rs`, `src/gone.rs`"),
        ["README.md:2: `src/gone.rs` does not exist"]
    );
    for bad in ["src/gone/", "hub/gone.rs", "gone.rs"] {
        assert_eq!(dead(&format!("`{bad}`")).len(), 1, "{bad}");
    }
}

#[test]
fn index_of_behaviours() {
    let header = |file: &str| if file == "src/a.rs" { "what is slow" } else { "" }.to_owned();
    let lacking = |row: &str| not_in_header("x.md", row, header).len();
    assert_eq!(lacking("| A behaviour | `slow` | `src/a.rs` |\n| no code | slow | src/b.rs |"), 0);
    assert_eq!(lacking("| A behaviour | `fast` | `src/a.rs` |"), 1);
    assert_eq!(lacking("| A behaviour | `slow` | `src/gone.rs` |"), 1);
    assert_eq!(Source::new("src/a.rs", "//! One\n//! two.\n\n//! three").header(), "One two.");
}

#[test]
fn banned_words() {
    let lines =
        |found: Vec<(usize, String)>| found.into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    let page = "Who is\nTold, by whom?\n```\ntold\n```\nIt `told` a read\nmark, goodbye.";
    assert_eq!(lines(words::in_document(page)), [2, 2, 6, 7]);
    assert_eq!(
        lines(words::in_document("The whole of a hall; news-paper; read markers; untold.")),
        [0; 0]
    );
    let json = "{\n  \"description\": \"What is told, `told`\",\n  \"told\": \"told\"\n}";
    assert_eq!(lines(words::in_descriptions(json)), [2]);
    let code = "//! Hears\n//! no news.\n// told\nfn f() { warn!(\"it was told\"); g(\"told\"); }\n\
                #[cfg(test)]\nmod tests { const X: &str = \"it was told\"; }";
    let source = Source::new("src/app.rs", code);
    assert_eq!(lines(words::in_texts(&source)), [4]);
    assert_eq!(lines(words::in_comments(&source)), [1, 2, 3]);
}

#[test]
fn banned_words_are_in_small_letters() {
    for (banned, instead) in words::BANNED {
        assert_eq!(*banned, banned.to_lowercase());
        assert!(!instead.is_empty(), "{banned}: what to write instead");
    }
}
