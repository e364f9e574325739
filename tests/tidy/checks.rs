//! The checks of code: each takes a file and returns its violations. Reads nothing from the disk, so
//! that each check can be tried on a few lines.

use std::collections::BTreeSet;

use super::paths::named;
use super::source::Source;
use super::tokens::{Kind, Token};
use super::{HTTP_CRATES, LAYERS, MAX_LINES, MUTABLE_TYPES};

pub(crate) fn without_purpose(source: &Source) -> Option<String> {
    (!source.text.starts_with("//!")).then(|| source.fault(1, "does not open with `//!`"))
}

pub(crate) fn upward_references(source: &Source) -> Vec<String> {
    let path = source.module_path();
    let Some(own) = path.first() else {
        return Vec::new();
    };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| name == own) else {
        return vec![source.fault(1, &format!("the module `{own}` has no row in LAYERS"))];
    };
    let mut found: Vec<(usize, String)> = named(source, &[])
        .into_iter()
        .filter_map(|named| Some((named.line, named.path.into_iter().next()?)))
        .filter(|(_, target)| target != own && !allowed.contains(&target.as_str()))
        .collect();
    found.dedup();
    found
        .into_iter()
        .map(|(line, target)| source.fault(line, &format!("`{own}` must not name `{target}`")))
        .collect()
}

pub(crate) fn database_access(source: &Source) -> Vec<String> {
    source.faults_at(|before, token, after| match token {
        "sqlx" => true,
        // A path or a field; `flag.store(…)` is a method of an atomic.
        "store" => before == "::" || after == "::" || (before == "." && after != "("),
        _ => false,
    })
}

pub(crate) fn http_crates(source: &Source) -> Vec<String> {
    source.faults_at(|before, token, after| {
        HTTP_CRATES.contains(&token) && (before == "use" || (before != "::" && after == "::"))
    })
}

pub(crate) fn sql_texts(source: &Source) -> Vec<String> {
    let texts = source.tokens.iter().filter(|t| t.kind == Kind::Text && looks_like_sql(&t.text));
    texts.map(|t| source.fault(t.line, &format!("{:?}", shortened(&t.text)))).collect()
}

pub(crate) fn zipped_lists(source: &Source) -> Vec<String> {
    let texts = source.tokens.iter().filter(|t| t.kind == Kind::Text && compares_keys(&t.text));
    texts.map(|t| source.fault(t.line, &format!("{:?}", shortened(&t.text)))).collect()
}

/// Whether a statement compares the `key` of a `json_each` with anything, or joins by it.
fn compares_keys(text: &str) -> bool {
    let lower = text.to_lowercase().replace('=', " = ");
    let words: Vec<&str> = lower.split(|c: char| c.is_whitespace() || "(),".contains(c)).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let is_key = |word: &str| word == "key" || word.ends_with(".key");
    words.contains(&"json_each")
        && words.windows(2).any(|pair| match pair {
            ["=" | "using", word] => is_key(word),
            [word, "=" | "in"] => is_key(word),
            [word, next] => *word == "natural" && *next == "join",
            _ => false,
        })
}

pub(crate) fn process_globals(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let rest = &source.tokens[at + 1..];
        let next = rest.first().map_or("", Token::code);
        let mutable = match token.code() {
            "thread_local" | "lazy_static" => next == "!",
            "static" if next == "mut" => true,
            "static" => {
                let of_type = rest.iter().map(Token::code).take_while(|t| !matches!(*t, "=" | ";"));
                rest.get(1).is_some_and(|t| t.code() == ":")
                    && of_type
                        .into_iter()
                        .any(|t| MUTABLE_TYPES.contains(&t) || t.starts_with("Atomic"))
            }
            _ => false,
        };
        if mutable {
            faults.push(source.fault(token.line, &format!("`{} {next}`", token.text)));
        }
    }
    faults
}

pub(crate) fn publishing(source: &Source) -> Vec<String> {
    source.faults_at(|before, token, after| {
        matches!(token, "publish" | "republish")
            && matches!(before, "." | "::")
            && matches!(after, "(" | "::")
    })
}

pub(crate) fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > MAX_LINES).then(|| source.fault(lines, &format!("{lines} lines")))
}

pub(crate) fn migration_faults(sqlite: &[String], postgres: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    if sqlite.is_empty() && postgres.is_empty() {
        faults.push("migrations: there are none".to_owned());
    }
    for (side, names, others) in [("sqlite", sqlite, postgres), ("postgres", postgres, sqlite)] {
        for (index, name) in names.iter().enumerate() {
            let number = format!("{:04}_", index + 1);
            if !name.starts_with(&number) || !name.ends_with(".sql") {
                faults.push(format!("migrations/{side}/{name}: expected {number}….sql here"));
            }
            if !others.contains(name) {
                faults.push(format!("migrations/{side}/{name}: missing for the other database"));
            }
        }
    }
    faults
}

/// The design tokens (`--name: value;`) of a style sheet that another one has with another value, or not at all.
pub(crate) fn foreign_tokens(sheet: &str, original: &str) -> Vec<String> {
    let tokens = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("--"));
        lines.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    tokens(sheet).difference(&tokens(original)).cloned().collect()
}

pub(crate) fn left_overs(source: &Source) -> Vec<String> {
    // In halves, so that this file does not find itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let macros = [concat!("to", "do!"), concat!("unimple", "mented!")];
    let mut faults = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let mut found = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if found.any(|word| words.contains(&word)) || macros.iter().any(|m| line.contains(m)) {
            faults.push(source.fault(index + 1, line.trim()));
        }
    }
    faults
}

/// Whether a string literal is SQL, or the beginning of it. Prose may begin with the same verb ("Select a
/// valid choice."), so the first word is not enough.
pub(crate) fn looks_like_sql(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let Some((&verb, rest)) = words.split_first() else {
        return false;
    };
    let next = rest.first().copied().unwrap_or_default();
    let has = |word: &str| rest.contains(&word);
    match verb {
        "select" | "insert" | "update" | "delete" if rest.is_empty() => {
            lower.ends_with(char::is_whitespace)
        }
        "select" => {
            has("from")
                || next.starts_with(|c: char| c.is_ascii_digit())
                || next.find('(') > Some(0)
        }
        "insert" => matches!(next, "into" | "or"),
        "update" => has("set"),
        "delete" => next == "from",
        "with" => {
            next == "recursive"
                || rest
                    .windows(2)
                    .any(|w| w[0] == "as" && (w[1].starts_with('(') || w[1] == "materialized"))
        }
        "begin" | "begin;" => {
            matches!(next, "" | "immediate" | "exclusive" | "deferred" | "transaction")
        }
        "create" | "alter" | "drop" => matches!(
            next,
            "table"
                | "index"
                | "unique"
                | "schema"
                | "extension"
                | "view"
                | "trigger"
                | "virtual"
                | "temp"
                | "temporary"
                | "materialized"
        ),
        "pragma" => !rest.is_empty(),
        _ => false,
    }
}

fn shortened(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect()
}
