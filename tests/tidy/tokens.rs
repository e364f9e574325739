//! Rust code as tokens, and its comments: as much of the language as the checks need.

/// A token of Rust code. Comments, character literals and lifetimes are left out.
#[derive(Clone)]
pub(crate) struct Token {
    /// The line in which it begins, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a name or a number.
    Word,
    /// A string literal of any kind, without its quotes.
    Text,
    /// `::`, or any other single character.
    Mark,
}

impl Token {
    /// The text of code; empty for a string literal.
    pub(crate) fn code(&self) -> &str {
        if self.kind == Kind::Text { "" } else { &self.text }
    }
}

/// The tokens of a file, and its line comments, each with its line.
pub(crate) fn tokens(text: &str) -> (Vec<Token>, Vec<(usize, String)>) {
    let mut lexer = Lexer::new(text);
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    (lexer.tokens, lexer.comments)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<(usize, String)>,
}

impl Lexer {
    fn new(text: &str) -> Self {
        let chars = text.chars().collect();
        Self { chars, at: 0, line: 1, tokens: Vec::new(), comments: Vec::new() }
    }

    fn step(&mut self) {
        let line = self.line;
        match self.peek(0) {
            '/' if self.peek(1) == '/' => {
                let start = self.at;
                self.skip_while(|c| c != '\n');
                self.comments.push((line, self.chars[start..self.at].iter().collect()));
            }
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

    /// The character, or NUL past the end.
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

    /// A name or number, or the string that begins with a prefix such as `r#`.
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
