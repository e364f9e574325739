//! What the index stores about a user.

use std::collections::HashSet;

use super::typos::{TYPO_MIN, lacking};
use super::{NAME_MAX, WHOLE, WORD, is_unspaced, joined, key, piece, prefixable};

/// The version of the rules by which an [`IndexEntry`] is made. Raise it if the entry of ordinary names
/// changes: every user with an earlier number is then indexed again.
pub const RULES: i64 = 2;

/// Most pieces of a user. Three names of 150 characters could have thousands.
pub(super) const PIECES_MAX: usize = 256;

/// A user's names as they are indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The username, the full name and, if it has two parts, the full name the other way round,
    /// each normalised and on a line of its own.
    pub names: String,
    /// What the names are found by, each piece once: whole names, words, and words that lack a
    /// letter. See [`super::Query`] for which of them a query looks up.
    pub pieces: Vec<String>,
}

impl IndexEntry {
    /// Costs up to a millisecond for names that are chosen to be slow.
    pub fn of(username: &str, first_name: &str, last_name: &str) -> Self {
        let names = names(username, first_name, last_name);
        let pieces = pieces(&names);
        Self { names, pieces }
    }
}

fn names(username: &str, first_name: &str, last_name: &str) -> String {
    let (first, last) = (key(first_name), key(last_name));
    let username = cut(&key(username)).to_owned();
    if first.is_empty() || last.is_empty() {
        let full = first + &last;
        return if full.is_empty() { username } else { format!("{username}\n{}", cut(&full)) };
    }
    // A Chinese name is typed without a space.
    let unspaced = first.contains(is_unspaced) && last.contains(is_unspaced);
    let space = if unspaced { "" } else { " " };
    let (one, other) = (format!("{first}{space}{last}"), format!("{last}{space}{first}"));
    format!("{username}\n{}\n{}", cut(&one), cut(&other))
}

fn cut(name: &str) -> &str {
    name.char_indices().nth(NAME_MAX).map_or(name, |(end, _)| name[..end].trim_end())
}

fn pieces(names: &str) -> Vec<String> {
    let words: Vec<_> = prefixable(names).take(PIECES_MAX).collect();
    let whole = names.lines().map(|name| piece(WHOLE, &joined(name)));
    let plain = words.iter().map(|word| piece(WORD, word));
    let typed = words.iter().filter(|word| word.chars().count() >= TYPO_MIN);
    let all = whole.chain(plain).chain(typed.flat_map(|word| lacking(word)));
    let mut seen = HashSet::new();
    all.filter(|piece| seen.insert(piece.clone())).take(PIECES_MAX).collect()
}
