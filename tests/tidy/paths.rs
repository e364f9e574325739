//! The paths that code names (`crate::a::b`, `super::c::{d, e}`), as absolute paths in the crate.
//! Purely by the tokens: it does not know which modules and items exist.

use super::source::Source;
use super::tokens::Token;

/// A path from the crate's root: `crate::app::App` is `[app, App]`.
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    /// Whether it is in a `pub use`, which only re-exports the name.
    pub(crate) reexported: bool,
}

/// Every path in the file that begins with `crate`, `super`, `self` or one of `children`: the
/// modules that the file declares.
pub(crate) fn named(source: &Source, children: &[String]) -> Vec<Named> {
    let module = source.module_path();
    let tokens = &source.tokens;
    let code = |at: usize| tokens.get(at).map_or("", Token::code);
    let mut found = Vec::new();
    let mut depth = 0;
    // Modules inside the file, each with the depth at which it closes: `super` counts them.
    let mut inner: Vec<(usize, String)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match code(at) {
            "{" => {
                depth += 1;
                if code(at.wrapping_sub(2)) == "mod" {
                    inner.push((depth, code(at - 1).to_owned()));
                }
            }
            "}" => {
                inner.pop_if(|(open, _)| *open == depth);
                depth = depth.saturating_sub(1);
            }
            start if code(at + 1) == "::" && code(at.wrapping_sub(1)) != "::" => {
                let here = || module.iter().chain(inner.iter().map(|(_, name)| name)).cloned();
                let base = match start {
                    "crate" => Some(Vec::new()),
                    "self" | "super" => Some(here().collect()),
                    name if inner.is_empty() && children.iter().any(|child| child == name) => {
                        Some(module.clone())
                    }
                    _ => None,
                };
                if let Some(base) = base {
                    let reexported = is_reexport(tokens, at);
                    let mut tree = Tree { tokens, at, found: Vec::new() };
                    tree.read(base);
                    at = tree.at.max(at + 1);
                    found.extend(tree.found.into_iter().map(|(line, path)| Named {
                        line,
                        path,
                        reexported,
                    }));
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether the path that begins here is that of a `pub use` or `pub(…) use`.
fn is_reexport(tokens: &[Token], at: usize) -> bool {
    let code = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at].code());
    code(1) == "use" && (code(2) == "pub" || code(2) == ")")
}

/// Reads one path, or all paths of a `{…}` list.
struct Tree<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<(usize, Vec<String>)>,
}

impl Tree<'_> {
    fn code(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", Token::code)
    }

    fn read(&mut self, mut path: Vec<String>) {
        let line = self.tokens[self.at].line;
        loop {
            match self.code(0) {
                "{" => return self.list(&path),
                "crate" | "self" => {}
                "super" => {
                    path.pop();
                }
                name if name == "*"
                    || name.starts_with(|c: char| c.is_alphabetic() || c == '_') =>
                {
                    path.push(name.to_owned());
                }
                _ => break,
            }
            self.at += 1;
            if self.code(0) != "::" {
                break;
            }
            self.at += 1;
        }
        self.found.push((line, path));
    }

    fn list(&mut self, base: &[String]) {
        self.at += 1;
        while self.at < self.tokens.len() {
            match self.code(0) {
                "}" => {
                    self.at += 1;
                    return;
                }
                "," => self.at += 1,
                // The new name of `a as b`, which leads nowhere.
                "as" => self.at += 2,
                _ => {
                    let before = self.at;
                    self.read(base.to_vec());
                    self.at = self.at.max(before + 1);
                }
            }
        }
    }
}
