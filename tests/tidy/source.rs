//! The source tree as the rules see it: files, and Rust code in tokens without its comments.
//! Knows no rule.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
}

/// A piece of code. Comments, characters and the names of lifetimes are left out.
#[derive(Clone)]
pub(crate) struct Token {
    /// Where it begins, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a name or a number.
    Word,
    /// A string literal of any sort, without its quotes.
    Text,
    /// `::`, or any other single character.
    Mark,
}

impl Token {
    /// The text, where it is code; nothing for a string literal.
    pub(crate) fn code(&self) -> &str {
        if self.kind == Kind::Text { "" } else { &self.text }
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), tokens: tokens(text) }
    }

    /// Whether it stands in a folder, given without a slash at the end.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The module it is: `src/http/users.rs` is `[http, users]`; none for the crates' roots.
    pub(crate) fn module_path(&self) -> Vec<String> {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if matches!(path, "lib" | "main") {
            return Vec::new();
        }
        path.split('/').map(str::to_owned).collect()
    }

    /// Whether it is the tests of a file beside it.
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
        Self { path: self.path.clone(), text: self.text.clone(), tokens }
    }

    pub(crate) fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// A fault for each token that `is_bad`, which also sees its neighbours.
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

/// Behind the `;` or the block that ends the item that begins here.
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

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files at or below the given places, as far as those exist.
pub(crate) fn sources(places: &[&str]) -> Vec<Source> {
    files(places, "rs").iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Path and text of the files with that extension at or below the given places.
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

/// The names of what stands in a folder, in order; none where there is no such folder.
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

// ---- Tokens --------------------------------------------------------------------------------------

fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn step(&mut self) {
        let line = self.line;
        match self.peek(0) {
            '/' if self.peek(1) == '/' => self.skip_while(|c| c != '\n'),
            '/' if self.peek(1) == '*' => self.block_comment(),
            '"' => self.string(),
            '\'' => self.character_or_lifetime(),
            c if c.is_alphanumeric() || c == '_' => self.word(),
            ':' if self.peek(1) == ':' => {
                self.at += 2;
                self.push(line, Kind::Mark, "::".to_owned());
            }
            c => {
                self.next();
                if !c.is_whitespace() {
                    self.push(line, Kind::Mark, c.to_string());
                }
            }
        }
    }

    /// NUL past the end.
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn next(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn ended(&self) -> bool {
        self.at >= self.chars.len()
    }

    fn skip_while(&mut self, skipped: impl Fn(char) -> bool) {
        while !self.ended() && skipped(self.peek(0)) {
            self.next();
        }
    }

    fn push(&mut self, line: usize, kind: Kind, text: String) {
        self.tokens.push(Token { line, kind, text });
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while !self.ended() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.next();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// A name or number, or the string that a prefix like `r#` opens.
    fn word(&mut self) {
        let (start, line) = (self.at, self.line);
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        let word: String = self.chars[start..self.at].iter().collect();
        let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
        match word.as_str() {
            "r" | "br" | "cr" if self.peek(hashes) == '"' => self.raw_string(hashes),
            "b" | "c" if self.peek(0) == '"' => self.string(),
            "r" if hashes == 1 => self.at += 1, // r#name: the name comes next
            _ => self.push(line, Kind::Word, word),
        }
    }

    fn string(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.next();
        while !self.ended() {
            match self.next() {
                '"' => break,
                '\\' => match self.next() {
                    '\n' => self.skip_while(char::is_whitespace),
                    'n' | 'r' | 't' => text.push(' '),
                    c => text.push(c),
                },
                c => text.push(c),
            }
        }
        self.push(line, Kind::Text, text);
    }

    fn raw_string(&mut self, hashes: usize) {
        let line = self.line;
        let mut text = String::new();
        self.at += hashes + 1;
        while !self.ended() {
            let c = self.next();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#') {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        self.push(line, Kind::Text, text);
    }

    fn character_or_lifetime(&mut self) {
        self.next();
        if self.peek(0) == '\\' {
            self.at += 2;
            self.skip_while(|c| c != '\'');
            self.next();
        } else if self.peek(1) == '\'' {
            self.next();
            self.next();
        } else {
            self.skip_while(|c| c.is_alphanumeric() || c == '_');
        }
    }
}
