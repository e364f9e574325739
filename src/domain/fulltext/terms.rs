//! What of a text is indexed: terms, under which the index lists messages. A word or symbol is a term; of
//! characters that are written without spaces each pair of neighbours is one. The sender is a term as well.

use crate::domain::ids::UserId;

use super::tokens::{Token, TokenKind};

/// Longest term, in characters. Words that differ only behind that are distinguished by comparing texts.
pub(super) const TERM_MAX: usize = 32;
/// Starts the term of a sender. No token has control characters.
pub(super) const SENDER: char = '\u{1}';

/// The term of messages with attachments. No user has this id.
pub(super) const ATTACHMENTS: &str = "\u{1}a";

pub(super) fn of_sender(user: UserId) -> String {
    format!("{SENDER}{user}")
}

pub(super) fn of_pair(one: &Token, next: &Token) -> String {
    one.text.chars().chain(next.text.chars()).take(TERM_MAX).collect()
}

/// The beginning of a word, as far as it is indexed.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(TERM_MAX).collect()
}

/// The terms of a text's tokens; some may be repeated.
pub(super) fn terms(tokens: &[Token]) -> impl Iterator<Item = String> {
    let nexts = tokens.iter().skip(1).map(Some).chain([None]);
    tokens.iter().zip(nexts).map(|(token, next)| match (token.kind, next) {
        (TokenKind::Character, Some(next)) if next.kind == TokenKind::Character && next.touches => {
            of_pair(token, next)
        }
        _ => cut(&token.text),
    })
}
