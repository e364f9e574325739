//! The source as the checks see it: files, with Rust code as tokens. Knows no rule.

use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{Token, tokens};

/// A Rust file.
pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    /// Its line comments, each with its line.
    pub(crate) comments: Vec<(usize, String)>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (tokens, comments) = tokens(text);
        Self { path: path.to_owned(), text: text.to_owned(), tokens, comments }
    }

    /// Whether the file is in a folder, given without a trailing slash.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The file's module: `src/http/users.rs` is `[http, users]`; empty for the roots of crates.
    pub(crate) fn module_path(&self) -> Vec<String> {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if matches!(path, "lib" | "main") {
            return Vec::new();
        }
        path.split('/').map(str::to_owned).collect()
    }

    /// The text of the `//!` lines at the top, on one line.
    pub(crate) fn header(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// Whether the file contains the tests of another one.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// The same file without the items that are marked `#[cfg(test)]`.
    pub(crate) fn without_tests(&self) -> Self {
        let code = |at: usize| self.tokens.get(at).map_or("", Token::code);
        let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if (0..marker.len()).all(|ahead| code(at + ahead) == marker[ahead]) {
                at = end_of_item(&self.tokens, at + marker.len());
            } else {
                tokens.push(self.tokens[at].clone());
                at += 1;
            }
        }
        let (path, text) = (self.path.clone(), self.text.clone());
        Self { path, text, tokens, comments: self.comments.clone() }
    }

    pub(crate) fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// A violation for each token for which `is_bad`, which also sees its neighbours.
    pub(crate) fn faults_at(&self, is_bad: impl Fn(&str, &str, &str) -> bool) -> Vec<String> {
        let code = |at: usize| self.tokens.get(at).map_or("", Token::code);
        (0..self.tokens.len())
            .filter(|&at| is_bad(code(at.wrapping_sub(1)), code(at), code(at + 1)))
            .map(|at| {
                let around = [code(at.wrapping_sub(1)), code(at), code(at + 1)];
                self.fault(self.tokens[at].line, &format!("`{}`", around.join(" ").trim()))
            })
            .collect()
    }
}

/// The position after the `;` or the block that ends the item that begins here.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.code() {
            "{" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files at or below the given paths, if these exist.
pub(crate) fn sources(places: &[&str]) -> Vec<Source> {
    files(places, "rs").iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Path and text of the files with an extension at or below the given paths.
pub(crate) fn files(places: &[&str], extension: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for place in places {
        collect(&root().join(place), &mut paths);
    }
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root()).unwrap_or(&path);
            (path.to_string_lossy().replace('\\', "/"), text)
        })
        .collect()
}

/// The sorted names of a folder's entries; none if there is no such folder.
pub(crate) fn file_names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn collect(place: &Path, paths: &mut Vec<PathBuf>) {
    if place.is_file() {
        paths.push(place.to_owned());
    } else if place.file_name().is_none_or(|name| name != "target") {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            collect(&entry.path(), paths);
        }
    }
}
