//! What the index is asked for.

use crate::domain::ids::UserId;

use super::terms::{ATTACHMENTS, SENDER, TERM_MAX, cut, of_pair, of_sender};
use super::tokens::Token;

/// Which terms are looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TermLookup {
    /// A term.
    Exact(String),
    /// All terms that begin so.
    Prefix(String),
}

impl TermLookup {
    /// A sender's messages.
    pub fn sender(user: UserId) -> Self {
        Self::Exact(of_sender(user))
    }

    /// Messages with attachments.
    pub fn attachments() -> Self {
        Self::Exact(ATTACHMENTS.to_owned())
    }

    /// The messages of all senders: every message that is indexed is in these lists.
    pub fn all_senders() -> Self {
        Self::Prefix(SENDER.into())
    }

    /// A word, or words that begin so.
    pub(super) fn word(text: &str, is_prefix: bool) -> Self {
        let whole = text.chars().nth(TERM_MAX).is_none();
        if is_prefix && whole { Self::Prefix(text.to_owned()) } else { Self::Exact(cut(text)) }
    }

    /// Two neighbours among the characters of a script without spaces; the second one may lack marks.
    pub(super) fn pair(one: &Token, next: &Token, is_prefix: bool) -> Self {
        let pair = of_pair(one, next);
        if is_prefix { Self::Prefix(pair) } else { Self::Exact(pair) }
    }

    /// One such character: it begins a pair, or is alone.
    pub(super) fn character(token: &Token) -> Self {
        Self::Prefix(cut(&token.text))
    }

    /// The first term that it may find.
    pub fn from(&self) -> &str {
        let (Self::Exact(term) | Self::Prefix(term)) = self;
        term
    }

    /// Behind the last term that it may find.
    pub fn to(&self) -> String {
        match self {
            Self::Exact(term) => format!("{term}\u{1}"),
            Self::Prefix(term) => format!("{term}{}", char::MAX),
        }
    }

    /// Whether it finds a term.
    pub fn finds(&self, term: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => term == wanted.as_bytes(),
            Self::Prefix(wanted) => term.starts_with(wanted.as_bytes()),
        }
    }
}
