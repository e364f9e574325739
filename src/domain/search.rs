//! Finding people by their names: how names are compared, into which pieces they are cut so that an
//! index finds them, and how well one answers a question. The same on every database, since all of
//! it happens here. Nothing here knows where the pieces are kept.

use std::borrow::Cow;
use std::cmp::Reverse;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

use super::text::{fold, nfkc};

/// The number of the rules below. Whoever changes what [`names`] or [`pieces`] give raises it: what
/// was indexed by an earlier number is then indexed again.
pub const RULES: i64 = 2;

/// Kept of a word in a piece, in characters. What is longer is told apart by [`Query::rank`].
const WORD_MAX: usize = 32;
/// Most pieces of a person: three names of 150 characters could have thousands.
const PIECES_MAX: usize = 256;
/// How much of a word may have a typo, in characters from its beginning: bounds its pieces.
const TYPO_MAX: usize = 7;
/// The shortest word in which a typo is forgiven, in characters: the shorter ones are all alike.
const TYPO_MIN: usize = 4;
/// Most beginnings of words that are compared of a person: three names of 150 Chinese characters
/// have 450.
const PLACES_MAX: usize = 128;
/// Read of a question, in characters and words. The longest full name has 301 characters.
const QUERY_MAX: usize = 320;
const QUERY_WORDS: usize = 8;

/// Begins the piece of a whole name.
const WHOLE: char = '@';
/// Begins the piece of a word.
const WORD: char = '=';
/// Begins the piece of a word that lacks one letter, or none.
const LACKING: char = '~';

/// The key under which texts are searched: folded, without diacritics, with single spaces. Contains
/// no control characters.
pub fn key(text: &str) -> String {
    let spaced = text.replace(char::is_control, " ");
    let mut key = String::with_capacity(spaced.len());
    for c in DecomposingNormalizerBorrowed::new_nfd().normalize(&fold(&spaced)).chars() {
        match c {
            // Diacritics of Latin, Greek and Cyrillic, points of Hebrew and Arabic. Elsewhere marks
            // are letters to their readers.
            '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}' => {}
            // VS16: it asks for an emoji's colourful form, which is the same emoji.
            '\u{fe0f}' => {}
            'æ' => key.push_str("ae"),
            'œ' => key.push_str("oe"),
            'ø' => key.push('o'),
            'ł' => key.push('l'),
            'đ' | 'ð' => key.push('d'),
            'ı' => key.push('i'),
            c => key.push(c),
        }
    }
    nfkc(&key).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A person's names as they are searched: the username, the full name and, if it has two parts, the
/// full name the other way round, a line each.
pub fn names(username: &str, first_name: &str, last_name: &str) -> String {
    let (first, last) = (key(first_name), key(last_name));
    let mut names = key(username);
    if first.is_empty() || last.is_empty() {
        let full = first + &last;
        return if full.is_empty() { names } else { format!("{names}\n{full}") };
    }
    // A Chinese name is typed without a space.
    let unspaced = first.contains(is_unspaced) && last.contains(is_unspaced);
    let space = if unspaced { "" } else { " " };
    names.push_str(&format!("\n{first}{space}{last}\n{last}{space}{first}"));
    names
}

/// What an index of people holds of [`names`], each piece once.
pub fn pieces(names: &str) -> Vec<String> {
    let mut pieces: Vec<String> = names.lines().map(|name| piece(WHOLE, &joined(name))).collect();
    let words: Vec<_> = names.lines().flat_map(places).take(PIECES_MAX).collect();
    pieces.extend(words.iter().map(|word| piece(WORD, word)));
    let typed = words.iter().filter(|word| word.chars().count() >= TYPO_MIN);
    pieces.extend(typed.flat_map(|word| lacking(word)));
    let mut seen = std::collections::HashSet::new();
    pieces.retain(|piece| seen.insert(piece.clone()));
    pieces.truncate(PIECES_MAX);
    pieces
}

/// How well somebody's names answer a question; the less, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// 0: the username, to the letter; 1: a full name; 2: a name's words; 3: its beginning;
    /// 4: beginnings of words; 5: with typos.
    pub class: u8,
    /// How many typos.
    pub typos: u8,
}

/// How many comparisons for typos a search may still make. Names made for it would otherwise cost
/// seconds; what is beyond is not found by its typos.
#[derive(Debug)]
pub struct Effort(u32);

impl Default for Effort {
    /// About 10 ms.
    fn default() -> Self {
        Self(20_000)
    }
}

/// What somebody is looking for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    key: String,
    words: Vec<String>,
}

impl Query {
    /// Reads a question, as much of it as there can be of a name. Where there is nothing in it, its
    /// key is empty, and nobody answers it.
    pub fn parse(text: &str) -> Self {
        let key = key(&text.chars().take(QUERY_MAX).collect::<String>());
        let words = words(&key).into_iter().take(QUERY_WORDS).map(str::to_owned).collect();
        Self { key, words }
    }

    /// Two questions with the same key have the same answer.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the pieces of those whom it may mean begin with: of the whole name, and of one word,
    /// the longest.
    pub fn beginnings(&self) -> [String; 2] {
        [piece(WHOLE, &self.words.join(" ")), piece(WORD, self.longest())]
    }

    /// The pieces of those whom it may mean where the longest word has a typo.
    pub fn lacking(&self) -> Vec<String> {
        let word = self.longest();
        if word.chars().count() + 1 < TYPO_MIN { Vec::new() } else { lacking(word) }
    }

    fn longest(&self) -> &str {
        self.words.iter().min_by_key(|word| Reverse(word.chars().count())).map_or("", |word| word)
    }

    /// How well [`names`] answer it without a typo; `None` where they do not.
    pub fn rank_plain(&self, names: &str) -> Option<Rank> {
        if self.words.is_empty() {
            return None;
        }
        let plain = |class| Some(Rank { class, typos: 0 });
        if let Some(at) = names.lines().position(|name| name == self.key) {
            return plain(if at == 0 { 0 } else { 1 });
        }
        let query = self.words.join(" ");
        let joined: Vec<_> = names.lines().map(joined).collect();
        if joined.iter().any(|name| *name == query) {
            return plain(2);
        } else if joined.iter().any(|name| name.starts_with(&query)) {
            return plain(3);
        }
        let places: Vec<_> = names.lines().flat_map(places).take(PLACES_MAX).collect();
        let begins = |word: &String| places.iter().any(|place| place.starts_with(word.as_str()));
        if self.words.iter().all(begins) { plain(4) } else { None }
    }

    /// How well [`names`] answer it where its words may have typos; `None` where they do not.
    pub fn rank(&self, names: &str, effort: &mut Effort) -> Option<Rank> {
        if let Some(rank) = self.rank_plain(names) {
            return Some(rank);
        }
        let places: Vec<_> = names.lines().flat_map(places).take(PLACES_MAX).collect();
        let mut typos = 0;
        for word in &self.words {
            let begins = places.iter().any(|place| place.starts_with(word.as_str()));
            if !begins {
                typos += places.iter().filter_map(|place| distance(word, place, effort)).min()?;
            }
        }
        (typos > 0).then_some(Rank { class: 5, typos })
    }
}

/// The words of a key; its signs where it has no letter or digit.
fn words(key: &str) -> Vec<&str> {
    let split = |is_part: fn(char) -> bool| -> Vec<&str> {
        key.split(|c| !is_part(c)).filter(|part| !part.is_empty()).collect()
    };
    match split(is_letter) {
        none if none.is_empty() => split(|c| c != ' '),
        words => words,
    }
}

/// A name's words with single spaces between them, whatever stands there in the name.
fn joined(name: &str) -> Cow<'_, str> {
    // Keys have single spaces already, so most names are as they should be.
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if is_plain { Cow::Borrowed(name) } else { Cow::Owned(words(name).join(" ")) }
}

/// All that a word of a question may be the beginning of: the words of a name and its signs; and
/// the rest of a word from every character on where these are written without spaces.
fn places(name: &str) -> Vec<&str> {
    let mut places = Vec::new();
    for word in words(name) {
        let breaks = word.char_indices().zip(word.chars().skip(1));
        let inner = breaks.filter(|((_, one), next)| is_unspaced(*one) || is_unspaced(*next));
        let inner: Vec<_> = inner.map(|((at, one), _)| &word[at + one.len_utf8()..]).collect();
        places.push(word);
        places.extend(inner);
    }
    places.extend(name.split(|c| is_letter(c) || c == ' '));
    places.retain(|place| !place.is_empty());
    places
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

/// Whether its script is written without spaces, or names in it are: Thai to Khmer, Chinese,
/// Japanese, Korean.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn piece(kind: char, text: &str) -> String {
    std::iter::once(kind).chain(text.chars().take(WORD_MAX)).collect()
}

/// A word's beginning as it is, and without each of its letters: two words that differ by one typo
/// have one of these in common. None where the script is one in which a letter is half a name.
fn lacking(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().take(TYPO_MAX).collect();
    if letters.iter().copied().any(is_unspaced) {
        return Vec::new();
    }
    let without = |at: usize| {
        let rest = letters.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, c)| *c);
        std::iter::once(LACKING).chain(rest).collect()
    };
    (0..=letters.len()).map(without).collect()
}

/// How many typos make a word of a question a name's word; `None` where too many.
fn distance(word: &str, place: &str, effort: &mut Effort) -> Option<u8> {
    // By bytes first, which is cheap: no typo changes more than two characters.
    if word.len().abs_diff(place.len().min(4 * WORD_MAX)) > 8 {
        return None;
    }
    let cut = |text: &str| text.chars().take(WORD_MAX).collect::<Vec<_>>();
    let (word, place) = (cut(word), cut(place));
    let most = match word.len().max(place.len()) {
        ..TYPO_MIN => 0,
        TYPO_MIN..9 => 1,
        _ => 2,
    };
    if word.len().abs_diff(place.len()) > most || word.iter().copied().any(is_unspaced) {
        return None;
    }
    effort.0 = effort.0.checked_sub(1)?;
    u8::try_from(edits(&word, &place)).ok().filter(|edits| usize::from(*edits) <= most)
}

/// How many letters have to be put in, left out, replaced, or swapped with their neighbour.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
                let swapped =
                    i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
                let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if swapped { best.min(rows[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::{Effort, PIECES_MAX, Query, key, names, pieces};

    /// The class and typos, or `None`; and the index must find whomever the rank finds.
    fn ask(question: &str, person: (&str, &str, &str)) -> Option<(u8, u8)> {
        let query = Query::parse(question);
        let names = names(person.0, person.1, person.2);
        let rank = query.rank(&names, &mut Effort::default())?;
        let pieces = pieces(&names);
        let begins = query.beginnings().iter().any(|b| pieces.iter().any(|p| p.starts_with(b)));
        let lacking = query.lacking().iter().any(|piece| pieces.contains(piece));
        assert!(begins || lacking, "{question} does not find {pieces:?}");
        Some((rank.class, rank.typos))
    }

    #[test]
    fn case_width_diacritics_and_spaces_are_folded() {
        for (text, folded) in [
            ("  Zoë\tØre ", "zoe ore"),
            ("Łukasz İnce", "lukasz ince"),
            ("ＭＥＯＷ", "meow"),
            ("Straße", "strasse"),
            ("Алёна Йод", "алена иод"),
            ("हिन्दी", "हिन्दी"),
            ("김철수", "김철수"),
            ("が\0b", "が b"),
        ] {
            assert_eq!(key(text), folded);
        }
    }

    #[test]
    fn the_nearer_a_name_the_better_its_rank() {
        let ivan = ("vanya_p", "Ivan", "Petrov");
        for (question, rank) in [
            ("VANYA_P", Some((0, 0))),
            ("ivan petrov", Some((1, 0))),
            ("Petrov Ivan", Some((1, 0))),
            ("vanya.p", Some((2, 0))),
            ("petr", Some((3, 0))),
            ("i", Some((3, 0))),
            ("vanya", Some((3, 0))),
            ("iv petr", Some((4, 0))),
            ("p", Some((3, 0))),
            ("Ivon", Some((5, 1))),
            ("Petorv", Some((5, 1))),
            ("Petrov Ivn", Some((5, 1))),
            ("Ivan Sidorov", None),
            ("tro", None),
            ("xvxn", None),
        ] {
            assert_eq!(ask(question, ivan), rank, "{question}");
        }
    }

    #[test]
    fn one_wrong_letter_of_five_is_forgiven_wherever_it_is() {
        for typo in ["xlice", "axice", "alxce", "alixe", "alicx", "lice", "aliice", "laice"] {
            assert_eq!(ask(typo, ("alice", "", "")), Some((5, 1)), "{typo}");
        }
        assert_eq!(ask("Алекснадр", ("x", "Александр", "")), Some((5, 1)));
        assert_eq!(ask("Konstantxn", ("x", "Konstantin", "")), Some((5, 1)));
        assert_eq!(ask("tom", ("tim", "", "")), None);
    }

    #[test]
    fn scripts_without_spaces_are_found_from_any_character_on() {
        let person = ("x", "小明", "王");
        for (question, found) in [
            ("王小明", true),
            ("王 小明", true),
            ("小明", true),
            ("明", true),
            ("王", true),
            ("大", false),
        ] {
            assert_eq!(ask(question, person).is_some(), found, "{question}");
        }
        assert!(ask("小明", ("王小明", "", "")).is_some());
        assert!(ask("철수", ("x", "김철수", "")).is_some());
        assert!(ask("田", ("x", "たろう田中", "")).is_some());
    }

    #[test]
    fn signs_are_ordinary_characters() {
        assert_eq!(ask("%", ("x", "50% cat", "")), Some((4, 0)));
        assert_eq!(ask("%", ("x", "cat", "")), None);
        assert_eq!(ask("_", ("_tom", "", "")), Some((4, 0)));
        assert_eq!(ask("\\", ("tom", "", "")), None);
        assert_eq!(ask("a_b", ("axb", "", "")), None);
        assert_eq!(Query::parse(" \0\t\u{301}").rank("tom", &mut Effort::default()), None);
    }

    #[test]
    fn an_emoji_is_a_word_with_and_without_its_selector() {
        for question in ["❤️ tom", "❤ tom", "tom ❤", "❤️"] {
            assert!(ask(question, ("x", "❤️ Tom", "")).is_some(), "{question}");
            assert!(ask(question, ("x", "❤ Tom", "")).is_some(), "{question}");
            assert_eq!(ask(question, ("x", "☀️ Tom", "")), None, "{question}");
        }
        assert!(ask("👍", ("x", "👍🏽 Tom", "")).is_some());
        assert!(ask("👧", ("x", "👨‍👩‍👧", "")).is_some());
    }

    #[test]
    fn the_longest_names_have_bounded_pieces() {
        let name = "王".repeat(150);
        let names = names(&name, &"a ".repeat(75), &"é".repeat(150));
        assert!(pieces(&names).len() <= PIECES_MAX);
        let query = Query::parse(&"meow ".repeat(1000));
        assert!(query.rank(&names, &mut Effort::default()).is_none());
    }
}
