//! What somebody searches for, which pieces of the index it looks up, and which names match.

use std::cmp::Reverse;

use super::typos::{Effort, TYPO_MIN, distance, lacking};
use super::{WHOLE, WORD, joined, key, piece, prefixable, words};
use crate::domain::text::fold;

/// How much of a query is read, in characters and in words.
const QUERY_MAX: usize = 320;
const QUERY_WORDS: usize = 8;
/// Most texts of a user that words are compared with: three names of 150 Chinese characters have
/// 450. All of these are among the user's indexed pieces.
const COMPARED_MAX: usize = 128;

/// How names match a query, best first. Results are ordered by tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The query is the username.
    Username,
    /// The query is a prefix of the username or of the full name, or the whole of it.
    Name,
    /// Each of the query's words is a prefix of one of the names' words.
    Words,
    /// As [`Tier::Words`], with typos.
    Typos,
}

/// That names match, and where that puts them among the results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// How.
    pub tier: Tier,
    /// With how many typos.
    pub typos: u8,
    /// The order within the tier: the first piece of the names that the query looks up or, in
    /// [`Tier::Typos`], the names.
    pub key: String,
}

/// Pieces from `start` up to, but without, `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The prefix that all have.
    pub start: String,
    /// Behind the last of them.
    pub end: String,
}

impl Range {
    fn of(prefix: String) -> Self {
        Self { end: format!("{prefix}{}", char::MAX), start: prefix }
    }
}

/// What somebody is looking for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    username: String,
    key: String,
    words: Vec<String>,
    /// The words with single spaces between them.
    joined: String,
}

impl Query {
    /// Reads a query, as much as a name can have. If it has nothing to search for, its key is
    /// empty, and it matches nobody.
    pub fn parse(text: &str) -> Self {
        let text: String = text.chars().take(QUERY_MAX).collect();
        let key = key(&text);
        let words: Vec<_> = words(&key).into_iter().take(QUERY_WORDS).map(str::to_owned).collect();
        // PostgreSQL refuses NUL.
        let username = fold(text.replace(char::is_control, " ").trim());
        Self { username, joined: words.join(" "), key, words }
    }

    /// Queries with the same key find the same people.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The folded username that it would be.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// How many words it has.
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// The word that fewest people have, by these counts; the longest of several.
    pub fn rarest(&self, counts: impl Iterator<Item = i64>) -> usize {
        let words = self.words.iter().zip(counts).enumerate();
        let rarest = words.min_by_key(|(_, (word, count))| (*count, Reverse(word.chars().count())));
        rarest.map_or(0, |(at, _)| at)
    }

    /// The word by whose range a piece was found. If one is a prefix of another, it is the longer
    /// one, since it is the rarer.
    pub fn word_of(&self, piece: &str) -> Option<usize> {
        let words =
            (0..self.words.len()).filter(|at| piece.starts_with(&self.word_range(*at).start));
        words.max_by_key(|at| self.words[*at].len())
    }

    /// The whole names of all users that [`Tier::Name`] may contain.
    pub fn names_range(&self) -> Range {
        Range::of(piece(WHOLE, &self.joined))
    }

    /// The words of everybody who has the query's word with this number, without a typo.
    pub fn word_range(&self, word: usize) -> Range {
        Range::of(piece(WORD, self.words.get(word).map_or("", String::as_str)))
    }

    /// Pieces that everybody has some of who has the query's word with this number, with a typo.
    pub fn lacking(&self, word: usize) -> Vec<String> {
        let word = self.words.get(word).filter(|word| word.chars().count() + 1 >= TYPO_MIN);
        word.map_or_else(Vec::new, |word| lacking(word))
    }

    /// Whether one of its words is long enough to have a typo.
    pub fn may_have_typos(&self) -> bool {
        (0..self.words.len()).any(|word| !self.lacking(word).is_empty())
    }

    /// How names match without a typo. In [`Tier::Words`] they are ordered by the word with this
    /// number, so they are found in its range.
    pub fn plain(&self, names: &str, word: usize) -> Option<Match> {
        let driver = self.words.get(word)?;
        let whole = names.lines().map(joined).filter(|name| name.starts_with(&self.joined));
        if let Some(name) = whole.min() {
            return Some(Match { tier: Tier::Name, typos: 0, key: piece(WHOLE, &name) });
        }
        let compared = || prefixable(names).take(COMPARED_MAX);
        let first = compared().filter(|text| text.starts_with(driver.as_str())).min()?;
        let has = |word: &String| compared().any(|text| text.starts_with(word.as_str()));
        let others = || self.words.iter().enumerate().filter(|(at, _)| *at != word);
        others().all(|(_, word)| has(word)).then(|| Match {
            tier: Tier::Words,
            typos: 0,
            key: piece(WORD, first),
        })
    }

    /// How names match with typos; `None` if they match without, or not at all.
    pub fn with_typos(&self, names: &str, effort: &mut Effort) -> Option<Match> {
        if self.plain(names, 0).is_some() {
            return None;
        }
        let compared: Vec<_> = prefixable(names).take(COMPARED_MAX).collect();
        let mut typos = 0;
        for word in &self.words {
            if !compared.iter().any(|text| text.starts_with(word.as_str())) {
                let distances = compared.iter().filter_map(|text| distance(word, text, effort));
                typos += distances.min()?;
            }
        }
        (typos > 0).then(|| Match { tier: Tier::Typos, typos, key: names.to_owned() })
    }
}
