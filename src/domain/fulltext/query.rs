//! What somebody searches for in messages, what of it the index is asked for, and where a text matches.

use std::collections::HashSet;

use super::lookup::TermLookup;
use super::tokens::{Token, TokenKind, Tokenizer};

/// Most terms that the index is asked for. Texts are compared with all words.
const LOOKUPS_MAX: usize = 8;

/// A matching part of a text: where it begins and ends, in code points.
pub type Highlight = (usize, usize);

/// Tokens that must follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sequence {
    tokens: Vec<Token>,
    /// Whether the last one may be the beginning of a word.
    is_prefix: bool,
}

/// What somebody searches for: every sequence must occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    sequences: Vec<Sequence>,
}

impl MessageQuery {
    /// Reads a query: words, and phrases in quotation marks. The last word may be the beginning of one,
    /// unless its phrase is closed. `None` if there is nothing to search for.
    pub fn parse(text: &str) -> Option<Self> {
        let mut tokenizer = Tokenizer::default();
        let mut sequences = Vec::new();
        let parts: Vec<_> = text.split(['"', '“', '”', '„', '«', '»']).collect();
        let mut is_open = false;
        for (index, part) in parts.iter().enumerate() {
            let tokens = tokenizer.tokens(part);
            is_open = index + 1 == parts.len() && !tokens.is_empty();
            let split = if index % 2 == 1 { vec![tokens] } else { words(tokens) };
            let split = split.into_iter().filter(|tokens| !tokens.is_empty());
            sequences.extend(split.map(|tokens| Sequence { tokens, is_prefix: false }));
        }
        let last = sequences.last_mut()?;
        last.is_prefix = is_open && last.tokens.last()?.kind != TokenKind::Symbol;
        Some(Self { sequences })
    }

    /// What the index is asked for: messages that match are in all of these. The longest first, which are
    /// the rarest.
    pub fn lookups(&self) -> Vec<TermLookup> {
        let mut lookups: Vec<_> = self.sequences.iter().flat_map(Sequence::lookups).collect();
        let mut known = HashSet::new();
        lookups.retain(|lookup| known.insert(lookup.clone()));
        let rank = |lookup: &TermLookup| {
            let is_prefix = matches!(lookup, TermLookup::Prefix(_));
            (is_prefix, std::cmp::Reverse(lookup.from().len()))
        };
        lookups.sort_by_key(rank);
        lookups.truncate(LOOKUPS_MAX);
        lookups
    }

    /// Where a text's tokens match, in order and without overlaps. `None` if they do not.
    pub fn highlights(&self, tokens: &[Token]) -> Option<Vec<Highlight>> {
        let mut all = Vec::new();
        for sequence in &self.sequences {
            let before = all.len();
            all.extend(sequence.places(tokens));
            if all.len() == before {
                return None;
            }
        }
        all.sort_unstable();
        let mut merged: Vec<Highlight> = Vec::with_capacity(all.len());
        for (start, end) in all {
            match merged.last_mut() {
                Some((_, last)) if start < *last => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        Some(merged)
    }
}

/// Each word and symbol alone. Characters without a space between them stay together.
fn words(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut words: Vec<Vec<Token>> = Vec::new();
    for token in tokens {
        match words.last_mut() {
            Some(word) if word.last().is_some_and(|last| are_joined(last, &token)) => {
                word.push(token);
            }
            _ => words.push(vec![token]),
        }
    }
    words
}

/// Whether these are neighbours in a text without spaces.
fn are_joined(one: &Token, next: &Token) -> bool {
    next.touches && one.kind == TokenKind::Character && next.kind == TokenKind::Character
}

impl Sequence {
    fn lookups(&self) -> Vec<TermLookup> {
        let mut lookups = Vec::new();
        let mut before: Option<&Token> = None;
        for (index, token) in self.tokens.iter().enumerate() {
            let next = self.tokens.get(index + 1);
            match (token.kind, next) {
                (TokenKind::Character, Some(next)) if are_joined(token, next) => {
                    let is_last = index + 2 == self.tokens.len();
                    lookups.push(TermLookup::pair(token, next, self.is_prefix && is_last));
                }
                // The pair that it ends is asked for.
                (TokenKind::Character, _) if before.is_some_and(|one| are_joined(one, token)) => {}
                (TokenKind::Character, _) => lookups.push(TermLookup::character(token)),
                _ => lookups.push(TermLookup::word(&token.text, self.is_prefix && next.is_none())),
            }
            before = Some(token);
        }
        lookups
    }

    fn places(&self, tokens: &[Token]) -> impl Iterator<Item = Highlight> {
        let windows = tokens.windows(self.tokens.len()).filter(|window| self.is_at(window));
        windows.filter_map(|window| Some((window.first()?.start, window.last()?.end)))
    }

    fn is_at(&self, window: &[Token]) -> bool {
        let last = self.tokens.len() - 1;
        let mut before: Option<&Token> = None;
        self.tokens.iter().zip(window).enumerate().all(|(index, (wanted, found))| {
            let is_same = match self.is_prefix && index == last {
                true => found.text.starts_with(&wanted.text),
                false => found.text == wanted.text,
            };
            let joined = before.is_some_and(|one| are_joined(one, wanted));
            before = Some(wanted);
            is_same && found.kind == wanted.kind && (found.touches || !joined)
        })
    }
}
