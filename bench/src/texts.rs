//! Texts in twenty scripts, by word numbers: 0 is a script's commonest word, as frequent as "the" in English.

/// The first letter of each script, how many letters of it words are made of, and whether words have spaces
/// between them.
const SCRIPTS: [(char, u32, bool); 20] = [
    ('a', 26, true),
    ('α', 24, true),
    ('а', 32, true),
    ('ա', 38, true),
    ('א', 27, true),
    ('ب', 19, true),
    ('क', 33, true),
    ('ক', 19, true),
    ('ਕ', 19, true),
    ('ક', 19, true),
    ('ம', 12, true),
    ('క', 19, true),
    ('ಕ', 19, true),
    ('ക', 19, true),
    ('ა', 33, true),
    ('ሀ', 72, true),
    ('가', 900, false),
    ('ぁ', 80, false),
    ('一', 3_000, false),
    ('ก', 46, false),
];
/// Words of a script.
const WORDS: f64 = 20_000.0;

/// How many scripts there are.
pub const COUNT: usize = SCRIPTS.len();

/// A word of a script.
pub fn word(script: usize, number: u32) -> String {
    let (first, letters, _) = SCRIPTS[script % COUNT];
    let (mut rest, mut word) = (number, String::new());
    loop {
        word.extend(char::from_u32(u32::from(first) + rest % letters));
        rest /= letters;
        if rest == 0 {
            return word;
        }
    }
}

/// A text of ten words or so. A word's frequency is about the inverse of its number.
pub fn text(script: usize) -> String {
    let space = if SCRIPTS[script % COUNT].2 { " " } else { "" };
    let words: Vec<_> = (0..fastrand::usize(4..16))
        .map(|_| word(script, WORDS.powf(fastrand::f64()) as u32 - 1))
        .collect();
    words.join(space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_differ() {
        for script in 0..COUNT {
            let words: Vec<_> = (0..2_000).map(|number| word(script, number)).collect();
            assert!(words.iter().all(|word| word.chars().all(char::is_alphabetic)), "{words:?}");
            let distinct: std::collections::BTreeSet<_> = words.iter().collect();
            assert!(distinct.len() > 1_900, "{script}");
        }
    }
}
