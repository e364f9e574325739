//! Searching people by name: how names are compared, which pieces of them are indexed, and which
//! names match a query. The same on every database, because the databases only store and look up
//! the pieces. Knows nothing about how they are stored.

mod entry;
mod query;
mod typos;

use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

use super::text::{fold, nfkc};

pub use entry::{IndexEntry, RULES};
pub use query::{Match, Query, Range, Tier};
pub use typos::Effort;

/// Longest indexed part of a word, in characters. Names that differ only after it are distinguished
/// by [`Query`].
const WORD_MAX: usize = 32;
/// Longest part of a name that is searched, in characters. A username or a full name has at most
/// 301, but normalising can make one character 18.
const NAME_MAX: usize = 301;

/// Starts the piece of a whole name.
const WHOLE: char = '@';
/// Starts the piece of a word.
const WORD: char = '=';
/// Starts the piece of a word without one of its letters, or with all of them.
const LACKING: char = '~';

/// Normalises text for searching: case-folded, without diacritics, single spaces, no control
/// characters.
pub fn key(text: &str) -> String {
    let spaced = text.replace(char::is_control, " ");
    bare(&spaced).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Folds case, width and compatibility forms, and removes diacritics.
pub(super) fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    for c in DecomposingNormalizerBorrowed::new_nfd().normalize(&fold(text)).chars() {
        match c {
            // Diacritics of Latin, Greek and Cyrillic, points of Hebrew and Arabic. In other
            // scripts readers see marks as letters.
            '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}' => {}
            // Variation selectors, which say only how to draw the character before: an emoji in colour (VS16)
            // or as text (VS15), or one form of a Chinese or Mongolian character.
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' => {}
            'æ' => bare.push_str("ae"),
            'œ' => bare.push_str("oe"),
            'ø' => bare.push('o'),
            'ł' => bare.push('l'),
            'đ' | 'ð' => bare.push('d'),
            'ı' => bare.push('i'),
            c => bare.push(c),
        }
    }
    nfkc(&bare)
}

/// The words of a key, or its symbols if it has no letter or digit.
fn words(key: &str) -> Vec<&str> {
    let split = |is_part: fn(char) -> bool| -> Vec<&str> {
        key.split(|c| !is_part(c)).filter(|part| !part.is_empty()).collect()
    };
    match split(is_letter) {
        none if none.is_empty() => split(|c| c != ' '),
        words => words,
    }
}

/// A name's words with single spaces between them, whatever separates them in the name.
fn joined(name: &str) -> Cow<'_, str> {
    // Keys have single spaces already, so most names need no change.
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if is_plain { Cow::Borrowed(name) } else { Cow::Owned(words(name).join(" ")) }
}

/// Every text that a query's word may be a prefix of: the words and symbols of each name and, in
/// scripts without spaces, the rest of a word from each character on. Lazy, since names can be long.
fn prefixable(names: &str) -> impl Iterator<Item = &str> {
    names.lines().flat_map(|name| {
        let symbols = name.split(|c| is_letter(c) || c == ' ').filter(|text| !text.is_empty());
        words(name).into_iter().flat_map(suffixes).chain(symbols)
    })
}

/// A word and, where it is written without spaces, its rest from each later character on.
fn suffixes(word: &str) -> impl Iterator<Item = &str> {
    let inner = if word.is_ascii() { "" } else { word };
    let breaks = inner.char_indices().zip(inner.chars().skip(1));
    let breaks = breaks.filter(|((_, one), next)| is_unspaced(*one) || is_unspaced(*next));
    std::iter::once(word).chain(breaks.map(move |((at, one), _)| &word[at + one.len_utf8()..]))
}

/// Letters, digits, marks, which are parts of letters, and emoji, which people use as words.
fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    let kind = CodePointMapData::<GeneralCategory>::new().get(c);
    let kinds = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::OtherSymbol);
    kinds.contains(kind)
}

/// Whether names in this character's script are written without spaces: Thai to Khmer, Chinese,
/// Japanese, Korean.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn piece(kind: char, text: &str) -> String {
    std::iter::once(kind).chain(text.chars().take(WORD_MAX)).collect()
}

#[cfg(test)]
mod tests;
