//! Comparing words that may have typos, in bounded time.

use super::{LACKING, WORD_MAX, is_unspaced};

/// Typos are looked up in this many first characters of a word, which bounds its pieces.
const TYPO_MAX: usize = 7;
/// The shortest word in which a typo is forgiven, in characters. Shorter words are all alike.
pub(super) const TYPO_MIN: usize = 4;

/// How many comparisons a search may still make, since names can be chosen to be slow. What is
/// beyond is not found by its typos.
#[derive(Debug)]
pub struct Effort(pub(super) u32);

impl Default for Effort {
    /// About a millisecond.
    fn default() -> Self {
        Self(4_000)
    }
}

/// A word's beginning as it is, and without each of its letters: two words that differ by one typo
/// have one of these in common. None in a script where a letter is half a name.
pub(super) fn lacking(word: &str) -> Vec<String> {
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

/// How many typos turn a query's word into a name's word; `None` if too many.
pub(super) fn distance(word: &str, other: &str, effort: &mut Effort) -> Option<u8> {
    // Compared by bytes first, which is cheap: no typo changes more than two characters.
    if word.len().abs_diff(other.len().min(4 * WORD_MAX)) > 8 {
        return None;
    }
    let (mut one_letters, mut other_letters) = (['\0'; WORD_MAX], ['\0'; WORD_MAX]);
    let (one, other) = (letters(word, &mut one_letters), letters(other, &mut other_letters));
    let most = match one.len().max(other.len()) {
        ..TYPO_MIN => 0,
        TYPO_MIN..9 => 1,
        _ => 2,
    };
    if one.len().abs_diff(other.len()) > most || one.iter().copied().any(is_unspaced) {
        return None;
    }
    effort.0 = effort.0.checked_sub(1)?;
    u8::try_from(edits(one, other, most)?).ok()
}

fn letters<'a>(text: &str, space: &'a mut [char; WORD_MAX]) -> &'a [char] {
    let mut length = 0;
    for (slot, c) in space.iter_mut().zip(text.chars()) {
        *slot = c;
        length += 1;
    }
    &space[..length]
}

/// How many letters have to be inserted, deleted, replaced, or swapped with their neighbour; `None`
/// if more than `most`. (The optimal string alignment distance, row by row. strsim's `osa_distance` does not
/// stop early, and takes half as long again for ordinary names.)
fn edits(one: &[char], other: &[char], most: usize) -> Option<usize> {
    let mut before = [0; WORD_MAX + 1];
    let mut last: [usize; WORD_MAX + 1] = std::array::from_fn(|j| j);
    for i in 1..=one.len() {
        let mut row = [i; WORD_MAX + 1];
        for j in 1..=other.len() {
            let replaced = last[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            let swapped =
                i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        // A swap can use the row before, so both have to be beyond.
        if row[..=other.len()].iter().chain(&last[..=other.len()]).all(|edits| *edits > most) {
            return None;
        }
        (before, last) = (last, row);
    }
    Some(last[other.len()]).filter(|edits| *edits <= most)
}
