//! Checks of names: one type for each name, and an item or file for each name in the documentation. Sees
//! only tokens, so it is less strict than a compiler.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::tokens::Token;

/// The names that more than one type has which other modules can see, each with where they are.
pub(crate) fn shared_type_names(sources: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources {
        for (line, name) in public_types(&source.without_tests()) {
            types.entry(name).or_default().push(format!("{}:{line}", source.path));
        }
    }
    types.retain(|_, places| places.len() > 1);
    types
}

fn public_types(source: &Source) -> Vec<(usize, String)> {
    let code = |at: usize| source.tokens.get(at).map_or("", Token::code);
    let is_public = |at: usize| {
        code(at.wrapping_sub(1)) == "pub"
            || code(at.wrapping_sub(1)) == ")" && code(at.wrapping_sub(4)) == "pub"
    };
    (0..source.tokens.len())
        .filter(|&at| matches!(code(at), "struct" | "enum" | "trait" | "type") && is_public(at))
        .map(|at| (source.tokens[at].line, code(at + 1).to_owned()))
        .collect()
}

/// The items that the code defines.
pub(crate) struct Items {
    /// Each file's module path, and the names that it defines.
    files: Vec<(Vec<String>, BTreeSet<String>)>,
}

impl Items {
    pub(crate) fn new(sources: &[Source]) -> Self {
        let files = sources.iter().map(|source| (source.module_path(), definitions(source)));
        Self { files: files.collect() }
    }

    /// Whether some module ends with the path's beginning and defines its end (`sends::resolve`). From
    /// the first type on (`sync::Room::take`), a name counts wherever that type is named, too.
    fn has(&self, path: &[&str]) -> bool {
        let start = path.iter().position(|name| name.starts_with(char::is_uppercase));
        let (module, names) = path.split_at(start.unwrap_or(path.len() - 1));
        let (first, members) = names.split_first().expect("a path has an end");
        let is_module = self.files.iter().any(|(found, _)| ends_with(found, path));
        let defined = self
            .files
            .iter()
            .any(|(found, words)| ends_with(found, module) && words.contains(*first));
        let has_members = |words: &BTreeSet<String>| {
            words.contains(*first) && members.iter().all(|member| words.contains(*member))
        };
        is_module || defined && self.files.iter().any(|(_, words)| has_members(words))
    }
}

fn ends_with(module: &[String], end: &[&str]) -> bool {
    let skipped = module.len().checked_sub(end.len());
    skipped.is_some_and(|skipped| module[skipped..].iter().eq(end.iter()))
}

/// The names behind `fn`, `struct`, …, and those before a `:` or `(`, `{`, `,` that fields and
/// variants have; and the types that `impl` blocks are for.
fn definitions(source: &Source) -> BTreeSet<String> {
    const KEYWORDS: &[&str] =
        &["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "impl", "for"];
    let code = |at: usize| source.tokens.get(at).map_or("", Token::code);
    let name = |at: &usize| code(*at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let defined = |at: &usize| {
        let (before, after) = (code(at.wrapping_sub(1)), code(at + 1));
        KEYWORDS.contains(&before)
            || before == ">" && code(*at).starts_with(char::is_uppercase)
            || matches!(before, "pub" | "{" | "," | ")" | "]")
                && matches!(after, ":" | "(" | "{" | "," | "}")
    };
    (0..source.tokens.len()).filter(name).filter(defined).map(|at| code(at).to_owned()).collect()
}

/// The paths in a document's code spans, such as `Hub::publish`, that do not exist. Paths of other crates
/// are not checked.
pub(crate) fn dead_names(doc: &str, text: &str, items: &Items, crates: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, span) in code_spans(text) {
        let path: Vec<&str> = span.trim_end_matches("()").split("::").collect();
        let word =
            |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        let theirs = crates.iter().any(|name| name == path[0]);
        if path.len() > 1 && path.iter().all(word) && !theirs && !items.has(&path) {
            faults.push(format!("{doc}:{line}: `{span}` is not in the code"));
        }
    }
    faults
}

/// The files in a document's code spans that do not exist, according to `exists`.
pub(crate) fn dead_paths(doc: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, span) in code_spans(text) {
        let path = span.split(':').next().unwrap_or(span);
        let pattern = path.contains(['*', '{', '<', '…', ' ', '$']) || path.contains("NNNN");
        let is_path = path.starts_with("src/") || path.ends_with(".rs");
        if is_path && !pattern && !exists(path) {
            faults.push(format!("{doc}:{line}: `{path}` does not exist"));
        }
    }
    faults
}

/// Rows of a table (behaviour, words, file) whose file does not have the words in its header. `header`
/// returns a file's, in lower case.
pub(crate) fn not_in_header(doc: &str, text: &str, header: impl Fn(&str) -> String) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", _, words, file, ""] = cells[..]
            && let (Some(words), Some(file)) = (as_code(words), as_code(file))
            && !header(file).contains(words)
        {
            faults.push(format!("{doc}:{}: `{words}` is not in the header of {file}", index + 1));
        }
    }
    faults
}

fn as_code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

/// The code spans outside of code blocks, each with its line.
fn code_spans(text: &str) -> Vec<(usize, &str)> {
    let mut spans = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            spans.extend(line.split('`').skip(1).step_by(2).map(|span| (index + 1, span)));
        }
    }
    spans
}

/// The names of a manifest's dependencies, as code writes them, and of the standard library's crates.
pub(crate) fn crates(manifest: &str) -> Vec<String> {
    let mut names: Vec<String> = ["std", "core", "alloc"].map(str::to_owned).into();
    let mut table = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            table = line;
        } else if table.contains("dependencies")
            && let Some((name, _)) = line.split_once([' ', '.', '='])
        {
            names.push(name.replace('-', "_"));
        }
    }
    names
}
